"""Every diagram of bpmn-examples/, and every template as the modeler exported it, on the engine with the runtime."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import smtplib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.modeler import tool
from tests.servers.coapd import CoapServer
from tests.servers.ftpd import FtpServer
from tests.waiting import until

from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing.servers import HttpServer, Reply, Seen, SmtpServer

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

EXAMPLES = Path(__file__).parent.parent.parent / "bpmn-examples"
SECRETS = {"SECRET_ORDERS_TOKEN": "token-1", "SECRET_PASSWORD": "s3cret"}


@dataclass
class Landscape:
    """The engine's gateway and the servers that the diagrams talk to."""

    gateway: ZeebeGateway
    http: HttpServer
    smtp: SmtpServer
    files: Path
    """A directory that the operator allows."""

    async def run(self, diagram: bytes, variables: dict[str, Any]) -> dict[str, Any]:
        """Deploys a diagram, runs one instance to its end, and gives its variables."""
        deployed = await self.gateway.deploy({"diagram.bpmn": diagram})
        _, text = await self.gateway.run_process(deployed[0].bpmn_process_id, payload=json.dumps(variables), seconds=45)
        return json.loads(text)

    def filled(self, value: Any) -> Any:
        """A value of a case with its placeholders replaced by where the servers listen."""
        if isinstance(value, str):
            known = {"{http}": self.http.url("").rstrip("/"), "{smtpPort}": self.smtp.port}
            return known[value] if value in known else value.replace("{http}", known["{http}"])
        return value


def _order(seen: Seen) -> Reply:
    number = seen.path.rpartition("/")[2]
    if seen.header("authorization") != "Bearer token-1":
        return Reply.json({"error": "token wanted"}, status=401)
    if number == "4712":
        return Reply.json({"error": "unknown order"}, status=404)
    return Reply.json({"id": number, "customer": "ann@example.com", "total": 42.5, "items": ["Bread", "Roses"]})


def _private(seen: Seen) -> Reply:
    user = base64.b64decode(seen.header("authorization").removeprefix("Basic ")).decode()
    return Reply.json({"user": user, "body": seen.json}, status=201)


def _soap(seen: Seen) -> Reply:
    number = re.search(rb"<\w+:id>(\w+)</\w+:id>", seen.body).group(1).decode()
    return Reply(
        body=f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><GetOrderResponse xmlns='
        f'"http://example.com/orders"><id>{number}</id><total>42.5</total></GetOrderResponse></s:Body></s:Envelope>'.encode(),
        headers=[("Content-Type", "text/xml; charset=utf-8")],
    )


def _runtime(zeebe, directory: Path, **settings: str) -> Runtime:
    environment = Environment(
        (
            "environment",
            {
                "ZEEBE_ADDRESS": zeebe.grpc_address,
                "ZEEBE_INSECURE_CONNECTION": "true",
                "ZEEBE_CONNECTORS_DATA": str(directory),
                **SECRETS,
                **settings,
            },
        )
    )
    read = Settings.read(environment)
    return Runtime(read, Registry.installed(), ZeebeGateway(read.cluster), environment=environment)


@pytest.fixture
async def landscape(zeebe, tmp_path):
    settings = {"ZEEBE_CONNECTORS_FILES": str(tmp_path), "ZEEBE_CONNECTORS_PROCESSES": "example-process-check"}
    runtime = _runtime(zeebe, tmp_path, **settings)
    async with HttpServer() as http, SmtpServer() as smtp:
        for number in ("4711", "4712"):
            http.answer(f"/shop/{number}", _order)
        http.answer("/orders/1", lambda seen: Reply.json({"id": "1", "seen": f"{seen.method} {seen.target}"}))
        http.answer("/private/orders", _private)
        http.answer("/soap", _soap)
        http.answer(
            "/graphql",
            lambda seen: Reply.json({"data": {"order": {"id": seen.json["variables"]["id"], "total": 42.5}}}),
        )
        runtime.start()
        try:
            yield Landscape(runtime.gateway, http, smtp, tmp_path)
        finally:
            await runtime.drain()


async def _rest(landscape: Landscape, diagram: bytes) -> None:
    result = await landscape.run(diagram, {"ordersUrl": landscape.http.url("").rstrip("/"), "orderId": "1"})
    assert (result["status"], result["order"]["seen"]) == (200, "GET /orders/1")
    assert landscape.http.last.header("accept") == "application/json"


async def _smtp(landscape: Landscape, diagram: bytes) -> None:
    result = await landscape.run(
        diagram,
        {"smtpHost": "127.0.0.1", "smtpPort": landscape.smtp.port, "customer": "ann@example.com", "orderId": "A-7"},
    )
    mail = landscape.smtp.mails[-1].parsed
    assert result["messageId"] == mail["Message-ID"] == result["mail"]["messageId"]
    assert (mail["Subject"], mail["X-Order-Id"], mail["Importance"]) == ("Your order A-7", "A-7", "high")


async def _smtp_infosys(landscape: Landscape, diagram: bytes) -> None:
    customers = "[ann@example.com, bob@example.com]"
    result = await landscape.run(
        diagram, {"smtpHost": "127.0.0.1", "smtpPort": landscape.smtp.port, "customers": customers, "orderId": "A-7"}
    )
    assert (result["mailSent"], result["mail"]["response"]) == ("SUCCESS", "Mail sent successfully")
    assert landscape.smtp.mails[-1].to == ["ann@example.com", "bob@example.com"]


async def _soap_example(landscape: Landscape, diagram: bytes) -> None:
    result = await landscape.run(diagram, {"soapUrl": landscape.http.url("/soap"), "orderId": "A7"})
    assert result["order"] == {"id": "A7", "total": "42.5"} or result["order"]["total"] == "42.5"


async def _demo(landscape: Landscape, diagram: bytes) -> None:
    result = await landscape.run(
        diagram,
        {
            "ordersUrl": landscape.http.url("/shop"),
            "orderId": "4711",
            "otherOrderId": "4712",
            "smtpHost": "127.0.0.1",
            "smtpPort": landscape.smtp.port,
            "sender": "shop@example.com",
        },
    )
    assert result["order"]["id"] == "4711"
    assert (result["caught"], result["outcome"]) == (True, "not found handled: unknown order")
    assert "otherOrder" not in result
    mail = landscape.smtp.mails[-1].parsed
    assert mail["To"] == "ann@example.com"
    assert (mail["Sensitivity"], mail["X-Message-Flag"]) == ("Private", "Follow up")
    assert "Bread and Roses, 42.5 EUR" in mail.get_body(("plain",)).get_content()
    assert "token-1" not in json.dumps(result)


async def _graphql(landscape: Landscape, diagram: bytes) -> None:
    result = await landscape.run(diagram, {"graphqlUrl": landscape.http.url("/graphql"), "orderId": "9"})
    assert result["order"] == {"id": "9", "total": 42.5}


async def _coap(landscape: Landscape, diagram: bytes) -> None:
    async with CoapServer() as server:
        given = {"deviceHost": "127.0.0.1", "devicePort": server.port, "wanted": 21.5}
        assert (await landscape.run(diagram, given))["code"] == "2.04"
        assert server.thing.payload == b'{"wanted":21.5}'


async def _files(landscape: Landscape, diagram: bytes) -> None:
    home = landscape.files / "home"
    home.mkdir()
    with FtpServer(home, password="s3cret") as server:
        given = {"filesHost": "127.0.0.1", "filesPort": server.port, "orderId": "A-7", "total": "42.50"}
        result = await landscape.run(diagram, given)
    assert result["filed"] == "orders/A-7.csv"
    assert (home / "orders/A-7.csv").read_text() == "id;total\nA-7;42.50\n"


async def _sql(landscape: Landscape, diagram: bytes) -> None:
    file = landscape.files / "orders.sqlite"
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE orders (id TEXT PRIMARY KEY, total TEXT)")
    for total in ("42.50", "43.00"):
        given = {"databaseFile": str(file), "orderId": "A-7", "total": total}
        assert (await landscape.run(diagram, given))["order"] == {"id": "A-7", "total": total}


async def _process(landscape: Landscape, diagram: bytes) -> None:
    assert (await landscape.run(diagram, {"orderId": "4711"}))["approved"] is True


async def _message(landscape: Landscape, diagram: bytes) -> None:
    assert (await landscape.run(diagram, {"orderId": "4711", "amount": 5}))["messageKey"] > 0


EXPECTED = {
    "coap": _coap,
    "demo": _demo,
    "files": _files,
    "graphql": _graphql,
    "process": _process,
    "process-message": _message,
    "rest": _rest,
    "smtp": _smtp,
    "smtp-infosys": _smtp_infosys,
    "soap": _soap_example,
    "sql": _sql,
}


WATCHING = {"imap", "pop3"}
"""Examples that begin with an event from outside; each has a test of its own below."""
ON_A_MAILBOX = {"email", "pop3-fetch"}
"""Examples that need a mailbox; so have these."""


def test_every_example_is_run():
    assert {file.stem for file in EXAMPLES.glob("*.bpmn")} == {*EXPECTED, *WATCHING, *ON_A_MAILBOX}


@pytest.mark.parametrize("name", EXPECTED)
async def test_an_example_does_what_it_says(name, landscape):
    await EXPECTED[name](landscape, (EXAMPLES / f"{name}.bpmn").read_bytes())


@pytest.mark.parametrize(("name", "mailbox"), [("imap", "orders@example.test"), ("pop3", "post@example.test")])
async def test_the_mailbox_example_answers_each_mail_once(zeebe, mail, tmp_path, name, mailbox):
    asking = f"{name}-asking@example.test"
    diagrams = tmp_path / "diagrams"
    diagrams.mkdir()
    text = (EXAMPLES / f"{name}.bpmn").read_text(encoding="utf-8")
    for usual, port in (("3143", mail.imap_port), ("3110", mail.pop3_port)):
        text = text.replace(f'value="{usual}"', f'value="{port}"')
    here = text.replace("=3025", f"={mail.smtp_port}")
    (diagrams / f"{name}.bpmn").write_text(here, encoding="utf-8")
    runtime = _runtime(zeebe, tmp_path, ZEEBE_CONNECTORS_DIAGRAMS=str(diagrams), SECRET_MAILBOX_PASSWORD="any")
    await runtime.gateway.deploy({f"{name}.bpmn": here.encode()})
    runtime.start()
    try:
        with smtplib.SMTP("127.0.0.1", mail.smtp_port, timeout=20) as client:
            for number in (1, 2):
                client.sendmail(
                    asking,
                    [mailbox],
                    f"From: {asking}\r\nTo: {mailbox}\r\nSubject: Order {number}\r\n\r\nPlease.",
                )
        await until(lambda: len(mail.messages(asking)) >= 2, within=90)
    finally:
        await runtime.drain()
    answers = mail.messages(asking)
    assert sorted(answer["Subject"] for answer in answers) == ["Re: Order 1", "Re: Order 2"]


async def test_the_email_example_files_the_mail_that_it_sent(zeebe, mail, tmp_path):
    runtime = _runtime(zeebe, tmp_path, SECRET_MAILBOX_PASSWORD="any")
    runtime.start()
    try:
        deployed = await runtime.gateway.deploy({"email.bpmn": (EXAMPLES / "email.bpmn").read_bytes()})
        ports = {"smtpPort": mail.smtp_port, "imapPort": mail.imap_port}
        payload = json.dumps({"orderId": "A-7", **ports})
        _, text = await runtime.gateway.run_process(deployed[0].bpmn_process_id, payload=payload, seconds=45)
    finally:
        await runtime.drain()
    result = json.loads(text)
    assert (result["sender"], result["filed"], result["done"]) == ("orders@example.test", "Done", ["Order A-7"])
    assert result["text"].strip() == "Two roses for order A-7"
    assert [one["metadata"]["fileName"] for one in result["files"]] == ["order.csv"]
    assert result["sentId"] not in [one["Message-ID"] for one in mail.messages("orders@example.test")]
    (filed,) = mail.messages("orders@example.test", folder="Done")
    assert (filed["Message-ID"], filed["X-Order-Id"]) == (result["sentId"], "A-7")


async def test_the_example_that_receives_a_mail_gives_each_to_one_instance(zeebe, mail, tmp_path):
    mailbox = "fetch@example.test"
    runtime = _runtime(zeebe, tmp_path, SECRET_MAILBOX_PASSWORD="any")
    diagram = (EXAMPLES / "pop3-fetch.bpmn").read_bytes()
    variables = {"mailHost": "127.0.0.1", "mailPort": mail.pop3_port, "mailbox": mailbox}
    with smtplib.SMTP("127.0.0.1", mail.smtp_port, timeout=20) as client:
        for number in (1, 2):
            text = f"From: ann@example.test\r\nTo: {mailbox}\r\nSubject: Order {number}\r\n\r\nPlease."
            client.sendmail("ann@example.test", [mailbox], text)
    runtime.start()
    try:
        landscape = Landscape(runtime.gateway, None, None, tmp_path)
        results = [await landscape.run(diagram, variables) for _ in range(3)]
    finally:
        await runtime.drain()
    assert [result["subject"] for result in results] == ["Order 1", "Order 2", None]
    assert [result["more"] for result in results] == [True, False, False]
    assert results[0]["sender"] == "ann@example.test"
    assert not mail.messages(mailbox)


async def _ftp_port(landscape: Landscape, ending: contextlib.AsyncExitStack) -> int:
    home = landscape.files / "home"
    home.mkdir()
    return ending.enter_context(FtpServer(home, password="s3cret")).port


async def _coap_port(_world: Landscape, ending: contextlib.AsyncExitStack) -> int:
    return (await ending.enter_async_context(CoapServer())).port


async def _database(landscape: Landscape, _ending: contextlib.AsyncExitStack) -> str:
    file = landscape.files / "orders.sqlite"
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE orders (id TEXT PRIMARY KEY, total TEXT)")
        database.execute("INSERT INTO orders VALUES ('A-7', '42.50')")
    return str(file)


STARTED = {"{ftpPort}": _ftp_port, "{coapPort}": _coap_port, "{database}": _database}
"""Placeholders of a case whose servers are started for it alone, and what stands in their place."""

RUN = [case for case in tool.cases() if "run" in case]


@pytest.mark.modeler
@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", RUN, ids=[case["name"] for case in RUN])
async def test_what_the_modeler_exported_runs(case, landscape):
    diagram = await asyncio.to_thread(tool.exported, case["name"])  # a browser makes all of them first
    for other in case["run"].get("deploy", []):
        await landscape.gateway.deploy({other: (EXAMPLES / other).read_bytes()})
    async with contextlib.AsyncExitStack() as ending:
        servers = {name: await start(landscape, ending) for name, start in STARTED.items() if name in json.dumps(case)}
        variables = {
            name: servers[value] if value in servers else landscape.filled(value)
            for name, value in case["run"]["variables"].items()
        }
        result = await landscape.run(diagram, variables)
    expected = case["run"]["expect"]
    assert {name: result.get(name) for name in expected} == expected


@pytest.mark.modeler
@pytest.mark.timeout(900)
async def test_everything_the_modeler_exported_deploys(zeebe):
    """Also what cannot run here; a broker before 8.8 refuses empty inputs, so this holds `optional`."""
    gateway = ZeebeGateway(Settings.read(Environment(("environment", {"ZEEBE_ADDRESS": zeebe.grpc_address}))).cluster)
    try:
        for case in tool.cases():
            assert await gateway.deploy({f"{case['name']}.bpmn": tool.exported(case["name"])})
    finally:
        await gateway.aclose()
