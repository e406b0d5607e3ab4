"""Several processes may open a new ledger at the same moment, and ask it at the same moment."""

from __future__ import annotations

import asyncio
import contextlib
import time

from zeebe_connectors.runtime.ledger import NotHolder, SqliteLedger


async def test_many_open_a_new_file_at_once(tmp_path):
    """Whoever comes second waits; nobody is told that the file is locked."""
    for number in range(30):
        ledgers = [SqliteLedger(tmp_path / f"{number}.db") for _ in range(6)]
        held = await asyncio.gather(*(ledger.hold("s", str(place), 60) for place, ledger in enumerate(ledgers)))
        assert held.count(True) == 1
        await asyncio.gather(*(ledger.aclose() for ledger in ledgers))


async def test_many_make_the_tables_of_a_new_store_at_once(stores):
    ledgers = [stores.ledger() for _ in range(6)]
    held = await asyncio.gather(*(ledger.hold("s", str(place), 60) for place, ledger in enumerate(ledgers)))
    assert held.count(True) == 1


async def test_of_many_that_intend_the_same_one_goes_on(stores):
    first, second = stores.ledger(), stores.ledger()
    assert await first.hold("s", "me", 60)
    for event in map(str, range(20)):
        answers = await asyncio.gather(*(
            ledger.intend("s", event, owner="me", alias=None, element="", title="") for ledger in (first, second) * 3
        ))  # fmt: skip
        assert answers.count(None) == 1


async def test_whoever_gets_the_lease_knows_all_that_was_ever_intended_before(stores):
    """An intention that was checked under the old lease and written under the new one would be published twice."""
    ledgers = {name: stores.ledger(gone=lambda _: False) for name in ("a", "b", "c")}
    began = time.monotonic()
    assert await ledgers["a"].hold("s", "a", 60)
    for number in range(5):
        await ledgers["a"].intend("s", f"a/first {number}", owner="a", alias=None, element="", title="")
    lease = time.monotonic() - began  # so that it often ends within an intention, on a quick machine and a busy one
    await ledgers["a"].release("s", "a")
    checked = 0

    async def others(name):
        return {entry.id for entry in await ledgers[name].entries(limit=10_000) if not entry.id.startswith(name)}

    async def compete(name):
        nonlocal checked
        ledger = ledgers[name]
        ends = time.monotonic() + 6
        number = 0
        while time.monotonic() < ends:
            if not await ledger.hold("s", name, lease):
                await asyncio.sleep(0)
                continue
            known = await others(name)
            with contextlib.suppress(NotHolder):
                for _ in range(20):
                    number += 1
                    await ledger.intend("s", f"{name}/{number}", owner=name, alias=None, element="", title="")
                    found = await others(name)
                    # Only what was seen while the lease was still there counts.
                    await ledger.intend("s", f"{name}/{number}", owner=name, alias=None, element="", title="")
                    assert found == known, "another's intention came after its lease"
                    checked += 1

    await asyncio.gather(*map(compete, ledgers))
    assert checked
