"""Serve POP3 on loopback for tests, with mails in memory: record commands, and misbehave on request.

async with Pop3Server() as server:
server.mails["uid-1"] = message("Order 1")
...  # what is tested reads the mailbox of alice@example.test, password "secret", at server.port
assert server.commands.count("DELE 1") == 1
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
from collections.abc import Awaitable, Callable, Mapping

from zeebe_connectors.testing.servers.listener import SessionServer
from zeebe_connectors.testing.servers.mailboxes import Folder, Mailboxes

Answer = Callable[["Session", str], Awaitable[None]]
"""Handles a command instead of the server: takes session and the text after the command's name."""


class Pop3Server(SessionServer["Session"]):
    """A POP3 server with a single mailbox, or with one for each address.

    Args:
        tls: Context of the server; with `implicit` from the first byte, else for STLS.
        implicit: Whether TLS begins at once.
        mailboxes: Mailboxes that are shared with other servers. None for `mails`, which every user of `users` sees.

    Attributes:
        mails: The server's own mailbox: mail by unique id, the oldest first.
        users: Password by user, for the server's own mailbox.
        tokens: Valid access tokens.
        banner: The first line of each connection; with a `<…>` in it, the server accepts APOP.
        capabilities: The lines of CAPA's answer.
        answers: Replacement handlers by the command's name, such as `RETR`.
        commands: Every command as received.
        sessions: The open connections.
        max_sessions: Maximum number of concurrent sessions so far.
        port: Where it listens.
    """

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, implicit: bool = False, mailboxes: Mailboxes | None = None
    ) -> None:
        super().__init__(tls=tls, implicit=implicit)
        self.mails: dict[str, bytes] = {}
        self.mailboxes = mailboxes
        self.users = {"alice@example.test": "secret"}
        self.tokens = {"good-token"}
        self.banner = "+OK ready"
        self.capabilities = ["UIDL", "TOP", "USER", "SASL XOAUTH2"]
        self.answers: dict[str, Answer] = {}
        self.commands: list[str] = []

    def session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Session:
        """Begin the session of a new connection."""
        return Session(self, reader, writer)


class Session:
    """One connection.

    Attributes:
        server: The server.
        reader: Receives from the client.
        writer: Sends to the client.
        user: The user named by USER.
        listed: The unique ids of the mails, in the session's numbering.
        deleted: The mails to delete at the session's end.
    """

    def __init__(self, server: Pop3Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.user = ""
        self.listed: list[str] = []
        self.deleted: set[str] = set()
        self._inbox: Folder | None = None

    def send(self, line: str) -> None:
        """Send a line."""
        self.writer.write(line.encode() + b"\r\n")

    def send_lines(self, data: bytes) -> None:
        """Send an answer of several lines."""
        self.send("+OK")
        if data and not data.endswith(b"\r\n"):
            data += b"\r\n"
        stuffed = data.replace(b"\r\n.", b"\r\n..")
        self.writer.write((b"." if stuffed.startswith(b".") else b"") + stuffed + b".\r\n")

    async def run(self) -> None:
        """Answer commands until the connection ends."""
        self.send(self.server.banner)
        while line := await self.reader.readline():
            text = line.decode().rstrip("\r\n")
            self.server.commands.append(text)
            name, _, arguments = text.partition(" ")
            handler = self.server.answers.get(name.upper()) or getattr(type(self), f"do_{name.lower()}", None)
            if handler is None:
                self.send("-ERR unknown command")
            else:
                await handler(self, arguments)
            await self.writer.drain()
            if name.upper() == "QUIT":
                return

    def enter(self, allowed: bool) -> None:  # noqa: FBT001 - a login's only result
        """Finish a login: if it succeeded, number the current mails."""
        if allowed:
            if self.server.mailboxes is not None:
                self._inbox = self.server.mailboxes.of(self.user).folders["INBOX"]
            self.listed = list(self._mails())
        self.send("+OK welcome" if allowed else "-ERR [AUTH] wrong")

    def _mails(self) -> Mapping[str, bytes]:
        if self._inbox is None:
            return self.server.mails
        return {f"{self._inbox.validity}-{one.uid}": one.raw for one in self._inbox.messages}

    def mail(self, number: str) -> bytes:
        """Return the mail with this number."""
        return self._mails()[self.listed[int(number) - 1]]

    async def do_capa(self, _: str) -> None:
        """CAPA."""
        self.send_lines("\r\n".join(self.server.capabilities).encode())

    async def do_stls(self, _: str) -> None:
        """STLS."""
        if self.server.tls is None:
            self.send("-ERR no TLS")
            return
        self.send("+OK begin")
        await self.writer.start_tls(self.server.tls)

    async def do_apop(self, arguments: str) -> None:
        """APOP."""
        user, digest = arguments.split()
        stamp = self.server.banner[self.server.banner.index("<") :]
        password = self.server.users.get(user, "")
        self.enter(digest == hashlib.md5((stamp + password).encode(), usedforsecurity=False).hexdigest())

    async def do_user(self, arguments: str) -> None:
        """USER."""
        self.user = arguments
        self.send("+OK")

    async def do_pass(self, arguments: str) -> None:
        """PASS."""
        if self.server.mailboxes is not None:
            self.enter(self.server.mailboxes.admits(self.user, arguments))
        else:
            self.enter(self.server.users.get(self.user) == arguments)

    async def do_auth(self, arguments: str) -> None:
        """AUTH XOAUTH2."""
        proof = arguments.partition(" ")[2]
        if not proof:
            self.send("+ ")
            proof = (await self.reader.readline()).decode().strip()
        decoded = base64.b64decode(proof).decode()
        if decoded.split("Bearer ")[1].rstrip("\1") in self.server.tokens:
            self.user = decoded.partition("\1")[0].removeprefix("user=")
            self.enter(True)
            return
        self.send("+ " + base64.b64encode(b'{"status":"401"}').decode())
        await self.reader.readline()
        self.send("-ERR refused")

    async def do_stat(self, _: str) -> None:
        """STAT."""
        mails = self._mails()
        left = [uid for uid in self.listed if uid not in self.deleted]
        self.send(f"+OK {len(left)} {sum(len(mails[uid]) for uid in left)}")

    async def do_uidl(self, _: str) -> None:
        """UIDL."""
        self.send_lines("\r\n".join(f"{n} {uid}" for n, uid in enumerate(self.listed, 1)).encode())

    async def do_list(self, _: str) -> None:
        """LIST."""
        mails = self._mails()
        sizes = [len(mails[uid]) for uid in self.listed]
        self.send_lines("\r\n".join(f"{n} {size}" for n, size in enumerate(sizes, 1)).encode())

    async def do_retr(self, number: str) -> None:
        """RETR."""
        self.send_lines(self.mail(number))

    async def do_top(self, arguments: str) -> None:
        """TOP."""
        number, lines = arguments.split()
        head, _, body = self.mail(number).partition(b"\r\n\r\n")
        self.send_lines(head + b"\r\n\r\n" + b"".join(body.splitlines(keepends=True)[: int(lines)]))

    async def do_dele(self, number: str) -> None:
        """DELE."""
        uid = self.listed[int(number) - 1]
        self.send("-ERR gone" if uid in self.deleted else "+OK")
        self.deleted.add(uid)

    async def do_noop(self, _: str) -> None:
        """NOOP."""
        self.send("+OK")

    async def do_quit(self, _: str) -> None:
        """QUIT: deletes the marked mails."""
        if self._inbox is not None:
            inbox = self._inbox
            inbox.messages[:] = [one for one in inbox.messages if f"{inbox.validity}-{one.uid}" not in self.deleted]
        for uid in self.deleted:
            self.server.mails.pop(uid, None)
        self.send("+OK bye")
