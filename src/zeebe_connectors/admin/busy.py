"""Refuse calls of a kind while too many of them are running, for the operator's API and page."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from zeebe_connectors.admin.access import Refused


class AtOnce:
    """Lets a few calls of one kind run at once and refuses the others.

    Args:
        max_running: Maximum number at once.
        busy: What the refusal says, such as `2 imports are running already`.
    """

    def __init__(self, max_running: int, busy: str) -> None:
        self._max_running = max_running
        self._busy = busy
        self.running = 0
        """How many run now."""

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Counts a call while it runs.

        Raises:
            Refused: 429 `BUSY`: too many are running.
        """
        if self.running >= self._max_running:
            raise Refused(429, "BUSY", f"{self._busy}; try again in a few seconds")
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
