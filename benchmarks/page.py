"""Measures what the operator's page costs: `python -m benchmarks.page`.

Jobs run through the whole pipeline on an engine in memory, in turns with nobody looking and with three clients on the
live stream; the clients are processes of their own. What counts is the processor's time of the runtime's process, since
a machine that others use too has no other measure. Then each page: the processor's time that it takes, and its bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import yarl
from benchmarks.plots import line_plot
from tests.admin.routes import pages
from tests.admin.world import TOKENS, World

from zeebe_connectors.admin.page.rendering import assets

READER = """
import sys, urllib.request
url, token = sys.argv[1:]
while True:
    request = urllib.request.Request(url, headers={"Authorization": "Bearer " + token})
    with urllib.request.urlopen(request) as answer:
        while answer.read1(65536):
            pass
"""
LOOKED_AT = ("overview", "jobs", "sources")
KIND = "test:order:1"


async def work(world: World, jobs: int) -> float:
    """Seconds of the processor for each of some jobs."""
    record = world.runtime.record
    goal = record.totals["completed"] + jobs
    began = time.process_time()
    for _ in range(jobs):
        world.gateway.put(KIND, {"note": "x"})
    while record.totals["completed"] < goal:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.005)
    spent = (time.process_time() - began) / jobs
    # The engine in memory keeps a timer for each job until its deadline, which is none of the runtime's memory.
    for timer in world.gateway._later:  # noqa: SLF001 - see above
        timer.cancel()
    world.gateway._later.clear()  # noqa: SLF001 - see above
    world.gateway.jobs.clear()
    world.gateway.commands.clear()
    return spent


def readers(world: World) -> list[subprocess.Popen[bytes]]:
    """Three clients on the live stream."""
    return [
        subprocess.Popen([sys.executable, "-c", READER, f"{world.url}/api/live?of={place}", TOKENS["viewer"]])
        for place in LOOKED_AT
    ]


def resident() -> float:
    """MiB of memory that the process has now."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() / 2**20


async def compare(world: World, jobs: int, rounds: int) -> tuple[list[float], list[float]]:
    """Microseconds of the processor a job with nobody looking and with three, in turns."""
    alone, watched = [], []
    await work(world, jobs)
    for number in range(rounds):
        for looking in (False, True) if number % 2 else (True, False):
            clients = readers(world) if looking else []
            try:
                while world.api.live.streams < len(clients):  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0.02)
                (watched if looking else alone).append(await work(world, jobs) * 1e6)
            finally:
                for client in clients:
                    client.kill()
                    client.wait()
            while world.api.live.streams:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.02)
    return alone, watched


async def watch(world: World, seconds: float) -> tuple[float, float]:
    """Share of a core that the runtime takes with a hundred jobs a second, with nobody looking and with three."""

    async def share() -> float:
        began, spent = time.monotonic(), time.process_time()
        while (passed := time.monotonic() - began) < seconds:
            await work(world, 10)
            await asyncio.sleep(max(0.0, 0.1 - (time.monotonic() - began - passed)))
        return (time.process_time() - spent) / (time.monotonic() - began)

    alone, watched = [], []
    for _ in range(3):
        alone.append(await share())
        clients = readers(world)
        try:
            while world.api.live.streams < len(clients):  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.02)
            watched.append(await share())
        finally:
            for client in clients:
                client.kill()
                client.wait()
    return statistics.median(alone), statistics.median(watched)


async def remember(world: World, jobs: int, step: int) -> list[tuple[float, float]]:
    """Jobs and MiB, with three clients on the stream."""
    clients = readers(world)
    try:
        found = []
        for done in range(step, jobs + 1, step):
            await work(world, step)
            found.append((float(done), resident()))
        return found
    finally:
        for client in clients:
            client.kill()
            client.wait()


async def look(world: World, times: int) -> list[tuple[str, float, float, int]]:
    """Address, median and largest milliseconds of the processor, bytes of each page."""
    found = []
    async with aiohttp.ClientSession(world.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.post("/signin", data={"token": TOKENS["operator"], "to": "/"}):
            pass
        for method, path, _ in pages(world):
            if method != "GET" or path == "/signin":
                continue
            spent = []
            url = yarl.URL(world.url + path, encoded=True)
            for number in range(times + 1):
                began = time.process_time()
                async with session.get(url) as answer:
                    body = await answer.read()
                if number:  # the first one loads what it needs
                    spent.append((time.process_time() - began) * 1000)
            if answer.content_type == "text/html" and answer.status == 200:
                found.append((path, statistics.median(spent), max(spent), len(gzip.compress(body))))
    return found


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each turn at a hundred jobs a second")
    parser.add_argument("--memory", type=int, default=100_000, help="jobs over which memory is watched; 0: not")
    parser.add_argument("--plots", type=Path, default=Path("build/benchmarks"))
    options = parser.parse_args()
    options.plots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with World(Path(folder)) as world:
            alone, watched = await compare(world, options.jobs, options.rounds)
            ratios = [with_them / without for without, with_them in zip(alone, watched, strict=True)]
            print(f"{options.jobs:,} jobs, {options.rounds} turns each, processor's time of the runtime a job:")
            print(f"  nobody looks   {statistics.median(alone):7.1f} µs")
            print(f"  three look     {statistics.median(watched):7.1f} µs")
            print(f"  ratio          {statistics.median(ratios):7.3f} (median; {min(ratios):.3f} to {max(ratios):.3f})")
            quiet, looked_at = await watch(world, options.seconds)
            print(f"  a hundred jobs a second: {quiet:.2%} of a core, with three looking {looked_at:.2%}")
            turns = {
                "nobody looks": [(i + 1.0, one) for i, one in enumerate(alone)],
                "three on the stream": [(i + 1.0, one) for i, one in enumerate(watched)],
            }
            plot = line_plot("What looking costs", "turn", "µs of the processor a job", turns)
            (options.plots / "page-jobs.svg").write_text(plot, encoding="utf-8")
            if options.memory:
                memory = await remember(world, options.memory, max(1, options.memory // 20))
                fifth = memory[len(memory) // 5][1]
                print(f"memory after {memory[len(memory) // 5][0]:,.0f} jobs {fifth:.1f} MiB, ", end="")
                print(f"after {memory[-1][0]:,.0f} {memory[-1][1]:.1f} MiB ({memory[-1][1] - fifth:+.1f})")
                plot = line_plot("Memory of the runtime, three looking", "jobs done", "MiB", {"resident": memory})
                (options.plots / "page-memory.svg").write_text(plot, encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        async with World(Path(folder), sources=1000, jobs=6000, quarantined=500, providers=60) as world:
            shared = sum(len(packed) for _, packed, _ in assets().values())
            print("pages with 1,000 sources, 6,000 jobs, 60 providers; processor's time with the client's, bytes sent:")
            for path, median, longest, size in await look(world, 20):
                print(f"  {path[:44]:44} {median:7.1f} ms, at most {longest:6.1f}; {size / 1024:5.1f} KiB")
            print(f"  what all share, loaded once: {shared / 1024:.1f} KiB")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    asyncio.run(main())
