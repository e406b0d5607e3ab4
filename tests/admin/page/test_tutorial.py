"""The walk of docs/tutorial-page.md in a real browser, from `dev` to a process that a mail started, with its pictures.

`PICTURES=1 make test-page` writes them to docs/pictures.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tests.modeler.tool import browser as chromium

from zeebe_connectors.testing.process import is_free
from zeebe_connectors.testing.servers import MailPorts

playwright = pytest.importorskip("playwright.async_api")
pytestmark = [pytest.mark.page, pytest.mark.xdist_group("usual ports")]
COMMAND = str(Path(sys.executable).parent / "zeebe-connectors")
ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "order-by-mail" / "order-by-mail.bpmn"
PICTURES = ROOT / "docs" / "pictures"
TEXT = ROOT / "docs" / "tutorial-page.md"


async def until(process: asyncio.subprocess.Process, pattern: str) -> str:
    """What the process says, up to a line that fits."""
    assert process.stdout is not None
    seen = ""
    while not (found := re.search(pattern, seen)):
        line = (await process.stdout.readline()).decode()
        assert line, f"it ended before it said {pattern!r}:\n{seen}"
        seen += line
    return found[1] if found.groups() else found[0]


@pytest.mark.timeout(300)
async def test_from_dev_to_a_process_that_a_mail_started(tmp_path):
    if not all(is_free(port) for port in asdict(MailPorts.usual()).values()):
        pytest.skip("the usual ports of the local mail server are taken on this machine")
    folder = tmp_path / "first"
    folder.mkdir()
    given = {"SECRET_MAILBOX_PASSWORD": "anything", "PYTHONUNBUFFERED": "1", "ZEEBE_CONNECTORS_PORT": "0"}
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        "dev",
        str(folder),
        env={**os.environ, **given},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        link = await until(process, r"Page\s+(\S+)")
        async with playwright.async_playwright() as player:
            started = await player.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            page = await started.new_page(viewport={"width": 1080, "height": 680}, accept_downloads=True)
            page.set_default_timeout(25_000)
            walk = Walk(page, link, folder, process)
            for step in (walk.look_around, walk.deploy, walk.send, walk.test, walk.let_it_look, walk.see):
                await step()
            await started.close()
    finally:
        process.terminate()
        await process.communicate()


class Walk:
    """What the text says, in its order."""

    def __init__(self, page: Any, link: str, folder: Path, process: asyncio.subprocess.Process) -> None:
        self.page, self.link, self.folder, self.process = page, link, folder, process
        self.site = link.partition("/signin")[0]
        self.source = ""
        self._text = TEXT.read_text(encoding="utf-8")
        self._pictures = PICTURES if os.environ.get("PICTURES") else folder.parent

    async def picture(self, name: str) -> None:
        """Takes a picture that the text shows."""
        assert f"pictures/{name}.png" in self._text
        await self.page.screenshot(path=self._pictures / f"{name}.png")

    async def look_around(self) -> None:
        """Signs in by the link, and takes the template."""
        await self.page.goto(self.link)
        await self.page.get_by_text("Nothing needs attention").wait_for()
        await self.picture("page-1-overview")

        await self.page.goto(f"{self.site}/connectors")
        await self.page.get_by_role("link", name=re.compile("IMAP")).first.click()
        await self.page.locator("h1").wait_for()
        await self.picture("page-2-connector")
        async with self.page.expect_download() as waiting:
            await self.page.get_by_role("link", name=re.compile("emplate")).last.click()
        download = await waiting.value
        assert re.search(r"\.(json|zip)$", download.suggested_filename)

    async def deploy(self) -> None:
        """Saves the diagram in the folder, which is watched."""
        (self.folder / EXAMPLE.name).write_bytes(EXAMPLE.read_bytes())
        await until(self.process, rf"{re.escape(EXAMPLE.name)}: .*version 1")
        await self.page.goto(f"{self.site}/sources")
        source = self.page.get_by_role("link", name="order-by-mail#start")
        await source.wait_for()  # it comes by itself
        await source.click()
        await self.page.get_by_role("heading", name="Up since").wait_for()
        self.source = self.page.url

    async def send(self) -> None:
        """Sends two mails with the page itself."""
        await self.page.goto(f"{self.site}/connectors/smtp/try")
        fields = {"Host": "127.0.0.1", "Port": "3025", "From": "ann@example.test", "To": "orders@example.test"}
        for label, value in {**fields, "Subject": "Order: two chairs", "Text": "By Friday, if you can."}.items():
            await self.page.get_by_label(re.compile(rf"^{label}( \*)?$")).first.fill(value)
        await self.page.get_by_label(re.compile(r"^(Encryption|Security)( \*)?$")).first.select_option("none")
        await self.page.get_by_label("Type", exact=True).select_option("none")
        await self.page.get_by_label(re.compile("may change something outside")).check()
        await self.page.get_by_role("button", name="Run once").click()
        await self.page.get_by_text("The job would complete").wait_for()
        await self.picture("page-3-mail")
        await self.page.get_by_label(re.compile(r"^Subject( \*)?$")).fill("Our newsletter")
        await self.page.get_by_label(re.compile("may change something outside")).check()
        await self.page.get_by_role("button", name="Run once").click()
        await self.page.get_by_role("heading", name="The job would complete").wait_for()
        assert "Our newsletter" in await self.page.locator("#h-sent ~ *, section:has(#h-sent)").first.inner_text()

    async def test(self) -> None:
        """Sees what would come of them; nothing does."""
        await self.page.goto(self.source)
        await self.page.get_by_role("button", name="Test operation").click()
        await self.page.get_by_role(
            "heading", name="1 of 2 mails of the last 24 hours would start order-by-mail"
        ).wait_for()
        newsletter, wanted = (
            self.page.get_by_role("row", name="Our newsletter"),
            self.page.get_by_role("row", name="two chairs"),
        )
        assert "no activation condition holds" in await newsletter.inner_text()
        await wanted.get_by_text("Variables").click()
        variables = json.loads(await wanted.locator("pre").inner_text())
        assert variables["sender"] == "ann@example.test"
        assert variables["subject"] == "Order: two chairs"
        assert variables["text"].strip() == "By Friday, if you can."
        await self.page.evaluate("document.getElementById('h-test').scrollIntoView()")
        await self.picture("page-4-test")
        for state in ("done", "ignored", "quarantined"):
            await self.page.goto(f"{self.site}/events?state={state}")
            await self.page.get_by_role("heading", name="Nothing is here").wait_for()
        await self.page.goto(f"{self.site}/jobs")
        await self.page.get_by_role("heading", name="No job has arrived yet").wait_for()

    async def let_it_look(self) -> None:
        """Presses the button."""
        await self.page.goto(self.source)
        await self.page.get_by_role("button", name="Poll now").click()
        await self.page.get_by_text("Requested.").wait_for()
        handed = self.page.locator("dl.nums div", has_text="Handed over")
        await handed.get_by_text("1", exact=True).wait_for()  # without a reload
        await self.picture("page-5-started")

    async def see(self) -> None:
        """Sees what became of it."""
        await self.page.goto(f"{self.site}/jobs")
        job = self.page.get_by_role("link", name="reply")
        while not await job.count():
            await self.page.wait_for_timeout(200)
            await self.page.reload()
        await self.picture("page-6-jobs")
        await job.first.click()
        await self.page.get_by_text("order-by-mail").first.wait_for()
        key = await self.page.locator("dt", has_text="Instance").locator("xpath=following-sibling::dd[1]").inner_text()
        await until(self.process, rf"order-by-mail {key.strip()}  .*: completed")
        await self.picture("page-7-instance")
        await self.page.goto(f"{self.site}/events?state=done")
        await self.page.get_by_text("Order: two chairs").first.wait_for()
        await self.picture("page-8-handed-over")
        await self.page.goto(f"{self.site}/events?state=ignored")
        await self.page.get_by_text("Our newsletter").first.wait_for()
