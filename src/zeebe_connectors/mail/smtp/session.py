"""Open an SMTP session, sign in and send mails, one at a time.

The session is our own because three things must be exact: whether a failure came before or after the dot that ends the
message (only before it may the mail be sent again at once); commands are sent together if the server offers PIPELINING;
and large messages are written piece by piece, so that other jobs continue.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import ssl
from collections.abc import Iterator, Sequence

from zeebe_connectors import ConnectorError, PermanentError
from zeebe_connectors.mail.smtp.errors import (
    LostError,
    NotSmtpError,
    by_code,
    is_missing_tls,
    is_size,
    names_size,
    not_smtp,
    opening_failed,
    outcome_unknown,
    recipients_refused,
    remedy,
    reply_variables,
    service_refused,
    timed_out,
    wants_tls,
)
from zeebe_connectors.mail.smtp.model import Envelope, Receipt, Refusal, Reply, Server, TokenSource
from zeebe_connectors.mail.smtp.protocol import Clock, Wire
from zeebe_connectors.mail.smtp.sign_in import SignIn
from zeebe_connectors.net.connect import Resolver, connected, is_loopback, reason_of, warn_unencrypted
from zeebe_connectors.net.tls import trust
from zeebe_connectors.sdk.numbers import is_number

_AUTH = re.compile(r"^AUTH\s*=\s*", re.IGNORECASE)
_PIECE = 64 * 1024
_BREATHE = 4
"""Pieces written before other tasks get a turn."""
_SUSPECT = {451, 454, 503}
"""Answers before DATA, besides 421, by which a server ends an old session: a new session is tried once."""


class Session:
    """One signed-in SMTP session, for one mail at a time."""

    def __init__(self, server: Server, wire: Wire, refused: dict[str, Reply]) -> None:
        self._server = server
        self._refused = refused  # EHLO, and ways to sign in: they are not tried again
        self._wire = wire
        self._reset = False
        self._used = self._is_reused = False
        self._extensions: dict[str, str] = {}
        self._stage = "connecting"
        self.last_used = 0.0

    @property
    def usable(self) -> bool:
        """Whether the connection is open and the server sent nothing unsolicited, such as 421 before it hangs up."""
        return self._wire.lost is None and self._wire.silent

    def abort(self) -> None:
        """Drops the connection at once."""
        self._wire.fail(ConnectionAbortedError("the session was given up"))

    async def close(self) -> None:
        """Says goodbye and closes."""
        await self._wire.close()

    @classmethod
    async def open(
        cls,
        server: Server,
        *,
        deadline: float,
        patience: float,
        token: TokenSource | None = None,
        resolver: Resolver | None = None,
    ) -> Session:
        """Connects, secures and signs in.

        Args:
            server: The server.
            token: Returns access tokens, for XOAUTH2.
            resolver: Returns the addresses to connect to; None leaves it to the system.
            deadline: Loop time at which everything must be over.
            patience: Seconds to wait for each answer.

        Raises:
            ConnectorError: `SMTP_NAME_NOT_RESOLVED`, `SMTP_UNREACHABLE`, `SMTP_PROTOCOL`, `SMTP_TLS_FAILED`,
                `SMTP_AUTH_FAILED`, `SMTP_SERVICE_REFUSED`, `SMTP_TIMEOUT`.
        """
        refused: dict[str, Reply] = {}
        while True:
            session = cls(server, Wire(), refused)
            known = len(refused)
            try:
                clock = Clock(deadline, patience)
                async with clock.limit:
                    await session._open(clock, token, resolver)
            except (OSError, UnicodeError) as error:
                session._wire.abort()
                if len(refused) > known and not isinstance(error, TimeoutError | NotSmtpError):
                    continue  # it hung up after it had refused a way, and another is left
                raise opening_failed(server, session._stage, error, patience) from error
            except BaseException:
                session._wire.abort()
                raise
            return session

    async def _open(self, clock: Clock, token: TokenSource | None, resolver: Resolver | None) -> None:
        server = self._server
        context = (
            None
            if server.security == "none"
            else await asyncio.to_thread(trust, server.trusted, code="SMTP_TLS_FAILED")
        )
        tls = context if server.security == "tls" else None
        await connected(lambda address: self._connect(address, tls), server.host, resolver)
        wire = self._wire
        clock.next()
        self._stage = "the greeting"
        greeting = await wire.reply()
        if greeting.code != 220:
            raise service_refused(server, greeting)
        clock.next()
        self._stage = "EHLO"
        await self._hello()
        if context is not None and not wire.secured:
            clock.next()
            self._stage = "STARTTLS"
            if await self._start_tls(context):
                clock.next()
                await self._hello()  # extensions offered without encryption must not be trusted (RFC 3207)
        if server.login is not None:
            if server.security == "none":
                warn_unencrypted("SMTP", server.host, server.port)
            clock.next()
            self._stage = "AUTH"
            await SignIn(server, wire, self._extensions, clock, token, self._refused).carry_out(server.login)

    async def _connect(self, address: str, context: ssl.SSLContext | None) -> None:
        self._wire = wire = Wire()
        loop = asyncio.get_running_loop()
        name = self._server.host if context is not None else None
        await loop.create_connection(lambda: wire, address, self._server.port, ssl=context, server_hostname=name)
        wire.secured = context is not None

    async def _command(self, line: str) -> Reply:
        self._wire.write(f"{line}\r\n".encode())
        return await self._wire.reply()

    async def _hello(self) -> None:
        name = self._server.client_name or _own_address(self._wire)
        self._extensions = {}
        reply = self._refused.get("EHLO") or await self._command(f"EHLO {name}")
        if reply.code == 250:
            for line in reply.text.split("\n")[1:]:
                keyword, _, parameters = _AUTH.sub("AUTH ", line).partition(" ")
                known = self._extensions.get(keyword.upper(), "")
                self._extensions[keyword.upper()] = f"{known} {parameters}".strip()
            return
        if 500 <= reply.code < 600:
            self._refused["EHLO"] = reply
            reply = await self._command(f"HELO {name}")
        if reply.code != 250:
            raise service_refused(self._server, reply)

    async def _start_tls(self, context: ssl.SSLContext) -> bool:
        server, wire = self._server, self._wire
        if "STARTTLS" not in self._extensions:
            if server.security == "opportunistic":
                self._refuse_unencrypted_login()
                return False
            raise PermanentError(
                "SMTP_TLS_FAILED",
                f"security: {server} does not offer STARTTLS. Choose implicit TLS (usually port 465), or none where "
                "the network is trusted",
            )
        reply = await self._command("STARTTLS")
        if reply.code != 220:
            raise by_code(reply, "SMTP_TLS_FAILED", f"security: {server} refused STARTTLS: {reply}")
        if not wire.silent or wire.transport is None:
            # Plaintext after the answer would be taken for part of the secured session (RFC 3207, CVE-2011-0411).
            raise PermanentError(
                "SMTP_TLS_FAILED",
                f"security: {server} sent data before TLS began; somebody may be tampering with the connection",
            )
        transport = await asyncio.get_running_loop().start_tls(
            wire.transport, wire, context, server_hostname=server.host
        )
        if transport is None:
            raise ConnectionResetError("the server closed the connection")
        wire.transport = transport
        wire.secured = True
        return True

    def _refuse_unencrypted_login(self) -> None:
        """Raises, because an attacker in between may have removed STARTTLS from the offer to get the password."""
        server = self._server
        peer = self._wire.transport.get_extra_info("peername") if self._wire.transport is not None else None
        if server.login is not None and not is_loopback(str(peer[0]) if peer else server.host):
            raise PermanentError(
                "SMTP_TLS_FAILED",
                f"security: {server} does not offer STARTTLS, and the login would go there unencrypted. Choose TLS "
                "(usually port 465) or STARTTLS; or choose none, where the network is trusted",
            )

    async def send(self, envelope: Envelope, message: Sequence[bytes], *, deadline: float, patience: float) -> Receipt:
        """Sends one message.

        Args:
            envelope: Sender and recipients.
            message: Pieces of the message, each ending with CRLF.
            deadline: Loop time at which everything must be over.
            patience: Seconds to wait for each answer; the answer to the message may take all the time left.

        Raises:
            ConnectorError: The server refused the sender, recipients or message; or `SMTP_OUTCOME_UNKNOWN`.
            LostError: The connection ended before the message was sent.
        """
        in_step = handed_over = False
        self._is_reused, self._used = self._used, True
        try:
            clock = Clock(deadline, patience)
            async with clock.limit:
                accepted, refused, warnings = await self._announce(envelope, message, clock)
                self._stage = "the message"
                if len(message) > 1:
                    clock.next()
                piece = b""
                for count, following in enumerate(_stuffed(message)):
                    self._wire.write(piece)
                    piece = following
                    if count % _BREATHE == _BREATHE - 1:
                        await asyncio.sleep(0)
                        clock.next()
                    await self._wire.drain()
                clock.last()
                handed_over = True
                self._wire.write(piece + b".\r\n")
                reply = await self._wire.reply()
            in_step = True
            if not reply.is_positive:
                raise self._message_refused(reply)
        except ConnectorError:
            in_step = True
            self._reset = True
            raise
        except OSError as error:
            raise self._lost(error, patience, handed_over=handed_over) from error
        finally:
            if not in_step:
                self.abort()
        return Receipt(accepted, refused, str(reply), warnings)

    def _lost(self, error: OSError, patience: float, *, handed_over: bool) -> Exception:
        """Translates the end of a session in the middle of a mail."""
        if handed_over:
            return outcome_unknown(self._server, error)
        if isinstance(error, TimeoutError) and not self._is_reused:
            return timed_out(self._server, self._stage, patience)
        if isinstance(error, NotSmtpError):
            return not_smtp(self._server, self._stage, error)
        return LostError(self._stage, reason_of(error))

    async def _announce(
        self, envelope: Envelope, message: Sequence[bytes], clock: Clock
    ) -> tuple[list[str], list[Refusal], list[str]]:
        """Sends MAIL, RCPT and DATA; afterwards the server waits for the message."""
        mail, recipients, warnings = self._commands(envelope, sum(map(len, message)))
        # After the server's 354 the only way back is to hang up, so DATA waits where one refusal stops the mail.
        data_at_once = "PIPELINING" in self._extensions and (len(recipients) == 1 or not envelope.all_or_none)
        replies = await self._talk(
            [*(["RSET"] if self._reset else []), mail, *recipients, *(["DATA"] if data_at_once else [])], clock
        )
        data = replies.pop() if data_at_once else None
        if self._reset:
            self._reset = not replies.pop(0).is_positive
        sender, *answers = replies
        accepted: list[str] = []
        refused: list[Refusal] = []
        for address, answer in zip(envelope.recipients, answers, strict=True):
            if answer.is_positive:
                accepted.append(address)
            else:
                refused.append(Refusal(address, answer.code, str(answer)))
        stopped = not accepted or (refused and envelope.all_or_none)
        if data is not None and data.code == 354 and (not sender.is_positive or stopped):
            self.abort()  # the server waits for a message that must not be sent
        if not sender.is_positive:
            raise self._sender_refused(sender)
        if not accepted and (about := _not_about_recipients(answers)):
            raise self._sender_refused(about)
        if stopped:
            raise recipients_refused(self._server, accepted, refused)
        if data is None:
            clock.next()
            (data,) = await self._talk(["DATA"], clock)
        if data.code != 354:
            raise self._message_refused(data)
        return accepted, refused, warnings

    async def _talk(self, lines: Sequence[str], clock: Clock) -> list[Reply]:
        """Sends commands, all at once if the server allows it, and returns the answers."""
        together = "PIPELINING" in self._extensions
        if together:
            self._wire.write("".join(f"{line}\r\n" for line in lines).encode())
        replies: list[Reply] = []
        for line in lines:
            self._stage = line.partition(" ")[0]
            if not together:
                self._wire.write(f"{line}\r\n".encode())
            if replies and not self._wire.replies:  # answers that arrive together share one timer
                clock.next()
            reply = await self._wire.reply()
            if reply.code == 421 or (self._is_reused and reply.code in _SUSPECT):
                self.abort()
                raise LostError(self._stage, f"the server ends the session: {reply}")
            replies.append(reply)
        return replies

    def _commands(self, envelope: Envelope, size: int) -> tuple[str, list[str], list[str]]:
        warnings: list[str] = []
        mail = f"MAIL FROM:<{envelope.sender}>"
        if "SIZE" in self._extensions:
            limit = self._extensions["SIZE"]
            if is_number(limit) and 0 < int(limit) < size:
                raise PermanentError(
                    "SMTP_TOO_LARGE",
                    f"attachments: the mail has {size} bytes and {self._server} takes at most {limit}. Send links "
                    "instead, or fewer or smaller attachments",
                    variables={"size": size, "limit": int(limit)},
                )
            mail += f" SIZE={size}"
        if envelope.utf8:
            if "SMTPUTF8" not in self._extensions:
                raise PermanentError(
                    "SMTP_UTF8_NOT_OFFERED",
                    f"to: an address has letters other than ASCII before its @, and {self._server} does not offer "
                    "SMTPUTF8. Use an ASCII address, or a server that offers it",
                )
            mail += " SMTPUTF8"
        wants_notice = envelope.notify is not None or envelope.returns is not None
        offers_notice = "DSN" in self._extensions
        if wants_notice and not offers_notice:
            warnings.append("The server does not offer delivery status notifications (DSN), so none was requested.")
        option = ""
        if wants_notice and offers_notice:
            mail += f" RET={envelope.returns}" if envelope.returns else ""
            mail += f" ENVID={_xtext(envelope.envelope_id)}" if envelope.envelope_id else ""
            option = f" NOTIFY={envelope.notify}" if envelope.notify else ""
        recipients = [
            f"RCPT TO:<{address}>{option}{f' ORCPT=rfc822;{_xtext(address)}' if option and address.isascii() else ''}"
            for address in envelope.recipients
        ]
        return mail, recipients, warnings

    def _session_refused(self, reply: Reply) -> ConnectorError | None:
        """Returns the error for a refusal of the session, at whichever command; None for any other."""
        if is_missing_tls(reply) and not self._wire.secured:
            return wants_tls(self._server, reply)
        if reply.code == 530:
            return PermanentError(
                "SMTP_AUTH_FAILED",
                f"authentication: {self._server} requires a login: {reply}. Choose how to sign in",
                variables=reply_variables(reply),
            )
        return None

    def _sender_refused(self, reply: Reply) -> ConnectorError:
        if error := self._session_refused(reply):
            return error
        if is_size(reply):
            return self._message_refused(reply)
        what = remedy(reply, "Use an address that this account may send from")
        return by_code(reply, "SMTP_SENDER_REFUSED", f"from: {self._server} refused the sender: {reply}. {what}")

    def _message_refused(self, reply: Reply) -> ConnectorError:
        if reply.code == 421:
            self.abort()
        if error := self._session_refused(reply):
            return error
        if is_size(reply) and reply.code >= 500:
            return by_code(
                reply,
                "SMTP_TOO_LARGE",
                f"attachments: {self._server} refused the mail as too large: {reply}. Send links instead, or fewer or "
                "smaller attachments",
            )
        what = remedy(reply, "The answer says why: content, policy or quota")
        return by_code(reply, "SMTP_MESSAGE_REFUSED", f"{self._server} refused the mail: {reply}. {what}")


def _not_about_recipients(answers: Sequence[Reply]) -> Reply | None:
    """Returns the first answer if all of them refuse the session or the mail's size, not the recipients."""
    if all(reply.code == 530 or is_missing_tls(reply) for reply in answers):
        return answers[0]
    # Without more words, 552 is about a recipient's full mailbox.
    large = [reply for reply in answers if reply.code >= 500 and (reply.enhanced == "5.3.4" or names_size(reply))]
    return answers[0] if len(large) == len(answers) else None


def _stuffed(message: Sequence[bytes]) -> Iterator[bytes]:
    """Yields pieces of bounded size, with each line's leading dot doubled (RFC 5321, 4.5.2)."""
    for part in message:
        stuffed = part.replace(b"\r\n.", b"\r\n..")
        if stuffed[:1] == b".":
            stuffed = b"." + stuffed
        if len(stuffed) <= _PIECE:
            yield stuffed
        else:
            for start in range(0, len(stuffed), _PIECE):
                yield stuffed[start : start + _PIECE]


def _own_address(wire: Wire) -> str:
    """Returns an address literal, which is always valid and needs no lookup of the machine's name (RFC 5321, 4.1.3)."""
    if wire.transport is None:
        return "[127.0.0.1]"
    try:
        address = ipaddress.ip_address(wire.transport.get_extra_info("sockname")[0].partition("%")[0])
    except (TypeError, IndexError, ValueError):
        return "[127.0.0.1]"
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"


def _xtext(text: str) -> str:
    """Encodes an option value as xtext (RFC 3461)."""
    return "".join(c if "!" <= c <= "~" and c not in "+=" else f"+{ord(c):02X}" for c in text)
