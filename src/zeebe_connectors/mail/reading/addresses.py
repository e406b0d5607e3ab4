"""Read the addresses of a header such as `To`, by the grammar of RFC 5322 and by what mail programs really write.

Every address found is in the header literally, and a name belongs to the address beside which it was written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from zeebe_connectors.mail.reading.headers import MAX_VALUE_BYTES
from zeebe_connectors.mail.reading.text import decode, decode_words

_TOKEN = re.compile(
    r"""
    (?P<quoted>"(?:\\.|[^"\\])*+"?)
    |(?P<comment>\((?:\\.|[^()\\]|\((?:[^()\\]|\\.)*+\))*+\)?)
    |(?P<angle><(?:"(?:\\.|[^"\\])*+"|[^<>"])*+>?)
    |(?P<literal>@\[[^\[\]\s]*+\])
    |(?P<separator>[,;:])
    |(?P<space>\s++)
    |(?P<atom>(?:(?!@\[)[^\s"(<,;:])++)
    |(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
_COMMENT = re.compile(r"\([^()]*+\)")
_ROUTE = re.compile(r"@[^<>]*:(?=[^:]*@)")
_QUOTED_LOCAL = re.compile(r'"(?:\\.|[^"\\])*+"@')
_WITH_ANGLE = re.compile(r"<[^<>\s]+@[^<>\s]+>")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Address:
    """A mail address with the name beside it.

    Args:
        name: Display name, decoded; empty when there is none.
        address: As it stands between the angle brackets; empty for a name that has none, as `MAILER DAEMON <>`.
    """

    name: str
    address: str


def addresses(raw: bytes) -> list[Address]:
    """The addresses of a header, groups flattened; display names keep commas, quotes and encoded words apart."""
    return _read(decode(raw[:MAX_VALUE_BYTES], None))


def _read(text: str) -> list[Address]:
    if (escaped := text.find('\\"')) >= 0 and text.find('"') == escaped + 1:
        text = text.replace('\\"', '"')  # written by a program that escaped what it should have quoted
    reader = _Reader()
    for match in _TOKEN.finditer(text):
        reader.take(str(match.lastgroup), match.group())
    reader.finish()
    reader.flush()
    return reader.found


@dataclass(slots=True)
class _Reader:
    """Collects the words of one mailbox after the other."""

    found: list[Address] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    """The words of the current mailbox; what stands together without space is one."""
    quoted: list[bool] = field(default_factory=list)
    """Whether a word is a quoted text, which is never an address by itself."""
    comment: str = ""
    named: bool = False
    """Whether an address in angle brackets was found for the current mailbox."""
    joined: bool = False
    surname: str = ""
    """What stood before a comma and is no address: `Doe` in `Doe, John <john@x.test>`."""

    def take(self, kind: str, text: str) -> None:
        if kind == "separator":
            if text == ":":
                self._forget()  # a group's name stood before it
            else:
                self.finish(comma=text == ",")
        elif kind == "angle":
            self._angle(text)
        elif kind == "comment":
            self._comment(text[1:].removesuffix(")"))
        elif kind == "space":
            self.joined = False
        else:
            self._word(text, quoted=kind == "quoted")

    def finish(self, *, comma: bool = False) -> None:
        """Ends the current mailbox: words without angle brackets may be addresses separated by spaces."""
        if self.words and not self.named:
            if comma and not self.surname and self._may_be_surname():
                self.surname = self.words[0]
            else:
                self.flush()
                self._bare()
        self._forget()

    def flush(self) -> None:
        """Takes what may have been a surname for the local user that it is then."""
        surname, self.surname = self.surname, ""
        if surname:
            self._add("", _plain(surname))

    def _may_be_surname(self) -> bool:
        return len(self.words) == 1 and not self.quoted[0] and self.words[0][:1].isupper() and "@" not in self.words[0]

    def _word(self, text: str, *, quoted: bool) -> None:
        glued = self.joined or (self.words and (text.startswith("@") or self.words[-1].endswith("@")))
        if glued and self.words and not (self.quoted[-1] and not text.startswith("@")):
            self.words[-1] += text
            self.quoted[-1] = False
        else:
            self.words.append(text)
            self.quoted.append(quoted)
        self.joined = True

    def _angle(self, text: str) -> None:
        whole = _ROUTE.sub("", text.strip("<>").strip(), count=1) if "@" in text[:3] else text.strip("<>").strip()
        if len(self.words) > 1 and not self.named and self._is_address(0):
            # An address without brackets, then somebody else's name: "a@x.test Eve <eve@y.test>".
            self._add("", _plain(self.words[0]))
            self.words, self.quoted = self.words[1:], self.quoted[1:]
        if self.surname and self.words:
            self.words, self.quoted = [f"{self.surname},", *self.words], [False, *self.quoted]
            self.surname = ""
        self.flush()
        name = _phrase(self.words)
        if not whole:
            self._add(name, "")
        for each in re.split(r"[,;]", whole) if not whole.startswith('"') else [whole]:
            if address := _plain(each):
                self._add(name, address)
        self.words, self.quoted, self.named, self.joined = [], [], True, False

    def _comment(self, text: str) -> None:
        if self.named and self.found and not self.found[-1].name:
            self.found[-1] = Address(decode_words(text.strip()), self.found[-1].address)
        self.comment = self.comment or text

    def _bare(self) -> None:
        """Words without angle brackets: each that is an address, or a sole word, which is a local user."""
        places = [at for at in range(len(self.words)) if self._is_address(at)]
        if not places:
            if len(self.words) == 1 and self.quoted[0] and _WITH_ANGLE.search(self.words[0]):
                self.found += _read(self.words[0].strip('"'))  # the whole mailbox was quoted
            elif len(self.words) == 1 and not self.quoted[0]:
                self._add(decode_words(self.comment.strip()), _plain(self.words[0]))
            return
        name = _phrase(self.words[: places[0]]) if len(places) == 1 else ""
        for at in places:
            self._add(name or (decode_words(self.comment.strip()) if len(places) == 1 else ""), _plain(self.words[at]))

    def _is_address(self, at: int) -> bool:
        return not self.quoted[at] and "@" in self.words[at].strip("@")

    def _add(self, name: str, address: str) -> None:
        if name or address:
            self.found.append(Address(name, address))

    def _forget(self) -> None:
        self.words, self.quoted, self.comment, self.named, self.joined = [], [], "", False, False


def _phrase(words: list[str]) -> str:
    """A display name from its words, with the quotes around them removed."""
    plain = (_ESCAPE.sub(r"\1", word[1:].removesuffix('"')) if word.startswith('"') else word for word in words)
    return decode_words(" ".join(plain))


def _plain(text: str) -> str:
    """An address without what may stand beside it: comments, a route, `mailto:`, folded spaces."""
    text = _COMMENT.sub("", text).strip()
    if text[:7].lower() == "mailto:":
        text = text[7:]
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    if quoted := _QUOTED_LOCAL.match(text):
        return quoted[0] + re.sub(r"\s+", "", text[quoted.end() :])
    return decode_words(re.sub(r"\s+", "", text).strip("\"'<>"))
