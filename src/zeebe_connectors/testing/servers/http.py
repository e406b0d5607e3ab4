"""Serve HTTP on loopback for tests: record every request to the byte, and misbehave on request.

    async with HttpServer() as server:
        server.answer("/orders/1", Reply.json({"total": 42.5}))
        ...  # what is tested calls server.url("/orders/1")
        assert server.last.header("Accept") == "application/json"

It shares no code with the connectors' HTTP client: it reads requests from the socket itself.
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
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from zeebe_connectors.testing.servers.listener import LOOPBACK, TaskServer


@dataclass(slots=True)
class Seen:
    """One request as received.

    Attributes:
        method: Such as `GET`.
        target: Path and query as sent.
        headers: Names and values in the order received.
        body: The body, with chunks joined.
        connection: The number of the connection, from 1.
        peer_certificate: The client's certificate under mutual TLS.
    """

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int
    peer_certificate: dict[str, Any] | None = None

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query's names and values, decoded, in order."""
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for known, value in self.headers if known.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """Return the value of a header that may occur only once; None if it is absent.

        Raises:
            AssertionError: It occurs more than once.
        """
        values = self.all(name)
        if len(values) > 1:
            raise AssertionError(f"{name} came {len(values)} times")
        return values[0] if values else None

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        """The body, read as an HTML form."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(slots=True)
class Reply:
    """An answer of the server.

    Attributes:
        status: Such as 200.
        body: The bytes to send; `Content-Length` is added unless a header says where the body ends.
        headers: Names and values in order.
        reason: The reason phrase.
    """

    status: int = 200
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    reason: str = "OK"

    @classmethod
    def json(cls, value: object, status: int = 200, **headers: str) -> Reply:
        """Make a JSON answer; header names are given with `_` for `-`."""
        given = [("Content-Type", "application/json"), *((k.replace("_", "-"), v) for k, v in headers.items())]
        return cls(status, json.dumps(value).encode(), given, "OK" if status < 400 else "Refused")


Answer = Reply | bytes
"""A reply, or the whole answer as bytes, which need not be HTTP."""
Handler = Callable[[Seen], Answer | Awaitable[Answer]]
Script = Callable[[Seen, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class HttpServer(TaskServer):
    """Gives the configured answers, on a free port of loopback.

    Args:
        tls: Serve HTTPS with this context.

    Attributes:
        seen: Every request, in the order received.
        connections: How many connections were opened.
        port: Where it listens.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self.seen: list[Seen] = []
        self.connections = 0
        self._tls = tls
        self._routes: dict[str, Handler] = {}
        self._scripts: dict[str, Script] = {}

    def answer(self, path: str, reply: Answer | Handler) -> None:
        """Set the answer for a path; `*` stands for every other path."""
        self._routes[path] = reply if callable(reply) else lambda _: reply

    def script(self, path: str, script: Script) -> None:
        """Set a script that writes a path's answer byte by byte; the connection is closed afterwards."""
        self._scripts[path] = script

    @property
    def last(self) -> Seen:
        """The last request."""
        return self.seen[-1]

    def url(self, path: str = "/", host: str = LOOPBACK) -> str:
        """Return the address of a path."""
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    @property
    def context(self) -> ssl.SSLContext | None:
        """The TLS context, for HTTPS."""
        return self._tls

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        with self.listed():
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
                writer.close()
                with contextlib.suppress(Exception):
                    await writer.wait_closed()


def _nothing_here(_: Seen) -> Reply:
    return Reply(404, b"nothing here", [("Content-Type", "text/plain")], "Not Found")


def encoded(reply: Reply, method: str = "GET") -> bytes:
    """Return a reply as bytes, with its length."""
    names = {name.lower() for name, _ in reply.headers}
    lines = [f"HTTP/1.1 {reply.status} {reply.reason}".rstrip()]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    if not {"content-length", "transfer-encoding"} & names and reply.status not in {204, 304}:
        lines.append(f"Content-Length: {len(reply.body)}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    return head if method == "HEAD" else head + reply.body


async def read_request(reader: asyncio.StreamReader, number: int = 0) -> Seen | None:
    """Read the next request of a connection; None at its end."""
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


def gzipped(data: bytes) -> Reply:
    """Make a compressed answer."""
    return Reply(200, gzip.compress(data), [("Content-Encoding", "gzip"), ("Content-Type", "text/plain")])


class ForwardProxy(TaskServer):
    """An HTTP proxy on loopback for absolute requests and CONNECT tunnels, optionally with a password.

    Args:
        credentials: `user:password` that it demands.

    Attributes:
        requests: The plain HTTP requests that it forwarded.
        tunnels: The `host:port` of every tunnel.
        port: Where it listens.
    """

    def __init__(self, credentials: str | None = None) -> None:
        super().__init__()
        self.credentials = credentials
        self.requests: list[Seen] = []
        self.tunnels: list[str] = []

    def _allows(self, seen: Seen) -> bool:
        if self.credentials is None:
            return True
        return seen.header("Proxy-Authorization") == "Basic " + base64.b64encode(self.credentials.encode()).decode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        with self.listed():
            try:
                while (seen := await read_request(reader)) is not None:
                    if not self._allows(seen):
                        challenge = [("Proxy-Authenticate", "Basic")]
                        writer.write(encoded(Reply(407, b"", challenge, "Proxy Auth Required")))
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
                writer.close()

    async def _tunnel(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = target.rpartition(":")
        there_reader, there_writer = await asyncio.open_connection(host.strip("[]"), int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        finally:
            there_writer.close()

    async def _forward(self, seen: Seen, writer: asyncio.StreamWriter) -> None:
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


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    with contextlib.suppress(Exception):
        sink.close()
