"""Send an envelope, secured as configured, and read the reply or its fault."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from lxml import etree

from zeebe_connectors import ConnectorError, Context, InputError, PermanentError
from zeebe_connectors.connectors.soap import reply as replies
from zeebe_connectors.connectors.soap import tokens
from zeebe_connectors.connectors.soap.envelope import build, to_bytes, xml_of
from zeebe_connectors.connectors.soap.inputs import (
    BodyJson,
    BodyTemplate,
    HeaderJson,
    HeaderTemplate,
    NoHeader,
    Request,
    Signature,
    SingleCertificate,
    UsernameToken,
)
from zeebe_connectors.connectors.soap.mustache import render
from zeebe_connectors.connectors.soap.reply import Reply
from zeebe_connectors.connectors.soap.untrusted_xml import is_quick
from zeebe_connectors.net import custody
from zeebe_connectors.sdk.budget import SmallJson
from zeebe_connectors.sdk.loading import load
from zeebe_connectors.web import Exchange, HttpRequest, HttpResponse, header_fields, status_error
from zeebe_connectors.web.keystore import Keystore, identity_of, tls_of

if TYPE_CHECKING:
    from zeebe_connectors.sdk.keys import Identity

_CONTENT_TYPES = {"1.1": "text/xml; charset=utf-8", "1.2": "application/soap+xml; charset=utf-8"}
_INVALID = "SOAP_CERTIFICATE_INVALID"
LARGE = 256 * 1024
"""Messages beyond this are written and read in a thread, so that other jobs are not held up."""
ResultT = TypeVar("ResultT")


async def off_loop(work: Callable[..., ResultT], *arguments: Any, large: bool) -> ResultT:
    """Does large work in a thread, other work at once."""
    return await asyncio.to_thread(work, *arguments) if large else work(*arguments)


def xml_part(request: Request, part: NoHeader | HeaderTemplate | HeaderJson, where: str) -> str:
    """Writes header or body as XML text."""
    if isinstance(part, HeaderTemplate):
        return render(part.template, part.context, where=where)
    if isinstance(part, HeaderJson):
        exact = request.soap_compatibility == "camunda"
        return xml_of(part.content, nulls=request.nulls, exact=exact, where=f"{where}.json")
    return ""


def header_of(request: Request, version: str) -> str:
    """Writes the header as XML text, with the UsernameToken if nothing else stands there."""
    how = request.authentication
    if not isinstance(how, UsernameToken) or not _is_token_alone(request):
        return xml_part(request, request.header, "header")
    stamp = tokens.timestamp(how.timestamp) if how.timestamp else ""
    return tokens.security(stamp + tokens.username_token(how, hashed_twice=_hashes_twice(request)), version)


def _is_token_alone(request: Request) -> bool:
    """Returns whether a UsernameToken is all that the header has: it is written with the envelope then."""
    is_token = isinstance(request.authentication, UsernameToken)
    return is_token and isinstance(request.header, NoHeader) and not request.addressing


def _hashes_twice(request: Request) -> bool:
    return request.soap_compatibility == "camunda"


def envelope_of(request: Request, body: BodyJson | BodyTemplate) -> tuple[bytes, etree._Element]:
    """Makes the envelope with header and body as they are given: its bytes and its tree.

    Raises:
        InputError: See `build`.
    """
    return build(
        header_of(request, request.soap_version.version),
        xml_part(request, body, "body"),
        version=request.soap_version.version,
        namespaces=request.namespaces,
        first_only=request.soap_compatibility == "camunda",
    )


async def exchange(
    inputs: Request,
    context: Context,
    *,
    url: str,
    root: etree._Element,
    data: bytes | None,
    action: str | None,
    version: str,
    large: bool = False,
) -> tuple[HttpResponse, Reply | None]:
    """Secures an envelope, sends it and reads the reply.

    Args:
        inputs: The inputs.
        context: The job's context.
        url: Where to.
        root: The envelope's tree.
        data: Its bytes, if they are known and nothing has to be added.
        action: SOAPAction.
        version: `1.1` or `1.2`.
        large: Whether the envelope is so large that it is written in a thread.

    Returns:
        The response, and the reply that was read from it; None when it was empty.

    Raises:
        ConnectorError: See the connector's errors.
    """
    if inputs.addressing or not (inputs.authentication.authentication == "none" or _is_token_alone(inputs)):
        data = await _secured(inputs, context, root, url, action or "", large=large)
    elif data is None:
        data = await off_loop(to_bytes, root, large=large)
    headers = header_fields(inputs.http_headers, name="httpHeaders")
    if "Content-Type" not in headers:
        headers["Content-Type"] = _CONTENT_TYPES[version] + (
            f'; action="{_quoted(action)}"' if action and version == "1.2" else ""
        )
    if version == "1.1" and "SOAPAction" not in headers:
        headers["SOAPAction"] = f'"{_quoted(action or "")}"'
    timeout = max(inputs.connection_timeout_in_seconds or 0, 0)
    tls = await tls_of(inputs.client_tls, inputs.client_keystore, context, code=_INVALID)
    request = HttpRequest("POST", url, headers, data)
    sender = Exchange(context, tls=tls, connect=timeout, read=timeout)
    response = await sender.call(request, inputs.http_authentication)
    return response, await _received(inputs, response, context)


async def _received(request: Request, response: HttpResponse, context: Context) -> Reply | None:
    """Returns the reply in a response, unless it is an error."""
    content_type = response.header("content-type") or ""
    if not response.body.strip():
        if response.status >= 300:
            raise status_error(response, method="POST")
        return None
    large = not is_quick(response.body)
    try:
        received = await off_loop(replies.read, response.body, content_type, large=large)
    except ConnectorError:
        if response.status >= 300:
            raise status_error(response, method="POST") from None
        if response.status == 202:  # the service has the message, and says so in words of its own
            return None
        raise
    fault = await off_loop(received.fault, large=large)
    if fault is not None:
        raise await _fault_error(fault, received, response, context)
    if response.status >= 400:
        raise status_error(response, method="POST")
    if isinstance(request.authentication, Signature) and request.authentication.verify_reply:
        await off_loop(_verify, received.root, request.authentication.trusted_certificates, large=large)
    return received


def _quoted(action: str) -> str:
    action = action.strip()
    if len(action) > 1 and action[0] == action[-1] == '"':
        action = action[1:-1]
    if any(char in action for char in '"\r\n\0'):
        raise InputError(
            "soapVersion.soapAction: holds a quote or a line break, which a header cannot carry; remove it"
        )
    return action


async def _fault_error(
    fault: replies.Fault, received: Reply, response: HttpResponse, context: Context
) -> ConnectorError:
    detail = f"{fault.code}: {fault.reason}" if fault.reason else fault.code
    known = await as_json(received, response, context)
    return ConnectorError(
        "SOAP_FAULT_RECEIVED",
        "SOAP Fault received" + (f": {custody.clipped(detail, 500)}" if detail else ""),
        variables={"response": known, "fault": fault.variables()},
    )


async def as_json(received: Reply, response: HttpResponse, context: Context) -> dict[str, Any]:
    """Converts a reply to the shape of Camunda's connector, with documents in place of its binary parts."""
    included, others = await documents_of(received, context)
    try:
        quick = is_quick(response.body)
        result = await off_loop(_json_and_done, received, included, large=not quick)
    except RecursionError:
        raise PermanentError(
            "SOAP_REPLY_INVALID", "The reply cannot be used: its elements are nested too deeply"
        ) from None
    if others:
        return result | {"attachments": others}
    return SmallJson(result) if quick and not included else result


def _json_and_done(received: Reply, included: Mapping[str, Any]) -> dict[str, Any]:
    """Converts a reply to JSON and frees its tree, which takes a while for a large one too."""
    result = replies.json_of(received.root, included, received.declarations)
    received.root.clear()
    return result


async def documents_of(received: Reply, context: Context) -> tuple[dict[str, Any], list[Any]]:
    """Stores a reply's binary parts: references by Content-ID for those it refers to, and a list of the others."""
    if not received.attachments:
        return {}, []
    wanted = set(replies.referred(received.root))
    included: dict[str, Any] = {}
    others: list[Any] = []
    for part in received.attachments.values():
        document = await context.documents.create(part.data, name=part.name, content_type=part.content_type)
        if part.id in wanted:
            included[part.id] = dict(document.reference)
        else:
            others.append(dict(document.reference))
    return included, others


def _verify(root: etree._Element, trusted: str) -> None:
    from cryptography import x509  # noqa: PLC0415

    from zeebe_connectors.connectors.soap.security import verify  # noqa: PLC0415

    try:
        known = x509.load_pem_x509_certificates(trusted.strip().encode())
    except ValueError:
        raise InputError(
            "authentication.trustedCertificates: are not certificates in PEM; paste them with their line breaks",
            code=_INVALID,
        ) from None
    verify(root, known)


def _security() -> object:
    from zeebe_connectors.connectors.soap import security  # noqa: PLC0415 - xmlsec, only for those who need it

    return security


async def _secured(
    request: Request, context: Context, root: etree._Element, url: str, action: str, *, large: bool
) -> bytes:
    """Adds addressing and security headers to the envelope; returns its bytes."""
    await load(_security)
    from zeebe_connectors.connectors.soap import security  # noqa: PLC0415 - as above

    how = request.authentication
    if request.addressing:
        security.add_addressing(root, to=url, action=action)
    if isinstance(how, UsernameToken):
        if how.timestamp:
            security.add_timestamp(root, how.timestamp)
        security.add_username(root, how, hashed_twice=_hashes_twice(request))
    elif isinstance(how, Signature):
        signing = security.Signing(
            await _identity(how.certificate, context, where="authentication.certificate"),
            signature=how.signature_algorithm,
            digest=how.digest_algorithm,
            parts=[(part.namespace, part.local_name) for part in how.encryption_parts],
            old=request.soap_compatibility == "camunda",
        )
        stamp = security.add_timestamp(root, how.timestamp) if how.timestamp else None
        await off_loop(security.sign, root, signing, stamp, large=large)
    return await off_loop(to_bytes, root, large=large)


async def _identity(source: SingleCertificate | Keystore, context: Context, *, where: str) -> Identity:
    """Returns key and certificate, read again only if the text or the file has changed."""
    if isinstance(source, Keystore):
        return await identity_of(source, context, where=where, code=_INVALID)
    from zeebe_connectors.sdk.keys import from_pem  # noqa: PLC0415

    certificate, key, secret = source.certificate, source.private_key, source.private_key_password

    def read() -> Identity:
        return from_pem(certificate, key.reveal(), secret.reveal() if secret else None, where=where, code=_INVALID)

    return await context.clients.get(("soap.identity", certificate, key, secret), read)
