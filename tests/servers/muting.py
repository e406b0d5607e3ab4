"""A proxy on loopback whose connections can be made to fall silent, as behind a firewall that has forgotten them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self


class Muting:
    """Passes bytes to a server and back.

    Args:
        port: The server's.
    """

    def __init__(self, port: int) -> None:
        self._there = port
        self._silent: set[asyncio.StreamWriter] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.is_silent = False
        """Whether new connections are accepted but nothing is passed on."""
        self.opened = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    def mute(self) -> None:
        """Passes on nothing more of the connections that are open now, and closes none."""
        self._silent.update(self._writers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        there, back = await asyncio.open_connection("127.0.0.1", self._there)
        self._writers += [writer, back]
        if self.is_silent:
            self._silent.update((writer, back))
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if target not in self._silent:
                    target.write(data)
                    await target.drain()
        if target not in self._silent:
            target.close()
