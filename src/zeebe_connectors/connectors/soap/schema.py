"""Describe a schema's types as plain data, whichever library read the schema; `writer` and `reader` follow them.

JSON uses the schema's local names. `@name` is an attribute (plain `name` too, where no element has it), `$content`
the text beside attributes, `@type` the name of a derived type, and a repeated element is a list. `$items` is a list
of contexts for a repeated group whose order matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from zeebe_connectors.connectors.soap.namespaces import SOAP11, SOAP12, WSU, XSI

NIL, TYPE = f"{{{XSI}}}nil", f"{{{XSI}}}type"
ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
NOT_DATA = (f"{{{XSI}}}", f"{{{ENCODING}}}", f"{{{SOAP11}}}", f"{{{SOAP12}}}", f"{{{WSU}}}")
"""Prefixes of attributes that concern the message itself, not its content."""
TRUE, FALSE = {"true", "1"}, {"false", "0"}


INTEGERS: dict[str, tuple[int | None, int | None]] = {
    "integer": (None, None),
    "nonNegativeInteger": (0, None),
    "positiveInteger": (1, None),
    "nonPositiveInteger": (None, 0),
    "negativeInteger": (None, -1),
    "long": (-(2**63), 2**63 - 1),
    "int": (-(2**31), 2**31 - 1),
    "short": (-(2**15), 2**15 - 1),
    "byte": (-128, 127),
    "unsignedLong": (0, 2**64 - 1),
    "unsignedInt": (0, 2**32 - 1),
    "unsignedShort": (0, 2**16 - 1),
    "unsignedByte": (0, 255),
}
NUMBERS = frozenset((*INTEGERS, "decimal", "float", "double"))


@dataclass(slots=True)
class Simple:
    """A type that is text in XML.

    Args:
        base: Local name of the built-in type that it comes from, such as `int`.
        choices: The allowed values; empty when any is.
        items: For a list type, the type of its items.
    """

    base: str
    choices: tuple[str, ...] = ()
    items: Simple | None = None
    tag: str | None = None
    limits: dict[str, str] = field(default_factory=dict)
    """Facets such as `maxLength`, by name; samples keep to them."""


@dataclass(slots=True)
class Attribute:
    """An attribute."""

    name: str
    tag: str
    type: Simple
    required: bool = False
    default: str | None = None
    key: str = field(init=False, repr=False, compare=False)
    """Its name in JSON."""

    def __post_init__(self) -> None:
        self.key = f"@{self.name}"


@dataclass(slots=True)
class Complex:
    """A type with elements or attributes. Filled in after it is made, because types may hold themselves."""

    name: str
    tag: str | None = None
    content: Group | None = None
    text: Simple | None = None
    attributes: list[Attribute] = field(default_factory=list)
    abstract: bool = False
    mixed: bool = False
    """Whether text may stand between its elements: `$content` as well."""
    derived: dict[str, Complex] = field(default_factory=dict)
    """Types that may stand in its place, by local name; itself included."""
    items: Simple | Complex | Anything | None = None
    """For an array of SOAP's encoding: the type of its items."""
    fields: dict[str, Field] = field(default_factory=dict)
    """All elements by name, whatever group they are in."""
    _lists: frozenset[str] | None = field(default=None, init=False, repr=False, compare=False)

    def lists(self) -> frozenset[str]:
        """Returns the names whose JSON is a list: the element repeats, or the group that it is in; cached."""
        if self._lists is None:
            self._lists = frozenset() if self.content is None else frozenset(self.content.repeated())
        return self._lists

    def attribute(self, name: str) -> Attribute | None:
        """Returns the attribute of a name."""
        for one in self.attributes:
            if one.name == name:
                return one
        return None


@dataclass(slots=True)
class Anything:
    """`xsd:anyType`: XML of any shape."""


Type = Simple | Complex | Anything


@dataclass(slots=True)
class Field:
    """An element inside a type. `max_occurs` is None when it may be repeated without end."""

    name: str
    tag: str
    type: Type
    min_occurs: int = 1
    max_occurs: int | None = 1
    nillable: bool = False
    default: str | None = None
    documentation: str = ""

    @property
    def repeated(self) -> bool:
        """Whether its JSON is a list."""
        return self.max_occurs is None or self.max_occurs > 1


@dataclass(slots=True)
class Wildcard:
    """`xsd:any`: elements that the schema does not name."""

    min_occurs: int = 0


@dataclass(slots=True)
class Group:
    """Elements in a sequence, a choice, or in any order (`all`)."""

    kind: Literal["sequence", "choice", "all"]
    items: list[Field | Group | Wildcard]
    min_occurs: int = 1
    max_occurs: int | None = 1
    _names: frozenset[str] | None = field(default=None, init=False, repr=False, compare=False)

    def names(self) -> frozenset[str]:
        """Returns the names of all elements in it; cached."""
        if self._names is None:
            self._names = frozenset(item.name for item in self.walk())
        return self._names

    def walk(self) -> Iterator[Field]:
        """Yields every element in it, nested groups included."""
        for item in self.items:
            if isinstance(item, Field):
                yield item
            elif isinstance(item, Group):
                yield from item.walk()

    def repeated(self, *, several: bool = False) -> Iterator[str]:
        """Yields the names of elements of which there may be several: all if this group is in one that repeats."""
        several = several or self.max_occurs is None or self.max_occurs > 1
        for item in self.items:
            if isinstance(item, Field) and (several or item.repeated):
                yield item.name
            elif isinstance(item, Group):
                yield from item.repeated(several=several)

    def has_wildcard(self) -> bool:
        """Returns whether elements that are not named may stand in it."""
        return any(
            isinstance(item, Wildcard) or (isinstance(item, Group) and item.has_wildcard()) for item in self.items
        )


def can_be_empty(kind: Type) -> bool:
    """Returns whether an element of this type may have nothing in it."""
    if isinstance(kind, Complex):
        if kind.abstract or kind.text is not None or any(item.required for item in kind.attributes):
            return False
        return kind.content is None or _may_be_absent(kind.content)
    return isinstance(kind, Anything)


def _may_be_absent(item: Field | Group | Wildcard) -> bool:
    if item.min_occurs == 0:
        return True
    if isinstance(item, Group):
        test = any if item.kind == "choice" and item.items else all
        return test(_may_be_absent(inner) for inner in item.items)
    return False
