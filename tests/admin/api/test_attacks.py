"""What may be tried against the operator's page and API: each is refused, bounded, or does what it would do anyway."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import time

import aiohttp
import pytest
import yarl
from aiohttp import web
from tests.admin.api.conftest import TOKENS, Started

from zeebe_connectors.admin.access import Role
from zeebe_connectors.admin.live import FOR_OPERATORS, MAX_STREAMS, MAX_STREAMS_EACH
from zeebe_connectors.admin.page import site
from zeebe_connectors.admin.page.session import Sessions

NEW_TOKEN = "another-token-of-the-viewer"


def cookie_of(running: Started, role: str) -> str:
    """What somebody's browser sends."""
    jar = running.browsers[role].session.cookie_jar
    return next(one.value for one in jar if one.key == "zc")


async def answer_of(running: Started, path: str, *, method: str = "GET", **headers: str) -> tuple[int, str, str]:
    """Status, head and body of one request that is sent as it stands, with whatever a client would mend."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.server.port)
    lines = {"Host": f"127.0.0.1:{running.server.port}", "Connection": "close", **headers}
    text = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    writer.write(f"{method} {path} HTTP/1.1\r\n{text}\r\n".encode())
    answer = (await asyncio.wait_for(reader.read(), 10)).decode(errors="replace")
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split(" ")[1]), head, body


async def test_a_cookie_ends_with_the_token_that_it_came_from(start):
    running = await start()
    cookie = cookie_of(running, "viewer")
    assert (await answer_of(running, "/jobs", Cookie=f"zc={cookie}"))[0] == 200
    others = running.server._page
    for tokens in (
        {Role.OPERATOR: TOKENS["operator"].encode()},  # the token was removed
        {Role.VIEWER: NEW_TOKEN.encode()},  # replaced
        {Role.OPERATOR: TOKENS["viewer"].encode(), Role.VIEWER: NEW_TOKEN.encode()},  # given to another role
    ):
        others.sessions = Sessions(tokens)
        status, head, _ = await answer_of(running, "/jobs", Cookie=f"zc={cookie}")
        assert (status, "/signin?to=%2Fjobs" in head) == (303, True)


async def test_a_cookie_opens_no_call_of_the_api_and_a_token_no_page(start):
    running = await start()
    cookie = cookie_of(running, "operator")
    assert (await answer_of(running, "/api/overview", Cookie=f"zc={cookie}"))[0] == 401
    assert (await answer_of(running, "/jobs", Authorization=f"Bearer {TOKENS['operator']}"))[0] == 303


async def test_several_cookies_give_nobody_more_than_the_one_that_counts(start):
    running = await start()
    viewer, operator = cookie_of(running, "viewer"), cookie_of(running, "operator")
    word, _, rest = operator.partition(".")
    assert word == "operator"
    for cookies in (f"zc=x; zc={viewer}", f"zc={viewer}.x; zc={viewer}", f"__Host-zc={operator}; zc={viewer}"):
        status, _, body = await answer_of(running, "/", Cookie=cookies)
        assert status == 200
        assert "Signed in as viewer" in body
    for cookies in (f"zc=viewer.{rest}", f"zc={viewer}; zc=x", "zc=", 'zc="', "zc", ";;;", "zc=" + "\xff" * 50):
        assert (await answer_of(running, "/", Cookie=cookies))[0] in {303, 400}


async def test_signing_out_ends_the_cookie_here_whoever_has_a_copy_and_its_streams(start):
    running = await start()
    live = running.server._api.live
    live.interval, live.share = 0.02, 1.0
    cookie = cookie_of(running, "viewer")
    async with running.viewer.session.get("/live", params={"of": "/"}) as stream:
        await stream.content.readuntil(b"\n\n")
        async with running.operator.session.get("/live", params={"of": "/"}) as other:
            await other.content.readuntil(b"\n\n")
            assert live.streams == 2
            async with running.viewer.session.post("/signout", data={}, allow_redirects=False) as answer:
                assert answer.status == 303
            await asyncio.wait_for(stream.content.read(), 5)
            assert stream.content.at_eof()
            assert live.streams == 1
    assert (await answer_of(running, "/", Cookie=f"zc={cookie}"))[0] == 303
    assert (await answer_of(running, "/live?of=/", Cookie=f"zc={cookie}"))[0] == 401


async def test_a_stream_ends_with_the_session(start):
    running = await start()
    sessions = running.server._page.sessions
    real = sessions._clock
    sessions._clock = lambda: real() + 12 * 3600 - 1.0
    began = time.monotonic()
    async with running.viewer.session.get("/live", params={"of": "/"}) as stream:
        assert stream.status == 200
        await asyncio.wait_for(stream.content.read(), 10)
    assert time.monotonic() - began < 6


async def test_nobody_takes_all_streams_and_the_last_ones_are_for_operators(start):
    running = await start()
    live = running.server._api.live
    open_ones: list[aiohttp.ClientResponse] = []

    async def take(session: aiohttp.ClientSession, path: str = "/live?of=/", role: str = "") -> int:
        headers = {"Authorization": f"Bearer {TOKENS[role]}"} if role else {}
        answer = await session.get(path, headers=headers)
        if answer.status == 200:
            open_ones.append(answer)
        return answer.status

    try:
        mine = [await take(running.viewer.session) for _ in range(MAX_STREAMS_EACH + 2)]
        assert mine == [200] * MAX_STREAMS_EACH + [429] * 2
        calls = [await take(running.viewer.session, "/api/live", "viewer") for _ in range(MAX_STREAMS_EACH + 1)]
        assert calls == [200] * MAX_STREAMS_EACH + [429]
        left = MAX_STREAMS - FOR_OPERATORS - 2 * MAX_STREAMS_EACH
        assert [await take(running.modeler.session) for _ in range(left + 1)] == [200] * left + [429]
        assert [await take(running.operator.session) for _ in range(FOR_OPERATORS + 1)] == [200] * FOR_OPERATORS + [429]
        assert live.streams == MAX_STREAMS
    finally:
        for one in open_ones:
            one.close()


async def test_a_proxys_headers_name_no_host_and_no_site(start):
    running = await start()
    cookie = f"zc={cookie_of(running, 'operator')}"
    evil = {"X_Forwarded_Host": "evil.example", "X_Forwarded_For": "127.0.0.1", "Forwarded": "host=evil.example"}
    for headers in (
        {"Origin": "https://evil.example"},
        {"Host": "evil.example"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Origin": "", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "null", "Referer": f"http://127.0.0.1:{running.server.port}/"},
        {"Host": "127.0.0.1@evil.example"},
        {"Host": "evil.example#127.0.0.1"},
        {"Host": "[::1"},
    ):
        for path in ("/jobs", "/live?of=/", "/signin"):
            assert (await answer_of(running, path, Cookie=cookie, **evil, **headers))[0] in {400, 403}, (path, headers)
        token = f"Bearer {TOKENS['operator']}"
        assert (await answer_of(running, "/api/overview", Authorization=token, **evil, **headers))[0] in {400, 403}, (
            headers
        )
    status, head, _ = await answer_of(running, "/", **evil)
    assert (status, "evil" in head) == (303, False)


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/",
        "//evil.example/jobs",
        "/..//evil.example",
        "/jobs/../../etc/passwd",
        "/assets/../../../etc/passwd",
        "/assets/x/..%2f..%2f..%2fsite.py",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/api%2foverview",
        "/%61pi/overview",
        "/api/../api/overview",
        "/api//overview",
        "/jobs/%00",
        "/sources/%2e%2e%2f%2e%2e",
        "/events/%2F%2F/%2e%2e",
        "/connectors/..%2f..%2fpyproject/template.json",
        "/" + "a" * 7000,
        "http://evil.example/jobs",
    ],
)
async def test_tricks_with_paths_lead_nowhere(start, path):
    running = await start()
    status, head, body = await answer_of(running, path)
    assert status in {303, 400, 401, 403, 404, 414}, head
    location = next((line for line in head.splitlines() if line.startswith("Location")), "Location: /")
    assert location.startswith("Location: /"), head
    assert not location.startswith("Location: //"), head
    assert "root:" not in body
    status, head, body = await answer_of(running, path, Cookie=f"zc={cookie_of(running, 'operator')}")
    assert status in {200, 400, 401, 403, 404, 414}, head
    assert "root:" not in body
    assert "[project]" not in body
    assert "import " not in body
    if status == 200:  # an address in the absolute form, which names this server's own page
        assert path.endswith("/jobs")


async def test_nobody_is_led_elsewhere_after_signing_in(start):
    running = await start()
    for to in (
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/%0d%0aSet-Cookie:x=1",
        "\t//evil.example",
    ):
        form = {"token": TOKENS["viewer"], "to": to}
        async with running.viewer.session.post("/signin", data=form, allow_redirects=False) as answer:
            place = yarl.URL(running.base).join(yarl.URL(answer.headers["Location"]))
            assert (answer.status, place.host) == (303, "127.0.0.1")
            assert "x=1" not in str(answer.headers.getall("Set-Cookie"))


async def test_other_methods_do_nothing_and_head_is_a_look_without_a_body(start):
    running = await start()
    cookie = f"zc={cookie_of(running, 'viewer')}"
    for path in ("/", "/jobs", "/sources", "/events", "/connectors", "/providers", "/runtime", "/signin"):
        status, head, body = await answer_of(running, path, method="HEAD", Cookie=cookie)
        assert (status, body) == (200 if path != "/signin" else 303, ""), path
        assert "default-src 'none'" in head
    status, head, _ = await answer_of(running, "/jobs", method="HEAD")
    assert (status, "/signin?to=%2Fjobs" in head) == (303, True)
    assert (await answer_of(running, "/live?of=/", method="HEAD", Cookie=cookie))[0] == 404
    assert running.server._api.live.streams == 0
    for method in ("OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "FOO"):
        status, head, _ = await answer_of(
            running, "/events/forget", method=method, Cookie=cookie, Origin="https://evil.example"
        )
        assert status in {400, 403, 404, 405}, head
        assert "Access-Control" not in head
    token = f"Bearer {TOKENS['viewer']}"
    for method in ("OPTIONS", "HEAD", "PATCH"):
        status, head, _ = await answer_of(running, "/api/jobs", method=method, Authorization=token)
        assert status == 405
        assert "Access-Control" not in head
    overriding = {"X_HTTP_Method_Override": "POST", "Authorization": token}
    assert (await answer_of(running, "/api/events/forget", **overriding))[0] in {404, 405}


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "",
        "x",
    ],
)
async def test_only_json_is_taken_by_the_api_and_only_forms_by_the_page(start, kind):
    running = await start()
    body = json.dumps({"events": [["a", "b"]]}).encode()
    headers = {"Authorization": f"Bearer {TOKENS['operator']}", "Content-Type": kind}
    async with running.operator.session.post("/api/events/forget", data=body, headers=headers) as answer:
        assert answer.status == 415
    if kind != "application/x-www-form-urlencoded":
        async with running.operator.session.post("/events/forget", data=body, headers={"Content-Type": kind}) as answer:
            assert answer.status == 415


async def test_bodies_are_bounded_also_those_that_grow_when_they_are_unpacked(start):
    running = await start()
    json_headers = {"Authorization": f"Bearer {TOKENS['operator']}", "Content-Type": "application/json"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    bomb = gzip.compress(b" " * 40_000_000)
    for path, headers, data in (
        ("/api/events/forget", {**json_headers, "Content-Encoding": "gzip"}, bomb),
        ("/events/forget", {**form, "Content-Encoding": "gzip"}, bomb),
        ("/signin", {**form, "Content-Encoding": "gzip"}, bomb),
        ("/signin", form, b"token=" + b"x" * 300_000),
        ("/api/events/forget", json_headers, b"[" * 100_000),
        ("/api/events/forget", json_headers, b"{" + b'"a":{' * 20_000),
        ("/signin", form, b"&".join(b"a=1" for _ in range(5000))),
    ):
        async with running.operator.session.post(path, headers=headers, data=data) as answer:
            assert answer.status in {400, 413}, (path, answer.status)


async def test_forms_of_strangers_that_never_end_keep_nobody_from_signing_in(start, monkeypatch):
    running = await start()
    monkeypatch.setattr(site, "SIGN_IN_SECONDS", 1.0)
    head = (
        f"POST /signin HTTP/1.1\r\nHost: 127.0.0.1:{running.server.port}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\ntoken="
    )
    slow = [await asyncio.open_connection("127.0.0.1", running.server.port) for _ in range(site.MAX_SIGNING_IN + 2)]
    for _, writer in slow:
        writer.write(head.encode())
    statuses = [int((await asyncio.wait_for(reader.readline(), 8)).split()[1]) for reader, _ in slow]
    assert sorted(statuses) == [408] * site.MAX_SIGNING_IN + [429] * 2
    for _, writer in slow:
        writer.close()
    form = {"token": TOKENS["viewer"], "to": "/"}
    async with running.viewer.session.post("/signin", data=form, allow_redirects=False) as answer:
        assert answer.status == 303


async def test_a_page_that_fails_says_so_and_nothing_else(start, monkeypatch, caplog):
    running = await start()

    async def fails(_: web.Request) -> web.Response:
        raise RuntimeError("what nobody may see")

    router = running.server._runner.app.router
    handlers = [route for route in router.routes() if route.resource.canonical == "/runtime" and route.method == "GET"]
    monkeypatch.setattr(handlers[0], "_handler", running.server._page._guarded(fails))
    caplog.clear()
    with caplog.at_level(logging.ERROR):
        text = await running.viewer.get("/runtime", status=500)
    assert "failed unexpectedly" in text
    assert "what nobody" not in text + caplog.text
    assert "RuntimeError at test_attacks.py" in caplog.text
