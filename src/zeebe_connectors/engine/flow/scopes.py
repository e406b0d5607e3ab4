"""Run what contains a flow of its own: processes, sub-processes and event sub-processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zeebe_connectors.engine.flow.variables import set_variables
from zeebe_connectors.engine.model import Element

if TYPE_CHECKING:
    from zeebe_connectors.engine.flow.flow import Flow
    from zeebe_connectors.engine.flow.instances import ElementInstance


def open_scope(flow: Flow, instance: ElementInstance) -> None:
    """Make a scope active; it waits for the events that start its event sub-processes."""
    flow.activated(instance, [element.starts[0] for element in instance.element.event_subprocesses])


class ProcessScope:
    """Begins a process at its none start event, at the event that started it, or at the elements that were named."""

    def activate(self, flow: Flow, instance: ElementInstance) -> None:
        """Begin."""
        open_scope(flow, instance)
        begin: dict[str, Any] = instance.payload or {}
        instance.payload = None
        index = instance.process.definition.model.index
        if begin.get("at"):
            for element_id in begin["at"]:
                self._start_at(flow, instance, index[element_id])
        elif begin.get("event"):
            flow.enter_triggered(index[begin["event"]], instance, begin["variables"])
        else:
            start = instance.element.none_start
            assert start is not None  # noqa: S101 - who creates the instance has looked
            flow.enter(start, instance)

    def _start_at(self, flow: Flow, root: ElementInstance, element: Element) -> None:
        """Begin before an element; the sub-processes around it are made once, without their start events."""
        around = []
        parent = element.parent
        while parent is not None and parent is not root.element:
            around.append(parent)
            parent = parent.parent
        container = root
        for scope in reversed(around):
            inside = (container.children or {}).values()
            found = next((child for child in inside if child.element is scope), None)
            if found is None:
                found = flow.create(scope, container)
                open_scope(flow, found)
            container = found
        flow.enter(element, container)


class SubProcess:
    """Begins an embedded sub-process, or an event sub-process with what its event gave."""

    def activate(self, flow: Flow, instance: ElementInstance) -> None:
        """Begin."""
        open_scope(flow, instance)
        element = instance.element
        start = element.starts[0]
        if not element.event_triggered:
            flow.enter(start, instance)
            return
        payload: dict[str, Any] = instance.payload or {}
        instance.payload = None
        if start.outputs:
            flow.enter_triggered(start, instance, payload)
        else:  # without a mapping the event's variables are local to the event sub-process
            set_variables(flow.engine, instance, payload)
            flow.enter_triggered(start, instance, {})
