"""Read what FTP servers list: MLSD's facts, and the forms of LIST that Unix and DOS-like servers write."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from zeebe_connectors.connectors.files.session import Entry, Kind

_UNIX = re.compile(
    r"^(?P<kind>[-dlbcpsD])[-rwxsStTlL]{9}[+.@]?\s+\d+\s+\S+\s+(?:\S+\s+)?(?P<size>\d+)(?:,\s*\d+)?\s+"
    r"(?:(?P<month>[A-Za-z]{3})\s+(?P<day>\d{1,2})|(?P<day2>\d{1,2})\s+(?P<month2>[A-Za-z]{3})|(?P<iso>\d{4}-\d\d-\d\d))"
    r"\s+(?:(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::\d\d)?|(?P<year>\d{4}))\s(?P<name>.*)$"
)
_DOS = re.compile(
    r"^(?P<a>\d{1,4})[-/](?P<b>\d\d)[-/](?P<c>\d{2,4})\s+(?P<hour>\d{1,2}):(?P<minute>\d\d)\s*(?P<half>[AP]M)?\s+"
    r"(?:<(?P<dir>DIR|JUNCTION|SYMLINKD?)>|(?P<size>[\d,.]+))\s+(?P<name>.*)$",
    re.IGNORECASE,
)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_KINDS: dict[str, Kind] = {"-": "file", "d": "folder", "l": "link"}


def mlsd(line: str) -> Entry | None:
    """One line of MLSD or MLST: `type=file;size=5;modify=20260102030405; name`. None for the folder itself."""
    facts, space, name = line.lstrip(" ").partition(" ")
    if not space:
        return None
    known = {}
    for fact in facts.split(";"):
        key, equals, value = fact.partition("=")
        if equals:
            known[key.casefold()] = value
    kind = known.get("type", "file").casefold()
    if kind in {"cdir", "pdir"} or name in {".", ".."}:
        return None
    entry_kind: Kind = "file" if kind == "file" else "folder" if kind == "dir" else "other"
    if kind.startswith(("os.unix=slink", "os.unix=symlink")):
        entry_kind = "link"
    size = known.get("size", known.get("sizd", ""))
    return Entry(name, entry_kind, int(size) if size.isdecimal() else None, timestamp(known.get("modify", "")))


def timestamp(text: str) -> datetime | None:
    """`20260102030405.123` in UTC; None when it is none."""
    digits, _, fraction = text.partition(".")
    try:
        moment = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment + timedelta(seconds=float(f"0.{fraction}")) if fraction.isdecimal() else moment


def listed(line: str, now: datetime) -> Entry | None:
    """One line of LIST; None for a line that is no entry (`total 5`, `.`).

    Args:
        line: Without its line break.
        now: The present, for times without a year; they are taken for UTC, since a server does not say its zone.
    """
    match = _UNIX.match(line)
    if match:
        return _unix(match, now)
    match = _DOS.match(line)
    return _dos(match) if match else None


def _unix(match: re.Match[str], now: datetime) -> Entry | None:
    name = match["name"]
    kind = _KINDS.get(match["kind"], "other")
    if kind == "link":
        name = name.partition(" -> ")[0]
    if name in {".", ".."} or not name:
        return None
    modified: datetime | None = None
    month = (match["month"] or match["month2"] or "").casefold()
    hour, minute = int(match["hour"] or 0), int(match["minute"] or 0)
    try:
        if match["iso"]:
            modified = datetime.fromisoformat(match["iso"]).replace(hour=hour, minute=minute, tzinfo=UTC)
        elif month in _MONTHS:
            day, number = int(match["day"] or match["day2"]), _MONTHS.index(month) + 1
            year = int(match["year"] or now.year)
            modified = datetime(year, number, day, hour, minute, tzinfo=UTC)
            if not match["year"] and modified > now + timedelta(days=1):
                modified = modified.replace(year=year - 1)
    except ValueError:
        modified = None
    return Entry(name, kind, int(match["size"]) if kind == "file" else None, modified)


def _dos(match: re.Match[str]) -> Entry | None:
    name = match["name"]
    if name in {".", ".."}:
        return None
    first, second, third = int(match["a"]), int(match["b"]), int(match["c"])
    year, month, day = (first, second, third) if first > 31 else (third, first, second)
    year += 0 if year > 99 else 2000 if year < 70 else 1900
    hour = int(match["hour"])
    if match["half"]:
        hour = hour % 12 + (12 if match["half"].upper() == "PM" else 0)
    try:
        modified: datetime | None = datetime(year, month, day, hour, int(match["minute"]), tzinfo=UTC)
    except ValueError:
        modified = None
    if match["dir"]:
        return Entry(name, "folder" if match["dir"].upper() in {"DIR", "JUNCTION"} else "link", None, modified)
    return Entry(name, "file", int(re.sub("[,.]", "", match["size"])), modified)
