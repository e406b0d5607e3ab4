"""A runtime with its page, and a browser that is signed in as a viewer, a modeler or an operator."""

from __future__ import annotations

import base64
import contextlib
import gzip
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from tests.admin.serving import served

from zeebe_connectors.admin.server import AdminServer
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.registry import Registry

TOKENS = {
    "operator": "token-of-the-operator-4711",
    "modeler": "token-of-the-modeler-4712",
    "viewer": "token-of-the-viewer-4713",
}
CANARY = "CANARY-5eCr3t-0815"
MAX_TRANSFERRED = 60_000
_FORM_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
_ELSEWHERE = re.compile(r'(?:src|href|action|srcset|poster|data)="(?:https?:)?//[^"]*"')


@dataclass
class Browser:
    """Somebody who is signed in; every page that comes is looked at for what must not be in it."""

    session: aiohttp.ClientSession
    role: str
    seen: list[str] = field(default_factory=list)
    form_token: str = ""

    async def get(self, path: str, *, status: int = 200) -> str:
        headers = {"Accept-Encoding": "gzip"}
        async with self.session.get(path, headers=headers, allow_redirects=False, auto_decompress=False) as answer:
            return await self._page(answer, status)

    async def post(self, path: str, form: dict[str, Any], *, status: int = 303, form_token: str | None = None) -> str:
        given = [(name, str(one)) for name, value in form.items() for one in _listed(value)]
        given.append(("form_token", self.form_token if form_token is None else form_token))
        headers = {"Accept-Encoding": "gzip", "Content-Type": "application/x-www-form-urlencoded"}
        data = aiohttp.FormData(given)
        async with self.session.post(
            path, data=data, headers=headers, allow_redirects=False, auto_decompress=False
        ) as answer:
            return await self._page(answer, status)

    async def call(self, method: str, path: str, given: Any = None, *, status: int = 200, etag: str = "") -> Any:
        """One call of the API, with the token of the role."""
        headers = {"Authorization": f"Bearer {TOKENS[self.role]}"} | ({"If-Match": etag} if etag else {})
        async with self.session.request(method, f"/api{path}", json=given, headers=headers) as answer:
            text = await answer.text()
            self.seen.append(text + str(answer.headers))
            assert answer.status == status, text
            return await answer.json(content_type=None)

    async def _page(self, answer: aiohttp.ClientResponse, status: int) -> str:
        body = await answer.read()
        text = (gzip.decompress(body) if answer.headers.get("Content-Encoding") == "gzip" else body).decode()
        self.seen.append(text + str(answer.headers))
        assert answer.status == status, text
        if status == 303:
            return answer.headers["Location"]
        if answer.content_type == "text/html":
            assert len(body) < MAX_TRANSFERRED
            assert text.count("<h1") == 1
            assert not _ELSEWHERE.search(text), _ELSEWHERE.search(text)
            assert " style=" not in text
            assert " onclick=" not in text
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            if found := _FORM_TOKEN.search(text):
                self.form_token = found[1]
        return text


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@dataclass
class Started:
    """What a test works with."""

    runtime: Runtime
    server: AdminServer
    base: str
    browsers: dict[str, Browser] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Browser:
        try:
            return self.browsers[name]
        except KeyError:
            raise AttributeError(name) from None


Start = Callable[..., Awaitable[Started]]


@pytest.fixture
async def start(tmp_path, caplog) -> AsyncIterator[Start]:
    caplog.set_level("DEBUG")
    stack = contextlib.AsyncExitStack()
    everything: list[Browser] = []

    async def begin(connectors: Any = ("rest", "imap", "soap", "smtp", "pop3-fetch"), **settings: str) -> Started:
        given = {
            "ZEEBE_CONNECTORS_ADMIN_TOKEN": TOKENS["operator"],
            "ZEEBE_CONNECTORS_ADMIN_MODELER_TOKEN": TOKENS["modeler"],
            "ZEEBE_CONNECTORS_ADMIN_VIEWER_TOKEN": TOKENS["viewer"],
            "ZEEBE_CONNECTORS_PROVIDERS_KEY": base64.b64encode(bytes(range(32))).decode(),
            "SECRET_CANARY": CANARY,
        }
        registry = Registry(connectors) if not isinstance(connectors[0], str) else Registry.installed(connectors)
        serving = served(tmp_path / "data", registry, works=False, **given | settings)
        found = await stack.enter_async_context(serving)
        started = Started(found.runtime, found.server, found.url)
        for role, token in TOKENS.items():
            session = aiohttp.ClientSession(started.base, cookie_jar=aiohttp.CookieJar(unsafe=True))
            stack.push_async_callback(session.close)
            async with session.post("/signin", data={"token": token, "to": "/"}, allow_redirects=False) as answer:
                assert answer.status == 303
            browser = started.browsers[role] = Browser(session, role)
            everything.append(browser)
        return started

    async with stack:
        yield begin
    for browser in everything:
        for text in browser.seen:
            assert CANARY not in text
            assert not any(token in text for token in TOKENS.values())
    assert CANARY not in caplog.text
