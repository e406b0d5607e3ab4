"""Declare the REST connector, which calls HTTP services."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from zeebe_connectors import Context, Group, Hint, When, outbound
from zeebe_connectors.connectors.rest.body import encoded_body
from zeebe_connectors.web import (
    Exchange,
    HttpRequest,
    Response,
    ReturnFormat,
    encoded_url,
    header_fields,
    query_fields,
    result_of,
    status_error,
)
from zeebe_connectors.web.codes import ERRORS
from zeebe_connectors.web.documents import with_contents
from zeebe_connectors.web.inputs import Certified, ConnectionTimeout, HttpUrl, ReadTimeout
from zeebe_connectors.web.message import WITH_BODY, with_query

_WITH_BODY = When("method", ("POST", "PUT", "PATCH", "DELETE"))
_DOCUMENT = ReturnFormat(choice="DOCUMENT")


class Request(Certified):
    """One HTTP request."""

    method: Annotated[
        Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"], Hint(group="endpoint", label="Method")
    ] = "GET"
    """What to do with the resource."""
    url: Annotated[
        HttpUrl,
        Hint(
            group="endpoint",
            label="URL",
            feel="optional",
            secrets="whole",
            provider="url",
            placeholder="https://api.example.com/orders",
            example="https://api.example.com/orders",
        ),
    ]
    """Address of the resource, beginning with http:// or https://."""
    headers: Annotated[
        dict[str, Any] | None,
        Hint(
            group="endpoint",
            label="Headers",
            feel="required",
            secrets=True,
            provider="headers",
            placeholder='={"X-Request-Id": orderId}',
            tooltip="A context of header names and values. A list sends the header several times.",
        ),
    ] = None
    """Headers to send."""
    query_parameters: Annotated[
        dict[str, Any] | None,
        Hint(
            group="endpoint",
            label="Query parameters",
            feel="required",
            secrets=True,
            placeholder='={page: 1, tag: ["a", "b"]}',
            tooltip="A context of names and values, added to the URL and encoded. A list repeats the parameter.",
        ),
    ] = None
    """Query parameters to add to the URL."""
    skip_encoding: Annotated[
        bool, BeforeValidator(lambda value: value is True or value == "true"), Hint(group="endpoint", hidden=True)
    ] = False
    """Send the URL exactly as written."""
    follow_redirects: Annotated[
        bool,
        Hint(
            group="endpoint",
            label="Follow redirects",
            tooltip="Credentials are sent to the first host only.",
        ),
    ] = False
    """Follow the service's redirects instead of returning them."""
    document_return_format: Annotated[ReturnFormat, Hint(group="endpoint")] = ReturnFormat()
    """How to read the response's body."""
    store_response: Annotated[bool, Hint(group="endpoint", hidden=True)] = False
    """Store the response as a document; used by older templates."""
    connection_timeout_in_seconds: ConnectionTimeout = 20
    """How long to try to connect; 0 for as long as the job may take."""
    read_timeout_in_seconds: ReadTimeout = None
    """How long to wait for data; 0 for as long as the job may take. If empty, the connection timeout applies."""
    body: Annotated[
        Any,
        Hint(
            group="payload",
            label="Request body",
            feel="optional",
            text=True,
            when=_WITH_BODY,
            tooltip=(
                "A context is sent as JSON, or as a form when the header Content-Type says multipart/form-data or "
                "application/x-www-form-urlencoded. Documents are sent as files in a multipart form."
            ),
        ),
    ] = None
    """What to send."""
    ignore_null_values: Annotated[bool, Hint(group="payload", label="Leave out null values", when=_WITH_BODY)] = False
    """Leave out entries of contexts that are null."""


@outbound(
    "rest",
    title="REST: call a service",
    type="io.camunda:http-json:1",
    groups=[
        Group("endpoint", "HTTP endpoint"),
        Group("authentication", "Authentication"),
        Group("payload", "Payload"),
        Group("timeout", "Timeouts", open=False),
        Group("tls", "Client certificate and trust", open=False),
    ],
    errors=ERRORS,
    keywords=["http", "https", "rest", "api", "webhook", "request", "json"],
    protocols=("http", "https"),
    result_expression="={status: response.status, body: response.body}",
)
async def request(request: Request, context: Context) -> Response:
    """Call an HTTP service and use its answer in the process.

    Connections are kept open between jobs and shared by all that have the same TLS settings; cookies are not kept. One
    access token serves all jobs with the same OAuth settings; a token that the service refuses is replaced once. A
    failed call fails the job, which the engine offers again after the task's back-off, or after the time that the
    service requested in `Retry-After`.

    The official REST templates, of every version, run on this connector. It differs from the official connector where
    that helps and no template depends on it:

    - The connection timeout limits connecting (name, TCP and TLS); the official one limits the wait for a free
      connection.
    - The client itself does not retry a 429 or 503; the official one does, whatever the method, and then the engine
      retries again.
    - With the response format JSON, an empty body, as in a 204, becomes null; the official connector fails.
    - An error's body that is a JSON list arrives as a list; the official connector makes it null.
    - Documents become base64 anywhere in a JSON body or in query parameters, and one may be the whole body.
    - No response may be larger than the operator's limit; the official one applies to tokens and documents only.
    - A scheme's credentials replace a header of the same name; the official connector sends both.
    - With redirects, a scheme's credentials and the headers Authorization and Cookie go to the first host only.
    - An incident's message names method, host and status after the reason phrase; an error expression sees the bare
      phrase as `error.message`, and that fuller text as `error.variables.message`.
    - `error.variables.reason` distinguishes the causes of the codes 408, 500 and SSL_HANDSHAKE_FAILED.
    - Methods HEAD and OPTIONS, the response format Automatic, keystores, and all schemes but the official six are
      additions.
    """
    prepared = await _prepared(request, context)
    read = request.read_timeout_in_seconds
    exchange = Exchange(
        context,
        tls=await request.tls(context),
        connect=request.connection_timeout_in_seconds,
        read=request.connection_timeout_in_seconds if read is None else read,
    )
    response = await exchange.call(prepared, request.scheme, follow_redirects=request.follow_redirects)
    if response.status >= 400:
        raise status_error(response, method=request.method)
    wanted = request.document_return_format
    if wanted.choice == "AUTO" and request.store_response:
        wanted = _DOCUMENT
    return await result_of(response, wanted, context)


async def _prepared(request: Request, context: Context) -> HttpRequest:
    """Returns the request without credentials."""
    url = encoded_url(request.url, as_is=request.skip_encoding)
    if request.query_parameters:
        url = with_query(
            url, query_fields(await with_contents(request.query_parameters, context, name="queryParameters"))
        )
    prepared = HttpRequest(request.method, url)
    if request.headers:
        prepared.headers = header_fields(await with_contents(request.headers, context, name="headers"))
    if request.body is not None and request.method in WITH_BODY:
        prepared.body = await encoded_body(
            request.body, prepared.headers, context, without_nulls=request.ignore_null_values
        )
    return prepared
