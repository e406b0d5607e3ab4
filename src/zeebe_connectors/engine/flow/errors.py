"""Find the event that catches an error, scope by scope upward, and through call activities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from zeebe_connectors.engine.flow import interruptions
from zeebe_connectors.engine.model import Element, EventKind

if TYPE_CHECKING:
    from zeebe_connectors.engine.flow.flow import Flow
    from zeebe_connectors.engine.flow.instances import ElementInstance

Catcher = tuple["ElementInstance", Element]
"""An event that catches an error, with what it belongs to: the activity of a boundary event, or the scope of an event
sub-process."""


def find_catcher(instance: ElementInstance, code: str) -> Catcher | None:
    """Return the nearest event that catches an error thrown by an instance; None if nothing does."""
    current: ElementInstance | None = instance
    while current is not None:
        if current.index < 0:  # the boundary events of a multi-instance activity belong to its body
            event = _catcher(current.element.boundaries, code)
            if event is not None:
                return current, event
        container = current.parent
        if container is None:
            current = current.process.caller
            continue
        if not container.interrupted and not container.is_body:
            starts = (inner.starts[0] for inner in container.element.event_subprocesses)
            event = _catcher(starts, code)
            if event is not None:
                return container, event
        current = container
    return None


def trigger(flow: Flow, catcher: Catcher, payload: dict[str, Any]) -> None:
    """Trigger an event that catches an error, with the error's variables."""
    holder, event = catcher
    if event.tag == "boundaryEvent":
        interruptions.trigger_boundary(flow, holder, event, payload)
    elif event.parent is not None:
        interruptions.trigger_event_subprocess(flow, holder, event.parent, payload)


def _catcher(events: Iterable[Element], code: str) -> Element | None:
    """Return the event that catches the code: one for exactly this code takes precedence over one for all."""
    all_codes = None
    for element in events:
        event = element.event
        if event is None or event.kind is not EventKind.ERROR:
            continue
        if event.name is None:
            all_codes = element
        elif event.name.text == code:
            return element
    return all_codes
