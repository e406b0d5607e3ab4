"""Serve IMAP on loopback for tests, with mailboxes in memory: record commands, and misbehave on request.

    async with ImapServer() as server:
        server.deliver(message("Order 1"))
        ...  # what is tested reads the mailbox of alice@example.test, password "secret", at server.port
        assert server.seen("UID MOVE")

It implements as much of RFC 3501, IDLE, UIDPLUS, MOVE and SASL-IR as a client that works on folders needs. `answers`
replaces the handling of a command, `greeting` and `capabilities` may be changed at any time, and `drop` cuts
connections.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
from collections.abc import Awaitable, Callable

from zeebe_connectors.testing.servers.listener import SessionServer
from zeebe_connectors.testing.servers.mailboxes import Folder, Mailbox, Mailboxes, Message
from zeebe_connectors.testing.servers.search import UnknownCriterionError, numbers, search

Answer = Callable[["Session", str, str], Awaitable[None]]
"""Handles a command instead of the server: takes session, tag and the text after the command's name."""

_ATOM = re.compile(r'"(?:\\.|[^"\\])*"|[()]|[^\s()]+')
_LITERAL = re.compile(r"\{(\d+)(\+?)\}$")


class ImapServer(SessionServer["Session"]):
    """An IMAP server with a single mailbox, or with one for each address.

    Args:
        tls: Context of the server; with `implicit` from the first byte, else offered as STARTTLS.
        implicit: Whether TLS begins at once.
        mailboxes: Mailboxes that are shared with other servers. None for a single mailbox of its own, which every user
            of `users` sees.

    Attributes:
        mailbox: The server's own mailbox.
        capabilities: What CAPABILITY says.
        after_login: What it says in addition after the login.
        greeting: The first line of each connection; clients expect it to begin with `* OK`.
        users: Password by user, for the server's own mailbox.
        tokens: Valid access tokens.
        separator: The hierarchy separator of folder names.
        literals: Whether literals are accepted; otherwise each is refused at once.
        answers: Replacement handlers by the command's name, such as `UID FETCH`.
        commands: Every command as received, without its tag.
        sessions: The open connections.
        max_sessions: Maximum number of concurrent sessions so far.
        connections: How many connections were opened.
        idle: Set while a client waits in IDLE.
        frozen: Whether the server stops answering, while connections stay open and new ones are accepted.
        port: Where it listens.
    """

    read_limit = 1 << 26
    """See `Listener.read_limit`; a mail is sent as one literal."""

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, implicit: bool = False, mailboxes: Mailboxes | None = None
    ) -> None:
        super().__init__(tls=tls, implicit=implicit)
        self.mailbox = Mailbox()
        self._mailboxes = mailboxes
        if mailboxes is not None:
            mailboxes.watch(self.tell)
        self.capabilities = "IMAP4rev1 SASL-IR IDLE UIDPLUS MOVE AUTH=PLAIN AUTH=XOAUTH2"
        self.after_login = ""
        self.greeting = "* OK ready"
        self.users = {"alice@example.test": "secret"}
        self.tokens = {"good-token"}
        self.separator = "/"
        self.literals = True
        self.answers: dict[str, Answer] = {}
        self.commands: list[str] = []
        self.connections = 0
        self.idle = asyncio.Event()
        self.frozen = False

    @property
    def folders(self) -> dict[str, Folder]:
        """The folders of the server's own mailbox."""
        return self.mailbox.folders

    @folders.setter
    def folders(self, folders: dict[str, Folder]) -> None:
        self.mailbox.folders = folders

    def deliver(
        self, raw: bytes, folder: str = "INBOX", *, flags: set[str] | None = None, date: str | None = None
    ) -> Message:
        """Put a mail into the server's own mailbox, and notify clients in IDLE."""
        message = self.folders[folder].add(raw, flags=flags, date=date)
        self.tell(self.folders[folder])
        return message

    def tell(self, folder: Folder) -> None:
        """Tell clients in IDLE how many mails the folder has."""
        for session in self.sessions:
            if session.idling and session.folder is folder:
                session.send(f"* {len(folder.messages)} EXISTS")

    def seen(self, command: str) -> list[str]:
        """Return the recorded commands that begin with this text."""
        return [one for one in self.commands if one.upper().startswith(command.upper())]

    def enter(self, user: str, password: str) -> Mailbox | None:
        """Return the mailbox of a user; None if the password is wrong."""
        if self._mailboxes is not None:
            return self._mailboxes.of(user) if self._mailboxes.admits(user, password) else None
        return self.mailbox if self.users.get(user) == password else None

    def enter_by_token(self, user: str, token: str) -> Mailbox | None:
        """Return the mailbox of a user; None if the access token is invalid."""
        if token not in self.tokens:
            return None
        return self.mailbox if self._mailboxes is None else self._mailboxes.of(user)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one session."""
        self.connections += 1
        await super().serve(reader, writer)

    def session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Session:
        """Begin the session of a new connection."""
        return Session(self, reader, writer)


class Session:
    """One connection.

    Attributes:
        server: The server.
        reader: Receives from the client.
        writer: Sends to the client.
        mailbox: The mailbox that the client sees; the server's own until another user signs in.
        folder: The selected folder.
        idling: Whether it waits in IDLE.
        signed_in: Whether a login succeeded.
    """

    def __init__(self, server: ImapServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.mailbox = server.mailbox
        self.folder: Folder | None = None
        self.idling = False
        self.signed_in = False

    @property
    def chosen_folder(self) -> Folder:
        """The selected folder, or an empty one."""
        return self.folder or Folder()

    def send(self, line: str | bytes) -> None:
        """Send a line."""
        if not self.writer.transport.is_closing() and not self.server.frozen:
            self.writer.write((line.encode() if isinstance(line, str) else line) + b"\r\n")

    async def run(self) -> None:
        """Answer commands until the connection ends."""
        self.send(self.server.greeting)
        while line := await self.reader.readline():
            tag, _, rest = line.decode().rstrip("\r\n").partition(" ")
            while literal := _LITERAL.search(rest):
                if not self.server.literals:
                    break
                if not literal[2]:
                    self.send("+ go on")
                data = await self.reader.readexactly(int(literal[1]))
                # Bytes that are not UTF-8 survive as escapes.
                text = json.dumps(data.decode("utf-8", "surrogateescape"))
                rest = rest[: literal.start()] + text + (await self.reader.readline()).decode().rstrip("\r\n")
            self.server.commands.append(rest)
            if literal:
                self.send(f"{tag} BAD no literals")
                continue
            name, _, arguments = rest.partition(" ")
            if name.upper() == "UID":
                sub, _, arguments = arguments.partition(" ")
                name = f"UID {sub}"
            name = name.upper()
            handler = self.server.answers.get(name) or getattr(type(self), "do_" + name.lower().replace(" ", "_"), None)
            if handler is None:
                self.send(f"{tag} BAD unknown command")
            else:
                await handler(self, tag, arguments)
            await self.writer.drain()

    async def do_capability(self, tag: str, _: str) -> None:
        """CAPABILITY."""
        more = f" {self.server.after_login}" if self.signed_in and self.server.after_login else ""
        self.send(f"* CAPABILITY {self.server.capabilities}{more}")
        self.send(f"{tag} OK done")

    def _enter(self, tag: str, mailbox: Mailbox | None, refusal: str) -> None:
        self.signed_in = mailbox is not None
        if mailbox is not None:
            self.mailbox = mailbox
        self.send(f"{tag} OK hello" if self.signed_in else f"{tag} NO {refusal}")

    async def do_login(self, tag: str, arguments: str) -> None:
        """LOGIN."""
        user, password = strings(arguments)
        self._enter(tag, self.server.enter(user, password), "[AUTHENTICATIONFAILED] wrong")

    async def do_authenticate(self, tag: str, arguments: str) -> None:
        """AUTHENTICATE PLAIN, XOAUTH2 or ANONYMOUS."""
        mechanism, _, proof = arguments.partition(" ")
        if not proof:
            self.send("+ ")
            proof = (await self.reader.readline()).decode().strip()
        decoded = base64.b64decode(proof).decode()
        if mechanism == "PLAIN":
            _, user, password = decoded.split("\0")
            mailbox = self.server.enter(user, password)
        elif mechanism == "ANONYMOUS":
            mailbox = self.server.mailbox if "AUTH=ANONYMOUS" in self.server.capabilities else None
        else:
            user = decoded.partition("\1")[0].removeprefix("user=")
            mailbox = self.server.enter_by_token(user, decoded.split("Bearer ")[1].rstrip("\1"))
            if mailbox is None:
                self.send("+ " + base64.b64encode(b'{"status":"401"}').decode())
                await self.reader.readline()
        self._enter(tag, mailbox, "refused")

    async def do_starttls(self, tag: str, _: str) -> None:
        """STARTTLS."""
        if self.server.tls is None:
            self.send(f"{tag} BAD no TLS")
            return
        self.send(f"{tag} OK begin")
        await self.writer.start_tls(self.server.tls)

    async def do_list(self, tag: str, _: str) -> None:
        """LIST: every folder, whatever the pattern."""
        for name in self.mailbox.folders:
            self.send(f'* LIST (\\HasNoChildren) "{self.server.separator}" {quoted(name)}')
        self.send(f"{tag} OK done")

    async def do_create(self, tag: str, arguments: str) -> None:
        """CREATE."""
        self.mailbox.folders[strings(arguments)[0]] = Folder()
        self.send(f"{tag} OK done")

    async def do_delete(self, tag: str, arguments: str) -> None:
        """DELETE."""
        gone = self.mailbox.folders.pop(strings(arguments)[0], None)
        self.send(f"{tag} OK done" if gone else f"{tag} NO [NONEXISTENT] no such folder")

    async def do_select(self, tag: str, arguments: str) -> None:
        """SELECT and EXAMINE."""
        name = strings(arguments)[0]
        self.folder = self.mailbox.folders.get("INBOX" if name.upper() == "INBOX" else name)
        if self.folder is None:
            self.send(f"{tag} NO [NONEXISTENT] no such folder")
            return
        self.send(f"* {len(self.folder.messages)} EXISTS")
        self.send(f"* OK [UIDVALIDITY {self.folder.validity}] ok")
        self.send(f"{tag} OK [READ-WRITE] done")

    do_examine = do_select

    async def do_close(self, tag: str, _: str) -> None:
        """CLOSE: expunges the mails marked as deleted."""
        folder = self.chosen_folder
        folder.messages[:] = [one for one in folder.messages if "\\Deleted" not in one.flags]
        self.folder = None
        self.send(f"{tag} OK done")

    async def do_append(self, tag: str, arguments: str) -> None:
        """APPEND."""
        words = strings(arguments)
        folder = self.mailbox.folders.get(words[0])
        if folder is None:
            self.send(f"{tag} NO [TRYCREATE] no such folder")
            return
        flags = {word for word in words[1:-1] if word.startswith("\\")}
        folder.add(words[-1].encode("utf-8", "surrogateescape"), flags=flags)
        self.send(f"{tag} OK done")

    def _by_uid(self, uids: str) -> list[Message]:
        folder = self.chosen_folder
        wanted = numbers(uids, folder.next_uid)
        return [message for message in folder.messages if message.uid in wanted]

    def _by_number(self, text: str) -> list[Message]:
        wanted = numbers(text, len(self.chosen_folder.messages))
        return [message for number, message in enumerate(self.chosen_folder.messages, 1) if number in wanted]

    async def do_uid_search(self, tag: str, arguments: str, *, by_number: bool = False) -> None:
        """UID SEARCH and SEARCH."""
        folder = self.chosen_folder
        try:
            found = search(folder, strings(arguments))
        except (UnknownCriterionError, ValueError) as error:
            self.send(f"{tag} BAD {error}")
            return
        numbers = [folder.messages.index(one) + 1 if by_number else one.uid for one in found]
        self.send("* SEARCH " + " ".join(map(str, numbers)))
        self.send(f"{tag} OK done")

    async def do_search(self, tag: str, arguments: str) -> None:
        """SEARCH."""
        await self.do_uid_search(tag, arguments, by_number=True)

    async def _fetch(self, tag: str, found: list[Message], items: str) -> None:
        places = {id(message): number for number, message in enumerate(self.chosen_folder.messages, 1)}
        for message in found:
            head = (
                f"* {places[id(message)]} FETCH (UID {message.uid} FLAGS ({' '.join(sorted(message.flags))}) "
                f'INTERNALDATE "{message.date}" RFC822.SIZE {len(message.raw)}'
            ).encode()
            if section := re.search(r"BODY(?:\.PEEK)?\[(.*?)\]|RFC822(?![.\w])", items):
                named = section[1] or ""
                body = (
                    message.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if named.startswith("HEADER") else message.raw
                )
                label = "RFC822" if section[0] == "RFC822" else f"BODY[{named}]"
                head += f" {label} {{{len(body)}}}\r\n".encode() + body
                if "PEEK" not in section[0]:
                    message.flags.add("\\Seen")
            self.send(head + b")")
            await self.writer.drain()
        self.send(f"{tag} OK done")

    async def do_uid_fetch(self, tag: str, arguments: str) -> None:
        """UID FETCH: always returns UID, FLAGS, INTERNALDATE and RFC822.SIZE, and the mail or headers on request."""
        uids, _, items = arguments.partition(" ")
        await self._fetch(tag, self._by_uid(uids), items)

    async def do_fetch(self, tag: str, arguments: str) -> None:
        """FETCH."""
        which, _, items = arguments.partition(" ")
        await self._fetch(tag, self._by_number(which), items)

    async def _store(self, tag: str, found: list[Message], rest: str) -> None:
        flags = set(re.sub(r"^\S+\s*", "", rest).strip("()").split())
        for message in found:
            message.flags = message.flags - flags if rest.startswith("-") else message.flags | flags
        self.send(f"{tag} OK done")

    async def do_uid_store(self, tag: str, arguments: str) -> None:
        """UID STORE."""
        uids, _, rest = arguments.partition(" ")
        await self._store(tag, self._by_uid(uids), rest)

    async def do_store(self, tag: str, arguments: str) -> None:
        """STORE."""
        which, _, rest = arguments.partition(" ")
        await self._store(tag, self._by_number(which), rest)

    async def do_uid_copy(self, tag: str, arguments: str) -> None:
        """UID COPY."""
        if self._copy(tag, arguments) is not None:
            self.send(f"{tag} OK done")

    async def do_uid_move(self, tag: str, arguments: str) -> None:
        """UID MOVE."""
        moved = self._copy(tag, arguments)
        if moved is not None:
            for message in moved:
                self.chosen_folder.messages.remove(message)
            self.send(f"{tag} OK done")

    def _copy(self, tag: str, arguments: str) -> list[Message] | None:
        uids, _, target = arguments.partition(" ")
        folder = self.mailbox.folders.get(strings(target)[0])
        if folder is None:
            self.send(f"{tag} NO [TRYCREATE] no such folder")
            return None
        found = self._by_uid(uids)
        for message in found:
            folder.add(message.raw, flags=set(message.flags), date=message.date)
        return found

    async def do_uid_expunge(self, tag: str, arguments: str) -> None:
        """UID EXPUNGE."""
        for message in self._by_uid(arguments):
            if "\\Deleted" in message.flags:
                self.chosen_folder.messages.remove(message)
        self.send(f"{tag} OK done")

    async def do_expunge(self, tag: str, _: str) -> None:
        """EXPUNGE."""
        folder = self.chosen_folder
        folder.messages[:] = [one for one in folder.messages if "\\Deleted" not in one.flags]
        self.send(f"{tag} OK done")

    async def do_idle(self, tag: str, _: str) -> None:
        """IDLE, until the client sends something."""
        self.send("+ idling")
        self.idling = True
        self.server.idle.set()
        try:
            await self.reader.readline()
        finally:
            self.idling = False
            self.server.idle.clear()
        self.send(f"{tag} OK done")

    async def do_noop(self, tag: str, _: str) -> None:
        """NOOP."""
        self.send(f"{tag} OK done")

    async def do_logout(self, tag: str, _: str) -> None:
        """LOGOUT."""
        self.send("* BYE see you")
        self.send(f"{tag} OK done")


def strings(arguments: str) -> list[str]:
    """Return the words of a command: strings without their quotes, atoms, and parentheses by themselves."""
    return [json.loads(word) if word.startswith('"') else word for word in _ATOM.findall(arguments)]


def quoted(text: str) -> str:
    """Return a quoted string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
