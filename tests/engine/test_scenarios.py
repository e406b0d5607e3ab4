"""Whole diagrams, run to their end in process."""

from __future__ import annotations

import time
from pathlib import Path

from tests.engine.diagrams import (
    Node,
    boundary,
    call,
    catch,
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

from zeebe_connectors.engine import RejectionCode


def test_one_task(bench) -> None:
    bench.deploy(process("p", "start > t > end", task("t")))
    key = bench.create(a=1)
    bench.do("t", b=2)
    assert bench.result(key) == {"a": 1, "b": 2}
    assert bench.path(key) == ("start", "t", "end")


def test_mappings(bench) -> None:
    bench.deploy(
        process(
            "p", "start > t > end", task("t", inputs=[("=a", "x.y"), ("=x.y + 1", "z")], outputs=[("=r", "out.deep")])
        )
    )
    key = bench.create(a=1, out={"kept": 1})
    seen = bench.do("t", r=5, lost=1)
    assert (seen["x"], seen["z"]) == ({"y": 1}, 2)
    assert bench.result(key) == {"a": 1, "out": {"kept": 1, "deep": 5}}


def test_exclusive_gateway(bench) -> None:
    words = [script(name, f'="{name}"', "r") for name in "abc"]
    flow = "start > xor; xor > a {=x > 10}; xor > b {=x > 5}; xor > c {default}; a > end; b > end; c > end"
    bench.deploy(process("p", flow, *words))
    assert [bench.run(x=x)["r"] for x in (11, 7, 1)] == ["a", "b", "c"]


def test_no_condition_holds(bench) -> None:
    bench.deploy(process("p", "start > xor; xor > end1 {=x > 10}; xor > end2 {=x > 5}"))
    key = bench.create(x=1)
    assert bench.incident().type == "CONDITION_ERROR"
    bench.set(key, x=11)
    bench.resolve()
    assert bench.path(key)[-1] == "end1"


def test_parallel_gateway(bench) -> None:
    bench.deploy(process("p", "start > par1; par1 > a > par2; par1 > b > par2; par2 > c > end", *map(task, "abc")))
    key = bench.create()
    bench.do("a", a=1)
    assert bench.none("c")
    bench.do("b", b=2)
    bench.do("c", sum=3)
    assert bench.result(key) == {"a": 1, "b": 2, "sum": 3}


def test_boundary_errors(bench) -> None:
    bench.deploy(
        process(
            "p",
            "start > t > end; one > s1 > end1; any > s2 > end2",
            task("t"),
            boundary("one", "t", on_error("E1"), outputs=[("=why", "reason")]),
            boundary("any", "t", on_error()),
            script("s1", '="one"', "r"),
            script("s2", '="any"', "r"),
            roots=error("E1"),
        )
    )
    results = []
    for code in ("E1", "E9"):
        key = bench.create()
        bench.engine.throw_error(bench.job("t").key, code, variables={"why": "w", "other": 1})
        results.append(bench.result(key))
    assert results == [{"reason": "w", "r": "one"}, {"why": "w", "other": 1, "r": "any"}]


def test_boundary_timer(bench) -> None:
    slow = task("slow", inputs=[("PT2H", "d")])
    bench.deploy(
        process(
            "p",
            "start > slow > end; b > late > end2",
            slow,
            boundary("b", "slow", timer("=d")),
            script("late", "=true", "late"),
        )
    )
    key = bench.create()
    bench.advance(7199.999)
    assert bench.active(key)
    bench.advance(0.001)
    assert bench.result(key) == {"late": True}
    assert bench.none("slow")


def test_boundary_message_that_does_not_interrupt(bench) -> None:
    bench.deploy(
        process(
            "p",
            "start > long > end; b > note > end2",
            task("long"),
            boundary("b", "long", on_message("ping"), interrupting=False),
            task("note"),
            roots=message("ping", "=id"),
        )
    )
    key = bench.create(id="7")
    bench.publish("ping", "7", x=1)
    bench.publish("ping", "7", x=2)
    notes = bench.jobs("note")
    assert len(notes) == 2
    bench.do("long")
    for note in notes:
        bench.complete(note)
    assert bench.result(key) == {"id": "7", "x": 2}


def test_scope_of_a_sub_process(bench) -> None:
    inner = sub("sub", "start2 > inner > end2", task("inner"), inputs=[("=a", "local")], outputs=[("=made", "out")])
    bench.deploy(process("p", "start > sub > end", inner))
    key = bench.create(a=1)
    bench.do("inner", local=2, made=9, fresh=3)
    assert bench.result(key) == {"a": 1, "made": 9, "fresh": 3, "out": 9}


def test_parallel_multi_instance(bench) -> None:
    bench.deploy(process("p", "start > m > end", task("m", loop=multi("=items", "item", "results", "=result"))))
    key = bench.create(items=[1, 2, 3])
    for job in reversed(bench.jobs("m")):
        seen = variables(job)
        bench.complete(job, result=seen["item"] * 10 + seen["loopCounter"])
    assert bench.result(key) == {"items": [1, 2, 3], "results": [11, 22, 33]}
    assert bench.run(items=[]) == {"items": [], "results": []}


def test_sequential_multi_instance(bench) -> None:
    loop = multi("=items", "item", "results", "=result", sequential=True)
    bench.deploy(process("p", "start > m > end", task("m", inputs=[("=item * 2", "twice")], loop=loop)))
    key = bench.create(items=[1, 2, 3])
    for _ in range(3):
        (job,) = bench.jobs("m")
        bench.complete(job, result=variables(job)["twice"])
    assert bench.result(key) == {"items": [1, 2, 3], "results": [2, 4, 6]}


def test_multi_instance_sub_process(bench) -> None:
    inner = sub("sub", "start2 > m > end2", task("m"), loop=multi("=items", "item", "results", "=made"))
    bench.deploy(process("p", "start > sub > end", inner))
    key = bench.create(items=[1, 2])
    for job in bench.jobs("m"):
        bench.complete(job, made=variables(job)["item"] + 1)
    assert bench.result(key) == {"items": [1, 2], "results": [2, 3]}


def test_call_activity(bench) -> None:
    bench.deploy(process("child", "start > c > end", task("c")))
    calling = call(
        "call",
        "=which",
        inputs=[("=a", "given")],
        outputs=[("=answer", "got")],
        propagateAllChildVariables="false",
    )
    bench.deploy(
        process(
            "p",
            "start > call > end; b > h > end2",
            calling,
            boundary("b", "call", on_error("CE")),
            script("h", '="handled"', "r"),
            roots=error("CE"),
        )
    )
    key = bench.create(which="child", a=5)
    seen = bench.do("c", answer=6)
    assert seen == {"which": "child", "a": 5, "given": 5}
    assert bench.result(key) == {"which": "child", "a": 5, "got": 6}
    key = bench.create(which="child", a=5)
    bench.engine.throw_error(bench.job("c").key, "CE")
    assert bench.result(key)["r"] == "handled"
    assert not bench.engine.instances


def test_event_based_gateway(bench) -> None:
    bench.deploy(
        process(
            "p",
            "start > g; g > m > a > end; g > t > b > end",
            Node("eventBasedGateway", "g"),
            catch("m", on_message("go")),
            catch("t", timer("PT1M")),
            script("a", '="message"', "r"),
            script("b", '="timer"', "r"),
            roots=message("go", "=id"),
        )
    )
    key = bench.create(id="k1")
    bench.publish("go", "k1", x=1)
    assert bench.result(key) == {"id": "k1", "x": 1, "r": "message"}
    key = bench.create(id="k2")
    bench.advance(60)
    assert bench.result(key)["r"] == "timer"


def test_error_event_sub_process(bench) -> None:
    caught = event_sub(
        "es",
        "es0 > fix > ese",
        start("es0", on_error("EX")),
        script("fix", '="fixed " + why', "r"),
        Node("endEvent", "ese"),
    )
    inner = sub("sub", "start2 > par; par > bad > end2; par > other > end2", task("bad"), task("other"), caught)
    bench.deploy(process("p", "start > sub > end", inner, roots=error("EX")))
    key = bench.create()
    other = bench.job("other")
    bench.engine.throw_error(bench.job("bad").key, "EX", variables={"why": "x"})
    assert bench.result(key)["r"] == "fixed x"
    bench.rejects(RejectionCode.NOT_FOUND, bench.complete, other)


def test_message_start_events(bench) -> None:
    bench.deploy(
        process("p", "start > t > end", start("start", on_message("begin")), task("t"), roots=message("begin"))
    )
    bench.publish("begin", "k", ttl=60, n=1)
    bench.publish("begin", "k", ttl=60, n=2)
    bench.publish("begin", "", n=3)
    jobs = bench.jobs("t")
    assert sorted(variables(job)["n"] for job in jobs) == [1, 3]
    for job in jobs:
        bench.complete(job)
    assert bench.do("t")["n"] == 2
    bench.publish("begin", "z", message_id="i1", ttl=60)
    bench.rejects(RejectionCode.ALREADY_EXISTS, bench.publish, "begin", "z", message_id="i1", ttl=60)


def test_an_error_that_nothing_catches(bench) -> None:
    bench.deploy(process("p", "start > t > end", task("t")))
    key = bench.create()
    bench.engine.throw_error(bench.job("t").key, "NOPE")
    assert bench.none("t")
    assert bench.incident().type == "UNHANDLED_ERROR_EVENT"
    bench.resolve()
    bench.do("t")
    assert bench.ended(key)


def test_a_loop_of_two_thousand_rounds_does_not_recurse(bench) -> None:
    flow = "start > inc > xor; xor > end {=n >= 2000}; xor > inc {default}"
    bench.deploy(process("p", flow, script("inc", "=n + 1", "n")))
    began = time.monotonic()
    assert bench.run(n=0) == {"n": 2000}
    assert time.monotonic() - began < 5


def test_a_parallel_join_in_each_round_of_a_loop(bench) -> None:
    fork = "start > xor1 > par1; par1 > a > par2; par1 > b > par2; par2 > xor2"
    flow = f"{fork}; xor2 > end {{=n >= 5}}; xor2 > xor1 {{default}}"
    bench.deploy(process("p", flow, script("a", "=n + 1", "n"), script("b", "=1", "q")))
    assert bench.run(n=0)["n"] == 5


def test_surplus_tokens_stay_at_a_join(bench) -> None:
    flow = (
        "start > par1; par1 > par2; par2 > x1; par2 > x2; x1 > xor; x2 > xor; xor > par3; par1 > a > par3; "
        "par3 > after > end"
    )
    bench.deploy(process("p", flow, task("a"), task("after"), script("x1", "=1", "q"), script("x2", "=1", "q")))
    key = bench.create()
    assert bench.none("after")
    bench.do("a")
    assert len(bench.jobs("after")) == 1
    assert bench.active(key)


def test_implicit_fork_and_end(bench) -> None:
    bench.deploy(process("p", "start > a; start > b; a > z", task("a"), task("b"), script("z", "=1", "z")))
    key = bench.create()
    bench.do("a")
    bench.do("b")
    assert bench.result(key) == {"z": 1}


def test_an_incident_leaves_the_other_branch_alone(bench) -> None:
    failing = task("a", inputs=[("=assert(x, x != null)", "y")])
    bench.deploy(process("p", "start > par; par > a > end; par > b > end", failing, task("b")))
    key = bench.create()
    bench.do("b")
    assert bench.incident().type == "IO_MAPPING_ERROR"
    bench.set(key, x=1)
    bench.resolve()
    assert bench.do("a")["y"] == 1
    assert bench.ended(key)


def test_an_incident_while_a_sub_process_is_entered(bench) -> None:
    inner = sub("sub", "start2 > end2", inputs=[("=assert(x, x != null)", "y")])
    bench.deploy(process("p", "start > par; par > sub > end; par > b > end", inner, task("b")))
    key = bench.create()
    bench.do("b")
    bench.set(key, x=1)
    bench.resolve()
    assert bench.ended(key)


def test_two_start_events(bench) -> None:
    bench.deploy(
        process(
            "p",
            "start > p1 > t > end; byMessage > q1 > t",
            start("byMessage", on_message("two")),
            script("p1", '="plain"', "r"),
            script("q1", '="message"', "r"),
            task("t"),
            roots=message("two"),
        )
    )
    bench.create()
    bench.publish("two")
    assert sorted(variables(job)["r"] for job in bench.jobs("t")) == ["message", "plain"]


def test_refused_diagrams(bench) -> None:
    text = bench.refused(process("p", "start > g > end", Node("adHocSubProcess", "g")))
    assert text.count("ERROR") == text.count("a cluster may run this; the local engine cannot") == 1
    text = bench.refused(process("p", "end", Node("endEvent", "end")))
    assert "Element: p\n    - ERROR: Must have at least one start event" in text
    assert "cluster" not in text


def test_examples_of_the_project_are_accepted(bench) -> None:
    for file in sorted(Path("bpmn-examples").glob("*.bpmn")):
        assert bench.engine.deploy([(file.name, file.read_bytes())]).processes
