"""Sign in by OAuth 2.0 with no user present: client credentials, client certificate, refresh token, password."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from zeebe_connectors.sdk.errors import InputError
from zeebe_connectors.sdk.fields import Hint, RequiredSecret, Secret
from zeebe_connectors.web.auth.grant import ClientGrant, ask, ask_as_client, audience_of, scope_of, token_of
from zeebe_connectors.web.auth.tokens import Token

if TYPE_CHECKING:
    from zeebe_connectors.web.client import Exchange

_REFRESH_CODES = {
    "invalid_grant": "OAUTH_REFRESH_TOKEN_EXPIRED",
    "interaction_required": "OAUTH_INTERACTION_REQUIRED",
}

_OPENID_NAMES = {"client_secret_basic": "basicAuthHeader", "client_secret_post": "credentialsBody"}


def _as_choice(value: object) -> object:
    """Accepts the names of OpenID Connect as well, which servers' descriptions use."""
    return _OPENID_NAMES.get(value, value) if isinstance(value, str) else value


ClientAuthentication = Annotated[
    Literal["basicAuthHeader", "credentialsBody"],
    BeforeValidator(_as_choice),
    Hint(
        label="Client authentication",
        choices={
            "basicAuthHeader": "Send client credentials in a Basic Auth header",
            "credentialsBody": "Send client credentials in the body",
        },
    ),
]


class ClientCredentials(ClientGrant):
    """Client credentials: the application acts for itself."""

    type: Literal["oauth-client-credentials-flow"]
    client_secret: Annotated[RequiredSecret, Hint(label="Client secret", placeholder="{{secrets.CLIENT_SECRET}}")]
    """The application's secret."""
    audience: Annotated[str, Hint(label="Audience")] = ""
    """The token's audience, if the server requires it."""
    client_authentication: ClientAuthentication = "basicAuthHeader"
    """How the application authenticates to the token endpoint."""

    async def fetch(self, exchange: Exchange, last: str | None) -> Token:
        """See `Grant.fetch`."""
        form = {"grant_type": "client_credentials", **scope_of(self.scopes), **audience_of(self.audience)}
        how = self.client_authentication
        secret = self.client_secret.reveal()
        return token_of(await ask_as_client(exchange, self.oauth_token_endpoint, form, self.client_id, secret, how=how))


class ClientCertificate(ClientGrant):
    """Client credentials: the application authenticates with its TLS certificate (RFC 8705)."""

    type: Literal["oauth-client-certificate"]
    audience: Annotated[str, Hint(label="Audience")] = ""
    """The token's audience, if the server requires it."""

    async def fetch(self, exchange: Exchange, last: str | None) -> Token:
        """See `Grant.fetch`.

        Raises:
            InputError: `AUTHENTICATION_INVALID` when the task has no client certificate.
        """
        if not exchange.tls.client_certificate:
            raise InputError(
                "clientTls.clientCertificate: is required, because the authentication identifies the caller by it; "
                "give certificate and key, or a keystore",
                code="AUTHENTICATION_INVALID",
            )
        form = {"grant_type": "client_credentials", **scope_of(self.scopes), **audience_of(self.audience)}
        return token_of(await ask(exchange, self.oauth_token_endpoint, {**form, "client_id": self.client_id}))


class RefreshToken(ClientGrant):
    """A refresh token that a user obtained once; the application acts for that user."""

    type: Literal["oauth-refresh-token"]
    refresh_token: Annotated[RequiredSecret, Hint(label="Refresh token", placeholder="{{secrets.REFRESH_TOKEN}}")]
    """The refresh token."""
    client_secret: Annotated[Secret | None, Hint(label="Client secret", placeholder="{{secrets.CLIENT_SECRET}}")] = None
    """The application's secret, if it has one."""

    async def fetch(self, exchange: Exchange, last: str | None) -> Token:
        """See `Grant.fetch`."""
        form = {"grant_type": "refresh_token", "client_id": self.client_id, **scope_of(self.scopes)}
        if self.client_secret:
            form["client_secret"] = self.client_secret.reveal()
        own, endpoint = self.refresh_token.reveal(), self.oauth_token_endpoint
        used = last or own
        response = await ask(exchange, endpoint, {**form, "refresh_token": used})
        if last and response.status in {400, 401}:  # the server may have gone back to the one in the diagram
            used = own
            response = await ask(exchange, endpoint, {**form, "refresh_token": own})
        token = token_of(response, codes=_REFRESH_CODES, rotates=True)
        # A server need not send a new one each time; then the one before stays good (RFC 6749, 6).
        return token if token.refresh or used == own else replace(token, refresh=used)


class Password(ClientGrant):
    """A user's name and password, exchanged for a token: for services that offer nothing better."""

    type: Literal["oauth-password"]
    username: Annotated[str, Field(min_length=1), Hint(label="Username")]
    """The user's name."""
    password: Annotated[RequiredSecret, Hint(label="Password", placeholder="{{secrets.PASSWORD}}")]
    """The user's password."""
    client_secret: Annotated[Secret | None, Hint(label="Client secret", placeholder="{{secrets.CLIENT_SECRET}}")] = None
    """The application's secret, if it has one."""
    client_authentication: ClientAuthentication = "basicAuthHeader"
    """How the application authenticates to the token endpoint."""

    async def fetch(self, exchange: Exchange, last: str | None) -> Token:
        """See `Grant.fetch`."""
        user = {"username": self.username, "password": self.password.reveal()}
        form = {"grant_type": "password", **user, **scope_of(self.scopes)}
        secret = self.client_secret.reveal() if self.client_secret else ""
        how = self.client_authentication
        return token_of(await ask_as_client(exchange, self.oauth_token_endpoint, form, self.client_id, secret, how=how))
