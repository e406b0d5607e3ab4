"""Against the mail server that developers get with the local stack."""

import pytest

from zeebe_connectors.testing.servers import MailServer


@pytest.fixture
async def own_mail():
    async with MailServer(users={"jane@example.test": "secret", "bob@example.test": "secret"}) as running:
        yield running


async def test_both_connectors_reach_the_mailbox(smtp, own_mail):
    """With a login; what is read back is what was sent."""
    inputs = {"port": own_mail.smtp_port, "from": "bob@example.test", "to": "Jäne <jane@example.test>"}
    sent = await smtp(
        own_mail.host,
        **inputs,
        authentication={"type": "auto", "username": "bob@example.test", "password": "secret"},
        format="both",
        text="Grüße",
        html="<p>Grüße</p>",
        importance="high",
        attachments=[{"name": "a.bin", "content": "AAEC"}],
    )

    class Server:
        port = own_mail.smtp_port

    await smtp.infosys(
        Server,
        login={"username": "bob@example.test", "password": "secret"},
        smtpEmailMailBoxName="bob@example.test",
        smtpEmailToRecipients="jane@example.test",
        smtpEmailContent="1 < 2",
    )
    first, second = own_mail.messages("jane@example.test")
    assert first["Message-ID"] == sent.message_id
    assert first["Importance"] == "high"
    assert first.get_body(("html",)).get_content().strip() == "<p>Grüße</p>"
    assert [part.get_content() for part in first.iter_attachments()] == [b"\0\1\2"]
    assert second.get_content().strip() == "1 < 2"


async def test_a_wrong_password(smtp, own_mail):
    """Refused."""
    login = {"type": "auto", "username": "bob@example.test", "password": "wrong"}
    await smtp.error(own_mail.host, "SMTP_AUTH_FAILED", port=own_mail.smtp_port, authentication=login)
