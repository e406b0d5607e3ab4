"""The walk of docs/tutorial-page.md in a real browser, from `dev` to a process that a mail started, with its pictures.

`PICTURES=1 make test-page` writes them to docs/pictures.
"""

from __future__ import annotations

import asyncio
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
EXAMPLE = ROOT / "bpmn-examples" / "imap.bpmn"
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
            await walk(page, link, folder, process)
            await started.close()
    finally:
        process.terminate()
        await process.communicate()


async def walk(page: Any, link: str, folder: Path, process: asyncio.subprocess.Process) -> None:
    """What the text says, in its order."""
    site = link.partition("/signin")[0]
    text = TEXT.read_text(encoding="utf-8") if TEXT.exists() else ""
    pictures = PICTURES if os.environ.get("PICTURES") else folder.parent

    async def picture(name: str) -> None:
        assert not text or f"pictures/{name}.png" in text
        await page.screenshot(path=pictures / f"{name}.png")

    # Sign in by the link.
    await page.goto(link)
    await page.get_by_text("Nothing needs attention").wait_for()
    await picture("page-1-overview")

    # The template.
    await page.goto(f"{site}/connectors")
    await page.get_by_role("link", name=re.compile("IMAP")).first.click()
    await page.locator("h1").wait_for()
    await picture("page-2-connector")
    async with page.expect_download() as waiting:
        await page.get_by_role("link", name=re.compile("emplate")).last.click()
    download = await waiting.value
    assert re.search(r"\.(json|zip)$", download.suggested_filename)

    # Deploy: the folder is watched.
    (folder / "imap.bpmn").write_bytes(EXAMPLE.read_bytes())
    await until(process, "imap.bpmn: .*version 1")
    await page.goto(f"{site}/sources")
    row = page.get_by_role("link", name=re.compile("example-imap|orders"))
    while not await row.count():
        await page.wait_for_timeout(500)
        await page.reload()
    await row.first.click()
    await page.get_by_role("button", name=re.compile("Test")).click()
    await page.get_by_text(re.compile("of the last 24 hours")).first.wait_for()
    await picture("page-3-test")

    # The mail, sent by the page itself.
    await page.goto(f"{site}/connectors/smtp/try")
    fields = {"Host": "127.0.0.1", "Port": "3025", "From": "ann@example.test", "To": "orders@example.test"}
    for label, value in {**fields, "Subject": "Two chairs, please", "Text": "By Friday, if you can."}.items():
        await page.get_by_label(re.compile(rf"^{label}( \*)?$")).first.fill(value)
    await page.get_by_label(re.compile(r"^(Encryption|Security)( \*)?$")).first.select_option("none")
    await page.get_by_label("Type", exact=True).select_option("none")
    await page.get_by_label(re.compile("may change something outside")).check()
    await page.get_by_role("button", name="Run once").click()
    await page.get_by_text("The job would complete").wait_for()
    await picture("page-4-mail")

    # What became of it.
    await page.goto(f"{site}/jobs")
    job = page.get_by_role("link", name=re.compile("reply|Answer"))
    while not await job.count():
        await page.wait_for_timeout(500)
        await page.reload()
    await picture("page-5-jobs")
    await job.first.click()
    await page.get_by_text("example-imap").first.wait_for()
    await picture("page-6-instance")
    await page.goto(f"{site}/events?state=done")
    await page.get_by_text("Two chairs, please").first.wait_for()
    await picture("page-7-handed-over")
