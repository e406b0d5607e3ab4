"""Call a gRPC server over one HTTP/2 connection, which opens by itself and again after each loss."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import TypeAlias
from weakref import WeakSet

from zeebe_connectors.rpc.client import OK, Call, ClientConnection
from zeebe_connectors.rpc.connection import STREAM_WINDOW
from zeebe_connectors.rpc.header_blocks import Headers, literal
from zeebe_connectors.rpc.message import CONTENT_TYPE, timeout_text
from zeebe_connectors.rpc.status import NotProcessedError, RpcError, Status

Open: TypeAlias = Callable[[Callable[[], asyncio.Protocol]], Awaitable[tuple[asyncio.BaseTransport, asyncio.Protocol]]]
"""Connects to the server, with TLS if it is to be, and puts the protocol that it makes on the connection."""

_MIN_PAUSE = 0.2
_MAX_PAUSE = 5.0
_CONNECT_SECONDS = 20.0
_MAX_INDEXED_BYTES = 2_000
"""Maximum size of a header that the other side is asked to remember; its table has 4 KiB by default."""


class Answers:
    """The messages with which a server answers one call.

    A call that the server did not begin with, as it was closing the connection, is made again, once.
    """

    def __init__(
        self, channel: Channel, connection: ClientConnection, call: Call, path: str, message: bytes, metadata: Headers
    ) -> None:
        self._channel = channel
        self._connection = connection
        self._call = call
        self._again: tuple[str, bytes, Headers] | None = (path, message, metadata)

    async def read(self) -> bytes | None:
        """Returns the next message; None after the last.

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
                self._again = None
                return message
            if call.outcome is None:
                await self._more(call)
            elif call.outcome is OK:
                return None
            elif isinstance(call.outcome, NotProcessedError) and self._again is not None:
                path, request, metadata = self._again
                self._again = None
                self._connection, self._call = await self._channel.again(path, request, call, metadata)
            else:
                raise RpcError(call.outcome.status, call.outcome.message)

    async def _more(self, call: Call) -> None:
        """Waits for a piece of the answer, or its end."""
        call.waiter = self._connection.loop.create_future()
        self._connection.grant(call)
        try:
            await call.waiter
        except asyncio.CancelledError:
            if not call.is_streaming:
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
    later after up to 5 s. A call that the server did not begin with, as it was closing the connection, is made again.

    Args:
        open_connection: Connects.
        authority: Name of the server for the header `:authority`.
        user_agent: Value of the header `user-agent`.
        scheme: `http` or `https`.
        limit: Maximum bytes of an answer's message.
        window: Bytes that the server may send on each stream unread; None reads all at once.
        keepalive: Seconds of silence, while calls are under way, after which the server is asked for a sign of life.
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
        self._connecting: asyncio.Task[ClientConnection] | None = None
        self._pause = 0.0
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
        connection, call = await self._begin(path, message, seconds, metadata, streams=False)
        if call.outcome is None:
            call.waiter = connection.loop.create_future()
            try:
                await call.waiter
            except asyncio.CancelledError:
                connection.cancel(call)
                raise
        if call.outcome is OK:
            answer = call.messages.next()
        else:  # the answers know what to do with each outcome
            answer = await Answers(self, connection, call, path, message, metadata).read()
        if answer is None:
            raise RpcError(Status.INTERNAL, "the answer has no message")
        return answer

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
        connection, call = await self._begin(path, message, seconds, metadata, streams=True)
        return Answers(self, connection, call, path, message, metadata)

    async def again(self, path: str, message: bytes, call: Call, metadata: Headers) -> tuple[ClientConnection, Call]:
        """Begins a call anew, with the time that is left, that the server did not begin with."""
        left = call.ends_at - asyncio.get_running_loop().time()
        return await self._begin(path, message, left, metadata, streams=call.is_streaming)

    async def _begin(
        self, path: str, message: bytes, seconds: float, metadata: Headers, *, streams: bool
    ) -> tuple[ClientConnection, Call]:
        ends_at = asyncio.get_running_loop().time() + seconds
        headers, more = self._headers.get((path, metadata)) or self._make_headers(path, metadata)
        more += _timeout(seconds)
        while True:
            connection = self._connection
            if connection is None or not connection.takes_calls:
                connection = await self._connected(ends_at)
            try:
                return connection, await connection.begin(headers, more, message, ends_at, streams=streams)
            except NotProcessedError:
                continue  # the connection ended while the call waited for its turn

    def _make_headers(self, path: str, metadata: Headers) -> tuple[Headers, bytes]:
        """Returns a call's headers: those that the server remembers, and the long ones, encoded."""
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
                return await asyncio.shield(connecting)
        except RpcError as error:
            raise RpcError(error.status, error.message) from None  # each call has its own
        except TimeoutError:
            raise RpcError(Status.DEADLINE_EXCEEDED, "the gateway could not be reached in time") from None
        except asyncio.CancelledError:
            if connecting.cancelled() and self._is_closed:
                raise RpcError(Status.CANCELLED, "the channel was closed") from None
            raise

    async def _connect(self) -> ClientConnection:
        """Connects and waits for the server's settings, which show that it speaks HTTP/2."""
        connection: ClientConnection | None = None
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                _, protocol = await self._open(self._make)
                assert isinstance(protocol, ClientConnection)  # noqa: S101 - tells the type checker
                connection = protocol
                await connection.is_ready
        except (OSError, TimeoutError) as error:
            if connection is not None:
                connection.close()
            reason = str(error) or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
            self._error = RpcError(Status.UNAVAILABLE, f"failed to connect: {reason}")
            self._pause = min(_MAX_PAUSE, max(_MIN_PAUSE, self._pause * 1.6))
            spread = random.uniform(0.8, 1.2)  # noqa: S311 - spreading load needs no secrecy
            self._not_before = time.monotonic() + self._pause * spread
            raise RpcError(self._error.status, self._error.message) from None
        finally:
            self._connecting = None
        self._pause = 0.0
        if self._is_closed:
            connection.close()
            raise RpcError(Status.CANCELLED, "the channel was closed")
        self._connection = connection
        return connection

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
        for connection in list(self._all):
            connection.close()
        await asyncio.sleep(0)


@lru_cache(maxsize=64)
def _timeout(seconds: float) -> bytes:
    """Returns the header of a deadline, which differs too often to be remembered by the server."""
    return literal((("grpc-timeout", timeout_text(seconds)),))
