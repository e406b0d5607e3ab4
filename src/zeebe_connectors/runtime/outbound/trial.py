"""Records one run of a connector by hand: what it was given after secrets and provider, and what it answered."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from zeebe_connectors.config.secrets import Mask


@dataclass(slots=True)
class Trial:
    """One run by hand, through the same pipeline as a job; no process stands behind it."""

    mask: Mask = field(default_factory=Mask)
    """Every secret that the run used; whatever is shown of it goes through here."""
    began: float = field(default_factory=time.monotonic)
    called: float | None = None
    """When the connector was called; None when it never was."""
    inputs: Any = None
    """What the connector was called with, secrets masked."""
    answered: float | None = None
    response: Any = None
    """The connector's result before the expressions, as it is; mask it before it is shown."""

    def calls(self, data: Any, mask: Mask) -> None:
        """Takes note of what the connector is called with."""
        self.mask = mask
        self.inputs = mask.value(data)
        self.called = time.monotonic()

    def answers(self, response: Any) -> None:
        """Takes note of its result."""
        self.response = response
        self.answered = time.monotonic()
