"""An IMAP server on loopback with mailboxes in memory, which records commands and can be told to misbehave.

It speaks as much of RFC 3501, IDLE, UIDPLUS, MOVE and SASL-IR as a client needs that watches a folder. `answers`
replaces the handling of a command; `greeting` and `capabilities` may be changed at any time; `drop` cuts connections.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

Answer = Callable[["Session", str, str], Awaitable[None]]


@dataclass
class Message:
    uid: int
    raw: bytes
    flags: set[str] = field(default_factory=set)
    date: str = "03-Nov-2026 10:00:00 +0000"


@dataclass
class Folder:
    validity: int = 1
    next_uid: int = 1
    messages: list[Message] = field(default_factory=list)

    def add(self, raw: bytes, **attributes: object) -> Message:
        message = Message(self.next_uid, raw, **attributes)
        self.next_uid += 1
        self.messages.append(message)
        return message


class ImapServer:
    """Use as `async with ImapServer() as server`."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, implicit: bool = False) -> None:
        self.folders: dict[str, Folder] = {"INBOX": Folder()}
        self.capabilities = "IMAP4rev1 SASL-IR IDLE UIDPLUS MOVE AUTH=PLAIN AUTH=XOAUTH2"
        self.after_login = ""
        """Capabilities shown only once signed in."""
        self.greeting = "* OK ready"
        self.users = {"alice@example.test": "secret"}
        self.tokens = {"good-token"}
        self.separator = "/"
        self.literals = True
        """Whether literals are taken; else each is refused at once."""
        self.answers: dict[str, Answer] = {}
        self.commands: list[str] = []
        self.sessions: set[Session] = set()
        self.most = 0
        """Sessions at a time, at most."""
        self.connections = 0
        self.idle = asyncio.Event()
        """Somebody waits in IDLE."""
        self.frozen = False
        """Connections stay open and new ones are taken, but nothing is said any more."""
        self._tls, self._implicit = tls, implicit
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def start(self, port: int = 0) -> None:
        context = self._tls if self._implicit else None
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=context, limit=1 << 26)
        self.port = self._server.sockets[0].getsockname()[1]

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        self._server.close()
        self.drop()
        await asyncio.sleep(0)

    def drop(self) -> None:
        for session in list(self.sessions):
            session.writer.transport.abort()

    def deliver(self, raw: bytes, folder: str = "INBOX", **attributes: object) -> Message:
        message = self.folders[folder].add(raw, **attributes)
        for session in self.sessions:
            if session.idling and session.folder is self.folders[folder]:
                session.send(f"* {len(session.folder.messages)} EXISTS")
        return message

    def seen(self, command: str) -> list[str]:
        """The recorded commands that begin so."""
        return [one for one in self.commands if one.upper().startswith(command.upper())]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        session = Session(self, reader, writer)
        self.sessions.add(session)
        self.most = max(self.most, len(self.sessions))
        try:
            await session.run()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self.sessions.discard(session)
            writer.close()


class Session:
    def __init__(self, server: ImapServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.folder: Folder | None = None
        self.idling = False
        self.signed_in = False

    def send(self, line: str | bytes) -> None:
        if not self.writer.transport.is_closing() and not self.server.frozen:
            self.writer.write((line.encode() if isinstance(line, str) else line) + b"\r\n")

    async def run(self) -> None:
        self.send(self.server.greeting)
        while line := await self.reader.readline():
            tag, _, rest = line.decode().rstrip("\r\n").partition(" ")
            while literal := re.search(r"\{(\d+)(\+?)\}$", rest):
                if not self.server.literals:
                    break
                if not literal[2]:
                    self.send("+ go on")
                data = (await self.reader.readexactly(int(literal[1]))).decode()
                rest = (
                    rest[: literal.start()] + json.dumps(data) + (await self.reader.readline()).decode().rstrip("\r\n")
                )
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

    # Commands

    async def do_capability(self, tag: str, _: str) -> None:
        more = f" {self.server.after_login}" if self.signed_in and self.server.after_login else ""
        self.send(f"* CAPABILITY {self.server.capabilities}{more}")
        self.send(f"{tag} OK done")

    async def do_login(self, tag: str, arguments: str) -> None:
        user, password = strings(arguments)
        self.signed_in = self.server.users.get(user) == password
        self.send(f"{tag} OK hello" if self.signed_in else f"{tag} NO [AUTHENTICATIONFAILED] wrong")

    async def do_authenticate(self, tag: str, arguments: str) -> None:
        mechanism, _, proof = arguments.partition(" ")
        if not proof:
            self.send("+ ")
            proof = (await self.reader.readline()).decode().strip()
        decoded = base64.b64decode(proof).decode()
        if mechanism == "PLAIN":
            _, user, password = decoded.split("\0")
            self.signed_in = self.server.users.get(user) == password
        else:
            token = decoded.split("Bearer ")[1].rstrip("\1")
            self.signed_in = token in self.server.tokens
            if not self.signed_in:
                self.send("+ " + base64.b64encode(b'{"status":"401"}').decode())
                await self.reader.readline()
        self.send(f"{tag} OK hello" if self.signed_in else f"{tag} NO refused")

    async def do_starttls(self, tag: str, _: str) -> None:
        self.send(f"{tag} OK begin")
        await self.writer.start_tls(self.server._tls)

    async def do_list(self, tag: str, _: str) -> None:
        for name in self.server.folders:
            self.send(f'* LIST (\\HasNoChildren) "{self.server.separator}" "{name}"')
        self.send(f"{tag} OK done")

    async def do_create(self, tag: str, arguments: str) -> None:
        self.server.folders[strings(arguments)[0]] = Folder()
        self.send(f"{tag} OK done")

    async def do_select(self, tag: str, arguments: str) -> None:
        self.folder = self.server.folders.get(strings(arguments)[0])
        if self.folder is None:
            self.send(f"{tag} NO [NONEXISTENT] no such folder")
            return
        self.send(f"* {len(self.folder.messages)} EXISTS")
        self.send(f"* OK [UIDVALIDITY {self.folder.validity}] ok")
        self.send(f"{tag} OK [READ-WRITE] done")

    do_examine = do_select

    def _chosen(self, uids: str) -> list[Message]:
        wanted: set[int] = set()
        for part in uids.split(","):
            low, _, high = part.partition(":")
            wanted.update(range(int(low), (self.folder.next_uid if high == "*" else int(high or low)) + 1))
        return [message for message in self.folder.messages if message.uid in wanted]

    async def do_uid_search(self, tag: str, arguments: str) -> None:
        words = arguments.upper().split()
        found = self.folder.messages
        if "UID" in words:
            found = self._chosen(words[words.index("UID") + 1])
        if "UNSEEN" in words:
            found = [m for m in found if "\\Seen" not in m.flags]
        if "UNDELETED" in words:
            found = [m for m in found if "\\Deleted" not in m.flags]
        told = strings(arguments)
        if "HEADER" in told:  # finds parts of values, as the standard has it
            _, name, value = told[told.index("HEADER") :][:3]
            found = [m for m in found if value.lower() in header(m.raw, name).lower()]
        self.send("* SEARCH " + " ".join(str(m.uid) for m in found))
        self.send(f"{tag} OK done")

    async def do_uid_fetch(self, tag: str, arguments: str) -> None:
        uids, _, items = arguments.partition(" ")
        numbers = {message.uid: number for number, message in enumerate(self.folder.messages, 1)}
        for message in self._chosen(uids):
            number = numbers[message.uid]
            head = (
                f"* {number} FETCH (UID {message.uid} FLAGS ({' '.join(sorted(message.flags))}) "
                f'INTERNALDATE "{message.date}" RFC822.SIZE {len(message.raw)}'
            ).encode()
            if section := re.search(r"BODY\.PEEK\[(.*?)\]", items):
                body = (
                    message.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                    if section[1].startswith("HEADER")
                    else message.raw
                )
                head += f" BODY[{section[1]}] {{{len(body)}}}\r\n".encode() + body
            self.send(head + b")")
            await self.writer.drain()
        self.send(f"{tag} OK done")

    async def do_uid_store(self, tag: str, arguments: str) -> None:
        uids, _, rest = arguments.partition(" ")
        for message in self._chosen(uids):
            flags = set(re.search(r"\((.*)\)", rest)[1].split())
            message.flags = message.flags - flags if rest.startswith("-") else message.flags | flags
        self.send(f"{tag} OK done")

    async def do_uid_copy(self, tag: str, arguments: str) -> None:
        uids, _, target = arguments.partition(" ")
        folder = self.server.folders.get(strings(target)[0])
        if folder is None:
            self.send(f"{tag} NO [TRYCREATE] no such folder")
            return
        for message in self._chosen(uids):
            folder.add(message.raw, flags=set(message.flags), date=message.date)
        self.send(f"{tag} OK done")

    async def do_uid_move(self, tag: str, arguments: str) -> None:
        uids, _, target = arguments.partition(" ")
        folder = self.server.folders.get(strings(target)[0])
        if folder is None:
            self.send(f"{tag} NO [TRYCREATE] no such folder")
            return
        for message in self._chosen(uids):
            folder.add(message.raw, flags=set(message.flags), date=message.date)
            self.folder.messages.remove(message)
        self.send(f"{tag} OK done")

    async def do_uid_expunge(self, tag: str, arguments: str) -> None:
        for message in self._chosen(arguments):
            if "\\Deleted" in message.flags:
                self.folder.messages.remove(message)
        self.send(f"{tag} OK done")

    async def do_idle(self, tag: str, _: str) -> None:
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
        self.send(f"{tag} OK done")

    async def do_logout(self, tag: str, _: str) -> None:
        self.send("* BYE see you")
        self.send(f"{tag} OK done")


def strings(arguments: str) -> list[str]:
    """The quoted strings (or atoms) of a command."""
    return [
        json.loads(quoted) if quoted.startswith('"') else quoted
        for quoted in re.findall(r'"(?:\\.|[^"\\])*"|\S+', arguments)
    ]


def header(raw: bytes, name: str) -> str:
    """A header's value as it stands, or nothing."""
    found = re.search(rb"(?im)^" + name.encode() + rb":((?:.*(?:\r?\n[ \t].*)*))", raw.partition(b"\r\n\r\n")[0])
    return re.sub(r"\r?\n\s*", " ", found[1].decode("utf-8", "replace")).strip() if found else ""


def message(
    subject: str = "s", body: str = "text", sender: str = "ann@example.test", message_id: str | None = None
) -> bytes:
    """A mail."""
    identity = message_id or f"{subject}@example.test"
    return (
        f"From: {sender}\r\nTo: alice@example.test\r\nSubject: {subject}\r\nMessage-ID: <{identity}>\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{body}"
    ).encode()
