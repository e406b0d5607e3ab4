"""Measures how late the event loop runs what is due: whatever holds it up delays every job, source and probe.

It looks ten times a second while jobs run, and once a second otherwise: each look wakes a process that has nothing to
do. What holds an idle loop up for less than a second may be missed; nobody waited for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

INTERVAL = 0.1
"""Seconds between two looks while jobs run."""
IDLE_INTERVAL = 1.0
"""Seconds between two looks while there are none."""
_MINUTE = 60.0
_MAX_SAMPLES = 600


class LoopLag:
    """The lateness of one loop: of the last minute, and the worst since the start.

    Args:
        is_busy: Whether jobs run.
    """

    def __init__(self, is_busy: Callable[[], bool] = lambda: True) -> None:
        self._is_busy = is_busy
        self._timer: asyncio.TimerHandle | None = None
        self._last: deque[tuple[float, float]] = deque(maxlen=_MAX_SAMPLES)
        self.worst = 0.0
        """Seconds, since the start."""

    @property
    def last_minute(self) -> float:
        """Seconds of the longest delay of the last minute."""
        since = time.monotonic() - _MINUTE
        return max((late for when, late in self._last if when >= since), default=0.0)

    def start(self) -> None:
        """Begins to measure; needs a running event loop."""
        self._again()

    def stop(self) -> None:
        """Ends it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _again(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + (INTERVAL if self._is_busy() else IDLE_INTERVAL)
        self._timer = loop.call_at(due, self._look, due)

    def _look(self, due: float) -> None:
        now = asyncio.get_running_loop().time()
        late = max(0.0, now - due)
        self._last.append((now, late))
        self.worst = max(self.worst, late)
        self._again()
