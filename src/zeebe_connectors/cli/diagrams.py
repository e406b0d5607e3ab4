"""Check whether diagrams can be read from the cluster, for `zeebe-connectors check --connect`.

A runtime that may not read them hands back every job that uses a secret, so an operator should know before the first
one.
"""

from __future__ import annotations

import typer

from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.cluster_login import cluster_api
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.errors import ConnectorError

_SECONDS = 15.0


async def diagrams_readable(settings: Settings) -> bool:
    """Reads the diagram of one deployed process and prints how that went; returns whether nothing is wrong.

    Without a REST address, and with nothing deployed, there is nothing to try.
    """
    clients = ClientCache()
    try:
        api = cluster_api(settings.cluster, clients)
        if api is None:
            typer.echo("Diagrams     not read: CAMUNDA_CLIENT_REST_ADDRESS is not set")
            return True
        found = await api.object("POST", "/process-definitions/search", {"page": {"limit": 1}}, seconds=_SECONDS)
        items = found.get("items")
        if not isinstance(items, list) or not items:
            typer.echo("Diagrams     none deployed, or this runtime's login may not see any")
            return True
        key, name = str(items[0].get("processDefinitionKey")), items[0].get("processDefinitionId")
        await api.diagram(key, seconds=_SECONDS)
    except ConnectorError as error:
        typer.echo(f"Diagrams     cannot be read: {error}")
        return False
    finally:
        await clients.aclose()
    typer.echo(f"Diagrams     are read from the cluster; tried with {name}")
    return True
