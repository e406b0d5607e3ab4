"""An incident stays in sight until its job is answered well, somebody has dealt with it, or a day has gone by."""

from __future__ import annotations

import pytest

from zeebe_connectors.runtime.open_incidents import ENDED_SECONDS, MAX_OPEN, OPEN_SECONDS, OTHERS_SECONDS, Place
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Throw
from zeebe_connectors.runtime.record import JobRecord
from zeebe_connectors.sdk.context import Job

PLACE = Place("rest", "order", "pay", "503")


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def record(clock):
    return JobRecord(clock=clock)


def job(key: int) -> Job:
    return Job(key, "test:1", bpmn_process_id="order", element_id="pay")


def failed(record: JobRecord, *keys: int) -> None:
    for key in keys:
        record.metrics("rest", None).answered(job(key), Fail("busy", 0, code="503"), 0.1)


@pytest.mark.parametrize("outcome", [Complete(), Throw("REFUSED", "no credit")])
def test_it_ends_when_its_job_is_answered_well_and_is_remembered_for_an_hour(record, clock, outcome):
    failed(record, 1, 2)
    assert [found.key for found in record.incidents.by_place()[PLACE]] == [2, 1]
    counted = record.metrics("rest", None)
    counted.answered(job(1), outcome, 0.1)
    counted.answered(job(3), outcome, 0.1)
    assert [found.key for found in record.incidents.by_place()[PLACE]] == [2]
    assert record.incidents.ended() == {}, "another of the same place is still open"
    clock.now += 60
    counted.answered(job(2), outcome, 0.1)
    assert record.incidents.by_place() == {}
    until, jobs = record.incidents.ended()[PLACE]
    assert (until, [found.key for found in jobs]) == (clock.now, [2, 1])
    clock.now += ENDED_SECONDS + 1
    assert record.incidents.ended() == {}


def test_a_job_that_fails_again_is_one_incident_and_trying_again_ends_none(record):
    failed(record, 1, 1)
    record.metrics("rest", None).answered(job(1), Fail("busy", 2, code="503"), 0.1)
    assert len(record.incidents.by_place()[PLACE]) == 1


def test_whoever_has_dealt_with_it_is_believed_for_what_they_saw(record, clock):
    failed(record, 1, 2)
    seen = clock.now
    clock.now += 5
    failed(record, 3)
    assert record.incidents.dismiss(PLACE._replace(code="other"), clock.now) == 0
    assert record.incidents.dismiss(PLACE, seen) == 2
    assert [found.key for found in record.incidents.by_place()[PLACE]] == [3]
    assert record.incidents.ended() == {}


def test_it_leaves_after_a_day_and_those_of_others_after_an_hour(record, clock):
    failed(record, 1)
    other = next(record.jobs("incident"))._replace(key=9, replica="another")
    record.remember([other])
    assert [found.key for found in record.incidents.by_place()[PLACE]] == [1, 9]
    clock.now += OTHERS_SECONDS + 1
    assert [found.key for found in record.incidents.by_place()[PLACE]] == [1]
    record.remember([other])
    assert [found.key for found in record.incidents.by_place()[PLACE]] == [1]
    clock.now += OPEN_SECONDS
    assert record.incidents.by_place() == {}


def test_the_number_is_bounded(record):
    failed(record, *range(MAX_OPEN + 10))
    assert len(record.incidents.open) == MAX_OPEN
    assert 9 not in record.incidents.open
    assert MAX_OPEN + 9 in record.incidents.open
