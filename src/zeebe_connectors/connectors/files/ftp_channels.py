"""Open FTP's data connections, which resume the TLS session of the control connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from zeebe_connectors import InputError
from zeebe_connectors.net.tls import checking

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


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
    except (ssl.SSLError, ValueError, TypeError):
        raise InputError("trustedCertificate: is not a certificate in PEM") from None


def nothing_to_read() -> asyncio.StreamReader:
    """Returns a stream at its end, for a data connection that ended before it began."""
    reader = asyncio.StreamReader()
    reader.feed_eof()
    return reader
