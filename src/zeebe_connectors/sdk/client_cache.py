"""Keep clients open between jobs, one for each set of settings."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, TypeVar, cast

ClientT = TypeVar("ClientT")
CLOSING = 10.0
"""Seconds that one client gets to close, or to open first when it is closed meanwhile."""


class ClientCache:
    """Keeps clients (HTTP, SMTP, SQL pools) by their settings; closes them at the end, or when too many are kept.

    A key holds everything that makes two clients differ. Put a `Secret` into it, never its value.

    Args:
        max_clients: How many clients are kept; beyond it the one unused for longest is closed.
        preset: What is there from the start and stays, by key: rules that the operator set for all clients.
    """

    def __init__(self, max_clients: int = 256, *, preset: Mapping[Hashable, Any] | None = None) -> None:
        self._max_clients = max_clients
        self._preset = dict(preset or {})
        self._clients: OrderedDict[Hashable, asyncio.Future[Any]] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    async def get(self, key: Hashable, open_client: Callable[[], Awaitable[ClientT] | ClientT]) -> ClientT:
        """Returns the client for this key, opened on first use; callers that come meanwhile wait for the same one.

        A failure to open is raised to every waiter and not kept.
        """
        if key in self._preset:
            return cast("ClientT", self._preset[key])
        known = self._clients.get(key)
        if known is None:
            # A task of its own: a caller that is cancelled must not take the others' client away.
            known = self._clients[key] = asyncio.ensure_future(_opened(open_client))
            known.add_done_callback(lambda done: self._forget_failure(key, done))
            while len(self._clients) > self._max_clients:
                _, oldest = self._clients.popitem(last=False)
                self._close_later(oldest)
        else:
            self._clients.move_to_end(key)
        if known.done():
            return cast("ClientT", known.result())
        return cast("ClientT", await asyncio.shield(known))

    def opened(self, key: Hashable) -> Any:
        """Returns the client for a key if it is open already, else None; `get` opens it."""
        known = self._clients.get(key)
        if known is None:
            return self._preset.get(key)
        try:
            client = known.result()  # asks whether it is there and takes it in one
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 - not open yet, or it could not be opened
            return None
        self._clients.move_to_end(key)
        return client

    def _forget_failure(self, key: Hashable, done: asyncio.Future[Any]) -> None:
        if (done.cancelled() or done.exception()) and self._clients.get(key) is done:
            del self._clients[key]

    def discard(self, key: Hashable) -> None:
        """Forgets and closes the client of a key, if there is one."""
        if (known := self._clients.pop(key, None)) is not None:
            self._close_later(known)

    def scoped(self, scope: Hashable, *, preset: Mapping[Hashable, Any] | None = None) -> ClientCache:
        """Returns a view of the same cache with keys of its own: clients opened there are shared with nobody else.

        Args:
            scope: Names the view; two views with the same one share their clients.
            preset: As for the class, in the place of what is preset here.
        """
        return _View(self, scope, {**self._preset, **(preset or {})})

    def _close_later(self, holder: asyncio.Future[Any]) -> None:
        task = asyncio.ensure_future(_close(holder))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        """Closes every client, each within its own time."""
        holders = list(self._clients.values())
        self._clients.clear()
        await asyncio.gather(*(_close(holder) for holder in holders), *self._closing)


class _View(ClientCache):
    """One scope of another's clients; closing it closes nothing, for the other will."""

    def __init__(self, all_clients: ClientCache, scope: Hashable, preset: Mapping[Hashable, Any]) -> None:
        super().__init__(preset=preset)
        self._all = all_clients
        self._scope = scope

    async def get(self, key: Hashable, open_client: Callable[[], Awaitable[ClientT] | ClientT]) -> ClientT:
        if key in self._preset:
            return cast("ClientT", self._preset[key])
        return await self._all.get((self._scope, key), open_client)

    def opened(self, key: Hashable) -> Any:
        preset = self._preset.get(key)
        return self._all.opened((self._scope, key)) if preset is None else preset

    def discard(self, key: Hashable) -> None:
        self._all.discard((self._scope, key))

    def scoped(self, scope: Hashable, *, preset: Mapping[Hashable, Any] | None = None) -> ClientCache:
        return _View(self._all, (self._scope, scope), {**self._preset, **(preset or {})})


async def _opened(open_client: Callable[[], Awaitable[ClientT] | ClientT]) -> ClientT:
    client = open_client()
    return await client if inspect.isawaitable(client) else client


async def _close(holder: asyncio.Future[Any]) -> None:
    with contextlib.suppress(asyncio.CancelledError, Exception):
        async with asyncio.timeout(CLOSING):
            client = await holder
            close = getattr(client, "aclose", None) or getattr(client, "close", None)
            if close is not None:
                result = close()
                if inspect.isawaitable(result):
                    await result
