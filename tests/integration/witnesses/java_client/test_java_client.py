"""The cluster's official Java client drives the engine: it polls, streams, and understands the answers."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.engine.diagrams import multi, process, task
from tests.servers.fetched import SHORT_LIVED, fetched

from zeebe_connectors.engine import Engine, Host
from zeebe_connectors.engine.gateway import serve

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_the_java_client(tmp_path) -> None:
    """Needs a JDK and Maven, which obtains the client with its ordinary means."""
    maven, java = shutil.which("mvn"), shutil.which("java")
    if maven is None or java is None or shutil.which("javac") is None:
        pytest.skip("needs Maven and a JDK")
    (tmp_path / "p.bpmn").write_bytes(
        process("p", "start > m > end", task("m", loop=multi("=items", "item", "results", "=result")))
    )

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=300)

    command = [maven, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"]
    pom = (HERE / "pom.xml").read_text(encoding="utf-8")
    folder = await asyncio.to_thread(fetched, "witness-java-client", "pom.xml", pom, command)
    program = (java, *SHORT_LIVED, "-cp", f"{folder}/lib/*", str(HERE / "Drive.java"))
    async with Host(Engine()) as host, serve(host) as gateway:
        driven = await asyncio.to_thread(run, *program, gateway.address, "p.bpmn")
    assert driven.stdout.splitlines() == [
        "brokers 1",
        "version 1",
        "results [2, 4, 6]",
        "results [2, 4, 6]",
        "refused NOT_FOUND",
    ], driven.stderr
