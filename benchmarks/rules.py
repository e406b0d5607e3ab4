"""Shows that replicas keep a provider's usage rules together: `python benchmarks/rules.py` (Linux).

Jobs of one provider wait in the local engine for replicas that share a database: the SQLite file of one machine, or
PostgreSQL with `--postgresql URL`. The service of the provider counts what it sees in any second. Another provider's
jobs come in between; how long they take shows whether it is harmed.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from run import diagram, process

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.testing.process import EngineProcess, free_ports
from zeebe_connectors.testing.servers import HttpServer, Reply


def most_within(times: list[float], seconds: float) -> int:
    """The largest number in any window of that length."""
    return max(bisect.bisect_left(times, one + seconds) - place for place, one in enumerate(times))


def handed_back(port: int) -> float:
    """How many jobs of the limited provider a replica has handed back."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("zeebe_connectors_provider_handed_back_total") and '"limited"' in line:
                return float(line.rpartition(" ")[2])
    return 0.0


def replica(directory: Path, engine: EngineProcess, providers: Path, port: int, url: str) -> tuple[list[str], dict]:
    """Command and environment of a replica."""
    command = str(Path(sys.executable).with_name("zeebe-connectors"))
    settings = {
        "ZEEBE_ADDRESS": engine.grpc_address,
        "ZEEBE_CONNECTORS_PORT": str(port),
        "ZEEBE_CONNECTORS_DATA": str(directory),
        "ZEEBE_CONNECTORS_PROVIDERS": str(providers),
        **({"ZEEBE_CONNECTORS_LEDGER": url} if url else {}),
    }
    return [command, "run"], {**os.environ, **settings}


async def run(options: argparse.Namespace) -> None:
    limited: list[float] = []
    other: list[float] = []
    arrived = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        engine = await stack.enter_async_context(EngineProcess(durable=False))
        server = await stack.enter_async_context(HttpServer())
        server.answer("/limited/", lambda _: limited.append(time.monotonic()) or Reply.json({}))
        server.answer("/other/", lambda _: other.append(time.monotonic()) or arrived.set() or Reply.json({}))
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = directory / "providers.yaml"
        named = {
            name: {"protocol": "http", "environments": {"live": {"url": server.url(f"/{name}/")}}}
            for name in ("limited", "other")
        }
        named["limited"]["rules"] = {"maxPerSecond": options.rate}
        file.write_text(json.dumps({"providers": named}))
        gateway = ZeebeGateway(ClusterSettings(address=engine.grpc_address))
        for name in named:
            await gateway.deploy({f"{name}.bpmn": diagram(name, {"method": "GET"}, {"provider": name})})

        async def other_job() -> float:
            """Seconds until the service of the other provider sees a job that is made now."""
            arrived.clear()
            began = time.monotonic()
            await gateway.create_instance("other")
            async with asyncio.timeout(60):
                await arrived.wait()
            return other[-1] - began

        ports = free_ports(options.replicas)
        for port in ports:
            command, environment = replica(directory, engine, file, port, options.postgresql)
            log = stack.enter_context((directory / f"log-{port}").open("w"))
            stack.enter_context(process(command, cwd=directory, env=environment, stdout=log, stderr=subprocess.STDOUT))
        for _ in range(4 * options.replicas):  # each has been asked before it counts
            await other_job()
        for _ in range(options.jobs):
            await gateway.create_instance("limited")
        waits = []
        ends = time.monotonic() + 30 + 3 * options.jobs / options.rate
        while len(limited) < options.jobs:
            if time.monotonic() > ends:
                raise SystemExit(f"only {len(limited)} of {options.jobs} came; see {directory}")
            waits.append(await other_job())
            await asyncio.sleep(0.5)
        backs = sum([await asyncio.to_thread(handed_back, port) for port in ports])
        await gateway.aclose()
    limited.sort()
    seconds = limited[-1] - limited[0]
    print(f"{options.jobs} jobs at {options.rate:g} a second over {options.replicas} replicas: {seconds:.1f} s")
    print(
        f"  {(options.jobs - 1) / seconds:.1f} a second, {(options.jobs - 1) / seconds / options.rate:.1%} of the rule"
    )
    print(f"  at most {most_within(limited, 1.0)} in any second at the service, {most_within(limited, 0.95)} in 950 ms")
    worst = max(range(len(limited)), key=lambda place: bisect.bisect_left(limited, limited[place] + 1.0) - place)
    print(f"  (the fullest second began {limited[worst] - limited[0]:.1f} s after the first)")
    print(f"  {backs / options.jobs:.2f} times handed back per job")
    print(f"  another provider's job: {statistics.median(waits) * 1000:.0f} ms, at most {max(waits) * 1000:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--postgresql", default="", help="URL of a database instead of one machine's file")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
