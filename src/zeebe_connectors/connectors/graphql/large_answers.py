"""Find the errors in an answer that is too large to be read as a whole.

Only its first and last bytes are read: `errors` is a member of the outermost object, which services write before or
after the large `data`.
"""

from __future__ import annotations

import json
import re
from typing import Any

_HEAD = 64 * 1024
_TAIL = 256 * 1024
_KEY = '"errors"'
_MAX_PLACES = 20
_BLANKS = re.compile(r"[ \t\r\n]*")
_MEMBER = re.compile(r'[ \t\r\n]*("(?:[^"\\]|\\.)*+")[ \t\r\n]*:[ \t\r\n]*')
_NEXT = re.compile(r"[ \t\r\n]*([,}])")
_decoder = json.JSONDecoder()


def errors_in(body: bytes) -> Any:
    """Returns the value of the outermost object's `errors`, as far as it can be seen; None where there is none.

    Args:
        body: A JSON text in UTF-8.
    """
    return _at_the_beginning(body[:_HEAD].decode("utf-8", "replace")) or _at_the_end(
        body[-_TAIL:].decode("utf-8", "replace")
    )


def _at_the_beginning(text: str) -> Any:
    """Returns the errors if only small members stand before them; of a long list, the first."""
    at = _past_blanks(text, 0)
    if text[at : at + 1] != "{":
        return None
    at += 1
    while member := _MEMBER.match(text, at):
        at = member.end()
        is_list = member[1] == _KEY and text[at : at + 1] == "["
        try:
            value, end = _decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return _first_of(text, at + 1) if is_list else None
        if member[1] == _KEY:
            return value
        following = _NEXT.match(text, end)
        if following is None or following[1] == "}":
            return None
        at = following.end()
    return None


def _past_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def _first_of(text: str, at: int) -> list[Any] | None:
    """Returns the first item of a list that goes on beyond the text."""
    at = _past_blanks(text, at)
    try:
        return [_decoder.raw_decode(text, at)[0]]
    except (ValueError, RecursionError):
        return None if text[at : at + 1] == "]" else [{}]


def _at_the_end(text: str) -> Any:
    """Returns the errors if only small members stand behind them: then the text's end ends their object."""
    at = len(text)
    for _ in range(_MAX_PLACES):
        at = text.rfind(_KEY, 0, at)
        if at < 0:
            return None
        errors, end, name = None, at, ""
        while member := _MEMBER.match(text, end):
            try:
                value, end = _decoder.raw_decode(text, member.end())
            except (ValueError, RecursionError):
                break
            errors = value if not name else errors
            name = member[1]
            following = _NEXT.match(text, end)
            if following is None:
                break
            end = following.end()
            if following[1] == "}":
                if not text[end:].strip():
                    return errors
                break
    return None
