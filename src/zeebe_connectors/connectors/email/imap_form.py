"""Describe the inputs of the email task on an IMAP mailbox, one model for each action."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from zeebe_connectors import Hint, Model
from zeebe_connectors.connectors.email.form_parts import (
    CERTIFICATE_HINT,
    ENCRYPTION_HINT,
    FOLDER_HINT,
    MAX_LISTED_HINT,
    MAX_MAIL_SIZE,
    MAX_MAIL_SIZE_HINT,
    SORT_ORDER_HINT,
    Criteria,
    OneMail,
    trimmed,
)
from zeebe_connectors.mail.settings import (
    IMAP_PORTS,
    Encryption,
    Security,
)


class ImapConfig(Model):
    """Where the mailbox is."""

    imap_host: Annotated[
        str,
        Hint(label="IMAP host", provider="host", secrets="whole", placeholder="imap.example.com", example="localhost"),
    ]
    """Host of the IMAP server."""
    imap_port: Annotated[
        int | None,
        Field(ge=1, le=65535),
        Hint(label="IMAP port", provider="port", secrets="whole", placeholder="993, or 143 for STARTTLS and none"),
    ] = None
    """If empty, it follows the encryption: 993 for TLS, 143 for STARTTLS or none."""
    imap_cryptographic_protocol: Annotated[Encryption, ENCRYPTION_HINT] = "TLS"
    """TLS and SSL encrypt from the start. `TLS` on port 143 means STARTTLS."""
    trusted_certificate: Annotated[str, CERTIFICATE_HINT] = ""
    """Authorities in PEM to trust instead of the system's."""

    _host = field_validator("imap_host")(trimmed)

    @property
    def port(self) -> int:
        """The server's port."""
        return self.imap_port or IMAP_PORTS.port_of(self.imap_cryptographic_protocol)

    @property
    def security(self) -> Security:
        """The security that the session is opened with."""
        return IMAP_PORTS.security_of(self.imap_cryptographic_protocol, port=self.port)


class ListImap(Model):
    """Which mails are listed, and how."""

    max_to_be_read: Annotated[int, Field(ge=1), MAX_LISTED_HINT] = 100
    """At most this many."""
    list_emails_folder: Annotated[str, FOLDER_HINT] = ""
    """The inbox if empty. `/` and `.` stand for the server's separator."""
    sort_field: Annotated[
        Literal["RECEIVED_DATE", "SENT_DATE", "SIZE"],
        Hint(label="Sort by", choices={"RECEIVED_DATE": "Received", "SENT_DATE": "Sent", "SIZE": "Size"}),
    ] = "RECEIVED_DATE"
    """What to sort by."""
    sort_order: Annotated[Literal["ASC", "DESC"], SORT_ORDER_HINT] = "ASC"
    """The oldest or smallest first, or the newest or largest."""


class SearchImap(Criteria):
    """Which mails are searched for."""

    search_email_folder: Annotated[str, FOLDER_HINT] = ""
    """The inbox if empty."""


class ReadImap(OneMail):
    """Which mail is read."""

    read_email_folder: Annotated[str, FOLDER_HINT] = ""
    """The inbox if empty."""
    max_mail_size: Annotated[int, Field(ge=1), MAX_MAIL_SIZE_HINT] = MAX_MAIL_SIZE
    """A larger mail is not read."""


class DeleteImap(OneMail):
    """Which mail is deleted."""

    delete_email_folder: Annotated[str, FOLDER_HINT] = ""
    """The inbox if empty."""


class MoveImap(OneMail):
    """Which mail is moved, and where to."""

    from_folder: Annotated[str, Field(min_length=1), Hint(label="From folder", placeholder="INBOX")]
    """Where the mail is."""
    to_folder: Annotated[str, Field(min_length=1), Hint(label="To folder", placeholder="Done")]
    """The target. Created if missing; `/` is the separator, and so is `.` after an existing folder."""


class _ImapData(Model):
    imap_config: Annotated[ImapConfig, Hint("server")]
    """The server."""


class ListImapData(_ImapData):
    """List."""

    imap_action_discriminator: Annotated[
        Literal["listEmailsImap"], Hint("operation", "Action", form_default="listEmailsImap")
    ]
    imap_action: Annotated[ListImap, Hint("mailbox")] = ListImap()
    """What to do."""


class SearchImapData(_ImapData):
    """Search."""

    imap_action_discriminator: Literal["searchEmailsImap"]
    imap_action: Annotated[SearchImap, Hint("mailbox")]
    """What to do."""


class ReadImapData(_ImapData):
    """Read."""

    imap_action_discriminator: Literal["readEmailImap"]
    imap_action: Annotated[ReadImap, Hint("mailbox")]
    """What to do."""


class DeleteImapData(_ImapData):
    """Delete."""

    imap_action_discriminator: Literal["deleteEmailImap"]
    imap_action: Annotated[DeleteImap, Hint("mailbox")]
    """What to do."""


class MoveImapData(_ImapData):
    """Move."""

    imap_action_discriminator: Literal["moveEmailImap"]
    imap_action: Annotated[MoveImap, Hint("mailbox")]
    """What to do."""


ImapData = ListImapData | SearchImapData | ReadImapData | DeleteImapData | MoveImapData
