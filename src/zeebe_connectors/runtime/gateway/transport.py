"""Open the connection to the cluster's gateway: TCP or TLS, through a proxy where the environment names one."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import logging
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from aiohappyeyeballs import AddrInfoType, start_connection

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.net.addresses import unbracketed
from zeebe_connectors.net.tls import from_files
from zeebe_connectors.rpc.channel import Open

logger = logging.getLogger(__name__)

_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
_DIRECT = ("no_grpc_proxy", "no_proxy")
"""Environment variables, the strongest first; gRPC's own libraries read the same."""
_HAPPY_EYEBALLS_SECONDS = 0.25
_STEP_SECONDS = 8.0
"""Time for each step: to reach a host, to get a tunnel from a proxy, to agree on TLS. A command has 10 s for all."""
_UNACKNOWLEDGED_MS = 20_000
"""How long TCP waits for the acknowledgement of what was sent before the connection is lost, as in gRPC's libraries."""
_MAX_PROXY_ANSWER = 16 * 1024
_WITHOUT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
"""OpenSSL's words for an answer that is no TLS; the second one's since 3.2."""


@dataclass(frozen=True, slots=True)
class HttpProxy:
    """A forward proxy that is asked for tunnels.

    Args:
        host: Its name or address.
        port: Its port.
        login: User and password, for its header; empty for none.
    """

    host: str
    port: int
    login: str = field(default="", repr=False)


def opener(settings: ClusterSettings) -> Open:
    """Returns what connects to the gateway of some settings.

    Raises:
        OSError: A certificate's file cannot be read, or is none.
    """
    host, _, port = settings.address.rpartition(":")
    host = unbracketed(host)
    certificates = _Certificates(settings) if settings.secure else None
    name = (unbracketed(_host_of(settings.authority)) if settings.authority else host).rstrip(".")
    proxy = proxy_for(host, os.environ)

    async def connect(
        make: Callable[[], asyncio.Protocol], failures: int
    ) -> tuple[asyncio.BaseTransport, asyncio.Protocol]:
        loop = asyncio.get_running_loop()
        if proxy is None:
            sock = await _socket(host, int(port), failures)
        else:
            sock = await _socket(proxy.host, proxy.port, failures)
            try:
                async with _step(f"the proxy {proxy.host}:{proxy.port}"):
                    await _tunnel(sock, host, int(port), proxy)
            except BaseException:
                sock.close()
                raise
        _set_options(sock)
        if certificates is None:
            return await loop.create_connection(make, sock=sock)
        async with _step(f"TLS with {settings.address}"):
            context = certificates.context()
            transport, protocol = await loop.create_connection(make, sock=sock, ssl=context, server_hostname=name)
        if transport.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            transport.abort()
            raise ConnectionError(f"{settings.address} does not offer HTTP/2 over TLS, which gRPC needs")
        return transport, protocol

    return connect


def _set_options(sock: socket.socket) -> None:
    # Some systems lack an option, or refuse it (macOS, once the other side has ended the connection): it works without.
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)


@contextlib.asynccontextmanager
async def _step(what: str) -> AsyncIterator[None]:
    """Limits a step of the way to the gateway, and names it when it fails."""
    try:
        async with asyncio.timeout(_STEP_SECONDS):
            yield
    except TimeoutError as error:
        reason = str(error) or f"no answer within {_STEP_SECONDS:g} s"
        raise ConnectionError(f"{what}: {reason}") from None
    except ssl.SSLCertVerificationError as error:
        raise ConnectionError(f"{what}: the certificate is not trusted: {error.verify_message}") from None
    except ssl.SSLError as error:
        plain = "the port answers without TLS; write http:// before it" if error.reason in _WITHOUT_TLS else ""
        raise ConnectionError(f"{what}: {plain or error.reason or error}") from None
    except (OSError, ValueError) as error:
        raise ConnectionError(f"{what}: {str(error) or type(error).__name__}") from None


class _Certificates:
    """Keeps the context of TLS, and makes it anew once a file was replaced: some certificates live for a day.

    Raises:
        OSError: A certificate's file cannot be read, or is none.
    """

    def __init__(self, settings: ClusterSettings) -> None:
        self._settings = settings
        self._state = self._files()
        self._context = _tls(settings)

    def context(self) -> ssl.SSLContext:
        """Returns the context with the newest files that can be used."""
        try:
            if (state := self._files()) != self._state:
                self._context = _tls(self._settings)
                self._state = state
        except OSError as error:  # perhaps one of two is not replaced yet
            reason = error.strerror or type(error).__name__
            logger.warning("The certificates for the cluster were replaced but cannot be used (%s)", reason)
        return self._context

    def _files(self) -> tuple[tuple[int, int, int], ...]:
        paths = (self._settings.ca, self._settings.certificate, self._settings.key)
        found = [path.stat() for path in paths if path]
        return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in found)


def _tls(settings: ClusterSettings) -> ssl.SSLContext:
    context = from_files(settings.ca, settings.certificate, settings.key)
    context.set_alpn_protocols(["h2"])
    return context


def _host_of(authority: str) -> str:
    host, separator, port = authority.rpartition(":")
    return host if separator and port.isdigit() and (":" not in host or host.endswith("]")) else authority


async def _addresses(host: str, port: int) -> list[AddrInfoType]:
    """Resolves a name in a thread of its own.

    A resolver may be silent for a minute. The few threads that the event loop has would all wait for it in the end, and
    so would the end of the process.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[AddrInfoType]] = loop.create_future()

    def end(addresses: list[AddrInfoType], error: Exception | None) -> None:
        if found.done():  # nobody waits any more
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)

    def resolve() -> None:
        addresses: list[AddrInfoType] = []
        failure = None
        try:
            addresses = list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            failure = error
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            loop.call_soon_threadsafe(end, addresses, failure)

    threading.Thread(target=resolve, name=f"resolve {host}", daemon=True).start()
    return await found


async def _socket(host: str, port: int, failures: int) -> socket.socket:
    """Returns a connected socket to the first of a host's addresses that answers.

    Args:
        host: Name or address.
        port: Where it listens.
        failures: Attempts that failed before: an address may accept connections and be of no use, so after each
            another one is the first.

    Raises:
        ConnectionError: The name is unknown, or no address answers.
    """
    async with _step(f"{host}:{port}"):
        found = await _addresses(host, port)
        first = failures % len(found)
        return await start_connection(found[first:] + found[:first], happy_eyeballs_delay=_HAPPY_EYEBALLS_SECONDS)


def proxy_for(host: str, environment: Mapping[str, str]) -> HttpProxy | None:
    """Returns the proxy through which a host is reached; None for directly.

    Args:
        host: The gateway's.
        environment: Names the proxy, and the hosts that need none, which include their subdomains.
    """
    source = next((name for name in _PROXIES if environment.get(name)), "")
    if not source:
        return None
    direct = next((environment[name] for name in _DIRECT if environment.get(name)), "")
    if any(_matches(host.lower(), one) for one in direct.lower().replace(" ", "").split(",")):
        return None
    url = environment[source]
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        name, port = unbracketed(parts.hostname or ""), parts.port or 80
    except ValueError:
        name, port = "", 0
    if not name or parts.scheme != "http":
        # As gRPC's libraries do. The URL may hold a password.
        logger.warning("%s in the environment is not http://host:port, so it is not used for the gateway", source)
        return None
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
    return HttpProxy(name, port, login)


def _matches(host: str, pattern: str) -> bool:
    """Returns whether an entry of a `no_proxy` list means a host: a name with its subdomains, a network, or `*`."""
    suffix = pattern.lstrip("*").lstrip(".")
    if pattern == "*" or (suffix and (host == suffix or host.endswith("." + suffix))):
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(unbracketed(pattern), strict=False)
    except ValueError:
        return False


async def _tunnel(sock: socket.socket, host: str, port: int, proxy: HttpProxy) -> None:
    """Asks a proxy for a tunnel to the gateway (RFC 9110, section 9.3.6).

    Raises:
        ConnectionError: It refuses.
    """
    loop = asyncio.get_running_loop()
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.login:
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(proxy.login.encode()).decode()}")
    await loop.sock_sendall(sock, "\r\n".join([*lines, "", ""]).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        # One byte at a time: what follows the answer is the gateway's, which may speak first.
        piece = await loop.sock_recv(sock, 1)
        answer += piece
        if not piece or len(answer) > _MAX_PROXY_ANSWER:
            raise ConnectionError("it ended the connection" if not piece else "its answer has no end")
    words = answer.split(b"\r\n", 1)[0].split(b" ")
    if not words[0].startswith(b"HTTP/1.") or len(words) < 2 or not words[1].isdigit():
        raise ConnectionError("it does not answer in HTTP")
    if not words[1].startswith(b"2"):
        raise ConnectionError(f"it answered {words[1][:3].decode()} instead of a tunnel to {target}")
