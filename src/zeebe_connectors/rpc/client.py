"""Keep the client's side of one connection: calls, their answers and deadlines, and signs of life."""

from __future__ import annotations

import asyncio
import math
from functools import lru_cache

from zeebe_connectors.rpc import frames, status
from zeebe_connectors.rpc.connection import STREAM_WINDOW, Connection
from zeebe_connectors.rpc.frames import ConnectionFaultError, ErrorCode
from zeebe_connectors.rpc.header_blocks import Headers, literal
from zeebe_connectors.rpc.message import CONTENT_TYPE, Messages, prefixed, timeout_text, too_large, unescaped
from zeebe_connectors.rpc.sending import Stream
from zeebe_connectors.rpc.status import NotProcessedError, RpcError, Status

_DEADLINE_SECONDS = 0.01
"""How late a deadline may be noticed."""
_BLOCKED_SECONDS = 0.5
"""A timer that is later than this was held up: the event loop was blocked, or the machine asleep."""
_MAX_LENIENT_SECONDS = 5.0
_TURNS = 16
"""Calls that begin in one turn of those that waited: a token may be long, and the transport may soon have enough."""


class Call(Stream):
    """A call under way."""

    __slots__ = ("ends_at", "has_headers", "is_streaming", "messages", "outcome", "waiter")

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

    async def until_end(self, connection: ClientConnection) -> None:
        """Waits for the outcome; whoever gives up waiting ends the call."""
        if self.outcome is None:
            self.waiter = connection.loop.create_future()
            try:
                await self.waiter
            except asyncio.CancelledError:
                connection.cancel(self)
                raise

    @property
    def may_be_repeated(self) -> bool:
        """Whether the server says that it did not begin with the call, and sent nothing that contradicts this."""
        return isinstance(self.outcome, NotProcessedError) and not self.has_headers


OK = RpcError(Status.OK, "")
"""The outcome of a call that succeeded."""


class ClientConnection(Connection[Call]):
    """One connection to a server.

    Args:
        limit: Maximum bytes of a message.
        stream_window: Bytes that the server may send on a stream before they are read.
        reads_at_once: Whether what arrives is read at once, or when its message is asked for.
        keepalive: Seconds between looks at the connection: if calls are under way and nothing arrived since the last
            look, the server is asked for a sign of life.
        keepalive_timeout: Seconds that it has for that.
    """

    def __init__(
        self, *, limit: int, stream_window: int, reads_at_once: bool, keepalive: float, keepalive_timeout: float
    ) -> None:
        super().__init__(stream_window=stream_window)
        self.limit = limit
        self.reads_at_once = reads_at_once
        self.is_going_away = False
        """Whether the server takes no more calls on this connection."""
        self.has_answered = False
        """Whether the server began to answer any call."""
        self.is_pinged_too_often = False
        """Whether the server complained of our signs of life."""
        self.ready: asyncio.Future[None] = self.loop.create_future()
        self._keepalive = keepalive
        self._keepalive_timeout = keepalive_timeout
        self._alive_timer: asyncio.TimerHandle | None = None
        self._next = 1
        self._unwritten_from = 1
        self._commands: dict[asyncio.Future[None], None] = {}
        self._polls: dict[asyncio.Future[None], None] = {}
        self._places = 0
        self._open_polls = 0
        self._has_commands = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._lenient_until = 0.0

    def preface(self) -> bytes:
        """Returns the client's preface."""
        return frames.PREFACE

    def is_idle(self, number: int) -> bool:
        """Returns whether this client has not opened a stream of that number, or never could."""
        return number >= self._next or number % 2 == 0

    def without_preface(self, data: bytes) -> bytes | None:
        """Returns the data as it is; there is no preface of the server.

        Raises:
            ConnectionFaultError: The server speaks another protocol, which people are told by its name.
        """
        if not self.ready.done():
            if data.startswith(b"HTTP/1"):
                raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "this port answers in HTTP/1.1; gRPC has another")
            if data.startswith(b"\x15\x03"):
                raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "this port wants TLS; write https:// before it")
        return data

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greets the server."""
        super().connection_made(transport)
        self._alive_timer = self.loop.call_later(self._keepalive, self._ping_if_silent)

    def flush(self) -> None:
        """Writes what this turn has to write; calls that are written are the server's."""
        super().flush()
        if self.transport is not None and not self.transport.is_closing():
            self._unwritten_from = self._next

    def on_settings(self) -> None:
        """Lets waiting calls begin."""
        if not self.ready.done():
            self.ready.set_result(None)
        self._admit_waiting()

    # --- calls

    @property
    def takes_calls(self) -> bool:
        """Whether a new call may begin here."""
        return not self.is_going_away and not self.is_closed

    async def begin(self, headers: Headers, more: bytes, message: bytes, ends_at: float, *, streams: bool) -> Call:
        """Begins a call, once the server allows one more.

        Args:
            headers: Headers that the server is to remember.
            more: Header fields that it is not to remember, encoded; the deadline is added.
            message: The request.
            ends_at: When the call is over, in seconds of the event loop.
            streams: Whether the server answers with any number of messages.

        Raises:
            NotProcessedError: The connection ended meanwhile.
            RpcError: UNAVAILABLE: the server did not allow it in time. DEADLINE_EXCEEDED: there was no time.
        """
        self._has_commands = self._has_commands or not streams
        has_waited = bool(self._commands or (streams and self._polls)) or not self._has_room(streams=streams)
        if has_waited:
            await self._wait_for_place(ends_at, streams=streams)
        try:
            return self._begin(headers, more, message, ends_at, streams=streams)
        finally:
            if has_waited:
                self._admit_waiting()

    def _begin(self, headers: Headers, more: bytes, message: bytes, ends_at: float, *, streams: bool) -> Call:
        if not self.takes_calls:
            raise NotProcessedError("the connection ended before the call began")
        left = ends_at - self.loop.time()
        if left <= 0:
            raise RpcError(Status.DEADLINE_EXCEEDED, "the time was over before the call began")
        number = self._next
        self._next += 2
        if self._next > frames.MAX_STREAM:
            self._go_away()
        call = Call(number, self, ends_at, self.limit, streams=streams)
        self.streams[number] = call
        self._open_polls += streams
        block = self.encoder.encode(headers) + more + _timeout(math.ceil(1000 * left))
        self.write(frames.headers(number, block, ends=False, limit=self.max_frame))
        self.send_data(call, prefixed(message), ends=True)
        if ends_at < self._timer_at:
            self._set_timer(ends_at)
        return call

    def _has_room(self, *, streams: bool) -> bool:
        """Returns whether a call may begin now: the server allows it, and takes what it is sent.

        Polls wait for long, so they leave an eighth of the places to commands, which would wait as long as they do.
        """
        if not self.takes_calls:
            return True  # to learn of that
        if self.is_paused or len(self.streams) + self._places >= self.max_peer_streams:
            return False
        limit = self.max_peer_streams
        return not streams or not self._has_commands or limit == 1 or self._open_polls < limit - max(1, limit // 8)

    async def _wait_for_place(self, ends_at: float, *, streams: bool) -> None:
        """Waits until one more call may begin, in the order of arrival; commands go before polls."""
        waiter: asyncio.Future[None] = self.loop.create_future()
        queue = self._polls if streams else self._commands
        queue[waiter] = None
        try:
            async with asyncio.timeout_at(ends_at):
                await waiter
        except BaseException as error:
            if queue.pop(waiter, self) is self:  # it had its turn at the same moment; the next one has it now
                self._end_wait(streams=streams)
                self._admit_waiting()
            if isinstance(error, TimeoutError):
                message = f"the gateway allows no more than {self.max_peer_streams} calls at the same time"
                if self.is_paused:
                    message = "the gateway takes nothing of what is sent"
                raise RpcError(Status.UNAVAILABLE, message) from None  # the server has nothing of the call
            raise
        self._end_wait(streams=streams)

    def _end_wait(self, *, streams: bool) -> None:
        self._places -= 1
        self._open_polls -= streams

    def _admit_waiting(self) -> None:
        for queue in (self._commands, self._polls):
            streams = queue is self._polls
            while queue and self._has_room(streams=streams) and (self._places < _TURNS or not self.takes_calls):
                waiter = next(iter(queue))
                del queue[waiter]
                self._places += 1  # until it has begun: those who come now stand behind it
                self._open_polls += streams
                if not waiter.done():
                    waiter.set_result(None)

    def resume_writing(self) -> None:
        """Sends on, and lets waiting calls begin."""
        super().resume_writing()
        self._admit_waiting()

    def discard(self, number: int) -> Call | None:
        """Removes a call; the connection closes with the last one if it takes no others."""
        call = super().discard(number)
        if call is not None:
            self._open_polls -= call.is_streaming
        if self._commands or self._polls:
            self._admit_waiting()
        if self.is_going_away and not self.streams:
            self.close()
        return call

    def cancel(self, call: Call) -> None:
        """Ends a call that nobody waits for any more, and tells the server."""
        if self.discard(call.number) is not None and not self.is_closed:
            self.write(frames.reset(call.number, ErrorCode.CANCEL))

    def _finish(self, call: Call, outcome: RpcError) -> None:
        """Ends a call; a side that still sends is told to stop, whichever it is."""
        if self.discard(call.number) is not None and not self.is_closed and (call.unsent or not call.has_ended):
            self.write(frames.reset(call.number, ErrorCode.CANCEL))
        call.end(outcome)

    # --- what the server sends

    def on_headers(self, number: int, headers: Headers, *, ends: bool) -> None:
        """Takes headers or trailers of an answer."""
        call = self.streams.get(number)
        if call is None:
            if self.is_idle(number):
                raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "headers of a call that was not made")
            self.count_surplus()
            return
        found = dict(headers)
        call.has_ended = ends
        if not call.has_headers:
            code = found.get(":status", "")
            if code.startswith("1") and not ends:
                self.count_surplus()
                return  # an interim response
            call.has_headers = self.has_answered = True
            is_grpc = code == "200" and found.get("content-type", "").startswith(CONTENT_TYPE)
            if not is_grpc and "grpc-status" not in found:
                self._finish(call, _not_grpc(code, found))
                return
        elif not ends:
            self._finish(call, RpcError(Status.INTERNAL, "the answer has headers in its middle"))
            return
        self.note_progress()
        if ends:
            number_of_status = found.get("grpc-status")
            if number_of_status is None:
                self._finish(call, RpcError(Status.UNKNOWN, "the answer ended without a status"))
            elif number_of_status == "0":
                self._finish(call, OK)
            else:
                message = unescaped(found.get("grpc-message", ""))
                self._finish(call, RpcError(status.of_number(number_of_status), message))

    def on_data(self, stream: Call, data: bytes, *, ends: bool) -> None:
        """Takes a piece of an answer."""
        messages = stream.messages
        messages.feed(data)
        if not stream.has_headers:
            self._finish(stream, RpcError(Status.INTERNAL, "the answer has data before headers"))
        elif ends:
            self._finish(stream, RpcError(Status.INTERNAL, "the answer ended without trailers"))
        elif len(messages) > self.limit + STREAM_WINDOW:
            self._finish(stream, too_large(self.limit))
        elif stream.is_streaming:
            if not self.reads_at_once and stream.waiter is not None:
                self.grant(stream)
            stream.wake()
        else:
            try:
                messages.end()
            except RpcError as error:
                self._finish(stream, error)

    def on_reset(self, stream: Call, code: int) -> None:
        """Ends a call that the server has ended."""
        stream.end(status.of_reset(code))

    def on_goaway(self, last: int, code: int, reason: str) -> None:
        """Begins no more calls here; those that the server did not begin may be made again elsewhere."""
        if code == ErrorCode.ENHANCE_YOUR_CALM and "too_many_pings" in reason:
            self.is_pinged_too_often = True
        self._go_away()
        error = NotProcessedError(f"the connection ended ({ErrorCode.name_of(code)} {reason})".rstrip())
        for call in [call for number, call in self.streams.items() if number > last]:
            self.discard(call.number)
            call.end(error)
        if not self.streams:
            self.close()

    def _go_away(self) -> None:
        self.is_going_away = True
        self._admit_waiting()

    def on_lost(self, error: Exception | None) -> None:
        """Fails all calls."""
        reason = f": {error}" if error is not None and str(error) else ""
        if not self.ready.done():
            is_plain = self.transport is not None and self.transport.get_extra_info("ssl_object") is None
            hint = "; if the port wants TLS, write https:// before it" if is_plain and not self.was_heard else ""
            self.ready.set_exception(ConnectionResetError(f"the connection ended before HTTP/2 began{reason}{hint}"))
            self.ready.exception()  # nobody may wait for it
        self._go_away()
        text = f"the connection was lost{reason}"
        calls, self.streams = self.streams, {}
        for number, call in calls.items():
            was_written = number < self._unwritten_from
            call.end(RpcError(Status.UNAVAILABLE, text) if was_written else NotProcessedError(text))
        for timer in (self._timer, self._alive_timer):
            if timer is not None:
                timer.cancel()

    def close(self, code: ErrorCode = ErrorCode.NO_ERROR, reason: str = "") -> None:
        """Ends the connection, and all calls on it."""
        if self.is_closed:
            return
        super().close(code, reason)
        broken = "the gateway broke HTTP/2: " if self.ready.done() else ""
        self.on_lost(ConnectionError(broken + reason) if code else None)

    def shut(self) -> None:
        """Ends the connection, and cancels all calls on it: nobody is to wait for them any more."""
        for call in list(self.streams.values()):
            self.cancel(call)
            call.end(RpcError(Status.CANCELLED, "the channel was closed"))
        self.close()

    # --- time

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self.loop.call_at(when, self._look_at_deadlines)

    def _look_at_deadlines(self) -> None:
        """Ends the calls whose time is over; one timer serves all.

        If it is late, what was held up with it may still be sent, or read, in as much time: answers may have arrived.
        """
        now = self.loop.time()
        if (late := now - self._timer_at) > _BLOCKED_SECONDS and self._timer_at > self._lenient_until:  # not for ever
            self._lenient_until = now + min(late, _MAX_LENIENT_SECONDS)
        self._timer = None
        self._timer_at = float("inf")
        if now < self._lenient_until:
            self._set_timer(self._lenient_until)
            return
        for call in list(self.streams.values()):
            if call.ends_at <= now:
                self.cancel(call)
                call.end(RpcError(Status.DEADLINE_EXCEEDED, "Deadline Exceeded"))
        if self.streams:
            # Not for each single one: thousands may end one after the other.
            self._set_timer(max(now + _DEADLINE_SECONDS, min(call.ends_at for call in self.streams.values())))

    def _ping_if_silent(self) -> None:
        """Asks a silent server, for which calls wait, for a sign of life."""
        if self.streams and not self.was_heard:
            self.write(frames.frame(frames.PING, 0, 0, b"\0" * 8))
            self._wait_for_answer()
        else:
            self.was_heard = False
            self._alive_timer = self.loop.call_later(self._keepalive, self._ping_if_silent)

    def _wait_for_answer(self) -> None:
        at = self.loop.time() + self._keepalive_timeout
        self._alive_timer = self.loop.call_at(at, self._end_if_silent, at)

    def _end_if_silent(self, at: float) -> None:
        """Ends a connection on which nothing was heard, not even the answer to a ping."""
        if self.was_heard or not self.streams:
            self._ping_if_silent()
        elif self.loop.time() - at > _BLOCKED_SECONDS:
            self._wait_for_answer()  # the ping may have been held up as well
        else:
            self.lose(TimeoutError("the gateway did not answer a ping"))


@lru_cache(maxsize=64)
def _timeout(milliseconds: int) -> bytes:
    """Returns the header of a deadline, which differs too often to be remembered by the server."""
    return literal((("grpc-timeout", timeout_text(milliseconds)),))


def _not_grpc(code: str, headers: dict[str, str]) -> RpcError:
    if code != "200":
        return status.of_http_status(code[:20] or "without a status")
    kind = headers.get("content-type", "none")[:100]
    return RpcError(Status.UNKNOWN, f"the gateway, or a proxy before it, answered with {kind} instead of gRPC")
