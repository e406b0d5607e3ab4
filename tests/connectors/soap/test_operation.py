"""Operations of a WSDL: typed both ways, read once, and nothing read that it should not."""

import asyncio
import base64
import re
import sys
import time
from pathlib import Path

import pytest
from lxml import etree
from tests.servers.soap import envelope, guarded, reply, username_problem

from zeebe_connectors import Document
from zeebe_connectors.connectors.soap.reader import Reader
from zeebe_connectors.connectors.soap.schema import Complex, Field, Group, Simple
from zeebe_connectors.connectors.soap.wsdl_cache import WsdlCache
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.testing.servers import Reply

FOLDER = Path(__file__).parent / "wsdl"
ASMX = "http://orders.example/"


@pytest.fixture
def serve(server, soap):
    """Serves a WSDL of the folder, and calls an operation of it at the same server."""

    def made(name):
        folder = (FOLDER / name).parent
        for file in folder.iterdir():
            if file.is_file():
                server.answer(f"/{file.name}", Reply(200, file.read_bytes(), [("Content-Type", "text/xml")]))

        async def operation(operation, values, *, error=False, body=None, **inputs):
            given = {
                "type": "operation",
                "wsdl": server.url(f"/{Path(name).name}"),
                "operation": operation,
                "input": values,
                **(body or {}),
            }
            called = soap.error if error else soap
            return await called(server.url("/service"), body=given, **inputs)

        return operation

    return made


GOOD = reply(f'<PlaceOrderResponse xmlns="{ASMX}"/>')
ORDER = {"Quantity": 3, "Price": 1.1, "Due": None, "Status": "New"}


def asmx_reply(inner):
    return reply(
        f'<PlaceOrderResponse xmlns="{ASMX}"><PlaceOrderResult>{inner}</PlaceOrderResult></PlaceOrderResponse>'
    )


async def test_typed_both_ways(serve, server):
    """Numbers, decimals, dates, enumerations, nil, lists, attributes and base64 go out and come back typed."""
    server.answer(
        "/service",
        asmx_reply(
            "<Id>7</Id><Quantity>3</Quantity><Price>1.10</Price>"
            '<Due xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"/><Status>Paid</Status>'
            '<Lines><OrderLine article="A1" count="2">first</OrderLine></Lines><Attachment>aGVs\nbG8=</Attachment>'
        ),
    )
    call = serve("dotnet-asmx.wsdl")
    lines = {"OrderLine": [{"@article": "A1", "count": "2", "$content": "<first>"}, {"@article": "A2"}]}
    order = {**ORDER, "Due": "2025-12-31T10:00:00@Europe/Berlin", "Lines": lines, "Attachment": "aGVsbG8="}
    result = await call("PlaceOrder", {"order": order, "express": "true"})
    assert result["output"] == {
        "PlaceOrderResult": {
            "Id": "7",
            "Quantity": 3,
            "Price": 1.1,
            "Due": None,
            "Status": "Paid",
            "Lines": {"OrderLine": [{"@article": "A1", "@count": 2, "$content": "first"}]},
            "Attachment": "aGVsbG8=",
        }
    }
    found = {item.tag.rpartition("}")[2]: item.text for item in server.envelope.iter()}
    assert found["Due"] == "2025-12-31T10:00:00"
    assert found["express"] == "true"
    assert server.found("//n:OrderLine/text()", n=ASMX) == ["<first>"]
    assert server.found("//n:OrderLine/@count", n=ASMX) == ["2"]
    assert server.last.header("SOAPAction") == f'"{ASMX}PlaceOrder"'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Quantity": "many"}, "body.input.order.Quantity: must be a whole number from -2147483648 to 2147483647"),
        ({"Quantity": 2**31}, "body.input.order.Quantity: must be a whole number"),
        ({"Quantity": 1.5}, "body.input.order.Quantity: must be a whole number"),
        ({"Quantity": [1, 2]}, "body.input.order.Quantity: takes one value"),
        ({"Quantity": None}, "body.input.order.Quantity: is required"),
        ({"Price": "1,10"}, "body.input.order.Price: must be a number"),
        ({"Due": "31.12.2025"}, "body.input.order.Due: must be a date and time such as"),
        ({"Status": "Lost"}, "body.input.order.Status: must be one of New, Paid, Shipped"),
        ({"Lines": {"OrderLine": [{"$content": "x"}]}}, r"OrderLine\[1\].@article: is required"),
        ({"Lines": "x"}, "body.input.order.Lines: must be a context with OrderLine"),
        ({"Attachment": "no base64!"}, "base64 text or a document"),
        ({"Colour": "red"}, "body.input.order.Colour: is not known here; known are Id, Quantity"),
        ({"Id": "\x01"}, "body.input.order.Id: holds a character"),
    ],
)
async def test_input_errors_name_the_field(serve, server, change, message):
    """Input that does not fit is refused before anything is sent, with path, reason and what is expected."""
    call = serve("dotnet-asmx.wsdl")
    error = await call("PlaceOrder", {"order": {**ORDER, **change}, "express": True}, error=True)
    assert error.code == "SOAP_INPUT_INVALID"
    assert re.search(message, str(error)), str(error)
    assert not [seen for seen in server.seen if seen.path == "/service"]


async def test_soap12_port_and_wsse(serve, server):
    """A port can be chosen, and WS-Security works for operations as for envelopes."""
    check = username_problem("alice", "s", digest=True, timestamp=True)
    server.answer("/service", guarded(check, asmx_reply("<Quantity>1</Quantity>")))
    call = serve("dotnet-asmx.wsdl")
    security = {
        "authentication": "usernameToken",
        "username": "alice",
        "password": "s",
        "encoded": "Yes",
        "timestamp": 60,
    }
    await call("PlaceOrder", {"express": False}, body={"port": "OrdersSoap12"}, authentication=security)
    assert server.last.header("Content-Type").startswith("application/soap+xml")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"operation": "Cancel"}, "body.operation: there is no Cancel, only PlaceOrder"),
        ({"service": "X"}, "body.service: there is no X, only Orders"),
        ({"port": "X"}, "body.port: there is no X, only OrdersSoap, OrdersSoap12"),
    ],
)
async def test_unknown_names(serve, body, message):
    """A wrong name is told with those that there are."""
    error = await serve("dotnet-asmx.wsdl")("PlaceOrder", {}, body=body, error=True)
    assert error.code == "SOAP_WSDL_INVALID"
    assert message in str(error)


async def test_derived_types(serve, server):
    """xsi:type is written for `@type` and read as it."""
    party = (
        '<FindResponse xmlns="http://customers.example/contract" xmlns:c="http://schemas.datacontract.org/2004/07/Customers"'
        ' xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><FindResult>'
        '<c:Party i:type="c:Company"><c:Since>2020-01-01</c:Since><c:Name>ACME</c:Name></c:Party>'
        '<c:Party i:type="c:Person"><c:Since>2020-01-01</c:Since><c:Last>Doe</c:Last></c:Party>'
        "</FindResult></FindResponse>"
    )
    server.answer("/service", reply(party))
    result = await serve("wcf/service.wsdl")("Find", {"query": {"Kinds": ["Person", "Company"], "Name": None}})
    assert result["output"]["FindResult"]["Party"] == [
        {"@type": "Company", "Since": "2020-01-01", "Name": "ACME"},
        {"@type": "Person", "Since": "2020-01-01", "Last": "Doe"},
    ]
    assert server.found("//c:Kinds/text()", c="http://schemas.datacontract.org/2004/07/Customers") == ["Person Company"]


async def test_choices_and_order(serve, server):
    """One of a choice is taken, two are refused, and `$items` keeps the order of a repeated one."""
    server.answer("/service", reply('<Sent xmlns="urn:choices"><id>9007199254740993</id></Sent>', version="1.2"))
    call = serve("choices.wsdl")
    items = [{"text": "a"}, {"line-break": {}}, {"number": 1}, {"text": "b"}]
    result = await call("Send", {"mail": "m", "$items": items, "key": ["k1", "k2"], "value": ["v1", "v2"]})
    names = [child.tag.rpartition("}")[2] for child in server.found("//c:Send", c="urn:choices")[0]]
    assert names == ["mail", "text", "line-break", "number", "text", "key", "value", "key", "value"]
    assert result["output"] == {"id": 9007199254740993}
    error = await call("Send", {"mail": "m", "phone": "p"}, error=True)
    assert "takes only one of mail, phone" in str(error)
    error = await call("Send", {}, error=True)
    assert "needs one of mail, phone" in str(error)


async def test_multiref_of_soap_encoding(serve, server):
    """References inside an encoded reply are put where they belong."""
    body = (
        '<n:getQuotesResponse xmlns:n="urn:stock"><getQuotesReturn><item href="#id0"/><item href="#id0"/>'
        '</getQuotesReturn></n:getQuotesResponse><multiRef id="id0"><symbol>X</symbol><price>1.5</price></multiRef>'
    )
    server.answer("/service", reply(body))
    result = await serve("java-axis1-encoded.wsdl")("getQuotes", {"symbols": ["X"], "live": True})
    assert result["output"] == {"getQuotesReturn": [{"symbol": "X", "price": 1.5}] * 2}


async def test_headers_both_ways(serve, server):
    """Headers that the WSDL names are typed both ways, stand beside free ones, and only those given are sent."""
    usage = (
        '<u:Usage xmlns:u="http://reports.example/" soap:mustUnderstand="0"><u:Calls>7</u:Calls>'
        "<u:Day>2025-12-31</u:Day></u:Usage><Other>x</Other>"
    )
    answer = reply('<runResponse xmlns="http://reports.example/"><Rows>3</Rows></runResponse>', header=usage)
    server.answer("/service", answer)
    call = serve("java-headers.wsdl")
    free = {"header": {"type": "template", "template": "<Free/>"}}
    session = {"Session": {"@tenant": "42", "User": "a<b", "Until": "2025-12-31"}}
    result = await call("run", {"Name": "n"}, body={"headers": session}, **free)
    assert result == {
        "output": {"Rows": 3},
        "header": {"Usage": {"Calls": 7, "Day": ["2025-12-31"]}, "Other": "x"},
    }
    header = server.found("//s11:Header")[0]
    assert [child.tag for child in header] == ["Free", "{http://reports.example/}Session"]
    assert [(child.tag.rpartition("}")[2], child.text) for child in header[1]] == [
        ("User", "a<b"),
        ("Until", "2025-12-31T00:00:00"),
    ]
    assert header[1].get("tenant") == "42"
    await call("run", {"Name": "n"})
    assert len(server.found("//s11:Header/*")) == 0


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Session": {"User": "u"}}, "body.headers.Session.@tenant: is required"),
        ({"Session": {"@tenant": "x", "User": "u"}}, "body.headers.Session.@tenant: must be a whole number"),
        ({"Priority": "later"}, "body.headers.Priority: must be one of low, high"),
        ({"Usage": {}}, "body.headers.Usage: is not known here; known are Priority, Session"),
    ],
)
async def test_header_errors_name_the_field(serve, server, headers, message):
    """A header that does not fit is refused before anything is sent."""
    error = await serve("java-headers.wsdl")("run", {"Name": "n"}, body={"headers": headers}, error=True)
    assert error.code == "SOAP_INPUT_INVALID"
    assert message in str(error)
    assert not [seen for seen in server.seen if seen.path == "/service"]


async def test_documents_both_ways(serve, server, soap):
    """A document goes out as base64, and an MTOM part comes back as a document in its typed place."""
    xop = "http://www.w3.org/2004/08/xop/include"
    root = envelope(
        f'<storeResponse xmlns="http://docs.example/"><data><x:Include xmlns:x="{xop}" href="cid:1"/></data>'
        "<size>5</size></storeResponse>"
    )
    whole = (
        b"\r\n--b\r\nContent-Type: application/xop+xml\r\n\r\n"
        + root
        + b"\r\n--b\r\nContent-ID: <1>\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--"
    )
    server.answer("/service", Reply(200, whole, [("Content-Type", "multipart/related; boundary=b")]))
    document = await soap.documents.create(b"\x00bytes", name="x.bin")
    given = {"name": "x", "data": {"$content": dict(document.reference)}}
    result = await serve("java-mtom.wsdl")("store", given)
    assert base64.b64decode(server.found("//d:data/text()", d="http://docs.example/")[0]) == b"\x00bytes"
    assert result["output"]["size"] == 5
    assert (await soap.documents.read(Document(result["output"]["data"]), seconds=5)).data == b"hello"
    whole = whole.replace(b"ID: <1>", b"ID: <2>")
    server.answer("/service", Reply(200, whole, [("Content-Type", "multipart/related; boundary=b")]))
    error = await serve("java-mtom.wsdl")("store", given, error=True)
    assert (error.code, "the attachment '1', which did not come" in error.message) == ("SOAP_REPLY_INVALID", True)


async def test_read_once_and_kept(serve, server):
    """Many callers at once read the WSDL once; it is read again when it is too old."""
    server.answer("/service", asmx_reply("<Quantity>1</Quantity>"))
    call = serve("dotnet-asmx.wsdl")
    await asyncio.gather(*[call("PlaceOrder", {"express": True}) for _ in range(10)])
    reads = [seen for seen in server.seen if seen.path.endswith(".wsdl")]
    assert len(reads) == 1
    await call("PlaceOrder", {"express": True}, body={"wsdlAge": 0})
    assert len([seen for seen in server.seen if seen.path.endswith(".wsdl")]) == 2


async def test_a_job_that_is_stopped_while_it_reads_leaves_the_others_theirs(serve, server):
    """Those who wait for the same WSDL are not stopped with it: the next of them reads it."""
    server.answer("/service", asmx_reply("<Quantity>1</Quantity>"))
    call = serve("dotnet-asmx.wsdl")
    wsdl = Reply(200, (FOLDER / "dotnet-asmx.wsdl").read_bytes(), [("Content-Type", "text/xml")])
    requested = asyncio.Event()

    async def slow(_):
        if requested.is_set():
            return wsdl
        requested.set()
        return await asyncio.sleep(60)

    server.answer("/dotnet-asmx.wsdl", slow)
    first = asyncio.ensure_future(call("PlaceOrder", {"express": True}))
    await requested.wait()
    others = [asyncio.ensure_future(call("PlaceOrder", {"express": True})) for _ in range(3)]
    await asyncio.sleep(0.1)
    first.cancel()
    others[0].cancel()
    assert all([await other for other in others[1:]])
    with pytest.raises(asyncio.CancelledError):
        await others[0]
    assert len([seen for seen in server.seen if seen.path.endswith(".wsdl")]) == 2


async def test_kept_within_bounds(soap, server):
    """Many WSDLs and large ones do not fill the memory: the least used is read again, the newest is kept."""
    data = (FOLDER / "dotnet-asmx.wsdl").read_bytes()
    server.answer("*", lambda seen: Reply(200, data, [("Content-Type", "text/xml")]) if "wsdl" in seen.path else GOOD)
    limit = 3 * WsdlCache(memory=0).estimate(len(data))
    cache = await soap.clients.get("soap.wsdl", lambda: WsdlCache(memory=limit))

    async def reads(name):
        before = len(server.seen)
        body = {"type": "operation", "wsdl": server.url(name), "operation": "PlaceOrder", "input": {"express": True}}
        await soap(server.url("/service"), body=body)
        return len([seen for seen in server.seen[before:] if "wsdl" in seen.path])

    assert [await reads(f"/{number}.wsdl") for number in (1, 2, 3, 1, 4, 1, 2)] == [1, 1, 1, 0, 1, 0, 1]
    assert 0 < cache.memory() <= limit
    data += b" " * len(data) * 3
    assert [await reads(f"/{number}.wsdl") for number in (5, 5, 1)] == [1, 0, 1]


async def test_too_large(soap, server):
    """A WSDL that is larger with its imports than it may be is refused before it is read as XML."""
    part = b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:y"/>' + b" " * 6_000_000
    server.answer("/y.xsd", Reply(200, part, []))
    error = await refused_wsdl(soap, server, importing("/y.xsd") + b" " * 6_000_000)
    assert error.code == "SOAP_WSDL_INVALID"
    assert "larger than 10,485,760 bytes" in str(error)


async def test_file(soap, server):
    """A WSDL can be a file below an allowed directory, and no other."""
    server.answer("/", asmx_reply("<Quantity>1</Quantity>"))
    (soap.files / "orders.wsdl").write_bytes((FOLDER / "dotnet-asmx.wsdl").read_bytes())
    body = {"type": "operation", "wsdl": "orders.wsdl", "operation": "PlaceOrder", "input": {"express": True}}
    assert (await soap(server.url("/"), body=body))["output"]["PlaceOrderResult"]["Quantity"] == 1
    error = await soap.error(server.url("/"), body={**body, "wsdl": "/etc/passwd"})
    assert error.code == "FILE_FORBIDDEN"


def importing(location):
    return (
        '<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" targetNamespace="urn:x"><types><xs:schema '
        f'xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:import namespace="urn:y" schemaLocation="{location}"/>'
        "</xs:schema></types></definitions>"
    ).encode()


async def refused_wsdl(soap, server, data, **body):
    server.answer("/x.wsdl", Reply(200, data, [("Content-Type", "text/xml")]))
    given = {"type": "operation", "wsdl": server.url("/x.wsdl"), "operation": "o", **body}
    return await soap.error(server.url("/"), body=given)


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://127.0.0.1/x", "//169.254.169.254/x", "http://localhost:1/x", "data:text/xml,x"],
)
async def test_no_other_host_or_file(soap, server, location):
    """A WSDL cannot make the runtime read a file or another host."""
    error = await refused_wsdl(soap, server, importing(location))
    assert error.code == "SOAP_WSDL_INVALID"
    assert "imports" in str(error)


async def test_another_host_if_allowed(soap, server):
    """A host that the modeler named may be read."""
    location = f"http://localhost:{server.port}/y.xsd"
    server.answer(
        "/y.xsd", Reply(200, b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:y"/>')
    )
    error = await refused_wsdl(soap, server, importing(location), external=["localhost"])
    assert "/y.xsd" in [seen.path for seen in server.seen]
    assert "no operation" in str(error)


async def test_imports_without_end(soap, server):
    """Imports that go on for ever end."""

    def answer(seen):
        number = int(seen.path.strip("/x.sd") or 0)
        text = (
            '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:y">'
            f'<xs:include schemaLocation="/x{number + 1}.xsd"/></xs:schema>'
        )
        return Reply(200, text.encode(), [])

    server.answer("*", answer)
    error = await refused_wsdl(soap, server, importing("/x1.xsd"))
    assert "more than 200 documents" in str(error)


async def test_an_import_may_not_redirect(soap, server):
    """An import that redirects elsewhere is not followed."""
    server.answer("/y.xsd", Reply(302, b"", [("Location", "http://169.254.169.254/")], "Found"))
    error = await refused_wsdl(soap, server, importing("/y.xsd"))
    assert error.code == "SOAP_WSDL_UNREACHABLE"


CHAIN = 24
DOUBLED = {
    "groups": "".join(
        f'<xsd:group name="g{n}"><xsd:sequence><xsd:group ref="tns:g{n + 1}"/><xsd:group ref="tns:g{n + 1}"/>'
        "</xsd:sequence></xsd:group>"
        for n in range(CHAIN)
    )
    + f'<xsd:group name="g{CHAIN}"><xsd:sequence><xsd:element name="x" type="xsd:int"/></xsd:sequence></xsd:group>'
    '<xsd:element name="many"><xsd:complexType><xsd:group ref="tns:g0"/></xsd:complexType></xsd:element>',
    "attributes": "".join(
        f'<xsd:attributeGroup name="g{n}"><xsd:attributeGroup ref="tns:g{n + 1}"/>'
        f'<xsd:attributeGroup ref="tns:g{n + 1}"/></xsd:attributeGroup>'
        for n in range(CHAIN)
    )
    + f'<xsd:attributeGroup name="g{CHAIN}"><xsd:attribute name="x" type="xsd:int"/></xsd:attributeGroup>'
    '<xsd:element name="many"><xsd:complexType><xsd:attributeGroup ref="tns:g0"/></xsd:complexType></xsd:element>',
}


@pytest.mark.parametrize("kind", DOUBLED)
async def test_types_that_unfold_beyond_measure(soap, server, kind):
    """A schema of a few lines cannot make billions of elements: it is refused at once."""
    whole = (FOLDER / "choices.wsdl").read_bytes()
    begin = re.search(rb"<xsd:schema[^>]*>", whole)
    data = whole[: begin.end()] + DOUBLED[kind].encode() + whole[begin.end() :]
    async with asyncio.timeout(10):
        error = await refused_wsdl(soap, server, data)
    assert error.code == "SOAP_WSDL_INVALID"
    assert "unfold to more than" in str(error)


async def test_references_that_unfold_beyond_measure(serve, server):
    """A reply of a few lines cannot make billions of elements by SOAP's references."""
    doubled = "".join(f'<m id="i{n}"><a href="#i{n + 1}"/><a href="#i{n + 1}"/></m>' for n in range(30))
    body = f'<n:getQuotesResponse xmlns:n="urn:stock"><getQuotesReturn href="#i0"/></n:getQuotesResponse>{doubled}'
    server.answer("/service", reply(body + '<m id="i30"/>'))
    async with asyncio.timeout(30):
        error = await serve("java-axis1-encoded.wsdl")("getQuotes", {"symbols": ["X"], "live": True}, error=True)
    assert error.code == "SOAP_REPLY_INVALID"
    assert "references" in str(error)


@pytest.fixture
async def pauses():
    """How much CPU the loop's own thread took at most between two turns of the loop, in seconds."""

    async def longest(work):
        found, stop = 0.0, asyncio.Event()

        async def watch():
            nonlocal found
            last = time.thread_time()
            while not stop.is_set():
                await asyncio.sleep(0.002)
                found, last = max(found, time.thread_time() - last), time.thread_time()

        watching = asyncio.create_task(watch())
        await asyncio.sleep(0.01)
        result = await work
        await asyncio.sleep(0.01)
        stop.set()
        await watching
        return found, result

    return longest


LOADS = """
import asyncio, sys, threading
from zeebe_connectors import PermanentError
from zeebe_connectors.connectors.soap.connector import call
from zeebe_connectors.testing import Fail, run

class Spy:
    def find_spec(self, name, path=None, target=None):
        if name in {"zeep", "lxml", "cryptography"}:
            print(name, threading.current_thread() is not threading.main_thread())

sys.meta_path.insert(0, Spy())
certificate = {"certificateType": "single", "certificate": "c", "privateKey": "k"}
signature = {"authentication": "signature", "certificate": certificate}
body = {"type": "json", "json": {"a": 1}}
asyncio.run(run(call, {"serviceUrl": "http://127.0.0.1:1/", "body": body, "authentication": signature}))
asyncio.run(run(call, {"body": {"type": "operation", "wsdl": "http://127.0.0.1:1/", "operation": "o"}}))
"""


async def test_libraries_are_loaded_beside_the_loop():
    """The first job does not make the others wait for zeep."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", LOADS, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert sorted(output.decode().splitlines()) == ["cryptography True", "lxml True", "zeep True"]


LINES = [{"@article": f"A{number}", "@count": 2, "$content": "line"} for number in range(60_000)]


async def test_a_large_reply_leaves_the_loop_free(serve, server, pauses):
    """A reply of megabytes is read beside the loop, which goes on meanwhile."""
    lines = "".join(f'<OrderLine article="A{number}" count="2">line</OrderLine>' for number in range(60_000))
    server.answer("/service", asmx_reply(f"<Quantity>1</Quantity><Lines>{lines}</Lines>"))
    call = serve("dotnet-asmx.wsdl")
    await call("PlaceOrder", {"express": True})
    longest, result = await pauses(call("PlaceOrder", {"express": True}))
    assert result["output"]["PlaceOrderResult"]["Lines"]["OrderLine"] == LINES
    assert longest < 0.3


@pytest.mark.parametrize("signed", [True, False])
async def test_a_large_request_leaves_the_loop_free(serve, server, pair, pauses, signed):
    """A request of megabytes is written, and signed, beside the loop."""
    server.answer("/service", asmx_reply("<Quantity>1</Quantity>"))
    call = serve("dotnet-asmx.wsdl")
    await call("PlaceOrder", {"express": True})
    certificate = {"certificateType": "single", "certificate": pair.pem, "privateKey": pair.key_pem()}
    security = {"authentication": {"authentication": "signature", "certificate": certificate}} if signed else {}
    order = {**ORDER, "Lines": {"OrderLine": LINES}}
    longest, _ = await pauses(call("PlaceOrder", {"order": order, "express": True}, **security))
    assert len(server.found("//n:OrderLine", n=ASMX)) == len(LINES)
    assert longest < 0.3


async def test_types_without_end(soap, server):
    """A group that holds itself does not hang the runtime."""
    data = (
        (FOLDER / "choices.wsdl")
        .read_bytes()
        .replace(
            b'<xsd:choice><xsd:element name="mail"',
            b'<xsd:choice><xsd:group ref="tns:Contact"/><xsd:element name="mail"',
        )
    )
    error = await refused_wsdl(soap, server, data)
    assert error.code == "SOAP_WSDL_INVALID"


async def test_unreachable_wsdl(soap, server):
    """A WSDL that is not there is told by its address, and tried again."""
    body = {"type": "operation", "wsdl": server.url("/gone?key=secret"), "operation": "o"}
    error = await soap.error(server.url("/"), body=body)
    assert error.code == "SOAP_WSDL_UNREACHABLE"
    assert "404" in str(error)
    assert "secret" not in str(error)


async def test_reply_of_another_operation(serve, server):
    """A reply that is not the operation's is told."""
    server.answer("/service", reply("<Other/>"))
    error = await serve("dotnet-asmx.wsdl")("PlaceOrder", {"express": True}, error=True)
    assert error.code == "SOAP_REPLY_INVALID"
    assert "Other" in str(error)


async def test_allowed_directory_holds_for_imports(soap, server, tmp_path):
    """A file's import may not leave the allowed directory."""
    (tmp_path / "secret.xsd").write_text("x")
    (soap.files / "x.wsdl").write_bytes(importing("../secret.xsd"))
    body = {"type": "operation", "wsdl": "x.wsdl", "operation": "o"}
    error = await soap.error(server.url("/"), body=body)
    assert error.code == "FILE_FORBIDDEN"
    assert AllowedFiles([soap.files]).resolve("x.wsdl", field="x").exists()


@pytest.mark.parametrize(("text", "names", "small"), [("1 2 3", 3, True), ("1 " * 501, 3, False), ("1", 501, False)])
def test_short_replies_that_are_much_json(text, names, small):
    """Lists in one text, and lists of what is absent, are values that the length of a reply does not show."""
    fields = [Field(f"n{number}", f"n{number}", Simple("string"), 0, None) for number in range(names)]
    kind = Complex("C", content=Group("sequence", [*fields, Field("l", "l", Simple("int", items=Simple("int")))]))
    kind.fields = {item.name: item for item in kind.content.walk()}
    reader = Reader()
    found = reader.value(kind, etree.fromstring(f"<c><l>{text}</l></c>"))
    assert found == {f"n{number}": [] for number in range(names)} | {"l": [int(item) for item in text.split()]}
    assert reader.is_small() is small
