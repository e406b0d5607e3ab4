"""Split an expression into tokens as the parser requests them."""

from __future__ import annotations

from typing import NamedTuple

import regex

# FEEL's white space, by the DMN standard, and both forms of comments.
_SPACE = r"[\t-\r \x85\xa0\u1680\u180e\u2000-\u200b\u2028\u2029\u202f\u205f\u3000\ufeff]"
_SKIP = regex.compile(rf"(?:{_SPACE}++|//[^\n]*+|/\*(?s:.)*?\*/)*+")
# Names consist of the characters of Java identifiers, without those beyond 16 bits.
_START = r"[\p{L}\p{Nl}\p{Sc}\p{Pc}--[\U00010000-\U0010ffff\u180e]]"
_PART = (
    r"[\p{L}\p{Nl}\p{Sc}\p{Pc}\p{Nd}\p{Mn}\p{Mc}\p{Cf}\x00-\x08\x0e-\x1b\x7f-\x9f"
    r"--[\U00010000-\U0010ffff\x85\u180e\u200b\ufeff]]"
)
_TOKEN = regex.compile(
    rf"""(?P<name>{_START}{_PART}*+)
    |(?P<number>[0-9]++(?:\.[0-9]++)?|\.[0-9]++)
    |(?P<string>"(?:\\(?s:.)|[^"\\])*+")
    |(?P<quoted>`[^`]++`)
    |(?P<symbol>\.\.|\*\*|<=|>=|!=|[-+*/=<>()\[\]{{}},.:?@])""",
    regex.VERBOSE | regex.V1,
)
NOT_IN_KEY = '"{}:,[]`'
"""Characters that an unquoted key of a context may not contain."""

NAME, NUMBER, STRING, QUOTED, SYMBOL, END, OTHER = "name", "number", "string", "quoted", "symbol", "end", "other"


class Token(NamedTuple):
    """One part of the text."""

    kind: str
    text: str
    start: int
    end: int


def skip(text: str, position: int) -> int:
    """Returns the position after white space and comments."""
    match = _SKIP.match(text, position)
    return int(match.end()) if match else position


def token(text: str, position: int) -> Token:
    """Returns the token at a position, after white space and comments."""
    start = skip(text, position)
    match = _TOKEN.match(text, start)
    if match:
        return Token(str(match.lastgroup), match.group(), start, match.end())
    if start >= len(text):
        return Token(END, "", start, start)
    return Token(OTHER, text[start], start, start + 1)
