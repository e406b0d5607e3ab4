"""Define the counters of sources, with the official runtime's names of the actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from zeebe_connectors.runtime.inbound.events import Handled


class SourceMetrics(Protocol):
    """Counts what sources do; called once or twice per event, so it must be quick and must not raise."""

    def activation(self, action: str, *, type: str, source: str) -> None:  # noqa: A002 - the metric's label
        """Counts that a source was `activated` or `deactivated`, or its `activation-failed`."""
        ...

    def trigger(self, action: str, *, type: str, source: str) -> None:  # noqa: A002 - the metric's label
        """Counts an event: `triggered`, `correlated`, `known`, `activation-condition-failed`, `correlation-failed`."""
        ...

    def status(self, before: str, after: str) -> None:
        """Counts a source as `after` instead of `before`; either is empty for a source that appears or disappears."""
        ...


class _NoMetrics:
    def activation(self, action: str, *, type: str, source: str) -> None:  # noqa: A002
        pass

    def trigger(self, action: str, *, type: str, source: str) -> None:  # noqa: A002
        pass

    def status(self, before: str, after: str) -> None:
        pass


NO_METRICS: SourceMetrics = _NoMetrics()
TRIGGERS: Mapping[Handled, str] = {
    "handed over": "correlated",
    "known": "known",
    "ignored": "activation-condition-failed",
    "untouched": "activation-condition-failed",
    "quarantined": "correlation-failed",
}
