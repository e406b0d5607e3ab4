"""POP3: each action's commands, mails that are not as they should be, and servers and connections that fail."""

import asyncio

import pytest

from zeebe_connectors.mail import pop3 as client_module
from zeebe_connectors.net.egress import RULES, HostRules
from zeebe_connectors.testing import Fail
from zeebe_connectors.testing.servers import Pop3Server, message
from zeebe_connectors.web import NetworkRules

CANARY = "canary-pop3-1"


@pytest.fixture
async def server():
    async with Pop3Server() as running:
        yield running
        await asyncio.sleep(0.05)
        assert not running.sessions, "every connection is closed"


def act(email, server, action, given=None, **more):
    return email("pop3", server.port, action, given, **more)


def fails(email, code, server, action, given=None, **more):
    return email.error(code, "pop3", server.port, action, given, **more)


def dated(subject, day, body="text"):
    return f"Date: {day:02} Nov 2026 10:00:00 +0000\r\n".encode() + message(subject, body=body)


@pytest.mark.parametrize("pipelining", [True, False])
async def test_lists_read_headers_only(email, server, pipelining):
    if pipelining:
        server.capabilities.append("PIPELINING")
    server.mails = {f"u{n}": dated(f"s{n}", n % 28 + 1, "x" * n) for n in range(250)}
    given = {"maxToBeRead": "2", "sortField": "SENT_DATE", "sortOrder": "DESC"}
    listed = await act(email, server, "listEmailsPop3", given)
    assert {one["subject"] for one in listed} <= {f"s{n}" for n in range(27, 250, 28)}
    assert listed[0]["fromAddress"] == "ann@example.test"
    assert not [one for one in server.commands if one.startswith(("RETR", "DELE"))]
    server.commands.clear()
    given = {"maxToBeRead": 2, "sortField": "SIZE", "sortOrder": "DESC"}
    listed = await act(email, server, "listEmailsPop3", given)
    assert [one["subject"] for one in listed] == ["s249", "s248"]
    assert len([one for one in server.commands if one.startswith("TOP")]) == 2, "sizes need no headers"


async def test_mails_without_date_sender_subject_or_id_are_listed_all_the_same(email, server):
    server.mails = {"1": b"X-A: 1\r\n\r\ntext", "2": dated("s", 3), "3": b"Date: nonsense\r\n\r\n", "4": b""}
    listed = await act(email, server, "listEmailsPop3", {"sortOrder": "DESC"})
    assert [one["subject"] for one in listed] == ["s", None, None, None]
    assert [one["messageId"] for one in listed][1:] == [None] * 3


async def test_a_server_without_top_is_read_instead(email, server):
    async def unknown(session, arguments):
        session.send("-ERR unknown command")

    server.answers["TOP"] = unknown
    server.mails = {"1": dated("one", 1), "2": dated("two", 2, "Subject: no\r\n\r\n" * 50_000), "3": b"\r\nSubject: s"}
    listed = await act(email, server, "listEmailsPop3")
    assert [one["subject"] for one in listed] == ["s", "one", "two"]
    listed = listed[1:]
    mail = await act(email, server, "readEmailPop3", {"messageId": listed[0]["messageId"]})
    assert mail["plainTextBody"] == "text\r\n"


async def test_a_search_reads_bodies_only_where_headers_leave_it_open(email, server):
    server.mails = {"1": message("order", body="roses"), "2": message("order", body="bread"), "3": message("invoice")}
    subject, body = {"field": "SUBJECT", "value": "ORDER"}, {"field": "BODY", "value": "Roses"}
    found = await act(email, server, "searchEmailsPop3", {"criteria": subject})
    assert len(found) == 2
    assert not [one for one in server.commands if one.startswith("RETR")]
    found = await act(email, server, "searchEmailsPop3", {"criteria": {"operator": "AND", "criteria": [subject, body]}})
    assert found == [{"messageId": "<order@example.test>", "subject": "order"}]
    assert len([one for one in server.commands if one.startswith("RETR")]) == 2


async def test_reading_deletes_nothing(email, server):
    server.mails = {"1": message("one", message_id="a@x"), "2": message("two", message_id="ab@x")}
    mail = await act(email, server, "readEmailPop3", {"messageId": "<a@x>"})
    assert (mail["subject"], mail["size"], mail["errors"]) == ("one", len(message("one", message_id="a@x")), [])
    assert mail["receivedDateTime"] is None
    assert set(server.mails) == {"1", "2"}
    assert not [one for one in server.commands if one.startswith("DELE")]


async def test_a_large_mail_is_not_fetched(email, server):
    server.mails = {"1": message(message_id="a@x", body="x" * 10_000)}
    given = {"messageId": "<a@x>", "maxMailSize": "5000"}
    assert (await fails(email, "MAIL_TOO_LARGE", server, "readEmailPop3", given)).retries == 0
    assert not [one for one in server.commands if one.startswith("RETR")]


async def test_a_deletion_whose_answer_was_lost_deletes_no_mail_that_got_the_id_since(email, server):
    """As with a server whose ids are the numbers of the session."""

    async def uidl(session, arguments):
        session.send_lines("\r\n".join(f"{n} {n}" for n, _ in enumerate(session.listed, 1)).encode())

    async def cut(session, arguments):
        for uid in session.deleted:
            server.mails.pop(uid)
        session.writer.transport.abort()

    server.answers |= {"UIDL": uidl, "QUIT": cut}
    server.mails = {"a": message(message_id="a@x"), "b": message(message_id="b@x")}
    await fails(email, "POP3_CONNECTION_LOST", server, "deleteEmailPop3", {"messageId": "<a@x>"})
    del server.answers["QUIT"]
    assert (await act(email, server, "deleteEmailPop3", {"messageId": "<a@x>"}))["deleted"] is True
    assert set(server.mails) == {"b"}


async def test_a_mail_without_an_id_is_deleted(email, server):
    async def uidl(session, arguments):
        session.send_lines(b"")

    server.answers["UIDL"] = uidl
    server.mails = {"a": message(message_id="a@x"), "b": message(message_id="b@x")}
    assert (await act(email, server, "deleteEmailPop3", {"messageId": "<a@x>"}))["deleted"] is True
    assert set(server.mails) == {"b"}


async def test_a_size_that_the_list_gives_too_small_does_not_count(email, server):
    async def sizes(session, arguments):
        session.send_lines(b"1 10")

    server.answers["LIST"] = sizes
    server.mails = {"1": message(message_id="a@x", body="x" * 10_000)}
    await fails(email, "MAIL_TOO_LARGE", server, "readEmailPop3", {"messageId": "<a@x>", "maxMailSize": "5000"})
    assert (await act(email, server, "readEmailPop3", {"messageId": "<a@x>"}))["subject"] == "s"


async def test_a_mail_that_cannot_be_read_does_not_end_a_search(email, server):
    async def retr(session, number):
        await (session.do_retr(number) if number == "2" else asyncio.sleep(0, session.send("-ERR corrupt")))

    server.answers["RETR"] = retr
    server.mails = {str(n): message(f"s{n}", body="roses") for n in (1, 2)}
    found = await act(email, server, "searchEmailsPop3", {"criteria": {"field": "BODY", "value": "roses"}})
    assert [one["subject"] for one in found] == ["s2"]


async def test_a_mail_is_gone_once_the_server_confirms_it(email, server):
    server.mails = {"1": message(message_id="a@x"), "2": message(message_id="b@x")}
    deleted = await act(email, server, "deleteEmailPop3", {"messageId": "a@x"})
    assert deleted == {"messageId": "a@x", "deleted": True}
    assert set(server.mails) == {"2"}
    assert server.commands.count("QUIT") == 1


async def test_a_deletion_whose_answer_was_lost_is_a_success_at_the_next_try(email, server):
    async def cut(session, arguments):
        for uid in session.deleted:
            server.mails.pop(uid)
        session.writer.transport.abort()

    server.mails = {"1": message(message_id="a@x")}
    server.answers["QUIT"] = cut
    assert (await fails(email, "POP3_CONNECTION_LOST", server, "deleteEmailPop3", {"messageId": "<a@x>"})).retries == 2
    del server.answers["QUIT"]
    assert (await act(email, server, "deleteEmailPop3", {"messageId": "<a@x>"}))["deleted"] is True
    outcome = await fails(email, "EMAIL_NOT_FOUND", server, "deleteEmailPop3", {"messageId": "<a@x>"}, key=2)
    assert outcome.retries == 0, "another job never had it"


async def test_a_deletion_whose_answer_was_lost_takes_no_second_mail_with_its_id(email, server):
    async def cut(session, arguments):
        for uid in session.deleted:
            server.mails.pop(uid)
        session.writer.transport.abort()

    server.mails = {"1": message(message_id="a@x"), "2": message(message_id="a@x")}
    server.answers["QUIT"] = cut
    await fails(email, "POP3_CONNECTION_LOST", server, "deleteEmailPop3", {"messageId": "<a@x>"})
    del server.answers["QUIT"]
    assert (await act(email, server, "deleteEmailPop3", {"messageId": "<a@x>"}))["deleted"] is True
    assert len(server.mails) == 1


async def test_a_server_without_ids_deletes_all_the_same(email, server):
    async def unknown(session, arguments):
        session.send("-ERR what?")

    server.mails = {"1": message(message_id="a@x")}
    server.answers["UIDL"] = unknown
    assert (await act(email, server, "deleteEmailPop3", {"messageId": "<a@x>"}))["deleted"] is True
    assert server.mails == {}


async def test_a_deletion_that_the_server_did_not_carry_out_is_tried_again(email, server):
    async def refuse(session, arguments):
        session.send("-ERR [SYS/TEMP] some messages were not removed")

    server.mails = {"1": message(message_id="a@x")}
    server.answers["QUIT"] = refuse
    outcome = await fails(email, "POP3_REFUSED", server, "deleteEmailPop3", {"messageId": "<a@x>"})
    assert outcome.retries == 2
    assert set(server.mails) == {"1"}


@pytest.mark.parametrize("action", ["readEmailPop3", "deleteEmailPop3"])
async def test_a_mail_that_is_not_there_is_an_incident(email, server, action):
    server.mails = {"1": message(message_id="longer.a@x")}
    assert (await fails(email, "EMAIL_NOT_FOUND", server, action, {"messageId": "<a@x>"})).retries == 0


# Encryption and login


async def test_tls_and_ssl_are_tls_from_the_start(email, tls, trusted):
    async with Pop3Server(tls=tls, implicit=True) as server:
        for security in ("TLS", "SSL"):
            assert await act(email, server, "listEmailsPop3", security=security, trustedCertificate=trusted) == []
        assert (await fails(email, "POP3_TLS_FAILED", server, "listEmailsPop3", security="TLS")).retries == 0


async def test_starttls_is_required_when_it_is_chosen(email, server, tls, trusted):
    assert (await fails(email, "POP3_TLS_FAILED", server, "listEmailsPop3", security="STARTTLS")).retries == 0
    async with Pop3Server(tls=tls) as offering:
        offering.capabilities.append("STLS")
        given = {"security": "STARTTLS", "trustedCertificate": trusted}
        assert await act(email, offering, "listEmailsPop3", **given) == []


async def test_a_certificate_that_is_none_is_an_incident(email, server):
    given = {"security": "TLS", "trustedCertificate": "nonsense"}
    outcome = await fails(email, "INVALID_INPUT", server, "listEmailsPop3", **given)
    assert "data.pop3Config.trustedCertificate" in outcome.message


async def test_a_refused_login_is_an_incident_and_shows_no_password(email, server, caplog):
    login = {"type": "simple", "username": "alice@example.test", "password": "{{secrets.PASSWORD}}"}
    access = {"authentication": login, "secrets": {"PASSWORD": CANARY}}
    outcome = await fails(email, "POP3_AUTH_FAILED", server, "listEmailsPop3", **access)
    assert outcome.retries == 0
    assert CANARY not in repr(outcome) + caplog.text


async def test_an_access_token_signs_in_and_is_renewed_when_it_is_refused(email, server, tokens):
    server.tokens = tokens
    assert await act(email, server, "listEmailsPop3", authentication=tokens.login()) == []
    tokens.revoked.add("token-1")
    assert await act(email, server, "listEmailsPop3", authentication=tokens.login()) == []
    assert tokens.given == ["token-1", "token-2"]


async def test_a_mailbox_in_use_is_tried_again_later(email, server):
    async def busy(session, arguments):
        session.send("-ERR [IN-USE] somebody reads it")

    server.answers["PASS"] = busy
    outcome = await fails(email, "POP3_IN_USE", server, "listEmailsPop3")
    assert (outcome.retries, outcome.backoff) == (2, 30)


async def test_one_job_at_a_time_has_the_mailbox(email, server):
    server.mails = {str(n): message(message_id=f"{n}@x") for n in range(10)}
    await asyncio.gather(*(act(email, server, "deleteEmailPop3", {"messageId": f"<{n}@x>"}, key=n) for n in range(10)))
    assert server.mails == {}
    assert server.max_sessions <= 2, "the second is one that the server has not seen to be closed"


async def test_no_login_is_for_smtp_only(email, server):
    access = {"authentication": {"type": "noAuth"}}
    assert (await fails(email, "INVALID_INPUT", server, "listEmailsPop3", **access)).retries == 0


# Connections


@pytest.mark.parametrize("command", ["USER", "LIST", "TOP", "RETR"])
async def test_a_lost_connection_is_tried_again(email, server, command):
    async def cut(session, arguments):
        session.writer.write(b"+OK\r\nhalf a")
        await session.writer.drain()
        session.writer.transport.abort()

    server.mails = {"1": message(message_id="a@x")}
    server.answers[command] = cut
    assert (await fails(email, "POP3_CONNECTION_LOST", server, "readEmailPop3", {"messageId": "<a@x>"})).retries == 2
    del server.answers[command]
    assert (await act(email, server, "readEmailPop3", {"messageId": "<a@x>"}))["messageId"] == "<a@x>"


async def silence(session, arguments):
    """No answer, until the client has enough."""
    await session.reader.read()


async def test_a_server_that_falls_silent_is_tried_again(email, server, monkeypatch):
    monkeypatch.setattr(client_module, "TIMEOUT", 0.3)
    server.answers["LIST"] = silence
    assert (await fails(email, "POP3_CONNECTION_LOST", server, "listEmailsPop3")).retries == 2


async def test_the_job_has_the_last_word_on_time_and_the_connection_is_closed(email, server):
    server.answers["LIST"] = silence
    outcome = await email.outcome(email.task("pop3", server.port, "listEmailsPop3"), seconds=0.6)
    assert isinstance(outcome, Fail)
    assert (outcome.code, outcome.retries) == ("JOB_TIMEOUT", 2)


async def test_the_operator_forbids_the_host(email, server):
    clients = type(email.clients)(preset={RULES: NetworkRules(hosts=HostRules(enabled=True))})
    outcome = await email.outcome(email.task("pop3", server.port, "listEmailsPop3", host="localhost"), clients=clients)
    assert isinstance(outcome, Fail)
    assert (outcome.code, outcome.retries, server.commands) == ("HOST_FORBIDDEN", 0, [])


async def test_a_mail_that_the_server_does_not_delete_is_not_reported_as_deleted(email, server):
    async def dele(session, number):
        session.send("-ERR read-only")

    server.answers["DELE"] = dele
    server.mails = {"u1": message("s", message_id="a@x")}
    await fails(email, "POP3_REFUSED", server, "deleteEmailPop3", {"messageId": "<a@x>"})
