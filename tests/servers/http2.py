"""Serve HTTP/2 by a script: a coroutine for each connection reads requests and writes whatever it likes."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from hpack import Decoder, Encoder

from zeebe_connectors.rpc import frames

Headers = Iterable[tuple[str, str]]
ANSWER = ((":status", "200"), ("content-type", "application/grpc"))


@dataclass
class Request:
    """A whole request."""

    stream: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def message(self) -> bytes:
        """What the request says, without its length."""
        return self.body[5:]


class Peer:
    """The server's side of one connection.

    What the client sends is read by itself: requests can be waited for, everything else is recorded.
    """

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.writer = writer
        self.encoder = Encoder()
        self.requests: asyncio.Queue[Request] = asyncio.Queue()
        self.opened: list[int] = []
        self.resets: dict[int, int] = {}
        self.received: list[tuple[int, int, int, bytes]] = []
        self.ended = asyncio.Event()
        self.window = 0
        self._reader = reader
        self._decoder = Decoder()
        self._incomplete: dict[int, Request] = {}
        self._block = b""
        self._has_started = False

    async def listen(self) -> None:
        """Reads until the client has ended the connection."""
        try:
            assert await self._reader.readexactly(len(frames.PREFACE)) == frames.PREFACE
            while True:
                head = await self._reader.readexactly(9)
                payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
                self._take(head[3], head[4], int.from_bytes(head[5:], "big"), payload)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.ended.set()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self.received.append((kind, flags, stream, payload))
        if kind in {frames.HEADERS, frames.CONTINUATION}:
            self._block += payload
            if kind == frames.HEADERS:
                self.opened.append(stream)
            if flags & frames.END_HEADERS:
                headers = dict(self._decoder.decode(self._block))
                self._incomplete[stream] = Request(stream, headers)
                self._block = b""
        elif kind == frames.DATA:
            self._incomplete[stream].body += payload
            if flags & frames.END_STREAM:
                self.requests.put_nowait(self._incomplete.pop(stream))
        elif kind == frames.RST_STREAM:
            self.resets[stream] = int.from_bytes(payload, "big")
        elif kind == frames.WINDOW_UPDATE and stream:
            self.window += int.from_bytes(payload, "big")
        elif kind == frames.SETTINGS and not flags and self._has_started:
            self.write(frames.SETTINGS_ACK)

    def count(self, kind: int) -> int:
        """Returns how many frames of a type the client has sent."""
        return sum(one[0] == kind for one in self.received)

    def write(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self.writer.write(data)

    def start(self, settings: Mapping[int, int] | None = None) -> None:
        """Sends the settings."""
        self._has_started = True
        self.write(frames.settings(settings or {}))

    def headers(self, stream: int, headers: Headers, *, ends: bool = False) -> None:
        """Sends a header block, Huffman-coded where that is shorter."""
        self.write(frames.headers(stream, self.encoder.encode(list(headers)), ends=ends))

    def data(self, stream: int, data: bytes, *, ends: bool = False) -> None:
        """Sends data in frames of the usual size; flow control is the test's affair."""
        pieces = [data[at : at + 16_384] for at in range(0, len(data), 16_384)] or [b""]
        for piece in pieces[:-1]:
            self.write(frames.frame(frames.DATA, 0, stream, piece))
        self.write(frames.frame(frames.DATA, frames.END_STREAM if ends else 0, stream, pieces[-1]))

    def message(self, stream: int, message: bytes, *, flag: int = 0) -> None:
        """Sends a message of gRPC."""
        self.data(stream, bytes((flag,)) + len(message).to_bytes(4, "big") + message)

    def answer(self, stream: int, message: bytes = b"", *, status: str = "0", text: str = "") -> None:
        """Answers a call with one message, or none if it fails."""
        self.headers(stream, ANSWER)
        if status == "0":
            self.message(stream, message)
        trailers = [("grpc-status", status)]
        self.headers(stream, [*trailers, ("grpc-message", text)] if text else trailers, ends=True)

    async def echo(self, count: int | None = None) -> None:
        """Answers so many requests with their own messages; all by default."""
        while count is None or count > 0:
            request = await self.requests.get()
            self.answer(request.stream, request.message)
            count = None if count is None else count - 1


Script = Callable[[Peer], Awaitable[None]]


class ScriptedServer:
    """Listens on loopback; a connection ends when its script does.

    Args:
        script: What happens on each connection.
        port: Where to listen; 0 picks a free port.
        host: Address to listen at.
        tls: Certificate and all else, for TLS.
    """

    def __init__(
        self, script: Script, *, port: int = 0, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self.script = script
        self.host = host
        self.port = port
        self._tls = tls
        self.peers: list[Peer] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self.host, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Ends all connections and listens no more."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = Peer(len(self.peers), reader, writer)
        self.peers.append(peer)
        listening = asyncio.create_task(peer.listen())
        try:
            await self.script(peer)
            await writer.drain()
        except (asyncio.CancelledError, OSError):
            pass
        finally:
            listening.cancel()
            writer.close()
            self._tasks.discard(task)


class ServerInThread:
    """A scripted server with an event loop of its own, which goes on while the test's is blocked."""

    def __init__(self, script: Script) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server = ScriptedServer(script)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.__aenter__(), self._loop).result(5)
        self.port = self._server.port
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
