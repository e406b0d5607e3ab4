"""Jobs, messages, incidents, deployments and timers, as docs.camunda.io has them; each test names its page."""

from __future__ import annotations

import json

import pytest
from tests.engine.conftest import NOON, Bench
from tests.engine.diagrams import (
    Node,
    attributes,
    boundary,
    call,
    catch,
    cycle,
    date,
    event_sub,
    headers,
    message,
    multi,
    on_message,
    process,
    script,
    start,
    sub,
    task,
    timer,
    variables,
)

from zeebe_connectors.engine import RejectionCode, parse_variables
from zeebe_connectors.engine.jobs import MAX_ANSWER_BYTES, Stream
from zeebe_connectors.engine.model import TimerKind
from zeebe_connectors.engine.schedules import read_schedule
from zeebe_connectors.engine.store import SqliteStore

HOUR = 3600
INVALID, NOT_FOUND, STATE, EXISTS = (
    RejectionCode.INVALID_ARGUMENT,
    RejectionCode.NOT_FOUND,
    RejectionCode.INVALID_STATE,
    RejectionCode.ALREADY_EXISTS,
)


def catcher(name="p", key="=k"):
    return process(name, "start > m > t > end", catch("m", on_message("m")), task("t"), roots=message("m", key))


def starter(name="p", kind="t"):
    return process(name, "start > t > end", start("start", on_message("m")), task("t", kind), roots=message("m"))


# --- messages


def test_a_message_comes_once_to_each_process_over_all_versions(bench) -> None:
    """components/concepts/messages, message cardinality."""
    bench.deploy(catcher(), catcher("q"))
    bench.create(k="a")
    bench.deploy(catcher().replace(b"targetNamespace", b'exporter="x" targetNamespace'))
    bench.create(k="a")
    bench.create("q", k="a")
    bench.publish("m", "a", ttl=60)
    assert sorted(job.bpmn_process_id for job in bench.jobs("t")) == ["p", "q"]


def test_a_key_starts_one_instance_at_a_time(bench) -> None:
    """components/modeler/bpmn/message-events, message start events: an empty key always starts one."""
    bench.deploy(starter())
    for n in (1, 2, 3):
        bench.publish("m", "a", ttl=60, n=n)
    for n in (1, 2, 3):
        (job,) = bench.jobs("t")
        assert variables(job) == {"n": n}
        if n == 2:
            bench.engine.cancel_instance(job.process_instance_key)
        else:
            bench.complete(job)
    bench.publish("m")
    bench.publish("m")
    assert len(bench.jobs("t")) == 2


def test_a_message_stays_buffered_after_it_correlated(bench) -> None:
    """components/concepts/messages, message buffering: for other processes, oldest first."""
    bench.deploy(catcher(), catcher("q"))
    bench.create(k="a")
    bench.publish("m", "a", ttl=60, n=1)
    bench.publish("m", "a", ttl=60, n=2)
    bench.create("q", k="a")
    assert [(job.bpmn_process_id, variables(job)["n"]) for job in bench.jobs("t")] == [("p", 1), ("q", 1)]
    bench.advance(61)
    bench.create("q", k="a")
    assert bench.none("t")


def test_what_makes_a_message_a_duplicate(bench) -> None:
    """components/concepts/messages, message uniqueness: name, key and id, while it is buffered."""
    bench.publish("m", "a", message_id="1", ttl=60)
    bench.rejects(EXISTS, bench.publish, "m", "a", message_id="1")
    bench.publish("m", "b", message_id="1")
    bench.publish("n", "a", message_id="1")
    bench.publish("m", "a", message_id="2")
    bench.publish("m", "a", message_id="2")
    bench.advance(60)
    bench.publish("m", "a", message_id="1")


def test_a_message_of_before_the_deployment_starts_nothing(bench) -> None:
    """components/modeler/bpmn/message-events, message start events."""
    bench.publish("m", "a", ttl=60)
    bench.deploy(starter())
    assert bench.none("t")


def test_a_new_version_replaces_the_starts_of_the_old(bench) -> None:
    """components/modeler/bpmn/message-events, timer-events and signal-events."""
    bench.deploy(starter(kind="t1"))
    bench.deploy(starter(kind="t2"))
    bench.publish("m")
    assert bench.none("t1")
    assert len(bench.jobs("t2")) == 1
    bench.deploy(process("p"))
    bench.publish("m")
    assert bench.none("t2")


def test_a_whole_number_is_met_by_its_digits(bench) -> None:
    """As FEEL has one kind of number, 12.0 is 12."""
    flow = process("p", "start > m > end", catch("m", on_message("m")), roots=message("m", "=k"))
    bench.deploy(flow)
    for value, key in ((12, "12"), (12.0, "12"), (1e3, "1000"), (1.5, "1.5")):
        instance = bench.create(k=value)
        bench.publish("m", key)
        assert bench.ended(instance), key


@pytest.mark.parametrize("bad", [None, True, [1], {"a": 1}])
def test_a_correlation_key_is_a_text_or_a_number(bench, bad) -> None:
    """components/concepts/messages: a number is met by its text."""
    bench.deploy(catcher())
    key = bench.create(k=bad)
    assert bench.incident().type == "EXTRACT_VALUE_ERROR"
    bench.set(key, k=12)
    bench.resolve()
    bench.publish("m", "12")
    bench.do("t")


def test_the_name_of_what_starts_a_process_is_evaluated_at_deployment(bench) -> None:
    """components/modeler/bpmn/message-events: without variables."""
    begin = start("start", on_message("m"))
    bench.deploy(process("p", "start > t > end", begin, task("t"), roots=message("m", None, '="a" + "b"')))
    bench.publish("ab")
    bench.do("t")
    assert "start" in bench.refused(process("q", "start > end", begin, roots=message("m", None, "=variable")))


@pytest.mark.parametrize("first", ["complete", "publish"])
def test_a_message_for_what_has_just_ended_goes_to_the_next_receiver(bench, first) -> None:
    """components/concepts/messages, buffering: commands that arrive together are as good as those one by one."""
    flow = "start > a > m > end; b > m; c > end2"
    events = [boundary("b", "a", on_message("other")), boundary("c", "a", on_message("m"))]
    roots = message("m", "=k") + message("other", "=k")
    bench.deploy(process("p", flow, task("a"), *events, catch("m", on_message("m")), roots=roots))
    key = bench.create(k="x")
    job = bench.job("a")
    bench.engine.scheduler = lambda: None  # as in a host, the flow goes on later
    if first == "complete":
        bench.complete(job)
    else:
        bench.publish("other", "x")
    bench.publish("m", "x", ttl=60, n=1)
    bench.engine.flow.run()
    assert bench.path(key) == ("start", "a", *(["b"] if first == "publish" else []), "m", "end")
    assert bench.result(key) == {"k": "x", "n": 1}


def test_a_buffered_message_that_lost_a_race_is_there_for_the_next_receiver(bench) -> None:
    """components/concepts/messages, buffering: both wait when the gateway is reached, and one wins."""
    flow = "start > gate; gate > a > later > end; gate > b > end2"
    nodes = [Node("eventBasedGateway", "gate"), *(catch(name, on_message(name)) for name in "ab")]
    roots = message("a", "=k") + message("b", "=k")
    bench.deploy(process("p", flow, *nodes, catch("later", on_message("b")), roots=roots))
    for name in "ba":
        bench.publish(name, "x", ttl=60)
    assert bench.path(bench.create(k="x")) == ("start", "gate", "a", "later", "end")


def test_a_message_must_reach_somebody_to_be_correlated(bench) -> None:
    """apis-tools/orchestration-cluster-api-rest, correlate message."""
    bench.deploy(catcher())
    key = bench.create(k="a")
    assert bench.engine.correlate_message("m", "a", variables={"x": 1}).keys()[1] == key
    bench.rejects(NOT_FOUND, bench.engine.correlate_message("m", "a").keys)


@pytest.mark.parametrize("another", [False, True])
def test_a_message_is_correlated_to_who_reacts_and_not_to_who_has_just_ended(bench, another) -> None:
    """apis-tools/orchestration-cluster-api-rest, correlate message: an instance that ends first receives nothing."""
    late = boundary("late", "a", on_message("m"))
    bench.deploy(process("p", "start > a > end; late > end2", task("a"), late, roots=message("m", "=k")))
    keys = [bench.create(k="x") for _ in range(2 if another else 1)]
    first = bench.job("a")
    bench.engine.scheduler = lambda: None  # as in a host, the flow goes on later
    bench.complete(first)
    correlation = bench.engine.correlate_message("m", "x", variables={"n": 1})
    assert not correlation.decided
    bench.engine.flow.run()
    assert correlation.decided
    if another:
        assert correlation.keys()[1] == keys[1]
        assert bench.path(keys[1]) == ("start", "a", "late", "end2")
    else:
        bench.rejects(NOT_FOUND, correlation.keys)
    assert bench.ended(keys[0])


def test_message_throw_and_end_events_are_jobs(bench) -> None:
    """components/modeler/bpmn/message-events, message throw events."""
    thrown = Node(
        "intermediateThrowEvent",
        "th",
        ext=['<zeebe:taskDefinition type="a"/>', headers({"to": "x"})],
        inner=on_message("m"),
    )
    last = Node("endEvent", "end", ext=['<zeebe:taskDefinition type="b"/>'], inner=on_message("m"))
    bench.deploy(process("p", "start > th > end", thrown, last, roots=message("m")))
    key = bench.create()
    job = bench.job("a")
    assert json.loads(job.headers) == {"to": "x"}
    bench.complete(job, r=1)
    bench.do("b", s=2)
    assert bench.result(key) == {"r": 1, "s": 2}


# --- jobs


def test_a_stream_gets_what_becomes_activatable_and_not_what_waits(bench) -> None:
    """components/concepts/job-workers, push jobs bypass the backlog."""
    bench.deploy(process("p", "start > t > end", task("t")))
    bench.create(n=0)
    got = []
    stream = Stream("t", "w", 60_000, ("n",), lambda: len(got) < 3, got.append)
    bench.engine.jobs.open_stream(stream)
    assert got == []
    bench.create(n=1, other=2)
    assert [variables(job) for job in got] == [{"n": 1}]
    bench.engine.fail_job(got[0].key, 2)
    assert [job.retries for job in got] == [3, 2]
    bench.advance(60)  # not completed in time
    assert len(got) == 3
    bench.create(n=2)  # no room any more: it waits for those who poll
    bench.engine.jobs.close_stream(stream)
    bench.create(n=3)
    assert [variables(job)["n"] for job in bench.jobs("t")] == [0, 2, 3]


@pytest.mark.parametrize(
    "wrong", [{"kind": ""}, {"kind": " "}, {"worker": ""}, {"timeout_ms": 0}, {"max_jobs": 0}, {"max_jobs": -1}]
)
def test_what_a_worker_may_not_ask(bench, wrong) -> None:
    """apis-tools/zeebe-api/gateway-service, ActivateJobs."""
    bench.rejects(INVALID, bench.engine.activate_jobs, **{"kind": "t", **wrong})


def test_jobs_that_come_back_are_the_oldest_again(bench) -> None:
    """Workers get jobs in the order of their creation: one that failed or whose time was up is before the younger."""
    bench.deploy(process("p", "start > t > end", task("t")))
    for number in range(4):
        bench.create(n=number)
    failed, late = bench.engine.activate_jobs("t", max_jobs=2, timeout_ms=1000)
    bench.engine.fail_job(failed.key, 2)
    bench.advance(2)
    assert [json.loads(job.variables)["n"] for job in bench.jobs("t", 3)] == [0, 1, 2]
    bench.engine.update_job_timeout(late.key, 1000)
    bench.create(n=4)
    bench.advance(2)
    assert [json.loads(job.variables)["n"] for job in bench.jobs("t")] == [1, 3, 4]


def test_a_late_worker_may_still_complete(bench) -> None:
    """components/concepts/job-workers, timeouts: until another does."""
    bench.deploy(process("p", "start > t > end", task("t")))
    bench.create()
    (job,) = bench.jobs("t", timeout_ms=1000)
    bench.advance(1)
    bench.complete(job)
    bench.rejects(NOT_FOUND, bench.complete, job)
    bench.create()
    (late,) = bench.jobs("t", timeout_ms=1000)
    bench.advance(1)
    (other,) = bench.jobs("t")
    assert (other.key, other.retries) == (late.key, 3)
    bench.complete(other)
    bench.rejects(NOT_FOUND, bench.complete, late)


def test_a_late_worker_may_still_fail(bench) -> None:
    """As above: the back-off counts although the job was offered again."""
    bench.deploy(process("p", "start > t > end", task("t")))
    bench.create()
    (job,) = bench.jobs("t", timeout_ms=1000)
    bench.advance(1)
    bench.engine.fail_job(job.key, 2, backoff_ms=5000)
    assert bench.none("t")
    bench.advance(5)
    assert bench.job("t").retries == 2


def test_a_failed_job(bench) -> None:
    """apis-tools/zeebe-api/gateway-service, FailJob: with a back-off, at once, or never again."""
    bench.deploy(process("p", "start > t > end", task("t")))
    bench.create()
    job = bench.job("t")
    bench.engine.fail_job(job.key, 2, backoff_ms=5000)
    assert bench.none("t")
    bench.rejects(STATE, bench.complete, job)
    bench.rejects(STATE, bench.engine.fail_job, job.key, 1)
    bench.advance(4.999)
    assert bench.none("t")
    bench.advance(0.001)
    bench.engine.fail_job(bench.job("t").key, 1)
    bench.engine.fail_job(bench.job("t").key, -1, "why")
    for command in (bench.engine.complete_job, bench.engine.throw_error):
        bench.rejects(STATE, command, job.key, *(["E"] if command == bench.engine.throw_error else []))
    assert (bench.incident().type, bench.incident().message) == ("JOB_NO_RETRIES", "why")
    assert "retries" in bench.rejects(STATE, bench.resolve)
    bench.engine.update_job_retries(job.key, 1)
    assert bench.none("t")
    bench.resolve()
    assert bench.job("t").retries == 1


def test_times_without_end(bench) -> None:
    """No page: what a client says for never."""
    bench.deploy(process("p", "start > t > end", task("t")))
    bench.create()
    (job,) = bench.jobs("t", timeout_ms=2**63 - 1)
    bench.engine.update_job_timeout(job.key, 2**63 - 1)
    assert bench.engine.jobs.by_key[job.key].deadline_ms < 2**63
    bench.publish("m", "a", ttl=2**53, message_id="1")
    bench.engine.fail_job(job.key, 1, backoff_ms=2**63 - 1)
    bench.advance(10**6)
    assert bench.none("t")


def test_no_job_of_that_key(bench) -> None:
    """apis-tools/zeebe-api/gateway-service."""
    engine = bench.engine
    for command, more in (
        (engine.complete_job, ()),
        (engine.fail_job, (1,)),
        (engine.throw_error, ("E",)),
        (engine.update_job_retries, (1,)),
        (engine.update_job_timeout, (1,)),
    ):
        assert "'123'" in bench.rejects(NOT_FOUND, command, 123, *more)


def test_a_job_that_has_no_retries_from_the_start(bench) -> None:
    """No page: it is offered once, and an error that nothing catches is resolved as ever."""
    bench.deploy(process("p", "start > t > end", task("t", retries="0")))
    key = bench.create()
    bench.engine.throw_error(bench.job("t").key, "E")
    bench.resolve()
    assert bench.job("t").retries == 0
    bench.engine.cancel_instance(key)


def test_updates_of_a_job(bench) -> None:
    """apis-tools/zeebe-api/gateway-service, UpdateJobRetries and UpdateJobTimeout: from now on."""
    bench.deploy(process("p", "start > t > end", task("t")))
    bench.create()
    (job,) = bench.jobs("t", timeout_ms=60_000)
    for retries in (0, -1):
        bench.rejects(INVALID, bench.engine.update_job_retries, job.key, retries)
    bench.engine.update_job_timeout(job.key, 10_000)
    bench.advance(10)
    bench.rejects(STATE, bench.engine.update_job_timeout, job.key, 1)
    assert bench.job("t").deadline_ms > bench.engine.clock.now_ms()


def test_the_variables_that_a_worker_fetches(bench) -> None:
    """apis-tools/zeebe-api/gateway-service, ActivateJobs: all that are visible at that moment, or those named."""
    bench.deploy(process("p", "start > t > end", task("t", inputs=[("=1", "l")])))
    key = bench.create(x=1)
    bench.set(key, y=2)
    assert variables(bench.jobs("t", fetch=["y", "l", "none"])[0]) == {"y": 2, "l": 1}


def test_type_and_retries_may_be_expressions(bench) -> None:
    """components/modeler/bpmn/service-tasks, task definition."""
    bench.deploy(process("p", "start > t > end", task("t", '="work-" + kind', retries="=n")))
    bench.create(kind="a", n=7)
    assert bench.job("work-a").retries == 7
    for wrong in ({"kind": 1, "n": 1}, {"kind": "a", "n": "x"}):
        key = bench.create(**wrong)
        assert bench.incident().type == "EXTRACT_VALUE_ERROR"
        bench.engine.cancel_instance(key)


def test_a_user_task_is_a_job(bench) -> None:
    """components/modeler/bpmn/user-tasks: of a type of its own, with what it says as headers."""
    ext = [
        '<zeebe:assignmentDefinition assignee="=boss" candidateGroups="a, b"/>',
        '<zeebe:formDefinition formKey="camunda-forms:bpmn:f"/>',
        '<zeebe:taskSchedule dueDate="2030-01-01T00:00:00Z"/>',
        headers({"own": "1"}),
    ]
    bench.deploy(process("p", "start > t > end", Node("userTask", "t", ext=ext)))
    bench.create(boss="eva")
    assert json.loads(bench.job("io.camunda.zeebe:userTask").headers) == {
        "own": "1",
        "io.camunda.zeebe:assignee": "eva",
        "io.camunda.zeebe:candidateGroups": '["a", "b"]',
        "io.camunda.zeebe:formKey": "camunda-forms:bpmn:f",
        "io.camunda.zeebe:dueDate": "2030-01-01T00:00:00Z",
    }
    text = bench.refused(process("p", "start > t > end", Node("userTask", "t", ext=["<zeebe:userTask/>"])))
    assert "a cluster may run this" in text


def test_a_user_task_names_the_key_of_its_form(bench) -> None:
    """components/modeler/bpmn/user-tasks: that of the version which the binding says; incident FORM_NOT_FOUND."""

    def user_task(**link):
        definition = f"<zeebe:formDefinition{attributes({'formId': 'f', **link})}/>"
        return process("p", "start > t > end", Node("userTask", "t", ext=[definition]))

    def key_of(deployment) -> str:
        return str(next(stored.key for stored in deployment.stored))

    def shown() -> str:
        bench.create()
        return json.loads(bench.job("io.camunda.zeebe:userTask").headers)["io.camunda.zeebe:formKey"]

    bench.deploy(user_task())
    bench.create()
    assert bench.incident().type == "FORM_NOT_FOUND"
    tagged = key_of(bench.deploy(b'{"id": "f", "versionTag": "v1"}', name="f.form"))
    bench.resolve()
    assert json.loads(bench.job("io.camunda.zeebe:userTask").headers) == {"io.camunda.zeebe:formKey": tagged}
    newest = key_of(bench.deploy(b'{"id": "f"}', name="f.form"))
    assert shown() == newest
    bench.deploy(user_task(bindingType="versionTag", versionTag="v1"))
    assert shown() == tagged
    together = [("p.bpmn", user_task(bindingType="deployment")), ("f.form", b'{"id": "f", "components": []}')]
    own = key_of(bench.engine.deploy(together))
    bench.deploy(b'{"id": "f", "components": [1]}', name="f.form")
    assert shown() == own


@pytest.mark.parametrize(
    ("attribute", "value", "header"),
    [("assignee", 5, None), ("assignee", "eva", "eva"), ("candidateGroups", "a", None),
     ("candidateUsers", ["a", 1], None), ("candidateUsers", ["a"], '["a"]')],
)  # fmt: skip
def test_an_assignment_of_the_wrong_type_is_an_incident(bench, attribute, value, header) -> None:
    """components/modeler/bpmn/user-tasks, assignments."""
    ext = [f"<zeebe:assignmentDefinition{attributes({attribute: '=x'})}/>"]
    bench.deploy(process("p", "start > t > end", Node("userTask", "t", ext=ext)))
    bench.create(x=value)
    if header is None:
        assert bench.incident().type == "EXTRACT_VALUE_ERROR"
    else:
        headers_found = json.loads(bench.job("io.camunda.zeebe:userTask").headers)
        assert headers_found == {f"io.camunda.zeebe:{attribute}": header}


def test_answers_are_no_larger_than_a_client_takes(bench) -> None:
    """No page; a client of gRPC takes 4 MiB unless it is told otherwise."""
    bench.deploy(process("p", "start > t > end", task("t")))
    for _ in range(3):
        bench.create(x="x" * (MAX_ANSWER_BYTES // 2 - 50_000))
    assert [len(bench.jobs("t")) for _ in range(3)] == [2, 1, 0]
    key = bench.create(x="x" * MAX_ANSWER_BYTES)
    bench.create(x="small")
    assert len(bench.jobs("t")) == 1
    assert bench.incident().type == "MESSAGE_SIZE_EXCEEDED"
    bench.set(key, x="small")
    bench.resolve()
    assert len(bench.jobs("t")) == 1


# --- incidents


def test_an_incident_goes_with_its_element(bench) -> None:
    """components/concepts/incidents."""
    failing = task("a", inputs=[("=assert(x, x != null)", "y")])
    inner = sub("box", "start2 > par; par > a > end2; par > b > end2", failing, task("b"))
    bench.deploy(process("p", "start > box > end; e > end3", inner, boundary("e", "box", timer("PT1H"))))
    key = bench.create()
    bench.engine.fail_job(bench.job("b").key, 0)
    assert len(bench.engine.queries.incidents()) == 2
    keys = [found.key for found in bench.engine.queries.incidents()]
    bench.advance(HOUR)
    assert bench.ended(key)
    for gone in keys:
        bench.rejects(NOT_FOUND, bench.engine.resolve_incident, gone)
    other = bench.create()
    bench.engine.cancel_instance(other)
    assert bench.engine.queries.incidents() == []


def test_who_called_a_process_has_its_incident_too(bench) -> None:
    """apis-tools/orchestration-cluster-api-rest, search process instances."""
    bench.deploy(process("child", "start > a > end", task("a")), process("p", "start > c > end", call("c", "child")))
    key = bench.create()
    other = bench.create()
    bench.engine.fail_job(bench.job("a").key, 0)
    view = bench.engine.queries.instance
    assert (view(key).has_incident, view(other).has_incident) == (True, False)
    incident = bench.incident()
    bench.engine.update_job_retries(incident.job_key, 1)
    bench.resolve()
    assert not view(key).has_incident


def test_a_repeated_step_repeats_its_input_mappings_on_what_there_was_before(bench) -> None:
    """components/concepts/incidents: the step is repeated, and counts no further for that."""
    counting = [("=n + 1", "n"), ("=kind", "type")]
    bench.deploy(process("p", "start > t > end", task("t", "=type", inputs=counting)))
    key = bench.create(n=1)
    bench.resolve()
    bench.set(key, kind="work")
    bench.resolve()
    assert bench.do("work") == {"n": 2, "kind": "work", "type": "work"}


def test_a_resolved_incident_may_come_again(bench) -> None:
    """components/concepts/incidents, resolving: with a new key."""
    bench.deploy(process("p", "start > a > end", task("a", outputs=[("=assert(r, r > 0)", "s")])))
    key = bench.create()
    bench.do("a", r=0)
    first = bench.incident()
    assert first.type == "IO_MAPPING_ERROR"
    bench.resolve()
    assert bench.incident().key > first.key
    bench.set(first.element_instance_key, local=True, r=5)
    bench.resolve()
    assert bench.result(key) == {"s": 5}


# --- deployments and instances


def test_a_deployment_is_all_or_nothing(bench) -> None:
    """apis-tools/zeebe-api/gateway-service, DeployResource."""
    deploy = bench.engine.deploy
    good = process("p")
    for resources in (
        [],
        [("a.bpmn", good), ("b.bpmn", b"<broken")],
        [("a.bpmn", good), ("b.txt", b"text")],
        [("a.bpmn", good), ("b.bpmn", process("q", executable=False))],
        [("a.bpmn", good), ("b.bpmn", good)],
        [("a.bpmn", good), ("b.form", b"{}")],
        [("a.bpmn", good), ("b.dmn", b"<a/>")],
        [("a.bpmn", b"")],
        [("a.bpmn", b'<!DOCTYPE x [<!ENTITY e "e">]><x>&e;</x>')],
        [("a.bpmn", b"\xff\xfe\x00\xd8")],
        [("a.bpmn", b'<?xml version="1.0" encoding="no-such"?><a/>')],
    ):
        bench.rejects(INVALID, deploy, resources)
    assert bench.engine.queries.definitions() == []


def test_what_did_not_change_keeps_its_version(bench) -> None:
    """components/best-practices/modeling, versioning: unless something else in the deployment is new."""
    deploy = bench.engine.deploy
    p, q = process("p"), process("q")
    first = deploy([("p.bpmn", p)])
    again = deploy([("p.bpmn", p)])
    assert (again.processes[0].key, again.processes[0].version) == (first.processes[0].key, 1)
    assert again.key > first.key
    assert deploy([("renamed.bpmn", p)]).processes[0].version == 2
    both = deploy([("renamed.bpmn", p), ("q.bpmn", q)])
    assert [found.version for found in both.processes] == [3, 1]
    assert deploy([("q.bpmn", q), ("renamed.bpmn", p)]).processes[1].version == 3


def test_how_an_instance_may_be_created(bench) -> None:
    """apis-tools/zeebe-api/gateway-service, CreateProcessInstance."""
    create = bench.engine.create_instance
    bench.deploy(process("p", "start > t > end", task("t", "t1")), name="p.bpmn")
    bench.deploy(process("p", "start > t > end", task("t", "t2")), name="p.bpmn")
    create("p", version=1)
    bench.do("t1")
    create(definition_key=bench.engine.queries.definitions()[1].key)
    bench.do("t2")
    for wrong in ({"version": 0}, {"version": 3}, {"version": -2}):
        bench.rejects(NOT_FOUND, create, "p", **wrong)
    bench.rejects(NOT_FOUND, create, "none")
    bench.rejects(NOT_FOUND, create, definition_key=1)
    bench.rejects(INVALID, create)
    bench.deploy(starter("q"))
    bench.rejects(STATE, create, "q")


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        "1",
        '"a"',
        "{",
        "{'a': 1}",
        '{"a": NaN}',
        '{"a": [-1e999]}',
        "[" * 100_000,
        '{"a":' * 302 + "1" + "}" * 302,
        "\u00a0{}",
        "{} {}",
    ],
)
def test_variables_are_an_object(text) -> None:
    """apis-tools/zeebe-api/gateway-service."""
    with pytest.raises(Exception, match="variables") as caught:
        parse_variables(text)
    assert caught.value.code is INVALID


def test_blank_variables_are_none() -> None:
    """apis-tools/zeebe-api/gateway-service."""
    assert parse_variables("") == parse_variables("  ") == parse_variables("{}") == {}


def test_beginning_somewhere_else(bench) -> None:
    """components/concepts/process-instance-creation: mappings apply, sub-processes around are made."""
    bench.deploy(
        process(
            "p",
            "start > a > box > end; box > b",
            task("a"),
            sub(
                "box",
                "start2 > c > d > end2",
                task("c", inputs=[("=x", "l")]),
                task("d"),
                event_sub("es", "start3 > e > end3", start("start3", timer("PT1H"), interrupting=False), task("e")),
                inputs=[("=1", "not-made".replace("-", "_"))],
            ),
            task("b"),
            sub("many", "start4 > f > end4", task("f"), loop=multi("=[1]")),
        )
    )
    process_ = bench.engine.create_instance("p", variables={"x": 5}, start_at=["c", "d", "d"])
    assert variables(bench.job("c")) == {"x": 5, "l": 5}
    assert len(bench.jobs("d")) == 2
    assert [visit.element_id for visit in bench.engine.queries.element_instances(process_.key)].count("box") == 1
    bench.advance(HOUR)
    bench.do("e")
    for wrong in ("none", "p", "start", "f"):
        assert f"'{wrong}'" in bench.rejects(INVALID, bench.engine.create_instance, "p", start_at=[wrong])
    bench.deploy(starter("q"))
    bench.engine.create_instance("q", start_at=["t"])
    bench.do("t")


@pytest.mark.parametrize("where", ["process", "outer", "inner"])
def test_an_incident_around_a_named_element_doubles_nothing(bench, where) -> None:
    """components/concepts/process-instance-creation: each element begins once, however often the step is repeated."""
    waits = {
        name: [
            event_sub(
                f"es_{name}", f"b_{name} > x_{name}", start(f"b_{name}", on_message("m")), Node("endEvent", f"x_{name}")
            )
        ]
        if name == where
        else []
        for name in ("process", "outer", "inner")
    }
    local = {"inputs": [("=1", "local")]}
    inner = sub("inner", "start3 > c > d > end3", task("c"), task("d"), *waits["inner"], **local)
    outer = sub("outer", "start2 > inner > end2", inner, *waits["outer"], **local)
    bench.deploy(
        process("p", "start > outer > other > end", outer, task("other"), *waits["process"], roots=message("m", "=k"))
    )
    key = bench.engine.create_instance("p", start_at=["other", "c", "d", "c"]).key
    bench.resolve()
    bench.set(key, k="found")
    bench.resolve()
    assert [len(bench.jobs(kind)) for kind in ("d", "other")] == [1, 1]
    assert [variables(job) for job in bench.jobs("c")] == [{"k": "found"}] * 2  # without the mappings of what is around


def test_what_may_be_cancelled(bench) -> None:
    """apis-tools/zeebe-api/gateway-service, CancelProcessInstance: the called process only with its caller."""
    bench.deploy(process("child", "start > t > end", task("t")))
    bench.deploy(process("p", "start > call > end", call("call", "child")))
    key = bench.create()
    child = bench.job("t").process_instance_key
    assert str(key) in bench.rejects(STATE, bench.engine.cancel_instance, child)
    bench.engine.cancel_instance(key)
    assert not bench.engine.instances
    bench.rejects(NOT_FOUND, bench.engine.cancel_instance, key)


# --- timers


def due_after(bench, element, **more):
    """Seconds until a catch event's timer fires."""
    bench.deploy(process("p", "start > c > t > end", catch("c", element), task("t")))
    bench.create(**more)
    timers = list(bench.engine.timers.values())
    return (timers[0].due_ms - bench.engine.clock.now_ms()) / 1000 if timers else 0


DAY = 86_400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT1.5S", 1.5),
        ("P1DT2H3M4S", DAY + 7384),
        ("P2W", 14 * DAY),
        ("P1M", 30 * DAY),  # from 28 May to 28 June would be 31 days; NOON lies in May
        ("PT0S", 0),
        ("-PT5S", 0),
        ("PT-5S", 0),
        ("P-1D", 0),
        ('=duration("PT90M")', 5400),
        ("=d", 7),
        ('=duration("P1Y")', 365 * DAY),
    ],
)
def test_durations(bench, text, seconds) -> None:
    """components/modeler/bpmn/timer-events: months are those of the calendar; zero and less fires at once."""
    if text == "P1M":
        seconds = 31 * DAY
    assert due_after(bench, timer(text), d="PT7S") == pytest.approx(seconds)
    if not seconds:
        bench.advance(0)
        bench.do("t")


@pytest.mark.parametrize("text", ["PT0S", "-PT5S", '=duration("PT0S")'])
def test_a_timer_of_no_duration_fires_at_once(bench, text) -> None:
    """components/modeler/bpmn/timer-events, time duration: although the clock stands still."""
    past = catch("past", date("2020-01-01T00:00:00Z"))
    flow = "start > now > past > t > end; b > end2"
    bench.deploy(
        process(
            "p", flow, catch("now", timer(text)), past, task("t"), boundary("b", "t", timer(text), interrupting=False)
        )
    )
    key = bench.create()
    assert bench.path(key) == ("start", "now", "past", "t", "b", "end2")
    bench.do("t")
    assert bench.ended(key)


def test_a_timer_never_fires_early(bench) -> None:
    """components/modeler/bpmn/timer-events."""
    due_after(bench, timer("PT1H"))
    bench.advance(HOUR - 0.001)
    assert bench.none("t")
    bench.advance(0.001)
    bench.do("t")
    due_after(bench, timer("PT1.1000001S"))
    bench.advance(1.1)
    assert bench.none("t")
    bench.advance(0.001)
    bench.do("t")


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2030-01-01T12:00:00Z", 1_893_499_200_000),
        ("2030-01-01T12:00:00+02:00", 1_893_492_000_000),
        ("2030-01-01T12:00:00+01:00[Europe/Berlin]", 1_893_495_600_000),
        ("2030-07-01T12:00:00[Europe/Berlin]", 1_909_130_400_000),
        ("2030-01-01T12:00:00.250Z", 1_893_499_200_250),
        ('=date and time("2030-01-01T12:00:00@Europe/Berlin")', 1_893_495_600_000),
        ('=date and time("2030-01-01T12:00:00Z")', 1_893_499_200_000),
        ('="2030-01-01T12:00:00Z"', 1_893_499_200_000),
    ],
)
def test_dates(bench, text, milliseconds) -> None:
    """components/modeler/bpmn/timer-events, time date: with an offset, or the name of a zone."""
    due_after(bench, date(text))
    (found,) = bench.engine.timers.values()
    assert found.due_ms == milliseconds


@pytest.mark.parametrize("text", ["2030-01-01", "2030-01-01T12:00:00", "2030-13-01T12:00:00Z", "soon"])
def test_what_is_no_date_or_duration_is_an_incident(bench, text) -> None:
    """components/modeler/bpmn/timer-events; a static text, which nobody can mend later, is refused at deployment."""
    for kind in (date, timer):
        assert "Element: c\n    - ERROR: Invalid" in bench.refused(
            process("p", "start > c > end", catch("c", kind(text)))
        )
        for wrong in (f'="{text}"', "=null", "=5"):
            bench.deploy(process("p", "start > c > end", catch("c", kind(wrong))))
            key = bench.create()
            assert bench.incident().type == "EXTRACT_VALUE_ERROR"
            bench.engine.cancel_instance(key)


def test_every_unreadable_time_is_named_at_deployment(bench) -> None:
    """components/modeler/bpmn/timer-events."""
    text = bench.refused(
        process(
            "p",
            "start > t > end; early > end",
            start("start", cycle("R/soon")),
            task("t"),
            boundary("early", "t", cycle("R3"), interrupting=False),
            event_sub("es", "begin > over", start("begin", timer("1 hour")), Node("endEvent", "over")),
        )
    )
    assert [name for name in ("start", "early", "begin", "t") if f"Element: {name}\n" in text] == [
        "start",
        "early",
        "begin",
    ]


@pytest.mark.parametrize("wrong", ["R/P{}D", "R{}/PT1S", "0 0 {} * * *", "0 0 0 {} * *", "0 0 0 * * {}#1"])
def test_numbers_too_long_to_read_are_named_as_well(bench, wrong) -> None:
    """No page: the machine's own limit is 4,300 digits."""
    begin = start("start", cycle(wrong.format("9" * 5000)))
    assert "Invalid" in bench.refused(process("p", "start > end", begin))


@pytest.mark.parametrize(
    "begin", ["0001-01-01T00:00:00+14:00", "2020-01-31T00:00:00Z", "9999-12-31T23:59:59-14:00", ""]
)
@pytest.mark.parametrize("period", ["P1M", "-P1M", "P1M-29D", "-P9999Y", "P9999Y", "PT0S", "P99999999999D"])
def test_every_cycle_has_a_next_time(begin, period) -> None:
    """No page: wherever it begins, and however far it steps forward or back."""
    schedule = read_schedule(TimerKind.CYCLE, "/".join(part for part in ("R", begin, period) if part), NOON)
    following = schedule.following(schedule.first_due, NOON)
    assert following is not None
    assert following.first_due > schedule.first_due


def fired(bench, text, steps):
    """At which of these seconds a start timer has fired, and how often until then."""
    bench.deploy(process("p", "start > t > end", start("start", cycle(text)), task("t")))
    found = []
    for step in steps:
        bench.advance(step)
        found.append(len(bench.jobs("t")))
    return found


def test_cycles(bench) -> None:
    """components/modeler/bpmn/timer-events, time cycle."""
    assert fired(bench, "R2/PT1H", [HOUR - 1, 1, HOUR, HOUR]) == [0, 1, 1, 0]
    assert fired(bench, "R/PT1H", [HOUR * 5]) == [5]
    assert fired(bench, '=cycle(2, duration("PT1H"))', [HOUR * 5]) == [2]
    assert fired(bench, "R/P1M", [31 * DAY, 30 * DAY]) == [1, 1]
    assert fired(bench, "R0/PT1H", [HOUR * 5]) == [0]


def test_what_was_missed_while_the_engine_was_away(bench) -> None:
    """No page: a cycle without end goes on in its beat, and is not made up for; a counted one is."""
    for text, times in (("R/PT1H", 1), ("R3/PT1H", 3)):
        bench.deploy(process("p", "start > t > end", start("start", cycle(text)), task("t")))
        bench.engine.clock.move_to(bench.engine.clock.now_ms() + 10 * HOUR * 1000 + 1)  # not by its own steps
        bench.advance(0)
        assert len(bench.jobs("t")) == times
    assert fired(bench, "R/PT1H", [HOUR]) == [1]


def test_cycles_with_a_start(bench) -> None:
    """components/modeler/bpmn/timer-events, time cycle; zeebe-bpmn-model 8.9.0 and camunda#38987: a past one is now."""
    assert fired(bench, "R2/2026-06-01T00:00:00Z/PT1H", [3 * DAY, DAY, DAY]) == [0, 2, 0]
    assert bench.engine.clock.now_ms() > 1_780_272_000_000
    assert fired(bench, "R3/2022-04-27T17:20:00Z/PT10M", [0, HOUR / 6, HOUR / 6, HOUR]) == [1, 1, 1, 0]
    assert fired(bench, "R/2020-01-01T10:00:00+02:00[Europe/Berlin]/P1D", [0, DAY, DAY]) == [1, 1, 1]
    assert fired(bench, "R2/2022-01-31T00:00:00Z/P1M", [0, 40 * DAY, 40 * DAY]) == [1, 1, 0]


def test_cron(bench) -> None:
    """components/modeler/bpmn/timer-events, time cycle: every hour from nine to five on working days."""
    assert NOON == 1_780_000_000_000  # Thursday, 28 May 2026, 20:26:40 UTC
    assert fired(bench, "0 0 9-17 * * MON-FRI", [DAY, DAY, DAY, DAY]) == [9, 0, 0, 9]


def test_start_timers(bench) -> None:
    """components/modeler/bpmn/timer-events, timer start events: evaluated at deployment, cancelled by a new version."""
    begin = start("start", date('=string(now() + duration("PT1H"))'))
    bench.deploy(process("p", "start > t > end", begin, task("t")))
    bench.advance(HOUR)
    bench.do("t")
    assert not bench.engine.definitions.start_timers
    bench.deploy(process("p", "start > t > end", start("start", cycle("R/PT1H")), task("t")))
    bench.deploy(process("p", "start > t > end", start("start", cycle("R/PT2H")), task("t")))
    bench.advance(2 * HOUR)
    assert len(bench.jobs("t")) == 1
    for wrong in (timer("PT1H"), date("soon"), cycle("=variable"), cycle("R/soon"), cycle("* * *")):
        assert "start" in bench.refused(process("q", "start > end", start("start", wrong)))


# --- numbers and keys


def test_numbers_are_those_of_json(bench) -> None:
    """components/modeler/bpmn/feel: 64-bit integers and doubles leave as they came."""
    bench.deploy(
        process("p", "start > s > end", script("s", "={sum: 0.1 + 0.2, big: n, third: 1 / 3, wide: n * n}", "r"))
    )
    result = bench.run(n=9007199254740993)["r"]
    assert (result["sum"], result["big"], result["third"]) == (0.3, 9007199254740993, 1 / 3)
    assert isinstance(result["wide"], float)


@pytest.mark.parametrize("number", ["10 ** 400", "[1, -(10 ** 309)]", "{a: [{b: 10 ** 400}]}"])
def test_a_number_that_no_variable_can_hold_is_an_incident(bench, number) -> None:
    """As above: JSON has no infinity, so a worker could not read it."""
    bench.deploy(process("p", "start > s > end", script("s", f"=if x = null then {number} else x", "r")))
    key = bench.create()
    assert "too large for a variable" in bench.incident().message
    bench.set(key, x=1.5)
    bench.resolve()
    assert bench.result(key)["r"] == 1.5


@pytest.mark.parametrize("deeper", ["[x]", "{a: x}"])
def test_a_value_that_grows_ever_deeper_is_an_incident(tmp_path, deeper) -> None:
    """No page: what is written must be readable after a restart, and workers read no deeper JSON, either."""
    bench = Bench(SqliteStore(tmp_path / "state.sqlite"))
    flow = "start > n > s > xor; xor > n {=n < 1000}; xor > end {default}"
    bench.deploy(process("p", flow, script("n", "=n + 1", "n"), script("s", f"={deeper}", "x")))
    bench.create(n=0, x=1)
    assert "at most 300 levels" in bench.incident().message
    bench.engine.close()
    again = Bench(SqliteStore(tmp_path / "state.sqlite"))
    again.set(again.incident().element_instance_key, x=1)
    again.resolve()
    assert "at most 300 levels" in again.incident().message
    again.engine.close()


def test_a_path_of_a_mapping_may_nest_only_so_deep(bench) -> None:
    deep = ".".join("a" * 101)
    assert "at most 100 names" in bench.refused(process("p", "start > t > end", task("t", inputs=[("=1", deep)])))


def test_half_a_pair_of_surrogates_is_no_character() -> None:
    """No page: as in a cluster; nothing could store it, or send it to a worker."""
    assert parse_variables('{"\\ud800":"a\\udfff"}') == {"?": "a?"}
    assert parse_variables('{"a":"\\ud83d\\ude00\\\\ud800"}') == {"a": "\N{GRINNING FACE}\\ud800"}


def test_keys_ascend_from_those_of_the_first_partition(bench) -> None:
    """components/zeebe/technical-concepts/partitions."""
    first = bench.publish("a")
    assert first == 2251799813685249
    assert bench.publish("a") == first + 1
