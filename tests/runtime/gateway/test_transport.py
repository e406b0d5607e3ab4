"""The way to the gateway: TLS of every kind, addresses that do not answer, proxies; and what errors say of it."""

import asyncio
import base64
import contextlib
import datetime as dt
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import trustme
from tests.servers.http2 import ScriptedServer

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.rpc import channel as channel_module
from zeebe_connectors.rpc.channel import Channel
from zeebe_connectors.rpc.status import RpcError
from zeebe_connectors.runtime.gateway import transport
from zeebe_connectors.runtime.gateway.channel import open_channel
from zeebe_connectors.runtime.gateway.transport import proxy_for

VARIABLES = (*transport._PROXIES, *transport._DIRECT)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """The machine's own proxy is no part of these tests."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def ca(authority, tmp_path):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"


def tls(issued, *, alpn=("h2",)):
    """Returns a server's context with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


async def echo(peer):
    """Answers everything with the authority that was asked for."""
    peer.start()
    while True:
        request = await peer.requests.get()
        peer.answer(request.stream, request.headers[":authority"].encode())


async def ask(settings):
    """Makes a call and returns the answer, or the error's text."""
    channel = open_channel(settings)
    try:
        return (await channel.unary("/x/y", b"", seconds=10.0)).decode()
    except RpcError as error:
        return f"{error.status.name} {error.message}"
    finally:
        await channel.aclose()


async def test_the_certificates_name_is_the_addresss_or_the_authoritys(authority, ca):
    """The authority may have a port; it is also what the server is asked for."""
    async with ScriptedServer(echo, tls=tls(authority.issue_cert("zeebe.internal"))) as server:
        address = f"127.0.0.1:{server.port}"
        for name in ("zeebe.internal", "zeebe.internal:443"):
            assert await ask(ClusterSettings(address=address, secure=True, ca=ca, authority=name)) == name
        found = await ask(ClusterSettings(address=address, secure=True, ca=ca))
        assert found.startswith("UNAVAILABLE")
        assert "not valid for '127.0.0.1'" in found
    async with ScriptedServer(echo, tls=tls(authority.issue_cert("localhost", "127.0.0.1"))) as server:
        for host in ("localhost", "127.0.0.1"):
            address = f"{host}:{server.port}"
            assert await ask(ClusterSettings(address=address, secure=True, ca=ca)) == address


async def test_a_certificate_of_another_authority_or_of_yesterday(authority, ca):
    """The reason is OpenSSL's, in words."""
    yesterday = dt.datetime.now(tz=dt.UTC) - dt.timedelta(days=1)
    old = authority.issue_cert("localhost", not_before=yesterday - dt.timedelta(days=9), not_after=yesterday)
    for issued, reason in ((trustme.CA().issue_cert("localhost"), "unable to get local issuer"), (old, "expired")):
        async with ScriptedServer(echo, tls=tls(issued)) as server:
            found = await ask(ClusterSettings(address=f"localhost:{server.port}", secure=True, ca=ca))
            assert f"TLS with localhost:{server.port}: the certificate is not trusted" in found
            assert reason in found


async def test_authorities_with_comments_in_any_script(authority, ca):
    """As the files of many systems have them."""
    ca.write_bytes("# Főtanúsítvány\n".encode() + b"# \xff\n" + ca.read_bytes())
    async with ScriptedServer(echo, tls=tls(authority.issue_cert("localhost"))) as server:
        address = f"localhost:{server.port}"
        assert await ask(ClusterSettings(address=address, secure=True, ca=ca)) == address


async def test_mutual_tls(authority, ca, tmp_path):
    """With a certificate the server lets us in; without, or with an encrypted key, the error says what is wrong."""
    mine = authority.issue_cert("worker")
    mine.cert_chain_pems[0].write_to_path(tmp_path / "mine.pem")
    mine.private_key_pem.write_to_path(tmp_path / "mine.key")
    context = tls(authority.issue_cert("localhost"))
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    async with ScriptedServer(echo, tls=context) as server:
        address = f"localhost:{server.port}"
        settings = {"address": address, "secure": True, "ca": ca}
        shown = {"certificate": tmp_path / "mine.pem", "key": tmp_path / "mine.key"}
        assert await ask(ClusterSettings(**settings, **shown)) == address
        found = await ask(ClusterSettings(**settings))
        assert found.startswith("UNAVAILABLE failed to connect")


async def test_certificates_that_are_replaced_serve_the_next_connection(ca, authority, tmp_path, caplog, monkeypatch):
    """Theirs may be short lives; while a file is not whole, the ones of before do."""
    monkeypatch.setattr(channel_module, "_MIN_PAUSE", 0.01)
    other = trustme.CA()

    async def once(peer):
        peer.start()
        await peer.echo(1)

    async with (
        ScriptedServer(once, tls=tls(authority.issue_cert("localhost"))) as old,
        ScriptedServer(once, tls=tls(other.issue_cert("localhost"))) as new,
    ):
        connect = transport.opener(ClusterSettings(address=f"localhost:{old.port}", secure=True, ca=ca))
        started, ports = transport.start_connection, [old.port, old.port, new.port]

        async def start(found, **options):
            port = ports.pop(0)
            return await started(
                [(*one[:4], (one[4][0], port)) for one in found if one[0] is socket.AF_INET], **options
            )

        monkeypatch.setattr(transport, "start_connection", start)
        for content in (None, "-----BEGIN CERTIFICATE-----", other.cert_pem.bytes().decode()):
            if content:
                ca.write_text(content)
            channel = Channel(connect, authority="localhost", user_agent="tests", scheme="https")
            assert await channel.unary("/x/y", b"x", seconds=5.0) == b"x"
            await channel.aclose()
    assert caplog.text.count("were replaced but cannot be used") == 1


def test_an_encrypted_key_is_an_error_and_no_question(authority, tmp_path):
    """OpenSSL would ask the terminal, and the runtime would stand still."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - only here

    mine = authority.issue_cert("worker")
    mine.cert_chain_pems[0].write_to_path(tmp_path / "mine.pem")
    key = serialization.load_pem_private_key(mine.private_key_pem.bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"s3cr3t")
    form = serialization.PrivateFormat.PKCS8
    (tmp_path / "mine.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, encryption))
    settings = ClusterSettings(secure=True, certificate=tmp_path / "mine.pem", key=tmp_path / "mine.key")
    with pytest.raises(OSError):
        transport.opener(settings)


@pytest.mark.parametrize("alpn", [(), ("http/1.1",)])
async def test_a_server_without_http2(authority, ca, alpn):
    """Such as an ingress that was not told: the error says what is missing."""
    async with ScriptedServer(echo, tls=tls(authority.issue_cert("localhost"), alpn=alpn)) as server:
        found = await ask(ClusterSettings(address=f"localhost:{server.port}", secure=True, ca=ca))
        assert "does not offer HTTP/2 over TLS" in found


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_versions_of_tls(authority, ca, version):
    """1.2 and 1.3, each alone."""
    context = tls(authority.issue_cert("localhost"))
    context.minimum_version = context.maximum_version = version
    async with ScriptedServer(echo, tls=context) as server:
        address = f"localhost:{server.port}"
        assert await ask(ClusterSettings(address=address, secure=True, ca=ca)) == address


async def test_tls_that_is_wanted_on_one_side_only(authority, ca):
    """Both ways round the error says so."""
    async with ScriptedServer(echo, tls=tls(authority.issue_cert("localhost"))) as server:
        found = await ask(ClusterSettings(address=f"localhost:{server.port}"))
        assert found.startswith("UNAVAILABLE failed to connect")
        assert "write https:// before it" in found
    async with ScriptedServer(echo) as server:
        found = await ask(ClusterSettings(address=f"localhost:{server.port}", secure=True, ca=ca))
        assert f"TLS with localhost:{server.port}: the port answers without TLS; write http:// before it" in found


async def test_a_handshake_that_hangs_has_an_end(monkeypatch, ca):
    """The step and its time are named."""
    monkeypatch.setattr(transport, "_STEP_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        found = await ask(ClusterSettings(address=address, secure=True, ca=ca))
        assert f"TLS with {address}: no answer within 0.2 s" in found


async def test_ipv6():
    """An address in brackets."""
    try:
        async with ScriptedServer(echo, host="::1") as server:
            assert await ask(ClusterSettings(address=f"[::1]:{server.port}")) == f"[::1]:{server.port}"
    except OSError:
        pytest.skip("this machine has no IPv6")


async def test_a_name_that_nobody_knows_and_a_port_where_nobody_is():
    """The error names them."""
    found = await ask(ClusterSettings(address="zeebe.invalid:26500"))
    assert "zeebe.invalid:26500" in found
    found = await ask(ClusterSettings(address="127.0.0.1:1"))
    assert "127.0.0.1:1: " in found
    assert (await ask(ClusterSettings(address=f"{'a' * 70}.example:1"))).startswith("UNAVAILABLE failed to connect")


async def test_a_resolver_that_is_silent_holds_up_nothing_else(monkeypatch):
    """Each attempt begins a lookup; the event loop's few threads are free for others, and for the end."""
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(20))
    monkeypatch.setattr(transport, "_STEP_SECONDS", 0.05)
    monkeypatch.setattr(channel_module, "_MIN_PAUSE", 0.01)
    monkeypatch.setattr(channel_module, "_MAX_PAUSE", 0.01)
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    channel = open_channel(ClusterSettings(address="zeebe.example:26500"))
    for _ in range(3):
        with pytest.raises(RpcError, match=r"zeebe.example:26500: no answer within 0.05 s"):
            await channel.unary("/x/y", b"", seconds=5.0)
        await asyncio.sleep(0.02)
    async with asyncio.timeout(2):
        await asyncio.to_thread(int)
        await channel.aclose()
        await loop.shutdown_default_executor()
    threads = [one for one in threading.enumerate() if one.name == "resolve zeebe.example"]
    assert threads
    assert all(one.daemon for one in threads)
    released.set()
    for one in threads:
        one.join(5)
        assert not one.is_alive()


async def test_options_that_a_system_refuses_are_done_without(monkeypatch):
    """Such as the limit for what is not acknowledged."""

    class Refusing(socket.socket):
        def setsockopt(self, *_):
            raise OSError(92, "Protocol not available")

    async def connected(found, **_):
        sock = Refusing(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, found[0][4])
        return sock

    monkeypatch.setattr(transport, "start_connection", connected)
    async with ScriptedServer(echo) as server:
        address = f"127.0.0.1:{server.port}"
        assert await ask(ClusterSettings(address=address)) == address


def resolve_to(monkeypatch, port):
    """Has each name mean two addresses, whatever the event loop."""
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in ("127.0.0.2", "127.0.0.1")]

    async def addresses(host, port):
        return both

    monkeypatch.setattr(transport, "_addresses", addresses)


async def test_the_first_of_two_addresses_does_not_answer(monkeypatch):
    """The second one is tried a quarter of a second later."""
    with socket.socket() as full:
        full.bind(("127.0.0.2", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = []
        for _ in range(4):  # until the queue is full, so that further ones hang
            one = socket.socket()
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(("127.0.0.2", port))
            fillers.append(one)
        async with ScriptedServer(echo, port=port) as server:
            loop = asyncio.get_running_loop()
            resolve_to(monkeypatch, port)
            began = loop.time()
            assert (await ask(ClusterSettings(address=f"localhost:{port}"))).startswith("localhost")
            assert loop.time() - began < 5.0
            assert len(server.peers) == 1
        for one in fillers:
            one.close()


async def test_the_first_of_two_addresses_is_of_no_use(monkeypatch, authority, ca):
    """It accepts the connection and no more: the next attempt begins with the other address, and stays with it."""
    async with (
        ScriptedServer(echo, tls=tls(authority.issue_cert("localhost"))) as server,
        await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.2", server.port),
    ):
        port = server.port
        resolve_to(monkeypatch, port)
        monkeypatch.setattr(channel_module, "_MIN_PAUSE", 0.01)
        channel = open_channel(ClusterSettings(address=f"localhost:{port}", secure=True, ca=ca))
        with pytest.raises(RpcError):
            await channel.unary("/x/y", b"", seconds=5.0)
        await asyncio.sleep(0.05)
        assert await channel.unary("/x/y", b"", seconds=5.0)
        await channel.aclose()


class Tunnels:
    """A forward proxy that answers CONNECT as told, and then passes bytes on."""

    def __init__(self, answer=b"HTTP/1.1 200 Connection established\r\n\r\n"):
        self.answer = answer
        self.requests = []

    async def handle(self, reader, writer):
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.requests.append(request)
            if self.answer is None:
                await reader.read()
                return
            writer.write(self.answer)
            if b" 200 " not in self.answer:
                return
            _, _, port = request.split()[1].rpartition(":")
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", int(port))
            await asyncio.gather(self.copy(reader, far_writer), self.copy(far_reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def copy(self, reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()


@contextlib.asynccontextmanager
async def proxied(monkeypatch, tunnels, *, variable="https_proxy", login="us%40er:p%2Fss@"):
    """Has the environment name a proxy."""
    server = await asyncio.start_server(tunnels.handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv(variable, f"http://{login}127.0.0.1:{port}")
    try:
        yield port
    finally:
        server.close()


@pytest.mark.parametrize("variable", ["grpc_proxy", "https_proxy", "http_proxy"])
@pytest.mark.parametrize("secure", [False, True])
async def test_a_tunnel_through_a_proxy(monkeypatch, authority, ca, variable, secure):
    """The proxy resolves the gateway's name, and gets the login of its URL."""
    tunnels = Tunnels()
    context = tls(authority.issue_cert("zeebe.example")) if secure else None
    async with ScriptedServer(echo, tls=context) as server, proxied(monkeypatch, tunnels, variable=variable):
        address = f"zeebe.example:{server.port}"
        assert await ask(ClusterSettings(address=address, secure=secure, ca=ca if secure else None)) == address
    (request,) = tunnels.requests
    login = base64.b64encode(b"us@er:p/ss").decode()
    assert request.splitlines()[:3] == [
        f"CONNECT {address} HTTP/1.1",
        f"Host: {address}",
        f"Proxy-Authorization: Basic {login}",
    ]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n", "answered 407"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "answered 502"),
        (b"SSH-2.0-200 200\r\n\r\n", "does not answer in HTTP"),
        (b"HTTP/1.1\r\n\r\n", "does not answer in HTTP"),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", "does not answer in HTTP"),
        (b"", "ended the connection"),
        (b"HTTP/1.1 403 Forbidden\r\n", "ended the connection"),
        (b"x" * 20_000, "no end"),
        (None, "no answer within"),
    ],
)
async def test_a_proxy_that_gives_no_tunnel(monkeypatch, answer, words):
    """Refusing, hanging or answering garbage: the error names the proxy and the reason, never the login."""
    monkeypatch.setattr(transport, "_STEP_SECONDS", 0.3 if answer is None else 10.0)
    async with proxied(monkeypatch, Tunnels(answer)) as port:
        found = await ask(ClusterSettings(address="zeebe.example:26500"))
    assert f"the proxy 127.0.0.1:{port}: " in found
    assert words in found
    assert "p/ss" not in found
    assert "p%2Fss" not in found


async def test_a_proxy_that_is_not_there(monkeypatch):
    """The error names its address."""
    monkeypatch.setenv("https_proxy", "http://user:s3cr3t@127.0.0.1:1")
    found = await ask(ClusterSettings(address="zeebe.example:26500"))
    assert "127.0.0.1:1" in found
    assert "s3cr3t" not in found


@pytest.mark.parametrize(
    ("host", "direct", "is_direct"),
    [
        ("zeebe.example.com", "example.com", True),
        ("zeebe.example.com", ".example.com", True),
        ("zeebe.example.com", "*.example.com", True),
        ("ZEEBE.Example.COM", " other , EXAMPLE.com ", True),
        ("zeebe.example.com", "ample.com", False),
        ("zeebe.example.com", "zeebe.example.com.org", False),
        ("zeebe.example.com", "*", True),
        ("zeebe.example.com", "", False),
        ("zeebe.example.com", ",,", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("fd00::1", "fd00::/8", True),
        ("fd00::1", "[fd00::1]", True),
        ("zeebe.example.com", "10.0.0.0/8,nonsense/99", False),
    ],
)
def test_hosts_that_need_no_proxy(host, direct, is_direct):
    """Names with their subdomains, networks, all."""
    found = proxy_for(host, {"https_proxy": "http://proxy:3128", "no_proxy": direct})
    assert (found is None) is is_direct


def test_the_strongest_variable_counts():
    """That of gRPC before the others, in both lists."""
    environment = {"grpc_proxy": "http://a:1", "https_proxy": "http://b:2", "http_proxy": "http://c:3"}
    assert proxy_for("x.y", environment).host == "a"
    assert proxy_for("x.y", {**environment, "grpc_proxy": ""}).port == 2
    assert proxy_for("x.y", {"http_proxy": "proxy.example"}).port == 80
    assert proxy_for("x.y", {**environment, "no_grpc_proxy": "z", "no_proxy": "x.y"}).host == "a"


@pytest.mark.parametrize(
    "url",
    ["https://user:s3cr3t@proxy:443", "socks5://proxy:1080", "http://user:s3cr/3t@proxy:3128", "http://", "http://["],
)
def test_a_proxy_that_cannot_be_used_is_logged_without_its_password(caplog, url):
    """The gateway is reached directly, as by gRPC's own libraries."""
    assert proxy_for("zeebe.example", {"https_proxy": url}) is None
    assert "https_proxy" in caplog.text
    assert "s3cr" not in caplog.text
    assert "s3cr3t" not in repr(proxy_for("zeebe.example", {"https_proxy": "http://user:s3cr3t@proxy:1"}))


async def test_each_call_has_an_error_of_its_own(monkeypatch):
    """One that calls shared would gather the tracebacks of all."""
    monkeypatch.setattr(channel_module, "_MIN_PAUSE", 5.0)
    channel = open_channel(ClusterSettings(address="127.0.0.1:1"))
    errors = []
    for _ in range(2):
        with pytest.raises(RpcError) as caught:
            await channel.unary("/x/y", b"", seconds=1.0)
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    assert errors[0].message == errors[1].message
    await channel.aclose()
