"""Whatever comes when: at most N grants in any second, the delay from start to start, and nearly all of the rate."""

import bisect
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeebe_connectors.runtime.limits.lanes import Lanes, lanes_of
from zeebe_connectors.runtime.limits.leases import fair_parts
from zeebe_connectors.runtime.limits.schedule import LocalSchedule

ARRIVALS = st.lists(st.floats(0, 0.6, allow_nan=False), min_size=1, max_size=200)
LATENESS = st.lists(st.floats(0, 0.3), max_size=7)


def granted(schedule, gaps, lateness=()):
    """When requests are granted that come with these gaps and are served in order, timers being late."""
    now = last = 1000.0
    times = []
    late = list(lateness) or [0.0]
    for number, gap in enumerate(gaps):
        now = max(last, now + gap)
        while (wait := schedule.wait(now, 1)) > 0:
            now += wait + late[number % len(late)]
        schedule.grant(now)
        times.append(now)
        last = now
    return times


def by_rule(per_second, share_of=1, delay=0.0):
    return LocalSchedule(Lanes(*lanes_of(per_second, share_of)), delay)


def most_in_a_second(times):
    return max(bisect.bisect_left(times, one + 1.0) - place for place, one in enumerate(times))


@given(st.integers(1, 60), ARRIVALS, LATENESS)
def test_at_most_n_in_any_second(per_second, gaps, lateness):
    assert most_in_a_second(granted(by_rule(per_second), gaps, lateness)) <= per_second


@given(st.integers(1, 60), st.floats(0.001, 5), ARRIVALS, LATENESS)
def test_the_delay_counts_from_start_to_start(per_second, delay, gaps, lateness):
    times = granted(by_rule(per_second, delay=delay), gaps, lateness)
    assert most_in_a_second(times) <= per_second
    assert all(later - one >= delay - 1e-6 for one, later in itertools.pairwise(times))


@given(st.integers(1, 60), st.integers(2, 5), st.lists(ARRIVALS, min_size=5, max_size=5))
def test_replicas_that_share_without_knowing_stay_within_the_rule(per_second, replicas, arrivals):
    """As far as the rule can be divided: below one each, each still begins one in its own longer time."""
    times = sorted(time for gaps in arrivals[:replicas] for time in granted(by_rule(per_second, replicas), gaps))
    if per_second >= replicas:
        assert most_in_a_second(times) <= per_second


@given(st.integers(1, 60), st.integers(1, 60), ARRIVALS, ARRIVALS)
def test_a_change_of_the_rule_begins_no_new_second(before, after, gaps, more):
    old = by_rule(before)
    times = granted(old, gaps)
    new = by_rule(after)
    new.follow(old)
    now = times[-1]
    for gap in more:
        now += gap
        now += new.wait(now, 1)
        new.grant(now)
        times.append(now)
    assert most_in_a_second(times) <= max(before, after)


@pytest.mark.parametrize("per_second", [1, 7, 50, 200])
@pytest.mark.parametrize("lateness", [0.001, 0.03])
def test_who_always_waits_gets_nearly_all_of_it(per_second, lateness):
    """Timers that are late cost what they are late, not a whole turn."""
    times = granted(by_rule(per_second), [0.0] * 20 * per_second, [lateness])
    times = times[per_second:]
    assert (len(times) - 1) / (times[-1] - times[0]) > 0.95 * per_second


def test_an_idle_budget_is_not_used_up_in_one_burst():
    """A service whose clock sees the first of them late would else see twice as many in its second."""
    times = granted(by_rule(50), [0.0] * 50)
    assert times[-1] - times[0] > 0.7


@given(
    st.dictionaries(st.text("abc", min_size=1), st.integers(0, 30), min_size=1, max_size=6),
    st.integers(1, 40),
    st.integers(0, 10),
)
def test_parts_are_fair_and_use_all(wanted, total, turn):
    parts = fair_parts(wanted, total, turn)
    assert sum(parts.values()) == min(total, sum(wanted.values()))
    unserved = [name for name in wanted if parts[name] < wanted[name]]
    for name, part in parts.items():
        assert 0 <= part <= wanted[name]
        assert all(part <= parts[other] + 1 for other in unserved), "nobody has more than one who wants more"


def test_what_cannot_be_divided_goes_round():
    wanted = {"a": 5, "b": 5, "c": 5}
    turns = [fair_parts(wanted, 1, turn) for turn in range(3)]
    assert {name: sum(turn[name] for turn in turns) for name in wanted} == {"a": 1, "b": 1, "c": 1}
