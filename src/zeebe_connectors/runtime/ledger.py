"""The ledger: what inbound has handed over, per source and event; questions and facts go in, verdicts come out.

An event's way: nothing known -> `publishing` (the intention, written before the engine is asked) -> `published` ->
`done`. `ignored` ends one that no element wanted, `quarantined` one that cannot be handed over; `retry` is an
operator's word that a quarantined one shall be tried again. What is written survives a SIGKILL and a power cut.

A source is held by one owner at a time through a lease, and only the holder's intentions are accepted: two runtimes
that share a ledger never publish the same event side by side.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

State = Literal["publishing", "published", "done", "ignored", "quarantined", "retry"]
SETTLED = ("done", "ignored", "quarantined")
_LOCK_WAIT = 30.0  # seconds that a writer waits for another
RETENTION = 90 * 86400.0
"""Seconds for which a settled event is remembered after it was last seen outside."""
LARGEST_ORIGINAL = 25 * 1024 * 1024
"""Bytes of a quarantined event's original that are kept."""
_SEEN_EVERY = 86400.0  # a sighting is written at most once a day: most of them are the same mails again


class LedgerError(Exception):
    """The ledger cannot be used; says where it is, why and what to do."""


class NotHolder(Exception):  # noqa: N818 - not a failure: somebody else has the source now
    """Another owner holds the source; stop working on it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one event."""

    source: str
    id: str
    state: State
    tries: int = 0
    started: float = 0.0
    """When the engine was first asked, in seconds since 1970."""
    updated: float = 0.0
    reason: str = ""
    """Why it is in quarantine, or was ignored."""
    key: int = 0
    """Key of the message or of the process instance."""
    element: str = ""
    title: str = ""
    has_original: bool = False


class Ledger(Protocol):
    """One implementation per store; the tests are the same for all."""

    async def hold(self, source: str, owner: str, seconds: float) -> bool:
        """Takes or renews the lease of a source; False when another owner has it."""
        ...

    async def release(self, source: str, owner: str) -> None:
        """Gives the lease back, so that another owner need not wait for its end."""
        ...

    async def find(self, source: str, event: str, alias: str | None = None) -> Entry | None:
        """The entry of an event, or that of the same alias under another numbering."""
        ...

    async def settled(self, source: str, events: Mapping[str, str | None]) -> dict[str, State]:
        """Which of these ids (with their aliases) need nothing any more, and why; remembers that they were seen."""
        ...

    async def intend(
        self, source: str, event: str, *, owner: str, alias: str | None, element: str, title: str
    ) -> Entry | None:
        """Writes that the engine is about to be asked.

        Returns:
            The entry that was there before, when the engine may have been asked already; else None.

        Raises:
            NotHolder: The owner's lease is over.
        """
        ...

    async def record(self, source: str, event: str, state: State, *, key: int = 0, reason: str = "") -> None:
        """Writes how far an event has come."""
        ...

    async def quarantine(
        self, source: str, event: str, *, alias: str | None, reason: str, title: str, original: bytes | None
    ) -> None:
        """Puts an event aside with its reason and its original."""
        ...

    async def entries(
        self, *, source: str | None = None, state: State | None = None, most: int = 100
    ) -> Sequence[Entry]:
        """Entries, the newest first."""
        ...

    async def original(self, source: str, event: str) -> bytes | None:
        """The original of a quarantined event."""
        ...

    async def retry(self, source: str, event: str) -> bool:
        """Lets a quarantined event be tried again; False when there is none."""
        ...

    async def waiting(self, source: str) -> Sequence[str]:
        """Ids of the events that an operator wants to be tried again."""
        ...

    async def forget(self, source: str, event: str) -> bool:
        """Removes all that is known of an event; False when nothing is. It is new when it is seen again."""
        ...

    async def sweep(self, older_than: float = RETENTION) -> int:
        """Forgets settled events that were last seen so many seconds ago; gives how many."""
        ...

    async def aclose(self) -> None:
        """Closes the store."""
        ...


_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
  source TEXT NOT NULL, id TEXT NOT NULL, alias TEXT, state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
  started REAL NOT NULL DEFAULT 0, updated REAL NOT NULL, seen REAL NOT NULL, reason TEXT NOT NULL DEFAULT '',
  key INTEGER NOT NULL DEFAULT 0, element TEXT NOT NULL DEFAULT '', title TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (source, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS events_alias ON events (source, alias) WHERE alias IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_open ON events (state, updated) WHERE state NOT IN ('done', 'ignored');
CREATE INDEX IF NOT EXISTS events_updated ON events (updated);
CREATE TABLE IF NOT EXISTS originals (
  source TEXT NOT NULL, id TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (source, id));
CREATE TABLE IF NOT EXISTS leases (source TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 1;
"""
_COLUMNS = (
    "e.source, e.id, e.state, e.tries, e.started, e.updated, e.reason, e.key, e.element, e.title, "
    "EXISTS (SELECT 1 FROM originals o WHERE o.source = e.source AND o.id = e.id)"
)
ResultT = TypeVar("ResultT")


_OWN: set[str] = set()


def owner_name() -> str:
    """A name for this runtime in leases; it tells others on this machine when the process is gone."""
    name = f"{socket.gethostname()}|{_process_space()}|{os.getpid()}|{uuid.uuid4().hex[:8]}"
    _OWN.add(name)
    return name


def is_gone(owner: str) -> bool:
    """Whether an owner's process is certainly gone: then its lease need not be waited for."""
    host, _, rest = owner.partition("|")
    space, _, rest = rest.partition("|")
    pid = rest.partition("|")[0]
    if host != socket.gethostname() or not space or space != _process_space() or not pid.isdigit():
        return False
    if int(pid) == os.getpid():
        return owner not in _OWN
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:  # another user's: it is there
        return False
    return False


def _process_space() -> str:
    """The space in which process ids count, or empty where the system does not tell: containers have their own."""
    try:
        return Path("/proc/self/ns/pid").readlink().name
    except OSError:
        return ""


class SqliteLedger:
    """The ledger in one SQLite file, for runtimes on one machine.

    All statements run in one thread, each operation in one transaction. Other processes may use the file at the same
    time (`zeebe-connectors ledger`, a second runtime).

    Args:
        file: Made with its directory when it does not exist.
        clock: Seconds since 1970; leases and retention go by it.
        gone: Whether an owner needs its lease no longer.
    """

    def __init__(
        self, file: Path, *, clock: Callable[[], float] = time.time, gone: Callable[[str], bool] = is_gone
    ) -> None:
        self.file = file
        self._gone = gone
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._connection: sqlite3.Connection | None = None

    async def _run(self, work: Callable[[sqlite3.Connection, float], ResultT]) -> ResultT:
        """Does the work in the ledger's thread, to its end even when the caller is cancelled."""

        def transact() -> ResultT:
            try:
                connection = self._connection or self._open()
                with _transaction(connection):
                    return work(connection, self._clock())
            except sqlite3.Error as error:
                raise LedgerError(
                    f"The ledger {self.file} cannot be used: {error}. The directory must be writable, on a local disk "
                    "with room left; its place is the setting ZEEBE_CONNECTORS_DATA"
                ) from error

        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, transact))

    def _open(self) -> sqlite3.Connection:
        with contextlib.suppress(OSError):  # what stands in the way is told by connect()
            self.file.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.file, timeout=_LOCK_WAIT, isolation_level=None, check_same_thread=False)
        try:
            self._make_wal(connection)
            # An intention that a power cut undoes would start a second process.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -4096")
            connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    @staticmethod
    def _make_wal(connection: sqlite3.Connection) -> None:
        """Sets the journal's mode; SQLite does not wait by itself when two open a new file at the same moment."""
        ends = time.monotonic() + _LOCK_WAIT
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > ends:
                    raise
                time.sleep(0.02)
            else:
                return

    async def aclose(self) -> None:
        """See `Ledger.aclose`."""

        def close() -> None:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

        await asyncio.get_running_loop().run_in_executor(self._thread, close)
        self._thread.shutdown(wait=False)

    async def hold(self, source: str, owner: str, seconds: float) -> bool:
        """See `Ledger.hold`."""

        def work(db: sqlite3.Connection, now: float) -> bool:
            held = db.execute("SELECT owner FROM leases WHERE source = ?", (source,)).fetchone()
            if held is not None and held[0] != owner and self._gone(held[0]):
                db.execute("DELETE FROM leases WHERE source = ?", (source,))
            db.execute(
                "INSERT INTO leases VALUES (?, ?, ?) ON CONFLICT (source) DO UPDATE "
                "SET owner = excluded.owner, until = excluded.until WHERE owner = excluded.owner OR until <= ?",
                (source, owner, now + seconds, now),
            )
            return bool(db.execute("SELECT 1 FROM leases WHERE source = ? AND owner = ?", (source, owner)).fetchone())

        return await self._run(work)

    async def release(self, source: str, owner: str) -> None:
        """See `Ledger.release`."""
        await self._run(
            lambda db, _: db.execute("DELETE FROM leases WHERE source = ? AND owner = ?", (source, owner)).close()
        )

    async def find(self, source: str, event: str, alias: str | None = None) -> Entry | None:
        """See `Ledger.find`."""
        return await self._run(lambda db, _: _find(db, source, event, alias))

    async def settled(self, source: str, events: Mapping[str, str | None]) -> dict[str, State]:
        """See `Ledger.settled`."""

        def work(db: sqlite3.Connection, now: float) -> dict[str, State]:
            found: dict[str, State] = {}
            for ids in _batches(list(events), 500):
                marks = ",".join("?" * len(ids))
                rows = db.execute(
                    f"SELECT id, state, seen FROM events WHERE source = ? AND id IN ({marks})",  # noqa: S608 - marks only
                    (source, *ids),
                ).fetchall()
                known = {row[0] for row in rows}
                found |= {row[0]: row[1] for row in rows if row[1] in SETTLED}
                stale = [(now, source, row[0]) for row in rows if now - row[2] > _SEEN_EVERY]
                db.executemany("UPDATE events SET seen = ? WHERE source = ? AND id = ?", stale)
                for event in ids:
                    if event not in known and (alias := events[event]):
                        entry = _find(db, source, event, alias)
                        if entry is not None and entry.state in SETTLED:
                            found[event] = entry.state
            return found

        return await self._run(work)

    async def intend(
        self, source: str, event: str, *, owner: str, alias: str | None, element: str, title: str
    ) -> Entry | None:
        """See `Ledger.intend`."""

        def work(db: sqlite3.Connection, now: float) -> Entry | None:
            lease = db.execute("SELECT owner, until FROM leases WHERE source = ?", (source,)).fetchone()
            if lease is None or lease[0] != owner or lease[1] <= now:
                raise NotHolder(source)
            before = _find(db, source, event, alias)
            if before is not None and before.state != "retry":
                return before
            db.execute(
                "INSERT INTO events (source, id, alias, state, tries, started, updated, seen, element, title) "
                "VALUES (?, ?, ?, 'publishing', 1, ?, ?, ?, ?, ?) ON CONFLICT (source, id) DO UPDATE SET "
                "state = 'publishing', tries = tries + 1, started = excluded.started, updated = excluded.updated, "
                "reason = '', element = excluded.element",
                (source, event, alias, now, now, now, element, title[:200]),
            )
            return None

        return await self._run(work)

    async def record(self, source: str, event: str, state: State, *, key: int = 0, reason: str = "") -> None:
        """See `Ledger.record`."""

        def work(db: sqlite3.Connection, now: float) -> None:
            db.execute(
                "INSERT INTO events (source, id, state, updated, seen, key, reason) VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (source, id) DO UPDATE SET state = excluded.state, updated = excluded.updated, "
                "key = CASE excluded.key WHEN 0 THEN key ELSE excluded.key END, reason = excluded.reason",
                (source, event, state, now, now, key, reason),
            )
            if state == "done":
                db.execute("DELETE FROM originals WHERE source = ? AND id = ?", (source, event))

        await self._run(work)

    async def quarantine(
        self, source: str, event: str, *, alias: str | None, reason: str, title: str, original: bytes | None
    ) -> None:
        """See `Ledger.quarantine`."""

        def work(db: sqlite3.Connection, now: float) -> None:
            db.execute(
                "INSERT INTO events (source, id, alias, state, updated, seen, reason, title) "
                "VALUES (?, ?, ?, 'quarantined', ?, ?, ?, ?) ON CONFLICT (source, id) DO UPDATE SET "
                "state = 'quarantined', updated = excluded.updated, reason = excluded.reason",
                (source, event, alias, now, now, reason[:2000], title[:200]),
            )
            if original is not None and len(original) <= LARGEST_ORIGINAL:
                db.execute("INSERT OR REPLACE INTO originals VALUES (?, ?, ?)", (source, event, original))

        await self._run(work)

    async def entries(
        self, *, source: str | None = None, state: State | None = None, most: int = 100
    ) -> Sequence[Entry]:
        """See `Ledger.entries`."""
        conditions = [(name, value) for name, value in (("source", source), ("state", state)) if value is not None]
        where = " AND ".join(f"e.{name} = ?" for name, _ in conditions) or "1"
        query = f"SELECT {_COLUMNS} FROM events e WHERE {where} ORDER BY e.updated DESC LIMIT ?"  # noqa: S608 - fixed names
        values = (*(value for _, value in conditions), most)
        return await self._run(lambda db, _: [_entry(row) for row in db.execute(query, values)])

    async def original(self, source: str, event: str) -> bytes | None:
        """See `Ledger.original`."""

        def work(db: sqlite3.Connection, _: float) -> bytes | None:
            row = db.execute("SELECT data FROM originals WHERE source = ? AND id = ?", (source, event)).fetchone()
            return None if row is None else bytes(row[0])

        return await self._run(work)

    async def retry(self, source: str, event: str) -> bool:
        """See `Ledger.retry`."""

        def work(db: sqlite3.Connection, now: float) -> bool:
            changed = db.execute(
                "UPDATE events SET state = 'retry', updated = ? WHERE source = ? AND id = ? AND state = 'quarantined'",
                (now, source, event),
            )
            return changed.rowcount > 0

        return await self._run(work)

    async def waiting(self, source: str) -> Sequence[str]:
        """See `Ledger.waiting`."""
        return await self._run(
            lambda db, _: [
                row[0] for row in db.execute("SELECT id FROM events WHERE state = 'retry' AND source = ?", (source,))
            ]
        )

    async def forget(self, source: str, event: str) -> bool:
        """See `Ledger.forget`."""

        def work(db: sqlite3.Connection, _: float) -> bool:
            db.execute("DELETE FROM originals WHERE source = ? AND id = ?", (source, event))
            return db.execute("DELETE FROM events WHERE source = ? AND id = ?", (source, event)).rowcount > 0

        return await self._run(work)

    async def sweep(self, older_than: float = RETENTION) -> int:
        """See `Ledger.sweep`."""

        def work(db: sqlite3.Connection, now: float) -> int:
            gone = db.execute("DELETE FROM events WHERE state IN ('done', 'ignored') AND seen < ?", (now - older_than,))
            db.execute("DELETE FROM leases WHERE until < ?", (now - older_than,))
            return gone.rowcount

        return await self._run(work)


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")  # a deferred one fails instead of waiting when another process writes meanwhile
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _entry(row: Sequence[object]) -> Entry:
    *values, has_original = row
    return Entry(*values, has_original=bool(has_original))  # type: ignore[arg-type, misc]


def _find(db: sqlite3.Connection, source: str, event: str, alias: str | None) -> Entry | None:
    query = f"SELECT {_COLUMNS} FROM events e WHERE e.source = ? AND "  # noqa: S608 - fixed names
    row = db.execute(query + "e.id = ?", (source, event)).fetchone()
    if row is None and alias is not None:
        root, numbering = _numbering(event)
        for other in db.execute(query + "e.alias = ?", (source, alias)):
            other_root, other_numbering = _numbering(other[1])
            if other_root == root and other_numbering != numbering:
                return _entry(other)
    return None if row is None else _entry(row)


def _numbering(event: str) -> tuple[str, str]:
    """An id without its last two parts, and the last but one: the place, and how it numbers its things."""
    place, _, _ = event.rpartition("/")
    root, _, numbering = place.rpartition("/")
    return root, numbering


def _batches(items: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
