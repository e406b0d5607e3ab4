"""What an incident stops goes on where it stopped, with all that it had, wherever it is; with and without kills."""

from __future__ import annotations

import pytest
from tests.engine.diagrams import (
    Node,
    boundary,
    call,
    catch,
    end,
    error,
    event_sub,
    message,
    multi,
    on_error,
    on_message,
    on_signal,
    process,
    receive,
    script,
    signal,
    start,
    sub,
    task,
    throw,
    timer,
    variables,
)

# `r` must be more than zero for the mapping to succeed.
PICKY = [("=assert(r, r > 0)", "out")]


def stopped(bench, kind="IO_MAPPING_ERROR"):
    """The only incident; it has come again if it is resolved before anything is mended."""
    first = bench.incident()
    assert first.type == kind
    bench.resolve()
    again = bench.incident()
    assert again.key != first.key
    assert (again.element_id, again.element_instance_key) == (first.element_id, first.element_instance_key)
    return again


def mend(bench, **values) -> None:
    bench.set(stopped(bench).element_instance_key, local=True, **values)
    bench.resolve()


def test_the_output_of_a_call(both) -> None:
    both.deploy(
        process("child", "start > t > end", task("t")),
        process("p", "start > c > end", call("c", "child", outputs=PICKY)),
    )
    key = both.create()
    both.do("t", r=0, more=1)
    assert len(both.engine.instances) == 1
    mend(both, r=4)
    assert both.result(key) == {"out": 4}


def test_the_output_of_a_message(both) -> None:
    both.deploy(process("p", "start > c > end", catch("c", on_message("m"), outputs=PICKY), roots=message("m", "=k")))
    key = both.create(k="a")
    both.publish("m", "a", r=0)
    mend(both, r=1)
    assert both.result(key) == {"k": "a", "out": 1}


def test_the_output_of_a_receive_task_beside_its_timer(both) -> None:
    both.deploy(
        process(
            "p",
            "start > c > end; b > late > end2",
            receive("c", "m", outputs=PICKY),
            boundary("b", "c", timer("PT1H")),
            task("late"),
            roots=message("m", "=k"),
        )
    )
    key = both.create(k="a")
    both.publish("m", "a", r=0)
    mend(both, r=1)
    both.advance(7200)
    assert both.none("late")
    assert both.result(key)["out"] == 1


def test_the_output_of_a_boundary_event(both) -> None:
    both.deploy(
        process(
            "p",
            "start > t > end; b > after > end2",
            task("t"),
            boundary("b", "t", on_error("E"), outputs=PICKY),
            task("after"),
            roots=error("E"),
        )
    )
    key = both.create()
    both.throw(both.job("t"), "E", r=0)
    assert both.none("t")
    mend(both, r=2)
    assert both.do("after") == {"out": 2}
    assert both.ended(key)


def test_the_output_of_a_start_event(both) -> None:
    both.deploy(process("p", "start > end", start("start", outputs=PICKY)))
    key = both.create(r=0)
    found = stopped(both)
    both.set(key, r=3)
    both.resolve()
    assert found.element_id == "start"
    assert both.result(key) == {"r": 3, "out": 3}


def test_the_output_of_what_started_a_process(both) -> None:
    begun = start("start", on_message("m"), outputs=PICKY)
    both.deploy(process("p", "start > t > end", begun, task("t"), roots=message("m")))
    both.publish("m", "a", r=0, lost=1)
    mend(both, r=5)
    assert both.do("t") == {"out": 5}
    both.publish("m", "a", r=6)
    assert both.do("t") == {"out": 6}


def test_the_event_of_an_event_sub_process(both) -> None:
    inner = event_sub("e", "start2 > u > end2", start("start2", on_signal("S"), outputs=PICKY), task("u"))
    both.deploy(process("p", "start > t > end", task("t"), inner, roots=signal("S")))
    key = both.create()
    both.broadcast("S", r=0)
    assert both.none("t")
    mend(both, r=2)
    both.do("u")
    assert both.ended(key)


def test_the_input_of_an_event_sub_process_still_sees_its_event(both) -> None:
    inner = event_sub(
        "e",
        "start2 > u > end2",
        start("start2", on_message("m"), interrupting=False),
        task("u"),
        inputs=[("=assert(x, x != null) + v", "sum")],
    )
    both.deploy(process("p", "start > t > end", task("t"), inner, roots=message("m", "=k")))
    key = both.create(k="a")
    both.publish("m", "a", v=1)
    assert stopped(both).element_id == "e"
    both.set(key, x=10)
    both.resolve()
    assert both.do("u")["sum"] == 11
    both.do("t")
    assert both.ended(key)


@pytest.mark.parametrize("sequential", [False, True])
def test_the_input_of_one_instance(both, sequential) -> None:
    loop = multi("=[1, 0, 3]", "x", "out", "=y", sequential=sequential)
    mapped = [("=assert(x, x > least)", "y")]
    both.deploy(process("p", "start > t > end", task("t", inputs=mapped, loop=loop)))
    key = both.create(least=0)
    if sequential:
        both.do("t")
    found = stopped(both)
    both.set(key, least=-1)
    both.resolve()
    for job in both.jobs("t"):
        assert variables(job)["y"] == variables(job)["x"]
        both.complete(job)
    if sequential:
        both.do("t")
    assert found.element_id == "t"
    assert both.result(key) == {"least": -1, "out": [1, 0, 3]}


def test_the_condition_of_a_multi_instance_sub_process(both) -> None:
    inner = sub("s", "start2 > t > end2", task("t"), loop=multi("=[1, 2]", "x", "out", "=x", until="=enough"))
    both.deploy(process("p", "start > s > end", inner))
    key = both.create()
    first, second = both.jobs("t")
    both.complete(second)
    stopped(both, "EXTRACT_VALUE_ERROR")
    both.complete(first)
    assert len(both.engine.queries.incidents()) == 2
    both.set(key, enough=False)
    for incident in both.engine.queries.incidents():
        both.engine.resolve_incident(incident.key)
    assert both.result(key) == {"enough": False, "out": [1, 2]}


def test_the_output_of_a_sub_process(both) -> None:
    inner = sub("s", "start2 > t > end2", task("t"), inputs=[("=0", "r")], outputs=PICKY)
    both.deploy(process("p", "start > s > end", inner))
    key = both.create()
    both.do("t")
    mend(both, r=8)
    assert both.result(key) == {"out": 8}


def test_the_output_of_a_race(both) -> None:
    both.deploy(
        process(
            "p",
            "start > g; g > m > end; g > w > end2",
            Node("eventBasedGateway", "g"),
            catch("m", on_message("m"), outputs=PICKY),
            catch("w", timer("PT1H")),
            roots=message("m", "=k"),
        )
    )
    key = both.create(k="a")
    both.publish("m", "a", r=0)
    both.advance(3600)
    mend(both, r=1)
    assert both.result(key) == {"k": "a", "out": 1}


def test_the_expression_of_a_script(both) -> None:
    both.deploy(process("p", "start > s > end", script("s", "=assert(r, r > 0)", "out")))
    key = both.create(r=0)
    stopped(both, "EXTRACT_VALUE_ERROR")
    both.set(key, r=1)
    both.resolve()
    assert both.result(key) == {"r": 1, "out": 1}


def test_the_name_of_a_thrown_signal(both) -> None:
    both.deploy(process("q", "start > t > end", start("start", on_signal("S")), task("t"), roots=signal("S")))
    thrown = throw("s", on_signal("N"), inputs=[("=1", "local")])
    both.deploy(process("p", "start > s > end", thrown, roots=signal("N", "=name")))
    key = both.create()
    stopped(both, "EXTRACT_VALUE_ERROR")
    assert both.none("t")
    both.set(key, name="S")
    both.resolve()
    assert both.do("t") == {"local": 1}
    assert both.ended(key)


def test_an_incident_inside_is_gone_with_what_interrupts_it(both) -> None:
    both.deploy(
        process(
            "p",
            "start > s > end; b > after > end4",
            sub("s", "start2 > par; par > t > end2; par > u > end3", task("t", outputs=PICKY), task("u")),
            boundary("b", "s", on_message("m")),
            task("after"),
            roots=message("m", "=k"),
        )
    )
    key = both.create(k="a")
    both.do("t", r=0)
    both.fail(both.job("u"), 0)
    assert len(both.engine.queries.incidents()) == 2
    both.publish("m", "a")
    assert not both.engine.queries.incidents()
    both.do("after")
    assert both.result(key) == {"k": "a"}


def test_an_end_event_that_cannot_name_its_error(both) -> None:
    both.deploy(
        process(
            "p",
            "start > s > end; b > after > end3",
            sub("s", "start2 > par; par > fail; par > u > end2", end("fail", on_error("X")), task("u")),
            boundary("b", "s", on_error("E")),
            task("after"),
            roots=error("X", "=code") + error("E", "E"),
        )
    )
    key = both.create()
    stopped(both, "EXTRACT_VALUE_ERROR")
    both.set(key, code="unknown")
    both.resolve()
    assert both.incident().type == "UNHANDLED_ERROR_EVENT"
    both.set(key, code="E")
    both.resolve()
    assert both.none("u")
    both.do("after")
    assert both.ended(key)
