"""GraphQL: what goes over the wire, what comes back, and errors inside a good answer."""

import json
import logging
import time

import pytest

from zeebe_connectors import ConnectorError, Context
from zeebe_connectors.connectors.graphql.connector import Request, run
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.documents.trust import Everything
from zeebe_connectors.sdk.budget import JSON_BYTES
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.testing.servers import HttpServer, Reply


@pytest.fixture
async def server():
    async with HttpServer() as running:
        running.answer("/graphql", Reply.json({"data": {"order": {"total": 5}}}))
        yield running


@pytest.fixture
async def graphql(server, tmp_path):
    clients = ClientCache()

    async def call(**inputs):
        operation = {"url": server.url("/graphql"), "query": "{ order { total } }"} | inputs.pop("graphql", {})
        log = logging.LoggerAdapter(logging.getLogger("test"), {})
        documents = LocalDocuments(tmp_path, hosts=("*",))
        context = Context(Job(1, "graphql"), clients, documents, AllowedFiles(), log, deadline=time.monotonic() + 10)
        return await run(read_input(Request, Everything().marked({"graphql": operation, **inputs})), context)

    yield call
    await clients.aclose()


@pytest.mark.parametrize(
    "errors",
    ["no such field", {"message": "no such field"}, ["no such field"], [{"message": "no such field"}]],
    ids=str,
)
async def test_errors_in_any_form(graphql, server, errors):
    """A text or an object where the standard has a list is no success."""
    server.answer("/graphql", Reply.json({"data": None, "errors": errors}))
    with pytest.raises(ConnectorError) as caught:
        await graphql()
    assert (caught.value.code, caught.value.message) == ("GRAPHQL_ERROR", "no such field")


async def test_an_error_whose_message_is_no_text(graphql, server):
    server.answer("/graphql", Reply.json({"errors": [{"message": {"text": "no such field"}}]}))
    with pytest.raises(ConnectorError) as caught:
        await graphql()
    assert caught.value.message == "no such field"


@pytest.mark.parametrize(
    "stored", [{"documentReturnFormat": {"choice": "DOCUMENT"}}, {"graphql": {"storeResponse": True}}]
)
async def test_an_answer_too_large_to_be_read_is_stored(graphql, server, stored):
    """That is what documents are for."""
    server.answer("/graphql", Reply.json({"data": "x" * JSON_BYTES}))
    with pytest.raises(ConnectorError, match="choose the response format"):
        await graphql()
    answer = await graphql(**stored)
    assert answer["document"]["metadata"]["size"] > JSON_BYTES


LARGE = {"items": [{"errors": ["of an item"], "text": 'x "errors": [1]}'}, "x" * JSON_BYTES]}
REFUSED = [{"message": "half of it is missing"}, {"message": "the other half, too"}]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"errors": REFUSED, "data": LARGE}, REFUSED[0]["message"]),
        ({"extensions": {"a": 1}, "errors": REFUSED, "data": LARGE}, REFUSED[0]["message"]),
        ({"data": LARGE, "errors": REFUSED}, REFUSED[0]["message"]),
        ({"data": LARGE, "errors": REFUSED, "extensions": {"cost": {"errors": 3}}}, REFUSED[0]["message"]),
        ({"errors": [REFUSED[0], *REFUSED * 70_000], "data": LARGE}, REFUSED[0]["message"]),
        ({"errors": [{"message": "x" * 100_000}], "data": LARGE}, "an error that has no message"),
        ({"errors": [], "data": LARGE}, None),
        ({"data": LARGE, "errors": None}, None),
        ({"data": {**LARGE, "errors": REFUSED}}, None),
        ({"data": [LARGE, {"errors": REFUSED}]}, None),
        ({"data": {"a": LARGE, "b": {"errors": REFUSED}}, "extensions": {}}, None),
        ({"data": LARGE, "extensions": {"errors": REFUSED}}, None),
    ],
    ids=["first", "second", "last", "before extensions", "long", "endless", *map(str, range(6))],
)
async def test_errors_in_an_answer_too_large_to_be_read(graphql, server, answer, message):
    """They are a failure as in any other answer; an entry of the data that has their name is none."""
    server.answer("/graphql", Reply.json(answer))
    if message is None:
        stored = await graphql(documentReturnFormat={"choice": "DOCUMENT"})
        assert stored["document"]["metadata"]["size"] > JSON_BYTES
        return
    for choice in ("DOCUMENT", "AUTO"):
        with pytest.raises(ConnectorError, match=message) as caught:
            await graphql(documentReturnFormat={"choice": choice})
        assert caught.value.code == "GRAPHQL_ERROR"


async def test_a_request_in_a_character_set(graphql, server):
    """The body is written in the set that the header names; half a character is escaped."""
    kind = {"Content-Type": "application/json; charset=ISO-8859-1"}
    await graphql(graphql={"method": "post", "query": '{ a(x: "ö€") }', "headers": kind})
    assert server.last.body == b'{"query":"{ a(x: \\"\\u00f6\\u20ac\\") }"}'
    await graphql(graphql={"method": "post", "query": '{ a(x: "ö") }', "headers": kind})
    assert server.last.body == '{"query":"{ a(x: \\"ö\\") }"}'.encode("latin-1")
    await graphql(graphql={"method": "post", "query": "{ a }", "variables": {"a": "\ud83d"}})
    assert json.loads(server.last.body)["variables"] == {"a": "\ud83d"}
    with pytest.raises(ConnectorError, match="unknown character set"):
        await graphql(graphql={"method": "post", "headers": {"Content-Type": "application/json; charset=idna"}})


async def test_get(graphql, server):
    """By default the query and its variables are query parameters."""
    result = await graphql(graphql={"query": "query($id: ID!) { a(id: $id) }", "variables": {"id": "ü&1"}})
    seen = server.last
    assert (seen.method, seen.body) == ("GET", b"")
    assert dict(seen.query) == {"query": "query($id: ID!) { a(id: $id) }", "variables": '{"id": "ü&1"}'}
    assert result["body"] == {"data": {"order": {"total": 5}}}
    assert set(result) == {"status", "headers", "body", "reason", "document"}


@pytest.mark.parametrize("method", ["post", "POST"])
async def test_post(graphql, server, method):
    """With post they are a JSON body; variables only when there are any."""
    await graphql(graphql={"method": method, "variables": {"id": 1}, "headers": {"X-A": "b"}})
    seen = server.last
    assert seen.json == {"query": "{ order { total } }", "variables": {"id": 1}}
    assert (seen.header("Content-Type"), seen.header("X-A")) == ("application/json", "b")
    await graphql(graphql={"method": method, "variables": None})
    assert server.last.json == {"query": "{ order { total } }"}


@pytest.mark.parametrize("method", ["get", "post"])
async def test_documents_in_variables(graphql, server, method):
    """A document among the variables is sent as base64, wherever it stands."""
    document = {"camunda.document.type": "inline", "content": "hi"}
    await graphql(graphql={"method": method, "variables": {"file": document, "files": [{"a": document}]}})
    sent = server.last.json if method == "post" else {"variables": json.loads(dict(server.last.query)["variables"])}
    assert sent["variables"] == {"file": "aGk=", "files": [{"a": "aGk="}]}


async def test_escaped_query(graphql, server):
    """Line breaks and quotes that the official template escapes once more are put right."""
    await graphql(graphql={"method": "post", "query": '{ a(x: \\"1\\")\\n { b } }'})
    assert server.last.json == {"query": '{ a(x: "1") { b } }'}


async def test_errors(graphql, server):
    """An answer that lists errors is a failure with the first message and the whole answer."""
    answer = {"data": {"a": 1}, "errors": [{"message": "no such field"}, {"message": "other"}]}
    server.answer("/graphql", Reply.json(answer))
    with pytest.raises(ConnectorError) as caught:
        await graphql()
    assert (caught.value.code, caught.value.message) == ("GRAPHQL_ERROR", "no such field")
    assert caught.value.variables["response"]["body"] == answer
    assert "headers" in caught.value.variables["response"]


@pytest.mark.parametrize("errors", [[], None, {}])
async def test_no_errors(graphql, server, errors):
    """An empty list of errors is none."""
    server.answer("/graphql", Reply.json({"data": 1, "errors": errors}))
    assert (await graphql())["status"] == 200


async def test_status(graphql, server):
    """A status of 400 and more is its own code, as in the REST connector."""
    server.answer("/graphql", Reply(503, b"", [("Retry-After", "3")], "Busy"))
    with pytest.raises(ConnectorError) as caught:
        await graphql()
    assert (caught.value.code, caught.value.delay) == ("503", 3)


async def test_authentication_and_format(graphql, server):
    """Authentication and response format are the REST connector's."""
    result = await graphql(authentication={"type": "bearer", "token": "t"}, documentReturnFormat={"choice": "TEXT"})
    assert server.last.header("Authorization") == "Bearer t"
    assert json.loads(result["body"]) == {"data": {"order": {"total": 5}}}
    stored = await graphql(graphql={"storeResponse": True})
    assert stored["document"]["camunda.document.type"] == "camunda"


@pytest.mark.parametrize("inputs", [{"url": "ftp://x"}, {"query": ""}, {"method": "put"}, {"variables": "x"}])
async def test_bad_input(graphql, server, inputs):
    """Wrong inputs are named and nothing is sent."""
    with pytest.raises(ConnectorError, match="graphql\\.") as caught:
        await graphql(graphql=inputs)
    assert caught.value.code == "INVALID_INPUT"
    assert server.seen == []


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (r'{ a(x: "line\nbreak \"quoted\" \\") }', r'{ a(x: "line\nbreak \"quoted\" \\") }'),
        (r"{ a\n  b\n}", "{ a  b}"),
        (r"{ a\nb\tc }", "{ a\nb\nc }"),
        (r"{ a(x: \"one\") }", '{ a(x: "one") }'),
        (r"{\n a(x: \"in\\nside \\\"q\\\" \\\\\") }", r'{ a(x: "in\nside \"q\" \\") }'),
        (r'{ a(x: """block \n \""" end""") }\n', r'{ a(x: """block \n \""" end""") }'),
        (r"{ a(x: \"\"\"block\n\\n \"q\" \"\"\") }", '{ a(x: """block\n\\n "q" """) }'),
        (r'{ a # say "hi\n b }', '{ a # say "hi\n b }'),
        ('{ a # it\'s "so"\n b }', '{ a # it\'s "so"\n b }'),
        (r'{ a(x: "") b(y: "\u00e9\t") }', r'{ a(x: "") b(y: "\u00e9\t") }'),
        (r'{ a(x: "never ends\n', r'{ a(x: "never ends\n'),
        ("{ a }", "{ a }"),
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
async def test_escapes_outside_of_literals_only(graphql, server, given, sent, method):
    """Literals go out as they are written; around them, line breaks and quotes are put right and nothing is joined."""
    await graphql(graphql={"method": method, "query": given})
    query = server.last.json["query"] if method == "post" else dict(server.last.query)["query"]
    assert query == sent
