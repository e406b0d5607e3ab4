"""Keep signed-in sessions to one server between jobs: up to a maximum, tested after a rest, closed when idle."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from zeebe_connectors import TransientError
from zeebe_connectors.connectors.files.session import Session

IDLE_BEFORE_TEST = 1.0
"""Seconds that a session may rest without being tested before use."""
TEST_PATIENCE = 5.0
"""Seconds that the test may take: firewalls forget connections that rest, and then drop what is sent."""
MAX_IDLE = 60.0
"""Seconds that a session is kept unused; many servers end one after some minutes."""

Open = Callable[[], Awaitable[Session]]


@dataclass(slots=True)
class _Held:
    """A session and the number of its users."""

    session: Session
    users: int = 0
    rested: float = 0.0


class Sessions:
    """Pools the sessions of one server and login.

    Args:
        max_sessions: The maximum; further jobs wait for one.
        shares: Jobs that use one session at once: one for FTP, several for SFTP.
        where: Host and port, for messages.
    """

    def __init__(self, *, max_sessions: int, shares: int, where: str) -> None:
        self._shares = shares
        self._where = where
        self._places = asyncio.Semaphore(max_sessions * shares)
        self._max = max_sessions
        self._held: list[_Held] = []
        self._opening = asyncio.Lock()
        self.naming = asyncio.Lock()
        """The lock held between choosing a free name and taking it: no server does both at once."""
        self.learnt: set[str] = set()
        """What sessions have learnt of the server, so that the next one need not try it again."""
        self._closer: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def session(self, open_session: Open, *, seconds: float) -> AsyncIterator[Session]:
        """Lends a session that answers.

        Args:
            open_session: Opens a new session.
            seconds: How long to wait for one that is free.

        Raises:
            TransientError: `FILES_BUSY`: all are in use for too long.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._places.acquire()
        except TimeoutError:
            raise TransientError(
                "FILES_BUSY", f"{self._where}: all sessions were in use until the job's time ran out"
            ) from None
        try:
            held = await self._one(open_session)
            try:
                yield held.session
            finally:
                self._give_back(held)
        finally:
            self._places.release()

    async def _one(self, open_session: Open) -> _Held:
        while (held := self._free()) is not None:
            held.users += 1
            is_fine = held.users > 1 or time.monotonic() - held.rested < IDLE_BEFORE_TEST
            try:
                is_fine = is_fine or await self._tested(held)
            finally:
                if not is_fine:  # or the job was cancelled meanwhile
                    held.users -= 1
                    self._discard(held)
            if is_fine:
                return held
        # With shared sessions, those who come at once wait for one sign-in instead of making each their own.
        async with self._opening if self._shares > 1 else contextlib.nullcontext():
            if self._shares > 1 and (held := self._free()) is not None:
                held.users += 1
                return held
            held = _Held(await open_session(), users=1)
            self._held.append(held)
            return held

    def _free(self) -> _Held | None:
        for held in list(self._held):
            if not held.session.usable and not held.users:
                self._discard(held)
        free = [held for held in self._held if held.users < self._shares and held.session.usable]
        # The busiest that has room: the others rest and may be closed.
        return max(free, key=lambda held: (held.users, held.rested), default=None)

    async def _tested(self, held: _Held) -> bool:
        try:
            async with asyncio.timeout(TEST_PATIENCE):
                return await held.session.alive() and held.session.usable
        except TimeoutError:
            return False

    def _give_back(self, held: _Held) -> None:
        held.users -= 1
        held.rested = time.monotonic()
        if not held.session.usable and not held.users:
            self._discard(held)
        elif self._closer is None:
            self._closer = asyncio.get_running_loop().call_later(MAX_IDLE, self._close_idle)

    def _close_idle(self) -> None:
        self._closer = None
        for held in list(self._held):
            if not held.users and time.monotonic() - held.rested >= MAX_IDLE * 0.9:
                self._discard(held)
        if self._held:
            self._closer = asyncio.get_running_loop().call_later(MAX_IDLE, self._close_idle)

    def _discard(self, held: _Held) -> None:
        if held in self._held:
            self._held.remove(held)
        task = asyncio.ensure_future(held.session.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        """Ends all sessions."""
        if self._closer is not None:
            self._closer.cancel()
        for held in list(self._held):
            self._discard(held)
        await asyncio.gather(*self._closing, return_exceptions=True)
