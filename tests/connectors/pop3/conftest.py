"""A server of POP3 on loopback, and the source that watches it."""

from __future__ import annotations

import pytest
from tests.connectors.pop3.test_pop3 import Pop3Harness
from tests.harness import running

from zeebe_connectors.testing.servers import Pop3Server


@pytest.fixture
async def server():
    async with Pop3Server() as server:
        yield server


@pytest.fixture
async def harness(server, tmp_path, monkeypatch):
    async with running(Pop3Harness(server, tmp_path), monkeypatch) as harness:
        yield harness
