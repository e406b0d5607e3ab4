"""2,000 mails by real workers that are killed three times: each arrives, and what comes twice is told by its id."""

import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from servers.smtp import SmtpServer
from zeebe_connectors.runtime.gateway.fake import FakeGateway
from zeebe_connectors.runtime.gateway.server import GatewayServer

MAILS, KILLS, SLOTS = 2000, 3, 32
COMMAND = Path(sys.executable).parent / "zeebe-connectors"


class Workers:
    """Runs the command against a gateway; what it says goes to a file that the failing test can show."""

    def __init__(self, address, directory):
        self.log = directory / "worker.log"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ZEEBE_", "CAMUNDA_"))},
            "ZEEBE_ADDRESS": address,
            "ZEEBE_CLIENT_SECURITY_PLAINTEXT": "true",
            "CONNECTOR_OUTBOUND_ENABLED": "smtp",
            "CAMUNDA_CLIENT_WORKER_DEFAULTS_MAX_JOBS_ACTIVE": str(SLOTS),
            "CAMUNDA_CLIENT_WORKER_DEFAULTS_TIMEOUT": "PT5S",
            "ZEEBE_CONNECTORS_PORT": "-1",
            "ZEEBE_CONNECTORS_DATA": str(directory),
        }
        self.directory = directory

    async def start(self):
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                str(COMMAND), "run", env=self.environment, cwd=self.directory, stdout=log, stderr=log
            )

    async def end(self, how):
        if self.process.returncode is None:
            self.process.send_signal(how)
        await self.process.wait()


@pytest.mark.timeout(180)
async def test_each_mail_once_though_workers_are_killed(tmp_path):
    """Twice at most what was in flight at a kill, with the same Message-ID: ADR 6 has the reason."""
    gateway = FakeGateway()
    async with SmtpServer() as server, GatewayServer(gateway) as served:
        for number in range(MAILS):
            gateway.put(
                "io.github.zeebe-connectors:smtp:1",
                {
                    "host": "127.0.0.1", "port": server.port, "security": "none", "from": "billing@example.com",
                    "to": "jane@example.com", "subject": f"Mail {number}", "text": f"Number {number}",
                    "authentication": {"type": "none"},
                },
            )  # fmt: skip
        workers = Workers(served.address, tmp_path)
        await workers.start()
        try:
            for kill in range(1, KILLS + 1):
                await until(lambda goal=kill: len(server.mails) >= goal * MAILS // 5, workers)
                await workers.end(signal.SIGKILL)
                await workers.start()
            await until(lambda: gateway.states()["completed"] == MAILS, workers)
        finally:
            await workers.end(signal.SIGTERM)
    assert gateway.states() == {"completed": MAILS}
    by_subject = Counter(mail.parsed["Subject"] for mail in server.mails)
    assert len(by_subject) == MAILS, "each arrived"
    assert len({mail.parsed["Message-ID"] for mail in server.mails}) == MAILS, "a duplicate has the id of its original"
    assert len(server.mails) - MAILS <= KILLS * SLOTS, "only what was in flight at a kill can come twice"
    tried_once = {job.key for job in gateway.jobs.values() if job.activations == 1}
    twice = {
        mail.parsed["Message-ID"].split("-")[0][1:] for mail in server.mails if by_subject[mail.parsed["Subject"]] > 1
    }
    assert not {int(key) - 1_000_000 for key in twice} & tried_once, "no mail came twice by itself"


async def until(reached, workers):
    async with asyncio.timeout(120):
        while not reached():
            assert workers.process.returncode is None, workers.log.read_text()[-3000:]
            await asyncio.sleep(0.02)
