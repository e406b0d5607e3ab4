"""Read private keys with their certificates from PEM, PKCS#12 and JKS.

Needs the library `cryptography`: import it where a key is read, not before.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)

from zeebe_connectors.sdk.errors import InputError
from zeebe_connectors.sdk.pkcs12 import shrouded_keys

_JKS = 0xFEEDFEED
_JKS_PROTECTION = bytes.fromhex("060a2b060104012a02110101")  # OID 1.3.6.1.4.1.42.2.17.1.1


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


def from_pem(certificate: str, key: str, password: str | None, *, where: str, code: str) -> Identity:
    """Reads a certificate (with intermediates, if any) and its key from PEM texts.

    Args:
        certificate: The chain.
        key: The private key.
        password: The key's password, if it is encrypted.
        where: Name of the input field, for messages.
        code: The error's code.

    Raises:
        InputError: With the given code; the message names the text at fault.
    """
    try:
        chain = x509.load_pem_x509_certificates(certificate.strip().encode())
    except ValueError:
        raise InputError(
            f"{where}.certificate: is not a certificate in PEM; paste it from BEGIN CERTIFICATE to END CERTIFICATE "
            "with its line breaks",
            code=code,
        ) from None
    try:
        loaded = load_pem_private_key(key.strip().encode(), password.encode() if password else None)
    except (ValueError, TypeError):
        raise InputError(
            f"{where}.privateKey: is not a private key in PEM, or its password is wrong or missing; paste it from "
            "BEGIN to END with its line breaks",
            code=code,
        ) from None
    return _identity(loaded, chain, _Invalid(where, code))


def from_keystore(
    data: bytes, password: str, alias: str | None, key_password: str | None, *, where: str, code: str
) -> Identity:
    """Reads a key from the bytes of a PKCS#12 file or a Java keystore (JKS).

    Args:
        data: The file's bytes; what it is, is seen from its first four.
        password: The keystore's password.
        alias: Which key; may be left out when there is only one.
        key_password: The key's own password, when it has one (JKS).
        where: Name of the input field, for messages.
        code: The error's code.

    Raises:
        InputError: With the given code: wrong password, no such alias (the message lists those there are), or no
            keystore.
    """
    invalid = _Invalid(where, code)
    if not _is_jks(data, invalid):
        found = _from_pkcs12(data, password, invalid)
        if len(found) == 1 and not (alias and found[0][0]):  # a single key need not have a name
            return found[0][1]()
        chosen = _chosen(alias, [name for name, _ in found], invalid)
        return next(read for name, read in found if name == chosen)()
    keys = _jks_keys(data, password, invalid)
    return _opened(*keys[_chosen(alias, list(keys), invalid)], key_password or password, invalid)


def _chosen(alias: str | None, names: list[str], invalid: _Invalid) -> str:
    """Returns the name of the key to use; an alias in any case."""
    if not alias and len(names) > 1:
        known = ", ".join(filter(None, names)) or "none with a name"
        raise invalid(f"holds several keys, so give the alias of one; it holds: {known}")
    wanted = alias.lower() if alias else next(iter(names), "")
    if wanted not in names:
        raise invalid(f"holds no key of the given alias; it holds: {', '.join(names) or 'none'}")
    return wanted


def all_from_keystore(data: bytes, password: str, *, where: str, code: str) -> list[Identity]:
    """Reads every key from the bytes of a PKCS#12 file or a Java keystore.

    Args:
        data: As for `from_keystore`.
        password: The password of the keystore and of each key in it.
        where: As for `from_keystore`.
        code: As for `from_keystore`.

    Raises:
        InputError: With the given code: wrong password, no key, or no keystore.
    """
    invalid = _Invalid(where, code)
    if not _is_jks(data, invalid):
        return [read() for _, read in _from_pkcs12(data, password, invalid)]
    keys = _jks_keys(data, password, invalid)
    if not keys:
        raise invalid("holds no private key with its certificate")
    return [_opened(protected, chain, password, invalid) for protected, chain in keys.values()]


@dataclass(frozen=True, slots=True)
class _Invalid:
    """Makes the errors of one input field."""

    where: str
    code: str

    def __call__(self, reason: str) -> InputError:
        return InputError(f"{self.where}: {reason}", code=self.code)


def _is_jks(data: bytes, invalid: _Invalid) -> bool:
    if data[:4] == b"\xce\xce\xce\xce":
        raise invalid(
            "is a keystore of the old type JCEKS; convert it with: keytool -importkeystore -deststoretype PKCS12"
        )
    return data[:4] == struct.pack(">I", _JKS)


def _from_pkcs12(data: bytes, password: str, invalid: _Invalid) -> list[tuple[str, Callable[[], Identity]]]:
    """Returns each key's name in small letters, empty for a key without one, and a function that reads the key.

    A key that cannot be read spoils no other.
    """
    try:
        found = pkcs12.load_pkcs12(data, password.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise invalid("is neither a PKCS#12 file nor a Java keystore, or its password is wrong") from None
    if found.key is None or found.cert is None:
        raise invalid("holds no private key with its certificate")
    chain = [found.cert.certificate, *(item.certificate for item in found.additional_certs)]
    keys = shrouded_keys(data)
    if len(keys) < 2:
        name = (found.cert.friendly_name or b"").decode("utf-8", "replace").lower()
        return [(name, partial(_identity, found.key, chain, invalid))]
    # The library reads the first key only.
    return [(name.lower(), partial(_bagged, bag, chain, password, invalid)) for name, bag in keys]


def _bagged(bag: bytes, chain: list[x509.Certificate], password: str, invalid: _Invalid) -> Identity:
    """Reads one of several keys of a PKCS#12 file, with the certificates that belong to it."""
    try:
        try:
            key = load_der_private_key(bag, password.encode())
        except TypeError:  # this key is not encrypted
            key = load_der_private_key(bag, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise invalid("a key's own password is another than the file's, or its encryption is not known") from None
    identity = _identity(key, chain, invalid)
    return Identity(identity.key, _path(identity.chain))


def _path(certificates: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...]:
    """Returns the first certificate and those that vouch for it, without those of other keys."""
    path, others = [certificates[0]], list(certificates[1:])
    while issuer := next((one for one in others if one.subject == path[-1].issuer), None):
        others.remove(issuer)
        path.append(issuer)
    return tuple(path)


def _identity(key: object, chain: list[x509.Certificate], invalid: _Invalid) -> Identity:
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise invalid("the private key must be RSA or EC")
    public = key.public_key()
    own = next((item for item in chain if item.public_key() == public), None)
    if own is None:
        raise invalid("private key and certificate do not belong together")
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


def _jks_keys(data: bytes, password: str, invalid: _Invalid) -> dict[str, tuple[bytes, list[bytes]]]:
    """Returns the protected keys and their chains, by alias."""
    secret = password.encode("utf-16-be")
    body, digest = data[:-20], data[-20:]
    if hashlib.sha1(secret + b"Mighty Aphrodite" + body).digest() != digest:  # noqa: S324 - the format's own checksum
        raise invalid("the keystore's password is wrong, or the file is damaged")
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
        raise invalid("the keystore is damaged") from None
    return keys


def _opened(protected: bytes, chain: list[bytes], password: str, invalid: _Invalid) -> Identity:
    try:
        plain = _unprotected(protected, password)
        if plain is None:
            raise invalid("the password of the key is wrong")
        key, certificates = load_der_private_key(plain, None), [x509.load_der_x509_certificate(item) for item in chain]
    except (ValueError, IndexError, UnsupportedAlgorithm):
        raise invalid("the keystore holds something that is no X.509 key") from None
    return _identity(key, certificates, invalid)


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
