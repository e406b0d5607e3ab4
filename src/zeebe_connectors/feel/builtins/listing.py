"""Declare functions of lists: their content, sums and means, and new lists made from them."""

from __future__ import annotations

import math
from collections import Counter
from decimal import Decimal, DecimalException
from typing import Any

from zeebe_connectors.feel.builtins.declare import builtin
from zeebe_connectors.feel.errors import AssertionFailedError, Failure, FeelEvaluationError
from zeebe_connectors.feel.limits import Run
from zeebe_connectors.feel.operations import comparable, key_of, same, show, smallest, whole
from zeebe_connectors.feel.precision import DECIMAL128, context_of, like
from zeebe_connectors.feel.values import (
    LIST,
    NULL,
    NUMBER,
    STRING,
    Function,
    decimal,
    int32,
    kind,
    plain_int,
    result_of_float,
)

TITLE = "List functions"
_BYTES_PER_ORDERED = 48
_CHARACTERS_OF_A_KEY = 200


@builtin(
    "list contains(list: list, element: any): boolean",
    "Whether the list contains the element.",
    ("list contains([1, 2, 3], 2)", "true"),
    ("list contains([1, null], null)", "true"),
)
def _list_contains(run: Run, items: Any, element: Any) -> Any:
    run.tick(len(items))
    return any(same(run, item, element) for item in items)


@builtin("count(list: list): number", "The number of items.", ("count([1, 2, 3])", "3"))
def _count(items: Any) -> Any:
    return len(items)


@builtin(
    "is empty(list: list): boolean",
    "Whether the list has no items.",
    ("is empty([])", "true"),
    ("is empty([1])", "false"),
)
def _is_empty(items: Any) -> Any:
    return not items


def _extreme(run: Run, items: Any, sign: int) -> Any:
    run.tick(len(items))
    if not items:
        return None
    if not comparable(items):
        raise Failure(f"{show(items)} is not comparable")
    return smallest(run, items, sign)


@builtin(
    "min(list: list...): any", "The smallest of comparable values.", ("min([1, 2, 3])", "1"), ("min(3, 1, 2)", "1")
)
def _min(run: Run, items: Any) -> Any:
    return _extreme(run, items, 1)


@builtin(
    "max(list: list...): any", "The largest of comparable values.", ("max([1, 2, 3])", "3"), ('max("a", "b")', '"b"')
)
def _max(run: Run, items: Any) -> Any:
    return _extreme(run, items, -1)


def _numbers(run: Run, items: Any) -> list[Any]:
    run.tick(len(items))
    for item in items:
        if kind(item) != NUMBER:
            raise Failure(f"expected number but found '{show(item)}'")
    return [item if type(item) is int else decimal(item) for item in items]


def _total(numbers: list[Any]) -> Any:
    if all(type(number) is int for number in numbers):
        return whole(sum(numbers))
    total = decimal(numbers[0]) if numbers else Decimal(0)
    for number in numbers[1:]:
        total = like(total, context_of(total).add(total, decimal(number)))
    return total


@builtin(
    "sum(list: list...): number",
    "The sum of numbers; null for an empty list.",
    ("sum([1, 2, 3])", "6"),
    ("sum(1, 2.5)", "3.5"),
    ("sum([])", "null"),
)
def _sum(run: Run, items: Any) -> Any:
    return _total(_numbers(run, items)) if items else None


@builtin(
    "product(list: list...): number", "The product of numbers; null for an empty list.", ("product([2, 3, 4])", "24")
)
def _product(run: Run, items: Any) -> Any:
    numbers = _numbers(run, items)
    if not numbers:
        return None
    result = numbers[0]
    for number in numbers[1:]:
        if type(number) is int and type(result) is int:
            result = whole(result * number)
        else:
            result = like(result, context_of(result).multiply(decimal(result), decimal(number)))
    return result


def _mean_of(numbers: list[Any]) -> Any:
    total = _total(numbers)
    return plain_int(like(total, context_of(total).divide(decimal(total), Decimal(len(numbers)))))


@builtin("mean(list: list...): number", "The arithmetic mean; null for an empty list.", ("mean([1, 2, 3])", "2"))
def _mean(run: Run, items: Any) -> Any:
    return _mean_of(_numbers(run, items)) if items else None


@builtin(
    "median(list: list...): number",
    "The number in the middle, or the mean of both; null for an empty list.",
    ("median(8, 2, 5, 3, 4)", "4"),
    ("median([6, 1, 2, 3])", "2.5"),
)
def _median(run: Run, items: Any) -> Any:
    numbers = sorted(_numbers(run, items))
    if not numbers:
        return None
    middle = len(numbers) // 2
    return numbers[middle] if len(numbers) % 2 else _mean_of(numbers[middle - 1 : middle + 1])


@builtin(
    "stddev(list: list...): number",
    "The standard deviation of a sample; null for an empty list.",
    ("decimal(stddev(2, 4, 7, 5), 6)", "2.081666"),
)
def _stddev(run: Run, items: Any) -> Any:
    numbers = [decimal(number) for number in _numbers(run, items)]
    if not numbers:
        return None
    mean = decimal(_mean_of(numbers))
    try:
        squares = _total([DECIMAL128.power(DECIMAL128.subtract(number, mean), 2) for number in numbers])
        variance = DECIMAL128.divide(decimal(squares), Decimal(len(numbers) - 1))
    except DecimalException:
        raise FeelEvaluationError("the standard deviation of one number has no meaning") from None
    return result_of_float(math.sqrt(variance))


@builtin(
    "mode(list: list...): list",
    "The most frequent numbers, in order; an empty list for an empty one.",
    ("mode(6, 3, 9, 6, 6)", "[6]"),
    ("mode([6, 1, 9, 6, 1])", "[1, 6]"),
)
def _mode(run: Run, items: Any) -> Any:
    counted = Counter(_numbers(run, items))
    highest = max(counted.values(), default=0)
    return sorted(number for number, count in counted.items() if count == highest)


def _conjunction(run: Run, items: Any, decisive: bool) -> Any:  # noqa: FBT001 - both callers name it
    run.tick(len(items))
    if any(item is decisive for item in items):
        # An item of another kind makes the result null, unless a decisive item comes later.
        return decisive
    return None if any(not isinstance(item, bool) for item in items) else not decisive


@builtin(
    "all(list: any...): boolean",
    "Whether all items are true; null if one is not a boolean and none is false.",
    ("all([true, false])", "false"),
    ("all([])", "true"),
    ("all(true, null)", "null"),
)
def _all(run: Run, items: Any) -> Any:
    _require_list(items)
    return _conjunction(run, items, decisive=False)


@builtin("and(list: any...): boolean", "The older name of `all`.", ("and([true, false])", "false"))
def _and(run: Run, items: Any) -> Any:
    return _all(run, items)


@builtin(
    "any(list: any...): boolean",
    "Whether any item is true; null if one is not a boolean and none is true.",
    ("any([false, true])", "true"),
    ("any([])", "false"),
)
def _any(run: Run, items: Any) -> Any:
    _require_list(items)
    return _conjunction(run, items, decisive=True)


@builtin("or(list: any...): boolean", "The older name of `any`.", ("or([false, true])", "true"))
def _or(run: Run, items: Any) -> Any:
    return _any(run, items)


def _require_list(items: Any) -> None:
    if kind(items) != LIST:
        raise Failure(f"Illegal arguments: {show(items)}")


def _position(items: Any, position: Any) -> int:
    """Converts a position, counted from 1 or back from the end from -1, to an offset; negative before the list."""
    number = int32(position)
    return number - 1 if number > 0 else len(items) + number


def _require_position(position: Any) -> None:
    if position == 0:
        raise Failure("position must be a non-zero number")


@builtin(
    "sublist(list: list, start: number): list",
    "The items from a position to the end; a negative position counts from the end.",
    ("sublist([1, 2, 3], 2)", "[2, 3]"),
    ("sublist([1, 2, 3], -1)", "[3]"),
)
def _sublist(run: Run, items: Any, start: Any) -> Any:
    _require_position(start)
    return _copied(run, items[max(_position(items, start), 0) :])


@builtin(
    "sublist(list: list, start: number, length: number): list",
    "This many items from a position.",
    ("sublist([1, 2, 3], 1, 2)", "[1, 2]"),
)
def _sublist_of(run: Run, items: Any, start: Any, length: Any) -> Any:
    _require_position(start)
    first = _position(items, start)
    return _copied(run, items[max(first, 0) : max(first + int32(length), 0)])


def _copied(run: Run, items: Any) -> list[Any]:
    run.space(len(items))
    return list(items)


@builtin(
    "append(list: list, items: any...): list",
    "The list with further items appended.",
    ("append([1], 2, 3)", "[1, 2, 3]"),
    ("append([1], [2])", "[1, [2]]"),
)
def _append(run: Run, items: Any, more: Any) -> Any:
    _require_list(more)
    return _joined(run, items, more)


def _joined(run: Run, *lists: Any) -> list[Any]:
    run.space(sum(map(len, lists)))
    return [item for items in lists for item in items]


@builtin(
    "concatenate(lists: any...): list",
    "All lists joined into one.",
    ("concatenate([1, 2], [3])", "[1, 2, 3]"),
    ("concatenate([1], 2, [3])", "[1, 2, 3]"),
)
def _concatenate(run: Run, lists: Any) -> Any:
    _require_list(lists)
    return _joined(run, *(items if kind(items) == LIST else [items] for items in lists))


@builtin(
    "insert before(list: list, position: number, newItem: any): list",
    "The list with an item inserted at a position.",
    ("insert before([1, 3], 2, 2)", "[1, 2, 3]"),
    ("insert before([1, 3], -1, 2)", "[1, 2, 3]"),
)
def _insert_before(run: Run, items: Any, position: Any, item: Any) -> Any:
    _require_position(position)
    at = max(_position(items, position), 0)
    return _joined(run, items[:at], [item], items[at:])


@builtin(
    "remove(list: list, position: number): list",
    "The list without the item at a position.",
    ("remove([1, 2, 3], 2)", "[1, 3]"),
    ("remove([1, 2, 3], -1)", "[1, 2]"),
)
def _remove(run: Run, items: Any, position: Any) -> Any:
    _require_position(position)
    before, after = _position(items, position), _position(items, whole(int32(position) + 1))
    return _joined(run, items[: max(before, 0)], items[max(after, 0) :])


@builtin("reverse(list: list): list", "The items in the opposite order.", ("reverse([1, 2, 3])", "[3, 2, 1]"))
def _reverse(run: Run, items: Any) -> Any:
    return _copied(run, items[::-1])


@builtin(
    "index of(list: list, match: any): list",
    "The positions of the items that are equal to a value, from 1.",
    ("index of([1, 2, 3, 2], 2)", "[2, 4]"),
)
def _index_of(run: Run, items: Any, match: Any) -> Any:
    run.tick(len(items))
    return [index for index, item in enumerate(items, start=1) if same(run, item, match)]


@builtin(
    "union(lists: any...): list",
    "The items of all lists, without duplicates.",
    ("union([1, 2], [2, 3])", "[1, 2, 3]"),
)
def _union(run: Run, lists: Any) -> Any:
    return _distinct(run, _concatenate(run, lists))


@builtin("distinct values(list: list): list", "The items without duplicates.", ("distinct values([1, 2, 1])", "[1, 2]"))
def _distinct(run: Run, items: Any) -> Any:
    found: dict[object, Any] = {}
    for item in items:
        found.setdefault(key_of(run, item), item)
    return list(found.values())


@builtin(
    "duplicate values(list: list): list",
    "The items that occur more than once, each listed once.",
    ("duplicate values([1, 2, 1, 3, 2])", "[1, 2]"),
)
def _duplicate_values(run: Run, items: Any) -> Any:
    first: dict[object, Any] = {}
    counted: Counter[object] = Counter()
    for item in items:
        key = key_of(run, item)
        first.setdefault(key, item)
        counted[key] += 1
    return [item for key, item in first.items() if counted[key] > 1]


@builtin(
    "flatten(list: list): list",
    "The items of all lists in the list, at any depth.",
    ("flatten([[1, [2]], 3])", "[1, 2, 3]"),
)
def _flatten(run: Run, items: Any) -> Any:
    found: list[Any] = []
    _flatten_into(run, items, found)
    run.space(len(found))
    return found


def _flatten_into(run: Run, items: Any, found: list[Any]) -> None:
    run.space(len(items))
    for item in items:
        if kind(item) == LIST:
            _flatten_into(run, item, found)
        else:
            found.append(item)


@builtin(
    "sort(list: list, precedes: function): list",
    "The items ordered by a function that says whether its first argument comes before its second one.",
    ("sort([3, 1, 2], function(x, y) x < y)", "[1, 2, 3]"),
)
def _sort(run: Run, items: Any, precedes: Function) -> Any:
    if len(precedes.parameters) != 2:
        raise Failure(f"expect boolean function with 2 arguments, but found '{len(precedes.parameters)}'")
    run.space(len(items))
    by_key = _sorted_by_key(run, items, precedes)
    if by_key is not None:
        return by_key

    class Ordered:
        """An item compared by the function; sorting only uses `<`."""

        __slots__ = ("item",)

        def __init__(self, item: Any) -> None:
            self.item = item

        def __lt__(self, other: Ordered) -> bool:
            result = precedes.invoke(run, [self.item, other.item])
            if not isinstance(result, bool):
                raise Failure(
                    f"fail to sort list by given precedes function: expected boolean but found '{show(result)}'"
                )
            return result

    run.hold(_BYTES_PER_ORDERED * len(items))
    try:
        return [ordered.item for ordered in sorted(map(Ordered, items))]
    except AssertionFailedError:
        raise
    except (FeelEvaluationError, DecimalException) as error:
        raise Failure(f"fail to sort list by given precedes function: {error}") from None


def _sorted_by_key(run: Run, items: Any, precedes: Function) -> list[Any] | None:
    """Returns the items sorted by `x < y` or `x.a < y.a` if all keys are integers or short ASCII texts; else None."""
    if precedes.order is None:
        return None
    names, descending = precedes.order
    keys = []
    for item in items:
        key = item
        for name in names:
            key = key.get(name) if type(key) is dict else None
        if not _sorts_as_it_is(key):
            return None
        keys.append(key)
    if len(set(map(type, keys))) > 1:
        return None
    run.tick(len(items))
    run.space(len(items))
    order = sorted(range(len(keys)), key=keys.__getitem__, reverse=descending)
    return [items[index] for index in order]


def _sorts_as_it_is(key: Any) -> bool:
    """Returns whether Python orders such keys quickly and like the cluster's engine."""
    if type(key) is str:
        return key.isascii() and len(key) <= _CHARACTERS_OF_A_KEY
    return type(key) is int or (type(key) is float and math.isfinite(key))


def _join(run: Run, items: Any, delimiter: str = "", prefix: str = "", suffix: str = "") -> str:
    run.tick(len(items))
    for item in items:
        if kind(item) not in (STRING, NULL):
            raise Failure(f"expected a list of strings but found '{show(item)}'")
    texts = [str(item) for item in items if item is not None]
    run.room(sum(map(len, texts)) + len(delimiter) * len(texts) + len(prefix) + len(suffix))
    return prefix + delimiter.join(texts) + suffix


@builtin(
    "string join(list: list): string",
    "The texts of the list joined into one; nulls are left out.",
    ('string join(["a", null, "c"])', '"ac"'),
)
def _string_join(run: Run, items: Any) -> Any:
    return _join(run, items)


@builtin(
    "string join(list: list, delimiter: string|null): string",
    "The texts of the list joined by a delimiter.",
    ('string join(["a", "b"], ", ")', '"a, b"'),
)
def _string_join_with(run: Run, items: Any, delimiter: Any) -> Any:
    return _join(run, items, delimiter or "")


@builtin(
    "string join(list: list, delimiter: string|null, prefix: string|null, suffix: string|null): string",
    "The texts of the list joined by a delimiter, between a prefix and a suffix.",
    ('string join(["a", "b"], ", ", "[", "]")', '"[a, b]"'),
)
def _string_join_between(run: Run, items: Any, delimiter: Any, prefix: Any, suffix: Any) -> Any:
    if (prefix is None) != (suffix is None):
        raise Failure("Illegal arguments: a prefix needs a suffix")
    return _join(run, items, delimiter or "", prefix or "", suffix or "")


@builtin(
    "partition(list: list, size: number): list",
    "The list cut into lists of this many items; the last may be shorter.",
    ("partition([1, 2, 3, 4, 5], 2)", "[[1, 2], [3, 4], [5]]"),
    since="8.8",
)
def _partition(run: Run, items: Any, size: Any) -> Any:
    length = int32(size)
    if length <= 0:
        raise Failure(f"'size' should be greater than zero but was '{show(size)}'")
    run.space(len(items))
    run.hold(64 * (len(items) // length))
    return [list(items[start : start + length]) for start in range(0, len(items), length)]
