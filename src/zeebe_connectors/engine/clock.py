"""Keep the engine's time, which tests can move."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """The machine's time plus an offset; or, if frozen, a time that moves only on request.

    Args:
        frozen_at: Milliseconds since 1970 at which the clock stands still. None: it follows the machine's clock.
    """

    def __init__(self, frozen_at: int | None = None) -> None:
        self._frozen_at = frozen_at
        self.offset_ms = 0

    @property
    def frozen(self) -> bool:
        """Whether the time stands still between moves."""
        return self._frozen_at is not None

    def now_ms(self) -> int:
        """Return milliseconds since 1970."""
        base = self._frozen_at if self._frozen_at is not None else time.time_ns() // 1_000_000
        return base + self.offset_ms

    def now(self) -> datetime:
        """Return the time as a date in UTC."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=self.now_ms())

    def move_to(self, time_ms: int) -> None:
        """Set the clock forward to a time; a time in the past leaves it as it is."""
        ahead = time_ms - self.now_ms()
        if ahead > 0:
            self.offset_ms += ahead
