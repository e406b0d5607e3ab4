"""Send requests over the connections of aiohttp's pool, without the layers of its client session.

Those prepare what no connector needs, such as cookies, redirects and tracing, and take longer than a short request does
without them: `docs/adr/0005`. `web/client.py` says what may be called, and bounds it.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import Any

import aiohttp
import yarl
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import RawResponseMessage, StreamWriter
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader

from zeebe_connectors._version import __version__
from zeebe_connectors.net.proxies import Proxy
from zeebe_connectors.sdk.errors import InputError
from zeebe_connectors.web.auth.basic import basic_credentials
from zeebe_connectors.web.message import TOKEN, HttpRequest
from zeebe_connectors.web.reading import headers_too_large, read_body
from zeebe_connectors.web.surplus import HeadTooLargeError, is_interim

_HEAD_LIMIT = 64 * 1024
_AT_ONCE = 64 * 1024  # larger bodies are sent in pieces, so that the event loop is not blocked
_EXACT = float("inf")  # aiohttp rounds timeouts above its threshold up to whole seconds
_CONTROL = bytes({*range(0x20), 0x7F} - {ord("\t")})
_AGENT = f"zeebe-connectors/{__version__}"
_DEFAULTS = {
    "User-Agent": f"User-Agent: {_AGENT}",
    "Accept": "Accept: */*",
    "Accept-Encoding": "Accept-Encoding: gzip, deflate, br, zstd",
}
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_REPEATABLE = _WITHOUT_BODY | {"PUT", "DELETE"}
"""Methods of requests that are sent once more when their connection ends before the response (RFC 9110, 9.2.2)."""


class Way:
    """How to reach an origin: which connection leads there, and what requests on it begin with.

    Args:
        origin: Scheme, host and port.
        proxy: The proxy to go through; None for none.

    Raises:
        InputError: The origin is not one of http or https, or names no host.
    """

    __slots__ = ("connection", "host", "is_proxied", "login", "prefix")

    def __init__(self, origin: str, proxy: Proxy | None) -> None:
        parsed = yarl.URL(origin, encoded=True)
        if parsed.scheme not in {"http", "https"} or not parsed.raw_host:
            raise InputError("url: is not an address that HTTP can call; write it like https://host/path")
        host = parsed.host_port_subcomponent or ""
        login = None
        if proxy is not None and proxy.user:
            login = {"Proxy-Authorization": basic_credentials(proxy.user, proxy.password)}
        self.connection = aiohttp.ClientRequest(
            "GET",
            parsed,
            loop=asyncio.get_running_loop(),
            proxy=yarl.URL(proxy.url) if proxy else None,
            # With `Host`, which the library adds as it connects: the pool tells connections apart by these headers.
            proxy_headers={"Host": host, "User-Agent": _AGENT, **(login or {})} if proxy else None,
        )
        """What the pool is asked for a connection with."""
        self.host = host
        self.is_proxied = proxy is not None
        # Through a tunnel, only the request for it carries the proxy's credentials; without TLS each request goes to
        # the proxy itself, and names the whole URL.
        is_plain = proxy is not None and parsed.scheme == "http"
        self.login = login if is_plain else None
        self.prefix = origin if is_plain else ""


async def exchange(
    connector: aiohttp.TCPConnector,
    way: Way,
    path: str,
    request: HttpRequest,
    *,
    connect: float | None,
    read: float | None,
    limit: int,
) -> tuple[RawResponseMessage, bytes]:
    """Sends a request and reads the response to its end.

    Args:
        connector: The pool of connections.
        way: The way to the request's origin.
        path: Path and query, encoded.
        request: What to send.
        connect: Seconds for connecting (name, TCP, TLS); None for no limit.
        read: Seconds of silence that end the call; None for no limit.
        limit: Maximum bytes of the body as it comes.

    Returns:
        The response's head, and its body as it came.

    Raises:
        aiohttp.ClientError: See `zeebe_connectors.web.failures`; as are `OSError` and `TimeoutError`.
        PermanentError: `RESPONSE_TOO_LARGE`.
        ValueError: Method, path or a header holds what HTTP cannot carry there, such as a line break.
    """
    method = _method(request.method)
    head = _head(way, method, path, request)
    timeout, options = _options(method, connect, read)
    may_repeat = method in _REPEATABLE
    while True:
        try:
            connection = await connector.connect(way.connection, [], timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error
        call = _Call(connection)
        try:
            message, content = await call.answer(head, request.body, options)
            return message, await read_body(content, limit, request.url)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            if not may_repeat or call.content is not None:
                raise
            may_repeat = False
        except HeadTooLargeError as error:
            raise headers_too_large(request.url) from error
        except HttpProcessingError as error:
            known = way.connection.request_info
            raise aiohttp.ClientResponseError(known, (), status=error.code, message=error.message) from error
        finally:
            call.end()


class _Call:
    """One request on one connection of the pool."""

    __slots__ = ("_connection", "_sending", "content")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending: asyncio.Task[None] | None = None
        self.content: StreamReader | None = None
        """The response's body; None until its head is there."""

    async def answer(
        self, head: bytes, body: bytes | None, options: dict[str, Any]
    ) -> tuple[RawResponseMessage, StreamReader]:
        """Sends the request; returns the response's head, and the stream of its body."""
        protocol = self._connection.protocol
        if protocol is None or protocol.transport is None:
            raise aiohttp.ServerDisconnectedError
        protocol.set_response_params(**options)
        if body and len(body) > _AT_ONCE:
            self._sending = asyncio.create_task(self._send(protocol, head, body))
        else:
            protocol.transport.write(head + body if body else head)
            protocol.start_timeout()
        while True:
            message, content = await protocol.read()
            if not is_interim(message.code):
                self.content = content
                return message, content
            if len(protocol) == 0 and (self._sending is None or self._sending.done()):
                protocol.start_timeout()  # the library stops it with each response

    async def _send(self, protocol: ResponseHandler, head: bytes, body: bytes) -> None:
        """Sends a large request in pieces; what goes wrong ends the wait for its response."""
        writer = StreamWriter(protocol, asyncio.get_running_loop())
        rest = memoryview(body)
        try:
            await writer.write(head)
            for start in range(0, len(rest), _AT_ONCE):
                await writer.write(rest[start : start + _AT_ONCE])
                await asyncio.sleep(0)
        except (OSError, aiohttp.ClientError) as error:
            protocol.set_exception(aiohttp.ClientOSError(getattr(error, "errno", None), "not all was sent"), error)
        else:
            if self.content is None:  # otherwise the answer may be whole, and nothing would stop the timeout
                protocol.start_timeout()

    def end(self) -> None:
        """Gives the connection back, or closes it where something was not sent or not read to its end."""
        whole = self.content is not None and self.content.is_eof()
        if self._sending is not None and not self._sending.done():
            self._sending.cancel()
            whole = False
        transport = self._connection.transport
        if whole and transport is not None and not transport.get_write_buffer_size():
            self._connection.release()
        else:
            self._connection.close()


@lru_cache(maxsize=64)
def _method(text: str) -> str:
    """Returns a method's name as it is sent.

    Raises:
        ValueError: It is none, and would end the request line or add to it.
    """
    if not TOKEN.fullmatch(text):
        raise ValueError("the method is not a word that HTTP can carry")
    return text.upper()


def _head(way: Way, method: str, path: str, request: HttpRequest) -> bytes:
    """Returns the request line and the headers.

    Raises:
        ValueError: One of them holds a line break, which would begin another header or request, or another control
            character.
    """
    headers, host = request.headers, way.host
    if "Host" in headers or "Content-Length" in headers or "Transfer-Encoding" in headers:
        headers = headers.copy()
        host = headers.popall("Host", [host])[-1]
        headers.popall("Content-Length", None)
        headers.popall("Transfer-Encoding", None)
    lines = [f"{method} {way.prefix}{path} HTTP/1.1", f"Host: {host}"]
    lines += [line for name, line in _DEFAULTS.items() if name not in headers]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if request.body:
        lines.append(f"Content-Length: {len(request.body)}")
    elif method not in _WITHOUT_BODY:
        lines.append("Content-Length: 0")
    lines.append("\r\n")
    head = "\r\n".join(lines).encode()
    if len(head) - len(head.translate(None, _CONTROL)) != 2 * len(lines):
        raise ValueError("the path or a header holds a line break or another control character")
    return head


@lru_cache(maxsize=256)
def _options(method: str, connect: float | None, read: float | None) -> tuple[aiohttp.ClientTimeout, dict[str, Any]]:
    """Returns what the library needs to know for connecting, and for reading a response."""
    # The total time is watched by the caller: the library would set a timer for each request.
    timeout = aiohttp.ClientTimeout(total=None, connect=connect, sock_read=read, ceil_threshold=_EXACT)
    return timeout, {
        "skip_payload": method == "HEAD",
        "read_until_eof": True,
        "auto_decompress": False,  # the library accepts a truncated gzip; see `codings`
        "read_timeout": read,
        "max_line_size": _HEAD_LIMIT,
        "max_field_size": _HEAD_LIMIT,
        "max_headers": 1024,
    }
