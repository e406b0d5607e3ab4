"""Record one run of a connector by hand: its inputs after secrets and provider, and its result."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from zeebe_connectors.config.secrets import Mask


@dataclass(slots=True)
class Trial:
    """One run by hand, through the same pipeline as a job but without a process."""

    mask: Mask = field(default_factory=Mask)
    """Masks every secret that the run used, in whatever is shown of it."""
    began: float = field(default_factory=time.monotonic)
    called: float | None = None
    """When the connector was called; None if it was not."""
    inputs: Any = None
    """What the connector was called with, secrets masked."""
    answered: float | None = None
    response: Any = None
    """The connector's result before the expressions, unmasked; mask it before showing it."""

    def calls(self, data: Any, mask: Mask) -> None:
        """Records the inputs that the connector is called with."""
        self.mask = mask
        self.inputs = mask.value(data)
        self.called = time.monotonic()

    def answers(self, response: Any) -> None:
        """Records the connector's result."""
        self.response = response
        self.answered = time.monotonic()
