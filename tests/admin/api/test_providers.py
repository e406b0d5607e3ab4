"""The providers on the page: what is shown to whom, what a form changes, and that no secured value ever comes out."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from tests.admin.api.conftest import CANARY

from zeebe_connectors.admin.page import provider_form
from zeebe_connectors.config.providers import ProviderError
from zeebe_connectors.testing.servers import HttpServer, Reply

FILE = """\
providers:
  fixed:
    protocol: http
    tags: [orders]
    environments:
      test: {url: "http://fixed.example.com/", authentication: {type: bearer, token: CANARY-5eCr3t-0815-file}}
"""


def erp(url: str = "http://erp.example.com/", **more: Any) -> dict[str, Any]:
    login = {"type": "basic", "username": "user-of-erp", "password": {"value": CANARY}}
    environment = {"url": url, "authentication": login}
    return {
        "name": "erp",
        "protocol": "http",
        "tags": ["orders", "finance"],
        "environments": {"test": environment},
        **more,
    }


@pytest.fixture
async def page(start, tmp_path):
    file = tmp_path / "providers.yaml"
    file.write_text(FILE)
    return await start(("rest",), ZEEBE_CONNECTORS_PROVIDERS=str(file), ZEEBE_CONNECTORS_ENVIRONMENT="live")


def inputs(text: str) -> bool:
    return 'name="f:' in text or 'name="s:' in text


async def form_of(page, name: str = "erp") -> dict[str, Any]:
    await page.operator.get(f"/providers/{name}")
    shown = await page.operator.call("GET", f"/providers/{name}")
    return {"version": shown["etag"]}


async def test_without_any_provider_the_page_says_what_they_are_for(start):
    page = await start(("rest",))
    assert "There is no provider yet" in await page.viewer.get("/providers")
    assert "+new" not in await page.viewer.get("/providers")
    assert "+new" in await page.operator.get("/providers")


async def test_the_list_is_searched_by_tag_and_word(page):
    await page.operator.call("POST", "/providers", erp(), status=201)
    everything = await page.viewer.get("/providers")
    assert everything.index("/providers/erp") < everything.index("/providers/fixed")
    assert "line 2" in everything
    finance = await page.viewer.get("/providers?tag=finance")
    assert '/providers/erp"' in finance
    assert '/providers/fixed"' not in finance
    assert "No provider fits" in await page.viewer.get("/providers?q=nobody")


async def test_a_thousand_are_cut_into_pages(start, tmp_path):
    file = tmp_path / "providers.yaml"
    one = '  p{:04}: {{protocol: http, environments: {{live: {{url: "http://h.example.com/"}}}}}}\n'
    file.write_text("providers:\n" + "".join(one.format(i) for i in range(1000)))
    page = await start(("rest",), ZEEBE_CONNECTORS_PROVIDERS=str(file))
    text = await page.viewer.get("/providers")
    assert "50 of 1,000" in text
    assert "after=p0049" in text
    assert "/providers/p0050" in await page.viewer.get("/providers?after=p0049")


async def test_what_the_file_holds_has_its_line_and_no_inputs(page):
    text = await page.operator.get("/providers/fixed")
    assert "line 2" in text
    assert "Secured, set" in text
    assert not inputs(text)
    assert "/fixed/delete" not in text
    await page.operator.get("/providers/+new")
    assert "line 2" in await page.operator.post("/providers/fixed", {"description": "x"}, status=409)
    assert "line 2" in await page.operator.post("/providers/fixed/delete", {"typed": "fixed"}, status=409)


async def test_only_operators_may_change(page):
    await page.operator.call("POST", "/providers", erp(), status=201)
    for browser in (page.viewer, page.modeler):
        text = await browser.get("/providers/erp")
        assert not inputs(text)
        assert "http://erp.example.com/" in text
        browser.form_token = browser.form_token or "x"
        for path in (
            "/providers",
            "/providers/erp",
            "/providers/erp/copy",
            "/providers/erp/delete",
            "/providers/erp/check",
        ):
            await browser.post(path, {"description": "mine"}, status=403)
    assert (await page.operator.call("GET", "/providers/erp")).get("description") is None


async def test_a_provider_is_made_filled_in_and_deleted(page):
    await page.operator.get("/providers/+new")
    given = {"name": "erp", "protocol": "https", "environment": "test", "address": "ftp://x"}
    wrong = await page.operator.post("/providers", given, status=400)
    assert "must begin with https://" in wrong
    assert 'value="erp"' in wrong
    made = {**given, "address": "https://erp.example.com/", "authentication": "basic"}
    assert await page.operator.post("/providers", made) == "/providers/erp"
    assert "There is" not in await page.operator.get("/providers/erp")
    assert "there is a provider named erp" in await page.operator.post("/providers", made, status=400)
    form = {
        "version": "1",
        "tags": "orders, mine",
        "f:test:authentication.username": "alice",
        "s:test:authentication.password": CANARY,
        "has_rules": "1",
        "rules_enabled": "on",
        "rules.minDelayMs": "200",
        "rules.maxPerSecond": "2.5",
        "has_active": "1",
        "active": "on",
    }
    assert await page.operator.post("/providers/erp", form) == "/providers/erp"
    shown = await page.operator.call("GET", "/providers/erp")
    assert shown["tags"] == ["orders", "mine"]
    assert shown["rules"] == {"minDelayMs": 200, "maxPerSecond": 2.5}
    login = shown["environments"]["test"]["authentication"]
    assert login["username"] == "alice"
    assert login["password"]["set"] is True
    known = page.runtime.services.providers.directory.all()["erp"]
    assert known.provider.environments["test"].authentication["password"].reveal() == CANARY
    text = await page.operator.get("/providers/erp")
    assert "Secured, set" in text
    assert "set test.authentication.password" in text
    ask = await page.operator.get("/providers/erp/delete")
    assert "Nothing has used it" in ask
    await page.operator.post("/providers/erp/delete", {"typed": "erb", "version": shown["etag"]}, status=400)
    gone = await page.operator.post("/providers/erp/delete", {"typed": "erp", "version": shown["etag"]})
    assert gone == "/providers"
    await page.operator.get("/providers/erp", status=404)


async def test_blank_keeps_a_secured_value_and_remove_takes_it(page):
    await page.operator.call("POST", "/providers", erp(), status=201)
    form = await form_of(page)
    await page.operator.post("/providers/erp", {**form, "s:test:authentication.password": "", "description": "one"})
    shown = await page.operator.call("GET", "/providers/erp")
    assert shown["environments"]["test"]["authentication"]["password"]["set"] is True
    form = {"version": shown["etag"], "s:test:authentication.password": "", "r:test:authentication.password": "yes"}
    await page.operator.post("/providers/erp", form)
    shown = await page.operator.call("GET", "/providers/erp")
    assert "password" not in shown["environments"]["test"]["authentication"]


async def test_who_is_overtaken_sees_both_values_and_may_save_again(page):
    await page.operator.call("POST", "/providers", erp(), status=201)
    form = await form_of(page)
    await page.operator.post("/providers/erp", {**form, "description": "theirs-4711"})
    mine = {**form, "description": "mine-4712", "s:test:authentication.password": CANARY + "x"}
    both = await page.operator.post("/providers/erp", mine, status=412)
    assert "theirs-4711" in both
    assert "mine-4712" in both
    assert 'name="version" value="2"' in both
    await page.operator.post("/providers/erp", {"version": "2", "description": "mine-4712"})
    assert (await page.operator.call("GET", "/providers/erp"))["description"] == "mine-4712"


async def test_what_is_in_force_is_changed_only_by_who_says_so(page):
    both = erp()
    both["environments"]["live"] = {"url": "http://live.example.com/"}
    await page.operator.call("POST", "/providers", both, status=201)
    form = await form_of(page)
    moved = {**form, "f:live:url": "http://other.example.com/"}
    refused = await page.operator.post("/providers/erp", moved, status=400)
    assert "in force here" in refused
    assert 'value="http://other.example.com/"' in refused
    shown = await page.operator.call("GET", "/providers/erp")
    assert shown["environments"]["live"]["url"] == "http://live.example.com/"
    await page.operator.post("/providers/erp", {**form, "f:test:url": "http://test.example.com/"})
    form = await form_of(page)
    await page.operator.post("/providers/erp", {**form, "f:live:url": "http://other.example.com/", "sure": "yes"})
    shown = await page.operator.call("GET", "/providers/erp")
    assert shown["environments"]["live"]["url"] == "http://other.example.com/"
    whole = {**await form_of(page), "has_active": "1", "active": "on", "description": "Its words"}
    await page.operator.post("/providers/erp", whole)  # which changes no environment
    assert "changed description<" in re.sub(r"</?bdi>", "", await page.operator.get("/providers/erp")).replace(
        " <", "<"
    )


async def test_copying_shows_what_changes_and_takes_secured_values_only_when_asked(page):
    both = erp()
    both["environments"]["live"] = {"url": "http://live.example.com/"}
    await page.operator.call("POST", "/providers", both, status=201)
    ask = await page.operator.get("/providers/erp/copy?from=test&to=live")
    assert "http://live.example.com/" in ask
    assert "user-of-erp" in ask
    shown = await page.operator.call("GET", "/providers/erp")
    form = {"version": shown["etag"], "from": "test", "to": "live"}
    assert "in force here" in await page.operator.post("/providers/erp/copy", form, status=400)
    await page.operator.post("/providers/erp/copy", {**form, "sure": "yes"})
    shown = await page.operator.call("GET", "/providers/erp")
    assert shown["environments"]["live"]["url"] == "http://erp.example.com/"
    assert "password" not in shown["environments"]["live"]["authentication"]
    form = {"version": shown["etag"], "from": "test", "to": "fresh", "secured": "yes"}
    await page.operator.post("/providers/erp/copy", form)
    shown = await page.operator.call("GET", "/providers/erp")
    assert shown["environments"]["fresh"]["authentication"]["password"]["set"] is True
    form["version"] = "1"
    await page.operator.post("/providers/erp/copy", form, status=412)


async def test_a_check_says_what_was_found(page):
    async with HttpServer() as server:
        server.answer("/", Reply(401, CANARY.encode()))
        await page.operator.call("POST", "/providers", erp(server.url("/")), status=201)
        await page.operator.get("/providers/erp")
        text = await page.operator.post("/providers/erp/check", {"environment": "test"}, status=200)
        assert "What the check of test found" in text
        assert ">login<" in text
        assert server.seen
    await page.operator.post("/providers/erp/check", {"environment": "nowhere"}, status=400)


async def test_a_form_of_another_session_is_refused(page):
    await page.operator.call("POST", "/providers", erp(), status=201)
    await page.viewer.get("/providers/erp")
    await page.operator.post("/providers/erp", {"version": "1", "description": "x"}, status=403, form_token="wrong")


async def test_what_comes_from_outside_is_escaped_however_long(page):
    long = "x" * 10_000
    given = erp(description=f"<script>alert(1)</script>{long}", tags=["<b>bold"])
    await page.operator.call("POST", "/providers", given, status=201)
    for text in (await page.operator.get("/providers/erp"), await page.viewer.get("/providers")):
        assert "<script>alert" not in text
        assert "<b>bold" not in text


def test_a_form_does_not_reach_secured_fields_by_another_name():
    before = {"protocol": "http", "environments": {"test": {"url": "http://x.example.com/"}}}
    for form in (
        {"f:test:authentication.password": ["x"]},
        {"more:test": ["authentication.token=x"]},
        {"more:test": ["nothing"]},
        {"rest": ["{"]},
        {"rest": ['{"environments": {}}']},
    ):
        with pytest.raises(ProviderError):
            provider_form.sent(form, before)
    found = provider_form.sent({"more:test": ["options.folder=/in"], "f:test:port": ["8080"]}, before)
    assert found.document["environments"]["test"]["options"] == {"folder": "/in"}
    assert found.document["environments"]["test"]["port"] == 8080
    assert found.environments == {"test"}
    assert before == {"protocol": "http", "environments": {"test": {"url": "http://x.example.com/"}}}


async def test_a_path_is_shown_beside_a_keystore_that_is_secured(page):
    """One environment has the keystore itself in the field, the other the path of its file."""
    keystore = "MIIKc2VjcmV0" * 40
    environments = {
        name: {"url": f"http://{name}.example.com/", "tls": {"keystoreLocation": location}}
        for name, location in (("test", keystore), ("live", "/keys/live.p12"))
    }
    given = {"name": "signed", "protocol": "http", "environments": environments}
    await page.operator.call("POST", "/providers", given, status=201)
    text = await page.operator.get("/providers/signed")
    assert keystore not in text
    field = "tls.keystoreLocation"
    assert f'name="s:test:{field}"' in text
    assert f'name="f:live:{field}"' in text
    assert 'value="/keys/live.p12"' in text
    text = await page.operator.get("/providers/signed/copy?from=live&to=test")
    assert "/keys/live.p12" in text


async def test_providers_are_downloaded_as_yaml_without_secured_values(page):
    await page.operator.call("POST", "/providers", erp(), status=201)
    whole = yaml.safe_load(await page.viewer.get("/providers/+all.yaml"))["providers"]
    assert sorted(whole) == ["erp", "fixed"]
    login = whole["erp"]["environments"]["test"]["authentication"]
    assert login == {"type": "basic", "username": "user-of-erp", "password": "{{secrets.ERP_TEST_PASSWORD}}"}
    for name in whole:
        text = await page.viewer.get(f"/providers/{name}/provider.yaml")
        assert yaml.safe_load(text) == {"providers": {name: whole[name]}}
        assert f'href="/providers/{name}/provider.yaml"' in await page.viewer.get(f"/providers/{name}")
    await page.viewer.get("/providers/none/provider.yaml", status=404)


@pytest.mark.parametrize(
    ("protocol", "address", "kind", "plain", "secured"),
    [
        ("coaps", "gateway.example.com", "psk", "identity", "key"),
        ("sftp", "files.example.com", "key", "username", "passphrase"),
        ("imaps", "imap.example.com", "refreshToken", "oauthTokenEndpoint", "refreshToken"),
        ("smtp", "smtp.example.com", "token", "username", "token"),
        ("database", "jdbc:mariadb://db.example.com/orders", "basic", "username", "password"),
    ],
)
async def test_each_protocol_has_the_logins_of_its_connectors(page, protocol, address, kind, plain, secured):
    """With all their fields; a secured one can be set nowhere else on the page."""
    await page.operator.get("/providers/+new")
    given = {"name": "it", "protocol": protocol, "environment": "test", "address": address}
    assert await page.operator.post("/providers", given) == "/providers/it"
    assert f'<option value="{kind}"' in await page.operator.get("/providers/it")
    await page.operator.post("/providers/it", {"version": "1", "f:test:authentication.type": kind})
    text = await page.operator.get("/providers/it")
    assert f'name="f:test:authentication.{plain}"' in text
    assert f'name="s:test:authentication.{secured}"' in text
    form = {"version": "2", f"f:test:authentication.{plain}": "https://x", f"s:test:authentication.{secured}": CANARY}
    assert await page.operator.post("/providers/it", form) == "/providers/it"
    login = (await page.operator.call("GET", "/providers/it"))["environments"]["test"]["authentication"]
    assert (login["type"], login[plain], login[secured]["set"]) == (kind, "https://x", True)


async def test_a_login_that_no_connector_offers_is_refused(page):
    await page.operator.get("/providers/+new")
    given = {"name": "it", "protocol": "coaps", "environment": "test", "address": "h.example.com"}
    wrong = await page.operator.post("/providers", {**given, "authentication": "aws"}, status=400)
    assert "is not offered for coaps; choose one of: Identity and key (coaps)" in wrong
