"""The operator's API: with the token only, from no other site, few calls at once, each with an end, and no secrets."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.admin.serving import served
from tests.servers.soap import SoapServer
from tests.waiting import until

from zeebe_connectors.admin.server import AdminServer
from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.templates.rules import broken_rules
from zeebe_connectors.testing.servers import ImapServer, Pop3Server, Reply, message

TOKEN = "operators-token-of-32-characters"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
WSDLS = Path(__file__).parent.parent / "connectors" / "soap" / "wsdl"
PASSWORD = "CANARY-5eCr3t"
SOURCES = """
[orders]
type = "io.camunda:connector-email-inbound:1"
message = "order"
activationCondition = '=contains(subject, "order")'
correlationKeyExpression = "=fromAddress"
resultExpression = "={{subject: subject}}"
authentication.type = "simple"
authentication.username = "alice@example.test"
authentication.password = "{{{{secrets.MAIL}}}}"
data.pollingConfigDiscriminator = "allPollingConfig"
data.imapConfig.imapHost = "127.0.0.1"
data.imapConfig.imapPort = {imap}
data.imapConfig.imapCryptographicProtocol = "NONE"

["old box#1"]
type = "io.github.zeebe-connectors:pop3-inbound:1"
process = "start"
resultExpression = "={{from: fromAddress, body: text, files: attachments}}"
authentication.type = "simple"
authentication.username = "alice@example.test"
authentication.password = "{{{{secrets.MAIL}}}}"
host = "127.0.0.1"
port = {pop3}
security = "none"
remove = true
"""


class Running:
    """A runtime with its page, and calls of its API."""

    def __init__(self, runtime: Runtime, server: AdminServer, session: aiohttp.ClientSession) -> None:
        self.runtime, self.server, self.session = runtime, server, session

    async def __call__(self, path: str, body: Any = None, *, headers: Any = None, **more: Any) -> tuple[int, Any]:
        method = "GET" if body is None and not more else "POST"
        options = more or ({} if body is None else {"json": body})
        shown = AUTHORIZED if headers is None else headers
        async with self.session.request(method, path, headers=shown, **options) as response:
            text = await response.text()
            assert PASSWORD not in text
            assert response.headers["Cache-Control"] == "no-store"
            return response.status, json.loads(text)


@pytest.fixture
async def start(tmp_path):
    async with contextlib.AsyncExitStack() as stack:

        async def started(limits: Any = None, **settings: str) -> Running:
            given = {"ZEEBE_CONNECTORS_ADMIN_TOKEN": TOKEN, "SECRET_MAIL": PASSWORD} | settings
            registry = Registry.installed(["soap", "imap", "pop3", "graphql"])
            found = await stack.enter_async_context(served(tmp_path, registry, limits=limits, **given))
            session = await stack.enter_async_context(aiohttp.ClientSession(found.url))
            return Running(found.runtime, found.server, session)

        yield started


@pytest.fixture
async def service():
    async with SoapServer() as server:
        for file in (*WSDLS.glob("*.wsdl"), *(WSDLS / "wcf").iterdir(), *(WSDLS / "refused").iterdir()):
            server.answer(f"/{file.name}", Reply(200, file.read_bytes(), [("Content-Type", "text/xml")]))
        yield server


# Who may call


async def test_without_a_token_there_is_no_api(start):
    running = await start(ZEEBE_CONNECTORS_ADMIN_TOKEN="")
    for path, body in (("/api/sources", None), ("/api/soap/inspect", {}), ("/api/x", {})):
        status, shown = await running(path, body)
        assert (status, shown["code"]) == (404, "API_DISABLED")
        assert "ZEEBE_CONNECTORS_ADMIN_TOKEN" in shown["message"]
    async with running.session.get("/metrics") as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "given", [None, "Bearer", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer \udcff"]
)
async def test_a_wrong_token_is_refused_before_anything_is_read(start, service, given):
    running = await start()
    headers = {} if given is None else {"Authorization": given}
    status, shown = await running("/api/soap/inspect", {"wsdl": service.url("/dotnet-asmx.wsdl")}, headers=headers)
    assert (status, shown["code"]) == (401, "UNAUTHORIZED")
    assert service.seen == []


def test_a_short_token_stops_the_start():
    with pytest.raises(SettingsError, match=r"ZEEBE_CONNECTORS_ADMIN_TOKEN.*at least 16") as caught:
        Settings.read(Environment(("test", {"ZEEBE_CONNECTORS_ADMIN_TOKEN": "fifteen-letters"})))
    assert "fifteen" not in str(caught.value)
    assert TOKEN not in repr(Settings.read(Environment(("test", {"ZEEBE_CONNECTORS_ADMIN_TOKEN": TOKEN}))))


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "evil.example"}, "HOST_UNKNOWN"),
        ({"Host": "localhost.evil.example:80"}, "HOST_UNKNOWN"),
        ({"Host": ""}, "HOST_UNKNOWN"),
        ({"Host": "[::1"}, "HOST_UNKNOWN"),
        ({"Origin": "http://["}, "CROSS_SITE"),
        ({"Origin": "https://evil.example"}, "CROSS_SITE"),
        ({"Origin": "null"}, "CROSS_SITE"),
        ({"Sec-Fetch-Site": "cross-site"}, "CROSS_SITE"),
        ({"Sec-Fetch-Site": "same-site"}, "CROSS_SITE"),
    ],
)
async def test_other_sites_pages_are_refused_even_with_the_token(start, headers, code):
    running = await start()
    status, shown = await running("/api/sources", headers={**AUTHORIZED, **headers})
    assert (status, shown["code"]) == (403, code)


@pytest.mark.parametrize("host", ["localhost:1", "[::1]:8080", "10.1.2.3", "Connectors.Example:8080"])
async def test_its_own_names_are_served(start, host):
    running = await start(ZEEBE_CONNECTORS_ADMIN_HOSTS="connectors.example")
    origin = {"Origin": f"https://{host}", "Sec-Fetch-Site": "same-origin"}
    assert (await running("/api/sources", headers={**AUTHORIZED, "Host": host, **origin}))[0] == 200


@pytest.mark.parametrize(
    ("path", "options", "status", "code"),
    [
        ("/api/soap/inspect", {"data": b"{}"}, 415, "NOT_JSON"),
        ("/api/soap/inspect", {"data": {"wsdl": "x"}}, 415, "NOT_JSON"),
        ("/api/soap/inspect", {"json": []}, 400, "NOT_JSON"),
        ("/api/soap/inspect", {"json": {}}, 400, None),
        ("/api/soap/inspect", {"json": {"wsdl": 7, "presets": "x"}}, 400, None),
        ("/api/soap/import", {"json": {"text": "<a/>"}}, 400, None),
        ("/api/graphql/import", {"json": {"wsdl": "x"}}, 404, "NOT_FOUND"),
        ("/api/sources/nothing/test", {"json": {}}, 404, "NOT_FOUND"),
        ("/api/sources/nothing/test", {"json": {"hours": 0}}, 400, None),
        ("/api/sources", {"json": {}}, 405, "METHOD_NOT_ALLOWED"),
        ("/api/a/b/c", {"json": {}}, 404, "NOT_FOUND"),
    ],
)
async def test_wrong_calls_are_reported(start, path, options, status, code):
    running = await start()
    answer = await running(path, **options)
    assert answer[0] == status
    assert answer[1]["code"] == code or code is None
    assert answer[1]["message"]


@pytest.mark.parametrize("text", [b"{", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_json_is_reported(start, text):
    running = await start()
    headers = {**AUTHORIZED, "Content-Type": "application/json"}
    assert await running("/api/soap/inspect", data=text, headers=headers) == (
        400,
        {"code": "NOT_JSON", "message": "The body is not JSON"},
    )


async def test_a_body_is_bounded(start):
    running = await start({"max_bytes": 10_000})
    status, shown = await running("/api/soap/inspect", {"text": "x" * 20_000})
    assert (status, shown["code"]) == (413, "TOO_LARGE")


async def test_a_body_that_does_not_come_ends(start):
    running = await start({"seconds": 0.5})

    async def slow():
        yield b"{"
        await asyncio.sleep(5)

    headers = {**AUTHORIZED, "Content-Type": "application/json"}
    assert (await running("/api/soap/inspect", data=slow(), headers=headers))[0] == 504


async def test_a_large_wsdl_fits_in(start):
    """More than the server takes in its own calls."""
    running = await start()
    text = json.dumps({"text": (WSDLS / "delphi.wsdl").read_text() + " " * 2_000_000})
    headers = {**AUTHORIZED, "Content-Type": "application/json"}
    assert (await running("/api/soap/inspect", data=io.BytesIO(text.encode()), headers=headers))[0] == 200


# WSDLs


async def test_a_wsdl_is_inspected_and_imported(start, service):
    """From an address: what it offers, and a template that keeps the rules."""
    running = await start()
    given = {"wsdl": service.url("/dotnet-asmx.wsdl")}
    status, found = await running("/api/soap/inspect", given)
    assert status == 200
    assert [item["operation"] for item in found["operations"]] == ["PlaceOrder"]
    assert found["operations"][0]["input"]["express"] == "true or false"
    assert found["operations"][0]["sample"]["order"]["Status"] == "New"
    assert found["skipped"] == ["port OrdersHttpGet: does not speak SOAP"]
    presets = {"express": {"mode": "fixed", "value": True}}
    wanted = {**given, "operations": ["PlaceOrder"], "name": "Place it", "presets": presets}
    status, made = await running("/api/soap/import", wanted)
    assert status == 200
    (one,) = made["templates"]
    assert one["file"] == "soap-orders-place-order.json"
    assert one["template"]["name"] == "Place it"
    assert broken_rules(one["template"]) == []
    values = {item.get("id"): item.get("value") for item in one["template"]["properties"]}
    assert values["body.wsdl"] == given["wsdl"]
    assert values["body.input.express"] == "=true"


async def test_a_wsdl_is_given_as_text(start):
    running = await start()
    text = (WSDLS / "java-headers.wsdl").read_text()
    status, found = await running("/api/soap/inspect", {"text": text})
    assert status == 200
    assert list(found["operations"][0]["headers"]) == ["Session", "Priority"]
    status, made = await running("/api/soap/import", {"text": text, "wsdlAddress": "https://example.com/?wsdl"})
    values = {item.get("id"): item.get("value") for item in made["templates"][0]["template"]["properties"]}
    assert values["body.wsdl"] == "https://example.com/?wsdl"
    status, shown = await running("/api/soap/import", {"text": text})
    assert (status, "wsdlAddress" in shown["message"]) == (400, True)


@pytest.mark.parametrize(
    ("given", "status", "code", "shown"),
    [
        ({"wsdl": "{}/cut-off.wsdl"}, 422, "SOAP_WSDL_INVALID", "line 4"),
        ({"wsdl": "{}/external-entity.wsdl"}, 422, "SOAP_WSDL_INVALID", "DOCTYPE"),
        ({"wsdl": "{}/other-host.wsdl"}, 422, "SOAP_WSDL_INVALID", "169.254.169.254"),
        ({"wsdl": "{}/gone.wsdl"}, 502, "SOAP_WSDL_UNREACHABLE", "404"),
        ({"wsdl": "http://127.0.0.1:1/"}, 502, "SOAP_WSDL_UNREACHABLE", "127.0.0.1:1"),
        ({"wsdl": "/etc/passwd"}, 400, "FILE_FORBIDDEN", "ZEEBE_CONNECTORS_FILES"),
        ({"wsdl": "file:///etc/passwd"}, 400, "FILE_FORBIDDEN", "ZEEBE_CONNECTORS_FILES"),
        ({"wsdl": "{}/dotnet-asmx.wsdl", "operations": ["Cancel"]}, 400, None, "only PlaceOrder"),
        ({"wsdl": "{}/dotnet-asmx.wsdl", "presets": {"x": {}}}, 400, None, "presets.x: PlaceOrder has no such input"),
        ({"text": "<x/>", "wsdlAddress": "a"}, 422, "SOAP_WSDL_INVALID", "neither WSDL nor schema"),
    ],
)
async def test_what_is_wrong_with_a_wsdl_is_reported(start, service, given, status, code, shown):
    running = await start()
    given = {name: value.replace("{}", service.url("")) if name == "wsdl" else value for name, value in given.items()}
    answer = await running("/api/soap/import", given)
    assert answer[0] == status, answer
    assert answer[1]["code"] == code or code is None
    assert shown in answer[1]["message"]


async def test_text_imports_nothing_whose_place_is_not_known(start):
    running = await start()
    status, shown = await running(
        "/api/soap/inspect", {"text": (WSDLS / "refused" / "missing-import.wsdl").read_text()}
    )
    assert (status, shown["code"]) == (422, "SOAP_WSDL_INVALID")
    assert "give its address as well" in shown["message"]


async def test_the_operators_network_rules_hold(start, service):
    running = await start(CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ENABLED="true")
    status, shown = await running("/api/soap/inspect", {"wsdl": service.url("/dotnet-asmx.wsdl")})
    assert (status, shown["code"]) == (400, "HOST_FORBIDDEN")
    assert service.seen == []


async def test_a_connector_that_the_operator_switched_off_imports_nothing(start):
    running = await start(CONNECTOR_OUTBOUND_DISABLED="soap")
    assert (await running("/api/soap/inspect", {"wsdl": "http://127.0.0.1:1/"}))[0] == 404


async def test_no_secret_is_put_into_a_call(start, service):
    """Placeholders stay text: whoever has the token does not have the secrets."""
    running = await start()
    service.answer("/closed.wsdl", Reply(401, b"", [("WWW-Authenticate", "Basic")]))
    given = {"wsdl": service.url("/closed.wsdl"), "username": "u", "password": "{{secrets.MAIL}}"}
    assert (await running("/api/soap/inspect", given))[0] == 502
    assert all(PASSWORD not in str(seen.headers) for seen in service.seen)


async def test_calls_end_and_few_run_at_once(start, service):
    """A server that never answers holds two calls at most, and those not for ever."""
    held, waiting = asyncio.Event(), 0

    async def silent(_):
        nonlocal waiting
        waiting += 1
        if waiting == 2:
            held.set()
        await asyncio.sleep(60)

    service.answer("/silent.wsdl", silent)
    running = await start({"seconds": 4.0})
    given = {"wsdl": service.url("/silent.wsdl")}
    assert (await running("/api/soap/inspect", {"wsdl": service.url("/delphi.wsdl")}))[0] == 200  # all is loaded now
    first = [asyncio.create_task(running("/api/soap/inspect", given)) for _ in range(2)]
    await held.wait()
    status, shown = await running("/api/soap/inspect", given)
    assert (status, shown["code"]) == (429, "BUSY")
    assert (await running("/api/sources"))[0] == 200
    for status, shown in await asyncio.gather(*first):
        assert status in {502, 504}
        assert shown["code"] in {"SOAP_WSDL_UNREACHABLE", "TIMEOUT"}
    assert (await running("/api/soap/inspect", {"text": (WSDLS / "delphi.wsdl").read_text()}))[0] == 200


async def test_a_call_that_is_under_way_does_not_keep_the_runtime_from_ending(start, service):
    """It has a minute otherwise, in which the orchestrator kills the process."""
    held = asyncio.Event()

    async def silent(_):
        held.set()
        await asyncio.sleep(60)

    service.answer("/silent.wsdl", silent)
    running = await start()
    call = asyncio.create_task(running("/api/soap/inspect", {"wsdl": service.url("/silent.wsdl")}))
    await held.wait()
    began = time.monotonic()
    await running.server.aclose()
    assert time.monotonic() - began < 10
    with contextlib.suppress(aiohttp.ClientError):
        await call


# Sources


@pytest.fixture
async def mailboxes(start, tmp_path):
    async with ImapServer() as imap, Pop3Server() as pop3:
        imap.users = {"alice@example.test": PASSWORD}
        pop3.users = {"alice@example.test": PASSWORD}
        (tmp_path / "sources.toml").write_text(SOURCES.format(imap=imap.port, pop3=pop3.port))
        running = await start(ZEEBE_CONNECTORS_SOURCES=str(tmp_path / "sources.toml"))
        watches = running.runtime.sources.watches
        await until(lambda: [watch.status for watch in watches.values()] == ["UP", "UP"], within=20)
        yield running, imap, pop3


async def test_sources_are_listed(mailboxes):
    running, _, _ = mailboxes
    status, found = await running("/api/sources")
    assert status == 200
    assert [(source["name"], source["test"], source["status"]) for source in found["sources"]] == [
        ("orders", True, "UP"),
        ("start#old box#1", True, "UP"),
    ]
    assert found["problems"] == []


async def test_an_imap_source_is_tested_without_touching_it(mailboxes):
    """What it would hand over and what it has; no mail is marked, moved or handed over by the test."""
    running, imap, _ = mailboxes
    now = datetime.now(UTC).strftime("%d-%b-%Y %H:%M:%S +0000")
    imap.deliver(message("order 1"), date=now)
    async with asyncio.timeout(20):
        while True:
            _, found = await running("/api/sources/orders/test", {"hours": 1})
            if [row["processed"] for row in found["rows"]] == [True]:
                break
            await asyncio.sleep(0.05)
    shown = len(running.runtime.gateway.commands)
    await running.runtime.sources.watches["orders"].stop(5)
    imap.deliver(message("order 2"), date=now)
    imap.deliver(message("order of old"), date="01-Jan-2020 00:00:00 +0000")
    flags = [set(mail.flags) for mail in imap.folders["INBOX"].messages]
    status, found = await running("/api/sources/orders/test", {"hours": 1})
    assert status == 200
    assert [(row["title"], row["processed"]) for row in found["rows"]] == [("order 2", False), ("order 1", True)]
    assert found["rows"][0]["variables"] == {"subject": "order 2"}
    assert found["rows"][0]["verdict"] == "publishes 'order' with key 'ann@example.test'"
    assert found["more"] is False
    assert [set(mail.flags) for mail in imap.folders["INBOX"].messages] == flags
    assert len(running.runtime.gateway.commands) == shown


async def test_a_pop3_source_is_tested_without_touching_it(mailboxes):
    """Its newest mails first, by their own dates, read without RETR and not deleted."""
    running, _, pop3 = mailboxes
    (name,) = [name for name in running.runtime.sources.watches if name != "orders"]
    await running.runtime.sources.watches[name].stop(5)
    pop3.commands.clear()
    date = format_datetime(datetime.now(UTC)).encode()
    for number in range(3):
        pop3.mails[f"u{number}"] = b"Date: " + date + b"\r\n" + message(f"mail {number}", body=f"body {number}\r\n")
    pop3.mails["old"] = b"Date: Wed, 01 Jan 2020 00:00:00 +0000\r\n" + message("old")
    quoted = "start%23old%20box%231"
    status, found = await running(f"/api/sources/{quoted}/test", {})
    assert status == 200, found
    assert [row["title"] for row in found["rows"]] == ["mail 2", "mail 1", "mail 0"]
    assert found["rows"][0]["variables"]["body"].strip() == "body 2"
    assert found["rows"][0]["verdict"] == "starts start"
    assert len(pop3.mails) == 4
    assert not [command for command in pop3.commands if command.startswith(("RETR", "DELE"))]
    assert pop3.commands[-1] == "QUIT"


async def test_a_source_that_cannot_be_reached_is_reported_without_its_password(mailboxes):
    running, imap, _ = mailboxes
    await running.runtime.sources.watches["orders"].stop(5)
    imap.users = {"alice@example.test": "changed"}
    status, shown = await running("/api/sources/orders/test", {})
    assert (status, shown["code"]) == (422, "IMAP_AUTH_FAILED")


async def test_a_test_is_bounded(mailboxes, monkeypatch):
    monkeypatch.setattr("zeebe_connectors.runtime.inbound.preview.MAX_EVENTS", 2)
    running, imap, _ = mailboxes
    now = datetime.now(UTC).strftime("%d-%b-%Y %H:%M:%S +0000")
    await running.runtime.sources.watches["orders"].stop(5)
    for number in range(4):
        imap.deliver(message(f"order {number}"), date=now)
    status, found = await running("/api/sources/orders/test", {})
    assert status == 200
    assert ([row["title"] for row in found["rows"]], found["more"]) == (["order 3", "order 2"], True)


async def test_a_ledger_that_cannot_be_used_is_reported(start, tmp_path):
    (tmp_path / "file").write_text("no directory")
    async with ImapServer() as imap, Pop3Server() as pop3:
        imap.users = {"alice@example.test": PASSWORD}
        imap.deliver(message("order 1"), date=datetime.now(UTC).strftime("%d-%b-%Y %H:%M:%S +0000"))
        (tmp_path / "sources.toml").write_text(SOURCES.format(imap=imap.port, pop3=pop3.port))
        data = str(tmp_path / "file" / "below")
        running = await start(ZEEBE_CONNECTORS_SOURCES=str(tmp_path / "sources.toml"), ZEEBE_CONNECTORS_DATA=data)
        await until(lambda: "orders" in running.runtime.sources.watches)
        status, shown = await running("/api/sources/orders/test", {"hours": 1})
    assert (status, shown["code"]) == (502, "LEDGER_UNUSABLE")
    assert "ZEEBE_CONNECTORS_DATA" in shown["message"]


async def test_where_secrets_went_is_counted(mailboxes):
    """By name, process, element and host; for those with the token."""
    running, _, _ = mailboxes
    async with asyncio.timeout(10):
        while len((await running("/api/secrets"))[1]["uses"]) < 2:  # noqa: ASYNC110 - another room's progress
            await asyncio.sleep(0.05)
    status, answer = await running("/api/secrets")
    assert status == 200
    uses = [{name: value for name, value in use.items() if name != "count"} for use in answer["uses"]]
    assert {"secret": "MAIL", "process": "", "element": "orders", "host": "127.0.0.1"} in uses
    assert {"secret": "MAIL", "process": "start", "element": "start#old box#1", "host": "127.0.0.1"} in uses
    assert (await running("/api/secrets", headers={}))[0] == 401
