"""Count the free slots of one worker, for polling and streaming alike."""

from __future__ import annotations

import asyncio


class Slots:
    """The single count of free slots; callers wait until enough are free."""

    def __init__(self, size: int) -> None:
        self.free = size
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def take(self, count: int = 1) -> None:
        """Takes slots, even more than are free."""
        self.free -= count

    def give(self, count: int = 1) -> None:
        """Returns slots and wakes the callers that now have enough."""
        self.free += count
        for least, future in self._waiting:
            if least <= self.free and not future.done():
                future.set_result(None)

    async def at_least(self, count: int) -> None:
        """Waits until this many slots are free."""
        while self.free < count:
            waiter = (count, asyncio.get_running_loop().create_future())
            self._waiting.append(waiter)
            try:
                await waiter[1]
            finally:
                self._waiting.remove(waiter)
