"""Define outcomes, the only results of handling a job: plain data to be read, already encoded, sized and masked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from zeebe_connectors.runtime.outbound.stages import Stages


@dataclass(slots=True)
class Complete:
    """The job is done."""

    variables: dict[str, Any] = field(default_factory=dict)
    payload: str = "{}"
    """The variables as JSON text, ready to send."""
    on_acknowledged: Callable[[], None] | None = field(default=None, compare=False, repr=False)
    """Called once the engine has acknowledged the outcome."""
    stages: Stages | None = field(default=None, compare=False, repr=False)
    """When the job went from one stage to the next."""


@dataclass(slots=True)
class Fail:
    """The job failed; with no retries left the engine raises an incident."""

    message: str
    retries: int
    backoff: float | None = None
    """Seconds before the engine offers the job again."""
    variables: dict[str, Any] = field(default_factory=dict)
    payload: str = "{}"
    code: str | None = None
    """The error's code, for metrics and tests; not sent."""
    stages: Stages | None = field(default=None, compare=False, repr=False)
    """As for `Complete`."""


@dataclass(slots=True)
class Throw:
    """The job ends with a BPMN error, for a boundary event to catch."""

    code: str
    message: str = ""
    variables: dict[str, Any] = field(default_factory=dict)
    payload: str = "{}"
    on_acknowledged: Callable[[], None] | None = field(default=None, compare=False, repr=False)
    """As for `Complete`."""
    stages: Stages | None = field(default=None, compare=False, repr=False)
    """As for `Complete`."""


Outcome = Complete | Fail | Throw


class HandBack(Exception):  # noqa: N818 - no fault of the job
    """The job cannot run now, through no fault of its own: it goes back with its retries untouched.

    Raise it only before anything happened outside.

    Args:
        message: Why, and what to do if it lasts.
        delay: Seconds before the engine offers the job again.
    """

    def __init__(self, message: str, delay: float) -> None:
        super().__init__(message)
        self.message = message
        self.delay = delay
