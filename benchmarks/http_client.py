"""What an HTTP call costs the worker: the REST connector beside bare aiohttp and httpx, at 64 in flight, on one core.

`python benchmarks/http_client.py` prints the CPU per request of each, medians of five rounds that take turns.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import httpx
import yarl

from zeebe_connectors import Context
from zeebe_connectors.connectors.rest.connector import Request, request
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.sdk.files import AllowedFiles

IN_FLIGHT, REQUESTS, ROUNDS = 64, 4000, 5
HEADERS = {"X-Request": "bench", "Authorization": "Bearer token"}


class OnAiohttp(httpx.AsyncBaseTransport):
    """The least that puts httpx's API on aiohttp: what would be under the connector if it spoke httpx."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = yarl.URL(str(request.url), encoded=True)
        headers = [(name.decode(), value.decode()) for name, value in request.headers.raw]
        async with self._session.request(request.method, url, headers=headers, allow_redirects=False) as response:
            return httpx.Response(response.status, headers=response.raw_headers, content=await response.read())


class Nowhere(httpx.AsyncBaseTransport):
    """Answers without a network: what is left is httpx's own cost."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002
        return httpx.Response(200, headers={"content-type": "application/json"}, content=b'{"name":"bench"}')


async def cpu_per_request(call: Callable[[], Awaitable[object]]) -> float:
    """Microseconds of this process's CPU for one call."""

    async def worker() -> None:
        for _ in range(REQUESTS // IN_FLIGHT):
            await call()

    await call()
    before = time.process_time()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return (time.process_time() - before) / REQUESTS * 1e6


async def measure(url: str) -> dict[str, list[float]]:
    """All kinds of calls, in turns."""
    clients, documents, files = ClientCache(), LocalDocuments(Path("unused")), AllowedFiles()
    log = logging.LoggerAdapter(logging.getLogger("bench"), {})
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    on_aiohttp = httpx.AsyncClient(transport=OnAiohttp(session), trust_env=False)
    stock = httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=IN_FLIGHT))
    nowhere = httpx.AsyncClient(transport=Nowhere(), trust_env=False)
    inputs = {
        "url": url,
        "method": "GET",
        "headers": {"X-Request": "bench"},
        "authentication": {"type": "bearer", "token": "token"},
        "connectionTimeoutInSeconds": "20",
        "readTimeoutInSeconds": "20",
    }

    async def bare() -> None:
        async with session.get(url, headers=HEADERS) as response:
            await response.json()

    async def connector() -> None:
        given = read_input(Request, inputs)
        await request(given, Context(Job(1, "rest"), clients, documents, files, log, time.monotonic() + 30))

    def through(client: httpx.AsyncClient) -> Callable[[], Awaitable[None]]:
        async def call() -> None:
            (await client.get(url, headers=HEADERS, timeout=20)).json()

        return call

    kinds = {
        "aiohttp, bare": bare,
        "REST connector, whole": connector,
        "httpx API on aiohttp, bare": through(on_aiohttp),
        "httpx API, no network": through(nowhere),
        "httpx as installed": through(stock),
    }
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, call in kinds.items():
            found[name].append(await cpu_per_request(call))
    for client in (on_aiohttp, nowhere, stock):
        await client.aclose()
    await session.close()
    await clients.aclose()
    return found


def main() -> None:
    """Starts the target and prints one line for each kind of call."""
    with subprocess.Popen([sys.executable, Path(__file__).with_name("target.py")], stdout=subprocess.PIPE) as target:
        assert target.stdout
        port = int(target.stdout.readline())
        try:
            found = asyncio.run(measure(f"http://127.0.0.1:{port}/ok"))
        finally:
            target.terminate()
    print(f"CPU per request, {IN_FLIGHT} in flight, median of {ROUNDS} rounds of {REQUESTS} [least..most]")
    for name, values in found.items():
        print(f"{name:28}{statistics.median(values):7.0f} µs  [{min(values):.0f}..{max(values):.0f}]")


if __name__ == "__main__":
    main()
