"""Write element templates to files or into the Modeler: `zeebe-connectors template`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zeebe_connectors.cli.options import ConfigFile

if TYPE_CHECKING:
    from zeebe_connectors.sdk.connector import Inbound, Outbound

app = typer.Typer(no_args_is_help=True, help="Write element templates for the Camunda Modeler, and check them.")

_Names = Annotated[
    list[str] | None, typer.Argument(help="Names of connectors, see `zeebe-connectors list`.", show_default="all")
]
_Providers = Annotated[
    bool,
    typer.Option(
        "--providers", help="Let their dropdowns list the operator's providers, and make one of each operation."
    ),
]
_Name = Annotated[str, typer.Argument(help="Name of the connector, see `zeebe-connectors list`.")]


@app.command("list")
def list_templates() -> None:
    """List the templates of all installed connectors, those of other packages too."""
    rows = [
        (file, f"v{template['version']}", template["elementType"]["value"].removeprefix("bpmn:"), template["name"])
        for _, templates in _templates(None)
        for file, template in templates.items()
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for file, version, element, title in rows:
        typer.echo(f"{file:<{widths[0]}}  {version:<{widths[1]}}  {element:<{widths[2]}}  {title}")


@app.command()
def show(name: _Name) -> None:
    """Print a connector's template as JSON; when it has several, one after the other."""
    from zeebe_connectors.templates.element_template import template_text

    for _, templates in _templates([name]):
        for template in templates.values():
            typer.echo(template_text(template), nl=False)


@app.command()
def write(
    directory: Annotated[Path, typer.Argument(help="Created when missing.")],
    names: _Names = None,
    providers: _Providers = False,
    config: ConfigFile = None,
) -> None:
    """Write templates to a directory, one file each, as the Web Modeler takes them."""
    if providers:
        _write_providers(directory, names, config)
    else:
        _write(directory, names)


@app.command()
def install(
    names: _Names = None,
    directory: Annotated[
        Path | None,
        typer.Option(help="The Modeler's user data directory.", show_default="where this system keeps it"),
    ] = None,
) -> None:
    """Put templates where the Desktop Modeler finds them in every diagram; it reads them when it starts."""
    where = directory if directory is not None else modeler_directory(sys.platform, os.environ, Path.home())
    _write(where / "resources" / "element-templates", names)
    typer.echo("Restart the Modeler, or press Ctrl+R (Cmd+R) in it.")


@app.command()
def page(name: _Name) -> None:
    """Print a connector's reference page as Markdown."""
    from zeebe_connectors.templates.page import page_of

    for connector in _connectors([name]):
        typer.echo(page_of(connector), nl=False)


@app.command()
def diagram(name: _Name) -> None:
    """Print a diagram with one task, made with the connector's template and filled in with its examples."""
    from zeebe_connectors.templates.diagram import diagram_of, example_values

    for connector, templates in _templates([name]):
        template = templates.get(connector.name)
        if template is None:
            raise _Wrong(f"{name} starts or continues processes; draw its event in the Modeler and choose the template")
        values = example_values(template, connector)
        typer.echo(diagram_of(template, values, process=connector.name, name=connector.title), nl=False)


@app.command()
def check(names: _Names = None) -> None:
    """Hold connectors to the rules of this project's own: names, groups, defaults, texts, and how they fail."""
    import asyncio

    from zeebe_connectors.testing import check as check_connector

    wrong = 0
    for connector in _connectors(names, with_template=False):
        found = asyncio.run(check_connector(connector))
        typer.echo(f"{connector.name}: {'ok' if not found else ''}".rstrip())
        for line in found:
            typer.echo(f"  {line}")
        wrong += len(found)
    raise typer.Exit(1 if wrong else 0)


def modeler_directory(platform: str, environment: Mapping[str, str], home: Path) -> Path:
    """Returns where the Desktop Modeler keeps the user's data.

    Args:
        platform: As `sys.platform` says.
        environment: Environment variables.
        home: The user's home directory.
    """
    if platform == "win32":
        base = Path(environment.get("APPDATA") or home / "AppData" / "Roaming")
    elif platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    return base / "camunda-modeler"


class _Wrong(typer.BadParameter):
    """The command was given something that it cannot use."""


def _connectors(names: Sequence[str] | None, *, with_template: bool = True) -> list[Outbound | Inbound]:
    """Returns the connectors of these names, or all; only those that have templates, if asked.

    Raises:
        _Wrong: No connector has that name, or it cannot be loaded.
    """
    from zeebe_connectors.sdk.registry import Registry

    registry = Registry.installed(names or None)
    found: dict[str, Outbound | Inbound] = {**registry.outbound, **registry.inbound}
    for name in names or ():
        if name in registry.unavailable:
            raise _Wrong(f"the connector {name} cannot be used: {registry.unavailable[name].reason}")
        if name not in found:
            raise _Wrong(f"there is no connector {name!r}; known are: {', '.join(Registry.names())}")
        if with_template and not found[name].template:
            raise _Wrong(f"{name} has no template of its own; it carries out the tasks of other projects' templates")
    return [found[name] for name in sorted(found) if found[name].template or not with_template]


def _templates(names: Sequence[str] | None) -> list[tuple[Outbound | Inbound, dict[str, dict[str, Any]]]]:
    from zeebe_connectors.templates.element_template import templates_of

    return [(connector, templates_of(connector)) for connector in _connectors(names)]


def _write_providers(directory: Path, names: Sequence[str] | None, config: Path | None) -> None:
    from zeebe_connectors.cli.providers import providers_in_force
    from zeebe_connectors.config.providers.operations import problems_of
    from zeebe_connectors.sdk.connector import Outbound
    from zeebe_connectors.templates.provider_templates import provider_files

    connectors = {item.name: item for item in _connectors(names)}
    outbound = {name: item for name, item in connectors.items() if isinstance(item, Outbound)}
    directory.mkdir(parents=True, exist_ok=True)
    providers = providers_in_force(config)
    for name, provider in providers.items():
        for problem in problems_of(provider, outbound) if not names and provider.active else ():
            typer.echo(f"{name}: {problem}", err=True)
    for file, text in provider_files(providers, connectors).items():
        path = directory / f"{file}.json"
        path.write_text(text, encoding="utf-8")
        typer.echo(str(path))


def _write(directory: Path, names: Sequence[str] | None) -> None:
    from zeebe_connectors.templates.element_template import template_text

    directory.mkdir(parents=True, exist_ok=True)
    for _, templates in _templates(names):
        for file, template in templates.items():
            path = directory / f"{file}.json"
            path.write_text(template_text(template), encoding="utf-8")
            typer.echo(str(path))
