"""Servers that answer strangely, or stop at one mail, neither lose a mail nor block the others."""

from __future__ import annotations

import asyncio
import base64
import hmac

import pytest
from tests.connectors.imap.test_source import ImapHarness, reason, settle
from tests.harness import running

from zeebe_connectors.connectors.imap import watcher as watcher_module
from zeebe_connectors.mail import imap as client_module
from zeebe_connectors.mail.imap import ImapSession
from zeebe_connectors.runtime.inbound import sources as sources_module
from zeebe_connectors.testing.servers import Folder, ImapServer, message


@pytest.fixture
async def harness(tmp_path, monkeypatch):
    monkeypatch.setattr(client_module, "TIMEOUT", 0.5)
    monkeypatch.setattr(watcher_module, "SAFETY_POLL", 0.3)
    monkeypatch.setattr(sources_module, "_MAX_PAUSE", 0.2)
    async with ImapServer() as server, running(ImapHarness(server, tmp_path), monkeypatch) as harness:
        yield harness


async def quarantined(sources) -> list[str]:
    return [entry.reason for entry in await sources._shared.ledger.entries(state="quarantined")]


def asks_for_body_of(arguments: str, uid: str) -> bool:
    return "BODY.PEEK[]" in arguments and arguments.split(maxsplit=1)[0] == uid


ABSENT = [
    "* 1 FETCH (UID 1 FLAGS () BODY[] NIL)",
    '* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 0 BODY[] "")',
    "* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 0 BODY[] {0}\r\n)",
    "* 1 FETCH (UID 1 FLAGS ())",
    "",
]


@pytest.mark.parametrize("answer", ABSENT)
async def test_a_mail_without_content_is_asked_for_again_and_goes_to_quarantine_unmarked(harness, answer):
    async def fetch(session, tag, arguments):
        if not asks_for_body_of(arguments, "1"):
            await session.do_uid_fetch(tag, arguments)
            return
        if answer:
            session.send(answer)
        session.send(f"{tag} OK done")

    harness.server.answers["UID FETCH"] = fetch
    harness.deliver("empty", "good")
    sources = await harness.runtime()
    await harness.until(lambda: harness.subjects() == ["good"])
    (why,) = await quarantined(sources)
    assert "returns no content" in why
    assert sum(asks_for_body_of(command.removeprefix("UID FETCH "), "1") for command in harness.server.commands) == 2
    assert harness.server.folders["INBOX"].messages[0].flags == set()


@pytest.mark.parametrize("answer", ABSENT)
async def test_a_mail_that_was_removed_meanwhile_is_passed_over(harness, answer):
    async def fetch(session, tag, arguments):
        if not asks_for_body_of(arguments, "1"):
            await session.do_uid_fetch(tag, arguments)
            return
        session.chosen_folder.messages[:] = [one for one in session.chosen_folder.messages if one.uid != 1]
        if answer:
            session.send(answer)
        session.send(f"{tag} OK done")

    harness.server.answers["UID FETCH"] = fetch
    harness.deliver("gone", "good")
    sources = await harness.runtime()
    await harness.until(lambda: harness.subjects() == ["good"])
    assert await quarantined(sources) == []


@pytest.mark.parametrize("answer", [*ABSENT, "* 1 FETCH (UID 1 FLAGS () BODY[HEADER.FIELDS (SUBJECT)] NIL)"])
async def test_a_mail_whose_headers_or_body_come_at_the_second_asking_is_handed_over(harness, answer):
    names = []

    async def fetch(session, tag, arguments):
        names.append(arguments)
        if ("HEADER" in answer or "BODY[]" not in answer) != ("HEADER" in arguments) or len(names) > 2:
            await session.do_uid_fetch(tag, arguments)
            return
        if answer:
            session.send(answer)
        session.send(f"{tag} OK done")

    harness.server.answers["UID FETCH"] = fetch
    harness.deliver("one")
    await harness.runtime()
    await harness.until(lambda: harness.subjects() == ["one"])


@pytest.mark.parametrize("part", ["HEADER", "BODY.PEEK[]"])
@pytest.mark.parametrize("fault", ["bye", "hang up", "refused and closed", "silence"])
async def test_a_mail_at_which_the_connection_ends_goes_to_quarantine_after_three_times(harness, part, fault):
    tries = []

    async def fetch(session, tag, arguments):
        if part not in arguments or "2" not in arguments.split()[0].split(","):
            await session.do_uid_fetch(tag, arguments)
            return
        if arguments.split()[0] == "2":
            tries.append(arguments)
        if fault == "silence":
            await asyncio.sleep(30)
        elif fault == "bye":
            session.send("* BYE internal error")
        elif fault == "refused and closed":
            session.send(f"{tag} NO cannot read it")
            await session.writer.drain()
        session.writer.close()

    harness.server.answers["UID FETCH"] = fetch
    harness.deliver("one", "bad", "three")
    sources = await harness.runtime()
    await harness.until(lambda: harness.subjects() == ["one", "three"])
    for _ in range(200):
        if found := await quarantined(sources):
            break
        await asyncio.sleep(0.02)
    assert "the connection ended 3 times" in found[0]
    assert len(tries) == 3
    harness.deliver("four")
    await harness.until(lambda: harness.subjects() == ["one", "three", "four"])


async def test_a_mail_at_which_the_connection_ended_is_read_again_when_an_operator_retries_it(harness, monkeypatch):
    async def fetch(session, tag, arguments):
        session.writer.close()

    monkeypatch.setattr(watcher_module, "LOOK_AGAIN", 0.0)
    harness.server.answers["UID FETCH"] = fetch
    harness.deliver("bad")
    sources = await harness.runtime()
    await harness.until(lambda: any(watching.counts["quarantined"] for watching in sources.watches.values()))
    ledger = sources._shared.ledger
    (entry,) = await ledger.entries(state="quarantined")
    del harness.server.answers["UID FETCH"]
    assert await ledger.retry(entry.source, entry.id)
    sources.watches["p#mail"].wake()
    await harness.until(lambda: harness.subjects() == ["bad"])


async def test_a_mail_at_whose_marking_the_connection_ends_is_handed_over_once_and_stops_no_other(harness):
    async def store(session, tag, arguments):
        if arguments.startswith("1 "):
            session.writer.close()
        else:
            await session.do_uid_store(tag, arguments)

    harness.server.answers["UID STORE"] = store
    harness.deliver("one", "two")
    await harness.runtime()
    await harness.until(lambda: harness.subjects() == ["one", "two"])
    await harness.until(lambda: harness.server.folders["INBOX"].messages[1].flags == {"\\Seen"})


async def test_a_word_about_flags_after_the_mail_takes_nothing_of_it_away(harness):
    async def fetch(session, tag, arguments):
        found = session._by_uid(arguments.split()[0])
        for number, mail in enumerate(found, 1):
            head = mail.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if "HEADER" in arguments else mail.raw
            session.send(f"* {number} FETCH (UID {mail.uid} RFC822.SIZE {len(mail.raw)})")
            session.send(f"* {number} FETCH (BODY[] {{{len(head)}}}\r\n".encode() + head + b")")
            session.send(f'* {number} FETCH (INTERNALDATE "{mail.date}")')
            session.send(f"* {number} FETCH (UID {mail.uid} FLAGS (\\Seen))")
        session.send("* 99 FETCH (UID 99 FLAGS (\\Seen))")
        session.send(f"{tag} OK done")

    harness.server.answers["UID FETCH"] = fetch
    harness.deliver("one", "two")
    await harness.runtime(resultExpression="={subject: subject, text: text, at: receivedDateTime}")
    await harness.until(lambda: harness.subjects() == ["one", "two"])
    sent = [m.data["variables"] for m in harness.gateway.messages.values()]
    assert all(one["text"] == "text" and one["at"] for one in sent)


# The same mail once

ALL = {"data__pollingConfigDiscriminator": "allPollingConfig"}


def move(harness, uid: int, source: str, target: str, *, date: str | None = None) -> None:
    """Moves a mail as a person does in a mail program."""
    folders = harness.server.folders
    mail = next(one for one in folders[source].messages if one.uid == uid)
    folders[source].messages.remove(mail)
    harness.server.deliver(mail.raw, target, flags=set(), date=date or mail.date)


@pytest.mark.parametrize("strategy", ["NONE", "MOVE"])
@pytest.mark.parametrize("has_id", [True, False])
@pytest.mark.parametrize("restarted", [True, False])
async def test_a_mail_that_a_person_moves_back_is_the_same_mail(harness, strategy, has_id, restarted):
    harness.server.folders["Done"] = Folder()
    raw = message("one") if has_id else message("one").replace(b"Message-ID: <one@example.test>\r\n", b"")
    harness.server.deliver(raw)
    settings = {**ALL, "data__pollingConfig__handlingStrategy": strategy, "data__pollingConfig__targetFolder": "Done"}
    sources = await harness.runtime(**settings)
    await harness.until(lambda: harness.subjects() == ["one"])
    for _ in range(2):
        if strategy == "NONE":
            move(harness, harness.server.folders["INBOX"].messages[0].uid, "INBOX", "Done")
        else:
            await harness.until(lambda: harness.server.folders["Done"].messages)
        if restarted:
            await harness.end(sources)
            sources = await harness.runtime(**settings)
        await harness.server.idle.wait()
        move(harness, harness.server.folders["Done"].messages[0].uid, "Done", "INBOX")
        harness.deliver("after")
        await harness.until(lambda: "after" in harness.subjects())
        harness.server.folders["Done"].messages.clear()
        await settle(harness)
        assert harness.subjects().count("one") == 1
        strategy = "NONE"


@pytest.mark.parametrize("strategy", ["NONE", "MOVE", "DELETE"])
@pytest.mark.parametrize("batch", [250, 1])
async def test_alike_mails_that_lie_there_together_are_two(harness, monkeypatch, strategy, batch):
    monkeypatch.setattr(watcher_module, "BATCH", batch)
    harness.deliver("one", "one")
    await harness.runtime(
        **ALL, data__pollingConfig__handlingStrategy=strategy, data__pollingConfig__targetFolder="Done"
    )
    await harness.until(lambda: harness.subjects() == ["one", "one"])
    if strategy == "NONE":
        harness.deliver("one")  # a third, while both are there
        await harness.until(lambda: harness.subjects() == ["one", "one", "one"])


@pytest.mark.parametrize("change", ["date", "size"])
async def test_a_mail_that_came_at_another_time_or_is_larger_is_another_mail(harness, change):
    harness.deliver("one")
    await harness.runtime(**ALL, data__pollingConfig__handlingStrategy="DELETE")
    await harness.until(lambda: harness.subjects() == ["one"])
    await harness.until(lambda: not harness.server.folders["INBOX"].messages)
    await harness.server.idle.wait()
    if change == "date":
        harness.server.deliver(message("one"), date="03-Nov-2026 10:00:01 +0000")
    else:
        harness.server.deliver(message("one", body="text and more"))
    await harness.until(lambda: harness.subjects() == ["one", "one"])


# Where it begins, how often it looks, what becomes of the mails


@pytest.mark.parametrize("choice", ["skip", "process"])
async def test_what_lies_in_the_folder_at_the_first_start_counts_or_not(harness, choice):
    harness.deliver("old")
    sources = await harness.runtime(**ALL, data__existingMails=choice)
    await harness.server.idle.wait()
    harness.deliver("new")
    expected = ["new"] if choice == "skip" else ["old", "new"]
    await harness.until(lambda: harness.subjects() == expected)
    memory = sources._shared.services.memory
    await harness.end(sources)
    harness.deliver("meanwhile")
    again = await harness.runtime(**ALL, data__existingMails=choice, memory=memory)
    await harness.until(lambda: harness.subjects() == [*expected, "meanwhile"])
    await harness.end(again)
    folder = harness.server.folders["INBOX"]
    folder.validity += 1  # numbered anew: the old one is still old
    for number, mail in enumerate(folder.messages):
        mail.uid += 100 + number
    folder.next_uid = 200
    await harness.runtime(**ALL, data__existingMails=choice, memory=memory)
    harness.server.deliver(message("last"), date="03-Nov-2099 10:00:00 +0000")
    await harness.until(lambda: harness.subjects() == [*expected, "meanwhile", "last"])


@pytest.mark.parametrize("strategy", ["MOVE", "NONE", "READ"])
@pytest.mark.parametrize("read", ["true", "false"])
async def test_moving_and_marking_as_read_are_apart(harness, strategy, read):
    harness.deliver("one")
    await harness.runtime(
        data__pollingConfig__handlingStrategy=strategy,
        data__pollingConfig__targetFolder="Done",
        data__pollingConfig__markAsRead=read,
    )
    await harness.until(lambda: harness.subjects() == ["one"])
    await harness.server.idle.wait()
    folder = harness.server.folders["Done" if strategy == "MOVE" else "INBOX"]
    is_read = strategy == "READ" or (strategy == "MOVE" and read == "true")
    assert [mail.flags for mail in folder.messages] == [{"\\Seen"} if is_read else set()]


@pytest.mark.parametrize("forgetful", [True, False])
async def test_under_idle_the_folder_is_looked_at_as_often_as_wanted(harness, monkeypatch, forgetful):
    monkeypatch.setattr(watcher_module, "SAFETY_POLL", 300.0)
    monkeypatch.setattr(client_module, "TIMEOUT", 30.0)
    await harness.runtime(data__pollingWaitTime="1s")
    await harness.server.idle.wait()
    await harness.until(lambda: len(harness.server.seen("UID SEARCH")) >= 3)
    if forgetful:
        harness.server.folders["INBOX"].add(message("untold"))
    else:
        harness.deliver("untold")
    await harness.until(lambda: harness.subjects() == ["untold"])


# What a refusal means

TEMPORARY = [
    "Server Unavailable. 15",
    "[SERVERBUG] Internal error occurred",
    "[UNAVAILABLE] Temporary authentication failure.",
    "System Error",
    "User is authenticated but not connected.",
    "[INUSE] too many connections",
    "LOGIN Server error - Please try again later",
]


@pytest.mark.parametrize("text", TEMPORARY)
@pytest.mark.parametrize("status", ["NO", "BAD", "no"])
async def test_a_refusal_for_now_does_not_blame_the_password_and_is_tried_again(harness, text, status):
    async def refuse(session, tag, arguments):
        session.send(f"{tag} {status} {text}")

    harness.server.answers["LOGIN"] = refuse
    harness.deliver("one")
    sources = await harness.runtime()
    await harness.until(lambda: "accepts no login now" in reason(sources))
    assert "password" not in reason(sources)
    del harness.server.answers["LOGIN"]
    await harness.until(lambda: harness.subjects() == ["one"])


@pytest.mark.parametrize("text", ["[AUTHENTICATIONFAILED] Invalid credentials", "LOGIN failed.", "Logon failure"])
async def test_a_refusal_for_good_says_what_to_check(harness, text):
    async def refuse(session, tag, arguments):
        session.send(f"{tag} NO {text}")

    harness.server.answers["LOGIN"] = refuse
    sources = await harness.runtime()
    await harness.until(lambda: "Check user name and password" in reason(sources))


@pytest.mark.parametrize("fault", ["NO", "BAD", "close", "OK", "ended"])
async def test_idle_that_is_offered_and_refused_means_polling(harness, fault, monkeypatch):
    monkeypatch.setattr(watcher_module, "_FIRST_WAIT", 0.1)

    async def refuse(session, tag, arguments):
        if fault == "close":
            session.writer.close()
        elif fault == "ended":
            session.send("+ idling")
            session.send(f"{tag} OK that was it")
        else:
            session.send(f"{tag} {fault} not for you")

    harness.server.answers["IDLE"] = refuse
    sources = await harness.runtime()
    await harness.until(lambda: len(harness.server.seen("UID SEARCH")) > 5)
    assert len(harness.server.seen("IDLE")) <= 3
    harness.deliver("one")
    await harness.until(lambda: harness.subjects() == ["one"])
    assert not reason(sources)


# Names, greetings and other spellings


@pytest.mark.parametrize(
    ("spelled", "shown"),
    [
        ("R & D", "R & D"),
        ("R &- D", "R & D"),
        ("Büro/Aufträge", "Büro/Aufträge"),
        ("B&APw-ro", "Büro"),
        ("Zahl &Zx", "Zahl &Zx"),
        ("&AGE-", "&AGE-"),
        ("A&-B & C", "A&-B & C"),
    ],
)
async def test_folders_are_opened_and_moved_to_by_the_name_that_the_server_spelled(harness, spelled, shown):
    harness.server.folders[spelled] = Folder()
    harness.server.folders["Done " + spelled] = Folder()
    harness.server.deliver(message("one"), spelled)
    await harness.runtime(
        data__folderToListen=shown,
        data__pollingConfig__handlingStrategy="MOVE",
        data__pollingConfig__targetFolder="Done " + shown,
    )
    await harness.until(lambda: harness.subjects() == ["one"])
    await harness.until(lambda: harness.server.folders["Done " + spelled].messages)
    assert set(harness.server.folders) == {"INBOX", spelled, "Done " + spelled}


async def test_id_is_sent_after_the_login_where_the_server_wants_it(harness):
    known = []

    async def identify(session, tag, arguments):
        known.append(arguments)
        session.send("* ID NIL")
        session.send(f"{tag} OK done")

    async def select(session, tag, arguments):
        if known:
            await session.do_select(tag, arguments)
        else:
            session.send(f"{tag} NO Unsafe Login. Please contact the provider")

    harness.server.capabilities += " ID"
    harness.server.answers.update({"ID": identify, "SELECT": select})
    harness.deliver("one")
    await harness.runtime()
    await harness.until(lambda: harness.subjects() == ["one"])
    assert "zeebe-connectors" in known[0]


async def test_a_refused_id_changes_nothing(harness):
    harness.server.capabilities += " ID"
    harness.deliver("one")
    await harness.runtime()
    await harness.until(lambda: harness.subjects() == ["one"])
    assert harness.server.seen("ID ")


@pytest.mark.parametrize("greeting", ["* PREAUTH welcome", "* preauth welcome"])
async def test_a_server_that_signs_one_in_by_itself_is_asked_for_no_login(greeting):
    async with ImapServer() as server:
        server.greeting = greeting
        session = await ImapSession.connect("127.0.0.1", server.port, "none")
        await session.login_with_token("alice@example.test", "any")
        await session.login("alice@example.test", "any")
        await session.select("INBOX")
        await session.logout()
        assert not server.seen("AUTHENTICATE")
        assert not server.seen("LOGIN")


@pytest.mark.parametrize("noise", ["* ", "*", "*  ", ""])
async def test_lower_case_answers_and_empty_lines_are_understood(noise):
    async def login(session, tag, arguments):
        session.send(noise)
        session.send(f"{tag} ok welcome")

    async def capability(session, tag, arguments):
        session.send(noise)
        session.send("* capability imap4rev1 idle")
        session.send(noise)
        session.send(f"{tag} Ok done")

    async with ImapServer() as server:
        server.greeting = "* ok ready"
        server.answers.update({"LOGIN": login, "CAPABILITY": capability})
        session = await ImapSession.connect("127.0.0.1", server.port, "none")
        await session.login("alice@example.test", "secret")
        assert session.offers("IDLE")
        await session.logout()


@pytest.mark.parametrize("mechanism", ["LOGIN", "CRAM-MD5", "PLAIN"])
@pytest.mark.parametrize("initial", ["", "SASL-IR "])
async def test_where_login_is_disabled_another_mechanism_signs_in(mechanism, initial):
    lines = []

    async def authenticate(session, tag, arguments):
        name, _, proof = arguments.partition(" ")
        challenges = {"LOGIN": [b"Username:", b"Password:"], "CRAM-MD5": [b"<1@host>"], "PLAIN": [b""]}[name]
        for challenge in [] if proof else challenges:
            session.send(b"+ " + base64.b64encode(challenge))
            lines.append(base64.b64decode(await session.reader.readline()))
        if proof:
            lines.append(base64.b64decode(proof))
        session.send(f"{tag} OK welcome")

    async with ImapServer() as server:
        server.capabilities = f"IMAP4rev1 {initial}LOGINDISABLED AUTH={mechanism}"
        server.answers["AUTHENTICATE"] = authenticate
        session = await ImapSession.connect("127.0.0.1", server.port, "none")
        await session.login("tim", "tanstaaf")
        await session.logout()
    assert (
        lines
        == {
            "LOGIN": [b"tim", b"tanstaaf"],
            "CRAM-MD5": [b"tim " + hmac.new(b"tanstaaf", b"<1@host>", "md5").hexdigest().encode()],
            "PLAIN": [b"\0tim\0tanstaaf"],
        }[mechanism]
    )
