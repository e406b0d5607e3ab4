"""Show, edit and check the named remote systems, for operators at a terminal: `zeebe-connectors providers`."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from zeebe_connectors.cli.options import ConfigFile
from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.providers import Provider
from zeebe_connectors.config.providers.secured import put
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.ledger import LedgerError, Store, store_of
from zeebe_connectors.runtime.providers import ENVIRONMENT_SETTING, Editor, Known, Providers, ProviderStore
from zeebe_connectors.runtime.providers.checking import Finding, check
from zeebe_connectors.runtime.providers.exporting import as_yaml, exported
from zeebe_connectors.runtime.providers.showing import fitting, shown_entry, shown_known, utc_time
from zeebe_connectors.runtime.services import Services, services_of
from zeebe_connectors.sdk.errors import ConnectorError

app = typer.Typer(
    no_args_is_help=True, help="Show, edit and check named remote systems: environments, credentials and rules."
)

Name = Annotated[str, typer.Argument(help="The provider's name, as `providers list` shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Document = Annotated[
    Path | None, typer.Option("--file", "-f", help="YAML or JSON file with the provider's document; - for stdin.")
]
Sets = Annotated[
    list[str] | None, typer.Option("--set", help="FIELD=VALUE, such as environments.live.url=https://host/.")
]
SecretSets = Annotated[
    list[str] | None,
    typer.Option("--secret", help="FIELD whose value is prompted for, such as environments.live.tls.password."),
]
_ALL = "*"
ResultT = TypeVar("ResultT")


class _Room:
    """What a command works with."""

    def __init__(self, services: Services, providers: Providers, database: Store) -> None:
        self.services = services
        self.providers = providers
        self.database = database

    @property
    def store(self) -> ProviderStore:
        found = self.providers.directory.store
        assert found is not None  # noqa: S101 - made with one below
        return found

    def known(self, name: str) -> Known:
        return self.providers.directory.get(name)

    def refuse_locked(self, name: str) -> None:
        known = self.providers.directory.all().get(name)
        if known is not None and known.kind == "file":
            _fail(f"{name} is defined in {self.providers.directory.file}, line {known.line}; change it there")

    async def version(self, name: str) -> int:
        entry = await self.store.find(name)
        if entry is None:
            _fail(f"there is no provider {name} in the database; `providers list` shows those that exist")
        return entry.version


def _run(config: Path | None, work: Callable[[_Room], Awaitable[ResultT]]) -> ResultT:
    environment = Environment.load(file=config)
    settings = Settings.read(environment)

    async def within() -> ResultT:
        database = store_of(settings.ledger, settings.data)
        services = services_of(settings, environment, store=database)
        providers = services.providers
        assert providers is not None  # noqa: S101 - there always are, if only none
        try:
            await providers.directory.refresh()
            return await work(_Room(services, providers, database))
        finally:
            await providers.aclose()
            await services.clients.aclose()
            await database.aclose()

    try:
        return asyncio.run(within())
    except (LedgerError, ConnectorError, SettingsError) as error:
        _fail(str(error))


def providers_in_force(config: Path | None) -> dict[str, Provider]:
    """Returns the providers of file and database, by name."""

    async def work(room: _Room) -> dict[str, Provider]:
        return {known.name: known.provider for known in room.providers.directory.all().values()}

    return _run(config, work)


@app.command("list")
def list_(
    text: Annotated[str, typer.Argument(help="Words to find in name, description or tags.")] = "",
    tag: Annotated[str, typer.Option(help="Only those with this tag.")] = "",
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """List the providers: protocol, environments, tags, and where each comes from."""

    async def work(room: _Room) -> tuple[list[dict[str, Any]], Mapping[str, str]]:
        directory = room.providers.directory
        shown = [shown_known(known, directory) for known in fitting(directory.all().values(), tag=tag, text=text)]
        return shown, directory.unusable()

    found, unusable = _run(config, work)
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    for name, why in unusable.items():
        typer.echo(f"{name} cannot be used: {why}", err=True)
    if as_json:
        return
    for item in found:
        where = f"line {item['from']['line']}" if item["from"]["kind"] == "file" else "database"
        off = "" if item["active"] else "  (off)"
        tags = ",".join(item.get("tags", ()))
        typer.echo(
            f"{item['name']:<20} {item['protocol']:<9} {','.join(item['environments']):<24} {where:<10} {tags}{off}"
        )
    if not found and not unusable:
        typer.echo("No providers; describe them in providers.yaml, or add one with `providers add`")


@app.command()
def show(name: Name, history: bool = False, config: ConfigFile = None) -> None:
    """Show a provider as JSON; of secured values only that they are set. With --history, who changed what."""

    async def work(room: _Room) -> Any:
        if history:
            return [
                f"{change.version}  {utc_time(change.at)}  {change.who}  {change.what}"
                for change in await room.store.history(name)
            ]
        known = room.providers.directory.all().get(name)
        entry = await room.store.find(name) if known is None or known.kind == "store" else None
        if entry is None:
            return shown_known(room.known(name), room.providers.directory)
        problem = room.store.problems.get(name)
        return {**shown_entry(entry), **({"problem": problem} if problem else {})}

    found = _run(config, work)
    typer.echo("\n".join(found) if isinstance(found, list) else json.dumps(found, indent=2, ensure_ascii=False))


@app.command()
def add(
    name: Name, file: Document = None, set_: Sets = None, secret: SecretSets = None, config: ConfigFile = None
) -> None:
    """Add a provider to the database, from a file or field by field."""
    document = _changed(_read(file) if file is not None else {}, set_ or [], secret or [])

    async def work(room: _Room) -> Any:
        room.refuse_locked(name)
        return await room.store.create(name, document, _editor())

    typer.echo(f"{name} is added, version {_run(config, work).version}")


@app.command()
def edit(
    name: Name, file: Document = None, set_: Sets = None, secret: SecretSets = None, config: ConfigFile = None
) -> None:
    """Change a provider of the database: all of it from a file, or fields. Secured values that are not given stay."""
    if file is None and not set_ and not secret:
        _fail("say what to change: --file, --set FIELD=VALUE or --secret FIELD")
    given = _read(file) if file is not None else None
    entered = _changed({}, [], secret or [])

    async def work(room: _Room) -> Any:
        room.refuse_locked(name)
        entry = await room.store.find(name)
        version = await room.version(name)
        document = dict(given) if given is not None else json.loads(json.dumps(entry.document if entry else {}))
        document = _changed(document, set_ or [], [])
        for field in secret or ():
            put(document, field, {"value": _at(entered, field)})
        return await room.store.change(name, document, _editor(), version=version)

    entry = _run(config, work)
    typer.echo(f"{name} is changed, version {entry.version}")
    for place in entry.dropped:
        typer.echo(f"  {'.'.join(place)} was dropped, because its address changed; set it again with --secret")


@app.command()
def remove(
    name: Name, yes: bool = typer.Option(False, "--yes", help="Skip the confirmation."), config: ConfigFile = None
) -> None:
    """Remove a provider from the database, with its secured values."""
    if not yes:
        typer.confirm(f"Remove {name}? Tasks that name it become incidents", abort=True)

    async def work(room: _Room) -> None:
        room.refuse_locked(name)
        await room.store.delete(name, _editor(), version=await room.version(name))

    _run(config, work)
    typer.echo(f"{name} is removed")


@app.command("check")
def check_(
    name: Annotated[str, typer.Argument(help="One provider; all when left out.")] = "",
    environment: Annotated[str, typer.Option(help="Of this environment; of the one in force when left out.")] = "",
    every: Annotated[bool, typer.Option("--all", help="All environments.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Connect to nothing; check only what is written.")] = False,
    config: ConfigFile = None,
) -> None:
    """Check addresses, secrets, connections and logins; exit with 1 when something needs fixing."""

    async def work(room: _Room) -> bool:
        known = room.known(name) if name else None
        if known is not None and environment and environment not in known.provider.environments:
            _fail(f"{name} has no environment {environment}; it has {', '.join(known.provider.environments)}")
        environments = _ALL if every else environment or room.providers.environment
        return await show_checked(
            room.services, room.database, name=name, environment=environments, connect=not offline
        )

    raise typer.Exit(0 if _run(config, work) else 1)


async def show_checked(
    services: Services, database: Store, *, name: str = "", environment: str = "", connect: bool = True
) -> bool:
    """Checks providers and prints a line for each finding; returns whether nothing needs fixing.

    Args:
        services: With the providers, which have just been read again.
        database: Where some may be.
        name: One provider; all when left out.
        environment: Of this environment, or `*` for every one.
        connect: Whether they are reached.
    """
    providers = services.providers
    if providers is None:
        return True
    directory = providers.directory
    chosen = [directory.get(name)] if name else list(directory.all().values())
    found: list[tuple[str, list[Finding]]] = []
    for known in chosen:
        environments = _environments(known, environment)
        if not environments:
            found.append((known.name, [Finding("environment", "warning", _why_none(known, environment))]))
        for one in environments:
            findings = await check(providers, known, one, services=services, store=database, connect=connect)
            found.append((f"{known.name}/{one}", findings))
    if not name:
        found += [(one, [Finding("secrets", "failed", why)]) for one, why in directory.unusable().items()]
    for where, findings in found:
        for finding in findings or [Finding("address", "ok", "is described well")]:
            typer.echo(f"{where:<28} {finding.verdict:<8} {finding.what}: {finding.text}")
    return not any(finding.verdict == "failed" for _, findings in found for finding in findings)


@app.command()
def copy(
    name: Name,
    from_: Annotated[str, typer.Option("--from", help="The environment to copy from.")],
    to: Annotated[str, typer.Option("--to", help="The environment to write to.")],
    secured: Annotated[bool, typer.Option("--secured", help="Copy secured values too.")] = False,
    config: ConfigFile = None,
) -> None:
    """Copy one environment of a provider onto another."""

    async def work(room: _Room) -> Any:
        room.refuse_locked(name)
        version = await room.version(name)
        return await room.store.copy(name, _editor(), from_=from_, to=to, version=version, secured=secured)

    entry = _run(config, work)
    typer.echo(f"{to} is now the same as {from_}, version {entry.version}")
    for place in entry.dropped:
        typer.echo(
            f"  {'.'.join(place)} was dropped, because its address changed; set it with `providers edit --secret`"
        )
    for environment, field in sorted(entry.secured):
        if environment == from_ and (to, field) not in {*entry.secured, *entry.dropped}:
            typer.echo(f"  {to}.{field} is not set; set it with `providers edit --secret environments.{to}.{field}`")


@app.command()
def export(config: ConfigFile = None) -> None:
    """Write all providers as YAML for providers.yaml, with secrets to be set in place of secured values."""

    async def work(room: _Room) -> dict[str, Any]:
        return await exported(room.providers.directory)

    typer.echo(as_yaml(_run(config, work)), nl=False)


@app.command()
def schema() -> None:
    """Write the JSON schema of providers.yaml, for editors."""
    from zeebe_connectors.config.providers.schema import schema as made

    typer.echo(json.dumps(made(), indent=2))


@app.command()
def rotate(config: ConfigFile = None) -> None:
    """Seal all secured values of the database with the first key of ZEEBE_CONNECTORS_PROVIDERS_KEY."""
    count = _run(config, lambda room: room.store.rotate(_editor()))
    typer.echo(
        f"{count} {'value is' if count == 1 else 'values are'} sealed again; keys after the first are no longer needed"
    )


def _environments(known: Known, wanted: str) -> list[str]:
    """Returns the environments to check: all for `*`, the named one if there is one, or the only one."""
    there = list(known.provider.environments)
    if wanted == _ALL:
        return there
    if wanted in there:
        return [wanted]
    return there if len(there) == 1 and not wanted else []


def _why_none(known: Known, wanted: str) -> str:
    """Says why a provider has no environment to check, and what to do."""
    there = ", ".join(known.provider.environments)
    if wanted:
        return f"has no environment {wanted}, only {there}: with that one in force its tasks become incidents"
    return (
        f"has {there}, and none is in force: its tasks become incidents; set {ENVIRONMENT_SETTING}, or name one here "
        "with --environment"
    )


def _read(file: Path) -> dict[str, Any]:
    from zeebe_connectors.config.providers.file import read_document

    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        found = read_document(data, str(file))
    except OSError as error:
        _fail(f"{file}: cannot be read: {error.strerror}")
    except SettingsError as error:
        _fail(str(error))
    if not isinstance(found, dict):
        _fail(f"{file}: must hold one provider's document")
    return found


def _changed(document: dict[str, Any], sets: list[str], secrets: list[str]) -> dict[str, Any]:
    for item in sets:
        field, equals, value = item.partition("=")
        if not equals:
            _fail(f"--set {field}: write FIELD=VALUE")
        put(document, field, _value(value))
    for field in secrets:
        put(
            document,
            field,
            {"value": getpass.getpass(f"{field}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")},
        )
    return document


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _at(document: dict[str, Any], path: str) -> Any:
    found: Any = document
    for name in path.split("."):
        found = found[name]
    return found["value"]


def _editor() -> Editor:
    try:
        return Editor(f"{getpass.getuser()} (command)")
    except (KeyError, OSError):
        return Editor("command")


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
