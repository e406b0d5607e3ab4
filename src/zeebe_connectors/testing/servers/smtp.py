"""Serve SMTP on loopback for tests: record every mail to the byte, check logins, and misbehave on request.

    async with SmtpServer(users={"mailer": "secret"}) as server:
        server.say("RCPT", "451 4.7.1 Try again later", times=1)
        ...  # what is tested sends to server.port
        assert server.mails[0].parsed["Subject"] == "Order 1"

It shares no code with the connectors' SMTP client. `SmtpServer.say` describes how it can misbehave.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import email
import email.policy
import hmac
import json
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Self

from zeebe_connectors.testing.servers.listener import LOOPBACK, close_port

HANG_UP = "hang up"
"""For `SmtpServer.say`: cuts the connection without an answer."""
SILENCE = "silence"
"""For `SmtpServer.say`: never answers."""
CHALLENGE = "<17.42@smtp.test>"
"""The challenge of CRAM-MD5."""
EXTENSIONS = ("PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")
"""What EHLO offers by default."""


@dataclass(slots=True)
class Received:
    """One mail as received, with dot-stuffing undone.

    Attributes:
        sender: The address of MAIL FROM.
        options: The parameters after it.
        recipients: The address of each RCPT TO, with the parameters after it.
        data: The mail.
        session: The number of the connection, from 1.
        secured: Whether the connection used TLS.
        user: The user who was logged in.
        answered: When the server acknowledged it, in seconds of `time.monotonic()`.
    """

    sender: str
    options: list[str]
    recipients: list[tuple[str, list[str]]]
    data: bytes = field(repr=False)
    session: int
    secured: bool
    user: str | None
    answered: float = 0.0

    @property
    def to(self) -> list[str]:
        """The recipients' addresses."""
        return [address for address, _ in self.recipients]

    @property
    def parsed(self) -> EmailMessage:
        """The mail as parsed by an independent reader.

        Raises:
            AssertionError: It finds a defect.
        """
        message = email.message_from_bytes(self.data.replace(b"\r\n", b"\n"), policy=email.policy.default)
        for part in message.walk():
            _check(not part.defects, str(part.defects))
            for name, value in part.items():
                _check(not getattr(value, "defects", None), f"{name}: {value}")
        return message


def _path(text: str) -> tuple[str, list[str]]:
    """Return the address in angle brackets, which may hold blanks between quotes, and the parameters after it."""
    address, bracket, options = text.rpartition(">")
    _check(address.startswith("<") and bool(bracket) and options[:1] in {"", " "}, text)
    return address[1:], options.split()


def _check(right: bool, words: str) -> None:  # noqa: FBT001 - like an assert statement, which `python -O` would drop
    if not right:
        raise AssertionError(words)


@dataclass(slots=True)
class _Rule:
    verb: str
    answer: str
    times: int
    text: str
    after: int


class SmtpServer:
    """An SMTP server that accepts any mail.

    Args:
        extensions: What EHLO offers, besides STARTTLS and AUTH.
        tls: The server's context; with `implicit` from the first byte, otherwise offered as STARTTLS.
        implicit: Whether TLS begins at once.
        users: Passwords by user name; offers AUTH.
        anyone: Whether every user may log in with any password; offers AUTH.
        mechanisms: The mechanisms to offer.
        token_ok: Returns whether a user's access token is valid, for XOAUTH2.
        auth_in_clear: Whether AUTH is offered before TLS.
        port: Where it listens; 0 picks a free port.
        deliver: Called with each accepted mail, before the answer.

    Attributes:
        mails: The accepted mails.
        lines: Every line that a client sent, except for the mails.
        sessions: How many connections were opened.
        open: How many connections are open.
        max_open: Maximum number of concurrent connections so far.
        logins: User and password, or token, of every attempt.
        faults: Violations of the protocol by clients; the first is raised when the server stops.
    """

    def __init__(
        self,
        *,
        extensions: Sequence[str] = (
            "PIPELINING",
            "SIZE 52428800",
            "8BITMIME",
            "SMTPUTF8",
            "DSN",
            "ENHANCEDSTATUSCODES",
        ),
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        users: dict[str, str] | None = None,
        anyone: bool = False,
        mechanisms: Sequence[str] = ("PLAIN", "LOGIN", "CRAM-MD5"),
        token_ok: Callable[[str, str], bool] | None = None,
        auth_in_clear: bool = True,
        port: int = 0,
        deliver: Callable[[Received], None] | None = None,
    ) -> None:
        self.extensions = list(extensions)
        self.tls, self.implicit = tls, implicit
        self.users, self.mechanisms, self.token_ok = users, list(mechanisms), token_ok
        self.anyone = anyone
        self.auth_in_clear = auth_in_clear
        self.mails: list[Received] = []
        self.lines: list[str] = []
        self.sessions = 0
        self.faults: list[AssertionError] = []
        self.open = 0
        self.max_open = 0
        self.logins: list[tuple[str, str]] = []
        self._rules: list[_Rule] = []
        self._port = port
        self._deliver = deliver
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def say(self, verb: str, answer: str, *, times: int = 1_000_000, text: str = "", after: int = 0) -> None:
        """Make the server misbehave.

        Args:
            verb: GREETING, EHLO, HELO, STARTTLS, AUTH, MAIL, RCPT, DATA, CONTENT (while the message arrives), DOT,
                TAKE (the mail is delivered, then the connection is cut before the answer), RSET.
            answer: The answer to give, or one of the constants above.
            times: How often to misbehave.
            text: Only for lines that contain this.
            after: How often to behave normally first.
        """
        self._rules.append(_Rule(verb, answer, times, text, after))

    def rule(self, verb: str, line: str) -> str | None:
        """Return the configured answer to this line, and count it; None for the normal answer."""
        for rule in self._rules:
            if rule.verb == verb and rule.times > 0 and rule.text in line:
                if rule.after > 0:
                    rule.after -= 1
                    continue
                rule.times -= 1
                return rule.answer
        return None

    async def start(self, port: int = 0, host: str = LOOPBACK) -> None:
        """Listen on a port; 0 chooses a free one."""
        self._server = await asyncio.start_server(
            self._serve, host, port, ssl=self.tls if self.implicit else None, limit=1 << 20
        )

    async def stop(self) -> None:
        """Close the port and all sessions."""
        if self._server is not None:
            await close_port(self._server)
        await self.hang_up()

    async def __aenter__(self) -> Self:
        await self.start(self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        if self.faults:
            raise self.faults[0]

    @property
    def port(self) -> int:
        """Where it listens."""
        if self._server is None:
            raise RuntimeError("the server is not started")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def take(self, mail: Received) -> None:
        """Keep a complete mail."""
        self.mails.append(mail)
        if self._deliver is not None:
            self._deliver(mail)

    async def until(self, reached: Callable[[], bool], *, seconds: float = 10) -> None:
        """Wait until a condition on the recorded data holds."""
        async with asyncio.timeout(seconds):
            while not reached():  # noqa: ASYNC110 - the condition may concern any record
                await asyncio.sleep(0.001)

    async def wait_for_command(self, verb: str) -> None:
        """Wait until a client has sent this command."""
        await self.until(lambda: any(line.startswith(verb) for line in self.lines))

    async def hang_up(self) -> None:
        """Cut all sessions."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.sessions += 1
        self.open += 1
        self.max_open = max(self.max_open, self.open)
        try:
            await _Session(self, reader, writer, self.sessions).run()
        except (OSError, asyncio.IncompleteReadError, _OverError, asyncio.CancelledError):
            pass
        except AssertionError as fault:
            self.faults.append(fault)
        finally:
            self.open -= 1
            if writer.transport.is_closing():
                writer.transport.abort()
            else:
                writer.close()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(writer.wait_closed(), 0.1)


class _OverError(Exception):
    """Ends the session."""


class _Session:
    def __init__(
        self, server: SmtpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        self.server, self.reader, self.writer, self.number = server, reader, writer, number
        self.secured = server.implicit
        self.user: str | None = None
        self.forget()

    def forget(self) -> None:
        """Begin a new mail."""
        self.sender: str | None = None
        self.options: list[str] = []
        self.recipients: list[tuple[str, list[str]]] = []

    async def say(self, text: str) -> None:
        """Send an answer."""
        self.writer.write(text.encode() + b"\r\n")
        await self.writer.drain()

    async def misbehaves(self, verb: str, line: str = "") -> bool:
        """Misbehave if configured; return whether it did."""
        answer = self.server.rule(verb, line)
        if answer is None:
            return False
        if answer == HANG_UP:
            raise _OverError
        if answer == SILENCE:
            await asyncio.sleep(3600)
        await self.say(answer)
        if answer.startswith("421"):
            raise _OverError
        return True

    async def line(self) -> str:
        """Read a line."""
        raw = await self.reader.readline()
        if not raw.endswith(b"\r\n"):
            raise _OverError
        return raw[:-2].decode()

    async def run(self) -> None:
        """Answer commands until the connection ends."""
        if not await self.misbehaves("GREETING"):
            await self.say("220 smtp.test ESMTP")
        while True:
            line = await self.line()
            self.server.lines.append(line)
            verb = line.partition(" ")[0].upper()
            if await self.misbehaves(verb, line):
                continue
            handler = getattr(self, f"do_{verb.lower()}", None)
            if handler is None:
                await self.say("500 5.5.2 Unknown command")
            else:
                await handler(line)

    async def do_ehlo(self, _: str) -> None:
        """EHLO."""
        offered = list(self.server.extensions)
        if self.server.tls is not None and not self.secured:
            offered.append("STARTTLS")
        has_login = self.server.users is not None or self.server.anyone or self.server.token_ok is not None
        if has_login and (self.secured or self.server.auth_in_clear):
            offered.append("AUTH " + " ".join(self.server.mechanisms))
        lines = ["smtp.test", *offered]
        await self.say("\r\n".join(f"250{'-' if n < len(lines) else ' '}{text}" for n, text in enumerate(lines, 1)))

    async def do_helo(self, _: str) -> None:
        """HELO."""
        await self.say("250 smtp.test")

    async def do_starttls(self, _: str) -> None:
        """STARTTLS."""
        if self.server.tls is None:
            await self.say("502 5.5.1 No TLS")
            return
        await self.say("220 2.0.0 Ready")
        await self.writer.start_tls(self.server.tls, ssl_handshake_timeout=5)
        self.secured = True
        self.forget()

    async def do_noop(self, _: str) -> None:
        """NOOP."""
        await self.say("250 2.0.0 Ok")

    async def do_rset(self, _: str) -> None:
        """RSET."""
        self.forget()
        await self.say("250 2.0.0 Ok")

    async def do_quit(self, _: str) -> None:
        """QUIT."""
        await self.say("221 2.0.0 Bye")
        raise _OverError

    async def do_auth(self, line: str) -> None:
        """AUTH."""
        _, mechanism, *initial = line.split(" ")
        if mechanism not in self.server.mechanisms:
            await self.say("504 5.5.4 Unrecognized authentication type")
            return
        checks: dict[str, Callable[[str], Awaitable[str | None]]] = {
            "PLAIN": self._plain,
            "LOGIN": self._login,
            "CRAM-MD5": self._cram,
            "XOAUTH2": self._token,
        }
        check = checks[mechanism]
        self.user = await check(initial[0] if initial else "")
        await self.say("235 2.7.0 Accepted" if self.user else "535 5.7.8 Authentication credentials invalid")

    def _good(self, user: str, password: str) -> str | None:
        self.server.logins.append((user, password))
        known = (self.server.users or {}).get(user) == password
        return user if known or self.server.anyone else None

    async def _ask(self, text: str) -> str:
        await self.say("334 " + base64.b64encode(text.encode()).decode())
        return base64.b64decode(await self.line()).decode()

    async def _plain(self, initial: str) -> str | None:
        response = base64.b64decode(initial).decode() if initial else await self._ask("")
        _, user, password = response.split("\0")
        return self._good(user, password)

    async def _login(self, initial: str) -> str | None:
        user = base64.b64decode(initial).decode() if initial else await self._ask("Username:")
        return self._good(user, await self._ask("Password:"))

    async def _cram(self, _: str) -> str | None:
        user, _, digest = (await self._ask(CHALLENGE)).rpartition(" ")
        password = (self.server.users or {}).get(user, "")
        expected = hmac.new(password.encode(), CHALLENGE.encode(), "md5").hexdigest()
        self.server.logins.append((user, digest))
        return user if password and hmac.compare_digest(expected, digest) else None

    async def _token(self, initial: str) -> str | None:
        user_part, token_part, *end = base64.b64decode(initial).decode().split("\1")
        _check(end == ["", ""], "two control-A end the response")
        user, token = user_part.removeprefix("user="), token_part.removeprefix("auth=Bearer ")
        self.server.logins.append((user, token))
        if self.server.token_ok is not None and self.server.token_ok(user, token):
            return user
        answer = await self._ask(json.dumps({"status": "400", "schemes": "bearer"}))
        _check(not answer, "an empty line ends a refused exchange")
        return None

    async def do_mail(self, line: str) -> None:
        """MAIL FROM."""
        if self.sender is not None:
            await self.say("503 5.5.1 Nested MAIL command")
            return
        self.sender, self.options = _path(line[len("MAIL FROM:") :])
        await self.say("250 2.1.0 Ok")

    async def do_rcpt(self, line: str) -> None:
        """RCPT TO."""
        if self.sender is None:
            await self.say("503 5.5.1 Need MAIL command")
            return
        self.recipients.append(_path(line[len("RCPT TO:") :]))
        await self.say("250 2.1.5 Ok")

    async def do_data(self, _: str) -> None:
        """DATA."""
        if not self.recipients:
            await self.say("554 5.5.1 No valid recipients")
            return
        await self.say("354 End data with <CR><LF>.<CR><LF>")
        lines = []
        while (raw := await self.reader.readline()) != b".\r\n":
            if not raw.endswith(b"\r\n"):
                raise _OverError  # the connection was cut, so the data is not a complete mail
            _check(len(raw) <= 1000, "a line is longer than SMTP allows")
            _check(b"\r" not in raw[:-2], "a bare carriage return")
            lines.append(raw[1:] if raw.startswith(b".") else raw)
            if len(lines) == 3:
                await self.misbehaves("CONTENT")
        mail = Received(
            self.sender or "", self.options, self.recipients, b"".join(lines), self.number, self.secured, self.user
        )
        self.forget()
        if self.server.rule("TAKE", "") is not None:
            self.server.take(mail)
            raise _OverError
        if await self.misbehaves("DOT"):
            return
        self.server.take(mail)
        mail.answered = time.monotonic()
        await self.say(f"250 2.0.0 Ok: queued as {len(self.server.mails)}")
