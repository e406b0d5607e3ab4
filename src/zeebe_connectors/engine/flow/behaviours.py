"""Define what each kind of element does once it is activated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from zeebe_connectors.engine.flow.calls import CallActivity
from zeebe_connectors.engine.flow.events import (
    CatchEvent,
    ErrorEndEvent,
    EventBasedGateway,
    PassThrough,
    SignalThrowEvent,
    TerminateEndEvent,
)
from zeebe_connectors.engine.flow.gateways import ExclusiveGateway, InclusiveGateway, ParallelGateway
from zeebe_connectors.engine.flow.scopes import ProcessScope, SubProcess
from zeebe_connectors.engine.flow.tasks import JobTask, ScriptTask

if TYPE_CHECKING:
    from zeebe_connectors.engine.flow.flow import Flow
    from zeebe_connectors.engine.flow.instances import ElementInstance


class Behaviour(Protocol):
    """What an element does."""

    def activate(self, flow: Flow, instance: ElementInstance) -> None:
        """Make the instance active, and wait, act or continue.

        Raises:
            StepFailedError: It is currently impossible; nothing has changed.
        """


BEHAVIOURS: dict[str, Behaviour] = {
    "call": CallActivity(),
    "catch": CatchEvent(),
    "error_end": ErrorEndEvent(),
    "event_based": EventBasedGateway(),
    "exclusive": ExclusiveGateway(),
    "inclusive": InclusiveGateway(),
    "job": JobTask(),
    "link_throw": PassThrough(),
    "parallel": ParallelGateway(),
    "pass": PassThrough(),
    "process": ProcessScope(),
    "script": ScriptTask(),
    "signal_throw": SignalThrowEvent(),
    "subprocess": SubProcess(),
    "terminate": TerminateEndEvent(),
}
