"""A SOAP service of our own on loopback: it records, answers by path, and verifies WS-Security by the standards' text.

Digest and signature are checked here with code that shares nothing with the connector's.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

import xmlsec
from lxml import etree

from zeebe_connectors.testing.servers import HttpServer, Reply, Seen

SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE = OASIS + "wssecurity-secext-1.0.xsd"
WSU = OASIS + "wssecurity-utility-1.0.xsd"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
NAMES = {"s11": SOAP11, "s12": SOAP12, "wsse": WSSE, "wsu": WSU, "ds": DSIG}


def envelope(body: str, *, version: str = "1.1", header: str = "") -> bytes:
    """An envelope as a service writes it."""
    uri = SOAP12 if version == "1.2" else SOAP11
    head = f"<soap:Header>{header}</soap:Header>" if header else ""
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<soap:Envelope xmlns:soap="{uri}">{head}'
        f"<soap:Body>{body}</soap:Body></soap:Envelope>"
    ).encode()


def reply(body: str, *, version: str = "1.1", status: int = 200, header: str = "") -> Reply:
    """A SOAP reply."""
    kind = "application/soap+xml" if version == "1.2" else "text/xml"
    return Reply(status, envelope(body, version=version, header=header), [("Content-Type", f"{kind}; charset=utf-8")])


def fault(code: str, reason: str, detail: str = "", *, version: str = "1.1", subcode: str = "") -> Reply:
    """A SOAP fault, with status 500."""
    if version == "1.1":
        inner = f"<faultcode>soap:{code}</faultcode><faultstring>{reason}</faultstring>"
        inner += f"<detail>{detail}</detail>" if detail else ""
    else:
        sub = f'<soap:Subcode><soap:Value xmlns:m="urn:m">m:{subcode}</soap:Value></soap:Subcode>' if subcode else ""
        inner = f"<soap:Code><soap:Value>soap:{code}</soap:Value>{sub}</soap:Code>"
        texts = f'<soap:Text xml:lang="de">auf Deutsch</soap:Text><soap:Text xml:lang="en">{reason}</soap:Text>'
        inner += f"<soap:Reason>{texts}</soap:Reason>"
        inner += f"<soap:Detail>{detail}</soap:Detail>" if detail else ""
    return reply(f"<soap:Fault>{inner}</soap:Fault>", version=version, status=500)


class SoapServer(HttpServer):
    """An HTTP server that knows how to look into envelopes."""

    @property
    def envelope(self) -> etree._Element:
        """The last envelope that came."""
        return etree.fromstring(self.last.body)

    def found(self, path: str, **names: str) -> list:
        """What an XPath finds in the last envelope."""
        return self.envelope.xpath(path, namespaces={**NAMES, **names})


def guarded(check: Callable[[etree._Element], str | None], good: Reply) -> Callable[[Seen], Reply]:
    """Answers well if the check finds nothing wrong, else with a fault that says what."""

    def answer(seen: Seen) -> Reply:
        wrong = check(etree.fromstring(seen.body))
        return good if wrong is None else fault("Client", wrong)

    return answer


def username_problem(
    user: str, password: str, *, digest: bool, timestamp: bool
) -> Callable[[etree._Element], str | None]:
    """What is wrong with the UsernameToken, by the UsernameToken Profile 1.1."""

    def check(root: etree._Element) -> str | None:
        token = root.find(f".//{{{WSSE}}}Security/{{{WSSE}}}UsernameToken")
        if token is None:
            return "no token"
        secret = token.find(f"{{{WSSE}}}Password")
        if token.findtext(f"{{{WSSE}}}Username") != user:
            return "wrong user"
        kind = "PasswordDigest" if digest else "PasswordText"
        if not secret.get("Type").endswith("#" + kind):
            return "wrong type of password"
        if digest:
            nonce = base64.b64decode(token.findtext(f"{{{WSSE}}}Nonce"))
            created = token.findtext(f"{{{WSU}}}Created")
            expected = base64.b64encode(hashlib.sha1(nonce + created.encode() + password.encode()).digest()).decode()
            if len(nonce) < 16 or abs((datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()) > 60:
                return "nonce or time"
        else:
            expected = password
        if secret.text != expected:
            return "wrong password"
        return timestamp_problem(root) if timestamp else None

    return check


def timestamp_problem(root: etree._Element) -> str | None:
    """What is wrong with the Timestamp."""
    stamp = root.find(f".//{{{WSSE}}}Security/{{{WSU}}}Timestamp")
    if stamp is None:
        return "no timestamp"
    created = datetime.fromisoformat(stamp.findtext(f"{{{WSU}}}Created"))
    expires = datetime.fromisoformat(stamp.findtext(f"{{{WSU}}}Expires"))
    return None if created <= datetime.now(UTC) < expires else "timestamp expired"


def signature_problem(certificate: bytes, *covered: str) -> Callable[[etree._Element], str | None]:
    """What is wrong with the signature.

    Args:
        certificate: The only accepted signer, in DER.
        covered: Local names of elements that must be signed.
    """

    def check(root: etree._Element) -> str | None:
        security = root.find(f".//{{{WSSE}}}Security")
        signature = security.find(f"{{{DSIG}}}Signature") if security is not None else None
        if signature is None:
            return "not signed"
        token = security.find(f"{{{WSSE}}}BinarySecurityToken")
        reference = signature.find(f"{{{DSIG}}}KeyInfo/{{{WSSE}}}SecurityTokenReference/{{{WSSE}}}Reference")
        if reference.get("URI") != "#" + token.get(f"{{{WSU}}}Id"):
            return "the reference does not lead to the token"
        if base64.b64decode(token.text) != certificate:
            return "wrong signer"
        references = [item.get("URI")[1:] for item in signature.iter(f"{{{DSIG}}}Reference")]
        names = {etree.QName(item).localname for item in root.iter() if item.get(f"{{{WSU}}}Id") in references}
        if not set(covered) <= names:
            return f"signed are only {sorted(names)}"
        xmlsec.tree.add_ids(root, ["Id"])
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_memory(certificate, xmlsec.constants.KeyDataFormatCertDer, None)
        try:
            context.verify(signature)
        except xmlsec.Error as error:
            return f"signature: {error}"
        return None

    return check
