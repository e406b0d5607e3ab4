"""Run multi-instance activities: a body creates an instance for every item, and collects and counts their outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zeebe_connectors.engine.flow.gateways import condition
from zeebe_connectors.engine.flow.instances import Rounds, State
from zeebe_connectors.engine.flow.variables import Visible, evaluate, kind_of, propagate, set_variables
from zeebe_connectors.engine.incidents import EXTRACT_VALUE, StepFailedError
from zeebe_connectors.engine.model import Loop

if TYPE_CHECKING:
    from zeebe_connectors.engine.flow.flow import Flow
    from zeebe_connectors.engine.flow.instances import ElementInstance


_STARTED_AT_ONCE = 100


def activate_body(flow: Flow, body: ElementInstance) -> None:
    """Evaluate the collection, and create all instances, or the first of a sequence.

    Raises:
        StepFailedError: The collection is not a list.
    """
    loop = _loop(body)
    items = evaluate(flow.engine, loop.collection, Visible(body))
    if not isinstance(items, list):
        raise StepFailedError(
            EXTRACT_VALUE,
            f"Expected result of the expression '{loop.collection.source}' to be 'ARRAY', but was '{kind_of(items)}'.",
        )
    flow.activated(body)
    body.rounds = Rounds(items, len(items))
    if loop.output_collection is not None:
        body.rounds.outputs = [None] * len(items)
        set_variables(flow.engine, body, {loop.output_collection: body.rounds.outputs})
    if not items:
        _complete_body(flow, body)
        return
    start_some(flow, body)


def start_some(flow: Flow, body: ElementInstance) -> None:
    """Start the next instance of a sequence, or the next hundred parallel ones; the rest follows as a step."""
    loop, rounds = _loop(body), body.rounds
    if body.state is not State.ACTIVATED or rounds is None:
        return
    left = rounds.total - rounds.started
    for _ in range(min(left, 1 if loop.sequential else _STARTED_AT_ONCE)):
        _start_next(flow, body)
    if rounds.started == rounds.total:
        rounds.items = []
    elif not loop.sequential:
        flow.do("start-some", body)


def _start_next(flow: Flow, body: ElementInstance) -> None:
    loop, rounds = _loop(body), body.rounds
    assert rounds is not None  # noqa: S101 - an active body has them
    index = rounds.started
    rounds.started += 1
    flow.engine.touch(body)
    inner = flow.create(body.element, body, index)
    inner.set_local("loopCounter", index + 1)
    if loop.input_element is not None:
        inner.set_local(loop.input_element, rounds.items[index])
    output = loop.output_variable
    if output is not None and output not in (inner.variables or {}):
        inner.set_local(output, None)
    flow.do("activate", inner)


def inner_completed(flow: Flow, inner: ElementInstance) -> None:
    """Collect an instance's output, and decide whether the body continues.

    Raises:
        StepFailedError: The output element or the completion condition cannot be evaluated.
    """
    body = inner.parent
    if inner.state is not State.COMPLETING or body is None or body.rounds is None:
        return
    loop, rounds, engine = _loop(body), body.rounds, flow.engine
    if loop.output_collection is not None and loop.output_element is not None:
        # Before the condition, which may refer to this instance's output.
        before = _collected(body, loop.output_collection, inner.index)
        collected = list(before)  # a copy, as others may have the list that they saw
        collected[inner.index] = evaluate(engine, loop.output_element, Visible(inner))
        set_variables(engine, body, {loop.output_collection: collected})
        rounds.outputs = collected if before is rounds.outputs else None
        rounds.unsaved.append(inner.index)
    enough = False
    if loop.condition is not None:
        counts = {
            "numberOfInstances": rounds.total,
            "numberOfActiveInstances": len(body.children or ()) - 1,
            "numberOfCompletedInstances": rounds.completed + 1,
            "numberOfTerminatedInstances": 0,
        }
        enough = condition(engine, loop.condition, Visible(inner, counts))
    rounds.completed += 1
    engine.touch(body)
    flow.finish(inner, State.COMPLETED)
    if enough:
        for other in list((body.children or {}).values()):
            flow.terminate(other)
        _complete_body(flow, body)
    elif rounds.completed == rounds.total:
        _complete_body(flow, body)
    elif loop.sequential:
        start_some(flow, body)


def _collected(body: ElementInstance, name: str, index: int) -> list[Any]:
    """Return what was collected, which has room for the result of an instance.

    Raises:
        StepFailedError: Another element, such as an inner multi-instance activity, has written to the same variable.
    """
    collected = (body.variables or {}).get(name)
    if isinstance(collected, list) and index < len(collected):
        return collected
    found = f"a list of {len(collected)}" if isinstance(collected, list) else f"'{kind_of(collected)}'"
    raise StepFailedError(
        EXTRACT_VALUE,
        f"Expected the output collection '{name}' to be a list with a place {index + 1}, but it is {found}: another "
        "element has written to the same variable. Let each use a name of its own.",
    )


def _complete_body(flow: Flow, body: ElementInstance) -> None:
    """Write the collected outputs to the body's scope, and leave; the mappings belong to the instances."""
    output = _loop(body).output_collection
    body.state = State.COMPLETING
    if output is not None and body.parent is not None:
        propagate(flow.engine, body.parent, {output: (body.variables or {}).get(output)})
    flow.leave(body, body.element.outgoing)


def _loop(body: ElementInstance) -> Loop:
    loop = body.element.loop
    assert loop is not None  # noqa: S101 - what makes it a body
    return loop
