"""Hold what the operator allows on the network: blocked targets, allowed addresses and size limits.

One policy covers HTTP, mail, files, databases and every other protocol. It applies to the requested target, to the
addresses of its name, and to each redirect. The names of the settings are the official runtime's.
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
from functools import lru_cache
from typing import Self
from urllib.parse import SplitResult, urlsplit

from zeebe_connectors.net.addresses import (
    METADATA,
    METADATA_NAMES,
    HostRules,
    IpAddress,
    IpNetwork,
    literal,
    may_be_metadata,
    plain_host,
)
from zeebe_connectors.net.proxies import Proxies
from zeebe_connectors.net.setting_values import whole_number
from zeebe_connectors.sdk.errors import InputError, TransientError
from zeebe_connectors.sdk.text import items_of

__all__ = ["RULES", "HostRules", "NetworkRules", "Reach"]

RULES = "web.rules"
"""Key under which the runtime keeps its rules."""
_BLOCK = "CAMUNDA_CONNECTOR_HTTP_BLOCK_"
_HOSTS = "CAMUNDA_CONNECTOR_VALIDATION_HOSTS_"
_MAX_BODY = "CONNECTOR_HTTP_CLIENT_MAX_BODY_SIZE"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Reach:
    """Restricts one system to these targets; an empty part restricts nothing.

    It narrows the operator's general rules and never widens them.
    """

    hosts: tuple[str, ...] = ()
    """Host names, `*` as a wildcard."""
    ports: tuple[int, ...] = ()
    networks: tuple[IpNetwork, ...] = ()
    """Every address to which a name resolves must be in one of these."""

    def check(self, host: str, port: int | None, *, name: str) -> None:
        """Refuses a host or port outside these targets.

        Raises:
            InputError: `HOST_FORBIDDEN`.
        """
        if self.hosts and not any(fnmatch.fnmatchcase(plain_host(host), pattern.casefold()) for pattern in self.hosts):
            raise _beyond(name, "this host", f"hosts ({', '.join(self.hosts)})")
        if self.ports and port not in self.ports:
            raise _beyond(name, f"the port {port}", f"ports ({', '.join(map(str, self.ports))})")

    def check_address(self, address: IpAddress, *, name: str) -> None:
        """Refuses an address in none of the networks.

        Raises:
            InputError: `HOST_FORBIDDEN`.
        """
        plain: IpAddress = getattr(address, "ipv4_mapped", None) or address
        if self.networks and not any(plain in one for one in self.networks if one.version == plain.version):
            raise _beyond(name, "the address of this host", f"networks ({', '.join(map(str, self.networks))})")


def _beyond(name: str, what: str, where: str) -> InputError:
    return _blocked(f"{name}: {what} is not among the provider's {where}; the operator can add it to its egress")


@dataclass(frozen=True, slots=True)
class NetworkRules:
    """Proxies, blocked targets and limits, read once from the environment."""

    proxies: Proxies = field(default_factory=Proxies)
    blocked_texts: Sequence[tuple[str, str]] = ()
    blocked_ports: Sequence[tuple[str, int]] = ()
    blocked_patterns: Sequence[tuple[str, re.Pattern[str]]] = ()
    hosts: HostRules = field(default_factory=HostRules)
    max_body: int = 50 * 1024 * 1024
    """Maximum bytes of a response, counted after decompression."""
    reach: Reach = field(default_factory=Reach)
    """Restricts one system's targets further."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Reads the rules.

        Raises:
            InputError: A variable has an unusable value; the message names it.
        """
        env = os.environ if environ is None else environ
        return cls(
            proxies=Proxies.from_environment(env),
            blocked_texts=tuple(_blocks(env, "URL")),
            blocked_ports=tuple(
                (name, whole_number(port, f"{_BLOCK}PORT", 65535))
                for name, ports in _blocks(env, "PORT")
                for port in items_of(ports)
            ),
            blocked_patterns=tuple((name, _pattern(text)) for name, text in _blocks(env, "REGEX")),
            hosts=_host_rules(env),
            max_body=whole_number(env.get(_MAX_BODY) or str(50 * 1024 * 1024), _MAX_BODY, 2**40),
        )

    def check(self, url: str, *, name: str = "url") -> SplitResult:
        """Refuses a URL that the operator blocked; returns its parts.

        Raises:
            InputError: `HOST_FORBIDDEN`.
        """
        parts, host, port = target_of(url)
        self.reach.check(host, port, name=name)
        if self._blocks:
            self._check_blocks(_spellings(parts.scheme, host, port, _tail(parts), url), port, name)
        self._check_literal(host, name)  # a name is checked when it is resolved
        return parts

    def _check_literal(self, host: str, name: str) -> None:
        """Refuses a host that is written as an address which may not be called."""
        if self.hosts.enabled or self.reach.networks or may_be_metadata(host):
            address = literal(host)
            if address is not None:
                self.check_addresses([address], name=name)

    def check_host(self, host: str, port: int, *, name: str = "host") -> None:
        """Refuses a host and port of any other protocol; blocked URLs are applied by their hosts.

        Raises:
            InputError: `HOST_FORBIDDEN`.
        """
        self.reach.check(host, port, name=name)
        if self._blocks:
            spellings = {
                one
                for scheme in ("tcp", "http", "https")
                for tail in ("", "/")
                for given in (port, None)  # blocking a host's pages means blocking the host
                for one in _spellings(scheme, host, given, tail, "")
            }
            self._check_blocks({*spellings, plain_host(host)}, port, name)
        self._check_literal(host, name)

    @property
    def _blocks(self) -> bool:
        return bool(self.blocked_texts or self.blocked_ports or self.blocked_patterns)

    def _check_blocks(self, spellings: Iterable[str], port: int | None, name: str) -> None:
        small = [spelling.casefold() for spelling in spellings]
        for block, text in self.blocked_texts:
            if any(text in spelling for spelling in spellings) or any(
                one in spelling for one in _texts(text) for spelling in small
            ):
                raise _blocked(f"{name}: the provided URL is not allowed (Block Name: {block})")
        for block, blocked in self.blocked_ports:
            if port == blocked:
                raise _blocked(f"{name}: the provided port is not allowed (Block Name: {block})")
        for block, pattern in self.blocked_patterns:
            if any(pattern.fullmatch(spelling) for spelling in (*spellings, *small)):
                raise _blocked(f"{name}: the provided URL is not allowed (Block Name: {block})")

    def check_addresses(self, addresses: Iterable[IpAddress], *, name: str = "url") -> None:
        """Refuses a host if any of its addresses may not be called.

        Raises:
            InputError: `HOST_FORBIDDEN`.
        """
        for address in addresses:
            self.reach.check_address(address, name=name)
            if self.hosts.is_metadata(address):
                raise _metadata(name)
            if not self.hosts.allows(address):
                raise _blocked(
                    f"{name}: the host's address may not be called (host validation is on). Use another host, or ask "
                    f"the operator to add the address to {_HOSTS}ALLOWRANGES"
                )

    async def check_proxied(self, host: str) -> None:
        """Refuses a host that a proxy will resolve and call, like `check_addresses`.

        With host validation on, the name is resolved here too. Without it, metadata services are recognised by name.

        Raises:
            InputError: `HOST_FORBIDDEN`.
            TransientError: `408` when the name cannot be resolved here, so that nothing is known about it.
        """
        if not self.hosts.enabled and not self.reach.networks:
            if plain_host(host) in METADATA_NAMES and all(map(self.hosts.is_metadata, METADATA)):
                raise _metadata("url")
            return
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError:
            raise TransientError(
                "408",
                f"The addresses of {host} have to be checked but cannot be resolved here, so it was not called through "
                "the proxy",
                variables={"reason": "name-not-resolved"},
            ) from None
        self.check_addresses(ipaddress.ip_address(str(item[4][0]).partition("%")[0]) for item in found)


@lru_cache(maxsize=1024)
def target_of(url: str) -> tuple[SplitResult, str, int | None]:
    """Returns a URL's parts, its host (empty if there is none) and its port, or its scheme's default port.

    Raises:
        ValueError: The URL is malformed.
    """
    parts = urlsplit(url)
    return parts, parts.hostname or "", parts.port or _PORTS.get(parts.scheme.lower())


_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")


def _tail(parts: SplitResult) -> str:
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _spellings(scheme: str, host: str, port: int | None, tail: str, written: str) -> set[str]:
    """Spells a target as blocked texts may: as written and normalised, with and without its port."""
    scheme, plain = scheme.lower(), plain_host(host)
    plain = f"[{plain}]" if ":" in plain else plain
    tail = _ESCAPE.sub(_unescaped, tail)
    found = set() if port is None else {f"{scheme}://{plain}:{port}{tail}"}
    if port is None or port == _PORTS.get(scheme):
        found.add(f"{scheme}://{plain}{tail}")
    return found | {written} if written else found


def _unescaped(found: re.Match[str]) -> str:
    """Decodes an escape that is not needed; others stay."""
    letter = chr(int(found[1], 16))
    return letter if letter.isascii() and (letter.isalnum() or letter in "-._~") else found[0].upper()


@lru_cache(maxsize=256)
def _texts(text: str) -> frozenset[str]:
    """Returns the forms of a blocked text that are looked for in lower-case spellings."""
    found = {text.casefold()}
    if "://" in text:
        try:
            parts = urlsplit(text)
            port = parts.port or _PORTS.get(parts.scheme.lower())
            found |= {one.casefold() for one in _spellings(parts.scheme, parts.hostname or "", port, _tail(parts), "")}
        except ValueError:
            pass
    elif (address := literal(text)) is not None:
        found.add(str(address))
    return frozenset(one for one in found if one)


def _metadata(name: str) -> InputError:
    return _blocked(
        f"{name}: this is the address of a cloud's metadata service, which gives credentials to any caller. Use "
        f"another host; if it is intended, the operator must list exactly this address in {_HOSTS}ALLOWRANGES"
    )


def _blocked(message: str) -> InputError:
    return InputError(message, code="HOST_FORBIDDEN")


def _blocks(env: Mapping[str, str], kind: str) -> list[tuple[str, str]]:
    """Returns names and values of the settings `..._BLOCK_<KIND>` and `..._BLOCK_<KIND>_<name>`."""
    prefix = f"{_BLOCK}{kind}"
    return [
        (key[len(prefix) + 1 :] or "default", value)
        for key, value in env.items()
        if value and (key == prefix or key.startswith(prefix + "_"))
    ]


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise InputError(f"{_BLOCK}REGEX: is not a regular expression: {error}") from None


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
        return tuple(ipaddress.ip_network(text, strict=False) for text in items_of(env.get(_HOSTS + name, "")))
    except ValueError as error:
        raise InputError(f"{_HOSTS}{name}: {error}; write networks like 10.0.0.0/8, separated by commas") from None
