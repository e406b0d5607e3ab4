"""Make sample values of schema types: for forms, for trying an operation, and for tests."""

from __future__ import annotations

from typing import Any

from zeebe_connectors.connectors.soap.schema import INTEGERS, Anything, Complex, Field, Group, Simple, Type, Wildcard

_DEEPEST = 6
_NO_DEEPER = 40
_MAX_VALUES, _MAX_ITEMS = 3000, 20
_UNIQUE = {"ID", "IDREF", "IDREFS", "ENTITY"}
"""Types whose values must be unique within a document, so that no sample fits twice."""
_SAMPLES: dict[str, Any] = {
    "boolean": True,
    "decimal": 12.5,
    "float": 1.5,
    "double": 1.5,
    "date": "2025-12-31",
    "dateTime": "2025-12-31T12:00:00Z",
    "time": "12:00:00",
    "gYear": "2025",
    "gYearMonth": "2025-12",
    "gMonthDay": "--12-31",
    "gDay": "---31",
    "gMonth": "--12",
    "duration": "P1D",
    "base64Binary": "aGVsbG8=",
    "hexBinary": "CAFE",
    "anyURI": "https://example.com/",
    "language": "en",
    "NMTOKENS": "text",
    "QName": "text",
}


def sample(kind: Type, *, all_fields: bool = True) -> Any:
    """A sample of a type, limited to as many values as a person can read.

    Args:
        kind: The type.
        all_fields: With optional elements too, as long as they are not nested too deeply.
    """
    return _Sampler().value(kind, all_fields=all_fields, depth=0)


def sample_field(item: Field, *, all_fields: bool = True) -> Any:
    """A value of an element: a list when it repeats."""
    return _Sampler().field(item, all_fields=all_fields, depth=0)


class _Sampler:
    """Makes one sample, and knows how large it is already."""

    def __init__(self) -> None:
        self._left = _MAX_VALUES

    def value(  # noqa: C901 - one case per kind of type
        self, kind: Type, *, all_fields: bool, depth: int
    ) -> Any:
        self._left -= 1
        if isinstance(kind, Simple):
            if kind.items is not None:
                return [self.value(kind.items, all_fields=all_fields, depth=depth)]
            if kind.choices:
                return kind.choices[0]
            if kind.base in INTEGERS:
                minimum, maximum = INTEGERS[kind.base]
                return (
                    -1
                    if maximum is not None and maximum < 0
                    else max(1, minimum or 0)
                    if maximum is None or maximum > 0
                    else 0
                )
            return _SAMPLES.get(kind.base, "text")
        if isinstance(kind, Anything):
            return "text"
        if self._left < 0 or depth > _NO_DEEPER:
            return {}
        if kind.items is not None:
            return [self.value(kind.items, all_fields=all_fields, depth=depth + 1)]
        result: dict[str, Any] = {}
        if kind.abstract:
            name, kind = next(
                ((name, other) for name, other in kind.derived.items() if not other.abstract), (kind.name, kind)
            )
            result["@type"] = name
        for attribute in kind.attributes:
            if attribute.required or (all_fields and attribute.type.base not in _UNIQUE):
                value = self.value(attribute.type, all_fields=all_fields, depth=depth)
                text = isinstance(value, str) and attribute.default
                result[f"@{attribute.name}"] = attribute.default if text else value
        if kind.text is not None:
            result["$content"] = self.value(kind.text, all_fields=all_fields, depth=depth)
        if kind.content is not None:
            self._group(kind.content, result, all_fields=all_fields and depth < _DEEPEST, depth=depth, several=False)
        return result

    def field(self, item: Field, *, all_fields: bool, depth: int) -> Any:
        if not item.repeated:
            value = self.value(item.type, all_fields=all_fields, depth=depth + 1)
            return item.default if isinstance(value, str) and item.default else value
        count = min(max(1, item.min_occurs), _MAX_ITEMS)
        return [self.value(item.type, all_fields=all_fields, depth=depth + 1) for _ in range(count)]

    def _group(self, group: Group, result: dict[str, Any], *, all_fields: bool, depth: int, several: bool) -> None:
        several = several or group.max_occurs is None or group.max_occurs > 1
        if group.min_occurs == 0 and not all_fields:
            return
        for item in group.items:
            if isinstance(item, Wildcard):
                continue
            if isinstance(item, Group):
                self._group(item, result, all_fields=all_fields, depth=depth, several=several)
            elif item.name not in result and (item.min_occurs > 0 or (all_fields and not _recurs(item.type, depth))):
                value = self.field(item, all_fields=all_fields, depth=depth)
                result[item.name] = [value] if several and not item.repeated else value
            if group.kind == "choice":
                return


def _recurs(kind: Type, depth: int) -> bool:
    """Whether an optional element would bring its own type in again."""
    return isinstance(kind, Complex) and depth > 1 and any(item.type is kind for item in kind.fields.values())
