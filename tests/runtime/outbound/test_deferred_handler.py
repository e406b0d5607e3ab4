"""Connectors that are imported with their first jobs."""

from __future__ import annotations

import asyncio
import json
import sys

FIRST_JOBS = """
import asyncio, json, sys, threading

from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing import FakeGateway

LIBRARIES = {"aiohttp", "sqlalchemy", "aiocoap", "asyncssh", "lxml"}
MODULES = {f"zeebe_connectors.connectors.{name}.connector" for name in ("rest", "sql", "coap", "files", "soap")}
JOBS = {
    "rest": {"url": "http://127.0.0.1:1/"},
    "sql": {"database": "postgresql", "host": "127.0.0.1", "port": "1", "name": "a", "operation": "query",
            "statement": "SELECT 1", "security": "none", "authentication": {"type": "none"}, "timeout": 1},
    "coap": {"host": "127.0.0.1", "port": 1, "operation": "get", "timeout": 1},
    "files": {"protocol": "sftp", "host": "127.0.0.1", "port": 1, "operation": "list", "username": "u",
              "password": "p", "hostKey": "firstUse"},
    "soap": {"serviceUrl": "http://127.0.0.1:1/", "body": {"type": "json", "json": {"a": 1}}},
}
loaded = {}


class Spy:
    def find_spec(self, name, path=None, target=None):
        if name in LIBRARIES | MODULES:
            loaded[name] = threading.current_thread() is not threading.main_thread()


async def main():
    environment = Environment(("environment", {"ZEEBE_CONNECTORS_DATA": sys.argv[1]}))
    gateway, registry = FakeGateway(), Registry.installed(list(JOBS), later=True)
    running = Runtime(Settings.read(environment), registry, gateway, environment=environment)
    sys.meta_path.insert(0, Spy())
    running.start()
    for name, variables in JOBS.items():
        key = gateway.put(registry.outlines[name].type, variables, retries=1)
        async with asyncio.timeout(20):
            while gateway.jobs[key].state in {"waiting", "active"}:
                await asyncio.sleep(0.01)
    await running.drain()
    print(json.dumps(loaded))


asyncio.run(main())
"""


async def test_nothing_is_imported_on_the_event_loop(tmp_path):
    """The first job of a connector makes no other job wait for the connector's libraries."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FIRST_JOBS, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    loaded = json.loads(output)
    assert len(loaded) == 10
    assert all(loaded.values()), loaded
