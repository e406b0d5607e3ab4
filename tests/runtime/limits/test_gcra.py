"""Whatever comes when: at most N grants in any second, and the delay from start to start."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeebe_connectors.runtime.limits.gcra import Gcra, interval_of

ARRIVALS = st.lists(st.floats(0, 0.6, allow_nan=False), min_size=1, max_size=200)


def granted(budget, gaps, lateness=()):
    """When requests are granted that come with these gaps and are served in order, timers being late."""
    now = last = 1000.0
    times = []
    late = list(lateness) or [0.0]
    for number, gap in enumerate(gaps):
        now = max(last, now + gap)
        while (wait := budget.wait(now)) > 0:
            now += wait + late[number % len(late)]
        budget.grant(now)
        times.append(now)
        last = now
    return times


def most_in_a_second(times):
    return max(sum(1 for other in times if one <= other < one + 1.0) for one in times)


@given(st.integers(1, 60), ARRIVALS, st.lists(st.floats(0, 0.05), max_size=7))
def test_at_most_n_in_any_second(per_second, gaps, lateness):
    times = granted(Gcra(interval_of(per_second)), gaps, lateness)
    assert most_in_a_second(times) <= per_second


@given(st.integers(1, 60), st.floats(0.001, 5), ARRIVALS, st.lists(st.floats(0, 0.05), max_size=7))
def test_the_delay_counts_from_start_to_start(per_second, delay, gaps, lateness):
    times = granted(Gcra(interval_of(per_second), delay=delay), gaps, lateness)
    assert most_in_a_second(times) <= per_second
    assert all(later - one >= delay - 1e-6 for one, later in itertools.pairwise(times))


@given(st.integers(1, 60), st.integers(2, 5), st.lists(ARRIVALS, min_size=5, max_size=5))
def test_replicas_that_share_without_knowing_stay_within_the_rule(per_second, replicas, arrivals):
    """As far as the rule can be divided: below one each, each still begins one in its own longer time."""
    times = sorted(
        time for gaps in arrivals[:replicas] for time in granted(Gcra(interval_of(per_second, replicas)), gaps)
    )
    if per_second >= replicas:
        assert most_in_a_second(times) <= per_second


@pytest.mark.parametrize("per_second", [1, 7, 50, 200])
def test_who_always_waits_gets_nearly_all_of_it(per_second):
    """Timers that are a little late cost nothing, for the next request makes up for it."""
    times = granted(Gcra(interval_of(per_second)), [0.0] * 1001, [0.001])
    assert (len(times) - 1) / (times[-1] - times[0]) > 0.95 * per_second
