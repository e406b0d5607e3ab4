"""Apply operators, with null and a warning where the cluster's engine returns null."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, DecimalException
from typing import Any

from zeebe_connectors.feel import temporal, values
from zeebe_connectors.feel.errors import (
    INVALID_TYPE,
    NO_ENTRY,
    NO_PROPERTY,
    NOT_COMPARABLE,
    FeelEvaluationError,
)
from zeebe_connectors.feel.limits import Run
from zeebe_connectors.feel.precision import DECIMAL128, EXACT, context_of, like
from zeebe_connectors.feel.temporal import Date, DateTime, DaysTime, Time, YearsMonths
from zeebe_connectors.feel.values import (
    BOOLEAN,
    COMPARABLE,
    CONTEXT,
    DATE,
    DATE_TIME,
    DAYS_TIME,
    LIST,
    LOCAL_DATE_TIME,
    LOCAL_TIME,
    NUMBER,
    STRING,
    TEMPORAL,
    TIME,
    YEARS_MONTHS,
    decimal,
    int32,
    kind,
)

_MISSING: Any = object()
_SHOWN = 80
_BYTES_PER_KEY = 128


def show(value: Any) -> str:
    """Returns a short form of any value for a warning."""
    name = kind(value)
    if name in (LIST, CONTEXT):
        return f"a {name} of {len(value)}"
    text = values.text(None, value)
    text = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return f'"{text}"' if name == STRING else text


# ------------------------------------------------------------------------------------------------------ arithmetic


def whole(number: int) -> int | Decimal:
    """Returns an integer result, rounded as a decimal if it has too many digits."""
    return number if -EXACT < number < EXACT else DECIMAL128.create_decimal(number)


def unsigned_zero(number: Decimal) -> Decimal:
    """Returns the number, without the sign that Python gives some zeros."""
    return number or number.copy_abs()


def add(run: Run, left: Any, right: Any) -> Any:
    """Computes `left + right`: numbers, texts, durations, and a duration to a point in time."""
    left_type, right_type = type(left), type(right)
    if left_type is str and right_type is str:
        run.room(len(left) + len(right), plain=left.isascii() and right.isascii())
        return left + right
    if left_type is int and right_type is int:
        return whole(left + right)
    left_kind, right_kind = kind(left), kind(right)
    if left_kind == NUMBER and right_kind == NUMBER:
        return like(left, context_of(left).add(decimal(left), decimal(right)))
    if left_kind in TEMPORAL and right_kind in TEMPORAL:
        result = _add_temporal(temporal.widen(left), temporal.widen(right))
        if result is not None:
            return temporal.narrow(result)
    if left_kind == STRING and right_kind == STRING:
        return run.text(str(left) + str(right))
    run.warn(INVALID_TYPE, f"Can't add {show(right)} to {show(left)}")
    return None


def _add_temporal(left: Any, right: Any) -> Any:
    if isinstance(right, (YearsMonths, DaysTime)):
        if type(left) is type(right):
            return _sum_of_durations(left, right)
        return None if isinstance(left, (YearsMonths, DaysTime)) else temporal.plus(left, right)
    return temporal.plus(right, left) if isinstance(left, (YearsMonths, DaysTime)) else None


def _sum_of_durations(left: Any, right: Any) -> Any:
    if isinstance(left, YearsMonths):
        return YearsMonths(left.months + right.months)
    return DaysTime(left.nanos + right.nanos)


def subtract(run: Run, left: Any, right: Any) -> Any:
    """Computes `left - right`: numbers, durations, points in time, and a duration from one."""
    if type(left) is int and type(right) is int:
        return whole(left - right)
    left_kind, right_kind = kind(left), kind(right)
    if left_kind == NUMBER and right_kind == NUMBER:
        return like(left, context_of(left).subtract(decimal(left), decimal(right)))
    if left_kind in TEMPORAL and right_kind in TEMPORAL:
        wide_left, wide_right = temporal.widen(left), temporal.widen(right)
        result = temporal.minus(wide_left, wide_right) if wide_left and wide_right else None
        if result is not None:
            return temporal.narrow(result)
    run.warn(INVALID_TYPE, f"Can't subtract {show(right)} from {show(left)}")
    return None


def multiply(run: Run, left: Any, right: Any) -> Any:
    """Computes `left * right`: numbers, and a duration times the whole part of a number."""
    if type(left) is int and type(right) is int:
        return whole(left * right)
    left_kind, right_kind = kind(left), kind(right)
    if left_kind == NUMBER and right_kind == NUMBER:
        return unsigned_zero(like(left, context_of(left).multiply(decimal(left), decimal(right))))
    if left_kind == NUMBER:
        left, right, left_kind, right_kind = right, left, right_kind, left_kind
    if right_kind == NUMBER and left_kind == YEARS_MONTHS:
        return YearsMonths(_months(left.months * int32(right)))
    if right_kind == NUMBER and left_kind == DAYS_TIME:
        return DaysTime(_nanos(left) * int32(right))
    run.warn(INVALID_TYPE, f"Can't multiply {show(left)} by {show(right)}")
    return None


def _months(months: int) -> int:
    if abs(months) >= 2**31 * 12:
        raise FeelEvaluationError("a duration is longer than the cluster's engine can hold")
    return months


def _nanos(duration: Any) -> int:
    wide = temporal.widen(duration)
    return wide.nanos if isinstance(wide, DaysTime) else 0


def divide(run: Run, left: Any, right: Any) -> Any:
    """Computes `left / right`: numbers, a duration by a number or by another one."""
    if type(left) is int and type(right) is int and right and not left % right:
        return whole(left // right)
    left_kind, right_kind = kind(left), kind(right)
    if right_kind == NUMBER and right != 0:
        if left_kind == NUMBER:
            return unsigned_zero(like(left, context_of(left).divide(decimal(left), decimal(right))))
        if left_kind == YEARS_MONTHS:
            return YearsMonths(int(DECIMAL128.divide(Decimal(left.months), decimal(right))))
        if left_kind == DAYS_TIME:
            millis = int(DECIMAL128.divide(Decimal(_nanos(left) // 1_000_000), decimal(right)))
            return DaysTime(millis * 1_000_000)
    if left_kind == right_kind == YEARS_MONTHS and right.months:
        return _truncated(left.months, right.months)
    if left_kind == right_kind == DAYS_TIME and _nanos(right):
        return _truncated(_nanos(left) // 1_000_000, _nanos(right) // 1_000_000)
    run.warn(INVALID_TYPE, f"Can't divide {show(left)} by {show(right)}")
    return None


def _truncated(dividend: int, divisor: int) -> int:
    if not divisor:
        raise FeelEvaluationError("a division by a duration of less than a millisecond")
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


_MAX_POWER = 999_999_999
_MAX_ZERO_DIGITS = 1_000  # of a power of 0.0, which keeps its zeros


def power(run: Run, left: Any, right: Any) -> Any:
    """Computes `left ** right`; with a fractional exponent in binary numbers, as the cluster's engine does."""
    for operand in (left, right):
        if kind(operand) != NUMBER:
            run.warn(INVALID_TYPE, f"Expected number but found {show(operand)}")
            return None
    base, exponent = decimal(left), decimal(right)
    if not values.is_whole(exponent):
        try:
            return values.result_of_float(float(base) ** float(exponent))
        except (ArithmeticError, TypeError):  # a power of a negative number is complex
            raise FeelEvaluationError(f"{show(left)} ** {show(right)} has no result") from None
    count = int32(exponent)
    if abs(count) > _MAX_POWER:
        raise FeelEvaluationError(f"the exponent {show(right)} is too large")
    if not count:
        return 1
    if not base and 0 < count < _MAX_ZERO_DIGITS:
        return Decimal(0).scaleb(int(base.as_tuple().exponent) * count, DECIMAL128)
    result = like(left, context_of(left).power(base, count))
    if not result.is_finite():
        raise FeelEvaluationError(f"{show(left)} ** {show(right)} has no result")
    return values.plain_int(result) if type(left) is int else result


def negate(run: Run, value: Any) -> Any:
    """Computes `-value` of a number."""
    if type(value) is int:
        return -value
    if kind(value) != NUMBER:
        run.warn(INVALID_TYPE, f"Expected number but found {show(value)}")
        return None
    return unsigned_zero(like(value, decimal(value).copy_negate()))


OPERATORS = {"+": add, "-": subtract, "*": multiply, "/": divide, "**": power}


def calculation_failed(error: DecimalException) -> FeelEvaluationError:
    """Returns the error that ends an evaluation if a calculation has no result, as in the cluster's engine."""
    return FeelEvaluationError(f"a calculation has no result ({type(error).__name__})")


# ------------------------------------------------------------------------------------------------------ comparison


def equal(run: Run, left: Any, right: Any) -> bool | None:
    """Evaluates `left = right`; null for values of different kinds unless one is null."""
    if type(left) is type(right) and type(left) in _SIMPLE:
        if type(left) is str and len(left) == len(right):
            run.read(len(left))
        return bool(left == right)
    result = _equal(run, left, right)
    if result is None:
        run.warn(NOT_COMPARABLE, f"Can't compare {show(left)} with {show(right)}")
    return result


_SIMPLE = frozenset((int, str, bool))


def _equal(run: Run, left: Any, right: Any) -> bool | None:
    if left is None or right is None:
        return left is right
    name = kind(left)
    if name != kind(right):
        return None
    if name == STRING:
        run.tick(1 + (len(left) >> 6 if len(left) == len(right) else 0))
        return bool(left == right)
    if name == BOOLEAN:
        return bool(left == right)
    if name == NUMBER:
        return decimal(left) == decimal(right)
    if name == LIST:
        run.tick(len(left))
        return len(left) == len(right) and all(_equal(run, *pair) is True for pair in zip(left, right, strict=True))
    if name == CONTEXT:
        run.tick(len(left))
        return left.keys() == right.keys() and all(_equal(run, item, right[key]) is True for key, item in left.items())
    if name in TEMPORAL:
        return temporal.widen(left) == temporal.widen(right)
    return None


def same(run: Run, left: Any, right: Any) -> bool:
    """Returns whether two values are equal; values of different kinds are not."""
    return _equal(run, left, right) is True


def key_of(run: Run, value: Any) -> object:
    """Returns a hashable key that is equal for equal values."""
    run.tick()
    run.hold(_BYTES_PER_KEY)
    name = kind(value)
    if name == STRING:
        run.read(len(value))
    if name == NUMBER:
        return NUMBER, decimal(value)
    if name == LIST:
        return LIST, tuple(key_of(run, item) for item in value)
    if name == CONTEXT:
        return CONTEXT, frozenset((key, key_of(run, item)) for key, item in value.items())
    if name in TEMPORAL:
        return name, temporal.widen(value)
    return name, value if isinstance(value, (str, bool)) or value is None else id(value)


def comparable(value: Any) -> bool:
    """Returns whether a value can be ordered among values of its kind, by the criteria of the cluster's engine."""
    if type(value) in _SIMPLE:
        return type(value) is not bool
    name = kind(value)
    if name == LIST:
        return bool(value) and comparable(value[0]) and len({kind(item) for item in value}) == 1
    return name in COMPARABLE


def order(left: Any, right: Any) -> int:
    """Returns a number less than, equal to or greater than 0 for two comparable values of one kind.

    Raises:
        FeelEvaluationError: lists have no order.
    """
    name = kind(left)
    first: Any
    second: Any
    if name == NUMBER:
        first, second = (left, right) if type(left) is type(right) is int else (decimal(left), decimal(right))
    elif name == STRING:
        first, second = (left, right) if left.isascii() and right.isascii() else (_units(left), _units(right))
    elif name in TEMPORAL:
        first, second = (temporal.order_key(wide) for wide in (temporal.widen(left), temporal.widen(right)) if wide)
    else:
        raise FeelEvaluationError(f"{name}s can't be ordered")
    return int(first > second) - int(first < second)


def _units(text: str) -> bytes:
    """Returns the text as 16-bit units, by which the cluster's engine orders texts."""
    return text.encode("utf-16-be", "surrogatepass")


def compare(run: Run, sign: str, left: Any, right: Any) -> bool | None:
    """Evaluates `left < right` and the like; null for values that have no common order."""
    if kind(left) != kind(right) or not (comparable(left) and comparable(right)):
        run.warn(NOT_COMPARABLE, f"Can't compare {show(left)} with {show(right)}")
        return None
    if type(left) is str:
        run.read(len(left) + len(right))
    return holds(sign, order(left, right))


def holds(sign: str, result: int) -> bool:
    """Returns whether the result of `order` satisfies a sign."""
    if sign == "<":
        return result < 0
    if sign == "<=":
        return result <= 0
    return result > 0 if sign == ">" else result >= 0


def in_range(run: Run, value: Any, range_: values.Range) -> bool | None:
    """Evaluates `value in [start..end]`."""
    start, end = range_.start, range_.end
    if not (kind(value) == kind(start) == kind(end) and comparable(value) and comparable(start) and comparable(end)):
        run.warn(NOT_COMPARABLE, f"Can't compare {show(value)} with {show(start)} and {show(end)}")
        return None
    after = holds(">=" if range_.start_closed else ">", order(value, start))
    return after and holds("<=" if range_.end_closed else "<", order(value, end))


def smallest(run: Run, items: Iterable[Any], sign: int) -> Any:
    """Returns the first item of the smallest (`sign` 1) or largest (`sign` -1) ones."""
    found = _MISSING
    for item in items:
        run.tick(1 + (len(item) >> 6 if type(item) is str else 0))
        if found is _MISSING or sign * order(item, found) < 0:
            found = item
    return found


# ----------------------------------------------------------------------------------------------------------- paths

DATE_PARTS = ("year", "month", "day", "weekday")
TIME_PARTS = ("hour", "minute", "second", "time offset", "timezone")
_PROPERTIES: dict[str, tuple[str, ...]] = {
    DATE: DATE_PARTS,
    TIME: TIME_PARTS,
    LOCAL_TIME: TIME_PARTS,
    DATE_TIME: DATE_PARTS + TIME_PARTS,
    LOCAL_DATE_TIME: DATE_PARTS + TIME_PARTS,
    YEARS_MONTHS: ("years", "months"),
    DAYS_TIME: ("days", "hours", "minutes", "seconds"),
}


def path(run: Run, value: Any, key: str) -> Any:
    """Evaluates `value.key`: an entry of a context, a part of a temporal value, or that of each item of a list."""
    if type(value) is dict:
        found = value.get(key, _MISSING)
        return found if found is not _MISSING else _no_entry(run, value, key)
    if type(value) is list:
        run.space(len(value))
        return [path(run, item, key) for item in value]
    if value is None:
        run.warn(NO_ENTRY, f"No context entry found with key '{key}'. The context is null")
        return None
    name = kind(value)
    if name == CONTEXT:
        found = value.get(key, _MISSING)
        return found if found is not _MISSING else _no_entry(run, value, key)
    if name == LIST:
        run.space(len(value))
        return [path(run, item, key) for item in value]
    known = _PROPERTIES.get(name, ())
    if key in known:
        return _part(temporal.widen(value), key)
    names = ", ".join(map(repr, known)) or "none"
    run.warn(NO_PROPERTY, f"No property found with name '{key}' of value {show(value)}. Available properties: {names}")
    return None


def _no_entry(run: Run, context: Mapping[str, Any], key: str) -> None:
    if context:
        keys = [f"'{name}'" for name, _ in zip(context, range(20), strict=False)]
        available = f"Available keys: {', '.join(keys)}{', …' if len(context) > len(keys) else ''}"
    else:
        available = "The context is empty"
    run.warn(NO_ENTRY, f"No context entry found with key '{key}'. {available}")


def _part(value: Any, key: str) -> Any:
    if isinstance(value, (Date, DateTime)) and key in DATE_PARTS:
        if key == "weekday":
            return (value.days + 3) % 7 + 1
        return temporal.date_of(value.days)[DATE_PARTS.index(key)]
    if isinstance(value, (Time, DateTime)):
        if key == "timezone":
            return value.zone
        if key == "time offset":
            return None if value.offset is None else DaysTime(value.offset * temporal.SECOND)
        seconds = value.nanos // temporal.SECOND
        return {"hour": seconds // 3600, "minute": seconds // 60 % 60, "second": seconds % 60}[key]
    if isinstance(value, YearsMonths):
        return _remainder(value.months, 12) if key == "months" else _truncated(value.months, 12)
    seconds = value.seconds
    if key == "days":
        return _truncated(seconds, 86_400)
    if key == "seconds":
        return _remainder(seconds, 60)
    return _remainder(_truncated(seconds, 3600), 24) if key == "hours" else _remainder(_truncated(seconds, 60), 60)


def _remainder(dividend: int, divisor: int) -> int:
    return dividend - _truncated(dividend, divisor) * divisor


# ---------------------------------------------------------------------------------------------------------- filters


def at(items: Any, index: Any) -> Any:
    """Evaluates `items[index]`: counted from 1, or back from the end from -1; null if there is none."""
    if type(index) is not int:
        return _at_fraction(items, decimal(index))
    position = index - 1 if index > 0 else len(items) + index
    return items[position] if 0 <= position < len(items) else None


def _at_fraction(items: Any, index: Decimal) -> Any:
    position = DECIMAL128.subtract(index, Decimal(1)) if index > 0 else DECIMAL128.add(Decimal(len(items)), index)
    return items[int(position)] if 0 <= position < len(items) else None
