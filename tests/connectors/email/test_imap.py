"""IMAP: each action's commands, mails that are not as they should be, and servers and connections that fail."""

import asyncio
import gc
import re
import subprocess
import sys
import time

import pytest

from zeebe_connectors.connectors.email import imap as module
from zeebe_connectors.mail import imap as client_module
from zeebe_connectors.mail.folders import encode_folder
from zeebe_connectors.net.egress import RULES, HostRules
from zeebe_connectors.testing import Fail
from zeebe_connectors.testing.servers import Folder, ImapServer, message
from zeebe_connectors.web import NetworkRules

CANARY = "canary-imap-1"


@pytest.fixture
async def server():
    async with ImapServer() as running:
        yield running
        await asyncio.sleep(0.05)
        assert not running.sessions, "every connection is closed"


def act(email, server, action, given=None, **more):
    return email("imap", server.port, action, given, **more)


def fails(email, code, server, action, given=None, **more):
    return email.error(code, "imap", server.port, action, given, **more)


def raw(*lines, body="text"):
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def refusing(uid):
    """Refuses every FETCH of one mail, alone or among others."""

    async def fetch(session, tag, arguments):
        if str(uid) in arguments.split(" ")[0].split(","):
            session.send(f"{tag} NO message is corrupt")
        else:
            await session.do_uid_fetch(tag, arguments)

    return fetch


# List


async def test_a_list_reads_no_mail_and_marks_none(email, server):
    for number in range(450):
        server.deliver(message(f"s{number}", body="x" * number))
    listed = await act(email, server, "listEmailsImap", {"maxToBeRead": "3", "sortField": "SIZE", "sortOrder": "DESC"})
    assert [one["subject"] for one in listed] == ["s449", "s448", "s447"]
    assert not [one for one in server.commands if "BODY.PEEK[]" in one]
    assert server.seen("EXAMINE")
    assert not server.seen("SELECT")
    assert all(not one.flags for one in server.folders["INBOX"].messages)
    assert len([one for one in server.commands if "BODY.PEEK[HEADER" in one]) == 1


async def test_the_server_sorts_where_it_can_and_we_where_it_refuses(email, server):
    for number in (2, 1, 3):
        server.deliver(raw(f"Date: {number:02} Nov 2026 10:00:00 +0000", f"Subject: {number}"))
    given = {"sortField": "SENT_DATE", "sortOrder": "DESC"}
    assert [one["subject"] for one in await act(email, server, "listEmailsImap", given)] == ["3", "2", "1"]

    async def sort(session, tag, arguments):
        session.send("* SORT 2 1 3")
        session.send(f"{tag} OK done")

    async def refuse(session, tag, arguments):
        session.send(f"{tag} NO not here")

    server.capabilities += " SORT"
    server.answers["UID SORT"] = sort
    assert [one["subject"] for one in await act(email, server, "listEmailsImap", given)] == ["1", "2", "3"]
    server.answers["UID SORT"] = refuse
    assert [one["subject"] for one in await act(email, server, "listEmailsImap", given)] == ["3", "2", "1"]


async def test_mails_without_date_sender_subject_or_id_are_listed_all_the_same(email, server):
    """There, sorting fails on a missing date."""
    undated = {"date": "02-Nov-2026 10:00:00 +0000"}
    server.deliver(raw("X-A: 1"), **undated)
    server.deliver(raw("Date: nonsense", "From: no address", "Subject:", "Message-ID: <2@x>"), **undated)
    server.deliver(raw("Date: 03 Nov 2026 10:00:00 +0000", "From: A <a@x>, B <b@x>", "Subject: c", "Message-ID: <3@x>"))
    for field in ("SENT_DATE", "RECEIVED_DATE", "SIZE"):
        listed = await act(email, server, "listEmailsImap", {"sortField": field, "sortOrder": "ASC"})
        assert sorted(map(str, (one["messageId"] for one in listed))) == ["<2@x>", "<3@x>", "None"]
    dated = await act(email, server, "listEmailsImap", {"sortField": "SENT_DATE", "sortOrder": "DESC"})
    assert dated[0]["fromAddress"] == "a@x"
    assert {one["messageId"]: one["subject"] for one in dated} == {None: None, "<2@x>": "", "<3@x>": "c"}


async def test_more_than_one_result_may_list_is_reported(email, server, monkeypatch):
    monkeypatch.setattr(module, "MAX_LISTED", 3)
    for number in range(5):
        server.deliver(message(str(number)))
    assert len(await act(email, server, "listEmailsImap", {"maxToBeRead": 3})) == 3
    assert (await fails(email, "EMAIL_TOO_MANY", server, "listEmailsImap", {"maxToBeRead": 100})).retries == 0
    criteria = {"criteria": {"field": "SUBJECT", "value": ""}}
    assert (await fails(email, "EMAIL_TOO_MANY", server, "searchEmailsImap", criteria)).retries == 0


async def longest_block(work):
    """The longest time of the processor's that the loop did not get round to anything else."""
    longest = 0.0

    async def watch():
        nonlocal longest
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - before)

    watcher = asyncio.create_task(watch())
    try:
        return await work, longest
    finally:
        watcher.cancel()


@pytest.mark.slow
@pytest.mark.parametrize("field", ["RECEIVED_DATE", "SENT_DATE", "SIZE"])
async def test_five_thousand_mails_are_listed_in_seconds_while_others_have_their_turn(email, imap_process, field):
    """All of them, by a server that does not sort. Counted in the processor's time, which others want as well."""
    port = await imap_process(5000)
    gc.collect()
    gc.freeze()  # else the collector walks through all that the tests have ever made
    used, blocks = time.process_time(), []
    while not blocks or (blocks[-1] >= 0.05 and len(blocks) < 3):
        task = email("imap", port, "listEmailsImap", {"maxToBeRead": 5000, "sortField": field, "sortOrder": "DESC"})
        listed, block = await longest_block(task)
        assert len({one["messageId"] for one in listed}) == 5000
        blocks.append(block)
    assert (time.process_time() - used) / len(blocks) < 5
    assert blocks[-1] < 0.05


@pytest.fixture
async def imap_process():
    """Starts an IMAP server in a process of its own, so that only the client's work is measured."""
    program = (
        "import asyncio, sys\n"
        "from zeebe_connectors.testing.servers import ImapServer, message\n"
        "async def main():\n"
        "    async with ImapServer() as server:\n"
        "        for number in range(int(sys.argv[1])):\n"
        "            head = f'Date: {number % 28 + 1:02} Nov 2026 10:{number % 60:02}:00 +0000'.encode()\n"
        "            server.deliver(head + b'\\r\\n' + message(str(number), body='x' * (number % 500)))\n"
        "        print(server.port, flush=True)\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    running = []

    async def start(mails):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, str(mails), stdout=subprocess.PIPE
        )
        running.append(process)
        return int(await process.stdout.readline())

    yield start
    for process in running:
        process.kill()
        await process.wait()


# Search


async def test_a_server_that_searches_in_ascii_only_is_read_through_instead(email, server):
    async def ascii_only(session, tag, arguments):
        if "CHARSET" in arguments:
            session.send(f"{tag} NO [BADCHARSET (US-ASCII)] The specified charset is not supported.")
        else:
            await type(session).do_uid_search(session, tag, arguments)

    server.answers["UID SEARCH"] = ascii_only
    server.deliver(message("Größe", body="eins", message_id="1@x"))
    server.deliver(message("andere", body="Größe", message_id="2@x"))
    server.deliver(message("dritte", body="drei", message_id="3@x"))

    async def found(criteria):
        result = await act(email, server, "searchEmailsImap", {"criteria": criteria})
        return [one["messageId"] for one in result]

    subject, body = {"field": "SUBJECT", "value": "größe"}, {"field": "BODY", "value": "größe"}
    assert await found(subject) == ["<1@x>"]
    assert not [one for one in server.commands if "BODY.PEEK[]" in one], "headers suffice"
    assert await found({"operator": "OR", "criteria": [subject, body]}) == ["<1@x>", "<2@x>"]
    assert len([one for one in server.commands if "BODY.PEEK[]" in one]) == 2


async def test_a_refused_search_is_tried_again(email, server):
    async def refuse(session, tag, arguments):
        session.send(f"{tag} NO out of memory")

    server.answers["UID SEARCH"] = refuse
    criteria = {"criteria": {"field": "SUBJECT", "value": "order"}}
    outcome = await fails(email, "IMAP_REFUSED", server, "searchEmailsImap", criteria)
    assert (outcome.retries, "out of memory" in outcome.message) == (2, True)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "data.imapAction.criteria"),
        ({"criteria": "FROM x"}, "data.imapAction.criteria"),
        ({"criteria": {"field": "TO", "value": "x"}}, "data.imapAction.criteria.field"),
        ({"criteria": {"field": "FROM", "value": "x\r\nA9 DELETE INBOX"}}, "data.imapAction.criteria.value"),
    ],
)
async def test_wrong_criteria_are_an_incident(email, server, given, named):
    outcome = await fails(email, "INVALID_INPUT", server, "searchEmailsImap", given)
    assert (outcome.retries, named in outcome.message) == (0, True)
    assert "DELETE INBOX" not in repr(outcome)


# Read


@pytest.mark.parametrize("wanted", ["<a.b@x>", "a.b@x", " <a.b@x> "])
async def test_the_id_is_compared_as_a_whole_and_its_brackets_do_not_matter(email, server, wanted):
    """The server's search also finds ids that only hold it."""
    server.deliver(message("longer", message_id="za.b@x"))
    server.deliver(raw("From: a@x", "Subject: folded", "Message-ID:", " <a.b@x>"))
    server.deliver(message("longer too", message_id="a.b@xy"))
    mail = await act(email, server, "readEmailImap", {"messageId": wanted})
    assert (mail["subject"], mail["messageId"]) == ("folded", "<a.b@x>")


@pytest.mark.parametrize(
    ("mail", "expected"),
    [
        (raw("Message-ID: <m@x>", "Content-Type: application/pdf", body="%PDF"),
         {"plainTextBody": None, "fromAddress": None, "subject": None}),
        (raw("Message-ID: <m@x>", "From: a@x", "Content-Type: text/calendar", body="BEGIN:VCALENDAR"),
         {"calendar": "BEGIN:VCALENDAR", "fromAddress": "a@x", "plainTextBody": None}),
        (raw("Message-ID: <m@x>", "From: a@x", "Subject: s", body=""),
         {"plainTextBody": "", "htmlBody": None, "attachments": []}),
    ],
    ids=["a file alone, no sender", "a calendar alone", "empty"],
)  # fmt: skip
async def test_mails_on_which_the_official_connector_fails_are_read(email, server, mail, expected):
    server.deliver(mail)
    read = await act(email, server, "readEmailImap", {"messageId": "<m@x>"})
    assert {name: read[name] for name in expected} == expected
    assert (read["errors"], read["size"], read["receivedDateTime"]) == ([], len(mail), "2026-11-03T10:00:00Z")


async def test_reading_marks_nothing_and_opens_the_folder_read_only(email, server):
    server.deliver(message(message_id="m@x"))
    await act(email, server, "readEmailImap", {"messageId": "<m@x>"})
    assert server.folders["INBOX"].messages[0].flags == set()
    assert not server.seen("SELECT")


async def test_a_large_mail_is_not_fetched(email, server):
    server.deliver(message(message_id="m@x", body="x" * 10_000))
    given = {"messageId": "<m@x>", "maxMailSize": 5000}
    assert (await fails(email, "MAIL_TOO_LARGE", server, "readEmailImap", given)).retries == 0
    assert not [one for one in server.commands if "BODY.PEEK[]" in one]


async def test_a_deleted_mail_is_not_there_any_more_although_the_server_keeps_it(email, server):
    server.capabilities = "IMAP4rev1"
    server.deliver(message(message_id="m@x"))
    await act(email, server, "deleteEmailImap", {"messageId": "<m@x>"})
    assert server.folders["INBOX"].messages[0].flags == {"\\Deleted"}
    assert await act(email, server, "listEmailsImap") == []
    await fails(email, "EMAIL_NOT_FOUND", server, "readEmailImap", {"messageId": "<m@x>"})


@pytest.mark.parametrize("wrong", ["<a@x>\r\nA1 LOGOUT", " ", "\0"])
async def test_an_id_that_is_none_is_an_incident(email, server, wrong):
    assert (await fails(email, "INVALID_INPUT", server, "readEmailImap", {"messageId": wrong})).retries == 0


@pytest.mark.parametrize(("separator", "real"), [("/", "Kunden/Müller.AG"), (".", "Kunden.Müller")])
async def test_folders_are_found_however_their_separator_is_written(email, server, separator, real):
    server.separator = separator
    encoded = encode_folder(real)
    server.folders[encoded] = Folder()
    server.deliver(message(message_id="m@x"), encoded)
    for spelling in {real, real.replace(separator, "/")}:
        mail = await act(email, server, "readEmailImap", {"messageId": "<m@x>", "readEmailFolder": spelling})
        assert mail["messageId"] == "<m@x>"


# Delete


async def test_only_the_one_mail_is_expunged(email, server):
    server.deliver(message(message_id="other@x"), flags={"\\Deleted"})
    server.deliver(message(message_id="m@x"))
    assert await act(email, server, "deleteEmailImap", {"messageId": "<m@x>"}) == {
        "messageId": "<m@x>",
        "deleted": True,
    }
    assert [one.uid for one in server.folders["INBOX"].messages] == [1]


async def lost_after(server, name):
    """The server carries a command out, and the connection is cut before its answer."""

    async def carry_out(session, tag, arguments):
        del server.answers[name]
        silent = session.send
        session.send = lambda line: None
        await getattr(type(session), "do_" + name.lower().replace(" ", "_"))(session, tag, arguments)
        session.send = silent
        session.writer.transport.abort()

    server.answers[name] = carry_out


async def test_a_deletion_whose_answer_was_lost_is_a_success_at_the_next_try(email, server):
    server.deliver(message(message_id="m@x"))
    await lost_after(server, "UID EXPUNGE")
    assert (await fails(email, "IMAP_CONNECTION_LOST", server, "deleteEmailImap", {"messageId": "<m@x>"})).retries == 2
    assert server.folders["INBOX"].messages == []
    assert (await act(email, server, "deleteEmailImap", {"messageId": "<m@x>"}))["deleted"] is True
    outcome = await fails(email, "EMAIL_NOT_FOUND", server, "deleteEmailImap", {"messageId": "<m@x>"}, key=2)
    assert outcome.retries == 0, "another job never had it"


async def test_a_deletion_whose_answer_was_lost_takes_no_second_mail_with_its_id(email, server):
    for _ in range(2):
        server.deliver(message(message_id="m@x"))
    await lost_after(server, "UID EXPUNGE")
    await fails(email, "IMAP_CONNECTION_LOST", server, "deleteEmailImap", {"messageId": "<m@x>"})
    assert (await act(email, server, "deleteEmailImap", {"messageId": "<m@x>"}))["deleted"] is True
    assert [one.uid for one in server.folders["INBOX"].messages] == [2]
    await act(email, server, "deleteEmailImap", {"messageId": "<m@x>"}, key=2)
    assert server.folders["INBOX"].messages == [], "another job has the other"


async def test_what_was_begun_is_discarded_when_the_engine_has_the_result(email, server):
    """Until then it stays: the answer may be lost on its way to the engine."""
    server.deliver(message(message_id="m@x"))
    task = email.task("imap", server.port, "deleteEmailImap", {"messageId": "<m@x>"})
    for _ in range(2):  # the second finds that the first began
        outcome = await email.outcome(task)
        assert len(await email.memory.entries(place="email")) == 1
    outcome.on_acknowledged()
    await email.memory.aclose()
    assert await email.memory.entries(place="email") == []


# Move


def moving(**more):
    return {"messageId": "<m@x>", "fromFolder": "INBOX", "toFolder": "Done", **more}


async def test_a_move_whose_answer_was_lost_is_a_success_at_the_next_try(email, server):
    server.folders["Done"] = Folder()
    server.deliver(message(message_id="m@x"))
    await lost_after(server, "UID MOVE")
    assert (await fails(email, "IMAP_CONNECTION_LOST", server, "moveEmailImap", moving())).retries == 2
    assert await act(email, server, "moveEmailImap", moving()) == {"messageId": "<m@x>", "from": "INBOX", "to": "Done"}
    assert len(server.folders["Done"].messages) == 1


async def test_a_move_whose_answer_was_lost_takes_no_second_mail_with_its_id(email, server):
    server.folders["Done"] = Folder()
    for _ in range(2):
        server.deliver(message(message_id="m@x"))
    await lost_after(server, "UID MOVE")
    await fails(email, "IMAP_CONNECTION_LOST", server, "moveEmailImap", moving())
    await act(email, server, "moveEmailImap", moving())
    assert [len(server.folders[name].messages) for name in ("INBOX", "Done")] == [1, 1]


async def test_a_copy_that_was_made_already_is_not_made_twice(email, server):
    """Without MOVE the mail is in both folders for a while."""
    server.capabilities = "IMAP4rev1 UIDPLUS"
    server.folders["Done"] = Folder()
    server.deliver(message(message_id="m@x"))
    await lost_after(server, "UID COPY")
    await fails(email, "IMAP_CONNECTION_LOST", server, "moveEmailImap", moving())
    assert len(server.folders["INBOX"].messages) == len(server.folders["Done"].messages) == 1
    await act(email, server, "moveEmailImap", moving())
    assert server.folders["INBOX"].messages == []
    assert len(server.folders["Done"].messages) == 1


async def test_a_second_mail_with_the_same_id_is_moved_as_well_without_move(email, server):
    """Only a job that began to move it takes the copy in the target for its own."""
    server.capabilities = "IMAP4rev1 UIDPLUS"
    server.folders["Done"] = Folder()
    server.deliver(message(message_id="m@x"), "Done")
    server.deliver(message(message_id="m@x"))
    await act(email, server, "moveEmailImap", moving())
    assert len(server.folders["Done"].messages) == 2


async def test_a_mail_that_is_nowhere_is_reported_and_no_folder_is_made_for_it(email, server):
    assert (await fails(email, "EMAIL_NOT_FOUND", server, "moveEmailImap", moving())).retries == 0
    assert set(server.folders) == {"INBOX"}


async def test_a_mail_that_is_to_stay_where_it_is_stays(email, server):
    server.deliver(message(message_id="m@x"))
    assert (await act(email, server, "moveEmailImap", moving(toFolder="inbox")))["to"] == "inbox"
    assert not server.seen("UID MOVE")


@pytest.mark.parametrize("missing", ["messageId", "fromFolder", "toFolder"])
async def test_what_a_move_needs_is_named(email, server, missing):
    outcome = await fails(email, "INVALID_INPUT", server, "moveEmailImap", moving(**{missing: ""}))
    assert f"data.imapAction.{missing}" in outcome.message


# Encryption and login


async def test_tls_and_ssl_are_tls_from_the_start(email, tls, trusted):
    async with ImapServer(tls=tls, implicit=True) as server:
        for security in ("TLS", "SSL"):
            assert await act(email, server, "listEmailsImap", security=security, trustedCertificate=trusted) == []
        outcome = await fails(email, "IMAP_TLS_FAILED", server, "listEmailsImap", security="TLS")
        assert (outcome.retries, "not trusted" in outcome.message) == (0, True)


async def test_starttls_is_required_when_it_is_chosen(email, server, tls, trusted):
    assert (await fails(email, "IMAP_TLS_FAILED", server, "listEmailsImap", security="STARTTLS")).retries == 0
    async with ImapServer(tls=tls) as offering:
        offering.capabilities += " STARTTLS"
        given = {"security": "STARTTLS", "trustedCertificate": trusted}
        assert await act(email, offering, "listEmailsImap", **given) == []


async def test_a_refused_login_is_an_incident_and_shows_no_password(email, server, caplog):
    login = {"type": "simple", "username": "alice@example.test", "password": "{{secrets.PASSWORD}}"}
    access = {"authentication": login, "secrets": {"PASSWORD": CANARY}}
    outcome = await fails(email, "IMAP_AUTH_FAILED", server, "listEmailsImap", **access)
    assert outcome.retries == 0
    assert CANARY not in repr(outcome) + caplog.text


@pytest.mark.parametrize("grant", ["clientCredentials", "refreshToken"])
async def test_an_access_token_signs_in_and_is_renewed_when_it_is_refused(email, server, tokens, grant):
    server.tokens = tokens
    assert await act(email, server, "listEmailsImap", authentication=tokens.login(grant)) == []
    tokens.revoked.add("token-1")
    assert await act(email, server, "listEmailsImap", authentication=tokens.login(grant)) == []
    assert tokens.given == ["token-1", "token-2"]


async def test_no_login_is_for_smtp_only(email, server):
    access = {"authentication": {"type": "noAuth"}}
    outcome = await fails(email, "INVALID_INPUT", server, "listEmailsImap", **access)
    assert (outcome.retries, "authentication" in outcome.message) == (0, True)
    assert server.connections == 0


# Connections


async def silence(session, tag, arguments):
    """No answer, until the client has enough."""
    await session.reader.read()


@pytest.mark.parametrize(
    ("command", "action", "given"),
    [
        ("LOGIN", "listEmailsImap", {}),
        ("UID FETCH", "listEmailsImap", {}),
        ("UID SEARCH", "searchEmailsImap", {"criteria": {"field": "FROM", "value": "a"}}),
        ("UID FETCH", "readEmailImap", {"messageId": "<m@x>"}),
        ("UID STORE", "deleteEmailImap", {"messageId": "<m@x>"}),
        ("UID MOVE", "moveEmailImap", moving()),
    ],
)
async def test_a_lost_connection_is_tried_again(email, server, command, action, given):
    async def cut(session, tag, arguments):
        session.writer.write(b"* 1 FETCH (UID 1 BODY[] {100000}\r\nhalf a mail")
        await session.writer.drain()
        session.writer.transport.abort()

    server.folders["Done"] = Folder()
    server.deliver(message(message_id="m@x"))
    server.answers[command] = cut
    assert (await fails(email, "IMAP_CONNECTION_LOST", server, action, given)).retries == 2
    del server.answers[command]
    await act(email, server, action, given)


async def test_few_jobs_at_a_time_are_on_one_account(email, server):
    """Servers allow about ten connections; whoever comes later is refused."""
    server.users["bob@example.test"] = "secret"
    bob = {"type": "simple", "username": "bob@example.test", "password": "secret"}
    tasks = [act(email, server, "listEmailsImap", key=key) for key in range(20)]
    await asyncio.gather(*tasks, act(email, server, "listEmailsImap", authentication=bob))
    assert server.connections == 21
    assert 1 < server.max_sessions <= module.SESSIONS + 1 + 1, "and one that the server has not seen to be closed"


@pytest.mark.parametrize(
    "answer", ["[UNAVAILABLE] try later", "[ALERT] Too many simultaneous connections. (Failure)", "[LIMIT] enough"]
)
async def test_a_server_that_lets_nobody_in_now_is_tried_again(email, server, answer):
    async def refuse(session, tag, arguments):
        session.send(f"{tag} NO {answer}")

    server.answers["LOGIN"] = refuse
    outcome = await fails(email, "IMAP_IN_USE", server, "listEmailsImap")
    assert (outcome.retries, outcome.backoff) == (2, 30)


async def test_a_server_that_falls_silent_is_tried_again(email, server, monkeypatch):
    monkeypatch.setattr(client_module, "TIMEOUT", 0.3)
    server.answers["UID SEARCH"] = silence
    assert (await fails(email, "IMAP_CONNECTION_LOST", server, "listEmailsImap")).retries == 2


async def test_the_job_has_the_last_word_on_time_and_the_connection_is_closed(email, server):
    server.answers["UID SEARCH"] = silence
    started = time.monotonic()
    outcome = await email.outcome(email.task("imap", server.port, "listEmailsImap"), seconds=0.6)
    assert isinstance(outcome, Fail)
    assert (outcome.code, outcome.retries) == ("JOB_TIMEOUT", 2)
    assert time.monotonic() - started < 5


async def test_the_operator_forbids_the_host(email, server):
    clients = type(email.clients)(preset={RULES: NetworkRules(hosts=HostRules(enabled=True))})
    outcome = await email.outcome(email.task("imap", server.port, "listEmailsImap", host="localhost"), clients=clients)
    assert isinstance(outcome, Fail)
    assert (outcome.code, outcome.retries, server.connections) == ("HOST_FORBIDDEN", 0, 0)


def test_without_the_extra_the_rest_works_and_imap_says_what_it_needs():
    """In a process where the library cannot be imported."""
    program = """
import asyncio, sys
sys.modules["aioimaplib"] = None
from zeebe_connectors.testing.servers import Pop3Server
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing import run

async def main():
    registry = Registry.installed(["email"])
    assert not registry.unavailable, registry.unavailable
    email = registry.outbound["email"]
    login = {"type": "simple", "username": "alice@example.test", "password": "secret"}
    async with Pop3Server() as server:
        for protocol in ("pop3", "imap"):
            config = {"Host": "127.0.0.1", "Port": server.port, "CryptographicProtocol": "NONE"}
            data = {
                f"{protocol}ActionDiscriminator": f"listEmails{protocol.capitalize()}",
                f"{protocol}Config": {protocol + name: value for name, value in config.items()},
            }
            outcome = await run(email, {"protocol": protocol, "authentication": login, "data": data},
                                result_variable="result")
            print(outcome)

asyncio.run(main())
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    pop3, imap = done.stdout.strip().splitlines()
    assert pop3.startswith("Complete(variables={'result': []}")
    assert "EMAIL_IMAP_NOT_INSTALLED" in imap
    assert re.search(r"retries=0", imap)
    assert "zeebe-connectors[imap]" in imap


@pytest.mark.parametrize(
    "answer", ["BODY[] NIL", 'RFC822.SIZE 0 BODY[] ""', "FLAGS (\\Seen)", "RFC822.SIZE 0 BODY[] {0}\r\n", ""]
)
async def test_a_mail_without_content_is_not_found_and_not_empty(email, server, answer):
    async def fetch(session, tag, arguments):
        if "BODY.PEEK[]" not in arguments:
            await session.do_uid_fetch(tag, arguments)
            return
        if answer:
            session.send(f"* 1 FETCH (UID 1 {answer})")
        session.send(f"{tag} OK done")

    server.deliver(message("s", message_id="a@example.test"))
    server.answers["UID FETCH"] = fetch
    await fails(email, "EMAIL_NOT_FOUND", server, "readEmailImap", {"messageId": "<a@example.test>"})
    assert len([one for one in server.commands if "BODY.PEEK[]" in one]) == 2


@pytest.mark.parametrize("field", ["RECEIVED_DATE", "SENT_DATE", "SIZE"])
@pytest.mark.parametrize("uid", [3, 101])
async def test_a_mail_that_the_server_cannot_read_does_not_hide_the_others(email, server, uid, field):
    for number in range(1, 102):
        server.deliver(message(f"s{number}", message_id=f"{number}@x"))
    server.answers["UID FETCH"] = refusing(uid)
    listed = await act(email, server, "listEmailsImap", {"maxToBeRead": 200, "sortField": field})
    assert {one["subject"] for one in listed} == {f"s{number}" for number in range(1, 102) if number != uid}
    found = await act(email, server, "searchEmailsImap", {"criteria": {"field": "SUBJECT", "value": "s"}})
    assert len(found) == 100
    assert (await act(email, server, "readEmailImap", {"messageId": "<50@x>"}))["subject"] == "s50"


async def test_a_busy_server_is_not_called_once_for_each_mail(email, server):
    for number in range(1, 121):
        server.deliver(message(f"s{number}"))

    async def fetch(session, tag, arguments):
        session.send(f"{tag} NO [UNAVAILABLE] the backend is busy, try again later")

    server.answers["UID FETCH"] = fetch
    await fails(email, "IMAP_REFUSED", server, "listEmailsImap", {})
    assert len(server.seen("UID FETCH")) < 12


async def test_a_server_that_reads_no_mail_is_no_empty_folder(email, server):
    server.deliver(message("one"))
    server.answers["UID FETCH"] = refusing(1)
    await fails(email, "IMAP_REFUSED", server, "listEmailsImap", {})
