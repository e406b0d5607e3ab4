"""Describe the form of the IMAP mailbox: the server, which mails count, and what becomes of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import regex
from pydantic import Field, field_validator

from zeebe_connectors import Hint, Model, When
from zeebe_connectors.mail.reading.smime.settings import Protection
from zeebe_connectors.mail.settings import (
    IMAP_PORTS,
    LOGINS_OR_NONE,
    Encryption,
    Frequency,
    LoginOrNone,
    Security,
)
from zeebe_connectors.sdk.durations import parse_frequency


class ImapServer(Model):
    """Where the mailbox is."""

    imap_host: Annotated[
        str,
        Field(min_length=1),
        Hint(label="IMAP host", secrets="whole", provider="host", placeholder="imap.example.com"),
    ]
    """Host of the IMAP server."""
    imap_port: Annotated[
        int | None,
        Field(ge=1, le=65535),
        Hint(label="IMAP port", provider="port", secrets="whole", placeholder="993, or 143 for STARTTLS and none"),
    ] = None
    """If empty, it follows the encryption: 993 for TLS, 143 for STARTTLS or none."""
    imap_cryptographic_protocol: Annotated[
        Encryption,
        Hint(
            label="Encryption",
            provider="security",
            choices={"TLS": "TLS", "SSL": "SSL (the same as TLS)", "STARTTLS": "STARTTLS", "NONE": "None"},
        ),
    ] = "TLS"
    """TLS from the start, or required after STARTTLS. `TLS` on port 143 means STARTTLS."""
    trusted_certificate: Annotated[
        str,
        Hint("tls", label="Trusted certificate", text=True, secrets=True, provider="tls.trustedCertificate"),
    ] = ""
    """Authorities in PEM to trust instead of the system's."""

    @property
    def port(self) -> int:
        """The server's port."""
        return self.imap_port or IMAP_PORTS.port_of(self.imap_cryptographic_protocol)

    @property
    def security(self) -> Security:
        """The security that the session is opened with."""
        return IMAP_PORTS.security_of(self.imap_cryptographic_protocol, port=self.port)


class Handling(Model):
    """What to do with a mail once the process has it."""

    handling_strategy: Annotated[
        Literal["READ", "DELETE", "MOVE", "NONE"],
        Hint(
            label="After processing",
            choices={"READ": "Mark as read", "DELETE": "Delete", "MOVE": "Move", "NONE": "Leave as it is"},
        ),
    ] = "READ"
    """Whichever you choose, a mail is processed once: the runtime remembers it."""
    target_folder: Annotated[str, Hint(label="Move to folder", when=When("handling_strategy", ("MOVE",)))] = ""
    """Where to move it; created if missing. If empty or the watched folder itself, the mail stays."""
    mark_as_read: Annotated[bool, Hint(label="Mark as read too", when=When("handling_strategy", ("MOVE",)))] = True
    """Whether a mail that is moved is marked as read as well."""


class Watching(Protection):
    """What is watched, and which mails count."""

    imap_config: ImapServer
    """The server."""
    folder_to_listen: Annotated[str, Hint(label="Folder", secrets=True, provider="options.folder")] = "INBOX"
    """The folder to watch, in any script; `/` and `.` stand for the server's separator."""
    polling_wait_time: Annotated[Frequency, Hint(label="Check every", placeholder="PT20S")] = "PT20S"
    """How often the folder is checked: minutes (`5`), or `30s`, `5m`, `PT5M`. With push it is still checked this
    often, in case the server misses a notification; every five minutes at least."""
    push: Annotated[bool, Hint(label="Push (IMAP IDLE)")] = True
    """Wait for the server to announce mails (IDLE) where it can; else the folder is only checked from time to time."""
    polling_config_discriminator: Annotated[
        Literal["unseenPollingConfig", "allPollingConfig"],
        Hint(label="Which mails", choices={"unseenPollingConfig": "Unread", "allPollingConfig": "All"}),
    ] = "unseenPollingConfig"
    """Unread mails only, or all."""
    existing_mails: Annotated[
        Literal["process", "skip"],
        Hint(
            label="Mails already there at the first start",
            choices={"process": "Process those too", "skip": "Only mails from now on"},
            form_default="skip",
            when=When("polling_config_discriminator", ("allPollingConfig",)),
        ),
    ] = "process"
    """Whether to process the mails that are in the folder when the source checks it for the very first time."""
    polling_config: Handling | None = None
    """What becomes of them."""
    subject_contains: Annotated[str, Hint(label="Subject contains")] = ""
    """Only mails whose subject contains this, in upper or lower case."""
    subject_pattern: Annotated[str, Hint(label="Subject matches")] = ""
    """Only mails whose subject matches this regular expression."""
    sender_contains: Annotated[str, Hint(label="Sender contains")] = ""
    """Only mails whose From header contains this, in upper or lower case."""
    received_since: Annotated[str, Hint(label="Received since", placeholder="2026-01-31")] = ""
    """Only mails that came at this date (or ISO 8601 time) or later."""
    max_per_poll: Annotated[int, Field(ge=1, le=10_000), Hint(label="Maximum mails per check")] = 100
    """How many mails are processed before the folder is checked again."""
    max_mail_size: Annotated[int, Field(ge=1), Hint(label="Maximum mail size (bytes)")] = 50 * 1024 * 1024
    """A larger mail goes to quarantine unread."""
    quarantine_folder: Annotated[str, Hint(label="Quarantine folder")] = ""
    """Folder for mails that cannot be handed over; if empty, they stay in place."""

    @field_validator("subject_pattern")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        try:
            regex.compile(value)
        except regex.error as error:
            raise ValueError(f"is not a regular expression: {error}") from None
        return value

    @field_validator("received_since")
    @classmethod
    def _is_date(cls, value: str) -> str:
        if value:
            try:
                datetime.fromisoformat(value)
            except ValueError:
                raise ValueError("must be a date such as 2026-01-31, or an ISO 8601 time") from None
        return value

    @property
    def unread_only(self) -> bool:
        """Whether read mails are passed over."""
        return self.polling_config_discriminator == "unseenPollingConfig"

    @property
    def strategy(self) -> str:
        """What is done with a processed mail."""
        if self.polling_config is None:
            return "READ" if self.unread_only else "NONE"
        return self.polling_config.handling_strategy

    @property
    def interval(self) -> float:
        """Seconds between two checks, a second at least."""
        return max(1.0, parse_frequency(self.polling_wait_time))

    @property
    def since(self) -> datetime | None:
        """The earliest receipt, with a zone."""
        if not self.received_since:
            return None
        moment = datetime.fromisoformat(self.received_since)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Mailbox(Model):
    """A mailbox to watch."""

    authentication: Annotated[
        LoginOrNone,
        Hint(group="authentication", form_default="simple", provider="authentication", choices=LOGINS_OR_NONE),
    ]
    """How to sign in."""
    data: Annotated[Watching, Hint(group="mailbox")]
    """What to watch."""
