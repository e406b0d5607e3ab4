"""Prepare a WSDL for zeep: remove the parts that cannot be used, with the reason, so that the rest can.

zeep refuses a whole WSDL for one dangling reference, whether or not anybody needs that part. This runs after such a
refusal: it finds the faulty parts by their names in the documents themselves, and leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from zeebe_connectors.connectors.soap.namespaces import XSD
from zeebe_connectors.connectors.soap.standard_schemas import standard
from zeebe_connectors.connectors.soap.wsdl_documents import WSDL, WsdlDocuments, shown

SOAP, SOAP12 = "http://schemas.xmlsoap.org/wsdl/soap/", "http://schemas.xmlsoap.org/wsdl/soap12/"
_BINDINGS = (f"{{{SOAP}}}binding", f"{{{SOAP12}}}binding")
_HEADERS = (f"{{{SOAP}}}header", f"{{{SOAP12}}}header")
_KNOWN_SPACES = {XSD, "http://www.w3.org/XML/1998/namespace", "http://schemas.xmlsoap.org/soap/encoding/"}
# Kinds of global components, and the attributes that refer to one of each kind.
_KINDS = ("element", "complexType", "simpleType", "group", "attributeGroup", "attribute")
_TYPES = ("complexType", "simpleType")
_MAX_ROUNDS = 100


@dataclass(slots=True)
class _Component:
    """A global part of a schema."""

    kind: str
    space: str
    element: etree._Element
    address: str

    @property
    def name(self) -> str:
        return self.element.get("name") or ""


@dataclass(slots=True)
class _Names:
    """The existing global names, by kind and namespace; those without a namespace may be included into any."""

    of: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: {kind: set() for kind in _KINDS})

    def has(self, kinds: tuple[str, ...], space: str, name: str) -> bool:
        return any((space, name) in self.of[kind] or ("", name) in self.of[kind] for kind in kinds)


def without_other_bindings(documents: WsdlDocuments) -> list[str]:
    """Removes bindings other than SOAP, with their ports: zeep fails on some of them."""
    others: set[str] = set()
    for address, root in documents.roots.items():
        found = [item for item in root.findall(f"{{{WSDL}}}binding") if item.find(f"{{{SOAP}}}binding") is None]
        found = [item for item in found if item.find(f"{{{SOAP12}}}binding") is None]
        for item in found:
            others.add(item.get("name") or "")
            root.remove(item)
        if found:
            documents.contents[address] = etree.tostring(root)
    skipped = []
    for address, root in documents.roots.items():
        for port in list(root.iter(f"{{{WSDL}}}port")):
            if (port.get("binding") or "").rpartition(":")[2] in others:
                skipped.append(f"port {port.get('name')}: does not speak SOAP")
                port.getparent().remove(port)
                documents.contents[address] = etree.tostring(root)
    return skipped


def give_namespaces(documents: WsdlDocuments) -> None:
    """Puts the element of an rpc operation into the WSDL's own namespace where none is given, as other tools do."""
    for address, root in documents.roots.items():
        space = root.get("targetNamespace")
        changed = False
        for binding in root.findall(f"{{{WSDL}}}binding") if space else ():
            style = next((each.get("style") for each in binding.iterchildren("{*}binding")), None)
            for operation in binding.findall(f"{{{WSDL}}}operation"):
                own = next((each.get("style") for each in operation.iterchildren("{*}operation")), None)
                if (own or style) != "rpc":
                    continue
                for body in operation.iterfind(f"{{{WSDL}}}*/{{*}}body"):
                    if not body.get("namespace"):
                        body.set("namespace", space)
                        changed = True
        if changed:
            documents.contents[address] = etree.tostring(root)


def repair(documents: WsdlDocuments) -> tuple[list[str], bool]:
    """Removes dangling references and other parts on which zeep fails.

    Args:
        documents: Changed in place.

    Returns:
        What was removed and why, with its document and line; and whether anything was changed at all.
    """
    repaired = _Repair(documents)
    repaired.types()
    repaired.addresses()
    repaired.operations()
    for address in repaired.changed:
        documents.contents[address] = etree.tostring(documents.roots[address])
    return repaired.reasons, bool(repaired.changed)


def bound_operations(documents: WsdlDocuments) -> set[str]:
    """The names of all operations that bindings have."""
    return {
        operation.get("name") or ""
        for root in documents.roots.values()
        for binding in root.iter(f"{{{WSDL}}}binding")
        for operation in binding.findall(f"{{{WSDL}}}operation")
    }


class _Repair:
    def __init__(self, documents: WsdlDocuments) -> None:
        self.documents = documents
        self.reasons: list[str] = []
        self.changed: set[str] = set()
        self.names = _Names()

    def types(self) -> None:
        """Removes global types and elements with dangling references, and then what referred to them."""
        components = list(self._components())
        for each in components:
            self.names.of[each.kind].add((each.space, each.name))
        for _ in range(_MAX_ROUNDS):
            broken = [(each, missing) for each in components if (missing := self._missing_in(each))]
            if not broken:
                return
            for each, missing in broken:
                why = f"refers to {missing}, which no schema defines; is an import missing, or its schemaLocation?"
                self._leave_out(each.element, each.address, f"{_word(each.kind)} {each.name}", why)
                self.names.of[each.kind].discard((each.space, each.name))
                components.remove(each)

    def addresses(self) -> None:
        """Gives ports without an address an empty one: a task may give its own."""
        for address, root in self.documents.roots.items():
            for port in root.iter(f"{{{WSDL}}}port"):
                binding = self._find("binding", port.get("binding") or "", port)
                if binding is None or any(each.tag.endswith("}address") for each in port.iterchildren("{*}*")):
                    continue
                space = SOAP12 if binding.find(_BINDINGS[1]) is not None else SOAP
                etree.SubElement(port, f"{{{space}}}address").set("location", "")
                self.changed.add(address)

    def operations(self) -> None:
        """Removes the operations whose messages or port types are missing or have dangling references."""
        for address, root in self.documents.roots.items():
            for binding in list(root.iter(f"{{{WSDL}}}binding")):
                port_type = self._find("portType", binding.get("type") or "", binding)
                if port_type is None:
                    why = f"its portType {binding.get('type')} is not defined"
                    self._leave_out(binding, address, f"binding {binding.get('name')}", why)
                    self._without_ports(binding.get("name") or "")
                    continue
                for operation in list(binding.findall(f"{{{WSDL}}}operation")):
                    reason = self._unusable(operation, port_type)
                    if reason:
                        self._leave_out(operation, address, f"operation {operation.get('name')}", reason)

    def _unusable(self, operation: etree._Element, port_type: etree._Element) -> str | None:
        """Why an operation of a binding cannot be called."""
        name = operation.get("name")
        abstract = next((each for each in port_type.findall(f"{{{WSDL}}}operation") if each.get("name") == name), None)
        if abstract is None:
            return f"the portType {port_type.get('name')} has no such operation"
        if abstract.find(f"{{{WSDL}}}input") is None:
            return "it has no input: the service sends it by itself"
        for direction in ("input", "output"):
            found = abstract.find(f"{{{WSDL}}}{direction}")
            if found is None:
                continue
            why = self._wrong_message(found.get("message") or "", found, f"its {direction}")
            if why:
                return why
            for header in operation.iterfind(f"{{{WSDL}}}{direction}/*"):
                if header.tag in _HEADERS and (why := self._wrong_header(header)):
                    return why
        return None

    def _wrong_header(self, header: etree._Element) -> str | None:
        name, part = header.get("message") or "", header.get("part")
        why = self._wrong_message(name, header, "its header")
        message = self._find("message", name, header)
        if why or message is None:
            return why
        if all(each.get("name") != part for each in message.findall(f"{{{WSDL}}}part")):
            return f"its header needs the part {part} of the message {name}, which has none of that name"
        return None

    def _wrong_message(self, name: str, at: etree._Element, what: str) -> str | None:
        message = self._find("message", name, at)
        if message is None:
            return f"{what} needs the message {name or '(none)'}, which is not defined"
        for part in message.findall(f"{{{WSDL}}}part"):
            for attribute, kinds in (("element", ("element",)), ("type", _TYPES)):
                missing = self._missing(part, part.get(attribute), kinds, "")
                if missing:
                    return f"{what} needs {missing}, which no schema defines"
        return None

    def _components(self) -> Iterator[_Component]:
        for address, root in self.documents.roots.items():
            schemas = [root] if root.tag == f"{{{XSD}}}schema" else root.iter(f"{{{XSD}}}schema")
            for schema in schemas:
                for child in schema:
                    kind = etree.QName(child).localname if isinstance(child.tag, str) else ""
                    if kind in _KINDS and child.get("name"):
                        yield _Component(kind, schema.get("targetNamespace") or "", child, address)

    def _missing_in(self, component: _Component) -> str | None:
        """The first name that a component refers to and that is missing."""
        for each in component.element.iter(f"{{{XSD}}}*"):
            kind = etree.QName(each).localname
            references: list[tuple[str | None, tuple[str, ...]]] = []
            references += [(each.get(name), _TYPES) for name in ("type", "base", "itemType")]
            references += [(name, _TYPES) for name in (each.get("memberTypes") or "").split()]
            if kind in _KINDS:
                references.append((each.get("ref"), (kind,)))
            for name, kinds in references:
                missing = self._missing(each, name, kinds, component.space)
                if missing:
                    return missing
        return None

    def _missing(self, at: etree._Element, name: str | None, kinds: tuple[str, ...], own: str) -> str | None:
        if not name:
            return None
        prefix, _, local = name.rpartition(":")
        space = at.nsmap.get(prefix or None) or ("" if prefix else own)
        if space in _KNOWN_SPACES or standard(space) is not None or self.names.has(kinds, space, local):
            return None
        if not prefix and self.names.has(kinds, own, local):
            return None
        return f"the {_word(kinds[0])} {name} ({{{space}}}{local})"

    def _find(self, kind: str, name: str, at: etree._Element) -> etree._Element | None:
        """A definition of the WSDL by its name, in any of the documents."""
        prefix, _, local = name.rpartition(":")
        space = at.nsmap.get(prefix or None)
        for root in self.documents.roots.values():
            if root.tag != f"{{{WSDL}}}definitions":
                continue
            if prefix and space is not None and root.get("targetNamespace") not in {space, None}:
                continue
            for each in root.findall(f"{{{WSDL}}}{kind}"):
                if each.get("name") == local:
                    return each
        return None

    def _without_ports(self, binding: str) -> None:
        for address, root in self.documents.roots.items():
            for port in list(root.iter(f"{{{WSDL}}}port")):
                if (port.get("binding") or "").rpartition(":")[2] == binding:
                    port.getparent().remove(port)
                    self.changed.add(address)

    def _leave_out(self, element: etree._Element, address: str, what: str, why: str) -> None:
        line = f", line {element.sourceline}" if element.sourceline else ""
        self.reasons.append(f"{what} ({shown(address)}{line}): {why}")
        element.getparent().remove(element)
        self.changed.add(address)


def _word(kind: str) -> str:
    return {"complexType": "type", "simpleType": "type", "attributeGroup": "attribute group"}.get(kind, kind)
