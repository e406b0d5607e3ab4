"""Against Apache CXF: what another implementation of the standards makes of our messages, and we of its."""

import asyncio
from urllib.request import urlopen

import pytest
from tests.servers.cxf import CxfServer, CxfUnavailable

from zeebe_connectors import Document

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
NS = "http://test.example/orders"


@pytest.fixture(scope="module")
def cxf(tmp_path_factory, make_pair, authority, pair):
    server = CxfServer(tmp_path_factory.mktemp("cxf"), [authority.certificate, pair.certificate], _identity(make_pair))
    try:
        server.start()
    except CxfUnavailable as error:
        pytest.skip(str(error))
    yield server
    server.stop()


SERVER = {}


def _identity(make_pair):
    SERVER["pair"] = make_pair("server")
    return SERVER["pair"].key, SERVER["pair"].certificate


@pytest.fixture
def operation(cxf, soap):
    async def called(path, name, values, *, error=False, headers=None, **inputs):
        body = {"type": "operation", "wsdl": cxf.url(f"{path}?wsdl"), "operation": name, "input": values}
        body["headers"] = headers or {}
        return await (soap.error if error else soap)(body=body, **inputs)

    return called


ORDER = {
    "id": "7 < 8",
    "qty": 2,
    "price": "1.10",
    "status": "PAID",
    "tags": ["a", "b"],
    "items": [{"@count": 1, "name": "pen"}, {"@type": "gift", "@count": 2, "name": "book", "card": "hé"}],
    "when": "2025-12-31T10:00:00Z",
    "note": None,
}


@pytest.mark.parametrize("path", ["/orders", "/orders12"])
async def test_typed_operation(operation, path):
    """Lists, attributes, derived types, decimals, enumerations, dates and nil pass through in both versions."""
    result = (await operation(path, "place", {"order": ORDER}))["output"]["return"]
    assert result.pop("when").startswith("2025-12-31T1")
    assert result == {
        "id": "7 < 8",
        "qty": 2,
        "price": 1.1,
        "status": "PAID",
        "tags": ["a", "b", "placed"],
        "items": [{"@count": 1, "name": "pen"}, {"@type": "gift", "@count": 2, "name": "book", "card": "hé"}],
        "note": None,
    }


@pytest.mark.parametrize("path", ["/orders", "/orders12"])
async def test_fault(operation, path):
    """A declared fault comes with its detail."""
    error = await operation(path, "place", {"order": {**ORDER, "qty": 101}}, error=True)
    assert error.code == "SOAP_FAULT_RECEIVED"
    assert error.variables["fault"]["reason"] == "only 100"
    detail = error.variables["fault"]["detail"]["NoStock"]
    assert "100" in str(detail)


async def test_rpc_literal(operation):
    """An rpc/literal service is called."""
    assert (await operation("/calc", "add", {"a": 2, "b": 40}))["output"] == {"return": 42}
    result = await operation("/calc", "same", {"order": ORDER})
    assert result["output"]["return"]["items"][1]["card"] == "hé"


@pytest.mark.parametrize(("how", "then"), [({"card": "4711"}, {"card": "4711"}), ({"cents": "5"}, {"cents": 6})])
async def test_document_literal_bare(operation, how, then):
    """A bare service with a choice, a date and base64: the chosen element goes out and comes back."""
    given = {**how, "day": "2025-12-31", "proof": "AAEC"}
    assert (await operation("/bare", "pay", given))["output"] == {**then, "day": "2025-12-31", "proof": "AAEC"}
    error = await operation("/bare", "pay", {"card": "4711", "cents": 5}, error=True)
    assert "takes only one of card, cents" in str(error)


async def test_headers(operation):
    """JAX-WS takes the headers that its WSDL names, and we its own."""
    session = {"session": {"user": "ann <a>", "@tenant": 7}}
    result = await operation("/sessions", "who", {"text": "four"}, headers=session)
    assert result == {"output": {"return": "ann <a> of 7"}, "header": {"length": 4}}
    assert (await operation("/sessions", "who", {"text": "four"}))["output"] == {"return": "nobody"}


def _read(url):
    with urlopen(url) as document:
        return document.read()


async def test_several_schema_files(operation, cxf):
    """A contract whose schemas import and include one another, in two namespaces, each read from the service."""
    good = {"@stock": 3, "name": "pen", "price": "0.50"}
    result = await operation("/catalog", "find", {"word": "any", "like": good})
    assert result["output"] == {"return": [{"@stock": 3, "name": "any like pen", "price": 1.5}] * 2}
    text = await asyncio.to_thread(_read, cxf.url("/catalog?wsdl"))
    assert b"xsd=" in text
    assert b"complexType" not in text


@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_envelope(cxf, soap, version):
    """The envelope-driven way works in both versions."""
    result = await soap(
        cxf.url("/orders" if version == "1.1" else "/orders12"),
        soapVersion={"version": version},
        body={"type": "template", "template": "<o:echo><text>{{t}}</text></o:echo>", "context": {"t": "a<b"}},
        namespaces={"o": NS},
    )
    assert result["Envelope"]["Body"]["echoResponse"]["return"] == "echo:a<b"


@pytest.mark.parametrize("size", [100_000, 10_000_000])
async def test_large(operation, size):
    """100 kB and 10 MB replies."""
    assert len((await operation("/orders", "text", {"size": size}))["output"]["return"]) == size


async def test_mtom(operation, soap):
    """CXF's MTOM reply becomes a document."""
    result = await operation("/mtom", "blob", {"data": "AAEC" * 4000})
    content = await soap.documents.read(Document(result["output"]["return"]), seconds=5)
    assert content.data == b"\x00\x01\x02" * 4000


@pytest.mark.parametrize(
    ("path", "encoded", "timestamp"),
    [("/untext", "No", None), ("/passwordtext", "No", 60), ("/passworddigest", "Yes", 60)],
)
async def test_username_token(operation, path, encoded, timestamp):
    """WSS4J accepts our tokens, and refuses a wrong password."""
    token = {
        "authentication": "usernameToken",
        "username": "alice",
        "password": "secret",
        "encoded": encoded,
        "timestamp": timestamp,
    }
    result = await operation(path, "echo", {"text": "x"}, authentication=token)
    assert result["output"] == {"return": "echo:x"}
    error = await operation(path, "echo", {"text": "x"}, authentication={**token, "password": "no"}, error=True)
    assert error.code == "SOAP_FAULT_RECEIVED"


async def test_addressing(operation):
    """A service that demands WS-Addressing takes ours, and refuses a message without."""
    result = await operation("/addressed", "echo", {"text": "x"}, addressing=True)
    assert result["output"] == {"return": "echo:x"}
    assert "RelatesTo" in result["header"]
    error = await operation("/addressed", "echo", {"text": "x"}, error=True)
    assert error.code == "SOAP_FAULT_RECEIVED"


def signing(pair, **more):
    certificate = {"certificateType": "single", "certificate": pair.pem, "privateKey": pair.key_pem()}
    return {"authentication": "signature", "certificate": certificate, "timestamp": 60, **more}


async def test_signed(operation, pair, make_pair):
    """WSS4J verifies our signature, and refuses a stranger's."""
    assert (await operation("/signed", "echo", {"text": "x"}, authentication=signing(pair)))["output"]
    stranger = signing(make_pair("stranger"))
    assert (await operation("/signed", "echo", {"text": "x"}, authentication=stranger, error=True)).code == (
        "SOAP_FAULT_RECEIVED"
    )


async def test_signed_reply(operation, pair, make_pair):
    """We verify WSS4J's signature, and refuse it when somebody else is trusted, or when there is none."""
    good = signing(pair, verifyReply=True, trustedCertificates=SERVER["pair"].pem)
    assert (await operation("/signing", "echo", {"text": "x"}, authentication=good))["output"] == {"return": "echo:x"}
    bad = signing(pair, verifyReply=True, trustedCertificates=make_pair("other").pem)
    error = await operation("/signing", "echo", {"text": "x"}, authentication=bad, error=True)
    assert error.code == "SOAP_SIGNATURE_INVALID"
    error = await operation("/signed", "echo", {"text": "x"}, authentication=good, error=True)
    assert "not signed" in str(error)
