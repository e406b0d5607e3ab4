"""Every page in a real browser: in each state, size and colour, by keys only, without scripts, and with no other host.

The quick pass belongs to `make test`; the whole matrix is `make test-page`, which leaves its pictures in build/page;
with `PICTURES=1` those of the overview go to docs/pictures too.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.admin.page.axe import axe
from tests.admin.routes import pages
from tests.admin.world import TOKENS, World
from tests.modeler.tool import browser as chromium

playwright = pytest.importorskip("playwright.async_api")
PICTURES = Path(__file__).parents[3] / "build" / "page"
OF_DOCS = Path(__file__).parents[3] / "docs" / "pictures"
SIZES = {"wide": (1280, 800), "phone": (390, 844)}
_FILES = re.compile(r"\.(?:json|yaml|zip|svg)$|/original|^/(?:health|metrics|actuator|assets|sign)")
STATES: dict[str, dict[str, Any]] = {
    "full": {},
    "empty": {"sources": 0, "jobs": 0, "quarantined": 0, "providers": 0},
    "many": {"sources": 1000, "jobs": 400, "quarantined": 200, "providers": 60},
    "long": {"word": "W" * 10_000},
    "error": {},
    "reading": {},
}
_RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
_OF_COLOUR = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
_LOOKS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("wide", "light", _RULES),
    ("wide", "dark", _OF_COLOUR),  # only colours differ from the one before
    ("phone", "dark", _RULES),
    ("phone", "light", _OF_COLOUR),
)
"""Each page is loaded once and looked at in every size and colour, with the rules that may find something new."""

_VIOLATIONS = """async rules => {
    const docked = position => document.querySelectorAll('.dock').forEach(bar => bar.style.position = position);
    docked('static');  // what the bar covers until one scrolls is not too small
    const found = await axe.run(document, {runOnly: rules, resultTypes: ['violations']});
    docked('');
    return found;
}"""


def addresses(world: World) -> list[str]:
    """The pages that are shown, and some of their filters."""
    found = [path for method, path, _ in pages(world) if method == "GET" and not _FILES.search(path)]
    return [
        *dict.fromkeys(found),
        "/jobs?outcome=incident&q=nothing-like-it",
        "/connectors/rest/try",
        "/connectors/imap",
    ]


class Looking:
    """A page of the browser; what must not happen on it is kept."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self.url = page, url
        self.wrong: list[str] = []
        page.on("console", lambda line: self._note(line.text) if line.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("request", lambda sent: None if sent.url.startswith(url) else self._note(sent.url))

    def _note(self, text: str) -> None:
        if (
            "status of 4" not in text and "status of 5" not in text
        ):  # the browser's own word for an answer that we expect
            self.wrong.append(f"{self.page.url}: {text}")

    async def go(self, address: str) -> None:
        """Loads a page."""
        await self.page.goto(self.url + address, wait_until="domcontentloaded")

    async def sign_in(self, role: str = "operator") -> None:
        """Signs in with the form."""
        await self.go("/signin")
        await self.page.get_by_label("Token").fill(TOKENS[role])
        await self.page.keyboard.press("Enter")
        await self.page.wait_for_url(f"{self.url}/")


@asynccontextmanager
async def looking(
    world: World, *, size: str = "wide", scheme: str = "light", scripts: bool = True
) -> AsyncIterator[Looking]:
    """A browser's page, signed in to nothing."""
    width, height = SIZES[size]
    async with playwright.async_playwright() as player:
        started = await player.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        context = await started.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        found = Looking(await context.new_page(), world.url)
        yield found
        await started.close()
    assert found.wrong == []


async def check(look: Looking, address: str, width: int) -> None:
    """It is the page, with one heading and no sideways scroll."""
    assert ("/signin" in look.page.url) == (address == "/signin"), address
    assert await look.page.locator("h1").count() == 1, address
    assert await look.page.evaluate("document.documentElement.scrollWidth") <= width, address


@pytest.mark.timeout(300)
async def test_a_quick_pass_over_every_page(tmp_path):
    async with World(tmp_path) as world, looking(world, size="phone", scheme="dark") as look:
        await look.sign_in()
        for address in addresses(world):
            await look.go(address)
            await check(look, address, SIZES["phone"][0])


@pytest.mark.page
@pytest.mark.timeout(900)
@pytest.mark.parametrize("state", STATES)
async def test_every_page_in_every_state_size_and_colour(tmp_path, state):
    source = axe()
    async with World(tmp_path, **STATES[state]) as world, looking(world) as look:
        if state == "error":
            world.gateway.stop()
        await look.sign_in("viewer" if state == "reading" else "operator")
        problems: list[str] = []
        folder = PICTURES / state
        folder.mkdir(parents=True, exist_ok=True)
        for address in [*addresses(world), "/signin"]:
            if address == "/signin":
                await look.page.context.clear_cookies()
            await look.go(address)
            await look.page.evaluate(source)
            for size, scheme, rules in _LOOKS:
                width, height = SIZES[size]
                await look.page.set_viewport_size({"width": width, "height": height})
                await look.page.emulate_media(color_scheme=scheme)
                await check(look, address, width)
                name = re.sub(r"[^a-z0-9]+", "-", address.casefold()).strip("-")[:60] or "overview"
                picture = folder / f"{name}-{size}-{scheme}.png"
                await look.page.screenshot(path=picture, full_page=state in {"full", "empty"})
                if os.environ.get("PICTURES") and (state, name, size) == ("full", "overview", "wide"):
                    await look.page.screenshot(path=OF_DOCS / f"page-overview-{scheme}.png")
                found = await look.page.evaluate(_VIOLATIONS, rules)
                problems += [
                    f"{address}, {size}, {scheme}: {one['id']}: {one['nodes'][0]['html'][:200]}: "
                    f"{one['nodes'][0]['failureSummary']}"
                    for one in found["violations"]
                ]
        assert problems == []


@pytest.mark.page
async def test_by_keys_alone(tmp_path):
    """Everything that can be followed or pressed is reached by Tab, and it is seen where one is."""
    async with World(tmp_path) as world, looking(world) as look:
        await look.go("/signin")
        await look.page.keyboard.press("Tab")
        while await look.page.evaluate("document.activeElement.name") != "token":
            await look.page.keyboard.press("Tab")
        await look.page.keyboard.type(TOKENS["operator"])
        await look.page.keyboard.press("Enter")
        await look.page.wait_for_url(f"{world.url}/")
        for address in addresses(world):
            await look.go(address)
            wanted = await look.page.evaluate(
                """() => [...document.querySelectorAll(
                    'a[href], button, input:not([type=hidden]), select, textarea, summary')]
                .filter(item => !item.disabled && item.checkVisibility({visibilityProperty: true})
                    && !(item.type === 'radio' && !item.checked) && item.tabIndex >= 0).length"""
            )
            seen, hidden = set(), []
            for _ in range(wanted + 5):
                await look.page.keyboard.press("Tab")
                found = await look.page.evaluate(
                    """() => { const on = document.activeElement; if (on === document.body) return null;
                    const all = [...document.querySelectorAll('*')]; const style = getComputedStyle(on);
                    const box = on.getBoundingClientRect();
                    return [all.indexOf(on), style.outlineStyle !== 'none' || style.boxShadow !== 'none'
                      || (on.parentElement && getComputedStyle(on.parentElement).outlineStyle !== 'none'),
                      on.outerHTML.slice(0, 120), box.bottom > 0 && box.top < innerHeight]; }"""
                )
                if found is None:
                    break
                seen.add(found[0])
                if not found[1] or not found[3]:
                    hidden.append(found[2])
            assert len(seen) >= wanted, address
            assert hidden == [], address
        await look.go("/")
        for keys, place in (
            ("gj", "/jobs"),
            ("gs", "/sources"),
            ("gq", "/events"),
            ("gc", "/connectors"),
            ("gp", "/providers"),
        ):
            await look.page.keyboard.type(keys)
            await look.page.wait_for_url(f"{world.url}{place}")
        await look.go("/events")
        await look.page.get_by_role("checkbox").first.focus()
        await look.page.keyboard.press("Space")
        await look.page.get_by_role("button", name="Try 1 again").focus()
        await look.page.keyboard.press("Enter")
        await look.page.get_by_text("Requested for 1 of 1").wait_for()


@pytest.mark.page
async def test_without_scripts_all_can_be_read_filtered_and_sent(tmp_path):
    async with World(tmp_path) as world, looking(world, scripts=False) as look:
        await look.sign_in()
        for address in addresses(world):
            await look.go(address)
            assert "/signin" not in look.page.url
            assert await look.page.locator("h1").count() == 1
            assert len(await look.page.locator("main").inner_text()) > 20, address
        await look.go("/jobs")
        await look.page.get_by_role("searchbox").fill("nothing like it")
        await look.page.keyboard.press("Enter")
        await look.page.get_by_text("No job fits").wait_for()
        await look.go("/sources/box%200000%23%2Fx")
        await look.page.get_by_role("button", name=re.compile("Test")).click()
        await look.page.get_by_text("Hello").wait_for()
        await look.go("/events")
        await look.page.get_by_role("checkbox").first.check()
        await look.page.get_by_role("button", name="Forget").click()
        await look.page.get_by_role("button", name="Forget 1").click()
        await look.page.get_by_text("Forgot 1 of 1").wait_for()


@pytest.mark.page
async def test_what_can_be_done_is_done_by_pressing_it(tmp_path):
    """What `test_by_keys_alone`, the test without scripts and the tutorial's do not do already."""
    async with World(tmp_path) as world, looking(world) as look:
        page = look.page
        await look.sign_in()
        await look.go("/feel")
        await page.get_by_role("button", name="Evaluate").click()
        await page.get_by_text('"check"').last.wait_for()
        await look.go("/connectors/order/try?as=json")
        await page.get_by_label("What is tried").fill('{"inputs": {"fail": true, "token": "{{secrets.T}}"}}')
        await page.get_by_label(re.compile("may change something outside")).check()
        await page.get_by_role("button", name="Run once").click()
        await page.get_by_text("Come back tomorrow.").wait_for()

        await look.go("/import/soap")
        await page.get_by_label("Address of the WSDL").fill(world.service.url("/orders.wsdl"))
        await page.get_by_role("button", name="Read it").click()
        await page.get_by_role("checkbox").first.check()
        await page.get_by_role("button", name="Inputs of the chosen").click()
        async with page.expect_download() as waiting:
            await page.get_by_role("button", name=re.compile("^Get ")).click()
        assert (await waiting.value).suggested_filename.startswith("soap-orders")

        await look.go("/providers/+new")
        await page.get_by_label("Name", exact=True).fill("shop")
        await page.get_by_label("Protocol").select_option("http")
        await page.get_by_label("Environment", exact=True).fill("test")
        await page.get_by_label("URL, or host").fill(world.service.url("/"))
        await page.get_by_role("button", name="Create").click()
        await page.get_by_role("heading", name="shop").wait_for()
        await page.get_by_label("Tags").fill("furniture")
        await page.get_by_label(re.compile("It may change")).check()
        await page.get_by_role("button", name="Save").click()
        await page.get_by_text(re.compile("changed .*tags")).wait_for()
        await page.get_by_role("button", name="Check").first.click()
        await page.get_by_text("connection").first.wait_for()
        await look.go("/providers/shop/delete")
        await page.get_by_label("Type its name").fill("shop")
        await page.get_by_role("button", name="Delete shop").click()
        await page.wait_for_url(re.compile(r"/providers(\?|$)"))
        assert await page.get_by_role("link", name="shop").count() == 0

        await look.go("/sources/box%200000%23%2Fx")
        await page.get_by_role("button", name="Poll now").click()
        await page.get_by_text("Requested.").first.wait_for()
        await look.go("/")
        await page.get_by_role("button", name="Dark").first.click()
        await page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
        await page.get_by_role("button", name="Sign out").first.click()
        await page.wait_for_url(re.compile("/signin"))
        await look.go("/jobs")
        assert "/signin" in page.url
