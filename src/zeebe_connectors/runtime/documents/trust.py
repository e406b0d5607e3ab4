"""Tell the document references and function objects that count from what only looks like them.

What counts was made by a runtime, or stands in the diagram; a response, a mail or a variable from outside that has the
same shape is plain data: it makes nobody fetch, read or pass on anything.
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
"""Functions that call somebody."""


class FunctionObject(dict[str, Any]):
    """A function object that counts."""


def asks_the_diagram(variables: str) -> bool:
    """Whether these variables, as JSON text, may hold something of which only the diagram tells if it counts."""
    return FUNCTION_KEY in variables or (
        TYPE_KEY in variables and ('"external"' in variables or '"inline"' in variables)
    )


@dataclass(frozen=True, slots=True)
class Trust:
    """What counts in the inputs of one job.

    Args:
        documents: The store.
        tenant: The job's.
        element: What its diagram says; None when that is not known: then a document that holds itself counts, one on
            the web by its host alone, and functions that call nobody.
        places: The connector's inputs for secrets, where the modeler's text stands when the diagram is not known.
    """

    documents: Any
    tenant: str
    element: Element | None = None
    places: SecretPlaces | None = None

    def marked(self, data: Any) -> Any:
        """The inputs with what counts marked as such; what is not touched stays the same object."""
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
    """Lets all that looks like a reference or a function count: for tests, whose author wrote it all."""

    def marked(self, data: Any) -> Any:
        """As `Trust.marked`."""
        return _marked(data, None, lambda value, _: FunctionObject if FUNCTION_KEY in value else Reference)
