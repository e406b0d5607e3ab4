"""Read durations as seconds: ISO 8601 in diagrams, and the shorter forms that settings may have."""

from __future__ import annotations

import re
from functools import lru_cache

MAX_WAIT = 36_500 * 86_400.0
"""Maximum seconds of a duration: a hundred years. Beyond that, the protocol's numbers overflow."""
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 0.001}
_MINUTES = re.compile(r"\d+(?:[.,]\d+)?")
_PART = re.compile(r"(\d+(?:[.,]\d+)?)\s*(s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:ours?)?|d(?:ays?)?)(?![a-z])\s*")
_PARTS = re.compile(rf"(?:{_PART.pattern})+")
_PERIOD = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.IGNORECASE)


@lru_cache(maxsize=256)
def parse_duration(text: str) -> float:
    """Returns the seconds of an ISO 8601 duration of days and time, such as `PT30S` or `P1DT2H`.

    Raises:
        ValueError: It is none, or longer than a hundred years.
    """
    match = _PERIOD.fullmatch(text.strip())
    if not match or not any(match.groups()) or text.strip().upper().endswith("T"):
        raise ValueError("must be an ISO 8601 duration such as PT30S, PT5M or P1D")
    days, hours, minutes, secs = (float(group or 0) for group in match.groups())
    return _bounded(days * 86400 + hours * 3600 + minutes * 60 + secs)


def _bounded(seconds: float) -> float:
    if seconds > MAX_WAIT:
        raise ValueError("must be at most a hundred years")
    return seconds


def parse_frequency(text: str) -> float:
    """Returns the seconds between two polls: minutes (`5`), with units (`30s`, `5 minutes`, `1h30m`), or ISO 8601.

    Raises:
        ValueError: It is none of these, not more than zero, or longer than a hundred years.
    """
    plain = text.strip().lower()
    try:
        if _MINUTES.fullmatch(plain):
            seconds = float(plain.replace(",", ".")) * 60
        elif _PARTS.fullmatch(plain):
            parts = _PART.findall(plain)
            seconds = sum(float(number.replace(",", ".")) * _UNITS[unit[0]] for number, unit in parts)
        else:
            seconds = parse_duration(text)
    except ValueError:
        raise ValueError("must be minutes such as 5, or a duration such as 30s, 5m or PT5M") from None
    if seconds <= 0:
        raise ValueError("must be more than zero")
    return _bounded(seconds)


def parse_setting(text: str) -> float:
    """Returns the seconds of a setting: ISO 8601 (`PT30S`), with a unit (`30s`), or milliseconds as Camunda reads them.

    Raises:
        ValueError: It is none of these, or longer than a hundred years.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|)", text)
    return _bounded(float(match[1]) * _UNITS[match[2]]) if match else parse_duration(text)
