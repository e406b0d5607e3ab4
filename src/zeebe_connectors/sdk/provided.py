"""Derive from a connector's model which inputs a provider fills, for the pipeline and for the form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from zeebe_connectors.sdk.annotations import discriminator_of, leaf_types, literals
from zeebe_connectors.sdk.fields import hint_of

CONNECTION = "connection"
"""Header or property that says whether the form's own inputs count (`here`) or a provider's."""
PROVIDER = "provider"
"""Header or property that names the provider. It is no variable: a process may have one of that name."""
ENVIRONMENT = "environment"
"""Header or property that names the environment, where the provider lets tasks choose."""
VALUES = "providerValues"
"""Input with the values of the provider's placeholders."""

WORDS: Mapping[str, tuple[str, ...]] = {
    "none": ("none", "noAuth", "NONE"),
    "basic": ("basic", "simple", "auto", "login", "password"),
    "oauth-client-credentials-flow": ("oauth-client-credentials-flow", "clientCredentials"),
    "oauth-refresh-token": ("oauth-refresh-token", "refreshToken"),
    "token": ("token", "bearer"),
    "tls": ("tls", "SSL", "TLS"),
    "starttls": ("starttls", "STARTTLS", "explicit"),
    "pop": ("pop3", "pop"),
}
"""What providers call something, and what connectors' inputs may call it, in the order in which it is looked for."""
_SAME = {word: common for common, words in WORDS.items() for word in words}


def word_for(value: str, accepted: tuple[str, ...]) -> str | None:
    """Returns the input's own word for what a provider says; None if it has none.

    Args:
        value: As in the provider.
        accepted: The values of the input's `Literal`.
    """
    if value in accepted:
        return value
    return next((word for word in WORDS.get(_SAME.get(value, value), ()) if word in accepted), None)


def same(one: str, other: str) -> bool:
    """Returns whether two words say the same."""
    return _SAME.get(one, one) == _SAME.get(other, other)


@dataclass(frozen=True, slots=True)
class ProviderPlace:
    """One input that a provider fills.

    Args:
        path: Its wire names, from the top.
        source: The dotted place in the provider's environment.
        words: What the input accepts, where it is a choice; for a whole authentication its types.
        tag: Wire name of the field that tells an authentication's type.
        when: Which other inputs must have one of these values for it to be there.
        left_out: What the input means when it is left out, by wire name; None where it must be there.
        default: What the input is when it is left out, if that is text, a number or a truth value: forms send it.
    """

    path: tuple[str, ...]
    source: str
    words: tuple[str, ...] = ()
    tag: str = ""
    when: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()
    left_out: tuple[tuple[str, Any], ...] | None = None
    default: str | int | float | bool | None = None

    @property
    def is_locked(self) -> bool:
        """Whether the task must leave it to the provider; what is not locked is a default."""
        return is_locked(self.source)


def is_locked(source: str) -> bool:
    """Returns whether an input of this hint is the provider's alone."""
    return bool(source) and not source.startswith("options.")


def is_hidden(source: str) -> bool:
    """Returns whether the form hides an input of this hint once a provider is chosen."""
    return is_locked(source) and source not in {"headers", "protocol"}


def provider_places(kind: Any) -> list[ProviderPlace]:
    """Returns the inputs of a model, or of each member of a union, that a provider fills."""
    return list(dict.fromkeys(_places(kind, (), (), discriminator_of(kind, None))))


def _places(kind: Any, path: tuple[str, ...], when: Any, tag: str | None) -> Iterator[ProviderPlace]:
    models = _models(kind)
    for model in models:
        here = when
        if tag and len(models) > 1 and tag in model.model_fields:
            info = model.model_fields[tag]
            values = tuple(str(value) for leaf in leaf_types(info.annotation) for value in literals(leaf))
            here = (*when, ((*path, info.alias or tag), values))
        for name, info in model.model_fields.items():
            where = (*path, info.alias or name)
            source = hint_of(info).provider
            if source:
                words = _words(info)
                if source == "protocol":  # it tells the members apart: one place for all of them
                    words = tuple(dict.fromkeys(word for other in models for word in _words(other.model_fields[name])))
                    default = _default(info) if len(models) == 1 else None
                    yield ProviderPlace(where, source, words, when=when, default=default)
                else:
                    tag_name = _wire(info, discriminator_of(info.annotation, info))
                    yield ProviderPlace(where, source, words, tag_name, here, _left_out(info), _default(info))
            else:
                yield from _places(info.annotation, where, here, discriminator_of(info.annotation, info))


def provider_names(kind: Any) -> dict[str, set[str]]:
    """Returns the names that a model's inputs read, at any depth, from each section of a provider's environment."""
    found: dict[str, set[str]] = {}
    for info in _fields(kind):
        section, _, name = hint_of(info).provider.partition(".")
        if section:
            names = {name} if name else set()
            found.setdefault(section, set()).update(names, _wire_names(info.annotation))
        else:
            for inner, more in provider_names(info.annotation).items():
                found.setdefault(inner, set()).update(more)
    return found


def _wire_names(kind: Any) -> Iterator[str]:
    for model in _models(kind):
        for name, info in model.model_fields.items():
            yield info.alias or name
            yield from _wire_names(info.annotation)


def _fields(kind: Any) -> Iterator[FieldInfo]:
    for model in _models(kind):
        yield from model.model_fields.values()


def _models(kind: Any) -> list[type[BaseModel]]:
    return [leaf for leaf in leaf_types(kind) if isinstance(leaf, type) and issubclass(leaf, BaseModel)]


def _words(info: FieldInfo) -> tuple[str, ...]:
    kinds = leaf_types(info.annotation)
    tag = discriminator_of(info.annotation, info)
    if tag:
        kinds = [
            leaf for member in _models(info.annotation) for leaf in leaf_types(member.model_fields[tag].annotation)
        ]
    return tuple(str(value) for kind in kinds for value in literals(kind))


def _left_out(info: FieldInfo) -> tuple[tuple[str, Any], ...] | None:
    default = info.get_default(call_default_factory=True, validated_data={})
    if not isinstance(default, BaseModel):
        return None
    found = default.model_dump(by_alias=True, mode="json").items()
    return tuple((name, value) for name, value in found if value is None or isinstance(value, str | int | float))


def _default(info: FieldInfo) -> str | int | float | bool | None:
    return info.default if isinstance(info.default, str | int | float) else None


def _wire(info: FieldInfo, tag: str | None) -> str:
    if not tag:
        return ""
    member = _models(info.annotation)[0]
    return member.model_fields[tag].alias or tag
