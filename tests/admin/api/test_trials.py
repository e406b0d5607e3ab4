"""Trying a connector: what comes of it, who may, what is closed, and that no secret is in any answer."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from tests.admin.api.conftest import CANARY

from zeebe_connectors import Context, Model, Secret, TransientError, outbound
from zeebe_connectors.admin.api.trials import changes_outside
from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing.servers import HttpServer, Reply

PROVIDERS = """\
providers:
  erp:
    protocol: http
    environments:
      test: {{url: "{url}", authentication: {{type: bearer, token: CANARY-5eCr3t-0815}}}}
      live: {{url: "{url}", authentication: {{type: bearer, token: CANARY-5eCr3t-0815}}}}
  narrow:
    protocol: http
    processes: [order-intake]
    environments:
      test: {{url: "{url}"}}
"""


class Nothing(Model):
    token: Secret = Secret("")


@outbound("slow", title="Slow", type="example:slow:1", template=False, errors={"SHOP_SHUT": "Come back tomorrow."})
async def slow(given: Nothing, context: Context) -> None:
    """Fails later."""
    await asyncio.sleep(0.3)
    raise TransientError("SHOP_SHUT", f"shut for {given.token.reveal()}", delay=7)


@pytest.fixture
async def server():
    async with HttpServer() as found:
        found.answer("/stock", Reply.json({"free": 312}))
        yield found


async def test_a_trial_completes_with_its_variables_and_says_what_was_sent(start, server):
    page = await start(("rest",))
    given = {
        "inputs": {
            "url": '="' + server.url("/stock") + '"',
            "method": "GET",
            "queryParameters": "={w: order.warehouse}",
        },
        "variables": {"order": {"warehouse": "OSL"}},
        "headers": {"resultExpression": "={free: response.body.free, none: response.body.nothing.more}"},
    }
    found = await page.modeler.call("POST", "/connectors/rest/try", given)
    assert found["outcome"] == "complete"
    assert found["variables"] == {"free": 312, "none": None}
    assert found["sent"]["queryParameters"] == {"w": "OSL"}
    assert found["warnings"]
    assert [step["name"] for step in found["steps"]] == ["Inputs, secrets and provider", "The connector", "Expressions"]
    assert "w=OSL" in server.seen[0].target


async def test_failures_come_as_the_engine_would_get_them(start, server):
    page = await start([slow])
    confirmed = {"confirmed": True, "inputs": {"token": CANARY}}
    found = await page.operator.call("POST", "/connectors/slow/try", confirmed)
    assert found["outcome"] == "retry"
    assert found["error"]["code"] == "SHOP_SHUT"
    assert found["error"]["remedy"] == "Come back tomorrow."
    assert found["retries"] == 2
    assert found["backoff"] == 7
    headers = {"errorExpression": '=bpmnError("SHUT", error.message)'}
    found = await page.operator.call("POST", "/connectors/slow/try", {**confirmed, "headers": headers})
    assert found["outcome"] == "bpmnError"
    assert found["error"]["code"] == "SHUT"


async def test_wrong_inputs_are_named_and_nothing_is_sent(start):
    page = await start(("rest",))
    found = await page.modeler.call("POST", "/connectors/rest/try", {"inputs": {"method": "GET"}})
    assert found["outcome"] == "incident"
    assert "url" in found["error"]["message"]
    assert found["sent"] is None
    wrong = await page.modeler.call("POST", "/connectors/rest/try", {"inputs": {"url": "=1 +"}}, status=400)
    assert wrong["message"].startswith("url: ")
    for headers in ({"jobTimeout": "PT1H"}, {"provider": "erp"}, {"secretFields": "url"}):
        await page.modeler.call("POST", "/connectors/rest/try", {"headers": headers}, status=400)
    await page.modeler.call("POST", "/connectors/nobody/try", {}, status=404)
    await page.viewer.call("POST", "/connectors/rest/try", {}, status=403)


async def test_what_changes_something_asks_once_more(start, server):
    server.answer("/order", Reply.json({}))
    page = await start(("rest",))
    given: dict[str, Any] = {"inputs": {"url": server.url("/order?secret=1"), "method": "POST"}}
    again = await page.modeler.call("POST", "/connectors/rest/try", given, status=409)
    assert again["code"] == "CONFIRM"
    assert "127.0.0.1" in again["message"]
    assert "secret=1" not in again["message"]
    assert not server.seen
    assert (await page.modeler.call("POST", "/connectors/rest/try", {**given, "confirmed": True}))["outcome"]
    assert len(server.seen) == 1


async def test_secrets_are_for_operators_and_masked_everywhere(start, server):
    page = await start(("rest",))
    server.answer("/echo", Reply.json({"you": CANARY, "basic": base64.b64encode(f"u:{CANARY}".encode()).decode()}))
    login = {"type": "basic", "username": "u", "password": "{{secrets.CANARY}}"}
    given = {"inputs": {"url": server.url("/echo"), "method": "GET", "authentication": login}}
    refused = await page.modeler.call("POST", "/connectors/rest/try", given, status=403)
    assert refused["code"] == "SECRETS_FORBIDDEN"
    hidden = {**given["inputs"], "authentication": {**login, "password": '="{{secr" + "ets.CANARY}}"'}}
    assert await page.modeler.call("POST", "/connectors/rest/try", {"inputs": hidden}, status=403)
    found = await page.operator.call("POST", "/connectors/rest/try", given)
    assert found["outcome"] == "complete"
    assert found["sent"]["authentication"]["username"] == "u"
    assert server.seen[0].header("authorization").startswith("Basic ")


async def test_a_provider_is_tried_in_an_environment_that_is_open(start, server, tmp_path):
    file = tmp_path / "providers.yaml"
    file.write_text(PROVIDERS.format(url=server.url("/")))
    settings = {"ZEEBE_CONNECTORS_PROVIDERS": str(file), "ZEEBE_CONNECTORS_ENVIRONMENT": "live"}
    page = await start(("rest",), **settings)
    inputs = {"url": "stock", "method": "GET"}
    given = {"inputs": inputs, "provider": "erp", "environment": "test"}
    found = await page.modeler.call("POST", "/connectors/rest/try", given)
    assert found["outcome"] == "complete", found
    assert server.seen[0].header("authorization") == f"Bearer {CANARY}"
    for environment in ("live", ""):
        closed = {**given, "environment": environment}
        for browser in (page.modeler, page.operator):
            refused = await browser.call("POST", "/connectors/rest/try", closed, status=403)
            assert refused["code"] == "TRY_CLOSED"
            assert "ZEEBE_CONNECTORS_TRY" in refused["message"]
    elsewhere = {"inputs": {"url": server.url("/stock"), "headers": {"x": "{{secrets.CANARY}}"}}}
    await page.operator.call("POST", "/connectors/rest/try", elsewhere, status=403)
    narrow = {**given, "provider": "narrow"}
    assert (await page.modeler.call("POST", "/connectors/rest/try", narrow, status=403))["code"] == "PROVIDER_FORBIDDEN"
    assert (await page.operator.call("POST", "/connectors/rest/try", narrow))["outcome"] == "complete"
    assert len(server.seen) == 2


async def test_live_is_open_for_operators_where_the_setting_says_so(start, server, tmp_path):
    file = tmp_path / "providers.yaml"
    file.write_text(PROVIDERS.format(url=server.url("/")))
    settings = {"ZEEBE_CONNECTORS_PROVIDERS": str(file), "ZEEBE_CONNECTORS_TRY": "live"}
    page = await start(("rest",), **settings)
    given = {"inputs": {"url": "stock", "method": "GET"}, "provider": "erp", "environment": "live"}
    assert (await page.operator.call("POST", "/connectors/rest/try", given))["outcome"] == "complete"
    await page.modeler.call("POST", "/connectors/rest/try", given, status=403)
    with pytest.raises(SettingsError, match="must be 'live'"):
        Settings.read(Environment(("environment", {"ZEEBE_CONNECTORS_TRY": "yes"})))


async def test_only_two_run_at_once(start):
    page = await start([slow])
    headers = {"Authorization": "Bearer token-of-the-modeler-4712"}
    call = {"json": {"confirmed": True}, "headers": headers}
    calls = [page.modeler.session.post("/api/connectors/slow/try", **call) for _ in range(4)]
    statuses = []
    for answer in await asyncio.gather(*calls):
        statuses.append(answer.status)
        answer.release()
    assert sorted(statuses) == [200, 200, 429, 429]


def test_only_what_lists_searches_or_reads_runs_without_asking():
    known = Registry.installed(["rest", "email", "soap", "smtp", "pop3-fetch", "graphql"]).outbound
    reads = {
        "rest": [{}, {"method": "GET"}, {"method": "HEAD"}],
        "email": [{"protocol": "imap", "data": {"imapActionDiscriminator": "listEmailsImap"}}],
        "graphql": [{"graphql": {"method": "get"}}],
    }
    changes = {
        "rest": [{"method": "POST"}, {"method": "DELETE"}],
        "email": [
            {"protocol": "smtp"},
            {"protocol": "imap", "data": {"imapActionDiscriminator": "deleteEmailImap"}},
            {"protocol": "pop3", "data": {"pop3ActionDiscriminator": "deleteEmailPop3"}},
        ],
        "soap": [{}],
        "smtp": [{}],
        "pop3-fetch": [{}, {"operation": "MAIL_RECEIVE"}],
        "graphql": [{"graphql": {"method": "post"}}],
    }
    for name, inputs in reads.items():
        assert not any(changes_outside(known[name], one) for one in inputs), name
    for name, inputs in changes.items():
        assert all(changes_outside(known[name], one) for one in inputs), name


async def test_the_page_runs_what_the_form_says(start, server):
    page = await start(("rest",))
    form = await page.modeler.get("/connectors/rest/try")
    assert 'name="v:url"' in form
    assert "Run once" in form
    assert "Run once" not in await page.viewer.get("/connectors/rest/try")
    given = {
        "do": "run",
        "v:method": "GET",
        "v:url": server.url("/stock"),
        "v:queryParameters": "={w: order.warehouse}",
        "v:resultExpression": "={free: response.body.free}",
        "variables": '{"order": {"warehouse": "OSL"}}',
    }
    found = await page.modeler.post("/connectors/rest/try", given, status=200)
    assert "The job would complete" in found
    assert "&#34;free&#34;: 312" in found
    assert "w=OSL" in server.seen[0].target
    await page.viewer.post("/connectors/rest/try", given, status=403)
    assert len(server.seen) == 1


async def test_the_page_shows_the_fields_of_the_choices_and_repeats_no_secret(start, server):
    page = await start(("rest",))
    await page.operator.get("/connectors/rest/try")
    chosen = {
        "do": "show",
        "v:authentication.type": "bearer",
        "v:authentication.token": CANARY,
        "v:url": "http://kept/",
    }
    form = await page.operator.post("/connectors/rest/try", chosen, status=200)
    assert 'name="v:authentication.token" type="password"' in form
    assert 'value="http://kept/"' in form
    named = {**chosen, "v:authentication.token": "{{secrets.CANARY}}"}
    assert 'value="{{secrets.CANARY}}"' in await page.operator.post("/connectors/rest/try", named, status=200)
    run = {**named, "do": "run", "v:method": "GET", "v:url": server.url("/stock")}
    assert "The job would complete" in await page.operator.post("/connectors/rest/try", run, status=200)
    assert server.seen[0].header("authorization") == f"Bearer {CANARY}"
    assert "Only operators" in await _as_modeler(page, run)


async def _as_modeler(page, form):
    await page.modeler.get("/connectors/rest/try")
    return await page.modeler.post("/connectors/rest/try", form, status=403)


async def test_the_page_names_the_wrong_field_and_asks_before_a_change(start, server):
    page = await start(("rest", "smtp-infosys"))
    await page.modeler.get("/connectors/rest/try")
    wrong = await page.modeler.post("/connectors/rest/try", {"do": "run", "v:method": "GET"}, status=400)
    assert 'href="#v-url"' in wrong
    assert wrong.count('aria-describedby="wrong"') >= 1
    number = {"do": "run", "v:url": "http://x/", "v:connectionTimeoutInSeconds": "soon"}
    assert "must be a number" in await page.modeler.post("/connectors/rest/try", number, status=400)
    text = {"do": "run", "v:url": "http://x/", "variables": "{"}
    assert "is not JSON" in await page.modeler.post("/connectors/rest/try", text, status=400)
    post = {"do": "run", "v:url": server.url("/stock"), "v:method": "POST"}
    assert "Confirm that it may" in await page.modeler.post("/connectors/rest/try", post, status=409)
    assert not server.seen
    await page.modeler.post("/connectors/rest/try", {**post, "confirmed": "yes"}, status=200)
    assert len(server.seen) == 1


async def test_the_page_takes_json_and_a_provider(start, server, tmp_path):
    file = tmp_path / "providers.yaml"
    file.write_text(PROVIDERS.format(url=server.url("/")))
    page = await start(("rest", "smtp-infosys", "imap"), ZEEBE_CONNECTORS_PROVIDERS=str(file))
    await page.modeler.get("/connectors/rest/try")
    shown = await page.modeler.post("/connectors/rest/try", {"do": "show", "v:connection": "provider"}, status=200)
    assert "<option>erp</option>" in shown
    assert "live, closed for trying" in shown
    form = {
        "do": "run",
        "v:connection": "provider",
        "v:provider": "erp",
        "v:environment": "test",
        "v:url:path": "stock",
        "v:method": "GET",
    }
    assert "The job would complete" in await page.modeler.post("/connectors/rest/try", form, status=200)
    assert server.seen[0].header("authorization") == f"Bearer {CANARY}"
    whole = {"do": "run", "json": '{"inputs": {"url": "' + server.url("/stock") + '", "method": "GET"}}'}
    assert "The job would complete" in await page.modeler.post("/connectors/rest/try", whole, status=200)
    await page.modeler.post("/connectors/rest/try", {"do": "run", "json": "["}, status=400)
    assert 'name="json"' in await page.modeler.get("/connectors/smtp-infosys/try?as=json")
    await page.modeler.get("/connectors/imap/try", status=404)
