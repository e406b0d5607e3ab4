"""Streams what changes to those who look (server-sent events): made once for all of them, and not at all for nobody.

A topic is made anew each second at most, and more seldom where making it takes long, so that all topics together take a
hundredth of a core. A client gets only what changed since; one that does not read in time is dropped, and whatever it
missed is in its first event when it comes back.
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
"""Of one session, or of one role's calls of the API: nobody takes all that there are."""
FOR_OPERATORS = 4
"""Of all streams, that only operators get."""
INTERVAL = 1.0
"""Seconds between two events of a topic at least."""
SHARE = 0.01
"""Of a core, which making all topics may take."""
HEARTBEAT = 5.0
"""Seconds after which a comment says that nothing changed."""
SLOW_SECONDS = 5.0
"""What a client gets to take an event."""
STREAM_SECONDS = 600.0
"""How long a stream lasts; whoever comes back shows who they are again."""
_MAX_PAUSE = 10.0

Parts = Mapping[str, str]
Make = Callable[[], Awaitable[Parts]]
_log = logging.getLogger("zeebe_connectors.admin")


class Live:
    """The streams of one runtime.

    Args:
        interval: Seconds between two events of a topic at least.
        heartbeat: Seconds after which a comment is sent.
        max_streams: How many there may be.
        slow_seconds: What a client gets to take an event.
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
        """How often a topic was made."""
        self.dropped = 0
        """Clients that did not read in time."""

    @property
    def streams(self) -> int:
        """How many there are."""
        return len(self._listeners)

    @property
    def topics(self) -> int:
        """How many different things are looked at."""
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
        """Streams one topic until the client goes, or its time is over.

        Args:
            request: Who asks.
            key: The topic; those of the same key get the same.
            make: Makes its parts by name, each JSON on one line; each is sent when it is not as it was.
            first: Parts that are sent once.
            seconds: How long it lasts at most.
            who: Whose it is, which bounds how many they have; None for nobody's.
            operator: Whether they may take the last ones too.

        Raises:
            Refused: There are as many streams as may be.
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
        """Seconds until a topic is made again.

        Args:
            took: Seconds that making it takes.
        """
        return min(_MAX_PAUSE, max(self.interval, took * len(self._topics) / self.share))

    def close(self, who: Hashable = None) -> None:
        """Ends all streams, or somebody's; the clients come back by themselves and show who they are."""
        for listener in self._listeners:
            if who is None or listener.who == who:
                listener.close()


class _Topic:
    """One thing that is looked at, made as long as somebody does."""

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
        """Whether nobody is left."""
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
            # The least of the last times: others hold the processor too, and the first time imports what it needs.
            await asyncio.sleep(self._live.pause(min(self._took)))

    async def _tell(self) -> float:
        """Makes the parts, hands out those that changed, and says how long making them took."""
        began = time.perf_counter()
        self._live.made += 1
        try:
            found = await self._make()
        except Exception as error:  # noqa: BLE001 - the next look may succeed; what is shown grows old meanwhile
            _log.debug("A live view could not be made: %r", error)
            return time.perf_counter() - began
        took = time.perf_counter() - began
        changed = {name: text for name, text in found.items() if self._last.get(name) != text}
        self._last |= changed
        for listener in self._listeners:
            listener.offer(changed)
        return took


class _Listener:
    """What waits to be sent to one client: of each part the newest only, however slowly it reads."""

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
