"""Send frames over one HTTP/2 connection: those of one turn together, and data as the other side's windows allow."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from zeebe_connectors.rpc import frames
from zeebe_connectors.rpc.frames import ConnectionFaultError, ErrorCode

_MAX_UNREAD_REPLIES = 1_000
"""Answers to pings, settings and faults that may wait for a side that does not read."""


class Stream:
    """One call, as both sides' flow control sees it.

    Args:
        number: Its id.
        send_window: Bytes that may be sent.
        receive_window: Bytes that the other side may send.
        reads_at_once: Whether what arrives is read at once, so that the other side may go on.
    """

    __slots__ = ("has_ended", "number", "reads_at_once", "receive_window", "send_window", "unsent")

    def __init__(self, number: int, send_window: int, receive_window: int, *, reads_at_once: bool = True) -> None:
        self.number = number
        self.send_window = send_window
        self.receive_window = receive_window
        self.reads_at_once = reads_at_once
        self.has_ended = False
        """Whether the other side has sent everything."""
        self.unsent: deque[tuple[memoryview, bool, bytes]] | None = None


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
        """Whether headers or data were sent since this was last set to False."""
        self._window = frames.DEFAULT_WINDOW
        self._blocked: dict[int, StreamT] = {}
        self._unwritten: list[bytes] = []
        self._is_writing_scheduled = False
        self._is_paused = False
        self._waiting_senders: list[asyncio.Future[None]] = []
        self._unread_replies = 0

    def on_sent(self, stream: StreamT) -> None:
        """Takes note that a stream has sent what waited for a window."""

    def write(self, data: bytes) -> None:
        """Writes frames, together with all others of this turn of the event loop."""
        self._unwritten.append(data)
        if not self._is_writing_scheduled:
            self._is_writing_scheduled = True
            self.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Writes what this turn has to write."""
        self._is_writing_scheduled = False
        if self._unwritten:
            written = self._unwritten
            self._unwritten = []
            if self.transport is not None and not self.transport.is_closing():
                self.transport.write(written[0] if len(written) == 1 else b"".join(written))

    def send_data(self, stream: StreamT, data: bytes, *, ends: bool, then: bytes = b"") -> None:
        """Sends data on a stream as the other side's windows allow.

        Args:
            stream: An open stream.
            data: What to send.
            ends: Whether nothing follows on the stream.
            then: Frames to send after the data, such as trailers.
        """
        size = len(data)
        self.has_sent = True
        if (
            size <= self.max_frame
            and size <= stream.send_window
            and size <= self._window
            and stream.unsent is None
            and not self._is_paused
        ):
            stream.send_window -= size
            self._window -= size
            self.write(frames.data_head(size, stream.number, ends=ends) + data + then)
            return
        if stream.unsent is None:
            stream.unsent = deque()
            self._blocked[stream.number] = stream
        stream.unsent.append((memoryview(data), ends, then))
        self.send_blocked()

    def send_after_data(self, stream: StreamT, then: bytes) -> None:
        """Sends frames on a stream after all of its data."""
        if stream.unsent is None:
            self.write(then)
        else:
            data, ends, before = stream.unsent.pop()
            stream.unsent.append((data, ends, before + then))

    def send_blocked(self) -> None:
        """Sends what waited for a window, as far as the windows reach now."""
        for stream in list(self._blocked.values()):
            if self._is_paused or self.is_closed:
                return
            self._send_unsent(stream)
            if stream.unsent is None:
                self._blocked.pop(stream.number, None)
                self._wake_senders()
                self.on_sent(stream)

    def _send_unsent(self, stream: StreamT) -> None:
        unsent = stream.unsent
        while unsent:
            data, ends, then = unsent[0]
            size = min(len(data), stream.send_window, self._window, self.max_frame)
            if size <= 0 and data.nbytes:
                return
            is_last = size == len(data)
            stream.send_window -= size
            self._window -= size
            self.has_sent = True
            head = frames.data_head(size, stream.number, ends=ends and is_last)
            self.write(b"".join((head, data[:size], then if is_last else b"")))
            if is_last:
                unsent.popleft()
            else:
                unsent[0] = (data[size:], ends, then)
        stream.unsent = None

    async def drained(self, stream: StreamT) -> None:
        """Waits until a stream's data is on its way, for senders that would otherwise heap it up."""
        while not self.is_closed and (self._is_paused or stream.unsent):
            waiter = self.loop.create_future()
            self._waiting_senders.append(waiter)
            await waiter

    def _wake_senders(self) -> None:
        waiting, self._waiting_senders = self._waiting_senders, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def reply(self, answer: bytes) -> None:
        """Writes what the other side's frame asks for.

        Raises:
            ConnectionFaultError: It asks and asks, and does not read the answers.
        """
        if self._is_paused:
            self._unread_replies += 1
            if self._unread_replies > _MAX_UNREAD_REPLIES:
                raise ConnectionFaultError(ErrorCode.ENHANCE_YOUR_CALM, "answers are not read")
        self.write(answer)

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
        self._is_paused = True

    def resume_writing(self) -> None:
        """Sends on."""
        self._is_paused = False
        self._unread_replies = 0
        self._wake_senders()
        self.send_blocked()

    def forget(self, number: int) -> None:
        """Discards what a stream has not sent."""
        self._blocked.pop(number, None)
