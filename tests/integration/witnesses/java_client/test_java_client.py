"""The cluster's official Java client drives the engine: it polls, streams, and understands the answers."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.engine.diagrams import multi, process, task

from zeebe_connectors.engine import Engine, Host
from zeebe_connectors.engine.gateway import serve

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_the_java_client(tmp_path) -> None:
    """Needs a JDK and Maven, which obtains the client with its ordinary means."""
    tools = [shutil.which(tool) for tool in ("mvn", "javac", "java")]
    if not all(tools):
        pytest.skip("needs Maven and a JDK")
    for name in ("pom.xml", "Drive.java"):
        shutil.copy(HERE / name, tmp_path)
    (tmp_path / "p.bpmn").write_bytes(
        process("p", "start > m > end", task("m", loop=multi("=items", "item", "results", "=result")))
    )

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=300)

    got = await asyncio.to_thread(run, tools[0], "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib")
    if got.returncode:
        pytest.skip(f"Maven could not obtain the client: {got.stdout[-300:]}")
    compiled = await asyncio.to_thread(run, tools[1], "-cp", "lib/*", "Drive.java")
    assert compiled.returncode == 0, compiled.stderr
    async with Host(Engine()) as host, serve(host) as gateway:
        driven = await asyncio.to_thread(run, tools[2], "-cp", "lib/*:.", "Drive", gateway.address, "p.bpmn")
    assert driven.stdout.splitlines() == [
        "brokers 1",
        "version 1",
        "results [2, 4, 6]",
        "results [2, 4, 6]",
        "refused NOT_FOUND",
    ], driven.stderr
