"""Remember what connectors must not forget, in the ledger's database: texts by place and id.

Concurrent reads share one query and concurrent writes share one transaction: each waits for the disk once, together
with everything that arrived while the disk was busy.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from zeebe_connectors.runtime.ledger.protocol import RETENTION, SEEN_EVERY, LedgerError
from zeebe_connectors.runtime.ledger.store import Store, Transaction, marks, plain
from zeebe_connectors.sdk.errors import TransientError

_GROUP = 200  # maximum texts that are read or written together
_ALONE_AFTER = 1.0  # seconds for which deferrable writes wait to join another write
_MAX_ID = 500
_SWEEP_EVERY = 6 * 3600.0
Key = tuple[str, str]
AskT = TypeVar("AskT")
AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class Remembered:
    """One text."""

    place: str
    id: str
    text: str
    seen: float
    """When it was last written or read, in seconds since 1970, within a day."""


class StoredMemory:
    """The memory in a database.

    Args:
        store: Where the rows are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._recalls = _Grouped(self._recall)
        self._writes = _Grouped(self._remember)
        self._discarded: dict[Key, None] = {}
        self._seen: dict[Key, float] = {}
        """Texts that were read again after a long time, and when; writing this can wait."""
        self._timer: asyncio.TimerHandle | None = None
        self._swept: float | None = None

    async def recall(self, place: str, ids: Iterable[str]) -> dict[str, str]:
        """See `Memory.recall`."""
        wanted = list(dict.fromkeys(ids))
        if len(wanted) == 1:  # the usual case
            key = _key(place, wanted[0])
            found_now = self._store.read_now(lambda do: _found(do, [key]))
            answers = [await self._recalls.ask(key) if found_now is None else self._noted(*found_now).get(key)]
        else:
            answers = await asyncio.gather(*(self._recalls.ask(_key(place, each)) for each in wanted))
        return {each: text for each, text in zip(wanted, answers, strict=True) if text is not None}

    async def remember(self, place: str, id: str, text: str) -> str:  # noqa: A002 - the word for it
        """See `Memory.remember`."""
        key = _key(place, id)
        self._discarded.pop(key, None)
        return await self._writes.ask((*key, plain(text)))

    async def forget(self, place: str, id: str) -> None:  # noqa: A002
        """See `Memory.forget`."""
        await _usable(self._store.write(lambda do: _delete(do, [_key(place, id)])))

    def discard_later(self, place: str, id: str) -> None:  # noqa: A002
        """See `Memory.discard_later`."""
        self._discarded[_key(place, id)] = None
        self._write_soon()

    def _noted(self, found: dict[Key, str], stale: dict[Key, float]) -> dict[Key, str]:
        """Returns what was found; the time of the read is written later, because the answer must not wait for that."""
        if stale:
            self._seen |= stale
            self._write_soon()
        return found

    def _write_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_ALONE_AFTER, self._write_alone)

    def _no_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _write_alone(self) -> None:
        """Writes what was deferred, although there is no other write to join."""
        self._timer = None
        if (self._discarded or self._seen) and not self._writes.begin():
            self._write_soon()

    async def entries(self, *, place: str | None = None, limit: int = 100) -> Sequence[Remembered]:
        """Returns the remembered texts, the most recently seen first."""
        where = "1 = 1" if place is None else "place = :place"
        query = f"SELECT place, id, text, seen FROM memory WHERE {where} ORDER BY seen DESC LIMIT :limit"  # noqa: S608 - fixed names
        values = {"limit": limit} | ({} if place is None else {"place": place})
        return await self._store.read(lambda do: [Remembered(*row) for row in do.rows(query, values)])

    async def aclose(self) -> None:
        """Writes what was deferred; the store stays open."""
        self._no_timer()
        await self._writes.idle()
        await self._recalls.idle()
        if self._discarded or self._seen:
            self._writes.begin()
        await self._writes.idle()
        self._no_timer()

    async def _recall(self, keys: Sequence[Key]) -> Sequence[str | None]:
        found = self._noted(*await self._store.read(lambda do: _found(do, keys)))
        return [found.get(key) for key in keys]

    async def _remember(self, texts: Sequence[tuple[str, str, str]]) -> Sequence[str]:
        self._no_timer()
        gone, self._discarded = list(self._discarded), {}
        seen, self._seen = self._seen, {}
        is_due = self._swept is None or time.monotonic() - self._swept > _SWEEP_EVERY

        def write(do: Transaction) -> Sequence[str]:
            # Always in the same order, so that two replicas that write the same rows cannot deadlock.
            do.change_each(
                "UPDATE memory SET seen = :seen WHERE place = :place AND id = :id",
                [{"place": place, "id": each, "seen": seen[place, each]} for place, each in sorted(seen)],
            )
            if is_due:
                do.change("DELETE FROM memory WHERE seen < :before", {"before": do.now() - RETENTION})
            ordered = sorted(texts, key=lambda each: each[:2])
            rows = [{"place": place, "id": each, "text": text, "seen": do.now()} for place, each, text in ordered]
            do.change_each(
                "INSERT INTO memory (place, id, text, seen) VALUES (:place, :id, :text, :seen) "
                "ON CONFLICT (place, id) DO NOTHING",
                rows,
            )
            known: dict[Key, str] = {}
            for place in dict.fromkeys(place for place, _, _ in texts):
                names, values = marks([each for its, each, _ in texts if its == place])
                query = f"SELECT id, text FROM memory WHERE place = :place AND id IN ({names})"  # noqa: S608 - names only
                known |= {(place, row[0]): row[1] for row in do.rows(query, {"place": place, **values})}
            _delete(do, sorted(gone))  # last: what is both remembered and discarded here was discarded later
            return [known.get((place, each), text) for place, each, text in texts]

        answers = await self._store.write(write)
        if is_due:
            self._swept = time.monotonic()
        return answers


class _Grouped(Generic[AskT, AnswerT]):
    """Answers questions in groups: those that arrive while one group is answered form the next."""

    def __init__(self, answer: Callable[[Sequence[AskT]], Awaitable[Sequence[AnswerT]]]) -> None:
        self._answer = answer
        self._waiting: list[tuple[AskT, asyncio.Future[AnswerT]]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, question: AskT) -> AnswerT:
        """Returns the answer; the question is completed even if the caller is cancelled."""
        future: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        self.begin()
        return await future

    def begin(self) -> bool:
        """Answers the waiting questions, if any; False while a group is in progress, which they then follow."""
        if self._task is not None and not self._task.done():
            return False
        self._task = asyncio.get_running_loop().create_task(self._work())
        return True

    async def idle(self) -> None:
        """Waits until nobody waits."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        first = True
        while self._waiting or first:
            first = False
            group, self._waiting = self._waiting[:_GROUP], self._waiting[_GROUP:]
            try:
                answers = await _usable(self._answer([question for question, _ in group]))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is raised to those who wait
                for _, future in group:
                    if not future.done():
                        future.set_exception(error)
            else:
                for (_, future), answer in zip(group, answers, strict=True):
                    if not future.done():
                        future.set_result(answer)


def _found(do: Transaction, keys: Sequence[Key]) -> tuple[dict[Key, str], dict[Key, float]]:
    """Reads texts, and notes the time for those that were not read for long."""
    found: dict[Key, str] = {}
    stale: dict[Key, float] = {}
    for place in dict.fromkeys(place for place, _ in keys):
        names, values = marks([each for its, each in keys if its == place])
        query = f"SELECT id, text, seen FROM memory WHERE place = :place AND id IN ({names})"  # noqa: S608 - names only
        for each, text, seen in do.rows(query, {"place": place, **values}):
            found[place, each] = text
            if do.now() - seen > SEEN_EVERY:
                stale[place, each] = do.now()
    return found, stale


def _key(place: str, id: str) -> Key:  # noqa: A002
    """Returns place and id in a form that every database accepts: one that is refused would fail its whole group."""
    if len(id) > _MAX_ID:  # too long for a PostgreSQL index
        id = f"{id[:400]}…{hashlib.blake2b(id.encode(errors='replace'), digest_size=16).hexdigest()}"  # noqa: A001
    return plain(place), plain(id)


def _delete(do: Transaction, keys: Sequence[Key]) -> None:
    do.change_each(
        "DELETE FROM memory WHERE place = :place AND id = :id", [{"place": place, "id": each} for place, each in keys]
    )


async def _usable(work: Awaitable[AnswerT]) -> AnswerT:
    try:
        return await work
    except LedgerError as error:
        raise TransientError("LEDGER_UNAVAILABLE", str(error)) from error
