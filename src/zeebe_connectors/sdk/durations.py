"""Reads ISO 8601 durations as seconds."""

from __future__ import annotations

import re

_PERIOD = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.IGNORECASE)


def parse_duration(text: str) -> float:
    """Seconds of an ISO 8601 duration of days and time, such as `PT30S` or `P1DT2H`.

    Raises:
        ValueError: It is none.
    """
    match = _PERIOD.fullmatch(text.strip())
    if not match or not any(match.groups()) or text.strip().upper().endswith("T"):
        raise ValueError("must be an ISO 8601 duration such as PT30S, PT5M or P1D")
    days, hours, minutes, secs = (float(group or 0) for group in match.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + secs
