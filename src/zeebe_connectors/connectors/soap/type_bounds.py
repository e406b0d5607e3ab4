"""Refuse WSDLs whose types expand without bound, before anything reads them.

A group that names another twice, which names another twice, and so on, has a few lines and a billion elements.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from zeebe_connectors.connectors.soap.namespaces import XSD
from zeebe_connectors.connectors.soap.wsdl_documents import WsdlDocuments, schemas_of, wsdl_error

MAX_PARTICLES = 400_000
"""Elements and attributes of all types together, including those from groups and base types."""
_DEEPEST = 200
_GROUP, _ATTRIBUTES, _TYPE = f"{{{XSD}}}group", f"{{{XSD}}}attributeGroup", f"{{{XSD}}}complexType"
_COUNTED = {f"{{{XSD}}}element", f"{{{XSD}}}attribute", f"{{{XSD}}}any", f"{{{XSD}}}anyAttribute"}
_DERIVED = {f"{{{XSD}}}extension", f"{{{XSD}}}restriction"}
_Key = tuple[str, str]


def check_bounds(documents: WsdlDocuments) -> None:
    """Counts the expanded size of a WSDL's types.

    Raises:
        PermanentError: `SOAP_WSDL_INVALID`: it is too much, or groups or types contain themselves.
    """
    counting = _Counting(documents)
    if counting.total() > MAX_PARTICLES:
        raise wsdl_error(
            documents.location,
            f"its types unfold to more than {MAX_PARTICLES} elements and attributes; give a WSDL with fewer",
        )


class _Counting:
    """Counts each named group and type once, whoever refers to it."""

    def __init__(self, documents: WsdlDocuments) -> None:
        self._location = documents.location
        self._named: dict[_Key, etree._Element] = {}
        self._roots = []
        for root in documents.roots.values():
            for schema in schemas_of(root):
                self._roots.append(schema)
                space = schema.get("targetNamespace") or ""
                for item in schema.iter(_GROUP, _ATTRIBUTES, _TYPE):
                    if item.get("name"):
                        self._named.setdefault((item.tag, f"{{{space}}}{item.get('name')}"), item)
        self._known: dict[_Key, int | None] = {}

    def total(self) -> int:
        found = 0
        for schema in self._roots:
            for item in schema:
                found += self._of(item, 0)
                if found > MAX_PARTICLES:
                    return found
        return found

    def _of(self, root: etree._Element, depth: int) -> int:
        """Counts what stands in one element of a schema, with references unfolded."""
        found = 0
        for item in root.iter(etree.Element):
            if item.tag in _COUNTED:
                found += 1
            for key in self._references(item):
                found += self._named_count(key, depth + 1)
            if found > MAX_PARTICLES:
                break
        return found

    def _references(self, item: etree._Element) -> Iterator[_Key]:
        if item.tag in {_GROUP, _ATTRIBUTES}:
            reference = item.get("ref")
            kind = item.tag
        elif item.tag in _DERIVED:
            reference, kind = item.get("base"), _TYPE
        else:
            return
        if reference:
            prefix, _, local = reference.rpartition(":")
            space = item.nsmap.get(prefix or None) or ""
            yield kind, f"{{{space}}}{local}"

    def _named_count(self, key: _Key, depth: int) -> int:
        if key not in self._named:
            return 0
        if key in self._known:
            known = self._known[key]
            if known is None and key[0] != _TYPE:
                raise self._endless(key)
            return known or 0
        if depth > _DEEPEST:
            raise self._endless(key)
        self._known[key] = None
        found = self._of(self._named[key], depth)
        self._known[key] = found
        return found

    def _endless(self, key: _Key) -> Exception:
        name = key[1].rpartition("}")[2]
        return wsdl_error(self._location, f"its types refer to each other without end, near {name}; correct the schema")
