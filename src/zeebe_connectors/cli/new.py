"""Write the package of a new connector, tests included: `zeebe-connectors new`.

It is one of the project's own examples under another name, so the starting point is known to work.
"""

from __future__ import annotations

import importlib.util
import keyword
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from zeebe_connectors.cli.places import shipped
from zeebe_connectors.sdk.connector import NAME

_ENDINGS = frozenset({".py", ".toml", ".md", ".svg", ".typed"})
_FILES = frozenset({"Makefile", ".gitignore"})


def new(
    name: Annotated[str, typer.Argument(help="Lower-case words joined by dashes, such as `exchange-rates`.")],
    inbound: Annotated[
        bool,
        typer.Option(
            "--inbound",
            help="Write one that watches something, such as a folder, and starts processes.",
        ),
    ] = False,
    directory: Annotated[Path | None, typer.Option(help="Where to write the package.", show_default="./NAME")] = None,
) -> None:
    """Write a new connector as a package of its own: code, icon, tests, and a Makefile that checks it."""
    where = directory or Path(name)
    _check(name, where)
    for path, content in package_files(name, inbound=inbound):
        file = where / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    python = "" if os.environ.get("VIRTUAL_ENV") else f" PYTHON={sys.executable}"
    typer.echo(f"{where} is written. It works as it is; check that it does, then change it:")
    typer.echo(f"    cd {where} && make test{python}")
    typer.echo(f"Its code is in {where / 'src' / _snake(name) / 'connector.py'}.")


def package_files(name: str, *, inbound: bool) -> Iterable[tuple[Path, str]]:
    """Yields the files of a new package: path and content.

    Args:
        name: The connector's name.
        inbound: Whether it watches.
    """
    source = shipped("examples") / ("folder-watch" if inbound else "weather")
    for file in sorted(source.rglob("*")):
        path = file.relative_to(source)
        hidden = any(part.startswith((".", "__pycache__")) for part in path.parts[:-1])
        if file.is_file() and not hidden and (file.suffix in _ENDINGS or file.name in _FILES):
            text = file.read_text(encoding="utf-8")
            change = _of_folder_watch if inbound else _of_weather
            parts = [change(part, name, code=True) for part in path.parts]
            yield Path(*parts), change(text, name, code=file.suffix == ".py")


def _check(name: str, where: Path) -> None:
    package = _snake(name)
    if not NAME.match(name):
        raise typer.BadParameter(f"NAME: {name!r} is not lower-case words joined by dashes, such as exchange-rates")
    if keyword.iskeyword(package) or package in sys.stdlib_module_names or importlib.util.find_spec(package):
        raise typer.BadParameter(f"NAME: Python has a package {package!r} already; choose another name")
    if where.exists() and (not where.is_dir() or any(where.iterdir())):
        raise typer.BadParameter(f"{where} already exists; choose another name, or another place with --directory")


def _snake(name: str) -> str:
    return name.replace("-", "_")


def _of_folder_watch(text: str, name: str, *, code: bool) -> str:  # noqa: ARG001 - as for the other example
    """Writes the text of the inbound example under another name."""
    words = {
        "folder-watch": name,
        "folder_watch": _snake(name),
        "FOLDER_WATCH": _snake(name).upper(),
        "Folder: file arrives": f"{_title(name)}: file arrives",
    }
    return _replaced(text, words)


def _of_weather(text: str, name: str, *, code: bool) -> str:
    """Writes the text of the outbound example under another name."""
    words = {
        "https://weather.": "https://service.",
        "of the weather service": "of the service",
        "looks up the weather": "looks something up",
        "Weather: look up": f"{_title(name)}: look up",
        "com.example:weather:1": f"com.example:{name}:1",
        '@outbound(\n    "weather"': f'@outbound(\n    "{name}"',
        '["weather"]': f'["{_snake(name)}"]',
        "weather.connector": f"{_snake(name)}.connector",
        "src/weather": f"src/{_snake(name)}",
        "Weather": "".join(word.capitalize() for word in name.split("-")),
        "WEATHER": _snake(name).upper(),
        "weather": _snake(name) if code else name,
    }
    return _replaced(text, words)


def _replaced(text: str, words: dict[str, str]) -> str:
    return re.sub("|".join(map(re.escape, words)), lambda found: words[found[0]], text)


def _title(name: str) -> str:
    return name.replace("-", " ").capitalize()
