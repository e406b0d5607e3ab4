"""Connect to servers of any protocol, only at addresses that the operator allows, with one map of failures."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from zeebe_connectors.net import custody
from zeebe_connectors.net.addresses import unbracketed
from zeebe_connectors.net.egress import RULES, NetworkRules
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.errors import PermanentError, TransientError

Resolver = Callable[[str], Awaitable[Sequence[str]]]
"""Returns the addresses of a host if the operator allows all of them; raises `HOST_FORBIDDEN` or `OSError`."""
ConnectionT = TypeVar("ConnectionT")


_log = logging.getLogger(__name__)
_MAX_WARNED = 1000
_warned: set[tuple[str, str, int]] = set()


def is_loopback(host: str) -> bool:
    """Returns whether a host's name or address is this machine's own, so that no network lies in between."""
    name = host.strip("[]").partition("%")[0].rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def warn_unencrypted(protocol: str, host: str, port: int) -> None:
    """Logs, once for each server, that credentials go there unencrypted, by configuration."""
    where = (protocol, host, port)
    if where not in _warned and len(_warned) < _MAX_WARNED and not is_loopback(host):
        _warned.add(where)
        _log.warning("%s: credentials and mails go to %s:%s unencrypted, as the security 'none' says", *where)


async def checked_resolver(port: int, clients: ClientCache) -> Resolver:
    """Returns a resolver for connections to this port that refuses addresses the operator does not allow.

    Args:
        port: Where the connection goes.
        clients: The runtime's clients, which hold its rules.
    """
    rules = await clients.get(RULES, NetworkRules.from_environment)

    async def allowed(host: str) -> list[str]:
        host = unbracketed(host)
        rules.check_host(host, port)
        custody.sending(host)
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
        rules.check_addresses((ipaddress.ip_address(one.partition("%")[0]) for one in addresses), name="host")
        return addresses  # the connection uses these, so a second look-up cannot change them

    return allowed


async def connected(
    connect: Callable[[str], Awaitable[ConnectionT]], host: str, resolver: Resolver | None
) -> ConnectionT:
    """Opens the first connection that succeeds: to the name itself, or to the resolver's addresses.

    Raises:
        OSError: None of them can be reached; the error is the last one's.
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


def _misplaced(host: str) -> str | None:
    """Returns what is wrong with a text that is more than a host name; None if nothing is."""
    name, _, port = host.rpartition(":")
    if "://" in host or "/" in host:
        return "holds an address with its scheme or path; write just the name of the server, such as mail.example.com"
    if name and port.isdigit() and (":" not in name or name.endswith("]")):
        return f"holds the port {port}; write just the name of the server, and the port in its own field"
    sign = re.search(r"[@\s,;<>\\\[\]]", host)
    if sign is None:
        return None
    named = {"@": "an @", ",": "a comma", ";": "a semicolon", "[": "brackets", "]": "brackets"}
    what = "a space" if sign[0].isspace() else named.get(sign[0], f"a {sign[0]}")
    return f"holds {what}; write just the name of the server, such as mail.example.com"


_CERTIFICATE_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED


def connect_error(
    protocol: str, host: str, port: int, error: BaseException, *, patience: float, stage: str = "connecting"
) -> BaseException:
    """Translates a failure to connect, in the same way for every protocol; other errors are returned unchanged.

    The codes are `<PROTOCOL>_NAME_NOT_RESOLVED`, `_TLS_FAILED`, `_TIMEOUT` and `_UNREACHABLE`. An unknown name and a
    TLS failure are permanent, because retrying does not help; the others are transient.

    Args:
        protocol: Begins the error's code.
        host: Name or address of the server.
        port: Its port.
        error: What was raised.
        patience: Seconds that the server was given to answer.
        stage: What was in progress.
    """
    where = f"{host}:{port}"
    if isinstance(error, socket.gaierror | UnicodeError) and (misplaced := _misplaced(host)):
        return PermanentError(f"{protocol}_NAME_NOT_RESOLVED", f"host: {misplaced}")
    if isinstance(error, socket.gaierror):
        kind = TransientError if error.errno == socket.EAI_AGAIN else PermanentError
        return kind(
            f"{protocol}_NAME_NOT_RESOLVED",
            f"host: the name {host} cannot be resolved: {reason_of(error)}. Check its spelling and the runtime's DNS",
        )
    if isinstance(error, UnicodeError):
        return PermanentError(f"{protocol}_NAME_NOT_RESOLVED", "host: is not a host name. Check its spelling")
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code == _CERTIFICATE_EXPIRED:
        return PermanentError(
            f"{protocol}_TLS_FAILED",
            f"security: the certificate of {where} has expired. Its operator must renew it",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return PermanentError(
            f"{protocol}_TLS_FAILED",
            f"security: the certificate of {where} is not trusted: {error.verify_message}. Use the name in "
            "the certificate as host, or give the authority that issued it as trustedCertificate",
        )
    if isinstance(error, ssl.SSLError):
        return PermanentError(
            f"{protocol}_TLS_FAILED",
            f"security: TLS with {where} failed: {error.reason or reason_of(error)}. If this port starts unencrypted, "
            "choose STARTTLS",
        )
    if isinstance(error, TimeoutError):
        return TransientError(
            f"{protocol}_TIMEOUT",
            f"timeout: {where} does not answer within {patience:g} s ({stage}). Check host, port and encryption, and "
            "that the server is running",
        )
    if isinstance(error, OSError):
        return TransientError(
            f"{protocol}_UNREACHABLE",
            f"host: {where} cannot be reached ({stage}): {reason_of(error)}. Check host and port, firewalls, and that "
            "the server is running",
        )
    return error


def reason_of(error: BaseException) -> str:
    """Returns the reason for an error, in the system's words where it has any."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text or type(error).__name__


def connect_errors(protocol: str) -> dict[str, str]:
    """Returns the codes that `connect_error` uses for a protocol, with their meaning, for the connector's page."""
    return {
        f"{protocol}_NAME_NOT_RESOLVED": "The host's name is unknown. Check its spelling and the runtime's DNS. Tried "
        "again only when the name server said that the failure is temporary.",
        f"{protocol}_TLS_FAILED": "The certificate is not trusted, or the encryption does not fit the port. Choose the "
        "encryption that fits, or trust the certificate's authority. An incident.",
        f"{protocol}_TIMEOUT": "The server did not answer in time. Check host, port and encryption. Tried again.",
        f"{protocol}_UNREACHABLE": "No connection: refused, no route, or cut while it was set up. Check host, port and "
        "firewalls. Tried again.",
    }


def write(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Writes to a connection; on asyncio's own event loop, what is written to one that has ended is dropped.

    Raises:
        ConnectionResetError: It has ended, and uvloop runs, which raises a `RuntimeError` instead of dropping it.
    """
    try:
        writer.write(data)
    except RuntimeError:
        raise ConnectionResetError("the connection has ended") from None
