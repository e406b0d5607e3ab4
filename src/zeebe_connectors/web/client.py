"""Send HTTP requests for connectors: sign them, follow redirects, bound the response and map every failure.

It uses aiohttp's connections without a client layer above them, which would cost as much as the rest of a job:
`docs/adr/0005`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from zeebe_connectors.net import custody
from zeebe_connectors.net.egress import RULES, NetworkRules, target_of
from zeebe_connectors.net.tls import ClientTls
from zeebe_connectors.sdk.budget import json_is_quick
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.deadlines import Within
from zeebe_connectors.sdk.errors import ConnectorError
from zeebe_connectors.sdk.loading import load
from zeebe_connectors.web.auth.basic import basic_credentials
from zeebe_connectors.web.auth.scheme import NoAuth, Scheme
from zeebe_connectors.web.message import HttpRequest, HttpResponse
from zeebe_connectors.web.reading import coding_of, header_list, phrase_of, unfinished, unpacked_body
from zeebe_connectors.web.redirects import keeps_credentials, leave_secrets, location_of, redirected

if TYPE_CHECKING:
    import aiohttp

    from zeebe_connectors.web.wire import Way

MAX_REDIRECTS = 20
_KEEPALIVE = 15.0
_CLOSING = 8.0  # less than the runtime allows a client for closing
_MAX_TARGETS = 512
"""URLs of which one client remembers that they may be called."""
_NO_TLS = ClientTls()


@dataclass(slots=True)
class _Target:
    """What an allowed URL leads to."""

    host: str
    path: str
    way: Way
    has_user: bool


def import_library() -> None:
    """Imports what opens connections: a fifth of a second that only those pay who speak HTTP; do it in a thread."""
    import aiohttp  # noqa: F401, PLC0415

    import zeebe_connectors.net.resolver  # noqa: PLC0415
    import zeebe_connectors.web.surplus  # noqa: PLC0415
    import zeebe_connectors.web.wire  # noqa: F401, PLC0415


class HttpClient:
    """A pool of connections with one set of TLS settings, shared by all jobs that have the same.

    It keeps no cookies and follows no redirect. An idempotent request whose connection ends before the response is sent
    once more; nothing else is.

    Args:
        rules: What the operator allows.
        tls: Client certificate and trusted authorities.
    """

    def __init__(self, rules: NetworkRules, tls: ClientTls = _NO_TLS) -> None:
        self.rules = rules
        self._tls = tls
        self._connector: aiohttp.TCPConnector | None = None
        self._targets: dict[str, _Target] = {}
        self._ways: dict[str, Way] = {}
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @classmethod
    async def shared(cls, clients: ClientCache, tls: ClientTls = _NO_TLS) -> HttpClient:
        """Returns the runtime's client for these TLS settings."""
        key = ("web.client", tls.key() if tls else None)
        known: HttpClient | None = clients.opened(key)
        if known is not None:
            return known
        await load(import_library)
        rules = await clients.get(RULES, NetworkRules.from_environment)
        return await clients.get(key, lambda: cls(rules, tls))

    def _open(self) -> aiohttp.TCPConnector:
        from zeebe_connectors.net.resolver import CheckedResolver  # noqa: PLC0415 - see `import_library`
        from zeebe_connectors.web.surplus import ToleratingConnector  # noqa: PLC0415

        self._connector = ToleratingConnector(
            limit=0,  # the runtime bounds how many jobs run at once
            keepalive_timeout=_KEEPALIVE,
            ssl=self._tls.context() if self._tls else True,
            resolver=CheckedResolver(self.rules),
            family=socket.AF_UNSPEC,
        )
        return self._connector

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

        from zeebe_connectors.web.wire import exchange  # noqa: PLC0415

        target = self._targets.get(request.url) or self._checked(request.url)
        custody.sending(target.host, [request.url, *request.headers.values(), request.body or b""])
        ends = time.monotonic() + total
        way = target.way
        if way.is_proxied:
            await self.rules.check_proxied(target.host)
        sent = _signed(request, target) if target.has_user or way.login else request
        self._running += 1
        self._idle.clear()
        try:
            with Within(ends):
                connector = self._connector or self._open()
                message, body = await exchange(
                    connector, way, target.path, sent, connect=connect, read=read, limit=limit
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            from zeebe_connectors.web.failures import failure  # noqa: PLC0415

            raise failure(error, request.origin, connect=connect, read=read) from error
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()
        status = message.code
        if status < 200:
            raise unfinished(status, request.origin)
        headers = header_list(message.raw_headers, request.url)
        if body and (coding := coding_of(message.headers)):
            body, headers = await unpacked_body(body, headers, coding, limit, request.origin, status)
        return HttpResponse(status, phrase_of(message.reason), headers, body, request.url)

    def _checked(self, url: str) -> _Target:
        """Returns the target of a URL if the rules that never change allow it.

        Raises:
            InputError: `HOST_FORBIDDEN`.
        """
        import yarl  # noqa: PLC0415

        from zeebe_connectors.web.wire import Way  # noqa: PLC0415

        parts = self.rules.check(url)
        host = target_of(url)[1]
        if len(self._targets) >= _MAX_TARGETS:
            self._targets.clear()
            self._ways.clear()
        origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        way = self._ways.get(origin)
        if way is None:
            way = self._ways[origin] = Way(origin, self.rules.proxies.proxy_for(parts.scheme, host))
        path = yarl.URL(url, encoded=True).raw_path_qs
        target = self._targets[url] = _Target(host, path, way, has_user="@" in parts.netloc)
        return target

    async def aclose(self) -> None:
        """Closes all connections once running requests are done: the cache may evict a client that is in use."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING):
                await self._idle.wait()
        connector, self._connector = self._connector, None
        if connector is not None:
            await connector.close()


def _signed(request: HttpRequest, target: _Target) -> HttpRequest:
    """Adds the credentials of URL and proxy; those of the URL yield to credentials already there."""
    signed = request.copy()
    if target.has_user:
        parts = urlsplit(request.url)
        value = basic_credentials(unquote(parts.username or ""), unquote(parts.password or ""))
        signed.headers.setdefault("Authorization", value)
    if target.way.login:
        signed.headers.update(target.way.login)
    return signed


class Caller(Protocol):
    """Lends its time and clients to an exchange; a job's `Context` is one."""

    @property
    def clients(self) -> ClientCache:
        """Clients that stay open."""
        ...

    def seconds_left(self) -> float:
        """Returns the seconds until everything must be over."""
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
        """Returns the seconds until the deadline; never below zero."""
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

        Credentials, a client certificate, and everything that holds a resolved secret, go only to the first request's
        origin (and from http to https of the same host).

        Raises:
            ConnectorError: As `send`; `500` for a redirect that leads nowhere, in circles, or to another host with a
                body that holds a secret.
        """
        scheme = authentication or NoAuth()
        exchange = self
        response = await self._authenticated(request, scheme)
        if not follow_redirects:
            return response
        for _ in range(MAX_REDIRECTS):
            target = location_of(response)
            if target is None:
                return response
            following = redirected(request, response.status, target)
            if not keeps_credentials(request.url, target):
                scheme, exchange = NoAuth(), exchange._without_certificate()
                leave_secrets(following, request.origin)
            request = following
            response = await exchange._authenticated(request, scheme)  # noqa: SLF001 - of the same class
        raise ConnectorError(
            "500", f"{request.origin} redirects in circles ({MAX_REDIRECTS} times)", variables={"reason": "redirect"}
        )

    def _without_certificate(self) -> Exchange:
        """Returns the same exchange for another host, which does not learn who calls."""
        if not self.tls.client_certificate:
            return self
        other = copy(self)
        other.tls = ClientTls(trusted_certificate=self.tls.trusted_certificate)
        return other

    async def _authenticated(self, request: HttpRequest, scheme: Scheme) -> HttpResponse:
        sent, response = await scheme.send(request, self)
        if response.status >= 400:
            response = without_echo(response, request, sent)
            if not json_is_quick(response.body):
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
        if response.mask(shown):
            custody.learn(shown)
    return response


def _credentials(request: HttpRequest, signed: HttpRequest) -> Iterator[str]:
    """Yields the texts that signing added, in every form in which a service may repeat them."""
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
