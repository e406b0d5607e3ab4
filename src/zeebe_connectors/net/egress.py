"""Holds what the operator allows on the network: proxies, blocked targets, allowed addresses and size limits.

The names are those of the official runtime, so that its settings keep working.
"""

from __future__ import annotations

import asyncio
import fnmatch
import ipaddress
import os
import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, urlsplit

from zeebe_connectors.sdk.errors import InputError, TransientError

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

RULES = "web.rules"
"""Key under which the runtime keeps its rules."""
_BLOCK = "CAMUNDA_CONNECTOR_HTTP_BLOCK_"
_HOSTS = "CAMUNDA_CONNECTOR_VALIDATION_HOSTS_"
_MAX_BODY = "CONNECTOR_HTTP_CLIENT_MAX_BODY_SIZE"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A forward proxy for one kind of target."""

    url: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class HostRules:
    """Which addresses may be called; everything is allowed unless `enabled`."""

    enabled: bool = False
    allow: Sequence[IpNetwork] = ()
    deny: Sequence[IpNetwork] = ()
    private: bool = False
    """Whether private addresses (RFC 1918, unique local) are allowed."""
    loopback: bool = False
    """Whether this machine's own addresses are allowed."""

    def allows(self, address: IpAddress) -> bool:
        """Whether one resolved address may be called."""
        if not self.enabled:
            return True
        address = getattr(address, "ipv4_mapped", None) or address
        if any(address in network for network in self.allow if network.version == address.version):
            return True
        if address.is_loopback:
            return self.loopback
        if address.is_unspecified or address.is_multicast or address.is_link_local:
            return False
        if any(address in network for network in self.deny if network.version == address.version):
            return False
        if any(address in network for network in _PRIVATE if network.version == address.version):
            return self.private
        return address.is_global


_PRIVATE = [ipaddress.ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")]


@dataclass(frozen=True, slots=True)
class NetworkRules:
    """Proxies, blocked targets and limits, read once from the environment."""

    proxies: Mapping[str, Proxy] = field(default_factory=dict)
    """By the target's scheme."""
    direct: Sequence[str] = ()
    """Host patterns that are called without a proxy."""
    blocked_texts: Sequence[tuple[str, str]] = ()
    blocked_ports: Sequence[tuple[str, int]] = ()
    blocked_patterns: Sequence[tuple[str, re.Pattern[str]]] = ()
    hosts: HostRules = field(default_factory=HostRules)
    max_body: int = 50 * 1024 * 1024
    """Bytes of a response that are read at most, counted after decompression."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Reads the rules.

        Raises:
            InputError: A variable has a value that cannot be used; the message names it.
        """
        env = os.environ if environ is None else environ
        return cls(
            proxies=_proxies(env),
            direct=tuple(_split(env.get("CONNECTOR_HTTP_NON_PROXY_HOSTS", ""), "|")),
            blocked_texts=tuple(_blocks(env, "URL")),
            blocked_ports=tuple(
                (name, _number(port, f"{_BLOCK}PORT", 65535))
                for name, ports in _blocks(env, "PORT")
                for port in _split(ports, ",")
            ),
            blocked_patterns=tuple((name, _pattern(text)) for name, text in _blocks(env, "REGEX")),
            hosts=_host_rules(env),
            max_body=_number(env.get(_MAX_BODY) or str(50 * 1024 * 1024), _MAX_BODY, 2**40),
        )

    def proxy_for(self, scheme: str, host: str) -> Proxy | None:
        """The proxy through which a host is called, or None for directly."""
        proxy = self.proxies.get(scheme)
        if proxy is None or any(fnmatch.fnmatchcase(host.lower(), pattern.lower()) for pattern in self.direct):
            return None
        return proxy

    def check(self, url: str, *, name: str = "url") -> SplitResult:
        """Refuses a URL that the operator blocked; its parts come back.

        Raises:
            InputError: `HOST_FORBIDDEN`.
        """
        parts = urlsplit(url)
        for block, text in self.blocked_texts:
            if text in url:
                raise _blocked(f"{name}: the provided URL is not allowed (Block Name: {block})")
        for block, port in self.blocked_ports:
            if (parts.port or _PORTS.get(parts.scheme)) == port:
                raise _blocked(f"{name}: the provided port is not allowed (Block Name: {block})")
        for block, pattern in self.blocked_patterns:
            if pattern.fullmatch(url):
                raise _blocked(f"{name}: the provided URL is not allowed (Block Name: {block})")
        if self.hosts.enabled and (address := _literal(parts.hostname or "")):
            self.check_addresses([address], name=name)  # a name is checked when it is resolved
        return parts

    def check_addresses(self, addresses: Iterable[IpAddress], *, name: str = "url") -> None:
        """Refuses a host of which any address may not be called.

        Raises:
            InputError: `HOST_FORBIDDEN`.
        """
        if not all(self.hosts.allows(address) for address in addresses):
            raise _blocked(
                f"{name}: the host's address may not be called (host validation is on). Use another host, or ask the "
                f"operator to add the address to {_HOSTS}ALLOWRANGES"
            )

    async def check_name(self, host: str) -> None:
        """Resolves a host that a proxy will call, and refuses it like `check_addresses`.

        Raises:
            TransientError: `408` when the name cannot be resolved here, so that nothing is known about it.
        """
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError:
            raise TransientError(
                "408",
                f"Host validation is on and {host} cannot be resolved here, so it was not called through the proxy",
                variables={"reason": "name-not-resolved"},
            ) from None
        self.check_addresses(ipaddress.ip_address(str(item[4][0]).partition("%")[0]) for item in found)


def _literal(host: str) -> IpAddress | None:
    """The address that a host is written as, also in the short forms that the system's calls take (127.1)."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.ip_address(socket.inet_aton(host))
    except OSError:
        return None


def _blocked(message: str) -> InputError:
    return InputError(message, code="HOST_FORBIDDEN")


def _split(text: str, separator: str) -> list[str]:
    return [item.strip() for item in text.split(separator) if item.strip()]


def _blocks(env: Mapping[str, str], kind: str) -> list[tuple[str, str]]:
    """Block name -> value, of `..._BLOCK_<KIND>` and `..._BLOCK_<KIND>_<name>`."""
    prefix = f"{_BLOCK}{kind}"
    return [
        (key[len(prefix) + 1 :] or "default", value)
        for key, value in env.items()
        if value and (key == prefix or key.startswith(prefix + "_"))
    ]


def _number(text: str, name: str, maximum: int) -> int:
    if not text.strip().isdecimal() or not 1 <= int(text) <= maximum:
        raise InputError(f"{name}: must be a whole number from 1 to {maximum}; the operator sets it in the environment")
    return int(text)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise InputError(f"{_BLOCK}REGEX: is not a regular expression: {error}") from None


def _proxies(env: Mapping[str, str]) -> dict[str, Proxy]:
    proxies = {}
    for scheme in ("http", "https"):
        prefix = f"CONNECTOR_{scheme.upper()}_PROXY_"
        host, port = env.get(prefix + "HOST", "").strip(), env.get(prefix + "PORT", "").strip()
        if host and port:
            own = env.get(prefix + "SCHEME", "").strip() or "http"
            proxies[scheme] = Proxy(
                f"{own}://{host}:{_number(port, prefix + 'PORT', 65535)}",
                env.get(prefix + "USER", ""),
                env.get(prefix + "PASSWORD", ""),
            )
    return proxies


def _host_rules(env: Mapping[str, str]) -> HostRules:
    def flag(name: str) -> bool:
        return env.get(_HOSTS + name, "").strip().lower() == "true"

    return HostRules(
        enabled=flag("ENABLED"),
        allow=_networks(env, "ALLOWRANGES"),
        deny=_networks(env, "DENYRANGES"),
        private=flag("UNSAFEALLOWPRIVATERANGES"),
        loopback=flag("UNSAFEALLOWLOOPBACK"),
    )


def _networks(env: Mapping[str, str], name: str) -> tuple[IpNetwork, ...]:
    try:
        return tuple(ipaddress.ip_network(text, strict=False) for text in _split(env.get(_HOSTS + name, ""), ","))
    except ValueError as error:
        raise InputError(f"{_HOSTS}{name}: {error}; write networks like 10.0.0.0/8, separated by commas") from None
