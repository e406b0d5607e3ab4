"""Tell genuine document references and function objects from data that only looks like them.

Genuine ones were made by a runtime or stand in the diagram. A response, a mail or a variable from outside that has the
same shape is plain data: nothing is fetched, read or passed on for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zeebe_connectors.runtime.diagrams import Element, Place
from zeebe_connectors.sdk.document import KINDS, TYPE_KEY, Reference
from zeebe_connectors.sdk.secret_places import SecretPlaces

FUNCTION_KEY = "camunda.function.type"
_REACHING_OUT = frozenset({"createGithubAppInstallationToken"})
"""Functions that call a remote service."""


class FunctionObject(dict[str, Any]):
    """A genuine function object."""


def asks_the_diagram(variables: str) -> bool:
    """Returns whether these variables, as JSON text, may hold something that only the diagram can prove genuine."""
    return FUNCTION_KEY in variables or (
        TYPE_KEY in variables and ('"external"' in variables or '"inline"' in variables)
    )


@dataclass(frozen=True, slots=True)
class Trust:
    """Decides what is genuine in the inputs of one job.

    Args:
        documents: The store.
        tenant: The job's.
        element: What its diagram says; None if that is unknown: then inline documents are genuine, documents on the
            web by their host alone, and functions that call nothing.
        places: The connector's inputs for secrets, which hold the modeler's own text if the diagram is unknown.
    """

    documents: Any
    tenant: str
    element: Element | None = None
    places: SecretPlaces | None = None

    def marked(self, data: Any) -> Any:
        """Returns the inputs with everything genuine marked; unchanged parts stay the same objects."""
        place = self.element.place if self.element is not None else self.places
        return _marked(data, place, self._counts)

    def _counts(self, value: Mapping[str, Any], place: Place | SecretPlaces | None) -> type[dict[str, Any]] | None:
        function = value.get(FUNCTION_KEY)
        if isinstance(function, str):
            if isinstance(place, Place):
                return FunctionObject if place.marks.functions else None
            if self.element is not None:
                return None
            return FunctionObject if function not in _REACHING_OUT or place is not None else None
        kind = value.get(TYPE_KEY)
        if kind not in KINDS:
            return None
        if kind == "camunda":
            made = getattr(self.documents, "made", None)
            return Reference if made is None or made(value, tenant=self.tenant) else None
        if self.element is None:
            return Reference
        return Reference if isinstance(place, Place) and place.marks.documents else None


Counting = Callable[[Mapping[str, Any], Any], "type[dict[str, Any]] | None"]


def _marked(value: Any, place: Any, counts: Counting) -> Any:
    if isinstance(value, dict):
        changed: dict[str, Any] = {}
        is_changed = False
        for name, item in value.items():
            new = _marked(item, place.at(name) if place is not None else None, counts)
            is_changed = is_changed or new is not item
            changed[name] = new
        if (FUNCTION_KEY in value or TYPE_KEY in value) and (kind := counts(value, place)) is not None:
            return kind(changed)
        return changed if is_changed else value
    if isinstance(value, list):
        below = place.item() if place is not None else None
        items = [_marked(item, below, counts) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


class Everything:
    """Takes everything that looks like a reference or a function for genuine: for tests, whose author wrote it all."""

    def marked(self, data: Any) -> Any:
        """See `Trust.marked`."""
        return _marked(data, None, lambda value, _: FunctionObject if FUNCTION_KEY in value else Reference)
