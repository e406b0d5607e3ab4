"""Secure envelopes with WS-Security (Timestamp, UsernameToken, X.509 signature) and verify replies.

After WS-Security 1.1 (UsernameToken Profile, X.509 Token Profile) and WS-Addressing 1.0.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from zeebe_connectors import ConnectorError, InputError
from zeebe_connectors.connectors.soap import tokens
from zeebe_connectors.connectors.soap.inputs import UsernameToken
from zeebe_connectors.connectors.soap.namespaces import (
    BASE64,
    DSIG,
    SOAP12,
    WSA,
    WSSE,
    WSU,
    X509_TOKEN,
)
from zeebe_connectors.connectors.soap.untrusted_xml import parse
from zeebe_connectors.sdk.keys import Identity

_ID = f"{{{WSU}}}Id"
_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_DIGESTS = {
    f"{DSIG}sha1",
    "http://www.w3.org/2001/04/xmlenc#sha256",
    f"{_MORE}sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
}
_SIGNATURES = {
    "rsa": {f"{DSIG}rsa-sha1", f"{_MORE}rsa-sha256", f"{_MORE}rsa-sha384", f"{_MORE}rsa-sha512"},
    "ec": {f"{_MORE}ecdsa-sha1", f"{_MORE}ecdsa-sha256", f"{_MORE}ecdsa-sha384", f"{_MORE}ecdsa-sha512"},
}
_ACCEPTED_SIGNATURES = frozenset(
    f"{_MORE}{kind}-{digest}" for kind in ("rsa", "ecdsa") for digest in ("sha256", "sha384", "sha512")
)
_ACCEPTED_DIGESTS = frozenset(
    {
        "http://www.w3.org/2001/04/xmlenc#sha256",
        f"{_MORE}sha384",
        "http://www.w3.org/2001/04/xmlenc#sha512",
    }
)
"""Accepted in replies: SHA-1 can be forged; it is only for sending to services that support nothing better."""
_CLOCKS = timedelta(seconds=60)
_LIFE = timedelta(minutes=5)
_DEFAULT_SIGNATURE = {"rsa": f"{_MORE}rsa-sha256", "ec": f"{_MORE}ecdsa-sha256"}
_OLD_SIGNATURE = {"rsa": f"{DSIG}rsa-sha1", "ec": f"{_MORE}ecdsa-sha1"}


def security_header(root: etree._Element) -> etree._Element:
    """Returns the envelope's `wsse:Security` element, and makes it if there is none."""
    header = root[0]
    found = header.find(f"{{{WSSE}}}Security")
    if found is None:
        found = etree.SubElement(header, f"{{{WSSE}}}Security")
        envelope = etree.QName(root).namespace
        found.set(f"{{{envelope}}}mustUnderstand", "true" if envelope == SOAP12 else "1")
    return found


def add_timestamp(root: etree._Element, seconds: float) -> etree._Element:
    """Says from when until when the message holds; it comes first, as many services demand."""
    stamp = _element(tokens.timestamp(seconds))
    security_header(root).insert(0, stamp)
    return stamp


def add_username(root: etree._Element, how: UsernameToken, *, hashed_twice: bool) -> None:
    """Adds a UsernameToken; see `tokens`."""
    security_header(root).append(_element(tokens.username_token(how, hashed_twice=hashed_twice)))


def _element(text: str) -> etree._Element:
    """Reads an element that is to become part of an envelope."""
    return parse(f'<part xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}">{text}</part>'.encode())[0]


def add_addressing(root: etree._Element, *, to: str, action: str, message_id: str | None = None) -> None:
    """Adds WS-Addressing 1.0 headers with an anonymous reply address; those that the header has already stay."""
    header = root[0]
    for name, text in (("To", to), ("Action", action), ("MessageID", message_id or f"urn:uuid:{uuid.uuid4()}")):
        if header.find(f"{{{WSA}}}{name}") is None:
            etree.SubElement(header, f"{{{WSA}}}{name}", nsmap={"wsa": WSA}).text = text
    if header.find(f"{{{WSA}}}ReplyTo") is None:
        reply = etree.SubElement(header, f"{{{WSA}}}ReplyTo", nsmap={"wsa": WSA})
        etree.SubElement(reply, f"{{{WSA}}}Address").text = f"{WSA}/anonymous"


@dataclass(frozen=True, slots=True)
class Signing:
    """How to sign.

    Args:
        identity: Key and certificate.
        signature: URI of the signature algorithm; by the key's type when None.
        digest: URI of the digest algorithm.
        parts: `(namespace, local name)` of the signed elements; body and Timestamp when empty.
        old: As Camunda's connector: SHA-1 unless an algorithm is named, and the Timestamp is not signed.
    """

    identity: Identity
    signature: str | None = None
    digest: str | None = None
    parts: Sequence[tuple[str, str]] = ()
    old: bool = False


@lru_cache(maxsize=64)
def _signing_key(pem: bytes) -> Any:
    import xmlsec  # noqa: PLC0415 - only for those who sign

    return xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatPem, None)


def sign(root: etree._Element, how: Signing, stamp: etree._Element | None) -> None:
    """Signs the envelope: BinarySecurityToken, then a Signature that refers to it.

    Raises:
        InputError: An algorithm is unknown, or a part to sign is not in the envelope.
    """
    import xmlsec  # noqa: PLC0415

    kind = how.identity.kind
    method = how.signature or (_OLD_SIGNATURE if how.old else _DEFAULT_SIGNATURE)[kind]
    digest = how.digest or (f"{DSIG}sha1" if how.old else "http://www.w3.org/2001/04/xmlenc#sha256")
    _known(method, _SIGNATURES[kind], "authentication.signatureAlgorithm")
    _known(digest, _DIGESTS, "authentication.digestAlgorithm")
    signed = list(_parts(root, how.parts))
    if stamp is not None and not how.parts and not how.old:
        signed.append(stamp)
    security = security_header(root)
    token = etree.SubElement(security, f"{{{WSSE}}}BinarySecurityToken")
    token.set("EncodingType", BASE64)
    token.set("ValueType", X509_TOKEN)
    token_id = f"X509-{uuid.uuid4()}"
    token.set(_ID, token_id)
    token.text = base64.b64encode(how.identity.chain[0].public_bytes(Encoding.DER)).decode()
    signature = etree.SubElement(security, f"{{{DSIG}}}Signature", nsmap={"ds": DSIG})
    info = etree.SubElement(signature, f"{{{DSIG}}}SignedInfo")
    etree.SubElement(info, f"{{{DSIG}}}CanonicalizationMethod", Algorithm=_C14N)
    etree.SubElement(info, f"{{{DSIG}}}SignatureMethod", Algorithm=method)
    context = xmlsec.SignatureContext()
    for element in signed:
        name = element.get(_ID)
        if name is None:
            name = f"id-{uuid.uuid4()}"
            element.set(_ID, name)
        context.register_id(element, "Id", WSU)
        reference = etree.SubElement(info, f"{{{DSIG}}}Reference", URI=f"#{name}")
        transforms = etree.SubElement(reference, f"{{{DSIG}}}Transforms")
        etree.SubElement(transforms, f"{{{DSIG}}}Transform", Algorithm=_C14N)
        etree.SubElement(reference, f"{{{DSIG}}}DigestMethod", Algorithm=digest)
        etree.SubElement(reference, f"{{{DSIG}}}DigestValue")
    etree.SubElement(signature, f"{{{DSIG}}}SignatureValue")
    context.key = _signing_key(how.identity.key)
    try:
        context.sign(signature)
    except xmlsec.Error as error:
        raise InputError(
            "authentication: the envelope cannot be signed with this key and these algorithms; choose rsa-sha256 and "
            "sha256, or leave the algorithms empty",
            code="SOAP_CERTIFICATE_INVALID",
        ) from error
    key_info = etree.SubElement(signature, f"{{{DSIG}}}KeyInfo")
    reference = etree.SubElement(key_info, f"{{{WSSE}}}SecurityTokenReference")
    etree.SubElement(reference, f"{{{WSSE}}}Reference", URI=f"#{token_id}", ValueType=X509_TOKEN)


def _known(algorithm: str, allowed: Iterable[str], name: str) -> None:
    if algorithm not in allowed:
        raise InputError(f"{name}: is not supported with this key; known are " + ", ".join(sorted(allowed)))


def _parts(root: etree._Element, parts: Sequence[tuple[str, str]]) -> Iterable[etree._Element]:
    if not parts:
        yield root[1]
    for namespace, name in parts:
        found = (
            root[1]
            if name == "Body" and namespace in {"", root.nsmap[root.prefix]}
            else root.find(f".//{{{namespace}}}{name}")
        )
        if found is None:
            raise InputError(f"authentication.encryptionParts: the envelope has no element {name} in that namespace")
        yield found


def verify(root: etree._Element, trusted: Sequence[x509.Certificate]) -> None:
    """Checks that the body of a reply is signed by somebody trusted, and that its Timestamp has not expired.

    Args:
        root: The reply's envelope, as it came.
        trusted: Certificates that may have signed, or that issued the signer's.

    Raises:
        ConnectorError: `SOAP_SIGNATURE_INVALID`; the message says what does not hold.
    """
    import xmlsec  # noqa: PLC0415

    envelope = etree.QName(root).namespace
    body = root.find(f"{{{envelope}}}Body")
    security = root.find(f"{{{envelope}}}Header/{{{WSSE}}}Security")
    signature = None if security is None else security.find(f"{{{DSIG}}}Signature")
    if body is None or security is None or signature is None:
        raise _refused("it is not signed")
    body_id = str(body.get(_ID))
    certificate = _signer(security, signature)
    _check_trust(certificate, trusted)
    info = signature.find(f"{{{DSIG}}}SignedInfo")
    named = [] if info is None else [item.get("URI", "") for item in info.findall(f"{{{DSIG}}}Reference")]
    methods = [] if info is None else [item.get("Algorithm") for item in info.iter(f"{{{DSIG}}}SignatureMethod")]
    if len(methods) != 1 or methods[0] not in _ACCEPTED_SIGNATURES:
        raise _refused("its signature algorithm is not an accepted one (those with SHA-256, SHA-384 and SHA-512 are)")
    digests = {item.get("Algorithm") for item in signature.iter(f"{{{DSIG}}}DigestMethod")}
    if not digests or not digests <= _ACCEPTED_DIGESTS:
        raise _refused("its digest algorithm is not an accepted one (SHA-256, SHA-384 and SHA-512 are)")
    if any(item.get("Algorithm") != _C14N for item in signature.iter(f"{{{DSIG}}}Transform")):
        raise _refused("its signature uses a transform that is not accepted")
    context = xmlsec.SignatureContext()
    ids: dict[str, etree._Element] = {}
    for element in root.iter():
        name = element.get(_ID)
        if name is not None:
            if name in ids:
                raise _refused("two of its elements have the same Id")
            ids[name] = element
            context.register_id(element, "Id", WSU)
    if ids.get(body_id) is not body or f"#{body_id}" not in named:
        raise _refused("its body is not covered by the signature")
    context.key = xmlsec.Key.from_memory(
        certificate.public_bytes(Encoding.DER), xmlsec.constants.KeyDataFormatCertDer, None
    )
    try:
        context.verify(signature)
    except xmlsec.Error:
        raise _refused("its signature does not fit its content") from None
    _check_time(security, named)


def _check_time(security: etree._Element, signed: Sequence[str]) -> None:
    """Requires a current signed Timestamp; without it, an intercepted reply could be replayed forever."""
    stamps = security.findall(f"{{{WSU}}}Timestamp")
    if len(stamps) != 1:
        raise _refused("it has no Timestamp; let the service send one and sign it" if not stamps else "two Timestamps")
    if f"#{stamps[0].get(_ID)}" not in signed:
        raise _refused("its Timestamp is not covered by the signature")
    now = datetime.now(UTC)
    created = _moment(stamps[0].findtext(f"{{{WSU}}}Created"))
    if created is None or created > now + _CLOCKS:
        raise _refused("its Timestamp says no time of creation, or a future one")
    ends = stamps[0].findtext(f"{{{WSU}}}Expires")
    expires = created + _LIFE if ends is None else _moment(ends)
    if expires is None or expires < now - _CLOCKS:
        raise _refused("its Timestamp has expired")


def _moment(text: str | None) -> datetime | None:
    try:
        when = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _signer(security: etree._Element, signature: etree._Element) -> x509.Certificate:
    reference = signature.find(f"{{{DSIG}}}KeyInfo/{{{WSSE}}}SecurityTokenReference/{{{WSSE}}}Reference")
    text = None
    if reference is not None:
        wanted = (reference.get("URI") or "").removeprefix("#")
        tokens = security.findall(f"{{{WSSE}}}BinarySecurityToken")
        text = next((token.text for token in tokens if token.get(_ID) == wanted), None)
    else:
        text = signature.findtext(f"{{{DSIG}}}KeyInfo//{{{DSIG}}}X509Certificate")
    if not text:
        raise _refused("it does not carry the signer's certificate")
    try:
        return x509.load_der_x509_certificate(base64.b64decode("".join(text.split())))
    except ValueError:
        raise _refused("the signer's certificate cannot be read") from None


def _check_trust(certificate: x509.Certificate, trusted: Sequence[x509.Certificate]) -> None:
    now = datetime.now(UTC)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise _refused("the signer's certificate is not valid today")
    for known in trusted:
        if known == certificate:
            return
        if known.subject == certificate.issuer and _is_authority(known):
            try:
                certificate.verify_directly_issued_by(known)
            except (ValueError, TypeError, InvalidSignature):
                continue
            if known.not_valid_before_utc <= now <= known.not_valid_after_utc:
                return
    raise _refused("the signer's certificate is not among the trusted ones, nor issued by one of them")


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def _refused(why: str) -> ConnectorError:
    return ConnectorError("SOAP_SIGNATURE_INVALID", f"The reply's signature was not accepted: {why}")
