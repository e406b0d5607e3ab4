"""Complete what a WSDL leaves out, and rewrite what zeep silently passes over, before zeep reads it."""

from __future__ import annotations

from copy import deepcopy

from lxml import etree

from zeebe_connectors.connectors.soap.namespaces import XSD
from zeebe_connectors.connectors.soap.wsdl_documents import (
    SOAP,
    SOAP12,
    WSDL,
    WsdlDocuments,
    joined,
    schemas_of,
)
from zeebe_connectors.connectors.soap.wsdl_substitution import spell_out

_MIME = "http://schemas.xmlsoap.org/wsdl/mime/"
_DECLARING = tuple(f"{{{space}}}*" for space in (WSDL, XSD, SOAP, SOAP12))
_TEXTS = frozenset({"value", "default", "fixed", "xpath", "test", "public"})
"""Attributes whose blanks may count."""
_REDEFINED = ("complexType", "simpleType", "group", "attributeGroup")


def complete(documents: WsdlDocuments) -> list[str]:
    """Completes the documents in place; returns what is left out, and why."""
    completed = _Completion(documents)
    completed.without_blanks()
    completed.redefinitions()
    completed.bodies()
    completed.parts()
    completed.services()
    completed.operations()
    completed.fixed_values()
    spell_out(documents)
    return completed.reasons


class _Completion:
    def __init__(self, documents: WsdlDocuments) -> None:
        self.documents = documents
        self.reasons: list[str] = []
        self.changed = documents.changed

    def fixed_values(self) -> None:
        """Makes of a fixed value a default, so that nobody has to type what can be nothing else."""
        for address, root in self.documents.roots.items():
            for schema in schemas_of(root):
                for each in schema.iter(f"{{{XSD}}}element", f"{{{XSD}}}attribute"):
                    if (value := each.get("fixed")) is not None and each.get("default") is None:
                        del each.attrib["fixed"]
                        each.set("default", value)
                        self.changed.add(address)

    def without_blanks(self) -> None:
        """Removes blanks around names, references and addresses, which mean nothing there."""
        for address, root in self.documents.roots.items():
            for each in root.iter(*_DECLARING):
                for name, value in each.attrib.items():
                    if name not in _TEXTS and value != (collapsed := " ".join(value.split())):
                        each.set(name, collapsed)
                        self.changed.add(address)

    def redefinitions(self) -> None:
        """Turns a redefinition into an inclusion of the types under other names, and the types that replace them."""
        for address, root in self.documents.roots.items():
            for redefine in list(root.iter(f"{{{XSD}}}redefine")):
                location = (redefine.get("schemaLocation") or "").strip()
                target = joined(address, location)
                included = self.documents.roots.get(target)
                schema = redefine.getparent()
                if included is None or schema is None:
                    continue
                for child in redefine.findall("*"):
                    if etree.QName(child).localname in _REDEFINED and self._renamed(child, included, root):
                        redefine.addnext(child)
                redefine.addprevious(redefine.makeelement(f"{{{XSD}}}include", schemaLocation=location))
                schema.remove(redefine)
                self.changed |= {address, target}

    @staticmethod
    def _renamed(child: etree._Element, included: etree._Element, root: etree._Element) -> bool:
        """Gives the type that is redefined another name, under which the new one refers to it."""
        name = child.get("name") or ""
        old = next((each for each in included.findall(child.tag) if each.get("name") == name), None)
        if old is None or included is root:
            return False
        old.set("name", f"{name}.redefined")
        for each in child.iter(f"{{{XSD}}}*"):
            for attribute in ("base", "ref"):
                prefix, colon, local = (each.get(attribute) or "").rpartition(":")
                if local == name:
                    each.set(attribute, f"{prefix}{colon}{name}.redefined")
        return True

    def bodies(self) -> None:
        """Gives bindings the body that they leave out, and takes bodies out of multiparts, without the attachments."""
        for address, root in self.documents.roots.items():
            for binding in root.findall(f"{{{WSDL}}}binding"):
                space = SOAP12 if binding.find(f"{{{SOAP12}}}binding") is not None else SOAP
                for way in binding.findall(f"{{{WSDL}}}operation/*"):
                    if way.tag not in {f"{{{WSDL}}}input", f"{{{WSDL}}}output"}:
                        continue
                    multipart = way.find(f"{{{_MIME}}}multipartRelated")
                    if multipart is not None and multipart.find(".//{*}body") is not None:
                        self._flatten(way, multipart, binding)
                    elif multipart is None and way.find("{*}body") is None:
                        etree.SubElement(way, f"{{{space}}}body").set("use", "literal")
                    else:
                        continue
                    self.changed.add(address)

    def _flatten(self, way: etree._Element, multipart: etree._Element, binding: etree._Element) -> None:
        """Puts the body and the headers of a multipart where they stand without one."""
        attached = {each.get("part") for each in multipart.iter(f"{{{_MIME}}}content")} - {None}
        body = multipart.find(".//{*}body")
        for each in multipart.findall("*/*"):
            if each.tag in {f"{{{space}}}{name}" for space in (SOAP, SOAP12) for name in ("body", "header")}:
                way.append(each)
        way.remove(multipart)
        operation = way.getparent()
        if not attached or body is None or operation is None:
            return
        if body.get("parts") is None:
            message = self._message(self._abstract(binding, way))
            names = [part.get("name") or "" for part in message] if message is not None else []
            body.set("parts", " ".join(name for name in names if name not in attached))
        if etree.QName(way).localname == "input":
            left_out = ", ".join(sorted(map(str, attached)))
            self.reasons.append(f"operation {operation.get('name')}: its attachments {left_out} are not sent")

    def parts(self) -> None:
        """Makes messages of those parts that bodies name, where others would be sent with them."""
        for root in self.documents.roots.values():
            for binding in root.findall(f"{{{WSDL}}}binding"):
                for way in binding.findall(f"{{{WSDL}}}operation/*"):
                    body = way.find("{*}body")
                    if body is not None and body.get("parts") is not None:
                        self._with_parts(self._abstract(binding, way), (body.get("parts") or "").split())

    def _with_parts(self, abstract: etree._Element | None, names: list[str]) -> None:
        message = self._message(abstract)
        if message is None or abstract is None:
            return
        parts = message.findall(f"{{{WSDL}}}part")
        known = [part.get("name") for part in parts]
        if not set(names).issubset(known) or set(names) == set(known):
            return
        narrow = deepcopy(message)
        narrow.set("name", f"{message.get('name')}.{'.'.join(names)}")
        for part in narrow.findall(f"{{{WSDL}}}part"):
            if part.get("name") not in names:
                narrow.remove(part)
        message.addnext(narrow)
        prefix, colon, _ = (abstract.get("message") or "").rpartition(":")
        abstract.set("message", f"{prefix}{colon}{narrow.get('name')}")
        self.changed |= {
            address
            for address, root in self.documents.roots.items()
            if root in {message.getroottree().getroot(), abstract.getroottree().getroot()}
        }

    def _abstract(self, binding: etree._Element, way: etree._Element) -> etree._Element | None:
        """Returns what the port type says about an input or output of a binding."""
        port_type, operation = self.documents.find("portType", binding.get("type") or "", binding), way.getparent()
        if port_type is None or operation is None:
            return None
        found = (
            each for each in port_type.findall(f"{{{WSDL}}}operation") if each.get("name") == operation.get("name")
        )
        return next((each for one in found for each in one.findall(way.tag)), None)

    def _message(self, abstract: etree._Element | None) -> etree._Element | None:
        return None if abstract is None else self.documents.find("message", abstract.get("message") or "", abstract)

    def services(self) -> None:
        """Makes a service of the bindings of a WSDL that has none; a task gives the address."""
        roots = self.documents.roots
        if any(root.find(f"{{{WSDL}}}service") is not None for root in roots.values()):
            return
        for address, root in roots.items():
            bindings = [each for each in root.findall(f"{{{WSDL}}}binding") if each.get("name")]
            space = root.get("targetNamespace")
            prefix = next((name for name, known in root.nsmap.items() if known == space and name), None)
            if not bindings or (space and prefix is None):
                continue
            name = root.get("name") or bindings[0].get("name") or ""
            service = etree.SubElement(root, f"{{{WSDL}}}service", name=name)
            for each in bindings:
                qualified = f"{prefix}:{each.get('name')}" if space else str(each.get("name"))
                port = etree.SubElement(service, f"{{{WSDL}}}port", name=str(each.get("name")), binding=qualified)
                kind = SOAP12 if each.find(f"{{{SOAP12}}}binding") is not None else SOAP
                etree.SubElement(port, f"{{{kind}}}address").set("location", "")
            self.changed.add(address)

    def operations(self) -> None:
        """Removes operations that nobody can name, and says which ones zeep does not tell apart."""
        for address, root in self.documents.roots.items():
            for binding in root.findall(f"{{{WSDL}}}binding"):
                seen: set[str] = set()
                for each in binding.findall(f"{{{WSDL}}}operation"):
                    name = each.get("name") or ""
                    if name and name not in seen:
                        seen.add(name)
                        self._only_this(binding, each)
                        continue
                    where = f"binding {binding.get('name')}, line {each.sourceline}"
                    self.reasons.append(
                        f"operation {name} ({where}): another one has the same name; only the first can be called"
                        if name
                        else f"an operation ({where}): it has no name"
                    )
                    binding.remove(each)
                    self.changed.add(address)

    def _only_this(self, binding: etree._Element, bound: etree._Element) -> None:
        """Removes from the port type the operations of this name that the binding does not mean."""
        port_type, name = self.documents.find("portType", binding.get("type") or "", binding), bound.get("name")
        if port_type is None:
            return
        alike = [each for each in port_type.findall(f"{{{WSDL}}}operation") if each.get("name") == name]
        if len(alike) < 2:
            return
        meant = next((each for each in alike if _ways(each) == _ways(bound)), alike[0])
        for each in alike:
            if each is not meant:
                port_type.remove(each)
        if sum(each.get("name") == name for each in binding.findall(f"{{{WSDL}}}operation")) == 1:
            where = f"port type {port_type.get('name')}, line {meant.sourceline}"
            self.reasons.append(f"operation {name} ({where}): others have the same name; only this one can be called")
        root = port_type.getroottree().getroot()
        self.changed |= {address for address, known in self.documents.roots.items() if known is root}


def _ways(operation: etree._Element) -> list[str]:
    """Returns the names of an operation's input and output, which distinguish operations of the same name."""
    found = (operation.find(f"{{{WSDL}}}{way}") for way in ("input", "output"))
    return [each.get("name") or "" if each is not None else "" for each in found]
