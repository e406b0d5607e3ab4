"""Call an operation of a WSDL: write its input and read its output by the schema."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from lxml import etree

from zeebe_connectors import ConnectorError, Context, Document, InputError, PermanentError
from zeebe_connectors.connectors.soap.envelope import build, empty
from zeebe_connectors.connectors.soap.exchange import LARGE, documents_of, exchange, header_of, off_loop
from zeebe_connectors.connectors.soap.inputs import BodyOperation, Request
from zeebe_connectors.connectors.soap.reader import Reader
from zeebe_connectors.connectors.soap.reply import Reply, json_of, local_name, referred, replace_includes
from zeebe_connectors.connectors.soap.schema import Complex
from zeebe_connectors.connectors.soap.untrusted_xml import is_quick
from zeebe_connectors.connectors.soap.writer import Writer
from zeebe_connectors.connectors.soap.wsdl import Message, Operation
from zeebe_connectors.connectors.soap.wsdl_cache import wsdl_of
from zeebe_connectors.sdk.budget import SmallJson
from zeebe_connectors.web import encoded_url

_MAX_COPIED = 200_000
"""Elements that references of SOAP's encoding may add to a reply."""
_LEAVES = frozenset({str, int, float, bool, type(None)})
_UNSAFE = re.compile(r"[^A-Za-z0-9_]")


async def call_operation(request: Request, wanted: BodyOperation, context: Context) -> dict[str, Any]:
    """Calls an operation.

    Raises:
        ConnectorError: See the connector's errors.
    """
    wsdl = await wsdl_of(request, wanted, context)
    operation = wsdl.find(wanted.operation, service=wanted.service, port=wanted.port)
    large = len(context.job.variables) > LARGE
    references = await off_loop(_references, [wanted.input, wanted.headers], large=large)
    files = await _files(references, context)
    large = large or sum(map(len, files.values())) > LARGE
    root = await off_loop(request_envelope, request, operation, wanted, files, large=large)
    url = encoded_url(request.service_url or operation.address, name="serviceUrl")
    action = operation.action if request.soap_version.soap_action is None else request.soap_version.soap_action
    response, reply = await exchange(
        request, context, url=url, root=root, data=None, action=action, version=operation.version, large=large
    )
    if reply is None:
        return {"output": None}
    return await _result(operation.output, reply, context, large=not is_quick(response.body))


def request_envelope(
    request: Request, operation: Operation, wanted: BodyOperation, files: Mapping[int, bytes]
) -> etree._Element:
    """Makes the envelope of a call.

    Raises:
        InputError: `SOAP_INPUT_INVALID`; the message names the field.
    """
    version, namespaces = operation.version, request.namespaces
    header = header_of(request, version)
    root = build(header, "", version=version, namespaces=namespaces)[1] if header else empty(version, namespaces)
    writer = Writer(nulls=request.nulls, files=files, encoded=operation.encoded)
    write_headers(operation.input, wanted.headers, root[0], writer)
    write_body(operation.input, wanted.input, root[1], writer)
    return root


def write_headers(message: Message, values: Mapping[str, Any], header: etree._Element, writer: Writer) -> None:
    """Writes those headers of a message that have a value."""
    if not values:
        return
    names = [item.name for item in message.headers]
    values = _by_schema_names(values, names)
    for name in values:
        if name not in names:
            there = ", ".join(sorted(names)) or "none"
            raise InputError(
                f"body.headers.{name}: is not known here; known are {there}. What the WSDL does not name "
                "goes into the input header",
                code="SOAP_INPUT_INVALID",
            )
    for item in message.headers:
        if values.get(item.name) is not None:
            writer.field(item, values[item.name], header, f"body.headers.{item.name}")


def write_body(message: Message, values: Mapping[str, Any], body: etree._Element, writer: Writer) -> None:
    """Writes the parts of a message into the body."""
    values = _by_schema_names(values, input_names(message))
    element = message.element
    if element is not None:
        plain = isinstance(element.type, Complex) and element.type.text is None and element.type.items is None
        value: Any = dict(values) if plain else values.get(element.name)
        if value is None and element.nillable:
            writer.field(element, None, body, f"body.input.{element.name}")
        else:
            writer.value(element.type, value, etree.SubElement(body, element.tag), "body.input")
        return
    parent = body if message.wrapper is None else etree.SubElement(body, message.wrapper)
    known = {item.name for item in message.fields}
    for name in values:
        if name not in known:
            there = ", ".join(sorted(known)) or "nothing"
            raise InputError(f"body.input.{name}: is not known here; known are {there}", code="SOAP_INPUT_INVALID")
    for item in message.fields:
        writer.field(item, values.get(item.name), parent, f"body.input.{item.name}")


def input_names(message: Message) -> list[str]:
    """Returns the names of an operation's inputs; an attribute is `@name` if an element has the same name."""
    names = [item.name for item in message.inputs()]
    if message.element is not None and isinstance(message.element.type, Complex):
        names += [attribute_name(item.name, names) for item in message.element.type.attributes]
    return names


def attribute_name(name: str, others: Sequence[str]) -> str:
    """Returns what an attribute is called as an input."""
    return f"@{name}" if name in others else name


def _by_schema_names(values: Mapping[str, Any], names: Sequence[str]) -> Mapping[str, Any]:
    """Maps inputs to the schema's names: a diagram cannot name an input `order-id`, so `order_id` is accepted."""
    odd = _odd_names(tuple(names))
    return (
        {odd.get(name, name) if name not in names else name: value for name, value in values.items()} if odd else values
    )


@lru_cache(maxsize=256)
def _odd_names(names: tuple[str, ...]) -> Mapping[str, str]:
    """Returns the schema's names that cannot stand in a diagram's input, by the names that stand for them."""
    return {safe: name for name, safe in safe_names(names).items() if safe != name}


def safe_names(names: Sequence[str]) -> dict[str, str]:
    """Returns for each of the schema's names in a message the one that may stand in a diagram; no two are alike."""
    used = set(names)
    safe: dict[str, str] = {}
    for name in names:
        made = safe_name(name)
        while made != name and made in used:
            made += "_"
        used.add(made)
        safe[name] = made
    return safe


def safe_name(name: str) -> str:
    """Writes a schema's name as it may stand in a diagram's input."""
    safe = _UNSAFE.sub("_", name)
    return safe if safe[:1].isalpha() or safe[:1] == "_" else f"_{safe}"


async def _result(message: Message, reply: Reply, context: Context, *, large: bool) -> dict[str, Any]:
    included, others = await documents_of(reply, context)
    if lacking := [name for name in referred(reply.root) if name not in included]:
        raise ConnectorError(
            "SOAP_REPLY_INVALID",
            f"The reply cannot be used: it refers to the attachment {lacking[0][:100]!r}, which did not come with it",
        )
    marks = {name: f"xop-{uuid.uuid4().hex}" for name in included}
    if marks:
        replace_includes(reply.root, marks)
    reader = Reader({marks[name]: reference for name, reference in included.items()})

    def read() -> dict[str, Any]:
        result: dict[str, Any] = {"output": read_body(message, reply.body, reader)}
        if reply.header is not None and len(reply.header):
            result["header"] = read_header(message, reply.header, reader)
        return result

    try:
        large = large or _refers(reply.body)
        result = await off_loop(read, large=large)
    except RecursionError:
        raise ConnectorError(
            "SOAP_REPLY_INVALID", "The reply cannot be used: its elements are nested too deeply"
        ) from None
    if others:
        return result | {"attachments": others}
    return SmallJson(result) if not large and not included and "header" not in result and reader.is_small() else result


def read_header(message: Message, header: etree._Element, reader: Reader) -> dict[str, Any]:
    """Reads the header as JSON by the message's types; an element that they do not name, as it is."""
    result: dict[str, Any] = dict(json_of(header, {})["Header"])
    for item in message.headers:
        values = [reader.value(item.type, part) for part in header if local_name(part) == item.name]
        if values:
            result[item.name] = values if len(values) > 1 else values[0]
    return result


def _refers(body: etree._Element | None) -> bool:
    """Returns whether other elements of the body follow the first and are referred to, as in SOAP's encoding."""
    return body is not None and any(child.get("id") for child in body)


def read_body(message: Message, body: etree._Element | None, reader: Reader) -> Any:
    """Reads the body as JSON by the message's types; an element that they do not name, as it is."""
    if body is None or not len(body):
        return None
    if _refers(body):
        _inline_references(body)
    first = body[0]
    if message.element is not None:
        if local_name(first) != message.element.name:
            raise PermanentError(  # it was carried out, and a further try would answer the same
                "SOAP_REPLY_INVALID",
                f"The reply cannot be used: its body holds {local_name(first)}, where the WSDL says "
                f"{message.element.name}",
            )
        value = reader.value(message.element.type, first)
        return value if isinstance(value, dict) else {message.element.name: value}
    parts = list(first) if message.wrapper is not None else list(body)
    known = {item.name: item for item in message.fields}
    result: dict[str, Any] = {}
    for part in parts:
        name = local_name(part)
        item = known.get(name)
        if item is None and len(parts) == 1 and len(known) == 1:
            (item,) = known.values()  # many rpc services name their only result arbitrarily
        result[item.name if item else name] = (
            next(iter(json_of(part, {}).values())) if item is None else reader.value(item.type, part)
        )
    return result


def _inline_references(body: etree._Element) -> None:
    """Puts what SOAP's encoding moved to the end of the body (`href`, `id`) where it belongs.

    Raises:
        ConnectorError: `SOAP_REPLY_INVALID`: references to references grow without bound.
    """
    targets = {f"#{item.get('id')}": item for item in body if item.get("id")}
    left = _MAX_COPIED
    for depth in range(50):
        links = [item for item in body[0].iter() if item.get("href") in targets]
        if not links or depth == 49:
            break
        for link in links:
            target = targets[link.get("href")]
            del link.attrib["href"]
            if any(above is target for above in link.iterancestors()):
                continue
            copy = etree.fromstring(etree.tostring(target, with_tail=False))
            left -= sum(1 for _ in copy.iter())
            if left < 0:
                raise ConnectorError(
                    "SOAP_REPLY_INVALID",
                    f"The reply cannot be used: its references would make more than {_MAX_COPIED} elements of it",
                )
            link.text = copy.text
            for name, value in copy.attrib.items():
                if name != "id":
                    link.set(name, value)
            link.extend(list(copy))


async def _files(references: Sequence[dict[str, Any]], context: Context) -> dict[int, bytes]:
    """Returns the bytes of documents, by the identity of their references."""
    found: dict[int, bytes] = {}
    for reference in references:
        content = await context.documents.read(Document(reference), seconds=context.seconds_left())
        found[id(reference)] = content.data
    return found


def _references(value: Any) -> list[dict[str, Any]]:
    """Returns all document references in a value."""
    found: list[dict[str, Any]] = []
    left: list[Any] = [value]
    for item in left:  # to which is added what stands further inside
        if Document.is_reference(item):
            found.append(item)
        elif isinstance(item, (dict, list)):
            inside = item.values() if isinstance(item, dict) else item
            left += [part for part in inside if type(part) not in _LEAVES]
    return found
