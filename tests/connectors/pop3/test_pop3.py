"""Mails of a POP3 mailbox become messages exactly once, and the client reads what other clients cannot."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.harness import Harness

from zeebe_connectors import Document, PermanentError, TransientError
from zeebe_connectors.connectors.pop3.connector import watch
from zeebe_connectors.mail import pop3 as client_module
from zeebe_connectors.mail.pop3 import Pop3Session
from zeebe_connectors.sdk.memory import ShortMemory
from zeebe_connectors.testing.servers import Pop3Server, message

USER = "alice@example.test"
STORED = Path(__file__).parents[2] / "mail" / "reading" / "smime" / "stored"


async def connect(server: Pop3Server) -> Pop3Session:
    session = await Pop3Session.connect("127.0.0.1", server.port, "none")
    await session.login(USER, "secret")
    return session


@pytest.mark.parametrize(
    "raw",
    [
        message(body="a" * 2_000_000),
        message(body=".\r\n..\r\n.x\r\n\r\n."),
        b".starts with a dot\r\n",
        b"",
        bytes(set(range(256)) - {10, 13}) * 1000,
    ],
    ids=["one line of 2 MB", "dots", "dot first", "empty", "all bytes"],
)
async def test_a_message_comes_byte_for_byte(server, raw):
    server.mails["u1"] = raw
    session = await connect(server)
    assert (await session.read(1)).removesuffix(b"\r\n") == raw.removesuffix(b"\r\n")
    await session.quit()


async def test_ids_sizes_and_headers_are_listed(server):
    server.mails = {"u 1/é": message("one"), "u2": message("two", body="x" * 100)}
    session = await connect(server)
    assert await session.ids() == {1: "u 1/é", 2: "u2"}
    assert await session.sizes() == {1: len(message("one")), 2: len(server.mails["u2"])}
    assert b"Subject: two" in await session.top(2)
    assert b"xxx" not in await session.top(2)
    await session.quit()


async def test_apop_is_used_where_it_is_offered_so_that_the_password_is_not_sent(server):
    server.banner = "+OK <1896.697170952@dbc.example.test>"
    session = await connect(server)
    assert not [command for command in server.commands if "secret" in command]
    await session.quit()


@pytest.mark.parametrize("token", ["good-token", "g" * 2000])
async def test_a_token_of_any_length_signs_in_and_a_refused_one_is_an_error(server, token):
    server.tokens = {token}
    session = await Pop3Session.connect("127.0.0.1", server.port, "none")
    with pytest.raises(PermanentError, match="401"):
        await session.login_with_token(USER, "expired")
    await session.login_with_token(USER, token)
    assert all(len(command) <= 255 for command in server.commands if command.startswith("AUTH"))
    await session.quit()


async def test_a_refused_login_is_permanent_and_a_mailbox_in_use_is_not(server):
    session = await Pop3Session.connect("127.0.0.1", server.port, "none")
    with pytest.raises(PermanentError) as caught:
        await session.login(USER, "wrong")
    assert caught.value.code == "POP3_AUTH_FAILED"

    async def busy(session, arguments):
        session.send("-ERR [IN-USE] somebody reads it")

    server.answers["PASS"] = busy
    with pytest.raises(TransientError) as busy_error:
        await session.login(USER, "secret")
    assert busy_error.value.code == "POP3_IN_USE"
    session.close()


async def test_a_line_break_in_a_password_is_refused(server):
    session = await Pop3Session.connect("127.0.0.1", server.port, "none")
    with pytest.raises(PermanentError):
        await session.login(USER, "x\r\nDELE 1")
    assert "DELE 1" not in server.commands
    session.close()


async def test_silence_and_lost_connections_are_reported(server, monkeypatch):
    monkeypatch.setattr(client_module, "TIMEOUT", 0.3)

    async def mute(session, arguments):
        await asyncio.sleep(3600)

    async def cut(session, arguments):
        session.writer.transport.abort()

    for name, handler in (("UIDL", mute), ("UIDL", cut)):
        server.answers = {}
        session = await connect(server)
        server.answers[name] = handler
        with pytest.raises(TransientError) as caught:
            await session.ids()
        assert caught.value.code == "POP3_CONNECTION_LOST"
    server.drop()


async def test_stls_is_required_when_it_is_chosen(server):
    with pytest.raises(PermanentError, match="does not offer STLS"):
        await Pop3Session.connect("127.0.0.1", server.port, "starttls")


@pytest.mark.parametrize("injected", [b"+OK smuggled\r\n", b"x"])
async def test_what_comes_before_tls_is_refused(tls, authority, injected):
    """Somebody between may put text behind the answer to STLS; it must not count as the encrypted session's."""

    async def inject(session, _):
        session.writer.write(b"+OK begin\r\n" + injected)

    trusted = client_module.trust(authority.cert_pem.bytes().decode())
    async with Pop3Server(tls=tls) as server:
        server.capabilities = ["STLS"]
        server.answers["STLS"] = inject
        with pytest.raises(PermanentError) as caught:
            await Pop3Session.connect("127.0.0.1", server.port, "starttls", tls=trusted)
    assert caught.value.code == "POP3_TLS_FAILED"
    assert "before encryption" in caught.value.message


async def test_nothing_from_before_stls_counts(tls, authority):
    """Neither the capabilities nor the stamp for APOP, which somebody between could choose."""

    async def capa(session, _):
        clear = session.writer.get_extra_info("ssl_object") is None
        session.send_lines(b"STLS\r\nEVIL" if clear else b"UIDL")

    trusted = client_module.trust(authority.cert_pem.bytes().decode())
    async with Pop3Server(tls=tls) as server:
        server.banner = "+OK <chosen@evil.example>"
        server.answers["CAPA"] = capa
        session = await Pop3Session.connect("127.0.0.1", server.port, "starttls", tls=trusted)
        assert "UIDL" in session.capabilities
        assert "EVIL" not in session.capabilities
        await session.login(USER, "secret")
        await session.quit()
        assert not any(command.startswith("APOP") for command in server.commands)


# The source


class Pop3Harness(Harness):
    """With a POP3 server."""

    connector = watch

    def __init__(self, server: Pop3Server, directory: Path) -> None:
        super().__init__(directory)
        self.server = server
        self.memory = ShortMemory()

    def properties(self, **changes: Any) -> dict[str, Any]:
        return {
            "inbound.type": watch.type,
            "authentication.type": "simple",
            "authentication.username": USER,
            "authentication.password": "secret",
            "host": "127.0.0.1",
            "port": str(self.server.port),
            "security": "none",
            "checkEvery": "PT1S",
            "resultExpression": "={subject: subject, files: attachments}",
            **super().properties(**changes),
        }

    async def rounds(self, count: int) -> None:
        """Waits until so many more sessions have ended."""
        target = self.server.commands.count("QUIT") + count
        await self.until(lambda: self.server.commands.count("QUIT") >= target)


@pytest.mark.parametrize("remove", ["true", "false"])
async def test_each_mail_is_handed_over_once_and_removed_if_so_chosen(harness, remove):
    harness.server.mails = {"a": message("one"), "b": message("two")}
    sources = await harness.runtime(remove=remove)
    await harness.until(lambda: harness.subjects() == ["one", "two"])
    await harness.rounds(2)
    await harness.end(sources)
    harness.server.mails["c"] = message("three")
    await harness.runtime(remove=remove)
    await harness.until(lambda: "three" in harness.subjects())
    await harness.rounds(1)
    assert harness.subjects() == ["one", "two", "three"]
    assert len(harness.server.mails) == (0 if remove == "true" else 3)


async def test_only_mails_from_now_on_leaves_alone_what_lay_there_at_the_first_start(harness):
    harness.server.mails = {"a": message("old"), "b (x)": message("old too")}
    chosen = {"existingMails": "skip", "remove": "true"}
    sources = await harness.runtime(**chosen)
    await harness.rounds(2)
    harness.server.mails["c"] = message("new")
    await harness.until(lambda: harness.subjects() == ["new"])
    await harness.end(sources)
    harness.server.mails["d"] = message("while it was away")
    await harness.runtime(**chosen)
    await harness.until(lambda: len(harness.subjects()) == 2)
    await harness.rounds(1)
    assert harness.subjects() == ["new", "while it was away"]
    assert list(harness.server.mails) == ["a", "b (x)"]


async def test_a_connection_that_is_cut_before_quit_removes_the_mail_later_and_hands_nothing_over_twice(harness):
    cut = []

    async def quit_(session, arguments):
        if len(cut) < 2:
            cut.append(1)
            session.writer.transport.abort()
        else:
            await session.do_quit(arguments)

    harness.server.answers["QUIT"] = quit_
    harness.server.mails = {"a": message("one"), "b": message("two")}
    await harness.runtime(remove="true")
    await harness.until(lambda: not harness.server.mails)
    assert harness.subjects() == ["one", "two"]
    assert len(cut) == 2


async def test_a_quarantined_mail_is_not_removed(harness):
    harness.server.mails = {"a": message("bad"), "b": message("good")}
    await harness.runtime(remove="true", resultExpression='=if subject = "bad" then 5 else {subject: subject}')
    await harness.until(lambda: harness.subjects() == ["good"])
    await harness.rounds(2)
    assert list(harness.server.mails) == ["a"]


async def test_a_mail_that_is_too_large_is_quarantined_by_a_server_without_headers_too(harness):
    async def refused(session, arguments):
        session.send("-ERR unknown command")

    harness.server.answers["TOP"] = refused
    harness.server.mails = {"big": message("big", body="x" * 5000), "good": message("good")}
    sources = await harness.runtime(maxMailSize="1000")
    await harness.until(lambda: harness.subjects() == ["good"])
    await harness.rounds(1)
    (entry,) = await sources._shared.ledger.entries(state="quarantined")
    assert "more than maxMailSize allows" in entry.reason


async def test_text_and_attachments_are_saved_where_the_operator_allows_it(harness):
    harness.server.mails = {"a": (Path(__file__).parents[2] / "mails" / "mixed-with-footer.eml").read_bytes()}
    sources = await harness.runtime(saveTo="in")
    await harness.until(lambda: len(harness.gateway.messages) == 1)
    assert (harness.directory / "allowed" / "in" / f"{USER}@127.0.0.1" / "a" / "1-list.csv").read_bytes() == b"a,b"
    assert "footer" in (harness.directory / "allowed" / "in" / f"{USER}@127.0.0.1" / "a" / "mail.txt").read_text()
    (file,) = next(iter(harness.gateway.messages.values())).data["variables"]["files"]
    assert (await sources._shared.services.documents.read(Document(file), seconds=5)).name == "list.csv"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"active": "false"}, "switched off"),
        ({"saveTo": "../elsewhere"}, "saveTo"),
        ({"checkEvery": "often"}, "checkEvery"),
        ({"smimeKey": "missing.p12"}, "smimeKey"),
        ({"smimeTrusted": "nonsense"}, "smimeTrusted"),
        ({"authentication.password": "wrong"}, "refused the login"),
    ],
)
async def test_what_is_wrong_is_reported(harness, changes, expected):
    sources = await harness.runtime(**changes)
    await harness.until(lambda: sources.health()["status"] == "DOWN")
    assert expected in sources.health()["sources"]["p#mail"]["reason"]
    assert not harness.gateway.messages


async def test_a_server_without_ids_is_refused(harness):
    async def none(session, arguments):
        session.send("-ERR unknown")

    harness.server.answers["UIDL"] = none
    harness.server.mails = {"a": message("one")}
    sources = await harness.runtime()
    await harness.until(lambda: sources.health()["status"] == "DOWN")
    assert "UIDL" in sources.health()["sources"]["p#mail"]["reason"]
    assert not harness.gateway.messages


async def test_an_encrypted_mail_is_read_with_the_key(harness):
    (harness.directory / "allowed" / "key.jks").write_bytes((STORED / "both.jks").read_bytes())
    harness.server.mails = {"a": (STORED / "ec-aes-128-gcm.eml").read_bytes()}
    await harness.runtime(
        smimeKey="key.jks", smimePassword="changeit", resultExpression="={subject: trim(text), encrypted: encrypted}"
    )
    await harness.until(lambda: len(harness.gateway.messages) == 1)
    assert next(iter(harness.gateway.messages.values())).data["variables"] == {
        "subject": "a secret text",
        "encrypted": True,
    }


async def test_a_mail_that_cannot_be_decrypted_is_quarantined_though_no_condition_holds(harness):
    """The condition asks about a text that is not there; the mail must not count as one that nobody wants."""
    (harness.directory / "allowed" / "key.p12").write_bytes((STORED / "rsa.p12").read_bytes())
    harness.server.mails = {"a": (STORED / "ec-aes256.eml").read_bytes(), "b": message("secret order")}
    sources = await harness.runtime(
        smimeKey="key.p12",
        smimePassword="changeit",
        remove="true",
        activationCondition='=contains(subject + text, "secret")',
    )
    await harness.until(lambda: harness.subjects() == ["secret order"])
    await harness.rounds(1)
    (entry,) = await sources._shared.ledger.entries(state="quarantined")
    assert "not encrypted for the key" in entry.reason
    assert entry.has_original
    assert list(harness.server.mails) == ["a"]


async def test_mails_that_nobody_wants_do_not_keep_new_ones_out_and_are_read_once(harness):
    harness.server.mails = {f"old-{n}": message(f"old {n}") for n in range(3)}
    await harness.runtime(maxPerPoll="2", activationCondition='=starts with(subject, "new")')
    await harness.rounds(2)
    harness.server.mails["new"] = message("new")
    await harness.until(lambda: harness.subjects() == ["new"])
    await harness.rounds(1)
    assert len([one for one in harness.server.commands if one.startswith("RETR")]) == 4


async def test_a_mail_that_the_server_cannot_read_is_reported_and_stops_no_other(harness):
    async def retr(session, number):
        if session.listed[int(number) - 1] == "broken":
            session.send("-ERR message is corrupt")
        else:
            await session.do_retr(number)

    harness.server.answers["RETR"] = retr
    harness.server.mails = {"broken": message("broken"), "good": message("good")}
    sources = await harness.runtime()
    await harness.until(lambda: harness.subjects() == ["good"])
    await harness.rounds(2)
    (health,) = sources.health()["sources"].values()
    assert health["status"] == "DOWN"
    assert "id broken cannot be read" in health["reason"]
    del harness.server.answers["RETR"]
    await harness.until(lambda: harness.subjects() == ["good", "broken"])
    await harness.rounds(1)
    await harness.until(lambda: sources.health()["status"] == "UP")


async def test_a_mail_that_the_server_does_not_delete_is_reported_and_not_handed_over_again(harness):
    async def dele(session, number):
        session.send("-ERR read-only")

    harness.server.answers["DELE"] = dele
    harness.server.mails = {"a": message("one")}
    sources = await harness.runtime(remove="true")
    await harness.until(lambda: "cannot be removed" in str(sources.health()))
    await harness.rounds(2)
    assert harness.subjects() == ["one"]
    del harness.server.answers["DELE"]
    await harness.until(lambda: not harness.server.mails)
    await harness.until(lambda: sources.health()["status"] == "UP")
    assert harness.subjects() == ["one"]
