"""Cache access tokens for all jobs of a runtime; one call fetches a token for everyone who waits for it."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

from zeebe_connectors.net import custody
from zeebe_connectors.sdk.errors import ConnectorError


@dataclass(frozen=True, slots=True)
class Token:
    """An access token.

    Args:
        value: What goes into the header.
        life: Seconds for which it is valid; None if the server did not say, and then it is used once.
        refresh: The refresh token that replaces the one it was fetched with, where the server rotates them.
    """

    value: str = field(repr=False)
    life: float | None = None
    refresh: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A cached token, when it ends, and whether it replaced a token that was forbidden something."""

    token: Token
    end: float
    replaced: bool


class TokenCache:
    """Caches tokens by their settings until shortly before they expire.

    Args:
        max_tokens: How many are kept; beyond that, the least recently used is dropped.
    """

    def __init__(self, max_tokens: int = 1000) -> None:
        self._max_tokens = max_tokens
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._fetching: dict[Hashable, asyncio.Task[Token]] = {}

    async def get(
        self,
        key: Hashable,
        fetch: Callable[[str | None], Awaitable[Token]],
        *,
        refused: str | None = None,
        forbidden: str | None = None,
    ) -> str:
        """Returns the token for these settings.

        Args:
            key: All settings that distinguish two tokens.
            fetch: Gets a new token; it receives the refresh token that came with the last one, if any.
            refused: A token that the service refused: it is not returned again.
            forbidden: A token that was forbidden something, perhaps because it predates a permission: it is replaced
                once. If it is itself such a replacement, it is returned again.

        Raises:
            ConnectorError: What `fetch` raised, to everyone who waits for it; but if only the time of the job that
                fetched ran out, the next of them fetches.
        """
        while True:
            known = self._entries.get(key)
            if known is not None and time.monotonic() < known.end:
                value = known.token.value
                if value != refused and (value != forbidden or known.replaced):
                    self._entries.move_to_end(key)
                    custody.learn(value)
                    return value
            task = self._fetching.get(key)
            is_own = task is None
            if task is None:
                last = known.token.refresh if known else None
                task = asyncio.create_task(self._fetch(key, fetch, last, replaced=forbidden is not None))
                self._fetching[key] = task
                task.add_done_callback(lambda done: self._done(key, done))
            try:
                token = await asyncio.shield(task)
            except ConnectorError as error:
                if is_own or (error.variables or {}).get("reason") != "deadline":
                    raise
                continue  # it was another job whose time ran out
            for value in (token.value, token.refresh or ""):
                custody.learn(value)
            return token.value

    async def _fetch(
        self, key: Hashable, fetch: Callable[[str | None], Awaitable[Token]], last: str | None, *, replaced: bool
    ) -> Token:
        token = await fetch(last)
        if token.life is not None or token.refresh is not None:
            life = token.life or 0.0
            # Renewed early, by a tenth of its life and a minute at most, so that no token expires on its way.
            end = time.monotonic() + life - min(60.0, life / 10)
            self._entries[key] = _Entry(token, end, replaced)
            self._entries.move_to_end(key)
            while len(self._entries) > self._max_tokens:
                self._entries.popitem(last=False)
        else:
            self._entries.pop(key, None)
        return token

    def _done(self, key: Hashable, task: asyncio.Task[Token]) -> None:
        self._fetching.pop(key, None)
        if not task.cancelled():
            task.exception()  # retrieved here, as every waiter may be gone

    def close(self) -> None:
        """Stops fetching and forgets all tokens."""
        for task in self._fetching.values():
            task.cancel()
        self._entries.clear()
