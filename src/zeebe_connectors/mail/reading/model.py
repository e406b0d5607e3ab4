"""Model a mail that was read: addresses, bodies, parts, its signature, and the JSON-able data made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from zeebe_connectors.mail.reading.addresses import Address
from zeebe_connectors.sdk.errors import PermanentError


@dataclass(frozen=True, slots=True)
class Part:
    """An attachment or an inline part.

    Args:
        name: File name, without any path; generated when the mail gives none.
        content_type: Media type without parameters.
        data: The content.
        content_id: What the HTML body calls it (`cid:`), without brackets.
        inline: Whether it is shown within the body.
    """

    name: str
    content_type: str
    data: bytes = field(repr=False)
    content_id: str | None = None
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """The verdict on a mail's S/MIME signature.

    Args:
        status: `valid`: it covers all of the content (never subject, recipients or date), and its certificate
            is trusted and the sender's. `untrusted`: it holds, but its certificate is not trusted or somebody else's.
            `partial`: it covers only a part of the mail, or the content as it was encrypted, which the signer need not
            know. `invalid`: it does not hold. `unsupported`: it cannot be checked.
        signer: Subject of the certificate.
        signer_email: Its mail address; the sender's if that is one of several.
        matches_sender: Whether the sender's address is one of the certificate's.
        issuer: Who issued the certificate.
        signed_at: When it was signed, according to the signer.
        reason: Why it is not valid.
    """

    status: Literal["valid", "untrusted", "partial", "unsupported", "invalid"]
    signer: str | None = None
    signer_email: str | None = None
    matches_sender: bool = False
    issuer: str | None = None
    signed_at: datetime | None = None
    reason: str | None = None

    def data(self) -> dict[str, Any]:
        """Returns what expressions see."""
        return {
            "status": self.status,
            "signer": self.signer,
            "signerEmail": self.signer_email,
            "matchesSender": self.matches_sender,
            "issuer": self.issuer,
            "signedAt": _iso(self.signed_at),
            "reason": self.reason,
        }


MAIL_FIELDS = (
    "subject", "text", "fromAddress", "fromName", "to", "cc", "replyTo", "date", "receivedDateTime", "attachments",
    "inlineParts", "messageId", "inReplyTo", "references", "headers", "size", "plainTextBody", "htmlBody", "calendar",
    "encrypted", "signature", "errors",
)  # fmt: skip
"""The names under which expressions see a mail's data, the most used first."""


@dataclass(slots=True)
class Mail:
    """A mail's content."""

    size: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    message_id: str | None = None
    subject: str = ""
    sender: Address | None = None
    to: list[Address] = field(default_factory=list)
    cc: list[Address] = field(default_factory=list)
    reply_to: list[Address] = field(default_factory=list)
    date: datetime | None = None
    received: datetime | None = None
    in_reply_to: str | None = None
    references: list[str] = field(default_factory=list)
    plain: str | None = None
    html: str | None = None
    text: str = ""
    """The plain body, or the HTML body's text when there is none."""
    calendar: str | None = None
    parts: list[Part] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)
    encrypted: bool = False
    signature: Signature | None = None
    failure: PermanentError | None = None
    """Why its content cannot be read although a key is set (`MAIL_NOT_DECRYPTED`, `MAIL_TOO_LARGE`)."""

    @property
    def attachments(self) -> list[Part]:
        """The parts that are not inline."""
        return [part for part in self.parts if not part.inline]

    @property
    def inline(self) -> list[Part]:
        """The parts that the body embeds."""
        return [part for part in self.parts if part.inline]

    def data(self) -> dict[str, Any]:
        """Returns what expressions see, without the parts, which are added when they are stored."""
        return {
            "messageId": self.message_id,
            "subject": self.subject,
            "fromAddress": (self.sender.address or None) if self.sender else None,
            "fromName": self.sender.name if self.sender else None,
            "to": [_person(person) for person in self.to],
            "cc": [_person(person) for person in self.cc],
            "replyTo": [_person(person) for person in self.reply_to],
            "date": _iso(self.date),
            "receivedDateTime": _iso(self.received),
            "inReplyTo": self.in_reply_to,
            "references": self.references,
            "headers": [{"key": name, "value": value} for name, value in self.headers],
            "size": self.size,
            "plainTextBody": self.plain,
            "htmlBody": self.html,
            "text": self.text,
            "calendar": self.calendar,
            "attachments": [],
            "inlineParts": [],
            "encrypted": self.encrypted,
            "signature": self.signature.data() if self.signature else None,
            "errors": list(self.defects),
        }


def _person(address: Address) -> dict[str, str]:
    return {"name": address.name, "address": address.address}


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
