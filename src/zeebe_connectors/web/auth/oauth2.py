"""OAuth 2.0 without a user: client credentials or a refresh token go in, bearer tokens come out of a cache."""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote_plus, urlencode

from multidict import CIMultiDict
from pydantic import Field

from zeebe_connectors.sdk.errors import ConnectorError
from zeebe_connectors.sdk.fields import Hint, Secret
from zeebe_connectors.web.auth.basic import basic_credentials
from zeebe_connectors.web.auth.scheme import RequiredSecret, Scheme, with_header
from zeebe_connectors.web.auth.tokens import Token, TokenCache
from zeebe_connectors.web.message import HttpRequest, HttpResponse, encoded_url

if TYPE_CHECKING:
    from zeebe_connectors.web.client import Exchange

_REFRESH_CODES = {
    "invalid_grant": "OAUTH_REFRESH_TOKEN_EXPIRED",
    "interaction_required": "OAUTH_INTERACTION_REQUIRED",
}


class _Grant(Scheme):
    """What both grants have in common: one token per settings, fetched once for all, anew after a refusal."""

    oauth_token_endpoint: Annotated[
        str, Field(min_length=1), Hint(label="OAuth 2.0 token endpoint", placeholder="https://login.example.com/token")
    ]
    """Where tokens are issued."""
    client_id: Annotated[str, Field(min_length=1), Hint(label="Client ID")]
    """Identifies this application."""
    scopes: Annotated[str, Hint(label="Scopes", placeholder="read write")] = ""
    """Scopes to ask for, separated by spaces."""

    async def authorize(self, request: HttpRequest, exchange: Exchange) -> HttpRequest:
        """Adds a bearer token from the cache."""
        return await self._signed(request, exchange, refused=None)

    async def challenged(
        self, request: HttpRequest, sent: HttpRequest, response: HttpResponse, exchange: Exchange
    ) -> HttpRequest | None:
        """The token was refused before its end: once more with a new one."""
        refused = sent.headers.get("Authorization", "").removeprefix("Bearer ")
        return await self._signed(request, exchange, refused=refused)

    async def _signed(self, request: HttpRequest, exchange: Exchange, *, refused: str | None) -> HttpRequest:
        cache = await exchange.context.clients.get("web.tokens", TokenCache)
        token = await cache.get(
            (self._key(), exchange.tls.key()), lambda last: self._fetch(exchange, last), refused=refused
        )
        return with_header(request, "Authorization", f"Bearer {token}", field="the access token")

    def _key(self) -> Hashable:
        raise NotImplementedError

    async def _fetch(self, exchange: Exchange, last: str | None) -> Token:
        raise NotImplementedError

    async def _ask(self, exchange: Exchange, form: dict[str, str], credentials: str | None = None) -> HttpResponse:
        from zeebe_connectors.web.client import without_echo  # noqa: PLC0415 - the client knows schemes, not they it

        headers = CIMultiDict({"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"})
        url = encoded_url(self.oauth_token_endpoint, name="authentication.oauthTokenEndpoint")
        request = HttpRequest("POST", url, headers, urlencode(form).encode())
        signed = with_header(request, "Authorization", credentials, field="authentication") if credentials else request
        return without_echo(await exchange.send(signed), request, signed)

    def _scope(self) -> dict[str, str]:
        scopes = " ".join(self.scopes.split())
        return {"scope": scopes} if scopes else {}


class ClientCredentials(_Grant):
    """Client credentials: the application acts for itself."""

    type: Literal["oauth-client-credentials-flow"]
    client_secret: Annotated[RequiredSecret, Hint(label="Client secret", placeholder="{{secrets.CLIENT_SECRET}}")]
    """The application's secret."""
    audience: Annotated[str, Hint(label="Audience")] = ""
    """For whom the token is meant, where the server wants to know."""
    client_authentication: Annotated[
        Literal["basicAuthHeader", "credentialsBody"],
        Hint(
            label="Client authentication",
            choices={
                "basicAuthHeader": "Send client credentials in a Basic Auth header",
                "credentialsBody": "Send client credentials in the body",
            },
        ),
    ] = "basicAuthHeader"
    """How the application proves itself to the token endpoint."""

    def _key(self) -> Hashable:
        return (
            self.type,
            self.oauth_token_endpoint,
            self.client_id,
            self.client_secret,
            self.audience,
            self.scopes,
            self.client_authentication,
        )

    async def _fetch(self, exchange: Exchange, last: str | None) -> Token:
        form = {"grant_type": "client_credentials", **self._scope()}
        if self.audience.strip():
            form["audience"] = self.audience.strip()
        name, secret = self.client_id, self.client_secret.reveal()
        if self.client_authentication == "credentialsBody":
            return _token(await self._ask(exchange, {**form, "client_id": name, "client_secret": secret}))
        response = await self._ask(exchange, form, basic_credentials(name, secret))
        encoded = quote_plus(name), quote_plus(secret)
        if response.status in {400, 401} and encoded != (name, secret):
            # RFC 6749 2.3.1 demands that both are form-encoded first; many servers want them raw, some as it says.
            response = await self._ask(exchange, form, basic_credentials(*encoded))
        return _token(response)


class RefreshToken(_Grant):
    """A refresh token that somebody obtained once: the application acts for that user."""

    type: Literal["oauth-refresh-token"]
    refresh_token: Annotated[RequiredSecret, Hint(label="Refresh token", placeholder="{{secrets.REFRESH_TOKEN}}")]
    """The refresh token."""
    client_secret: Annotated[Secret | None, Hint(label="Client secret", placeholder="{{secrets.CLIENT_SECRET}}")] = None
    """The application's secret, where it has one."""

    def _key(self) -> Hashable:
        return (
            self.type,
            self.oauth_token_endpoint,
            self.client_id,
            self.client_secret,
            self.refresh_token,
            self.scopes,
        )

    async def _fetch(self, exchange: Exchange, last: str | None) -> Token:
        form = {"grant_type": "refresh_token", "client_id": self.client_id, **self._scope()}
        if self.client_secret:
            form["client_secret"] = self.client_secret.reveal()
        own = self.refresh_token.reveal()
        response = await self._ask(exchange, {**form, "refresh_token": last or own})
        if last and response.status in {400, 401}:  # the server may have gone back to the one in the diagram
            response = await self._ask(exchange, {**form, "refresh_token": own})
        return _token(response, codes=_REFRESH_CODES)


def _token(response: HttpResponse, *, codes: dict[str, str] | None = None) -> Token:
    """Reads the token endpoint's answer.

    Raises:
        ConnectorError: The status as the code, as for any response; `OAUTH_TOKEN_ERROR` and its kin when there is no
            token in an answer that should hold one.
    """
    from zeebe_connectors.web.result import status_error  # noqa: PLC0415 - imported only when a token is fetched

    try:
        answer = json.loads(response.body)
    except ValueError:
        answer = None
    said = answer.get("error") if isinstance(answer, dict) else None
    reason = said if isinstance(said, str) and said.isprintable() and len(said) <= 60 else None
    if response.status >= 400:
        raise status_error(response, what="The token endpoint", detail=reason)
    value = _find(answer, "access_token")
    if not isinstance(value, str) or not value:
        code = (codes or {}).get(reason or "", "OAUTH_TOKEN_ERROR")
        raise ConnectorError(
            code,
            f"The token endpoint {response.origin} gave no access token" + (f": {reason}" if reason else ""),
            variables={"reason": reason or "no-token"},
        )
    refresh = answer.get("refresh_token") if isinstance(answer, dict) and codes else None
    return Token(value, _seconds(_find(answer, "expires_in")), refresh if isinstance(refresh, str) else None)


def _find(value: Any, name: str, depth: int = 8) -> Any:
    """The first value under this name, however deep: some services wrap their answer."""
    if isinstance(value, dict):
        if name in value:
            return value[name]
        value = list(value.values())
    if isinstance(value, list) and depth:
        for item in value:
            found = _find(item, name, depth - 1)
            if found is not None:
                return found
    return None


def _seconds(value: Any) -> float | None:
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):
        return None
