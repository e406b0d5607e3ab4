"""Speak on an FTP server's control connection: greeting, TLS by AUTH, login, commands and their answers."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable
from typing import TypeVar

from zeebe_connectors import ConnectorError, PermanentError
from zeebe_connectors.connectors.files.ftp_replies import (
    Reply,
    extended_port,
    home_of,
    is_crowded,
    passive_port,
    plain_argument,
    refusal,
    tls_failure,
)
from zeebe_connectors.connectors.files.names import bytes_of, text_of
from zeebe_connectors.connectors.files.session import Server, lost, timed_out
from zeebe_connectors.net.connect import write

_MAX_REPLY_LINES = 1000
PASV_ONLY = "PASV only"
"""Is learnt of a server that has no EPSV, and of one whose ports of EPSV no firewall lets through."""
ResultT = TypeVar("ResultT")


class FtpControl:
    """One control connection, and what the server said of itself.

    Args:
        server: The server.
        reader: Where its answers arrive.
        writer: Where commands go.
        learnt: What all sessions with this server have learnt of it.
    """

    def __init__(
        self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, learnt: set[str]
    ) -> None:
        self._server = server
        self._learnt = learnt
        self._reader = reader
        self._writer = writer
        self._tls: ssl.SSLContext | None = None
        self._features: set[str] = set()
        self._encoding = server.encoding or "utf-8"
        self._guess = not server.encoding
        self._has_mlst = self._has_mlsd = False
        self._home = ""
        self._broken = False

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
        if reply.code not in {202, 230, 232}:
            if reply.code in {421, 450, 451} or is_crowded(reply):
                raise self._refusal(reply)
            raise PermanentError(
                "FILES_AUTH_FAILED",
                f"{self._server.where}: refuses the login ({reply.code}); check authentication.username and password, "
                "and whether the server wants TLS (ftpes)",
            )
        reply = await self.command("FEAT")
        if reply.code == 211:
            self._features = {line.strip().upper() for line in reply.lines[1:-1]}
        self._has_mlst = any(feature.startswith("MLST") for feature in self._features)
        self._has_mlsd = self._has_mlst or any(feature.startswith("MLSD") for feature in self._features)
        if "UTF8" in self._features and not self._server.encoding:
            await self.command("OPTS UTF8 ON")
            self._guess = False
        await self._expect("TYPE I", {200})
        self._home = home_of(await self.command("PWD"))

    async def _go_home(self, path: str) -> None:
        """Leaves a folder that was entered; relative paths begin at the home."""
        steps = [f"CWD {self._home}"] if self._home else ["CDUP"] * len(path.strip("/").split("/"))
        for step in steps:
            if (await self.command(*step.split(" ", 1))).code >= 300:
                self._broken = True  # nobody knows where it is: the next job has another session
                return

    async def _extended_port(self) -> int | None:
        """Returns the port that EPSV names; None where PASV is to be used."""
        if PASV_ONLY in self._learnt:
            return None
        port = extended_port(await self.command("EPSV"))
        if port is None:
            self._learnt.add(PASV_ONLY)
        return port

    async def _passive_port(self) -> int:
        """Returns the port that PASV names; the address is the control connection's, whatever the server says."""
        reply = await self.command("PASV")
        if (port := passive_port(reply)) is None:
            raise self._refusal(reply)
        return port

    async def command(self, verb: str, argument: str = "", *, patience: float | None = None) -> Reply:
        """Sends one command and reads the answer.

        Args:
            verb: The command.
            argument: Its argument.
            patience: Seconds that the answer may take; None for the server's usual ones.

        Raises:
            TransientError: `FILES_LOST` or `FILES_TIMEOUT`; the session is of no use then.
        """
        line = f"{verb} {argument}" if argument else verb
        data = bytes_of(line, self._encoding)
        await self._patiently(self._send(data.replace(b"\xff", b"\xff\xff") + b"\r\n", self._writer))
        return await self._reply(patience)

    async def _reply(self, patience: float | None = None) -> Reply:
        lines: list[str] = []
        code = ""
        while True:
            line = await self._line(patience)
            if not code:
                if not re.match(r"\d{3}[ -]", line) and not re.fullmatch(r"\d{3}", line):
                    raise self._no_ftp(line)
                code = line[:3]
            # A line such as `2200 users` in a greeting of 220 is neither.
            is_coded = line.startswith(code) and line[3:4] in {"", " ", "-"}
            lines.append(line[4:] if is_coded else line)
            if is_coded and line[3:4] != "-":
                return Reply(int(code), lines)
            if len(lines) > _MAX_REPLY_LINES:
                raise self._no_ftp("")

    async def _line(self, patience: float | None) -> str:
        try:
            data = await self._patiently(self._reader.readuntil(b"\n"), patience)
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

    async def _send(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        write(writer, data)
        await writer.drain()

    async def _patiently(self, waiting: Awaitable[ResultT], patience: float | None = None) -> ResultT:
        """Waits for at most the server's time; a session that had to wait too long, or broke, is not used again."""
        seconds = patience or self._server.timeout
        try:
            async with asyncio.timeout(seconds):
                return await waiting
        except TimeoutError:
            self._broken = True
            raise timed_out(self._server.where, seconds) from None
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
        """Sends a command about a path; it must succeed."""
        reply = await self.command(verb, self._argument(path))
        if reply.code >= 300 and not (verb == "RNFR" and reply.code == 350):
            raise self._refusal(reply, path)
        return reply

    def _argument(self, path: str) -> str:
        """Writes a path so that no server takes it for an option, a home (`~$a.docx`), nothing or a path elsewhere."""
        if not path:
            return self._home or "."
        return f"./{path}" if path.startswith(("-", "~", " ")) else path

    def _refusal(self, reply: Reply, path: str = "") -> ConnectorError:
        if reply.code in {421, 425, 426}:
            self._broken = True
        return refusal(reply, path, self._server.where)

    @property
    def usable(self) -> bool:
        """Whether another job may use it: nothing is pending and nothing broke."""
        return not (self._broken or self._reader.at_eof() or self._buffered() or self._writer.is_closing())

    def _buffered(self) -> bool:
        return bool(self._reader._buffer)  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio offers no other look
