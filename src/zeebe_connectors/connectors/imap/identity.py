"""Name mails so that the ledger knows them again: by folder and UID, and by what stays when the UID changes."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from zeebe_connectors import Alias
from zeebe_connectors.connectors.imap.conditions import header_of
from zeebe_connectors.connectors.imap.model import Mailbox
from zeebe_connectors.mail.imap_syntax import Fetched, Selected


def place_of(mailbox: Mailbox, folder: str) -> str:
    """Returns account and folder, the first part of events' ids."""
    user, host = quote(mailbox.authentication.username, safe="@"), mailbox.data.imap_config.imap_host
    return f"imap:{user}@{host}/{quote(folder, safe='')}"


def event_id(place: str, selected: Selected, uid: int) -> str:
    """Returns the id of a mail's event: its folder, the folder's numbering, and its number."""
    return f"{place}/{selected.uid_validity}/{uid}"


def alias_of(head: Fetched, folder: str, selected: Selected, *, newest: int = 0) -> Alias | None:
    """Returns what identifies a mail under another number: receipt date, size and Message-ID, or else its headers.

    None for a mail whose headers are not known.
    """
    if head.body is None:
        return None
    identity = header_of(head, "message-id") or hashlib.sha256(head.body).hexdigest()
    received = int(head.received.timestamp()) if head.received else 0
    size = head.size if received else 0  # without a date nothing says that it came back
    return Alias(f"{received} {identity[:300]}", folder, str(selected.uid_validity), size=size, newest=newest)
