"""Reads XML from outside without trusting it: no entities, no document types, no network, bounded depth."""

from __future__ import annotations

from lxml import etree

from zeebe_connectors.connectors.soap.namespaces import _BOM, _SKIPPED, _SPACE


class UntrustedXmlError(ValueError):
    """XML that is not read: malformed, or with a document type."""


def parse(data: bytes, *, huge: bool = False, base: str | None = None) -> etree._Element:
    """Reads XML: no document type, no entities, nothing loaded from elsewhere.

    Args:
        data: The document.
        huge: Lift the limits on depth and text length; for data whose size is bounded already.
        base: Where it came from, to resolve relative references against.

    Raises:
        UntrustedXmlError: The text says what is wrong, with line and column.
    """
    if _begins_with_document_type(data):
        raise UntrustedXmlError("it holds a document type (DOCTYPE), which is forbidden")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=huge, remove_comments=True, remove_pis=True
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


def _begins_with_document_type(data: bytes) -> bool:
    """Whether one stands before the outermost element; what hides in another encoding is found after reading."""
    at = len(_BOM) if data.startswith(_BOM) else 0
    while True:
        space = _SPACE.match(data, at)
        at = space.end() if space else at
        opening, closing = next((pair for pair in _SKIPPED if data.startswith(pair[0], at)), (b"", b""))
        if not opening:
            return data.startswith(b"<!DOCTYPE", at)
        end = data.find(closing, at + len(opening))
        if end < 0:
            return False  # the parser tells that it has no end
        at = end + len(closing)


def _reason(error: etree.XMLSyntaxError) -> str:
    text = str(error.msg or "it is empty")
    return text[:1].lower() + text[1:]
