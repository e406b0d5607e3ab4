"""Requests of one provider begin as its rules allow: in one runtime, in several on one database, and fairly.

In virtual time (see `conftest`), so that what is measured is the algorithm and not the machine.
"""

import asyncio
import contextlib
import itertools
import time

import pytest

from zeebe_connectors.config.providers import Rules
from zeebe_connectors.runtime.ledger import SqliteStore
from zeebe_connectors.runtime.limits import Busy, Limit, Waiting

pytestmark = pytest.mark.usefixtures("virtual")


async def use(limit, times, *, process="p", seconds=10.0, waiting=None, work=0.0):
    await limit.enter(process, deadline=time.monotonic() + seconds, waiting=waiting)
    times.append((time.monotonic(), process))
    try:
        await asyncio.sleep(work)
    finally:
        limit.leave()


def most_in_a_second(*limits):
    """By the granting clock, of all limits together."""
    moments = sorted(moment for limit in limits for moment in limit.counts.recent)
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
    assert most_in_a_second(limit) <= 40
    assert 70 / (times[-1][0] - times[0][0]) > 0.95 * 40
    times = []
    limit = Limit("x", Rules(max_per_second=100, min_delay_ms=100))
    await asyncio.gather(*(use(limit, times) for _ in range(6)))
    assert all(later[0] - one[0] >= 0.0999 for one, later in itertools.pairwise(times))
    assert limit.counts.granted == 6


@pytest.fixture
async def two(virtual, tmp_path):
    """Two runtimes with one database; called with the rules."""
    stores = [SqliteStore(tmp_path / "ledger.sqlite", clock=time.monotonic) for _ in range(2)]
    made = []

    def limits(rules):
        found = [Limit("x/test", rules, store=store, owner=str(number)) for number, store in enumerate(stores)]
        made.extend(found)
        return found

    yield limits
    for limit in made:
        await limit.aclose()
    for store in stores:
        await store.aclose()


@pytest.mark.parametrize("late", [0.0, 0.03])
async def test_two_runtimes_on_one_database_keep_them_together(virtual, two, late):
    """Within five hundredths of what is possible, also where the loop is often late: it costs what it is late."""
    virtual.late = late
    limits = two(Rules(max_per_second=50))
    times = []
    await asyncio.gather(*(use(limits[number % 2], times, seconds=30) for number in range(1000)))
    times.sort()
    assert most_in_a_second(*limits) <= 50
    assert 1000 / 50 / (times[-1][0] - times[0][0]) > 0.95


async def test_what_one_runtime_does_not_use_is_the_others(two):
    """Neither knows of the other but through the database."""
    limits = two(Rules(max_per_second=50))
    few, many = [], []
    busy = asyncio.gather(*(use(limits[0], many, seconds=30) for _ in range(300)))

    async def now_and_then():
        for _ in range(20):
            await use(limits[1], few, process="few")
            await asyncio.sleep(0.2)

    began = time.monotonic()
    await asyncio.gather(busy, now_and_then())
    assert most_in_a_second(*limits) <= 50
    meanwhile = sum(1 for moment, _ in few if moment <= many[-1][0])
    assert (300 + meanwhile) / 50 / (many[-1][0] - many[0][0]) > 0.95
    assert few[-1][0] - began < 8, "it waits a little for its part, and then has it"


@pytest.mark.parametrize(
    "rules",
    [
        Rules(max_per_second=20),
        Rules(max_per_second=1),
        Rules(max_per_second=1000, max_concurrent=1),
        Rules(max_per_second=1000, max_concurrent=5),
    ],
    ids=["rate", "one a second", "one at once", "five at once"],
)
async def test_a_runtime_that_comes_later_gets_its_part_of_one_that_is_never_idle(two, rules):
    """Also of what cannot be divided: that goes round."""
    limits = two(rules)
    ends = time.monotonic() + 12

    async def busy(limit):
        with contextlib.suppress(Busy):
            while time.monotonic() < ends:
                await use(limit, [], seconds=ends - time.monotonic(), work=0.02)

    first = asyncio.gather(*(busy(limits[0]) for _ in range(30)))
    await asyncio.sleep(2)
    before = limits[0].counts.granted
    await asyncio.gather(first, *(busy(limits[1]) for _ in range(30)))
    one, other = limits[0].counts.granted - before, limits[1].counts.granted
    assert other > 0.7 * one
    assert one > 0.7 * other
    assert most_in_a_second(*limits) <= rules.max_per_second
    possible = 10 * min(rules.max_per_second, 50 * (rules.max_concurrent or 100))
    assert one + other > (0.9 if possible > 10 else 0.75) * possible


async def test_one_that_gives_up_at_the_moment_of_its_turn_disturbs_nobody(virtual):
    limit = Limit("x", Rules(max_per_second=1))
    times = []
    await use(limit, times)
    given_up = asyncio.gather(use(limit, times, seconds=1.0), return_exceptions=True)
    waits = asyncio.ensure_future(use(limit, times, seconds=1.5))
    await asyncio.sleep(0.5)
    virtual.late = 0.1  # its time-out and its turn come together
    assert [type(found) for found in await given_up] == [Busy]
    await waits
    assert len(times) == 2


async def test_who_closes_leaves_its_lanes_taken_for_their_second(two):
    """Else whoever comes next could begin as many again in the same second."""
    one, other = two(Rules(max_per_second=10))
    times = []
    await asyncio.gather(*(use(one, times) for _ in range(10)))
    await one.aclose()
    await asyncio.gather(*(use(other, times) for _ in range(5)))
    assert most_in_a_second(one, other) <= 10


@pytest.mark.parametrize("shared", [False, True])
async def test_a_change_of_the_rules_begins_no_new_second_and_keeps_nobody_waiting(two, shared):
    def limit(rules):
        return two(rules)[0] if shared else Limit("x", rules)

    before = limit(Rules(max_per_second=5, max_concurrent=5))
    times = []
    await asyncio.gather(*(use(before, times) for _ in range(5)))
    waiting = asyncio.gather(*(use(before, times) for _ in range(3)), return_exceptions=True)
    await asyncio.sleep(0.01)
    after = limit(Rules(max_per_second=6, max_concurrent=2))
    after.follow(before)
    closing = asyncio.ensure_future(before.aclose())
    assert [type(found) for found in await waiting] == [Busy] * 3
    await asyncio.gather(*(use(after, times) for _ in range(4)))
    await closing
    assert most_in_a_second(after) <= 6
    with pytest.raises(Busy):
        await use(before, times)
    await after.aclose()


async def test_requests_under_way_count_when_the_rules_change():
    before = Limit("x", Rules(max_per_second=100, max_concurrent=2))
    times = []
    running = asyncio.gather(*(use(before, times, work=0.3) for _ in range(2)))
    await asyncio.sleep(0.05)
    after = Limit("x", Rules(max_per_second=100, max_concurrent=2))
    after.follow(before)
    await before.aclose()
    await use(after, times)
    await running
    assert times[2][0] - times[0][0] >= 0.29


async def test_a_delay_holds_over_two_runtimes(two):
    limits = two(Rules(max_per_second=100, min_delay_ms=150))
    times = []
    await asyncio.gather(*(use(limits[number % 2], times) for number in range(10)))
    times.sort()
    assert all(later[0] - one[0] >= 0.149 for one, later in itertools.pairwise(times))


async def test_no_more_at_once_than_allowed_over_two_runtimes(two):
    """And a runtime that holds permits without work gives them up to one that waits."""
    limits = two(Rules(max_per_second=1000, max_concurrent=3))
    running = peak = 0

    async def work(limit):
        nonlocal running, peak
        await limit.enter("p", deadline=time.monotonic() + 20)
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0.05)
        running -= 1
        limit.leave()

    await asyncio.gather(*(work(limits[0]) for _ in range(9)))
    await asyncio.gather(*(work(limits[number % 2]) for number in range(24)))
    assert peak == 3


async def test_processes_take_turns():
    """One that asks for much does not keep another waiting until all of it is done."""
    times = []
    limit = Limit("x", Rules(max_per_second=50))
    many = [asyncio.create_task(use(limit, times, process="many")) for _ in range(30)]
    await asyncio.sleep(0.01)
    few = [asyncio.create_task(use(limit, times, process="few")) for _ in range(3)]
    await asyncio.gather(*many, *few)
    places = [number for number, (_, process) in enumerate(times) if process == "few"]
    first = next(number for number, (moment, _) in enumerate(times) if moment > times[0][0] + 0.01)
    assert max(places) < first + 6


async def test_a_quarter_waits_and_the_rest_comes_back_when_it_is_its_turn():
    """Later ones get a later time, so that they do not all come back at once, and need not come more than twice."""
    limit = Limit("x", Rules(max_per_second=50))
    waiting = Waiting(room=25)
    times, backs = [], []

    async def one():
        back = 0
        while True:
            try:
                await use(limit, times, waiting=waiting)
            except Busy as busy:
                back += 1
                await asyncio.sleep(busy.delay)
            else:
                backs.append(back)
                return

    began = time.monotonic()
    await asyncio.gather(*(one() for _ in range(1000)))
    assert 1000 / 50 / (time.monotonic() - began) > 0.95, "the queue never runs empty"
    assert sum(backs) / 1000 < 1.1
    assert waiting.now == 0
    assert limit.counts.handed_back == sum(backs)


async def test_who_cannot_begin_in_time_comes_back_at_once():
    limit = Limit("x", Rules(max_per_second=1))
    times = []
    await use(limit, times)
    began = time.monotonic()
    outcomes = await asyncio.gather(*(use(limit, times, seconds=0.3) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Busy] * 3
    assert time.monotonic() - began < 0.5
    assert limit.waiting == 0


async def test_a_provider_that_asks_to_be_left_alone_is_left_alone_by_all(two):
    limits = two(Rules(max_per_second=100))
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


@pytest.mark.usefixtures("virtual")
async def test_a_pause_that_gets_longer_holds_those_who_wait_for_its_end_too():
    """Without rules, nothing else would stop them all from beginning at once."""
    free, times = Limit("y", None), []
    free.hold(1.0)
    began = time.monotonic()
    waiting = [asyncio.create_task(use(free, times)) for _ in range(3)]
    hurried = asyncio.create_task(free.enter("p", deadline=began + 2.0))
    await asyncio.sleep(0.5)
    free.hold(5.0)
    await asyncio.gather(*waiting)
    assert all(moment - began >= 5.49 for moment, _ in times)
    with pytest.raises(Busy):
        await hurried
    assert free.counts.handed_back == 1


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


async def test_a_pause_counts_from_the_answer_that_asks_for_it(two):
    """The permit that the same answer gives back lets no other request begin meanwhile."""
    limit, _ = two(Rules(max_per_second=100, max_concurrent=1))
    times = []
    await limit.enter("p", deadline=time.monotonic() + 10)
    waiting = asyncio.create_task(use(limit, times))
    await asyncio.sleep(0.2)
    assert limit.waiting == 1
    limit.hold(2.0)
    held = time.monotonic()
    limit.leave()
    await waiting
    assert times[0][0] - held >= 1.99
