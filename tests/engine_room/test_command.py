"""The command `engine`: what it says when nothing runs, and that it runs the engine for the next command."""

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from zeebe_connectors.cli.engine import app


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
    assert "zeebe-connectors engine start --mail\n" in result.output


@pytest.mark.usefixtures("nothing_runs")
def test_stop_of_nothing():
    """Stopping nothing is no error."""
    result = CliRunner().invoke(app, ["stop"])
    assert (result.exit_code, result.output) == (0, "Nothing runs.\n")


@pytest.mark.usefixtures("nothing_runs")
def test_mails_of_nothing():
    """Asking for mails without a mail server names the command that starts one."""
    result = CliRunner().invoke(app, ["mails"])
    assert result.exit_code == 1
    assert "engine start --mail" in result.output


def test_offline_start_is_told_without_a_trace(tmp_path):
    """Offline, the command ends with the ways out and exit code 1, not with a stack trace."""
    os.environ["ZEEBE_CONNECTORS_MAVEN"] = "http://127.0.0.1:9/"
    try:
        result = run(tmp_path, "start", "--mail")
    finally:
        del os.environ["ZEEBE_CONNECTORS_MAVEN"]
    assert result.returncode == 1
    assert "docker compose up" in result.stderr
    assert "Traceback" not in result.stderr
