"""Call a gRPC server over one HTTP/2 connection, which opens by itself and again after each loss."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from weakref import WeakSet

from zeebe_connectors.rpc import frames, status
from zeebe_connectors.rpc.connection import STREAM_WINDOW, Connection, Stream
from zeebe_connectors.rpc.frames import ConnectionFaultError, ErrorCode, StreamFaultError
from zeebe_connectors.rpc.header_blocks import Headers, literal
from zeebe_connectors.rpc.message import CONTENT_TYPE, Messages, prefixed, timeout_text, unescaped
from zeebe_connectors.rpc.status import NotProcessedError, RpcError, Status

log = logging.getLogger(__name__)

Open: TypeAlias = Callable[[Callable[[], asyncio.Protocol]], Awaitable[tuple[asyncio.BaseTransport, asyncio.Protocol]]]
"""Connects to the server, with TLS if it is to be, and puts the protocol that it makes on the connection."""

_MIN_PAUSE = 0.2
_MAX_PAUSE = 5.0
_CONNECT_SECONDS = 20.0
_MAX_INDEXED_BYTES = 2_000
"""Maximum size of a header that the other side is asked to remember; its table has 4 KiB by default."""


class Call(Stream):
    """A call under way."""

    __slots__ = ("answered", "ends_at", "has_headers", "is_streaming", "messages", "outcome", "waiter")

    def __init__(self, number: int, connection: ClientConnection, ends_at: float, limit: int, *, streams: bool) -> None:
        super().__init__(
            number, connection.initial_send_window, connection.stream_window, reads_at_once=connection.reads_at_once
        )
        self.ends_at = ends_at
        self.messages = Messages(limit)
        self.is_streaming = streams
        self.has_headers = False
        self.outcome: RpcError | None = None
        """How the call ended; OK is an outcome as well."""
        self.waiter: asyncio.Future[None] | None = None

    def end(self, outcome: RpcError) -> None:
        """Takes the outcome, if there is none yet, and wakes who waits."""
        if self.outcome is None:
            self.outcome = outcome
        self.wake()

    def wake(self) -> None:
        """Wakes who waits for a message or the end."""
        if (waiter := self.waiter) is not None and not waiter.done():
            waiter.set_result(None)


_OK = RpcError(Status.OK, "")


class ClientConnection(Connection[Call]):
    """One connection to a server.

    Args:
        limit: Maximum bytes of a message.
        stream_window: Bytes that the server may send on a stream before they are read.
        reads_at_once: Whether what arrives is read at once, or when its message is asked for.
        keepalive: Seconds of silence, while calls are under way, after which the server is asked for a sign of life.
        keepalive_timeout: Seconds that it has for that.
    """

    def __init__(
        self, *, limit: int, stream_window: int, reads_at_once: bool, keepalive: float, keepalive_timeout: float
    ) -> None:
        super().__init__(stream_window=stream_window)
        self.limit = limit
        self.reads_at_once = reads_at_once
        self.is_going = False
        """Whether the server takes no more calls on this connection."""
        self.is_ready: asyncio.Future[None] = self.loop.create_future()
        self._keepalive = keepalive
        self._keepalive_timeout = keepalive_timeout
        self._alive_timer = self.loop.call_later(keepalive, self._look_for_life)
        self._next = 1
        self._queue: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")

    def preface(self) -> bytes:
        """Returns the client's preface."""
        return frames.PREFACE

    def is_idle(self, number: int) -> bool:
        """Returns whether this client has not opened a stream of that number, or never could."""
        return number >= self._next or number % 2 == 0

    def on_settings(self) -> None:
        """Lets waiting calls begin."""
        if not self.is_ready.done():
            self.is_ready.set_result(None)
        self._let_wait_no_longer()

    # --- calls

    @property
    def takes_calls(self) -> bool:
        """Whether a new call may begin here."""
        return not self.is_going and not self.is_closed

    async def begin(self, headers: Headers, more: bytes, message: bytes, ends_at: float, *, streams: bool) -> Call:
        """Begins a call, once the server allows one more.

        Args:
            headers: Headers that the server is to remember.
            more: Header fields that it is not to remember, encoded.
            message: The request.
            ends_at: When the call is over, in seconds of the event loop.
            streams: Whether the server answers with any number of messages.

        Raises:
            NotProcessedError: The connection ended meanwhile.
            RpcError: DEADLINE_EXCEEDED: the server did not allow it in time.
        """
        while len(self.streams) >= self.max_peer_streams and self.takes_calls:
            await self._room(ends_at)
        if not self.takes_calls:
            raise NotProcessedError("the connection ended before the call began")
        number = self._next
        self._next += 2
        if self._next > frames.MAX_STREAM:
            self._go()
        call = Call(number, self, ends_at, self.limit, streams=streams)
        self.streams[number] = call
        block = self.encoder.encode(headers) + more
        self.write(frames.headers(number, block, ends=False, limit=self.max_frame))
        self.send_data(call, prefixed(message), ends=True)
        if ends_at < self._timer_at:
            self._set_timer(ends_at)
        return call

    async def _room(self, ends_at: float) -> None:
        waiter: asyncio.Future[None] = self.loop.create_future()
        self._queue.append(waiter)
        try:
            async with asyncio.timeout_at(ends_at):
                await waiter
        except TimeoutError:
            raise RpcError(Status.DEADLINE_EXCEEDED, "the gateway allows no more calls at the same time") from None
        finally:
            with contextlib.suppress(ValueError):
                self._queue.remove(waiter)

    def _let_wait_no_longer(self) -> None:
        room = self.max_peer_streams - len(self.streams) if self.takes_calls else len(self._queue)
        while self._queue and room > 0:
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_result(None)
                room -= 1

    def discard(self, number: int) -> Call | None:
        """Removes a call; the connection closes with the last one if it takes no others."""
        call = super().discard(number)
        if self._queue:
            self._let_wait_no_longer()
        if self.is_going and not self.streams:
            self.close()
        return call

    def cancel(self, call: Call) -> None:
        """Ends a call that nobody waits for any more, and tells the server."""
        if self.discard(call.number) is not None and not self.is_closed:
            self.write(frames.reset(call.number, ErrorCode.CANCEL))

    def _finish(self, call: Call, outcome: RpcError) -> None:
        self.discard(call.number)
        call.end(outcome)

    # --- what the server sends

    def on_headers(self, number: int, headers: Headers, *, ends: bool) -> None:
        """Takes headers or trailers of an answer."""
        call = self.streams.get(number)
        if call is None:
            if self.is_idle(number):
                raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "headers of a call that was not made")
            return
        found = dict(headers)
        code = found.get(":status")
        if not call.has_headers:
            if code is None:
                raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "an answer without a status")
            if code.startswith("1") and not ends:
                return  # an interim response
            call.has_headers = True
            is_grpc = code == "200" and found.get("content-type", "").startswith(CONTENT_TYPE)
            if not is_grpc and "grpc-status" not in found:
                self._refuse(call, status.of_http_status(code) if code != "200" else _not_grpc(found))
                return
        if ends:
            call.has_ended = True
            number_of_status = found.get("grpc-status")
            if number_of_status is None:
                self._finish(call, RpcError(Status.UNKNOWN, "the answer ended without a status"))
            elif number_of_status == "0":
                self._finish(call, _OK)
            else:
                message = unescaped(found.get("grpc-message", ""))
                self._finish(call, RpcError(status.of_number(number_of_status), message))

    def _refuse(self, call: Call, error: RpcError) -> None:
        """Ends a call whose answer is of no use."""
        if not call.has_ended:
            self.write(frames.reset(call.number, ErrorCode.CANCEL))
        self._finish(call, error)

    def on_data(self, stream: Call, data: bytes, *, ends: bool) -> None:
        """Takes a piece of an answer."""
        if not stream.has_headers:
            raise StreamFaultError(stream.number, ErrorCode.PROTOCOL_ERROR, "data before headers")
        messages = stream.messages
        messages.feed(data)
        if ends:
            self._finish(stream, RpcError(Status.INTERNAL, "the answer ended without trailers"))
        elif len(messages) > self.limit + STREAM_WINDOW:
            self._refuse(stream, _too_much(self.limit))
        elif stream.is_streaming:
            if not self.reads_at_once and stream.waiter is not None:
                self.grant(stream)
            stream.wake()

    def on_reset(self, stream: Call, code: int) -> None:
        """Ends a call that the server has ended."""
        stream.end(status.of_reset(code))
        self._let_wait_no_longer()
        if self.is_going and not self.streams:
            self.close()

    def on_goaway(self, last: int, code: int, reason: str) -> None:
        """Begins no more calls here; those that the server did not begin may be made again elsewhere."""
        self._go()
        error = NotProcessedError(f"the connection ended ({ErrorCode.name_of(code)} {reason})".rstrip())
        for number in [one for one in self.streams if one > last]:
            self._finish(self.streams[number], error)
        if not self.streams:
            self.close()

    def _go(self) -> None:
        self.is_going = True
        self._let_wait_no_longer()

    def on_lost(self, error: Exception | None) -> None:
        """Fails all calls."""
        reason = f": {error}" if error is not None and str(error) else ""
        if not self.is_ready.done():
            self.is_ready.set_exception(ConnectionResetError(f"the connection ended before HTTP/2 began{reason}"))
            self.is_ready.exception()  # nobody may wait for it
        self._go()
        for number in list(self.streams):
            self._finish(self.streams[number], RpcError(Status.UNAVAILABLE, f"the connection was lost{reason}"))
        if self._timer is not None:
            self._timer.cancel()
        self._alive_timer.cancel()

    def close(self, code: ErrorCode = ErrorCode.NO_ERROR, reason: str = "") -> None:
        """Ends the connection, and all calls on it."""
        if self.is_closed:
            return
        super().close(code, reason)
        self.on_lost(ConnectionError(f"the gateway broke HTTP/2: {reason}") if code else None)

    # --- time

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self.loop.call_at(when, self._look_at_deadlines)

    def _look_at_deadlines(self) -> None:
        """Ends the calls whose time is over; one timer serves all."""
        self._timer = None
        self._timer_at = float("inf")
        now = self.loop.time()
        for call in list(self.streams.values()):
            if call.ends_at <= now:
                self.cancel(call)
                call.end(RpcError(Status.DEADLINE_EXCEEDED, "Deadline Exceeded"))
        if self.streams:
            self._set_timer(max(now + 0.001, min(call.ends_at for call in self.streams.values())))

    def _look_for_life(self) -> None:
        """Asks a silent server, for which calls wait, for a sign of life."""
        wait, following = self._keepalive, self._look_for_life
        if self.streams and not self.was_heard:
            self.write(frames.frame(frames.PING, 0, 0, b"\0" * 8))
            wait, following = self._keepalive_timeout, self._look_for_answer
        self.was_heard = False
        self._alive_timer = self.loop.call_later(wait, following)

    def _look_for_answer(self) -> None:
        """Ends a connection on which nothing was heard, not even the answer to a ping."""
        if self.was_heard or not self.streams:
            self._look_for_life()
        else:
            self.lose(TimeoutError("the gateway did not answer a ping"))


def _not_grpc(headers: dict[str, str]) -> RpcError:
    kind = headers.get("content-type", "none")[:100]
    return RpcError(Status.UNKNOWN, f"the gateway, or a proxy before it, answered with {kind} instead of gRPC")


def _too_much(limit: int) -> RpcError:
    return RpcError(Status.RESOURCE_EXHAUSTED, f"Received message larger than max ({limit} bytes)")


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
            elif call.outcome is _OK:
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
        if call.outcome is _OK:
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
        more += literal((("grpc-timeout", timeout_text(seconds)),))
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
