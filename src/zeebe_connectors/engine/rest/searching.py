"""Execute searches: filters with their operators, sorting and pages, on items as the API shows them."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from zeebe_connectors.engine.rest.problems import bad

Item = dict[str, Any]
DEFAULT_LIMIT = 100
MAX_LIMIT = 10_000

_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": lambda had, asked: had > asked,
    "$gte": lambda had, asked: had >= asked,
    "$lt": lambda had, asked: had < asked,
    "$lte": lambda had, asked: had <= asked,
}


def search(
    items: Iterable[Item],
    asked: Mapping[str, Any],
    *,
    key: str,
    fields: Sequence[str],
    special: Mapping[str, Callable[[Item, Any], bool]] | None = None,
) -> dict[str, Any]:
    """Return the page of items that a request asks for, in the order of their keys unless it sorts them.

    Args:
        items: All of them.
        asked: The request: `filter`, `sort` and `page`.
        key: The field that tells one item from another.
        fields: Those that an item may have.
        special: Filters that are no field of an item.

    Raises:
        Problem: The request names something that does not exist.
    """
    filters = asked.get("filter") or {}
    if not isinstance(filters, dict):
        raise bad("filter must be a JSON object")
    known = special or {}
    found = [item for item in items if _matches(item, filters, fields, known)]
    _sort(found, asked.get("sort") or [], fields)
    return _page(found, asked.get("page") or {}, key)


def _matches(
    item: Item, filters: Mapping[str, Any], fields: Sequence[str], special: Mapping[str, Callable[[Item, Any], bool]]
) -> bool:
    for name, wanted in filters.items():
        if wanted is None:
            continue
        if name == "$or":
            if not any(_matches(item, one, fields, special) for one in wanted):
                return False
        elif name in special:
            if not special[name](item, wanted):
                return False
        elif name not in fields:
            raise bad(f"Request property [filter.{name}] cannot be parsed: there is no such filter")
        elif not meets(item.get(name), wanted):
            return False
    return True


def meets(had: Any, wanted: Any) -> bool:
    """Return whether a value meets a filter: a plain value, or an object of operators.

    Raises:
        Problem: There is no such operator.
    """
    if not isinstance(wanted, dict):
        return _same(had, wanted)
    # Clients send empty lists for operators that nobody used.
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
            pattern = re.escape(str(argument)).replace(r"\*", ".*").replace(r"\?", ".")
            return had is not None and re.fullmatch(pattern, str(had), re.DOTALL) is not None
    if name not in _ORDERED:
        raise bad(f"There is no filter operator {name}")
    return had is not None and _ORDERED[name](_comparable(had), _comparable(argument))


def _same(had: Any, wanted: Any) -> bool:
    return had is not None and str(had).lower() == str(wanted).lower() if isinstance(wanted, bool) else (
        had is not None and str(had) == str(wanted)
    )  # fmt: skip


def _comparable(value: Any) -> Any:
    """Keys and numbers compare by size, dates and the rest by their text."""
    try:
        return (0, float(value), "")
    except (TypeError, ValueError):
        return (1, 0.0, str(value))


def _sort(items: list[Item], sort: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> None:
    for one in reversed(list(sort)):
        field = one.get("field")
        if field not in fields:
            raise bad(f"Request property [sort.field] cannot be parsed: there is no field '{field}'")
        descending = str(one.get("order", "ASC")).upper() == "DESC"
        items.sort(key=lambda item: (field in item, _comparable(item.get(field))), reverse=descending)


def _page(items: list[Item], page: Mapping[str, Any], key: str) -> dict[str, Any]:
    limit = _number(page.get("limit"), DEFAULT_LIMIT, "page.limit", MAX_LIMIT)
    begin = _number(page.get("from"), 0, "page.from", len(items))
    if after := page.get("after"):
        begin = _place(items, str(after), key) + 1
    elif before := page.get("before"):
        begin = max(0, _place(items, str(before), key) - limit)
    shown = items[begin : begin + limit]
    position: dict[str, Any] = {"totalItems": len(items), "hasMoreTotalItems": False}
    if shown:
        position["startCursor"] = _cursor(shown[0][key], begin)
        position["endCursor"] = _cursor(shown[-1][key], begin + len(shown) - 1)
    return {"items": shown, "page": position}


def _number(value: Any, usual: int, name: str, maximum: int) -> int:
    if value is None:
        return usual
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise bad(f"{name} must be a whole number of at least 0")
    return min(value, maximum)


def _cursor(key: str, place: int) -> str:
    return base64.urlsafe_b64encode(f"{key}:{place}".encode()).decode()


def _place(items: list[Item], cursor: str, key: str) -> int:
    """The current position of a cursor's item; its former position if it is gone."""
    try:
        known, _, place = base64.urlsafe_b64decode(cursor).decode().rpartition(":")
        was = int(place)
    except ValueError:
        raise bad("page.after or page.before is no cursor of this engine") from None
    return next((number for number, item in enumerate(items) if item[key] == known), was)
