"""What the runtime remembers of its jobs: exact counts, an hour by minute, and room of their own for failures."""

from __future__ import annotations

import pytest

from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Throw
from zeebe_connectors.runtime.record import FULL_RATE, ROOM, JobRecord
from zeebe_connectors.sdk.context import Job


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def job(key: int, **more):
    return Job(key, "test:1", bpmn_process_id="order", element_id="pay", variables='{"secret": "CANARY"}', **more)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def record(clock):
    return JobRecord(clock=clock)


def test_each_outcome_is_counted_and_kept_without_variables(record):
    counted = record.metrics("rest", None)
    counted.answered(job(1), Complete(), 0.05)
    counted.answered(job(2), Throw("REFUSED", "no credit"), 0.05)
    counted.answered(job(3), Fail("503", 2, backoff=30.0, code="503"), 0.05)
    counted.answered(job(4), Fail("503 again", 0, code="503"), 0.05)
    counted.unanswered(job(5))
    assert record.totals == {"completed": 1, "bpmn": 1, "retried": 1, "incident": 1, "unanswered": 1}
    assert {found.key: found.outcome for found in record.jobs()} == {
        1: "completed", 2: "bpmn", 3: "retried", 4: "incident", 5: "unanswered"
    }  # fmt: skip
    assert record.tries(3)[0].backoff == 30.0
    assert "CANARY" not in repr(list(record.jobs()))


def test_others_count_too(record):
    class Other:
        seen = []

        def activated(self, job):
            self.seen.append("activated")

        def answered(self, job, outcome, seconds):
            self.seen.append("answered")

        def unanswered(self, job):
            self.seen.append("unanswered")

    counted = record.metrics("rest", Other())
    counted.activated(job(1))
    counted.answered(job(1), Complete(), 1.0)
    counted.unanswered(job(2))
    assert Other.seen == ["activated", "answered", "unanswered"]


def test_success_never_pushes_out_a_failure_and_memory_is_bounded(record, clock):
    counted = record.metrics("rest", None)
    counted.answered(job(1), Fail("gone", 0), 0.1)
    for key in range(2, 60_000):
        clock.now += 0.0001
        counted.answered(job(key), Complete(), 0.1)
        if key % 10 == 0:
            counted.answered(job(key), Fail("again", 1), 0.1)
    assert record.totals["completed"] == 59_998
    assert [found.key for found in record.jobs("incident")] == [1]
    assert len(list(record.jobs())) <= sum(ROOM.values())
    assert len(list(record.jobs("completed"))) == ROOM["completed"]


def test_above_a_rate_one_in_n_completed_jobs_is_kept_and_n_is_known(record, clock):
    counted = record.metrics("rest", None)
    for _ in range(3):
        for key in range(FULL_RATE * 5):
            counted.answered(job(key), Complete(), 0.1)
        clock.now += 1
    assert record.one_in == 5
    assert record.totals["completed"] == FULL_RATE * 15
    assert len(list(record.jobs("completed"))) == FULL_RATE * 5 + 2 * FULL_RATE
    clock.now += 10
    counted.answered(job(1), Complete(), 0.1)
    assert record.one_in == 1


def test_the_hour_is_by_minute_and_older_minutes_are_gone(record, clock):
    counted = record.metrics("rest", None)
    counted.answered(job(1), Complete(), 0.1)
    clock.now += 60 * 59
    counted.answered(job(2), Fail("x", 0), 2.0)
    minutes = record.minutes()
    assert len(minutes) == 60
    assert minutes[0][1]["completed"] == 1
    assert minutes[-1][1]["incident"] == 1
    clock.now += 60
    assert sum(counts["completed"] for _, counts in record.minutes()) == 0
    assert record.totals["completed"] == 1


def test_minutes_that_are_over_are_summed_once(record, clock):
    counted = {name: record.metrics(name, None) for name in ("rest", "soap")}
    for number in range(70):
        counted["rest"].answered(job(number), Complete(), 0.1)
        counted["soap"].answered(job(number), Fail("x", 0, code=f"C{number % 3}"), number / 10)
        clock.now += 60
    read = []

    class Watched(dict):
        def values(self):
            read.append(self)
            return super().values()

        def get(self, *given):
            read.append(self)
            return super().get(*given)

    def look():
        return record.hour(), record.minutes(), record.hour_of("rest"), record.hour_of("soap")

    record._minutes.extend([(number, Watched(its)) for number, its in list(record._minutes)])
    clock.now -= 60  # within the last minute
    first = look()
    assert len(read) > 60
    read.clear()
    assert look() == first
    assert {id(one) for one in read} <= {id(record._minutes[-1][1])}
    counted["soap"].answered(job(99), Fail("x", 0, code="NEW"), 0.1)
    assert record.hour()[-1].codes == {"C0": 1, "NEW": 1}
    assert record.hour_of("soap").counts["incident"] == first[3].counts["incident"] + 1
    clock.now += 60
    counted["rest"].answered(job(100), Complete(), 0.1)
    assert record.hour()[-2].codes == {"C0": 1, "NEW": 1}
    assert record.hour()[0] == first[0][1]
    assert record.hour_of("rest").minutes == [1] * 60
    clock.now += 3600
    assert sum(record.hour_of("rest").minutes) == 0
    assert sum(sum(counts.values()) for _, counts in record.minutes()) == 0


def test_median_and_95_percent_are_near_the_true_ones(record):
    counted = record.metrics("rest", None)
    for number in range(1, 1001):
        counted.answered(job(number), Complete(), number / 1000)
    hour = record.hour_of("rest")
    assert hour.median == pytest.approx(0.5, rel=0.13)
    assert hour.p95 == pytest.approx(0.95, rel=0.13)
    assert record.hour_of("soap").median is None


def test_an_hour_by_minute_has_latencies_and_codes() -> None:
    clock = Clock()
    record = JobRecord(clock=clock)
    counted = record.metrics("rest", None)
    counted.answered(job(1), Fail("503", 2, code="503"), 0.1)
    counted.answered(job(2), Fail("x", 0), 0.1)
    clock.now += 60
    for number in range(30):
        counted.answered(job(10 + number), Fail("x", 0, code=f"C{number}"), 0.4)
    record.metrics("soap", None).answered(job(99), Complete(), 0.4)
    hour = record.hour()
    assert len(hour) == 60
    assert hour[-2].codes == {"503": 1, "no code": 1}
    assert sum(hour[-1].codes.values()) == 30
    assert (len(hour[-1].codes), hour[-1].codes["other"]) == (21, 10)
    assert hour[-1].counts["completed"] == 1
    assert hour[-1].median == pytest.approx(0.4, rel=0.125)
    assert hour[0].median is None


def test_what_is_new_is_found_without_looking_at_what_is_old(record, clock):
    counted = record.metrics("rest", None)
    for key in range(3000):
        clock.now += 0.01
        counted.answered(job(key), Complete(), 0.05)
    last = clock.now
    clock.now += 0.01
    counted.answered(job(3000), Fail("no", 0), 0.05)
    clock.now += 0.01
    counted.answered(job(3001), Complete(), 0.05)
    assert [found.key for found in record.newer(last, 50)] == [3001, 3000]
    assert [found.key for found in record.newer(0.0, 2)] == [3001, 3000]
    assert record.newer(clock.now, 50) == []
    looked = []

    class Kept(list):
        def __reversed__(self):
            for found in super().__reversed__():
                looked.append(found)
                yield found

    record._recent = {name: Kept(kept) for name, kept in record._recent.items()}
    record.newer(last, 50)
    assert len(looked) <= 5


def test_what_became_of_a_job_that_failed_is_kept_however_many_complete(record, clock):
    counted = record.metrics("rest", None)
    counted.answered(job(1), Fail("503", 2, code="503"), 0.05)
    for second in range(2):
        clock.now += 1
        for key in range(1000):
            counted.answered(job(1000 + second * 1000 + key), Complete(), 0.05)
    assert record.one_in > 1
    for key in (1, 2):
        counted.answered(job(key), Complete(), 0.05)
        counted.answered(job(key), Complete(), 0.05)
    assert [found.outcome for found in record.tries(1)] == ["completed", "retried"]
    assert record.tries(2) == []
    assert {key: found.outcome for key, found in record.latest({1, 2}).items()} == {1: "completed"}
    for key in range(ROOM["retried"] + 50):
        counted.answered(job(10_000 + key), Fail("503", 2, code="503"), 0.05)
    assert len(record.failed) == ROOM["retried"]
    counted.answered(job(10_000 + ROOM["retried"]), Throw("GONE", ""), 0.05)
    assert len(record.failed) == ROOM["retried"] - 1
