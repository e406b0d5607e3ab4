"""Merge the environment, a `.env` file and a TOML file, and remember where each value comes from.

Names are compared without case, underscores, dashes and dots, so that `camunda.client.grpc-address`,
`CAMUNDA_CLIENT_GRPCADDRESS` and `CAMUNDA_CLIENT_GRPC_ADDRESS` are one setting, as Camunda's users expect.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from zeebe_connectors.sdk.text import items_of

FILE_SETTING = "ZEEBE_CONNECTORS_CONFIG"
DEFAULT_FILE = "zeebe-connectors.toml"


class SettingsError(ValueError):
    """A setting is wrong; the message names it, the reason and the remedy."""


@lru_cache(maxsize=4096)
def squeezed(name: str) -> str:
    """Returns the form in which two spellings of one setting's name are equal."""
    return "".join(letter for letter in name.upper() if letter.isalnum())


class Environment(Mapping[str, str]):
    """Settings by name, any spelling; earlier layers win.

    Args:
        layers: Origin and values, strongest first.
    """

    def __init__(self, *layers: tuple[str, Mapping[str, str]]) -> None:
        self._layers = layers
        self._found: dict[str, tuple[str, str, str]] = {}
        for origin, values in layers:
            for name, value in values.items():
                self._found.setdefault(squeezed(name), (name, value, origin))

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        directory: Path | None = None,
        file: Path | None = None,
    ) -> Environment:
        """Reads the process environment, then `.env`, then the file that `ZEEBE_CONNECTORS_CONFIG` names.

        Args:
            environ: In place of the process environment.
            directory: Where `.env` and `zeebe-connectors.toml` are looked for; the working directory when left out.
            file: A file to read instead of the one that the setting names.

        Raises:
            SettingsError: A file that was named does not exist or cannot be read.
        """
        environ = dict(os.environ if environ is None else environ)
        place = directory or Path.cwd()
        dotenv_file = place / ".env"
        layers = [("environment", environ)]
        if dotenv_file.is_file():
            # Without interpolation: a secret may hold `${`.
            try:
                read = dotenv_values(dotenv_file, interpolate=False, encoding="utf-8-sig")
            except (OSError, ValueError) as error:
                raise SettingsError(f"{dotenv_file}: cannot be read as UTF-8: {error}") from None
            values = {name: value for name, value in read.items() if value is not None}
            layers.append((".env", values))
        named = file or next((Path(v[FILE_SETTING]) for _, v in layers if v.get(FILE_SETTING)), None)
        chosen = named or place / DEFAULT_FILE
        if chosen.is_file():
            layers.append((str(chosen), _read_toml(chosen)))
        elif named is not None:
            raise SettingsError(f"{FILE_SETTING}: the file {named} does not exist; correct the path or unset it")
        return cls(*layers)

    def __getitem__(self, name: str) -> str:
        return self._found[squeezed(name)][1]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _, _ in self._found.values())

    def __len__(self) -> int:
        return len(self._found)

    def origin(self, name: str) -> str:
        """Returns where the value stands: `environment`, `.env` or the file's path; empty when it is not set."""
        found = self._found.get(squeezed(name))
        return found[2] if found else ""

    def exact(self, *origins: str) -> dict[str, str]:
        """Returns variables under their exact names: what is not a setting may differ by just an underscore.

        Args:
            origins: The layers to look into.
        """
        found: dict[str, str] = {}
        for origin, values in reversed(self._layers):
            if origin in origins:
                found.update(values)
        return found

    def table(self, name: str) -> dict[str, str]:
        """Returns what stands in one table of the settings file, by the names below it; a list is joined by commas."""
        prefix = f"{name}."
        found: dict[str, str] = {}
        for _, values in reversed(self._layers):
            found |= {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}
        return found

    def text(self, name: str, default: str = "") -> str:
        """Returns a value without surrounding blanks; the default when it is unset or blank."""
        return (self.get(name) or "").strip() or default

    def number(self, name: str, default: float, *, minimum: float = 0, maximum: float = 1e9) -> float:
        """Returns a number.

        Raises:
            SettingsError: It is not a number, less than `minimum` or more than `maximum`.
        """
        text = self.text(name)
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            raise SettingsError(f"{name} ({self.origin(name)}): must be a number") from None
        if not minimum <= value <= maximum:
            raise SettingsError(f"{name} ({self.origin(name)}): must be at least {minimum:g} and at most {maximum:g}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Returns whether a setting is true.

        Raises:
            SettingsError: It is neither true nor false.
        """
        text = self.text(name).casefold()
        if not text:
            return default
        if text in {"true", "yes", "on", "1"}:
            return True
        if text in {"false", "no", "off", "0"}:
            return False
        raise SettingsError(f"{name} ({self.origin(name)}): must be true or false")

    def names(self, name: str) -> list[str]:
        """Returns the items of a comma-separated list."""
        return items_of(self.text(name))


def _read_toml(path: Path) -> dict[str, str]:
    try:
        return dict(_flat(tomllib.loads(path.read_text(encoding="utf-8-sig"))))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: cannot be read as TOML: {error}") from None


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        full = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{full}.")
        elif isinstance(value, list):
            yield full, ",".join(str(item) for item in value)
        elif isinstance(value, bool):
            yield full, "true" if value else "false"
        else:
            yield full, str(value)
