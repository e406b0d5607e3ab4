"""Connect to an FTP server, protect the connection as its protocol says, and sign in."""

from __future__ import annotations

import asyncio

from zeebe_connectors.connectors.files.ftp import FtpSession
from zeebe_connectors.connectors.files.ftp_channels import tls_context
from zeebe_connectors.connectors.files.session import Server
from zeebe_connectors.net.connect import Resolver, connect_error, connected

_LINE = 64 * 1024
"""Bytes of one line of the control connection."""


async def open_ftp(server: Server, resolver: Resolver | None, learnt: set[str]) -> FtpSession:
    """Connects, encrypts and signs in.

    Args:
        server: The server.
        resolver: Gives the addresses that the operator allows.
        learnt: See `Sessions.learnt`.

    Raises:
        ConnectorError: Why there is no session.
    """
    context = tls_context(server.trusted) if server.protocol in {"ftps", "ftpes"} else None

    async def connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(server.timeout):
            return await asyncio.open_connection(
                address,
                server.port,
                limit=_LINE,
                ssl=context if server.protocol == "ftps" else None,
                server_hostname=server.host if server.protocol == "ftps" else None,
            )

    try:
        reader, writer = await connected(connect, server.host, resolver)
    except (OSError, UnicodeError) as error:
        raise connect_error("FILES", server.host, server.port, error, patience=server.timeout) from None
    session = FtpSession(server, reader, writer, learnt)
    try:
        if server.protocol == "ftps" and context is not None:
            session.encrypted_with(context)
        await session.greet()
        if server.protocol == "ftpes" and context is not None:
            await session.upgrade(context)
        await session.sign_in()
    except BaseException:
        writer.close()
        raise
    return session
