"""Read when timer events fire: ISO 8601 dates, durations and cycles, and cron expressions, become schedules."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from zeebe_connectors import feel
from zeebe_connectors.engine.cron import Cron, CronError
from zeebe_connectors.engine.model import TimerKind

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MIN_MS = -62_135_596_800_000  # the beginning of the year 1
_MAX_MS = 253_370_764_800_000  # the end of the year 9998, the last that `datetime` can handle safely
_NUMBER = r"([+-]?\d{1,30})"
_DURATION = re.compile(
    rf"([+-])?P(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(?:(?-i:T)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:([+-]?\d{{1,30}}(?:[.,]\d{{1,9}})?)S)?)?",
    re.ASCII | re.IGNORECASE,
)
_DATE = re.compile(
    r"(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+-]\d\d(?::\d\d(?::\d\d)?)?)?(?:\[([^\]]+)\])?",
    re.ASCII | re.IGNORECASE,
)
_MAX_OFFSET = timedelta(hours=18)
_REPETITIONS = re.compile(r"R(-1|\+?\d{1,30})?", re.ASCII)  # -1 is for ever, as none


class ScheduleError(Exception):
    """A timer's text cannot be read; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A duration in months and milliseconds; months are those of the calendar."""

    months: int
    milliseconds: int

    def after(self, time_ms: int) -> int:
        """Return the time that is this much later, within the calendar's range."""
        if self.months:
            time_ms = _add_months(time_ms, self.months)
        return min(time_ms + self.milliseconds, _MAX_MS)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a timer fires.

    Attributes:
        first_due: When it fires first, or next, in milliseconds since 1970.
        left: How often it still fires, including this time; -1 means forever.
        interval: The time between two firings.
        cron: The cron expression, if the cycle is one.
    """

    first_due: int
    left: int = 1
    interval: Interval | None = None
    cron: str | None = None

    def following(self, due_ms: int, now_ms: int) -> Schedule | None:
        """Return the schedule from the next time on, after it fired at `due_ms`; None when it does not fire again."""
        if self.left == 1:
            return None
        left = self.left if self.left < 0 else self.left - 1
        if self.cron is not None:
            following = Cron(self.cron).after(max(due_ms, now_ms))
            return None if following is None else replace(self, first_due=following, left=left)
        if self.interval is None:
            return None
        following_ms = max(self.interval.after(due_ms), due_ms + 1)
        if left < 0 and following_ms < now_ms:  # the engine was down: skip the missed times
            following_ms = _first_of_cycle(following_ms, self.interval, now_ms)
        return replace(self, first_due=max(following_ms, due_ms + 1), left=left)

    def dump(self) -> list[Any]:
        """Return the stored form."""
        interval = [self.interval.months, self.interval.milliseconds] if self.interval else None
        return [self.first_due, self.left, interval, self.cron]

    @classmethod
    def load(cls, data: list[Any]) -> Schedule:
        """Read the stored form."""
        first_due, left, interval, cron = data
        return cls(first_due, left, Interval(*interval) if interval else None, cron)


def read_schedule(kind: TimerKind, value: Any, now_ms: int) -> Schedule:
    """Read a timer's value: a text, or a temporal value of FEEL.

    Raises:
        ScheduleError: It is not what this kind of timer needs.
    """
    if kind is TimerKind.DATE:
        return Schedule(_date(value))
    if kind is TimerKind.DURATION:
        return Schedule(max(now_ms, interval_of(value).after(now_ms)))
    return _cycle(value, now_ms)


def interval_of(value: Any) -> Interval:
    """Read a duration.

    Raises:
        ScheduleError: It is not a duration.
    """
    if isinstance(value, feel.YearsMonths):
        return Interval(value.months, 0)
    if isinstance(value, feel.DaysTime):
        return Interval(0, -(-value.nanos // 1_000_000))
    if isinstance(value, timedelta):
        return Interval(0, -(-value // _MILLISECOND))
    if not isinstance(value, str):
        raise ScheduleError(f"Invalid duration: expected an ISO 8601 duration such as 'PT15S', but was {_shown(value)}")
    text = value.strip()
    match = _DURATION.fullmatch(text)
    if match is None or text[-1:].upper() in {"P", "T"}:
        raise ScheduleError(f"Invalid duration format '{value}': expected an ISO 8601 duration such as 'PT15S'")
    sign = -1 if match[1] == "-" else 1
    years, months, weeks, days, hours, minutes = (int(part or 0) for part in match.groups()[1:7])
    fraction = Decimal((match[8] or "0").replace(",", ".")) * 1000
    milliseconds = int(fraction.to_integral_value(ROUND_CEILING))  # a timer never fires early
    whole = (((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60_000
    limit = 10**15
    return Interval(sign * min(years * 12 + months, 12 * 8000), sign * max(-limit, min(limit, whole + milliseconds)))


def _date(value: Any) -> int:
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return -(-(moment - _EPOCH) // _MILLISECOND)
    if isinstance(value, feel.DateTime):
        local, _, zone = str(value).partition("@")
        value = f"{local}[{zone}]" if zone else local
        found = _DATE.fullmatch(value)
        if found is not None and found.group(2, 3) == (None, None):
            value += "Z"  # a local time is in the engine's time zone, UTC
    if not isinstance(value, str):
        raise ScheduleError(
            f"Invalid date-time: expected an ISO 8601 date and time such as '2030-01-01T12:00:00Z', but was "
            f"{_shown(value)}"
        )
    match = _DATE.fullmatch(value.strip())
    error = ScheduleError(
        f"Invalid date-time format '{value}': expected an ISO 8601 date and time with 'Z', an offset or a zone, such "
        "as '2030-01-01T12:00:00Z'"
    )
    if match is None:
        raise error
    local, offset, zone = match.groups()
    if offset is None and zone is None:
        raise error
    head, _, fraction = local.partition(".")
    milliseconds = -(-int((fraction + "000000000")[:9]) // 1_000_000) if fraction else 0
    try:
        return int((_moment(head, offset, zone) - _EPOCH) // _MILLISECOND) + milliseconds
    except (ValueError, OSError, LookupError):
        raise error from None


def _moment(local: str, offset: str | None, zone: str | None) -> datetime:
    """Return a local time as a moment; an offset takes precedence over a zone.

    Raises:
        ValueError: There is no such day, or the offset is too large.
        OSError: The zone has no valid name.
        LookupError: There is no such zone.
    """
    named = ZoneInfo(zone) if zone is not None else UTC
    moment = datetime.fromisoformat(local.upper() + (offset or "").upper())
    if offset is None:
        return moment.replace(tzinfo=named)
    if abs(moment.utcoffset() or timedelta()) > _MAX_OFFSET:
        raise ValueError(offset)
    return moment


def _cycle(value: Any, now_ms: int) -> Schedule:
    if not isinstance(value, str):
        raise ScheduleError(f"Invalid cycle: expected a text such as 'R3/PT10S', but was {_shown(value)}")
    text = value.strip()
    if not text.startswith("R"):
        try:
            due = Cron(text).after(now_ms)
        except CronError as error:
            raise ScheduleError(
                f"Invalid cycle format '{value}': expected a repetition such as 'R3/PT10S', or a cron expression: "
                f"{error}"
            ) from None
        if due is None:
            raise ScheduleError(f"Invalid cycle format '{value}': the cron expression has no time in the future")
        return Schedule(due, -1, cron=text)
    head, slash, rest = text.partition("/")
    begin, _, period = rest.rpartition("/")  # the zone in the start time may contain a slash too
    repetitions = _REPETITIONS.fullmatch(head)
    if repetitions is None or not slash:
        raise ScheduleError(
            f"Invalid cycle format '{value}': expected a repetition such as 'R3/PT10S' or 'R3/START/PT10S'"
        )
    left = int(repetitions[1]) if repetitions[1] else -1
    interval = interval_of(period)
    first = _date(begin) if begin else interval.after(now_ms)
    if left == 0:
        return Schedule(_MAX_MS, 1, interval)  # it never fires
    return Schedule(max(now_ms, first), left, interval)  # from a start in the past: at once, then from now on


def _first_of_cycle(start_ms: int, interval: Interval, now_ms: int) -> int:
    """Return the first time of a cycle that is not past, a whole number of intervals after the start."""
    step = interval.after(start_ms) - start_ms
    if start_ms >= now_ms or step <= 0:
        return start_ms
    rounds = (now_ms - start_ms) // step
    if not interval.months:
        due = start_ms + rounds * step
        return due if due >= now_ms else due + step
    due = start_ms
    while due < now_ms:
        rounds = max(1, (now_ms - due) // (step + 4 * 86_400_000))
        following = Interval(interval.months * rounds, interval.milliseconds * rounds).after(due)
        if following <= due:  # a month forward and more days back
            break
        due = following
    return due


def _add_months(time_ms: int, months: int) -> int:
    moment = _EPOCH + timedelta(milliseconds=max(_MIN_MS, min(time_ms, _MAX_MS)))
    count = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(count, 12)
    if not 1 <= year <= 9998:
        return _MAX_MS if year > 9998 else _MIN_MS
    day = min(moment.day, monthrange(year, month + 1)[1])
    return int((moment.replace(year=year, month=month + 1, day=day) - _EPOCH) // _MILLISECOND)


def _shown(value: Any) -> str:
    return "null" if value is None else f"'{feel.to_json(value)}'"
