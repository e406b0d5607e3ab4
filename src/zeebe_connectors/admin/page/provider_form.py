"""Turn a provider's document into a form with its environments side by side, and a sent form into a document.

It never gets secured values: their fields only say since when a value is set, and accept a new one.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from zeebe_connectors.config.providers import ProviderError
from zeebe_connectors.config.providers.logins import Login, logins, own_word
from zeebe_connectors.config.providers.model import OVER_HTTP, PROTOCOLS
from zeebe_connectors.config.providers.secured import PUBLIC, at, is_secured, put
from zeebe_connectors.sdk.text import items_of
from zeebe_connectors.templates.kinds import label_of

Form = Mapping[str, list[str]]

_GENERAL = ("description", "documentation")
_RULES = ("minDelayMs", "maxPerSecond", "maxConcurrent")
_SECURITY = (("", "what the protocol says"), ("tls", "TLS"), ("starttls", "STARTTLS"), ("none", "none"))
_LABELS = {
    "url": "URL",
    "host": "Host",
    "port": "Port",
    "security": "Encryption",
    "authentication.type": "Authentication",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of one environment.

    Args:
        environment: Its name.
        here: Whether the environment has this field.
        text: The value; for a secured one, the name of the secret that it refers to.
        set: Whether a secured value is set.
        since: When it was set; empty if unknown.
        secured: Whether the value is never shown; what one environment has in clear, another may have secured.
    """

    environment: str
    here: bool
    text: str = ""
    set: bool = False
    since: str = ""
    secured: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One field across all environments.

    Args:
        path: Its dotted path in an environment.
        label: Its label.
        choices: Values and labels, if only these are allowed.
        cells: One for each environment.
    """

    path: str
    label: str
    choices: tuple[tuple[str, str], ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """The content of a sent form.

    Args:
        document: For the store: holds a secured value only if it is set, and None if it is removed.
        environments: The environments that it changes.
        names: The fields that it changes, in words, without values.
    """

    document: dict[str, Any] = field(repr=False)
    environments: frozenset[str]
    names: tuple[str, ...]


def rows(shown: Mapping[str, Any]) -> list[Row]:
    """Returns the fields of all environments: those that are set, and those that protocol and login need.

    Args:
        shown: The provider as the API shows it.
    """
    environments: Mapping[str, Any] = shown.get("environments") or {}
    protocol = str(shown.get("protocol") or "")
    there = {name: dict(_leaves(environment)) for name, environment in environments.items()}
    wanted = {name: [*_address(protocol), *_login(protocol, environment)] for name, environment in environments.items()}
    order: dict[str, None] = {}
    for fields in (*wanted.values(), *there.values()):
        order.update(dict.fromkeys(fields))
    return [
        Row(
            path,
            _LABELS.get(path) or _label(path),
            _choices(path, protocol),
            tuple(_cell(name, path, there[name], wanted[name]) for name in environments),
        )
        for path in sorted(order, key=_rank)
    ]


def rest_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the form has no field for, to be changed as JSON."""
    known = {*_GENERAL, "protocol", "tags", "active", "environments", "rules"}
    shown = {"name", "from", "etag", "changed", "by", "usedBy", "problem", "dropped"}
    return {name: value for name, value in document.items() if name not in known | shown and value not in ([], {})}


def sent(form: Form, before: Mapping[str, Any]) -> Sent:
    """Reads a form.

    Args:
        form: The sent form.
        before: The provider's stored document, without secured values.

    Raises:
        ProviderError: A field cannot be read; the message names it.
    """
    document: dict[str, Any] = copy.deepcopy(dict(before))
    _general(form, document)
    _rules(form, document)
    environments = document.setdefault("environments", {})
    added = _text(form, "new_environment")
    if added:
        environments.setdefault(added, {})
    for name in environments:
        _environment(form, name, environments[name])
    gone = [name for name in environments if _text(form, f"gone:{name}") == "yes"]
    for name in gone:
        del environments[name]
    names = [*_changed(before, document), *(f"{name} (removed)" for name in gone)]
    old: Mapping[str, Any] = before.get("environments") or {}
    touched = {name for name in {*old, *environments} if old.get(name) != environments.get(name)}
    # A change of what all environments share changes each of them.
    shared = [name for name in names if not name.startswith("environments.")]
    harmless = {"tags", "description", "documentation"}
    if any(name.partition(".")[0] not in harmless for name in shared if not name.endswith("(removed)")):
        touched |= set(environments)
    return Sent(document, frozenset(touched), tuple(names))


def differences(shown: Mapping[str, Any], one: str, other: str) -> list[tuple[str, str, str]]:
    """Returns label, value in `other` and value in `one` of each field that differs; secured values in words."""
    found = []
    for row in rows(shown):
        values = {cell.environment: _shown_value(row, cell) for cell in row.cells}
        if values.get(one, "") != values.get(other, ""):
            found.append((row.label, values.get(other, ""), values.get(one, "")))
    return found


def collisions(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Returns field, current value and value in the form of each field that differs; without secured values."""
    own, other = dict(_flat(rest(mine))), dict(_flat(rest(theirs)))
    return [
        (name, _as_text(other.get(name)), _as_text(own.get(name)))
        for name in sorted({*own, *other})
        if own.get(name) != other.get(name)
    ]


def rest(document: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a document as stored: without the answer's additional keys and instructions for secured values."""
    derived = {"name", "from", "etag", "changed", "by", "usedBy", "problem", "dropped"}
    remaining = copy.deepcopy({name: value for name, value in document.items() if name not in derived})
    for environment in (remaining.get("environments") or {}).values():
        for path, value in list(_leaves(environment)):
            if _is_secured(path) or isinstance(value, Mapping):
                put(environment, path, None)
    return remaining


def _general(form: Form, document: dict[str, Any]) -> None:
    for name in _GENERAL:
        if name in form:
            _set(document, name, _text(form, name))
    if "tags" in form:
        _set(document, "tags", items_of(_text(form, "tags")))
    if "has_active" in form and ("active" in form) != document.get("active", True):
        document["active"] = "active" in form
    if "rest" in form:
        try:
            given = json.loads(_text(form, "rest") or "{}")
        except ValueError:
            raise ProviderError("rest: must be JSON") from None
        if not isinstance(given, dict) or {"environments", "protocol", "rules", *_GENERAL} & set(given):
            raise ProviderError("rest: must be a JSON object with what the form has no field for")
        for name in rest_of(document):
            del document[name]
        document |= given


def _rules(form: Form, document: dict[str, Any]) -> None:
    if "has_rules" not in form:
        return
    if "rules_enabled" not in form:
        if document.get("rules"):
            document["rules"] = {**document["rules"], "enabled": False}
        return
    rules = {**(document.get("rules") or {})}
    rules.pop("enabled", None)
    for name in _RULES:
        text = _text(form, f"rules.{name}")
        rules.pop(name, None)
        if text:
            try:
                number = float(text)
            except ValueError:
                raise ProviderError(f"rules.{name}: must be a number") from None
            rules[name] = int(number) if number.is_integer() else number
    document["rules"] = rules


def _environment(form: Form, name: str, environment: dict[str, Any]) -> None:
    _further(_text(form, f"more:{name}"), name, environment)
    _plain_fields(form, name, environment)
    for key in [key for key in form if key.startswith(f"s:{name}:")]:
        path, value = key.removeprefix(f"s:{name}:"), form[key][0]
        if _text(form, f"r:{name}:{path}") == "yes":
            put(environment, path, {"value": None})
        elif value:
            put(environment, path, {"value": value})
    for section in ("authentication", "wsSecurity", "tls", "options", "proxy"):
        if environment.get(section) == {}:
            del environment[section]


def _further(text: str, name: str, environment: dict[str, Any]) -> None:
    if text:
        path, _, value = text.partition("=")
        if not value or not path.strip():
            raise ProviderError(
                f"environments.{name}: a further field is written NAME=VALUE, such as options.folder=/in"
            )
        if _is_secured(path.strip()):
            raise ProviderError(f"environments.{name}.{path.strip()}: is secured; it has a field of its own")
        put(environment, path.strip(), _typed(value.strip(), None))


def _plain_fields(form: Form, name: str, environment: dict[str, Any]) -> None:
    prefix = f"f:{name}:"
    for key in [key for key in form if key.startswith(prefix)]:
        path, text = key.removeprefix(prefix), _text(form, key)
        if _is_secured(path):
            raise ProviderError(f"environments.{name}.{path}: is secured; it is set in its own field")
        before = at(environment, path)
        if text != _as_text(before):
            put(environment, path, _typed(text, before, path) if text else None)


def _typed(text: str, before: Any, path: str = "") -> Any:
    """Returns the value of a text: JSON if the value was not text before, or if it looks like a list or context."""
    if path == "port" or text[:1] in {"[", "{"} or (before is not None and not isinstance(before, str)):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _set(document: dict[str, Any], name: str, value: Any) -> None:
    if value:
        document[name] = value
    else:
        document.pop(name, None)


def _text(form: Form, name: str) -> str:
    return form.get(name, [""])[0].strip()


def _leaves(environment: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in environment.items():
        where = f"{path}.{name}" if path else name
        if isinstance(value, Mapping) and "secured" not in value and "value" not in value:
            yield from _leaves(value, where)
        elif value is not None:
            yield where, value


def _flat(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        where = f"{path}.{name}" if path else name
        if isinstance(item, Mapping):
            yield from _flat(item, where)
        else:
            yield where, item


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[str]:
    one, other = dict(_flat(before)), dict(_flat(after))
    found = {name for name in {*one, *other} if one.get(name) != other.get(name)}
    return sorted({name.removesuffix(".value") for name in found})


def _address(protocol: str) -> tuple[str, ...]:
    return ("url",) if protocol in OVER_HTTP else ("host", "port", "security")


def _login(protocol: str, environment: Mapping[str, Any]) -> list[str]:
    authentication = environment.get("authentication") or {}
    kind = str(authentication.get("type") or ("basic" if authentication.get("username") else ""))
    login = logins_of(protocol).get(own_word(logins_of(protocol), kind))
    fields = () if login is None else login.fields
    return ["authentication.type", *(f"authentication.{name}" for name in fields)]


def checked_login(protocol: str, kind: str) -> str:
    """Returns the kind of login that a form chose, in the words of the protocol's connectors.

    Raises:
        ProviderError: None of them offers it.
    """
    word = own_word(logins_of(protocol), kind)
    if word not in logins_of(protocol):
        known = ", ".join(login.label for name, login in logins_of(protocol).items() if name != "none") or "none"
        raise ProviderError(f"authentication: is not offered for {protocol}; choose one of: {known}")
    return word


@lru_cache(maxsize=len(PROTOCOLS))
def logins_of(protocol: str) -> Mapping[str, Login]:
    """Returns the ways to sign in of a protocol's connectors; call it in a thread first, since it loads them all."""
    return logins(protocol)


def _choices(path: str, protocol: str) -> tuple[tuple[str, str], ...]:
    if path == "security":
        return _SECURITY
    if path == "authentication.type":
        known = [(name, login.label) for name, login in logins_of(protocol).items() if name != "none"]
        return (("", "none"), *known)
    return ()


def _is_secured(path: str) -> bool:
    section, _, name = path.partition(".")
    return bool(name) and section in PUBLIC and is_secured(section, name)


def _rank(path: str) -> tuple[int, int]:
    first = ("url", "host", "port", "security", "authentication.type")
    section = ("authentication", "wsSecurity", "tls", "proxy", "options")
    place = section.index(path.partition(".")[0]) if path.partition(".")[0] in section else len(section)
    return (0, first.index(path)) if path in first else (1 + place, 0)


def _label(path: str) -> str:
    section, _, name = path.rpartition(".")
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    text = label_of(words.replace(" ", "_"))
    return text if section in {"", "authentication"} else f"{text} ({section})"


def _cell(environment: str, path: str, there: Mapping[str, Any], wanted: list[str]) -> Cell:
    value = there.get(path)
    if isinstance(value, Mapping):
        return Cell(
            environment,
            True,
            str(value.get("secret", "")),
            bool(value.get("set")),
            str(value.get("changed", "")),
            secured=True,
        )
    return Cell(environment, value is not None or path in wanted, _as_text(value), secured=_is_secured(path))


def _shown_value(row: Row, cell: Cell) -> str:
    if cell.secured:
        return (f"secrets.{cell.text}" if cell.text else "secured, set") if cell.set else ""
    return dict(row.choices).get(cell.text, cell.text)


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
