"""Serve the operator's port of a runtime on a free port, for the tests of this room."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zeebe_connectors.admin.api.calls import Api
from zeebe_connectors.admin.connections import Connections
from zeebe_connectors.admin.metrics import PrometheusMetrics
from zeebe_connectors.admin.server import AdminServer
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing import FakeGateway


@dataclass
class Served:
    """A server and what is behind it."""

    runtime: Runtime
    server: AdminServer
    api: Api
    gateway: FakeGateway

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server.port}"


@contextlib.asynccontextmanager
async def served(
    folder: Path,
    registry: Registry,
    *,
    works: bool = True,
    limits: dict[str, Any] | None = None,
    connections: Connections | None = None,
    **settings: str,
) -> AsyncIterator[Served]:
    """Starts a runtime on a gateway in memory, with its server; ends both.

    Args:
        folder: Where it keeps its files.
        registry: Its connectors.
        works: Whether it also takes jobs and watches sources.
        limits: Limits of the API, other than the usual.
        connections: Limits of the port, other than the usual.
        settings: Settings by name; an empty one is not set.
    """
    given = {"ZEEBE_CONNECTORS_DATA": str(folder)} | settings
    environment = Environment(("environment", {name: value for name, value in given.items() if value}))
    gateway, metrics = FakeGateway(), PrometheusMetrics()
    runtime = Runtime(
        Settings.read(environment), registry, gateway, environment=environment, metrics=metrics, source_metrics=metrics
    )
    api = Api(runtime, **(limits or {}))
    server = AdminServer(runtime, metrics, host="127.0.0.1", port=0, api=api, connections=connections)
    if works:
        runtime.start()
    await server.start()
    try:
        yield Served(runtime, server, api, gateway)
    finally:
        await server.aclose()
        await runtime.drain()
