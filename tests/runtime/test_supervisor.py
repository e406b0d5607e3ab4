"""A runtime that is told to stop leaves nothing behind that was to be written."""

from __future__ import annotations

import asyncio
import time

from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime import supervisor
from zeebe_connectors.runtime.ledger import SqliteStore, StoredMemory, ledger_file
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing import FakeGateway


class Endless:
    """A client whose server never says goodbye."""

    async def aclose(self) -> None:
        await asyncio.sleep(3600)


async def test_receipts_are_written_although_a_client_does_not_close(tmp_path, monkeypatch):
    """What a stopped job was about to remember is a mail that is sent again otherwise."""
    monkeypatch.setattr(supervisor, "_CLOSING", 0.5)
    environment = Environment(("environment", {"ZEEBE_CONNECTORS_DATA": str(tmp_path)}))
    runtime = Runtime(Settings.read(environment), Registry([]), FakeGateway(), environment=environment)
    await runtime.services.clients.get("endless", Endless)
    await runtime.memory.remember("smtp", "answered", "receipt")
    runtime.memory.discard_later("smtp", "answered")
    job = asyncio.ensure_future(runtime.memory.remember("smtp", "stopped", "receipt"))
    await asyncio.sleep(0)
    job.cancel()
    began = time.monotonic()
    await runtime.drain()
    assert time.monotonic() - began < 5
    assert runtime.store._writer.connection is None, "closed, so that the write-ahead log is emptied"
    after = SqliteStore(ledger_file(tmp_path))
    assert [each.id for each in await StoredMemory(after).entries()] == ["stopped"]
    await after.aclose()
