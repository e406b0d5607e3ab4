"""Measures what a provider costs: the CPU of REST jobs with and without one: `python benchmarks/provider_cpu.py`.

The same call, once with address and login in the task's inputs and once from a provider, in pairs of short batches that
take turns; the web service runs in a process of its own. The figure is the median of the pairs' ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from run import HERE, process

from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.connectors.rest.connector import request
from zeebe_connectors.runtime.outbound.jobs import JobHandler
from zeebe_connectors.runtime.outbound.outcome import Complete
from zeebe_connectors.runtime.services import services_of
from zeebe_connectors.sdk.context import Job

LOGIN = {"type": "bearer", "token": "{{secrets.BENCH}}"}
RULES = {"maxPerSecond": 10_000}
CASES = {
    "no login": ({}, {}, None),
    "a secret as login": ({"authentication": LOGIN}, {"authentication": LOGIN}, None),
    "a secret as login, with rules": ({"authentication": LOGIN}, {"authentication": LOGIN}, RULES),
}


async def batch(handler: JobHandler, job: Job, count: int) -> float:
    """Microseconds of CPU for a job."""
    began = time.process_time()
    for _ in range(count):
        outcome = await handler(job)
        assert isinstance(outcome, Complete), outcome
    return (time.process_time() - began) / count * 1e6


async def compare(url: str, directory: Path, rounds: int, count: int) -> float:
    """The largest share by which a provider's job costs more."""
    named = {
        f"system{number}": {
            "protocol": "http",
            "environments": {"live": {"url": f"{url}/", **there}},
            **({"rules": rules} if rules else {}),
        }
        for number, (_, there, rules) in enumerate(CASES.values())
    }
    file = directory / "providers.yaml"
    file.write_text(json.dumps({"providers": named}))
    operators = Environment(
        (
            "environment",
            {
                "ZEEBE_CONNECTORS_PROVIDERS": str(file),
                "ZEEBE_CONNECTORS_DATA": str(directory),
                "SECRET_BENCH": "bench",
            },
        )
    )
    services = services_of(Settings.read(operators), operators)
    handler = JobHandler(request, services)
    worst = 0.0
    for number, (title, (login, _, _)) in enumerate(CASES.items()):
        without = Job(1, request.type, json.dumps({"method": "GET", "url": f"{url}/ok", **login}), {})
        through = Job(2, request.type, json.dumps({"method": "GET", "url": "ok"}), {"provider": f"system{number}"})
        for job in (without, through):
            await batch(handler, job, count)
        pairs = []
        for turn in range(rounds):
            order = (without, through) if turn % 2 else (through, without)
            gc.collect()
            found = {job.key: await batch(handler, job, count) for job in order}
            pairs.append((found[1], found[2]))
        ratio = statistics.median(there / here for here, there in pairs)
        here, there = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{title:32}{here:7.0f} us without{there:7.0f} us with a provider: {ratio - 1:+.1%}", flush=True)
        worst = max(worst, ratio - 1)
    await services.providers.aclose()
    await services.aclose()
    return worst


def main() -> bool:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=50, help="jobs in a batch")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    with (
        tempfile.TemporaryDirectory() as directory,
        process([sys.executable, str(HERE / "target.py")], stdout=subprocess.PIPE) as server,
    ):
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        return asyncio.run(compare(url, Path(directory), options.rounds, options.jobs)) <= 0.05


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
