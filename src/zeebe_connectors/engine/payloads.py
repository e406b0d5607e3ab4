"""Read JSON documents of variables from outside, write JSON, and measure how large values are."""

from __future__ import annotations

import json
import json.encoder
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from zeebe_connectors.engine.model.expressions import MAX_DEPTH
from zeebe_connectors.engine.rejections import invalid

_MAX_CACHED_WEIGHT = 16_384
_MAX_CACHED_VARIABLES = 256


def is_large(variables: Mapping[str, Any]) -> bool:
    """Return whether variables are too many, or hold too long a text or list, to be kept."""
    if len(variables) > _MAX_CACHED_VARIABLES:
        return True
    left = _MAX_CACHED_WEIGHT
    waiting = list(variables.values())
    for value in waiting:  # it grows while it is walked
        kind = type(value)
        if kind is str:
            left -= len(value)
        elif kind is dict or kind is list:
            left -= 32 * len(value)
            if left > 0:
                waiting += value.values() if kind is dict else value
        else:
            continue
        if left < 0:
            return True
    return False


def _json_writer() -> Callable[[Any], str]:
    """Return a function that writes a value as JSON without spaces.

    `JSONEncoder.encode` creates its C encoder at each call, which takes as long as writing a small value; so one is
    kept if it exists. Values come from JSON or FEEL, and have no reference cycles.
    """
    encoder = json.JSONEncoder(separators=(",", ":"), check_circular=False)
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return encoder.encode
    chunks = make(None, encoder.default, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, True)
    return lambda value: "".join(chunks(value, 0))


to_json = _json_writer()


def parse_variables(text: str | bytes) -> dict[str, Any]:
    """Read a JSON document of variables; a blank one has no variables.

    Raises:
        Rejection: It is not JSON, or not an object.
    """
    try:
        text = text if isinstance(text, str) else text.decode()
        if not text.strip():
            return {}
        value = read_json(text)
    except (ValueError, RecursionError) as error:
        raise invalid(f"Expected the variables to be a valid JSON document, but they cannot be read: {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(
            "Expected the variables to be a JSON object with a name for each value, but the root is "
            f"'{type(value).__name__}'"
        )
    if len(text) > 2 * MAX_DEPTH:  # a shorter text has too few brackets
        check_depth(value)
    return value


def check_depth(variables: Mapping[str, Any]) -> None:
    """Refuse variables that are nested too deeply.

    Raises:
        Rejection: They are nested too deeply.
    """
    if _is_deeper_than(variables, MAX_DEPTH):
        raise invalid(f"Expected the variables to be nested at most {MAX_DEPTH} levels deep, but they are deeper")


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
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)


def read_json(text: str) -> Any:
    """Read a JSON document, in a form that can be written again.

    Half of a surrogate pair, which is no character, becomes a question mark, as in a cluster.

    Raises:
        ValueError: It is none, or has a number that is too large.
        RecursionError: It is nested too deeply.
    """
    value = _DECODER.decode(text)
    if _SURROGATE.search(text) is not None:
        written = json.dumps(value, ensure_ascii=False)
        readable = written.encode(errors="replace").decode()
        if readable != written:
            return _DECODER.decode(readable)
    return value
