"""Declare functions of texts: take parts, search and make new texts."""

from __future__ import annotations

import base64
import os
import re
import time
import uuid
from typing import Any

from zeebe_connectors.feel import patterns
from zeebe_connectors.feel.builtins.declare import builtin
from zeebe_connectors.feel.errors import Failure, FeelEvaluationError
from zeebe_connectors.feel.limits import Run
from zeebe_connectors.feel.values import int32

TITLE = "String functions"

_HALVES = re.compile("[\ud800-\udfff]")
_JAVA_TRIMMED = "".join(map(chr, range(0x21)))
_JAVA_BLANK = frozenset("\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \u1680\u2028\u2029\u205f\u3000") | frozenset(
    map(chr, (*range(0x2000, 0x2007), *range(0x2008, 0x200B)))
)


def _units(text: str) -> str | bytes:
    """Returns the text in the cluster's 16-bit units: itself, or UTF-16 bytes if a character takes two units."""
    return text if text.isascii() or max(text, default="") <= "\uffff" else text.encode("utf-16-le", "surrogatepass")


def _length(units: str | bytes) -> int:
    return len(units) if isinstance(units, str) else len(units) // 2


def _part(units: str | bytes, start: int, end: int) -> str:
    if not 0 <= start <= end <= _length(units):
        raise FeelEvaluationError(
            f"substring from {start + 1} to {end} is outside of the text's {_length(units)} characters"
        )
    if isinstance(units, str):
        return units[start:end]
    part = units[2 * start : 2 * end].decode("utf-16-le", "surrogatepass")
    return _HALVES.sub("?", part)  # half a character is not valid text anywhere else


def _offset(units: str | bytes, position: Any) -> int:
    number = int32(position)
    return number - 1 if number > 0 else _length(units) + number


@builtin(
    "substring(string: string, start position: number): string",
    "The rest of a text from a position; a negative position counts from the end. "
    "A position outside the text is an error.",
    ('substring("foobar", 3)', '"obar"'),
    ('substring("foobar", -2)', '"ar"'),
)
def _substring(text: Any, start: Any) -> Any:
    units = _units(text)
    return _part(units, _offset(units, start), _length(units))


@builtin(
    "substring(string: string, start position: number, length: number): string",
    "This many characters of a text from a position.",
    ('substring("foobar", 3, 3)', '"oba"'),
)
def _substring_of(text: Any, start: Any, length: Any) -> Any:
    units = _units(text)
    first = _offset(units, start)
    return _part(units, first, min(first + int32(length), _length(units)))


@builtin("string length(string: string): number", "The number of characters.", ('string length("foo")', "3"))
def _string_length(text: Any) -> Any:
    return _length(_units(text))


@builtin("upper case(string: string): string", "The text in capital letters.", ('upper case("aBc4")', '"ABC4"'))
def _upper_case(text: Any) -> Any:
    return text.upper()


@builtin("lower case(string: string): string", "The text in lower-case letters.", ('lower case("aBc4")', '"abc4"'))
def _lower_case(text: Any) -> Any:
    return text.lower()


@builtin(
    "substring before(string: string, match: string): string",
    "The part of a text before another text; empty if that is not found.",
    ('substring before("foobar", "bar")', '"foo"'),
    ('substring before("foobar", "x")', '""'),
)
def _substring_before(text: Any, match: Any) -> Any:
    at = text.find(match)
    return text[:at] if at > 0 else ""


@builtin(
    "substring after(string: string, match: string): string",
    "The part of a text after another text; empty if that is not found.",
    ('substring after("foobar", "ob")', '"ar"'),
    ('substring after("foobar", "x")', '""'),
)
def _substring_after(text: Any, match: Any) -> Any:
    at = text.find(match)
    return text[at + len(match) :] if at >= 0 else ""


@builtin(
    "contains(string: string, match: string): boolean",
    "Whether a text contains another text.",
    ('contains("foobar", "of")', "false"),
)
def _contains(text: Any, match: Any) -> Any:
    return match in text


@builtin(
    "starts with(string: string, match: string): boolean",
    "Whether a text starts with another text.",
    ('starts with("foobar", "foo")', "true"),
)
def _starts_with(text: Any, match: Any) -> Any:
    return text.startswith(match)


@builtin(
    "ends with(string: string, match: string): boolean",
    "Whether a text ends with another text.",
    ('ends with("foobar", "bar")', "true"),
)
def _ends_with(text: Any, match: Any) -> Any:
    return text.endswith(match)


@builtin(
    "matches(input: string, pattern: string): boolean",
    "Whether a regular expression (of Java) is found in the text.",
    ('matches("foobar", "^fo*b")', "true"),
)
def _matches(run: Run, text: Any, pattern: Any) -> Any:
    return patterns.search(run, text, pattern)


@builtin(
    "matches(input: string, pattern: string, flags: string): boolean",
    "Whether a regular expression is found, with flags: s (dot is any character), m (lines), i (any case), x (spaces).",
    ('matches("FooBar", "foo", "i")', "true"),
)
def _matches_with(run: Run, text: Any, pattern: Any, flags: Any) -> Any:
    return patterns.search(run, text, pattern, flags)


@builtin(
    "replace(input: string, pattern: string, replacement: string): string",
    "The text with all matches of a regular expression replaced; $1 stands for the first group.",
    ('replace("abcd", "(ab)|(a)", "[1=$1][2=$2]")', '"[1=ab][2=]cd"'),
)
def _replace(run: Run, text: Any, pattern: Any, replacement: Any) -> Any:
    return patterns.replace(run, text, pattern, replacement)


@builtin(
    "replace(input: string, pattern: string, replacement: string, flags: string): string",
    "The text with all matches of a regular expression replaced, with the flags of `matches`.",
    ('replace("ABCD", "b", "x", "i")', '"AxCD"'),
)
def _replace_with(run: Run, text: Any, pattern: Any, replacement: Any, flags: Any) -> Any:
    return patterns.replace(run, text, pattern, replacement, flags)


@builtin(
    "split(string: string, delimiter: string): list",
    "The parts of a text between the matches of a regular expression.",
    ('split("John Doe", "\\\\s")', '["John", "Doe"]'),
    ('split("a;b;c;;", ";")', '["a", "b", "c", "", ""]'),
)
def _split(run: Run, text: Any, delimiter: Any) -> Any:
    return patterns.split(run, text, delimiter)


@builtin(
    "extract(input: string, pattern: string): list",
    "All matches of a regular expression.",
    ('extract("references are 1234, 1256, 1378", "12[0-9]*")', '["1234", "1256"]'),
)
def _extract(run: Run, text: Any, pattern: Any) -> Any:
    return patterns.extract(run, text, pattern)


@builtin(
    "trim(string: string): string", "The text without surrounding spaces.", ('trim("  hello world ")', '"hello world"')
)
def _trim(text: Any) -> Any:
    return text.strip(_JAVA_TRIMMED)


@builtin("uuid(): string", "A new unique identifier, ordered by time.", ("string length(uuid())", "36"))
def _uuid() -> Any:
    # Version 7 of RFC 9562: 48 bits of milliseconds, then random ones.
    random = int.from_bytes(os.urandom(10))
    upper, lower = random >> 68, random & ((1 << 62) - 1)
    return str(uuid.UUID(int=(time.time_ns() // 1_000_000) << 80 | 7 << 76 | upper << 64 | 2 << 62 | lower))


@builtin("to base64(value: string): string", "The text's UTF-8 bytes in Base64.", ('to base64("FEEL")', '"RkVFTA=="'))
def _to_base64(text: Any) -> Any:
    return base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")


@builtin(
    "from base64(value: string): string",
    "The text whose UTF-8 bytes are given in Base64.",
    ('from base64("RkVFTA==")', '"FEEL"'),
    since="8.10",
)
def _from_base64(text: Any) -> Any:
    try:
        padded = text + "=" * (-len(text) % 4) if "=" not in text else text
        return base64.b64decode(padded, validate=True).decode("utf-8", "replace")
    except ValueError:
        raise Failure(f"Invalid Base64 value '{text[:80]}'") from None


@builtin(
    "is blank(string: string): boolean",
    "Whether the text is empty or consists of spaces only.",
    ('is blank(" ")', "true"),
    ('is blank("a")', "false"),
    since="8.8",
)
def _is_blank(text: Any) -> Any:
    return all(character in _JAVA_BLANK for character in text)
