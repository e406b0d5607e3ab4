"""Open the connection to the cluster's gateway: TCP or TLS, through a proxy where the environment names one."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, unquote, urlsplit

from aiohappyeyeballs import start_connection

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.net.addresses import unbracketed
from zeebe_connectors.rpc.channel import Open

_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
_DIRECT = ("no_grpc_proxy", "no_proxy")
"""Environment variables, the strongest first; gRPC's own libraries read the same."""
_HAPPY_EYEBALLS_SECONDS = 0.25
_MAX_PROXY_ANSWER = 16 * 1024


def opener(settings: ClusterSettings) -> Open:
    """Returns what connects to the gateway of some settings.

    Raises:
        OSError: A certificate's file cannot be read, or is none.
    """
    host, _, port = settings.address.rpartition(":")
    host = unbracketed(host)
    context = _tls(settings) if settings.secure else None
    name = unbracketed(_host_of(settings.authority)) if settings.authority else host
    proxy = proxy_for(host, os.environ)

    async def connect(make: Callable[[], asyncio.Protocol]) -> tuple[asyncio.BaseTransport, asyncio.Protocol]:
        loop = asyncio.get_running_loop()
        if proxy is None:
            sock = await _socket(host, int(port))
        else:
            sock = await _socket(unbracketed(proxy.hostname or ""), proxy.port or 80)
            try:
                await _tunnel(sock, host, int(port), proxy)
            except BaseException:
                sock.close()
                raise
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is None:
            return await loop.create_connection(make, sock=sock)
        transport, protocol = await loop.create_connection(make, sock=sock, ssl=context, server_hostname=name)
        if transport.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            transport.abort()
            raise ConnectionError(f"{settings.address} does not offer HTTP/2 over TLS, which gRPC needs")
        return transport, protocol

    return connect


def _tls(settings: ClusterSettings) -> ssl.SSLContext:
    # Not `create_default_context`, which from Python 3.13 on refuses what many an internal authority has issued.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    if settings.ca:
        context.load_verify_locations(cadata=settings.ca.read_text(encoding="utf-8", errors="replace"))
    else:
        context.load_default_certs()
    if settings.certificate:
        context.load_cert_chain(settings.certificate, settings.key)
    return context


def _host_of(authority: str) -> str:
    host, separator, port = authority.rpartition(":")
    return host if separator and port.isdigit() and (":" not in host or host.endswith("]")) else authority


async def _socket(host: str, port: int) -> socket.socket:
    """Returns a connected socket to the first of a host's addresses that answers.

    Raises:
        OSError: The name is unknown, or no address answers.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return await start_connection(found, happy_eyeballs_delay=_HAPPY_EYEBALLS_SECONDS)


def proxy_for(host: str, environment: Mapping[str, str]) -> SplitResult | None:
    """Returns the proxy through which a host is reached; None for directly.

    Args:
        host: The gateway's.
        environment: Names the proxy, and the hosts that need none, which include their subdomains.
    """
    url = next((environment[name] for name in _PROXIES if environment.get(name)), "")
    if not url:
        return None
    direct = next((environment[name] for name in _DIRECT if environment.get(name)), "")
    for one in direct.replace(" ", "").lower().split(","):
        suffix = one.lstrip("*").lstrip(".")
        if one == "*" or (suffix and (host.lower() == suffix or host.lower().endswith("." + suffix))):
            return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    return parts if parts.scheme == "http" and parts.hostname else None


async def _tunnel(sock: socket.socket, host: str, port: int, proxy: SplitResult) -> None:
    """Asks a proxy for a tunnel to the gateway (RFC 9110, section 9.3.6).

    Raises:
        ConnectionError: It refuses.
    """
    loop = asyncio.get_running_loop()
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.username:
        login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}")
    await loop.sock_sendall(sock, "\r\n".join([*lines, "", ""]).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        # One byte at a time: what follows the answer is the gateway's, which may speak first.
        piece = await loop.sock_recv(sock, 1)
        answer += piece
        if not piece or len(answer) > _MAX_PROXY_ANSWER:
            raise ConnectionError(f"the proxy {proxy.hostname} ended the connection")
    status = answer.split(b"\r\n", 1)[0].split(b" ")
    if len(status) < 2 or not status[1].startswith(b"2"):
        code = status[1][:3].decode("ascii", "replace") if len(status) > 1 else "nothing that HTTP knows"
        raise ConnectionError(f"the proxy {proxy.hostname} answered {code} instead of a tunnel to {target}")
