"""Diagrams as Camunda Modeler saves them: drawing information, pools and lanes, data, annotations, templates.

The files in `modeler/` were written with bpmn-moddle and zeebe-bpmn-moddle, the libraries that the Modeler saves with.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.engine.diagrams import process, variables

from zeebe_connectors.engine import RejectionCode

FOLDER = Path(__file__).parent / "modeler"
HOUR = 3600


def content(name: str) -> bytes:
    return (FOLDER / f"{name}.bpmn").read_bytes()


@pytest.fixture
def deployed(bench):
    def deploy(name: str) -> list[str]:
        return [found.bpmn_process_id for found in bench.deploy(content(name), name=f"{name}.bpmn").processes]

    return deploy


def test_pools_lanes_data_and_notes_are_drawn_and_not_run(bench, deployed) -> None:
    assert deployed("pools-and-lanes") == ["modeler-order"]  # the supplier's process is a sketch
    order = {"id": "A-1", "customer": "Ann"}
    key = bench.create("modeler-order", order=order, clerk="eve")
    job = bench.job("io.camunda.zeebe:userTask")
    headers = json.loads(job.headers)
    due = headers.pop("io.camunda.zeebe:dueDate")
    assert due.startswith("2026-")
    assert headers == {
        "screen": "orders",
        "io.camunda.zeebe:formKey": "camunda-forms:bpmn:userTaskForm_1",
        "io.camunda.zeebe:assignee": "eve",
        "io.camunda.zeebe:candidateGroups": '["office", "chiefs"]',
        "io.camunda.zeebe:candidateUsers": '["ann", "bob"]',
        "io.camunda.zeebe:followUpDate": "2030-01-01T12:00:00Z",
    }
    assert variables(job) == {"order": order, "clerk": "eve", "customer": "Ann"}
    bench.complete(job, approved=True, comment="lost")
    buy = bench.job("modeler-buy")
    assert buy.retries == 5
    bench.complete(buy)
    bench.publish("modeler-arrived", "A-1", parcel=7)
    assert bench.job("modeler-charge").retries == 2
    bench.advance(24 * HOUR)
    assert bench.result(key) == {
        "order": order, "clerk": "eve", "check": {"approved": True}, "delivery": {"parcel": 7},
    }  # fmt: skip
    assert bench.path(key)[-2:] == ("Event_late", "Event_cancelled")

    key = bench.create("modeler-order", order=order)
    bench.do("io.camunda.zeebe:userTask", approved=False)
    assert bench.path(key)[-1] == "Event_rejected"


def test_collapsed_sub_processes_run_like_expanded_ones(bench, deployed) -> None:
    deployed("collapsed-subprocesses")
    key = bench.create("modeler-collapsed", address="Rome")
    assert bench.do("modeler-print", label="printed") == {"address": "Rome", "to": "Rome"}
    assert bench.result(key) == {"address": "Rome", "label": "printed"}
    key = bench.create("modeler-collapsed", address="Rome")
    bench.engine.throw_error(bench.job("modeler-print").key, "NO_PAPER", variables={"tray": "left", "lost": 1})
    assert bench.result(key) == {"address": "Rome", "label": "hand-written for Rome", "emptyTray": "left"}
    key = bench.create("modeler-collapsed", address="Rome")
    bench.engine.throw_error(bench.job("modeler-print").key, "NO_PAPER", variables={"tray": "all"})
    assert bench.path(key)[-3:] == ("Event_any", "Activity_call", "Event_failed")


def test_multi_instance_markers(bench, deployed) -> None:
    deployed("multi-instance")
    suppliers = [{"name": name} for name in ("a", "b", "c", "d")]
    key = bench.create("modeler-multi", suppliers=suppliers)
    jobs = bench.jobs("modeler-ask")
    assert [variables(job)["name"] for job in jobs] == ["a", "b", "c", "d"]
    bench.advance(5 * HOUR)
    assert len(bench.jobs("modeler-remind")) == 2
    bench.complete(jobs[2], price=20)
    bench.complete(jobs[1], price=5)
    for answer in ("x", "y", "z", "w"):
        bench.do("modeler-answer", answer=answer)
    assert bench.active(key)  # the reminders are open
    for job in list(bench.engine.jobs.by_key):
        bench.engine.complete_job(job)
    found = bench.result(key)
    assert found["offers"] == [None, {"name": "b", "price": 5}, {"name": "c", "price": 20}, None]
    assert found["answers"] == ["x", "y", "z", "w"]
    assert found["price"] == 5  # it rose, as the output element is no plain variable


def test_event_sub_processes(bench, deployed) -> None:
    deployed("event-subprocesses")
    key = bench.create("modeler-events", id="7", pause="PT10M")
    bench.publish("modeler-note", "7", text="one")
    assert bench.job("modeler-note").element_id == "Activity_note"
    bench.advance(25 * 60)
    assert len(bench.jobs("modeler-tick")) == 2
    work = bench.job("modeler-work")
    bench.engine.throw_error(work.key, "BROKEN")
    bench.do("modeler-repair")
    assert bench.active(key)  # a note and two ticks are open
    bench.engine.broadcast_signal("modeler-stop", {"by": "bob"})
    found = bench.result(key)
    assert (found["lastNote"], found["outcome"]) == ("one", "stopped")
    assert bench.path(key)[-1] == "Event_x2"


@pytest.mark.parametrize(("needs", "jobs"), [(["a", "b"], "ab"), (["b"], "b"), ([], ""), (["a", "b", "c"], "b")])
def test_inclusive_gateways_with_conditions_of_several_lines(bench, deployed, needs, jobs) -> None:
    deployed("inclusive")
    key = bench.create("modeler-inclusive", needs=needs)
    for name in jobs:
        assert bench.none("modeler-after")
        bench.do(f"modeler-{name}")
    assert {name for name in "ab" if not bench.none(f"modeler-{name}")} == set()
    bench.do("modeler-after")
    assert bench.ended(key)


def test_links_and_signals_between_two_processes_of_a_file(bench, deployed) -> None:
    assert deployed("links-and-signals") == ["modeler-links", "modeler-listener"]
    key = bench.create("modeler-links", who="ann")
    bench.do("modeler-rest")
    assert bench.do("modeler-hear") == {"from": "ann"}
    last = bench.job("modeler-last")
    assert json.loads(last.headers) == {"a": ""}
    bench.complete(last)
    bench.do("modeler-send")
    bench.do("modeler-rest")
    assert bench.ended(key)
    assert not bench.engine.instances


def test_processes_of_a_file_call_each_other(bench, deployed) -> None:
    assert deployed("calls") == ["modeler-caller", "modeler-called"]
    key = bench.create("modeler-caller", person="ann", secret=1)
    assert bench.do("modeler-rules", score=3, other=4) == {"person": "ann", "limits": [1, 2, 3]}
    assert bench.result(key) == {"person": "ann", "secret": 1, "result": {"score": 3}}
    key = bench.create("modeler-caller", person="ann")
    bench.engine.throw_error(bench.job("modeler-rules").key, "REFUSED", variables={"reason": "age"})
    assert bench.result(key) == {"person": "ann", "why": "age"}


def test_elements_with_connector_templates(bench, deployed) -> None:
    deployed("connectors")
    bench.publish("c9a4a6f2-3e7b-4f6a-9f5e-0f3f1a9f6d01", "", id="k")
    job = bench.job("modeler-http")
    assert variables(job) == {
        "id": "k", "authentication": {"type": "noAuth"}, "method": "GET", "headers": {"X-Id": "k"},
        "connectionTimeoutInSeconds": 20, "body": None,
    }  # fmt: skip
    assert json.loads(job.headers)["resultExpression"] == "={status: response.status}"
    bench.complete(job, status=200)
    key = job.process_instance_key
    bench.publish("5f0f2b8a-0a0f-4d9b-9a31-9f0f9a6c1c02", "k", back=True)
    assert bench.result(key) == {"id": "k", "status": 200, "back": True}


def test_a_race_a_receive_task_and_a_script(bench, deployed) -> None:
    deployed("race")
    keys = [bench.create("modeler-race", id=f"{n}", number=n, wait="PT5M", given=[n]) for n in range(3)]
    bench.publish("modeler-yes", "0")
    bench.advance(300)
    for key in keys:
        assert bench.path(key)[-1] == "Activity_receive"
    bench.publish("modeler-ask", "1")
    bench.do("modeler-reply")
    for n in range(3):
        bench.publish("modeler-more", f"{n}", ttl=1)
        assert bench.result(keys[n])["out"] == {"total": n + 1}
    late = bench.create("modeler-race", id="9", number=9, wait="PT5M", given=[])
    bench.engine.broadcast_signal("modeler-all")
    assert bench.path(late)[-1] == "Activity_receive"


def test_a_process_with_four_ways_to_start(bench, deployed) -> None:
    deployed("starts")
    bench.create("modeler-starts")
    bench.publish("modeler-begin", "k", body={"text": "hello", "more": 1})
    assert [variables(job) for job in bench.jobs("modeler-do")] == [{}, {"text": "hello"}]
    bench.advance(7 * 24 * HOUR)
    assert len(bench.jobs("modeler-do")) == 3 + 5 * 9


def test_each_element_that_only_a_cluster_runs_is_named(bench) -> None:
    text = bench.refused(content("only-in-a-cluster"))
    for element in (
        "modeler-cluster", "Activity_user", "Activity_dmn", "Event_comp", "Activity_undo", "Event_comp2", "Sub_adhoc",
        "Event_esc",
    ):  # fmt: skip
        assert f"- Element: {element}\n    - ERROR: " in text, element
    for line in text.splitlines():
        assert not line.startswith("    - ERROR") or line.endswith("a cluster may run this; the local engine cannot")


def test_each_element_that_is_not_finished_is_named(bench) -> None:
    text = bench.refused(content("invalid"))
    for element in (
        "Activity_untyped", "Sub_tx", "Gateway_c", "Event_nomsg", "Activity_nocall", "Event_timer", "Activity_multi",
        "Event_err", "Event_link", "Sub_empty", "Activity_script",
    ):  # fmt: skip
        assert f"- Element: {element}\n    - ERROR: " in text, element
    assert "a cluster may run this" not in text
    bench.rejects(RejectionCode.NOT_FOUND, bench.create, "modeler-invalid")


@pytest.mark.parametrize(
    "part",
    [
        "<bpmn:ioSpecification/>",
        '<bpmn:ioBinding operationRef="o" inputDataRef="i" outputDataRef="u"/>',
        '<bpmn:correlationSubscription id="c" correlationKeyRef="k"/>',
        "<bpmn:supports>other</bpmn:supports>",
        "<bpmn:auditing/><bpmn:monitoring/>",
        '<bpmn:property id="v" name="v"/>',
        '<bpmn:resourceRole id="r"/>',
    ],
)
def test_parts_of_the_standard_that_nobody_runs_are_skipped(bench, part) -> None:
    bench.deploy(process("p").replace(b"</bpmn:process>", f"{part}</bpmn:process>".encode()))
    assert bench.ended(bench.create())
