"""The operator's rules go in; what gives a mail server's addresses comes out, if the rules restrict them."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from zeebe_connectors.sdk.kept import Kept

Resolver = Callable[[str], Awaitable[Sequence[str]]]
"""Gives the addresses of a host, if the operator allows all of them; raises `HOST_FORBIDDEN` or `OSError`."""
ConnectionT = TypeVar("ConnectionT")


async def checked_resolver(port: int, kept: Kept) -> Resolver | None:
    """What resolves names where the operator restricts hosts; None where all are allowed."""
    from zeebe_connectors.web import NetworkRules  # noqa: PLC0415 - once for each server

    rules = await kept.get("web.rules", NetworkRules.from_environment)
    if not rules.hosts.enabled:
        return None

    async def allowed(host: str) -> list[str]:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(item[4][0]) for item in found]
        rules.check_addresses((ipaddress.ip_address(one.partition("%")[0]) for one in addresses), name="host")
        return addresses  # and to these the connection goes, so that a second look-up cannot change them

    return allowed


async def connected(
    connect: Callable[[str], Awaitable[ConnectionT]], host: str, resolver: Resolver | None
) -> ConnectionT:
    """The first connection that comes about: to the name itself, or to the addresses that the resolver gives.

    Raises:
        OSError: None of them can be reached; of the last one.
    """
    addresses = [host] if resolver is None else await resolver(host)
    for address in addresses[:-1]:
        try:
            return await connect(address)
        except ssl.SSLError:
            raise
        except OSError:
            continue
    return await connect(addresses[-1])
