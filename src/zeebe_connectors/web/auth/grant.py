"""Get bearer tokens from a token endpoint, for the schemes of OAuth 2.0 and those built on it.

A scheme only fetches (`fetch`). This module caches tokens, renews them after a refusal, and reads the answers, so that
people see the endpoint's own words whether it answers with JSON, a page or a redirect.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from urllib.parse import parse_qsl, quote_plus, urlencode, urljoin, urlsplit

from multidict import CIMultiDict
from pydantic import Field

from zeebe_connectors.sdk.budget import decode_quick_json
from zeebe_connectors.sdk.errors import ConnectorError
from zeebe_connectors.sdk.fields import URL, Hint
from zeebe_connectors.web.auth.basic import basic_credentials
from zeebe_connectors.web.auth.scheme import Scheme, with_header
from zeebe_connectors.web.auth.tokens import Token, TokenCache
from zeebe_connectors.web.charset import as_utf8
from zeebe_connectors.web.message import HttpRequest, HttpResponse, encoded_url, origin_of
from zeebe_connectors.web.words import page_words, short, words_of

if TYPE_CHECKING:
    from zeebe_connectors.web.client import Exchange

TokenEndpoint = Annotated[
    str,
    Field(min_length=1),
    URL,
    Hint(label="OAuth 2.0 token endpoint", secrets="whole", placeholder="https://login.example.com/token"),
]
ClientId = Annotated[str, Field(min_length=1), Hint(label="Client ID")]
Scopes = Annotated[str, Hint(label="Scopes", placeholder="read write")]

_SECRET_FIELDS = ("assertion", "client_assertion", "client_secret", "password", "refresh_token")
_SCHEME = re.compile(r"^Bearer\s+", re.IGNORECASE)
"""Some services put it before the token, where it does not belong."""
_NAME = re.compile(r"[A-Za-z_]{1,30}")
_MAX_FORM = 64 * 1024


class Grant(Scheme):
    """One token for each set of settings, fetched once for all jobs, and again after a refusal."""

    refusals: ClassVar[frozenset[int]] = frozenset({401, 403})

    async def authorize(self, request: HttpRequest, exchange: Exchange) -> HttpRequest:
        """Adds a bearer token from the cache."""
        return _with_token(request, await self._token(exchange))

    async def challenged(
        self, request: HttpRequest, sent: HttpRequest, response: HttpResponse, exchange: Exchange
    ) -> HttpRequest | None:
        """Tries again with a new token after a 401, or after a 403 if the token's permissions may be out of date."""
        last = sent.headers.get("Authorization", "").removeprefix("Bearer ")
        if response.status != 403:
            return _with_token(request, await self._token(exchange, refused=last))
        if self in exchange.fetched:
            return None
        token = await self._token(exchange, forbidden=last)
        return None if token == last else _with_token(request, token)

    async def _token(self, exchange: Exchange, *, refused: str | None = None, forbidden: str | None = None) -> str:
        async def fetch(last: str | None) -> Token:
            exchange.fetched.add(self)
            return await self.fetch(exchange, last)

        cache = await exchange.context.clients.get("web.tokens", TokenCache)
        return await cache.get((self, exchange.tls.key()), fetch, refused=refused, forbidden=forbidden)

    async def fetch(self, exchange: Exchange, last: str | None) -> Token:
        """Fetches a new token.

        Args:
            exchange: For calling the token endpoint, within the job's time.
            last: The refresh token that came with the last token, where the server rotates them.

        Raises:
            ConnectorError: See `token_of`.
        """
        raise NotImplementedError


class ClientGrant(Grant):
    """A grant to an application that the token endpoint knows by its client id."""

    type: str
    oauth_token_endpoint: TokenEndpoint
    """Where tokens are issued."""
    client_id: ClientId
    """Identifies this application."""
    scopes: Scopes = ""
    """Scopes to request, separated by spaces."""


def _with_token(request: HttpRequest, token: str) -> HttpRequest:
    return with_header(request, "Authorization", f"Bearer {token}", field="the access token")


async def ask(
    exchange: Exchange,
    endpoint: str,
    form: Mapping[str, str],
    credentials: str | None = None,
    *,
    field: str = "authentication.oauthTokenEndpoint",
) -> HttpResponse:
    """Posts a form to the token endpoint, and masks the credentials that a refusal repeats.

    Args:
        exchange: Sends the form.
        endpoint: The address.
        form: The form's fields.
        credentials: Value of the header `Authorization`, if the client authenticates with one.
        field: Name of the input that holds the address, for messages.
    """
    from zeebe_connectors.web.client import without_echo  # noqa: PLC0415 - the client knows schemes, not they it

    headers = CIMultiDict({"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"})
    request = HttpRequest("POST", encoded_url(endpoint, name=field), headers, urlencode(form).encode())
    signed = with_header(request, "Authorization", credentials, field="authentication") if credentials else request
    response = without_echo(await exchange.send(signed), request, signed)
    _mask(response, [form[name] for name in _SECRET_FIELDS if name in form])
    return response


async def ask_as_client(
    exchange: Exchange, endpoint: str, form: Mapping[str, str], name: str, secret: str, *, how: str
) -> HttpResponse:
    """Posts a form to the token endpoint as a client that has a secret.

    Args:
        exchange: Sends the form.
        endpoint: The address.
        form: The form's fields.
        name: The client's id.
        secret: The client's secret; empty for a public client, which sends only its id.
        how: `basicAuthHeader` or `credentialsBody`.
    """
    if not secret:
        return await ask(exchange, endpoint, {**form, "client_id": name})
    if how == "credentialsBody":
        return await ask(exchange, endpoint, {**form, "client_id": name, "client_secret": secret})
    response = await ask(exchange, endpoint, form, basic_credentials(name, secret))
    _mask(response, [secret])
    encoded = quote_plus(name), quote_plus(secret)
    if response.status in {400, 401} and encoded != (name, secret):
        # RFC 6749 2.3.1 requires both to be form-encoded first; many servers expect them raw, some follow the RFC.
        response = await ask(exchange, endpoint, form, basic_credentials(*encoded))
        _mask(response, [secret])
    return response


def _mask(response: HttpResponse, secrets: Iterable[str]) -> None:
    """Masks secrets that a refusal repeats."""
    if response.status >= 400:
        for secret in secrets:
            response.mask(secret)


def audience_of(audience: str) -> dict[str, str]:
    """Returns the form's field for the audience; none if it is empty."""
    return {"audience": audience.strip()} if audience.strip() else {}


def scope_of(scopes: str) -> dict[str, str]:
    """Returns the form's field for scopes; none if there are no scopes."""
    words = " ".join(scopes.split())
    return {"scope": words} if words else {}


def token_of(response: HttpResponse, *, codes: Mapping[str, str] | None = None, rotates: bool = False) -> Token:
    """Reads the token endpoint's answer.

    Args:
        response: The answer.
        codes: This runtime's error codes by the endpoint's `error`.
        rotates: Whether a refresh token in the answer replaces the one that was used.

    Raises:
        ConnectorError: With the status as its code, as for any response; with `OAUTH_TOKEN_ERROR` or one of `codes`
            when a successful answer holds no token. The message quotes the endpoint.
    """
    from zeebe_connectors.web.result import status_error  # noqa: PLC0415 - imported only when a token is fetched

    answer = _answer(response)
    reason, words = _refusal(answer)
    detail = ": ".join(part for part in (reason, words or _page_words(response, answer)) if part)
    if response.status >= 400:
        error = status_error(response, what="The token endpoint", detail=detail or None)
        known = {name: value for name, value in (error.variables or {}).items() if name != "reason"}
        error.variables = {**known, "reason": reason} if reason else known
        raise error
    value = _find(answer, "access_token")
    if isinstance(value, str) and (value := _SCHEME.sub("", value.strip())):
        refresh = _find(answer, "refresh_token") if rotates else None
        return Token(value, _seconds(_find(answer, "expires_in")), refresh if isinstance(refresh, str) else None)
    code = (codes or {}).get(reason or "", "OAUTH_TOKEN_ERROR")
    if 300 <= response.status < 400:
        detail = f"it redirects to {_place(response)}; give the address that it redirects to as the token endpoint"
    detail = detail or _instead(response, answer)
    raise ConnectorError(
        code,
        f"The token endpoint {response.origin} issued no access token" + (f": {detail}" if detail else ""),
        variables={"reason": reason or ("redirect" if 300 <= response.status < 400 else "no-token")},
    )


def _answer(response: HttpResponse) -> Any:
    """Returns the body read as JSON or, for some older services, as a form; None for anything else."""
    kind = response.header("content-type") or ""
    body = as_utf8(response.body, kind)
    try:
        return decode_quick_json(body)
    except (ValueError, RecursionError):
        if "form-urlencoded" not in kind.lower() and not body.startswith((b"access_token=", b"error=")):
            return None
    return dict(parse_qsl(body[:_MAX_FORM].decode("utf-8", "replace"))) or None


def _refusal(answer: Any) -> tuple[str | None, str]:
    """Returns the endpoint's error code and message; services name both in several ways."""
    if not isinstance(answer, dict):
        return None, ""
    code = answer.get("error")
    if isinstance(code, dict):
        code = code.get("code") or code.get("status")
    known = isinstance(code, str) and code.isprintable() and len(code) <= 60
    words = words_of(answer)
    return (str(code) if known else None), "" if words == code else words


def _page_words(response: HttpResponse, answer: Any) -> str:
    """Returns what the endpoint says in a page or a text instead of JSON."""
    if answer is not None or not response.body.strip():
        return ""
    text = as_utf8(response.body, response.header("content-type") or "").decode("utf-8", "replace")
    if "<" in text[:1000]:
        return f'it sent a page: "{page_words(text)}"'
    # One long word in a good answer may be the token itself.
    return short(text) if response.status >= 400 or " " in text.strip() else ""


def _instead(response: HttpResponse, answer: Any) -> str:
    """Says what a successful answer without a token is, but nothing of its content, which may hold one after all."""
    if not response.body.strip():
        return "its answer is empty"
    if answer is None:
        return "its answer is a text, not JSON"
    if isinstance(answer, dict) and "access_token" in answer:
        return "its access_token is not text, or empty"
    if not isinstance(answer, dict) or not response.body.lstrip().startswith(b"{"):  # what else is named, may be it
        return "its answer has no access_token"
    names = [short(name) for name in answer if _NAME.fullmatch(name)][:5]
    return f"its answer has no access_token, only {', '.join(names)}" if names else "its answer has no access_token"


def _place(response: HttpResponse) -> str:
    """Returns where a redirect leads, without the query, which may hold secrets."""
    target = urljoin(response.url, response.header("location") or "")
    try:
        return short(origin_of(target) + urlsplit(target).path)
    except ValueError:
        return "something that is not an address"


def _find(value: Any, name: str, depth: int = 8) -> Any:
    """Returns the first value under this name, however deep: some services wrap their answer."""
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
    except (TypeError, ValueError, OverflowError):
        return None
