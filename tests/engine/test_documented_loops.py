"""What the documentation says of multi-instance activities, with and without kills."""

from __future__ import annotations

from tests.engine.diagrams import (
    boundary,
    call,
    end,
    error,
    message,
    multi,
    on_error,
    on_message,
    process,
    script,
    sub,
    task,
    timer,
    variables,
)

from zeebe_connectors.engine import RejectionCode

# Multi-instance: the page components/modeler/bpmn/multi-instance.


def test_an_output_element_that_is_more_than_a_variable_makes_no_local_one(both) -> None:
    both.deploy(process("p", "start > t > end", task("t", loop=multi("=[1, 2]", "x", "out", "=r + x"))))
    key = both.create()
    for job in both.jobs("t"):
        assert "r" not in variables(job)
        both.complete(job, r=10)
    assert both.result(key) == {"out": [11, 12], "r": 10}


def test_a_nested_output_element_makes_its_variable_local(both) -> None:
    both.deploy(process("p", "start > t > end", task("t", loop=multi("=[1, 2]", "x", "out", "=r.value"))))
    key = both.create(r="root")
    first, second = both.jobs("t")
    assert variables(first)["r"] is None
    both.complete(second, r={"value": "b"})
    both.complete(first, r={"other": 1})
    assert both.result(key) == {"r": "root", "out": [None, "b"]}


def test_an_output_that_nobody_gave_is_null(both) -> None:
    both.deploy(process("p", "start > t > end", task("t", loop=multi("=[1, 2, 3]", "x", "out", "=r"))))
    key = both.create()
    jobs = both.jobs("t")
    both.complete(jobs[1], r=5)
    both.complete(jobs[0])
    both.complete(jobs[2], other=1)
    assert both.result(key) == {"out": [None, 5, None], "other": 1}


def test_an_empty_collection_skips_the_activity_and_its_boundary_events(both) -> None:
    both.deploy(
        process(
            "p",
            "start > t > after > end; b > late > end2",
            task("t", loop=multi("=items", "x", "out", "=r")),
            task("after"),
            task("late"),
            boundary("b", "t", timer("PT1S")),
        )
    )
    key = both.create(items=[])
    both.advance(5)
    assert both.none("late")
    both.do("after")
    assert both.result(key) == {"items": [], "out": []}


def test_items_of_any_type(both) -> None:
    items = [1, "two", None, True, {"a": [1]}, [2]]
    both.deploy(process("p", "start > s > end", script("s", "=x", "r", loop=multi("=items", "x", "out", "=r"))))
    assert both.run(items=items) == {"items": items, "out": items}


def test_the_collection_is_evaluated_once(both) -> None:
    loop = multi("=items", "x", "out", "=r", sequential=True)
    both.deploy(process("p", "start > t > end", task("t", loop=loop)))
    key = both.create(items=["a", "b"])
    both.do("t", r=1)
    both.set(key, items=["c", "d", "e"])
    assert both.do("t", r=2)["x"] == "b"
    assert both.result(key) == {"items": ["c", "d", "e"], "out": [1, 2]}


def test_a_completion_condition_ends_those_that_are_left(both) -> None:
    loop = multi("=[1, 2, 3]", "x", "out", "=r", until="=numberOfCompletedInstances = 2")
    both.deploy(process("p", "start > t > end", task("t", loop=loop)))
    key = both.create()
    first, second, third = both.jobs("t")
    both.complete(third, r="c")
    both.complete(first, r="a")
    assert both.result(key) == {"out": ["a", None, "c"]}
    both.rejects(RejectionCode.NOT_FOUND, both.complete, second)


def test_a_completion_condition_ends_a_sequence(both) -> None:
    loop = multi("=[1, 2, 3]", "x", "out", "=r", sequential=True, until="=r > 1")
    both.deploy(process("p", "start > t > after > end", task("t", loop=loop), task("after")))
    key = both.create()
    both.do("t", r=1)
    both.do("t", r=2)
    assert both.none("t")
    both.do("after")
    assert both.result(key) == {"out": [1, 2, None]}


def test_a_completion_condition_that_is_no_boolean_counts_the_instance_once(both) -> None:
    loop = multi("=[1, 2]", "x", "out", "=r", until="=enough")
    both.deploy(process("p", "start > t > end", task("t", loop=loop)))
    key = both.create()
    first, second = both.jobs("t")
    both.complete(first, r=1)
    assert both.incident().type == "EXTRACT_VALUE_ERROR"
    both.set(key, enough=False)
    both.resolve()
    both.complete(second, r=2)
    assert both.result(key) == {"enough": False, "out": [1, 2]}


def test_an_output_mapping_collects_from_parallel_calls(both) -> None:
    """The example of the page: each child's x goes to the output element, not to the process."""
    both.deploy(process("child", "start > s > end", script("s", "=x * 10", "x")))
    loop = multi("=[1, 2, 3]", "x", "out", "=output")
    both.deploy(process("p", "start > c > end", call("c", "child", outputs=[("=x", "output")], loop=loop)))
    assert both.run() == {"out": [10, 20, 30]}


def test_an_error_in_one_instance_ends_them_all(both) -> None:
    both.deploy(
        process(
            "p",
            "start > m > end; b > after > end3",
            sub(
                "m",
                "start2 > t > xor; xor > end2 {=ok}; xor > fail {default}",
                task("t"),
                end("fail", on_error("E")),
                loop=multi("=[1, 2]", "x", "out", "=x"),
            ),
            boundary("b", "m", on_error("E")),
            task("after"),
            roots=error("E"),
        )
    )
    key = both.create()
    first, second = both.jobs("t")
    both.complete(first, ok=True)
    both.complete(second, ok=False)
    both.do("after")
    assert both.result(key) == {"ok": False}


def test_a_timer_at_a_multi_instance_activity_ends_all_instances_without_output(both) -> None:
    both.deploy(
        process(
            "p",
            "start > t > end; b > late > end2",
            task("t", loop=multi("=[1, 2, 3]", "x", "out", "=r")),
            task("late"),
            boundary("b", "t", timer("PT1H")),
        )
    )
    key = both.create()
    first, second, _ = both.jobs("t")
    both.complete(first, r=1)
    both.advance(3600)
    both.rejects(RejectionCode.NOT_FOUND, both.complete, second)
    assert both.do("late") == {}
    assert both.result(key) == {}


def test_an_event_at_a_multi_instance_activity_happens_once_and_sees_nothing_inside(both) -> None:
    both.deploy(
        process(
            "p",
            "start > t > end; b > note > end2",
            task("t", loop=multi("=[1, 2, 3]", "x", "out", "=r")),
            task("note"),
            boundary("b", "t", on_message("m"), interrupting=False),
            roots=message("m", "=k"),
        )
    )
    key = both.create(k="a")
    both.publish("m", "a", v=1)
    both.publish("m", "a", v=2)
    assert [variables(job) for job in both.jobs("note")] == [{"k": "a", "v": 2}, {"k": "a", "v": 2}]
    jobs = both.jobs("t")
    assert [variables(job)["x"] for job in jobs] == [1, 2, 3]
    assert both.active(key)


def test_multi_instance_inside_multi_instance(both) -> None:
    inner = task("t", loop=multi("=row", "cell", "cells", "=r"))
    outer = multi("=rows", "row", "table", "=cells")
    both.deploy(process("p", "start > s > end", sub("s", "start2 > t > end2", inner, loop=outer)))
    key = both.create(rows=[[1, 2], [], [3]])
    for job in both.jobs("t"):
        both.complete(job, r=variables(job)["cell"] * 10)
    assert both.result(key) == {"rows": [[1, 2], [], [3]], "table": [[10, 20], [], [30]]}


def test_input_mappings_of_each_instance_see_its_item_and_number(both) -> None:
    loop = multi("=items", "item", "out", "=label", sequential=True)
    mapped = [("=item.name", "name"), ('=name + "-" + string(loopCounter)', "label")]
    both.deploy(process("p", "start > t > end", task("t", inputs=mapped, loop=loop)))
    key = both.create(items=[{"name": "a"}, {"name": "b"}])
    assert both.do("t")["label"] == "a-1"
    assert both.do("t", label="own")["label"] == "b-2"
    assert both.result(key)["out"] == ["a-1", "own"]


def test_an_incident_in_one_instance_holds_up_only_that(both) -> None:
    both.deploy(process("p", "start > t > end", task("t", loop=multi("=[1, 2]", "x", "out", "=r"))))
    key = both.create()
    first, second = both.jobs("t")
    both.fail(first, 0, why="bad")
    both.complete(second, r=2)
    assert both.active(key)
    both.engine.update_job_retries(first.key, 1)
    both.resolve()
    job = both.job("t")
    assert (variables(job)["why"], variables(job)["x"], job.retries) == ("bad", 1, 1)
    both.complete(job, r=1)
    assert both.result(key) == {"out": [1, 2]}


def test_locals_of_an_instance_do_not_reach_the_next(both) -> None:
    loop = multi("=[1, 2]", "x", sequential=True)
    both.deploy(process("p", "start > t > end", task("t", inputs=[("=x", "mine")], loop=loop)))
    key = both.create()
    both.do("t", mine="changed", shared=1)
    second = both.do("t")
    assert (second["mine"], second["shared"]) == (2, 1)
    assert both.result(key) == {"shared": 1}
