"""The operator's port stays usable whatever connects to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import aiohttp
import pytest
from aiohttp import web
from tests.admin.serving import served

from zeebe_connectors.admin.access import MAX_GUESSING
from zeebe_connectors.admin.connections import Connections
from zeebe_connectors.admin.exposition import Exposition
from zeebe_connectors.admin.metrics import PrometheusMetrics
from zeebe_connectors.cli.log_setup import OncePerSecond
from zeebe_connectors.sdk.registry import Registry

TOKEN = "a-token-of-the-operator"
HEALTH = {
    "status": "DOWN",
    "workers": {"io.camunda:http-json:1": {"status": "UP", "lastError": "ann@example.com refused"}},
    "inbound": {"status": "DOWN", "sources": {"ann@example.com/INBOX": {"status": "DOWN", "reason": "no login"}}},
}


@pytest.fixture
async def port(tmp_path, monkeypatch):
    """A server of a runtime that is down, with short limits."""
    serving = served(
        tmp_path,
        Registry(),
        works=False,
        limits={"wrong_token_seconds": 0.3},
        connections=Connections(max_open=8, header_seconds=0.5),
        ZEEBE_CONNECTORS_ADMIN_TOKEN=TOKEN,
    )
    async with serving as found:
        monkeypatch.setattr(found.runtime, "health", lambda: HEALTH)
        monkeypatch.setattr(found.runtime, "is_alive", lambda: True)
        yield found.server.port


async def test_half_open_requests_hold_nobody_up(port):
    """A hundred connections that send half a request: a probe gets its answer all the same, and they end."""
    open_ = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
    for _, writer in open_:
        writer.write(b"GET /health HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        for _ in range(3):
            async with session.get("/actuator/health/liveness", timeout=aiohttp.ClientTimeout(2)) as answer:
                assert answer.status == 200
    async with asyncio.timeout(5):
        for reader, writer in open_:
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()


def test_half_a_request_ends_on_uvloop_too():
    uvloop = pytest.importorskip("uvloop")

    async def received() -> bytes:
        connections = Connections(header_seconds=0.1)
        runner = web.AppRunner(web.Application(middlewares=[connections.watched]))
        await runner.setup()
        connections.watch(runner.server)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(b"GET /health HTTP/1.1\r\nX-Slow: ")
        try:
            async with asyncio.timeout(3):
                with contextlib.suppress(ConnectionResetError):
                    return await reader.read()
            return b""
        finally:
            writer.close()
            await runner.cleanup()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(received()) == b""


async def test_a_connection_that_is_used_stays(port):
    """Requests after one another on one connection, with pauses shorter than the limit."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):
        writer.write(b"GET /actuator/health/liveness HTTP/1.1\r\nHost: anything\r\n\r\n")
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"}")
        await asyncio.sleep(0.3)
    async with asyncio.timeout(3):
        assert await reader.read() == b""
    writer.close()


async def test_health_says_words_only_to_those_without_the_token(port):
    """Any Host is fine, as probes and scrapers need."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        async with session.get("/health", headers={"Host": "pod-7.cluster.local"}) as answer:
            text = await answer.text()
            assert answer.status == 503
            assert await answer.json() == {"status": "DOWN", "workers": {"UP": 1}, "sources": {"DOWN": 1}}
        assert "ann@" not in text
        async with session.get("/health", headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
            assert await answer.json() == HEALTH
        async with session.get("/metrics", headers={"Host": "pod-7.cluster.local"}) as answer:
            assert answer.status == 200


async def test_wrong_tokens_wait_and_are_counted(port):
    """Few at a time; the right one never waits."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

        async def call(token):
            async with session.get("/api/sources", headers={"Authorization": f"Bearer {token}"}) as answer:
                return answer.status

        began = asyncio.get_running_loop().time()
        statuses = await asyncio.gather(*(call(f"guess-{number}") for number in range(MAX_GUESSING + 2)))
        assert sorted(statuses) == [401] * MAX_GUESSING + [429] * 2
        assert asyncio.get_running_loop().time() - began >= 0.3
        assert await call(TOKEN) == 200
        async with session.get("/metrics") as answer:
            assert "zeebe_connectors_refused_tokens 6.0" in await answer.text()


def test_metrics_name_no_person():
    metrics = PrometheusMetrics()
    metrics.trigger("triggered", type="t", source="ann.lee@example.com/INBOX")
    text = Exposition(metrics).text().decode()
    assert "ann" not in text
    assert "@example.com/INBOX" in text


def test_one_line_of_a_kind_each_second():
    """Of what somebody outside can cause; the next line says how many were left out."""
    now = [0.0]
    quiet = OncePerSecond(lambda: now[0])

    def record(name, message, *arguments):
        made = logging.LogRecord(name, logging.ERROR, "", 0, message, arguments, None)
        return made.getMessage() if quiet.filter(made) else None

    assert record("asyncio", "socket.accept() out of system resource") is not None
    assert [record("asyncio", "socket.accept() out of system resource") for _ in range(1000)] == [None] * 1000
    assert record("aiohttp.server", "Error handling request from %s", "1.2.3.4") is not None
    now[0] = 1.5
    assert "1000 more like it" in record("asyncio", "socket.accept() out of system resource")
