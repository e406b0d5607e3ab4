"""Get access tokens for mail accounts (XOAUTH2) from the cache that HTTP connectors share."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.errors import ConnectorError, PermanentError, TransientError

if TYPE_CHECKING:
    from zeebe_connectors.web import Exchange
from zeebe_connectors.mail.settings import ClientCredentialsLogin, RefreshTokenLogin

_TIME = 30.0


class _Caller:
    """The time and the clients of one token request."""

    def __init__(self, clients: ClientCache) -> None:
        self._clients = clients
        self._end = time.monotonic() + _TIME

    @property
    def clients(self) -> ClientCache:
        return self._clients

    def seconds_left(self) -> float:
        return max(0.0, self._end - time.monotonic())


async def access_token(
    login: ClientCredentialsLogin | RefreshTokenLogin, clients: ClientCache, *, refused: str = ""
) -> str:
    """Returns the account's access token, fetched unless a valid one is cached.

    Args:
        login: The account.
        clients: The runtime's clients, which hold the cached tokens.
        refused: A token that the mail server refused; it is not returned again.

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
    exchange: Exchange = Exchange(_Caller(clients))
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
        raise kind("MAIL_TOKEN_FAILED", f"authentication: no access token could be obtained. {error.message}") from None
    return signed.headers["Authorization"].removeprefix("Bearer ")


def token_source(
    login: ClientCredentialsLogin | RefreshTokenLogin, clients: ClientCache
) -> Callable[[bool], Awaitable[str]]:
    """Returns a function that returns the account's access token; call it with True if its last token was refused."""
    last = ""

    async def token(renew: bool) -> str:  # noqa: FBT001 - the shape that the SMTP session asks for
        nonlocal last
        last = await access_token(login, clients, refused=last if renew else "")
        return last

    return token
