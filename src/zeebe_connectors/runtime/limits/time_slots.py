"""Keep a minimum delay across all runtimes that share a database, with time slots.

Runtimes take time slots in blocks: one transaction moves the provider's theoretical time forward by one interval for
each waiting request, at most by half a second, and the runtime owns the slots in between. A slot that is not used in
time is lost. So many waiting requests need one round trip, and the bound holds whatever happens to a runtime in
between.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable

from zeebe_connectors.runtime.ledger import LedgerError, Store
from zeebe_connectors.runtime.ledger.store import Transaction
from zeebe_connectors.runtime.limits.lanes import lanes_of

TOLERANCE = 0.02
"""Seconds after its time within which a slot may be used."""
BLOCK = 0.5
"""Maximum seconds of slots to take at once."""
_CLOCK_AGE = 30.0  # seconds after which the database's clock is compared again
_PAUSE = 1.0  # seconds to wait when the database did not answer

_log = logging.getLogger("zeebe_connectors.limits")


def interval_of(per_second: float, share_of: int = 1) -> float:
    """Returns the seconds between two slots, so that a second holds at most N even if each is used a little late.

    Args:
        per_second: The rule's N; a share of it above one is rounded down, as a second could hold more otherwise.
        share_of: Number of replicas that share the rule without a common database.
    """
    count, span = lanes_of(per_second, share_of)
    return (span + TOLERANCE) / count


class SharedSlots:
    """The schedule with a minimum delay that all runtimes of one database share.

    Args:
        key: What is limited.
        store: The database.
        interval: Seconds between two requests by the rate.
        delay: Minimum seconds from the start of one request to the next.
        wake: Called when the answer of `wait` may have changed.
    """

    def __init__(self, key: str, store: Store, *, interval: float, delay: float, wake: Callable[[], None]) -> None:
        self._key = key
        self._store = store
        self._tolerance = min(TOLERANCE, delay / 25) if delay > interval else TOLERANCE
        self._interval = max(interval, delay + self._tolerance if delay else 0.0)
        self._delay = delay
        self._wake = wake
        self._slots: deque[tuple[float, float]] = deque()
        self._last = -math.inf
        self._held = -math.inf
        self._asking: asyncio.Task[None] | None = None
        self._holding: asyncio.Task[None] | None = None
        self._clock = _Clock(store)
        self._failed = -math.inf

    @property
    def interval(self) -> float:
        """See `Schedule.interval`."""
        return self._interval

    def wait(self, now: float, waiting: int) -> float | None:
        """See `Schedule.wait`."""
        while self._slots and self._slots[0][1] < now:
            self._slots.popleft()
        if self._held > now:
            return self._held - now
        missing = min(waiting, math.ceil(BLOCK / self._interval)) - len(self._slots)
        running_out = not self._slots or self._slots[-1][0] - now < BLOCK / 2
        if missing > 0 and running_out and self._asking is None:
            if now < self._failed + _PAUSE:
                return self._failed + _PAUSE - now
            self._asking = asyncio.ensure_future(self._ask(missing))
        if not self._slots:
            return None
        return max(0.0, self._slots[0][0] - now, self._last + self._delay - now)

    def grant(self, now: float) -> None:
        """See `Schedule.grant`."""
        if self._slots:
            self._slots.popleft()
        self._last = now

    def hold(self, seconds: float) -> None:
        """See `Schedule.hold`."""
        self._held = max(self._held, time.monotonic() + seconds)
        self._slots.clear()
        self._holding = asyncio.ensure_future(self._hold_everywhere(seconds))

    async def aclose(self) -> None:
        """See `Schedule.aclose`; slots that were taken simply expire."""
        tasks = [task for task in (self._asking, self._holding) if task is not None]
        if tasks:
            await asyncio.wait(tasks)

    async def _hold_everywhere(self, seconds: float) -> None:
        values = {"name": self._key}

        def work(do: Transaction) -> None:
            do.change(
                "INSERT INTO limit_slots (name, until) VALUES (:name, :until) ON CONFLICT (name) DO UPDATE SET "
                "until = CASE WHEN limit_slots.until > excluded.until THEN limit_slots.until ELSE excluded.until END",
                {**values, "until": do.now() + seconds},
            )

        try:
            await self._store.write(work)
        except LedgerError as error:
            _log.warning("Other runtimes could not be asked to leave %s alone: %s", self._key, error)

    async def _ask(self, count: int) -> None:
        """Takes a block of slots."""
        try:
            early, late = await self._clock.offsets()
            span = count * self._interval

            def work(do: Transaction) -> float:
                now = do.now()
                do.change(
                    "INSERT INTO limit_slots (name, until) VALUES (:name, :end) ON CONFLICT (name) DO UPDATE SET until "
                    "= CASE WHEN limit_slots.until > :now THEN limit_slots.until ELSE :now END + :span",
                    {"name": self._key, "end": now + span, "now": now, "span": span},
                )
                return float(do.rows("SELECT until FROM limit_slots WHERE name = :name", {"name": self._key})[0][0])

            start = await self._store.write(work) - span
            for number in range(count):
                slot = start + number * self._interval
                self._slots.append((slot + late, slot + early + self._tolerance))
        except LedgerError as error:
            self._failed = time.monotonic()
            _log.warning("The rules of %s cannot be read, so nothing starts: %s", self._key, error)
        finally:
            self._asking = None
            self._wake()


class _Clock:
    """Measures the offset between the database's clock and `time.monotonic()`, within two bounds.

    Args:
        store: The database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bounds: tuple[float, float] | None = None
        self._compared_at = -math.inf

    async def offsets(self) -> tuple[float, float]:
        """Returns the bounds of what to add to the database's time to get ours, from the quickest of three queries."""
        if self._bounds is None or time.monotonic() - self._compared_at > _CLOCK_AGE:
            samples = []
            for _ in range(3):
                before = time.monotonic()
                there = await self._store.read(lambda do: do.now())
                after = time.monotonic()
                samples.append((after - before, before - there, after - there))
            _, early, late = min(samples)
            self._bounds, self._compared_at = (early, late), time.monotonic()
        return self._bounds
