"""Read `providers.yaml` for the runtime and the command: providers with their lines, or what is wrong and where."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zeebe_connectors.config.environment import Environment as Settings
from zeebe_connectors.config.environment import SettingsError
from zeebe_connectors.config.providers.model import Provider, ProviderError, provider_of
from zeebe_connectors.config.providers.secured import sealed

FILE_SETTING = "ZEEBE_CONNECTORS_PROVIDERS"
DEFAULT_FILE = "providers.yaml"
_MAX_BYTES = 4 * 1024 * 1024
_MAX_NODES = 200_000

_WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?", re.ASCII)
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}"
    for kind in ("str", "int", "float", "bool", "null", "timestamp", "binary", "value", "merge")
)


class ProvidersFileError(SettingsError):
    """The file cannot be used; the message names file, line, reason and remedy, and no value."""


@dataclass(frozen=True, slots=True)
class FileProviders:
    """What the file holds.

    Args:
        providers: By name.
        lines: Where each begins, counted from one.
        is_blank: Whether nothing at all stands in the file, as while somebody writes it.
    """

    providers: Mapping[str, Provider] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    is_blank: bool = False


def providers_file(settings: Settings, *, directory: Path | None = None) -> Path | None:
    """Returns the file that the operator names, or `providers.yaml` in the working directory if it is there.

    Raises:
        SettingsError: The file that is named does not exist.
    """
    named = settings.text(FILE_SETTING)
    if named:
        if not Path(named).is_file():
            raise SettingsError(
                f"{FILE_SETTING} ({settings.origin(FILE_SETTING)}): the file {named} does not exist; create it or "
                "unset the setting"
            )
        return Path(named)
    path = (directory or Path.cwd()) / DEFAULT_FILE
    return path if path.is_file() else None


def file_to_watch(settings: Settings) -> Path:
    """Returns the providers' file, or where it would be: it may be created while a runtime runs.

    Raises:
        SettingsError: As `providers_file`.
    """
    return providers_file(settings) or Path.cwd() / DEFAULT_FILE


def read_file(path: Path) -> FileProviders:
    """Reads the file.

    Raises:
        ProvidersFileError: It cannot be read, is no YAML, or a provider in it is described wrongly.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ProvidersFileError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > _MAX_BYTES:
        raise ProvidersFileError(f"{path}: is larger than {_MAX_BYTES:,} bytes; move what is not a provider elsewhere")
    return read_text(data, str(path))


def read_text(data: bytes | str, place: str = "providers.yaml") -> FileProviders:
    """Reads the text of such a file.

    Args:
        data: The YAML.
        place: What messages call it.

    Raises:
        ProvidersFileError: As `read_file`.
    """
    document, lines = _document(data, place)
    if document is None:
        return FileProviders(is_blank=True)
    if not isinstance(document, dict):
        raise ProvidersFileError(f"{place}: must be a mapping with the key providers")
    for key in document:
        if key not in {"providers", "$schema"} and not str(key).startswith("x-"):
            near = difflib.get_close_matches(str(key), ["providers"], n=1)
            known = "did you mean providers?" if near else "known here: providers, and keys that begin with x-"
            raise ProvidersFileError(f"{place}:{lines.get((key,), 1)}: {str(key)[:64]} is unknown; {known}")
    listed = document.get("providers")
    if listed is None:
        listed = {}
    if not isinstance(listed, dict):
        raise ProvidersFileError(
            f"{place}:{lines.get(('providers',), 1)}: providers must be a mapping by name; write `providers: {{}}` for "
            "none"
        )
    found: dict[str, Provider] = {}
    for name, described in listed.items():
        try:
            if not name:
                raise ProviderError("providers: a provider has an empty name; give it one")  # noqa: TRY301
            found[str(name)] = provider_of(sealed_document(described), name=str(name))
        except ProviderError as error:
            line = _line(lines, ("providers", name, *error.path))
            raise ProvidersFileError(f"{place}:{line}: {error.message}") from None
    return FileProviders(found, {name: _line(lines, ("providers", name)) for name in found})


def read_document(data: bytes | str, place: str) -> Any:
    """Returns what a text in YAML or JSON holds, with passwords and names as they are written.

    Args:
        data: The text.
        place: What messages call it.

    Raises:
        ProvidersFileError: It is not such a text.
    """
    return _document(data, place)[0]


def sealed_document(described: Any) -> Any:
    """Returns a provider's document with its secured values as `Secret`s."""
    if not isinstance(described, dict) or not isinstance(described.get("environments"), dict):
        return described
    environments = {
        name: sealed(value) if isinstance(value, dict) else value for name, value in described["environments"].items()
    }
    return {**described, "environments": environments}


def _line(lines: Mapping[tuple[Any, ...], int], path: tuple[Any, ...]) -> int:
    """Returns the line of the nearest place that is in the file."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _document(data: bytes | str, place: str) -> tuple[Any, dict[tuple[Any, ...], int]]:
    try:
        import yaml  # noqa: PLC0415 - only for those who have providers in a file
    except ModuleNotFoundError:
        raise ProvidersFileError(
            f"{place}: reading it needs a library that is not installed; pip install 'zeebe-connectors[providers]'"
        ) from None
    loader = None
    try:
        loader = yaml.SafeLoader(data)
        root = loader.get_single_node()
        if root is None:
            return None, {}
        builder = _Builder(yaml, loader, place, _own_keys(root, yaml))
        return builder.built(root, ()), builder.lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ProvidersFileError(f"{place}:{line}: is not YAML: {error.problem or error.context}") from None
    except RecursionError:
        raise ProvidersFileError(f"{place}: is nested too deep, or an anchor holds itself; flatten it") from None
    except yaml.YAMLError:  # of the reader: bytes that are not text
        raise ProvidersFileError(f"{place}: is not text in UTF-8; save it in that encoding") from None
    finally:
        if loader is not None:
            loader.dispose()


class _Builder:
    """Makes plain data of YAML nodes, and notes the line of each key."""

    def __init__(self, yaml: Any, loader: Any, place: str, own: Mapping[int, frozenset[int]]) -> None:
        self.lines: dict[tuple[Any, ...], int] = {}
        self._yaml = yaml
        self._loader = loader
        self._place = place
        self._own = own
        self._count = 0

    def built(self, node: Any, path: tuple[Any, ...]) -> Any:
        """Returns the node's value."""
        self._count += 1
        if self._count > _MAX_NODES:
            raise ProvidersFileError(f"{self._place}: unfolds to more than {_MAX_NODES:,} values; use fewer anchors")
        if isinstance(node, self._yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, self._yaml.SequenceNode):
            return [self.built(item, (*path, at)) for at, item in enumerate(node.value)]
        return self._scalar(node)

    def _scalar(self, node: Any) -> Any:
        """Returns a number, true, false or null that is written so; else the text.

        YAML 1.1 makes 83 of 0123, 45045 of 12:30:45, true of yes, and fails over the password 2024-99-99, which looks
        like a date: passwords and names are as they are written.
        """
        text: str = node.value
        kind = node.tag.rpartition(":")[2]
        if node.tag not in _PLAIN_TAGS:
            return self._loader.construct_object(node, deep=True)  # refuses a tag that is none of YAML's own
        if kind in {"bool", "null"}:
            return _WORDS.get(text.casefold(), text)
        if kind in {"int", "float"} and (number := _NUMBER.fullmatch(text)) is not None:
            value = float(text) if number[1] else int(text)
            return value if str(value) == text else text
        return text

    def _mapping(self, node: Any, path: tuple[Any, ...]) -> dict[str, Any]:
        self._loader.flatten_mapping(node)  # merges `<<`
        found: dict[str, Any] = {}
        own: set[str] = set()
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, self._yaml.ScalarNode):
                raise ProvidersFileError(
                    f"{self._place}:{line}: a name must be text; put {{{{secrets.NAME}}}} and the like in quotes"
                )
            key = str(key_node.value)
            if id(key_node) in self._own.get(id(node), ()):
                if key in own:
                    raise ProvidersFileError(f"{self._place}:{line}: {key[:64]} is there twice; remove one")
                own.add(key)
            self.lines[*path, key] = line
            found[key] = self.built(value_node, (*path, key))
        return found


def _own_keys(root: Any, yaml: Any) -> dict[int, frozenset[int]]:
    """Returns the keys that each mapping had before its anchors were merged: only those can stand twice by mistake."""
    found: dict[int, frozenset[int]] = {}
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            found[id(node)] = frozenset(id(key) for key, _ in node.value)
            waiting += [item for pair in node.value for item in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
    return found
