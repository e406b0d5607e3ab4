"""Convert drivers' values to JSON for process variables: exact decimals, ISO dates, JSON, bytes as base64."""

from __future__ import annotations

import json
import math
import re
import uuid
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from zeebe_connectors.sdk.numbers import INT64_BOUND

Convert = Callable[[Any], Any]
_PLAIN = {str, bool, type(None)}
_MYSQL_JSON, _MYSQL_BIT, _MYSQL_TIME = 245, 16, 11
_DAY = 86_400_000_000
WIDE = 4 * 1024 * 1024
"""Bytes of rows that are fetched at once, about; see `width`."""


def converter(*, decimals_as_numbers: bool) -> Convert:
    """Returns a function that converts values of any database to JSON.

    Args:
        decimals_as_numbers: Whether decimals become JSON numbers, which may lose digits, or text with every digit.
    """

    def convert(value: Any) -> Any:
        kind = type(value)
        if kind is int:
            return value if -INT64_BOUND <= value < INT64_BOUND else str(value)
        if kind in _PLAIN:
            return value
        made = _SIMPLE.get(kind)
        if made is not None:
            return made(value)
        if kind is Decimal:
            return _decimal(value, as_number=decimals_as_numbers)
        if isinstance(value, Mapping):
            return {str(name): convert(item) for name, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
            return [convert(item) for item in items]
        return str(value)

    return convert


def _decimal(value: Decimal, *, as_number: bool) -> Any:
    if as_number and value.is_finite():
        is_whole = abs(value) < INT64_BOUND and value == value.to_integral_value()
        return int(value) if is_whole else _float(float(value))
    return format(value, "f") if value.is_finite() else str(value)


def _float(value: float) -> Any:
    return value if math.isfinite(value) else format(Decimal(value))


def duration(value: timedelta) -> str:
    """Returns a duration in ISO 8601, such as `P1DT2H3M4.5S`."""
    return duration_of((value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds)


def _clock(value: timedelta) -> str:
    """Returns MySQL's TIME as it takes it: a time of day, which may be beyond a day or before it."""
    seconds, micros = divmod(abs(value) // timedelta(microseconds=1), 1_000_000)
    fraction = f".{micros:06d}" if micros else ""
    sign = "-" if value < timedelta(0) else ""
    return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def duration_of(micros: int, *, with_days: bool = True) -> str:
    """Returns microseconds as a duration in ISO 8601.

    Args:
        micros: The microseconds.
        with_days: Whether 24 hours make a day.
    """
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    seconds, micros = divmod(micros, 1_000_000)
    days, seconds = divmod(seconds, 86_400) if with_days else (0, seconds)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    fraction = f"{seconds}.{micros:06d}".rstrip("0") if micros else str(seconds)
    clock = "".join(f"{amount}{unit}" for amount, unit in ((hours, "H"), (minutes, "M")) if amount)
    clock += f"{fraction}S" if seconds or micros else ""
    day = f"{days}D" if days else ""
    return f"{sign}P{day}{'T' + clock if clock else ''}" if day or clock else "PT0S"


def _bytes(value: bytes | bytearray | memoryview) -> str:
    return b64encode(value).decode()


_SIMPLE: dict[type, Convert] = {
    float: _float,
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _bytes,
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: duration,
    uuid.UUID: str,
}


_INTERVAL = re.compile(
    r"(?:([-+]?\d+) years? ?)?(?:([-+]?\d+) mons? ?)?(?:([-+]?\d+) days? ?)?(?:([-+]?)(\d+):(\d+):(\d+(?:\.\d+)?))?"
)


def interval(text: str) -> str:
    """Translates PostgreSQL's text of an interval to ISO 8601; years and months remain, as a month has no fixed days.

    What ISO 8601 has no form for, such as `infinity`, stays as it is. Parts of unlike signs have one each: `P1M-3D`.
    """
    match = _INTERVAL.fullmatch(text)
    if match is None or not text:
        return text
    years, months, days = (int(part or 0) for part in match.groups()[:3])
    sign, hours, minutes, seconds = match.groups()[3:]
    micros = int((int(hours or 0) * 3600 + int(minutes or 0) * 60) * 1_000_000 + Decimal(seconds or 0) * 1_000_000)
    micros = -micros if sign == "-" else micros
    if not years and not months:
        return duration_of(days * _DAY + micros)
    parts = [years, months, days, micros]
    before = ""
    if all(part <= 0 for part in parts):
        before, parts = "-", [-part for part in parts]
    date_parts = "".join(f"{part}{unit}" for part, unit in zip(parts, "YMD", strict=False) if part)
    clock = duration_of(abs(parts[3]), with_days=False).removeprefix("P") if parts[3] else ""
    if parts[3] < 0:
        clock = re.sub(r"(\d[\d.]*)", r"-\1", clock)
    return f"{before}P{date_parts}{clock}"


def text_where_none(known: Any) -> Any:
    """Makes a loader for psycopg that returns the server's text where the known loader has no value for it.

    Args:
        known: The class of the loader.
    """

    class Lenient:
        format = known.format

        def __init__(self, oid: int, context: Any = None) -> None:
            self._known = known(oid, context)

        def load(self, data: Any) -> Any:
            try:
                return self._known.load(data)
            except Exception as error:
                if type(error).__name__ != "DataError":
                    raise
                return bytes(data).decode()

    return Lenient


def text_or_bytes(data: bytes) -> str | bytes:
    """Returns SQLite's text, or its bytes if they are not UTF-8: SQLite stores whatever a program calls text."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def special_columns(description: Sequence[Any] | None, dialect: str) -> dict[int, Convert]:
    """Returns the columns whose values need another reading, by position: MySQL's JSON, BIT and TIME."""
    found: dict[int, Convert] = {}
    if dialect == "mysql" and description:
        convert = converter(decimals_as_numbers=False)
        for position, column in enumerate(description):
            if column[1] == _MYSQL_JSON:
                found[position] = lambda text: convert(json.loads(text)) if isinstance(text, str | bytes) else text
            elif column[1] == _MYSQL_BIT:
                found[position] = lambda data: convert(int.from_bytes(data)) if isinstance(data, bytes) else data
            elif column[1] == _MYSQL_TIME:
                found[position] = lambda value: _clock(value) if isinstance(value, timedelta) else value
    return found


def unique(names: Sequence[str]) -> list[str]:
    """Makes column names unique: the second `id` becomes `id_2`."""
    seen: dict[str, int] = {}
    out: list[str] = []
    for name in names:
        count = seen[name] = seen.get(name, 0) + 1
        candidate = name if count == 1 else f"{name}_{count}"
        out.append(candidate if candidate not in out else f"{candidate}_{len(out) + 1}")
    return out


def width(row: Sequence[Any]) -> int:
    """Returns about how many bytes of memory the texts and bytes of a row take."""
    return sum(len(value) for value in row if isinstance(value, str | bytes))
