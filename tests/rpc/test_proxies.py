"""Real proxies between our client and our server: no call is lost, whatever they limit and end."""

import asyncio
import shutil
from collections import Counter

import pytest
import trustme
from tests.rpc.channels import status_of

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.rpc.channel import Channel
from zeebe_connectors.rpc.server import Method, Server
from zeebe_connectors.rpc.status import Status
from zeebe_connectors.runtime.gateway import transport
from zeebe_connectors.runtime.gateway.channel import open_channel

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  keepalive_requests 100; http2_max_concurrent_streams 4; client_max_body_size 1m;
  upstream engine {{ server 127.0.0.1:{engine}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    location / {{ grpc_pass grpc://engine; }}
    location /page {{ return 503 "<html>away</html>"; }}
  }}
}}
"""
HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend clients
  bind 127.0.0.1:{port} ssl crt {folder}/both.pem alpn h2
  default_backend engine
  http-request return status 503 content-type text/html string away if {{ path_beg /page }}
backend engine
  server engine 127.0.0.1:{engine} proto h2
"""


class Text(bytes):
    """A message that is its own text."""

    def SerializeToString(self):  # noqa: N802 - protobuf's name
        return bytes(self)


@pytest.fixture(params=["nginx", "haproxy"])
async def address(request, tmp_path, unused_tcp_port, monkeypatch):
    """A proxy in front of a server that echoes; the server counts what it handles."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    for name in (*transport._PROXIES, *transport._DIRECT):
        monkeypatch.delenv(name, raising=False)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")

    async def echo(message):
        handled[message] += 1
        return Text(message)

    async def repeat(message):
        handled[message] += 1
        for _ in range(20):
            await asyncio.sleep(0.005)
            yield Text(message)

    server = Server({"/t/Echo": Method(echo, Text), "/t/Repeat": Method(repeat, Text, streams=True)}, limit=8 << 20)
    handled = server.handled = Counter()
    server.proxy = request.param
    engine = await server.listen("127.0.0.1", 0)
    text = NGINX if request.param == "nginx" else HAPROXY
    (tmp_path / "conf").write_text(text.format(folder=tmp_path, engine=engine, port=unused_tcp_port))
    options = {"nginx": ["-e", f"{tmp_path}/error.log", "-c"], "haproxy": ["-f"]}[request.param]
    process = await asyncio.create_subprocess_exec(request.param, *options, str(tmp_path / "conf"))
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
                    writer.close()
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        yield server, ClusterSettings(address=f"localhost:{unused_tcp_port}", secure=True, ca=tmp_path / "ca.pem")
    finally:
        process.terminate()
        await process.wait()
        await server.stop()


async def test_no_call_is_lost(address, monkeypatch):
    """A thousand calls, a fifth of them streams, on connections that end every hundred: each is handled once."""
    server, settings = address
    made = []
    ready = Channel._ready

    async def counting(self):
        made.append(self)
        return await ready(self)

    monkeypatch.setattr(Channel, "_ready", counting)
    channel = open_channel(settings)
    numbers = iter(range(1000))

    async def caller():
        for number in numbers:
            message = b"%d," % number * (5000 if number % 50 == 0 else 1 + number % 30)
            if number % 5:
                assert await channel.unary("/t/Echo", message, seconds=30.0) == message
            else:
                answers = await channel.stream("/t/Repeat", message, seconds=30.0)
                assert [await answers.read() for _ in range(21)] == [message] * 20 + [None]

    await asyncio.gather(*(caller() for _ in range(16)))
    await channel.aclose()
    assert len(server.handled) == 1000
    assert set(server.handled.values()) == {1}
    assert len(made) >= (8 if server.proxy == "nginx" else 1)


async def test_what_a_proxy_answers_itself(address):
    """Its page, and a gateway behind it that is gone."""
    server, settings = address
    channel = open_channel(settings)
    assert (await status_of(channel.unary("/page", b"", seconds=5.0)))[0] is Status.UNAVAILABLE
    await server.stop()
    found, text = await status_of(channel.unary("/t/Echo", b"", seconds=5.0))
    assert found is Status.UNAVAILABLE
    assert "HTTP 50" in text
    await channel.aclose()
