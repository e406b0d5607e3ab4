"""The ledger gives each event one verdict, whoever asks and however often the runtime dies between, on every store."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from zeebe_connectors.runtime.ledger import LedgerError, NotHolder, Search, SqliteLedger, owner_name
from zeebe_connectors.sdk.event import Alias


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def ledger(stores, clock: Clock):
    ledger = stores.ledger(clock=clock)
    assert await ledger.hold("s", "me", 60)
    return ledger


def numbered(event: str, text: str) -> Alias:
    """The alias of an event whose id ends with the numbering and the number."""
    place, numbering, _ = event.rsplit("/", 2)
    return Alias(text, place, numbering)


async def intend(ledger, event: str, alias: str | None = None, owner: str = "me"):
    named = None if alias is None else numbered(event, alias)
    return await ledger.intend("s", event, owner=owner, alias=named, element="e", title="t")


async def test_an_intention_is_returned_to_whoever_intends_the_same_again(ledger):
    assert await intend(ledger, "a") is None
    again = await intend(ledger, "a")
    assert again is not None
    assert (again.state, again.tries, again.started) == ("publishing", 1, 1_000_000.0)


async def test_the_states_follow_each_other_and_only_the_last_ones_are_settled(ledger):
    for state in ("publishing", "published", "done", "ignored", "quarantined"):
        await intend(ledger, state)
        if state == "quarantined":
            await ledger.quarantine("s", state, alias=None, reason="why", title="t", original=b"raw")
        elif state != "publishing":
            await ledger.record("s", state, state)
    ids = dict.fromkeys(["publishing", "published", "done", "ignored", "quarantined", "never seen"])
    assert set(await ledger.settled("s", ids)) == {"done", "ignored", "quarantined"}
    assert set(await ledger.settled("other", ids)) == set()


async def test_the_key_stays_when_the_state_goes_on(ledger):
    await intend(ledger, "a")
    await ledger.record("s", "a", "published", key=42)
    await ledger.record("s", "a", "done")
    entry = await ledger.find("s", "a")
    assert (entry.state, entry.key, entry.element) == ("done", 42, "e")


async def test_ten_thousand_ids_are_answered_at_once(ledger):
    ids = {f"box/1/{n}": None for n in range(10_000)}
    await ledger.record("s", "box/1/77", "done")
    assert set(await ledger.settled("s", ids)) == {"box/1/77"}


async def test_an_alias_counts_only_under_a_new_numbering_of_the_same_place(ledger):
    """A folder that was numbered anew holds the same mails; two mails of one numbering are two, however alike."""
    await intend(ledger, "host/inbox/1/5", alias="when+id")
    await ledger.record("s", "host/inbox/1/5", "done")
    given = {
        "host/inbox/2/1": "when+id",
        "host/inbox/1/6": "when+id",
        "host/other/2/1": "when+id",
        "host/inbox/2/9": "x",
    }
    given = {event: numbered(event, text) for event, text in given.items()}
    assert set(await ledger.settled("s", given)) == {"host/inbox/2/1"}
    assert (await intend(ledger, "host/inbox/2/1", alias="when+id")).id == "host/inbox/1/5"
    assert await intend(ledger, "host/inbox/1/6", alias="when+id") is None


async def test_one_owner_holds_a_source_until_the_lease_ends_or_is_given_back(ledger, clock):
    assert not await ledger.hold("s", "other", 60)
    assert await ledger.hold("s", "me", 60)
    clock.now += 61
    assert await ledger.hold("s", "other", 60)
    assert not await ledger.hold("s", "me", 60)
    await ledger.release("s", "me")
    assert not await ledger.hold("s", "me", 60)
    await ledger.release("s", "other")
    assert await ledger.hold("s", "me", 60)


async def test_the_lease_of_a_process_that_was_killed_is_not_waited_for(stores):
    """A restart after SIGKILL goes on at once; a lease of another machine or container runs its time."""
    mine, theirs = owner_name(), owner_name()
    dead = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await dead.wait()
    host, space, _, rest = mine.split("|")
    ledger = stores.ledger()
    assert await ledger.hold("s", theirs, 600)
    assert not await ledger.hold("s", mine, 600)
    for source, other, free in (
        ("killed", f"{host}|{space}|{dead.pid}|{rest}", True),
        ("restarted", f"{host}|{space}|{os.getpid()}|other", True),
        ("alive", f"{host}|{space}|{os.getppid()}|{rest}", False),
        ("elsewhere", f"other-host|{space}|{dead.pid}|{rest}", False),
        ("container", f"{host}|pid:[1]@{space.partition('@')[2]}|{dead.pid}|{rest}", False),
        ("of the same name", f"{host}|{space.partition('@')[0]}@other-boot|{dead.pid}|{rest}", False),
    ):
        assert await ledger.hold(source, other, 600)
        assert await ledger.hold(source, mine, 600) is free


async def test_whoever_lost_the_lease_cannot_intend(ledger, clock):
    """A runtime that slept through its lease must not publish beside its successor."""
    clock.now += 61
    with pytest.raises(NotHolder):
        await intend(ledger, "a")
    assert await ledger.find("s", "a") is None


@pytest.mark.parametrize("state", ["published", "done", "ignored"])
async def test_what_a_successor_has_handed_over_cannot_go_to_quarantine(ledger, state):
    """A runtime that slept through its lease wakes up and finds its event in doubt."""
    await intend(ledger, "a")
    await ledger.record("s", "a", state)
    await ledger.quarantine("s", "a", alias=None, reason="in doubt", title="t", original=b"raw")
    assert (await ledger.find("s", "a")).state == state
    assert await ledger.original("s", "a") is None


async def test_quarantine_keeps_reason_and_original_and_can_be_retried_once(ledger):
    await ledger.quarantine("s", "a", alias=None, reason="no key", title="Invoice", original=b"raw mail")
    entry = (await ledger.entries(state="quarantined"))[0]
    assert (entry.reason, entry.title, entry.has_original) == ("no key", "Invoice", True)
    assert await ledger.original("s", "a") == b"raw mail"
    assert await ledger.retry("s", "a")
    assert not await ledger.retry("s", "a")
    assert await ledger.waiting("s") == ["a"]
    assert set(await ledger.settled("s", {"a": None})) == set()
    assert await intend(ledger, "a") is None


@pytest.mark.parametrize("state", ["done", "ignored"])
async def test_the_original_of_a_settled_event_goes_after_thirty_days_and_that_of_an_open_one_never(
    ledger, clock, state
):
    for event in ("settled", "open"):
        await ledger.quarantine("s", event, alias=None, reason="why", title="t", original=b"raw")
    clock.now += 400 * 86400
    await ledger.retry("s", "settled")
    await ledger.record("s", "settled", state)
    clock.now += 29 * 86400
    await ledger.sweep()
    assert await ledger.original("s", "settled") == b"raw"
    clock.now += 2 * 86400
    await ledger.sweep()
    assert await ledger.original("s", "settled") is None
    assert await ledger.original("s", "open") == b"raw"


async def test_what_is_forgotten_is_new_again(ledger):
    await intend(ledger, "a")
    assert await ledger.forget("s", "a")
    assert not await ledger.forget("s", "a")
    assert await intend(ledger, "a") is None


async def test_only_what_was_not_seen_for_long_is_swept(ledger, clock):
    for event in ("gone", "there", "open"):
        await ledger.record("s", event, "done" if event != "open" else "published")
    clock.now += 80 * 86400
    await ledger.settled("s", {"there": None})
    clock.now += 20 * 86400
    assert await ledger.sweep() == 1
    assert await ledger.find("s", "gone") is None
    assert await ledger.find("s", "there")
    assert await ledger.find("s", "open")


async def test_two_runtimes_on_one_store_take_turns(stores):
    first, second = stores.ledger(), stores.ledger()
    held = await asyncio.gather(*(led.hold("s", name, 60) for led in (first, second) for name in (str(id(led)),) * 20))
    assert held == [True] * 20 + [False] * 20 or held == [False] * 20 + [True] * 20


async def test_a_directory_that_cannot_be_written_is_reported_with_its_remedy(tmp_path):
    (tmp_path / "file").write_text("in the way")
    ledger = SqliteLedger(tmp_path / "file" / "ledger.db")
    with pytest.raises(LedgerError, match="ZEEBE_CONNECTORS_DATA"):
        await ledger.find("s", "a")
    await ledger.aclose()


KILLED = """
import asyncio
from zeebe_connectors.runtime.ledger import StoredLedger
async def main():
    ledger = StoredLedger(store)
    await ledger.hold("s", "victim", 600)
    for n in range(10**9):
        await ledger.intend("s", str(n), owner="victim", alias=None, element="", title="")
        print(n, flush=True)
asyncio.run(main())
"""


async def test_every_intention_that_was_answered_survives_sigkill(stores):
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-c", stores.in_another_process + KILLED, stdout=asyncio.subprocess.PIPE
    )
    for _ in range(50):
        await victim.stdout.readline()
    os.kill(victim.pid, signal.SIGKILL)
    answered = 49 + len((await victim.stdout.read()).split(b"\n")) - 1
    await victim.wait()
    assert len(await stores.ledger().entries(limit=10**6)) >= answered


HOLDS = """
import asyncio, sys, time
from zeebe_connectors.runtime.ledger import NotHolder, StoredLedger
async def main():
    ledger = StoredLedger(store, gone=lambda owner: False)  # as if it were on another host
    while not await ledger.hold("s", NAME, 2.0):
        await asyncio.sleep(0.05)
    for n in range(20):
        await ledger.hold("s", NAME, 2.0)
        await ledger.intend("s", f"{NAME}/{n}", owner=NAME, alias=None, element="", title="")
    print(time.time(), flush=True)
    if NAME == "first":
        sys.stdin.readline()  # stands still, as a process that is stopped
        try:
            await ledger.intend("s", "late", owner=NAME, alias=None, element="", title="")
        except NotHolder:
            print("not holder", flush=True)
asyncio.run(main())
"""


async def replica(stores, name):
    """A process that holds the source; the second one starts when the first has it."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        f"{stores.in_another_process}NAME = {name!r}\n{HOLDS}",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    ledger = stores.ledger()
    while await ledger.hold("s", "nobody", 0.0):  # noqa: ASYNC110 - another process's doing
        await asyncio.sleep(0.05)
    return running


async def test_a_replica_that_is_stopped_is_replaced_when_its_lease_ends_and_intends_no_more(stores):
    """Two processes and a lease of 2 s: the second begins within it; the first, woken again, does nothing beside it."""
    first, second = [await replica(stores, name) for name in ("first", "second")]
    try:
        stopped = float(await first.stdout.readline())
        began = float(await asyncio.wait_for(second.stdout.readline(), 20))
        assert began - stopped < 2.0 + 5.0, "the lease, and twenty intentions on a busy machine"
        first.stdin.write(b"go on\n")
        assert await asyncio.wait_for(first.stdout.readline(), 20) == b"not holder\n"
    finally:
        for each in (first, second):
            if each.returncode is None:
                each.kill()
            await each.communicate()
    ledger = stores.ledger()
    assert await ledger.find("s", "late") is None
    assert len(await ledger.entries()) == 40


async def test_text_that_no_database_has_a_letter_for_is_kept(ledger):
    alias = "x" * 10_000 + "\0\ud83d"
    named = numbered("host/1/5", alias)
    await ledger.quarantine("s", "host/1/5", alias=named, reason="a\0b", title="t\ud83d", original=b"\0raw")
    entry = await ledger.find("s", "host/1/5")
    assert (entry.reason[0], entry.reason[-1], len(entry.reason)) == ("a", "b", 3)
    assert await ledger.original("s", "host/1/5") == b"\0raw"
    assert set(await ledger.settled("s", {"host/2/1": numbered("host/2/1", alias)})) == {"host/2/1"}
    assert await intend(ledger, "host/1/6", alias=alias) is None
    await ledger.record("s", "host/1/6", "ignored", reason="\ud83d")


async def test_what_is_seen_under_a_new_numbering_is_not_forgotten(ledger, clock):
    await intend(ledger, "host/inbox/1/5", alias="when+id")
    await ledger.record("s", "host/inbox/1/5", "done")
    for _ in range(4):
        clock.now += 30 * 86400
        given = {"host/inbox/2/1": numbered("host/inbox/2/1", "when+id")}
        assert await ledger.settled("s", given) == {"host/inbox/2/1": "done"}
        await ledger.sweep()


async def test_a_search_finds_parts_in_any_capitals_and_takes_no_mark_for_a_wildcard(ledger):
    for event, title in (("inbox/1/1", "Order 100% late"), ("inbox/1/2", "Order 1000 late"), ("inbox/1/3", "Rechnung")):
        await ledger.quarantine("s", event, alias=None, reason="cannot be Decrypted", title=title, original=b"raw!")
    await ledger.quarantine("other", "inbox/1/4", alias=None, reason="too large", title="order 5", original=None)

    async def found(text: str, **more):
        search = Search(text, titles=more.pop("titles", True))
        return sorted(entry.id for entry in await ledger.entries(search=search, **more))

    assert await found("100%") == ["inbox/1/1"]
    assert await found("order") == ["inbox/1/1", "inbox/1/2", "inbox/1/4"]
    assert await found("ORDER", source="s", state="quarantined") == ["inbox/1/1", "inbox/1/2"]
    assert await found("order", titles=False) == []
    assert await found("DECRYPTED") == ["inbox/1/1", "inbox/1/2", "inbox/1/3"]
    assert await found("x/1/3") == ["inbox/1/3"]
    assert await found("_") == []
    assert await found("~'\0") == []
    assert len(await ledger.entries(search=Search("order"), limit=1)) == 1


async def test_what_waits_for_somebody_is_counted_exactly_and_originals_are_measured(ledger, clock):
    for number in range(3):
        clock.now += 1
        await ledger.quarantine("s", f"a/{number}", alias=None, reason="why", title="t", original=b"12345")
    await ledger.quarantine("other", "b", alias=None, reason="why", title="t", original=None)
    await ledger.retry("s", "a/2")
    await ledger.record("s", "c", "done")
    found = {(one.source, one.state): (one.count, one.since) for one in await ledger.unsettled()}
    assert found == {
        ("s", "quarantined"): (2, 1_000_001.0),
        ("s", "retry"): (1, 1_000_003.0),
        ("other", "quarantined"): (1, 1_000_003.0),
    }
    assert await ledger.original_size("s", "a/0") == 5
    assert await ledger.original_size("other", "b") is None


async def test_counting_what_waits_reads_no_settled_event(tmp_path):
    """A ledger of any size answers at once: the database says that it uses the index of the few."""
    ledger = SqliteLedger(tmp_path / "ledger.sqlite")
    await ledger.record("s", "a", "done")
    given: list[str] = []

    class Watching:
        def __init__(self, do) -> None:
            self.do = do

        def rows(self, statement, values):
            plan = self.do.rows(f"EXPLAIN QUERY PLAN {statement}", values)
            given.extend(row[3] for row in plan)
            return self.do.rows(statement, values)

    read = ledger.store.read
    ledger.store.read = lambda work: read(lambda do: work(Watching(do)))
    await ledger.unsettled()
    await ledger.entries(state="quarantined")
    await ledger.waiting("s")
    assert sum("events_open" in line for line in given) == 3
    assert all(
        "events_open" in line or "originals" in line or "TEMP B-TREE" in line or "SUBQUERY" in line for line in given
    ), given
    ledger.store.read = read
    await ledger.aclose()


async def test_what_the_engine_has_of_an_event_is_known_until_the_event_is_forgotten(ledger):
    await intend(ledger, "a")
    await ledger.deliver("s", "a", ["first"], key=7)
    await ledger.deliver("s", "a", ["first", "second"])
    await ledger.quarantine("s", "a", alias=None, reason="why", title="t", original=None)
    entry = await ledger.find("s", "a")
    assert (entry.delivered, entry.key) == (("first", "second"), 7)
    await ledger.retry("s", "a")
    await intend(ledger, "a")
    assert (await ledger.find("s", "a")).delivered == ("first", "second")
    await ledger.forget("s", "a")
    assert await intend(ledger, "a") is None
    assert (await ledger.find("s", "a")).delivered == ()
