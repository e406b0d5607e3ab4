"""The command `engine`: what it says when nothing runs, and that it runs the engine for the next command."""

import os
import smtplib
import subprocess
import sys
from dataclasses import asdict

import pytest
from typer.testing import CliRunner

from zeebe_connectors.cli.engine import app
from zeebe_connectors.testing.process import is_free
from zeebe_connectors.testing.servers import MailPorts


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


def test_the_mail_server_outlives_its_command(tmp_path, monkeypatch):
    """What `start --mail` starts is there for `status` and `mails`, and gone after `stop`."""
    if not all(is_free(port) for port in asdict(MailPorts.usual()).values()):
        pytest.skip("the usual ports of the local mail server are taken on this machine")
    started = run(tmp_path, "start", "--mail")
    try:
        assert started.returncode == 0, started.stderr
        assert "127.0.0.1:3025" in started.stdout
        with smtplib.SMTP("127.0.0.1", 3025, timeout=20) as client:
            client.sendmail("a@x.test", ["ann@example.test"], b"Subject: Hello \x1b[31m\r\nFrom: a@x.test\r\n\r\n\xff")
        shown = run(tmp_path, "mails")
        assert "ann@example.test" in shown.stdout
        assert "Hello ?[31m" in shown.stdout
        assert "\x1b[31m" not in run(tmp_path, "mails", "--raw", "ann@example.test").stdout
        assert run(tmp_path, "status").returncode == 0
    finally:
        stopped = run(tmp_path, "stop")
    assert stopped.stderr == "Stopped the mail server.\n"
    assert run(tmp_path, "status").returncode == 3
