"""What goes over a connection, and what becomes of the connection afterwards."""

import asyncio
import contextlib
import time

import pytest

from zeebe_connectors import ConnectorError
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.web import Call, Exchange, HttpRequest

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"


class Server:
    """Hands each connection to a function, and counts them."""

    def __init__(self, serve):
        self._serve = serve
        self.connections = 0
        self.heads = []
        self._tasks = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._connected, "127.0.0.1")
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def head(self, reader):
        """Reads the head of a request."""
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())

    async def _connected(self, reader, writer):
        self.connections += 1
        self._tasks.append(asyncio.current_task())
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._serve(self, self.connections, reader, writer)
        finally:
            writer.transport.abort()


@pytest.fixture
async def send():
    cache = ClientCache()

    async def sent(method, url, body=None, **headers):
        request = HttpRequest(method, url, body=body)
        request.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        return await Exchange(Call(cache, time.monotonic() + 10), read=0.5).call(request)

    yield sent
    await cache.aclose()


async def _answers(server, number, reader, writer):
    """Answers requests without a body, one after the other."""
    while True:
        await server.head(reader)
        writer.write(ANSWER)


async def _forgets(server, number, reader, writer):
    """Closes the first connection when its second request comes."""
    await server.head(reader)
    writer.write(ANSWER)
    await server.head(reader)
    if number > 1:
        writer.write(ANSWER)


@pytest.mark.parametrize("name", ["X-Own", "Host"])
@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nb", "a\rb", "a\0b"])
async def test_a_header_cannot_begin_another(send, name, value):
    async with Server(_answers) as server:
        with pytest.raises(ValueError, match="line break"):
            await send("GET", server.url, **{name: value})
        assert server.heads == []


async def test_one_host_and_one_length(send):
    """Whatever a connector sets: the last host that it names, and the length that the body has."""
    async with Server(_answers) as server:
        await send("GET", server.url, Host="other.example", Content_Length="9", Transfer_Encoding="chunked")
        lines = server.heads[0].lower().split("\r\n")
        assert [line for line in lines if line.startswith("host:")] == ["host: other.example"]
        assert not [line for line in lines if line.startswith(("content-length:", "transfer-encoding:"))]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_no_body_has_the_length_zero(send, method):
    async with Server(_answers) as server:
        await send(method, server.url)
        assert "Content-Length: 0\r\n" in server.heads[0]


async def test_a_kept_connection_that_closes_is_replaced_once(send):
    """Where a second request does no harm; otherwise nobody knows whether the first was carried out."""
    async with Server(_forgets) as server:
        await send("POST", server.url)
        with pytest.raises(ConnectorError) as raised:
            await send("POST", server.url)
        assert raised.value.variables["reason"] == "disconnected"
        assert server.connections == 1
    async with Server(_forgets) as server:
        await send("GET", server.url)
        assert (await send("GET", server.url)).body == b"fine"
        assert server.connections == 2


async def test_an_answer_before_the_end_of_the_request(send):
    """The answer counts, and the connection is not used again: the rest of the request would stand before the next."""

    async def refuses(server, number, reader, writer):
        await server.head(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.sleep(1)

    async with Server(refuses) as server:
        for connections in (1, 2):
            assert (await send("POST", server.url, bytes(30_000_000))).status == 413
            assert server.connections == connections


async def test_silence_begins_after_the_request(send):
    """A service that reads slowly is not silent; one that does not answer is, whatever the size of the request."""

    async def slow(server, number, reader, writer):
        while True:
            await server.head(reader)
            await asyncio.sleep(0.8)
            await reader.readexactly(20_000_000)
            if len(server.heads) == 1:
                writer.write(ANSWER)

    async with Server(slow) as server:
        assert (await send("POST", server.url, bytes(20_000_000))).body == b"fine"
        with pytest.raises(ConnectorError) as raised:
            await send("POST", server.url, bytes(20_000_000))
        assert raised.value.variables["reason"] == "read-timeout"


async def test_a_service_that_says_to_go_on(send):
    """An interim answer is none, whether it was requested or not."""

    async def interim(server, number, reader, writer):
        await server.head(reader)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ANSWER)
        await reader.read()

    async with Server(interim) as server:
        assert (await send("POST", server.url, b"body", Expect="100-continue")).body == b"fine"
