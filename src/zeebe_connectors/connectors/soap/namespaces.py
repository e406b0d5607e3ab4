"""Define the namespaces of SOAP and WS-Security, and the pattern of XML names."""

from __future__ import annotations

import re

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
