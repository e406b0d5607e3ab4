"""POP3 servers that hang up, list too little or give an id twice: every mail is handed over once all the same."""

from __future__ import annotations

import asyncio

import pytest
from tests.connectors.pop3.test_faults import answer, opened
from tests.connectors.pop3.test_fetch import FetchHarness
from tests.harness import health

from zeebe_connectors import ConnectorError, PermanentError, TransientError
from zeebe_connectors.connectors.pop3.connector import Pop3Mailbox, preview
from zeebe_connectors.mail import pop3 as client_module
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.sdk.memory import ShortMemory
from zeebe_connectors.testing import Complete
from zeebe_connectors.testing.servers import message


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(client_module, "TIMEOUT", 1.0)
    monkeypatch.setattr(Pop3Mailbox, "interval", 0.1)


@pytest.fixture
async def tasks(server, tmp_path):
    tasks = FetchHarness(server, tmp_path, ShortMemory())
    tasks.clients = ClientCache()
    return tasks


def hang_up(data: bytes = b""):
    """Sends these bytes and closes."""

    async def close(session, arguments):
        session.writer.write(data)
        await session.writer.drain()
        session.writer.close()

    return close


def at_the_first(fault, name: str):
    """Has this fault at the session's first mail, and answers as usual for the others."""

    async def send(session, number):
        await (fault(session, number) if number.strip() == "1" else getattr(session, name)(number))

    return send


async def remove_and_hang_up(session, arguments):
    for uid in session.deleted:
        session.server.mails.pop(uid, None)
    session.writer.close()


def numbered(form: str):
    """Lists an id of this form for each mail of the session."""

    async def uidl(session, arguments):
        session.send_lines("\r\n".join(f"{n} {form.format(n)}" for n, _ in enumerate(session.listed, 1)).encode())

    return uidl


async def test_a_blank_line_after_a_mail_is_no_answer(server):
    async def retr(session, number):
        await session.do_retr(number)
        session.writer.write(b"\r\n")

    server.mails = {"a": message("one"), "b": message("two")}
    server.answers["RETR"] = retr
    session = await opened(server)
    assert b"Subject: one" in await session.read(1)
    assert b"Subject: two" in await session.read(2)
    await session.quit()


@pytest.mark.parametrize("name", ["UIDL", "LIST"])
@pytest.mark.parametrize("says", [b"+OK 0 messages\r\n", b"-ERR nothing here\r\n", b"+OK\r\n.\r\n"])
async def test_an_empty_mailbox_is_one_however_it_is_listed(server, name, says):
    server.answers[name] = answer(says)
    session = await opened(server)
    assert await session.ids() == {}
    assert await session.sizes() == {}
    await session.quit()


@pytest.mark.parametrize("ends", [b"", b".\r\n", b"1 a\r\n.\r\n"])
async def test_a_list_that_comes_late_leaves_the_session_in_step(server, monkeypatch, ends):
    monkeypatch.setattr(client_module, "_PAUSE", 0.05)

    async def late(session, arguments):
        session.writer.write(b"+OK empty lines come last\r\n")
        await asyncio.sleep(0.15)
        session.writer.write(ends)

    server.answers["UIDL"] = late
    server.mails = {"a": message("one")} if b"a" in ends else {}
    session = await opened(server)
    assert await session.ids() == ({1: "a"} if b"a" in ends else {})
    assert await session.command("NOOP") == ""
    assert list(await session.sizes()) == list(await session.ids())
    await session.quit()


@pytest.mark.parametrize(
    "capa",
    [answer(b"+OK UIDL TOP USER\r\n"), answer(b"+OK\r\n" + b"X\r\n" * 500_000 + b".\r\n"), hang_up(b"+OK\r\nUS")],
)
async def test_a_list_of_capabilities_without_an_end_is_done_without(server, capa):
    server.answers["CAPA"] = capa
    session = await opened(server)
    assert session.capabilities == {}
    await session.quit()
    assert server.commands.count("CAPA") == 1


async def test_a_server_that_closes_on_uidl_has_no_ids(server):
    server.answers["UIDL"] = hang_up(b"-ERR unknown command\r\n")
    server.mails = {"a": message("one")}
    session = await opened(server)
    with pytest.raises(PermanentError) as caught:
        await session.ids()
    assert caught.value.code == "POP3_NO_IDS"
    session.close()


@pytest.mark.parametrize(
    "text",
    [
        "[AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.",
        "Must issue a STLS command first",
        "[PRIVACYREQUIRED] no",
        "clear text logins are disabled",
    ],
)
async def test_a_server_that_wants_encryption_is_not_taken_for_a_wrong_password(server, text):
    server.answers["USER"] = answer(f"-ERR {text}\r\n".encode())
    with pytest.raises(PermanentError, match="Set security to STARTTLS or TLS") as caught:
        await opened(server)
    assert "Check user name" not in caught.value.message


@pytest.mark.parametrize("offered", ["SASL PLAIN", "USER\r\nSASL PLAIN"])
async def test_a_way_of_signing_in_that_is_refused_before_the_password_is_followed_by_the_other(server, offered):
    async def auth(session, arguments):
        session.send("+ ")
        await session.reader.readline()
        session.enter(True)

    server.answers["CAPA"] = answer(f"+OK\r\n{offered}\r\n.\r\n".encode())
    if "USER" in offered:
        server.answers |= {"USER": answer(b"-ERR use AUTH\r\n"), "AUTH": auth}
    else:
        server.answers["AUTH"] = answer(b"-ERR unknown command\r\n")
    server.mails = {"a": message("one")}
    session = await opened(server)
    assert await session.ids() == {1: "a"}
    await session.quit()


@pytest.mark.parametrize("command", ["PASS", "AUTH"])
async def test_a_refused_password_is_sent_once(server, command):
    async def auth(session, arguments):
        session.send("+ ")
        await session.reader.readline()
        session.send("-ERR wrong")

    server.capabilities = ["USER" if command == "PASS" else "TOP", "SASL PLAIN"]
    server.answers |= {"PASS": answer(b"-ERR wrong\r\n"), "AUTH": auth}
    with pytest.raises(PermanentError):
        await opened(server)
    assert len([one for one in server.commands if one.startswith(("PASS", "AUTH"))]) == 1


async def test_an_upgrade_that_is_refused_for_now_is_tried_again(server):
    server.capabilities.append("STLS")
    server.answers["STLS"] = answer(b"-ERR [SYS/TEMP] TLS is temporarily unavailable\r\n")
    with pytest.raises(TransientError, match="temporarily"):
        await opened(server, "starttls")


# Sources and tasks


async def test_a_mail_at_whose_deletion_the_server_hangs_up_does_not_block_the_others(harness):
    async def dele(session, number):
        await (hang_up()(session, "") if session.listed[int(number) - 1] == "bad" else session.do_dele(number))

    harness.server.answers["DELE"] = dele
    harness.server.mails = {"a": message("one"), "bad": message("bad"), "c": message("three")}
    sources = await harness.runtime(remove="true")
    await harness.until(lambda: harness.subjects() == ["one", "bad", "three"])
    await harness.until(lambda: list(harness.server.mails) == ["bad"])
    await harness.until(lambda: "cannot be removed" in health(sources)[1])


async def test_a_mail_is_read_again_when_an_operator_retries_it(harness):
    harness.server.answers["RETR"] = hang_up()
    harness.server.mails = {"bad": message("bad")}
    sources = await harness.runtime()
    ledger = sources._shared.ledger
    await harness.until(lambda: any(watching.counts["quarantined"] for watching in sources.watches.values()))
    (entry,) = await ledger.entries(state="quarantined")
    del harness.server.answers["RETR"]
    assert await ledger.retry(entry.source, entry.id)
    await harness.until(lambda: harness.subjects() == ["bad"])


@pytest.mark.parametrize("remove", ["true", "false"])
async def test_a_server_that_hangs_up_at_quit_is_read_all_the_same(harness, remove):
    harness.server.answers["QUIT"] = remove_and_hang_up
    harness.server.mails = {"a": message("one")}
    sources = await harness.runtime(remove=remove)
    await harness.until(lambda: harness.subjects() == ["one"])
    harness.server.mails["b"] = message("two")
    await harness.until(lambda: harness.subjects() == ["one", "two"])
    await harness.until(lambda: health(sources)[0] == "UP")
    assert len(harness.server.mails) == (0 if remove == "true" else 2)


@pytest.mark.parametrize("remove", [True, False])
@pytest.mark.parametrize("fault", ["QUIT, removed", "QUIT", "DELE"])
async def test_a_task_completes_although_the_server_hangs_up_when_it_removes(tasks, fault, remove):
    name, _, removed = fault.partition(",")
    tasks.server.answers[name] = remove_and_hang_up if removed else hang_up()
    tasks.server.mails = {"a": message("one")}
    outcomes = [await tasks.task(key=1, remove=remove) for _ in range(2)]
    assert isinstance(outcomes[-1], Complete)
    assert outcomes[-1].variables["got"]["mail"]["subject"] == "one"
    assert remove or isinstance(outcomes[0], Complete)
    assert (await tasks.got(key=2))["mail"] is None


async def test_a_task_whose_mail_could_not_be_read_reads_it_again_after_the_incident(tasks):
    tasks.server.answers["RETR"] = hang_up()
    tasks.server.mails = {"a": message("one")}
    codes = [(await tasks.task(key=1)).retries for _ in range(3)]
    assert codes[-1] == 0
    del tasks.server.answers["RETR"]
    assert await tasks.subject(key=1) == "one"


async def test_a_mail_without_an_id_is_reported(harness):
    harness.server.mails = {"a": message("one"), "b": message("two")}
    harness.server.answers["UIDL"] = answer(b"+OK\r\n1 a\r\n2\r\n.\r\n")
    sources = await harness.runtime()
    await harness.until(lambda: health(sources) == ("DOWN", "mails that have no id (UIDL) are not read: 1"))
    assert harness.subjects() == ["one"]


@pytest.mark.parametrize("most", ["1", "100"])
@pytest.mark.parametrize("form", ["{}", "same"])
async def test_a_mail_with_the_id_of_a_removed_one_is_handed_over_before_it_is_removed(harness, form, most):
    """RFC 1939 lets a server give the id again; `most` leaves the second mail to a session of its own."""
    harness.server.answers["UIDL"] = numbered(form)
    harness.server.mails = {"a": message("one"), "b": message("two")}
    await harness.runtime(remove="true", maxPerPoll=most)
    await harness.until(lambda: not harness.server.mails)
    harness.server.mails = {"c": message("three")}
    await harness.until(lambda: not harness.server.mails)
    assert harness.subjects() == ["one", "two", "three"]


async def test_a_server_without_top_loses_no_mail_that_has_a_removed_ones_id(harness):
    harness.server.answers |= {"UIDL": numbered("{}"), "TOP": answer(b"-ERR unknown command\r\n")}
    harness.server.mails = {"a": message("one")}
    await harness.runtime(remove="true")
    await harness.until(lambda: not harness.server.mails)
    harness.server.mails = {"b": message("two")}
    await harness.until(lambda: not harness.server.mails)
    assert harness.subjects() == ["one", "two"]


async def test_a_server_that_hangs_up_at_top_blocks_no_mail_that_has_a_removed_ones_id(harness):
    harness.server.answers |= {"UIDL": numbered("{}"), "TOP": hang_up()}
    harness.server.mails = {"a": message("one")}
    await harness.runtime(remove="true")
    await harness.until(lambda: not harness.server.mails)
    harness.server.mails = {"b": message("two"), "c": message("three")}
    await harness.until(lambda: not harness.server.mails)
    assert harness.subjects() == ["one", "two", "three"]


async def test_a_mail_that_cannot_be_compared_does_not_block_the_others(harness):
    harness.server.answers |= {"UIDL": numbered("{}")}
    harness.server.mails = {"a": message("one")}
    sources = await harness.runtime(remove="true")
    await harness.until(lambda: not harness.server.mails)
    harness.server.answers |= {"TOP": hang_up(), "RETR": at_the_first(hang_up(), "do_retr")}
    harness.server.mails = {"b": message("two"), "c": message("three")}
    await harness.until(lambda: harness.subjects() == ["one", "three"])
    await harness.until(lambda: "so it stays" in health(sources)[1])
    assert list(harness.server.mails) == ["b"]


async def test_a_task_goes_on_although_the_server_hangs_up_at_top(tasks):
    tasks.server.answers |= {"UIDL": numbered("{}"), "TOP": hang_up()}
    tasks.server.mails = {"a": message("one")}
    assert await tasks.subject(key=1, remove=True) == "one"
    tasks.server.mails = {"b": message("two")}
    assert not isinstance(await tasks.task(key=2, remove=True), Complete)
    assert await tasks.subject(key=2, remove=True) == "two"
    assert not tasks.server.mails


async def test_a_mail_with_a_removed_ones_id_stays_while_the_server_does_not_show_it(harness):
    harness.server.answers["UIDL"] = numbered("{}")
    harness.server.mails = {"a": message("one")}
    sources = await harness.runtime(remove="true")
    await harness.until(lambda: not harness.server.mails)
    harness.server.answers |= dict.fromkeys(("TOP", "RETR"), answer(b"-ERR corrupt\r\n"))
    harness.server.mails = {"b": message("two")}
    await harness.until(lambda: "so it stays" in health(sources)[1])
    del harness.server.answers["TOP"], harness.server.answers["RETR"]
    await harness.until(lambda: not harness.server.mails)
    assert harness.subjects() == ["one", "two"]


async def test_a_quarantined_mail_with_a_removed_ones_id_is_read_once(harness):
    harness.server.answers["UIDL"] = numbered("{}")
    harness.server.mails = {"a": message("one")}
    await harness.runtime(remove="true", resultExpression='=if subject = "bad" then 5 else {subject: subject}')
    await harness.until(lambda: not harness.server.mails)
    harness.server.mails = {"b": message("bad")}
    await harness.until(lambda: any(one.startswith("RETR") for one in harness.server.commands[-20:]))
    await harness.rounds(2)
    before = sum(one.startswith("RETR") for one in harness.server.commands)
    await harness.rounds(3)
    assert sum(one.startswith("RETR") for one in harness.server.commands) == before
    assert list(harness.server.mails) == ["b"]


async def test_a_mail_that_was_handed_over_is_known_under_the_id_that_another_one_had(harness):
    refused = []

    async def dele(session, number):
        if session.listed[int(number) - 1] == "b" and len(refused) < 2:
            refused.append(number)
            session.send("-ERR not now")
        else:
            await session.do_dele(number)

    harness.server.answers |= {"UIDL": numbered("same"), "DELE": dele}
    harness.server.mails = {"a": message("one"), "b": message("two")}
    await harness.runtime(remove="true")
    await harness.until(lambda: not harness.server.mails)
    assert refused == ["2", "1"]
    assert harness.subjects() == ["one", "two"]


async def test_a_mail_that_the_server_did_not_remove_is_not_handed_over_again(harness):
    harness.server.answers["QUIT"] = answer(b"+OK bye\r\n")
    harness.server.mails = {"a": message("one"), "b": message("two")}
    sources = await harness.runtime(remove="true")
    await harness.rounds(3)
    await harness.end(sources)
    await harness.runtime(remove="true")
    await harness.rounds(2)
    assert harness.subjects() == ["one", "two"]


MISREAD = (
    "Subject: 订单确认通知\r\nMessage-ID: <1@x>\r\nContent-Type: text/html\r\n\r\n<meta charset=gbk>订单确认".encode(
        "gbk"
    )
)
"""A mail whose body alone says how its subject is encoded."""


async def test_a_mail_that_was_not_removed_is_the_same_by_its_headers_alone(harness):
    harness.server.answers["QUIT"] = hang_up()
    harness.server.mails = {"a": MISREAD}
    await harness.runtime(remove="true")
    await harness.until(lambda: "QUIT" in harness.server.commands)
    del harness.server.answers["QUIT"]
    await harness.until(lambda: not harness.server.mails)
    assert harness.subjects() == ["订单确认通知"]


async def test_tasks_give_no_mail_twice_that_was_not_removed(tasks):
    tasks.server.answers["DELE"] = answer(b"-ERR not now\r\n")
    tasks.server.mails = {"a": MISREAD}
    for key, subject in ((1, "订单确认通知"), (1, "订单确认通知"), (2, None)):
        assert await tasks.subject(key=key, remove=True) == subject


async def test_tasks_receive_a_mail_with_the_id_of_a_removed_one(tasks):
    tasks.server.answers["UIDL"] = numbered("{}")
    tasks.server.mails = {"a": message("one"), "b": message("two")}
    for key, subject in ((1, "one"), (1, "one"), (2, "two")):
        assert await tasks.subject(key=key, remove=True) == subject
    tasks.server.mails = {"c": message("three")}
    for key, subject in ((2, "two"), (3, "three"), (3, "three")):
        assert await tasks.subject(key=key, remove=True) == subject
    assert not tasks.server.mails


async def test_a_preview_shows_the_mails_beside_one_that_the_server_does_not_show(harness):
    harness.server.mails = {"a": message("one"), "b": message("two")}
    sources = await harness.runtime(existingMails="skip")
    await harness.until(lambda: sources.health()["status"] == "UP")
    await harness.until(lambda: "p#mail" in sources.watches)
    watching = sources.watches["p#mail"]
    given, context = read_input(Pop3Mailbox, watching.source.input()), watching.context()
    await harness.end(sources)
    harness.server.answers["TOP"] = lambda session, text: (
        session.do_top(text) if text.startswith("2 ") else answer(b"-ERR corrupt\r\n")(session, text)
    )
    found = [event async for event in preview(given, context, 24)]
    assert [(event.title, event.unreadable) for event in found] == [
        ("two", ""),
        ("", "the server refused TOP: corrupt"),
    ]


async def test_an_error_while_nothing_is_to_be_removed_does_not_matter_at_quit(server):
    server.answers["QUIT"] = answer(b"-ERR what\r\n")
    server.mails = {"a": message("one")}
    session = await opened(server)
    await session.quit()
    session = await opened(server)
    await session.delete(1)
    with pytest.raises(ConnectorError):
        await session.quit()
