"""Gather a WSDL and all its imports, within bounds and only from allowed places."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from lxml import etree

from zeebe_connectors import ConnectorError, Context, InputError, PermanentError, TransientError
from zeebe_connectors.connectors.soap.namespaces import XSD
from zeebe_connectors.connectors.soap.standard_schemas import standard
from zeebe_connectors.connectors.soap.untrusted_xml import UntrustedXmlError, parse
from zeebe_connectors.net.tls import ClientTls
from zeebe_connectors.web import Exchange, HttpRequest, encoded_url
from zeebe_connectors.web.auth import Scheme
from zeebe_connectors.web.message import origin_of
from zeebe_connectors.web.redirects import keeps_credentials
from zeebe_connectors.web.redirects import location_of as redirect_of

WSDL = "http://schemas.xmlsoap.org/wsdl/"
SOAP, SOAP12 = f"{WSDL}soap/", f"{WSDL}soap12/"
_REFERENCES = {
    f"{{{WSDL}}}import": "location",
    f"{{{XSD}}}import": "schemaLocation",
    f"{{{XSD}}}include": "schemaLocation",
    f"{{{XSD}}}redefine": "schemaLocation",
}
_MAX_REDIRECTS = 5
MAX_DOCUMENTS = 200
MAX_BYTES = 10 * 1024 * 1024
"""Of a WSDL with all its imports. Reading takes some fifty times as much memory for a moment."""

_OLD_SCHEMAS = re.compile(rb"http://www\.w3\.org/(?:1999|2000/10)/XMLSchema\b")
"""The drafts before XML Schema 1.0, which tools of that time write; services understand the final one as well."""

GIVEN = "http://given.invalid/wsdl"
"""Stands for the address of a WSDL that was given as text; a name that exists nowhere, and is never asked for."""

Fetch = Callable[[str], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class WsdlDocuments:
    """A WSDL with all that it imports.

    Args:
        location: Address of the WSDL itself.
        contents: Bytes by address.
        roots: Elements by address.
        missing: What was said of imports that do not exist.
        changed: Addresses of the documents whose elements say more than their bytes; see `settle`.
    """

    location: str
    contents: dict[str, bytes] = field(repr=False)
    roots: dict[str, etree._Element] = field(repr=False)
    missing: tuple[ConnectorError, ...] = ()
    changed: set[str] = field(default_factory=set, repr=False)

    def settle(self) -> None:
        """Writes what was changed in the elements into the bytes."""
        for address in self.changed:
            self.contents[address] = etree.tostring(self.roots[address])
        self.changed.clear()

    def find(self, kind: str, name: str, at: etree._Element) -> etree._Element | None:
        """Returns a definition of the WSDL by the name that is used at an element, in any of the documents."""
        prefix, _, local = name.rpartition(":")
        space = at.nsmap.get(prefix or None)
        if prefix and space is None:
            return None
        for root in self.roots.values():
            if root.tag != f"{{{WSDL}}}definitions":
                continue
            if prefix and space is not None and root.get("targetNamespace") not in {space, None}:
                continue
            for each in root.findall(f"{{{WSDL}}}{kind}"):
                if each.get("name") == local:
                    return each
        return None

    @property
    def size(self) -> int:
        """Bytes of all documents."""
        return sum(map(len, self.contents.values()))


def wsdl_error(location: str, why: str) -> PermanentError:
    """Makes the error `SOAP_WSDL_INVALID`, naming the document."""
    return PermanentError("SOAP_WSDL_INVALID", f"{shown(location)}: {why}")


def shown(location: str) -> str:
    """Names a document for messages: without directories of this machine, and without a query, which may hold keys."""
    parts = urlsplit(location)
    if location == GIVEN:
        return "the WSDL"
    if parts.scheme == "file":
        return unquote(parts.path).rpartition("/")[2]
    return f"{origin_of(location)}{parts.path}"


async def gather(
    location: str,
    fetch: Fetch,
    *,
    hosts: Sequence[str] = (),
    known: Mapping[str, bytes] | None = None,
    moved: Mapping[str, str] | None = None,
) -> WsdlDocuments:
    """Reads a WSDL and what it imports, each document once.

    Args:
        location: http(s) or file URL of the WSDL.
        fetch: Reads one document.
        hosts: Hosts besides the WSDL's own from which it may import.
        known: WsdlDocuments that need not be read, by address.
        moved: Where `fetch` was redirected to; what the WSDL itself imports is relative to that.

    Raises:
        PermanentError: `SOAP_WSDL_INVALID`: not well-formed, a document type, too many or too large. The message names
            the document and the remedy.
        ConnectorError: What `fetch` raises.
    """
    contents: dict[str, bytes] = {}
    roots: dict[str, etree._Element] = {}
    missing: dict[str, ConnectorError] = {}
    waiting = [(location, "")]
    size = 0
    while waiting:
        address, importer = waiting.pop(0)
        if address in contents:
            continue
        if len(contents) >= MAX_DOCUMENTS:
            raise wsdl_error(location, f"imports more than {MAX_DOCUMENTS} documents; give a WSDL with fewer")
        data = (known or {}).get(address) or standard(address)
        try:
            if data is None:
                _check_origin(location, address, importer, hosts)
                data = await fetch(address)
        except ConnectorError as error:
            if not importer or not _is_gone(error):
                raise
            missing[address] = error
            continue
        if not importer and moved and address in moved:
            hosts = [*hosts, urlsplit(location).hostname or ""]
            location = address = moved[address]
        data = _OLD_SCHEMAS.sub(XSD.encode(), data)
        size += len(data)
        if size > MAX_BYTES:
            raise wsdl_error(
                location,
                f"with its imports is larger than {MAX_BYTES:,} bytes; give a WSDL with the needed operations only",
            )
        root = await asyncio.to_thread(_parsed, data, address) if len(data) > 64 * 1024 else _parsed(data, address)
        contents[address], roots[address] = data, root
        waiting += [(joined(address, found), address) for found in _imports(root) if found]
    if missing:
        contents |= _without(missing, roots)
    return WsdlDocuments(location, contents, roots, tuple(missing.values()))


class _ElsewhereError(PermanentError):
    """An import from where the WSDL may not import; it counts as one that does not exist."""

    def __init__(self, location: str, why: str) -> None:
        super().__init__("SOAP_WSDL_INVALID", f"{shown(location)}: {why}")


def _is_gone(error: ConnectorError) -> bool:
    """Returns whether a document does not exist, or may not be read, rather than being out of reach for now."""
    return isinstance(error, _ElsewhereError) or (
        error.code == "SOAP_WSDL_UNREACHABLE"
        and (isinstance(error, InputError) or (error.variables or {}).get("status") in {404, 410})
    )


def _without(missing: Collection[str], roots: Mapping[str, etree._Element]) -> dict[str, bytes]:
    """Removes the references to documents that do not exist; returns the documents that had any as they are now."""
    changed: dict[str, bytes] = {}
    for address, root in roots.items():
        gone = [
            each
            for each in root.iter(*_REFERENCES)
            if joined(address, (each.get(_REFERENCES[each.tag]) or "").strip()) in missing
        ]
        for each in gone:
            if each.tag == f"{{{XSD}}}import":
                del each.attrib["schemaLocation"]  # another schema of the WSDL may have its namespace
            else:
                each.getparent().remove(each)
        if gone:
            changed[address] = etree.tostring(root)
    return changed


def schemas_of(root: etree._Element) -> list[etree._Element]:
    """Returns the schemas of a document: itself, or those within it."""
    return [root] if root.tag == f"{{{XSD}}}schema" else list(root.iter(f"{{{XSD}}}schema"))


def _parsed(data: bytes, address: str) -> etree._Element:
    try:
        root = parse(data.lstrip(), base=address)
    except UntrustedXmlError as error:
        raise wsdl_error(address, f"cannot be read as XML: {error}") from None
    if root.tag == "{http://www.w3.org/ns/wsdl}description":
        raise wsdl_error(address, "is WSDL 2.0; only WSDL 1.1 is supported. Ask for the service's WSDL 1.1")
    if root.tag not in {f"{{{WSDL}}}definitions", f"{{{XSD}}}schema"}:
        name = etree.QName(root)
        if name.localname.lower() == "html":
            raise wsdl_error(
                address,
                "is a page, not a WSDL; give the WSDL's own address, and a login if the page asks for one",
            )
        raise wsdl_error(address, f"is neither WSDL nor schema: its outermost element is {name.localname}")
    return root


def joined(address: str, reference: str) -> str:
    """Returns the address of what a document refers to, without its fragment."""
    address = urldefrag(urljoin(address, reference))[0]
    # Some Python versions lose the slashes when a relative reference climbs beyond the root directory.
    return f"file:///{address[5:]}" if address.startswith("file:") and not address.startswith("file:/") else address


def _imports(root: etree._Element) -> list[str]:
    locations = ((element.get(_REFERENCES[element.tag]) or "").strip() for element in root.iter(*_REFERENCES))
    return [location for location in locations if location]


def _check_origin(root: str, address: str, importer: str, hosts: Sequence[str]) -> None:
    if not importer:
        return
    here, there = urlsplit(root), urlsplit(address)
    if there.scheme == "file" and here.scheme == "file":
        return
    if origin_of(address) == origin_of(GIVEN):
        raise _ElsewhereError(
            importer,
            f"imports {there.path[1:200]}, whose location is unknown, because the WSDL was given as text; give its "
            "address as well, or include what it imports",
        )
    if there.scheme not in {"http", "https"}:
        raise _ElsewhereError(importer, f"imports {there.scheme or 'something'}:..., which a WSDL from there may not")
    if here.scheme != "file" and (here.hostname, _port(root)) == (there.hostname, _port(address)):
        return
    if (there.hostname or "").lower() in {host.strip().lower() for host in hosts}:
        return
    raise _ElsewhereError(
        importer,
        f"imports {shown(address)}, which is not on the WSDL's own host. If it may be read, name {there.hostname} in "
        "body.external (further hosts; --host of the command)",
    )


def _port(url: str) -> int:
    parts = urlsplit(url)
    try:
        return parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return 0


def fetcher(
    context: Context, home: str, *, tls: ClientTls, authentication: Scheme | None, moved: dict[str, str] | None = None
) -> Fetch:
    """Reads documents over HTTP, and files that the operator allows.

    Args:
        context: The job's context.
        home: The WSDL's own address: only it may redirect to another host, and only its host gets the credentials.
        tls: Certificates.
        authentication: Credentials.
        moved: Collects where the WSDL was redirected to.
    """
    exchange = Exchange(context, tls=tls, limit=MAX_BYTES)

    async def fetch(address: str) -> bytes:
        if address.startswith("file:"):
            path = context.files.resolve(unquote(urlsplit(address).path), field="body.wsdl")
            try:
                return await asyncio.to_thread(_read, path)
            except OSError as error:
                raise InputError(
                    f"body.wsdl: {path.name} cannot be read: {error.strerror or 'no such file'}",
                    code="SOAP_WSDL_UNREACHABLE",
                ) from None
        request = HttpRequest("GET", encoded_url(address, name="body.wsdl"))
        try:
            known = authentication if origin_of(address) == origin_of(home) else None
            response = await exchange.call(request, known, follow_redirects=address == home)
            for _ in range(_MAX_REDIRECTS if address != home else 0):
                target = redirect_of(response)
                if target is None or not keeps_credentials(request.url, target):
                    break
                request = HttpRequest("GET", target)
                response = await exchange.call(request, known)
        except (InputError, PermanentError):
            raise
        except ConnectorError as error:
            raise TransientError(
                "SOAP_WSDL_UNREACHABLE", f"{shown(address)} cannot be read: {error}", variables=error.variables
            ) from None
        if response.status != 200:
            target = redirect_of(response)
            what = f"it redirects to {shown(target)}" if target else f"the server answered {response.status}"
            raise TransientError(
                "SOAP_WSDL_UNREACHABLE",
                f"{shown(address)} cannot be read: {what}. Check the WSDL's address",
                variables={"status": response.status},
            )
        if moved is not None and address == home:
            moved.update(_moved(address, request.url, response.url, signed=known is not None))
        return response.body

    return fetch


def _moved(address: str, before: str, after: str, *, signed: bool) -> dict[str, str]:
    """Returns where a document is after redirects, by its address; nothing if it is where it was.

    A login may add its key to the query, which is therefore left out of a signed request's URL.
    """
    if signed:
        before, after = before.partition("?")[0], after.partition("?")[0]
    return {} if after == before else {address: after}


def _read(path: Path) -> bytes:
    if path.stat().st_size > MAX_BYTES:
        raise OSError(27, "it is too large")
    return path.read_bytes()


def location_of(wsdl: str, context: Context) -> str:
    """Returns the WSDL's URL: as it is, or of an allowed file.

    Raises:
        InputError: `FILE_FORBIDDEN`.
    """
    text = wsdl.strip()
    if text.lower().startswith(("http://", "https://")):
        return text
    return context.files.resolve(text.removeprefix("file://"), field="body.wsdl").as_uri()
