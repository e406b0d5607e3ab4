"""How much one expression may take, and the account of one evaluation that keeps it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zeebe_connectors.feel.errors import EvaluationWarning, FeelLimitError

if TYPE_CHECKING:
    from zeebe_connectors.feel.values import HostFunction


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one expression. Each has a `FeelLimitError` that names it."""

    text: int = 65_536
    """Characters of an expression's text."""
    depth: int = 90
    """Expressions inside expressions, in the text."""
    steps: int = 1_000_000
    """Items looped over, functions called, list items and text written, in one evaluation."""
    items: int = 100_000
    """Items of a range that is counted out (`1..n`) and of a list that a function makes."""
    characters: int = 1_000_000
    """Characters of one text that the expression makes."""
    seconds: float = 2.0
    """Wall-clock seconds of one evaluation."""
    pattern_seconds: float = 0.1
    """Seconds of one regular expression's search."""


DEFAULT_LIMITS = Limits()
_MAX_WARNINGS = 100
_STEPS_BETWEEN_LOOKS_AT_THE_CLOCK = 2_000
_CHARACTERS_PER_STEP = 64


def _now() -> datetime:
    """The current time with the machine's offset; an engine's zone is the machine's, too."""
    return datetime.now(UTC).astimezone()


class Run:
    """One evaluation: what it may still take, what it warned about, and the functions and the clock it was given."""

    __slots__ = ("_deadline", "_next_look", "clock", "functions", "limits", "steps", "warnings")

    def __init__(
        self,
        limits: Limits = DEFAULT_LIMITS,
        functions: Mapping[str, Sequence[HostFunction]] | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.limits = limits
        self.functions = functions
        self.clock = clock or _now
        self.warnings: list[EvaluationWarning] = []
        self.steps = limits.steps
        self._next_look = limits.steps - _STEPS_BETWEEN_LOOKS_AT_THE_CLOCK
        self._deadline = 0.0

    def tick(self, steps: int = 1) -> None:
        """Take so many steps of the budget.

        Raises:
            FeelLimitError: the budget is used up, or the time.
        """
        self.steps -= steps
        if self.steps < self._next_look:
            self._look()

    def _look(self) -> None:
        if self.steps < 0:
            raise FeelLimitError("steps", f"the expression takes more than {self.limits.steps} steps; loop over less")
        self._next_look = self.steps - _STEPS_BETWEEN_LOOKS_AT_THE_CLOCK
        self.seconds_left()

    def seconds_left(self) -> float:
        """Seconds until the deadline. The clock starts with the first question, so that short expressions never ask.

        Raises:
            FeelLimitError: there are none.
        """
        now = time.monotonic()
        if not self._deadline:
            self._deadline = now + self.limits.seconds
        left = self._deadline - now
        if left <= 0:
            raise FeelLimitError("seconds", f"the expression takes longer than {self.limits.seconds} s; loop over less")
        return left

    def text(self, text: str) -> str:
        """Account for a text that the expression made, and give it back."""
        self.room(len(text))
        return text

    def room(self, characters: int) -> None:
        """Account for a text of so many characters before it is made.

        Raises:
            FeelLimitError: it would be longer than a text may be.
        """
        if characters > _CHARACTERS_PER_STEP:
            if characters > self.limits.characters:
                raise FeelLimitError(
                    "characters", f"a text would have {characters} characters, {self.limits.characters} are allowed"
                )
            self.tick(characters // _CHARACTERS_PER_STEP)

    def space(self, items: int) -> None:
        """Account for a list of so many items before it is made.

        Raises:
            FeelLimitError: it would be longer than a list may be.
        """
        if items > self.limits.items:
            raise FeelLimitError("items", f"a list would have {items} items, {self.limits.items} are allowed")
        self.tick(items)

    def warn(self, kind: str, message: str) -> None:
        """Remember why something became null; the first hundred reasons are kept."""
        if len(self.warnings) < _MAX_WARNINGS:
            self.warnings.append(EvaluationWarning(kind, message))
