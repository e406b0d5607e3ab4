"""Bound the concurrent requests to a provider, for one runtime alone or for all that share a database."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from zeebe_connectors.runtime.ledger import Store
from zeebe_connectors.runtime.limits.leases import Lease

LEASE = 30.0
"""Seconds after which permits that a runtime does not renew are free again."""
_RESERVE = 6.0
_TURN = 2.0


class Permits(Protocol):
    """Bounds the number of concurrent requests."""

    def take(self) -> bool:
        """Takes a permit if one is free; otherwise returns False, and `wake` will be called."""
        ...

    def give(self) -> None:
        """Returns a permit."""
        ...

    async def aclose(self) -> None:
        """Returns all permits."""
        ...


class LocalPermits:
    """Permits of one runtime alone.

    Args:
        total: Maximum number of concurrent requests.
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
    """Permits that all runtimes of one database share.

    Args:
        key: What is limited.
        store: The database.
        total: Maximum number of concurrent requests of all runtimes.
        owner: This runtime's name.
        waiting: Returns how many requests wait for a permit.
        wake: Called when `take` may succeed now.
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
