"""What the documentation says of call activities and errors, with and without kills."""

from __future__ import annotations

import pytest
from tests.engine.diagrams import (
    TERMINATE,
    boundary,
    call,
    end,
    error,
    event_sub,
    message,
    multi,
    on_error,
    on_message,
    on_signal,
    process,
    signal,
    start,
    sub,
    task,
    throw,
    timer,
)

from zeebe_connectors.engine import RejectionCode

# Call activities: the pages components/modeler/bpmn/call-activities and choosing-the-resource-binding-type.


def child(flow="start > t > end", *nodes, **more) -> bytes:
    return process("child", flow, *(nodes or (task("t"),)), **more)


def test_the_called_process_may_be_an_expression(both) -> None:
    both.deploy(child(), process("p", "start > c > end", call("c", '="chi" + which')))
    key = both.create()
    assert both.incident().type == "EXTRACT_VALUE_ERROR"
    both.set(key, which="ld")
    both.resolve()
    both.do("t")
    assert both.ended(key)


def test_a_child_without_the_parent_s_variables_gets_the_input_mappings(both) -> None:
    called = call("c", "child", inputs=[("=a", "b")], propagateAllParentVariables="false")
    both.deploy(child(), process("p", "start > c > end", called))
    both.create(a=1, secret=2)
    assert both.do("t") == {"b": 1}


def test_input_mappings_cover_what_the_parent_has(both) -> None:
    both.deploy(child(), process("p", "start > c > end", call("c", "child", inputs=[("=a + 1", "a")])))
    both.create(a=1, z=3)
    assert both.do("t") == {"a": 2, "z": 3}


def test_a_child_s_variables_stay_with_it_if_they_are_not_propagated(both) -> None:
    both.deploy(child(), process("p", "start > c > end", call("c", "child", propagateAllChildVariables="false")))
    key = both.create(a=1)
    both.do("t", a=2, b=3)
    assert both.result(key) == {"a": 1}


def test_output_mappings_choose_even_if_all_are_propagated(both) -> None:
    called = call("c", "child", outputs=[("=b", "got")], propagateAllChildVariables="true")
    both.deploy(child(), process("p", "start > c > end", called))
    key = both.create(a=1)
    both.do("t", a=2, b=3)
    assert both.result(key) == {"a": 1, "got": 3}


def test_a_local_of_the_call_ends_the_propagation(both) -> None:
    """A variable goes up to the nearest scope that has it: here the call activity's own."""
    called = call("c", "child", inputs=[("=1", "a")], propagateAllChildVariables="true")
    both.deploy(child(), process("p", "start > c > end", called))
    key = both.create(a=0)
    both.do("t", a=2, b=3)
    assert both.result(key) == {"a": 0, "b": 3}


def test_an_event_that_does_not_interrupt_leaves_the_child_alone(both) -> None:
    both.deploy(
        child(),
        process(
            "p",
            "start > c > end; b > note > end2",
            call("c", "child", propagateAllChildVariables="true"),
            task("note"),
            boundary("b", "c", timer("PT1M"), interrupting=False),
        ),
    )
    key = both.create(a=1)
    (called,) = both.engine.instances.keys() - {key}
    both.set(called, inside=1)
    both.advance(60)
    assert both.do("note") == {"a": 1}
    both.do("t")
    assert both.result(key) == {"a": 1, "inside": 1}


def test_an_event_that_interrupts_ends_the_child_and_its_variables(both) -> None:
    both.deploy(
        child(),
        process(
            "p",
            "start > c > end; b > after > end2",
            call("c", "child", propagateAllChildVariables="true"),
            task("after"),
            boundary("b", "c", on_message("m")),
            roots=message("m", "=k"),
        ),
    )
    key = both.create(k="a")
    job = both.job("t")
    both.publish("m", "a")
    both.rejects(RejectionCode.NOT_FOUND, both.complete, job, x=1)
    both.do("after")
    assert both.result(key) == {"k": "a"}


def test_an_error_goes_up_through_several_calls(both) -> None:
    both.deploy(
        child(),
        process("middle", "start > c > end", call("c", "child", propagateAllChildVariables="true")),
        process(
            "p",
            "start > c > end; b > after > end2",
            call("c", "middle", propagateAllChildVariables="true"),
            task("after"),
            boundary("b", "c", on_error("E"), outputs=[("=why", "reason")]),
            roots=error("E", "code"),
        ),
    )
    key = both.create()
    both.throw(both.job("t"), "code", why="no", more=1)
    assert both.do("after") == {"reason": "no"}
    assert both.result(key) == {"reason": "no"}
    assert not both.engine.instances


def test_an_error_caught_in_the_child_does_not_leave_it(both) -> None:
    handler = event_sub("h", "start2 > mend > end2", start("start2", on_error("E")), task("mend"))
    both.deploy(
        child("start > t > end", task("t"), handler, roots=error("E")),
        process(
            "p",
            "start > c > ok > end; b > bad > end2",
            call("c", "child"),
            task("ok"),
            task("bad"),
            boundary("b", "c", on_error()),
        ),
    )
    both.create()
    both.throw(both.job("t"), "E")
    both.do("mend")
    assert both.none("bad")
    both.do("ok")


def test_an_error_that_no_caller_catches_is_the_child_s_incident(both) -> None:
    both.deploy(
        child(),
        process(
            "p",
            "start > c > end; b > bad > end2",
            call("c", "child"),
            task("bad"),
            boundary("b", "c", on_error("E")),
            roots=error("E"),
        ),
    )
    key = both.create()
    both.throw(both.job("t"), "OTHER")
    found = both.incident()
    assert (found.type, found.bpmn_process_id, found.element_id) == ("UNHANDLED_ERROR_EVENT", "child", "t")
    both.resolve()
    both.do("t")
    assert both.ended(key)


def test_a_call_ignores_other_start_events(both) -> None:
    flow = "start > t > end; start2 > other > end"
    both.deploy(child(flow, task("t"), task("other"), start("start2", on_message("m")), roots=message("m")))
    both.deploy(process("p", "start > c > end", call("c", "child")))
    key = both.create()
    both.do("t")
    assert both.ended(key)
    assert both.none("other")


def test_a_child_that_cannot_be_called_waits_for_a_version_that_can(both) -> None:
    both.deploy(child("start > t > end", task("t"), start("start", on_message("m")), roots=message("m")))
    both.deploy(process("p", "start > c > end", call("c", "child")))
    key = both.create()
    assert both.incident().type == "CALLED_ELEMENT_ERROR"
    both.deploy(child())
    both.resolve()
    both.do("t")
    assert both.ended(key)


def tagged(kind: str, tag: str) -> bytes:
    return process("child", "start > t > end", task("t", kind), ext=[f'<zeebe:versionTag value="{tag}"/>'])


def test_a_version_tag_means_its_newest_version_and_waits_for_one(both) -> None:
    called = call("c", "child", bindingType="versionTag", versionTag="v1")
    both.deploy(process("p", "start > c > end", called))
    both.deploy(tagged("other", "v2"))
    key = both.create()
    assert both.incident().type == "CALLED_ELEMENT_ERROR"
    both.deploy(tagged("old", "v1"))
    both.deploy(tagged("new", "v1"))
    both.deploy(tagged("other", "v2"))
    both.resolve()
    both.do("new")
    assert both.ended(key)


def test_without_a_binding_the_newest_version_is_called(both) -> None:
    both.deploy(child())
    both.deploy(process("p", "start > w > c > end", task("w"), call("c", "child")))
    key = both.create()
    both.deploy(child("start > u > end", task("u")))
    both.do("w")
    both.do("u")
    assert both.ended(key)


def test_a_terminate_end_event_in_the_child_ends_only_the_child(both) -> None:
    both.deploy(
        child("start > par; par > t > end; par > u > stop", task("t"), task("u"), end("stop", TERMINATE)),
        process("p", "start > c > after > end", call("c", "child", propagateAllChildVariables="true"), task("after")),
    )
    key = both.create()
    both.do("u", x=1)
    assert both.none("t")
    assert both.do("after") == {"x": 1}
    assert both.ended(key)


def test_a_signal_thrown_by_the_child_may_end_it(both) -> None:
    both.deploy(
        child("start > s > t > end", throw("s", on_signal("S")), task("t"), roots=signal("S")),
        process(
            "p",
            "start > c > end; b > after > end2",
            call("c", "child"),
            task("after"),
            boundary("b", "c", on_signal("S")),
            roots=signal("S"),
        ),
    )
    key = both.create()
    assert both.none("t")
    both.do("after")
    assert both.ended(key)


def test_the_end_of_a_caller_is_the_end_of_all_that_it_called(both) -> None:
    both.deploy(
        child(),
        process("middle", "start > c > end", call("c", "child")),
        process("p", "start > c > end", call("c", "middle", loop=multi("=[1, 2]", "x"))),
    )
    key = both.create()
    jobs = both.jobs("t")
    both.fail(jobs[0], 0)
    both.engine.cancel_instance(key)
    assert not both.engine.instances
    assert not both.engine.queries.incidents()
    both.rejects(RejectionCode.NOT_FOUND, both.complete, jobs[1])


# Errors: the page components/modeler/bpmn/error-events.


def test_the_code_of_an_error_end_event_may_be_an_expression(both) -> None:
    both.deploy(
        process(
            "p",
            "start > s > end; b > caught > end2; c > all > end3",
            sub("s", "start2 > fail", end("fail", on_error("X"))),
            boundary("b", "s", on_error("E")),
            boundary("c", "s", on_error()),
            task("caught"),
            task("all"),
            roots=error("X", '="co" + which') + error("E", "code"),
        )
    )
    key = both.create()
    assert both.incident().type == "EXTRACT_VALUE_ERROR"
    both.set(key, which="de")
    both.resolve()
    both.do("caught")
    both.create(which="ol")
    both.do("all")
    assert not both.engine.instances


def test_the_nearest_scope_wins_over_the_better_match(both) -> None:
    both.deploy(
        process(
            "p",
            "start > outer > end; b > exact > end3",
            sub(
                "outer",
                "start2 > inner > end2; c > all > end4",
                sub("inner", "start5 > t > end5", task("t")),
                boundary("c", "inner", on_error()),
                task("all"),
            ),
            boundary("b", "outer", on_error("E")),
            task("exact"),
            roots=error("E"),
        )
    )
    key = both.create()
    both.throw(both.job("t"), "E")
    both.do("all")
    assert both.ended(key)


def test_an_error_ends_the_job_for_good(both) -> None:
    both.deploy(
        process(
            "p",
            "start > t > end; b > after > end2",
            task("t"),
            task("after"),
            boundary("b", "t", on_error("E")),
            roots=error("E"),
        )
    )
    both.create()
    job = both.job("t")
    both.throw(job, "E")
    both.rejects(RejectionCode.NOT_FOUND, both.complete, job)
    both.rejects(RejectionCode.NOT_FOUND, both.throw, job, "E")
    both.do("after")


def test_an_error_in_an_event_sub_process_that_did_not_interrupt_ends_the_scope(both) -> None:
    note = event_sub(
        "n",
        "start3 > u > fail",
        start("start3", on_message("m"), interrupting=False),
        task("u"),
        end("fail", on_error("E")),
    )
    both.deploy(
        process(
            "p",
            "start > s > end; b > after > end4",
            sub("s", "start2 > t > end2", task("t"), note),
            boundary("b", "s", on_error("E")),
            task("after"),
            roots=error("E") + message("m", "=k"),
        )
    )
    key = both.create(k="a")
    both.publish("m", "a")
    job = both.job("t")
    both.do("u")
    both.rejects(RejectionCode.NOT_FOUND, both.complete, job)
    both.do("after")
    assert both.ended(key)


def test_after_an_error_event_sub_process_its_scope_goes_on(both) -> None:
    handler = event_sub(
        "h", "start3 > mend > end3", start("start3", on_error("E")), task("mend"), outputs=[("=fixed", "fixed")]
    )
    both.deploy(
        process(
            "p",
            "start > s > after > end",
            sub("s", "start2 > t > end2", task("t"), handler, inputs=[("=1", "mine")], outputs=[("=mine", "out")]),
            task("after"),
            roots=error("E"),
        )
    )
    key = both.create()
    both.throw(both.job("t"), "E", why="no")
    assert both.do("mend", fixed=True, mine=2) == {"mine": 1, "why": "no"}
    both.do("after")
    assert both.result(key) == {"out": 2, "fixed": True}


@pytest.mark.parametrize(
    ("second", "inner"),
    [("E", True), ("E", False), (None, True)],
)
def test_one_catch_event_for_a_code_in_a_scope(bench, second, inner) -> None:
    """Two for one code, or two for all codes, are refused."""
    code = second or None
    if inner:
        nodes = [boundary("b", "t", on_error(code)), boundary("c", "t", on_error(code))]
        flow = "start > t > end; b > end2; c > end3"
    else:
        nodes = [
            event_sub("h", "start2 > end2", start("start2", on_error(code))),
            event_sub("i", "start3 > end3", start("start3", on_error(code))),
        ]
        flow = "start > t > end"
    assert "ERROR" in bench.refused(process("p", flow, task("t"), *nodes, roots=error("E")))


def test_an_error_event_cannot_let_its_activity_go_on(bench) -> None:
    wrong = boundary("b", "t", on_error("E"), interrupting=False)
    bench.refused(process("p", "start > t > end; b > end2", task("t"), wrong, roots=error("E")))
    wrong = event_sub("h", "start2 > end2", start("start2", on_error("E"), interrupting=False))
    bench.refused(process("p", "start > t > end", task("t"), wrong, roots=error("E")))
