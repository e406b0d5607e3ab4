"""An HTTP/1.1 server of our own: it records every request to the byte, and can be told to misbehave.

It shares no code with the client that it tests: requests are read from the socket here.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import inspect
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit


@dataclass(slots=True)
class Seen:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int
    peer_certificate: dict | None = None

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    def all(self, name: str) -> list[str]:
        return [value for known, value in self.headers if known.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) < 2, f"{name} came {len(values)} times"
        return values[0] if values else None

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(slots=True)
class Reply:
    """What the server answers."""

    status: int = 200
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    reason: str = "OK"

    @classmethod
    def json(cls, value, status: int = 200, **headers: str) -> Reply:
        given = [("Content-Type", "application/json"), *((k.replace("_", "-"), v) for k, v in headers.items())]
        return cls(status, json.dumps(value).encode(), given, "OK" if status < 400 else "Refused")


Answer = Reply | bytes
Handler = Callable[[Seen], Answer | Awaitable[Answer]]
Script = Callable[[Seen, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class HttpServer:
    """Serves what its routes say, on a free port of the loopback interface.

    Args:
        tls: Serve https with this context.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        self.connections = 0
        self.port = 0
        self._tls = tls
        self._routes: dict[str, Handler] = {}
        self._scripts: dict[str, Script] = {}
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task] = set()

    def answer(self, path: str, reply: Answer | Handler) -> None:
        """What a path is answered with; `*` stands for every other path."""
        self._routes[path] = reply if callable(reply) else lambda _: reply

    def script(self, path: str, script: Script) -> None:
        """A path whose answer is written byte by byte; the connection is closed after it."""
        self._scripts[path] = script

    @property
    def last(self) -> Seen:
        return self.seen[-1]

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        try:
            while (seen := await read_request(reader, number)) is not None:
                seen.peer_certificate = writer.get_extra_info("peercert")
                self.seen.append(seen)
                if seen.path in self._scripts:
                    await self._scripts[seen.path](seen, reader, writer)
                    break
                handler = self._routes.get(seen.path) or self._routes.get("*") or _nothing_here
                answer = handler(seen)
                if inspect.isawaitable(answer):
                    answer = await answer
                writer.write(answer if isinstance(answer, bytes) else encoded(answer, seen.method))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(Exception):
                await writer.wait_closed()


def _nothing_here(_: Seen) -> Reply:
    return Reply(404, b"nothing here", [("Content-Type", "text/plain")], "Not Found")


def encoded(reply: Reply, method: str = "GET") -> bytes:
    """A reply as bytes, with its length."""
    names = {name.lower() for name, _ in reply.headers}
    lines = [f"HTTP/1.1 {reply.status} {reply.reason}".rstrip()]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    if not {"content-length", "transfer-encoding"} & names and reply.status not in {204, 304}:
        lines.append(f"Content-Length: {len(reply.body)}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    return head if method == "HEAD" else head + reply.body


async def read_request(reader: asyncio.StreamReader, number: int = 0) -> Seen | None:
    """The next request of a connection, or None at its end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")[:-2]
    method, target, _ = first.split(" ", 2)
    headers = []
    for line in lines:
        name, _, value = line.partition(":")
        headers.append((name, value.strip()))
    known = {name.lower(): value for name, value in headers}
    body = b""
    if known.get("transfer-encoding", "").lower() == "chunked":
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    elif "content-length" in known:
        body = await reader.readexactly(int(known["content-length"]))
    return Seen(method, target, headers, body, number)


def gzipped(data: bytes, **headers: str) -> Reply:
    """A compressed answer."""
    return Reply(200, gzip.compress(data), [("Content-Encoding", "gzip"), ("Content-Type", "text/plain")])


class ForwardProxy:
    """An HTTP proxy: absolute requests and CONNECT tunnels; with a password if told so.

    Args:
        credentials: `user:password` that it demands.
    """

    def __init__(self, credentials: str | None = None) -> None:
        self.credentials = credentials
        self.requests: list[Seen] = []
        self.tunnels: list[str] = []
        self.port = 0
        self._tasks: set[asyncio.Task] = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _allows(self, seen: Seen) -> bool:
        if self.credentials is None:
            return True
        return seen.header("Proxy-Authorization") == "Basic " + base64.b64encode(self.credentials.encode()).decode()

    async def _connected(self, reader, writer) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            while (seen := await read_request(reader)) is not None:
                if not self._allows(seen):
                    writer.write(encoded(Reply(407, b"", [("Proxy-Authenticate", "Basic")], "Proxy Auth Required")))
                    await writer.drain()
                elif seen.method == "CONNECT":
                    self.tunnels.append(seen.target)
                    await self._tunnel(seen.target, reader, writer)
                    break
                else:
                    self.requests.append(seen)
                    await self._forward(seen, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _tunnel(self, target: str, reader, writer) -> None:
        host, _, port = target.rpartition(":")
        there_reader, there_writer = await asyncio.open_connection(host.strip("[]"), int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        finally:
            there_writer.close()

    async def _forward(self, seen: Seen, writer) -> None:
        parts = urlsplit(seen.target)
        reader, there = await asyncio.open_connection(parts.hostname, parts.port or 80)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{seen.method} {target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in seen.headers if not name.lower().startswith("proxy-")]
        there.write(("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode() + seen.body)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if b"ontent-" in line and b"ength" in line), 0
        )
        writer.write(head + await reader.readexactly(length))
        await writer.drain()
        there.close()


async def _pump(source, sink) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    with contextlib.suppress(Exception):
        sink.close()
