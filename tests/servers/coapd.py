"""A CoAP server (aiocoap) in this process, and a proxy that loses datagrams, both on loopback."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Self

import aiocoap
from aiocoap import resource
from tests.servers.ports import free_port

CBOR, JSON, TEXT, BYTES = 60, 50, 0, 42


class _Stored(resource.Resource):
    """Keeps what is put, counts what is posted."""

    def __init__(self, payload: bytes = b"", number: int = TEXT) -> None:
        super().__init__()
        self.payload, self.number = payload, number
        self.requests: list[aiocoap.Message] = []

    def get_link_description(self):
        return {"rt": "thing", "title": 'a "thing", really', "ct": str(self.number)}

    async def render_get(self, request):
        self.requests.append(request)
        return aiocoap.Message(payload=self.payload, content_format=self.number)

    async def render_put(self, request):
        self.requests.append(request)
        self.payload, self.number = request.payload, request.opt.content_format
        return aiocoap.Message(code=aiocoap.CHANGED)

    async def render_post(self, request):
        self.requests.append(request)
        return aiocoap.Message(code=aiocoap.CREATED, location_path=("things", str(len(self.requests))))

    async def render_delete(self, request):
        self.requests.append(request)
        self.payload = b""
        return aiocoap.Message(code=aiocoap.DELETED)


class _Failing(resource.Resource):
    async def render_get(self, request):
        code = getattr(aiocoap, request.opt.uri_query[0].partition("=")[2])
        return aiocoap.Message(code=code, payload=b"diagnostic words", max_age=7)


class _Silent(resource.Resource):
    async def render_get(self, request):
        await asyncio.sleep(60)

    render_post = render_get


class CoapServer:
    """`/thing` keeps what is put; `/fail?code=NOT_FOUND` refuses so; `/silent` never answers.

    Args:
        host: The address where it listens.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._host = host

    async def __aenter__(self) -> Self:
        self.port = free_port(socket.SOCK_DGRAM)
        self.thing = _Stored(b"20.5")
        site = resource.Site()
        site.add_resource([".well-known", "core"], resource.WKCResource(site.get_resources_as_linkheader))
        site.add_resource(["thing"], self.thing)
        site.add_resource(["fail"], _Failing())
        site.add_resource(["silent"], _Silent())
        self._context = await aiocoap.Context.create_server_context(
            site, bind=(self._host, self.port), transports=["udp6"]
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._context.shutdown()


class Losing:
    """Passes datagrams to a server and back, and loses some.

    Args:
        port: The server's.
        share: So many of 1 are lost.
        seed: Makes the losses the same each time.
    """

    def __init__(self, port: int, share: float, seed: int) -> None:
        self._there = ("127.0.0.1", port)
        self._share = share
        self._random = random.Random(seed)
        self.lost = self.passed = 0
        self._backs: dict[tuple, asyncio.DatagramTransport] = {}

    def _drops(self) -> bool:
        drop = self._random.random() < self._share
        self.lost += drop
        self.passed += not drop
        return drop

    async def __aenter__(self) -> Self:
        outer = self
        loop = asyncio.get_running_loop()

        class Back(asyncio.DatagramProtocol):
            def __init__(self, client) -> None:
                self.client = client

            def datagram_received(self, data, addr) -> None:
                if not outer._drops():
                    outer._front.sendto(data, self.client)

        class Front(asyncio.DatagramProtocol):
            def datagram_received(self, data, addr) -> None:
                if not outer._drops():
                    outer._tasks.add(task := loop.create_task(outer._forward(data, addr, Back)))
                    task.add_done_callback(outer._tasks.discard)

        self._tasks: set[asyncio.Task] = set()
        self._front, _ = await loop.create_datagram_endpoint(Front, local_addr=("127.0.0.1", 0))
        self.port = self._front.get_extra_info("sockname")[1]
        return self

    async def _forward(self, data, addr, back) -> None:
        if addr not in self._backs:
            self._backs[addr], _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: back(addr), remote_addr=self._there
            )
        self._backs[addr].sendto(data)

    async def __aexit__(self, *exc: object) -> None:
        self._front.close()
        for transport in self._backs.values():
            transport.close()


class OddDevice:
    """A device whose answers a test writes message by message.

    Args:
        answer: Called with this device, each request and where it came from.
    """

    def __init__(self, answer: Callable[[OddDevice, aiocoap.Message, Any], Awaitable[None] | None]) -> None:
        self._answer = answer
        self.requests: list[aiocoap.Message] = []
        self._tasks: set[asyncio.Future] = set()
        self._number = 40_000

    async def __aenter__(self) -> Self:
        outer = self

        class Port(asyncio.DatagramProtocol):
            def datagram_received(self, data, addr) -> None:
                outer._received(aiocoap.Message.decode(data), addr)

        self._port, _ = await asyncio.get_running_loop().create_datagram_endpoint(Port, local_addr=("127.0.0.1", 0))
        self.port = self._port.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._port.close()

    def _received(self, message: aiocoap.Message, addr: Any) -> None:
        if not message.code.is_request():
            return
        self.requests.append(message)
        going = self._answer(self, message, addr)
        if going is not None:
            self._tasks.add(task := asyncio.ensure_future(going))
            task.add_done_callback(self._tasks.discard)

    def say(
        self, addr: Any, message: aiocoap.Message, *, kind: aiocoap.Type, to: aiocoap.Message | None = None
    ) -> None:
        """Sends a message; `to` is the request whose number it has (an acknowledgement)."""
        self._number += 1
        message.mtype, message.mid = kind, self._number if to is None else to.mid
        self._port.sendto(message.encode(), addr)

    def reply(
        self, request: aiocoap.Message, addr: Any, code: aiocoap.Code, payload: bytes = b"", **options: Any
    ) -> None:
        """Answers with the acknowledgement."""
        message = aiocoap.Message(code=code, payload=payload, _token=request.token)
        for name, value in options.items():
            setattr(message.opt, name, value)
        self.say(addr, message, kind=aiocoap.ACK, to=request)
