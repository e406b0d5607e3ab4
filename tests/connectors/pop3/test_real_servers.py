"""Tasks receive mails from whole mail servers: Dovecot over TLS, and the mail server of the local stack."""

from __future__ import annotations

import asyncio
import smtplib
from pathlib import Path

import pytest
from tests.servers import dovecot

from zeebe_connectors.connectors.pop3.fetch import fetch
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.sdk.memory import ShortMemory
from zeebe_connectors.testing import Complete, run
from zeebe_connectors.testing.servers import MailServer, in_thread

STORED = Path(__file__).parents[2] / "mail" / "reading" / "smime" / "stored"
USER = "bob@example.test"


class Receiver:
    """Tasks on one mailbox, with what outlives them."""

    def __init__(self, directory: Path, **where: object) -> None:
        self.where = {"host": "127.0.0.1", "authentication": {"username": USER, "password": "secret"}, **where}
        self.where["authentication"] = {"type": "simple", **self.where["authentication"]}
        self.memory, self.documents = ShortMemory(), LocalDocuments(directory / "documents")
        self.directory = directory

    async def __call__(self, operation: str, key: int, **inputs: object) -> dict:
        given = {"operation": operation, **self.where, **inputs}
        kept = {"memory": self.memory, "documents": self.documents, "files": [self.directory]}
        outcome = await run(fetch, given, result_variable="got", key=key, **kept)
        assert isinstance(outcome, Complete), outcome
        return outcome.variables["got"]


async def receive_everything(receiver: Receiver, waiting) -> None:
    """Five mails, one of them encrypted: each is received once, again when its job is tried again, and removed."""
    first = await receiver("MAIL_RECEIVE", 1, remove=True)
    assert (first["mail"]["subject"], first["remaining"]) == ("mail 1", 4)
    second = await receiver("MAIL_RECEIVE", 2)
    assert second["mail"]["subject"] == "mail 2"
    assert await receiver("MAIL_RECEIVE", 1, remove=True) == first
    assert len(await waiting()) == 4
    (receiver.directory / "key.p12").write_bytes((STORED / "rsa.p12").read_bytes())
    rest = await receiver("MAIL_RECEIVEALL", 3, remove=True, smimeKey="key.p12", smimePassword="changeit")
    assert [mail["subject"] for mail in rest["mails"]] == ["mail 3", "mail 4", "s"]
    assert rest["mails"][-1]["text"].strip() == "a secret text"
    assert len(await waiting()) == 1
    assert await receiver("MAIL_RECEIVEALL", 3, remove=True) == rest
    assert await receiver("MAIL_RECEIVEALL", 4) == {"mail": None, "mails": [], "remaining": 0}


def mails() -> list[bytes]:
    plain = "From: ann@example.test\r\nTo: bob@example.test\r\nSubject: mail {}\r\n\r\n.text\r\n.\r\n"
    return [*(plain.format(number).encode() for number in range(1, 5)), (STORED / "rsa-oaep.eml").read_bytes()]


@pytest.mark.skipif(bool(dovecot.why_not()), reason=str(dovecot.why_not()))
@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_dovecot(tmp_path, security):
    with dovecot.Dovecot() as server:
        for raw in mails():
            server.deliver(USER, raw)

        async def waiting():
            return await asyncio.to_thread(server.flags, USER)

        where = {
            "port": server.pop3s_port if security == "tls" else server.pop3_port,
            "security": security,
            "trustedCertificate": server.authorities,
            "authentication": {"username": USER, "password": dovecot.PASSWORD},
        }
        await receive_everything(Receiver(tmp_path, **where), waiting)


async def test_the_mail_server_of_the_local_stack(tmp_path):
    with in_thread(MailServer(users={USER: "secret"})) as server:
        with smtplib.SMTP(server.host, server.smtp_port, timeout=20) as client:
            for raw in mails():
                client.sendmail("ann@example.test", [USER], raw)

        async def waiting():
            return server.messages(USER)

        receiver = Receiver(tmp_path, port=server.pop3_port, security="none")
        await receive_everything(receiver, waiting)
