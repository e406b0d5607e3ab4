"""Runs the connectors until a signal, then drains: `zeebe-connectors run`."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal

from zeebe_connectors.cli import log
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.runtime.inbound.metrics import NO_METRICS
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.registry import Registry

_log = logging.getLogger("zeebe_connectors")


async def run_forever(environment: Environment, settings: Settings, *, verbose: bool = False) -> int:
    """Runs until SIGTERM or SIGINT; gives the exit code."""
    mask = Mask()
    mask.add(settings.admin_token.reveal())
    log.configure(mask, form=settings.log_format, verbose=verbose)
    for line in settings.cluster.describe():
        _log.info("%s", line[:1].upper() + line[1:])
    registry = Registry.installed()
    for missing in registry.unavailable.values():
        _log.warning("The connector %s does not run: %s", missing.name, missing.reason)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics = None
    if settings.port >= 0:
        from zeebe_connectors.admin.metrics import PrometheusMetrics

        metrics = PrometheusMetrics()
    gateway = ZeebeGateway(settings.cluster)
    runtime = Runtime(
        settings,
        registry,
        gateway,
        environment=environment,
        metrics=metrics,
        source_metrics=metrics or NO_METRICS,
        log_mask=mask,
    )
    if not runtime.workers and runtime.sources is None:
        _log.error("No connector is left to run; look at CONNECTOR_OUTBOUND_ENABLED and CONNECTOR_OUTBOUND_DISABLED")
        await gateway.aclose()
        return 2
    # What stands now stays as long as the process, so that no collection of garbage has to look at it again.
    gc.collect()
    gc.freeze()
    runtime.start()
    server = None
    try:
        if metrics is not None:
            from zeebe_connectors.admin.server import AdminServer

            server = AdminServer(runtime, metrics, host=settings.host, port=settings.port)
            try:
                await server.start()
                _log.info("Health and metrics: http://%s:%d/health and /metrics", settings.host, server.port)
            except OSError as error:
                server = None
                _log.warning(
                    "Health and metrics are not served: port %d cannot be used (%s); set ZEEBE_CONNECTORS_PORT",
                    settings.port,
                    error.strerror,
                )
        await stop.wait()
    finally:
        await runtime.drain()
        if server is not None:
            await server.aclose()
    return 0
