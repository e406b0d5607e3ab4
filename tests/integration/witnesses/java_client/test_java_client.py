"""The cluster's official Java client drives the engine: it polls, streams, and understands the answers."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest
from tests.engine.diagrams import multi, process, task
from tests.servers.fetched import SHORT_LIVED, jars

from zeebe_connectors.engine import Engine, Host
from zeebe_connectors.engine.gateway import serve

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_the_java_client(tmp_path) -> None:
    """Needs a JDK and Maven, which obtains the client with its ordinary means."""
    java, lib = await asyncio.to_thread(jars, "witness-java-client", (HERE / "pom.xml").read_text(encoding="utf-8"))
    (tmp_path / "p.bpmn").write_bytes(
        process("p", "start > m > end", task("m", loop=multi("=items", "item", "results", "=result")))
    )

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=300)

    program = (java, *SHORT_LIVED, "-cp", f"{lib}/*", str(HERE / "Drive.java"))
    async with Host(Engine()) as host, serve(host) as gateway:
        driven = await asyncio.to_thread(run, *program, gateway.address, "p.bpmn")
    assert driven.stdout.splitlines() == [
        "brokers 1",
        "version 1",
        "results [2, 4, 6]",
        "results [2, 4, 6]",
        "refused NOT_FOUND",
    ], driven.stderr
