"""Take sequence flows, choose between them, and wait at gateways that join.

The event-based gateway is in `events`; which of its events wins is decided in `subscriptions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zeebe_connectors.engine.flow.instances import State
from zeebe_connectors.engine.flow.variables import Visible, evaluate, kind_of
from zeebe_connectors.engine.incidents import CONDITION, EXTRACT_VALUE, StepFailedError
from zeebe_connectors.engine.model import Element, Expression, SequenceFlow

if TYPE_CHECKING:
    from zeebe_connectors.engine.core import Engine
    from zeebe_connectors.engine.flow.flow import Flow
    from zeebe_connectors.engine.flow.instances import ElementInstance


def take(flow: Flow, taken: SequenceFlow, container: ElementInstance) -> None:
    """Move a token along a flow, into its target or to a gateway that waits for others."""
    target = taken.target
    joins = target.behaviour in {"parallel", "inclusive"} and len(target.incoming) > 1
    if not joins:
        flow.enter(target, container)
        return
    if container.arrivals is None:
        container.arrivals = {}
    arrived = container.arrivals.setdefault(target.id, {})
    arrived[taken.id] = arrived.get(taken.id, 0) + 1
    flow.engine.touch(container)
    if target.behaviour == "inclusive":
        flow.do("join", container)
    elif len(arrived) == len(target.incoming):
        _pass(flow, target, container)


def _pass(flow: Flow, target: Element, container: ElementInstance) -> None:
    """Consume one token of each flow that has one, and continue with one after the gateway; surplus tokens stay."""
    assert container.arrivals is not None  # noqa: S101 - for the types; the caller has looked
    arrived = container.arrivals[target.id]
    left = {flow_id: count - 1 for flow_id, count in arrived.items() if count > 1}
    if left:
        container.arrivals[target.id] = left
    else:
        del container.arrivals[target.id]
    flow.engine.touch(container)
    flow.enter(target, container)


def join_inclusive(flow: Flow, container: ElementInstance) -> None:
    """Pass each inclusive gateway at which no further token can arrive."""
    if container.state is not State.ACTIVATED:
        return  # something ended the scope while this step was in the queue
    index = container.process.definition.model.index
    waiting = [index[target] for target in container.arrivals or {} if index[target].behaviour == "inclusive"]
    passed = [target for target in waiting if _nothing_can_arrive(target, waiting, container)]
    if not passed and not container.children:
        passed = waiting[:1]  # they wait for one another
    for target in passed:
        _pass(flow, target, container)
    if not container.children:
        flow.do("settle", container)


def _nothing_can_arrive(target: Element, joins: list[Element], container: ElementInstance) -> bool:
    """Return whether no path leads from anything active to the gateway over a flow without a token.

    A token at another inclusive gateway counts as active, too. One at a parallel gateway does not: it continues with
    those that it waits for, which are checked themselves.
    """
    assert container.arrivals is not None  # noqa: S101 - for the types; the caller has looked
    arrived = container.arrivals[target.id]
    waiting = [child.element for child in (container.children or {}).values()]
    waiting += [other for other in joins if other is not target]
    seen = set(waiting)
    while waiting:
        element = waiting.pop()
        following = [outgoing for source in (element, *element.boundaries) for outgoing in source.outgoing]
        if any(outgoing.target is target and outgoing.id not in arrived for outgoing in following):
            return False
        targets = [outgoing.target for outgoing in following if outgoing.target is not target]
        if element.link_target is not None:
            targets.append(element.link_target)
        for found in targets:
            if found not in seen:
                seen.add(found)
                waiting.append(found)
    return True


def condition(engine: Engine, expression: Expression, variables: Visible) -> bool:
    """Evaluate a condition.

    Raises:
        StepFailedError: It fails, or gives something other than true or false.
    """
    value: Any = evaluate(engine, expression, variables)
    if value is not True and value is not False:
        raise StepFailedError(
            EXTRACT_VALUE,
            f"Expected result of the expression '{expression.source}' to be 'BOOLEAN', but was '{kind_of(value)}'.",
        )
    return bool(value)


class ExclusiveGateway:
    """Takes the first flow whose condition holds, else the default flow."""

    def activate(self, flow: Flow, instance: ElementInstance) -> None:
        """Choose, and leave."""
        flows = _only_flow(instance.element)
        if flows is None:
            flows = [self._choose(flow.engine, instance)]
        flow.activated(instance)
        flow.leave(instance, flows)

    def _choose(self, engine: Engine, instance: ElementInstance) -> SequenceFlow:
        element = instance.element
        variables = Visible(instance)
        for outgoing in element.outgoing:
            if outgoing is element.default_flow or outgoing.condition is None:
                continue
            if condition(engine, outgoing.condition, variables):
                return outgoing
        return _default(element)


class InclusiveGateway:
    """Takes every flow whose condition holds; the default flow when none does."""

    def activate(self, flow: Flow, instance: ElementInstance) -> None:
        """Choose, and leave."""
        element = instance.element
        flows = _only_flow(element)
        if flows is None:
            variables = Visible(instance)
            flows = [
                outgoing
                for outgoing in element.outgoing
                if outgoing is not element.default_flow
                and outgoing.condition is not None
                and condition(flow.engine, outgoing.condition, variables)
            ] or [_default(element)]
        flow.activated(instance)
        flow.leave(instance, flows)


class ParallelGateway:
    """Takes all flows; its tokens were counted on the way in."""

    def activate(self, flow: Flow, instance: ElementInstance) -> None:
        """Leave."""
        flow.activated(instance)
        flow.leave(instance, instance.element.outgoing)


def _only_flow(element: Element) -> list[SequenceFlow] | None:
    """Return the flows of a gateway that has nothing to choose; None when it has."""
    outgoing = element.outgoing
    return outgoing if not outgoing or (len(outgoing) == 1 and outgoing[0].condition is None) else None


def _default(element: Element) -> SequenceFlow:
    if element.default_flow is None:
        raise StepFailedError(
            CONDITION,
            "Expected at least one condition to evaluate to true, or to have a default flow",
        )
    return element.default_flow
