"""`zeebe-connectors dev` runs the local stack, deploys what changes, and ends when it is told to."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import until_printed

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.testing.process import is_free
from zeebe_connectors.testing.servers import MailPorts

COMMAND = str(Path(sys.executable).parent / "zeebe-connectors")
pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("usual ports")]
STEPS = """<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="t">
  <process id="steps" isExecutable="true">
    <startEvent id="start" name="Begin"/>
    <sequenceFlow id="a" sourceRef="start" targetRef="add"/>
    <scriptTask id="add" name="Add"><extensionElements>
      <zeebe:script expression="=total + 1" resultVariable="sum"/></extensionElements></scriptTask>
    <sequenceFlow id="b" sourceRef="add" targetRef="which"/>
    <exclusiveGateway id="which" name="Which"/>
    <sequenceFlow id="c" sourceRef="which" targetRef="end"><conditionExpression>=sum > 100</conditionExpression>
    </sequenceFlow>
    <endEvent id="end"/>
  </process>
</definitions>"""
EXAMPLE = Path(__file__).parent.parent.parent / "bpmn-examples" / "rest.bpmn"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands find the engine of this test, whatever else runs on the machine."""
    monkeypatch.setenv("ZEEBE_CONNECTORS_CACHE", str(tmp_path_factory.mktemp("cache")))


async def start(folder: Path) -> asyncio.subprocess.Process:
    usual = MailPorts.usual()
    if not all(is_free(port) for port in asdict(usual).values()):
        pytest.skip("the usual ports of the local mail server are taken on this machine")
    return await asyncio.create_subprocess_exec(
        COMMAND,
        "dev",
        str(folder),
        env={**os.environ, "ZEEBE_CONNECTORS_DATA": str(folder / "var"), "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


def engine(*words: str) -> str:
    """What `zeebe-connectors engine` says in another terminal."""
    done = subprocess.run([COMMAND, "engine", *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


async def end(process: asyncio.subprocess.Process, number: signal.Signals) -> Any:
    process.send_signal(number)
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_a_changed_diagram_is_deployed_again_and_a_signal_ends_it_all(tmp_path: Path) -> None:
    """A broken one is told and does not end it; SIGTERM leaves no process behind."""
    diagram = tmp_path / "rest.bpmn"
    diagram.write_bytes(EXAMPLE.read_bytes())
    async with asyncio.timeout(110):
        process = await start(tmp_path)
        try:
            assert "version 1" in await until_printed(process.stdout, "version 1")
            diagram.write_text(EXAMPLE.read_text().replace('name="', 'name="New ', 1))
            await until_printed(process.stdout, "version 2")
            (tmp_path / "broken.bpmn").write_text("<no/>")
            await until_printed(process.stdout, "broken.bpmn: not deployed")
            code, output = await end(process, signal.SIGTERM)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert code == 0, output
    assert "Traceback" not in output
    assert all(is_free(port) for port in asdict(MailPorts.usual()).values())


async def test_each_step_prints_a_line_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    """What an element changed, what went wrong, and what to do about it."""
    (tmp_path / "steps.bpmn").write_text(STEPS, encoding="utf-8")
    async with asyncio.timeout(60):
        process = await start(tmp_path)
        try:
            seen = await until_printed(process.stdout, "steps.bpmn: steps, version 1")
            address = re.search(r"^Engine +(\S+),", seen, re.MULTILINE)[1]  # type: ignore[index]
            gateway = ZeebeGateway(ClusterSettings(address=address))
            await gateway.create_instance("steps", payload='{"total": 3}')
            seen = await until_printed(process.stdout, "engine resolve")
            key = re.search(r"engine resolve (\d+)", seen)[1]  # type: ignore[index]
            status = await asyncio.to_thread(engine, "status")
            resolved = await asyncio.to_thread(engine, "resolve", key)
            again = await until_printed(process.stdout, "engine resolve")
            await gateway.aclose()
            code, output = await end(process, signal.SIGINT)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert (code, "Traceback" in output) == (0, False), output
    assert re.search(r"^steps \d+  Begin \(start event\): completed; total = 3$", seen, re.MULTILINE)
    assert re.search(r"^steps \d+  Add \(script task\): completed.*; sum = 4$", seen, re.MULTILINE)
    incident = re.search(
        r"^steps \d+  Which \(exclusive gateway\): INCIDENT CONDITION_ERROR: .* -> give the", seen, re.MULTILINE
    )
    assert incident, seen
    assert f"127.0.0.1:{address.rpartition(':')[2]}" in status
    assert "CONDITION_ERROR" in status
    assert "goes on" in resolved
    assert "INCIDENT CONDITION_ERROR" in again, "it was done again, and the variables are the same"
