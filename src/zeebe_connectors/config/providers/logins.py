"""List the ways to sign in that connectors offer for a protocol, so that a page can ask for just their fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from zeebe_connectors.sdk.annotations import discriminator_of, leaf_types, literals
from zeebe_connectors.sdk.fields import hint_of
from zeebe_connectors.sdk.provided import same

_COMMON = ("none", "basic")


@dataclass(frozen=True, slots=True)
class Login:
    """One way to sign in.

    Args:
        label: As the connector's form says it.
        fields: The names of its fields, without the type.
    """

    label: str
    fields: tuple[str, ...]


def logins(protocol: str) -> dict[str, Login]:
    """Returns the ways to sign in by type, for providers of a protocol.

    Args:
        protocol: The provider's.
    """
    from zeebe_connectors.sdk.registry import Registry  # noqa: PLC0415 - loads every connector

    found: dict[str, Login] = {}
    for connector in Registry.installed().every():
        if protocol in connector.protocols:
            for info in _authentications(connector.input):
                for kind, login in _logins(info):
                    first = found.get(kind, login)
                    found[kind] = Login(first.label, tuple(dict.fromkeys((*first.fields, *login.fields))))
    return found


def own_word(known: Mapping[str, Login], kind: str) -> str:
    """Returns what `logins` calls a type that may be called otherwise; the type itself where it knows none such.

    Args:
        known: What `logins` returned.
        kind: As a provider says it.
    """
    return kind if kind in known else next((name for name in known if same(name, kind)), kind)


def _logins(info: FieldInfo) -> Iterator[tuple[str, Login]]:
    tag = discriminator_of(info.annotation, info)
    if not tag:
        return
    labels = hint_of(info).choices or {}
    for model in _models(info.annotation):
        fields = tuple(one.alias or name for name, one in model.model_fields.items() if name != tag)
        for value in (str(item) for kind in leaf_types(model.model_fields[tag].annotation) for item in literals(kind)):
            common = next((word for word in _COMMON if same(value, word)), value)
            yield common, Login(str(labels.get(value, value)), fields)


def _authentications(kind: Any) -> Iterator[FieldInfo]:
    for model in _models(kind):
        for info in model.model_fields.values():
            if hint_of(info).provider == "authentication":
                yield info
            else:
                yield from _authentications(info.annotation)


def _models(kind: Any) -> list[type[BaseModel]]:
    return [leaf for leaf in leaf_types(kind) if isinstance(leaf, type) and issubclass(leaf, BaseModel)]
