"""Record when a job goes from one stage of its handling to the next, to show where its time went."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, TypeAlias

from zeebe_connectors.config.secrets import Mask

MAX_DATA = 8_000
"""Maximum characters of the inputs, and of the result, that are kept."""
StepName: TypeAlias = Literal["inputs", "turn", "call", "expressions", "delivery"]
STEPS: tuple[StepName, ...] = ("inputs", "turn", "call", "expressions", "delivery")
"""The stages in order: reading inputs and secrets, waiting for the provider's usage rule, the connector's call,
result and error expression, sending the outcome to the engine."""


@dataclass(slots=True)
class Stages:
    """Times by `time.perf_counter`; 0 for a stage that the job did not reach."""

    began: float = 0.0
    read: float = 0.0
    """Inputs and secrets were read."""
    called: float = 0.0
    """The connector was called."""
    answered: float = 0.0
    """The connector returned or failed."""
    ended: float = 0.0
    """The expressions were evaluated: the outcome is known."""
    recorded: tuple[str, str] | None = None
    """Inputs and result of a failed job as masked and cut JSON, if the operator wants them shown."""

    def seconds(self, delivered: float) -> tuple[float, ...]:
        """Returns the seconds that each of `STEPS` took.

        Args:
            delivered: When the engine had the outcome.
        """
        read = self.read or self.answered or self.ended
        called = self.called or self.answered or read
        answered = self.answered or called
        ended = self.ended
        steps = (read - self.began, called - read, answered - called, ended - answered, delivered - ended)
        return steps if min(steps) >= 0.0 else tuple([max(0.0, step) for step in steps])


def recorded_data(data: object, response: object, mask: Mask) -> tuple[str, str]:
    """Returns inputs and result as JSON for an operator to read: secrets masked, then cut."""
    return _text(data, mask), _text(response, mask)


def _text(value: object, mask: Mask) -> str:
    try:
        text = json.dumps(mask.value(value), indent=2, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        return "it cannot be written as JSON"
    return text if len(text) <= MAX_DATA else f"{text[:MAX_DATA]}…"
