"""WSDLs of many makes: which of them import and run against a service that answers with samples of their own schema.

Run it with `make wsdl-corpus`. The requests are checked by libxml2 and by zeep; the connector writes
with neither.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urljoin

from lxml import etree
from tests.servers.soap import SoapServer, envelope
from zeep import Settings
from zeep.exceptions import Error as ZeepError
from zeep.wsdl import Document as ZeepDocument

from zeebe_connectors import ConnectorError, Context
from zeebe_connectors.connectors.soap.connector import call
from zeebe_connectors.connectors.soap.inputs import Request
from zeebe_connectors.connectors.soap.operation import write_body, write_headers
from zeebe_connectors.connectors.soap.samples import sample, sample_field
from zeebe_connectors.connectors.soap.schema import Complex
from zeebe_connectors.connectors.soap.standard_schemas import standard
from zeebe_connectors.connectors.soap.writer import Writer
from zeebe_connectors.connectors.soap.wsdl import Operation, _Offline, load
from zeebe_connectors.connectors.soap.wsdl_documents import XSD, WsdlDocuments, fetcher, gather
from zeebe_connectors.connectors.soap.wsdl_repair import without_other_bindings
from zeebe_connectors.net.tls import ClientTls
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.documents.trust import Everything
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.testing.servers import Reply

FOLDER = Path(__file__).parent / "wsdl"


def usable() -> list[Path]:
    """The WSDLs that should import, without the parts of others."""
    return sorted(
        path for path in FOLDER.rglob("*.wsdl") if path.parent.name != "refused" and path.name != "contract.wsdl"
    )


def refused() -> list[Path]:
    """Those that should be refused with a reason."""
    return sorted((FOLDER / "refused").glob("*.wsdl"))


async def documents_of(path: Path, context: Context) -> WsdlDocuments:
    """A WSDL with its imports, from the folder."""
    return await gather(path.as_uri(), fetcher(context, path.as_uri(), tls=ClientTls(), authentication=None))


FITTING = {
    "PLANT": "1000",
    "@From": "FRA",
    "@To": "LIS",
    "Kinds": ["Person"],
    "Id": "8f14e45f-ceea-467f-9b3a-0123456789ab",
}
"""Where a schema's pattern, which samples do not know, wants something."""


def samples_of(message, *, all_fields: bool) -> dict:
    """A sample of a message's JSON that fits its schema's patterns too."""
    return _fitting(_samples_of(message, all_fields=all_fields))


def _fitting(value):
    if isinstance(value, dict):
        return {name: FITTING.get(name, _fitting(item)) for name, item in value.items()}
    return [_fitting(item) for item in value] if isinstance(value, list) else value


def without_empty_lists(value):
    """JSON without the lists that say that nothing was there."""
    if isinstance(value, dict):
        return {name: without_empty_lists(item) for name, item in value.items() if item != []}
    return [without_empty_lists(item) for item in value] if isinstance(value, list) else value


def _samples_of(message, *, all_fields: bool) -> dict:
    if message.element is not None:
        kind = message.element.type
        value = sample(kind, all_fields=all_fields)
        plain = isinstance(kind, Complex) and kind.text is None and kind.items is None
        return value if plain else {message.element.name: value}
    return {item.name: sample_field(item, all_fields=all_fields) for item in message.fields}


def headers_of(message) -> dict:
    """A sample of each of a message's headers."""
    return {item.name: sample_field(item) for item in message.headers}


class SchemaCheck:
    """Validates a request's body against the WSDL's own schemas, with libxml2."""

    def __init__(self, documents: WsdlDocuments) -> None:  # noqa: C901 - one loop per kind of document
        self.texts: dict[str, bytes] = {}
        spaces: dict[str, str] = {}
        inline = [
            (address, item)
            for address, root in documents.roots.items()
            if root.tag != f"{{{XSD}}}schema"
            for item in root.iter(f"{{{XSD}}}schema")
        ]
        for number, (_, item) in enumerate(inline):
            spaces.setdefault(item.get("targetNamespace") or "", f"inline:{number}")
        for number, (address, item) in enumerate(inline):
            for other in item.findall(f"{{{XSD}}}import"):
                space = other.get("namespace") or ""
                if other.get("schemaLocation"):
                    other.set("schemaLocation", _joined(address, other.get("schemaLocation")))
                elif space in spaces:
                    other.set("schemaLocation", spaces[space])
                elif standard(space):
                    other.set("schemaLocation", space)
            self.texts[f"inline:{number}"] = etree.tostring(item, with_tail=False)
        for address, root in documents.roots.items():
            if root.tag == f"{{{XSD}}}schema":
                for other in root.iter(f"{{{XSD}}}import", f"{{{XSD}}}include"):
                    if other.get("schemaLocation"):
                        other.set("schemaLocation", _joined(address, other.get("schemaLocation")))
                self.texts[address] = etree.tostring(root)
        imports = "".join(
            f'<xs:import namespace="{space}" schemaLocation="{name}"/>' for space, name in spaces.items() if space
        )
        imports += "".join(
            f'<xs:import namespace="{item.get("namespace")}" schemaLocation="{item.get("schemaLocation")}"/>'
            for _, found in inline
            if not found.get("targetNamespace")
            for item in found.findall(f"{{{XSD}}}import")
        )
        self._whole = f'<xs:schema xmlns:xs="{XSD}">{imports}</xs:schema>'.encode()

    def problem(self, body: etree._Element) -> str | None:
        """What does not fit the schema."""
        check = self

        class Resolver(etree.Resolver):
            def resolve(self, url, _public, context):
                text = check.texts.get(url) or standard(url)
                return self.resolve_string(text or b"<missing/>", context, base_url=url)

        parser = etree.XMLParser()
        parser.resolvers.add(Resolver())
        schema = etree.XMLSchema(etree.fromstring(self._whole, parser))
        for child in body:
            if not schema.validate(etree.fromstring(etree.tostring(child))):
                return str(schema.error_log.last_error.message)
        return None


def _joined(base: str, location: str) -> str:
    return urljoin(base, location)


class Trial:
    """Runs every operation of a WSDL against a service that answers with a sample."""

    def __init__(self, context_of) -> None:
        self._context_of = context_of

    async def run(self, path: Path, *, all_fields: bool) -> tuple[int, list[str]]:
        """How many operations ran, and what went wrong."""
        documents = await documents_of(path, self._context_of())
        found = load(await documents_of(path, self._context_of()))
        without_other_bindings(documents)
        zeep = ZeepDocument(documents.location, _Offline(documents), settings=Settings(strict=True))
        literal = SchemaCheck(documents)
        ran, wrong = 0, []
        async with SoapServer() as server:
            for operation in found.operations:
                server.answer("/", self._answer(operation, all_fields=all_fields))
                given = samples_of(operation.input, all_fields=all_fields)
                body = {
                    "type": "operation",
                    "wsdl": str(path),
                    "operation": operation.name,
                    "service": operation.service,
                    "port": operation.port,
                    "input": given,
                    "headers": headers_of(operation.input),
                }
                raw = {"serviceUrl": server.url("/"), "body": body}
                try:
                    result = await call(read_input(Request, Everything().marked(raw)), self._context_of())
                except ConnectorError as error:
                    wrong.append(f"{operation.name}: {error}")
                    continue
                problem = self._check(server.envelope, operation, zeep, literal)
                expected = samples_of(operation.output, all_fields=all_fields) or None
                if problem is None and operation.output.element is not None and not all_fields:
                    expected = result["output"]
                if problem is None and without_empty_lists(result["output"]) != without_empty_lists(expected):
                    problem = f"read {result['output']}, not {expected}"
                expected = headers_of(operation.output)
                if problem is None and without_empty_lists(result.get("header", {})) != without_empty_lists(expected):
                    problem = f"read the header {result.get('header')}, not {expected}"
                if problem:
                    wrong.append(f"{operation.name}: {problem}")
                ran += 1
        return ran, wrong

    @staticmethod
    def _answer(operation: Operation, *, all_fields: bool) -> Reply:
        body = etree.Element("body")
        if operation.output.element is not None or operation.output.wrapper is not None or operation.output.fields:
            write_body(
                operation.output,
                samples_of(operation.output, all_fields=all_fields),
                body,
                Writer(encoded=operation.encoded),
            )
        header = etree.Element("header")
        write_headers(operation.output, headers_of(operation.output), header, Writer())
        text, above = (b"".join(etree.tostring(child) for child in part).decode() for part in (body, header))
        return Reply(200, envelope(text, version=operation.version, header=above), [("Content-Type", "text/xml")])

    @staticmethod
    def _check(root: etree._Element, operation: Operation, zeep, literal: SchemaCheck) -> str | None:
        port = zeep.services[operation.service].ports[operation.port]
        message = port.binding.get(operation.name).input
        if operation.input.element is None and message.body is not None:
            try:
                message.deserialize(root)
            except (ZeepError, ValueError, TypeError) as error:
                return f"zeep: {error}"
        if operation.input.element is not None:
            return literal.problem(root[1]) or literal.problem(root[0])
        return literal.problem(root[0])


def say(line: str) -> None:
    """Prints a line."""
    sys.stdout.write(line + "\n")


async def main() -> int:
    """Prints a table; the number of those that do not do what they should is the exit status."""
    logging.getLogger("zeep").setLevel(logging.ERROR)
    clients, bad = ClientCache(), 0
    with tempfile.TemporaryDirectory() as folder:
        store = LocalDocuments(Path(folder), hosts=("*",))
        log = logging.LoggerAdapter(logging.getLogger("corpus"), {})

        def context_of() -> Context:
            return Context(Job(1, "soap"), clients, store, AllowedFiles([FOLDER]), log, deadline=time.monotonic() + 60)

        trial = Trial(context_of)
        operations = 0
        for path in usable():
            name = str(path.relative_to(FOLDER))
            try:
                ran, wrong = await trial.run(path, all_fields=True)
            except ConnectorError as error:
                ran, wrong = 0, [str(error)]
            operations += ran
            bad += bool(wrong)
            mark = "runs" if not wrong else "FAILS"
            say(f"{mark:8} {name:32} {ran} operation(s)")
            for reason in wrong:
                say(f"           {reason}")
        for path in refused():
            try:
                load(await documents_of(path, context_of()))
            except ConnectorError as error:
                say(f"{'refused':8} {path.name:32} {error}")
            else:
                bad += 1
                say(f"{'ACCEPTED':8} {path.name}")
        await store.aclose()
        await clients.aclose()
    say(f"{len(usable())} import, {operations} operations called, {len(refused())} refused with a reason, {bad} wrong")
    return bad


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
