"""Declare functions that convert values: dates, numbers, texts and JSON."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, NoReturn

from zeebe_connectors.feel import temporal, values
from zeebe_connectors.feel.builtins.declare import builtin
from zeebe_connectors.feel.errors import Failure, FeelEvaluationError
from zeebe_connectors.feel.limits import Run
from zeebe_connectors.feel.precision import DECIMAL128, written
from zeebe_connectors.feel.temporal import SECOND, Date, DateTime, DaysTime, Time, YearsMonths, narrow, widen
from zeebe_connectors.feel.values import STRING, decimal, int32, kind, number_text

TITLE = "Conversion functions"


@builtin(
    "date(from: string|date|date and time): date",
    "The date in a text, or of a date and time.",
    ('date(from: "2018-04-29")', '@"2018-04-29"'),
    ('date(date and time("2012-12-25T11:00:00"))', '@"2012-12-25"'),
    ('date("2018-02-30" + "")', "null"),
)
def _date(value: Any) -> Any:
    if kind(value) == STRING:
        try:
            return narrow(temporal.parse_date(value))
        except ValueError:
            raise Failure(f"Failed to parse date from '{value}'") from None
    wide = widen(value)
    return narrow(Date(wide.days)) if isinstance(wide, (Date, DateTime)) else None


@builtin(
    "date(year: number, month: number, day: number): date",
    "The date with these parts.",
    ("date(2012, 12, 25)", '@"2012-12-25"'),
)
def _date_of_parts(year: Any, month: Any, day: Any) -> Any:
    try:
        return narrow(Date.of(int32(year), int32(month), int32(day)))
    except ValueError:
        raise Failure(f"Failed to parse date from: year={year}, month={month}, day={day}") from None


@builtin(
    "time(from: string|date|date and time): time",
    "The time of day in a text, or of a date and time; midnight in UTC for a date.",
    ('time(from: "12:00:00")', '@"12:00:00"'),
    ('time(date and time("2012-12-25T11:00:00"))', '@"11:00:00"'),
)
def _time(value: Any) -> Any:
    if kind(value) == STRING:
        try:
            return narrow(temporal.parse_time(value))
        except ValueError:
            raise Failure(f"Failed to parse time from '{value}'") from None
    wide = widen(value)
    if isinstance(wide, DateTime):
        return narrow(Time(wide.nanos, wide.offset, wide.zone))
    return narrow(Time(0, 0))


def _clock(hour: Any, minute: Any, second: Any, *, with_fraction: bool = True) -> int:
    hours, minutes, seconds = int32(hour), int32(minute), int32(second)
    exact = decimal(second)
    fraction = DECIMAL128.remainder(exact, Decimal(1)) if -60 < exact < 60 else Decimal(0)
    nanos = int(DECIMAL128.multiply(fraction, Decimal(SECOND))) if with_fraction else 0
    if not (0 <= hours < 24 and 0 <= minutes < 60 and 0 <= seconds < 60) or nanos < 0:
        raise Failure(f"Failed to parse time from: hour={hour}, minute={minute}, second={second}")
    return ((hours * 60 + minutes) * 60 + seconds) * SECOND + nanos


@builtin(
    "time(hour: number, minute: number, second: number): time",
    "The time of day with these parts.",
    ("time(23, 59, 0)", '@"23:59:00"'),
)
def _time_of_parts(hour: Any, minute: Any, second: Any) -> Any:
    return narrow(Time(_clock(hour, minute, second)))


@builtin(
    "time(hour: number, minute: number, second: number, offset: days and time duration|null): time",
    "The time of day with these parts at an offset from UTC.",
    ('time(14, 30, 0, duration("PT1H"))', '@"14:30:00+01:00"'),
)
def _time_with_offset(hour: Any, minute: Any, second: Any, offset: Any) -> Any:
    duration = widen(offset)
    if not isinstance(duration, DaysTime):
        return narrow(Time(_clock(hour, minute, second, with_fraction=False)))
    if abs(duration.seconds) > 18 * 3600:
        raise Failure(f"Failed to parse time from: offset={duration}")
    return narrow(Time(_clock(hour, minute, second), duration.seconds))


@builtin(
    "date and time(from: string): date and time",
    "The date and time in a text; midnight of a date.",
    ('date and time(from: "2018-04-29T09:30:00")', '@"2018-04-29T09:30:00"'),
    ('date and time(from: "2018-04-29")', '@"2018-04-29T00:00:00"'),
)
def _date_and_time(text: Any) -> Any:
    try:
        return narrow(temporal.parse_date_time(text))
    except ValueError:
        raise Failure(f"Failed to parse date-time from '{text}'") from None


@builtin(
    "date and time(date: date|date and time, time: time|string): date and time",
    "The date of the first argument with the time of the second, or a date and time in the zone that a text names.",
    ('date and time(date("2012-12-24"), time("T23:59:00"))', '@"2012-12-24T23:59:00"'),
    (
        'date and time(@"2020-07-31T14:27:30@Europe/Berlin", "America/Los_Angeles")',
        '@"2020-07-31T05:27:30@America/Los_Angeles"',
    ),
)
def _date_and_time_of(date: Any, time: Any) -> Any:
    day = widen(date)
    if kind(time) == STRING:
        return _in_zone(day, time)
    clock = widen(time)
    if not isinstance(clock, Time) or not isinstance(day, (Date, DateTime)):
        return None
    if clock.zone is not None:
        return narrow(temporal.in_zone(day.days, clock.nanos, clock.zone))
    return narrow(DateTime(day.days, clock.nanos, clock.offset))


def _in_zone(moment: Any, zone: str) -> Any:
    if not isinstance(moment, DateTime):
        raise Failure("Illegal arguments: a date has no time zone")
    try:
        offset, name = temporal.place_of(zone)
    except ValueError:
        raise FeelEvaluationError(f"'{zone}' is not a time zone; one is named as Europe/Paris or +01:00") from None
    if moment.offset is None:
        here = temporal.in_zone(moment.days, moment.nanos, name) if name else None
        return narrow(here or DateTime(moment.days, moment.nanos, offset))
    return narrow(temporal.at_instant(moment.instant, name) if name else temporal.with_offset(moment, offset or 0))


@builtin(
    "duration(from: string): days and time duration|years and months duration",
    "The duration in a text.",
    ('duration(from: "P5D")', '@"P5D"'),
    ('duration("P32Y")', '@"P32Y"'),
)
def _duration(text: Any) -> Any:
    try:
        return temporal.parse_duration(text)
    except ValueError:
        raise Failure(f"Failed to parse duration from '{text}'") from None


@builtin(
    "years and months duration(from: date|date and time, to: date|date and time): years and months duration",
    "The number of whole months between two dates, as a duration.",
    ('years and months duration(date("2011-12-22"), date("2013-08-24"))', 'duration("P1Y8M")'),
)
def _years_and_months(start: Any, end: Any) -> Any:
    first, last = widen(start), widen(end)
    if not isinstance(first, (Date, DateTime)) or not isinstance(last, (Date, DateTime)):
        return None
    return temporal.months_between(first.days, last.days)


# -------------------------------------------------------------------------------------------------------- numbers

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?")
_MAX_EXPONENT = 6_000


def _parsed(text: str) -> Any:
    if _NUMBER.fullmatch(text):
        number = written(text)
        exponent = number.as_tuple().exponent
        if isinstance(exponent, int) and abs(exponent) <= _MAX_EXPONENT:
            return values.plain_int(number)
    raise Failure(f"Can't parse '{text}' as a number")


@builtin(
    "number(from: string): number",
    "The number in a text.",
    ('number("1500.5")', "1500.5"),
    ('number("two")', "null"),
)
def _number(text: Any) -> Any:
    return _parsed(text)


@builtin(
    "number(from: string, grouping separator: string): number",
    "The number in a text whose digits are grouped by a space, a comma or a point.",
    ('number("1,500.5", ",")', "1500.5"),
)
def _number_grouped(text: Any, grouping: Any) -> Any:
    return _parsed(text.replace(_separator(grouping, " ,."), ""))


@builtin(
    "number(from: string, grouping separator: string|null, decimal separator: string|null): number",
    "The number in a text with these separators between groups of digits and before the decimals.",
    ('number("1 500,5", " ", ",")', "1500.5"),
    ('number("1.500,5", ".", ",")', "1500.5"),
)
def _number_separated(text: Any, grouping: Any, point: Any) -> Any:
    if grouping is None and point is None:
        raise Failure("Illegal arguments: no separator")
    if grouping == point:
        raise Failure("illegal arguments for grouping or decimal. Must be different")
    if grouping is not None:
        text = text.replace(_separator(grouping, " ,."), "")
    return _parsed(text if point is None else text.replace(_separator(point, ",."), "."))


def _separator(separator: str, allowed: str) -> str:
    if len(separator) != 1 or separator not in allowed:
        raise Failure(f"illegal argument for a separator. Must be one of {', '.join(map(repr, allowed))}")
    return separator


# ----------------------------------------------------------------------------------------------------------- texts


@builtin(
    "string(from: any): string",
    "The value as text; null stays null.",
    ("string(1.1)", '"1.1"'),
    ('string([1, "a"])', '"[1, \\"a\\"]"'),
    ('string(date("2012-12-25"))', '"2012-12-25"'),
)
def _string(run: Run, value: Any) -> Any:
    return None if value is None else run.text(values.text(run, value))


# ------------------------------------------------------------------------------------------------------------ JSON

_JSON_SPACE = " \t\n\r"
_BYTES_PER_JSON_CHARACTER = 24


def _no_constant(_text: str) -> NoReturn:
    raise ValueError("no JSON")


_JSON = json.JSONDecoder(parse_float=lambda text: values.from_float(float(text)), parse_constant=_no_constant)
_CONTROL = re.compile(r"[\x00-\x1f\"\\]")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@builtin(
    "from json(json: string|null): any",
    "The value of a JSON text.",
    ('from json("{\\"a\\": [1, true]}")', "{a: [1, true]}"),
    ('from json("invalid")', "null"),
    since="8.9",
)
def _from_json(run: Run, text: Any) -> Any:
    if text is None:
        return None
    run.hold(_BYTES_PER_JSON_CHARACTER * len(text))
    run.tick(len(text) // 4)
    start = len(text) - len(text.lstrip(_JSON_SPACE))
    try:
        value, end = _JSON.raw_decode(text, start)
    except (ValueError, Failure):
        raise Failure(f"Failed to parse JSON from {text[:80]!r}") from None
    if kind(value) == values.NUMBER and text[end : end + 1].strip(_JSON_SPACE):
        raise Failure(f"Failed to parse JSON from {text[:80]!r}: something follows the number")
    return value


@builtin(
    "to json(value: any): string",
    "The value as JSON text.",
    ("to json({a: 1, b: [true, null]})", '"{\\"a\\":1,\\"b\\":[true,null]}"'),
    ('to json(@"2025-01-01")', '"\\"2025-01-01\\""'),
    since="8.9",
)
def _to_json(run: Run, value: Any) -> Any:
    parts: list[str] = []
    _write(run, value, parts)
    return run.text("".join(parts))


def _write(run: Run, value: Any, parts: list[str]) -> None:
    run.tick()
    name = kind(value)
    if value is None or isinstance(value, bool):
        parts.append({None: "null", True: "true", False: "false"}[value])
    elif name == STRING:
        run.room(len(value))
        parts.append(_quoted(value))
    elif name == values.NUMBER:
        parts.append(number_text(value))
    elif name == values.LIST:
        parts.append("[")
        for index, item in enumerate(value):
            parts.append("," if index else "")
            _write(run, item, parts)
        parts.append("]")
    elif name == values.CONTEXT:
        parts.append("{")
        for index, (key, item) in enumerate(value.items()):
            parts.append(f"{',' if index else ''}{_quoted(key)}:")
            _write(run, item, parts)
        parts.append("}")
    elif name in values.TEMPORAL or isinstance(value, (values.Function, values.Range)):
        parts.append(_quoted(_iso(value)))
    else:
        raise Failure(f"Failed to convert value to JSON: {type(value).__name__}")


def _quoted(text: str) -> str:
    escaped = _CONTROL.sub(lambda match: _ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04X}", text)
    return f'"{escaped}"'


def _iso(value: Any) -> str:
    wide = widen(value)
    if isinstance(wide, DaysTime):
        return _java_duration(wide)
    if isinstance(wide, YearsMonths):
        return _java_period(wide)
    return str(values.iso_text(value))


def _java_duration(duration: DaysTime) -> str:
    """Hours, minutes and seconds, each with its own sign, as the cluster's engine writes a duration into JSON."""
    if not duration.nanos:
        return "PT0S"
    sign = -1 if duration.nanos < 0 else 1
    seconds, nanos = divmod(abs(duration.nanos), SECOND)
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    text = "PT" + (f"{sign * hours}H" if hours else "") + (f"{sign * minutes}M" if minutes else "")
    if rest or nanos:
        fraction = f".{nanos:09}".rstrip("0") if nanos else ""
        text += f"{'-' if sign < 0 else ''}{rest}{fraction}S"
    return text


def _java_period(duration: YearsMonths) -> str:
    if not duration.months:
        return "P0D"
    sign = -1 if duration.months < 0 else 1
    years, months = divmod(abs(duration.months), 12)
    return "P" + (f"{sign * years}Y" if years else "") + (f"{sign * months}M" if months else "")
