"""What real mail servers do besides the standard, and what the person who wrote the task is told then."""

from __future__ import annotations

import asyncio
import datetime as dt
import email
import email.policy

import pytest
import trustme

from zeebe_connectors import ConnectorError, PermanentError, TransientError
from zeebe_connectors.connectors.smtp.connector import send
from zeebe_connectors.sdk.memory import ShortMemory
from zeebe_connectors.sdk.names import file_name, name_of_disposition
from zeebe_connectors.testing import Complete, Fail, run
from zeebe_connectors.testing.servers import SmtpServer

LOGIN = {"type": "auto", "username": "ann", "password": "pw"}


@pytest.mark.parametrize(
    "answer", ["421 4.3.0 Closing", "451 4.3.0 Too many messages", "454 4.7.0 Try later", "503 5.5.1 Bad sequence"]
)
async def test_a_session_that_served_is_suspect(smtp, answer):
    """Before DATA such an answer is about the session: the mail goes out on a fresh one, and so do those after it."""
    async with SmtpServer() as server:
        server.say("MAIL", answer, after=1, times=1)
        for number in range(4):
            await smtp(server, key=10 + number)
        assert len(server.mails) == 4
        assert server.sessions == 2


async def test_a_fresh_session_that_refuses_is_believed(smtp):
    async with SmtpServer() as server:
        server.say("MAIL", "451 4.3.0 Try later")
        error = await smtp.error(server, "SMTP_SENDER_REFUSED")
        assert isinstance(error, TransientError)
        assert server.sessions == 1


async def test_login_sends_the_name_when_asked_for_it(smtp):
    """A server that ignores an initial response would get the password as the user name."""
    async with SmtpServer(users={"ann": "pw"}, mechanisms=["LOGIN"]) as server:
        await smtp(server, authentication={**LOGIN, "type": "login"})
        assert server.logins == [("ann", "pw")]
        assert "AUTH LOGIN" in server.lines


async def test_a_refused_initial_response_goes_into_a_line_of_its_own(smtp):
    async with SmtpServer(users={"ann": "pw"}, mechanisms=["PLAIN"]) as server:
        server.say("AUTH", "501 5.5.4 No initial response", text="AUTH PLAIN ", times=1)
        await smtp(server, authentication=LOGIN)
        assert server.logins == [("ann", "pw")]


@pytest.mark.parametrize("answer", ["500 5.5.2 Line too long", "555 5.5.2 Syntax error"])
async def test_any_complaint_about_the_line_repeats_it_in_two(smtp, answer):
    async with SmtpServer(users={"ann": "pw"}, mechanisms=["PLAIN"]) as server:
        server.say("AUTH", answer, text="AUTH PLAIN ", times=1)
        await smtp(server, authentication=LOGIN)
        assert server.logins == [("ann", "pw")]


async def test_plain_is_repeated_whatever_a_server_says_that_ignored_it(smtp):
    async with SmtpServer(users={"ann": "pw"}, mechanisms=["PLAIN"]) as server:
        server.say("AUTH", "334 ok. go on.", text="AUTH PLAIN ", times=1)
        await smtp.error(server, "SMTP_AUTH_FAILED", authentication=LOGIN)  # the server of the test knows no more of it
        assert [line for line in server.lines if "AGFubgBwdw==" in line] == ["AUTH PLAIN AGFubgBwdw==", "AGFubgBwdw=="]


@pytest.mark.parametrize(
    "answer",
    [
        "535 5.7.8 Cannot do this for you",
        "504 5.5.4 Unrecognized",
        "538 5.7.11 No",
        "432 4.7.12 A password transition is needed",
        "502 5.5.1 Not implemented",
        "503 5.7.4 Security features not supported",
        "550 unsupported authentication mechanism",
    ],
)
async def test_a_mechanism_that_is_offered_and_refused_is_not_the_last(smtp, answer):
    async with SmtpServer(users={"ann": "pw"}) as server:
        server.say("AUTH", answer, text="CRAM-MD5")
        await smtp(server, authentication=LOGIN)
        assert len(server.mails) == 1


async def test_a_wrong_password_is_tried_by_one_mechanism_only(smtp):
    """Each refused try counts towards a lock."""
    async with SmtpServer(users={"ann": "other"}, mechanisms=["PLAIN", "LOGIN"]) as server:
        await smtp.error(server, "SMTP_AUTH_FAILED", authentication=LOGIN)
        assert len(server.logins) == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("552 5.7.0 This message was blocked because its content presents a threat", "SMTP_MESSAGE_REFUSED"),
        ("552 5.2.2 Mailbox full", "SMTP_MESSAGE_REFUSED"),
        ("552 5.3.4 Message size exceeds fixed limit", "SMTP_TOO_LARGE"),
        ("552 Message size exceeds fixed limit", "SMTP_TOO_LARGE"),
        ("554 5.2.3 Message too large for this mailbox", "SMTP_TOO_LARGE"),
        ("552 #5.3.4 message size exceeds limit", "SMTP_TOO_LARGE"),
        ("554 Message too big", "SMTP_TOO_LARGE"),
        ("552 sorry, that message size exceeds my databytes limit (#5.3.4)", "SMTP_TOO_LARGE"),
        ("552 sorry, your mail was blocked (#5.7.1)", "SMTP_MESSAGE_REFUSED"),
        ("552 Mailbox full, over quota", "SMTP_MESSAGE_REFUSED"),
    ],
)
async def test_the_enhanced_code_says_more_than_the_basic_one(smtp, answer, code):
    async with SmtpServer() as server:
        server.say("DOT", answer)
        await smtp.error(server, code)


@pytest.mark.parametrize("verb", ["MAIL", "AUTH", "RCPT"])
@pytest.mark.parametrize(
    "answer",
    [
        "530 5.7.0 Must issue a STARTTLS command first",
        "550 5.7.10 No",
        "523 Encryption needed",
        "554 This server requires TLS",
        "538 SSL connection is required",
    ],
)
async def test_a_server_that_wants_starttls_is_understood(smtp, verb, answer):
    users = {"ann": "pw"} if verb == "AUTH" else None
    async with SmtpServer(users=users, mechanisms=["PLAIN"]) as server:
        server.say(verb, answer)
        login = {"authentication": LOGIN} if verb == "AUTH" else {}
        error = await smtp.error(server, "SMTP_TLS_FAILED", **login)
        assert "Set security to STARTTLS" in error.message


async def test_an_expired_certificate_says_so(smtp):
    authority = trustme.CA()
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
    certificate = authority.issue_cert("127.0.0.1", not_after=past)
    import ssl  # noqa: PLC0415 - for this test only

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    async with SmtpServer(tls=context, implicit=True) as server:
        trusted = authority.cert_pem.bytes().decode()
        error = await smtp.error(server, "SMTP_TLS_FAILED", security="tls", trustedCertificate=trusted)
        assert "has expired" in error.message


@pytest.mark.parametrize(
    ("host", "says"),
    [("mail.example.com:587", "holds the port 587"), ("smtp://mail.example.com", "with its scheme"),
     ("ann@mail.example.com", "holds an @"), ("[::1]:587", "holds the port 587"),
     ("mail.example.com,mail2.example.com", "holds a comma"), ("mail example.com", "holds a space")],
)  # fmt: skip
async def test_a_host_with_more_than_a_name_is_explained(smtp, host, says):
    error = await smtp.error(host, "SMTP_NAME_NOT_RESOLVED", port=25)
    assert isinstance(error, PermanentError)
    assert says in error.message


RECIPIENTS = [f"r{number}@example.com" for number in range(1, 6)]


async def test_more_recipients_than_a_server_takes_at_once_go_in_several_transactions(smtp):
    async with SmtpServer() as server:
        server.say("RCPT", "452 4.5.3 Too many recipients", after=2, times=3)
        sent = await smtp(server, to=RECIPIENTS, onRefused="continue")
        assert [mail.to for mail in server.mails] == [RECIPIENTS[:2], RECIPIENTS[2:]]
        assert sent.accepted == RECIPIENTS
        assert sent.refused == []
        assert len({mail.parsed["Message-ID"] for mail in server.mails}) == 1


@pytest.mark.parametrize("answer", ["452 Too many recipients", "550 5.5.3 Too many", "451 too many recipients"])
async def test_too_many_recipients_are_recognized_whatever_the_code(smtp, answer):
    async with SmtpServer() as server:
        server.say("RCPT", answer, after=2, times=3)
        sent = await smtp(server, to=RECIPIENTS, onRefused="continue")
        assert sent.accepted == RECIPIENTS


async def test_a_server_that_wants_a_login_says_so_at_the_recipients(smtp):
    async with SmtpServer() as server:
        server.say("RCPT", "530 5.7.1 Authentication required")
        error = await smtp.error(server, "SMTP_AUTH_FAILED")
        assert "requires a login" in error.message


@pytest.mark.parametrize(
    "offer",
    [
        b"250-mail.test\r\nSIZE 1000000\r\nAUTH PLAIN\r\n250 HELP\r\n",
        b"250-mail.test\r\n250 auth plain\r\n",
        b"250-mail.test\r\n250-AUTH=PLAIN\r\n250 Auth CRAM-SHA1\r\n",
        b"250-mail.test\n250-auth = PLAIN LOGIN\n250\n",
        b"250-mail.test\r\n250\tAUTH PLAIN\r\n",
    ],
)
async def test_an_offer_is_read_however_it_is_written(smtp, offer):
    scripted = Scripted(offer)
    async with scripted as port:
        await smtp("127.0.0.1", port=port, authentication=LOGIN)
    assert "AUTH PLAIN AGFubgBwdw==" in scripted.lines


@pytest.mark.parametrize(
    ("verb", "answer", "says", "says_not"),
    [
        ("GREETING", "450 4.3.2 Busy", "tried again", "Ask its operator"),
        ("MAIL", "452 4.3.1 Insufficient system resources", "tried again", "Use an address"),
        ("RCPT", "450 4.2.0 Greylisted", "tried again", "Correct the addresses"),
        ("DOT", "432 4.3.2 STOREDRV; sender thread limit exceeded", "tried again", "content, policy"),
        ("RCPT", "550 5.7.54 SMTP; Unable to relay recipient", "choose how to sign in", "Correct the addresses"),
        (
            "RCPT",
            "553 sorry, that domain isn't in my list of allowed rcpthosts",
            "choose how to sign in",
            "Correct the",
        ),
        ("RCPT", "550 5.1.1 User unknown", "Correct the addresses", "sign in"),
    ],
)
async def test_the_remedy_fits_the_refusal(smtp, verb, answer, says, says_not):
    """Nobody corrects an address because a server is busy, or because it wants a login."""
    async with SmtpServer() as server:
        server.say(verb, answer)
        with pytest.raises(ConnectorError) as caught:
            await smtp(server)
    assert says in caught.value.message
    assert says_not not in caught.value.message


async def test_an_unexpected_reply_ends_an_idle_session(smtp):
    """Some servers announce the end of an idle session, and wait for the client to hang up."""
    scripted = Scripted(b"250 mail.test\r\n", after_mail=b"421 4.4.2 idle for too long\r\n")
    async with scripted as port:
        for number in range(3):
            await smtp("127.0.0.1", port=port, key=10 + number)
            await asyncio.wait_for(scripted.announced.wait(), 5)
            scripted.announced.clear()
            await asyncio.sleep(0.01)  # until it has arrived
    assert scripted.sessions == 3


class Scripted:
    """A server that takes everything, with an answer to EHLO of its own.

    Args:
        offer: The answer to EHLO.
        after_mail: What it says by itself after each mail.
    """

    def __init__(self, offer: bytes, after_mail: bytes = b"") -> None:
        self.offer, self.after_mail = offer, after_mail
        self.lines: list[str] = []
        self.sessions = 0
        self.announced = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        answers = {b"EHLO": self.offer, b"AUTH": b"235 ok\r\n", b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}
        writer.write(b"220 ready\r\n")
        while line := await reader.readline():
            self.lines.append(line.decode().strip())
            verb = line.split()[0] if line.strip() else b""
            if verb in {*answers, b"MAIL", b"RCPT", b"RSET", b"."}:
                writer.write(answers.get(verb, b"250 ok\r\n"))
            if verb == b"." and self.after_mail:
                await asyncio.sleep(0.02)
                writer.write(self.after_mail)
                await writer.drain()
                self.announced.set()
        writer.close()

    async def __aenter__(self) -> int:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def __aexit__(self, *_: object) -> None:
        self.server.close()


async def test_each_transaction_is_remembered_for_itself():
    """A job that is tried again after the first one goes on with the rest."""
    memory = ShortMemory()
    async with SmtpServer() as server:
        server.say("RCPT", "452 4.5.3 Too many recipients", after=2, times=3)
        server.say("MAIL", "450 4.7.1 Greylisted", after=1, times=2)
        given = {"host": "127.0.0.1", "port": server.port, "security": "none", "from": "billing@example.com"}
        given |= {"to": RECIPIENTS, "onRefused": "continue", "subject": "Hello", "text": "Hello"}
        first = await run(send, given, memory=memory)
        assert isinstance(first, Fail)
        second = await run(send, given, memory=memory, result_variable="sent")
        assert isinstance(second, Complete)
        assert second.variables["sent"]["accepted"] == RECIPIENTS
        assert [mail.to for mail in server.mails] == [RECIPIENTS[:2], RECIPIENTS[2:]]


async def test_all_or_none_says_how_many_a_server_takes(smtp):
    async with SmtpServer() as server:
        server.say("RCPT", "452 4.5.3 Too many recipients", after=2)
        error = await smtp.error(server, "SMTP_TOO_MANY_RECIPIENTS", to=RECIPIENTS)
        assert "takes 2 recipients at once" in error.message
        assert server.mails == []


async def test_an_attachment_keeps_the_parameters_of_its_type(smtp):
    """A calendar program needs the method."""
    document = await smtp.documents.create(
        b"BEGIN:VCALENDAR", name="meeting.ics", content_type="text/calendar; method=REQUEST; charset=utf-8"
    )
    async with SmtpServer() as server:
        await smtp(server, attachments=[dict(document.reference)])
        part = next(iter(server.mails[0].parsed.iter_attachments()))
        assert part.get_content_type() == "text/calendar"
        assert (part.get_param("method"), part.get_param("charset")) == ("REQUEST", "utf-8")
        assert part.get_filename() == "meeting.ics"


async def test_a_subject_that_ends_its_line_is_trimmed(smtp):
    async with SmtpServer() as server:
        await smtp(server, subject="Your order\r\n")
        assert server.mails[0].parsed["Subject"] == "Your order"


@pytest.mark.parametrize("name", ["Subject", "X-A-Header-With-A-Rather-Long-Name-Of-Its-Own"])
async def test_lines_with_encoded_words_have_at_most_76_columns(smtp, name):
    """RFC 2047, section 2; long lines are taken for spam."""
    text = "Übergrößenträger für Müller & Söhne: Lieferung Nr. 4711 wird morgen zugestellt, mit Grüßen"
    given = {"subject": text} if name == "Subject" else {"headers": {name: text}}
    async with SmtpServer() as server:
        await smtp(server, **given)
        head = server.mails[0].data.partition(b"\r\n\r\n")[0]
        assert max(len(line) for line in head.split(b"\r\n") if b"=?" in line) <= 76
        assert email.message_from_bytes(server.mails[0].data, policy=email.policy.default)[name] == text


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="report.pdf"', "report.pdf"),
        ("attachment; filename=report.pdf", "report.pdf"),
        ("attachment; filename=\"x.pdf\"; filename*=UTF-8''R%C3%A9sum%C3%A9.pdf", "Résumé.pdf"),
        ("attachment; filename*=iso-8859-1'en'%A3.txt; filename=pound.txt", "£.txt"),
        (r'attachment; filename="a \"b\".pdf"', 'a "b".pdf'),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="Rechnung 5/2026.pdf"', "Rechnung 5-2026.pdf"),
        ('attachment; filename="' + "Grüße.txt".encode().decode("latin-1") + '"', "Grüße.txt"),
        ("inline", None),
        ("", None),
    ],
)
def test_a_download_has_the_name_that_the_server_gave(header, name):
    assert name_of_disposition(header) == name


@pytest.mark.parametrize(
    ("given", "name"),
    [("Rechnung 5/2026.pdf", "Rechnung 5-2026.pdf"), ("a/b.txt", "b.txt"), ("..", ""), (r"C:\x\y.txt", "y.txt")],
)
def test_a_name_keeps_what_it_can(given, name):
    assert file_name(given) == name
