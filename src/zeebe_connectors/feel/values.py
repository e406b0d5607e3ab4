"""Define the values of expressions, their kinds, and their forms as text and as JSON.

Plain Python values are used as they are: None, bool, int, float, Decimal, str, list, dict and the `datetime` types.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from zeebe_connectors.feel import temporal
from zeebe_connectors.feel.errors import Failure, FeelEvaluationError, FeelLimitError
from zeebe_connectors.feel.precision import EXACT, WideDecimal
from zeebe_connectors.feel.temporal import Date, DateTime, DaysTime, Time, YearsMonths

if TYPE_CHECKING:
    from zeebe_connectors.feel.limits import Limits, Run

# ------------------------------------------------------------------------------------------------------- functions


class Function:
    """A function as a value: the names of its parameters, and a callable that takes the run and a value for each.

    For `function(x, y) x.a < y.a`, `order` says which entry it compares and whether the largest comes first, so that
    sorting need not call it; None for any other function.
    """

    __slots__ = ("invoke", "order", "parameters")

    def __init__(
        self,
        parameters: Sequence[str],
        invoke: Callable[[Run, list[Any]], Any],
        order: tuple[tuple[str, ...], bool] | None = None,
    ) -> None:
        self.parameters = tuple(parameters)
        self.invoke = invoke
        self.order = order

    def __str__(self) -> str:
        return f"function({', '.join(self.parameters)})"


@dataclass(frozen=True, slots=True)
class HostFunction:
    """A function that the host provides for expressions.

    Attributes:
        name: how expressions call it.
        parameters: the names of its parameters, for named calls; overloads differ in their number.
        call: takes a value for each parameter (None for one that a named call omits) and returns a value. Any exception
            ends the evaluation with a `FeelEvaluationError`.
    """

    name: str
    parameters: Sequence[str]
    call: Callable[..., Any]


class HostFunctions:
    """Host functions by name, prepared once for many evaluations."""

    __slots__ = ("by_name",)

    def __init__(self, functions: Iterable[HostFunction]) -> None:
        self.by_name: dict[str, list[HostFunction]] = {}
        for function in functions:
            self.by_name.setdefault(function.name, []).append(function)

    def __iter__(self) -> Iterator[HostFunction]:
        return (function for overloads in self.by_name.values() for function in overloads)


class FunctionContext(dict[str, Any]):
    """A context with functions among its entries, which are only visible to calls such as `context.function()`."""

    __slots__ = ("functions",)

    def __init__(self, entries: Mapping[str, Any], functions: dict[str, list[Function]]) -> None:
        super().__init__(entries)
        self.functions = functions


# ---------------------------------------------------------------------------------------------------------- ranges


@dataclass(frozen=True, slots=True)
class Range:
    """All values between two ends; a closed end is included."""

    start: Any
    end: Any
    start_closed: bool = True
    end_closed: bool = True

    def __str__(self) -> str:
        brackets = "[" if self.start_closed else "(", "]" if self.end_closed else ")"
        return f"{brackets[0]}{_inner_text(None, self.start)}..{_inner_text(None, self.end)}{brackets[1]}"


# ----------------------------------------------------------------------------------------------------------- kinds

NULL, BOOLEAN, NUMBER, STRING, LIST, CONTEXT = "null", "boolean", "number", "string", "list", "context"
FUNCTION, RANGE, OTHER = "function", "range", "other"
DATE, TIME, LOCAL_TIME = "date", "time", "local time"
DATE_TIME, LOCAL_DATE_TIME = "date and time", "local date and time"
YEARS_MONTHS, DAYS_TIME = "years and months duration", "days and time duration"

_KINDS: dict[type, str] = {
    type(None): NULL,
    bool: BOOLEAN,
    int: NUMBER,
    float: NUMBER,
    Decimal: NUMBER,
    WideDecimal: NUMBER,
    str: STRING,
    list: LIST,
    tuple: LIST,
    dict: CONTEXT,
    FunctionContext: CONTEXT,
    Function: FUNCTION,
    Range: RANGE,
    dt.date: DATE,
    Date: DATE,
    YearsMonths: YEARS_MONTHS,
    DaysTime: DAYS_TIME,
    dt.timedelta: DAYS_TIME,
}
COMPARABLE = frozenset(
    {NUMBER, STRING, DATE, TIME, LOCAL_TIME, DATE_TIME, LOCAL_DATE_TIME, YEARS_MONTHS, DAYS_TIME},
)
POINTS = COMPARABLE - {STRING}
TEMPORAL = POINTS - {NUMBER}


def kind(value: Any) -> str:
    """Returns the kind of a value; local and zoned times are different kinds."""
    return _KINDS.get(type(value)) or _rare_kind(value)


def _rare_kind(value: Any) -> str:
    if isinstance(value, (dt.datetime, DateTime)):
        offset = value.offset if isinstance(value, DateTime) else value.tzinfo
        return LOCAL_DATE_TIME if offset is None else DATE_TIME
    if isinstance(value, (dt.time, Time)):
        offset = value.offset if isinstance(value, Time) else value.tzinfo
        return LOCAL_TIME if offset is None else TIME
    for known, name in ((str, STRING), (Mapping, CONTEXT), (dt.date, DATE), (int, NUMBER), (float, NUMBER)):
        if isinstance(value, known):  # a subclass, as an enumeration of texts
            return name
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return LIST
    return OTHER


def type_name(value: Any) -> str:
    """Returns the kind of a value, as named in `instance of` and messages."""
    name = kind(value)
    return name.removeprefix("local ")


TYPE_SYNONYMS = {
    "date time": DATE_TIME,
    "year-month-duration": YEARS_MONTHS,
    "day-time-duration": DAYS_TIME,
}
TYPES = frozenset((*_KINDS.values(), TIME, DATE_TIME, *TYPE_SYNONYMS, "Any"))
"""What may follow `instance of`."""


# --------------------------------------------------------------------------------------------------------- numbers

_INT_BITS = 32
_LONG = 2**63


def decimal(value: float | Decimal) -> Decimal:
    """Returns a number as a Decimal, with the digits that it is written with.

    Raises:
        Failure: not a finite number.
    """
    kind_ = type(value)
    if kind_ is Decimal or kind_ is WideDecimal:
        return value  # type: ignore[return-value]
    if kind_ is int:
        return Decimal(value)
    return Decimal(int(value)) if isinstance(value, int) else from_float(float(value))


def from_float(value: float) -> Decimal:
    """Returns a binary number as its shortest decimal, like the cluster's engine (12.0, 1.0E+7).

    Raises:
        Failure: infinite or not a number.
    """
    if not math.isfinite(value):
        raise Failure("not a finite number")
    result = Decimal(repr(value))
    if 1e-3 <= abs(value) < 1e7:
        return result
    if not value:
        return Decimal("0.0")
    sign, digits, exponent = result.as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    exponent = int(exponent) + len(digits) - len(text)
    if len(text) == 1:
        text, exponent = text + "0", exponent - 1
    return Decimal((sign, tuple(map(int, text)), exponent))


def result_of_float(value: float) -> Decimal:
    """Returns the result of a calculation with binary numbers.

    Raises:
        FeelEvaluationError: it is not finite, such as the logarithm of zero.
    """
    if not math.isfinite(value):
        raise FeelEvaluationError("a calculation has no finite result")
    return from_float(value)


def is_whole(value: float | Decimal) -> bool:
    """Returns whether a number has no fraction."""
    return isinstance(value, int) or decimal(value) == decimal(value).to_integral_value()


def int32(value: float | Decimal) -> int:
    """Returns the whole part of a number in 32 bits, which the cluster's engine uses for positions and lengths."""
    if type(value) is int:
        whole = value
    else:
        number = decimal(value)
        whole = 0 if number.adjusted() > 40 else int(number)
    half = 1 << (_INT_BITS - 1)
    return (whole + half) % (1 << _INT_BITS) - half


def plain_int(value: Decimal) -> int | Decimal:
    """Returns a whole Decimal without exponent and fraction as int, which is faster; others unchanged."""
    if value.as_tuple().exponent == 0 and -EXACT < value < EXACT and type(value) is not WideDecimal:
        return int(value)
    return value


# ------------------------------------------------------------------------------------------------------------ text


def text(run: Run | None, value: Any) -> str:
    """Returns a value in the form of `string()`; a text stays as it is."""
    return value if isinstance(value, str) else _inner_text(run, value)


def _inner_text(run: Run | None, value: Any) -> str:
    name = kind(value)
    if name == STRING:
        if run is not None:
            run.room(len(value))
        return f'"{value}"'
    if name == NUMBER:
        return number_text(value)
    if name == LIST:
        return _joined(run, "[", [_outer(run, item) for item in value], "]")
    if name == CONTEXT:
        return _joined(run, "{", [f"{key}:{_outer(run, item)}" for key, item in value.items()], "}")
    if name == DAYS_TIME:
        return _days_time_text(value)
    wide = temporal.widen(value) if name in TEMPORAL else value
    return (
        {None: "null", True: "true", False: "false"}[wide]
        if wide is None or wide is True or wide is False
        else str(wide)
    )


def _outer(run: Run | None, value: Any) -> str:
    if run is not None:
        run.tick()
    return _inner_text(run, value)


def _joined(run: Run | None, start: str, parts: list[str], end: str) -> str:
    if run is not None:
        run.room(sum(map(len, parts)) + 2 * len(parts))
    return start + ", ".join(parts) + end


def number_text(value: float | Decimal) -> str:
    """Returns a number's digits; a zero has no sign."""
    if type(value) is int:
        return str(value)
    number = decimal(value)
    return str(number or number.copy_abs())


def _days_time_text(value: Any) -> str:
    """Writes a duration in whole seconds, like the cluster's engine."""
    duration = temporal.widen(value)
    return str(DaysTime(duration.seconds * temporal.SECOND)) if isinstance(duration, DaysTime) else ""


# ------------------------------------------------------------------------------------------------------------ JSON

_MAX_NODES = 1_000_000
_MAX_CHARACTERS = 8_000_000
"""Maximum characters of all texts of a result. A job returns at most 1.5 MiB; more gets a clear error later."""


class _Room:
    """Counts down what the JSON form of a value may still use."""

    __slots__ = ("characters", "exact", "nodes")

    def __init__(self, limits: Limits | None, *, exact: bool) -> None:
        self.exact = exact
        self.nodes, self.characters = _MAX_NODES, _MAX_CHARACTERS
        if limits is not None:
            self.nodes, self.characters = min(_MAX_NODES, limits.items), min(_MAX_CHARACTERS, limits.characters)


def to_json(value: Any, limits: Limits | None = None, *, exact: bool = False) -> Any:
    """Returns a value in JSON types, for a job's variables: ISO text for temporals, int for whole numbers, else float.

    A text that occurs several times in the value counts each time, because JSON writes it each time.

    Args:
        value: Any FEEL value.
        limits: Applied if they allow fewer items and characters than a result may have.
        exact: Whether a whole number beyond 64 bits keeps its digits, so that the caller can refuse it by name;
            otherwise it becomes a float, as in the cluster.

    Raises:
        FeelLimitError: the value is too large or too deep to be written.
    """
    try:
        return _json(value, _Room(limits, exact=exact))
    except RecursionError:
        raise FeelLimitError("depth", "the result is nested too deep to be written as JSON") from None


def _json(value: Any, room: _Room) -> Any:
    kind_ = type(value)
    if kind_ is str:
        room.characters -= len(value)
        if room.characters < 0:
            raise FeelLimitError(
                "characters", "the result has more text than a result may have; map only what is needed"
            )
        return value
    if value is None or kind_ is bool or (kind_ is int and -_LONG <= value < _LONG):
        return value
    if kind_ is int or kind_ is Decimal or kind_ is float or kind_ is WideDecimal:
        return json_number(value, exact=room.exact)
    if kind_ is dict or isinstance(value, Mapping):  # most are, and the other question takes longer
        _take(room, len(value))
        made = {}
        for key, item in value.items():
            inner = type(item)
            plain = (inner is int and -_LONG <= item < _LONG) or inner is bool or item is None  # a call costs more
            made[key if type(key) is str else str(key)] = item if plain else _json(item, room)
        return made
    if isinstance(value, (list, tuple)):
        _take(room, len(value))
        return [_json(item, room) for item in value]
    return iso_text(value)


def _take(room: _Room, nodes: int) -> None:
    room.nodes -= 1 + nodes
    if room.nodes < 0:
        raise FeelLimitError("items", "the result has more values than a result may have; map only what is needed")


def json_number(value: float | Decimal, *, exact: bool = False) -> int | float:
    """Returns a number as the cluster stores it: an int if it is whole and has 64 bits, else a float (see `to_json`).

    Infinities and NaN stay as they are, so that the sender can refuse them by name.
    """
    if type(value) is float:
        return value or 0.0  # a zero has no sign
    number = decimal(value)
    if number.adjusted() < 20 and number == number.to_integral_value() and -_LONG <= number < _LONG:
        return int(number)
    if exact and number.is_finite() and number.as_tuple().exponent == 0:
        return int(number)
    return float(number)


def iso_text(value: Any) -> Any:
    """Returns a temporal value, a range or a function as text; any other value unchanged."""
    wide = temporal.widen(value)
    if isinstance(wide, Time):
        return str(Time(wide.nanos, wide.offset))  # with the offset, which any reader understands
    if isinstance(wide, DateTime):
        far = "+" if temporal.date_of(wide.days)[0] > 9999 else ""
        return f"{far}{DateTime(wide.days, wide.nanos, wide.offset)}{f'[{wide.zone}]' if wide.zone else ''}"
    if wide is not None:
        return str(wide)
    return str(value) if isinstance(value, (Function, Range)) else value


@dataclass(slots=True)
class Scope:
    """The names that an expression sees: its own, then those of the scopes around it."""

    names: Mapping[str, Any]
    parent: Scope | None
    run: Run
    functions: dict[str, list[Function]] | None = field(default=None)
