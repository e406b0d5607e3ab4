"""Look up whether what sources start or continue is deployed, for `zeebe-connectors check --connect`."""

from __future__ import annotations

import typer

from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.inbound.deployed import deployed_processes
from zeebe_connectors.runtime.inbound.elements import Element, read_folder, read_sources
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.errors import ConnectorError


async def targets_deployed(settings: Settings) -> bool:
    """Looks up the targets of the sources in the file and the folder; returns whether none is missing."""
    elements = read_sources(settings.sources) if settings.sources else []
    elements += read_folder(settings.diagrams).elements if settings.diagrams else []
    processes = sorted({element.process for element in elements if element.process})
    messages = sorted({element.message for element in elements if _is_by_message_alone(element)})
    if not processes and not messages:
        return True
    clients = ClientCache()
    try:
        deployed = deployed_processes(settings.cluster, clients)
        if deployed is None:
            typer.echo("Targets      not looked up: set CAMUNDA_CLIENT_REST_ADDRESS to the cluster's REST address")
            return True
        known = await deployed.names() if processes else set()
        waited_for = await deployed.messages() if messages else set()
    except ConnectorError as error:
        typer.echo(f"Targets      cannot be looked up: {error}")
        return False
    finally:
        await clients.aclose()
    lines = [
        f"{process} is deployed" if process in known else f"{process} is not deployed: deploy it, or correct its id"
        for process in processes
    ]
    lines += [
        f"the message {message} has a process that waits for it"
        if message in waited_for
        else f"no deployed process waits for the message {message}: deploy one with a message start or catch event of "
        "that name, or correct the source's `message`"
        for message in messages
    ]
    for number, line in enumerate(lines):
        typer.echo(f"{'' if number else 'Targets':<13}{line}")
    return known.issuperset(processes) and waited_for.issuperset(messages)


def _is_by_message_alone(element: Element) -> bool:
    """Returns whether a source names a message but no process; an expression is known only at run time."""
    return not element.process and bool(element.message) and not element.message.startswith("=")
