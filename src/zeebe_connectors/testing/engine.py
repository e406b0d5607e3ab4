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
from zeebe_connectors.runtime.gateway import Deployed
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Outcome, Throw
from zeebe_connectors.sdk.connector import Outbound
from zeebe_connectors.sdk.durations import parse_duration
from zeebe_connectors.testing.cluster import EngineCluster
from zeebe_connectors.testing.connectors import Connectors
from zeebe_connectors.testing.instance import Instance, WaitingJob

MAX_ROUNDS = 1_000
"""Times that connectors work before a process that never comes to rest counts as a fault."""
_NEVER_AT_REST = f"The connectors still had jobs after {MAX_ROUNDS} rounds: does a process run in a circle?"


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
        """Close what the connectors opened, and the engine."""
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
        """Let connectors carry out their jobs for real; those that start processes or send messages do it in here.

        Args:
            connectors: Names of installed ones, such as `rest`, or what `@outbound` made.
            secrets: Values by name, besides those that are known.
            providers: What `providers.yaml` has under `providers`, besides those that are known.
            environment: The providers' environment in force.

        Raises:
            LookupError: There is no such connector, or what it needs is not installed.
        """
        self._secrets.update(secrets or {})
        self._connectors.know(providers or {}, environment)
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
        self.changed()
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
        """Publish a message; `time_to_live` in seconds, for those that begin to wait later.

        Raises:
            Rejection: It has no name, or one with its id is there.
        """
        self.core.publish_message(
            name, key, variables=variables, ttl_ms=round(time_to_live * 1000), message_id=message_id
        )
        self.changed()

    def broadcast(self, signal: str, variables: Mapping[str, Any] | None = None) -> None:
        """Broadcast a signal."""
        self.core.broadcast_signal(signal, variables)
        self.changed()

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
            stories = "\n".join(one.story for one in self.instances)
            raise AssertionError(f"No job {name!r} is waiting, only: {', '.join(there) or 'none at all'}\n{stories}")
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
            # No answer before all have ended: until then the engine is theirs, for processes and messages.
            outcomes = [future.result() for _, future in work]
            for (job, _), outcome in zip(work, outcomes, strict=True):
                self._answer(job, outcome)
        raise RuntimeError(_NEVER_AT_REST)

    async def settled(self) -> None:
        """Let the connectors work until none has a job, while the test's own loop goes on.

        Raises:
            RuntimeError: They do not come to rest.
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
        """After a command: let the connectors work, where they do so at once."""
        if self._at_once and not self._settling:
            self._settling = True
            try:
                self.settle()
            finally:
                self._settling = False
