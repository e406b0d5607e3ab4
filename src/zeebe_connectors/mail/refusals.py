"""Tells from a mail server's words whether a refusal is for now or for good, for IMAP and POP3 alike."""

from __future__ import annotations

import re


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_FOR_NOW = _any(
    r"\[(UNAVAILABLE|SERVERBUG|INUSE|IN-USE|LIMIT|SYS/TEMP|LOGIN-DELAY)\]",
    r"temporar",
    r"(system|server|internal|i/o|database|backend|ldap) (\w+ )?(error|failure)",
    r"(server|service|backend|system) (is )?(\w+ )?(unavailable|busy|overloaded|down\b|offline)",
    r"\bnot connected",
    r"already (locked|in use|open)",
)
_FOR_GOOD = _any(r"\[(AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|EXPIRED|PRIVACYREQUIRED|AUTH|SYS/PERM)\]", "mechanism")
_PERHAPS_FOR_NOW = _any(
    r"unavailable|not available",
    r"(maildrop|mailbox|mail drop|account|folder) (is )?(\w+ )?(locked|in use|busy)",
    r"(unable|cannot|can't|could not|failed) to (get |obtain |acquire )?(a |the )?lock|lock (busy|timeout)",
    r"(try|retry)( \w+)? (again|later)|try again",
    r"too many|maximum number of|(connection|rate|session) limit|throttl",
    r"timed? ?out|over ?load",
)


def is_temporary(text: str) -> bool:
    """Whether a refusal is for now: the server is away, busy or at its limit, whoever asks.

    A response code that says the contrary (RFC 5530, RFC 2449, RFC 3206) counts for more than vague words.
    """
    if _FOR_NOW.search(text):
        return True
    return _FOR_GOOD.search(text) is None and _PERHAPS_FOR_NOW.search(text) is not None
