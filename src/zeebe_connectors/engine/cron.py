"""Read cron expressions of six fields, and compute the next matching time, in UTC."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

_MACROS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MAX_DIGITS = 4
_MAX_YEARS = 12  # a leap day may be eight years away
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DayTest = Callable[[date], bool]


class CronError(Exception):
    """A cron expression cannot be read; the message says which field is wrong."""


@lru_cache(maxsize=256)
def _parsed(text: str) -> _Fields:
    return _Fields(text)


class Cron:
    """A cron expression: second, minute, hour, day of the month, month, day of the week; or a macro such as `@hourly`.

    Raises:
        CronError: The text is not a cron expression.
    """

    def __init__(self, text: str) -> None:
        self._fields = _parsed(text)

    def after(self, time_ms: int) -> int | None:
        """Return the first time after this one, in milliseconds since 1970; None if there is none in twelve years."""
        moment = (_EPOCH + timedelta(milliseconds=time_ms)).replace(microsecond=0) + timedelta(seconds=1)
        fields = self._fields
        today = moment.date()
        for offset in range(_MAX_YEARS * 366):
            day = today + timedelta(days=offset)
            if day.month not in fields.months or not all(test(day) for test in fields.day_tests):
                continue
            first = (moment.hour, moment.minute, moment.second) if offset == 0 else (0, 0, 0)
            found = fields.time_from(first)
            if found is not None:
                due = datetime(day.year, day.month, day.day, *found, tzinfo=UTC)
                return int((due - _EPOCH) // timedelta(milliseconds=1))
        return None


class _Fields:
    """The times that the fields of one expression allow."""

    def __init__(self, text: str) -> None:
        fields = _MACROS.get(text.strip().lower(), text).split()
        if len(fields) != 6:
            raise CronError(f"it needs six fields (second minute hour day month weekday), '{text}' has {len(fields)}")
        second, minute, hour, day, month, weekday = fields
        self.seconds = sorted(_numbers(second, 0, 59, "second"))
        self.minutes = sorted(_numbers(minute, 0, 59, "minute"))
        self.hours = sorted(_numbers(hour, 0, 23, "hour"))
        self.months = _numbers(month, 1, 12, "month", _MONTHS)
        self.day_tests = [_any(day, _day_of_month), _any(weekday, _day_of_week)]

    def time_from(self, first: tuple[int, int, int]) -> tuple[int, int, int] | None:
        """Return the first time of a day at or after `first`."""
        for hour in self.hours:
            if hour < first[0]:
                continue
            for minute in self.minutes:
                if (hour, minute) < first[:2]:
                    continue
                for second in self.seconds:
                    if (hour, minute, second) >= first:
                        return hour, minute, second
        return None


def _numbers(text: str, low: int, high: int, name: str, words: tuple[str, ...] = ()) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, 1, high, name) if slash else 1
        if span in {"*", "?"}:
            first, last = low, high
        else:
            start, dash, end = span.partition("-")
            first = _number(start, low, high, name, words)
            last = _number(end, low, high, name, words) if dash else (high if slash else first)
        if last < first:
            raise CronError(f"the range '{span}' of the field {name} ends before it begins")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, low: int, high: int, name: str, words: tuple[str, ...] = ()) -> int:
    upper = text.upper()
    value = words.index(upper) + (1 if words is _MONTHS else 0) if upper in words else None
    if value is None:
        if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
            raise CronError(f"'{text}' is not a value of the field {name}")
        value = int(text)
    if not low <= value <= high:
        raise CronError(f"the field {name} takes {low} to {high}, not {value}")
    return value


def _any(text: str, read: Callable[[str], DayTest]) -> DayTest:
    tests = [read(part) for part in text.upper().split(",")]
    return lambda day: any(test(day) for test in tests)


def _last_day(day: date) -> int:
    return monthrange(day.year, day.month)[1]


def _day_of_month(text: str) -> DayTest:
    if text == "L":
        return lambda day: day.day == _last_day(day)
    if text.startswith("L-"):
        back = _number(text[2:], 1, 30, "day")
        return lambda day: day.day == _last_day(day) - back
    if text.endswith("W"):
        wanted = 0 if text == "LW" else _number(text[:-1], 1, 31, "day")
        return lambda day: day.day == _nearest_weekday(day, wanted or _last_day(day))
    numbers = _numbers(text, 1, 31, "day")
    return lambda day: day.day in numbers


def _nearest_weekday(day: date, wanted: int) -> int:
    if wanted > _last_day(day):
        return 0
    weekday = day.replace(day=wanted).weekday()
    if weekday == 5:
        return wanted - 1 if wanted > 1 else wanted + 2
    if weekday == 6:
        return wanted + 1 if wanted < _last_day(day) else wanted - 2
    return wanted


def _day_of_week(text: str) -> DayTest:
    name, hash_mark, nth_text = text.partition("#")
    if hash_mark:
        wanted, nth = _number(name, 0, 7, "weekday", _DAYS) % 7, _number(nth_text, 1, 5, "weekday")
        return lambda day: day.isoweekday() % 7 == wanted and (day.day - 1) // 7 + 1 == nth
    if len(text) > 1 and text.endswith("L") and (text[:-1] in _DAYS or text[:-1].isdigit()):
        wanted = _number(text[:-1], 0, 7, "weekday", _DAYS) % 7
        return lambda day: day.isoweekday() % 7 == wanted and day.day > _last_day(day) - 7
    numbers = frozenset(number % 7 for number in _numbers(text, 0, 7, "weekday", _DAYS))
    return lambda day: day.isoweekday() % 7 in numbers
