"""Describe the elements of a deployed process, in the form that the flow runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from zeebe_connectors.engine.model.expressions import Expression

MAX_RETRIES = 2**31 - 1


class EventKind(StrEnum):
    """What an event throws or waits for."""

    MESSAGE = "message"
    TIMER = "timer"
    SIGNAL = "signal"
    ERROR = "error"
    LINK = "link"
    TERMINATE = "terminate"
    UNSUPPORTED = "unsupported"


class TimerKind(StrEnum):
    """How to read a timer's text."""

    DATE = "timeDate"
    DURATION = "timeDuration"
    CYCLE = "timeCycle"


@dataclass(slots=True)
class Mapping:
    """An input or output mapping.

    Attributes:
        source: What is evaluated; None stands for null.
        target: The path of names that the value is written to.
    """

    source: Expression | None
    target: tuple[str, ...]


@dataclass(slots=True)
class LinkedForm:
    """The deployed form of a user task; the binding says which of its versions."""

    form_id: Expression
    binding: str
    version_tag: str | None


@dataclass(slots=True)
class JobDefinition:
    """What a job is made of when its element is activated.

    Attributes:
        header_expressions: What is evaluated for further headers, those of user tasks.
        form: The form whose key becomes a header.
        headers_text: The static headers as JSON, shared by every job without header expressions.
        static_retries: The retries, if they are a number in the diagram; None if they are evaluated, or no such number.
    """

    type: Expression
    retries: Expression
    headers: dict[str, str]
    header_expressions: dict[str, Expression] = field(default_factory=dict)
    form: LinkedForm | None = None
    headers_text: str = field(init=False)
    static_retries: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Write the headers and read the retries once."""
        self.headers_text = json.dumps(self.headers)
        if self.retries.is_static:
            try:
                retries = int(self.retries.text)
            except ValueError:
                return
            if abs(retries) <= MAX_RETRIES:
                self.static_retries = retries


@dataclass(slots=True)
class Loop:
    """The multi-instance marker of an activity."""

    collection: Expression
    sequential: bool
    input_element: str | None
    output_collection: str | None
    output_element: Expression | None
    condition: Expression | None

    @property
    def output_variable(self) -> str | None:
        """The variable that the output element reads, so that it is local to each instance; None if it reads more."""
        if self.output_element is None or self.output_element.is_static:
            return None
        first, *rest = self.output_element.source.split(".")
        return first if all(part.isidentifier() for part in (first, *rest)) else None


@dataclass(slots=True)
class CalledElement:
    """The process that a call activity calls."""

    process_id: Expression
    propagate_parent: bool
    propagate_child: bool
    binding: str
    version_tag: str | None


@dataclass(slots=True)
class Event:
    """An event definition.

    Attributes:
        kind: What it throws or waits for.
        name: Name of the message or signal, or the error's code; None catches every error.
        correlation_key: A caught message's key; None where messages start processes.
        timer: How to read `text`.
        text: A timer's date, duration or cycle.
        link: A link's name.
    """

    kind: EventKind
    name: Expression | None = None
    correlation_key: Expression | None = None
    timer: TimerKind | None = None
    text: Expression | None = None
    link: str | None = None


@dataclass(slots=True, eq=False)
class SequenceFlow:
    """A flow from one element to another, with its condition if it leaves an exclusive or inclusive gateway."""

    id: str
    source: Element
    target: Element
    condition: Expression | None = None


@dataclass(slots=True, eq=False)
class Element:
    """An element of a process, or the process itself.

    Attributes:
        id: Its id in the diagram.
        tag: The name of its BPMN element, such as `serviceTask`.
        behaviour: The name of its behaviour in the flow.
        parent: The container; None for the process.
        attached_to: The activity of a boundary event.
        interrupting: Whether a boundary event ends its activity, or a start event of an event sub-process its scope.
        elements: What a container holds, by id, in the order of the XML.
        none_start: The start event without definition of a container.
        starts: All start events of a container.
        event_subprocesses: Those directly in a container.
        link_target: Where a throwing link event continues.
    """

    id: str
    tag: str
    behaviour: str
    parent: Element | None = None
    name: str | None = None
    event: Event | None = None
    inputs: list[Mapping] = field(default_factory=list)
    outputs: list[Mapping] = field(default_factory=list)
    job: JobDefinition | None = None
    script: Expression | None = None
    result_variable: str | None = None
    loop: Loop | None = None
    called: CalledElement | None = None
    attached_to: Element | None = None
    interrupting: bool = True
    event_triggered: bool = False
    outgoing: list[SequenceFlow] = field(default_factory=list)
    incoming: list[SequenceFlow] = field(default_factory=list)
    default_flow: SequenceFlow | None = None
    boundaries: list[Element] = field(default_factory=list)
    elements: dict[str, Element] = field(default_factory=dict)
    starts: list[Element] = field(default_factory=list)
    event_subprocesses: list[Element] = field(default_factory=list)
    link_target: Element | None = None
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def none_start(self) -> Element | None:
        """The start event without an event definition; None if the container has none."""
        for start in self.starts:
            if start.event is None:
                return start
        return None

    @property
    def type(self) -> str:
        """Its kind as the cluster's API names it, such as `SERVICE_TASK`."""
        if self.event_triggered:
            return "EVENT_SUB_PROCESS"
        return "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in self.tag)

    def walk(self) -> Iterator[Element]:
        """Yield the element and everything that it contains."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting.extend(reversed(element.elements.values()))


@dataclass(slots=True, eq=False)
class Process(Element):
    """An executable process."""

    version_tag: str | None = None
    index: dict[str, Element] = field(default_factory=dict)
