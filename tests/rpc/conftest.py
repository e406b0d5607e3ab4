"""A server with a few methods, which must have forgotten everything when its test ends."""

from __future__ import annotations

import asyncio

import pytest
from google.protobuf.wrappers_pb2 import BytesValue
from tests.rpc.raw import Raw
from tests.waiting import until

from zeebe_connectors.rpc import channel as channel_module
from zeebe_connectors.rpc.server import Method, Server
from zeebe_connectors.rpc.status import RpcError, Status


class Service:
    """Answers the tests' calls.

    Echo answers with the request; Wait when it is let go; Size with that many bytes; Many with pieces of 64 KiB, for
    ever; Fail with the status PERMISSION_DENIED.
    """

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.waiting = self.begun = self.cancelled = self.sent = 0
        text = BytesValue.FromString
        self.server = Server(
            {
                "/t/Echo": Method(self._echo, text),
                "/t/Wait": Method(self._wait, text),
                "/t/Size": Method(self._size, text),
                "/t/Many": Method(self._many, text, streams=True),
                "/t/Fail": Method(self._fail, text),
            },
            limit=1 << 20,
            max_calls=3_000,
        )
        self.port = 0
        self.raws: list[Raw] = []

    async def connect(self, *hello: bytes) -> Raw:
        raw = await Raw.connect(self.port, *hello)
        self.raws.append(raw)
        return raw

    async def with_calls(self):
        """The connections, once a call has begun."""
        await until(lambda: any(one.streams for one in self.server.connections))
        await asyncio.sleep(0.05)
        return list(self.server.connections)

    async def _echo(self, request):
        return request

    async def _wait(self, request):
        self.waiting += 1
        self.begun += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.waiting -= 1
        return request

    async def _size(self, request):
        return BytesValue(value=b"x" * int(request.value))

    async def _many(self, request):
        self.waiting += 1
        try:
            while True:
                yield BytesValue(value=bytes(64 * 1024))
                self.sent += 1
        finally:
            self.waiting -= 1

    async def _fail(self, request):
        raise RpcError(Status.PERMISSION_DENIED, request.value.decode())


@pytest.fixture
async def service():
    service = Service()
    service.port = await service.server.listen("127.0.0.1", 0)
    yield service
    for raw in service.raws:
        await raw.close()
    await until(lambda: not service.server.connections and not service.waiting)
    await until(lambda: not [one for one in asyncio.all_tasks() if "rpc/server" in repr(one)])
    await service.server.stop()
    scheduled = getattr(asyncio.get_running_loop(), "_scheduled", ())
    assert not [one for one in scheduled if not one.cancelled() and "rpc" in repr(one)]


@pytest.fixture
def short_pauses(monkeypatch):
    """Nobody wants to wait for what is tried again."""
    monkeypatch.setattr(channel_module, "_MIN_PAUSE", 0.02)
