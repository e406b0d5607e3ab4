"""Most tests of limits run in virtual time; those with a database server in real time."""

import asyncio
import time

import pytest
from tests.servers import virtual_time


def pytest_asyncio_loop_factories(item):
    if item.path.name == "test_postgresql.py":
        return {"real": asyncio.new_event_loop}
    return {"virtual": virtual_time.virtual_loop}


@pytest.fixture
async def virtual(monkeypatch):
    """The loop, whose time is everybody's."""
    monkeypatch.setattr(time, "monotonic", virtual_time.monotonic)
    return asyncio.get_running_loop()
