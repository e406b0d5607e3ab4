"""Keep failed jobs in the ledger's database for a day, so that they survive a restart and other replicas see them.

Failures are written in batches, at most a second after the first. If the database is away, that costs a line in the log
and the oldest waiting failures, never a job.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from zeebe_connectors.runtime.ledger import LedgerError, Store
from zeebe_connectors.runtime.ledger.store import Transaction, plain
from zeebe_connectors.runtime.outage import Outage
from zeebe_connectors.runtime.record import RecordedJob

RETENTION_SECONDS = 86400.0
MAX_LOADED = 2000
"""Maximum number of the last day's failures to read at the start."""
MAX_WAITING = 1000
"""Maximum number of failures that wait to be written; beyond that, the oldest are dropped."""
WRITE_AFTER = 1.0
_SWEEP_EVERY = 3600.0
_TABLE = (
    "CREATE TABLE IF NOT EXISTS failures (key BIGINT NOT NULL, at DOUBLE PRECISION NOT NULL, replica TEXT NOT NULL, "
    "job TEXT NOT NULL, PRIMARY KEY (key, at))"
)
_log = logging.getLogger("zeebe_connectors.runtime")


class FailureStore:
    """The failed jobs of the last day, of all replicas on one ledger.

    Args:
        store: The ledger's database.
        clock: Seconds since 1970.
    """

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._replica = socket.gethostname()
        self._waiting: deque[RecordedJob] = deque(maxlen=MAX_WAITING)
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._is_made = False
        self._swept = 0.0
        self._outage = Outage(_log, "Failed jobs cannot be kept in the ledger", "See ZEEBE_CONNECTORS_LEDGER")

    def add(self, job: RecordedJob) -> None:
        """Adds a failed job; it is written soon."""
        self._waiting.append(job)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WRITE_AFTER, self._begin)

    def _begin(self) -> None:
        self._timer = None
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self.write())

    async def write(self) -> None:
        """Writes the waiting failures."""
        jobs = list(self._waiting)
        self._waiting.clear()
        try:
            await self._store.write(lambda do: self._write(do, jobs))
        except LedgerError as error:
            self._outage.failed(str(error), error=None)
            self._waiting.extendleft(reversed(jobs[-(MAX_WAITING - len(self._waiting)) :]))
        else:
            self._outage.over()

    def _write(self, do: Transaction, jobs: Sequence[RecordedJob]) -> None:
        self._make(do)
        do.change_each(
            "INSERT INTO failures (key, at, replica, job) VALUES (:key, :at, :replica, :job) ON CONFLICT DO NOTHING",
            [
                {"key": job.key, "at": job.at, "replica": self._replica, "job": plain(json.dumps(job._asdict()))}
                for job in jobs
            ],
        )
        if self._clock() - self._swept > _SWEEP_EVERY:
            do.change("DELETE FROM failures WHERE at < :old", {"old": self._clock() - RETENTION_SECONDS})
            self._swept = self._clock()

    def _make(self, do: Transaction) -> None:
        if not self._is_made:
            do.change(_TABLE, {})
            self._is_made = True

    async def recent(self) -> list[RecordedJob]:
        """Returns the failures of the last day, the newest first.

        Raises:
            LedgerError: The database cannot be used.
        """
        return await self._found("at > :old ORDER BY at DESC LIMIT :limit", {"limit": MAX_LOADED})

    async def of(self, key: int) -> list[RecordedJob]:
        """Returns the failed tries of one job, the newest first.

        Raises:
            LedgerError: The database cannot be used.
        """
        return await self._found("key = :key AND at > :old ORDER BY at DESC LIMIT 100", {"key": key})

    async def _found(self, where: str, values: dict[str, Any]) -> list[RecordedJob]:
        def work(do: Transaction) -> list[RecordedJob]:
            self._make(do)
            rows = do.rows(
                f"SELECT replica, job FROM failures WHERE {where}",  # noqa: S608 - our own words only
                {**values, "old": self._clock() - RETENTION_SECONDS},
            )
            return [_job(replica, text) for replica, text in rows]

        return await (self._store.read if self._is_made else self._store.write)(work)

    async def aclose(self) -> None:
        """Writes the failures that still wait."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing is not None:
            await asyncio.wait([self._writing])
        if self._waiting:
            await self.write()


def _job(replica: str, text: str) -> RecordedJob:
    found = json.loads(text)
    known = {name: value for name, value in found.items() if name in RecordedJob._fields}
    return RecordedJob(**{**known, "steps": tuple(known.get("steps", ())), "replica": replica})
