"""Call a gRPC server over one HTTP/2 connection, which opens by itself and again after each loss."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from weakref import WeakSet

from zeebe_connectors.rpc.client import OK, Call, ClientConnection
from zeebe_connectors.rpc.connection import STREAM_WINDOW
from zeebe_connectors.rpc.header_blocks import Headers, literal
from zeebe_connectors.rpc.message import CONTENT_TYPE
from zeebe_connectors.rpc.status import NotProcessedError, RpcError, Status

Open: TypeAlias = Callable[
    [Callable[[], asyncio.Protocol], int], Awaitable[tuple[asyncio.BaseTransport, asyncio.Protocol]]
]
"""Connects to the server, with TLS if it is to be, and puts the protocol that it makes on the connection.

It is told how many attempts failed just before, so that it can try another of the server's addresses first.
"""
Again: TypeAlias = Callable[[], Awaitable[tuple[ClientConnection, Call]]]
"""Begins a call anew."""

_MIN_PAUSE = 0.2
_MAX_PAUSE = 5.0
_CONNECT_SECONDS = 20.0
_CLOSE_SECONDS = 0.5
_REPEAT_SECONDS = 10.0
"""For how long a call is made again that the server does not begin with."""
_MAX_REPEAT_PAUSE = 0.5
_MAX_INDEXED_BYTES = 2_000
"""Maximum size of a header that the other side is asked to remember; its table has 4 KiB by default."""
_NOT_IN_METADATA = re.compile(r"[^ -~]")


class _Repeats:
    """Decides whether a failed call is made again: only one with which the server did not begin.

    The second time follows at once, because servers and proxies end connections as a matter of course. After that a
    pause grows, and soon the failure counts.
    """

    def __init__(self) -> None:
        self._pause = 0.0
        self._until = 0.0

    async def permit(self, call: Call) -> None:
        """Waits until it is time to make a call again.

        Raises:
            RpcError: It is not made again; this is its failure.
        """
        assert call.outcome is not None  # noqa: S101 - tells the type checker
        now = asyncio.get_running_loop().time()
        if not self._until:
            self._until = min(call.ends_at, now + _REPEAT_SECONDS)
        if not call.may_be_repeated or now + self._pause >= self._until:
            raise RpcError(call.outcome.status, call.outcome.message)
        if self._pause:
            await asyncio.sleep(self._pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreading load needs no secrecy
        self._pause = min(_MAX_REPEAT_PAUSE, self._pause * 2 or 0.01)


class Answers:
    """The messages with which a server answers one call."""

    def __init__(self, connection: ClientConnection, call: Call, again: Again) -> None:
        self._connection = connection
        self._call = call
        self._again: Again | None = again
        self._repeats = _Repeats()

    async def read(self) -> bytes | None:
        """Returns the next message; None after the last. Cancelling it ends the call.

        Raises:
            RpcError: The call failed.
        """
        while True:
            call = self._call
            try:
                message = call.messages.next()
            except RpcError:
                self.cancel()
                raise
            if message is not None:
                self._again = None  # nor is the request needed any more
                return message
            if call.outcome is None:
                await self._more(call)
            elif call.outcome is OK:
                if len(call.messages):
                    raise RpcError(Status.INTERNAL, "the answer ended within a message")
                return None
            elif self._again is None:
                raise RpcError(call.outcome.status, call.outcome.message)
            else:
                await self._repeats.permit(call)
                self._connection, self._call = await self._again()

    async def _more(self, call: Call) -> None:
        """Waits for a piece of the answer, or its end."""
        call.waiter = self._connection.loop.create_future()
        self._connection.grant(call)
        try:
            await call.waiter
        except asyncio.CancelledError:
            self.cancel()
            raise
        finally:
            call.waiter = None

    def cancel(self) -> None:
        """Ends the call if it has not ended."""
        self._connection.cancel(self._call)
        self._call.end(RpcError(Status.CANCELLED, "the call was cancelled here"))


class Channel:
    """Makes calls to one server, connecting when there is one to make.

    While the server cannot be reached, calls fail at once with the last reason, and it is tried again after 0.2 s and
    later after up to 5 s. A call that the server did not begin with, as it was closing the connection, is made again
    for up to 10 s; one that it may have begun with is not.

    Args:
        open_connection: Connects.
        authority: Name of the server for the header `:authority`.
        user_agent: Value of the header `user-agent`.
        scheme: `http` or `https`.
        limit: Maximum bytes of an answer's message.
        window: Bytes that the server may send on each stream unread; None reads all at once.
        keepalive: Seconds between looks at the connection: if calls are under way and nothing arrived since the last
            look, the server is asked for a sign of life.
        keepalive_timeout: Seconds that it has for that.
    """

    def __init__(
        self,
        open_connection: Open,
        *,
        authority: str,
        user_agent: str,
        scheme: str = "http",
        limit: int = 4 * 1024 * 1024,
        window: int | None = None,
        keepalive: float = 45.0,
        keepalive_timeout: float = 20.0,
    ) -> None:
        self._open = open_connection
        self._limit = limit
        self._window = window
        self._keepalive = keepalive
        self._keepalive_timeout = keepalive_timeout
        self._connection: ClientConnection | None = None
        self._all: WeakSet[ClientConnection] = WeakSet()
        self._connecting: asyncio.Task[ClientConnection | None] | None = None
        self._pause = 0.0
        self._failures = 0
        self._connected_at = 0.0
        self._not_before = 0.0
        self._error = RpcError(Status.UNAVAILABLE, "not connected")
        self._is_closed = False
        self._before: Headers = (
            (":method", "POST"),
            (":scheme", scheme),
        )
        self._after: Headers = (
            (":authority", authority),
            ("te", "trailers"),
            ("content-type", CONTENT_TYPE),
            ("user-agent", user_agent),
            ("grpc-accept-encoding", "identity"),
        )
        self._headers: dict[tuple[str, Headers], tuple[Headers, bytes]] = {}

    async def unary(self, path: str, message: bytes, *, seconds: float, metadata: Headers = ()) -> bytes:
        """Makes a call with one answer and returns its message.

        Args:
            path: Service and method, such as `/gateway_protocol.Gateway/Topology`.
            message: The request.
            seconds: Time for everything.
            metadata: Further headers, in lower case.

        Raises:
            RpcError: The call failed.
        """
        ends_at = asyncio.get_running_loop().time() + seconds
        repeats: _Repeats | None = None
        while True:
            connection, call = await self._begin(path, message, ends_at, metadata, streams=False)
            await call.until_end(connection)
            if call.outcome is OK:
                answer = call.messages.next()
                if answer is None or len(call.messages):
                    raise RpcError(Status.INTERNAL, "the answer is not one message")
                return answer
            repeats = repeats or _Repeats()
            await repeats.permit(call)

    async def stream(self, path: str, message: bytes, *, seconds: float, metadata: Headers = ()) -> Answers:
        """Begins a call with any number of answers.

        Args:
            path: Service and method.
            message: The request.
            seconds: Time for everything.
            metadata: Further headers, in lower case.

        Raises:
            RpcError: There is no connection.
        """
        ends_at = asyncio.get_running_loop().time() + seconds

        async def begin() -> tuple[ClientConnection, Call]:
            return await self._begin(path, message, ends_at, metadata, streams=True)

        return Answers(*await begin(), begin)

    async def _begin(
        self, path: str, message: bytes, ends_at: float, metadata: Headers, *, streams: bool
    ) -> tuple[ClientConnection, Call]:
        headers, more = self._headers.get((path, metadata)) or self._make_headers(path, metadata)
        until = 0.0
        while True:
            connection = self._connection
            if connection is None or not connection.takes_calls:
                connection = await self._connected(ends_at)
            try:
                return connection, await connection.begin(headers, more, message, ends_at, streams=streams)
            except NotProcessedError as error:  # the connection ended while the call waited for its turn
                now = asyncio.get_running_loop().time()
                until = until or now + _REPEAT_SECONDS
                if now > until:
                    raise RpcError(error.status, error.message) from None

    def _make_headers(self, path: str, metadata: Headers) -> tuple[Headers, bytes]:
        """Returns a call's headers: those that the server remembers, and the long ones, encoded."""
        for name, value in metadata:
            if _NOT_IN_METADATA.search(value):
                raise RpcError(Status.INTERNAL, f"the header {name} has characters that no header may have")
        if len(self._headers) > 100:
            self._headers.clear()
        short = tuple((name, value) for name, value in metadata if len(value) <= _MAX_INDEXED_BYTES)
        long = [(name, value) for name, value in metadata if len(value) > _MAX_INDEXED_BYTES]
        made = ((*self._before, (":path", path), *self._after, *short), literal(long))
        self._headers[path, metadata] = made
        return made

    # --- the connection

    async def _connected(self, ends_at: float) -> ClientConnection:
        if self._is_closed:
            raise RpcError(Status.CANCELLED, "the channel was closed")
        if self._connecting is None:
            if time.monotonic() < self._not_before:
                raise RpcError(self._error.status, self._error.message)
            self._connecting = asyncio.create_task(self._connect(), name="connect to the gateway")
        connecting = self._connecting
        try:
            async with asyncio.timeout_at(ends_at):
                connection = await asyncio.shield(connecting)
        except TimeoutError:
            reason = f"; before, it {self._error.message}" if self._failures else ""
            # Not DEADLINE_EXCEEDED, after which the server may have carried out a call.
            raise RpcError(Status.UNAVAILABLE, f"the gateway could not be reached in time{reason}") from None
        except asyncio.CancelledError:
            if connecting.cancelled() and self._is_closed:
                raise RpcError(Status.CANCELLED, "the channel was closed") from None
            raise
        if connection is None:
            raise RpcError(self._error.status, self._error.message)  # each call has its own
        return connection

    async def _connect(self) -> ClientConnection | None:
        """Connects and waits for the server's settings, which show that it speaks HTTP/2; None if it fails."""
        try:
            if (last := self._connection) is not None:
                self._connection = None
                if last.is_pinged_too_often:
                    self._keepalive *= 2  # as gRPC's keepalive asks
                # A stream may wait for hours, without an answer, for what it is to carry.
                if last.has_answered or time.monotonic() - self._connected_at > _MAX_PAUSE:
                    self._pause = 0.0
                else:  # one that accepts connections and ends them all is no reason to hurry
                    await asyncio.sleep(self._next_pause())
            self._connection = await self._ready()
        finally:
            self._connecting = None
        return self._connection

    async def _ready(self) -> ClientConnection | None:
        connection: ClientConnection | None = None
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                _, protocol = await self._open(self._make, self._failures)
                assert isinstance(protocol, ClientConnection)  # noqa: S101 - tells the type checker
                connection = protocol
                await connection.ready
        except Exception as error:  # noqa: BLE001 - whatever resolvers, TLS and event loops raise
            if connection is not None:
                connection.close()
            reason = str(error) or type(error).__name__
            if isinstance(error, TimeoutError) and not str(error):
                reason = "no answer in time" if connection is None else "connected, but no word of HTTP/2 came in time"
            self._error = RpcError(Status.UNAVAILABLE, f"failed to connect: {reason}")
            self._not_before = time.monotonic() + self._next_pause()
            self._failures += 1
            return None
        self._failures = 0
        self._connected_at = time.monotonic()
        return connection

    def _next_pause(self) -> float:
        self._pause = min(_MAX_PAUSE, max(_MIN_PAUSE, self._pause * 1.6))
        return self._pause * random.uniform(0.8, 1.2)  # noqa: S311 - spreading load needs no secrecy

    def _make(self) -> ClientConnection:
        connection = ClientConnection(
            limit=self._limit,
            stream_window=STREAM_WINDOW if self._window is None else self._window,
            reads_at_once=self._window is None,
            keepalive=self._keepalive,
            keepalive_timeout=self._keepalive_timeout,
        )
        self._all.add(connection)
        return connection

    async def aclose(self) -> None:
        """Closes the connections; calls under way fail."""
        self._is_closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        connections = list(self._all)
        for connection in connections:
            connection.shut()
        if open_ones := [one.lost for one in connections if one.transport is not None and not one.lost.done()]:
            _, silent = await asyncio.wait(open_ones, timeout=_CLOSE_SECONDS)
            if silent:
                for connection in connections:
                    connection.abort()
                await asyncio.wait(silent, timeout=_CLOSE_SECONDS)
