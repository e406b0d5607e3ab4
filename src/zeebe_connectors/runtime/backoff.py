"""Compute how long the runtime waits before it polls, streams, connects or sends an outcome again.

When the engine offers a failed job again is decided in `runtime/outbound/retry.py`.
"""

from __future__ import annotations

import math
import random


class Backoff:
    """Seconds to wait before the next attempt: doubling up to `max_pause`, with jitter so that a crowd spreads out."""

    def __init__(self, first: float = 0.05, max_pause: float = 5.0) -> None:
        self.attempts = 0
        self._first = first
        self._max_pause = max_pause

    def next(self, *, max_pause: float | None = None) -> float:
        """Counts a failed attempt and returns the pause before the next one, which `max_pause` may shorten."""
        upper = min(max_pause or self._max_pause, math.ldexp(self._first, min(self.attempts, 30)))
        self.attempts += 1
        return upper * random.uniform(0.5, 1.0)  # noqa: S311 - spreading load needs no secrecy

    def reset(self) -> None:
        """Forgets failed attempts after a success."""
        self.attempts = 0
