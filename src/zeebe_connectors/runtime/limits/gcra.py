"""Decides when the next request to a provider may begin: at most N in any second, and a delay from start to start.

The generic cell rate algorithm with a tolerance for late timers. Let T be the tolerance and I = (1 + T) / N the
interval. Each grant moves the theoretical time forward by I, and none comes earlier than T before it; so that the first
and the last of N + 1 grants are N * I - T = 1 second apart at least. What a timer is late is caught up within T.
"""

from __future__ import annotations

import math

TOLERANCE = 0.02
"""Seconds by which a grant may be early against its theoretical time; costs as many hundredths of the rate."""
_ROUNDING = 1e-6


def interval_of(per_second: float, share_of: int = 1, *, tolerance: float = TOLERANCE) -> float:
    """Seconds between two theoretical times.

    Args:
        per_second: N of the rule; of a part of it above one the whole number counts, or a second could hold more.
        share_of: Replicas that share the rule without knowing of each other.
        tolerance: T.
    """
    share = per_second / share_of
    if share >= 1:
        share = math.floor(share + _ROUNDING)
    return (1 + tolerance) / share + _ROUNDING


class Gcra:
    """One budget by one clock.

    Args:
        interval: Seconds between two theoretical times.
        delay: Seconds from start to start, at least.
        tolerance: What `interval` was made with.
    """

    def __init__(self, interval: float, *, delay: float = 0.0, tolerance: float = TOLERANCE) -> None:
        self.interval = interval
        self.delay = delay
        self._tolerance = tolerance
        self._theoretical = -math.inf
        self._last = -math.inf

    def wait(self, now: float) -> float:
        """Seconds until the next grant is allowed; zero when it is now."""
        return max(0.0, self._theoretical - self._tolerance - now, self._last + self.delay - now)

    def grant(self, now: float) -> None:
        """Takes note of a grant, which `wait` allowed."""
        self._theoretical = max(now, self._theoretical) + self.interval
        self._last = now

    def hold(self, until: float) -> None:
        """Allows nothing before that time: the other side asked to be left alone."""
        self._theoretical = max(self._theoretical, until + self._tolerance)
