"""Refuse what other sites' pages make an operator's browser send: foreign origins, and host names that point here."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import web

from zeebe_connectors.admin.access import Refused


def check_host(request: web.Request, hosts: Collection[str]) -> None:
    """Refuses a request under a foreign host name that points here (DNS rebinding).

    Args:
        request: The request.
        hosts: Names under which the operator's port is reached, besides addresses and localhost.

    Raises:
        Refused: The host name is not ours.
    """
    name = _parts(f"//{request.headers.get('Host', '')}")[0]
    if not _is_address(name) and name not in {"localhost", *hosts}:
        raise Refused(
            403,
            "HOST_UNKNOWN",
            "The API is called by an address, as localhost, or by a name in ZEEBE_CONNECTORS_ADMIN_HOSTS",
        )


def check_origin(request: web.Request, hosts: Collection[str]) -> None:
    """Refuses a request that another site's page made a browser send.

    Args:
        request: The request.
        hosts: As for `check_host`.

    Raises:
        Refused: It came from another site, or the host name is not ours.
    """
    check_host(request, hosts)
    host = request.headers.get("Host", "")
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "none")
    foreign = origin is not None and _parts(origin)[1] != host.casefold()
    if foreign or site not in {"none", "same-origin"}:
        raise Refused(403, "CROSS_SITE", "The API is not called by other sites' pages")


def _parts(url: str) -> tuple[str, str]:
    """Returns host name, and host name with port, of a URL; empty if it is not a URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return (parts.hostname or "").casefold(), parts.netloc.casefold()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
