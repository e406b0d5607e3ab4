"""Bound what the other side may cause in a while: it uses an allowance up, and time gives it back."""

from __future__ import annotations

from collections.abc import Callable


class Budget:
    """An allowance.

    Args:
        size: What may be used at once.
        per_second: What comes back in a second.
        clock: Returns the time, in seconds.
    """

    __slots__ = ("_at", "_clock", "_per_second", "_size", "_used")

    def __init__(self, size: float, per_second: float, clock: Callable[[], float]) -> None:
        self._size = size
        self._per_second = per_second
        self._clock = clock
        self._used = 0.0
        self._at = clock()

    def use(self, amount: float = 1.0) -> bool:
        """Uses some of it; returns False if there was less."""
        now = self._clock()
        self._used = max(0.0, self._used - (now - self._at) * self._per_second) + amount
        self._at = now
        return self._used <= self._size

    def refill(self) -> None:
        """Gives all of it back."""
        self._used = 0.0
