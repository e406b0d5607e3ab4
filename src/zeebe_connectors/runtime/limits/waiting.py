"""Lets requests to one provider begin as its rules allow, fair between processes, and says who must come back later."""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from zeebe_connectors.config.providers import Rules
from zeebe_connectors.runtime.ledger import Store
from zeebe_connectors.runtime.limits.gcra import interval_of
from zeebe_connectors.runtime.limits.permits import LocalPermits, Permits, SharedPermits
from zeebe_connectors.runtime.limits.schedule import LocalSchedule, Schedule, SharedSchedule

MAX_BACKOFF = 60.0
"""Seconds after which somebody who must come back later comes back at the latest."""
MAX_HOLD = 300.0
"""Seconds for which a provider that asks to be left alone is left alone at most."""
_MIN_BACKOFF = 0.1


class Busy(Exception):  # noqa: N818 - not a fault: the rules say to come back
    """The request cannot begin in time.

    Args:
        delay: Seconds after which to come back.
    """

    def __init__(self, delay: float) -> None:
        super().__init__(f"come back in {delay:.1f} s")
        self.delay = delay


@dataclass(slots=True)
class Waiting:
    """How many of a connector's jobs wait for providers, of how many that may."""

    room: int
    now: int = 0


@dataclass(slots=True)
class Counts:
    """What became of requests since the start."""

    granted: int = 0
    handed_back: int = 0
    slowed: int = 0
    waited: float = 0.0
    """Seconds, all together."""
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=2000))
    """When the last ones began, in seconds of `time.monotonic()`."""


class Limit:
    """The rules of one provider in one environment.

    Args:
        key: Name and environment.
        rules: None, or switched off: nothing is limited, but a provider that asks to be left alone is.
        store: The database that runtimes share; None for this one alone.
        owner: This runtime, among those that share.
    """

    def __init__(self, key: str, rules: Rules | None, *, store: Store | None = None, owner: str = "") -> None:
        self.key = key
        self.given = rules
        self.revision = 0
        """Of the provider when this was made."""
        self.rules = rules if rules is not None and rules.enabled else None
        self.counts = Counts()
        self.held_until = 0.0
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._queued = 0
        self._timer: asyncio.TimerHandle | None = None
        self._come_back = 0.0
        self._has_permit = False
        """Whether a permit is held for whoever begins next."""
        self._schedule: Schedule | None = None
        self._permits: Permits | None = None
        if self.rules is not None:
            interval = interval_of(self.rules.max_per_second, self.rules.share_of)
            delay = self.rules.min_delay_ms / 1000 * self.rules.share_of
            self._schedule = (
                LocalSchedule(interval, delay)
                if store is None
                else SharedSchedule(key, store, interval=interval, delay=delay, wake=self._pump)
            )
            if self.rules.max_concurrent is not None:
                most = max(1, self.rules.max_concurrent // self.rules.share_of)
                self._permits = (
                    LocalPermits(most)
                    if store is None
                    else SharedPermits(key, store, most, owner=owner, waiting=lambda: self._queued, wake=self._pump)
                )

    def held_for(self) -> float:
        """Seconds for which the provider is still left alone."""
        return max(0.0, self.held_until - time.monotonic())

    def per_second(self) -> int:
        """Requests that began in the last second."""
        since = time.monotonic() - 1.0
        return sum(1 for moment in self.counts.recent if moment > since)

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return self._queued

    async def enter(self, process: str, *, deadline: float, waiting: Waiting | None = None) -> None:
        """Waits until a request may begin; `leave` must follow.

        Args:
            process: On whose behalf; those of several take turns.
            deadline: Until when it may wait, in seconds of `time.monotonic()`.
            waiting: Of the connector; None for one that may always wait.

        Raises:
            Busy: It would take longer, or too many wait already.
        """
        now = time.monotonic()
        held = self.held_until - now
        if self._schedule is None:
            if held > 0:
                await self._wait_out(held, deadline, waiting)
            self._count(now)
            return
        wait = self._schedule.wait(now, self._queued + 1)
        if not self._queued and held <= 0 and wait == 0 and self._takes_permit():
            self._has_permit = False
            self._schedule.grant(now)
            self._count(now)
            return
        expected = max(held, wait or 0.0) + self._queued * self._schedule.interval
        if now + expected > deadline or (waiting is not None and waiting.now >= waiting.room):
            raise self._busy(now)
        queue = self._queues.setdefault(process, deque())
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(place)
        self._queued += 1
        if waiting is not None:
            waiting.now += 1
        self._pump()
        try:
            async with asyncio.timeout(max(0.0, deadline - now)):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():  # granted at the same moment: the permit goes back
                self.leave()
            else:
                self._forget(process, place)
            if isinstance(error, TimeoutError):
                raise self._busy(time.monotonic()) from None
            raise
        finally:
            if waiting is not None:
                waiting.now -= 1
        self._count(now)

    def leave(self) -> None:
        """A request that began is over."""
        if self._permits is not None:
            self._permits.give()
            self._pump()

    def hold(self, seconds: float) -> None:
        """The provider asked to be left alone: nobody begins for that long."""
        seconds = min(max(seconds, 0.0), MAX_HOLD)
        until = time.monotonic() + seconds
        if until > self.held_until:
            self.held_until = until
            self.counts.slowed += 1
            if self._schedule is not None:
                self._schedule.hold(seconds)

    async def aclose(self) -> None:
        """Gives back what this runtime took from the shared budget."""
        if self._timer is not None:
            self._timer.cancel()
        if self._permits is not None:
            await self._permits.aclose()

    def _count(self, began: float) -> None:
        now = time.monotonic()
        self.counts.granted += 1
        self.counts.waited += now - began
        self.counts.recent.append(now)

    def _takes_permit(self) -> bool:
        if not self._has_permit:
            self._has_permit = self._permits is None or self._permits.take()
        return self._has_permit

    async def _wait_out(self, held: float, deadline: float, waiting: Waiting | None) -> None:
        now = time.monotonic()
        if now + held > deadline or (waiting is not None and waiting.now >= waiting.room):
            self.counts.handed_back += 1
            raise Busy(min(MAX_BACKOFF, held * random.uniform(1.0, 1.2)))  # noqa: S311 - spreads those who come back
        if waiting is not None:
            waiting.now += 1
        try:
            await asyncio.sleep(held)
        finally:
            if waiting is not None:
                waiting.now -= 1

    def _busy(self, now: float) -> Busy:
        """When somebody who must come back is probably served: behind those who wait and who come back before."""
        assert self._schedule is not None  # noqa: S101 - only then does anybody queue
        self.counts.handed_back += 1
        soonest = max(now, self.held_until) + self._queued * self._schedule.interval
        self._come_back = max(self._come_back, soonest) + self._schedule.interval
        delay = (self._come_back - now) * random.uniform(0.9, 1.0)  # noqa: S311 - as above
        return Busy(min(MAX_BACKOFF, max(_MIN_BACKOFF, delay)))

    def _forget(self, process: str, place: asyncio.Future[None]) -> None:
        queue = self._queues.get(process)
        if queue is not None and place in queue:
            queue.remove(place)
            self._queued -= 1
            if not queue:
                del self._queues[process]
            self._pump()

    def _pump(self) -> None:
        """Lets go whoever may, and sets the timer for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._schedule is None:
            return
        # The permit first: time slots that are taken while all permits are in use would be lost for everybody.
        while self._queued and self._takes_permit():
            wait = self._schedule.wait(time.monotonic(), self._queued)
            if wait is None:
                return
            if wait > 0:
                self._timer = asyncio.get_running_loop().call_later(wait, self._pump)
                return
            self._has_permit = False
            self._schedule.grant(time.monotonic())
            self._next().set_result(None)
        if self._has_permit and not self._queued:
            self._has_permit = False
            if self._permits is not None:
                self._permits.give()

    def _next(self) -> asyncio.Future[None]:
        """Whose turn it is: the processes go round, each one's requests in their order."""
        process, queue = self._queues.popitem(last=False)
        place = queue.popleft()
        self._queued -= 1
        if queue:
            self._queues[process] = queue
        return place
