"""How calls share a connection: windows, limits of streams, cancellation and deadlines; and what a flood costs."""

import asyncio
import random
import time
import tracemalloc

import pytest
from tests.rpc.channels import PATH, channel_to, opened, status_of
from tests.servers.http2 import ANSWER, ScriptedServer, ServerInThread
from tests.waiting import until

from zeebe_connectors.rpc import frames
from zeebe_connectors.rpc.frames import ErrorCode, Setting
from zeebe_connectors.rpc.status import Status


async def silent(peer):
    """Greets, and answers nothing."""
    peer.start()
    await peer.ended.wait()


async def send_within_window(peer, body, window):
    """Sends data on the first stream as the client allows."""
    sent = 0
    while sent < len(body):
        while window + peer.window <= sent:  # noqa: ASYNC110 - grows as frames arrive
            await asyncio.sleep(0.001)
        size = min(16_384, window + peer.window - sent, len(body) - sent)
        peer.data(1, body[sent : sent + size])
        sent += size
        await peer.writer.drain()


@pytest.mark.parametrize("limit", [1, 2, 128])
async def test_no_more_calls_at_the_same_time_than_the_server_allows(limit):
    """The others wait, and come in their order."""
    highest, order = 0, []

    async def script(peer):
        nonlocal highest
        peer.start({Setting.MAX_CONCURRENT_STREAMS: limit})
        open_ones = []
        while True:
            open_ones.append(await peer.requests.get())
            highest = max(highest, len(open_ones))
            order.append(int(open_ones[-1].message))
            await asyncio.sleep(0)
            if len(open_ones) == limit or random.random() < 0.3:
                await asyncio.sleep(0.001)
                while not peer.requests.empty():
                    open_ones.append(peer.requests.get_nowait())
                    order.append(int(open_ones[-1].message))
                highest = max(highest, len(open_ones))
                for one in open_ones:
                    peer.answer(one.stream, one.message)
                open_ones.clear()

    async with ScriptedServer(script) as server, opened(server) as channel:
        messages = [b"%d" % number for number in range(500)]
        assert await asyncio.gather(*(channel.unary(PATH, one, seconds=20.0) for one in messages)) == messages
    assert highest <= limit
    assert order == sorted(order)


async def test_a_place_goes_to_the_next_when_its_caller_gives_up():
    """Also if it gives up, or its time ends, in the moment in which it has its turn."""

    async def script(peer):
        peer.start({Setting.MAX_CONCURRENT_STREAMS: 1})
        await peer.echo()

    async with ScriptedServer(script) as server, opened(server) as channel:
        await channel.unary(PATH, b"x", seconds=5.0)
        (connection,) = channel._all
        for _ in range(50):
            calls = [asyncio.create_task(status_of(channel.unary(PATH, b"x", seconds=5.0))) for _ in range(6)]
            await asyncio.sleep(0)
            calls[1].cancel()
            (begun,) = connection.streams.values()
            begun.waiter.add_done_callback(lambda _, calls=calls: calls[2].cancel())
            calls[5].cancel()
            await asyncio.wait(calls, timeout=3.0)
            assert [one.cancelled() or one.result()[0] for one in calls].count(True) == 3
        assert connection._places == 0
        assert not connection._commands


async def test_a_wait_for_a_place_ends_with_the_deadline():
    """The error says why the call never began."""

    async def script(peer):
        peer.start({Setting.MAX_CONCURRENT_STREAMS: 1})
        await peer.ended.wait()

    async with ScriptedServer(script) as server, opened(server) as channel:
        first = asyncio.create_task(status_of(channel.unary(PATH, b"x", seconds=5.0)))
        await asyncio.sleep(0.05)
        found, text = await status_of(channel.unary(PATH, b"x", seconds=0.1))
        assert (found, "no more than 1 calls" in text) == (Status.UNAVAILABLE, True)
        first.cancel()
        (connection,) = channel._all
        await until(lambda: not connection.streams)
        assert not connection._commands


@pytest.mark.parametrize("limit", [2, 100])
async def test_polls_that_wait_leave_places_to_commands(limit):
    """Else a completion would wait until one of them ends. They begin in their order as others end."""
    polls = []

    async def script(peer):
        peer.start({Setting.MAX_CONCURRENT_STREAMS: limit})
        while True:
            request = await peer.requests.get()
            if request.message.startswith(b"poll"):
                polls.append(request)
            else:
                peer.answer(request.stream, request.message)

    async def poll(channel, number):
        answers = await channel.stream(PATH, b"poll %d" % number, seconds=20.0)
        return await answers.read()

    async with ScriptedServer(script) as server, opened(server) as channel:
        await channel.unary(PATH, b"x", seconds=5.0)
        tasks = [asyncio.create_task(poll(channel, number)) for number in range(limit + 20)]
        await asyncio.sleep(0.1)
        assert len(polls) == limit - max(1, limit // 8)
        await asyncio.gather(*(channel.unary(PATH, b"x", seconds=2.0) for _ in range(50)))
        tasks[0].cancel()
        ended = 0
        async with asyncio.timeout(5):
            while ended < limit + 20:
                while ended < len(polls):
                    server.peers[0].answer(polls[ended].stream, b"job")
                    ended += 1
                await asyncio.sleep(0.001)
        assert await asyncio.gather(*tasks[1:]) == [b"job"] * (limit + 19)
        assert [one.message for one in polls] == [b"poll %d" % number for number in range(limit + 20)]
        (connection,) = channel._all
        assert (connection._places, connection._open_polls, len(connection._polls)) == (0, 0, 0)


async def test_one_place_serves_polls_and_commands():
    """A server may allow a single call."""

    async def script(peer):
        peer.start({Setting.MAX_CONCURRENT_STREAMS: 1})
        await peer.echo()

    async with ScriptedServer(script) as server, opened(server) as channel:
        await channel.unary(PATH, b"x", seconds=5.0)
        answers = await channel.stream(PATH, b"poll", seconds=5.0)
        assert await answers.read() == b"poll"
        assert await channel.unary(PATH, b"x", seconds=5.0) == b"x"


async def test_calls_with_long_headers_wait_while_the_transport_has_enough():
    """A token of 8 kB goes with each call: a thousand of them at once are no reason to end the connection."""
    buffered = 0

    async def script(peer):
        nonlocal buffered
        peer.start()
        peer.write(frames.window_update(0, 1 << 24))
        (connection,) = channel._all
        while len(peer.opened) < 1000:
            buffered = max(buffered, connection.transport.get_write_buffer_size())
            await asyncio.sleep(0)
        await peer.echo()

    async with ScriptedServer(script) as server, opened(server) as channel:
        login = (("authorization", "Bearer " + "x" * 8_000),)
        calls = [channel.unary(PATH, b"%d" % one, seconds=10.0, metadata=login) for one in range(1000)]
        assert await asyncio.gather(*calls) == [b"%d" % one for one in range(1000)]
        assert len(server.peers) == 1
    assert buffered < 1_000_000


async def test_a_call_that_has_its_turn_too_late_passes_it_on():
    """The event loop may be blocked between the moment in which it may begin and the one in which it would."""
    more = asyncio.Event()

    async def script(peer):
        peer.start({Setting.MAX_CONCURRENT_STREAMS: 1})
        first = await peer.requests.get()
        await more.wait()
        peer.answer(first.stream)
        await peer.echo()

    async with ScriptedServer(script) as server, opened(server) as channel:
        first = asyncio.create_task(channel.unary(PATH, b"x", seconds=5.0))
        await until(lambda: server.peers and server.peers[0].opened)
        (connection,) = channel._all
        discard = connection.discard
        connection.discard = lambda number: (discard(number), time.sleep(0.3))[0]  # just before the second one goes on
        second = asyncio.create_task(status_of(channel.unary(PATH, b"x", seconds=0.2)))
        third = asyncio.create_task(channel.unary(PATH, b"third", seconds=2.0))
        await asyncio.sleep(0)
        more.set()
        await first
        # Which of two timers is first differs between asyncio and uvloop.
        assert (await second)[0] in {Status.DEADLINE_EXCEEDED, Status.UNAVAILABLE}
        assert await third == b"third"


async def test_settings_that_change_under_load():
    """Limits, windows (smaller than what is used already), sizes of frames and of the table."""

    async def script(peer):
        choose = random.Random(3)
        peer.start()

        async def change():
            while True:
                await asyncio.sleep(0.003)
                settings = {
                    Setting.MAX_CONCURRENT_STREAMS: choose.choice([1, 3, 200]),
                    Setting.INITIAL_WINDOW_SIZE: choose.choice([0, 10, 1000, 70_000]),
                    Setting.MAX_FRAME_SIZE: choose.choice([16_384, 100_000]),
                    Setting.HEADER_TABLE_SIZE: choose.choice([0, 50, 4096, 100_000]),
                    0x4D44: 7,
                }
                peer.write(frames.settings(settings))
                for stream in list(peer._incomplete)[:3]:
                    peer.write(frames.window_update(stream, 30_000))
                data = sum(len(one[3]) for one in peer.received if one[0] == frames.DATA)
                peer.received.clear()
                if data:
                    peer.write(frames.window_update(0, data))

        changing = asyncio.create_task(change())
        try:
            while True:
                request = await peer.requests.get()
                peer.answer(request.stream, request.message)
        finally:
            changing.cancel()

    async with ScriptedServer(script) as server, opened(server) as channel:
        messages = [b"%d," % number * random.randint(1, 4000) for number in range(200)]
        calls = (channel.unary(PATH, one, seconds=20.0, metadata=(("x", one[:5].decode()),)) for one in messages)
        assert await asyncio.gather(*calls) == messages


async def test_a_request_goes_through_tiny_windows():
    """Seven bytes at a time, on stream and connection."""

    async def script(peer):
        peer.start({Setting.INITIAL_WINDOW_SIZE: 7})
        await until(lambda: peer.opened)
        while peer.requests.empty():
            await asyncio.sleep(0)
            peer.write(frames.window_update(1, 7))
        request = await peer.requests.get()
        assert all(len(one[3]) <= 7 for one in peer.received if one[0] == frames.DATA)
        peer.answer(request.stream, request.message)
        await peer.ended.wait()

    async with ScriptedServer(script) as server, opened(server) as channel:
        message = bytes(range(256)) * 4
        assert await channel.unary(PATH, message, seconds=20.0) == message


async def test_a_large_answer_is_read_as_it_comes():
    """The server is let on as its data arrives; it sends 8 MiB within windows of 1 MiB."""

    async def script(peer):
        peer.start()
        (await peer.requests.get())
        peer.headers(1, ANSWER)
        body = b"\0" + (8 << 20).to_bytes(4, "big") + b"x" * (8 << 20)
        await send_within_window(peer, body, 1 << 20)
        peer.headers(1, [("grpc-status", "0")], ends=True)
        await peer.ended.wait()

    async with ScriptedServer(script) as server, opened(server, limit=16 << 20) as channel:
        assert len(await channel.unary(PATH, b"", seconds=20.0)) == 8 << 20


async def test_jobs_that_nobody_reads_stay_with_the_server():
    """A window of 16 KiB: the server may send no more until the reader asks, and all arrives in the end."""

    async def script(peer):
        peer.start()
        await peer.requests.get()
        peer.headers(1, ANSWER)
        for number in range(400):
            size = len(message := b"%d" % number + b"x" * 1000) + 5
            while 16_384 + peer.window < sum(sizes) + size:  # noqa: ASYNC110 - grows as frames arrive
                await asyncio.sleep(0.01)
            peer.message(1, message)
            sizes.append(size)
        peer.headers(1, [("grpc-status", "0")], ends=True)
        await peer.ended.wait()

    sizes = []
    async with ScriptedServer(script) as server, opened(server, window=16 * 1024) as channel:
        answers = await channel.stream(PATH, b"", seconds=20.0)
        await asyncio.sleep(0.3)
        assert 15_000 < sum(sizes) <= 16_384
        for number in range(30):
            assert (await answers.read()).startswith(b"%dx" % number)
        await asyncio.sleep(0.1)
        assert sum(sizes) <= 2 * 16_384 + 30 * 1010
        number = 30
        while (message := await answers.read()) is not None:
            assert message.startswith(b"%dx" % number)
            number += 1
        assert number == 400


async def test_a_job_larger_than_the_window_arrives():
    """Whoever waits for a message lets the server send all of it."""

    async def script(peer):
        peer.start()
        await peer.requests.get()
        peer.headers(1, ANSWER)
        body = b"\0" + (100_000).to_bytes(4, "big") + b"x" * 100_000
        await send_within_window(peer, body, 16_384)
        await peer.ended.wait()

    async with ScriptedServer(script) as server, opened(server, window=16 * 1024) as channel:
        answers = await channel.stream(PATH, b"", seconds=20.0)
        assert await answers.read() == b"x" * 100_000
        answers.cancel()


@pytest.mark.parametrize("moment", ["before", "begun", "headers", "half"])
@pytest.mark.parametrize("streams", [False, True])
async def test_a_cancelled_call_is_cancelled_at_the_server(moment, streams):
    """RST_STREAM with CANCEL, and nothing is left of the call; what still arrives for it does no harm."""

    async def script(peer):
        peer.start()
        await peer.echo(1)
        await peer.requests.get()
        if moment in {"headers", "half"}:
            peer.headers(3, ANSWER)
        if moment == "half":
            peer.data(3, b"\0\0\0\0\5xx")
        await until(lambda: peer.resets)
        if moment in {"before", "begun"}:
            peer.headers(3, ANSWER)
        peer.message(3, b"late")
        peer.headers(3, [("grpc-status", "0")], ends=True)
        await peer.echo()

    async def stream():
        await (await channel.stream(PATH, b"x", seconds=5.0)).read()

    async with ScriptedServer(script) as server, opened(server) as channel:
        await channel.unary(PATH, b"x", seconds=5.0)
        call = asyncio.create_task(stream() if streams else channel.unary(PATH, b"x", seconds=5.0))
        await asyncio.sleep(0 if moment == "before" else 0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        (connection,) = channel._all
        assert not connection.streams
        assert await channel.unary(PATH, b"x", seconds=5.0) == b"x"
        assert server.peers[0].resets == {3: ErrorCode.CANCEL}


async def test_thousands_of_deadlines_have_one_timer():
    """Each call ends in its time, the server is told, and one timer of the event loop serves all of them."""
    loop = asyncio.get_running_loop()
    async with ScriptedServer(silent) as server, opened(server) as channel:
        late = []

        async def call(number):
            seconds = 3.0 + number % 50 / 100
            began = loop.time()
            found, _ = await status_of(channel.unary(PATH, b"x", seconds=seconds))
            assert found is Status.DEADLINE_EXCEEDED
            late.append(loop.time() - began - seconds)

        calls = [asyncio.create_task(call(number)) for number in range(3000)]
        await until(lambda: channel._all and len(next(iter(channel._all)).streams) == 3000)
        (connection,) = channel._all
        await asyncio.gather(*calls)
        assert min(late) > -0.001
        assert sorted(late)[len(late) // 2] < 1.0
        assert not connection.streams
        await until(lambda: len(server.peers[0].resets) == 3000)


@pytest.mark.parametrize("moment", ["before it is sent", "before it is read"])
async def test_an_answer_that_the_blocked_loop_held_up_is_no_deadline(moment):
    """A job that computes for seconds blocks the event loop: what arrives meanwhile is more than it reads at once."""

    async def script(peer):
        peer.start()
        while True:
            request = await peer.requests.get()
            await asyncio.sleep(0.2)
            peer.answer(request.stream, bytes(900_000))

    with ServerInThread(script) as server:
        channel = channel_to(server.port)
        await channel.unary(PATH, b"x", seconds=5.0)
        call = asyncio.create_task(channel.unary(PATH, b"x", seconds=0.5))
        await asyncio.sleep(0 if moment == "before it is sent" else 0.1)
        time.sleep(1.5)  # noqa: ASYNC251 - as such a job does
        assert len(await call) == 900_000
        await channel.aclose()


async def test_a_loop_that_is_blocked_again_and_again_has_deadlines():
    """One delay is made up for, not each."""
    async with ScriptedServer(silent) as server, opened(server) as channel:
        call = asyncio.create_task(status_of(channel.unary(PATH, b"x", seconds=0.3)))
        began = time.monotonic()
        await asyncio.sleep(0.1)
        while not call.done() and time.monotonic() - began < 8:
            time.sleep(0.9)  # noqa: ASYNC251
            await asyncio.sleep(0.05)
        assert (await call)[0] is Status.DEADLINE_EXCEEDED
        assert time.monotonic() - began < 6


@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_a_call_without_time_does_not_begin(seconds):
    """It fails as one whose deadline is over."""
    async with ScriptedServer(silent) as server, opened(server) as channel:
        await status_of(channel.unary(PATH, b"x", seconds=0.2))
        assert (await status_of(channel.unary(PATH, b"x", seconds=seconds)))[0] is Status.DEADLINE_EXCEEDED
        assert server.peers[0].opened == [1]


FLOODS = {
    "pings": lambda peer: peer.write(frames.frame(frames.PING, 0, 0, b"12345678") * 100),
    "settings": lambda peer: peer.write(frames.settings({Setting.HEADER_TABLE_SIZE: random.randint(0, 9999)}) * 100),
    "changes of the table": lambda peer: peer.write(
        frames.frame(frames.SETTINGS, 0, 0, (b"\0\1\0\0\0\1" + b"\0\1\0\0\0\2") * 1300) * 10
    ),
    "empty data": lambda peer: peer.write(frames.frame(frames.DATA, 0, 1, b"") * 100),
    "interim answers": lambda peer: [peer.headers(1, [(":status", "103")]) for _ in range(100)],
    "headers of an old call": lambda peer: [peer.headers(1, [("x", "y")], ends=True) for _ in range(100)],
    "unknown frames": lambda peer: peer.write(frames.frame(99, 0, 0, b"x" * 100) * 100),
    "priorities": lambda peer: peer.write(frames.frame(frames.PRIORITY, 0, 1, b"12345") * 100),
    "window updates": lambda peer: peer.write(frames.window_update(1, 1) * 100),
    "goaways": lambda peer: peer.write(frames.goaway(frames.MAX_STREAM, 0, "x" * 500) * 100),
    "resets of an old call": lambda peer: peer.write(frames.reset(1, 8) * 100),
    "continuations": lambda peer: peer.write(
        frames.frame(frames.HEADERS, 0, 1, b"\0") + frames.frame(frames.CONTINUATION, 0, 1, b"") * 100
    ),
    "large continuations": lambda peer: peer.write(
        frames.frame(frames.HEADERS, 0, 1, b"\0") + frames.frame(frames.CONTINUATION, 0, 1, b"x" * 16_000) * 100
    ),
    "a bomb of headers": lambda peer: peer.write(
        frames.headers(1, peer.encoder.encode([("a" * 100, "b" * 3000)]) + b"\xbe" * 16_000, ends=False)
    ),
    "data beyond the windows": lambda peer: peer.write(frames.frame(frames.DATA, 0, 1, b"x" * 16_384) * 100),
    "a push": lambda peer: peer.write(frames.frame(frames.PUSH_PROMISE, 4, 1, b"\0\0\0\2" + b"\x82")),
    "data of a call that was not made": lambda peer: peer.write(frames.frame(frames.DATA, 0, 9, b"x")),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_ends_the_connection(name):
    """With a reason, in bounded memory; the next call has a new connection."""

    async def script(peer):
        peer.start()
        request = await peer.requests.get()
        if peer.number:
            peer.answer(request.stream, b"well")
            await peer.ended.wait()
        if "old" in name:
            peer.answer(request.stream)
        for _ in range(1000):
            if peer.ended.is_set():
                break
            FLOODS[name](peer)
            await asyncio.wait_for(peer.writer.drain(), 10)
            await asyncio.sleep(0)
        await peer.ended.wait()

    tracemalloc.start()
    async with ScriptedServer(script) as server, opened(server) as channel:
        found, text = await status_of(channel.unary(PATH, b"x", seconds=20.0))
        if "old" not in name:
            assert found in {Status.UNAVAILABLE, Status.INTERNAL}
            assert text
        await asyncio.wait_for(server.peers[0].ended.wait(), 20)
        assert await channel.unary(PATH, b"x", seconds=5.0) == b"well"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60_000_000
