"""Sign in to a mail server with the mechanisms that it offers, trying the next if one fails.

It copes with faulty servers: some ignore an initial response and still ask for the user name (and would take the
password for it), some refuse it with 501, and some offer a mechanism that they then refuse.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping, Sequence

from zeebe_connectors import ConnectorError, PermanentError
from zeebe_connectors.mail.smtp.errors import by_code, is_missing_tls, remedy, wants_tls
from zeebe_connectors.mail.smtp.model import Login, Reply, Server, TokenSource
from zeebe_connectors.mail.smtp.protocol import Clock, Wire

_MECHANISMS: dict[str, str] = {"plain": "PLAIN", "login": "LOGIN", "cramMd5": "CRAM-MD5", "xoauth2": "XOAUTH2"}
_NOT_THIS_ONE = {432, 502, 504, 534, 538}
"""Replies that refuse a mechanism, not a password: the next one is tried."""
_MECHANISM = re.compile(r"mechanism|authentication type", re.IGNORECASE)
_NO_INITIAL_RESPONSE = {500, 501, 555}


class SignIn:
    """Signs one session in.

    Args:
        server: The server.
        wire: The session's connection.
        extensions: What the server offers, by keyword.
        clock: Limits each answer.
        token: Returns access tokens, for XOAUTH2.
        refused: What the server refused before (mechanisms, responses on the same line), with its answers; what it
            refuses now is added.
    """

    def __init__(
        self,
        server: Server,
        wire: Wire,
        extensions: Mapping[str, str],
        clock: Clock,
        token: TokenSource | None,
        refused: dict[str, Reply],
    ) -> None:
        self._server = server
        self._wire = wire
        self._offered = extensions.get("AUTH", "").upper().split()
        self._clock = clock
        self._token = token
        self._earlier = refused

    async def carry_out(self, login: Login) -> None:
        """Signs in.

        Raises:
            ConnectorError: `SMTP_AUTH_FAILED`: no suitable mechanism is offered, or the login was refused.
            OSError: The connection ended.
        """
        offered = self._methods(login)
        methods = [method for method in offered if method not in self._earlier] or offered
        for method, following in zip(methods, [*methods[1:], None], strict=True):
            if method == "xoauth2":
                await self._with_token(login)
                return
            reply = await self._with_password(method, login)
            if reply.is_positive:
                return
            # CRAM-MD5 needs the plain password at the server; many that store a hash offer it and refuse everybody.
            another = _is_of_mechanism(reply) or (method == "cramMd5" and reply.code == 535)
            if following is None or not another:
                raise self._refused(reply, self._hidden(login))
            self._earlier[method] = reply

    def _methods(self, login: Login) -> list[str]:
        """Returns the suitable mechanisms that are offered, best first."""
        if login.method == "auto":
            # A password that TLS protects needs no challenge; without TLS the challenge keeps it off the wire.
            order = ["plain", "login", "cramMd5"] if self._wire.secured else ["cramMd5", "plain", "login"]
        else:
            order = [login.method]
        found = [method for method in order if _MECHANISMS[method] in self._offered]
        if found:
            return found
        offer = f"it offers {', '.join(self._offered)}" if self._offered else "it offers no login on this connection"
        remedy = (
            "choose one of these as authentication" if self._offered else "choose security STARTTLS or TLS, or no login"
        )
        raise PermanentError(
            "SMTP_AUTH_FAILED",
            f"authentication: {self._server} does not offer {' or '.join(_MECHANISMS[method] for method in order)}; "
            f"{offer}; {remedy}",
        )

    async def _with_password(self, method: str, login: Login) -> Reply:
        user, password = login.username, _password(login)
        if method == "plain":
            return await self._at_once("PLAIN", _base64(f"{chr(0)}{user}{chr(0)}{password}"))
        if method == "login":
            reply = await self._command("AUTH LOGIN")
            if reply.code == 501:  # it wants the name in the same line
                reply = await self._command(f"AUTH LOGIN {_base64(user)}")
            elif reply.code == 334:
                reply = await self._command(_base64(user))
            if reply.code == 334:
                reply = await self._command(_base64(password))
            return reply
        reply = await self._command("AUTH CRAM-MD5")
        if reply.code != 334:
            return reply
        try:
            challenge = base64.b64decode(reply.text, validate=True)
        except ValueError:
            await self._command("*")
            return Reply(504, "its CRAM-MD5 challenge is not base64")
        digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
        return await self._command(_base64(f"{user} {digest}"))

    async def _with_token(self, login: Login) -> None:
        if self._token is None:
            raise PermanentError("SMTP_AUTH_FAILED", "authentication: XOAUTH2 needs an access token or its endpoint")
        refused: ConnectorError | None = None
        for renew in (False, True):
            self._clock.last()
            token = await self._token(renew)
            proof = _base64(f"user={login.username}\1auth=Bearer {token}\1\1")
            try:
                reply = await self._at_once("XOAUTH2", proof)
                if reply.code == 334:  # the reason arrives as a challenge, which an empty answer ends
                    reply = await self._command("")
            except OSError:
                if refused is not None:  # the server hung up after the first refusal
                    raise refused from None
                raise
            if reply.is_positive:
                return
            refused = self._refused(reply, [token, proof])
            if reply.code < 500:
                break
        if refused is not None:
            raise refused

    async def _at_once(self, mechanism: str, response: str) -> Reply:
        """Sends a mechanism with its response on the same line, or on a line of its own if the server requires that."""
        at_once = f"{mechanism} with a response"
        reply = self._earlier.get(at_once) or await self._command(f"AUTH {mechanism} {response}")
        if reply.code in _NO_INITIAL_RESPONSE:
            self._earlier[at_once] = reply
            reply = await self._command(f"AUTH {mechanism}")
            if reply.code == 334:
                reply = await self._command(response)
        elif reply.code == 334 and (mechanism == "PLAIN" or not reply.text.strip()):  # it ignored the response
            reply = await self._command(response)
        return reply

    async def _command(self, line: str) -> Reply:
        self._clock.next()
        self._wire.write(f"{line}\r\n".encode())
        return await self._wire.reply()

    @staticmethod
    def _hidden(login: Login) -> list[str]:
        user, password = login.username, _password(login)
        return [password, _base64(password), _base64(f"{chr(0)}{user}{chr(0)}{password}")]

    def _refused(self, reply: Reply, hidden: Sequence[str]) -> ConnectorError:
        text = reply.text
        for secret in sorted(filter(None, hidden), key=len, reverse=True):
            text = text.replace(secret, "***")  # a server may quote what it received
        reply = Reply(reply.code, text)
        if is_missing_tls(reply) and not self._wire.secured:
            return wants_tls(self._server, reply)
        what = remedy(reply, "Check the username and the password or token, and that the account may send over SMTP")
        return by_code(reply, "SMTP_AUTH_FAILED", f"authentication: {self._server} refused the login: {reply}. {what}")


def _is_of_mechanism(reply: Reply) -> bool:
    """Returns whether a reply refuses the mechanism, not the login (RFC 4954; RFC 3463, X.7.4)."""
    if reply.code in _NOT_THIS_ONE or reply.enhanced in {"5.7.4", "5.5.4"}:
        return True
    return reply.code >= 500 and _MECHANISM.search(reply.text) is not None


def _password(login: Login) -> str:
    return login.password.reveal() if login.password is not None else ""


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
