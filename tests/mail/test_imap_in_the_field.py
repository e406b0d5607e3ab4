"""What IMAP servers in the field do besides the standard, while one signs in and reads."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from zeebe_connectors import ConnectorError, PermanentError, Secret, TransientError
from zeebe_connectors.mail.imap import ImapSession
from zeebe_connectors.mail.imap_protocol import ConnectionLost
from zeebe_connectors.mail.pop3 import Pop3Session
from zeebe_connectors.mail.settings import PasswordLogin
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.testing.servers.listener import TaskServer


class Scripted:
    """A server that says what it was told to say to a command, and otherwise what one needs to read a mail.

    Args:
        answers: By command: its answers, in which `TAG` stands for the command's tag; the last is repeated.
        greeting: The first line.
        capabilities: What it offers.
        line_end: How its lines end.
    """

    def __init__(
        self,
        answers: dict[str, list[str]] | None = None,
        *,
        greeting: str = "* OK ready",
        capabilities: str = "IMAP4rev1",
        line_end: str = "\r\n",
    ) -> None:
        self.usual = {
            "CAPABILITY": [f"* CAPABILITY {capabilities}\nTAG OK x"],
            "LIST": ['* LIST () "/" INBOX\nTAG OK x'],
            "SELECT": ["* 1 EXISTS\n* OK [UIDVALIDITY 7] x\nTAG OK x"],
            "UID FETCH": ["* 1 FETCH (UID 5 BODY[] {3}\nabc)\nTAG OK x"],
        }
        self.answers = answers or {}
        self.greeting, self.line_end = greeting, line_end
        self.lines: list[str] = []
        self.tasks: set[asyncio.Task[None] | None] = set()

    def banner(self, text: str) -> bytes:
        return (text.replace("\n", self.line_end) + self.line_end).encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())
        with suppress(ConnectionError):
            await self.talk(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.banner(self.greeting))
        tag = ""
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            words = line.split(" ")
            command = " ".join(words[1:3] if words[1:2] == ["UID"] else words[1:2])
            if not command:  # what a challenge was answered with
                command = "ANSWER"
            else:
                tag = words[0]
            self.lines.append(line.removeprefix(f"{tag} "))
            known = self.answers.get(command) or self.usual.get(command, ["TAG OK x"])
            writer.write(self.banner((known.pop(0) if len(known) > 1 else known[0]).replace("TAG", tag)))

    async def __aenter__(self) -> ImapSession:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.session = await ImapSession.connect("127.0.0.1", port, "none")
        return self.session

    async def __aexit__(self, *_: object) -> None:
        if hasattr(self, "session"):
            await self.session.logout()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=2)
        self.server.close()


@pytest.mark.parametrize(
    "server",
    [
        Scripted(line_end="\n"),
        Scripted(greeting="\n* OK ready"),
        Scripted(greeting="*  ok  ready"),
        Scripted({"CAPABILITY": ["TAG BAD what is that"]}),
        Scripted({"LOGIN": ["TAG  ok"]}),
        Scripted({"UID FETCH": ['*\n* \n\n* 1 FETCH (UID 5 BODY[] "abc")\nTAG OK x']}),
    ],
    ids=["line feeds", "blank greeting", "spaced greeting", "no capabilities", "spaced answer", "blank lines"],
)
async def test_a_server_that_does_not_write_as_the_standard_says_is_read(server):
    async with server as session:
        await session.login("ann", "pw")
        await session.select("INBOX")
        (mail,) = await session.fetch([5])
        assert (mail.uid, bool(mail.body)) == (5, True)


async def test_a_tag_in_lower_case_is_the_same_tag():
    class Lower(Scripted):
        def banner(self, text):
            return super().banner("\n".join(line if line.startswith("*") else line[:5].lower() + line[5:]
                                          for line in text.split("\n")))  # fmt: skip

    async with Lower() as session:
        await session.login("ann", "pw")


async def test_an_answer_to_nobody_ends_the_session_and_quotes_no_password():
    async with Scripted({"LOGIN": ["OTHER OK x"]}) as session:
        with pytest.raises(ConnectorError) as failure:
            await session.login("ann", "canary-pw")
    assert failure.value.code == "IMAP_CONNECTION_LOST"
    assert "canary-pw" not in failure.value.message


async def test_a_refused_login_says_what_the_server_warned_of_before():
    """Gmail tells in a line of its own that it wants an app password."""
    alert = "* NO [ALERT] Application-specific password required: https://support.example/1\nTAG NO LOGIN failed"
    async with Scripted({"LOGIN": [alert]}) as session:
        with pytest.raises(PermanentError, match="Application-specific password required"):
            await session.login("ann", "pw")


@pytest.mark.parametrize("refusal", ["BAD command disabled", "NO LOGIN not supported, use AUTHENTICATE"])
async def test_login_that_is_refused_as_a_command_gives_way_to_a_mechanism(refusal):
    server = Scripted({"LOGIN": [f"TAG {refusal}"]}, capabilities="IMAP4rev1 SASL-IR AUTH=PLAIN")
    async with server as session:
        await session.login("ann", "pw")
    assert "AUTHENTICATE PLAIN AGFubgBwdw==" in server.lines


async def test_a_wrong_password_is_not_tried_again_by_a_mechanism():
    server = Scripted({"LOGIN": ["TAG NO Invalid credentials"]}, capabilities="IMAP4rev1 SASL-IR AUTH=PLAIN")
    async with server as session:
        with pytest.raises(PermanentError, match="Invalid credentials"):
            await session.login("ann", "pw")
    assert not [line for line in server.lines if line.startswith("AUTHENTICATE")]


async def test_a_mechanism_that_is_refused_gives_way_to_the_next():
    server = Scripted(
        {"AUTHENTICATE": ["TAG NO mechanism not available", "+ VXNlcg=="], "ANSWER": ["+ UGFzcw==", "TAG OK x"]},
        capabilities="IMAP4rev1 SASL-IR LOGINDISABLED AUTH=PLAIN AUTH=LOGIN",
    )
    async with server as session:
        await session.login("ann", "pw")
    assert server.lines[1:5] == ["AUTHENTICATE PLAIN AGFubgBwdw==", "AUTHENTICATE LOGIN", "YW5u", "cHc="]


async def test_an_initial_response_that_is_not_understood_comes_when_it_is_asked_for():
    server = Scripted(
        {"AUTHENTICATE": ["TAG BAD too many arguments", "+ "], "ANSWER": ["TAG OK x"]},
        capabilities="IMAP4rev1 SASL-IR LOGINDISABLED AUTH=PLAIN",
    )
    async with server as session:
        await session.login("ann", "pw")
    assert server.lines[1:4] == ["AUTHENTICATE PLAIN AGFubgBwdw==", "AUTHENTICATE PLAIN", "AGFubgBwdw=="]


@pytest.mark.parametrize("answer", ["TAG OK at once", "+ idling\nTAG OK at once"])
async def test_idle_that_the_server_ends_by_itself_is_over(answer):
    async with Scripted({"IDLE": [answer]}) as session:
        await session.login("ann", "pw")
        await session.select("INBOX")
        await session.search("ALL")
        assert not await asyncio.wait_for(session.idle(30), 5)
        await session._command("NOOP")


class FirstLine(TaskServer):
    """Says this and then waits."""

    def __init__(self, banner: bytes) -> None:
        super().__init__()
        self.banner = banner

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self.listed(), suppress(ConnectionError, asyncio.CancelledError):
            writer.write(self.banner)
            await reader.read()
        writer.close()


@pytest.mark.parametrize(
    ("banner", "protocol"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "speaks HTTP"),
        (b"220 mail.example.com ESMTP Postfix\r\n", "speaks SMTP,"),
        (b"220 ProFTPD Server ready.\r\n", "speaks FTP"),
        (b"220-welcome\r\n", "speaks SMTP or FTP"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "speaks SSH"),
        (b'"IMPLEMENTATION" "Dovecot Pigeonhole"\r\n', "speaks ManageSieve"),
        (b"* OK IMAP4rev1 ready\r\n", "speaks IMAP, not POP3"),
        (b"+OK ready\r\n", "speaks POP3, not IMAP"),
        (bytes.fromhex("15030300020246"), "choose TLS as security"),
        (bytes.fromhex("160303007a0200007603"), "choose TLS as security"),
    ],
)
async def test_a_port_of_another_protocol_is_called_so(banner, protocol):
    """Whichever of the two somebody wanted there."""
    wanted = {"IMAP": ImapSession, "POP3": Pop3Session}
    async with FirstLine(banner) as server:
        for name, session in wanted.items():
            if not protocol.startswith(f"speaks {name},"):
                with pytest.raises(TransientError, match=protocol):
                    await session.connect("127.0.0.1", server.port, "none")


async def reads(server: Scripted) -> bytes | None:
    async with server as session:
        await session.login("u", "p")
        await session.select("INBOX")
        (mail,) = await session.fetch([5])
        return mail.body


@pytest.mark.parametrize(
    "answer",
    [
        "* 2 EXPUNGE\n* 1 FETCH (UID 5 BODY[] {3}\nabc)\n* 1 EXPUNGE\nTAG OK x",
        "* 3 EXISTS\n* OK [ALERT] full\n* 1 FETCH (FLAGS ())\n* 1 FETCH (UID 5 BODY[] {3}\nabc FLAGS ())\nTAG OK x",
        "* 1 FETCH (BODY[] {3}\nabcUID 5)\nTAG OK x",
        "* 1 FETCH (UID 5 ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) BODY[] {3}\nabc)\nTAG OK x",
        "* OK [UIDVALIDITY 7] as before\n* 1 FETCH (UID 5 BODY[] {3}\nabc)\nTAG OK x",
    ],
)
async def test_what_comes_between_leaves_the_mail_whole(answer):
    assert await reads(Scripted({"UID FETCH": [answer]})) == b"abc"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("* 1 FETCH (UID 5 BODY[] {3}\nabcde)\nTAG OK x", "literal of 3 bytes"),
        ("* OK [UIDVALIDITY 8] x\n* 1 FETCH (UID 5 BODY[] {3}\nabc)\nTAG OK x", "numbered the folder's mails anew"),
    ],
)
async def test_what_would_give_a_cut_or_another_mail_ends_the_session(answer, why):
    with pytest.raises(ConnectionLost, match=why):
        await reads(Scripted({"UID FETCH": [answer]}))


async def test_a_server_that_hangs_up_at_id_is_signed_in_to_without():
    """Although it offers it."""
    server = Scripted({"ID": ["* BYE what"]}, capabilities="IMAP4rev1 ID")
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    clients = ClientCache()
    login = PasswordLogin(username="u", password=Secret("p"))
    port = listening.sockets[0].getsockname()[1]
    session = await ImapSession.open("127.0.0.1", port, "none", login=login, clients=clients)
    assert (await session.select("INBOX")).uid_validity == 7
    await session.logout()
    await clients.aclose()
    assert [line.split()[0] for line in server.lines].count("ID") == 1
    listening.close()


@pytest.mark.parametrize(
    ("answers", "capabilities", "tried"),
    [
        ({"LOGIN": ["TAG NO command disabled\n* BYE x"]}, "SASL-IR AUTH=PLAIN", ["LOGIN", "AUTHENTICATE PLAIN"]),
        (
            {"AUTHENTICATE": ["TAG NO mechanism unknown\n* BYE x", "+ VXNlcg=="], "ANSWER": ["+ UGFzcw==", "TAG OK x"]},
            "SASL-IR LOGINDISABLED AUTH=PLAIN AUTH=LOGIN",
            ["AUTHENTICATE PLAIN", "AUTHENTICATE LOGIN"],
        ),
    ],
)
async def test_a_server_that_hangs_up_at_a_way_of_signing_in_is_asked_for_another(answers, capabilities, tried):
    server = Scripted(answers, capabilities=f"IMAP4rev1 {capabilities}")
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    clients = ClientCache()
    login = PasswordLogin(username="u", password=Secret("p"))
    port = listening.sockets[0].getsockname()[1]
    session = await ImapSession.open("127.0.0.1", port, "none", login=login, clients=clients)
    await session.logout()
    await clients.aclose()
    ways = [line for line in server.lines if line.startswith(("LOGIN", "AUTHENTICATE"))]
    assert [way.startswith(start) for way, start in zip(ways, tried, strict=True)] == [True, True]
    listening.close()


@pytest.mark.parametrize(
    "answer",
    [
        "*  3  EXISTS\n* OK  [UIDVALIDITY  9]  x\n* OK [UIDNEXT  12] x\nTAG OK x",
        "* 3 exists\n* ok [uidvalidity 9] x\n* ok [uidnext 12] x\nTAG ok x",
        "* 3 EXISTS\n* OK [UIDNEXT 12] x\nTAG OK [UIDVALIDITY 9] x",
    ],
)
async def test_a_folder_is_numbered_as_the_server_says_however_it_is_written(answer):
    """Without the number, the ids of all mails would be others."""
    async with Scripted({"SELECT": [answer]}) as session:
        await session.login("ann", "pw")
        selected = await session.select("INBOX")
    assert (selected.uid_validity, selected.messages, selected.newest) == (9, 3, 11)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("* SEARCH 3 1\n* SEARCH 2", [1, 2, 3]),
        ("* SEARCH 2,5", [2, 5]),
        ('* ESEARCH (TAG "A1") UID ALL 2,4:6', [2, 4, 5, 6]),
        ('* ESEARCH (TAG "A1") UID', []),
        ("* ESEARCH UID ALL 3,1:" + "9" * 5000, [3]),
        ("* SEARCH 3 " + "9" * 5000, [3]),
        ("* SEARCH", []),
    ],
)
async def test_what_is_found_is_read_however_it_is_listed(answer, found):
    async with Scripted({"UID SEARCH": [f"{answer}\nTAG OK SEARCH 7 done"]}) as session:
        await session.login("ann", "pw")
        await session.select("INBOX")
        assert await session.search("ALL") == found


@pytest.mark.parametrize("answer", ["* ESEARCH UID ALL 1:4294967295", "* SEARCH 7 1:4294967295"])
async def test_more_than_any_folder_holds_is_refused(answer):
    async with Scripted({"UID SEARCH": [f"{answer}\nTAG OK x"]}) as session:
        await session.login("ann", "pw")
        await session.select("INBOX")
        with pytest.raises(ConnectorError, match="more than 1,000,000 mails; move some"):
            await session.search("ALL")


@pytest.mark.parametrize(
    "answer", ["TAG OK [CAPABILITY IMAP4rev1 IDLE] x", "* OK [CAPABILITY IMAP4rev1 IDLE] x\nTAG OK x"]
)
async def test_an_offer_may_stand_in_the_text_of_an_answer(answer):
    async with Scripted({"CAPABILITY": [answer]}) as session:
        assert session.offers("IDLE")


@pytest.mark.parametrize(
    "date",
    [
        "01-Jan-2026 02:02:03 +0100",
        " 1-Jan-2026 1:02:03 +0000",
        "01-Jan-2026 01:02:03 GMT",
        "01-Jan-2026 02:02:03 +01:00",
    ],
)
async def test_a_receipt_date_is_read_however_it_is_written(date):
    """It tells a mail that came back from another one that is alike."""
    answer = f'* 1 FETCH (UID 5 INTERNALDATE "{date}" BODY[] {{3}}\nabc)\nTAG OK x'
    async with Scripted({"UID FETCH": [answer]}) as session:
        await session.login("ann", "pw")
        await session.select("INBOX")
        (mail,) = await session.fetch([5])
    assert mail.received == datetime(2026, 1, 1, 1, 2, 3, tzinfo=UTC)
