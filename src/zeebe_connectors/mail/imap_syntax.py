"""Read and write IMAP's syntax: quoted strings, literals and the answers to FETCH."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from zeebe_connectors import ConnectorError
from zeebe_connectors.mail.imap_protocol import LITERAL
from zeebe_connectors.sdk.numbers import is_number
from zeebe_connectors.sdk.text import sendable

_FETCHED = re.compile(rb"(\d{1,20})\s+FETCH\s+\(", re.IGNORECASE)
_EXPUNGED = re.compile(rb"(\d{1,20})\s+EXPUNGE", re.IGNORECASE)
_VANISHED = re.compile(rb"VANISHED\s+(?!\(EARLIER\))", re.IGNORECASE)
_HELD = re.compile(rb"\0(\d+)\0")
# The answer to `BODY.PEEK[]`, also from servers that deviate in its name or its spaces.
_BODY = re.compile(
    rb"(?:BODY(?:\.PEEK)?\[[^\]]*\](?:<\d+>)?|\bRFC822(?:\.HEADER)?(?![.\w]))\s*"
    rb'(?:~?\0(\d+)\0|"((?:\\.|[^"\\])*)"|NIL)',
    re.IGNORECASE,
)
_QUOTED = re.compile(rb'"(?:\\.|[^"\\])*"')
LISTED = re.compile(
    rb'LIST\s+\((?P<flags>[^)]*)\)\s+(?:"(?:\\?(?P<separator>.))?"|NIL|(?P<bare>[^\s"]))\s+(?P<name>.+)$',
    re.IGNORECASE | re.DOTALL,
)
_DATE = re.compile(
    rb"\s*(\d{1,2})-(\w{3})-(\d{4})\s+(\d{1,2}):(\d\d):(\d\d)\s+(?:([+-])(\d\d):?(\d\d)|GMT|UTC?|Z)\s*", re.IGNORECASE
)
_ALL = re.compile(rb"\bALL\s+([\d:,]+)", re.IGNORECASE)
_RANGE = re.compile(rb"(\d{1,20}):(\d{1,20})")
_MAX_NUMBERS = 1_000_000
_MONTHS = {name: number for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_UID = re.compile(rb"\bUID\s+(\d{1,20})", re.IGNORECASE)
_FLAGS = re.compile(rb"FLAGS\s+\(([^)]*)\)", re.IGNORECASE)
_RECEIVED = re.compile(rb'INTERNALDATE\s+"([^"]+)"', re.IGNORECASE)
_SIZE = re.compile(rb"RFC822\.SIZE\s+(\d{1,20})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the server returned for one message."""

    uid: int
    flags: frozenset[str]
    received: datetime | None
    size: int
    body: bytes | None = field(repr=False)
    """The requested section; None when the server did not return it, which differs from an empty one."""


def quoted(text: str) -> str:
    """Returns the text as a quoted string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def search_text(text: str) -> str | bytes:
    """Returns a text as `ImapSession.search` takes it: quoted if it is plain ASCII, else a literal in UTF-8."""
    return quoted(text) if text.isascii() and text.isprintable() else sendable(text).encode()


def with_literals(arguments: Sequence[str | bytes]) -> tuple[list[str], list[bytes]]:
    """Returns what is sent at once, and the pieces that follow, one each time the server asks for more."""
    pieces = [bytearray()]
    before: str | bytes = "("
    for argument in arguments:
        if before != "(" and argument != ")":
            pieces[-1] += b" "
        if isinstance(argument, bytes):
            pieces[-1] += b"{%d}" % len(argument)
            pieces.append(bytearray(argument))
        else:
            pieces[-1] += argument.encode(errors="surrogateescape")
        before = argument
    first, *following = pieces
    return [first.decode(errors="surrogateescape")] if first else [], [bytes(piece) + b"\r\n" for piece in following]


def numbers(name: bytes, responses: Sequence[Sequence[bytes]]) -> list[int]:
    """Returns the numbers in the responses of this name, in order; also those of sets such as `2,4:6` (ESEARCH).

    Raises:
        ConnectorError: They are more than any folder holds.
    """
    found: list[int] = []
    for response in responses:
        words = response[0].split()
        if words and words[0].upper() == name:
            _add_numbers(b",".join(words[1:]), found)
        elif words and words[0].upper() == b"E" + name and (everything := _ALL.search(response[0])):
            _add_numbers(everything[1], found)
    return found


def _add_numbers(numbers: bytes, found: list[int]) -> None:
    for piece in numbers.split(b","):
        if is_number(piece):  # nearly all
            low = high = int(piece)
        elif match := _RANGE.fullmatch(piece):
            low, high = sorted((int(match[1]), int(match[2])))
        else:
            continue
        if high - low + len(found) >= _MAX_NUMBERS:
            raise ConnectorError(
                "IMAP_REFUSED", f"the server lists more than {_MAX_NUMBERS:,} mails; move some to another folder"
            )
        found += range(low, high + 1)


def held(response: list[bytes]) -> tuple[bytes, list[bytes]]:
    """Returns a response as one line, with each literal replaced by its number between NULs, and the literals."""
    pieces: list[bytes] = []
    literals: list[bytes] = []
    for index, fragment in enumerate(response):
        if index % 2:
            pieces.append(b"\0%d\0" % len(literals))
            literals.append(fragment)
        else:
            pieces.append(LITERAL.sub(b"", fragment))
    return b"".join(pieces), literals


def string(value: bytes, literals: list[bytes]) -> bytes:
    """Returns a string of an answer, without its quotes or from the literals."""
    if held := _HELD.match(value):
        return literals[int(held[1])]
    if value.startswith(b'"'):
        return re.sub(rb"\\(.)", rb"\1", value[1:].removesuffix(b'"'))
    return value


@dataclass(slots=True)
class _Items:
    """The items of one message, merged from all its responses."""

    uid: int | None = None
    flags: frozenset[str] | None = None
    received: datetime | None = None
    size: int | None = None
    body: bytes | None = None

    def add(self, later: _Items) -> None:
        """Merges a later response: its items replace ours, and what it omits stays."""
        for name in ("uid", "flags", "received", "size", "body"):
            if (value := getattr(later, name)) is not None:
                setattr(self, name, value)


def fetched(responses: Sequence[list[bytes]]) -> dict[int, Fetched]:
    """Merges the FETCH responses by UID.

    A server may split a message's items over several responses, only one of which has the UID, and may report changed
    flags in between. Responses without a UID are matched by the message's number, as long as no EXPUNGE has reassigned
    the numbers.
    """
    by_number: dict[int, _Items] = {}
    found: list[_Items] = []
    for response in responses:
        if gone := _EXPUNGED.match(response[0]):
            expunged = int(gone[1])
            by_number = {number - (number > expunged): one for number, one in by_number.items() if number != expunged}
        elif _VANISHED.match(response[0]):
            by_number = {}  # it names UIDs, so the numbers of the other messages are unknown now
        elif match := _FETCHED.match(response[0]):
            items, number = _items(response), int(match[1])
            known = by_number.get(number)
            if known is None or (items.uid is not None and known.uid not in (None, items.uid)):
                known = by_number[number] = _Items()
                found.append(known)
            known.add(items)
    merged: dict[int, _Items] = {}
    for one in found:
        if one.uid is not None:
            merged.setdefault(one.uid, _Items()).add(one)
    return {
        uid: Fetched(
            uid=uid,
            flags=one.flags or frozenset(),
            received=one.received,
            size=len(one.body or b"") if one.size is None else one.size,
            body=one.body,
        )
        for uid, one in merged.items()
    }


def _items(response: list[bytes]) -> _Items:
    line, literals = held(response)
    items = _Items()
    if match := _BODY.search(line):
        if match[1] is not None:
            items.body = literals[int(match[1])]
        elif match[2] is not None:
            items.body = re.sub(rb"\\(.)", rb"\1", match[2])
        line = line[: match.start()] + line[match.end() :]
    date, line = _RECEIVED.search(line), _QUOTED.sub(b"", line)  # other quoted strings may look like anything
    flags = _FLAGS.search(line)
    if flags:
        line = line[: flags.start()] + line[flags.end() :]
    uid, size = _UID.search(line), _SIZE.search(line)
    items.uid = int(uid[1]) if uid else None
    items.flags = frozenset(flags[1].decode("ascii", "replace").lower().split()) if flags else None
    items.received = _date(date[1]) if date else None
    items.size = int(size[1]) if size else None
    return items


def _date(raw: bytes) -> datetime | None:
    match = _DATE.fullmatch(raw)
    month = _MONTHS.get(match[2].lower()) if match else None
    if match is None or month is None:
        return None
    day, year, hour, minute, second, hours, minutes = (int(match[group] or 0) for group in (1, 3, 4, 5, 6, 8, 9))
    away = timedelta(hours=hours, minutes=minutes) * (1 if match[7] == b"+" else -1)
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC) - away
    except (ValueError, OverflowError):
        return None


class Refused(ConnectorError):  # noqa: N818 - the server's answer
    """The server answered NO or BAD.

    Args:
        text: What it said.
        is_misunderstood: Whether it said BAD: it does not know the command, or does not accept this form of it.
    """

    def __init__(self, command: str, text: str, *, is_misunderstood: bool = False) -> None:
        super().__init__("IMAP_REFUSED", f"the server refused {command}: {text}")
        self.text = text
        self.is_misunderstood = is_misunderstood


@dataclass(frozen=True, slots=True)
class Selected:
    """An open folder."""

    name: str
    uid_validity: int
    messages: int
    newest: int = 0
    """The highest UID assigned when it was opened; 0 when the server does not say."""
