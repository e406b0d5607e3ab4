"""What tests of providers have in common: recording servers, and a task run through the whole pipeline."""

import pytest

from zeebe_connectors.testing.servers import HttpServer, Reply


@pytest.fixture
async def server():
    async with HttpServer() as running:
        running.answer("*", Reply.json({"ok": True}))
        yield running
