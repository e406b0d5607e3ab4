"""List the commands: one function for each, which imports only the modules that it needs."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zeebe_connectors._version import __version__
from zeebe_connectors.cli.options import ConfigFile
from zeebe_connectors.cli.start import fail, load, start

if TYPE_CHECKING:
    from zeebe_connectors.sdk.connector import Outbound

app = typer.Typer(
    name="zeebe-connectors",
    help="The connector runtime for Camunda 8 in Python.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


PARTS = {
    "documents": "zeebe_connectors.cli.documents",
    "engine": "zeebe_connectors.cli.engine",
    "feel": "zeebe_connectors.cli.feel",
    "imap": "zeebe_connectors.cli.imap",
    "ledger": "zeebe_connectors.cli.ledger",
    "new": "zeebe_connectors.cli.new",
    "pop3": "zeebe_connectors.cli.pop3",
    "providers": "zeebe_connectors.cli.providers",
    "soap": "zeebe_connectors.cli.soap",
    "sources": "zeebe_connectors.cli.sources",
    "template": "zeebe_connectors.cli.template",
}
"""Commands in modules of their own: a module with an `app` of several commands, or a function of the same name."""


def command() -> None:
    """Runs the command that the arguments name."""
    wanted = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    add_parts([] if wanted in known else [wanted] if wanted in PARTS else PARTS)
    app()


def add_parts(names: Iterable[str] = PARTS) -> None:
    """Adds the commands of these parts; the others cost no import."""
    for name in names:
        part = import_module(PARTS[name])
        if hasattr(part, "app"):
            app.add_typer(part.app, name=name)
        else:
            app.command(name)(getattr(part, name))


@app.callback(invoke_without_command=True)
def top(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Runs Camunda 8 connectors: element templates for the Modeler, job workers for the engine."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def run(
    config: ConfigFile = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what helps with troubleshooting.")] = False,
) -> None:
    """Run the connectors against the configured cluster until SIGTERM or Ctrl+C."""
    start(config, verbose=verbose)


@app.command("list")
def list_connectors(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """List the installed connectors, and what the unusable ones need."""
    from zeebe_connectors.sdk.registry import Registry

    registry = Registry.installed()
    rows = [
        {"name": c.name, "title": c.title, "type": c.type, "kind": kind, "available": True, "note": c.summary}
        for kind, connectors in (("outbound", registry.outbound), ("inbound", registry.inbound))
        for c in connectors.values()
    ]
    rows += [
        {"name": u.name, "title": "", "type": "", "kind": "", "available": False, "note": u.reason}
        for u in registry.unavailable.values()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    width = max((len(str(row["name"])) for row in rows), default=0)
    kinds = max((len(str(row["type"])) for row in rows), default=0)
    for row in rows:
        mark = "" if row["available"] else "unavailable: "
        typer.echo(f"{row['name']:<{width}}  {row['type']:<{kinds}}  {mark}{row['note']}")


@app.command()
def check(
    config: ConfigFile = None,
    connect: Annotated[
        bool, typer.Option("--connect", help="Also reach the cluster, the ledger's database and the providers.")
    ] = False,
) -> None:
    """Check settings, connectors, sources and, with --connect, that cluster, ledger and providers answer."""
    from zeebe_connectors.cli.check import report

    environment, settings = load(config)
    raise SystemExit(asyncio.run(report(environment, settings, connect=connect)))


@app.command("try")
def try_connector(
    connector: Annotated[str, typer.Argument(help="Name of the connector, see `zeebe-connectors list`.")],
    file: Annotated[
        Path, typer.Argument(help='JSON file: the inputs, or {"variables": …, "headers": …}. "-" reads from stdin.')
    ],
    test: Annotated[
        bool,
        typer.Option("--test", help="Only test address and login; the connector's own test, which changes nothing."),
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Carry out one job without an engine and show its outcome."""
    from zeebe_connectors.cli.trial import run_trial

    environment, settings = load(config)
    try:
        given: Any = json.loads(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}")
    except ValueError as error:
        fail(f"{file} is not JSON: {error}")
    if not isinstance(given, dict):
        fail(f"{file} must hold a JSON object: the connector's inputs by name")
    raise SystemExit(asyncio.run(run_trial(_outbound(connector), given, environment, settings, test=test)))


def _outbound(name: str) -> Outbound:
    from zeebe_connectors.sdk.registry import Registry

    registry = Registry.installed([name])
    if name in registry.unavailable:
        fail(f"the connector {name} cannot be used: {registry.unavailable[name].reason}")
    if name not in registry.outbound:
        fail(f"there is no outbound connector {name!r}; known are: {', '.join(sorted(Registry.installed().outbound))}")
    return registry.outbound[name]


@app.command()
def deploy(
    files: Annotated[list[Path], typer.Argument(help="Diagrams (.bpmn), decisions (.dmn), forms; or folders of them.")],
    tenant: Annotated[str, typer.Option(help="The tenant that they belong to; the configured one when left out.")] = "",
    config: ConfigFile = None,
) -> None:
    """Deploy files together to the configured cluster."""
    from zeebe_connectors.cli.deploy import deploy_files

    _, settings = load(config)
    raise SystemExit(asyncio.run(deploy_files(files, settings, tenant=tenant)))


@app.command()
def dev(
    folder: Annotated[
        Path,
        typer.Argument(help="Its diagrams are deployed whenever they change.", exists=True, file_okay=False),
    ] = Path(),
    config: ConfigFile = None,
) -> None:
    """Run engine, mail server and connectors locally; redeploy the diagrams of a folder as they change."""
    from zeebe_connectors.cli.dev import develop

    environment, _ = load(config)
    raise SystemExit(asyncio.run(develop(folder, environment)))


@app.command()
def demo() -> None:
    """Show the main job on a local engine: a REST call, a mail, an error caught, a mail that starts a process."""
    from zeebe_connectors.cli.demo import show

    raise SystemExit(asyncio.run(show()))
