"""Stream changes to clients by server-sent events; each topic is made once for all its clients, if there are any.

A topic is made at most once a second, and less often if making it takes long, so that all topics together use a
hundredth of a core. A client gets only what changed; one that does not read in time is dropped, and its first event
after it reconnects holds what it missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Mapping

from aiohttp import web

from zeebe_connectors.admin.access import Refused

MAX_STREAMS = 20
MAX_STREAMS_EACH = 6
"""Maximum streams of one session, or of one role's API calls, so that nobody can take all."""
FOR_OPERATORS = 4
"""Streams that are reserved for operators."""
INTERVAL = 1.0
"""Minimum seconds between two events of a topic."""
SHARE = 0.01
"""Share of a core that making all topics may use."""
HEARTBEAT = 5.0
"""Seconds after which a comment says that nothing changed."""
SLOW_SECONDS = 5.0
"""Seconds for a client to read an event."""
STREAM_SECONDS = 600.0
"""Seconds that a stream lasts; a client that reconnects is authenticated again."""
MAX_PARTS = 1000
"""Parts of a topic beyond which those that it no longer has are forgotten: rows come and go while a page is open."""
_MAX_PAUSE = 10.0

Parts = Mapping[str, str]
Make = Callable[[], Awaitable[Parts]]
_log = logging.getLogger("zeebe_connectors.admin")


class Live:
    """The streams of one runtime.

    Args:
        interval: Minimum seconds between two events of a topic.
        heartbeat: Seconds after which a comment is sent.
        max_streams: Maximum number of streams.
        slow_seconds: Seconds for a client to read an event.
    """

    def __init__(
        self,
        *,
        interval: float = INTERVAL,
        heartbeat: float = HEARTBEAT,
        max_streams: int = MAX_STREAMS,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        self.interval, self._heartbeat = interval, heartbeat
        self.share = SHARE
        self._max_streams, self._slow_seconds = max_streams, slow_seconds
        self._topics: dict[Hashable, _Topic] = {}
        self._listeners: set[_Listener] = set()
        self.made = 0
        """How often topics were made."""
        self.dropped = 0
        """Number of clients that did not read in time."""

    @property
    def streams(self) -> int:
        """Number of open streams."""
        return len(self._listeners)

    @property
    def topics(self) -> int:
        """Number of topics with clients."""
        return len(self._topics)

    async def serve(
        self,
        request: web.Request,
        key: Hashable,
        make: Make,
        first: Parts,
        *,
        seconds: float = STREAM_SECONDS,
        who: Hashable = None,
        operator: bool = True,
    ) -> web.StreamResponse:
        """Streams one topic until the client leaves or its time is over.

        Args:
            request: The client's request.
            key: The topic; requests with the same key share it.
            make: Makes the topic's parts by name, each JSON on one line; a part is sent when it has changed.
            first: Parts that are sent once.
            seconds: Maximum duration.
            who: The client's identity, by which streams are limited; None for no such limit.
            operator: Whether the client may take the reserved streams too.

        Raises:
            Refused: There are too many streams.
        """
        room = self._max_streams - (0 if operator else min(FOR_OPERATORS, self._max_streams // 5))
        if len(self._listeners) >= room:
            raise Refused(429, "TOO_MANY_STREAMS", f"{len(self._listeners)} pages are live already; this one is not")
        if who is not None and sum(listener.who == who for listener in self._listeners) >= MAX_STREAMS_EACH:
            raise Refused(429, "TOO_MANY_STREAMS", f"You have {MAX_STREAMS_EACH} live pages already; this one is not")
        response = web.StreamResponse()
        response.headers.update({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.content_type = "text/event-stream"
        listener = _Listener(lambda: request.transport is None or request.transport.is_closing(), who)
        self._listeners.add(listener)
        try:
            await response.prepare(request)
            listener.offer(first)
            topic = self._topics.get(key)
            if topic is None:
                topic = self._topics[key] = _Topic(self, make)
            topic.join(listener)
            await self._send(request, response, listener, time.monotonic() + seconds)
        finally:
            self._listeners.discard(listener)
            if (topic := self._topics.get(key)) is not None and topic.leave(listener):
                del self._topics[key]
        return response

    async def _send(
        self, request: web.Request, response: web.StreamResponse, listener: _Listener, until: float
    ) -> None:
        while (left := until - time.monotonic()) > 0 and not listener.closed:
            data = b": nothing changed\n\n"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(self._heartbeat, left)):
                    await listener.ready.wait()
            if listener.ready.is_set():
                data = listener.take()
            try:
                async with asyncio.timeout(self._slow_seconds):
                    await response.write(data)
            except TimeoutError:
                self.dropped += 1
                if request.transport is not None:
                    request.transport.abort()
                return
            except ConnectionError:
                return

    def pause(self, took: float) -> float:
        """Returns the seconds until a topic is made again.

        Args:
            took: Seconds that making it takes.
        """
        return min(_MAX_PAUSE, max(self.interval, took * len(self._topics) / self.share))

    def close(self, who: Hashable = None) -> None:
        """Ends all streams, or those of one client; clients reconnect by themselves and are authenticated again."""
        for listener in self._listeners:
            if who is None or listener.who == who:
                listener.close()


class _Topic:
    """One topic, made as long as it has clients."""

    def __init__(self, live: Live, make: Make) -> None:
        self._live = live
        self._make = make
        self._last: dict[str, str] = {}
        self._listeners: set[_Listener] = set()
        self._took: deque[float] = deque([0.0], maxlen=5)
        self._task = asyncio.create_task(self._run())

    def join(self, listener: _Listener) -> None:
        listener.offer(self._last)
        self._listeners.add(listener)
        if self._task.done():  # the others have gone, and it has noticed before they left
            self._task = asyncio.create_task(self._run())

    def leave(self, listener: _Listener) -> bool:
        """Removes a listener; returns whether none is left."""
        self._listeners.discard(listener)
        if not self._listeners:
            self._task.cancel()
        return not self._listeners

    async def _run(self) -> None:
        while True:
            for listener in self._listeners:
                if listener.is_gone():
                    listener.close()
            if all(listener.closed for listener in self._listeners):
                return
            self._took.append(await self._tell())
            # The minimum of the last durations: other tasks use the processor too, and the first time includes imports.
            await asyncio.sleep(self._live.pause(min(self._took)))

    async def _tell(self) -> float:
        """Makes the parts, sends those that changed, and returns how long making them took."""
        began = time.perf_counter()
        self._live.made += 1
        try:
            found = await self._make()
        except Exception as error:  # noqa: BLE001 - the next attempt may succeed; meanwhile, what is shown is old
            _log.debug("A live view could not be made: %r", error)
            return time.perf_counter() - began
        took = time.perf_counter() - began
        changed = {name: text for name, text in found.items() if self._last.get(name) != text}
        self._last |= changed
        if len(self._last) > MAX_PARTS:
            self._last = dict(found)
        for listener in self._listeners:
            listener.offer(changed)
        return took


class _Listener:
    """What waits to be sent to one client: only the newest version of each part, however slowly it reads."""

    def __init__(self, is_gone: Callable[[], bool], who: Hashable = None) -> None:
        self.is_gone, self.who = is_gone, who
        self.closed = False
        self.ready = asyncio.Event()
        self._pending: dict[str, str] = {}

    def offer(self, parts: Parts) -> None:
        self._pending.update(parts)
        if parts:
            self.ready.set()

    def take(self) -> bytes:
        data = "".join(f"event: {name}\ndata: {text}\n\n" for name, text in self._pending.items())
        self._pending.clear()
        if not self.closed:
            self.ready.clear()
        return data.encode()

    def close(self) -> None:
        self.closed = True
        self.ready.set()
