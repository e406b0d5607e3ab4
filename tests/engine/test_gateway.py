"""The engine over gRPC, as clients of a cluster see it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from grpc import StatusCode
from pyzeebe import ZeebeClient, ZeebeWorker, create_insecure_channel
from pyzeebe.proto import gateway_pb2 as pb
from pyzeebe.proto.gateway_pb2_grpc import GatewayStub
from tests.engine.diagrams import catch, message, multi, on_message, process, script, start, task, timer

from zeebe_connectors.engine import Engine, Host
from zeebe_connectors.engine.gateway import MAX_REQUEST_BYTES, serve

LARGE = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]


class Client:
    """Calls an engine with grpcio and pyzeebe's stubs."""

    def __init__(self, host: Host, address: str) -> None:
        self.host = host
        self.address = address
        self.channel = grpc.aio.insecure_channel(address, LARGE)
        self.stub = GatewayStub(self.channel)

    async def deploy(self, *documents: bytes):
        resources = [pb.Resource(name=f"{n}.bpmn", content=content) for n, content in enumerate(documents)]
        return await self.stub.DeployResource(pb.DeployResourceRequest(resources=resources))

    @staticmethod
    def creation(name="p", text="", **variables):
        return pb.CreateProcessInstanceRequest(bpmnProcessId=name, version=-1, variables=text or json.dumps(variables))

    async def create(self, name="p", **variables) -> int:
        return (await self.stub.CreateProcessInstance(self.creation(name, **variables))).processInstanceKey

    async def result(self, name="p", seconds=10.0, fetch=(), **variables) -> dict:
        request = pb.CreateProcessInstanceWithResultRequest(
            request=self.creation(name, **variables), requestTimeout=int(seconds * 1000), fetchVariables=fetch
        )
        return json.loads((await self.stub.CreateProcessInstanceWithResult(request)).variables)

    async def jobs(self, kind, n=10, wait=-1.0, **more):
        request = pb.ActivateJobsRequest(
            **{
                "type": kind,
                "worker": "w",
                "timeout": 60_000,
                "maxJobsToActivate": n,
                "requestTimeout": int(wait * 1000),
                **more,
            }
        )
        return [job async for answer in self.stub.ActivateJobs(request) for job in answer.jobs]

    async def complete(self, job, **variables) -> None:
        await self.stub.CompleteJob(pb.CompleteJobRequest(jobKey=job.key, variables=json.dumps(variables)))

    @staticmethod
    async def code(call, code: StatusCode) -> str:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is code, caught.value.details()
        assert "Traceback" not in caught.value.details()
        return caught.value.details()


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    async with Host(Engine()) as host, serve(host) as gateway:
        made = Client(host, gateway.address)
        yield made
        await made.channel.close()


async def test_topology(client) -> None:
    answer = await client.stub.Topology(pb.TopologyRequest())
    assert (answer.clusterSize, answer.partitionsCount) == (1, 1)
    assert answer.brokers[0].partitions[0].role == pb.Partition.LEADER
    assert answer.gatewayVersion.startswith("8.")


async def test_what_a_deployment_answers(client) -> None:
    resources = [
        pb.Resource(name="p.bpmn", content=process("p")),
        pb.Resource(name="f.form", content=b'{"id": "f"}'),
        pb.Resource(
            name="d.dmn",
            content=b'<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="g"><decision id="d"/>'
            b"</definitions>",
        ),
    ]
    answer = await client.stub.DeployResource(pb.DeployResourceRequest(resources=resources, tenantId="<default>"))
    kinds = [found.WhichOneof("Metadata") for found in answer.deployments]
    assert kinds == ["process", "form", "decisionRequirements", "decision"]
    found = answer.deployments[0].process
    assert (found.bpmnProcessId, found.version, found.resourceName, found.tenantId) == ("p", 1, "p.bpmn", "<default>")
    assert (
        answer.deployments[3].decision.decisionRequirementsKey
        == answer.deployments[2].decisionRequirements.decisionRequirementsKey
    )
    old = await client.stub.DeployProcess(
        pb.DeployProcessRequest(processes=[pb.ProcessRequestObject(name="q.bpmn", definition=process("q"))])
    )
    assert old.processes[0].bpmnProcessId == "q"
    text = await client.code(client.deploy(process("p", "end")), StatusCode.INVALID_ARGUMENT)
    assert "'0.bpmn': - Element: p\n    - ERROR: Must have at least one start event" in text
    await client.code(client.deploy(), StatusCode.INVALID_ARGUMENT)


async def test_results_and_what_stands_in_their_way(client) -> None:
    await client.deploy(
        process("p", "start > s > end", script("s", "=x + 1", "y")), process("w", "start > t > end", task("t"))
    )
    assert await client.result(x=1) == {"x": 1, "y": 2}
    assert await client.result(x=1, fetch=["y", "none"]) == {"y": 2}
    await client.code(client.result("w", seconds=0.1), StatusCode.DEADLINE_EXCEEDED)
    waiting = asyncio.create_task(client.result("w"))
    (first, job) = sorted(await client.jobs("t", wait=2) + await client.jobs("t", wait=1), key=lambda job: job.key)
    await client.stub.CancelProcessInstance(pb.CancelProcessInstanceRequest(processInstanceKey=job.processInstanceKey))
    await client.code(waiting, StatusCode.ABORTED)
    await client.complete(first)


async def test_status_codes(client) -> None:
    await client.deploy(
        process("p", "start > t > end", task("t")),
        process("m", "start > end", start("start", on_message("m")), roots=message("m")),
    )
    stub, code = client.stub, client.code
    for text in ("[1]", "{", "5", "null x"):
        await code(stub.CreateProcessInstance(client.creation(text=text)), StatusCode.INVALID_ARGUMENT)
    await code(client.create("none"), StatusCode.NOT_FOUND)
    await code(client.create("m"), StatusCode.FAILED_PRECONDITION)
    await code(stub.CreateProcessInstance(pb.CreateProcessInstanceRequest()), StatusCode.INVALID_ARGUMENT)
    key = await client.create()
    for request, expected in (
        (pb.SetVariablesRequest(elementInstanceKey=1, variables="{}"), StatusCode.NOT_FOUND),
        (pb.SetVariablesRequest(elementInstanceKey=key, variables="[]"), StatusCode.INVALID_ARGUMENT),
    ):
        await code(stub.SetVariables(request), expected)
    await code(stub.CancelProcessInstance(pb.CancelProcessInstanceRequest(processInstanceKey=1)), StatusCode.NOT_FOUND)
    await code(stub.ResolveIncident(pb.ResolveIncidentRequest(incidentKey=1)), StatusCode.NOT_FOUND)
    (job,) = await client.jobs("t")
    await stub.FailJob(pb.FailJobRequest(jobKey=job.key, retries=0))
    await code(client.complete(job), StatusCode.FAILED_PRECONDITION)
    await code(
        stub.UpdateJobRetries(pb.UpdateJobRetriesRequest(jobKey=job.key, retries=0)), StatusCode.INVALID_ARGUMENT
    )
    await code(
        stub.UpdateJobTimeout(pb.UpdateJobTimeoutRequest(jobKey=job.key, timeout=5)), StatusCode.FAILED_PRECONDITION
    )
    await stub.PublishMessage(pb.PublishMessageRequest(name="x", messageId="1", timeToLive=9999))
    await code(
        stub.PublishMessage(pb.PublishMessageRequest(name="x", messageId="1", timeToLive=9999)),
        StatusCode.ALREADY_EXISTS,
    )
    await code(stub.PublishMessage(pb.PublishMessageRequest()), StatusCode.INVALID_ARGUMENT)
    await code(stub.BroadcastSignal(pb.BroadcastSignalRequest()), StatusCode.INVALID_ARGUMENT)
    await code(client.jobs(""), StatusCode.INVALID_ARGUMENT)
    await code(client.jobs("t", worker=""), StatusCode.INVALID_ARGUMENT)
    for name in ("EvaluateDecision", "DeleteResource", "MigrateProcessInstance", "ModifyProcessInstance"):
        assert "local engine" in await code(
            getattr(stub, name)(getattr(pb, f"{name}Request")()), StatusCode.UNIMPLEMENTED
        )


async def test_there_is_one_tenant(client) -> None:
    stub = client.stub
    for call, expected in (
        (stub.DeployResource(pb.DeployResourceRequest(tenantId="t")), StatusCode.INVALID_ARGUMENT),
        (stub.CreateProcessInstance(pb.CreateProcessInstanceRequest(tenantId="t")), StatusCode.INVALID_ARGUMENT),
        (client.jobs("t", tenantIds=["t"]), StatusCode.INVALID_ARGUMENT),
        (stub.PublishMessage(pb.PublishMessageRequest(name="x", tenantId="t")), StatusCode.NOT_FOUND),
        (stub.BroadcastSignal(pb.BroadcastSignalRequest(signalName="x", tenantId="t")), StatusCode.NOT_FOUND),
    ):
        assert "'t'" in await client.code(call, expected)
    assert await client.jobs("t", tenantIds=["<default>"]) == []


async def test_a_long_poll_gets_the_job_when_it_comes(client) -> None:
    await client.deploy(process("p", "start > t > end", task("t")))
    began = time.monotonic()
    assert await client.jobs("t", wait=0.2) == []
    assert 0.15 < time.monotonic() - began < 2
    polls = [asyncio.create_task(client.jobs("t", 1, wait=10)) for _ in range(3)]
    await asyncio.sleep(0.1)
    polls[0].cancel()
    await asyncio.sleep(0.05)
    keys = {await client.create(), await client.create()}
    assert {job.processInstanceKey for poll in polls[1:] for job in await poll} == keys
    forever = asyncio.create_task(client.jobs("t", 1, wait=0))  # the default, not the least
    await asyncio.sleep(0.1)
    assert not forever.done()
    key = await client.create()
    assert [job.processInstanceKey for job in await forever] == [key]


async def test_a_stream_and_what_it_leaves_behind(client) -> None:
    await client.deploy(process("p", "start > t > end", task("t")))
    await client.create(n=0)
    request = pb.StreamActivatedJobsRequest(type="t", worker="", timeout=60_000, fetchVariable=["n"])
    stream = client.stub.StreamActivatedJobs(request)
    got = aiter(stream)
    first = asyncio.create_task(anext(got))
    await asyncio.sleep(0.1)
    await client.create(n=1, other=1)
    assert json.loads((await asyncio.wait_for(first, 5)).variables) == {"n": 1}
    assert [json.loads(job.variables)["n"] for job in await client.jobs("t")] == [0]
    stream.cancel()
    await asyncio.sleep(0.1)
    await client.create(n=2)
    assert [json.loads(job.variables)["n"] for job in await client.jobs("t")] == [2]


async def test_large_requests_and_answers(client) -> None:
    await client.deploy(process("p", "start > t > end", task("t")))
    await client.code(client.create(x="x" * MAX_REQUEST_BYTES), StatusCode.RESOURCE_EXHAUSTED)
    for _ in range(3):
        await client.create(x="x" * 3_000_000)
    assert [len(await client.jobs("t")) for _ in range(4)] == [1, 1, 1, 0]


async def test_calls_that_arrive_faster_than_they_are_taken_wait_their_turn(client) -> None:
    """Without room for them, gRPC cancels some of more than a thousand."""
    calls = [client.stub.Topology(pb.TopologyRequest()) for _ in range(2500)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} == {pb.TopologyResponse}


async def test_a_busy_process_delays_nobody(client) -> None:
    """A loop without end runs in slices; others are answered between them."""
    await client.deploy(
        process("p", "start > s > xor; xor > end {=n < 0}; xor > s {default}", script("s", "=n + 1", "n")),
        process(
            "q", "start > s > end", script("s", "=i", "r", loop=multi("=for i in 1..3000 return i", "i", "rs", "=r"))
        ),
    )
    key = await client.create(n=0)
    waits = []
    for _ in range(20):
        began = time.monotonic()
        await client.stub.PublishMessage(pb.PublishMessageRequest(name="x"))
        waits.append(time.monotonic() - began)
    assert sorted(waits)[len(waits) // 2] < 0.5
    assert (await client.result("q"))["rs"] == list(range(1, 3001))
    await client.stub.CancelProcessInstance(pb.CancelProcessInstanceRequest(processInstanceKey=key))


async def test_timers_fire_by_themselves_and_when_the_clock_is_moved(client) -> None:
    await client.deploy(process("p", "start > c > end", catch("c", timer("=d"))))
    began = time.monotonic()
    assert await client.result(d="PT0.3S") == {"d": "PT0.3S"}
    assert time.monotonic() - began >= 0.3
    waiting = asyncio.create_task(client.result(d="P30D"))
    await asyncio.sleep(0.1)
    await client.host.advance(30 * 86_400)
    assert await waiting == {"d": "P30D"}


async def test_pyzeebe_s_own_client_and_worker(client) -> None:
    await client.deploy(process("p", "start > t > end", task("t")))
    channel = create_insecure_channel(grpc_address=client.address)
    worker = ZeebeWorker(channel)

    @worker.task(task_type="t")
    async def double(x: int) -> dict:
        return {"y": x * 2}

    running = asyncio.create_task(worker.work())
    try:
        answer = await ZeebeClient(channel).run_process_with_result("p", {"x": 21}, timeout=10_000)
        assert answer.variables == {"x": 21, "y": 42}
    finally:
        await worker.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await channel.close()


async def test_the_message_for_a_port_that_is_taken(client) -> None:
    with pytest.raises(OSError, match="Cannot listen at"):
        async with serve(client.host, client.address):
            pass
