"""Measures what gRPC costs: a call on the client's side, ours beside grpcio's, and an instance on the engine's side.

`python benchmarks/rpc.py` lets both clients complete jobs of the same gateway in turns, each in a process of its own,
64 calls at the same time. Then it starts the local engine, has instances with one task created and completed, 32 calls
at the same time, and divides the engine's CPU time by them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from run import cpu_of, diagram, process

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.runtime.gateway import Activation
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway

HERE = Path(__file__).parent
PAYLOAD = '{"name":"x","status":200}'
CLIENTS = ("zeebe-connectors", "grpcio")


async def crowd(count: int, size: int, call: Callable[[int], Awaitable[object]]) -> None:
    """Makes calls, so many at the same time."""
    numbers = iter(range(1, count + 1))

    async def caller() -> None:
        for number in numbers:
            await call(number)

    await asyncio.gather(*(caller() for _ in range(size)))


async def client(name: str, address: str, calls: int) -> None:
    """Completes jobs, and prints the CPU milliseconds of a call."""
    if name == "grpcio":
        import grpc.aio
        from pyzeebe.proto import gateway_pb2 as pb
        from pyzeebe.proto.gateway_pb2_grpc import GatewayStub

        stub: Any = GatewayStub(grpc.aio.insecure_channel(address))

        async def complete(number: int) -> None:
            await stub.CompleteJob(pb.CompleteJobRequest(jobKey=number, variables=PAYLOAD), timeout=10)
    else:
        gateway = ZeebeGateway(ClusterSettings(address=address))

        async def complete(number: int) -> None:
            await gateway.complete(number, PAYLOAD)

    await crowd(500, 64, complete)
    began = _cpu()
    await crowd(calls, 64, complete)
    print(1000 * (_cpu() - began) / calls, flush=True)
    os._exit(0)  # nothing to close orderly: the figure is out


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def clients(calls: int, rounds: int) -> None:
    """Prints the cost of a call, both clients in each round."""
    found: dict[str, list[float]] = {name: [] for name in CLIENTS}
    command = [sys.executable, str(HERE / "gateway.py"), str(10**9), "x", "{}", "{}"]
    with process(command, stdout=subprocess.PIPE) as gateway:
        assert gateway.stdout is not None
        address = f"127.0.0.1:{gateway.stdout.readline().strip()}"
        for _ in range(rounds):
            for name, values in found.items():
                one = [sys.executable, __file__, "--client", name, "--address", address, "--calls", str(calls)]
                values.append(float(subprocess.run(one, check=True, capture_output=True, text=True).stdout))
    ratios = [ours / theirs for ours, theirs in zip(*found.values(), strict=True)]
    for name, values in found.items():
        print(f"{name:<20}{statistics.median(values):>8.3f} ms of CPU a call ({min(values):.3f}-{max(values):.3f})")
    print(f"{'':<20}{statistics.median(ratios):>8.2f} of grpcio's ({min(ratios):.2f}-{max(ratios):.2f})", flush=True)


async def engine(instances: int, rounds: int, loop: str) -> None:
    """Prints the engine's CPU time for an instance with one task."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "zeebe_connectors.engine", "--grpc", "0", "--rest", "0"]
        command += ["--state", f"{folder}/state.sqlite"]
        environment = {**os.environ, "ZEEBE_CONNECTORS_EVENT_LOOP": loop}
        with process(command, stdout=subprocess.PIPE, env=environment) as zeebe:
            assert zeebe.stdout is not None
            gateway = ZeebeGateway(ClusterSettings(address=zeebe.stdout.readline().split()[1]))
            await gateway.deploy({"bench.bpmn": diagram("bench", {}, {})})
            found = []
            for number in range(rounds + 1):
                began = cpu_of(zeebe.pid)
                await asyncio.gather(work(gateway, instances), crowd(instances, 32, lambda _: create(gateway)))
                if number:  # the first round warms up
                    found.append(1000 * (cpu_of(zeebe.pid) - began) / instances)
            await gateway.aclose()
    figures = f"{statistics.median(found):>8.3f} ms of CPU an instance ({min(found):.3f}-{max(found):.3f})"
    print(f"{f'engine, {loop}':<20}{figures}", flush=True)


async def create(gateway: ZeebeGateway) -> None:
    """Starts an instance."""
    await gateway.create_instance("bench", payload='{"a":1,"b":"two"}')


async def work(gateway: ZeebeGateway, count: int) -> None:
    """Polls and completes so many jobs."""
    activation = Activation("io.camunda:http-json:1", "bench", 60.0)
    while count > 0:
        jobs = await gateway.activate(activation, max_jobs=32, wait=5.0)
        await asyncio.gather(*(gateway.complete(job.key, PAYLOAD) for job in jobs))
        count -= len(jobs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=5000, help="calls, or instances, in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        asyncio.run(client(options.client, options.address, options.calls))
        return
    clients(options.calls, options.rounds)
    for loop in ("asyncio", "uvloop"):
        asyncio.run(engine(options.calls, options.rounds, loop))


if __name__ == "__main__":
    main()
