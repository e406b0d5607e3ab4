"""Runs processes inside a test, with no network and no other process, and says what they did.

    def test_an_order_is_paid():
        with Engine() as engine:
            engine.deploy("order.bpmn")
            order = engine.start("order", {"id": 1})
            engine.job("pay").complete({"paid": True})
            order.assert_completed()
            order.assert_passed("pay", "ship")
            assert order.variables["paid"] is True

Jobs are answered by the test, or by connectors that do what they do in production (`use`). Time stands still until the
test moves it (`advance`). An assertion that fails prints the path that the process took.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from zeebe_connectors.engine import ActivatedJob, Clock
from zeebe_connectors.engine import Engine as Core
from zeebe_connectors.engine.queries import IncidentView, InstanceView, JobView
from zeebe_connectors.runtime.gateway import Deployed
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Outcome, Throw
from zeebe_connectors.sdk.connector import Outbound
from zeebe_connectors.sdk.durations import parse_duration
from zeebe_connectors.testing.connectors import JOB_MS, WORKER, Connectors
from zeebe_connectors.testing.story import story

MAX_ROUNDS = 1_000
"""Times that connectors work before a process that never comes to rest counts as a fault."""


class Engine:
    """The local engine inside a test, in memory, with time that stands still.

    Use it as `with Engine() as engine`; then connectors work at once, whenever a command offers them a job. In a test
    that is a coroutine, whose own loop runs the servers that connectors call, use `async with`, and let the connectors
    work by `await engine.settled()`.

    Args:
        connectors: Names of installed connectors, or connectors, that carry out their jobs; see `use`.
        secrets: Values by name for `{{secrets.NAME}}`.
        files: Directories that connectors may read from.
    """

    def __init__(
        self,
        connectors: Iterable[str | Outbound] = (),
        *,
        secrets: Mapping[str, str] | None = None,
        files: Sequence[Path] = (),
    ) -> None:
        self.core = Core(clock=Clock(frozen_at=time.time_ns() // 1_000_000))
        self._secrets = dict(secrets or {})
        self._connectors = Connectors(self.core, self._secrets, tuple(files))
        self._at_once = False
        self._settling = False
        self.process_ids: list[str] = []
        self.use(*connectors)

    def __enter__(self) -> Self:
        self._at_once = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Close what the connectors opened, and the engine."""
        self._connectors.close()
        self.core.close()

    # --- setting up

    def use(self, *connectors: str | Outbound, secrets: Mapping[str, str] | None = None) -> Self:
        """Let connectors carry out their jobs for real.

        Args:
            connectors: Names of installed ones, such as `rest`, or what `@outbound` made.
            secrets: Values by name, besides those that are known.

        Raises:
            LookupError: There is no such connector, or what it needs is not installed.
        """
        self._secrets.update(secrets or {})
        self._connectors.add(connectors)
        return self

    def deploy(self, *files: str | Path, **texts: str | bytes) -> list[str]:
        """Deploy diagrams together; return the ids of their processes.

        Args:
            files: Paths.
            texts: Diagrams by a name for each, instead of files: `order="<definitions …"`.

        Raises:
            Rejection: One is invalid, or holds what the local engine does not run.
        """
        resources = {Path(file).name: Path(file).read_bytes() for file in files}
        resources |= {f"{name}.bpmn": text.encode() if isinstance(text, str) else text for name, text in texts.items()}
        deployment = self.core.deploy(list(resources.items()))
        self._connectors.remember(
            resources,
            [Deployed(one.bpmn_process_id, one.version, one.key, one.resource.name) for one in deployment.processes],
        )
        found = [one.bpmn_process_id for one in deployment.processes]
        self.process_ids += [one for one in found if one not in self.process_ids]
        self._changed()
        return found

    # --- what happens

    def start(
        self, process_id: str | None = None, variables: Mapping[str, Any] | None = None, *, at: Sequence[str] = ()
    ) -> Instance:
        """Start a process.

        Args:
            process_id: Its id; may be left out when one process is deployed.
            variables: Its first variables.
            at: Ids of elements to begin before, instead of the start event.

        Raises:
            Rejection: There is no such process, or it cannot begin there.
        """
        if process_id is None:
            if len(self.process_ids) != 1:
                raise LookupError(f"{len(self.process_ids)} processes are deployed: say which one to start")
            (process_id,) = self.process_ids
        process = self.core.create_instance(process_id, variables=variables, start_at=at)
        self._changed()
        return Instance(self, process.key)

    def publish(
        self,
        name: str,
        key: str = "",
        variables: Mapping[str, Any] | None = None,
        *,
        time_to_live: float = 0.0,
        message_id: str = "",
    ) -> None:
        """Publish a message; `time_to_live` in seconds, for those that begin to wait later.

        Raises:
            Rejection: It has no name, or one with its id is there.
        """
        self.core.publish_message(
            name, key, variables=variables, ttl_ms=round(time_to_live * 1000), message_id=message_id
        )
        self._changed()

    def broadcast(self, signal: str, variables: Mapping[str, Any] | None = None) -> None:
        """Broadcast a signal."""
        self.core.broadcast_signal(signal, variables)
        self._changed()

    def advance(self, time: str | float | timedelta) -> None:
        """Move the clock forward; every timer that becomes due on the way fires at its own time, in order.

        Args:
            time: As in a diagram (`PT2H`, `P3D`), seconds, or a `timedelta`.
        """
        if isinstance(time, str):
            seconds = parse_duration(time)
        else:
            seconds = time.total_seconds() if isinstance(time, timedelta) else float(time)
        self.core.advance(seconds)
        self._changed()

    @property
    def now(self) -> datetime:
        """The engine's time, in UTC."""
        return datetime.fromtimestamp(self.core.clock.now_ms() / 1000, UTC)

    # --- what there is

    @property
    def instances(self) -> list[Instance]:
        """Every process instance, the oldest first."""
        return [Instance(self, view.key) for view in self.core.queries.instances()]

    def instance(self, process_id: str) -> Instance:
        """The newest instance of a process, however it was started.

        Raises:
            AssertionError: There is none.
        """
        found = [view.key for view in self.core.queries.instances() if view.bpmn_process_id == process_id]
        if not found:
            started = sorted({view.bpmn_process_id for view in self.core.queries.instances()})
            raise AssertionError(f"No instance of {process_id!r} was started; of these there are: {started}")
        return Instance(self, found[-1])

    @property
    def jobs(self) -> list[WaitingJob]:
        """The jobs that wait to be answered, the oldest first."""
        return [WaitingJob(self, view) for view in self.core.queries.jobs() if view.state == "ACTIVATABLE"]

    def job(self, name: str) -> WaitingJob:
        """The oldest job that waits to be answered, by its task's id or by its type.

        Raises:
            AssertionError: There is none; the message tells what waits.
        """
        found = next((job for job in self.jobs if name in {job.element_id, job.type}), None)
        if found is None:
            there = [f"{job.element_id} (type {job.type})" for job in self.jobs]
            told = "\n".join(one.story for one in self.instances)
            raise AssertionError(f"No job {name!r} waits, but: {', '.join(there) or 'none at all'}\n{told}")
        return found

    # --- connectors

    def settle(self) -> None:
        """Let the connectors work until none has a job.

        Raises:
            RuntimeError: They do not come to rest.
        """
        for _ in range(MAX_ROUNDS):
            work = self._connectors.begin()
            if not work:
                return
            for job, future in work:
                self._answer(job, future.result())
        raise RuntimeError(f"The connectors still had jobs after {MAX_ROUNDS} rounds: does a process run in a circle?")

    async def settled(self) -> None:
        """Let the connectors work until none has a job, while the test's own loop goes on.

        Raises:
            RuntimeError: They do not come to rest.
        """
        for _ in range(MAX_ROUNDS):
            work = self._connectors.begin()
            if not work:
                return
            for job, future in work:
                self._answer(job, await asyncio.wrap_future(future))
        raise RuntimeError(f"The connectors still had jobs after {MAX_ROUNDS} rounds: does a process run in a circle?")

    def _answer(self, job: ActivatedJob, outcome: Outcome) -> None:
        match outcome:
            case Complete():
                self.core.complete_job(job.key, json.loads(outcome.payload))
            case Throw():
                self.core.throw_error(job.key, outcome.code, outcome.message, json.loads(outcome.payload))
            case Fail():
                backoff = round((outcome.backoff or 0.0) * 1000)
                variables = json.loads(outcome.payload)
                self.core.fail_job(job.key, outcome.retries, outcome.message, backoff_ms=backoff, variables=variables)

    def _changed(self) -> None:
        """After a command: let the connectors work, where they do so at once."""
        if self._at_once and not self._settling:
            self._settling = True
            try:
                self.settle()
            finally:
                self._settling = False


class Instance:
    """A process instance, and what can be asked of it.

    Args:
        engine: The engine of the test.
        key: Its key.
    """

    def __init__(self, engine: Engine, key: int) -> None:
        self._engine = engine
        self.key = key

    def __repr__(self) -> str:
        return self.story

    @property
    def _view(self) -> InstanceView:
        view = self._engine.core.queries.instance(self.key)
        if view is None:
            raise AssertionError(f"The process instance {self.key} ended too long ago to be known still")
        return view

    @property
    def process_id(self) -> str:
        """Id of its process."""
        return self._view.bpmn_process_id

    @property
    def state(self) -> str:
        """`ACTIVE`, `COMPLETED` or `TERMINATED`."""
        return self._view.state

    @property
    def path(self) -> list[str]:
        """The ids of its elements, in the order in which they were activated."""
        return list(self._view.path)

    @property
    def waits_at(self) -> list[str]:
        """The ids of the elements where it stands now, without those that only contain others."""
        visits = [one for one in self._engine.core.queries.element_instances(self.key) if one.state == "ACTIVE"]
        scopes = {visit.scope_key for visit in visits}
        return [visit.element_id for visit in visits if visit.key not in scopes]

    @property
    def variables(self) -> dict[str, Any]:
        """Its own variables, also after its end."""
        return {one.name: one.value for one in self._engine.core.queries.variables(self.key, self.key)}

    def variables_at(self, element_id: str) -> dict[str, Any]:
        """The local variables of an active element.

        Raises:
            AssertionError: It is not active.
        """
        queries = self._engine.core.queries
        for visit in queries.element_instances(self.key):
            if visit.element_id == element_id and visit.state == "ACTIVE":
                return {one.name: one.value for one in queries.variables(self.key, visit.key)}
        raise self._wrong(f"it is not at {element_id!r}")

    @property
    def incidents(self) -> list[Incident]:
        """Its open incidents."""
        views = self._engine.core.queries.incidents()
        return [Incident(self._engine, view) for view in views if view.process_instance_key == self.key]

    @property
    def children(self) -> list[Instance]:
        """The instances that its call activities started."""
        views = self._engine.core.queries.instances()
        return [Instance(self._engine, view.key) for view in views if view.parent_instance_key == self.key]

    @property
    def story(self) -> str:
        """What it did, what it waits for, what is wrong and what it knows, for people."""
        return story(self._engine.core, self.key)

    def set_variables(self, variables: Mapping[str, Any], *, at: str | None = None) -> None:
        """Set variables of the instance, or local ones of an active element.

        Raises:
            AssertionError: The element is not active.
        """
        scope = self.key
        if at is not None:
            visits = self._engine.core.queries.element_instances(self.key)
            active = [one.key for one in visits if one.element_id == at and one.state == "ACTIVE"]
            if not active:
                raise self._wrong(f"it is not at {at!r}")
            scope = active[0]
        self._engine.core.set_variables(scope, variables, local=at is not None)
        self._engine._changed()  # noqa: SLF001 - of this module

    def cancel(self) -> None:
        """End it, as an operator does."""
        self._engine.core.cancel_instance(self.key)
        self._engine._changed()  # noqa: SLF001 - of this module

    # --- assertions

    def assert_completed(self) -> None:
        """Check that it ran to its end."""
        if self.state != "COMPLETED":
            raise self._wrong("it has not completed")

    def assert_active(self) -> None:
        """Check that it still runs."""
        if self.state != "ACTIVE":
            raise self._wrong("it has ended")

    def assert_terminated(self) -> None:
        """Check that it was cancelled, or ended by who called it."""
        if self.state != "TERMINATED":
            raise self._wrong("it was not terminated")

    def assert_waits_at(self, *element_ids: str) -> None:
        """Check that it stands at these elements and at no other."""
        if sorted(self.waits_at) != sorted(element_ids):
            raise self._wrong(f"it waits at {self.waits_at or 'nothing'}, not at {list(element_ids)}")

    def assert_path(self, *element_ids: str) -> None:
        """Check that it went through these elements in this order, and through no other."""
        if self.path != list(element_ids):
            raise self._wrong(f"its path is {self.path}, not {list(element_ids)}")

    def assert_passed(self, *element_ids: str) -> None:
        """Check that it completed these elements, in this order; others may lie between them."""
        visits = self._engine.core.queries.element_instances(self.key)
        rest = iter([visit.element_id for visit in visits if visit.state == "COMPLETED"])
        for wanted in element_ids:
            if wanted not in rest:
                raise self._wrong(f"it did not complete {wanted!r} where it was expected in {list(element_ids)}")

    def assert_not_passed(self, *element_ids: str) -> None:
        """Check that it went through none of these elements."""
        met = [one for one in element_ids if one in self.path]
        if met:
            raise self._wrong(f"it went through {met}")

    def assert_variables(self, **expected: Any) -> None:
        """Check that it has these variables with these values; it may have others."""
        had = self.variables
        wrong = {name: had.get(name, "nothing") for name, value in expected.items() if had.get(name, ...) != value}
        if wrong:
            raise self._wrong(f"its variables are {wrong}, not { {name: expected[name] for name in wrong} }")

    def assert_incident(self, kind: str | None = None, *, at: str | None = None, message: str = "") -> Incident:
        """Check that it has an incident; return it.

        Args:
            kind: Its type, such as `JOB_NO_RETRIES`.
            at: The element.
            message: A part of its message.
        """
        for incident in self.incidents:
            if kind in {None, incident.type} and at in {None, incident.element_id} and message in incident.message:
                return incident
        raise self._wrong(f"it has no such incident, but: {[str(one) for one in self.incidents]}")

    def assert_no_incident(self) -> None:
        """Check that nothing is wrong with it."""
        if self.incidents:
            raise self._wrong("it has an incident")

    def _wrong(self, what: str) -> AssertionError:
        return AssertionError(f"{what}.\n{self.story}")


class WaitingJob:
    """A job that the test may answer.

    Args:
        engine: The engine of the test.
        view: What is known of the job.

    Attributes:
        key: Its key.
        type: Its type.
        element_id: Its task.
        headers: The task's headers.
        retries: Tries left.
    """

    def __init__(self, engine: Engine, view: JobView) -> None:
        self._engine = engine
        self.key = view.key
        self.type = view.type
        self.element_id = view.element_id
        self.headers = view.headers
        self.retries = view.retries
        self.instance = Instance(engine, view.process_instance_key)
        self._activated: ActivatedJob | None = None

    def __repr__(self) -> str:
        return f"<job {self.element_id} of type {self.type}>"

    @property
    def variables(self) -> dict[str, Any]:
        """What a worker would get; asking for it takes the job."""
        found: dict[str, Any] = json.loads(self._take().variables)
        return found

    def complete(self, variables: Mapping[str, Any] | None = None) -> None:
        """Complete it with its result."""
        self._take()
        self._engine.core.complete_job(self.key, variables)
        self._engine._changed()  # noqa: SLF001 - of this module

    def fail(self, message: str = "", *, retries: int | None = None, backoff: float = 0.0) -> None:
        """Fail it; `retries` left, by default one less; `backoff` in seconds."""
        self._take()
        left = self.retries - 1 if retries is None else retries
        self._engine.core.fail_job(self.key, left, message, backoff_ms=round(backoff * 1000))
        self._engine._changed()  # noqa: SLF001 - of this module

    def throw(self, code: str, message: str = "", variables: Mapping[str, Any] | None = None) -> None:
        """End it with a BPMN error."""
        self._take()
        self._engine.core.throw_error(self.key, code, message, variables)
        self._engine._changed()  # noqa: SLF001 - of this module

    def _take(self) -> ActivatedJob:
        """Activate this very job; the others of its type are given back."""
        if self._activated is None:
            core = self._engine.core
            found = core.activate_jobs(self.type, worker=WORKER, timeout_ms=JOB_MS, max_jobs=1_000_000)
            core.jobs.give_back([job for job in found if job.key != self.key])
            self._activated = next((job for job in found if job.key == self.key), None)
            if self._activated is None:
                raise AssertionError(f"{self!r} does not wait any more.\n{self.instance.story}")
        return self._activated


class Incident:
    """Something that keeps an instance from going on.

    Args:
        engine: The engine of the test.
        view: What is known of it.
    """

    def __init__(self, engine: Engine, view: IncidentView) -> None:
        self._engine = engine
        self._view = view
        self.type = view.type
        self.message = view.message
        self.element_id = view.element_id

    def __str__(self) -> str:
        return f"{self.type} at {self.element_id}: {self.message}"

    def resolve(self, *, retries: int = 1) -> None:
        """Do the step again; a job gets so many tries."""
        if self._view.job_key:
            self._engine.core.update_job_retries(self._view.job_key, retries)
        self._engine.core.resolve_incident(self._view.key)
        self._engine._changed()  # noqa: SLF001 - of this module
