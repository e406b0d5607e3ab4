"""Serve mailboxes on loopback over SMTP, IMAP and POP3, for tests, `dev` and `demo`.

    async with MailServer() as mail:
        ...  # what is tested sends to ann@example.test at mail.smtp_port
        (message,) = await mail.expect("ann@example.test")
        assert message["Subject"] == "Order 1"

Mails are in memory and lost with the server. `python -m zeebe_connectors.testing.servers.mail` runs it on its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import ssl
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import formatdate
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from zeebe_connectors.testing.servers.http import HttpServer, Reply, Seen
from zeebe_connectors.testing.servers.imap import ImapServer
from zeebe_connectors.testing.servers.listener import LOOPBACK
from zeebe_connectors.testing.servers.mailboxes import Mailboxes
from zeebe_connectors.testing.servers.pop3 import Pop3Server
from zeebe_connectors.testing.servers.smtp import Received, SmtpServer


@dataclass(frozen=True, slots=True)
class MailPorts:
    """The ports of loopback that a mail server listens on; 0 picks a free one.

    Attributes:
        smtp: SMTP without TLS at first.
        imap: IMAP without TLS at first.
        pop3: POP3 without TLS at first.
        api: HTTP: `/mailboxes` lists the addresses, `/mailboxes/ADDRESS` an address's mails.
    """

    smtp: int = 0
    imap: int = 0
    pop3: int = 0
    api: int = 0

    @classmethod
    def usual(cls) -> Self:
        """Return the ports used in the examples: the protocols' own plus 3000, and 8025 for HTTP."""
        return cls(smtp=3025, imap=3143, pop3=3110, api=8025)


class MailServer:
    """SMTP, IMAP and POP3 on one set of mailboxes. Using an address for the first time creates its mailbox.

    Args:
        users: Passwords by address: only these may log in. None lets every address log in, with any password.
        ports: Where to listen.
        tls: Context of the server: offered as STARTTLS and STLS.
        host: Address to listen on; anything but loopback is for a container.

    Attributes:
        mailboxes: The mails.
        smtp: The SMTP server, which records and can be told to misbehave.
        imap: The IMAP server, likewise.
        pop3: The POP3 server, likewise.
        host: Where all ports are.
    """

    def __init__(
        self,
        *,
        users: Mapping[str, str] | None = None,
        ports: MailPorts | None = None,
        tls: ssl.SSLContext | None = None,
        host: str = LOOPBACK,
    ) -> None:
        self._ports = ports or MailPorts()
        self.host = host
        self.mailboxes = Mailboxes(dict(users) if users is not None else None)
        self.smtp = SmtpServer(
            tls=tls,
            users=dict(users) if users is not None else None,
            anyone=users is None,
            mechanisms=("PLAIN", "LOGIN"),
            deliver=self._deliver,
        )
        self.imap = ImapServer(tls=tls, mailboxes=self.mailboxes)
        self.imap.separator = "."
        self.pop3 = Pop3Server(tls=tls, mailboxes=self.mailboxes)
        if tls is not None:
            self.imap.capabilities += " STARTTLS"
            self.pop3.capabilities.append("STLS")
        self._api = HttpServer()
        self._api.answer("*", self._answer)

    @property
    def smtp_port(self) -> int:
        """Where SMTP is."""
        return self.smtp.port

    @property
    def imap_port(self) -> int:
        """Where IMAP is."""
        return self.imap.port

    @property
    def pop3_port(self) -> int:
        """Where POP3 is."""
        return self.pop3.port

    @property
    def ports(self) -> MailPorts:
        """Where it listens."""
        return MailPorts(self.smtp.port, self.imap.port, self.pop3.port, self._api.port)

    async def start(self) -> None:
        """Listen, after a stop on the same ports as before.

        Raises:
            OSError: A port is taken.
        """
        try:
            await self.smtp.start(self._ports.smtp, self.host)
            await self.imap.start(self._ports.imap, self.host)
            await self.pop3.start(self._ports.pop3, self.host)
            await self._api.start(self._ports.api, self.host)
        except OSError:
            await self.stop()
            raise
        self._ports = self.ports

    async def stop(self) -> None:
        """Close the ports and cut every connection; the mails stay."""
        await self.smtp.stop()
        await self.imap.stop()
        await self.pop3.stop()
        await self._api.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def addresses(self) -> list[str]:
        """List the addresses that have a mailbox."""
        return list(self.mailboxes)

    def raw_messages(self, address: str, *, folder: str = "INBOX") -> list[bytes]:
        """Return the mails of a mailbox, the oldest first, without marking them as read.

        The bytes are as received, after this server's `Return-Path` and `Received`.

        Args:
            address: The mailbox's address.
            folder: Name of the folder in IMAP's encoding.

        Raises:
            KeyError: There is no such folder.
        """
        folders = self.mailboxes.of(address).folders
        if folder not in folders:
            raise KeyError(f"{address} has no folder {folder!r}, only {', '.join(sorted(folders))}")
        return [message.raw for message in list(folders[folder].messages)]

    def messages(self, address: str, *, folder: str = "INBOX") -> list[EmailMessage]:
        """Return the mails of a mailbox, parsed; see `raw_messages`."""
        return [parse(raw) for raw in self.raw_messages(address, folder=folder)]

    async def expect(self, address: str, count: int = 1, *, seconds: float = 30.0) -> list[EmailMessage]:
        """Wait until a mailbox holds at least this many mails, and return them.

        Raises:
            TimeoutError: They did not arrive.
        """
        deadline = time.monotonic() + seconds
        while len(found := self.raw_messages(address)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{address} has {len(found)} of {count} mails after {seconds:.0f} s.")
            await asyncio.sleep(0.01)
        return [parse(raw) for raw in found]

    def clear(self) -> None:
        """Delete all mails of all mailboxes."""
        self.mailboxes.clear()

    def _deliver(self, mail: Received) -> None:
        trace = (
            f"Return-Path: <{mail.sender}>\r\n"
            f"Received: from client by smtp.test with ESMTP id {mail.session}; {formatdate(localtime=False)}\r\n"
        )
        # The last line end is required by the protocol and is not part of the mail.
        for address in dict.fromkeys(mail.to):
            self.mailboxes.deliver(address, trace.encode() + mail.data.removesuffix(b"\r\n"))

    def _answer(self, seen: Seen) -> Reply:
        place, _, address = seen.path.removeprefix("/").partition("/")
        if seen.method != "GET" or place != "mailboxes":
            return Reply.json({"error": "GET /mailboxes or /mailboxes/ADDRESS"}, status=404)
        if not address:
            return Reply.json({one: len(self.raw_messages(one)) for one in self.mailboxes})
        return Reply.json([raw.decode("utf-8", "surrogateescape") for raw in self.raw_messages(unquote(address))])


def parse(raw: bytes) -> EmailMessage:
    """Parse a mail with Python's modern API: decoded headers, `get_body`, `iter_attachments`."""
    return message_from_bytes(raw, policy=default)


async def serve(ports: MailPorts, host: str) -> None:
    """Run a mail server until SIGTERM or Ctrl+C; print one line that says where it listens."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with MailServer(ports=ports, host=host) as server:
        print("ready", json.dumps(asdict(server.ports)), flush=True)  # noqa: T201 - for the process that started it
        await stop.wait()


def main() -> None:
    """Run a mail server from the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name in MailPorts.__slots__:
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--host", default=LOOPBACK, help="anything but loopback is for a container")
    given = vars(parser.parse_args())
    host = given.pop("host")
    asyncio.run(serve(MailPorts(**given), host))


if __name__ == "__main__":
    main()
