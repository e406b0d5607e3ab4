"""Remember a source's last 24 hours by the quarter of an hour: its status and the number of its events."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable

CELLS = 96
CELL_SECONDS = 900.0
UNKNOWN = "-"
_LETTERS = {"DOWN": "d", "STARTING": "t", "STANDBY": "s", "UP": "u"}
_WORST = "dust-"
"""Statuses by precedence: a quarter of an hour counts as down if the source ever was, else as up, and so on."""
_MAX_COUNT = 65_535


class Day:
    """The last day of one source.

    Args:
        clock: Seconds since 1970.
    """

    __slots__ = ("_clock", "_events", "_last", "_now", "_states")

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._states = bytearray(UNKNOWN.encode() * CELLS)
        self._events = array("H", [0] * CELLS)
        self._last = int(clock() // CELL_SECONDS)
        self._now = UNKNOWN

    def status(self, status: str) -> None:
        """Sets the status from now on: `UP`, `DOWN`, `STANDBY` or `STARTING`."""
        cell = self._cell()
        self._now = _LETTERS.get(status, UNKNOWN)
        self._states[cell] = ord(min(self._now, chr(self._states[cell]), key=_WORST.index))

    def event(self) -> None:
        """Counts an event."""
        cell = self._cell()
        self._events[cell] = min(_MAX_COUNT, self._events[cell] + 1)

    def shown(self) -> tuple[str, list[int]]:
        """Returns status letters and event counts of all quarters, the oldest first; the last quarter is not over.

        The letters: `u`p, `d`own, `s`tanding by, s`t`arting, `-` for unknown.
        """
        first = (self._cell() + 1) % CELLS
        states = self._states.decode()
        return states[first:] + states[:first], [*self._events[first:], *self._events[:first]]

    def _cell(self) -> int:
        """Returns the index of the current quarter hour; those that passed meanwhile get the last one's status."""
        number = int(self._clock() // CELL_SECONDS)
        for passed in range(max(self._last + 1, number - CELLS + 1), number + 1):
            self._states[passed % CELLS] = ord(self._now)
            self._events[passed % CELLS] = 0
        self._last = max(self._last, number)
        return self._last % CELLS
