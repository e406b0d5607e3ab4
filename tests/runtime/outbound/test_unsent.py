"""Outcomes wait for their jobs, in bounded number and for a bounded time."""

from zeebe_connectors.runtime.outbound.outcome import Complete
from zeebe_connectors.runtime.outbound.unsent import Unsent
from zeebe_connectors.sdk.context import Job


def test_outcomes_whose_time_is_over_make_room_by_themselves() -> None:
    """Nobody may ever ask for them again."""
    unsent = Unsent(age=-1.0)
    for key in range(5):
        unsent.keep(Job(key, "t"), Complete(payload="{}"))
    assert len(unsent) == 1
    assert unsent.pop(Job(4, "t")) is None


def test_an_outcome_within_its_time_is_given_once() -> None:
    unsent = Unsent()
    unsent.keep(Job(1, "t"), Complete(payload="{}"))
    unsent.keep(Job(2, "t"), Complete(payload="{}"))
    assert unsent.pop(Job(1, "t")) == Complete(payload="{}")
    assert unsent.pop(Job(1, "t")) is None
    assert len(unsent) == 1
