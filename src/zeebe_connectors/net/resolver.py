"""Resolve host names for the HTTP client, and pass on only allowed addresses."""

from __future__ import annotations

import ipaddress
import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from zeebe_connectors.net.egress import NetworkRules


class CheckedResolver(AbstractResolver):
    """Checks addresses after resolving, so that a name cannot lead where a literal address may not.

    Args:
        rules: Which addresses may be called.
    """

    def __init__(self, rules: NetworkRules) -> None:
        self._rules = rules
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolves, then checks.

        Raises:
            InputError: `HOST_FORBIDDEN`.
        """
        found = await self._resolver.resolve(host, port, family)
        self._rules.check_addresses(ipaddress.ip_address(item["host"].partition("%")[0]) for item in found)
        return found

    async def close(self) -> None:
        """Does nothing: there is nothing to close."""
        await self._resolver.close()
