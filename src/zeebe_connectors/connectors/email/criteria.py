"""Translate search criteria into IMAP's search words, or apply them to mails read over POP3."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from zeebe_connectors import InputError

MAX_DEPTH = 20
MAX_LEAVES = 200
MAX_VALUE = 1000

Field = Literal["FROM", "SUBJECT", "BODY"]
_FIELDS: dict[str, Field] = {"FROM": "FROM", "SUBJECT": "SUBJECT", "BODY": "BODY"}


@dataclass(frozen=True, slots=True)
class Leaf:
    """A criterion: a field of the mail contains a text, in upper or lower case."""

    field: Field
    value: str


@dataclass(frozen=True, slots=True)
class Several:
    """Criteria joined by AND or OR."""

    every: bool
    of: tuple[Criterion, ...]


Criterion = Leaf | Several


def read_criteria(given: Any, *, field: str) -> Criterion:
    """Reads the tree of criteria.

    Args:
        given: `{field, value}`, or `{operator, criteria}`.
        field: Name of the input, for messages.

    Raises:
        InputError: Which part is wrong, why, and what to write.
    """
    return _Reader().read(given, field, depth=0)


class _Reader:
    def __init__(self) -> None:
        self._leaves = 0

    def read(self, given: Any, field: str, *, depth: int) -> Criterion:
        if not isinstance(given, Mapping):
            raise InputError(f'{field}: must be a context such as ={{field: "SUBJECT", value: "order"}}')
        if depth >= MAX_DEPTH:
            raise InputError(f"{field}: is nested more than {MAX_DEPTH} levels deep; flatten it")
        if given.get("operator") is not None:
            return self._several(given, field, depth=depth)
        self._leaves += 1
        if self._leaves > MAX_LEAVES:
            raise InputError(f"{field}: is one of more than {MAX_LEAVES} criteria; use fewer")
        name, value = given.get("field"), given.get("value")
        known = _FIELDS.get(name.strip().upper()) if isinstance(name, str) else None
        if known is None:
            raise InputError(f"{field}.field: must be FROM, SUBJECT or BODY")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise InputError(f"{field}.value: must be the text to search for")
        text = str(value)
        if len(text) > MAX_VALUE:
            raise InputError(f"{field}.value: has more than {MAX_VALUE} characters; search for a part of it")
        if any(sign in text for sign in "\r\n\0"):
            raise InputError(f"{field}.value: must be one line; search for a part of it")
        return Leaf(known, text)

    def _several(self, given: Mapping[str, Any], field: str, *, depth: int) -> Several:
        operator, of = given["operator"], given.get("criteria")
        if not isinstance(operator, str) or operator.strip().upper() not in {"AND", "OR"}:
            raise InputError(f"{field}.operator: must be AND or OR")
        if isinstance(of, Mapping):
            of = [of]
        if not isinstance(of, list) or not of:
            raise InputError(f"{field}.criteria: must be a list of criteria, with one at least")
        members = tuple(
            self.read(item, f"{field}.criteria[{position}]", depth=depth + 1) for position, item in enumerate(of, 1)
        )
        return Several(operator.strip().upper() == "AND", members)


def search_words(criterion: Criterion, spelled: Callable[[str], str | bytes]) -> list[str | bytes]:
    """Returns the criterion in the syntax of IMAP's SEARCH (RFC 3501, 6.4.4).

    Args:
        criterion: What to search for.
        spelled: Writes a text as an argument.
    """
    if isinstance(criterion, Leaf):
        return [criterion.field, spelled(criterion.value)]
    members = [search_words(member, spelled) for member in criterion.of]
    if len(members) == 1:
        return members[0]
    if criterion.every:
        return ["(", *(word for member in members for word in member), ")"]
    words = members[-1]  # OR takes two
    for member in reversed(members[:-1]):
        words = ["OR", *member, *words]
    return words


def holds(criterion: Criterion, sender: str, subject: str, bodies: Sequence[str] | None) -> bool | None:
    """Returns whether a mail fits; None if that depends on its body, and the body is unknown.

    Args:
        criterion: What to look for.
        sender: Its From header, decoded.
        subject: Its subject.
        bodies: Its texts; None when they were not read.
    """
    if isinstance(criterion, Leaf):
        value = criterion.value.casefold()
        if criterion.field == "BODY":
            return None if bodies is None else any(value in body.casefold() for body in bodies)
        return value in (subject if criterion.field == "SUBJECT" else sender).casefold()
    verdicts = [holds(member, sender, subject, bodies) for member in criterion.of]
    decisive = not criterion.every  # one that does not hold decides AND, one that holds decides OR
    if decisive in verdicts:
        return decisive
    return None if None in verdicts else criterion.every
