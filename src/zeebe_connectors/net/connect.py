"""The operator's rules and a host go in; a connection to an address that is allowed comes out, or why there is none."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from zeebe_connectors.net import custody
from zeebe_connectors.net.egress import RULES, NetworkRules
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.errors import PermanentError, TransientError

Resolver = Callable[[str], Awaitable[Sequence[str]]]
"""Gives the addresses of a host, if the operator allows all of them; raises `HOST_FORBIDDEN` or `OSError`."""
ConnectionT = TypeVar("ConnectionT")


async def checked_resolver(port: int, clients: ClientCache) -> Resolver:
    """What resolves names for a connection to this port, and refuses what the operator does not allow.

    Args:
        port: Where the connection goes.
        clients: The runtime's clients, which hold its rules.
    """
    rules = await clients.get(RULES, NetworkRules.from_environment)

    async def allowed(host: str) -> list[str]:
        rules.check_host(host, port)
        custody.sending(host)
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
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


def connect_error(protocol: str, where: str, error: BaseException, *, patience: float) -> BaseException:
    """What a failure to connect means: `<PROTOCOL>_TLS_FAILED`, `<PROTOCOL>_UNREACHABLE`, or else the error itself.

    Args:
        protocol: Begins the error's code.
        where: Host and port.
        error: What was raised.
        patience: Seconds that the server had.
    """
    tls_failed, unreachable = f"{protocol}_TLS_FAILED", f"{protocol}_UNREACHABLE"
    if isinstance(error, ssl.SSLCertVerificationError):
        return PermanentError(tls_failed, f"the certificate of {where} is not trusted: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return PermanentError(
            tls_failed,
            f"{where} does not speak TLS there ({error.reason}); choose the port and the encryption that fit",
        )
    if isinstance(error, UnicodeError):
        return PermanentError(unreachable, "the host is not a host name; check its spelling")
    if isinstance(error, TimeoutError):
        return TransientError(unreachable, f"{where} does not answer within {patience:g} s")
    if isinstance(error, OSError):
        return TransientError(unreachable, f"{where} cannot be reached: {error}")
    return error
