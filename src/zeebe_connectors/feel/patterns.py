r"""Match Java's regular expressions, which FEEL uses, in bounded time.

A pattern is rewritten for the `regex` package, which can be stopped. Java's meaning of `.`, `^`, `$`, `\\d`, `\\b` and
classes is spelled out, because Python's differs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import regex

from zeebe_connectors.feel.errors import Failure, FeelLimitError
from zeebe_connectors.feel.limits import Run

_MAX_PATTERN = 5_000
_MAX_REPEAT = 10_000
_LONG = 1_000
"""Characters from which a text is searched without holding the interpreter's lock."""
_MATCHES_IN_TIME = 100
"""Matches within one search's time that show that the text is long rather than the pattern slow."""
_SMALL = 500
"""Maximum size, in characters times repeats, of a pattern in the cache of small ones."""
_END = r"\n\r\u0085\u2028\u2029"
_WORD = r"[\p{L}\p{Nd}_]"
_CLASSES = {
    "d": r"[0-9]",
    "D": r"[^0-9]",
    "s": r"[ \t\n\x0b\f\r]",
    "S": r"[^ \t\n\x0b\f\r]",
    "w": r"[a-zA-Z_0-9]",
    "W": r"[^a-zA-Z_0-9]",
    "h": r"[ \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000]",
    "H": r"[^ \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000]",
    "v": r"[\n\x0b\f\r\x85\u2028\u2029]",
    "V": r"[^\n\x0b\f\r\x85\u2028\u2029]",
}
_PLACES = {
    "b": rf"(?:(?<={_WORD})(?!{_WORD})|(?<!{_WORD})(?={_WORD}))",
    "B": rf"(?:(?<={_WORD})(?={_WORD})|(?<!{_WORD})(?!{_WORD}))",
    "A": r"\A",
    "z": r"\Z",
    "Z": rf"(?:(?=(?:\r\n|[{_END}])?\Z)(?:(?!\n)|(?<!\r)))",
    "R": rf"(?>\r\n|[\x0b\f{_END}])",
    "X": r"\X",
    "G": r"\G",
}
_LINE_START = r"(?:\A|(?<=[\n\u0085\u2028\u2029]|\r(?!\n))(?!\Z))"
_LINE_END = r"(?:(?=[\r\u0085\u2028\u2029])|(?<!\r)(?=\n)|\Z)"
_CHARACTERS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "a": "\a", "e": "\x1b"}
_POSIX = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": r"\x00-\x7f",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": r"!-/:-@\[-`\{-~",
    "Graph": "!-~",
    "Print": r"\x20-\x7e",
    "Blank": r"\x20\t",
    "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9a-fA-F",
    "Space": r"\x20\t\n\x0b\f\r",
    "javaLowerCase": r"\p{Ll}",
    "javaUpperCase": r"\p{Lu}",
    "javaWhitespace": r"\t-\r\x1c-\x20\u1680\u2000-\u2006\u2008-\u200a\u2028\u2029\u205f\u3000",
    "javaLetter": r"\p{L}",
    "javaDigit": r"\p{Nd}",
    "javaLetterOrDigit": r"\p{L}\p{Nd}",
    "javaAlphabetic": r"\p{Alphabetic}",
}


class _Invalid(Exception):  # noqa: N818 - becomes the Failure of the call
    pass


# ---------------------------------------------------------------------------------------------------- the functions


def search(run: Run, text: str, pattern: str, flags: str = "") -> bool:
    """Returns whether the pattern is found anywhere in the text."""
    return next(_matches(run, text, pattern, flags), None) is not None


def extract(run: Run, text: str, pattern: str) -> list[str]:
    """Returns everything that the pattern matches."""
    return [run.text(match.group()) for match in _matches(run, text, pattern)]


def split(run: Run, text: str, delimiter: str) -> list[str]:
    """Returns the parts between the matches."""
    parts, end = [], 0
    for match in _matches(run, text, delimiter):
        if match.end() > 0:  # Java returns no empty part for an empty match at the start
            parts.append(run.text(text[end : match.start()]))
            end = match.end()
    return [*parts, run.text(text[end:])]


def replace(run: Run, text: str, pattern: str, replacement: str, flags: str = "") -> str:
    """Returns the text with each match replaced."""
    parts: list[str] = []
    end = length = 0
    plain = not ("$" in replacement or "\\" in replacement)
    for match in _matches(run, text, pattern, flags):
        try:
            new = replacement if plain else _expanded(match, replacement)
        except _Invalid:
            raise Failure(f"Invalid pattern '{pattern}'") from None
        parts += (text[end : match.start()], new)
        length += match.start() - end + len(new)
        if not plain or length > run.limits.characters:
            run.room(length if length > run.limits.characters else len(new))
        end = match.end()
    return run.text("".join(parts) + text[end:])


def _matches(run: Run, text: str, pattern: str, flags: str = "") -> Iterator[Any]:
    try:
        compiled = _compiled(run, pattern, "".join(sorted(set(flags) & set("smix"))))
    except _Invalid:
        raise Failure(f"Invalid pattern '{pattern[:80]}'") from None
    position = 0
    seconds = min(run.limits.pattern_seconds, run.seconds_left())
    long = len(text) >= _LONG
    tick = run.tick
    # Enough matches renew the pattern's seconds; a new scan, after an empty match, does not.
    end, found = time.monotonic() + seconds, 0
    while position <= len(text):
        # One scan finds many matches several times faster than a search for each.
        try:
            left = max(end - time.monotonic(), 0.001)
            for match in compiled.finditer(text, position, timeout=left, concurrent=long):
                tick()
                found += 1
                position = match.end()
                empty = position == match.start()
                # Java continues after a match, one further after an empty one; Python would search there again.
                position += empty
                yield match
                if empty:
                    break
            else:
                return
        except TimeoutError:
            if found < _MATCHES_IN_TIME:
                raise _too_slow(pattern, seconds) from None
            end, found = time.monotonic() + seconds, 0
        except MemoryError:
            raise _too_slow(pattern, seconds) from None


def _too_slow(pattern: str, seconds: float) -> FeelLimitError:
    return FeelLimitError(
        "pattern_seconds",
        f"a search for '{pattern[:80]}' takes longer than {seconds:.2g} s; write a simpler pattern",
    )


def _expanded(match: Any, replacement: str) -> str:
    """Java's replacement: `$1` and `${name}` are groups, a backslash makes the next character plain."""
    parts, position = [], 0
    while position < len(replacement):
        character = replacement[position]
        position += 1
        if character == "\\":
            if position == len(replacement):
                raise _Invalid
            parts.append(replacement[position])
            position += 1
        elif character == "$":
            group, position = _group_reference(match, replacement, position)
            parts.append(group)
        else:
            parts.append(character)
    return "".join(parts)


def _group_reference(match: Any, replacement: str, position: int) -> tuple[str, int]:
    groups = match.re.groups
    if replacement[position : position + 1] == "{":
        end = replacement.find("}", position)
        name = replacement[position + 1 : end]
        if end < 0 or name not in match.re.groupindex:
            raise _Invalid
        return match.group(name) or "", end + 1
    digit = replacement[position : position + 1]
    if not ("0" <= digit <= "9") or int(digit) > groups:
        raise _Invalid
    number, position = int(digit), position + 1
    while "0" <= (digit := replacement[position : position + 1]) <= "9" and number * 10 + int(digit) <= groups:
        number, position = number * 10 + int(digit), position + 1
    return match.group(number) or "", position


# ------------------------------------------------------------------------------------------------------ translation


def _compiled(run: Run, pattern: str, flags: str) -> Any:
    if len(pattern) > _MAX_PATTERN:
        raise _Invalid
    if len(pattern) > run.limits.pattern:
        raise _too_large(run, len(pattern))
    translated, size = _translated(pattern, flags)
    if size > run.limits.pattern:
        raise _too_large(run, size)
    return (_small if size + len(pattern) <= _SMALL else _large)(translated, flags)


def _too_large(run: Run, size: int) -> FeelLimitError:
    return FeelLimitError(
        "pattern",
        f"a regular expression has {size} characters, classes and groups where its repeats are counted out, "
        f"{run.limits.pattern} are allowed; write a simpler pattern",
    )


@lru_cache(maxsize=256)
def _translated(pattern: str, flags: str) -> tuple[str, int]:
    try:
        translation = _Translation(pattern, flags)
        return translation.result(), translation.size
    except (RecursionError, OverflowError, ValueError):
        raise _Invalid from None


def _compile(translated: str, flags: str) -> Any:
    try:
        # The library's own cache limits the number of patterns, not their size.
        return regex.compile(translated, regex.V1 | (regex.IGNORECASE if "i" in flags else 0), cache_pattern=False)
    except (regex.error, RecursionError, OverflowError, ValueError):
        raise _Invalid from None


_small = lru_cache(maxsize=256)(_compile)
_large = lru_cache(maxsize=16)(_compile)


class _Translation:
    def __init__(self, pattern: str, flags: str) -> None:
        self.pattern = pattern
        self.position = 0
        self.flags = set(flags)
        self.outer: list[set[str]] = []
        self.groups = 0
        # Characters, classes and groups, counted with their repeats: those before the last part, and the last part; the
        # counts of the enclosing groups are on the stack.
        self.before, self.last = 0, 0
        self.around: list[int] = []

    @property
    def size(self) -> int:
        return self.before + self.last

    def result(self) -> str:
        parts = []
        while self.position < len(self.pattern):
            start, opened = self.position, len(self.outer)
            parts.append(self.part())
            self.count(self.pattern[start], len(self.outer) - opened, self.position - start)
        if self.outer:
            raise _Invalid
        return "".join(parts)

    def count(self, character: str, opened: int, length: int) -> None:
        """Counts the part that was just read, which opened or closed a group."""
        if opened > 0:
            self.around.append(self.size)
            self.before = self.last = 0
        elif opened < 0:
            self.before, self.last = self.around.pop(), self.size + 1
        elif character == "{":
            self.last *= max(self.least, 1)
        elif character not in "*+?|":
            # A class counts as one, plus a share of its length.
            self.before, self.last = self.size, 1 + length // 16

    def take(self, count: int = 1) -> str:
        taken = self.pattern[self.position : self.position + count]
        if len(taken) < count:
            raise _Invalid
        self.position += count
        return taken

    def until(self, end: str) -> str:
        at = self.pattern.find(end, self.position)
        if at < 0:
            raise _Invalid
        text = self.pattern[self.position : at]
        self.position = at + len(end)
        return text

    def part(self) -> str:  # noqa: C901 - one branch a kind of character
        character = self.take()
        if character == "\\":
            return self.escape()
        if character == "[":
            return self.char_class()
        if character == ".":
            return "(?s:.)" if "s" in self.flags else f"[^{_END}]"
        if character == "^":
            return _LINE_START if "m" in self.flags else r"\A"
        if character == "$":
            return _LINE_END if "m" in self.flags else _PLACES["Z"]
        if character == "(":
            return self.group()
        if character == ")":
            if not self.outer:
                raise _Invalid
            self.flags = self.outer.pop()
            return ")"
        if character == "{":
            return self.repeat()
        if "x" in self.flags and character in " \t\n\x0b\f\r":
            return ""
        if "x" in self.flags and character == "#":
            while self.position < len(self.pattern) and self.take() != "\n":
                pass
            return ""
        return character if character in "*+?|" else str(regex.escape(character))

    def repeat(self) -> str:
        text = self.until("}")
        low, comma, high = text.partition(",")
        if not (low.isascii() and low.isdigit() and (not high or (high.isascii() and high.isdigit()))):
            raise _Invalid
        if int(low) > _MAX_REPEAT or int(high or 0) > _MAX_REPEAT:
            raise _Invalid
        self.least = int(low)
        return f"{{{low}{comma}{high}}}"

    def group(self) -> str:
        outer = set(self.flags)
        if not self.pattern.startswith("?", self.position):
            self.outer.append(outer)
            self.groups += 1
            return "("
        self.take()
        for opening in (":", "=", "!", ">", "<=", "<!"):
            if self.pattern.startswith(opening, self.position):
                self.take(len(opening))
                self.outer.append(outer)
                return "(?" + opening
        if self.pattern.startswith("<", self.position):
            self.take()
            name = self.until(">")
            if not (name.isascii() and name.isalnum() and name[0].isalpha()):
                raise _Invalid
            self.outer.append(outer)
            self.groups += 1
            return f"(?<{name}>"
        return self.inline_flags(outer)

    def inline_flags(self, outer: set[str]) -> str:
        on, changed = True, ""
        while (character := self.take()) not in ":)":
            if character == "-":
                on, changed = False, changed + "-"
            elif character in "smixud":
                (self.flags.add if on else self.flags.discard)(character)
                changed += character if character == "i" else ""
            else:
                raise _Invalid
        changed = changed.removesuffix("-")
        if character == ":":
            self.outer.append(outer)
            return f"(?{changed}:"
        return f"(?{changed})" if changed and changed != "-" else ""

    def escape(self) -> str:
        character = self.take()
        if character in _CLASSES:
            return _CLASSES[character]
        if character in _PLACES:
            return _PLACES[character]
        if character in "pP":
            return f"[{self.property(character)}]"
        if character == "Q":
            at = self.pattern.find("\\E", self.position)
            return str(regex.escape(self.until("\\E") if at >= 0 else self.take(len(self.pattern) - self.position)))
        if character == "k":
            if self.take() != "<":
                raise _Invalid
            return f"(?P={self.until('>')})"
        if character in "123456789":
            return self.back_reference(int(character))
        return str(regex.escape(self.character(character)))

    def back_reference(self, number: int) -> str:
        """Reads a reference to an earlier group: as many digits as name an existing one; with none, nothing matches."""
        while self.pattern[self.position : self.position + 1] in tuple("0123456789"):
            longer = number * 10 + int(self.pattern[self.position])
            if longer > self.groups:
                break
            self.position, number = self.position + 1, longer
        return f"(?:\\{number})" if number <= self.groups else "(?!)"

    def character(self, character: str) -> str:
        """Reads the character of an escape whose first letter is already consumed."""
        if character in _CHARACTERS:
            return _CHARACTERS[character]
        if character == "x":
            return (
                chr(int(self.until("}"), 16))
                if self.pattern.startswith("{", self.position) and self.take()
                else chr(int(self.take(2), 16))
            )
        if character == "u":
            return chr(int(self.take(4), 16))
        if character == "0":
            return self.octal()
        if character == "c":
            return chr(ord(self.take()) ^ 64)
        if character.isascii() and character.isalpha():
            raise _Invalid
        return character

    def octal(self) -> str:
        digits = self.take()
        while len(digits) < 3 and self.pattern[self.position : self.position + 1] in tuple("01234567"):
            if len(digits) == 2 and digits[0] > "3":
                break
            digits += self.take()
        return chr(int(digits, 8))

    def property(self, letter: str) -> str:
        r"""Reads the inside of a class that means a property, as `\\p{Lu}` does."""
        name = self.take()
        if name == "{":
            name = self.until("}")
        negated = letter == "P"
        if name in _POSIX:
            return f"[{'^' if negated else ''}{_POSIX[name]}]"
        name = name.removeprefix("Is") if name.startswith("Is") else name
        for prefix in ("general_category=", "gc=", "script=", "sc="):
            name = name.removeprefix(prefix)
        name = name.replace("In", "InBlock", 1) if name.startswith("In") and len(name) > 2 else name
        if name.startswith("InBlock"):
            name = "Block=" + name.removeprefix("InBlock")
        return f"\\{letter}{{{name}}}"

    def char_class(self) -> str:
        """Reads a class after its opening bracket: ranges, nested classes, and intersections with `&&`."""
        parts = ["["]
        if self.pattern.startswith("^", self.position):
            parts.append(self.take())
        first = True
        while True:
            character = self.take()
            if character == "]" and not first:
                return "".join([*parts, "]"])
            if "x" in self.flags and character in " \t\n\x0b\f\r":
                continue
            first = False
            if character == "[":
                parts.append(self.char_class())
            elif character == "&" and self.pattern.startswith("&", self.position):
                self.take()
                parts.append("&&")
            elif character == "\\":
                parts.append(self.escape_in_class())
            else:
                parts.append(self.range_from(character))

    def escape_in_class(self) -> str:
        character = self.take()
        if character in _CLASSES:
            return _CLASSES[character]
        if character in "pP":
            return self.property(character)
        if character == "Q":
            return "".join(map(_in_class, self.until("\\E")))
        if character in "bBAzZRXGk123456789":
            raise _Invalid
        return self.range_from(self.character(character))

    def range_from(self, start: str) -> str:
        """Reads a character, or a range that starts with it."""
        rest = self.pattern[self.position : self.position + 2]
        if not rest.startswith("-") or rest in ("-]", "-["):
            return _in_class(start)
        self.take()
        end = self.take()
        if end == "\\":
            end = self.take()
            if end in _CLASSES or end in "pP":
                raise _Invalid
            end = self.character(end)
        if end < start:
            raise _Invalid
        return f"{_in_class(start)}-{_in_class(end)}"


def _in_class(character: str) -> str:
    return f"\\U{ord(character):08X}"
