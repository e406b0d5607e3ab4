"""Speak FTP, FTPS (TLS from the start) and FTPES (TLS by AUTH): RFC 959, 2228, 2428, 3659, 4217.

Written for what the libraries lack together: data connections whose TLS handshake comes after the command and resumes
the control connection's session (strict servers refuse all else), active mode, MLSD with a fall-back, a deadline for
every wait. See docs/adr/0013-files-sql-coap.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from datetime import UTC, datetime
from typing import TypeVar

from zeebe_connectors import ConnectorError, PermanentError
from zeebe_connectors.connectors.files.ftp_channels import Channel, Streams, nothing_to_read, resuming
from zeebe_connectors.connectors.files.ftp_replies import Reply, plain_argument, refusal, says_empty, tls_failure
from zeebe_connectors.connectors.files.listing import is_unknown, listed, mlsd, size_of, timestamp
from zeebe_connectors.connectors.files.names import bytes_of, text_of
from zeebe_connectors.connectors.files.session import PIECE, Entry, Server, lost, not_empty, not_found, timed_out

_MAX_REPLY_LINES = 1000
ResultT = TypeVar("ResultT")


class FtpSession:
    """One control connection, signed in. Make it with `open_ftp`."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._tls: ssl.SSLContext | None = None
        self._features: set[str] = set()
        self._encoding = server.encoding or "utf-8"
        self._guess = not server.encoding
        self._home = ""
        self._epsv = True
        self._broken = False

    # Control connection

    async def greet(self) -> None:
        """Reads the server's greeting.

        Raises:
            ConnectorError: It is no FTP server, or takes nobody now.
        """
        reply = await self._reply()
        while reply.code == 120:
            reply = await self._reply()
        if reply.code != 220:
            raise self._refusal(reply)

    async def upgrade(self, context: ssl.SSLContext) -> None:
        """Upgrades to TLS (AUTH TLS); from here on everything is encrypted.

        Raises:
            PermanentError: `FILES_TLS_FAILED`: the server does not offer it.
        """
        reply = await self.command("AUTH TLS")
        if reply.code != 234:
            raise PermanentError(
                "FILES_TLS_FAILED",
                f"{self._server.where}: offers no TLS (AUTH TLS: {reply.code}); choose ftps, or ask its operator",
            )
        if self._buffered():
            raise PermanentError("FILES_TLS_FAILED", f"{self._server.where}: sent unrequested data before TLS")
        await self._patiently(self._writer.start_tls(context, server_hostname=self._server.host))
        self._tls = context

    def encrypted_with(self, context: ssl.SSLContext) -> None:
        """Takes note that the connection began with TLS."""
        self._tls = context

    async def sign_in(self) -> None:
        """Signs in, protects data connections, and asks what the server supports.

        Raises:
            PermanentError: `FILES_AUTH_FAILED`.
        """
        if self._tls is not None:
            await self._expect("PBSZ 0", {200})
            await self._expect("PROT P", {200})
        login = self._server.login
        reply = await self.command("USER", plain_argument(login.username, "authentication.username"))
        if reply.code == 331:
            secret = login.password.reveal() if login.password else "anonymous@"
            reply = await self.command("PASS", plain_argument(secret, "authentication.password"))
        if reply.code not in {230, 202}:
            if reply.code in {421, 450, 451}:
                raise self._refusal(reply)
            raise PermanentError(
                "FILES_AUTH_FAILED",
                f"{self._server.where}: refuses the login ({reply.code}); check authentication.username and password, "
                "and whether the server wants TLS (ftpes)",
            )
        reply = await self.command("FEAT")
        if reply.code == 211:
            self._features = {line.strip().upper() for line in reply.lines[1:-1]}
        if "UTF8" in self._features and not self._server.encoding:
            await self.command("OPTS UTF8 ON")
            self._guess = False
        await self._expect("TYPE I", {200})
        reply = await self.command("PWD")
        match = re.search(r'"((?:[^"]|"")*)"', reply.text)
        self._home = match.group(1).replace('""', '"') if reply.code == 257 and match else ""

    async def command(self, verb: str, argument: str = "") -> Reply:
        """Sends one command and reads the answer.

        Raises:
            TransientError: `FILES_LOST` or `FILES_TIMEOUT`; the session is of no use then.
        """
        line = f"{verb} {argument}" if argument else verb
        data = bytes_of(line, self._encoding)
        self._writer.write(data.replace(b"\xff", b"\xff\xff") + b"\r\n")
        await self._patiently(self._writer.drain())
        return await self._reply()

    async def _reply(self) -> Reply:
        lines: list[str] = []
        code = ""
        while True:
            line = await self._line()
            if not code:
                if not re.match(r"\d{3}[ -]", line) and not re.fullmatch(r"\d{3}", line):
                    raise self._no_ftp(line)
                code = line[:3]
            ends = line.startswith(code) and line[3:4] != "-"
            lines.append(line[4:] if line.startswith(code) else line)
            if ends:
                return Reply(int(code), lines)
            if len(lines) > _MAX_REPLY_LINES:
                raise self._no_ftp("")

    async def _line(self) -> str:
        try:
            data = await self._patiently(self._reader.readuntil(b"\n"))
        except asyncio.LimitOverrunError:
            raise self._no_ftp("") from None
        data = data.rstrip(b"\r\n")
        try:
            return data.decode(self._encoding)
        except UnicodeDecodeError:
            if self._guess:
                self._encoding = "latin-1"
            return text_of(data, self._encoding)

    def _no_ftp(self, line: str) -> PermanentError:
        self._broken = True
        hint = "it speaks SSH: choose the protocol sftp" if line.startswith("SSH-") else "check host, port and protocol"
        return PermanentError("FILES_PROTOCOL", f"{self._server.where}: is not an FTP server; {hint}")

    async def _patiently(self, waiting: Awaitable[ResultT]) -> ResultT:
        """One wait with the server's time; a session that had to wait too long, or broke, is not used again."""
        try:
            async with asyncio.timeout(self._server.timeout):
                return await waiting
        except TimeoutError:
            self._broken = True
            raise timed_out(self._server.where, self._server.timeout) from None
        except ssl.SSLError as error:
            self._broken = True
            raise tls_failure(self._server, error) from None
        except (OSError, asyncio.IncompleteReadError) as error:
            self._broken = True
            raise lost(self._server.where, error) from None
        except BaseException:
            self._broken = True  # cancelled: an answer is still to come
            raise

    async def _expect(self, command: str, codes: set[int]) -> Reply:
        reply = await self.command(*command.split(" ", 1))
        if reply.code not in codes:
            raise self._refusal(reply)
        return reply

    async def _do(self, verb: str, path: str) -> Reply:
        """A command about a path that must succeed."""
        reply = await self.command(verb, self._argument(path))
        if reply.code >= 300 and not (verb == "RNFR" and reply.code == 350):
            raise self._refusal(reply, path)
        return reply

    def _argument(self, path: str) -> str:
        """A path that no server takes for an option, nor for nothing."""
        if not path:
            return self._home or "."
        return f"./{path}" if path.startswith("-") else path

    def _refusal(self, reply: Reply, path: str = "") -> ConnectorError:
        if reply.code in {421, 425, 426}:
            self._broken = True
        return refusal(reply, path, self._server.where)

    # Data connections

    async def _data(self) -> Channel:
        """Prepares a data connection, to be completed once the server has accepted the command."""
        if self._server.active:
            return await self._listening()
        host, port = await self._passive()
        reader, writer = await self._patiently(asyncio.open_connection(host, port, limit=PIECE))

        async def passive() -> Streams:
            return reader, writer

        return Channel(passive, writer.close)

    async def _passive(self) -> tuple[str, int]:
        """Where the server listens: always at the address of the control connection, whatever it says."""
        peer = str(self._writer.get_extra_info("peername")[0])
        if self._epsv:
            reply = await self.command("EPSV")
            match = re.search(r"\(([!-~])\1\1(\d+)\1\)", reply.text)
            if reply.code == 229 and match:
                return peer, int(match.group(2))
            self._epsv = False
        reply = await self.command("PASV")
        match = re.search(r"(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)", reply.text)
        if reply.code != 227 or match is None:
            raise self._refusal(reply)
        return peer, int(match.group(5)) * 256 + int(match.group(6))

    async def _listening(self) -> Channel:
        """Active mode: the server connects to us, and to nobody else's connection do we listen."""
        address = str(self._writer.get_extra_info("sockname")[0])
        peer = str(self._writer.get_extra_info("peername")[0])
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setblocking(False)
            listener.bind((address, 0))
            listener.listen(1)
            port = listener.getsockname()[1]
            if family == socket.AF_INET6:
                reply = await self.command("EPRT", f"|2|{address}|{port}|")
            else:
                reply = await self.command("PORT", ",".join([*address.split("."), str(port >> 8), str(port & 255)]))
        except BaseException:
            listener.close()
            raise
        if reply.code != 200:
            listener.close()
            raise self._refusal(reply)

        async def accepted() -> Streams:
            loop = asyncio.get_running_loop()
            while True:
                connection, (other, *_) = await self._patiently(loop.sock_accept(listener))
                if other == peer:
                    return await asyncio.open_connection(sock=connection, limit=PIECE)
                connection.close()

        return Channel(accepted, listener.close)

    @contextlib.asynccontextmanager
    async def _transfer(self, verb: str, path: str | None, *, sends: bool) -> AsyncIterator[Streams]:
        """A data connection for one command; leaving the block well waits for the server's word that all is done."""
        channel = await self._data()
        writer: asyncio.StreamWriter | None = None
        done = False
        try:
            reply = await self.command(verb, "" if path is None else self._argument(path))
            if reply.code not in {125, 150}:
                done = True  # the session is still in order
                channel.close()
                if says_empty(reply, verb):
                    yield nothing_to_read(), None  # type: ignore[misc]  # nobody writes to it
                    return
                error = self._refusal(reply, path or "")
                raise error if sends else await self._explained(error, path)
            reader, writer = await channel.complete()
            if self._tls is not None:
                await self._patiently(
                    writer.start_tls(
                        resuming(self._tls, self._writer.transport.get_extra_info("ssl_object")),
                        server_hostname=self._server.host,
                        ssl_handshake_timeout=self._server.timeout,
                    )
                )
            yield reader, writer
            if sends:
                await self._patiently(writer.drain())
            writer.close()
            with contextlib.suppress(ssl.SSLError, OSError):
                await self._quietly(writer)
            reply = await self._reply()
            done = True
            if reply.code not in {226, 250}:
                raise self._refusal(reply, path or "")
        finally:
            channel.close()
            if writer is not None:
                writer.close()
            if not done:
                self._broken = True

    async def _explained(self, error: ConnectorError, path: str | None) -> ConnectorError:
        """A refusal without a reason (vsftpd's 550) is often of what is not there."""
        if error.code == "FILES_REFUSED" and path and await self.stat(path) is None:
            return not_found(path, self._server.where)
        return error

    async def _quietly(self, writer: asyncio.StreamWriter) -> None:
        """Waits for the end of a connection; the server's answer on the control connection is what counts."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(5.0, self._server.timeout)):
                await writer.wait_closed()

    # Operations

    @property
    def usable(self) -> bool:
        """Whether another job may use it: nothing is pending and nothing broke."""
        return not (self._broken or self._reader.at_eof() or self._buffered() or self._writer.is_closing())

    def _buffered(self) -> bool:
        return bool(self._reader._buffer)  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio offers no other look

    async def entries(self, path: str) -> AsyncIterator[Entry]:
        """See `Session.entries`."""
        if any(feature.startswith(("MLST", "MLSD")) for feature in self._features):
            async with contextlib.aclosing(self._lines("MLSD", path)) as lines:
                async for line in lines:
                    if (entry := mlsd(line)) is not None:
                        yield entry
            return
        # LIST takes blanks and brackets for several names or patterns; so the folder is entered and listed by itself.
        now = datetime.now(UTC)
        found, unknown = 0, False
        await self._do("CWD", path)
        try:
            async with contextlib.aclosing(self._lines("LIST", None)) as lines:
                async for line in lines:
                    if (entry := listed(line, now)) is not None:
                        found += 1
                        yield entry
                    elif not found and not unknown:
                        unknown = is_unknown(line)
        finally:
            if not self._broken and self._home:
                await self.command("CWD", self._home)
        if unknown and not found:
            raise PermanentError(
                "FILES_UNSUPPORTED",
                f"{self._server.where}: lists its files in a form that is not understood; have the server offer MLSD, "
                "or name the files without listing them",
            )

    async def _lines(self, verb: str, path: str | None) -> AsyncGenerator[str, None]:
        async with self._transfer(verb, path, sends=False) as (reader, _):
            while data := await self._next_line(reader):
                try:
                    line = data.decode(self._encoding)
                except UnicodeDecodeError:
                    line = text_of(data, "latin-1" if self._guess else self._encoding)
                yield line.rstrip("\r\n")

    async def _next_line(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await self._patiently(reader.readline())
        except ValueError:  # longer than the reader's limit
            raise PermanentError(
                "FILES_PROTOCOL", f"{self._server.where}: lists its files in lines without an end, which no name has"
            ) from None

    async def real(self, path: str) -> None:
        """See `Session.real`; FTP has no such command."""

    async def stat(self, path: str) -> Entry | None:
        """See `Session.stat`."""
        name = path.rpartition("/")[2]
        if any(feature.startswith("MLST") for feature in self._features):
            reply = await self.command("MLST", self._argument(path))
            if reply.code == 250 and len(reply.lines) >= 2:
                line = reply.lines[1].lstrip()
                entry = mlsd(re.sub(r"type=[cp]dir", "type=dir", line, flags=re.IGNORECASE))
                return Entry(name, entry.kind, entry.size, entry.modified) if entry else None
            if reply.code not in {500, 502, 504}:
                return self._nothing(reply, path)
        reply = await self.command("SIZE", self._argument(path))
        if reply.code == 213:
            size = size_of(reply.text.strip())
            time = await self.command("MDTM", self._argument(path))
            return Entry(name, "file", size, timestamp(time.text) if time.code == 213 else None)
        entered = await self.command("CWD", self._argument(path))
        if entered.code == 250:
            if self._home:
                await self.command("CWD", self._home)
            return Entry(name, "folder")
        return self._nothing(reply, path)

    def _nothing(self, reply: Reply, path: str) -> Entry | None:
        """None for what is not there; what cannot be looked at is no reason to think so."""
        error = self._refusal(reply, path)
        if error.code in {"FILES_NOT_FOUND", "FILES_REFUSED"}:
            return None
        raise error

    @contextlib.asynccontextmanager
    async def reading(self, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """See `Session.reading`."""
        size = None
        reply = await self.command("SIZE", self._argument(path))
        if reply.code == 213:
            size = size_of(reply.text.strip())

        async def pieces() -> AsyncGenerator[bytes, None]:
            received = 0
            async with self._transfer("RETR", path, sends=False) as (reader, _):
                while data := await self._patiently(reader.read(PIECE)):
                    received += len(data)
                    yield data
            if size is not None and received < size:
                self._broken = True
                raise lost(self._server.where)

        made = pieces()
        async with contextlib.aclosing(made):
            yield made

    async def write(self, path: str, pieces: AsyncIterator[bytes], *, append: bool = False) -> int:
        """See `Session.write`."""
        written = 0
        async with self._transfer("APPE" if append else "STOR", path, sends=True) as (_, writer):
            async for data in pieces:
                writer.write(data)
                await self._patiently(writer.drain())
                written += len(data)
        return written

    async def rename(self, source: str, target: str, *, replace: bool) -> None:
        """See `Session.rename`."""
        await self._do("RNFR", source)
        reply = await self.command("RNTO", self._argument(target))
        if reply.code == 250:
            return
        error = self._refusal(reply, target)
        # Servers on Windows do not rename over a file.
        there = await self.stat(target) if replace else None
        if there is None or there.kind == "folder":
            raise error
        await self._do("DELE", target)
        await self._do("RNFR", source)
        await self._do("RNTO", target)

    async def copy(self, source: str, target: str) -> bool:
        """See `Session.copy`; ProFTPD can, with its module for copies."""
        if "SITE COPY" not in self._features:
            return False
        reply = await self.command("SITE", f"CPFR {self._argument(source)}")
        if reply.code != 350:
            return False
        reply = await self.command("SITE", f"CPTO {self._argument(target)}")
        return reply.code == 250

    async def delete(self, path: str) -> None:
        """See `Session.delete`."""
        await self._do("DELE", path)

    async def make_folder(self, path: str) -> None:
        """See `Session.make_folder`."""
        await self._do("MKD", path)

    async def remove_folder(self, path: str) -> None:
        """See `Session.remove_folder`."""
        try:
            await self._do("RMD", path)
        except ConnectorError as error:
            if error.code in {"FILES_REFUSED", "FILES_EXISTS"} and [entry async for entry in self.entries(path)]:
                raise not_empty(path, self._server.where) from None
            raise

    async def alive(self) -> bool:
        """See `Session.alive`."""
        try:
            return (await self.command("NOOP")).code < 400
        except ConnectorError:
            return False

    async def aclose(self) -> None:
        """See `Session.aclose`."""
        with contextlib.suppress(Exception):
            if not self._broken:
                async with asyncio.timeout(2):
                    await self.command("QUIT")
        self._writer.close()
        with contextlib.suppress(Exception):
            await self._quietly(self._writer)
