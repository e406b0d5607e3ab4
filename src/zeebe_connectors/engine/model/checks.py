"""Check a parsed process: the rules that concern several elements, or an element's place."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from zeebe_connectors.engine.model.elements import Element, Event, EventKind, Process, TimerKind
from zeebe_connectors.engine.model.expressions import ExpressionError
from zeebe_connectors.engine.model.loops import loop_without_waiting

Report = Callable[..., None]
CHOOSING = frozenset({"exclusiveGateway", "inclusiveGateway"})
CAUGHT = frozenset({EventKind.MESSAGE, EventKind.TIMER, EventKind.SIGNAL, EventKind.LINK})
AWAITED = frozenset({EventKind.MESSAGE, EventKind.TIMER, EventKind.SIGNAL})
ATTACHED = frozenset({EventKind.MESSAGE, EventKind.TIMER, EventKind.SIGNAL, EventKind.ERROR})
INTERMEDIATE_THROWN = frozenset({EventKind.MESSAGE, EventKind.SIGNAL, EventKind.LINK})
END_THROWN = frozenset({EventKind.MESSAGE, EventKind.SIGNAL, EventKind.ERROR, EventKind.TERMINATE})


def check_process(process: Process, report: Report) -> None:
    """Report what is wrong with a process."""
    for element in process.walk():
        if element.starts or element.tag in {"process", "subProcess"}:
            _container(element, report)
        _flows(element, report)
        check = _CHECKS.get(element.tag)
        reported = element.event is not None and element.event.kind is EventKind.UNSUPPORTED
        if check is not None and not reported:
            check(element, report)
        _same_events(element.id, element.boundaries, report)


def _container(element: Element, report: Report) -> None:
    if element.tag == "process":
        if not element.starts:
            report(element.id, "Must have at least one start event")
        if sum(start.event is None for start in element.starts) > 1:
            report(element.id, "Multiple none start events are not allowed")
        _same_events(element.id, element.starts, report)
    elif element.event_triggered:
        _event_subprocess(element, report)
    elif len(element.starts) != 1 or element.starts[0].event is not None:
        report(element.id, "Must have exactly one start event of type none")
    _same_events(element.id, [start for inner in element.event_subprocesses for start in inner.starts[:1]], report)
    _links(element, report)
    loop = loop_without_waiting(element)
    if loop is not None:
        way = " > ".join(one.id for one in loop)
        report(element.id, f"Processes are not allowed to contain a straight-through processing loop: {way}")


def _event_subprocess(element: Element, report: Report) -> None:
    if element.incoming or element.outgoing:
        report(element.id, "An event sub-process must not have incoming or outgoing sequence flows")
    if element.boundaries:
        report(element.id, "An event sub-process must not have boundary events")
    if element.loop is not None:
        report(element.id, "An event sub-process must not be multi-instance")
    if len(element.starts) != 1:
        report(element.id, "Must have exactly one start event")
        return
    start = element.starts[0]
    if start.event is not None and start.event.kind is EventKind.UNSUPPORTED:
        return
    if start.event is None or start.event.kind not in ATTACHED:
        report(start.id, "Start events in event sub-processes must be one of: message, timer, signal, error")
        return
    if start.event.kind is EventKind.MESSAGE:
        _subscription(start, start.event, report)
    if start.event.kind is EventKind.ERROR and not start.interrupting:
        report(start.id, "Error start events must be interrupting")
    if start.event.timer is TimerKind.CYCLE and start.interrupting:
        report(start.id, "Interrupting timer events must not have a time cycle")


def _flows(element: Element, report: Report) -> None:
    if element.tag not in CHOOSING:
        for flow in element.outgoing:
            if flow.condition is not None:
                report(flow.id, "Conditions are only supported at flows of exclusive and inclusive gateways")


def _start_event(element: Element, report: Report) -> None:
    parent = element.parent
    event = element.event
    if parent is None or parent.tag != "process" or event is None:
        return
    if event.kind not in AWAITED:
        report(element.id, "Start events of a process must be one of: none, message, timer, signal")
    elif event.kind is EventKind.TIMER and event.timer is TimerKind.DURATION:
        report(element.id, "Timer start events must have a time date or a time cycle")
    if event.name is not None and event.name.tree is not None:
        _without_variables(element, event, report)


def _without_variables(element: Element, event: Event, report: Report) -> None:
    """Check names of start events, which are evaluated at deployment, where there are no variables."""
    assert event.name is not None  # noqa: S101 - for the types; the caller has looked
    try:
        value = event.name.value({})
    except ExpressionError as error:
        report(element.id, f"The name is evaluated at deployment, and fails: {error}")
        return
    if not isinstance(value, str):
        report(
            element.id,
            f"Expected the name '{event.name.source}' to be a text at deployment, without variables, but was {value!r}",
        )


def _end_event(element: Element, report: Report) -> None:
    if element.outgoing:
        report(element.id, "End events must not have outgoing sequence flows")
    if element.event is not None and element.event.kind not in END_THROWN:
        report(element.id, "End events must be one of: none, message, signal, error, terminate")


def _throw_event(element: Element, report: Report) -> None:
    if element.event is not None and element.event.kind not in INTERMEDIATE_THROWN:
        report(element.id, "Intermediate throw events must be one of: none, message, signal, link")


def _receive_task(element: Element, report: Report) -> None:
    _subscription(element, element.event, report)


def _catch_event(element: Element, report: Report) -> None:
    event = element.event
    if event is None or event.kind not in CAUGHT:
        report(element.id, "Intermediate catch events must be one of: message, timer, signal, link")
        return
    if event.timer is TimerKind.CYCLE:
        report(element.id, "Intermediate timer events must have a time duration or a time date")
    _subscription(element, event, report)


def _boundary_event(element: Element, report: Report) -> None:
    event = element.event
    if element.incoming:
        report(element.id, "Boundary events must not have incoming sequence flows")
    if event is None or event.kind not in ATTACHED:
        report(element.id, "Boundary events must be one of: message, timer, signal, error")
        return
    if event.kind is EventKind.ERROR and not element.interrupting:
        report(element.id, "Error boundary events must be interrupting")
    if event.timer is TimerKind.CYCLE and element.interrupting:
        report(element.id, "Interrupting timer events must not have a time cycle")
    _subscription(element, event, report)


def _subscription(element: Element, event: Event | None, report: Report) -> None:
    if event is not None and event.kind is EventKind.MESSAGE and event.name is not None:  # noqa: SIM102 - two facts
        if event.correlation_key is None:
            report(element.id, "The message must have exactly one 'zeebe:subscription' with a correlation key")


def _event_based_gateway(element: Element, report: Report) -> None:
    if len(element.outgoing) < 2:
        report(element.id, "Must have at least 2 outgoing sequence flows to message, timer or signal catch events")
    targets = [flow.target for flow in element.outgoing]
    for target in targets:
        if target.tag != "intermediateCatchEvent" or target.event is None or target.event.kind not in AWAITED:
            report(element.id, "Sequence flows must lead to message, timer or signal catch events")
        elif len(target.incoming) > 1:
            report(target.id, "A target of an event-based gateway must not have other incoming sequence flows")
    _same_events(element.id, targets, report)


def _choosing_gateway(element: Element, report: Report) -> None:
    if len(element.outgoing) < 2:
        return
    for flow in element.outgoing:
        if flow.condition is None and flow is not element.default_flow:
            report(flow.id, "Must have a condition or be the default flow")


def _same_events(owner: str, elements: Iterable[Element], report: Report) -> None:
    """Report events of one scope that wait for the same message, signal or error."""
    seen = set()
    for element in elements:
        event = element.event
        if event is None or event.kind not in {EventKind.MESSAGE, EventKind.SIGNAL, EventKind.ERROR}:
            continue
        name = event.name.text if event.name is not None else None
        if name is None and event.kind is not EventKind.ERROR:
            continue
        if (event.kind, name) in seen:
            what = f"the {event.kind} '{name}'" if name is not None else "every error"
            report(owner, f"Multiple events that catch {what} are not allowed in one scope")
        seen.add((event.kind, name))


def _links(container: Element, report: Report) -> None:
    """Connect the throwing link events of a container with their targets."""
    targets: dict[str, Element] = {}
    for element in container.elements.values():
        if element.tag == "intermediateCatchEvent" and element.event is not None and element.event.link:
            if element.event.link in targets:
                report(container.id, f"Multiple catching link events with the name '{element.event.link}'")
            targets[element.event.link] = element
    for element in container.elements.values():
        if element.behaviour == "link_throw" and element.event is not None and element.event.link:
            element.link_target = targets.get(element.event.link)
            if element.link_target is None:
                report(element.id, f"No catching link event has the name '{element.event.link}' in this container")


_CHECKS: dict[str, Callable[[Element, Report], None]] = {
    "startEvent": _start_event,
    "endEvent": _end_event,
    "intermediateThrowEvent": _throw_event,
    "intermediateCatchEvent": _catch_event,
    "receiveTask": _receive_task,
    "boundaryEvent": _boundary_event,
    "eventBasedGateway": _event_based_gateway,
    "exclusiveGateway": _choosing_gateway,
    "inclusiveGateway": _choosing_gateway,
}
