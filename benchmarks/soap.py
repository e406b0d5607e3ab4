"""What a SOAP call costs the worker: our whole pipeline beside a bare zeep call and a bare aiohttp POST, in one run.

`python benchmarks/soap.py` prints the CPU per call of each, medians of five rounds that take turns, on one core. Ours
goes from a job's raw variables to its outcome: validated inputs, an envelope, the reply as JSON, a FEEL expression.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import MappingProxyType

import aiohttp
import httpx
from lxml import etree
from zeep import AsyncClient
from zeep.transports import AsyncTransport
from zeep.wsdl.utils import etree_to_string

from zeebe_connectors.config.secrets import SecretResolver
from zeebe_connectors.connectors.soap.connector import call
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.outbound.jobs import JobHandler
from zeebe_connectors.runtime.outbound.outcome import Complete
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.files import AllowedFiles

IN_FLIGHT, CALLS, ROUNDS = 16, 800, 5
WSDL = Path(__file__).parent.parent / "tests/connectors/soap/wsdl/dotnet-asmx.wsdl"
NS = "http://orders.example/"
LINES = "".join(f'<OrderLine article="A{number}" count="2">line {number}</OrderLine>' for number in range(10))
REPLY = (
    '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    f'<PlaceOrderResponse xmlns="{NS}"><PlaceOrderResult><Id>7</Id><Quantity>3</Quantity><Price>1.10</Price>'
    f"<Due>2025-12-31T10:00:00Z</Due><Status>Paid</Status><Lines>{LINES}</Lines></PlaceOrderResult>"
    "</PlaceOrderResponse></s:Body></s:Envelope>"
).encode()
ORDER = {
    "Id": "7",
    "Quantity": 3,
    "Price": 1.1,
    "Due": "2025-12-31T10:00:00Z",
    "Status": "New",
    "Lines": {
        "OrderLine": [{"@article": f"A{number}", "@count": 2, "$content": f"line {number}"} for number in range(10)]
    },
}


class Service(asyncio.Protocol):
    """Answers every POST with the reply."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if end:
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            if len(body) >= length:
                self._received = body[length:]
                answer = f"HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {len(REPLY)}\r\n\r\n"
                self._transport.write(answer.encode() + REPLY)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def qualified(value: object) -> object:
    """The order in the JSON form of envelopes, with its prefix."""
    if isinstance(value, dict):
        return {name if name[0] in "@$" else f"o:{name}": qualified(item) for name, item in value.items()}
    return [qualified(item) for item in value] if isinstance(value, list) else value


def wsdl_for_both(folder: Path) -> Path:
    """The WSDL without its HTTP GET port, over which zeep stumbles."""
    tree = etree.parse(WSDL)
    for element in list(tree.getroot()):
        if "HttpGet" in (element.get("name") or ""):
            tree.getroot().remove(element)
    for port in list(tree.getroot().iter("{*}port")):
        if "HttpGet" in port.get("name"):
            port.getparent().remove(port)
    file = folder / "orders.wsdl"
    tree.write(file)
    return file


def inputs(url: str, wsdl: Path) -> dict[str, dict[str, object]]:
    """Variables of our jobs, by what they show."""
    order = {"o:PlaceOrder": {"o:order": qualified(ORDER), "o:express": True}}
    plain = {
        "serviceUrl": url,
        "authentication": {"authentication": "none"},
        "soapVersion": {"version": "1.1", "soapAction": f"{NS}PlaceOrder"},
        "header": {"type": "none"},
        "body": {"type": "json", "json": order},
        "namespaces": {"o": NS},
        "connectionTimeoutInSeconds": 20,
    }
    token = {"authentication": "usernameToken", "username": "u", "password": "p", "encoded": "Yes", "timestamp": 300}
    operation = {
        "type": "operation",
        "wsdl": str(wsdl),
        "operation": "PlaceOrder",
        "input": {"order": ORDER, "express": True},
    }
    return {
        "ours, envelope from JSON": plain,
        "ours, UsernameToken digest": plain | {"authentication": token},
        "ours, operation of a WSDL": plain | {"body": operation},
    }


async def cpu_per_call(one: Callable[[], Awaitable[object]]) -> float:
    """Microseconds of this process's CPU for one call."""

    async def worker() -> None:
        for _ in range(CALLS // IN_FLIGHT):
            await one()

    await one()
    before = time.process_time()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return (time.process_time() - before) / CALLS * 1e6


async def measure(url: str, folder: Path) -> dict[str, list[float]]:
    """All kinds of calls, in turns."""
    clients = ClientCache()
    services = Services(
        secrets=SecretResolver([]), clients=clients, documents=LocalDocuments(folder), files=AllowedFiles([folder])
    )
    handler = JobHandler(call, services)
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    client = httpx.AsyncClient(trust_env=False, timeout=20)
    wsdl = wsdl_for_both(folder)
    zeep = AsyncClient(str(wsdl), transport=AsyncTransport(client=client, wsdl_client=httpx.Client(trust_env=False)))
    zeep.wsdl.services["Orders"].ports["OrdersSoap"].binding_options["address"] = url
    service = zeep.bind("Orders", "OrdersSoap")
    lines = [{"article": f"A{number}", "count": 2, "_value_1": f"line {number}"} for number in range(10)]
    order = {**ORDER, "Lines": {"OrderLine": lines}}
    envelope = etree_to_string(zeep.create_message(service, "PlaceOrder", order=order, express=True))
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{NS}PlaceOrder"'}

    async def bare_aiohttp() -> None:
        async with session.post(url, data=envelope, headers=headers) as response:
            await response.read()

    async def bare_zeep() -> None:
        await service.PlaceOrder(order=order, express=True)

    def ours(variables: dict[str, object], expression: str) -> Callable[[], Awaitable[None]]:
        raw, headers = json.dumps(variables), MappingProxyType({"resultExpression": expression})  # as the gateway's

        async def one() -> None:
            job = Job(1, call.type, raw, headers, deadline=time.monotonic() + 60)
            outcome = await handler(job)
            if not (isinstance(outcome, Complete) and outcome.variables["status"] == "Paid"):
                raise RuntimeError(outcome)

        return one

    kinds: dict[str, Callable[[], Awaitable[None]]] = {"aiohttp POST, bare": bare_aiohttp, "zeep, bare": bare_zeep}
    for name, variables in inputs(url, wsdl).items():
        path = "output" if "operation" in name else "response.Envelope.Body.PlaceOrderResponse"
        kinds[name] = ours(variables, f"={{status: {path}.PlaceOrderResult.Status}}")
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, one in kinds.items():
            found[name].append(await cpu_per_call(one))
    await client.aclose()
    await session.close()
    await clients.aclose()
    return found


def main() -> None:
    """Starts the service and prints one line for each kind of call."""
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE) as service,
    ):
        assert service.stdout
        port = int(service.stdout.readline())
        try:
            found = asyncio.run(measure(f"http://127.0.0.1:{port}/", Path(folder)))
        finally:
            service.terminate()
    print(f"CPU per call, {IN_FLIGHT} in flight, median of {ROUNDS} rounds of {CALLS} [least..most]")
    for name, values in found.items():
        print(f"{name:28}{statistics.median(values):7.0f} µs  [{min(values):.0f}..{max(values):.0f}]")


if __name__ == "__main__":
    asyncio.run(serve()) if "--serve" in sys.argv else main()
