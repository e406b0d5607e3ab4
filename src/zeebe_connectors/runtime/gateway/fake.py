"""Imitate an engine in memory, for tests: it hands a test's jobs to workers, and records and obeys their commands.

It follows the real engine's rules as far as a worker can notice: a job belongs to the worker that activated it until
its deadline and is offered again afterwards; a failed job with retries left is offered again after its back-off; an
answer to a job that is gone is `NOT_FOUND`. It can be made to misbehave: see `FakeGateway.refuse`, `slow`, `stop` and
`break_streams`. Everything runs on one event loop, without sockets.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from zeebe_connectors.runtime.gateway import Activation, Command, Deployed, GatewayError, Topology
from zeebe_connectors.sdk.context import Job

State = Literal["waiting", "active", "completed", "incident", "thrown"]


@dataclass(slots=True)
class FakeJob:
    """One job of the engine, for a test to inspect.

    `state` is `waiting` (may be activated), `active` (a worker has it), `completed`, `incident` (failed with no retries
    left) or `thrown` (ended by a BPMN error).
    """

    key: int
    type: str
    variables: dict[str, Any]
    headers: dict[str, str]
    retries: int
    tenant: str
    element: str
    state: State = "waiting"
    deadline: float = 0.0
    """When an active job is offered again, in seconds of `time.monotonic()`."""
    not_before: float = 0.0
    """When a failed job is offered again after its back-off."""
    activations: int = 0
    result: dict[str, Any] = field(default_factory=dict)
    """Variables of the command that ended or last failed the job."""
    error: str = ""
    """Message of the last failure, or code of the BPMN error."""


@dataclass(slots=True)
class _Fault:
    command: str
    status: str
    message: str
    skip: int
    times: int
    applied: bool


class FakeGateway:
    """A `Gateway` for tests, in memory.

    Example:
        ```python
        gateway = FakeGateway()
        key = gateway.put("io.camunda:http-json:1", {"url": "http://localhost"}, {"resultVariable": "answer"})
        ...  # let a worker run
        assert gateway.jobs[key].state == "completed"
        ```

    Args:
        max_bytes: Maximum bytes of an activation's answer; more is refused as by gRPC, and the jobs stay activated.
    """

    def __init__(self, *, max_bytes: int | None = None) -> None:
        self.jobs: dict[int, FakeJob] = {}
        self.commands: list[Command] = []
        """Every command in the order of arrival, including refused ones."""
        self.messages: dict[int, Command] = {}
        """Published messages by their key."""
        self.instances: dict[int, Command] = {}
        """Created process instances by their key."""
        self.results: dict[str, dict[str, Any] | None] = {}
        """The variables with which processes end, by process id; None for one that never ends."""
        self.deployed: dict[str, bytes] = {}
        self.max_active = 0
        """The maximum number of jobs that were active at the same time."""
        self.max_bytes = max_bytes
        self.cluster = ""
        """The cluster's id in its topology."""
        self.closed = False
        self._waiting: dict[str, deque[FakeJob]] = {}
        self._active = 0
        self._later: set[asyncio.TimerHandle] = set()
        self._faults: list[_Fault] = []
        self._delays: dict[str, float] = {}
        self._stopped = ""
        self._changed: set[asyncio.Future[None]] = set()
        self._streams: list[_Stream] = []
        self._next_key = 2251799813685249
        self._message_ids: dict[tuple[str, str, str, str], float] = {}

    # What a test does

    def put(
        self,
        type_: str,
        variables: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        retries: int = 3,
        tenant: str = "<default>",
        element: str = "Task",
    ) -> int:
        """Adds a job that waits to be activated; returns its key."""
        job = FakeJob(self._key(), type_, dict(variables or {}), dict(headers or {}), retries, tenant, element)
        self.jobs[job.key] = job
        self._offer(job)
        return job.key

    def refuse(
        self, command: str, status: str, message: str = "", *, skip: int = 0, times: int = 1, applied: bool = False
    ) -> None:
        """Answers the next calls of a command with a gRPC status.

        Args:
            command: Name of the gateway's method, such as `complete`; `*` stands for all.
            status: Name of the status, such as `RESOURCE_EXHAUSTED`.
            message: What the gateway says with it.
            skip: Calls that succeed before.
            times: Calls that are refused.
            applied: The command takes effect and only its answer is lost.
        """
        self._faults.append(_Fault(command, status, message or f"refused by the test ({status})", skip, times, applied))

    def slow(self, command: str, seconds: float) -> None:
        """Lets every call of a command take this long."""
        self._delays[command] = seconds

    def stop(self, status: str = "UNAVAILABLE") -> None:
        """Answers everything with this status and breaks streams, until `start`. Jobs and deadlines stay."""
        self._stopped = status
        self.break_streams(status)
        self._wake()

    def start(self) -> None:
        """Answers again after `stop`."""
        self._stopped = ""
        self._wake()

    def break_streams(self, status: str = "UNAVAILABLE") -> None:
        """Ends every open stream with this status; `OK` ends them without an error."""
        for stream in list(self._streams):
            stream.end(status)

    def take_back(self, key: int) -> None:
        """Lets an active job's deadline pass now, so that it is offered again."""
        job = self.jobs[key]
        if job.state == "active":
            self._expire(job)

    def count(self, name: str) -> int:
        """Returns how often a command arrived, including refused ones."""
        return sum(1 for command in self.commands if command.name == name)

    def states(self) -> Counter[str]:
        """Returns how many jobs are in each state."""
        return Counter(job.state for job in self.jobs.values())

    async def until(self, state: State, count: int, *, within: float = 10.0) -> None:
        """Waits until this many jobs are in a state.

        Raises:
            TimeoutError: That did not happen; the message says how many jobs are in each state.
        """
        try:
            async with asyncio.timeout(within):
                while self.states()[state] < count:
                    await self._change()
        except TimeoutError:
            raise TimeoutError(f"not {count} jobs {state} within {within} s: {dict(self.states())}") from None

    # The protocol

    async def activate(self, activation: Activation, *, max_jobs: int, wait: float) -> Sequence[Job]:
        """See `Gateway.activate`."""
        self._record("activate", type=activation.type, max_jobs=max_jobs, wait=wait)
        fault = await self._enter("activate")
        ends = time.monotonic() + wait
        while not (taken := self._take(activation, max_jobs)):
            left = ends - time.monotonic()
            if left <= 0:
                break
            try:
                async with asyncio.timeout(left):
                    await self._change()
            except TimeoutError:
                break
            self._check_running()
        if self.max_bytes is not None:
            size = sum(len(job.variables) for job in taken)
            if size > self.max_bytes:
                raise GatewayError(
                    "RESOURCE_EXHAUSTED", f"Received message larger than max ({size} vs {self.max_bytes})"
                )
        self._leave(fault)
        return taken

    async def stream(self, activation: Activation) -> AsyncGenerator[Job, None]:
        """See `Gateway.stream`; like the engine, it pushes only jobs that become ready while it is open."""
        self._record("stream", type=activation.type)
        self._leave(await self._enter("stream"))
        stream = _Stream(activation)
        self._streams.append(stream)
        try:
            while (job := await stream.next()) is not None:
                yield job
        finally:
            self._streams.remove(stream)

    @property
    def open_streams(self) -> int:
        """The number of open streams."""
        return len(self._streams)

    async def complete(self, job: int, payload: str) -> None:
        """See `Gateway.complete`."""
        self._record("complete", job, variables=_parse(payload))
        fault = await self._enter("complete")
        self._end(self._find(job), "completed", _parse(payload))
        self._leave(fault)

    async def fail(self, job: int, *, retries: int, message: str, backoff: float, payload: str) -> None:
        """See `Gateway.fail`."""
        variables = _parse(payload)
        self._record("fail", job, retries=retries, message=message, backoff=backoff, variables=variables)
        fault = await self._enter("fail")
        found = self._find(job)
        found.retries = retries
        found.error = message
        if retries <= 0:
            self._end(found, "incident", variables)
        else:
            found.result = variables
            self._release(found, backoff)
        self._leave(fault)

    async def throw(self, job: int, *, code: str, message: str, payload: str) -> None:
        """See `Gateway.throw`."""
        self._record("throw", job, code=code, message=message, variables=_parse(payload))
        fault = await self._enter("throw")
        found = self._find(job)
        found.error = code
        self._end(found, "thrown", _parse(payload))
        self._leave(fault)

    async def update_timeout(self, job: int, seconds: float) -> None:
        """See `Gateway.update_timeout`."""
        self._record("update_timeout", job, seconds=seconds)
        fault = await self._enter("update_timeout")
        found = self._find(job)
        if found.state != "active":
            raise GatewayError("NOT_FOUND", f"no active job with key {job}")
        self._lend(found, seconds)
        self._leave(fault)

    async def publish(
        self, name: str, *, correlation_key: str, message_id: str, time_to_live: float, payload: str, tenant: str
    ) -> int:
        """See `Gateway.publish`; a message id is remembered for its time to live."""
        data = {"name": name, "correlation_key": correlation_key, "message_id": message_id, "tenant": tenant}
        command = Command("publish", 0, {**data, "time_to_live": time_to_live, "variables": _parse(payload)})
        self.commands.append(command)
        fault = await self._enter("publish")
        if message_id:
            identity = (name, correlation_key, message_id, tenant)
            if self._message_ids.get(identity, 0.0) > time.monotonic():
                raise GatewayError("ALREADY_EXISTS", f"a message with id '{message_id}' is already published")
            self._message_ids[identity] = time.monotonic() + time_to_live
        key = self._key()
        self.messages[key] = command
        self._leave(fault)
        return key

    async def create_instance(self, process: str, *, version: int = -1, payload: str = "{}", tenant: str = "") -> int:
        """See `Gateway.create_instance`; any process exists here."""
        self._record("create_instance", process=process, version=version, variables=_parse(payload), tenant=tenant)
        command = self.commands[-1]
        fault = await self._enter("create_instance")
        key = self._key()
        self.instances[key] = command
        self._leave(fault)
        return key

    async def run_process(
        self,
        process: str,
        *,
        version: int = -1,
        payload: str = "{}",
        seconds: float = 60.0,
        fetch: Sequence[str] = (),
        tenant: str = "",
    ) -> tuple[int, str]:
        """See `Gateway.run_process`; it ends with its variables in `results`, else with those that it began with.

        A process whose result is None never ends.
        """
        variables = _parse(payload)
        self._record("run_process", process=process, version=version, variables=variables, tenant=tenant)
        command = self.commands[-1]
        fault = await self._enter("run_process")
        key = self._key()
        self.instances[key] = command
        self._leave(fault)
        result = self.results.get(process, variables)
        if result is None:
            await asyncio.sleep(seconds)
            raise GatewayError("DEADLINE_EXCEEDED", "the process instance did not end within the time")
        return key, json.dumps({name: value for name, value in result.items() if not fetch or name in fetch})

    async def deploy(self, resources: Mapping[str, bytes], *, tenant: str = "") -> Sequence[Deployed]:
        """See `Gateway.deploy`; each resource becomes one process named like its file."""
        self._record("deploy", resources=sorted(resources), tenant=tenant)
        fault = await self._enter("deploy")
        self.deployed.update(resources)
        deployed = [Deployed(name.rsplit(".", 1)[0], 1, self._key(), name) for name in resources]
        self._leave(fault)
        return deployed

    async def topology(self) -> Topology:
        """See `Gateway.topology`."""
        self._record("topology")
        self._leave(await self._enter("topology"))
        return Topology(version="fake", brokers=1, partitions=1, healthy_partitions=1, cluster=self.cluster)

    async def aclose(self) -> None:
        """Ends streams and waiting polls."""
        self.closed = True
        self.stop("CANCELLED")
        for timer in self._later:
            timer.cancel()
        self._later.clear()

    # The engine inside

    def _key(self) -> int:
        self._next_key += 1
        return self._next_key

    def _record(self, command: str, job: int = 0, **data: Any) -> None:
        self.commands.append(Command(command, job, data))

    def _check_running(self) -> None:
        if self._stopped:
            raise GatewayError(self._stopped, "stopped by the test")

    async def _enter(self, command: str) -> _Fault | None:
        """Waits, refuses, or returns the fault to raise once the command took effect."""
        if delay := self._delays.get(command):
            await asyncio.sleep(delay)
        else:
            # A real gateway never answers within the same turn of the loop.
            await asyncio.sleep(0)
        self._check_running()
        for fault in self._faults:
            if fault.command not in {command, "*"}:
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self._faults.remove(fault)
            if fault.applied:
                return fault
            raise GatewayError(fault.status, fault.message)
        return None

    def _leave(self, fault: _Fault | None) -> None:
        if fault is not None:
            raise GatewayError(fault.status, fault.message)

    def _find(self, key: int) -> FakeJob:
        job = self.jobs.get(key)
        if job is None or job.state in {"completed", "thrown"}:
            raise GatewayError("NOT_FOUND", f"no such job was found with key '{key}'")
        if job.state == "incident" or job.not_before > time.monotonic():
            raise GatewayError("FAILED_PRECONDITION", f"the job with key '{key}' is in state 'FAILED'")
        return job

    def _offer(self, job: FakeJob) -> None:
        for stream in self._streams:
            if stream.wants(job):
                stream.push(self._activated(job, stream.activation))
                return
        self._waiting.setdefault(job.type, deque()).append(job)
        self._wake()

    def _take(self, activation: Activation, max_jobs: int) -> list[Job]:
        waiting = self._waiting.get(activation.type)
        taken: list[Job] = []
        others: list[FakeJob] = []
        while waiting and len(taken) < max_jobs:
            job = waiting.popleft()
            if not _is_for(job, activation):
                others.append(job)
            elif job.state == "waiting":
                taken.append(self._activated(job, activation))
        if waiting is not None:
            waiting.extendleft(reversed(others))
        return taken

    def _activated(self, job: FakeJob, activation: Activation) -> Job:
        job.state = "active"
        job.activations += 1
        self._active += 1
        self.max_active = max(self.max_active, self._active)
        self._lend(job, activation.timeout)
        names = activation.variables
        variables = {name: job.variables[name] for name in names if name in job.variables} if names else job.variables
        return Job(
            key=job.key,
            type=job.type,
            variables=json.dumps(variables),
            headers=dict(job.headers),
            retries=job.retries,
            deadline=job.deadline,
            process_instance_key=job.key + 1_000_000,
            process_definition_key=1,
            process_definition_version=1,
            bpmn_process_id="process",
            element_id=job.element,
            element_instance_key=job.key + 2_000_000,
            tenant_id=job.tenant,
        )

    def _lend(self, job: FakeJob, seconds: float) -> None:
        job.deadline = time.monotonic() + seconds
        self._at(seconds, lambda: self._expire_if_due(job))

    def _at(self, seconds: float, then: Callable[[], None]) -> None:
        def call() -> None:
            self._later.discard(timer)
            then()

        timer = asyncio.get_running_loop().call_later(seconds, call)
        self._later.add(timer)

    def _expire_if_due(self, job: FakeJob) -> None:
        # The timer of an earlier activation finds a later deadline.
        if job.state == "active" and job.deadline <= time.monotonic() + 0.001:
            self._expire(job)

    def _expire(self, job: FakeJob) -> None:
        self._release(job, 0.0)

    def _release(self, job: FakeJob, backoff: float) -> None:
        if job.state == "active":
            self._active -= 1
        elif job.state == "waiting":
            self._waiting[job.type].remove(job)
        job.state = "waiting"
        if backoff > 0:
            job.not_before = time.monotonic() + backoff
            self._at(backoff, lambda: self._recur(job))
        else:
            self._offer(job)

    def _recur(self, job: FakeJob) -> None:
        job.not_before = 0.0
        if job.state == "waiting":
            self._offer(job)

    def _end(self, job: FakeJob, state: State, variables: dict[str, Any]) -> None:
        if job.state == "active":
            self._active -= 1
        job.state = state
        job.result = variables
        self._wake()

    async def _change(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changed.add(future)
        try:
            await future
        finally:
            self._changed.discard(future)

    def _wake(self) -> None:
        for future in self._changed:
            if not future.done():
                future.set_result(None)


class _Stream:
    """One open stream: the pushed jobs that have not been read yet."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation
        self._pushed: asyncio.Queue[Job | str] = asyncio.Queue()

    def wants(self, job: FakeJob) -> bool:
        return job.type == self.activation.type and _is_for(job, self.activation)

    def push(self, job: Job) -> None:
        self._pushed.put_nowait(job)

    def end(self, status: str) -> None:
        self._pushed.put_nowait(status)

    async def next(self) -> Job | None:
        got = await self._pushed.get()
        if isinstance(got, Job):
            return got
        if got == "OK":
            return None
        raise GatewayError(got, "stream broken by the test")


def _is_for(job: FakeJob, activation: Activation) -> bool:
    return job.tenant in (activation.tenants or ("<default>",))


def _parse(payload: str) -> dict[str, Any]:
    variables = json.loads(payload)
    if not isinstance(variables, dict):
        raise GatewayError("INVALID_ARGUMENT", f"variables are not a JSON object but {type(variables).__name__}")
    return variables
