"""Limit the resources of an expression, and count those that an evaluation has used."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zeebe_connectors.feel.errors import EvaluationWarning, FeelLimitError

if TYPE_CHECKING:
    from zeebe_connectors.feel.values import HostFunction


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """The bounds of one expression. Each has a `FeelLimitError` that names it.

    Two objects are never equal, because comparing them would cost every job: they are part of the key of the cache of
    compiled expressions.
    """

    text: int = 65_536
    """Maximum characters of an expression's text."""
    depth: int = 90
    """Maximum nesting of expressions in the text; `else if` adds no depth."""
    steps: int = 10_000_000
    """Work of one evaluation: items looped over (times the size of the loop's body), functions called, and one step for
    each 64 characters that an operation reads or writes."""
    items: int = 1_000_000
    """Maximum items of an enumerated range (`1..n`) and of a list that a function makes."""
    characters: int = 4_000_000
    """Maximum characters of one text that the expression makes."""
    memory: int = 64_000_000
    """Maximum bytes of all values that one evaluation makes, including discarded ones."""
    seconds: float = 2.0
    """Seconds of processor time of one evaluation."""
    pattern: int = 10_000
    """Characters, classes and groups of a regular expression, each counted as often as its minimum repetition."""
    pattern_seconds: float = 0.1
    """Seconds of one regular expression's search."""


DEFAULT_LIMITS = Limits()
QUICK_LIMITS = Limits(
    steps=20_000, items=20_000, characters=250_000, memory=4_000_000, seconds=0.01, pattern=500, pattern_seconds=0.01
)
"""The limits of an evaluation on an event loop. One that needs more goes to a thread: see `feel.offload`."""
_MAX_WARNINGS = 100
_MAX_WARNING = 500
_STEPS_BETWEEN_LOOKS_AT_THE_CLOCK = 500
_CHARACTERS_PER_STEP = 64
_BYTES_PER_TEXT = 56
_BYTES_PER_ITEM = 8
_BYTES_PER_ENTRY = 64


def _now() -> datetime:
    """Returns the current time with the machine's offset, since an engine uses the machine's time zone too."""
    return datetime.now(UTC).astimezone()


class Run:
    """One evaluation: its remaining limits, its warnings, its functions and its clock."""

    __slots__ = ("_deadline", "_next_look", "clock", "functions", "limits", "memory", "steps", "warnings")

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
        self.memory = limits.memory
        self._next_look = limits.steps - _STEPS_BETWEEN_LOOKS_AT_THE_CLOCK
        self._deadline = 0.0

    def tick(self, steps: int = 1) -> None:
        """Takes this many steps of the budget, before they are done.

        Raises:
            FeelLimitError: the steps, the time or the memory are used up.
        """
        self.steps -= steps
        if self.steps < self._next_look:
            self._look()

    def read(self, characters: int) -> None:
        """Accounts for an operation that reads this many characters of a text."""
        if characters >= _CHARACTERS_PER_STEP:
            self.tick(characters // _CHARACTERS_PER_STEP)

    def hold(self, size: int) -> None:
        """Accounts for a value of this many bytes.

        Raises:
            FeelLimitError: all values together exceed the memory limit.
        """
        self.memory -= size
        if self.memory < 0:
            self._look()

    def _look(self) -> None:
        if self.steps < 0:
            raise FeelLimitError("steps", f"the expression takes more than {self.limits.steps} steps; loop over less")
        if self.memory < 0:
            raise FeelLimitError(
                "memory", f"the expression's values take more than {self.limits.memory:,} bytes; make less at a time"
            )
        self._next_look = self.steps - _STEPS_BETWEEN_LOOKS_AT_THE_CLOCK
        self.seconds_left()

    def seconds_left(self) -> float:
        """Returns the seconds of processor time left, counted from the first call; short expressions never call it.

        Raises:
            FeelLimitError: none remain.
        """
        now = time.thread_time()
        if not self._deadline:
            self._deadline = now + self.limits.seconds
        left = self._deadline - now
        if left <= 0:
            raise FeelLimitError("seconds", f"the expression takes longer than {self.limits.seconds} s; loop over less")
        return left

    def text(self, text: str) -> str:
        """Accounts for a text that the expression made, and returns it."""
        self.room(len(text), plain=text.isascii())
        return text

    def room(self, characters: int, *, plain: bool = False) -> None:
        """Accounts for a text of this many characters before it is made; `plain` if each takes one byte.

        Raises:
            FeelLimitError: it would be too long, or all values together would exceed the memory limit.
        """
        self.memory -= _BYTES_PER_TEXT + (characters if plain else 2 * characters)
        if characters >= _CHARACTERS_PER_STEP:
            if characters > self.limits.characters:
                raise FeelLimitError(
                    "characters", f"a text would have {characters} characters, {self.limits.characters} are allowed"
                )
            if self.memory < 0:
                self._look()
            self.tick(characters // _CHARACTERS_PER_STEP)

    def space(self, items: int) -> None:
        """Accounts for a list of this many items before it is made.

        Raises:
            FeelLimitError: it would be too long, or all values together would exceed the memory limit.
        """
        if items > self.limits.items:
            raise FeelLimitError("items", f"a list would have {items} items, {self.limits.items} are allowed")
        self.hold(_BYTES_PER_TEXT + _BYTES_PER_ITEM * items)
        self.tick(items)

    def entries(self, entries: int) -> None:
        """Accounts for a context of this many entries before it is made."""
        self.hold(_BYTES_PER_ENTRY * (1 + entries))
        self.tick(1 + entries // 8)

    def warn(self, kind: str, message: str) -> None:
        """Records why something became null; the first hundred reasons are kept."""
        if len(self.warnings) < _MAX_WARNINGS:
            self.warnings.append(EvaluationWarning(kind, message[:_MAX_WARNING]))
