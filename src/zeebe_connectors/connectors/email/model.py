"""Describe the inputs of the official email task: a form for each protocol."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from zeebe_connectors import Hint, Model
from zeebe_connectors.connectors.email.form_parts import (
    AUTHENTICATION_HINT,
    Authentication,
    NoAuth,
)
from zeebe_connectors.connectors.email.imap_form import (
    ImapData,
)
from zeebe_connectors.connectors.email.pop3_form import (
    Pop3Data,
)
from zeebe_connectors.connectors.email.smtp_form import SmtpData
from zeebe_connectors.mail.settings import (
    Login,
)


class SmtpTask(Model):
    """SMTP: send."""

    protocol: Annotated[Literal["smtp"], Hint(label="Protocol", provider="protocol")]
    """What the mail server speaks."""
    authentication: Annotated[Authentication, AUTHENTICATION_HINT]
    """How to sign in."""
    data: SmtpData
    """What to do."""


class MailboxTask(Model):
    """What reads a mailbox."""

    authentication: Annotated[Authentication, AUTHENTICATION_HINT]
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
