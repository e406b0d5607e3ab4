"""Send HTTP requests for connectors: sign them, follow redirects, bound the response and map every failure.

It uses aiohttp directly, because httpx's client layer costs more than the rest of a job: `docs/adr/0005`.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from zeebe_connectors._version import __version__
from zeebe_connectors.net import custody
from zeebe_connectors.net.egress import RULES, NetworkRules, target_of
from zeebe_connectors.net.tls import ClientTls
from zeebe_connectors.sdk.budget import json_is_quick
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.deadlines import Within
from zeebe_connectors.sdk.errors import ConnectorError, PermanentError, TransientError
from zeebe_connectors.web.auth.basic import basic_credentials
from zeebe_connectors.web.auth.scheme import NoAuth, Scheme
from zeebe_connectors.web.message import HttpRequest, HttpResponse, origin_of
from zeebe_connectors.web.redirects import keeps_credentials, leave_secrets, location_of, redirected

if TYPE_CHECKING:
    import aiohttp

MAX_REDIRECTS = 20
_KEEPALIVE = 15.0
_CLOSING = 8.0  # less than the runtime allows a client for closing
_HEAD_LIMIT = 64 * 1024
_HEADERS_LIMIT = 256 * 1024
_QUICK_CODED = 8 * 1024  # bytes that are decompressed on the event loop; more goes to a thread
_DESCRIBES_ENCODED = frozenset({"content-encoding", "content-length", "content-md5"})
_MIN_MASKED = 4
_PIECE = 4 * 1024
_TURN = 0.005
"""Seconds of reading a body before other tasks have a turn."""
_SHORT = 4 * 1024  # read at once, even where each byte is a chunk of its own
_LARGE_JOIN = 4 * 1024 * 1024
_LARGE_BODY = 512 * 1024  # sent in pieces, so that the event loop is not blocked
_EXACT = float("inf")  # aiohttp rounds timeouts above its threshold up to whole seconds
_NO_TLS = ClientTls()


class HttpClient:
    """A pool of connections with one set of TLS settings, shared by all jobs that have the same.

    It keeps no cookies, follows no redirect and repeats nothing by itself.

    Args:
        rules: What the operator allows.
        tls: Client certificate and trusted authorities.
    """

    def __init__(self, rules: NetworkRules, tls: ClientTls = _NO_TLS) -> None:
        self.rules = rules
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @classmethod
    async def shared(cls, clients: ClientCache, tls: ClientTls = _NO_TLS) -> HttpClient:
        """The runtime's client for these TLS settings."""
        rules = await clients.get(RULES, NetworkRules.from_environment)
        return await clients.get(("web.client", tls.key() if tls else None), lambda: cls(rules, tls))

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp  # noqa: PLC0415 - a fifth of a second, only for those who speak HTTP

        from zeebe_connectors.net.resolver import CheckedResolver  # noqa: PLC0415

        connector = aiohttp.TCPConnector(
            limit=0,  # the runtime bounds how many jobs run at once
            keepalive_timeout=_KEEPALIVE,
            ssl=self._tls.context() if self._tls else True,
            resolver=CheckedResolver(self.rules),
            family=socket.AF_UNSPEC,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # the library accepts a truncated gzip; see `codings`
            headers={
                "User-Agent": f"zeebe-connectors/{__version__}",
                "Accept": "*/*",
                "Accept-Encoding": "gzip, deflate, br, zstd",
            },
            skip_auto_headers=("Content-Type",),
            max_line_size=_HEAD_LIMIT,
            max_field_size=_HEAD_LIMIT,
            max_headers=1024,
        )
        return self._session

    async def send(
        self, request: HttpRequest, *, connect: float | None, read: float | None, total: float, limit: int
    ) -> HttpResponse:
        """Sends one request and reads the response to its end.

        Args:
            request: What to send.
            connect: Seconds for connecting (name, TCP, TLS); None for no separate limit.
            read: Seconds of silence that end the call; None for no separate limit.
            total: Seconds for everything.
            limit: Maximum bytes of the decompressed body.

        Raises:
            ConnectorError: See `zeebe_connectors.web.failures`; `RESPONSE_TOO_LARGE` beyond the limit.
            InputError: `HOST_FORBIDDEN`.
        """
        import aiohttp  # noqa: PLC0415
        import yarl  # noqa: PLC0415

        parts = self.rules.check(request.url)
        host = target_of(request.url)[1]
        custody.sending(host, [request.url, *request.headers.values(), request.body or b""])
        ends = time.monotonic() + total
        options: dict[str, Any] = {}
        proxy = self.rules.proxy_for(parts.scheme, host) if self.rules.proxies else None
        if proxy is not None:
            await self.rules.check_proxied(host)
            options = {"proxy": proxy.url}
            if proxy.user:
                # For a tunnel, only the CONNECT request carries them; a plain request goes to the proxy itself.
                proxy_login = {"Proxy-Authorization": basic_credentials(proxy.user, proxy.password)}
                options["proxy_headers"] = proxy_login
                if parts.scheme == "http":
                    request = request.copy()
                    request.headers.update(proxy_login)
        if "@" in parts.netloc:
            request = _with_user(request, parts)
        session = self._session or self._open()
        response: aiohttp.ClientResponse | None = None
        self._running += 1
        self._idle.clear()
        try:
            with Within(ends):
                response = await session.request(
                    request.method,
                    yarl.URL(request.url, encoded=True),
                    headers=request.headers,
                    data=_sent(request.body),
                    allow_redirects=False,
                    timeout=_timeouts(connect, read),
                    **options,
                )
                body = await _read(response, limit)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            from zeebe_connectors.web.failures import failure  # noqa: PLC0415

            raise failure(error, request.origin, connect=connect, read=read) from error
        finally:
            if response is not None and not response.closed:
                response.close()
            self._running -= 1
            if not self._running:
                self._idle.set()
        headers = _header_list(response)
        coding = _coding(response)
        if coding and body:
            body, headers = await _unpacked(body, headers, coding, limit, request.origin, response.status)
        return HttpResponse(_status(response, request.origin), _phrase(response.reason), headers, body, request.url)

    async def aclose(self) -> None:
        """Closes all connections once running requests are done: the cache may evict a client that is in use."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING):
                await self._idle.wait()
        session, self._session = self._session, None
        if session is not None:
            await session.close()


@lru_cache(maxsize=256)
def _timeouts(connect: float | None, read: float | None) -> aiohttp.ClientTimeout:
    import aiohttp  # noqa: PLC0415

    # The total time is watched by the caller: the library would set a timer for each request.
    return aiohttp.ClientTimeout(total=None, connect=connect, sock_read=read, ceil_threshold=_EXACT)


def _with_user(request: HttpRequest, parts: SplitResult) -> HttpRequest:
    """Moves user name and password from the URL to a header, which yields to credentials already there."""
    signed = request.copy()
    signed.url = request.url.replace(parts.netloc, parts.netloc.rpartition("@")[2], 1)
    value = basic_credentials(unquote(parts.username or ""), unquote(parts.password or ""))
    signed.headers.setdefault("Authorization", value)
    return signed


def _sent(body: bytes | None) -> io.BytesIO | bytes | None:
    return io.BytesIO(body) if body and len(body) > _LARGE_BODY else body or None


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    content = response.content
    if content.is_eof() and content.total_bytes <= _SHORT:  # the body came with the headers
        body = content.read_nowait(-1)
        if len(body) > limit:
            raise _too_large(origin_of(str(response.url)), limit)
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
            raise _too_large(origin_of(str(response.url)), limit)
        chunks.append(chunk)
    if len(chunks) < 2:
        return b"".join(chunks)
    return b"".join(chunks) if size < _LARGE_JOIN else await asyncio.to_thread(b"".join, chunks)


async def _unpacked(
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


def _header_list(response: aiohttp.ClientResponse) -> list[tuple[str, str]]:
    if sum(len(name) + len(value) for name, value in response.raw_headers) > _HEADERS_LIMIT:
        raise PermanentError(
            "RESPONSE_TOO_LARGE",
            f"The headers of the response of {origin_of(str(response.url))} have more than {_HEADERS_LIMIT} bytes; the "
            "service has to send less",
            variables={"reason": "too-large", "limit": _HEADERS_LIMIT},
        )
    try:
        return [(name.decode("latin-1").strip(), value.decode()) for name, value in response.raw_headers]
    except UnicodeDecodeError:
        return [(name.decode("latin-1").strip(), _text(value)) for name, value in response.raw_headers]


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _status(response: aiohttp.ClientResponse, origin: str) -> int:
    if response.status < 200:
        raise TransientError(
            "500",
            f"{origin} answered {response.status}, which ends no request",
            variables={"reason": "protocol"},
        )
    return response.status


def _coding(response: aiohttp.ClientResponse) -> str:
    """The codings of the body: its content coding, and a transfer coding, which some servers add unasked."""
    coding = ", ".join(response.headers.getall("Content-Encoding", ())).lower()
    transfer = response.headers.getall("Transfer-Encoding", ())
    if transfer:
        coding = ", ".join((coding, *transfer)).lower().replace("chunked", "").strip(", ")
    return coding


def _phrase(reason: str | None) -> str:
    """The reason phrase; the library keeps bytes that are not UTF-8 as lone surrogates, which cannot be encoded."""
    text = (reason or "").strip()
    return text if text.isascii() else _text(text.encode("utf-8", "surrogateescape"))


class Caller(Protocol):
    """Lends its time and clients to an exchange; a job's `Context` is one."""

    @property
    def clients(self) -> ClientCache:
        """Clients that stay open."""
        ...

    def seconds_left(self) -> float:
        """Seconds until everything must be over."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """A caller other than a job, for the runtime's own requests.

    Args:
        clients: Clients that stay open.
        deadline: When everything must be over, in seconds of `time.monotonic()`.
    """

    clients: ClientCache
    deadline: float

    def seconds_left(self) -> float:
        """Seconds until the deadline; never below zero."""
        return max(0.0, self.deadline - time.monotonic())


class Exchange:
    """All requests that one job makes: they share its time, its limits and its client.

    Args:
        context: The job's context, or another caller.
        tls: Client certificate and trusted authorities.
        connect: Seconds for connecting; 0 for no limit but the job's time.
        read: Seconds of silence that end a call; 0 for no limit but the job's time.
        limit: Maximum bytes of a response; None for the operator's limit.
    """

    def __init__(
        self,
        context: Caller,
        *,
        tls: ClientTls = _NO_TLS,
        connect: float = 20,
        read: float = 20,
        limit: int | None = None,
    ) -> None:
        self.context = context
        self.tls = tls
        self._connect = connect or None
        self._read = read or None
        self._limit = limit
        self._own: HttpClient | None = None
        self.fetched: set[Scheme] = set()
        """Schemes whose token was fetched during this exchange, so that another would be no newer."""

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Exchange]:
        """Yields this exchange on a private connection, for schemes that authenticate a connection."""
        rules = (await HttpClient.shared(self.context.clients, self.tls)).rules
        alone = copy(self)
        alone._own = HttpClient(rules, self.tls)  # noqa: SLF001 - of the same class
        try:
            yield alone
        finally:
            await alone._own.aclose()  # noqa: SLF001

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Sends one request as it is.

        Raises:
            ConnectorError: As `HttpClient.send`; `408` when the job's time is over before it began.
        """
        client = self._own or await HttpClient.shared(self.context.clients, self.tls)
        total = self.context.seconds_left()
        if total <= 0:
            raise ConnectorError(
                "408",
                f"The job's time ran out before {request.origin} was called",
                variables={"reason": "deadline"},
            )
        limit = client.rules.max_body if self._limit is None else min(self._limit, client.rules.max_body)
        return await client.send(request, connect=self._connect, read=self._read, total=total, limit=limit)

    async def call(
        self, request: HttpRequest, authentication: Scheme | None = None, *, follow_redirects: bool = False
    ) -> HttpResponse:
        """Sends a request with its credentials, and follows redirects if asked to.

        Credentials, and everything that holds a resolved secret, go only to the first request's origin (and from http
        to https of the same host).

        Raises:
            ConnectorError: As `send`; `500` for a redirect that leads nowhere, in circles, or to another host with a
                body that holds a secret.
        """
        scheme = authentication or NoAuth()
        response = await self._authenticated(request, scheme)
        if not follow_redirects:
            return response
        for _ in range(MAX_REDIRECTS):
            target = location_of(response)
            if target is None:
                return response
            following = redirected(request, response.status, target)
            if not keeps_credentials(request.url, target):
                scheme = NoAuth()
                leave_secrets(following, request.origin)
            request = following
            response = await self._authenticated(request, scheme)
        raise ConnectorError(
            "500", f"{request.origin} redirects in circles ({MAX_REDIRECTS} times)", variables={"reason": "redirect"}
        )

    async def _authenticated(self, request: HttpRequest, scheme: Scheme) -> HttpResponse:
        sent, response = await scheme.send(request, self)
        response = without_echo(response, request, sent)
        if response.status >= 400 and not json_is_quick(response.body):
            from zeebe_connectors.web.result import read_large_json  # noqa: PLC0415 - few errors are large

            await read_large_json(response)
        return response


def without_echo(response: HttpResponse, request: HttpRequest, signed: HttpRequest) -> HttpResponse:
    """Masks the credentials that a refusal repeats.

    Errors are shown to people, and signatures and fetched tokens are not among the secrets that the runtime knows and
    masks.

    Args:
        response: Unchanged below 400, because the process receives it as data.
        request: Without credentials.
        signed: With them, as it was sent.
    """
    if response.status < 400:
        return response
    for shown in _credentials(request, signed):
        if len(shown) >= _MIN_MASKED:
            custody.learn(shown)
            response.body = response.body.replace(shown.encode(), b"***")
            response.headers = [(known, text.replace(shown, "***")) for known, text in response.headers]
    return response


def _credentials(request: HttpRequest, signed: HttpRequest) -> Iterator[str]:
    """The texts that signing added, in every form in which a service may repeat them."""
    query = urlsplit(signed.url).query
    if signed.url != request.url and query:
        yield query
        before = set(urlsplit(request.url).query.split("&"))
        for field in query.split("&"):
            if field not in before:
                yield field.partition("=")[2]
    for name, value in signed.headers.items():
        if value not in request.headers.getall(name, ()):
            yield from (value, json.dumps(value)[1:-1], value.rpartition(" ")[2])
