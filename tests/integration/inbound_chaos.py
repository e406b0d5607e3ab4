"""Mails go in while the runtime is killed, connections are cut and the engine is restarted; instances are counted.

`python -m tests.integration.inbound_chaos` runs every setting at full size, prints a table of the counts and ends with
1 when any mail started no process, or more than one. `--setting`, `--server`, `--runtimes` and `--ledger` choose;
`--outage 600` instead takes the mail server away for so many seconds and prints when health showed it and when mails
went on.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, Self

import aiosmtplib
from tests.servers import dovecot
from tests.servers.gateway import GatewayServer

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.runtime.gateway import Activation, GatewayError
from zeebe_connectors.runtime.gateway.fake import FakeGateway
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.testing.process import EngineProcess, free_ports
from zeebe_connectors.testing.servers import MailServer

ADDRESS = "orders@example.test"
SEEN_WITHIN = 15.0  # seconds that a break waits for the runtime to be at work


class Mailbox(Protocol):
    """A real server with the mailbox `ADDRESS`."""

    password: str

    @property
    def imap_port(self) -> int:
        """Where the mailbox is."""
        ...

    async def deliver(self, message: EmailMessage) -> None:
        """Puts a mail into it, as mail servers do."""
        ...

    async def stop(self) -> None:
        """Ends the server."""
        ...

    async def start(self) -> None:
        """Starts it again at the same port."""
        ...


class OwnMailbox:
    """A mailbox of the mail server that ships for tests, which keeps its mails in memory."""

    password = "any"

    def __init__(self, server: MailServer) -> None:
        self._server = server

    @property
    def imap_port(self) -> int:
        """See `Mailbox`."""
        return self._server.imap_port

    async def deliver(self, message: EmailMessage) -> None:
        """See `Mailbox`."""
        port = self._server.smtp_port
        await aiosmtplib.send(message, hostname="127.0.0.1", port=port, start_tls=False, use_tls=False)

    async def stop(self) -> None:
        """See `Mailbox`."""
        await self._server.stop()

    async def start(self) -> None:
        """See `Mailbox`."""
        await self._server.start()


class DovecotMailbox:
    """A mailbox of Dovecot."""

    password = dovecot.PASSWORD

    def __init__(self, server: dovecot.Dovecot) -> None:
        self._server = server

    @property
    def imap_port(self) -> int:
        """See `Mailbox`."""
        return self._server.imap_port

    async def deliver(self, message: EmailMessage) -> None:
        """See `Mailbox`."""
        await asyncio.to_thread(self._server.deliver, ADDRESS, bytes(message))

    async def stop(self) -> None:
        """See `Mailbox`."""
        await asyncio.to_thread(self._server.stop)

    async def start(self) -> None:
        """See `Mailbox`."""
        await asyncio.to_thread(self._server.start)


class NotHere(Exception):  # noqa: N818 - a reason, not a failure
    """A server that is not installed."""


@contextlib.asynccontextmanager
async def mailbox(name: str) -> AsyncIterator[Mailbox]:
    """Starts the server of this name."""
    if name == "dovecot":
        if reason := dovecot.why_not():
            raise NotHere(reason)
        with dovecot.Dovecot() as server:
            yield DovecotMailbox(server)
    else:
        async with MailServer() as server:
            yield OwnMailbox(server)


def diagram(
    process: str, port: int, *, which: str, strategy: str, more: Mapping[str, str] = MappingProxyType({})
) -> bytes:
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
        **more,
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

    def cut(self) -> bool:
        """Ends all connections at once, without a goodbye; whether there were any."""
        for writer in list(self._open):
            writer.transport.abort()
        return bool(self._open)

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
    """The real command in a process of its own, which can be killed and started again.

    Args:
        zeebe: Where the engine is.
        directory: Of its log, and where it runs.
        password: The mailbox's.
        data: Where it keeps what must survive a restart.
        port: Of the health page; none by default.
        settings: More of its settings.
    """

    def __init__(
        self,
        zeebe: str,
        directory: Path,
        *,
        password: str,
        data: Path | None = None,
        port: int = -1,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._environment = {
            **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
            "ZEEBE_ADDRESS": zeebe,
            "CAMUNDA_CLIENT_GRPC_ADDRESS": f"http://{zeebe}",
            "ZEEBE_CONNECTORS_DATA": str(data or directory / "var"),
            "ZEEBE_CONNECTORS_PORT": str(port),
            "CONNECTOR_OUTBOUND_ENABLED": "smtp",
            "SECRET_MAIL": password,
            **settings,
        }
        self._directory = directory
        self._port = port
        self.log = directory / f"runtime-{uuid.uuid4().hex[:6]}.log"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

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

    async def health(self) -> dict[str, Any]:
        """What its health page says of the sources; empty while it does not answer."""

        def ask() -> dict[str, Any]:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/health", timeout=5) as answer:
                    return dict(json.loads(answer.read()))
            except urllib.error.HTTPError as error:  # 503: not all is well
                return dict(json.loads(error.read()))
            except OSError:
                return {}

        return dict((await asyncio.to_thread(ask)).get("inbound", {}))


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

    def row(self) -> list[str]:
        """For the table."""
        wrong = [
            f"mail {n}: {self.instances[f'mail {n}']}" for n in range(self.mails) if self.instances[f"mail {n}"] != 1
        ]
        counts = [
            self.mails,
            sum(self.instances.values()),
            self.lost,
            self.doubled,
            self.kills,
            self.cuts,
            self.restarts,
        ]
        return [*map(str, counts), f"{self.seconds:.0f}", ", ".join(wrong[:20])]


class InstanceCounter:
    """Counts the instances of a process by their mails' subjects, over restarts of the engine."""

    def __init__(self, address: str, process: str) -> None:
        self._address, self._process = address, process
        self.seen: dict[int, str] = {}

    def note(self, instance: int, subject: str) -> None:
        """An instance offers its job, perhaps again."""
        self.seen[instance] = subject

    async def run(self) -> None:
        """Takes and completes jobs for ever; an instance counts once, however often its job is offered."""
        gateway = ZeebeGateway(ClusterSettings(address=self._address))
        activation = Activation(type=self._process, worker="counter", timeout=10)
        try:
            while True:
                try:
                    for job in await gateway.activate(activation, max_jobs=50, wait=2):
                        self.note(job.process_instance_key, json.loads(job.variables)["subject"])
                        with contextlib.suppress(GatewayError):
                            await gateway.complete(job.key, "{}")
                except GatewayError:
                    await asyncio.sleep(0.5)
        finally:
            await gateway.aclose()


def order(subject: str) -> EmailMessage:
    """A mail with an attachment."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "ann@example.test", ADDRESS, subject
    message["Message-ID"] = f"<{uuid.uuid4()}@example.test>"
    message.set_content("An order.")
    message.add_attachment(b"a,b", maintype="text", subtype="csv", filename="order.csv")
    return message


async def reached(condition: Any, seconds: float) -> bool:
    """Waits for a condition at most so long; whether it came."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            return False
        await asyncio.sleep(0.05)
    return True


class Deployment:
    """An engine with a process that mails start, a mailbox, and runtimes between them.

    Args:
        zeebe: The engine.
        mail: The mailbox's server.
        directory: Of all that the runtimes write.
        counting: What counts the instances.
    """

    def __init__(
        self,
        zeebe: EngineProcess,
        mail: Mailbox,
        directory: Path,
        *,
        counting: Callable[[str, str], InstanceCounter] = InstanceCounter,
    ) -> None:
        self.zeebe, self.mail, self.directory = zeebe, mail, directory
        self.process = f"mails-{uuid.uuid4().hex[:8]}"
        self.counter = counting(zeebe.grpc_address, self.process)
        self.runtimes: list[RuntimeProcess] = []

    @contextlib.asynccontextmanager
    async def open(
        self, port: int, *, which: str = "unseenPollingConfig", strategy: str = "READ", **more: str
    ) -> AsyncIterator[Self]:
        """Deploys the process, whose mailbox is at the port, and counts its instances until the end."""
        diagrams = self.directory / "diagrams"
        diagrams.mkdir(parents=True)
        xml = diagram(self.process, port, which=which, strategy=strategy, more=more)
        (diagrams / "mail.bpmn").write_bytes(xml)
        gateway = ZeebeGateway(ClusterSettings(address=self.zeebe.grpc_address))
        await gateway.deploy({"mail.bpmn": xml})
        await gateway.aclose()
        counting = asyncio.create_task(self.counter.run())
        try:
            yield self
        finally:
            for one in self.runtimes:
                await one.kill(signal.SIGTERM)
            counting.cancel()
            await asyncio.wait([counting])

    async def run(self, *, data: Path | None = None, ledger: str = "", port: int = -1) -> RuntimeProcess:
        """Starts one more runtime; `ledger` is the address of one that several machines share."""
        settings = {"ZEEBE_CONNECTORS_DIAGRAMS": str(self.directory / "diagrams")}
        if ledger:
            settings["ZEEBE_CONNECTORS_LEDGER"] = ledger
        runtime = RuntimeProcess(
            self.zeebe.grpc_address,
            self.directory,
            password=self.mail.password,
            data=data,
            port=port,
            settings=settings,
        )
        self.runtimes.append(runtime)
        await runtime.start()
        return runtime

    @property
    def arrived(self) -> int:
        """Mails that started a process."""
        return len(set(self.counter.seen.values()))


async def chaos(
    mails: int,
    kills: int,
    cuts: int,
    restarts: int,
    *,
    zeebe: EngineProcess,
    mail: Mailbox,
    directory: Path,
    runtimes: int = 1,
    ledger: str = "",
    which: str = "unseenPollingConfig",
    strategy: str = "READ",
    seed: int = 1,
    patience: float = 120.0,
) -> Counts:
    """Delivers mails while things break, in random order; gives the counts when all is quiet again.

    Most kills wait until the runtime is at work, the others hit it anywhere, so also while it starts. The last mail
    comes after a last restart, when all others were counted: it shows that the runtime has looked at the whole folder
    again, and has started nothing twice.
    """
    chance = random.Random(seed)
    counts = Counts(mails)
    began = time.monotonic()
    deployment = Deployment(zeebe, mail, directory)
    async with Proxy(mail.imap_port) as proxy, deployment.open(proxy.port, which=which, strategy=strategy):
        for number in range(runtimes):
            # Those that share a file share a machine; those that share a server have only that in common.
            await deployment.run(ledger=ledger, data=directory / (f"var{number}" if ledger else "var"))
        steps = ["kill"] * kills + ["cut"] * cuts + ["restart"] * restarts + ["mail"] * (mails - 1)
        chance.shuffle(steps)
        sent = 0
        for step in steps:
            if step == "mail":
                await mail.deliver(order(f"mail {sent}"))
                sent += 1
                await asyncio.sleep(chance.uniform(0, 0.05))
            elif step == "kill":
                before = deployment.arrived
                if chance.random() < 0.7:
                    await reached(lambda: deployment.arrived > before or deployment.arrived == sent, SEEN_WITHIN)  # noqa: B023
                await asyncio.sleep(chance.uniform(0, 0.5))
                victim = chance.choice(deployment.runtimes)
                await victim.kill()
                await victim.start()
                counts.kills += 1
            elif step == "cut":
                counts.cuts += await reached(proxy.cut, 60)
            else:
                await zeebe.kill()
                await zeebe.start()
                counts.restarts += 1
        await reached(lambda: deployment.arrived == sent, patience)
        for one in deployment.runtimes:
            await one.kill()
            await one.start()
        await mail.deliver(order(f"mail {sent}"))
        await reached(lambda: deployment.arrived == mails, patience)
        await asyncio.sleep(3)  # for what would come twice
        counts.instances = Counter(deployment.counter.seen.values())
    counts.seconds = time.monotonic() - began
    return counts


async def outage(seconds: float, *, mail: Mailbox, directory: Path) -> bool:
    """Takes the mail server away for a while; prints what health said and when, and whether all was right.

    The engine has no part in it: one in memory, behind a real gateway, takes the messages.
    """
    began = time.monotonic()
    (directory / "diagrams").mkdir(parents=True)
    xml = diagram("outage", mail.imap_port, which="unseenPollingConfig", strategy="READ")
    (directory / "diagrams" / "mail.bpmn").write_bytes(xml)
    engine = FakeGateway()

    def arrived() -> list[str]:
        return [message.data["variables"]["subject"] for message in engine.messages.values()]

    def say(what: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began:7.1f} s  {what}\n")
        sys.stdout.flush()

    async with GatewayServer(engine) as gateway:
        runtime = RuntimeProcess(
            gateway.address,
            directory,
            password=mail.password,
            port=free_ports(1)[0],
            settings={"ZEEBE_CONNECTORS_DIAGRAMS": str(directory / "diagrams")},
        )
        await runtime.start()
        try:
            return await _outage(seconds, mail, runtime, arrived, say)
        finally:
            await runtime.kill(signal.SIGTERM)


async def _outage(
    seconds: float,
    mail: Mailbox,
    runtime: RuntimeProcess,
    arrived: Callable[[], list[str]],
    say: Callable[[str], None],
) -> bool:
    async def health() -> tuple[str, str]:
        source = next(iter((await runtime.health()).get("sources", {}).values()), {})
        return str(source.get("status")), str(source.get("reason"))

    async def until(status: str, limit: float) -> bool:
        start = time.monotonic()
        while (found := await health())[0] != status:
            if time.monotonic() - start > limit:
                say(f"health still says {found[0]} after {limit:.0f} s")
                return False
            await asyncio.sleep(0.1)
        took = time.monotonic() - start
        say(f"health says {status} after {took:.1f} s{f': {found[1]}' if status == 'DOWN' else ''}")
        return True

    await mail.deliver(order("before"))
    right = await reached(lambda: arrived() == ["before"], 60) and await until("UP", 60)
    say("the first mail was handed over")
    memory = _resident(runtime.pid)
    await mail.stop()
    say("the mail server is down")
    right &= await until("DOWN", 60)
    seen: Counter[str] = Counter()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        seen[(await health())[0]] += 1
        await asyncio.sleep(min(5.0, seconds / 20))
    say(f"health was asked {seen.total()} times: {dict(seen)}; memory {memory:.0f} -> {_resident(runtime.pid):.0f} MiB")
    right &= set(seen) == {"DOWN"}
    await mail.start()
    say("the mail server is back")
    start = time.monotonic()
    await mail.deliver(order("after"))
    right &= await reached(lambda: "after" in arrived(), 180)
    say(f"the mail that came then was handed over after {time.monotonic() - start:.1f} s")
    right &= await until("UP", 60)
    await asyncio.sleep(3)  # for what would come twice
    right &= arrived() == ["before", "after"]
    say("all was right" if right else f"something was wrong; handed over: {arrived()}")
    return right


def _resident(pid: int) -> float:
    """MiB of memory that a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True)
class Setting:
    """One way to watch a mailbox."""

    title: str
    which: str
    strategy: str
    runtimes: int = 1
    shared: bool = False
    """Whether the ledger is one that several machines share."""


SETTINGS = {
    "unread": Setting("unread, marked as read", "unseenPollingConfig", "READ"),
    "all": Setting("all, not moved, not marked", "allPollingConfig", "NONE"),
    "two": Setting("two runtimes, left unread", "unseenPollingConfig", "NONE", runtimes=2),
    "machines": Setting("two machines, marked as read", "unseenPollingConfig", "READ", runtimes=2, shared=True),
    "machines-all": Setting("two machines, all, left as is", "allPollingConfig", "NONE", runtimes=2, shared=True),
}
COLUMNS = [
    "setting",
    "server",
    "ledger",
    "mails",
    "instances",
    "lost",
    "twice",
    "kills",
    "cuts",
    "restarts",
    "seconds",
    "",
]
WIDTHS = [30, 10, 11, 6, 10, 5, 6, 6, 5, 9, 8, 0]


def print_row(cells: list[str]) -> None:
    """Prints one line of the table."""
    sys.stdout.write(" ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip() + "\n")
    sys.stdout.flush()


@contextlib.asynccontextmanager
async def shared_ledger(given: str) -> AsyncIterator[str]:
    """The address of a ledger for several machines; a PostgreSQL of one's own when none is given."""
    if "://" in given:
        yield given
        return
    from tests.servers import postgres  # noqa: PLC0415 - only who needs it

    if reason := postgres.why_not():
        raise NotHere(reason)
    with postgres.Postgres() as server:
        yield server.database()


async def main() -> int:
    """Runs it once per setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("mails", 1000), ("kills", 30), ("cuts", 30), ("restarts", 3), ("seed", 1), ("runtimes", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--setting", action="append", choices=list(SETTINGS), help="only these; may be repeated")
    parser.add_argument("--server", action="append", choices=["own", "dovecot"], help="own by default")
    parser.add_argument("--ledger", default="", help="postgresql, or its address: for every setting")
    parser.add_argument("--outage", type=float, default=0.0, help="instead: take the mail server away for so long")
    arguments = parser.parse_args()
    servers = arguments.server or ["own"]
    if arguments.outage:
        right = True
        for server in servers:
            sys.stdout.write(f"{server}:\n")
            try:
                with tempfile.TemporaryDirectory() as scratch:
                    async with mailbox(server) as mail:
                        right &= await outage(arguments.outage, mail=mail, directory=Path(scratch) / "work")
            except NotHere as reason:
                sys.stdout.write(f"not run: {reason}\n")
        return 0 if right else 1
    wrong = 0
    print_row(COLUMNS)
    for name in arguments.setting or SETTINGS:
        for server in servers:
            try:
                wrong += await one_setting(SETTINGS[name], server, arguments)
            except NotHere as reason:
                print_row([SETTINGS[name].title, server, f"not run: {reason}", *[""] * (len(COLUMNS) - 3)])
    return 1 if wrong else 0


async def one_setting(setting: Setting, server: str, arguments: argparse.Namespace) -> int:
    """Runs one setting and prints its line; gives how many mails went wrong. Then its logs are kept."""
    shared = setting.shared or bool(arguments.ledger)
    async with contextlib.AsyncExitStack() as stack:
        address = await stack.enter_async_context(shared_ledger(arguments.ledger)) if shared else ""
        zeebe = await stack.enter_async_context(EngineProcess())
        mail = await stack.enter_async_context(mailbox(server))
        scratch = Path(tempfile.mkdtemp(prefix="chaos-"))
        counts = await chaos(
            arguments.mails,
            arguments.kills,
            arguments.cuts,
            arguments.restarts,
            zeebe=zeebe,
            mail=mail,
            directory=scratch / "work",
            runtimes=arguments.runtimes or setting.runtimes,
            ledger=address,
            which=setting.which,
            strategy=setting.strategy,
            seed=arguments.seed,
        )
    print_row([setting.title, server, "PostgreSQL" if shared else "SQLite", *counts.row()])
    wrong = counts.lost + counts.doubled
    if wrong:
        sys.stdout.write(f"The logs are in {scratch / 'work'}\n")
    else:
        shutil.rmtree(scratch)
    return wrong


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
