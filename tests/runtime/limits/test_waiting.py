"""Requests of one provider begin as its rules allow: in one runtime, in several on one database, and fairly."""

import asyncio
import itertools
import time

from zeebe_connectors.config.providers import Rules
from zeebe_connectors.runtime.ledger import SqliteStore
from zeebe_connectors.runtime.limits import Busy, Limit, Waiting


async def use(limit, times, *, process="p", seconds=10.0, waiting=None, work=0.0):
    await limit.enter(process, deadline=time.monotonic() + seconds, waiting=waiting)
    times.append((time.monotonic(), process))
    try:
        await asyncio.sleep(work)
    finally:
        limit.leave()


def most_in_a_second(times):
    moments = [moment for moment, _ in times]
    return max(sum(1 for other in moments if one <= other < one + 1.0) for one in moments)


async def test_without_rules_nothing_waits():
    for rules in (None, Rules(enabled=False, min_delay_ms=5000)):
        times = []
        began = time.monotonic()
        await asyncio.gather(*(use(Limit("x", rules), times) for _ in range(200)))
        assert time.monotonic() - began < 1


async def test_one_runtime_keeps_rate_and_delay():
    times = []
    limit = Limit("x", Rules(max_per_second=40))
    await asyncio.gather(*(use(limit, times) for _ in range(70)))
    assert most_in_a_second(times) <= 40
    assert 70 / (times[-1][0] - times[0][0]) > 0.95 * 40
    times = []
    limit = Limit("x", Rules(max_per_second=100, min_delay_ms=100))
    await asyncio.gather(*(use(limit, times) for _ in range(6)))
    assert all(later[0] - one[0] >= 0.0999 for one, later in itertools.pairwise(times))
    assert limit.counts.granted == 6


async def test_two_runtimes_on_one_database_keep_them_together(tmp_path):
    """Neither knows of the other but through the database; what one does not use is the other's."""
    stores = [SqliteStore(tmp_path / "ledger.sqlite") for _ in range(2)]
    rules = Rules(max_per_second=50)
    limits = [Limit("x/test", rules, store=store, owner=str(number)) for number, store in enumerate(stores)]
    times = []
    await asyncio.gather(*(use(limits[number % 2], times) for number in range(150)))
    times.sort()
    assert most_in_a_second(times) <= 50
    assert 149 / (times[-1][0] - times[0][0]) > 0.9 * 50
    alone = []
    await asyncio.gather(*(use(limits[0], alone) for _ in range(60)))
    assert most_in_a_second(alone) <= 50
    assert 59 / (alone[-1][0] - alone[0][0]) > 0.9 * 50
    for limit, store in zip(limits, stores, strict=True):
        await limit.aclose()
        await store.aclose()


async def test_a_delay_holds_over_two_runtimes(tmp_path):
    stores = [SqliteStore(tmp_path / "ledger.sqlite") for _ in range(2)]
    rules = Rules(max_per_second=100, min_delay_ms=150)
    limits = [Limit("x/test", rules, store=store, owner=str(number)) for number, store in enumerate(stores)]
    times = []
    await asyncio.gather(*(use(limits[number % 2], times) for number in range(10)))
    times.sort()
    assert all(later[0] - one[0] >= 0.149 for one, later in itertools.pairwise(times))
    for limit, store in zip(limits, stores, strict=True):
        await limit.aclose()
        await store.aclose()


async def test_no_more_at_once_than_allowed_over_two_runtimes(tmp_path):
    """And a runtime that holds permits without work gives them up to one that waits."""
    stores = [SqliteStore(tmp_path / "ledger.sqlite") for _ in range(2)]
    rules = Rules(max_per_second=1000, max_concurrent=3)
    limits = [Limit("x/test", rules, store=store, owner=str(number)) for number, store in enumerate(stores)]
    running = most = 0

    async def work(limit):
        nonlocal running, most
        await limit.enter("p", deadline=time.monotonic() + 20)
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        limit.leave()

    await asyncio.gather(*(work(limits[0]) for _ in range(9)))
    await asyncio.gather(*(work(limits[number % 2]) for number in range(24)))
    assert most == 3
    for limit, store in zip(limits, stores, strict=True):
        await limit.aclose()
        await store.aclose()


async def test_processes_take_turns():
    """One that asks for much does not keep another waiting until all of it is done."""
    times = []
    limit = Limit("x", Rules(max_per_second=50))
    many = [asyncio.create_task(use(limit, times, process="many")) for _ in range(30)]
    await asyncio.sleep(0.01)
    few = [asyncio.create_task(use(limit, times, process="few")) for _ in range(3)]
    await asyncio.gather(*many, *few)
    places = [number for number, (_, process) in enumerate(times) if process == "few"]
    assert max(places) < 10


async def test_a_quarter_waits_and_the_rest_comes_back_when_it_is_its_turn():
    """Later ones are told a later time, so that they do not all come back at once."""
    limit = Limit("x", Rules(max_per_second=10))
    waiting = Waiting(room=5)
    times, delays = [], []

    async def one():
        try:
            await use(limit, times, waiting=waiting)
        except Busy as busy:
            delays.append(busy.delay)

    await asyncio.gather(*(one() for _ in range(20)))
    assert len(times) == 6  # one began at once, five waited
    assert len(delays) == 14
    assert max(delays) > 1.0
    assert max(delays) < 60
    assert waiting.now == 0
    assert limit.counts.handed_back == 14


async def test_who_cannot_begin_in_time_comes_back_at_once():
    limit = Limit("x", Rules(max_per_second=1))
    times = []
    await use(limit, times)
    began = time.monotonic()
    outcomes = await asyncio.gather(*(use(limit, times, seconds=0.3) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Busy] * 3
    assert time.monotonic() - began < 0.5
    assert limit.waiting == 0


async def test_a_provider_that_asks_to_be_left_alone_is_left_alone_by_all(tmp_path):
    stores = [SqliteStore(tmp_path / "ledger.sqlite") for _ in range(2)]
    limits = [
        Limit("x/test", Rules(max_per_second=100), store=store, owner=str(number))
        for number, store in enumerate(stores)
    ]
    times = []
    await use(limits[0], times)
    limits[0].hold(0.6)
    held = time.monotonic()
    await asyncio.sleep(0.1)
    await asyncio.gather(use(limits[0], times), use(limits[1], times))
    assert all(moment - held >= 0.55 for moment, _ in times[1:])
    free = Limit("y", None)
    free.hold(0.3)
    began = time.monotonic()
    await use(free, times)
    assert time.monotonic() - began >= 0.29
    for limit, store in zip(limits, stores, strict=True):
        await limit.aclose()
        await store.aclose()


async def test_a_cancelled_request_leaves_no_place_behind():
    limit = Limit("x", Rules(max_per_second=5, max_concurrent=1))
    times = []
    first = asyncio.create_task(use(limit, times, work=0.3))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(use(limit, times))
    await asyncio.sleep(0.01)
    assert limit.waiting == 1
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert limit.waiting == 0
    await first
    await use(limit, times)
    assert len(times) == 2
