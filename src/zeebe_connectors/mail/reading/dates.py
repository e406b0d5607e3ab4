"""Read the dates of mail headers; an uncertain date is None, never a wrong time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from zeebe_connectors.mail.reading.header_text import comment_ends, header_text, without_comments

_MAX_LENGTH = 200
_ISO = re.compile(r"(\d{4}-?\d\d-?\d\d(?:[T ][\d:.,]+)?)\s*+(.*)", re.DOTALL)
# A name beside an offset adds nothing: "GMT+0200", "UTC +02:00".
_NAMED_OFFSET = re.compile(r"(?:^|\s)(?:GMT|UTC?|Z)\s*+([+-]\d{1,2}:?+(?:\d\d)?)\s*$", re.IGNORECASE)
_OFFSET = re.compile(r"(?<![+-])([+-])(\d{1,2}):?+(\d\d)?\s*$")
# The zone before the year, as the command `date` and some logs write it.
_ZONE_BEFORE_YEAR = re.compile(r"\s*([A-Za-z]{1,5}|[+-]\d{4})\s+(\d{4})\s*$")
_LOOSE_COLON = re.compile(r"(?<=\d)\s*+:\s*+(?=\d)")
_CLOCKS = [
    re.compile(rf"(?<!\d)(\d{{1,2}}){sign}(\d{{1,2}})(?:{sign}(\d{{1,2}})(?:[.,]\d+)?)?(?!\d)") for sign in (":", "[.]")
]
_WORD = re.compile(r"[^\W\d_]+|\d+")
_BETWEEN_WORDS = re.compile(r"[\s,.-]*")
_MONTHS = [
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
]  # fmt: skip
_MONTH = {name[:end]: number for number, name in enumerate(_MONTHS, 1) for end in (3, None)} | {"sept": 9}
# Hours east of UTC for the zone names that are unambiguous in mails; others are not guessed.
_ZONES = {
    "UT": 0, "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 1, "CET": 1, "MET": 1, "MEZ": 1, "CEST": 2, "MEST": 2,
    "MESZ": 2, "EET": 2, "EEST": 3, "MSK": 3, "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13,
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}  # fmt: skip


def date(raw: bytes) -> datetime | None:
    """Returns the time of a date header in UTC; a date without a zone counts as UTC."""
    whole = header_text(raw[:_MAX_LENGTH])
    text = without_comments(whole).strip()
    comments = comment_ends(whole)
    first = min(comments, default=None)
    comment = "" if first is None else whole[first + 1 : comments[first] - 1]
    try:
        if iso := _ISO.fullmatch(text):
            offset = _offset(iso[2], comment)
            return None if offset is None else _of_iso(iso[1]) - offset
        return _of_mail(_LOOSE_COLON.sub(":", text), comment)
    except (ValueError, OverflowError):
        return None


def _of_iso(text: str) -> datetime:
    if text[11:13] == "24":
        raise ValueError("an hour that versions of Python read differently")
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _of_mail(text: str, comment: str) -> datetime | None:
    """Reads `Tue, 3 Nov 2026 10:00:00 +0100` and its variants; a comment may name a missing zone."""
    clock = _CLOCKS[0].search(text) or _CLOCKS[1].search(text)
    if clock is None:
        return None
    before, after = text[: clock.start()], _ZONE_BEFORE_YEAR.sub(r" \2 \1", text[clock.end() :])
    if found := re.match(r"\s+(\d{4})(?!\d)", after):  # the year after the time, as in C's `ctime`
        before, after = f"{before} {found[1]}", after[found.end() :]
    day, offset = _day(before), _offset(after, comment)
    if day is None or offset is None:
        return None
    hour, minute, second = int(clock[1]), int(clock[2]), int(clock[3] or 0)
    return day.replace(hour=hour, minute=minute, second=59 if second == 60 else second) - offset


def _day(text: str) -> datetime | None:
    """Returns the day before or around a time: a month's name, day and year, with at most a weekday before them."""
    words = _WORD.findall(text)
    if _BETWEEN_WORDS.fullmatch(_WORD.sub("", text)) is None:
        return None
    if words and not words[0].isdigit() and words[0].lower() not in _MONTH:
        words = words[1:]
    months = [_MONTH[word.lower()] for word in words if word.lower() in _MONTH]
    figures = [word for word in words if word.isdigit()]
    if len(words) != 3 or len(months) != 1 or len(figures) != 2 or len(figures[0]) > 2:
        return None
    year = int(figures[1])
    if len(figures[1]) < 4:  # RFC 5322, 4.3
        year += 2000 if len(figures[1]) == 2 and year < 50 else 1900
    return datetime(year, months[0], int(figures[0]), tzinfo=UTC) if 1900 <= year <= 9999 else None


def _offset(text: str, comment: str) -> timedelta | None:
    """Returns the time east of UTC; None when what follows the time is not a zone, or its name is ambiguous."""
    text = _NAMED_OFFSET.sub(r" \1", text).strip()
    if found := _OFFSET.search(text):
        hours, minutes = int(found[2]), int(found[3] or 0)
        beside = text[: found.start()].strip()
        if hours > 14 or minutes > 59 or not (beside == "" or beside.upper() in _ZONES):
            return None
        return timedelta(hours=hours, minutes=minutes) * (-1 if found[1] == "-" else 1)
    first, _, rest = text.partition(" ")
    if _OFFSET.match(first) and rest.strip().upper() in _ZONES:
        return _offset(first, "")  # "+0100 CET"
    zone = text or comment.strip()  # a comment gives the zone if nothing else does
    hours_east = _ZONES.get(zone.upper(), None if zone else 0)
    return None if hours_east is None else timedelta(hours=hours_east)
