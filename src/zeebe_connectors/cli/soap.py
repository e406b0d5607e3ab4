"""List a WSDL's operations, make templates of them and try them: `zeebe-connectors soap`."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from zeebe_connectors.cli.options import ConfigFile
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.outbound.jobs import operator_defaults
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.context import Context, Job
from zeebe_connectors.sdk.errors import ConnectorError
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.sdk.importer import Imports

app = typer.Typer(no_args_is_help=True, help="Make templates from a WSDL, and call its operations by hand.")

WsdlArgument = Annotated[str, typer.Argument(help="Address of the WSDL, or a file.")]
Names = Annotated[list[str] | None, typer.Option("--operation", "-o", help="Only this operation; may be repeated.")]
Service = Annotated[str | None, typer.Option(help="Only this service.")]
Port = Annotated[str | None, typer.Option(help="Only this port.")]
Hosts = Annotated[
    list[str] | None, typer.Option("--host", help="Further host that the WSDL may import from; may be repeated.")
]


@app.callback()
def top() -> None:
    """Make templates from a WSDL, and call its operations by hand."""


@app.command("import")
def import_wsdl(
    wsdl: WsdlArgument,
    operation: Names = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write a template per operation to.")] = None,
    service: Service = None,
    port: Port = None,
    host: Hosts = None,
    address: Annotated[
        str | None,
        typer.Option("--wsdl-address", help="The WSDL that the template names, if not the one read now."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the template, for one operation.")] = None,
    file: Annotated[str | None, typer.Option(help="Name of the file, for a variant of one operation.")] = None,
    template_id: Annotated[str | None, typer.Option(help="Id of the template, for one operation.")] = None,
    keep_path: Annotated[
        bool, typer.Option("--keep-path", help="Write the local path of the WSDL into the templates.")
    ] = False,
    description: Annotated[str | None, typer.Option(help="Description of the template, for one operation.")] = None,
    fixed: Annotated[
        list[str] | None, typer.Option("--fixed", help="NAME=VALUE: fix this input at this value; may be repeated.")
    ] = None,
    start: Annotated[
        list[str] | None,
        typer.Option("--start", help="NAME=VALUE: start its form field with this value; may be repeated."),
    ] = None,
    variable: Annotated[
        list[str] | None,
        typer.Option(
            "--variable",
            help="NAME=VARIABLE: take it from this process variable or FEEL expression; may be repeated.",
        ),
    ] = None,
    user: Annotated[str | None, typer.Option(help="User name for HTTP Basic, to read the WSDL.")] = None,
    password: Annotated[str | None, typer.Option(envvar="SOAP_PASSWORD", help="Its password.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    config: ConfigFile = None,
) -> None:
    """Check a WSDL, list its operations, and with --out write an element template for each."""
    from zeebe_connectors.connectors.soap.connector import call as connector
    from zeebe_connectors.connectors.soap.inputs import WsdlImport
    from zeebe_connectors.templates.element_template import templates_of

    importer = connector.importer
    if importer is None:
        raise TypeError
    located = _located(wsdl)
    presets = {name: {"mode": "fixed", "value": _value(value)} for name, value in _pairs(fixed, "--fixed")}
    presets |= {name: {"mode": "edited", "value": _value(value)} for name, value in _pairs(start, "--start")}
    presets |= {name: {"mode": "variable", "value": value} for name, value in _pairs(variable, "--variable")}
    wanted = {
        "wsdl": located,
        "external": host,
        "operations": operation,
        "service": service,
        "port": port,
        "wsdlAddress": address,
        "name": name,
        "description": description,
        "file": file,
        "templateId": template_id,
        "keepPath": keep_path,
        "presets": presets,
        "username": user,
        "password": password,
    }

    async def read() -> Any:
        given = read_input(WsdlImport, {name: value for name, value in wanted.items() if value})
        async with _context(located, config) as (context, _):
            if out is None:
                return await importer.inspect(given, context)
            return await importer.templates(given, context, templates_of(connector)["soap"], max_templates=None)

    try:
        found = asyncio.run(read())
    except ConnectorError as error:
        _fail(str(error))
    if out is None:
        if as_json:
            typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        else:
            _list(found)
        return
    _write(out, found)


def _write(out: Path, found: Imports) -> None:
    """Writes the templates, and prints what was left out and what to know about them."""
    from zeebe_connectors.templates.element_template import template_text

    out.mkdir(parents=True, exist_ok=True)
    for made in found.made:
        _refuse_another(out / made.file, made.template)
    for made in found.made:
        (out / made.file).write_text(template_text(made.template), encoding="utf-8")
        typer.echo(f"{out / made.file}  {made.template['name']}")
    for reason in found.skipped:
        typer.echo(f"left out: {reason}", err=True)
    for warning in found.warnings:
        typer.echo(f"warning: {warning}", err=True)


def _refuse_another(path: Path, template: dict[str, Any]) -> None:
    """Ends the command when a file holds another variant of the operation, which would be lost."""
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return
    if isinstance(known, dict) and known.get("name") != template["name"]:
        _fail(f"{path} holds the template {known.get('name')!r}; choose a --file for this variant, or remove that one")


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
    headers: Annotated[
        Path | None, typer.Option(help="JSON file with the operation's SOAP headers, by the WSDL's names.")
    ] = None,
    inputs: Annotated[
        Path | None, typer.Option(help="JSON file with further inputs of the connector, such as `authentication`.")
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Show a sample of the input instead of calling.")] = False,
    config: ConfigFile = None,
) -> None:
    """Call an operation by hand and show its typed output."""
    from zeebe_connectors.connectors.soap.connector import call as connector
    from zeebe_connectors.connectors.soap.inputs import Request

    located = _located(wsdl)
    body = {
        "type": "operation",
        "wsdl": located,
        "external": host or [],
        "operation": operation,
        "service": service,
        "port": port,
        "input": _json(file) if file else {},
        "headers": _json(headers) if headers else {},
    }
    given: dict[str, Any] = {"body": body, **(_json(inputs) if inputs else {}), **({"serviceUrl": url} if url else {})}
    if user:
        given["httpAuthentication"] = {"type": "basic", "username": user, "password": password or ""}
    if sample:
        typer.echo(json.dumps(_sample(given, located, config), indent=2, ensure_ascii=False))
        return

    async def carry_out() -> Any:
        async with _context(located, config) as (context, needed):
            known = {**operator_defaults(connector, needed.settings), **given}
            resolved = await needed.secrets.resolve(known, connector.secret_places, mask=Mask())
            return await connector(read_input(Request, resolved.value), context)

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
    """Returns the address as it is, or the real path of a file."""
    if wsdl.lower().startswith(("http://", "https://")):
        return wsdl
    path = Path(wsdl.removeprefix("file://")).expanduser()
    if not path.is_file():
        _fail(f"{wsdl} is neither an address nor an existing file")
    return str(path.resolve())


def _sample(given: dict[str, Any], located: str, config: Path | None) -> dict[str, Any]:
    """Makes a sample of an operation's input."""
    from zeebe_connectors.connectors.soap.inputs import BodyOperation, Request
    from zeebe_connectors.connectors.soap.operation_template import sample_input
    from zeebe_connectors.connectors.soap.wsdl_cache import wsdl_of

    async def read() -> dict[str, Any]:
        message = read_input(Request, given)
        if not isinstance(message.body, BodyOperation):
            raise TypeError
        async with _context(located, config) as (context, _):
            found = await wsdl_of(message, message.body, context)
        wanted = message.body
        return sample_input(found.find(wanted.operation, service=wanted.service, port=wanted.port).input)

    try:
        return asyncio.run(read())
    except ConnectorError as error:
        _fail(str(error))


def _pairs(options: list[str] | None, name: str) -> list[tuple[str, str]]:
    """Splits NAME=VALUE of an option that may be repeated."""
    pairs = [text.partition("=") for text in options or ()]
    for given, separator, _ in pairs:
        if not separator:
            _fail(f"{name} {given}: write it as NAME=VALUE")
    return [(given.strip(), value) for given, _, value in pairs]


def _value(text: str) -> Any:
    """Contexts and lists are JSON; anything else is text, which the schema gives its type."""
    if text.lstrip()[:1] in {"{", "["}:
        try:
            return json.loads(text)
        except ValueError as error:
            _fail(f"{text[:100]} is not JSON: {error}")
    return text


@asynccontextmanager
async def _context(located: str, config: Path | None) -> AsyncIterator[tuple[Context, Services]]:
    """Makes a context like a job's, which may read the WSDL's directory too; ends the services behind it afterwards."""
    from zeebe_connectors.runtime.services import services_of

    environment = Environment.load(file=config)
    settings = Settings.read(environment)
    folders = [] if located.startswith("http") else [Path(located).parent, Path.cwd()]
    needed = services_of(replace(settings, files=(*settings.files, *folders)), environment)
    log = logging.LoggerAdapter(logging.getLogger("zeebe_connectors.soap"), {})
    try:
        context = Context(
            Job(1, "io.camunda:soap:1"),
            needed.clients,
            needed.documents,
            AllowedFiles([*settings.files, *folders]),
            log,
            deadline=time.monotonic() + 60,
        )
        yield context, needed
    finally:
        await needed.aclose()


def _list(found: dict[str, Any]) -> None:
    service = None
    for item in found["operations"]:
        if item["service"] != service:
            service = item["service"]
            typer.echo(f"{service} (SOAP {item['version']}) at {item['address'] or 'no address'}")
        typer.echo(f"  {item['operation']}" + (f": {item['documentation']}" if item["documentation"] else ""))
        for name, kind in item["input"].items():
            typer.echo(f"      {name}: {kind}")
        for name, kind in item["headers"].items():
            typer.echo(f"      SOAP header {name}: {kind}")
        if item["output"]:
            typer.echo(f"      -> {', '.join(item['output'])}")
    for reason in found["skipped"]:
        typer.echo(f"left out: {reason}")


def _json(file: Path) -> dict[str, Any]:
    try:
        given = json.loads(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    except (OSError, ValueError) as error:
        _fail(f"{file}: {error}")
    if not isinstance(given, dict):
        _fail(f"{file}: must hold a JSON object")
    return given


def _fail(message: str) -> NoReturn:
    sys.stderr.write(f"zeebe-connectors: {message}\n")
    raise SystemExit(2)
