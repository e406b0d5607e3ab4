"""The operator's calls for providers: what is shown, who is refused, and that no secured value is in any answer."""

import base64
import json
import os

import aiohttp
import pytest
from tests.admin.serving import served

from zeebe_connectors.connectors.rest.connector import request as rest
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing.servers import HttpServer, Reply

TOKEN = "operator-token-of-the-test"
EDITOR = "editor-token-of-the-test"
CANARY = "canary-4711"
FILE = """\
providers:
  fixed:
    protocol: http
    tags: [orders]
    environments:
      test: {url: "http://fixed.example.com/", authentication: {type: bearer, token: canary-4711-file}}
"""


class Client:
    def __init__(self, session, base):
        self._session, self.base = session, base
        self.texts = []

    async def __call__(self, method, path, given=None, *, etag=None, status=200, token=TOKEN):
        headers = {"Authorization": f"Bearer {token}"} | ({"If-Match": etag} if etag else {})
        async with self._session.request(method, f"{self.base}{path}", json=given, headers=headers) as answer:
            text = await answer.text()
            self.texts.append(text + str(answer.headers))
            assert answer.status == status, text
            return json.loads(text)


@pytest.fixture
async def api(tmp_path, caplog):
    caplog.set_level("DEBUG")
    file = tmp_path / "providers.yaml"
    file.write_text(FILE)
    settings = {
        "ZEEBE_CONNECTORS_ADMIN_TOKEN": TOKEN,
        "ZEEBE_CONNECTORS_ADMIN_EDITOR_TOKEN": EDITOR,
        "ZEEBE_CONNECTORS_PROVIDERS": str(file),
        "ZEEBE_CONNECTORS_PROVIDERS_KEY": base64.b64encode(os.urandom(32)).decode(),
        "ZEEBE_CONNECTORS_ENVIRONMENT": "test",
    }
    async with (
        served(tmp_path / "data", Registry([rest]), works=False, **settings) as found,
        aiohttp.ClientSession() as session,
    ):
        client = Client(session, f"{found.url}/api/providers")
        client.runtime = found.runtime
        yield client
    assert all(CANARY not in text for text in [*client.texts, caplog.text])


def erp(url, **environment):
    login = {"type": "basic", "username": "u", "password": {"value": CANARY}}
    there = {"url": url, "authentication": login, **environment}
    return {"protocol": "http", "tags": ["Orders"], "environments": {"test": there}}


async def test_a_provider_is_made_shown_changed_and_removed(api):
    made = await api("POST", "", {"name": "erp", **erp("http://erp.example.com/")}, status=201)
    password = made["environments"]["test"]["authentication"]["password"]
    assert password["secured"] is True
    assert password["set"] is True
    assert password["changed"].endswith("Z")
    listed = await api("GET", "?tag=orders")
    assert [item["name"] for item in listed["providers"]] == ["erp", "fixed"]
    assert listed["environment"] == "test"
    assert [item["name"] for item in (await api("GET", "?q=ERP"))["providers"]] == ["erp"]
    shown = await api("GET", "/erp")
    again = await api("PUT", "/erp", {**shown, "description": "mine"}, etag=shown["etag"])
    assert again["environments"]["test"]["authentication"]["password"]["set"] is True
    other = await api("PUT", "/erp", {**shown, "description": "theirs"}, etag=shown["etag"], status=412)
    assert other["current"]["description"] == "mine"
    assert other["yours"]["description"] == "theirs"
    await api("PUT", "/erp", shown, status=400)
    await api("POST", "", {"name": "erp", **erp("http://erp.example.com/")}, status=409)
    moved = erp("http://evil.example.org/")
    del moved["environments"]["test"]["authentication"]["password"]
    dropped = await api("PUT", "/erp", moved, etag=again["etag"])
    assert dropped["dropped"] == ["test.authentication.password"]
    changes = (await api("GET", "/erp/history"))["changes"]
    assert [change["who"] for change in changes] == ["operator"] * 3
    await api("DELETE", "/erp", etag=dropped["etag"])
    await api("GET", "/erp", status=404)


async def test_what_the_file_holds_is_locked_and_shown_with_its_line(api):
    shown = await api("GET", "/fixed")
    assert shown["from"]["line"] == 2
    assert shown["environments"]["test"]["authentication"]["token"] == {"secured": True, "set": True}
    locked = await api("PUT", "/fixed", erp("http://x.example.com/"), etag="1", status=409)
    assert "line 2" in locked["message"]
    await api("DELETE", "/fixed", etag="1", status=409)
    await api("POST", "", {"name": "fixed", **erp("http://x.example.com/")}, status=409)


async def test_a_wrong_field_is_named(api):
    wrong = await api("POST", "", {"name": "erp", **erp("ftp://erp.example.com/")}, status=400)
    assert "must begin with http://" in wrong["message"]
    wrong = await api("POST", "", {"name": "erp", **erp("http://erp.example.com/", urll="x")}, status=400)
    assert "did you mean url?" in wrong["message"]


async def test_check_tells_a_refused_login_from_an_answer(api):
    async with HttpServer() as server:
        server.answer("/good/", Reply.json({}))
        server.answer("/bad/", Reply(401, CANARY.encode()))
        for path, verdict in (("/good/", "ok"), ("/bad/", "failed")):
            name = path.strip("/")
            await api("POST", "", {"name": name, **erp(server.url(path))}, status=201)
            found = (await api("POST", f"/{name}/check", {}))["findings"]
            assert found[-1]["verdict"] == verdict, found
            assert found[0]["what"] != "address"  # on this machine, credentials may go without encryption
        assert server.seen[0].header("authorization").startswith("Basic ")


async def test_copying_is_by_choice(api):
    made = await api("POST", "", {"name": "erp", **erp("http://erp.example.com/")}, status=201)
    copied = await api("POST", "/erp/copy", {"from": "test", "to": "live"}, etag=made["etag"])
    assert "password" not in copied["environments"]["live"]["authentication"]
    copied = await api("POST", "/erp/copy", {"from": "test", "to": "live", "secured": True}, etag=copied["etag"])
    assert copied["environments"]["live"]["authentication"]["password"]["set"] is True


async def test_how_rules_are_kept_is_in_the_metrics(api):
    providers = api.runtime.services.providers
    limit = providers.limit(providers.directory.get("fixed"), "test")
    await limit.enter("p", deadline=1e12)
    limit.leave()
    async with (
        aiohttp.ClientSession() as session,
        session.get(api.base.replace("/api/providers", "/metrics")) as answer,
    ):
        assert 'zeebe_connectors_provider_granted_total{environment="test",provider="fixed"} 1.0' in await answer.text()
    assert (await api("GET", "/fixed/now"))["test"]["granted"] == 1


async def test_the_calls_need_the_token(api):
    async with aiohttp.ClientSession() as session:
        for method, path in (("GET", ""), ("POST", ""), ("PUT", "/x"), ("DELETE", "/x"), ("POST", "/x/check")):
            async with session.request(method, f"{api.base}{path}", json={}) as answer:
                assert answer.status == 401


async def test_an_editor_without_the_right_to_secrets_changes_a_host_and_gets_nothing(api):
    """The password is dropped with the change, and nothing that a task then does sends it to the new host."""
    async with HttpServer() as ours, HttpServer() as theirs:
        for server in (ours, theirs):
            server.answer("*", Reply.json({}))
        made = await api("POST", "", {"name": "erp", **erp(ours.url("/"))}, status=201)
        assert (await api("GET", "/erp", token=EDITOR))["environments"]["test"]["authentication"]["password"]["set"]
        documented = {**made, "description": "by the editor"}
        kept = await api("PUT", "/erp", documented, etag=made["etag"], token=EDITOR)
        assert kept["environments"]["test"]["authentication"]["password"]["set"] is True
        moved = erp(theirs.url("/"))
        refused = await api("PUT", "/erp", moved, etag=kept["etag"], token=EDITOR, status=403)
        assert "secured values" in refused["message"]
        del moved["environments"]["test"]["authentication"]["password"]
        for where in (theirs.url("/{{secrets.ERP}}/"), "http://{{secrets.ERP}}.evil.example.org/"):
            named = erp(where)
            del named["environments"]["test"]["authentication"]["password"]
            refused = await api("PUT", "/erp", named, etag=kept["etag"], token=EDITOR, status=403)
            assert "names a secret" in refused["message"]
        copied = {"from": "test", "to": "live", "secured": True}
        await api("POST", "/erp/copy", copied, etag=kept["etag"], token=EDITOR, status=403)
        dropped = await api("PUT", "/erp", moved, etag=kept["etag"], token=EDITOR)
        assert dropped["dropped"] == ["test.authentication.password"]
        assert "password" not in dropped["environments"]["test"]["authentication"]
        await api("POST", "/erp/check", {"environment": "test"}, token=EDITOR, status=403)
        await api("DELETE", "/erp", etag=dropped["etag"], token=EDITOR, status=403)
        await api("POST", "/erp/check", {"environment": "test"})
        assert theirs.seen, "the operator's check calls the new host"
        sent = {seen.header("authorization") for seen in theirs.seen}
        assert sent <= {None, "Basic dTo="}, "the login without any password"
        assert [change["who"] for change in (await api("GET", "/erp/history"))["changes"]] == [
            "editor", "editor", "operator",
        ]  # fmt: skip


async def test_a_secret_in_an_address_is_not_moved_by_an_editor(api):
    """Also where it was there before, as a name that is no secured value."""
    there = {"protocol": "http", "environments": {"test": {"url": "http://erp.example.com/{{secrets.TENANT}}/"}}}
    made = await api("POST", "", {"name": "erp", **there}, status=201)
    fine = await api("PUT", "/erp", {**made, "tags": ["mine"]}, etag=made["etag"], token=EDITOR)
    there["environments"]["test"]["url"] = "http://evil.example.org/{{secrets.TENANT}}/"
    await api("PUT", "/erp", there, etag=fine["etag"], token=EDITOR, status=403)
    await api("PUT", "/erp", there, etag=fine["etag"])


async def test_a_name_that_no_provider_has_is_answered_as_such(api):
    """With the nearest one; not as if the call did not exist."""
    for method, path, body in (("GET", "/fixd", None), ("GET", "/fixd/now", None), ("POST", "/fixd/check", {})):
        answer = await api(method, path, body, status=404)
        assert (answer["code"], "did you mean fixed?" in answer["message"]) == ("PROVIDER_UNKNOWN", True)
    answer = await api("POST", "/fixed/check", {"environment": "tset"}, status=400)
    assert answer["message"] == "environment: fixed has no environment 'tset'; it has test"


@pytest.mark.parametrize("name", ["password", "clientSecret", "privateKey", "keystorePassword"])
async def test_a_credential_among_options_is_refused(api, name):
    """It would be stored in clear and shown to everybody."""
    wrong = await api("POST", "", {"name": "erp", **erp("http://erp.example.com/", options={name: CANARY})}, status=400)
    assert f"options: {name}: options are not secured; move it to " in wrong["message"]


async def test_a_broken_row_is_shown_with_its_problem_and_can_be_deleted(api):
    await api("POST", "", {"name": "erp", **erp("http://erp.example.com/")}, status=201)
    await api.runtime.store.write(lambda do: do.change("UPDATE providers SET document = '{', version = 2", {}))
    shown = await api("GET", "/erp")
    assert "is not JSON; delete it" in shown["problem"]
    site = api.base.removesuffix("/api/providers")
    async with aiohttp.ClientSession(site, cookie_jar=aiohttp.CookieJar(unsafe=True)) as page:
        await page.post("/signin", data={"token": TOKEN, "to": "/"})
        for path, status in {"/providers/erp": 200, "/providers/erp/copy": 404, "/providers/%2Ball.yaml": 200}.items():
            async with page.get(path) as answer:
                assert answer.status == status, path
                assert path != "/providers/erp" or "is not JSON; delete it" in await answer.text()
    await api("DELETE", "/erp", etag=shown["etag"])
    await api("GET", "/erp", status=404)
