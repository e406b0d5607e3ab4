"""Our client against the real protocol on loopback, served from an engine in memory."""

import asyncio
import json
import subprocess
import sys
import time

import grpc
import pytest
from tests.servers.gateway import GatewayServer
from tests.servers.http2 import ANSWER, ScriptedServer
from tests.waiting import until

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.rpc.frames import ErrorCode
from zeebe_connectors.rpc.gateway_protocol import pb
from zeebe_connectors.runtime.gateway import Activation, GatewayError
from zeebe_connectors.runtime.gateway.fake import FakeGateway
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway, _EngineClock
from zeebe_connectors.runtime.outbound.outcome import Complete
from zeebe_connectors.runtime.outbound.worker import Worker

ACTIVATION = Activation("t", "worker", 60.0)


@pytest.fixture
async def fake():
    engine = FakeGateway()
    yield engine
    await engine.aclose()


@pytest.fixture
async def server(fake):
    async with GatewayServer(fake) as running:
        yield running


@pytest.fixture
async def gateway(server):
    client = ZeebeGateway(ClusterSettings(address=server.address))
    yield client
    await client.aclose()


async def test_a_job_arrives_whole(gateway, fake):
    """Every field of the protocol's job, with headers parsed and the deadline by our clock."""
    key = fake.put("t", {"a": "ü"}, {"h": "1"}, retries=7, element="Task_1")
    before = time.monotonic()
    (job,) = await gateway.activate(ACTIVATION, max_jobs=5, wait=1.0)
    assert (job.key, job.type, job.retries, job.element_id, job.tenant_id) == (key, "t", 7, "Task_1", "<default>")
    assert json.loads(job.variables) == {"a": "ü"}
    assert job.headers == {"h": "1"}
    assert job.process_instance_key == key + 1_000_000
    assert job.element_instance_key == key + 2_000_000
    assert job.bpmn_process_id == "process"
    assert job.process_definition_key == job.process_definition_version == 1
    assert before + 60.0 <= job.deadline <= time.monotonic() + 60.0


async def test_a_poll_waits_as_long_as_requested(gateway, fake):
    """Zero means not at all; otherwise it ends without jobs."""
    assert await gateway.activate(ACTIVATION, max_jobs=1, wait=0.0) == []
    assert await gateway.activate(ACTIVATION, max_jobs=1, wait=0.05) == []
    assert [command.data["wait"] for command in fake.commands] == [0.0, 0.05]


async def test_an_activation_asks_for_its_variables_and_tenants(gateway, fake):
    """Names of variables and tenants go with polls and streams."""
    fake.put("t", {"a": 1, "b": 2}, tenant="blue")
    activation = Activation("t", "worker", 60.0, ("a",), ("blue", "red"))
    (job,) = await gateway.activate(activation, max_jobs=1, wait=1.0)
    assert json.loads(job.variables) == {"a": 1}
    assert job.tenant_id == "blue"


async def test_commands_arrive_as_given(gateway, fake):
    """Seconds become milliseconds and back, absolute retries stay, variables are sent as they are."""
    first, second, third = fake.put("t"), fake.put("t"), fake.put("t")
    await gateway.activate(ACTIVATION, max_jobs=3, wait=1.0)
    await gateway.complete(first, '{"x":1}')
    await gateway.fail(second, retries=0, message="no", backoff=1.5, payload='{"error":{}}')
    await gateway.update_timeout(third, 90.0)
    await gateway.throw(third, code="E1", message="m", payload='{"y":2}')
    assert fake.jobs[first].result == {"x": 1}
    assert fake.jobs[second].state == "incident"
    assert fake.jobs[third].error == "E1"
    received = {command.name: command.data for command in fake.commands}
    assert received["fail"] == {"retries": 0, "message": "no", "backoff": 1.5, "variables": {"error": {}}}
    assert received["throw"] == {"code": "E1", "message": "m", "variables": {"y": 2}}
    assert received["update_timeout"] == {"seconds": 90.0}


async def test_messages_instances_deployments_and_topology(gateway, fake):
    """The other commands, too, speak the protocol."""
    message = {"correlation_key": "c", "message_id": "m", "time_to_live": 60.0, "payload": '{"a":1}', "tenant": ""}
    key = await gateway.publish("name", **message)
    assert fake.messages[key].data["time_to_live"] == 60.0
    with pytest.raises(GatewayError) as refused:
        await gateway.publish("name", **message)
    assert refused.value.status == "ALREADY_EXISTS"
    instance = await gateway.create_instance("order", version=2, payload='{"b":2}')
    assert fake.instances[instance].data == {"process": "order", "version": 2, "variables": {"b": 2}, "tenant": ""}
    (deployed,) = await gateway.deploy({"order.bpmn": b"<xml/>"})
    assert (deployed.bpmn_process_id, deployed.resource_name) == ("order", "order.bpmn")
    topology = await gateway.topology()
    assert (topology.version, topology.partitions, topology.healthy_partitions) == ("fake", 1, 1)


async def test_pushed_jobs_arrive_and_closing_ends_the_stream(gateway, fake):
    """A stream is there until its generator is closed, also while nothing comes."""
    stream = gateway.stream(ACTIVATION)
    coming = asyncio.ensure_future(anext(stream))
    await until(lambda: fake.open_streams)
    key = fake.put("t")
    job = await coming
    assert job.key == key
    assert 59.0 < job.deadline - time.monotonic() <= 60.0
    await stream.aclose()
    await until(lambda: not fake.open_streams)


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
async def test_each_status_is_a_gateway_error(gateway, fake, code):
    """Nothing of gRPC escapes, whatever the status and the kind of call."""
    fake.refuse("*", code.name, "why", times=3)
    key = fake.put("t")
    with pytest.raises(GatewayError, match="why") as polled:
        await gateway.activate(ACTIVATION, max_jobs=1, wait=0.0)
    with pytest.raises(GatewayError, match="why") as streamed:
        await anext(gateway.stream(ACTIVATION))
    with pytest.raises(GatewayError, match="why") as received:
        await gateway.complete(key, "{}")
    assert {error.value.status for error in (polled, streamed, received)} == {code.name}


async def test_nobody_there_is_a_gateway_error():
    """A gateway that cannot be reached is told as such within the call's time."""
    gateway = ZeebeGateway(ClusterSettings(address="127.0.0.1:1"), timeout=5.0)
    with pytest.raises(GatewayError) as error:
        await gateway.topology()
    assert error.value.status == "UNAVAILABLE"
    await gateway.aclose()


async def test_a_call_has_a_deadline(fake, server):
    """An engine that does not answer costs the call's time, not for ever."""
    gateway = ZeebeGateway(ClusterSettings(address=server.address), timeout=0.2)
    fake.slow("complete", 30.0)
    with pytest.raises(GatewayError) as error:
        await gateway.complete(1, "{}")
    assert error.value.status == "DEADLINE_EXCEEDED"
    await gateway.aclose()


async def test_a_closed_gateway_raises_gateway_errors(server):
    """Neither gRPC's usage error nor a cancellation that nobody asked for."""
    gateway = ZeebeGateway(ClusterSettings(address=server.address))
    polling = asyncio.create_task(gateway.activate(ACTIVATION, max_jobs=1, wait=30.0))
    await asyncio.sleep(0.1)
    await gateway.aclose()
    with pytest.raises(GatewayError):
        await polling
    with pytest.raises(GatewayError):
        await gateway.complete(1, "{}")


async def test_cancelling_a_call_cancels(gateway):
    """A real cancellation stays one."""
    polling = asyncio.create_task(gateway.activate(ACTIVATION, max_jobs=1, wait=30.0))
    await asyncio.sleep(0.1)
    polling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await polling


async def test_a_poll_that_is_cancelled_is_cancelled_at_the_engine():
    """Otherwise the engine would give it jobs, which would be lost until their timeout."""

    async def script(peer):
        peer.start()
        await peer.ended.wait()

    async with ScriptedServer(script) as server:
        gateway = ZeebeGateway(ClusterSettings(address=f"127.0.0.1:{server.port}"))
        polling = asyncio.create_task(gateway.activate(ACTIVATION, max_jobs=1, wait=30.0))
        await until(lambda: server.peers and server.peers[0].opened)
        polling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await polling
        await until(lambda: server.peers[0].resets == {1: ErrorCode.CANCEL})
        await gateway.aclose()


async def test_an_answer_that_cannot_be_read_is_a_gateway_error():
    """Jobs that came before it are ours all the same, and the call ends at the engine."""

    async def script(peer):
        peer.start()
        while True:
            request = await peer.requests.get()
            if request.headers[":path"].endswith("/ActivateJobs"):
                peer.headers(request.stream, ANSWER)
                if request.stream > 1:
                    job = pb.ActivatedJob(key=7, type="t")
                    peer.message(request.stream, pb.ActivateJobsResponse(jobs=[job]).SerializeToString())
                peer.message(request.stream, b"\xff\xff")
            else:
                peer.answer(request.stream, b"\xff\xff")

    async with ScriptedServer(script) as server:
        gateway = ZeebeGateway(ClusterSettings(address=f"127.0.0.1:{server.port}"))
        with pytest.raises(GatewayError) as polled:
            await gateway.activate(ACTIVATION, max_jobs=1, wait=1.0)
        assert [job.key for job in await gateway.activate(ACTIVATION, max_jobs=1, wait=1.0)] == [7]
        with pytest.raises(GatewayError) as completed:
            await gateway.complete(1, "{}")
        with pytest.raises(GatewayError) as streamed:
            await anext(gateway.stream(ACTIVATION))
        assert {error.value.status for error in (polled, completed, streamed)} == {"INTERNAL"}
        await until(lambda: server.peers[0].resets == {1: ErrorCode.CANCEL, 3: ErrorCode.CANCEL})
        await gateway.aclose()


async def test_batches_beyond_grpcs_limit_arrive(gateway, fake):
    """A8: 32 jobs of 200 kB are more than gRPC's default of 4 MiB, with which pyzeebe never completed one."""
    for _ in range(32):
        fake.put("t", {"data": "x" * 200_000})
    jobs = await gateway.activate(ACTIVATION, max_jobs=32, wait=1.0)
    assert len(jobs) == 32


async def test_an_answer_that_is_too_large_is_no_busy_engine(gateway, fake):
    """The same status, but sending it again cannot succeed."""
    key = fake.put("t")
    with pytest.raises(GatewayError) as error:
        await gateway.complete(key, json.dumps({"data": "x" * 5_000_000}))
    assert error.value.status == "RESOURCE_EXHAUSTED"
    assert error.value.is_oversize
    assert error.value.is_refusal
    assert not GatewayError("RESOURCE_EXHAUSTED", "Reached maximum capacity of requests handled").is_refusal


async def test_a_worker_goes_on_after_the_gateway_was_away(fake):
    """The connection is made again by itself, soon, and jobs in work are answered."""
    async with GatewayServer(fake) as first:
        gateway = ZeebeGateway(ClusterSettings(address=first.address), timeout=2.0)
        ran = []

        async def handle(job, extend):
            ran.append(job.key)
            await asyncio.sleep(0.3)
            return Complete()

        worker = Worker(gateway, ACTIVATION, handle, slots=4)
        worker.start()
        for _ in range(8):
            fake.put("t")
        await until(lambda: len(ran) >= 4)
    await asyncio.sleep(0.5)
    async with GatewayServer(fake, port=first.port):
        await fake.until("completed", 4)
        await until(lambda: not worker.is_busy, within=60)  # jobs that were on their way may have arrived
        # Those that were lost when the connection broke come again after their deadline.
        for key, job in fake.jobs.items():
            if job.state == "active" and key not in ran:
                fake.take_back(key)
        await fake.until("completed", 8)
        await worker.drain(5.0)
        await gateway.aclose()
    assert len(ran) == len(set(ran)) == 8


async def test_a_worker_over_the_wire_drains(gateway, fake):
    """The stream's and the poll's calls end with the worker."""
    for _ in range(300):
        fake.put("t")

    async def handle(job, extend):
        return Complete()

    worker = Worker(gateway, ACTIVATION, handle, slots=16)
    worker.start()
    await fake.until("completed", 300)
    assert await worker.drain(5.0) == []
    await until(lambda: not fake.open_streams)


def run(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout


def test_the_client_does_not_load_all_of_pyzeebe():
    """Its worker, client and `requests` would be nine mebibytes that nothing uses."""
    code = "import sys, zeebe_connectors.runtime.gateway.zeebe as z; print('requests' in sys.modules, z.pb.__name__)"
    assert run(code).split() == ["False", "pyzeebe.proto.gateway_pb2"]


@pytest.mark.parametrize(
    "order",
    [
        "from zeebe_connectors.rpc.gateway_protocol import pb; from pyzeebe.proto import gateway_pb2",
        "from pyzeebe.proto import gateway_pb2; from zeebe_connectors.rpc.gateway_protocol import pb",
    ],
)
def test_the_messages_are_pyzeebes_own(order):
    """Whoever uses pyzeebe beside us gets the same classes, in whichever order they are loaded."""
    assert run(f"{order}; print(pb is gateway_pb2, pb.TopologyRequest() == gateway_pb2.TopologyRequest())").split() == [
        "True",
        "True",
    ]


def test_the_age_of_a_pushed_job_does_not_depend_on_clocks():
    """Whatever the engine's clock says, a job that waited 5 s is 5 s old."""
    for offset in (-3600.0, 0.0, 3600.0):
        clock = _EngineClock()
        clock.saw_fresh(activated=1000.0 + offset, now=1000.0)
        assert clock.age(activated=1010.0 + offset, now=1015.0) == pytest.approx(5.0)


def test_the_age_of_a_pushed_job_heals_after_the_engines_clock_was_set_back():
    """Jobs look old for a while, and not for ever."""
    clock = _EngineClock()
    clock.saw_fresh(activated=1000.0, now=1000.0)
    assert clock.age(activated=900.0, now=1001.0) == pytest.approx(101.0)
    assert clock.age(activated=1700.0, now=1801.0) == pytest.approx(101.0)
    later = 1000.0 + 3 * _EngineClock.PERIOD
    clock.age(activated=later - 101.0, now=later)
    assert clock.age(activated=later - 100.0, now=later + 1.0) == pytest.approx(0.0)
