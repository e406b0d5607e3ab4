"""The namespaces of SOAP and WS-Security, and the parser that reads XML from outside without trusting it."""

from __future__ import annotations

import re

from lxml import etree

SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
ENVELOPES = {"1.1": SOAP11, "1.2": SOAP12}
_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE = _OASIS + "wssecurity-secext-1.0.xsd"
WSU = _OASIS + "wssecurity-utility-1.0.xsd"
BASE64 = _OASIS + "soap-message-security-1.0#Base64Binary"
X509_TOKEN = _OASIS + "x509-token-profile-1.0#X509v3"
PASSWORD_TEXT = _OASIS + "username-token-profile-1.0#PasswordText"
PASSWORD_DIGEST = _OASIS + "username-token-profile-1.0#PasswordDigest"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
WSA = "http://www.w3.org/2005/08/addressing"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
XSD = "http://www.w3.org/2001/XMLSchema"
XOP = "http://www.w3.org/2004/08/xop/include"

_SPACE = re.compile(rb"\s*")
_BOM = b"\xef\xbb\xbf"
_SKIPPED = ((b"<?", b"?>"), (b"<!--", b"-->"))
_NON_ASCII = [r"\u00B7", r"\u00C0-\u00D6", r"\u00D8-\u00F6", r"\u00F8-\u037D", r"\u037F-\u1FFF", r"\u2070-\u218F"]
_START = "A-Za-z_" + "".join(_NON_ASCII[1:]) + r"\u3001-\uD7FF"
NCNAME = f"[{_START}][{_START}0-9.\\-{_NON_ASCII[0]}]*"


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
