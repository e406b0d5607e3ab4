"""Send frames over one HTTP/2 connection: those of one turn together, and data as the other side's windows allow."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Generic, TypeVar

from zeebe_connectors.rpc import frames
from zeebe_connectors.rpc.frames import ConnectionFaultError, ErrorCode

MAX_SENT_FRAME_BYTES = 64 * 1024
"""Size of a frame's payload that we send at most, whatever the other side takes: others wait their turn."""
_MAX_UNREAD_BYTES = 4 * 1024 * 1024
"""Bytes of frames that are not data, and so obey no window, for a side that does not read."""
_MAX_TURN_BYTES = 64 * 1024
"""Bytes that one turn of the event loop collects before the transport gets them, and may say that it has enough."""
_STALLED_SECONDS = 60.0
"""Time in which the other side must take something of what the transport holds for it."""


class Stream:
    """One call, as both sides' flow control sees it.

    Args:
        number: Its id.
        send_window: Bytes that may be sent.
        receive_window: Bytes that the other side may send.
        reads_at_once: Whether what arrives is read at once, so that the other side may go on.
    """

    __slots__ = ("has_ended", "number", "reads_at_once", "receive_window", "send_window", "sender", "unsent")

    def __init__(self, number: int, send_window: int, receive_window: int, *, reads_at_once: bool = True) -> None:
        self.number = number
        self.send_window = send_window
        self.receive_window = receive_window
        self.reads_at_once = reads_at_once
        self.has_ended = False
        """Whether the other side has sent everything."""
        self.unsent: deque[tuple[memoryview, bool, bytes]] | None = None
        """Data that waits: each with whether the stream ends with it, and frames to send after it."""
        self.sender: asyncio.Future[None] | None = None
        """What waits until all is sent."""


StreamT = TypeVar("StreamT", bound=Stream)


class Sender(Generic[StreamT]):
    """The sending half of a connection."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.initial_send_window = frames.DEFAULT_WINDOW
        self.max_frame = frames.MIN_FRAME_BYTES
        self.transport: asyncio.Transport | None = None
        self.is_closed = False
        self.has_sent = False
        """Whether data was sent since this was last set to False."""
        self.unsent_bytes = 0
        """Bytes that wait on all streams together."""
        self._window = frames.DEFAULT_WINDOW
        # The streams with data whose own windows are open: what they wait for is the connection's.
        self._sendable: OrderedDict[int, StreamT] = OrderedDict()
        self._unwritten: list[bytes] = []
        self._unwritten_bytes = 0
        self._is_writing_scheduled = False
        self.is_paused = False
        self._stalled: asyncio.TimerHandle | None = None

    def on_sent(self, stream: StreamT) -> None:
        """Takes note that a stream has sent what waited for a window."""

    def lose(self, error: Exception) -> None:
        """Drops the connection without a word, as if it had been lost."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """Writes frames, together with all others of this turn of the event loop."""
        self._unwritten.append(data)
        self._unwritten_bytes += len(data)
        if self._unwritten_bytes > _MAX_TURN_BYTES:
            self.flush()
        elif not self._is_writing_scheduled:
            self._is_writing_scheduled = True
            self.loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._is_writing_scheduled = False
        self.flush()

    def flush(self) -> None:
        """Hands the transport what waits for the end of the turn."""
        if self._unwritten:
            written = self._unwritten
            self._unwritten = []
            self._unwritten_bytes = 0
            transport = self.transport
            if transport is None or transport.is_closing():
                return
            transport.write(written[0] if len(written) == 1 else b"".join(written))
            if self.is_paused and transport.get_write_buffer_size() > _MAX_UNREAD_BYTES:
                # Later, as who writes does not expect to be cancelled.
                self.loop.call_soon(self.lose, ConnectionError("the other side does not read its answers"))

    def send_data(self, stream: StreamT, data: bytes, *, ends: bool, then: bytes = b"") -> None:
        """Sends data on a stream as the other side's windows allow.

        Args:
            stream: An open stream.
            data: What to send.
            ends: Whether nothing follows on the stream.
            then: Frames to send after the data, such as trailers.
        """
        size = len(data)
        if (
            size <= self.max_frame
            and size <= stream.send_window
            and size <= self._window
            and stream.unsent is None
            and not self.is_paused
        ):
            self.has_sent = True
            stream.send_window -= size
            self._window -= size
            self.write(frames.data_head(size, stream.number, ends=ends) + data + then)
            return
        if stream.unsent is None:
            stream.unsent = deque()
        stream.unsent.append((memoryview(data), ends, then))
        self.unsent_bytes += size
        self.send_blocked(stream)

    def send_after_data(self, stream: StreamT, then: bytes) -> None:
        """Sends frames on a stream after all of its data."""
        if stream.unsent is None:
            self.write(then)
        else:
            data, ends, before = stream.unsent.pop()
            stream.unsent.append((data, ends, before + then))

    def send_blocked(self, *streams: StreamT) -> None:
        """Sends what waited for a window, as far as the windows reach now, a frame of each stream in turn.

        Args:
            streams: Those whose own windows may have opened.
        """
        for stream in streams:
            if stream.unsent and stream.send_window > 0:
                self._sendable[stream.number] = stream
        while self._sendable and self._window > 0 and not self.is_paused and not self.is_closed:
            number, stream = self._sendable.popitem(last=False)
            if stream.send_window <= 0:
                continue  # settings have narrowed it meanwhile
            if not self._send_frame(stream):
                stream.unsent = None
                self._wake_sender(stream)
                self.on_sent(stream)
            elif stream.send_window > 0:
                self._sendable[number] = stream

    def _send_frame(self, stream: StreamT) -> bool:
        """Sends one frame of what waits on a stream; returns whether there is more."""
        unsent = stream.unsent
        if not unsent:
            return False
        data, ends, then = unsent[0]
        size = min(len(data), stream.send_window, self._window, self.max_frame)
        is_last = size == len(data)
        stream.send_window -= size
        self._window -= size
        self.unsent_bytes -= size
        self.has_sent = True
        head = frames.data_head(size, stream.number, ends=ends and is_last)
        if is_last:
            unsent.popleft()
        else:
            unsent[0] = (data[size:], ends, then)
        self.write(b"".join((head, data[:size], then if is_last else b"")))
        return bool(unsent)

    def _wake_sender(self, stream: StreamT) -> None:
        sender, stream.sender = stream.sender, None
        if sender is not None and not sender.done():
            sender.set_result(None)

    async def drained(self, stream: StreamT) -> None:
        """Waits until a stream's data is on its way or the stream is discarded, for senders that have more."""
        if stream.unsent is not None:
            stream.sender = self.loop.create_future()
            await stream.sender

    def widen(self, amount: int) -> None:
        """Adds to the bytes that may be sent on all streams together.

        Raises:
            ConnectionFaultError: The sum is beyond the maximum.
        """
        self._window += amount
        if self._window > frames.MAX_WINDOW:
            raise ConnectionFaultError(ErrorCode.FLOW_CONTROL_ERROR, "a window beyond the maximum")

    def pause_writing(self) -> None:
        """Sends no more data until what was sent before is on its way."""
        self.is_paused = True
        self._stalled = self.loop.call_later(
            _STALLED_SECONDS, lambda: self.lose(TimeoutError("the other side takes nothing of what is sent"))
        )

    def resume_writing(self) -> None:
        """Sends on."""
        self.is_paused = False
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        self.send_blocked()

    def forget(self, stream: StreamT) -> None:
        """Discards what a stream has not sent."""
        if stream.unsent is not None:
            self._sendable.pop(stream.number, None)
            self.unsent_bytes -= sum(len(data) for data, _, _ in stream.unsent)
            self._wake_sender(stream)
