"""Describes inputs and results of the official email task, one model for each action."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from pydantic import BeforeValidator, Field, field_validator

from zeebe_connectors import Document, Hint, Model, When
from zeebe_connectors.mail.settings import (
    LOGINS,
    ClientCredentialsLogin,
    Encryption,
    Login,
    PasswordLogin,
    RefreshTokenLogin,
    Security,
    port_of,
    security_of,
)
from zeebe_connectors.mail.smtp.model import Security as SmtpSecurity

MAX_MAIL_SIZE = 50 * 1024 * 1024

_ENCRYPTION = Hint(
    label="Encryption",
    provider="security",
    choices={
        "TLS": "TLS",
        "SSL": "SSL (TLS from the start)",
        "STARTTLS": "STARTTLS (required)",
        "NONE": "None (trusted network)",
    },
)
_CERTIFICATE = Hint(
    "tls",
    label="Trusted certificate",
    text=True,
    secrets=True,
    provider="tls.trustedCertificate",
    placeholder="-----BEGIN CERTIFICATE-----",
)
_MESSAGE_ID = Hint(label="Message ID", placeholder="=mail.messageId")


class NoAuth(Model):
    """None (SMTP only)."""

    type: Literal["noAuth"]


Authentication = Annotated[
    PasswordLogin | NoAuth | ClientCredentialsLogin | RefreshTokenLogin, Field(discriminator="type")
]
_AUTHENTICATION = Hint(
    "authentication",
    "Type",
    provider="authentication",
    form_default="simple",
    choices={
        "simple": LOGINS["simple"],
        "noAuth": "None (SMTP only)",
        "clientCredentials": LOGINS["clientCredentials"],
        "refreshToken": LOGINS["refreshToken"],
    },
)


def _trimmed(host: str) -> str:
    if not host.strip():
        raise ValueError("must not be empty; fill it in")
    return host.strip()


# SMTP


class SmtpConfig(Model):
    """The server that sends."""

    smtp_host: Annotated[
        str,
        Hint(label="SMTP host", provider="host", secrets="whole", placeholder="smtp.example.com", example="localhost"),
    ]
    """Host of the SMTP server."""
    smtp_port: Annotated[
        int | None,
        Field(ge=1, le=65535),
        Hint(label="SMTP port", provider="port", secrets="whole", placeholder="587, 465 for SSL, 25 for none"),
    ] = None
    """Left empty, it follows the encryption: 587 for TLS, 465 for SSL, 25 for none."""
    smtp_cryptographic_protocol: Annotated[Encryption, _ENCRYPTION] = "TLS"
    """TLS is STARTTLS: required with a login, used where it is offered without one. `TLS` on port 465 means SSL."""
    trusted_certificate: Annotated[str, _CERTIFICATE] = ""
    """Authorities in PEM to trust instead of the system's."""

    _host = field_validator("smtp_host")(_trimmed)

    @property
    def port(self) -> int:
        """The server's port."""
        return self.smtp_port or {"SSL": 465, "NONE": 25}.get(self.smtp_cryptographic_protocol, 587)

    def security(self, *, login: bool) -> SmtpSecurity:
        """The security that the session is opened with.

        Args:
            login: Whether somebody signs in, so that a password travels.
        """
        match self.smtp_cryptographic_protocol:
            case "NONE":
                return "none"
            case "SSL":
                return "tls"
            case "TLS" if self.port == 465:
                return "tls"
            case "TLS" if not login:
                return "opportunistic"
        return "starttls"


def _known_content_type(value: Any) -> Any:
    """The official connector takes whatever it does not know for plain text."""
    known = str(value).strip().upper()
    return known if known in {"PLAIN", "HTML", "MULTIPART"} else "PLAIN"


class SendEmail(Model):
    """The mail."""

    sender: Annotated[
        str,
        Field(alias="from", min_length=1),
        Hint(label="From", secrets=True, placeholder="billing@example.com", example="billing@example.com"),
    ]
    """The mailbox that sends."""
    to: Annotated[str | list[str] | None, Hint(placeholder="jane@example.com", example="jane@example.com")] = None
    """Addresses as a list or as text with commas. At least one of To, Cc and Bcc is needed."""
    cc: Annotated[str | list[str] | None, Hint(label="Cc")] = None
    """Who gets a copy."""
    bcc: Annotated[str | list[str] | None, Hint(label="Bcc")] = None
    """Who gets a copy that no one else sees."""
    headers: Annotated[dict[str, Any] | None, Hint(placeholder='={"X-Order-Id": "42"}')] = None
    """Further headers, such as Reply-To; those that other inputs write (From, To, Subject, ...) are refused."""
    subject: Annotated[str, Hint(example="Your order")]
    """One line."""
    content_type: Annotated[
        Literal["PLAIN", "HTML", "MULTIPART"],
        BeforeValidator(_known_content_type),
        Hint(label="Content", choices={"PLAIN": "Text", "HTML": "HTML", "MULTIPART": "HTML with a text version"}),
    ] = "PLAIN"
    """What the body is."""
    body: Annotated[
        str | Document | None,
        Hint(
            label="Text",
            text=True,
            when=When("content_type", ("PLAIN", "MULTIPART")),
            example="Thank you for your order.",
        ),
    ] = None
    """The text, or a document that holds it; required unless the content is HTML."""
    html_body: Annotated[
        str | Document | None,
        Hint(label="HTML", text=True, language="html", when=When("content_type", ("HTML", "MULTIPART"))),
    ] = None
    """The HTML, or a document that holds it; required unless the content is text."""
    attachments: Annotated[list[Any], Field(default_factory=list), Hint(placeholder="=[invoice]")]
    """Documents, paths below an allowed directory, http(s) URLs, or contexts with `name` and `content` (base64)."""


class SmtpData(Model):
    """What is sent, and where."""

    smtp_action_discriminator: Annotated[
        Literal["sendEmailSmtp"], Hint("operation", "Action", choices={"sendEmailSmtp": "Send"})
    ] = "sendEmailSmtp"
    """Send a mail."""
    smtp_config: Annotated[SmtpConfig, Hint("server")]
    """The server."""
    smtp_action: Annotated[SendEmail, Hint("mail")]
    """The mail."""


# IMAP


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
    """Left empty, it follows the encryption: 993 for TLS, 143 for STARTTLS or none."""
    imap_cryptographic_protocol: Annotated[Encryption, _ENCRYPTION] = "TLS"
    """TLS and SSL encrypt from the start. `TLS` on port 143 means STARTTLS."""
    trusted_certificate: Annotated[str, _CERTIFICATE] = ""
    """Authorities in PEM to trust instead of the system's."""

    _host = field_validator("imap_host")(_trimmed)

    @property
    def port(self) -> int:
        """The server's port."""
        return self.imap_port or port_of(self.imap_cryptographic_protocol, tls_port=993, clear_port=143)

    @property
    def security(self) -> Security:
        """The security that the session is opened with."""
        return security_of(self.imap_cryptographic_protocol, port=self.port, clear_port=143)


_FOLDER = Hint(label="Folder", placeholder="INBOX")
_SORT_ORDER = Hint(label="Order", choices={"ASC": "Ascending", "DESC": "Descending"})
_MAX_LISTED = Hint(label="Maximum mails")
_MAX_MAIL_SIZE = Hint(label="Maximum mail size (bytes)")
_CRITERIA = Hint(
    label="Search criteria",
    feel="required",
    placeholder='={field: "SUBJECT", value: "order"}',
    tooltip="Field is FROM, SUBJECT or BODY. Several: {operator: AND or OR, criteria: [...]}, nested as you like.",
    example={"field": "SUBJECT", "value": "order"},
)


class ListImap(Model):
    """Which mails are listed, and how."""

    max_to_be_read: Annotated[int, Field(ge=1), _MAX_LISTED] = 100
    """The list ends there."""
    list_emails_folder: Annotated[str, _FOLDER] = ""
    """The inbox when empty. `/` and `.` stand for the server's separator."""
    sort_field: Annotated[
        Literal["RECEIVED_DATE", "SENT_DATE", "SIZE"],
        Hint(label="Sort by", choices={"RECEIVED_DATE": "Received", "SENT_DATE": "Sent", "SIZE": "Size"}),
    ] = "RECEIVED_DATE"
    """What decides the order."""
    sort_order: Annotated[Literal["ASC", "DESC"], _SORT_ORDER] = "ASC"
    """The oldest or smallest first, or the newest or largest."""


class SearchImap(Model):
    """Which mails are searched for."""

    criteria: Annotated[dict[str, Any], _CRITERIA]
    """What the mails must hold."""
    search_email_folder: Annotated[str, _FOLDER] = ""
    """The inbox when empty."""


class ReadImap(Model):
    """Which mail is read."""

    message_id: Annotated[str, Field(min_length=1), _MESSAGE_ID]
    """The mail's Message-ID, as a list or search gives it."""
    read_email_folder: Annotated[str, _FOLDER] = ""
    """The inbox when empty."""
    max_mail_size: Annotated[int, Field(ge=1), _MAX_MAIL_SIZE] = MAX_MAIL_SIZE
    """A larger mail is not read."""


class DeleteImap(Model):
    """Which mail is deleted."""

    message_id: Annotated[str, Field(min_length=1), _MESSAGE_ID]
    """The mail's Message-ID, as a list or search gives it."""
    delete_email_folder: Annotated[str, _FOLDER] = ""
    """The inbox when empty."""


class MoveImap(Model):
    """Which mail is moved, and where to."""

    message_id: Annotated[str, Field(min_length=1), _MESSAGE_ID]
    """The mail's Message-ID, as a list or search gives it."""
    from_folder: Annotated[str, Field(min_length=1), Hint(label="From folder", placeholder="INBOX")]
    """Where the mail is."""
    to_folder: Annotated[str, Field(min_length=1), Hint(label="To folder", placeholder="Done")]
    """The target. Created if it is missing; `/` is the separator, and so is `.` behind a folder that is there."""


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


# POP3


class Pop3Config(Model):
    """Where the mailbox is."""

    pop3_host: Annotated[
        str,
        Hint(label="POP3 host", provider="host", secrets="whole", placeholder="pop.example.com", example="localhost"),
    ]
    """Host of the POP3 server."""
    pop3_port: Annotated[
        int | None,
        Field(ge=1, le=65535),
        Hint(label="POP3 port", provider="port", secrets="whole", placeholder="995, or 110 for STARTTLS and none"),
    ] = None
    """Left empty, it follows the encryption: 995 for TLS, 110 for STARTTLS or none."""
    pop3_cryptographic_protocol: Annotated[Encryption, _ENCRYPTION] = "TLS"
    """TLS and SSL encrypt from the start. `TLS` on port 110 means STARTTLS (STLS)."""
    trusted_certificate: Annotated[str, _CERTIFICATE] = ""
    """Authorities in PEM to trust instead of the system's."""

    _host = field_validator("pop3_host")(_trimmed)

    @property
    def port(self) -> int:
        """The server's port."""
        return self.pop3_port or port_of(self.pop3_cryptographic_protocol, tls_port=995, clear_port=110)

    @property
    def security(self) -> Security:
        """The security that the session is opened with."""
        return security_of(self.pop3_cryptographic_protocol, port=self.port, clear_port=110)


class ListPop3(Model):
    """Which mails are listed, and how."""

    max_to_be_read: Annotated[int, Field(ge=1), _MAX_LISTED] = 100
    """The list ends there."""
    sort_field: Annotated[
        Literal["SENT_DATE", "SIZE"], Hint(label="Sort by", choices={"SENT_DATE": "Sent", "SIZE": "Size"})
    ] = "SENT_DATE"
    """What decides the order."""
    sort_order: Annotated[Literal["ASC", "DESC"], _SORT_ORDER] = "ASC"
    """The oldest or smallest first, or the newest or largest."""


class SearchPop3(Model):
    """Which mails are searched for."""

    criteria: Annotated[dict[str, Any], _CRITERIA]
    """What the mails must hold."""


class ReadPop3(Model):
    """Which mail is read."""

    message_id: Annotated[str, Field(min_length=1), _MESSAGE_ID]
    """The mail's Message-ID, as a list or search gives it."""
    max_mail_size: Annotated[int, Field(ge=1), _MAX_MAIL_SIZE] = MAX_MAIL_SIZE
    """A larger mail is not read."""


class DeletePop3(Model):
    """Which mail is deleted."""

    message_id: Annotated[str, Field(min_length=1), _MESSAGE_ID]
    """The mail's Message-ID, as a list or search gives it."""


class _Pop3Data(Model):
    pop3_config: Annotated[Pop3Config, Hint("server")]
    """The server."""


class ListPop3Data(_Pop3Data):
    """List."""

    pop3_action_discriminator: Annotated[
        Literal["listEmailsPop3"], Hint("operation", "Action", form_default="listEmailsPop3")
    ]
    pop3_action: Annotated[ListPop3, Hint("mailbox")] = ListPop3()
    """What to do."""


class SearchPop3Data(_Pop3Data):
    """Search."""

    pop3_action_discriminator: Literal["searchEmailsPop3"]
    pop3_action: Annotated[SearchPop3, Hint("mailbox")]
    """What to do."""


class ReadPop3Data(_Pop3Data):
    """Read."""

    pop3_action_discriminator: Literal["readEmailPop3"]
    pop3_action: Annotated[ReadPop3, Hint("mailbox")]
    """What to do."""


class DeletePop3Data(_Pop3Data):
    """Delete."""

    pop3_action_discriminator: Literal["deleteEmailPop3"]
    pop3_action: Annotated[DeletePop3, Hint("mailbox")]
    """What to do."""


Pop3Data = ListPop3Data | SearchPop3Data | ReadPop3Data | DeletePop3Data


# The task


class SmtpTask(Model):
    """SMTP: send."""

    protocol: Annotated[Literal["smtp"], Hint(label="Protocol", provider="protocol")]
    """What the mail server speaks."""
    authentication: Annotated[Authentication, _AUTHENTICATION]
    """How to sign in."""
    data: SmtpData
    """What to do."""


class MailboxTask(Model):
    """What reads a mailbox."""

    authentication: Annotated[Authentication, _AUTHENTICATION]
    """How to sign in."""

    @field_validator("authentication")
    @classmethod
    def _signs_in(cls, value: Any) -> Any:
        if isinstance(value, NoAuth):
            raise ValueError(  # noqa: TRY004 - pydantic takes this one for the input's fault
                "a mailbox over IMAP or POP3 needs a login; choose another type than noAuth"
            )
        return value

    @property
    def login(self) -> Login:
        """The mailbox's login."""
        assert not isinstance(self.authentication, NoAuth)  # noqa: S101 - the validator's word
        return self.authentication


class ImapTask(MailboxTask):
    """IMAP: list, search, read, delete, move."""

    protocol: Annotated[Literal["imap"], Hint(provider="protocol")]
    data: Annotated[ImapData, Field(discriminator="imap_action_discriminator")]
    """What to do."""


class Pop3Task(MailboxTask):
    """POP3: list, search, read, delete."""

    protocol: Annotated[Literal["pop3"], Hint(provider="protocol")]
    data: Annotated[Pop3Data, Field(discriminator="pop3_action_discriminator")]
    """What to do."""


Task = Annotated[SmtpTask | ImapTask | Pop3Task, Field(discriminator="protocol")]


# Results


class SentMail(Model):
    """What became of a mail that was sent."""

    subject: str
    """The subject."""
    sent: bool
    """Always true: a refused mail is an error. For the action send."""
    message_id: str
    """The mail's Message-ID, with angle brackets."""
    accepted: list[str]
    """Addresses that the server accepted. For the action send."""
    reply: str
    """The server's last words, often with its queue id. For the action send."""


class ReadMail(Model):
    """A mail."""

    message_id: str | None
    """Its Message-ID, as it stands in the header."""
    from_address: str | None
    """The address of the first sender."""
    subject: str | None
    """The subject; null without such a header."""
    size: int
    """Bytes."""
    plain_text_body: str | None
    """The text."""
    html_body: str | None
    """The HTML."""
    headers: list[dict[str, str]]
    """All headers as `key` and `value`, in order, including those that occur several times."""
    attachments: list[dict[str, Any]]
    """The attachments, as document references."""
    received_date_time: str | None
    """When the server got it, in UTC, such as `2026-11-25T09:30:00Z`."""
    errors: list[str]
    """Always empty: an attachment that cannot be stored is an error."""
    from_name: str | None
    """The first sender's name."""
    to: list[dict[str, str]]
    """Recipients, with `name` and `address`; for the action move the folder that it went to, as given."""
    cc: list[dict[str, str]]
    """Who got a copy."""
    reply_to: list[dict[str, str]]
    """Where answers go, when not to the sender."""
    date: str | None
    """When it was sent, in UTC."""
    in_reply_to: str | None
    """The Message-ID of the mail that it answers."""
    references: list[str]
    """The Message-IDs of its conversation."""
    text: str
    """The text, or what a reader of the HTML sees when there is none."""
    calendar: str | None
    """An invitation, in iCalendar."""
    inline_parts: list[dict[str, Any]]
    """What the HTML shows, with `contentId` and `document`."""
    warnings: list[str]
    """What was found broken in it, or cut."""


class DeletedMail(Model):
    """A mail that is gone."""

    message_id: str
    deleted: bool
    """Always true. For the action delete."""


class MovedMail(Model):
    """A mail that has another place."""

    message_id: str
    from_folder: Annotated[str, Field(alias="from")]
    """The folder that it came from, as given. For the action move."""
    to_folder: Annotated[str, Field(alias="to")]


class ListedMail(TypedDict):
    """One mail of a list; a context and no model, since a result may hold thousands."""

    messageId: str | None
    fromAddress: str | None
    subject: str | None
    size: int


class FoundMail(TypedDict):
    """One mail that fits."""

    messageId: str | None
    subject: str | None
