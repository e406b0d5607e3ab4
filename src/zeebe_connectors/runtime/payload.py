"""Write a connector's result and a command's variables as JSON, and check that the engine can carry it."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from zeebe_connectors import feel
from zeebe_connectors.sdk.budget import one_writer
from zeebe_connectors.sdk.document import Document
from zeebe_connectors.sdk.errors import InputError
from zeebe_connectors.sdk.numbers import INT64_BOUND
from zeebe_connectors.sdk.text import sendable

MAX_PAYLOAD = 1_572_864
"""Maximum bytes of JSON in a command; the official runtime's limit (1.5 MiB)."""
_LONG_NUMBER = re.compile(r"[0-9]{19}")
_JSON_LEAVES = frozenset({str, int, float, bool, type(None)})
_WRITER = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))
_write = one_writer(_WRITER)


def plain(value: Any) -> Any:
    """Returns a connector's result as JSON-able data: models and documents as objects, times as ISO text.

    Raises:
        InputError: Something in it cannot be a process variable.
    """
    try:
        return json.loads(json.dumps(value, default=_encode)) if _needs_encoding(value) else value
    except (TypeError, ValueError) as error:
        raise InputError(f"The connector's result cannot be stored as a process variable: {error}") from None


def _needs_encoding(value: Any) -> bool:
    """Returns whether a value holds anything but JSON types; loops instead of recursing, as nearly none does."""
    left = [value]
    while left:
        item = left.pop()
        kind = type(item)
        if kind is dict:
            for name in item:
                if type(name) is not str:
                    return True
            left += [part for part in item.values() if type(part) not in _JSON_LEAVES]
        elif kind is list:
            left += [part for part in item if type(part) not in _JSON_LEAVES]
        elif kind not in _JSON_LEAVES:
            return True
    return False


def _encode(value: Any) -> Any:
    if isinstance(value, Document):
        return dict(value.reference)
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(by_alias=True)
    if isinstance(value, bytes):
        raise TypeError("it holds bytes; create a document from them")
    return feel.to_json(value)


def encode(variables: Mapping[str, Any], what: str) -> str:
    """Returns variables as JSON text, checked.

    Args:
        variables: JSON-able data.
        what: Their origin, for the message.

    Raises:
        InputError: They cannot be JSON (`NaN`), are too large, or hold the reserved key of functions.
    """
    if variables == {}:
        return "{}"
    try:
        text = _write(variables)
    except ValueError:
        raise _unsendable_number(variables, what) from None
    if _LONG_NUMBER.search(text):
        with contextlib.suppress(StopIteration):
            raise _unsendable_number(variables, what)
    text = sendable(text)
    if len(text) * 4 > MAX_PAYLOAD and (size := len(text.encode())) > MAX_PAYLOAD:
        raise InputError(
            f"{what}: {size:,} bytes of JSON are more than the {MAX_PAYLOAD:,} that one command may hold; map or "
            "pass on only what is needed, or let a connector store the content as a document",
            code="RESULT_TOO_LARGE",
        )
    return text


def _unsendable_number(variables: Mapping[str, Any], what: str) -> InputError:
    """Returns the error that names the first number that a process variable cannot hold.

    Raises:
        StopIteration: There is none.
    """
    path, value = next(_unsendable_numbers(variables))
    if isinstance(value, int):
        reason = "is a whole number beyond 64 bits, which no process variable holds"
    else:
        reason = f"is {'not a number (NaN)' if value != value else 'an infinity'}, which JSON does not know"  # noqa: PLR0124 - NaN alone differs from itself
    return InputError(f"{what}: {path} {reason}; leave it out, or write it as text: string(…)")


def _unsendable_numbers(value: Any) -> Iterator[tuple[str, int | float]]:
    """Yields each number that cannot be sent, with its path (positions count from 1); without recursion."""
    left: list[tuple[str, Any]] = [("", value)]
    while left:
        path, item = left.pop()
        if isinstance(item, Mapping):
            left += [(f"{path}.{name}" if path else str(name), each) for name, each in reversed(list(item.items()))]
        elif isinstance(item, list | tuple):
            left += [(f"{path}[{number}]", each) for number, each in reversed(list(enumerate(item, 1)))]
        elif (isinstance(item, float) and not math.isfinite(item)) or (
            isinstance(item, int) and not isinstance(item, bool) and not -INT64_BOUND <= item < INT64_BOUND
        ):
            yield path, item
