"""Mails go in while the runtime is killed, connections are cut and the engine is restarted; instances are counted.

`python -m tests.engine.inbound_chaos --mails 1000 --kills 30 --cuts 30 --restarts 3` prints the counts and ends with 1
when any mail started no process, or more than one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Self

import aiosmtplib

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.engine.mail import LocalMail
from zeebe_connectors.engine.zeebe import LocalZeebe
from zeebe_connectors.runtime.gateway import Activation, GatewayError
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway

ADDRESS = "orders@example.test"


def diagram(process: str, port: int, *, which: str = "unseenPollingConfig", strategy: str = "READ") -> bytes:
    """A process that a mail starts by a message start event, with the official connector's properties."""
    properties = {
        "inbound.type": "io.camunda:connector-email-inbound:1",
        "authentication.type": "simple",
        "authentication.username": ADDRESS,
        "authentication.password": "{{secrets.MAIL}}",
        "data.imapConfig.imapHost": "127.0.0.1",
        "data.imapConfig.imapPort": str(port),
        "data.imapConfig.imapCryptographicProtocol": "NONE",
        "data.folderToListen": "",
        "data.pollingWaitTime": "PT20S",
        "data.pollingConfigDiscriminator": which,
        "data.pollingConfig.handlingStrategy": strategy,
        "correlationRequired": "notRequired",
        "deduplicationMode": "AUTO",
        "resultExpression": "={subject: subject, attachments: attachments}",
    }
    listed = "".join(f'<zeebe:property name="{name}" value="{value}"/>' for name, value in properties.items())
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="t" id="d">
  <bpmn:process id="{process}" isExecutable="true">
    <bpmn:startEvent id="mail"><bpmn:extensionElements><zeebe:properties>{listed}</zeebe:properties>
      </bpmn:extensionElements><bpmn:outgoing>a</bpmn:outgoing>
      <bpmn:messageEventDefinition id="def" messageRef="Message"/></bpmn:startEvent>
    <bpmn:serviceTask id="count"><bpmn:extensionElements><zeebe:taskDefinition type="{process}" retries="3"/>
      </bpmn:extensionElements><bpmn:incoming>a</bpmn:incoming><bpmn:outgoing>b</bpmn:outgoing></bpmn:serviceTask>
    <bpmn:endEvent id="end"><bpmn:incoming>b</bpmn:incoming></bpmn:endEvent>
    <bpmn:sequenceFlow id="a" sourceRef="mail" targetRef="count"/>
    <bpmn:sequenceFlow id="b" sourceRef="count" targetRef="end"/>
  </bpmn:process>
  <bpmn:message id="Message" name="{process}-message"/>
</bpmn:definitions>""".encode()


class Proxy:
    """Carries connections to a port, and cuts them all when told."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Ends all connections at once, without a goodbye."""
        for writer in list(self._open):
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, far_writer}

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(65536):
                    target.write(data)
                    await target.drain()

        pumps = [asyncio.create_task(pump(reader, far_writer)), asyncio.create_task(pump(far_reader, writer))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in pumps:
                task.cancel()
            for one in (writer, far_writer):
                one.transport.abort()
                self._open.discard(one)


class RuntimeProcess:
    """The real command in a process of its own, which can be killed and started again."""

    def __init__(self, zeebe: str, directory: Path, diagrams: Path) -> None:
        self._environment = {
            **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
            "ZEEBE_ADDRESS": zeebe,
            "CAMUNDA_CLIENT_GRPC_ADDRESS": f"http://{zeebe}",
            "ZEEBE_CONNECTORS_DATA": str(directory / "var"),
            "ZEEBE_CONNECTORS_DIAGRAMS": str(diagrams),
            "ZEEBE_CONNECTORS_PORT": "-1",
            "CONNECTOR_OUTBOUND_ENABLED": "smtp,imap",
            "SECRET_MAIL": "any",
        }
        self._directory = directory
        self.log = directory / f"runtime-{uuid.uuid4().hex[:6]}.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Starts it; it is at work a moment later."""
        command = Path(sys.executable).parent / "zeebe-connectors"
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                command, "run", cwd=self._directory, env=self._environment, stdout=log, stderr=log
            )

    async def kill(self, number: int = signal.SIGKILL) -> None:
        """Ends it as a crash would."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
            await self._process.wait()


@dataclass
class Counts:
    """What came of a run."""

    mails: int
    instances: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    cuts: int = 0
    restarts: int = 0
    seconds: float = 0.0

    @property
    def lost(self) -> int:
        """Mails that started no process."""
        return self.mails - len(self.instances)

    @property
    def doubled(self) -> int:
        """Mails that started more than one."""
        return sum(1 for count in self.instances.values() if count > 1)

    def __str__(self) -> str:
        return (
            f"{self.mails} mails, {sum(self.instances.values())} instances: {self.lost} lost, {self.doubled} doubled; "
            f"runtime killed {self.kills} times, connections cut {self.cuts} times, engine restarted "
            f"{self.restarts} times; {self.seconds:.0f} s"
        )


class InstanceCounter:
    """Counts the instances of a process by their mails' subjects, over restarts of the engine."""

    def __init__(self, address: str, process: str) -> None:
        self._address, self._process = address, process
        self.seen: dict[int, str] = {}

    async def run(self) -> None:
        """Takes and completes jobs for ever; an instance counts once, however often its job is offered."""
        gateway = ZeebeGateway(ClusterSettings(address=self._address))
        activation = Activation(type=self._process, worker="counter", timeout=10)
        try:
            while True:
                try:
                    for job in await gateway.activate(activation, most=50, wait=2):
                        self.seen[job.process_instance_key] = json.loads(job.variables)["subject"]
                        with contextlib.suppress(GatewayError):
                            await gateway.complete(job.key, "{}")
                except GatewayError:
                    await asyncio.sleep(0.5)
        finally:
            await gateway.aclose()


async def deliver(mail: LocalMail, subject: str) -> None:
    """Sends one mail with an attachment."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "ann@example.test", ADDRESS, subject
    message["Message-ID"] = f"<{uuid.uuid4()}@example.test>"
    message.set_content("An order.")
    message.add_attachment(b"a,b", maintype="text", subtype="csv", filename="order.csv")
    await aiosmtplib.send(message, hostname="127.0.0.1", port=mail.smtp_port, start_tls=False, use_tls=False)


async def chaos(
    mails: int,
    kills: int,
    cuts: int,
    restarts: int,
    *,
    zeebe: LocalZeebe,
    mail: LocalMail,
    directory: Path,
    runtimes: int = 1,
    which: str = "unseenPollingConfig",
    strategy: str = "READ",
    seed: int = 1,
    patience: float = 120.0,
) -> Counts:
    """Delivers mails at random while things break at random; gives the counts when all is quiet again."""
    chance = random.Random(seed)
    process = f"chaos-{uuid.uuid4().hex[:8]}"
    counts = Counts(mails)
    began = time.monotonic()
    async with Proxy(mail.imap_port) as proxy:
        diagrams = directory / "diagrams"
        diagrams.mkdir(parents=True)
        xml = diagram(process, proxy.port, which=which, strategy=strategy)
        (diagrams / "mail.bpmn").write_bytes(xml)
        gateway = ZeebeGateway(ClusterSettings(address=zeebe.grpc_address))
        await gateway.deploy({"mail.bpmn": xml})
        await gateway.aclose()
        counter = InstanceCounter(zeebe.grpc_address, process)
        counting = asyncio.create_task(counter.run())
        running = [RuntimeProcess(zeebe.grpc_address, directory, diagrams) for _ in range(runtimes)]
        for one in running:
            await one.start()
        breaks = ["kill"] * kills + ["cut"] * cuts + ["restart"] * restarts
        steps = breaks + ["mail"] * mails
        chance.shuffle(steps)
        try:
            sent = 0
            for step in steps:
                if step == "mail":
                    await deliver(mail, f"mail {sent}")
                    sent += 1
                    await asyncio.sleep(chance.uniform(0, 0.05))
                elif step == "kill":
                    victim = chance.choice(running)
                    await asyncio.sleep(chance.uniform(0, 1.5))
                    await victim.kill()
                    await victim.start()
                    counts.kills += 1
                elif step == "cut":
                    proxy.cut()
                    counts.cuts += 1
                else:
                    await zeebe.kill()
                    await zeebe.start()
                    counts.restarts += 1
            ends = time.monotonic() + patience
            while len(set(counter.seen.values())) < mails and time.monotonic() < ends:  # noqa: ASYNC110 - the count has no event
                await asyncio.sleep(0.2)
            await asyncio.sleep(3)  # for what would come twice
        finally:
            for one in running:
                await one.kill(signal.SIGTERM)
            counting.cancel()
            await asyncio.wait([counting])
    counts.instances = Counter(counter.seen.values())
    counts.seconds = time.monotonic() - began
    return counts


async def main() -> int:
    """Runs it once per setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("mails", 1000), ("kills", 30), ("cuts", 30), ("restarts", 3), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    settings = [
        ("unread, marked as read", 1, "unseenPollingConfig", "READ"),
        ("two runtimes, left unread", 2, "unseenPollingConfig", "NONE"),
        ("all, not moved, not marked", 1, "allPollingConfig", "NONE"),
    ]
    wrong = 0
    for title, runtimes, which, strategy in settings:
        with tempfile.TemporaryDirectory() as scratch:
            async with LocalZeebe() as zeebe, LocalMail() as mail:
                counts = await chaos(
                    arguments.mails,
                    arguments.kills,
                    arguments.cuts,
                    arguments.restarts,
                    zeebe=zeebe,
                    mail=mail,
                    directory=Path(scratch),
                    runtimes=runtimes,
                    which=which,
                    strategy=strategy,
                    seed=arguments.seed,
                )
        sys.stdout.write(f"{title}: {counts}\n")
        wrong += counts.lost + counts.doubled
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
