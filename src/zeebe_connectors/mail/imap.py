"""Talk to an IMAP server for tasks and sources: sign in, search, read, flag and move mails, wait for pushes."""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
import ssl
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, Literal, Self

from aioimaplib import aioimaplib

from zeebe_connectors import ConnectorError, PermanentError, TransientError
from zeebe_connectors.mail.folders import decode_folder, encode_folder
from zeebe_connectors.mail.imap_protocol import ConnectionLost, Protocol, abort, keep_alive
from zeebe_connectors.mail.imap_syntax import (
    LISTED,
    Fetched,
    Refused,
    Selected,
    fetched,
    held,
    numbers,
    quoted,
    string,
    with_literals,
)
from zeebe_connectors.mail.refusals import is_temporary, login_advice
from zeebe_connectors.mail.settings import LoginOrNone, NoLogin, PasswordLogin, Security
from zeebe_connectors.mail.tokens import access_token
from zeebe_connectors.net import custody
from zeebe_connectors.net.connect import Resolver, checked_resolver, connect_error, connected, warn_unencrypted
from zeebe_connectors.net.tls import trust
from zeebe_connectors.sdk.client_cache import ClientCache

SortKey = Literal["ARRIVAL", "DATE", "SIZE"]
"""Arrival at the server, the Date header, or the size."""
TIMEOUT = 30.0
"""Seconds without a byte from the server after which a command has failed."""
MAX_COMMAND_SECONDS = 900.0
"""Seconds after which a command has failed, even if bytes still trickle in."""
_OFFERED = re.compile(rb"(?:OK\s+\[)?CAPABILITY\s+([^\]]*)", re.IGNORECASE)
"""What a server offers: in an answer of its own, or in the text of another one."""
_NOT_THIS_WAY = re.compile(
    r"mechanism|authentication type|not supported|unsupported|not (allowed|permitted)|use authenticate|"
    r"(login|command) (is )?(disabled|unknown)|(unknown|unrecognized|invalid|disabled) command|PRIVACYREQUIRED",
    re.IGNORECASE,
)
"""Words that refuse the method of signing in, not the user."""
_LOGIN = "the command LOGIN"
_ID = '("name" "zeebe-connectors" "vendor" "Zeebe Connectors")'


class ImapSession:
    """One connection to an IMAP server, for one task at a time. Create it with `open` or `connect`."""

    def __init__(self, protocol: Protocol, host: str) -> None:
        self._protocol = protocol
        self._host = host
        self._lock = asyncio.Lock()
        self._folders: list[tuple[str, str, frozenset[str]]] | None = None
        self._spelled: dict[str, str] = {}  # folder names as the server spells them, by the names that people write
        self.refused: set[str] = set()
        """ID, and ways of signing in, that the server refused though something else is left; not tried again."""
        self.selected: Selected | None = None

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
        """Connects and signs in; a token that the server refuses is replaced once.

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
        while True:
            known = len(refused)
            session = await cls.connect(host, port, security, tls=tls, resolver=resolver)
            session.refused = refused
            try:
                await session.sign_in(login, clients)
            except BaseException as error:
                await session.logout()
                if isinstance(error, ConnectionLost) and len(refused) > known:
                    continue  # it hung up at that; now without
                raise
            return session

    async def sign_in(self, login: LoginOrNone, clients: ClientCache) -> None:
        """Signs in as the account's settings say; a token that the server refuses is replaced once."""
        if isinstance(login, NoLogin):
            await self.enter()
            return
        if isinstance(login, PasswordLogin):
            await self.login(login.username, login.password.reveal())
            return
        token = await access_token(login, clients)
        try:
            await self.login_with_token(login.username, token)
        except PermanentError:
            await self.login_with_token(login.username, await access_token(login, clients, refused=token))

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
            port: Usually 993 for `tls` and 143 otherwise.
            security: TLS from the start, TLS required after STARTTLS, or none.
            tls: Which authorities to trust; by default the system's.
            resolver: Returns the addresses to connect to; None leaves it to the system.

        Raises:
            TransientError: `IMAP_UNREACHABLE`, or `IMAP_CONNECTION_LOST` when the server turns the connection away.
            PermanentError: `IMAP_TLS_FAILED` when the certificate is not trusted or STARTTLS is not offered, or
                `HOST_FORBIDDEN`.
        """
        loop = asyncio.get_running_loop()
        protocol = Protocol(loop)
        context = tls or (None if security == "none" else await asyncio.to_thread(trust))
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
                keep_alive(protocol.transport)
                session = cls(protocol, host)
                await protocol.greeting
                await session._capabilities()
                if security == "starttls":
                    await session._start_tls(context)
                elif security == "none":
                    warn_unencrypted("IMAP", host, port)
        except BaseException as error:  # noqa: BLE001 - raised again, translated
            abort(protocol)
            raise connect_error("IMAP", host, port, error, patience=TIMEOUT) from None
        return session

    async def _start_tls(self, context: ssl.SSLContext | None) -> None:
        protocol = self._protocol
        if not self.offers("STARTTLS"):
            raise PermanentError(
                "IMAP_TLS_FAILED", f"{self._host} does not offer STARTTLS on this port; choose TLS with its port (993)"
            )
        if protocol.state != aioimaplib.NONAUTH:
            raise PermanentError(
                "IMAP_TLS_FAILED", f"{self._host} signs clients in before encryption begins (PREAUTH), which is unsafe"
            )
        protocol.before_tls()
        await self._command("STARTTLS")
        if protocol.injected:
            raise PermanentError("IMAP_TLS_FAILED", f"{self._host} sent data before encryption began, which is unsafe")
        protocol.begin_tls()
        assert context is not None  # noqa: S101 - security is not none
        protocol.transport = await protocol.loop.start_tls(
            protocol.transport, protocol, context, server_hostname=self._host
        )
        await self._capabilities()

    def offers(self, capability: str) -> bool:
        """Returns whether the server has a capability, such as `MOVE`."""
        return capability.upper() in self._protocol.capabilities

    @property
    def is_open(self) -> bool:
        """Whether the connection has not been found lost."""
        return self._protocol.lost is None

    async def enter(self) -> None:
        """Continues without a login: the server needs none (PREAUTH), or accepts ANONYMOUS.

        Raises:
            PermanentError: `IMAP_AUTH_FAILED`: the server requires a login.
            TransientError: As for `login`.
        """
        if self._protocol.state == aioimaplib.AUTH:  # PREAUTH
            return
        if not self.offers("AUTH=ANONYMOUS"):
            raise PermanentError(
                "IMAP_AUTH_FAILED", f"{self._host} admits nobody without a login; choose user name and password"
            )
        await self._authenticate("ANONYMOUS", [lambda _: b"zeebe-connectors"])

    async def login(self, username: str, password: str) -> None:
        """Signs in with a password: by LOGIN, or by a mechanism if the server requires one or the text is not ASCII.

        The mechanisms are PLAIN, LOGIN and CRAM-MD5, as far as the server offers them.

        Raises:
            PermanentError: `IMAP_AUTH_FAILED`.
            TransientError: `IMAP_IN_USE`: the server has too many sessions, or cannot check the login now.
        """
        if self._protocol.state == aioimaplib.AUTH:  # PREAUTH
            return
        user, secret = username.encode(), password.encode()
        mechanisms: dict[str, list[Callable[[bytes], bytes]]] = {
            "PLAIN": [lambda _: b"\0" + user + b"\0" + secret],
            "LOGIN": [lambda _: user, lambda _: secret],
            "CRAM-MD5": [lambda challenge: user + b" " + hmac.new(secret, challenge, "md5").hexdigest().encode()],
        }
        usable = [name for name in mechanisms if self.offers(f"AUTH={name}")]
        offered = [name for name in usable if name not in self.refused] or usable
        if self.offers("LOGINDISABLED") and not offered:
            raise PermanentError(
                "IMAP_AUTH_FAILED", f"{self._host} allows no password on an unencrypted connection; choose TLS"
            )
        is_refused = self.offers("LOGINDISABLED") or _LOGIN in self.refused
        needs_mechanism = offered and (is_refused or not (username + password).isascii())
        if not needs_mechanism and await self._by_login(username, password, is_last=not offered):
            return
        for mechanism, following in zip(offered, [*offered[1:], None], strict=True):
            try:
                await self._authenticate(mechanism, mechanisms[mechanism])
            except PermanentError as error:
                if following is None or not _NOT_THIS_WAY.search(error.message):
                    raise
                self.refused.add(mechanism)
            else:
                return

    async def _by_login(self, username: str, password: str, *, is_last: bool) -> bool:
        """Signs in by LOGIN; returns False if the server refuses that command and another method is left."""
        try:
            await self._command("LOGIN", quoted(username), quoted(password))
        except Refused as error:
            if is_last or not _NOT_THIS_WAY.search(error.text):
                raise self._login_failed(error.text) from None
            self.refused.add(_LOGIN)
            return False
        await self._signed_in()
        return True

    async def login_with_token(self, username: str, token: str) -> None:
        """Signs in with an OAuth 2.0 access token (XOAUTH2).

        Raises:
            PermanentError: `IMAP_AUTH_FAILED`, with the server's reason.
            TransientError: As for `login`.
        """
        if self._protocol.state == aioimaplib.AUTH:  # PREAUTH
            return
        proof = f"user={username}\1auth=Bearer {token}\1\1".encode()
        await self._authenticate("XOAUTH2", [lambda _: proof])

    async def _authenticate(self, mechanism: str, answers: Sequence[Callable[[bytes], bytes]]) -> None:
        """Signs in by a mechanism; one in which the client speaks first is sent with the command (SASL-IR)."""
        protocol = self._protocol
        protocol.refusal = b""
        at_once = self.offers("SASL-IR") and mechanism in {"PLAIN", "XOAUTH2", "ANONYMOUS"}
        try:
            if at_once:
                try:
                    await self._command("AUTHENTICATE", mechanism, base64.b64encode(answers[0](b"")).decode())
                except Refused as error:
                    if not error.is_misunderstood:
                        raise
                    at_once = False  # it offers SASL-IR, but rejects the extra argument
            if not at_once:
                protocol.answers = list(answers)
                await self._command("AUTHENTICATE", mechanism)
        except Refused as error:
            reason = custody.clipped(protocol.refusal.decode("utf-8", "replace"), 200)
            raise self._login_failed(f"{error.text} {reason}".strip()) from None
        finally:
            protocol.answers = []
        await self._signed_in()

    def _login_failed(self, text: str) -> ConnectorError:
        if is_temporary(text):
            return TransientError("IMAP_IN_USE", f"{self._host} accepts no login now: {text}", delay=30)
        encrypted = self._protocol.transport.get_extra_info("ssl_object") is not None
        return PermanentError(
            "IMAP_AUTH_FAILED",
            f"{self._host} refused the login: {text}. {login_advice(text, encrypted=encrypted)}",
        )

    async def _signed_in(self) -> None:
        self._protocol.state = aioimaplib.AUTH
        await self._capabilities()
        if "ID" not in self.refused and self.offers("ID"):
            # Some providers open no folder until the client has identified itself; others hang up.
            try:
                with suppress(Refused):
                    await self._command("ID", _ID)
            except ConnectionLost:
                self.refused.add("ID")
                raise

    async def _capabilities(self) -> None:
        responses: list[list[bytes]] = []
        with suppress(Refused):  # servers older than IMAP4rev1 lack the command
            responses = await self._command("CAPABILITY")
        for response in responses:
            if offered := _OFFERED.match(response[0]):
                self._protocol.capabilities = set(offered[1].decode("ascii", "replace").upper().split())

    async def folders(self) -> list[tuple[str, str, frozenset[str]]]:
        """Returns all folders: name as people write it, hierarchy separator, flags in lower case."""
        if self._folders is None:
            found, self._spelled = [], {}
            for response in await self._command("LIST", '""', '"*"'):
                line, literals = held(response)
                if match := LISTED.match(line):
                    raw = string(match["name"].strip(), literals).decode("utf-8", "surrogateescape")
                    flags = frozenset(match["flags"].decode("ascii", "replace").lower().split())
                    name = decode_folder(raw)
                    if self._spelled.setdefault(name, raw) != raw:  # two folders whose names people write alike
                        name = raw
                        self._spelled[raw] = raw
                    found.append((name, (match["separator"] or match["bare"] or b"").decode("latin-1"), flags))
            self._folders = found
        return self._folders

    async def folder(self, name: str) -> str:
        """Returns the folder's real name: as written, with the server's separator for `/` and `.`, or below its root.

        Raises:
            PermanentError: `IMAP_FOLDER_NOT_FOUND`; the message names some that exist.
        """
        if name.upper() == "INBOX":
            return "INBOX"
        known = {folder for folder, _, flags in await self.folders() if "\\noselect" not in flags}
        for candidate in await self._spellings(name):
            if candidate in known:
                return candidate
        for folder in known:  # the name may be given in the server's spelling
            if self._spelled[folder] == name:
                return folder
        self._folders = None
        some = ", ".join(sorted(known)[:20])
        raise PermanentError("IMAP_FOLDER_NOT_FOUND", f"there is no folder {name!r}; the folders are: {some}")

    async def _spellings(self, name: str) -> list[str]:
        separators = {separator for _, separator, _ in await self.folders() if separator}
        spellings = [name]
        for separator in separators:
            for plain in (name.replace("/", separator), name.replace(".", separator)):
                spellings += [plain, f"INBOX{separator}{plain}"]
        return list(dict.fromkeys(spellings))

    def _on_wire(self, name: str) -> str:
        """Returns a folder's name as it is sent: in the server's spelling, or encoded if there is no such folder."""
        return quoted(self._spelled.get(name) or encode_folder(name))

    async def create_folder(self, name: str) -> str:
        """Creates a folder unless it exists; returns its real name.

        `/` stands for the server's separator, and so does `.` if the part before it is a folder, or if the server
        allows no dot in a name.

        Raises:
            Refused: The server refused every spelling; the message is its answer to the last.
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
                await self._command("CREATE", self._on_wire(spelling))
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
            responses = await self._command("SELECT" if writable else "EXAMINE", self._on_wire(real))
        except Refused:
            self._folders = None
            await self.folder(name)  # raises if it no longer exists
            raise
        text = b"\n".join(response[0] for response in responses)
        validity = re.search(rb"UIDVALIDITY\s+(\d{1,20})", text, re.IGNORECASE)
        exists = re.search(rb"^(\d{1,20})\s+EXISTS", text, re.IGNORECASE | re.MULTILINE)
        self._protocol.state = aioimaplib.SELECTED
        following = re.search(rb"UIDNEXT\s+(\d{1,20})", text, re.IGNORECASE)
        self.selected = Selected(
            real,
            int(validity[1]) if validity else 0,
            int(exists[1]) if exists else 0,
            newest=int(following[1]) - 1 if following else 0,
        )
        self._protocol.validity = self.selected.uid_validity or None
        return self.selected

    async def search(self, *criteria: str | bytes) -> list[int]:
        """Returns the UIDs of the messages that meet all criteria, ascending.

        Args:
            criteria: Search keys of RFC 3501, with each parenthesis as a word of its own; texts as `search_text`
                returns them.

        Raises:
            Refused: Also when a text is not ASCII and the server does not support UTF-8.
        """
        self._protocol.pushed.clear()  # anything that arrives from here on may be missing from the answer
        charset = ("CHARSET", "UTF-8") if any(isinstance(word, bytes) for word in criteria) else ()
        return sorted(set(numbers(b"SEARCH", await self._command("SEARCH", *charset, *criteria, prefix="UID"))))

    async def sort(self, key: SortKey, *criteria: str, descending: bool = False) -> list[int] | None:
        """Returns the UIDs of the messages that meet all criteria, sorted by the server; None if it cannot sort."""
        if not self.offers("SORT"):
            return None
        order = f"({'REVERSE ' if descending else ''}{key})"
        return numbers(b"SORT", await self._command("SORT", order, "UTF-8", *criteria, prefix="UID"))

    async def fetch(self, uids: Sequence[int], body: str | None = "") -> list[Fetched]:
        """Reads messages without marking them as read; messages that are gone are left out.

        Args:
            uids: At most a few hundred.
            body: Section of each message to read, such as `HEADER`; empty for all of it, None for nothing.
        """
        if not uids:
            return []
        section = "" if body is None else f" BODY.PEEK[{body}]"
        items = f"(UID FLAGS INTERNALDATE RFC822.SIZE{section})"
        responses = await self._command("FETCH", ",".join(map(str, uids)), items, prefix="UID")
        found = fetched(responses)
        return [found[uid] for uid in uids if uid in found]

    async def read(self, uid: int) -> bytes | None:
        """Reads a whole message without marking it as read; returns None when it is gone.

        A server that returns no content, or an empty one, is asked once more: no mail is empty, but some servers answer
        like that for a mail that another client has just removed.

        Raises:
            PermanentError: `IMAP_NO_CONTENT`: the message is in the folder, but the server does not return its content.
        """
        for _ in range(2):
            for one in await self.fetch([uid]):
                if one.body:
                    return one.body
        if not await self.present([uid]):
            return None
        raise PermanentError(
            "IMAP_NO_CONTENT",
            f"the mail with the UID {uid} is in the folder, but {self._host} returns no content for it",
        )

    async def present(self, uids: Collection[int]) -> set[int]:
        """Returns which of these are in the folder and not marked as deleted; earlier pushes still count."""
        if not uids:
            return set()
        wanted = ",".join(map(str, sorted(uids)))
        return set(uids) & set(
            numbers(b"SEARCH", await self._command("SEARCH", "UID", wanted, "UNDELETED", prefix="UID"))
        )

    async def flag(self, uid: int, flag: str) -> None:
        r"""Sets a flag, such as `\Seen`; nothing happens when the message is gone."""
        await self._command("STORE", str(uid), "+FLAGS.SILENT", f"({flag})", prefix="UID")

    async def unflag(self, uid: int, flag: str) -> None:
        r"""Removes a flag; nothing happens when the message is gone."""
        await self._command("STORE", str(uid), "-FLAGS.SILENT", f"({flag})", prefix="UID")

    async def delete(self, uid: int) -> None:
        """Deletes one message for good; without UIDPLUS only marks it, since EXPUNGE would remove others too."""
        await self.flag(uid, "\\Deleted")
        if self.offers("UIDPLUS"):
            await self._command("EXPUNGE", str(uid), prefix="UID")

    async def move(self, uid: int, target: str) -> None:
        """Moves one message: by MOVE if offered, else by copying, marking and UID EXPUNGE.

        Args:
            uid: The message; nothing happens when it is gone.
            target: Real name of the folder.
        """
        try:
            if self.offers("MOVE"):
                await self._command("MOVE", str(uid), self._on_wire(target), prefix="UID")
                return
            if await self.search("UID", str(uid), "UNDELETED"):
                await self._command("COPY", str(uid), self._on_wire(target), prefix="UID")
                await self.delete(uid)
        except Refused:
            self._folders = None  # the target may no longer exist
            raise

    async def append(self, folder: str, message: bytes) -> None:
        """Adds a message to a folder."""
        self._protocol.literal_data = message
        await self._command("APPEND", self._on_wire(folder), f"{{{len(message)}}}")

    async def idle(self, seconds: float) -> bool:
        """Waits at most this many seconds for the server to report a change; returns whether it did.

        A message that arrived after the last `search` began counts too, whichever command reported it. Always search
        again afterwards.

        Raises:
            ConnectionLost: The connection ended, or the server does not answer when the wait is over.
        """
        async with self._lock:
            self._check()
            try:
                return await self._idle(seconds)
            except BaseException:
                abort(self._protocol)  # a wait that ended early leaves the session in IDLE
                raise

    async def _idle(self, seconds: float) -> bool:
        protocol = self._protocol
        command = aioimaplib.Command("IDLE", protocol.new_tag(), loop=protocol.loop)
        running = asyncio.ensure_future(protocol.execute(command))
        waits = [acknowledged := asyncio.ensure_future(protocol.wait_for_idle_response())]
        try:
            await asyncio.wait({running, acknowledged}, timeout=TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                if not protocol._idle_event.is_set():  # noqa: SLF001 - the library has no public way to see it
                    raise self._silent("IDLE")
                waits.append(pushed := asyncio.ensure_future(protocol.pushed.wait()))
                await asyncio.wait({running, pushed}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
                self._check()
            if not running.done():  # some servers end IDLE by themselves
                protocol.idle_done()
                await asyncio.wait({running}, timeout=TIMEOUT)
                if not running.done():
                    raise self._silent("the end of IDLE")
            self._result("IDLE", running.result())
            return protocol.pushed.is_set()
        finally:
            protocol.untagged = []
            for wait in waits:
                wait.cancel()
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
        abort(protocol)

    # One command

    async def _command(self, name: str, *arguments: str | bytes, prefix: str = "") -> list[list[bytes]]:
        """Sends one command; returns the untagged responses and, after them, the text of the tagged one.

        Args:
            name: The command.
            arguments: Its words; bytes are sent as literals, each when the server asks for it.
            prefix: Such as `UID`.

        Raises:
            Refused: The server said NO or BAD.
            ConnectionLost: The server did not answer in time, or the connection ended; the session is no longer usable.
        """
        protocol = self._protocol
        async with self._lock:
            self._check()
            protocol.untagged = []
            now = protocol.loop.time()
            line, protocol.literals = with_literals(arguments)
            try:
                command = aioimaplib.Command(name, protocol.new_tag(), *line, prefix=prefix, loop=protocol.loop)
            except ValueError as error:
                raise PermanentError("IMAP_REFUSED", f"{name}: {error}") from None
            try:
                async with asyncio.timeout_at(now + TIMEOUT) as timeout:
                    protocol.limit = (timeout, now + MAX_COMMAND_SECONDS, TIMEOUT)
                    result = await protocol.execute(command)
            except TimeoutError:
                abort(protocol)
                raise self._silent(name) from None
            except aioimaplib.AioImapException as error:
                abort(protocol)
                raise ConnectionLost(f"{self._host}: {error}") from None
            except asyncio.CancelledError:
                abort(protocol)  # its answer would be taken for the next command's
                raise
            finally:
                protocol.limit = None
                protocol.literals = []
                responses, protocol.untagged = protocol.untagged, []
            self._result(name, result, responses)
            return [*responses, [b"OK " + bytes(result.lines[-1])]]

    def _check(self) -> None:
        if self._protocol.lost is not None:
            raise ConnectionLost(self._protocol.lost.message)

    def _silent(self, command: str) -> ConnectionLost:
        lost = ConnectionLost(f"{self._host} does not answer {command} within {TIMEOUT:g} s")
        self._protocol.lost = self._protocol.lost or lost
        return lost

    @staticmethod
    def _result(command: str, result: Any, responses: Sequence[Sequence[bytes]] = ()) -> None:
        """Raises for a refusal, quoting the warnings before it, which often say more ("app password required")."""
        if result.result.upper() != "OK":
            warnings = [line[3:] for line, *_ in responses if line[:3].upper() == b"NO "]
            text = b"; ".join([*warnings, bytes(result.lines[-1])]).decode("utf-8", "replace")
            raise Refused(command, custody.clipped(text, 300), is_misunderstood=result.result.upper() == "BAD")
