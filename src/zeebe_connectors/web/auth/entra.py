"""Sign in to Microsoft's services with Microsoft Entra ID (Azure AD); the application acts for itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from zeebe_connectors.sdk.fields import Hint, Secret
from zeebe_connectors.web.auth.assertions import CLIENT_ASSERTION
from zeebe_connectors.web.auth.grant import ClientId, Grant, ask, token_of
from zeebe_connectors.web.auth.signed_jwt import signed_assertion, thumbprint
from zeebe_connectors.web.auth.tokens import Token

if TYPE_CHECKING:
    from zeebe_connectors.web.client import Exchange


def _tenant(text: str) -> str:
    text = text.strip()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", text):
        raise ValueError("must be the directory's id or one of its domain names, such as contoso.onmicrosoft.com")
    return text


class EntraId(Grant):
    """Microsoft Entra ID (Azure AD): client credentials with a secret or a certificate."""

    type: Literal["entra-id"]
    tenant: Annotated[str, AfterValidator(_tenant), Hint(label="Tenant", placeholder="contoso.onmicrosoft.com")]
    """Id or domain name of the directory."""
    client_id: ClientId
    """Id of the application."""
    scopes: Annotated[str, Field(min_length=1), Hint(label="Scope")] = "https://graph.microsoft.com/.default"
    """The scope to request: the resource's address with `/.default`."""
    client_secret: Annotated[Secret | None, Hint(label="Client secret", placeholder="{{secrets.CLIENT_SECRET}}")] = None
    """The application's secret; give this or a certificate with its key."""
    certificate: Annotated[
        str, Hint(label="Certificate", text=True, secrets=True, placeholder="-----BEGIN CERTIFICATE-----")
    ] = ""
    """The application's certificate in PEM, instead of a secret."""
    private_key: Annotated[
        Secret | None, Hint(label="Private key", text=True, placeholder="{{secrets.CLIENT_KEY}}")
    ] = None
    """The certificate's private key in PEM."""
    authority: Annotated[
        str,
        Field(pattern=r"^\s*https?://\S+\s*$"),
        Hint(label="Authority", tooltip="Government clouds and the one in China have others."),
    ] = "https://login.microsoftonline.com"
    """Where tokens are issued."""

    @model_validator(mode="after")
    def _proof(self) -> EntraId:
        if not self.client_secret and not (self.certificate.strip() and self.private_key):
            raise ValueError("clientSecret: is required, or certificate and privateKey instead; fill it in")
        return self

    async def fetch(self, exchange: Exchange, last: str | None) -> Token:
        """See `Grant.fetch`."""
        endpoint = f"{self.authority.strip().rstrip('/')}/{self.tenant}/oauth2/v2.0/token"
        form = {"grant_type": "client_credentials", "client_id": self.client_id, "scope": self.scopes.strip()}
        if self.client_secret:
            form["client_secret"] = self.client_secret.reveal()
        elif self.private_key:
            claims = {"iss": self.client_id, "sub": self.client_id, "aud": endpoint}
            headers = {"x5t": thumbprint(self.certificate, field="certificate")}
            form["client_assertion_type"] = CLIENT_ASSERTION
            form["client_assertion"] = signed_assertion(claims, self.private_key.reveal(), headers=headers)
        return token_of(await ask(exchange, endpoint, form, field="authentication.authority"))
