"""Against Postfix with Dovecot's SASL, as most mail servers of companies are built."""

import asyncio

import pytest
from tests.servers import postfix as servers

from zeebe_connectors import PermanentError

pytestmark = pytest.mark.skipif(servers.why_not() is not None, reason=servers.why_not() or "")


@pytest.fixture(scope="module")
def postfix(authority):
    with servers.Postfix(authority) as running:
        yield running


@pytest.fixture
def submission(postfix, trusted):
    """The inputs for the port that demands STARTTLS and a login."""
    return {
        "port": postfix.submission,
        "security": "starttls",
        "trustedCertificate": trusted,
        "authentication": {"type": "auto", "username": "jane@example.com", "password": "pass word"},
    }


async def received(postfix, sent):
    return await asyncio.to_thread(postfix.received, sent.message_id)


@pytest.mark.parametrize("kind", ["auto", "plain", "login", "cramMd5"])
async def test_starttls_and_password(smtp, postfix, submission, kind):
    """Each mechanism; letters, dots and attachments arrive as they were sent."""
    login = {**submission["authentication"], "type": kind}
    sent = await smtp(
        "127.0.0.1",
        **{**submission, "authentication": login},
        subject="Grüße",
        text=".\nGrüße\n..",
        attachments=[{"name": "Größe.bin", "content": "AAEC/w=="}],
    )
    mail = await received(postfix, sent)
    assert mail["Subject"] == "Grüße"
    assert mail.get_body(("plain",)).get_content() == ".\nGrüße\n..\n"
    (part,) = mail.iter_attachments()
    assert (part.get_filename(), part.get_content()) == ("Größe.bin", b"\0\1\2\xff")
    assert "queued as" in sent.reply


async def test_tls_from_the_start_with_a_token(smtp, postfix, trusted):
    """XOAUTH2: signature, user and time are checked by Dovecot."""
    inputs = {"port": postfix.submissions, "security": "tls", "trustedCertificate": trusted}
    good = {"type": "token", "username": "bob@example.com", "token": servers.token("bob@example.com")}
    await received(postfix, await smtp("127.0.0.1", **inputs, authentication=good))
    for wrong in (
        servers.token("bob@example.com", key=b"another key"),
        servers.token("bob@example.com", life=-5),
        servers.token("jane@example.com"),
        "nonsense",
    ):
        error = await smtp.error("127.0.0.1", "SMTP_AUTH_FAILED", **inputs, authentication={**good, "token": wrong})
        assert isinstance(error, PermanentError)
        assert wrong not in error.message


async def test_a_wrong_password(smtp, submission):
    """An incident at once."""
    login = {**submission["authentication"], "password": "wrong"}
    error = await smtp.error("127.0.0.1", "SMTP_AUTH_FAILED", **{**submission, "authentication": login})
    assert isinstance(error, PermanentError)


async def test_login_before_starttls_is_not_offered(smtp, submission):
    """Postfix demands TLS first."""
    error = await smtp.error("127.0.0.1", "SMTP_AUTH_FAILED", **{**submission, "security": "none"})
    assert "STARTTLS or TLS" in error.message


async def test_partial_refusal(smtp, postfix):
    """Postfix relays to no other domain."""
    inputs = {"port": postfix.plain, "to": "jane@example.com, eve@elsewhere.test"}
    error = await smtp.error("127.0.0.1", "SMTP_RECIPIENT_REFUSED", **inputs)
    assert error.variables["accepted"] == ["jane@example.com"]
    sent = await smtp("127.0.0.1", **inputs, onRefused="continue")
    assert [one.address for one in sent.refused] == ["eve@elsewhere.test"]
    await received(postfix, sent)


async def test_notifications_and_international_addresses(smtp, postfix):
    """DSN and SMTPUTF8 as Postfix speaks them."""
    sent = await smtp(
        "127.0.0.1", port=postfix.plain, to="José <josé@example.com>", deliveryReceipt="failure", text="x"
    )
    assert sent.warnings == []
    mail = await received(postfix, sent)
    assert "José" in str(mail["To"])


async def test_many_mails_over_few_sessions(smtp, postfix, submission):
    """Signed in eight times, not two hundred times; each is delivered."""
    sent = await asyncio.gather(*(smtp("127.0.0.1", **submission, key=key, seconds=60) for key in range(100, 300)))
    await asyncio.gather(*(received(postfix, one) for one in sent[-5:]))
    log = (postfix.directory / "postfix.log").read_text()
    assert len({one.message_id for one in sent}) == 200
    assert log.count(": connect from") < 60
