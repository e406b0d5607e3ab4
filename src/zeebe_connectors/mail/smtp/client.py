"""An envelope and a finished message go in, a receipt of what the server took comes out; sessions are kept and bounded.

The SMTP session is our own because three things must be exact: whether a failure came before or after the dot that ends
the message (only before it may the mail be sent again at once), commands that travel together where the server offers
PIPELINING, and large messages that are written piece by piece so that other jobs go on.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import ipaddress
import re
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from zeebe_connectors import ConnectorError, PermanentError, Secret, TransientError
from zeebe_connectors.net.connect import Resolver, connected

Security = Literal["none", "starttls", "tls", "opportunistic"]
Method = Literal["auto", "plain", "login", "cramMd5", "xoauth2"]
TokenSource = Callable[[bool], Awaitable[str]]
"""Gives an access token; called with true when the last one was refused and must not come from a cache."""

PORTS: dict[str, int] = {"none": 25, "starttls": 587, "tls": 465, "opportunistic": 25}
SESSIONS = 8
"""Sessions with one server under one login at a time; further mails wait for their turn."""
IDLE_SECONDS = 30.0
"""A session unused for so long is closed; servers drop idle clients after one to five minutes."""
_MOST_REPLY = 64 * 1024
_PIECE = 64 * 1024
_BREATHE = 4
"""Pieces written before other work gets its turn."""
_MARGIN = 0.25
"""Seconds kept back from the job's time, so that the error is ours and not a bare cancellation."""
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")
_MECHANISMS: dict[str, str] = {"plain": "PLAIN", "login": "LOGIN", "cramMd5": "CRAM-MD5", "xoauth2": "XOAUTH2"}


class Reply(NamedTuple):
    """A server's answer: its code and its text, lines joined by line feeds."""

    code: int
    text: str

    @property
    def enhanced(self) -> str | None:
        """The enhanced status code such as `5.1.1`, when the server gives one (RFC 3463)."""
        found = _ENHANCED.match(self.text)
        return found.group() if found else None

    def __str__(self) -> str:
        return f"{self.code} {' '.join(self.text.split())[:300]}".strip()


@dataclass(frozen=True, slots=True)
class Login:
    """How to sign in."""

    method: Method
    username: str
    password: Secret | None = None
    token_key: Hashable = None
    """For XOAUTH2: what makes two sources of tokens differ."""


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server and how to reach it; two equal ones share their sessions."""

    host: str
    port: int
    security: Security
    login: Login | None = None
    client_name: str | None = None
    trusted: str = ""
    """PEM certificates of authorities; only these are trusted then."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who sends to whom, as the server is told; domains as A-labels."""

    sender: str
    recipients: Sequence[str]
    utf8: bool = False
    """Whether an address has other than ASCII letters before its @, so that SMTPUTF8 is needed."""
    all_or_none: bool = True
    """Whether one refused recipient stops the mail for all."""
    notify: str | None = None
    """Value of NOTIFY (RFC 3461), such as `FAILURE,DELAY`."""
    returns: Literal["FULL", "HDRS"] | None = None
    envelope_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One recipient that the server did not take, with its reason."""

    address: str
    code: int
    reason: str

    @property
    def temporary(self) -> bool:
        """Whether the server may take it later."""
        return 400 <= self.code < 500


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the server took over."""

    accepted: list[str]
    refused: list[Refusal]
    reply: str
    warnings: list[str]


class _LostError(Exception):
    """The session ended before the message was handed over, so it may be sent again at once."""

    def __init__(self, stage: str, why: str) -> None:
        super().__init__(f"{stage}: {why}")
        self.stage = stage
        self.why = why


class _NotSmtpError(ConnectionError):
    """What came is no answer of a mail server."""


class _Wire(asyncio.Protocol):
    """Bytes to replies, and writing with back-pressure."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.replies: deque[Reply] = deque()
        self.lost: Exception | None = None
        self.secured = False
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._lines: list[str] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()

    @property
    def silent(self) -> bool:
        """Whether nothing has come in that was not read."""
        return not (self.replies or self._rest or self._lines)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream transport, because we asked for one

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > _MOST_REPLY:
            self.fail(_NotSmtpError("its answer is longer than any real one"))
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if not line[:3].isdigit() or line[3:4] not in {b" ", b"-", b"\r", b""}:
                self.fail(_NotSmtpError("it does not speak SMTP"))
                return
            self._lines.append(line[4:].strip().decode("utf-8", "replace"))
            if line[3:4] != b"-":
                self.replies.append(Reply(int(line[:3]), "\n".join(self._lines)))
                self._lines.clear()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def fail(self, error: Exception) -> None:
        self.lost = self.lost or error
        self.replies.clear()
        self.abort()
        self._wake()

    def eof_received(self) -> None:
        self.lost = self.lost or ConnectionResetError("the server closed the connection")
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = self.lost or exc or ConnectionResetError("the server closed the connection")
        self._wake()
        self.resume_writing()
        if not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        waiting, self._writable = self._writable, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def reply(self) -> Reply:
        """The next answer; whoever calls sets the time limit."""
        while not self.replies:
            if self.lost is not None:
                raise self.lost
            self._waiter = self._loop.create_future()
            await self._waiter
        reply = self.replies.popleft()
        if not self.replies:
            self._size = 0
        return reply

    def write(self, data: bytes) -> None:
        if self.lost is not None or self.transport is None:
            raise self.lost or ConnectionResetError("the connection is closed")
        self.transport.write(data)

    async def drain(self) -> None:
        if self._writable is not None:
            await self._writable
        if self.lost is not None:
            raise self.lost

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    async def close(self) -> None:
        """Says goodbye and closes, without waiting long for the other side."""
        if self.transport is None or self.lost is not None:
            return
        self.transport.write(b"QUIT\r\n")
        self.transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await self._closed
        self.abort()


class _Clock:
    """Limits each answer to the patience, and everything to the deadline, with one timer."""

    def __init__(self, deadline: float, patience: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.deadline = deadline
        self.patience = patience
        self.limit = asyncio.timeout_at(min(deadline, self._loop.time() + patience))

    def next(self) -> None:
        """Starts the patience anew."""
        self.limit.reschedule(min(self.deadline, self._loop.time() + self.patience))

    def last(self) -> None:
        """Lets what follows take all the time that is left."""
        self.limit.reschedule(self.deadline)


class Session:
    """One signed-in SMTP session, for one mail at a time."""

    def __init__(self, server: Server, wire: _Wire) -> None:
        self._server = server
        self._wire = wire
        self._reset = False
        self._extensions: dict[str, str] = {}
        self._stage = "connecting"
        self.last_used = 0.0

    @property
    def usable(self) -> bool:
        """Whether the connection stands and the server has said nothing unasked (such as 421 before it hangs up)."""
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
            server: Whom to reach.
            token: Gives access tokens, for XOAUTH2.
            resolver: Gives the addresses to connect to; None leaves it to the system.
            deadline: Loop time at which the whole must be over.
            patience: Seconds that one answer may take.

        Raises:
            ConnectorError: `SMTP_NAME_NOT_RESOLVED`, `SMTP_UNREACHABLE`, `SMTP_PROTOCOL`, `SMTP_TLS_FAILED`,
                `SMTP_AUTH_FAILED`, `SMTP_SERVICE_REFUSED`, `SMTP_TIMEOUT`.
        """
        session = cls(server, _Wire())
        try:
            clock = _Clock(deadline, patience)
            async with clock.limit:
                await session._open(clock, token, resolver)
        except (OSError, UnicodeError) as error:
            session._wire.abort()
            raise _opening_failed(server, session._stage, error, patience) from error
        except BaseException:
            session._wire.abort()
            raise
        return session

    async def _open(self, clock: _Clock, token: TokenSource | None, resolver: Resolver | None) -> None:
        server = self._server
        context = None if server.security == "none" else await asyncio.to_thread(_tls_context, server.trusted)
        tls = context if server.security == "tls" else None
        await connected(lambda address: self._connect(address, tls), server.host, resolver)
        wire = self._wire
        clock.next()
        self._stage = "the greeting"
        greeting = await wire.reply()
        if greeting.code != 220:
            raise _service_refused(server, greeting)
        clock.next()
        self._stage = "EHLO"
        await self._hello()
        if context is not None and not wire.secured:
            clock.next()
            self._stage = "STARTTLS"
            if await self._start_tls(context):
                clock.next()
                await self._hello()  # what was offered in clear must not be believed (RFC 3207)
        if server.login is not None:
            clock.next()
            self._stage = "AUTH"
            await self._sign_in(server.login, clock, token)

    async def _connect(self, address: str, context: ssl.SSLContext | None) -> None:
        self._wire = wire = _Wire()
        loop = asyncio.get_running_loop()
        name = self._server.host if context is not None else None
        await loop.create_connection(lambda: wire, address, self._server.port, ssl=context, server_hostname=name)
        wire.secured = context is not None

    async def _command(self, line: str) -> Reply:
        self._wire.write(f"{line}\r\n".encode())
        return await self._wire.reply()

    async def _hello(self) -> None:
        name = self._server.client_name or _own_address(self._wire)
        reply = await self._command(f"EHLO {name}")
        self._extensions = {}
        if reply.code == 250:
            for line in reply.text.split("\n")[1:]:
                keyword, _, parameters = line.replace("AUTH=", "AUTH ", 1).partition(" ")
                known = self._extensions.get(keyword.upper(), "")
                self._extensions[keyword.upper()] = f"{known} {parameters}".strip()
            return
        if 500 <= reply.code < 600:
            reply = await self._command(f"HELO {name}")
        if reply.code != 250:
            raise _service_refused(self._server, reply)

    async def _start_tls(self, context: ssl.SSLContext) -> bool:
        server, wire = self._server, self._wire
        if "STARTTLS" not in self._extensions:
            if server.security == "opportunistic":
                return False
            raise PermanentError(
                "SMTP_TLS_FAILED",
                f"security: {server} does not offer STARTTLS. Choose implicit TLS (usually port 465), or none where "
                "the network is trusted",
            )
        reply = await self._command("STARTTLS")
        if reply.code != 220:
            raise _by_code(reply, "SMTP_TLS_FAILED", f"security: {server} refused STARTTLS: {reply}")
        if not wire.silent or wire.transport is None:
            # What came in clear behind the answer would pass for the secured session's (RFC 3207, CVE-2011-0411).
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

    async def _sign_in(self, login: Login, clock: _Clock, token: TokenSource | None) -> None:
        method = self._method(login)
        if method == "xoauth2":
            await self._sign_in_with_token(login, clock, token)
            return
        user, password = login.username, login.password.reveal() if login.password is not None else ""
        if method == "plain":
            reply = await self._command(f"AUTH PLAIN {_base64(f'{chr(0)}{user}{chr(0)}{password}')}")
        elif method == "login":
            reply = await self._command(f"AUTH LOGIN {_base64(user)}")
            if reply.code == 334:
                clock.next()
                reply = await self._command(_base64(password))
        else:
            reply = await self._command("AUTH CRAM-MD5")
            if reply.code == 334:
                clock.next()
                try:
                    challenge = base64.b64decode(reply.text, validate=True)
                except ValueError:
                    raise _NotSmtpError("its CRAM-MD5 challenge is not base64") from None
                digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
                reply = await self._command(_base64(f"{user} {digest}"))
        if reply.code != 235:
            hidden = [password, _base64(password), _base64(f"{chr(0)}{user}{chr(0)}{password}")]
            raise self._login_refused(reply, hidden)

    def _method(self, login: Login) -> str:
        offered = self._extensions.get("AUTH", "").upper().split()
        if login.method == "auto":
            # A password that TLS protects needs no challenge; without TLS the challenge keeps it off the wire.
            order = ["plain", "login", "cramMd5"] if self._wire.secured else ["cramMd5", "plain", "login"]
        else:
            order = [login.method]
        for method in order:
            if _MECHANISMS[method] in offered:
                return method
        told = f"it offers {', '.join(offered)}" if offered else "it offers no login on this connection"
        remedy = "choose one of these as authentication" if offered else "choose security STARTTLS or TLS, or no login"
        raise PermanentError(
            "SMTP_AUTH_FAILED",
            f"authentication: {self._server} does not offer {' or '.join(_MECHANISMS[method] for method in order)}; "
            f"{told}; {remedy}",
        )

    async def _sign_in_with_token(self, login: Login, clock: _Clock, source: TokenSource | None) -> None:
        if source is None:
            raise PermanentError("SMTP_AUTH_FAILED", "authentication: XOAUTH2 needs an access token or its endpoint")
        refused: ConnectorError | None = None
        for renew in (False, True):
            clock.last()
            token = await source(renew)
            clock.next()
            proof = _base64(f"user={login.username}\1auth=Bearer {token}\1\1")
            try:
                reply = await self._command(f"AUTH XOAUTH2 {proof}")
                if reply.code == 334:  # the reason comes as a challenge, which an empty answer ends
                    reply = await self._command("")
            except OSError:
                if refused is not None:  # the server hung up after the first refusal
                    raise refused from None
                raise
            if reply.code == 235:
                return
            refused = self._login_refused(reply, [token, proof])
            if reply.code < 500:
                break
        if refused is not None:
            raise refused

    def _login_refused(self, reply: Reply, hidden: Sequence[str]) -> ConnectorError:
        text = reply.text
        for secret in sorted(filter(None, hidden), key=len, reverse=True):
            text = text.replace(secret, "***")  # a server may quote what it was sent
        reply = Reply(reply.code, text)
        return _by_code(
            reply,
            "SMTP_AUTH_FAILED",
            f"authentication: {self._server} refused the login: {reply}. Check the username and the password or token, "
            "and that the account may send over SMTP",
        )

    async def send(self, envelope: Envelope, message: Sequence[bytes], *, deadline: float, patience: float) -> Receipt:
        """Hands one message over.

        Args:
            envelope: Sender and recipients.
            message: Pieces of the message, each ending with CRLF.
            deadline: Loop time at which the whole must be over.
            patience: Seconds that one answer may take; the one after the message may take all that is left.

        Raises:
            ConnectorError: The server refused the sender, recipients or message; or `SMTP_OUTCOME_UNKNOWN`.
            _LostError: The connection ended before the message was handed over.
        """
        in_step = handed_over = False
        try:
            clock = _Clock(deadline, patience)
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
            if reply.code != 250:
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
        """What the end of a session in the middle of a mail means."""
        if handed_over:
            return _outcome_unknown(self._server, error)
        if isinstance(error, TimeoutError):
            return _timed_out(self._server, self._stage, patience)
        if isinstance(error, _NotSmtpError):
            return _not_smtp(self._server, self._stage, error)
        return _LostError(self._stage, _why(error))

    async def _announce(
        self, envelope: Envelope, message: Sequence[bytes], clock: _Clock
    ) -> tuple[list[str], list[Refusal], list[str]]:
        """MAIL, RCPT and DATA; afterwards the server waits for the message."""
        mail, recipients, warnings = self._commands(envelope, sum(map(len, message)))
        # Once the server has said 354 there is no way back but to hang up, so DATA waits where one may stop all.
        data_at_once = "PIPELINING" in self._extensions and (len(recipients) == 1 or not envelope.all_or_none)
        replies = await self._talk(
            [*(["RSET"] if self._reset else []), mail, *recipients, *(["DATA"] if data_at_once else [])], clock
        )
        data = replies.pop() if data_at_once else None
        if self._reset:
            self._reset = replies.pop(0).code != 250
        sender, *answers = replies
        accepted: list[str] = []
        refused: list[Refusal] = []
        for address, answer in zip(envelope.recipients, answers, strict=True):
            if answer.code in {250, 251, 252}:
                accepted.append(address)
            else:
                refused.append(Refusal(address, answer.code, str(answer)))
        stopped = not accepted or (refused and envelope.all_or_none)
        if data is not None and data.code == 354 and (sender.code != 250 or stopped):
            self.abort()  # the server waits for a message that must not be sent
        if sender.code != 250:
            raise self._sender_refused(sender)
        if stopped:
            raise _recipients_refused(self._server, accepted, refused)
        if data is None:
            clock.next()
            (data,) = await self._talk(["DATA"], clock)
        if data.code != 354:
            raise self._message_refused(data)
        return accepted, refused, warnings

    async def _talk(self, lines: Sequence[str], clock: _Clock) -> list[Reply]:
        """Sends commands, all at once where the server allows it, and gives the answers."""
        together = "PIPELINING" in self._extensions
        if together:
            self._wire.write("".join(f"{line}\r\n" for line in lines).encode())
        replies: list[Reply] = []
        for line in lines:
            self._stage = line.partition(" ")[0]
            if not together:
                self._wire.write(f"{line}\r\n".encode())
            if replies and not self._wire.replies:  # answers that came together need no new timer each
                clock.next()
            reply = await self._wire.reply()
            if reply.code == 421:
                raise _LostError(self._stage, f"the server ends the session: {reply}")
            replies.append(reply)
        return replies

    def _commands(self, envelope: Envelope, size: int) -> tuple[str, list[str], list[str]]:
        warnings: list[str] = []
        mail = f"MAIL FROM:<{envelope.sender}>"
        if "SIZE" in self._extensions:
            most = self._extensions["SIZE"]
            if most.isdigit() and 0 < int(most) < size:
                raise PermanentError(
                    "SMTP_TOO_LARGE",
                    f"attachments: the mail has {size} bytes and {self._server} takes at most {most}. Send links "
                    "instead, or fewer or smaller attachments",
                    variables={"size": size, "limit": int(most)},
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
            warnings.append("The server does not offer delivery status notifications (DSN); none was asked for.")
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

    def _sender_refused(self, reply: Reply) -> ConnectorError:
        if reply.code == 530:
            return PermanentError(
                "SMTP_AUTH_FAILED",
                f"authentication: {self._server} demands a login: {reply}. Choose how to sign in",
                variables=_variables(reply),
            )
        if _is_size(reply):
            return self._message_refused(reply)
        return _by_code(
            reply,
            "SMTP_SENDER_REFUSED",
            f"from: {self._server} refused the sender: {reply}. Use an address that this account may send from",
        )

    def _message_refused(self, reply: Reply) -> ConnectorError:
        if reply.code == 421:
            self.abort()
        if _is_size(reply) and reply.code >= 500:
            return _by_code(
                reply,
                "SMTP_TOO_LARGE",
                f"attachments: {self._server} refused the mail as too large: {reply}. Send links instead, or fewer or "
                "smaller attachments",
            )
        return _by_code(
            reply,
            "SMTP_MESSAGE_REFUSED",
            f"{self._server} refused the mail: {reply}. The answer tells why: content, policy or quota",
        )


class Sessions:
    """Sessions with one server, kept open between mails; the runtime keeps one of these per `Server`.

    Args:
        server: Whom to reach.
        most: Sessions at a time.
        idle: Seconds after which an unused session is closed.
        resolver: Gives the addresses to connect to; None leaves it to the system.
    """

    def __init__(
        self, server: Server, *, most: int = SESSIONS, idle: float = IDLE_SECONDS, resolver: Resolver | None = None
    ) -> None:
        self._server = server
        self._resolver = resolver
        self._turns = asyncio.Semaphore(most)
        self._idle_seconds = idle
        self._idle: deque[Session] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    async def send(
        self,
        envelope: Envelope,
        message: Sequence[bytes],
        *,
        seconds: float,
        patience: float,
        token: TokenSource | None = None,
    ) -> Receipt:
        """Hands one message over, on a kept session or a new one; once more on a new one if that was lost in time.

        Args:
            envelope: Sender and recipients.
            message: Pieces of the message, each ending with CRLF.
            seconds: What the whole may take.
            patience: Seconds that one answer of the server may take.
            token: Gives access tokens, for XOAUTH2.

        Raises:
            ConnectorError: With one of the codes that the connector documents.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds - min(_MARGIN, seconds / 10)
        try:
            async with asyncio.timeout_at(deadline):
                await self._turns.acquire()
        except TimeoutError:
            raise TransientError(
                "SMTP_TIMEOUT",
                f"timeout: all sessions with {self._server} were busy until the job's time was over. Give the job more "
                "time, or send fewer mails at once",
            ) from None

        async def attempt(session: Session | None) -> Receipt:
            if session is None:
                session = await Session.open(
                    self._server, deadline=deadline, patience=patience, token=token, resolver=self._resolver
                )
            try:
                return await session.send(envelope, message, deadline=deadline, patience=patience)
            finally:
                self._put_back(session)

        try:
            try:
                return await attempt(self._take())
            except _LostError:
                return await attempt(None)
        except _LostError as error:
            raise TransientError(
                "SMTP_CONNECTION_LOST",
                f"host: the connection with {self._server} was lost at {error.stage}: {error.why}. Nothing was sent; "
                "it is tried again",
            ) from error
        finally:
            self._turns.release()

    def _take(self) -> Session | None:
        while self._idle:
            session = self._idle.pop()
            if session.usable:
                return session
            session.abort()
        return None

    def _put_back(self, session: Session) -> None:
        if not session.usable:
            session.abort()
        elif self._closed:
            self._close_later(session)
        else:
            loop = asyncio.get_running_loop()
            session.last_used = loop.time()
            self._idle.append(session)
            if self._timer is None:
                self._timer = loop.call_later(self._idle_seconds, self._close_idle)

    def _close_idle(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._idle and self._idle[0].last_used + self._idle_seconds <= loop.time():
            self._close_later(self._idle.popleft())
        if self._idle:
            self._timer = loop.call_at(self._idle[0].last_used + self._idle_seconds, self._close_idle)

    def _close_later(self, session: Session) -> None:
        task = asyncio.ensure_future(session.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        """Closes all sessions; one in use closes when its mail is sent."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._idle:
            self._close_later(self._idle.popleft())
        await asyncio.gather(*self._closing)


@lru_cache(maxsize=32)
def _tls_context(trusted: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=trusted.strip() or None)
    except (ssl.SSLError, ValueError):
        raise PermanentError(
            "SMTP_TLS_FAILED",
            "trustedCertificate: is not a certificate in PEM; paste the text from BEGIN CERTIFICATE to END CERTIFICATE "
            "with its line breaks",
        ) from None


def _stuffed(message: Sequence[bytes]) -> Iterator[bytes]:
    """Pieces of bounded size, in which a line's leading dot is doubled (RFC 5321, 4.5.2)."""
    for part in message:
        stuffed = part.replace(b"\r\n.", b"\r\n..")
        if stuffed[:1] == b".":
            stuffed = b"." + stuffed
        if len(stuffed) <= _PIECE:
            yield stuffed
        else:
            for start in range(0, len(stuffed), _PIECE):
                yield stuffed[start : start + _PIECE]


def _own_address(wire: _Wire) -> str:
    """An address literal: always true, and needs no look-up of the machine's name (RFC 5321, 4.1.3)."""
    if wire.transport is None:
        return "[127.0.0.1]"
    try:
        address = ipaddress.ip_address(wire.transport.get_extra_info("sockname")[0].partition("%")[0])
    except (TypeError, IndexError, ValueError):
        return "[127.0.0.1]"
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _xtext(text: str) -> str:
    """RFC 3461's encoding of option values."""
    return "".join(c if "!" <= c <= "~" and c not in "+=" else f"+{ord(c):02X}" for c in text)


def _why(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text or type(error).__name__


def _is_size(reply: Reply) -> bool:
    return reply.code == 552 or (reply.enhanced or "")[1:] in {".3.4", ".2.3"}


def _variables(reply: Reply) -> dict[str, object]:
    return {"smtpCode": reply.code, "enhancedCode": reply.enhanced, "reply": reply.text[:1000]}


def _by_code(reply: Reply, code: str, message: str) -> ConnectorError:
    """4xx may be tried again, all else may not."""
    kind = TransientError if 400 <= reply.code < 500 else PermanentError
    return kind(code, message, variables=_variables(reply))


def _service_refused(server: Server, reply: Reply) -> ConnectorError:
    return _by_code(
        reply,
        "SMTP_SERVICE_REFUSED",
        f"host: {server} refused to serve this client: {reply}. Ask its operator whether this machine may send, and "
        "check the client name",
    )


def _recipients_refused(server: Server, accepted: list[str], refused: list[Refusal]) -> ConnectorError:
    told = "; ".join(f"{refusal.address}: {refusal.reason}" for refusal in refused[:5])
    if len(refused) > 5:
        told += f"; and {len(refused) - 5} more"
    scope = "no recipient was accepted" if not accepted else f"{len(refused)} recipients were refused, so nobody got it"
    temporary = any(r.temporary for r in refused) if not accepted else all(r.temporary for r in refused)
    kind = TransientError if temporary else PermanentError
    return kind(
        "SMTP_RECIPIENT_REFUSED",
        f"to, cc, bcc: {scope} by {server}: {told}. Correct the addresses, or let the mail go to the others",
        variables={
            "refused": [{"address": r.address, "code": r.code, "reason": r.reason} for r in refused],
            "accepted": accepted,
        },
    )


def _timed_out(server: Server, stage: str, patience: float) -> ConnectorError:
    hint = ""
    if stage == "the greeting" and server.security != "tls":
        hint = "; if this port speaks TLS from the start, choose implicit TLS"
    return TransientError(
        "SMTP_TIMEOUT",
        f"timeout: {server} did not answer within {patience:g} s at {stage}, or the job's time was over{hint}. Nothing "
        "was sent; it is tried again",
    )


def _outcome_unknown(server: Server, error: Exception) -> ConnectorError:
    why = "no answer came in time" if isinstance(error, TimeoutError) else _why(error)
    return TransientError(
        "SMTP_OUTCOME_UNKNOWN",
        f"{server} got the whole mail, and then {why}; it may or may not deliver it. It is sent again with the same "
        "Message-ID, by which a duplicate can be told",
    )


def _not_smtp(server: Server, stage: str, error: Exception) -> ConnectorError:
    return PermanentError(
        "SMTP_PROTOCOL",
        f"host: {server} does not behave as a mail server ({stage}): {error}. Check host and port; 587, 465 and 25 are "
        "the usual ones",
    )


def _opening_failed(server: Server, stage: str, error: Exception, patience: float) -> ConnectorError:
    if isinstance(error, socket.gaierror):
        temporary = error.errno == socket.EAI_AGAIN
        kind = TransientError if temporary else PermanentError
        return kind(
            "SMTP_NAME_NOT_RESOLVED",
            f"host: the name {server.host} cannot be resolved: {_why(error)}. Check its spelling and the runtime's DNS",
        )
    if isinstance(error, UnicodeError):
        return PermanentError("SMTP_NAME_NOT_RESOLVED", "host: is not a host name. Check its spelling")
    if isinstance(error, ssl.SSLCertVerificationError):
        return PermanentError(
            "SMTP_TLS_FAILED",
            f"security: the certificate of {server} is not trusted: {error.verify_message}. Use the name that stands "
            "in it as host, or give the authority that issued it as trustedCertificate",
        )
    if isinstance(error, ssl.SSLError):
        return PermanentError(
            "SMTP_TLS_FAILED",
            f"security: TLS with {server} failed: {error.reason or _why(error)}. If this port begins in clear, choose "
            "STARTTLS",
        )
    if isinstance(error, TimeoutError):
        return _timed_out(server, stage, patience)
    if isinstance(error, _NotSmtpError):
        return _not_smtp(server, stage, error)
    return TransientError(
        "SMTP_UNREACHABLE",
        f"host: {server} cannot be reached ({stage}): {_why(error)}. Check host and port, firewalls, and that the "
        "server runs",
    )
