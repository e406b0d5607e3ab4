"""Names and texts from outside that would be markup, scripts or marks of direction: on every page they are text."""

from __future__ import annotations

import asyncio
import html.parser
import json
import re
import unicodedata
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import pytest
import yarl
from tests.admin.routes import pages
from tests.admin.world import TOKENS, World

HOSTILE = (
    """"><img src=x onerror=alert(1)>'</textarea></title></script></style><script>alert(1)</script>"""
    "<svg/onload=alert(2)>--><base href=//evil.example/>{{7919*6661}}{% raw %}${7919*6661}&lt;b&gt;"
    "\u202egnp.exe\u2066\u0007\x1b[31m\u2028\u200f\U0001f600"
)
PLACE = quote(HOSTILE, safe="")
_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]+)"')
_TAGS = {"script", "img", "svg", "base", "link", "meta", "iframe", "object", "embed", "style", "textarea", "title"}


class Markup(html.parser.HTMLParser):
    """What of a page is markup and may do something."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            address = value or ""
            if name.startswith("on") or name in {"style", "srcdoc", "http-equiv", "ping"}:
                self.wrong.append(f"{tag} {name}")
            if name in {"src", "href", "action", "formaction", "data", "poster", "srcset"} and not (
                address.startswith(("/", "#", "https://docs.example.com/")) and not address.startswith("//")
            ):
                self.wrong.append(f"{tag} {name}={address[:60]}")
        if tag == "base" or (tag in {"script", "link"} and not dict(attrs).get("src", dict(attrs).get("href"))):
            self.wrong.append(tag)


def check(where: str, text: str) -> None:
    """Nothing in it but our own markup; nothing that turns or hides what is beside it."""
    found = Markup()
    found.feed(text)
    assert found.wrong == [], where
    shown = re.sub(r'value="[^"]*"|<textarea.*?</textarea>', "", text, flags=re.DOTALL)  # what somebody typed stays
    odd = {
        letter for letter in shown if letter not in "\n\t" and unicodedata.category(letter) in {"Cc", "Cf", "Zl", "Zp"}
    }
    assert odd == set(), (where, odd)
    assert "52748459" not in text, where


@pytest.mark.page
async def test_whatever_names_hold_they_are_text_on_every_page_and_stream(tmp_path):
    async with World(tmp_path, word=HOSTILE) as world:
        ledger = world.runtime.ledger
        for name in ("a", "b"):
            given = {"alias": None, "reason": HOSTILE, "title": HOSTILE, "original": b"From: x"}
            await ledger.quarantine(HOSTILE, HOSTILE + name, **given)
        provider = world.sample(
            "odd", tags=[HOSTILE], description=HOSTILE, documentation="https://docs.example.com/" + PLACE
        )
        headers = {"Authorization": f"Bearer {TOKENS['operator']}"}
        async with aiohttp.ClientSession(world.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            async with session.post("/api/providers", json=provider, headers=headers) as answer:
                assert answer.status in {201, 400}, await answer.text()
            async with session.post("/signin", data={"token": TOKENS["operator"], "to": f"/jobs?q={PLACE}"}) as answer:
                text = await answer.text()
                check("signed in", text)
            form_token = _TOKEN.search(text)[1]
            seen = 0
            event = json.dumps([HOSTILE, HOSTILE + "a"])
            sent: list[tuple[str, str, dict[str, Any]]] = [
                *pages(world),
                *(("GET", path, {}) for path in (
                    f"/jobs?q={PLACE}&process={PLACE}&connector={PLACE}&outcome={PLACE}&since={PLACE}&before={PLACE}",
                    f"/sources?q={PLACE}&state={PLACE}&after={PLACE}",
                    f"/events?q={PLACE}&state={PLACE}&source={PLACE}&skip={PLACE}&did=retry&done=1&of=2",
                    f"/events/{PLACE}/{PLACE}a",
                    f"/connectors?q={PLACE}&kind={PLACE}",
                    f"/connectors/rest?template={PLACE}&method={PLACE}",
                    f"/connectors/rest/try?as={PLACE}",
                    f"/feel?e={PLACE}&as={PLACE}&with={PLACE}",
                    f"/providers?q={PLACE}&tag={PLACE}&protocol={PLACE}&after={PLACE}",
                    "/providers", "/providers/odd",
                    f"/providers/erp/copy?from={PLACE}&to={PLACE}",
                    f"/providers/erp/copy?to={PLACE}",
                    f"/signin?to={PLACE}",
                    *(f"/{noun}/{PLACE}" for noun in ("jobs", "sources", "events", "connectors", "providers", "x")),
                )),
                ("POST", "/feel", {"kind": "expression", "expression": HOSTILE, "variables": "{}"}),
                ("POST", "/feel", {
                    "kind": "result", "expression": "{" + json.dumps(HOSTILE) + ": 1, b: response.a}",
                    "response": json.dumps({"a": HOSTILE}), "cluster": HOSTILE}),
                ("POST", "/feel", {"kind": "error", "expression": "bpmnError(error.code, error.message)",
                                   "error": json.dumps({"code": HOSTILE, "message": HOSTILE}), "retries": HOSTILE}),
                ("POST", "/feel", {"kind": "error", "expression": "bpmnError(error.code, error.message)",
                                   "error": json.dumps({"code": HOSTILE, "message": HOSTILE}), "retries": "1"}),
                ("POST", "/connectors/rest/try", {"do": "run", "v:url": HOSTILE, "v:method": HOSTILE,
                                                  "v:provider": HOSTILE, "variables": HOSTILE, "confirmed": "yes"}),
                ("POST", "/connectors/order/try", {"json": json.dumps({"inputs": {"note": HOSTILE, "fail": True}}),
                                                   "confirmed": "yes"}),
                ("POST", "/connectors/order/try", {"json": HOSTILE}),
                ("POST", "/import/soap", {"step": "operations", "wsdl": HOSTILE, "username": HOSTILE,
                                          "hosts": HOSTILE}),
                ("POST", "/import/soap", {"step": "operations", "text": HOSTILE, "wsdl_address": HOSTILE}),
                ("POST", "/import/soap", {"step": "make", "wsdl": world.service.url("/orders.wsdl"),
                                          "operation": HOSTILE, f"name:{HOSTILE}": HOSTILE}),
                ("POST", "/providers", {"name": HOSTILE, "protocol": HOSTILE, "environment": HOSTILE,
                                        "address": HOSTILE, "authentication": HOSTILE}),
                ("POST", "/providers/erp", {"version": "1", "tags": HOSTILE, "description": HOSTILE,
                                            "documentation": HOSTILE, "new_environment": HOSTILE,
                                            "more:test": HOSTILE, "rest": HOSTILE, "f:test:url": HOSTILE}),
                ("POST", "/providers/erp/copy", {"version": "1", "from": "test", "to": HOSTILE}),
                ("POST", "/providers/erp/delete", {"version": "1", "typed": HOSTILE}),
                ("POST", "/providers/erp/check", {"environment": HOSTILE}),
                ("POST", "/events/forget", {"event": event}),
                ("POST", "/events/retry", {"event": event, "from": "event"}),
                ("POST", "/attention/seen", {"seen": HOSTILE}),
                ("POST", "/theme", {"theme": HOSTILE, "to": HOSTILE}),
                ("POST", "/signin", {"token": HOSTILE, "to": HOSTILE}),
            ]  # fmt: skip
            for method, path, form in sent:
                if path == "/signout":
                    continue
                url = yarl.URL(world.url + path, encoded=True)
                data = urlencode({**form, "form_token": form_token}) if method == "POST" else None
                kind = {"Content-Type": "application/x-www-form-urlencoded"} if method == "POST" else {}
                async with session.request(method, url, data=data, headers=kind, allow_redirects=False) as answer:
                    body = await answer.text(errors="replace") if answer.content_type == "text/html" else ""
                    assert answer.status != 500, (method, path, answer.status, body)
                    assert "\n" not in answer.headers.get("Location", "")
                    check(f"{method} {path}: {answer.status}", body)
                    seen += bool(body)
            assert seen > 60
            world.api.live.interval, world.api.live.share = 0.02, 1.0
            for place in ("/", "/jobs?top=1", "/sources", "/events?top=1", "/providers?top=x", "/runtime", "/jobs/3",
                          f"/events/{PLACE}/{PLACE}a", "/sources/box%200000%23%2Fx", f"/jobs?q={PLACE}"):  # fmt: skip
                async with asyncio.timeout(5):
                    while world.api.live.streams:  # noqa: ASYNC110 - the one before, whose end nothing tells of
                        await asyncio.sleep(0.01)
                async with session.get("/live", params={"of": place}) as answer:
                    assert answer.status == 200, (place, await answer.text())
                    text = (await answer.content.readuntil(b"\n\nevent: count-worst\n")).decode()
                    parts = re.findall(r"^data: (.*)$", text, re.MULTILINE)
                    assert len(parts) > 2
                    for part in parts:
                        check(f"live {place}", json.loads(part))
