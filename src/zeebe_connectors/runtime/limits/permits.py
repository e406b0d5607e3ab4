"""Counts how many requests to a provider are under way, for one runtime alone or for all that share a database."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from zeebe_connectors.runtime.ledger import Store
from zeebe_connectors.runtime.limits.leases import Lease

LEASE = 30.0
"""Seconds after which the permits of a runtime that does not renew them are free again."""
_RESERVE = 6.0
_TURN = 2.0


class Permits(Protocol):
    """How many requests are under way."""

    def take(self) -> bool:
        """Takes a permit if there is one; else `wake` will be called."""
        ...

    def give(self) -> None:
        """Gives one back."""
        ...

    async def aclose(self) -> None:
        """Gives all back."""
        ...


class LocalPermits:
    """For one runtime alone.

    Args:
        total: Requests under way at once.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._used = 0

    def take(self) -> bool:
        """See `Permits.take`."""
        if self._used >= self.total:
            return False
        self._used += 1
        return True

    def give(self) -> None:
        """See `Permits.give`."""
        self._used -= 1

    async def aclose(self) -> None:
        """See `Permits.aclose`."""


class SharedPermits:
    """For all runtimes that use one database.

    Args:
        key: What is limited.
        store: The database.
        total: Requests under way at once, of all runtimes.
        owner: This runtime.
        waiting: How many wait for one.
        wake: Called when `take` may say something else.
    """

    def __init__(
        self,
        key: str,
        store: Store,
        total: int,
        *,
        owner: str,
        waiting: Callable[[], int],
        wake: Callable[[], None],
    ) -> None:
        self._used = 0
        self._lease = Lease(
            f"{key}#permits",
            store,
            total,
            owner=owner,
            seconds=LEASE,
            reserve=_RESERVE,
            turn=_TURN,
            linger=LEASE,
            waiting=waiting,
            used=lambda: self._used,
            wake=wake,
        )

    def take(self) -> bool:
        """See `Permits.take`."""
        if self._used < self._lease.allowed(time.monotonic()):
            self._used += 1
            return True
        self._lease.ask()
        return False

    def give(self) -> None:
        """See `Permits.give`."""
        self._used -= 1
        self._lease.ask()

    async def aclose(self) -> None:
        """See `Permits.aclose`."""
        await self._lease.aclose()
