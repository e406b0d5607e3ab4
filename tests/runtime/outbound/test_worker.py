"""The worker loop against an engine in memory; traps that pyzeebe's own worker falls into are named A1 to A12."""

import asyncio
import json
import logging
import time
from dataclasses import dataclass, field
from datetime import datetime

import pytest
from tests.waiting import until

from zeebe_connectors.runtime.backoff import Backoff
from zeebe_connectors.runtime.gateway import Activation, GatewayError
from zeebe_connectors.runtime.gateway.fake import FakeGateway
from zeebe_connectors.runtime.outage import Outage
from zeebe_connectors.runtime.outbound.delivery import MESSAGE_LIMIT
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Throw
from zeebe_connectors.runtime.outbound.worker import Worker

TYPE = "io.camunda:http-json:1"


def activation(timeout=60.0, **more):
    return Activation(TYPE, "test", timeout, **more)


@dataclass
class Handler:
    """Completes each job after `seconds`, and records what it did."""

    seconds: float = 0.0
    ran: list[int] = field(default_factory=list)
    running: int = 0
    peak: int = 0
    outcome: Complete | Fail | Throw = field(default_factory=Complete)

    async def __call__(self, job, extend):
        self.ran.append(job.key)
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.running -= 1
        return self.outcome


@dataclass
class Counts:
    """Metrics that remember."""

    taken: list[int] = field(default_factory=list)
    reported: list[tuple[int, str]] = field(default_factory=list)
    unsent: list[int] = field(default_factory=list)

    def activated(self, job):
        self.taken.append(job.key)

    def answered(self, job, outcome, seconds):
        self.reported.append((job.key, type(outcome).__name__))

    def unanswered(self, job):
        self.unsent.append(job.key)


@pytest.fixture
async def gateway():
    fake = FakeGateway()
    yield fake
    await fake.aclose()


@pytest.fixture
async def start(gateway):
    """Starts workers and drains them at the end."""
    workers = []

    def begin(handle, *, slots=8, timeout=60.0, **options):
        worker = Worker(gateway, activation(timeout), handle, slots=slots, **options)
        worker.start()
        workers.append(worker)
        return worker

    yield begin
    for worker in workers:
        await worker.drain(0.0)


# Taking jobs


@pytest.mark.parametrize("stream", [False, True])
async def test_completes_jobs_there_before_and_after_its_start(gateway, start, stream):
    """Backlog and new jobs are both worked on, with and without a stream."""
    for _ in range(50):
        gateway.put(TYPE)
    handler = Handler()
    start(handler, stream=stream)
    await gateway.until("completed", 50)
    for _ in range(50):
        gateway.put(TYPE)
    await gateway.until("completed", 100)
    assert len(handler.ran) == len(set(handler.ran)) == 100


@pytest.mark.parametrize("stream", [False, True])
async def test_no_nap_at_capacity(gateway, start, stream):
    """A1: the time for many jobs is that of the work, whatever the slots; pyzeebe slept 5 s at each full load."""
    for _ in range(400):
        gateway.put(TYPE)
    handler = Handler(seconds=0.01)
    began = time.monotonic()
    start(handler, slots=8, stream=stream)
    await gateway.until("completed", 400, within=5.0)
    assert time.monotonic() - began < 5.0
    assert handler.peak == 8


async def test_one_busy_slot_of_many_does_not_stop_the_poll(gateway, start):
    """Long jobs in most slots leave the rest working, although fewer than the low-water mark are free."""
    release = asyncio.Event()
    done = []

    async def handle(job, extend):
        if json.loads(job.variables).get("long"):
            await release.wait()
        done.append(job.key)
        return Complete()

    for number in range(40):
        gateway.put(TYPE, {"long": number < 7})
    start(handle, slots=8, stream=False)
    await gateway.until("completed", 33)
    release.set()
    await gateway.until("completed", 40)


@pytest.mark.parametrize("slots", [1, 2, 5, 16])
async def test_polling_and_streaming_share_one_count(gateway, start, slots):
    """A6: never more jobs at once than slots, with jobs coming from both sides; pyzeebe ran 500 with a limit of 8."""
    handler = Handler(seconds=0.002)
    for _ in range(100):
        gateway.put(TYPE)
    worker = start(handler, slots=slots)
    for _ in range(20):
        await asyncio.sleep(0.005)
        for _ in range(10):
            gateway.put(TYPE)
        assert worker.liveness().in_flight <= slots
    await gateway.until("completed", 300)
    assert handler.peak <= slots
    assert len(set(handler.ran)) == 300


async def test_a_poll_never_asks_for_more_than_is_free(gateway, start):
    """What the engine hands over has a slot waiting for it."""
    for _ in range(100):
        gateway.put(TYPE)
    start(Handler(seconds=0.005), slots=10)
    await gateway.until("completed", 100)
    assert max(command.data["max_jobs"] for command in gateway.commands if command.name == "activate") <= 10


async def test_streamed_jobs_are_taken_without_a_poll(gateway, start):
    """A pushed job needs no poll, so it starts at once."""
    start(Handler(), slots=8)
    await until(lambda: gateway.open_streams == 1)
    gateway.refuse("activate", "UNAVAILABLE", times=10_000)
    gateway.put(TYPE)
    await gateway.until("completed", 1)


async def test_a_poll_that_waits_keeps_no_slot_from_the_stream(gateway, start):
    """Jobs that are pushed fill every slot, although a poll is waiting all the time."""
    handler = Handler(seconds=3600)
    start(handler, slots=3)
    await until(lambda: gateway.open_streams == 1 and gateway.count("activate") == 2)
    for _ in range(10):
        gateway.put(TYPE)
    await until(lambda: handler.running == 3)


async def test_only_named_variables_are_fetched(gateway):
    """The engine sends what the connector's inputs name, and no more."""
    gateway.put(TYPE, {"url": "u", "huge": "x" * 100})
    seen = []

    async def handle(job, extend):
        seen.append(json.loads(job.variables))
        return Complete()

    worker = Worker(gateway, activation(variables=("url",)), handle, slots=2)
    worker.start()
    await gateway.until("completed", 1)
    await worker.drain(1.0)
    assert seen == [{"url": "u"}]


async def test_only_jobs_of_its_tenants_are_taken(gateway):
    """A worker for one tenant leaves others' jobs alone."""
    mine, other = gateway.put(TYPE, tenant="blue"), gateway.put(TYPE, tenant="red")
    handler = Handler()
    worker = Worker(gateway, activation(tenants=("blue",)), handler, slots=2)
    worker.start()
    await gateway.until("completed", 1)
    await worker.drain(1.0)
    assert gateway.jobs[mine].state == "completed"
    assert gateway.jobs[other].state == "waiting"
    assert handler.ran == [mine]


# Outliving errors


@pytest.mark.parametrize(
    "status",
    [
        "RESOURCE_EXHAUSTED",
        "UNAVAILABLE",
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "ABORTED",
        "CANCELLED",
        "UNKNOWN",
        "INTERNAL",
        "DEADLINE_EXCEEDED",
        "UNIMPLEMENTED",
        "INVALID_ARGUMENT",
        "NOT_FOUND",
    ],
)
async def test_a_poll_outlives_each_status(gateway, start, status):
    """A5: any status means to try again; in pyzeebe one UNAUTHENTICATED ended everything, jobs in work included."""
    gateway.refuse("activate", status, times=3)
    gateway.refuse("stream", status, times=3)
    gateway.put(TYPE)
    worker = start(Handler(), wait=0.2)
    await gateway.until("completed", 1)
    await until(lambda: worker.liveness().errors == 0)
    assert worker.liveness().state == "working"
    assert worker.liveness().last_error is None


async def test_errors_are_forgotten_after_a_success(gateway, start):
    """A4: many errors over a life, with successes in between, change nothing; pyzeebe died of the eleventh."""
    worker = start(Handler(), stream=False, wait=0.2)
    for number in range(15):
        gateway.refuse("activate", "UNAVAILABLE")
        gateway.refuse("complete", "UNAVAILABLE")
        gateway.put(TYPE)
        await gateway.until("completed", number + 1)
    await until(lambda: worker.liveness().in_flight == 0)
    await until(lambda: worker.liveness().errors == 0)


async def test_an_unexpected_exception_of_the_gateway_ends_nothing(gateway, start, monkeypatch):
    """Even a programming error in the gateway costs one attempt, not the worker."""
    activate, failures = gateway.activate, []

    async def broken(*args, **named):
        if len(failures) < 2:
            failures.append(1)
            raise KeyError("surprise")
        return await activate(*args, **named)

    monkeypatch.setattr(gateway, "activate", broken)
    gateway.put(TYPE)
    start(Handler(), stream=False)
    await gateway.until("completed", 1)


async def test_a_broken_stream_is_opened_again(gateway, start):
    """A stream that ends, with or without an error, is a matter of course."""
    start(Handler())
    for status in ("UNAVAILABLE", "OK", "DEADLINE_EXCEEDED", "INTERNAL"):
        await until(lambda: gateway.open_streams == 1)
        gateway.break_streams(status)
        await until(lambda: gateway.open_streams == 0)
    await until(lambda: gateway.open_streams == 1)


async def test_liveness_tells_of_an_outage(gateway, start):
    """Health can tell a worker that reaches the engine from one that does not."""
    worker = start(Handler(), wait=0.05)
    await until(lambda: worker.liveness().last_contact is not None and worker.liveness().streaming)
    gateway.stop()
    await until(lambda: worker.liveness().errors > 1)
    assert "UNAVAILABLE" in worker.liveness().last_error
    assert not worker.liveness().streaming
    before = worker.liveness().last_contact
    gateway.start()
    await until(lambda: worker.liveness().errors == 0)
    assert worker.liveness().last_contact > before


async def test_a_batch_that_is_too_large_is_halved(start):
    """A8: gRPC's 'larger than max' looks like a busy engine; asking for the same batch again would never end."""
    gateway = FakeGateway(max_bytes=3000)
    for _ in range(16):
        gateway.put(TYPE, {"data": "x" * 900})
    handler = Handler()
    worker = Worker(gateway, activation(timeout=0.3), handler, slots=16, stream=False)
    worker.start()
    await gateway.until("completed", 16)
    await worker.drain(1.0)
    sizes = [command.data["max_jobs"] for command in gateway.commands if command.name == "activate"]
    assert sizes[:2] == [16, 8]
    assert sizes[-1] <= 3
    assert sizes == sorted(sizes, reverse=True)
    await gateway.aclose()


def test_pauses_grow_and_are_spread():
    """Doubling up to the longest, never twice the same."""
    backoff = Backoff(0.05, 5.0)
    pauses = [backoff.next() for _ in range(40)]
    assert 0.025 <= pauses[0] <= 0.05
    assert all(2.5 <= pause <= 5.0 for pause in pauses[8:])
    assert len(set(pauses)) == 40
    assert backoff.next(max_pause=0.25) <= 0.25
    backoff.reset()
    assert backoff.next() <= 0.05


async def test_a_busy_engine_is_not_worth_a_warning(gateway, start, caplog):
    """It says so many times a minute under load; an outage is another thing."""
    gateway.refuse("activate", "RESOURCE_EXHAUSTED", times=6)
    gateway.put(TYPE)
    start(Handler(), stream=False)
    await gateway.until("completed", 1)
    assert not caplog.records
    gateway.refuse("activate", "UNAVAILABLE")
    gateway.put(TYPE)
    await gateway.until("completed", 2)
    gateway.put(TYPE)
    await gateway.until("completed", 3)
    assert "UNAVAILABLE" in caplog.text


async def test_a_cluster_that_is_away_is_one_line_and_one_when_it_is_back(gateway, start, caplog):
    """However many connectors poll it, by poll and stream."""
    caplog.set_level(logging.INFO)
    outage = Outage(logging.getLogger("test"), "The cluster does not answer")
    gateway.refuse("activate", "UNAVAILABLE", times=12)
    gateway.refuse("stream", "UNAVAILABLE", times=6)
    for _ in range(3):
        start(Handler(), cluster_outage=outage)
    await until(lambda: " back after " in caplog.text)
    gateway.put(TYPE)
    await gateway.until("completed", 1)
    lines = [record.getMessage() for record in caplog.records if record.name == "test"]
    assert "UNAVAILABLE" in lines[0]
    assert " back after " in lines[1]
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) <= 2  # the stream may have been back before the last poll


# Answering jobs


@pytest.mark.parametrize(
    "status", ["RESOURCE_EXHAUSTED", "UNAVAILABLE", "UNAUTHENTICATED", "DEADLINE_EXCEEDED", "ABORTED"]
)
@pytest.mark.parametrize("command", ["complete", "fail", "throw"])
async def test_an_answer_is_sent_until_it_arrives(gateway, start, command, status):
    """A2: a refused answer is sent again and its job not run again; pyzeebe only logged it: a second mail."""
    outcome = {"complete": Complete(), "fail": Fail("no", retries=0), "throw": Throw("E1")}[command]
    gateway.refuse(command, status, times=4)
    key = gateway.put(TYPE)
    handler = Handler(outcome=outcome)
    start(handler)
    await until(lambda: gateway.jobs[key].state in {"completed", "incident", "thrown"})
    assert handler.ran == [key]
    assert gateway.count(command) == 5


async def test_an_answer_that_arrived_although_its_reply_was_lost(gateway, start, caplog):
    """The repeated command is 'not found', which then means success."""
    caplog.set_level(logging.WARNING)
    counts = Counts()
    key = gateway.put(TYPE)
    gateway.refuse("complete", "UNAVAILABLE", applied=True)
    handler = Handler()
    start(handler, metrics=counts)
    await until(lambda: counts.reported)
    assert counts.reported == [(key, "Complete")]
    assert handler.ran == [key]
    assert not [record for record in caplog.records if str(key) in record.getMessage()]


async def test_an_answer_to_a_job_that_is_gone_is_dropped(gateway, start, caplog):
    """The process was cancelled meanwhile: one line in the log, and on to the next job."""
    counts = Counts()

    async def handle(job, extend):
        gateway.jobs[job.key].state = "completed"
        return Complete()

    key = gateway.put(TYPE)
    start(handle, metrics=counts)
    await until(lambda: counts.unsent == [key])
    assert gateway.count("complete") == 1
    assert [record for record in caplog.records if str(key) in record.getMessage()]


async def test_an_outcome_not_sent_in_time_answers_the_job_when_it_comes_again(gateway, start):
    """The engine is away for longer than the job's timeout: the effect still happens once."""
    handler = Handler(outcome=Complete({"sent": True}, '{"sent": true}'))
    gateway.refuse("complete", "UNAVAILABLE", times=5)
    key = gateway.put(TYPE)
    worker = start(handler, timeout=0.4)
    await gateway.until("completed", 1)
    assert handler.ran == [key]
    assert gateway.jobs[key].activations > 1
    assert gateway.jobs[key].result == {"sent": True}
    assert worker.liveness().unsent == 0


async def test_a_kept_failure_does_not_answer_a_job_that_was_repaired(gateway, start):
    """Other retries than before: somebody resolved the incident, so the job is to run."""
    handler = Handler(outcome=Fail("no", retries=2))
    gateway.refuse("fail", "UNAVAILABLE", times=100)
    key = gateway.put(TYPE)
    worker = start(handler, timeout=0.3, stream=False)
    await until(lambda: worker.liveness().unsent == 1)
    gateway._faults.clear()
    gateway.jobs[key].retries = 9
    handler.outcome = Complete()
    await gateway.until("completed", 1)
    assert handler.ran == [key, key]


async def test_a_job_offered_again_while_it_runs_here_runs_once(gateway, start):
    """Its deadline passed in the engine, but it is still in work: no second run, and the answer still counts."""
    handler = Handler(seconds=0.15)
    key = gateway.put(TYPE)
    start(handler)
    await until(lambda: handler.ran)
    gateway.take_back(key)
    await gateway.until("completed", 1)
    assert handler.ran == [key]
    assert gateway.jobs[key].activations == 2


async def test_an_offer_that_is_read_after_the_answer_runs_nothing(gateway, start, monkeypatch):
    """The engine was away, offered the job again, and then took the answer, which arrives before that offer does."""
    handler = Handler()
    activate = gateway.activate

    async def late(activation, *, max_jobs, wait):
        jobs = await activate(activation, max_jobs=max_jobs, wait=wait)
        if handler.ran and jobs:
            await gateway.until("completed", 1)
            await asyncio.sleep(0.05)
        return jobs

    monkeypatch.setattr(gateway, "activate", late)
    gateway.refuse("complete", "UNAVAILABLE")
    key = gateway.put(TYPE)
    start(handler, stream=False)
    await until(lambda: handler.ran)
    gateway.take_back(key)
    await until(lambda: gateway.count("complete") == 3)
    assert gateway.jobs[key].activations == 2
    assert handler.ran == [key]


async def test_a_completion_that_the_engine_refuses_becomes_an_incident(gateway, start):
    """A3: an answer that cannot be taken is told as a failure without retries, for the effect has happened."""
    key = gateway.put(TYPE)
    gateway.refuse("complete", "INVALID_ARGUMENT", "variables are no JSON object", times=100)
    handler = Handler(outcome=Complete(payload="{}"))
    start(handler)
    await gateway.until("incident", 1)
    assert "did its work" in gateway.jobs[key].error
    assert "no JSON object" in gateway.jobs[key].error
    assert handler.ran == [key]
    assert gateway.count("complete") == 1


async def test_a_completion_that_cannot_even_be_written_becomes_an_incident(gateway, start, monkeypatch):
    """A3: whatever the wire's library raises, the job is answered."""

    async def broken(job, payload):
        raise ValueError("surrogates not allowed")

    monkeypatch.setattr(gateway, "complete", broken)
    key = gateway.put(TYPE)
    start(Handler())
    await gateway.until("incident", 1)
    assert "did its work" in gateway.jobs[key].error
    assert "surrogates" not in gateway.jobs[key].error


async def test_an_oversized_completion_becomes_an_incident(gateway, start):
    """The same status as a busy engine's, but sending it again would never end."""
    key = gateway.put(TYPE)
    message = "gRPC message exceeds maximum size 4194304: 5000000"
    gateway.refuse("complete", "RESOURCE_EXHAUSTED", message, times=100)
    start(Handler())
    await gateway.until("incident", 1)
    assert "exceeds maximum size" in gateway.jobs[key].error


async def test_a_failure_whose_variables_are_refused_is_sent_without_them(gateway, start):
    """Better a failure without its variables than a job that hangs."""
    key = gateway.put(TYPE)
    gateway.refuse("fail", "INVALID_ARGUMENT")
    start(Handler(outcome=Fail("no", retries=0, payload='{"error": 1}')))
    await gateway.until("incident", 1)
    assert gateway.jobs[key].error == "no"
    assert gateway.jobs[key].result == {}


async def test_a_handler_that_raises_fails_the_job(gateway, start):
    """A3: json.dumps of a date is the classic; pyzeebe logged it and the job looped at every timeout."""

    async def handle(job, extend):
        return Complete(payload=json.dumps({"at": datetime.now(), "secret": "canary"}))  # noqa: DTZ005

    key = gateway.put(TYPE, retries=2)
    start(handle)
    await gateway.until("incident", 1)
    error = gateway.jobs[key].error
    assert "TypeError" in error
    assert "Traceback" not in error
    assert "canary" not in error
    assert [command.data["retries"] for command in gateway.commands if command.name == "fail"] == [1, 0]


async def test_a_failure_carries_absolute_retries_backoff_and_variables(gateway, start):
    """What the handler decided arrives as it is."""
    gateway.put(TYPE, retries=5)
    start(Handler(outcome=Fail("later", retries=4, backoff=30.0, payload='{"error": {"code": "500"}}')))
    await until(lambda: gateway.count("fail") == 1)
    sent = next(command.data for command in gateway.commands if command.name == "fail")
    assert sent == {"retries": 4, "message": "later", "backoff": 30.0, "variables": {"error": {"code": "500"}}}


async def test_a_message_of_any_length_is_cut(gateway, start):
    """A12: a failure's message is bounded."""
    key = gateway.put(TYPE)
    start(Handler(outcome=Fail("x" * 1_000_000, retries=0)))
    await gateway.until("incident", 1)
    assert len(gateway.jobs[key].error) == MESSAGE_LIMIT


async def test_a_handler_without_end_is_cancelled_before_the_deadline(gateway, start):
    """A9: the failure is told while the job is still ours; nobody else gets it while it runs here."""
    handler = Handler(seconds=3600)
    key = gateway.put(TYPE, retries=1)
    start(handler, timeout=0.5)
    await gateway.until("incident", 1)
    assert "within the job's time" in gateway.jobs[key].error
    assert gateway.jobs[key].activations == 1
    assert handler.running == 0


async def test_a_job_can_be_given_more_time(gateway, start):
    """`jobTimeout`: the engine is told, and both the job and its cancellation move."""
    seen = []

    async def handle(job, extend):
        longer = await extend(30.0)
        seen.append((job.deadline, longer.deadline, longer.key == job.key))
        await asyncio.sleep(0.4)
        return Complete()

    key = gateway.put(TYPE)
    start(handle, timeout=0.3)
    await gateway.until("completed", 1)
    before, after, same = seen[0]
    assert same
    assert after - before > 25
    assert gateway.jobs[key].activations == 1


async def test_more_time_for_a_job_that_is_gone_is_refused(gateway, start):
    """The handler learns it as a gateway error, before its effect."""
    reported = []

    async def handle(job, extend):
        gateway.jobs[job.key].state = "completed"
        try:
            await extend(30.0)
        except GatewayError as error:
            reported.append(error.status)
        return Complete()

    gateway.put(TYPE)
    start(handle)
    await until(lambda: reported == ["NOT_FOUND"])


async def test_blocked_jobs_do_not_delay_others(gateway, start):
    """A10: a job is a task, not a thread of a small pool: all slots work at the same time."""
    barrier = asyncio.Barrier(64)

    async def handle(job, extend):
        await barrier.wait()
        return Complete()

    for _ in range(64):
        gateway.put(TYPE)
    start(handle, slots=64)
    await gateway.until("completed", 64)


async def test_one_line_of_log_per_job_without_its_data(gateway, start, caplog):
    """Key, type, element, outcome and time; nothing of the process."""
    caplog.set_level(logging.INFO)
    key = gateway.put(TYPE, {"password": "canary"}, {"h": "canary"}, element="Call_it")
    start(Handler(outcome=Complete({"a": "canary"}, '{"a": "canary"}')))
    await until(lambda: any(str(key) in record.getMessage() for record in caplog.records))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert f"job {key} {TYPE} Call_it: completed" in lines[0]
    assert "canary" not in lines[0]


async def test_metrics_count_what_happened(gateway, start):
    """Each job is counted once when taken and once when answered."""
    counts = Counts()
    outcomes = {1: Complete(), 2: Fail("no", retries=0), 3: Throw("E")}

    async def handle(job, extend):
        return outcomes[json.loads(job.variables)["n"]]

    keys = [gateway.put(TYPE, {"n": n}) for n in (1, 2, 3)]
    start(handle, metrics=counts)
    await until(lambda: len(counts.reported) == 3)
    assert sorted(counts.taken) == keys
    assert sorted(counts.reported) == list(zip(keys, ["Complete", "Fail", "Throw"], strict=True))


# Draining


async def test_drain_finishes_what_runs_and_takes_nothing_new(gateway, start):
    """A7: stream and poll end first; pyzeebe took 725 more jobs while stopping."""
    handler = Handler(seconds=0.2)
    worker = start(handler, slots=8)
    for _ in range(8):
        gateway.put(TYPE)
    await until(lambda: handler.running == 8)
    draining = asyncio.create_task(worker.drain(10.0))
    await until(lambda: gateway.open_streams == 0)
    later = [gateway.put(TYPE) for _ in range(50)]
    assert await draining == []
    assert gateway.states() == {"completed": 8, "waiting": 50}
    assert not set(later) & set(handler.ran)
    assert all(job.retries == 3 for job in gateway.jobs.values())
    assert worker.liveness().state == "stopped"


async def test_drain_hands_back_what_was_pushed_but_not_begun(gateway, start):
    """Jobs that waited in the stream are there for others at once, not after their deadline, and keep their retries."""
    handler = Handler(seconds=0.2)
    worker = start(handler, slots=2)
    await until(lambda: gateway.open_streams == 1)
    for _ in range(20):
        gateway.put(TYPE)
    await until(lambda: handler.running == 2)
    await worker.drain(5.0)
    states = gateway.states()
    assert states["active"] == 0
    assert states["completed"] == len(handler.ran)
    assert all(job.retries == 3 for job in gateway.jobs.values())


async def test_drain_under_load_leaves_nothing_half_done(gateway, start):
    """Each job is either completed by the one that ran it, or untouched for the next worker, which completes it."""
    handler = Handler(seconds=0.01)
    for _ in range(500):
        gateway.put(TYPE)
    worker = start(handler, slots=16)
    await gateway.until("completed", 100)
    assert await worker.drain(5.0) == []
    assert gateway.states()["completed"] == len(handler.ran)
    assert gateway.states()["active"] == 0
    start(handler, slots=16)
    await gateway.until("completed", 500)
    assert len(handler.ran) == 500


async def test_drain_with_an_idle_poll_is_quick(gateway, start):
    """Nobody waits for a long poll to end."""
    worker = start(Handler(), wait=3600)
    await until(lambda: gateway.count("activate") == 2)
    async with asyncio.timeout(5):
        assert await worker.drain(60.0) == []


async def test_a_job_still_running_after_the_grace_period_is_left_to_its_deadline(gateway, start, caplog):
    """Whether its effect happened is unknown, as after a crash: no command, its retries stay, a line in the log."""
    handler = Handler(seconds=3600)
    key = gateway.put(TYPE)
    worker = start(handler)
    await until(lambda: handler.running == 1)
    assert await worker.drain(0.05) == [key]
    assert {command.name for command in gateway.commands} <= {"activate", "stream"}
    assert gateway.jobs[key].state == "active"
    assert any("in doubt" in record.getMessage() for record in caplog.records)


async def test_a_handler_may_answer_its_cancellation(gateway, start):
    """When the effect had not begun, the handler hands the job back and somebody else gets it at once."""

    async def handle(job, extend):
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return Fail("Handed back.", retries=job.retries)
        return Complete()

    key = gateway.put(TYPE)
    worker = start(handle)
    await until(lambda: worker.liveness().in_flight == 1)
    assert await worker.drain(0.05) == []
    assert gateway.jobs[key].state == "waiting"
    assert gateway.jobs[key].retries == 3


async def test_drain_ends_even_if_a_handler_does_not(gateway, start, caplog):
    """A stuck job cannot keep the process; pyzeebe's stop hung for ever."""
    release = asyncio.Event()

    async def handle(job, extend):
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return Complete()

    key = gateway.put(TYPE)
    worker = start(handle)
    await until(lambda: worker.liveness().in_flight == 1)
    async with asyncio.timeout(8):
        assert await worker.drain(0.0) == [key]
    release.set()
    await until(lambda: worker.liveness().in_flight == 0)


async def test_drain_while_the_engine_is_away_ends_in_time(gateway, start):
    """What could not be told is named, so that the log tells which jobs run again."""
    gateway.refuse("complete", "UNAVAILABLE", times=10_000)
    key = gateway.put(TYPE)
    worker = start(Handler())
    await until(lambda: gateway.count("complete") > 1)
    async with asyncio.timeout(8):
        assert await worker.drain(0.1) == [key]


async def test_drain_may_be_called_twice(gateway, start):
    """Two signals are one drain."""
    worker = start(Handler())
    assert await asyncio.gather(worker.drain(1.0), worker.drain(1.0)) == [[], []]


async def test_a_worker_starts_once(gateway, start):
    """A second start is an error of the caller."""
    worker = start(Handler())
    with pytest.raises(RuntimeError, match="make a new one"):
        worker.start()


async def test_a_worker_without_slots_is_refused(gateway):
    """The mistake is told where it is made."""
    with pytest.raises(ValueError, match="at least one"):
        Worker(gateway, activation(), Handler(), slots=0)
