"""Allow at most N requests to begin in any second: each uses a lane, which is free again a second later.

A timer that is late by d seconds costs one lane d seconds, not a whole one.
"""

from __future__ import annotations

import math
from collections import deque

SECOND = 1.0
MARGIN = 0.005
"""Seconds beyond one for which a lane stays taken, because the service measures by its own clock."""
_CATCH_UP = 0.2
"""Seconds of lateness that are made up at once; beyond that, requests are spread over the second."""
_ROUNDING = 1e-6


def lanes_of(per_second: float, share_of: int = 1) -> tuple[int, float]:
    """Returns the number of lanes for a rule, and the seconds for which a request takes one.

    Args:
        per_second: The rule's N; a share of it above one is rounded down, as a second could hold more otherwise.
        share_of: Number of replicas that share the rule without a common database.
    """
    share = per_second / share_of
    if share >= 1:
        return math.floor(share + _ROUNDING), SECOND + MARGIN
    return 1, SECOND / share + MARGIN


class Lanes:
    """The lanes of one runtime.

    Args:
        count: Number of lanes of all runtimes together; how many of them this one has may change.
        span: Seconds for which a request takes a lane.
    """

    def __init__(self, count: int, span: float) -> None:
        self.count = count
        self.span = span
        self.pace = (span - MARGIN) / count
        """Seconds from one request to the next when many wait, so that a service sees no burst of N at once."""
        self._uses: deque[float] = deque()
        self._next = -math.inf

    def used(self, now: float) -> int:
        """Returns how many lanes are taken."""
        while self._uses and now - self._uses[0] >= self.span:
            self._uses.popleft()
        return len(self._uses)

    def wait(self, now: float) -> float:
        """Returns the seconds until a lane is free; zero if one is free now, infinity without any lane."""
        if self.count <= 0:
            return math.inf
        beyond = self.used(now) - self.count
        free = self._uses[beyond] + self.span - now if beyond >= 0 else 0.0
        return max(0.0, free, self._next - now)

    def use(self, now: float) -> None:
        """Takes a lane; call it when `wait` allows it."""
        self._uses.append(now)
        self._next = max(self._next, now - max(_CATCH_UP, self.pace)) + self.pace

    def follow(self, before: Lanes) -> None:
        """Takes over the uses of the lanes that these replace."""
        self._uses = deque(sorted([*before._uses, *self._uses]))
