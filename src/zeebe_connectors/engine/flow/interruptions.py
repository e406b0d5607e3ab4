"""Trigger boundary events and event sub-processes, which may interrupt their activity or their scope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zeebe_connectors.engine.flow import subscriptions
from zeebe_connectors.engine.flow.instances import ElementInstance, State
from zeebe_connectors.engine.model import Element

if TYPE_CHECKING:
    from zeebe_connectors.engine.flow.flow import Flow


def trigger_boundary(flow: Flow, holder: ElementInstance, event: Element, payload: dict[str, Any]) -> None:
    """Trigger a boundary event; an interrupting one ends its activity first."""
    container = holder.parent
    assert container is not None  # noqa: S101 - an activity is inside a container
    if event.interrupting:
        flow.terminate(holder)
    flow.enter_triggered(event, container, payload)
    if event.interrupting and container.arrivals:
        flow.do("join", container)


def trigger_event_subprocess(flow: Flow, container: ElementInstance, element: Element, payload: dict[str, Any]) -> bool:
    """Start an event sub-process; an interrupting one ends everything else in its scope first.

    Return whether it starts: not in a scope that is interrupted already, or about to end.
    """
    if container.interrupted or container.state is not State.ACTIVATED:
        return False
    if element.starts[0].interrupting:
        interrupt(flow, container)
    flow.enter(element, container, payload)
    return True


def interrupt(flow: Flow, container: ElementInstance, by: ElementInstance | None = None) -> None:
    """End everything inside a scope, except what interrupts it; no other event sub-process starts in it any more."""
    container.interrupted = True
    flow.engine.touch(container)
    own = {start for inner in container.element.event_subprocesses for start in inner.starts}
    for subscription in list(container.subscriptions or ()):
        if subscription.event in own:
            subscriptions.close(flow.engine, subscription)
    for child in list((container.children or {}).values()):
        if child is not by:
            flow.terminate(child)
    container.arrivals = None
