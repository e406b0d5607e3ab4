"""Define what is counted of sources, by the official runtime's names of the actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from zeebe_connectors.runtime.inbound.events import Handled


class SourceMetrics(Protocol):
    """What is counted of sources; called once or twice per event, so it must be quick and must not raise."""

    def activation(self, action: str, *, type: str, source: str) -> None:  # noqa: A002 - the metric's label
        """A source was `activated` or `deactivated`, or its `activation-failed`."""
        ...

    def trigger(self, action: str, *, type: str, source: str) -> None:  # noqa: A002 - the metric's label
        """An event was `triggered`; then `correlated`, `known`, `activation-condition-failed`, `correlation-failed`."""
        ...

    def status(self, before: str, after: str) -> None:
        """A source is no longer `before` but `after`; empty for one that comes or goes."""
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
