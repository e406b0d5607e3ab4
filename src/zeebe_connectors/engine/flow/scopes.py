"""Run elements that contain a flow of their own: processes, sub-processes and event sub-processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zeebe_connectors.engine.flow.variables import set_variables

if TYPE_CHECKING:
    from zeebe_connectors.engine.flow.flow import Flow
    from zeebe_connectors.engine.flow.instances import ElementInstance


def open_scope(flow: Flow, instance: ElementInstance) -> None:
    """Make a scope active; it waits for the events that start its event sub-processes."""
    flow.activated(instance, [element.starts[0] for element in instance.element.event_subprocesses])


def start_inside(flow: Flow, container: ElementInstance, element_ids: Sequence[str]) -> None:
    """Start before the named elements of a container; each sub-process around some of them is created once.

    Such a sub-process starts at these elements instead of its start event, and without its input mappings.
    """
    index = container.process.definition.model.index
    inside: dict[str, list[str]] = {}
    for element_id in element_ids:
        scope = index[element_id]
        while scope.parent is not None and scope.parent is not container.element:
            scope = scope.parent
        if scope.id == element_id:
            flow.enter(scope, container)
        elif scope.id in inside:
            inside[scope.id].append(element_id)
        else:
            inside[scope.id] = [element_id]
            flow.enter(scope, container, inside[scope.id])


def receive_event(flow: Flow, instance: ElementInstance) -> None:
    """Give an event sub-process the variables of its event, unless the start event maps them.

    They are local to it, and its input mappings see them.
    """
    if not instance.element.starts[0].outputs and isinstance(instance.payload, dict):
        set_variables(flow.engine, instance, instance.payload)


class ProcessScope:
    """Starts a process at its none start event, at the event that triggered it, or at the named elements."""

    def activate(self, flow: Flow, instance: ElementInstance) -> None:
        """Begin."""
        open_scope(flow, instance)
        begin: dict[str, Any] = instance.payload or {}
        instance.payload = None
        if begin.get("at"):
            start_inside(flow, instance, begin["at"])
        elif begin.get("event"):
            index = instance.process.definition.model.index
            flow.enter_triggered(index[begin["event"]], instance, begin["variables"])
        else:
            start = instance.element.none_start
            assert start is not None  # noqa: S101 - checked when the instance is created
            flow.enter(start, instance)


class SubProcess:
    """Starts an embedded sub-process, or an event sub-process with the variables of its event."""

    def activate(self, flow: Flow, instance: ElementInstance) -> None:
        """Begin."""
        open_scope(flow, instance)
        element, payload, begins_inside = instance.element, instance.payload, instance.begins_inside
        instance.payload = None
        start = element.starts[0]
        if begins_inside:
            start_inside(flow, instance, payload)
        elif not element.event_triggered:
            flow.enter(start, instance)
        else:
            flow.enter_triggered(start, instance, (payload or {}) if start.outputs else {})
