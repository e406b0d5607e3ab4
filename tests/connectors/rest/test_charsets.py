"""Character sets and content codings both ways, and servers that do not keep to HTTP."""

import asyncio
import codecs
import gzip
import json
import random
import time
import zlib

import brotli
import pytest

from zeebe_connectors.testing.servers import Reply
from zeebe_connectors.web.codings import unpacked

try:
    from compression import zstd
except ModuleNotFoundError:
    from backports import zstd

VALUE = {"name": "Größe €"}
TEXT = json.dumps(VALUE, ensure_ascii=False)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("application/json; charset=ISO-8859-1", '{"name": "Größe"}'.encode("latin-1")),
        ("application/json;charset='iso-8859-1'", '{"name": "Größe"}'.encode("latin-1")),
        ("application/json; charset=ISO-8859-1", TEXT.encode("cp1252")),
        ('application/json; Charset="windows-1252"', TEXT.encode("cp1252")),
        ("application/json; charset=iso-8859-15", TEXT.encode("iso-8859-15")),
        ("application/json; charset=utf-16", TEXT.encode("utf-16")),
        ("application/json; charset=utf-16", TEXT.encode("utf-16-le")),
        ("application/json; charset=UTF-16BE", TEXT.encode("utf-16-be")),
        ("application/json; charset=utf-32", TEXT.encode("utf-32")),
        ("application/json", codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be")),
        ("application/json", codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le")),
        ("application/json", TEXT.encode("utf-16-le")),
        ("application/json", TEXT.encode("utf-16-be")),
        ("application/json", TEXT.encode("utf-32-be")),
        ("application/json; charset=utf-8", codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le")),
        ("application/json; charset=ISO-8859-1", codecs.BOM_UTF8 + TEXT.encode()),
        ("application/json; charset=no-such-set", TEXT.encode()),
        ("application/json; charset=rot13", TEXT.encode()),
        ("application/json; charset=", TEXT.encode()),
        ("application/json; charset=idna", TEXT.encode()),
        ("application/json; charset=punycode", TEXT.encode()),
        ("application/json; charset=undefined", TEXT.encode()),
        ("application/json; charset=unicode_escape", TEXT.encode()),
        ("application/json; charset=windows-1252, text/html", TEXT.encode("cp1252")),
        ("application/json; charset*=us-ascii''windows-1252", TEXT.encode("cp1252")),
        (None, TEXT.encode()),
    ],
)
@pytest.mark.parametrize("choice", ["AUTO", "JSON", "TEXT"])
async def test_json(rest, server, kind, data, choice):
    """The mark, the header's charset, the zero bytes, UTF-8: in this order; unknown names are passed over."""
    server.answer("/", Reply(200, data, [("Content-Type", kind)] if kind else []))
    body = (await rest(server.url(), documentReturnFormat={"choice": choice}))["body"]
    value = json.loads(body) if choice == "TEXT" else body
    assert value["name"] in {"Größe €", "Größe"}
    assert value["name"].startswith("Größe")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("text/xml", '<?xml version="1.0" encoding="ISO-8859-15"?><a>Größe €</a>'.encode("iso-8859-15")),
        ("application/xml", "<?xml version='1.0' encoding='windows-1252' ?><a>Größe €</a>".encode("cp1252")),
        ("text/xml; charset=cp1252", '<?xml version="1.0" encoding="UTF-8"?><a>Größe €</a>'.encode("cp1252")),
        ("text/xml", '<?xml version="1.0" encoding="UTF-16"?><a>Größe €</a>'.encode("utf-16")),
        ("text/plain; charset=Shift_JIS", "表Größe €".encode("cp932", "ignore")),
        ("text/plain; charset=gb2312", "Größe € 镕".encode("gb18030")),
        ("text/plain; charset=windows-1251", "Größe € Привет".encode("cp1251", "ignore")),
    ],
)
async def test_text(rest, server, kind, data):
    """XML says it itself; the header counts more; sets are read as senders mean them."""
    server.answer("/", Reply(200, data, [("Content-Type", kind)]))
    text = (await rest(server.url()))["body"]
    assert "�" not in text
    assert "Gr" in text
    expected = {"Shift_JIS": "表", "gb2312": "镕", "windows-1251": "Привет"}
    assert next((value for name, value in expected.items() if name in kind), "Größe €") in text


async def test_the_modelers_encoding_counts_for_text(rest, server):
    """An encoding that is not the form's first one is the modeler's word."""
    server.answer("/", Reply(200, "é".encode("cp437"), [("Content-Type", "text/plain; charset=utf-8")]))
    result = await rest(server.url(), documentReturnFormat={"choice": "TEXT", "encoding": "cp437"})
    assert result["body"] == "é"
    for wrong in ("nonsense", "rot13", "hex"):
        error = await rest.error(server.url(), documentReturnFormat={"choice": "TEXT", "encoding": wrong})
        assert (error.code, "encoding" in error.message) == ("INVALID_INPUT", True)


async def test_a_refusals_body(rest, server):
    """What a service says in its refusal is read in its character set too."""
    data = '{"error": "Größe"}'.encode("latin-1")
    server.answer("/", Reply(400, data, [("Content-Type", "application/json; charset=ISO-8859-1")], "Bad"))
    assert (await rest.error(server.url())).variables["response"]["body"] == {"error": "Größe"}


@pytest.mark.parametrize(
    ("kind", "body", "sent"),
    [
        ("application/json; charset=ISO-8859-1", {"a": "ö"}, '{"a":"ö"}'.encode("latin-1")),
        ("application/json; charset=ISO-8859-1", {"a": "ö€"}, b'{"a":"\\u00f6\\u20ac"}'),
        ("application/json; charset=utf-16le", ["ö"], '["ö"]'.encode("utf-16-le")),
        ("application/json", {"a": "ö"}, '{"a":"ö"}'.encode()),
        ("text/plain; charset=cp1252", "ö€", "ö€".encode("cp1252")),
        ("text/plain; charset=win-1251", "Привет", "Привет".encode("cp1251")),
        ('text/plain; charset="x-sjis"', "日本", "日本".encode("cp932")),
        ("application/x-www-form-urlencoded; charset=ISO-8859-1", {"ä": "ö &"}, b"%E4=%F6+%26"),
        ("application/x-www-form-urlencoded", {"ä": "ö"}, b"%C3%A4=%C3%B6"),
    ],
)
async def test_requests(rest, server, kind, body, sent):
    """A body is written in the character set that its header names."""
    server.answer("*", Reply.json({}))
    await rest(server.url(), method="POST", headers={"Content-Type": kind}, body=body)
    assert (server.last.body, server.last.header("Content-Type")) == (sent, kind)


async def test_half_a_character(rest, server):
    """JSON from elsewhere may hold one; it is sent as JSON's escape or replaced, and refused where it is all."""
    server.answer("*", Reply.json({}))
    half = "\ud83d"
    await rest(server.url(), method="POST", queryParameters={"a": half}, headers={"X-A": half}, body={"a": half})
    assert dict(server.last.query) == {"a": "\ufffd"}
    assert server.last.header("X-A") == "\ufffd"
    assert json.loads(server.last.body) == {"a": half}
    assert "half of a character" in (await rest.error(server.url(), method="POST", body=half)).message


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
async def test_a_number_that_json_does_not_have(rest, server, number):
    error = await rest.error(server.url(), method="POST", body={"a": [number]})
    assert error.code == "INVALID_INPUT"
    assert server.connections == 0


async def test_headers_that_differ_in_capitals(rest, server):
    """Both are sent, as one header twice."""
    server.answer("*", Reply.json({}))
    await rest(server.url(), headers={"x-a": "1", "X-A": "2"})
    assert [value for name, value in server.last.headers if name.lower() == "x-a"] == ["1", "2"]


async def test_multipart_in_a_character_set(rest, server):
    """Text parts too."""
    server.answer("*", Reply.json({}))
    kind = "multipart/form-data; charset=ISO-8859-1; boundary=b"
    await rest(server.url(), method="POST", headers={"Content-Type": kind}, body={"a": "ö"})
    assert "ö".encode("latin-1") in server.last.body


@pytest.mark.parametrize("body", [{"a": "€"}, "€"])
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain"])
async def test_a_request_that_its_set_cannot_hold(rest, server, kind, body):
    """Characters that a set does not have are an input error, but in JSON, which can escape them."""
    server.answer("*", Reply.json({}))
    given = {"Content-Type": f"{kind}; charset=ISO-8859-1"}
    if isinstance(body, dict) and kind == "text/plain":
        await rest(server.url(), method="POST", headers=given, body=body)
        return
    assert (await rest.error(server.url(), method="POST", headers=given, body=body)).code == "INVALID_INPUT"
    wrong = {"Content-Type": f"{kind}; charset=none-such"}
    assert "none-such" in (await rest.error(server.url(), method="POST", headers=wrong, body=body)).message


def bare(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


CODINGS = {
    "gzip;q=1.0": gzip.compress,
    '"gzip"': gzip.compress,
    "none, gzip": gzip.compress,
    "deflate ": gzip.compress,
    "gzip  ": zlib.compress,
    "zstd ": lambda data: zstd.compress(data) + bytes(3),
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "X-GZIP": gzip.compress,
    "deflate": zlib.compress,
    "x-deflate": bare,
    "br": brotli.compress,
    "zstd": zstd.compress,
    "gzip, br": lambda data: brotli.compress(gzip.compress(data)),
    "zstd, x-gzip": lambda data: gzip.compress(zstd.compress(data)),
    "gzip, gzip": lambda data: gzip.compress(gzip.compress(data)),
    "gzip ": lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:]) + bytes(8),
    "identity": lambda data: data,
    "identity, br": brotli.compress,
}


@pytest.mark.parametrize("coding", CODINGS)
async def test_codings(rest, server, coding):
    """Every coding in use, by its older names and one over the other; the headers tell of none then."""
    server.answer("/", Reply(200, CODINGS[coding](TEXT.encode()), [("Content-Encoding", coding)]))
    result = await rest(server.url())
    assert result["body"] == VALUE
    assert coding == "identity" or "Content-Encoding" not in result["headers"]
    assert {"br", "zstd", "gzip"} <= set(server.last.header("Accept-Encoding").split(", "))


@pytest.mark.parametrize("transfer", [b"gzip, chunked", b"gzip"])
async def test_a_coding_of_the_transfer(rest, server, transfer):
    """A transfer that packs, though nobody asked for it, is unpacked."""
    packed = gzip.compress(TEXT.encode())
    if b"chunked" in transfer:
        packed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed)

    async def script(seen, reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + transfer + b"\r\n\r\n" + packed)
        await writer.drain()
        writer.close()

    server.script("/", script)
    assert (await rest(server.url()))["body"] == VALUE


async def test_a_refusal_that_is_not_coded_as_it_says(rest, server):
    """The status counts more than how its page was packed."""
    server.answer("/", Reply(404, b"<title>Not here</title>", [("Content-Encoding", "gzip")], "Not Found"))
    error = await rest.error(server.url())
    assert (error.code, error.variables["response"]["body"]) == ("404", "<title>Not here</title>")


@pytest.mark.parametrize("choice", ["AUTO", "JSON"])
async def test_a_byte_that_means_nothing(rest, server, choice):
    """It spoils one character, not the object that it stands in."""
    server.answer("/", Reply(200, b'{"name": "Gr\xf6\xdfe", "id": 1}', [("Content-Type", "application/json")]))
    assert (await rest(server.url(), documentReturnFormat={"choice": choice}))["body"] == {
        "name": "Gr\ufffd\ufffde",
        "id": 1,
    }
    server.answer("/", Reply(400, b'{"name": "Gr\xf6\xdfe"}', [("Content-Type", "application/json")], "Bad"))
    assert (await rest.error(server.url())).variables["response"]["body"] == {"name": "Gr\ufffd\ufffde"}


@pytest.mark.parametrize("status", [b"101 Switching Protocols", b"000 Nothing"])
async def test_a_status_that_ends_no_request(rest, server, status):
    async def script(seen, reader, writer):
        writer.write(b"HTTP/1.1 " + status + b"\r\nUpgrade: x\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server.script("/", script)
    error = await rest.error(server.url())
    assert (error.code, error.variables["reason"]) == ("500", "protocol")


async def test_a_reason_in_another_character_set(rest, server):
    """It is text that can be sent on; names of headers have no blanks."""

    async def script(seen, reader, writer):
        writer.write(b"HTTP/1.1 200  Gr\xf6\xdfe\r\nContent-Length : 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server.script("/", script)
    result = await rest(server.url())
    assert (result["reason"], list(result["headers"])) == ("Größe", ["Content-Length"])


async def test_an_unknown_coding(rest, server):
    """What nobody can unpack arrives as it is, and says so."""
    server.answer("/", Reply(200, b"abc", [("Content-Encoding", "compress")]))
    result = await rest(server.url())
    assert (result["body"], result["headers"]["Content-Encoding"]) == ("abc", "compress")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_what_stands_behind_a_whole_body_is_ignored(rest, server, coding):
    """Some servers end it with a line break, or fill it up."""
    for surplus in (b"\r\n", b"\0" * 700):
        server.answer("/", Reply(200, CODINGS[coding](TEXT.encode()) + surplus, [("Content-Encoding", coding)]))
        assert (await rest(server.url()))["body"] == json.loads(TEXT)


def test_the_end_of_brotli_costs_no_more_than_a_few_passes():
    """However much a body unpacks to: what follows it makes each try to find its end another pass."""
    plain = b"a" * 30_000_000 + random.Random(1).randbytes(300_000)
    packed = brotli.compress(plain, quality=2)

    def seconds(body):
        began = time.thread_time()
        assert unpacked(body, ["br"], 40_000_000) == plain
        return time.thread_time() - began

    once = seconds(packed)
    assert seconds(packed + b"\r\n") < 8 * once


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "br", "zstd", "deflate, gzip", "zstd, br"])
@pytest.mark.parametrize("part", ["cut", "none of it"])
async def test_broken_codings(rest, server, coding, part):
    """A body that is cut, or not coded as it says, is an error and never half a value."""
    data = CODINGS.get(coding, lambda data: gzip.compress(zlib.compress(data)))(b"[" + b"1," * 5000 + b"1]")
    broken = data[: len(data) // 2] if part == "cut" else b"plain text" * 3
    server.answer("/", Reply(200, broken, [("Content-Encoding", coding)]))
    error = await rest.error(server.url())
    assert error.code in {"500", "408"}
    assert error.variables["reason"] in {"protocol", "disconnected"}


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "br", "zstd", "gzip, gzip", "zstd, br", "identity, br"])
async def test_a_bomb(rest, server, coding, monkeypatch):
    """A body that unpacks to more than allowed is refused, whatever packs it."""
    monkeypatch.setenv("CONNECTOR_HTTP_CLIENT_MAX_BODY_SIZE", "1000000")
    packs = {**CODINGS, "zstd, br": lambda data: brotli.compress(zstd.compress(data))}
    server.answer("/", Reply(200, packs[coding](b" " * 30_000_000), [("Content-Encoding", coding)]))
    assert (await rest.error(server.url())).code == "RESPONSE_TOO_LARGE"


BODY = b'{"a": 1}'


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nContent-Length: 8\r\n\r\n", "Content-Length twice"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nContent-Length: 9\r\n\r\n", "Content-Length twice"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 8, 8\r\n\r\n", "Content-Length is not a number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -8\r\n\r\n", "Content-Length is not a number"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n",
            "Content-Length and Transfer-Encoding together",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 8\r\n\r\n8\r\n",
            "Content-Length and Transfer-Encoding together",
        ),
        (b"HTTP/1.1 200 OK\r\nX-A : canary-91\r\nContent-Length: 8\r\n\r\n", "blank before the colon"),
        (b"HTTP/1.1 200 OK\r\nX-A: canary\x00-91\r\nContent-Length: 8\r\n\r\n", "Invalid HTTP header"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ncanary-91\r\n", "chunk without its size"),
        (b"SSH-2.0-canary-91\r\n", "another protocol"),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", "Invalid status code"),
    ],
)
async def test_what_is_not_http(rest, server, head, words):
    """What the server did wrong and the parser's reason are in the message; what it sent is not."""

    async def script(seen, reader, writer):
        writer.write(head + BODY + b"\r\n0\r\n\r\n")
        await writer.drain()
        await reader.read()

    server.script("/", script)
    error = await rest.error(server.url(), readTimeoutInSeconds="5")
    assert (error.code, error.variables) == ("500", {"reason": "protocol"})
    assert words in error.message
    assert "canary" not in error.message
    assert "\n" not in error.message


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\nOK", 204, None),
        (
            b"HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n" + b'{"a":1}',
            204,
            None,
        ),
        (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 204, None),
        (b"HTTP/1.1 204 No Content\r\n\r\n" + b"x" * 100_000, 204, None),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", 304, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nstray", 200, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello world", 200, "hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"y" * 100_003, 200, "y" * 100_000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nmore", 200, "hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOKHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", 200, "OK"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK and more", 200, "OK"),
    ],
)
@pytest.mark.parametrize("pieces", ["one", "two"])
async def test_a_surplus_is_ignored(rest, server, answer, status, body, pieces):
    """As browsers and curl do: what was announced counts, and the connection is not used again."""
    in_one_piece = pieces == "one"

    async def script(seen, reader, writer):
        half = 0 if in_one_piece else answer.index(b"\r\n") - 3
        for part in (answer[:half], answer[half:]):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0 if in_one_piece else 0.01)
        await reader.read()

    server.script("/surplus", script)
    server.answer("/next", Reply.json({}))
    result = await rest(server.url("/surplus"), readTimeoutInSeconds="5")
    assert (result["status"], result["body"] or None) == (status, body)
    connections = server.connections
    assert (await rest(server.url("/next")))["status"] == 200
    assert server.connections == connections + 1


async def test_a_refusal_with_a_surplus_keeps_its_code(rest, server):
    """The service's status counts, not the bytes behind it."""
    server.answer("/", b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno, there is none")
    assert (await rest.error(server.url())).code == "404"


async def test_delete_with_a_body(rest, server):
    """DELETE sends its body, and none when there is none."""
    server.answer("*", Reply.json({}))
    await rest(server.url(), method="DELETE", body={"ids": [1, None]}, ignoreNullValues=True)
    assert (server.last.json, server.last.header("Content-Type")) == ({"ids": [1, None]}, "application/json")
    await rest(server.url(), method="DELETE")
    assert (server.last.body, server.last.all("Content-Type")) == (b"", [])


async def test_null_query_parameters(rest, server):
    """Null is the name alone, as the official runtime sends it; in a list it is left out."""
    server.answer("*", Reply.json({}))
    await rest(server.url("/q"), queryParameters={"a b": None, "c": [1, None], "d": "", "e": []})
    assert server.last.target == "/q?a%20b&c=1&d="


async def test_a_blank_before_the_colon_of_the_length(rest, server):
    """The length counts all the same, as in browsers."""
    server.answer("/", b"HTTP/1.1 200 OK\r\nContent-Length : 8\r\n\r\n" + BODY)
    assert (await rest(server.url(), readTimeoutInSeconds="5"))["body"] == {"a": 1}
