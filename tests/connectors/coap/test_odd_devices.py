"""Devices that answer late, twice, in blocks of their own size, or with what nobody understands."""

from __future__ import annotations

import asyncio
import base64

import aiocoap
import pytest
from aiocoap import ACK, CON, NON, RST, Message
from aiocoap.numbers.codes import Code
from tests.servers.coapd import OddDevice

from zeebe_connectors.connectors.coap import connector
from zeebe_connectors.connectors.coap.connector import ask
from zeebe_connectors.connectors.coap.content import links
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.testing import Complete, Fail, run


async def _job(device, operation="get", **inputs):
    clients = ClientCache()
    given = {"operation": operation, "host": "127.0.0.1", "port": device.port, "path": "r", "timeout": 3, **inputs}
    try:
        return await run(ask, given, clients=clients, result_variable="done", seconds=6)
    finally:
        await clients.aclose()


async def _done(device, *given, **inputs):
    outcome = await _job(device, *given, **inputs)
    assert isinstance(outcome, Complete), outcome
    return outcome.variables["done"]


@pytest.mark.parametrize("kind", [CON, NON])
async def test_an_answer_that_comes_after_its_acknowledgement(kind):
    async def answer(device, request, addr):
        device.say(addr, Message(code=aiocoap.EMPTY), kind=ACK, to=request)
        await asyncio.sleep(0.05)
        device.say(addr, Message(code=aiocoap.CONTENT, payload=b"late", _token=request.token), kind=kind)

    async with OddDevice(answer) as device:
        assert (await _done(device))["body"] == "late"
        assert len(device.requests) == 1


async def test_an_answer_without_an_acknowledgement_and_one_that_comes_again():
    def answer(device, request, addr):
        for _ in range(3):
            device.say(addr, Message(code=aiocoap.CONTENT, payload=b"x", _token=request.token), kind=CON)

    async with OddDevice(answer) as device:
        assert (await _done(device))["body"] == "x"
        assert (await _done(device))["body"] == "x"


async def test_a_device_that_rejects_the_message():
    async with OddDevice(lambda device, request, addr: device.say(
        addr, Message(code=aiocoap.EMPTY), kind=RST, to=request
    )) as device:  # fmt: skip
        outcome = await _job(device, "post", content="{}")
        assert (outcome.code, outcome.retries) == ("COAP_UNREACHABLE", 2)


def _in_blocks(etag, *, total=3):
    def answer(device, request, addr):
        number = request.opt.block2.block_number if request.opt.block2 else 0
        version = etag(len(device.requests), number)
        more = number < total - 1
        device.reply(request, addr, aiocoap.CONTENT, b"x" * 64, block2=(number, more, 2), etag=version)

    return answer


async def test_a_resource_that_changes_while_it_is_read_is_read_again():
    async with OddDevice(_in_blocks(lambda count, _: b"new" if count > 1 else b"old")) as device:
        done = await _done(device)
        assert (done["size"], done["etag"]) == (192, b"new".hex())


async def test_a_resource_that_never_stays_the_same():
    async with OddDevice(_in_blocks(lambda count, _: b"%d" % count)) as device:
        outcome = await _job(device)
        assert (outcome.code, outcome.retries) == ("COAP_INCOMPLETE", 2)
        assert len(device.requests) == 6


async def test_a_device_that_takes_smaller_blocks():
    received = bytearray()

    def answer(device, request, addr):
        block = request.opt.block1
        if block.size_exponent > 2:
            device.reply(request, addr, Code.REQUEST_ENTITY_TOO_LARGE, block1=(0, False, 2))
            return
        received.extend(request.payload)
        code = Code.CONTINUE if block.more else Code.CHANGED
        device.reply(request, addr, code, block1=(block.block_number, block.more, block.size_exponent))

    async with OddDevice(answer) as device:
        done = await _done(device, "put", content="x" * 3000, contentFormat="text")
        assert done["code"] == "2.04"
        assert received == b"x" * 3000


async def test_a_device_that_lost_blocks():
    def answer(device, request, addr):
        block = request.opt.block1
        code = Code.CONTINUE if block.block_number == 0 else Code.REQUEST_ENTITY_INCOMPLETE
        device.reply(request, addr, code, block1=(block.block_number, block.block_number == 0, 6))

    async with OddDevice(answer) as device:
        outcome = await _job(device, "put", content="x" * 3000, contentFormat="text")
        assert (outcome.code, outcome.retries) == ("COAP_INCOMPLETE", 2)


@pytest.mark.parametrize("size", [64, 10], ids=["out of order", "shorter than it says"])
async def test_odd_blocks(size):
    def answer(device, request, addr):
        device.reply(request, addr, aiocoap.CONTENT, b"x" * size, block2=(0, True, 2))

    async with OddDevice(answer) as device:
        outcome = await _job(device)
        assert (outcome.code, outcome.retries) == ("COAP_PROTOCOL", 0)


@pytest.mark.parametrize(("number", "code"), [(2049, "COAP_PROTOCOL"), (2050, "")])
async def test_an_option_that_nobody_knows(number, code):
    """Only a critical one, of an odd number, changes what the answer means."""

    def answer(device, request, addr):
        header = bytes([0x60 | len(request.token), 0x45]) + request.mid.to_bytes(2, "big") + request.token
        device._port.sendto(header + b"\xe0" + (number - 269).to_bytes(2, "big") + b"\xffhi", addr)

    async with OddDevice(answer) as device:
        outcome = await _job(device)
        if code:
            assert isinstance(outcome, Fail)
            assert (outcome.code, outcome.retries) == (code, 0)
        else:
            assert outcome.variables["done"]["body"] == "hi"


async def test_a_location_with_a_query():
    def answer(device, request, addr):
        device.reply(request, addr, aiocoap.CREATED, location_path=("a", "b c"), location_query=("x=1", "y"))

    async with OddDevice(answer) as device:
        assert (await _done(device, "post", content="{}"))["location"] == "/a/b c?x=1&y"


async def test_a_query_of_every_kind():
    query = {"a": [1, 2], "b": None, "c": True, "d": "x y&z=1", "e": 1.5, "f": {"g": 1}, "h": ""}
    async with OddDevice(lambda device, request, addr: device.reply(request, addr, aiocoap.CONTENT)) as device:
        await _done(device, query=query)
        want = ("a=1", "a=2", "b", "c=true", "d=x y&z=1", "e=1.5", 'f={"g":1}', "h=")
        assert device.requests[0].opt.uri_query == want


@pytest.mark.parametrize("path", ["sensors/t?unit=C", "coap://other.example/t"])
async def test_a_path_that_is_more_than_one(path):
    async with OddDevice(lambda *_: None) as device:
        outcome = await _job(device, path=path)
        assert (outcome.code, outcome.retries) == ("INVALID_INPUT", 0)
        assert device.requests == []


def test_links_are_paths_that_can_be_asked_for():
    assert links("</a%20b/%C3%BC>;ct=0") == [{"path": "/a b/ü", "ct": "0"}]


@pytest.mark.parametrize("operation", ["get", "post"])
@pytest.mark.parametrize("code", [Code.CONTINUE, Code(3 << 5)])
async def test_a_code_that_ends_nothing(operation, code):
    async with OddDevice(lambda device, request, addr: device.reply(request, addr, code)) as device:
        outcome = await _job(device, operation)
        assert (outcome.code, outcome.retries) == ("COAP_PROTOCOL", 0)


async def test_a_datagram_of_any_size_is_whole():
    data = bytes(range(256)) * 120
    async with OddDevice(lambda device, request, addr: device.reply(
        request, addr, aiocoap.CONTENT, data
    )) as device:  # fmt: skip
        assert (await _done(device, readAs="base64"))["body"] == base64.b64encode(data).decode()


@pytest.mark.parametrize(("age", "delay"), [(7, 7), (4_294_967_295, 86_400)])
async def test_a_busy_device_says_when_to_come_again(age, delay):
    async with OddDevice(lambda device, request, addr: device.reply(
        request, addr, aiocoap.SERVICE_UNAVAILABLE, max_age=age
    )) as device:  # fmt: skip
        outcome = await _job(device)
        assert (outcome.code, outcome.retries, outcome.backoff) == ("COAP_BUSY", 2, delay)


@pytest.mark.parametrize("host", ["224.0.1.187", "ff02::fd", "[ff05::fd]"])
async def test_a_group_of_devices_is_refused(host):
    async with OddDevice(lambda *_: None) as device:
        outcome = await _job(device, host=host)
        assert (outcome.code, outcome.retries) == ("INVALID_INPUT", 0)
        assert "group" in outcome.message


async def test_nobody_repeats_a_request_that_has_ended(monkeypatch):
    """A device that was silent would carry it out after later ones; and these need not wait for it."""
    monkeypatch.setattr(connector, "_ACK_TIMEOUT", 0.3)
    is_silent = True

    def answer(device, request, addr):
        if not is_silent:
            device.reply(request, addr, aiocoap.CHANGED)

    async with OddDevice(answer) as device:
        clients = ClientCache()
        given = {"operation": "put", "host": "127.0.0.1", "port": device.port, "path": "r", "contentFormat": "text"}

        async def put(content):
            return await run(ask, {**given, "content": content, "timeout": 1}, clients=clients, seconds=6)

        assert [(one.code, one.retries) for one in await asyncio.gather(put("1"), put("2"))] == [
            ("COAP_TIMEOUT", 2)
        ] * 2
        assert {request.payload for request in device.requests} == {b"1", b"2"}, "both had their time"
        is_silent, received = False, len(device.requests)
        assert isinstance(await put("3"), Complete)
        await asyncio.sleep(2.5)
        assert [request.payload for request in device.requests[received:]] == [b"3"]
        await clients.aclose()
