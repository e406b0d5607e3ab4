"""Share permits among the runtimes of one database, each of which leases its part.

A single runtime takes all permits, and several take equal parts. If one wants more, each keeps as many as it can use.
If together they want more than there are, each gets its fair part: a runtime that wants less than an equal part gets
what it wants, and the rest is divided equally among the others; an indivisible remainder rotates. A runtime with more
than its part takes no more, and returns permits as they become free. A runtime that dies loses its permits with its
lease. In the common case there is one round trip every half second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from zeebe_connectors.runtime.ledger import LedgerError, Store
from zeebe_connectors.runtime.ledger.store import Transaction
from zeebe_connectors.runtime.outage import Outage

_LOOK = 0.5
"""Seconds between two queries of the database while permits are held or waited for."""
_SOON = 0.05  # seconds, while permits go from one runtime to another
_LEAST_PAUSE = 0.05  # minimum seconds between two queries
_IDLE_LOOKS = 4  # queries without any use after which all permits are returned
_PAUSE = 1.0  # seconds to wait when the database did not answer

_log = logging.getLogger("zeebe_connectors.limits")


def fair_parts(wanted: Mapping[str, int], total: int, turn: int = 0) -> dict[str, int]:
    """Returns each runtime's part.

    Args:
        wanted: How many permits each wants, by name.
        total: How many permits there are.
        turn: A counter that decides whose turn it is to get a share of the indivisible remainder.
    """
    parts = dict.fromkeys(wanted, 0)
    left = total
    unserved = sorted(name for name, count in wanted.items() if count > 0)
    while unserved:
        each = left // len(unserved)
        modest = [name for name in unserved if wanted[name] <= each]
        if not modest:
            rest = left - each * len(unserved)
            for place, name in enumerate(unserved):
                parts[name] = each + ((place + turn) % len(unserved) < rest)
            break
        for name in modest:
            parts[name] = wanted[name]
            left -= wanted[name]
            unserved.remove(name)
    return parts


@dataclass(frozen=True, slots=True)
class _Agreed:
    """What a query of the database found."""

    held: int
    target: int
    """How many permits may be in use from now on."""
    wanted: int
    equal: int
    """How many each has if all want more."""
    blocked: float
    """Seconds for which no request may begin."""


class Lease:
    """One runtime's part of the permits.

    Args:
        key: What is shared.
        store: The database.
        total: How many permits there are.
        owner: A unique name of this runtime.
        seconds: How long a lease lasts unless it is renewed.
        reserve: Seconds before the lease's end at which this runtime stops using it.
        linger: Seconds for which permits in use at the end stay taken.
        turn: Seconds after which the indivisible remainder goes to the next runtime.
        waiting: Returns how many requests wait for a permit.
        used: Returns how many permits are in use.
        wake: Called when there may be more permits than before.
    """

    def __init__(
        self,
        key: str,
        store: Store,
        total: int,
        *,
        owner: str,
        seconds: float,
        reserve: float,
        turn: float,
        waiting: Callable[[], int],
        used: Callable[[], int],
        wake: Callable[[], None],
        linger: float = 0.0,
    ) -> None:
        self._key = key
        self._store = store
        self._total = total
        self._owner = owner
        self._seconds = seconds
        self._reserve = reserve
        self._linger = linger
        self._turn = turn
        self._waiting = waiting
        self._used = used
        self._wake = wake
        self._held = 0
        self._target = 0
        self._wanted = 0
        self._until = 0.0
        self._task: asyncio.Task[None] | None = None
        self._now = asyncio.Event()
        self._closed = False
        self._looking = False
        self._outage = Outage(
            _log, f"The usage rules of {key}", "Nothing starts there until the ledger's database answers"
        )
        self.part = total
        """How many permits this runtime probably gets while all wait."""
        self.blocked_until = 0.0
        """Until when no request may begin, in seconds of `time.monotonic()`."""

    def allowed(self, now: float) -> int:
        """Returns how many permits may be in use."""
        return min(self._held, self._target) if now < self._until else 0

    def ask(self) -> None:
        """Notes that requests wait, or that the number of permits in use changed."""
        if self._closed:
            return
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._keep())
        elif self._looking or self._held < self._wanted:
            pass  # the next query is due soon anyway
        elif self._needs() > self._held or self._held > max(self._target, self._used()):
            self._now.set()

    async def block(self, seconds: float) -> None:
        """Stops all runtimes from beginning requests for that long."""
        self.blocked_until = max(self.blocked_until, time.monotonic() + seconds)

        def work(do: Transaction) -> None:
            do.change(
                "INSERT INTO limit_slots (name, until) VALUES (:name, :until) ON CONFLICT (name) DO UPDATE SET "
                "until = CASE WHEN limit_slots.until > excluded.until THEN limit_slots.until ELSE excluded.until END",
                {"name": self._key, "until": do.now() + seconds},
            )

        with self._reported():
            await self._store.write(work)

    async def aclose(self) -> None:
        """Returns all permits; those in use stay taken for `linger` seconds."""
        self._closed = True
        self._now.set()
        if self._task is not None:
            await asyncio.wait([self._task])
            await self._give_back()

    def _needs(self) -> int:
        return min(self._total, self._used() + self._waiting())

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except LedgerError as error:
            self._outage.failed(str(error))

    async def _keep(self) -> None:
        """Takes, renews and returns permits while any are held or waited for."""
        idle = 0
        while not self._closed:
            self._now.clear()
            pause = await self._look()
            idle = 0 if self._needs() else idle + 1
            if idle >= _IDLE_LOOKS:
                await self._give_back()
                if not self._needs():
                    return
                idle = 0
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._now.wait()
            if not self._closed:
                await asyncio.sleep(_LEAST_PAUSE)

    async def _look(self) -> float:
        """Agrees with the other runtimes once; returns the seconds until the next time."""
        needs, used, before = self._needs(), self._used(), self._held
        # Until the answer arrives, this runtime uses only what it is sure of: the rest may be given to another.
        self._held = min(before, used)
        self._looking = True
        began = time.monotonic()
        try:
            agreed = await self._store.write(lambda do: self._agreed(do, needs, used, before))
        except LedgerError as error:
            self._outage.failed(str(error))
            return _PAUSE
        finally:
            self._looking = False
        self._outage.over()
        self._held, self._target, self._wanted = agreed.held, agreed.target, agreed.wanted
        self._until = began + self._seconds - self._reserve
        self.part = max(1, agreed.target, agreed.equal)
        if agreed.blocked > 0:
            self.blocked_until = max(self.blocked_until, time.monotonic() + agreed.blocked)
        self._wake()
        moving = (
            agreed.held < min(agreed.wanted, agreed.target)
            or agreed.held > agreed.target
            or agreed.held > before  # it may have taken more than its part before others asked
        )
        return _SOON if moving else _LOOK

    def _agreed(self, do: Transaction, needs: int, used: int, before: int) -> _Agreed:
        now = do.now()
        # Lock one row first: a second runtime waits here until the first is done.
        do.change(
            "INSERT INTO limit_slots (name, until) VALUES (:name, :now) "
            "ON CONFLICT (name) DO UPDATE SET until = limit_slots.until",
            {"name": self._key, "now": now},
        )
        rows = do.rows_locked("SELECT until FROM limit_slots WHERE name = :name", {"name": self._key})
        others = do.rows(
            "SELECT owner, held, wanted FROM limit_permits WHERE name = :name AND owner <> :owner AND until > :now",
            {"name": self._key, "owner": self._owner, "now": now},
        )
        free = self._total - sum(int(held) for _, held, _ in others)
        equal = self._total // (1 + sum(1 for _, held, wanted in others if int(held) or int(wanted)))
        if any(int(wanted) > int(held) for _, held, wanted in others):
            all_wanted = {str(owner): int(wanted) for owner, _, wanted in others} | {self._owner: needs}
            target = fair_parts(all_wanted, self._total, int(now / self._turn))[self._owner]
        else:
            target = max(needs, min(before, self._total), equal if needs else 0)  # no other runtime waits
        held = max(used, min(target, free))
        self._write(do, held, needs, now + self._seconds)
        return _Agreed(held, target, needs, equal, float(rows[0][0]) - now)

    def _write(self, do: Transaction, held: int, wanted: int, until: float) -> None:
        do.change(
            "INSERT INTO limit_permits (name, owner, held, wanted, until) "
            "VALUES (:name, :owner, :held, :wanted, :until) ON CONFLICT (name, owner) DO UPDATE SET "
            "held = excluded.held, wanted = excluded.wanted, until = excluded.until",
            {"name": self._key, "owner": self._owner, "held": held, "wanted": wanted, "until": until},
        )

    async def _give_back(self) -> None:
        self._held = 0
        used = self._used() if self._linger else 0

        def work(do: Transaction) -> None:
            if used:
                self._write(do, used, 0, do.now() + self._linger)
            else:
                do.change(
                    "DELETE FROM limit_permits WHERE name = :name AND owner = :owner",
                    {"name": self._key, "owner": self._owner},
                )

        with self._reported():
            await self._store.write(work)
