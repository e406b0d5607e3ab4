"""Read what a modeler attaches: files, documents, URLs and base64 text."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from zeebe_connectors import Context, Document, InputError
from zeebe_connectors.mail.smtp.compose import Part
from zeebe_connectors.mail.smtp.header_fields import checked_text
from zeebe_connectors.sdk.media_types import media_type_of
from zeebe_connectors.sdk.names import file_name

MAX_BYTES = 100 * 1024 * 1024
"""No mail server accepts more; the limit keeps a wrong path or URL from exhausting memory."""


async def part(item: Any, context: Context, *, field: str, content_id: str | None = None) -> Part:
    """Reads one attachment or inline image.

    Args:
        item: A path or http(s) URL as text, a document reference, or a context with one of `path`, `url`, `document`
            or `content` (base64), and optionally `name` and `contentType`.
        context: For the allowed files and the documents.
        field: Name of the input, for messages.
        content_id: The id by which the HTML refers to it.

    Raises:
        InputError: `FILE_FORBIDDEN`, `FILE_NOT_FOUND`, `SMTP_TOO_LARGE`, `INVALID_INPUT`, `HEADER_INJECTION`.
        ConnectorError: A document cannot be read.
    """
    data, name, content_type = await _read(item, context, field)
    name = file_name(checked_text(name, field=f"{field}: the name")) or "attachment"
    return Part(data, name, content_type or media_type_of(name), content_id)


async def text(path_or_document: Any, context: Context, *, field: str) -> str:
    """Reads a body from a file or document; UTF-8, with or without a byte order mark.

    Raises:
        InputError: As for `part`; `INVALID_INPUT` when it is not UTF-8.
    """
    data, _, _ = await _read(path_or_document, context, field)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{field}: the file is not text in UTF-8; save it in UTF-8") from None


async def _read(item: Any, context: Context, field: str) -> tuple[bytes, str, str | None]:
    if isinstance(item, str):
        given = item.strip()
        if _is_url(given):
            last = unquote(urlsplit(given).path).rpartition("/")[2]
            name = last if "." in last else None  # otherwise the server may give a name
            return await _document({"camunda.document.type": "external", "url": given, "name": name}, context)
        return await _file(given, context, field)
    if isinstance(item, Document):
        return await _document(item.reference, context)
    if Document.is_reference(item):
        return await _document(item, context)
    if isinstance(item, Mapping):
        return await _described(item, context, field)
    raise InputError(f"{field}: must be a path, a URL, a document, or a context with name and content")


async def _described(item: Mapping[str, Any], context: Context, field: str) -> tuple[bytes, str, str | None]:
    """Reads a context that gives its source under `path`, `url`, `document` or `content`."""
    name, content_type = item.get("name") or item.get("fileName"), item.get("contentType")
    if not isinstance(name, str | None) or not isinstance(content_type, str | None):
        raise InputError(f"{field}: name and contentType must be text")
    key = next((key for key in ("path", "url", "document") if item.get(key)), None)
    if key is not None:
        data, found, kind = await _read(_checked_source(key, item[key], f"{field}.{key}"), context, f"{field}.{key}")
        return data, name or found, content_type or kind
    content = item.get("content")
    if not isinstance(content, str):
        raise InputError(
            f"{field}: needs one of path, url, document or content (base64), for example "
            '={name: "report.pdf", content: base64Text}'
        )
    if not name:
        raise InputError(f"{field}.name: is required with content; fill it in")
    return await _decoded(content, field), name, content_type


def _checked_source(key: str, value: Any, field: str) -> Any:
    """Checks the value under `path`, `url` or `document`, if there is one."""
    if key == "document":
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
        if not (Document.is_reference(value) or isinstance(value, Document)):
            raise InputError(f"{field}: must be a document reference")
    elif not isinstance(value, str) or _is_url(value.strip()) != (key == "url"):
        expected = "text that begins with http:// or https://" if key == "url" else "the path of a file"
        raise InputError(f"{field}: must be {expected}")
    return value


def _is_url(text: str) -> bool:
    return text[:8].casefold().startswith(("http://", "https://"))


async def _decoded(content: str, field: str) -> bytes:
    if len(content) > MAX_BYTES:
        raise _too_large(field)
    try:
        if content.startswith("data:"):
            content = content.partition(",")[2]
        return await asyncio.to_thread(lambda: base64.b64decode("".join(content.split()), validate=True))
    except (binascii.Error, ValueError):
        raise InputError(f"{field}.content: is not base64. Encode the bytes, or pass a document") from None


async def _file(path: str, context: Context, field: str) -> tuple[bytes, str, None]:
    if path.startswith("file://"):
        path = unquote(urlsplit(path).path)
    real = context.files.resolve(path, field=field)
    return await asyncio.to_thread(_bytes_of, real, field), real.name, None


def _bytes_of(path: Path, field: str) -> bytes:
    try:
        data = _content_of(path)
    except OSError as error:
        raise InputError(
            f"{field}: the file cannot be read: {error.strerror}. Check its permissions", code="FILE_NOT_READABLE"
        ) from None
    if data is None:
        raise InputError(
            f"{field}: there is no such file below the allowed directories. Check the path", code="FILE_NOT_FOUND"
        )
    if len(data) > MAX_BYTES:
        raise _too_large(field)
    return data


def _content_of(path: Path) -> bytes | None:
    if not path.is_file():  # excludes pipes and devices, which may never end
        return None
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _too_large(field: str) -> InputError:
    return InputError(
        f"{field}: is larger than {MAX_BYTES // 1024 // 1024} MiB, which no mail server accepts. Send a link instead",
        code="SMTP_TOO_LARGE",
    )


async def _document(reference: Mapping[str, Any], context: Context) -> tuple[bytes, str, str | None]:
    content = await context.documents.read(Document(reference), seconds=context.seconds_left())
    return content.data, content.name, content.content_type


def listed(value: Any) -> list[Any]:
    """Returns a list of attachments from a list, a single one, or a list as JSON text."""
    if value is None:
        return []
    if isinstance(value, list):
        if len(value) == 1 and isinstance(value[0], str) and value[0].lstrip().startswith("["):
            try:
                parsed = json.loads(value[0])
            except ValueError:
                return value
            return parsed if isinstance(parsed, list) else value
        return [item for item in value if item not in (None, "")]
    return [value]
