"""Execute searches on the API's items: filters with their operators, sorting and pages."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from zeebe_connectors.engine.rest.problems import bad, list_of, object_of

Item = dict[str, Any]
DEFAULT_LIMIT = 100
MAX_LIMIT = 10_000
_DATES = frozenset({"startDate", "endDate", "creationTime", "deadline", "endTime"})
_MAX_DIGITS = 40  # of a text that is compared as a whole number
_MAX_PATTERN = 1_000  # characters of a text with wildcards
_LIKE = re.compile(r"\\([*?\\])|([*?])|([^*?\\]+|\\)")

_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": lambda had, request: had > request,
    "$gte": lambda had, request: had >= request,
    "$lt": lambda had, request: had < request,
    "$lte": lambda had, request: had <= request,
}


@dataclass(frozen=True, slots=True)
class Special:
    """A filter that is no field of an item.

    Attributes:
        check: Refuses what is no value of this filter; it is called with the filter's place and the value.
        meets: Whether an item meets it; it is called with the item, and with all filters that stand beside this one.
    """

    check: Callable[[str, Any], object]
    meets: Callable[[Item, Mapping[str, Any]], bool]


def search(
    items: Iterable[Item],
    request: Mapping[str, Any],
    *,
    key: str,
    fields: Sequence[str],
    special: Mapping[str, Special] | None = None,
) -> dict[str, Any]:
    """Return the page of items for a request, in the order of their keys unless it sorts them.

    Args:
        items: All items.
        request: The request: `filter`, `sort` and `page`.
        key: The field that identifies an item.
        fields: The fields that an item may have.
        special: Filters that are not fields of an item.

    Raises:
        Problem: The request names something that does not exist.
    """
    _only(request, ("filter", "sort", "page"), "")
    known = special or {}
    filters = _filters(request.get("filter"), "filter", fields, known)
    order = [*_order(request.get("sort"), fields), (key, False)]
    page = _only(object_of(request.get("page"), "page"), ("limit", "from", "after", "before"), "page.")
    found = [item for item in items if _matches(item, filters, known)]
    for field, descending in reversed(order):
        found.sort(key=_by(field), reverse=descending)
    return _page(found, page, order)


def _by(field: str) -> Callable[[Item], Any]:
    return lambda item: _rank(item.get(field))


def _rank(value: Any) -> tuple[bool, Any]:
    """Return what a field's value is sorted by: absent ones come first."""
    return value is not None, _comparable(value)


def _only(request: Mapping[str, Any], names: Sequence[str], prefix: str) -> Mapping[str, Any]:
    for name in request:
        if name not in names:
            raise bad(f"Request property [{prefix}{name}] cannot be parsed: it is none of {', '.join(names)}")
    return request


def _filters(value: object, name: str, fields: Sequence[str], special: Mapping[str, Special]) -> dict[str, Any]:
    """Read the filters of a request, and check each before any item is examined.

    Raises:
        Problem: There is no such filter or operator, or its value has the wrong type.
    """
    found: dict[str, Any] = {}
    for field, wanted in object_of(value, name).items():
        place = f"{name}.{field}"
        if wanted is None:
            continue
        if field in special:
            special[field].check(place, wanted)
            found[field] = wanted
        elif field == "$or":
            found[field] = list_of(wanted, place, lambda one, at: _filters(one, at, fields, special))
        elif field not in fields:
            raise bad(f"Request property [{place}] cannot be parsed: there is no such filter")
        else:
            check_filter(place, wanted)
            found[field] = _with_moments(place, wanted) if field in _DATES else wanted
    return found


def check_filter(name: str, wanted: object) -> None:
    """Check a plain value or an object of operators.

    Raises:
        Problem: It is neither.
    """
    if isinstance(wanted, dict):
        for operator, argument in wanted.items():
            _check_operator(name, operator, argument)
    elif isinstance(wanted, list):
        raise bad(f"{name} must be a value or an object of operators; for one of several values use $in")


def _with_moments(name: str, wanted: Any) -> Any:
    """Read the dates of a filter, so that they are compared as moments, however they are written."""
    if isinstance(wanted, dict):
        return {
            operator: argument if operator == "$exists" else _with_moments(f"{name}.{operator}", argument)
            for operator, argument in wanted.items()
        }
    if isinstance(wanted, list):
        return [_with_moments(name, one) for one in wanted]
    return wanted if wanted is None else _moment(name, wanted)


def _moment(name: str, value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise bad(f"{name} must be a date and time in ISO 8601, such as '2030-01-31T12:00:00Z'") from None


def _check_operator(name: str, operator: str, argument: object) -> None:
    if operator in {"$in", "$notIn"}:
        if argument is not None and not isinstance(argument, list):
            raise bad(f"{name}.{operator} must be a JSON list")
    elif operator not in {"$eq", "$neq", "$exists", "$like", *_ORDERED}:
        raise bad(f"There is no filter operator {operator}: {name} takes $eq, $neq, $in, $notIn, $exists, $like, $gt, "
                  "$gte, $lt and $lte")  # fmt: skip
    elif isinstance(argument, dict) or (isinstance(argument, list) and argument):
        raise bad(f"{name}.{operator} must be a single value")
    elif operator == "$like" and len(str(argument)) > _MAX_PATTERN:
        raise bad(f"{name}.$like must have at most {_MAX_PATTERN} characters")


def _order(value: object, fields: Sequence[str]) -> list[tuple[str, bool]]:
    """Read the fields to sort by, and which of them in descending order."""
    found = []
    for place, one in enumerate(list_of(value, "sort", object_of)):
        field, order = one.get("field"), str(one.get("order") or "ASC").upper()
        if not isinstance(field, str) or field not in fields:
            raise bad(f"Request property [sort[{place}].field] cannot be parsed: there is no field '{field}'")
        if order not in {"ASC", "DESC"}:
            raise bad(f"Request property [sort[{place}].order] cannot be parsed: it must be ASC or DESC")
        found.append((field, order == "DESC"))
    return found


def _matches(item: Item, filters: Mapping[str, Any], special: Mapping[str, Special]) -> bool:
    for name, wanted in filters.items():
        if name == "$or":
            if not any(_matches(item, one, special) for one in wanted):
                return False
        elif name not in special:
            had = item.get(name)
            if not meets(_moment(name, had) if name in _DATES and had is not None else had, wanted):
                return False
    # One may stand for several filters that have to be met together.
    together = {special[name] for name in filters if name in special}
    return all(one.meets(item, filters) for one in together)


def meets(had: Any, wanted: Any) -> bool:
    """Return whether a value meets a filter: a plain value, or an object of checked operators."""
    if not isinstance(wanted, dict):
        return _same(had, wanted)
    # Clients send empty lists for unused operators.
    return all(_operator(name, had, argument) for name, argument in wanted.items() if argument not in (None, []))


def _operator(name: str, had: Any, argument: Any) -> bool:
    match name:
        case "$eq":
            return _same(had, argument)
        case "$neq":
            return not _same(had, argument)
        case "$exists":
            return (had is not None) is bool(argument)
        case "$in":
            return any(_same(had, one) for one in argument)
        case "$notIn":
            return not any(_same(had, one) for one in argument)
        case "$like":
            return had is not None and _like(str(argument), str(had))
    return had is not None and _ORDERED[name](_comparable(had), _comparable(argument))


def _like(pattern: str, text: str) -> bool:
    """Return whether a text matches a pattern with the wildcards `*` and `?`; a backslash makes either literal.

    The pieces between the `*` are found one after another, each as early as possible: a single regular expression would
    try all combinations of places, and some patterns would take hours.
    """
    first, *others = _pieces(pattern)
    found = first.match(text)
    for piece in others:
        found = piece.search(text, found.end()) if found is not None else None
    return found is not None


@lru_cache(maxsize=64)
def _pieces(pattern: str) -> list[re.Pattern[str]]:
    """Return what stands between the `*` of a pattern; the last piece matches at the end of a text only.

    None of them matches texts of different lengths.
    """
    pieces = [""]
    for literal, wildcard, plain in _LIKE.findall(pattern):
        if wildcard == "*":
            pieces.append("")
        else:
            pieces[-1] += "." if wildcard else re.escape(literal or plain)
    pieces[-1] += r"\Z"
    return [re.compile(piece, re.DOTALL) for piece in pieces]


def _same(had: Any, wanted: Any) -> bool:
    return had is not None and str(had).lower() == str(wanted).lower() if isinstance(wanted, bool) else (
        had is not None and str(had) == str(wanted)
    )  # fmt: skip


def _comparable(value: Any) -> Any:
    """Return what a value compares by: keys and numbers by size, moments by time, the rest by its text."""
    if isinstance(value, datetime):
        return (0, value.timestamp(), "")
    if isinstance(value, str) and len(value) <= _MAX_DIGITS and value.removeprefix("-").isdecimal():
        return (0, int(value), "")
    try:
        number = value if isinstance(value, int) else float(value)
    except (TypeError, ValueError):
        return (1, 0, str(value))
    return (1, 0, str(value)) if math.isnan(number) else (0, number, "")


def _page(items: list[Item], page: Mapping[str, Any], order: Sequence[tuple[str, bool]]) -> dict[str, Any]:
    limit = _number(page.get("limit"), DEFAULT_LIMIT, "page.limit", MAX_LIMIT)
    begin = _number(page.get("from"), 0, "page.from", len(items))
    end = begin + limit
    if after := page.get("after"):
        begin = _count_up_to(items, _read_cursor(after, order), order)
        end = begin + limit
    elif before := page.get("before"):
        end = _count_up_to(items, _read_cursor(before, order), order, inclusive=False)
        begin = max(0, end - limit)
    shown = items[begin:end]
    position: dict[str, Any] = {"totalItems": len(items), "hasMoreTotalItems": False}
    if shown:
        position["startCursor"] = _cursor(shown[0], order)
        position["endCursor"] = _cursor(shown[-1], order)
    return {"items": shown, "page": position}


def _number(value: Any, usual: int, name: str, maximum: int) -> int:
    if value is None:
        return usual
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise bad(f"{name} must be a whole number of at least 0")
    return min(value, maximum)


def _cursor(item: Item, order: Sequence[tuple[str, bool]]) -> str:
    """Write the values that an item is sorted by, so that its place is known even when the item is gone."""
    return base64.urlsafe_b64encode(json.dumps([item.get(field) for field, _ in order]).encode()).decode()


def _read_cursor(cursor: object, order: Sequence[tuple[str, bool]]) -> list[Any]:
    """Read a cursor.

    Raises:
        Problem: It is none, or belongs to a search with another order.
    """
    try:
        values = json.loads(base64.urlsafe_b64decode(str(cursor)))
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list) or len(values) != len(order):
        raise bad("page.after or page.before is not a cursor of this engine for a search in this order")
    return values


def _count_up_to(
    items: Sequence[Item], cursor: Sequence[Any], order: Sequence[tuple[str, bool]], *, inclusive: bool = True
) -> int:
    """Count the sorted items that come before a cursor, and with `inclusive` the one at it."""

    def is_later(item: Item) -> bool:
        for (field, descending), value in zip(order, cursor, strict=True):
            had, mark = _rank(item.get(field)), _rank(value)
            if had != mark:
                return (had > mark) is not descending
        return not inclusive

    return next((number for number, item in enumerate(items) if is_later(item)), len(items))
