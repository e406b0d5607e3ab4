"""Sign in by OAuth 2.0 with signed assertions (RFC 7523): private_key_jwt and JWT bearer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from zeebe_connectors.sdk.fields import Hint, RequiredSecret, Secret
from zeebe_connectors.web.auth.grant import (
    ClientGrant,
    Grant,
    Scopes,
    TokenEndpoint,
    ask,
    ask_as_client,
    audience_of,
    scope_of,
    token_of,
)
from zeebe_connectors.web.auth.signed_jwt import signed_assertion, thumbprint
from zeebe_connectors.web.auth.tokens import Token

if TYPE_CHECKING:
    from zeebe_connectors.web.client import Exchange

CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"

PrivateKey = Annotated[RequiredSecret, Hint(label="Private key", text=True, placeholder="{{secrets.PRIVATE_KEY}}")]
Algorithm = Annotated[Literal["RS256", "RS384", "RS512", "PS256", "ES256", "ES384"], Hint(label="Signature algorithm")]


class PrivateKeyJwt(ClientGrant):
    """Client credentials: the application proves itself by a signed assertion (private_key_jwt)."""

    type: Literal["oauth-private-key-jwt"]
    audience: Annotated[str, Hint(label="Audience")] = ""
    """The token's audience, if the server requires it."""
    private_key: PrivateKey
    """The application's private key in PEM."""
    algorithm: Algorithm = "RS256"
    """Algorithm of the signature."""
    key_id: Annotated[str, Hint(label="Key ID")] = ""
    """Name under which the server knows the key (`kid`), if the server requires it."""
    certificate: Annotated[
        str, Hint(label="Certificate", text=True, secrets=True, tooltip="Only for servers that require its thumbprint.")
    ] = ""
    """Certificate of the key in PEM, whose thumbprint is sent as `x5t`."""
    assertion_audience: Annotated[str, Hint(label="Audience of the assertion")] = ""
    """The assertion's audience; the token endpoint if left empty."""

    async def fetch(self, exchange: Exchange, last: str | None) -> Token:
        """See `Grant.fetch`."""
        headers = {"kid": self.key_id.strip()} if self.key_id.strip() else {}
        if self.certificate.strip():
            headers["x5t"] = thumbprint(self.certificate, field="certificate")
        audience = self.assertion_audience.strip() or self.oauth_token_endpoint.strip()
        claims = {"iss": self.client_id, "sub": self.client_id, "aud": audience}
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_assertion_type": CLIENT_ASSERTION,
            "client_assertion": signed_assertion(
                claims, self.private_key.reveal(), algorithm=self.algorithm, headers=headers
            ),
            **scope_of(self.scopes),
            **audience_of(self.audience),
        }
        return token_of(await ask(exchange, self.oauth_token_endpoint, form))


class JwtBearer(Grant):
    """JWT bearer: exchanges a signed assertion, which says for whom the application acts, for a token."""

    type: Literal["oauth-jwt-bearer"]
    oauth_token_endpoint: TokenEndpoint
    """Where tokens are issued."""
    issuer: Annotated[str, Field(min_length=1), Hint(label="Issuer")]
    """Who issues the assertion (`iss`): often the client's id."""
    subject: Annotated[str, Hint(label="Subject")] = ""
    """For whom the application acts (`sub`); the issuer if left empty."""
    audience: Annotated[str, Hint(label="Audience")] = ""
    """The assertion's audience (`aud`); the token endpoint if left empty."""
    scopes: Scopes = ""
    """Scopes to request, separated by spaces."""
    private_key: PrivateKey
    """Private key in PEM to sign with."""
    algorithm: Algorithm = "RS256"
    """Algorithm of the signature."""
    key_id: Annotated[str, Hint(label="Key ID")] = ""
    """Name under which the server knows the key (`kid`), if the server requires it."""
    claims: Annotated[
        dict[str, Any], Hint(label="Further claims", feel="required", placeholder='={box_sub_type: "enterprise"}')
    ] = Field(default={})
    """Claims of the assertion besides those above."""
    client_id: Annotated[str, Hint(label="Client ID")] = ""
    """Identifies this application, if the server requires it beside the assertion."""
    client_secret: Annotated[Secret | None, Hint(label="Client secret", placeholder="{{secrets.CLIENT_SECRET}}")] = None
    """The application's secret, sent in the body, if the server requires it."""

    def __hash__(self) -> int:
        """Hashes the fields without the claims, which cannot be hashed; equality compares those too."""
        return hash((self.oauth_token_endpoint, self.issuer, self.subject, self.private_key, self.scopes))

    async def fetch(self, exchange: Exchange, last: str | None) -> Token:
        """See `Grant.fetch`."""
        claims = {
            **self.claims,
            "iss": self.issuer,
            "sub": self.subject.strip() or self.issuer,
            "aud": self.audience.strip() or self.oauth_token_endpoint.strip(),
        }
        headers = {"kid": self.key_id.strip()} if self.key_id.strip() else {}
        assertion = signed_assertion(claims, self.private_key.reveal(), algorithm=self.algorithm, headers=headers)
        form = {"grant_type": JWT_BEARER, "assertion": assertion, **scope_of(self.scopes)}
        if not self.client_id.strip():
            return token_of(await ask(exchange, self.oauth_token_endpoint, form))
        secret = self.client_secret.reveal() if self.client_secret else ""
        return token_of(
            await ask_as_client(
                exchange, self.oauth_token_endpoint, form, self.client_id, secret, how="credentialsBody"
            )
        )
