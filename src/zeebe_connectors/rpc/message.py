"""Read and write what gRPC puts into HTTP/2: prefixed messages, timeouts and the texts of statuses."""

from __future__ import annotations

import re
import zlib
from urllib.parse import unquote_to_bytes

from zeebe_connectors.rpc.status import RpcError, Status

PREFIX_BYTES = 5
CONTENT_TYPE = "application/grpc"
ENCODINGS = {"identity": None, "gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""Ways to compress a message that are understood, with zlib's word for each."""
MAX_STATUS_BYTES = 6_000
"""Bytes of a status' text: a client's usual limit for all headers of an answer is 8 KiB."""
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])")
# White space at either end is no part of a value in HTTP/2.
_TO_ESCAPE = re.compile(rb"[^ -$&-~]|\A | \Z")


def prefixed(message: bytes) -> bytes:
    """Returns a message, uncompressed, with its length before it."""
    return b"\0" + len(message).to_bytes(4, "big") + message


class Messages:
    """Collects the messages of one side of a stream.

    Args:
        limit: Maximum bytes of a message.
        encoding: How messages are compressed that say so, one of `ENCODINGS`.
    """

    __slots__ = ("_buffer", "_encoding", "_limit")

    def __init__(self, limit: int, encoding: str = "identity") -> None:
        self._buffer = bytearray()
        self._limit = limit
        self._encoding = encoding

    def feed(self, data: bytes) -> None:
        """Adds a piece of the stream."""
        self._buffer += data

    def __len__(self) -> int:
        """Returns the bytes that wait."""
        return len(self._buffer)

    def end(self) -> int | None:
        """Returns where the next message ends; None if its length has not arrived.

        Raises:
            RpcError: The message is beyond the limit.
        """
        buffer = self._buffer
        if len(buffer) < PREFIX_BYTES:
            return None
        size = int.from_bytes(buffer[1:PREFIX_BYTES], "big")
        if size > self._limit:
            raise too_large(self._limit)
        return PREFIX_BYTES + size

    def next(self) -> bytes | None:
        """Removes and returns the next whole message; None if there is none yet.

        Raises:
            RpcError: The message is beyond the limit, or cannot be decompressed.
        """
        end = self.end()
        buffer = self._buffer
        if end is None or len(buffer) < end:
            return None
        message = bytes(buffer[PREFIX_BYTES:end])
        is_compressed = buffer[0]
        del buffer[:end]
        return self._decompressed(message) if is_compressed else message

    def _decompressed(self, message: bytes) -> bytes:
        form = ENCODINGS.get(self._encoding)
        if form is None:
            raise RpcError(Status.INTERNAL, "a message is compressed, but no header says how")
        reader = zlib.decompressobj(form)
        try:
            plain = reader.decompress(message, self._limit + 1)
        except zlib.error:
            raise RpcError(Status.INTERNAL, f"a message is not {self._encoding}, as its header says") from None
        if len(plain) > self._limit:
            raise too_large(self._limit)
        if not reader.eof:
            raise RpcError(Status.INTERNAL, "a compressed message ends too early")
        return plain


def too_large(limit: int) -> RpcError:
    """Returns the error for a message beyond the limit, in bytes."""
    return RpcError(Status.RESOURCE_EXHAUSTED, f"Received message larger than max ({limit} bytes)")


def timeout_text(milliseconds: int) -> str:
    """Returns a duration as `grpc-timeout` writes it: at most eight digits and a unit."""
    return f"{milliseconds}m" if milliseconds < 10**8 else f"{min(milliseconds // 1000, 10**8 - 1)}S"


def timeout_of(text: str) -> float | None:
    """Returns the seconds that a `grpc-timeout` means; None if it means nothing."""
    match = _TIMEOUT.fullmatch(text)
    return int(match[1]) * _UNITS[match[2]] if match else None


def escaped(text: str) -> str:
    """Returns a status' text as `grpc-message` carries it: shortened, in UTF-8, percent-encoded beyond ASCII."""
    found = _percent_encoded(text)
    if len(found) > MAX_STATUS_BYTES:
        # Between two characters: grpcio shows nothing of a text that is not UTF-8.
        whole = unquote_to_bytes(re.sub(rb"%.?$", b"", found[:MAX_STATUS_BYTES])).decode("utf-8", "ignore")
        found = _percent_encoded(whole) + b"..."
    return found.decode("ascii")


def _percent_encoded(text: str) -> bytes:
    return _TO_ESCAPE.sub(lambda match: b"%%%02X" % match[0][0], text.encode("utf-8", "replace"))


def unescaped(text: str) -> str:
    """Returns the text of a `grpc-message`; a wrong escape stays as it is."""
    return unquote_to_bytes(text.encode("latin-1")).decode("utf-8", "replace")
