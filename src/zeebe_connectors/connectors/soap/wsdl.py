"""Read WSDLs into services, operations and types as plain data; only this module knows zeep."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass, replace
from typing import Any

import zeep.exceptions
from lxml import etree
from zeep import Settings
from zeep.transports import Transport
from zeep.wsdl import Document
from zeep.wsdl.bindings.soap import Soap11Binding, Soap12Binding
from zeep.wsdl.messages.soap import RpcMessage
from zeep.xsd import AnyAttribute, AnyType, ComplexType, Element
from zeep.xsd import Attribute as ZeepAttribute
from zeep.xsd.elements import All, Choice, Group, Sequence
from zeep.xsd.types import AnySimpleType
from zeep.xsd.types.collection import ListType, UnionType

from zeebe_connectors import PermanentError
from zeebe_connectors.connectors.soap import schema
from zeebe_connectors.connectors.soap.namespaces import XSD
from zeebe_connectors.connectors.soap.standard_schemas import standard
from zeebe_connectors.connectors.soap.type_bounds import check_bounds
from zeebe_connectors.connectors.soap.wsdl_completion import complete
from zeebe_connectors.connectors.soap.wsdl_documents import WSDL, WsdlDocuments, shown, wsdl_error
from zeebe_connectors.connectors.soap.wsdl_notes import Notes
from zeebe_connectors.connectors.soap.wsdl_repair import (
    bound_operations,
    give_namespaces,
    repair,
    without_other_bindings,
)

_log = logging.getLogger("zeebe_connectors.soap")
_NO_OPERATION = "holds no operation that can be called"
_BUILTINS = "zeep.xsd.types.builtins"


@dataclass(frozen=True, slots=True)
class Message:
    """What one direction of an operation has in its body.

    Args:
        fields: The parts of the body, by the names of the JSON.
        wrapper: For rpc: tag of the element that the parts stand in.
        element: For document with one part: that element; its content is the JSON itself.
        headers: What may stand in the envelope's header, by the names of the JSON.
    """

    fields: tuple[schema.Field, ...] = ()
    wrapper: str | None = None
    element: schema.Field | None = None
    headers: tuple[schema.Field, ...] = ()

    def inputs(self) -> list[schema.Field]:
        """Returns the top-level fields of the JSON."""
        if self.element is None:
            return list(self.fields)
        kind = self.element.type
        if isinstance(kind, schema.Complex) and kind.text is None and kind.items is None:
            return list(kind.fields.values())
        return [self.element]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of one port."""

    name: str
    service: str
    port: str
    address: str
    version: str
    action: str
    input: Message
    output: Message
    encoded: bool = False
    documentation: str = ""


@dataclass(frozen=True, slots=True)
class Wsdl:
    """The operations of a WSDL, in its order.

    Args:
        operations: Of all ports that speak SOAP.
        skipped: What cannot be used, and why.
        size: Bytes of the documents that it was read from.
    """

    operations: tuple[Operation, ...]
    skipped: tuple[str, ...] = ()
    size: int = 0

    def find(self, name: str, *, service: str | None = None, port: str | None = None) -> Operation:
        """Finds the first operation of a name, in the service and port if they are given.

        Raises:
            PermanentError: `SOAP_WSDL_INVALID`, with the names that there are.
        """
        for item in self.operations:
            if item.name == name and (not service or item.service == service) and (not port or item.port == port):
                return item
        services = dict.fromkeys(item.service for item in self.operations)
        if service and service not in services:
            raise PermanentError(
                "SOAP_WSDL_INVALID", f"body.service: there is no {service}, only {', '.join(services)}"
            )
        there = [item for item in self.operations if not service or item.service == service]
        ports = dict.fromkeys(item.port for item in there)
        if port and port not in ports:
            raise PermanentError("SOAP_WSDL_INVALID", f"body.port: there is no {port}, only {', '.join(ports)}")
        names = dict.fromkeys(item.name for item in there if not port or item.port == port)
        raise PermanentError("SOAP_WSDL_INVALID", f"body.operation: there is no {name}, only {', '.join(names)}")


def load(documents: WsdlDocuments) -> Wsdl:
    """Reads a WSDL; for a thread, because it takes long.

    Raises:
        PermanentError: `SOAP_WSDL_INVALID`; the message says which document and what is wrong with it.
        ConnectorError: `SOAP_WSDL_UNREACHABLE`: nothing can be used without an import that does not exist.
    """
    try:
        return _load(documents)
    except PermanentError:
        if documents.missing:  # whose types were needed
            raise documents.missing[0] from None
        raise


def _load(documents: WsdlDocuments) -> Wsdl:
    size = documents.size
    _check_root(documents)
    check_bounds(documents)
    skipped = [f"an import: {error.message}" for error in documents.missing]
    skipped += [*complete(documents), *without_other_bindings(documents)]
    give_namespaces(documents)
    try:
        found = _compiled(documents, skipped)
    except PermanentError as error:
        reasons, changed = repair(documents)
        if not changed:
            raise
        try:
            found = _compiled(documents, skipped)
        except PermanentError as left:
            if not reasons:
                raise error from None
            # What was found wrong names its place; what is left may be a consequence, or another fault.
            still = left.message.partition(": ")[2]
            more = [] if still.startswith(_NO_OPERATION) else [f"and then: {still}"]
            raise wsdl_error(documents.location, "; ".join([*reasons, *more])) from None
    else:  # zeep silently leaves some operations out
        reasons = repair(documents)[0] if bound_operations(documents) - {each.name for each in found.operations} else []
    if reasons:
        others = [reason for reason in found.skipped if not reason.startswith("message ")]
        found = replace(found, skipped=(*others, *reasons))
    return replace(found, size=size)


def _compiled(documents: WsdlDocuments, skipped: list[str]) -> Wsdl:
    """Compiles the documents with zeep, and returns plain data.

    Raises:
        PermanentError: As `load`.
    """
    location = documents.location
    settings = Settings(forbid_dtd=True, forbid_entities=True, force_https=False, strict=True)
    logging.getLogger("zeep").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"zeep\.")  # their text becomes the reason for skipping
    try:
        document = Document(location, _Offline(documents), settings=settings)
        return _Compiler(documents, document).wsdl(skipped)
    except PermanentError:
        raise
    except RecursionError:
        raise wsdl_error(location, "its types or imports refer to each other without end") from None
    except zeep.exceptions.LookupError as error:
        raise wsdl_error(
            location,
            f"refers to {_sought(error)}, which no schema defines. Is an import missing, or its schemaLocation?",
        ) from None
    except zeep.exceptions.XMLParseError as error:
        where = f" (line {error.sourceline})" if error.sourceline else ""
        raise wsdl_error(error.filename or location, f"{error.message}{where}") from None
    except zeep.exceptions.Error as error:
        raise wsdl_error(location, f"cannot be used: {error}") from None
    except (LookupError, AttributeError, ValueError, TypeError, NotImplementedError, AssertionError) as error:
        _log.debug("zeep could not read %s: %r", shown(location), error)
        raise wsdl_error(
            location,
            "cannot be used: something in it refers to what does not exist, or is written in a way that no tool can "
            "read; check it with a WSDL validator, and look at the part that it names",
        ) from None


def _sought(error: BaseException) -> str:
    """Returns what zeep looked for, from the error that caused the one it raises."""
    behind: BaseException | None = error
    while behind is not None:
        if getattr(behind, "qname", None) is not None:
            return f"the {getattr(behind, 'item_name', None) or 'type'} {getattr(behind, 'qname', '')}"
        behind = behind.__context__
    return "something"


def _check_root(documents: WsdlDocuments) -> None:
    if documents.roots[documents.location].tag == f"{{{XSD}}}schema":  # what is neither was refused before
        raise wsdl_error(documents.location, "is a schema, not a WSDL; give the address of the WSDL")


class _Offline(Transport):  # type: ignore[misc]  # zeep's types are not read
    """Gives zeep the documents that were gathered, and nothing else: it never opens a file or a connection."""

    def __init__(self, documents: WsdlDocuments) -> None:  # not calling the library's, which opens a session
        documents.settle()
        self._documents = documents
        self._close_session = False
        self.cache = None

    def load(self, url: str) -> bytes:
        data = self._documents.contents.get(url.partition("#")[0]) or standard(url)
        if data is None:
            raise wsdl_error(self._documents.location, f"needs {shown(url)}, which it does not import by that address")
        return data.lstrip()


class _Compiler:
    """Turns zeep's objects into plain data, each type once."""

    def __init__(self, documents: WsdlDocuments, document: Any) -> None:
        self._document = document
        self._notes = Notes()
        self._notes.read(documents.roots.values())
        self._types: dict[int, schema.Type] = {}
        self._kinds_alive: list[Any] = []  # so that no id is used twice
        self._location = documents.location
        self._roots = list(documents.roots.values())
        self._encoded = self._encoded_operations(documents)
        self._global = {str(kind.qname): kind for kind in document.types.types if kind.qname is not None}

    def wsdl(self, skipped: list[str]) -> Wsdl:
        operations: list[Operation] = []
        for service in self._document.services.values():
            for port in service.ports.values():
                for found in port.binding.all().values():
                    try:
                        operations.append(self._operation(service.name, port, found))
                    except _UnusableError as error:
                        skipped.append(f"operation {found.name} of port {port.name}: {error}")
        self._derive()
        skipped += self._unresolved()
        if not operations:
            reason = "; ".join(skipped) or "it has no service with a SOAP port"
            raise wsdl_error(self._location, f"{_NO_OPERATION}: {reason}")
        return Wsdl(tuple(operations), tuple(skipped))

    def _unresolved(self) -> list[str]:
        """Returns the messages that refer to undefined parts: zeep silently leaves out their operations."""
        found = []
        for root in self._roots:
            for part in root.iter(f"{{{WSDL}}}part"):
                name = part.get("element") or part.get("type") or ""
                prefix, _, local = name.rpartition(":")
                tag = f"{{{part.nsmap.get(prefix or None) or ''}}}{local}"
                find = self._document.types.get_element if part.get("element") else self._document.types.get_type
                try:
                    find(tag)
                except zeep.exceptions.Error:
                    owner = part.getparent().get("name")
                    found.append(f"message {owner} refers to {name}, which no schema defines; is an import missing?")
        return found

    def _operation(self, service: str, port: Any, found: Any) -> Operation:
        if not isinstance(port.binding, (Soap11Binding, Soap12Binding)):
            raise _UnusableError("its binding is neither SOAP 1.1 nor 1.2")
        rpc = isinstance(found.input, RpcMessage)
        documentation = self._notes.operations.get((etree.QName(port.binding.port_type.name).localname, found.name), "")
        return Operation(
            name=found.name,
            service=service,
            port=port.name,
            address=port.binding_options.get("address") or "",
            version="1.2" if isinstance(port.binding, Soap12Binding) else "1.1",
            action=found.soapaction or "",
            input=self._message(found.input, rpc=rpc),
            output=self._message(found.output, rpc=rpc) if found.output is not None else Message(),
            encoded=self._is_encoded(port.binding, found.name),
            documentation=documentation,
        )

    def _is_encoded(self, binding: Any, operation: str) -> bool:
        return (etree.QName(binding.name).localname, operation) in self._encoded

    @staticmethod
    def _encoded_operations(documents: WsdlDocuments) -> set[tuple[str, str]]:
        return {
            (binding.get("name") or "", operation.get("name") or "")
            for root in documents.roots.values()
            for binding in root.iter(f"{{{WSDL}}}binding")
            for operation in binding.findall(f"{{{WSDL}}}operation")
            for body in operation.findall(f"{{{WSDL}}}input/*")
            if body.get("use") == "encoded"
        }

    def _message(self, message: Any, *, rpc: bool) -> Message:
        headers = tuple(self._header(item) for _, item in message.header.type.elements) if message.header else ()
        body = message.body
        if body is None:
            return Message(headers=headers)
        if rpc or message._is_body_wrapped:  # noqa: SLF001 - zeep has no other way to tell
            fields = tuple(self._field(item) for _, item in body.type.elements)
            return Message(fields, wrapper=body.qname.text if rpc else None, headers=headers)
        return Message(element=self._field(body), headers=headers)

    def _header(self, item: Any) -> schema.Field:
        """Returns a header, which is never required: services that need one of several name them all."""
        return replace(self._field(item), min_occurs=0)

    def _field(self, item: Any) -> schema.Field:
        max_occurs = item.max_occurs
        return schema.Field(
            name=item.name,
            tag=item.qname.text,
            type=self._type(item.type),
            min_occurs=int(item.min_occurs),
            max_occurs=None if max_occurs == "unbounded" else int(max_occurs),
            nillable=bool(item.nillable),
            default=item.default,
            documentation=self._notes.documentation.get(item.qname.text, ""),
        )

    def _type(self, kind: Any) -> schema.Type:
        known = self._types.get(id(kind))
        if known is not None:
            return known
        self._kinds_alive.append(kind)
        made: schema.Type
        if isinstance(kind, ComplexType):
            made = self._complex(kind)
        elif isinstance(kind, AnySimpleType):
            made = self._simple(kind)
            self._types[id(kind)] = made
        elif kind is None or isinstance(kind, AnyType):
            made = schema.Anything()
        else:
            raise _UnusableError(f"the type {kind!r} cannot be read")
        return made

    def _simple(self, kind: Any) -> schema.Simple:
        tag = kind.qname.text if kind.qname is not None else None
        if isinstance(kind, ListType):
            inner = self._type(kind.item_type)
            return schema.Simple("string", items=inner if isinstance(inner, schema.Simple) else schema.Simple("string"))
        base = "string"
        if not isinstance(kind, UnionType):
            builtin = next((item for item in type(kind).__mro__ if item.__module__ == _BUILTINS), None)
            base = "string" if builtin is None else getattr(builtin, "_default_qname").localname  # noqa: B009
        known = self._notes.choices.get(tag or "")
        choices = known if known is not None else self._notes.local_choices.get(tag or "") or ()
        return schema.Simple(base, choices, tag=tag, limits=self._notes.limits.get(tag or "", {}))

    def _complex(self, kind: Any) -> schema.Complex:
        tag = kind.qname.text if kind.qname is not None and kind.is_global else None
        name = kind.qname.localname if kind.qname is not None else "the type"
        mixed = kind.qname is not None and kind.qname.text in self._notes.mixed
        made = schema.Complex(name, tag=tag, abstract=tag in self._notes.abstract, mixed=mixed)
        self._types[id(kind)] = made
        array = kind._array_type  # noqa: SLF001 - as above
        if array is not None:
            made.items = self._type(array.array_type) if array.array_type is not None else schema.Anything()
            return made
        for attribute in kind._attributes_unwrapped:  # noqa: SLF001 - as above
            if isinstance(attribute, AnyAttribute) or not isinstance(attribute, ZeepAttribute):
                continue
            simple = self._type(attribute.type)
            made.attributes.append(
                schema.Attribute(
                    attribute.name,
                    attribute.qname.text,
                    simple if isinstance(simple, schema.Simple) else schema.Simple("string"),
                    required=bool(attribute.required),
                    default=attribute.default,
                )
            )
        element = kind._element  # noqa: SLF001 - as above
        if isinstance(element, Element) and element.name == "_value_1":
            inner = self._type(element.type)
            made.text = (
                inner if isinstance(inner, schema.Simple) else getattr(inner, "text", None) or schema.Simple("string")
            )
        elif element is not None and not (isinstance(element, list) and not element):
            made.content = self._group(element)
            for item in made.content.walk():
                made.fields.setdefault(item.name, item)
        return made

    def _group(self, found: Any) -> schema.Group:
        if isinstance(found, Element):
            return schema.Group("sequence", [self._field(found)])
        if isinstance(found, Group):
            inner = self._group(found.child)
            return schema.Group(inner.kind, inner.items, int(found.min_occurs), _max_occurs(found.max_occurs))
        items: list[schema.Field | schema.Group | schema.Wildcard] = []
        for item in found:
            if isinstance(item, (All, Choice, Sequence, Group)):
                items.append(self._group(item))
            elif isinstance(item, Element):
                items.append(self._field(item))
            else:
                items.append(schema.Wildcard(int(item.min_occurs)))
        if isinstance(found, Choice):
            for made in items:
                made.min_occurs = max(made.min_occurs, 1)  # zeep makes the parts of a choice optional
        kind: Any = "choice" if isinstance(found, Choice) else "all" if isinstance(found, All) else "sequence"
        return schema.Group(kind, items, int(found.min_occurs), _max_occurs(found.max_occurs))

    def _derive(self) -> None:
        """Records for every type which others may replace it."""
        made: dict[str, schema.Complex] = {}
        for tag, kind in self._global.items():
            if tag in self._notes.bases or tag in self._notes.bases.values():
                found = self._type(kind)
                if isinstance(found, schema.Complex):
                    made[tag] = found
        for tag, found in made.items():
            base: str | None = tag
            seen: set[str] = set()
            while base is not None and base not in seen:
                seen.add(base)
                if (above := made.get(base)) is not None:
                    above.derived[found.name] = found
                base = self._notes.bases.get(base)


def _max_occurs(value: Any) -> int | None:
    return None if value == "unbounded" else int(value)


class _UnusableError(Exception):
    """One operation cannot be called; the others can."""
