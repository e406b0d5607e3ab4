"""Show a source's events of the last hours and what would become of each, without changing anything."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.net.custody import holding
from zeebe_connectors.runtime.inbound.elements import Source
from zeebe_connectors.runtime.inbound.events import dry_run
from zeebe_connectors.runtime.inbound.properties import Properties
from zeebe_connectors.runtime.providers import Use
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.connector import Inbound
from zeebe_connectors.sdk.context import InboundContext
from zeebe_connectors.sdk.errors import InputError
from zeebe_connectors.sdk.event import Alias
from zeebe_connectors.sdk.registry import Registry

MAX_EVENTS = 200
MAX_BYTES = 4 * 1024 * 1024
"""Maximum characters of all variables together, as JSON."""

Settled = Callable[[Mapping[str, Alias | None]], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class Row:
    """One event that a source would hand over, or has handed over.

    Args:
        processed: The source is done with it, and would not hand it over again.
        quarantined: It could not be handed over, and is kept with the reason.
    """

    id: str
    title: str
    sender: str | None
    received: str | None
    processed: bool
    verdict: str
    variables: dict[str, Any] = field(default_factory=dict, repr=False)
    quarantined: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """The events of a source, the newest first.

    Args:
        rows: The events.
        more: Whether there are more than these.
    """

    rows: list[Row]
    more: bool


def connector_of(source: Source, registry: Registry) -> Inbound:
    """Returns the connector that can preview a source.

    Raises:
        InputError: There is none.
    """
    connector = registry.inbound_of(source.type)
    if connector is None:
        raise InputError(f"{source.name}: no usable connector has the type {source.type}; see `zeebe-connectors list`")
    if connector.preview is None:
        raise InputError(
            f"{source.name}: the connector {connector.name} has no preview, so its sources cannot be tested"
        )
    return connector


async def nothing_settled(_: Mapping[str, Alias | None]) -> Mapping[str, str]:
    """Returns nothing, for a preview without a ledger."""
    return {}


async def preview(
    source: Source,
    connector: Inbound,
    services: Services,
    *,
    hours: float,
    settled: Settled = nothing_settled,
    mask: Mask | None = None,
) -> Preview:
    """Returns a source's events of the last hours and what would become of each; changes nothing.

    Args:
        source: The source.
        connector: What watches it.
        services: The runtime's services for connectors.
        hours: How far to look back.
        settled: Says which events are settled, by the ledger.
        mask: Learns the secrets that are used.

    Raises:
        ConnectorError: The source cannot be reached, or its settings are wrong.
        DiscoveryError: Its properties contradict each other.
    """
    custody = services.secrets.custody(
        Mask() if mask is None else mask, process=source.elements[0].process, element=source.name
    )
    with holding(custody):
        properties = Properties(services.secrets, services.scope, services.api, services.providers)
        given, use = await properties.read(source, connector, custody)
        return await _previewed(source, connector, services, given, use, hours=hours, settled=settled)


async def _previewed(
    source: Source,
    connector: Inbound,
    services: Services,
    given: Any,
    use: Use | None,
    *,
    hours: float,
    settled: Settled,
) -> Preview:
    context = InboundContext(
        source=source.name,
        clients=services.clients if use is None else use.clients,
        documents=services.documents,
        files=services.files,
        log=logging.LoggerAdapter(logging.getLogger("zeebe_connectors.inbound"), {"source": source.name}),
        settled=settled,
        report=lambda *_: None,
        turn=nullcontext if use is None else use.source_turn,
    )
    rows: list[Row] = []
    size = 0
    events = cast("Any", connector.preview)(given, context, hours)
    async with aclosing(events):
        async for event in events:
            if len(rows) >= MAX_EVENTS or size > MAX_BYTES:
                return Preview(rows, more=True)
            if event.unreadable:
                verdict, variables = f"would go to quarantine: {event.unreadable}", dict[str, Any]()
            else:
                verdict, variables = await dry_run(source.elements, event.data, services.documents)
            size += len(json.dumps(variables))
            state = (await settled({event.id: event.alias})).get(event.id)
            sender, received = event.data.get("fromAddress"), event.data.get("receivedDateTime")
            known, quarantined = state is not None, state == "quarantined"
            rows.append(
                Row(event.id, event.title, sender, received, known, verdict, variables, quarantined=quarantined)
            )
    return Preview(rows, more=False)
