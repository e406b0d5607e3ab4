"""What the connector does with a real CoAP server: methods, formats, blocks, refusals, lost datagrams, DTLS."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
from datetime import UTC, datetime
from importlib.util import find_spec

import cbor2
import pytest
from aiocoap import NON
from aiocoap.credentials import CredentialsMap
from tests.servers.coapd import BYTES, CBOR, JSON, TEXT, CoapServer, Losing
from tests.servers.ports import free_port

from zeebe_connectors import InputError, PermanentError
from zeebe_connectors.connectors.coap import connector
from zeebe_connectors.connectors.coap.connector import ask, dtls_credentials
from zeebe_connectors.connectors.coap.content import decoded, encoded, links, media_type
from zeebe_connectors.connectors.coap.model import KeyLogin
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.document import Document
from zeebe_connectors.testing import Complete, Fail, run


class Place:
    """A device, and jobs on it."""

    def __init__(self, directory, server, **inputs):
        self.server = server
        self.inputs = {"host": "127.0.0.1", "port": server.port, "timeout": 5, **inputs}
        self.clients = ClientCache()
        self.documents = LocalDocuments(directory)

    async def job(self, operation, **inputs):
        return await run(
            ask,
            {**self.inputs, "operation": operation, **inputs},
            clients=self.clients,
            documents=self.documents,
            result_variable="done",
            seconds=60,
        )

    async def do(self, operation, **inputs):
        outcome = await self.job(operation, **inputs)
        assert isinstance(outcome, Complete), outcome
        return outcome.variables["done"]

    async def fails(self, operation, **inputs):
        outcome = await self.job(operation, **inputs)
        assert isinstance(outcome, Fail), outcome
        return outcome


@pytest.fixture
async def place(tmp_path):
    async with CoapServer() as server:
        made = Place(tmp_path, server)
        yield made
        await made.clients.aclose()


async def test_methods(place):
    done = await place.do("get", path="/thing")
    assert (done["code"], done["body"], done["contentFormat"], done["size"]) == ("2.05", "20.5", TEXT, 4)
    assert (await place.do("put", path="thing", content="21", contentFormat="text"))["code"] == "2.04"
    assert place.server.thing.payload == b"21"
    done = await place.do("post", path="thing", content={"a": 1}, query={"unit": "C", "x": [1, True]})
    assert (done["code"], done["location"]) == ("2.01", "/things/3")
    last = place.server.thing.requests[-1]
    assert (last.payload, int(last.opt.content_format)) == (b'{"a":1}', JSON)
    assert last.opt.uri_query == ("unit=C", "x=1", "x=true")
    assert (await place.do("delete", path="thing"))["code"] == "2.02"


async def test_formats(place):
    value = {"t": 20.5, "ok": True, "list": [1, None, "ü"]}
    await place.do("put", path="thing", content=value, contentFormat="cbor")
    assert cbor2.loads(place.server.thing.payload) == value
    assert (await place.do("get", path="thing"))["body"] == value
    await place.do("put", path="thing", content=json.dumps(value), contentFormat="json")
    assert (await place.do("get", path="thing"))["body"] == value
    await place.do("put", path="thing", content=base64.b64encode(b"\0\xff").decode(), contentFormat="bytes")
    done = await place.do("get", path="thing")
    assert (done["body"], done["contentFormat"], done["document"]["metadata"]["size"]) == (None, BYTES, 2)
    assert (await place.do("get", path="thing", readAs="base64"))["body"] == "AP8="
    place.server.thing.payload, place.server.thing.number = b"{no json", JSON
    fail = await place.fails("get", path="thing")
    assert (fail.code, fail.retries) == ("COAP_CONTENT_INVALID", 0)
    assert (await place.do("get", path="thing", readAs="text"))["body"] == "{no json"
    for given in ({"contentFormat": "json", "content": "{"}, {"contentFormat": "bytes", "content": "?"}):
        assert (await place.fails("put", path="thing", **given)).code == "COAP_CONTENT_INVALID"


def test_cbor_of_every_kind():
    value, _ = decoded(
        cbor2.dumps({1: b"\0", "d": datetime(2026, 1, 2, tzinfo=UTC), "u": cbor2.undefined}), CBOR, "auto"
    )
    assert value["1"] == "AA=="
    assert value["d"].startswith("2026-01-02T00:00:00")
    for bomb in (b"\x81" * 5000 + b"\x00", b"\xff", b"\x5b" + b"\xff" * 8):
        with pytest.raises(Exception, match="cbor"):
            decoded(bomb, CBOR, "auto")


@pytest.mark.parametrize(
    ("data", "number", "want"),
    [
        ("f7", CBOR, None),
        ("a16161f7", CBOR, {"a": None}),
        ("f97e00", CBOR, "NaN"),
        ("fb7ff0000000000000", CBOR, "Infinity"),
        ("f9fc00", CBOR, "-Infinity"),
        ("f93c00", CBOR, 1.0),
        ("1b7fffffffffffffff", CBOR, 2**63 - 1),
        ("1bffffffffffffffff", CBOR, "18446744073709551615"),
        ("c349010000000000000000", CBOR, "-18446744073709551617"),
        ("c48221196ab3", CBOR, "273.15"),
        ("d904d2f6", CBOR, None),
        ("d82363616263", CBOR, "abc"),
        ("f8ff", CBOR, 255),
        ("a1820102f5", CBOR, {"[1, 2]": True}),
        ("a1f601", CBOR, {"null": 1}),
        ("a1410101", CBOR, {"AQ==": 1}),
        ("010261 61".replace(" ", ""), 63, [1, 2, "a"]),
        ("", 63, []),
        ("8100", 11544, [0]),
        ("5b315d", 11543, [1]),
        ("5b315d", 432, [1]),
    ],
)
def test_values_that_json_has_nothing_for(data, number, want):
    value, is_document = decoded(bytes.fromhex(data), number, "auto")
    assert (value, is_document) == (want, False)


@pytest.mark.parametrize(
    ("data", "number"),
    [(b"\x01\x02", CBOR), (b"\xa1", CBOR), (b"", CBOR), (b"NaN", 50), (b"[-Infinity]", 50), (b"\xff", 0)],
)
def test_what_is_not_what_it_says(data, number):
    """Two items where one is announced are not read as the first alone."""
    with pytest.raises(PermanentError, match="choose another readAs") as caught:
        decoded(data, number, "auto")
    assert caught.value.code == "COAP_CONTENT_INVALID"


@pytest.mark.parametrize("number", [11050, 11060, 42, 65000, 10001])
def test_formats_that_are_no_text_become_documents(number):
    """Compressed JSON is none, and what the registry does not know is bytes."""
    assert decoded(b"{}", number, "auto") == (None, True)


@pytest.mark.parametrize("kind", ["text", "json", "cbor"])
def test_half_a_character_is_not_sent(kind):
    with pytest.raises(InputError, match="half of a character"):
        encoded({"a": "\ud800"} if kind != "text" else "\ud800", kind)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ('</a>;title="a, b; c <d>",</b>;ct=40', [{"path": "/a", "title": "a, b; c <d>"}, {"path": "/b", "ct": "40"}]),
        ("</a>;;rt=x;", [{"path": "/a", "rt": "x"}]),
        ("</a> ; rt = x ,\r\n</b,c>", [{"path": "/a", "rt": "x"}, {"path": "/b,c"}]),
        ('</a>;title="q\\"uo\\\\te";obs', [{"path": "/a", "title": 'q"uo\\te', "obs": True}]),
        ("no link", []),
    ],
)
def test_links(text, want):
    assert links(text) == want


async def test_blocks_both_ways(place):
    data = os.urandom(20_000)
    document = await place.documents.create(data, name="firmware.bin")
    await place.do("put", path="thing", content=dict(document.reference))
    assert place.server.thing.payload == data
    done = await place.do("get", path="thing", readAs="document")
    assert (await place.documents.read(Document(done["document"]), seconds=5)).data == data
    fail = await place.fails("get", path="thing", maxBytes=10_000)
    assert (fail.code, fail.retries) == ("COAP_TOO_LARGE", 0)


async def test_no_more_blocks_are_fetched_than_fit(place):
    place.server.thing.payload = os.urandom(40_000)
    async with Losing(place.server.port, 0, seed=1) as proxy:
        fail = await place.fails("get", path="thing", maxBytes=4_000, port=proxy.port)
    assert (fail.code, fail.retries) == ("COAP_TOO_LARGE", 0)
    assert proxy.passed < 20, "all would be forty blocks, each asked for and answered"
    assert (await place.do("get", path="thing", readAs="base64", maxBytes=40_000))["size"] == 40_000


async def test_discovery(place):
    found = (await place.do("discover"))["links"]
    thing = next(one for one in found if one["path"] == "/thing")
    assert (thing["rt"], thing["title"]) == ("thing", 'a "thing", really')
    assert links('</a>;obs;rt="x y",</b>;ct=40') == [
        {"path": "/a", "obs": True, "rt": "x y"},
        {"path": "/b", "ct": "40"},
    ]


@pytest.mark.parametrize(
    ("code", "want", "retries"),
    [
        ("BAD_REQUEST", "COAP_BAD_REQUEST", 0),
        ("UNAUTHORIZED", "COAP_FORBIDDEN", 0),
        ("NOT_FOUND", "COAP_NOT_FOUND", 0),
        ("METHOD_NOT_ALLOWED", "COAP_METHOD_NOT_ALLOWED", 0),
        ("UNSUPPORTED_CONTENT_FORMAT", "COAP_FORMAT_REFUSED", 0),
        ("CONFLICT", "COAP_CONFLICT", 0),
        ("SERVICE_UNAVAILABLE", "COAP_BUSY", 2),
        ("INTERNAL_SERVER_ERROR", "COAP_SERVER_ERROR", 2),
    ],
)
async def test_refusals(place, code, want, retries):
    fail = await place.fails("get", path="fail", query={"code": code})
    assert (fail.code, fail.retries) == (want, retries)
    assert json.loads(json.dumps(fail.variables))["error"]["variables"]["diagnostic"] == "diagnostic words"
    assert "diagnostic" not in fail.message


async def test_silence(place):
    fail = await place.fails("get", path="silent", timeout=0.5)
    assert (fail.code, fail.retries) == ("COAP_TIMEOUT", 2)
    fail = await place.fails("post", path="silent", timeout=0.5)
    assert (fail.code, fail.retries) == ("COAP_TIMEOUT", 0)
    assert "may have carried it out" in fail.message


async def test_nobody_there(place):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        silent = unused.getsockname()[1]
        fail = await place.fails("get", port=silent, timeout=0.5)
    assert (fail.code, fail.retries) == ("COAP_TIMEOUT", 2)
    fail = await place.fails("get", port=free_port(socket.SOCK_DGRAM), timeout=3)
    assert (fail.code, fail.retries) == ("COAP_UNREACHABLE", 2)
    fail = await place.fails("get", host="no-such-host.invalid", timeout=3)
    assert (fail.code, fail.retries) == ("COAP_NAME_NOT_RESOLVED", 0)


@pytest.mark.parametrize("path", ["../x", "a/../b", "x" * 300])
async def test_paths_that_are_refused(place, path):
    fail = await place.fails("get", path=path)
    assert (fail.code, fail.retries) == ("INVALID_INPUT", 0)


async def test_forbidden_host(place, monkeypatch):
    monkeypatch.setenv("CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ENABLED", "true")
    fail = await place.fails("get", path="thing")
    assert (fail.code, fail.retries) == ("HOST_FORBIDDEN", 0)


async def test_not_confirmable(place):
    done = await place.do("post", path="thing", content="x", contentFormat="text", confirmable=False)
    assert done["code"] == "2.01"
    assert place.server.thing.requests[-1].mtype == NON


@pytest.mark.parametrize(("share", "least"), [(0.2, 11), (0.4, 8)])
async def test_lost_datagrams(place, monkeypatch, share, least):
    """Every request is carried out once, or ends with its error and was carried out once at most."""
    monkeypatch.setattr(connector, "_ACK_TIMEOUT", 0.05)  # repeated sooner: on loopback no answer takes a second
    async with Losing(place.server.port, share, seed=7) as proxy:
        outcomes = await asyncio.gather(
            *(
                place.job("post", path="thing", content=str(n), contentFormat="text", port=proxy.port, timeout=30)
                for n in range(12)
            )
        )
    bodies = [bytes(request.payload).decode() for request in place.server.thing.requests]
    assert proxy.lost > 2
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, Complete):
            assert bodies.count(str(number)) == 1
        else:
            assert (outcome.code, outcome.retries) == ("COAP_TIMEOUT", 0)
            assert bodies.count(str(number)) <= 1
    assert sum(isinstance(outcome, Complete) for outcome in outcomes) >= least


@pytest.mark.parametrize("share", [0.2, 0.4])
async def test_lost_blocks(place, monkeypatch, share):
    """Content in blocks arrives whole, once, or the task ends with a typed error and the content is as before."""
    monkeypatch.setattr(connector, "_ACK_TIMEOUT", 0.1)
    thing = place.server.thing
    data = "".join(f"{number:06}" for number in range(2000))
    given = {"path": "thing", "timeout": 30}
    async with Losing(place.server.port, share, seed=3) as proxy:
        put = await place.job("put", content=data, contentFormat="text", port=proxy.port, **given)
        if isinstance(put, Fail):
            assert (put.code, put.retries) == ("COAP_TIMEOUT", 2)
        assert thing.payload in ({data.encode()} if isinstance(put, Complete) else {data.encode(), b"20.5"})
        thing.payload, thing.number = data.encode(), TEXT
        get = await place.job("get", port=proxy.port, **given)
        assert get.variables["done"]["body"] == data if isinstance(get, Complete) else get.code == "COAP_TIMEOUT"
        thing.requests.clear()
        post = await place.job("post", content=data, contentFormat="text", port=proxy.port, **given)
        bodies = [bytes(request.payload).decode() for request in thing.requests]
        assert bodies == [data] if isinstance(post, Complete) else bodies in ([], [data])
        assert proxy.lost > 10
    assert share > 0.2 or all(isinstance(one, Complete) for one in (put, get, post))


@pytest.fixture
def libcoap():
    """Libcoap's own server, in clear and with PSK (gateway-1, sesame12)."""
    program = shutil.which("coap-server-gnutls") or shutil.which("coap-server-openssl")
    missing = "libcoap's server is not installed (Debian: libcoap3-bin)" if program is None else ""
    if not missing and find_spec("DTLSSocket") is None:
        missing = "DTLSSocket is not installed: pip install 'zeebe-connectors[coaps]' (needs autoconf, libtool and gcc)"
    if missing:
        if os.environ.get("SERVERS"):
            pytest.fail(missing)
        pytest.skip(missing)
    port = free_port(socket.SOCK_DGRAM)
    command = [program, "-A", "127.0.0.1", "-p", str(port), "-d", "100", "-k", "sesame12", "-h", "hint", "-v", "3"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield port
        process.terminate()


@pytest.mark.servers
@pytest.mark.filterwarnings("ignore:DTLS module did not shut down")  # the library's own end, which helps itself
async def test_libcoap_in_clear_and_with_a_key(libcoap, tmp_path):
    class Server:
        port = libcoap

    login = {"type": "psk", "identity": "gateway-1", "key": "sesame12"}
    clear = Place(tmp_path, Server, timeout=10)
    for _ in range(50):
        with contextlib.suppress(AssertionError):
            assert (await clear.do("get", path="time"))["body"]
            break
        await asyncio.sleep(0.1)
    paths = [one["path"] for one in (await clear.do("discover"))["links"]]
    assert "/time" in paths or "time" in [path.strip("/") for path in paths]
    secured = Place(tmp_path, Server, protocol="coaps", port=libcoap + 1, authentication=login, timeout=10)
    assert (await secured.do("get", path="time"))["body"]
    data = base64.b64encode(os.urandom(5000)).decode()
    await secured.do("put", path="big", content=data, contentFormat="text")
    assert (await secured.do("get", path="big", readAs="text"))["body"] == data
    hexed = {**login, "key": "hex:" + b"sesame12".hex()}
    assert (await secured.do("get", path="time", authentication=hexed))["body"]
    for wrong in ({**login, "key": "canary-1"},):
        fail = await secured.fails("get", path="time", authentication=wrong, timeout=3)
        assert fail.code == "COAP_TIMEOUT"
        assert "identity and key" in fail.message
        assert "canary" not in fail.message
    await clear.clients.aclose()
    await secured.clients.aclose()


async def test_coaps_needs_a_key(place):
    fail = await place.fails("get", protocol="coaps")
    assert (fail.code, fail.retries) == ("INVALID_INPUT", 0)
    fail = await place.fails("get", authentication={"type": "psk", "identity": "a", "key": "b"})
    assert (fail.code, fail.retries) == ("INVALID_INPUT", 0)


@pytest.mark.parametrize(
    ("number", "kind", "sent"),
    [
        (0, "text/plain; charset=utf-8", "text/plain"),
        (22, "image/jpeg", "image/jpeg"),
        (50, "application/json", "application/json; charset=utf-8"),
        (112, "application/senml+cbor", "application/senml+cbor"),
        (42, "application/octet-stream", "application/x-nobody-knows"),
    ],
)
async def test_documents_keep_their_type(place, number, kind, sent):
    document = await place.documents.create(b"20", name="x", content_type=sent)
    await place.do("put", path="thing", content=dict(document.reference))
    assert int(place.server.thing.number) == number
    done = await place.do("get", path="thing", readAs="document")
    assert done["document"]["metadata"]["contentType"] == kind


@pytest.mark.parametrize("number", [None, 65000, 11050])
def test_formats_without_a_type_are_bytes(number):
    assert media_type(number) == "application/octet-stream"


@pytest.mark.parametrize(
    ("identity", "key", "want"),
    [
        ("gateway-1", "sesame12", (b"gateway-1", b"sesame12")),
        ("Gerät ☂", "schlüssel", ("Gerät ☂".encode(), "schlüssel".encode())),
        ("g", "hex:00 ff", (b"g", b"\x00\xff")),
        ("g", "hex:", (b"g", b"")),
    ],
)
def test_identity_and_key_are_utf_8(identity, key, want):
    login = KeyLogin(type="psk", identity=identity, key=key)
    known = CredentialsMap()
    known.load_from_dict({"coaps://device/*": dtls_credentials(login)})
    assert known["coaps://device/*"].as_dtls_psk() == want


@pytest.mark.parametrize(
    ("given", "field"),
    [({"path": "ü" * 128}, "path"), ({"path": "a", "query": {"x": "ü" * 128}}, "query")],
)
async def test_what_no_option_carries(place, given, field):
    fail = await place.fails("get", **given)
    assert (fail.code, fail.message.partition(":")[0]) == ("INVALID_INPUT", field)


async def test_a_host_is_named_in_small_letters(place):
    await place.do("get", path="thing", host="LocalHost")
    assert place.server.thing.requests[-1].opt.uri_host == "localhost"


@pytest.mark.parametrize("content", ["NaN", '{"a": -Infinity}', '{"a": 1e999}'])
async def test_what_json_does_not_know_is_not_sent(place, content):
    assert (await place.fails("put", path="thing", content=content)).code == "COAP_CONTENT_INVALID"
    assert not place.server.thing.requests


async def test_numbers_and_characters_that_variables_do_not_hold(place):
    place.server.thing.payload = b'{"a": [1e999, 12345678901234567890, 1.5, true], "\\ud800": "x\\udc00"}'
    place.server.thing.number = JSON
    want = {"a": ["Infinity", "12345678901234567890", 1.5, True], "\ufffd": "x\ufffd"}
    assert (await place.do("get", path="thing"))["body"] == want


async def test_an_empty_resource(place):
    place.server.thing.payload = b""
    assert (await place.do("get", path="thing", readAs="text"))["body"] == ""
    done = await place.do("get", path="thing", readAs="document")
    assert (await place.documents.read(Document(done["document"]), seconds=5)).data == b""
    assert (await place.do("put", path="thing", content="1", readAs="document"))["document"] is None


@pytest.mark.parametrize("host", ["::1", "[::1]"])
async def test_an_address_of_ipv6(tmp_path, host):
    async with CoapServer("::1") as server:
        place = Place(tmp_path, server, host=host)
        assert (await place.do("get", path="thing"))["body"] == "20.5"
        await place.clients.aclose()
