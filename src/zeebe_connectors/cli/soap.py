"""`zeebe-connectors soap`: a WSDL goes in; a list of its operations, a template for each, or a reply comes out."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.secrets import Mask, SecretResolver
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.sdk.context import Context, Job
from zeebe_connectors.sdk.errors import ConnectorError
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.sdk.files import AllowedFiles

if TYPE_CHECKING:
    from zeebe_connectors.connectors.soap.wsdl import Wsdl

app = typer.Typer(no_args_is_help=True, help="SOAP services: from a WSDL to templates and calls.")

WsdlArgument = Annotated[str, typer.Argument(help="Address of the WSDL, or a file.")]
Names = Annotated[list[str] | None, typer.Option("--operation", "-o", help="Only this operation; may be repeated.")]
Service = Annotated[str | None, typer.Option(help="Only this service.")]
Port = Annotated[str | None, typer.Option(help="Only this port.")]
Hosts = Annotated[
    list[str] | None, typer.Option("--host", help="Further host that the WSDL may import from; may be repeated.")
]
ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", help="TOML file with settings.")]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What to read, and how."""

    wsdl: str
    hosts: tuple[str, ...] = ()
    user: str | None = None
    password: str | None = None

    def inputs(self, body: dict[str, Any]) -> dict[str, Any]:
        """The connector's inputs."""
        given: dict[str, Any] = {
            "body": {"type": "operation", "wsdl": self.wsdl, "external": list(self.hosts), "operation": "", **body}
        }
        if self.user:
            given["httpAuthentication"] = {"type": "basic", "username": self.user, "password": self.password or ""}
        return given


@app.callback()
def top() -> None:
    """SOAP services: from a WSDL to templates and calls."""


@app.command("import")
def import_wsdl(
    wsdl: WsdlArgument,
    operation: Names = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write a template per operation to.")] = None,
    service: Service = None,
    port: Port = None,
    host: Hosts = None,
    address: Annotated[
        str | None, typer.Option("--wsdl-address", help="What the template gives as the WSDL, if not what is read now.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the template, for one operation.")] = None,
    description: Annotated[str | None, typer.Option(help="Description of the template, for one operation.")] = None,
    user: Annotated[str | None, typer.Option(help="User name for HTTP Basic.")] = None,
    password: Annotated[str | None, typer.Option(envvar="SOAP_PASSWORD", help="Password for HTTP Basic.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    config: ConfigFile = None,
) -> None:
    """Check a WSDL, list its operations, and with --out write an element template for each."""
    from zeebe_connectors.connectors.soap.importer import choose, described

    wanted = _Wanted(_located(wsdl), tuple(host or ()), user, password)
    found = _read(wanted, config)
    chosen = choose(found.operations, operation or (), service=service, port=port)
    missing = [item for item in operation or () if item not in {known.name for known in chosen}]
    if missing or not chosen:
        there = ", ".join(dict.fromkeys(item.name for item in found.operations))
        _fail(f"there is no operation {', '.join(missing) or 'that fits'}; there is {there}")
    if (name or description) and len(chosen) != 1:
        _fail("--name and --description are for one operation; choose it with --operation")
    if out is None:
        if as_json:
            shown = {"operations": [described(item) for item in chosen], "skipped": found.skipped}
            typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        else:
            _list(found, [described(item) for item in chosen])
        return
    from zeebe_connectors.connectors.soap.connector import call as connector
    from zeebe_connectors.connectors.soap.importer import template_of
    from zeebe_connectors.templates.element_template import template_text, templates_of

    base = templates_of(connector)["soap"]
    out.mkdir(parents=True, exist_ok=True)
    for item in chosen:
        made = template_of(item, address or wanted.wsdl, base, name=name, description=description, hosts=wanted.hosts)
        (out / made.file).write_text(template_text(made.template), encoding="utf-8")
        typer.echo(f"{out / made.file}  {made.template['name']}")
    for reason in found.skipped:
        typer.echo(f"left out: {reason}", err=True)


@app.command()
def call(
    wsdl: WsdlArgument,
    operation: Annotated[str, typer.Argument(help="Name of the operation.")],
    file: Annotated[
        Path | None, typer.Argument(help='JSON file with the input; "-" reads from stdin. None sends an empty input.')
    ] = None,
    url: Annotated[str | None, typer.Option(help="Address of the service, if not the WSDL's.")] = None,
    service: Service = None,
    port: Port = None,
    host: Hosts = None,
    user: Annotated[str | None, typer.Option(help="User name for HTTP Basic.")] = None,
    password: Annotated[str | None, typer.Option(envvar="SOAP_PASSWORD", help="Its password.")] = None,
    inputs: Annotated[
        Path | None, typer.Option(help="JSON file with further inputs of the connector, such as `authentication`.")
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Show a sample of the input instead of calling.")] = False,
    config: ConfigFile = None,
) -> None:
    """Call an operation by hand and show its typed output."""
    from zeebe_connectors.connectors.soap.connector import call as connector
    from zeebe_connectors.connectors.soap.fields import Message

    wanted = _Wanted(_located(wsdl), tuple(host or ()), user, password)
    if sample:
        from zeebe_connectors.connectors.soap.importer import sample_input

        try:
            found = _read(wanted, config).find(operation, service=service, port=port)
        except ConnectorError as error:
            _fail(str(error))
        typer.echo(json.dumps(sample_input(found.input), indent=2, ensure_ascii=False))
        return
    body = {"operation": operation, "service": service, "port": port, "input": _json(file) if file else {}}
    given = wanted.inputs(body) | (_json(inputs) if inputs else {}) | ({"serviceUrl": url} if url else {})

    async def carry_out() -> Any:
        async with _context(wanted, config) as (context, secrets):
            known = await secrets.resolve(given, connector.secret_places, mask=Mask())
            return await connector(read_input(Message, known), context)

    started = time.monotonic()
    try:
        result = asyncio.run(carry_out())
    except ConnectorError as error:
        shown = {"code": error.code, "message": str(error), "variables": error.variables}
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False, default=str))
        raise SystemExit(1) from None
    typer.echo(json.dumps(result, indent=2, ensure_ascii=False))
    typer.echo(f"{round((time.monotonic() - started) * 1000)} ms", err=True)


def _located(wsdl: str) -> str:
    """The address as it is, or the real path of a file."""
    if wsdl.lower().startswith(("http://", "https://")):
        return wsdl
    path = Path(wsdl.removeprefix("file://")).expanduser()
    if not path.is_file():
        _fail(f"{wsdl} is neither an address nor a file that is there")
    return str(path.resolve())


def _read(wanted: _Wanted, config: Path | None) -> Wsdl:
    from zeebe_connectors.connectors.soap.fields import Message, Operation
    from zeebe_connectors.connectors.soap.operation import wsdl_of

    async def read() -> Wsdl:
        given = read_input(Message, wanted.inputs({"operation": "any"}))
        if not isinstance(given.body, Operation):
            raise TypeError
        async with _context(wanted, config) as (context, _):
            return await wsdl_of(given, given.body, context)

    try:
        return asyncio.run(read())
    except ConnectorError as error:
        _fail(str(error))


@asynccontextmanager
async def _context(wanted: _Wanted, config: Path | None) -> AsyncIterator[tuple[Context, SecretResolver]]:
    """A context as a job's, with the directory of the WSDL allowed besides the operator's; and the secrets."""
    from zeebe_connectors.runtime.supervisor import services

    environment = Environment.load(file=config)
    settings = Settings.read(environment)
    folders = [] if wanted.wsdl.startswith("http") else [Path(wanted.wsdl).parent, Path.cwd()]
    needed = services(replace(settings, files=(*settings.files, *folders)), environment)
    log = logging.LoggerAdapter(logging.getLogger("zeebe_connectors.soap"), {})
    try:
        context = Context(
            Job(1, "io.camunda:soap:1"),
            needed.kept,
            needed.documents,
            AllowedFiles([*settings.files, *folders]),
            log,
            deadline=time.monotonic() + 60,
        )
        yield context, needed.secrets
    finally:
        await needed.kept.aclose()


def _list(found: Wsdl, operations: list[dict[str, Any]]) -> None:
    service = None
    for item in operations:
        if item["service"] != service:
            service = item["service"]
            typer.echo(f"{service} (SOAP {item['version']}) at {item['address'] or 'no address'}")
        typer.echo(f"  {item['operation']}" + (f": {item['documentation']}" if item["documentation"] else ""))
        for name, kind in item["input"].items():
            typer.echo(f"      {name}: {kind}")
        if item["headers"]:
            typer.echo(f"      SOAP header: {', '.join(item['headers'])}")
        if item["output"]:
            typer.echo(f"      -> {', '.join(item['output'])}")
    for reason in found.skipped:
        typer.echo(f"left out: {reason}")


def _json(file: Path) -> dict[str, Any]:
    try:
        given = json.loads(sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        _fail(f"{file}: {error}")
    if not isinstance(given, dict):
        _fail(f"{file}: must hold a JSON object")
    return given


def _fail(message: str) -> NoReturn:
    sys.stderr.write(f"zeebe-connectors: {message}\n")
    raise SystemExit(2)
