"""Write a source into the file of sources, for a process chosen from those deployed: `zeebe-connectors sources new`."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from zeebe_connectors.cli.options import ConfigFile
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.inbound.deployed import Startable, deployed_processes
from zeebe_connectors.runtime.inbound.elements import SourcesError, nested, read_sources
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.connector import Inbound
from zeebe_connectors.sdk.errors import ConnectorError, InputError
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.sdk.registry import Registry

if TYPE_CHECKING:
    from zeebe_connectors.templates.form import Field, Form

app = typer.Typer(no_args_is_help=True, help="Write sources of events that need no diagram, such as mailboxes.")

FILE = Path("sources.toml")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_MAX_CHOICES = 100
"""How many processes are listed to choose from; any other is named with --process or --message."""


@app.callback()
def top() -> None:
    """Write sources of events that need no diagram, such as mailboxes."""


@app.command("new")
def new_source(
    name: Annotated[str, typer.Argument(help="The source's name: letters, digits, - and _.")],
    connector: Annotated[
        str, typer.Option(help="What it watches: an inbound connector, such as imap or pop3.")
    ] = "imap",
    process: Annotated[str, typer.Option(help="BPMN id of the process to start; asked for when left out.")] = "",
    message: Annotated[str, typer.Option(help="Message to publish instead, which starts or continues a process.")] = "",
    given: Annotated[
        list[str] | None, typer.Option("--set", metavar="INPUT=VALUE", help="An input, such as host=mail.example.com.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Where to write it; ZEEBE_CONNECTORS_SOURCES, or sources.toml.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Write a source; lists the deployed processes to choose from, and asks for what the connector needs."""
    environment = Environment.load(file=config)
    settings = Settings.read(environment)
    target = file or settings.sources or FILE
    if not _NAME.fullmatch(name):
        _fail(f"NAME: {name!r} must be letters, digits, - and _, such as orders")
    process, message = process.strip(), message.strip()
    if process and message:
        _fail("name either --process or --message")
    try:
        before = _before(target)
        if before and any(element.id == name for element in read_sources(target)):
            _fail(f"{target} already has a source [{name}]; choose another name, or change it there")
        chosen = _connector(connector)
        pairs = _pairs(given or [])
        if not process and not message:
            process, message = _choose(asyncio.run(_startable(settings)))
        values = _values(chosen, name, pairs)
        read_input(chosen.input, nested(values))
        text = _table(name, chosen, values, process=process, message=message)
        _write(target, before, text)
    except (SourcesError, ConnectorError) as error:
        _fail(str(error))
    typer.echo(f"[{name}] is written to {target}.")
    for secret in sorted(set(re.findall(r"\{\{secrets\.(\w+)\}\}", text))):
        typer.echo(f"Set the secret {secret}.")
    if settings.sources != target:
        typer.echo(f"Let the runtime read the file: ZEEBE_CONNECTORS_SOURCES={target}")
    if connector in {"imap", "pop3"}:
        typer.echo(f"Try it without starting anything: zeebe-connectors {connector} test --source {name}")


def _before(target: Path) -> str:
    """Returns what the file holds so far."""
    try:
        return target.read_text(encoding="utf-8-sig") if target.exists() else ""
    except OSError as error:
        raise InputError(f"{target} cannot be read: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{target} is not UTF-8; save it as such") from None


def _fail(message: str) -> NoReturn:
    sys.stderr.write(f"zeebe-connectors: {message}\n")
    raise typer.Exit(2)


def _connector(name: str) -> Inbound:
    registry = Registry.installed()
    if name in registry.unavailable:
        raise InputError(f"the connector {name} cannot be used: {registry.unavailable[name].reason}")
    if name not in registry.inbound:
        raise InputError(f"there is no inbound connector {name!r}; known are: {', '.join(sorted(registry.inbound))}")
    return registry.inbound[name]


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise InputError(f"--set {text}: write it as INPUT=VALUE, such as host=mail.example.com")
        pairs[name.strip()] = value
    return pairs


async def _startable(settings: Settings) -> Sequence[Startable]:
    """Returns what is deployed and can be started from outside."""
    clients = ClientCache()
    try:
        deployed = deployed_processes(settings.cluster, clients)
        if deployed is None:
            raise InputError(
                "the deployed processes cannot be listed: set CAMUNDA_CLIENT_REST_ADDRESS to the cluster's REST "
                "address, or name one with --process or --message"
            )
        found = await deployed.startable()
    finally:
        await clients.aclose()
    if not found:
        raise InputError(
            "no deployed process can be started from outside: deploy one with a plain or a message start event, such "
            "as with zeebe-connectors deploy"
        )
    return found


def _choose(found: Sequence[Startable]) -> tuple[str, str]:
    """Asks which process; returns its id, or the message that starts it."""
    typer.echo("What should an event start?")
    for number, one in enumerate(found[:_MAX_CHOICES], 1):
        named = f" ({one.name})" if one.name and one.name != one.process else ""
        how = f"by the message {one.message}" if one.message else "by its plain start event"
        typer.echo(f"  {number:>3}  {one.process}{named}, version {one.version}, {how}")
    if len(found) > _MAX_CHOICES:
        typer.echo(f"  and {len(found) - _MAX_CHOICES} more; name one with --process or --message")
    last = min(len(found), _MAX_CHOICES)
    while not 1 <= (number := typer.prompt("Number", type=int)) <= last:
        typer.echo(f"One of 1 to {last}, please.")
    one = found[number - 1]
    return ("", one.message) if one.message else (one.process, "")


def _values(connector: Inbound, name: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Returns the source's inputs by dotted name: those given, those asked for, and the form's defaults."""
    from zeebe_connectors.templates.form import form_of

    form = form_of(connector)
    known = {item.path for item in (*form.fields, *form.accepted)}
    given = {_path(key, known): value for key, value in given.items()}
    if unknown := sorted(set(given) - known):
        raise InputError(f"--set {unknown[0]}: {connector.name} has no such input, only {', '.join(sorted(known))}")
    values: dict[str, Any] = {}
    for item in form.fields:
        if item.header or not _is_shown(item, form, values):
            continue
        if item.path in given:
            values[item.path] = given[item.path]
        elif item.start is not None and (item.required or item.start != item.default):
            values[item.path] = item.start
        elif item.required and item.secret:
            last = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", item.path.rpartition(".")[2])
            values[item.path] = "{{secrets." + re.sub(r"\W", "_", f"{name}_{last}").upper() + "}}"
        elif item.required:
            values[item.path] = typer.prompt(item.label)
    return values | {path: value for path, value in given.items() if path not in values}


def _path(name: str, known: Collection[str]) -> str:
    """Returns the input that is meant by a name: its last part is enough if no other input has the same."""
    if name in known:
        return name
    last = [path for path in known if path.rpartition(".")[2].lower() == name.lower()]
    last = last or [path for path in known if path.rpartition(".")[2].lower().endswith(name.lower())]
    return last[0] if len(last) == 1 else name


def _is_shown(item: Field, form: Form, values: Mapping[str, Any]) -> bool:
    """Returns whether a form with these values shows the field; the fields that it depends on come before it."""
    others = {other.id: other for other in form.fields}
    return all(values.get(others[one.field].path, others[one.field].start) in one.values for one in item.conditions)


def _table(name: str, connector: Inbound, values: Mapping[str, Any], *, process: str, message: str) -> str:
    lines = [f"[{name}]", f"type = {json.dumps(connector.type)}"]
    lines.append(f"message = {_toml(message)}" if message else f"process = {_toml(process)}")
    if connector.result_variable:
        lines.append(f"resultVariable = {_toml(connector.result_variable)}")
    lines += [f"{path} = {_toml(value)}" for path, value in values.items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Writes a value as TOML: texts as in JSON, except for the one character that only TOML escapes."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _write(target: Path, before: str, text: str) -> None:
    """Adds the table to the file, once it is known to be readable as a whole."""
    after = f"{before.rstrip()}\n\n{text}" if before.strip() else text
    target = target.resolve()  # a link stays one
    draft = target.with_name(f".{target.name}.new")
    try:
        draft.write_text(after, encoding="utf-8")
        if target.exists():
            shutil.copymode(target, draft)
        read_sources(draft)
        draft.replace(target)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)
