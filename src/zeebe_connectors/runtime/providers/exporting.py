"""Describe providers as `providers.yaml` does, without secured values, for the command and the operator's page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zeebe_connectors.runtime.providers.directory import Directory
from zeebe_connectors.runtime.providers.editing import DERIVED
from zeebe_connectors.runtime.providers.showing import shown_entry, shown_known


async def exported(directory: Directory) -> dict[str, Any]:
    """Returns each provider's description by name, with secrets to be set in place of secured values.

    Args:
        directory: The providers; one of the database whose values cannot be opened is described all the same, but not
            one whose row is not JSON.
    """
    shown = {known.name: shown_known(known, directory) for known in directory.all().values()}
    if directory.store is not None:
        shown |= {
            entry.name: shown_entry(entry)
            for entry in await directory.store.entries()
            if entry.name not in shown and not entry.is_broken
        }
    names = _Names()
    return {name: _exported(document, names) for name, document in shown.items()}


def as_yaml(providers: Mapping[str, Any]) -> str:
    """Writes descriptions of providers as the text of a `providers.yaml`.

    Raises:
        ImportError: The extra `providers` is not installed.
    """
    import yaml  # noqa: PLC0415 - an extra, and seldom needed

    return str(yaml.safe_dump({"providers": dict(providers)}, sort_keys=False, allow_unicode=True))


class _Names:
    """Gives each secured value of an export the name of a secret of its own."""

    def __init__(self) -> None:
        self._taken: dict[str, str] = {}

    def of(self, path: str) -> str:
        """Returns the name for a value by its place; another one where two places would have the same."""
        name = re.sub(r"[^A-Z0-9]+", "_", path.upper())
        number = 1
        found = name
        while self._taken.setdefault(found, path) != path:
            number += 1
            found = f"{name}_{number}"
        return found


def _exported(shown: dict[str, Any], names: _Names) -> dict[str, Any]:
    name = shown["name"]
    document = {key: value for key, value in shown.items() if key not in DERIVED}
    for environment, there in document["environments"].items():
        _name_secrets(there, f"{name}/{environment}", names)
    return document


def _name_secrets(part: dict[str, Any], path: str, names: _Names) -> None:
    for key, value in part.items():
        if isinstance(value, dict) and value.get("secured") is True:
            part[key] = f"{{{{secrets.{value.get('secret') or names.of(f'{path}/{key}')}}}}}"
        elif isinstance(value, dict):
            _name_secrets(value, path if key == "authentication" else f"{path}/{key}", names)
