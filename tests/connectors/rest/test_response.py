"""What a process gets of a response, in every response format."""

import gzip
import zlib

import pytest

from zeebe_connectors import Document
from zeebe_connectors.testing.servers import Reply, gzipped


async def test_shape(rest, server):
    """All five keys are always there."""
    server.answer("/x", Reply(201, b'{"a": 1}', [("Content-Type", "application/json")], "Created"))
    result = await rest(server.url("/x"))
    assert result == {
        "status": 201,
        "headers": {"Content-Type": "application/json", "Content-Length": "8"},
        "body": {"a": 1},
        "reason": "Created",
        "document": None,
    }


async def test_headers(rest, server):
    """Names keep their case; one that came several times is a list."""
    headers = [("x-lower", "1"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("Set-Cookie", "c=3"), ("X-E", "")]
    server.answer("/x", Reply(200, b"", headers))
    result = await rest(server.url("/x"))
    assert result["headers"]["x-lower"] == "1"
    assert result["headers"]["Set-Cookie"] == ["a=1", "b=2", "c=3"]
    assert result["headers"]["X-E"] == ""


async def test_no_reason_phrase(rest, server):
    """A missing reason phrase is null."""
    server.answer("/x", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n")
    assert (await rest(server.url("/x")))["reason"] is None


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (b'{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
        (b" \n[1, 2]", [1, 2]),
        (b"\r\n" * 500 + b'{"page": "of a template"}', {"page": "of a template"}),
        (b"[]", []),
        (b'\xef\xbb\xbf{"bom": 1}', {"bom": 1}),
        (b'"text"', '"text"'),
        (b"12", "12"),
        (b"true", "true"),
        (b"null", "null"),
        (b"<xml/>", "<xml/>"),
        (b"{broken", "{broken"),
        (b'{"n": NaN}', '{"n": NaN}'),
        (b"  \n ", None),
        (b"", None),
        (b"\xff\xfd", "\ufffd\ufffd"),
        (b"\xff\xfe", None),
        (b"[" * 100_000, "[" * 100_000),
    ],
)
@pytest.mark.parametrize("inputs", [{}, {"documentReturnFormat": None}, {"documentReturnFormat": {"choice": ""}}])
async def test_automatic(rest, server, sent, body, inputs):
    """JSON objects and lists are read whatever the content type says; all else is text, blank is null."""
    server.answer("/x", Reply(200, sent, [("Content-Type", "text/plain")]))
    assert (await rest(server.url("/x"), **inputs))["body"] == body


@pytest.mark.parametrize(
    ("sent", "body"), [(b'{"a": 1}', {"a": 1}), (b'"text"', "text"), (b"12", 12), (b"null", None), (b"[1]", [1])]
)
async def test_json(rest, server, sent, body):
    """The format JSON takes any JSON value."""
    server.answer("/x", Reply(200, sent))
    assert (await rest(server.url("/x"), documentReturnFormat={"choice": "JSON"}))["body"] == body


async def test_json_of_an_empty_body(rest, server):
    """An empty body, as a 204 has it, is null: not the official runtime's failure."""
    server.answer("/x", Reply(204, b"", [], "No Content"))
    result = await rest(server.url("/x"), method="DELETE", documentReturnFormat={"choice": "JSON"})
    assert (result["status"], result["body"]) == (204, None)


@pytest.mark.parametrize("sent", [b"<html>", b"{", b'{"n": Infinity}', b"\xff"])
async def test_not_json(rest, server, sent):
    """Something else than JSON is an error with its own code, one that shows what came."""
    server.answer("/x", Reply(200, sent))
    error = await rest.error(server.url("/x"), documentReturnFormat={"choice": "json"})
    assert error.code == "RESPONSE_NOT_JSON"
    assert "Automatic" in error.message
    assert set(error.variables["response"]) == {"headers", "body"}


async def test_text(rest, server):
    """The format TEXT reads any body in the given character set."""
    server.answer("/x", Reply(200, b'{"a": "\xfc"}'))
    wanted = {"choice": "TEXT", "encoding": "ISO-8859-1"}
    assert (await rest(server.url("/x"), documentReturnFormat=wanted))["body"] == '{"a": "ü"}'
    server.answer("/y", Reply(200, "ü".encode()))
    assert (await rest(server.url("/y"), documentReturnFormat={"choice": "TEXT", "encoding": ""}))["body"] == "ü"


async def test_unknown_encoding(rest, server):
    """An unknown character set is an input error."""
    server.answer("/x", Reply(200, b"a"))
    error = await rest.error(server.url("/x"), documentReturnFormat={"choice": "TEXT", "encoding": "klingon"})
    assert (type(error).__name__, error.code) == ("InputError", "INVALID_INPUT")
    assert "documentReturnFormat.encoding" in error.message


async def test_unknown_format(rest, server):
    """An unknown format is an input error that lists the known ones, before anything is sent."""
    error = await rest.error(server.url("/x"), documentReturnFormat={"choice": "XML"})
    assert "documentReturnFormat.choice: must be one of" in error.message
    assert server.seen == []


@pytest.mark.parametrize("inputs", [{"documentReturnFormat": {"choice": "DOCUMENT"}}, {"storeResponse": "true"}])
async def test_document(rest, server, inputs):
    """A document holds the bytes and the type; the result holds its reference."""
    server.answer("/x", Reply(200, b"\0\1", [("Content-Type", "image/png")]))
    result = await rest(server.url("/x"), **inputs)
    assert result["body"] is None
    assert result["document"]["camunda.document.type"] == "camunda"
    assert result["document"]["metadata"] == {"contentType": "image/png", "size": 2}
    content = await rest.documents.read(Document(result["document"]), seconds=5)
    assert (content.data, content.content_type) == (b"\0\1", "image/png")


async def test_format_beats_store_response(rest, server):
    """`storeResponse` of older templates counts only when no format is given."""
    server.answer("/x", Reply(200, b"[1]"))
    result = await rest(server.url("/x"), storeResponse=True, documentReturnFormat={"choice": "JSON"})
    assert (result["body"], result["document"]) == ([1], None)


async def test_compressed(rest, server):
    """What came as gzip or deflate is decoded; headers about the encoded form are gone, as in the official runtime."""
    server.answer("/g", gzipped(b'{"a": 1}'))
    server.answer("/d", Reply(200, zlib.compress(b"[2]"), [("Content-Encoding", "deflate")]))
    result = await rest(server.url("/g"))
    assert (result["body"], result["headers"]) == ({"a": 1}, {"Content-Type": "text/plain"})
    assert (await rest(server.url("/d")))["body"] == [2]


async def test_broken_compression(rest, server):
    """A body that is not what its encoding says is a protocol error."""
    server.answer("/x", Reply(200, b"this is not gzip", [("Content-Encoding", "gzip")]))
    error = await rest.error(server.url("/x"))
    assert (error.code, error.variables) == ("500", {"reason": "protocol"})


async def test_compression_bomb(rest, server, monkeypatch):
    """The limit counts what comes out of the decompression."""
    monkeypatch.setenv("CONNECTOR_HTTP_CLIENT_MAX_BODY_SIZE", "1000000")
    server.answer("/x", Reply(200, gzip.compress(b"\0" * 30_000_000), [("Content-Encoding", "gzip")]))
    error = await rest.error(server.url("/x"))
    assert error.code == "RESPONSE_TOO_LARGE"


@pytest.mark.parametrize("choice", ["JSON", "TEXT"])
async def test_too_large_for_a_variable(rest, server, choice):
    """JSON and text of more than 1.5 MiB are refused with the advice to take a document."""
    server.answer("/x", Reply(200, b'"' + b"x" * 1_572_864 + b'"'))
    error = await rest.error(server.url("/x"), documentReturnFormat={"choice": choice})
    assert (error.code, type(error).__name__) == ("RESPONSE_TOO_LARGE", "PermanentError")
    assert "Document" in error.message
    assert (await rest(server.url("/x"), documentReturnFormat={"choice": "DOCUMENT"}))["document"]


async def test_oversized_response(rest, server, monkeypatch):
    """A response over the operator's limit is cut off while it is read, in every format."""
    monkeypatch.setenv("CONNECTOR_HTTP_CLIENT_MAX_BODY_SIZE", "100000")
    sent = 0

    async def pour(seen, reader, writer):
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")
        while sent < 500_000_000:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    server.script("/x", pour)
    error = await rest.error(server.url("/x"), documentReturnFormat={"choice": "DOCUMENT"})
    assert (error.code, type(error).__name__) == ("RESPONSE_TOO_LARGE", "PermanentError")
    assert "CONNECTOR_HTTP_CLIENT_MAX_BODY_SIZE" in error.message
    assert sent < 50_000_000


async def test_chunked_and_close_delimited(rest, server):
    """Bodies without a length are read to their end."""

    async def close(seen, reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n[1]")
        await writer.drain()

    server.script("/close", close)
    server.answer("/chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n1\r\n]\r\n0\r\n\r\n")
    assert (await rest(server.url("/close")))["body"] == [1]
    assert (await rest(server.url("/chunked")))["body"] == [1]


async def test_large_headers(rest, server):
    """Headers of 30 KiB are read."""
    server.answer("/x", Reply(200, b"", [("X-Large", "v" * 30_000)]))
    assert len((await rest(server.url("/x")))["headers"]["X-Large"]) == 30_000
