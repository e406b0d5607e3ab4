"""Declare functions of ranges: how two ranges, or a point and a range, relate."""

from collections.abc import Callable
from typing import Any

from zeebe_connectors.feel.builtins.declare import builtin
from zeebe_connectors.feel.errors import Failure
from zeebe_connectors.feel.operations import order, show
from zeebe_connectors.feel.values import POINTS, Range, kind

TITLE = "Range functions"

_POINT_AND_RANGE = ["point, range", "range, point", "range1, range2"]


def _comparable(left: Any, right: Any) -> None:
    """Checks that both are points, or ranges of points, of the same kind."""
    first, second = (value.start if isinstance(value, Range) else value for value in (left, right))
    if kind(first) != kind(second) or kind(first) not in POINTS:
        raise Failure(f"Illegal arguments: {show(left)}, {show(right)}")


def _pair(
    left: Any,
    right: Any,
    *,
    ranges: Callable[[Range, Range], bool] | None = None,
    point_range: Callable[[Any, Range], bool] | None = None,
    range_point: Callable[[Range, Any], bool] | None = None,
    points: Callable[[Any, Any], bool] | None = None,
) -> bool:
    """Chooses the relation by the kinds of both arguments; a pair without a relation makes the call null."""
    _comparable(left, right)
    if isinstance(left, Range):
        chosen = ranges if isinstance(right, Range) else range_point
    else:
        chosen = point_range if isinstance(right, Range) else points
    if chosen is None:
        raise Failure(f"Illegal arguments: {show(left)}, {show(right)}")
    return chosen(left, right)


def _before_start(point: Any, other: Range) -> bool:
    result = order(point, other.start)
    return result < 0 or (result == 0 and not other.start_closed)


def _after_end(point: Any, other: Range) -> bool:
    result = order(point, other.end)
    return result > 0 or (result == 0 and not other.end_closed)


def _inside(point: Any, other: Range) -> bool:
    start, end = order(point, other.start), order(point, other.end)
    return (start > 0 and end < 0) or (start == 0 and other.start_closed) or (end == 0 and other.end_closed)


def _starts_first(left: Range, right: Range, *, or_together: bool) -> bool:
    """Returns whether the left range starts before the right one or, with `or_together`, at the same point."""
    result = order(left.start, right.start)
    if result:
        return result < 0
    if or_together:
        return left.start_closed or not right.start_closed
    return left.start_closed and not right.start_closed


def _ends_last(left: Range, right: Range) -> bool:
    """Returns whether the left range ends where the right one does, or after."""
    result = order(left.end, right.end)
    return result > 0 or (result == 0 and (left.end_closed or not right.end_closed))


def _reaches(left: Range, right: Range) -> bool:
    """Returns whether the left range's end lies in or after the right one's start."""
    result = order(left.end, right.start)
    return result > 0 or (result == 0 and left.end_closed and right.start_closed)


def _same_start(left: Range, right: Range) -> bool:
    return order(left.start, right.start) == 0 and left.start_closed == right.start_closed


def _same_end(left: Range, right: Range) -> bool:
    return order(left.end, right.end) == 0 and left.end_closed == right.end_closed


def _includes(left: Range, right: Range) -> bool:
    return _starts_first(left, right, or_together=True) and _ends_last(left, right)


def _is_before(left: Range, right: Range) -> bool:
    result = order(left.end, right.start)
    return result < 0 or (result == 0 and not (left.end_closed and right.start_closed))


@builtin(
    "before(point1: point|range, point2: point|range): boolean",
    "Whether the first point or range lies wholly before the second.",
    ("before(1, 10)", "true"),
    ("before([1..5], [6..10])", "true"),
    ("before([1..5), 5)", "true"),
    aliases=_POINT_AND_RANGE,
)
def _before(left: Any, right: Any) -> Any:
    return _pair(
        left,
        right,
        ranges=_is_before,
        point_range=_before_start,
        range_point=lambda range_, point: _after_end(point, range_),
        points=lambda first, second: order(first, second) < 0,
    )


@builtin(
    "after(point1: point|range, point2: point|range): boolean",
    "Whether the first point or range lies wholly after the second.",
    ("after(10, 1)", "true"),
    ("after(12, [1..5])", "true"),
    aliases=_POINT_AND_RANGE,
)
def _after(left: Any, right: Any) -> Any:
    return _pair(
        left,
        right,
        ranges=lambda first, second: _is_before(second, first),
        point_range=_after_end,
        range_point=lambda range_, point: _before_start(point, range_),
        points=lambda first, second: order(first, second) > 0,
    )


@builtin(
    "meets(range1: range, range2: range): boolean",
    "Whether the first range ends with the value with which the second starts.",
    ("meets([1..5], [5..10])", "true"),
    ("meets([1..5), [5..10])", "false"),
)
def _meets(left: Any, right: Any) -> Any:
    _comparable(left, right)
    return left.end_closed and right.start_closed and order(left.end, right.start) == 0


@builtin(
    "met by(range1: range, range2: range): boolean",
    "Whether the first range starts with the value with which the second ends.",
    ("met by([5..10], [1..5])", "true"),
)
def _met_by(left: Any, right: Any) -> Any:
    _comparable(left, right)
    return left.start_closed and right.end_closed and order(left.start, right.end) == 0


@builtin(
    "overlaps(range1: range, range2: range): boolean",
    "Whether the ranges have a value in common.",
    ("overlaps([5..10], [1..6])", "true"),
    ("overlaps((3..7], [1..3])", "false"),
)
def _overlaps(left: Any, right: Any) -> Any:
    _comparable(left, right)
    return _reaches(left, right) and _reaches(right, left)


@builtin(
    "overlaps before(range1: range, range2: range): boolean",
    "Whether the first range starts before the second and ends within it.",
    ("overlaps before([1..5], [4..10])", "true"),
    ("overlaps before([1..5], [1..10])", "false"),
)
def _overlaps_before(left: Any, right: Any) -> Any:
    _comparable(left, right)
    return _starts_first(left, right, or_together=False) and _reaches(left, right) and _ends_last(right, left)


@builtin(
    "overlaps after(range1: range, range2: range): boolean",
    "Whether the first range starts within the second and ends after it.",
    ("overlaps after([4..10], [1..5])", "true"),
    ("overlaps after([1..10], [1..5])", "false"),
)
def _overlaps_after(left: Any, right: Any) -> Any:
    return _overlaps_before(right, left)


@builtin(
    "finishes(point: point|range, range: range): boolean",
    "Whether the first point or range ends where the second does, and starts within it.",
    ("finishes(5, [1..5])", "true"),
    ("finishes([3..5], [1..5])", "true"),
    aliases=["range1, range2"],
)
def _finishes(left: Any, right: Any) -> Any:
    return _pair(
        left,
        right,
        ranges=lambda first, second: _same_end(first, second) and _starts_first(second, first, or_together=True),
        point_range=lambda point, range_: range_.end_closed and order(range_.end, point) == 0,
    )


@builtin(
    "finished by(range: range, point: point|range): boolean",
    "Whether the second point or range ends where the first does, and starts within it.",
    ("finished by([5..10], 10)", "true"),
    ("finished by([1..5], [3..5])", "true"),
    aliases=["point, range", "range1, range2"],
)
def _finished_by(left: Any, right: Any) -> Any:
    return _pair(
        left,
        right,
        ranges=lambda first, second: _same_end(first, second) and _starts_first(first, second, or_together=True),
        range_point=lambda range_, point: range_.end_closed and order(range_.end, point) == 0,
    )


@builtin(
    "includes(range: range, point: point|range): boolean",
    "Whether the first range contains the point, or all values of the second range.",
    ("includes([5..10], 6)", "true"),
    ("includes([3..10], [4..6])", "true"),
    aliases=["range1, range2"],
)
def _includes_function(left: Any, right: Any) -> Any:
    return _pair(left, right, ranges=_includes, range_point=lambda range_, point: _inside(point, range_))


@builtin(
    "during(point: point|range, range: range): boolean",
    "Whether the point, or the first range, lies within the second range.",
    ("during(5, [1..10])", "true"),
    ("during([4..6], [3..10])", "true"),
    aliases=["range1, range2"],
)
def _during(left: Any, right: Any) -> Any:
    return _pair(left, right, ranges=lambda first, second: _includes(second, first), point_range=_inside)


@builtin(
    "starts(point: point|range, range: range): boolean",
    "Whether the first point or range starts where the second does, and ends within it.",
    ("starts(1, [1..5])", "true"),
    ("starts([1..3], [1..5])", "true"),
    aliases=["range1, range2"],
)
def _starts(left: Any, right: Any) -> Any:
    return _pair(
        left,
        right,
        ranges=lambda first, second: _same_start(first, second) and _ends_last(second, first),
        point_range=lambda point, range_: range_.start_closed and order(range_.start, point) == 0,
    )


@builtin(
    "started by(range: range, point: point|range): boolean",
    "Whether the second point or range starts where the first does, and ends within it.",
    ("started by([1..10], 1)", "true"),
    ("started by([1..10], [1..5])", "true"),
    aliases=["range1, range2"],
)
def _started_by(left: Any, right: Any) -> Any:
    return _pair(
        left,
        right,
        ranges=lambda first, second: _same_start(first, second) and _ends_last(first, second),
        range_point=lambda range_, point: range_.start_closed and order(range_.start, point) == 0,
    )


@builtin(
    "coincides(point1: point|range, point2: point|range): boolean",
    "Whether both are the same.",
    ("coincides(5, 5)", "true"),
    ("coincides([1..5], [1..5])", "true"),
    aliases=["range1, range2"],
)
def _coincides(left: Any, right: Any) -> Any:
    return _pair(
        left,
        right,
        ranges=lambda first, second: _same_start(first, second) and _same_end(first, second),
        points=lambda first, second: order(first, second) == 0,
        point_range=lambda _point, _range: False,
        range_point=lambda _range, _point: False,
    )
