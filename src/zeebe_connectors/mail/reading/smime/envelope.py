"""Decrypt and decompress CMS messages (RFC 5652, 5083, 5084, 5753, 3274).

After a matching recipient is found, every failure gives the same error: senders must not learn which step failed.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from cryptography import x509
from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import RC2, TripleDES
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from zeebe_connectors.mail.reading.smime.asn1 import OCTETS, OID, SEQUENCE, SET, Damaged, Parts, Value, der_length, read
from zeebe_connectors.mail.reading.smime.rc2 import MAX_SEALED_BYTES, WeakRc2
from zeebe_connectors.sdk.keys import Identity

DATA = "1.2.840.113549.1.7.1"
SIGNED = "1.2.840.113549.1.7.2"
ENVELOPED = "1.2.840.113549.1.7.3"
AUTH_ENVELOPED = "1.2.840.113549.1.9.16.1.23"
COMPRESSED = "1.2.840.113549.1.9.16.1.9"

DIGESTS: dict[str, type[hashes.HashAlgorithm]] = {
    "1.3.14.3.2.26": hashes.SHA1,
    "2.16.840.1.101.3.4.2.4": hashes.SHA224,
    "2.16.840.1.101.3.4.2.1": hashes.SHA256,
    "2.16.840.1.101.3.4.2.2": hashes.SHA384,
    "2.16.840.1.101.3.4.2.3": hashes.SHA512,
}
_RSA, _OAEP = "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.7"
_LABEL = "1.2.840.113549.1.1.9"
_AES = "2.16.840.1.101.3.4.1."
_CBC = {f"{_AES}2": 16, f"{_AES}22": 24, f"{_AES}42": 32}
_GCM = {f"{_AES}6": 16, f"{_AES}26": 24, f"{_AES}46": 32}
_TRIPLE_DES, _RC2 = "1.2.840.113549.3.7", "1.2.840.113549.3.2"
_RC2_BITS = {160: 40, 120: 64, 58: 128}
_AES_WRAP = {f"{_AES}5": 16, f"{_AES}25": 24, f"{_AES}45": 32}
_TRIPLE_DES_WRAP = "1.2.840.113549.1.9.16.3.6"
_AGREEMENTS: dict[str, type[hashes.HashAlgorithm]] = {
    # With and without the cofactor, which is 1 for all supported curves.
    "1.3.133.16.840.63.0.2": hashes.SHA1,
    "1.3.133.16.840.63.0.3": hashes.SHA1,
    **dict.fromkeys(("1.3.132.1.11.0", "1.3.132.1.14.0"), hashes.SHA224),
    **dict.fromkeys(("1.3.132.1.11.1", "1.3.132.1.14.1"), hashes.SHA256),
    **dict.fromkeys(("1.3.132.1.11.2", "1.3.132.1.14.2"), hashes.SHA384),
    **dict.fromkeys(("1.3.132.1.11.3", "1.3.132.1.14.3"), hashes.SHA512),
}
_STEP = 64 * 1024  # bytes decrypted in one call, so that other threads can run
_MAX_RECIPIENTS = 1000
_MAX_TRIES = 5  # matching recipients to try: each try decrypts all of the content
_ZLIB = "1.2.840.113549.1.9.16.3.8"
DAMAGED = "it is damaged, or was made for another key of the same name"


class NotDecrypted(Exception):  # noqa: N818 - a verdict; callers put it into words
    """Why a message cannot be decrypted."""


class TooLarge(Exception):  # noqa: N818 - as above
    """The decompressed content is larger than allowed."""


@dataclass(frozen=True, slots=True)
class Key:
    """A private key, and the names by which messages refer to it."""

    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)
    issuer: bytes
    serial: int
    ids: frozenset[bytes]

    @classmethod
    def of(cls, identity: Identity) -> Key:
        """Makes the key of an identity."""
        certificate = identity.chain[0]
        private = load_pem_private_key(identity.key, None)
        assert isinstance(private, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey))  # noqa: S101 - an identity's are
        ids = {x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest}
        with suppress(x509.ExtensionNotFound, ValueError):
            ids.add(certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest)
        return cls(private, certificate.issuer.public_bytes(), certificate.serial_number, frozenset(ids))

    def is_named(self, name: Value) -> bool:
        """Returns whether a recipient's name (issuer and serial number, or a subject key identifier) is this key's."""
        if name.tag == SEQUENCE:
            parts = name.parts()
            issuer, serial = parts.take(SEQUENCE), parts.take().number()
            # Some senders write the issuer's name in other string types; a long serial number identifies it well
            # enough.
            return serial == self.serial and (bytes(issuer.whole) == self.issuer or serial.bit_length() > 63)
        return name.octets() in self.ids


def message(data: bytes) -> tuple[str, Value]:
    """Returns a CMS message's type and content.

    Raises:
        Damaged: It is not a CMS message.
    """
    parts = read(data).parts()
    kind = parts.take(OID).oid()
    return kind, parts.take(0xA0).parts().take()


def decrypt(kind: str, content: Value, keys: Sequence[Key]) -> tuple[str, bytes]:
    """Decrypts an enveloped or authenticated-enveloped message; returns the type of the content, and the content.

    Raises:
        NotDecrypted: With the reason for people.
    """
    try:
        parts = content.parts()
        parts.take()  # version
        parts.optional(0xA0)  # the originator's certificates
        recipients = parts.take(SET)
        inside = parts.take(SEQUENCE).parts()
        inner = inside.take(OID).oid()
        algorithm = _Algorithm.read(inside.take(SEQUENCE))
        sealed = inside.take(0x80, 0xA0).octets()
        attributes, tag = None, b""
        if kind == AUTH_ENVELOPED:
            attributes = parts.optional(0xA1)
            tag = parts.take(OCTETS, OCTETS | 0x20).octets()
        cipher = _cipher(algorithm, tag)
        if cipher.id == _RC2 and cipher.size < 16 and len(sealed) > MAX_SEALED_BYTES:
            raise NotDecrypted("it is too long for RC2 with a short key; ask the sender for AES")
        found = list(islice(_recipients(recipients, keys), _MAX_TRIES))
    except Damaged as error:
        raise NotDecrypted(f"it is damaged: {error}") from None
    if not found:
        raise NotDecrypted("it was not encrypted for the key that is set; ask the sender to use its certificate")
    for recipient in found:
        secret = recipient.secret()
        opened = _opened(cipher, secret if len(secret) == cipher.size else os.urandom(cipher.size), sealed, attributes)
        if opened is not None and len(secret) == cipher.size:
            return inner, opened
    raise NotDecrypted(DAMAGED)


def decompress(content: Value, max_bytes: int) -> tuple[str, bytes]:
    """Decompresses a message; returns the type of the content, and the content.

    Raises:
        Damaged: It is not valid.
        TooLarge: It would have more than `max_bytes` bytes.
    """
    parts = content.parts()
    parts.take()  # version
    if _Algorithm.read(parts.take(SEQUENCE)).id != _ZLIB:
        raise Damaged("it is compressed in an unknown way")
    inside = parts.take(SEQUENCE).parts()
    inner = inside.take(OID).oid()
    packed = inside.take(0xA0).parts().take().octets()
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(packed, max_bytes + 1)
    except zlib.error:
        raise Damaged("its compressed content is damaged") from None
    if len(data) > max_bytes:
        raise TooLarge
    if not inflater.eof:
        raise Damaged("its compressed content is cut off")
    return inner, data


# The content


@dataclass(frozen=True, slots=True)
class _Algorithm:
    id: str
    parameters: Value | None
    whole: bytes

    @classmethod
    def read(cls, value: Value) -> _Algorithm:
        parts = value.parts()
        return cls(parts.take(OID).oid(), parts.peek() and parts.take(), bytes(value.whole))

    def inside(self) -> Parts:
        """Returns the parameters, which are a sequence."""
        if self.parameters is None:
            raise Damaged("an algorithm without its parameters")
        return self.parameters.parts()


@dataclass(frozen=True, slots=True)
class _Cipher:
    """How the content is encrypted."""

    id: str
    size: int
    start: bytes
    tag: bytes = b""


def _cipher(algorithm: _Algorithm, tag: bytes) -> _Cipher:
    kind = algorithm.id
    if kind in _CBC or kind == _TRIPLE_DES:
        if algorithm.parameters is None:
            raise Damaged("an algorithm without its parameters")
        return _Cipher(kind, _CBC.get(kind, 24), algorithm.parameters.octets())
    if kind in _GCM:
        return _Cipher(kind, _GCM[kind], algorithm.inside().take(OCTETS).octets(), tag)
    if kind == _RC2:
        parts = algorithm.inside()
        version, start = parts.take().number(), parts.take(OCTETS).octets()
        if version in _RC2_BITS:
            return _Cipher(kind, _RC2_BITS[version] // 8, start)
    raise NotDecrypted(
        f"it is encrypted in a way that is not supported ({kind}); ask the sender for AES (CBC or GCM) or triple DES"
    )


def _opened(cipher: _Cipher, secret: bytes, sealed: bytes, attributes: Value | None) -> bytes | None:
    """Returns the content; None when the key does not fit it."""
    try:
        if cipher.id in _GCM:
            mode = modes.GCM(cipher.start, cipher.tag, min_tag_length=12)
            decryptor = Cipher(algorithms.AES(secret), mode).decryptor()
            if attributes is not None:  # they are authenticated with the tag of a SET
                body = bytes(attributes.body)
                decryptor.authenticate_additional_data(bytes([SET]) + der_length(len(body)) + body)
            return _in_steps(decryptor, sealed)
        block = 16 if cipher.id in _CBC else 8
        if cipher.id in _CBC:
            plain = _in_steps(Cipher(algorithms.AES(secret), modes.CBC(cipher.start)).decryptor(), sealed)
        elif cipher.id == _TRIPLE_DES:
            plain = _in_steps(Cipher(TripleDES(secret), modes.CBC(cipher.start)).decryptor(), sealed)
        elif cipher.size == 16:
            plain = _in_steps(Cipher(RC2(secret), modes.CBC(cipher.start)).decryptor(), sealed)
        else:
            plain = WeakRc2(secret).decrypt(cipher.start, sealed)
    except (ValueError, InvalidTag, UnsupportedAlgorithm):
        return None
    count = plain[-1] if plain else 0
    if not 1 <= count <= block or plain[-count:] != bytes([count]) * count:
        return None
    return plain[:-count]


def _in_steps(decryptor: object, data: bytes) -> bytes:
    view = memoryview(data)
    pieces = [decryptor.update(view[at : at + _STEP]) for at in range(0, len(view), _STEP)]  # type: ignore[attr-defined]
    pieces.append(decryptor.finalize())  # type: ignore[attr-defined]
    return b"".join(pieces)


# The recipients


@dataclass(frozen=True, slots=True)
class _Recipient:
    """The content's key, encrypted for one of ours."""

    key: Key
    algorithm: _Algorithm
    sealed: bytes
    originator: bytes = b""
    shared: bytes | None = None

    def secret(self) -> bytes:
        """Returns the content's key; empty bytes when it cannot be recovered."""
        try:
            if isinstance(self.key.private, rsa.RSAPrivateKey):
                return self.key.private.decrypt(self.sealed, _padding(self.algorithm))
            return self._agreed(self.key.private)
        except (ValueError, TypeError, Damaged, UnsupportedAlgorithm, keywrap.InvalidUnwrap):
            return b""

    def _agreed(self, private: ec.EllipticCurvePrivateKey) -> bytes:
        """Recovers the key by agreement over an elliptic curve (RFC 5753)."""
        wrapping = _Algorithm.read(Value(SEQUENCE, *self._wrapping()))
        size = 24 if wrapping.id == _TRIPLE_DES_WRAP else _AES_WRAP.get(wrapping.id, 0)
        digest = _AGREEMENTS.get(self.algorithm.id)
        if not size or digest is None:
            raise Damaged("an unknown key agreement")
        public = ec.EllipticCurvePublicKey.from_encoded_point(private.curve, self.originator)
        info = wrapping.whole
        if self.shared is not None:
            info += _der(0xA0, _der(OCTETS, self.shared))
        info += _der(0xA2, _der(OCTETS, (size * 8).to_bytes(4, "big")))
        key = X963KDF(digest(), size, _der(SEQUENCE, info)).derive(private.exchange(ec.ECDH(), public))
        return (
            _triple_des_unwrap(key, self.sealed)
            if size == 24 and wrapping.id == _TRIPLE_DES_WRAP
            else (keywrap.aes_key_unwrap(key, self.sealed))
        )

    def _wrapping(self) -> tuple[memoryview, memoryview]:
        value = self.algorithm.parameters
        if value is None or value.tag != SEQUENCE:
            raise Damaged("an algorithm without its parameters")
        return value.body, value.whole


def _recipients(infos: Value, keys: Sequence[Key]) -> Iterator[_Recipient]:
    """Yields the recipients of a message that match one of the keys."""
    for number, info in enumerate(infos.parts()):
        if number >= _MAX_RECIPIENTS:
            raise Damaged(f"more than {_MAX_RECIPIENTS} recipients")
        if info.tag == SEQUENCE:
            parts = info.parts()
            parts.take()  # version
            name, algorithm = parts.take(), _Algorithm.read(parts.take(SEQUENCE))
            sealed = parts.take(OCTETS).octets()
            for key in keys:
                if isinstance(key.private, rsa.RSAPrivateKey) and key.is_named(name):
                    yield _Recipient(key, algorithm, sealed)
        elif info.tag == 0xA1:
            yield from _agreeing(info.parts(), keys)


def _agreeing(parts: Parts, keys: Sequence[Key]) -> Iterator[_Recipient]:
    parts.take()  # version
    originator = parts.take(0xA0).parts().take()
    shared = parts.optional(0xA1)
    algorithm = _Algorithm.read(parts.take(SEQUENCE))
    for info in parts.take(SEQUENCE).parts():
        named = info.parts()
        name, sealed = named.take(), named.take(OCTETS).octets()
        if name.tag == 0xA0:  # a subject key identifier, with a date perhaps
            name = name.parts().take(OCTETS)
        for key in keys:
            if isinstance(key.private, ec.EllipticCurvePrivateKey) and key.is_named(name):
                if originator.tag != 0xA1:
                    raise Damaged("its sender's key is not in it")
                public = originator.parts()
                public.take(SEQUENCE)
                shared_info = shared.parts().take(OCTETS).octets() if shared else None
                yield _Recipient(key, algorithm, sealed, public.take().bits(), shared_info)


def _padding(algorithm: _Algorithm) -> padding.AsymmetricPadding:
    if algorithm.id == _RSA:
        return padding.PKCS1v15()
    if algorithm.id != _OAEP:
        raise Damaged("an unknown key transport")
    digest: type[hashes.HashAlgorithm] = hashes.SHA1
    mask: type[hashes.HashAlgorithm] = hashes.SHA1
    label = None
    if algorithm.parameters is not None:
        parts = algorithm.parameters.parts()
        if (given := parts.optional(0xA0)) is not None:
            digest = _digest(_Algorithm.read(given.parts().take(SEQUENCE)))
        if (given := parts.optional(0xA1)) is not None:
            made = _Algorithm.read(given.parts().take(SEQUENCE))
            mask = _digest(_Algorithm.read(made.parameters)) if made.parameters else hashes.SHA1
        if (given := parts.optional(0xA2)) is not None:
            source = _Algorithm.read(given.parts().take(SEQUENCE))
            label = source.parameters.octets() if source.id == _LABEL and source.parameters else None
    return padding.OAEP(padding.MGF1(mask()), digest(), label or None)


def _digest(algorithm: _Algorithm) -> type[hashes.HashAlgorithm]:
    if algorithm.id not in DIGESTS:
        raise Damaged("an unknown digest")
    return DIGESTS[algorithm.id]


def _der(tag: int, body: bytes) -> bytes:
    return bytes([tag]) + der_length(len(body)) + body


def _triple_des_unwrap(key: bytes, wrapped: bytes) -> bytes:
    """Unwraps a triple DES key (RFC 3217)."""
    outer = Cipher(TripleDES(key), modes.CBC(bytes.fromhex("4adda22c79e82105"))).decryptor()
    turned = (outer.update(wrapped) + outer.finalize())[::-1]
    inner = Cipher(TripleDES(key), modes.CBC(turned[:8])).decryptor()
    plain = inner.update(turned[8:]) + inner.finalize()
    secret, check = plain[:-8], plain[-8:]
    if hashlib.sha1(secret).digest()[:8] != check:  # noqa: S324 - the format's own check
        raise ValueError("not wrapped by this key")
    return secret
