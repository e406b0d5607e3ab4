"""The command `engine`: what it says when nothing runs, and that it runs the engine for the next command."""

import asyncio
import os
import re
import smtplib
import subprocess
import sys
import time
from dataclasses import asdict

import pytest
from typer.testing import CliRunner

from zeebe_connectors.cli.engine import app
from zeebe_connectors.cli.engines import LocalEngineHere, announced, engines_here, only_engine, remember
from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.runtime.gateway import Activation
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.testing.process import State, is_free, started_at, stop_detached
from zeebe_connectors.testing.servers import MailPorts

pytestmark = pytest.mark.xdist_group("usual ports")


def run(cache, *arguments):
    """Run the command as a person does, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "zeebe_connectors.cli.engine", *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=os.environ | {"ZEEBE_CONNECTORS_CACHE": str(cache)},
    )


@pytest.fixture
def nothing_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("ZEEBE_CONNECTORS_CACHE", str(tmp_path))


@pytest.mark.usefixtures("nothing_runs")
def test_status_of_nothing():
    """Nothing running is told with the command that starts it, and exit code 3."""
    result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == 3
    assert "zeebe-connectors engine start\n" in result.output


@pytest.mark.usefixtures("nothing_runs")
def test_stop_of_nothing():
    """Stopping nothing is no error."""
    result = CliRunner().invoke(app, ["stop"])
    assert (result.exit_code, result.output) == (0, "No engine runs.\n")


@pytest.mark.usefixtures("nothing_runs")
def test_mails_of_nothing():
    """Asking for mails without a mail server names the command that starts one."""
    result = CliRunner().invoke(app, ["mails"])
    assert result.exit_code == 1
    assert "engine start --mail" in result.output


@pytest.mark.usefixtures("nothing_runs")
def test_resolve_without_an_engine():
    """Names the command that starts one."""
    result = CliRunner().invoke(app, ["resolve", "1"])
    assert result.exit_code == 1
    assert "engine start" in result.output


@pytest.mark.usefixtures("nothing_runs")
def test_stop_in_a_directory_where_nothing_runs(tmp_path):
    """That is no error either."""
    result = CliRunner().invoke(app, ["stop", "--directory", str(tmp_path)])
    assert (result.exit_code, result.output) == (0, "No engine runs.\n")


@pytest.mark.usefixtures("nothing_runs")
def test_the_first_dev_to_end_leaves_the_other():
    """Each engine in memory has a file of its own; that of a process which was killed says nothing."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        state = State(other.pid, started_at(other.pid), time.time(), {"grpc": 26501, "rest": 8089})
        remember(LocalEngineHere(state, None))
        with announced({"grpc": 26500, "rest": 8088}):
            assert {engine.address for engine in engines_here()} == {"127.0.0.1:26500", "127.0.0.1:26501"}
            assert [engine.state.pid for engine in engines_here(address="26501")] == [other.pid]
            assert only_engine(None, "localhost:26500").state.pid == os.getpid()
        assert [engine.state.pid for engine in engines_here()] == [other.pid]
        refused = CliRunner().invoke(app, ["stop"])
        assert (refused.exit_code, f"process {other.pid}" in refused.output) == (1, True)
        other.kill()
    assert engines_here() == []


@pytest.mark.usefixtures("nothing_runs")
def test_two_engines_in_the_background(tmp_path):
    """Status shows both; the other commands ask which one is meant, and take the only one."""
    runner = CliRunner()

    def engine(*words):
        done = runner.invoke(app, [*words])
        return done.exit_code, done.output

    ports = ("--port", "0", "--rest-port", "0")
    try:
        _, first = engine("start", *ports)
        _, second = engine("start", "--directory", str(tmp_path / "second"), *ports)
        one, two = (re.search(r"gateway +(\S+)", text)[1] for text in (first, second))
        code, shown = engine("status")
        assert code == 0
        assert "2 local engines run" in shown
        assert [address for address in (one, two) if address in shown] == [one, two]
        for words in (("stop",), ("resolve", "1")):
            code, called = engine(*words)
            assert code == 1
            assert f"--engine ADDRESS, one of {one}, {two}" in called
        assert "not found" in engine("resolve", "1", "--engine", two)[1]
        assert f"These do: {one}, {two}" in engine("stop", "--engine", "127.0.0.1:1")[1]
        assert engine("stop", "--engine", one) == (0, "Stopped the engine.\n")
        code, shown = engine("status")
        assert (code, two in shown, one in shown) == (0, True, False)
        assert engine("stop") == (0, "Stopped the engine.\n")
        assert engine("status")[0] == 3
    finally:
        for found in engines_here():
            stop_detached(found.directory)


DIAGRAM = """<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="t">
  <process id="kept" isExecutable="true">
    <startEvent id="begin"/><sequenceFlow id="a" sourceRef="begin" targetRef="pay"/>
    <serviceTask id="pay"><extensionElements><zeebe:taskDefinition type="pay" retries="1"/></extensionElements>
    </serviceTask>
    <sequenceFlow id="b" sourceRef="pay" targetRef="end"/><endEvent id="end"/>
  </process></definitions>"""


async def _fail_one_job(address):
    gateway = ZeebeGateway(ClusterSettings(address=address))
    try:
        await gateway.deploy({"kept.bpmn": DIAGRAM.encode()})
        await gateway.create_instance("kept")
        (job,) = await gateway.activate(Activation("pay", "test", 30), max_jobs=1, wait=10)
        await gateway.fail(job.key, retries=0, message="no money", backoff=0, payload="{}")
    finally:
        await gateway.aclose()


def test_what_start_starts_outlives_its_command(tmp_path):
    """Status tells each instance with its path and incidents; stop keeps the state, and the next start has it."""
    if not all(is_free(port) for port in asdict(MailPorts.usual()).values()):
        pytest.skip("the usual ports of the local mail server are taken on this machine")
    started = run(tmp_path, "start", "--port", "0", "--rest-port", "0", "--mail")
    try:
        assert started.returncode == 0, started.stderr
        assert "127.0.0.1:3025" in started.stdout
        with smtplib.SMTP("127.0.0.1", 3025, timeout=20) as client:
            client.sendmail("a@x.test", ["ann@example.test"], b"Subject: Hello \x1b[31m\r\nFrom: a@x.test\r\n\r\n\xff")
        shown = run(tmp_path, "mails")
        assert "ann@example.test" in shown.stdout
        assert "Hello ?[31m" in shown.stdout
        assert "\x1b[31m" not in run(tmp_path, "mails", "--raw", "ann@example.test").stdout
        address = re.search(r"gateway +(\S+)", started.stdout)[1]
        asyncio.run(_fail_one_job(address))
        shown = run(tmp_path, "status")
        assert shown.returncode == 0
        assert re.search(r"^  \d+  kept v1  active\n    begin > pay \(incident\)\n", shown.stdout, re.MULTILINE)
        assert "JOB_NO_RETRIES at pay: no money" in shown.stdout
    finally:
        stopped = run(tmp_path, "stop")
    assert stopped.stderr == "Stopped the engine and the mail server.\n"
    assert run(tmp_path, "status").returncode == 3
    again = run(tmp_path, "start", "--port", "0", "--rest-port", "0")
    try:
        assert address in again.stdout, "the same port"
        incident = re.search(r"engine resolve (\d+)", shown.stdout)[1]
        resolved = run(tmp_path, "resolve", incident)
        assert "pay goes on" in resolved.stderr, resolved.stdout + resolved.stderr
        assert "pay (waits)" in run(tmp_path, "status").stdout
        assert "not found" in run(tmp_path, "resolve", incident).stderr
    finally:
        run(tmp_path, "stop")
