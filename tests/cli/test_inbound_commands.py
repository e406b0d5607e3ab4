"""An operator sees what became of each mail, tries quarantined ones again, and tests a mailbox without touching it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from zeebe_connectors.cli import imap as imap_command
from zeebe_connectors.cli import ledger as ledger_command
from zeebe_connectors.cli import pop3 as pop3_command
from zeebe_connectors.runtime.ledger import StoredLedger, StoredMemory, store_of
from zeebe_connectors.sdk.fields import Secret
from zeebe_connectors.testing.servers import ImapServer, Pop3Server, message


@pytest.fixture(params=["sqlite", "postgresql"])
def data(request, tmp_path, monkeypatch):
    """A directory to work in, and a ledger that knows three events."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZEEBE_CONNECTORS_DATA", str(tmp_path / "var"))
    url = request.getfixturevalue("postgresql").database() if request.param == "postgresql" else None
    if url:
        monkeypatch.setenv("ZEEBE_CONNECTORS_LEDGER", url)

    async def fill() -> None:
        ledger = StoredLedger(store_of(Secret(url) if url else None, tmp_path / "var"))
        await ledger.record("p#mail", "box/1/1", "done", key=42)
        await ledger.quarantine("p#mail", "box/1/2", alias=None, reason="no key", title="Invoice", original=b"raw mail")
        await ledger.record("p#other", "box/1/3", "published")
        await ledger.aclose()

    asyncio.run(fill())
    return tmp_path


def run(app, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    return result.output


def test_events_are_listed_by_source_and_state(data):
    output = run(ledger_command.app, "list")
    assert output.count("\n") == 3
    assert "quarantined" in output
    assert "'Invoice'  no key" in output
    listed = json.loads(run(ledger_command.app, "list", "--source", "p#mail", "--state", "done", "--json"))
    assert [(entry["id"], entry["key"]) for entry in listed] == [("box/1/1", 42)]
    assert "must be one of" in run(ledger_command.app, "list", "--state", "lost", code=2)


def test_an_event_is_shown_and_its_original_saved(data):
    output = run(ledger_command.app, "show", "p#mail", "box/1/2", "--original", "mail.eml")
    assert "no key" in output
    assert (data / "mail.eml").read_bytes() == b"raw mail"
    run(ledger_command.app, "show", "p#mail", "box/1/9", code=2)


def test_a_quarantined_event_is_retried_and_a_done_one_only_forgotten(data):
    run(ledger_command.app, "retry", "p#mail", "box/1/2")
    assert "no quarantined event" in run(ledger_command.app, "retry", "p#mail", "box/1/1", code=2)
    run(ledger_command.app, "forget", "p#mail", "box/1/1", code=1)
    run(ledger_command.app, "forget", "p#mail", "box/1/1", "--yes")
    listed = json.loads(run(ledger_command.app, "list", "--json"))
    assert {(entry["id"], entry["state"]) for entry in listed} == {("box/1/2", "retry"), ("box/1/3", "published")}


def test_without_a_ledger_the_command_tells_where_it_looked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZEEBE_CONNECTORS_DATA", str(tmp_path / "nowhere"))
    assert "nowhere" in run(ledger_command.app, "list", code=2)
    output = run(ledger_command.app, "forget", "p#mail", "box/1/1", code=2)
    assert "nowhere" in output
    assert "Forget it?" not in output, "nobody is asked about what is not there"
    assert not (tmp_path / "nowhere").exists()


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
data.imapConfig.imapHost = "127.0.0.1"
data.imapConfig.imapPort = {port}
data.imapConfig.imapCryptographicProtocol = "NONE"
"""


async def test_a_mailbox_is_tested_without_touching_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET_MAIL", "secret")
    async with ImapServer() as server:
        now = datetime.now(UTC).strftime("%d-%b-%Y %H:%M:%S +0000")
        for subject in ("order 1", "holiday"):
            server.deliver(message(subject), date=now)
        (tmp_path / "sources.toml").write_text(SOURCES.format(port=server.port))
        monkeypatch.setenv("ZEEBE_CONNECTORS_SOURCES", "sources.toml")
        output = await asyncio.to_thread(run, imap_command.app, "test", "--source", "orders", "--hours", "1")
        assert "publishes 'order' with key 'ann@example.test'" in output
        assert '{"subject": "order 1"}' in output
        assert "'holiday': no activation condition holds" in output
        assert "2 mails" in output
        rows = json.loads(await asyncio.to_thread(run, imap_command.app, "test", "--json"))
        assert [row["processed"] for row in rows] == [False, False]
        assert all(not mail.flags for mail in server.folders["INBOX"].messages)
        assert not server.seen("UID STORE")
        assert server.seen("EXAMINE")
    assert not (tmp_path / "var" / "ledger.sqlite").exists()


async def test_a_mail_in_quarantine_is_not_called_processed(tmp_path, monkeypatch):
    """Nobody has it, and the command says where the reason is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET_MAIL", "secret")
    async with ImapServer() as server:
        server.deliver(message("order 1"), date=datetime.now(UTC).strftime("%d-%b-%Y %H:%M:%S +0000"))
        (tmp_path / "sources.toml").write_text(SOURCES.format(port=server.port))
        monkeypatch.setenv("ZEEBE_CONNECTORS_SOURCES", "sources.toml")
        (row,) = json.loads(await asyncio.to_thread(run, imap_command.app, "test", "--json"))
        assert (row["processed"], row["quarantined"]) == (False, False)
        ledger = StoredLedger(store_of(None, tmp_path / "var"))
        await ledger.quarantine("orders", row["id"], alias=None, reason="no", title="order 1", original=b"raw")
        await ledger.aclose()
        (row,) = json.loads(await asyncio.to_thread(run, imap_command.app, "test", "--json"))
        assert (row["processed"], row["quarantined"]) == (True, True)
        output = await asyncio.to_thread(run, imap_command.app, "test")
    assert "'order 1': in quarantine; `zeebe-connectors ledger list`" in output
    assert "1 mail of the last 24 hours fits." in output


POP3 = """
[invoices]
type = "io.github.zeebe-connectors:pop3-inbound:1"
process = "invoice"
resultExpression = "={{subject: subject}}"
authentication.type = "simple"
authentication.username = "alice@example.test"
authentication.password = "secret"
host = "127.0.0.1"
port = {port}
security = "none"
remove = true
"""


async def test_a_pop3_mailbox_is_tested_without_touching_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with Pop3Server() as server:
        server.mails = {"u1": message("invoice 1"), "u2": message("invoice 2")}
        (tmp_path / "sources.toml").write_text(POP3.format(port=server.port))
        monkeypatch.setenv("ZEEBE_CONNECTORS_SOURCES", "sources.toml")
        output = await asyncio.to_thread(run, pop3_command.app, "test", "--hours", "1")
        assert output.index("'invoice 2': starts invoice") < output.index("'invoice 1': starts invoice")
        assert '{"subject": "invoice 1"}' in output
        assert "2 mails" in output
        assert len(server.mails) == 2
    assert "no source for imap: none is configured" in await asyncio.to_thread(run, imap_command.app, "test", code=1)


async def test_a_mail_that_cannot_be_decrypted_is_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET_MAIL", "secret")
    stored = Path(__file__).parent.parent / "mail" / "reading" / "smime" / "stored"
    monkeypatch.setenv("SECRET_KEY", base64.b64encode((stored / "rsa.p12").read_bytes()).decode())
    async with ImapServer() as server:
        server.deliver(
            (stored / "ec-aes256.eml").read_bytes(), date=datetime.now(UTC).strftime("%d-%b-%Y %H:%M:%S +0000")
        )
        key = 'data.smimeKey = "{{secrets.KEY}}"\ndata.smimePassword = "changeit"\n'
        (tmp_path / "sources.toml").write_text(SOURCES.format(port=server.port) + key)
        monkeypatch.setenv("ZEEBE_CONNECTORS_SOURCES", "sources.toml")
        (row,) = json.loads(await asyncio.to_thread(run, imap_command.app, "test", "--json"))
    assert "would go to quarantine: the mail cannot be decrypted" in row["verdict"]


def test_a_source_that_is_not_there_is_reported_with_those_that_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sources.toml").write_text(SOURCES.format(port=1))
    monkeypatch.setenv("ZEEBE_CONNECTORS_SOURCES", "sources.toml")
    assert "Known are: orders" in run(imap_command.app, "test", "--source", "nothing", code=1)


def test_without_any_source_the_command_tells_how_to_name_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = run(imap_command.app, "test", code=1)
    assert "none is configured" in output
    assert "--diagram" in output


def test_what_tasks_must_not_repeat_is_listed_and_forgotten(data):
    async def fill() -> None:
        url = os.environ.get("ZEEBE_CONNECTORS_LEDGER")
        store = store_of(Secret(url) if url else None, data / "var")
        memory = StoredMemory(store)
        await memory.remember("smtp", "<1@example.com>", "receipt")
        await memory.remember("mailbox", "2", "taken")
        await store.aclose()

    asyncio.run(fill())
    assert "smtp  <1@example.com>  receipt" in run(ledger_command.app, "remembered")
    (listed,) = json.loads(run(ledger_command.app, "remembered", "--place", "mailbox", "--json"))
    assert (listed["id"], listed["text"]) == ("2", "taken")
    assert "needs --place" in run(ledger_command.app, "remembered", "--forget", "2", "--yes", code=2)
    run(ledger_command.app, "remembered", "--place", "mailbox", "--forget", "2", code=1)
    run(ledger_command.app, "remembered", "--place", "mailbox", "--forget", "2", "--yes")
    assert "nothing is remembered" in run(
        ledger_command.app, "remembered", "--place", "mailbox", "--forget", "2", "--yes", code=2
    )
    assert json.loads(run(ledger_command.app, "remembered", "--place", "mailbox", "--json")) == []
