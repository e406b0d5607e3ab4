"""FTP through firewalls that let only some data connections through."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

import pytest
from tests.servers.muting import Muting
from tests.servers.ports import free_port

from zeebe_connectors.connectors.files import pool

FILES = {"/a.txt": b"hello", "/b.txt": b"bb"}


@contextlib.contextmanager
def _silent_port():
    """A port that takes no connection and refuses none, as one behind a firewall that drops packets."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):  # they fill its queue
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextlib.contextmanager
def _closed(kind):
    if kind == "refused":
        yield free_port()
    else:
        with _silent_port() as port:
            yield port


def _count(place, verb):
    return sum(line.split()[0] == verb for line in place.server.received)


@pytest.mark.parametrize("kind", ["refused", "silent"])
async def test_pasv_where_the_port_of_epsv_does_not_answer(places, kind):
    """The wait is a part of the server's time, and no later session of the server waits again."""
    with _closed(kind) as port:
        place = await places.odd_ftp(FILES, answers={"_EPSV": f"229 ok (|||{port}|)"})
        began = time.monotonic()
        assert (await place.do("read", file="a.txt", readAs="text"))["content"] == "hello"
        assert time.monotonic() - began < place.inputs["timeout"]
        done = await asyncio.gather(*(place.do("read", file="b.txt", readAs="text") for _ in range(2)))
        assert [one["content"] for one in done] == ["bb", "bb"]
        await place.do("write", file="c.txt", content="new")
    assert place.server.files["/c.txt"] == b"new"
    assert (_count(place, "EPSV"), _count(place, "PASV"), _count(place, "USER")) == (1, 4, 2)


@pytest.mark.parametrize(("kind", "code"), [("refused", "FILES_LOST"), ("silent", "FILES_TIMEOUT")])
async def test_neither_port_answers(places, kind, code):
    """The error says what to open; when the firewall is opened, EPSV is in use again."""
    with _closed(kind) as port:
        closed = {"_EPSV": f"229 ok (|||{port}|)", "_PASV": f"227 ok (127,0,0,1,{port >> 8},{port & 255})"}
        place = await places.odd_ftp(FILES, answers=closed)
        began = time.monotonic()
        fail = await place.fails("read", file="a.txt", readAs="text")
        assert time.monotonic() - began < 2 * place.inputs["timeout"]
        assert (fail.code, fail.retries) == (code, 2)
        assert f"port {port} for data" in fail.message
        assert "firewall" in fail.message
        place.server._answers.clear()
        assert (await place.do("read", file="a.txt", readAs="text"))["content"] == "hello"
    assert (_count(place, "EPSV"), _count(place, "PASV")) == (2, 1)


@pytest.mark.parametrize("protocol", ["ftp", "ftpes", "sftp"])
async def test_a_session_that_a_firewall_has_forgotten(places, protocol, monkeypatch):
    """It is replaced after a moment, not when the server's time is over."""
    monkeypatch.setattr(pool, "IDLE_BEFORE_TEST", 0.0)
    monkeypatch.setattr(pool, "TEST_PATIENCE", 0.5)
    place = await (places.sftp() if protocol == "sftp" else places.ftp(protocol))
    async with Muting(place.inputs["port"]) as proxy:
        known = place.inputs.get("knownHosts", "").replace(f":{place.inputs['port']}", f":{proxy.port}")
        given = {"port": proxy.port, "timeout": 15, **({"knownHosts": known} if known else {})}
        await place.do("write", file="x", content="1", **given)
        proxy.mute()
        began = time.monotonic()
        await place.do("write", file="x", content="2", **given)
        assert time.monotonic() - began < 10
        assert proxy.opened == 2
    assert (place.home / "x").read_text() == "2"
