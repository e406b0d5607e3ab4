"""Count work, never seconds: twice as many items take twice the lines and characters, an instance takes few calls."""

from __future__ import annotations

import sys

import pytest
from tests.engine.conftest import Bench
from tests.engine.diagrams import (
    boundary,
    catch,
    message,
    multi,
    on_message,
    process,
    start,
    task,
    variables,
)

from zeebe_connectors.engine import SqliteStore, jobs, store
from zeebe_connectors.engine.jobs import Stream

FEW, MANY = 150, 600
SLACK = 1.15


def lines_run(action) -> int:
    """Count the lines of Python that an action runs, each round of a comprehension included."""
    count = 0

    def local(frame, event, argument):
        nonlocal count
        count += event == "line"
        return local

    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: local)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


@pytest.fixture
def written(monkeypatch):
    """Counts the characters of JSON that jobs and the store write."""
    counts = {jobs: 0, store: 0}
    for module in counts:

        def count(value, module=module, real=module.to_json):
            text = real(value)
            counts[module] += len(text)
            return text

        monkeypatch.setattr(module, "to_json", count)
    return counts


def is_linear(measure) -> None:
    few, many = measure(FEW), measure(MANY)
    assert many < few * MANY / FEW * SLACK, (few, many)


def publish(bench, count: int) -> None:
    for number in range(count):
        bench.publish("m", "k", ttl=60, n=number)


def test_messages_of_one_key_that_start_one_instance_after_the_other() -> None:
    def measure(count: int) -> int:
        bench = Bench()
        bench.deploy(process("p", "start > t > end", start("start", on_message("m")), task("t"), roots=message("m")))
        publish(bench, count)

        def drain() -> None:
            for number in range(count):
                assert bench.do("t") == {"n": number}

        return lines_run(drain)

    is_linear(measure)


def test_messages_of_one_key_that_instances_take_one_by_one() -> None:
    def measure(count: int) -> int:
        bench = Bench()
        bench.deploy(process("p", "start > c > end", catch("c", on_message("m")), roots=message("m", '="k"')))
        bench.deploy(process("q", "start > c > end", catch("c", on_message("m")), roots=message("m", '="k"')))
        publish(bench, count)

        def drain() -> None:
            for number in range(count):
                for name in ("p", "q"):
                    assert bench.run(name) == {"n": number}

        return lines_run(drain)

    is_linear(measure)


def test_messages_for_an_event_that_stays_open() -> None:
    def measure(count: int) -> int:
        bench = Bench()
        bench.deploy(
            process(
                "p",
                "start > t > end; b > u > end2",
                task("t"),
                task("u"),
                boundary("b", "t", on_message("m"), interrupting=False),
                roots=message("m", '="k"'),
            )
        )
        publish(bench, count)
        found = lines_run(bench.create)
        assert len(bench.jobs("u", 10_000)) == count
        return found

    is_linear(measure)


@pytest.mark.parametrize("sequential", [False, True])
def test_a_multi_instance_activity_saved_with_each_answer(tmp_path, written, sequential) -> None:
    """Neither its collection nor its outputs are written anew for each item."""
    lines = {}

    def measure(count: int) -> int:
        bench = Bench(SqliteStore(tmp_path / f"{count}.db"))
        loop = multi("=items", "x", "out", "=r", sequential=sequential)
        bench.deploy(process("p", "start > t > end", task("t", loop=loop)))
        written[store] = 0

        def drive() -> None:
            bench.create(items=[f"item {n:04}" for n in range(count)])
            while found := bench.jobs("t", 1, fetch=["x"]):
                bench.complete(found[0], r="a result")

        lines[count] = lines_run(drive)
        assert not bench.engine.elements
        assert bench.engine.store._db.execute("SELECT count(*) FROM round").fetchone() == (0,)
        bench.engine.close()
        return written[store]

    is_linear(measure)
    is_linear(lines.__getitem__)


@pytest.mark.parametrize("stream", [False, True])
def test_the_jobs_of_a_multi_instance_activity_share_the_text_of_its_collection(written, stream) -> None:
    """Every job has the whole collection, but it is turned into text once."""

    def measure(count: int) -> int:
        bench = Bench()
        bench.deploy(process("p", "start > t > end", task("t", loop=multi("=items", "x"))))
        items = [f"item {n:04}" for n in range(count)]
        pushed = []
        if stream:
            bench.engine.jobs.open_stream(Stream("t", "w", 60_000, (), lambda: True, pushed.append))
        written[jobs] = 0
        bench.create(items=items)
        got = pushed
        while found := bench.jobs("t", count):
            got += found
        assert [variables(job) for job in got] == [
            {"items": items, "loopCounter": n + 1, "x": item} for n, item in enumerate(items)
        ]
        return written[jobs]

    is_linear(measure)


def test_an_instance_of_one_task_takes_few_calls(tmp_path) -> None:
    """In groups that are written together, as over gRPC: create, activate, complete."""
    bench = Bench(SqliteStore(tmp_path / "state.db"))
    bench.engine.scheduler = lambda: None
    count = 32

    def written() -> None:
        bench.engine.flow.run()
        bench.engine.save()

    def drive() -> None:
        for number in range(count):
            bench.create(number=number)
        written()
        found = bench.jobs("t", count)
        written()
        for job in found:
            bench.complete(job, done=True)
        written()

    bench.deploy(process("p", "start > t > end", task("t")))
    drive()
    calls = 0

    def count_calls(frame, event, argument) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count_calls)
    try:
        drive()
    finally:
        sys.setprofile(before)
    assert not bench.engine.elements
    assert calls < 163 * count, calls / count
    bench.engine.close()
