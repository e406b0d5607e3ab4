"""Every option of the form, as a server received it and as an independent reader understands it."""

import base64
import time
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from zeebe_connectors import InputError
from zeebe_connectors.testing.servers import HttpServer, Reply, SmtpServer

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def body(message, kind):
    return message.get_body((kind,)).get_content().replace("\r\n", "\n")  # base64 keeps the line ends of the wire


async def test_a_simple_mail(smtp, server):
    """What the form's required fields give, and what comes back."""
    sent = await smtp(server, key=7)
    mail = server.mails[0]
    assert (mail.sender, mail.to) == ("billing@example.com", ["jane@example.com"])
    message = mail.parsed
    assert message["From"] == "billing@example.com"
    assert message["To"] == "jane@example.com"
    assert message["Subject"] == "Hello"
    assert message["MIME-Version"] == "1.0"
    assert message.get_content() == "Hello, Jane\n"
    assert abs(message["Date"].datetime.timestamp() - time.time()) < 60
    assert message["Message-ID"] == sent.message_id
    assert set(message.keys()) == {
        "Date", "Message-ID", "From", "To", "Subject", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
    }  # fmt: skip
    assert sent.model_dump(by_alias=True) == {
        "result": "Mail sent successfully",
        "messageId": sent.message_id,
        "accepted": ["jane@example.com"],
        "refused": [],
        "warnings": [],
        "reply": "250 2.0.0 Ok: queued as 1",
    }


async def test_recipients_of_all_kinds(smtp, server):
    """To, Cc and reply-to are seen; Bcc stands in the envelope only; nobody gets two."""
    sent = await smtp(
        server,
        senderName="Müller, Billing",
        to='"Doe, John" <john@example.com>, jane@example.com',
        cc=["Größe <c@münchen.example>"],
        bcc="hidden@example.com, jane@example.com",
        replyTo=["answers@example.com", "Team <team@example.com>"],
    )
    mail = server.mails[0]
    assert mail.to == ["john@example.com", "jane@example.com", "c@xn--mnchen-3ya.example", "hidden@example.com"]
    assert sent.accepted == mail.to
    assert b"hidden" not in mail.data
    message = mail.parsed
    assert [one.display_name for one in message["From"].addresses] == ["Müller, Billing"]
    assert [one.display_name for one in message["To"].addresses] == ["Doe, John", ""]
    assert [one.display_name for one in message["Cc"].addresses] == ["Größe"]
    assert [one.addr_spec for one in message["Reply-To"].addresses] == ["answers@example.com", "team@example.com"]
    assert message["Bcc"] is None


@pytest.mark.parametrize("only", ["cc", "bcc"])
async def test_one_kind_of_recipient_is_enough(smtp, server, only):
    """To may be empty."""
    await smtp(server, **{"to": "", only: "jane@example.com"})
    assert server.mails[0].to == ["jane@example.com"]


async def test_text_and_html_with_inline_image(smtp, server, files):
    """The image is found by its cid."""
    (files / "logo.png").write_bytes(PNG)
    await smtp(
        server,
        format="both",
        text="Grüße",
        html='<p>Grüße <img src="cid:logo"></p>',
        inlineImages={"logo": "logo.png"},
    )
    message = server.mails[0].parsed
    assert body(message, "plain") == "Grüße\n"
    assert body(message, "html") == '<p>Grüße <img src="cid:logo"></p>\n'
    (image,) = [part for part in message.walk() if part["Content-ID"] == "<logo>"]
    assert image.get_content() == PNG
    assert image.get_content_type() == "image/png"
    assert image.get_content_disposition() == "inline"


async def test_half_a_character_does_not_keep_a_mail_from_being_sent(smtp, server):
    """A JSON escape can bring it, and no mail can carry it."""
    half = "a\ud800b"
    content = {"name": f"{half}.txt", "content": base64.b64encode(b"x").decode()}
    await smtp(
        server,
        to=[f"{half} <jane@example.com>", '"a b"@example.com'],
        subject=half,
        text=half,
        headers={"X-A": half},
        senderName=half,
        attachments=[content],
    )
    mail = server.mails[0]
    assert mail.to == ["jane@example.com", '"a b"@example.com']
    assert mail.parsed["Subject"] == mail.parsed["X-A"] == "a\ufffdb"
    assert body(mail.parsed, "plain").strip() == "a\ufffdb"
    assert mail.parsed["From"].addresses[0].display_name == "a\ufffdb"
    with pytest.raises(InputError, match="invisible characters"):
        await smtp(server, to=f"{half}@example.com")


async def test_html_alone(smtp, server):
    """The text of another format is not sent."""
    await smtp(server, format="html", html="<b>Hi</b>", text="left over")
    message = server.mails[0].parsed
    assert message.get_content_type() == "text/html"
    assert b"left over" not in server.mails[0].data


async def test_bodies_from_files_and_documents(smtp, server, files):
    """UTF-8, with or without a byte order mark."""
    (files / "body.txt").write_bytes("\ufeffGrüße aus der Datei".encode())
    document = await smtp.documents.create("<p>Grüße</p>".encode(), name="body.html", content_type="text/html")
    await smtp(server, format="both", text=None, textFile="body.txt", html=document.reference)
    message = server.mails[0].parsed
    assert body(message, "plain") == "Grüße aus der Datei\n"
    assert body(message, "html") == "<p>Grüße</p>\n"


async def test_attachments_of_every_kind(smtp, server, files):
    """A file, a document, an inline document, a URL, base64 text; names and types as given or guessed."""
    (files / "sub").mkdir()
    (files / "sub" / "Bericht Mai.pdf").write_bytes(b"%PDF-1")
    document = await smtp.documents.create(b"a,b\n", name="table.csv", content_type="text/csv")
    inline = {"camunda.document.type": "inline", "content": "hello", "name": "note.txt", "contentType": "text/plain"}
    async with HttpServer() as web:
        web.answer("*", Reply(200, b"web", [("Content-Type", "application/zip")]))
        await smtp(
            server,
            attachments=[
                "sub/Bericht Mai.pdf",
                document.reference,
                inline,
                web.url("/files/archive.zip"),
                {"name": "Größe.json", "content": base64.b64encode(b"{}").decode()},
                {"name": "renamed.pdf", "path": "sub/Bericht Mai.pdf"},
                {"document": document.reference, "contentType": "text/plain", "name": "t.txt"},
                {"url": web.url("/x"), "name": "y.zip"},
                {"name": "c:\\temp\\evil/../z.bin", "content": "AA=="},
            ],
        )
    parts = list(server.mails[0].parsed.iter_attachments())
    assert [(part.get_filename(), part.get_content_type(), part.get_payload(decode=True)) for part in parts] == [
        ("Bericht Mai.pdf", "application/pdf", b"%PDF-1"),
        ("table.csv", "text/csv", b"a,b\n"),
        ("note.txt", "text/plain", b"hello"),
        ("archive.zip", "application/zip", b"web"),
        ("Größe.json", "application/json", b"{}"),
        ("renamed.pdf", "application/pdf", b"%PDF-1"),
        ("t.txt", "text/plain", b"a,b\n"),
        ("y.zip", "application/zip", b"web"),
        ("z.bin", "application/octet-stream", b"\0"),
    ]


async def test_one_attachment_without_a_list(smtp, server, files):
    """As a FEEL expression often gives it."""
    (files / "a.txt").write_text("a")
    await smtp(server, attachments="a.txt", text=None)
    assert [part.get_filename() for part in server.mails[0].parsed.iter_attachments()] == ["a.txt"]


@pytest.mark.parametrize(
    ("importance", "expected"),
    [("high", ("high", "1", "High")), ("Low", ("low", "5", "Low")), ("normal", (None, None, None))],
)
async def test_importance(smtp, server, importance, expected):
    """In the three headers that mail programs read."""
    await smtp(server, importance=importance)
    message = server.mails[0].parsed
    assert tuple(message[name] for name in ("Importance", "X-Priority", "X-MSMail-Priority")) == expected


@pytest.mark.parametrize(
    ("sensitivity", "expected"),
    [("normal", None), ("personal", "Personal"), ("private", "Private"), ("CONFIDENTIAL", "Company-Confidential")],
)
async def test_sensitivity(smtp, server, sensitivity, expected):
    """The registered values; normal has none."""
    await smtp(server, sensitivity=sensitivity)
    assert server.mails[0].parsed["Sensitivity"] == expected


async def test_read_receipt(smtp, server):
    """Goes to the sender."""
    await smtp(server, readReceipt="true")
    assert server.mails[0].parsed["Disposition-Notification-To"] == "billing@example.com"


@pytest.mark.parametrize(("given", "days"), [("today", 0), ("tomorrow", 1)])
async def test_follow_up(smtp, server, given, days):
    """Due at the end of the day, so that today is not past."""
    before = datetime.now().astimezone()
    await smtp(server, followUp=given)
    message = server.mails[0].parsed
    assert message["X-Message-Flag"] == "Follow up"
    due = parsedate_to_datetime(message["Reply-By"])
    assert due > before
    possible = {(day + timedelta(days=days)).date() for day in (before, datetime.now().astimezone())}
    assert due.astimezone().date() in possible
    assert due.astimezone().strftime("%H:%M:%S") == "23:59:59"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2999-12-24", "2999-12-24 23:59:59"),
        ("2999-12-24T08:30:00Z", None),
        ("2999-12-24T08:30:00+02:00[Europe/Berlin]", None),
    ],
)
async def test_follow_up_by_a_date(smtp, server, given, expected):
    """A date, or a date and time as FEEL writes it."""
    await smtp(server, followUp="date", followUpDate=given)
    due = parsedate_to_datetime(server.mails[0].parsed["Reply-By"])
    if expected:
        assert due.astimezone().strftime("%Y-%m-%d %H:%M:%S") == expected
    else:
        assert due == datetime.fromisoformat(given.partition("[")[0])


@pytest.mark.parametrize("given", [None, "", "soon", "2001-01-01", "2024-13-01"])
async def test_a_wrong_follow_up_date_is_refused(smtp, server, given):
    """Neither a date nor in the future."""
    with pytest.raises(InputError, match=r"^followUpDate: "):
        await smtp(server, followUp="date", followUpDate=given)
    assert not server.mails


@pytest.mark.parametrize(
    ("inputs", "mail_options", "rcpt_options"),
    [
        ({}, [], []),
        ({"deliveryReceipt": "success"}, ["RET=HDRS"], ["NOTIFY=SUCCESS"]),
        ({"deliveryReceipt": "failure", "deliveryReceiptContent": "message"}, ["RET=FULL"], ["NOTIFY=FAILURE,DELAY"]),
        ({"deliveryReceipt": "always"}, ["RET=HDRS"], ["NOTIFY=SUCCESS,FAILURE,DELAY"]),
        ({"deliveryReceipt": "never"}, [], ["NOTIFY=NEVER"]),
    ],
)
async def test_delivery_status_notifications(smtp, server, inputs, mail_options, rcpt_options):
    """The options of RFC 3461, with the Message-ID as envelope id."""
    sent = await smtp(server, to="a+b=c@example.com", **inputs)
    mail = server.mails[0]
    returns = [option for option in mail.options if option.startswith("RET")]
    assert returns == mail_options
    _, options = mail.recipients[0]
    assert options == ([*rcpt_options, "ORCPT=rfc822;a+2Bb+3Dc@example.com"] if rcpt_options else [])
    envelope_id = [option for option in mail.options if option.startswith("ENVID=")]
    assert envelope_id == ([f"ENVID={sent.message_id[1:-1]}"] if rcpt_options else [])
    assert sent.warnings == []


async def test_notifications_that_are_not_offered_are_reported(smtp):
    """The mail goes out; the result says what could not be had."""
    async with SmtpServer(extensions=[]) as server:
        sent = await smtp(server, deliveryReceipt="always")
    assert server.mails[0].options == []
    assert sent.warnings == ["The server does not offer delivery status notifications (DSN), so none was requested."]


async def test_extra_headers(smtp, server):
    """As given."""
    await smtp(server, headers={"X-Order-Id": 42, "List-Unsubscribe": "<mailto:off@example.com>"})
    message = server.mails[0].parsed
    assert (message["X-Order-Id"], message["List-Unsubscribe"]) == ("42", "<mailto:off@example.com>")


async def test_the_client_name(smtp, server):
    """An address literal, which is always true, unless told."""
    await smtp(server)
    await smtp(server, clientName="app.example.com")
    assert [line for line in server.lines if line.startswith("EHLO")] == ["EHLO [127.0.0.1]", "EHLO app.example.com"]


async def test_an_international_local_part(smtp, server):
    """SMTPUTF8 is asked for only where it is needed."""
    await smtp(server)
    await smtp(server, to="José <josé@example.com>", key=2)
    assert "SMTPUTF8" not in server.mails[0].options
    assert "SMTPUTF8" in server.mails[1].options
    assert server.mails[1].to == ["josé@example.com"]


async def test_lines_that_begin_with_dots(smtp, server):
    """Dot-stuffing (RFC 5321, 4.5.2)."""
    text = ".\n..\n.a\n\n.\nQUIT\n"
    await smtp(server, text=text)
    assert server.mails[0].parsed.get_content() == text


async def test_the_size_is_announced_exactly(smtp, server):
    """So that a server can refuse before the message travels."""
    await smtp(server, text=".dot\n" * 100)
    assert server.mails[0].options == [f"SIZE={len(server.mails[0].data)}"]


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
async def test_any_server_will_do(smtp, extensions):
    """With and without extensions; several mails and recipients in one session."""
    async with SmtpServer(extensions=extensions) as server:
        for key in range(3):
            await smtp(server, key=key, to=["a@example.com", "b@example.com"])
    assert [mail.to for mail in server.mails] == [["a@example.com", "b@example.com"]] * 3
    assert server.sessions == 1


async def test_a_server_that_knows_only_helo(smtp, server):
    """Old, but seen."""
    server.say("EHLO", "502 5.5.1 Not implemented")
    await smtp(server)
    assert server.mails
