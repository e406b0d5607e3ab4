"""The operator's port gives away no secret and lets nobody in: each address is asked, as each role and by attackers."""

from __future__ import annotations

import asyncio
import base64
import logging
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import yarl
from tests.admin.routes import pages
from tests.admin.samples import samples
from tests.admin.world import CANARY, TOKENS, World

from zeebe_connectors.cli.log_setup import OncePerSecond

_FORM_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
FORBIDDEN = (
    CANARY,
    quote(CANARY, safe=""),
    base64.b64encode(CANARY.encode()).decode().rstrip("=")[:-1],
    base64.b64encode(f"user-of-erp:{CANARY}".encode()).decode(),
    CANARY.encode().hex(),
    *TOKENS.values(),
)


@pytest.fixture
async def world(tmp_path):
    async with World(tmp_path) as found:
        yield found


async def test_no_secret_is_on_any_page_in_any_answer_or_in_the_log(world, caplog):
    caplog.set_level("DEBUG")
    requested: dict[str, set[int]] = {}

    def keep(where: str, status: int, headers: Any, body: bytes) -> str:
        text = body.decode(errors="replace")
        for secret in FORBIDDEN:
            assert secret not in text, (where, secret)
            assert secret not in str(headers), (where, secret)
        requested.setdefault(where, set()).add(status)
        assert status != 500, (where, text)
        return text

    for role, token in TOKENS.items():
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(world.url, cookie_jar=jar) as session:
            async with session.post("/signin", data={"token": token, "to": "/"}) as answer:
                page = keep("/", answer.status, answer.headers, await answer.read())
            form_token = _FORM_TOKEN.search(page)
            for method, path, form in pages(world):
                if path == "/signout":
                    continue
                data = {**form, "form_token": form_token[1] if form_token else ""} if method == "POST" else None
                url = yarl.URL(world.url + path, encoded=True)
                async with session.request(method, url, data=data, allow_redirects=False) as answer:
                    keep(f"{method} {path}", answer.status, answer.headers, await answer.read())
            for sample in samples(world):
                headers = world.headers(role) | ({"If-Match": '"1"'} if sample.version else {})
                url = yarl.URL(f"{world.url}/api{sample.path}", encoded=True)
                async with session.request(sample.method, url, json=sample.body, headers=headers) as answer:
                    keep(f"{sample.method} /api{sample.path}", answer.status, answer.headers, await answer.read())
    for secret in FORBIDDEN:
        assert secret not in caplog.text
    seen = {where for where, statuses in requested.items() if statuses & {200, 303}}
    looked_at = {f"{method} {path}" for method, path, _ in pages(world) if method == "GET"}
    unseen = {where for where in looked_at - seen if "nowhere" not in where and "/assets" not in where}
    down = {"GET /health", "GET /health/ready", "GET /actuator/health", "GET /actuator/health/readiness"}
    assert unseen <= down | {"GET /connectors/order/icon.svg"}  # a source is down; the world's connector has no icon


async def test_every_page_keeps_scripts_and_frames_out(world):
    async with aiohttp.ClientSession(world.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.post("/signin", data={"token": TOKENS["operator"], "to": "/"}):
            pass
        for method, path, _ in pages(world):
            if method != "GET":
                continue
            async with session.get(yarl.URL(world.url + path, encoded=True), allow_redirects=False) as answer:
                text = await answer.text(errors="replace")
                if answer.content_type != "text/html":
                    continue
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "frame-ancestors 'none'" in policy
                assert "unsafe" not in policy
                assert not re.search(r"<script(?! src=\"/assets/)|<style|\son\w+=|\sstyle=|javascript:", text), path


async def test_a_stolen_cookie_changes_nothing_without_the_token_of_its_forms(world):
    async with aiohttp.ClientSession(world.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.post("/signin", data={"token": TOKENS["operator"], "to": "/"}):
            pass
        for method, path, form in pages(world):
            if method != "POST" or path in {"/signin", "/signout"}:
                continue
            for stolen in ({}, {"form_token": ""}, {"form_token": "0" * 64}):
                url = yarl.URL(world.url + path, encoded=True)
                async with session.post(url, data={**form, **stolen}, allow_redirects=False) as answer:
                    assert answer.status == 403, path
        # Nor is it a key to the API, where it would need no such token.
        for sample in samples(world):
            url = yarl.URL(f"{world.url}/api{sample.path}", encoded=True)
            async with session.request(sample.method, url, json=sample.body) as answer:
                assert answer.status == 401, sample.path
    assert (await world.runtime.ledger.find("box", "id/1")).state == "quarantined"


ATTACKS = {
    "another origin": ({"Origin": "https://evil.example"}, "CROSS_SITE"),
    "another site's page": ({"Sec-Fetch-Site": "cross-site"}, "CROSS_SITE"),
    "a rebound name": ({"Host": "evil.example"}, "HOST_UNKNOWN"),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_attacks_are_refused_everywhere_with_one_line_of_each_kind(world, attack, caplog):
    caplog.set_level(logging.INFO, "zeebe_connectors.admin")
    once = OncePerSecond()
    headers, code = ATTACKS[attack]
    refused = 0
    async with aiohttp.ClientSession(world.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.post("/signin", data={"token": TOKENS["operator"], "to": "/"}):
            pass
        caplog.clear()
        began = time.monotonic()
        for method, path, form in pages(world):
            if path.startswith(("/health", "/metrics", "/actuator", "/assets")):
                continue
            url = yarl.URL(world.url + path, encoded=True)
            data = form if method == "POST" else None
            async with session.request(method, url, data=data, headers=headers, allow_redirects=False) as answer:
                assert answer.status == 403, path
            refused += 1
        for sample in samples(world):
            given = {**world.headers(), **headers}
            url = yarl.URL(f"{world.url}/api{sample.path}", encoded=True)
            async with session.request(sample.method, url, json=sample.body, headers=given) as answer:
                assert (answer.status, (await answer.json())["code"]) == (403, code)
            refused += 1
    lines = [record for record in caplog.records if code in record.getMessage()]
    assert len(lines) == refused
    kept = [record for record in lines if once.filter(record)]
    assert 1 <= len(kept) <= 2 + time.monotonic() - began


async def test_five_hundred_wrong_tokens_are_slowed_and_hold_nobody_up(world, caplog):
    caplog.set_level(logging.INFO, "zeebe_connectors.admin")
    once = OncePerSecond()
    statuses: list[int] = []
    began = time.monotonic()
    connector = aiohttp.TCPConnector(limit=20)
    async with (
        aiohttp.ClientSession(world.url, connector=connector) as session,
        aiohttp.ClientSession(world.url) as friend,
    ):

        async def guess(number: int) -> None:
            if number % 2:
                call = session.get("/api/overview", headers={"Authorization": f"Bearer guess-{number}"})
            else:
                call = session.post("/signin", data={"token": f"guess-{number}", "to": "/"}, allow_redirects=False)
            async with call as answer:
                assert "Set-Cookie" not in answer.headers
                statuses.append(answer.status)

        guesses = asyncio.gather(*(guess(number) for number in range(500)))
        longest = 0.0
        while not guesses.done():
            requested = time.monotonic()
            async with friend.get("/api/openapi.json", headers=world.headers("viewer")) as answer:
                assert answer.status == 200
            longest = max(longest, time.monotonic() - requested)
            await asyncio.sleep(0.05)
        await guesses
    assert set(statuses) <= {401, 403, 429}
    assert len(statuses) == 500
    assert statuses.count(429) > 0
    assert world.api.access.refused_tokens == 500
    waited = (500 - statuses.count(429)) / 4 * 0.01  # four at once, each that long in this world
    assert time.monotonic() - began > waited
    lines = [record for record in caplog.records if re.search("UNAUTHORIZED|TOO_MANY", record.getMessage())]
    assert len(lines) == 500
    kept = [record for record in lines if once.filter(record)]
    assert len(kept) <= 2 * (2 + time.monotonic() - began)
    assert not any(re.search(r"guess-\d", record.getMessage()) for record in caplog.records)


async def test_beyond_loopback_without_tls_the_page_warns(tmp_path):
    from zeebe_connectors.admin.api.calls import Api  # noqa: PLC0415 - for this one
    from zeebe_connectors.admin.metrics import PrometheusMetrics  # noqa: PLC0415 - for this one
    from zeebe_connectors.admin.server import AdminServer  # noqa: PLC0415 - for this one

    async with World(tmp_path, sources=0, jobs=0, quarantined=0, providers=0) as world:
        api = Api(world.runtime, wrong_token_seconds=0.01)
        server = AdminServer(world.runtime, PrometheusMetrics(), host="0.0.0.0", port=0, api=api)
        await server.start()
        try:
            url = f"http://127.0.0.1:{server.port}"
            for headers, warns in (({}, True), ({"X-Forwarded-Proto": "https"}, False)):
                async with aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
                    async with session.get("/signin", headers=headers) as answer:
                        assert ("is not encrypted" in await answer.text()) is warns
                    if warns:
                        form = {"token": TOKENS["viewer"], "to": "/"}
                        async with session.post("/signin", data=form) as answer:
                            assert "without TLS" in await answer.text()
        finally:
            await server.aclose()


def test_no_page_has_a_script_or_style_of_its_own():
    place = Path(__file__).parents[2] / "src" / "zeebe_connectors" / "admin" / "page" / "templates"
    for file in place.glob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"<script(?! src)|<style|\son[a-z]+=|\sstyle=|javascript:", text), file.name
        assert "|safe" not in text.replace(" ", ""), file.name
