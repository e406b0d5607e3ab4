"""Run the connectors until a signal, then drain: `zeebe-connectors run`."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Iterable
from typing import TYPE_CHECKING

from zeebe_connectors.cli import log_setup
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.config.settings import Selection, Settings
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.runtime.inbound.metrics import NO_METRICS
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.registry import Registry

if TYPE_CHECKING:  # a runtime without a port does without them
    from zeebe_connectors.admin.deferred_server import DeferredServer
    from zeebe_connectors.admin.metrics import PrometheusMetrics

_YOUNG_OBJECTS = 10_000
"""New objects between two collections: Python's own 700 are those of a few jobs, which soon go away by themselves."""
_log = logging.getLogger("zeebe_connectors")


def needed(names: Iterable[str], settings: Settings) -> list[str]:
    """Returns the installed connectors that may run; the others are ruled out by name and need not be imported.

    Args:
        names: The names of all installed connectors.
        settings: The operator's; a selection may also name job types, which are only known after an import.
    """
    known = [name.casefold() for name in names]
    watches = settings.polling or settings.sources is not None or settings.diagrams is not None
    selections = [settings.outbound, *([settings.inbound] if watches else [])]

    def may_run(name: str, selection: Selection) -> bool:
        if selection.enabled and selection.enabled <= set(known):
            return name in selection.enabled
        return name not in selection.disabled

    return [name for name in names if any(may_run(name.casefold(), selection) for selection in selections)]


async def run_forever(environment: Environment, settings: Settings, *, verbose: bool = False) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit code."""
    mask = Mask()
    for token in settings.access_tokens.values():
        mask.add(token.reveal())
    log_setup.configure(mask, form=settings.log_format, verbose=verbose)
    for line in settings.cluster.describe():
        _log.info("%s", line[:1].upper() + line[1:])
    registry = Registry.installed(needed(Registry.names(), settings), later=True)
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
        _log.error("No connector is left to run; check CONNECTOR_OUTBOUND_ENABLED and CONNECTOR_OUTBOUND_DISABLED")
        await gateway.aclose()
        return 2
    _collect_new_objects_only()
    runtime.start()
    server = None
    try:
        if metrics is not None:
            server = await _served(runtime, metrics, settings)
        await stop.wait()
    finally:
        await runtime.drain()
        if server is not None:
            await server.aclose()
    return 0


def _collect_new_objects_only() -> None:
    """Spares the garbage collector what exists now, which lives as long as the process.

    Of a hundred thousand objects it would find a thousand to discard, and take a twentieth of the start.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)
    gc.enable()


async def _served(runtime: Runtime, metrics: PrometheusMetrics, settings: Settings) -> DeferredServer | None:
    """Returns the operator's server once it listens; None, with a warning, if its port cannot be used."""
    from zeebe_connectors.admin.deferred_server import DeferredServer

    server = DeferredServer(runtime, metrics, host=settings.host, port=settings.port)
    try:
        await server.start()
    except OSError as error:
        _log.warning(
            "Health and metrics are not served: port %d cannot be used (%s); set ZEEBE_CONNECTORS_PORT",
            settings.port,
            error.strerror,
        )
        return None
    _log.info("Health and metrics: http://%s:%d/health and /metrics", settings.host, server.port)
    return server
