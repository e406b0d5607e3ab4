"""`zeebe-connectors imap test`: shows which mails a source would hand over, and with which variables."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.secrets import SecretResolver, installed_providers
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.discovery import DiscoveryError, Source, group, read_diagram, read_folder, read_sources
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.events import preview
from zeebe_connectors.runtime.ledger import SqliteLedger
from zeebe_connectors.runtime.sources import ledger_file, source_input
from zeebe_connectors.sdk.context import InboundContext
from zeebe_connectors.sdk.errors import ConnectorError
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.sdk.kept import Kept

app = typer.Typer(no_args_is_help=True, help="Mailboxes as sources of events.")


@dataclass(frozen=True, slots=True)
class Seen:
    """One mail of a test."""

    id: str
    subject: str
    sender: str | None
    received: str | None
    processed: bool
    verdict: str
    variables: dict[str, Any] = field(default_factory=dict)


@app.callback()
def top() -> None:
    """Mailboxes as sources of events."""


@app.command("test")
def try_source(
    source: Annotated[str | None, typer.Option(help="Name of a configured source (or of its element).")] = None,
    diagram: Annotated[Path | None, typer.Option(help="Diagram whose mail elements are tested.")] = None,
    hours: Annotated[float, typer.Option(help="Look at the mails of so many last hours.")] = 24,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="TOML file with settings.")] = None,
) -> None:
    """List the mails that a source would hand over, with their variables, and whether each was; changes nothing."""
    environment = Environment.load(file=config)
    settings = Settings.read(environment)
    try:
        chosen = _chosen(settings, source, diagram)
        rows = asyncio.run(_look(chosen, environment, settings, hours))
    except (DiscoveryError, ConnectorError) as error:
        sys.stderr.write(f"zeebe-connectors: {error}\n")
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False))
        return
    for row in rows:
        mark = "processed already" if row.processed else row.verdict
        typer.echo(f"{row.received}  {row.sender}  {row.subject!r}: {mark}")
        if row.variables and not row.processed:
            typer.echo("    " + json.dumps(row.variables, ensure_ascii=False)[:2000])
    typer.echo(f"{len(rows)} mails of the last {hours:g} hours fit. Nothing was started, marked or moved.")


def _chosen(settings: Settings, name: str | None, diagram: Path | None) -> Source:
    if diagram is not None:
        try:
            found = read_diagram(diagram.read_bytes())
        except OSError as error:
            raise DiscoveryError(f"{diagram}: {error.strerror}") from None
        elements = found.elements
    else:
        elements = read_sources(settings.sources) if settings.sources else []
        elements += read_folder(settings.diagrams).elements if settings.diagrams else []
    sources = [item for item in group(elements)[0] if item.type == TYPE]
    fitting = [item for item in sources if name is None or name in {item.name, *(e.id for e in item.elements)}]
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(item.name for item in sources) or "none"
    what = "no source fits" if not fitting else "several sources fit"
    raise DiscoveryError(f"{what}; name one with --source. Known are: {known}")


TYPE = "io.camunda:connector-email-inbound:1"


async def _look(source: Source, environment: Environment, settings: Settings, hours: float) -> list[Seen]:
    from zeebe_connectors.connectors.imap.connector import look, watch

    secrets = SecretResolver(installed_providers(environment))
    given = await source_input(source, watch, secrets)
    ledger, kept = SqliteLedger(ledger_file(settings.data)), Kept()
    with_ledger = ledger.file.exists()

    async def settled(events: Mapping[str, str | None]) -> Mapping[str, str]:
        return await ledger.settled(source.name, events) if with_ledger else {}

    context = InboundContext(
        source=source.name,
        kept=kept,
        documents=LocalDocuments(settings.documents),
        files=AllowedFiles(settings.files),
        log=logging.LoggerAdapter(logging.getLogger("zeebe_connectors.inbound"), {"source": source.name}),
        settled=settled,
        report=lambda _, __=None, /: None,
    )
    try:
        rows = []
        for event, processed in await look(given, context, hours=hours):
            verdict, variables = await preview(source.elements, event.data, context.documents)
            data = event.data
            rows.append(
                Seen(
                    event.id,
                    data["subject"],
                    data["fromAddress"],
                    data["receivedDateTime"],
                    processed,
                    verdict,
                    variables,
                )
            )
        return rows
    finally:
        await kept.aclose()
        await ledger.aclose()
