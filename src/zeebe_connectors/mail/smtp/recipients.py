"""Read senders and recipients as a modeler writes them: one address or many, with names, checked before any is used.

RFC 5322 for the grammar, RFC 6531 for letters beyond ASCII, IDNA for their domains.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zeebe_connectors import InputError
from zeebe_connectors.mail.smtp.header_fields import CONTROL, encoded_words

_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_LOCAL = re.compile(rf'{_ATOM}(\.{_ATOM})*|"([^"\\\x00-\x1f\x7f]|\\[ -~])*"')
_LABELS = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?")
_LITERAL = re.compile(r"\[(IPv6:[0-9A-Fa-f:.]+|\d{1,3}(\.\d{1,3}){3})\]")
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: display name and address; the domain in its ASCII form."""

    name: str
    address: str

    @property
    def utf8(self) -> bool:
        """Whether it needs SMTPUTF8."""
        return not self.address.isascii()

    def __str__(self) -> str:
        if not self.name:
            return self.address
        if not self.name.isascii() or "=?" in self.name:
            return f"{encoded_words(self.name)} <{self.address}>"
        if _PHRASE.fullmatch(self.name):
            return f"{self.name} <{self.address}>"
        quoted = self.name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{self.address}>'


def addresses(value: Any, *, field: str) -> list[Address]:  # noqa: A002, RUF100 - the input field's name, as elsewhere
    """Reads mailboxes from a list, or from text with commas or semicolons between them.

    Args:
        value: Text such as `"Doe, John" <john@example.com>, jane@example.com`, in brackets or not, or a list of such
            texts; None for none.
        field: Name of the input, for the message.

    Raises:
        InputError: `INVALID_ADDRESS` names the field, the position and what is wrong.
    """
    if value is None:
        return []
    texts = [value] if isinstance(value, str) else value
    found: list[Address] = []
    for text in texts:
        if not isinstance(text, str):
            raise _wrong_address(field, len(found), "is not text")
        if _PLAIN_ADDRESS.fullmatch(text):
            found.append(_checked("", text, field, len(found)))
            continue
        stripped = without_brackets(text.strip())
        if CONTROL.search(stripped):
            raise _wrong_address(field, len(found), "contains a line break or control character")
        for name, address in _mailboxes(stripped, field, len(found)):
            found.append(_checked(name, address, field, len(found)))
    return found


def without_brackets(text: str) -> str:
    """Returns a list that was written as text, such as `[a@example.com, b@example.com]`, with commas only."""
    stripped = text.strip()
    if not (stripped.startswith("[") and stripped.endswith("]")):
        return text
    try:
        items = json.loads(stripped)
    except (ValueError, RecursionError):
        return re.sub(r"(?<![^\s,;])(['\u2018])([^'\u2019]*)['\u2019](?=\s*([,;]|$))", r"\2", stripped[1:-1].strip())
    # What is no text stays in sight, so that it is refused as an address instead of left out.
    return ", ".join(item if isinstance(item, str) else json.dumps(item) for item in items if item is not None)


def address(value: Any, *, field: str) -> Address:  # noqa: RUF100
    """Reads exactly one mailbox.

    Raises:
        InputError: `INVALID_ADDRESS`.
    """
    found = addresses(value, field=field)
    if len(found) != 1:
        raise InputError(
            f"{field}: must be exactly one address, such as billing@example.com or Billing <billing@example.com>",
            code="INVALID_ADDRESS",
        )
    return found[0]


def _wrong_address(field: str, position: int, reason: str) -> InputError:
    return InputError(
        f"{field}: address {position + 1} {reason}. Write it as name@example.com or "
        '"Doe, John" <john@example.com>, with commas between several',
        code="INVALID_ADDRESS",
    )


def _mailboxes(text: str, field: str, position: int) -> Iterator[tuple[str, str]]:
    """Splits at commas and semicolons outside quotes, comments and angle brackets; yields display name and address."""
    for part in _split(text, field, position):
        opening = part.find("<", _closing_quote(part, part.find('"')) if part.startswith('"') else 0)
        if opening < 0:
            yield "", part
        elif not part.endswith(">") or part.count("<", opening) > 1 or part.count(">", opening) > 1:
            raise _wrong_address(field, position, "has misplaced angle brackets; a comma may be missing")
        else:
            yield _display_name(part[:opening].strip()), part[opening + 1 : -1].strip()
        position += 1


def _split(text: str, field: str, position: int) -> Iterator[str]:
    """Yields the parts between commas and semicolons, without comments."""
    part: list[str] = []
    at = 0
    while at < len(text):
        sign = text[at]
        end = at
        if sign in ",;":
            if found := "".join(part).strip():
                yield found
                position += 1
            part.clear()
        elif sign in _CLOSING:
            end = _CLOSING[sign](text, at)
            if end < 0:
                raise _wrong_address(field, position, f"has a {sign} that is not closed")
            if sign != "(":
                part.append(text[at : end + 1])
        else:
            part.append(sign)
        at = end + 1
    if found := "".join(part).strip():
        yield found


def _closing_quote(text: str, start: int) -> int:
    at = start + 1
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == '"':
            return at
        at += 1
    return -1


def _closing_parenthesis(text: str, start: int) -> int:
    depth = 0
    for at in range(start, len(text)):
        if text[at] == "(":
            depth += 1
        elif text[at] == ")":
            depth -= 1
            if depth == 0:
                return at
    return -1


_CLOSING: Mapping[str, Callable[[str, int], int]] = {
    '"': _closing_quote,
    "(": _closing_parenthesis,
    "<": lambda text, at: text.find(">", at),
}


def _display_name(phrase: str) -> str:
    """Returns a phrase without its quotes and backslashes."""
    if '"' not in phrase:
        return " ".join(phrase.split())
    plain = re.sub(r'"((?:[^"\\]|\\.)*)"', lambda found: re.sub(r"\\(.)", r"\1", found.group(1)), phrase)
    return plain.strip()


def _checked(name: str, text: str, field: str, position: int) -> Address:
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        raise _wrong_address(field, position, "has no @ with a name before it and a domain after it")
    if any(not c.isprintable() or c.isspace() for c in local if not c.isascii()):
        raise _wrong_address(field, position, "has invisible characters before its @")
    if not _LOCAL.fullmatch(local) or len(local.encode()) > 64:
        raise _wrong_address(field, position, "has characters before its @ that are not allowed there")
    if not domain.isascii():
        try:
            import idna  # noqa: PLC0415 - its tables are large, and needed for few addresses

            domain = idna.encode(domain, uts46=True).decode()
        except UnicodeError:  # the library's errors are subclasses
            raise _wrong_address(field, position, "has a domain that is not valid as an international name") from None
    if len(domain) > 253 or not (_LABELS.fullmatch(domain) or _LITERAL.fullmatch(domain)):
        raise _wrong_address(field, position, "has a domain that is not valid")
    return Address(name, f"{local}@{domain}")
