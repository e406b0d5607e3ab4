"""Declare functions of dates: the current one, and the day, week and month of one."""

from typing import Any

from zeebe_connectors.feel import temporal
from zeebe_connectors.feel.builtins.declare import builtin
from zeebe_connectors.feel.limits import Run
from zeebe_connectors.feel.temporal import Date, DateTime

TITLE = "Temporal functions"

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def _days(value: Any) -> int:
    wide = temporal.widen(value)
    return wide.days if isinstance(wide, (Date, DateTime)) else 0


@builtin(
    "now(): date and time", "The current date and time, with the machine's offset from UTC.", ("now() = null", "false")
)
def _now(run: Run) -> Any:
    return run.clock()


@builtin("today(): date", "The current date.", ("today() instance of date", "true"))
def _today(run: Run) -> Any:
    return temporal.narrow(Date(_days(run.clock())))


@builtin(
    "day of year(date: date|date and time): number",
    "The number of the day in its year, from 1.",
    ('day of year(date("2019-09-17"))', "260"),
)
def _day_of_year(date: Any) -> Any:
    days = _days(date)
    return days - temporal.days_of(temporal.date_of(days)[0], 1, 1) + 1


@builtin(
    "day of week(date: date|date and time): string",
    "The English name of the day.",
    ('day of week(date("2019-09-17"))', '"Tuesday"'),
)
def _day_of_week(date: Any) -> Any:
    return _DAYS[(_days(date) + 3) % 7]


@builtin(
    "month of year(date: date|date and time): string",
    "The English name of the month.",
    ('month of year(date("2019-09-17"))', '"September"'),
)
def _month_of_year(date: Any) -> Any:
    return _MONTHS[temporal.date_of(_days(date))[1] - 1]


@builtin(
    "week of year(date: date|date and time): number",
    "The week's number by ISO 8601: week 1 has the year's first Thursday.",
    ('week of year(date("2019-09-17"))', "38"),
    ('week of year(date("2021-01-01"))', "53"),
)
def _week_of_year(date: Any) -> Any:
    return temporal.week_of_year(_days(date))


@builtin(
    "last day of month(date: date|date and time): date",
    "The last day of the date's month.",
    ('last day of month(date("2022-10-01"))', 'date("2022-10-31")'),
    ('last day of month(date and time("2024-02-01T10:00:00"))', 'date("2024-02-29")'),
)
def _last_day_of_month(date: Any) -> Any:
    year, month, _ = temporal.date_of(_days(date))
    return temporal.narrow(Date.of(year, month, temporal.month_length(year, month)))
