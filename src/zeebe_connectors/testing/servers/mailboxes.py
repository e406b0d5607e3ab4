"""Hold mails in memory: addresses with folders, which the IMAP, POP3 and SMTP servers for tests share."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def internal_date(moment: datetime) -> str:
    """Format a time as IMAP does: `03-Nov-2026 10:00:00 +0000`."""
    return f"{moment:%d}-{_MONTHS[moment.month - 1]}-{moment:%Y %H:%M:%S %z}"


@dataclass
class Message:
    r"""One mail in a folder.

    Attributes:
        uid: Its number, which is never reused in its folder.
        raw: The mail as received.
        flags: Such as `\Seen`.
        date: When it arrived, in IMAP's format.
    """

    uid: int
    raw: bytes
    flags: set[str] = field(default_factory=set)
    date: str = "03-Nov-2026 10:00:00 +0000"


@dataclass
class Folder:
    """A folder of a mailbox.

    Attributes:
        validity: Its UIDVALIDITY.
        next_uid: The number of the next mail.
        messages: The mails, the oldest first.
    """

    validity: int = 1
    next_uid: int = 1
    messages: list[Message] = field(default_factory=list)

    def add(self, raw: bytes, *, flags: set[str] | None = None, date: str | None = None) -> Message:
        """Add a mail; return its entry."""
        message = Message(self.next_uid, raw, flags or set())
        if date is not None:
            message.date = date
        self.next_uid += 1
        self.messages.append(message)
        return message


@dataclass
class Mailbox:
    """The mailbox of one address: folders by their names in IMAP's encoding."""

    folders: dict[str, Folder] = field(default_factory=lambda: {"INBOX": Folder()})


class Mailboxes:
    """All mailboxes by address; an unknown address gets an empty one.

    Args:
        users: Passwords by address: only these may log in. None lets every address log in, with any password.
    """

    def __init__(self, users: dict[str, str] | None = None) -> None:
        self.users = users
        self._mailboxes: dict[str, Mailbox] = {}
        self._watchers: list[Callable[[Folder], None]] = []

    def __iter__(self) -> Iterator[str]:
        """Return the addresses that have a mailbox."""
        return iter(sorted(self._mailboxes))

    def admits(self, user: str, password: str) -> bool:
        """Return whether this user may log in with this password."""
        return self.users is None or self.users.get(user) == password

    def of(self, address: str) -> Mailbox:
        """Return the mailbox of an address."""
        return self._mailboxes.setdefault(address.lower(), Mailbox())

    def deliver(self, address: str, raw: bytes, folder: str = "INBOX") -> Message:
        """Put a mail into a mailbox with the current date, and notify its watchers."""
        into = self.of(address).folders.setdefault(folder, Folder(int(time.time())))
        message = into.add(raw, date=internal_date(datetime.now(UTC)))
        for tell in list(self._watchers):
            tell(into)
        return message

    def watch(self, tell: Callable[[Folder], None]) -> None:
        """Call a function with the folder whenever a mail arrives."""
        self._watchers.append(tell)

    def clear(self) -> None:
        """Delete the mails of all mailboxes; their numbers are not reused."""
        for mailbox in self._mailboxes.values():
            for folder in mailbox.folders.values():
                folder.messages.clear()


def header(raw: bytes, name: str) -> str:
    """Return a header's raw value, unfolded; empty if there is none."""
    found = re.search(
        rb"(?im)^" + re.escape(name.encode()) + rb":((?:.*(?:\r?\n[ \t].*)*))", raw.partition(b"\r\n\r\n")[0]
    )
    return re.sub(r"\r?\n\s*", " ", found[1].decode("utf-8", "replace")).strip() if found else ""


def message(
    subject: str = "s", body: str = "text", sender: str = "ann@example.test", message_id: str | None = None
) -> bytes:
    """Make a plain mail to `alice@example.test`."""
    identity = message_id or f"{subject}@example.test"
    return (
        f"From: {sender}\r\nTo: alice@example.test\r\nSubject: {subject}\r\nMessage-ID: <{identity}>\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{body}"
    ).encode()
