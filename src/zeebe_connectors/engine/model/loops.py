"""Find loops that no instance can wait in: it would go round for ever, so a cluster refuses them, too."""

from __future__ import annotations

from collections.abc import Iterator

from zeebe_connectors.engine.model.elements import Element

_PASSED = frozenset({"task", "manualTask", "intermediateThrowEvent", "startEvent"})
_GATEWAYS = frozenset({"exclusiveGateway", "inclusiveGateway", "parallelGateway"})


def loop_without_waiting(container: Element) -> list[Element] | None:
    """Return the elements of a loop inside a container that only passes through; None if there is none.

    Script tasks may count, and gateways alone may lead back, so loops of these are allowed.
    """
    following = {element: _following(element) for element in container.elements.values() if _is_passed(element)}
    for component in _components(following):
        inside = set(component)
        for element in component:
            if element.tag in _PASSED and element.link_target is None:
                path = _path(element, {one: [to for to in following[one] if to in inside] for one in component})
                if path is not None:
                    return path
    return None


def _is_passed(element: Element) -> bool:
    if element.tag == "intermediateThrowEvent":
        return element.event is None or element.link_target is not None
    if element.tag == "intermediateCatchEvent":
        return element.behaviour == "pass"  # the other end of a link
    return (element.tag in _PASSED and element.loop is None) or element.tag in _GATEWAYS


def _following(element: Element) -> list[Element]:
    if element.link_target is not None:
        return [element.link_target]
    return [flow.target for flow in element.outgoing]


def _components(following: dict[Element, list[Element]]) -> Iterator[list[Element]]:
    """Yield the strongly connected components of a graph: from each of its elements a path leads to each other."""
    preceding: dict[Element, list[Element]] = {element: [] for element in following}
    for element, targets in following.items():
        for to in targets:
            if to in preceding:
                preceding[to].append(element)
    taken: set[Element] = set()
    for first in reversed(_in_order_of_leaving(following)):
        component: list[Element] = []
        back = [first]
        while back:
            element = back.pop()
            if element not in taken:
                taken.add(element)
                component.append(element)
                back += preceding[element]
        if component:
            yield component


def _in_order_of_leaving(following: dict[Element, list[Element]]) -> list[Element]:
    """Return all elements in the order in which a depth-first search leaves them."""
    order: list[Element] = []
    seen: set[Element] = set()
    for first in following:
        waiting = [(first, False)]
        while waiting:
            element, left = waiting.pop()
            if left:
                order.append(element)
            elif element not in seen:
                seen.add(element)
                waiting.append((element, True))
                waiting += [(to, False) for to in following[element] if to in following]
    return order


def _path(start: Element, following: dict[Element, list[Element]]) -> list[Element] | None:
    """Return a shortest way from an element back to itself, both ends included."""
    came_from: dict[Element, Element] = {}
    waiting = [start]
    for element in waiting:  # it grows while it is walked
        for to in following[element]:
            if to not in came_from:
                came_from[to] = element
                waiting.append(to)
    if start not in came_from:
        return None
    path = [start]
    while len(path) == 1 or path[-1] is not start:
        path.append(came_from[path[-1]])
    return path[::-1]
