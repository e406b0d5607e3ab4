"""Read what FTP servers list: MLSD's facts, and the forms of LIST of Unix, Windows, NetWare, Macs and EPLF."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from zeebe_connectors.connectors.files.session import Entry, Kind
from zeebe_connectors.sdk.numbers import INT64_BOUND

_NAMES: Final = {
    1: "jan janv ene gen sty led oca янв", 2: "feb febr févr fevr fev fév lut úno şub фев",
    3: "mar märz mrz mär mars mrt bře мар", 4: "apr avr abr kwi dub nis апр", 5: "may mai mei maj mag kvě май мая",
    6: "jun juin giu cze čvn haz июн", 7: "jul juil lug lip čvc tem июл", 8: "aug août aout ago sie srp ağu авг",
    9: "sep sept set wrz zář eyl сен", 10: "oct okt ott out paź říj eki окт", 11: "nov lis kas ноя",
    12: "dec déc dez dic gru pro ara дек",
}  # fmt: skip
_MONTHS: Final = {name: month for month, names in _NAMES.items() for name in names.split()}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
# What stands before the size (links, owner, group, or nothing) may have blanks in it. Its length is bounded, since all
# of it is tried as the beginning of a size.
_UNIX = re.compile(
    r"^(?P<kind>[-dlbcpsD])(?:[-rwxsStTlL]{9}[+.@]?|\s{0,9}(?P<netware>\[[-A-Z]{8}\]))\s{1,99}(?:\S.{0,199}?\s{1,99})?"
    r"(?P<size>\d+)(?:,\s*\d+)?\s{1,99}"
    rf"(?:(?P<month>{_MONTH})\.?\s{{1,9}}(?P<day>\d{{1,2}})|(?P<day2>\d{{1,2}})\.?\s{{1,9}}(?P<month2>{_MONTH})\.?"
    r"|(?P<month3>\d{1,2})[月월]\s{0,9}(?P<day3>\d{1,2})[日일]?|(?P<iso>\d{4}-\d\d-\d\d))"
    r"\s{1,99}(?:(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::\d\d(?:[.,]\d+)?(?:\s(?P<year2>\d{4})(?=\s))?)?(?:\s(?P<zone>[+-]\d{4}))?"
    r"|(?P<year>\d{4})[年년]?)"
    r"\s(?P<name>.*)$",
    re.IGNORECASE,
)
# Any other language's month, a size for people (1.2K), or one that holds no size at all: only the name counts then.
_LOOSE = re.compile(
    r"^(?P<kind>[-dlbcpsD])[-rwxsStTlL]{9}[+.@]?\s{0,9}\d{1,9}\s{1,99}(?:\S.{0,199}?\s{1,99})?(?P<size>\d[\d.,]*(?:[KMGTPkmgt]B?)?)B?"
    r"\s{1,99}\S{1,20}\s{1,9}\S{1,9}\s{1,99}(?:\d{1,2}:\d\d(?::\d\d)?|\d{4})\s(?P<name>.*)$"
)
_DOS = re.compile(
    r"^(?P<a>\d{1,4})(?P<mark>[-/.])(?P<b>\d\d)[-/.](?P<c>\d{2,4})\s{1,99}(?P<hour>\d{1,2}):(?P<minute>\d\d)\s{0,99}"
    r"(?P<half>[AP]M?)?\s{1,99}(?:<(?P<dir>DIR|JUNCTION|SYMLINKD?)>|(?P<size>\d[\d,.\xa0\u202f]*))\s{1,99}(?P<name>.*)$",
    re.IGNORECASE,
)
_LEADS = re.compile(r" \[[^\[\]]+\]$")
"""Where Windows says a link leads."""
_EPLF = re.compile(r"^\+(?P<facts>[^\t]*)\t(?P<name>.+)$")
_FACTS = re.compile(r" +[^ =;]+=[^ ]*;? ")
_NO_ENTRY = re.compile(r"\s*$|total\b|.*\s\.{1,2}$|ls: ", re.IGNORECASE)
_KINDS: dict[str, Kind] = {"-": "file", "d": "folder", "l": "link"}


def mlsd(line: str) -> Entry | None:
    """Reads a line of MLSD or MLST: `type=file;size=5;modify=20260102030405; name`; None for the folder itself."""
    # A reply to MLST begins with a blank; in MLSD a line that does has no facts, and all the rest is the name.
    facts, space, name = (line.lstrip(" ") if _FACTS.match(line) else line).partition(" ")
    if not space or not name:
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
    size = size_of(known.get("size", "")) if entry_kind in {"file", "other"} else None
    return Entry(name, entry_kind, size, timestamp(known.get("modify", "")), known.get("unique", ""))


def size_of(text: str) -> int | None:
    """Reads a size in digits; None if it is none, or larger than any file."""
    size = int(text) if text.isdecimal() and len(text) < 20 else INT64_BOUND
    return size if size < INT64_BOUND else None


def timestamp(text: str) -> datetime | None:
    """Reads `20260102030405.123` in UTC; None if it is no time."""
    digits, _, fraction = text.rstrip("Zz").partition(".")
    try:
        moment = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment + timedelta(seconds=float(f"0.{fraction}")) if fraction.isdecimal() else moment


def listed(line: str, now: datetime) -> Entry | None:
    """Reads a line of LIST; None for a line that is no entry (`total 5`, `.`).

    Args:
        line: Without its line break.
        now: The present, for times without a year; they are taken for UTC, since a server does not say its zone.
    """
    match = _UNIX.match(line)
    if match:
        return _unix(match, now)
    match = _DOS.match(line)
    if match:
        return _dos(match)
    if match := _EPLF.match(line):
        return _eplf(match)
    match = _LOOSE.match(line)
    return _loose(match) if match else None


def is_unknown(line: str) -> bool:
    """Returns whether a line of which `listed` makes nothing may be an entry all the same."""
    return _NO_ENTRY.match(line) is None


def _unix(match: re.Match[str], now: datetime) -> Entry | None:
    name = match["name"].lstrip(" ") if match["netware"] else match["name"]
    kind = _KINDS.get(match["kind"], "other")
    if kind == "link":
        name = name.partition(" -> ")[0]
    if name in {".", ".."} or not name:
        return None
    modified: datetime | None = None
    name_of_month = (match["month"] or match["month2"] or "").casefold()
    number = _MONTHS.get(name_of_month) or int(match["month3"] or 0)
    day = int(match["day"] or match["day2"] or match["day3"] or 0)
    hour, minute = int(match["hour"] or 0), int(match["minute"] or 0)
    try:
        if match["iso"]:
            modified = datetime.fromisoformat(match["iso"]).replace(hour=hour, minute=minute, tzinfo=UTC)
            if zone := match["zone"]:
                ahead = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
                modified -= ahead if zone[0] == "+" else -ahead
        else:
            modified = _latest(number, day, hour, minute, int(match["year"] or match["year2"] or 0), now)
    except (ValueError, OverflowError):
        modified = None
    return Entry(name, kind, size_of(match["size"]) if kind == "file" else None, modified)


def _loose(match: re.Match[str]) -> Entry | None:
    kind = _KINDS.get(match["kind"], "other")
    name = match["name"].partition(" -> ")[0] if kind == "link" else match["name"]
    if name in {"", ".", ".."}:
        return None
    return Entry(name, kind, size_of(match["size"]) if kind == "file" else None)


def _latest(month: int, day: int, hour: int, minute: int, year: int, now: datetime) -> datetime:
    """Returns the time in its year or, without one, on the last such day: 29 February may be years ago."""
    if year:
        return datetime(year, month, day, hour, minute, tzinfo=UTC)
    for back in range(9):  # eight years lie between two leap years at most
        with contextlib.suppress(ValueError):
            moment = datetime(now.year - back, month, day, hour, minute, tzinfo=UTC)
            if moment <= now + timedelta(days=1):
                return moment
    raise ValueError("no such day")


def _dos(match: re.Match[str]) -> Entry | None:
    name = match["name"]
    if name in {".", ".."}:
        return None
    first, second, third = int(match["a"]), int(match["b"]), int(match["c"])
    year, month, day = (first, second, third) if first > 31 else (third, first, second)
    if first <= 31 and (match["mark"] == "." or first > 12):  # 31.12.26, as much of Europe writes it
        month, day = day, month
    year += 0 if year > 99 else 2000 if year < 70 else 1900
    hour = int(match["hour"])
    if match["half"]:
        hour = hour % 12 + (12 if match["half"][0].upper() == "P" else 0)
    try:
        modified: datetime | None = datetime(year, month, day, hour, int(match["minute"]), tzinfo=UTC)
    except ValueError:
        modified = None
    if match["dir"]:
        name = _LEADS.sub("", name) if match["dir"].upper() != "DIR" else name
        return Entry(name, "folder" if match["dir"].upper() in {"DIR", "JUNCTION"} else "link", None, modified)
    return Entry(name, "file", size_of(re.sub(r"\D", "", match["size"])), modified)


def _eplf(match: re.Match[str]) -> Entry | None:
    """Reads a line such as `+i8388621.44468,m839956783,r,s10376,<tab>name`."""
    facts = match["facts"].split(",")
    values = {fact[0]: fact[1:] for fact in facts if fact}
    size, moment = values.get("s", ""), values.get("m", "")
    modified: datetime | None = None
    if moment.isdecimal():
        with contextlib.suppress(ValueError, OverflowError, OSError):
            modified = datetime.fromtimestamp(int(moment), UTC)
    kind: Kind = "folder" if "/" in facts else "file" if "r" in facts else "other"
    return Entry(match["name"], kind, size_of(size) if kind == "file" else None, modified)
