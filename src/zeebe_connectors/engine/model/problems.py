"""Report why a diagram is refused, in a cluster's format: the element, ERROR, the reason."""

from __future__ import annotations

from dataclasses import dataclass

ONLY_A_CLUSTER = "a cluster may run this; the local engine cannot"


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason against a deployment.

    Attributes:
        element: Id of the element, or the name of its kind if it has none.
        reason: What is wrong.
        unsupported: Whether the diagram may be valid for a cluster, and only this engine cannot run it.
    """

    element: str
    reason: str
    unsupported: bool = False

    def __str__(self) -> str:
        reason = f"{self.reason}: {ONLY_A_CLUSTER}" if self.unsupported else self.reason
        return f"- Element: {self.element}\n    - ERROR: {reason}"
