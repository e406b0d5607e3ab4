"""Show providers to operators and modelers as JSON without secured values, for API, command and page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from zeebe_connectors.config.providers.secured import secured_fields
from zeebe_connectors.config.secrets.placeholders import secret_name
from zeebe_connectors.runtime.providers.directory import Directory, Known
from zeebe_connectors.runtime.providers.editing import with_values
from zeebe_connectors.runtime.providers.entries import Entry
from zeebe_connectors.runtime.providers.using import Providers, environment_document
from zeebe_connectors.sdk.fields import Secret


def shown_known(known: Known, directory: Directory) -> dict[str, Any]:
    """Shows a provider in force; a secured value is shown as set, with the secret's name if it is a reference."""
    provider = known.provider
    document = provider.model_dump(by_alias=True, exclude_defaults=True, exclude={"environments"}, mode="json")
    document["protocol"] = provider.protocol
    document["active"] = provider.active
    document["environments"] = {
        name: _environment(environment_document(provider, name)) for name in provider.environments
    }
    where: dict[str, Any] = {"kind": known.kind}
    if known.kind == "file":
        where |= {"file": str(directory.file), "line": known.line}
    return {"name": known.name, **document, "from": where}


def shown_entry(entry: Entry) -> dict[str, Any]:
    """Shows a provider of the database, with the version that a change must name."""
    values = {
        place: _secured(value.reference, changed=utc_time(value.changed)) for place, value in entry.secured.items()
    }
    # What an earlier version stored beside them, and would be secured today.
    values |= {
        (name, path): _secured("")
        for name, there in (entry.document.get("environments") or {}).items()
        for path, _ in secured_fields(there)
    }
    shown = {
        "name": entry.name,
        **({"protocol": "", "environments": {}} if entry.is_broken else with_values(entry.document, values)),
        "from": {"kind": "store"},
        "etag": str(entry.version),
        "changed": utc_time(entry.changed),
        "by": entry.who,
    }
    if entry.dropped:
        shown["dropped"] = [".".join(place) for place in entry.dropped]
    return shown


def fitting(known: Iterable[Known], *, tag: str = "", text: str = "") -> list[Known]:
    """Returns the providers that have a tag, and a text in name, description or tags."""
    words = text.casefold().split()
    return [
        one
        for one in known
        if (not tag or tag.casefold() in (item.casefold() for item in one.provider.tags))
        and all(word in " ".join((one.name, one.provider.description, *one.provider.tags)).casefold() for word in words)
    ]


def shown_now(providers: Providers, name: str) -> dict[str, Any]:
    """Shows the current state of a provider's usage rules, by environment."""
    return {
        key.partition("/")[2]: {
            "perSecond": limit.per_second(),
            "waiting": limit.waiting,
            "granted": limit.counts.granted,
            "givenBack": limit.counts.handed_back,
            "slowed": limit.counts.slowed,
            "slowedFor": round(limit.held_for(), 1),
        }
        for key, limit in providers.limits().items()
        if key.partition("/")[0] == name
    }


def _environment(document: Mapping[str, Any]) -> dict[str, Any]:
    values = {
        ("x", path): _secured(value if isinstance(value, str) else "") for path, value in secured_fields(document)
    }
    plain = {key: _without_secrets(value) for key, value in document.items() if value not in (None, {}, "")}
    shown: dict[str, Any] = with_values({"environments": {"x": plain}}, values)["environments"]["x"]
    return shown


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Secret):
        return None
    if isinstance(value, Mapping):
        return {name: _without_secrets(item) for name, item in value.items()}
    return value


def _secured(reference: str, *, changed: str | None = None) -> dict[str, Any]:
    shown: dict[str, Any] = {"secured": True, "set": True}
    if reference:
        name = secret_name(reference)
        if name is not None:  # a text around a name is a value of its own, and may be part of the secret
            shown["secret"] = name
    if changed is not None:
        shown["changed"] = changed
    return shown


def utc_time(seconds: float) -> str:
    """Writes a time in UTC, to the second.

    Args:
        seconds: Since 1970.
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
