"""Which deployments the documentation allows and refuses."""

from __future__ import annotations

import pytest
from tests.engine.diagrams import (
    Node,
    boundary,
    catch,
    event_sub,
    message,
    multi,
    on_message,
    on_signal,
    process,
    receive,
    start,
    sub,
    task,
    timer,
)

from zeebe_connectors.engine import RejectionCode

# Deployments.


def test_one_process_id_twice_in_a_deployment(bench) -> None:
    one, two = process("p"), process("p", "start > t > end", task("t"))
    bench.rejects(RejectionCode.INVALID_ARGUMENT, bench.engine.deploy, [("a.bpmn", one), ("b.bpmn", two)])
    assert not bench.engine.queries.definitions()


def test_two_diagrams_of_one_name_in_a_deployment(both) -> None:
    """As camunda#20026 allows it."""
    deployed = both.engine.deploy([("a.bpmn", process("p")), ("a.bpmn", process("q", "start > t > end", task("t")))])
    assert [found.bpmn_process_id for found in deployed.processes] == ["p", "q"]
    assert both.run("p") == {}
    both.create("q")
    both.do("t")


def test_a_diagram_under_another_name_is_a_new_version(both) -> None:
    first = both.deploy(process("p"), name="a.bpmn").processes[0].version
    same = both.deploy(process("p"), name="a.bpmn").processes[0].version
    other = both.deploy(process("p"), name="b.bpmn").processes[0].version
    back = both.deploy(process("p"), name="a.bpmn").processes[0].version
    assert (first, same, other, back) == (1, 1, 2, 3)


def test_an_old_version_goes_on_with_its_own_diagram(both) -> None:
    both.deploy(process("p", "start > t > old > end", task("t"), task("old")))
    key = both.create()
    both.deploy(process("p", "start > t > new > end", task("t"), task("new")))
    both.do("t")
    assert both.none("new")
    both.do("old")
    assert both.ended(key)
    old = both.engine.create_instance("p", version=1).key
    both.do("t")
    both.do("old")
    assert both.ended(old)


MESSAGES = message("m", "=k") + message("n", "=k", "m")


@pytest.mark.parametrize(
    ("flow", "nodes", "roots"),
    [
        (
            "start > t > end; b > end2; c > end3",
            [task("t"), boundary("b", "t", on_message("m")), boundary("c", "t", on_message("m"))],
            MESSAGES,
        ),
        (
            "start > e; e > a > end; e > b > end2",
            [Node("eventBasedGateway", "e"), catch("a", on_message("m")), catch("b", on_message("n"))],
            MESSAGES,
        ),
        (
            "start > end; start2 > end2",
            [start("start", on_message("m")), start("start2", on_message("m"))],
            MESSAGES,
        ),
        (
            "start > t > end",
            [
                task("t"),
                event_sub("e", "start2 > end2", start("start2", on_message("m"))),
                event_sub("f", "start3 > end3", start("start3", on_message("m"))),
            ],
            MESSAGES,
        ),
        ("start > s > end", [sub("s", "start2 > end2", start("start2", on_message("m")))], MESSAGES),
        ("start > s > end", [sub("s", "t2 > end2", task("t2"))], ""),
        ("start > t > end", [task("t"), event_sub("e", "start2 > end2")], ""),
        ("start > t > end; start2 > end", [task("t")], ""),
        ("start > c > end", [catch("c", on_message("m"))], message("m")),
        ("start > r > end", [receive("r", "m")], message("m")),
        ("start > c > end", [catch("c", on_signal("none"))], ""),
        ("start > t > end; b > end2", [task("t"), boundary("b", "nobody", timer("PT1S"))], ""),
        ("start > t > end; t > b", [task("t"), boundary("b", "t", timer("PT1S"))], ""),
        ("start > end > t", [task("t")], ""),
        ("start > t > end", [task("t", loop="<bpmn:multiInstanceLoopCharacteristics/>")], ""),
        ("start > t > end", [task("t", loop=multi("items", "x"))], ""),
        ("start > t > end", [task("t", loop=multi("=items", "x", "out"))], ""),
        ("start > t > end", [task("t", loop=multi("=items", "x", None, "=r"))], ""),
        ("start > t > end", [task("t", inputs=[("=1", "a b")])], ""),
        ("start > t > end", [task("t", inputs=[("=1", "")])], ""),
        ("start > t > end", [task("t", outputs=[("=1 +", "a")])], ""),
    ],
)
def test_diagrams_that_are_refused(bench, flow, nodes, roots) -> None:
    assert "ERROR" in bench.refused(process("p", flow, *nodes, roots=roots))
    assert not bench.engine.queries.definitions()
