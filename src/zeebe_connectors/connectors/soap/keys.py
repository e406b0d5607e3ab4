"""A private key with its certificate goes in (PEM, PKCS#12 or JKS), the same as PEM and DER comes out."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)

from zeebe_connectors import InputError

_JKS = 0xFEEDFEED
_JKS_PROTECTION = bytes.fromhex("060a2b060104012a02110101")  # OID 1.3.6.1.4.1.42.2.17.1.1
_INVALID = "SOAP_CERTIFICATE_INVALID"


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key and its certificates.

    Args:
        key: The private key, PKCS#8 in PEM, not encrypted.
        chain: Certificates, the key's own first.
    """

    key: bytes = field(repr=False)
    chain: tuple[x509.Certificate, ...] = field(repr=False)

    @property
    def certificate_pem(self) -> str:
        """The chain as PEM."""
        return "".join(item.public_bytes(Encoding.PEM).decode() for item in self.chain)

    @property
    def kind(self) -> str:
        """`rsa` or `ec`."""
        return "ec" if isinstance(self.chain[0].public_key(), ec.EllipticCurvePublicKey) else "rsa"


def from_pem(certificate: str, key: str, password: str | None, *, where: str) -> Identity:
    """Reads a certificate (with intermediates, if any) and its key from PEM texts.

    Raises:
        InputError: `SOAP_CERTIFICATE_INVALID`; the message names the text at fault.
    """
    try:
        chain = x509.load_pem_x509_certificates(certificate.strip().encode())
    except ValueError:
        raise InputError(
            f"{where}.certificate: is not a certificate in PEM; paste it from BEGIN CERTIFICATE to END CERTIFICATE "
            "with its line breaks",
            code=_INVALID,
        ) from None
    try:
        loaded = load_pem_private_key(key.strip().encode(), password.encode() if password else None)
    except (ValueError, TypeError):
        raise InputError(
            f"{where}.privateKey: is not a private key in PEM, or its password is wrong or missing; paste it from "
            "BEGIN to END with its line breaks",
            code=_INVALID,
        ) from None
    return _identity(loaded, chain, where)


def from_keystore(data: bytes, password: str, alias: str | None, key_password: str | None, *, where: str) -> Identity:
    """Reads a key from the bytes of a PKCS#12 file or a Java keystore (JKS).

    Args:
        data: The file's bytes; what it is, is seen from its first four.
        password: The keystore's password.
        alias: Which key; may be left out when there is only one.
        key_password: The key's own password, when it has one (JKS).
        where: Name of the input field, for messages.

    Raises:
        InputError: `SOAP_CERTIFICATE_INVALID`: wrong password, no such alias (the message lists those there are), or no
            keystore.
    """
    if data[:4] == struct.pack(">I", _JKS):
        return _from_jks(data, password, alias, key_password, where)
    if data[:4] == b"\xce\xce\xce\xce":
        raise InputError(
            f"{where}: is a keystore of the old type JCEKS; convert it with: "
            "keytool -importkeystore -deststoretype PKCS12",
            code=_INVALID,
        )
    try:
        found = pkcs12.load_pkcs12(data, password.encode())
    except ValueError:
        raise InputError(
            f"{where}: is neither a PKCS#12 file nor a Java keystore, or its password is wrong", code=_INVALID
        ) from None
    if found.key is None or found.cert is None:
        raise InputError(f"{where}: holds no private key with its certificate", code=_INVALID)
    name = (found.cert.friendly_name or b"").decode("utf-8", "replace")
    if alias and name and alias.lower() != name.lower():
        raise InputError(f"{where}: holds no key of the given alias; it holds: {name}", code=_INVALID)
    return _identity(found.key, [found.cert.certificate, *(item.certificate for item in found.additional_certs)], where)


def _identity(key: object, chain: list[x509.Certificate], where: str) -> Identity:
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise InputError(f"{where}: the private key must be RSA or EC", code=_INVALID)
    public = key.public_key()
    own = next((item for item in chain if item.public_key() == public), None)
    if own is None:
        raise InputError(f"{where}: private key and certificate do not belong together", code=_INVALID)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Identity(pem, (own, *(item for item in chain if item != own)))


@dataclass(slots=True)
class _JksReader:
    data: bytes
    at: int = 0

    def number(self) -> int:
        (value,) = struct.unpack_from(">i", self.data, self.at)
        self.at += 4
        return int(value)

    def text(self) -> str:
        (length,) = struct.unpack_from(">H", self.data, self.at)
        self.at += 2 + length
        return self.data[self.at - length : self.at].decode("utf-8", "replace")

    def block(self) -> bytes:
        length = self.number()
        self.at += length
        return self.data[self.at - length : self.at]


def _from_jks(data: bytes, password: str, alias: str | None, key_password: str | None, where: str) -> Identity:
    secret = password.encode("utf-16-be")
    body, digest = data[:-20], data[-20:]
    if hashlib.sha1(secret + b"Mighty Aphrodite" + body).digest() != digest:  # noqa: S324 - the format's own checksum
        raise InputError(f"{where}: the keystore's password is wrong, or the file is damaged", code=_INVALID)
    keys: dict[str, tuple[bytes, list[bytes]]] = {}
    reader = _JksReader(body, at=4)
    try:
        version, count = reader.number(), reader.number()
        for _ in range(count):
            kind, name = reader.number(), reader.text()
            reader.at += 8  # when it was made
            if kind == 1:
                protected = reader.block()
                keys[name.lower()] = protected, [_jks_certificate(reader, version) for _ in range(reader.number())]
            else:
                _jks_certificate(reader, version)
    except (struct.error, IndexError):
        raise InputError(f"{where}: the keystore is damaged", code=_INVALID) from None
    wanted = alias.lower() if alias else next(iter(keys), "") if len(keys) == 1 else ""
    if wanted not in keys:
        told = ", ".join(keys) or "none"
        raise InputError(f"{where}: holds no key of the given alias; it holds: {told}", code=_INVALID)
    protected, chain = keys[wanted]
    plain = _unprotected(protected, key_password or password)
    if plain is None:
        raise InputError(f"{where}: the password of the key is wrong", code=_INVALID)
    return _identity(load_der_private_key(plain, None), [x509.load_der_x509_certificate(item) for item in chain], where)


def _jks_certificate(reader: _JksReader, version: int) -> bytes:
    if version == 2:
        reader.text()  # the certificate's type, always X.509
    return reader.block()


def _unprotected(protected: bytes, password: str) -> bytes | None:
    """Opens a key that Java's own keystore protection closed; None when the password is wrong."""
    oid = protected.find(_JKS_PROTECTION)
    if oid < 0:
        return None
    octets = protected.index(b"\x04", oid + len(_JKS_PROTECTION))
    start = octets + 2 + (protected[octets + 1] & 0x7F if protected[octets + 1] & 0x80 else 0)
    salt, sealed, check = protected[start : start + 20], protected[start + 20 : -20], protected[-20:]
    secret = password.encode("utf-16-be")
    stream, block = bytearray(), salt
    while len(stream) < len(sealed):
        block = hashlib.sha1(secret + block).digest()  # noqa: S324 - the format's own cipher
        stream += block
    plain = bytes(a ^ b for a, b in zip(sealed, stream, strict=False))
    return plain if hashlib.sha1(secret + plain).digest() == check else None  # noqa: S324 - as above
