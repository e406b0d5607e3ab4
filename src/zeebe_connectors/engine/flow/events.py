"""Run events: those that wait, those that throw, and those that a token only passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeebe_connectors.engine.flow import errors, interruptions
from zeebe_connectors.engine.flow.variables import Visible, text_value
from zeebe_connectors.engine.incidents import UNHANDLED_ERROR, StepFailedError
from zeebe_connectors.engine.model import Expression

if TYPE_CHECKING:
    from zeebe_connectors.engine.flow.flow import Flow
    from zeebe_connectors.engine.flow.instances import ElementInstance


class PassThrough:
    """Completes at once: none events, undefined and manual tasks, both ends of a link."""

    def activate(self, flow: Flow, instance: ElementInstance) -> None:
        """Continue."""
        flow.activated(instance)
        flow.do("complete", instance)


class CatchEvent:
    """Waits for its own message, signal or time: catch events and receive tasks."""

    def activate(self, flow: Flow, instance: ElementInstance) -> None:
        """Wait."""
        flow.activated(instance, [instance.element])


class EventBasedGateway:
    """Waits for the first of several events."""

    def activate(self, flow: Flow, instance: ElementInstance) -> None:
        """Wait."""
        flow.activated(instance, [outgoing.target for outgoing in instance.element.outgoing])


class SignalThrowEvent:
    """Broadcasts a signal with its local variables."""

    def activate(self, flow: Flow, instance: ElementInstance) -> None:
        """Broadcast, and continue."""
        name = text_value(flow.engine, _name(instance), Visible(instance), "the signal name")
        flow.activated(instance)
        flow.do("complete", instance)
        flow.engine.signals.broadcast(name, dict(instance.variables or {}))


class ErrorEndEvent:
    """Throws an error."""

    def activate(self, flow: Flow, instance: ElementInstance) -> None:
        """Throw; an error that nothing catches is an incident."""
        code = text_value(flow.engine, _name(instance), Visible(instance), "the error code")
        catcher = errors.find_catcher(instance, code)
        if catcher is None:
            raise StepFailedError(
                UNHANDLED_ERROR,
                f"Expected to throw an error event with the code '{code}', but it was not caught. No error events are "
                "available in the scope.",
            )
        flow.activated(instance)
        errors.trigger(flow, catcher, {})


class TerminateEndEvent:
    """Ends everything else in its scope."""

    def activate(self, flow: Flow, instance: ElementInstance) -> None:
        """End the others; the scope then completes."""
        flow.activated(instance)
        container = instance.parent
        assert container is not None  # noqa: S101 - an event is inside a container
        interruptions.interrupt(flow, container, by=instance)
        flow.do("complete", instance)


def _name(instance: ElementInstance) -> Expression:
    event = instance.element.event
    assert event is not None  # noqa: S101 - what makes it this event
    assert event.name is not None  # noqa: S101 - the checks see to it
    return event.name
