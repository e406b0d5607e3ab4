"""Speak HTTP/2 frame by frame to a server, rightly or wrongly."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import NamedTuple, Self

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 1, 1, 4, 8, 32


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values: int) -> bytes:
    """By `table`, `streams`, `window`, `frame`."""
    numbers = {"table": 1, "push": 2, "streams": 3, "window": 4, "frame": 5}
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", numbers[key], value) for key, value in values.items()))


HELLO = PREFACE + settings()
REQUEST = {":method": "POST", ":scheme": "http", ":authority": "here", "te": "trailers",
           "content-type": "application/grpc"}  # fmt: skip


def block(path: str = "/t/Echo", **more: str | None) -> bytes:
    """A request's headers, no table involved; names with `_` for `-`, and None for those to leave out."""
    found = {**REQUEST, ":path": path, **{name.replace("_", "-"): value for name, value in more.items()}}
    pairs = [(name, value, True) for name, value in found.items() if value is not None]
    return hpack.Encoder().encode(sorted(pairs, key=lambda pair: not pair[0].startswith(":")), huffman=False)


def message(content: bytes = b"", *, flag: int = 0, size: int | None = None) -> bytes:
    return bytes([flag]) + (len(content) if size is None else size).to_bytes(4, "big") + content


def call(stream: int, path: str = "/t/Echo", content: bytes = b"", **more: str | None) -> bytes:
    """A whole request."""
    head = frame(HEADERS, END_HEADERS, stream, block(path, **more))
    return head + frame(DATA, END_STREAM, stream, message(content))


def size(stream: int, count: int, **more: str | None) -> bytes:
    """A request for an answer of that many bytes."""
    digits = str(count).encode()
    return call(stream, "/t/Size", b"\x0a" + bytes([len(digits)]) + digits, **more)


def window_update(stream: int, amount: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, amount.to_bytes(4, "big"))


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes


class Ended(NamedTuple):
    """How a stream or the connection ended."""

    how: str
    code: int
    text: str = ""


class Raw:
    """One connection, which answers nothing by itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._decoder = hpack.Decoder()
        self.data: dict[int, bytes] = {}
        self.headers: dict[int, dict[str, str]] = {}

    @classmethod
    async def connect(cls, port: int, hello: bytes = HELLO) -> Self:
        raw = cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))
        raw.send(hello)
        return raw

    def send(self, *data: bytes) -> None:
        self.writer.write(b"".join(data))

    async def next(self, within: float = 10.0) -> Frame | None:
        """The next frame; None if the connection ends first."""
        async with asyncio.timeout(within):
            try:
                head = await self.reader.readexactly(9)
                payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        return Frame(kind, flags, stream, payload)

    async def end(self, stream: int = -1, within: float = 10.0) -> Ended:
        """Reads until a stream ends, or the connection; -1 is the connection alone."""
        while (found := await self.next(within)) is not None:
            if found.kind == GOAWAY:
                return Ended("goaway", int.from_bytes(found.payload[4:8], "big"), found.payload[8:].decode())
            if found.kind == HEADERS:
                assert found.flags & END_HEADERS
                self.headers.setdefault(found.stream, {}).update(self._decoder.decode(found.payload))
            if found.kind == DATA:
                self.data[found.stream] = self.data.get(found.stream, b"") + found.payload
            if found.stream == stream and found.kind == RST_STREAM:
                return Ended("reset", int.from_bytes(found.payload, "big"))
            if found.stream == stream and found.kind in (DATA, HEADERS) and found.flags & END_STREAM:
                headers = self.headers[stream]
                return Ended("status", int(headers.get("grpc-status", headers[":status"])),
                             headers.get("grpc-message", ""))  # fmt: skip
        return Ended("closed", 0)

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    def vanish(self) -> None:
        """Ends the connection with a reset instead of a goodbye."""
        self.writer.transport.abort()
