"""Encode the input `body` and find its content type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

from multidict import CIMultiDict

from zeebe_connectors import Context, Document, InputError
from zeebe_connectors.web.charset import named_for_writing, parameter
from zeebe_connectors.web.documents import with_contents
from zeebe_connectors.web.message import TOKEN, header_value, json_bytes, text_of
from zeebe_connectors.web.multipart import Part, multipart_body, new_boundary

_MULTIPART = "multipart/form-data"
_BOUNDARY = re.compile(r'[^"\\\x00-\x1f\x7f-\U0010ffff]{1,200}')  # RFC 2046 allows fewer, servers take these
_FORM = "application/x-www-form-urlencoded"


async def encoded_body(body: Any, headers: CIMultiDict[str], context: Context, *, without_nulls: bool) -> bytes:
    """Encodes a body and sets its content type in the headers.

    A context becomes a multipart form, a URL-encoded form or JSON, as the given content type says; text is sent as it
    is; a document is sent with its own type; anything else is JSON. Documents inside JSON or such a form become base64.

    Args:
        body: Any JSON value but null.
        headers: The request's headers, which are changed.
        context: For reading documents.
        without_nulls: Leave out entries of contexts that are null.

    Raises:
        InputError: The content type's character set is unknown, or cannot hold the text.
        ConnectorError: A document cannot be read.
    """
    given = headers.get("Content-Type", "")
    kind = given.partition(";")[0].strip().lower()
    if Document.is_reference(body):
        content = await context.documents.read(Document(body), seconds=context.seconds_left())
        headers.setdefault("Content-Type", header_value(content.content_type, "the document's content type"))
        return content.data
    if not given:
        headers["Content-Type"] = "application/json"
    charset = _charset(given)
    if isinstance(body, str):
        return _encoded(body, charset)
    if without_nulls:
        body = _without_nulls(body)
    if isinstance(body, Mapping) and kind == _MULTIPART:
        boundary = _boundary(given)
        written = boundary if TOKEN.fullmatch(boundary) else f'"{boundary}"'
        headers["Content-Type"] = f"{_MULTIPART}; boundary={written}"
        return multipart_body(await _parts(body, context, charset), boundary)
    if isinstance(body, Mapping) and kind == _FORM:
        return "&".join(_form_fields(await with_contents(body, context, name="body"), charset)).encode()
    body = await with_contents(body, context, name="body")
    return json_bytes(body, charset)


def _boundary(content_type: str) -> str:
    """Returns the boundary that the header gives, or a new one.

    Raises:
        InputError: It cannot be written in a header.
    """
    boundary = parameter(content_type, "boundary") or new_boundary()
    if _BOUNDARY.fullmatch(boundary) is None:
        raise InputError(
            "headers.Content-Type: the boundary is longer than 200 characters, or has some that no header can hold; "
            "leave it out"
        )
    return boundary


def _charset(content_type: str) -> str:
    """Returns the character set that the header names.

    Raises:
        InputError: It is unknown.
    """
    charset = named_for_writing(content_type)
    if charset is None:
        unknown = parameter(content_type, "charset")
        raise InputError(f"headers.Content-Type: {unknown!r} is not a known character set; use UTF-8")
    return charset


def _encoded(text: str, charset: str) -> bytes:
    try:
        return text.encode(charset)
    except UnicodeEncodeError:
        raise InputError(
            f"body: holds characters that {charset} cannot write; use charset=UTF-8 in the header Content-Type"
            if charset != "utf-8"
            else "body: holds the half of a character, which UTF-8 cannot write; remove it"
        ) from None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


async def _parts(body: Mapping[str, Any], context: Context, charset: str) -> list[Part]:
    parts = []
    for name, value in body.items():
        for item in value if isinstance(value, list) else [value]:
            if Document.is_reference(item):
                content = await context.documents.read(Document(item), seconds=context.seconds_left())
                parts.append(Part(name, content.data, content.name, content.content_type))
            elif item is not None:
                parts.append(Part(name, _encoded(text_of(item), charset)))
    return parts


def _form_fields(body: Mapping[str, Any], charset: str) -> list[str]:
    def quoted(text: str) -> str:
        return quote_plus(_encoded(text, charset))

    return [
        quoted(str(name)) if item is None else f"{quoted(str(name))}={quoted(text_of(item))}"
        for name, value in body.items()
        for item in (value if isinstance(value, list) else [value])
    ]
