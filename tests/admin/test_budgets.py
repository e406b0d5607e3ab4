"""What a page may cost, as work that no busy machine changes: calls, questions to the ledger, rows and bytes."""

from __future__ import annotations

import cProfile
import time
from collections import Counter
from typing import Any, Self

import aiohttp
import yarl
from tests.admin.routes import pages
from tests.admin.world import TOKENS, World

from zeebe_connectors.admin.page.rendering import assets, draw

MAX_BYTES = 60_000
"""Of a first load, compressed: the page and all that pages share."""
MAX_CALLS = 20_000
"""Calls of functions while a page's values are gathered, in the loop that jobs need too: some 5 ms of a core."""
MAX_DRAWING = 60_000
"""Calls while a page is drawn, in a thread: some 20 ms."""
MAX_QUESTIONS = 6
"""To the ledger, of one page."""
MAX_ROWS = 120
_LISTS_ALL = {"/runtime", "/connectors/order/inputs"}  # settings and packages, inputs: as many as there are


class Counting:
    """Counts calls of functions in one thread."""

    def __enter__(self) -> Self:
        self._profile = cProfile.Profile()
        self._profile.enable()
        return self

    def __exit__(self, *_: object) -> None:
        self._profile.disable()

    @property
    def calls(self) -> int:
        """How many there were."""
        return sum(entry.callcount for entry in self._profile.getstats())


async def test_each_page_keeps_to_its_budget_however_much_there_is(tmp_path, monkeypatch):
    shared = sum(len(packed) for _, packed, _ in assets().values())
    drawing, gathering, questions = Counter[str](), Counter[str](), Counter[str]()
    address = ""  # of the page that is counted; empty the first time, when its template is read and the like

    def counted_draw(template: str, values: dict[str, Any]) -> str:
        if not address:
            return draw(template, values)
        with Counting() as counting:
            text = draw(template, values)
        drawing[address] = counting.calls
        return text

    async with World(tmp_path, sources=100, jobs=6000, quarantined=60, providers=5) as world:
        monkeypatch.setattr("zeebe_connectors.admin.page.site.draw", counted_draw)
        store = world.runtime.store

        async def read(work: Any, before: Any = store.read) -> Any:
            questions[address] += 1
            return await before(work)

        monkeypatch.setattr(store, "read", read)
        too_much: list[str] = []
        async with aiohttp.ClientSession(world.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            async with session.post("/signin", data={"token": TOKENS["operator"], "to": "/"}) as answer:
                await answer.read()
            for method, path, _ in pages(world):
                if method != "GET" or path in {"/signin", "/nowhere"}:
                    continue
                address = ""
                url = yarl.URL(world.url + path, encoded=True)
                async with session.get(url) as answer:
                    await answer.read()
                if answer.content_type != "text/html":
                    continue
                address = path
                world.api.overview.refresh()
                with Counting() as counting:
                    async with session.get(url) as answer:
                        body = await answer.read()
                gathering[path] = counting.calls
                size, rows = int(answer.headers.get("Content-Length", len(body))), body.count(b'role="row"')
                found = (gathering[path], drawing[path], questions[path], rows, size + shared)
                limits = (MAX_CALLS, MAX_DRAWING, MAX_QUESTIONS, MAX_ROWS, MAX_BYTES)
                if path in _LISTS_ALL:
                    limits = (*limits[:3], 400, MAX_BYTES)
                if any(one > limit for one, limit in zip(found, limits, strict=True)):
                    too_much.append(f"{path}: {found}, may be {limits}")
        assert too_much == []


async def test_a_look_of_a_live_stream_costs_next_to_nothing_a_job(tmp_path):
    """What the stream makes each second is bounded by what it shows, not by how many jobs came or are kept."""
    from zeebe_connectors.admin.api.live import _jobs, _overview, _sources  # noqa: PLC0415 - the makers alone
    from zeebe_connectors.runtime.outbound.outcome import Complete, Fail  # noqa: PLC0415 - as above
    from zeebe_connectors.sdk.context import Job  # noqa: PLC0415 - as above

    misspelt = {f"ZEEBE_CONNECTORS_ADMIN_TOKEM{number}": "x" for number in range(20)}
    async with World(tmp_path, jobs=4, **misspelt) as world:
        record, minutes = world.runtime.record, 60
        counted = record.metrics("order", None)
        now = time.time() - minutes * 60
        record._clock = lambda: now
        for number in range(minutes):
            now += 60
            job = Job(number, "test:order:1", bpmn_process_id="p", element_id="e", process_instance_key=number)
            counted.answered(job, Fail("x", 1, code=f"E{number % 7}"), 0.1)
        makers = {
            "overview": _overview(world.api.overview),
            "jobs": _jobs(world.runtime),
            "sources": _sources(world.runtime),
        }
        costs: dict[str, list[int]] = {}
        for number in (10, 5000):
            for key in range(number):
                job = Job(1000 + key, "test:order:1", bpmn_process_id="p", element_id="e", process_instance_key=key)
                counted.answered(job, Complete(), 0.1)
            for name, make in makers.items():
                await make()  # what is known once
                now += 0.001
                counted.answered(job, Complete(), 0.1)
                with Counting() as counting:
                    await make()
                costs.setdefault(name, []).append(counting.calls)
        for name, (few, many) in costs.items():
            assert many < 1500, (name, few, many)
        assert sum(many for _, many in costs.values()) < 2000, costs
