"""Speak SMTP's lines for one session: parse replies, write with back-pressure and limit every wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from zeebe_connectors.mail.smtp.errors import NotSmtpError
from zeebe_connectors.mail.smtp.model import Reply

_MAX_REPLY = 64 * 1024


class Wire(asyncio.Protocol):
    """Parses replies, and writes with back-pressure."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.replies: deque[Reply] = deque()
        self.lost: Exception | None = None
        self.secured = False
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._lines: list[str] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()

    @property
    def silent(self) -> bool:
        """Whether everything received has been read."""
        return not (self.replies or self._rest or self._lines)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the transport; see `asyncio.Protocol`."""
        self.transport = transport  # type: ignore[assignment]  # a stream transport, because we asked for one

    def data_received(self, data: bytes) -> None:
        """Splits received bytes into replies."""
        self._size += len(data)
        if self._size > _MAX_REPLY:
            self.fail(NotSmtpError("its answer is longer than any real one"))
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            is_reply = line[:3].isdigit() and line[3:4] in {b" ", b"\t", b"-", b"\r", b""}
            if not is_reply and self._lines and line.strip():
                self._lines.append(line.strip().decode("utf-8", "replace"))  # some servers omit inner codes
                continue
            if not is_reply:
                self.fail(NotSmtpError("it does not speak SMTP"))
                return
            self._lines.append(line[4:].strip().decode("utf-8", "replace"))
            if line[3:4] != b"-":
                self.replies.append(Reply(int(line[:3]), "\n".join(self._lines)))
                self._lines.clear()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def fail(self, error: Exception) -> None:
        """Ends the session with an error, which every later call raises."""
        self.lost = self.lost or error
        self.replies.clear()
        self.abort()
        self._wake()

    def eof_received(self) -> None:
        """Notes that the server closed its side."""
        self.lost = self.lost or ConnectionResetError("the server closed the connection")
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Notes the end and wakes everyone who waits."""
        self.lost = self.lost or exc or ConnectionResetError("the server closed the connection")
        self._wake()
        self.resume_writing()
        if not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        """Makes `drain` wait; see `asyncio.Protocol`."""
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """Lets `drain` continue."""
        waiting, self._writable = self._writable, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def reply(self) -> Reply:
        """Waits for the next answer; the caller sets the time limit."""
        while not self.replies:
            if self.lost is not None:
                raise self.lost
            self._waiter = self._loop.create_future()
            await self._waiter
        reply = self.replies.popleft()
        if not self.replies:
            self._size = 0
        return reply

    def write(self, data: bytes) -> None:
        """Writes bytes; raises the error that ended the session, if it has ended."""
        if self.lost is not None or self.transport is None:
            raise self.lost or ConnectionResetError("the connection is closed")
        self.transport.write(data)

    async def drain(self) -> None:
        """Waits until more may be written."""
        if self._writable is not None:
            await self._writable
        if self.lost is not None:
            raise self.lost

    def abort(self) -> None:
        """Drops the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    async def close(self) -> None:
        """Says goodbye and closes, without waiting long for the other side."""
        if self.transport is None or self.lost is not None:
            return
        self.transport.write(b"QUIT\r\n")
        self.transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await self._closed
        self.abort()


class Clock:
    """Limits each answer to `patience` seconds, and everything to the deadline, with one timer."""

    def __init__(self, deadline: float, patience: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.deadline = deadline
        self.patience = patience
        self.limit = asyncio.timeout_at(min(deadline, self._loop.time() + patience))

    def next(self) -> None:
        """Restarts the patience."""
        self.limit.reschedule(min(self.deadline, self._loop.time() + self.patience))

    def last(self) -> None:
        """Lets the following steps take all the remaining time."""
        self.limit.reschedule(self.deadline)
