"""NTLM over HTTP: a request and a user go in; three messages on one connection later, the response comes out.

NTLM proves who calls to a connection, not with a request (MS-NTHT), so each call has a connection of its own.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zeebe_connectors import ConnectorError, Context, Hint, InputError, Secret
from zeebe_connectors.net.egress import RULES
from zeebe_connectors.net.tls import ClientTls
from zeebe_connectors.web import HttpClient, HttpRequest, HttpResponse, NetworkRules
from zeebe_connectors.web.auth import Scheme

if TYPE_CHECKING:
    import spnego


class Ntlm(Scheme):
    """NTLM (Windows): user name and password answer the server's challenge."""

    type: Literal["ntlm"]
    username: Annotated[str, Field(min_length=1), Hint(label="Username")]
    r"""The user's name, with the domain where it has one: `DOMAIN\user`."""
    password: Annotated[Secret | None, Hint(label="Password", placeholder="{{secrets.PASSWORD}}")] = None
    """The user's password."""


async def call_with_ntlm(
    request: HttpRequest, scheme: Ntlm, context: Context, *, tls: ClientTls, patience: float | None
) -> HttpResponse:
    """Sends a request as a user.

    Args:
        request: Without credentials.
        scheme: Who calls.
        context: The job's context.
        tls: Certificates.
        patience: Seconds for connecting and for silence; None for no limit but the job's time.

    Returns:
        The response; a 401 when the server does not accept the user.

    Raises:
        ConnectorError: As any HTTP call.
        InputError: The library for NTLM is not installed.
    """
    security = _client(scheme, request)
    rules = await context.clients.get(RULES, NetworkRules.from_environment)
    client = HttpClient(rules, tls)

    async def send(prepared: HttpRequest) -> HttpResponse:
        total = context.seconds_left()
        if total <= 0:
            raise ConnectorError("408", f"The job's time was over before {request.origin} was called")
        return await client.send(prepared, connect=patience, read=patience, total=total, limit=rules.max_body)

    try:
        greeting = _with_token(request, security.step())
        greeting.body = b""  # the message itself goes only to who is known
        response = await send(greeting)
        challenge = _challenge(response)
        if response.status != 401 or challenge is None:
            return response if response.status == 401 else await send(request)
        return await send(_with_token(request, security.step(challenge)))
    finally:
        await client.aclose()


def _client(scheme: Ntlm, request: HttpRequest) -> spnego.ContextProxy:
    try:
        import spnego  # noqa: PLC0415 - only for those who speak NTLM
    except ModuleNotFoundError:
        raise InputError(
            "httpAuthentication.type: NTLM needs a library that is not installed; add it with: pip install "
            "'zeebe-connectors[ntlm]'"
        ) from None
    password = scheme.password.reveal() if scheme.password else ""
    host = request.origin.partition("://")[2].partition(":")[0]
    return spnego.client(scheme.username, password, hostname=host, service="http", protocol="ntlm")


def _with_token(request: HttpRequest, token: bytes | None) -> HttpRequest:
    signed = request.copy()
    signed.headers["Authorization"] = "NTLM " + base64.b64encode(token or b"").decode()
    return signed


def _challenge(response: HttpResponse) -> bytes | None:
    for name, value in response.headers:
        if name.lower() == "www-authenticate" and value[:5].lower() == "ntlm ":
            try:
                return base64.b64decode(value[5:].strip())
            except binascii.Error:
                return None
    return None
