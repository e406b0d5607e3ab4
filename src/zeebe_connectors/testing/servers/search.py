"""Parse IMAP's search criteria (RFC 3501, 6.4.4), and find the mails that meet them, decoded as for a reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message as Mail
from email.utils import parsedate_to_datetime

from zeebe_connectors.testing.servers.mailboxes import Folder, Message, header

Test = Callable[[Message], bool]

_FLAGS = {
    "ANSWERED": "\\Answered",
    "DELETED": "\\Deleted",
    "DRAFT": "\\Draft",
    "FLAGGED": "\\Flagged",
    "RECENT": "\\Recent",
    "SEEN": "\\Seen",
}
_DATES: dict[str, Callable[[date, date], bool]] = {
    "BEFORE": lambda had, day: had < day,
    "ON": lambda had, day: had == day,
    "SINCE": lambda had, day: had >= day,
}


class UnknownCriterionError(Exception):
    """The server does not know this criterion, or its argument is missing."""


def search(folder: Folder, words: Sequence[str]) -> list[Message]:
    """Find the mails of a folder that meet all criteria.

    Args:
        folder: The folder.
        words: The command's words: atoms, strings without their quotes, and `(` and `)`.

    Raises:
        UnknownCriterionError: A word is not a known criterion.
    """
    rest = list(words)
    if rest and rest[0].upper() == "CHARSET":
        del rest[:2]
    tests = []
    while rest:
        tests.append(_criterion(folder, rest))
    return [message for message in folder.messages if all(test(message) for test in tests)]


def numbers(text: str, highest: int) -> set[int]:
    """Read a set of numbers such as `1:3,7,9:*`."""
    wanted: set[int] = set()
    for part in text.split(","):
        low, colon, high = part.partition(":")
        ends = [highest if end == "*" else int(end) for end in ([low, high] if colon else [low])]
        wanted.update(range(min(ends), max(ends) + 1))
    return wanted


def _criterion(folder: Folder, rest: list[str]) -> Test:
    word = _next(rest)
    name = word.upper()
    if word == "(":
        tests = []
        while rest and rest[0] != ")":
            tests.append(_criterion(folder, rest))
        _next(rest)
        return lambda message: all(test(message) for test in tests)
    if name == "NOT":
        inner = _criterion(folder, rest)
        return lambda message: not inner(message)
    if name == "OR":
        one, other = _criterion(folder, rest), _criterion(folder, rest)
        return lambda message: one(message) or other(message)
    if name.removeprefix("UN") in _FLAGS:
        flag = _FLAGS[name.removeprefix("UN")]
        return lambda message: (flag in message.flags) != name.startswith("UN")
    if name.removeprefix("SENT") in _DATES:
        return _on(name, _next(rest))
    if name == "HEADER":
        return _in_header(_next(rest), _next(rest))
    if name in _WITH_ARGUMENT:
        return _WITH_ARGUMENT[name](folder, _next(rest))
    return _by_number(folder, word)


def _by_number(folder: Folder, word: str) -> Test:
    if word.upper() == "ALL":
        return lambda _: True
    if not re.fullmatch(r"[\d:,*]+", word):
        raise UnknownCriterionError(word)
    chosen = numbers(word, len(folder.messages))
    return lambda message: folder.messages.index(message) + 1 in chosen


def _next(rest: list[str]) -> str:
    if not rest:
        raise UnknownCriterionError("an argument is missing")
    return rest.pop(0)


def _by_uid(folder: Folder, text: str) -> Test:
    wanted = numbers(text, folder.next_uid)
    return lambda message: message.uid in wanted


def _on(name: str, text: str) -> Test:
    day = datetime.strptime(text, "%d-%b-%Y").date()  # noqa: DTZ007 - IMAP compares dates without a zone
    compare = _DATES[name.removeprefix("SENT")]

    def test(message: Message) -> bool:
        if not name.startswith("SENT"):
            return compare(datetime.strptime(message.date, "%d-%b-%Y %H:%M:%S %z").date(), day)
        sent = header(message.raw, "Date")
        return bool(sent) and compare(parsedate_to_datetime(sent).date(), day)

    return test


def _in_header(name: str, text: str) -> Test:
    wanted = text.casefold()

    def test(message: Message) -> bool:
        found = header(message.raw, name)
        return wanted in found.casefold() or wanted in _decoded(found).casefold()

    return test


def _in_text(wanted: str, *, with_headers: bool) -> Test:
    def test(message: Message) -> bool:
        mail = message_from_bytes(message.raw)
        parts = [_decoded(str(value)) for value in mail.values()] if with_headers else []
        parts += [_text(part) for part in mail.walk() if part.get_content_maintype() == "text"]
        return any(wanted in part.casefold() for part in parts)

    return test


def _text(part: Mail) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    try:
        return data.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        return data.decode("latin-1")


def _decoded(text: str) -> str:
    try:
        return str(make_header(decode_header(text)))
    except (LookupError, ValueError):
        return text


_WITH_ARGUMENT: dict[str, Callable[[Folder, str], Test]] = {
    "UID": _by_uid,
    "KEYWORD": lambda _, flag: lambda message: flag in message.flags,
    "UNKEYWORD": lambda _, flag: lambda message: flag not in message.flags,
    "LARGER": lambda _, size: lambda message: len(message.raw) > int(size),
    "SMALLER": lambda _, size: lambda message: len(message.raw) < int(size),
    "BODY": lambda _, text: _in_text(text.casefold(), with_headers=False),
    "TEXT": lambda _, text: _in_text(text.casefold(), with_headers=True),
    "FROM": lambda _, text: _in_header("From", text),
    "TO": lambda _, text: _in_header("To", text),
    "CC": lambda _, text: _in_header("Cc", text),
    "BCC": lambda _, text: _in_header("Bcc", text),
    "SUBJECT": lambda _, text: _in_header("Subject", text),
}
