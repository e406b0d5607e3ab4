"""Sign in by NTLM over HTTP, for Windows services: three messages on one connection, then the response.

NTLM authenticates a connection, not a request (MS-NTHT), so each call has a connection of its own.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from zeebe_connectors.sdk.errors import ConnectorError
from zeebe_connectors.sdk.fields import Hint, Secret
from zeebe_connectors.web.auth.scheme import Scheme, not_installed
from zeebe_connectors.web.message import HttpRequest, HttpResponse

if TYPE_CHECKING:
    import spnego

    from zeebe_connectors.web.client import Exchange


class Ntlm(Scheme):
    """NTLM (Windows): user name and password answer the server's challenge."""

    type: Literal["ntlm"]
    username: Annotated[str, Field(min_length=1), Hint(label="Username")]
    r"""The user's name, with the domain where it has one: `DOMAIN\user`."""
    password: Annotated[Secret | None, Hint(label="Password", placeholder="{{secrets.PASSWORD}}")] = None
    """The user's password."""

    async def send(self, request: HttpRequest, exchange: Exchange) -> tuple[HttpRequest, HttpResponse]:
        """Sends a request as this user; a 401 comes back when the server does not accept it.

        Raises:
            InputError: The library for NTLM is not installed.
        """
        security = self._client(request)
        async with exchange.alone() as alone:
            greeting = _with_token(request, security.step())
            if greeting.body is not None:
                greeting.body = b""  # the body is sent with the last message only
            response = await alone.send(greeting)
            challenge = _challenge(response)
            if response.status == 401 and challenge is not None:
                sent = _with_token(request, _answer(security, challenge))
                return sent, await alone.send(sent)
            if response.status == 401 or request.body is None:  # without a body, the greeting was the whole request
                return greeting, response
            return request, await alone.send(request)

    def _client(self, request: HttpRequest) -> spnego.ContextProxy:
        try:
            import spnego  # noqa: PLC0415 - only for those who speak NTLM
        except ModuleNotFoundError:
            raise not_installed("type", "NTLM", "ntlm") from None
        password = self.password.reveal() if self.password else ""
        host = urlsplit(request.url).hostname or ""
        return spnego.client(self.username, password, hostname=host, service="http", protocol="ntlm")


def _answer(security: spnego.ContextProxy, challenge: bytes) -> bytes | None:
    try:
        return security.step(challenge)
    except Exception:  # noqa: BLE001 - the library's dozen types, and the standard library's for a broken message
        raise ConnectorError(
            "401", "The server's NTLM challenge cannot be answered; is it the service that is meant?"
        ) from None


def _with_token(request: HttpRequest, token: bytes | None) -> HttpRequest:
    signed = request.copy()
    signed.headers["Authorization"] = "NTLM " + base64.b64encode(token or b"").decode()
    return signed


def _challenge(response: HttpResponse) -> bytes | None:
    for name, value in response.headers:
        if name.lower() == "www-authenticate" and value[:5].lower() == "ntlm ":
            try:
                return base64.b64decode(value[5:].strip())
            except ValueError:  # also for what is not ASCII
                return None
    return None
