"""Check what the BPMN schema says of the order of an element's parts, and that flows named by elements exist.

A cluster validates diagrams against the schema. These are the rules that diagrams written by hand break.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree.ElementTree import Element as Node

from zeebe_connectors.engine.model.xml import bpmn_children, bpmn_name, text_of

_LOOPS = frozenset({"multiInstanceLoopCharacteristics", "standardLoopCharacteristics"})
_ARTIFACTS = frozenset({"association", "group", "textAnnotation"})
# What the engine does not read: data, and who is responsible.
_DATA = frozenset({
    "dataInput", "dataInputAssociation", "dataOutput", "dataOutputAssociation", "humanPerformer", "inputSet",
    "ioSpecification", "outputSet", "performer", "potentialOwner", "property", "resourceRole",
})  # fmt: skip
# Parts of a process with places of their own, which are not checked.
_ELSEWHERE = _DATA | {"auditing", "correlationSubscription", "ioBinding", "laneSet", "monitoring",
                    "supportedInterfaceRef", "supports"}  # fmt: skip
_ONCE = frozenset({"completionCondition", "conditionExpression", "extensionElements"}) | _LOOPS
_ORDER = {"documentation": 0, "extensionElements": 1, "auditing": 2, "monitoring": 3, "categoryValueRef": 4,
          "incoming": 5, "outgoing": 6}  # fmt: skip
_ORDER |= dict.fromkeys(_DATA, 7) | dict.fromkeys(_LOOPS, 8) | dict.fromkeys(_ARTIFACTS, 10)
_QNAME = re.compile(r"(?:[^\W\d][\w.-]*:)?[^\W\d][\w.-]*")
_REST = 9  # flow elements, event definitions, scripts and the like


def check_structure(root: Node, report: Callable[[str, str], None]) -> None:
    """Report where a document breaks the schema.

    Args:
        root: The document's `definitions`.
        report: Takes the id of an element, or its kind if it has none, and what is wrong there.
    """
    nodes = [node for node in root.iter() if bpmn_name(node) is not None]
    flows = {node.get("id") for node in nodes if bpmn_name(node) == "sequenceFlow"}
    for node in nodes:
        if node is root or bpmn_name(node) in {"extensionElements", "collaboration", "documentation"}:
            continue
        children = list(bpmn_children(node))
        kind = bpmn_name(node) or ""
        element = node.get("id") or kind
        ordered = [name for name, _ in children if kind != "process" or name not in _ELSEWHERE]
        _check_order(ordered, element, report)
        for name, child in children:
            if name in {"incoming", "outgoing"}:
                text = text_of(child)
                # A cluster does not look whether the flows that lead in exist.
                if _QNAME.fullmatch(text) is None or (name == "outgoing" and text.rpartition(":")[2] not in flows):
                    report(element, f"'{name}' must name a sequence flow, but '{text}' is none")
            elif name.endswith("EventDefinition") and not kind.endswith("Event"):
                report(element, f"'{name}' is not allowed in '{kind}'")


def _check_order(names: list[str], element: str, report: Callable[[str, str], None]) -> None:
    """Report the first part that comes too late, or that comes twice though the schema has it once."""
    last, once = "", set()
    for name in names:
        if last and _ORDER.get(name, _REST) < _ORDER.get(last, _REST):
            report(element, f"'{name}' must come before '{last}'")
            return
        last = name
        kind = "loop" if name in _LOOPS else name
        if kind in once:
            report(element, f"Must have at most one '{name}'")
            return
        if name in _ONCE:
            once.add(kind)
