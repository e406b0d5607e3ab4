"""Read XML as JSON by a schema's types."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from lxml import etree

from zeebe_connectors.connectors.soap.reply import json_of
from zeebe_connectors.connectors.soap.schema import (
    FALSE,
    INTEGERS,
    NIL,
    NOT_DATA,
    NUMBERS,
    TRUE,
    TYPE,
    Anything,
    Complex,
    Simple,
    Type,
)
from zeebe_connectors.connectors.soap.writer import CHECKED
from zeebe_connectors.sdk.numbers import INT64_BOUND

_FEW = 500
"""Values besides those of elements and attributes that a small result may have."""


class Reader:
    """Reads XML as JSON by a schema; a service that is imprecise about namespaces is tolerated.

    Args:
        includes: What stands for a part that the reply refers to, by the text that was put in its place.
    """

    def __init__(self, includes: Mapping[str, Any] | None = None) -> None:
        self._includes = includes or {}
        self._made = 0

    def is_small(self) -> bool:
        """Returns whether what was read from a quick reply is small JSON.

        Its elements and attributes are few then (`is_quick`), so only the values that come on top of them are counted:
        the items of lists in one text, and the empty lists of what is absent.
        """
        return self._made <= _FEW

    def value(self, kind: Type, element: etree._Element) -> Any:  # noqa: C901 - one case per kind of type
        """Returns an element's value."""
        attributes = element.items()
        if attributes and element.get(NIL) in TRUE:
            return None
        if isinstance(kind, Simple):
            return self._scalar(kind, element.text or "")
        if isinstance(kind, Anything):
            return self._anything(element)
        result: dict[str, Any] = {}
        type_name = (element.get(TYPE) or "").rpartition(":")[2] if attributes else ""
        if type_name in kind.derived:
            if len(kind.derived) > 1:
                result["@type"] = type_name
            kind = kind.derived[type_name]
        if kind.items is not None:
            return [self.value(kind.items, child) for child in element]
        for name, text in attributes:
            if not name.startswith(NOT_DATA):
                local = name.rpartition("}")[2] if name[0] == "{" else name
                known = kind.attribute(local)
                result[f"@{local}"] = text if known is None else self._scalar(known.type, text)
        if kind.text is not None:
            result["$content"] = self._scalar(kind.text, element.text or "")
            return result
        self._children(kind, element, result)
        if kind.mixed and (content := _text_between(element)):
            result["$content"] = content
        return result

    def _children(self, kind: Complex, element: etree._Element, result: dict[str, Any]) -> None:
        repeated = kind.lists()
        self._made += len(repeated)
        for name in repeated:
            result[name] = []
        for child in element:
            local = child.tag.rpartition("}")[2]
            item = kind.fields.get(local)
            value = next(iter(json_of(child, {}).values())) if item is None else self.value(item.type, child)
            if local in repeated:
                result[local].append(value)
            elif local in result:
                known = result[local]
                result[local] = [*known, value] if isinstance(known, list) else [known, value]
            else:
                result[local] = value

    def _anything(self, element: etree._Element) -> Any:
        type_name = element.get(TYPE)
        if not len(element):
            base = type_name.rpartition(":")[2] if type_name else "string"
            return self._scalar(Simple(base), element.text or "")
        return next(iter(json_of(element, {}).values()))

    def _scalar(self, kind: Simple, text: str) -> Any:
        if kind.items is not None:
            items = text.split()
            self._made += len(items)
            return [self._scalar(kind.items, item) for item in items]
        if self._includes and text in self._includes:
            return self._includes[text]
        return scalar(kind.base, text) if kind.base in CHECKED else text


def _text_between(element: etree._Element) -> str:
    """Returns the text of an element and between those in it, without mere indentation."""
    texts = (element.text, *(child.tail for child in element))
    return "".join(text for text in texts if text and text.strip())


def scalar(base: str, text: str) -> Any:
    """Converts the text of a built-in type to JSON; values too precise for a JSON number stay text."""
    if base not in CHECKED:
        return text
    bare = text.strip()
    if base == "boolean":
        word = bare.lower()  # some services write it as their language does
        return word in TRUE if word in TRUE | FALSE else text
    if "_" in bare and base in NUMBERS:  # Python's own, no number of XML
        return text
    if base in INTEGERS:
        try:
            number = int(bare)
        except ValueError:
            return text
        return number if abs(number) < INT64_BOUND else text
    if base in {"decimal", "float", "double"}:
        try:
            exact = Decimal(bare)
        except InvalidOperation:
            return text
        if not exact.is_finite() or (base == "decimal" and len(exact.normalize().as_tuple().digits) > 15):
            return text
        if base == "decimal" and abs(exact) < INT64_BOUND and exact == exact.to_integral_value():
            return int(exact)
        near = float(exact)
        return near if math.isfinite(near) else text  # JSON has no infinity
    return "".join(text.split()) if base == "base64Binary" else bare
