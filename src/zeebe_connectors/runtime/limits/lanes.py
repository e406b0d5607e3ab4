"""Keep at most N beginnings in any second: each uses a lane, and a lane is free again a second after its use.

So any second holds at most N, whatever else happens. A timer that is late by d costs one lane d, not its whole second.
"""

from __future__ import annotations

import math
from collections import deque

SECOND = 1.0
MARGIN = 0.005
"""Seconds beyond one for which a lane stays taken: the service's clock sees what the runtime's clock grants."""
_CATCH_UP = 0.2
"""Seconds for which late timers are caught up at once; beyond that, requests are spread over the second."""
_ROUNDING = 1e-6


def lanes_of(per_second: float, share_of: int = 1) -> tuple[int, float]:
    """The number of lanes for a rule, and the seconds for which a use takes one.

    Args:
        per_second: N of the rule; of a part of it above one the whole number counts, or a second could hold more.
        share_of: Replicas that share the rule without knowing of each other.
    """
    share = per_second / share_of
    if share >= 1:
        return math.floor(share + _ROUNDING), SECOND + MARGIN
    return 1, SECOND / share + MARGIN


class Lanes:
    """The lanes of one runtime.

    Args:
        count: How many, of all runtimes together; how many are this one's may change.
        span: Seconds for which a use takes one.
    """

    def __init__(self, count: int, span: float) -> None:
        self.count = count
        self.span = span
        self.pace = (span - MARGIN) / count
        """Seconds from one to the next, when many wait: a service sees no burst of N at once."""
        self._uses: deque[float] = deque()
        self._next = -math.inf

    def used(self, now: float) -> int:
        """How many are taken."""
        while self._uses and now - self._uses[0] >= self.span:
            self._uses.popleft()
        return len(self._uses)

    def wait(self, now: float) -> float:
        """Seconds until one may be used; zero when it is now, infinity without any lane."""
        if self.count <= 0:
            return math.inf
        beyond = self.used(now) - self.count
        free = self._uses[beyond] + self.span - now if beyond >= 0 else 0.0
        return max(0.0, free, self._next - now)

    def use(self, now: float) -> None:
        """Takes one, as `wait` allowed."""
        self._uses.append(now)
        self._next = max(self._next, now - max(_CATCH_UP, self.pace)) + self.pace

    def follow(self, before: Lanes) -> None:
        """Counts the uses of others that these lanes replace."""
        self._uses = deque(sorted([*before._uses, *self._uses]))
