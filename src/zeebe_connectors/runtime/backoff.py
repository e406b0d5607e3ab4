"""Says how long to wait before the next attempt, for everything in the runtime that tries again."""

from __future__ import annotations

import math
import random


class Backoff:
    """Seconds to wait before the next attempt: doubling, at most `most`, with jitter so that a crowd spreads out."""

    def __init__(self, first: float = 0.05, most: float = 5.0) -> None:
        self.attempts = 0
        self._first = first
        self._most = most

    def next(self, *, most: float | None = None) -> float:
        """Counts a failed attempt; gives the pause before the next one, which `most` may shorten."""
        longest = min(most or self._most, math.ldexp(self._first, min(self.attempts, 30)))
        self.attempts += 1
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreading load needs no secrecy

    def reset(self) -> None:
        """Forgets failed attempts after a success."""
        self.attempts = 0

    @property
    def worth_a_line(self) -> bool:
        """Whether to log this failure: the 1st, 2nd, 4th, 8th of a row, so that an outage does not fill the log."""
        return self.attempts & (self.attempts - 1) == 0
