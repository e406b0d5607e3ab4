"""Receive IMAP's responses for one connection, in place of aioimaplib's own receiving side.

Only this module and `mail.imap` import aioimaplib, which is GPL-3.0-only: it comes with the extra `imap`, the rest of
this package stays Apache-2.0, and another client could take their place. The library's command and state handling is
used; its receiving side is replaced, because (each has a test):

- it recurses once per line, so that a thousand lines in one read end the connection while the caller hangs;
- a lost connection fails nothing: commands wait for their time limit, IDLE for 29 minutes;
- a command that timed out stays registered and swallows the next answer (here the connection is closed instead);
- a refused XOAUTH2 is never answered and times out, and so does a greeting of BYE;
- capabilities are not requested again after the login, and STARTTLS is missing;
- `* ` inside a line is deleted from it, user and folder names are not quoted, and folder names not encoded;
- every byte received and the password sent are formatted for a debug log.
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aioimaplib import aioimaplib

from zeebe_connectors import TransientError
from zeebe_connectors.mail.greetings import TLS_RECORDS, other_protocol
from zeebe_connectors.net import custody

MAX_LITERAL = 256 * 1024 * 1024
MAX_LINE = 16 * 1024 * 1024

LITERAL = re.compile(rb"\{(\d{1,12})\+?\}$")
_GREETED = re.compile(rb"\*\s+(OK|PREAUTH)\b", re.IGNORECASE)
_PUSHED = re.compile(rb"(\d{1,20})\s+(EXISTS|RECENT|EXPUNGE)", re.IGNORECASE)


_AFTER_LITERAL = re.compile(rb"\s|\)|$|(?:UID|FLAGS|BODY|RFC822|INTERNALDATE|ENVELOPE|MODSEQ|X-)", re.IGNORECASE)
"""What may stand behind a literal; some servers leave out the blank before the next item."""
_VALIDITY = re.compile(rb"OK +\[UIDVALIDITY +(\d{1,20})\]", re.IGNORECASE)


class ConnectionLost(TransientError):  # noqa: N818 - a state of the session
    """The connection is gone, or the server does not answer on it."""

    def __init__(self, message: str) -> None:
        super().__init__("IMAP_CONNECTION_LOST", message)


class Protocol(aioimaplib.IMAP4ClientProtocol):  # type: ignore[misc]
    """Parses responses without recursion, and ends every wait when the connection ends."""

    pending_sync_command: Any

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.greeting: asyncio.Future[bytes] = loop.create_future()
        self.untagged: list[list[bytes]] = []
        self.pushed = asyncio.Event()
        self.exists = 0
        self.lost: ConnectionLost | None = None
        self.limit: tuple[asyncio.Timeout, float, float] | None = None
        self.answers: list[Callable[[bytes], bytes]] = []
        """Functions that answer the next challenges of AUTHENTICATE, each from its challenge."""
        self.literals: list[bytes] = []
        self.refusal = b""
        self._buffer = bytearray()
        self._scanned = 0
        self._fragments: list[bytes] = []
        self._missing: int | None = None
        self._plain_ends = False
        self.validity: int | None = None
        """The UIDVALIDITY of the selected folder."""
        self.injected = False
        """Whether something came after the answer to STARTTLS and before TLS began."""

    def before_tls(self) -> None:
        """Notes that nothing may arrive unencrypted after the next tagged answer."""
        self._plain_ends = True

    def begin_tls(self) -> None:
        """Forgets everything that arrived unencrypted: anybody may have sent it (RFC 3501, 6.2.1)."""
        self._plain_ends = False
        self._buffer.clear()
        self._fragments, self._missing, self._scanned = [], None, 0
        self.untagged.clear()
        self.pushed.clear()
        self.exists = 0
        self.capabilities: set[str] = set()
        self.state = aioimaplib.NONAUTH

    def send(self, line: str, scrub: str | None = None) -> None:  # noqa: ARG002 - the library's signature
        """Sends a line; nothing of it goes to a log.

        Raises:
            ConnectionLost: The connection has ended; nobody would end the wait for an answer any more.
        """
        if self.lost is not None:
            raise self.lost
        self.transport.write(f"{line}\r\n".encode(errors="surrogateescape"))

    def data_received(self, data: bytes) -> None:
        """Splits the received bytes into complete responses."""
        if self.limit is not None:
            timeout, latest, patience = self.limit
            timeout.reschedule(min(self.loop.time() + patience, latest))
        _acknowledge(self.transport)
        if self._plain_ends and self.pending_sync_command is None:
            self.injected = True
            return
        self._buffer += data
        if not self.greeting.done() and self._buffer.startswith(TLS_RECORDS):
            self.fail(str(other_protocol(bytes(self._buffer[:2]), "IMAP")))
            self.transport.abort()
            return
        try:
            while (response := self._next()) is not None:
                self._dispatch(response)
                if self._plain_ends and self.pending_sync_command is None:
                    self.injected = bool(self._buffer)
                    return
        except (aioimaplib.AioImapException, ValueError, KeyError) as error:
            self.fail(f"the server breaks the protocol: {error}")
            self.transport.abort()

    def _next(self) -> list[bytes] | None:
        """Returns one response: its lines, with each literal between two of them; None while it is incomplete."""
        while True:
            if self._missing is not None:
                if len(self._buffer) < self._missing:
                    return None
                self._take(self._missing, skip=0)
                self._missing = None
                continue
            end = self._buffer.find(b"\n", self._scanned)  # some servers end lines with LF alone
            if end < 0:
                if len(self._buffer) > MAX_LINE:
                    raise ValueError(f"a line of more than {MAX_LINE} bytes")
                self._scanned = len(self._buffer)
                return None
            self._take(end, skip=1)
            self._fragments[-1] = self._fragments[-1].removesuffix(b"\r")
            if len(self._fragments) > 1 and not _AFTER_LITERAL.match(self._fragments[-1]):
                raise ValueError(f"its literal of {len(self._fragments[-2])} bytes goes on behind them")
            literal = LITERAL.search(self._fragments[-1])
            if literal and not self._fragments[0].startswith(b"+"):
                self._missing = int(literal[1])
                if self._missing > MAX_LITERAL:
                    raise ValueError(f"a literal of {self._missing} bytes")
                continue
            response, self._fragments = self._fragments, []
            return response

    def _take(self, length: int, *, skip: int) -> None:
        with memoryview(self._buffer) as view:
            self._fragments.append(bytes(view[:length]))
        del self._buffer[: length + skip]
        self._scanned = 0

    def _dispatch(self, response: list[bytes]) -> None:
        line = response[0]
        if not self.greeting.done():
            if line.strip():
                self._greet(line)
        elif line.startswith(b"+"):
            self._continue(line)
        elif line.startswith(b"* "):
            response[0] = line[2:].lstrip(b" ")
            if response[0] or len(response) > 1:
                self._untagged(response)
        elif line.strip(b"* "):
            tag, *rest = line.split(maxsplit=2)
            tag = tag.upper()
            if not any(command.tag.encode() == tag for command in self._pending()):
                raise ValueError("it answers what nobody asked")
            self._response_done(b" ".join([tag, *rest]))

    def _pending(self) -> list[Any]:
        """Returns the commands that wait for their answers."""
        return [*filter(None, [self.pending_sync_command]), *self.pending_async_commands.values()]

    def _greet(self, line: bytes) -> None:
        if greeted := _GREETED.match(line):
            self.state = aioimaplib.NONAUTH if greeted[1].upper() == b"OK" else aioimaplib.AUTH
            self.greeting.set_result(line)
        else:
            text = custody.clipped(line.decode("utf-8", "replace"), 200)
            why = other_protocol(line, "IMAP")
            reason = f"{why} (it said: {text})" if why else f"the server turned the connection away: {text}"
            self.greeting.set_exception(ConnectionLost(reason))

    def _untagged(self, response: list[bytes]) -> None:
        line = response[0]
        if pushed := _PUSHED.match(line):
            self._push(pushed[2].upper(), int(pushed[1]))
        pending = self.pending_sync_command.name if self.pending_sync_command is not None else ""
        validity = _VALIDITY.match(line) if self.validity and pending not in {"SELECT", "EXAMINE"} else None
        if validity and int(validity[1]) != self.validity:  # the UIDs that we know are other mails' now
            self.fail("the server numbered the folder's mails anew; they are read by their new numbers")
            self.transport.abort()
            return
        if line[:3].upper() == b"BYE" and pending != "LOGOUT":
            self.fail(f"the server ended the session: {custody.clipped(line.decode('utf-8', 'replace'), 200)}")
            self.transport.close()
        elif self.pending_sync_command is not None or self.pending_async_commands:
            self.untagged.append(response)

    def _push(self, what: bytes, number: int) -> None:
        """Notes a change: in IDLE any change, otherwise only new messages, which must be found before the next IDLE."""
        idling = self.has_pending_idle_command()
        if what == b"EXISTS":
            if idling or number > self.exists:
                self.pushed.set()
            self.exists = number
        elif what == b"EXPUNGE":
            self.exists = max(0, self.exists - 1)
        if idling:
            self.pushed.set()

    def _continue(self, line: bytes) -> None:
        command = self.pending_sync_command
        if self.literals:
            self.transport.write(self.literals.pop(0))
        elif command is None or command.name != "AUTHENTICATE":
            super()._continuation(line)
        elif self.answers:
            self.transport.write(base64.b64encode(self.answers.pop(0)(_decoded(line))) + b"\r\n")
        else:  # the reason of a refusal; the empty answer lets the server say NO
            self.refusal = _decoded(line)
            self.transport.write(b"\r\n")

    def fail(self, reason: str) -> None:
        """Ends every wait with `ConnectionLost`."""
        self.lost = self.lost or ConnectionLost(reason)
        for command in self._pending():
            command._exception = self.lost  # noqa: SLF001 - the library's only way to end a command from outside
            command._event.set()  # noqa: SLF001
        self.pending_async_commands.clear()
        self.pending_sync_command = None
        self.pushed.set()
        if not self.greeting.done():
            self.greeting.set_exception(self.lost)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends every wait."""
        if self.state != aioimaplib.LOGOUT:
            self.fail(f"the connection was lost{f': {exc}' if exc else ''}")


def _decoded(line: bytes) -> bytes:
    """Returns the challenge of a continuation; empty when it is not base64."""
    try:
        return base64.b64decode(line[1:].strip())
    except ValueError:
        return b""


def abort(protocol: Protocol) -> None:
    """Ends the connection at once; every later command raises `ConnectionLost`."""
    if protocol.lost is None:
        protocol.lost = ConnectionLost("the connection was closed")
    if protocol.transport is not None:
        protocol.transport.abort()


def _acknowledge(transport: Any) -> None:
    """Acknowledges received data at once: many servers send an answer's next piece only once the last is acknowledged.

    The kernel would delay the acknowledgement by 40 ms for each command, and forgets the option each time.
    """
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is not None:
        with suppress(OSError, AttributeError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def keep_alive(transport: Any) -> None:
    """Lets the kernel find half-open connections while nothing is sent."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError, AttributeError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
