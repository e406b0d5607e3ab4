"""Declare the GraphQL connector, which runs queries and mutations."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Literal

from pydantic import Field

from zeebe_connectors import ConnectorError, Context, Group, Hint, InputError, Model, PermanentError, outbound
from zeebe_connectors.connectors.graphql.escapes import unescaped
from zeebe_connectors.connectors.graphql.large_answers import errors_in
from zeebe_connectors.web import (
    Exchange,
    HttpRequest,
    HttpResponse,
    Response,
    ReturnFormat,
    encoded_url,
    header_fields,
    result_of,
    status_error,
)
from zeebe_connectors.web.charset import as_utf8, named_for_writing
from zeebe_connectors.web.codes import ERRORS
from zeebe_connectors.web.documents import with_contents
from zeebe_connectors.web.inputs import Certified, ConnectionTimeout, HttpUrl, ReadTimeout
from zeebe_connectors.web.message import json_bytes, with_query
from zeebe_connectors.web.result import header_values, lenient_body
from zeebe_connectors.web.words import words_of

_DOCUMENT = ReturnFormat(choice="DOCUMENT")


class Operation(Model):
    """One query or mutation."""

    url: Annotated[
        HttpUrl,
        Hint(
            group="endpoint",
            label="URL",
            feel="optional",
            secrets="whole",
            provider="url",
            placeholder="https://api.example.com/graphql",
            example="https://api.example.com/graphql",
        ),
    ]
    """Address of the service, beginning with http:// or https://."""
    method: Annotated[Literal["get", "post"], Hint(group="endpoint", label="Method")] = "get"
    """How the query is sent; mutations need post."""
    headers: Annotated[
        dict[str, Any] | None,
        Hint(group="endpoint", label="Headers", feel="required", secrets=True, provider="headers"),
    ] = None
    """Headers to send."""
    query: Annotated[
        str,
        Field(min_length=1),
        Hint(
            group="graphql",
            label="Query or mutation",
            text=True,
            feel="optional",
            placeholder="query($id: ID!) { order(id: $id) { total } }",
            example="{ orders { id } }",
        ),
    ]
    """The GraphQL document."""
    variables: Annotated[
        dict[str, Any] | None,
        Hint(group="graphql", label="Variables", feel="required", placeholder="={id: orderId}"),
    ] = None
    """Values of the query's variables; a document among them is sent as base64."""
    connection_timeout_in_seconds: ConnectionTimeout = 20
    """How long to try to connect; 0 for as long as the job may take."""
    read_timeout_in_seconds: ReadTimeout = None
    """How long to wait for data; 0 for as long as the job may take. If empty, the connection timeout applies."""
    store_response: Annotated[bool, Hint(group="endpoint", hidden=True)] = False
    """Store the response as a document; used by older templates."""


class Request(Certified):
    """A GraphQL operation and how to send it."""

    graphql: Annotated[Operation, Hint(group="endpoint")]
    """The operation."""
    document_return_format: Annotated[ReturnFormat, Hint(group="endpoint")] = ReturnFormat()
    """How to read the response's body."""


@outbound(
    "graphql",
    title="GraphQL: query a service",
    type="io.camunda:connector-graphql:1",
    groups=[
        Group("endpoint", "HTTP endpoint"),
        Group("authentication", "Authentication"),
        Group("graphql", "GraphQL query"),
        Group("timeout", "Timeouts", open=False),
        Group("tls", "Client certificate and trust", open=False),
    ],
    errors={
        **ERRORS,
        "GRAPHQL_ERROR": (
            "The service answered with errors. The message is the first one's, `error.variables.response.body` has all "
            "of them."
        ),
    },
    keywords=["graphql", "query", "mutation", "api"],
    protocols=("http", "https"),
    result_expression="={data: response.body.data}",
)
async def run(request: Request, context: Context) -> Response:
    """Run a GraphQL query or mutation and use its answer in the process.

    Connections and access tokens are shared with all other jobs, as in the REST connector. Redirects are not followed.
    An answer that lists errors is a failure, even when it holds data.
    """
    operation = request.graphql
    read = operation.read_timeout_in_seconds
    exchange = Exchange(
        context,
        tls=await request.tls(context),
        connect=operation.connection_timeout_in_seconds,
        read=operation.connection_timeout_in_seconds if read is None else read,
    )
    response = await exchange.call(await _prepared(operation, context), request.scheme)
    if response.status >= 400:
        raise status_error(response, method=operation.method.upper())
    wanted = request.document_return_format
    if wanted.choice == "AUTO" and operation.store_response:
        wanted = _DOCUMENT
    await _refuse_errors(response, stored=wanted.choice == "DOCUMENT")
    return await result_of(response, wanted, context)


async def _prepared(operation: Operation, context: Context) -> HttpRequest:
    """Returns the request without credentials."""
    query = unescaped(operation.query)
    headers = header_fields(await with_contents(operation.headers or {}, context, name="graphql.headers"))
    prepared = HttpRequest(operation.method.upper(), encoded_url(operation.url, name="graphql.url"), headers)
    variables = await with_contents(operation.variables, context, name="graphql.variables")
    if operation.method == "post":
        body = {"query": query} | ({"variables": variables} if variables else {})
        prepared.headers.setdefault("Content-Type", "application/json")
        charset = named_for_writing(prepared.headers["Content-Type"])
        if charset is None:
            raise InputError("graphql.headers.Content-Type: names an unknown character set; use UTF-8")
        prepared.body = json_bytes(body, charset)
        return prepared
    fields = [("query", query)]
    if variables:
        fields.append(("variables", json.dumps(variables, ensure_ascii=False)))
    prepared.url = with_query(prepared.url, fields)
    return prepared


async def _refuse_errors(response: HttpResponse, *, stored: bool) -> None:
    """Raises an error if the response lists any, with the first one's message.

    Args:
        response: The response.
        stored: Whether it becomes a document; then one that is too large to be read is no failure by itself.
    """
    try:
        body = await lenient_body(response)
    except PermanentError:
        errors = await asyncio.to_thread(_errors_of_large, response)
        if not errors and stored:
            return
        if not errors:
            raise
        body = {"errors": errors}
    errors = body.get("errors") if isinstance(body, dict) else None
    if not errors:
        return
    first = errors[0] if isinstance(errors, list) else errors  # a text or an object is not in the standard, but in use
    message = first.get("message") if isinstance(first, dict) else None
    if not message or not isinstance(message, str):
        message = words_of(errors)
    raise ConnectorError(
        "GRAPHQL_ERROR",
        message or "The service answered with an error that has no message",
        variables={"response": {"body": body, "headers": header_values(response.headers)}},
    )


def _errors_of_large(response: HttpResponse) -> Any:
    return errors_in(as_utf8(response.body, response.header("content-type") or ""))
