"""A small FTP server over a dictionary of files, of which a test replaces single answers: what odd servers say."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

PLAIN = "211-Features\r\n SIZE\r\n211 End"
MLSD = "211-Features\r\n UTF8\r\n MLST type*;size*;modify*;\r\n SIZE\r\n211 End"


class OddFtpServer:
    """Serves files by their paths to everybody.

    Args:
        files: Contents by path.
        answers: By command: what it answers instead; `_PASV` and `_EPSV` are forms with `{p}`, `{h}` and `{l}` for the
            port and its bytes; `_END` is the word after a transfer, `_CUT` says after how many bytes a data connection
            is closed.
        features: The answer to FEAT.
        greeting: The first line.
        lines: What a listing consists of; else it is made from the files.
    """

    def __init__(
        self,
        files: Mapping[str, bytes],
        *,
        answers: Mapping[str, str] | None = None,
        features: str = MLSD,
        greeting: str = "220 ready",
        lines: Sequence[str] | None = None,
    ) -> None:
        self.files = dict(files)
        self.received: list[str] = []
        self._answers = dict(answers or {})
        self._features, self._greeting, self._lines = features, greeting, lines
        self._open: list[asyncio.Server | asyncio.StreamWriter] = []
        self.dies_at = 0
        """The number of the command at which its control connection breaks, once; 0 for none."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        for one in [self._server, *self._open]:
            one.close()
        for one in self._open:
            if isinstance(one, asyncio.StreamWriter):
                with contextlib.suppress(OSError):
                    await one.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.append(writer)
        visit = _Visit(self, reader, writer)
        try:
            await visit.run(self._greeting)
        finally:
            writer.close()


class _Visit:
    """One control connection."""

    def __init__(self, server: OddFtpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server, self._reader, self._writer = server, reader, writer
        self._folder = "/"
        self._renamed = ""
        self._data: asyncio.Future[Any] | None = None

    def _say(self, text: str) -> None:
        self._writer.write(text.encode() + b"\r\n")

    async def run(self, greeting: str) -> None:
        self._say(greeting)
        while line := (await self._reader.readline()).decode().rstrip("\r\n"):
            self._server.received.append(line)
            if len(self._server.received) == self._server.dies_at:
                self._writer.transport.abort()
                return
            verb, _, argument = line.partition(" ")
            if verb == "QUIT":
                return
            if (answer := self._server._answers.get(verb)) is not None:
                self._say(answer)
                continue
            do: Callable[[str], Any] = getattr(self, f"_{verb.lower()}", self._ok)
            done = do(argument)
            if asyncio.iscoroutine(done):
                await done

    def _path(self, argument: str) -> str:
        whole = argument if argument.startswith("/") else f"{self._folder}/{argument}"
        return "/" + "/".join(part for part in whole.split("/") if part not in {"", "."})

    def _is_folder(self, path: str) -> bool:
        return path == "/" or any(name.startswith(f"{path}/") for name in self._server.files)

    def _ok(self, _: str) -> None:
        self._say("200 ok")

    def _user(self, _: str) -> None:
        self._say("331 password, please")

    def _pass(self, _: str) -> None:
        self._say("230 welcome")

    def _feat(self, _: str) -> None:
        self._say(self._server._features)

    def _pwd(self, _: str) -> None:
        self._say(f'257 "{self._folder}"')

    def _cwd(self, argument: str) -> None:
        path = self._path(argument)
        if self._is_folder(path):
            self._folder = path
        self._say("250 ok" if self._is_folder(path) else "550 Failed to change directory.")

    def _cdup(self, _: str) -> None:
        self._folder = self._folder.rpartition("/")[0] or "/"
        self._say("250 ok")

    async def _epsv(self, _: str) -> None:
        await self._passive("229 ok (|||{p}|)", "_EPSV")

    async def _pasv(self, _: str) -> None:
        await self._passive("227 ok (127,0,0,1,{h},{l})", "_PASV")

    async def _passive(self, form: str, name: str) -> None:
        self._data = arrived = asyncio.get_running_loop().create_future()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._server._open.append(writer)
            arrived.set_result((reader, writer))

        listener = await asyncio.start_server(connected, "127.0.0.1", 0)
        self._server._open.append(listener)
        port = listener.sockets[0].getsockname()[1]
        form = self._server._answers.get(name, form)
        self._say(form.format(p=port, h=port >> 8, l=port & 255))

    async def _transfer(self, sent: bytes | None) -> bytes:
        self._say("150 go")
        reader, writer = await self._data
        received = b""
        cut = self._server._answers.get("_CUT")
        if sent is not None:
            writer.write(sent if cut is None else sent[: int(cut)])
            await writer.drain()
        elif cut is None:
            received = await reader.read()
        else:
            received = await reader.read(int(cut))
            writer.transport.abort()
        writer.close()
        self._say(self._server._answers.get("_END", "226 done"))
        return received

    def _below(self, path: str) -> list[str]:
        top = path.rstrip("/") + "/"
        return sorted({name[len(top) :].split("/")[0] for name in self._server.files if name.startswith(top)})

    async def _listing(self, path: str, form: Callable[[bool, int, str], str]) -> None:
        top = path.rstrip("/")
        lines = self._server._lines
        if lines is None:
            names = self._below(path)
            size = {name: len(self._server.files.get(f"{top}/{name}", b"")) for name in names}
            lines = [form(self._is_folder(f"{top}/{name}"), size[name], name) for name in names]
        await self._transfer("".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape"))

    async def _list(self, argument: str) -> None:
        def form(folder: bool, size: int, name: str) -> str:
            return f"{'d' if folder else '-'}rw-r--r-- 1 u g {size} Jan 02 2026 {name}"

        await self._listing(self._path(argument), form)

    async def _mlsd(self, argument: str) -> None:
        await self._listing(
            self._path(argument), lambda folder, size, name: f"type={'dir' if folder else 'file'};size={size}; {name}"
        )

    def _mlst(self, argument: str) -> None:
        path = self._path(argument)
        if path not in self._server.files and not self._is_folder(path):
            self._say("550 nothing")
            return
        kind = "dir" if self._is_folder(path) else "file"
        self._say(f"250-one\r\n type={kind};size={len(self._server.files.get(path, b''))}; {path}\r\n250 End")

    def _size(self, argument: str) -> None:
        data = self._server.files.get(self._path(argument))
        self._say("550 nothing" if data is None else f"213 {len(data)}")

    def _mdtm(self, argument: str) -> None:
        self._say("213 20260102030405" if self._path(argument) in self._server.files else "550 nothing")

    async def _retr(self, argument: str) -> None:
        data = self._server.files.get(self._path(argument))
        if data is None:
            self._say("550 nothing")
        else:
            await self._transfer(data)

    async def _stor(self, argument: str) -> None:
        self._server.files[self._path(argument)] = b""
        self._server.files[self._path(argument)] = await self._transfer(None)

    def _rnfr(self, argument: str) -> None:
        self._renamed = self._path(argument)
        self._say("350 go on" if self._renamed in self._server.files else "550 nothing")

    def _rnto(self, argument: str) -> None:
        self._server.files[self._path(argument)] = self._server.files.pop(self._renamed)
        self._say("250 ok")

    def _dele(self, argument: str) -> None:
        gone = self._server.files.pop(self._path(argument), None)
        self._say("550 nothing" if gone is None else "250 ok")
