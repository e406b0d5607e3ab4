"""Decide from a mail server's words whether a refusal is temporary and what to do, for IMAP and POP3 alike."""

from __future__ import annotations

import re


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_SURELY_FOR_NOW = _any(
    r"\[(UNAVAILABLE|SERVERBUG|INUSE|IN-USE|LIMIT|SYS/TEMP|LOGIN-DELAY)\]", "tempora", "vor\u00fcbergehend"
)
_FOR_GOOD = _any(
    r"\[(AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|EXPIRED|PRIVACYREQUIRED|AUTH|SYS/PERM)\]",
    "mechanism",
    r"unknown (user|mailbox|account)|(user|mailbox|account) (is )?(unknown|disabled|suspended)",
    r"no such (user|mailbox|account)",
    r"(invalid|wrong|bad|incorrect) (\w+ )?(password|credentials|login|user)",
    r"password (is )?(incorrect|wrong|invalid|expired)",
    r"(failed|unsuccessful|invalid|bad) (log-?in|sign-?in|authentication|password)s?\b( attempts?)?",
)
_FOR_NOW = _any(
    r"(system|server|internal|i/o|database|backend|ldap|proxy|sql) (\w+ )?(error|failure|failed)",
    r"(server|service|backend|system|proxy|database) (is |are )?(\w+ )?"
    r"(unavailable|busy|overloaded|down\b|offline|full|not ready)",
    r"(unable|cannot|can't|could not|failed) to (contact|connect|reach)|(cannot|can't) (contact|connect|reach)",
    r"(connect|connection) to (\w+ )?(backend|server|database|service|proxy)|proxying",
    r"\bnot connected|command error\. \d",
    r"already (locked|in use|open)|another (\w+ )?(session|process|client)|being (used|moved|migrated)|in progress",
    r"shut(ting)? ?down|going down|maintenance|restarting|process died",
    r"out of (memory|disk|space)|(disk|file system) full|no space left",
    r"command or bandwidth limit",
    r"unavailable|not available|generic failure",
    r"(maildrop|mailbox|mail drop|folder) (is )?(\w+ )?(locked|in use|busy)|account (is )?(in use|busy)",
    r"(unable|cannot|can't|could not|failed) to (get |obtain |acquire |create )?(a |the )?(\w+ )?lock",
    r"lock(ing)? (busy|timeout|failed)|waiting for (a |the )?lock|\beagain\b",
    r"(try|retry)( \w+)? (again|later)|try again|please (re)?try",
    r"too many (?!arg|param|words)|maximum number of|no more (connections|sessions)",
    r"(connection|rate|session|login|concurrency) limit|throttl",
    r"resources? (are |is )?(low|exhausted)|(low on|insufficient|not enough) (\w+ )?(resources|memory|space|storage)",
    r"timed? ?out|over ?load|autologout|session (has )?expired",
    r"\brate (limit )?(was |is |has been )?exceeded|slow down|load (is )?too high|high load",
    r"connection (was |is |has been )?(refused|closed|dropped|lost|reset)|\breconnect\b",
    r"at (this time|the moment)|right now|on another device|exclusive lock|(^|[\s(])4\.\d\.\d+\b",
    r"(mail ?store|message store|storage) (is )?(closed|down)|open (the )?(mail|message) ?store",
)


def is_temporary(text: str) -> bool:
    """Returns whether a refusal is temporary: the server is away, busy or at its limit, whoever asks.

    A contrary response code (RFC 5530, RFC 2449, RFC 3206) outweighs vague words.
    """
    if _SURELY_FOR_NOW.search(text):
        return True
    return _FOR_GOOD.search(text) is None and _FOR_NOW.search(text) is not None


_UNENCRYPTED = _any(
    r"PRIVACYREQUIRED",
    r"(plain|clear)[ -]?text",
    r"start ?tls|\bstls\b|\b(ssl|tls)\b|encrypt|secure (connection|channel|session)",
)


def login_advice(text: str, *, encrypted: bool) -> str:
    """Returns what to do about a refused login.

    Args:
        text: What the server said.
        encrypted: Whether the session is.
    """
    if not encrypted and _UNENCRYPTED.search(text):
        return "Set security to STARTTLS or TLS: the server takes no password on an unencrypted connection"
    return "Check user name and password or token; many providers require an app password or OAuth 2.0"
