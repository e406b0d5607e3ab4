"""The moving page in a real browser: changes come, a lost connection is shown and mended, pausing pauses."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.admin.api.conftest import TOKENS, Started
from tests.waiting import until

from zeebe_connectors.admin.metrics import PrometheusMetrics
from zeebe_connectors.admin.server import AdminServer
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail
from zeebe_connectors.sdk.context import Job

playwright = pytest.importorskip("playwright.async_api")
CHROMIUM = shutil.which("chromium")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")]


@contextlib.asynccontextmanager
async def looking(started: Started, address: str) -> AsyncIterator[Any]:
    async with playwright.async_playwright() as player:
        browser = await player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await browser.new_context()
        page = await context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        await page.clock.install()  # it goes on by itself, and faster where a test says so
        await page.goto(f"{started.base}/signin?to={address}#{TOKENS['operator']}")
        await page.wait_for_url(started.base + address)
        yield page
        await browser.close()
        assert wrong == []


def answered(started: Started, outcome: Any, key: int = 1) -> None:
    job = Job(key, "t", bpmn_process_id="order", element_id="Reserve", process_instance_key=7)
    started.runtime.record.metrics("rest", None).answered(job, outcome, 0.01)


async def test_what_changes_comes_a_lost_connection_is_mended_and_rows_stay(start):
    running = await start()
    live = running.server._api.live
    live.interval, live.share = 0.05, 1.0
    async with looking(running, "/") as page:
        await page.get_by_text("Live", exact=False).first.wait_for()
        answered(running, Fail("the shop is shut", 0, code="SHUT"))
        await page.get_by_text("the shop is shut").wait_for()
        await running.server.aclose()
        await page.clock.run_for(4000)
        await page.get_by_text("Not live").wait_for()
        await page.clock.run_for(20_000)
        again = AdminServer(
            running.runtime, PrometheusMetrics(), host="127.0.0.1", port=int(running.base.rpartition(":")[2])
        )
        await again.start()
        again._api.live.interval, again._api.live.share = 0.05, 1.0
        try:
            await page.clock.run_for(40_000)
            answered(running, Fail("the door is shut", 0, code="DOOR"))
            await page.get_by_text("the door is shut").wait_for()
            assert await page.locator("#live-text").text_content() == "Live"
            await page.get_by_role("button", name="Pause").click()
            await page.get_by_text("Paused, as it was").wait_for()
            answered(running, Fail("the window is shut", 0, code="WINDOW"))
            await until(lambda: not again._api.live.streams)
            assert await page.get_by_text("the window is shut").count() == 0
            await page.get_by_role("button", name="Resume").click()
            await page.get_by_text("the window is shut").wait_for()
            await page.goto(f"{running.base}/jobs")
            rows = page.locator("tbody tr")
            assert await rows.count() == 3
            answered(running, Complete(), 2)
            newer = page.get_by_role("link", name="1 newer job")
            await newer.wait_for()
            assert await rows.count() == 3
            await newer.click()
            await rows.nth(3).wait_for()
            await page.goto(f"{running.base}/runtime")
            await page.get_by_role("button", name="Switch single keys off").click()
            await page.keyboard.type("gj")
            await page.get_by_role("button", name="Switch single keys on").click()
            assert page.url == f"{running.base}/runtime"
            await page.keyboard.type("gj")
            await page.wait_for_url(f"{running.base}/jobs")
        finally:
            await again.aclose()


async def test_rows_change_in_their_places(start, monkeypatch):
    monkeypatch.setattr("zeebe_connectors.admin.page.live.LEDGER_EVERY", 0.0)
    running = await start()
    live = running.server._api.live
    live.interval, live.share = 0.05, 1.0
    answered(running, Fail("the shop is shut", 2, code="SHUT"), 7)
    for name in ("a", "b"):
        await running.runtime.ledger.quarantine(
            "box", name, alias=None, reason="r", title=f"Mail {name}", original=b"x"
        )
    async with looking(running, "/jobs") as page:
        row = page.get_by_role("row", name="the shop is shut")
        await row.get_by_role("link").focus()  # what somebody is in waits
        answered(running, Complete(), 7)
        await page.get_by_text("1 newer job").wait_for()
        assert await page.get_by_text("Since then").count() == 0
        await page.keyboard.press("Tab")
        await row.get_by_text("Since then: Completed").wait_for()
        assert await page.locator("tbody tr").count() == 1

        await page.goto(f"{running.base}/events")
        boxes = page.get_by_role("checkbox")
        for number in range(2):
            await boxes.nth(number).check()
        await page.get_by_role("button", name="Try 2 again").wait_for()
        await page.locator("h1").click()
        await running.runtime.ledger.retry("box", "a")  # somebody else did
        row = page.get_by_role("row", name="Mail a")
        await row.get_by_text("To be tried again").wait_for()
        assert await boxes.count() == 1
        await page.get_by_role("button", name="Try 1 again").click()
        await page.get_by_text("Requested for 1 of 1").wait_for()
        await page.get_by_role("link", name="See the outcome").click()
        await running.runtime.ledger.quarantine("box", "b", alias=None, reason="still", title="Mail b", original=b"x")
        await page.get_by_role("row", name="Mail b").get_by_text("Quarantined again: still").wait_for()


WATCHING = """setInterval(() => {
    const buttons = [...document.querySelectorAll("main button")];
    console.log(buttons.map((button) => button.textContent).join("|"));
    buttons.find((button) => button.textContent === "Cancel")?.click();
}, 50)"""
"""Says what the buttons say, and gives up what can be given up."""


async def test_what_takes_long_says_so_and_what_is_wrong_has_the_focus(start, tmp_path):
    running = await start()
    async with looking(running, "/connectors/rest/try") as page:
        await page.get_by_label("Result expression").fill("= {")
        await page.get_by_label("It may change something outside").check()
        await page.get_by_role("button", name="Run once").click()
        await page.locator("#wrong, [role=alert]").first.wait_for()
        focus = "document.activeElement.matches('[aria-invalid=true], [role=alert]')"
        await page.wait_for_function(focus)

        seen: asyncio.Queue[str] = asyncio.Queue()
        page.on("console", lambda line: seen.put_nowait(line.text))
        await page.add_init_script(WATCHING)  # nothing can be asked of a page that waits for another one
        over = asyncio.Event()

        async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await over.wait()
            writer.close()
            await writer.wait_closed()

        hanging = await asyncio.start_server(hang, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{hanging.sockets[0].getsockname()[1]}/x"
        await page.goto(f"{running.base}/import/soap")
        await page.get_by_label("Address of the WSDL").fill(address)
        await page.get_by_role("button", name="Read it").click(no_wait_after=True)
        for words in (r"Reading it… \d+ s\|Cancel", "Read it"):
            async with asyncio.timeout(20):
                while not re.fullmatch(words, await seen.get()):
                    pass
        over.set()  # the runtime still reads, whoever has left the page
        hanging.close()
        await hanging.wait_closed()


async def test_what_one_reads_or_copies_stays_and_what_others_forget_is_struck_out(start, monkeypatch):
    monkeypatch.setattr("zeebe_connectors.admin.page.live.LEDGER_EVERY", 0.0)
    running = await start()
    live = running.server._api.live
    live.interval, live.share = 0.05, 1.0
    answered(running, Fail("the shop is shut " + "w" * 400, 0, code="SHUT"))
    for name in ("a", "b", "c"):
        await running.runtime.ledger.quarantine(
            "box", name, alias=None, reason="r", title=f"Mail {name}", original=b"x"
        )
    async with looking(running, "/") as page:
        attention = page.locator("[data-live=attention]")
        await attention.get_by_text("all of it").first.click()
        await page.locator("h1").click()  # the focus is elsewhere, and what was opened stays open
        answered(running, Fail("the door is shut", 0, code="DOOR"), 2)
        await attention.get_by_text("the door is shut").wait_for()
        assert await attention.locator("details[open]").count() == 1
        await page.evaluate("getSelection().selectAllChildren(document.querySelector('[data-live=attention]'))")
        answered(running, Fail("the window is shut", 0, code="WINDOW"), 3)
        await page.get_by_text("what you are in waits").wait_for()
        assert await attention.get_by_text("the window is shut").count() == 0
        await page.evaluate("getSelection().removeAllRanges()")
        await attention.get_by_text("the window is shut").wait_for()

        await page.goto(f"{running.base}/events")
        await page.get_by_role("button", name="Choose all 3").click()
        await page.get_by_role("button", name="Try 3 again").wait_for()
        await page.locator("h1").click()
        await running.runtime.ledger.forget("box", "a")  # somebody else did
        await page.get_by_role("row", name="Mail a").get_by_text("Not in this list any more").wait_for()
        await page.get_by_role("button", name="Try 2 again").wait_for()
        assert await page.get_by_role("checkbox").count() == 2
        await page.get_by_role("link", name="Mail b").click()
        await page.get_by_text("In quarantine").wait_for()
        await running.runtime.ledger.forget("box", "b")
        await page.get_by_text("This is how it was").wait_for()


async def test_on_a_phone_nothing_moves_sideways_when_the_connection_is_lost(start):
    running = await start()
    live = running.server._api.live
    live.interval, live.share = 0.05, 1.0
    async with looking(running, "/") as page:
        await page.set_viewport_size({"width": 320, "height": 640})
        await page.locator(".topbar summary").click()
        assert await page.locator(".sheetnav").get_by_text("Times are in").is_visible()
        await page.keyboard.press("Escape")
        assert not await page.locator(".sheetnav").is_visible()
        await running.server.aclose()
        await page.clock.run_for(70_000)
        await page.get_by_text("trying again in").wait_for()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320


async def test_a_form_names_what_is_not_saved(start):
    running = await start()
    await running.operator.get("/providers/+new")
    made = {"name": "erp", "protocol": "https", "environment": "test", "address": "https://erp.example.com/"}
    await running.operator.post("/providers", made)
    async with looking(running, "/providers/erp") as page:
        assert await page.get_by_text("Not saved").count() == 0
        await page.get_by_label("Tags").fill("orders")
        await page.get_by_label("URL, test").fill("https://erp.example.com/v2/")
        await page.get_by_text("Not saved: Tags; URL, test").wait_for()
        await page.get_by_label("Tags").fill("")
        await page.get_by_text("Not saved: URL, test").wait_for()
        await page.context.clear_cookies()
        running.server._api.live.close()
        await page.get_by_text("signed out. Copy what you typed").wait_for()
        assert page.url.endswith("/providers/erp")  # where an untouched page leads to the form to sign in
        await page.emulate_media(media="print", color_scheme="dark")
        await page.evaluate("document.documentElement.dataset.theme = 'dark'")
        colour = "getComputedStyle(document.body).color.match(/\\d+/g).map(Number)"
        assert max(await page.evaluate(colour)) < 100, "dark letters on paper"
        assert not await page.locator(".dock").is_visible()
        await page.get_by_label("URL, test").fill("https://erp.example.com/")
        await page.clock.run_for(45_000)
        await page.wait_for_url("**/signin?to=%2Fproviders%2Ferp")
