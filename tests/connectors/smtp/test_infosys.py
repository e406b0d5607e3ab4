"""Tasks of Infosys' SMTP template run unchanged; what its code did wrong is right."""

from datetime import datetime
from email.utils import parsedate_to_datetime

import pytest

from zeebe_connectors import InputError, PermanentError
from zeebe_connectors.connectors.smtp.infosys import send
from zeebe_connectors.testing import Complete, Fail, Throw, run
from zeebe_connectors.testing.process import free_ports
from zeebe_connectors.testing.servers import SmtpServer


def inputs_for(server, **inputs):
    """The least that a task has; of a server, or of a port where none listens."""
    return {
        "authentication": {"hostname": "127.0.0.1", "port": str(getattr(server, "port", server))},
        "smtpEmailMailBoxName": "mailer@example.com",
        "smtpEmailToRecipients": ["a@example.com"],
        "smtpEmailSubject": "Order 42",
        "smtpEmailContentType": "Text",
        "smtpEmailContent": "Thank you.",
        **inputs,
    }


async def test_the_template_with_its_defaults():
    """As the Modeler writes it: text for numbers, `${true}`, inputs without a source as null; the result by FEEL."""
    async with SmtpServer(users={"mailer": "secret"}) as server:
        outcome = await run(
            send,
            {
                "authentication": {
                    "hostname": "127.0.0.1",
                    "port": str(server.port),
                    "username": "mailer",
                    "password": "secrets.SMTP_PASSWORD",
                },
                "smtpEmailMailBoxName": "mailer@example.com",
                "smtpEmailToRecipients": ["a@example.com", "b@example.com"],
                "smtpEmailCcRecipients": None,
                "smtpEmailBccRecipients": "",
                "smtpEmailSubject": "Order 42",
                "smtpEmailContentType": "Text",
                "smtpEmailContent": "Thank you.",
                "smtpEmailAttachments": None,
                "smtpEmailImportance": "${true}",
                "smtpEmailReadReceipt": "${false}",
                "smtpEmailFollowUp": None,
                "smtpEmailDirectReplyTo": "",
                "smtpEmailSensitivity": "Normal",
            },
            secrets={"SMTP_PASSWORD": "secret"},
            result_variable="mail",
            result_expression="={ mailSent: response.result, both: response.response }",
        )
    assert isinstance(outcome, Complete), outcome
    assert (outcome.variables["mailSent"], outcome.variables["both"]) == ("SUCCESS", "Mail sent successfully")
    assert outcome.variables["mail"]["response"] == "Mail sent successfully"
    mail = server.mails[0]
    assert mail.to == ["a@example.com", "b@example.com"]
    message = mail.parsed
    assert message.get_content() == "Thank you.\n"
    assert (message["X-Priority"], message["Importance"]) == ("1", "high")
    assert message["Disposition-Notification-To"] is None
    assert message["Sensitivity"] is None


@pytest.mark.parametrize(("security", "sent"), [(None, False), ("none", True)])
async def test_a_login_goes_unencrypted_only_where_somebody_chose_that(monkeypatch, security, sent):
    """Outside of 465 and 587 STARTTLS is used where it is offered; who takes it out of the offer gets no password."""
    monkeypatch.setattr("zeebe_connectors.mail.smtp.session.is_loopback", lambda _host: False)
    async with SmtpServer(users={"mailer": "secret"}) as server:
        outcome = await run(
            send,
            {
                "authentication": {
                    "hostname": "127.0.0.1",
                    "port": server.port,
                    "username": "mailer",
                    "password": "secret",
                    "security": security,
                },
                "smtpEmailMailBoxName": "mailer@example.com",
                "smtpEmailToRecipients": ["a@example.com"],
                "smtpEmailSubject": "Order 42",
                "smtpEmailContentType": "Text",
                "smtpEmailContent": "Thank you.",
            },
        )
    assert bool(server.mails) is sent
    if not sent:
        assert (outcome.code, outcome.variables["error"]["variables"]["code"]) == ("500", "SMTP_TLS_FAILED")
        assert "unencrypted" in outcome.message


# What the template's form makes of each choice, and what must stand in the mail then; nothing where nothing is said.
FORMS = {
    "as it opens": (
        {},
        {"X-Priority": None, "Importance": None, "Disposition-Notification-To": None, "Sensitivity": None},
    ),
    "every mark": (
        {
            "smtpEmailImportance": "${true}",
            "smtpEmailReadReceipt": "${true}",
            "smtpEmailFollowUp": "tomorrow",
            "smtpEmailDirectReplyTo": "desk@example.com",
            "smtpEmailSensitivity": "Confidential",
        },
        {
            "X-Priority": "1",
            "Disposition-Notification-To": "mailer@example.com",
            "X-Message-Flag": "Follow up",
            "Reply-To": "desk@example.com",
            "Sensitivity": "Company-Confidential",
        },
    ),
    "private": ({"smtpEmailSensitivity": "Private"}, {"Sensitivity": "Private"}),
    "personal": ({"smtpEmailSensitivity": "Personal"}, {"Sensitivity": "Personal"}),
    "copies by expression": (
        {"smtpEmailCcRecipients": ["c@example.com"], "smtpEmailBccRecipients": ["d@example.com"]},
        {"Cc": "c@example.com", "Bcc": None},
    ),
    "HTML": ({"smtpEmailContentType": "HTML", "smtpEmailContent": "<b>x</b>"}, {"Content-Type": "text/html"}),
}
LEFT_EMPTY = dict.fromkeys(
    [
        "smtpEmailCcRecipients",
        "smtpEmailBccRecipients",
        "smtpEmailAttachments",
        "smtpEmailFollowUp",
        "smtpEmailDirectReplyTo",
    ]
)


@pytest.mark.parametrize("empty", [{}, LEFT_EMPTY], ids=["left out", "as null"])
@pytest.mark.parametrize("form", FORMS)
async def test_each_form_of_the_template(server, form, empty):
    """Through the whole pipeline: the headers as received, the result as its users read it, the error as BPMN error."""
    filled, expected = FORMS[form]
    inputs = {
        "authentication": {"hostname": "127.0.0.1", "port": str(server.port), "username": "", "password": ""},
        "smtpEmailMailBoxName": "mailer@example.com",
        "smtpEmailToRecipients": ["a@example.com"],
        "smtpEmailSubject": "Order 42",
        "smtpEmailContentType": "Text",
        "smtpEmailContent": "Thank you.",
        "smtpEmailImportance": "${false}",
        "smtpEmailReadReceipt": "${false}",
        "smtpEmailSensitivity": "Normal",
        **empty,
        **filled,
    }
    outcome = await run(send, inputs, result_variable="mail", result_expression="={answer: response.response}")
    assert isinstance(outcome, Complete), outcome
    assert outcome.variables["answer"] == outcome.variables["mail"]["response"] == "Mail sent successfully"
    got = server.mails[-1].parsed
    for name, value in expected.items():
        assert (got[name] or "").partition(";")[0] == (value or ""), name
    server.say("RCPT", "550 5.1.1 Unknown")
    refused = await run(
        send,
        inputs,
        error_expression="=bpmnError(error.code, error.message, {who: error.variables.refused[1].address})",
    )
    assert isinstance(refused, Throw)
    assert (refused.code, refused.variables) == ("500", {"who": "a@example.com"})


@pytest.mark.parametrize("field", ["smtpEmailFollowUp", "smtpFollowUp"])
@pytest.mark.parametrize("word", ["today", "Tomorrow"])
async def test_both_spellings_of_the_follow_up(smtp, server, field, word):
    """Due at the end of the day: Infosys' today was past at once."""
    before = datetime.now().astimezone()
    await smtp.infosys(server, **{field: word})
    message = server.mails[0].parsed
    assert message["X-Message-Flag"] == "Follow up"
    assert parsedate_to_datetime(message["Reply-By"]) > before


@pytest.mark.parametrize(
    "given",
    [
        ["a@example.com", "b@example.com"],
        "a@example.com, b@example.com",
        "[a@example.com, b@example.com]",
        " [ a@example.com ; b@example.com ] ",
        '["a@example.com", "b@example.com"]',
        "['a@example.com', 'b@example.com']",
        ["[a@example.com, b@example.com]"],
        '[Ann <a@example.com>, "Bob, the second" <b@example.com>]',
    ],
)
async def test_lists_as_lists_or_text(smtp, server, files, given):
    """Text could not even be read there."""
    (files / "a.txt").write_text("a")
    (files / "b.txt").write_text("b")
    attached = {list: ["a.txt", "b.txt"], "a": "a.txt, b.txt", "[": "[a.txt, b.txt]", " ": '["a.txt", "b.txt"]'}
    await smtp.infosys(
        server,
        smtpEmailToRecipients=given,
        smtpEmailCcRecipients=given,
        smtpEmailDirectReplyTo=given,
        smtpEmailAttachments=attached[given[0] if isinstance(given, str) else type(given)],
    )
    message = server.mails[0].parsed
    for name in ("To", "Cc", "Reply-To"):
        assert [one.addr_spec for one in message[name].addresses] == ["a@example.com", "b@example.com"]
    assert [part.get_filename() for part in message.iter_attachments()] == ["a.txt", "b.txt"]


@pytest.mark.parametrize("empty", [None, "", " ", [], [None], [""], ",", "[]", "[ ]", ["[]"], ...])
async def test_an_empty_to_is_an_incident(server, empty):
    """As Infosys' document has it, also where Cc is filled; nothing is sent."""
    inputs = {**inputs_for(server), "smtpEmailToRecipients": empty, "smtpEmailCcRecipients": ["c@example.com"]}
    if empty is ...:
        del inputs["smtpEmailToRecipients"]
    outcome = await run(send, inputs, result_variable="mail")
    assert isinstance(outcome, Fail)
    assert outcome.retries == 0
    assert "smtpEmailToRecipients" in outcome.message
    assert "constrained" not in outcome.message
    assert outcome.variables["mail"] == {"response": outcome.message, "result": "FAIL"}
    assert server.lines == []


async def test_the_server_under_the_documents_name(server):
    """`host` counts where `hostname` is blank, and as the whole value a secret of the operator's."""
    for name in ({"host": "127.0.0.1"}, {"hostname": "", "host": "secrets.HOST"}):
        inputs = {**inputs_for(server), "authentication": {"port": str(server.port), **name}}
        outcome = await run(send, inputs, secrets={"HOST": "127.0.0.1"})
        assert isinstance(outcome, Complete), outcome
    assert len(server.mails) == 2


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        (None, Fail),
        ('if error.code = "404" then bpmnError("404", "Out of reach") else null', Throw),
        ('if error.code = "404" then ignoreError({}) else null', Complete),
        ('if error.code = "404" then jobError("later", {}, 5) else null', Fail),
    ],
)
async def test_a_server_out_of_reach_is_404_and_the_result_says_fail(expression, kind):
    """Whatever the error expression makes of it; the finer code stands in the error's variables."""
    (port,) = free_ports(1)
    inputs = inputs_for(port)
    more = {} if expression is None else {"error_expression": f"={expression}"}
    outcome = await run(send, inputs, result_variable="mail", **more)
    assert isinstance(outcome, kind), outcome
    assert outcome.variables["mail"]["result"] == "FAIL"
    assert str(port) in outcome.variables["mail"]["response"]
    if expression is None:
        assert outcome.variables["error"]["code"] == "404"
        assert outcome.variables["error"]["variables"]["code"] == "SMTP_UNREACHABLE"
        assert outcome.retries == 2


@pytest.mark.parametrize(("reply", "retries"), [("550 5.7.1 No", 0), ("451 4.3.0 Later", 2)])
async def test_a_mail_that_is_not_taken_is_500(server, reply, retries):
    """And is tried again where that may help."""
    server.say("MAIL", reply)
    outcome = await run(send, inputs_for(server), result_variable="mail")
    assert isinstance(outcome, Fail)
    assert (outcome.variables["error"]["code"], outcome.retries) == ("500", retries)
    assert outcome.variables["mail"]["result"] == "FAIL"
    quiet = await run(send, inputs_for(server))
    assert set(quiet.variables) == {"error"}, "nothing but the error where no result variable is named"


@pytest.mark.parametrize("kind", ["Text", "txt", "TEXT"])
async def test_text_is_text(smtp, server, kind):
    """There it was sent as HTML; the two characters for a line break still are one, and so is a real one."""
    await smtp.infosys(server, smtpEmailContentType=kind, smtpEmailContent="1 < 2\\nnext\nlast")
    message = server.mails[0].parsed
    assert message.get_content_type() == "text/plain"
    assert message.get_content() == "1 < 2\nnext\nlast\n"


@pytest.mark.parametrize("kind", ["HTML", "html", "htm"])
async def test_html_as_a_path_or_as_it_is(smtp, server, files, kind):
    """The file is read below the allowed directories, its line breaks and letters stay."""
    (files / "mail.html").write_text("<p>Grüße\nJane</p>", encoding="utf-8")
    for content in ("mail.html", "<p>Grüße\nJane</p>"):
        await smtp.infosys(server, smtpEmailContentType=kind, smtpEmailContent=content)
        message = server.mails[-1].parsed
        assert message.get_content_type() == "text/html"
        assert message.get_content().replace("\r", "") == "<p>Grüße\nJane</p>\n"


@pytest.mark.parametrize("kind", ["Text", "HTML"])
async def test_a_document_as_content(smtp, server, kind):
    """A document holds the text or the HTML itself, not its base64."""
    document = {"camunda.document.type": "inline", "content": "Grüße"}
    await smtp.infosys(server, smtpEmailContentType=kind, smtpEmailContent=document)
    assert server.mails[-1].parsed.get_content().strip() == "Grüße"


@pytest.mark.parametrize("path", ["/etc/passwd", "../mail.html", "file:///etc/passwd"])
async def test_no_file_of_the_runtime_can_be_mailed_out(smtp, server, path):
    """There any readable file could be."""
    for inputs in ({"smtpEmailAttachments": path}, {"smtpEmailContentType": "HTML", "smtpEmailContent": path}):
        with pytest.raises(InputError) as caught:
            await smtp.infosys(server, **inputs)
        assert caught.value.code == "FILE_FORBIDDEN"


@pytest.mark.parametrize(
    ("given", "expected"),
    [("Personal", "Personal"), ("private", "Private"), ("Confidential", "Company-Confidential"),
     ("Company-Confidential", "Company-Confidential"), ("", None)],
)  # fmt: skip
async def test_sensitivity(smtp, server, given, expected):
    """The registered values."""
    await smtp.infosys(server, smtpEmailSensitivity=given)
    assert server.mails[0].parsed["Sensitivity"] == expected


@pytest.mark.parametrize(
    ("given", "expected"), [("${true}", "1"), (True, "1"), ("High", "1"), ("low", "5"), ("${false}", None), ("", None)]
)
async def test_importance(smtp, server, given, expected):
    """The template's literals, FEEL's booleans, and words."""
    await smtp.infosys(server, smtpEmailImportance=given)
    assert server.mails[0].parsed["X-Priority"] == expected


async def test_read_receipt(smtp, server):
    """Goes to the mailbox."""
    await smtp.infosys(server, smtpEmailReadReceipt="${true}")
    assert server.mails[0].parsed["Disposition-Notification-To"] == "billing@example.com"


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        ({"smtpEmailSensitivity": "Secret"}, "smtpEmailSensitivity"),
        ({"smtpEmailFollowUp": "soon"}, "smtpEmailFollowUp"),
        ({"smtpEmailImportance": "urgent"}, "smtpEmailImportance"),
        ({"smtpEmailContentType": "rtf"}, "smtpEmailContentType"),
        ({"smtpEmailContent": ""}, "smtpEmailContent"),
        ({"smtpEmailSubject": ""}, "smtpEmailSubject"),
        ({"smtpEmailToRecipients": "nobody"}, "smtpEmailToRecipients"),
        ({"smtpEmailToRecipients": []}, "smtpEmailToRecipients"),
        ({"smtpEmailToRecipients": '["a@example.com", {"email": "b@example.com"}]'}, "smtpEmailToRecipients"),
        ({"smtpEmailMailBoxName": "nobody"}, "smtpEmailMailBoxName"),
        ({"login": {"port": "smtp"}}, "authentication.port"),
        ({"login": {"hostname": ""}}, "authentication.hostname"),
    ],
)
async def test_wrong_inputs_are_named(smtp, server, inputs, field):
    """Some were ignored there, some failed without a word."""
    with pytest.raises(InputError) as caught:
        await smtp.infosys(server, **inputs)
    assert field in caught.value.message.partition(": must")[0].partition(": address")[0]
    assert server.lines == []


async def test_the_connection_is_protected_where_the_server_can(smtp, tls):
    """STARTTLS is used when offered, and the certificate is checked; there any was accepted."""
    async with SmtpServer(tls=tls) as server:
        with pytest.raises(PermanentError) as caught:
            await smtp.infosys(server)
    assert (caught.value.code, caught.value.variables["code"]) == ("500", "SMTP_TLS_FAILED")


async def test_protection_can_be_demanded(smtp, server):
    """By an input that the template does not have."""
    with pytest.raises(PermanentError) as caught:
        await smtp.infosys(server, login={"security": "starttls"})
    assert (caught.value.code, caught.value.variables["code"]) == ("500", "SMTP_TLS_FAILED")
