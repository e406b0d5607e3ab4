"""Every action against the mail server of the local stack, with what the official connector is known to give."""

import base64
import imaplib
import smtplib
from email.message import EmailMessage

import pytest

from zeebe_connectors import Document
from zeebe_connectors.testing.servers import MailServer, in_thread

ANN, BOB = "ann@example.test", "bob@example.test"


def login(address):
    return {"type": "simple", "username": address, "password": "secret"}


@pytest.fixture(scope="module")
def own_mail():
    """One for all tests; each has a mailbox of its own."""
    users = {f"{name}@example.test": "secret" for name in ("ann", "bob", *MAILBOXES)}
    with in_thread(MailServer(users=users)) as running:
        yield running


MAILBOXES = [f"box{number}" for number in range(20)]
_free = iter(MAILBOXES)


@pytest.fixture
def box():
    return f"{next(_free)}@example.test"


def deliver(server, to, subject, *, body="text", sender=f"Ann Example <{ANN}>", day=1, message_id=None, files=()):
    message = EmailMessage()
    message["From"], message["To"] = sender, to
    message["Subject"] = subject
    message["Date"] = f"{day:02} Nov 2026 10:00:00 +0100"
    message["Message-ID"] = message_id or f"<{subject.encode().hex()}.{day}@example.test>"
    message["X-Twice"], message["x-twice"] = "1", "2"
    message.set_content(body)
    message.add_alternative(f"<p>{body}</p>", subtype="html")
    for name, data in files:
        message.add_attachment(data, maintype="application", subtype="pdf", filename=name)
    with smtplib.SMTP(server.host, server.smtp_port, timeout=20) as client:
        client.send_message(message, to_addrs=[to])
    return message["Message-ID"]


class Mailbox:
    """The tasks of one protocol on one mailbox."""

    def __init__(self, email, protocol, port, box):
        self.email, self.place, self.login = email, (protocol, port), {"authentication": login(box)}
        self.name = protocol.capitalize()

    def __call__(self, action, given=None, **more):
        return self.email(*self.place, action, given, **self.login, **more)

    def fails(self, code, action, given=None, **more):
        return self.email.error(code, *self.place, action, given, **self.login, **more)


@pytest.fixture
def imap(email, own_mail, box):
    return Mailbox(email, "imap", own_mail.imap_port, box)


@pytest.fixture
def pop3(email, own_mail, box):
    return Mailbox(email, "pop3", own_mail.pop3_port, box)


@pytest.fixture(params=["imap", "pop3"])
def task(request, imap, pop3):
    return imap if request.param == "imap" else pop3


async def test_list_gives_id_sender_subject_and_size_in_order(imap, own_mail, box):
    first = deliver(own_mail, box, "first", day=3, body="x" * 500)
    second = deliver(own_mail, box, "zweiter Gruß", day=1)
    third = deliver(own_mail, box, "third", day=2, body="y" * 5000)
    listed = await imap("listEmailsImap", {"maxToBeRead": "100", "sortField": "RECEIVED_DATE", "sortOrder": "ASC"})
    assert [one["messageId"] for one in listed] == [first, second, third]
    assert listed[1]["fromAddress"] == ANN
    assert listed[1]["subject"] == "zweiter Gruß"
    assert set(listed[0]) == {"messageId", "fromAddress", "subject", "size"}
    assert listed[2]["size"] > listed[0]["size"] > listed[1]["size"] > 0
    sent = await imap("listEmailsImap", {"maxToBeRead": 2, "sortField": "SENT_DATE", "sortOrder": "ASC"})
    assert [one["messageId"] for one in sent] == [second, third]
    sent = await imap("listEmailsImap", {"sortField": "SENT_DATE", "sortOrder": "DESC"})
    assert [one["messageId"] for one in sent] == [first, third, second]
    sizes = await imap("listEmailsImap", {"maxToBeRead": 1, "sortField": "SIZE", "sortOrder": "DESC"})
    assert [one["messageId"] for one in sizes] == [third]


async def test_an_empty_folder_lists_nothing_and_one_that_is_not_there_is_reported(imap):
    assert await imap("listEmailsImap") == []
    outcome = await imap.fails("IMAP_FOLDER_NOT_FOUND", "listEmailsImap", {"listEmailsFolder": "Nowhere"})
    assert outcome.retries == 0


async def test_search_finds_by_sender_subject_body_and_their_combinations(task, own_mail, box):
    action = f"searchEmails{task.name}"
    one = deliver(own_mail, box, "Order 1", body="two roses")
    two = deliver(own_mail, box, "Order 2", body="bread", sender="Bob <bob@example.test>")
    three = deliver(own_mail, box, "Invoice", body="two roses", sender="Bob <bob@example.test>")

    async def found(criteria):
        result = await task(action, {"criteria": criteria})
        assert all(set(item) == {"messageId", "subject"} for item in result)
        return {item["messageId"] for item in result}

    order, bob, roses = (
        {"field": "SUBJECT", "value": "order"},
        {"field": "FROM", "value": BOB},
        {"field": "BODY", "value": "roses"},
    )
    assert await found(order) == {one, two}
    assert await found(bob) == {two, three}
    assert await found(roses) == {one, three}
    assert await found({"operator": "AND", "criteria": [order, roses]}) == {one}
    assert await found({"operator": "OR", "criteria": [bob, roses]}) == {one, two, three}
    nested = {"operator": "OR", "criteria": [{"operator": "AND", "criteria": [order, bob]}, roses]}
    assert await found(nested) == {one, two, three}
    nested = {"operator": "AND", "criteria": [bob, {"operator": "OR", "criteria": [order, roses, bob]}, order]}
    assert await found(nested) == {two}
    assert await found({"field": "SUBJECT", "value": "nothing like it"}) == set()


async def test_search_in_any_script(task, own_mail, box):
    action = f"searchEmails{task.name}"
    one = deliver(own_mail, box, "Größe 42", body="Straße")
    deliver(own_mail, box, "日本", body="x")
    found = await task(action, {"criteria": {"field": "SUBJECT", "value": "Größe"}})
    assert [item["messageId"] for item in found] == [one]
    found = await task(action, {"criteria": {"field": "BODY", "value": "Straße"}})
    assert [item["messageId"] for item in found] == [one]


async def test_read_gives_the_whole_mail_and_its_attachments_as_documents(task, email, own_mail, box):
    identity = deliver(own_mail, box, "Grüße", body="Hallo Jäne", files=[("a.pdf", b"%PDF-1"), ("b.pdf", b"%PDF-2")])
    mail = await task(f"readEmail{task.name}", {"messageId": identity})
    assert (mail["messageId"], mail["fromAddress"], mail["subject"]) == (identity, ANN, "Grüße")
    assert mail["plainTextBody"].strip() == "Hallo Jäne"
    assert mail["htmlBody"].strip() == "<p>Hallo Jäne</p>"
    assert [header["value"] for header in mail["headers"] if header["key"].lower() == "x-twice"] == ["1", "2"]
    assert set(mail["headers"][0]) == {"key", "value"}
    assert isinstance(mail["size"], int)
    assert mail["size"] > 500
    assert mail["errors"] == []
    assert mail["receivedDateTime"] is None or mail["receivedDateTime"].endswith("Z")
    assert [one["metadata"]["fileName"] for one in mail["attachments"]] == ["a.pdf", "b.pdf"]
    read = await email.documents.read(Document(mail["attachments"][1]), seconds=5)
    assert (read.data, read.content_type) == (b"%PDF-2", "application/pdf")
    assert [person["address"] for person in mail["to"]] == [box]


async def test_reading_marks_nothing_as_read_and_removes_nothing(imap, pop3, own_mail, box):
    identity = deliver(own_mail, box, "stays")
    for _ in range(2):
        await imap("readEmailImap", {"messageId": identity})
    assert unread(own_mail, box) == 1
    for _ in range(2):
        await pop3("readEmailPop3", {"messageId": identity})  # which this server takes for reading
    assert len(await imap("listEmailsImap")) == len(await pop3("listEmailsPop3")) == 1


def unread(server, box):
    with imaplib.IMAP4(server.host, server.imap_port, timeout=20) as client:
        client.login(box, "secret")
        client.select("INBOX", readonly=True)
        return len(client.search(None, "UNSEEN")[1][0].split())


async def test_delete_takes_the_one_and_leaves_the_others(task, own_mail, box):
    kept, gone = deliver(own_mail, box, "kept"), deliver(own_mail, box, "gone")
    name = task.name
    assert await task(f"deleteEmail{name}", {"messageId": gone}) == {"messageId": gone, "deleted": True}
    assert [one["messageId"] for one in await task(f"listEmails{name}")] == [kept]
    assert [one["Message-ID"] for one in own_mail.messages(box)] == [kept]
    await task.fails("EMAIL_NOT_FOUND", f"deleteEmail{name}", {"messageId": gone}, key=2)
    await task.fails("EMAIL_NOT_FOUND", f"readEmail{name}", {"messageId": gone})


async def test_move_takes_the_mail_to_a_folder_that_it_makes(imap, own_mail, box):
    moved, kept = deliver(own_mail, box, "moved"), deliver(own_mail, box, "kept")
    target = "Erledigt/2026 März"
    result = await imap("moveEmailImap", {"messageId": moved, "fromFolder": "inbox", "toFolder": target})
    assert result == {"messageId": moved, "from": "inbox", "to": target}
    assert [one["messageId"] for one in await imap("listEmailsImap")] == [kept]
    there = await imap("listEmailsImap", {"listEmailsFolder": "Erledigt.2026 März"})
    assert [one["messageId"] for one in there] == [moved]
    back = {"messageId": moved, "fromFolder": target, "toFolder": "INBOX"}
    assert (await imap("moveEmailImap", back, key=2))["to"] == "INBOX"
    assert await imap("listEmailsImap", {"listEmailsFolder": target}) == []
    await imap.fails(
        "EMAIL_NOT_FOUND", "moveEmailImap", {"messageId": "<no@x>", "fromFolder": "INBOX", "toFolder": target}
    )


async def test_pop3_lists_by_sent_date_and_by_size(pop3, own_mail, box):
    one = deliver(own_mail, box, "one", day=2)
    two = deliver(own_mail, box, "two", day=3, body="x" * 4000)
    three = deliver(own_mail, box, "three", day=1, body="x" * 100)
    listed = await pop3("listEmailsPop3", {"maxToBeRead": "100", "sortField": "SENT_DATE", "sortOrder": "ASC"})
    assert [item["messageId"] for item in listed] == [three, one, two]
    assert listed[0]["fromAddress"] == ANN
    assert listed[0]["size"] > 0
    listed = await pop3("listEmailsPop3", {"maxToBeRead": 2, "sortField": "SIZE", "sortOrder": "DESC"})
    assert [item["messageId"] for item in listed] == [two, three]


async def test_send_reaches_the_mailbox_with_text_html_and_attachments(email, own_mail, box):
    inline = {
        "camunda.document.type": "inline",
        "content": "a;b",
        "name": "a.csv",
        "contentType": "text/csv",
    }
    stored = await email.documents.create(b"\0\1", name="b.bin", content_type="application/octet-stream")
    sent = await email(
        "smtp",
        own_mail.smtp_port,
        "sendEmailSmtp",
        {
            "from": ANN,
            "to": [box],
            "cc": f"{BOB}",
            "headers": {"X-Order": "42", "Reply-To": "Desk <desk@example.test>"},
            "subject": "Grüße",
            "contentType": "MULTIPART",
            "body": "Hallo",
            "htmlBody": "<p>Hallo</p>",
            "attachments": [inline, dict(stored.reference)],
        },
        authentication=login(ANN),
    )
    assert (sent["subject"], sent["sent"]) == ("Grüße", True)
    (mail,) = own_mail.messages(box)
    assert mail["Message-ID"] == sent["messageId"]
    assert (mail["X-Order"], mail["Reply-To"], mail["Cc"]) == ("42", "Desk <desk@example.test>", BOB)
    assert mail.get_body(("plain",)).get_content().strip() == "Hallo"
    assert mail.get_body(("html",)).get_content().strip() == "<p>Hallo</p>"
    files = {part.get_filename(): part.get_payload(decode=True) for part in mail.iter_attachments()}
    assert files == {"a.csv": b"a;b", "b.bin": b"\0\1"}
    assert base64.b64decode(mail.get_payload()[1].get_payload()) == b"a;b"
