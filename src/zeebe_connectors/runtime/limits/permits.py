"""Counts how many requests to a provider are under way, for one runtime alone or for all that share a database.

Runtimes that share one hold permits under a lease that they renew each few seconds. A runtime keeps what it was given
while it has work, and gives back what is idle as soon as another waits; no more than its fair part is given to each
while several wait. A runtime that dies loses its permits with its lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from zeebe_connectors.runtime.ledger import LedgerError, Store
from zeebe_connectors.runtime.ledger.store import Transaction

LEASE = 30.0
"""Seconds after which the permits of a runtime that does not renew them are free again."""
_LOOK = 0.5  # seconds between two looks, while somebody waits or holds
_log = logging.getLogger("zeebe_connectors.limits")


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
        most: Requests under way at once.
    """

    def __init__(self, most: int) -> None:
        self._free = most

    def take(self) -> bool:
        """See `Permits.take`."""
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    def give(self) -> None:
        """See `Permits.give`."""
        self._free += 1

    async def aclose(self) -> None:
        """See `Permits.aclose`."""


class SharedPermits:
    """For all runtimes that use one database.

    Args:
        key: What is limited.
        store: The database.
        most: Requests under way at once, of all runtimes.
        owner: This runtime.
        waiting: How many wait for one.
        wake: Called when `take` may say something else.
    """

    def __init__(
        self,
        key: str,
        store: Store,
        most: int,
        *,
        owner: str,
        waiting: Callable[[], int],
        wake: Callable[[], None],
    ) -> None:
        self._key = key
        self._store = store
        self._most = most
        self._owner = owner
        self._waiting = waiting
        self._wake = wake
        self._held = 0
        self._until = 0.0
        self._used = 0
        self._task: asyncio.Task[None] | None = None
        self._now = asyncio.Event()

    def take(self) -> bool:
        """See `Permits.take`."""
        if self._used < self._held and time.monotonic() < self._until:
            self._used += 1
            return True
        self._now.set()
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._keep())
        return False

    def give(self) -> None:
        """See `Permits.give`."""
        self._used -= 1

    async def aclose(self) -> None:
        """See `Permits.aclose`."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._held:
            with contextlib.suppress(LedgerError):
                values = {"name": self._key, "owner": self._owner}
                await self._store.write(
                    lambda do: do.change("DELETE FROM limit_permits WHERE name = :name AND owner = :owner", values)
                )

    async def _keep(self) -> None:
        """Takes, renews and gives back while there is anything to hold or to wait for."""
        idle = 0
        while idle < 4:
            self._now.clear()
            wanted = min(self._waiting(), self._most)
            before = time.monotonic()
            held, used = self._held, self._used
            # Until the answer comes nothing is taken beyond what is counted on: another may be given the rest.
            self._held = min(held, used)
            try:
                self._held = await self._store.write(partial(self._agreed, wanted, held, used))
                self._until = before + LEASE * 0.8
            except LedgerError as error:
                self._held = held
                _log.warning("The permits of %s cannot be asked for: %s", self._key, error)
            if self._used < self._held:
                self._wake()
            idle = 0 if self._used or self._waiting() else idle + 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._now.wait()
            # Those who want one ask again and again; half a look between two of them is soon enough.
            await asyncio.sleep(_LOOK / 10)

    def _agreed(self, wanted: int, before: int, used: int, do: Transaction) -> int:
        """How many permits this runtime holds from now on, after so many before, of which some are in use."""
        now = do.now()
        # One row of its own first: whoever is second waits here until the first is done.
        do.change(
            "INSERT INTO limit_slots (name, until) VALUES (:name, :now) "
            "ON CONFLICT (name) DO UPDATE SET until = limit_slots.until",
            {"name": f"{self._key}#permits", "now": now},
        )
        do.rows_locked("SELECT until FROM limit_slots WHERE name = :name", {"name": f"{self._key}#permits"})
        others = do.rows(
            "SELECT held, wanted FROM limit_permits WHERE name = :name AND owner <> :owner AND until > :now",
            {"name": self._key, "owner": self._owner, "now": now},
        )
        free = self._most - sum(int(held) for held, _ in others)
        need = used + wanted
        if any(int(other) for _, other in others):
            fair = max(1, self._most // (1 + sum(1 for held, other in others if int(held) or int(other))))
            need = max(used, min(need, fair))
        else:
            need = max(need, min(before, self._most))  # nobody else waits: it keeps what it has
        held = max(used, min(need, free))
        do.change(
            "INSERT INTO limit_permits (name, owner, held, wanted, until) "
            "VALUES (:name, :owner, :held, :wanted, :until) ON CONFLICT (name, owner) DO UPDATE SET "
            "held = excluded.held, wanted = excluded.wanted, until = excluded.until",
            {
                "name": self._key,
                "owner": self._owner,
                "held": held,
                "wanted": max(0, used + wanted - held),
                "until": now + LEASE,
            },
        )
        return held
