"""The local mail server: what is sent to it arrives, byte for byte, and can be looked at in three ways."""

import asyncio
import imaplib
import poplib
import smtplib
import ssl
from dataclasses import asdict
from types import SimpleNamespace

import aiohttp
import pytest
import trustme

from zeebe_connectors.testing.process import ServerProcess, running, stop_detached
from zeebe_connectors.testing.servers import MailPorts, MailServer, in_thread

# What a mail transfer agent must leave alone: 8-bit bytes that are no UTF-8, a leading dot, a folded and an odd header.
CONTENT = (
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-Priority:   1 (Highest)\r\nReferences: <a@x>\r\n\t<b@x>\r\n"
    b"\r\n\xff\xe9\r\n.dot\r\n last"
)


@pytest.fixture(scope="module")
def mail():
    """One server for this module."""
    with in_thread(MailServer()) as server:
        yield server


def send(mail, recipient, content=CONTENT):
    with smtplib.SMTP(mail.host, mail.smtp_port, timeout=30) as client:
        client.sendmail("sender@example.test", recipient, content)


async def test_mail_arrives_byte_for_byte(mail):
    """The mail ends with exactly the bytes that were sent; only trace headers stand before them."""
    send(mail, "exact@example.test")
    await mail.expect("exact@example.test")
    (raw,) = mail.raw_messages("exact@example.test")
    trace, _, rest = raw.partition(b"Subject:")
    assert b"Subject:" + rest == CONTENT
    assert [line.split(b":")[0] for line in trace.splitlines()] == [b"Return-Path", b"Received"]


async def test_mail_is_parsed(mail):
    """Headers come decoded, the oldest mail first."""
    send(mail, "parsed@example.test")
    send(mail, "parsed@example.test", b"Subject: second\r\n\r\n.")
    found = await mail.expect("parsed@example.test", 2)
    assert [message["Subject"] for message in found] == ["Grüße", "second"]
    assert "parsed@example.test" in mail.addresses()


async def test_looking_does_not_mark_as_read(mail):
    """A mail that was looked at is still unseen for the next reader."""
    send(mail, "unseen@example.test")
    await mail.expect("unseen@example.test")
    with imaplib.IMAP4(mail.host, mail.imap_port, timeout=30) as client:
        client.login("unseen@example.test", "any")
        client.select("INBOX")
        assert client.search(None, "UNSEEN")[1] == [b"1"]


async def test_pop3_and_imap_show_the_same_mailbox_also_under_tls():
    """What one deletes, the other does not see; STARTTLS and STLS lead to the same mails."""
    authority = trustme.CA()
    server_side, client_side = (ssl.SSLContext(kind) for kind in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT))
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    authority.configure_trust(client_side)
    with in_thread(MailServer(tls=server_side)) as server:
        send(server, "ports@example.test")
        send(server, "ports@example.test", b"Subject: second\r\n\r\n.")
        with smtplib.SMTP(server.host, server.smtp_port, timeout=30) as client:
            client.starttls(context=client_side)
            client.sendmail("sender@example.test", "ports@example.test", b"Subject: third\r\n\r\n.")
        pop = poplib.POP3(server.host, server.pop3_port, timeout=30)
        pop.stls(context=client_side)
        pop.user("ports@example.test")
        pop.pass_("any")
        assert pop.stat()[0] == 3
        pop.dele(1)
        pop.quit()
        with imaplib.IMAP4(server.host, server.imap_port, timeout=30) as client:
            client.starttls(ssl_context=client_side)
            client.login("ports@example.test", "any")
            assert client.select("INBOX")[1] == [b"2"]
            assert client.search(None, "SUBJECT", "third")[1] == [b"2"]


async def test_expecting_a_mail_that_does_not_come_ends(mail):
    """Waiting has an end, which says what was missing."""
    with pytest.raises(TimeoutError, match=r"nothing@example\.test has 0 of 1 mails"):
        await mail.expect("nothing@example.test", seconds=0)


async def test_missing_folder_is_named(mail):
    """A folder that is not there is told by name."""
    with pytest.raises(KeyError, match="no folder 'Archive'"):
        mail.messages("folders@example.test", folder="Archive")


def test_given_users_must_log_in():
    """With users given, their passwords count, and mails go when they are cleared."""
    with in_thread(MailServer(users={"ann@example.test": "s3cret"})) as server:
        with imaplib.IMAP4(server.host, server.imap_port, timeout=30) as client:
            with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
                client.login("ann@example.test", "wrong")
            client.login("ann@example.test", "s3cret")
        pop = poplib.POP3(server.host, server.pop3_port, timeout=30)
        pop.user("ann@example.test")
        with pytest.raises(poplib.error_proto, match="AUTH"):
            pop.pass_("wrong")
        pop.close()
        send(server, "ann@example.test")
        assert len(server.messages("ann@example.test")) == 1
        server.clear()
        assert server.messages("ann@example.test") == []


async def test_a_stopped_server_starts_again_with_its_mails_and_ports():
    """As an outage of a mail server that keeps its mails."""
    async with MailServer() as server:
        await asyncio.to_thread(send, server, "kept@example.test")
        ports = server.ports
        await server.stop()
        with pytest.raises(OSError, match="refused"):
            await asyncio.to_thread(send, server_at(ports), "kept@example.test")
        await server.start()
        assert server.ports == ports
        await asyncio.to_thread(send, server, "kept@example.test")
        assert len(server.messages("kept@example.test")) == 2


def server_at(ports):
    """Where a server listened."""
    return SimpleNamespace(host="127.0.0.1", smtp_port=ports.smtp)


async def test_it_runs_in_a_process_of_its_own(tmp_path):
    """Found by its directory, asked over HTTP, and stopped by it."""
    server = ServerProcess("mail server", "zeebe_connectors.testing.servers.mail", asdict(MailPorts()), tmp_path)
    await server.start(detached=True)
    try:
        found = running(tmp_path)
        assert found.ports == server.ports
        await asyncio.to_thread(send, server_at(MailPorts(**found.ports)), "there@example.test")
        async with aiohttp.ClientSession(f"http://127.0.0.1:{found.ports['api']}") as session:
            assert await (await session.get("/mailboxes")).json() == {"there@example.test": 1}
            (raw,) = await (await session.get("/mailboxes/there@example.test")).json()
    finally:
        assert stop_detached(tmp_path)
    assert raw.encode("utf-8", "surrogateescape").endswith(CONTENT)
    assert running(tmp_path) is None
    assert not stop_detached(tmp_path)
    again = ServerProcess("mail server", "zeebe_connectors.testing.servers.mail", asdict(MailPorts()), tmp_path)
    assert again.ports == server.ports
