"""The operator's page: signed in only, from no other site, in every state, and with no secret in it."""

from __future__ import annotations

import asyncio
import contextlib
import html.parser
import json
import re
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yarl
from tests.admin.serving import Served, served
from tests.admin.world import TOKENS, Order, World, box
from tests.waiting import until

from zeebe_connectors import ConnectorError, Context, outbound
from zeebe_connectors.admin.access import Role
from zeebe_connectors.admin.page.charts import clipped, jobs_chart, visible
from zeebe_connectors.admin.page.rendering import assets, assets_hash
from zeebe_connectors.admin.page.session import SECONDS, Sessions
from zeebe_connectors.admin.page.site import _inside
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Throw
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.registry import Registry

TEMPLATES = Path(__file__).parents[2] / "src" / "zeebe_connectors" / "admin" / "page" / "templates"

OPERATOR, MODELER, VIEWER = "operators-token-long", "modelers-token-long!", "viewers-token-long!!"
CANARY = "CANARY-5eCr3t"
MAX_BYTES = 60 * 1024
PAGES = ["/", "/jobs", "/jobs?outcome=incident&since=1h&q=x&connector=order&process=p"]


@outbound("order", title="Order", type="test:order:1", errors={"SHOP_SHUT": "Come back ``tomorrow``."})
async def order(given: Order, context: Context) -> str:
    """Orders."""
    if given.fail:
        raise ConnectorError("SHOP_SHUT", f"refused {given.token.reveal()}")
    return "done"


class Running:
    def __init__(self, found: Served) -> None:
        self.runtime, self.server, self.gateway, self.url = found.runtime, found.server, found.gateway, found.url
        self.session = aiohttp.ClientSession(self.url, cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def sign_in(self, token: str = OPERATOR, to: str = "/", **headers: str) -> aiohttp.ClientResponse:
        form = {"token": token, "to": to}
        async with self.session.post("/signin", data=form, headers=headers, allow_redirects=False) as response:
            await response.read()
            return response

    async def get(self, path: str, **headers: str) -> tuple[aiohttp.ClientResponse, str]:
        async with self.session.get(path, headers=headers, allow_redirects=False) as response:
            return response, await response.text()


@pytest.fixture
async def start(tmp_path):
    given = {
        "ZEEBE_CONNECTORS_ADMIN_TOKEN": OPERATOR,
        "ZEEBE_CONNECTORS_ADMIN_MODELER_TOKEN": MODELER,
        "ZEEBE_CONNECTORS_ADMIN_VIEWER_TOKEN": VIEWER,
        "SECRET_T": CANARY,
    }
    async with contextlib.AsyncExitStack() as stack:

        async def started(connectors: Any = (order,), **settings: str) -> Running:
            serving = served(tmp_path, Registry(connectors), limits={"wrong_token_seconds": 0.05}, **given | settings)
            running = Running(await stack.enter_async_context(serving))
            stack.push_async_callback(running.session.close)
            return running

        yield started


def fill(runtime: Runtime, *, word: str = "x", count: int = 120) -> None:
    """Jobs of every outcome."""
    counted = runtime.record.metrics("order", None)
    for key in range(1, count + 1):
        job = Job(key, "test:order:1", bpmn_process_id=word, element_id=word, process_instance_key=key)
        outcome = (Complete(), Throw("E", word), Fail(word, 1, code="503"), Fail(word, 0, code="SHOP_SHUT"))[key % 4]
        counted.answered(job, outcome, 0.1)


class Links(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.headings = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.headings += tag == "h1"
        assert "style" not in dict(attrs)
        self.found += [value for name, value in attrs if name in {"href", "src", "action"} and value]
        assert not any(name.startswith("on") for name, _ in attrs)


def links(text: str) -> Links:
    parser = Links()
    parser.feed(text)
    return parser


# Who may look


async def test_without_a_token_setting_there_is_no_page(start):
    running = await start(ZEEBE_CONNECTORS_ADMIN_TOKEN="")
    for path in ("/", "/signin", "/jobs"):
        assert (await running.get(path))[0].status == 404
    assert (await running.get("/health"))[0].status == 200


@pytest.mark.parametrize("path", ["/", "/jobs?outcome=incident", "/nowhere", "/jobs/7"])
async def test_who_is_not_signed_in_is_sent_to_the_form(start, path):
    running = await start()
    response, text = await running.get(path)
    assert response.status == 303
    assert response.headers["Location"].startswith("/signin?to=%2F")
    assert "order" not in text
    response = await running.sign_in(to=path)
    assert (response.status, response.headers["Location"]) == (303, path)
    cookie = response.headers["Set-Cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"))
    assert (await running.get(path))[0].status in {200, 404}


async def test_behind_tls_the_cookie_is_for_tls_only(start):
    running = await start()
    response = await running.sign_in(**{"X-Forwarded-Proto": "https"})
    assert response.headers["Set-Cookie"].startswith("__Host-zc=")
    assert "Secure" in response.headers["Set-Cookie"]


async def test_a_wrong_token_is_refused_and_slowed_and_the_right_one_never_waits(start):
    running = await start()
    answers = await asyncio.gather(*(running.sign_in(f"{OPERATOR}{i}") for i in range(12)))
    statuses = [answer.status for answer in answers]
    assert set(statuses) == {403, 429}
    assert statuses.count(403) <= 8
    assert not any("Set-Cookie" in answer.headers for answer in answers)
    assert running.server._api.access.refused_tokens == 12
    assert (await running.sign_in()).status == 303


async def test_sessions_end_with_their_time_their_token_and_any_change():
    now = 1_800_000_000.0
    sessions = Sessions({Role.OPERATOR: b"one-token", Role.VIEWER: b"another"}, clock=lambda: now)
    cookie = sessions.begin(Role.VIEWER)
    session = sessions.of(cookie)
    assert session is not None
    assert session.role == Role.VIEWER
    assert Sessions({Role.VIEWER: b"new-token"}, clock=lambda: now).of(cookie) is None
    assert sessions.of(cookie.replace("viewer", "operator")) is None
    assert sessions.of(cookie[:-1] + ("0" if cookie[-1] != "0" else "1")) is None
    for wrong in ("", ".", "...", "viewer", "viewer.x.y.z", "viewer.99999999999.y.ü", f"x{cookie}"):
        assert sessions.of(wrong) is None
    now += SECONDS + 1
    assert sessions.of(cookie) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example"},
    ],
)
async def test_other_sites_and_other_names_are_refused(start, headers):
    running = await start()
    assert (await running.sign_in(**headers)).status == 403
    await running.sign_in()
    assert (await running.get("/jobs", **headers))[0].status == 403


async def test_a_link_from_elsewhere_may_lead_here(start):
    running = await start()
    await running.sign_in()
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert (await running.get("/jobs", **followed))[0].status == 200
    assert (await running.get("/jobs", **(followed | {"Sec-Fetch-Dest": "iframe"})))[0].status == 403
    assert (await running.get("/jobs", **(followed | {"Host": "evil.example"})))[0].status == 403


@pytest.mark.parametrize(
    ("to", "inside"),
    [
        ("/jobs?q=1", "/jobs?q=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("", "/"),
        ("//[", "/"),
    ],
)
def test_nobody_is_sent_elsewhere(to, inside):
    assert _inside(to) == inside


async def test_roles_hold_for_the_api(start):
    running = await start()
    statuses = {}
    for token in (VIEWER, MODELER, OPERATOR):
        headers = {"Authorization": f"Bearer {token}"}
        calls = [("GET", "/api/overview"), ("POST", "/api/sources/none/test"), ("POST", "/api/providers")]
        for method, path in calls:
            async with running.session.request(method, path, headers=headers, json={}) as response:
                statuses[token, path] = response.status
    assert [statuses[token, "/api/overview"] for token in (VIEWER, MODELER, OPERATOR)] == [200, 200, 200]
    assert [statuses[token, "/api/sources/none/test"] for token in (VIEWER, MODELER, OPERATOR)] == [403, 404, 404]
    assert [statuses[token, "/api/providers"] for token in (VIEWER, MODELER, OPERATOR)] == [403, 403, 400]


async def test_signing_out_ends_the_session_of_this_browser(start):
    running = await start()
    await running.sign_in()
    async with running.session.post("/signout", data={}, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/signin")
    assert (await running.get("/"))[0].status == 303


# What is shown


@pytest.mark.parametrize("path", [*PAGES, "/signin", "/nowhere"])
async def test_headers_keep_the_page_to_itself(start, path):
    running = await start()
    if path != "/signin":
        await running.sign_in()
    response, text = await running.get(path)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response.headers["Cache-Control"] == "no-store"
    assert "<style" not in text
    assert not re.search(r"<script(?! src)", text)


@pytest.mark.parametrize(
    "word", ["x", "W" * 10_000, "<script>alert(1)</script>\"'", "\u202eevil\u0000\x1b[31m", "名" * 300]
)
async def test_pages_hold_with_any_names(start, word):
    running = await start()
    await running.sign_in()
    fill(running.runtime, word=word)
    for path in [*PAGES, "/jobs/3", "/jobs/2", "/jobs/4"]:
        began = time.perf_counter()
        response, text = await running.get(path)
        assert response.status == 200, text
        assert time.perf_counter() - began < 5
        found = links(text)
        assert found.headings == 1
        assert all(link.startswith("/") and not link.startswith("//") for link in found.found if link != "#main")
        assert "<script>alert" not in text
        assert "\u202e" not in text


async def test_first_load_is_small(start):
    running = await start()
    await running.sign_in()
    fill(running.runtime, word="a-process-with-a-name")
    for path in PAGES:
        async with running.session.get(path) as response:
            size = len(await response.read()) if "Content-Encoding" not in response.headers else 0
            size = int(response.headers.get("Content-Length", size))
        packed = sum(len(gzipped) for _, gzipped, _ in assets().values())
        assert size + packed < MAX_BYTES


async def test_a_fresh_runtime_says_that_nothing_is_wrong_and_what_it_waits_for(start):
    running = await start()
    await running.sign_in()
    await until(lambda: running.runtime.liveness()["test:order:1"].last_contact)
    _, text = await running.get("/")
    assert "Nothing needs attention" in text
    assert "waits for jobs of 1 type;" in text
    assert "No job has arrived since this runtime started" in (await running.get("/jobs"))[1]


async def test_incidents_are_one_item_with_their_reason_and_a_link_to_them(start):
    running = await start()
    await running.sign_in()
    for _ in range(3):
        running.gateway.put("test:order:1", {"fail": True, "token": "{{secrets.T}}", "note": "HIDDEN"}, retries=1)
    await until(lambda: running.runtime.record.totals["incident"] >= 3)
    _, text = await running.get("/")
    assert "1 thing needs attention" in text
    assert "3 incidents at order" in text
    assert "refused ***" in text
    href = next(link for link in links(text).found if link.startswith("/jobs?outcome=incident&connector"))
    response, listed = await running.get(href)
    assert response.status == 200
    jobs = [link for link in links(listed).found if re.fullmatch(r"/jobs/\d+", link)]
    assert len(jobs) == 3
    _, one = await running.get(jobs[0])
    assert "SHOP_SHUT" in one
    assert "Come back tomorrow." in one
    assert "Come back tomorrow." in text
    headers = {"Authorization": f"Bearer {VIEWER}"}
    answers = [(await running.get(path, **headers))[1] for path in ("/api/overview", "/api/jobs", f"/api{jobs[0]}")]
    for shown in (text, listed, one, *answers):
        assert CANARY not in shown
        assert "HIDDEN" not in shown
        assert OPERATOR not in shown


async def test_jobs_are_filtered_counted_and_cut_on_the_server(start):
    running = await start()
    await running.sign_in()
    fill(running.runtime, count=400)
    async with running.session.get("/api/jobs?outcome=incident", headers={"Authorization": f"Bearer {VIEWER}"}) as got:
        first = await got.json()
    assert (len(first["jobs"]), first["found"]) == (50, 100)
    assert first["counts"] == {"incident": 100, "retried": 100, "unanswered": 0, "bpmn": 100, "completed": 100}
    seen = {job["key"] for job in first["jobs"]}
    path = f"/api/jobs?outcome=incident&before={first['next']}"
    async with running.session.get(path, headers={"Authorization": f"Bearer {VIEWER}"}) as got:
        second = await got.json()
    assert len(second["jobs"]) == 50
    assert second["next"] is None
    assert not seen & {job["key"] for job in second["jobs"]}
    _, text = await running.get("/jobs?outcome=incident&q=503")
    assert "No job fits" in text
    _, text = await running.get("/jobs?outcome=retried&q=503")
    assert 'href="/jobs?outcome=incident&amp;q=503"' in text  # a filter survives another one
    for wrong in ("before=x", "before=nan-1", "outcome=nothing", "since=1y", "q=" + "%00" * 50):
        assert (await running.get(f"/jobs?{wrong}"))[0].status == 200


@pytest.mark.parametrize("key", ["0", "99", "x", "1" * 30, "-1"])
async def test_a_job_that_is_not_in_memory_says_where_to_look(start, key):
    running = await start()
    await running.sign_in()
    response, text = await running.get(f"/jobs/{key}")
    assert response.status == 404
    assert "log" in text or "There is no page" in text
    async with running.session.get(f"/api/jobs/{key}", headers={"Authorization": f"Bearer {VIEWER}"}) as got:
        assert got.status == 404


async def test_an_engine_that_is_away_is_shown_first(start):
    running = await start()
    await running.sign_in()
    await asyncio.sleep(0.1)
    running.gateway.stop()
    await until(lambda: running.runtime.liveness()["test:order:1"].last_error, within=30)
    _, text = await running.get("/")
    assert text.index("The engine does not answer") < text.index("Jobs a minute")


async def test_an_address_that_is_not_there_names_those_that_are_like_it(start):
    running = await start()
    await running.sign_in()
    response, text = await running.get("/source")
    assert response.status == 404
    assert 'Did you mean <a href="/sources">' in text
    response, text = await running.get("/<i>nothing-like-anything-that-there-is")
    assert (response.status, "Did you mean" in text, "<i>nothing" in text) == (404, False, False)
    assert 'action="/jobs"' in text


async def test_links_to_operate_lead_where_the_setting_says(start):
    running = await start(ZEEBE_CONNECTORS_OPERATE_URL="https://operate.example.com/")
    await running.sign_in()
    fill(running.runtime, count=4)
    _, text = await running.get("/jobs/3")
    assert 'href="https://operate.example.com/processes/3"' in text


async def test_assets_are_kept_for_good_and_nothing_else_is_served(start):
    running = await start()
    response, _ = await running.get(f"/assets/{assets_hash()}/page.css")
    assert response.status == 200
    assert "immutable" in response.headers["Cache-Control"]
    for wrong in (
        f"/assets/{assets_hash()}/x.css",
        "/assets/0000/page.css",
        f"/assets/{assets_hash()}/..%2f..%2fsite.py",
    ):
        assert (await running.get(wrong))[0].status == 404


def test_no_asset_asks_another_host():
    for name, (data, _, _) in assets().items():
        assert not re.search(rb"(?:https?:)?//[a-z0-9-]+\.[a-z]", data.replace(b"http://www.w3.org/2000/svg", b"")), (
            name
        )
    for file in TEMPLATES.glob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"""(?:src|href|action|poster|data)=["']?(?:https?:)?//|url\(""", text), file.name


def test_what_folds_stands_in_no_paragraph_and_a_boxs_words_stay_together():
    """Browsers end a paragraph at what folds; and parts of a label of boxes would be columns of their own."""
    for file in TEMPLATES.glob("*.html"):
        text = file.read_text("utf-8")
        assert not re.search(r"<p\b[^>]*>(?:(?!</p>).)*\| clipped", text, re.DOTALL), file.name
        for label in re.findall(r'<label class="check[^>]*>(.*?)</label>', text, re.DOTALL):
            assert re.fullmatch(r"<input .*?> <span>.*</span>", label, re.DOTALL), (file.name, label)


def test_text_from_outside_turns_nothing_around_it():
    assert visible("a\u202eb") == "<bdi>a[U+202E]b</bdi>"
    assert "<b>" not in visible("<b>")
    assert "all of it" in clipped("w" * 301)
    assert "all of it" not in clipped("w" * 300)


def test_a_chart_of_nothing_and_of_a_flood_is_drawn():
    empty = jobs_chart([[60.0 * i, 0, 0, 0, 0] for i in range(60)])
    flood = jobs_chart([[60.0 * i, 10**9, 1, 1, 1] for i in range(60)])
    assert "0 completed" in empty
    assert flood.count("<rect") == 240
    assert 'y="-' not in flood


# Sources and quarantine


async def with_sources(start, tmp_path, count=2):
    lines = [
        f'["box {i:04}#/x"]\ntype = "test:box:1"\nmessage = "m"\ntoken = "{{{{secrets.T}}}}"\nnote = "{i}"\n'
        f"fail = {'true' if i == 1 else 'false'}\nresultExpression = '={{got: word}}'\n"
        for i in range(count)
    ]
    (tmp_path / "sources.toml").write_text("".join(lines))
    running = await start((order, box), ZEEBE_CONNECTORS_SOURCES=str(tmp_path / "sources.toml"))
    watches = running.runtime.sources.watches
    await until(lambda: sum(one.status in {"UP", "DOWN"} for one in watches.values()) >= min(count, 100), within=60)
    return running


async def post(running: Running, path: str, page: str, **form: Any) -> tuple[int, str]:
    """Sends a form as the page that holds it would."""
    _, text = await running.get(page)
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', text)
    async with running.session.post(path, data={"form_token": token[1] if token else "", **form}) as response:
        return response.status, await response.text()


async def test_a_source_that_is_down_says_why_and_can_be_tested(start, tmp_path):
    running = await with_sources(start, tmp_path)
    await running.sign_in(MODELER)
    _, text = await running.get("/")
    assert "Source <bdi>" not in text
    assert "box 0001#/x is down" in text
    assert "/sources/box%200001%23%2Fx" in text
    _, listed = await running.get("/sources")
    assert listed.index("box 0001") < listed.index("box 0000")
    page = "/sources/box%200000%23%2Fx"
    url = yarl.URL(running.url + page, encoded=True)
    async with running.session.get(url) as response:
        shown = await response.text()
        assert response.status == 200
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', shown)[1]
    test = yarl.URL(f"{running.url}{page}/test", encoded=True)
    async with running.session.post(test, data={"form_token": token, "hours": "24"}) as response:
        tested = await response.text()
        assert response.status == 200
    assert "&lt;b&gt;Hello" in tested
    assert "Variables" in tested
    async with running.session.post(test, data={"form_token": token, "hours": "x"}) as response:
        assert response.status == 422
    async with running.session.post(test, data={"form_token": "0" * 64, "hours": "1"}) as response:
        assert response.status == 403
    for shown_text in (text, listed, shown, tested):
        assert CANARY not in shown_text
    assert not {command.name for command in running.gateway.commands} & {"publish", "create", "start"}


async def test_a_thousand_sources_are_fifty_rows_and_quick(start, tmp_path):
    running = await with_sources(start, tmp_path, count=1000)
    await running.sign_in(VIEWER)
    await running.get("/sources")
    began = time.perf_counter()
    response, text = await running.get("/sources")
    assert time.perf_counter() - began < 2
    assert response.status == 200
    assert text.count('class="rowlink"') == 50
    following = next(link for link in links(text).found if "after=" in link)
    _, text = await running.get(following)
    assert text.count('class="rowlink"') == 50
    assert "box 0001" not in text


async def test_quarantined_events_are_downloaded_retried_and_forgotten_by_operators(start, tmp_path):
    running = await with_sources(start, tmp_path)
    ledger = running.runtime.ledger
    for number in range(3):
        reason = f"cannot be read {number} <i>"
        await ledger.quarantine("box", f"id/{number}", alias=None, reason=reason, title="T", original=b"From: x")
    pairs = [json.dumps(["box", f"id/{number}"]) for number in range(3)]
    await running.sign_in(VIEWER)
    response, text = await running.get("/events")
    assert response.status == 200
    assert "cannot be read 1 &lt;i&gt;" in text
    assert "Original" not in text
    assert (await running.get("/events/original?source=box&id=id/0"))[0].status == 403
    assert (await post(running, "/events/retry", "/events", event=pairs[0]))[0] == 403
    assert (await ledger.find("box", "id/0")).state == "quarantined"

    running.session.cookie_jar.clear()
    await running.sign_in(OPERATOR)
    response, body = await running.get("/events/original?source=box&id=id/0")
    assert (response.status, body) == (200, "From: x")
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert "3 events of box in quarantine" in (await running.get("/"))[1]
    status, text = await post(running, "/events/retry", "/events", event=pairs[0])
    assert (status, "Requested for 1 of 1" in text) == (200, True)
    assert (await ledger.find("box", "id/0")).state == "retry"
    _, text = await post(running, "/events/retry", "/events", event=pairs[0])
    assert "not in quarantine" in text
    _, text = await post(running, "/events/forget", "/events", event=pairs[1])
    assert "may start a second process" in text
    assert await ledger.find("box", "id/1") is not None
    _, text = await post(running, "/events/forget", "/events", event=pairs[1], confirmed="yes")
    assert "Forgot 1 of 1" in text
    assert await ledger.find("box", "id/1") is None
    assert (await ledger.find("box", "id/2")).state == "quarantined"
    for wrong in ("x", "[]", "[1, 2]", "[" * 10_000):
        assert "Nothing was chosen" in (await post(running, "/events/retry", "/events", event=wrong))[1]
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    body = {"events": [["box", "id/2"], ["box", "id/9"]]}
    async with running.session.post("/api/events/retry", json=body, headers=headers) as response:
        assert [result["done"] for result in (await response.json())["results"]] == [True, False]


@pytest.mark.parametrize("version", ["", "x", "-1", "\u0661", "9" * 50])
@pytest.mark.parametrize("what", ["copy", "delete"])
async def test_a_form_without_its_version_is_refused(tmp_path, version, what):
    jar = aiohttp.CookieJar(unsafe=True)  # of an address, too
    async with World(tmp_path) as world, aiohttp.ClientSession(world.url, cookie_jar=jar) as session:
        await session.post("/signin", data={"token": TOKENS["operator"], "to": "/"}, headers={"Origin": world.url})
        async with session.get(f"/providers/erp/{what}") as answer:
            token = re.search(r'name="form_token" value="([0-9a-f]+)"', await answer.text())[1]
        form = {"form_token": token, "version": version, "from": "test", "to": "new", "typed": "erp"}
        async with session.post(f"/providers/erp/{what}", data=form) as answer:
            assert answer.status == 400
            assert "reload the page" in await answer.text()
