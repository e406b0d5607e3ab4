"""Erase documents in the local directory: `zeebe-connectors documents`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zeebe_connectors.cli.options import ConfigFile
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.sdk.durations import parse_duration

app = typer.Typer(
    no_args_is_help=True, help="Erase files that tasks and mails left in the local directory of documents."
)


@app.callback()
def documents() -> None:
    """Keeps `erase` a subcommand."""


@app.command()
def erase(
    hashes: Annotated[list[str] | None, typer.Argument(help="The contentHash of a document's reference.")] = None,
    older_than: Annotated[str, typer.Option(help="All that were not read for this long, such as P30D.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
    config: ConfigFile = None,
) -> None:
    """Delete documents permanently: those with these hashes, or all that were not read for some time."""
    try:
        age = parse_duration(older_than) if older_than else None
    except ValueError as error:
        raise typer.BadParameter(f"--older-than {error}") from None
    if not hashes and age is None:
        raise typer.BadParameter("name the contentHash of a document, or --older-than")
    store = LocalDocuments(Path(Settings.read(Environment.load(file=config)).documents))
    if not yes:
        typer.confirm("Processes that still refer to them will no longer be able to read them. Delete?", abort=True)
    missing = [digest for digest in hashes or () if not store.erase(digest)]
    swept = store.sweep(age) if age is not None else 0
    typer.echo(f"{len(hashes or ()) - len(missing) + swept} deleted.")
    if missing:
        typer.echo(f"Not in the store: {', '.join(digest[:64] for digest in missing)}", err=True)
        raise typer.Exit(1)
