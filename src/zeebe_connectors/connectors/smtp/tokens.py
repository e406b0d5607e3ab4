"""OAuth 2.0 settings of a mail account go in, a source of access tokens (ready, or fetched and cached) comes out."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zeebe_connectors import (
    ConnectorError,
    Context,
    Hint,
    InputError,
    Model,
    PermanentError,
    Secret,
    TransientError,
    When,
)
from zeebe_connectors.connectors.smtp.client import TokenSource

if TYPE_CHECKING:
    from zeebe_connectors.web import Scheme

_FETCHED = ("clientCredentials", "refreshToken")


class AccessToken(Model):
    """Where the access token comes from."""

    username: Annotated[str, Field(min_length=1), Hint(secrets=True)]
    """The mailbox in whose name the runtime signs in."""
    grant: Annotated[
        Literal["clientCredentials", "refreshToken", "token"],
        Hint(
            label="Token from",
            choices={
                "clientCredentials": "Client credentials",
                "refreshToken": "Refresh token",
                "token": "Ready access token",
            },
        ),
    ] = "clientCredentials"
    """How the access token is got."""
    token: Annotated[Secret | None, Hint(label="Access token", when=When("grant", ("token",)))] = None
    """A token that something else keeps fresh."""
    oauth_token_endpoint: Annotated[
        str | None,
        Hint(
            label="Token endpoint",
            secrets=True,
            when=When("grant", _FETCHED),
            placeholder="https://login.microsoftonline.com/TENANT/oauth2/v2.0/token",
        ),
    ] = None
    """Where tokens are issued; they are kept until shortly before they end."""
    client_id: Annotated[str | None, Hint(label="Client ID", secrets=True, when=When("grant", _FETCHED))] = None
    """Identifies the application."""
    client_secret: Annotated[Secret | None, Hint(label="Client secret", when=When("grant", _FETCHED))] = None
    """The application's secret; with a refresh token only where it has one."""
    refresh_token: Annotated[Secret | None, Hint(label="Refresh token", when=When("grant", ("refreshToken",)))] = None
    """The refresh token that the mailbox's owner obtained."""
    scopes: Annotated[
        str,
        Hint(
            label="Scopes",
            secrets=True,
            when=When("grant", _FETCHED),
            placeholder="https://outlook.office365.com/.default",
        ),
    ] = ""
    """Scopes to ask for, separated by spaces."""

    def key(self) -> Hashable:
        """What makes two token sources differ."""
        return (
            self.grant,
            self.token,
            self.oauth_token_endpoint,
            self.client_id,
            self.client_secret,
            self.refresh_token,
            self.scopes,
        )

    def source(self, context: Context) -> TokenSource:
        """Gives access tokens for this job.

        Raises:
            InputError: A setting that the grant needs is missing.
        """
        if self.grant == "token":
            if not self.token:
                raise _missing("token")
            ready = self.token.reveal()

            async def given(renew: bool) -> str:  # noqa: ARG001, FBT001 - the source's shape
                return ready

            return given
        return self._fetched(context)

    def _fetched(self, context: Context) -> TokenSource:
        from zeebe_connectors.web import Exchange, HttpRequest, HttpResponse, encoded_url  # noqa: PLC0415 - only who needs tokens

        scheme = self._scheme()
        exchange = Exchange(context)
        name = "authentication.oauthTokenEndpoint"
        request = HttpRequest("POST", encoded_url(self.oauth_token_endpoint or "", name=name))
        signed = request

        async def fetched(renew: bool) -> str:  # noqa: FBT001 - the source's shape
            nonlocal signed
            try:
                if renew:
                    refusal = HttpResponse(401, "", [], b"", request.url)
                    signed = await scheme.challenged(request, signed, refusal, exchange) or signed
                else:
                    signed = await scheme.authorize(request, exchange)
            except ConnectorError as error:
                raise _no_token(error) from error
            return signed.headers["Authorization"].removeprefix("Bearer ")

        return fetched

    def _scheme(self) -> Scheme:
        from zeebe_connectors.web.auth.oauth2 import ClientCredentials, RefreshToken  # noqa: PLC0415

        needed = ["oauth_token_endpoint", "client_id"]
        needed.append("client_secret" if self.grant == "clientCredentials" else "refresh_token")
        for field in needed:
            if not getattr(self, field):
                raise _missing(type(self).model_fields[field].alias or field)
        common = {
            "oauth_token_endpoint": self.oauth_token_endpoint,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "scopes": self.scopes,
        }
        if self.grant == "refreshToken":
            return RefreshToken.model_validate(
                {"type": "oauth-refresh-token", "refresh_token": self.refresh_token, **common}
            )
        return ClientCredentials.model_validate(
            {"type": "oauth-client-credentials-flow", "client_authentication": "credentialsBody", **common}
        )


def _no_token(error: ConnectorError) -> ConnectorError:
    """The token endpoint's failure, under the code of a failed login; tried again unless the settings are wrong."""
    wrong = isinstance(error, PermanentError) or error.code in {"400", "401", "403"}
    kind = PermanentError if wrong else TransientError
    return kind("SMTP_AUTH_FAILED", f"authentication: no access token could be got. {error.message}")


def _missing(field: str) -> InputError:
    return InputError(f"authentication.{field}: is required; fill it in")
