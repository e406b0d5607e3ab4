"""Read what a service answers: the body within its limit and without its codings, the headers as text."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from zeebe_connectors.sdk.errors import PermanentError, TransientError
from zeebe_connectors.web.message import origin_of

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.typedefs import RawHeaders
    from multidict import CIMultiDictProxy

HEADERS_LIMIT = 256 * 1024
"""Maximum bytes of a response's headers."""
_QUICK_CODED = 8 * 1024  # bytes that are decompressed on the event loop; more goes to a thread
_DESCRIBES_ENCODED = frozenset({"content-encoding", "content-length", "content-md5"})
_PIECE = 4 * 1024
_TURN = 0.005
"""Seconds of reading a body before other tasks have a turn."""
_SHORT = 4 * 1024  # read at once, even where each byte is a chunk of its own
_LARGE_JOIN = 4 * 1024 * 1024


async def read_body(content: aiohttp.StreamReader, limit: int, url: str) -> bytes:
    """Returns the whole body as it came.

    Raises:
        PermanentError: `RESPONSE_TOO_LARGE` beyond this many bytes.
    """
    if content.is_eof() and content.total_bytes <= _SHORT:  # the body came with the headers
        body = content.read_nowait(-1)
        if len(body) > limit:
            raise _too_large(origin_of(url), limit)
        return body
    size = 0
    chunks = []
    began = time.perf_counter()
    # In pieces, with turns for other tasks, because what has arrived is read without a pause. Turns go by time, not by
    # size: bytes that each come in a chunk of their own cost a thousand times more.
    while chunk := await content.read(_PIECE):
        size += len(chunk)
        if size > _PIECE and time.perf_counter() - began > _TURN:
            await asyncio.sleep(0)
            began = time.perf_counter()
        if size > limit:
            raise _too_large(origin_of(url), limit)
        chunks.append(chunk)
    if len(chunks) < 2:
        return b"".join(chunks)
    return b"".join(chunks) if size < _LARGE_JOIN else await asyncio.to_thread(b"".join, chunks)


async def unpacked_body(
    body: bytes, headers: list[tuple[str, str]], coding: str, limit: int, origin: str, status: int
) -> tuple[bytes, list[tuple[str, str]]]:
    """Decompresses a body, and drops the headers that describe its coding.

    A body in an unknown coding is returned as it is, and so is a refusal that is not coded as declared.
    """
    from zeebe_connectors.web.codings import TooLargeError, UndecodableError, codings_of, unpacked  # noqa: PLC0415

    codings = codings_of(coding)
    if codings is None:
        return body, headers
    try:
        if len(body) <= _QUICK_CODED and codings in (["gzip"], ["deflate"]):
            plain = unpacked(body, codings, limit)
        else:
            plain = await asyncio.to_thread(unpacked, body, codings, limit)
    except TooLargeError:
        raise _too_large(origin, limit) from None
    except UndecodableError as error:
        if status >= 400:
            return body, headers
        raise TransientError(
            "500",
            f"The response of {origin} cannot be decompressed as declared ({coding}): {error}",
            variables={"reason": "protocol"},
        ) from None
    return plain, [(name, value) for name, value in headers if name.lower() not in _DESCRIBES_ENCODED]


def _too_large(origin: str, limit: int) -> PermanentError:
    return PermanentError(
        "RESPONSE_TOO_LARGE",
        f"The response of {origin} is larger than {limit} bytes and was cut off. Ask for less, receive it as a "
        "document, or let the operator raise CONNECTOR_HTTP_CLIENT_MAX_BODY_SIZE",
        variables={"reason": "too-large", "limit": limit},
    )


def header_list(raw: RawHeaders, url: str) -> list[tuple[str, str]]:
    """Returns the headers as text, names as the server wrote them.

    Raises:
        PermanentError: `RESPONSE_TOO_LARGE` when they have more than 256 KiB.
    """
    size = 0
    found = []
    for name, value in raw:
        size += len(name) + len(value)
        found.append((name.decode("latin-1").strip(), value.decode() if value.isascii() else _text(value)))
    if size > HEADERS_LIMIT:
        raise headers_too_large(url)
    return found


def headers_too_large(url: str) -> PermanentError:
    """Returns the error of a response whose headers have too many bytes."""
    return PermanentError(
        "RESPONSE_TOO_LARGE",
        f"The headers of the response of {origin_of(url)} have more than {HEADERS_LIMIT} bytes; the service has to "
        "send less",
        variables={"reason": "too-large", "limit": HEADERS_LIMIT},
    )


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def unfinished(status: int, origin: str) -> TransientError:
    """Returns the error of an answer such as 103 after which nothing came."""
    return TransientError("500", f"{origin} answered {status}, which ends no request", variables={"reason": "protocol"})


def coding_of(headers: CIMultiDictProxy[str]) -> str:
    """Returns the codings of the body: its content coding, and a transfer coding, which some servers add unasked."""
    if "Content-Encoding" not in headers and "Transfer-Encoding" not in headers:
        return ""
    coding = ", ".join(headers.getall("Content-Encoding", ())).lower()
    transfer = headers.getall("Transfer-Encoding", ())
    if transfer:
        coding = ", ".join((coding, *transfer)).lower().replace("chunked", "").strip(", ")
    return coding


def phrase_of(reason: str | None) -> str:
    """Returns the reason phrase; the library keeps bytes that are not UTF-8 as lone surrogates."""
    text = (reason or "").strip()
    return text if text.isascii() else _text(text.encode("utf-8", "surrogateescape"))
