"""What a connector remembered is there for whoever does the work again, on every store, and costs little."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sqlite3
import sys
import time

import pytest

from zeebe_connectors import TransientError
from zeebe_connectors.runtime.ledger import LedgerError, SqliteStore, StoredLedger, StoredMemory
from zeebe_connectors.sdk.memory import ShortMemory


@pytest.fixture
async def memory(stores):
    return StoredMemory(stores.ledger().store)


async def test_what_was_there_first_stays(memory):
    for each in (memory, ShortMemory()):
        assert await each.recall("smtp", ["a"]) == {}
        assert await each.remember("smtp", "a", "first") == "first"
        assert await each.remember("smtp", "a", "second") == "first"
        assert await each.remember("imap", "a", "other") == "other"
        assert await each.recall("smtp", ["a", "b"]) == {"a": "first"}
        await each.forget("smtp", "a")
        assert await each.recall("smtp", ["a"]) == {}
        assert await each.recall("imap", ["a"]) == {"a": "other"}


async def test_many_at_once_get_what_is_theirs(stores):
    """Two runtimes, and of those that remember the same each is told the same."""
    one, two = (StoredMemory(stores.ledger().store) for _ in range(2))
    answers = await asyncio.gather(*(
        memory.remember(f"place {number % 3}", str(number % 50), f"{name} {number}")
        for number in range(300)
        for name, memory in (("one", one), ("two", two))
    ))  # fmt: skip
    by_id = {}
    for position, text in enumerate(answers):
        number = position // 2
        by_id.setdefault((number % 3, number % 50), set()).add(text)
    assert all(len(texts) == 1 for texts in by_id.values())
    found = await two.recall("place 1", map(str, range(60)))
    assert set(found) == {str(number) for place, number in by_id if place == 1}


async def test_what_waits_for_the_disk_is_written_together(stores):
    store = stores.ledger().store
    memory = StoredMemory(store)
    await memory.remember("p", "first", "")
    writes = 0
    write = store.write

    async def counted(work):
        nonlocal writes
        writes += 1
        return await write(work)

    store.write = counted
    await asyncio.gather(*(memory.remember("p", str(number), "text") for number in range(100)))
    assert writes <= 3
    assert len(await memory.recall("p", map(str, range(100)))) == 100


async def test_whoever_is_cancelled_is_written_all_the_same(memory):
    waiting = asyncio.ensure_future(memory.remember("p", "a", "text"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    await memory.aclose()
    assert await memory.recall("p", ["a"]) == {"a": "text"}


async def test_what_is_discarded_is_gone_soon_and_with_the_next_write(stores):
    memory = StoredMemory(stores.ledger().store)
    other = StoredMemory(stores.ledger().store)
    for each in "abc":
        await memory.remember("p", each, each)
    memory.discard_later("p", "a")
    await memory.remember("p", "d", "d")
    assert set(await other.recall("p", "abcd")) == {"b", "c", "d"}
    memory.discard_later("p", "b")
    async with asyncio.timeout(20):
        while "b" in await other.recall("p", ["b"]):  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.1)
    memory.discard_later("p", "c")
    await memory.aclose()
    assert set(await other.recall("p", "abcd")) == {"d"}


async def test_what_is_remembered_anew_is_not_discarded(memory):
    await memory.remember("p", "a", "a")
    memory.discard_later("p", "a")
    await memory.remember("p", "a", "a")
    await memory.aclose()
    assert await memory.recall("p", ["a"]) == {"a": "a"}


async def test_what_is_discarded_before_it_is_written_is_not_left_behind(stores):
    """A mail that did not wait for a slow ledger, and whose job was answered before the receipt was written."""
    store = stores.ledger().store
    memory = StoredMemory(store)
    go, write = asyncio.Event(), store.write

    async def slow(work):
        await go.wait()
        return await write(work)

    store.write = slow
    waiting = [asyncio.ensure_future(memory.remember("p", each, each)) for each in "ab"]
    await asyncio.sleep(0)
    late = asyncio.ensure_future(memory.remember("p", "late", "text"))  # in the next group
    await asyncio.sleep(0)
    memory.discard_later("p", "late")
    go.set()
    await asyncio.gather(*waiting, late)
    await memory.aclose()
    assert set(await memory.recall("p", ["a", "b", "late"])) == {"a", "b"}


async def test_what_is_recalled_after_days_is_found_although_nothing_can_be_written(stores):
    """A disk that is full must not make a mail be sent again whose receipt can be read."""
    now = 1_000_000.0
    store = stores.ledger(clock=lambda: now).store
    memory = StoredMemory(store)
    await memory.remember("p", "a", "text")
    now += 3 * 86400
    write = store.write

    async def full(work):
        raise LedgerError("The disk is full")

    store.write = full
    for ids in (["a"], ["a", "b"]):
        assert await memory.recall("p", ids) == {"a": "text"}
    store.write = write
    await memory.recall("p", ["a"])
    await memory.aclose()
    (entry,) = await memory.entries()
    assert entry.seen == now


async def test_only_what_nobody_recalled_is_swept(stores):
    now = 1_000_000.0
    memory = StoredMemory(stores.ledger(clock=lambda: now).store)
    await memory.remember("p", "gone", "")
    await memory.remember("p", "there", "")
    now += 80 * 86400
    await memory.recall("p", ["there"])
    await memory.aclose()
    now += 20 * 86400
    later = StoredMemory(stores.ledger(clock=lambda: now).store)  # a runtime sweeps when it first writes
    await later.remember("p", "new", "")
    assert {each.id for each in await later.entries(place="p")} == {"there", "new"}


async def test_a_text_that_no_database_takes_harms_no_other(memory):
    answers = await asyncio.gather(
        memory.remember("p", "a", "nul \0"), memory.remember("p", "b\ud800", "\ud83d"), memory.remember("p", "c", "ü")
    )
    assert answers[2] == "ü"
    assert set(await memory.recall("p", ["a", "b\ud800", "c"])) == {"a", "b\ud800", "c"}
    long = [os.urandom(5000).hex() + end for end in "xy"]
    assert await asyncio.gather(*(memory.remember("p", each, each[-1]) for each in long)) == ["x", "y"]
    assert await memory.recall("p", long) == {long[0]: "x", long[1]: "y"}


async def test_a_ledger_that_cannot_be_used_fails_all_who_wait(tmp_path):
    (tmp_path / "file").write_text("in the way")
    store = SqliteStore(tmp_path / "file" / "ledger.db")
    memory = StoredMemory(store)
    answers = await asyncio.gather(*(memory.remember("p", str(n), "") for n in range(5)), return_exceptions=True)
    answers += await asyncio.gather(memory.recall("p", ["a"]), memory.forget("p", "a"), return_exceptions=True)
    assert all(isinstance(error, TransientError) and "ZEEBE_CONNECTORS_DATA" in error.message for error in answers)
    (tmp_path / "file").unlink()
    assert await memory.remember("p", "a", "again") == "again"
    await store.aclose()


async def test_a_runtime_that_remembers_nothing_makes_no_file(tmp_path):
    store = SqliteStore(tmp_path / "ledger.db")
    await StoredMemory(store).aclose()
    await store.aclose()
    await store.aclose()  # as a runtime that is drained twice
    assert list(tmp_path.iterdir()) == []


async def test_a_ledger_of_before_gets_the_memory_and_keeps_its_events(tmp_path):
    file = tmp_path / "ledger.db"
    with contextlib.closing(sqlite3.connect(file)) as db, db:
        db.executescript(
            "CREATE TABLE events (source TEXT NOT NULL, id TEXT NOT NULL, alias TEXT, state TEXT NOT NULL, "
            "tries INTEGER NOT NULL DEFAULT 0, started REAL NOT NULL DEFAULT 0, updated REAL NOT NULL, "
            "seen REAL NOT NULL, reason TEXT NOT NULL DEFAULT '', key INTEGER NOT NULL DEFAULT 0, "
            "element TEXT NOT NULL DEFAULT '', title TEXT NOT NULL DEFAULT '', PRIMARY KEY (source, id)) WITHOUT ROWID;"
            "INSERT INTO events (source, id, state, updated, seen) VALUES ('s', 'a', 'done', 1, 1);"
            "PRAGMA user_version = 1;"
        )
    db.close()
    ledger = StoredLedger(SqliteStore(file))
    memory = StoredMemory(ledger.store)
    assert await memory.remember("p", "a", "text") == "text"
    assert (await ledger.find("s", "a")).state == "done"
    await ledger.aclose()


KILLED = """
import asyncio
from zeebe_connectors.runtime.ledger import StoredMemory
async def main():
    memory = StoredMemory(store)
    async def one(place):
        for n in range(10**9):
            await memory.remember(place, str(n), "text")
            print(place, n, flush=True)
    await asyncio.gather(*(one(str(place)) for place in range(8)))
asyncio.run(main())
"""


async def test_all_that_was_answered_survives_sigkill(stores):
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-c", stores.in_another_process + KILLED, stdout=asyncio.subprocess.PIPE
    )
    answers = [await victim.stdout.readline() for _ in range(100)]
    os.kill(victim.pid, signal.SIGKILL)
    answers += (await victim.stdout.read()).splitlines(keepends=True)
    await victim.wait()
    memory = StoredMemory(stores.ledger().store)
    answered = [tuple(line.decode().split()) for line in answers if line.endswith(b"\n")]
    for place in range(8):
        ids = [number for its, number in answered if its == str(place)]
        assert set(await memory.recall(str(place), ids)) == set(ids)


async def test_a_look_sees_what_another_process_wrote_and_waits_for_nobody(tmp_path):
    """The loop's own thread reads: a writer that holds the file must not hold up the loop."""
    file = tmp_path / "ledger.db"
    mine, other = SqliteStore(file), SqliteStore(file)
    memory = StoredMemory(mine)
    assert await memory.recall("p", ["a"]) == {}
    await StoredMemory(other).remember("p", "a", "text")
    reads = []
    read = mine.read
    mine.read = lambda work: reads.append(1) or read(work)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert await memory.recall("p", ["a"]) == {"a": "text"}
        assert time.monotonic() - began < 5
    assert not reads, "without a thread"
    await mine.aclose()
    await other.aclose()


async def test_a_disk_that_takes_no_more_is_reported_and_the_next_write_succeeds(tmp_path):
    """SQLite ends the transaction by itself then, and that must not hide the reason."""
    store = SqliteStore(tmp_path / "ledger.db")
    memory = StoredMemory(store)
    await memory.remember("p", "a", "text")
    large = "x" * 10_000_000  # more than SQLite keeps in memory until the commit
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, usual[1]))
    try:
        with pytest.raises(TransientError, match=r"(disk I/O error|is full)\. The directory"):
            await memory.remember("p", "b", large)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert await memory.remember("p", "b", large) == large
    await store.aclose()
