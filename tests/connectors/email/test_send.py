"""The action send: what the official templates of each version bind, and what becomes of it on the wire."""

import pytest

from zeebe_connectors.net.egress import RULES, HostRules
from zeebe_connectors.testing import Complete, Fail
from zeebe_connectors.testing.servers import SmtpServer
from zeebe_connectors.web import NetworkRules

USERS = {"mailer": "secret"}
LOGIN = {"type": "simple", "username": "mailer", "password": "secret"}
NO_LOGIN = {"type": "noAuth"}


@pytest.fixture
async def server():
    async with SmtpServer(users=USERS) as running:
        yield running


def mail(**more):
    given = {"from": "billing@example.com", "to": "jane@example.com", "subject": "Order 7", "body": "Thank you."}
    return {**given, **more}


def send(email, server, given=None, **more):
    options = {"authentication": LOGIN, **more}
    return email("smtp", server.port, "sendEmailSmtp", given or mail(), **options)


def fails(email, code, server, given=None, **more):
    options = {"authentication": LOGIN, **more}
    return email.error(code, "smtp", server.port, "sendEmailSmtp", given or mail(), **options)


async def test_version_1_sends_ports_as_text_and_knows_plain_text_only(email, server):
    task = {
        "protocol": "smtp",
        "authentication": {"type": "simple", "username": "mailer", "password": "secret"},
        "data": {
            "smtpActionDiscriminator": "sendEmailSmtp",
            "smtpAction": {
                "from": "billing@example.com",
                "to": "jane@example.com, joe@example.com",
                "cc": None,
                "bcc": "",
                "subject": "Order 7",
                "body": "Thank you.",
            },
            "smtpConfig": {
                "smtpHost": " 127.0.0.1 ",
                "smtpPort": str(server.port),
                "smtpCryptographicProtocol": "NONE",
            },
        },
    }
    outcome = await email.outcome(task)
    assert isinstance(outcome, Complete), outcome
    result = outcome.variables["result"]
    (received,) = server.mails
    assert received.to == ["jane@example.com", "joe@example.com"]
    assert received.user == "mailer"
    assert received.parsed.get_content().strip() == "Thank you."
    assert received.parsed.get_content_type() == "text/plain"
    assert (result["subject"], result["sent"]) == ("Order 7", True)
    assert result["messageId"] == received.parsed["Message-ID"]
    assert result["messageId"].startswith("<")


async def test_version_2_and_3_have_html_headers_and_attachments(email, server):
    document = await email.documents.create(b"%PDF", name="may.pdf", content_type="application/pdf")
    given = mail(
        to=["jane@example.com", "joe@example.com"],
        cc=["kim@example.com"],
        bcc="lee@example.com",
        headers={"X-Order": "7", "Reply-To": "desk@example.com"},
        contentType="HTML",
        body=None,
        htmlBody="<p>Grüße</p>",
        attachments=[dict(document.reference)],
    )
    await send(email, server, given)
    (received,) = server.mails
    assert received.to == ["jane@example.com", "joe@example.com", "kim@example.com", "lee@example.com"]
    parsed = received.parsed
    assert (parsed["X-Order"], parsed["Reply-To"], parsed["Bcc"]) == ("7", "desk@example.com", None)
    assert parsed.get_body(("html",)).get_content().strip() == "<p>Grüße</p>"
    assert parsed.get_body(("plain",)) is None
    (part,) = parsed.iter_attachments()
    assert (part.get_filename(), part.get_content_type(), part.get_content()) == ("may.pdf", "application/pdf", b"%PDF")


async def test_version_4_signs_in_nowhere(email, server):
    await send(email, server, authentication=NO_LOGIN)
    assert server.mails[0].user is None
    assert server.logins == []


@pytest.mark.parametrize(
    ("helpers", "attachments", "names"),
    [
        ({"data_smtpAction_attachments_documentMode": "none"}, None, []),
        (
            {
                "data_smtpAction_attachments_documentMode": "single",
                "data_smtpAction_attachments_single_documentSource": "inline",
                "data_smtpAction_attachments_single_inline_content": "a;b",
                "data_smtpAction_attachments_single_inline_fileName": "a.csv",
            },
            [{"camunda.document.type": "inline", "content": "a;b", "name": "a.csv", "contentType": "text/csv"}],
            ["a.csv"],
        ),
        (
            {"data_smtpAction_attachments_documentMode": "multiple"},
            {"camunda.document.type": "inline", "content": "1", "name": "one.txt", "contentType": None},
            ["one.txt"],
        ),
        ({}, [None], []),
    ],
)
async def test_version_5_and_6_compose_attachments_beside_their_helper_inputs(
    email, server, helpers, attachments, names
):
    await send(email, server, mail(contentType="PLAIN", attachments=attachments, **helpers))
    assert [part.get_filename() for part in server.mails[0].parsed.iter_attachments()] == names


async def test_both_bodies_are_alternatives(email, server):
    """There they are siblings in multipart/mixed, so that a reader shows the text twice."""
    await send(email, server, mail(contentType="MULTIPART", htmlBody="<p>Thank you.</p>"))
    parsed = server.mails[0].parsed
    assert parsed.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.parametrize("kind", [None, "", "plain", "RICH", 7])
async def test_an_unknown_content_type_is_plain_text(email, server, kind):
    await send(email, server, mail(contentType=kind))
    assert server.mails[0].parsed.get_content_type() == "text/plain"


async def test_a_body_may_be_a_document(email, server):
    document = await email.documents.create("Grüße".encode(), name="body.txt", content_type="text/plain")
    await send(email, server, mail(body=dict(document.reference)))
    assert server.mails[0].parsed.get_content().strip() == "Grüße"


@pytest.mark.parametrize(
    ("given", "code", "named"),
    [
        (mail(body=None), "INVALID_INPUT", "data.smtpAction.body"),
        (mail(contentType="HTML"), "INVALID_INPUT", "data.smtpAction.htmlBody"),
        (mail(contentType="MULTIPART"), "INVALID_INPUT", "data.smtpAction.htmlBody"),
        (mail(subject=None), "INVALID_INPUT", "data.smtpAction.subject"),
        (mail(**{"from": ""}), "INVALID_INPUT", "data.smtpAction.from"),
        (mail(**{"from": "a@example.com, b@example.com"}), "INVALID_ADDRESS", "data.smtpAction.from"),
        (mail(to="jane"), "INVALID_ADDRESS", "data.smtpAction.to"),
        (mail(to={"a": 1}), "INVALID_INPUT", "data.smtpAction.to"),
        (mail(to=[], cc="", bcc=None), "SMTP_NO_RECIPIENT", "to, cc, bcc"),
        (mail(subject="a\r\nBcc: x@example.com"), "HEADER_INJECTION", "data.smtpAction.subject"),
        (mail(headers={"X-A": "a\nb"}), "HEADER_INJECTION", "data.smtpAction.headers"),
        (mail(headers={"From": "x@example.com"}), "HEADER_NOT_ALLOWED", "data.smtpAction.headers"),
        (mail(headers={"Reply-To": "nobody"}), "INVALID_ADDRESS", "data.smtpAction.headers.Reply-To"),
    ],
)
async def test_what_is_wrong_is_an_incident_that_names_the_field(email, server, given, code, named):
    outcome = await fails(email, code, server, given)
    assert outcome.retries == 0
    assert named in outcome.message
    assert server.mails == []


async def test_a_job_that_is_tried_again_has_its_result_and_sends_nothing_more(email, server):
    first, again = await send(email, server), await send(email, server)
    assert first == again
    assert len(server.mails) == 1
    assert (await send(email, server, key=2))["messageId"] != first["messageId"]


# Encryption


async def test_tls_without_a_login_is_used_where_it_is_offered(email, server, tls, trusted):
    """As the official connector does: a relay without STARTTLS still gets the mail."""
    await send(email, server, authentication=NO_LOGIN, security="TLS")
    assert server.mails[0].secured is False
    async with SmtpServer(tls=tls) as offering:
        await send(email, offering, authentication=NO_LOGIN, security="TLS", trustedCertificate=trusted, key=2)
        assert offering.mails[0].secured is True


async def test_tls_with_a_login_is_required_so_that_no_password_travels_in_clear(email, server, tls, trusted):
    outcome = await fails(email, "SMTP_TLS_FAILED", server, security="TLS")
    assert outcome.retries == 0
    assert (server.mails, server.logins) == ([], [])
    async with SmtpServer(tls=tls, users=USERS) as offering:
        await send(email, offering, security="TLS", trustedCertificate=trusted)
        assert (offering.mails[0].secured, offering.mails[0].user) == (True, "mailer")


async def test_starttls_is_required_whatever_the_login(email, server):
    await fails(email, "SMTP_TLS_FAILED", server, authentication=NO_LOGIN, security="STARTTLS")


async def test_ssl_is_tls_from_the_start_and_checks_the_certificate(email, tls, trusted):
    async with SmtpServer(tls=tls, implicit=True, users=USERS) as server:
        await send(email, server, security="SSL", trustedCertificate=trusted)
        assert server.mails[0].secured is True
        assert (await fails(email, "SMTP_TLS_FAILED", server, security="SSL", key=2)).retries == 0


# Login


async def test_a_refused_login_is_an_incident_without_the_password(email, server):
    wrong = {**LOGIN, "password": "{{secrets.PASSWORD}}"}
    outcome = await fails(email, "SMTP_AUTH_FAILED", server, authentication=wrong, secrets={"PASSWORD": "canary-1"})
    assert outcome.retries == 0
    assert "canary-1" not in repr(outcome)


@pytest.mark.parametrize("grant", ["clientCredentials", "refreshToken"])
async def test_an_access_token_signs_in_and_is_renewed_when_it_is_refused(email, tokens, grant):
    async with SmtpServer(mechanisms=["XOAUTH2"], token_ok=lambda _, token: token in tokens) as server:
        await send(email, server, authentication=tokens.login(grant))
        await server.hang_up()
        tokens.revoked.add("token-1")
        await send(email, server, authentication=tokens.login(grant), key=2)
        assert [mail.user for mail in server.mails] == ["alice@example.test"] * 2
        assert tokens.given == ["token-1", "token-2"]


# The network


async def test_the_operator_forbids_the_host(email, server):
    email.clients = type(email.clients)(preset={RULES: NetworkRules(hosts=HostRules(enabled=True))})
    outcome = await fails(email, "HOST_FORBIDDEN", server, host="localhost")
    assert (outcome.retries, server.sessions) == (0, 0)
    await email.clients.aclose()


async def test_a_refused_recipient_is_reported_and_nobody_gets_the_mail(email, server):
    server.say("RCPT", "550 5.1.1 unknown", text="joe@")
    outcome = await fails(email, "SMTP_RECIPIENT_REFUSED", server, mail(to="jane@example.com, joe@example.com"))
    assert outcome.retries == 0
    assert outcome.variables["error"]["variables"]["refused"][0]["address"] == "joe@example.com"
    assert server.mails == []


async def test_a_busy_server_is_tried_again(email, server):
    server.say("MAIL", "451 4.3.0 busy")
    outcome = await fails(email, "SMTP_SENDER_REFUSED", server)
    assert isinstance(outcome, Fail)
    assert outcome.retries == 2
