"""Fill a task's or source's inputs from a provider, before they are validated: address, credentials, TLS, defaults.

Process data fills the placeholders in the provider's address and adds a path below it; never host or credentials.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from zeebe_connectors.config.providers import AddressError, Provider, Variable
from zeebe_connectors.config.providers.addresses import (
    PLACEHOLDER,
    filled_host,
    filled_name,
    filled_path,
    filled_url,
    joined,
)
from zeebe_connectors.config.providers.database_urls import is_file
from zeebe_connectors.config.providers.model import METHOD_INPUTS, OVER_HTTP, PORTS, SECURITY, without_tls
from zeebe_connectors.config.providers.secured import at
from zeebe_connectors.sdk.errors import InputError, PermanentError
from zeebe_connectors.sdk.provided import VALUES, ProviderPlace, same, word_for

_MAX_CACHED = 1024
_MAX_CACHED_PATH = 512
_TRUST = frozenset({"hostKey", "knownHosts", "fingerprint"})
"""Options by which a server proves who it is."""
_HEADERS = frozenset({"host", "authorization", "proxy-authorization"})
"""Inputs that decide the target of a request and its sender."""
_PUBLIC_TYPES = frozenset({"none", "noAuth", "NONE", "noauth"})


@dataclass(frozen=True, slots=True)
class _Constant:
    """A value that is the same for every task."""

    place: ProviderPlace
    value: Any
    is_locked: bool
    says_nothing: bool
    """Whether an empty input means the same: then it is left empty, which saves validating it for each job."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a provider's environment fills the inputs of one connector; made once, used for each job.

    Args:
        protocols: Choices of protocol that must match, if the task chose one.
        constants: Values to fill in.
        conflicts: Inputs that the task must leave empty.
        urls: Places where the task's path is joined with the base address.
        base: The base address; may have placeholders.
        hosts: Places of the host, each with its template.
    """

    provider: Provider
    systems: tuple[tuple[ProviderPlace, Any], ...]
    """The database's system, which the provider knows and a form always sends; other inputs depend on it."""
    protocols: tuple[tuple[ProviderPlace, str], ...]
    constants: tuple[_Constant, ...]
    conflicts: tuple[ProviderPlace, ...]
    urls: tuple[ProviderPlace, ...]
    base: str
    hosts: tuple[tuple[ProviderPlace, str], ...]
    names: tuple[tuple[ProviderPlace, str], ...]
    """Names of a database or folder with placeholders, for tasks that give none of their own."""
    owned: tuple[tuple[ProviderPlace, Any], ...]
    """Options that are the provider's alone, since it sets them or what they belong to; None means their default."""
    is_fixed: bool
    """Whether the base has no placeholders."""
    refused: frozenset[str]
    """First names of `conflicts`: a task that has none of them is not looked through."""
    silent: frozenset[str] | None
    """First names of the constants, if all of them say nothing where there is no such input; otherwise None."""
    joined: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Addresses by the tasks' paths, if the base is fixed."""

    def fill(self, data: dict[str, Any]) -> None:
        """Fills the inputs of one task; changes `data` in place.

        Raises:
            PermanentError: `PROVIDER_CONFLICT` when the task sets what the provider decides.
            InputError: A placeholder's value or the path does not fit.
        """
        for place, system in self.systems:
            _set(data, place.path, system)
        for place, word in self.protocols:
            chosen = _value(data, place.path)
            if chosen in (None, "") or _alike(chosen, place.default):
                _set(data, place.path, word)
            elif str(chosen).strip().casefold() != word:
                raise PermanentError(
                    "PROVIDER_MISMATCH",
                    f"{'.'.join(place.path)}: the provider speaks {self.provider.protocol}; choose {word}, or another "
                    "provider",
                )
        if not self.refused.isdisjoint(data):
            self._refuse_conflicts(data)
        if self.owned:
            self._fill_owned(data)
        values = data.get(VALUES)
        if values is not None and not isinstance(values, dict):
            raise InputError(f"{VALUES}: must be a context (key-value pairs), for example ={{name: value}}")
        try:
            self._fill_addresses(data, values or {})
        except AddressError as error:
            raise InputError(str(error)) from None
        if self.silent is None or not self.silent.isdisjoint(data):
            self._fill_constants(data)

    def _refuse_conflicts(self, data: dict[str, Any]) -> None:
        for place in self.conflicts:
            if place.path[0] in data and (not place.when or _applies(place, data)):
                _refuse(place, _value(data, place.path))

    def _fill_owned(self, data: dict[str, Any]) -> None:
        for place, value in self.owned:
            given = _value(data, place.path)
            if given not in (None, "") and not any(_alike(given, one) for one in (value, place.default)):
                _refuse(place, given)
            _set(data, place.path, value if value is not None else place.default)

    def _fill_constants(self, data: dict[str, Any]) -> None:
        for constant in self.constants:
            place = constant.place
            if constant.says_nothing and place.path[0] not in data:
                continue
            if (not place.when or _applies(place, data)) and (
                constant.is_locked or _value(data, place.path) in (None, "", [], {})
            ):
                _set(data, place.path, constant.value)

    def _fill_addresses(self, data: dict[str, Any], values: Mapping[str, Any]) -> None:
        for place in self.urls:
            if not place.when or _applies(place, data):
                _set(data, place.path, self._address(place, data, values))
        for place, template in self.hosts:
            if not place.when or _applies(place, data):
                _set(data, place.path, filled_host(template, self.provider.variables, values))
        for place, template in self.names:
            given = _value(data, place.path)
            if given in (None, ""):
                _set(data, place.path, filled_name(template, self.provider.variables, values))
            elif place.source == "options.base":
                _refuse(place, given)

    def _address(self, place: ProviderPlace, data: Mapping[str, Any], values: Mapping[str, Any]) -> str:
        provider = self.provider
        path = _value(data, place.path)
        if path is not None and not isinstance(path, str):
            raise AddressError(f"{'.'.join(place.path)}: must be text, a path below the provider's address")
        base = self.base
        known = self.joined.get(path or "")
        if known is not None:
            return known
        if not self.is_fixed:
            base = filled_url(
                base, provider.variables, values, hosts=provider.dynamic_hosts, protocol=provider.protocol
            )
        text = path or ""
        if "${" in text and PLACEHOLDER.search(text):
            text = filled_path(text, _inputs_of(provider, text, data), values)
        address = joined(base, text, hosts=provider.dynamic_hosts, name=".".join(place.path))
        if self.is_fixed and text == (path or "") and len(text) <= _MAX_CACHED_PATH:
            if len(self.joined) >= _MAX_CACHED:
                self.joined.clear()
            self.joined[text] = address
        return address


def plan_of(places: list[ProviderPlace], provider: Provider, environment: Mapping[str, Any]) -> Plan:
    """Makes the plan by which an environment, its secrets resolved, fills a connector's inputs.

    Args:
        places: The connector's places for a provider's values.
        provider: The provider.
        environment: The environment's document: section -> values as text.

    Raises:
        PermanentError: `PROVIDER_MISMATCH` when the connector does not support what the provider says.
    """
    address = address_of(provider, environment)
    base = str(environment.get("url") or "")
    constants = tuple(_constants(places, environment, address))
    names = tuple(
        (one.place, one.value)
        for one in constants
        if one.place.source.startswith("options.")
        and isinstance(one.value, str)
        and PLACEHOLDER.search(one.value)
        and at(environment, one.place.source) is None
    )
    own = _own_options(environment, address)
    values = {one.place: one.value for one in constants}
    owned = tuple((place, values.get(place)) for place in places if place.source in own and place not in dict(names))
    systems = tuple((one.place, one.value) for one in constants if one.place.source == "options.scheme")
    settled = {place for place, _ in (*systems, *names, *owned)}
    left = tuple(one for one in constants if one.place not in settled)
    conflicts = tuple(place for place in places if _is_refused(place.source))
    return Plan(
        provider=provider,
        systems=systems,
        protocols=tuple(_protocols(places, address)),
        constants=left,
        conflicts=conflicts,
        urls=tuple(place for place in places if place.source == "url"),
        base=base,
        hosts=tuple((place, str(address["host"])) for place in places if place.source == "host" and address["host"]),
        names=names,
        owned=owned,
        is_fixed=not PLACEHOLDER.search(base),
        refused=frozenset(place.path[0] for place in conflicts),
        silent=frozenset(one.place.path[0] for one in left) if all(one.says_nothing for one in left) else None,
    )


def _own_options(environment: Mapping[str, Any], address: Mapping[str, Any]) -> set[str]:
    """Returns the options that a task cannot choose beside this provider: whom to trust, which folder not to leave."""
    given = {name for name, value in (environment.get("options") or {}).items() if value not in (None, "")}
    found = given & {"legacyAlgorithms"}
    if given & _TRUST:
        found |= {*_TRUST, "legacyAlgorithms"}
    if "base" in given or "base" in address:
        found |= {"base", "linksLeaveBase"}
    return {f"options.{name}" for name in found}


def _alike(one: Any, other: Any) -> bool:
    """Returns whether a task's value equals another, however the form writes it."""
    return other is not None and str(one).strip().casefold() == str(other).strip().casefold()


def _inputs_of(provider: Provider, path: str, data: Mapping[str, Any]) -> Mapping[str, Variable]:
    """Returns the inputs of the operation with this path; where several share it, the task's method decides."""
    found = [item for item in provider.operations.values() if item.path == path]
    methods = {str(_value(data, tuple(name.split(".")))).casefold() for name in METHOD_INPUTS}
    chosen = next((item for item in found if (item.method or "").casefold() in methods), found[0] if found else None)
    return chosen.inputs if chosen is not None else {}


def _is_refused(source: str) -> bool:
    """Returns whether a task may not fill this in beside a provider; port and encryption, with defaults, may differ."""
    return source in {"host", "headers", "address"} or source.startswith(("authentication", "tls", "wsSecurity"))


def _protocols(places: list[ProviderPlace], address: Mapping[str, Any]) -> Iterator[tuple[ProviderPlace, str]]:
    for place in places:
        if place.source == "protocol":
            protocol = str(address["protocol"])
            yield place, word_for(protocol, place.words) or _mismatch(place, protocol)


def _constants(
    places: list[ProviderPlace], environment: Mapping[str, Any], address: Mapping[str, Any]
) -> Iterator[_Constant]:
    for place in places:
        match place.source:
            case "url" | "host" | "headers" | "protocol":
                continue
            case "security":
                value = address["security"]
                if place.words and value is not None:
                    value = word_for(str(value), place.words) or _mismatch(place, str(value))
            case "authentication" | "wsSecurity":
                value = authentication_of(place, environment.get(place.source) or {})
            case "port":
                value = address["port"]
            case source:
                value = at(environment, source)
                if value is None and source.startswith("options."):
                    value = address.get(source.removeprefix("options."))
        if value is not None:
            yield _Constant(place, value, place.is_locked, _says_nothing(place, value))


def _says_nothing(place: ProviderPlace, value: Any) -> bool:
    if place.left_out is None or not isinstance(value, dict) or len(place.path) > 1:
        return False
    meant = dict(place.left_out)
    return all(name in meant and meant[name] == item for name, item in value.items())


def address_of(provider: Provider, environment: Mapping[str, Any]) -> dict[str, Any]:
    """Returns host, port, encryption and the rest of an environment's address."""
    protocol = provider.protocol
    found: dict[str, Any] = {
        "host": environment.get("host"),
        "port": environment.get("port") or PORTS.get(protocol),
        "security": environment.get("security") or SECURITY.get(protocol),
        "protocol": without_tls(protocol),
    }
    url = environment.get("url")
    if url and protocol not in OVER_HTTP:
        _read_url(str(url), found)
    return found


def _read_url(url: str, found: dict[str, Any]) -> None:
    """Reads the address of a protocol besides HTTP: a path names the database, the base folder or the folder."""
    names = PLACEHOLDER.findall(url)
    numbers = iter(range(len(names)))
    parts = urlsplit(PLACEHOLDER.sub(lambda _: f"zcph-{next(numbers)}-", url))

    def with_placeholders(text: str) -> str:
        return re.sub(r"zcph-(\d+)-", lambda match: f"${{{names[int(match[1])]}}}", text)

    found["host"] = with_placeholders(parts.hostname or "") or None
    found["port"] = parts.port or found["port"]
    found["scheme"] = parts.scheme
    path = with_placeholders(unquote(parts.path))
    if is_file(url):
        found["database"] = path.removeprefix("/")
    elif path.strip("/"):
        found["database"] = found["folder"] = path.strip("/")
        found["base"] = path


def kind_of(given: Mapping[str, Any], tag: str = "type") -> str:
    """Returns the type of a provider's authentication; without one, a user name means that there is a password."""
    return str(given.get("type") or given.get(tag) or ("basic" if given.get("username") else "none"))


def signs_in(given: Mapping[str, Any]) -> bool:
    """Returns whether a provider's authentication is one at all."""
    return not same(kind_of(given), "none")


def authentication_of(place: ProviderPlace, given: Mapping[str, Any]) -> Any:
    """Returns a provider's authentication in the terms of an input.

    Raises:
        PermanentError: `PROVIDER_MISMATCH` when the input does not support it.
    """
    if not place.words:
        return dict(given) or None
    kind = kind_of(given, place.tag)
    word = word_for(kind, place.words)
    if word is None:
        if same(kind, "none"):  # no login, which the input expresses by being empty
            return None
        return _mismatch(place, kind)
    return {
        **{name: value for name, value in given.items() if name not in {"type", place.tag}},
        place.tag or "type": word,
    }


def _mismatch(place: ProviderPlace, value: str) -> Any:
    raise PermanentError(
        "PROVIDER_MISMATCH",
        f"{'.'.join(place.path)}: the provider says {value!r}, which this connector does not support; it supports "
        f"{', '.join(place.words)}. Use another connector or another provider",
    )


def _applies(place: ProviderPlace, data: Mapping[str, Any]) -> bool:
    for path, words in place.when:
        value = _value(data, path)
        if isinstance(value, str) and value.strip().casefold() not in {word.casefold() for word in words}:
            return False
        if value is None and len(path) > 1:
            return False
    return True


def _refuse(place: ProviderPlace, value: Any) -> None:
    """Refuses a task that sets what its provider decides."""
    if place.source == "headers":
        names = [name for name in value or () if str(name).strip().casefold() in _HEADERS]
        if not names:
            return
    elif isinstance(value, dict):
        kind = value.get(place.tag or "type")
        filled = [
            item
            for name, item in value.items()
            if name != (place.tag or "type") and item not in (None, "", [], {}) and not isinstance(item, bool)
        ]
        if not filled or (isinstance(kind, str) and kind in _PUBLIC_TYPES):
            return
    elif value in (None, "", [], {}):
        return
    raise PermanentError(
        "PROVIDER_CONFLICT",
        f"{'.'.join(place.path)}: is filled in, but the task names a provider, which has its own; empty the field, or "
        "remove the provider",
    )


def _value(data: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = data
    for name in path:
        if not isinstance(found, dict):  # JSON has no other mappings, and an exact check is quicker for each job
            return None
        found = found.get(name)
    return found


def _set(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Sets a value; its parents are created, or copied because they may be shared."""
    if len(path) == 1:
        data[path[0]] = value
        return
    *above, last = path
    place = data
    for name in above:
        inner = place.get(name)
        inner = dict(inner) if isinstance(inner, dict) else {}
        place[name] = inner
        place = inner
    place[last] = value
