"""Read raw inputs as leniently as the official runtime: what forms send for nothing, flags, choices and lists."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from zeebe_connectors.sdk.annotations import leaf_types, literals

ABSENT = object()
"""Says that a value counts as left out."""
_SCALARS = frozenset({str, int, float, bool, type(None)})
_TRUTH = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}


@dataclass(frozen=True, slots=True)
class FieldReader:
    """Reads one field's raw value as what the form meant, by what the field's type allows."""

    optional: bool
    accepts_none: bool
    is_flag: bool
    is_list: bool
    choices: Mapping[str, Any]
    drops_empty: bool = False
    """Whether a list's items that are null or empty text count as left out."""
    tag: str | None = None
    """The field that tells which member of a union is meant; then `choices` are its values."""
    exact: frozenset[Any] = frozenset()
    """Texts that need no reading."""
    tags: Container[Any] = ()
    """The tags of a union's members, with which a context needs no reading."""
    takes_text: bool = False
    """Whether any text that is not blank needs no reading."""
    is_scalar: bool = False
    """Whether only a text, a number or a flag fits; then a list of exactly one counts as that one."""

    def __call__(self, value: Any) -> Any:
        """Returns the value as the form meant it: the same object if it already is so, `ABSENT` if it is left out."""
        if self.is_scalar and isinstance(value, list) and len(value) == 1 and not isinstance(value[0], list):
            value = value[0]
        if value is None:
            return ABSENT if self.optional or not self.accepts_none else value
        if isinstance(value, str):
            if not value.strip() and self.optional:
                return ABSENT
            if self.is_flag:
                return _TRUTH.get(_without_braces(value).strip().casefold(), value)
            if self.choices and self.tag is None:
                return self.choices.get(value.strip().casefold(), value)
        if self.tag is not None and isinstance(value, dict):
            value_of_tag = value.get(self.tag)
            if isinstance(value_of_tag, str) and value_of_tag.strip():
                known = self.choices.get(value_of_tag.strip().casefold(), value_of_tag)
                return value if known == value_of_tag else {**value, self.tag: known}
            if is_empty(value_of_tag) and self.optional and not any(item not in {None, ""} for item in _scalars(value)):
                return ABSENT
        return self._listed(value) if self.is_list else value

    def _listed(self, value: Any) -> Any:
        """Returns a list without the items that count as left out; a single value becomes a list of one."""
        if not isinstance(value, (list, tuple, set, frozenset)):
            return [value]
        if self.drops_empty and isinstance(value, list) and any(map(is_empty, value)):
            return [item for item in value if not is_empty(item)] or (ABSENT if self.optional else [])
        return value


def is_empty(item: Any) -> bool:
    """Returns whether a form that sends it means nothing by it: null or blank text."""
    return item is None or (isinstance(item, str) and not item.strip())


def _drops_empty(kind: Any) -> bool:
    """Returns whether a type is a list whose items cannot be null."""
    if (get_origin(kind) or kind) is not list:
        return False
    return not any(item in {Any, type(None)} for argument in get_args(kind) for item in leaf_types(argument))


@cache
def readers_of(model: type[BaseModel]) -> dict[str, FieldReader]:
    """Returns what reads a field's value, by each name under which it may come."""
    plan: dict[str, FieldReader] = {}
    for name, info in model.model_fields.items():
        kinds = leaf_types(info.annotation)
        tag = info.discriminator if isinstance(info.discriminator, str) else None
        tagged = [kind.model_fields[tag].annotation for kind in kinds if issubclass(kind, BaseModel)] if tag else kinds
        choices = {str(value).casefold(): value for kind in tagged for value in literals(kind)}
        is_flag = bool in kinds
        is_list = any((get_origin(kind) or kind) in {list, tuple, set, frozenset} for kind in kinds)
        is_plain = not is_list and not is_flag
        plan[info.alias or name] = plan[name] = FieldReader(
            optional=not info.is_required(),
            accepts_none=type(None) in kinds or info.annotation is Any,
            is_flag=is_flag,
            is_list=is_list,
            drops_empty=any(map(_drops_empty, kinds)),
            choices=choices,
            tag=kinds[0].model_fields[tag].alias or tag if tag else None,
            exact=frozenset(text for text in choices.values() if isinstance(text, str))
            if is_plain and tag is None
            else frozenset(),
            tags=tuple(choices.values()) if is_plain and tag is not None else (),
            takes_text=is_plain and (not choices or tag is not None),
            is_scalar=all(kind in _SCALARS or literals(kind) for kind in kinds),
        )
    return plan


def _scalars(value: Mapping[str, Any]) -> list[Any]:
    """Returns the values of a context, a mark in place of those that are contexts or lists."""
    return [item if isinstance(item, str | None) else True for item in value.values()]


def _without_braces(text: str) -> str:
    """Takes off the braces of `${true}`, which older templates send."""
    return text[2:-1] if text.startswith("${") and text.endswith("}") else text
