"""Record the progress of events, each step in one transaction, in any store."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from zeebe_connectors.runtime.ledger.owners import is_gone
from zeebe_connectors.runtime.ledger.protocol import (
    MAX_ORIGINAL,
    MAX_SEARCHED,
    ORIGINAL_RETENTION,
    RETENTION,
    SEEN_EVERY,
    SETTLED,
    Entry,
    NotHolder,
    Search,
    State,
    Unsettled,
)
from zeebe_connectors.runtime.ledger.sqlite import SqliteStore
from zeebe_connectors.runtime.ledger.store import Store, Transaction, marks, plain
from zeebe_connectors.sdk.event import Alias

_COLUMNS = (
    "e.source, e.id, e.state, e.tries, e.started, e.updated, e.reason, e.key, e.element, e.title, "
    "e.delivered, EXISTS (SELECT 1 FROM originals o WHERE o.source = e.source AND o.id = e.id)"
)

_OPEN = "e.state NOT IN ('done', 'ignored')"
"""The condition of the index `events_open`, repeated literally so that databases use the index."""


class StoredLedger:
    """The ledger in a database.

    Args:
        store: Where the rows are.
        gone: Whether an owner's process has ended, so that it no longer needs its lease.
    """

    def __init__(self, store: Store, *, gone: Callable[[str], bool] = is_gone) -> None:
        self.store = store
        self._gone = gone

    async def aclose(self) -> None:
        """See `Ledger.aclose`."""
        await self.store.aclose()

    async def hold(self, source: str, owner: str, seconds: float) -> bool:
        """See `Ledger.hold`."""

        def work(do: Transaction) -> bool:
            held = do.rows("SELECT owner FROM leases WHERE source = :source", {"source": source})
            gone = next((row[0] for row in held if row[0] != owner and self._gone(row[0])), "")
            # A single statement decides, even if others want the lease at the same moment.
            changed = do.change(
                "INSERT INTO leases (source, owner, until) VALUES (:source, :owner, :until) "
                "ON CONFLICT (source) DO UPDATE SET owner = excluded.owner, until = excluded.until "
                "WHERE leases.owner = excluded.owner OR leases.owner = :gone OR leases.until <= :now",
                {"source": source, "owner": owner, "until": do.now() + seconds, "gone": gone, "now": do.now()},
            )
            return changed > 0

        return await self.store.write(work)

    async def release(self, source: str, owner: str) -> None:
        """See `Ledger.release`."""
        values = {"source": source, "owner": owner}
        await self.store.write(
            lambda do: do.change("DELETE FROM leases WHERE source = :source AND owner = :owner", values)
        )

    async def leases(self) -> Sequence[tuple[str, str, float]]:
        """Returns source, owner and seconds left of each lease, including expired ones."""

        def work(do: Transaction) -> Sequence[tuple[str, str, float]]:
            rows = do.rows("SELECT source, owner, until FROM leases ORDER BY source LIMIT 10000", {})
            return [(source, owner, until - do.now()) for source, owner, until in rows]

        return await self.store.read(work)

    async def find(self, source: str, event: str, alias: Alias | None = None) -> Entry | None:
        """See `Ledger.find`."""
        return await self.store.read(lambda do: _find(do, source, event, alias))

    async def settled(self, source: str, events: Mapping[str, Alias | None]) -> dict[str, State]:
        """See `Ledger.settled`."""

        def work(do: Transaction) -> dict[str, State]:
            found: dict[str, State] = {}
            for ids in _batches(sorted(events), 500):
                names, values = marks(ids)
                rows = do.rows(
                    f"SELECT id, state, seen FROM events WHERE source = :source AND id IN ({names})",  # noqa: S608 - names only
                    {"source": source, **values},
                )
                known = {row[0] for row in rows}
                found |= {row[0]: row[1] for row in rows if row[1] in SETTLED}
                stale = [
                    {"seen": do.now(), "source": source, "id": row[0]} for row in rows if do.now() - row[2] > SEEN_EVERY
                ]
                do.change_each("UPDATE events SET seen = :seen WHERE source = :source AND id = :id", stale)
                for event in ids:
                    if event not in known and (alias := events[event]):
                        entry = _find(do, source, event, alias)
                        if entry is not None and entry.state in SETTLED:
                            found[event] = entry.state
                            do.change(
                                "UPDATE events SET seen = :now WHERE source = :source AND id = :id AND seen < :stale",
                                {"now": do.now(), "source": source, "id": entry.id, "stale": do.now() - SEEN_EVERY},
                            )
            return found

        return await self.store.write(work)

    async def alike(self, source: str, events: Mapping[str, Alias]) -> Mapping[str, Mapping[str, int]]:
        """See `Ledger.alike`."""
        by_text: dict[str, list[tuple[str, Alias]]] = {}
        for event, alias in events.items():
            if alias.size:
                by_text.setdefault(plain(alias.text), []).append((event, alias))

        def work(do: Transaction) -> dict[str, dict[str, int]]:
            found: dict[str, dict[str, int]] = {}
            for texts in _batches(sorted(by_text), 500):
                names, values = marks(texts)
                rows = do.rows(
                    "SELECT id, alias, place, numbering, size, newest FROM events "  # noqa: S608 - names only
                    f"WHERE source = :source AND alias IN ({names}) AND size IS NOT NULL",
                    {"source": source, **values},
                )
                for earlier, text, place, numbering, size, newest in rows:
                    for event, alias in by_text[text]:
                        same = (plain(alias.place), plain(alias.numbering), str(alias.size))
                        if earlier != event and same == (place, numbering, size):
                            found.setdefault(event, {})[earlier] = int(newest or 0)
            return found

        return await self.store.read(work) if by_text else {}

    async def intend(
        self, source: str, event: str, *, owner: str, alias: Alias | None, element: str, title: str
    ) -> Entry | None:
        """See `Ledger.intend`."""

        def work(do: Transaction) -> Entry | None:
            # Locked until the transaction ends: a successor takes the lease before it, or after the intention is
            # stored.
            query = "SELECT owner, until FROM leases WHERE source = :source"
            lease = do.rows_locked(query, {"source": source})
            if not lease or lease[0][0] != owner or lease[0][1] <= do.now():
                raise NotHolder(source)
            before = _find(do, source, event, alias)
            if before is not None and before.state != "retry":
                return replace(before, age=do.now() - before.started)
            do.change(
                "INSERT INTO events (source, id, alias, place, numbering, size, newest, state, tries, started, "
                "updated, seen, element, title) VALUES (:source, :id, :alias, :place, :numbering, :size, :newest, "
                "'publishing', 1, :now, :now, :now, :element, :title) "
                "ON CONFLICT (source, id) DO UPDATE SET state = 'publishing', tries = events.tries + 1, "
                "started = excluded.started, updated = excluded.updated, reason = '', element = excluded.element",
                {
                    "source": source,
                    "id": event,
                    **_alias_values(alias),
                    "now": do.now(),
                    "element": element,
                    "title": plain(title[:200]),
                },
            )
            return None

        return await self.store.write(work)

    async def record(
        self, source: str, event: str, state: State, *, key: int = 0, reason: str = "", title: str = ""
    ) -> None:
        """See `Ledger.record`."""

        def work(do: Transaction) -> None:
            place = {"source": source, "id": event}
            do.change(
                "INSERT INTO events (source, id, state, updated, seen, key, reason, title) "
                "VALUES (:source, :id, :state, :now, :now, :key, :reason, :title) "
                "ON CONFLICT (source, id) DO UPDATE SET state = excluded.state, updated = excluded.updated, "
                "key = CASE excluded.key WHEN 0 THEN events.key ELSE excluded.key END, reason = excluded.reason, "
                "title = CASE excluded.title WHEN '' THEN events.title ELSE excluded.title END",
                {**place, "state": state, "now": do.now(), "key": key, "reason": plain(reason), "title": plain(title)},
            )

        await self.store.write(work)

    async def deliver(self, source: str, event: str, delivered: Sequence[str], *, key: int = 0) -> None:
        """See `Ledger.deliver`."""
        values = {"source": source, "id": event, "delivered": json.dumps(list(delivered)), "key": key}
        await self.store.write(
            lambda do: do.change(
                "UPDATE events SET delivered = :delivered, key = CASE WHEN :key = 0 THEN events.key ELSE :key END "
                "WHERE source = :source AND id = :id",
                values,
            )
        )

    async def quarantine(
        self, source: str, event: str, *, alias: Alias | None, reason: str, title: str, original: bytes | None
    ) -> None:
        """See `Ledger.quarantine`."""

        def work(do: Transaction) -> None:
            place = {"source": source, "id": event}
            # A runtime that slept through its lease must not undo what its successor has done since.
            changed = do.change(
                "INSERT INTO events (source, id, alias, place, numbering, size, newest, state, updated, seen, reason, "
                "title) VALUES (:source, :id, :alias, :place, :numbering, :size, :newest, 'quarantined', :now, :now, "
                ":reason, :title) "
                "ON CONFLICT (source, id) DO UPDATE SET state = 'quarantined', updated = excluded.updated, "
                "reason = excluded.reason WHERE events.state NOT IN ('published', 'done', 'ignored')",
                {
                    **place,
                    **_alias_values(alias),
                    "now": do.now(),
                    "reason": plain(reason[:2000]),
                    "title": plain(title[:200]),
                },
            )
            if changed and original is not None and len(original) <= MAX_ORIGINAL:
                do.change(
                    "INSERT INTO originals (source, id, data) VALUES (:source, :id, :data) "
                    "ON CONFLICT (source, id) DO UPDATE SET data = excluded.data",
                    {**place, "data": original},
                )

        await self.store.write(work)

    async def entries(
        self, *, source: str | None = None, state: State | None = None, search: Search | None = None, limit: int = 100
    ) -> Sequence[Entry]:
        """See `Ledger.entries`."""
        values: dict[str, object] = {
            name: value for name, value in (("source", source), ("state", state)) if value is not None
        }
        where = " AND ".join(f"e.{name} = :{name}" for name in values) or "1 = 1"
        if state is not None and state not in {"done", "ignored"}:
            where = f"{where} AND {_OPEN}"
        query = f"SELECT {_COLUMNS} FROM events e WHERE {where} ORDER BY e.updated DESC LIMIT :limit"  # noqa: S608 - fixed names
        if search is not None:
            searched, found = _search(search)
            values |= found
            newest = f"SELECT * FROM events e WHERE {where} ORDER BY e.updated DESC LIMIT {MAX_SEARCHED}"  # noqa: S608 - fixed names
            query = f"SELECT {_COLUMNS} FROM ({newest}) e WHERE {searched} ORDER BY e.updated DESC LIMIT :limit"  # noqa: S608 - fixed names
        return await self.store.read(lambda do: [_entry(row) for row in do.rows(query, {**values, "limit": limit})])

    async def unsettled(self) -> Sequence[Unsettled]:
        """See `Ledger.unsettled`."""
        query = (
            "SELECT e.source, e.state, COUNT(*), MIN(e.updated) FROM events e WHERE "  # noqa: S608 - fixed names
            f"e.state IN ('publishing', 'published', 'quarantined', 'retry') AND {_OPEN} "
            "GROUP BY e.source, e.state ORDER BY e.source, e.state"
        )
        return await self.store.read(lambda do: [Unsettled(*row) for row in do.rows(query, {})])

    async def original(self, source: str, event: str) -> bytes | None:
        """See `Ledger.original`."""

        def work(do: Transaction) -> bytes | None:
            found = do.rows(
                "SELECT data FROM originals WHERE source = :source AND id = :id", {"source": source, "id": event}
            )
            return bytes(found[0][0]) if found else None

        return await self.store.read(work)

    async def original_size(self, source: str, event: str) -> int | None:
        """See `Ledger.original_size`."""
        query = "SELECT LENGTH(data) FROM originals WHERE source = :source AND id = :id"
        rows = await self.store.read(lambda do: do.rows(query, {"source": source, "id": event}))
        return int(rows[0][0]) if rows else None

    async def retry(self, source: str, event: str) -> bool:
        """See `Ledger.retry`."""

        def work(do: Transaction) -> bool:
            changed = do.change(
                "UPDATE events SET state = 'retry', updated = :now "
                "WHERE source = :source AND id = :id AND state = 'quarantined'",
                {"now": do.now(), "source": source, "id": event},
            )
            return changed > 0

        return await self.store.write(work)

    async def waiting(self, source: str) -> Sequence[str]:
        """See `Ledger.waiting`."""
        query = f"SELECT e.id FROM events e WHERE e.state = 'retry' AND e.source = :source AND {_OPEN}"  # noqa: S608 - fixed names
        return await self.store.read(lambda do: [row[0] for row in do.rows(query, {"source": source})])

    async def forget(self, source: str, event: str) -> bool:
        """See `Ledger.forget`."""

        def work(do: Transaction) -> bool:
            place = {"source": source, "id": event}
            do.change("DELETE FROM originals WHERE source = :source AND id = :id", place)
            return do.change("DELETE FROM events WHERE source = :source AND id = :id", place) > 0

        return await self.store.write(work)

    async def sweep(self, older_than: float = RETENTION) -> int:
        """See `Ledger.sweep`."""

        def work(do: Transaction) -> int:
            before = {"before": do.now() - older_than}
            decided = {"decided": do.now() - min(older_than, ORIGINAL_RETENTION)}
            do.change("DELETE FROM leases WHERE until < :before", before)
            swept = do.change(
                "DELETE FROM events WHERE state IN ('done', 'ignored') AND seen < :before AND updated < :decided",
                before | decided,
            )
            do.change(
                "DELETE FROM originals WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.source = originals.source "
                "AND e.id = originals.id AND (e.state NOT IN ('done', 'ignored') OR e.updated >= :decided))",
                decided,
            )
            return swept

        return await self.store.write(work)


class SqliteLedger(StoredLedger):
    """The ledger in one SQLite file, with a store of its own.

    Args:
        file: Created with its directory if it does not exist.
        clock: Seconds since 1970, for leases and retention.
        gone: Whether an owner's process has ended, so that it no longer needs its lease.
    """

    def __init__(
        self, file: Path, *, clock: Callable[[], float] = time.time, gone: Callable[[str], bool] = is_gone
    ) -> None:
        super().__init__(SqliteStore(file, clock=clock), gone=gone)


def _entry(row: Sequence[object]) -> Entry:
    *values, delivered, has_original = row
    names = tuple(json.loads(str(delivered))) if delivered else ()
    return Entry(*values, has_original=bool(has_original), delivered=names)  # type: ignore[arg-type, misc]


def _find(do: Transaction, source: str, event: str, alias: Alias | None) -> Entry | None:
    query = f"SELECT {_COLUMNS} FROM events e WHERE e.source = :source AND "  # noqa: S608 - fixed names
    rows = do.rows(query + "e.id = :id", {"source": source, "id": event})
    if not rows and alias is not None:
        values = {"text": plain(alias.text), "place": plain(alias.place), "numbering": plain(alias.numbering)}
        names, left = marks(alias.left)
        rows = do.rows(
            query + "e.alias = :text AND e.place = :place AND (e.numbering <> :numbering"
            f"{f' OR e.id IN ({names})' if left else ''}) ORDER BY e.updated DESC",
            {"source": source, **values, **left},
        )
    return _entry(rows[0]) if rows else None


def _search(search: Search) -> tuple[str, dict[str, object]]:
    """Returns the condition of a search, and its values; case matters outside ASCII, where databases differ."""
    columns = ["id", "source", "reason", "element", *(["title"] if search.titles else [])]
    text = re.sub(r"([%_~])", r"~\1", plain(search.text))
    either = [f"e.{name} LIKE :part ESCAPE '~' OR LOWER(e.{name}) LIKE :lower ESCAPE '~'" for name in columns]
    return f"({' OR '.join(either)})", {"part": f"%{text}%", "lower": f"%{text.lower()}%"}


def _alias_values(alias: Alias | None) -> dict[str, str | None]:
    if alias is None:
        return {"alias": None, "place": None, "numbering": None, "size": None, "newest": None}
    return {
        "alias": plain(alias.text),
        "place": plain(alias.place),
        "numbering": plain(alias.numbering),
        "size": str(alias.size),
        "newest": str(alias.newest),
    }


def _batches(items: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
