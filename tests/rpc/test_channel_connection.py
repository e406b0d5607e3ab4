"""How calls fare as connections begin and end: nothing that was begun is sent twice, nothing else is lost."""

import asyncio
import random
import time
from collections import Counter

import pytest
from tests.rpc.channels import PATH, channel_to, echo, opened, status_of
from tests.servers.http2 import ANSWER, ScriptedServer

from zeebe_connectors.rpc import channel as channel_module
from zeebe_connectors.rpc import frames
from zeebe_connectors.rpc.frames import ErrorCode, Setting
from zeebe_connectors.rpc.status import Status

pytestmark = pytest.mark.usefixtures("short_pauses")


async def until_well(channel):
    """Calls until a call succeeds."""
    async with asyncio.timeout(5):
        while (await status_of(channel.unary(PATH, b"x", seconds=5.0)))[0] is not Status.OK:  # noqa: ASYNC110 - polls
            await asyncio.sleep(0.02)


async def test_goaway_between_calls_costs_none():
    """The connection ends at once, and the next call has another."""

    async def script(peer):
        peer.start()
        await peer.echo(1)
        peer.write(frames.goaway(1, 0))
        await peer.ended.wait()

    async with ScriptedServer(script) as server, opened(server) as channel:
        for number in range(5):
            assert await channel.unary(PATH, b"%d" % number, seconds=5.0) == b"%d" % number
            await server.peers[-1].ended.wait()
        assert len(server.peers) == 5


@pytest.mark.parametrize("last", [0, 1])
async def test_a_call_that_goaway_leaves_out_is_made_again(last):
    """The server says that it did not begin with stream 3, and perhaps not with 1 either."""
    seen = []

    async def script(peer):
        peer.start()
        if peer.number:
            await peer.echo()
        requests = [await peer.requests.get() for _ in range(2)]
        peer.write(frames.goaway(last, 0))
        for request in requests:
            if request.stream <= last:
                seen.append(request.message)
                peer.answer(request.stream, request.message)
        await peer.ended.wait()

    async with ScriptedServer(script) as server, opened(server) as channel:
        calls = [channel.unary(PATH, one, seconds=5.0) for one in (b"a", b"b")]
        assert await asyncio.gather(*calls) == [b"a", b"b"]
        assert len(server.peers[1].opened) == (1 if last else 2)


async def test_a_graceful_end_lets_calls_under_way_finish():
    """GOAWAY with 2^31-1 first, then with the last stream; new calls go elsewhere meanwhile."""

    async def script(peer):
        peer.start()
        if peer.number:
            await peer.echo()
        request = await peer.requests.get()
        peer.write(frames.goaway(frames.MAX_STREAM, 0))
        await asyncio.sleep(0.1)
        peer.write(frames.goaway(request.stream, 0))
        await asyncio.sleep(0.1)
        peer.answer(request.stream, b"late")
        await peer.ended.wait()

    async with ScriptedServer(script) as server, opened(server) as channel:
        first = asyncio.create_task(channel.unary(PATH, b"a", seconds=5.0))
        await asyncio.sleep(0.1)
        assert await channel.unary(PATH, b"b", seconds=5.0) == b"b"
        assert not first.done()
        assert await first == b"late"
        await server.peers[0].ended.wait()
        assert server.peers[0].opened == [1]


async def test_a_call_that_was_begun_is_not_made_again():
    """The connection is lost without GOAWAY, or after one that counts the call in."""

    async def script(peer):
        peer.start()
        request = await peer.requests.get()
        if peer.number % 2:
            peer.write(frames.goaway(request.stream, 0))

    async with ScriptedServer(script) as server, opened(server) as channel:
        for number in range(4):
            found, _ = await status_of(channel.unary(PATH, b"x", seconds=5.0))
            assert found is Status.UNAVAILABLE
            assert len(server.peers) == number + 1


@pytest.mark.parametrize("bad", [frames.goaway(0, 0), frames.reset(1, ErrorCode.REFUSED_STREAM)])
async def test_a_server_that_began_to_answer_cannot_deny_it(bad):
    """It answered with headers, and then says that it did not begin: once is enough."""

    async def script(peer):
        peer.start()
        await peer.requests.get()
        peer.headers(1, ANSWER)
        peer.write(bad)
        await asyncio.sleep(0.2)

    async with ScriptedServer(script) as server, opened(server) as channel:
        assert (await status_of(channel.unary(PATH, b"x", seconds=5.0)))[0] is Status.UNAVAILABLE
        assert len(server.peers) == 1


async def test_a_stream_that_has_answers_is_not_begun_anew():
    """Its reader has them already."""

    async def script(peer):
        peer.start()
        await peer.requests.get()
        peer.headers(1, ANSWER)
        peer.message(1, b"one")
        peer.write(frames.goaway(0, 0))
        await asyncio.sleep(0.2)

    async with ScriptedServer(script) as server, opened(server) as channel:
        answers = await channel.stream(PATH, b"x", seconds=5.0)
        assert await answers.read() == b"one"
        assert (await status_of(answers.read()))[0] is Status.UNAVAILABLE
        assert len(server.peers) == 1


async def test_a_stream_without_answers_is_begun_anew():
    """As a call: nothing was lost."""

    async def script(peer):
        peer.start()
        if peer.number:
            await peer.echo()
        await peer.requests.get()
        peer.write(frames.goaway(0, 0))
        await peer.ended.wait()

    async with ScriptedServer(script) as server, opened(server) as channel:
        answers = await channel.stream(PATH, b"x", seconds=5.0)
        assert await answers.read() == b"x"
        assert await answers.read() is None


@pytest.mark.parametrize("limit", [None, 100])
async def test_a_proxy_that_ends_connections_every_so_many_calls(limit):
    """As nginx does: 600 calls at the same time, GOAWAY after each 50; each is handled once, and none fails."""
    handled = Counter()

    async def script(peer):
        peer.start({Setting.MAX_CONCURRENT_STREAMS: limit} if limit else None)
        for _ in range(50):
            request = await peer.requests.get()
            handled[request.message] += 1
            last = request.stream
            peer.answer(last, request.message)
        peer.write(frames.goaway(last, 0))
        await peer.ended.wait()

    async with ScriptedServer(script) as server, opened(server) as channel:
        messages = [b"%d" % number for number in range(600)]
        assert await asyncio.gather(*(channel.unary(PATH, one, seconds=20.0) for one in messages)) == messages
    assert handled == Counter(messages)


async def test_goaway_at_any_moment_under_load():
    """Graceful or not, with any last stream: each call that the server handled succeeds, each other is made again."""
    handled = Counter()
    choose = random.Random(7)

    async def script(peer):
        peer.start()
        for _ in range(choose.randint(0, 30)):
            request = await peer.requests.get()
            handled[request.message] += 1
            peer.answer(request.stream, request.message)
        waiting = []
        while not peer.requests.empty():
            waiting.append(peer.requests.get_nowait())
        kept = choose.randint(0, len(waiting))
        begun = max([one - 2 for one in peer.opened[:1]] + [one.stream for one in waiting[:kept]], default=0)
        answered = max((one for one in peer.opened if one not in {each.stream for each in waiting}), default=0)
        if choose.random() < 0.5:
            peer.write(frames.goaway(frames.MAX_STREAM, 0))
        peer.write(frames.goaway(max(begun, answered, 0), 0))
        for request in waiting[:kept]:
            handled[request.message] += 1
            peer.answer(request.stream, request.message)
        await peer.ended.wait()

    async with ScriptedServer(script) as server, opened(server) as channel:

        async def caller(name):
            for number in range(60):
                message = b"%d/%d" % (name, number)
                assert await channel.unary(PATH, message, seconds=20.0) == message

        await asyncio.gather(*(caller(name) for name in range(20)))
    assert set(handled.values()) == {1}
    assert len(handled) == 1200


async def test_refused_calls_are_made_again_with_pauses():
    """The server has no room for now; the connection stays."""
    refused = 0

    async def script(peer):
        nonlocal refused
        peer.start()
        while True:
            request = await peer.requests.get()
            if refused < 20:
                refused += 1
                peer.write(frames.reset(request.stream, ErrorCode.REFUSED_STREAM))
            else:
                peer.answer(request.stream, request.message)

    async with ScriptedServer(script) as server, opened(server) as channel:
        messages = [b"%d" % number for number in range(10)]
        assert await asyncio.gather(*(channel.unary(PATH, one, seconds=5.0) for one in messages)) == messages
        assert len(server.peers) == 1


async def test_a_server_that_always_refuses_is_not_hammered(monkeypatch):
    """The call fails when its time is nearly over, and says why."""
    monkeypatch.setattr(channel_module, "_REPEAT_SECONDS", 1.0)

    async def script(peer):
        peer.start()
        while True:
            request = await peer.requests.get()
            peer.write(frames.reset(request.stream, ErrorCode.REFUSED_STREAM))

    async with ScriptedServer(script) as server, opened(server) as channel:
        found, text = await status_of(channel.unary(PATH, b"x", seconds=30.0))
        assert found is Status.UNAVAILABLE
        assert "REFUSED_STREAM" in text
        assert 4 <= len(server.peers[0].opened) <= 12


async def test_a_server_that_ends_each_connection_is_not_hammered(monkeypatch):
    """It accepts, greets and says farewell: connections are made with growing pauses."""
    monkeypatch.setattr(channel_module, "_REPEAT_SECONDS", 1.0)

    async def script(peer):
        peer.start()
        peer.write(frames.goaway(0, 0))
        await peer.ended.wait()

    async with ScriptedServer(script) as server, opened(server) as channel:
        calls = [status_of(channel.unary(PATH, b"x", seconds=1.5)) for _ in range(20)]
        statuses = {status for status, _ in await asyncio.gather(*calls)}
        assert statuses <= {Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED}
        assert 2 <= len(server.peers) <= 15


async def test_a_call_that_was_not_written_yet_is_made_again():
    """The connection is lost in the very turn in which the call begins."""
    async with ScriptedServer(echo) as server, opened(server) as channel:
        await channel.unary(PATH, b"x", seconds=5.0)
        call = asyncio.create_task(channel.unary(PATH, b"y", seconds=5.0))
        (connection,) = channel._all
        asyncio.get_running_loop().call_soon(connection.lose, ConnectionResetError("cut"))
        assert await call == b"y"
        assert server.peers[0].opened == [1]


@pytest.mark.parametrize("moment", ["connected", "greeted", "asked", "headers", "half", "message"])
async def test_a_connection_that_is_cut_at_any_moment(moment):
    """Each time the call fails with a reason; once the server is well, calls succeed again, at most a pause later."""
    is_well = False

    async def script(peer):
        if is_well:
            await echo(peer)
        if moment == "connected":
            return
        peer.start()
        if moment == "greeted":
            return
        await peer.requests.get()
        if moment != "asked":
            peer.headers(1, ANSWER)
        if moment == "half":
            peer.data(1, b"\0\0\0\0\5xx")
        elif moment == "message":
            peer.message(1, b"x")

    async with ScriptedServer(script) as server, opened(server) as channel:
        for _ in range(3):
            found, text = await status_of(channel.unary(PATH, b"x", seconds=5.0 if moment != "greeted" else 0.2))
            # A connection on which no call was begun is tried again, as long as there is time.
            assert found is Status.UNAVAILABLE
            assert text
        is_well = True
        await until_well(channel)


async def test_a_server_that_restarts_on_its_port():
    """Calls fail at once with the reason while it is away, and it is tried again with growing pauses."""
    async with ScriptedServer(echo) as server:
        channel = channel_to(server.port)
        assert await channel.unary(PATH, b"x", seconds=5.0) == b"x"
    statuses = Counter()
    began = time.monotonic()
    while time.monotonic() - began < 0.5:
        found, text = await status_of(channel.unary(PATH, b"x", seconds=5.0))
        statuses[found, text.partition(":")[0]] += 1
        await asyncio.sleep(0.005)
    assert set(statuses) <= {(Status.UNAVAILABLE, "failed to connect"), (Status.UNAVAILABLE, "the connection was lost")}
    assert sum(statuses.values()) > 20, "no call waits for the server"
    async with ScriptedServer(echo, port=server.port):
        await until_well(channel)
        await channel.aclose()


async def test_pauses_grow_and_end():
    """0.2 s at first, 5 s at most, spread by a fifth; after an answer all is forgotten."""
    channel = channel_to(1)
    pauses = [channel._next_pause() for _ in range(40)]
    assert pauses[0] <= 0.03
    assert max(pauses) <= 6.0
    assert min(pauses[-10:]) >= 4.0
    async with ScriptedServer(echo) as server, opened(server) as channel:
        channel._pause = 5.0
        await channel.unary(PATH, b"x", seconds=5.0)
        next(iter(channel._all)).shut()
        await channel.unary(PATH, b"x", seconds=5.0)
        assert channel._pause == 0.0


async def test_a_stream_that_waited_long_is_no_failure(monkeypatch):
    """Nothing was answered on its connection, as there was nothing to say: the next one is made at once."""
    monkeypatch.setattr(channel_module, "_MAX_PAUSE", 0.05)

    async def script(peer):
        peer.start()
        await peer.requests.get()
        await asyncio.sleep(0.1)

    async with ScriptedServer(script) as server, opened(server) as channel:
        for _ in range(3):
            answers = await channel.stream(PATH, b"", seconds=5.0)
            assert (await status_of(answers.read()))[0] is Status.UNAVAILABLE
        assert channel._pause == 0.0
        assert len(server.peers) == 3


async def test_many_calls_share_one_attempt_to_connect():
    """And one whose caller gives up leaves it to the others."""
    async with ScriptedServer(echo) as server, opened(server) as channel:
        impatient = asyncio.create_task(channel.unary(PATH, b"x", seconds=5.0))
        others = [asyncio.create_task(channel.unary(PATH, b"x", seconds=5.0)) for _ in range(50)]
        await asyncio.sleep(0)
        impatient.cancel()
        assert await asyncio.gather(*others) == [b"x"] * 50
        assert len(server.peers) == 1


async def test_a_server_that_accepts_and_says_nothing(monkeypatch):
    """A call waits until its own time is over; the attempt ends as well, and its connection."""
    monkeypatch.setattr(channel_module, "_CONNECT_SECONDS", 0.4)

    async def script(peer):
        await peer.ended.wait()

    async with ScriptedServer(script) as server, opened(server) as channel:
        assert (await status_of(channel.unary(PATH, b"x", seconds=0.1)))[0] is Status.UNAVAILABLE
        found, text = await status_of(channel.unary(PATH, b"x", seconds=5.0))
        assert (found, "no word of HTTP/2" in text) == (Status.UNAVAILABLE, True)
        await asyncio.sleep(0.05)
        found, text = await status_of(channel.unary(PATH, b"x", seconds=0.1))
        assert (found, "no word of HTTP/2" in text) == (Status.UNAVAILABLE, True), "the last reason is known"
        async with asyncio.timeout(5):
            await server.peers[0].ended.wait()


@pytest.mark.parametrize(
    ("first", "word"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "https://"),
        (b"\x15\x03\x01\x00\x02\x02\x46" * 20, "https://"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "what answers there is not HTTP/2"),
        (b"", "https://"),
        (frames.frame(frames.PING, 0, 0, b"12345678"), "SETTINGS"),
    ],
)
async def test_a_server_of_another_protocol_is_named(first, word):
    """People who chose the wrong port, or forgot TLS, read which."""

    async def script(peer):
        peer.write(first)
        await asyncio.sleep(0.3 if first else 0.0)  # asyncio's TLS ends a connection of HTTP without a word

    async with ScriptedServer(script) as server, opened(server) as channel:
        found, text = await status_of(channel.unary(PATH, b"x", seconds=5.0))
        assert found is Status.UNAVAILABLE
        assert word in text or (len(first) < 9 and "ended" in text)
