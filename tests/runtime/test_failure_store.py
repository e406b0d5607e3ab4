"""Failed jobs that survive a restart."""

from __future__ import annotations

import asyncio

from zeebe_connectors.runtime import failure_store
from zeebe_connectors.runtime.failure_store import FailureStore
from zeebe_connectors.runtime.ledger import LedgerError
from zeebe_connectors.runtime.ledger.sqlite import SqliteStore
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Throw
from zeebe_connectors.runtime.outbound.stages import Stages
from zeebe_connectors.runtime.record import JobRecord
from zeebe_connectors.sdk.context import Job


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def job(key: int) -> Job:
    return Job(key, "test:1", bpmn_process_id="order", element_id="pay", variables='{"secret": "CANARY"}')


async def test_failures_and_nothing_else_are_there_after_a_restart_and_gone_a_day_later(tmp_path, monkeypatch):
    monkeypatch.setattr(failure_store, "WRITE_AFTER", 0.0)
    clock = Clock()
    store = SqliteStore(tmp_path / "ledger.db")
    record, failures = JobRecord(clock=clock), FailureStore(store, clock=clock)
    record.on_failure = failures.add
    counted = record.metrics("rest", None)
    counted.answered(job(1), Complete(), 0.1)
    counted.answered(job(2), Throw("E"), 0.1)
    counted.answered(job(3), Fail("again \ud800\0", 2, 5.0, code="503", stages=Stages(1.0, 2.0, 3.0, 4.0, 5.0)), 0.1)
    clock.now += 1
    counted.answered(job(3), Fail("no more", 0, code="503"), 0.1)
    await failures.aclose()
    assert "CANARY" not in str((tmp_path / "ledger.db").read_bytes())

    later, again = JobRecord(clock=clock), FailureStore(store, clock=clock)
    later.remember(await again.recent())
    newest = next(later.jobs())
    assert (newest.key, newest.outcome, newest.message) == (3, "incident", "no more")
    assert [one.outcome for one in await again.of(3)] == ["incident", "retried"]
    assert (await again.of(3))[1].steps[:2] == (1.0, 1.0)
    assert (await again.of(3))[0].replica
    assert await again.of(1) == []
    assert later.totals["incident"] == 0
    clock.now += failure_store.RETENTION_SECONDS + 1
    assert await again.recent() == []
    later.on_failure = again.add
    later.metrics("rest", None).answered(job(9), Fail("x", 0), 0.1)
    await again.aclose()
    rows = await store.read(lambda do: do.rows("SELECT count(*) FROM failures", {}))
    assert rows[0][0] == 1
    await store.aclose()


async def test_a_ledger_that_is_away_costs_no_job_and_what_waits_is_bounded(monkeypatch):
    monkeypatch.setattr(failure_store, "WRITE_AFTER", 0.0)
    written: list[int] = []

    class Away:
        away = True

        async def write(self, work: object) -> None:
            if self.away:
                raise LedgerError("the disk is full")
            written.append(1)

    store = Away()
    record, failures = JobRecord(), FailureStore(store)
    record.on_failure = failures.add
    counted = record.metrics("rest", None)
    for key in range(failure_store.MAX_WAITING + 50):
        counted.answered(job(key), Fail("x", 0), 0.1)
    await asyncio.sleep(0.02)
    assert len(failures._waiting) == failure_store.MAX_WAITING
    assert failures._waiting[-1].key == failure_store.MAX_WAITING + 49
    store.away = False
    await failures.aclose()
    assert written == [1]
    assert not failures._waiting
