"""Broadcast signals to everything that waits for them, and start processes with them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from zeebe_connectors.engine.flow import subscriptions
from zeebe_connectors.engine.happenings import HappeningKind
from zeebe_connectors.engine.rejections import invalid

if TYPE_CHECKING:
    from zeebe_connectors.engine.core import Engine
    from zeebe_connectors.engine.flow.subscriptions import Subscription


class Signals:
    """The open signal subscriptions of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: defaultdict[str, dict[Subscription, None]] = defaultdict(dict)

    def add(self, subscription: Subscription) -> None:
        """Open a subscription."""
        self._waiting[subscription.name][subscription] = None

    def remove(self, subscription: Subscription) -> None:
        """Close a subscription."""
        waiting = self._waiting.get(subscription.name)
        if waiting is not None:
            waiting.pop(subscription, None)
            if not waiting:
                del self._waiting[subscription.name]

    def broadcast(self, name: str, variables: dict[str, Any]) -> int:
        """Trigger every event that waits for the signal; return the broadcast's key.

        Raises:
            Rejection: The name is blank.
        """
        engine = self._engine
        if not name:
            raise invalid("Expected to broadcast a signal with a name, but the name was blank")
        key = engine.keys.take()
        if engine.observers:
            engine.tell(HappeningKind.SIGNAL_BROADCAST, key, None, {"name": name})
        for subscription in list(self._waiting.get(name, ())):
            subscriptions.trigger(engine, subscription, dict(variables))
        for definition, event_id in engine.definitions.started_by_signal(name):
            engine.start_process(definition, {}, begin={"event": event_id, "variables": dict(variables)})
        return key
