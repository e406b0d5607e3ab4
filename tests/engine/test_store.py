"""What an engine answered is there after it was killed: nothing is lost, and nothing happens twice."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import pytest
from tests.engine.conftest import NOON, Bench
from tests.engine.diagrams import (
    Node,
    boundary,
    call,
    catch,
    cycle,
    event_sub,
    message,
    multi,
    on_message,
    on_signal,
    process,
    script,
    signal,
    start,
    sub,
    task,
    timer,
    variables,
)

from zeebe_connectors.engine import Clock, Engine, RejectionCode, SqliteStore, StoreError


class Killed(Bench):
    """An engine with a file; `kill` ends it without a word and starts another on the same file."""

    def __init__(self, path) -> None:
        self.path = path
        super().__init__(SqliteStore(path))

    def kill(self, scheduler=None) -> None:
        time = self.engine.clock.now_ms()
        self.engine.store._db.close()  # what was not written by now is gone, as with SIGKILL
        self.engine = Engine(SqliteStore(self.path), Clock(time - self.engine.clock.offset_ms), scheduler)


@pytest.fixture
def bench(tmp_path):
    made = Killed(tmp_path / "state" / "engine.db")
    yield made
    made.engine.close()


def test_several_definitions_and_versions(bench) -> None:
    one = process("p", "start > t > end", task("t"))
    other = process("p", "start > u > end", task("u"))
    second = process("b", "start9 > end9").split(b'targetNamespace="t">')[1]
    both = process("a").replace(b"</bpmn:definitions>", second)
    first = bench.deploy(one, name="p.bpmn").processes[0]
    bench.deploy(other, name="p.bpmn")
    bench.deploy(both, name="both.bpmn")
    bench.kill()
    versions = [(found.bpmn_process_id, found.version) for found in bench.engine.queries.definitions()]
    assert versions == [("p", 1), ("p", 2), ("a", 1), ("b", 1)]
    bench.engine.create_instance(definition_key=first.key)
    bench.do("t")
    bench.create()
    bench.do("u")
    assert bench.deploy(other, name="p.bpmn").processes[0].version == 2
    assert bench.deploy(one, name="p.bpmn").processes[0].version == 3


def test_what_an_older_version_accepted_still_runs(bench) -> None:
    bench.deploy(process("p", "start > xor; xor > end {=yes}; xor > over {default}", Node("endEvent", "over")))
    bench.engine.store._db.execute("UPDATE resource SET content = replace(content, '=yes', 'yes')")
    bench.kill()
    key = bench.create(yes=True)
    assert bench.incident().type == "EXTRACT_VALUE_ERROR"
    assert bench.active(key)


def test_forms_and_decisions(bench) -> None:
    form = json.dumps({"id": "f", "components": []}).encode()
    dmn = (
        b'<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="g" name="G"><decision id="d" name="D"/>'
        b"</definitions>"
    )
    bench.engine.deploy([("f.form", form), ("d.dmn", dmn)])
    bench.kill()
    again = bench.engine.deploy([("f.form", form), ("d.dmn", dmn)])
    assert [(found.kind, found.id, found.version) for found in again.stored] == [
        ("form", "f", 1),
        ("decision-requirements", "g", 1),
        ("decision", "d", 1),
    ]
    changed = bench.engine.deploy([("f.form", form + b" ")])
    assert changed.stored[0].version == 2


def test_waiting_jobs_and_variables(bench) -> None:
    inner = sub("box", "start2 > t > end2", task("t"), inputs=[("=x", "l")], outputs=[("=l", "out")])
    bench.deploy(process("p", "start > box > end", inner))
    key = bench.create(x={"deep": [1, None, "ä"]})
    bench.kill()
    job = bench.job("t")
    assert variables(job) == {"x": {"deep": [1, None, "ä"]}, "l": {"deep": [1, None, "ä"]}}
    bench.kill()
    assert bench.none("t")  # a worker has it
    bench.complete(job, l=5)
    bench.kill()
    assert not bench.active(key)
    bench.rejects(RejectionCode.NOT_FOUND, bench.complete, job)


def test_a_worker_s_deadline(bench) -> None:
    bench.deploy(process("p", "start > t > end", task("t")))
    bench.create()
    bench.jobs("t", timeout_ms=60_000)
    bench.kill()
    bench.advance(59.9)
    assert bench.none("t")
    bench.advance(0.1)
    assert bench.job("t").retries == 3


def test_back_offs_and_failed_jobs(bench) -> None:
    bench.deploy(process("p", "start > t > end", task("t")))
    bench.create()
    bench.engine.fail_job(bench.job("t").key, 2, "busy", backoff_ms=10_000, variables={"tried": 1})
    bench.kill()
    assert bench.none("t")
    bench.advance(10)
    job = bench.job("t")
    assert (job.retries, variables(job)) == (2, {"tried": 1})
    bench.engine.fail_job(job.key, 0, "broken")
    bench.kill()
    incident = bench.incident()
    assert (incident.type, incident.message, incident.job_key) == ("JOB_NO_RETRIES", "broken", job.key)
    bench.engine.update_job_retries(job.key, 1)
    bench.kill()
    bench.resolve()
    bench.kill()
    assert bench.job("t").key == job.key


def test_incidents_of_a_step(bench) -> None:
    bench.deploy(process("p", "start > xor; xor > a {=x > 1}; xor > b {=x > 2}", task("a"), task("b")))
    key = bench.create()
    bench.kill()
    assert bench.incident().type == "EXTRACT_VALUE_ERROR"
    bench.set(key, x=2)
    bench.kill()
    bench.resolve()
    assert bench.job("a")
    bench.kill()
    assert bench.engine.queries.incidents() == []


def test_named_elements_that_an_incident_around_them_holds_back(bench) -> None:
    box = sub("box", "begin > a > b > over", start("begin"), task("a"), task("b"), Node("endEvent", "over"))
    wait = boundary("early", "box", on_message("m"))
    bench.deploy(process("p", "start > box > end; early > end", box, wait, roots=message("m", "=k")))
    key = bench.engine.create_instance("p", start_at=["a", "b"]).key
    bench.kill()
    bench.set(key, k="found")
    bench.resolve()
    bench.kill()
    assert [len(bench.jobs(kind)) for kind in "ab"] == [1, 1]


def test_an_error_that_nothing_caught(bench) -> None:
    bench.deploy(process("p", "start > t > end", task("t")))
    bench.create()
    bench.engine.throw_error(bench.job("t").key, "E")
    bench.kill()
    bench.resolve()
    assert bench.job("t")


def test_buffered_messages_and_their_ids(bench) -> None:
    bench.deploy(process("p", "start > m > t > end", catch("m", on_message("m")), task("t"), roots=message("m", "=k")))
    bench.publish("m", "a", ttl=60, message_id="1", n=1)
    bench.publish("m", "b", ttl=60, n=2)
    bench.create(k="b")
    bench.do("t")
    bench.kill()
    bench.rejects(RejectionCode.ALREADY_EXISTS, bench.publish, "m", "a", ttl=60, message_id="1")
    bench.create(k="b")
    assert bench.none("t")  # it came to this process before
    bench.create(k="a")
    bench.kill()
    assert variables(bench.job("t"))["n"] == 1
    bench.advance(60)
    bench.publish("m", "a", ttl=1, message_id="1")


@pytest.mark.parametrize("killed", [False, True])
def test_of_those_who_wait_the_oldest_gets_the_message(bench, killed) -> None:
    """Also one that an incident held up; and after a restart it is the same one."""
    bench.deploy(process("p", "start > m > t > end", catch("m", on_message("m")), task("t"), roots=message("m", "=k")))
    held = bench.create()
    bench.create(k="a")
    bench.set(held, k="a")
    bench.resolve()
    if killed:
        bench.kill()
    bench.publish("m", "a")
    assert bench.job("t").process_instance_key == held


def test_open_message_subscriptions(bench) -> None:
    bench.deploy(
        process(
            "p",
            "start > t > end; b > u > end2",
            task("t"),
            boundary("b", "t", on_message("m"), interrupting=False),
            task("u"),
            roots=message("m", "=k"),
        )
    )
    bench.create(k="a")
    bench.kill()
    bench.publish("m", "a", n=1)
    bench.kill()
    bench.publish("m", "a", n=2)
    assert sorted(variables(job)["n"] for job in bench.jobs("u")) == [2, 2]


def test_the_key_that_locks_a_start(bench) -> None:
    bench.deploy(process("p", "start > t > end", start("start", on_message("m")), task("t"), roots=message("m")))
    bench.publish("m", "a", ttl=60, n=1)
    bench.publish("m", "a", ttl=60, n=2)
    bench.kill()
    job = bench.job("t")
    assert bench.none("t")
    bench.complete(job)
    bench.kill()
    assert variables(bench.job("t"))["n"] == 2


def test_timers_of_elements(bench) -> None:
    bench.deploy(
        process(
            "p",
            "start > t > end; b > u > end2",
            task("t"),
            boundary("b", "t", cycle("R3/PT1H"), interrupting=False),
            task("u"),
            event_sub("es", "start2 > v > end3", start("start2", timer("P1D")), task("v")),
        )
    )
    bench.create()
    bench.advance(3600)
    bench.kill()
    assert len(bench.jobs("u")) == 1
    bench.advance(3600)
    bench.kill()
    bench.advance(10 * 3600)
    assert len(bench.jobs("u")) == 2  # with the first, three
    bench.kill()
    bench.advance(12 * 3600)
    assert bench.job("v")
    assert bench.engine.clock.now_ms() == NOON + 24 * 3_600_000


def test_timers_that_start_processes(bench) -> None:
    bench.deploy(process("p", "start > t > end", start("start", cycle("R3/PT1H")), task("t")))
    bench.advance(3600)
    bench.kill()
    bench.advance(3600)
    bench.kill()
    bench.advance(10 * 3600)
    assert len(bench.jobs("t")) == 3
    bench.deploy(process("p", "start > t > end", task("t")))
    bench.kill()
    bench.advance(3600)
    assert bench.none("t")


def test_signals(bench) -> None:
    bench.deploy(
        process("p", "start > s > t > end", catch("s", on_signal("s")), task("t"), roots=signal("s")),
        process("q", "start > t > end", start("start", on_signal("s")), task("t"), roots=signal("s")),
    )
    bench.create()
    bench.kill()
    bench.engine.broadcast_signal("s", {"x": 1})
    bench.kill()
    assert sorted(job.bpmn_process_id for job in bench.jobs("t")) == ["p", "q"]


def test_called_processes(bench) -> None:
    bench.deploy(process("child", "start > c > end", task("c")))
    bench.deploy(process("p", "start > call > t > end", call("call", "child"), task("t")))
    key = bench.create(x=1)
    bench.kill()
    bench.do("c", y=2)
    bench.kill()
    assert variables(bench.job("t")) == {"x": 1, "y": 2}
    other = bench.create()
    bench.kill()
    bench.engine.cancel_instance(other)
    bench.kill()
    assert bench.none("c")
    assert set(bench.engine.instances) == {key}


def test_gateways_that_wait(bench) -> None:
    fork = "start > par1; par1 > a > par2; par1 > b > par2; par2 > ior1"
    flow = f"{fork}; ior1 > c {{=true}}; ior1 > d {{=true}}; c > ior2; d > ior2; ior2 > t > end"
    bench.deploy(process("p", flow, *map(task, "abcdt")))
    bench.create()
    for name in "abcd":
        bench.kill()
        assert bench.none("t")
        bench.do(name)
    bench.kill()
    assert bench.job("t")


def test_a_race_of_events(bench) -> None:
    bench.deploy(
        process(
            "p",
            "start > g; g > m > a > end; g > w > b > end",
            Node("eventBasedGateway", "g"),
            catch("m", on_message("m")),
            catch("w", timer("PT1H")),
            task("a"),
            task("b"),
            roots=message("m", "=k"),
        )
    )
    bench.create(k="1")
    bench.create(k="2")
    bench.kill()
    bench.publish("m", "1")
    bench.kill()
    bench.advance(3600)
    assert (len(bench.jobs("a")), len(bench.jobs("b"))) == (1, 1)


def test_multi_instance_activities(bench) -> None:
    together = task("a", loop=multi("=items", "i", "r", "=x"))
    in_turn = task("b", loop=multi("=items", "i", "s", "=x", sequential=True))
    bench.deploy(process("p", "start > a > b > end", together, in_turn))
    key = bench.create(items=[1, 2, 3])
    jobs = bench.jobs("a")
    for job in reversed(jobs):
        bench.kill()
        bench.complete(job, x=variables(job)["i"] * 10)
    for _ in range(3):
        bench.kill()
        job = bench.job("b")
        bench.complete(job, x=variables(job)["loopCounter"])
    assert bench.result(key) == {"items": [1, 2, 3], "r": [10, 20, 30], "s": [1, 2, 3]}


def test_called_processes_in_a_multi_instance_activity_with_a_timer_and_an_event_sub_process(bench) -> None:
    """One state holds them all: each finds the others again."""
    bench.deploy(process("child", "start > t > end", task("t")))
    calling = call(
        "c",
        "child",
        outputs=[("=r", "r")],
        loop=multi("=[1, 2, 3]", "n", "out", "=r"),
        propagateAllChildVariables="false",
    )
    noted = event_sub(
        "es", "s0 > note > e0", start("s0", on_message("m"), interrupting=False), task("note"), Node("endEvent", "e0")
    )
    bench.deploy(
        process(
            "p", "start > c > after > end; b > late > end2", calling,
            boundary("b", "c", timer("PT1H"), interrupting=False), task("after"), task("late"), noted,
            roots=message("m", "=k"),
        )
    )  # fmt: skip
    key = bench.create(k="1")
    first, second, third = bench.jobs("t")
    bench.complete(second, r=20)
    bench.publish("m", "1", v=1)
    bench.kill()
    bench.publish("m", "1", v=2)
    assert [variables(job)["v"] for job in bench.jobs("note")] == [1, 2]
    bench.engine.fail_job(third.key, 0, "broken")
    bench.kill()
    bench.advance(3600)
    assert variables(bench.job("late")) == {"k": "1"}
    bench.complete(first, r=10)
    bench.kill()
    bench.engine.update_job_retries(third.key, 1)
    bench.resolve()
    (third,) = bench.jobs("t")
    bench.complete(third, r=30)
    assert variables(bench.job("after")) == {"k": "1", "out": [10, 20, 30]}
    bench.kill()
    for job in list(bench.engine.jobs.by_key):
        bench.engine.complete_job(job)
    assert bench.ended(key)


@pytest.mark.parametrize("sequential", [False, True])
def test_what_a_multi_instance_activity_collected_survives_each_item(bench, sequential) -> None:
    loop = multi("=items", "x", "out", "=r", sequential=sequential)
    bench.deploy(process("p", "start > t > end", task("t", loop=loop)))
    items = [{"n": n} for n in range(7)]
    key = bench.create(items=items)
    for n in range(7):
        bench.kill()
        seen = bench.do("t", r=[n])
        assert seen["x"] == {"n": n}
        assert seen["out"] == [[place] if place < n else None for place in range(7)]
    assert bench.result(key) == {"items": items, "out": [[n] for n in range(7)]}
    bench.kill()
    assert not bench.engine.store._db.execute("SELECT * FROM round").fetchall()


def test_an_output_collection_that_somebody_else_wrote_survives(bench) -> None:
    loop = multi("=[1, 2, 3]", "x", "out", "=r", sequential=True)
    bench.deploy(process("p", "start > t > end", task("t", loop=loop)))
    key = bench.create()
    bench.do("t", r=1)
    body = next(
        visit for visit in bench.engine.queries.element_instances(key) if visit.element_type.startswith("MULTI")
    )
    bench.set(body.key, local=True, out=["set", "by", "hand"])
    bench.kill()
    assert bench.do("t", r=2)["out"] == ["set", "by", "hand"]
    bench.kill()
    assert bench.do("t", r=3)["out"] == ["set", 2, "hand"]
    assert bench.result(key) == {"out": ["set", 2, 3]}


def test_an_interrupted_scope_stays_interrupted(bench) -> None:
    bench.deploy(
        process(
            "p",
            "start > t > end",
            task("t"),
            event_sub("es", "start2 > e > end2", start("start2", on_message("m")), task("e")),
            roots=message("m", "=k"),
        )
    )
    key = bench.create(k="a")
    bench.publish("m", "a")
    bench.kill()
    bench.publish("m", "a")
    bench.do("e")
    assert not bench.active(key)


def test_keys_are_never_given_out_twice(bench) -> None:
    keys = []
    for _ in range(5):
        keys += [bench.publish("nobody") for _ in range(300)]
        bench.kill()
    assert keys == sorted(set(keys))
    assert keys[-1] - keys[0] < 1500 + 5 * 257


def test_a_flow_that_was_cut_off_goes_on(bench) -> None:
    """The steps that wait are written with the state, so that a long loop survives, too."""
    bench.deploy(
        process("p", "start > s > xor; xor > t {=n >= 300}; xor > s {default}", script("s", "=n + 1", "n"), task("t"))
    )
    bench.engine.scheduler = lambda: None
    bench.create(n=0)
    bench.engine.flow.run(0)  # a slice
    assert bench.engine.flow.queue
    bench.engine.save()
    bench.kill()
    assert variables(bench.job("t")) == {"n": 300}


def test_a_long_queue_is_written_once_and_survives_a_kill_between_any_slices(bench) -> None:
    """A signal that thousands wait for must not write all that is left of the queue again in each slice."""
    bench.deploy(process("p", "start > s > end", catch("s", on_signal("s")), roots=signal("s")))
    keys = [bench.create() for _ in range(300)]
    written = []
    bench.engine.scheduler = lambda: None
    bench.engine.broadcast_signal("s")
    for slices in range(1, 100):
        bench.engine.store._db.set_trace_callback(lambda sql: written.append(sql) if "INTO step" in sql else None)
        bench.engine.flow.run(-1)  # as few steps as a slice may have
        bench.engine.save()
        if not bench.engine.flow.queue:
            break
        if slices in {2, 5}:
            bench.kill(lambda: None)
    assert not any(bench.active(key) for key in keys)
    assert slices > 5
    assert len(written) < 10 * len(keys)  # six steps for each instance, and all that was left after each kill
    bench.kill()
    assert not bench.engine.instances


def test_one_engine_at_a_time(bench) -> None:
    with pytest.raises(StoreError, match="another engine"):
        SqliteStore(bench.path)


def test_a_file_of_somebody_else_is_left_alone(tmp_path) -> None:
    file = tmp_path / "x.db"
    file.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="no state of an engine"):
        SqliteStore(file)
    newer = tmp_path / "newer.db"
    with contextlib.closing(sqlite3.connect(newer)) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(StoreError, match="format 99"):
        SqliteStore(newer)
