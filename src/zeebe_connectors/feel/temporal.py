"""Calculate with dates, times and durations as the cluster's engine does.

Python's `datetime` is limited to the year 9999 and to microseconds; the cluster's engine is not. So each value has a
wide form (`Date`, `Time`, `DateTime`: whole days and nanoseconds), in which all arithmetic happens, and a narrow one
(the `datetime` types), which callers get whenever it holds the value without loss.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from zeebe_connectors.feel.errors import FeelEvaluationError

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
_MAX_YEAR = 999_999_999
_MAX_SECONDS = 2**63
_EPOCH = dt.date(1970, 1, 1).toordinal()
_MAX_OFFSET = 18 * 3600
_GREGORIAN_CYCLE_DAYS = 146_097
_DAYS_BEFORE_MARCH_0 = 719_468  # from 0000-03-01 to 1970-01-01


# --------------------------------------------------------------------------------------------------- the calendar


def days_of(year: int, month: int, day: int) -> int:
    """Returns the days from 1970-01-01 to a date of the proleptic Gregorian calendar."""
    shifted = year - (month <= 2)
    era, of_era = divmod(shifted, 400)
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * _GREGORIAN_CYCLE_DAYS + of_era * 365 + of_era // 4 - of_era // 100 + day_of_year - _DAYS_BEFORE_MARCH_0


def date_of(days: int) -> tuple[int, int, int]:
    """Returns year, month and day of a count of days since 1970-01-01."""
    era, of_era = divmod(days + _DAYS_BEFORE_MARCH_0, _GREGORIAN_CYCLE_DAYS)
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    day_of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    return era * 400 + year_of_era + (month <= 2), month, day_of_year - (153 * shifted_month + 2) // 5 + 1


def month_length(year: int, month: int) -> int:
    """Returns the number of days of a month."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


# --------------------------------------------------------------------------------------------------------- values


@dataclass(frozen=True, slots=True)
class Date:
    """A day, as the count of days since 1970-01-01. `str()` is ISO text."""

    days: int

    @classmethod
    def of(cls, year: int, month: int, day: int) -> Date:
        """Makes the date with these parts.

        Raises:
            ValueError: there is no such day.
        """
        if abs(year) > _MAX_YEAR or not 1 <= month <= 12 or not 1 <= day <= month_length(year, month):
            raise ValueError("no such day")
        return cls(days_of(year, month, day))

    def __str__(self) -> str:
        year, month, day = date_of(self.days)
        return f"{'+' if year > 9999 else ''}{_year_text(year)}-{month:02}-{day:02}"


@dataclass(frozen=True, slots=True)
class Time:
    """A time of day in nanoseconds, optionally with an offset from UTC in seconds and with a zone's name."""

    nanos: int
    offset: int | None = None
    zone: str | None = None

    @property
    def instant(self) -> int:
        """Nanoseconds since midnight in UTC, by which times with an offset are ordered."""
        return self.nanos - (self.offset or 0) * SECOND

    def __str__(self) -> str:
        return _time_text(self.nanos) + _place_text(self.offset, self.zone)


@dataclass(frozen=True, slots=True)
class DateTime:
    """A day and a time of day, with offset and zone as in `Time`."""

    days: int
    nanos: int
    offset: int | None = None
    zone: str | None = None

    @property
    def local(self) -> int:
        """Nanoseconds since 1970-01-01T00:00:00 in local time."""
        return self.days * DAY + self.nanos

    @property
    def instant(self) -> int:
        """Nanoseconds since 1970-01-01T00:00:00Z."""
        return self.days * DAY + self.nanos - (self.offset or 0) * SECOND

    def __str__(self) -> str:
        year, month, day = date_of(self.days)
        return f"{_year_text(year)}-{month:02}-{day:02}T{_time_text(self.nanos)}{_place_text(self.offset, self.zone)}"


@dataclass(frozen=True, slots=True, order=True)
class YearsMonths:
    """A duration of years and months, as a count of months. `str()` is ISO text, such as `P1Y2M`."""

    months: int

    def __str__(self) -> str:
        if not self.months:
            return "P0Y"
        years, months = divmod(abs(self.months), 12)
        return f"{'-' if self.months < 0 else ''}P{f'{years}Y' if years else ''}{f'{months}M' if months else ''}"


@dataclass(frozen=True, slots=True, order=True)
class DaysTime:
    """A duration of days, hours, minutes and seconds, as a count of nanoseconds. `str()` is ISO text: `P1DT2H`."""

    nanos: int

    def __post_init__(self) -> None:
        if abs(self.nanos) >= _MAX_SECONDS * SECOND:
            raise FeelEvaluationError("a duration is longer than the cluster's engine can hold")

    @property
    def seconds(self) -> int:
        """Whole seconds, rounded down."""
        return self.nanos // SECOND

    @property
    def millis(self) -> int:
        """Whole milliseconds, rounded down."""
        return self.nanos // 1_000_000

    def total_seconds(self) -> float:
        """Returns the length in seconds."""
        return self.nanos / SECOND

    def __str__(self) -> str:
        if not self.nanos:
            return "P0D"
        total = abs(self.nanos)
        seconds, nanos = divmod(total, SECOND)
        days, seconds = divmod(seconds, 86_400)
        hours, seconds = divmod(seconds, 3600)
        minutes, seconds = divmod(seconds, 60)
        clock = f"{f'{hours}H' if hours else ''}{f'{minutes}M' if minutes else ''}"
        if seconds or nanos:
            clock += f"{seconds}{_fraction_text(nanos)}S"
        sign = "-" if self.nanos < 0 else ""
        return f"{sign}P{f'{days}D' if days else ''}{f'T{clock}' if clock else ''}"


def _year_text(year: int) -> str:
    return f"-{-year:04}" if year < 0 else f"{year:04}"


def _time_text(nanos: int) -> str:
    seconds, fraction = divmod(nanos, SECOND)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{_fraction_text(fraction)}"


def _fraction_text(nanos: int) -> str:
    return f".{nanos:09}".rstrip("0") if nanos else ""


def _place_text(offset: int | None, zone: str | None) -> str:
    if zone is not None:
        return "@" + zone
    return "" if offset is None else offset_text(offset)


def offset_text(offset: int) -> str:
    """Formats an offset in seconds as `+02:00`, or `Z` for zero."""
    if not offset:
        return "Z"
    total = abs(offset)
    seconds = f":{total % 60:02}" if total % 60 else ""
    return f"{'-' if offset < 0 else '+'}{total // 3600:02}:{total // 60 % 60:02}{seconds}"


# ---------------------------------------------------------------------------------------------------------- zones

_OFFSET = re.compile(r"([+-])(\d{2}):(\d{2})(?::(\d{2}))?", re.ASCII)
_ZONE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9~/._+-]+", re.ASCII)
_PREFIXED_OFFSET = re.compile(r"(UTC|GMT|UT)([+-])(\d{1,2})(?::?(\d{2})(?::?(\d{2}))?)?", re.ASCII)
_NOT_ZONES = ("posix", "right", "Factory", "localtime", "EST", "MST", "HST", "ROC")  # absent from Java 17 and 21 too
_NEGATIVE_DAYLIGHT_SAVING = frozenset(("Europe/Dublin", "Eire", "Africa/Casablanca", "Africa/El_Aaiun"))


def _seconds(sign: str, hours: str, minutes: str | None, seconds: str | None) -> int:
    total = int(hours) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    if total > _MAX_OFFSET or int(minutes or 0) > 59 or int(seconds or 0) > 59:
        raise ValueError("no such offset")
    return -total if sign == "-" else total


def offset_of(text: str) -> int:
    """Reads an offset such as `+02:00` or `Z`; returns seconds.

    Raises:
        ValueError: not an offset.
    """
    if text == "Z":
        return 0
    match = _OFFSET.fullmatch(text)
    if not match:
        raise ValueError("no offset")
    return _seconds(*match.groups())


@lru_cache(maxsize=1024)
def _rules(zone: str) -> dt.tzinfo:
    """Returns the rules of a zone by its name, such as `Europe/Paris` or `UTC+01:00`.

    Raises:
        ValueError: no such zone.
    """
    fixed = _PREFIXED_OFFSET.fullmatch(zone)
    if fixed:
        return dt.timezone(dt.timedelta(seconds=_seconds(*fixed.groups()[1:])))
    if zone == "UT":
        return dt.UTC
    if not _ZONE_NAME.fullmatch(zone) or (zone.startswith(_NOT_ZONES) and zone not in ("EST5EDT", "MST7MDT")):
        raise ValueError("no such zone")
    try:
        return zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, OSError) as error:
        raise ValueError("no such zone") from error


def place_of(text: str) -> tuple[int | None, str | None]:
    """Reads what follows `@` or stands in brackets: an offset, or a zone's name.

    Raises:
        ValueError: neither.
    """
    if text == "Z" or text[:1] in "+-":
        return offset_of(text), None
    _rules(text)
    return None, text


def _written_place(text: str) -> tuple[int | None, str | None]:
    """Reads the place in a date's or time's text, where an offset after a prefix is written in full: `UTC+01:00`."""
    if _PREFIXED_OFFSET.fullmatch(text) and ":" not in text:
        raise ValueError("no such zone")
    return place_of(text)


def _shift(moment: dt.datetime, zone: dt.tzinfo) -> int:
    offset = moment.replace(tzinfo=zone).utcoffset()
    return round(offset.total_seconds()) if offset else 0


def _near_datetime(days: int, nanos: int) -> dt.datetime:
    """Returns a `datetime` with the zone rules of these days: itself, or the same day in a year that Python knows."""
    ordinal = days + _EPOCH
    last = dt.date.max.toordinal() - 366
    if ordinal < 367:
        ordinal = 367
    elif ordinal > last:
        ordinal -= ((ordinal - last) // _GREGORIAN_CYCLE_DAYS + 1) * _GREGORIAN_CYCLE_DAYS
    seconds = nanos // SECOND
    return dt.datetime.combine(dt.date.fromordinal(ordinal), dt.time.min) + dt.timedelta(seconds=seconds)


def at_instant(instant: int, zone: str) -> DateTime:
    """Returns the local day and time of a zone at an instant (nanoseconds since 1970-01-01T00:00:00Z)."""
    days, nanos = divmod(instant, DAY)
    rules = _rules(zone)
    moment = _near_datetime(days, nanos).replace(tzinfo=dt.UTC).astimezone(rules)
    offset = round((moment.utcoffset() or dt.timedelta()).total_seconds())
    days, nanos = divmod(instant + offset * SECOND, DAY)
    return DateTime(days, nanos, offset, zone)


def in_zone(days: int, nanos: int, zone: str, preferred: int | None = None) -> DateTime:
    """Returns a local day and time in a zone.

    When the clock is set back, the earlier of the two instants is used unless `preferred` is the later one's offset;
    when it is set forward, a skipped time moves forward by as much.
    """
    rules = _rules(zone)
    moment = _near_datetime(days, nanos)
    before, after = _shift(moment, rules), _shift(moment.replace(fold=1), rules)
    if before < after:
        days, nanos = divmod(days * DAY + nanos + (after - before) * SECOND, DAY)
        return DateTime(days, nanos, after, zone)
    return DateTime(days, nanos, after if preferred == after else before, zone)


def standard_offset(zone: str) -> int:
    """Returns the current offset of a zone without daylight saving, which is used for a time of day in a zone."""
    rules = _rules(zone)
    now = dt.datetime.now(dt.UTC).astimezone(rules)
    offset = (now.utcoffset() or dt.timedelta()) - (now.dst() or dt.timedelta())
    # Java has no negative daylight saving: there, winter time is the standard.
    return round(offset.total_seconds()) - (3600 if zone in _NEGATIVE_DAYLIGHT_SAVING else 0)


# ---------------------------------------------------------------------------------------------------- from ISO text

_DATE = re.compile(r"(-?(?:[1-9]\d{0,4})?\d{4})-([01]\d)-([0-3]\d)", re.ASCII)
_CLOCK = r"(\d{2}):(\d{2})(?::(\d{2}))?(?:\.(\d{1,9}))?"
_LOCAL_TIME = re.compile(r"T?(\d{2}):(\d{2})(?::(\d{2}))?(?:\.(\d{0,9}))?", re.ASCII)
_OFFSET_TIME = re.compile(r"T?(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:([+-]\d{2}:\d{2}|Z)|@(.*))", re.ASCII)
_DATE_TIME = re.compile(_DATE.pattern + "T" + _CLOCK, re.ASCII)
_OFFSET_DATE_TIME = re.compile(_DATE_TIME.pattern + r"(?:([+-][01]\d:[0-5]\d|Z)(?:\[(.+)\])?|@(.*))", re.ASCII)
_YEARS_MONTHS = re.compile(r"([+-]?)P(?:([+-]?\d+)Y)?(?:([+-]?\d+)M)?", re.ASCII)
_YEARS_MONTHS_FORM = re.compile(r"-?P-?(?:\d+Y)?-?(?:\d+M)?", re.ASCII)
_DAYS_TIME_FORM = re.compile(r"-?P-?(?:\d+D)?(?:T-?(?:\d+H)?-?(?:\d+M)?-?(?:\d+(?:.\d*)?S)?)?", re.ASCII)
_DAYS_TIME = re.compile(
    r"([+-]?)P(?:([+-]?\d+)D)?(T(?:([+-]?\d+)H)?(?:([+-]?\d+)M)?(?:([+-]?)(\d+)(?:[.,](\d{0,9}))?S)?)?", re.ASCII
)
_DIGITS_OF_A_DURATION = 19
_MAX_INT = 2**31


def parse_date(text: str) -> Date:
    """Parses a date such as `2026-11-22`.

    Raises:
        ValueError: not a date.
    """
    match = _DATE.fullmatch(text)
    if not match:
        raise ValueError("no date")
    return _date(*match.groups())


def _date(year: str, month: str, day: str) -> Date:
    if year.startswith("-") and not int(year):
        raise ValueError("no year")
    return Date.of(int(year), int(month), int(day))


def _clock(hour: str, minute: str, second: str | None, fraction: str | None, *, midnight_at_end: bool = False) -> int:
    if fraction is not None and second is None:
        raise ValueError("no seconds")
    hours, minutes, seconds = int(hour), int(minute), int(second or 0)
    nanos = int((fraction or "").ljust(9, "0"))
    if midnight_at_end and hours == 24 and not (minutes or seconds or nanos):
        return 0
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ValueError("no such time")
    return ((hours * 60 + minutes) * 60 + seconds) * SECOND + nanos


def parse_time(text: str) -> Time:
    """Parses a time such as `10:15`, `10:15:30.5+02:00` or `10:15:30@Europe/Paris`.

    Raises:
        ValueError: not a time.
    """
    match = _OFFSET_TIME.fullmatch(text)
    if match:
        hour, minute, second, fraction, offset, place = match.groups()
        nanos = _clock(hour, minute, second, fraction, midnight_at_end=True)
        if offset is not None:
            return Time(nanos, offset_of(offset))
        seconds, zone = _written_place(place)
        return Time(nanos, standard_offset(zone) if zone else seconds, zone)
    match = _LOCAL_TIME.fullmatch(text)
    if not match:
        raise ValueError("no time")
    hour, minute, second, fraction = match.groups()
    return Time(_clock(hour, minute, second, fraction, midnight_at_end=True))


def parse_date_time(text: str) -> DateTime:
    """Parses `2026-11-22T10:15:30`, also with an offset or a zone, or a date alone (its midnight).

    Raises:
        ValueError: neither.
    """
    if _DATE.fullmatch(text):
        return DateTime(parse_date(text).days, 0)
    match = _DATE_TIME.fullmatch(text)
    if match:
        year, month, day, *clock = match.groups()
        return DateTime(_date(year, month, day).days, _clock(*clock))
    match = _OFFSET_DATE_TIME.fullmatch(text)
    if not match:
        raise ValueError("no date and time")
    year, month, day, hour, minute, second, fraction, offset, region, place = match.groups()
    days, nanos = _date(year, month, day).days, _clock(hour, minute, second, fraction)
    if offset is None:
        seconds, zone = _written_place(place)
        return in_zone(days, nanos, zone) if zone else DateTime(days, nanos, seconds)
    here = DateTime(days, nanos, offset_of(offset))
    if region is None:
        return here
    seconds, zone = _written_place(region)
    return at_instant(here.instant, zone) if zone else with_offset(here, seconds or 0)


def with_offset(moment: DateTime, offset: int) -> DateTime:
    """Returns the same instant at another offset."""
    days, nanos = divmod(moment.instant + offset * SECOND, DAY)
    return DateTime(days, nanos, offset)


def parse_duration(text: str) -> YearsMonths | DaysTime:
    """Parses a duration such as `P1Y2M` or `P1DT2H3M4.5S`.

    Raises:
        ValueError: not a duration, or one that mixes months and days.
    """
    if not _YEARS_MONTHS_FORM.fullmatch(text) and not _DAYS_TIME_FORM.fullmatch(text):
        raise ValueError("no duration")
    return parse_literal_duration(text)


def parse_literal_duration(text: str) -> YearsMonths | DaysTime:
    """Parses the text of `duration("...")`, where the cluster's engine also accepts lower case and a plus sign.

    Raises:
        ValueError: not a duration.
    """
    if not _YEARS_MONTHS_FORM.fullmatch(text):
        text = text.upper()
        if "Y" in text or "M" in text.partition("T")[0]:
            raise ValueError("no duration")
    match = _YEARS_MONTHS.fullmatch(text)
    if match and (match[2] or match[3]):
        parts = [int(part or 0) for part in match.groups()[1:]]
        if any(abs(part) >= _MAX_INT for part in parts):
            raise ValueError("too long")
        months = parts[0] * 12 + parts[1]
        return YearsMonths(-months if match[1] == "-" else months)
    match = _DAYS_TIME.fullmatch(text)
    if not match or not any(match.groups()[index] for index in (1, 3, 4, 6)) or match[3] == "T":
        raise ValueError("no duration")
    sign, days, _, hours, minutes, second_sign, seconds, fraction = match.groups()
    if any(len(part or "") > _DIGITS_OF_A_DURATION for part in (days, hours, minutes, seconds)):
        raise ValueError("too long")
    second_nanos = int(seconds or 0) * SECOND + int((fraction or "").ljust(9, "0"))
    total = (int(days or 0) * 24 + int(hours or 0)) * 3600 * SECOND + int(minutes or 0) * 60 * SECOND
    total += -second_nanos if second_sign == "-" else second_nanos
    if abs(total) >= _MAX_SECONDS * SECOND:
        raise ValueError("too long")
    return DaysTime(-total if sign == "-" else total)


def parse_temporal(text: str) -> Date | Time | DateTime | YearsMonths | DaysTime:
    """Parses the text of `@"..."` into whichever value it is.

    Raises:
        ValueError: none of them.
    """
    if _DATE.fullmatch(text):
        return parse_date(text)
    if "P" in text[:2]:
        return parse_duration(text)
    return parse_date_time(text) if _DATE.match(text) else parse_time(text)


# ------------------------------------------------------------------------------------------------- narrow and wide

Wide = Date | Time | DateTime | YearsMonths | DaysTime
_MIN_DAYS, _MAX_DAYS = dt.date.min.toordinal() - _EPOCH, dt.date.max.toordinal() - _EPOCH


LITERALS: dict[str, Callable[[str], Wide]] = {
    "@": parse_temporal,
    "date": parse_date,
    "time": parse_time,
    "date and time": parse_date_time,
    "duration": parse_literal_duration,
}
"""The parsers of literals, by the function that writes them. Each raises ValueError."""


def _narrow_clock(nanos: int) -> dt.time:
    micros = nanos // 1000
    seconds, micros = divmod(micros, 1_000_000)
    return dt.time(seconds // 3600, seconds // 60 % 60, seconds % 60, micros)


def _zone_object(offset: int, zone: str | None) -> dt.tzinfo | None:
    if zone is None:
        return dt.timezone(dt.timedelta(seconds=offset)) if offset else dt.UTC
    rules = _rules(zone)
    return rules if isinstance(rules, zoneinfo.ZoneInfo) else None


def narrow(value: Wide) -> object:
    """Returns the `datetime` value that holds the value without loss, or the value itself."""
    if isinstance(value, Date):
        return dt.date.fromordinal(value.days + _EPOCH) if _MIN_DAYS <= value.days <= _MAX_DAYS else value
    if isinstance(value, Time):
        if value.nanos % 1000 or value.zone is not None:
            return value
        clock = _narrow_clock(value.nanos)
        return clock if value.offset is None else clock.replace(tzinfo=_zone_object(value.offset, None))
    if isinstance(value, DateTime):
        if value.nanos % 1000 or not _MIN_DAYS <= value.days <= _MAX_DAYS:
            return value
        moment = dt.datetime.combine(dt.date.fromordinal(value.days + _EPOCH), _narrow_clock(value.nanos))
        if value.offset is None:
            return moment
        zone = _zone_object(value.offset, value.zone)
        if zone is None:
            return value
        moment = moment.replace(tzinfo=zone)
        if value.zone is not None and _shift(moment, zone) != value.offset:
            moment = moment.replace(fold=1)
        return moment
    return value


def _wide_clock(value: dt.time | dt.datetime) -> int:
    return ((value.hour * 60 + value.minute) * 60 + value.second) * SECOND + value.microsecond * 1000


def widen(value: object) -> Wide | None:
    """Returns the wide form of a temporal value, or None for any other value."""
    if isinstance(value, dt.datetime):
        days, nanos = value.toordinal() - _EPOCH, _wide_clock(value)
        if value.tzinfo is None:
            return DateTime(days, nanos)
        offset = round((value.utcoffset() or dt.timedelta()).total_seconds())
        return DateTime(days, nanos, offset, getattr(value.tzinfo, "key", None))
    if isinstance(value, dt.date):
        return Date(value.toordinal() - _EPOCH)
    if isinstance(value, dt.time):
        if value.tzinfo is None:
            return Time(_wide_clock(value))
        zone = getattr(value.tzinfo, "key", None)
        if zone is not None:
            return Time(_wide_clock(value), standard_offset(zone), zone)
        return Time(_wide_clock(value), round((value.utcoffset() or dt.timedelta()).total_seconds()))
    if isinstance(value, dt.timedelta):
        return DaysTime((value.days * 86_400 + value.seconds) * SECOND + value.microseconds * 1000)
    if isinstance(value, (Date, Time, DateTime, YearsMonths, DaysTime)):
        return value
    return None


# ------------------------------------------------------------------------------------------------------ arithmetic


def add_months(days: int, months: int) -> int:
    """Returns the day that many months later; the month's last day if it has no such day."""
    year, month, day = date_of(days)
    year, month = divmod(year * 12 + month - 1 + months, 12)
    if abs(year) > _MAX_YEAR:
        raise FeelEvaluationError("a date is beyond what the cluster's engine can hold")
    return days_of(year, month + 1, min(day, month_length(year, month + 1)))


def plus(
    value: Date | Time | DateTime, duration: YearsMonths | DaysTime, sign: int = 1
) -> Date | Time | DateTime | None:
    """Returns a point in time moved by a duration, forward or back; None if that has no meaning."""
    if isinstance(duration, YearsMonths):
        months = sign * duration.months
        if isinstance(value, Date):
            return Date(add_months(value.days, months))
        if isinstance(value, DateTime):
            days = add_months(value.days, months)
            if value.zone is not None:
                return in_zone(days, value.nanos, value.zone, value.offset)
            return DateTime(days, value.nanos, value.offset)
        return None
    nanos = sign * duration.nanos
    if isinstance(value, Date):
        return Date(_in_range((value.days * DAY + nanos) // DAY))
    if isinstance(value, Time):
        return Time((value.nanos + nanos) % DAY, value.offset, value.zone)
    if value.zone is not None:
        _in_range((value.instant + nanos) // DAY)
        return at_instant(value.instant + nanos, value.zone)
    days, clock = divmod(value.local + nanos, DAY)
    return DateTime(_in_range(days), clock, value.offset)


_FIRST_DAY, _LAST_DAY = days_of(-_MAX_YEAR, 1, 1), days_of(_MAX_YEAR, 12, 31)


def _in_range(days: int) -> int:
    if not _FIRST_DAY <= days <= _LAST_DAY:
        raise FeelEvaluationError("a date is beyond what the cluster's engine can hold")
    return days


def minus(left: Wide, right: Wide) -> Wide | None:
    """Returns the difference of two values; None if that has no meaning."""
    if isinstance(right, (YearsMonths, DaysTime)):
        if isinstance(left, YearsMonths):
            return YearsMonths(left.months - right.months) if isinstance(right, YearsMonths) else None
        if isinstance(left, DaysTime):
            return DaysTime(left.nanos - right.nanos) if isinstance(right, DaysTime) else None
        return plus(left, right, -1)
    if isinstance(left, Date) and isinstance(right, Date):
        return DaysTime((left.days - right.days) * DAY)
    if isinstance(left, Time) and isinstance(right, Time) and (left.offset is None) == (right.offset is None):
        if left.offset is None:
            return DaysTime(left.nanos - right.nanos)
        return DaysTime(abs(left.instant - right.instant))  # without its sign, as in the cluster's engine
    if isinstance(left, DateTime) and isinstance(right, DateTime) and (left.offset is None) == (right.offset is None):
        return DaysTime(left.instant - right.instant)
    return None


def order_key(value: Wide) -> tuple[int, int, str]:
    """Returns a key that orders values of one kind."""
    if isinstance(value, DateTime):
        return value.instant, value.local, value.zone or offset_text(value.offset or 0)
    if isinstance(value, Time):
        return value.instant, 0, ""
    if isinstance(value, Date):
        return value.days, 0, ""
    return (value.months if isinstance(value, YearsMonths) else value.nanos), 0, ""


def months_between(start: int, end: int) -> YearsMonths:
    """Returns the whole months between two days (as counts since 1970-01-01)."""
    first, last = date_of(start), date_of(end)
    months = (last[0] - first[0]) * 12 + last[1] - first[1]
    if months > 0 and last[2] < first[2]:
        months -= 1
    elif months < 0 and last[2] > first[2]:
        months += 1
    return YearsMonths(months)


def week_of_year(days: int) -> int:
    """Returns the number of the week by ISO 8601."""
    thursday = days - (days + 3) % 7 + 3
    year = date_of(thursday)[0]
    return (thursday - days_of(year, 1, 1)) // 7 + 1


def make_temporal(kind: str, text: str) -> object:
    """Parses ISO text into a value of a kind: `date`, `time`, `datetime` or `duration` (a leading `@` is ignored).

    Raises:
        ValueError: the text is not of that kind.
    """
    parsers: dict[str, Callable[[str], Wide]] = {
        "date": parse_date,
        "time": parse_time,
        "datetime": parse_date_time,
        "duration": parse_duration,
    }
    return narrow(parsers[kind.removeprefix("@")](text))
