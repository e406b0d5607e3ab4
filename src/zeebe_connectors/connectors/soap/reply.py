"""Read SOAP replies: envelope, attachments, fault, and their JSON."""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import unquote

from lxml import etree

from zeebe_connectors import ConnectorError
from zeebe_connectors.connectors.soap.namespaces import SOAP11, SOAP12, XOP
from zeebe_connectors.connectors.soap.untrusted_xml import UntrustedXmlError, parse
from zeebe_connectors.sdk.names import file_name
from zeebe_connectors.web.charset import charset_of, decoded

_INCLUDE = f"{{{XOP}}}Include"
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_LINE_END = re.compile(rb"\r?\n")
_DELIMITER_ENDS = re.compile(rb"(?:--)?[ \t]*(?:\r?\n|\Z)|--")
_FILLING = b"\0 \t\r\n"
"""Bytes that some services fill an envelope up with."""
_MAX_PARTS = 1000
_MAX_HEAD = 4000  # bytes of one part's headers: the mail parser's time grows with the square of a header's length
_MAX_WORK = 5_000_000
_MAX_DEPTH = 200
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Attachment:
    """One binary part of a reply.

    Args:
        id: Its Content-ID without brackets.
        data: The bytes.
        content_type: Media type.
        name: File name, if the reply gives one.
    """

    id: str
    data: bytes = field(repr=False)
    content_type: str
    name: str | None
    declared: str = ""
    """The Content-Type with its parameters."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A SOAP fault in the words of SOAP 1.2, whatever its version."""

    code: str
    subcode: str | None
    reason: str
    role: str | None
    detail: Any

    def variables(self) -> dict[str, Any]:
        """Returns the fault as JSON, without what the reply does not give."""
        known = {"code": self.code, "subcode": self.subcode, "reason": self.reason, "role": self.role}
        return {name: value for name, value in (known | {"detail": self.detail}).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Reply:
    """A parsed reply: the envelope's root and its attached parts."""

    root: etree._Element
    attachments: Mapping[str, Attachment]
    declarations: int
    """How many namespaces its elements declare, at most."""

    @property
    def body(self) -> etree._Element | None:
        """The Body element."""
        return _child(self.root, self._name("Body"))

    @property
    def header(self) -> etree._Element | None:
        """The Header element, if there is one."""
        return _child(self.root, self._name("Header"))

    def _name(self, local: str) -> str:
        envelope: str = self.root.tag
        return envelope.removesuffix("Envelope") + local

    def fault(self) -> Fault | None:
        """Returns the fault if the body is one."""
        body = self.body
        found = None if body is None else _child(body, self._name("Fault"))
        if found is None:
            return None
        return _fault12(found) if etree.QName(found).namespace == SOAP12 else _fault11(found)


def _child(element: etree._Element, tag: str) -> etree._Element | None:
    """Returns the first child of a name."""
    for child in element:
        if child.tag == tag:
            return child
    return None


def read(data: bytes, content_type: str) -> Reply:
    """Reads a reply.

    Args:
        data: The response's body.
        content_type: The response's Content-Type; a multipart is taken apart.

    Raises:
        ConnectorError: `SOAP_REPLY_INVALID` when it is no envelope; the message says what it is.
    """
    attachments: dict[str, Attachment] = {}
    named = content_type
    if content_type.strip()[:10].lower() == "multipart/":
        data, named, attachments = _parts(data, content_type)
    try:
        root, declarations = _parsed(data, named)
    except UntrustedXmlError as error:
        raise _invalid(f"it is not XML that can be read: {error} (it came as {_media_type(content_type)})") from None
    if root.tag not in {f"{{{SOAP11}}}Envelope", f"{{{SOAP12}}}Envelope"}:
        raise _invalid(
            f"its outermost element is {etree.QName(root).localname}, not a SOAP Envelope (it came as "
            f"{_media_type(content_type)})"
        )
    return Reply(root, attachments, declarations)


def _parsed(data: bytes, content_type: str) -> tuple[etree._Element, int]:
    """Reads an envelope in the character set of its content type, if that reads it, else as it declares itself.

    Returns:
        The root, and how many namespaces are declared at most.

    Raises:
        UntrustedXmlError: It cannot be read.
    """
    encoding, mark = charset_of(data, content_type)
    text = data[mark:]
    try:
        if encoding != "utf-8":
            text = (decoded(text, encoding) if encoding.startswith("cp125") else text.decode(encoding)).encode()
        return parse(text.lstrip().rstrip(_FILLING), huge=True, encoding="utf-8"), text.count(b"xmlns")
    except (UnicodeError, UntrustedXmlError):
        return parse(data.lstrip(), huge=True), _MAX_WORK


def _invalid(why: str) -> ConnectorError:
    return ConnectorError(
        "SOAP_REPLY_INVALID", f"The reply cannot be used: {why}. Check that serviceUrl is the address of a SOAP service"
    )


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip()[:60] or "no media type"


def json_of(element: etree._Element, includes: Mapping[str, Any], declarations: int = _MAX_WORK) -> dict[str, Any]:
    """Converts an element to JSON as Camunda's connector does: local names, attributes beside children, `$content`.

    Args:
        element: The element.
        includes: What stands for a part that the reply refers to (`xop:Include`), by Content-ID.
        declarations: How many namespaces are declared in it at most.
    """
    return {local_name(element): _value(element, {}, includes, _Work(declarations))}


def _value(  # noqa: C901, PLR0912 - flat, because it runs once per element
    element: etree._Element, around: Mapping[str | None, str], includes: Mapping[str, Any], work: _Work
) -> Any:
    declared = work.namespaces(element, around) if work.declarations else around
    work.left -= 1 + len(declared)
    if work.left < 0:
        raise _invalid(f"its elements and the namespaces that each of them sees are more than {_MAX_WORK:,}")
    text, attributes = element.text, element.items()
    if not len(element):
        blank = not text or text.isspace()
        if not attributes and declared == around:
            return {} if blank else text
        own: dict[str, Any] = {}
        for name, value in attributes:
            own[_local(name) if name[0] == "{" else name] = value
        if not blank:
            own["$content"] = text
        return own
    work.depth += 1
    if work.depth > _MAX_DEPTH:
        raise _invalid(f"its elements are nested too deeply; at most {_MAX_DEPTH} levels are allowed")
    result: dict[str, Any] = {}
    repeated: set[str] = set()  # by name, since the value of one element can be a list as well
    texts = [text] if text and not text.isspace() else []
    for child in element:
        tag = child.tag
        if tag == _INCLUDE and (found := includes.get(_content_id(child))) is not None:
            return found
        name = tag.rpartition("}")[2]
        value = _value(child, declared, includes, work)
        if name not in result:
            result[name] = value
        elif name in repeated:
            result[name].append(value)
        else:
            repeated.add(name)
            result[name] = [result[name], value]
        if (tail := child.tail) and not tail.isspace():
            texts.append(tail)
    work.depth -= 1
    for name, value in attributes:
        result[_local(name)] = value
    if texts:
        result["$content"] = "".join(texts)
    return result


@dataclass(slots=True)
class _Work:
    """What remains of the work allowed on a reply, which is its elements times the namespaces in scope of each."""

    declarations: int
    """Namespaces that may be declared by the elements to come; where there are none, all see what is around them."""
    left: int = _MAX_WORK
    depth: int = 0
    """Elements around the current one."""

    def namespaces(self, element: etree._Element, around: Mapping[str | None, str]) -> Mapping[str | None, str]:
        """Returns the namespaces in scope of an element, which the library gathers anew at each call."""
        found: dict[str | None, str] = element.nsmap
        if found == around:
            return around
        self.declarations -= sum(around.get(prefix, _MISSING) != uri for prefix, uri in found.items())
        return found


def local_name(element: etree._Element) -> str:
    """Returns an element's name without its namespace."""
    return _local(element.tag)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _content_id(include: etree._Element) -> str:
    href = include.get("href") or ""
    return unquote(href[4:] if href[:4].lower() == "cid:" else href)


def referred(root: etree._Element) -> list[str]:
    """Content-IDs that the envelope refers to, in order."""
    return [_content_id(include) for include in root.iter(_INCLUDE)]


def replace_includes(root: etree._Element, texts: Mapping[str, str]) -> None:
    """Puts text in the place of each `xop:Include` that has one."""
    for include in list(root.iter(_INCLUDE)):
        text = texts.get(_content_id(include))
        parent = include.getparent()
        if text is not None and parent is not None:
            parent.remove(include)
            parent.text = text


def _fault11(fault: etree._Element) -> Fault:
    children = {_local(child.tag): child for child in fault}
    detail = children.get("detail")
    return Fault(
        code=_bare(_content(children.get("faultcode"))),
        subcode=None,
        reason=_content(children.get("faultstring")),
        role=_content(children.get("faultactor")) or None,
        detail=None if detail is None else json_of(detail, {})["detail"],
    )


def _fault12(fault: etree._Element) -> Fault:
    children = {_local(child.tag): child for child in fault}
    name = f"{{{SOAP12}}}"
    code, reason, detail = children.get("Code"), children.get("Reason"), children.get("Detail")
    texts = [] if reason is None else list(reason)
    english = next(
        (text for text in texts if (text.get("{http://www.w3.org/XML/1998/namespace}lang") or "").startswith("en")),
        None,
    )
    return Fault(
        code=_bare(_content(None if code is None else code.find(f"{name}Value"))),
        subcode=_bare(_content(None if code is None else code.find(f"{name}Subcode/{name}Value"))) or None,
        reason=_content(english if english is not None else texts[0] if texts else None),
        role=_content(children.get("Role")) or None,
        detail=None if detail is None else json_of(detail, {})["Detail"],
    )


def _content(element: etree._Element | None) -> str:
    return "" if element is None else "".join(element.itertext()).strip()


def _bare(name: str) -> str:
    """Drops the prefix of `soap:Server`, which is the sender's own choice."""
    return name.rpartition(":")[2]


def _parts(data: bytes, content_type: str) -> tuple[bytes, str, dict[str, Attachment]]:
    """Takes a multipart body apart: its root part with its Content-Type, and the others by Content-ID."""
    header = _headers(f"Content-Type: {content_type}")
    boundary = header.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise _invalid("it is multipart, but its Content-Type names no boundary")
    pieces = _pieces(data, b"--" + boundary.encode("latin-1", "replace"))
    end = next((place for place, piece in enumerate(pieces) if place and piece.startswith(b"--")), 0)
    if end < 2:
        many = len(pieces) > _MAX_PARTS
        raise _invalid(
            f"it has more than {_MAX_PARTS:,} parts" if many else "it is multipart, but its parts end too early"
        )
    parts = [_part(piece, number) for number, piece in enumerate(pieces[1:end])]
    start = header.get_param("start")
    wanted = _plain_id(start) if isinstance(start, str) else parts[0].id
    root = next((part for part in parts if part.id == wanted), parts[0])
    return root.data, root.declared, {part.id: part for part in parts if part is not root}


def _pieces(data: bytes, delimiter: bytes) -> list[bytes]:
    """Returns the parts between lines that are delimiters, whichever line ends these have."""
    first = data.find(delimiter)
    ends = data.find(b"\n", first)
    line_end = b"\r\n" if ends < 0 or data[ends - 1 : ends] == b"\r" else b"\n"
    joined: list[list[bytes]] = []
    for piece in (line_end + data).split(line_end + delimiter, _MAX_PARTS):
        if joined and not _DELIMITER_ENDS.match(piece):  # content that looks like it
            joined[-1] += [line_end + delimiter, piece]
        else:
            joined.append([piece])
    return [b"".join(one) for one in joined]


def _part(piece: bytes, number: int) -> Attachment:
    piece = piece.partition(b"\n")[2]  # the delimiter's own line is over
    headless = _LINE_END.match(piece)
    head, data = (b"", piece[headless.end() :]) if headless else _split_head(piece)
    if len(head) > _MAX_HEAD:
        raise _invalid(f"the headers of its part {number + 1} are longer than {_MAX_HEAD:,} bytes")
    headers = _headers(head.decode("utf-8", "replace"))
    encoding = str(headers.get("Content-Transfer-Encoding", "binary")).strip().lower()
    try:
        if encoding == "base64":
            data = base64.b64decode(data)
        elif encoding == "quoted-printable":
            data = quopri.decodestring(data)
    except binascii.Error:
        raise _invalid(f"its part {number + 1} is not the base64 that it says") from None
    return Attachment(
        id=_plain_id(str(headers.get("Content-ID", f"part-{number}"))),
        data=data,
        content_type=headers.get_content_type(),
        declared=str(headers.get("Content-Type", "")),
        name=file_name(headers.get_filename() or "") or None,
    )


def _plain_id(text: str) -> str:
    """Removes brackets and escapes from a Content-ID: some services write it as in a URL."""
    return unquote(text.strip().strip("<>"))


def _split_head(piece: bytes) -> tuple[bytes, bytes]:
    end = _BLANK_LINE.search(piece)
    return (piece, b"") if end is None else (piece[: end.start()], piece[end.end() :])


def _headers(text: str) -> Message:
    """Reads header lines with the standard library's mail parser (imported here: few replies are multipart)."""
    from email.parser import HeaderParser  # noqa: PLC0415

    return HeaderParser().parsestr(text + "\n\n")
