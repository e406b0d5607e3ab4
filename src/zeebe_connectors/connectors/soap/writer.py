"""Write JSON as XML by a schema's types."""

from __future__ import annotations

import base64
import binascii
import math
import re
import string
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from lxml import etree

from zeebe_connectors import InputError
from zeebe_connectors.connectors.soap.envelope import CANNOT_CARRY, Nulls, Place, check_text, path_of, xml_of
from zeebe_connectors.connectors.soap.namespaces import XSD
from zeebe_connectors.connectors.soap.schema import (
    ENCODING,
    FALSE,
    INTEGERS,
    NIL,
    NUMBERS,
    TRUE,
    TYPE,
    Anything,
    Complex,
    Field,
    Group,
    Simple,
    Type,
    Wildcard,
    _may_be_absent,
    can_be_empty,
)
from zeebe_connectors.connectors.soap.untrusted_xml import UntrustedXmlError, parse
from zeebe_connectors.sdk.numbers import INT64_BOUND

_MAX_DIGITS = 400
"""Digits of the longest number that is written out; `1e999999999` would fill the memory."""
_ZONE = r"(?:Z|[+-]\d\d:\d\d)?"
_DATE, _TIME = r"-?\d{4,}-\d\d-\d\d", r"\d\d:\d\d(?::\d\d(?:\.\d+)?)?"
TEMPORAL = {
    "date": (re.compile(rf"({_DATE})(?:T{_TIME})?({_ZONE})"), "a date such as 2025-12-31"),
    "dateTime": (re.compile(rf"({_DATE})(?:T({_TIME}))?({_ZONE})"), "a date and time such as 2025-12-31T23:59:00Z"),
    "time": (re.compile(rf"({_TIME})({_ZONE})"), "a time such as 23:59:00"),
}
CHECKED = frozenset({"boolean", "base64Binary", "hexBinary", *NUMBERS, *TEMPORAL})
"""Built-in types that not every text is a value of."""
_FEEL_ZONE = re.compile(r"(?:\[[^\]]*\]|@[A-Za-z_]+(?:/[A-Za-z_]+)*)$")


class Writer:
    """Writes JSON as XML by a schema.

    Args:
        nulls: How to write null.
        files: Bytes in the place of documents, by the identity of the reference object.
        encoded: Whether every element names its type, as SOAP's own encoding demands.
    """

    def __init__(
        self, *, nulls: Nulls = "omit", files: Mapping[int, bytes] | None = None, encoded: bool = False
    ) -> None:
        self._nulls = nulls
        self._files = files or {}
        self._encoded = encoded

    def field(self, item: Field, value: Any, parent: etree._Element, place: Place) -> None:
        """Writes one element, or as many as a list has.

        Raises:
            InputError: `SOAP_INPUT_INVALID`; the message names the value by its path, and what is expected.
        """
        if value is None or (value == "" and item.min_occurs == 0 and _needs_text(item.type)):
            self._absent(item, parent, place, given=False)
            return
        repeated = item.repeated
        values = value if isinstance(value, list) and not _is_list(item.type) else [value]
        if item.max_occurs is not None and len(values) > item.max_occurs:
            maximum = "one value" if item.max_occurs == 1 else f"at most {item.max_occurs} values"
            raise _invalid(place, f"takes {maximum}, not a list of {len(values)}")
        if len(values) < item.min_occurs:
            raise _invalid(place, f"needs at least {item.min_occurs} values")
        for number, one in enumerate(values):
            where = (place, number + 1) if repeated else place
            if one is None:
                self._absent(item, parent, where, given=repeated)
            else:
                self.value(item.type, one, etree.SubElement(parent, item.tag), where)

    def _absent(self, item: Field, parent: etree._Element, place: Place, *, given: bool) -> None:
        if item.nillable and (given or item.min_occurs > 0 or self._nulls == "nil"):
            etree.SubElement(parent, item.tag).set(NIL, "true")
        elif item.min_occurs == 0:
            return
        elif item.default is not None:
            etree.SubElement(parent, item.tag).text = item.default
        elif can_be_empty(item.type):
            etree.SubElement(parent, item.tag)
        else:
            raise _invalid(place, f"is required: {expected(item.type)}")

    def value(self, kind: Type, value: Any, element: etree._Element, place: Place) -> None:
        """Fills an element with a value.

        Raises:
            InputError: As `field`.
        """
        if isinstance(kind, Simple):
            if self._encoded and kind.items is None:
                element.set(TYPE, etree.QName(kind.tag or f"{{{XSD}}}{kind.base}"))
            element.text = self._text(kind, value, place)
        elif isinstance(kind, Complex):
            self._complex(kind, value, element, place)
        else:
            self._anything(value, element, place)

    def _complex(  # noqa: C901, PLR0912 - what a complex type can have, in order
        self, kind: Complex, value: Any, element: etree._Element, place: Place
    ) -> None:
        if kind.items is not None:
            self._array(kind, kind.items, value, element, place)
            return
        if not isinstance(value, dict):
            if kind.text is None and not (kind.mixed and isinstance(value, str)):
                raise _invalid(place, f"must be {expected(kind)}")
            value = {"$content": value}
        used = {"@type"}
        chosen = self._chosen(kind, value.get("@type"), place)
        if chosen is not kind or (self._encoded and chosen.tag):
            element.set(TYPE, etree.QName(chosen.tag))
        for attribute in chosen.attributes:
            name = attribute.key
            if name not in value and attribute.name not in chosen.fields:
                name = attribute.name
            used.add(name)
            given = value.get(name)
            if given is not None:
                element.set(attribute.tag, self._text(attribute.type, given, (place, name)))
            elif attribute.required and attribute.default is not None:
                element.set(attribute.tag, attribute.default)
            elif attribute.required:
                raise _invalid((place, attribute.key), f"is required: {expected(attribute.type)}")
        if chosen.text is not None:
            used.add("$content")
            element.text = self._text(chosen.text, value.get("$content", ""), place)
        elif chosen.mixed and "$content" in value:
            used.add("$content")
            element.text = self._text(Simple("string"), "" if value["$content"] is None else value["$content"], place)
        if chosen.content is not None:
            self._group(chosen.content, value, element, place, used)
        unknown = [name for name in value if name not in used]
        if unknown and chosen.content is not None and chosen.content.has_wildcard():
            self._foreign({name: value[name] for name in unknown}, element, place)
        elif unknown:
            raise _invalid((place, unknown[0]), f"is not known here; known are {_names(chosen)}")

    def _chosen(self, kind: Complex, name: Any, place: Place) -> Complex:
        """Returns the type itself, or the derived one that `@type` names."""
        if name is not None:
            found = kind.derived.get(str(name).rpartition("}")[2].rpartition(":")[2])
            if found is None:
                raise _invalid((place, "@type"), f"must be one of {', '.join(kind.derived) or kind.name}")
            kind = found
        if kind.abstract:
            possible = [known for known, derived in kind.derived.items() if not derived.abstract]
            raise _invalid(place, f"needs @type, because {kind.name} is abstract; one of {', '.join(possible)}")
        return kind

    def _group(
        self, group: Group, value: dict[str, Any], element: etree._Element, place: Place, used: set[str]
    ) -> None:
        if (
            "$items" in value
            and (group.max_occurs is None or group.max_occurs > 1)
            and self._in_order(group, value, element, place, used)
        ):
            return
        names = group.names()
        used |= names
        if group.kind != "choice" and group.min_occurs == group.max_occurs == 1:
            self._items(group.items, value, element, place, used)
            return
        present = {name for name in names if value.get(name) is not None}
        if not present and group.min_occurs == 0 and not group.has_wildcard():
            return
        if group.kind == "choice":
            self._choice(group, value, element, place, used, present)
        elif group.max_occurs is None or group.max_occurs > 1:
            lists = {name: item if isinstance(item := value[name], list) else [item] for name in present}
            for number in range(max((len(items) for items in lists.values()), default=0)):
                once = {name: items[number] for name, items in lists.items() if number < len(items)}
                self._items(group.items, once, element, place, used)
        else:
            self._items(group.items, value, element, place, used)

    def _in_order(
        self, group: Group, value: dict[str, Any], element: etree._Element, place: Place, used: set[str]
    ) -> bool:
        """Writes those `$items` that this repeated group knows, in their order."""
        items = value["$items"]
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise _invalid((place, "$items"), "must be a list of contexts")
        names = group.names()
        own = [(number, item) for number, item in enumerate(items) if names.issuperset(item)]
        for number, item in own:
            self._group(Group(group.kind, group.items), item, element, ((place, "$items"), number + 1), set())
        if len(own) == len(items):
            used.add("$items")
        return bool(own)

    def _choice(
        self,
        group: Group,
        value: dict[str, Any],
        element: etree._Element,
        place: Place,
        used: set[str],
        present: set[str],
    ) -> None:
        options = [
            item
            for item in group.items
            if (isinstance(item, Field) and item.name in present)
            or (isinstance(item, Group) and any(inner.name in present for inner in item.walk()))
        ]
        if not options:
            nil = next(
                (item for item in group.items if isinstance(item, Field) and item.name in value and item.nillable), None
            )
            if nil is not None:
                self._absent(nil, element, (place, nil.name), given=True)
            elif not _may_be_absent(group) and not group.has_wildcard():
                raise _invalid(place, "needs one of " + ", ".join(item.name for item in group.walk()))
        elif len(options) > 1 and group.max_occurs == 1:
            raise _invalid(place, "takes only one of " + ", ".join(sorted(present)))
        for item in options:
            if isinstance(item, Field) and (group.max_occurs is None or group.max_occurs > 1):
                item = Field(item.name, item.tag, item.type, 0, None, item.nillable)  # noqa: PLW2901 - the choice repeats, not the element
            self._items([item], value, element, place, used)

    def _items(
        self,
        items: list[Field | Group | Wildcard],
        value: dict[str, Any],
        element: etree._Element,
        place: Place,
        used: set[str],
    ) -> None:
        for item in items:
            if isinstance(item, Field):
                given = value.get(item.name)
                is_optional = given is None and item.min_occurs == 0
                if is_optional and (item.name not in value or (item.nillable and self._nulls == "omit")):
                    continue
                self.field(item, given, element, (place, item.name))
            elif isinstance(item, Group):
                self._group(item, value, element, place, used)

    def _array(self, kind: Complex, items: Type, value: Any, element: etree._Element, place: Place) -> None:
        if isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value.values())), list):
            value = next(iter(value.values()))
        if not isinstance(value, list):
            raise _invalid(place, "must be a list")
        name = (
            items.tag
            if isinstance(items, (Simple, Complex)) and items.tag
            else f"{{{XSD}}}{getattr(items, 'base', 'anyType')}"
        )
        array_type = etree.QName(name)
        element.set(TYPE, etree.QName(kind.tag or f"{{{ENCODING}}}Array"))
        element.set(f"{{{ENCODING}}}arrayType", array_type)
        element.set(f"{{{ENCODING}}}arrayType", f"{element.get(f'{{{ENCODING}}}arrayType')}[{len(value)}]")
        for number, one in enumerate(value):
            self.value(items, one, etree.SubElement(element, "item"), (place, number + 1))

    def _anything(self, value: Any, element: etree._Element, place: Place) -> None:
        if isinstance(value, dict):
            self._foreign(value, element, place)
            return
        kind = (
            "boolean"
            if isinstance(value, bool)
            else "int"
            if isinstance(value, int)
            else "decimal"
            if isinstance(value, float)
            else "string"
        )
        element.set(TYPE, etree.QName(f"{{{XSD}}}{kind}"))
        element.text = self._text(Simple(kind), value, place)

    def _foreign(self, content: Mapping[str, Any], element: etree._Element, place: Place) -> None:
        """Writes what the schema does not name, in the JSON form of envelopes."""
        text = xml_of(content, nulls=self._nulls, exact=False, where=path_of(place))
        try:
            children = parse(f"<part>{text}</part>".encode())
        except UnicodeEncodeError:
            raise _invalid(place, CANNOT_CARRY) from None
        except UntrustedXmlError as error:
            reason = str(error).partition(", line ")[0].strip()
            remedy = "declare a prefix with '@xmlns:prefix' beside its name, and remove control characters"
            raise _invalid(place, f"cannot be written as XML: {reason}; {remedy}") from None
        for child in children:
            element.append(child)

    def _text(self, kind: Simple, value: Any, place: Place) -> str:
        if kind.items is not None:
            values = value if isinstance(value, list) else str(value).split()
            return " ".join(self._text(kind.items, one, place) for one in values)
        if self._files and isinstance(value, dict) and id(value) in self._files:
            data = self._files[id(value)]
            return data.hex().upper() if kind.base == "hexBinary" else base64.b64encode(data).decode()
        text = lexical(kind.base, value)
        if text is None:
            raise _invalid(place, f"must be {expected(kind)}")
        if kind.choices and text not in kind.choices:
            raise _invalid(place, f"must be one of {', '.join(kind.choices)}")
        check_text(text, place, "SOAP_INPUT_INVALID")
        return text


def _needs_text(kind: Type) -> bool:
    """Returns whether an empty text, which forms send for an empty field, cannot be a value of this type."""
    return isinstance(kind, Complex) or (
        isinstance(kind, Simple) and (bool(kind.choices) or lexical(kind.base, "") is None)
    )


def _is_list(kind: Type) -> bool:
    return (isinstance(kind, Simple) and kind.items is not None) or (
        isinstance(kind, Complex) and kind.items is not None
    )


def _invalid(place: Place, why: str) -> InputError:
    return InputError(f"{path_of(place)}: {why}", code="SOAP_INPUT_INVALID")


def _names(kind: Complex) -> str:
    return ", ".join([*kind.fields, *(f"@{item.name}" for item in kind.attributes)]) or "nothing"


def expected(kind: Type) -> str:
    """Describes what a value of a type must be."""
    if isinstance(kind, Complex):
        if kind.items is not None:
            return "a list"
        return f"a context with {_names(kind)}" if kind.text is None else expected(kind.text)
    if isinstance(kind, Anything):
        return "any value"
    if kind.choices:
        return "one of " + ", ".join(kind.choices)
    if kind.base in TEMPORAL:
        return TEMPORAL[kind.base][1]
    words = {
        "boolean": "true or false",
        "decimal": "a number",
        "float": "a number",
        "double": "a number",
        "base64Binary": "base64 text or a document",
        "hexBinary": "hexadecimal text or a document",
    }
    if kind.base in INTEGERS:
        minimum, maximum = INTEGERS[kind.base]
        limits = (
            f" from {minimum} to {maximum}"
            if minimum is not None and maximum is not None and abs(maximum) < INT64_BOUND
            else ""
        )
        return f"a whole number{limits}"
    return words.get(kind.base, "text")


def lexical(base: str, value: Any) -> str | None:  # noqa: C901, PLR0912 - one case per built-in type
    """Writes a JSON scalar as XML Schema does; None if it is not a value of that type."""
    if isinstance(value, str) and base not in CHECKED:
        return value
    if type(value) is int and base in INTEGERS and abs(value) < INT64_BOUND:
        return str(value) if _is_within(value, *INTEGERS[base]) else None
    if isinstance(value, (dict, list)) or value is None:
        return None
    text = str(value).strip() if not isinstance(value, bool) else "true" if value else "false"
    if base == "boolean":
        return text.lower() if text.lower() in TRUE | FALSE else None
    if base in NUMBERS and ("_" in text or not text.isascii()):  # Python's own, no numbers of XML
        return None
    if base in INTEGERS:
        return _integer(text, *INTEGERS[base])
    if base == "decimal":
        return _decimal(text)
    if base in {"float", "double"}:
        if text in {"INF", "-INF", "NaN"}:
            return text
        try:
            return text if math.isfinite(float(text)) else None
        except ValueError:
            return None
    if base in TEMPORAL:
        found = TEMPORAL[base][0].fullmatch(_FEEL_ZONE.sub("", text))
        return None if found is None else _temporal(base, found)
    if base == "base64Binary":
        try:
            return text if base64.b64decode("".join(text.split()), validate=True) is not None else None
        except (binascii.Error, ValueError):
            return None
    if base == "hexBinary":
        return text if len(text) % 2 == 0 and not text.strip(string.hexdigits) else None
    return format(Decimal(repr(value)), "f").removesuffix(".0") if isinstance(value, float) else text


def _decimal(text: str) -> str | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return format(number, "f") if number.is_finite() and abs(number.adjusted()) <= _MAX_DIGITS else None


def _integer(text: str, minimum: int | None, maximum: int | None) -> str | None:
    if len(text) < 19 and text.isascii() and text.isdigit():  # as nearly all are, and ten times faster than a decimal
        number = int(text)
    else:
        try:
            exact = Decimal(text)
        except InvalidOperation:
            return None
        if not exact.is_finite() or exact != exact.to_integral_value() or exact.adjusted() > 100:
            return None
        number = int(exact)
    return str(number) if _is_within(number, minimum, maximum) else None


def _is_within(number: int, minimum: int | None, maximum: int | None) -> bool:
    return (minimum is None or number >= minimum) and (maximum is None or number <= maximum)


def _temporal(base: str, found: re.Match[str]) -> str:
    if base == "dateTime":
        return f"{found[1]}T{_with_seconds(found[2] or '00:00:00')}{found[3]}"
    return f"{found[1]}{found[2]}" if base == "date" else f"{_with_seconds(found[1])}{found[2]}"


def _with_seconds(time: str) -> str:
    return f"{time}:00" if time.count(":") == 1 else time
