"""Every way to fail: its code, its message, and whether it is tried again or an incident."""

import asyncio
import socket
import time
from email.utils import formatdate

import pytest

from zeebe_connectors.connectors.rest.connector import request
from zeebe_connectors.testing import run
from zeebe_connectors.testing.servers import Reply


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 418, 422, 500, 501])
async def test_status(rest, server, status):
    """A status of 400 and more is its own code; one try is used up."""
    server.answer("/x", Reply(status, b'{"why": "because"}', [("X-A", "b")], "Some Reason"))
    error = await rest.error(server.url("/x?key=hidden"))
    assert (type(error).__name__, error.code) == ("ConnectorError", str(status))
    hint = ". Check the authentication, and what this login may do" if status in {401, 403} else ""
    assert error.message == f"Some Reason: GET {server.url('')} answered {status}{hint}"
    assert error.variables == {
        "response": {"headers": {"X-A": "b", "Content-Length": "18"}, "body": {"why": "because"}}
    }


@pytest.mark.parametrize("status", [408, 425, 429, 502, 503, 504])
async def test_busy(rest, server, status):
    """What says "later" is tried again; without Retry-After, the task's back-off counts."""
    server.answer("/x", Reply(status, b"later", [], "Busy"))
    error = await rest.error(server.url("/x"))
    assert (type(error).__name__, error.code, error.delay) == ("TransientError", str(status), None)


async def test_no_reason(rest, server):
    """Without a reason phrase the message says so, as the official one."""
    server.answer("/x", b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n")
    error = await rest.error(server.url("/x"))
    assert error.message.startswith("[no reason]: ")
    assert error.variables["response"]["body"] is None


@pytest.mark.parametrize(("sent", "body"), [(b"plain", "plain"), (b"[1, 2]", [1, 2]), (b"", None), (b"12", "12")])
async def test_error_body(rest, server, sent, body):
    """An error's body is read like any other, lists included."""
    server.answer("/x", Reply(500, sent, [], "Oops"))
    assert (await rest.error(server.url("/x"))).variables["response"]["body"] == body


@pytest.mark.parametrize(
    ("header", "delay"),
    [("7", 7), ("0", 0), ("1.5", 1.5), ("999999999", 86400), ("-5", None), ("soon", None), ("", None)],
)
async def test_retry_after_seconds(rest, server, header, delay):
    """Retry-After in seconds becomes the job's back-off, a day at most; nonsense is ignored."""
    server.answer("/x", Reply(429, b"", [("Retry-After", header)], "Too Many Requests"))
    assert (await rest.error(server.url("/x"))).delay == delay


@pytest.fixture
def far_east(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_east")
async def test_retry_after_date(rest, server):
    """Retry-After as a date is taken by the server's own clock, where it tells its time."""
    now = time.time() - 50_000
    headers = [("Date", formatdate(now, usegmt=True)), ("Retry-After", formatdate(now + 90, usegmt=True))]
    server.answer("/x", Reply(503, b"", headers, "Unavailable"))
    assert (await rest.error(server.url("/x"))).delay == 90
    server.answer("/y", Reply(503, b"", [("Retry-After", formatdate(time.time() + 600, usegmt=True))], "Unavailable"))
    assert 500 < (await rest.error(server.url("/y"))).delay <= 600
    older = [("Date", "Sun Nov  6 08:49:37 1994"), ("Retry-After", "Sunday, 06-Nov-94 08:50:07 GMT")]
    server.answer("/o", Reply(429, b"", older, "Too Many Requests"))
    assert (await rest.error(server.url("/o"))).delay == 30
    server.answer("/z", Reply(503, b"", [("Retry-After", formatdate(now, usegmt=True))], "Unavailable"))
    assert (await rest.error(server.url("/z"))).delay == 0


@pytest.mark.parametrize("base", ["http://127.0.0.1", "http://localhost", "https://127.0.0.1"])
async def test_refused(rest, base):
    """Nobody listens: code 408 as in the contract, and the message says what happened."""
    error = await rest.error(f"{base}:{free_port()}/x")
    assert (type(error).__name__, error.code, error.variables) == ("TransientError", "408", {"reason": "refused"})
    assert "refused the connection" in error.message


async def test_name_not_resolved(rest):
    """A host that does not exist is told as that."""
    error = await rest.error("http://does-not-exist.invalid/x")
    assert (type(error).__name__, error.code) == ("TransientError", "408")
    assert error.variables == {"reason": "name-not-resolved"}
    assert "http://does-not-exist.invalid cannot be resolved" in error.message


async def test_connection_timeout(rest, monkeypatch):
    """A connection that does not come about ends with the connection timeout."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = []
    try:
        for _ in range(4):  # fills the backlog, so that the next connection hangs
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(full.getsockname())
            waiting.append(one)
        await asyncio.sleep(0.05)
        url = f"http://127.0.0.1:{full.getsockname()[1]}/"
        error = await rest.error(url, connectionTimeoutInSeconds="0.2", readTimeoutInSeconds=8)
    finally:
        for one in [*waiting, full]:
            one.close()
    assert (error.code, error.variables) == ("408", {"reason": "connect-timeout"})
    assert "within 0.2 s" in error.message


async def hang(seen, reader, writer):
    await reader.read()


async def test_read_timeout(rest, server):
    """Silence after the request ends with the read timeout, and the message says that it may have been carried out."""
    server.script("/x", hang)
    error = await rest.error(server.url("/x"), readTimeoutInSeconds="0.2")
    assert (error.code, error.variables) == ("408", {"reason": "read-timeout"})
    assert "sent nothing for 0.2 s" in error.message


async def test_read_timeout_falls_back_to_connection_timeout(rest, server):
    """Without a read timeout, the connection timeout counts for reading too."""
    server.script("/x", hang)
    error = await rest.error(server.url("/x"), connectionTimeoutInSeconds=0.2)
    assert error.variables == {"reason": "read-timeout"}


async def test_silence_within_the_body(rest, server):
    """The read timeout counts between two pieces of the body as well."""

    async def half(seen, reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await reader.read()

    server.script("/x", half)
    error = await rest.error(server.url("/x"), readTimeoutInSeconds=0.2)
    assert error.variables == {"reason": "read-timeout"}


@pytest.mark.parametrize("limit", [0, 60])
async def test_endless_response(rest, server, limit):
    """A response that drips for ever ends with the job's time, whatever the timeouts say."""

    async def drip(seen, reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.05)

    server.script("/x", drip)
    error = await rest.error(
        server.url("/x"), seconds=0.5, connectionTimeoutInSeconds=limit, readTimeoutInSeconds=limit
    )
    assert (type(error).__name__, error.code) == ("TransientError", "408")
    assert error.variables == {"reason": "deadline"}


async def test_no_time_left(rest, server):
    """When the job's time is over before the call, nothing is sent."""
    error = await rest.error(server.url("/x"), seconds=-1)
    assert error.variables == {"reason": "deadline"}
    assert server.seen == []


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)
async def test_disconnected(rest, server, sent):
    """A connection that breaks before the response is whole is no response; it is tried again."""

    async def leave(seen, reader, writer):
        writer.write(sent)
        await writer.drain()

    server.script("/x", leave)
    error = await rest.error(server.url("/x"), method="POST", body="x")
    assert (type(error).__name__, error.code) == ("TransientError", "408")
    assert error.variables == {"reason": "disconnected"}
    assert len(server.seen) == 1, "a POST is never repeated by the client"


@pytest.mark.parametrize(
    "sent", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
)
async def test_not_http(rest, server, sent):
    """Something else than HTTP is a protocol error with code 500."""

    async def babble(seen, reader, writer):
        writer.write(sent)
        await writer.drain()
        await reader.read()

    server.script("/x", babble)
    error = await rest.error(server.url("/x"))
    assert (error.code, error.variables) == ("500", {"reason": "protocol"})


@pytest.mark.parametrize(
    "url",
    [
        "",
        "   ",
        "example.com/x",
        "ftp://example.com/",
        "file:///etc/passwd",
        "http://",
        "http:///path",
        "http://host:port/",
        "http://host:99999/",
        "http://ho st/",
        "http://host/\r\nX-Injected: 1",
        "http://a\x00b/",
        "http://[::1/",
        "javascript:alert(1)",
    ],
)
async def test_bad_url(rest, url):
    """A URL that cannot be called is an incident that names the field, and never shows the value."""
    error = await rest.error(url)
    assert (type(error).__name__, error.code) == ("InputError", "INVALID_INPUT")
    assert "url: " in error.message
    assert "Injected" not in error.message


@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\nb", "a\rb", "a\0b"])
async def test_header_injection(rest, server, value):
    """A line break in a header's value is refused before anything is sent."""
    error = await rest.error(server.url("/x"), headers={"X-A": value})
    assert (type(error).__name__, error.code) == ("InputError", "HEADER_INVALID")
    assert error.message.startswith("headers.X-A: ")
    assert "Injected" not in error.message
    assert server.seen == []


@pytest.mark.parametrize("name", ["X A", "", "X:A", "X\r\nY", "Xü"])
async def test_bad_header_name(rest, server, name):
    """A name that is none is refused."""
    error = await rest.error(server.url("/x"), headers={name: "1"})
    assert error.code == "HEADER_INVALID"
    assert server.seen == []


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"method": "TRACE"}, "method: must be one of"),
        ({"headers": "X: 1"}, "headers: must be a context"),
        ({"queryParameters": 5}, "queryParameters: must be a context"),
        ({"followRedirects": "perhaps"}, "followRedirects: must be true or false"),
        ({"connectionTimeoutInSeconds": "soon"}, "connectionTimeoutInSeconds: must be a number"),
        ({"readTimeoutInSeconds": -1}, "readTimeoutInSeconds: "),
        ({"authentication": {"type": "kerberos"}}, "authentication: its field 'type' must be one of"),
        ({"authentication": {"type": "basic"}}, "username: is required"),
        ({"authentication": {"type": "bearer", "token": ""}}, "token: must not be empty"),
        ({"body": "ü", "method": "POST", "headers": {"Content-Type": "text/plain; charset=ascii"}}, "body: holds"),
        ({"body": "x", "method": "POST", "headers": {"Content-Type": "text/plain; charset=nope"}}, "character set"),
    ],
)
async def test_bad_input(rest, server, inputs, says):
    """A wrong input is an incident with a line that names it."""
    error = await rest.error(server.url("/x"), **inputs)
    assert (type(error).__name__, error.code) == ("InputError", "INVALID_INPUT")
    assert says in error.message
    assert server.seen == []


@pytest.mark.parametrize("reason", ["Not Found", ""])
async def test_what_an_error_expression_sees(server, reason):
    """The bare reason phrase as the message and the status as the code; more is beside it, and in the incident."""
    server.answer("/x", Reply(404, b'{"why": "gone"}', [("Content-Type", "application/json")], reason))
    expression = (
        '=if error.code = "404" and error.message = "%s" then bpmnError("GONE", error.variables.message, '
        "{why: error.variables.response.body.why}) else null"
    ) % (reason or "[no reason]")
    outcome = await run(request, {"url": server.url("/x")}, error_expression=expression)
    assert (outcome.code, outcome.variables) == ("GONE", {"why": "gone"})
    assert "answered 404" in outcome.message
    incident = await run(request, {"url": server.url("/x")})
    assert incident.variables["error"]["message"] == (reason or "[no reason]")
    assert "GET" in incident.message
    assert "answered 404" in incident.message


async def test_an_incident_has_the_services_own_words(server):
    """A person reads them in the incident; the expression's message stays the bare reason phrase."""
    problem = b'{"title": "Bad Request", "detail": "the id is wrong"}'
    server.answer("/x", Reply(400, problem, [("Content-Type", "application/problem+json")], "Bad Request"))
    incident = await run(request, {"url": server.url("/x")})
    assert "answered 400 (the id is wrong)" in incident.message
    assert incident.variables["error"]["message"] == "Bad Request"


async def test_an_input_error_has_no_code_in_an_expression(server):
    """As in the official runtime; our own code is among the variables."""
    expression = '=if error.code = null then bpmnError("INPUT", error.variables.code) else null'
    outcome = await run(request, {"url": "ftp://x"}, error_expression=expression)
    assert (outcome.code, outcome.message) == ("INPUT", "INVALID_INPUT")
    assert (await run(request, {"url": "ftp://x"})).code == "INVALID_INPUT"
    finer = await run(request, {"url": server.url("/"), "headers": {"a b": 1}}, error_expression="=null")
    assert finer.variables["error"]["code"] == "HEADER_INVALID"
