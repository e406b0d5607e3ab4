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
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

from zeebe_connectors import ConnectorError, PermanentError, TransientError
from zeebe_connectors.connectors.files.ftp_channels import (
    Channel,
    Receiver,
    Streams,
    connected,
    nothing_to_read,
    resuming,
)
from zeebe_connectors.connectors.files.ftp_control import PASV_ONLY, FtpControl
from zeebe_connectors.connectors.files.ftp_replies import Reply, says_empty
from zeebe_connectors.connectors.files.listing import is_unknown, listed, mlsd, size_of, timestamp
from zeebe_connectors.connectors.files.names import text_of
from zeebe_connectors.connectors.files.paths import split
from zeebe_connectors.connectors.files.session import COPYING, PIECE, Entry, lost, not_empty, not_found

_UNKNOWN = frozenset({500, 501, 502, 504})
"""Reply codes for commands that a server does not know."""
_EPSV_PATIENCE = 10.0
"""Seconds for the port that EPSV names, at most; then PASV's gets the server's usual time."""
_FACTS = re.compile(r"\s*(?:[\w.-]+=[^;]*;)+ ")


class FtpSession(FtpControl):
    """One session, signed in. Make it with `open_ftp`."""

    # Data connections

    async def _data(self, *, receives: bool) -> Channel:
        """Prepares a data connection, to be completed once the server has accepted the command."""
        if self._server.active:
            return await self._listening(receives=receives)
        streams = await self._dialled(receives=receives)

        async def passive() -> Streams:
            return streams

        return Channel(passive, streams[1].close)

    async def _dialled(self, *, receives: bool) -> Streams:
        """Connects to the port that EPSV names or, if it does not answer, to PASV's: some firewalls know only that.

        Raises:
            TransientError: `FILES_TIMEOUT` or `FILES_LOST`: neither answers.
        """
        host = str(self._writer.get_extra_info("peername")[0])
        seconds = self._server.timeout
        port = await self._extended_port()
        if port is not None:
            has_pasv = ":" not in host  # it has no room for IPv6
            try:
                async with asyncio.timeout(min(_EPSV_PATIENCE, seconds / 3) if has_pasv else seconds):
                    return await connected(receives=receives, host=host, port=port)
            except OSError as error:
                if not has_pasv:
                    raise self._unanswered(port, error) from None
            self._learnt.add(PASV_ONLY)
        port = await self._passive_port()
        try:
            async with asyncio.timeout(seconds):
                return await connected(receives=receives, host=host, port=port)
        except OSError as error:
            self._learnt.discard(PASV_ONLY)
            raise self._unanswered(port, error) from None

    def _unanswered(self, port: int, error: OSError) -> TransientError:
        self._broken = True
        return TransientError(
            "FILES_TIMEOUT" if isinstance(error, TimeoutError) else "FILES_LOST",
            f"{self._server.where}: its port {port} for data does not answer ({type(error).__name__}); open its "
            "passive ports in the firewall, or switch active mode on",
        )

    async def _listening(self, *, receives: bool) -> Channel:
        """Listens for the server (active mode); connections from other addresses are refused."""
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
                    return await connected(receives=receives, sock=connection)
                connection.close()

        return Channel(accepted, listener.close)

    @contextlib.asynccontextmanager
    async def _transfer(self, verb: str, path: str | None, *, sends: bool) -> AsyncIterator[Streams]:
        """Opens a data connection for one command; a normal exit waits until the server confirms the end."""
        channel = await self._data(receives=not sends)
        writer: asyncio.StreamWriter | Receiver | None = None
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
            if not 200 <= reply.code < 300:
                raise self._refusal(reply, path or "")
        except (ConnectorError, GeneratorExit) as error:
            if writer is not None and not done:
                done = await self._ended_early(writer, error, path)
            raise
        finally:
            channel.close()
            if writer is not None:
                writer.close()
            if not done:
                self._broken = True

    async def _ended_early(
        self, writer: asyncio.StreamWriter | Receiver, error: BaseException, path: str | None
    ) -> bool:
        """Cuts a transfer; returns whether the session is in order: whoever sends or takes the data gave up, not it.

        Raises:
            ConnectorError: Why the server cut it, such as for a full disk, if it says so in a moment.
        """
        was_lost = isinstance(error, ConnectorError) and error.code == "FILES_LOST"
        if self._broken and not was_lost:
            return False
        writer.transport.abort()
        try:
            async with asyncio.timeout(min(2.0, self._server.timeout)):
                reply = await self._reply()
        except (TimeoutError, ConnectorError):
            return False
        if was_lost and reply.code >= 400:
            raise self._refusal(reply, path or "")
        return not was_lost

    async def _explained(self, error: ConnectorError, path: str | None) -> ConnectorError:
        """Finds the reason of a refusal without one (vsftpd's 550): often the path does not exist."""
        if error.code == "FILES_REFUSED" and path and await self.stat(path) is None:
            return not_found(path, self._server.where)
        return error

    async def _quietly(self, writer: asyncio.StreamWriter | Receiver) -> None:
        """Waits for the end of a connection; the server's answer on the control connection is what counts."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(5.0, self._server.timeout)):
                await writer.wait_closed()

    # Operations

    async def entries(self, path: str) -> AsyncIterator[Entry]:
        """See `Session.entries`."""
        if self._has_mlsd:
            try:
                async with contextlib.aclosing(self._lines("MLSD", path)) as lines:
                    async for line in lines:
                        if (entry := mlsd(line)) is not None:
                            yield self._named(entry, path)
            except ConnectorError as error:
                if error.code != "FILES_UNSUPPORTED":
                    raise
                self._has_mlsd = False  # it was announced only
            else:
                return
        async with contextlib.aclosing(self._listed(path)) as entries:
            async for entry in entries:
                yield self._named(entry, path)

    async def _listed(self, path: str) -> AsyncGenerator[Entry, None]:
        """Lists by LIST, which takes blanks and brackets for several names or patterns, so enters the folder first."""
        now = datetime.now(UTC)
        found, unknown = 0, False
        if path:
            try:
                await self._do("CWD", path)
            except ConnectorError as error:
                raise await self._explained(error, path) from None
        try:
            async with contextlib.aclosing(self._lines("LIST", None)) as lines:
                async for line in lines:
                    if (entry := listed(line, now)) is not None:
                        found += 1
                        yield entry
                    elif not found and not unknown:
                        unknown = is_unknown(line)
        finally:
            if path and not self._broken:
                await self._go_home(path)
        if unknown and not found:
            raise PermanentError(
                "FILES_UNSUPPORTED",
                f"{self._server.where}: lists its files in a form that is not understood; have the server offer MLSD, "
                "or name the files without listing them",
            )

    def _named(self, entry: Entry, path: str) -> Entry:
        """Returns an entry under its bare name; some servers list whole paths."""
        folder, slash, name = entry.name.rpartition("/")
        places = {".", path.rstrip("/"), f"./{path}", f"{self._home.rstrip('/')}/{path}".rstrip("/")}
        return replace(entry, name=name) if slash and folder in places else entry

    async def _lines(self, verb: str, path: str | None) -> AsyncGenerator[str, None]:
        async with self._transfer(verb, path, sends=False) as (reader, _):
            rest = b""
            while data := await self._patiently(reader.read(PIECE)):
                *lines, rest = (rest + data).split(b"\n")
                if any(len(line) > PIECE for line in (*lines, rest)):
                    raise PermanentError(
                        "FILES_PROTOCOL",
                        f"{self._server.where}: lists its files in lines without an end, which no name has",
                    )
                for line in lines:
                    yield self._decoded(line)
            if rest:
                yield self._decoded(rest)

    def _decoded(self, line: bytes) -> str:
        try:
            text = line.decode(self._encoding)
        except UnicodeDecodeError:
            text = text_of(line, "latin-1" if self._guess else self._encoding)
        return text.rstrip("\r\n")

    real_base: tuple[str, str] | None = None
    """See `Session.real_base`; it stays None."""

    async def real(self, path: str) -> None:
        """See `Session.real`; FTP has no such command."""

    async def stat(self, path: str) -> Entry | None:
        """See `Session.stat`."""
        name = path.rpartition("/")[2]
        if self._has_mlst:
            reply = await self.command("MLST", self._argument(path))
            if reply.code == 250:
                # The facts stand in a line of their own; some servers begin the answer with them.
                line = next(
                    (line for line in reply.lines if _FACTS.match(line)), reply.lines[min(1, len(reply.lines) - 1)]
                )
                entry = mlsd(re.sub(r"type=[cp]dir", "type=dir", line.lstrip(), flags=re.IGNORECASE))
                return replace(entry, name=name) if entry else None
            if reply.code not in _UNKNOWN:
                return self._nothing(reply, path)
            self._has_mlst = False
        reply = await self.command("SIZE", self._argument(path))
        if reply.code == 213:
            size = size_of(reply.text.strip())
            time = await self.command("MDTM", self._argument(path))
            return Entry(name, "file", size, timestamp(time.text) if time.code == 213 else None)
        if not path or (await self.command("CWD", self._argument(path))).code == 250:
            if path:
                await self._go_home(path)
            return Entry(name, "folder")
        if reply.code in _UNKNOWN:  # only a listing tells
            found = [entry async for entry in self.entries(split(path)[0]) if entry.name == name]
            return found[0] if found else None
        return self._nothing(reply, path)

    def _nothing(self, reply: Reply, path: str) -> Entry | None:
        """Returns None if a refusal means that nothing is there; raises the refusal otherwise."""
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
            assert isinstance(writer, asyncio.StreamWriter)  # noqa: S101 - only RETR has another
            async for data in pieces:
                await self._patiently(self._send(data, writer))
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
        reply = await self.command("SITE", f"CPTO {self._argument(target)}", patience=COPYING)
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
