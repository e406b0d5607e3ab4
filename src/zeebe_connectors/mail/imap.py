"""An IMAP session: host and credentials go in; messages are searched, read, flagged and moved, and pushes awaited.

This is the only module that imports aioimaplib, which is GPL-3.0-only: it comes with the extra `imap`, the rest of this
package stays Apache-2.0, and another client could take this module's place. The library's command and state handling is
used; its receiving side is replaced, because (each has a test):

- it recurses once per line, so that a thousand lines in one read end the connection while the caller hangs;
- a lost connection fails nothing: commands wait for their time limit, IDLE for 29 minutes;
- a command that timed out stays registered and swallows the next answer (here the connection is closed instead);
- a refused XOAUTH2 is never answered and times out, a greeting of BYE likewise;
- capabilities are not asked again after the login, STARTTLS is missing;
- `* ` inside a line is deleted from it, user and folder names are not quoted, folder names not encoded;
- every byte received and the password sent are formatted for a debug log.
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

from aioimaplib import aioimaplib

from zeebe_connectors import ConnectorError, PermanentError, TransientError
from zeebe_connectors.mail.folders import decode_folder, encode_folder
from zeebe_connectors.mail.settings import Login, PasswordLogin, access_token, system_trust
from zeebe_connectors.net.connect import Resolver, checked_resolver, connect_error, connected
from zeebe_connectors.sdk.kept import Kept

Security = Literal["tls", "starttls", "none"]
SortKey = Literal["ARRIVAL", "DATE", "SIZE"]
"""When the server got it, what its Date header says, how large it is."""
TIMEOUT = 30.0
"""Seconds without a byte from the server after which a command has failed."""
LONGEST_COMMAND = 900.0
"""Seconds after which a command has failed, however steadily bytes drip in."""
LARGEST_LITERAL = 256 * 1024 * 1024
LONGEST_LINE = 16 * 1024 * 1024

_LITERAL = re.compile(rb"\{(\d{1,12})\+?\}$")
_FETCHED = re.compile(rb"\d+ FETCH \(", re.IGNORECASE)
_PUSHED = re.compile(rb"(\d+) (EXISTS|RECENT|EXPUNGE)", re.IGNORECASE)
_HELD = re.compile(rb"\0(\d+)\0")
_BODY = re.compile(rb'BODY\[[^\]]*\](?:<\d+>)? (?:\0(\d+)\0|"((?:\\.|[^"\\])*)"|NIL)', re.IGNORECASE)
_LISTED = re.compile(rb'LIST \(([^)]*)\) (?:"(\\?.)"|NIL) (.+)$', re.IGNORECASE | re.DOTALL)
_BUSY = re.compile(r"\[(UNAVAILABLE|INUSE|LIMIT)\]|(too many|maximum number of).* connections", re.IGNORECASE)
_DATE = re.compile(rb"\s*(\d{1,2})-(\w{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\s*")
_MONTHS = {name: number for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_UID = re.compile(rb"\bUID (\d+)", re.IGNORECASE)
_FLAGS = re.compile(rb"FLAGS \(([^)]*)\)", re.IGNORECASE)
_RECEIVED = re.compile(rb'INTERNALDATE "([^"]+)"', re.IGNORECASE)
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)", re.IGNORECASE)


class ConnectionLost(TransientError):  # noqa: N818 - a state of the session
    """The connection is gone, or the server does not answer on it."""

    def __init__(self, message: str) -> None:
        super().__init__("IMAP_CONNECTION_LOST", message)


class Refused(ConnectorError):  # noqa: N818 - the server's answer
    """The server answered NO or BAD.

    Args:
        text: What it said.
    """

    def __init__(self, command: str, text: str) -> None:
        super().__init__("IMAP_REFUSED", f"the server refused {command}: {text}")
        self.text = text


@dataclass(frozen=True, slots=True)
class Selected:
    """An open folder."""

    name: str
    uid_validity: int
    messages: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was asked of one message."""

    uid: int
    flags: frozenset[str]
    received: datetime | None
    size: int
    body: bytes = field(repr=False)


class _Protocol(aioimaplib.IMAP4ClientProtocol):  # type: ignore[misc]
    """The receiving side: bytes become responses without recursion, and the end of the connection ends every wait."""

    pending_sync_command: Any

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.greeting: asyncio.Future[bytes] = loop.create_future()
        self.untagged: list[list[bytes]] = []
        self.pushed = asyncio.Event()
        self.exists = 0
        self.lost: ConnectionLost | None = None
        self.limit: tuple[asyncio.Timeout, float] | None = None
        self.challenges: list[bytes] = []
        self.literals: list[bytes] = []
        self.refusal = b""
        self._buffer = bytearray()
        self._scanned = 0
        self._fragments: list[bytes] = []
        self._missing: int | None = None

    def send(self, line: str, scrub: str | None = None) -> None:  # noqa: ARG002 - the library's signature
        """Sends a line; nothing of it goes to a log."""
        self.transport.write(f"{line}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """Takes bytes apart into whole responses."""
        if self.limit is not None:
            timeout, latest = self.limit
            timeout.reschedule(min(self.loop.time() + TIMEOUT, latest))
        _acknowledge(self.transport)
        self._buffer += data
        try:
            while (response := self._next()) is not None:
                self._dispatch(response)
        except (aioimaplib.AioImapException, ValueError, KeyError) as error:
            self.fail(f"the server breaks the protocol: {error}")
            self.transport.abort()

    def _next(self) -> list[bytes] | None:
        """One response: its lines, with each literal between two of them; None while it is not whole."""
        while True:
            if self._missing is not None:
                if len(self._buffer) < self._missing:
                    return None
                self._take(self._missing, skip=0)
                self._missing = None
                continue
            end = self._buffer.find(b"\r\n", self._scanned)
            if end < 0:
                if len(self._buffer) > LONGEST_LINE:
                    raise ValueError(f"a line of more than {LONGEST_LINE} bytes")
                self._scanned = max(0, len(self._buffer) - 1)
                return None
            self._take(end, skip=2)
            literal = _LITERAL.search(self._fragments[-1])
            if literal and not self._fragments[0].startswith(b"+"):
                self._missing = int(literal[1])
                if self._missing > LARGEST_LITERAL:
                    raise ValueError(f"a literal of {self._missing} bytes")
                continue
            response, self._fragments = self._fragments, []
            return response

    def _take(self, length: int, *, skip: int) -> None:
        with memoryview(self._buffer) as view:
            self._fragments.append(bytes(view[:length]))
        del self._buffer[: length + skip]
        self._scanned = 0

    def _dispatch(self, response: list[bytes]) -> None:
        line = response[0]
        if not self.greeting.done():
            self._greet(line)
        elif line.startswith(b"+"):
            self._continue(line)
        elif line.startswith(b"* "):
            response[0] = line[2:]
            self._untagged(response)
        elif line:
            self._response_done(line)

    def _greet(self, line: bytes) -> None:
        if line.upper().startswith((b"* OK", b"* PREAUTH")):
            self.state = aioimaplib.AUTH if line[2:4].upper() == b"PR" else aioimaplib.NONAUTH
            self.greeting.set_result(line)
        else:
            text = line[:200].decode("utf-8", "replace")
            self.greeting.set_exception(ConnectionLost(f"the server turned the connection away: {text}"))

    def _untagged(self, response: list[bytes]) -> None:
        line = response[0]
        if pushed := _PUSHED.match(line):
            self._push(pushed[2].upper(), int(pushed[1]))
        if line[:3].upper() == b"BYE" and (
            self.pending_sync_command is None or self.pending_sync_command.name != "LOGOUT"
        ):
            self.fail(f"the server ended the session: {line[:200].decode('utf-8', 'replace')}")
            self.transport.close()
        elif self.pending_sync_command is not None or self.pending_async_commands:
            self.untagged.append(response)

    def _push(self, what: bytes, number: int) -> None:
        """Notes a change: any in IDLE; outside only new messages, which must be searched for before the next IDLE."""
        idling = self.has_pending_idle_command()
        if what == b"EXISTS":
            if idling or number > self.exists:
                self.pushed.set()
            self.exists = number
        elif what == b"EXPUNGE":
            self.exists = max(0, self.exists - 1)
        if idling:
            self.pushed.set()

    def _continue(self, line: bytes) -> None:
        command = self.pending_sync_command
        if self.literals:
            self.transport.write(self.literals.pop(0))
        elif command is None or command.name != "AUTHENTICATE":
            super()._continuation(line)
        elif self.challenges:
            self.transport.write(self.challenges.pop(0) + b"\r\n")
        else:  # the reason of a refusal; the empty answer lets the server say NO
            with suppress(ValueError):
                self.refusal = base64.b64decode(line[1:].strip())
            self.transport.write(b"\r\n")

    def fail(self, reason: str) -> None:
        """Ends every wait with `ConnectionLost`."""
        self.lost = self.lost or ConnectionLost(reason)
        pending = list(self.pending_async_commands.values())
        if self.pending_sync_command is not None:
            pending.append(self.pending_sync_command)
        for command in pending:
            command._exception = self.lost  # noqa: SLF001 - the library's only way to end a command from outside
            command._event.set()  # noqa: SLF001
        self.pending_async_commands.clear()
        self.pending_sync_command = None
        self.pushed.set()
        if not self.greeting.done():
            self.greeting.set_exception(self.lost)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends every wait."""
        if self.state != aioimaplib.LOGOUT:
            self.fail(f"the connection was lost{f': {exc}' if exc else ''}")


class ImapSession:
    """One connection to an IMAP server, for one task at a time. Make it with `open` or `connect`."""

    def __init__(self, protocol: _Protocol, host: str) -> None:
        self._protocol = protocol
        self._host = host
        self._lock = asyncio.Lock()
        self._folders: list[tuple[str, str, frozenset[str]]] | None = None
        self.selected: Selected | None = None

    @classmethod
    async def open(
        cls, host: str, port: int, security: Security, *, login: Login, kept: Kept, tls: ssl.SSLContext | None = None
    ) -> Self:
        """Connects and signs in; a token that the server refuses is fetched anew once.

        Args:
            host: As for `connect`.
            port: As for `connect`.
            security: As for `connect`.
            login: The account.
            kept: Where access tokens are cached, and the operator's rules are.
            tls: As for `connect`.

        Raises:
            ConnectorError: As `connect` and `login`, or `MAIL_TOKEN_FAILED`.
        """
        session = await cls.connect(host, port, security, tls=tls, resolver=await checked_resolver(port, kept))
        try:
            if isinstance(login, PasswordLogin):
                await session.login(login.username, login.password.reveal())
                return session
            token = await access_token(login, kept)
            try:
                await session.login_with_token(login.username, token)
            except PermanentError:
                await session.login_with_token(login.username, await access_token(login, kept, refused=token))
        except BaseException:
            await session.logout()
            raise
        return session

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        security: Security,
        *,
        tls: ssl.SSLContext | None = None,
        resolver: Resolver | None = None,
    ) -> Self:
        """Opens a connection and, for `starttls`, upgrades it.

        Args:
            host: Name or address.
            port: Usually 993 for `tls` and 143 else.
            security: TLS from the start, TLS required after STARTTLS, or none.
            tls: Whom to trust; the system's authorities when left out.
            resolver: Gives the addresses to connect to; None leaves it to the system.

        Raises:
            TransientError: `IMAP_UNREACHABLE`, or `IMAP_CONNECTION_LOST` when the server turns the connection away.
            PermanentError: `IMAP_TLS_FAILED` when the certificate is not trusted or STARTTLS is not offered, or
                `HOST_FORBIDDEN`.
        """
        loop = asyncio.get_running_loop()
        protocol = _Protocol(loop)
        context = tls or (None if security == "none" else await asyncio.to_thread(system_trust))
        try:
            async with asyncio.timeout(TIMEOUT):
                await connected(
                    lambda address: loop.create_connection(
                        lambda: protocol,
                        address,
                        port,
                        ssl=context if security == "tls" else None,
                        server_hostname=host if security == "tls" else None,
                    ),
                    host,
                    resolver,
                )
                _keep_alive(protocol.transport)
                session = cls(protocol, host)
                await protocol.greeting
                await session._capabilities()
                if security == "starttls":
                    await session._start_tls(context)
        except BaseException as error:  # noqa: BLE001 - raised again, by its meaning
            _abort(protocol)
            raise connect_error("IMAP", f"{host}:{port}", error, patience=TIMEOUT) from None
        return session

    async def _start_tls(self, context: ssl.SSLContext | None) -> None:
        protocol = self._protocol
        if not self.offers("STARTTLS"):
            raise PermanentError(
                "IMAP_TLS_FAILED", f"{self._host} does not offer STARTTLS on this port; choose TLS with its port (993)"
            )
        await self._command("STARTTLS")
        if protocol._buffer:  # noqa: SLF001 - what came unencrypted must not count as if it had come encrypted
            raise PermanentError("IMAP_TLS_FAILED", f"{self._host} sent more before the encryption began; it is unsafe")
        assert context is not None  # noqa: S101 - security is not none
        protocol.transport = await protocol.loop.start_tls(
            protocol.transport, protocol, context, server_hostname=self._host
        )
        await self._capabilities()

    def offers(self, capability: str) -> bool:
        """Whether the server has a capability, such as `MOVE`."""
        return capability.upper() in self._protocol.capabilities

    @property
    def is_open(self) -> bool:
        """Whether the connection has not been found lost."""
        return self._protocol.lost is None

    async def login(self, username: str, password: str) -> None:
        """Signs in with a password: LOGIN, or PLAIN where the server wants that or the text is not ASCII.

        Raises:
            PermanentError: `IMAP_AUTH_FAILED`.
            TransientError: `IMAP_IN_USE`: the server has too many sessions, or cannot check the login now.
        """
        if self._protocol.state == aioimaplib.AUTH:  # PREAUTH
            return
        plain = self.offers("AUTH=PLAIN")
        if self.offers("LOGINDISABLED") and not plain:
            raise PermanentError(
                "IMAP_AUTH_FAILED", f"{self._host} allows no password on an unencrypted connection; choose TLS"
            )
        if plain and (self.offers("LOGINDISABLED") or not (username + password).isascii()):
            await self._authenticate("PLAIN", f"\0{username}\0{password}".encode())
            return
        try:
            await self._command("LOGIN", _quoted(username), _quoted(password))
        except Refused as error:
            raise self._login_failed(error.text) from None
        await self._signed_in()

    async def login_with_token(self, username: str, token: str) -> None:
        """Signs in with an OAuth 2.0 access token (XOAUTH2).

        Raises:
            PermanentError: `IMAP_AUTH_FAILED`, with the server's reason.
            TransientError: As for `login`.
        """
        await self._authenticate("XOAUTH2", f"user={username}\1auth=Bearer {token}\1\1".encode())

    async def _authenticate(self, mechanism: str, proof: bytes) -> None:
        protocol = self._protocol
        encoded = base64.b64encode(proof)
        protocol.refusal = b""
        try:
            if self.offers("SASL-IR"):
                await self._command("AUTHENTICATE", mechanism, encoded.decode())
            else:
                protocol.challenges = [encoded]
                await self._command("AUTHENTICATE", mechanism)
        except Refused as error:
            reason = protocol.refusal[:200].decode("utf-8", "replace")
            raise self._login_failed(f"{error.text} {reason}".strip()) from None
        finally:
            protocol.challenges = []
        await self._signed_in()

    def _login_failed(self, text: str) -> ConnectorError:
        if _BUSY.search(text):
            return TransientError("IMAP_IN_USE", f"{self._host} lets nobody in now: {text}", delay=30)
        return PermanentError(
            "IMAP_AUTH_FAILED",
            f"{self._host} refused the login: {text}. Check user name and password or token; many providers want an "
            "app password or OAuth 2.0",
        )

    async def _signed_in(self) -> None:
        self._protocol.state = aioimaplib.AUTH
        await self._capabilities()

    async def _capabilities(self) -> None:
        for response in await self._command("CAPABILITY"):
            name, *words = response[0].decode("ascii", "replace").upper().split()
            if name == "CAPABILITY":
                self._protocol.capabilities = set(words)

    async def folders(self) -> list[tuple[str, str, frozenset[str]]]:
        """All folders: name as people write it, hierarchy separator, flags in lower case."""
        if self._folders is None:
            found = []
            for response in await self._command("LIST", '""', '"*"'):
                line, literals = _held(response)
                if match := _LISTED.match(line):
                    raw = _string(match[3].strip(), literals)
                    flags = frozenset(match[1].decode("ascii", "replace").lower().split())
                    found.append(
                        (decode_folder(raw.decode("utf-8", "replace")), (match[2] or b"")[-1:].decode(), flags)
                    )
            self._folders = found
        return self._folders

    async def folder(self, name: str) -> str:
        """The folder's real name: as written, or with the server's separator for `/` and `.`, or below its root.

        Raises:
            PermanentError: `IMAP_FOLDER_NOT_FOUND`, naming some that exist.
        """
        if name.upper() == "INBOX":
            return "INBOX"
        known = {folder for folder, _, flags in await self.folders() if "\\noselect" not in flags}
        for candidate in await self._spellings(name):
            if candidate in known:
                return candidate
        self._folders = None
        some = ", ".join(sorted(known)[:20])
        raise PermanentError("IMAP_FOLDER_NOT_FOUND", f"there is no folder {name!r}; there are: {some}")

    async def _spellings(self, name: str) -> list[str]:
        separators = {separator for _, separator, _ in await self.folders() if separator}
        spellings = [name]
        for separator in separators:
            for plain in (name.replace("/", separator), name.replace(".", separator)):
                spellings += [plain, f"INBOX{separator}{plain}"]
        return list(dict.fromkeys(spellings))

    async def create_folder(self, name: str) -> str:
        """Creates a folder unless it exists; gives its real name.

        `/` stands for the server's separator, and so does `.` where the part before it is a folder, or where the server
        takes no dot within a name.

        Raises:
            Refused: In every spelling; what it said to the last.
        """
        with suppress(PermanentError):
            return await self.folder(name)
        known = await self.folders()
        separator = next((separator for _, separator, _ in known if separator), "/")
        real = name.replace("/", separator)
        above = name.partition(".")[0]
        if "/" not in name and (above.upper() == "INBOX" or above in {folder for folder, _, _ in known}):
            real = name.replace(".", separator)
        # Some servers allow no dot in a name, some keep everything below INBOX.
        spellings = dict.fromkeys((real, real.replace(".", separator), f"INBOX{separator}{real}"))
        for spelling in spellings:
            try:
                await self._command("CREATE", _folder(spelling))
            except Refused as error:
                refused = error
            else:
                self._folders = None
                return spelling
        raise refused

    async def select(self, name: str, *, writable: bool = True) -> Selected:
        """Opens a folder.

        Raises:
            PermanentError: `IMAP_FOLDER_NOT_FOUND`.
        """
        real = await self.folder(name)
        self.selected = None
        try:
            responses = await self._command("SELECT" if writable else "EXAMINE", _folder(real))
        except Refused:
            self._folders = None
            await self.folder(name)  # says so when it is there no more
            raise
        text = b"\n".join(response[0] for response in responses)
        validity = re.search(rb"UIDVALIDITY (\d+)", text, re.IGNORECASE)
        exists = re.search(rb"^(\d+) EXISTS", text, re.IGNORECASE | re.MULTILINE)
        self._protocol.state = aioimaplib.SELECTED
        self.selected = Selected(real, int(validity[1]) if validity else 0, int(exists[1]) if exists else 0)
        return self.selected

    async def search(self, *criteria: str | bytes) -> list[int]:
        """UIDs of the messages for which all criteria hold, ascending.

        Args:
            criteria: The words of RFC 3501, parentheses as words of their own; texts as `search_text` gives them.

        Raises:
            Refused: Also by servers that know no UTF-8, when a text is not ASCII.
        """
        self._protocol.pushed.clear()  # what comes from here on is perhaps not in the answer
        charset = ("CHARSET", "UTF-8") if any(isinstance(word, bytes) for word in criteria) else ()
        return sorted(set(_numbers(b"SEARCH", await self._command("SEARCH", *charset, *criteria, prefix="UID"))))

    async def sort(self, key: SortKey, *criteria: str, descending: bool = False) -> list[int] | None:
        """UIDs of the messages for which all criteria hold, sorted by the server; None where it does not sort."""
        if not self.offers("SORT"):
            return None
        order = f"({'REVERSE ' if descending else ''}{key})"
        return _numbers(b"SORT", await self._command("SORT", order, "UTF-8", *criteria, prefix="UID"))

    async def fetch(self, uids: Sequence[int], body: str = "") -> list[Fetched]:
        """Reads messages without marking them as read; those that are gone are left out.

        Args:
            uids: At most a few hundred.
            body: Section to read, such as `HEADER` or `` for all; nothing is read when it is `None`-like (`-`).
        """
        if not uids:
            return []
        section = "" if body == "-" else f" BODY.PEEK[{body}]"
        items = f"(UID FLAGS INTERNALDATE RFC822.SIZE{section})"
        responses = await self._command("FETCH", ",".join(map(str, uids)), items, prefix="UID")
        wanted = set(uids)
        found = {one.uid: one for one in map(_fetched, responses) if one is not None and one.uid in wanted}
        return [found[uid] for uid in uids if uid in found]

    async def flag(self, uid: int, flag: str) -> None:
        r"""Sets a flag, such as `\Seen`; nothing happens when the message is gone."""
        await self._command("STORE", str(uid), "+FLAGS.SILENT", f"({flag})", prefix="UID")

    async def unflag(self, uid: int, flag: str) -> None:
        r"""Takes a flag away; nothing happens when the message is gone."""
        await self._command("STORE", str(uid), "-FLAGS.SILENT", f"({flag})", prefix="UID")

    async def delete(self, uid: int) -> None:
        """Deletes one message for good; without UIDPLUS it is only marked, since EXPUNGE would take others along."""
        await self.flag(uid, "\\Deleted")
        if self.offers("UIDPLUS"):
            await self._command("EXPUNGE", str(uid), prefix="UID")

    async def move(self, uid: int, target: str) -> None:
        """Moves one message: MOVE where it is offered, else copy, mark and UID EXPUNGE.

        Args:
            uid: The message; nothing happens when it is gone.
            target: Real name of the folder.
        """
        try:
            if self.offers("MOVE"):
                await self._command("MOVE", str(uid), _folder(target), prefix="UID")
                return
            if await self.search("UID", str(uid), "UNDELETED"):
                await self._command("COPY", str(uid), _folder(target), prefix="UID")
                await self.delete(uid)
        except Refused:
            self._folders = None  # the target may be there no more
            raise

    async def append(self, folder: str, message: bytes) -> None:
        """Adds a message to a folder."""
        self._protocol.literal_data = message
        await self._command("APPEND", _folder(folder), f"{{{len(message)}}}")

    async def noop(self) -> None:
        """Asks for a sign of life."""
        await self._command("NOOP")

    async def idle(self, seconds: float) -> bool:
        """Waits until the server tells of a change, at most so long; whether it did. Always search again afterwards.

        A message that came after the last `search` began counts as well, whichever command brought the word of it.

        Raises:
            ConnectionLost: The connection ended, or the server does not answer when the wait is over.
        """
        async with self._lock:
            self._check()
            try:
                return await self._idle(seconds)
            except BaseException:
                _abort(self._protocol)  # a wait that ended early leaves the session in IDLE
                raise

    async def _idle(self, seconds: float) -> bool:
        protocol = self._protocol
        command = aioimaplib.Command("IDLE", protocol.new_tag(), loop=protocol.loop)
        running = asyncio.ensure_future(protocol.execute(command))
        try:
            acknowledged = asyncio.ensure_future(protocol.wait_for_idle_response())
            await asyncio.wait({running, acknowledged}, timeout=TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
            acknowledged.cancel()
            if not running.done():
                if not protocol._idle_event.is_set():  # noqa: SLF001 - the library offers no other way to see it
                    raise self._silent("IDLE")
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await protocol.pushed.wait()
                self._check()
                protocol.idle_done()
                await asyncio.wait({running}, timeout=TIMEOUT)
                if not running.done():
                    raise self._silent("the end of IDLE")
            self._result("IDLE", running.result())
            return protocol.pushed.is_set()
        finally:
            protocol.untagged = []
            running.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await running

    async def logout(self) -> None:
        """Ends the session; never raises."""
        protocol = self._protocol
        if protocol.lost is None:
            with suppress(ConnectorError):
                async with asyncio.timeout(5):
                    await self._command("LOGOUT")
        protocol.state = aioimaplib.LOGOUT
        _abort(protocol)

    # One command

    async def _command(self, name: str, *arguments: str | bytes, prefix: str = "") -> list[list[bytes]]:
        """Sends one command; gives the untagged responses.

        Args:
            name: The command.
            arguments: Its words; bytes go as literals, each when the server asks for it.
            prefix: Such as `UID`.

        Raises:
            Refused: The server said NO or BAD.
            ConnectionLost: It said nothing in time, or the connection ended; the session cannot be used any more.
        """
        protocol = self._protocol
        async with self._lock:
            self._check()
            protocol.untagged = []
            now = protocol.loop.time()
            line, protocol.literals = _with_literals(arguments)
            try:
                command = aioimaplib.Command(name, protocol.new_tag(), *line, prefix=prefix, loop=protocol.loop)
            except ValueError as error:
                raise PermanentError("IMAP_REFUSED", f"{name}: {error}") from None
            try:
                async with asyncio.timeout_at(now + TIMEOUT) as timeout:
                    protocol.limit = (timeout, now + LONGEST_COMMAND)
                    result = await protocol.execute(command)
            except TimeoutError:
                _abort(protocol)
                raise self._silent(name) from None
            except aioimaplib.AioImapException as error:
                _abort(protocol)
                raise ConnectionLost(f"{self._host}: {error}") from None
            except asyncio.CancelledError:
                _abort(protocol)  # its answer would be taken for the next command's
                raise
            finally:
                protocol.limit = None
                protocol.literals = []
                responses, protocol.untagged = protocol.untagged, []
            self._result(name, result)
            return responses

    def _check(self) -> None:
        if self._protocol.lost is not None:
            raise ConnectionLost(self._protocol.lost.message)

    def _silent(self, command: str) -> ConnectionLost:
        lost = ConnectionLost(f"{self._host} does not answer {command} within {TIMEOUT:g} s")
        self._protocol.lost = self._protocol.lost or lost
        return lost

    @staticmethod
    def _result(command: str, result: Any) -> None:
        if result.result != "OK":
            raise Refused(command, bytes(result.lines[-1])[:300].decode("utf-8", "replace"))


def _abort(protocol: _Protocol) -> None:
    if protocol.lost is None:
        protocol.lost = ConnectionLost("the connection was closed")
    if protocol.transport is not None:
        protocol.transport.abort()


def _acknowledge(transport: Any) -> None:
    """Acknowledges what came at once: many servers send an answer in pieces, each only after the last was acknowledged.

    The kernel would wait for 40 ms, with each command, and must be told again each time.
    """
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is not None:
        with suppress(OSError, AttributeError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _keep_alive(transport: Any) -> None:
    """Lets the kernel find half-open connections while nothing is sent."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError, AttributeError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def search_text(text: str) -> str | bytes:
    """A text as `ImapSession.search` takes it: quoted where it is plain ASCII, else a literal in UTF-8."""
    return _quoted(text) if text.isascii() and text.isprintable() else text.encode()


def _with_literals(arguments: Sequence[str | bytes]) -> tuple[list[str], list[bytes]]:
    """What is sent at once, and what follows piece by piece whenever the server asks for more."""
    pieces = [bytearray()]
    before: str | bytes = "("
    for argument in arguments:
        if before != "(" and argument != ")":
            pieces[-1] += b" "
        if isinstance(argument, bytes):
            pieces[-1] += b"{%d}" % len(argument)
            pieces.append(bytearray(argument))
        else:
            pieces[-1] += argument.encode()
        before = argument
    first, *following = pieces
    return [first.decode()] if first else [], [bytes(piece) + b"\r\n" for piece in following]


def _numbers(name: bytes, responses: Sequence[Sequence[bytes]]) -> list[int]:
    """The numbers of the responses of this name, in order."""
    lines = (response[0].split() for response in responses)
    return [int(word) for words in lines if words and words[0].upper() == name for word in words[1:] if word.isdigit()]


def _folder(name: str) -> str:
    return _quoted(encode_folder(name))


def _held(response: list[bytes]) -> tuple[bytes, list[bytes]]:
    """A response as one line, in which each literal is replaced by its number between NULs."""
    pieces: list[bytes] = []
    literals: list[bytes] = []
    for index, fragment in enumerate(response):
        if index % 2:
            pieces.append(b"\0%d\0" % len(literals))
            literals.append(fragment)
        else:
            pieces.append(_LITERAL.sub(b"", fragment))
    return b"".join(pieces), literals


def _string(value: bytes, literals: list[bytes]) -> bytes:
    if held := _HELD.match(value):
        return literals[int(held[1])]
    if value.startswith(b'"'):
        return re.sub(rb"\\(.)", rb"\1", value[1:].removesuffix(b'"'))
    return value


def _fetched(response: list[bytes]) -> Fetched | None:
    if not _FETCHED.match(response[0]):
        return None
    line, literals = _held(response)
    body = b""
    if match := _BODY.search(line):
        if match[1] is not None:
            body = literals[int(match[1])]
        elif match[2] is not None:
            body = re.sub(rb"\\(.)", rb"\1", match[2])
        line = line[: match.start()] + line[match.end() :]
    uid = _UID.search(line)
    if uid is None:
        return None
    flags, date, size = _FLAGS.search(line), _RECEIVED.search(line), _SIZE.search(line)
    return Fetched(
        uid=int(uid[1]),
        flags=frozenset(flags[1].decode("ascii", "replace").lower().split()) if flags else frozenset(),
        received=_date(date[1]) if date else None,
        size=int(size[1]) if size else len(body),
        body=body,
    )


def _date(raw: bytes) -> datetime | None:
    match = _DATE.fullmatch(raw)
    month = _MONTHS.get(match[2].lower()) if match else None
    if match is None or month is None:
        return None
    day, year, hour, minute, second, hours, minutes = (int(match[group]) for group in (1, 3, 4, 5, 6, 8, 9))
    away = timedelta(hours=hours, minutes=minutes) * (1 if match[7] == b"+" else -1)
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC) - away
    except (ValueError, OverflowError):
        return None
