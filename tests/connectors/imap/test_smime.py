"""An IMAP source reads encrypted mails with its key, and puts aside what it cannot read."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from tests.connectors.imap.test_source import ImapHarness
from tests.harness import running

from zeebe_connectors.connectors.imap.connector import preview
from zeebe_connectors.connectors.imap.model import Mailbox
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.testing.servers import ImapServer, message

STORED = Path(__file__).parents[2] / "mail" / "reading" / "smime" / "stored"
KEY = {
    "data__smimeKey": base64.b64encode((STORED / "rsa.p12").read_bytes()).decode(),
    "data__smimePassword": "changeit",
    "data__smimeTrusted": (STORED / "authority.pem").read_text(),
}


@pytest.fixture
async def mailbox(tmp_path, monkeypatch):
    async with ImapServer() as server, running(ImapHarness(server, tmp_path), monkeypatch) as harness:
        yield harness


async def test_an_encrypted_mail_is_read_and_its_signature_reported(mailbox):
    # Received after its certificate was made: expiry is judged by that moment, too.
    mailbox.server.deliver((STORED / "rsa-signed-inside.eml").read_bytes(), date="26-Nov-2026 10:00:00 +0000")
    expression = "={subject: trim(text), encrypted: encrypted, status: signature.status, files: attachments}"
    await mailbox.runtime(**KEY, resultExpression=expression)
    await mailbox.until(lambda: len(mailbox.gateway.messages) == 1)
    variables = next(iter(mailbox.gateway.messages.values())).data["variables"]
    assert variables.pop("files")[0]["metadata"]["fileName"] == "list.csv"
    assert variables == {"subject": "a secret text", "encrypted": True, "status": "valid"}


async def test_a_mail_for_another_key_is_quarantined_whatever_the_condition_says(mailbox):
    mailbox.server.deliver((STORED / "ec-aes256.eml").read_bytes())
    mailbox.server.deliver(message("secret order"))
    sources = await mailbox.runtime(
        **KEY, activationCondition='=contains(subject + text, "secret")', consumeUnmatchedEvents="true"
    )
    await mailbox.until(lambda: mailbox.subjects() == ["secret order"])
    (entry,) = await sources._shared.ledger.entries(state="quarantined")
    assert "not encrypted for the key" in entry.reason
    assert "\\Seen" not in mailbox.server.folders["INBOX"].messages[0].flags


async def test_a_wrong_key_is_reported_before_any_mail_comes(mailbox):
    sources = await mailbox.runtime(**{**KEY, "data__smimePassword": "another"})
    await mailbox.until(lambda: sources.health()["status"] == "DOWN")
    reason = sources.health()["sources"]["p#mail"]["reason"]
    assert "data.smimeKey" in reason
    assert "password is wrong" in reason


async def test_a_look_tells_what_could_not_be_read(mailbox):
    sources = await mailbox.runtime(**KEY)
    await mailbox.server.idle.wait()
    watching = sources.watches["p#mail"]
    given, context = read_input(Mailbox, watching.source.input()), watching.context()
    await mailbox.end(sources)
    mailbox.server.deliver((STORED / "ec-aes256.eml").read_bytes())
    mailbox.server.deliver((STORED / "rsa-aes256.eml").read_bytes())
    newest, oldest = [event async for event in preview(given, context, 24 * 365 * 10)]
    assert newest.unreadable == ""
    assert newest.data["text"].strip() == "a secret text"
    assert oldest.unreadable
