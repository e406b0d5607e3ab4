"""A process has the whole mail although nobody wrote a result expression, and the form names what a mail has."""

import pytest

from zeebe_connectors.connectors.email.imap_form import ImapConfig
from zeebe_connectors.connectors.email.pop3_form import Pop3Config
from zeebe_connectors.connectors.email.smtp_form import SmtpConfig
from zeebe_connectors.connectors.imap.connector import watch as imap
from zeebe_connectors.connectors.imap.model import ImapServer
from zeebe_connectors.connectors.pop3.connector import watch as pop3
from zeebe_connectors.mail import parse_mail
from zeebe_connectors.mail.reading.model import MAIL_FIELDS
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.templates.element_template import templates_of
from zeebe_connectors.testing.servers import message


@pytest.mark.parametrize("connector", [imap, pop3])
def test_every_inbound_template_gives_the_whole_mail_under_a_default_and_names_its_fields(connector):
    for template in templates_of(connector).values():
        properties = {item.get("id"): item for item in template["properties"]}
        assert properties["resultVariable"]["value"] == "mail"
        assert "subject: response.subject" in properties["resultExpression"]["value"]
        assert all(
            f" {name}" in properties["resultExpression"]["tooltip"] for name in ("text", "fromAddress", "attachments")
        )


def test_the_names_in_the_form_are_those_of_a_mail():
    assert set(MAIL_FIELDS) == {*parse_mail(message()).data(), "attachments", "inlineParts"}


def test_what_lies_in_the_folder_is_left_alone_by_our_templates_with_all_mails():
    for template in templates_of(imap).values():
        properties = {item.get("id"): item for item in template["properties"]}
        choice = properties["data.existingMails"]
        assert choice["value"] == "skip"
        assert choice["condition"]["equals"] == "allPollingConfig"


@pytest.mark.parametrize("connector", [imap, pop3])
def test_a_secret_can_be_a_port(connector):
    for template in templates_of(connector).values():
        ports = [item for item in template["properties"] if item.get("id", "").lower().endswith("port")]
        assert [item["type"] for item in ports] == ["String"]


@pytest.mark.parametrize(
    ("model", "name", "encryption", "port"),
    [
        (ImapServer, "imap", "TLS", 993),
        (ImapServer, "imap", "STARTTLS", 143),
        (ImapConfig, "imap", "NONE", 143),
        (ImapConfig, "imap", "SSL", 993),
        (Pop3Config, "pop3", "TLS", 995),
        (Pop3Config, "pop3", "STARTTLS", 110),
        (Pop3Config, "pop3", "NONE", 110),
        (SmtpConfig, "smtp", "TLS", 587),
        (SmtpConfig, "smtp", "SSL", 465),
        (SmtpConfig, "smtp", "NONE", 25),
    ],
)
def test_a_port_that_is_left_empty_follows_the_encryption(model, name, encryption, port):
    given = {f"{name}Host": "mail.example.com", f"{name}CryptographicProtocol": encryption, f"{name}Port": " "}
    assert read_input(model, given).port == port
    assert read_input(model, {**given, f"{name}Port": "2525"}).port == 2525


@pytest.mark.parametrize(("connector", "name"), [(imap, "data.existingMails"), (pop3, "existingMails")])
def test_our_templates_begin_with_mails_from_now_on(connector, name):
    for template in templates_of(connector).values():
        (found,) = [item for item in template["properties"] if item["binding"].get("name") == name]
        assert found["value"] == "skip"
