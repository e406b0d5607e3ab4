"""Mask secrets in texts and JSON values: every used value becomes `***`, also where it stands encoded.

Values of secrets are found wherever they stand. What was merely typed into a form's secret field is found as a whole
word, and only where it is long enough to be a secret: a password of one letter would otherwise blot out every text.
"""

from __future__ import annotations

import base64
import html
import html.entities
import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

STARS = "***"
MIN_SECRET = 4
"""Characters below which a value is masked as a whole word only, and below which a typed value is not masked."""
_MIN_ENCODED = 6  # below this, base64 pieces are too short to tell from ordinary text
_MAX_BY_CHARACTER = 64
"""Characters of a value up to which each character's encodings are looked for; longer ones as a whole only."""
_RUN = r"(?:[A-Za-z0-9+/=_\s-]|\\+[rn]|\\/|%2[bBfF]|%3[dD])*"
"""The rest of a text in base64."""
_MAX_LEARNED = 200
_FOLD = r"(?:\s|\\+[rn])*"
_NAMED = {**html.entities.codepoint2name, ord("'"): "apos"}


class Mask:
    """Replaces the values that one job used, also where they stand encoded: for URLs, JSON, Python, XML, or in base64.

    The values are those resolved for this very job, so that a secret that changed meanwhile is masked as it was used.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: dict[str, bool] = {}
        self._learned: OrderedDict[str, None] = OrderedDict()
        self._changes = 0
        self._patterns: tuple[int, list[tuple[str, re.Pattern[str], bool]]] = (-1, [])
        """Of the values after so many changes: the log masks in a thread of its own."""
        for value in values:
            self.add(value)

    def add(self, value: str) -> None:
        """Masks the value of a secret from now on. An empty one is ignored."""
        if value and self._values.get(value) is not True:
            self._values[value] = True
            self._changes += 1

    def typed(self, value: str) -> None:
        """Masks, from now on and as a whole word, what was typed into a secret field; short values are ignored."""
        if len(value) >= MIN_SECRET and value not in self._values:
            self._values[value] = False
            self._changes += 1

    def learn(self, value: str) -> None:
        """Masks a value that was obtained by means of a secret; the latest two hundred are remembered."""
        if len(value) < MIN_SECRET or value in self._values:
            return
        self._learned[value] = None
        self._learned.move_to_end(value)
        if len(self._learned) > _MAX_LEARNED:
            self._learned.popitem(last=False)

    def __bool__(self) -> bool:
        return bool(self._values or self._learned)

    def text(self, text: str) -> str:
        """Replaces every occurrence in a text."""
        return self._masked(text, keys=False)

    @property
    def forgets(self) -> bool:
        """Whether a value that is masked now may be forgotten later: one that was learned."""
        return bool(self._learned)

    def texts(self, texts: Sequence[str]) -> Sequence[str]:
        """Masks several texts as `text` masks each, quickly if none of them has anything to mask, as is usual."""
        look = Look("\n".join(texts))
        if self._learned or any(map(look.may_hold, list(self._values))):
            return [self.text(text) for text in texts]
        return texts

    def value(self, value: Any) -> Any:
        """Masks every text of a JSON value; in keys, the values of secrets and not what was typed."""
        if not self:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self._masked(str(key), keys=True): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value

    def _masked(self, text: str, *, keys: bool) -> str:
        if not text or not self:
            return text
        changes = self._changes
        made_after, patterns = self._patterns
        if made_after != changes:
            ordered = sorted(self._values.items(), key=lambda item: len(item[0]), reverse=True)
            patterns = [(value, pattern_of(value, word=not resolved), resolved) for value, resolved in ordered]
            self._patterns = changes, patterns
        look: Look | None = None
        for value, pattern, resolved in patterns:
            if resolved or not keys:
                if look is None:
                    look = Look(text)
                if look.may_hold(value) and (found := pattern.sub(STARS, text)) != text:
                    text, look = found, None
        for value in list(self._learned):  # tokens have no characters that need an escape, but for the three of base64
            for form in _token_forms(value):
                text = text.replace(form, STARS)
        # A name of the process's own stays; what is no name and is the very value of a secret field is none.
        return STARS if keys and text in self._values and not text.isidentifier() else text


class Look:
    """One text in which several values are looked for: says at little cost that a value cannot stand in it.

    Most texts have no character by which an encoding begins. In them a value stands as it is, in base64 or in
    hexadecimal digits, and finding that takes no regular expression.

    Args:
        text: Where to look.
    """

    __slots__ = ("_close", "_is_coded", "_lower", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._is_coded = _CODED.search(text) is not None
        self._close = self._lower = ""

    def may_hold(self, value: str) -> bool:
        """Returns whether the pattern of a value may find something; False is certain."""
        if self._is_coded or value in self._text:
            return True
        forms, pieces, digits = _plain_forms(value)
        if any(form in self._text for form in forms):
            return True
        if not pieces:
            return False
        if not self._lower:
            self._lower = self._text.lower()
            self._close = "".join(self._text.split()).replace("-", "+").replace("_", "/")
        return digits in self._lower or any(piece in self._close for piece in pieces)


_CODED = re.compile(r"[%=&+\\]")
"""With one of these begins each form of a character that is not the character itself; see `_character`."""


@lru_cache(maxsize=1024)
def _plain_forms(value: str) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Returns other forms of a value without such characters, its base64 at each alignment, its hexadecimal digits."""
    forms: set[str] = set()
    if len(value) > _MAX_BY_CHARACTER:
        short = value.strip()
        forms = {short, short.replace("\r\n", "\n"), short.replace("\n", "\r\n")}
    raw = value.encode("utf-8", "surrogatepass")
    if len(raw) < _MIN_ENCODED:
        return tuple(forms), (), ""
    return tuple(forms), tuple(piece[:_MAX_BY_CHARACTER] for piece in _base64_pieces(raw)), raw.hex()


@lru_cache(maxsize=1024)
def pattern_of(value: str, *, word: bool = False) -> re.Pattern[str]:
    """Makes the pattern that finds a value in a text, in every encoding in which it usually comes back.

    Args:
        value: Not empty.
        word: As a whole word only; a value too short to be a secret is found so in any case.
    """
    if len(value) <= _MAX_BY_CHARACTER:
        plain = "".join(map(_character, value))
    else:
        plain = "|".join(re.escape(form) for form in sorted(_whole_forms(value), key=len, reverse=True))
    if word or len(value) < MIN_SECRET:
        before = r"(?<!\w)" if value[0].isalnum() else ""
        after = r"(?!\w)" if value[-1].isalnum() else ""
        plain = f"{before}(?:{plain}){after}"
    raw = value.encode("utf-8", "surrogatepass")
    forms = [plain]
    if len(raw) >= _MIN_ENCODED:
        for piece in _base64_pieces(raw):
            # Of a long value the beginning is looked for, and the whole rest goes with it.
            rest = _FOLD + _RUN if len(piece) > _MAX_BY_CHARACTER else ""
            forms.append(_FOLD.join(map(_base64_character, piece[:_MAX_BY_CHARACTER])) + rest)
        forms.append("".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in raw.hex()))
    return re.compile("|".join(forms))


@lru_cache(maxsize=4096)
def _character(character: str) -> str:
    """Makes the pattern of one character: as it is, or as in URLs, quoted-printable, JSON, Python, HTML and XML."""
    number, raw = ord(character), character.encode("utf-8", "surrogatepass")
    forms = [re.escape(character)]
    if not character.isalnum():
        forms = [rf"\\{{0,8}}{forms[0]}" if character != "\\" else r"\\{1,8}"]
    forms += [sign + sign.join(map(_hex, raw)) for sign in ("%", "=")]
    forms += [rf"&#0*{number};", rf"&#[xX]0*{_digits(f'{number:x}')};"]
    if number in _NAMED:
        forms.append(f"&{_NAMED[number]};")
    units = character.encode("utf-16-be", "surrogatepass").hex()
    forms.append("".join(rf"\\{{1,8}}u{_digits(units[at : at + 4])}" for at in range(0, len(units), 4)))
    forms.append("".join(rf"\\{{1,8}}x{_hex(byte)}" for byte in raw))
    if number < 256 and len(raw) > 1:
        forms += [rf"%{_hex(number)}", rf"\\{{1,8}}x{_hex(number)}"]
    if character == " ":
        forms.append(r"\+")
    if character in "\n\r\t":
        forms.append(rf"\\{{1,8}}{ {chr(10): 'n', chr(13): 'r', chr(9): 't'}[character] }")
    return f"(?:{'|'.join(forms)})"


@lru_cache(maxsize=512)
def _token_forms(value: str) -> tuple[str, ...]:
    quoted = quote(value, safe="")
    lower = re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quoted)
    return tuple({value, quoted, lower, json.dumps(value)[1:-1], value.replace("/", "\\/")})


def _hex(byte: int) -> str:
    return _digits(f"{byte:02x}")


def _digits(text: str) -> str:
    """Makes the pattern of hexadecimal digits in either case."""
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in text)


def _whole_forms(value: str) -> set[str]:
    """Encodes a long value, such as a key in PEM, as a whole."""
    escaped = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    escaped |= {json.dumps(form)[1:-1] for form in escaped}
    quoted = {quote(value, safe=""), quote(value), quote_plus(value)}
    forms = {value, *escaped, *quoted, *(form.replace("/", "\\/") for form in escaped)}
    forms |= {re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), form) for form in quoted}
    forms |= {value.replace("\r\n", "\n"), value.replace("\n", "\r\n"), repr(value)[1:-1], repr(value.encode())[2:-1]}
    forms |= {html.escape(value), html.escape(value, quote=False), value.strip()}
    return {form for form in forms if form}


def _base64_pieces(raw: bytes) -> Iterable[str]:
    """Gives how the bytes look within longer base64 text, at each alignment, without what depends on the neighbours."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
        start = (before * 8 + 5) // 6
        end = (before + len(raw)) * 8 // 6
        yield encoded[start:end]


def _base64_character(character: str) -> str:
    """Makes the pattern of one character of base64, also of its URL-safe alphabet and percent-encoded."""
    match character:
        case "+":
            return "(?:[+-]|%2[bB])"
        case "/":
            return r"(?:\\?/|_|%2[fF])"
        case _:
            return character
