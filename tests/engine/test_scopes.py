"""Variables, scopes and mappings, as docs.camunda.io has them; each test names its page."""

from __future__ import annotations

import json

import pytest
from tests.engine.diagrams import (
    TERMINATE,
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
    process,
    script,
    start,
    sub,
    task,
    timer,
    variables,
)

from zeebe_connectors.engine import Rejection, RejectionCode


def test_a_result_rises_to_the_nearest_scope_that_has_the_name(bench) -> None:
    """components/concepts/variables: else it goes to the root."""
    bench.deploy(
        process(
            "p", "start > box > end", sub("box", "start2 > a > b > end2", task("a"), task("b"), inputs=[("=0", "l")])
        )
    )
    key = bench.create(x=1)
    bench.do("a", l=5, x=2, fresh=3)
    assert bench.do("b") == {"l": 5, "x": 2, "fresh": 3}
    assert bench.result(key) == {"x": 2, "fresh": 3}


def test_with_an_output_mapping_only_the_mapped_rise(bench) -> None:
    """components/concepts/variables, output mappings: the result itself stays local."""
    bench.deploy(process("p", "start > a > end", task("a", outputs=[("=r + 1", "out")])))
    key = bench.create(r=0)
    bench.do("a", r=5, other=1)
    assert bench.result(key) == {"r": 0, "out": 6}


def test_two_inputs_below_one_root_make_one_object(bench) -> None:
    """components/concepts/variables, nested variables: the path is written anew, the outer one stays as it is."""
    bench.deploy(process("p", "start > a > end", task("a", inputs=[("=1", "order.status"), ("=2", "order.deep.er")])))
    key = bench.create(order={"id": 7})
    assert bench.do("a")["order"] == {"status": 1, "deep": {"er": 2}}
    assert bench.result(key) == {"order": {"id": 7}}


def test_an_output_below_a_root_keeps_its_siblings(bench) -> None:
    """components/concepts/variables, nested variables."""
    bench.deploy(process("p", "start > a > end", task("a", outputs=[("=r", "order.status"), ("=r", "order.deep.er")])))
    key = bench.create(order={"id": 7, "deep": {"x": 1}})
    bench.do("a", r=5)
    assert bench.result(key) == {"order": {"id": 7, "status": 5, "deep": {"x": 1, "er": 5}}}


def test_mappings_are_made_in_order_and_missing_is_null(bench) -> None:
    """components/concepts/variables, input mappings: each sees the targets of those before."""
    inputs = [(None, "n"), ("=missing.deeper", "m"), ("=x + 1", "y"), ("=y * 2", "z")]
    bench.deploy(process("p", "start > a > end", task("a", inputs=inputs)))
    bench.create(x=1)
    assert bench.do("a") == {"x": 1, "n": None, "m": None, "y": 2, "z": 4}


def test_locals_of_a_sub_process_are_gone_with_it(bench) -> None:
    """components/modeler/bpmn/embedded-subprocesses: without output mapping."""
    bench.deploy(process("p", "start > box > end", sub("box", "start2 > a > end2", task("a"), inputs=[("=1", "l")])))
    key = bench.create(x=1)
    bench.do("a", l=2, x=3)
    assert bench.result(key) == {"x": 3}


def test_variables_of_a_failed_job_are_the_task_s_own(bench) -> None:
    """components/concepts/job-workers, completing or failing jobs."""
    bench.deploy(process("p", "start > a > end", task("a")))
    key = bench.create(x=1)
    bench.engine.fail_job(bench.job("a").key, 1, variables={"x": 5, "tried": True})
    assert bench.do("a", r=1) == {"x": 5, "tried": True}
    assert bench.result(key) == {"x": 1, "r": 1}


def test_variables_of_an_error_come_to_its_catch_event(bench) -> None:
    """components/modeler/bpmn/error-events: an output mapping there chooses."""
    bench.deploy(
        process(
            "p",
            "start > a > end; b > end2",
            task("a"),
            boundary("b", "a", on_error("E"), outputs=[("=why", "reason")]),
            roots=error("E"),
        )
    )
    key = bench.create()
    bench.engine.throw_error(bench.job("a").key, "E", variables={"why": "w", "other": 1})
    assert bench.result(key) == {"reason": "w"}


def test_variables_of_an_event_are_local_to_its_event_sub_process(bench) -> None:
    """components/modeler/bpmn/event-subprocesses: open in the documentation; here they stay local without a mapping.

    An output mapping at its start event takes them out.
    """
    for outputs, result in (([], {"k": "a"}), ([("=x", "y")], {"k": "a", "y": 1})):
        begin = start("start2", on_message("m"), outputs=outputs)
        inner = event_sub("es", "start2 > e > end2", begin, task("e"))
        bench.deploy(process("p", "start > t > end", task("t"), inner, roots=message("m", "=k")))
        key = bench.create(k="a")
        bench.publish("m", "a", x=1)
        bench.do("e")
        assert bench.result(key) == result


def test_input_mappings_of_an_event_sub_process_see_the_event(bench) -> None:
    """components/modeler/bpmn/event-subprocesses: they create local variables of what comes with the event."""
    inner = event_sub("es", "start2 > e > end2", start("start2", on_message("m")), task("e"), inputs=[("=x + 1", "y")])
    bench.deploy(process("p", "start > t > end", task("t"), inner, roots=message("m", "=k")))
    key = bench.create(k="a")
    bench.publish("m", "a", x=1)
    assert bench.do("e") == {"k": "a", "x": 1, "y": 2}
    assert bench.result(key) == {"k": "a"}


def test_set_variables_in_this_scope_or_where_the_name_is(bench) -> None:
    """apis-tools/zeebe-api/gateway-service, SetVariables: the key may be an element instance's."""
    bench.deploy(process("p", "start > a > end", task("a", inputs=[("=0", "l")])))
    key = bench.create(x=1)
    job = bench.job("a")
    bench.set(job.element_instance_key, x=2, l=3, fresh=4)
    bench.set(job.element_instance_key, local=True, mine=5)
    found = {(found.name, found.value, found.scope_key == key) for found in bench.engine.queries.variables(key)}
    assert found == {("x", 2, True), ("fresh", 4, True), ("l", 3, False), ("mine", 5, False)}
    bench.rejects(RejectionCode.NOT_FOUND, bench.set, 1, x=1)


def test_a_boundary_event_s_key_is_seen_from_around_the_activity_its_time_from_inside(bench) -> None:
    """components/modeler/bpmn/message-events and timer-events."""
    bench.deploy(
        process(
            "p",
            "start > a > end; m > end2; t > end3",
            task("a", inputs=[("inner", "k"), ("PT1H", "d")]),
            boundary("m", "a", on_message("m")),
            boundary("t", "a", timer("=d"), interrupting=False),
            roots=message("m", "=k"),
        )
    )
    key = bench.create(k="outer", d="PT9H")
    bench.publish("m", "inner")
    bench.advance(3600)
    assert bench.active(key)
    assert "t" in bench.path(key)
    bench.publish("m", "outer")
    assert bench.ended(key)


def test_what_an_instance_of_a_multi_instance_activity_sees(bench) -> None:
    """components/modeler/bpmn/multi-instance: a counter from 1, the item, a null for the output; order is kept."""
    bench.deploy(process("p", "start > a > end", task("a", loop=multi("=items", "i", "r", "=out"))))
    key = bench.create(items=["x", "y"])
    jobs = bench.jobs("a")
    assert [variables(job) for job in jobs] == [
        {"items": ["x", "y"], "r": [None, None], "loopCounter": n, "i": i, "out": None} for n, i in ((1, "x"), (2, "y"))
    ]
    bench.complete(jobs[1], out="b")
    bench.complete(jobs[0])
    assert bench.result(key) == {"items": ["x", "y"], "r": [None, "b"]}


def test_an_interrupted_multi_instance_activity_gives_nothing(bench) -> None:
    """components/modeler/bpmn/multi-instance, boundary events: they belong to the body."""
    bench.deploy(
        process(
            "p",
            "start > a > end; b > end2",
            task("a", loop=multi("=[1, 2]", "i", "r", "=i")),
            boundary("b", "a", timer("PT1M")),
        )
    )
    key = bench.create()
    bench.do("a")
    bench.advance(60)
    assert bench.result(key) == {}


@pytest.mark.parametrize("value", [None, "text", {"a": 1}, 5])
def test_the_collection_must_be_a_list(bench, value) -> None:
    """components/modeler/bpmn/multi-instance: it is evaluated when the body is activated."""
    bench.deploy(process("p", "start > a > end", task("a", loop=multi("=items", "i"))))
    key = bench.create(items=value)
    assert bench.incident().type == "EXTRACT_VALUE_ERROR"
    bench.set(key, items=[1])
    bench.resolve()
    bench.do("a")
    assert bench.ended(key)


@pytest.mark.parametrize("written", [5, [], {"a": 1}, None])
def test_an_output_collection_that_another_element_writes_to_is_an_incident(bench, written) -> None:
    """As above: it is a local variable of the body, so a result of this name lands there."""
    bench.deploy(process("p", "start > a > end", task("a", loop=multi("=[1, 2]", "x", "all", "=r"))))
    key = bench.create()
    first, second = bench.jobs("a", 2)
    bench.complete(first, all=written)
    incident = bench.incident()
    assert (incident.type, "'all'" in incident.message) == ("EXTRACT_VALUE_ERROR", True)
    bench.set(incident.element_instance_key, all=[None, None])
    bench.resolve()
    bench.complete(second, r=2)
    assert bench.result(key) == {"all": [None, 2]}


def test_mappings_of_a_multi_instance_activity_are_those_of_its_instances(bench) -> None:
    """components/modeler/bpmn/multi-instance, variable mappings: an output mapping may write the output element."""
    looped = task(
        "a", inputs=[("=i * 2", "twice")], outputs=[("=x + twice", "out")], loop=multi("=[1, 2]", "i", "r", "=out")
    )
    bench.deploy(process("p", "start > a > end", looped))
    key = bench.create()
    for job in bench.jobs("a"):
        bench.complete(job, x=variables(job)["twice"] * 100)
    assert bench.result(key) == {"r": [202, 404]}


def test_the_numbers_of_instances_in_a_completion_condition(bench) -> None:
    """components/modeler/bpmn/multi-instance, completion condition: they go before variables of the same name."""
    condition = "=numberOfCompletedInstances / numberOfInstances >= 0.5 and numberOfActiveInstances = 2"
    bench.deploy(
        process("p", "start > a > end", task("a", loop=multi("=[1, 2, 3, 4]", "i", "r", "=x", until=condition)))
    )
    key = bench.create(numberOfInstances=1)
    jobs = bench.jobs("a")
    bench.complete(jobs[3], x="d")
    assert bench.active(key)
    bench.complete(jobs[0], x="a")
    assert bench.result(key) == {"numberOfInstances": 1, "r": ["a", None, None, "d"]}
    bench.rejects(RejectionCode.NOT_FOUND, bench.complete, jobs[1])


def test_what_a_called_process_gets_and_gives_back(bench) -> None:
    """components/modeler/bpmn/call-activities: all by default, both ways; the pages disagree on giving back."""
    bench.deploy(process("child", "start > c > end", task("c")))
    cases = [
        ({}, {"x": 1, "l": 2}, {"x": 5, "l": 6, "y": 7}, {"x": 5, "y": 7}),
        ({"propagateAllParentVariables": "false"}, {"l": 2}, {"x": 5}, {"x": 5}),
        ({"propagateAllChildVariables": "false"}, {"x": 1, "l": 2}, {"x": 5}, {"x": 1}),
    ]
    for more, seen, given, result in cases:
        bench.deploy(process("p", "start > call > end", call("call", "child", inputs=[("=2", "l")], **more)))
        key = bench.create(x=1)
        assert bench.do("c", **given) == seen
        assert bench.result(key) == result


@pytest.mark.parametrize(
    "activity",
    [
        call("c", "c", loop=multi("=[1, 2, 3]", "i", "all", "=r", sequential=True)),
        call("c", "c", loop=multi("=[1, 2, 3]", "i", "all", "=r")),
        sub("c", "startIn > inner > endIn", call("inner", "c"), loop=multi("=[1, 2, 3]", "i", "all", "=r")),
    ],
)
def test_called_processes_leave_what_others_have_collected(bench, activity) -> None:
    """A called process gets a copy of the collection, which comes back older than the collection has become."""
    bench.deploy(process("c", "start > t > end", task("t")))
    bench.deploy(process("p", "start > c > end", activity))
    key = bench.create()
    while jobs := bench.jobs("t"):
        for job in reversed(jobs):
            bench.complete(job, r=json.loads(job.variables)["i"] * 10)
    assert bench.result(key) == {"all": [10, 20, 30]}


def test_output_mappings_of_a_call_choose(bench) -> None:
    """components/modeler/bpmn/call-activities, variable mappings."""
    bench.deploy(process("child", "start > s > end", script("s", "=x + 1", "y")))
    bench.deploy(process("p", "start > call > end", call("call", "child", outputs=[("=y", "z")])))
    assert bench.run(x=1) == {"x": 1, "z": 2}


def test_which_version_is_called(bench) -> None:
    """components/best-practices/modeling/choosing-the-resource-binding-type."""

    def child(answer, tag=None):
        ext = [f'<zeebe:versionTag value="{tag}"/>'] if tag else []
        return process("child", "start > s > end", script("s", f"={answer}", "r"), ext=ext)

    def parent(**more):
        return process("p", "start > call > end", call("call", "child", **more))

    bench.deploy(child(1, "one"))
    bench.deploy(parent(bindingType="deployment"), child(2))
    bench.deploy(child(3, "three"))
    bench.deploy(child(4))
    assert bench.run()["r"] == 2
    bench.deploy(parent(bindingType="versionTag", versionTag="one"))
    assert bench.run()["r"] == 1
    bench.deploy(parent(bindingType="latest"))
    assert bench.run()["r"] == 4
    bench.deploy(child(5, "one"))
    bench.deploy(parent(bindingType="versionTag", versionTag="one"))
    assert bench.run()["r"] == 5
    bench.deploy(parent(bindingType="versionTag", versionTag="none"))
    bench.create()
    assert bench.incident().type == "CALLED_ELEMENT_ERROR"


def test_a_call_bound_to_its_deployment_has_to_find_it_there(bench) -> None:
    """Nothing could add to that deployment later; a name that is an expression is known only when it runs."""
    bench.deploy(process("child", "start > end"))
    with pytest.raises(Rejection, match="process with id 'child' in current deployment, but not found"):
        bench.deploy(process("p", "start > call > end", call("call", "child", bindingType="deployment")))
    bench.deploy(process("p", "start > call > end", call("call", "=name", bindingType="deployment")))


def test_a_call_that_finds_nothing_waits_for_the_deployment(bench) -> None:
    """components/modeler/bpmn/call-activities: at the none start event; others are ignored."""
    bench.deploy(process("p", "start > call > end", call("call", "child")))
    key = bench.create()
    assert bench.incident().type == "CALLED_ELEMENT_ERROR"
    bench.deploy(process("child", "start > end", start("start", on_message("m")), roots=message("m")))
    bench.resolve()
    assert "none start event" in bench.incident().message
    bench.deploy(process("child", "start > end; start2 > end", start("start2", on_message("m")), roots=message("m")))
    bench.resolve()
    assert bench.ended(key)


def test_a_process_that_calls_itself_is_stopped(bench) -> None:
    """No page; a cluster has a limit, too."""
    bench.deploy(process("p", "start > call > end", call("call", "p")))
    bench.create()
    assert "1000" in bench.incident().message


def test_mappings_of_events(bench) -> None:
    """components/modeler/bpmn/none-events and message-events, variable mappings."""
    bench.deploy(
        process(
            "p",
            "start > m > end",
            start("start", outputs=[("=[]", "list")]),
            catch("m", on_message("m"), outputs=[("=a", "b")]),
            end("end", outputs=[("=b + 1", "c")]),
            roots=message("m", "=k"),
        )
    )
    key = bench.create(k="1")
    bench.publish("m", "1", a=1, other=2)
    assert bench.result(key) == {"k": "1", "list": [], "b": 1, "c": 2}


@pytest.mark.parametrize("definition", [TERMINATE, on_error("e")], ids=["terminate", "error"])
def test_what_ends_with_an_error_or_all_at_once_returns_nothing(bench, definition) -> None:
    """components/concepts/variables, propagation by BPMN element: these ends have no output mappings."""
    inner = sub("box", "start2 > last", end("last", definition, outputs=[("=1", "x")]))
    caught = boundary("b", "box", on_error())
    bench.deploy(process("p", "start > box > end; b > end3", inner, caught, roots=error("e")))
    assert bench.run(k=1) == {"k": 1}
