"""Listen on a port for the servers of this package; a listener is a context manager that starts and stops."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

LOOPBACK = "127.0.0.1"


async def close_port(server: asyncio.Server) -> None:
    """Close a server's port, once what it has accepted is served: nothing else could hang up on such a connection."""
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        with contextlib.suppress(NotImplementedError, RuntimeError):  # other loops than the library's own
            loop.remove_reader(listening.fileno())  # accepts no more
    for _ in range(3):  # a transport is made, is connected, and is served, each in a turn of the event loop
        await asyncio.sleep(0)
    server.close()


class Listener:
    """A server on a free port of loopback; subclasses serve the connections.

    Attributes:
        port: Where it listens.
    """

    read_limit = 1 << 16
    """Bytes that a connection's reader buffers."""

    def __init__(self) -> None:
        self.port = 0
        self._server: asyncio.Server | None = None

    @property
    def context(self) -> ssl.SSLContext | None:
        """The context for TLS from the first byte; None for no TLS."""
        return None

    async def start(self, port: int = 0, host: str = LOOPBACK) -> None:
        """Listen on a port; 0 picks a free one."""
        self._server = await asyncio.start_server(self.serve, host, port, ssl=self.context, limit=self.read_limit)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and end every connection."""
        if self._server is not None:
            await close_port(self._server)
        await self.hang_up()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until its end."""
        raise NotImplementedError

    async def hang_up(self) -> None:
        """Cut every connection."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


class TaskServer(Listener):
    """A server that hangs up by cancelling the tasks of its connections, and waits for their end."""

    def __init__(self) -> None:
        super().__init__()
        self._tasks: set[asyncio.Task[Any]] = set()

    @contextlib.contextmanager
    def listed(self) -> Iterator[None]:
        """Register the running task while it serves its connection."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    async def hang_up(self) -> None:
        """See `Listener.hang_up`."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()


class Session(Protocol):
    """One connection, as a mail server serves it."""

    writer: asyncio.StreamWriter

    async def run(self) -> None:
        """Serve until the client or the server ends it."""
        ...


SessionT = TypeVar("SessionT", bound=Session)


class SessionServer(Listener, Generic[SessionT]):
    """A server that starts a session for each connection.

    Args:
        tls: The server's context; with `implicit` from the first byte, otherwise for an upgrade.
        implicit: Whether TLS begins at once.

    Attributes:
        sessions: The open connections.
        max_sessions: Sessions at a time, at most so far.
    """

    def __init__(self, *, tls: ssl.SSLContext | None, implicit: bool) -> None:
        super().__init__()
        self.sessions: set[SessionT] = set()
        self.max_sessions = 0
        self.tls = tls
        self._implicit = implicit

    @property
    def context(self) -> ssl.SSLContext | None:
        """See `Listener.context`."""
        return self.tls if self._implicit else None

    def session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> SessionT:
        """Begin the session of a new connection."""
        raise NotImplementedError

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """See `Listener.serve`."""
        session = self.session(reader, writer)
        self.sessions.add(session)
        self.max_sessions = max(self.max_sessions, len(self.sessions))
        try:
            await session.run()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self.sessions.discard(session)
            writer.close()

    def drop(self) -> None:
        """Cut every connection, while the server keeps listening."""
        for session in list(self.sessions):
            session.writer.transport.abort()

    async def hang_up(self) -> None:
        """See `Listener.hang_up`."""
        self.drop()
        await asyncio.sleep(0)
