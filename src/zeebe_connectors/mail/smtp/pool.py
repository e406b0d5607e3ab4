"""Keep SMTP sessions open between mails, a bounded number for each server, and send mails over them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from zeebe_connectors import TransientError
from zeebe_connectors.mail.smtp.errors import LostError
from zeebe_connectors.mail.smtp.model import Envelope, Receipt, Server, TokenSource
from zeebe_connectors.mail.smtp.session import Session
from zeebe_connectors.net import custody
from zeebe_connectors.net.connect import Resolver

SESSIONS = 8
"""Sessions with one server under one login at a time; further mails wait for their turn."""
IDLE_SECONDS = 30.0
"""Seconds after which an unused session is closed; servers drop idle clients after one to five minutes."""
_MARGIN = 0.25
"""Seconds reserved from the job's time, so that it fails with an error instead of a bare cancellation."""


class Sessions:
    """Sessions with one server, kept open between mails; the runtime keeps one of these per `Server`.

    Args:
        server: The server. max_sessions: Sessions at a time.
        idle: Seconds after which an unused session is closed.
        resolver: Returns the addresses to connect to; None leaves it to the system.
    """

    def __init__(
        self,
        server: Server,
        *,
        max_sessions: int = SESSIONS,
        idle: float = IDLE_SECONDS,
        resolver: Resolver | None = None,
    ) -> None:
        self._server = server
        self._resolver = resolver
        self._turns = asyncio.Semaphore(max_sessions)
        self._idle_seconds = idle
        self._idle: deque[Session] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    async def send(
        self,
        envelope: Envelope,
        message: Sequence[bytes],
        *,
        seconds: float,
        patience: float,
        token: TokenSource | None = None,
    ) -> Receipt:
        """Sends one message on an open session or a new one; retries once on a new one if the first was lost in time.

        Args:
            envelope: Sender and recipients.
            message: Pieces of the message, each ending with CRLF.
            seconds: Limit for everything.
            patience: Seconds to wait for each answer of the server.
            token: Returns access tokens, for XOAUTH2.

        Raises:
            ConnectorError: With one of the codes that the connector documents.
        """
        custody.sending(self._server.host)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds - min(_MARGIN, seconds / 10)
        try:
            async with asyncio.timeout_at(deadline):
                await self._turns.acquire()
        except TimeoutError:
            raise TransientError(
                "SMTP_TIMEOUT",
                f"timeout: all sessions with {self._server} were busy until the job's time ran out. Give the job more "
                "time, or send fewer mails at once",
            ) from None

        async def attempt(session: Session | None) -> Receipt:
            if session is None:
                session = await Session.open(
                    self._server, deadline=deadline, patience=patience, token=token, resolver=self._resolver
                )
            try:
                return await session.send(envelope, message, deadline=deadline, patience=patience)
            finally:
                self._put_back(session)

        try:
            try:
                return await attempt(self._take())
            except LostError:
                return await attempt(None)
        except LostError as error:
            raise TransientError(
                "SMTP_CONNECTION_LOST",
                f"host: the connection with {self._server} was lost at {error.stage}: {error.why}. Nothing was sent; "
                "it is tried again",
            ) from error
        finally:
            self._turns.release()

    def _take(self) -> Session | None:
        while self._idle:
            session = self._idle.pop()
            if session.usable:
                return session
            session.abort()
        return None

    def _put_back(self, session: Session) -> None:
        if not session.usable:
            session.abort()
        elif self._closed:
            self._close_later(session)
        else:
            loop = asyncio.get_running_loop()
            session.last_used = loop.time()
            self._idle.append(session)
            if self._timer is None:
                self._timer = loop.call_later(self._idle_seconds, self._close_idle)

    def _close_idle(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._idle and self._idle[0].last_used + self._idle_seconds <= loop.time():
            self._close_later(self._idle.popleft())
        if self._idle:
            self._timer = loop.call_at(self._idle[0].last_used + self._idle_seconds, self._close_idle)

    def _close_later(self, session: Session) -> None:
        task = asyncio.ensure_future(session.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        """Closes all sessions; one in use closes once its mail is sent."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._idle:
            self._close_later(self._idle.popleft())
        await asyncio.gather(*self._closing)
