"""Make sample values of schema types: for forms, for trying an operation, and for tests."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from zeebe_connectors.connectors.soap.schema import INTEGERS, Anything, Complex, Field, Group, Simple, Type, Wildcard

_DEEPEST = 6
_NO_DEEPER = 40
_MAX_VALUES, _MAX_ITEMS = 3000, 20
_BINARY = {"base64Binary", "hexBinary"}
_MAX_LENGTH, _MAX_DIGITS = 1000, 30
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
    """Makes a sample of a type, limited to as many values as a person can read.

    Args:
        kind: The type.
        all_fields: With optional elements too, as long as they are not nested too deeply.
    """
    return _Sampler().value(kind, all_fields=all_fields, depth=0)


def sample_field(item: Field, *, all_fields: bool = True) -> Any:
    """Makes a value of an element: a list if it repeats."""
    return _Sampler().field(item, all_fields=all_fields, depth=0)


def _usual(base: str) -> Any:
    """Returns a value of a built-in type."""
    if base not in INTEGERS:
        return _SAMPLES.get(base, "text")
    minimum, maximum = INTEGERS[base]
    return -1 if maximum is not None and maximum < 0 else max(1, minimum or 0) if maximum is None or maximum > 0 else 0


def within(limits: dict[str, str], value: Any) -> Any:
    """Makes a sample keep to a type's lengths and bounds.

    Args:
        limits: Facets by name.
        value: The usual sample.
    """
    if not limits or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _of_length(limits, value)
    number = Decimal(str(value))
    step = Decimal(1).scaleb(-(_number(limits, "fractionDigits") or 0))
    if isinstance(value, float):
        number = number.quantize(step) if "fractionDigits" in limits else number
        if (digits := _number(limits, "totalDigits")) is not None and len(number.as_tuple().digits) > digits:
            number = Decimal(1)
    low, high = _bound(limits, "min", step), _bound(limits, "max", -step)
    if low is not None and high is not None and low > high:  # there is room between them only for fractions
        number = (low - step + high + step) / 2
    elif low is not None and number < low:
        number = low
    elif high is not None and number > high:
        number = high
    return int(number) if isinstance(value, int) or number == number.to_integral_value() else float(number)


def _bound(limits: dict[str, str], end: str, step: Decimal) -> Decimal | None:
    """Returns the outermost allowed number at one end."""
    excluded = _decimal(limits.get(f"{end}Exclusive"))
    return _decimal(limits.get(f"{end}Inclusive")) if excluded is None else excluded + step


def _of_length(limits: dict[str, str], text: str) -> str:
    exact, minimum, maximum = (_number(limits, name) for name in ("length", "minLength", "maxLength"))
    minimum, maximum = (exact, exact) if exact is not None else (minimum or 0, maximum)
    if minimum is not None and len(text) < minimum <= _MAX_LENGTH:
        text = (text * minimum)[:minimum]
    return text if maximum is None else text[:maximum]


def _number(limits: dict[str, str], name: str) -> int | None:
    number = _decimal(limits.get(name))
    return None if number is None else int(number)


def _decimal(text: str | None) -> Decimal | None:
    try:
        number = Decimal((text or "").strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < _MAX_DIGITS else None


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
            limits = {} if kind.base in _BINARY else kind.limits  # whose lengths count bytes
            return within(limits, _usual(kind.base))
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
    """Returns whether an optional element would bring its own type in again."""
    return isinstance(kind, Complex) and depth > 1 and any(item.type is kind for item in kind.fields.values())
