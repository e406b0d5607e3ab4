"""A walk over the operator's page in a real browser: sign-in from a link, every place, forms, no other host."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from zeebe_connectors.admin.metrics import PrometheusMetrics
from zeebe_connectors.admin.server import AdminServer
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.outbound.outcome import Fail
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing import FakeGateway

playwright = pytest.importorskip("playwright.async_api")
CHROMIUM = shutil.which("chromium")
TOKEN = "operators-token-long/#?"

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here"),
    pytest.mark.asyncio(loop_scope="module"),  # the browser's
]


PLACES = (
    *("/", "/jobs", "/jobs/7", "/sources", "/connectors", "/connectors/rest", "/connectors/rest/try"),
    *("/providers", "/import/soap", "/feel", "/runtime"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Any]:
    """One for all walks; each has a context of its own."""
    async with playwright.async_playwright() as player:
        started = await player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        await started.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark"), (320, "light")])
async def test_a_walk_over_the_page(browser, tmp_path, width, scheme):
    given = {
        "ZEEBE_CONNECTORS_DATA": str(tmp_path),
        "ZEEBE_CONNECTORS_ADMIN_TOKEN": TOKEN,
        "ZEEBE_CONNECTORS_DIAGRAMS": str(tmp_path),
    }
    environment = Environment(("environment", given))
    runtime = Runtime(Settings.read(environment), Registry.installed(["rest"]), FakeGateway(), environment=environment)
    server = AdminServer(runtime, PrometheusMetrics(), host="127.0.0.1", port=0)
    runtime.start()
    await server.start()
    site = f"http://127.0.0.1:{server.port}"
    job = Job(7, "t", bpmn_process_id="order", element_id="W" * 500)
    runtime.record.metrics("rest", None).answered(job, Fail("refused " + "w" * 900, 0, code="503"), 0.1)
    for number in range(2):
        await runtime.ledger.quarantine("box", f"{number}", alias=None, reason="bad", title="T", original=b"x")
    wrong: list[str] = []
    try:
        context = await browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page = await context.new_page()
        page.on("console", lambda line: wrong.append(line.text) if line.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda sent: None if sent.url.startswith(site) else wrong.append(sent.url))
        await page.goto(f"{site}/signin#{TOKEN.replace('#', '%23').replace('?', '%3F').replace('/', '%2F')}")
        await page.get_by_role("heading", name="things need attention").wait_for()
        assert TOKEN not in page.url
        for address in (*PLACES, "/events"):
            await page.goto(site + address)
            assert await page.locator("form.form:not(:visible)").count() == 0, address
            assert await page.locator("h1").count() == 1
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, address
        await page.get_by_role("checkbox").first.check()
        await page.get_by_role("button", name="Try 1 again").click()
        await page.get_by_text("Requested for 1 of 1").wait_for()
        await page.get_by_role("checkbox").first.check()
        await page.get_by_role("button", name="Forget").click()
        await page.get_by_role("button", name="Forget 1").click()
        await page.get_by_text("Forgot 1 of 1").wait_for()
        await page.goto(f"{site}/jobs")
        await page.keyboard.press("/")
        await page.keyboard.type("nothing like it")
        await page.keyboard.press("Enter")
        await page.get_by_text("No job fits").wait_for()
        await context.close()
    finally:
        await server.aclose()
        await runtime.drain()
    assert wrong == []
