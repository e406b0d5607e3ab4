"""Decide which mails of a folder count: what the server is asked for, and what their headers must meet."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import timedelta

import regex

from zeebe_connectors.connectors.imap.model import Watching
from zeebe_connectors.mail.imap_syntax import Fetched
from zeebe_connectors.mail.reading.header_text import header_text

HEADERS = "HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)"
"""What this module and `identity` need to have fetched of a mail."""
_MAX_HEADER = 8 * 1024  # bytes of a header in which something is looked for
_HEADER = {
    name: re.compile(rb"(?im)^" + name.encode() + rb":((?:.*(?:\r?\n[ \t].*)*))")
    for name in ("from", "message-id", "subject")
}


def criteria(watching: Watching) -> list[str]:
    """Returns the server's search; it knows whole days only, in its own zone."""
    found = ["UNDELETED"]
    if watching.unread_only:
        found.append("UNSEEN")
    if watching.since is not None:
        day = watching.since - timedelta(days=1)
        months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        found += ["SINCE", f"{day.day}-{months[day.month - 1]}-{day.year}"]
    return found


async def select_fitting(watching: Watching, heads: Sequence[Fetched]) -> list[Fetched]:
    """Returns the mails whose headers meet the conditions; in a thread if that may take long."""

    def work() -> list[Fetched]:
        return [head for head in heads if head.body is None or fits(watching, head)]

    return await asyncio.to_thread(work) if watching.subject_pattern else work()


def fits(watching: Watching, head: Fetched) -> bool:
    """Returns whether a mail's headers meet the conditions."""
    if watching.since is not None and head.received is not None and head.received < watching.since:
        return False
    if watching.sender_contains and watching.sender_contains.casefold() not in header_of(head, "from").casefold():
        return False
    if not (watching.subject_contains or watching.subject_pattern):
        return True
    subject = header_of(head, "subject")
    if watching.subject_contains.casefold() not in subject.casefold():
        return False
    if watching.subject_pattern:
        try:
            return regex.search(watching.subject_pattern, subject, timeout=1, concurrent=True) is not None
        except TimeoutError:
            return False
    return True


def header_of(head: Fetched, name: str) -> str:
    """Returns one header of a mail as text; empty if it has none, or if its headers are unknown."""
    match = _HEADER[name].search(head.body or b"")
    return header_text(match[1][:_MAX_HEADER]) if match else ""
