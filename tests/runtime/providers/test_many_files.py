"""Many small files of one provider are listed and fetched while its usage rules hold; a tenth of 10,000 here."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time

import pytest
import yaml
from tests.servers.sftpd import PASSWORD, SftpServer

from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.connectors.files.connector import carry
from zeebe_connectors.runtime.outbound.jobs import JobHandler
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail
from zeebe_connectors.runtime.services import services_of
from zeebe_connectors.sdk.context import Job

FILES = 1_000
RULES = {"maxPerSecond": 250, "maxConcurrent": 6}


class Watched:
    """The connector, with the moments at which its jobs began and how many ran at once."""

    def __init__(self) -> None:
        self.starts: list[float] = []
        self.running = self.peak = 0
        self.connector = dataclasses.replace(carry, call=self._call)

    async def _call(self, given, context):
        self.starts.append(time.monotonic())
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            return await carry.call(given, context)
        finally:
            self.running -= 1


def most_in_a_second(moments) -> int:
    first = widest = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= 1:
            first += 1
        widest = max(widest, last - first + 1)
    return widest


@pytest.mark.timeout(240)
async def test_each_file_is_fetched_once_and_the_rules_hold(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    for number in range(FILES):
        (home / f"order-{number:05}.txt").write_text(str(number))
    async with SftpServer(home) as server:
        environment = {
            "host": "127.0.0.1",
            "port": server.port,
            "authentication": {"type": "basic", "username": "ann", "password": PASSWORD},
            "options": {"knownHosts": server.known_hosts},
        }
        provider = {"protocol": "sftp", "rules": RULES, "environments": {"live": environment}}
        (tmp_path / "providers.yaml").write_text(yaml.safe_dump({"providers": {"shop": provider}}))
        given = {"ZEEBE_CONNECTORS_PROVIDERS": str(tmp_path / "providers.yaml"), "ZEEBE_CONNECTORS_DATA": str(tmp_path)}
        operators = Environment(("environment", given))
        services = services_of(Settings.read(operators), operators)
        watched = Watched()
        handler = JobHandler(watched.connector, services)

        async def job(key: int, **inputs):
            while True:
                headers = {"provider": "shop", "resultVariable": "done"}
                outcome = await handler(Job(key, carry.type, json.dumps(inputs), headers))
                if isinstance(outcome, Complete):
                    return outcome.variables["done"]
                assert isinstance(outcome, Fail)
                assert outcome.retries == 3, outcome.message  # handed back untouched; the engine gives it again
                await asyncio.sleep(0.05)

        try:
            listed = await job(1, operation="list", pattern="order-*.txt", maxFiles=FILES + 1)
            names = iter([one["name"] for one in listed["files"]])
            fetched: list[int] = []

            async def worker() -> None:
                for name in names:
                    done = await job(2 + len(fetched), operation="read", file=name, readAs="text")
                    fetched.append(int(done["content"]))

            await asyncio.gather(*(worker() for _ in range(16)))
            # When jobs were let in: a busy machine may begin some a moment later than others.
            permits = list(services.providers.limits()["shop/live"].counts.recent)
        finally:
            await services.providers.aclose()
            await services.aclose()
    assert sorted(fetched) == list(range(FILES))
    assert not listed["more"]
    assert len(watched.starts) == FILES + 1
    assert watched.peak <= RULES["maxConcurrent"]
    assert len(permits) == FILES + 1
    assert most_in_a_second(permits) <= RULES["maxPerSecond"]
    assert watched.starts[-1] - watched.starts[0] >= FILES / RULES["maxPerSecond"] - 1
