"""What a modeler or the world gets wrong, for REST and SMTP side by side: code, retry or incident, and words that help.

Each row runs through the whole pipeline. `names` is what the message must name (the field) and tell (the remedy).
"""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme

from zeebe_connectors.connectors.graphql.connector import run as query
from zeebe_connectors.connectors.rest.connector import request
from zeebe_connectors.connectors.smtp.connector import send
from zeebe_connectors.connectors.smtp.infosys import send as send_infosys
from zeebe_connectors.testing import Fail, run
from zeebe_connectors.testing.servers import HttpServer, Reply, SmtpServer

ROOT = Path(__file__).parent.parent.parent
TRIED_AGAIN, INCIDENT = 2, 0
VALUE = "value-6b1d"


@dataclass(frozen=True)
class Row:
    """One wrong thing, and what must be told."""

    inputs: dict[str, Any]
    code: str
    retries: int
    names: tuple[str, ...]
    reason: str | None = None
    """`error.variables.reason`, which tells apart what the contract gives one code."""
    seconds: float = 10.0
    environment: dict[str, str] = field(default_factory=dict)


REST = {
    "unreachable host": Row(
        {"url": "http://127.0.0.1:1/x"}, "408", TRIED_AGAIN, ("url", "port", "service is running"), "refused"
    ),
    "name that does not resolve": Row(
        {"url": "http://no-such-host.invalid/x"}, "408", TRIED_AGAIN, ("url", "spelling", "DNS"), "name-not-resolved"
    ),
    "bad certificate": Row(
        {"url": "{https}/x"},
        "SSL_HANDSHAKE_FAILED",
        TRIED_AGAIN,
        ("clientTls.trustedCertificate", "put"),
        "certificate",
    ),
    "refused login": Row(
        {"url": "{http}/private", "authentication": {"type": "basic", "username": "u", "password": VALUE}},
        "401",
        TRIED_AGAIN,
        ("authentication", "Check"),
    ),
    "oversized response": Row(
        {"url": "{http}/large"},
        "RESPONSE_TOO_LARGE",
        INCIDENT,
        ("response", "Ask for less", "CONNECTOR_HTTP_CLIENT_MAX_BODY_SIZE"),
        "too-large",
        environment={"CONNECTOR_HTTP_CLIENT_MAX_BODY_SIZE": "100000"},
    ),
    "response too large for a variable": Row(
        {"url": "{http}/large", "documentReturnFormat": {"choice": "TEXT"}},
        "RESPONSE_TOO_LARGE",
        INCIDENT,
        ("documentReturnFormat", "Choose"),
        "too-large",
    ),
    "endless response": Row(
        {"url": "{http}/endless"}, "408", TRIED_AGAIN, ("url", "jobTimeout"), "deadline", seconds=3.0
    ),
    "silent server": Row(
        {"url": "{http}/silent", "readTimeoutInSeconds": "1"},
        "408",
        TRIED_AGAIN,
        ("readTimeoutInSeconds", "raise"),
        "read-timeout",
    ),
    "header injection": Row(
        {"url": "{http}/x", "headers": {"X-A": f"{VALUE}\r\nX-B: 1"}},
        "HEADER_INVALID",
        INCIDENT,
        ("headers.X-A", "remove"),
    ),
    "forbidden host": Row(
        {"url": "{http}/x"},
        "HOST_FORBIDDEN",
        INCIDENT,
        ("url", "operator"),
        environment={"CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ENABLED": "true"},
    ),
    "certificate that is none": Row(
        {"url": "{https}/x", "clientTls": {"trustedCertificate": VALUE}},
        "TLS_MATERIAL_INVALID",
        INCIDENT,
        ("clientTls.trustedCertificate", "PEM"),
    ),
    "unknown method": Row(
        {"url": "{http}/x", "method": VALUE}, "INVALID_INPUT", INCIDENT, ("method", "must be one of")
    ),
    "invalid address": Row({"url": f"ftp://{VALUE}"}, "INVALID_INPUT", INCIDENT, ("url", "http://")),
    "missing field": Row({"method": "GET"}, "INVALID_INPUT", INCIDENT, ("url", "fill it in")),
    "no JSON": Row(
        {"url": "{http}/text", "documentReturnFormat": {"choice": "JSON"}}, "RESPONSE_NOT_JSON", TRIED_AGAIN, ("JSON",)
    ),
}

SMTP = {
    "unreachable host": Row({"port": 1}, "SMTP_UNREACHABLE", TRIED_AGAIN, ("host", "Check host and port")),
    "name that does not resolve": Row(
        {"host": "no-such-host.invalid"}, "SMTP_NAME_NOT_RESOLVED", INCIDENT, ("host", "spelling", "DNS")
    ),
    "bad certificate": Row(
        {"security": "tls", "port": "{smtps}"}, "SMTP_TLS_FAILED", INCIDENT, ("security", "trustedCertificate")
    ),
    "refused login": Row(
        {"authentication": {"type": "plain", "username": "u", "password": VALUE}, "port": "{login}"},
        "SMTP_AUTH_FAILED",
        INCIDENT,
        ("authentication", "Check the username and the password"),
    ),
    "oversized response": Row({"port": "{huge}"}, "SMTP_PROTOCOL", INCIDENT, ("host", "Check host and port")),
    "endless response": Row(
        {"port": "{endless}", "timeout": 1}, "SMTP_TIMEOUT", TRIED_AGAIN, ("timeout", "tried again")
    ),
    "header injection": Row(
        {"subject": f"{VALUE}\r\nBcc: x@example.com"}, "HEADER_INJECTION", INCIDENT, ("subject", "Remove it")
    ),
    "path outside the allowed directories": Row(
        {"attachments": ["/etc/passwd"]}, "FILE_FORBIDDEN", INCIDENT, ("attachments[1]", "allowed")
    ),
    "unknown importance": Row({"importance": VALUE}, "INVALID_INPUT", INCIDENT, ("importance", "must be one of")),
    "invalid address": Row({"to": f"{VALUE}@"}, "INVALID_ADDRESS", INCIDENT, ("to: address 1", "name@example.com")),
    "no recipient": Row({"to": None}, "SMTP_NO_RECIPIENT", INCIDENT, ("to, cc, bcc", "give at least one")),
    "refused recipient": Row(
        {"to": "bad@example.com"}, "SMTP_RECIPIENT_REFUSED", INCIDENT, ("to, cc, bcc", "Correct the addresses")
    ),
    "forbidden host": Row(
        {},
        "HOST_FORBIDDEN",
        INCIDENT,
        ("host", "operator"),
        environment={"CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ENABLED": "true"},
    ),
}

INFOSYS = {
    "unreachable host": Row({"port": 1}, "404", TRIED_AGAIN, ("host", "Check host and port")),
    "name that does not resolve": Row({"hostname": "no-such-host.invalid"}, "404", INCIDENT, ("host", "spelling")),
    "refused login": Row(
        {"username": "u", "password": VALUE, "port": "{login}"},
        "500",
        INCIDENT,
        ("authentication", "Check"),
    ),
    "header injection": Row(
        {"smtpEmailSubject": f"{VALUE}\nX: 1"}, "HEADER_INJECTION", INCIDENT, ("smtpEmailSubject", "Remove it")
    ),
    "path outside the allowed directories": Row(
        {"smtpEmailAttachments": "/etc/passwd"}, "FILE_FORBIDDEN", INCIDENT, ("smtpEmailAttachments[1]", "allowed")
    ),
    "HTML outside the allowed directories": Row(
        {"smtpEmailContentType": "HTML", "smtpEmailContent": "/etc/passwd"},
        "FILE_FORBIDDEN",
        INCIDENT,
        ("smtpEmailContent", "allowed"),
    ),
    "unknown importance": Row(
        {"smtpEmailImportance": VALUE}, "INVALID_INPUT", INCIDENT, ("smtpEmailImportance", "'high'")
    ),
    "unknown follow-up": Row(
        {"smtpEmailFollowUp": VALUE}, "INVALID_INPUT", INCIDENT, ("smtpEmailFollowUp", "today, tomorrow")
    ),
    "invalid address": Row(
        {"smtpEmailToRecipients": [f"{VALUE}@"]},
        "INVALID_ADDRESS",
        INCIDENT,
        ("smtpEmailToRecipients", "name@example.com"),
    ),
}
CASES = [(name, what) for name, rows in (("rest", REST), ("smtp", SMTP), ("infosys", INFOSYS)) for what in rows]


async def _drip(seen, reader, writer):
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _silence(seen, reader, writer):
    await reader.read()


def _greeter(first: bytes, then: bytes):
    """A server that is none: it greets, and goes on greeting for as long as somebody listens."""

    async def serve(reader, writer):
        try:
            writer.write(first)
            while then:
                writer.write(then)
                await writer.drain()
                await asyncio.sleep(0.05)
            await reader.read()
        except OSError:
            pass
        finally:
            writer.close()

    return serve


@pytest.fixture
async def places():
    """Where the servers of the rows listen."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    huge = await asyncio.start_server(_greeter(b"220-" + b"x" * 200_000, b""), "127.0.0.1", 0)
    endless = await asyncio.start_server(_greeter(b"220-hello\r\n", b"220-more\r\n"), "127.0.0.1", 0)
    async with (
        HttpServer() as http,
        HttpServer(tls=context) as https,
        SmtpServer() as smtp,
        SmtpServer(tls=context, implicit=True) as smtps,
        SmtpServer(users={"u": "another"}) as login,
    ):
        http.answer("/private", Reply(401, b"no", [], "Unauthorized"))
        http.answer("/large", Reply(200, b"x" * 2_000_000))
        http.answer("/text", Reply(200, VALUE.encode()))
        http.script("/endless", _drip)
        http.script("/silent", _silence)
        smtp.say("RCPT", "550 5.1.1 Unknown", text="bad@")
        yield {
            "{http}": http.url(""),
            "{https}": https.url(""),
            "{smtp}": smtp.port,
            "{smtps}": smtps.port,
            "{login}": login.port,
            "{huge}": huge.sockets[0].getsockname()[1],
            "{endless}": endless.sockets[0].getsockname()[1],
        }
        huge.close()
        endless.close()


def filled(inputs, places):
    text = json.dumps(inputs)
    for name, place in places.items():
        text = text.replace(f'"{name}"', json.dumps(place)).replace(name, str(place).rstrip("/"))
    return json.loads(text)


def job(name, row):
    """The connector and its whole inputs for a row."""
    if name == "rest":
        return request, row.inputs
    if name == "smtp":
        base = {
            "host": "127.0.0.1",
            "port": "{smtp}",
            "security": "none",
            "from": "a@example.com",
            "to": "b@example.com",
        }
        return send, {**base, "text": "x", **row.inputs}
    login = {"hostname": "127.0.0.1", "port": "{smtp}", **{k: v for k, v in row.inputs.items() if "smtp" not in k}}
    mail = {
        "smtpEmailMailBoxName": "a@example.com",
        "smtpEmailToRecipients": ["b@example.com"],
        "smtpEmailSubject": "x",
        "smtpEmailContentType": "Text",
        "smtpEmailContent": "x",
    }
    return send_infosys, {"authentication": login, **mail, **{k: v for k, v in row.inputs.items() if "smtp" in k}}


@pytest.mark.parametrize(("name", "what"), CASES, ids=[f"{name}: {what}" for name, what in CASES])
async def test_each_has_its_code_its_words_and_its_fate(places, monkeypatch, tmp_path, name, what):
    """The code is documented; the message names field and remedy and shows no value."""
    row = {"rest": REST, "smtp": SMTP, "infosys": INFOSYS}[name][what]
    for variable, value in row.environment.items():
        monkeypatch.setenv(variable, value)
    connector, inputs = job(name, row)
    outcome = await run(connector, filled(inputs, places), seconds=row.seconds, files=[tmp_path])
    assert isinstance(outcome, Fail), outcome
    assert (outcome.code, outcome.retries) == (row.code, row.retries), outcome.message
    assert [word for word in row.names if word not in outcome.message] == [], outcome.message
    assert VALUE not in outcome.message
    seen = outcome.variables["error"]
    # An input error has no code in the official runtime, and so none in an error expression.
    assert seen.get("code") == (None if row.code == "INVALID_INPUT" else row.code)
    assert row.code in {seen.get("code"), seen.get("variables", {}).get("code")}
    if row.reason:
        assert outcome.variables["error"]["variables"]["reason"] == row.reason
    documented = connector.errors
    assert row.code in documented or (row.code.isdigit() and "400, 404, 500, …" in documented)


@pytest.mark.parametrize("what", [what for what, row in REST.items() if "method" not in row.inputs])
async def test_graphql_says_the_same(places, monkeypatch, what):
    """It goes the same way; its fields stand under `graphql`."""
    row = REST[what]
    for variable, value in row.environment.items():
        monkeypatch.setenv(variable, value)
    own = {name: value for name, value in row.inputs.items() if name in {"url", "headers", "readTimeoutInSeconds"}}
    if "clientTls" in row.inputs:
        pytest.skip("the official GraphQL template has no client certificates")
    inputs = {"graphql": {"query": "{ a }", **own}, **{k: v for k, v in row.inputs.items() if k not in own}}
    outcome = await run(query, filled(inputs, places), seconds=row.seconds)
    assert isinstance(outcome, Fail), outcome
    assert (outcome.code, outcome.retries) == (row.code, row.retries), outcome.message
    assert VALUE not in outcome.message
    assert row.code in query.errors or row.code.isdigit()
