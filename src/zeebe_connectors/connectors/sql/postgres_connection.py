"""Wait on PostgreSQL's connections with the socket registered once, for the statements of many short jobs.

psycopg registers a connection's socket with the event loop for each wait and removes it again, which is a quarter of
what a short statement costs the processor. Here it stays registered until the connection ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from psycopg import AsyncConnection, OperationalError, errors
from psycopg.pq import ConnStatus, TransactionStatus
from psycopg.waiting import Ready, Wait, wait_async

_ENDING = 5.0
"""Seconds that the server gets to stop the statement of a cancelled job; without an answer, the connection ends."""
_LONG = 0.005
"""Seconds for which results that need no wait may hold up the event loop."""


class WatchedConnection(AsyncConnection[Any]):
    """A connection of psycopg's whose waits cost less."""

    _loop: asyncio.AbstractEventLoop | None = None
    """The event loop that watches the socket; None while nobody does."""
    _socket = -1
    _waiter: asyncio.Future[int] | None = None
    _is_unread = False
    """Whether the socket was ready for reading once since the last wait."""
    _paused = 0.0
    _is_tested = False
    """Whether the running statement is a test, which nobody needs to stop on the server."""

    async def answers(self, patience: float) -> bool:
        """Returns whether the server answers; a connection that does not is ended.

        Args:
            patience: Seconds that the answer may take.
        """
        self._is_tested = True
        try:
            async with asyncio.timeout(patience):
                await self.execute("SELECT 1")
        except BaseException as error:  # whatever is wrong with it, or the job's time is over
            self._forget_socket()
            self.pgconn.finish()
            if not isinstance(error, Exception):
                raise
            return False
        finally:
            self._is_tested = False
        return True

    async def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - psycopg's own
        """See `psycopg.AsyncConnection.wait`: carries on a generator whenever the socket is ready."""
        # uvloop loses sockets that end while they are registered; pipelines write much, which psycopg does well.
        is_usual = isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
        if timeout is not None or self._pipeline is not None or not is_usual:
            self._forget_socket()
            if self._is_tested:  # psycopg would ask the server to stop the test, and wait ten seconds for it
                return await wait_async(gen, self.pgconn.socket, interval, timeout)
            return await super().wait(gen, interval, timeout)
        try:
            wanted = next(gen)
        except StopIteration as end:
            if time.monotonic() - self._paused > _LONG:
                await asyncio.sleep(0)
                self._paused = time.monotonic()
            return end.value
        try:
            while True:
                wanted = gen.send(await self._ready(wanted))
        except StopIteration as end:
            return end.value
        except asyncio.CancelledError:
            await self._stop(gen)
            raise
        except OSError as error:
            raise OperationalError("the connection's socket is closed") from error
        finally:
            self._waiter = None
            if self.pgconn.status != ConnStatus.OK:  # the library has closed the socket
                self._forget_socket()

    async def _ready(self, wanted: int) -> int:
        """Waits until the socket is ready for what a generator wants; returns what it is ready for."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
            self._socket = self.pgconn.socket
            loop.add_reader(self._socket, self._is_ready, Ready.R)
        waiter: asyncio.Future[int] = loop.create_future()
        self._waiter, self._is_unread = waiter, False
        if wanted & Wait.W:
            loop.add_writer(self._socket, self._is_ready, Ready.W)
        try:
            ready = await waiter
        finally:
            if wanted & Wait.W:
                loop.remove_writer(self._socket)
        self._paused = time.monotonic()
        return ready

    def _is_ready(self, ready: int) -> None:
        waiter = self._waiter
        if waiter is None:
            # Once, because the event loop looks at its sockets before the statement has read what it was woken for.
            # More often, the server speaks without a statement, such as on its way down: the next one will see it.
            if self._is_unread:
                self._forget_socket()
            self._is_unread = True
        elif not waiter.done():
            waiter.set_result(ready)

    def _forget_socket(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            loop.remove_reader(self._socket)

    async def _stop(self, gen: Any) -> None:
        """Stops the running statement on the server too, as psycopg does; the connection ends if that takes long."""
        self._forget_socket()
        if self._is_tested or self.pgconn.transaction_status != TransactionStatus.ACTIVE:
            return
        try:
            await self.cancel_safe(timeout=_ENDING)
            await wait_async(gen, self.pgconn.socket, interval=0.1, timeout=_ENDING)
        except errors.QueryCanceled:
            return
        except BaseException as error:
            self.pgconn.finish()
            if not isinstance(error, Exception):
                raise

    async def close(self) -> None:
        """See `psycopg.AsyncConnection.close`."""
        with contextlib.suppress(RuntimeError):
            self._forget_socket()
        await super().close()
