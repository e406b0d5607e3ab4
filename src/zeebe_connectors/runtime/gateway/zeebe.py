"""Talk to a Zeebe cluster over gRPC, for workers and sources."""

from __future__ import annotations

import functools
import json
import random
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.rpc.channel import Channel
from zeebe_connectors.rpc.gateway_protocol import METHODS, GatewayMethod, pb
from zeebe_connectors.rpc.status import RpcError, Status
from zeebe_connectors.runtime.gateway import Activation, Deployed, GatewayError, Topology
from zeebe_connectors.runtime.gateway.channel import Credentials, credentials, open_channel
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.text import sendable

_ACTIVATE = METHODS["ActivateJobs"]
_STREAM = METHODS["StreamActivatedJobs"]
_CLUSTER_ID = 6  # the field's number in TopologyResponse
STREAM_LIFETIME = 8 * 3600.0
"""Seconds after which a stream is renewed, so that its load can move to another gateway, as in official clients."""
STREAM_WINDOW = 16 * 1024
"""Bytes of pushed jobs that may wait unread; beyond that, the engine keeps jobs for pollers."""


class ZeebeGateway:
    """A `Gateway` to an engine that speaks the protocol: a cluster, or the local one.

    Create it inside a running event loop. Streams have a connection of their own, with a small window, because a worker
    at capacity does not read them, and the jobs in transit would age.

    Args:
        settings: The cluster.
        timeout: Seconds for each command; for a poll, in addition to the time that it waits.
    """

    def __init__(self, settings: ClusterSettings, *, timeout: float = 10.0) -> None:
        self.settings = settings
        self._timeout = timeout
        self._credentials: Credentials = credentials(settings)
        self._channel = open_channel(settings)
        self._stream_channel: Channel | None = None
        self._clock = _EngineClock()

    async def activate(self, activation: Activation, *, max_jobs: int, wait: float) -> Sequence[Job]:
        """See `Gateway.activate`."""
        request = pb.ActivateJobsRequest(
            type=activation.type,
            worker=activation.worker,
            timeout=_milliseconds(activation.timeout),
            maxJobsToActivate=max_jobs,
            fetchVariable=activation.variables,
            requestTimeout=_milliseconds(wait) if wait > 0 else -1,
            tenantIds=activation.tenants,
        )
        metadata = await self._credentials.metadata()
        jobs: list[Job] = []
        try:
            answers = await self._channel.stream(
                _ACTIVATE.path,
                request.SerializeToString(),
                seconds=max(0.0, wait) + self._timeout,
                metadata=metadata,
            )
            try:
                while (message := await answers.read()) is not None:
                    answer = _parsed(_ACTIVATE, message)
                    # The engine answers as soon as it has activated jobs: the deadline needs no comparison of clocks.
                    now = time.monotonic()
                    for job in answer.jobs:
                        self._clock.saw_fresh(job.deadline / 1000 - activation.timeout, now)
                        jobs.append(_job(job, now + activation.timeout))
            finally:
                answers.cancel()
        except RpcError as error:
            if not jobs:
                raise self._refused(error) from None
            # Jobs that arrived before the error are ours; the next poll fails again if the error lasts.
        return jobs

    async def stream(self, activation: Activation) -> AsyncGenerator[Job, None]:
        """See `Gateway.stream`."""
        request = pb.StreamActivatedJobsRequest(
            type=activation.type,
            worker=activation.worker,
            timeout=_milliseconds(activation.timeout),
            fetchVariable=activation.variables,
            tenantIds=activation.tenants,
        )
        if self._stream_channel is None:
            self._stream_channel = open_channel(self.settings, window=STREAM_WINDOW)
        lifetime = STREAM_LIFETIME * random.uniform(0.9, 1.0)  # noqa: S311 - spreading load needs no secrecy
        ends = time.monotonic() + lifetime
        metadata = await self._credentials.metadata()
        try:
            answers = await self._stream_channel.stream(
                _STREAM.path, request.SerializeToString(), seconds=lifetime, metadata=metadata
            )
        except RpcError as error:
            raise self._refused(error) from None
        try:
            while True:
                try:
                    if (message := await answers.read()) is None:
                        return
                    job = _parsed(_STREAM, message)
                except RpcError as error:
                    if time.monotonic() >= ends:
                        return
                    raise self._refused(error) from None
                now = time.monotonic()
                age = self._clock.age(job.deadline / 1000 - activation.timeout, now)
                yield _job(job, now + activation.timeout - age)
        finally:
            answers.cancel()

    async def complete(self, job: int, payload: str) -> None:
        """See `Gateway.complete`."""
        await self._call("CompleteJob", pb.CompleteJobRequest(jobKey=job, variables=payload))

    async def fail(self, job: int, *, retries: int, message: str, backoff: float, payload: str) -> None:
        """See `Gateway.fail`."""
        request = pb.FailJobRequest(
            jobKey=job,
            retries=retries,
            errorMessage=message,
            retryBackOff=_milliseconds(backoff),
            variables=payload if payload != "{}" else "",
        )
        await self._call("FailJob", request)

    async def throw(self, job: int, *, code: str, message: str, payload: str) -> None:
        """See `Gateway.throw`."""
        request = pb.ThrowErrorRequest(jobKey=job, errorCode=code, errorMessage=message, variables=payload)
        await self._call("ThrowError", request)

    async def update_timeout(self, job: int, seconds: float) -> None:
        """See `Gateway.update_timeout`."""
        request = pb.UpdateJobTimeoutRequest(jobKey=job, timeout=_milliseconds(seconds))
        await self._call("UpdateJobTimeout", request)

    async def publish(
        self, name: str, *, correlation_key: str, message_id: str, time_to_live: float, payload: str, tenant: str
    ) -> int:
        """See `Gateway.publish`."""
        request = pb.PublishMessageRequest(
            name=sendable(name),
            correlationKey=sendable(correlation_key),
            messageId=sendable(message_id),
            timeToLive=_milliseconds(time_to_live),
            variables=payload,
            tenantId=sendable(tenant),
        )
        return int((await self._call("PublishMessage", request)).key)

    async def create_instance(self, process: str, *, version: int = -1, payload: str = "{}", tenant: str = "") -> int:
        """See `Gateway.create_instance`."""
        request = pb.CreateProcessInstanceRequest(
            bpmnProcessId=sendable(process), version=version, variables=payload, tenantId=sendable(tenant)
        )
        return int((await self._call("CreateProcessInstance", request)).processInstanceKey)

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
        """See `Gateway.run_process`."""
        request = pb.CreateProcessInstanceWithResultRequest(
            request=pb.CreateProcessInstanceRequest(
                bpmnProcessId=sendable(process), version=version, variables=payload, tenantId=sendable(tenant)
            ),
            requestTimeout=_milliseconds(seconds),
            fetchVariables=[sendable(name) for name in fetch],
        )
        # Our own limit ends a moment after the engine's, so that the engine reports the timeout.
        answer = await self._call("CreateProcessInstanceWithResult", request, seconds=seconds + 1.0)
        return int(answer.processInstanceKey), str(answer.variables)

    async def deploy(self, resources: Mapping[str, bytes], *, tenant: str = "") -> Sequence[Deployed]:
        """See `Gateway.deploy`."""
        request = pb.DeployResourceRequest(
            resources=[pb.Resource(name=name, content=content) for name, content in resources.items()], tenantId=tenant
        )
        answer = await self._call("DeployResource", request)
        files = {
            item.decisionRequirements.decisionRequirementsKey: item.decisionRequirements.resourceName
            for item in answer.deployments
            if item.HasField("decisionRequirements")
        }
        found = [_deployed(item, files) for item in answer.deployments]
        return sorted((one for one in found if one is not None), key=lambda one: one.kind != "process")

    async def topology(self) -> Topology:
        """See `Gateway.topology`; a partition is healthy when its leader says so."""
        answer = await self._call("Topology", pb.TopologyRequest())
        healthy = {
            partition.partitionId
            for broker in answer.brokers
            for partition in broker.partitions
            if partition.role == pb.Partition.LEADER and partition.health == pb.Partition.HEALTHY
        }
        return Topology(
            version=answer.gatewayVersion,
            brokers=len(answer.brokers),
            partitions=answer.partitionsCount,
            healthy_partitions=len(healthy),
            cluster=_cluster_id(answer),
        )

    async def aclose(self) -> None:
        """Closes the connections; calls in progress fail."""
        await self._credentials.aclose()
        await self._channel.aclose()
        if self._stream_channel is not None:
            await self._stream_channel.aclose()

    async def _call(self, name: str, request: Any, *, seconds: float | None = None) -> Any:
        metadata = await self._credentials.metadata()
        method = METHODS[name]
        try:
            answer = await self._channel.unary(
                method.path, request.SerializeToString(), seconds=seconds or self._timeout, metadata=metadata
            )
            return _parsed(method, answer)
        except RpcError as error:
            raise self._refused(error) from None

    def _refused(self, error: RpcError) -> GatewayError:
        """Returns the error that says why a call failed; a refused token is not used again."""
        if error.status is Status.UNAUTHENTICATED:
            self._credentials.refused()
        return GatewayError(error.status.name, error.message or "no details given")


def _parsed(method: GatewayMethod, answer: bytes) -> Any:
    try:
        return method.parse_answer(answer)
    except DecodeError:
        raise RpcError(Status.INTERNAL, "the answer is not what the gateway's protocol says") from None


class _EngineClock:
    """Determines how old a pushed job is, even if the engine's clock is wrong by any amount.

    A job carries the time of its activation by the engine's clock. The difference to ours is the offset between the
    clocks plus the transit time plus the time that the job waited unread. Polled jobs never wait, so they show the
    offset; in between, the smallest difference of the last minutes does.
    """

    PERIOD = 600.0

    def __init__(self) -> None:
        self._offset = float("inf")
        self._next_offset = float("inf")
        self._until = 0.0

    def saw_fresh(self, activated: float, now: float) -> None:
        self._offset = self._next_offset = now - activated
        self._until = now + self.PERIOD

    def age(self, activated: float, now: float) -> float:
        difference = now - activated
        if now >= self._until:
            # Forget old offsets: if the engine's clock was set back, jobs would look old for ever.
            self._offset, self._next_offset = self._next_offset, float("inf")
            self._until = now + self.PERIOD
        self._next_offset = min(self._next_offset, difference)
        self._offset = min(self._offset, difference)
        return difference - self._offset


def _job(job: Any, deadline: float) -> Job:
    return Job(
        key=job.key,
        type=job.type,
        variables=job.variables,
        headers=_headers(job.customHeaders),
        retries=job.retries,
        deadline=deadline,
        process_instance_key=job.processInstanceKey,
        process_definition_key=job.processDefinitionKey,
        process_definition_version=job.processDefinitionVersion,
        bpmn_process_id=job.bpmnProcessId,
        element_id=job.elementId,
        element_instance_key=job.elementInstanceKey,
        tenant_id=job.tenantId or "<default>",
    )


@functools.lru_cache(maxsize=1024)
def _headers(text: str) -> Mapping[str, str]:
    """Parses a task's headers, read-only and cached: they come from the diagram, so all its jobs have the same text."""
    return MappingProxyType(json.loads(text) if text else {})


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _deployed(item: Any, files: Mapping[int, str]) -> Deployed | None:
    """Returns one resource of a deployment; None for one that only groups others."""
    match item.WhichOneof("Metadata"):
        case "process":
            it = item.process
            return Deployed(it.bpmnProcessId, it.version, it.processDefinitionKey, it.resourceName)
        case "decision":
            it = item.decision
            file = files.get(it.decisionRequirementsKey, "")
            return Deployed(it.dmnDecisionId, it.version, it.decisionKey, file, "decision")
        case "form":
            it = item.form
            return Deployed(it.formId, it.version, it.formKey, it.resourceName, "form")
        case "resource":
            it = item.resource
            return Deployed(it.resourceId, it.version, it.resourceKey, it.resourceName, "resource")
        case _:
            return None


def _cluster_id(answer: Any) -> str:
    """Returns the cluster's id (from 8.8 on), even while the generated messages lack the field."""
    named = getattr(answer, "clusterId", None)
    if named is not None:
        return str(named)
    fields: Any = UnknownFieldSet(answer)
    for field in fields:
        if field.field_number == _CLUSTER_ID and isinstance(field.data, bytes):
            return field.data.decode(errors="replace")
    return ""
