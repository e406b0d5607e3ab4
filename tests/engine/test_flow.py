"""Gateways, events and scopes, as docs.camunda.io has them; each test names its page."""

from __future__ import annotations

import pytest
from tests.engine.diagrams import (
    TERMINATE,
    Node,
    boundary,
    call,
    catch,
    cycle,
    end,
    error,
    event_sub,
    message,
    multi,
    on_error,
    on_link,
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

from zeebe_connectors.engine import HappeningKind, RejectionCode, finished


def test_conditions_are_tried_in_the_order_of_the_xml(bench) -> None:
    """components/modeler/bpmn/exclusive-gateways: the default flow's own condition counts for nothing."""
    document = process("p", "start > xor; xor > z {=x > 1}; xor > a {=x > 0}; xor > d {default}", *map(task, "zad"))
    document = document.replace(
        b'targetRef="d">', b'targetRef="d"><bpmn:conditionExpression>=true</bpmn:conditionExpression>'
    )
    bench.deploy(document)
    for x, taken in ((5, "z"), (1, "a"), (0, "d")):
        bench.create(x=x)
        bench.do(taken)


@pytest.mark.parametrize(
    ("x", "kind"), [(None, "EXTRACT_VALUE_ERROR"), ("a", "EXTRACT_VALUE_ERROR"), (False, "CONDITION_ERROR")]
)
def test_a_choice_that_cannot_be_made_is_an_incident(bench, x, kind) -> None:
    """components/concepts/incidents, and exclusive-gateways."""
    for gateway in ("xor", "ior"):
        bench.deploy(
            process("p", f"start > {gateway}; {gateway} > a {{=x}}; {gateway} > b {{=x}}", task("a"), task("b"))
        )
        key = bench.create(x=x)
        assert bench.incident().type == kind
        bench.set(key, x=True)
        bench.resolve()
        bench.do("a")
        if bench.active(key):
            bench.engine.cancel_instance(key)


def test_a_condition_that_is_null_is_an_incident_although_there_is_a_default(bench) -> None:
    """No page; from experience."""
    bench.deploy(process("p", "start > xor; xor > a {=missing > 1}; xor > d {default}", task("a"), task("d")))
    bench.create()
    assert bench.incident().type == "EXTRACT_VALUE_ERROR"


def test_an_inclusive_join_waits_for_what_can_still_come(bench) -> None:
    """components/modeler/bpmn/inclusive-gateways: and goes on when nothing can."""
    fork = "start > ior1; ior1 > a {=true}; ior1 > b {=true}; a > ior2; b > xor; xor > end1 {=stop}; xor > b {=again}"
    bench.deploy(process("p", f"{fork}; xor > ior2 {{default}}; ior2 > t > end", *map(task, "abt")))
    for results, passes in (([{"stop": True}], 1), ([{"again": True}, {"again": False}], 1)):
        key = bench.create(stop=False, again=False)
        bench.do("a")
        for result in results:
            assert bench.none("t")
            bench.do("b", **result)
        jobs = bench.jobs("t")
        assert len(jobs) == passes
        bench.complete(jobs[0])
        assert bench.ended(key)


def test_an_inclusive_join_goes_on_when_a_boundary_event_leads_away(bench) -> None:
    """components/modeler/bpmn/inclusive-gateways: what was interrupted can no longer come."""
    bench.deploy(
        process(
            "p",
            "start > ior1; ior1 > a {=true}; ior1 > b {=true}; a > ior2; b > ior2; e > end2; ior2 > t > end",
            *map(task, "abt"),
            boundary("e", "b", timer("PT1M")),
        )
    )
    key = bench.create()
    bench.do("a")
    assert bench.none("t")
    bench.advance(60)
    bench.do("t")
    assert bench.ended(key)


def test_nothing_passes_an_inclusive_join_in_a_scope_that_an_error_has_ended(bench) -> None:
    """components/modeler/bpmn/error-events: the token that had reached the join is gone with its scope."""
    flow = "start2 > xor; xor > a {=slow}; xor > par {default}; par > end2; par > ior; a > ior; ior > t > end3"
    box = sub("box", flow, end("end2", on_error("E")), task("a"), task("t"))
    bench.deploy(
        process("p", "start > box > end; e > end4", box, boundary("e", "box", on_error("E")), roots=error("E"))
    )
    key = bench.create(slow=False)
    assert bench.none("t")
    assert bench.ended(key)
    assert bench.path(key)[-3:] == ("end2", "e", "end4")


def test_a_condition_at_a_task_s_flow_is_refused(bench) -> None:
    """zeebe-bpmn-model: at exclusive and inclusive gateways only."""
    assert "f1_t_a" in bench.refused(process("p", "start > t; t > a {=x}; a > end", task("t"), task("a")))


def test_the_first_event_wins_and_the_others_are_over(bench) -> None:
    """components/modeler/bpmn/event-based-gateways: the event is completed with its variables."""
    bench.deploy(
        process(
            "p",
            "start > g; g > m > t; g > s > t; g > w > t; t > end",
            Node("eventBasedGateway", "g"),
            catch("m", on_message("m"), outputs=[("=x + 1", "y")]),
            catch("s", on_signal("s")),
            catch("w", timer("PT1H")),
            task("t"),
            roots=message("m", "=k") + signal("s"),
        )
    )
    key = bench.create(k="1")
    bench.publish("m", "1", x=1)
    bench.engine.broadcast_signal("s")
    bench.advance(3600)
    assert bench.do("t") == {"k": "1", "y": 2}
    assert bench.path(key) == ("start", "g", "m", "t", "end")


def test_an_interrupting_event_ends_all_inside_first(bench) -> None:
    """components/modeler/bpmn/events: jobs, timers, subscriptions, inner scopes and called processes."""
    bench.deploy(process("child", "start > c > end", task("c")))
    inner = sub(
        "box",
        "start2 > par; par > a > end2; par > call > end2; par > m > end2; par > w > end2; par > deep > end2",
        task("a"),
        call("call", "child"),
        catch("m", on_message("m")),
        catch("w", timer("PT2H")),
        sub("deep", "start3 > d > end3", task("d", loop=multi("=[1, 2]"))),
    )
    bench.deploy(
        process(
            "p",
            "start > box > end; b > t > end4",
            inner,
            boundary("b", "box", timer("PT1H")),
            task("t"),
            roots=message("m", "=k"),
        )
    )
    key = bench.create(k="1")
    jobs = [bench.job("a"), bench.job("c"), *bench.jobs("d")]
    bench.advance(3600)
    for job in jobs:
        bench.rejects(RejectionCode.NOT_FOUND, bench.complete, job)
    assert list(bench.engine.instances) == [key]
    assert bench.engine.queries.message_subscriptions() == []
    assert not bench.engine.timers
    states = {found.element_id: found.state for found in bench.engine.queries.element_instances(key)}
    assert states["box"] == states["deep"] == states["call"] == "TERMINATED"
    bench.do("t")
    assert bench.ended(key)


def test_events_that_do_not_interrupt_happen_again_and_again(bench) -> None:
    """components/modeler/bpmn/timer-events and signal-events: a duration once, a cycle as counted."""
    bench.deploy(
        process(
            "p",
            "start > t > end; s > a > end2; d > b > end3; c > e > end4",
            task("t"),
            boundary("s", "t", on_signal("s"), interrupting=False),
            boundary("d", "t", timer("PT1M"), interrupting=False),
            boundary("c", "t", cycle("R3/PT1M"), interrupting=False),
            task("a"),
            task("b"),
            task("e"),
            roots=signal("s"),
        )
    )
    bench.create()
    bench.engine.broadcast_signal("s")
    bench.engine.broadcast_signal("s")
    bench.advance(3600)
    assert [len(bench.jobs(kind)) for kind in "abe"] == [2, 1, 3]
    bench.do("t")
    bench.engine.broadcast_signal("s")
    assert bench.none("a")


def test_an_interrupting_event_sub_process_ends_all_else_once(bench) -> None:
    """components/modeler/bpmn/event-subprocesses: other event sub-processes, too; the scope waits for it."""
    bench.deploy(
        process(
            "p",
            "start > t > end",
            task("t"),
            event_sub("soft", "start2 > x > end2", start("start2", on_message("soft"), interrupting=False), task("x")),
            event_sub("hard", "start3 > y > end3", start("start3", on_message("hard")), task("y")),
            roots=message("soft", "=k") + message("hard", "=k"),
        )
    )
    key = bench.create(k="1")
    bench.publish("soft", "1")
    bench.publish("soft", "1")
    gone = [bench.job("t"), *bench.jobs("x")]
    assert len(gone) == 3
    bench.publish("hard", "1")
    for job in gone:
        bench.rejects(RejectionCode.NOT_FOUND, bench.complete, job)
    for name in ("hard", "soft"):
        bench.publish(name, "1")
    assert bench.none("x")
    (y,) = bench.jobs("y")
    assert bench.active(key)
    bench.complete(y)
    assert bench.ended(key)


def test_a_message_that_waited_interrupts_before_the_first_task(bench) -> None:
    """components/concepts/messages, buffering, with event-subprocesses."""
    caught = event_sub("es", "start2 > e > end2", start("start2", on_message("m")), task("e"))
    for inner in (
        process("p", "start > t > end", task("t"), caught, roots=message("m", "=k")),
        process("p", "start > box > end", sub("box", "start3 > t > end3", task("t"), caught), roots=message("m", "=k")),
    ):
        bench.deploy(inner)
        bench.publish("m", "1", ttl=60, x=1)
        key = bench.create(k="1")
        assert bench.none("t")
        assert bench.do("e") == {"k": "1", "x": 1}
        assert bench.ended(key)
        bench.advance(60)


def test_a_terminate_end_event_ends_its_own_scope_only(bench) -> None:
    """components/modeler/bpmn/terminate-events: the scope completes as it would."""
    inner = sub(
        "box",
        "start2 > par; par > a > end2; par > b > stop",
        task("a"),
        task("b"),
        end("stop", TERMINATE),
        outputs=[("=1", "done")],
    )
    bench.deploy(process("p", "start > box > t > end", inner, task("t")))
    key = bench.create()
    a = bench.job("a")
    bench.do("b")
    bench.rejects(RejectionCode.NOT_FOUND, bench.complete, a)
    assert bench.do("t") == {"done": 1}
    assert bench.ended(key)


def test_nothing_starts_in_a_scope_that_a_terminate_end_event_ends(bench) -> None:
    """components/modeler/bpmn/terminate-events: its event sub-processes do not start any more, either."""
    events = [
        event_sub("es", "start3 > t > end3", start("start3", on_message("m"), interrupting=False), task("t")),
        event_sub("es2", "start4 > t2 > end4", start("start4", on_signal("s")), task("t2")),
    ]
    flow = "start2 > par; par > a > stop; par > b > end2"
    inner = sub("box", flow, task("a"), task("b"), end("stop", TERMINATE), *events)
    bench.deploy(process("p", "start > box > end", inner, roots=message("m", "=k") + signal("s")))
    key = bench.create(k="x")

    def meanwhile(happening) -> None:
        if happening.kind is HappeningKind.ELEMENT_ACTIVATED and happening.element_id == "stop":
            bench.publish("m", "x", ttl=60)
            bench.engine.broadcast_signal("s")

    bench.engine.observe(meanwhile)
    bench.do("a")
    assert bench.ended(key)
    assert bench.path(key) == ("start", "box", "start2", "par", "a", "b", "stop", "end")


def test_errors_are_caught_scope_by_scope_a_code_before_all(bench) -> None:
    """components/modeler/bpmn/error-events: through call activities, too."""
    bench.deploy(process("child", "start > c > end", task("c"), end("end", on_error("E1")), roots=error("E1")))
    outer = sub(
        "outer",
        "start2 > call > end2; any > x > end3",
        call("call", "child"),
        boundary("any", "call", on_error()),
        task("x"),
    )
    bench.deploy(
        process(
            "p",
            "start > outer > end; one > y > end4",
            outer,
            boundary("one", "outer", on_error("E1")),
            task("y"),
            roots=error("E1"),
        )
    )
    bench.create()
    bench.do("c")  # its end event throws
    bench.do("x")  # the nearest scope, although it catches all
    bench.create()
    bench.engine.throw_error(bench.job("c").key, "E1")
    bench.do("x")


def test_an_error_in_an_error_event_sub_process_goes_on_upward(bench) -> None:
    """components/modeler/bpmn/error-events."""
    caught = event_sub("es", "start3 > e > end3", start("start3", on_error("E")), task("e"))
    inner = sub("box", "start2 > a > end2", task("a"), caught)
    bench.deploy(
        process(
            "p",
            "start > box > end; b > t > end4",
            inner,
            boundary("b", "box", on_error("E")),
            task("t"),
            roots=error("E"),
        )
    )
    key = bench.create()
    bench.engine.throw_error(bench.job("a").key, "E", variables={"n": 1})
    bench.engine.throw_error(bench.job("e").key, "E")
    bench.do("t")
    assert bench.ended(key)


def test_an_error_end_event_that_nothing_catches(bench) -> None:
    """components/modeler/bpmn/error-events, unhandled errors: resolving raises it anew."""
    bench.deploy(process("p", "start > end", end("end", on_error("E")), roots=error("E", '="E" + string(n)')))
    bench.create(n=7)
    first = bench.incident()
    assert (first.type, "'E7'" in first.message) == ("UNHANDLED_ERROR_EVENT", True)
    bench.resolve()
    assert bench.incident().key > first.key


def test_links_jump(bench) -> None:
    """components/modeler/bpmn/link-events: also back."""
    flow = "start > s > xor; xor > again {=n < 3}; xor > end {default}; here > s"
    bench.deploy(
        process("p", flow, script("s", "=n + 1", "n"), throw("again", on_link("A")), catch("here", on_link("A")))
    )
    key = bench.create(n=0)
    assert bench.result(key) == {"n": 3}
    assert bench.path(key)[3:6] == ("again", "here", "s")
    linked = "start > leave; arrive > end"
    ends = (
        throw("leave", on_link("A"), inputs=[("=1", "local")], outputs=[("=local + 1", "given")]),
        catch("arrive", on_link("A"), outputs=[("=given + 1", "taken")]),
    )
    bench.deploy(process("p", linked, *ends))
    assert bench.run() == {"given": 2, "taken": 3}


@pytest.mark.parametrize(
    ("element", "document"),
    [
        ("f1_xor_end", process("p", "start > xor; xor > end {yes}; xor > end2 {default}")),
        ("c", process("p", "start > c > end", catch("c", on_message("m")), roots=message("m", "order-7"))),
        ("t", process("p", "start > t > end", task("t", loop=multi("items")))),
        ("t", process("p", "start > t > end", task("t", loop=multi("=items", None, "all", "one")))),
        ("t", process("p", "start > t > end", task("t", loop=multi("=items", until="enough")))),
    ],
)
def test_what_must_be_an_expression(bench, element, document) -> None:
    """components/concepts/expressions: conditions, correlation keys and what a multi-instance activity goes through."""
    text = bench.refused(document)
    assert f"Element: {element}\n    - ERROR: Expected the " in text
    assert "begin it with '='" in text


def test_signals_reach_all_who_wait_and_start_processes(bench) -> None:
    """components/modeler/bpmn/signal-events: local variables of a throw event go along; nothing is buffered."""
    bench.deploy(
        process("a", "start > s > t > end", catch("s", on_signal("x")), task("t"), roots=signal("x", '="sig-" + kind')),
        process("b", "start > t > end", start("start", on_signal("x")), task("t"), roots=signal("x", "sig-1")),
        process(
            "thrower",
            "start > th > end",
            throw("th", on_signal("x"), inputs=[("=v", "given")]),
            roots=signal("x", "sig-1"),
        ),
    )
    bench.create("a", kind="1")
    bench.create("a", kind="1")
    bench.create("a", kind="2")
    assert bench.run("thrower", v=7) == {"v": 7}
    jobs = bench.jobs("t")
    assert sorted((job.bpmn_process_id, variables(job).get("given")) for job in jobs) == [("a", 7), ("a", 7), ("b", 7)]
    bench.create("a", kind="1")
    assert bench.none("t")


def test_a_signal_end_event_and_a_new_version_of_a_started_process(bench) -> None:
    """components/modeler/bpmn/signal-events: only the newest version is started."""
    for answer in (1, 2):
        bench.deploy(
            process("b", "start > t > end", start("start", on_signal("s")), task("t", f"t{answer}"), roots=signal("s"))
        )
    bench.deploy(process("p", "start > end", end("end", on_signal("s")), roots=signal("s")))
    assert bench.run() == {}
    assert bench.none("t1")
    bench.do("t2")


def test_receive_tasks_in_a_multi_instance_activity(bench) -> None:
    """components/modeler/bpmn/multi-instance: a subscription for each."""
    bench.deploy(
        process(
            "p", "start > r > end", receive("r", "m", loop=multi("=keys", "k", "r", "=v")), roots=message("m", "=k")
        )
    )
    key = bench.create(keys=["a", "b"])
    bench.publish("m", "b", v=2)
    bench.publish("m", "a", v=1)
    assert bench.result(key)["r"] == [1, 2]


def test_a_completion_condition_sees_what_was_collected(bench) -> None:
    """components/modeler/bpmn/multi-instance: it is evaluated each time an instance completes, with its output."""
    until = '=some answer in answers satisfies answer = "yes"'
    bench.deploy(
        process("p", "start > t > end", task("t", loop=multi("=[1, 2, 3]", "n", "answers", "=answer", until=until)))
    )
    key = bench.create()
    first, second, _ = bench.jobs("t")
    bench.complete(first, answer="no")
    assert bench.active(key)
    bench.complete(second, answer="yes")
    assert bench.result(key) == {"answers": ["no", "yes", None]}


def test_a_defect_of_the_engine_stops_one_element_only(bench, monkeypatch, caplog) -> None:
    """No page: it is an incident, and the others go on."""
    bench.deploy(process("p", "start > par; par > s > end; par > t > end", script("s", "=1", "r"), task("t")))
    monkeypatch.setattr("zeebe_connectors.engine.flow.tasks.ScriptTask.activate", lambda *_: 1 / 0)
    key = bench.create()
    bench.do("t")
    assert (bench.incident().type, "log" in bench.incident().message) == ("UNKNOWN", True)
    assert "ZeroDivisionError" in caplog.text
    monkeypatch.undo()
    bench.resolve()
    assert bench.result(key) == {"r": 1}


def test_a_loop_that_waits_for_nothing_ends_the_moving_of_the_clock(bench, monkeypatch) -> None:
    monkeypatch.setattr("zeebe_connectors.engine.core._MAX_RUN_SECONDS", 0.1)
    flow = "start > c > d > xor; xor > end {=false}; xor > d {default}"
    bench.deploy(process("p", flow, catch("c", timer("PT1H")), catch("d", timer("PT0S"))))
    bench.create()
    with pytest.raises(RuntimeError, match="loop without waiting"):
        bench.advance(3600)


@pytest.mark.parametrize("inside", [script("s", "=1", "r"), catch("s", timer("PT0S"))], ids=["script", "timer"])
def test_a_loop_that_waits_for_nothing_is_reported(bench, monkeypatch, inside) -> None:
    """No page: in process there is nobody else who could end it."""
    monkeypatch.setattr("zeebe_connectors.engine.core._MAX_RUN_SECONDS", 0.1)
    bench.deploy(process("p", "start > s > xor; xor > end {=false}; xor > s {default}", inside))
    with pytest.raises(RuntimeError, match="loop without waiting"):
        bench.create()


def test_a_long_sequence_does_not_recurse(bench) -> None:
    """No page: three thousand elements in a row."""
    names = [f"s{n}" for n in range(3000)]
    bench.deploy(process("p", f"start > {' > '.join(names)} > end", *(script(name, "=n + 1", "n") for name in names)))
    assert bench.run(n=0) == {"n": 3000}


def test_what_is_refused_says_that_a_cluster_may_run_it(bench) -> None:
    """components/modeler/bpmn/bpmn-coverage."""
    escalation = '<bpmn:escalationEventDefinition escalationRef="X"/>'
    text = bench.refused(
        process("p", "start > th > end", throw("th", escalation), roots='<bpmn:escalation id="X" escalationCode="x"/>')
    )
    assert "Element: th\n    - ERROR: " in text
    assert "a cluster may run this; the local engine cannot" in text


def test_what_ended_is_kept_within_a_bound(bench, monkeypatch) -> None:
    """Of long paths fewer are kept, so that a process with a loop does not fill the memory."""
    monkeypatch.setattr(finished, "MAX_INSTANCES", 20)
    monkeypatch.setattr(finished, "MAX_VISITS", 400)
    flow = "start > xor1 > s > xor2; xor2 > xor1 {=n < 30}; xor2 > end {default}"
    bench.deploy(process("p", flow, script("s", "=n + 1", "n")))
    bench.deploy(process("short"))
    keys = [bench.create(n=0) for _ in range(6)]
    passed = len(bench.path(keys[-1]))
    kept = [view.key for view in bench.engine.queries.instances()]
    assert kept == keys[-(400 // (passed + 1)) :]
    bench.create(n=-200)  # longer than all may be
    assert len(bench.engine.queries.instances()) == 1
    shorts = [bench.create("short") for _ in range(21)]
    assert [view.key for view in bench.engine.queries.instances()] == shorts[1:]


@pytest.mark.parametrize(
    ("flow", "way"),
    [
        ("start > a > a", "a > a"),
        ("start > start; a > end", "start > start"),
        ("start > xor > start {=x}; xor > a {default}", "start > xor > start"),
        ("start > xor1 > a > b > xor2; xor2 > xor1 {default}; xor2 > end {=x}", "a > b > xor2 > xor1 > a"),
        ("start > a > par; par > a; par > end", "a > par > a"),
        ("start > xor > n > out; back > xor", "n > out > back > xor > n"),
    ],
)
@pytest.mark.parametrize("tag", ["task", "manualTask"])
def test_a_loop_in_which_nothing_waits_is_refused(bench, flow, way, tag) -> None:
    """No page: a cluster refuses it as well, because an instance would never leave it."""
    tasks = [Node(tag, name) for name in ("a", "b") if name in flow.replace("back", "")]
    links = [throw("n"), throw("out", on_link("l")), catch("back", on_link("l"))] if "back" in flow else []
    message = bench.refused(process("p", flow, *(node for node in [*tasks, *links] if node.id in flow)))
    assert f"straight-through processing loop: {way}" in message


@pytest.mark.parametrize("waits", [task("a"), catch("a", timer("PT1H")), script("a", "=x + 1", "x")])
def test_a_loop_in_which_something_waits_or_is_computed_is_fine(bench, waits) -> None:
    flow = "start > xor1 > m > a > xor2; xor2 > xor1 {default}; xor2 > end {=x > 3}"
    bench.deploy(process("p", flow, Node("manualTask", "m"), waits))
