"""Read JSON documents of variables from outside, and measure how large values are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from zeebe_connectors.engine.rejections import invalid

_MAX_CACHED_WEIGHT = 16_384
_MAX_CACHED_VARIABLES = 256
_MAX_VARIABLE_DEPTH = 300


def is_large(variables: Mapping[str, Any]) -> bool:
    """Return whether there are too many variables, or a text or list among them is too long, to keep them."""
    if len(variables) > _MAX_CACHED_VARIABLES:
        return True
    left = _MAX_CACHED_WEIGHT
    waiting = list(variables.values())
    for value in waiting:  # it grows while it is walked
        if isinstance(value, str):
            left -= len(value)
        elif isinstance(value, dict | list):
            left -= 32 * len(value)
            if left > 0:
                waiting.extend(value.values() if isinstance(value, dict) else value)
        if left < 0:
            return True
    return False


def parse_variables(text: str | bytes) -> dict[str, Any]:
    """Read a JSON document of variables; a blank one has none.

    Raises:
        Rejection: It is not JSON, or not an object.
    """
    if not text or not text.strip():
        return {}
    try:
        value = _DECODER.decode(text if isinstance(text, str) else text.decode())
    except (ValueError, RecursionError) as error:
        raise invalid(f"Expected the variables to be a valid JSON document, but they cannot be read: {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(
            "Expected the variables to be a JSON object with a name for each value, but the root is "
            f"'{type(value).__name__}'"
        )
    check_depth(value)
    return value


def check_depth(variables: Mapping[str, Any]) -> None:
    """Refuse variables that are nested too deeply.

    Raises:
        Rejection: They are.
    """
    if _is_deeper_than(variables, _MAX_VARIABLE_DEPTH):
        raise invalid(
            f"Expected the variables to be nested at most {_MAX_VARIABLE_DEPTH} levels deep, but they are deeper"
        )


def _is_deeper_than(value: Any, depth: int) -> bool:
    level = [value]
    while level and depth >= 0:
        depth -= 1
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, dict | list)
        ]
    return bool(level)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
