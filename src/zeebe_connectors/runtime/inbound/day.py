"""Remembers a source's last 24 hours in quarters of an hour: how it was, how many events came."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable

CELLS = 96
CELL_SECONDS = 900.0
UNKNOWN = "-"
_LETTERS = {"DOWN": "d", "STARTING": "t", "STANDBY": "s", "UP": "u"}
_WORST = "dust-"
"""A quarter of an hour is shown as down if it ever was, else as up if it ever was, and so on."""
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
        """The source is `UP`, `DOWN`, `STANDBY` or `STARTING` from now on."""
        cell = self._cell()
        self._now = _LETTERS.get(status, UNKNOWN)
        self._states[cell] = ord(min(self._now, chr(self._states[cell]), key=_WORST.index))

    def event(self) -> None:
        """An event came."""
        cell = self._cell()
        self._events[cell] = min(_MAX_COUNT, self._events[cell] + 1)

    def shown(self) -> tuple[str, list[int]]:
        """Of each quarter, the oldest first: a letter of how it was, and how many events came; the last is not over.

        The letters: `u`p, `d`own, `s`tanding by, s`t`arting, `-` for not known.
        """
        first = (self._cell() + 1) % CELLS
        states = self._states.decode()
        return states[first:] + states[:first], [*self._events[first:], *self._events[:first]]

    def _cell(self) -> int:
        """The present quarter's place; those that went by meanwhile were as the last one was."""
        number = int(self._clock() // CELL_SECONDS)
        for passed in range(max(self._last + 1, number - CELLS + 1), number + 1):
            self._states[passed % CELLS] = ord(self._now)
            self._events[passed % CELLS] = 0
        self._last = max(self._last, number)
        return self._last % CELLS
