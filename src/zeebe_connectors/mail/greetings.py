"""Recognize other protocols by what a server says first, for sessions that were given the wrong port or security."""

from __future__ import annotations

import re

TLS_RECORDS = (b"\x15\x03", b"\x16\x03")
"""How an alert and a handshake of TLS begin."""
_PROTOCOLS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"HTTP/\d"), "HTTP"),
    (re.compile(rb"SSH-\d"), "SSH"),
    (re.compile(rb"\d{3}[ -].*SMTP", re.IGNORECASE), "SMTP"),
    (re.compile(rb"\d{3}[ -].*FTP", re.IGNORECASE), "FTP"),
    (re.compile(rb"20[01] "), "NNTP"),
    (re.compile(rb"(?:220|421|554)[ -]"), "SMTP or FTP"),
    (re.compile(rb"\+OK|-ERR"), "POP3"),
    (re.compile(rb"\* +(?:OK|PREAUTH|BYE)\b", re.IGNORECASE), "IMAP"),
    (re.compile(rb'"IMPLEMENTATION"', re.IGNORECASE), "ManageSieve"),
)


def other_protocol(first: bytes, wanted: str) -> str | None:
    """Returns what to do about a server that speaks another protocol; None if it is not known to.

    Args:
        first: What the server said first.
        wanted: The protocol that was expected.
    """
    if first.startswith(TLS_RECORDS):
        return "this port speaks TLS from the start: choose TLS as security"
    spoken = next((name for pattern, name in _PROTOCOLS if pattern.match(first)), wanted)
    return None if spoken == wanted else f"this port speaks {spoken}, not {wanted}: check host and port"
