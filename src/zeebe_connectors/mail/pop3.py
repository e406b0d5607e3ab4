"""Talk to a POP3 server for tasks and sources: sign in, list, read and delete mails.

Written here because no asyncio client is maintained, and the standard library's client refuses lines over 2048 bytes
and takes the challenge of a refused XOAUTH2 for success. Deletions take effect only at `quit`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Self, TypeVar

from zeebe_connectors import ConnectorError, PermanentError, TransientError
from zeebe_connectors.mail.greetings import TLS_RECORDS, other_protocol
from zeebe_connectors.mail.refusals import is_temporary, login_advice
from zeebe_connectors.mail.settings import LoginOrNone, NoLogin, PasswordLogin, Security
from zeebe_connectors.mail.tokens import access_token
from zeebe_connectors.net import custody
from zeebe_connectors.net.connect import (
    Resolver,
    checked_resolver,
    connect_error,
    connected,
    warn_unencrypted,
    write,
)
from zeebe_connectors.net.tls import trust
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.numbers import is_number

TIMEOUT = 30.0
"""Seconds without a byte from the server after which a command has failed."""
MAX_COMMAND_SECONDS = 900.0
"""Seconds after which a command has failed, even if bytes still trickle in."""
MAX_LINE = 64 * 1024
MAX_MESSAGE_BYTES = 256 * 1024 * 1024
_MAX_LIST_BYTES = 32 * 1024 * 1024
_END = re.compile(rb"\n\.\r?\n")
_PAUSE = 0.5
"""Seconds of silence after which a lone dot following a bare line feed counts as the end, not as part of a mail."""
_EMPTY = re.compile(r"no (new )?(messages?|mails?)\b|empty|^0( (messages?|mails?)\b|$)", re.IGNORECASE)
ResultT = TypeVar("ResultT")


class Refused(ConnectorError):  # noqa: N818 - the server's answer
    """The server answered -ERR.

    Args:
        text: What it said.
    """

    def __init__(self, command: str, text: str) -> None:
        super().__init__("POP3_REFUSED", f"the server refused {command}: {text}")
        self.text = text


class Pop3Session:
    """One connection to a POP3 server, for one task at a time. Create it with `open` or `connect`."""

    def __init__(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host = host
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self._banner = ""
        self._marked: set[int] = set()
        self._line_feeds = False  # whether the server ends its own lines with bare line feeds
        self.refused: set[str] = set()
        """Which of CAPA and APOP the server refused; they are not tried again."""
        self._limit: tuple[asyncio.Timeout, float] | None = None
        self.nameless = 0
        """How many messages have no unique id, by the last `ids`: they cannot be processed once and only once."""
        self.capabilities: dict[str, list[str]] = {}
        """Capabilities by name in upper case, with their arguments."""

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        security: Security,
        *,
        login: LoginOrNone,
        clients: ClientCache,
        tls: ssl.SSLContext | None = None,
    ) -> Self:
        """Connects and signs in; a token that the server refuses is replaced once, on a new connection.

        Args:
            host: As for `connect`.
            port: As for `connect`.
            security: As for `connect`.
            login: The account.
            clients: The runtime's clients, which hold access tokens and the operator's rules.
            tls: As for `connect`.

        Raises:
            ConnectorError: As `connect` and `login`, or `MAIL_TOKEN_FAILED`.
        """
        resolver = await checked_resolver(port, clients)
        refused: set[str] = set()

        async def signed_in(sign_in: Callable[[Self], Awaitable[None]]) -> Self:
            return await cls._opened(
                lambda: cls.connect(host, port, security, tls=tls, resolver=resolver, refused=refused), sign_in, refused
            )

        if isinstance(login, NoLogin):
            return await signed_in(lambda session: session._sign_in_without_login())  # noqa: SLF001 - its own class
        if isinstance(login, PasswordLogin):
            return await signed_in(lambda session: session.login(login.username, login.password.reveal()))
        token = await access_token(login, clients)
        try:
            return await signed_in(lambda session: session.login_with_token(login.username, token))
        except PermanentError as error:
            if error.code != "POP3_AUTH_FAILED":
                raise
        renewed = await access_token(login, clients, refused=token)
        return await signed_in(lambda session: session.login_with_token(login.username, renewed))

    @classmethod
    async def _opened(
        cls,
        connect: Callable[[], Awaitable[Self]],
        sign_in: Callable[[Self], Awaitable[None]],
        refused: Collection[str],
    ) -> Self:
        """Returns a signed-in session; connects again without a command after which the server hung up."""
        while True:
            before = len(refused)
            try:
                session = await connect()
                try:
                    await sign_in(session)
                except BaseException:
                    session.close()
                    raise
            except TransientError:
                if len(refused) == before:
                    raise
            else:
                return session

    async def _sign_in_without_login(self) -> None:
        """Does nothing; the next command shows whether the server answers."""
        if self.refused:
            await self.command("NOOP")

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        security: Security,
        *,
        tls: ssl.SSLContext | None = None,
        resolver: Resolver | None = None,
        refused: set[str] | None = None,
    ) -> Self:
        """Opens a connection and, for `starttls`, upgrades it (STLS).

        Args:
            host: Name or address.
            port: Usually 995 for `tls` and 110 otherwise.
            security: TLS from the start, TLS required after STLS, or none.
            tls: Which authorities to trust; by default the system's.
            resolver: Returns the addresses to connect to; None leaves it to the system.
            refused: Commands that the server refused before (CAPA, APOP); those that it refuses now are added.

        Raises:
            TransientError: `POP3_UNREACHABLE` or `POP3_CONNECTION_LOST`.
            PermanentError: `POP3_TLS_FAILED` when the certificate is not trusted or STLS is not offered, or
                `HOST_FORBIDDEN`.
        """
        context = tls or (None if security == "none" else await asyncio.to_thread(trust))
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(TIMEOUT):
                reader, opened = await connected(
                    lambda address: asyncio.open_connection(
                        address,
                        port,
                        ssl=context if security == "tls" else None,
                        server_hostname=host if security == "tls" else None,
                    ),
                    host,
                    resolver,
                )
                writer = opened
                session = cls(host, reader, opened)
                session.refused = set() if refused is None else refused
                session._banner = await session._greeted()
                await session._ask_capabilities()
                if security == "starttls":
                    await session._start_tls(context)
                elif security == "none":
                    warn_unencrypted("POP3", host, port)
        except BaseException as error:  # noqa: BLE001 - raised again, translated
            if writer is not None:
                writer.transport.abort()
            if isinstance(error, Refused):
                error = TransientError("POP3_UNREACHABLE", f"{host}:{port}: {error.text}")
            raise connect_error("POP3", host, port, error, patience=TIMEOUT) from None
        return session

    async def _start_tls(self, context: ssl.SSLContext | None) -> None:
        missing = PermanentError(
            "POP3_TLS_FAILED", f"{self._host} does not offer STLS on this port; choose TLS with its port (995)"
        )
        if "STLS" not in self.capabilities and "CAPA" not in self.refused:
            raise missing
        try:
            await self.command("STLS")
        except Refused as error:
            if is_temporary(error.text):
                raise
            raise missing from None
        self._refuse_early_bytes()
        await self._writer.start_tls(context or trust(), server_hostname=self._host)
        self._refuse_early_bytes()  # data that arrived meanwhile: the server must not speak first here
        self.capabilities, self._banner = {}, ""  # anybody may have sent what arrived unencrypted
        await self._ask_capabilities()

    def _refuse_early_bytes(self) -> None:
        if self._buffer or self._reader._buffer:  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public way to look
            raise PermanentError("POP3_TLS_FAILED", f"{self._host} sent data before encryption began, which is unsafe")

    async def _ask_capabilities(self) -> None:
        if "CAPA" in self.refused:
            return
        try:
            text = await self._several("CAPA", limit=MAX_LINE, patience=TIMEOUT / 2)
        except (Refused, TransientError) as error:
            self.refused.add("CAPA")
            if isinstance(error, Refused):
                return  # older servers
            raise
        lines = (line.split() for line in text.decode("ascii", "replace").splitlines())
        self.capabilities = {words[0].upper(): words[1:] for words in lines if words}

    async def login(self, username: str, password: str) -> None:
        """Signs in: by APOP if the server offers it on an unencrypted connection, else by USER and PASS.

        Raises:
            PermanentError: `POP3_AUTH_FAILED`.
            TransientError: `POP3_IN_USE`: another session has the mailbox.
        """
        stamp = re.search(r"<[^<>\s]+@[^<>\s]+>", self._banner)
        try:
            if stamp and not self._is_encrypted and "APOP" not in self.refused:
                digest = hashlib.md5((stamp[0] + password).encode(), usedforsecurity=False).hexdigest()
                try:
                    await self.command("APOP", username, digest)
                except (Refused, TransientError) as error:
                    if isinstance(error, Refused) and is_temporary(error.text):
                        raise
                    self.refused.add("APOP")
                    if not isinstance(error, Refused):
                        raise
                else:
                    return
            await self._sign_in_by_password(username, password)
        except Refused as error:
            raise self._login_failed(error.text) from None

    async def _sign_in_by_password(self, username: str, password: str) -> None:
        """Signs in by USER and PASS, or by AUTH PLAIN (RFC 5034) where USER is not offered.

        A server that refuses the one before it has seen the password is asked for the other, if it offers that.
        """
        plain = "PLAIN" in map(str.upper, self.capabilities.get("SASL", []))
        by_plain = plain and "USER" not in self.capabilities
        for is_last in (not plain, True):
            try:
                if by_plain:
                    answer = await self._within(self._exchange_line, "AUTH PLAIN")
                    if not answer.startswith(b"+"):
                        _accepted("AUTH PLAIN", answer)
                else:
                    await self.command("USER", username)
                break
            except Refused as error:
                if is_last or is_temporary(error.text):
                    raise
                by_plain = not by_plain
        if by_plain and not _is_ok(answer):
            proof = base64.b64encode(f"\0{username}\0{password}".encode()).decode()
            _accepted("AUTH PLAIN", await self._within(self._exchange_line, proof))
        elif not by_plain:
            await self.command("PASS", password)

    async def login_with_token(self, username: str, token: str) -> None:
        """Signs in with an OAuth 2.0 access token (XOAUTH2).

        Raises:
            PermanentError: `POP3_AUTH_FAILED`, with the server's reason.
        """
        proof = base64.b64encode(f"user={username}\1auth=Bearer {token}\1\1".encode()).decode()
        # A command line has at most 255 bytes, so a token of usual length must be sent on a line of its own.
        lines = [f"AUTH XOAUTH2 {proof}"] if len(proof) < 230 else ["AUTH XOAUTH2", proof]
        answer = b""
        for line in lines:
            answer = await self._within(self._exchange_line, line)
            if line != lines[-1] and not answer.startswith(b"+"):
                break  # it does not know the mechanism, and the token must not end up in its log
        if answer.startswith(b"+ "):  # the reason of a refusal; the empty answer lets the server say -ERR
            with suppress(ValueError):
                answer = b"-ERR " + base64.b64decode(answer[2:])
            await self._within(self._exchange_line, "")
        if not _is_ok(answer):
            raise self._login_failed(custody.clipped(answer.decode("utf-8", "replace"), 300))

    @property
    def _is_encrypted(self) -> bool:
        return self._writer.get_extra_info("ssl_object") is not None

    def _login_failed(self, text: str) -> ConnectorError:
        if is_temporary(text):
            return TransientError("POP3_IN_USE", f"{self._host} cannot open the mailbox now: {text}", delay=30)
        return PermanentError(
            "POP3_AUTH_FAILED",
            f"{self._host} refused the login: {text}. {login_advice(text, encrypted=self._is_encrypted)}",
        )

    async def sizes(self) -> dict[int, int]:
        """Returns the size of each message in bytes, by its number in this session."""
        try:
            lines = (await self._list("LIST")).decode("ascii", "replace").splitlines()
        except Refused as error:
            if not await self._is_empty(error):
                raise
            return {}
        found = (words for words in map(str.split, lines) if len(words) > 1)
        return {int(words[0]): int(words[1]) for words in found if is_number(words[0]) and is_number(words[1])}

    async def _list(self, command: str) -> bytes:
        """Returns a list of all messages; for an empty one, some servers leave out its end."""

        async def work() -> bytes:
            self._send(command)
            if not _EMPTY.search(await self._answer(command)) or self._buffer:
                return await self._lines(_MAX_LIST_BYTES)
            try:
                async with asyncio.timeout(_PAUSE):
                    await self._more()
            except TimeoutError:
                self._send("NOOP")  # a list that is only late comes before its answer
                await self._more()
                late = b"" if self._buffer.startswith((b"+", b"-")) else await self._lines(_MAX_LIST_BYTES)
                await self._status()
                return late
            return await self._lines(_MAX_LIST_BYTES)

        return await self._within(work)

    async def _is_empty(self, refusal: Refused) -> bool:
        """Returns whether a list was refused because there is nothing to list."""
        count = await self._count()
        return _EMPTY.search(refusal.text) is not None if count is None else count == 0

    async def _count(self) -> int | None:
        """Returns how many messages there are; None when the server does not say, or has closed."""
        with suppress(Refused, TransientError):
            words = (await self.command("STAT")).split()
            return int(words[0]) if words and is_number(words[0]) else None
        return None

    async def ids(self) -> dict[int, str]:
        """Returns the unique id of each message, by its number in this session.

        Messages with the same id, which servers may assign to copies of one mail, are numbered: `id`, `id (2)`. Those
        without one are left out, and counted by `nameless`.

        Raises:
            PermanentError: `POP3_NO_IDS`: the server has none, so that new messages cannot be told from old ones.
            TransientError: `POP3_NO_IDS`: it lists none although it has messages.
        """
        try:
            lines = (await self._list("UIDL")).split(b"\n")
        except Refused as error:
            if is_temporary(error.text):
                raise
            if await self._is_empty(error):
                return {}
            raise PermanentError(
                "POP3_NO_IDS",
                f"{self._host} does not know UIDL, without which a mail would be processed twice; use IMAP",
            ) from None
        found: dict[int, str] = {}
        unread = False
        copies: Counter[str] = Counter()
        for words in (line.split(None, 1) for line in lines):
            number = words[0].rstrip(b".:") if words else b""
            if len(words) == 2 and is_number(number) and (uid := _id(words[1].strip())):
                copies[uid] += 1
                found[int(number)] = uid if copies[uid] == 1 else f"{uid} ({copies[uid]})"
            else:
                unread = unread or bool(words)
        count = await self._count() if unread or not found else None
        self.nameless = max(0, (count or 0) - len(found))
        if not found and count:
            raise TransientError(
                "POP3_NO_IDS",
                f"{self._host} has {count} mails and lists the id of none (UIDL), without which a mail would be "
                "processed twice; use IMAP if that stays so",
            )
        return found

    async def top(self, number: int, lines: int = 0) -> bytes:
        """Returns a message's headers and the first lines of its body."""
        return await self._several("TOP", number, lines)

    async def tops(self, numbers: Sequence[int]) -> list[bytes | None]:
        """Returns the headers of several messages, pipelined if the server allows it; None for a refused one.

        Args:
            numbers: At most about a hundred.
        """

        async def work() -> list[bytes | None]:
            together = "PIPELINING" in self.capabilities
            if together:
                write(self._writer, "".join(f"TOP {number} 0\r\n" for number in numbers).encode())
            found: list[bytes | None] = []
            for number in numbers:
                if not together:
                    self._send(f"TOP {number} 0")
                try:
                    await self._answer("TOP")
                except Refused:
                    found.append(None)
                else:
                    found.append(await self._lines())
            return found

        return await self._within(work)

    async def read(self, number: int) -> bytes:
        """Returns a message, byte for byte."""
        return await self._several("RETR", number)

    async def content(self, number: int) -> bytes:
        """Returns a mail; a server that returns nothing is asked once more, since no mail is empty.

        Raises:
            PermanentError: `POP3_NO_CONTENT`: the server returned nothing the second time either.
        """
        for _ in range(2):
            if raw := await self.read(number):
                return raw
        raise PermanentError("POP3_NO_CONTENT", f"{self._host} lists the mail, but returns no content for it")

    async def delete(self, number: int) -> None:
        """Marks a message for deletion at `quit`; marking it twice does no harm.

        Raises:
            Refused: The server does not delete it.
        """
        if number not in self._marked:
            await self.command("DELE", number)
            self._marked.add(number)

    async def quit(self) -> None:
        """Ends the session and carries out the deletions.

        Raises:
            ConnectorError: It is not certain that they were carried out.
        """
        try:
            await self.command("QUIT")
        except ConnectorError:
            if self._marked:
                raise
        finally:
            self.close()

    @property
    def is_open(self) -> bool:
        """Whether this side has not closed the connection."""
        return not self._writer.is_closing()

    def close(self) -> None:
        """Ends the connection; nothing is deleted."""
        self._writer.transport.abort()

    # One command

    async def command(self, *words: str | int) -> str:
        """Sends a command; returns the text after +OK.

        Raises:
            Refused: The server said -ERR.
            TransientError: `POP3_CONNECTION_LOST`.
        """

        async def work() -> str:
            self._send(" ".join(map(str, words)))
            return await self._answer(str(words[0]))

        return await self._within(work)

    async def _several(self, *words: str | int, limit: int = MAX_MESSAGE_BYTES, patience: float | None = None) -> bytes:
        async def work() -> bytes:
            self._send(" ".join(map(str, words)))
            await self._answer(str(words[0]))
            return await self._lines(limit)

        return await self._within(work, patience=patience)

    async def _exchange_line(self, line: str) -> bytes:
        self._send(line)
        return await self._status()

    async def _within(
        self, work: Callable[..., Awaitable[ResultT]], *arguments: str, patience: float | None = None
    ) -> ResultT:
        """Awaits a command's work.

        Args:
            work: Sends it and reads the answer.
            arguments: For `work`.
            patience: Seconds after which it has failed, even if bytes arrive; None for the usual two limits.
        """
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(now + (patience or TIMEOUT)) as timeout:
                self._limit = (timeout, now + (patience or MAX_COMMAND_SECONDS))
                return await work(*arguments)
        except TimeoutError:
            self.close()
            raise TransientError("POP3_CONNECTION_LOST", f"{self._host} does not answer within {TIMEOUT:g} s") from None
        except OSError as error:
            self.close()
            raise TransientError("POP3_CONNECTION_LOST", f"the connection to {self._host} was lost: {error}") from None
        finally:
            self._limit = None

    def _send(self, line: str) -> None:
        if re.search(r"[\r\n\0]", line):
            raise PermanentError("POP3_REFUSED", "a user name or password must not hold a line break")
        write(self._writer, line.encode() + b"\r\n")

    async def _greeted(self) -> str:
        """Returns the server's banner.

        Raises:
            Refused: It turned the connection away, or speaks another protocol.
        """
        await self._more()
        tls = self._buffer.startswith(TLS_RECORDS)
        line = bytes(self._buffer[:2]) if tls else await self._status()
        try:
            return _accepted("the connection", line)
        except Refused as error:
            why = other_protocol(line, "POP3")
            quoted = f" (it said: {error.text})" if why and not tls else ""
            reason = f"{why}{quoted}" if why else f"it turned the connection away: {error.text}"
            raise Refused("the connection", reason) from None

    async def _answer(self, command: str) -> str:
        return _accepted(command, await self._status())

    async def _status(self) -> bytes:
        """Returns the next line with content: some servers begin with a blank line, or send one after a mail's end."""
        while not (line := await self._line()).strip(b". \t"):
            pass
        return line

    async def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > MAX_LINE:
                raise ConnectionResetError("it sent an endless line")
            await self._more()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._line_feeds = not line.endswith(b"\r")
        return line.removesuffix(b"\r")

    async def _lines(self, limit: int = MAX_MESSAGE_BYTES) -> bytes:
        """Returns the lines up to the terminating dot, with dot-stuffing removed.

        Lines end with CR LF; but some servers use bare line feeds throughout, and some send mails as they are stored,
        with bare line feeds up to the last one before the dot.
        """
        if await self._begins_with_end():
            return b""
        scanned = 0
        while True:
            match = _END.search(self._buffer, scanned)
            if match is not None and await self._is_end(match.start(), match.end()):
                break
            scanned = match.start() + 1 if match else max(0, len(self._buffer) - len(b"\n.\r"))
            if match is None:
                if len(self._buffer) > limit:
                    raise ConnectionResetError("it sent an endless message")
                await self._more()
        data = bytes(self._buffer[: match.start() + 1])
        del self._buffer[: match.end()]
        if data.startswith(b"."):
            data = data[1:]
        stuffed = b"\r\n.." if data.endswith(b"\r\n") and data.find(b"\r\n") < len(data) - 2 else b"\n.."
        return data.replace(stuffed, stuffed[:-1]) if stuffed in data else data

    async def _is_end(self, start: int, end: int) -> bool:
        """Returns whether a dot alone on its line ends the answer; after a bare line feed it may be part of a mail."""
        whole = self._buffer[start - 1 : end] == b"\r\n.\r\n"
        if whole or (self._line_feeds and self._buffer[start:end] == b"\n.\n"):
            return True
        if len(self._buffer) == end:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PAUSE):
                    await self._more()
        return len(self._buffer) == end or self._buffer.startswith((b"+OK", b"-ERR"), end)

    async def _begins_with_end(self) -> bool:
        while len(self._buffer) < 2 or self._buffer == b".\r":
            await self._more()
        for end in (b".\r\n", b".\n"):
            if self._buffer.startswith(end):
                del self._buffer[: len(end)]
                return True
        return False

    async def _more(self) -> None:
        data = await self._reader.read(256 * 1024)
        if not data:
            raise ConnectionResetError("it closed the connection")
        self._buffer += data
        if self._limit is not None:
            timeout, latest = self._limit
            timeout.reschedule(min(asyncio.get_running_loop().time() + TIMEOUT, latest))


def _is_ok(line: bytes) -> bool:
    return line[:3].upper() == b"+OK"


def _accepted(command: str, line: bytes) -> str:
    """Returns the text after +OK.

    Raises:
        Refused: The server answered anything else.
    """
    if not _is_ok(line):
        text = line[4:] if line[:4].upper() == b"-ERR" else line
        raise Refused(command, custody.clipped(text.decode("utf-8", "replace"), 300).strip())
    return line[3:].decode("utf-8", "replace").strip()


def _id(raw: bytes) -> str:
    """Returns an id as text; distinct ids stay distinct even if they are not ASCII, as they should be."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
