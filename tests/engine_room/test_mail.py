"""The local mail server: what is sent to it arrives, byte for byte, and can be looked at in three ways."""

import imaplib
import poplib
import smtplib
import ssl

import pytest

from zeebe_connectors.engine.errors import EngineError
from zeebe_connectors.engine.mail import LocalMail, MailPorts, running_ports
from zeebe_connectors.engine.server import stop_detached

pytestmark = pytest.mark.engine

# What a mail transfer agent must leave alone: 8-bit bytes that are no UTF-8, a leading dot, a folded and an odd header.
CONTENT = (
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-Priority:   1 (Highest)\r\nReferences: <a@x>\r\n\t<b@x>\r\n"
    b"\r\n\xff\xe9\r\n.dot\r\n last"
)


@pytest.fixture(scope="module")
def mail(request):
    """One server for this module, driven from loops of its own as a session's is."""
    import asyncio  # noqa: PLC0415
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    def apart(coroutine):
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, coroutine).result()

    server = LocalMail()
    apart(server.start())
    yield server
    apart(server.close())


def send(mail, recipient, content=CONTENT):
    with smtplib.SMTP(mail.host, mail.smtp_port, timeout=30) as client:
        client.sendmail("sender@example.test", recipient, content)


async def test_mail_arrives_byte_for_byte(mail):
    """The mail ends with exactly the bytes that were sent; only trace headers stand before them."""
    send(mail, "exact@example.test")
    await mail.expect("exact@example.test")
    (raw,) = await mail.raw_messages("exact@example.test")
    trace, _, rest = raw.partition(b"Subject:")
    assert b"Subject:" + rest == CONTENT
    assert [line.split(b":")[0] for line in trace.splitlines()] == [b"Return-Path", b"Received"]


async def test_mail_is_parsed(mail):
    """Headers come decoded, the oldest mail first."""
    send(mail, "parsed@example.test")
    send(mail, "parsed@example.test", b"Subject: second\r\n\r\n.")
    found = await mail.expect("parsed@example.test", 2)
    assert [message["Subject"] for message in found] == ["Grüße", "second"]
    assert "parsed@example.test" in await mail.addresses()


async def test_looking_does_not_mark_as_read(mail):
    """A mail that was looked at is still unseen for the next reader."""
    send(mail, "unseen@example.test")
    await mail.expect("unseen@example.test")
    with imaplib.IMAP4(mail.host, mail.imap_port, timeout=30) as client:
        client.login("unseen@example.test", "any")
        client.select("INBOX")
        assert client.search(None, "UNSEEN")[1] == [b"1"]


async def test_pop3_and_tls_ports_serve_the_same_mailbox(mail):
    """All six ports lead to one mailbox."""
    context = ssl._create_unverified_context()
    with smtplib.SMTP_SSL(mail.host, mail.ports.smtps, timeout=30, context=context) as client:
        client.sendmail("sender@example.test", "ports@example.test", CONTENT)
    await mail.expect("ports@example.test")
    for client in (
        poplib.POP3(mail.host, mail.pop3_port, timeout=30),
        poplib.POP3_SSL(mail.host, mail.ports.pop3s, timeout=30, context=context),
    ):
        client.user("ports@example.test")
        client.pass_("any")
        assert client.stat()[0] == 1
        client.quit()
    with imaplib.IMAP4_SSL(mail.host, mail.ports.imaps, timeout=30, ssl_context=context) as client:
        client.login("ports@example.test", "any")
        assert client.select("INBOX")[1] == [b"1"]


async def test_expecting_a_mail_that_does_not_come_ends(mail):
    """Waiting has an end, which says what was missing."""
    with pytest.raises(TimeoutError, match=r"nothing@example\.test has 0 of 1 mails"):
        await mail.expect("nothing@example.test", seconds=0)


async def test_missing_folder_is_named(mail):
    """A folder that is not there is told by name."""
    with pytest.raises(EngineError, match="no folder 'Archive'"):
        await mail.messages("folders@example.test", folder="Archive")


async def test_given_users_must_log_in(tmp_path):
    """With users given, their passwords count, and mails go when they are cleared."""
    async with LocalMail(users={"ann@example.test": "s3cret"}) as server:
        with imaplib.IMAP4(server.host, server.imap_port, timeout=30) as client:
            with pytest.raises(imaplib.IMAP4.error, match="Invalid login"):
                client.login("ann@example.test", "wrong")
            client.login("ann@example.test", "s3cret")
        send(server, "ann@example.test")
        assert len(await server.expect("ann@example.test")) == 1
        await server.clear()
        assert await server.messages("ann@example.test") == []


@pytest.mark.parametrize("users", [{"no-domain": "x"}, {"a@b": ""}, {"a@b": "x,y"}, {"a@b:c": "x"}])
def test_users_that_the_server_would_misread_are_refused(users):
    """Addresses and passwords that would break the server's setting are refused before it starts."""
    with pytest.raises(ValueError, match="users:"):
        LocalMail(users=users)


async def test_detached_server_is_found_and_stopped(tmp_path):
    """A detached mail server is found by its directory and stopped by it."""
    server = LocalMail(tmp_path, ports=MailPorts.free())
    await server.start(detached=True)
    try:
        assert running_ports(tmp_path) == server.ports
    finally:
        assert stop_detached(tmp_path, LocalMail)
    assert running_ports(tmp_path) is None
