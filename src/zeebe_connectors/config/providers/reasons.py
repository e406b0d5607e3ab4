"""Say what is wrong with a provider's document, in words for the operator who wrote it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from zeebe_connectors.sdk.fields import COMMON_REASONS


def reason_of(first: Any, location: Sequence[str | int], root: type[BaseModel]) -> str:
    """Returns what is wrong with a value, and what to do.

    Args:
        first: One of the validator's errors.
        location: Where in the document it is.
        root: The document's model.
    """
    kind = first["type"]
    if kind == "extra_forbidden":
        known = _known_keys(location[:-1], root)
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        if near:
            return f"is unknown; did you mean {near[0]}?"
        return f"is unknown; known here: {', '.join(known)}"
    if kind in {"model_type", "dict_type"}:
        return "must be a mapping of names and values; indent them below it"
    if kind == "literal_error":
        return f"must be one of {first['ctx']['expected']}"
    if kind in {"value_error", "assertion_error"}:
        return str((first.get("ctx") or {}).get("error", first["msg"]))
    if kind == "string_pattern_mismatch":
        return _PATTERNS[str(location[-1])]
    if kind in _BOUNDS:
        return f"{_BOUNDS[kind]} {next(iter(first['ctx'].values())):g}"
    text: str = _REASONS.get(kind) or first["msg"]
    return text[:1].lower() + text[1:]


_REASONS = {
    **COMMON_REASONS,
    "too_short": "must not be empty; add one",
    "list_type": "must be a list; write it like [one, other]",
    "string_type": "must be text; put it in quotes",
}
_BOUNDS = {
    "greater_than": "must be more than",
    "greater_than_equal": "must be at least",
    "less_than": "must be less than",
    "less_than_equal": "must be at most",
}
_PATTERNS = {
    "documentation": "must be a link; write it like https://wiki.example.com/erp",
    "url": "must be the proxy's address, like http://proxy.example.com:3128; user and password have their own fields",
}


def _known_keys(location: Sequence[str | int], root: type[BaseModel]) -> list[str]:
    """Returns the keys that may stand at a place of the document."""
    here: Any = root
    for part in location:
        if isinstance(here, type) and issubclass(here, BaseModel):
            fields = here.model_fields.items()
            here = next((info.annotation for name, info in fields if part in {name, info.alias}), None)
        elif get_origin(here) is dict:  # a free name
            here = get_args(here)[1]
        here = (
            next((item for item in get_args(here) if _is_model(item)), here) if get_origin(here) is not dict else here
        )
    return [info.alias or name for name, info in here.model_fields.items()] if _is_model(here) else []


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
