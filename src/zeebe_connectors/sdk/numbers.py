"""Bound the integers that are read from elsewhere: those that the engine carries exactly, and texts that may be one."""

from __future__ import annotations

INT64_BOUND = 2**63
"""The engine's integers are at least `-INT64_BOUND` and below `INT64_BOUND`; others become text."""
_MAX_DIGITS = 20


def is_number(text: str | bytes) -> bool:
    """Returns whether a text from outside is a number that `int` reads: digits of ASCII, at most 20 of them.

    Python's `isdigit` is true for `²` as well, and `int` refuses that, and more than 4,300 digits.
    """
    return text.isdigit() and text.isascii() and len(text) <= _MAX_DIGITS
