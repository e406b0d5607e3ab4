"""Looks up whether the processes that sources start are deployed, for `zeebe-connectors check --connect`."""

from __future__ import annotations

import typer

from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.inbound.deployed import deployed_processes
from zeebe_connectors.runtime.inbound.elements import read_sources
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.errors import ConnectorError


async def targets_deployed(settings: Settings) -> bool:
    """Looks up the processes that sources outside diagrams start; gives whether nothing is missing."""
    elements = read_sources(settings.sources) if settings.sources else []
    wanted = sorted({element.process for element in elements if element.kind == "start"})
    if not wanted:
        return True
    clients = ClientCache()
    try:
        deployed = deployed_processes(settings.cluster, clients)
        if deployed is None:
            typer.echo("Targets      not looked up: set CAMUNDA_CLIENT_REST_ADDRESS to the cluster's REST address")
            return True
        known = await deployed.names()
    except ConnectorError as error:
        typer.echo(f"Targets      cannot be looked up: {error}")
        return False
    finally:
        await clients.aclose()
    missing = [process for process in wanted if process not in known]
    for number, process in enumerate(wanted):
        state = "is not deployed: deploy it, or correct the source's `process`" if process in missing else "is deployed"
        typer.echo(f"{'' if number else 'Targets':<13}{process} {state}")
    return not missing
