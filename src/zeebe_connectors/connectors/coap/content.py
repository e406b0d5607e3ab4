"""Convert process data to CoAP payloads and back: text, JSON, CBOR and bytes, by the content format's number."""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from zeebe_connectors import InputError, PermanentError
from zeebe_connectors.sdk.numbers import INT64_BOUND
from zeebe_connectors.sdk.text import sendable

NUMBERS = {"text": 0, "json": 50, "cbor": 60, "bytes": 42, "link": 40, "xml": 41}
"""Names of the form -> numbers of the registry."""
_SEQUENCE = 63
"""The content format of CBOR sequences, which become lists."""
_MAX_DEPTH = 100
_LINK = re.compile(r'<([^>]*)>((?:\s*;\s*(?:[^\s=;,"]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^;,"]*))?)?)*)')
_ATTRIBUTE = re.compile(r';\s*([^\s=;,"]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^;,"]*))?')


def format_of(content_type: str) -> int:
    """Returns the content format's number for a document's media type; that of bytes where the registry has none."""
    from aiocoap.numbers import ContentFormat  # noqa: PLC0415 - 0.2 s that only those pay who use it

    plain = content_type.partition(";")[0].strip().casefold()
    if plain == "text/plain":
        return NUMBERS["text"]
    try:
        return int(ContentFormat.by_media_type(plain))
    except KeyError:
        return NUMBERS["bytes"]


def media_type(number: int | None) -> str:
    """Returns the media type of a content format; that of bytes where there is none, or its content is compressed."""
    from aiocoap.numbers import ContentFormat  # noqa: PLC0415 - see `format_of`

    known = None if number is None else ContentFormat(number)
    if known is None or getattr(known, "encoding", "identity") != "identity":
        return "application/octet-stream"
    return str(getattr(known, "media_type", "application/octet-stream"))


def encoded(given: Any, kind: str) -> bytes:
    """Builds the payload.

    Args:
        given: Text, or any JSON value.
        kind: `text`, `json`, `cbor` or `bytes` (which takes base64).

    Raises:
        InputError: `COAP_CONTENT_INVALID`.
    """
    if kind == "text":
        return _utf8(given if isinstance(given, str) else json.dumps(given, ensure_ascii=False))
    if kind == "bytes":
        try:
            return base64.b64decode(str(given).strip(), validate=True)
        except (binascii.Error, ValueError):
            raise InputError(
                "content: is not base64; correct it, or give a document", code="COAP_CONTENT_INVALID"
            ) from None
    if isinstance(given, str):
        try:
            given = json.loads(given, parse_constant=_no_json)
        except ValueError:
            if kind == "json":
                raise InputError(
                    "content: is not JSON; give a context, or text that is JSON", code="COAP_CONTENT_INVALID"
                ) from None
    if kind == "json":
        try:
            return _utf8(json.dumps(given, ensure_ascii=False, separators=(",", ":"), allow_nan=False))
        except ValueError:
            raise InputError(
                "content: holds an infinity, which JSON does not know; leave it out", code="COAP_CONTENT_INVALID"
            ) from None
    import cbor2  # noqa: PLC0415 - only who uses it

    try:
        return cbor2.dumps(given)
    except UnicodeEncodeError:
        raise _half_character() from None


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise _half_character() from None


def _half_character() -> InputError:
    return InputError(
        "content: holds half of a character (a lone surrogate), which cannot be sent; remove it",
        code="COAP_CONTENT_INVALID",
    )


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
                return _plain(json.loads(data, parse_constant=_no_json), 0), False
            case "cbor":
                return _from_cbor(data, is_sequence=number == _SEQUENCE), False
            case "base64":
                return base64.b64encode(data).decode(), False
            case _:
                return None, True
    except (ValueError, RecursionError):
        raise PermanentError(
            "COAP_CONTENT_INVALID", f"the answer is not {kind}; choose another readAs, such as document"
        ) from None


def _no_json(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _kind_of(data: bytes, number: int | None) -> str:
    if number is not None:
        return _kind_of_format(number)
    try:
        data.decode()
    except UnicodeDecodeError:
        return "document"
    return "text"


def _kind_of_format(number: int) -> str:
    """Returns how a registered content format is read; compressed ones are not."""
    kind = media_type(number).partition(";")[0].strip().casefold()
    if kind.endswith(("/json", "+json")):
        return "json"
    if number == _SEQUENCE or kind.endswith(("/cbor", "+cbor", "/cwt", "/multipart-core")):
        return "cbor"
    is_text = kind.startswith("text/") or kind.endswith(("/link-format", "/xml", "+xml"))
    return "text" if is_text else "document"


def _from_cbor(data: bytes, *, is_sequence: bool = False) -> Any:
    import cbor2  # noqa: PLC0415 - only who uses it

    stream = io.BytesIO(data)
    decoder = cbor2.CBORDecoder(stream)
    items: list[Any] = []
    try:
        while stream.tell() < len(data) or not (items or is_sequence):
            items.append(_plain(decoder.decode(), 0))
    except (cbor2.CBORDecodeError, TypeError, OverflowError) as error:
        raise ValueError("no CBOR") from error
    if len(items) > 1 and not is_sequence:
        raise ValueError("more than one item")
    return items if is_sequence else items[0]


def _plain(value: Any, depth: int) -> Any:
    """Converts values of CBOR and of JSON to what variables hold: bytes to base64, times to ISO text, keys to text.

    `undefined` becomes null, and what JSON has no numbers for becomes text.
    """
    import cbor2  # noqa: PLC0415 - only who uses it

    if depth > _MAX_DEPTH:
        raise ValueError("nested too deep")
    if value is None or value is cbor2.undefined:
        return None
    if isinstance(value, Mapping):
        return {_key(name, depth): _plain(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, cbor2.CBORTag | cbor2.CBORSimpleValue):
        return _plain(value.value, depth + 1)
    return _scalar(value)


def _scalar(value: Any) -> Any:
    match value:
        case str():
            return sendable(value)
        case bool():
            return value
        case int():
            return value if -INT64_BOUND <= value < INT64_BOUND else str(value)
        case float():
            return value if math.isfinite(value) else str(Decimal(value))
        case bytes():
            return base64.b64encode(value).decode()
        case datetime() | date():
            return value.isoformat()
        case re.Pattern():
            return value.pattern
    return str(value)  # decimals, fractions, UUIDs, addresses


def _key(name: Any, depth: int) -> str:
    """Returns the name for a key of CBOR: its JSON if it is not text."""
    plain = _plain(name, depth + 1)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def links(text: str) -> list[dict[str, Any]]:
    """Reads the resources of `.well-known/core` (RFC 6690): path and attributes such as `rt`, `ct`, `title`, `obs`."""
    found = []
    for match in _LINK.finditer(text):
        attributes: dict[str, Any] = {}
        for name, value in _ATTRIBUTE.findall(match.group(2)):
            attributes[name] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value.strip() or True
        found.append({"path": unquote(match.group(1)), **{k: v for k, v in attributes.items() if k != "path"}})
    return found
