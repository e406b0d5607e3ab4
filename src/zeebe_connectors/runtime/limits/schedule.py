"""Decide when a provider's next request may begin, for one runtime alone or for all that share a database.

Both keep the rate with lanes (see `lanes`); runtimes that share a database lease their lanes there. A minimum delay
across runtimes is kept with time slots instead (see `time_slots`).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Protocol

from zeebe_connectors.runtime.ledger import Store
from zeebe_connectors.runtime.limits.lanes import Lanes
from zeebe_connectors.runtime.limits.leases import Lease

LEASE = 4.0
"""Seconds beyond a lane's span after which lanes that a runtime does not renew are free again."""
_RESERVE = 0.5
_TURN = 5.0


class Schedule(Protocol):
    """Decides when the next request may begin."""

    def wait(self, now: float, waiting: int) -> float | None:
        """Returns the seconds until the next request may begin; None while that is being asked: `wake` will be called.

        Args:
            now: Seconds of `time.monotonic()`.
            waiting: How many requests wait.
        """
        ...

    def grant(self, now: float) -> None:
        """Counts a request that begins."""
        ...

    def hold(self, seconds: float) -> None:
        """Stops all requests for that long."""
        ...

    @property
    def interval(self) -> float:
        """Seconds from one request to the next in this runtime when many wait."""
        ...

    async def aclose(self) -> None:
        """Returns what this runtime took from a shared budget."""
        ...


class LocalSchedule:
    """The schedule of one runtime alone.

    Args:
        lanes: Keep the rate.
        delay: Minimum seconds from the start of one request to the next.
    """

    def __init__(self, lanes: Lanes, delay: float) -> None:
        self._lanes = lanes
        self._delay = delay
        self._last = -math.inf
        self._held = -math.inf

    @property
    def interval(self) -> float:
        """See `Schedule.interval`."""
        return max(self._lanes.span / self._lanes.count, self._delay)

    def wait(self, now: float, waiting: int) -> float | None:  # noqa: ARG002 - only shared budgets ask ahead
        """See `Schedule.wait`."""
        return max(self._lanes.wait(now), self._last + self._delay - now, self._held - now)

    def grant(self, now: float) -> None:
        """See `Schedule.grant`."""
        self._lanes.use(now)
        self._last = now

    def hold(self, seconds: float) -> None:
        """See `Schedule.hold`."""
        self._held = max(self._held, time.monotonic() + seconds)

    def follow(self, before: LocalSchedule) -> None:
        """Takes over what began under the rules that these replace."""
        self._lanes.follow(before._lanes)
        self._last, self._held = before._last, before._held

    async def aclose(self) -> None:
        """See `Schedule.aclose`."""


class SharedLanes:
    """The schedule that all runtimes of one database share.

    Args:
        key: What is limited.
        store: The database.
        lanes: The lanes of all runtimes together.
        owner: A unique name of this runtime.
        waiting: Returns how many requests wait.
        wake: Called when the answer of `wait` may have changed.
    """

    def __init__(
        self,
        key: str,
        store: Store,
        lanes: Lanes,
        *,
        owner: str,
        waiting: Callable[[], int],
        wake: Callable[[], None],
    ) -> None:
        self._lanes = lanes
        self._second = lanes.pace * lanes.count
        self._blocking: asyncio.Task[None] | None = None
        self._lease = Lease(
            f"{key}#lanes",
            store,
            lanes.count,
            owner=owner,
            seconds=LEASE + lanes.span,
            reserve=lanes.span + _RESERVE,
            linger=lanes.span,
            turn=_TURN * lanes.span,
            waiting=waiting,
            used=lambda: lanes.used(time.monotonic()),
            wake=wake,
        )

    @property
    def interval(self) -> float:
        """See `Schedule.interval`."""
        return self._lanes.span / self._lease.part

    def wait(self, now: float, waiting: int) -> float | None:  # noqa: ARG002 - the lease counts waiting requests itself
        """See `Schedule.wait`."""
        blocked = self._lease.blocked_until - now
        if blocked > 0:
            return blocked
        self._lanes.count = self._lease.allowed(now)
        self._lanes.pace = self._second / self._lease.part
        wait = self._lanes.wait(now)
        if wait > 0:
            self._lease.ask()
        return None if wait == math.inf else wait

    def grant(self, now: float) -> None:
        """See `Schedule.grant`."""
        self._lanes.use(now)
        self._lease.ask()

    def hold(self, seconds: float) -> None:
        """See `Schedule.hold`."""
        self._lease.blocked_until = max(self._lease.blocked_until, time.monotonic() + seconds)
        self._blocking = asyncio.ensure_future(self._lease.block(seconds))

    async def aclose(self) -> None:
        """See `Schedule.aclose`."""
        if self._blocking is not None:
            await asyncio.wait([self._blocking])
        await self._lease.aclose()
