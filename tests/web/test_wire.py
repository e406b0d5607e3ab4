"""What goes over a connection, and what becomes of the connection afterwards."""

import asyncio
import contextlib
import time

import pytest

from zeebe_connectors import ConnectorError, InputError, PermanentError
from zeebe_connectors.net.egress import RULES, NetworkRules
from zeebe_connectors.net.proxies import Proxies, Proxy
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.web import Call, Exchange, HttpRequest, client, wire

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
FOREIGN = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nforeign"


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
@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nb", "a\rb", "a\0b", "a\x01b", "a\x1bb", "a\x7fb"])
async def test_a_header_cannot_begin_another(send, name, value):
    async with Server(_answers) as server:
        with pytest.raises(ValueError, match="line break"):
            await send("GET", server.url, **{name: value})
        assert server.heads == []


@pytest.mark.parametrize("method", ["GET /other", "GET\r\nX-Other: b", "G\tT", "G\0T", "GÉT", ""])
async def test_a_method_is_a_word(send, method):
    async with Server(_answers) as server:
        with pytest.raises(ValueError, match="method"):
            await send(method, server.url)
        assert server.connections == 0


async def test_a_method_in_lower_case(send):
    """It is sent in upper case, and means the same: no body, so no length."""
    async with Server(_answers) as server:
        await send("get", server.url)
        assert server.heads[0].startswith("GET / HTTP/1.1\r\n")
        assert "Content-Length" not in server.heads[0]


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http:///path", "http://:80/", "127.0.0.1:80/", "//127.0.0.1/"])
async def test_an_address_of_something_else(send, url):
    with pytest.raises(InputError, match="url: "):
        await send("GET", url)


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


async def refused_on_connections_of_their_own(send):
    """Has two large requests refused before they are sent whole."""

    async def refuses(server, number, reader, writer):
        await server.head(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.sleep(1)

    async with Server(refuses) as server:
        for connections in (1, 2):
            assert (await send("POST", server.url, bytes(30_000_000))).status == 413
            assert server.connections == connections


async def test_an_answer_before_the_end_of_the_request(send):
    """The answer counts, and the connection is not used again: the rest of the request would stand before the next."""
    await refused_on_connections_of_their_own(send)


async def test_an_answer_that_ends_with_its_connection(send):
    """Also where it comes before the end of the request, of which the rest cannot be sent then."""

    async def refuses(server, number, reader, writer):
        await server.head(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\n\r\nbody")
        writer.write_eof()
        while await reader.read(65536):
            pass

    async with Server(refuses) as server:
        for _ in range(10):
            response = await send("POST", server.url, bytes(3_000_000))
            assert (response.status, response.body) == (413, b"body")


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


@pytest.mark.parametrize(
    "answer", [ANSWER, b"HTTP/1.1 304 Same\r\nContent-Length: 7\r\n\r\n", b"HTTP/1.1 101 Other\r\n\r\n"]
)
@pytest.mark.parametrize("later", [FOREIGN, b"HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n", FOREIGN[:20], b"\n"])
async def test_what_comes_after_a_response_answers_no_request(send, answer, later):
    """Otherwise one job would receive what belongs to another, or what the service says as it hangs up."""

    async def talks(server, number, reader, writer):
        await server.head(reader)
        writer.write(answer if number == 1 else ANSWER)
        await asyncio.sleep(0.05)
        if number == 1:
            writer.write(later)
        await server.head(reader)

    async with Server(talks) as server:
        with contextlib.suppress(ConnectorError):
            await send("POST", server.url)
        await asyncio.sleep(0.15)
        assert (await send("POST", server.url)).body == b"fine"
        assert server.connections == 2


async def test_another_protocol_ends_the_connection(send):
    """After a 101, nothing on this connection is HTTP any more."""

    async def switches(server, number, reader, writer):
        while True:
            await server.head(reader)
            writer.write(b"HTTP/1.1 101 Other\r\n\r\n" if number == 1 else ANSWER)

    async with Server(switches) as server:
        with pytest.raises(ConnectorError, match="101"):
            await send("POST", server.url)
        assert (await send("POST", server.url)).body == b"fine"
        assert server.connections == 2


@pytest.mark.parametrize("interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n"])
async def test_silence_after_an_interim_answer(send, interim):
    """It counts as silence, as before one."""

    async def stalls(server, number, reader, writer):
        await server.head(reader)
        writer.write(interim)
        await reader.read()

    async with Server(stalls) as server:
        with pytest.raises(ConnectorError) as raised:
            await send("POST", server.url, b"body")
        assert raised.value.variables["reason"] == "read-timeout"


async def test_a_surplus_after_an_interim_answer(send):
    async def interim(server, number, reader, writer):
        await server.head(reader)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 204 None\r\nContent-Length: 4\r\n\r\nbody")
        await reader.read()

    async with Server(interim) as server:
        assert (await send("POST", server.url)).status == 204


async def test_interim_answers_without_an_end(send):
    async def endless(server, number, reader, writer):
        await server.head(reader)
        while True:
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </" + b"a" * 1000 + b">\r\n\r\n")
            await writer.drain()

    async with Server(endless) as server:
        with pytest.raises(PermanentError) as raised:
            await send("GET", server.url)
        assert raised.value.code == "RESPONSE_TOO_LARGE"


async def test_a_body_that_becomes_unreadable(send):
    """The reader of the body is told at once, and not when the job's time is over."""

    async def breaks(server, number, reader, writer):
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"no size\r\n")
        await reader.read()

    async with Server(breaks) as server:
        began = time.monotonic()
        with pytest.raises(ConnectorError) as raised:
            await send("GET", server.url)
        assert raised.value.variables["reason"] == "protocol"
        assert time.monotonic() - began < 3


async def test_nothing_of_a_bad_answer_is_quoted(send):
    async def long_reason(server, number, reader, writer):
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 " + b"quoted" * 20_000 + b"\r\n\r\n")
        await reader.read()

    async with Server(long_reason) as server:
        with pytest.raises(ConnectorError) as raised:
            await send("GET", server.url)
        assert raised.value.variables["reason"] == "protocol"
        assert "quoted" not in raised.value.message


async def test_a_request_that_waits_in_the_buffer(send, monkeypatch):
    """Its connection is not used again: the next request would wait behind it."""
    monkeypatch.setattr(wire, "_AT_ONCE", 10**9)

    await refused_on_connections_of_their_own(send)


async def test_a_client_that_closes_ends_its_requests(monkeypatch):
    """Those that take longer than a client may take for closing, wherever they are."""
    monkeypatch.setattr(client, "_CLOSING", 0.1)

    async def stalls(server, number, reader, writer):
        await server.head(reader)
        if "/body" in server.heads[-1]:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nf")
        await reader.read()

    async with Server(stalls) as server:
        cache = ClientCache()
        call = Call(cache, time.monotonic() + 10)
        running = [
            asyncio.create_task(Exchange(call, read=0).call(HttpRequest("POST", server.url + path)))
            for path in ("head", "body")
        ]
        await asyncio.sleep(0.2)
        await cache.aclose()
        done, _ = await asyncio.wait(running, timeout=2)
        assert [task.exception().variables["reason"] for task in running if task in done] == ["disconnected"] * 2


async def test_requests_through_a_proxy_with_a_login_share_a_connection():
    async with Server(_answers) as proxy:
        cache = ClientCache()
        rules = NetworkRules(proxies=Proxies.only(Proxy(proxy.url.rstrip("/"), "user", "password")))

        async def opened():
            return rules

        await cache.get(RULES, opened)
        call = Call(cache, time.monotonic() + 10)
        for _ in range(3):
            await Exchange(call).call(HttpRequest("GET", "http://target.invalid/"))
        assert proxy.connections == 1
        with pytest.raises(ConnectorError):  # the proxy speaks no TLS behind its tunnel
            await Exchange(call, connect=0.5).call(HttpRequest("GET", "https://target.invalid/"))
        tunnel = proxy.heads[-1]
        assert tunnel.startswith("CONNECT target.invalid:443 HTTP/1.1\r\nHost: target.invalid\r\n")
        assert "User-Agent: zeebe-connectors/" in tunnel
        assert "Proxy-Authorization: Basic dXNlcjpwYXNzd29yZA==\r\n" in tunnel
        await cache.aclose()


async def test_no_timeout_runs_after_a_response(send):
    """Reading this one pauses the connection and goes on; what is kept afterwards waits for nothing."""

    async def chunks(server, number, reader, writer):
        while True:
            await server.head(reader)
            writer.write(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
            )

    async with Server(chunks) as server:
        for _ in range(3):
            assert len((await send("POST", server.url)).body) == 100_000
            await asyncio.sleep(0.6)
        assert server.connections == 1
