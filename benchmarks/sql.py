"""Measures our SQL connector beside bare psycopg: `python benchmarks/sql.py` (Linux on x86-64).

Each job asks one row by its key, or changes one. What is compared are workers, as jobs are what is counted: our runtime
as in production (inputs validated, a secret resolved, the statement read and bound, a limit in time, a FEEL result
expression, a log line) and `workers/stubs_psycopg.py`, which takes the same jobs of the same gateway on the same gRPC
stubs, runs the statement on one of as many open connections and gives the same JSON. In turns within one run; medians
over rounds. For those who look for where time goes, the second table has the connector's function alone beside a loop
around psycopg alone: no job, no gateway. Then 100,000 rows to a document, with the largest memory of that process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from run import HERE, Scene, at_work, cpu_of, gateway_scene
from run import ours as our_runtime

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from tests.servers.postgres import PASSWORD, Postgres  # noqa: E402

from zeebe_connectors import Context  # noqa: E402
from zeebe_connectors.connectors.sql.connector import work  # noqa: E402
from zeebe_connectors.runtime.documents import LocalDocuments  # noqa: E402
from zeebe_connectors.sdk.client_cache import ClientCache  # noqa: E402
from zeebe_connectors.sdk.context import Job  # noqa: E402
from zeebe_connectors.sdk.fields import read_input  # noqa: E402
from zeebe_connectors.sdk.files import AllowedFiles  # noqa: E402

ASK = "SELECT id, customer, total FROM orders WHERE id = {}"
CHANGE = "UPDATE orders SET total = total + 1 WHERE id = {}"
KIND = work.type
CONNECTIONS = 5
OPERATIONS = (("query", ASK, "query"), ("change", CHANGE, "execute"))
ROWS = 100_000
LOG = logging.LoggerAdapter(logging.getLogger("bench"), {})


async def at_once(count: int, one, width: int) -> float:
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await one(number)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(width)))
    return count / (time.perf_counter() - began)


def inputs_of(url: str, **more) -> dict:
    place = psycopg.conninfo.conninfo_to_dict(url)
    return {
        "database": "postgresql", "host": place["host"], "port": str(place["port"]), "name": place["dbname"],
        "security": "none", "authentication": {"type": "password", "username": "test", "password": PASSWORD}, **more,
    }  # fmt: skip


class Ours:
    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self.clients, self.documents = ClientCache(), LocalDocuments(directory)

    async def job(self, number: int, text: str):
        given = read_input(work.input, json.loads(text))
        job = Job(number, "sql", process_instance_key=number, element_instance_key=number)
        done = await work(given, Context(job, self.clients, self.documents, AllowedFiles(), LOG, time.monotonic() + 60))
        return json.dumps(done.model_dump(by_alias=True, mode="json"))

    def one(self, statement: str, operation: str):
        base = inputs_of(self.url, operation=operation, statement=statement.format(":id"))

        async def run(number: int) -> None:
            await self.job(number, json.dumps({**base, "parameters": {"id": number % 1000}}))

        return run


class Bare:
    """A pool as simple as can be: connections that stay open, each for one at a time."""

    def __init__(self, url: str, width: int) -> None:
        self.url, self.width = url, width
        self.free: asyncio.Queue = asyncio.Queue()

    async def open(self) -> None:
        for _ in range(self.width):
            self.free.put_nowait(await psycopg.AsyncConnection.connect(self.url, autocommit=True))

    def one(self, statement: str, operation: str):
        text = statement.format("%(id)s")

        async def run(number: int) -> None:
            variables = json.loads(json.dumps({"id": number % 1000}))
            connection = await self.free.get()
            try:
                cursor = await connection.execute(text, variables)
                if operation == "query":
                    names = [column.name for column in cursor.description]
                    json.dumps([dict(zip(names, row, strict=True)) for row in await cursor.fetchall()], default=str)
            finally:
                self.free.put_nowait(connection)

        return run


async def compare(url: str, directory: Path, jobs: int, rounds: int, width: int) -> None:
    ours, bare = Ours(url, directory), Bare(url, CONNECTIONS)
    await bare.open()
    for name, statement, operation in OPERATIONS:
        rates: dict[str, list[float]] = {"ours": [], "bare": []}
        for _ in range(rounds):
            rates["ours"].append(await at_once(jobs, ours.one(statement, operation), width))
            rates["bare"].append(await at_once(jobs, bare.one(statement, operation), width))
        ratio = statistics.median(a / b for a, b in zip(rates["ours"], rates["bare"], strict=True))
        print(
            f"{name:8}{statistics.median(rates['ours']):7.0f} jobs/s   psycopg "
            f"{statistics.median(rates['bare']):7.0f}   {ratio:4.2f} of bare", flush=True,
        )  # fmt: skip
    await ours.clients.aclose()
    while not bare.free.empty():
        await bare.free.get_nowait().close()


async def large(url: str, directory: Path) -> None:
    ours = Ours(url, directory)
    given = inputs_of(url, operation="query", statement="SELECT * FROM many ORDER BY id", result="csv")
    began = time.perf_counter()
    text = await ours.job(1, json.dumps(given))
    rows = json.loads(text)["rowCount"]
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": rows, "took": time.perf_counter() - began, "rss": rss}))
    await ours.clients.aclose()


def started(name: str, scene: Scene, url: str, statement: str) -> tuple[list[str], dict[str, str]]:
    """Command and environment of a worker."""
    if name == "bare":
        file = HERE / "workers" / "stubs_psycopg.py"
        text = statement.format("%(id)s")
        return [sys.executable, str(file), scene.address, KIND, str(scene.slots), url, str(CONNECTIONS), text], {}
    return our_runtime(scene, PASSWORD)


def measure(name: str, url: str, statement: str, operation: str, jobs: int, slots: int) -> tuple[float, float]:
    """Jobs per second of one worker, and its milliseconds of CPU for a job, the start included."""
    inputs = inputs_of(url, operation=operation, statement=statement.format(":id"), parameters={"id": "@NUMBER"})
    inputs["authentication"]["password"] = "{{secrets.BENCH}}"
    result = "rows" if operation == "query" else "affected"
    with (
        gateway_scene(KIND, inputs, f"={{{result}: response.{result}}}", jobs, slots) as scene,
        at_work(started(name, scene, url, statement), scene) as ((pid,), rate, _),
    ):
        return rate, cpu_of(pid) / jobs * 1000


def workers(url: str, jobs: int, rounds: int, slots: int) -> bool:
    """Prints the table of workers; whether ours is quick enough."""
    well = True
    for name, statement, operation in OPERATIONS:
        found: dict[str, list[tuple[float, float]]] = {"ours": [], "bare": []}
        for _ in range(rounds):
            for worker, figures in found.items():
                figures.append(measure(worker, url, statement, operation, jobs, slots))
        ratios = [ours[0] / bare[0] for ours, bare in zip(found["ours"], found["bare"], strict=True)]
        (rate, cpu), (bare_rate, bare_cpu) = (map(statistics.median, zip(*one, strict=True)) for one in found.values())
        ratio = statistics.median(ratios)
        print(
            f"{name:8}{rate:7.0f} jobs/s {cpu:5.2f} ms CPU   bare worker{bare_rate:7.0f} {bare_cpu:5.2f}   "
            f"{ratio:4.2f} of bare ({min(ratios):.2f}-{max(ratios):.2f})", flush=True,
        )  # fmt: skip
        well = well and ratio >= 0.8
    return well


def main(jobs: int, rounds: int, width: int, slots: int) -> bool:
    with Postgres() as server, tempfile.TemporaryDirectory(dir=".") as directory:
        url = server.database()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE orders (id INT PRIMARY KEY, customer TEXT, total NUMERIC(12, 2))")
            connection.execute("INSERT INTO orders SELECT n, 'customer ' || n, n FROM generate_series(0, 999) n")
            connection.execute(
                f"CREATE TABLE many AS SELECT n AS id, md5(n::text) AS a, repeat(md5(n::text), 10) AS b, now() AS at "
                f"FROM generate_series(1, {ROWS}) n"
            )
        print(f"Workers on the same gateway, {slots} jobs in flight")
        well = workers(url, jobs * 2, rounds, slots)
        print(f"\nThe connector's function and a loop around psycopg, {width} at once, no jobs")
        asyncio.run(compare(url, Path(directory), jobs, rounds, width))
        command = [sys.executable, __file__, "--large", url, "--directory", directory]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"\n{found['rows']} rows to CSV in {found['took']:.1f} s, at most {found['rss']:.0f} MiB")
    return well and found["rows"] == ROWS and found["rss"] < 150


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--large")
    parser.add_argument("--directory")
    chosen = parser.parse_args()
    if chosen.large:
        asyncio.run(large(chosen.large, Path(chosen.directory)))
    else:
        sys.exit(0 if main(chosen.jobs, chosen.rounds, chosen.width, chosen.slots) else 1)
