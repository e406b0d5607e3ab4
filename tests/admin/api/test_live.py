"""What streams to those who look: only changes, shared, bounded, and nothing for nobody."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tests.admin.api.conftest import TOKENS, Browser, Started
from tests.admin.world import box, order
from tests.waiting import until

from zeebe_connectors.admin.access import Refused
from zeebe_connectors.admin.live import Live, _Listener, _Topic
from zeebe_connectors.admin.page.rendering import regions
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail
from zeebe_connectors.sdk.context import Job

COUNTS = {"count-incidents", "count-down", "count-quarantine", "count-worst"}


class Stream:
    """One client of a stream."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def event(self) -> tuple[str, Any]:
        """The next event's name and text."""
        while True:
            text = (await asyncio.wait_for(self.answer.content.readuntil(b"\n\n"), 5)).decode()
            if not text.startswith(":"):
                first, second = text.strip().split("\n")
                return first.removeprefix("event: "), json.loads(second.removeprefix("data: "))

    async def until(self, name: str, words: str) -> list[str]:
        """The names of what comes until a part of this name has these words."""
        return await self.until_all({name: words})

    async def value(self, name: str) -> str:
        """The next text of a part."""
        while (found := await self.event())[0] != name:
            pass
        return found[1]

    async def quiet(self, live: Live) -> None:
        """Takes what the first looks bring, and holds that some more bring nothing."""
        seen: list[str] = []

        async def read() -> None:
            while True:
                seen.append((await self.event())[0])

        reading = asyncio.create_task(read())
        for looks, wanted in ((3, None), (8, [])):
            goal, before = live.made + looks, len(seen)
            async with asyncio.timeout(10):
                while live.made < goal:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0.01)
            assert wanted is None or seen[before:] == wanted
        reading.cancel()

    async def until_all(self, expected: Mapping[str, str]) -> list[str]:
        """The names of what comes until each of these parts had its words, in any order."""
        names, missing = [], dict(expected)
        while missing:
            name, text = await self.event()
            names.append(name)
            if missing.get(name, "\0") in text:
                del missing[name]
        return names


@contextlib.asynccontextmanager
async def stream(browser: Browser, of: str, *, status: int = 200, **headers: str) -> AsyncIterator[Stream]:
    async with browser.session.get("/live", params={"of": of}, headers=headers) as answer:
        assert answer.status == status, await answer.text()
        yield Stream(answer)


def quick(started: Started) -> Live:
    """The server's streams, in a hurry."""
    live = started.server._api.live
    live.interval, live.share = 0.02, 1.0
    return live


def answered(started: Started, outcome: Any, key: int = 1) -> None:
    job = Job(key, "t", bpmn_process_id="order", element_id="Reserve", process_instance_key=7)
    started.runtime.record.metrics("rest", None).answered(job, outcome, 0.01)


async def test_a_change_comes_by_itself_and_nothing_else(start):
    running = await start()
    running.runtime.start()
    quick(running)
    async with stream(running.viewer, "/") as live:
        assert (await live.event())[0] == "hello"
        await live.until("runtime", "answers")
        await live.until("count-quarantine", "")
        answered(running, Fail("the shop is shut", 0, code="SHUT"))
        names = await live.until("attention", "the shop is shut")
        assert "sources" not in names
    async with stream(running.viewer, "/") as live:
        await live.until("attention", "the shop is shut")


async def test_nothing_is_made_for_nobody_and_once_for_several(start):
    running = await start()
    live = quick(running)
    await asyncio.sleep(0.1)
    assert (live.made, live.topics) == (0, 0)
    async with contextlib.AsyncExitStack() as stack:
        for browser in (running.viewer, running.viewer, running.viewer):
            one = await stack.enter_async_context(stream(browser, "/sources"))
            await one.until("rows", "No source is watched")
        assert (live.streams, live.topics) == (3, 1)
        one = await stack.enter_async_context(stream(running.operator, "/sources"))
        await one.until("rows", "No source is watched")
        assert (live.streams, live.topics) == (4, 2)
    await until(lambda: not live.topics)
    made = live.made
    answered(running, Complete())
    await asyncio.sleep(0.1)
    assert (live.made, live.streams) == (made, 0)


async def test_rows_stay_and_newer_jobs_are_counted(start):
    running = await start()
    quick(running)
    answered(running, Complete())
    text = await running.viewer.get("/jobs?outcome=completed")
    top = text.partition('data-top="')[2].partition('"')[0]
    async with stream(running.viewer, f"/jobs?outcome=completed&top={top}") as live:
        for key in (2, 3):
            answered(running, Complete(), key)
        answered(running, Fail("no", 1), 4)
        names = await live.until("newer", "2 newer jobs")
        assert set(names) <= {"hello", "counts", "newer", "gone", *COUNTS}
    assert "newer job" not in await running.viewer.get("/jobs?top=nonsense")


async def test_the_row_of_a_job_that_failed_says_what_became_of_it(start):
    running = await start()
    quick(running)
    answered(running, Fail("the shop is shut", 2, code="SHUT"), 7)
    answered(running, Fail("the shop is shut", 0, code="SHUT"), 8)
    answered(running, Complete(), 9)
    text = await running.viewer.get("/jobs")
    top = text.partition('data-top="')[2].partition('"')[0]
    (region,) = re.findall(r'data-live="(job-7-[^"]+)"', text)
    assert "job-9-" not in text
    async with stream(running.viewer, f"/jobs?top={top}") as live, stream(running.viewer, "/jobs/7") as one:
        await live.until("count-quarantine", "")
        await one.until("tries", "2 retries left")
        for key in range(100, 160):
            answered(running, Complete(), key)
        answered(running, Complete(), 7)
        names = await live.until(region, "Since then: Completed")
        assert [name for name in names if name.startswith("job-")] == [region]
        await one.until("tries", "The engine has its result.")
    listed = await running.viewer.call("GET", "/jobs?outcome=retried")
    assert listed["jobs"][0]["later"]["outcome"] == "completed"
    listed = await running.viewer.call("GET", "/jobs?outcome=incident")
    assert listed["jobs"][0]["later"] is None
    assert "Since then: Completed" in await running.viewer.get("/jobs?outcome=retried")


async def test_rows_of_quarantine_say_where_their_events_went(start, monkeypatch):
    monkeypatch.setattr("zeebe_connectors.admin.page.live.LEDGER_EVERY", 0.0)
    running = await start()
    quick(running)
    ledger = running.runtime.ledger
    for name in ("a", "b"):
        await ledger.quarantine("box", name, alias=None, reason="bad", title=f"Mail {name}", original=b"x")
    text = await running.operator.get("/events")
    top = text.partition('data-top="')[2].partition('"')[0]
    regions = dict(re.findall(r'data-live="(event-[^"]+)">.*?>Mail (.)<', text, re.DOTALL))
    (region,) = (found for found, name in regions.items() if name == "a")
    async with (
        stream(running.operator, f"/events?state=quarantined&top={top}") as live,
        stream(running.viewer, "/events/box/a") as one,
    ):
        await one.until("way", "In quarantine")
        await live.until("counts", '<span class="n">2</span>')
        await running.operator.post("/events/retry?state=quarantined", {"event": '["box", "a"]'})
        names = await live.until_all({"counts": '<span class="n">1</span>', region: "To be tried again"})
        assert not any(name.startswith("event-") and name != region for name in names)
        await one.until("way", "Somebody requested it")
        await ledger.record("box", "a", "done", key=4)
        await live.until(region, "Handed over")
        await one.until("way", "with key 4")
        await ledger.quarantine("box", "c", alias=None, reason="bad", title="Mail c", original=b"x")
        await live.until("newer", "1 newer event")


async def test_an_empty_list_says_that_something_has_come(start, monkeypatch):
    monkeypatch.setattr("zeebe_connectors.admin.page.live.LEDGER_EVERY", 0.0)
    running = await start()
    quick(running)
    text = await running.viewer.get("/events")
    top = re.search(r'data-top="([\d.]+)"', text)[1]
    async with stream(running.viewer, f"/events?top={top}") as live:
        await live.until("newer", "")
        await running.runtime.ledger.quarantine("box", "a", alias=None, reason="bad", title="", original=b"x")
        await live.until("newer", "1 newer event")


async def test_what_a_provider_is_doing_comes_by_itself(start, monkeypatch):
    monkeypatch.setattr("zeebe_connectors.admin.page.live.LEDGER_EVERY", 0.0)
    running = await start()
    quick(running)
    await running.operator.get("/providers/+new")
    made = {"name": "erp", "protocol": "https", "environment": "test", "address": "https://erp.example.com/"}
    await running.operator.post("/providers", made)
    assert 'data-live="now"' in await running.viewer.get("/providers/erp")
    known = running.runtime.services.providers.directory.all()["erp"]
    async with stream(running.viewer, "/providers/erp") as live:
        await live.until("now", "none since the start")
        running.runtime.services.providers.limit(known, "test")
        await live.until("now", "0 waiting")


async def test_the_list_of_providers_says_what_they_are_doing_and_that_it_has_changed(start):
    running = await start()
    quick(running)
    made = {"protocol": "https", "environment": "test", "address": "https://erp.example.com/"}
    await running.operator.get("/providers/+new")
    await running.operator.post("/providers", {"name": "erp", **made})
    providers = running.runtime.services.providers
    limit = providers.limit(providers.directory.all()["erp"], "test")
    text = await running.viewer.get("/providers?tag=")
    assert 'data-live="now-erp"' in text
    assert "idle" in text
    top = text.partition('data-top="')[2].partition('"')[0]
    async with stream(running.viewer, f"/providers?tag=&top={top}") as live:
        await live.until("now-erp", "idle")
        limit.hold(30)
        assert "newer" not in await live.until("now-erp", "slowed for")
        await running.operator.post("/providers", {"name": "shop", **made})
        await live.until("newer", "The list has changed")
    assert "The list has changed" not in await running.viewer.get("/providers")


async def test_what_somebody_else_forgets_leaves_the_list_and_its_page_says_so(start, monkeypatch):
    monkeypatch.setattr("zeebe_connectors.admin.page.live.LEDGER_EVERY", 0.0)
    running = await start()
    quick(running)
    ledger = running.runtime.ledger
    for name in ("a", "b", "c"):
        await ledger.quarantine("box", name, alias=None, reason="bad", title=f"Mail {name}", original=b"x")
    text = await running.operator.get("/events")
    top = text.partition('data-top="')[2].partition('"')[0]
    found = re.findall(r'data-live="(event-[^"]+)">.*?>Mail (.)<', text, re.DOTALL)
    rows = {name: region for region, name in found}
    async with (
        stream(running.operator, f"/events?top={top}") as live,
        stream(running.viewer, "/events/box/a") as one,
    ):
        await live.until_all({"listed": rows["a"], "gone": ""})
        await one.until("way", "In quarantine")
        await running.operator.post("/events/retry", {"event": '["box", "b"]'})
        await running.operator.post("/events/forget", {"event": '["box", "a"]', "confirmed": "yes"})
        while rows["a"] in (there := (await live.value("listed")).split()):
            pass
        assert {rows["b"], rows["c"]} <= set(there)  # one is to be tried again, which its row says
        await one.until("gone", "Nothing is known of this event")
        await ledger.quarantine("box", "a", alias=None, reason="bad again", title="Mail a", original=b"x")
        await one.until_all({"gone": "", "way": "bad again"})
        await live.until_all({"newer": "1 newer event", rows["a"]: "Mail a"})


async def test_what_has_not_changed_is_neither_drawn_nor_sent_again(start, tmp_path, monkeypatch):
    (tmp_path / "sources.toml").write_text(
        '["box"]\ntype = "test:box:1"\nmessage = "m"\nresultExpression = "={got: word}"\n'
    )
    running = await start((order, box), ZEEBE_CONNECTORS_SOURCES=str(tmp_path / "sources.toml"))
    running.runtime.start()
    live = quick(running)
    drawn: list[str] = []

    def counted(template: str, values: Any, rows: Any, before: Any = regions) -> dict[str, str]:
        drawn.append(template)
        return before(template, values, rows)

    monkeypatch.setattr("zeebe_connectors.admin.page.live.regions", counted)
    now = time.time()
    running.runtime.record._clock = lambda: now  # no minute ends
    answered(running, Fail("the shop is shut", 0, code="SHUT"))
    running.runtime.gateway.stop()
    async with asyncio.timeout(30):
        while [watch.status for watch in running.runtime.sources.watches.values()] != ["UP"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        while "does not answer" not in await running.viewer.get("/"):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.02)
    for place, part in (("/", "runtime"), ("/sources", "rows"), ("/sources/box", "day"), ("/jobs?top=1", "counts")):
        drawn.clear()
        async with stream(running.viewer, place) as one:
            await one.until(part, "")
            await one.quiet(live)
        assert len(drawn) <= 2, place
    headers = {"Authorization": f"Bearer {TOKENS['viewer']}"}
    async with aiohttp.ClientSession(running.base, headers=headers) as session:
        for of, part in (("overview", "overview"), ("jobs", "counts"), ("sources", "sources")):
            async with session.get(f"/api/live?of={of}") as answer:
                one = Stream(answer)
                while (await one.event())[0] != part:
                    pass
                await one.quiet(live)


@pytest.mark.parametrize(
    "of",
    [
        "/jobs/7/8",
        "/events/box",
        "/nowhere",
        "//evil.example/",
        "https://evil.example/",
        "",
        "/sources/a/b",
        "/" + "x" * 3000,
    ],
)
async def test_where_nothing_moves_there_is_no_stream(start, of):
    running = await start()
    async with stream(running.viewer, of, status=404):
        assert running.server._api.live.streams == 0


async def test_who_is_not_signed_in_or_comes_from_elsewhere_gets_no_stream(start):
    running = await start()
    async with aiohttp.ClientSession(running.base) as session, session.get("/live?of=/") as answer:
        assert answer.status == 401
    async with stream(running.viewer, "/", status=403, Origin="https://evil.example"):
        pass


async def test_no_form_stands_in_what_is_shared(start, tmp_path):
    """Those of one role share what is made, and each has a form token of their own."""
    running = await start(ZEEBE_CONNECTORS_DIAGRAMS=str(tmp_path))
    quick(running)
    for place, part in (("/", "runtime"), ("/jobs", "counts"), ("/sources", "rows"), ("/runtime", "health")):
        page = await running.operator.get(place)
        assert f'data-live="{part}"' in page
        own = re.sub(r'<form [^>]*id="seen">.*?</form>', "", page.partition("<main")[2])  # beside what is shared
        assert running.operator.form_token == "" or running.operator.form_token not in own
        async with stream(running.operator, place) as live:
            seen = ""
            while part not in seen:
                name, text = await live.event()
                seen += name
                assert "form_token" not in text
                assert f'data-live="{name}"' in page or name == "hello"


async def test_the_end_of_the_server_ends_the_streams(start):
    running = await start()
    quick(running)
    async with stream(running.viewer, "/") as live:
        await live.event()
        await asyncio.wait_for(running.server.aclose(), 3)
        await asyncio.wait_for(live.answer.content.read(), 3)
        assert live.answer.content.at_eof()


# The hub alone


@contextlib.asynccontextmanager
async def served(live: Live, make: Any) -> AsyncIterator[int]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await live.serve(request, "all", make, {})
        except Refused as refused:
            return web.Response(status=refused.status)

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield site._server.sockets[0].getsockname()[1]
    finally:
        live.close()
        await runner.cleanup()


async def test_a_client_that_does_not_read_is_dropped_and_the_others_go_on():
    live = Live(interval=0.01, slow_seconds=0.2)
    count = 0

    async def make() -> dict[str, str]:
        nonlocal count
        count += 1
        return {"big": str(count % 10) * 300_000}

    async with served(live, make) as port, aiohttp.ClientSession() as session:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", port))
        deaf.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with session.get(f"http://127.0.0.1:{port}/") as answer, asyncio.timeout(5):
            while not live.dropped:
                await answer.content.readany()
            assert (live.dropped, live.streams) == (1, 1)
            await answer.content.readany()
        deaf.close()


async def test_parts_that_come_and_go_do_not_pile_up(monkeypatch):
    """A page that stays open for days shows a row for each new event; each reconnection would bring all of them."""
    monkeypatch.setattr("zeebe_connectors.admin.live.MAX_PARTS", 10)
    live = Live(interval=0.001)
    live.share = 1.0

    async def make() -> dict[str, str]:
        return {"last": '"x"', f"row-{live.made}": '"y"'}

    first, second = _Listener(lambda: False), _Listener(lambda: False)
    topic = _Topic(live, make)
    topic.join(first)
    await until(lambda: live.made > 30)
    topic.join(second)
    offered = second.take().decode()
    assert "event: last" in offered
    assert offered.count("event: row-") <= 10
    topic.leave(first)
    assert topic.leave(second)


async def test_there_are_no_more_streams_than_may_be():
    live = Live(interval=0.01, max_streams=2)

    async def make() -> dict[str, str]:
        return {"a": '"b"'}

    async with served(live, make) as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        async with session.get("/") as one, session.get("/") as two, session.get("/") as three:
            assert [one.status, two.status, three.status] == [200, 200, 429]
        await until(lambda: not live.streams)
        async with session.get("/") as again:
            assert again.status == 200


async def test_who_comes_while_the_last_one_goes_is_served():
    live = Live(interval=0.01)

    async def make() -> dict[str, str]:
        return {"a": str(live.made)}

    first, second = _Listener(lambda: True), _Listener(lambda: False)
    topic = _Topic(live, make)
    topic.join(first)
    async with asyncio.timeout(5):
        while not topic._task.done():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.005)
        topic.join(second)
        topic.leave(first)
        await second.ready.wait()
        assert b"event: a" in second.take()
    assert topic.leave(second)


async def test_what_fails_once_is_made_again_and_a_comment_says_that_nothing_changed():
    live = Live(interval=0.01, heartbeat=0.05)
    count = 0

    async def make() -> dict[str, str]:
        nonlocal count
        count += 1
        if count == 1:
            raise RuntimeError
        return {"a": '"b"'}

    async with (
        served(live, make) as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/") as answer,
        asyncio.timeout(5),
    ):
        assert (await answer.content.readuntil(b"\n\n")).decode() == 'event: a\ndata: "b"\n\n'
        assert (await answer.content.readuntil(b"\n\n")).startswith(b":")


def test_what_takes_long_is_made_seldom():
    live = Live()
    live._topics = {"a": None, "b": None}
    assert live.pause(0.001) == 1
    assert live.pause(0.01) == 2
    assert live.pause(10) == 10


# The API's


async def test_the_api_streams_json_for_who_has_a_token(start):
    running = await start()
    quick(running)
    headers = {"Authorization": f"Bearer {TOKENS['viewer']}"}
    async with aiohttp.ClientSession(running.base) as session:
        for of, part in (("overview", "overview"), ("jobs", "counts"), ("sources", "sources")):
            async with session.get(f"/api/live?of={of}", headers=headers) as answer:
                one = Stream(answer)
                seen = ""
                while seen != part:
                    seen, _ = await one.event()
        async with session.get("/api/live?of=jobs", headers=headers) as answer:
            one = Stream(answer)
            await one.event()
            answered(running, Fail("the shop is shut", 0, code="SHUT"), 11)
            while (event := await one.event())[0] != "jobs":
                pass
            assert [(job["key"], job["code"]) for job in event[1]] == [("11", "SHUT")]
        for wrong in ("of=nothing", "of=jobs&seconds=x", "of=jobs&seconds=nan", "of=jobs&seconds=99999"):
            async with session.get(f"/api/live?{wrong}", headers=headers) as answer:
                assert answer.status == 400
        async with session.get("/api/live?of=jobs&seconds=0.1", headers=headers) as answer, asyncio.timeout(3):
            await answer.read()
        async with session.get("/api/live") as answer:
            assert answer.status == 401
