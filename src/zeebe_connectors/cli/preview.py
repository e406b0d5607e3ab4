"""Show the mails that a source would hand over, with their variables: `zeebe-connectors imap test`, `pop3 test`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from zeebe_connectors.cli.options import ConfigFile
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.inbound.elements import (
    DiscoveryError,
    Source,
    group,
    read_diagram,
    read_folder,
    read_sources,
)
from zeebe_connectors.runtime.inbound.preview import Preview, nothing_settled, preview
from zeebe_connectors.runtime.ledger import LedgerError, SqliteStore, StoredLedger, store_of
from zeebe_connectors.runtime.services import services_of
from zeebe_connectors.sdk.connector import Inbound
from zeebe_connectors.sdk.errors import ConnectorError, InputError
from zeebe_connectors.sdk.event import Alias
from zeebe_connectors.sdk.registry import Registry


def commands(name: str, title: str) -> typer.Typer:
    """Makes the commands for sources of one inbound connector.

    Args:
        name: The connector.
        title: What the help calls it.
    """
    app = typer.Typer(no_args_is_help=True, help=f"Test {title} as sources of events.")

    @app.callback()
    def top() -> None:
        """Test sources of events."""

    @app.command("test")
    def try_source(
        source: Annotated[str | None, typer.Option(help="Name of a configured source (or of its element).")] = None,
        diagram: Annotated[Path | None, typer.Option(help="Diagram whose mail elements are tested.")] = None,
        hours: Annotated[float, typer.Option(help="Look at the mails of this many past hours.")] = 24,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
        config: ConfigFile = None,
    ) -> None:
        """List the mails that a source would hand over, with variables, and whether it has done so; changes nothing."""
        environment = Environment.load(file=config)
        settings = Settings.read(environment)
        mask = Mask()
        try:
            connector = _connector(name)
            chosen = _chosen(connector, settings, source, diagram)
            found = asyncio.run(_preview(chosen, connector, environment, settings, hours, mask))
        except (DiscoveryError, ConnectorError, LedgerError) as error:
            sys.stderr.write(mask.text(f"zeebe-connectors: {error}\n"))
            raise typer.Exit(1) from None
        if as_json:
            typer.echo(json.dumps([asdict(row) for row in found.rows], indent=2, ensure_ascii=False))
            return
        for row in found.rows:
            mark = "processed already" if row.processed else row.verdict
            if row.quarantined:
                mark = "in quarantine; `zeebe-connectors ledger list` has the reason"
            typer.echo(f"{row.received}  {row.sender}  {row.title!r}: {mark}")
            if row.variables and not row.processed:
                typer.echo("    " + json.dumps(row.variables, ensure_ascii=False)[:2000])
        one = len(found.rows) == 1
        typer.echo(
            f"{len(found.rows)} {'mail' if one else 'mails'} of the last {hours:g} hours {'fits' if one else 'fit'}"
            f"{', and more' if found.more else ''}. Nothing was started, marked or moved."
        )

    return app


def _connector(name: str) -> Inbound:
    registry = Registry.installed([name])
    if name in registry.unavailable:
        raise InputError(f"the connector {name} cannot be used: {registry.unavailable[name].reason}")
    return registry.inbound[name]


def _chosen(connector: Inbound, settings: Settings, name: str | None, diagram: Path | None) -> Source:
    if diagram is not None:
        try:
            found = read_diagram(diagram.read_bytes())
        except OSError as error:
            raise DiscoveryError(f"{diagram}: {error.strerror}") from None
        elements = found.elements
    else:
        elements = read_sources(settings.sources) if settings.sources else []
        elements += read_folder(settings.diagrams).elements if settings.diagrams else []
    sources = [item for item in group(elements)[0] if item.type == connector.type]
    fitting = [item for item in sources if name is None or name in {item.name, *(e.id for e in item.elements)}]
    if len(fitting) == 1:
        return fitting[0]
    if not sources:
        where = f"{diagram} has none" if diagram else "none is configured"
        raise DiscoveryError(
            f"there is no source for {connector.name}: {where}; name a diagram with --diagram, or set "
            "ZEEBE_CONNECTORS_DIAGRAMS or ZEEBE_CONNECTORS_SOURCES"
        )
    known = ", ".join(item.name for item in sources)
    what = "no source matches" if not fitting else "several sources match"
    raise DiscoveryError(f"{what}; name one with --source. Known are: {known}")


async def _preview(
    source: Source, connector: Inbound, environment: Environment, settings: Settings, hours: float, mask: Mask
) -> Preview:
    needed = services_of(settings, environment)
    store = store_of(settings.ledger, settings.data)
    ledger = StoredLedger(store)

    async def settled(events: Mapping[str, Alias | None]) -> Mapping[str, str]:
        return await ledger.settled(source.name, events)

    try:
        known = nothing_settled if isinstance(store, SqliteStore) and not store.file.exists() else settled
        return await preview(source, connector, needed, hours=hours, settled=known, mask=mask)
    finally:
        await needed.aclose()
        await ledger.aclose()
