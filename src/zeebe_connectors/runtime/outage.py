"""Log a lasting failure: one line when it begins, one a minute while it lasts, and one when it is over."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

REMINDER = 60.0
"""Seconds between two lines about a lasting failure."""


class PastOutage(NamedTuple):
    """A lasting failure that is over."""

    since: float
    """When it began, in seconds since 1970; `until` likewise."""
    until: float
    reason: str
    """The reason of its first failure."""


class Outage:
    """One thing that may be away, such as the cluster; shared by everything that uses it.

    Args:
        log: The logger for the lines.
        name: What is away; begins each line.
        advice: What to check; it ends the first line.
        quiet: Seconds without a failure after which a success ends it. Where many share it, some may succeed while
            others fail: a proxy with one gateway of three, or polls that began before.
        clock: A monotonic clock in seconds.
    """

    def __init__(
        self,
        log: logging.Logger,
        name: str,
        advice: str = "",
        *,
        quiet: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._name = name
        self._advice = advice
        self._quiet = quiet
        self._clock = clock
        self._last_failure = 0.0
        self._since: float | None = None
        self._last_line = 0.0
        self._reason = ""
        self._failures = 0
        self._first_reason = ""
        self.last: PastOutage | None = None
        """The last outage that is over."""

    def failed(self, reason: str, *, error: BaseException | None = None) -> None:
        """Counts a failure. The first is logged, the others once a minute; an unexpected error also when it changes.

        Args:
            reason: Why, in the words of what failed.
            error: An unexpected error, whose traceback is logged with the line.
        """
        now = self._last_failure = self._clock()
        self._failures += 1
        if self._since is None:
            self._since, self._first_reason = now, reason
            self._log.warning(
                "%s: %s%s", self._name, reason, f". {self._advice}" if self._advice else "", exc_info=error
            )
        elif now - self._last_line >= REMINDER:
            self._log.warning(
                "%s: still, after %.0f s and %d failures: %s", self._name, now - self._since, self._failures, reason
            )
        elif reason != self._reason and error is not None:
            self._log.warning("%s: %s", self._name, reason, exc_info=error)
        else:
            return
        self._last_line = now
        self._reason = reason

    def over(self) -> None:
        """Notes a success; the first one after failures, and the quiet after them, is logged."""
        if self._since is None or self._clock() - self._last_failure < self._quiet:
            return
        lasted, now = self._clock() - self._since, time.time()
        self._log.info("%s: back after %.0f s and %d failures", self._name, lasted, self._failures)
        self.last = PastOutage(now - lasted, now, self._first_reason)
        self._since, self._failures, self._reason = None, 0, ""
