"""Tasks receive mails from servers that others wrote: Dovecot over TLS, and GreenMail of the local stack."""

from __future__ import annotations

import os
import shutil
import smtplib
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import trustme

from zeebe_connectors.connectors.pop3.fetch import fetch
from zeebe_connectors.engine.mail import LocalMail
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.sdk.memory import ShortMemory
from zeebe_connectors.testing import Complete, run

STORED = Path(__file__).parents[2] / "mail" / "smime" / "stored"
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


DOVECOT = """\
base_dir = {directory}/run
log_path = {directory}/dovecot.log
protocols = pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <{directory}/server.pem
ssl_key = <{directory}/server.pem
auth_mechanisms = plain login
mail_location = maildir:{directory}/mail
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={directory}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
"""


def _why_no_dovecot() -> str:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "Dovecot starts as root only"
    if not shutil.which("dovecot") or not Path("/usr/lib/dovecot/pop3").exists():
        return "not installed: dovecot with POP3 (Debian: dovecot-pop3d)"
    return ""


@pytest.fixture
def dovecot():
    """A running Dovecot with one mailbox; its ports, its mails and whom to trust."""
    if reason := _why_no_dovecot():
        pytest.skip(reason)
    # Not a directory of pytest: the daemons run under users of their own, who may not enter that.
    directory = Path(tempfile.mkdtemp(prefix="dovecot-"))
    directory.chmod(0o755)
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(directory / "server.pem"))
    for folder in ("new", "cur", "tmp"):
        (directory / "mail" / folder).mkdir(parents=True)
    for number, raw in enumerate(mails()):
        (directory / "mail" / "new" / f"170000000{number}.M{number}.host").write_bytes(raw)
    for path in (directory / "mail", *(directory / "mail").rglob("*")):
        shutil.chown(path, "nobody", "nogroup")
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    pop3, pop3s = (each.getsockname()[1] for each in sockets)
    for each in sockets:
        each.close()
    settings = directory / "dovecot.conf"
    settings.write_text(DOVECOT.format(directory=directory, pop3=pop3, pop3s=pop3s))
    process = subprocess.Popen(["dovecot", "-F", "-c", str(settings)])
    try:
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", pop3s), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < end, (directory / "dovecot.log").read_text()[-2000:]
                time.sleep(0.05)
        yield {"starttls": pop3, "tls": pop3s}, directory / "mail", authority.cert_pem.bytes().decode()
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(directory)


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_dovecot(dovecot, tmp_path, security):
    ports, folder, trusted = dovecot

    async def waiting():
        return [path for path in folder.rglob("*.host*") if path.is_file()]

    where = {"port": ports[security], "security": security, "trustedCertificate": trusted}
    await receive_everything(Receiver(tmp_path, **where), waiting)


@pytest.mark.engine
async def test_greenmail(tmp_path):
    async with LocalMail(users={USER: "secret"}) as server:
        with smtplib.SMTP(server.host, server.smtp_port, timeout=20) as client:
            for raw in mails():
                client.sendmail("ann@example.test", [USER], raw)

        async def waiting():
            return await server.messages(USER)

        receiver = Receiver(tmp_path, port=server.pop3_port, security="none")
        await receive_everything(receiver, waiting)
