"""What the server bears: each client here breaks a rule or asks too much, and others are answered all the same."""

from __future__ import annotations

import asyncio
import gzip
import os
import struct

import pytest
from tests.rpc import raw as r
from tests.rpc.raw import HELLO, PREFACE, Ended, block, call, frame, message, settings, size, window_update
from tests.waiting import until

from zeebe_connectors.rpc import sending, server
from zeebe_connectors.rpc.frames import ErrorCode
from zeebe_connectors.rpc.status import Status

OPEN = frame(r.HEADERS, r.END_HEADERS, 1, block("/t/Wait"))
HALF_BLOCK = frame(r.HEADERS, r.END_STREAM, 1, block())
WAITING = call(1, "/t/Wait")
INDEXED_4000 = b"\x40\x01a\x7f" + bytes([(4000 - 127) & 127 | 128, (4000 - 127) >> 7]) + b"v" * 4000
E = ErrorCode


async def answered(service, content=b"\x0a\x02hi") -> None:
    """Asserts that another client gets its answer."""
    other = await service.connect()
    other.send(call(1, content=content))
    assert await other.end(1, within=5.0) == Ended("status", 0)
    assert other.data[1] == message(content)
    await other.close()


NOT_HTTP2 = {
    "HTTP/1": b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
    "TLS": bytes.fromhex("160301020001000001fc0303") + os.urandom(500),
    "garbage": b"\xff" * 5_000,
    "nothing but zeros": bytes(100),
    "another preface": PREFACE.replace(b"SM", b"XX"),
}


@pytest.mark.parametrize("bytes_sent", NOT_HTTP2.values(), ids=NOT_HTTP2)
@pytest.mark.parametrize("size", [1, 100_000])
async def test_what_is_not_http2_ends_at_once(service, bytes_sent, size):
    """Whole, or one byte at a time."""
    raw = await service.connect(b"")
    for at in range(0, len(bytes_sent), size):
        raw.send(bytes_sent[at : at + size])
        await asyncio.sleep(0.001)
        if raw.reader.at_eof() or raw.reader._buffer.endswith(b"unencrypted"):
            break  # what arrives later would cost the client the goodbye
    ended = await raw.end()
    assert (ended.how, ended.code) == ("goaway", E.PROTOCOL_ERROR)
    assert "HTTP/2" in ended.text
    await answered(service)


BREACHES = {
    "data before settings": (PREFACE + frame(r.DATA, 0, 1), E.PROTOCOL_ERROR),
    "an acknowledgement before settings": (PREFACE + frame(r.SETTINGS, r.ACK), E.PROTOCOL_ERROR),
    "settings on a stream": (HELLO + frame(r.SETTINGS, 0, 1), E.PROTOCOL_ERROR),
    "settings of five bytes": (HELLO + frame(r.SETTINGS, payload=b"12345"), E.FRAME_SIZE_ERROR),
    "an acknowledgement with content": (HELLO + frame(r.SETTINGS, r.ACK, payload=bytes(6)), E.FRAME_SIZE_ERROR),
    "a window of 2^31": (HELLO + settings(window=2**31), E.FLOW_CONTROL_ERROR),
    "frames of 1 byte": (HELLO + settings(frame=1), E.PROTOCOL_ERROR),
    "push of 2": (HELLO + settings(push=2), E.PROTOCOL_ERROR),
    "a window that overflows by settings":
        (HELLO + OPEN + window_update(1, 2**31 - 1 - 65535) + settings(window=65536), E.FLOW_CONTROL_ERROR),
    "a frame of 16385 bytes": (HELLO + frame(r.PING, payload=bytes(16_385)), E.FRAME_SIZE_ERROR),
    "a ping of 7 bytes": (HELLO + frame(r.PING, payload=bytes(7)), E.FRAME_SIZE_ERROR),
    "a ping on a stream": (HELLO + frame(r.PING, 0, 1, bytes(8)), E.PROTOCOL_ERROR),
    "a short goaway": (HELLO + frame(r.GOAWAY, payload=bytes(7)), E.FRAME_SIZE_ERROR),
    "goaway on a stream": (HELLO + frame(r.GOAWAY, 0, 1, bytes(8)), E.PROTOCOL_ERROR),
    "a push": (HELLO + OPEN + frame(r.PUSH_PROMISE, 4, 1, bytes(4)), E.PROTOCOL_ERROR),
    "a short reset": (HELLO + OPEN + frame(r.RST_STREAM, 0, 1, bytes(3)), E.FRAME_SIZE_ERROR),
    "a reset of nothing": (HELLO + frame(r.RST_STREAM, 0, 1, bytes(4)), E.PROTOCOL_ERROR),
    "a reset of the connection": (HELLO + frame(r.RST_STREAM, 0, 0, bytes(4)), E.PROTOCOL_ERROR),
    "a priority of the connection": (HELLO + frame(r.PRIORITY, 0, 0, bytes(5)), E.PROTOCOL_ERROR),
    "a window update of zero": (HELLO + window_update(0, 0), E.PROTOCOL_ERROR),
    "a window beyond 2^31": (HELLO + window_update(0, 2**31 - 1), E.FLOW_CONTROL_ERROR),
    "a window update of nothing": (HELLO + window_update(7, 1), E.PROTOCOL_ERROR),
    "a short window update": (HELLO + frame(r.WINDOW_UPDATE, payload=bytes(3)), E.FRAME_SIZE_ERROR),
    "data of the connection": (HELLO + frame(r.DATA, 0, 0, b"x"), E.PROTOCOL_ERROR),
    "data before headers": (HELLO + frame(r.DATA, 0, 1, b"x"), E.PROTOCOL_ERROR),
    "more padding than data": (HELLO + OPEN + frame(r.DATA, r.PADDED, 1, b"\x05abc"), E.PROTOCOL_ERROR),
    "padding without its length": (HELLO + OPEN + frame(r.DATA, r.PADDED, 1), E.FRAME_SIZE_ERROR),
    "headers too short for a priority":
        (HELLO + frame(r.HEADERS, r.END_HEADERS | r.WITH_PRIORITY, 1, b"1234"), E.FRAME_SIZE_ERROR),
    "headers of the connection": (HELLO + frame(r.HEADERS, r.END_HEADERS, 0, block()), E.PROTOCOL_ERROR),
    "an even stream": (HELLO + frame(r.HEADERS, r.END_HEADERS, 2, block()), E.PROTOCOL_ERROR),
    "a decreasing stream": (HELLO + call(5) + call(3), E.STREAM_CLOSED),
    "a stream twice": (HELLO + call(1) + frame(r.RST_STREAM, 0, 1, bytes(4)) + call(1), E.STREAM_CLOSED),
    "a continuation of nothing": (HELLO + frame(r.CONTINUATION, r.END_HEADERS, 1, block()), E.PROTOCOL_ERROR),
    "a block that is interrupted": (HELLO + HALF_BLOCK + frame(r.PING, payload=bytes(8)), E.PROTOCOL_ERROR),
    "a block that another stream continues":
        (HELLO + HALF_BLOCK + frame(r.CONTINUATION, r.END_HEADERS, 3), E.PROTOCOL_ERROR),
    "an unknown frame in a block": (HELLO + HALF_BLOCK + frame(99, 0, 1), E.PROTOCOL_ERROR),
    "an index beyond the table": (HELLO + frame(r.HEADERS, r.END_HEADERS, 1, b"\xff\xff\x7f"), E.COMPRESSION_ERROR),
    "the index zero": (HELLO + frame(r.HEADERS, r.END_HEADERS, 1, b"\x80"), E.COMPRESSION_ERROR),
    "a number without end": (HELLO + frame(r.HEADERS, r.END_HEADERS, 1, b"\xff" * 99), E.COMPRESSION_ERROR),
    "half a header": (HELLO + frame(r.HEADERS, r.END_HEADERS, 1, block()[:-1]), E.COMPRESSION_ERROR),
    "a table beyond 4096 bytes": (HELLO + frame(r.HEADERS, r.END_HEADERS, 1, b"\x3f\xe2\x1f"), E.COMPRESSION_ERROR),
    "a table resized within a block":
        (HELLO + frame(r.HEADERS, r.END_HEADERS, 1, block() + b"\x20"), E.COMPRESSION_ERROR),
    "wrong Huffman code": (HELLO + frame(r.HEADERS, r.END_HEADERS, 1, b"\x00\x81\xff\x81\xff"), E.COMPRESSION_ERROR),
}  # fmt: skip


@pytest.mark.parametrize(("bytes_sent", "code"), BREACHES.values(), ids=BREACHES)
async def test_a_breach_of_http2_ends_the_connection(service, bytes_sent, code):
    """With the code that RFC 9113 names, and with all of its calls."""
    raw = await service.connect(bytes_sent)
    ended = await raw.end()
    assert (ended.how, ended.code) == ("goaway", code)
    assert await raw.end() == Ended("closed", 0)
    await until(lambda: not service.server.connections)
    await answered(service)


PING, EMPTY = frame(r.PING, payload=bytes(8)), frame(r.DATA, 0, 1)
FLOODS = {
    "continuations": HALF_BLOCK + frame(r.CONTINUATION, 0, 1, bytes(16_384)) * 10,
    "empty continuations": HALF_BLOCK + frame(r.CONTINUATION, 0, 1) * 20_000,
    "a header of 60 KB, often":
        frame(r.HEADERS, r.END_HEADERS | r.END_STREAM, 1, block() + INDEXED_4000 + b"\xbe" * 20),
    "pings": PING * 20_000,
    "acknowledged pings": frame(r.PING, r.ACK, payload=bytes(8)) * 20_000,
    "settings": settings() * 20_000,
    "acknowledged settings": frame(r.SETTINGS, r.ACK) * 20_000,
    "priorities": frame(r.PRIORITY, 0, 1, bytes(5)) * 20_000,
    "unknown frames": frame(99, 255, 1, b"x") * 20_000,
    "empty data": OPEN + EMPTY * 20_000,
    "padding alone": OPEN + frame(r.DATA, r.PADDED, 1, b"\x01\x00") * 20_000,
    "window updates": OPEN + window_update(1, 1) * 20_000,
    "window updates of the connection": window_update(0, 1) * 20_000,
    "goaway": frame(r.GOAWAY, payload=bytes(8)) * 20_000,
    "resets of a stream that has ended": OPEN + frame(r.RST_STREAM, 0, 1, bytes(4)) * 20_000,
    "data of a stream that has ended": OPEN + frame(r.RST_STREAM, 0, 1, bytes(4)) + EMPTY * 20_000,
    "calls given up": b"".join(
        call(n, "/t/Wait") + frame(r.RST_STREAM, 0, n, bytes(4)) for n in range(1, 3_001, 2)
    ),
    "windows of many calls, changed again and again":
        b"".join(call(n, "/t/Wait") for n in range(1, 4_001, 2)) + (settings(window=1) + settings(window=2)) * 400,
}  # fmt: skip


@pytest.mark.parametrize("bytes_sent", FLOODS.values(), ids=FLOODS)
async def test_a_flood_ends_the_connection(service, bytes_sent):
    """Before it costs more than a moment."""
    begun = asyncio.get_running_loop().time()
    raw = await service.connect()
    raw.send(bytes_sent)
    ended = await raw.end()
    assert ended.how in {"goaway", "closed"}  # a goodbye is lost if more arrives after it
    assert ended.code in {0, E.ENHANCE_YOUR_CALM}
    await until(lambda: not service.server.connections)
    assert asyncio.get_running_loop().time() - begun < 5.0
    await answered(service)


async def test_signs_of_life_for_weeks_are_no_flood(service, monkeypatch):
    """A hundred a second are forgiven."""
    loop = asyncio.get_running_loop()
    days, time = [0.0], loop.time
    raw = await service.connect(HELLO + WAITING)
    await until(lambda: service.waiting)
    (connection,) = service.server.connections
    connection._surplus._clock = lambda: time() + days[0]
    for _ in range(12):
        raw.send(PING * 1_000)
        for _ in range(1_000):
            assert (found := await raw.next()) is not None
            assert found.kind in {r.PING, r.SETTINGS, r.WINDOW_UPDATE}
        days[0] += 11.0
    assert not connection.is_closed
    raw.vanish()


MALFORMED = {
    "no path": {":path": None}, "an empty path": {":path": ""}, "no method": {":method": None},
    "no scheme": {":scheme": None}, "an unknown pseudo-header": {":new": "1"}, "a status": {":status": "200"},
    "capitals": {"Upper": "1"}, "a space": {"a b": "1"}, "no name": {"": "1"}, "a line feed": {"a": "1\n2"},
    "a zero": {"a": "\0"}, "connection": {"connection": "close"}, "te": {"te": "gzip"},
    "upgrade": {"upgrade": "h2c"}, "a length that is none": {"content-length": "-1"},
    "less data than announced": {"content-length": "6"}, "more data than announced": {"content-length": "4"},
}  # fmt: skip


@pytest.mark.parametrize("more", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_headers_end_the_call(service, more):
    """And only the call."""
    raw = await service.connect()
    raw.send(call(1, **more), call(3))
    assert await raw.end(1) == Ended("reset", E.PROTOCOL_ERROR)
    assert await raw.end(3) == Ended("status", 0)


LONG = block("/" + "é" * 30_000)
LONG_PATH = frame(r.HEADERS, 1, 1) + b"".join(
    frame(r.CONTINUATION, 4 if at + 15_000 >= len(LONG) else 0, 1, LONG[at : at + 15_000])
    for at in range(0, len(LONG), 15_000)
)
GZIP = frame(r.HEADERS, 4, 1, block(grpc_encoding="gzip"))
BOMB = message(gzip.compress(bytes(15_000_000)), flag=1)
PART = frame(r.HEADERS, r.END_HEADERS, 1, block())
ENDS = {
    "data after the end": (call(1, "/t/Wait") + frame(r.DATA, 0, 1, b"x"), Ended("reset", E.STREAM_CLOSED)),
    "headers after the end": (WAITING + frame(r.HEADERS, 5, 1, block()), Ended("reset", E.STREAM_CLOSED)),
    "headers within": (PART + frame(r.HEADERS, r.END_HEADERS, 1, block()), Ended("reset", E.PROTOCOL_ERROR)),
    "a request as trailers": (PART + frame(r.HEADERS, 5, 1, block()), Ended("reset", E.PROTOCOL_ERROR)),
    "a window update of zero": (PART + window_update(1, 0), Ended("reset", E.PROTOCOL_ERROR)),
    "a window beyond 2^31": (PART + window_update(1, 2**31 - 1), Ended("reset", E.FLOW_CONTROL_ERROR)),
    "a short priority": (PART + frame(r.PRIORITY, 0, 1, bytes(4)), Ended("reset", E.FRAME_SIZE_ERROR)),
    "GET": (call(1, **{":method": "GET"}), Ended("status", 405)),
    "another content type": (call(1, content_type="application/json"), Ended("status", 415)),
    "gRPC for browsers": (call(1, content_type="application/grpc-web"), Ended("status", 415)),
    "an unknown method": (call(1, "/t/Nothing"), Ended("status", Status.UNIMPLEMENTED, "Method not found: /t/Nothing")),
    "a path of 60 KB": (LONG_PATH, Status.UNIMPLEMENTED),
    "no message": (frame(r.HEADERS, 5, 1, block()), Status.INTERNAL),
    "half a message": (PART + frame(r.DATA, 1, 1, message(b"12345")[:-1]), Status.INTERNAL),
    "half a prefix": (PART + frame(r.DATA, 1, 1, b"\0\0"), Status.INTERNAL),
    "two messages": (PART + frame(r.DATA, 1, 1, message() * 2), Status.INTERNAL),
    "a message that is none": (call(1, content=b"\xff"), Status.INTERNAL),
    "a message of 4 GB": (PART + frame(r.DATA, 0, 1, message(size=2**32 - 1)), Status.RESOURCE_EXHAUSTED),
    "compressed, but not said how": (PART + frame(r.DATA, 1, 1, message(flag=1)), Status.INTERNAL),
    "compressed in an unknown way": (call(1, grpc_encoding="zpaq"), Status.UNIMPLEMENTED),
    "a gzip that is none": (GZIP + frame(r.DATA, 1, 1, message(b"xyz", flag=1)), Status.INTERNAL),
    "a gzip of 15 MB": (GZIP + frame(r.DATA, 1, 1, BOMB), Status.RESOURCE_EXHAUSTED),
    "a malformed timeout": (call(1, grpc_timeout="5 S"), Status.INTERNAL),
    "a negative timeout": (call(1, grpc_timeout="-5S"), Status.INTERNAL),
    "a timeout of nine digits": (call(1, grpc_timeout="123456789S"), Status.INTERNAL),
    "no time at all": (call(1, "/t/Wait", grpc_timeout="0S"), Status.DEADLINE_EXCEEDED),
    "a nanosecond": (call(1, "/t/Wait", grpc_timeout="1n"), Status.DEADLINE_EXCEEDED),
    "a deadline for half a request": (frame(r.HEADERS, 4, 1, block(grpc_timeout="20m")), Status.DEADLINE_EXCEEDED),
    "a deadline for nothing but headers": (frame(r.HEADERS, 4, 1, block("/t/Many", grpc_timeout="1n"))
                                          + frame(r.DATA, 1, 1, message()), None),
}  # fmt: skip


@pytest.mark.parametrize(("bytes_sent", "ended"), ENDS.values(), ids=ENDS)
async def test_a_call_that_goes_wrong_leaves_the_others_alone(service, bytes_sent, ended):
    """It ends with a reset or a status, and the next on its connection is answered."""
    raw = await service.connect(HELLO + settings(window=0 if ended is None else 65_535))
    raw.send(bytes_sent)
    found = await raw.end(1)
    match ended:
        case Status():
            assert (found.how, found.code) == ("status", ended)
        case Ended():
            assert found == ended
        case None:
            assert found.how == "reset" or found.code == Status.DEADLINE_EXCEEDED
    raw.send(settings(window=65_535), call(3))
    assert await raw.end(3) == Ended("status", 0)


GOOD = {
    "trailers": PART + frame(r.DATA, 0, 1, message()) + frame(r.HEADERS, 5, 1, b"\0\1a\1b"),
    "padding": frame(r.HEADERS, r.END_HEADERS | r.PADDED, 1, b"\x03" + block() + bytes(3))
        + frame(r.DATA, r.END_STREAM | r.PADDED, 1, b"\x09" + message() + bytes(9)),
    "priorities": frame(r.PRIORITY, 0, 1, bytes(5))
        + frame(r.HEADERS, r.END_HEADERS | r.WITH_PRIORITY, 1, bytes(5) + block()) + frame(r.DATA, 1, 1, message()),
    "one byte at a time": PART + b"".join(frame(r.DATA, at == 4, 1, b"\0") for at in range(5)),
    "many small pieces of headers": frame(r.HEADERS, 0, 1, b"")
        + b"".join(frame(r.CONTINUATION, 0, 1, block()[at : at + 1]) for at in range(len(block())))
        + frame(r.CONTINUATION, r.END_HEADERS, 1) + frame(r.DATA, 1, 1, message()),
    "unknown frames, flags and settings": frame(77, 255, 0, b"x") + frame(r.SETTINGS, 0, 0, struct.pack(">HI", 99, 1))
        + frame(r.HEADERS, 0xC4, 1, block()) + frame(r.DATA, 0xF1 & ~8, 1, message()),
    "the right length": call(1, content_length="5"),
    "gzip": GZIP + frame(r.DATA, 1, 1, message(gzip.compress(b""), flag=1)),
    "after a goodbye": frame(r.GOAWAY, payload=bytes(8)) + call(1),
    "a type with parameters": call(1, content_type="application/grpc+proto;v=1"),
    "a long time": call(1, grpc_timeout="99999999H"),
    "no table": settings(table=0) + call(1),
}  # fmt: skip


@pytest.mark.parametrize("bytes_sent", GOOD.values(), ids=GOOD)
async def test_what_is_allowed_is_answered(service, bytes_sent):
    """Though few clients do it."""
    raw = await service.connect(HELLO + bytes_sent)
    assert await raw.end(1) == Ended("status", 0)
    assert raw.data[1] == message()


async def test_the_first_headers_empty_the_table(service):
    """As a client without a table requires (RFC 9113, section 4.3.1)."""
    raw = await service.connect(PREFACE + settings(table=0))
    raw._decoder.max_allowed_table_size = 0
    raw.send(call(1))
    assert await raw.end(1) == Ended("status", 0)
    raw.send(call(3, "/t/Nothing"))
    assert (await raw.end(3)).code == Status.UNIMPLEMENTED


async def test_a_client_that_says_nothing_is_dropped(service, monkeypatch):
    """So is one whose settings come too slowly."""
    monkeypatch.setattr(server, "_PREFACE_SECONDS", 0.3)
    silent, slow, good = await service.connect(b""), await service.connect(PREFACE), await service.connect()
    for byte in settings()[:-1]:
        slow.send(bytes([byte]))
        await asyncio.sleep(0.01)
    for raw in (silent, slow):
        assert (await raw.end()).code == E.SETTINGS_TIMEOUT
    good.send(call(1))
    assert await good.end(1) == Ended("status", 0)


async def test_streams_beyond_the_limit_are_refused(service):
    """The others go on."""
    raw = await service.connect()
    raw.send(*(call(n, "/t/Wait") for n in range(1, 6_002, 2)))
    assert await raw.end(6_001, within=20) == Ended("reset", E.REFUSED_STREAM)
    service.go.set()
    assert await raw.end(5_999, within=20) == Ended("status", 0)


async def test_half_requests_on_thousands_of_streams_are_bounded(service, monkeypatch):
    """Each too much fails, the small ones go on, and nothing is counted when all are gone."""
    monkeypatch.setattr(server, "_MAX_HELD_BYTES", 1_000_000)
    raw = await service.connect()
    head = message(size=600_000)
    raw.send(
        *(frame(r.HEADERS, 4, n, block("/t/Wait")) + frame(r.DATA, 0, n, head + bytes(995)) for n in range(1, 4_001, 2))
    )
    await answered(service)
    assert (await raw.end(3_999)).code == Status.RESOURCE_EXHAUSTED
    raw.send(call(4_001))
    (connection,) = [one for one in service.server.connections if one.streams]
    assert connection._held_bytes <= 1_000_000
    assert (await raw.end(4_001)).code in {Status.OK, Status.RESOURCE_EXHAUSTED}
    raw.send(*(frame(r.RST_STREAM, 0, n, bytes(4)) for n in range(1, 1_001, 2)))
    raw.send(call(4_003))
    assert (await raw.end(4_003)).code == 0
    raw.vanish()
    await until(lambda: not connection.streams)
    assert connection._held_bytes == 0


async def test_requests_count_while_they_are_handled(service, monkeypatch):
    """A small one may become large when it is decompressed."""
    monkeypatch.setattr(server, "_MAX_HELD_BYTES", 3_000_000)
    raw = await service.connect()
    body = message(gzip.compress(b"\x0a\x80\x80\x20" + bytes(512 * 1024)), flag=1)
    for n in range(1, 21, 2):
        raw.send(frame(r.HEADERS, 4, n, block("/t/Wait", grpc_encoding="gzip")), frame(r.DATA, 1, n, body))
    assert (await raw.end(19)).code == Status.RESOURCE_EXHAUSTED
    assert service.waiting == 5
    raw.vanish()


async def test_data_beyond_a_window_ends_the_call(service):
    """The connection's windows are opened as data is read."""
    raw = await service.connect()
    raw.send(PART, frame(r.DATA, 0, 1, message(size=1 << 20) + bytes(16_000)), frame(r.DATA, 0, 1, bytes(16_384)) * 62)
    (connection,) = await service.with_calls()
    connection.streams[1].receive_window = 100
    raw.send(frame(r.DATA, 0, 1, bytes(16_384)))
    assert await raw.end(1) == Ended("reset", E.FLOW_CONTROL_ERROR)
    connection._receive_window = 100
    raw.send(frame(r.DATA, 0, 1, bytes(16_384)))
    assert (await raw.end()).code == E.FLOW_CONTROL_ERROR


# --- clients that do not read


async def test_answers_that_no_window_lets_out_are_bounded(service, monkeypatch):
    """The connection ends when too many bytes wait."""
    monkeypatch.setattr(server, "_MAX_UNSENT_BYTES", 1_000_000)
    raw = await service.connect(PREFACE + settings(window=0))
    raw.send(*(size(n, 100_000) for n in range(1, 201, 2)))
    ended = await raw.end()
    assert (ended.how, ended.code, ended.text) == ("goaway", E.ENHANCE_YOUR_CALM, "answers are not read")
    await answered(service)


async def test_a_client_that_takes_nothing_for_long_is_dropped(service, monkeypatch):
    """Whatever its windows say."""
    monkeypatch.setattr(sending, "_STALLED_SECONDS", 0.3)
    raw = await service.connect(PREFACE + settings(window=2**31 - 1) + window_update(0, 2**31 - 1 - 65_535))
    raw.reader._limit = 0  # nothing is read from the socket any more
    raw.send(call(1, "/t/Many"), size(3, 20_000_000))
    await until(lambda: not service.server.connections)
    assert service.sent < 1_000
    await answered(service)


async def test_failures_that_are_not_read_are_bounded(service):
    """They obey no window."""
    raw = await service.connect()
    raw.reader._limit = 0
    text = b"\x0a\xe8\x07" + b"x" * 1_000
    number = 1
    async with asyncio.timeout(30):
        while service.server.connections or number == 1:
            raw.send(*(call(n, "/t/Fail", text) for n in range(number, number + 400, 2)))
            number += 400
            await asyncio.sleep(0.01)
    assert number < 60_000
    await answered(service)


async def test_a_deadline_holds_until_the_answer_is_taken(service):
    """One of which a part was sent ends with a reset."""
    raw = await service.connect(PREFACE + settings(window=10))
    raw.send(size(1, 1_000, grpc_timeout="100m"), call(3, "/t/Many", grpc_timeout="100m"))
    assert await raw.end(1) == Ended("reset", E.CANCEL)
    assert await raw.end(3) == Ended("reset", E.CANCEL)
    raw.send(settings(window=65_535), call(5))
    assert await raw.end(5) == Ended("status", 0)
    assert not any(one.streams or one.unsent_bytes for one in service.server.connections)


async def test_thousands_of_blocked_answers_do_not_slow_the_others(service):
    """A window update looks at its own stream alone."""
    raw = await service.connect(PREFACE + settings(window=0))
    raw.send(*(size(n, 5_000) for n in range(1, 4_001, 2)))
    await until(lambda: sum(one.unsent_bytes for one in service.server.connections) > 10_000_000)
    begun = asyncio.get_running_loop().time()
    raw.send(*(window_update(n, 1) * 4 for n in range(1, 4_001, 2)))
    raw.send(window_update(4_001 - 2, 60_000))
    assert await raw.end(3_999) == Ended("status", 0)
    assert asyncio.get_running_loop().time() - begun < 3.0


async def test_large_answers_through_small_windows(service):
    """Each stream gets its turn, and every byte arrives in its order."""
    raw = await service.connect(PREFACE + settings(window=1_000))
    raw.send(size(1, 300_000), size(3, 300_000), size(5, 10))
    assert await raw.end(5) == Ended("status", 0)
    raw.send(*(window_update(number, len(data)) for number, data in raw.data.items() if number != 5))
    left = {1, 3}
    while left:
        found = await raw.next()
        assert found is not None
        if found.kind == r.DATA:
            raw.data[found.stream] = raw.data.get(found.stream, b"") + found.payload
            raw.send(window_update(found.stream, len(found.payload)), window_update(0, len(found.payload)))
        elif found.kind == r.HEADERS and found.flags & r.END_STREAM:
            left.discard(found.stream)
    for number in (1, 3):
        assert len(raw.data[number]) == 300_000 + 5 + 4
        assert raw.data[number].endswith(b"x" * 300_000)


async def test_settings_are_acknowledged_before_they_are_used(service):
    """The client counts with the old window until then."""
    raw = await service.connect(PREFACE + settings(window=0))
    raw.send(size(1, 1_000))
    while (await raw.next()).kind != r.HEADERS:
        pass
    raw.send(settings(window=100))
    acknowledged, data = await raw.next(), await raw.next()
    assert (acknowledged.kind, acknowledged.flags) == (r.SETTINGS, r.ACK)
    assert (data.kind, len(data.payload)) == (r.DATA, 100)
