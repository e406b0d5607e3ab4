"""Measure how late the event loop runs what is due: whatever blocks it delays every job, source and probe.

It measures ten times a second while jobs run, and once a second otherwise, because each measurement wakes an idle
process. A short blockage of an idle loop may be missed; nobody waited for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

INTERVAL = 0.1
"""Seconds between two measurements while jobs run."""
IDLE_INTERVAL = 1.0
"""Seconds between two measurements while no jobs run."""
_MINUTE = 60.0
_MAX_SAMPLES = 600


class LoopLag:
    """The lag of one event loop: the maximum of the last minute, and the maximum since the start.

    Args:
        is_busy: Whether jobs run.
    """

    def __init__(self, is_busy: Callable[[], bool] = lambda: True) -> None:
        self._is_busy = is_busy
        self._timer: asyncio.TimerHandle | None = None
        self._last: deque[tuple[float, float]] = deque(maxlen=_MAX_SAMPLES)
        self.worst = 0.0
        """Maximum lag since the start, in seconds."""

    @property
    def last_minute(self) -> float:
        """Maximum lag of the last minute, in seconds."""
        since = time.monotonic() - _MINUTE
        return max((late for when, late in self._last if when >= since), default=0.0)

    def start(self) -> None:
        """Starts measuring; needs a running event loop."""
        self._again()

    def stop(self) -> None:
        """Stops measuring."""
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
