"""Serve health and metrics, under the official addresses and short ones, and the operator's API and page.

Readiness (`/health` too) says whether jobs are done; liveness only whether a restart would help.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from zeebe_connectors.admin.access import Access
from zeebe_connectors.admin.connections import HEADER_SECONDS, MAX_CONNECTIONS, Connections
from zeebe_connectors.admin.metrics import PrometheusMetrics
from zeebe_connectors.config.settings import ADMIN_TOKEN_SETTING
from zeebe_connectors.runtime.supervisor import Runtime

if TYPE_CHECKING:
    import socket

    from zeebe_connectors.admin.api.calls import Api
    from zeebe_connectors.admin.exposition import Exposition

_LINGERING = 2.0  # seconds in which a body that nobody wants is read away
_CLOSING = 1.0  # seconds that a call of the API gets to end: the runtime below it has stopped already


class AdminServer:
    """Serves health and metrics while the runtime runs.

    Args:
        runtime: Whose health.
        metrics: Whose counts.
        host: Address to listen on.
        port: Port; 0 picks a free one.
        api: The operator's calls, with other limits than the usual.
        connections: How many there may be and how long they may be silent, where not as usual.
    """

    def __init__(
        self,
        runtime: Runtime,
        metrics: PrometheusMetrics,
        *,
        host: str,
        port: int,
        api: Api | None = None,
        connections: Connections | None = None,
    ) -> None:
        self._runtime = runtime
        self._metrics = metrics
        self._host = host
        self.port = port
        self._exposition: Exposition | None = None
        self._connections = connections or Connections()
        app = web.Application(middlewares=[self._connections.watched])
        for path in ("/health", "/actuator/health", "/actuator/health/readiness"):
            app.router.add_get(path, self._health)
        for path in ("/health/live", "/actuator/health/liveness"):
            app.router.add_get(path, self._liveness)
        app.router.add_get("/health/ready", self._ready)
        app.router.add_get("/health/startup", self._startup)
        for path in ("/metrics", "/actuator/prometheus"):
            app.router.add_get(path, self._prometheus)
        self._api = (api or _api(runtime)) if runtime.settings.admin_token else None
        self._access = self._api.access if self._api is not None else Access(runtime.settings)
        if self._api is None:
            for path in ("/api", "/api/{rest:.*}"):
                app.router.add_route("*", path, _no_api)
        else:
            app.add_subapp("/api", self._api.app)
            self._add_page(self._api, app.router)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=_CLOSING, keepalive_timeout=HEADER_SECONDS, lingering_time=_LINGERING
        )
        self._servers: list[asyncio.Server] = []

    def _add_page(self, api: Api, router: web.UrlDispatcher) -> None:
        from zeebe_connectors.admin.page.site import Page, is_loopback  # noqa: PLC0415 - where there is a token

        self._page = Page(api, beyond_loopback=not is_loopback(self._host))
        self._page.add_to(router)

    async def start(self, listening: Sequence[socket.socket] = ()) -> None:
        """Begins to listen.

        Args:
            listening: Sockets that listen already, in the place of host and port.

        Raises:
            OSError: The address cannot be used.
        """
        await self._runner.setup()
        make = self._runner.server
        assert make is not None  # noqa: S101 - it is set up
        self._connections.watch(make)
        loop = asyncio.get_running_loop()
        for one in listening:
            self._servers.append(await loop.create_server(make, sock=one, backlog=MAX_CONNECTIONS))
        if not listening:
            self._servers.append(
                await loop.create_server(make, self._host, self.port, backlog=MAX_CONNECTIONS, reuse_address=True)
            )
        self.port = self._servers[0].sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Stops listening."""
        for server in self._servers:
            server.close()
        if self._api is not None:
            self._api.live.close()
        await self._runner.cleanup()

    async def _health(self, request: web.Request) -> web.Response:
        """Answers with words of status for everybody; with reasons and names for a caller with a token."""
        health = self._runtime.health()
        status = 200 if health["status"] == "UP" else 503
        return web.json_response(health if self._access.role_of(request) is not None else _words(health), status=status)

    async def _liveness(self, _: web.Request) -> web.Response:
        return _probe(up=self._runtime.is_alive())

    async def _ready(self, _: web.Request) -> web.Response:
        """Answers whether jobs are done; one mailbox that is down does not take the runtime out of service."""
        workers = self._runtime.health()["workers"].values()
        return _probe(up=all(worker["status"] == "UP" for worker in workers) and self._runtime.is_alive())

    async def _startup(self, _: web.Request) -> web.Response:
        """Answers whether every worker has heard from the engine once."""
        states = self._runtime.liveness().values()
        return _probe(up=all(state.last_contact is not None for state in states))

    async def _prometheus(self, _: web.Request) -> web.Response:
        if self._exposition is None:
            self._exposition = await asyncio.to_thread(self._expose)
        return web.Response(body=self._exposition.text(), content_type="text/plain", charset="utf-8")

    def _expose(self) -> Exposition:
        """Imports Prometheus' library, which nobody needs who is not asked for metrics."""
        from zeebe_connectors.admin.exposition import Exposition  # noqa: PLC0415 - see above

        return Exposition(self._metrics, self._runtime, refused_tokens=lambda: self._access.refused_tokens)


def _api(runtime: Runtime) -> Api:
    from zeebe_connectors.admin.api.calls import Api  # noqa: PLC0415 - a hundred modules, and only where there is a token

    return Api(runtime)


async def _no_api(_: web.Request) -> web.Response:
    """Says how the operator's API is switched on."""
    reason = {
        "code": "API_DISABLED",
        "message": f"The operator's API is off. Set {ADMIN_TOKEN_SETTING} to a secret of at least 16 characters to use "
        "it",
    }
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return web.json_response(reason, status=404, headers=headers)


def _probe(*, up: bool) -> web.Response:
    return web.json_response({"status": "UP" if up else "DOWN"}, status=200 if up else 503)


def _words(health: Mapping[str, Any]) -> dict[str, Any]:
    """Reduces a status to words and counts, without names, addresses and reasons, as anybody may ask."""
    found: dict[str, Any] = {"status": health["status"]}
    inbound = health.get("inbound", {})
    for name, states in (("workers", health.get("workers", {})), ("sources", inbound.get("sources", {}))):
        counts: dict[str, int] = {}
        for state in states.values():
            counts[state["status"]] = counts.get(state["status"], 0) + 1
        if counts:
            found[name] = counts
    return found
