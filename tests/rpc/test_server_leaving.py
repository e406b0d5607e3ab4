"""What a client leaves behind: nothing, in whatever state it goes, and however many there were."""

from __future__ import annotations

import asyncio
import resource

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pyzeebe.proto import gateway_pb2 as pb
from tests.engine.diagrams import process, task
from tests.rpc import raw as r
from tests.rpc.raw import HELLO, PREFACE, Ended, Raw, block, call, frame, message, settings, size, window_update
from tests.waiting import until

from zeebe_connectors.engine import Engine, Host
from zeebe_connectors.engine.gateway import serve
from zeebe_connectors.rpc.frames import ErrorCode as E

OPEN = frame(r.HEADERS, r.END_HEADERS, 1, block("/t/Wait"))
HALF_BLOCK = frame(r.HEADERS, r.END_STREAM, 1, block())
WAITING = call(1, "/t/Wait")


# --- one by one

STATES = {
    "connected": b"", "half a preface": PREFACE[:10], "preface": PREFACE, "settings": HELLO,
    "half a frame": HELLO + OPEN[:20], "half a block": HELLO + HALF_BLOCK, "half a request": HELLO + OPEN,
    "waiting": HELLO + WAITING, "a deadline": HELLO + call(1, "/t/Wait", grpc_timeout="1H"),
    "streaming": HELLO + call(1, "/t/Many"), "blocked": HELLO + settings(window=1) + size(1, 1_000),
}  # fmt: skip


@pytest.mark.parametrize("way", ["reset", "goodbye", "half"])
@pytest.mark.parametrize("bytes_sent", STATES.values(), ids=STATES)
async def test_a_connection_that_vanishes_leaves_nothing(service, bytes_sent, way):
    """In whatever state it was; the fixture looks for what is left."""
    raw = await service.connect(bytes_sent)
    await until(lambda: service.server.connections)
    await asyncio.sleep(0.03)
    match way:
        case "reset":
            raw.vanish()
        case "goodbye":
            raw.send(frame(r.GOAWAY, payload=bytes(8)) if bytes_sent.startswith(HELLO) else b"")
            await raw.close()
        case "half":
            raw.writer.write_eof()
    await until(lambda: not service.server.connections and not service.waiting)


@pytest.mark.parametrize("rest", [b"", frame(r.DATA, 1, 1, message())], ids=["half a request", "waiting"])
async def test_a_call_that_is_given_up_ends(service, rest):
    """And its place is free."""
    raw = await service.connect(HELLO + OPEN + rest)
    (connection,) = await service.with_calls()
    raw.send(frame(r.RST_STREAM, 0, 1, E.CANCEL.to_bytes(4, "big")), call(3))
    assert await raw.end(3) == Ended("status", 0)
    assert not connection.streams
    assert service.cancelled == bool(rest)


async def test_a_call_that_is_given_up_as_it_is_made_never_begins(service):
    """Its frames arrive together."""
    raw = await service.connect(HELLO + WAITING + frame(r.RST_STREAM, 0, 1, bytes(4)) + call(3))
    assert await raw.end(3) == Ended("status", 0)
    assert service.begun == 0


# --- however the bytes arrive

CALLS = (
    PREFACE + settings() + call(1, content=b"\x0a\x02hi") + frame(r.PING, payload=b"12345678")
    + frame(r.HEADERS, 0, 3, block()[:30]) + frame(r.CONTINUATION, 4, 3, block()[30:])
    + frame(r.DATA, 0, 3, message(b"\x0a\x01a")[:6]) + frame(r.DATA, r.PADDED | 1, 3, b"\x02" + b"\x01a" + bytes(2))
    + call(5, "/t/Fail", b"\x0a\x02no") + window_update(0, 5) + call(7, "/t/Nothing")
)  # fmt: skip


@given(cuts=st.lists(st.integers(0, len(CALLS)), max_size=12))
@examples(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_pieces_of_the_same_bytes_are_the_same_calls(service, cuts):
    """Each piece is handed to the protocol by itself."""
    await _same_calls(service, sorted(cuts))


async def test_single_bytes_are_the_same_calls(service):
    """At every position there is a boundary."""
    await _same_calls(service, list(range(len(CALLS))))


async def _same_calls(service, cuts: list[int]) -> None:
    raw = await service.connect(b"")
    await until(lambda: service.server.connections)
    (connection,) = service.server.connections
    for begin, end in zip([0, *cuts], [*cuts, len(CALLS)], strict=True):
        connection.data_received(CALLS[begin:end])
    await until(lambda: connection._last == 7 and not connection.streams)
    connection.close()
    assert (await raw.end()).code == E.NO_ERROR
    assert raw.data == {1: message(b"\x0a\x02hi"), 3: message(b"\x0a\x01a")}
    assert {n: one["grpc-status"] for n, one in raw.headers.items()} == {1: "0", 3: "0", 5: "7", 7: "12"}
    await raw.close()
    await until(lambda: not service.server.connections)


# --- jobs of callers that are gone

DIAGRAM = process("p", "start > work > end", task("work", "t"))


@pytest.fixture
async def engine():
    async with Host(Engine()) as host, serve(host) as gateway:
        host.engine.deploy([("p.bpmn", DIAGRAM)])
        yield host, gateway


def activation(path: str, request) -> bytes:
    head = frame(r.HEADERS, 4, 1, block(f"/gateway_protocol.Gateway/{path}"))
    return head + frame(r.DATA, 1, 1, message(request.SerializeToString()))


POLL = activation(
    "ActivateJobs",
    pb.ActivateJobsRequest(type="t", worker="w", timeout=60_000, maxJobsToActivate=5, requestTimeout=60_000),
)
STREAM = activation("StreamActivatedJobs", pb.StreamActivatedJobsRequest(type="t", worker="w", timeout=60_000))
CANCEL = frame(r.RST_STREAM, 0, 1, E.CANCEL.to_bytes(4, "big"))


@pytest.mark.parametrize("way", ["cancelled", "vanished"])
@pytest.mark.parametrize("kind", [POLL, STREAM], ids=["poll", "stream"])
@pytest.mark.parametrize("is_blocked", [False, True], ids=["waiting", "blocked"])
async def test_a_job_for_a_caller_that_is_gone_is_given_back(engine, kind, is_blocked, way):
    """Whether it was activated before its caller left, and waits for a window, or comes after."""
    host, gateway = engine
    raw = await Raw.connect(gateway.port, PREFACE + settings(window=0 if is_blocked else 65_535))
    raw.send(kind)
    while (found := await raw.next()) is not None and found.kind != r.HEADERS:
        pass
    if is_blocked:
        await host.do(lambda: host.engine.create_instance("p"))
        await asyncio.sleep(0.1)
        assert not host.engine.jobs.has_activatable("t")
    if way == "cancelled":
        raw.send(CANCEL)
    else:
        raw.vanish()
    await asyncio.sleep(0.1)
    if not is_blocked:
        await host.do(lambda: host.engine.create_instance("p"))
    await until(lambda: host.engine.jobs.has_activatable("t"), within=3.0)
    other = await Raw.connect(gateway.port)
    other.send(POLL)
    assert await other.end(1) == Ended("status", 0)
    assert b"work" in other.data[1]
    await other.close()
    await raw.close()


# --- many


@pytest.mark.slow
async def test_two_thousand_connections(service):
    """Each costs little, is answered, and is forgotten."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    count = min(2_000, (hard - 200) // 2)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    raws = [await service.connect(HELLO + WAITING) for _ in range(count)]
    await until(lambda: service.waiting == count)
    service.go.set()
    for raw in raws:
        assert await raw.end(1) == Ended("status", 0)


@pytest.mark.slow
async def test_ten_thousand_polls_on_one_connection(service):
    """All are answered when there is something."""
    service.server.max_calls = 10_000
    raw = await service.connect()
    for n in range(1, 20_001, 2):
        raw.send(call(n, "/t/Wait", grpc_timeout="1H"))
        if n % 100 == 1:
            await asyncio.sleep(0)
    await until(lambda: service.waiting == 10_000, within=60)
    service.go.set()
    assert await raw.end(19_999, within=60) == Ended("status", 0)
    (connection,) = service.server.connections
    await until(lambda: not connection.streams)
