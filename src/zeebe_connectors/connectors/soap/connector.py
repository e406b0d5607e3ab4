"""Declare the SOAP connector, its error codes and its WSDL import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zeebe_connectors import Context, Group, outbound
from zeebe_connectors.connectors.soap.inputs import BodyOperation, Request, WsdlImport
from zeebe_connectors.sdk.importer import Importer, Imports
from zeebe_connectors.sdk.loading import load
from zeebe_connectors.web import encoded_url
from zeebe_connectors.web.codes import ERRORS as ERRORS_OF_HTTP

ERRORS = {
    "SOAP_FAULT_RECEIVED": (
        "The service answered with a fault. `error.variables.response` is the whole envelope as JSON "
        "(`response.Envelope.Body.Fault`), `error.variables.fault` the same for both versions: `code`, `subcode`, "
        "`reason`, `role` and `detail`."
    ),
    "400, 404, 500, …": (
        "The service answered with this status and no fault; `error.variables.response` has `headers` and `body`."
    ),
    "408": (
        "No answer. `error.variables.reason` says whether the name did not resolve (`name-not-resolved`), nothing "
        "listened (`refused`), a timeout ran out (`connect-timeout`, `read-timeout`, `deadline`), the connection broke "
        "(`disconnected`) or the `proxy` failed."
    ),
    "SSL_HANDSHAKE_FAILED": "No TLS connection: the service's certificate is not accepted, or it demands a client's.",
    "SOAP_REPLY_INVALID": "The reply is not a SOAP envelope, or does not fit the WSDL. The address is probably wrong.",
    "SOAP_SIGNATURE_INVALID": "The reply had to be signed but is not, or not by a trusted signer.",
    "SOAP_MESSAGE_INVALID": "Header or body is not well-formed XML. The message says where. An incident.",
    "SOAP_INPUT_INVALID": "A value does not fit the WSDL's schema; the message names field and type. An incident.",
    "SOAP_WSDL_INVALID": "The WSDL cannot be used: the message says which document and why. An incident.",
    "SOAP_WSDL_UNREACHABLE": "The WSDL, or a document that it imports, could not be read. It is tried again.",
    "SOAP_CERTIFICATE_INVALID": "A certificate, key or keystore cannot be used, or its password is wrong. An incident.",
    "RESPONSE_TOO_LARGE": "The reply is larger than the operator allows. An incident.",
    "AUTHENTICATION_INVALID": ERRORS_OF_HTTP["AUTHENTICATION_INVALID"],
    "OAUTH_TOKEN_ERROR": ERRORS_OF_HTTP["OAUTH_TOKEN_ERROR"],
    "OAUTH_REFRESH_TOKEN_EXPIRED": ERRORS_OF_HTTP["OAUTH_REFRESH_TOKEN_EXPIRED"],
    "OAUTH_INTERACTION_REQUIRED": ERRORS_OF_HTTP["OAUTH_INTERACTION_REQUIRED"],
    "HEADER_INVALID": "A header's name or value cannot be sent. An incident.",
    "HOST_FORBIDDEN": "The operator does not allow this host, address, port or URL. An incident.",
    "FILE_FORBIDDEN": "A file is outside the directories that the operator allows. An incident.",
    "TLS_MATERIAL_INVALID": "A certificate or key is not PEM, or they do not fit together. An incident.",
    "INVALID_INPUT": "An input is missing or wrong; the message names it. An incident.",
}


def _importer() -> object:
    from zeebe_connectors.connectors.soap import importer  # noqa: PLC0415 - zeep takes long to load

    return importer


def _operation() -> object:
    from zeebe_connectors.connectors.soap import operation  # noqa: PLC0415 - zeep takes long to load

    return operation


def _exchange() -> object:
    from zeebe_connectors.connectors.soap import exchange  # noqa: PLC0415 - lxml, only for those who need it

    return exchange


async def _inspect(wanted: WsdlImport, context: Context) -> dict[str, Any]:
    await load(_importer)
    from zeebe_connectors.connectors.soap.importer import inspect  # noqa: PLC0415 - as above

    return await inspect(wanted, context)


async def _templates(
    wanted: WsdlImport, context: Context, base: Mapping[str, Any], *, max_templates: int | None
) -> Imports:
    await load(_importer)
    from zeebe_connectors.connectors.soap.importer import templates  # noqa: PLC0415 - as above

    return await templates(wanted, context, base, max_templates=max_templates)


@outbound(
    "soap",
    title="SOAP: call a service",
    type="io.camunda:soap:1",
    groups=[
        Group("connection", "Connection"),
        Group("soap-message", "SOAP message"),
        Group("authentication", "WS-Security"),
        Group("timeout", "Timeout", open=False),
        Group("http", "HTTP authentication and certificates", open=False),
    ],
    errors=ERRORS,
    keywords=["soap", "wsdl", "xml", "web service", "ws-security"],
    protocols=("http", "https"),
    result_expression="={reply: response.Envelope.Body}",
    importer=Importer(WsdlImport, _inspect, _templates),
    libraries=("lxml", "zeep", "xmlsec", "cryptography"),
)
async def call(request: Request, context: Context) -> dict[str, Any]:
    """Call a SOAP service and use its reply in the process.

    The body is JSON, an XML template, or an operation of a WSDL. With JSON or a template the whole envelope comes back
    as JSON under `Envelope`, by local names; repeated elements become lists, and text beside attributes is in
    `$content`. With an operation the reply comes back typed by the WSDL's schema, under `output` (and `header`). Parts
    of an MTOM reply become documents where the envelope refers to them; others are listed under `attachments`. [From a
    WSDL to a filled-in task](../soap-import.md) makes a template for each operation.
    """
    if isinstance(request.body, BodyOperation):
        await load(_operation)
        from zeebe_connectors.connectors.soap.operation import call_operation  # noqa: PLC0415 - as above

        return await call_operation(request, request.body, context)
    await load(_exchange)
    from zeebe_connectors.connectors.soap import exchange as http  # noqa: PLC0415 - as above

    large = len(context.job.variables) > http.LARGE
    data, root = await http.off_loop(http.envelope_of, request, request.body, large=large)
    url = encoded_url(request.service_url or "", name="serviceUrl")
    response, reply = await http.exchange(
        request,
        context,
        url=url,
        root=root,
        data=data,
        action=request.soap_version.soap_action,
        version=request.soap_version.version,
        large=large,
    )
    if reply is None:
        return {"Envelope": {"Body": {}}}
    return await http.as_json(reply, response, context)
