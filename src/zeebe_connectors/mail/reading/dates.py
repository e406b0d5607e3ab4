"""Read the dates of mail headers; an uncertain date is None, never a wrong time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from zeebe_connectors.mail.reading.text import header_text

_MAX_LENGTH = 200
_COMMENT = re.compile(r"\([^()]*+\)")
_ISO = re.compile(r"\d{4}-?\d\d-?\d\d(?:[T ]|$)")
# A name beside an offset says nothing more: "GMT+0200", "UTC +02:00".
_NAMED_OFFSET = re.compile(r"\s(?:GMT|UTC?|Z)\s*+([+-]\d{1,2}:?+(?:\d\d)?)\s*$", re.IGNORECASE)
_OFFSET = re.compile(r"\s*([+-])(\d{1,2}):?+(\d\d)?\s*$")
_CLOCK = re.compile(r"\d{1,2}[:.]\d\d(?:[:.]\d\d)?")
_FRACTION = re.compile(r"(?<=:\d\d)\.\d+")
_LEAP_SECOND = re.compile(r"(?<=\d:\d\d):60\b")
_SHORT_YEAR = re.compile(r"(?<=[A-Za-z] )\d{3}(?= \d)")
_TWELVE_HOURS = re.compile(r"\s*+[AaPp]\.?+[Mm]\b")
_ZONE = re.compile(r"\d\s*+([A-Za-z]{1,5})\s*$")
# Hours east of UTC of the zones whose names mean one thing in mails; others are not guessed.
_ZONES = {
    "UT": 0, "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 1, "CET": 1, "MET": 1, "MEZ": 1, "CEST": 2, "MEST": 2,
    "MESZ": 2, "EET": 2, "EEST": 3, "MSK": 3, "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13,
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}  # fmt: skip


def date(raw: bytes) -> datetime | None:
    """The time that a date header names, in UTC; a date without a zone counts as UTC."""
    whole = header_text(raw[:_MAX_LENGTH])
    text = _COMMENT.sub(" ", whole).strip()
    said = _COMMENT.search(whole)
    try:
        moment = datetime.fromisoformat(text) if _ISO.match(text) else _of_mail(text, said[0][1:-1] if said else "")
        if moment is None:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _of_mail(text: str, comment: str) -> datetime | None:
    """`Tue, 3 Nov 2026 10:00:00 +0100` and its variants; a comment may name the zone that is missing."""
    text = _LEAP_SECOND.sub(":59", _FRACTION.sub("", text))
    text = _SHORT_YEAR.sub(lambda year: str(1900 + int(year[0])), text)  # RFC 5322, 4.3
    clock = _CLOCK.search(text)
    if clock is None or _TWELVE_HOURS.search(text, clock.end()):
        return None
    text = _NAMED_OFFSET.sub(r" \1", text)
    offset = timedelta(0)
    if found := _OFFSET.search(text, clock.end()):
        hours, minutes = int(found[2]), int(found[3] or 0)
        if hours > 14 or minutes > 59:
            return None
        offset = timedelta(hours=hours, minutes=minutes) * (-1 if found[1] == "-" else 1)
        text = text[: found.start()]
    elif found := _ZONE.search(text, clock.end() - 1):
        known = _ZONES.get(found[1].upper())
        if known is None:
            return None
        offset = timedelta(hours=known)
        text = text[: found.start(1)]
    elif comment.strip():  # which says where the clock hung: by a name that is known, or nobody can tell
        known = _ZONES.get(comment.strip().upper())
        if known is None:
            return None
        offset = timedelta(hours=known)
    elif text[clock.end() :].strip() and not re.fullmatch(r"\s*(?:\d{4})?\s*", text[clock.end() :]):
        return None
    moment = parsedate_to_datetime(text)
    return moment.replace(tzinfo=UTC) - offset
