"""Measures mails that start processes, with the real command, mail server and engine: `python -m benchmarks.inbound`.

Latency: from handing a mail to the mail server until the started process offers its first job, under IDLE; beside it,
when the mail server told its watchers at all, as a bare socket in IDLE hears it. A full folder: 10,000 mails are there
when the runtime starts; time from the start of the process to the first hand-over, and its largest memory. Idle
mailboxes: a hundred on one runtime, each under TLS; its memory, and its CPU while nothing happens. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.integration.inbound_chaos import (
    ADDRESS,
    Deployment,
    DovecotMailbox,
    InstanceCounter,
    Mailbox,
    RuntimeProcess,
    mailbox,
    order,
    reached,
)
from tests.servers import dovecot

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.runtime.ledger import SqliteLedger
from zeebe_connectors.testing.process import EngineProcess, free_ports

TICKS = os.sysconf("SC_CLK_TCK")


class Arrivals(InstanceCounter):
    """When each mail's process offered its first job."""

    def __init__(self, address: str, process: str) -> None:
        super().__init__(address, process)
        self.at: dict[str, float] = {}

    def note(self, instance: int, subject: str) -> None:
        """See `InstanceCounter`."""
        super().note(instance, subject)
        self.at.setdefault(subject, time.perf_counter())


class Watcher:
    """A bare connection in IDLE that notes when the server says EXISTS."""

    def __init__(self, server: Mailbox) -> None:
        self._server = server
        self.told: list[float] = []

    async def run(self) -> None:
        """Watches for ever."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server.imap_port)
        try:
            password = self._server.password.encode()
            writer.write(b"a LOGIN %s {%d}\r\n" % (ADDRESS.encode(), len(password)))
            while not (await reader.readline()).startswith(b"+"):
                pass
            writer.write(password + b"\r\n")
            await self._until(reader, b"a OK")
            writer.write(b"b SELECT INBOX\r\n")
            await self._until(reader, b"b OK")
            writer.write(b"c IDLE\r\n")
            while line := await reader.readline():
                if b"EXISTS" in line:
                    self.told.append(time.perf_counter())
        finally:
            writer.close()

    @staticmethod
    async def _until(reader: asyncio.StreamReader, answer: bytes) -> None:
        while not (line := await reader.readline()).startswith(answer):
            assert line, "the server ended the connection"


def resident(pid: int) -> tuple[float, float]:
    """MiB of memory of a process now, and at most so far."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    now, most = (int(re.search(rf"{name}:\s+(\d+)", text)[1]) / 1024 for name in ("VmRSS", "VmHWM"))  # type: ignore[index]
    return now, most


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def latency(zeebe: EngineProcess, server: str, mails: int, directory: Path) -> None:
    """One mail after the other."""
    async with mailbox(server) as mail:
        await mail.deliver(order("first"))
        deployment = Deployment(zeebe, mail, directory / f"latency-{server}", counting=Arrivals)
        seen = deployment.counter
        assert isinstance(seen, Arrivals)
        async with deployment.open(mail.imap_port):
            runtime = await deployment.run()
            assert await reached(lambda: "first" in seen.at, 60), runtime.log.read_text()
            watcher = Watcher(mail)
            watching = asyncio.create_task(watcher.run())
            try:
                await asyncio.sleep(3)
                given: dict[str, float] = {}
                told: list[float] = []
                for number in range(mails):
                    await asyncio.sleep(random.uniform(0.3, 0.8))
                    watcher.told.clear()
                    name = f"mail {number}"
                    given[name] = time.perf_counter()
                    await mail.deliver(order(name))
                    assert await reached(lambda: name in seen.at, 60)  # noqa: B023
                    if watcher.told:
                        told.append(watcher.told[0] - given[name])
            finally:
                watching.cancel()
            engine = await directly(deployment, seen)
    took = [seen.at[name] - at for name, at in given.items()]
    p95 = statistics.quantiles(took, n=20)[-1]
    print(
        f"latency, {server}: median {statistics.median(took) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms of {mails} mails; "
        f"the server told its watchers after {statistics.median(told) * 1000:.0f} ms, and a message that is published "
        f"directly takes {statistics.median(engine) * 1000:.0f} ms (medians)",
        flush=True,
    )


async def directly(deployment: Deployment, seen: Arrivals) -> list[float]:
    """What the engine alone takes, from publishing the same message until the job is offered."""
    gateway = ZeebeGateway(ClusterSettings(address=deployment.zeebe.grpc_address))
    took = []
    for number in range(20):
        await asyncio.sleep(random.uniform(0.3, 0.8))
        name, began = f"direct {number}", time.perf_counter()
        await gateway.publish(
            f"{deployment.process}-message",
            correlation_key="",
            message_id=name,
            time_to_live=60,
            payload=json.dumps({"subject": name}),
            tenant="",
        )
        assert await reached(lambda: name in seen.at, 60)  # noqa: B023
        took.append(seen.at[name] - began)
    await gateway.aclose()
    return took


def fill(server: dovecot.Dovecot, count: int) -> None:
    """Puts mails into the mailbox's directory, as a restored backup would."""
    server.deliver(ADDRESS, b"Subject: first\r\n\r\n")
    directory = server.directory / "mail" / ADDRESS / "cur"
    owner = directory.stat()
    raw = bytes(order("old NUMBER"))
    identity = re.search(rb"Message-ID: <([^@]+)@", raw)[1]  # type: ignore[index]
    for number in range(count - 1):
        own = raw.replace(b"NUMBER", b"%d" % number).replace(identity, b"%s-%d" % (identity, number))
        sizes = f"S={len(own)},W={len(own) + own.count(10)}"  # as deliveries name their files
        file = directory / f"{1700000000 + number}.M{number}P1.bench,{sizes}:2,"
        file.write_bytes(own)
        os.chown(file, owner.st_uid, owner.st_gid)
        os.utime(file, (1700000000 + number, 1700000000 + number))
    server.admin("mailbox", "status", "-u", ADDRESS, "messages", "INBOX")  # numbers and indexes them


async def full_folder(zeebe: EngineProcess, count: int, directory: Path) -> None:
    """The folder holds many mails when the runtime starts."""
    scenes: list[tuple[str, str, str, dict[str, str]]] = [
        ("all known already, left as they are", "allPollingConfig", "known", {}),
        ("all unread and new", "unseenPollingConfig", "new", {}),
        ("all read, none known, one fits", "allPollingConfig", "new", {"data.subjectContains": "the only one"}),
    ]
    for title, which, state, more in scenes:
        with dovecot.Dovecot() as server:
            await asyncio.to_thread(fill, server, count)
            mail = DovecotMailbox(server)
            deployment = Deployment(zeebe, mail, directory / f"full-{state}-{len(more)}", counting=Arrivals)
            seen = deployment.counter
            assert isinstance(seen, Arrivals)
            async with deployment.open(server.imap_port, which=which, strategy="NONE", **more):
                if state == "known":
                    await remember(deployment, server, count)
                await mail.deliver(order("the only one"))
                began = time.perf_counter()
                runtime = await deployment.run()
                assert await reached(lambda: seen.at, 120), runtime.log.read_text()  # noqa: B023
                first, used = min(seen.at.values()) - began, cpu(runtime.pid)
                await asyncio.sleep(5)
                _, most = resident(runtime.pid)
        print(
            f"{count:,} mails, {title}: first hand-over after {first:.1f} s, {used:.1f} s of them CPU of the "
            f"runtime; memory {most:.0f} MiB at most; {len(seen.at)} mails handed over 5 s later",
            flush=True,
        )


async def remember(deployment: Deployment, server: dovecot.Dovecot, count: int) -> None:
    """Writes into the ledger that all mails are done."""
    status = server.admin("-f", "flow", "mailbox", "status", "-u", ADDRESS, "uidvalidity", "INBOX")
    validity = re.search(r"uidvalidity=(\d+)", status)[1]  # type: ignore[index]
    source, place = f"{deployment.process}#mail", f"imap:{ADDRESS}@127.0.0.1/INBOX/{validity}"
    ledger = SqliteLedger(deployment.directory / "var" / "ledger.sqlite")
    await ledger.entries()  # makes the tables
    await ledger.aclose()
    with contextlib.closing(sqlite3.connect(deployment.directory / "var" / "ledger.sqlite")) as connection, connection:
        connection.executemany(
            "INSERT INTO events (source, id, state, updated, seen) VALUES (?, ?, 'done', ?, ?)",
            [(source, f"{place}/{uid}", time.time(), time.time()) for uid in range(1, count + 1)],
        )


async def idle(zeebe: EngineProcess, count: int, seconds: float, directory: Path) -> None:
    """Many mailboxes in which nothing happens."""
    directory = directory / "idle"
    directory.mkdir()
    with dovecot.Dovecot() as server:
        sources = "\n".join(
            f"""[box{number}]
type = "io.camunda:connector-email-inbound:1"
message = "mail"
authentication.type = "simple"
authentication.username = "box{number}@example.test"
authentication.password = "{{{{secrets.MAIL}}}}"
data.imapConfig.imapHost = "127.0.0.1"
data.imapConfig.imapPort = {server.imaps_port}
"""
            for number in range(count)
        )
        (directory / "sources.toml").write_text(sources, encoding="utf-8")
        (directory / "authorities.pem").write_text(server.authorities, encoding="utf-8")
        runtime = RuntimeProcess(
            zeebe.grpc_address,
            directory,
            password=dovecot.PASSWORD,
            port=free_ports(1)[0],
            settings={
                "ZEEBE_CONNECTORS_SOURCES": str(directory / "sources.toml"),
                "SSL_CERT_FILE": str(directory / "authorities.pem"),
            },
        )
        await runtime.start()
        try:
            began = time.perf_counter()
            up: list[str] = []
            while len(up) < count:
                assert time.perf_counter() - began < 120, runtime.log.read_text()[-3000:]
                await asyncio.sleep(0.2)
                up = [n for n, s in (await runtime.health()).get("sources", {}).items() if s["status"] == "UP"]
            ready = time.perf_counter() - began
            await asyncio.sleep(min(45, seconds))  # the first waits in IDLE are short
            before = cpu(runtime.pid)
            await asyncio.sleep(seconds)
            used = (cpu(runtime.pid) - before) * 60 / seconds
            now, most = resident(runtime.pid)
        finally:
            await runtime.kill(signal.SIGTERM)
    print(
        f"{count} idle mailboxes under TLS: all watched {ready:.1f} s after the start; {now:.0f} MiB, {most:.0f} at "
        f"most; {used:.2f} s of CPU a minute",
        flush=True,
    )


async def main() -> None:
    """Prints all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", action="append", choices=["latency", "full", "idle"])
    parser.add_argument("--mails", type=int, default=100, help="of the latency")
    parser.add_argument("--full", type=int, default=10_000, help="mails in the full folder")
    parser.add_argument("--mailboxes", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60.0, help="of watching idle mailboxes")
    arguments = parser.parse_args()
    scenes: Sequence[str] = arguments.scene or ["latency", "full", "idle"]
    reason = dovecot.why_not()
    if reason:
        print(f"Only our own mail server is measured: {reason}")
    with tempfile.TemporaryDirectory() as scratch:
        async with EngineProcess() as zeebe:
            if "latency" in scenes:
                for server in ["own"] if reason else ["own", "dovecot"]:
                    await latency(zeebe, server, arguments.mails, Path(scratch))
            if "full" in scenes and not reason:
                await full_folder(zeebe, arguments.full, Path(scratch))
            if "idle" in scenes and not reason:
                await idle(zeebe, arguments.mailboxes, arguments.seconds, Path(scratch))


if __name__ == "__main__":
    asyncio.run(main())
