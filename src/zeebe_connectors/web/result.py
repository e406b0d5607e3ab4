"""Turn a response into a process's variables, or into the error that its status means."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Literal, TypedDict

from pydantic import Field

from zeebe_connectors.sdk.budget import (
    JSON_BYTES,
    OverBudgetError,
    SmallJson,
    decode_quick_json,
    json_is_quick,
    one_pass,
    read_json,
)
from zeebe_connectors.sdk.context import Context
from zeebe_connectors.sdk.errors import ConnectorError, InputError, PermanentError, TransientError
from zeebe_connectors.sdk.fields import Hint, Model, When
from zeebe_connectors.sdk.names import name_of_disposition
from zeebe_connectors.web.charset import as_utf8, codec, decoded
from zeebe_connectors.web.message import HttpResponse
from zeebe_connectors.web.words import challenge_words, words_of

INLINE_LIMIT = 1536 * 1024
_MAX_DELAY = 86_400.0
_MAX_DATE = 100
_JSON_BEGINS = re.compile(rb"[ \t\r\n]*+[{\[]")
_BUSY = frozenset({408, 425, 429, 502, 503, 504})


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


_decode = one_pass(json.JSONDecoder(parse_constant=_no_number))


class Response(TypedDict):
    """The answer of an HTTP service; all five keys are always present."""

    status: Annotated[int, Field(description="Status code, such as 200.")]
    headers: Annotated[
        dict[str, str | list[str]],
        Field(description="Headers as the server wrote them; one that came several times is a list."),
    ]
    body: Annotated[Any, Field(description="What the server sent, as the response format says; null when empty.")]
    reason: Annotated[str | None, Field(description="Reason phrase, such as OK; null when the server sent none.")]
    document: Annotated[
        dict[str, Any] | None, Field(description="Reference to the stored response, for the format DOCUMENT.")
    ]


class ReturnFormat(Model):
    """How the response's body is returned."""

    choice: Annotated[
        Literal["AUTO", "JSON", "TEXT", "DOCUMENT"],
        Hint(
            label="Response format",
            choices={
                "AUTO": "Automatic",
                "JSON": "JSON",
                "TEXT": "Text",
                "DOCUMENT": "Document",
            },
            tooltip="Automatic reads JSON objects and lists as such and everything else as text.",
        ),
    ] = "AUTO"
    """How the response's body is read: as JSON, as text, or stored as a document whose reference is returned."""
    encoding: Annotated[str, Hint(label="Encoding", when=When("choice", ("TEXT",)), form_default="UTF-8")] = "UTF-8"
    """Character set of the text; if it is UTF-8, a character set that the service declares takes precedence."""


async def result_of(response: HttpResponse, wanted: ReturnFormat, context: Context) -> Response:
    """Returns what the process gets of a response.

    Args:
        response: Any response below 400.
        wanted: How its body is read.
        context: For creating a document.

    Raises:
        ConnectorError: `RESPONSE_NOT_JSON` when JSON was asked for and something else came.
        PermanentError: `RESPONSE_TOO_LARGE` when JSON or text was asked for and does not fit into a variable.
        InputError: The encoding is unknown.
    """
    body: Any = None
    document: dict[str, Any] | None = None
    match wanted.choice:
        case "AUTO":
            body = await lenient_body(response)
        case "JSON":
            body = await _json(response)
        case "TEXT":
            body = _text(response, wanted.encoding)
        case "DOCUMENT":
            kind = response.header("content-type")
            name = name_of_disposition(response.header("content-disposition"))
            stored = await context.documents.create(response.body, name=name, content_type=kind)
            document = dict(stored.reference)
    result: Response = {
        "status": response.status,
        "headers": header_values(response.headers),
        "body": body,
        "reason": response.reason or None,
        "document": document,
    }
    return SmallJson(result) if json_is_quick(response.body) else result  # type: ignore[return-value]


def header_values(headers: list[tuple[str, str]]) -> dict[str, str | list[str]]:
    """Returns headers for a variable: one value as text, several as a list, under the first spelling of the name."""
    if len({name.lower() for name, _ in headers}) == len(headers):
        return dict(headers)
    values: dict[str, str | list[str]] = {}
    names: dict[str, str] = {}
    for name, value in headers:
        known = names.setdefault(name.lower(), name)
        before = values.get(known)
        if before is None:
            values[known] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            values[known] = [before, value]
    return values


def _with_known_characters(data: bytes) -> bytes:
    """Replaces invalid bytes, so that they spoil one string and not the whole body."""
    return data.decode("utf-8", "replace").encode()


async def _read(data: bytes) -> Any:
    try:
        return await read_json(data, _decode)
    except UnicodeDecodeError:
        return await read_json(_with_known_characters(data), _decode)


async def lenient_body(response: HttpResponse) -> Any:
    """Returns a JSON object or list as such, blank as null, anything else as text, whatever the content type says.

    Raises:
        PermanentError: `RESPONSE_TOO_LARGE` when it is larger, or has more values, than can be read into a variable.
    """
    data = _utf8(response)
    if len(data) > JSON_BYTES:
        raise _too_large(response, f"it has {len(data):,} bytes, {JSON_BYTES:,} are allowed")
    if _looks_like_json(data):
        try:
            return await _read(data)
        except OverBudgetError as error:
            if error.limit != "levels":  # nothing useful is nested so deeply; as text it does no harm
                raise _too_large(response, str(error)) from None
        except ValueError:
            pass
    return _as_text(data)


def _utf8(response: HttpResponse) -> bytes:
    return as_utf8(response.body, response.header("content-type") or "")


def _looks_like_json(data: bytes) -> bool:
    return _JSON_BEGINS.match(data) is not None


def _as_text(data: bytes) -> str | None:
    text = data.decode("utf-8", "replace")
    return text if text.strip() else None


async def read_large_json(response: HttpResponse) -> None:
    """Reads a large JSON body off the event loop and keeps it in the response, for the error to be made of it."""
    data = _utf8(response)
    if len(data) <= INLINE_LIMIT and _looks_like_json(data):
        with suppress(ValueError):
            response.large_json = await _read(data)


def _known_body(response: HttpResponse) -> Any:
    """Returns the body of a refusal: JSON that was read already or is small enough to read now, else text."""
    if len(response.body) > INLINE_LIMIT:
        return None
    if response.large_json is not None:
        return response.large_json
    data = _utf8(response)
    if _looks_like_json(data):
        with suppress(ValueError):
            try:
                return decode_quick_json(data, _decode)
            except UnicodeDecodeError:
                return decode_quick_json(_with_known_characters(data), _decode)
    return _as_text(data)


def _too_large(response: HttpResponse, why: str) -> PermanentError:
    return PermanentError(
        "RESPONSE_TOO_LARGE",
        f"The response of {response.origin} is too large for a variable: {why}. Ask for less, or choose the response "
        "format (documentReturnFormat) Document",
        variables={"reason": "too-large", "limit": JSON_BYTES},
    )


def _check_size(response: HttpResponse) -> None:
    if len(response.body) > INLINE_LIMIT:
        raise PermanentError(
            "RESPONSE_TOO_LARGE",
            f"The response of {response.origin} has {len(response.body)} bytes; more than {INLINE_LIMIT} do not fit "
            "into a variable. Choose the response format (documentReturnFormat) Document",
            variables={"reason": "too-large", "limit": INLINE_LIMIT},
        )


async def _json(response: HttpResponse) -> Any:
    _check_size(response)
    if not response.body[:64].strip() and not response.body.strip():
        return None  # a 204 has no body, which is no error
    try:
        return await _read(_utf8(response))
    except OverBudgetError as error:
        raise _too_large(response, str(error)) from None
    except ValueError as error:
        why = f"{error.msg} at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "it is not valid"
        raise ConnectorError(
            "RESPONSE_NOT_JSON",
            f"The response of {response.origin} (status {response.status}) is not JSON: {why}. Choose the response "
            "format Automatic or Text if that is right",
            variables={"response": _detail(response)},
        ) from None


def _text(response: HttpResponse, encoding: str) -> str:
    _check_size(response)
    # UTF-8 is the form's default, so what the service declares takes precedence.
    if (encoding or "UTF-8").strip().lower() in {"utf-8", "utf8"}:
        return _utf8(response).decode("utf-8", "replace")
    named = codec(encoding)
    if named is None:
        raise InputError(
            "documentReturnFormat.encoding: is not a known character set; use a name such as UTF-8 or ISO-8859-1"
        )
    return decoded(response.body, named)


def status_error(
    response: HttpResponse, *, what: str = "", detail: str | None = None, method: str | None = None
) -> ConnectorError:
    """Returns the error for a status of 400 or more; its code is the status as text.

    Error expressions see the bare reason phrase as its message, because official templates compare it.

    Args:
        response: The response.
        what: Who answered, if not the service itself.
        detail: What it said; if None, the body is searched for it.
        method: Request method, for the message.
    """
    phrase = response.reason or "[no reason]"
    request_line = f"{method} {response.origin}" if method else response.origin
    message = f"{phrase}: {what + ' ' if what else ''}{request_line} answered {response.status}"
    variables: dict[str, Any] = {"response": _detail(response)}
    reason = detail or ("" if what else words_of(variables["response"]["body"]))
    if not reason and response.status in {401, 403}:
        reason = challenge_words(response.header("www-authenticate") or "")
    if reason and reason != phrase:
        message += f" ({reason})"
    if method and response.status in {401, 403}:
        message += ". Check the authentication, and what this login may do"
    if what and detail:
        variables["reason"] = detail
    code = str(response.status)
    if response.status in _BUSY:
        return TransientError(code, message, variables=variables, delay=retry_after(response), phrase=phrase)
    return ConnectorError(code, message, variables=variables, phrase=phrase)


def _detail(response: HttpResponse) -> dict[str, Any]:
    return {"headers": header_values(response.headers), "body": _known_body(response)}


def retry_after(response: HttpResponse, now: float | None = None) -> float | None:
    """Returns the seconds to wait by a `Retry-After` header (seconds or a date), a day at most; None without one.

    Args:
        response: The response; a date is compared with its own `Date`, if present, so that clocks may differ.
        now: Seconds since the epoch; the clock's when left out.
    """
    header = (response.header("retry-after") or "").strip()
    if not header or len(header) > _MAX_DATE:
        return None
    seconds = _number(header)
    if seconds is None:
        end = _timestamp(header)
        if end is None:
            return None
        start = _timestamp((response.header("date") or "")[:_MAX_DATE])
        seconds = end - (start if start is not None else time.time() if now is None else now)
    return min(max(seconds, 0.0), _MAX_DELAY)


def _number(text: str) -> float | None:
    return float(text) if text.isascii() and text.replace(".", "", 1).isdecimal() else None


def _timestamp(text: str) -> float | None:
    try:
        found = parsedate_to_datetime(text)
        # HTTP's dates are all in GMT, also in the older form that does not say it.
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
