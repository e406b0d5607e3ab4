"""POP3 servers that answer strangely, close early or stop at one mail neither lose a mail nor block the others."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest
from tests.connectors.pop3.test_fetch import FetchHarness
from tests.connectors.pop3.test_pop3 import USER, Pop3Harness
from tests.harness import running

from zeebe_connectors import ConnectorError, TransientError
from zeebe_connectors.connectors.pop3.mailbox import Mailbox
from zeebe_connectors.mail import pop3 as client_module
from zeebe_connectors.mail.pop3 import Pop3Session
from zeebe_connectors.mail.settings import NoLogin, PasswordLogin
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.durations import parse_frequency
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.sdk.memory import ShortMemory
from zeebe_connectors.testing import Fail
from zeebe_connectors.testing.servers import Pop3Server, message

LOGIN = PasswordLogin.model_validate({"username": USER, "password": "secret"})


@pytest.fixture
async def harness(server, tmp_path, monkeypatch):
    monkeypatch.setattr(client_module, "TIMEOUT", 1.0)
    async with running(Pop3Harness(server, tmp_path), monkeypatch) as harness:
        yield harness


async def opened(server: Pop3Server, security="none", login=LOGIN) -> Pop3Session:
    return await Pop3Session.open("127.0.0.1", server.port, security, login=login, clients=ClientCache())


def answer(data: bytes):
    """Sends these bytes whatever was asked."""

    async def send(session, arguments):
        session.writer.write(data)

    return send


@pytest.mark.parametrize(
    ("wire", "mail"),
    [
        (b"+OK\r\nSubject: s\r\n\r\nline\r\n.\r\n", b"Subject: s\r\n\r\nline\r\n"),
        (b"+OK\r\nSubject: s\n\nline\n.\r\n", b"Subject: s\n\nline\n"),
        (b"+OK\nSubject: s\n\nline\n.\n", b"Subject: s\n\nline\n"),
        (b"+OK\nSubject: s\n\n..dot\n...\nx\n.\n", b"Subject: s\n\n.dot\n..\nx\n"),
        (b"+OK\r\nSubject: s\n\n..dot\n...\nx\n.\r\n", b"Subject: s\n\n.dot\n..\nx\n"),
        (b"+OK\r\nSubject: s\n\n..dot\n\r\n.\r\n", b"Subject: s\n\n.dot\n\r\n"),
        (b"+OK\r\nSubject: s\r\n\r\n..dot\r\n...\r\n.\r\n", b"Subject: s\r\n\r\n.dot\r\n..\r\n"),
        (b"+OK\r\nSubject: s\r\n\r\na\n.\r\nb\n..\r\n.\r\n", b"Subject: s\r\n\r\na\n.\r\nb\n..\r\n"),
        (b"+OK\n..first\n.\n", b".first\n"),
        (b"+OK\n.\n", b""),
        (b"+OK\r\n.\r\n", b""),
    ],
)
@pytest.mark.parametrize("pieces", [1, 1000])
async def test_answers_end_and_are_unstuffed_by_whichever_line_ends_the_server_uses(server, wire, mail, pieces):
    async def retr(session, arguments):
        step = max(1, len(wire) // pieces)
        for start in range(0, len(wire), step):
            session.writer.write(wire[start : start + step])
            await session.writer.drain()
            if pieces > 1:
                await asyncio.sleep(0.001)

    server.answers["RETR"] = retr
    session = await opened(server)
    assert await session.read(1) == mail
    await session.command("NOOP")  # nothing is left over
    await session.quit()


async def test_a_server_that_uses_line_feeds_only_is_read(harness):
    mail = message("one").replace(b"\r\n", b"\n")

    class LineFeeds(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport
            transport.write(b"+OK ready\n")

        def data_received(self, data):
            for line in data.decode().splitlines():
                answers = {
                    "CAPA": b"-ERR what\n",
                    "UIDL": b"+OK\n1 a\n.\n",
                    "LIST": b"+OK\n1 %d\n.\n" % len(mail),
                    "RETR": b"+OK\n" + mail + b"\n.\n",
                }
                self.transport.write(answers.get(line.split()[0], b"+OK\n"))

    bare = await asyncio.get_running_loop().create_server(LineFeeds, "127.0.0.1", 0)
    await harness.runtime(port=str(bare.sockets[0].getsockname()[1]))
    await harness.until(lambda: harness.subjects() == ["one"])
    bare.close()


@pytest.mark.parametrize(
    ("uidl", "ids"),
    [
        (b"1\tabc\r\n2   def\r\n3 \t ghi  \r\n", {1: "abc", 2: "def", 3: "ghi"}),
        (b" 1 abc\r\n", {1: "abc"}),
        (b"1: abc\r\n2. def\r\n", {1: "abc", 2: "def"}),
        (b"1 \xe4\xff\r\n2 \xe4\xfe\r\n", {1: "\xe4\xff", 2: "\xe4\xfe"}),
        (b"1 same\r\n2 same\r\n3 same\r\n", {1: "same", 2: "same (2)", 3: "same (3)"}),
        (b"1 abc\r\n\r\nnoise\r\n2\r\n", {1: "abc"}),
        (b"1 abc\r\n" + b"9" * 5000 + b" x\r\n", {1: "abc"}),
    ],
)
async def test_lists_are_read_however_they_are_spaced(server, uidl, ids):
    server.answers["UIDL"] = answer(b"+OK\r\n" + uidl + b".\r\n")
    server.answers["LIST"] = answer(b"+OK\r\n1\t10\r\n2   20 octets\r\nnoise here\r\n3 %b\r\n.\r\n" % (b"9" * 5000))
    session = await opened(server)
    assert await session.ids() == ids
    assert await session.sizes() == {1: 10, 2: 20}
    await session.quit()


@pytest.mark.parametrize("mails", [0, 2])
async def test_a_server_that_lists_no_id_for_its_mails_is_not_an_empty_one(server, mails):
    server.answers["UIDL"] = answer(b"+OK\r\n.\r\n")
    server.mails = {str(number): message("one") for number in range(mails)}
    session = await opened(server)
    if mails:
        with pytest.raises(TransientError, match="has 2 mails and lists the id of none"):
            await session.ids()
    else:
        assert await session.ids() == {}
    await session.quit()


@pytest.mark.parametrize("remove", ["true", "false"])
async def test_mails_with_equal_ids_are_all_handed_over_once(harness, remove):
    harness.server.mails = {"a": message("one"), "b": message("two")}

    async def one_id(session, arguments):
        session.send_lines("\r\n".join(f"{n} same" for n, _ in enumerate(session.listed, 1)).encode())

    harness.server.answers["UIDL"] = one_id
    sources = await harness.runtime(remove=remove)
    await harness.until(lambda: harness.subjects() == ["one", "two"])
    await harness.rounds(2)
    await harness.end(sources)
    await harness.runtime(remove=remove)
    await harness.rounds(2)
    assert harness.subjects() == ["one", "two"]


@pytest.mark.parametrize("text", ["no messages", "No new mail", "mailbox is empty", "nothing"])
@pytest.mark.parametrize("stat", [b"+OK 0 0\r\n", b"-ERR no\r\n"])
async def test_a_list_that_is_refused_because_there_is_nothing_is_empty(server, text, stat):
    for name in ("UIDL", "LIST"):
        server.answers[name] = answer(f"-ERR {text}\r\n".encode())
    server.answers["STAT"] = answer(stat)
    session = await opened(server)
    if text == "nothing" and stat.startswith(b"-ERR"):
        with pytest.raises(ConnectorError):
            await session.ids()
    else:
        assert await session.ids() == {}
        assert await session.sizes() == {}
    await session.quit()


@pytest.mark.parametrize("command", ["CAPA", "APOP"])
@pytest.mark.parametrize("says", [b"-ERR unknown\r\n", b""])
@pytest.mark.parametrize("login", [LOGIN, NoLogin(type="none")])
async def test_a_server_that_closes_after_what_it_does_not_know_is_asked_without_it(server, command, says, login):
    async def close(session, arguments):
        session.writer.write(says)
        await session.writer.drain()
        session.writer.close()

    server.banner = "+OK <1896.697170952@dbc.example.test>"
    server.answers[command] = close
    server.mails["a"] = message("one")
    session = await opened(server, login=login)
    if isinstance(login, PasswordLogin):
        assert await session.ids() == {1: "a"}
    await session.command("NOOP")
    session.close()
    assert server.commands.count(command) <= 1


async def test_a_server_that_always_closes_is_not_asked_for_ever(server):
    async def close(session, arguments):
        session.writer.close()

    server.banner = "+OK <1896.697170952@dbc.example.test>"
    for name in ("CAPA", "APOP", "USER"):
        server.answers[name] = close
    with pytest.raises(TransientError):
        await opened(server)
    assert server.commands.count("CAPA") == 1


@pytest.mark.parametrize(
    "text",
    [
        "maildrop already locked",
        "[SYS/TEMP] Temporary authentication failure",
        "Temporary authentication failure",
        "Server Unavailable. 15",
        "System Error",
        "unable to lock mailbox",
        "[LOGIN-DELAY] wait",
        "mailbox in use, try again later",
    ],
)
async def test_a_refusal_for_now_does_not_blame_the_password(server, text):
    server.answers["PASS"] = answer(f"-ERR {text}\r\n".encode())
    with pytest.raises(TransientError) as caught:
        await opened(server)
    assert caught.value.code == "POP3_IN_USE"
    assert "password" not in caught.value.message


@pytest.mark.parametrize("fault", ["hang up", "refused and closed", "silence", "empty"])
async def test_a_mail_at_which_the_connection_ends_goes_to_quarantine_after_three_times(harness, fault):
    tries = []

    async def retr(session, number):
        if session.listed[int(number) - 1] != "bad":
            await session.do_retr(number)
            return
        tries.append(number)
        if fault == "silence":
            await asyncio.sleep(30)
        elif fault == "empty":
            session.send_lines(b"")
            return
        elif fault == "refused and closed":
            session.send("-ERR internal error")
            await session.writer.drain()
        session.writer.close()

    harness.server.answers["RETR"] = retr
    harness.server.mails = {"a": message("one"), "bad": message("bad"), "c": message("three")}
    sources = await harness.runtime(remove="true")
    await harness.until(lambda: harness.subjects() == ["one", "three"])
    (entry,) = await sources._shared.ledger.entries(state="quarantined")
    assert ("returns no content" if fault == "empty" else "the connection ended 3 times") in entry.reason
    assert len(tries) == (2 if fault == "empty" else 3)
    await harness.until(lambda: list(harness.server.mails) == ["bad"])


@pytest.fixture
async def tasks(server, tmp_path):
    return FetchHarness(server, tmp_path, ShortMemory())


async def test_a_task_gives_the_others_after_the_connection_ended_twice_at_one_mail(tasks):
    async def retr(session, number):
        if session.listed[int(number) - 1] == "bad":
            session.writer.close()
        else:
            await session.do_retr(number)

    tasks.server.answers["RETR"] = retr
    tasks.server.mails = {"a": message("one"), "bad": message("bad"), "c": message("three")}
    tasks.clients = ClientCache()
    for _ in range(2):
        outcome = await tasks.task("MAIL_RECEIVEALL", key=1)
        assert isinstance(outcome, Fail)
        assert outcome.code == "POP3_CONNECTION_LOST"
    found = (await tasks.got("MAIL_RECEIVEALL", key=1))["mails"]
    assert [mail["uid"] for mail in found] == ["a", "bad", "c"]
    assert [bool(mail["failure"]) for mail in found] == [False, True, False]


@pytest.mark.parametrize("again", [True, False])
async def test_what_was_left_on_the_server_is_read_again_if_so_chosen(tasks, again):
    tasks.server.mails = {"a": message("one"), "b": message("two")}
    assert await tasks.subjects(key=1) == ["one", "two"]
    assert await tasks.subjects(key=2, again=again) == (["one", "two"] if again else [])
    tasks.server.mails["c"] = message("three")
    assert await tasks.subjects(key=3, again=again) == (["one", "two", "three"] if again else ["three"])


@pytest.mark.parametrize(
    ("given", "port"),
    [
        ({}, 995),
        ({"security": "tls"}, 995),
        ({"security": "starttls"}, 110),
        ({"security": "none"}, 110),
        ({"security": "none", "port": "2110"}, 2110),
        ({"security": "tls", "port": 110}, 110),
        ({"security": "starttls", "port": ""}, 110),
    ],
)
def test_the_port_follows_the_security_unless_it_is_given(given, port):
    mailbox = read_input(Mailbox, {"authentication": {"type": "none"}, "host": "h", **given})
    assert mailbox.server_port == port


def test_a_port_that_is_none_is_refused():
    with pytest.raises(ConnectorError):
        read_input(Mailbox, {"authentication": {"type": "none"}, "host": "h", "port": "0"})


@pytest.mark.parametrize(
    ("settings", "text", "attachment"),
    [
        ({"saveTo": "in"}, "in", "in"),
        ({"saveTo": "in", "saveTextTo": "texts"}, "texts", "in"),
        ({"saveTo": "in", "saveAttachmentsTo": "files"}, "in", "files"),
        ({"saveTextTo": "texts", "saveAttachmentsTo": "files"}, "texts", "files"),
        ({"saveAttachmentsTo": "files"}, None, "files"),
        ({"saveTextTo": "texts"}, "texts", None),
    ],
)
async def test_text_and_attachments_are_saved_apart(harness, settings, text, attachment):
    harness.server.mails = {"a": (Path(__file__).parents[2] / "mails" / "mixed-with-footer.eml").read_bytes()}
    await harness.runtime(**settings)
    await harness.until(lambda: len(harness.gateway.messages) == 1)
    allowed = harness.directory / "allowed"
    found = {path.relative_to(allowed).parts[0]: set() for path in allowed.rglob("*") if path.is_file()}
    for path in allowed.rglob("*"):
        if path.is_file():
            found[path.relative_to(allowed).parts[0]].add(path.name)
    expected: dict[str, set[str]] = {}
    if text:
        expected.setdefault(text, set()).add("mail.txt")
    if attachment:
        expected.setdefault(attachment, set()).add("1-list.csv")
    assert found == expected


async def test_a_directory_that_is_not_allowed_is_named_by_its_field(harness):
    sources = await harness.runtime(saveAttachmentsTo="../elsewhere")
    await harness.until(lambda: sources.health()["status"] == "DOWN")
    assert "saveAttachmentsTo" in sources.health()["sources"]["p#mail"]["reason"]


def test_a_frequency_is_minutes_unless_it_says_otherwise():
    for text, seconds in {
        "5": 300, "5m": 300, "5 min": 300, "PT5M": 300, "5 Minutes": 300, "1h30m": 5400, "2 hours 30 secs": 7230, "30s": 30, "PT20S": 20, "1h": 3600, "0.5": 30, "1,5": 90, "P1D": 86400,  # noqa: E501
    }.items():  # fmt: skip
        assert parse_frequency(text) == seconds
    for text in ("", "0", "often", "5x", "-1", "PT0S", "1h 30", "5 months", "5ms"):
        with pytest.raises(ValueError, match="must be"):
            parse_frequency(text)


async def test_a_reply_in_lower_case_is_one(server):
    server.answers["NOOP"] = answer(b"+ok fine\r\n")
    server.answers["DELE"] = answer(b"-err not yours\r\n")
    session = await opened(server)
    assert await session.command("NOOP") == "fine"
    with pytest.raises(ConnectorError, match="refused DELE: not yours"):
        await session.delete(1)
    await session.quit()


async def test_an_empty_line_before_the_greeting_is_passed_over():
    class Blank(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport
            transport.write(b"\r\n+OK ready\r\n")

        def data_received(self, data):
            self.transport.write(b"-ERR what\r\n" if data.startswith(b"CAPA") else b"+OK fine\r\n")

    server = await asyncio.get_running_loop().create_server(Blank, "127.0.0.1", 0)
    session = await Pop3Session.connect("127.0.0.1", server.sockets[0].getsockname()[1], "none")
    assert await session.command("NOOP") == "fine"
    session.close()
    server.close()


async def test_a_token_is_accepted_in_lower_case_too(server):
    server.answers["AUTH"] = answer(b"+ok welcome\r\n")
    session = await Pop3Session.connect("127.0.0.1", server.port, "none")
    await session.login_with_token(USER, "token")
    await session.quit()


async def test_a_server_that_takes_no_user_is_signed_in_to_by_plain(server):
    """RFC 5034: it says so by leaving USER out of its capabilities."""
    lines = []

    async def auth(session, arguments):
        lines.append(arguments)
        session.send("+ ")
        lines.append((await session.reader.readline()).decode().strip())
        session.send("+OK" if len(lines) == 2 else "-ERR [AUTH] wrong")

    server.answers |= {"CAPA": answer(b"+OK\r\nSASL LOGIN PLAIN\r\n.\r\n"), "AUTH": auth}
    server.answers["USER"] = answer(b"-ERR [AUTH] USER is disabled\r\n")
    session = await opened(server)
    assert lines == ["PLAIN", base64.b64encode(f"\0{USER}\0secret".encode()).decode()]
    await session.quit()
    with pytest.raises(ConnectorError) as failure:
        await opened(server)
    assert failure.value.code == "POP3_AUTH_FAILED"


async def test_a_token_is_not_sent_to_a_server_that_does_not_ask_for_it(server):
    """Without TLS, or in a server's log, it would be anybody's."""
    verbs = []

    async def auth(session, arguments):
        verbs.append(arguments)
        session.send("-ERR unknown mechanism")

    server.answers["AUTH"] = auth
    session = await Pop3Session.connect("127.0.0.1", server.port, "none")
    with pytest.raises(ConnectorError, match="unknown mechanism"):
        await session.login_with_token(USER, "t" * 500)
    await session.command("NOOP")
    assert verbs == ["XOAUTH2"]
    assert not [command for command in server.commands if "t" * 20 in command]
    session.close()
