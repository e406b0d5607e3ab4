"""Many mails by real workers that are killed three times: each arrives, and none twice that the ledger knew."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.servers.gateway import GatewayServer
from tests.sizes import size

from zeebe_connectors.runtime.gateway.fake import FakeGateway
from zeebe_connectors.testing.servers import SmtpServer

MAILS, KILLS, SLOTS = size(500, 2000), 3, 32
SOON = 5.0  # seconds that a receipt may need from the server's 250 to the disk, on a busy machine
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

    def remembered(self):
        """Message-IDs whose receipt is in the ledger; read while no worker runs."""
        with contextlib.closing(sqlite3.connect(self.directory / "ledger.sqlite")) as ledger:
            return {row[0] for row in ledger.execute("SELECT id FROM memory WHERE place = 'smtp'")}


def put(gateway, server, number):
    return gateway.put(
        "io.github.zeebe-connectors:smtp:1",
        {
            "host": "127.0.0.1", "port": server.port, "security": "none", "from": "billing@example.com",
            "to": "jane@example.com", "subject": f"Mail {number}", "text": f"Number {number}",
            "authentication": {"type": "none"},
        },
    )  # fmt: skip


def id_of(mail):
    return mail.parsed["Message-ID"]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_each_mail_once_though_workers_are_killed(tmp_path):
    """Twice at most what was between the server's 250 and the ledger at a kill, with the same Message-ID: see ADR 6."""
    gateway = FakeGateway()
    windows, left = [], set()
    async with SmtpServer() as server, GatewayServer(gateway) as served:
        for number in range(MAILS):
            put(gateway, server, number)
        workers = Workers(served.address, tmp_path)
        await workers.start()
        try:
            for kill in range(1, KILLS + 1):
                await until(lambda goal=kill: len(server.mails) >= goal * MAILS // 5, workers)
                killed = time.monotonic()
                await workers.end(signal.SIGKILL)
                await asyncio.sleep(0.2)  # the server reads what the worker had still sent
                left |= workers.remembered()
                known = left | {id_of(mail) for mail in server.mails if gateway.jobs[job_of(mail)].state == "completed"}
                # Those of an earlier kill may still wait for their job to be offered again.
                known |= set().union(*windows)
                open_ones = [mail for mail in server.mails if id_of(mail) not in known]
                windows.append({id_of(mail) for mail in open_ones})
                assert len(open_ones) <= SLOTS
                for mail in open_ones:
                    assert mail.answered > killed - SOON, "a receipt is in the ledger soon after the server's 250"
                await workers.start()
            await until(lambda: gateway.states()["completed"] == MAILS, workers)
        finally:
            await workers.end(signal.SIGTERM)
    assert gateway.states() == {"completed": MAILS}
    assert len({mail.parsed["Subject"] for mail in server.mails}) == MAILS, "each arrived"
    ids = Counter(map(id_of, server.mails))
    assert len(ids) == MAILS, "a duplicate has the id of its original"
    twice = {each for each, count in ids.items() if count > 1}
    assert twice <= set().union(*windows), "what was in the ledger at a kill never came again"
    assert not twice or max(ids.values()) <= 1 + KILLS
    assert workers.remembered() <= left, "what the engine knows as done is let go, but for what a kill left over"


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_mail_whose_completion_was_lost_with_the_worker_is_not_sent_again(tmp_path):
    """Server and ledger have it, the engine does not, the worker dies: the next one answers with the receipt."""
    gateway = FakeGateway()
    gateway.refuse("complete", "UNAVAILABLE", times=10**6)
    async with SmtpServer() as server, GatewayServer(gateway) as served:
        keys = [put(gateway, server, number) for number in range(10)]
        workers = Workers(served.address, tmp_path)
        await workers.start()
        try:
            await until(lambda: gateway.count("complete") >= 10 and len(server.mails) == 10, workers)
            await workers.end(signal.SIGKILL)
            assert workers.remembered() == {id_of(mail) for mail in server.mails}
            gateway._faults.clear()
            await workers.start()
            await until(lambda: gateway.states()["completed"] == 10, workers)
        finally:
            await workers.end(signal.SIGTERM)
    assert len(server.mails) == 10
    assert all(gateway.jobs[key].activations == 2 for key in keys)


def job_of(mail):
    return int(id_of(mail).split("-")[0][1:]) - 1_000_000


async def until(reached, workers):
    async with asyncio.timeout(120):
        while not reached():
            assert workers.process.returncode is None, workers.log.read_text()[-3000:]
            await asyncio.sleep(0.02)
