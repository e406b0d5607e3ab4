"""Read event definitions, and the messages, signals and errors that they refer to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from xml.etree.ElementTree import Element as Node

from zeebe_connectors.engine.model import extensions
from zeebe_connectors.engine.model.elements import Element, Event, EventKind, TimerKind
from zeebe_connectors.engine.model.expressions import Expression
from zeebe_connectors.engine.model.xml import bpmn_children, text_of

CATCHING = frozenset({"startEvent", "intermediateCatchEvent", "boundaryEvent", "receiveTask"})
UNSUPPORTED = frozenset({
    "compensateEventDefinition", "conditionalEventDefinition", "escalationEventDefinition",
})  # fmt: skip


class EventReader:
    """Reads the event definitions of one document."""

    def __init__(self, root: Node, report: Callable[..., None]) -> None:
        self._report = report
        self._referenced = {
            (name, node.get("id")): node for name, node in bpmn_children(root) if name in {"message", "signal", "error"}
        }
        self._readers: dict[str, Callable[[Node, Element, Callable[..., None]], Event]] = {
            "messageEventDefinition": self._message,
            "signalEventDefinition": self._signal,
            "errorEventDefinition": self._error,
            "timerEventDefinition": self._timer,
            "linkEventDefinition": self._link,
            "terminateEventDefinition": lambda *_: Event(EventKind.TERMINATE),
        }

    def read(self, node: Node, element: Element) -> Event | None:
        """Read an element's event definition; None when it has none."""
        report = partial(self._report, element.id)
        if element.tag == "receiveTask":
            return self._message(node, element, report)
        found = [(tag, child) for tag, child in bpmn_children(node) if tag.endswith("EventDefinition")]
        if len(found) > 1:
            report("Must have at most one event definition")
        for tag, definition in found:
            if tag in UNSUPPORTED:
                report(f"Event definitions of type '{tag}' are not supported", unsupported=True)
                return Event(EventKind.UNSUPPORTED)
            read = self._readers.get(tag)
            if read is not None:
                return read(definition, element, report)
            report(f"Event definitions of type '{tag}' are not supported")
            return Event(EventKind.UNSUPPORTED)
        return None

    def _message(self, node: Node, element: Element, report: Callable[..., None]) -> Event:
        message = self._referenced.get(("message", node.get("messageRef")))
        event = Event(EventKind.MESSAGE)
        if message is None:
            if element.tag in CATCHING:
                report("Must reference a message")
            return event
        if element.tag not in CATCHING:
            return event
        name = message.get("name")
        if not name:
            report("The name of the message must be present and not empty")
            return event
        event.name = extensions.expression(name, report)
        event.correlation_key = extensions.correlation_key(message, report)
        return event

    def _signal(self, node: Node, _: Element, report: Callable[..., None]) -> Event:
        signal = self._referenced.get(("signal", node.get("signalRef")))
        event = Event(EventKind.SIGNAL)
        if signal is None:
            report("Must reference a signal")
        elif not signal.get("name"):
            report("The name of the signal must be present and not empty")
        else:
            event.name = extensions.expression(signal.get("name", ""), report)
        return event

    def _error(self, node: Node, element: Element, report: Callable[..., None]) -> Event:
        reference = node.get("errorRef")
        error = self._referenced.get(("error", reference))
        event = Event(EventKind.ERROR)
        catching = element.tag in CATCHING
        if error is None:
            if reference or not catching:
                report("Must reference an error")
            return event
        code = error.get("errorCode")
        if not code:
            if not catching:
                report("The error code must be present and not empty")
            return event
        event.name = extensions.expression(code, report)
        if catching and not event.name.is_static:
            report("The error code of a catch event must be static: an expression cannot be matched")
        return event

    def _timer(self, node: Node, _: Element, report: Callable[..., None]) -> Event:
        found = [(tag, child) for tag, child in bpmn_children(node) if tag in set(TimerKind)]
        event = Event(EventKind.TIMER, timer=TimerKind.DURATION, text=Expression("PT0S"))
        if len(found) != 1 or not text_of(found[0][1]):
            report("Must be exactly one type of timer: timeDuration, timeDate or timeCycle")
            return event
        tag, definition = found[0]
        event.timer = TimerKind(tag)
        event.text = extensions.expression(text_of(definition), report)
        return event

    def _link(self, node: Node, _: Element, report: Callable[..., None]) -> Event:
        name = node.get("name")
        if not name:
            report("The name of the link must be present and not empty")
        return Event(EventKind.LINK, link=name or "")
