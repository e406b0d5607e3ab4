"""The engine as a program of its own: killed under load it loses and doubles nothing; it is fast and small."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from pyzeebe.proto import gateway_pb2 as pb
from pyzeebe.proto.gateway_pb2_grpc import GatewayStub
from tests.engine.diagrams import catch, process, sub, task, timer
from tests.sizes import size

from zeebe_connectors.engine.main import loop_factory

MANY = size(2000, 10_000)  # instances

pytestmark = pytest.mark.timeout(180)


class Program:
    """The engine in a process."""

    def __init__(self, state: Path | None) -> None:
        self.began = time.monotonic()
        command = [sys.executable, "-m", "zeebe_connectors.engine", "--grpc", "0", "--rest", "0"]
        if state is not None:
            command += ["--state", str(state)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        ready, self.address, *_ = self.process.stdout.readline().split()
        assert ready == "ready"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(10) == 0
        self.process.stdout.close()

    @property
    def memory(self) -> float:
        """MiB in RAM."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def deploy(stub, content) -> None:
    await stub.DeployResource(pb.DeployResourceRequest(resources=[pb.Resource(name="p.bpmn", content=content)]))


async def create(stub, name="p", **variables) -> int:
    request = pb.CreateProcessInstanceRequest(bpmnProcessId=name, version=-1, variables=json.dumps(variables))
    return (await stub.CreateProcessInstance(request)).processInstanceKey


async def jobs(stub, kind, n, wait=1.0, lease=60.0):
    request = pb.ActivateJobsRequest(
        type=kind, worker="w", timeout=int(lease * 1000), maxJobsToActivate=n, requestTimeout=int(wait * 1000)
    )
    return [job async for answer in stub.ActivateJobs(request) for job in answer.jobs]


async def complete(stub, job, **variables) -> None:
    await stub.CompleteJob(pb.CompleteJobRequest(jobKey=job.key, variables=json.dumps(variables)))


class Load:
    """Clients that create instances and do jobs, and remember what the engine acknowledged."""

    def __init__(self) -> None:
        self.made: set[int] = set()
        self.done: set[int] = set()
        self.again: set[int] = set()
        self.seen: set[int] = set()

    async def create(self, stub) -> None:
        while True:
            self.made.add(await create(stub, n=21))

    async def work(self, stub) -> None:
        while True:
            for job in await jobs(stub, "a", 1, 5, lease=1.0):
                assert json.loads(job.variables)["m"] == 42
                await self.do(stub, job)

    async def do(self, stub, job) -> None:
        if job.processInstanceKey in self.done:
            self.again.add(job.processInstanceKey)
        await complete(stub, job, r=1)
        self.done.add(job.processInstanceKey)

    async def until_killed(self, program) -> None:
        async with grpc.aio.insecure_channel(program.address) as channel:
            stub = GatewayStub(channel)
            working = [asyncio.create_task(self.create(stub)) for _ in range(6)]
            working += [asyncio.create_task(self.work(stub)) for _ in range(2)]
            await asyncio.sleep(0.7)
            program.kill()
            await asyncio.wait(working, timeout=10)
            for one in working:
                one.cancel()
            failures = await asyncio.gather(*working, return_exceptions=True)
            assert all(isinstance(failure, grpc.aio.AioRpcError | asyncio.CancelledError) for failure in failures)

    async def finish(self, program) -> None:
        async with grpc.aio.insecure_channel(program.address) as channel:
            stub = GatewayStub(channel)
            until = time.monotonic() + 100
            while time.monotonic() < until and not self.made <= self.seen:
                for job in await jobs(stub, "a", 200, 0.2):
                    await self.do(stub, job)
                for job in await jobs(stub, "b", 200, 0.2):
                    assert job.processInstanceKey not in self.seen
                    self.seen.add(job.processInstanceKey)
                    await complete(stub, job)


async def test_killed_under_load_it_loses_nothing_and_does_nothing_twice(tmp_path) -> None:
    """All acknowledged instances are there afterwards; no job whose completion was acknowledged comes again."""
    state = tmp_path / "engine.db"
    inner = sub("sub", "start2 > a > end2", task("a", inputs=[("=n * 2", "m")], outputs=[("=r", "out")]))
    document = process(
        "p",
        "start > par1; par1 > sub > par2; par1 > t > par2; par2 > b > end",
        inner,
        catch("t", timer("PT1S")),
        task("b"),
    )
    load = Load()
    program = Program(state)
    async with grpc.aio.insecure_channel(program.address) as channel:
        await deploy(GatewayStub(channel), document)
    for _ in range(3):
        await load.until_killed(program)
        program = Program(state)
    await load.finish(program)
    program.stop()
    assert len(load.made) > 30
    assert len(load.done) > 5
    assert load.made - load.seen == set()
    assert load.again == set()


@pytest.mark.slow
async def test_it_is_fast_and_small(tmp_path) -> None:
    """Start to first job, memory after many instances, processor time of each, as many that wait.

    Times are those of the processor, as other work on the machine counts in the clock's. On a machine that is shared
    they are longer all the same; so they are compared with a call that does nothing, and takes 0.15 ms on a quiet one.
    """
    state = tmp_path / "engine.db"
    mapped = {"inputs": [("=order.id", "id"), ('="x" + order.id', "text")], "outputs": [("=result", "out")]}
    order = {"order": {"id": "4711", "items": [{"sku": "a", "n": 1}] * 5}}
    program = Program(state)
    try:
        async with grpc.aio.insecure_channel(program.address) as channel:
            stub = GatewayStub(channel)
            await deploy(stub, process("p", "start > t > end", task("t", "w", **mapped)))
            await create(stub, **order)
            (first,) = await jobs(stub, "w", 1)
            started = program.cpu

            async def asking(count) -> None:
                for _ in range(count):
                    await stub.Topology(pb.TopologyRequest())

            await asyncio.gather(*(asking(100) for _ in range(25)))
            slow = max(1.0, (program.cpu - started) / 2.5 / 0.15)
            await complete(stub, first, result=1)
            await deploy(stub, process("wait", "start > t > end", task("t", "nobody", **mapped)))

            in_flight = asyncio.Semaphore(500)  # else a slow worker makes it a test of how many wait, which comes next

            async def working(left) -> None:
                while left > 0:
                    found = await jobs(stub, "w", 32, 5)
                    await asyncio.gather(*(complete(stub, job, result=1) for job in found))
                    left -= len(found)
                    for _ in found:
                        in_flight.release()

            async def creating(name, count) -> None:
                for _ in range(count):
                    await in_flight.acquire()
                    await create(stub, name, **order)

            idle = program.cpu
            await asyncio.gather(working(MANY), *(creating("p", MANY // 25) for _ in range(25)))
            each, after = (program.cpu - idle) * 1000 / MANY, program.memory
            in_flight = asyncio.Semaphore(MANY)
            await asyncio.gather(*(creating("wait", MANY // 20) for _ in range(20)))
            waiting = program.memory - after
        program.kill()
        program = Program(state)
        async with grpc.aio.insecure_channel(program.address) as channel:
            assert len(await jobs(GatewayStub(channel), "nobody", 100)) == 100
        restored = program.cpu
    finally:
        program.kill()
    measured = (
        f"{started:.2f} s, {each:.2f} ms, {after:.0f} MiB, {waiting:.0f} MiB more, {restored:.2f} s (x {slow:.1f})"
    )
    sys.stdout.write(f"start, each of {MANY}, memory, {MANY} waiting, restored: {measured}\n")
    assert started < 1.0 * slow, measured
    assert each < 0.6 * slow, measured
    assert after < 80, measured
    assert waiting < 60 * MANY / 10_000, measured
    assert restored - started < 1.0 * slow, measured


def test_it_runs_on_uvloop_where_that_is_installed(monkeypatch) -> None:
    """As the connectors do; the same setting keeps it to Python's own event loop."""
    monkeypatch.setenv("ZEEBE_CONNECTORS_EVENT_LOOP", " Asyncio ")
    assert loop_factory() is asyncio.new_event_loop
    monkeypatch.delenv("ZEEBE_CONNECTORS_EVENT_LOOP")
    uvloop = pytest.importorskip("uvloop")
    assert loop_factory() is uvloop.new_event_loop
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop_factory() is asyncio.new_event_loop


def test_what_it_says_when_it_cannot_start(tmp_path) -> None:
    file = tmp_path / "engine.db"
    file.write_bytes(b"something else" * 1000)
    command = [sys.executable, "-m", "zeebe_connectors.engine", "--grpc", "0", "--rest", "0", "--state", str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "no state of an engine" in ended.stderr
