"""The server as gRPC's own library for Python sees it."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue
from grpc import StatusCode
from tests.waiting import until


def unary(channel, name):
    return channel.unary_unary(f"/t/{name}", BytesValue.SerializeToString, BytesValue.FromString)


@pytest.fixture
async def open_channel(service):
    """Opens channels with options; they close with the test."""
    channels = []

    def opened(**options) -> grpc.aio.Channel:
        named = [(f"grpc.{name}", value) for name, value in options.items()]
        channels.append(channel := grpc.aio.insecure_channel(
            f"127.0.0.1:{service.port}", [*named, ("grpc.use_local_subchannel_pool", 1)]
        ))  # fmt: skip
        return channel

    yield opened
    for channel in channels:
        await channel.close()
    for connection in list(service.server.connections):
        connection.close()  # the library keeps it as long as anything refers to one of its calls


async def test_many_calls_at_once(open_channel):
    """On one connection, each with its own answer."""
    echo = unary(open_channel(), "Echo")
    sent = [BytesValue(value=str(n).encode() * (n % 7)) for n in range(2_000)]
    assert await asyncio.gather(*(echo(one) for one in sent)) == sent


@pytest.mark.parametrize("kind", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_compressed_requests(open_channel, kind):
    """As some clients send them."""
    request = BytesValue(value=b"abc" * 100_000)
    assert await unary(open_channel(), "Echo")(request, compression=kind) == request


@pytest.mark.parametrize(
    "window", [{}, {"http2.lookahead_bytes": 1_024, "http2.bdp_probe": 0}], ids=["probed", "small"]
)
async def test_an_answer_of_20_mb(open_channel, window):
    """Through windows of whatever size, beside a small one."""
    channel = open_channel(max_receive_message_length=-1, **window)
    large = asyncio.ensure_future(unary(channel, "Size")(BytesValue(value=b"20000000")))
    begun = time.monotonic()
    await unary(channel, "Echo")(BytesValue())
    assert time.monotonic() - begun < 2.0
    assert (await large).value == b"x" * 20_000_000


async def test_a_slow_reader_of_a_stream(service, open_channel):
    """The server makes no more than the windows let out."""
    channel = open_channel()
    many = channel.unary_stream("/t/Many", BytesValue.SerializeToString, BytesValue.FromString)
    answers = many(BytesValue())
    for _ in range(10):
        assert len((await answers.read()).value) == 64 * 1024
        await asyncio.sleep(0.02)
    assert service.sent < 2_000
    answers.cancel()
    await until(lambda: not service.waiting)
    assert await unary(channel, "Echo")(BytesValue()) == BytesValue()


@pytest.mark.parametrize(
    "text", ["", "no", "50 % ü ✓ 🦓\nline\ttab\0", " spaces ", "x" * 5_000, "ä" * 900, "\N{SNOWMAN}" * 5_000]
)
async def test_the_texts_of_errors(open_channel, text):
    """Whole as long as they are shorter than what clients allow in headers."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await unary(open_channel(), "Fail")(BytesValue(value=text.encode()))
    assert caught.value.code() is StatusCode.PERMISSION_DENIED
    details = caught.value.details()
    assert details == text or (details.endswith("...") and len(details) > 600 and text.startswith(details[:-3]))


async def test_deadlines_and_cancelled_calls(service, open_channel):
    """They end on both sides, and the connection goes on."""
    channel = open_channel()
    wait = unary(channel, "Wait")
    calls = [wait(BytesValue(), timeout=0.3) for _ in range(300)]
    for found in await asyncio.gather(*calls, return_exceptions=True):
        assert found.code() is StatusCode.DEADLINE_EXCEEDED
    cancelled = [wait(BytesValue()) for _ in range(300)]
    await until(lambda: service.waiting == 300)
    for call in cancelled:
        call.cancel()
    await until(lambda: service.waiting == 0)
    await asyncio.gather(*cancelled, return_exceptions=True)
    assert await unary(channel, "Echo")(BytesValue()) == BytesValue()
    assert len(service.server.connections) == 1


async def test_a_request_beyond_the_limit(open_channel):
    """Fails with gRPC's status, and others go on."""
    channel = open_channel(max_send_message_length=-1)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await unary(channel, "Echo")(BytesValue(value=bytes(5_000_000)))
    assert caught.value.code() is StatusCode.RESOURCE_EXHAUSTED
    assert await unary(channel, "Echo")(BytesValue()) == BytesValue()


async def test_a_connection_that_is_idle_or_pings(service, open_channel):
    """Stays."""
    channel = open_channel(
        keepalive_time_ms=100, keepalive_timeout_ms=1_000, keepalive_permit_without_calls=1,
        **{"http2.max_pings_without_data": 0},
    )  # fmt: skip
    for _ in range(3):
        assert await unary(channel, "Echo")(BytesValue()) == BytesValue()
        await asyncio.sleep(0.6)
    assert len(service.server.connections) == 1


async def test_calls_when_the_server_stops(service, open_channel):
    """Those under way fail as unavailable, which a client may repeat."""
    wait = unary(open_channel(), "Wait")(BytesValue())
    await until(lambda: service.waiting)
    await service.server.stop()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wait
    assert caught.value.code() is StatusCode.UNAVAILABLE
