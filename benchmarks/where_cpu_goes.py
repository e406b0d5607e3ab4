"""Shows where the CPU of a REST job goes, ours beside a bare worker (Linux, valgrind): `benchmarks/where_cpu_goes.py`.

Tables by counting, so that a busy machine does not blur them. The first has instructions a job, by library and within
the interpreter by what it does (`valgrind --tool=callgrind`, switched on once the worker runs warm). The second has
calls of Python and C functions a job, by package (`cProfile`). `--only steps` counts byte codes a job, by function
(`sys.settrace`). What the kernel does is in none; it is the same for all workers, since they send the same bytes.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from run import Scene, Target, fake_scene, process, workers

HERE = Path(__file__).parent
WARM = 200
"""Jobs after which counting begins."""
_PYTHON = (
    (r"ceval|frame\.c|pycore_frame|genobject|call\.c|funcobject|classobject", "interpreter: byte code, frames, calls"),
    (r"gcmodule", "interpreter: garbage collection"),
    (r"obmalloc|malloc", "interpreter: memory"),
    (r"dictobject|typeobject|object\.c|descrobject|setobject", "interpreter: attributes, dictionaries, types"),
    (r"unicode|bytes|codecs|_sre|sre_", "interpreter: texts, regular expressions"),
)
_LIBRARIES = (
    ("cygrpc", "gRPC"),
    ("_message", "protobuf"),
    ("_pydantic_core", "pydantic: validation"),
    ("_multidict|_http_parser|_http_writer|_helpers_c|_quoting|_websocket", "aiohttp, multidict, yarl"),
    ("_json", "JSON"),
    ("_asyncio|uvloop", "event loop"),
    ("libpython|python3", "interpreter: the rest"),
    ("libc|ld-linux|libstdc|libm", "C library"),
)


def instructions(file: Path) -> Counter[str]:
    """Instructions by group in a file that callgrind wrote."""
    names: dict[str, dict[str, str]] = {"ob": {}, "fl": {}}
    found: Counter[str] = Counter()
    place = {"ob": "", "fl": ""}
    is_inner = False  # the line after `calls=` has what is counted where it was called
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        if match := re.match(r"(c?)(ob|fl|fi|fe)=\((\d+)\)(?: (.*))?", line):
            called, kind, number, name = match.groups()
            kind = "ob" if kind == "ob" else "fl"
            if name:
                names[kind][number] = name
            if not called:  # what is called has lines of its own
                place[kind] = names[kind].get(number, "")
        elif line.startswith("calls="):
            is_inner = True
        elif match := re.match(r"[+*-]?\d* (\d+)$", line):
            if not is_inner:
                found[_group(place["ob"], place["fl"])] += int(match[1])
            is_inner = False
    return found


def _group(library: str, file: str) -> str:
    library = Path(library).name
    if re.search("libpython|python3", library):
        for pattern, group in _PYTHON:
            if re.search(pattern, Path(file).name):
                return group
    return next((group for pattern, group in _LIBRARIES if re.search(pattern, library)), "others")


def _worker(
    name: str, jobs: int, target: Target, before: Sequence[str], at_warm: Any, at_end: Any, seconds: float
) -> None:
    """Runs a worker behind another command and calls two functions with its process on the way."""
    start = workers([name])[name]
    with fake_scene(target, jobs, 64) as scene, tempfile.TemporaryDirectory() as directory:
        _watch(start(scene), scene, jobs, target, directory, before, at_warm, at_end, seconds)


def _watch(
    started: tuple[list[str], dict[str, str]],
    scene: Scene,
    jobs: int,
    target: Target,
    directory: str,
    before: Sequence[str],
    at_warm: Any,
    at_end: Any,
    seconds: float,
) -> None:
    command, more = started
    target.reset()
    ends = time.monotonic() + seconds
    with (
        (Path(directory) / "log").open("w+") as log,
        process([*before, *command], cwd=directory, env={**os.environ, **more}, stdout=log, stderr=log) as worker,
    ):
        is_warm = False
        while (count := target.stats()["count"]) < jobs - 80 and not scene.done():
            if worker.poll() is not None or time.monotonic() > ends:
                log.seek(0)
                raise SystemExit(f"{command[0]} did not finish ({count} jobs):\n{log.read()[-2000:]}")
            if not is_warm and count >= WARM:
                is_warm = True
                at_warm(worker)
            time.sleep(0.05)
        at_end(worker)


def count_instructions(name: str, jobs: int, target: Target, folder: Path) -> Counter[str]:
    """Instructions a job, by group."""
    file = folder / f"callgrind.{name}"
    counts: list[float] = []

    def control(worker: subprocess.Popen[str], *options: str) -> None:
        subprocess.run(["callgrind_control", *options, str(worker.pid)], check=True, capture_output=True, timeout=300)
        counts.append(target.stats()["count"])

    def at_end(worker: subprocess.Popen[str]) -> None:
        control(worker, "--instr=off")
        control(worker, "--dump=jobs")
        worker.kill()  # an orderly end takes minutes under valgrind

    before = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={file}"]
    _worker(name, jobs, target, before, lambda worker: control(worker, "--instr=on"), at_end, 1800)
    done = counts[1] - counts[0]
    total: Counter[str] = Counter()
    for part in folder.glob(f"callgrind.{name}*"):
        total += instructions(part)
    return Counter({group: round(number / done) for group, number in total.items()})


def count_calls(name: str, jobs: int, target: Target, folder: Path) -> Counter[str]:
    """Calls a job, by package; a call of a C function counts for who calls it."""
    file = folder / f"calls.{name}"

    def begin(worker: subprocess.Popen[str]) -> None:
        worker.send_signal(signal.SIGUSR1)
        counts.append(target.stats()["count"])

    def end(worker: subprocess.Popen[str]) -> None:
        worker.send_signal(signal.SIGUSR2)
        counts.append(target.stats()["count"])
        ends = time.monotonic() + 60
        while not file.exists() and time.monotonic() < ends:
            time.sleep(0.05)

    counts: list[float] = []
    script = [sys.executable, str(Path(__file__)), "--counted", str(file)]
    _worker(name, jobs, target, script, begin, end, 600)
    found: Counter[str] = Counter()
    for (path, _, _), (_, number, _, _, callers) in pstats.Stats(str(file)).stats.items():  # type: ignore[attr-defined]
        if path == "~":
            for (caller, _, _), (calls, *_) in callers.items():
                found[_package(caller)] += calls
        else:
            found[_package(path)] += number
    done = counts[1] - counts[0]
    return Counter({package: round(number / done, 1) for package, number in found.items()})  # type: ignore[misc]


def _package(path: str) -> str:
    inside = re.sub(r".*(?:site-packages|/src|python3\.\d+)/", "", path)
    parts = inside.split("/")
    return "/".join(parts[:2]) if parts[0] == "zeebe_connectors" else parts[0].removesuffix(".py")


def count_steps(name: str, jobs: int, target: Target, folder: Path) -> Counter[str]:
    """Byte codes a job, by function: how many steps the interpreter takes there, whatever the machine does besides."""
    file = folder / f"steps.{name}"
    counts: list[float] = []

    def control(worker: subprocess.Popen[str], number: signal.Signals) -> None:
        counts.append(target.stats()["count"])
        worker.send_signal(number)

    def end(worker: subprocess.Popen[str]) -> None:
        control(worker, signal.SIGUSR2)
        ends = time.monotonic() + 60
        while not file.exists() and time.monotonic() < ends:
            time.sleep(0.05)

    script = [sys.executable, str(Path(__file__)), "--steps", str(file)]
    _worker(name, jobs, target, script, lambda worker: control(worker, signal.SIGUSR1), end, 600)
    done = counts[1] - counts[0]
    found = {function: number / done for function, number in json.loads(file.read_text()).items()}
    return Counter({function: round(number, 1) for function, number in found.items()})  # type: ignore[misc]


def steps(file: str, command: Sequence[str]) -> None:
    """Runs a worker in this process; SIGUSR1 begins to count its byte codes, SIGUSR2 writes them down."""
    found: Counter[CodeType] = Counter()

    def step(frame: FrameType, event: str, _: object) -> Any:
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            found[frame.f_code] += 1
        return step

    def write(*_: object) -> None:
        sys.settrace(None)
        named: Counter[str] = Counter()
        for code, number in found.items():
            named[f"{_package(code.co_filename)} {code.co_qualname}"] += number
        Path(file + ".part").write_text(json.dumps(named))
        Path(file + ".part").rename(file)

    signal.signal(signal.SIGUSR1, lambda *_: sys.settrace(step))
    signal.signal(signal.SIGUSR2, write)
    _run(command)


def counted(file: str, command: Sequence[str]) -> None:
    """Runs a worker in this process; SIGUSR1 begins to count its calls, SIGUSR2 writes them down."""
    profile = cProfile.Profile()

    def write(*_: object) -> None:
        profile.disable()
        profile.dump_stats(file + ".part")
        Path(file + ".part").rename(file)

    signal.signal(signal.SIGUSR1, lambda *_: profile.enable())
    signal.signal(signal.SIGUSR2, write)
    _run(command)


def _run(command: Sequence[str]) -> None:
    """Runs a Python script with its arguments, as the interpreter does."""
    sys.argv = list(command)
    if sys.argv[0] == sys.executable:
        sys.argv = sys.argv[1:]
    sys.path.insert(0, str(Path(sys.argv[0]).parent))  # as Python does with a script
    runpy.run_path(sys.argv[0], run_name="__main__")


def _print(title: str, names: Sequence[str], found: dict[str, Counter[str]], least: float) -> None:
    print(f"\n{title}\n\n| | {' | '.join(names)} |\n| --- |{' ---: |' * len(names)}")
    print(f"| all | {' | '.join(f'{sum(found[name].values()):,.0f}' for name in names)} |")
    groups = sorted(set().union(*found.values()), key=lambda group: -found[names[0]][group])
    for group in groups:
        if max(found[name][group] for name in names) >= least:
            print(f"| {group} | {' | '.join(f'{found[name][group]:,.0f}' for name in names)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=800, help="jobs of which those after the first 200 are counted")
    parser.add_argument("--worker", nargs="*", default=["zeebe-connectors", "stubs+aiohttp"])
    parser.add_argument("--only", choices=["instructions", "calls", "steps"])
    options = parser.parse_args()
    with (
        process([sys.executable, str(HERE / "target.py")], stdout=subprocess.PIPE) as server,
        tempfile.TemporaryDirectory() as directory,
    ):
        assert server.stdout is not None
        target, folder = Target(server.stdout.readline().strip()), Path(directory)
        if options.only == "steps":
            measured = {name: count_steps(name, options.jobs * 2, target, folder) for name in options.worker}
            _print("Byte codes a job, by function", options.worker, measured, 60)
        if options.only in {None, "instructions"}:
            if not shutil.which("valgrind"):
                raise SystemExit("valgrind is not installed; --only calls goes without")
            measured = {name: count_instructions(name, options.jobs, target, folder) for name in options.worker}
            _print("Instructions a job, outside the kernel", options.worker, measured, 5_000)
        if options.only in {None, "calls"}:
            measured = {name: count_calls(name, options.jobs * 2, target, folder) for name in options.worker}
            _print("Calls of functions a job", options.worker, measured, 4)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--counted"]:
        counted(sys.argv[2], sys.argv[3:])
    elif sys.argv[1:2] == ["--steps"]:
        steps(sys.argv[2], sys.argv[3:])
    else:
        main()
