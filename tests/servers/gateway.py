"""Serve Zeebe's protocol over gRPC on loopback for any gateway, usually a `FakeGateway`.

Tests of our own client, and of workers in any language, use it to run against an engine in memory.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from types import TracebackType
from typing import Any, NoReturn, Self

import grpc.aio
from pyzeebe.proto import gateway_pb2 as pb
from pyzeebe.proto.gateway_pb2_grpc import GatewayServicer, add_GatewayServicer_to_server

from zeebe_connectors.runtime.gateway import Activation, Gateway, GatewayError
from zeebe_connectors.sdk.context import Job

Check = Callable[[Mapping[str, str]], str | None]
"""Takes the headers of a call; returns the status to refuse it with, or None to let it pass."""


class GatewayServer:
    """Serves a gateway on loopback.

    Example:
        ```python
        async with GatewayServer(FakeGateway()) as server:
            gateway = ZeebeGateway(ClusterSettings(address=server.address))
        ```

    Args:
        gateway: What answers the calls.
        port: Where to listen; 0 picks a free port.
        credentials: For TLS, from `grpc.ssl_server_credentials`.
        check: Decides by the headers of each call whether it may pass.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        port: int = 0,
        credentials: grpc.ServerCredentials | None = None,
        check: Check | None = None,
    ) -> None:
        limit = ("grpc.max_receive_message_length", 4 * 1024 * 1024)
        # Else the system may give one free port to the servers of two processes, which then share its connections.
        self._server = grpc.aio.server(options=[limit, ("grpc.so_reuseport", 0)])
        # The generated class answers UNIMPLEMENTED to the other calls; only its type stub declares them abstract.
        servicer = _Servicer(gateway, check)  # type: ignore[abstract]
        add_GatewayServicer_to_server(servicer, self._server)
        # Not localhost: of its two addresses one may be another process' server on the same port.
        name = f"127.0.0.1:{port}"
        if credentials is None:
            self.port: int = self._server.add_insecure_port(name)
        else:
            self.port = self._server.add_secure_port(name, credentials)
        self.address = f"localhost:{self.port}"

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self, grace: float | None = None) -> None:
        """Stops; calls in progress fail after `grace` seconds, or at once without it."""
        await self._server.stop(grace)


class _Servicer(GatewayServicer):
    """Turns each message into one call of the gateway."""

    def __init__(self, gateway: Gateway, check: Check | None) -> None:
        self._gateway = gateway
        self._check = check

    async def _admit(self, context: Any) -> None:
        if self._check is not None and (status := self._check(dict(context.invocation_metadata()))):
            await context.abort(grpc.StatusCode[status], "refused by the test")

    async def ActivateJobs(self, request: Any, context: Any) -> AsyncGenerator[Any, None]:  # noqa: N802 - the protocol's name
        await self._admit(context)
        activation = _activation(request)
        try:
            jobs = await self._gateway.activate(
                activation, max_jobs=request.maxJobsToActivate, wait=max(0, request.requestTimeout) / 1000
            )
        except GatewayError as error:
            await _abort(context, error)
        if jobs:
            yield pb.ActivateJobsResponse(jobs=[_activated(job, activation.worker) for job in jobs])

    async def StreamActivatedJobs(self, request: Any, context: Any) -> AsyncGenerator[Any, None]:  # noqa: N802
        await self._admit(context)
        activation = _activation(request)
        try:
            async for job in self._gateway.stream(activation):
                yield _activated(job, activation.worker)
        except GatewayError as error:
            await _abort(context, error)

    async def CompleteJob(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._answer(context, self._gateway.complete(request.jobKey, request.variables or "{}"))
        return pb.CompleteJobResponse()

    async def FailJob(self, request: Any, context: Any) -> Any:  # noqa: N802
        call = self._gateway.fail(
            request.jobKey,
            retries=request.retries,
            message=request.errorMessage,
            backoff=request.retryBackOff / 1000,
            payload=request.variables or "{}",
        )
        await self._answer(context, call)
        return pb.FailJobResponse()

    async def ThrowError(self, request: Any, context: Any) -> Any:  # noqa: N802
        call = self._gateway.throw(
            request.jobKey, code=request.errorCode, message=request.errorMessage, payload=request.variables or "{}"
        )
        await self._answer(context, call)
        return pb.ThrowErrorResponse()

    async def UpdateJobTimeout(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._answer(context, self._gateway.update_timeout(request.jobKey, request.timeout / 1000))
        return pb.UpdateJobTimeoutResponse()

    async def PublishMessage(self, request: Any, context: Any) -> Any:  # noqa: N802
        call = self._gateway.publish(
            request.name,
            correlation_key=request.correlationKey,
            message_id=request.messageId,
            time_to_live=request.timeToLive / 1000,
            payload=request.variables or "{}",
            tenant=request.tenantId,
        )
        return pb.PublishMessageResponse(key=await self._answer(context, call), tenantId=request.tenantId)

    async def CreateProcessInstance(self, request: Any, context: Any) -> Any:  # noqa: N802
        call = self._gateway.create_instance(
            request.bpmnProcessId,
            version=request.version,
            payload=request.variables or "{}",
            tenant=request.tenantId,
        )
        key = await self._answer(context, call)
        return pb.CreateProcessInstanceResponse(processInstanceKey=key, bpmnProcessId=request.bpmnProcessId)

    async def CreateProcessInstanceWithResult(self, request: Any, context: Any) -> Any:  # noqa: N802
        wanted = request.request
        call = self._gateway.run_process(
            wanted.bpmnProcessId,
            version=wanted.version,
            payload=wanted.variables or "{}",
            seconds=request.requestTimeout / 1000,
            fetch=tuple(request.fetchVariables),
            tenant=wanted.tenantId,
        )
        key, variables = await self._answer(context, call)
        return pb.CreateProcessInstanceWithResultResponse(
            processInstanceKey=key, bpmnProcessId=wanted.bpmnProcessId, variables=variables
        )

    async def DeployResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        resources = {resource.name: resource.content for resource in request.resources}
        deployed = await self._answer(context, self._gateway.deploy(resources, tenant=request.tenantId))
        processes = [
            pb.ProcessMetadata(
                bpmnProcessId=one.bpmn_process_id,
                version=one.version,
                processDefinitionKey=one.process_definition_key,
                resourceName=one.resource_name,
            )
            for one in deployed
        ]
        return pb.DeployResourceResponse(deployments=[pb.Deployment(process=process) for process in processes])

    async def Topology(self, request: Any, context: Any) -> Any:  # noqa: N802
        topology = await self._answer(context, self._gateway.topology())
        partitions = [
            pb.Partition(
                partitionId=number,
                role=pb.Partition.LEADER,
                health=pb.Partition.HEALTHY if number <= topology.healthy_partitions else pb.Partition.UNHEALTHY,
            )
            for number in range(1, topology.partitions + 1)
        ]
        return pb.TopologyResponse(
            brokers=[pb.BrokerInfo(nodeId=0, partitions=partitions)],
            clusterSize=topology.brokers,
            partitionsCount=topology.partitions,
            gatewayVersion=topology.version,
        )

    async def _answer(self, context: Any, call: Any) -> Any:
        try:
            await self._admit(context)
        except BaseException:
            call.close()
            raise
        try:
            return await call
        except GatewayError as error:
            await _abort(context, error)


async def _abort(context: Any, error: GatewayError) -> NoReturn:
    await context.abort(grpc.StatusCode[error.status], error.message)
    raise AssertionError("abort always raises")


def _activation(request: Any) -> Activation:
    return Activation(
        type=request.type,
        worker=request.worker,
        timeout=request.timeout / 1000,
        variables=tuple(request.fetchVariable),
        tenants=tuple(request.tenantIds),
    )


def _activated(job: Job, worker: str) -> Any:
    return pb.ActivatedJob(
        key=job.key,
        type=job.type,
        processInstanceKey=job.process_instance_key,
        bpmnProcessId=job.bpmn_process_id,
        processDefinitionVersion=job.process_definition_version,
        processDefinitionKey=job.process_definition_key,
        elementId=job.element_id,
        elementInstanceKey=job.element_instance_key,
        customHeaders=json.dumps(dict(job.headers)),
        worker=worker,
        retries=job.retries,
        deadline=round((time.time() + job.deadline - time.monotonic()) * 1000),
        variables=job.variables,
        tenantId=job.tenant_id,
    )
