"""Open FTP's data connections, which resume the TLS session of the control connection."""

from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from zeebe_connectors import InputError
from zeebe_connectors.connectors.files.session import PIECE
from zeebe_connectors.net.tls import checking

_HELD = 1024 * 1024
"""Bytes that the server may be ahead of whoever takes them."""


class Receiver(asyncio.BufferedProtocol):
    """Receives a file or a listing.

    TLS decrypts straight into its buffer, which `asyncio.StreamReader` would copy twice more. It has what a transfer
    uses of a `StreamReader` and a `StreamWriter`.
    """

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(_HELD))
        self._filled = 0
        self._error: Exception | None = None
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the standard library's own
        """See `asyncio.BufferedProtocol`; reading is paused when no room is left."""
        return self._buffer[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """See `asyncio.BufferedProtocol`."""
        self._filled += nbytes
        if self._filled == _HELD and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """See `asyncio.BufferedProtocol`."""
        self._ended = True
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self._ended, self._error = True, self._error or error
        if not self._closed.done():
            self._closed.set_result(None)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def read(self, _size: int = -1) -> bytes:
        """Returns what has arrived, as soon as there is anything; nothing at the end.

        Raises:
            OSError: The connection broke.
        """
        while not self._filled and not self._ended:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if not self._filled and self._error is not None:
            raise self._error
        data = bytes(self._buffer[: self._filled])
        was_full, self._filled = self._filled == _HELD, 0
        if was_full and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        return data

    async def start_tls(self, context: ssl.SSLContext, *, server_hostname: str, ssl_handshake_timeout: float) -> None:
        """See `asyncio.StreamWriter.start_tls`."""
        raw = self._transport
        assert raw is not None  # noqa: S101 - it is connected
        loop = asyncio.get_running_loop()
        if isinstance(loop, asyncio.BaseEventLoop):
            self._transport = await loop.start_tls(
                raw, self, context, server_hostname=server_hostname, ssl_handshake_timeout=ssl_handshake_timeout
            )
            return
        # uvloop's own TLS drops what it holds when the server ends while reading is paused; the standard library's
        # keeps it, and works on any transport.
        done = loop.create_future()
        tls = SSLProtocol(
            loop, self, context, done, server_hostname=server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,  # type: ignore[arg-type]  # seconds may be fractions
            call_connection_made=False,
        )  # fmt: skip
        raw.pause_reading()
        raw.set_protocol(tls)
        loop.call_soon(tls.connection_made, raw)
        loop.call_soon(raw.resume_reading)
        try:
            await done
        except BaseException:
            raw.close()
            raise
        self._transport = tls._app_transport  # noqa: SLF001 - as the loop's own method does

    async def drain(self) -> None:
        """See `asyncio.StreamWriter.drain`; nothing is sent."""

    @property
    def transport(self) -> asyncio.Transport:
        """See `asyncio.StreamWriter.transport`."""
        assert self._transport is not None  # noqa: S101 - it is connected
        return self._transport

    def close(self) -> None:
        """See `asyncio.StreamWriter.close`."""
        if self._transport is not None:
            self._transport.close()

    async def wait_closed(self) -> None:
        """See `asyncio.StreamWriter.wait_closed`."""
        await asyncio.shield(self._closed)


Streams = tuple[asyncio.StreamReader | Receiver, asyncio.StreamWriter | Receiver]
"""What reads and what writes."""


async def connected(*, receives: bool, **where: Any) -> Streams:
    """Connects a data connection.

    Args:
        receives: Whether the server sends; otherwise we do.
        where: `host` and `port`, or `sock`.
    """
    if not receives:
        return await asyncio.open_connection(limit=PIECE, **where)
    receiver = Receiver()
    await asyncio.get_running_loop().create_connection(lambda: receiver, **where)
    return receiver, receiver


@dataclass(frozen=True, slots=True)
class Channel:
    """A data connection that is being opened: what completes it, and what abandons it."""

    complete: Callable[[], Awaitable[Streams]]
    close: Callable[[], object]


class ResumingContext(ssl.SSLContext):
    """Opens data connections with the control connection's TLS session, as strict servers demand."""

    settings: ssl.SSLContext
    resumed: ssl.SSLSession | None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the standard library's own
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,  # noqa: ARG002 - the same
    ) -> ssl.SSLObject:
        """See `ssl.SSLContext.wrap_bio`."""
        return self.settings.wrap_bio(
            incoming, outgoing, server_side=server_side, server_hostname=server_hostname, session=self.resumed
        )


def resuming(settings: ssl.SSLContext, control: ssl.SSLObject | None) -> ssl.SSLContext:
    """Returns the TLS context for the data connections of a control connection.

    Args:
        settings: The control connection's context.
        control: Its TLS, whose session is resumed.
    """
    context = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    context.settings = settings
    context.resumed = control.session if control is not None else None
    return context


def tls_context(trusted: str) -> ssl.SSLContext:
    """Returns the TLS context that checks the server's certificate.

    Raises:
        InputError: The authorities are not PEM.
    """
    try:
        return checking(trusted)
    except (ssl.SSLError, ValueError):
        raise InputError("trustedCertificate: is not a certificate in PEM") from None


def nothing_to_read() -> asyncio.StreamReader:
    """Returns a stream at its end, for a data connection that ended before it began."""
    reader = asyncio.StreamReader()
    reader.feed_eof()
    return reader
