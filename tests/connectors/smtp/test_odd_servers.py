"""SMTP servers that hang up after a refusal, end sessions early or count recipients in other words."""

from __future__ import annotations

import asyncio
import base64

import pytest

from zeebe_connectors import ConnectorError, PermanentError
from zeebe_connectors.testing.servers import SmtpServer
from zeebe_connectors.testing.servers.smtp import SILENCE

LOGIN = {"type": "auto", "username": "ann", "password": "pw"}
HANG_UP = "\0"


class Scripted:
    """A server that answers lines as a table says; an answer that ends with `HANG_UP` is its last of the connection."""

    def __init__(self, answers: dict[str, str], *, auth: str = "") -> None:
        self.answers = {
            "EHLO": f"250-x\r\n250 AUTH {auth}" if auth else "250 x",
            "HELO": "250 x",
            "MAIL": "250 ok",
            "RCPT": "250 ok",
            "DATA": "354 go",
            "QUIT": f"221 bye{HANG_UP}",
            **answers,
        }
        self.lines: list[str] = []
        self.mails = 0

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def serve(self, reader, writer):
        writer.write(b"220 x\r\n")
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            self.lines.append(line)
            answer = self.answers.get(line) or self.answers.get(line.split()[0], "500 what")
            writer.write(answer.rstrip(HANG_UP).encode() + b"\r\n")
            if answer == "354 go":
                await reader.readuntil(b"\r\n.\r\n")
                self.mails += 1
                writer.write(self.answers.get(".", "250 taken").encode() + b"\r\n")
            await writer.drain()
            if answer.endswith(HANG_UP):
                break
        writer.close()


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


PLAIN = b64("\0ann\0pw")


@pytest.mark.parametrize(
    ("auth", "answers"),
    [
        ("PLAIN LOGIN", {"AUTH PLAIN " + PLAIN: f"504 5.5.4 mechanism{HANG_UP}", "AUTH LOGIN": "334 VXNlcm5hbWU6"}),
        ("PLAIN", {"AUTH PLAIN " + PLAIN: f"501 5.5.2 too many{HANG_UP}", "AUTH PLAIN": "334 ", PLAIN: "235 ok"}),
        ("LOGIN", {"AUTH LOGIN": "501 5.5.2 name required", "AUTH LOGIN " + b64("ann"): "334 UGFzc3dvcmQ6"}),
        ("PLAIN CRAM-MD5", {"AUTH CRAM-MD5": "334 no base64!", "*": "501 ended", "AUTH PLAIN " + PLAIN: "235 ok"}),
        ("PLAIN CRAM-MD5", {"AUTH CRAM-MD5": f"535 5.7.8 no{HANG_UP}", "AUTH PLAIN " + PLAIN: "235 ok"}),
        ("PLAIN", {"AUTH PLAIN " + PLAIN: "250 ok"}),
    ],
)
async def test_a_server_that_refuses_a_way_of_signing_in_is_asked_for_another(smtp, auth, answers):
    name = {b64("ann"): "334 UGFzc3dvcmQ6", b64("pw"): "235 ok"}
    async with Scripted({**name, **answers}, auth=auth) as server:
        await smtp("127.0.0.1", port=server.port, authentication=LOGIN)
        assert server.mails == 1
        assert b64("pw") not in server.lines[: server.lines.index(b64("ann")) if b64("ann") in server.lines else 0]


async def test_a_server_that_hangs_up_after_ehlo_is_greeted_with_helo(smtp):
    async with Scripted({"EHLO": f"500 what{HANG_UP}"}) as server:
        await smtp("127.0.0.1", port=server.port)
        assert [line.split()[0] for line in server.lines[:3]] == ["EHLO", "HELO", "MAIL"]


async def test_a_server_that_always_hangs_up_is_not_called_for_ever(smtp):
    async with Scripted({"EHLO": f"500 what{HANG_UP}", "HELO": f"500 what{HANG_UP}"}) as server:
        with pytest.raises(ConnectorError):
            await smtp("127.0.0.1", port=server.port)
        assert len(server.lines) <= 4


@pytest.mark.parametrize("code", ["200", "250", "251", "252"])
async def test_the_first_digit_decides(smtp, code):
    """A mail whose acceptance is not understood would be sent twice."""
    async with Scripted(dict.fromkeys(("MAIL", "RCPT", "."), f"{code} ok")) as server:
        assert (await smtp("127.0.0.1", port=server.port)).accepted == ["jane@example.com"]


@pytest.mark.parametrize("verb", ["RSET", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("answer", ["421 4.3.0 Closing", "451 4.3.0 Later", "454 4.7.0 Later", "503 5.5.1 Sequence"])
@pytest.mark.parametrize("first", [("RCPT", "550 5.1.1 Nobody"), ("DOT", "554 5.7.1 Spam")])
async def test_a_session_that_refused_a_mail_is_suspect_too(smtp, verb, answer, first):
    async with SmtpServer() as server:
        server.say(*first, times=1)
        with pytest.raises(PermanentError):
            await smtp(server, key=1)
        server.say(verb, answer, times=1)
        await smtp(server, key=2)
        assert len(server.mails) == 1
        assert server.sessions == 2


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
async def test_a_session_that_fell_silent_is_replaced(smtp, verb):
    """As when a firewall has forgotten the connection."""
    async with SmtpServer() as server:
        await smtp(server, key=1)
        server.say(verb, SILENCE, times=1)
        await smtp(server, key=2, timeout="0.3")
        assert len(server.mails) == 2
        assert server.sessions == 2


async def test_a_server_that_falls_silent_at_once_is_not_waited_for_twice(smtp):
    async with SmtpServer() as server:
        server.say("MAIL", SILENCE)
        await smtp.error(server, "SMTP_TIMEOUT", timeout="0.3")
        assert server.sessions == 1


@pytest.mark.parametrize(
    "answer",
    [
        "452 4.5.3 Too many recipients",
        "452 Requested action not taken: recipient limit exceeded",
        "550 5.7.1 Recipient count exceeds maximum",
        "552 5.5.3 Maximum number of recipients reached",
    ],
)
async def test_a_limit_on_recipients_is_recognized_in_other_words(smtp, answer):
    to = [f"u{number}@example.com" for number in range(5)]
    async with SmtpServer() as server:
        server.say("RCPT", answer, after=2, times=3)
        assert (await smtp(server, to=to, onRefused="continue")).accepted == to
        assert [mail.to for mail in server.mails] == [to[:2], to[2:]]


async def test_a_limit_on_recipients_in_a_time_is_another(smtp):
    async with SmtpServer() as server:
        server.say("RCPT", "450 4.2.1 Recipient rate limit exceeded", after=1)
        error = await smtp.error(server, "SMTP_RECIPIENT_REFUSED", to=["a@example.com", "b@example.com"])
        assert "temporary" in error.message


async def test_recipients_that_are_refused_in_a_second_transaction_are_listed(smtp):
    to = [f"u{number}@example.com" for number in range(4)]
    async with SmtpServer() as server:
        server.say("RCPT", "452 4.5.3 Too many recipients", after=2, times=2)
        server.say("RCPT", "550 5.1.1 Nobody", after=2, times=2)
        sent = await smtp(server, to=to, onRefused="continue")
        assert sent.accepted == to[:2]
        assert [(one.address, one.code) for one in sent.refused] == [(to[2], 550), (to[3], 550)]


async def test_a_second_transaction_that_fails_says_who_got_the_mail(smtp):
    to = [f"u{number}@example.com" for number in range(4)]
    async with SmtpServer() as server:
        server.say("RCPT", "452 4.5.3 Too many recipients", after=2, times=2)
        server.say("DOT", "554 5.7.1 Enough", after=1, times=1)
        error = await smtp.error(server, "SMTP_MESSAGE_REFUSED", to=to, onRefused="continue")
        assert "2 of 4 recipients got it" in error.message
        assert error.variables["accepted"] == to[:2]


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "DOT"])
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("530 5.7.0 Must issue a STARTTLS command first", "SMTP_TLS_FAILED"),
        ("530 5.7.1 Authentication required", "SMTP_AUTH_FAILED"),
        ("552 5.3.4 Message too big", "SMTP_TOO_LARGE"),
        ("552 Message size exceeds fixed limit", "SMTP_TOO_LARGE"),
    ],
)
async def test_a_refusal_means_the_same_at_every_command(smtp, verb, answer, code):
    async with SmtpServer() as server:
        server.say(verb, answer)
        assert isinstance(await smtp.error(server, code), PermanentError)


@pytest.mark.parametrize("answer", ["552 5.2.2 Over quota", "552 Mailbox full", "552 Exceeded storage allocation"])
async def test_a_full_mailbox_is_no_large_mail(smtp, answer):
    async with SmtpServer() as server:
        server.say("RCPT", answer)
        await smtp.error(server, "SMTP_RECIPIENT_REFUSED")
