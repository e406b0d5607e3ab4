"""Check start instructions: the elements at which a process starts instead of at its start event."""

from __future__ import annotations

from collections.abc import Sequence

from zeebe_connectors.engine.definitions import Definition
from zeebe_connectors.engine.rejections import RejectionCode, rejected


def check_start_instructions(definition: Definition, elements: Sequence[str]) -> None:
    """Refuse elements at which no token can start.

    Raises:
        Rejection: The process cannot start at one of them.
    """
    for element_id in elements:
        element = definition.model.index.get(element_id)
        why = ""
        if element is None or element is definition.model:
            why = "no such element was found"
        elif element.tag in {"startEvent", "boundaryEvent"}:
            why = f"elements of type '{element.type}' cannot be started at"
        elif any(flow.source.tag == "eventBasedGateway" for flow in element.incoming):
            why = "it belongs to an event-based gateway; start at the gateway"
        else:
            parent = element.parent
            while parent is not None:
                if parent.loop is not None:
                    why = f"it is inside the multi-instance sub-process '{parent.id}'"
                parent = parent.parent
        if why:
            raise rejected(
                "CREATE",
                RejectionCode.INVALID_ARGUMENT,
                f"Expected to create instance of process '{definition.bpmn_process_id}' with start instructions, but "
                f"the element '{element_id}' cannot be used: {why}",
            )
