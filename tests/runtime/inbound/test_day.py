"""A source's last 24 hours."""

from __future__ import annotations

from zeebe_connectors.runtime.inbound.day import CELL_SECONDS, CELLS, Day


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_each_quarter_has_its_worst_state_and_its_events() -> None:
    clock = Clock()
    day = Day(clock=clock)
    day.status("STARTING")
    day.status("UP")
    day.event()
    clock.now += CELL_SECONDS
    day.event()
    day.event()
    clock.now += 3 * CELL_SECONDS
    day.status("DOWN")
    day.status("UP")
    clock.now += CELL_SECONDS
    states, events = day.shown()
    assert (len(states), len(events)) == (CELLS, CELLS)
    assert states[-6:] == "uuuudu"
    assert events[-6:] == [1, 2, 0, 0, 0, 0]
    assert set(states[:-6]) == {"-"}


def test_a_day_later_nothing_of_it_is_left_and_a_clock_that_goes_back_does_no_harm() -> None:
    clock = Clock()
    day = Day(clock=clock)
    day.status("DOWN")
    day.event()
    day.status("UP")
    clock.now += 10 * CELLS * CELL_SECONDS
    states, events = day.shown()
    assert (set(states), sum(events)) == ({"u"}, 0)
    clock.now -= 5 * CELL_SECONDS
    day.event()
    assert sum(day.shown()[1]) == 1
    for _ in range(70_000):
        day.event()
    assert max(day.shown()[1]) == 65_535
