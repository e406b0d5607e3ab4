"""The shared client: who may use it, and what happens when it goes."""

import asyncio
import time

import pytest

from zeebe_connectors import Secret
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.testing.servers import HttpServer, Reply
from zeebe_connectors.web import ClientTls, Exchange, HttpClient, HttpRequest


class Call:
    """A piece of work with ten seconds."""

    def __init__(self, cache):
        self.clients, self.deadline = cache, time.monotonic() + 10

    def seconds_left(self):
        return max(0.0, self.deadline - time.monotonic())


@pytest.fixture
async def server():
    async with HttpServer() as running:
        running.answer("*", Reply(200, b"fine"))
        yield running


async def test_one_client_for_the_same_settings():
    """Jobs with the same TLS settings share a client, those with others have their own."""
    cache = ClientCache()
    one = ClientTls(client_certificate="a", client_private_key=Secret("b"))
    same = ClientTls(client_certificate="a", client_private_key=Secret("b"))
    other = ClientTls(client_certificate="a", client_private_key=Secret("c"))
    clients = [await HttpClient.shared(cache, tls) for tls in (one, same, other, ClientTls(), ClientTls())]
    assert clients[0] is clients[1]
    assert clients[3] is clients[4]
    assert len({id(client) for client in clients}) == 3
    await cache.aclose()


async def test_client_pushed_out_while_in_use(server):
    """A client that others push out of the kept ones lets its running request end first."""
    cache = ClientCache(max_clients=3)
    arrived, answered = asyncio.Event(), asyncio.Event()

    async def slow(seen):
        arrived.set()
        await answered.wait()
        return Reply(200, b"late but whole")

    server.answer("/slow", slow)
    running = asyncio.create_task(Exchange(Call(cache)).call(HttpRequest("GET", server.url("/slow"))))
    await arrived.wait()
    for number in range(5):
        await cache.get(f"other {number}", object)
    await asyncio.sleep(0.05)
    answered.set()
    assert (await running).body == b"late but whole"
    await cache.aclose()


async def test_requests_in_parallel(server):
    """A hundred requests at once have their own answers, and leave connections for later ones."""
    server.answer("*", lambda seen: Reply(200, seen.target.encode()))
    call = Call(ClientCache())
    requests = [HttpRequest("GET", server.url(f"/{number}")) for number in range(100)]
    responses = await asyncio.gather(*(Exchange(call).call(request) for request in requests))
    assert [response.body for response in responses] == [f"/{number}".encode() for number in range(100)]
    before = server.connections
    await Exchange(call).call(requests[0])
    assert server.connections == before
    await call.clients.aclose()


async def test_connection_that_the_server_closed(server):
    """A kept connection that the server closed meanwhile is replaced without a failure."""
    server.answer("*", Reply(200, b"", [("Connection", "close")]))
    call = Call(ClientCache())
    for _ in range(3):
        assert (await Exchange(call).call(HttpRequest("POST", server.url("/"), body=b"x"))).status == 200
    assert server.connections == 3
    await call.clients.aclose()


async def test_cancelled_request(server):
    """A request that is cancelled leaves the client usable, and its connection is not used again."""
    arrived = asyncio.Event()

    async def hang(seen, reader, writer):
        arrived.set()
        await reader.read()

    server.script("/hang", hang)
    call = Call(ClientCache())
    running = asyncio.create_task(Exchange(call).call(HttpRequest("GET", server.url("/hang"))))
    await arrived.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await Exchange(call).call(HttpRequest("GET", server.url("/")))).body == b"fine"
    await call.clients.aclose()


async def test_a_large_body_goes_out_in_pieces(server):
    """It arrives whole, again when the request is repeated, and other work goes on while it is sent."""
    body = bytes(range(256)) * 20_000
    cache = ClientCache()
    request = HttpRequest("POST", server.url("/"), body=body)
    for _ in range(2):
        await Exchange(Call(cache)).call(request)
        assert server.last.body == body
        assert server.last.header("Content-Length") == str(len(body))
    await cache.aclose()
