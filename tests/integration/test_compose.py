"""The services of docker-compose.yml, run as processes here: the same programs, options and settings, other ports."""

from __future__ import annotations

import json
import os
import smtplib
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from zeebe_connectors.testing.process import free_ports

ROOT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
PAGE = (ROOT / "docs" / "compose.md").read_text("utf-8")
ENTRYPOINT = "zeebe-connectors"
"""The image's; `tests/test_deployment.py` reads the Dockerfile."""


class Stack:
    """The services with their ports replaced by free ones, and their names by loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        numbers = sorted({port for name in ("engine", "mail") for port in _ports(SERVICES[name])})
        self.ports = dict(zip(numbers, free_ports(len(numbers)), strict=True))

    def here(self, text: str) -> str:
        """A setting, an option or a diagram as it is on this machine."""
        text = text.replace("${ZEEBE_ADDRESS:-engine:26500}", "engine:26500").replace("0.0.0.0", "127.0.0.1")
        text = text.replace("/home/connectors/var", str(self.folder)).replace("/diagrams", str(self.folder))
        for number, free in self.ports.items():
            for name in ("engine", "mail"):
                text = text.replace(f"{name}:{number}", f"127.0.0.1:{free}")
            text = free if text == str(number) else text.replace(f'"{number}"', f'"{free}"')  # type: ignore[assignment]
            text = str(text)
        return text.replace('source="mail"', 'source="127.0.0.1"')

    def command(self, name: str) -> list[str]:
        service = SERVICES[name]
        program = service.get("entrypoint", [ENTRYPOINT])
        words = [*program, *service.get("command", ["run"])]
        words[0] = sys.executable if words[0] == "python" else str(Path(sys.executable).parent / words[0])
        return [words[0], *(self.here(word) for word in words[1:])]

    def environment(self, name: str) -> dict[str, str]:
        given = {key: self.here(value) for key, value in SERVICES[name].get("environment", {}).items()}
        ours = {"ZEEBE_CONNECTORS_DATA": str(self.folder), "ZEEBE_CONNECTORS_PORT": "-1"}
        return {**{key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}, **ours, **given}

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        with (self.folder / f"{name}.log").open("w") as log:
            process = subprocess.Popen(
                self.command(name), env=self.environment(name), cwd=self.folder, stdout=log, stderr=subprocess.STDOUT
            )
            try:
                yield
                assert process.poll() is None, (self.folder / f"{name}.log").read_text()
            finally:
                process.terminate()
                process.wait(30)

    def ask(self, port: int, path: str, body: Any = None) -> Any:
        """Asks until something listens."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports[port]}{path}", data, {"Content-Type": "application/json"}
        )
        until = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    text = answer.read()
            except urllib.error.HTTPError:
                raise
            except OSError:
                assert time.monotonic() < until, "nothing listens"
                time.sleep(0.1)
            else:
                return json.loads(text) if text else None


def by_mail(port: int) -> str:
    """A diagram that a user may put beside the stack's own: it starts with a mail."""
    given = {
        "inbound.type": "io.camunda:connector-email-inbound:1",
        "authentication.type": "simple",
        "authentication.username": "orders@example.test",
        "authentication.password": "any",
        "data.imapConfig.imapHost": "127.0.0.1",
        "data.imapConfig.imapPort": str(port),
        "data.imapConfig.imapCryptographicProtocol": "NONE",
        "resultExpression": "={about: subject}",
    }
    listed = "".join(f'<zeebe:property name="{name}" value="{value}"/>' for name, value in given.items())
    return f"""<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
        xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="t">
      <bpmn:process id="by-mail" isExecutable="true">
        <bpmn:startEvent id="start"><bpmn:extensionElements><zeebe:properties>{listed}</zeebe:properties>
          </bpmn:extensionElements></bpmn:startEvent>
        <bpmn:sequenceFlow id="f" sourceRef="start" targetRef="end"/><bpmn:endEvent id="end"/>
      </bpmn:process></bpmn:definitions>"""


def _ports(service: dict[str, Any]) -> list[int]:
    return [int(str(port).rpartition(":")[2]) for port in service["ports"]]


@pytest.mark.engine
@pytest.mark.slow
def test_the_stack_does_what_the_page_says(tmp_path: Path) -> None:
    """Started by the page's own call; the mail server is reached by its name, and its API with the secret.

    A diagram of the user's own starts with a mail.
    """
    stack = Stack(tmp_path)
    (diagram,) = (ROOT / "examples" / "compose").glob("*.bpmn")
    (tmp_path / diagram.name).write_text(stack.here(diagram.read_text("utf-8")), encoding="utf-8")
    (tmp_path / "by-mail.bpmn").write_text(by_mail(stack.ports[3143]), encoding="utf-8")
    with stack.running("engine"), stack.running("mail"):
        stack.ask(8088, "/v2/topology")
        stack.ask(8025, "/mailboxes")
        for command in (stack.command("deploy"), [*stack.command("deploy")[:-1], str(tmp_path / "by-mail.bpmn")]):
            deployed = subprocess.run(
                command, env=stack.environment("deploy"), capture_output=True, text=True, check=False
            )
            assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        with smtplib.SMTP("127.0.0.1", stack.ports[3025], timeout=10) as client:
            client.sendmail("ann@example.test", "orders@example.test", "Subject: an order\r\n\r\nplease")
        with stack.running("connectors"):
            body = json.loads(PAGE.partition("-d '")[2].partition("'\n")[0])
            answer = stack.ask(8088, "/v2/process-instances", {**body, "awaitCompletion": True})
            until = time.monotonic() + 20
            while not (found := stack.ask(8088, "/v2/variables/search", {"filter": {"name": "about"}})["items"]):
                assert time.monotonic() < until, (tmp_path / "connectors.log").read_text()
                time.sleep(0.1)
        assert found[0]["value"] == '"an order"'
        assert answer["variables"]["arrived"] == 1, answer
        (mail,) = stack.ask(8025, "/mailboxes/" + body["variables"]["customer"])
    assert "Subject: Your order 4711" in mail
    assert SERVICES["connectors"]["environment"]["SECRET_EXAMPLE"] not in json.dumps(answer)
