"""Two `zeebe-connectors run` with one database and nothing else in common: one watches, the other takes over."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import psycopg
from tests.servers.gateway import GatewayServer

from zeebe_connectors.runtime.gateway.fake import FakeGateway
from zeebe_connectors.testing.servers import ImapServer, message

COMMAND = Path(sys.executable).parent / "zeebe-connectors"
SOURCE = """
[orders]
type = "io.camunda:connector-email-inbound:1"
message = "order"
resultExpression = "={{subject: subject}}"
authentication.type = "simple"
authentication.username = "alice@example.test"
authentication.password = "secret"
data.imapConfig.imapHost = "127.0.0.1"
data.imapConfig.imapPort = {port}
data.imapConfig.imapCryptographicProtocol = "NONE"
data.pollingWaitTime = "PT20S"
data.pollingConfigDiscriminator = "allPollingConfig"
data.pollingConfig.handlingStrategy = "NONE"
"""


class Replica:
    """The command with a directory of its own."""

    def __init__(self, directory, address, port, url) -> None:
        directory.mkdir()
        (directory / "sources.toml").write_text(SOURCE.format(port=port))
        self.log = directory / "log"
        self._directory = directory
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ZEEBE_", "CAMUNDA_"))},
            "ZEEBE_ADDRESS": address,
            "ZEEBE_CLIENT_SECURITY_PLAINTEXT": "true",
            "ZEEBE_CONNECTORS_SOURCES": "sources.toml",
            "ZEEBE_CONNECTORS_LEDGER": url,
            "ZEEBE_CONNECTORS_PORT": "-1",
            "CONNECTOR_OUTBOUND_ENABLED": "rest",
        }

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                COMMAND, "run", cwd=self._directory, env=self._environment, stdout=log, stderr=log
            )

    async def end(self, how) -> None:
        if self.process.returncode is None:
            self.process.send_signal(how)
        await self.process.wait()


def holder(url: str) -> int:
    """Process id of the one that has the lease."""
    with psycopg.connect(url) as connection:
        ((owner,),) = connection.execute("SELECT owner FROM zeebe_connectors.leases").fetchall()
    return int(owner.split("|")[2])


async def test_the_second_goes_on_where_the_first_was_killed(postgresql, tmp_path):
    """All mails, neither moved nor marked: only the ledger knows which were handed over."""
    gateway, url = FakeGateway(), postgresql.database()
    async with ImapServer() as server, GatewayServer(gateway) as served:
        for number in range(20):
            server.deliver(message(f"mail {number}"))
        replicas = [Replica(tmp_path / name, served.address, server.port, url) for name in ("one", "two")]

        async def until(reached) -> None:
            try:
                async with asyncio.timeout(60):
                    while not reached():  # noqa: ASYNC110 - another process's doing
                        await asyncio.sleep(0.02)
            except TimeoutError:
                logs = "\n".join(replica.log.read_text()[-2000:] for replica in replicas)
                raise AssertionError(f"{len(gateway.messages)} messages\n{logs}") from None

        for replica in replicas:
            await replica.start()
        try:
            await until(lambda: len(gateway.messages) >= 10)
            pid = holder(url)
            (first,) = [replica for replica in replicas if replica.process.pid == pid]
            (second,) = [replica for replica in replicas if replica is not first]
            await first.end(signal.SIGKILL)
            for number in range(20, 30):
                server.deliver(message(f"mail {number}"))
            await until(lambda: len(gateway.messages) == 30)
            assert holder(url) == second.process.pid
            await first.start()
            await second.end(signal.SIGTERM)
            server.deliver(message("mail 30"))
            await until(lambda: len(gateway.messages) == 31)
        finally:
            for replica in replicas:
                await replica.end(signal.SIGTERM)
    published = Counter(each.data["variables"]["subject"] for each in gateway.messages.values())
    assert published == Counter(f"mail {number}" for number in range(31))
    assert gateway.count("publish") <= 32, "besides the one that was under way at the kill, each was published once"
    assert not list(tmp_path.rglob("ledger.sqlite")), "nothing is kept beside the database"
    password = url.split(":")[2].split("@")[0]
    assert all(password not in replica.log.read_text() for replica in replicas)
