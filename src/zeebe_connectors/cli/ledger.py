"""Show what became of events and of effects outside, and let operators act: `zeebe-connectors ledger`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar, cast, get_args

import typer

from zeebe_connectors.cli.options import ConfigFile
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import ledger_url
from zeebe_connectors.runtime.ledger import (
    Entry,
    Ledger,
    LedgerError,
    SqliteStore,
    State,
    Store,
    StoredLedger,
    StoredMemory,
    store_of,
)
from zeebe_connectors.runtime.ledger.cluster import disown, owner_of
from zeebe_connectors.sdk.errors import ConnectorError

app = typer.Typer(
    no_args_is_help=True, help="Show what became of each mail or other event, and decide about those in quarantine."
)

SourceName = Annotated[str, typer.Argument(help="Name of the source, as `ledger list` shows it.")]
EventId = Annotated[str, typer.Argument(help="Id of the event, as `ledger list` shows it.")]
ResultT = TypeVar("ResultT")


def _use(config: Path | None, work: Callable[[Ledger], Awaitable[ResultT]]) -> ResultT:
    return _with_store(config, lambda store: work(StoredLedger(store)))


def _with_store(config: Path | None, work: Callable[[Store], Awaitable[ResultT]]) -> ResultT:
    store = _store(config)

    async def with_store() -> ResultT:
        try:
            return await work(store)
        finally:
            await store.aclose()

    try:
        return asyncio.run(with_store())
    except (LedgerError, ConnectorError) as error:
        _fail(str(error))


def _store(config: Path | None) -> Store:
    environment = Environment.load(file=config)
    store = store_of(ledger_url(environment), Path(environment.text("ZEEBE_CONNECTORS_DATA", "var")))
    if isinstance(store, SqliteStore) and not store.file.exists():
        _fail(
            f"there is no ledger at {store.file}; run this where the runtime runs, or set ZEEBE_CONNECTORS_DATA or "
            "ZEEBE_CONNECTORS_LEDGER to the runtime's values"
        )
    return store


def _fail(message: str) -> NoReturn:
    sys.stderr.write(f"zeebe-connectors: {message}\n")
    raise typer.Exit(2)


@app.command("list")
def list_entries(
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    state: Annotated[str | None, typer.Option(help=f"Only this state: {', '.join(get_args(State))}.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many, newest first.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    config: ConfigFile = None,
) -> None:
    """List events with their state, newest first."""
    if state is not None and state not in get_args(State):
        _fail(f"--state must be one of {', '.join(get_args(State))}")
    entries = _use(config, lambda ledger: ledger.entries(source=source, state=cast("State | None", state), limit=limit))
    if as_json:
        typer.echo(json.dumps([_fields(entry) for entry in entries], indent=2))
        return
    for entry in entries:
        note = f"  {entry.reason.splitlines()[0]}" if entry.reason else ""
        typer.echo(f"{_time(entry.updated)}  {entry.state:<11}  {entry.source}  {entry.id}  {entry.title!r}{note}")


@app.command()
def show(
    source: SourceName,
    event: EventId,
    original: Annotated[
        Path | None, typer.Option(help="Write the original of a quarantined event to this file.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Show everything that is known about one event."""

    async def work(ledger: Ledger) -> tuple[Entry | None, bytes | None]:
        return await ledger.find(source, event), await ledger.original(source, event) if original else None

    entry, data = _use(config, work)
    if entry is None:
        _fail(f"the source {source!r} has no event {event!r}")
    for name, value in _fields(entry).items():
        shown = _time(value) if name in {"started", "updated"} and value else value
        typer.echo(f"{name:<13}{shown}")
    if original is not None:
        if data is None:
            _fail("the ledger holds no original of this event")
        original.write_bytes(data)
        typer.echo(f"original     {original} ({len(data):,} bytes)")


@app.command()
def retry(source: SourceName, event: EventId, config: ConfigFile = None) -> None:
    """Try a quarantined event again at the source's next poll (within five minutes)."""
    if not _use(config, lambda ledger: ledger.retry(source, event)):
        _fail(f"the source {source!r} has no quarantined event {event!r}")
    typer.echo("It is tried again when the source next sees it; a mail that was moved away must be moved back first.")


@app.command()
def forget(
    source: SourceName,
    event: EventId,
    yes: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
    config: ConfigFile = None,
) -> None:
    """Remove everything known about an event: when seen again it counts as new, and may start a second process."""
    if not yes:
        _store(config)  # a missing ledger is reported before the question
        typer.confirm("If the event is still there, it will be handed over again. Forget it?", abort=True)
    if not _use(config, lambda ledger: ledger.forget(source, event)):
        _fail(f"the source {source!r} has no event {event!r}")
    typer.echo("Forgotten.")


@app.command()
def adopt(
    yes: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
    config: ConfigFile = None,
) -> None:
    """Assign the ledger to the cluster that the runtime meets next: the same one with a new id, as after a restore."""
    known = _with_store(config, lambda store: owner_of(StoredMemory(store)))
    if not known:
        typer.echo("The ledger belongs to no cluster yet; it will belong to the one that the runtime connects to next.")
        return
    if not yes:
        typer.confirm(
            f"The ledger belongs to the cluster {known}. A new, empty cluster uses the same keys for other tasks, "
            "which would be mistaken for those of the old one. Is it the same cluster?",
            abort=True,
        )
    _with_store(config, lambda store: disown(StoredMemory(store)))
    typer.echo("The ledger will belong to the cluster that the runtime connects to next.")


@app.command()
def remembered(
    place: Annotated[str | None, typer.Option(help="Only this place, such as smtp.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many, last seen first.")] = 50,
    forget_id: Annotated[
        str | None, typer.Option("--forget", metavar="ID", help="Forget this id of that place instead of listing.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    config: ConfigFile = None,
) -> None:
    """List what tasks must not repeat, such as mails sent for tasks that the engine does not know to be done."""
    if forget_id is not None:
        _forget_remembered(place, forget_id, config, yes=yes)
        return
    found = _with_store(config, lambda store: StoredMemory(store).entries(place=place, limit=limit))
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], indent=2))
        return
    for each in found:
        typer.echo(f"{_time(each.seen)}  {each.place}  {each.id}  {each.text}")


def _forget_remembered(place: str | None, forget_id: str, config: Path | None, *, yes: bool) -> None:
    if place is None:
        _fail("--forget needs --place")
    if not yes:
        _store(config)
        typer.confirm("If the task is tried again, it will do this again. Forget it?", abort=True)

    async def work(store: Store) -> bool:
        memory = StoredMemory(store)
        known = bool(await memory.recall(place, [forget_id]))
        await memory.forget(place, forget_id)
        return known

    if not _with_store(config, work):
        _fail(f"nothing is remembered about {forget_id!r} at {place!r}")
    typer.echo("Forgotten.")


def _fields(entry: Entry) -> dict[str, Any]:
    return {name: value for name, value in asdict(entry).items() if name != "age"}  # for the runtime only


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
