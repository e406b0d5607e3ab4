"""Clients that are not ours drive the engine: pyzeebe's own, Camunda's for Node and for Java (both Apache-2.0).

Node with npm, or Java 17 with Maven, fetch the clients once into the user's cache; where they are not, the tests skip.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest
from tests.servers.fetched import SHORT_LIVED, fetched, jars

from zeebe_connectors.testing import EngineProcess

HERE = Path(__file__).parent
JAVA_CLIENT = "8.9.0"
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>tests</groupId>
<artifactId>witness</artifactId><version>1</version><dependencies>
<dependency><groupId>io.camunda</groupId><artifactId>camunda-client-java</artifactId><version>{JAVA_CLIENT}</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>2.0.17</version></dependency>
</dependencies></project>"""
DIAGRAM = """<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="t">
  <process id="witness" isExecutable="true"><startEvent id="s"/><sequenceFlow id="a" sourceRef="s" targetRef="t"/>
  <serviceTask id="t"><extensionElements><zeebe:taskDefinition type="witness"/></extensionElements></serviceTask>
  <sequenceFlow id="b" sourceRef="t" targetRef="e"/><endEvent id="e"/></process></definitions>"""
pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
async def engine():
    async with EngineProcess() as running:
        yield running


async def results(engine: EngineProcess, *command: str | Path, cwd: Path) -> list[str]:
    """What a witness says, line by line."""
    process = await asyncio.create_subprocess_exec(
        *command, engine.grpc_address, engine.rest_address, cwd=cwd, env={**os.environ, "DIAGRAM": DIAGRAM},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(150):
        output, _ = await process.communicate()
    text = output.decode()
    assert process.returncode == 0, f"{text}\n{engine.log_file.read_text()}"
    return [line.removeprefix("RESULT ") for line in text.splitlines() if line.startswith("RESULT ")]


async def test_pyzeebes_own_client_and_worker(engine):
    """Polling; the worker of the library whose messages we use."""
    from pyzeebe import ZeebeClient, ZeebeWorker, create_insecure_channel  # noqa: PLC0415 - large, and only here

    channel = create_insecure_channel(grpc_address=engine.grpc_address)
    try:
        client, worker = ZeebeClient(channel), ZeebeWorker(channel)

        @worker.task(task_type="witness")
        async def double(n: int) -> dict:
            return {"doubled": n * 2}

        file = engine.directory / "witness.bpmn"
        file.write_text(DIAGRAM)
        await client.deploy_resource(file)
        working = asyncio.create_task(worker.work())
        done = await client.run_process_with_result("witness", variables={"n": 21}, timeout=20_000)
        assert done.variables == {"n": 21, "doubled": 42}
        await worker.stop()
        await working
    finally:
        await channel.close()


async def test_camundas_node_client(engine):
    """Over gRPC and over REST."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("no Node with npm")
    command = [npm, "install", "--no-audit", "--no-fund", "--silent"]
    folder = await asyncio.to_thread(
        fetched, "witness-node", "package.json", (HERE / "package.json").read_text(), command
    )
    shutil.copy(HERE / "witness.mjs", folder)  # whose imports are looked up beside it
    (line,) = await results(engine, node, folder / "witness.mjs", cwd=folder)
    assert json.loads(line) == {
        "partitions": 1,
        "grpc": {"n": 21, "doubled": 42},
        "restPartitions": 1,
        "restVariables": {"n": 4},
        "state": "COMPLETED",
    }


async def test_camundas_java_client(engine):
    """Polling, streaming, incidents; once over gRPC and once over REST."""
    java, lib = await asyncio.to_thread(jars, f"witness-java-{JAVA_CLIENT}", POM)
    reported = await results(engine, java, *SHORT_LIVED, "-cp", f"{lib}/*", HERE / "Witness.java", cwd=lib.parent)
    assert [line.replace(" ", "") for line in reported] == [
        f"{way}.{fact}"
        for way in ("grpc", "rest")
        for fact in (
            "partitions=1", "process=witness", 'variables={"n":4}', "incident=JOB_NO_RETRIESno", "result=42",
            "state=COMPLETED", "definitions=1",
        )
    ]  # fmt: skip
