"""Connections cut half-way: no half file under the final name, and the next try completes."""

from __future__ import annotations

import asyncio
import contextlib
import os

import pytest
from tests.connectors.files.conftest import Places

from zeebe_connectors import Secret
from zeebe_connectors.connectors.files import pool as pool_module
from zeebe_connectors.connectors.files.ftp_connect import open_ftp
from zeebe_connectors.connectors.files.pool import Sessions
from zeebe_connectors.connectors.files.session import Login, Server
from zeebe_connectors.testing import Complete, Fail


class Cutting:
    """Passes bytes on to a server, and cuts every connection once so many went up."""

    def __init__(self, port: int, after: int | None) -> None:
        self._port = port
        self.after = after
        self._passed = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        self._cut()

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, back]

        async def up():
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    self._passed += len(data)
                    if self.after is not None and self._passed > self.after:
                        self.after = None
                        self._cut()
                        return
                    back.write(data)
                    await back.drain()
            back.close()

        async def down():
            with contextlib.suppress(OSError):
                while data := await there.read(65536):
                    writer.write(data)
                    await writer.drain()
            writer.close()

        await asyncio.gather(up(), down())


@pytest.mark.parametrize("operation", ["write", "append"])
async def test_a_cut_upload_over_sftp(sftp, operation):
    data = os.urandom(5_000_000)
    document = dict((await sftp.documents.create(data, name="x")).reference)
    (sftp.home / "x.bin").write_bytes(b"old")
    async with Cutting(sftp.inputs["port"], 2_500_000) as proxy:
        known = sftp.inputs["knownHosts"].replace(f":{sftp.inputs['port']}", f":{proxy.port}")
        given = {"port": proxy.port, "knownHosts": known, "file": "x.bin", "content": document, "key": 9}
        outcome = await sftp.job(operation, **given)
        assert isinstance(outcome, Fail), outcome
        assert (outcome.code, outcome.retries) == ("FILES_LOST", 2)
        if operation == "write":
            assert (sftp.home / "x.bin").read_bytes() == b"old"
        assert isinstance(await sftp.job(operation, **given), Complete)
    assert (sftp.home / "x.bin").read_bytes() == (data if operation == "write" else b"old" + data)
    assert sftp.names() == ["x.bin"]


def _begun(home):
    return any(path.name.endswith(".part") and path.stat().st_size for path in home.iterdir())


@pytest.mark.parametrize("protocol", ["ftp", "ftpes", "ftps"])
async def test_a_killed_ftp_server(places, protocol):
    place = await places.ftp(protocol)
    (place.home / "x.bin").write_bytes(b"old")
    document = dict((await place.documents.create(os.urandom(40_000_000), name="x")).reference)
    job = asyncio.create_task(place.job("write", file="x.bin", content=document, key=9))
    async with asyncio.timeout(10):
        while not _begun(place.home):  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0)
    place.server.__exit__()
    outcome = await job
    assert isinstance(outcome, Fail), outcome
    assert outcome.retries == 2
    assert outcome.code in {"FILES_LOST", "FILES_UNREACHABLE"}
    assert (place.home / "x.bin").read_bytes() == b"old"
    again = await places.ftp(protocol)
    assert isinstance(await again.job("write", file="x.bin", content=document, key=9), Complete)
    assert place.names() == ["x.bin"]
    assert (place.home / "x.bin").stat().st_size == 40_000_000


async def test_a_cut_download_gives_no_document(sftp):
    (sftp.home / "x.bin").write_bytes(os.urandom(20_000_000))
    job = asyncio.create_task(sftp.job("read", file="x.bin"))
    async with asyncio.timeout(10):
        while not list((sftp.documents.directory / "__").glob(".*")):  # noqa: ASYNC110 - looks at the disk
            await asyncio.sleep(0)
    sftp.server.cut()
    outcome = await job
    if isinstance(outcome, Fail):
        assert (outcome.code, outcome.retries) == ("FILES_LOST", 2)
        assert [path for path in sftp.documents.directory.rglob("*") if path.is_file()] == []
    assert isinstance(await sftp.job("read", file="x.bin"), Complete)


async def test_a_session_that_died_meanwhile_is_replaced(sftp):
    await sftp.do("list")
    sftp.server.cut()
    await asyncio.sleep(0.05)
    await sftp.do("list")
    assert sftp.server.signed_in == 2


async def test_a_session_that_the_ftp_server_ended_is_replaced(places):
    place = await places.ftp()
    await place.do("list")
    place.server.__exit__()
    again = await places.ftp()
    async with Cutting(again.inputs["port"], None) as proxy:
        given = {"port": proxy.port}
        await again.do("list", **given)
        proxy._cut()
        await asyncio.sleep(0.05)
        await again.do("list", **given)


async def test_cancelled_jobs_leave_the_pool_in_order(place):
    (place.home / "x").write_bytes(os.urandom(2_000_000))
    for _ in range(5):
        job = asyncio.create_task(place.job("read", file="x", maxSessions=1))
        await asyncio.sleep(0.02)
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
    assert isinstance(await place.job("read", file="x", maxSessions=1), Complete)


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("226 done", "FILES_LOST"),
        ("426 Connection closed; transfer aborted.", "FILES_LOST"),
        ("452 Insufficient storage space.", "FILES_FULL"),
        ("552 Quota exceeded.", "FILES_FULL"),
        ("451 Local error in processing.", "FILES_BUSY"),
        ("553 Not permitted.", "FILES_FORBIDDEN"),
    ],
)
async def test_a_server_that_ends_an_upload_is_heard(places, end, code):
    place = await places.odd_ftp({"/x": b"old"}, answers={"_CUT": "1000", "_END": end})
    document = dict((await place.documents.create(os.urandom(40_000_000), name="x")).reference)
    outcome = await place.fails("write", file="x", content=document)
    assert outcome.code == code
    assert place.server.files["/x"] == b"old"


def test_uvloop_hears_a_server_that_ends_an_upload_too(home, tmp_path, certificate, trusted):
    """Its transports raise an error of their own when something is written to a connection that has ended."""
    uvloop = pytest.importorskip("uvloop")

    async def code() -> str:
        places = Places(home, tmp_path, certificate, trusted)
        try:
            place = await places.odd_ftp({"/x": b"old"}, answers={"_CUT": "1000", "_END": "552 Quota exceeded."})
            document = dict((await place.documents.create(os.urandom(40_000_000), name="x")).reference)
            return (await place.fails("write", file="x", content=document)).code
        finally:
            await places.aclose()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(code()) == "FILES_FULL"


@pytest.mark.parametrize(
    ("end", "code"),
    [("226 done", "FILES_LOST"), ("426 aborted", "FILES_LOST"), ("451 read error on the disk", "FILES_BUSY")],
)
async def test_a_download_that_ends_early_is_no_document(places, end, code):
    answers = {"_CUT": "300000", "_END": end}
    place = await places.odd_ftp({"/x": os.urandom(600_000)}, answers=answers)
    assert (await place.fails("read", file="x")).code == code
    assert not [path for path in place.documents.directory.rglob("*") if path.is_file() and path.name != ".key"]


@pytest.mark.parametrize("protocol", ["ftp", "ftpes", "ftps"])
async def test_a_slow_taker_gets_every_byte(places, protocol):
    """Reading pauses while the buffer is full, and goes on."""
    place = await places.ftp(protocol)
    data = os.urandom(5_000_000)
    (place.home / "x").write_bytes(data)
    inputs = place.inputs
    login = Login("ann", Secret(inputs["authentication"]["password"]))
    server = Server(protocol, "127.0.0.1", inputs["port"], login, inputs.get("trustedCertificate", ""))
    session = await open_ftp(server, None, set())
    found = bytearray()
    async with session.reading("x") as pieces:
        async for piece in pieces:
            await asyncio.sleep(0.005)
            found += piece
    assert len(found) == len(data)
    assert found == data
    assert session.usable
    await session.aclose()


@pytest.mark.parametrize("protocol", ["ftp", "ftpes", "ftps"])
async def test_a_slow_taker_gets_every_name(places, protocol):
    """A listing of a megabyte is longer than what a connection holds while nobody reads."""
    place = await places.ftp(protocol)
    names = {f"{number:04}" + "x" * 240 for number in range(4000)}
    for name in names:
        (place.home / name).touch()
    inputs = place.inputs
    login = Login("ann", Secret(inputs["authentication"]["password"]))
    server = Server(protocol, "127.0.0.1", inputs["port"], login, inputs.get("trustedCertificate", ""))
    session = await open_ftp(server, None, set())
    found = set()
    async for entry in session.entries(""):
        if len(found) % 200 == 0:
            await asyncio.sleep(0.05)
        found.add(entry.name)
    assert len(found) == len(names)
    assert session.usable
    await session.aclose()


@pytest.mark.parametrize("protocol", ["ftp", "ftpes"])
async def test_who_needs_no_more_leaves_the_session_in_order(places, protocol):
    """Neither a file that is too large, a long listing, nor a document that is damaged costs a new login."""
    place = await places.ftp(protocol)
    (place.home / "large").write_bytes(bytes(30_000_000))
    for number in range(30):
        (place.home / f"f{number}").write_text("x")
    document = await place.documents.create(bytes(5_000_000), name="x")
    key = document.reference["contentHash"]
    (place.documents.directory / key[:2] / key).write_bytes(bytes(4_999_999) + b"x")
    opened = []
    loop = asyncio.get_running_loop()
    known = loop.create_connection

    async def noted(factory, *where, **more):
        opened.append(more.get("port") or (where[1] if len(where) > 1 else None))
        return await known(factory, *where, **more)

    loop.create_connection = noted
    one = {"maxSessions": 1}
    assert (await place.fails("read", file="large", readAs="text", maxBytes=10, **one)).code == "FILES_TOO_LARGE"
    assert (await place.do("list", maxFiles=2, **one))["more"] is True
    fail = await place.fails("write", file="new", content=dict(document.reference), **one)
    assert fail.code == "DOCUMENT_NOT_FOUND"
    await place.do("exists", file="new", **one)
    assert opened.count(place.inputs["port"]) == 1
    assert not [name for name in place.names() if name.startswith(".new")]


@pytest.mark.parametrize("protocol", ["ftp", "sftp"])
async def test_a_job_that_is_cancelled_while_a_session_is_tested(places, protocol, monkeypatch):
    """It is not lost to the others."""
    place = await (places.sftp() if protocol == "sftp" else places.ftp(protocol))
    await place.do("exists", file="x", maxSessions=1)
    (pool,) = [client.result() for client in place.clients._clients.values() if isinstance(client.result(), Sessions)]
    monkeypatch.setattr(pool_module, "IDLE_BEFORE_TEST", 0.0)
    begun = asyncio.Event()

    async def silent():
        begun.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(pool._held[0].session, "alive", silent)
    job = asyncio.create_task(place.job("exists", file="x", maxSessions=1))
    await begun.wait()
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)
    assert [held.users for held in pool._held] == []
    await place.do("exists", file="x", maxSessions=1)
    assert len(pool._held) == 1


@pytest.mark.parametrize("operation", ["write", "read", "move", "list"])
async def test_a_control_connection_that_breaks_at_any_command(places, operation):
    """The task is tried again and completes; whoever looks finds the old file or the new one, whole."""
    given = {"write": {"content": "new"}, "read": {"readAs": "text"}, "move": {"targetFile": "b.txt"}, "list": {}}
    number = 0
    while True:
        place = await places.odd_ftp({"/a.txt": b"old"})
        inputs = {**({} if operation == "list" else {"file": "a.txt"}), **given[operation], "key": 9}
        await place.do("exists", file="a.txt")
        number += 1
        place.server.dies_at = len(place.server.received) + number
        outcome = await place.job(operation, **inputs)
        files = {name: data for name, data in place.server.files.items() if not name.endswith(".part")}
        assert set(files.values()) <= {b"old", b"new"}
        if len(place.server.received) < place.server.dies_at:
            assert isinstance(outcome, Complete)
            break
        if isinstance(outcome, Fail):
            assert (outcome.code, outcome.retries) == ("FILES_LOST", 2)
            outcome = await place.job(operation, **inputs)
        assert isinstance(outcome, Complete), (number, outcome)
        want = {"write": {"/a.txt": b"new"}, "move": {"/b.txt": b"old"}}.get(operation, {"/a.txt": b"old"})
        assert {name: data for name, data in place.server.files.items() if not name.endswith(".part")} == want
    assert number > 2
