"""Serve an engine over Zeebe's gateway protocol, for every client that speaks gRPC to a cluster."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import wraps
from types import TracebackType
from typing import Any, Self, TypeVar

from zeebe_connectors.engine.core import Engine
from zeebe_connectors.engine.definitions import BPMN_SUFFIXES, Definition, Deployment, Stored
from zeebe_connectors.engine.flow.instances import ProcessInstance, State
from zeebe_connectors.engine.host import Host
from zeebe_connectors.engine.jobs import ActivatedJob, Stream, check_worker
from zeebe_connectors.engine.payloads import parse_variables, to_json
from zeebe_connectors.engine.rejections import Rejection, RejectionCode
from zeebe_connectors.rpc.gateway_protocol import METHODS, pb
from zeebe_connectors.rpc.server import Method, Server
from zeebe_connectors.rpc.status import RpcError, Status

log = logging.getLogger(__name__)
TENANT = "<default>"
GATEWAY_VERSION = "8.8.0"
MAX_REQUEST_BYTES = 4 * 1024 * 1024
_MAX_CALLS = 20_000
"""Calls of one client at the same time."""
_DEFAULT_LONG_POLL_SECONDS = 10.0
_DEFAULT_RESULT_SECONDS = 15.0
_MAX_SECONDS = 24 * 3600.0
_STREAM_ROOM = 256
_CODES = {
    RejectionCode.INVALID_ARGUMENT: Status.INVALID_ARGUMENT,
    RejectionCode.NOT_FOUND: Status.NOT_FOUND,
    RejectionCode.INVALID_STATE: Status.FAILED_PRECONDITION,
    RejectionCode.ALREADY_EXISTS: Status.ALREADY_EXISTS,
    RejectionCode.UNIMPLEMENTED: Status.UNIMPLEMENTED,
}
_NOT_HERE = "is not implemented by the local engine; a cluster may do it"
R = TypeVar("R")
Handler = Callable[[Any, Any], Awaitable[R]]


def _refusing(handler: Handler[R]) -> Handler[R]:
    """Turn a rejection into the status of its call."""

    @wraps(handler)
    async def answer(self: Any, request: Any) -> R:
        try:
            return await handler(self, request)
        except Rejection as rejection:
            raise RpcError(_CODES[rejection.code], rejection.message) from None

    return answer


def _check_tenant(*tenants: str, code: RejectionCode = RejectionCode.INVALID_ARGUMENT) -> None:
    """Refuse any other tenant, as a cluster without multi-tenancy does."""
    for tenant in tenants:
        if tenant and tenant != TENANT:
            raise Rejection(
                code,
                f"Expected to handle the request with tenant identifier '{tenant}', but multi-tenancy is disabled: "
                f"leave it out, or use '{TENANT}'",
            )


def _process(definition: Definition) -> Any:
    return pb.ProcessMetadata(
        bpmnProcessId=definition.bpmn_process_id,
        version=definition.version,
        processDefinitionKey=definition.key,
        resourceName=definition.resource.name,
        tenantId=TENANT,
    )


def _stored(stored: Stored) -> Any:
    match stored.kind:
        case "form":
            return pb.Deployment(
                form=pb.FormMetadata(
                    formId=stored.id, version=stored.version, formKey=stored.key,
                    resourceName=stored.resource.name, tenantId=TENANT,
                )
            )  # fmt: skip
        case "decision":
            return pb.Deployment(
                decision=pb.DecisionMetadata(
                    dmnDecisionId=stored.id, dmnDecisionName=stored.name, version=stored.version,
                    decisionKey=stored.key, dmnDecisionRequirementsId=stored.parent_id,
                    decisionRequirementsKey=stored.parent_key, tenantId=TENANT,
                )
            )  # fmt: skip
    return pb.Deployment(
        decisionRequirements=pb.DecisionRequirementsMetadata(
            dmnDecisionRequirementsId=stored.id, dmnDecisionRequirementsName=stored.name, version=stored.version,
            decisionRequirementsKey=stored.key, resourceName=stored.resource.name, tenantId=TENANT,
        )
    )  # fmt: skip


def _job(job: ActivatedJob) -> Any:
    return pb.ActivatedJob(
        key=job.key,
        type=job.type,
        processInstanceKey=job.process_instance_key,
        bpmnProcessId=job.bpmn_process_id,
        processDefinitionVersion=job.process_definition_version,
        processDefinitionKey=job.process_definition_key,
        elementId=job.element_id,
        elementInstanceKey=job.element_instance_key,
        customHeaders=job.headers,
        worker=job.worker,
        retries=job.retries,
        deadline=job.deadline_ms,
        variables=job.variables,
        tenantId=TENANT,
    )


class Servicer:
    """Answers the calls of the gateway protocol."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.port = 0

    @property
    def _engine(self) -> Engine:
        return self._host.engine

    # --- the cluster

    @_refusing
    async def Topology(self, request: Any) -> Any:  # noqa: ARG002, N802 - the protocol's names
        """Describe a cluster of one broker with one partition."""
        partition = pb.Partition(partitionId=1, role=pb.Partition.LEADER, health=pb.Partition.HEALTHY)
        broker = pb.BrokerInfo(
            nodeId=0, host="127.0.0.1", port=self.port, partitions=[partition], version=GATEWAY_VERSION
        )
        answer = pb.TopologyResponse(
            brokers=[broker], clusterSize=1, partitionsCount=1, replicationFactor=1, gatewayVersion=GATEWAY_VERSION
        )
        # The generated messages lack the field; on the wire it is a text (type 2) with the number 6.
        identity = self._engine.identity.encode()
        answer.MergeFromString(bytes([6 << 3 | 2, len(identity)]) + identity)
        return answer

    @_refusing
    async def DeployResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's names
        """Deploy resources."""
        _check_tenant(request.tenantId)
        resources = [(resource.name, resource.content) for resource in request.resources]
        deployment: Deployment = await self._host.do(lambda: self._engine.deploy(resources))
        answers = [pb.Deployment(process=_process(definition)) for definition in deployment.processes]
        answers += [_stored(stored) for stored in deployment.stored]
        return pb.DeployResourceResponse(key=deployment.key, deployments=answers, tenantId=TENANT)

    @_refusing
    async def DeployProcess(self, request: Any) -> Any:  # noqa: N802 - the protocol's names
        """Deploy processes, the way older clients do."""
        resources = [
            (file.name if file.name.lower().endswith(BPMN_SUFFIXES) else f"{file.name}.bpmn", file.definition)
            for file in request.processes
        ]
        deployment: Deployment = await self._host.do(lambda: self._engine.deploy(resources))
        return pb.DeployProcessResponse(
            key=deployment.key, processes=[_process(definition) for definition in deployment.processes]
        )

    # --- process instances

    def _create(self, request: Any, on_end: Callable[[ProcessInstance], None] | None = None) -> ProcessInstance:
        _check_tenant(request.tenantId)
        return self._engine.create_instance(
            request.bpmnProcessId,
            version=request.version,
            definition_key=request.processDefinitionKey,
            variables=parse_variables(request.variables),
            start_at=[instruction.elementId for instruction in request.startInstructions],
            on_end=on_end,
        )

    @_refusing
    async def CreateProcessInstance(self, request: Any) -> Any:  # noqa: N802 - the protocol's names
        """Start a process."""
        process: ProcessInstance = await self._host.do(lambda: self._create(request))
        definition = process.definition
        return pb.CreateProcessInstanceResponse(
            processDefinitionKey=definition.key, bpmnProcessId=definition.bpmn_process_id, version=definition.version,
            processInstanceKey=process.key, tenantId=TENANT,
        )  # fmt: skip

    @_refusing
    async def CreateProcessInstanceWithResult(self, request: Any) -> Any:  # noqa: N802 - the protocol's names
        """Start a process, and answer with its variables when it has completed."""
        ended: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        def on_end(process: ProcessInstance) -> None:
            if not ended.done():
                ended.set_result(process.root.variables or {})

        process: ProcessInstance = await self._host.do(lambda: self._create(request.request, on_end))
        seconds = request.requestTimeout / 1000 if request.requestTimeout > 0 else _DEFAULT_RESULT_SECONDS
        try:
            async with asyncio.timeout(min(seconds, _MAX_SECONDS)):
                variables = await ended
        except TimeoutError:
            raise RpcError(
                Status.DEADLINE_EXCEEDED,
                f"The process instance '{process.key}' did not complete within {seconds:.1f} s",
            ) from None
        finally:
            self._engine.no_longer_await(process.key)
        await self._host.saved()
        if process.state is not State.COMPLETED:
            raise RpcError(
                Status.ABORTED,
                f"The process instance '{process.key}' was terminated before it completed",
            )
        if request.fetchVariables:
            variables = {name: variables[name] for name in request.fetchVariables if name in variables}
        definition = process.definition
        return pb.CreateProcessInstanceWithResultResponse(
            processDefinitionKey=definition.key, bpmnProcessId=definition.bpmn_process_id, version=definition.version,
            processInstanceKey=process.key, variables=to_json(variables), tenantId=TENANT,
        )  # fmt: skip

    @_refusing
    async def CancelProcessInstance(self, request: Any) -> Any:  # noqa: N802 - the protocol's names
        """End a process instance."""
        await self._host.do(lambda: self._engine.cancel_instance(request.processInstanceKey))
        return pb.CancelProcessInstanceResponse()

    @_refusing
    async def SetVariables(self, request: Any) -> Any:  # noqa: N802 - the protocol's names
        """Set variables of a scope."""
        variables = parse_variables(request.variables)
        key: int = await self._host.do(
            lambda: self._engine.set_variables(request.elementInstanceKey, variables, local=request.local)
        )
        return pb.SetVariablesResponse(key=key)

    @_refusing
    async def ResolveIncident(self, request: Any) -> Any:  # noqa: N802 - the protocol's names
        """Retry the step of an incident."""
        await self._host.do(lambda: self._engine.resolve_incident(request.incidentKey))
        return pb.ResolveIncidentResponse()

    # --- messages and signals

    @_refusing
    async def PublishMessage(self, request: Any) -> Any:  # noqa: N802 - the protocol's names
        """Publish a message."""
        _check_tenant(request.tenantId, code=RejectionCode.NOT_FOUND)  # as in the protocol's documentation
        variables = parse_variables(request.variables)
        key: int = await self._host.do(
            lambda: self._engine.publish_message(
                request.name, request.correlationKey, variables=variables, ttl_ms=request.timeToLive,
                message_id=request.messageId,
            )
        )  # fmt: skip
        return pb.PublishMessageResponse(key=key, tenantId=TENANT)

    @_refusing
    async def BroadcastSignal(self, request: Any) -> Any:  # noqa: N802 - the protocol's names
        """Broadcast a signal."""
        _check_tenant(request.tenantId, code=RejectionCode.NOT_FOUND)  # as in the protocol's documentation
        variables = parse_variables(request.variables)
        key: int = await self._host.do(lambda: self._engine.broadcast_signal(request.signalName, variables))
        return pb.BroadcastSignalResponse(key=key, tenantId=TENANT)

    # --- jobs

    async def ActivateJobs(self, request: Any) -> AsyncIterator[Any]:  # noqa: N802 - the protocol's names
        """Activate jobs for a worker, now or as soon as there is one."""
        try:
            _check_tenant(*request.tenantIds)
            check_worker(request.type, request.timeout, worker=request.worker, max_jobs=request.maxJobsToActivate)
        except Rejection as rejection:
            raise RpcError(_CODES[rejection.code], rejection.message) from None
        loop = asyncio.get_running_loop()
        seconds = _DEFAULT_LONG_POLL_SECONDS if request.requestTimeout == 0 else request.requestTimeout / 1000
        until = loop.time() + min(seconds, _MAX_SECONDS)
        while True:
            jobs = await self._activate(request)
            if jobs:
                try:
                    yield pb.ActivateJobsResponse(jobs=[_job(job) for job in jobs])
                except BaseException:
                    self._engine.jobs.give_back(jobs)
                    raise
                return
            left = until - loop.time()
            if left <= 0 or not await self._host.job_available(request.type, left):
                return

    async def _activate(self, request: Any) -> Sequence[ActivatedJob]:
        engine = self._engine
        if not engine.jobs.has_activatable(request.type):
            return ()
        jobs = engine.activate_jobs(
            request.type, worker=request.worker, timeout_ms=request.timeout, max_jobs=request.maxJobsToActivate,
            fetch=request.fetchVariable,
        )  # fmt: skip
        try:
            await self._host.saved()
        except asyncio.CancelledError:
            self._engine.jobs.give_back(jobs)
            raise
        return jobs

    async def StreamActivatedJobs(self, request: Any) -> AsyncIterator[Any]:  # noqa: N802 - the protocol's names
        """Push jobs to a worker as they become activatable."""
        try:
            _check_tenant(*request.tenantIds)
            check_worker(request.type, request.timeout)
        except Rejection as rejection:
            raise RpcError(_CODES[rejection.code], rejection.message) from None
        waiting: asyncio.Queue[ActivatedJob] = asyncio.Queue()
        stream = Stream(
            request.type, request.worker, request.timeout, request.fetchVariable,
            lambda: waiting.qsize() < _STREAM_ROOM, waiting.put_nowait,
        )  # fmt: skip
        jobs = self._engine.jobs
        jobs.open_stream(stream)
        undelivered: list[ActivatedJob] = []
        try:
            while True:
                job = await waiting.get()
                undelivered.append(job)
                await self._host.saved()
                yield _job(job)
                undelivered.clear()
        finally:
            while not waiting.empty():
                undelivered.append(waiting.get_nowait())
            jobs.close_stream(stream)
            self._engine.jobs.give_back(undelivered)

    @_refusing
    async def CompleteJob(self, request: Any) -> Any:  # noqa: N802 - the protocol's names
        """Complete a job."""
        variables = parse_variables(request.variables)
        await self._host.do(lambda: self._engine.complete_job(request.jobKey, variables))
        return pb.CompleteJobResponse()

    @_refusing
    async def FailJob(self, request: Any) -> Any:  # noqa: N802 - the protocol's names
        """Fail a job."""
        variables = parse_variables(request.variables)
        await self._host.do(
            lambda: self._engine.fail_job(
                request.jobKey, request.retries, request.errorMessage, backoff_ms=request.retryBackOff,
                variables=variables,
            )
        )  # fmt: skip
        return pb.FailJobResponse()

    @_refusing
    async def ThrowError(self, request: Any) -> Any:  # noqa: N802 - the protocol's names
        """Throw an error from a job."""
        variables = parse_variables(request.variables)
        await self._host.do(
            lambda: self._engine.throw_error(request.jobKey, request.errorCode, request.errorMessage, variables)
        )
        return pb.ThrowErrorResponse()

    @_refusing
    async def UpdateJobRetries(self, request: Any) -> Any:  # noqa: N802 - the protocol's names
        """Set a job's retries."""
        await self._host.do(lambda: self._engine.update_job_retries(request.jobKey, request.retries))
        return pb.UpdateJobRetriesResponse()

    @_refusing
    async def UpdateJobTimeout(self, request: Any) -> Any:  # noqa: N802 - the protocol's names
        """Set a job's deadline."""
        await self._host.do(lambda: self._engine.update_job_timeout(request.jobKey, request.timeout))
        return pb.UpdateJobTimeoutResponse()

    # --- what only a cluster does

    @_refusing
    async def EvaluateDecision(self, request: Any) -> Any:  # noqa: ARG002, N802 - the protocol's names
        """Refuse: decisions are stored but not evaluated."""
        raise Rejection(RejectionCode.UNIMPLEMENTED, f"EvaluateDecision {_NOT_HERE}")

    @_refusing
    async def DeleteResource(self, request: Any) -> Any:  # noqa: ARG002, N802 - the protocol's names
        """Refuse: deployed resources cannot be deleted."""
        raise Rejection(RejectionCode.UNIMPLEMENTED, f"DeleteResource {_NOT_HERE}")

    @_refusing
    async def MigrateProcessInstance(self, request: Any) -> Any:  # noqa: ARG002, N802 - the protocol's names
        """Refuse: an instance keeps its version."""
        raise Rejection(RejectionCode.UNIMPLEMENTED, f"MigrateProcessInstance {_NOT_HERE}")

    @_refusing
    async def ModifyProcessInstance(self, request: Any) -> Any:  # noqa: ARG002, N802 - the protocol's names
        """Refuse: a token moves only along the flows."""
        raise Rejection(RejectionCode.UNIMPLEMENTED, f"ModifyProcessInstance {_NOT_HERE}")


class Gateway:
    """A gRPC server for an engine that a host runs.

    Args:
        host: The running host.
        address: Where to listen, such as `127.0.0.1:26500`; port 0 picks a free one.
    """

    def __init__(self, host: Host, address: str = "127.0.0.1:0") -> None:
        self._servicer = Servicer(host)
        self._wanted = address
        self._server: Server | None = None
        self.port = 0

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"{self._wanted.rpartition(':')[0]}:{self.port}"

    async def __aenter__(self) -> Self:
        """Start listening.

        Raises:
            OSError: The address is taken.
        """
        methods = {
            method.path: Method(handler, method.parse_request, streams=method.streams)
            for name, method in METHODS.items()
            if (handler := getattr(self._servicer, name, None)) is not None
        }
        server = Server(methods, limit=MAX_REQUEST_BYTES, max_calls=_MAX_CALLS)
        host, _, port = self._wanted.rpartition(":")
        try:
            self.port = await server.listen(host.strip("[]"), int(port))
        except OSError as error:
            raise OSError(f"Cannot listen at {self._wanted}: {error.strerror or error}") from None
        self._servicer.port = self.port
        self._server = server
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            await self._server.stop()
            self._server = None


def serve(host: Host, address: str = "127.0.0.1:0") -> Gateway:
    """Return a server to be used as an asynchronous context manager; see `Gateway`."""
    return Gateway(host, address)
