"""Listen at once, and import and start the server with the first connection, so that no job waits for it at the start.

The first connection waits a tenth of a second longer; the system holds it meanwhile.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zeebe_connectors.admin.metrics import PrometheusMetrics
    from zeebe_connectors.admin.server import AdminServer
    from zeebe_connectors.runtime.supervisor import Runtime

BACKLOG = 64


class DeferredServer:
    """An `AdminServer` that is made when somebody connects; at once where the operator's API and page are on.

    Args:
        runtime: Whose health.
        metrics: Whose counts.
        host: Address to listen on.
        port: Port; 0 picks a free one.
    """

    def __init__(self, runtime: Runtime, metrics: PrometheusMetrics, *, host: str, port: int) -> None:
        self._runtime = runtime
        self._metrics = metrics
        self._host = host
        self.port = port
        self._sockets: list[socket.socket] = []
        self._server: AdminServer | None = None
        self._opening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to listen.

        Raises:
            OSError: The address cannot be used.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._host or None, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        places = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
        try:
            for family, address in [place for place in places if _is_supported(place[0])] or places:
                made = socket.create_server(address, family=family, backlog=BACKLOG)
                made.setblocking(False)
                self._sockets.append(made)
        except OSError:
            self._close()
            raise
        self.port = self._sockets[0].getsockname()[1]
        if self._runtime.settings.admin_token:
            await self._open()
            return
        for one in self._sockets:
            loop.add_reader(one, self._open_soon)

    async def aclose(self) -> None:
        """Stops listening."""
        if self._opening is not None:
            await asyncio.wait([self._opening])
        if self._server is not None:
            await self._server.aclose()
        else:
            self._leave()
            self._close()

    def _open_soon(self) -> None:
        self._leave()
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        from zeebe_connectors.admin.server import AdminServer  # noqa: PLC0415 - see above

        server = AdminServer(self._runtime, self._metrics, host=self._host, port=self.port)
        await server.start(self._sockets)
        self._server = server

    def _leave(self) -> None:
        loop = asyncio.get_running_loop()
        for one in self._sockets:
            loop.remove_reader(one)

    def _close(self) -> None:
        for one in self._sockets:
            one.close()


def _is_supported(family: int) -> bool:
    """Returns whether the system has a family of addresses: a name may mean an IPv6 address where IPv6 is off."""
    try:
        socket.socket(family, socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True
