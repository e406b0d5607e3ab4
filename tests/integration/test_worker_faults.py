"""Engine or worker are killed under load, on the engine: no job is lost, and none is done twice unless it must be.

Each instance has two tasks. The worker under test does the first; that an instance waits at the second proves in the
engine, not only in the worker, that the first was completed.
"""

import asyncio
import json
import random
import signal
import sys
import uuid
from collections import Counter
from pathlib import Path

import pytest
from tests.sizes import size
from tests.waiting import until

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.runtime.gateway import Activation, GatewayError
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.runtime.outbound.outcome import Complete
from zeebe_connectors.runtime.outbound.worker import Worker

pytestmark = pytest.mark.engine
JOBS, KILLS = size(600, 2000), size(3, 5)


def diagram(name):
    tasks = "".join(
        f"""
    <bpmn:serviceTask id="{task}">
      <bpmn:extensionElements><zeebe:taskDefinition type="{name}-{task}" /></bpmn:extensionElements>
      <bpmn:incoming>to-{task}</bpmn:incoming><bpmn:outgoing>from-{task}</bpmn:outgoing>
    </bpmn:serviceTask>"""
        for task in ("work", "proof")
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="definitions" targetNamespace="http://bpmn.io/schema/bpmn">
  <bpmn:process id="{name}" isExecutable="true">
    <bpmn:startEvent id="start"><bpmn:outgoing>to-work</bpmn:outgoing></bpmn:startEvent>
    <bpmn:sequenceFlow id="to-work" sourceRef="start" targetRef="work" />{tasks}
    <bpmn:sequenceFlow id="from-work" sourceRef="work" targetRef="proof" />
    <bpmn:sequenceFlow id="from-proof" sourceRef="proof" targetRef="end" />
    <bpmn:endEvent id="end"><bpmn:incoming>from-proof</bpmn:incoming></bpmn:endEvent>
  </bpmn:process>
</bpmn:definitions>""".replace("<bpmn:incoming>to-proof<", "<bpmn:incoming>from-work<").encode()


class Load:
    """Numbered instances of a diagram of its own, and the proof of what became of them."""

    def __init__(self, address):
        self.name = f"faults-{uuid.uuid4().hex[:8]}"
        self.type = f"{self.name}-work"
        self.gateway = ZeebeGateway(ClusterSettings(address=address))
        self.proven = {}
        self.acknowledged = set()

    async def deploy(self):
        await self.gateway.deploy({"faults.bpmn": diagram(self.name)})

    async def create(self, count):
        """Makes instances, whatever the engine does meanwhile; when it is killed, a number may get a second one."""
        crowd = asyncio.Semaphore(16)

        async def one(number):
            async with crowd:
                while True:
                    try:
                        key = await self.gateway.create_instance(self.name, payload=json.dumps({"number": number}))
                    except GatewayError:
                        await asyncio.sleep(0.2)
                    else:
                        self.acknowledged.add(key)
                        return

        await asyncio.gather(*(one(number) for number in range(count)))

    async def prove(self, count, within):
        """Waits until an instance of each number has passed the first task."""

        async def see(job, extend):
            self.proven.setdefault(json.loads(job.variables)["number"], set()).add(job.process_instance_key)
            return Complete()

        second = Worker(self.gateway, Activation(f"{self.name}-proof", "proof", 10.0), see, stream=False)
        second.start()
        try:
            await until(lambda: len(self.proven) >= count, within=within)
        except TimeoutError:
            pytest.fail(f"{count - len(self.proven)} of {count} jobs are not completed")
        finally:
            await second.drain(1.0)


@pytest.fixture
async def make_load():
    loads = []

    async def make(address):
        load = Load(address)
        await load.deploy()
        loads.append(load)
        return load

    yield make
    for load in loads:
        await load.gateway.aclose()


@pytest.mark.timeout(300)
async def test_engine_killed_at_random_points_under_load(own_zeebe, make_load):
    """Many jobs, SIGKILL for the engine several times: what it acknowledged it has, and each job was done exactly once.

    An instance whose acknowledgement was lost with the engine is made again, under a new key; so it is counted for each
    instance.
    """
    load = await make_load(own_zeebe.grpc_address)
    effects = Counter()

    async def handle(job, extend):
        effects[job.process_instance_key] += 1
        await asyncio.sleep(0.02)
        return Complete()

    worker_gateway = ZeebeGateway(ClusterSettings(address=own_zeebe.grpc_address))
    worker = Worker(worker_gateway, Activation(load.type, "test", 15.0), handle, slots=32)
    worker.start()
    creating = asyncio.create_task(load.create(JOBS))
    chance = random.Random(7)
    for point in sorted(chance.sample(range(JOBS // 20, JOBS * 9 // 10), KILLS)):
        await until(lambda point=point: len(effects) > point, within=120)
        await own_zeebe.kill()
        await own_zeebe.start()
    await creating
    try:
        await load.prove(JOBS, within=200.0)
        proven = set().union(*load.proven.values())
        await until(lambda: load.acknowledged <= set().union(*load.proven.values()), within=30.0)
    finally:
        left = await worker.drain(10.0)
        await worker_gateway.aclose()
    assert left == []
    assert {effects[instance] for instance in proven} == {1}


async def start_process(address, load, file):
    script = str(Path(__file__).with_name("faulty_worker.py"))
    return await asyncio.create_subprocess_exec(sys.executable, script, address, load.type, str(file))


def effects(file):
    lines = file.read_text().split("\n")[:-1]
    begun = Counter(line.removeprefix("begin ") for line in lines if line.startswith("begin "))
    ended = Counter(line.removeprefix("end ") for line in lines if line.startswith("end "))
    return begun, ended


async def test_worker_stopped_under_load_leaves_nothing_half_done(zeebe, make_load, tmp_path):
    """SIGTERM: what was begun is completed, the rest is the next worker's; each job is done exactly once."""
    load = await make_load(zeebe.grpc_address)
    file = tmp_path / "effects"
    file.touch()
    creating = asyncio.create_task(load.create(600))
    first = await start_process(zeebe.grpc_address, load, file)
    await until(lambda: sum(effects(file)[1].values()) > 150, within=60)
    first.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(first.wait(), 30.0) == 0
    begun, ended = effects(file)
    assert begun == ended
    second = await start_process(zeebe.grpc_address, load, file)
    await creating
    await load.prove(600, within=60.0)
    second.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(second.wait(), 30.0) == 0
    begun, ended = effects(file)
    assert begun == ended
    assert len(begun) == 600
    assert max(begun.values()) == 1


async def test_worker_killed_under_load_loses_no_job(zeebe, make_load, tmp_path):
    """SIGKILL: the jobs it had come back after their deadline and are completed; only those may run twice."""
    load = await make_load(zeebe.grpc_address)
    file = tmp_path / "effects"
    file.touch()
    creating = asyncio.create_task(load.create(600))
    first = await start_process(zeebe.grpc_address, load, file)
    await until(lambda: sum(effects(file)[1].values()) > 150, within=60)
    first.kill()
    await first.wait()
    second = await start_process(zeebe.grpc_address, load, file)
    await creating
    await load.prove(600, within=60.0)
    second.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(second.wait(), 30.0) == 0
    begun, ended = effects(file)
    assert len(begun) == len(ended) == 600
    twice = [key for key, count in begun.items() if count > 1]
    assert len(twice) <= 16
    assert max(begun.values()) <= 2
