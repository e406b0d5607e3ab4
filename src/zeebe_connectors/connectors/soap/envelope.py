"""Build SOAP envelopes from header and body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any, Literal
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from zeebe_connectors import InputError
from zeebe_connectors.connectors.soap.mustache import text_of
from zeebe_connectors.connectors.soap.namespaces import ENVELOPES, NCNAME, SOAP11, SOAP12, WSSE, WSU, XSI
from zeebe_connectors.connectors.soap.untrusted_xml import UntrustedXmlError, parse

Nulls = Literal["omit", "nil"]
_PREFIX = re.compile(NCNAME)
_NAME = re.compile(f"(?:{NCNAME}:)?{NCNAME}")
_DECLARATION = re.compile(r"\s*<\?xml\s[^>]*\?>")
_MARKUP = re.compile('[&<>"\n\r\t]')  # what is written otherwise in an element's text or an attribute
_MAX_NAMES = 4096
_MAX_REMEMBERED = 100
"""Characters of the longest name that is remembered."""
_MAX_SHORT = 4096
"""Characters of all namespaces of an envelope that are remembered."""
_sound_names: set[str] = set()
Place = tuple[Any, str | int] | str
"""Where a value is: the name of the input, or the place around it with its name, or its number in a list. The whole
path is made for messages alone."""
CANNOT_CARRY = "holds a character that XML cannot carry; remove it"
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_PREFIXED = re.compile(r"prefix (\S+) (?:on|for) .*?not defined", re.IGNORECASE)


def xml_of(content: Mapping[str, Any], *, nulls: Nulls, exact: bool, where: str) -> str:
    """Writes the JSON form as XML: a key is an element, `@key` an attribute, `$content` the text, a list repeats.

    Args:
        content: The elements by name.
        nulls: Whether null leaves an element out or writes it with `xsi:nil="true"`.
        exact: As in Camunda's connector: null is the text `null`, and markup in values stays markup.
        where: Name of the input, for messages.

    Raises:
        InputError: A name is not an XML name, or an attribute or text is a list or a context.
    """
    out: list[str] = []
    for name, value in content.items():
        _write(name, value, out, (nulls, exact), (where, name))
    return "".join(out)


def _write(  # noqa: C901 - one case per kind of value
    name: str, value: Any, out: list[str], style: tuple[Nulls, bool], place: Place
) -> None:
    if name not in _sound_names:
        _check_name(name, place, "an element; use letters, digits, '-' and '_'")
    nulls, exact = style
    if isinstance(value, list):
        for item in value:
            if isinstance(item, list):
                raise InputError(
                    f"{path_of(place)}: holds a list in a list, which XML cannot tell; name the inner elements"
                )
            _write(name, item, out, style, place)
    elif isinstance(value, dict):
        attributes = ""
        opening = len(out)
        out.append("")  # known once all attributes are
        for key, item in value.items():
            if key == "$content":
                out.append(_text(item, exact, (place, key)))
            elif key.startswith("@"):
                attributes += _attribute(key[1:], item, (place, key), exact=exact)
            else:
                _write(key, item, out, style, (place, key))
        out[opening] = f"<{name}{attributes}>"
        out.append(f"</{name}>")
    elif value is not None or exact:
        out.append(f"<{name}>{_text(value, exact, place)}</{name}>")
    elif nulls == "nil":
        out.append(f'<{name} xmlns:xsi="{XSI}" xsi:nil="true"/>')


def path_of(place: Place) -> str:
    """Names a place for messages."""
    names: list[str] = []
    while not isinstance(place, str):
        place, name = place
        names.append(f"[{name}]" if isinstance(name, int) else f".{name}")
    return "".join((place, *reversed(names)))


def check_text(text: str, place: Place, code: str) -> None:
    """Checks that XML can carry a text.

    Raises:
        InputError: With this code: it holds a control character or half a surrogate pair.
    """
    if not text.isprintable() and _NOT_XML.search(text):
        raise InputError(f"{path_of(place)}: {CANNOT_CARRY}", code=code)


def _check_name(name: str, place: Place, what: str) -> None:
    """Checks a name, and remembers a short one that is sound: the same come with every job.

    Raises:
        InputError: It is not an XML name.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"{path_of(place)}: {name[:40]!r} cannot be the name of {what}")
    if len(name) <= _MAX_REMEMBERED:
        if len(_sound_names) >= _MAX_NAMES:
            _sound_names.clear()
        _sound_names.add(name)


def _text(value: Any, exact: bool, place: Place) -> str:  # noqa: FBT001 - one of two styles, passed on
    if value is None:
        return "null" if exact else ""
    text = value if isinstance(value, str) else _scalar(value, place)
    return text if exact or _MARKUP.search(text) is None else escape(text)


def _attribute(name: str, value: Any, place: Place, *, exact: bool) -> str:
    if name not in _sound_names:
        _check_name(name, place, "an attribute")
    if value is None:
        return ""
    text = value if isinstance(value, str) else _scalar(value, place)
    return f' {name}="{text}"' if exact or _MARKUP.search(text) is None else f" {name}={quoteattr(text)}"


def _scalar(value: Any, place: Place) -> str:
    if type(value) is int:
        return str(value)
    if isinstance(value, (list, dict)):
        raise InputError(f"{path_of(place)}: must be text, a number or true/false")
    return text_of(value, "", "")


def build(
    header: str, body: str, *, version: str, namespaces: Mapping[str, str], first_only: bool = False
) -> tuple[bytes, etree._Element]:
    """Puts header and body into an envelope and checks that it is well-formed.

    Args:
        header: The header's content as XML text.
        body: The body's content as XML text.
        version: `1.1` or `1.2`.
        namespaces: Prefix -> namespace, declared on the envelope.
        first_only: As in Camunda's connector: of several elements only the first is sent.

    Returns:
        The envelope's bytes, and its tree to add security or addressing to.

    Raises:
        InputError: Which of the two is not well-formed, and where.
    """
    envelope = ENVELOPES[version]
    declared = _declarations(namespaces)
    header, body = _bare(header), _bare(body)
    text = (
        f'<SOAP-ENV:Envelope xmlns:SOAP-ENV="{envelope}" xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}"{declared}>'
        f"<SOAP-ENV:Header>{header}</SOAP-ENV:Header><SOAP-ENV:Body>{body}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )
    data = _encoded(text)
    try:
        root = parse(data, huge=True)
        sound = [child.tag for child in root] == [f"{{{envelope}}}Header", f"{{{envelope}}}Body"]
    except UntrustedXmlError as error:
        raise _located(
            header, body, f'xmlns:SOAP-ENV="{envelope}" xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}"' + declared
        ) or (InputError(f"The envelope is not well-formed: {error}", code="SOAP_MESSAGE_INVALID")) from None
    if not sound:
        raise InputError(
            "header, body: their elements must be closed where they were opened; one of them closes the envelope's own "
            "element",
            code="SOAP_MESSAGE_INVALID",
        )
    _refuse_envelope(root[1])
    if first_only and any(len(part) > 1 for part in root):
        for part in root:
            for extra in list(part)[1:]:
                part.remove(extra)
        data = to_bytes(root)
    return data, root


def empty(version: str, namespaces: Mapping[str, str]) -> etree._Element:
    """Makes the tree of an envelope whose header and body are to be filled; see `build`."""
    if not _is_short(namespaces):
        return build("", "", version=version, namespaces=namespaces)[1]
    return deepcopy(_empty(version, tuple(namespaces.items())))


@lru_cache(maxsize=64)
def _empty(version: str, namespaces: tuple[tuple[str, str], ...]) -> etree._Element:
    return build("", "", version=version, namespaces=dict(namespaces))[1]


def to_bytes(root: etree._Element) -> bytes:
    """Writes the envelope as it goes over the wire: UTF-8, no declaration, nothing reformatted."""
    data: bytes = etree.tostring(root, encoding="utf-8", xml_declaration=False)
    return data


def _bare(part: str) -> str:
    """Removes the XML declaration of a part, which cannot stand inside an envelope."""
    return _DECLARATION.sub("", part, 1) if "<?xml" in part else part


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InputError(
            "header, body: hold half of a character pair, which cannot be written as UTF-8; remove it",
            code="SOAP_MESSAGE_INVALID",
        ) from None


def _declarations(namespaces: Mapping[str, str]) -> str:
    """Writes the namespaces as attributes, once for all jobs that have the same."""
    if not namespaces:
        return ""
    return (_declared if _is_short(namespaces) else _declared.__wrapped__)(tuple(namespaces.items()))


def _is_short(namespaces: Mapping[str, str]) -> bool:
    """Returns whether namespaces are few and short enough to be remembered."""
    return sum(map(len, namespaces)) + sum(map(len, namespaces.values())) <= _MAX_SHORT


@lru_cache(maxsize=64)
def _declared(namespaces: tuple[tuple[str, str], ...]) -> str:
    out = []
    for prefix, uri in namespaces:
        if prefix in {"SOAP-ENV", "wsse", "wsu", "xml", "xmlns"}:
            if prefix in {"wsse", "wsu"} and uri in {WSSE, WSU}:
                continue
            raise InputError(f"namespaces.{prefix}: the prefix is the envelope's own; choose another")
        if not prefix:
            out.append(f" xmlns={quoteattr(uri)}")
        elif not _PREFIX.fullmatch(prefix):
            raise InputError(f"namespaces: {prefix[:40]!r} cannot be a prefix; use letters and digits")
        elif not uri.strip():
            raise InputError(f"namespaces.{prefix}: must not be empty; give the namespace's URI")
        else:
            out.append(f" xmlns:{prefix}={quoteattr(uri)}")
    return "".join(out)


def _located(header: str, body: str, declared: str) -> InputError | None:
    """Returns the error of the part that is not well-formed by itself."""
    for name, text in (("header", header), ("body", body)):
        try:
            parse(f"<part {declared}>{text}</part>".encode(), huge=True)
        except UntrustedXmlError as error:
            reason = str(error).replace(" and part", "")
            remedy = "Close every element, write & as &amp;, and declare each prefix in namespaces"
            if missing := _PREFIXED.search(reason):
                remedy = f"Declare the prefix {missing[1]} in namespaces"
            return InputError(f"{name}: is not well-formed XML: {reason}. {remedy}", code="SOAP_MESSAGE_INVALID")
    return None


def _refuse_envelope(body: etree._Element) -> None:
    if len(body) and body[0].tag in {f"{{{SOAP11}}}Envelope", f"{{{SOAP12}}}Envelope"}:
        raise InputError(
            "body: holds a whole envelope; give only what belongs inside its Body, and the rest in header",
            code="SOAP_MESSAGE_INVALID",
        )
