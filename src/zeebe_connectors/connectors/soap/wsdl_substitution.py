"""Spell out substitution groups, which zeep passes over: a reference to a head becomes a choice of its members.

`<element ref="animal"/>` stands for `dog` and `cat` where these name `animal` as their substitution group; an abstract
head may not stand itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from zeebe_connectors.connectors.soap.namespaces import XSD
from zeebe_connectors.connectors.soap.wsdl_documents import WsdlDocuments, schemas_of

MAX_MEMBERS = 40
"""Of one head: larger groups, as of whole standards, stay a single element."""
MAX_REFERENCES = 2_000
"""Elements that the choices of all schemas may add."""
_ELEMENT, _CHOICE, _ALL = f"{{{XSD}}}element", f"{{{XSD}}}choice", f"{{{XSD}}}all"
_TYPES = (f"{{{XSD}}}complexType", f"{{{XSD}}}simpleType")


@dataclass(slots=True)
class _Global:
    """An element that others can refer to."""

    element: etree._Element
    address: str
    space: str


def spell_out(documents: WsdlDocuments) -> None:
    """Rewrites the references in place."""
    elements: dict[str, _Global] = {}
    for address, root in documents.roots.items():
        for schema in schemas_of(root):
            space = schema.get("targetNamespace") or ""
            for element in schema.findall(_ELEMENT):
                if element.get("name"):
                    elements.setdefault(f"{{{space}}}{element.get('name')}", _Global(element, address, space))
    members: dict[str, list[str]] = {}
    for tag, found in elements.items():
        for head in (found.element.get("substitutionGroup") or "").split():
            members.setdefault(_resolved(head, found.element, found.space), []).append(tag)
    if not members:
        return
    _Groups(documents, elements, members).rewrite()


def _resolved(name: str, at: etree._Element, space: str) -> str:
    """Returns the full name; a schema without a namespace of its own takes that of the one that includes it."""
    prefix, _, local = name.strip().rpartition(":")
    return f"{{{at.nsmap.get(prefix or None) or space}}}{local}"


class _Groups:
    def __init__(self, documents: WsdlDocuments, elements: dict[str, _Global], members: dict[str, list[str]]) -> None:
        self._documents = documents
        self._elements = elements
        self._members = members
        self._options: dict[str, list[str]] = {}
        self._left = MAX_REFERENCES

    def rewrite(self) -> None:
        for address, root in self._documents.roots.items():
            for schema in schemas_of(root):
                space = schema.get("targetNamespace") or ""
                for reference in [each for each in schema.iter(_ELEMENT) if each.get("ref")]:
                    head = _resolved(reference.get("ref") or "", reference, space)
                    if head not in self._members or head not in self._elements:
                        continue
                    if head not in self._options:
                        self._options[head] = self._allowed(head)
                    options = self._options[head]
                    if options and len(options) <= min(MAX_MEMBERS, self._left):
                        self._left -= len(options)
                        self._documents.changed.add(address)
                        _replace(reference, options)
        for tags in self._members.values():
            for tag in tags:
                self._give_type(self._elements[tag], tag)

    def _allowed(self, head: str) -> list[str]:
        """Returns what may stand for a head, itself first if it may."""
        every = [head, *self._all_members(head)]
        return [tag for tag in every if self._elements[tag].element.get("abstract") not in {"true", "1"}]

    def _all_members(self, head: str) -> list[str]:
        """Returns the members of a group, those of their own groups included."""
        found: dict[str, None] = {}
        waiting = list(self._members.get(head, ()))
        while waiting:
            tag = waiting.pop(0)
            if tag not in found and tag != head:
                found[tag] = None
                waiting += self._members.get(tag, ())
        return list(found)

    def _give_type(self, member: _Global, tag: str) -> None:
        """Gives a member without a type that of its head, as the standard says."""
        if _has_type(member.element):
            return
        for above in self._heads(tag):
            head = self._elements[above]
            if not _has_type(head.element):
                continue
            name = head.element.get("type")
            if name is None:
                return  # a type of its own, without a name
            space, _, local = _resolved(name, head.element, head.space)[1:].rpartition("}")
            prefix = next((each for each, known in member.element.nsmap.items() if known == space), None)
            if prefix is not None:
                member.element.set("type", f"{prefix}:{local}")
            elif member.element.nsmap.get(None) == space:
                member.element.set("type", local)
            self._documents.changed.add(member.address)
            return

    def _heads(self, tag: str) -> Iterator[str]:
        """Yields the heads above a member, the nearest first."""
        seen = {tag}
        while tag in self._elements:
            found = self._elements[tag]
            name = (found.element.get("substitutionGroup") or "").split()
            if not name:
                return
            tag = _resolved(name[0], found.element, found.space)
            if tag in seen or tag not in self._elements:
                return
            seen.add(tag)
            yield tag


def _has_type(element: etree._Element) -> bool:
    return element.get("type") is not None or any(element.find(kind) is not None for kind in _TYPES)


def _replace(reference: etree._Element, options: list[str]) -> None:
    parent = reference.getparent()
    if parent is None:
        return
    occurs = {name: value for name in ("minOccurs", "maxOccurs") if (value := reference.get(name)) is not None}
    known = {space: prefix for prefix, space in parent.nsmap.items()}  # a second prefix would be dropped as superfluous
    spaces = dict.fromkeys(tag[1:].rpartition("}")[0] for tag in options)
    own: dict[str | None, str] = {
        f"member{number}": space for number, space in enumerate(spaces) if space and space not in known
    }
    known |= {space: prefix for prefix, space in own.items()}
    made = etree.Element(_CHOICE, nsmap=own)
    for tag in options:
        space, _, local = tag[1:].rpartition("}")
        prefix = known.get(space)
        etree.SubElement(made, _ELEMENT).set("ref", f"{prefix}:{local}" if prefix else local)
    if parent.tag == _ALL:  # which holds elements only
        for each in list(made):
            each.set("minOccurs", "0")
            reference.addprevious(each)
        parent.remove(reference)
        return
    new = made[0] if len(made) == 1 else made
    for name, value in occurs.items():
        new.set(name, value)
    parent.replace(reference, new)
