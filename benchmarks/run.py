"""Measures our runtime beside bare workers that make the same web call: `python benchmarks/run.py` (Linux).

Each worker gets the same jobs, made before it starts, from a gateway that never limits or from the local engine, for a
web service that answers at once or after 200 ms. Ours does what it does in production (inputs validated, a secret
resolved, a FEEL result expression, a log line per job); the bare ones only fetch, call and complete. Two further scenes
compare ours with itself: two replicas with one, and twenty connectors with one. All processes share this machine, so
compare within one run.
"""

from __future__ import annotations

import argparse
import asyncio
import compileall
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.runtime.gateway import GatewayError
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.testing.process import EngineProcess

HERE = Path(__file__).parent
TYPE = "io.camunda:http-json:1"
EXPRESSION = "={name: response.body.name, status: response.status}"
BARE = "stubs+aiohttp"
"""What every other worker is compared with, round by round."""
WARM = 0.15
"""Share of the jobs after which CPU is counted: what happens once, such as imports, is the start's."""
WAITING_SLOTS = 256
MANY = 20
"""Connectors of the scene that has many."""
TICKS = os.sysconf("SC_CLK_TCK")
SCENES = {
    "fake": "a gateway that never limits, {slots} in flight",
    "wait": "a gateway that never limits and a web service that takes 200 ms, {slots} in flight",
    "replicas": "replicas on one machine, a gateway that never limits, {slots} in flight for each",
    "connectors": "mixed work for one connector and for many, a gateway that never limits, {slots} in flight for each",
    "engine": "the local engine on the same machine, {slots} in flight",
    "slow": "the local engine and a web service that takes 200 ms, {slots} in flight",
}


@dataclass(frozen=True)
class Figures:
    """What one worker did in one scene."""

    jobs_per_second: float
    cpu_ms: float
    """CPU per job once the worker runs warm, in milliseconds."""
    peak_mib: float
    first_job: float
    """Seconds from the start of the process to its first call."""


@dataclass(frozen=True)
class Scene:
    """Where a worker finds its jobs, and how to know that it is through."""

    address: str
    jobs: int
    slots: int
    done: Callable[[], float]
    """Jobs per second once all are completed, else 0."""


Start = Callable[[Scene], tuple[list[str], dict[str, str]]]
"""How to start a worker: its command, and what to add to its environment."""


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _cpu_of_all(pids: Sequence[int]) -> float:
    return sum(map(cpu_of, pids))


def _peak(pid: int) -> float:
    """The largest resident memory of a process so far, in MiB."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


@contextlib.contextmanager
def process(command: Sequence[str], **options: object) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with the block, by SIGTERM and if need be by SIGKILL."""
    child: subprocess.Popen[str] = subprocess.Popen(command, text=True, **options)  # type: ignore[call-overload]
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


class Target:
    """The web service of `target.py` in a process of its own."""

    def __init__(self, port: str) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def stats(self) -> dict[str, float]:
        return dict(json.loads(self._get("/stats")))

    def reset(self) -> None:
        self._get("/reset")

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return bytes(answer.read())


def ours(scene: Scene, secret: str = "bench") -> tuple[list[str], dict[str, str]]:
    """How to start our runtime: its command and what to add to its environment.

    Args:
        scene: Where its jobs are.
        secret: The value of the secret `BENCH`.
    """
    settings = {
        "ZEEBE_ADDRESS": scene.address,
        "CAMUNDA_CLIENT_WORKER_DEFAULTS_MAX_JOBS_ACTIVE": str(scene.slots),
        "ZEEBE_CONNECTORS_PORT": "0",
        "SECRET_BENCH": secret,
    }
    return [str(Path(sys.executable).with_name("zeebe-connectors")), "run"], settings


def workers(chosen: Sequence[str]) -> dict[str, Start]:
    """By name, how to start each worker: its command and what to add to its environment."""
    python = sys.executable

    def bare(file: str) -> Start:
        return lambda scene: ([python, str(HERE / "workers" / file), scene.address, TYPE, str(scene.slots)], {})

    known: dict[str, Start] = {
        "zeebe-connectors": ours,
        "stubs+aiohttp": bare("stubs_aiohttp.py"),
        "pyzeebe+aiohttp": bare("pyzeebe_aiohttp.py"),
    }
    if (not chosen or "go" in chosen) and (binary := _build_go()):
        known["go"] = lambda scene: ([binary, scene.address, TYPE, str(scene.slots)], {})
    return {name: start for name, start in known.items() if not chosen or name in chosen}


def _build_go() -> str | None:
    if not shutil.which("go"):
        print("No bare Go worker: go is not installed.")
        return None
    binary = Path(tempfile.gettempdir()) / f"zeebe-connectors-bench-{os.getuid()}"
    built = subprocess.run(
        ["go", "build", "-o", str(binary), "."],
        cwd=HERE / "go",
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if built.returncode:
        print(f"No bare Go worker: it could not be built ({built.stderr.strip().splitlines()[-1]})")
        return None
    return str(binary)


def measure(start: Start, scene: Scene, target: Target, replicas: int = 1) -> Figures:
    """Runs one worker, or several that are alike, through one scene."""
    target.reset()
    cpu_when_warm = first = 0.0
    warm = 0

    def look(pids: Sequence[int]) -> None:
        nonlocal cpu_when_warm, first, warm
        if warm:
            return
        stats = target.stats()
        first = stats["first"]
        if stats["count"] >= scene.jobs * WARM:
            cpu_when_warm, warm = _cpu_of_all(pids), int(target.stats()["count"])

    with at_work(start(scene), scene, look, replicas) as (pids, rate, began):
        cpu = _cpu_of_all(pids) - cpu_when_warm
        return Figures(rate, cpu / (scene.jobs - warm) * 1000, max(map(_peak, pids)), first - began)


@contextlib.contextmanager
def at_work(
    started: tuple[Sequence[str], Mapping[str, str]],
    scene: Scene,
    look: Callable[[Sequence[int]], None] = lambda _: None,
    replicas: int = 1,
) -> Iterator[tuple[list[int], float, float]]:
    """Runs a worker until all jobs are done; gives its processes' numbers, the jobs per second, and when it began.

    Args:
        started: Its command, and what to add to its environment.
        scene: Its jobs.
        look: Called on and on with its processes' numbers while it works.
        replicas: How many of it work beside each other.
    """
    command, more = started
    with tempfile.TemporaryDirectory() as directory, (Path(directory) / "log").open("w+") as log:
        began = time.monotonic()
        ends = began + 120 + scene.jobs / 10
        options = {"cwd": directory, "env": {**os.environ, **more}, "stdout": log, "stderr": log}
        with contextlib.ExitStack() as running:
            alike = [running.enter_context(process(command, **options)) for _ in range(replicas)]
            pids = [worker.pid for worker in alike]
            while not (rate := scene.done()):
                if any(worker.poll() is not None for worker in alike) or time.monotonic() > ends:
                    log.seek(0)
                    raise SystemExit(f"{command[0]} did not finish:\n{log.read()[-3000:]}")
                look(pids)
                time.sleep(0.02)
            yield pids, rate, began


# The scenes


def _variables(url: str) -> dict[str, object]:
    return {"method": "GET", "url": url, "authentication": {"type": "bearer", "token": "{{secrets.BENCH}}"}}


@contextlib.contextmanager
def fake_scene(target: Target, jobs: int, slots: int, *, path: str = "/ok") -> Iterator[Scene]:
    with gateway_scene(TYPE, _variables(target.url + path), EXPRESSION, jobs, slots) as scene:
        yield scene


@contextlib.contextmanager
def gateway_scene(kinds: str, inputs: Mapping[str, object], expression: str, jobs: int, slots: int) -> Iterator[Scene]:
    """A gateway that never limits, with jobs of one type, or of several that are separated by commas."""
    headers = json.dumps({"resultExpression": expression, "retryBackoff": "PT1S"})
    command = [sys.executable, str(HERE / "gateway.py"), str(jobs), kinds, json.dumps(inputs), headers]
    with process(command, stdout=subprocess.PIPE) as gateway:
        assert gateway.stdout is not None
        port = gateway.stdout.readline().strip()
        output = gateway.stdout.fileno()
        os.set_blocking(output, False)
        printed = ""

        def done() -> float:
            nonlocal printed
            with contextlib.suppress(BlockingIOError):
                printed += os.read(output, 65536).decode()
            if "error" in printed:
                raise SystemExit(f"a job failed: {printed}")
            if "\n" not in printed:
                return 0.0
            times = json.loads(printed)
            return float(jobs / (times["last"] - times["first"]))

        yield Scene(f"127.0.0.1:{port}", jobs, slots, done)


@contextlib.contextmanager
def mixed_scene(target: Target, jobs: int, slots: int, count: int) -> Iterator[Scene]:
    """Mixed work for as many connectors, each with its slots."""
    kinds = ",".join(f"mixed:{number}" for number in range(count))
    inputs = {"url": target.url, "number": "@NUMBER"}
    with gateway_scene(kinds, inputs, "={status: response.status}", jobs, slots) as scene:
        yield scene


@contextlib.contextmanager
def mixed_connectors() -> Iterator[Callable[[int], Start]]:
    """Installs the connectors of `workers/mixed.py`; gives how to start our runtime with some of them alone."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "mixed-1.dist-info"
        package.mkdir()
        (package / "METADATA").write_text("Metadata-Version: 2.1\nName: mixed\nVersion: 1\n")
        points = "".join(f"mixed-{number} = mixed:work{number}\n" for number in range(MANY))
        (package / "entry_points.txt").write_text(f"[zeebe_connectors]\n{points}")
        path = os.pathsep.join([folder, str(HERE / "workers")])

        def with_some(count: int) -> Start:
            names = ",".join(f"mixed-{number}" for number in range(count))

            def start(scene: Scene) -> tuple[list[str], dict[str, str]]:
                command, more = ours(scene)
                return command, {**more, "PYTHONPATH": path, "CONNECTOR_OUTBOUND_ENABLED": names}

            return start

        yield with_some


def diagram(name: str, inputs: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
    """A process with one REST task."""
    mapping = "".join(f'<zeebe:input source="{value}" target="{key}" />' for key, value in inputs.items())
    header = "".join(f'<zeebe:header key="{key}" value="{value}" />' for key, value in headers.items())
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="definitions" targetNamespace="http://bpmn.io/schema/bpmn">
  <bpmn:process id="{name}" isExecutable="true">
    <bpmn:startEvent id="start"><bpmn:outgoing>a</bpmn:outgoing></bpmn:startEvent>
    <bpmn:sequenceFlow id="a" sourceRef="start" targetRef="call" />
    <bpmn:serviceTask id="call">
      <bpmn:extensionElements>
        <zeebe:taskDefinition type="{TYPE}" />
        <zeebe:ioMapping>{mapping}</zeebe:ioMapping>
        <zeebe:taskHeaders>{header}</zeebe:taskHeaders>
      </bpmn:extensionElements>
      <bpmn:incoming>a</bpmn:incoming><bpmn:outgoing>b</bpmn:outgoing>
    </bpmn:serviceTask>
    <bpmn:sequenceFlow id="b" sourceRef="call" targetRef="end" />
    <bpmn:endEvent id="end"><bpmn:incoming>b</bpmn:incoming></bpmn:endEvent>
  </bpmn:process>
</bpmn:definitions>""".encode()


def _waiting(zeebe: EngineProcess) -> int:
    """How many jobs the engine still has."""
    body = json.dumps({"filter": {"type": TYPE}, "page": {"limit": 0}}).encode()
    request = urllib.request.Request(
        f"{zeebe.rest_address}/v2/jobs/search", body, {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return int(json.load(answer)["page"]["totalItems"])


@contextlib.asynccontextmanager
async def engine() -> AsyncIterator[EngineProcess]:
    async with EngineProcess() as zeebe:
        yield zeebe


async def engine_scene(zeebe: EngineProcess, target: Target, path: str, jobs: int, slots: int) -> Scene:
    """Makes the instances, whose jobs then wait for the worker."""
    gateway = ZeebeGateway(ClusterSettings(address=zeebe.grpc_address))
    inputs = {
        "method": "GET",
        "url": target.url + path,
        "authentication.type": "bearer",
        "authentication.token": "{{secrets.BENCH}}",
    }
    headers = {"resultExpression": EXPRESSION, "retryBackoff": "PT1S"}
    await gateway.deploy({"bench.bpmn": diagram("bench", inputs, headers)})
    crowd = asyncio.Semaphore(32)

    async def create() -> None:
        async with crowd:
            while True:
                try:
                    await gateway.create_instance("bench")
                except GatewayError:
                    await asyncio.sleep(0.1)
                else:
                    return

    await asyncio.gather(*(create() for _ in range(jobs)))
    await gateway.aclose()

    def done() -> float:
        stats = target.stats()
        if stats["count"] < jobs or _waiting(zeebe):
            return 0.0
        return (jobs - 1) / (stats["last"] - stats["first"])

    return Scene(zeebe.grpc_address, jobs, slots, done)


# The run


def _print(scene: str, slots: int, results: dict[str, list[Figures]]) -> None:
    """Prints a scene's table; each worker is compared with the bare one, or with the first where there is none."""
    base = BARE if BARE in results else next(iter(results))
    print(f"\n{SCENES[scene].format(slots=slots)}")
    titles = f"{'':<20}{'jobs/s':>10}{'CPU ms/job':>12}{'peak MiB':>10}{'first job s':>13}"
    print(f"{titles}{'jobs/s ratio':>20}{'CPU ratio':>20}{'peak ratio':>20}   to {base}")
    for name, figures in results.items():
        middle = [
            statistics.median(getattr(one, what) for one in figures)
            for what in ("jobs_per_second", "cpu_ms", "peak_mib", "first_job")
        ]
        line = f"{name:<20}{middle[0]:>10.0f}{middle[1]:>12.2f}{middle[2]:>10.0f}{middle[3]:>13.2f}"
        for what in ("jobs_per_second", "cpu_ms", "peak_mib"):
            line += f"{_ratio(figures, results[base], what):>20}"
        print(line, flush=True)


def _ratio(figures: list[Figures], bare: list[Figures], what: str) -> str:
    """The median of the rounds' ratios, and the least and the greatest of them."""
    found = [getattr(one, what) / (getattr(other, what) or 1e-9) for one, other in zip(figures, bare, strict=True)]
    return f"{statistics.median(found):.2f} ({min(found):.2f}-{max(found):.2f})"


def _replicas(target: Target, options: argparse.Namespace) -> dict[str, list[Figures]]:
    results: dict[str, list[Figures]] = {"one replica": [], "two replicas": []}
    for _ in range(options.rounds):
        for count, found in enumerate(results.values(), 1):
            with fake_scene(target, options.jobs, options.slots) as scene:
                found.append(measure(ours, scene, target, replicas=count))
    return results


def _connectors(target: Target, options: argparse.Namespace) -> dict[str, list[Figures]]:
    counts = {"one connector": 1, f"{MANY} connectors": MANY}
    results: dict[str, list[Figures]] = {name: [] for name in counts}
    jobs = options.jobs // MANY * MANY
    with mixed_connectors() as with_some:
        for _ in range(options.rounds):
            for name, count in counts.items():
                with mixed_scene(target, jobs, options.slots, count) as scene:
                    results[name].append(measure(with_some(count), scene, target))
    return results


def _beside_bare(
    target: Target, options: argparse.Namespace, chosen: Mapping[str, Start], path: str, slots: int
) -> dict[str, list[Figures]]:
    results: dict[str, list[Figures]] = {name: [] for name in chosen}
    for _ in range(options.rounds):
        for name, start in chosen.items():
            with fake_scene(target, options.jobs, slots, path=path) as scene:
                results[name].append(measure(start, scene, target))
    return results


async def _on_engine(target: Target, options: argparse.Namespace, chosen: Mapping[str, Start]) -> None:
    scenes = (("engine", "/ok", options.slots, 1.0), ("slow", "/slow/200", WAITING_SLOTS, 0.6))
    async with engine() as zeebe:
        for scene_name, path, slots, share in scenes:
            if scene_name not in options.scene:
                continue
            results: dict[str, list[Figures]] = {name: [] for name in chosen}
            for _ in range(options.rounds):
                for name, start in chosen.items():
                    scene = await engine_scene(zeebe, target, path, round(options.jobs * share), slots)
                    results[name].append(await asyncio.to_thread(measure, start, scene, target))
            _print(scene_name, slots, results)


def run(options: argparse.Namespace) -> None:
    chosen = workers(options.worker)
    compileall.compile_dir(HERE.parent / "src", quiet=1)  # as pip does when it installs
    with process([sys.executable, str(HERE / "target.py")], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        target = Target(server.stdout.readline().strip())
        if "fake" in options.scene:
            _print("fake", options.slots, _beside_bare(target, options, chosen, "/ok", options.slots))
        if "wait" in options.scene:
            _print("wait", WAITING_SLOTS, _beside_bare(target, options, chosen, "/slow/200", WAITING_SLOTS))
        if "replicas" in options.scene:
            _print("replicas", options.slots, _replicas(target, options))
        if "connectors" in options.scene:
            _print("connectors", options.slots, _connectors(target, options))
        if {"engine", "slow"} & set(options.scene):
            asyncio.run(_on_engine(target, options, chosen))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=5000, help="jobs per worker (three fifths with the slow service)")
    parser.add_argument("--slots", type=int, default=64, help="jobs in flight (256 with the slow service)")
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds of which the median is shown, all workers in each"
    )
    parser.add_argument("--scene", nargs="*", default=list(SCENES), choices=list(SCENES))
    parser.add_argument("--worker", nargs="*", default=[], help="zeebe-connectors, stubs+aiohttp, pyzeebe+aiohttp, go")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
