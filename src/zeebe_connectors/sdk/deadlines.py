"""Bound work in time where the bound is almost never reached, for what happens with every job.

A timer of the event loop for each job costs more than most of what it guards. Here all deadlines of a loop share one
timer, which is set for the earliest of them; a job only joins and leaves a set.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self


class Bounded(Protocol):
    """Something that has a deadline."""

    ends: float
    """When it is over, in seconds of the event loop's clock, which is `time.monotonic()`."""

    def expire(self) -> None:
        """Ends it; is called once, at its deadline or a moment later, and must not raise."""
        ...


class Deadlines:
    """The deadlines of one event loop.

    Args:
        loop: The loop.
    """

    __slots__ = ("_timer", "bounded", "loop", "next", "remove")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.bounded: set[Bounded] = set()
        """What is watched."""
        self.remove: Callable[[Bounded], None] = self.bounded.discard
        """Watches a deadline no longer; nothing happens when it is not watched. The set's own, since each job calls it
        three times."""
        self.next = float("inf")
        """When the timer goes off."""
        self._timer: asyncio.TimerHandle | None = None

    def add(self, bounded: Bounded) -> None:
        """Watches a deadline from now on."""
        self.bounded.add(bounded)
        if bounded.ends < self.next:
            self.move(bounded.ends)

    def move(self, when: float) -> None:
        """Sets the timer for a time."""
        if self._timer is not None:
            self._timer.cancel()
        self.next = when
        self._timer = self.loop.call_at(when, self._look)

    def _look(self) -> None:
        """Ends what is over, and sets the timer for what is next; that one may have left already."""
        now = time.monotonic()
        self._timer, self.next = None, float("inf")
        for bounded in [one for one in self.bounded if one.ends <= now]:
            self.bounded.discard(bounded)
            bounded.expire()
        if self.bounded:
            self.move(min(one.ends for one in self.bounded))


_latest: Deadlines | None = None


def deadlines() -> Deadlines:
    """Returns the deadlines of the running loop; a process has one loop, tests have one after the other."""
    global _latest  # noqa: PLW0603 - a dictionary by loop would be asked several times for each job
    loop = asyncio.get_running_loop()
    found = _latest
    if found is None or found.loop is not loop:
        found = _latest = Deadlines(loop)
    return found


class Within:
    """Cancels the task that is inside at a time, and raises `TimeoutError` then, as `asyncio.timeout_at` does.

    Args:
        ends: The time, in seconds of `time.monotonic()`; None for no limit.
    """

    __slots__ = ("_before", "_expired", "_task", "_watch", "ends")

    def __init__(self, ends: float | None) -> None:
        self.ends = float("inf") if ends is None else ends
        self._expired = False

    @property
    def expired(self) -> bool:
        """Whether the time came while the task was inside."""
        return self._expired

    def expire(self) -> None:
        """See `Bounded`."""
        self._expired = True
        self._task.cancel()

    def __enter__(self) -> Self:
        watch = _latest
        if watch is None or watch.loop is not asyncio.get_running_loop():
            watch = deadlines()
        self._watch = watch
        task = asyncio.current_task(watch.loop)
        if task is None:
            raise RuntimeError("a limit in time needs a task to end")
        self._task = task
        self._before = task.cancelling()
        watch.bounded.add(self)  # as `add`, which each job would call twice
        if self.ends < watch.next:
            watch.move(self.ends)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.remove(self)
        if self._expired and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error
