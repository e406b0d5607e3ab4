"""A mail account's settings go in; whom to trust, and an access token out of the shared cache, come out."""

from __future__ import annotations

import ssl
import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from zeebe_connectors.sdk.errors import ConnectorError, InputError, PermanentError, TransientError
from zeebe_connectors.sdk.fields import Hint, Model, Secret
from zeebe_connectors.sdk.kept import Kept

if TYPE_CHECKING:
    from zeebe_connectors.web import Exchange

_TIME = 30.0


def _not_empty(secret: Secret) -> Secret:
    if not secret:
        raise ValueError("must not be empty; fill it in")
    return secret


RequiredSecret = Annotated[Secret, AfterValidator(_not_empty)]


LOGINS = {
    "simple": "Username and password",
    "clientCredentials": "OAuth 2.0: client credentials (XOAUTH2)",
    "refreshToken": "OAuth 2.0: refresh token (XOAUTH2)",
}
"""What forms call the ways to sign in."""


class PasswordLogin(Model):
    """User name and password."""

    type: Literal["simple"] = "simple"
    username: Annotated[str, Field(min_length=1), Hint(label="Username", secrets=True)]
    """The mailbox's user name, usually its address."""
    password: Annotated[RequiredSecret, Hint(label="Password", placeholder="{{secrets.MAIL_PASSWORD}}")]
    """Its password; many providers want an app password."""


class _OAuthLogin(Model):
    username: Annotated[str, Field(min_length=1), Hint(label="Mailbox", secrets=True)]
    """The mailbox to open, as its address."""
    oauth_token_endpoint: Annotated[
        str,
        Field(min_length=1),
        Hint(label="Token endpoint", placeholder="https://login.example.com/token", secrets="whole"),
    ]
    """Where access tokens are issued."""
    client_id: Annotated[str, Field(min_length=1), Hint(label="Client ID", secrets=True)]
    """Identifies the application."""
    scopes: Annotated[str, Hint(label="Scopes", placeholder="https://outlook.office365.com/.default")] = ""
    """Scopes to ask for, separated by spaces."""


class ClientCredentialsLogin(_OAuthLogin):
    """OAuth 2.0: the application signs in as itself (XOAUTH2)."""

    type: Literal["clientCredentials"]
    client_secret: Annotated[RequiredSecret, Hint(label="Client secret", placeholder="{{secrets.CLIENT_SECRET}}")]
    """The application's secret."""


class RefreshTokenLogin(_OAuthLogin):
    """OAuth 2.0: the application signs in with what the mailbox's owner once granted (XOAUTH2)."""

    type: Literal["refreshToken"]
    refresh_token: Annotated[RequiredSecret, Hint(label="Refresh token", placeholder="{{secrets.REFRESH_TOKEN}}")]
    """The refresh token."""
    client_secret: Annotated[Secret | None, Hint(label="Client secret", placeholder="{{secrets.CLIENT_SECRET}}")] = None
    """The application's secret, where it has one."""


Login = Annotated[PasswordLogin | ClientCredentialsLogin | RefreshTokenLogin, Field(discriminator="type")]


def trust(authorities: str, *, field: str) -> ssl.SSLContext | None:
    """Whom to trust: the authorities in PEM, or None for the system's when none are given.

    Raises:
        InputError: It is no certificate.
    """
    if not authorities:
        return None
    try:
        return ssl.create_default_context(cadata=authorities)
    except (ssl.SSLError, ValueError):
        raise InputError(f"{field}: is not a certificate in PEM") from None


@cache
def system_trust() -> ssl.SSLContext:
    """One context for all sessions: each holds all authorities, a hundred mailboxes would hold them a hundred times."""
    return ssl.create_default_context()


class _Caller:
    """The time and the clients of one token request."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._end = time.monotonic() + _TIME

    @property
    def kept(self) -> Kept:
        return self._kept

    def seconds_left(self) -> float:
        return max(0.0, self._end - time.monotonic())


async def access_token(login: ClientCredentialsLogin | RefreshTokenLogin, kept: Kept, *, refused: str = "") -> str:
    """The account's access token, fetched when there is none that is still valid.

    Args:
        login: The account.
        kept: Where the tokens of this runtime are cached.
        refused: A token that the mail server refused; it is not given again.

    Raises:
        ConnectorError: `MAIL_TOKEN_FAILED`; permanent when the token endpoint refuses the credentials.
    """
    from zeebe_connectors.web import Exchange, HttpRequest, HttpResponse, encoded_url  # noqa: PLC0415 - only who needs it
    from zeebe_connectors.web.auth.oauth2 import ClientCredentials, RefreshToken  # noqa: PLC0415

    common: dict[str, Any] = {
        "oauth_token_endpoint": login.oauth_token_endpoint,
        "client_id": login.client_id,
        "client_secret": login.client_secret,
        "scopes": login.scopes,
    }
    scheme: ClientCredentials | RefreshToken
    if isinstance(login, RefreshTokenLogin):
        scheme = RefreshToken.model_validate(
            {"type": "oauth-refresh-token", "refresh_token": login.refresh_token, **common}
        )
    else:
        scheme = ClientCredentials.model_validate(
            {"type": "oauth-client-credentials-flow", "client_authentication": "credentialsBody", **common}
        )
    exchange: Exchange = Exchange(_Caller(kept))
    try:
        request = HttpRequest("GET", encoded_url(login.oauth_token_endpoint, name="authentication.oauthTokenEndpoint"))
        if refused:
            sent = request.copy()
            sent.headers["Authorization"] = f"Bearer {refused}"
            answer = HttpResponse(401, "", [], b"", request.url)
            signed = await scheme.challenged(request, sent, answer, exchange) or request
        else:
            signed = await scheme.authorize(request, exchange)
    except ConnectorError as error:
        wrong = isinstance(error, PermanentError) or error.code in {"400", "401", "403"}
        kind = PermanentError if wrong else TransientError
        raise kind("MAIL_TOKEN_FAILED", f"authentication: no access token could be got. {error.message}") from None
    return signed.headers["Authorization"].removeprefix("Bearer ")


def token_source(login: ClientCredentialsLogin | RefreshTokenLogin, kept: Kept) -> Callable[[bool], Awaitable[str]]:
    """What gives the account's access token; called with true when the last one that it gave was refused."""
    last = ""

    async def token(renew: bool) -> str:  # noqa: FBT001 - the shape that the SMTP session asks for
        nonlocal last
        last = await access_token(login, kept, refused=last if renew else "")
        return last

    return token
