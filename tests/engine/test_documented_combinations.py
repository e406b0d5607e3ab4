"""What follows from the documentation where several of its pages meet, with and without kills."""

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

from zeebe_connectors.engine import RejectionCode

# Multi-instance with sub-processes, calls and events.


def test_an_event_inside_one_instance_interrupts_only_that(both) -> None:
    stop = event_sub("e", "start3 > u > end3", start("start3", on_message("m")), task("u"), outputs=[("=r", "r")])
    inner = sub("s", "start2 > t > end2", task("t"), stop, loop=multi("=keys", "k", "out", "=r"))
    both.deploy(process("p", "start > s > end", inner, roots=message("m", "=k")))
    key = both.create(keys=["a", "b"])
    both.publish("m", "b")
    (job,) = both.jobs("t")
    assert variables(job)["k"] == "a"
    both.complete(job, r=1)
    both.do("u", r=2)
    assert both.result(key) == {"keys": ["a", "b"], "out": [1, 2]}


def test_a_terminate_end_event_ends_one_instance(both) -> None:
    inner = sub(
        "s",
        "start2 > par; par > t > stop; par > u > end2",
        task("t"),
        task("u"),
        end("stop", TERMINATE),
        loop=multi("=[1, 2]", "x", "out", "=x * 10"),
    )
    both.deploy(process("p", "start > s > end", inner))
    key = both.create()
    first, second = both.jobs("t")
    both.complete(first)
    assert len(both.jobs("u")) == 1
    both.complete(second)
    assert both.result(key) == {"out": [10, 20]}


def test_a_completion_condition_ends_called_processes_and_their_calls(both) -> None:
    loop = multi("=[1, 2, 3]", "x", "out", "=x", until="=true")
    both.deploy(
        process("leaf", "start > t > end", task("t")),
        process("child", "start > c > end", call("c", "leaf")),
        process("p", "start > c > after > end", call("c", "child", loop=loop), task("after")),
    )
    key = both.create()
    jobs = both.jobs("t")
    both.complete(jobs[1])
    both.rejects(RejectionCode.NOT_FOUND, both.complete, jobs[0])
    assert both.do("after")["out"] == [None, 2, None]
    assert both.ended(key)
    assert not both.engine.instances


def test_an_error_of_one_called_process_ends_all(both) -> None:
    both.deploy(
        process("child", "start > t > end", task("t")),
        process(
            "p",
            "start > c > end; b > after > end2",
            call("c", "child", loop=multi("=[1, 2]", "x", "out", "=x")),
            boundary("b", "c", on_error("E")),
            task("after"),
            roots=error("E"),
        ),
    )
    key = both.create()
    first, second = both.jobs("t")
    both.throw(second, "E", why=1)
    both.rejects(RejectionCode.NOT_FOUND, both.complete, first)
    assert both.do("after") == {"why": 1}
    assert both.ended(key)


def test_an_error_in_a_sequence_ends_it(both) -> None:
    both.deploy(
        process(
            "p",
            "start > t > end; b > after > end2",
            task("t", loop=multi("=[1, 2, 3]", "x", "out", "=r", sequential=True)),
            boundary("b", "t", on_error()),
            task("after"),
        )
    )
    key = both.create()
    both.do("t", r=1)
    both.throw(both.job("t"), "any")
    assert both.none("t")
    assert both.do("after") == {}
    assert both.ended(key)


def test_a_message_for_a_sequence_comes_between_two_instances(both) -> None:
    loop = multi("=[1, 2]", "x", sequential=True)
    both.deploy(
        process(
            "p",
            "start > t > end; b > note > end2",
            task("t", loop=loop),
            boundary("b", "t", on_message("m"), interrupting=False),
            task("note"),
            roots=message("m", "=k"),
        )
    )
    key = both.create(k="a")
    both.do("t")
    both.publish("m", "a")
    both.do("t")
    both.do("note")
    both.publish("m", "a")
    assert both.ended(key)


def test_one_message_goes_to_one_of_the_instances_that_wait(both) -> None:
    both.deploy(
        process("p", "start > r > end", receive("r", "m", loop=multi("=[1, 2]", "x")), roots=message("m", "=k"))
    )
    key = both.create(k="a")
    both.publish("m", "a")
    assert both.active(key)
    both.publish("m", "a")
    assert both.ended(key)


def test_a_collection_that_was_no_list_is_looked_at_again(both) -> None:
    both.deploy(
        process(
            "p",
            "start > t > end; b > end2",
            task("t", loop=multi("=items", "x", "out", "=r")),
            boundary("b", "t", timer("PT1H")),
        )
    )
    key = both.create(items="none")
    assert both.incident().type == "EXTRACT_VALUE_ERROR"
    both.set(key, items=[1])
    both.resolve()
    both.do("t", r=1)
    assert both.result(key) == {"items": [1], "out": [1]}


def test_an_output_element_that_fails_is_evaluated_again(both) -> None:
    loop = multi("=[1, 2]", "x", "out", "=assert(r, r != null)", sequential=True)
    both.deploy(process("p", "start > t > end", task("t", loop=loop)))
    key = both.create()
    both.do("t")
    incident = both.incident()
    both.set(key, r=7)
    both.resolve()
    assert incident.type == "EXTRACT_VALUE_ERROR"
    both.do("t", r=8)
    assert both.result(key) == {"r": 8, "out": [7, 8]}


def test_cancelling_ends_all_instances(both) -> None:
    inner = sub("s", "start2 > t > end2", task("t"), loop=multi("=[1, 2, 3]", "x"))
    both.deploy(process("p", "start > s > end", inner))
    key = both.create()
    jobs = both.jobs("t")
    both.engine.cancel_instance(key)
    both.rejects(RejectionCode.NOT_FOUND, both.complete, jobs[0])
    both.rejects(RejectionCode.NOT_FOUND, both.engine.cancel_instance, key)


def test_a_variable_set_at_the_body_is_seen_by_the_instances(both) -> None:
    both.deploy(process("p", "start > t > end", task("t", loop=multi("=[1, 2]", "x", "out", "=r", sequential=True))))
    key = both.create()
    both.do("t", r=1)
    body = next(
        view.key for view in both.engine.queries.element_instances(key) if view.element_type == "MULTI_INSTANCE_BODY"
    )
    both.set(body, local=True, factor=3)
    assert both.do("t", r=2)["factor"] == 3
    assert both.result(key) == {"out": [1, 2]}


@pytest.mark.parametrize("until", ["\n      = r = 1\n    ", "= numberOfCompletedInstances / numberOfInstances >= 0.3"])
def test_a_completion_condition_as_the_page_writes_it(both, until) -> None:
    """The counts take precedence over variables of their names; the collection counts to n."""
    loop = multi("=for i in 1..n return i", "x", "out", "=r", until=until)
    both.deploy(process("p", "start > t > end", task("t", loop=loop)))
    key = both.create(n=3, numberOfInstances=99)
    both.do("t", r=1)
    assert both.result(key)["out"] == [1, None, None]


# Events where scopes meet.


def test_a_terminate_end_event_in_an_event_sub_process_ends_only_that(both) -> None:
    inner = event_sub(
        "e",
        "start2 > par; par > u > stop; par > v > end2",
        start("start2", on_message("m"), interrupting=False),
        task("u"),
        task("v"),
        end("stop", TERMINATE),
    )
    both.deploy(process("p", "start > t > end", task("t"), inner, roots=message("m", "=k")))
    key = both.create(k="a")
    both.publish("m", "a")
    both.do("u")
    assert both.none("v")
    both.do("t")
    assert both.ended(key)


def test_an_instance_can_start_at_an_event_sub_process(both) -> None:
    inner = event_sub("e", "start2 > u > end2", start("start2", on_message("m")), task("u"))
    both.deploy(process("p", "start > t > end", task("t"), inner, roots=message("m", "=k")))
    key = both.start_at("e", "t", k="a")
    both.do("u")
    both.do("t")
    assert both.ended(key)


def test_a_key_that_is_free_again_starts_the_newest_version(both) -> None:
    for kind in ("old", "new"):
        begun = start("start", on_message("m"))
        both.deploy(process("p", "start > t > end", begun, task("t", kind), roots=message("m")))
        both.publish("m", "k", ttl=60, n=kind)
    assert both.none("new")
    assert both.do("old") == {"n": "old"}
    assert both.do("new") == {"n": "new"}


def test_the_mappings_of_none_events(both) -> None:
    both.deploy(
        process(
            "p",
            "start > n > end",
            start("start", outputs=[("=a + 1", "b")]),
            throw("n", outputs=[("=b + 1", "c")]),
            end("end", outputs=[("=c + 1", "d")]),
        )
    )
    assert both.run(a=1) == {"a": 1, "b": 2, "c": 3, "d": 4}


def test_the_winner_of_a_race_maps_its_event(both) -> None:
    both.deploy(
        process(
            "p",
            "start > e; e > m > end; e > w > end2",
            Node("eventBasedGateway", "e"),
            catch("m", on_message("m"), outputs=[("=v", "got")]),
            catch("w", timer("=duration(wait)"), outputs=[('="late"', "got")]),
            roots=message("m", "=k"),
        )
    )
    first = both.create(k="a", wait="PT1H")
    second = both.create(k="b", wait="PT1H")
    both.publish("m", "a", v=1, more=2)
    both.advance(3600)
    assert both.result(first) == {"k": "a", "wait": "PT1H", "got": 1}
    assert both.result(second) == {"k": "b", "wait": "PT1H", "got": "late"}


def test_a_race_that_cannot_begin_waits_as_a_whole(both) -> None:
    both.deploy(
        process(
            "p",
            "start > e; e > m > end; e > w > end2",
            Node("eventBasedGateway", "e"),
            catch("m", on_message("m")),
            catch("w", timer("=duration(wait)")),
            roots=message("m", "=k"),
        )
    )
    key = both.create(k="a")
    assert both.incident().element_id == "e"
    both.publish("m", "a")
    assert both.active(key)
    both.set(key, wait="PT1M")
    both.resolve()
    both.advance(60)
    assert both.ended(key)


def test_a_scope_waits_for_its_event_sub_processes(both) -> None:
    note = event_sub("e", "start3 > u > end3", start("start3", on_signal("S"), interrupting=False), task("u"))
    both.deploy(
        process(
            "p",
            "start > s > after > end",
            sub("s", "start2 > t > end2", task("t"), note),
            task("after"),
            roots=signal("S"),
        )
    )
    both.create()
    both.broadcast("S")
    both.broadcast("S")
    both.do("t")
    first, second = both.jobs("u")
    both.complete(first)
    assert both.none("after")
    both.broadcast("S")  # the scope still waits for it
    both.complete(second)
    both.do("u")
    both.do("after")


def test_an_interrupting_event_sub_process_ends_those_that_did_not_interrupt(both) -> None:
    note = event_sub("e", "start3 > u > end3", start("start3", on_signal("S"), interrupting=False), task("u"))
    stop = event_sub("f", "start4 > v > end4", start("start4", on_message("m")), task("v"))
    both.deploy(
        process("p", "start > t > end", task("t"), note, stop, roots=signal("S") + message("m", "=k")),
    )
    key = both.create(k="a")
    both.broadcast("S")
    both.publish("m", "a")
    both.broadcast("S")
    both.publish("m", "a")
    assert both.none("t")
    assert both.none("u")
    both.do("v")
    assert both.ended(key)


def test_an_event_sub_process_changes_what_its_scope_has(both) -> None:
    note = event_sub(
        "e",
        "start3 > u > end3",
        start("start3", on_message("m"), interrupting=False, outputs=[("=v", "seen")]),
        task("u"),
    )
    inner = sub("s", "start2 > t > end2", task("t"), note, inputs=[("=0", "mine")], outputs=[("=mine", "out")])
    both.deploy(process("p", "start > s > end", inner, roots=message("m", "=k")))
    key = both.create(k="a")
    both.publish("m", "a", v=5)
    assert both.do("u", mine=9) == {"k": "a", "mine": 0, "seen": 5}
    both.do("t")
    assert both.result(key)["out"] == 9


def test_a_boundary_event_s_mapping_sees_the_event_and_what_is_around(both) -> None:
    both.deploy(
        process(
            "p",
            "start > t > end; b > after > end2",
            task("t", inputs=[("=99", "inside")]),
            boundary("b", "t", on_message("m"), outputs=[("=v + a", "sum"), ("=inside", "nothing")]),
            task("after"),
            roots=message("m", "=k"),
        )
    )
    both.create(k="x", a=1)
    both.publish("m", "x", v=2)
    assert both.do("after") == {"k": "x", "a": 1, "sum": 3, "nothing": None}


def test_two_boundary_events_of_one_activity(both) -> None:
    both.deploy(
        process(
            "p",
            "start > s > end; b > remind > end3; c > late > end4",
            sub("s", "start2 > t > end2", task("t")),
            boundary("b", "s", cycle("R2/PT10M"), interrupting=False),
            boundary("c", "s", timer("PT1H")),
            task("remind"),
            task("late"),
        )
    )
    key = both.create()
    both.advance(3600)
    for job in both.jobs("remind"):
        both.complete(job)
    both.do("late")
    assert both.none("t")
    assert both.ended(key)


def test_an_activity_that_a_timer_may_end_before_a_worker_sees_it(both) -> None:
    both.deploy(
        process("p", "start > t > end; b > late > end2", task("t"), boundary("b", "t", timer("PT0S")), task("late"))
    )
    key = both.create()
    assert both.none("t")
    both.do("late")
    assert both.ended(key)


def test_a_loop_through_a_boundary_event(both) -> None:
    both.deploy(
        process(
            "p",
            "start > t > end; b > s > t",
            task("t"),
            boundary("b", "t", on_error("again")),
            script("s", "=n + 1", "n"),
            roots=error("again"),
        )
    )
    key = both.create(n=0)
    for _ in range(5):
        both.throw(both.job("t"), "again")
    both.do("t")
    assert both.result(key) == {"n": 5}


def test_an_error_end_event_inside_an_error_event_sub_process_goes_to_the_caller(both) -> None:
    handler = event_sub(
        "h", "start2 > mend > fail", start("start2", on_error("E")), task("mend"), end("fail", on_error("F"))
    )
    both.deploy(
        process("child", "start > t > end", task("t"), handler, roots=error("E") + error("F")),
        process(
            "p",
            "start > c > end; b > after > end2",
            call("c", "child"),
            boundary("b", "c", on_error("F")),
            task("after"),
            roots=error("F"),
        ),
    )
    key = both.create()
    both.throw(both.job("t"), "E")
    both.do("mend")
    both.do("after")
    assert both.ended(key)


def test_a_message_start_event_sub_process_and_a_boundary_of_one_name(both) -> None:
    """One message goes once to a process, so one of both gets it; which is not documented."""
    inner = event_sub("e", "start3 > u > end3", start("start3", on_message("m")), task("u"))
    both.deploy(
        process(
            "p",
            "start > s > end; b > v > end4",
            sub("s", "start2 > t > end2", task("t"), inner),
            boundary("b", "s", on_message("m")),
            task("v"),
            roots=message("m", "=k"),
        )
    )
    key = both.create(k="a")
    both.publish("m", "a")
    found = both.jobs("u") + both.jobs("v")
    assert both.none("t")
    both.complete(found[0])
    assert len(found) == 1
    assert both.ended(key)
