"""Model mail servers, logins, envelopes, replies and receipts: the plain data of a mail transaction."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from zeebe_connectors import Secret
from zeebe_connectors.net import custody

Security = Literal["none", "starttls", "tls", "opportunistic"]
Method = Literal["auto", "plain", "login", "cramMd5", "xoauth2"]
TokenSource = Callable[[bool], Awaitable[str]]
"""Returns an access token; the argument is true when the last one was refused, so that a cached one is no use."""

PORTS: dict[str, int] = {"none": 25, "starttls": 587, "tls": 465, "opportunistic": 25}
# At the start of the text, or at its end as in qmail's "sorry, no mailbox here (#5.1.1)".
_TOO_MANY = re.compile(
    r"too many (\w+ )?(recipients|rcpt)|recipients? (\w+ )?(limit|count)|"
    r"(limit|maximum|max|number) (\w+ ){0,3}(recipients|rcpts?)\b"
)
_RATE = re.compile(r"\brate|\bdaily|\bday\b|\bhour|\bminute|quota")
"""Words for a limit on recipients in a time, which another transaction would exceed as well."""
_ENHANCED = re.compile(r"\s*#?([245]\.\d{1,3}\.\d{1,3})(?=[\s:]|$)|.*\(#([245]\.\d{1,3}\.\d{1,3})\)", re.DOTALL)


class Reply(NamedTuple):
    """A server's answer: its code and its text, lines joined by line feeds."""

    code: int
    text: str

    @property
    def is_positive(self) -> bool:
        """Whether the server did what it was to do; the first digit decides (RFC 5321, 4.3.2)."""
        return 200 <= self.code < 300

    @property
    def enhanced(self) -> str | None:
        """The enhanced status code such as `5.1.1` (RFC 3463); None if the server gives none."""
        found = _ENHANCED.match(self.text)
        return (found[1] or found[2]) if found else None

    def __str__(self) -> str:
        return f"{self.code} {' '.join(custody.masked(self.text).split())[:300]}".strip()


@dataclass(frozen=True, slots=True)
class Login:
    """How to sign in."""

    method: Method
    username: str
    password: Secret | None = None
    token_key: Hashable = None
    """For XOAUTH2: distinguishes sources of tokens."""


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server and how to reach it; equal ones share their sessions."""

    host: str
    port: int
    security: Security
    login: Login | None = None
    client_name: str | None = None
    trusted: str = ""
    """PEM certificates of authorities; if given, only these are trusted."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Envelope:
    """Sender and recipients as sent to the server, with domains as A-labels."""

    sender: str
    recipients: Sequence[str]
    utf8: bool = False
    """Whether an address has non-ASCII letters before its @, so that SMTPUTF8 is needed."""
    all_or_none: bool = True
    """Whether one refused recipient stops the mail for all."""
    notify: str | None = None
    """Value of NOTIFY (RFC 3461), such as `FAILURE,DELAY`."""
    returns: Literal["FULL", "HDRS"] | None = None
    envelope_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One recipient that the server refused, with its reason."""

    address: str
    code: int
    reason: str

    @property
    def temporary(self) -> bool:
        """Whether the server may accept it later."""
        return 400 <= self.code < 500

    @property
    def too_many(self) -> bool:
        """Whether only the number of recipients was too high (RFC 5321, 4.5.3.1.10)."""
        reason = self.reason.lower()
        if self.code in {452, 552} and ("4.5.3" in reason or "too many" in reason):
            return True
        return ".5.3 " in reason or (_TOO_MANY.search(reason) is not None and _RATE.search(reason) is None)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the server accepted."""

    accepted: list[str]
    refused: list[Refusal]
    reply: str
    warnings: list[str]
