"""A failure that lasts fills no log."""

import logging

import pytest

from zeebe_connectors.runtime.outage import Outage

LOG = logging.getLogger("test.outage")


@pytest.fixture
def outage(caplog):
    caplog.set_level(logging.INFO)
    now = [100.0]
    made = Outage(LOG, "The cluster does not answer", "Check its address", clock=lambda: now[0])

    def fail(times, reason="UNAVAILABLE", pause=1.0, **options):
        for _ in range(times):
            made.failed(reason, **options)
            now[0] += pause

    made.fail = fail
    return made


def lines(caplog):
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_one_line_when_it_begins_one_a_minute_one_when_it_is_over(outage, caplog):
    outage.fail(150)
    outage.over()
    outage.over()
    assert lines(caplog) == [
        ("WARNING", "The cluster does not answer: UNAVAILABLE. Check its address"),
        ("WARNING", "The cluster does not answer: still, after 60 s and 61 failures: UNAVAILABLE"),
        ("WARNING", "The cluster does not answer: still, after 120 s and 121 failures: UNAVAILABLE"),
        ("INFO", "The cluster does not answer: back after 150 s and 150 failures"),
    ]


def test_a_new_failure_after_a_success_is_logged_at_once(outage, caplog):
    outage.fail(2)
    outage.over()
    outage.fail(1)
    assert [level for level, _ in lines(caplog)] == ["WARNING", "INFO", "WARNING"]


def test_another_unexpected_error_is_logged_with_its_trace(outage, caplog):
    outage.fail(2, "ValueError", error=ValueError())
    outage.fail(3, "KeyError", error=KeyError())
    assert [message for _, message in lines(caplog)] == [
        "The cluster does not answer: ValueError. Check its address",
        "The cluster does not answer: KeyError",
    ]
    assert all(record.exc_info for record in caplog.records)


def test_successes_among_failures_do_not_end_it_where_many_share_it(caplog):
    caplog.set_level(logging.INFO)
    now = [100.0]
    outage = Outage(LOG, "The cluster does not answer", quiet=3.0, clock=lambda: now[0])
    for _ in range(50):
        outage.failed("HTTP 503")
        now[0] += 0.5
        outage.over()
        now[0] += 0.5
    now[0] += 1.5
    outage.over()
    now[0] += 1.0
    outage.over()
    assert lines(caplog) == [
        ("WARNING", "The cluster does not answer: HTTP 503"),
        ("INFO", "The cluster does not answer: back after 52 s and 50 failures"),
    ]
