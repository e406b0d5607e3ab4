"""The real modeler in headless Chromium: templates, cases and diagrams go in; what it says of each comes out."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import tempfile
import threading
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TEMPLATES = ROOT / "element-templates"
CASES = HERE / "cases"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def cases() -> list[dict]:
    """All cases; each is applied in the modeler, and those with `run` are carried out on the engine."""
    return [case for file in sorted(CASES.glob("*.json")) for case in json.loads(file.read_text())]


@cache
def browser() -> str:
    """Chromium's path, or the test is skipped with what is missing."""
    named = os.environ.get("CHROMIUM")
    found = named if named and Path(named).is_file() else next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium found: install it, or name its executable in CHROMIUM")
    return found


@cache
def node() -> str:
    """Node's path once its packages are installed, or the test is skipped with what is missing."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        pytest.skip("no Node found: install Node 20 or later with npm")
    lock, marker = HERE / "package-lock.json", HERE / "node_modules" / ".package-lock.json"
    if not marker.exists() or marker.stat().st_mtime < lock.stat().st_mtime:
        done = subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund"], cwd=HERE, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode:
            reason = f"npm ci failed: {done.stderr.strip()[-300:]}"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        marker.touch()
    return found


def run_node(script: str, *arguments: str | Path, seconds: float = 900) -> subprocess.CompletedProcess:
    """Runs one of the scripts beside this file that use a process of their own."""
    return subprocess.run(
        [node(), HERE / script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        cwd=HERE,
    )


class Server:
    """One Node process for all runs of the scripts in a session: it builds the modeler and starts Chromium once."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [node(), HERE / "serve.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE
        )
        self._one_at_a_time = threading.Lock()

    def run(self, script: str, arguments: list[str], seconds: float) -> subprocess.CompletedProcess:
        """The exit code, and what was printed."""
        line = json.dumps({"script": script, "args": arguments})
        with self._one_at_a_time:
            end = threading.Timer(seconds, self._process.kill)
            end.start()
            try:
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()
                answer = self._process.stdout.readline()
            finally:
                end.cancel()
        assert answer, f"{script} ended, or took longer than {seconds} s"
        answered = json.loads(answer)
        return subprocess.CompletedProcess([script, *arguments], answered["code"], answered["output"], "")

    def close(self) -> None:
        """Ends Chromium and Node."""
        with self._process as process:
            process.stdin.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


@cache
def server() -> Server:
    """The session's."""
    started = Server()
    atexit.register(started.close)
    return started


def run(script: str, *arguments: str | Path, seconds: float = 900) -> subprocess.CompletedProcess:
    """Runs one of the scripts beside this file that share a process."""
    return server().run(script, [str(argument) for argument in arguments], seconds)


@cache
def output() -> Path:
    """A directory for exported diagrams and pictures; `MODELER_OUT` keeps it."""
    named = os.environ.get("MODELER_OUT")
    if named:
        Path(named).mkdir(parents=True, exist_ok=True)
        return Path(named).resolve()
    made = Path(tempfile.mkdtemp(prefix="modeler-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def _pictures() -> list[str]:
    """Pictures cost as much as the rest, so they are taken only when somebody keeps them."""
    return ["--pictures"] if os.environ.get("MODELER_OUT") else []


@cache
def applied() -> dict[str, dict]:
    """Every case applied, filled, exported and linted once in a session: the result by case name."""
    return apply(TEMPLATES, CASES, output() / "cases")


def apply(templates: Path, to_fill: Path, where: Path) -> dict[str, dict]:
    """Cases applied, filled, exported to a directory and linted: the result by case name."""
    done = run(
        "apply-templates.mjs",
        *("--templates", templates, "--cases", to_fill, "--out", where, "--browser", browser()),
        *_pictures(),
    )
    summary = where / "summary.json"
    assert summary.exists(), done.stdout + done.stderr
    return {result["name"]: result for result in json.loads(summary.read_text())["results"]}


def exported(case: str) -> bytes:
    """The diagram that the modeler exported for a case."""
    applied()
    return (output() / "cases" / f"{case}.bpmn").read_bytes()


@cache
def opened() -> dict[str, dict]:
    """Every example opened once in a session: the result by file name."""
    where = output() / "examples"
    chromium = browser()
    done = run(
        "open-diagrams.mjs",
        *("--templates", TEMPLATES, "--out", where, "--browser", chromium),
        *_pictures(),
        *sorted((ROOT / "bpmn-examples").glob("*.bpmn")),
    )
    report = where / "diagrams.json"
    assert report.exists(), done.stdout + done.stderr
    return {result["file"]: result for result in json.loads(report.read_text())}
