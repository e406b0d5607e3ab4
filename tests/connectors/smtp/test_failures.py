"""What goes wrong: each with its documented code, told in words that help, and tried again or not as fits."""

import asyncio
import socket
import ssl
import time

import pytest

from zeebe_connectors import InputError, PermanentError, TransientError
from zeebe_connectors.connectors.smtp.connector import send
from zeebe_connectors.testing.servers import HANG_UP, SILENCE, SmtpServer

EVERY_STAGE = ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "CONTENT"]
OFFERS = [(), ("PIPELINING",)]


# --- the server refuses


@pytest.mark.parametrize("extensions", OFFERS)
@pytest.mark.parametrize(
    ("verb", "answer", "code", "kind"),
    [
        ("GREETING", "554 5.3.2 No service", "SMTP_SERVICE_REFUSED", PermanentError),
        ("GREETING", "450 4.3.2 Later", "SMTP_SERVICE_REFUSED", TransientError),
        ("EHLO", "450 4.3.2 Later", "SMTP_SERVICE_REFUSED", TransientError),
        ("MAIL", "550 5.7.1 Not you", "SMTP_SENDER_REFUSED", PermanentError),
        ("MAIL", "451 4.3.0 Later", "SMTP_SENDER_REFUSED", TransientError),
        ("MAIL", "530 5.7.0 Authentication required", "SMTP_AUTH_FAILED", PermanentError),
        ("MAIL", "552 5.3.4 Too big", "SMTP_TOO_LARGE", PermanentError),
        ("RCPT", "550 5.1.1 No such user", "SMTP_RECIPIENT_REFUSED", PermanentError),
        ("RCPT", "450 4.2.0 Greylisted", "SMTP_RECIPIENT_REFUSED", TransientError),
        ("DATA", "554 5.7.1 No", "SMTP_MESSAGE_REFUSED", PermanentError),
        ("DATA", "451 4.3.0 Later", "SMTP_MESSAGE_REFUSED", TransientError),
        ("DOT", "554 5.6.0 Spam", "SMTP_MESSAGE_REFUSED", PermanentError),
        ("DOT", "451 4.3.0 Later", "SMTP_MESSAGE_REFUSED", TransientError),
        ("DOT", "552 5.2.3 Too big", "SMTP_TOO_LARGE", PermanentError),
        ("DOT", "452 4.2.2 Over quota", "SMTP_MESSAGE_REFUSED", TransientError),
        ("DOT", "421 4.3.2 Going down", "SMTP_MESSAGE_REFUSED", TransientError),
    ],
)
async def test_a_refusal_is_reported_with_the_servers_words(smtp, extensions, verb, answer, code, kind):
    """4xx is tried again, 5xx is not; and the next mail is not disturbed."""
    async with SmtpServer(extensions=extensions) as server:
        server.say(verb, answer, times=1)
        error = await smtp.error(server, code)
        assert isinstance(error, kind)
        assert answer in error.message
        assert not server.mails
        await smtp(server, key=2)
    assert len(server.mails) == 1


async def test_a_refusal_gives_an_error_expression_its_detail(smtp, server):
    """Code, enhanced code and words."""
    server.say("DOT", "554 5.6.0 Spam")
    error = await smtp.error(server, "SMTP_MESSAGE_REFUSED")
    assert error.variables == {"smtpCode": 554, "enhancedCode": "5.6.0", "reply": "5.6.0 Spam"}


# --- recipients


@pytest.mark.parametrize("extensions", OFFERS)
async def test_one_refused_recipient_stops_the_mail_for_all(smtp, extensions):
    """By default nobody gets a mail that not all get."""
    async with SmtpServer(extensions=extensions) as server:
        server.say("RCPT", "550 5.1.1 Unknown", text="bad@")
        error = await smtp.error(
            server, "SMTP_RECIPIENT_REFUSED", to="jane@example.com, bad@example.com", bcc="x@example.com"
        )
        assert isinstance(error, PermanentError)
        assert "bad@example.com: 550 5.1.1 Unknown" in error.message
        assert error.variables == {
            "accepted": ["jane@example.com", "x@example.com"],
            "refused": [{"address": "bad@example.com", "code": 550, "reason": "550 5.1.1 Unknown"}],
        }
        assert server.mails == []
        await smtp(server, key=2)
        assert (len(server.mails), server.sessions) == (1, 1), "the session is used on"


@pytest.mark.parametrize("extensions", OFFERS)
async def test_the_others_get_it_when_chosen(smtp, extensions):
    """The result lists who did not."""
    async with SmtpServer(extensions=extensions) as server:
        server.say("RCPT", "550 5.1.1 Unknown", text="bad@")
        server.say("RCPT", "451 4.2.1 Later", text="busy@")
        sent = await smtp(server, to="jane@example.com, bad@example.com, busy@example.com", onRefused="continue")
    assert server.mails[0].to == sent.accepted == ["jane@example.com"]
    assert [(one.address, one.code) for one in sent.refused] == [("bad@example.com", 550), ("busy@example.com", 451)]
    assert sent.result == "Mail sent successfully, but 2 recipients were refused"


@pytest.mark.parametrize("extensions", OFFERS)
async def test_when_all_are_refused_it_is_an_error_anyway(smtp, extensions):
    """Also where the server says 354 all the same; tried again as soon as one refusal is temporary."""
    async with SmtpServer(extensions=extensions) as server:
        server.say("RCPT", "550 5.1.1 Unknown", text="bad@")
        server.say("RCPT", "451 4.2.1 Later", text="busy@")
        if extensions:  # DATA travels with the rest, and some servers answer it so
            server.say("DATA", "354 Go on", times=1)
        both = {"to": "bad@example.com, busy@example.com", "onRefused": "continue"}
        assert isinstance(await smtp.error(server, "SMTP_RECIPIENT_REFUSED", **both), TransientError)
        assert isinstance(await smtp.error(server, "SMTP_RECIPIENT_REFUSED", to="bad@example.com"), PermanentError)
        assert not server.mails
        await smtp(server)


# --- the connection is lost


LARGE = [{"name": "a.bin", "content": "QUFB" * 4_000_000}]  # more than the sockets' buffers hold


@pytest.mark.parametrize("extensions", OFFERS)
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("how", [HANG_UP, "421 4.3.2 Closing"])
async def test_lost_before_the_message_is_sent_again_at_once(smtp, extensions, verb, how):
    """The server cannot have taken the mail, so a new connection is tried, once."""
    async with SmtpServer(extensions=extensions) as server:
        server.say(verb, how, times=1)
        await smtp(server)
        assert (len(server.mails), server.sessions) == (1, 2)


async def test_lost_within_the_message_is_sent_again_at_once(smtp, server):
    """The dot was not sent, so the server has no whole mail."""
    server.say("CONTENT", HANG_UP, times=1)
    await smtp(server, attachments=LARGE, seconds=60)
    assert (len(server.mails), server.sessions) == (1, 2)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "CONTENT"])
async def test_lost_twice_is_given_back(smtp, server, verb):
    """Nothing was sent; the job is tried again."""
    server.say(verb, HANG_UP)
    error = await smtp.error(server, "SMTP_CONNECTION_LOST", attachments=LARGE if verb == "CONTENT" else [])
    assert isinstance(error, TransientError)
    assert server.sessions == 2
    assert not server.mails


@pytest.mark.parametrize("verb", ["GREETING", "EHLO"])
async def test_lost_while_connecting(smtp, server, verb):
    """As a server that is not there."""
    server.say(verb, HANG_UP)
    assert isinstance(await smtp.error(server, "SMTP_UNREACHABLE"), TransientError)


@pytest.mark.parametrize("verb", ["DOT", "TAKE"])
async def test_lost_after_the_dot_is_not_sent_again_by_itself(smtp, server, verb):
    """Nobody knows whether it was taken: its own code, and the same Message-ID when the job is tried again."""
    server.say(verb, HANG_UP, times=1)
    error = await smtp.error(server, "SMTP_OUTCOME_UNKNOWN")
    assert isinstance(error, TransientError)
    assert server.sessions == 1
    await smtp(server)
    assert len({mail.parsed["Message-ID"] for mail in server.mails}) == 1
    assert len(server.mails) == (2 if verb == "TAKE" else 1)


async def test_the_message_id_belongs_to_the_mail(smtp, server):
    """The same on every try of a job; another for another job or another mail."""
    one = await smtp(server, key=1)
    again = await smtp(server, key=1)
    other_job = await smtp(server, key=2)
    other_mail = await smtp(server, key=1, text="something else")
    assert one.message_id == again.message_id
    assert len({one.message_id, other_job.message_id, other_mail.message_id}) == 3
    assert one.message_id.endswith("@example.com>")


async def test_what_is_tried_without_an_engine_is_a_new_mail_each_time(smtp, server):
    """Else receivers would drop the second try."""
    assert (await smtp(server, key=-1)).message_id != (await smtp(server, key=-1)).message_id


async def test_a_kept_session_that_the_server_closed_is_replaced(smtp, server):
    """Servers drop idle clients, with or without a word."""
    await smtp(server)
    await server.hang_up()
    await smtp(server, key=2)
    assert (len(server.mails), server.sessions) == (2, 2)


# --- silence


@pytest.mark.parametrize("verb", EVERY_STAGE[:-1])
async def test_a_silent_server_ends_with_a_timeout(smtp, server, verb):
    """At every stage; nothing was sent."""
    server.say(verb, SILENCE)
    began = time.monotonic()
    error = await smtp.error(server, "SMTP_TIMEOUT", timeout="0.2")
    assert isinstance(error, TransientError)
    assert time.monotonic() - began < 8
    assert not server.mails


async def test_silence_after_the_message_is_an_unknown_outcome(smtp, server):
    """The answer may take all of the job's time, not only the timeout; then nobody knows."""
    server.say("DOT", SILENCE)
    began = time.monotonic()
    await smtp.error(server, "SMTP_OUTCOME_UNKNOWN", timeout="0.1", seconds=1.0)
    assert time.monotonic() - began > 0.5


async def test_the_jobs_time_ends_everything(smtp, server):
    """Whatever the timeout."""
    server.say("MAIL", SILENCE)
    await smtp.error(server, "SMTP_TIMEOUT", timeout="60", seconds=0.5)


async def test_a_receiver_that_reads_nothing_cannot_hold_the_job(smtp):
    """The message fills all buffers and nobody takes it."""
    stuck = asyncio.Event()

    async def serve(reader, writer):
        writer.write(b"220 x\r\n250 x\r\n250 ok\r\n250 ok\r\n354 go\r\n")
        await reader.readline()
        await stuck.wait()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    await smtp.error("127.0.0.1", "SMTP_TIMEOUT", port=port, timeout="0.5", attachments=LARGE, seconds=30)
    stuck.set()
    listening.close()


# --- no connection


async def test_nobody_listens(smtp):
    """A free port is closed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = await smtp.error("127.0.0.1", "SMTP_UNREACHABLE", port=port)
    assert isinstance(error, TransientError)
    assert f"127.0.0.1:{port}" in error.message


@pytest.mark.parametrize("host", ["no-such-host.invalid", "exa mple", "a" * 70 + ".example", "..", "ü" * 80])
async def test_a_name_that_does_not_resolve(smtp, host):
    """A misspelt host."""
    error = await smtp.error(host, "SMTP_NAME_NOT_RESOLVED", port=25)
    assert error.message.startswith("host: ")


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x01\xff\n", b"220-" + b"x" * 100_000])
async def test_what_is_no_smtp_server_is_reported(smtp, greeting):
    """A wrong port, or an endless answer."""

    async def serve(reader, writer):
        writer.write(greeting)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        error = await smtp.error("127.0.0.1", "SMTP_PROTOCOL", port=port)
    assert isinstance(error, PermanentError)


@pytest.mark.parametrize("answer", ["HTTP/1.1 400 Bad Request", "250-" + "x" * 100_000])
async def test_a_server_that_stops_speaking_smtp_is_reported(smtp, server, answer):
    """Nothing was sent, and trying again at once would not help."""
    server.say("MAIL", answer)
    error = await smtp.error(server, "SMTP_PROTOCOL")
    assert isinstance(error, PermanentError)
    assert "(MAIL)" in error.message
    assert server.sessions == 1


async def test_the_operator_can_restrict_hosts(smtp, server, monkeypatch):
    """Also a name that leads where an address may not; what is allowed goes on."""
    monkeypatch.setenv("CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ENABLED", "true")
    error = await smtp.error("localhost", "HOST_FORBIDDEN", port=server.port)
    assert isinstance(error, InputError)
    assert server.sessions == 0
    await smtp.clients.aclose()
    monkeypatch.setenv("CAMUNDA_CONNECTOR_VALIDATION_HOSTS_UNSAFEALLOWLOOPBACK", "true")
    await smtp("localhost", port=server.port)
    assert len(server.mails) == 1


# --- TLS


async def test_starttls_and_tls(smtp, tls, trusted):
    """A certificate that an authority of one's own issued, for the right name."""
    async with SmtpServer(tls=tls) as server:
        await smtp(server, security="starttls", trustedCertificate=trusted)
        assert server.mails[0].secured
        assert [line.split(" ")[0] for line in server.lines[:3]] == ["EHLO", "STARTTLS", "EHLO"]
    async with SmtpServer(tls=tls, implicit=True) as server:
        await smtp(server, security="tls", trustedCertificate=trusted)
        assert server.mails[0].secured


@pytest.mark.parametrize("implicit", [True, False])
async def test_a_certificate_that_is_not_trusted(smtp, tls, implicit):
    """Nothing is sent, no password either."""
    async with SmtpServer(tls=tls, implicit=implicit, users={"jane": "secret"}) as server:
        error = await smtp.error(
            server,
            "SMTP_TLS_FAILED",
            security="tls" if implicit else "starttls",
            authentication={"type": "plain", "username": "jane", "password": "secret"},
        )
        assert isinstance(error, PermanentError)
        assert "not trusted" in error.message
        assert not server.logins


async def test_a_certificate_for_another_name(smtp, authority, trusted):
    """Trusted, but somebody else's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example.com").configure_cert(context)
    async with SmtpServer(tls=context) as server:
        error = await smtp.error(server, "SMTP_TLS_FAILED", security="starttls", trustedCertificate=trusted)
    assert "127.0.0.1" in error.message


async def test_starttls_is_never_left_out(smtp, server):
    """A server, or somebody between, that does not offer it."""
    error = await smtp.error(server, "SMTP_TLS_FAILED", security="starttls")
    assert isinstance(error, PermanentError)
    assert not any(line.startswith("MAIL") for line in server.lines)


async def test_starttls_that_is_refused(smtp, tls):
    """For now."""
    async with SmtpServer(tls=tls) as server:
        server.say("STARTTLS", "454 4.7.0 Not available")
        assert isinstance(await smtp.error(server, "SMTP_TLS_FAILED", security="starttls"), TransientError)


@pytest.mark.parametrize("smuggled", ["250 smuggled", "250-AUTH PLAIN\r\n250 8BITMIME"])
async def test_text_smuggled_before_tls_is_noticed(smtp, tls, trusted, smuggled):
    """CVE-2011-0411: what came in clear must not count as the secured session's."""
    async with SmtpServer(tls=tls) as server:
        server.say("STARTTLS", f"220 2.0.0 Ready\r\n{smuggled}")
        error = await smtp.error(server, "SMTP_TLS_FAILED", security="starttls", trustedCertificate=trusted)
    assert "before TLS" in error.message


async def test_tls_with_a_port_that_begins_in_clear(smtp, server):
    """The message says what to choose."""
    assert "STARTTLS" in (await smtp.error(server, "SMTP_TLS_FAILED", security="tls")).message


async def test_a_clear_start_with_a_port_that_speaks_tls(smtp, tls):
    """Both sides wait; the message says what to choose."""
    async with SmtpServer(tls=tls, implicit=True) as server:
        error = await smtp.error(server, "SMTP_TIMEOUT", timeout=0.3)
    assert "TLS" in error.message


async def test_a_trusted_certificate_that_is_none(smtp, server):
    """Text without PEM."""
    error = await smtp.error(server, "SMTP_TLS_FAILED", security="tls", trustedCertificate="my certificate")
    assert error.message.startswith("trustedCertificate: ")


# --- wrong inputs


@pytest.mark.parametrize(
    ("inputs", "code", "field"),
    [
        ({"to": "jane"}, "INVALID_ADDRESS", "to"),
        ({"cc": ["jane@example.com", "x y@z"]}, "INVALID_ADDRESS", "cc"),
        ({"bcc": "@"}, "INVALID_ADDRESS", "bcc"),
        ({"replyTo": "a@b@c d"}, "INVALID_ADDRESS", "replyTo"),
        ({"from": "a@example.com, b@example.com"}, "INVALID_ADDRESS", "from"),
        ({"from": "a@example.com>\r\nRCPT TO:<eve@example.com"}, "INVALID_ADDRESS", "from"),
        ({"to": None}, "SMTP_NO_RECIPIENT", "to"),
        ({"to": "jane@example.com\r\nBcc: eve@example.com"}, "INVALID_ADDRESS", "to"),
        ({"subject": "Hi\r\nBcc: eve@example.com"}, "HEADER_INJECTION", "subject"),
        ({"senderName": "Hi\nBcc: eve@example.com"}, "HEADER_INJECTION", "senderName"),
        ({"headers": {"X-A": "1\r\nBcc: eve@example.com"}}, "HEADER_INJECTION", "headers.X-A"),
        ({"headers": {"From": "ceo@example.com"}}, "HEADER_NOT_ALLOWED", "headers"),
        ({"headers": {"importance": "low"}, "importance": "high"}, "HEADER_NOT_ALLOWED", "headers"),
        ({"attachments": [{"name": "a\r\nX: b", "content": "AA=="}]}, "HEADER_INJECTION", "attachments[1]"),
        ({"attachments": [{"name": "a", "content": "no base64!"}]}, "INVALID_INPUT", "attachments[1].content"),
        ({"attachments": [{"content": "AA=="}]}, "INVALID_INPUT", "attachments[1].name"),
        ({"attachments": [{}]}, "INVALID_INPUT", "attachments[1]"),
        ({"attachments": [5]}, "INVALID_INPUT", "attachments[1]"),
        ({"attachments": [{"url": "ftp://x/y"}]}, "INVALID_INPUT", "attachments[1].url"),
        ({"attachments": [{"document": "x"}]}, "INVALID_INPUT", "attachments[1].document"),
        ({"attachments": ["missing.pdf"]}, "FILE_NOT_FOUND", "attachments[1]"),
        ({"attachments": ["."]}, "FILE_NOT_FOUND", "attachments[1]"),
        ({"attachments": ["../secret.txt"]}, "FILE_FORBIDDEN", "attachments[1]"),
        ({"attachments": ["/etc/passwd"]}, "FILE_FORBIDDEN", "attachments[1]"),
        ({"attachments": ["file:///etc/passwd"]}, "FILE_FORBIDDEN", "attachments[1]"),
        ({"attachments": [{"path": "link/passwd"}]}, "FILE_FORBIDDEN", "attachments[1].path"),
        ({"textFile": "../secret.txt"}, "FILE_FORBIDDEN", "textFile"),
        ({"textFile": "latin1.txt"}, "INVALID_INPUT", "textFile"),
        ({"format": "html", "inlineImages": {"a>b": "x"}, "html": "x"}, "INVALID_INPUT", "inlineImages"),
        ({"text": None}, "INVALID_INPUT", "text"),
        ({"format": "html"}, "INVALID_INPUT", "html"),
        ({"clientName": "a b"}, "INVALID_INPUT", "clientName"),
        ({"clientName": "a\r\nMAIL FROM:<x>"}, "INVALID_INPUT", "clientName"),
    ],
)
async def test_wrong_inputs_are_refused_before_anything_is_sent(smtp, server, files, inputs, code, field):
    """Each with its code; the message begins with the field."""
    (files.parent / "secret.txt").write_text("secret")
    (files / "link").symlink_to("/etc")
    (files / "latin1.txt").write_bytes(b"Gr\xfc\xdfe")
    with pytest.raises(InputError) as caught:
        await smtp(server, **inputs)
    assert caught.value.code == code, caught.value.message
    assert caught.value.code in send.errors
    assert caught.value.message.startswith(field), caught.value.message
    assert server.lines == []


@pytest.mark.parametrize(
    "inputs",
    [
        {"importance": "urgent"},
        {"sensitivity": "secret"},
        {"followUp": "soon"},
        {"security": "ssl"},
        {"port": "no"},
        {"port": 0},
        {"timeout": -1},
        {"format": "markdown"},
        {"onRefused": "x"},
        {"authentication": {"type": "kerberos"}},
        {"host": ""},
        {"from": ""},
    ],
)
async def test_unknown_values_are_refused(smtp, server, inputs):
    """By the model: the field is named, the value is not."""
    with pytest.raises(InputError, match=f"^Invalid input: {next(iter(inputs))}") as caught:
        await smtp(server, **inputs)
    assert caught.value.code == "INVALID_INPUT"


async def test_no_directory_is_allowed_unless_the_operator_says_so(smtp, server, files):
    """The default."""
    from zeebe_connectors.sdk.files import AllowedFiles  # noqa: PLC0415

    (files / "a.txt").write_text("a")
    smtp.files = AllowedFiles()
    await smtp.error(server, "FILE_FORBIDDEN", attachments=[str(files / "a.txt")])


async def test_a_mail_beyond_the_servers_limit_does_not_travel(smtp):
    """SIZE is known from EHLO."""
    async with SmtpServer(extensions=["SIZE 1000"]) as server:
        error = await smtp.error(server, "SMTP_TOO_LARGE", text="x\n" * 1000)
        assert isinstance(error, PermanentError)
        assert error.variables["limit"] == 1000
        assert not any(line.startswith("MAIL") for line in server.lines)


@pytest.mark.parametrize("limit", ["²", "9" * 5000, "-1", "much"])
async def test_a_limit_that_cannot_be_read_is_none(smtp, limit):
    async with SmtpServer(extensions=[f"SIZE {limit}"]) as server:
        await smtp(server)
        assert len(server.mails) == 1


async def test_a_server_without_smtputf8(smtp):
    """An address that it cannot carry is not mangled."""
    async with SmtpServer(extensions=["PIPELINING"]) as server:
        await smtp.error(server, "SMTP_UTF8_NOT_OFFERED", to="josé@example.com")
        assert not server.mails
