"""The settings of a token and a way to fetch it go in, a valid token comes out; one call for all who wait."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Token:
    """An access token.

    Args:
        value: What goes into the header.
        life: Seconds that it is valid; None when the server did not say, then it is used once.
        refresh: The refresh token that replaces the one it was fetched with, where the server rotates them.
    """

    value: str = field(repr=False)
    life: float | None = None
    refresh: str | None = field(default=None, repr=False)


class TokenCache:
    """Keeps tokens by their settings until shortly before they end.

    Args:
        max_tokens: How many are kept; beyond it the one unused for longest is forgotten.
    """

    def __init__(self, max_tokens: int = 1000) -> None:
        self._max_tokens = max_tokens
        self._tokens: OrderedDict[Hashable, tuple[Token, float]] = OrderedDict()
        self._fetching: dict[Hashable, asyncio.Task[Token]] = {}

    async def get(
        self, key: Hashable, fetch: Callable[[str | None], Awaitable[Token]], *, refused: str | None = None
    ) -> str:
        """The token for these settings.

        Args:
            key: All settings that make two tokens differ.
            fetch: Gets a new one; it is handed the rotated refresh token of the last one, if there is any.
            refused: A token that the service refused: it is not given again.

        Raises:
            ConnectorError: What `fetch` raised, to everybody who waits for it.
        """
        known = self._tokens.get(key)
        if known is not None:
            token, end = known
            if token.value != refused and time.monotonic() < end:
                self._tokens.move_to_end(key)
                return token.value
        task = self._fetching.get(key)
        if task is None:
            task = asyncio.create_task(self._fetch(key, fetch, known[0].refresh if known else None))
            self._fetching[key] = task
            task.add_done_callback(lambda done: self._done(key, done))
        return (await asyncio.shield(task)).value

    async def _fetch(self, key: Hashable, fetch: Callable[[str | None], Awaitable[Token]], last: str | None) -> Token:
        token = await fetch(last)
        if token.life is not None or token.refresh is not None:
            life = token.life or 0.0
            # A token must not end on its way: a tenth of its life earlier, a minute at most.
            self._tokens[key] = (token, time.monotonic() + life - min(60.0, life / 10))
            self._tokens.move_to_end(key)
            while len(self._tokens) > self._max_tokens:
                self._tokens.popitem(last=False)
        else:
            self._tokens.pop(key, None)
        return token

    def _done(self, key: Hashable, task: asyncio.Task[Token]) -> None:
        self._fetching.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen: every waiter may be gone

    def close(self) -> None:
        """Stops fetching and forgets all tokens."""
        for task in self._fetching.values():
            task.cancel()
        self._tokens.clear()
