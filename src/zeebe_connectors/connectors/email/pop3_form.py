"""Describe the inputs of the email task on a POP3 mailbox, one model for each action."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from zeebe_connectors import Hint, Model
from zeebe_connectors.connectors.email.form_parts import (
    CERTIFICATE_HINT,
    ENCRYPTION_HINT,
    MAX_LISTED_HINT,
    MAX_MAIL_SIZE,
    MAX_MAIL_SIZE_HINT,
    SORT_ORDER_HINT,
    Criteria,
    OneMail,
    trimmed,
)
from zeebe_connectors.mail.settings import (
    POP3_PORTS,
    Encryption,
    Security,
)


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
    """If empty, it follows the encryption: 995 for TLS, 110 for STARTTLS or none."""
    pop3_cryptographic_protocol: Annotated[Encryption, ENCRYPTION_HINT] = "TLS"
    """TLS and SSL encrypt from the start. `TLS` on port 110 means STARTTLS (STLS)."""
    trusted_certificate: Annotated[str, CERTIFICATE_HINT] = ""
    """Authorities in PEM to trust instead of the system's."""

    _host = field_validator("pop3_host")(trimmed)

    @property
    def port(self) -> int:
        """The server's port."""
        return self.pop3_port or POP3_PORTS.port_of(self.pop3_cryptographic_protocol)

    @property
    def security(self) -> Security:
        """The security that the session is opened with."""
        return POP3_PORTS.security_of(self.pop3_cryptographic_protocol, port=self.port)


class ListPop3(Model):
    """Which mails are listed, and how."""

    max_to_be_read: Annotated[int, Field(ge=1), MAX_LISTED_HINT] = 100
    """At most this many."""
    sort_field: Annotated[
        Literal["SENT_DATE", "SIZE"], Hint(label="Sort by", choices={"SENT_DATE": "Sent", "SIZE": "Size"})
    ] = "SENT_DATE"
    """What to sort by."""
    sort_order: Annotated[Literal["ASC", "DESC"], SORT_ORDER_HINT] = "ASC"
    """The oldest or smallest first, or the newest or largest."""


class SearchPop3(Criteria):
    """Which mails are searched for."""


class ReadPop3(OneMail):
    """Which mail is read."""

    max_mail_size: Annotated[int, Field(ge=1), MAX_MAIL_SIZE_HINT] = MAX_MAIL_SIZE
    """A larger mail is not read."""


class DeletePop3(OneMail):
    """Which mail is deleted."""


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
