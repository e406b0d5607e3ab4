"""Work out what a change of a provider does to its secured values, before anything is written.

A secured value may be replaced or removed, never read. If an environment's address changes, or its protection gets
weaker, its values are dropped unless the change sets them again: whoever may edit a host must not get the password.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from zeebe_connectors.config.providers import ProviderError
from zeebe_connectors.config.providers.secured import PUBLIC, at, hides, is_secured, put

Place = tuple[str, str]
"""Environment, and dotted field."""


@dataclass(frozen=True, slots=True)
class Instructions:
    """A document, split by what happens to secured values.

    Args:
        document: Everything that is not secured.
        given: Secured values to set.
        removed: Places whose value is removed.
    """

    document: dict[str, Any]
    given: Mapping[Place, str] = field(default_factory=dict, repr=False)
    removed: frozenset[Place] = frozenset()


def taken_apart(document: Mapping[str, Any]) -> Instructions:
    """Splits secured values off a document: an absent one is kept, `{"value": …}` or text sets it, null removes it.

    Raises:
        ProviderError: A secured value has another shape.
    """
    plain: dict[str, Any] = copy.deepcopy({key: value for key, value in document.items() if key not in DERIVED})
    environments = plain.get("environments")
    given: dict[Place, str] = {}
    removed: set[Place] = set()
    if isinstance(environments, dict):
        for name, environment in environments.items():
            if isinstance(environment, dict):
                for section in PUBLIC:
                    part = environment.get(section)
                    if isinstance(part, dict):
                        _take(str(name), section, section, part, given, removed)
    return Instructions(plain, given, frozenset(removed))


DERIVED = frozenset({"name", "from", "etag", "changed", "version", "usedBy", "problem", "by", "dropped"})
"""Keys that an answer shows beside a provider's document."""


def _take(
    environment: str, section: str, path: str, part: dict[str, Any], given: dict[Place, str], removed: set[Place]
) -> None:
    for name in list(part):
        item, where = part[name], f"{path}.{name}"
        marked = isinstance(item, dict) and ("secured" in item or "value" in item)
        if not (is_secured(section, name) or hides(name, item) or marked):
            if isinstance(item, dict):
                _take(environment, section, where, item, given, removed)
            continue
        if isinstance(item, dict) and not marked:
            _take(environment, section, where, item, given, removed)
            continue
        del part[name]
        value = item.get("value", _KEEP) if isinstance(item, dict) else item
        if value is _KEEP:
            continue
        if value is None or value == "":
            removed.add((environment, where))
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            given[environment, where] = str(value)
        else:
            raise ProviderError(f"environments.{environment}.{where}: must be text, or {{'value': text}}")


_KEEP = object()


def origin_of(document: Mapping[str, Any], environment: str) -> str:
    """Returns a digest of everything that decides where secured values are sent, and how well they are protected."""
    there = (document.get("environments") or {}).get(environment) or {}
    authentication = there.get("authentication") or {}
    reported = {
        "protocol": document.get("protocol"),
        "address": _target(there),
        "security": there.get("security"),
        "proxy": (there.get("proxy") or {}).get("url"),
        "tls": {name: value for name, value in (there.get("tls") or {}).items() if name != "clientCertificate"},
        "type": authentication.get("type"),
        "endpoints": {name: value for name, value in _flat(authentication).items() if _leads_somewhere(name, value)},
        "variables": document.get("variables") or {},
        "dynamicHosts": document.get("dynamicHosts") or document.get("dynamic_hosts") or [],
        **_protection(there),
    }
    return hashlib.sha256(json.dumps(reported, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _protection(there: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what is set of the values by which a server proves who it is, or a message hides its password."""
    found = {
        section: {name: value for name, value in (there.get(section) or {}).items() if name in names}
        for section, names in _PROTECTING.items()
    }
    return {section: values for section, values in found.items() if values}


_PROTECTING: Mapping[str, frozenset[str]] = {
    "options": frozenset({"hostKey", "knownHosts", "fingerprint", "legacyAlgorithms", "scheme"}),
    "wsSecurity": frozenset({"authentication", "type", "encoded"}),
}


def _target(there: Mapping[str, Any]) -> list[Any]:
    url = str(there.get("url") or "")
    parts = urlsplit(url)
    return [parts.scheme.casefold(), parts.netloc.casefold() or url, there.get("host"), there.get("port")]


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, Mapping):
            found |= _flat(item, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = item
    return found


def _leads_somewhere(name: str, value: Any) -> bool:
    words = (
        "endpoint",
        "url",
        "host",
        "uri",
        "issuer",
        "tenant",
        "domain",
        "location",
        "account",
        "region",
        "service",
        "authority",
    )
    return any(word in name.casefold() for word in words) or (isinstance(value, str) and "://" in value)


def with_values(document: Mapping[str, Any], values: Mapping[Place, Any]) -> dict[str, Any]:
    """Returns the document with values in their places, as the model reads it."""
    full: dict[str, Any] = copy.deepcopy(dict(document))
    for (environment, path), value in values.items():
        there = (full.get("environments") or {}).get(environment)
        if isinstance(there, dict):
            put(there, path, value)
    return full


def described_change(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """Returns which fields changed, for the history; without their values."""
    if before is None:
        return "created"
    if after is None:
        return "deleted"
    one, other = _leaves(before), _leaves(after)
    names = sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
    return "changed " + ", ".join(names) if names else "changed nothing"


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {
            name: leaf
            for key, item in value.items()
            for name, leaf in _leaves(item, f"{path}.{key}" if path else key).items()
        }
    return {path: value}


__all__ = [
    "DERIVED",
    "Instructions",
    "Place",
    "at",
    "described_change",
    "origin_of",
    "taken_apart",
    "with_values",
]
