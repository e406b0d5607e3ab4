"""Read XML from outside without trusting it: no entities, no document types, no network, bounded depth."""

from __future__ import annotations

import re

from lxml import etree

from zeebe_connectors.connectors.soap.namespaces import _BOM, _SKIPPED, _SPACE

MAX_BYTES = 32 * 1024 * 1024
MAX_TAGS = 250_000
"""Opening and closing ones; each element takes about a hundred bytes of memory."""
MAX_NAMESPACES = 50_000
"""Declarations in the whole document."""
MAX_ATTRIBUTES = 1_000
"""Of one element: the library takes the square of it to read them."""
_QUICK_BYTES = 64 * 1024
_QUICK_TAGS = 2_000
_LONG_TAG = re.compile(rb"<[^\s<>!?/](?:[^\"'<>]++|\"[^\"]*+\"|'[^']*+')*+")
_QUOTED = re.compile(rb"=\s*+(?:\"[^\"]*+\"|'[^']*+')")


class UntrustedXmlError(ValueError):
    """XML that is refused: malformed, or with a document type."""


def parse(data: bytes, *, huge: bool = False, base: str | None = None, encoding: str | None = None) -> etree._Element:
    """Reads XML: no document type, no entities, nothing loaded from elsewhere.

    Args:
        data: The document.
        huge: Lift the limits on depth and text length; for data whose size is bounded already.
        base: Where it came from, to resolve relative references against.
        encoding: Its character set, whatever it declares itself.

    Raises:
        UntrustedXmlError: The text says what is wrong, with line and column, or which limit was reached.
    """
    count(data)
    if _begins_with_document_type(data):
        raise UntrustedXmlError("it holds a document type (DOCTYPE), which is forbidden")
    parser = etree.XMLParser(
        encoding=encoding,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=huge,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser, base_url=base)
    except etree.XMLSyntaxError as error:
        raise UntrustedXmlError(_reason(error)) from None
    except ValueError as error:
        raise UntrustedXmlError(str(error)) from None
    if root.getroottree().docinfo.doctype or root.getroottree().docinfo.internalDTD is not None:
        raise UntrustedXmlError("it holds a document type (DOCTYPE), which is forbidden")
    return root


def is_quick(data: bytes) -> bool:
    """Returns whether a document is small enough, in every respect, for the event loop to read and walk it."""
    return len(data) <= _QUICK_BYTES and data.count(b"<") <= _QUICK_TAGS and data.count(b"=") <= _QUICK_TAGS


def count(data: bytes) -> None:
    """Counts what a document holds before it is built, in a few linear passes over the bytes.

    Raises:
        UntrustedXmlError: It has too many bytes, tags, namespaces, or attributes of one element.
    """
    if len(data) <= _QUICK_TAGS:
        return
    wide = data.count(b"\0") > len(data) // 4  # two bytes a character: only those of ASCII matter here
    text = data.replace(b"\0", b"") if wide else data
    for what, found, allowed in (
        ("bytes", len(text), MAX_BYTES),
        ("tags", text.count(b"<"), MAX_TAGS),
        ("namespaces", text.count(b"xmlns"), MAX_NAMESPACES),
    ):
        if found > allowed:
            raise UntrustedXmlError(f"it has more than {allowed:,} {what}, which is the limit")
    for tag in _LONG_TAG.finditer(text) if text.count(b"=") > MAX_ATTRIBUTES else ():
        if tag.group().count(b"=") > MAX_ATTRIBUTES and len(_QUOTED.findall(tag.group())) > MAX_ATTRIBUTES:
            raise UntrustedXmlError(f"an element has more than {MAX_ATTRIBUTES:,} attributes, which is the limit")


def _begins_with_document_type(data: bytes) -> bool:
    """Returns whether a document type stands before the outermost element; in other encodings, reading finds it."""
    at = len(_BOM) if data.startswith(_BOM) else 0
    while True:
        space = _SPACE.match(data, at)
        at = space.end() if space else at
        opening, closing = next((pair for pair in _SKIPPED if data.startswith(pair[0], at)), (b"", b""))
        if not opening:
            return data.startswith(b"<!DOCTYPE", at)
        end = data.find(closing, at + len(opening))
        if end < 0:
            return False  # the parser reports the missing end
        at = end + len(closing)


def _reason(error: etree.XMLSyntaxError) -> str:
    text = str(error.msg or "it is empty")
    return text[:1].lower() + text[1:]
