"""Read the addresses of a header such as `To`, by RFC 5322 and by what mail programs really write.

Every address found stands in the header literally, and a name belongs to the address that it was written beside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from zeebe_connectors.mail.reading.decoding import decode
from zeebe_connectors.mail.reading.header_text import WORD, comment_ends, decode_words, without_comments
from zeebe_connectors.mail.reading.headers import MAX_VALUE_BYTES

_TOKEN = re.compile(
    rf"""
    (?P<quoted>"(?:\\.|[^"\\])*+"?)
    |(?P<angle><(?:"(?:\\.|[^"\\])*+"|\((?:\\.|[^()\\])*+\)|[^<>"])*+>?)
    |(?P<literal>@\[[^\[\]\s]*+\])
    |(?P<encoded>{WORD})
    |(?P<separator>[,;:])
    |(?P<space>\s++)
    |(?P<atom>(?:(?!@\[|=\?)[^\s"(<,;:])++)
    |(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
_ROUTE = re.compile(r"@[^<>]*:(?=[^:]*@)")
_QUOTED_LOCAL = re.compile(r'"(?:\\.|[^"\\])*+"@')
_WITH_ADDRESS = re.compile(r"<[^<>\s]+@[^<>\s]+>|^[^<>\s@]+@[^<>\s@]+$")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LOOSE_SIGN = re.compile(r"\s*([@.])\s*")
_LABELLED = re.compile(r"\[(?:mailto|smtp):\s*([^\[\]\s]++)\]", re.IGNORECASE)
"""As Outlook shows addresses in a text, from where people copy them."""
_INVISIBLE = dict.fromkeys((*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF, 0xAD))
"""Marks of direction and the like, which come along when an address is copied; they are never a part of it."""
_BETWEEN_ADDRESSES = re.compile(r"[/|&\uff0c\uff1b\u3001]+")
"""Separators other than comma and semicolon that people put between addresses."""


@dataclass(frozen=True, slots=True)
class Address:
    """A mail address with its display name.

    Args:
        name: Display name, decoded; empty when there is none.
        address: As it stands between the angle brackets; empty if there is none, as in `MAILER DAEMON <>`.
    """

    name: str
    address: str


def addresses(raw: bytes) -> list[Address]:
    """Returns a header's addresses, with groups flattened; display names may hold commas, quotes and encoded words."""
    if len(raw) > MAX_VALUE_BYTES:
        raw = raw[:MAX_VALUE_BYTES].rpartition(b",")[0]  # drops an address that was cut in half
    return _read(decode(raw, None))


def _read(text: str, *, quoted: bool = False) -> list[Address]:
    """Reads a list; text that was quoted or encoded as a whole is read once more at most."""
    if (escaped := text.find('\\"')) >= 0 and text.find('"') == escaped + 1:
        text = text.replace('\\"', '"')  # written by a program that escaped what it should have quoted
    text = _LABELLED.sub(r"<\1>", text)
    reader = _Reader(quoted)
    comments = comment_ends(text)
    at = 0
    while at < len(text):
        if end := comments.get(at):
            reader.comment_after(text[at + 1 : end - 1])
        elif match := _TOKEN.match(text, at):
            reader.take(str(match.lastgroup), match.group())
            end = match.end()
        at = end or at + 1
    reader.finish()
    reader.flush()
    return reader.found


@dataclass(slots=True)
class _Reader:
    """Collects words, one mailbox after the other."""

    inside: bool
    """Whether the text was quoted or encoded as a whole."""
    found: list[Address] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    """The words of the current mailbox; parts without a space between them are one word."""
    kinds: list[str] = field(default_factory=list)
    """The kind of each word; a quoted or encoded one is never an address by itself."""
    comment: str = ""
    named: bool = False
    """Whether an address in angle brackets was found for the current mailbox."""
    joined: bool = False
    dotted: bool = False
    """Whether the last word was a dot alone, as in `a . b@x.test`."""
    pending: list[tuple[str, str]] = field(default_factory=list)
    """Name and local user from before a comma, if it is no address: `Doe` in `Doe, John <john@x.test>`."""

    def take(self, kind: str, text: str) -> None:
        if kind == "separator":
            if text == ":":
                self._forget()  # a group's name stood before it
            else:
                self.finish(comma=text == ",")
        elif kind == "angle":
            self._angle(text)
        elif kind == "space":
            self.joined = False
        else:
            self._word(text, kind if kind in {"quoted", "encoded"} else "atom")

    def finish(self, *, comma: bool = False) -> None:
        """Ends the current mailbox: words without angle brackets may be addresses separated by spaces."""
        if self.words and self.named:
            for at in range(len(self.words)):  # "Boss <boss@x.test> eve@y.test"
                if self._is_address(at):
                    self._add("", self.words[at])
        elif self.words:
            if comma and self._may_be_name():
                local = _plain(self.words[0]) if len(self.words) == 1 and self.kinds == ["atom"] else ""
                self.pending.append((_phrase(self.words), local))
            else:
                self.flush()
                self._bare()
        self._forget()

    def flush(self) -> None:
        """Adds what may have been the beginning of a name as local users."""
        pending, self.pending = self.pending, []
        for _, local in pending:
            if local:
                self._add("", local)

    def _may_be_name(self) -> bool:
        if any(self._is_address(at) or "@" in self.words[at] for at in range(len(self.words))):
            return False
        first = self.words[0][:1]
        return len(self.words) > 1 or self.kinds[0] != "atom" or (first.isalpha() and not first.islower())

    def _word(self, text: str, kind: str) -> None:
        glued = (
            self.joined
            or self.dotted
            or text == "."
            or bool(self.words and (text.startswith("@") or self.words[-1].endswith("@")))
        )
        if glued and self.words and not (self.kinds[-1] == "quoted" and not text.startswith("@")):
            self.words[-1] += text
            self.kinds[-1] = "encoded" if "encoded" in (kind, self.kinds[-1]) and text[0] != "@" else "atom"
        else:
            self.words.append(text)
            self.kinds.append(kind)
        self.joined, self.dotted = True, text == "."

    def _angle(self, text: str) -> None:
        whole = text.strip("<>").strip()
        if not whole and not text.endswith(">"):
            return  # one bracket too many
        if whole.startswith("@"):
            whole = _ROUTE.sub("", whole, count=1)
        while len(self.words) > 1 and self._is_address(0):
            # An address without brackets, then somebody else's name: "a@x.test Eve <eve@y.test>".
            self._add("", self.words[0])
            self.words, self.kinds = self.words[1:], self.kinds[1:]
        name = _phrase(self.words)
        if self.words:
            name = ", ".join([*(before for before, _ in self.pending), name])
            self.pending = []
        self.flush()
        for each in re.split(r"[,;]", whole) if not whole.startswith('"') else [whole]:
            for address in _separate(each):
                self._add(name, address)
        self.words, self.kinds, self.named, self.joined = [], [], True, False

    def comment_after(self, text: str) -> None:
        """Takes a comment, which becomes the name of an address without one."""
        if self.named and self.found and not self.found[-1].name:
            self.found[-1] = Address(decode_words(text.strip()), self.found[-1].address)
        self.comment = self.comment or text

    def _bare(self) -> None:
        """Handles words without angle brackets: adds each address, or a single word as a local user."""
        places = [at for at in range(len(self.words)) if self._is_address(at)]
        if not places:
            self._without_address()
            return
        name = _phrase(self.words[: places[0]]) if len(places) == 1 else ""
        for at in places:
            self._add(name or (decode_words(self.comment.strip()) if len(places) == 1 else ""), self.words[at])

    def _without_address(self) -> None:
        phrase = _phrase(self.words)
        if "atom" not in self.kinds:
            if _WITH_ADDRESS.search(phrase) and not self.inside:
                self.found += _read(phrase, quoted=True)  # the whole mailbox was quoted or encoded
            elif self.kinds == ["encoded"]:
                self._add(phrase, "")
        elif len(self.words) == 1:
            self._add(decode_words(self.comment.strip()), self.words[0])

    def _is_address(self, at: int) -> bool:
        return self.kinds[at] == "atom" and "@" in self.words[at].strip("@")

    def _add(self, name: str, text: str) -> None:
        addresses = _several(_plain(text))
        for address in addresses:
            if name or address:
                self.found.append(Address(name if len(addresses) == 1 else "", address))

    def _forget(self) -> None:
        self.words, self.kinds, self.comment, self.named, self.joined, self.dotted = [], [], "", False, False, False


def _phrase(words: list[str]) -> str:
    """Joins the words of a display name, without the quotes around them."""
    plain = (_ESCAPE.sub(r"\1", word[1:].removesuffix('"')) if word.startswith('"') else word for word in words)
    return decode_words(" ".join(plain))


def _separate(text: str) -> list[str]:
    """Splits the addresses in one pair of angle brackets, which some people separate by spaces."""
    words = _LOOSE_SIGN.sub(r"\1", without_comments(text)).split()
    several = sum("@" in word for word in words) > 1 and not text.strip().startswith('"')
    return [word for word in words if "@" in word] if several else [text]


def _several(address: str) -> list[str]:
    """Splits the addresses in one word, separated by characters other than commas."""
    if address.count("@") < 2 or address.startswith('"'):
        return [address]
    parts = _BETWEEN_ADDRESSES.split(address)
    return parts if all(part.strip("@") == part and part.count("@") == 1 for part in parts) else [address]


def _plain(text: str) -> str:
    """Strips an address of its decoration: comments, a route, `mailto:`, loose spaces, surrounding quotes."""
    text = text.strip() if text.isascii() else text.translate(_INVISIBLE).strip()
    if quoted := _QUOTED_LOCAL.match(text):
        return quoted[0] + re.sub(r"\s+", "", without_comments(text[quoted.end() :]))
    text = without_comments(text).strip()
    if text[:7].lower() == "mailto:":
        text = text[7:]
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    text = " ".join(_LOOSE_SIGN.sub(r"\1", text).split()).strip('"<>')
    text = text[1:] if text[:1] == "'" == text[-1:] else text
    return decode_words(text.rstrip("'"))
