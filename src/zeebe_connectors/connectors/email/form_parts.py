"""Hold what the forms of the email task have in common: logins, encryption, and hints of mailboxes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from zeebe_connectors import Hint, Model
from zeebe_connectors.mail.settings import (
    LOGINS,
    ClientCredentialsLogin,
    PasswordLogin,
    RefreshTokenLogin,
)

MAX_MAIL_SIZE = 50 * 1024 * 1024

ENCRYPTION_HINT = Hint(
    label="Encryption",
    provider="security",
    choices={
        "TLS": "TLS",
        "SSL": "SSL (TLS from the start)",
        "STARTTLS": "STARTTLS (required)",
        "NONE": "None (trusted network)",
    },
)
CERTIFICATE_HINT = Hint(
    "tls",
    label="Trusted certificate",
    text=True,
    secrets=True,
    provider="tls.trustedCertificate",
    placeholder="-----BEGIN CERTIFICATE-----",
)


class NoAuth(Model):
    """None (SMTP only)."""

    type: Literal["noAuth"]


Authentication = Annotated[
    PasswordLogin | NoAuth | ClientCredentialsLogin | RefreshTokenLogin, Field(discriminator="type")
]
AUTHENTICATION_HINT = Hint(
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


def trimmed(host: str) -> str:
    """Returns a host without the blanks around it.

    Raises:
        ValueError: It is empty.
    """
    if not host.strip():
        raise ValueError("must not be empty; fill it in")
    return host.strip()


FOLDER_HINT = Hint(label="Folder", placeholder="INBOX")
SORT_ORDER_HINT = Hint(label="Order", choices={"ASC": "Ascending", "DESC": "Descending"})
MAX_LISTED_HINT = Hint(label="Maximum mails")
MAX_MAIL_SIZE_HINT = Hint(label="Maximum mail size (bytes)")


class OneMail(Model):
    """Which mail."""

    message_id: Annotated[str, Field(min_length=1), Hint(label="Message ID", placeholder="=mail.messageId")]
    """The mail's Message-ID, as a list or search returns it."""


class Criteria(Model):
    """Which mails."""

    criteria: Annotated[
        dict[str, Any],
        Hint(
            label="Search criteria",
            feel="required",
            placeholder='={field: "SUBJECT", value: "order"}',
            tooltip="Field is FROM, SUBJECT or BODY. Several: {operator: AND or OR, criteria: [...]}, nested as you "
            "like.",
            example={"field": "SUBJECT", "value": "order"},
        ),
    ]
    """What the mails must contain."""
