"""Turn process data into what CoAP carries and back: text, JSON, CBOR and bytes, by the content format's number."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from zeebe_connectors import InputError, PermanentError

NUMBERS = {"text": 0, "json": 50, "cbor": 60, "bytes": 42, "link": 40, "xml": 41}
"""Names of the form -> numbers of the registry."""
MEDIA_TYPES = {
    0: "text/plain; charset=utf-8", 40: "application/link-format", 41: "application/xml",
    42: "application/octet-stream", 47: "application/exi", 50: "application/json", 60: "application/cbor",
    110: "application/senml+json", 112: "application/senml+cbor",
}  # fmt: skip
_TEXTS = {0, 40, 41}
_JSON = {50, 51, 52, 110, 111, 256, 258}
_CBOR = {60, 61, 112, 113}
_MAX_DEPTH = 100
_LINK = re.compile(r'<([^>]*)>((?:\s*;\s*[^\s=;,"]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^;,"]*))?)*)')
_ATTRIBUTE = re.compile(r';\s*([^\s=;,"]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^;,"]*))?')


def encoded(given: Any, kind: str) -> bytes:
    """Builds the payload.

    Args:
        given: Text, or any JSON value.
        kind: `text`, `json`, `cbor` or `bytes` (which takes base64).

    Raises:
        InputError: `COAP_CONTENT_INVALID`.
    """
    if kind == "text":
        text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
        return text.encode()
    if kind == "bytes":
        try:
            return base64.b64decode(str(given).strip(), validate=True)
        except (binascii.Error, ValueError):
            raise InputError(
                "content: is not base64; correct it, or give a document", code="COAP_CONTENT_INVALID"
            ) from None
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            if kind == "json":
                raise InputError(
                    "content: is not JSON; give a context, a list, or text that is JSON", code="COAP_CONTENT_INVALID"
                ) from None
    if kind == "json":
        return json.dumps(given, ensure_ascii=False, separators=(",", ":")).encode()
    import cbor2  # noqa: PLC0415 - only who uses it

    return cbor2.dumps(given)


def decoded(data: bytes, number: int | None, kind: str) -> tuple[Any, bool]:
    """Reads a payload as process data.

    Args:
        data: The payload.
        number: Its content format; None when the server does not say.
        kind: `auto`, `text`, `json`, `cbor`, `base64` or `document`.

    Returns:
        The value, and whether it is for a document instead.

    Raises:
        PermanentError: `COAP_CONTENT_INVALID`: it is not what it says.
    """
    if kind == "auto":
        kind = _kind_of(data, number)
    try:
        match kind:
            case "text":
                return data.decode(), False
            case "json":
                return json.loads(data), False
            case "cbor":
                return _from_cbor(data), False
            case "base64":
                return base64.b64encode(data).decode(), False
            case _:
                return None, True
    except (ValueError, RecursionError):
        raise PermanentError(
            "COAP_CONTENT_INVALID", f"the answer is not {kind}; choose another readAs, such as document"
        ) from None


def _kind_of(data: bytes, number: int | None) -> str:
    if number in _JSON:
        return "json"
    if number in _CBOR:
        return "cbor"
    if number in _TEXTS:
        return "text"
    if number is None:
        try:
            data.decode()
        except UnicodeDecodeError:
            return "document"
        return "text"
    return "document"


def _from_cbor(data: bytes) -> Any:
    import cbor2  # noqa: PLC0415 - only who uses it

    try:
        return _plain(cbor2.loads(data), 0)
    except (cbor2.CBORDecodeError, TypeError, OverflowError) as error:
        raise ValueError("no CBOR") from error


def _plain(value: Any, depth: int) -> Any:
    """CBOR's values as JSON has them: bytes as base64, times as ISO text, keys as text."""
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deep")
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {name if isinstance(name, str) else str(name): _plain(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth + 1) for item in value]
    inner = getattr(value, "value", None)  # a tag, or a simple value
    return str(value) if inner is None else _plain(inner, depth + 1)


def links(text: str) -> list[dict[str, Any]]:
    """The resources of `.well-known/core` (RFC 6690): path and attributes such as `rt`, `if`, `ct`, `title`, `obs`."""
    found = []
    for match in _LINK.finditer(text):
        attributes: dict[str, Any] = {}
        for name, value in _ATTRIBUTE.findall(match.group(2)):
            attributes[name] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value.strip() or True
        found.append({"path": match.group(1), **{k: v for k, v in attributes.items() if k != "path"}})
    return found
