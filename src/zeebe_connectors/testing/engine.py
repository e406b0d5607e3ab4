"""Run processes inside a test, without network or other OS processes, and check what they did.

    def test_an_order_is_paid():
        with Engine() as engine:
            engine.deploy("order.bpmn")
            order = engine.start("order", {"id": 1})
            engine.job("pay").complete({"paid": True})
            order.assert_completed()
            order.assert_passed("pay", "ship")
            assert order.variables["paid"] is True

Jobs are answered by the test, or by connectors that do what they do in production (`use`). Time stands still until the
test moves it (`advance`). A failed assertion prints the path that the process took.
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
from zeebe_connectors.runtime.gateway import Deployed
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Outcome, Throw
from zeebe_connectors.sdk.connector import Outbound
from zeebe_connectors.sdk.durations import parse_duration
from zeebe_connectors.testing.cluster import EngineCluster
from zeebe_connectors.testing.connectors import Connectors
from zeebe_connectors.testing.instance import Instance, WaitingJob

MAX_ROUNDS = 1_000
"""Maximum rounds of work for the connectors, after which the process counts as an endless loop."""
_NEVER_AT_REST = f"The connectors still had jobs after {MAX_ROUNDS} rounds: does a process run in a circle?"


class Engine:
    """The local engine inside a test, in memory, with time that stands still.

    With `with Engine() as engine`, connectors work at once, whenever a command offers them a job. In an asynchronous
    test, whose own loop runs the servers that connectors call, use `async with`, and let the connectors work with
    `await engine.settled()`.

    Args:
        connectors: Connectors, or names of installed ones, that handle their jobs; see `use`.
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
        self._cluster = EngineCluster(self.core, self._until_at_rest)
        self._connectors = Connectors(self.core, self._secrets, tuple(files), self._cluster)
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
        """Closes what the connectors opened, and the engine."""
        self._connectors.close()
        self.core.close()

    # --- setting up

    def use(
        self,
        *connectors: str | Outbound,
        secrets: Mapping[str, str] | None = None,
        providers: Mapping[str, Any] | None = None,
        environment: str = "",
    ) -> Self:
        """Lets connectors really handle their jobs; processes and messages that they start or send stay in this engine.

        Args:
            connectors: Names of installed connectors, such as `rest`, or results of `@outbound`.
            secrets: Further secrets: values by name.
            providers: Further providers: the content of `providers` in `providers.yaml`.
            environment: The providers' environment in force.

        Raises:
            LookupError: There is no such connector, or what it needs is not installed.
        """
        self._secrets.update(secrets or {})
        self._connectors.know(providers or {}, environment)
        self._connectors.add(connectors)
        return self

    def deploy(self, *files: str | Path, **texts: str | bytes) -> list[str]:
        """Deploys diagrams together; returns the ids of their processes.

        Args:
            files: Paths.
            texts: Diagrams as text instead of files, by name: `order="<definitions …"`.

        Raises:
            Rejection: One is invalid, or holds elements that the local engine cannot run.
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
        self.changed()
        return found

    # --- what happens

    def start(
        self, process_id: str | None = None, variables: Mapping[str, Any] | None = None, *, at: Sequence[str] = ()
    ) -> Instance:
        """Starts a process.

        Args:
            process_id: Its id; optional if only one process is deployed.
            variables: Its initial variables.
            at: Ids of elements to start before, instead of the start event.

        Raises:
            Rejection: There is no such process, or it cannot start there.
        """
        if process_id is None:
            if len(self.process_ids) != 1:
                raise LookupError(f"{len(self.process_ids)} processes are deployed: say which one to start")
            (process_id,) = self.process_ids
        process = self.core.create_instance(process_id, variables=variables, start_at=at)
        self.changed()
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
        """Publishes a message; `time_to_live` is in seconds, for instances that start waiting later.

        Raises:
            Rejection: It has no name, or a message with its id exists.
        """
        self.core.publish_message(
            name, key, variables=variables, ttl_ms=round(time_to_live * 1000), message_id=message_id
        )
        self.changed()

    def broadcast(self, signal: str, variables: Mapping[str, Any] | None = None) -> None:
        """Broadcasts a signal."""
        self.core.broadcast_signal(signal, variables)
        self.changed()

    def advance(self, time: str | float | timedelta) -> None:
        """Moves the clock forward; every timer that becomes due on the way fires at its own time, in order.

        Args:
            time: As in a diagram (`PT2H`, `P3D`), seconds, or a `timedelta`.
        """
        if isinstance(time, str):
            seconds = parse_duration(time)
        else:
            seconds = time.total_seconds() if isinstance(time, timedelta) else float(time)
        self.core.advance(seconds)
        self.changed()

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
        """Returns the newest instance of a process, however it was started.

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
        """The waiting jobs, the oldest first."""
        return [WaitingJob(self, view) for view in self.core.queries.jobs() if view.state == "ACTIVATABLE"]

    def job(self, name: str) -> WaitingJob:
        """Returns the oldest waiting job, by its task's id or by its type.

        Raises:
            AssertionError: There is none; the message lists the waiting jobs.
        """
        found = next((job for job in self.jobs if name in {job.element_id, job.type}), None)
        if found is None:
            there = [f"{job.element_id} (type {job.type})" for job in self.jobs]
            stories = "\n".join(one.story for one in self.instances)
            raise AssertionError(f"No job {name!r} is waiting, only: {', '.join(there) or 'none at all'}\n{stories}")
        return found

    # --- connectors

    def settle(self) -> None:
        """Lets the connectors work until none has a job.

        Raises:
            RuntimeError: They never finish.
        """
        for _ in range(MAX_ROUNDS):
            work = self._connectors.begin()
            if not work:
                return
            # Answer only when all have ended: until then the connectors use the engine, for processes and messages.
            outcomes = [future.result() for _, future in work]
            for (job, _), outcome in zip(work, outcomes, strict=True):
                self._answer(job, outcome)
        raise RuntimeError(_NEVER_AT_REST)

    async def settled(self) -> None:
        """Lets the connectors work until none has a job, while the test's own loop continues.

        Raises:
            RuntimeError: They never finish.
        """
        self._cluster.home = asyncio.get_running_loop()
        try:
            await self._until_at_rest()
        finally:
            self._cluster.home = None

    async def _until_at_rest(self) -> None:
        for _ in range(MAX_ROUNDS):
            work = self._connectors.begin()
            if not work:
                return
            for job, future in work:
                self._answer(job, await asyncio.wrap_future(future))
        raise RuntimeError(_NEVER_AT_REST)

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

    def changed(self) -> None:
        """Lets the connectors work after a command, unless the test waits for them itself."""
        if self._at_once and not self._settling:
            self._settling = True
            try:
                self.settle()
            finally:
                self._settling = False
