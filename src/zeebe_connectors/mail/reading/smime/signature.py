"""Verify signatures of mails (RFC 5652, 8551).

The signature is checked over the exact bytes that were sent. Revocation of certificates is not checked.
"""

from __future__ import annotations

import hashlib
import ssl
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from zeebe_connectors.mail.reading.model import Signature
from zeebe_connectors.mail.reading.smime.asn1 import OCTETS, OID, SEQUENCE, SET, Damaged, Value, der_length
from zeebe_connectors.mail.reading.smime.envelope import DATA, DIGESTS

_RSA, _PSS = "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10"
_EC = "1.2.840.10045.2.1"
_SIGNATURES: dict[str, type[hashes.HashAlgorithm]] = {
    "1.2.840.113549.1.1.5": hashes.SHA1,
    "1.2.840.113549.1.1.14": hashes.SHA224,
    "1.2.840.113549.1.1.11": hashes.SHA256,
    "1.2.840.113549.1.1.12": hashes.SHA384,
    "1.2.840.113549.1.1.13": hashes.SHA512,
    "1.2.840.10045.4.1": hashes.SHA1,
    "1.2.840.10045.4.3.1": hashes.SHA224,
    "1.2.840.10045.4.3.2": hashes.SHA256,
    "1.2.840.10045.4.3.3": hashes.SHA384,
    "1.2.840.10045.4.3.4": hashes.SHA512,
}
_CONTENT_TYPE, _DIGEST, _TIME = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4", "1.2.840.113549.1.9.5"
_MAX_SIGNERS = 5
_MAX_CERTIFICATES = 50
_RANKS = ("valid", "untrusted", "unsupported", "invalid")
_CLOCKS = timedelta(days=1)  # by which a signer's clock may be ahead


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed message's parts."""

    kind: str
    content: bytes | None
    """None when it is elsewhere."""
    certificates: Sequence[bytes]
    signers: Sequence[Value]

    @classmethod
    def read(cls, value: Value) -> Signed:
        """Reads the parts.

        Raises:
            Damaged: It is not a signed message.
        """
        parts = value.parts()
        parts.take()  # version
        parts.take(SET)  # the digest algorithms, which each signer repeats
        inside = parts.take(SEQUENCE).parts()
        kind = inside.take(OID).oid()
        wrapped = inside.optional(0xA0)
        content = wrapped.parts().take().octets() if wrapped else None
        known = parts.optional(0xA0)
        parts.optional(0xA1)  # revocation lists
        some = islice(known.parts() if known else (), _MAX_CERTIFICATES)
        certificates = [bytes(item.whole) for item in some if item.tag == SEQUENCE]
        return cls(kind, content, certificates, list(islice(parts.take(SET).parts(), _MAX_SIGNERS)))


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to trust: the given certificates (authorities or signers), or the system's authorities."""

    given: tuple[x509.Certificate, ...] | None = None

    def doubt(self, certificate: x509.Certificate, others: Sequence[x509.Certificate], moment: datetime) -> str:
        """Returns why a certificate is not trusted at a given time; empty if it is."""
        if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
            return _NOT_VALID_THEN
        if self.given is not None and certificate in self.given:
            return ""
        store = _system() if self.given is None else _store(self.given)
        if store is None:
            return "no certificate authority is known; set smimeTrusted"
        authorities, anybody = ExtensionPolicy.webpki_defaults_ca(), ExtensionPolicy.permit_all()
        try:
            policy = PolicyBuilder().store(store).time(moment)
            verifier = policy.extension_policies(ca_policy=authorities, ee_policy=anybody).build_client_verifier()
            verifier.verify(certificate, list(others))
        except VerificationError:
            return "the signer's certificate was not issued by a trusted authority"
        return ""


@lru_cache(32)
def _store(certificates: tuple[x509.Certificate, ...]) -> Store | None:
    return Store(list(certificates)) if certificates else None


@cache
def _system() -> Store | None:
    """Returns the system's authorities, the same as for TLS."""
    context = ssl.create_default_context()
    found = set(context.get_ca_certs(binary_form=True))
    folder = ssl.get_default_verify_paths().capath
    if not found and folder:  # OpenSSL loads a folder's certificates only on demand
        for path in Path(folder).glob("*.[0-9]"):
            text = path.read_text("ascii", "replace")
            if text.lstrip().startswith(ssl.PEM_HEADER):
                found.add(ssl.PEM_cert_to_DER_cert(text))
    with warnings.catch_warnings():  # some authorities' certificates predate today's rules
        warnings.simplefilter("ignore")
        certificates = list(_certificates(found))
    return Store(certificates) if certificates else None


def canonical(content: bytes) -> bytes:
    """Returns the content with the line ends that were signed: CR LF."""
    if content.count(b"\n") == content.count(b"\r\n"):
        return content
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def verify(
    signed: Signed, contents: Sequence[bytes], trust: Trust, sender: str, received: datetime | None = None
) -> Signature:
    """Returns the verdict on a signature; with several signers, the best one.

    Args:
        signed: The signed message.
        contents: What may have been signed: the content as received, and with canonical line ends.
        trust: Which signers to trust.
        sender: The address in the mail's From.
        received: When the mail was received; by default now. A certificate must be valid then too, because the time of
            signing is only the signer's claim.
    """
    received = received or datetime.now(UTC)
    certificates = list(_certificates(signed.certificates))
    known = [*certificates, *(trust.given or ())]
    found = [
        _verify_one(signed, signer, contents, known, certificates, trust, sender, received) for signer in signed.signers
    ]
    if not found:
        return Signature("invalid", reason="it has no signature")
    return min(found, key=lambda item: _RANKS.index(item.status))


def _certificates(texts: Iterable[bytes]) -> Iterator[x509.Certificate]:
    for der in texts:
        try:
            yield x509.load_der_x509_certificate(der)
        except ValueError:
            continue


_NOT_VALID_THEN = "the signer's certificate was not valid when it was signed"
_NOT_VALID_LATER = "the signer's certificate was not valid when the mail was received, whenever it was signed"


class _Unsupported(Exception):  # noqa: N818 - a verdict
    """The signature cannot be checked here."""


@dataclass(frozen=True, slots=True)
class _Signer:
    """A signer's entry in the message."""

    name: Value
    digest: type[hashes.HashAlgorithm]
    attributes: Value | None
    method: str
    parameters: Value | None
    signature: bytes

    @classmethod
    def read(cls, value: Value) -> _Signer:
        parts = value.parts()
        parts.take()  # version
        name = parts.take()
        digest = _digest(parts.take(SEQUENCE))
        attributes = parts.optional(0xA0)
        algorithm = parts.take(SEQUENCE).parts()
        method = algorithm.take(OID).oid()
        parameters = algorithm.peek()
        return cls(name, digest, attributes, method, parameters, parts.take(OCTETS, OCTETS | 0x20).octets())

    def is_of(self, certificate: x509.Certificate) -> bool:
        if self.name.tag == SEQUENCE:
            parts = self.name.parts()
            issuer, serial = parts.take(SEQUENCE), parts.take().number()
            return serial == certificate.serial_number and bytes(issuer.whole) == certificate.issuer.public_bytes()
        try:
            own = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        except (x509.ExtensionNotFound, ValueError):
            own = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
        return own == self.name.octets()

    def signed_attributes(self) -> dict[str, Value]:
        """Returns the signed attributes by type; each has one value."""
        found: dict[str, Value] = {}
        for attribute in self.attributes.parts() if self.attributes else ():
            parts = attribute.parts()
            kind, values = parts.take(OID).oid(), parts.take(SET).parts()
            if kind in found:
                raise Damaged("an attribute is there twice")
            found[kind] = values.take()
        return found


def _digest(value: Value) -> type[hashes.HashAlgorithm]:
    kind = value.parts().take(OID).oid()
    if kind not in DIGESTS:
        raise _Unsupported(f"its digest ({kind}) is not supported")
    if DIGESTS[kind] is hashes.SHA1:
        raise _Unsupported("it is made with SHA-1, which can be forged")
    return DIGESTS[kind]


def _verify_one(
    signed: Signed,
    value: Value,
    contents: Sequence[bytes],
    known: Sequence[x509.Certificate],
    others: Sequence[x509.Certificate],
    trust: Trust,
    sender: str,
    received: datetime,
) -> Signature:
    try:
        signer = _Signer.read(value)
        certificate = next((item for item in known if signer.is_of(item)), None)
        if certificate is None:
            return Signature(
                "unsupported", reason="the signer's certificate is neither in the mail nor in smimeTrusted"
            )
        found = _described(certificate, sender)
        signed_attributes = signer.signed_attributes()
        if _TIME in signed_attributes:
            found = replace(found, signed_at=signed_attributes[_TIME].moment())
        reason = _broken(signed, signer, signed_attributes, contents, certificate)
        if reason:
            return replace(found, status="invalid", reason=reason)
    except Damaged as error:
        return Signature("invalid", reason=f"it is damaged: {error}")
    except _Unsupported as error:
        return Signature("unsupported", reason=str(error))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return Signature("unsupported", reason="its certificate or key is of a kind that is not supported")
    moment = found.signed_at or received
    doubt = _unfit(certificate) or ("it was signed in the future" if moment > received + _CLOCKS else "")
    doubt = doubt or trust.doubt(certificate, others, moment)
    if not doubt and moment != received and (late := trust.doubt(certificate, others, received)):
        doubt = _NOT_VALID_LATER if late == _NOT_VALID_THEN else late
    if not doubt and not found.matches_sender:
        doubt = "the signer's certificate is for another address than the sender's"
    return replace(found, status="untrusted", reason=doubt) if doubt else replace(found, status="valid")


def _described(certificate: x509.Certificate, sender: str) -> Signature:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    addresses = _addresses(certificate)
    own = next((item for item in addresses if same_address(item, sender)), None)
    return Signature(
        "valid",
        signer=str(names[0].value) if names else certificate.subject.rfc4514_string(),
        signer_email=own or next(iter(addresses), None),
        matches_sender=own is not None,
        issuer=certificate.issuer.rfc4514_string(),
    )


def same_address(left: str, right: str) -> bool:
    """Returns whether two addresses are the same mailbox: by IDNA form of the domain and regardless of ASCII case.

    `ceo@ma\u00df.de` is not `ceo@mass.de`: those are two domains, which two people can own.
    """
    return bool(left) and _comparable(left) == _comparable(right)


def _comparable(address: str) -> tuple[str, str]:
    local, _, domain = address.strip().rpartition("@")
    if not domain.isascii():
        try:
            import idna  # noqa: PLC0415 - its tables are large, and needed for few addresses

            domain = idna.encode(domain, uts46=True, transitional=False).decode()
        except UnicodeError:  # the library's errors are subclasses
            return local, domain
    return (local.lower() if local.isascii() else local), domain.lower()


def _addresses(certificate: x509.Certificate) -> list[str]:
    """Returns the mail addresses of a certificate."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if found := names.get_values_for_type(x509.RFC822Name):
            return found
    except x509.ExtensionNotFound:
        pass
    return [str(item.value) for item in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)]


def _unfit(certificate: x509.Certificate) -> str:
    """Returns why a certificate must not sign mails; empty when it may."""
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.KeyUsage) and not (value.digital_signature or value.content_commitment):
            return "the signer's certificate is not for signing"
        if isinstance(value, x509.ExtendedKeyUsage) and not {
            ExtendedKeyUsageOID.EMAIL_PROTECTION,
            ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        } & set(value):
            return "the signer's certificate is not for mail"
    return ""


def _broken(
    signed: Signed,
    signer: _Signer,
    signed_attributes: dict[str, Value],
    contents: Sequence[bytes],
    certificate: x509.Certificate,
) -> str:
    """Returns why the signature does not hold; empty when it does."""
    key = certificate.public_key()
    if signer.attributes is None:
        # Signed attributes could be passed off as content without attributes.
        bare = [content for content in contents if content[:1] != bytes([SET])]
        holds = signed.kind == DATA and any(_holds(signer, key, content) for content in bare)
        return "" if holds else "the content was changed, or was signed with another key"
    if (
        _CONTENT_TYPE not in signed_attributes
        or signed_attributes[_CONTENT_TYPE].oid() != signed.kind
        or _DIGEST not in signed_attributes
    ):
        return "it does not say what it signs"
    wanted = signed_attributes[_DIGEST].octets()
    if all(_digested(signer.digest, content) != wanted for content in contents):
        return "the content was changed after it was signed"
    body = bytes(signer.attributes.body)
    if not _holds(signer, key, bytes([SET]) + der_length(len(body)) + body):
        return "it was made with another key than its certificate's"
    return ""


def _digested(digest: type[hashes.HashAlgorithm], content: bytes) -> bytes:
    """Hashes with the standard library, which releases the GIL."""
    return hashlib.new(digest().name, content).digest()


def _holds(signer: _Signer, key: object, data: bytes) -> bool:
    """Returns whether this is the key's signature of the data."""
    method = signer.method
    digest = _SIGNATURES.get(method, signer.digest)
    if digest is hashes.SHA1:
        raise _Unsupported("it is made with SHA-1, which can be forged")
    try:
        if isinstance(key, rsa.RSAPublicKey) and method == _PSS:
            how, digest = _pss(signer)
            key.verify(signer.signature, _digested(digest, data), how, Prehashed(digest()))
        elif isinstance(key, rsa.RSAPublicKey) and (method == _RSA or method in _SIGNATURES):
            key.verify(signer.signature, _digested(digest, data), padding.PKCS1v15(), Prehashed(digest()))
        elif isinstance(key, ec.EllipticCurvePublicKey) and (method == _EC or method in _SIGNATURES):
            key.verify(signer.signature, _digested(digest, data), ec.ECDSA(Prehashed(digest())))
        else:
            raise _Unsupported(f"its algorithm ({method}) is not supported, or does not fit the certificate")
    except InvalidSignature:
        return False
    return True


def _pss(signer: _Signer) -> tuple[padding.PSS, type[hashes.HashAlgorithm]]:
    digest: type[hashes.HashAlgorithm] = hashes.SHA1
    mask: type[hashes.HashAlgorithm] = hashes.SHA1
    length = 20
    if signer.parameters is not None:
        parts = signer.parameters.parts()
        if (given := parts.optional(0xA0)) is not None:
            digest = _digest(given.parts().take(SEQUENCE))
        if (given := parts.optional(0xA1)) is not None:
            made = given.parts().take(SEQUENCE).parts()
            made.take(OID)
            mask = _digest(made.take(SEQUENCE))
        if (given := parts.optional(0xA2)) is not None:
            length = given.parts().take().number()
    if hashes.SHA1 in {digest, mask} or not 0 <= length <= 512:
        raise _Unsupported("it is made with SHA-1, which can be forged")
    return padding.PSS(padding.MGF1(mask()), length), digest
