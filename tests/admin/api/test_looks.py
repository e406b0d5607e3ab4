"""The theme, what viewers see, and how much of the processes' data is shown."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import quote

import aiohttp
import pytest
from tests.waiting import until

from zeebe_connectors import ConnectorError, Context, Model, Secret, outbound
from zeebe_connectors.admin.page.rendering import assets

CANARY = "CANARY-5eCr3t-0815"


class Order(Model):
    token: Secret = Secret("")
    note: str = ""


@outbound("order", title="Order", type="test:order:1")
async def order(given: Order, context: Context) -> str:
    """Refuses all."""
    raise ConnectorError("SHOP_SHUT", f"refused {given.token.reveal()}")


async def failed(running) -> str:
    """The key of a job that failed."""
    running.runtime.start()
    running.runtime.gateway.put("test:order:1", {"token": "{{secrets.CANARY}}", "note": "ORDER-4711"}, retries=1)
    await until(lambda: running.runtime.record.totals["incident"])
    return str(next(iter(running.runtime.record.jobs())).key)


async def test_a_theme_is_chosen_and_kept_and_follows_the_system_by_default(start):
    running = await start()
    assert "data-theme" not in await running.viewer.get("/jobs?q=x")
    assert await running.viewer.post("/theme", {"theme": "dark", "to": "/jobs?q=x"}) == "/jobs?q=x"
    text = await running.viewer.get("/jobs?q=x")
    assert 'data-theme="dark"' in text
    assert 'name="to" value="/jobs?q=x"' in text
    assert await running.viewer.post("/theme", {"theme": '"><script>', "to": "//evil.example"}) == "/"
    assert "data-theme" not in await running.viewer.get("/")
    await running.viewer.post("/theme", {"theme": "light"}, status=403, form_token="another")


async def test_a_viewer_sees_the_role_that_is_needed_and_no_button(start):
    running = await start()
    for place in ("/", "/jobs", "/sources", "/events", "/connectors", "/providers", "/feel", "/runtime"):
        text = await running.viewer.get(place)
        main = text.partition("<main")[2]
        assert "You are signed in to look" in main
        assert 'class="btn primary" type="submit"' not in main
        assert 'class="btn danger"' not in main
        assert "You are signed in to look" not in await running.operator.get(place)


@pytest.mark.parametrize("data", ["none", "titles", "all"])
async def test_data_of_processes_is_shown_as_far_as_the_operator_wants(start, data):
    running = await start((order,), ZEEBE_CONNECTORS_PAGE_DATA=data)
    key = await failed(running)
    await running.runtime.ledger.quarantine("box", "1", alias=None, reason="bad", title="SUBJECT", original=b"x")
    shown = await running.operator.call("GET", f"/jobs/{key}")
    page = await running.operator.get(f"/jobs/{key}")
    if data == "all":
        assert '"note": "ORDER-4711"' in shown["data"]["inputs"]
        assert '"token": "***"' in shown["data"]["inputs"]
        assert "ORDER-4711" in page
        assert (await running.viewer.call("GET", f"/jobs/{key}"))["data"] is None
        assert "ORDER-4711" not in await running.viewer.get(f"/jobs/{key}")
        assert "ORDER-4711" not in await running.modeler.get(f"/jobs/{key}")
    else:
        assert shown["data"] is None
        assert "ORDER-4711" not in page
        assert "ZEEBE_CONNECTORS_PAGE_DATA=all" in page
    events = await running.viewer.get("/events")
    assert ("SUBJECT" in events) == (data != "none")
    wanted = 403 if data == "none" else 200
    await running.operator.get("/events/original?source=box&id=1", status=wanted)


async def test_failed_jobs_are_there_after_a_restart(start, tmp_path):
    first = await start((order,), ZEEBE_CONNECTORS_KEEP_FAILURES="true")
    key = await failed(first)
    await first.runtime.drain()
    second = await start((order,), ZEEBE_CONNECTORS_KEEP_FAILURES="true")
    second.runtime.start()
    await until(lambda: list(second.runtime.record.jobs()))
    shown = await second.viewer.call("GET", f"/jobs/{key}")
    assert (shown["code"], bool(shown["replica"]), len(shown["tries"])) == ("SHOP_SHUT", True, 1)
    assert (await second.viewer.call("GET", "/jobs"))["counts"]["incident"] == 0
    assert "SHOP_SHUT" in await second.viewer.get("/jobs")


async def test_each_change_leaves_a_line_that_says_who_what_and_how_it_ended(start, caplog):
    running = await start()
    await running.operator.get("/events")
    await running.operator.post("/events/retry", {"event": '["box", "1"]'})
    await running.operator.call("POST", "/events/forget", {"events": [["box", "1"]]})
    await running.viewer.call("POST", "/events/forget", {"events": [["box", "1"]]}, status=403)
    lines = [record.getMessage() for record in caplog.records if record.name == "zeebe_connectors.admin"]
    assert "page: operator: POST /events/retry: 303" in lines
    assert "api: operator: POST /api/events/forget: 200" in lines
    assert any(line.startswith("Refused, ROLE_INSUFFICIENT: POST /api/events/forget") for line in lines)


async def test_quarantine_is_grouped_by_source_and_reason(start):
    running = await start()
    for number, (source, reason) in enumerate([("a", "no key"), ("a", "no key"), ("b", "no key"), ("a", "too large")]):
        title, original = f"mail {number}", b"x"
        await running.runtime.ledger.quarantine(
            source, f"{number}", alias=None, reason=reason, title=title, original=original
        )
    text = await running.operator.get("/events")
    assert text.count('<div class="group') == 3
    assert "2 events of" in text
    assert text.count("too large") == 1
    assert text.count('type="checkbox"') == 4


async def test_a_fresh_runtime_shows_two_next_steps_and_a_quiet_one_that_all_is_well(start):
    running = await start()
    running.runtime.start()
    async with asyncio.timeout(5):
        while "Nothing needs attention" not in (text := await running.viewer.get("/")):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert "Try a connector" in text
    assert "Get the templates" in text
    running.runtime.record.totals["completed"] = 1
    assert "All is well" in await running.viewer.get("/")


async def test_a_page_that_a_form_drew_is_shown_again_at_its_own_address(start):
    """Choosing a theme there, and signing in again, lead back to where the form was."""
    running = await start()
    await running.operator.get("/import/soap")
    for path, form, place, status in (
        ("/import/soap", {"step": "operations", "wsdl": ""}, "/import/soap", 400),
        ("/feel", {"kind": "expression", "expression": "1 + 1", "variables": "{}"}, "/feel", 200),
        ("/connectors/rest/try", {"do": "show"}, "/connectors/rest/try", 200),
        ("/events/forget?state=quarantined", {"event": '["box", "1"]'}, "/events", 200),
    ):
        text = await running.operator.post(path, form, status=status)
        assert f'name="to" value="{place}"' in text, path
        await running.operator.get(place)


async def test_who_must_sign_in_again_comes_back_to_the_page_of_the_form(start):
    running = await start()
    async with aiohttp.ClientSession(running.base) as session:
        for page, to in (
            ("/providers/erp", "/providers/erp"),
            ("/events?state=retry&q=a%20b", "/events?state=retry&q=a%20b"),
            ("/sources/box/test", "/sources/box"),
            ("", "/"),
        ):
            headers = {"Referer": running.base + page if page else "https://evil.example/jobs"}
            async with session.post("/feel", data={}, headers=headers, allow_redirects=False) as answer:
                assert (answer.status, answer.headers["Location"]) == (303, f"/signin?to={quote(to, safe='')}")
    headers = {"Referer": f"{running.base}/providers/erp", "Content-Type": "application/x-www-form-urlencoded"}
    async with running.operator.session.post("/feel", data="form_token=x", headers=headers) as answer:
        assert answer.status == 403
        assert '<a href="/providers/erp">Back to the page</a>' in await answer.text()


async def test_without_scripts_no_button_is_shown_that_needs_them(start):
    running = await start()
    for number in range(2):
        await running.runtime.ledger.quarantine("box", f"{number}", alias=None, reason="r", title="T", original=b"x")
    pages = [await running.operator.get(place) for place in ("/events", "/events/box/1", "/runtime", "/jobs")]
    buttons = re.findall(r'<button [^>]*type="button"[^>]*>', "".join(pages))
    hidden = [button for button in buttons if " hidden" in button or 'id="live-pause"' in button]  # in a hidden line
    assert len(buttons) >= 7
    assert hidden == buttons
    assert b"[hidden] { display: none !important; }" in assets()["page.css"][0]


async def test_a_summary_says_what_since_when_and_why(start):
    running = await start((order,))
    await running.runtime.ledger.quarantine("box", "1", alias=None, reason="no key", title="SUBJECT", original=b"x")
    key = await failed(running)
    for place, words in (("/events/box/1", "Quarantined"), (f"/jobs/{key}", "Incident")):
        text = (await running.viewer.get(place)).partition('id="summary"')[2].partition("</div>")[0]
        assert re.search(rf">{words} (?:since|at) 20\d\d-\d\d-\d\d \d\d:\d\d UTC: ", text), text
        assert "SUBJECT" not in text
        assert ("no key" if "events" in place else "refused ***") in text


async def test_one_is_not_several(start):
    running = await start((order,))
    await failed(running)
    await running.runtime.ledger.quarantine("box", "1", alias=None, reason="r", title="T", original=b"x")
    text = await running.viewer.get("/")
    shown = re.sub(r"<[^>]+>", "", re.sub(r"<svg.*?</svg>", "", text))
    assert not re.search(r"\b1 (?:incidents|events|sources|types|BPMN errors)\b", shown), shown
    assert "1 incident" in shown
    assert "Everything else works: the engine answers, the ledger takes entries." in shown
