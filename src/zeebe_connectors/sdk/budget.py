"""Bound what is parsed and written: how much of it there may be, and what is small enough for the event loop.

Whatever comes from outside is counted before it is built. What is small is handled at once; what is large goes to a
thread, so that none of the loop's callbacks takes long; what is over its budget is an error that names the limit.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Value = TypeVar("Value")

JSON_BYTES = 8 * 1024 * 1024
"""Bytes of JSON that are read into values; five times what a job may return, since a part may be mapped."""
JSON_NODES = 250_000
"""Values of a JSON text that are built at most; each takes about a hundred bytes of memory."""
JSON_DEPTH = 200
"""Lists and objects inside one another."""
_LEAVES = frozenset({int, float, bool, type(None)})
_ONLY_TEXT = frozenset({str})
_QUICK_BYTES = 128 * 1024
_QUICK_NODES = 5_000
_QUICK_CHARACTERS = 500_000


class OverBudgetError(ValueError):
    """An input takes more than it may.

    Attributes:
        limit: what of it: `bytes`, `nodes`, `depth`, `parts` and so on.
        allowed: how much there may be.
    """

    def __init__(self, what: str, limit: str, allowed: int) -> None:
        self.limit, self.allowed = limit, allowed
        super().__init__(f"{what} has more than {allowed:,} {limit}")


class SmallJson(dict[str, Any]):
    """An object made of what was read from a short JSON text: small JSON, as its maker knows without a walk over it."""

    __slots__ = ()


def is_small(value: Any) -> bool:
    """Returns whether a JSON-able value is small enough for the event loop to walk and write.

    Of a model its fields count. A large value is not looked through to its end.
    """
    return _is_small_and_flat(value) or _is_small(value)


def _is_small_and_flat(value: Any) -> bool:
    """Returns whether a value is a small object without objects or lists inside, as most results of jobs are."""
    if type(value) is not dict or len(value) > _QUICK_NODES:
        return False
    characters = _QUICK_CHARACTERS
    for part in value.values():
        kind = type(part)
        if kind is str:
            characters -= len(part)
        elif kind not in _LEAVES:
            return False
    return characters >= 0


def _is_small(value: Any) -> bool:
    nodes, characters = _QUICK_NODES, _QUICK_CHARACTERS
    stack: list[Any] = [(value,)]
    while stack:
        item = stack.pop()
        if isinstance(item, (dict, list, tuple)):
            inside: Any = item.values() if isinstance(item, dict) else item
        elif isinstance(item, Mapping):
            inside = item.values()
        else:
            inside = getattr(item, "__dict__", {}).values()
        nodes -= len(inside)
        if nodes < 0:
            return False
        for part in inside:
            kind = type(part)
            if kind is str:
                characters -= len(part)
            elif kind not in _LEAVES:
                stack.append(part)
        if characters < 0:
            return False
    return True


def is_small_json(value: Any) -> bool:
    """Returns whether a value is small, as in `is_small`, and made of nothing but JSON's own types."""
    if type(value) is SmallJson:
        return True
    nodes, characters = _QUICK_NODES, _QUICK_CHARACTERS
    left: list[Any] = [(value,)]
    for inside in left:  # to which is added what stands further inside
        nodes -= len(inside)
        if nodes < 0 or characters < 0:
            return False
        parts = inside
        if type(inside) is dict:
            parts = inside.values()
            if not _ONLY_TEXT.issuperset(map(type, inside)):
                return False
        for part in parts:
            kind = type(part)
            if kind is str:
                characters -= len(part)
            elif kind is dict or kind is list:
                left.append(part)
            elif kind not in _LEAVES:
                return False
    return characters >= 0


async def for_size_of(value: Any, work: Callable[[], Value]) -> Value:
    """Does work that takes longer for larger values: at once for a small one, else in a thread."""
    return work() if is_small(value) else await asyncio.to_thread(work)


def one_pass(decoder: json.JSONDecoder) -> Callable[[str], Any]:
    """Makes a function that decodes a JSON text without the decoder's searches for blanks around the text.

    Args:
        decoder: Reads texts that have blanks around them, and says what is wrong with those that are not JSON.
    """
    scan: Callable[[str, int], tuple[Any, int]] = decoder.scan_once  # type: ignore[attr-defined]

    def decode(text: str) -> Any:
        try:
            value, end = scan(text, 0)
        except StopIteration:
            return decoder.decode(text)
        return value if end == len(text) else decoder.decode(text)

    return decode


def one_writer(encoder: json.JSONEncoder) -> Callable[[Any], str]:
    """Makes a function that encodes values without a new inner encoder for each; a circle is a RecursionError.

    Args:
        encoder: Neither indents nor sorts.
    """
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # an interpreter without the library's part in C
        return encoder.encode
    text = json.encoder.encode_basestring_ascii if encoder.ensure_ascii else json.encoder.encode_basestring
    write = make(
        None,
        encoder.default,
        text,
        None,
        encoder.key_separator,
        encoder.item_separator,
        encoder.sort_keys,
        encoder.skipkeys,
        encoder.allow_nan,
    )
    return lambda value: "".join(write(value, 0))


def json_nodes(data: bytes | str) -> int:
    """Returns an upper bound of a JSON text's values: its brackets, braces and commas, those inside of texts too."""
    if isinstance(data, str):
        return 1 + data.count(",") + data.count("[") + data.count("{")
    return 1 + data.count(b",") + data.count(b"[") + data.count(b"{")


def json_is_quick(data: bytes | str) -> bool:
    """Returns whether the event loop may read a JSON text itself."""
    size = len(data)
    return size <= _QUICK_NODES or (size <= _QUICK_BYTES and json_nodes(data) <= _QUICK_NODES)


async def read_json(data: bytes, decode: Callable[[str], Any] = json.loads) -> Any:
    """Returns the value of a JSON text in UTF-8, within the budget.

    Args:
        data: The text.
        decode: Makes the value; raises ValueError where the text is not JSON.

    Raises:
        OverBudgetError: It has too many bytes, values or levels.
        ValueError: It is not JSON.
    """
    if json_is_quick(data):
        return _decoded(data, decode)
    if len(data) > JSON_BYTES:
        raise OverBudgetError("the JSON", "bytes", JSON_BYTES)
    return await asyncio.to_thread(_counted, data, decode)


def decode_quick_json(data: bytes, decode: Callable[[str], Any] = json.loads) -> Any:
    """Returns the value of a JSON text that is short by its nature, such as a token endpoint's answer.

    Raises:
        OverBudgetError: It is longer, or has more values or levels.
        ValueError: It is not JSON.
    """
    if not json_is_quick(data):
        raise OverBudgetError("the JSON", "bytes", _QUICK_BYTES)
    return _decoded(data, decode)


def _counted(data: bytes, decode: Callable[[str], Any]) -> Any:
    if json_nodes(data) > JSON_NODES and _exact_nodes(data) > JSON_NODES:
        raise OverBudgetError("the JSON", "values", JSON_NODES)
    return _decoded(data, decode)


def _exact_nodes(data: bytes) -> int:
    """Counts as `json_nodes` does, but without what stands inside of texts."""
    outside = b"".join(data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    return json_nodes(outside)


def _decoded(data: bytes, decode: Callable[[str], Any]) -> Any:
    text = data.decode()
    # Each level takes two characters.
    if len(text) > 2 * JSON_DEPTH and (
        min(text.count("["), text.count("]")) + min(text.count("{"), text.count("}")) > JSON_DEPTH
    ):
        _check_depth(text)
    try:
        return decode(text)
    except RecursionError:
        raise OverBudgetError("the JSON", "levels", JSON_DEPTH) from None


def _check_depth(text: str) -> None:
    """Refuses a value that is nested deeper than any walk over it may go.

    Raises:
        OverBudgetError: It is.
    """
    depth = 0
    for piece in text.replace("\\\\", "").replace('\\"', "").split('"')[::2]:
        for character in piece if len(piece) < 8 else piece.translate(_BRACKETS_ONLY):
            if character in "[{":
                depth += 1
                if depth > JSON_DEPTH:
                    raise OverBudgetError("the JSON", "levels", JSON_DEPTH)
            elif character in "]}":
                depth -= 1


class _BracketsOnly(dict[int, int | None]):
    """A translation that drops all but brackets and braces."""

    def __missing__(self, character: int) -> int | None:
        self[character] = result = character if chr(character) in "[]{}" else None
        return result


_BRACKETS_ONLY = _BracketsOnly()
