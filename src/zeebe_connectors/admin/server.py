"""The operator's HTTP server: liveness, readiness and metrics, under the official addresses and short ones; the API.

Readiness (`/health` too) says whether jobs are done; liveness only whether a restart would help.
"""

from __future__ import annotations

from aiohttp import web

from zeebe_connectors.admin.api import Api
from zeebe_connectors.admin.metrics import PrometheusMetrics
from zeebe_connectors.admin.provider_metrics import ProviderMetrics
from zeebe_connectors.runtime.supervisor import Runtime

_CLOSING = 1.0  # seconds that a call of the API gets to end: the runtime below it has stopped already


class AdminServer:
    """Serves health and metrics while the runtime runs.

    Args:
        runtime: Whose health.
        metrics: Whose counts.
        host: Address to listen on.
        port: Port; 0 picks a free one.
        api: The operator's calls, with other limits than the usual.
    """

    def __init__(
        self, runtime: Runtime, metrics: PrometheusMetrics, *, host: str, port: int, api: Api | None = None
    ) -> None:
        self._runtime = runtime
        self._metrics = metrics
        self._host = host
        self.port = port
        if runtime.services.providers is not None:
            metrics.registry.register(ProviderMetrics(runtime.services.providers))
        app = web.Application()
        for path in ("/health", "/actuator/health", "/actuator/health/readiness"):
            app.router.add_get(path, self._health)
        app.router.add_get("/actuator/health/liveness", self._liveness)
        for path in ("/metrics", "/actuator/prometheus"):
            app.router.add_get(path, self._prometheus)
        app.add_subapp("/api", (api or Api(runtime)).app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSING)

    async def start(self) -> None:
        """Begins to listen.

        Raises:
            OSError: The address cannot be used.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        await site.start()
        addresses = self._runner.addresses
        self.port = addresses[0][1] if addresses else self.port

    async def aclose(self) -> None:
        """Stops listening."""
        await self._runner.cleanup()

    async def _health(self, _: web.Request) -> web.Response:
        health = self._runtime.health()
        return web.json_response(health, status=200 if health["status"] == "UP" else 503)

    async def _liveness(self, _: web.Request) -> web.Response:
        alive = self._runtime.is_alive()
        return web.json_response({"status": "UP" if alive else "DOWN"}, status=200 if alive else 503)

    async def _prometheus(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), content_type="text/plain", charset="utf-8")
