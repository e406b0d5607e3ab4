"""Let requests to one provider begin as its rules allow, fairly between processes; others must come back later."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from zeebe_connectors.config.providers import Rules
from zeebe_connectors.runtime.ledger import Store
from zeebe_connectors.runtime.limits.lanes import Lanes, lanes_of
from zeebe_connectors.runtime.limits.permits import LocalPermits, Permits, SharedPermits
from zeebe_connectors.runtime.limits.schedule import LocalSchedule, Schedule, SharedLanes
from zeebe_connectors.runtime.limits.time_slots import SharedSlots, interval_of

MAX_BACKOFF = 60.0
"""Maximum seconds after which a request that was sent away comes back."""
MAX_HOLD = 300.0
"""Maximum seconds of a pause that a provider asks for."""
_MIN_BACKOFF = 0.1
_NUMBERS = itertools.count()


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
    """How many of a connector's jobs wait for providers, and how many may."""

    room: int
    now: int = 0


@dataclass(slots=True)
class Counts:
    """Counts of requests since the start."""

    granted: int = 0
    handed_back: int = 0
    handed_back_at: float = 0.0
    """When a request was last handed back, in seconds since 1970."""
    failed_in_a_row: int = 0
    """How many requests in a row, the last one included, failed in a way that a later try may mend."""
    failing_since: float = 0.0
    """When the first of these failed, in seconds since 1970."""
    failed_at: float = 0.0
    """When the last one did."""
    failed_with: str = ""
    """The code of the last one."""
    slowed: int = 0
    waited: float = 0.0
    """Seconds of waiting in total."""
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=2000))
    """When the last requests began, in seconds of `time.monotonic()`."""


class Limit:
    """The rules of one provider in one environment.

    Args:
        key: Name and environment.
        rules: If None or switched off, nothing is limited, except that a pause is kept when the provider asks for one.
        store: The database that runtimes share; None for this runtime alone.
        owner: This runtime's name among those that share.
    """

    def __init__(self, key: str, rules: Rules | None, *, store: Store | None = None, owner: str = "") -> None:
        self.key = key
        self.given = rules
        self.revision = 0
        """Revision of the provider when this was made."""
        self.rules = rules if rules is not None and rules.enabled else None
        self.counts = Counts()
        self.held_until = 0.0
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._queued = 0
        self._timer: asyncio.TimerHandle | None = None
        self._come_back = 0.0
        self._closed = False
        self._successor: Limit | None = None
        self._has_permit = False
        """Whether a permit is held for the next request."""
        self._schedule: Schedule | None = None
        self._permits: Permits | None = None
        if self.rules is not None:
            owner = f"{owner}#{next(_NUMBERS)}"  # each change of the rules makes a new limit
            self._schedule = self._schedule_of(self.rules, store, owner)
            if self.rules.max_concurrent is not None:
                max_concurrent = max(1, self.rules.max_concurrent // self.rules.share_of)
                self._permits = (
                    LocalPermits(max_concurrent)
                    if store is None
                    else SharedPermits(
                        key, store, max_concurrent, owner=owner, waiting=lambda: self._queued, wake=self.serve
                    )
                )

    def _schedule_of(self, rules: Rules, store: Store | None, owner: str) -> Schedule:
        delay = rules.min_delay_ms / 1000 * rules.share_of
        lanes = Lanes(*lanes_of(rules.max_per_second, rules.share_of))
        if store is None:
            return LocalSchedule(lanes, delay)
        if delay:
            interval = interval_of(rules.max_per_second, rules.share_of)
            return SharedSlots(self.key, store, interval=interval, delay=delay, wake=self.serve)
        return SharedLanes(self.key, store, lanes, owner=owner, waiting=lambda: self._queued, wake=self.serve)

    def held_for(self) -> float:
        """Returns the seconds left of the pause that the provider asked for."""
        return max(0.0, self.held_until - time.monotonic())

    def per_second(self) -> int:
        """Returns the number of requests that began in the last second."""
        since = time.monotonic() - 1.0
        return sum(1 for moment in self.counts.recent if moment > since)

    @property
    def waiting(self) -> int:
        """The number of waiting requests."""
        return self._queued

    def enters_at_once(self) -> bool:
        """Begins a request, and returns True, where nothing has to be waited for; `leave` must follow then."""
        if self._closed:
            return False
        now = time.monotonic()
        if now < self.held_until:
            return False
        if self._schedule is not None:
            if self._queued or self._schedule.wait(now, 1) != 0 or not self._takes_permit():
                return False
            self._has_permit = False
        self._grant(now)
        return True

    async def enter(self, process: str, *, deadline: float, waiting: Waiting | None = None) -> None:
        """Waits until a request may begin; `leave` must follow.

        Args:
            process: The process that it is for; requests of several processes take turns.
            deadline: Until when it may wait, in seconds of `time.monotonic()`.
            waiting: The connector's count of waiting jobs; None for a request that may always wait.

        Raises:
            Busy: It would take longer, or too many are waiting already.
        """
        if self.enters_at_once():
            return
        if self._closed:
            raise Busy(_MIN_BACKOFF)
        now = time.monotonic()
        held = self.held_until - now
        if self._schedule is None:
            await self._wait_out(held, deadline, waiting)
            self.counts.waited += time.monotonic() - now
            self._grant(time.monotonic())
            return
        wait = self._schedule.wait(now, self._queued + 1)
        expected = max(held, wait or 0.0) + self._queued * self._schedule.interval
        if now + expected > deadline or (waiting is not None and waiting.now >= waiting.room):
            raise self._busy(now)
        if waiting is not None:
            waiting.now += 1
        try:
            await self._queue(process, deadline)
        finally:
            if waiting is not None:
                waiting.now -= 1
            self.counts.waited += time.monotonic() - now

    async def _queue(self, process: str, deadline: float) -> None:
        """Waits for its turn."""
        queue = self._queues.setdefault(process, deque())
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(place)
        self._queued += 1
        self.serve()
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                await place
        except BaseException as error:
            if not place.done() or place.cancelled():
                self._forget(process, place)
            elif place.exception() is None:  # granted at the same moment: return the permit
                self.leave()
            if isinstance(error, TimeoutError):
                raise self._busy(time.monotonic()) from None
            raise

    def ended(self, failure: str) -> None:
        """Records whether a request failed.

        Args:
            failure: The code where it failed in a way that a later try may mend; empty where the provider answered.
        """
        counts = self.counts
        if failure:
            counts.failed_at = time.time()
            counts.failed_with = failure
            if not counts.failed_in_a_row:
                counts.failing_since = counts.failed_at
            counts.failed_in_a_row += 1
        elif counts.failed_in_a_row:
            counts.failed_in_a_row = 0

    def leave(self) -> None:
        """Ends a request that began."""
        if self._permits is not None:
            self._permits.give()
            (self._successor or self).serve()

    def serve(self) -> None:
        """Grants every request that may begin now, and sets the timer for the next; called when something changed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._schedule is None or self._closed:
            return
        # The permit first: time slots taken while all permits are in use would be lost for every runtime.
        while self._queued and self._takes_permit():
            wait = self._schedule.wait(time.monotonic(), self._queued)
            if wait is None:
                return
            if wait > 0:
                self._timer = asyncio.get_running_loop().call_later(wait, self.serve)
                return
            place = self._next()
            if place is None:
                break
            self._has_permit = False
            self._grant(time.monotonic())
            place.set_result(None)
        if self._has_permit and not self._queued:
            self._has_permit = False
            if self._permits is not None:
                self._permits.give()

    def hold(self, seconds: float) -> None:
        """Stops all requests for that long, because the provider asked for it."""
        seconds = min(max(seconds, 0.0), MAX_HOLD)
        until = time.monotonic() + seconds
        if until > self.held_until:
            self.held_until = until
            self.counts.slowed += 1
            if self._schedule is not None:
                self._schedule.hold(seconds)

    def follow(self, before: Limit) -> None:
        """Takes over the counts of the rules that these replace."""
        self.counts, self.held_until = before.counts, before.held_until
        if isinstance(self._schedule, LocalSchedule) and isinstance(before._schedule, LocalSchedule):
            self._schedule.follow(before._schedule)
        if isinstance(self._permits, LocalPermits) and isinstance(before._permits, LocalPermits):
            before._permits.total = self._permits.total
            self._permits = before._permits
            before._successor = self

    async def aclose(self) -> None:
        """Returns what this runtime took from the shared budget; requests that still wait come back a little later."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while place := self._next():
            self.counts.handed_back += 1
            place.set_exception(Busy(_MIN_BACKOFF))
        if self._permits is not None:
            await self._permits.aclose()
        if self._schedule is not None:
            await self._schedule.aclose()

    def _grant(self, now: float) -> None:
        if self._schedule is not None:
            self._schedule.grant(now)
        self.counts.granted += 1
        self.counts.recent.append(now)

    def _takes_permit(self) -> bool:
        if not self._has_permit:
            self._has_permit = self._permits is None or self._permits.take()
        return self._has_permit

    async def _wait_out(self, held: float, deadline: float, waiting: Waiting | None) -> None:
        if waiting is not None and waiting.now >= waiting.room:
            raise self._held_back(held)
        if waiting is not None:
            waiting.now += 1
        try:
            while held > 0:  # the provider may ask for a longer pause meanwhile
                if time.monotonic() + held > deadline:
                    raise self._held_back(held)
                await asyncio.sleep(held)
                held = self.held_for()
        finally:
            if waiting is not None:
                waiting.now -= 1

    def _held_back(self, held: float) -> Busy:
        self._count_handed_back()
        return Busy(min(MAX_BACKOFF, held * random.uniform(1.0, 1.2)))  # noqa: S311 - spreading load needs no secrecy

    def _busy(self, now: float) -> Busy:
        """Estimates when a request that is sent away would be served: after those that wait, or come back before it.

        Requests come back at the rate at which they are served, starting when half of those waiting now have been
        served, so that the queue neither runs empty nor sends them away a second time.
        """
        assert self._schedule is not None  # noqa: S101 - without one, nothing queues
        self._count_handed_back()
        interval = self._schedule.interval
        soonest = max(now, self.held_until) + self._queued / 2 * interval
        self._come_back = max(self._come_back, soonest) + interval
        delay = self._come_back - now + random.uniform(-interval, interval) / 2  # noqa: S311 - as above
        return Busy(min(MAX_BACKOFF, max(_MIN_BACKOFF, delay)))

    def _count_handed_back(self) -> None:
        self.counts.handed_back += 1
        self.counts.handed_back_at = time.time()

    def _forget(self, process: str, place: asyncio.Future[None]) -> None:
        queue = self._queues.get(process)
        if queue is not None and place in queue:
            queue.remove(place)
            self._queued -= 1
            if not queue:
                del self._queues[process]
            self.serve()

    def _next(self) -> asyncio.Future[None] | None:
        """Returns the request whose turn it is: processes take turns, and each one's requests keep their order."""
        while self._queues:
            process, queue = self._queues.popitem(last=False)
            place = queue.popleft()
            self._queued -= 1
            if queue:
                self._queues[process] = queue
            if not place.done():  # otherwise it has just given up
                return place
        return None
