"""Bound the operator's port: the number of connections, and how long one may be open without a request.

A probe must always get through, so a new connection is always accepted; beyond the cap, the connection that has been
idle the longest is closed.
"""

from __future__ import annotations

import asyncio
import logging
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Handler

MAX_CONNECTIONS = 64
HEADER_SECONDS = 5.0
"""Seconds within which a request's head must arrive after connecting or after the last response."""
_log = logging.getLogger("zeebe_connectors.admin")


class Connections:
    """The open connections of one server.

    Args:
        max_open: Maximum number of connections.
        header_seconds: Seconds within which a request's head must arrive.
    """

    def __init__(self, *, max_open: int = MAX_CONNECTIONS, header_seconds: float = HEADER_SECONDS) -> None:
        self._max_open = max_open
        self._header_seconds = header_seconds
        self._waiting: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}
        self._busy: set[asyncio.BaseTransport] = set()
        self._transports: dict[object, asyncio.Transport] = {}
        self.dropped = 0
        """Number of connections closed to make room or for sending no request in time."""

    def watch(self, server: web.Server) -> None:
        """Watches the connections of a server."""
        made, lost = server.connection_made, server.connection_lost

        def connection_made(handler: web.RequestHandler, transport: asyncio.Transport) -> None:
            made(handler, transport)
            self._transports[handler] = transport
            self._wait(transport)
            self._make_room()

        def connection_lost(handler: web.RequestHandler, exc: BaseException | None = None) -> None:
            transport = self._transports.pop(handler, None)
            if transport is not None:
                self._forget(transport)
            lost(handler, exc)

        server.connection_made = connection_made  # type: ignore[method-assign]
        server.connection_lost = connection_lost  # type: ignore[method-assign]

    @web.middleware
    async def watched(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Marks a connection as busy during a request, and as waiting afterwards."""
        transport = request.transport
        if transport is None:
            return await handler(request)
        self._forget(transport)
        self._busy.add(transport)
        try:
            return await handler(request)
        finally:
            self._busy.discard(transport)
            if not transport.is_closing():
                self._wait(transport)

    def _wait(self, transport: asyncio.BaseTransport) -> None:
        loop = asyncio.get_running_loop()
        self._waiting[transport] = loop.call_later(self._header_seconds, self._drop, transport)

    def _forget(self, transport: asyncio.BaseTransport) -> None:
        self._busy.discard(transport)
        timer = self._waiting.pop(transport, None)
        if timer is not None:
            timer.cancel()

    def _make_room(self) -> None:
        while len(self._waiting) + len(self._busy) > self._max_open and self._waiting:
            self._drop(next(iter(self._waiting)))

    def _drop(self, transport: asyncio.BaseTransport) -> None:
        self._forget(transport)
        self.dropped += 1
        cast("asyncio.Transport", transport).abort()  # uvloop's is none by its class
        _log.debug("A connection to the operator's port was closed: it sent no request in time, or there were too many")
