"""Turn mails into the results of the actions list and read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from zeebe_connectors import Context, InputError, PermanentError
from zeebe_connectors.connectors.email.results import FoundMail, ListedMail, ReadMail
from zeebe_connectors.mail import read_mail
from zeebe_connectors.mail.reading.addresses import addresses
from zeebe_connectors.mail.reading.dates import date
from zeebe_connectors.mail.reading.header_text import header_text
from zeebe_connectors.mail.reading.mime import Defects, parse_entities
from zeebe_connectors.mail.reading.parts import stored

MAX_HEAD = 64 * 1024
"""Bytes at the start of a mail that are searched for its headers."""
MAX_LISTED = 5000
"""Maximum mails of one result: about 1 MB of variables, which can be encoded without holding up other jobs."""
_LARGE = 8 * 1024  # bytes of headers that are read in a thread, so that the loop goes on
_BLANK_LINE = re.compile(rb"(?<=[^\r\n])\r?\n\r?\n")
_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Head:
    """A mail's headers, as far as lists and searches need them."""

    message_id: str | None
    subject: str | None
    sender: str
    """The From header, decoded."""
    from_address: str | None
    sent: datetime | None
    size: int = 0

    @classmethod
    def of(cls, raw: bytes, *, size: int = 0) -> Head:
        """Reads the headers at the start of a mail.

        Args:
            raw: The mail, or its headers.
            size: Bytes of the whole mail.
        """
        end = _BLANK_LINE.search(raw)
        root = parse_entities(raw[: end.end()] if end else raw[:MAX_HEAD], Defects())
        subject, sender = root.first("Subject"), root.first("From") or b""
        identity = header_text(root.first("Message-ID") or b"")[:1000]
        return cls(
            message_id=identity or None,
            subject=None if subject is None else header_text(subject)[:2000],
            sender=header_text(sender),
            from_address=next((one.address for one in addresses(sender)), None),
            sent=date(root.first("Date") or b""),
            size=size,
        )

    def listed(self) -> ListedMail:
        """Returns the mail's entry in a list."""
        return {
            "messageId": self.message_id,
            "fromAddress": self.from_address,
            "subject": self.subject,
            "size": self.size,
        }

    def found(self) -> FoundMail:
        """Returns the mail's entry in a search."""
        return {"messageId": self.message_id, "subject": self.subject}


async def heads_of(raws: Iterable[tuple[bytes, int]]) -> list[Head]:
    """Reads the headers of several mails, given with their sizes."""
    given = list(raws)

    def work() -> list[Head]:
        return [Head.of(raw, size=size) for raw, size in given]

    return await asyncio.to_thread(work) if sum(len(raw) for raw, _ in given) > _LARGE else work()


def by_date(when: Callable[[Any], datetime | None]) -> Callable[[Any], datetime]:
    """Returns a key to sort by; a mail without a date counts as the oldest."""
    return lambda item: when(item) or _EARLIEST


def wanted_id(message_id: str, *, field: str) -> str:
    """Returns the modeler's Message-ID, without spaces around it.

    Raises:
        InputError: It is empty or holds a line break.
    """
    text = message_id.strip()
    if not text or any(sign in text for sign in "\r\n\0"):
        raise InputError(f"{field}: must be one Message-ID, as a list or search returns it, such as <a1@example.com>")
    return text


def is_same(one: str | None, other: str) -> bool:
    """Returns whether two Message-IDs are the same, whatever their brackets and folding."""
    return one is not None and _bare(one) == _bare(other)


def _bare(message_id: str) -> str:
    return re.sub(r"\s+", "", message_id).removeprefix("<").removesuffix(">")


def not_found(where: str) -> PermanentError:
    """Returns the error for a mail that does not exist."""
    return PermanentError(
        "EMAIL_NOT_FOUND",
        f"messageId: there is no mail with this Message-ID in {where}; it may have been moved or deleted. Take the id "
        "from a list or search of the same folder",
    )


def too_many(count: int) -> PermanentError:
    """Returns the error for more mails than one result may list."""
    return PermanentError(
        "EMAIL_TOO_MANY",
        f"{count:,} mails match, and one result lists at most {MAX_LISTED:,}. Give a smaller maxToBeRead, or narrower "
        "criteria",
    )


def check_size(size: int, limit: int, *, field: str) -> None:
    """Refuses a mail that is too large.

    Raises:
        PermanentError: `MAIL_TOO_LARGE`.
    """
    if size > limit:
        raise PermanentError("MAIL_TOO_LARGE", f"{field}: the mail has {size:,} bytes, more than allowed ({limit:,})")


async def turns(account: Hashable, limit: int, context: Context) -> asyncio.Semaphore:
    """Returns the semaphore that bounds the jobs at once on one account."""
    return await context.clients.get(("email", account), lambda: asyncio.Semaphore(limit))


async def texts(raw: bytes) -> list[str]:
    """Returns the mail's bodies, to be searched."""
    mail = await read_mail(raw)
    return [text for text in (mail.plain, mail.html) if text]


async def read_result(raw: bytes, context: Context, *, size: int, received: datetime | None = None) -> ReadMail:
    """Returns the result of the action read; attachments and inline parts are stored.

    Raises:
        ConnectorError: The store does not take them.
    """
    mail = await read_mail(raw, received=received)
    data = mail.data()
    if not any(name.lower() == "subject" for name, _ in mail.headers):
        data["subject"] = None
    fields = {**data, **await stored(mail, context.documents), "size": size, "errors": [], "warnings": mail.defects}
    return ReadMail.model_validate(fields)
