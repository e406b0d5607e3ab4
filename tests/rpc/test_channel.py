"""What one call gets for what a server, or a proxy in front of it, answers."""

import asyncio
import gzip

import pytest
from tests.rpc.channels import PATH, opened, status_of
from tests.servers.http2 import ANSWER, ScriptedServer
from tests.waiting import until

from zeebe_connectors.rpc import frames
from zeebe_connectors.rpc.frames import ErrorCode
from zeebe_connectors.rpc.message import timeout_of
from zeebe_connectors.rpc.status import RpcError, Status


def answering(answer, settings=None):
    """Returns a script that answers each request by a function of the peer and the request's stream."""

    async def script(peer):
        peer.start(settings)
        while True:
            request = await peer.requests.get()
            answer(peer, request.stream)

    return script


async def outcome(answer):
    """Returns how a call ends that is answered so, and then another one, which is answered well."""

    def first_bad(peer, stream):
        if stream == 1:
            answer(peer, stream)
        else:
            peer.answer(stream, b"well")

    async with ScriptedServer(answering(first_bad)) as server, opened(server) as channel:
        found = await status_of(channel.unary(PATH, b"x", seconds=5.0))
        assert await channel.unary(PATH, b"x", seconds=5.0) == b"well"
        assert len(server.peers) == 1, "one bad answer costs no connection"
        return found


async def test_a_call_sends_what_grpc_asks_for():
    """Headers, their order, the message's length before it, and the deadline that is left."""
    seen = []

    async def script(peer):
        peer.start()
        seen.append(await peer.requests.get())

    async with ScriptedServer(script) as server, opened(server) as channel:
        await status_of(channel.unary(PATH, b"hello", seconds=3.0, metadata=(("authorization", "Bearer t"),)))
    (request,) = seen
    assert list(request.headers)[:4] == [":method", ":scheme", ":path", ":authority"]
    assert request.body == b"\0\0\0\0\x05hello"
    assert 2.5 < timeout_of(request.headers["grpc-timeout"]) <= 3.0
    assert (
        request.headers.items()
        >= {
            ":method": "POST",
            ":scheme": "http",
            ":path": PATH,
            ":authority": "test.example",
            "te": "trailers",
            "content-type": "application/grpc",
            "user-agent": "tests",
            "authorization": "Bearer t",
        }.items()
    )


@pytest.mark.parametrize("answer", [b"", b"x", b"x" * 100_000])
async def test_an_answer_arrives(answer):
    """Empty, small and in several frames."""
    async with (
        ScriptedServer(answering(lambda peer, stream: peer.answer(stream, answer))) as server,
        opened(server) as channel,
    ):
        assert await channel.unary(PATH, b"", seconds=5.0) == answer


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.OK])
async def test_each_status_with_its_text(status):
    """With headers before, or in trailers alone."""
    text = "n%C3%B6 100%25 %E2%98%83"
    trailers = (*ANSWER, ("grpc-status", str(int(status))), ("grpc-message", text))
    assert await outcome(lambda peer, stream: peer.headers(stream, trailers, ends=True)) == (status, "nö 100% ☃")
    assert await outcome(lambda peer, stream: peer.answer(stream, status=str(int(status)), text=text)) == (
        status,
        "nö 100% ☃",
    )


@pytest.mark.parametrize(
    ("text", "read"), [("100%", "100%"), ("%zz%4", "%zz%4"), ("%C3", "\ufffd"), ("a%FFb", "a\ufffdb"), ("%0A", "\n")]
)
async def test_a_text_with_wrong_escapes_is_read_all_the_same(text, read):
    """What the server meant is shown, and a broken character as such."""
    assert await outcome(lambda peer, stream: peer.answer(stream, status="5", text=text)) == (Status.NOT_FOUND, read)


@pytest.mark.parametrize("status", ["", "x", "17", "-1", "00", "+0", " 0", "0 ", "99999999999999999999"])
async def test_a_status_that_is_none_is_unknown(status):
    """Also those that a lenient reader takes for OK."""
    found, _ = await outcome(lambda peer, stream: peer.answer(stream, status=status))
    assert found is Status.UNKNOWN


async def test_no_status_at_all():
    """Trailers without, and an answer that ends without trailers."""

    def without(peer, stream):
        peer.headers(stream, ANSWER)
        peer.message(stream, b"x")
        peer.headers(stream, [("other", "x")], ends=True)

    def ends(peer, stream):
        peer.headers(stream, ANSWER)
        peer.data(stream, b"\0\0\0\0\1x", ends=True)

    assert (await outcome(without))[0] is Status.UNKNOWN
    assert (await outcome(ends))[0] is Status.INTERNAL


async def test_a_failure_after_the_message_is_a_failure():
    """The status counts: the server may have failed as it ended."""

    def fails(peer, stream):
        peer.headers(stream, ANSWER)
        peer.message(stream, b"half")
        peer.headers(stream, [("grpc-status", "13"), ("grpc-message", "no")], ends=True)

    assert await outcome(fails) == (Status.INTERNAL, "no")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("400", Status.INTERNAL),
        ("401", Status.UNAUTHENTICATED),
        ("403", Status.PERMISSION_DENIED),
        ("404", Status.UNIMPLEMENTED),
        ("413", Status.RESOURCE_EXHAUSTED),
        ("429", Status.UNAVAILABLE),
        ("500", Status.UNKNOWN),
        ("502", Status.UNAVAILABLE),
        ("503", Status.UNAVAILABLE),
        ("504", Status.UNAVAILABLE),
        ("302", Status.UNKNOWN),
        ("204", Status.UNKNOWN),
    ],
)
async def test_a_proxys_page_is_read_by_its_status(code, status):
    """As gRPC's documentation maps them; the page is neither read nor waited for."""

    def page(peer, stream):
        peer.headers(stream, [(":status", code), ("content-type", "text/html")])
        peer.data(stream, b"<html>" + b"x" * 30_000)
        asyncio.get_running_loop().call_later(0.05, lambda: peer.data(stream, b"</html>", ends=True))

    found, text = await outcome(page)
    assert found is status
    assert code in text
    found, text = await outcome(lambda peer, stream: peer.headers(stream, [(":status", code)], ends=True))
    assert found is status


async def test_a_page_with_status_200_is_not_grpc():
    """The error says what came instead."""

    def page(peer, stream):
        peer.headers(stream, [(":status", "200"), ("content-type", "text/html")])
        peer.data(stream, b"<html>", ends=True)

    found, text = await outcome(page)
    assert found is Status.UNKNOWN
    assert "text/html" in text


async def test_grpcs_own_status_is_stronger_than_that_of_http():
    """A gateway that says both means the more exact one."""
    headers = [(":status", "503"), ("content-type", "application/grpc"), ("grpc-status", "8"), ("grpc-message", "m")]
    assert await outcome(lambda peer, stream: peer.headers(stream, headers, ends=True)) == (
        Status.RESOURCE_EXHAUSTED,
        "m",
    )


async def test_interim_answers_are_passed_over():
    """100, 103 and others come before the answer."""

    def interim(peer, stream):
        for code in ("100", "103", "199"):
            peer.headers(stream, [(":status", code), ("link", "</x>")])
        peer.answer(stream, b"well")

    async with ScriptedServer(answering(interim)) as server, opened(server) as channel:
        assert await channel.unary(PATH, b"x", seconds=5.0) == b"well"


async def test_answers_that_break_the_rules_end_their_call():
    """No status of HTTP, data before headers, headers in the middle, an interim answer as the end."""

    def middle(peer, stream):
        peer.headers(stream, ANSWER)
        peer.headers(stream, [("x", "y")])
        peer.message(stream, b"x")

    assert (await outcome(lambda peer, stream: peer.headers(stream, ANSWER[1:])))[0] is Status.UNKNOWN
    assert (await outcome(lambda peer, stream: peer.data(stream, b"\0\0\0\0\1x")))[0] is Status.INTERNAL
    assert (await outcome(middle))[0] is Status.INTERNAL
    interim = [(":status", "103")]
    assert (await outcome(lambda peer, stream: peer.headers(stream, interim, ends=True)))[0] is Status.UNKNOWN


def answer_of(body):
    """Returns what answers with these bytes in place of one message, and status OK."""

    def answer(peer, stream):
        peer.headers(stream, ANSWER)
        peer.data(stream, body)
        peer.headers(stream, [("grpc-status", "0")], ends=True)

    return answer


@pytest.mark.parametrize("body", [b"", b"\0\0\0", b"\0\0\0\0\5xx", b"\0\0\0\0\1x\0\0\0\0\1y", b"\0\0\0\0\1x\0"])
async def test_an_answer_that_is_not_one_message_is_an_error(body):
    """None, half of one, more than one."""
    assert (await outcome(answer_of(body)))[0] is Status.INTERNAL


async def test_a_stream_that_ends_within_a_message_is_an_error():
    """What arrived before is handed over; the loss is not passed over in silence."""
    body = b"\0\0\0\0\1x\0\0\0\0\5yy"
    async with ScriptedServer(answering(answer_of(body))) as server, opened(server) as channel:
        answers = await channel.stream(PATH, b"", seconds=5.0)
        assert await answers.read() == b"x"
        with pytest.raises(RpcError) as error:
            await answers.read()
    assert error.value.status is Status.INTERNAL


async def test_a_compressed_message_that_nobody_asked_for():
    """We ask for uncompressed ones; another is an error and no garbage."""
    body = gzip.compress(b"x")
    found, _ = await outcome(answer_of(b"\1" + len(body).to_bytes(4, "big") + body))
    assert found is Status.INTERNAL


@pytest.mark.parametrize("streams", [False, True])
async def test_a_message_beyond_the_limit_is_refused_by_its_length(streams):
    """Before it arrives: the call ends, and the server is told to stop."""

    def large(peer, stream):
        peer.headers(stream, ANSWER)
        peer.data(stream, b"\0" + (1001).to_bytes(4, "big") + b"x" * 500)

    async with ScriptedServer(answering(large)) as server, opened(server, limit=1000) as channel:
        if streams:
            found, text = await status_of((await channel.stream(PATH, b"", seconds=5.0)).read())
        else:
            found, text = await status_of(channel.unary(PATH, b"", seconds=5.0))
        assert found is Status.RESOURCE_EXHAUSTED
        assert "larger than max" in text
        await until(lambda: server.peers[0].resets)
        assert server.peers[0].resets == {1: ErrorCode.CANCEL}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ErrorCode.NO_ERROR, Status.INTERNAL),
        (ErrorCode.PROTOCOL_ERROR, Status.INTERNAL),
        (ErrorCode.INTERNAL_ERROR, Status.INTERNAL),
        (ErrorCode.FLOW_CONTROL_ERROR, Status.INTERNAL),
        (ErrorCode.SETTINGS_TIMEOUT, Status.INTERNAL),
        (ErrorCode.STREAM_CLOSED, Status.INTERNAL),
        (ErrorCode.FRAME_SIZE_ERROR, Status.INTERNAL),
        (ErrorCode.CANCEL, Status.CANCELLED),
        (ErrorCode.COMPRESSION_ERROR, Status.INTERNAL),
        (ErrorCode.CONNECT_ERROR, Status.INTERNAL),
        (ErrorCode.ENHANCE_YOUR_CALM, Status.RESOURCE_EXHAUSTED),
        (ErrorCode.INADEQUATE_SECURITY, Status.PERMISSION_DENIED),
        (ErrorCode.HTTP_1_1_REQUIRED, Status.INTERNAL),
        (77, Status.INTERNAL),
    ],
)
async def test_each_reset(code, status):
    """As gRPC over HTTP/2 maps them; the code's name is in the text."""
    found, text = await outcome(lambda peer, stream: peer.write(frames.reset(stream, code)))
    assert found is status
    assert ErrorCode.name_of(code) in text


async def test_an_early_answer_stops_a_request_that_is_still_sent():
    """Such as a proxy's 413: the rest of the request is not sent, and the stream does not stay open for ever."""

    async def script(peer):
        peer.start()
        await until(lambda: peer.opened)
        peer.headers(1, [(":status", "413"), ("content-type", "text/html")], ends=True)
        await peer.ended.wait()

    async with ScriptedServer(script) as server, opened(server) as channel:
        found, text = await status_of(channel.unary(PATH, b"x" * 1_000_000, seconds=5.0))
        assert (found, "larger than max" in text) == (Status.RESOURCE_EXHAUSTED, True)
        await until(lambda: server.peers[0].resets)
        assert sum(len(one[3]) for one in server.peers[0].received) < 200_000


async def test_blocks_of_headers_in_every_form():
    """Never indexed, Huffman-coded, in CONTINUATION frames, padded, with a priority, with a table of size 0."""

    async def script(peer):
        peer.start({frames.Setting.HEADER_TABLE_SIZE: 0})
        for number in range(8):
            stream = (await peer.requests.get()).stream
            headers = [*ANSWER, ("x-long", "v" * 300), ("x-secret", "s", True)]
            block = peer.encoder.encode(headers, huffman=bool(number % 2))
            peer.write(frames.frame(frames.HEADERS, 0, stream, block[:1]))
            for at in range(1, len(block), 50):
                last = frames.END_HEADERS if at + 50 >= len(block) else 0
                peer.write(frames.frame(frames.CONTINUATION, last, stream, block[at : at + 50]))
            padded = bytes((3,)) + b"\0\0\0\0\1x" + b"\0" * 3
            peer.write(frames.frame(frames.DATA, frames.PADDED, stream, padded))
            trailers = bytes((2,)) + b"\0\0\0\1\x10" + peer.encoder.encode([("grpc-status", "0")]) + b"\0\0"
            flags = frames.PADDED | frames.WITH_PRIORITY | frames.END_HEADERS | frames.END_STREAM
            peer.write(frames.frame(frames.HEADERS, flags, stream, trailers))

    async with ScriptedServer(script) as server, opened(server) as channel:
        for _ in range(8):
            assert await channel.unary(PATH, b"x", seconds=5.0) == b"x"


async def test_a_header_that_http_does_not_allow_is_refused_without_its_value():
    """A token with a line break neither splits the request nor appears in the error."""
    async with ScriptedServer(answering(lambda peer, stream: peer.answer(stream))) as server, opened(server) as channel:
        for value in ("s3cr3t\r\nx: y", "s3cr3tü"):
            call = channel.unary(PATH, b"", seconds=5.0, metadata=(("authorization", value),))
            found, text = await status_of(call)
            assert found is Status.INTERNAL
            assert "authorization" in text
            assert "s3cr3t" not in text


async def test_long_and_many_headers_arrive():
    """A token of 20 kB is split over frames; a hundred different ones in turn leave no trace in later calls."""
    seen = []

    async def script(peer):
        peer.start()
        while True:
            request = await peer.requests.get()
            seen.append(request.headers["authorization"])
            peer.answer(request.stream)

    tokens = ["Bearer " + "t" * 20_000, *(f"Bearer {number}" for number in range(250)), "Bearer " + "u" * 3_000]
    async with ScriptedServer(script) as server, opened(server) as channel:
        for token in tokens:
            await channel.unary(PATH, b"", seconds=5.0, metadata=(("authorization", token),))
    assert seen == tokens
