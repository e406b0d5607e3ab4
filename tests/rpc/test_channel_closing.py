"""How a channel watches its connection, closes, and what is left of it then: nothing."""

import asyncio
import gc
import socket
import time
import weakref

import pytest
from tests.rpc.channels import PATH, channel_to, opened, status_of
from tests.servers.http2 import ScriptedServer, ServerInThread
from tests.waiting import until

from zeebe_connectors.rpc import channel as channel_module
from zeebe_connectors.rpc import frames
from zeebe_connectors.rpc.client import ClientConnection
from zeebe_connectors.rpc.frames import ErrorCode, Setting
from zeebe_connectors.rpc.status import Status

pytestmark = pytest.mark.usefixtures("short_pauses")


async def test_keepalive_ends_a_connection_that_is_silent():
    """Only while calls wait; the ping comes after the silence, and the next call has a new connection."""

    async def script(peer):
        peer.start()
        if peer.number:
            await peer.echo()
        await peer.echo(1)
        await peer.ended.wait()

    async with ScriptedServer(script) as server, opened(server, keepalive=0.2, keepalive_timeout=0.2) as channel:
        await channel.unary(PATH, b"x", seconds=5.0)
        await asyncio.sleep(0.7)
        assert not server.peers[0].count(frames.PING), "without calls nobody is asked"
        found, text = await status_of(channel.unary(PATH, b"x", seconds=5.0))
        assert (found, "ping" in text) == (Status.UNAVAILABLE, True)
        assert server.peers[0].count(frames.PING) == 1
        assert await channel.unary(PATH, b"x", seconds=5.0) == b"x"


async def test_keepalive_asks_again_when_the_loop_was_blocked():
    """The ping waited as long to be sent: nobody can have answered it."""

    async def script(peer):
        peer.start()
        first = await peer.requests.get()
        peer.answer(first.stream)
        held = await peer.requests.get()
        while not peer.count(frames.PING):  # noqa: ASYNC110 - frames are counted as they arrive
            await asyncio.sleep(0.01)
        peer.write(frames.frame(frames.PING, frames.ACK, 0, b"\0" * 8))
        peer.answer(held.stream, b"x")
        await peer.ended.wait()

    with ServerInThread(script) as server:
        channel = channel_to(server.port, keepalive=0.3, keepalive_timeout=0.3)
        await channel.unary(PATH, b"x", seconds=5.0)
        (connection,) = channel._all
        write = connection.write

        def block(data):
            if data[3] == frames.PING:
                asyncio.get_running_loop().call_soon(time.sleep, 1.2)
            write(data)

        connection.write = block
        assert await channel.unary(PATH, b"x", seconds=5.0) == b"x"
        await channel.aclose()


async def test_keepalive_leaves_a_slow_server_alone():
    """Whoever answers pings may take its time."""

    async def script(peer):
        peer.start()
        request = await peer.requests.get()
        for _ in range(20):
            await asyncio.sleep(0.05)
            pings = [one for one in peer.received if one[0] == frames.PING]
            peer.received.clear()
            for ping in pings:
                peer.write(frames.frame(frames.PING, frames.ACK, 0, ping[3]))
        peer.answer(request.stream, b"late")
        await peer.ended.wait()

    async with ScriptedServer(script) as server, opened(server, keepalive=0.1, keepalive_timeout=0.2) as channel:
        assert await channel.unary(PATH, b"x", seconds=5.0) == b"late"


async def test_a_server_that_complains_of_pings_gets_fewer():
    """The pause between them doubles with each complaint, as gRPC's documentation asks."""

    async def script(peer):
        peer.start()
        request = await peer.requests.get()
        peer.answer(request.stream, b"x")
        peer.write(frames.goaway(request.stream, ErrorCode.ENHANCE_YOUR_CALM, "too_many_pings"))
        await peer.ended.wait()

    async with ScriptedServer(script) as server, opened(server, keepalive=10.0) as channel:
        for _ in range(3):
            await channel.unary(PATH, b"x", seconds=5.0)
            await server.peers[-1].ended.wait()
        assert channel._keepalive == 40.0


@pytest.mark.parametrize("state", ["new", "connecting", "waiting", "calling", "streaming", "idle", "away", "closed"])
async def test_closing_in_each_state(state):
    """Calls fail as cancelled, nothing goes on in the background, and no call begins any more."""

    async def script(peer):
        if state == "connecting":
            await peer.ended.wait()
        peer.start({Setting.MAX_CONCURRENT_STREAMS: 1})
        if state in {"idle", "closed"}:
            await peer.echo()
        await peer.ended.wait()

    before = asyncio.all_tasks()
    async with ScriptedServer(script) as server:
        channel = channel_to(1 if state == "away" else server.port)
        calls = []
        if state in {"connecting", "waiting", "calling"}:
            calls = [asyncio.create_task(status_of(channel.unary(PATH, b"x", seconds=5.0))) for _ in range(3)]
            await asyncio.sleep(0.1)
        elif state == "streaming":
            answers = await channel.stream(PATH, b"x", seconds=5.0)
            calls = [asyncio.create_task(status_of(answers.read()))]
            await asyncio.sleep(0.05)
        elif state != "new":
            await status_of(channel.unary(PATH, b"x", seconds=5.0))
        if state == "closed":
            await channel.aclose()
        await channel.aclose()
        assert [status for status, _ in await asyncio.gather(*calls)] == [Status.CANCELLED] * len(calls)
        assert (await status_of(channel.unary(PATH, b"x", seconds=5.0)))[0] is Status.CANCELLED
        for peer in server.peers:
            async with asyncio.timeout(5):
                await peer.ended.wait()
    assert {task for task in asyncio.all_tasks() - before if "start_server" not in repr(task)} == set()


async def test_closing_does_not_wait_for_a_server_that_does_not_read():
    """What cannot be sent is dropped."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        channel = channel_to(listener.getsockname()[1])
        call = asyncio.create_task(status_of(channel.unary(PATH, b"x" * 10_000_000, seconds=20.0)))
        accepted, _ = await asyncio.to_thread(listener.accept)
        with accepted:
            accepted.sendall(frames.settings({Setting.INITIAL_WINDOW_SIZE: 2**31 - 1}) + frames.window_update(0, 2**30))
            await asyncio.sleep(0.3)
            began = time.monotonic()
            await channel.aclose()
            assert time.monotonic() - began < 3.0
            assert (await call)[0] is Status.CANCELLED


async def test_nothing_is_left_of_connections_and_calls():
    """A thousand turns of everything: no object, task or timer stays."""

    async def script(peer):
        peer.start()
        for _ in range(10):
            request = await peer.requests.get()
            peer.answer(request.stream, b"x" * 3000)
        if peer.number % 2:
            peer.write(frames.goaway(request.stream, 0))
            await peer.ended.wait()

    gc.collect()
    connections = weakref.WeakSet()
    original = ClientConnection.__init__

    def recording(self, **options):
        original(self, **options)
        connections.add(self)

    async with ScriptedServer(script) as server, opened(server) as channel:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ClientConnection, "__init__", recording)
            for _ in range(100):
                calls = [asyncio.create_task(status_of(channel.unary(PATH, b"x", seconds=60.0))) for _ in range(8)]
                await asyncio.sleep(0)
                calls[0].cancel()
                await asyncio.gather(*calls, return_exceptions=True)
        assert len(server.peers) > 20
        await until(lambda: sum(not one.is_closed for one in connections) <= 1)
        gc.collect()
        assert len(connections) <= 3
        assert len(asyncio.all_tasks()) < 12


async def test_a_connection_that_is_never_made_leaves_no_timer():
    """As when TLS fails after the protocol was made."""
    made = []

    async def refuse(make, failures):
        made.append(weakref.ref(make()))
        raise OSError("no TLS")

    channel = channel_module.Channel(refuse, authority="x", user_agent="x")
    found, text = await status_of(channel.unary(PATH, b"", seconds=1.0))
    assert (found, "no TLS" in text) == (Status.UNAVAILABLE, True)
    gc.collect()
    assert made[0]() is None
    await channel.aclose()


@pytest.mark.parametrize("error", [ValueError("odd"), UnicodeError("odd"), RuntimeError("odd"), OSError("odd")])
async def test_whatever_fails_as_it_connects_is_a_status(error):
    """No other exception reaches the caller, and the next attempt is made all the same."""

    async def fail(make, failures):
        raise error

    channel = channel_module.Channel(fail, authority="x", user_agent="x")
    assert await status_of(channel.unary(PATH, b"", seconds=1.0)) == (Status.UNAVAILABLE, "failed to connect: odd")
    assert channel._connecting is None
    await channel.aclose()
