"""Measures how late the event loop runs what is due: whatever holds it up delays every job, source and probe."""

from __future__ import annotations

import asyncio
from collections import deque

INTERVAL = 0.1
"""Seconds between two looks; ten wake-ups a second cost a tenth of a thousandth of a core."""
_KEPT = 600


class LoopLag:
    """The lateness of one loop: of the last minute, and the worst since the start."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._last: deque[float] = deque(maxlen=_KEPT)
        self.worst = 0.0
        """Seconds, since the start."""

    @property
    def last_minute(self) -> float:
        """Seconds of the longest delay of the last minute."""
        return max(self._last, default=0.0)

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
        due = loop.time() + INTERVAL
        self._timer = loop.call_at(due, self._look, due)

    def _look(self, due: float) -> None:
        late = max(0.0, asyncio.get_running_loop().time() - due)
        self._last.append(late)
        self.worst = max(self.worst, late)
        self._again()
