"""Users go in, a real mail server on loopback comes out: SMTP, IMAP and POP3, and the mails as they arrived."""

import asyncio
import imaplib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, Self

from rich.console import Console

from zeebe_connectors.engine.artifacts import GREENMAIL, cache_directory, obtain
from zeebe_connectors.engine.errors import EngineError
from zeebe_connectors.engine.java import Java
from zeebe_connectors.engine.process import LOOPBACK, free_ports
from zeebe_connectors.engine.server import LocalServer, State

_TIMEOUT = 30.0
_PROTOCOLS = ("smtp", "imap", "pop3", "smtps", "imaps", "pop3s")

_JAVA_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xms16m",
    "-Xmx256m",
    "-XX:-UsePerfData",
    "-Dfile.encoding=UTF-8",
)


@dataclass(frozen=True, slots=True)
class MailPorts:
    """The ports of loopback that the mail server listens on.

    Attributes:
        smtp: SMTP without TLS.
        imap: IMAP without TLS.
        pop3: POP3 without TLS.
        smtps: SMTP inside TLS.
        imaps: IMAP inside TLS.
        pop3s: POP3 inside TLS.
        api: HTTP: the server's own API and a page about it.
    """

    smtp: int
    imap: int
    pop3: int
    smtps: int
    imaps: int
    pop3s: int
    api: int

    @classmethod
    def free(cls) -> Self:
        """Choose ports that are free now."""
        return cls(*free_ports(7))

    @classmethod
    def usual(cls) -> Self:
        """The ports that developers know this server by: the protocols' own plus 3000, and 8025 for the API."""
        return cls(smtp=3025, imap=3143, pop3=3110, smtps=3465, imaps=3993, pop3s=3995, api=8025)


class LocalMail(LocalServer[MailPorts]):
    """A mail server that belongs to this process, ends with it, and keeps its mails in memory.

        async with LocalMail() as mail:
            ...  # send to alice@example.test at 127.0.0.1, mail.smtp_port
            for message in await mail.messages("alice@example.test"):
                print(message["Subject"])

    An address gets its mailbox with its first mail. No TLS by STARTTLS: GreenMail has none.

    Args:
        directory: Where log and state are kept. None: a new one, deleted at the end.
        users: Address to password: only these may log in. None: every address may, with any password.
        ports: Where to listen. None: as at the last start in this directory, else free ones.
        keystore: PKCS#12 file with certificate and key for the ports with TLS; by default a self-signed one.
        keystore_password: Its password.
        start_timeout: Seconds until a start counts as failed.
        console: Where the progress of the first download is shown; standard error by default.
    """

    NAME = "GreenMail"
    STATE = "mail.json"
    LOGS = ("java.log",)
    PORTS = MailPorts

    def __init__(
        self,
        directory: Path | None = None,
        *,
        users: Mapping[str, str] | None = None,
        ports: MailPorts | None = None,
        keystore: Path | None = None,
        keystore_password: str = "",
        start_timeout: float = 60.0,
        console: Console | None = None,
    ) -> None:
        for address, password in (users or {}).items():
            # The server takes them in one setting: login:password@domain,login:password@domain
            if not re.fullmatch(r"[^\s,:@]+@[^\s,:@]+", address) or not re.fullmatch(r"[^\s,:@]+", password):
                raise ValueError(f"users: {address!r} or its password is empty or holds a space, comma, colon or @.")
        super().__init__(directory, ports, start_timeout=start_timeout, console=console)
        self.users = dict(users) if users is not None else None
        self._keystore = (keystore, keystore_password) if keystore else None

    @property
    def host(self) -> str:
        """Where all its ports are."""
        return LOOPBACK

    @property
    def smtp_port(self) -> int:
        """SMTP without TLS."""
        return self.ports.smtp

    @property
    def imap_port(self) -> int:
        """IMAP without TLS."""
        return self.ports.imap

    @property
    def pop3_port(self) -> int:
        """POP3 without TLS."""
        return self.ports.pop3

    @property
    def api_port(self) -> int:
        """HTTP: the server's own API, and at `/` a page about it."""
        return self.ports.api

    async def raw_messages(self, user: str, *, folder: str = "INBOX") -> list[bytes]:
        """Fetch the mails of a mailbox over IMAP, the oldest first, without marking them as read.

        The bytes are those that arrived, behind the `Return-Path` and `Received` that the server put before them.

        Args:
            user: Address.
            folder: Name of a folder as IMAP writes it.

        Raises:
            EngineError: The server refuses the login or the folder.
        """
        password = (self.users or {}).get(user, user)  # the server's own choice for an address that it was not told
        return await asyncio.to_thread(fetch_mails, self.ports.imap, user, password, folder)

    async def messages(self, user: str, *, folder: str = "INBOX") -> list[EmailMessage]:
        """Fetch the mails of a mailbox, parsed; see `raw_messages`."""
        return [parse(raw) for raw in await self.raw_messages(user, folder=folder)]

    async def expect(self, user: str, count: int = 1, *, seconds: float = 30.0) -> list[EmailMessage]:
        """Wait until a mailbox holds at least so many mails, and return them.

        Raises:
            TimeoutError: They did not come.
        """
        deadline = time.monotonic() + seconds
        while len(found := await self.messages(user)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{user} has {len(found)} of {count} mails after {seconds:.0f} s.")
            await asyncio.sleep(0.05)
        return found

    async def addresses(self) -> list[str]:
        """List the addresses that have a mailbox."""
        return await list_addresses(self.ports.api)

    async def clear(self) -> None:
        """Delete all mails of all mailboxes."""
        await _call(self.ports.api, "POST", "/api/mail/purge")

    def _obtain(self) -> Path:
        return obtain(GREENMAIL, console=self._console)

    def _free_ports(self) -> MailPorts:
        return MailPorts.free()

    def _command(self, artifact: Path, java: Java) -> Sequence[str]:  # noqa: ARG002 - any Java runs it the same way
        options = [*_JAVA_OPTIONS, "-Dgreenmail.startup.timeout=60000"]
        for name in (*_PROTOCOLS, "api"):
            options += [
                f"-Dgreenmail.{name}.hostname={LOOPBACK}",
                f"-Dgreenmail.{name}.port={getattr(self.ports, name)}",
            ]
        if self.users is None:
            options.append("-Dgreenmail.auth.disabled")
        else:
            logins = ((*address.split("@"), password) for address, password in self.users.items())
            options.append(
                "-Dgreenmail.users=" + ",".join(f"{local}:{word}@{domain}" for local, domain, word in logins)
            )
            options.append("-Dgreenmail.users.login=email")
        if self._keystore:
            file, password = self._keystore
            options += [f"-Dgreenmail.tls.keystore.file={file}", f"-Dgreenmail.tls.keystore.password={password}"]
        return [*options, "-jar", str(artifact)]

    async def _ready(self) -> bool:
        try:
            await _call(self.ports.api, "GET", "/api/service/readiness")
        except EngineError:
            return False
        return True


def mail_directory() -> Path:
    """Where `zeebe-connectors engine start --mail` keeps the state of its mail server."""
    return cache_directory() / "mail"


def running_ports(directory: Path) -> MailPorts | None:
    """Return the ports of the mail server in a directory, whoever started it; None when none runs."""
    state = State.read(directory / LocalMail.STATE)
    return MailPorts(**state.ports) if state is not None and state.running else None


async def list_addresses(api_port: int) -> list[str]:
    """List the addresses that have a mailbox on the mail server whose API listens there."""
    users = await _call(api_port, "GET", "/api/user")
    return sorted(user["email"] for user in users)


def fetch_mails(imap_port: int, user: str, password: str, folder: str = "INBOX") -> list[bytes]:
    """Fetch all mails of a mailbox on loopback, the oldest first, without marking them as read; it blocks.

    Raises:
        EngineError: The server is gone, or refuses the login or the folder.
    """
    try:
        with imaplib.IMAP4(LOOPBACK, imap_port, timeout=_TIMEOUT) as client:
            client.login(user, password)
            kind, answer = client.select(f'"{folder}"', readonly=True)
            if kind != "OK":
                raise EngineError(f"The mail server has no folder {folder!r} for {user}: {answer[0]!r}.")
            _, parts = client.uid("FETCH", "1:*", "(BODY.PEEK[])")
    except (imaplib.IMAP4.error, OSError) as error:
        raise EngineError(f"The mails of {user} could not be fetched from port {imap_port}: {error}.") from error
    return [part[1] for part in parts if isinstance(part, tuple)]


def parse(raw: bytes) -> EmailMessage:
    """Parse a mail by today's rules: decoded headers, `get_body`, `iter_attachments`."""
    return message_from_bytes(raw, policy=default)


async def _call(port: int, method: str, path: str) -> Any:
    import httpx  # noqa: PLC0415 - belongs to an optional extra

    try:
        async with httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", trust_env=False, timeout=_TIMEOUT) as client:
            response = await client.request(method, path)
            return response.raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise EngineError(f"The mail server does not answer {method} {path} on port {port}: {error}.") from error
