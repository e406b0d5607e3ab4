"""Prepare a WSDL for zeep: remove the parts that cannot be used, with the reason, so that the rest can.

zeep refuses a whole WSDL for one dangling reference, whether or not anybody needs that part. This runs after such a
refusal: it finds the faulty parts by their names in the documents themselves, and leaves them out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from lxml import etree

from zeebe_connectors.connectors.soap.namespaces import XSD
from zeebe_connectors.connectors.soap.standard_schemas import standard
from zeebe_connectors.connectors.soap.wsdl_documents import SOAP, SOAP12, WSDL, WsdlDocuments, schemas_of, shown

_BINDINGS = (f"{{{SOAP}}}binding", f"{{{SOAP12}}}binding")
_HEADERS = (f"{{{SOAP}}}header", f"{{{SOAP12}}}header")
_XML = "http://www.w3.org/XML/1998/namespace"
_BUILT_IN = frozenset({
    "anyType", "anySimpleType", "anyURI", "base64Binary", "boolean", "byte", "date", "dateTime", "decimal",
    "double", "duration", "ENTITIES", "ENTITY", "float", "gDay", "gMonth", "gMonthDay", "gYear", "gYearMonth",
    "hexBinary", "ID", "IDREF", "IDREFS", "int", "integer", "language", "long", "Name", "NCName", "negativeInteger",
    "NMTOKEN", "NMTOKENS", "nonNegativeInteger", "nonPositiveInteger", "normalizedString", "NOTATION",
    "positiveInteger", "QName", "short", "string", "time", "token", "unsignedByte", "unsignedInt", "unsignedLong",
    "unsignedShort",
})  # fmt: skip
"""The types of XML Schema 1.0."""
_KNOWN_SPACES = {_XML, "http://schemas.xmlsoap.org/soap/encoding/"}
# Kinds of global components, and the attributes that refer to one of each kind.
_KINDS = ("element", "complexType", "simpleType", "group", "attributeGroup", "attribute")
_TYPES = ("complexType", "simpleType")
_CONTENTS = ("sequence", "choice", "all", "group", "complexContent", "simpleContent")
_AT_THE_TOP = frozenset({*_KINDS, "include", "import", "redefine", "annotation", "notation"})
_RULES_OF_1_1 = ("assert", "assertion", "alternative", "openContent", "defaultOpenContent", "explicitTimezone")
_DERIVED = {
    "complexContent": ("extension", "restriction"),
    "simpleContent": ("extension", "restriction"),
    "simpleType": ("restriction", "list", "union"),
}
_HTTP = frozenset({"http://schemas.xmlsoap.org/soap/http", "http://www.w3.org/2003/05/soap/bindings/HTTP/"})
_NAME = re.compile(r"[^\W\d][\w.\-]*")
_NO_NAME = "it has no name that can be referred to"
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
    """Removes bindings other than SOAP over HTTP, with their ports: zeep fails on some of them, and tells of none."""
    others: dict[str, str] = {}
    known: set[str] = set()
    for address, root in documents.roots.items():
        bindings = root.findall(f"{{{WSDL}}}binding")
        for item in bindings:
            name = item.get("name") or ""
            known.add(name)
            if why := _other_transport(item):
                others[name] = why
                root.remove(item)
        if bindings:
            documents.changed.add(address)
    skipped = []
    for address, root in documents.roots.items():
        for port in list(root.iter(f"{{{WSDL}}}port")):
            binding = port.get("binding") or ""
            name = binding.rpartition(":")[2]
            why = others.get(name, "" if name in known or not binding else f"its binding {binding} is not defined")
            if why:
                skipped.append(f"port {port.get('name')}: {why}")
                port.getparent().remove(port)
                documents.changed.add(address)
    return skipped


def _other_transport(binding: etree._Element) -> str:
    """Says why a binding is not SOAP over HTTP; empty if it is. One that names no transport means HTTP."""
    bound = next((each for tag in _BINDINGS if (each := binding.find(tag)) is not None), None)
    if bound is None:
        return "does not speak SOAP"
    transport = bound.get("transport") or ""
    if not transport:
        bound.set("transport", "http://schemas.xmlsoap.org/soap/http")
    return "" if not transport or transport in _HTTP else f"speaks SOAP over {transport[:100]}, not over HTTP"


def give_namespaces(documents: WsdlDocuments) -> None:
    """Puts the element of an rpc operation into the WSDL's own namespace where none is given, as other tools do."""
    for address, root in documents.roots.items():
        space = root.get("targetNamespace")
        for binding in root.findall(f"{{{WSDL}}}binding") if space else ():
            style = next((each.get("style") for each in binding.iterchildren("{*}binding")), None)
            for operation in binding.findall(f"{{{WSDL}}}operation"):
                own = next((each.get("style") for each in operation.iterchildren("{*}operation")), None)
                if (own or style) != "rpc":
                    continue
                for body in operation.iterfind(f"{{{WSDL}}}*/{{*}}body"):
                    if not body.get("namespace"):
                        body.set("namespace", space)
                        documents.changed.add(address)


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
    documents.changed.update(repaired.changed)
    return repaired.reasons, bool(repaired.changed)


def bound_operations(documents: WsdlDocuments) -> set[str]:
    """Returns the names of all operations that bindings have."""
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
        self._with_xml_attributes()
        self._without_the_unknown()
        self._without_the_nameless()
        components = list(self._components())
        for each in components:
            self.names.of[each.kind].add((each.space, each.name))
        for _ in range(_MAX_ROUNDS):
            broken = [(each, why) for each in components if (why := self._fault_in(each))]
            if not broken:
                return
            for each, why in broken:
                self._leave_out(each.element, each.address, f"{_word(each.kind)} {each.name}", why)
                self.names.of[each.kind].discard((each.space, each.name))
                components.remove(each)

    def _with_xml_attributes(self) -> None:
        """Imports what `xml:lang` and the like are, where a schema uses them without an import."""
        for address, root in self.documents.roots.items():
            for schema in schemas_of(root):
                used = any((each.get("ref") or "").startswith("xml:") for each in schema.iter(f"{{{XSD}}}*"))
                imported = {each.get("namespace") for each in schema.findall(f"{{{XSD}}}import")}
                if used and _XML not in imported:
                    schema.insert(0, schema.makeelement(f"{{{XSD}}}import", namespace=_XML, schemaLocation=_XML))
                    self.changed.add(address)

    def _without_the_unknown(self) -> None:
        """Removes what XML Schema 1.0 does not have: rules of 1.1, which check but do not describe, and other tags."""
        for address, root in self.documents.roots.items():
            for schema in schemas_of(root):
                rules = list(schema.iter(*(f"{{{XSD}}}{rule}" for rule in _RULES_OF_1_1)))
                others = [
                    each
                    for each in schema
                    if isinstance(each.tag, str)
                    and (etree.QName(each).namespace != XSD or etree.QName(each).localname not in _AT_THE_TOP)
                ]
                for each in {*rules, *others}:
                    each.getparent().remove(each)
                    self.changed.add(address)

    def _without_the_nameless(self) -> None:
        """Removes global parts without a name."""
        for address, root in self.documents.roots.items():
            for schema in schemas_of(root):
                for child in list(schema):
                    kind = etree.QName(child).localname if isinstance(child.tag, str) else ""
                    if kind in _KINDS and not _is_name(child.get("name")):
                        self._leave_out(child, address, f"{_word(kind)} {child.get('name') or ''}".strip(), _NO_NAME)

    def addresses(self) -> None:
        """Gives ports without an address an empty one: a task may give its own."""
        nowhere: list[tuple[etree._Element, str]] = []
        for address, root in self.documents.roots.items():
            for port in root.iter(f"{{{WSDL}}}port"):
                if not port.get("binding"):
                    nowhere.append((port, address))
                    continue
                binding = self.documents.find("binding", port.get("binding") or "", port)
                if binding is None or any(each.tag.endswith("}address") for each in port.iterchildren("{*}*")):
                    continue
                space = SOAP12 if binding.find(_BINDINGS[1]) is not None else SOAP
                etree.SubElement(port, f"{{{space}}}address").set("location", "")
                self.changed.add(address)

        for port, address in nowhere:
            self._leave_out(port, address, f"port {port.get('name')}", "it names no binding")

    def operations(self) -> None:
        """Removes the operations whose messages or port types are missing or have dangling references."""
        self._without_nameless_parts()
        for address, root in self.documents.roots.items():
            for binding in list(root.iter(f"{{{WSDL}}}binding")):
                port_type = self.documents.find("portType", binding.get("type") or "", binding)
                if port_type is None:
                    why = f"its portType {binding.get('type')} is not defined"
                    self._leave_out(binding, address, f"binding {binding.get('name')}", why)
                    self._without_ports(binding.get("name") or "")
                    continue
                for operation in list(binding.findall(f"{{{WSDL}}}operation")):
                    reason = self._unusable(operation, port_type)
                    if reason:
                        self._leave_out(operation, address, f"operation {operation.get('name')}", reason)

        self._without_faults()
        self._without_what_is_unbound()

    def _without_nameless_parts(self) -> None:
        """Removes what a WSDL defines without a name that can be referred to."""
        for address, root in self.documents.roots.items():
            for path in (
                ("message",),
                ("portType",),
                ("binding",),
                ("portType", "operation"),
                ("binding", "operation"),
            ):
                for each in root.findall("/".join(f"{{{WSDL}}}{step}" for step in path)):
                    if not _is_name(each.get("name")):
                        self._leave_out(each, address, f"{path[-1]} {each.get('name') or ''}".strip(), _NO_NAME)

    def _without_faults(self) -> None:
        """Removes the faults whose messages are missing: the operation can be called without."""
        for address, root in self.documents.roots.items():
            for operation in root.iterfind(f"{{{WSDL}}}portType/{{{WSDL}}}operation"):
                for fault in operation.findall(f"{{{WSDL}}}fault"):
                    if why := self._wrong_message(fault.get("message") or "", fault, "it"):
                        what = f"fault {fault.get('name')} of operation {operation.get('name')}"
                        self._leave_out(fault, address, what, why)
                        self._unbind_fault(operation.get("name"), fault.get("name"))

    def _unbind_fault(self, operation: str | None, fault: str | None) -> None:
        for address, root in self.documents.roots.items():
            for bound in root.iterfind(f"{{{WSDL}}}binding/{{{WSDL}}}operation"):
                for each in bound.findall(f"{{{WSDL}}}fault"):
                    if (bound.get("name"), each.get("name")) == (operation, fault):
                        bound.remove(each)
                        self.changed.add(address)

    def _without_what_is_unbound(self) -> None:
        """Removes operations and messages that no tool reads; what a binding needs of them was left out before."""
        for address, root in self.documents.roots.items():
            if root.tag != f"{{{WSDL}}}definitions":
                continue
            for port_type in root.findall(f"{{{WSDL}}}portType"):
                for operation in port_type.findall(f"{{{WSDL}}}operation"):
                    ways = [*operation.findall(f"{{{WSDL}}}input"), *operation.findall(f"{{{WSDL}}}output")]
                    if any(self._wrong_message(way.get("message") or "", way, "") for way in ways):
                        port_type.remove(operation)
                        self.changed.add(address)
        for address, root in self.documents.roots.items():
            for message in root.findall(f"{{{WSDL}}}message"):
                if not message.get("name") or self._wrong_message(message.get("name") or "", message, ""):
                    root.remove(message)
                    self.changed.add(address)

    def _unusable(self, operation: etree._Element, port_type: etree._Element) -> str | None:
        """Returns why an operation of a binding cannot be called."""
        name = operation.get("name")
        abstract = next((each for each in port_type.findall(f"{{{WSDL}}}operation") if each.get("name") == name), None)
        if abstract is None:
            return f"the portType {port_type.get('name')} has no such operation"
        if abstract.find(f"{{{WSDL}}}input") is None:
            return "it has no input: the service sends it by itself"
        if operation.find(f"{{{WSDL}}}input") is None:
            return "its binding does not say how its input is written"
        for direction in ("input", "output"):
            found = abstract.find(f"{{{WSDL}}}{direction}")
            if found is None:
                continue
            why = self._wrong_message(found.get("message") or "", found, f"its {direction}")
            if why:
                return why
            for header in operation.iterfind(f"{{{WSDL}}}{direction}/*"):
                if header.tag in _HEADERS and not header.get("use"):
                    header.set("use", "literal")
                    self.changed.update(self.documents.roots)
                if header.tag in _HEADERS and (why := self._wrong_header(header)):
                    return why
        return None

    def _wrong_header(self, header: etree._Element) -> str | None:
        name, part = header.get("message") or "", header.get("part")
        why = self._wrong_message(name, header, "its header")
        message = self.documents.find("message", name, header)
        if why or message is None:
            return why
        if all(each.get("name") != part for each in message.findall(f"{{{WSDL}}}part")):
            return f"its header needs the part {part} of the message {name}, which has none of that name"
        return None

    def _wrong_message(self, name: str, at: etree._Element, what: str) -> str | None:
        message = self.documents.find("message", name, at) if name else None
        if message is None:
            return f"{what} needs the message {name or '(none)'}, which is not defined"
        for part in message.findall(f"{{{WSDL}}}part"):
            if not _is_name(part.get("name")):
                return f"{what} needs a part of the message {name}, but {_NO_NAME}"
            if not (part.get("element") or part.get("type")):
                return (
                    f"{what} needs the part {part.get('name')} of the message {name}, which has no element and no type"
                )
            for attribute, kinds in (("element", ("element",)), ("type", _TYPES)):
                missing = self._missing(part, part.get(attribute), kinds, "")
                if missing:
                    return f"{what} needs {missing}, which no schema defines"
        return None

    def _components(self) -> Iterator[_Component]:
        for address, root in self.documents.roots.items():
            schemas = schemas_of(root)
            for schema in schemas:
                for child in schema:
                    kind = etree.QName(child).localname if isinstance(child.tag, str) else ""
                    if kind in _KINDS and child.get("name"):
                        yield _Component(kind, schema.get("targetNamespace") or "", child, address)

    def _fault_in(self, component: _Component) -> str | None:
        """Returns why a component cannot be used."""
        for each in component.element.iter(f"{{{XSD}}}element", f"{{{XSD}}}attribute"):
            if each is not component.element and not (each.get("name") or each.get("ref")):
                return f"holds an {etree.QName(each).localname} with neither name nor ref (line {each.sourceline})"
            if each.get("name") is not None and not _is_name(each.get("name")):
                return f"holds an {etree.QName(each).localname} named {each.get('name')!r}; {_NO_NAME}"
        if why := _incomplete(component.element):
            return why
        for each in component.element.iter(f"{{{XSD}}}*"):
            for attribute, word in (("minOccurs", None), ("maxOccurs", "unbounded")):
                count = each.get(attribute)
                if count is not None and count.strip() != word and not count.strip().isdecimal():
                    return f"has {attribute}={count[:40]!r}, which is not a number (line {each.sourceline})"
        missing = self._missing_in(component)
        return missing and f"refers to {missing}, which no schema defines; is an import missing, or its schemaLocation?"

    def _missing_in(self, component: _Component) -> str | None:
        """Returns the first name that a component refers to and that is missing."""
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
        if name is None:
            return None
        prefix, _, local = name.rpartition(":")
        space = at.nsmap.get(prefix or None) or (_XML if prefix == "xml" else "" if prefix else own)
        if (
            (space == XSD and local in _BUILT_IN)
            or space in _KNOWN_SPACES
            or local in _standard_names(space)
            or self.names.has(kinds, space, local)
        ):
            return None
        if not prefix and self.names.has(kinds, own, local):
            return None
        return f"the {_word(kinds[0])} {name} ({{{space}}}{local})"

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


def _is_name(name: str | None) -> bool:
    return name is not None and _NAME.fullmatch(name) is not None


def _incomplete(component: etree._Element) -> str | None:
    """Returns what a type must have and lacks, or has twice."""
    for each in component.iter(f"{{{XSD}}}*"):
        kind = etree.QName(each).localname
        inside = [etree.QName(child).localname for child in each if isinstance(child.tag, str)]
        if kind in _DERIVED and not any(name in inside for name in _DERIVED[kind]):
            return f"has a {kind} that says neither {' nor '.join(_DERIVED[kind])} (line {each.sourceline})"
        if kind in {"extension", "restriction"} and each.get("base") is None and "simpleType" not in inside:
            return f"has a {kind} of nothing: it names no base (line {each.sourceline})"
        if kind in {"complexType", "extension"} and sum(name in _CONTENTS for name in inside) > 1:
            return f"has a {kind} with two contents (line {each.sourceline})"
    return None


@lru_cache(maxsize=16)
def _standard_names(space: str) -> frozenset[str]:
    """Returns the names of a well-known schema; none for other namespaces."""
    known = standard(space)
    return frozenset(each.get("name") or "" for each in etree.fromstring(known)) if known else frozenset()


def _word(kind: str) -> str:
    return {"complexType": "type", "simpleType": "type", "attributeGroup": "attribute group"}.get(kind, kind)
