"""The operator's port is open from the start, and what serves it is made with the first connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from zeebe_connectors.admin.deferred_server import DeferredServer
from zeebe_connectors.admin.metrics import PrometheusMetrics
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.gateway.fake import FakeGateway
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.registry import Registry


@pytest.fixture
async def runtime(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Runtime]:
    token = getattr(request, "param", {})
    environment = Environment(("environment", {"ZEEBE_CONNECTORS_DATA": str(tmp_path), **token}))
    runtime = Runtime(Settings.read(environment), Registry.installed(["rest"]), FakeGateway(), environment=environment)
    runtime.start()
    yield runtime
    await runtime.drain()


async def test_all_who_connect_at_once_are_answered(runtime: Runtime) -> None:
    server = DeferredServer(runtime, PrometheusMetrics(), host="127.0.0.1", port=0)
    await server.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:

        async def status(path: str) -> int:
            async with session.get(path) as response:
                return response.status

        paths = ["/health/live", "/metrics", "/api/jobs", "/health/live"]
        assert await asyncio.gather(*map(status, paths)) == [200, 200, 404, 200]
        assert await status("/health/live") == 200
    await server.aclose()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


async def test_it_closes_without_a_connection(runtime: Runtime) -> None:
    server = DeferredServer(runtime, PrometheusMetrics(), host="127.0.0.1", port=0)
    await server.start()
    await server.aclose()
    again = DeferredServer(runtime, PrometheusMetrics(), host="127.0.0.1", port=server.port)
    await again.start()
    await again.aclose()


async def test_a_family_of_addresses_that_the_system_lacks_is_passed_over(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a name that stands for an IPv6 address too, where IPv6 is switched off."""
    lacking = (socket.AF_UNSPEC, socket.SOCK_STREAM, 0, "", ("::1", 0, 0, 0))

    async def resolved(*_: object, **_options: object) -> list[object]:
        return [lacking, (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
    server = DeferredServer(runtime, PrometheusMetrics(), host="localhost", port=0)
    await server.start()
    assert server.port
    await server.aclose()


async def test_a_port_in_use_shows_at_the_start(runtime: Runtime) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = DeferredServer(runtime, PrometheusMetrics(), host="127.0.0.1", port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            await server.start()


async def test_a_name_is_listened_on_by_all_its_addresses(runtime: Runtime) -> None:
    server = DeferredServer(runtime, PrometheusMetrics(), host="localhost", port=0)
    await server.start()
    async with aiohttp.ClientSession() as session, session.get(f"http://localhost:{server.port}/health/live") as answer:
        assert answer.status == 200
    await server.aclose()


@pytest.mark.parametrize("runtime", [{"ZEEBE_CONNECTORS_ADMIN_TOKEN": "a-token-of-the-operator"}], indirect=True)
async def test_the_operators_calls_are_there_where_they_are_on(runtime: Runtime) -> None:
    server = DeferredServer(runtime, PrometheusMetrics(), host="127.0.0.1", port=0)
    await server.start()
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{server.port}/api/jobs") as answer,
    ):
        assert answer.status == 401
    await server.aclose()
