"""Note what zeep drops of a WSDL: enumerations, abstract types, who extends whom, documentation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import unescape

from lxml import etree

from zeebe_connectors.connectors.soap.namespaces import XSD
from zeebe_connectors.connectors.soap.wsdl_documents import WSDL, schemas_of

_MAX_BASES = 10
_LIMITS = frozenset({
    "length", "minLength", "maxLength", "minInclusive", "maxInclusive", "minExclusive", "maxExclusive", "totalDigits",
    "fractionDigits",
})  # fmt: skip
_MAX_DOCUMENTATION = 10_000
_HTML_TAG = re.compile(
    r"<(script|style)\b.*?</\1>|<[/!]?[A-Za-z][^<>]{0,200}>|<!--.{0,500}?-->", re.DOTALL | re.IGNORECASE
)


@dataclass(slots=True)
class Notes:
    """What zeep drops: enumerations, abstract types, who extends whom, documentation."""

    choices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    local_choices: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    limits: dict[str, dict[str, str]] = field(default_factory=dict)
    """Lengths and bounds of simple types; of a type without a name, by its element."""
    abstract: set[str] = field(default_factory=set)
    mixed: set[str] = field(default_factory=set)
    """Types with text between their elements; a type without a name has that of its element."""
    bases: dict[str, str] = field(default_factory=dict)
    documentation: dict[str, str] = field(default_factory=dict)
    operations: dict[tuple[str, str], str] = field(default_factory=dict)

    def read(self, roots: Iterable[etree._Element]) -> None:
        """Reads the documents of a WSDL."""
        for root in roots:
            schemas = schemas_of(root)
            for found in schemas:
                self._schema(found)
            for port_type in root.iter(f"{{{WSDL}}}portType"):
                for operation in port_type.findall(f"{{{WSDL}}}operation"):
                    text = _words(operation.find(f"{{{WSDL}}}documentation"))
                    self.operations[port_type.get("name") or "", operation.get("name") or ""] = text

    def _schema(self, root: etree._Element) -> None:
        space = root.get("targetNamespace") or ""
        self._limits(root, space)
        for item in root.iter(f"{{{XSD}}}simpleType"):
            listed = item.findall(f"{{{XSD}}}restriction/{{{XSD}}}enumeration")
            values = tuple(dict.fromkeys(value.get("value") or "" for value in listed))
            if (name := item.get("name")) is not None:
                self.choices[f"{{{space}}}{name}"] = values
            else:
                owner = item.getparent()
                key = f"{{{space}}}{owner.get('name')}" if owner is not None else ""
                self.local_choices[key] = values if self.local_choices.get(key, values) == values else None
        self._mixed(root, space)
        for item in root.findall(f"{{{XSD}}}complexType"):
            tag = f"{{{space}}}{item.get('name')}"
            if item.get("abstract") in {"true", "1"}:
                self.abstract.add(tag)
            extension = item.find(f"{{{XSD}}}complexContent/*")
            if extension is not None and ":" in (base := extension.get("base") or ""):
                prefix, _, local = base.partition(":")
                self.bases[tag] = f"{{{extension.nsmap.get(prefix, '')}}}{local}"
            elif extension is not None and extension.get("base"):
                self.bases[tag] = f"{{{extension.nsmap.get(None, space)}}}{extension.get('base')}"
        for item in root.iter(f"{{{XSD}}}element"):
            text = _words(item.find(f"{{{XSD}}}annotation/{{{XSD}}}documentation"))
            if text and item.get("name"):
                self.documentation.setdefault(f"{{{space}}}{item.get('name')}", text)

    def _limits(self, root: etree._Element, space: str) -> None:
        """Notes the limits of simple types, those of the types that they restrict included."""
        named: dict[str, etree._Element] = {}
        found: list[tuple[str, etree._Element]] = []
        for item in root.iter(f"{{{XSD}}}simpleType"):
            owner = item if item.get("name") is not None else item.getparent()
            restriction = item.find(f"{{{XSD}}}restriction")
            if owner is None or restriction is None:
                continue
            found.append((f"{{{space}}}{owner.get('name')}", restriction))
            if owner is item:
                named[item.get("name") or ""] = restriction
        for tag, restriction in found:
            limits: dict[str, str] = {}
            at: etree._Element | None = restriction
            for _ in range(_MAX_BASES):
                if at is None:
                    break
                for each in at:
                    limits.setdefault(etree.QName(each).localname, each.get("value") or "")
                at = named.get((at.get("base") or "").rpartition(":")[2])
            known = {name: value for name, value in limits.items() if name in _LIMITS}
            # Elements of one name may have types of their own that differ.
            self.limits[tag] = known if self.limits.get(tag, known) == known else {}

    def _mixed(self, root: etree._Element, space: str) -> None:
        for item in root.iter(f"{{{XSD}}}complexType"):
            content = item.find(f"{{{XSD}}}complexContent")
            marks = (item.get("mixed"), None if content is None else content.get("mixed"))
            owner = item if item.get("name") is not None else item.getparent()
            if owner is not None and not {"true", "1"}.isdisjoint(marks):
                self.mixed.add(f"{{{space}}}{owner.get('name')}")


def _words(element: etree._Element | None) -> str:
    """Returns the text of a documentation, without the HTML that tools write into it."""
    if element is None:
        return ""
    text = _HTML_TAG.sub(" ", unescape("".join(element.itertext())[:_MAX_DOCUMENTATION]))
    return " ".join(text.split())[:500]
