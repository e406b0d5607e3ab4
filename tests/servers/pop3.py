"""A POP3 server on loopback with one mailbox in memory, which records commands and can be told to misbehave."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
from collections.abc import Awaitable, Callable
from typing import Self

Answer = Callable[["Session", str], Awaitable[None]]


class Pop3Server:
    """Use as `async with Pop3Server() as server`. `answers` replaces the handling of a command."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, implicit: bool = False) -> None:
        self.mails: dict[str, bytes] = {}
        self.users = {"alice@example.test": "secret"}
        self.tokens = {"good-token"}
        self.banner = "+OK ready"
        self.capabilities = ["UIDL", "TOP", "USER", "SASL XOAUTH2"]
        self.answers: dict[str, Answer] = {}
        self.commands: list[str] = []
        self.sessions: set[Session] = set()
        self.most = 0
        """Sessions at a time, at most."""
        self._tls, self._implicit = tls, implicit

    async def __aenter__(self) -> Self:
        context = self._tls if self._implicit else None
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.drop()
        await asyncio.sleep(0)

    def drop(self) -> None:
        for session in list(self.sessions):
            session.writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
    def __init__(self, server: Pop3Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.user = ""
        self.listed: list[str] = []
        self.deleted: set[str] = set()

    def send(self, line: str) -> None:
        self.writer.write(line.encode() + b"\r\n")

    def several(self, data: bytes) -> None:
        self.send("+OK")
        if data and not data.endswith(b"\r\n"):
            data += b"\r\n"
        stuffed = data.replace(b"\r\n.", b"\r\n..")
        self.writer.write((b"." if stuffed.startswith(b".") else b"") + stuffed + b".\r\n")

    async def run(self) -> None:
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

    def enter(self, allowed: bool) -> None:
        self.listed = list(self.server.mails)
        self.send("+OK welcome" if allowed else "-ERR [AUTH] wrong")

    def mail(self, number: str) -> bytes:
        return self.server.mails[self.listed[int(number) - 1]]

    async def do_capa(self, _: str) -> None:
        self.several("\r\n".join(self.server.capabilities).encode())

    async def do_stls(self, _: str) -> None:
        self.send("+OK begin")
        await self.writer.start_tls(self.server._tls)

    async def do_apop(self, arguments: str) -> None:
        user, digest = arguments.split()
        stamp = self.server.banner[self.server.banner.index("<") :]
        password = self.server.users.get(user, "")
        self.enter(digest == hashlib.md5((stamp + password).encode(), usedforsecurity=False).hexdigest())

    async def do_user(self, arguments: str) -> None:
        self.user = arguments
        self.send("+OK")

    async def do_pass(self, arguments: str) -> None:
        self.enter(self.server.users.get(self.user) == arguments)

    async def do_auth(self, arguments: str) -> None:
        proof = arguments.partition(" ")[2]
        if not proof:
            self.send("+ ")
            proof = (await self.reader.readline()).decode().strip()
        token = base64.b64decode(proof).decode().split("Bearer ")[1].rstrip("\1")
        if token in self.server.tokens:
            self.enter(True)
            return
        self.send("+ " + base64.b64encode(b'{"status":"401"}').decode())
        await self.reader.readline()
        self.send("-ERR refused")

    async def do_uidl(self, _: str) -> None:
        self.several("\r\n".join(f"{n} {uid}" for n, uid in enumerate(self.listed, 1)).encode())

    async def do_list(self, _: str) -> None:
        sizes = [len(self.server.mails[uid]) for uid in self.listed]
        self.several("\r\n".join(f"{n} {size}" for n, size in enumerate(sizes, 1)).encode())

    async def do_retr(self, number: str) -> None:
        self.several(self.mail(number))

    async def do_top(self, arguments: str) -> None:
        number, lines = arguments.split()
        head, _, body = self.mail(number).partition(b"\r\n\r\n")
        self.several(head + b"\r\n\r\n" + b"".join(body.splitlines(keepends=True)[: int(lines)]))

    async def do_dele(self, number: str) -> None:
        uid = self.listed[int(number) - 1]
        self.send("-ERR gone" if uid in self.deleted else "+OK")
        self.deleted.add(uid)

    async def do_quit(self, _: str) -> None:
        for uid in self.deleted:
            self.server.mails.pop(uid, None)
        self.send("+OK bye")
