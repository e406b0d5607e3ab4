"""Describe how to reach mail servers and sign in to them: the logins and the encryption that connectors share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from zeebe_connectors.sdk.durations import parse_frequency
from zeebe_connectors.sdk.fields import URL, Hint, Model, RequiredSecret, Secret

LOGINS = {
    "simple": "Username and password",
    "clientCredentials": "OAuth 2.0: client credentials (XOAUTH2)",
    "refreshToken": "OAuth 2.0: refresh token (XOAUTH2)",
}
"""Labels of the logins in forms."""


def _frequency(value: str) -> str:
    parse_frequency(value)
    return value


Frequency = Annotated[str, AfterValidator(_frequency)]
"""How often a mailbox is polled, as `parse_frequency` reads it."""


class PasswordLogin(Model):
    """User name and password."""

    type: Literal["simple"] = "simple"
    username: Annotated[str, Field(min_length=1), Hint(label="Username", secrets=True)]
    """The mailbox's user name, usually its address."""
    password: Annotated[RequiredSecret, Hint(label="Password", placeholder="{{secrets.MAIL_PASSWORD}}")]
    """Its password; many providers require an app password."""


class _OAuthLogin(Model):
    username: Annotated[str, Field(min_length=1), Hint(label="Mailbox", secrets=True)]
    """The mailbox to open, by its address."""
    oauth_token_endpoint: Annotated[
        str,
        Field(min_length=1),
        URL,
        Hint(label="Token endpoint", placeholder="https://login.example.com/token", secrets="whole"),
    ]
    """Where access tokens are issued."""
    client_id: Annotated[str, Field(min_length=1), Hint(label="Client ID", secrets=True)]
    """Identifies the application."""
    scopes: Annotated[str, Hint(label="Scopes", placeholder="https://outlook.office365.com/.default")] = ""
    """Scopes to request, separated by spaces."""


class ClientCredentialsLogin(_OAuthLogin):
    """OAuth 2.0: the application signs in as itself (XOAUTH2)."""

    type: Literal["clientCredentials"]
    client_secret: Annotated[RequiredSecret, Hint(label="Client secret", placeholder="{{secrets.CLIENT_SECRET}}")]
    """The application's secret."""


class RefreshTokenLogin(_OAuthLogin):
    """OAuth 2.0: the application signs in with a refresh token that the mailbox's owner granted (XOAUTH2)."""

    type: Literal["refreshToken"]
    refresh_token: Annotated[RequiredSecret, Hint(label="Refresh token", placeholder="{{secrets.REFRESH_TOKEN}}")]
    """The refresh token."""
    client_secret: Annotated[Secret | None, Hint(label="Client secret", placeholder="{{secrets.CLIENT_SECRET}}")] = None
    """The application's secret, if it has one."""


class NoLogin(Model):
    """None."""

    type: Literal["none"]

    @property
    def username(self) -> str:
        """Replaces the user in a mailbox's name."""
        return "-"


Login = Annotated[PasswordLogin | ClientCredentialsLogin | RefreshTokenLogin, Field(discriminator="type")]
LoginOrNone = Annotated[
    PasswordLogin | ClientCredentialsLogin | RefreshTokenLogin | NoLogin, Field(discriminator="type")
]
"""`Login` or none: some servers on a trusted network admit everybody."""
LOGINS_OR_NONE = {**LOGINS, "none": "None (trusted network)"}


Encryption = Literal["TLS", "SSL", "STARTTLS", "NONE"]
"""Labels of the encryptions in the official connectors' forms."""
Security = Literal["tls", "starttls", "none"]
"""TLS from the start, TLS required after STARTTLS, or none."""


@dataclass(frozen=True, slots=True)
class Ports:
    """A protocol's ports, and what a form's choice of encryption means on them.

    Args:
        tls: The port of sessions with TLS from the start.
        clear: The port of sessions that begin unencrypted.
    """

    tls: int
    clear: int

    def port_of(self, encryption: Encryption) -> int:
        """Returns the port that fits a choice of encryption, for when no port is given."""
        return self.clear if encryption in {"NONE", "STARTTLS"} else self.tls

    def security_of(self, encryption: Encryption, *, port: int) -> Security:
        """Returns the security that a choice of encryption means.

        Args:
            encryption: The choice. `TLS` means STARTTLS on the port where sessions begin unencrypted; `SSL` never does.
            port: The server's port.
        """
        if encryption == "NONE":
            return "none"
        return "starttls" if encryption == "STARTTLS" or (encryption == "TLS" and port == self.clear) else "tls"


IMAP_PORTS = Ports(tls=993, clear=143)
POP3_PORTS = Ports(tls=995, clear=110)
