"""Run an engine inside asyncio: run the flow in slices, fire timers, and save the state before each answer."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from zeebe_connectors.engine.core import Engine

log = logging.getLogger(__name__)
T = TypeVar("T")
_SLICE_SECONDS = 0.004  # short, as a call takes several turns of the loop and may wait for a slice in each
_MAX_NAP_SECONDS = 60.0


class Host:
    """Owns an engine while an event loop runs it.

    Commands that arrive together share one transaction: `do` executes a command, and returns its answer once it and all
    its consequences are written.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False
        self._saved: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due: int | None = None
        self._waiting: defaultdict[str, list[asyncio.Future[None]]] = defaultdict(list)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self.engine.scheduler = self._schedule
        self.engine.jobs.on_activatable = self._job_activatable
        self._schedule()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        engine = self.engine
        engine.scheduler = None
        engine.jobs.on_activatable = lambda _: None
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()
        engine.close()
        self._release(None)

    # --- commands

    async def do(self, command: Callable[[], T]) -> T:
        """Execute a command of the engine, and wait until its changes are written.

        Raises:
            Rejection: The command is refused.
        """
        answer = command()
        await self.saved()
        return answer

    async def saved(self) -> None:
        """Wait until everything up to now is written."""
        self._schedule()
        future: asyncio.Future[None] = self._running_loop().create_future()
        self._saved.append(future)
        await future

    async def advance(self, seconds: float) -> None:
        """Move the engine's clock forward; what becomes due on the way happens, in order."""
        self.engine.advance(seconds)
        await self.saved()

    async def job_available(self, kind: str, seconds: float) -> bool:
        """Wait until a job of a type may be activated; False when the time is up."""
        if self.engine.jobs.has_activatable(kind):
            return True
        future: asyncio.Future[None] = self._running_loop().create_future()
        waiting = self._waiting[kind]
        waiting.append(future)
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            return False
        except asyncio.CancelledError:
            if future.done() and self.engine.jobs.has_activatable(kind):
                self._job_activatable(kind)  # it was this worker's turn: wake the next one
            raise
        finally:
            if future in waiting:
                waiting.remove(future)
            if not waiting and self._waiting.get(kind) is waiting:
                del self._waiting[kind]
        return True

    def _job_activatable(self, kind: str) -> None:
        """Wake the worker that has waited longest."""
        waiting = self._waiting.get(kind)
        while waiting:
            future = waiting.pop(0)
            if not future.done():
                future.set_result(None)
                return

    # --- the loop

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("The host does not run: use it as an asynchronous context manager")
        return self._loop

    def _schedule(self) -> None:
        """Schedule the flow and the saving of its state for the next turn of the loop."""
        if not self._scheduled and self._loop is not None:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Run a slice of the flow, save, and notify the waiters."""
        self._scheduled = False
        if self._loop is None:
            return
        engine = self.engine
        try:
            engine.process_due()
            idle = engine.flow.run(_SLICE_SECONDS)
            engine.save()
        except Exception as error:
            log.exception("The engine cannot go on")
            self._release(error)
            raise
        self._release(None)
        if not idle or engine.is_due():  # with a clock that stands still, no timer of the loop would look again
            self._schedule()
        self._set_timer()

    def _release(self, error: Exception | None) -> None:
        waiting, self._saved = self._saved, []
        for future in waiting:
            if not future.done():
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(RuntimeError("The engine could not write its state; see its log"))

    def _set_timer(self) -> None:
        due = self.engine.agenda.next_due()
        if due == self._timer_due and (self._timer is not None or due is None):
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_due = due
        if due is None or self.engine.clock.frozen:
            return
        seconds = max(0.0, (due - self.engine.clock.now_ms()) / 1000)
        self._timer = self._running_loop().call_later(min(seconds, _MAX_NAP_SECONDS), self._time_up)

    def _time_up(self) -> None:
        self._timer = None
        self._timer_due = None
        self._schedule()
