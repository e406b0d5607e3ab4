"""Make the OpenAPI description of the operator's API from its calls and their types."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from zeebe_connectors._version import __version__
from zeebe_connectors.admin.api.description import Call, TypedDict, described

_Schemas = Mapping[tuple[Hashable, JsonSchemaMode], Any]
_REFERENCE = "#/components/schemas/{model}"
_COMMON = {
    400: ("NOT_JSON", "INPUT_INVALID"),
    401: ("UNAUTHORIZED",),
    403: ("HOST_UNKNOWN", "CROSS_SITE", "ROLE_INSUFFICIENT"),
    429: ("TOO_MANY",),
    500: ("UNEXPECTED",),
    504: ("TIMEOUT",),
}
"""Codes that any call may answer, by status."""
_WITH_BODY = {413: ("TOO_LARGE",), 415: ("NOT_JSON",)}
_WORDS = {
    400: "An input is wrong; the message names it",
    401: "There is no token, or a wrong one",
    403: "It may not be done",
    404: "It does not exist",
    409: "It conflicts with the current state, or needs a confirmation",
    412: "It was changed meanwhile",
    413: "The body is too large",
    415: "The body is not JSON",
    422: "It cannot be done; trying again does not help",
    429: "Too much is going on already; try again later",
    500: "It failed unexpectedly; the runtime's log has more",
    502: "Something that is needed does not answer; trying again may help",
    504: "It did not end in time",
}


@described
class Problem(TypedDict):
    """Why a call was refused or failed."""

    code: str
    """A code for programs; the connector's own if its call failed."""
    message: str
    """The reason and the remedy, for people."""


def openapi(calls: Iterable[Call]) -> dict[str, Any]:
    """Returns the description, in OpenAPI 3.1.

    Args:
        calls: All calls of the API.
    """
    calls = list(calls)
    schemas, components = _schemas(calls)
    paths: dict[str, dict[str, Any]] = {}
    for number, call in enumerate(calls):
        path = re.sub(r"\{(\w+):[^{}]*\}", r"{\1}", call.path)
        paths.setdefault(f"/api{path}", {})[call.method.lower()] = _operation(call, number, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Zeebe Connectors: the operator's API",
            "version": __version__,
            "description": "The operator's page is drawn from the same functions. Every call takes the header "
            "`Authorization: Bearer TOKEN`; the token decides the role.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": components,
        },
    }


def _schemas(calls: list[Call]) -> tuple[_Schemas, dict[str, Any]]:
    """Schemas of bodies (`validation`) and answers (`serialization`) by the call's number, and of refusals by type.

    Returns:
        Them, and the definitions that they share.
    """
    refusals = dict.fromkeys([Problem, *(shape for call in calls for shape in call.problems.values())])
    inputs: list[tuple[tuple[Hashable, JsonSchemaMode], JsonSchemaMode, TypeAdapter[Any]]] = [
        ((shape, "serialization"), "serialization", TypeAdapter(shape)) for shape in refusals
    ]
    adapters: dict[int, TypeAdapter[Any]] = {}  # by identity, so that a shared shape is read once

    def adapter(kind: Any) -> TypeAdapter[Any]:
        return adapters.setdefault(id(kind), adapters.get(id(kind)) or TypeAdapter(kind))

    for number, call in enumerate(calls):
        if call.body is not None:
            inputs.append(((number, "validation"), "validation", adapter(call.body)))
        if not isinstance(call.answer, str):
            inputs.append(((number, "serialization"), "serialization", adapter(call.answer)))
    found, shared = TypeAdapter.json_schemas(
        inputs, by_alias=True, ref_template=_REFERENCE, schema_generator=GenerateJsonSchema
    )
    return {key: schema for (key, _), schema in found.items()}, shared.get("$defs", {})


def _operation(call: Call, number: int, schemas: _Schemas) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)", call.path)
    ]
    parameters += [
        {"name": name, "in": "query", "required": False, "description": text, "schema": {"type": "string"}}
        for name, text in call.query.items()
    ]
    if call.if_match:
        text = "The `etag` that was read, so that no change of others is overwritten"
        parameters.append(
            {"name": "If-Match", "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
        )
    body: dict[str, Any] = {}
    if call.body is not None:
        content = {"application/json": {"schema": schemas[number, "validation"]}}
        body = {"requestBody": {"required": True, "content": content}}
    return {
        "operationId": _identifier(call),
        "tags": [call.path.strip("/").partition("/")[0].partition(".")[0].strip("{}")],
        "summary": call.summary,
        "description": f"For the role {call.role.word}.",
        "x-role": call.role.word,
        **({"parameters": parameters} if parameters else {}),
        **body,
        "responses": {str(call.status): _answer(call, number, schemas), **_errors(call, schemas)},
    }


def _answer(call: Call, number: int, schemas: _Schemas) -> dict[str, Any]:
    if isinstance(call.answer, str):
        file = {"schema": {"type": "string", "format": "binary"}}
        return {"description": "The file", "content": {call.answer: file}}
    content = {"application/json": {"schema": schemas[number, "serialization"]}}
    header = {"ETag": {"schema": {"type": "string"}, "description": "The version, for `If-Match`"}}
    return {"description": "It was done", **({"headers": header} if call.etag else {}), "content": content}


def _errors(call: Call, schemas: _Schemas) -> dict[str, Any]:
    codes = {status: list(some) for status, some in _COMMON.items()}
    for more in (_WITH_BODY if call.body is not None else {}, call.errors):
        for status, some in more.items():
            known = codes.setdefault(status, [])
            known.extend(code for code in some if code not in known)
    found = {}
    for status in sorted(codes):
        shape = call.problems.get(status, Problem)
        content = {"application/json": {"schema": schemas[shape, "serialization"]}}
        found[str(status)] = {"description": f"{_WORDS[status]}: {', '.join(codes[status])}", "content": content}
    return found


def _identifier(call: Call) -> str:
    """Makes an operation id that client generators accept, such as `postSourcesNameTest`."""
    words = re.findall(r"[A-Za-z0-9]+", re.sub(r":[^{}]*\}", "}", call.path))
    return call.method.lower() + "".join(word[0].upper() + word[1:] for word in words)
