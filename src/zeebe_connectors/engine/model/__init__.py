"""Read BPMN diagrams into elements that the flow can run, and refuse what is invalid or cannot be run here."""

from zeebe_connectors.engine.model.elements import (
    MAX_RETRIES,
    CalledElement,
    Element,
    Event,
    EventKind,
    JobDefinition,
    LinkedForm,
    Loop,
    Mapping,
    Process,
    SequenceFlow,
    TimerKind,
)
from zeebe_connectors.engine.model.expressions import Expression, ExpressionError
from zeebe_connectors.engine.model.problems import Problem
from zeebe_connectors.engine.model.reading import InvalidResourceError, read_processes

__all__ = [
    "MAX_RETRIES",
    "CalledElement",
    "Element",
    "Event",
    "EventKind",
    "Expression",
    "ExpressionError",
    "InvalidResourceError",
    "JobDefinition",
    "LinkedForm",
    "Loop",
    "Mapping",
    "Problem",
    "Process",
    "SequenceFlow",
    "TimerKind",
    "read_processes",
]
