"""Carry streams over one HTTP/2 connection: frames, settings, flow control both ways, and an end to whatever floods."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

from zeebe_connectors.rpc import frames
from zeebe_connectors.rpc.budget import Budget
from zeebe_connectors.rpc.frames import ConnectionFaultError, ErrorCode, Setting, StreamFaultError
from zeebe_connectors.rpc.header_blocks import MAX_BYTES, TABLE_BYTES, Decoder, Encoder, Headers
from zeebe_connectors.rpc.sending import MAX_SENT_FRAME_BYTES, Sender, StreamT

log = logging.getLogger(__name__)

CONNECTION_WINDOW = 16 * 1024 * 1024
"""Bytes that the other side may send on all streams together before we have read them."""
STREAM_WINDOW = 1024 * 1024
"""Bytes that the other side may send on one stream before we have read them."""
_MAX_SURPLUS = 10_000
"""Frames that carry nothing forward and that one side may send in a row."""
_SURPLUS_PER_SECOND = 100.0
_MAX_WINDOW_CHANGES = 200_000
"""Windows of open streams that the other side's settings may change at once."""
_WINDOW_CHANGES_PER_SECOND = 20_000.0
_CLOSING_SECONDS = 5.0


class Connection(Sender[StreamT], asyncio.Protocol):
    """What client and server have in common; they fill in the methods that begin with `on_`.

    Args:
        stream_window: Bytes that the other side may send on a stream before they are read.
        max_streams: Streams that the other side may open at the same time.
    """

    def __init__(self, *, stream_window: int = STREAM_WINDOW, max_streams: int = 0) -> None:
        super().__init__()
        self.streams: dict[int, StreamT] = {}
        self.encoder = Encoder()
        self.max_peer_streams = frames.MAX_STREAM
        """Streams that the other side lets us open at the same time."""
        self.was_heard = False
        """Whether anything arrived since this was last set to False."""
        self.stream_window = stream_window
        self._max_streams = max_streams
        self._decoder = Decoder()
        self._unread = b""
        self._block: tuple[int, bool, list[bytes]] | None = None
        self._block_bytes = 0
        self._receive_window = CONNECTION_WINDOW
        self._surplus = Budget(_MAX_SURPLUS, _SURPLUS_PER_SECOND, self.loop.time)
        self._window_changes = Budget(_MAX_WINDOW_CHANGES, _WINDOW_CHANGES_PER_SECOND, self.loop.time)
        self._has_settings = False
        self._abort_timer: asyncio.TimerHandle | None = None
        self.lost: asyncio.Future[None] = self.loop.create_future()
        """Done when nothing is left of the connection."""

    # --- filled in by client and server

    def preface(self) -> bytes:
        """Returns what is sent before the settings."""
        return b""

    def without_preface(self, data: bytes) -> bytes | None:
        """Returns what follows the other side's preface; None while it is incomplete."""
        return data

    def check_stream(self, number: int) -> None:
        """Looks at the number of a stream whose headers arrive, before they are looked at.

        Raises:
            ConnectionFaultError: There cannot be headers on this stream.
        """

    def on_headers(self, number: int, headers: Headers, *, ends: bool) -> None:
        """Takes the headers of a stream."""
        raise NotImplementedError

    def on_data(self, stream: StreamT, data: bytes, *, ends: bool) -> None:
        """Takes a piece of a stream's data."""
        raise NotImplementedError

    def on_stray_data(self, number: int) -> None:
        """Takes note of data on a stream that has ended; it may have been on its way."""

    def on_reset(self, stream: StreamT, code: int) -> None:
        """Takes note that the other side has ended a stream."""
        raise NotImplementedError

    def on_goaway(self, last: int, code: int, reason: str) -> None:
        """Takes note that the other side accepts no streams beyond `last`."""
        raise NotImplementedError

    def on_lost(self, error: Exception | None) -> None:
        """Ends all streams: there is no connection any more."""
        raise NotImplementedError

    def on_settings(self) -> None:
        """Takes note that the other side has changed its settings."""

    def is_idle(self, number: int) -> bool:
        """Returns whether nobody has opened a stream of this number yet."""
        raise NotImplementedError

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sends the settings."""
        # uvloop's transports are none of asyncio's classes.
        self.transport = transport = cast("asyncio.Transport", transport)
        values: dict[int, int] = {
            Setting.HEADER_TABLE_SIZE: TABLE_BYTES,
            Setting.INITIAL_WINDOW_SIZE: self.stream_window,
            Setting.MAX_HEADER_LIST_SIZE: MAX_BYTES,
        }
        if self._max_streams:
            values[Setting.MAX_CONCURRENT_STREAMS] = self._max_streams
        else:
            values[Setting.ENABLE_PUSH] = 0
        more = frames.window_update(0, CONNECTION_WINDOW - frames.DEFAULT_WINDOW)
        transport.write(self.preface() + frames.settings(values) + more)

    def connection_lost(self, error: Exception | None) -> None:
        """Ends everything."""
        self.is_closed = True
        self._unread = b""
        self._unwritten.clear()
        self.resume_writing()
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        self.lost.set_result(None)
        self.on_lost(error)

    def data_received(self, data: bytes) -> None:
        """Takes the frames that have arrived."""
        self.was_heard = True
        if self.is_closed:
            return
        if self._unread:
            data = self._unread + data
        try:
            unread = self._take(data)
            self._unread = b"" if self.is_closed else unread
        except ConnectionFaultError as fault:
            self.close(fault.code, str(fault))
        except Exception:
            log.exception("A frame could not be handled")
            self.close(ErrorCode.INTERNAL_ERROR, "internal error")

    # --- receiving

    def _take(self, data: bytes) -> bytes:
        """Handles all whole frames; returns the rest."""
        following = self.without_preface(data)
        if following is None:
            return data
        data = following
        at, end = 0, len(data)
        while end - at >= frames.HEADER_BYTES and not self.is_closed:
            length = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
            if length > frames.MIN_FRAME_BYTES:
                # Text, such as another protocol's greeting, looks like a frame of megabytes.
                reason = "a frame beyond the maximum" if self._has_settings else "what answers there is not HTTP/2"
                raise ConnectionFaultError(ErrorCode.FRAME_SIZE_ERROR, reason)
            begin = at + frames.HEADER_BYTES
            stop = begin + length
            if stop > end:
                break
            number = int.from_bytes(data[at + 5 : begin], "big") & frames.MAX_STREAM
            try:
                self._frame(data[at + 3], data[at + 4], number, data[begin:stop])
            except StreamFaultError as fault:
                self._end_faulty(fault)
            at = stop
        return data[at:]

    def _frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if self._block is not None and (kind != frames.CONTINUATION or number != self._block[0]):
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "a header block was interrupted")
        if not self._has_settings and kind != frames.SETTINGS:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS")
        if kind == frames.DATA:
            self._data(flags, number, payload)
        elif kind == frames.HEADERS:
            self._headers(flags, number, payload)
        elif (handle := _HANDLERS.get(kind)) is not None:
            handle(self, flags, number, payload)
        else:
            self.count_surplus()  # frames of unknown types are ignored

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        length = len(payload)
        self._count_received(length)
        if flags & frames.PADDED:
            payload = frames.unpadded(frames.DATA, flags, payload)
        ends = bool(flags & frames.END_STREAM)
        if not payload and not ends:
            self.count_surplus()
        stream = self.streams.get(number)
        if stream is None:
            if self.is_idle(number):
                raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "data on a stream that is not open")
            self.count_surplus()
            self.on_stray_data(number)
            return
        if stream.has_ended:
            raise StreamFaultError(number, ErrorCode.STREAM_CLOSED, "data after the stream's end")
        stream.receive_window -= length
        if stream.receive_window < 0:
            raise StreamFaultError(number, ErrorCode.FLOW_CONTROL_ERROR, "data beyond the stream's window")
        if payload:
            self.note_progress()
        stream.has_ended = ends
        self.on_data(stream, payload, ends=ends)
        if not ends and stream.reads_at_once:
            self.grant(stream)

    def _count_received(self, length: int) -> None:
        """Counts data in the connection's window, and opens it anew once half is used."""
        self._receive_window -= length
        if self._receive_window < CONNECTION_WINDOW // 2:
            if self._receive_window < 0:
                raise ConnectionFaultError(ErrorCode.FLOW_CONTROL_ERROR, "data beyond the connection's window")
            self.write(frames.window_update(0, CONNECTION_WINDOW - self._receive_window))
            self._receive_window = CONNECTION_WINDOW

    def grant(self, stream: StreamT) -> None:
        """Lets the other side send on, once half of a stream's window is used."""
        if stream.receive_window < self.stream_window // 2 and not stream.has_ended:
            self.write(frames.window_update(stream.number, self.stream_window - stream.receive_window))
            stream.receive_window = self.stream_window

    def _headers(self, flags: int, number: int, payload: bytes) -> None:
        if not number:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "headers outside a stream")
        if flags & (frames.PADDED | frames.WITH_PRIORITY):
            payload = frames.unpadded(frames.HEADERS, flags, payload)
        ends = bool(flags & frames.END_STREAM)
        if flags & frames.END_HEADERS:
            self._end_block(number, payload, ends=ends)
        else:
            self._block = (number, ends, [payload])
            self._block_bytes = len(payload)

    def _continuation(self, flags: int, number: int, payload: bytes) -> None:
        if self._block is None:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "a header block was continued that had not begun")
        _, ends, pieces = self._block
        pieces.append(payload)
        self._block_bytes += len(payload)
        if self._block_bytes > MAX_BYTES:
            raise ConnectionFaultError(ErrorCode.ENHANCE_YOUR_CALM, "headers beyond the maximum")
        self.count_surplus()
        if flags & frames.END_HEADERS:
            self._block = None
            self._end_block(number, b"".join(pieces), ends=ends)

    def _end_block(self, number: int, block: bytes, *, ends: bool) -> None:
        headers = self._decoder.decode(block)
        self.check_stream(number)
        if headers is None:
            raise StreamFaultError(number, ErrorCode.PROTOCOL_ERROR, "headers that HTTP/2 does not allow")
        self.on_headers(number, headers, ends=ends)

    def _priority(self, flags: int, number: int, payload: bytes) -> None:  # noqa: ARG002 - all handlers take the same
        if not number:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "a priority outside a stream")
        if len(payload) != 5:
            raise StreamFaultError(number, ErrorCode.FRAME_SIZE_ERROR, "PRIORITY of an impossible length")
        self.count_surplus()

    def _reset(self, flags: int, number: int, payload: bytes) -> None:  # noqa: ARG002
        code = frames.number_of(payload, "RST_STREAM")
        if not number or self.is_idle(number):
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "a reset of a stream that is not open")
        self.count_surplus()
        stream = self.discard(number)
        if stream is not None:
            self.on_reset(stream, code)

    def _settings(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "settings on a stream")
        self.count_surplus()
        if flags & frames.ACK:
            if payload:
                raise ConnectionFaultError(ErrorCode.FRAME_SIZE_ERROR, "an acknowledgement with settings")
            if not self._has_settings:
                raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "the first frame is an acknowledgement")
            return
        self._has_settings = True
        found: dict[int, int] = {}
        for key, value in frames.read_settings(payload):
            found[key] = value
            if key == Setting.HEADER_TABLE_SIZE:  # the smallest of several counts as well
                self.encoder.limit_table(value)
        self.max_peer_streams = found.get(Setting.MAX_CONCURRENT_STREAMS, self.max_peer_streams)
        self.max_frame = min(found.get(Setting.MAX_FRAME_SIZE, self.max_frame), MAX_SENT_FRAME_BYTES)
        window = found.get(Setting.INITIAL_WINDOW_SIZE, self.initial_send_window)
        change = window - self.initial_send_window
        if change:
            self._set_initial_window(window)
        # Before any data that the new window allows: the other side counts with the old one until it reads this.
        self.write(frames.SETTINGS_ACK)
        if change > 0:
            self.send_blocked(*self.streams.values())
        self.on_settings()

    def _set_initial_window(self, size: int) -> None:
        if not self._window_changes.use(len(self.streams)):
            raise ConnectionFaultError(ErrorCode.ENHANCE_YOUR_CALM, "windows are changed too often")
        change = size - self.initial_send_window
        self.initial_send_window = size
        for stream in self.streams.values():
            stream.send_window += change
            if stream.send_window > frames.MAX_WINDOW:
                raise ConnectionFaultError(ErrorCode.FLOW_CONTROL_ERROR, "a window beyond the maximum")

    def _push_promise(self, flags: int, number: int, payload: bytes) -> None:  # noqa: ARG002
        raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "a push, which nobody may send")

    def _ping(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "a ping on a stream")
        if len(payload) != 8:
            raise ConnectionFaultError(ErrorCode.FRAME_SIZE_ERROR, "PING of an impossible length")
        self.count_surplus()
        if not flags & frames.ACK:
            self.write(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _goaway(self, flags: int, number: int, payload: bytes) -> None:  # noqa: ARG002
        if number:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream")
        if len(payload) < 8:
            raise ConnectionFaultError(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY of an impossible length")
        self.count_surplus()
        last = int.from_bytes(payload[:4], "big") & frames.MAX_STREAM
        self.on_goaway(last, int.from_bytes(payload[4:8], "big"), payload[8:508].decode("utf-8", "replace"))

    def _window_update(self, flags: int, number: int, payload: bytes) -> None:  # noqa: ARG002
        amount = frames.number_of(payload, "WINDOW_UPDATE") & frames.MAX_WINDOW
        self.count_surplus()
        if not number:
            if not amount:
                raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "a window update of zero")
            self.widen(amount)
            self.send_blocked()
        elif (stream := self.streams.get(number)) is not None:
            if not amount:
                raise StreamFaultError(number, ErrorCode.PROTOCOL_ERROR, "a window update of zero")
            stream.send_window += amount
            if stream.send_window > frames.MAX_WINDOW:
                raise StreamFaultError(number, ErrorCode.FLOW_CONTROL_ERROR, "a window beyond the maximum")
            self.send_blocked(stream)
        elif self.is_idle(number):
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "a window update of a stream that is not open")

    def count_surplus(self) -> None:
        """Counts a frame that carries nothing forward; data and data that we send start anew."""
        if self.has_sent:
            self.has_sent = False
            self._surplus.refill()
        if not self._surplus.use():
            raise ConnectionFaultError(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that carry nothing")

    def note_progress(self) -> None:
        """Takes note that a frame has carried something forward."""
        self._surplus.refill()

    def _end_faulty(self, fault: StreamFaultError) -> None:
        stream = self.discard(fault.stream)
        self.count_surplus()
        self.write(frames.reset(fault.stream, fault.code))
        if stream is not None:
            self.on_reset(stream, fault.code)

    # --- ending

    def discard(self, number: int) -> StreamT | None:
        """Removes a stream, with what it has not sent; returns it if it was open."""
        stream = self.streams.pop(number, None)
        if stream is not None:
            self.forget(stream)
        return stream

    def close(self, code: ErrorCode = ErrorCode.NO_ERROR, reason: str = "") -> None:
        """Ends the connection; with the reason, if there is one."""
        if self.is_closed:
            return
        self.is_closed = True
        self._unread = b""
        self.write(frames.goaway(self.last_stream(), code, reason))
        self.flush()
        if (transport := self.transport) is not None:
            transport.close()
            # A side that reads no more would leave it open for ever.
            self._abort_timer = self.loop.call_later(_CLOSING_SECONDS, transport.abort)

    def lose(self, error: Exception) -> None:
        """Drops the connection without a word, as if it had been lost."""
        if self.is_closed:
            return
        self.is_closed = True
        self.abort()
        self.on_lost(error)

    def abort(self) -> None:
        """Drops what was not sent, and the connection."""
        if self.transport is not None:
            self.transport.abort()

    def last_stream(self) -> int:
        """Returns the last stream of the other side that was begun."""
        return 0


_HANDLERS: dict[int, Callable[[Connection[Any], int, int, bytes], None]] = {
    frames.PRIORITY: Connection._priority,  # noqa: SLF001 - of this module
    frames.RST_STREAM: Connection._reset,  # noqa: SLF001
    frames.SETTINGS: Connection._settings,  # noqa: SLF001
    frames.PUSH_PROMISE: Connection._push_promise,  # noqa: SLF001
    frames.PING: Connection._ping,  # noqa: SLF001
    frames.GOAWAY: Connection._goaway,  # noqa: SLF001
    frames.WINDOW_UPDATE: Connection._window_update,  # noqa: SLF001
    frames.CONTINUATION: Connection._continuation,  # noqa: SLF001
}
