"""Mails become messages exactly once, whatever the settings, the server and the restarts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.harness import Harness, running

from zeebe_connectors import Document
from zeebe_connectors.connectors.imap import watcher as watcher_module
from zeebe_connectors.connectors.imap.connector import preview, watch
from zeebe_connectors.connectors.imap.model import Mailbox
from zeebe_connectors.mail import imap as client_module
from zeebe_connectors.runtime.inbound import sources as sources_module
from zeebe_connectors.runtime.inbound.sources import Sources, Watch
from zeebe_connectors.runtime.ledger import SqliteLedger
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.testing.servers import Folder, ImapServer, message

RESULT = "={subject: subject, files: attachments, text: text}"


class ImapHarness(Harness):
    """With an IMAP server."""

    connector = watch

    def __init__(self, server: ImapServer, directory: Path) -> None:
        super().__init__(directory)
        self.server = server

    @property
    def port(self) -> int:
        return self.server.port

    def properties(self, **changes: Any) -> dict[str, Any]:
        return {
            "inbound.type": "io.camunda:connector-email-inbound:1",
            "authentication.type": "simple",
            "authentication.username": "alice@example.test",
            "authentication.password": "secret",
            "data.imapConfig.imapHost": "127.0.0.1",
            "data.imapConfig.imapPort": str(self.port),
            "data.imapConfig.imapCryptographicProtocol": "NONE",
            "data.folderToListen": "",
            "data.pollingWaitTime": "PT1S",
            "data.pollingConfigDiscriminator": "unseenPollingConfig",
            "data.pollingConfig.handlingStrategy": "READ",
            "resultExpression": RESULT,
            **super().properties(**changes),
        }

    def deliver(self, *subjects: str) -> None:
        for subject in subjects:
            self.server.deliver(message(subject))


@pytest.fixture
async def harness(tmp_path, monkeypatch):
    async with ImapServer() as server, running(ImapHarness(server, tmp_path), monkeypatch) as harness:
        yield harness


async def settle(harness: ImapHarness) -> None:
    """Lets a running source look at the folder once more, so that something wrong would have happened."""
    searches = len(harness.server.seen("UID SEARCH"))
    for session in harness.server.sessions:
        if session.idling:
            session.send("* 0 RECENT")
    await harness.until(lambda: len(harness.server.seen("UID SEARCH")) > searches)


async def test_mails_that_are_there_and_that_come_are_handed_over_and_marked_as_read(harness):
    harness.deliver("one", "two")
    await harness.runtime()
    await harness.until(lambda: len(harness.subjects()) == 2)
    await harness.server.idle.wait()
    harness.deliver("three")
    await harness.until(lambda: len(harness.server.folders["INBOX"].messages[2].flags) == 1)
    assert harness.subjects() == ["one", "two", "three"]
    assert all(m.flags == {"\\Seen"} for m in harness.server.folders["INBOX"].messages)


async def test_a_server_without_idle_is_polled(harness):
    harness.server.capabilities = "IMAP4rev1"
    await harness.runtime()
    harness.deliver("one")
    await harness.until(lambda: harness.subjects() == ["one"])


@pytest.mark.parametrize(
    ("discriminator", "strategy"),
    [
        ("unseenPollingConfig", "READ"),
        ("unseenPollingConfig", "NONE"),
        ("allPollingConfig", "NONE"),
        ("allPollingConfig", "DELETE"),
        ("allPollingConfig", "MOVE"),
    ],
)
async def test_whatever_the_settings_a_restart_hands_nothing_over_again(harness, discriminator, strategy):
    settings = {
        "data__pollingConfigDiscriminator": discriminator,
        "data__pollingConfig__handlingStrategy": strategy,
        "data__pollingConfig__targetFolder": "Done",
    }
    harness.deliver("one", "two", "three")
    for _ in range(3):
        sources = await harness.runtime(**settings)
        await harness.until(lambda: len(harness.subjects()) == 3)
        await harness.server.idle.wait()
        await harness.end(sources)
    for mail in harness.server.folders["INBOX"].messages:
        mail.flags.clear()  # somebody marks all as unread
    await harness.runtime(**settings)
    await harness.server.idle.wait()
    await settle(harness)
    assert harness.subjects() == ["one", "two", "three"]
    left = {"READ": 3, "NONE": 3, "DELETE": 0, "MOVE": 0}[strategy]
    assert len(harness.server.folders["INBOX"].messages) == left
    if strategy == "MOVE":
        assert len(harness.server.folders["Done"].messages) == 3


@pytest.mark.parametrize("target", ["", "INBOX", "Orders/New"])
async def test_a_blank_destination_or_the_same_folder_moves_nothing(harness, target):
    harness.server.folders["Orders/New"] = Folder()
    folder = target or "INBOX"
    harness.server.deliver(message("one"), folder)
    await harness.runtime(
        data__folderToListen=target.replace("/", "."),
        data__pollingConfig__handlingStrategy="MOVE",
        data__pollingConfig__targetFolder=target,
    )
    await harness.until(lambda: harness.subjects() == ["one"])
    await harness.until(lambda: harness.server.folders[folder].messages[0].flags == {"\\Seen"})
    await harness.server.idle.wait()
    assert len(harness.server.folders[folder].messages) == 1
    assert not harness.server.seen("UID MOVE")


async def test_without_push_the_folder_is_looked_at_as_often_as_wanted(harness, monkeypatch):
    """Rarely enough, and nobody keeps a connection open in between."""
    monkeypatch.setattr(watcher_module, "KEEP_OPEN", 1.5)
    waited = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        waited.append(seconds)
        await sleep(0.05 if seconds >= 1 else seconds)

    monkeypatch.setattr(watcher_module, "sleep", noted)
    harness.deliver("one")
    sources = await harness.runtime(data__push="false", data__pollingWaitTime="PT5M")
    await harness.until(lambda: harness.subjects() == ["one"] and 300.0 in waited)
    harness.deliver("two")
    await harness.until(lambda: harness.subjects() == ["one", "two"])
    assert harness.server.connections >= 2
    assert not harness.server.seen("IDLE")
    await harness.end(sources)
    waited.clear()
    before = harness.server.connections
    await harness.runtime(data__push="false", data__pollingWaitTime="PT1S")
    harness.deliver("three")
    await harness.until(lambda: "three" in harness.subjects() and waited.count(1.0) > 1)
    assert harness.server.connections == before + 1
    assert not harness.server.seen("IDLE")


async def test_no_more_mails_than_wanted_are_processed_before_the_folder_is_looked_at_again(harness):
    harness.deliver(*"abcde")
    await harness.runtime(data__maxPerPoll="2")
    await harness.until(lambda: harness.subjects() == list("abcde"))
    await harness.server.idle.wait()
    assert len(harness.server.seen("UID SEARCH UNDELETED")) == 4  # the last finds nothing any more


async def test_a_folder_that_is_numbered_anew_hands_nothing_over_again(harness):
    harness.deliver("one", "two")
    settings = {"data__pollingConfigDiscriminator": "allPollingConfig", "data__pollingConfig__handlingStrategy": "NONE"}
    sources = await harness.runtime(**settings)
    await harness.until(lambda: len(harness.subjects()) == 2)
    await harness.end(sources)
    old, harness.server.folders["INBOX"] = harness.server.folders["INBOX"], Folder(validity=2, next_uid=70)
    for mail in reversed(old.messages):
        harness.server.folders["INBOX"].add(mail.raw, date=mail.date)
    harness.deliver("three")
    await harness.runtime(**settings)
    await harness.until(lambda: "three" in harness.subjects())
    await settle(harness)
    assert harness.subjects() == ["one", "two", "three"]


async def test_a_mail_that_was_read_is_remembered_as_long_as_it_is_there(harness):
    """It is not searched for any more, and yet somebody may mark it as unread again after years."""
    harness.deliver("one")
    sources = await harness.runtime()
    await harness.until(lambda: harness.subjects() == ["one"])
    await harness.server.idle.wait()
    await harness.end(sources)
    with contextlib.closing(sqlite3.connect(harness.directory / "ledger.db")) as connection, connection:
        connection.execute("UPDATE events SET seen = seen - 200 * 86400")
    sources = await harness.runtime()
    await harness.server.idle.wait()
    assert await sources._shared.ledger.sweep() == 0
    harness.server.folders["INBOX"].messages[0].flags.clear()
    await harness.end(sources)
    await harness.runtime()
    harness.deliver("two")
    await harness.until(lambda: "two" in harness.subjects())
    assert harness.subjects() == ["one", "two"]


async def test_two_mails_that_are_alike_are_two_events(harness):
    """The same Message-ID twice in one folder is two mails: only a new numbering makes it one."""
    harness.server.deliver(message("same"))
    harness.server.deliver(message("same"))
    await harness.runtime()
    await harness.until(lambda: len(harness.subjects()) == 2)


async def test_two_runtimes_on_one_mailbox_hand_each_mail_over_once(harness):
    for number in range(40):
        harness.deliver(str(number))
    first, second = await harness.runtime(), await harness.runtime()
    await harness.until(lambda: len(harness.subjects()) == 40)

    def states() -> list[str]:
        return sorted(sources.health()["sources"]["p#mail"]["status"] for sources in (first, second))

    await harness.until(lambda: states() == ["STANDBY", "UP"])
    assert sorted(harness.subjects(), key=int) == [str(number) for number in range(40)]


async def test_the_second_runtime_takes_over_when_the_first_ends(harness):
    first = await harness.runtime()
    await harness.server.idle.wait()
    await harness.runtime()
    await harness.end(first)
    harness.deliver("later")
    async with asyncio.timeout(30):
        await harness.until(lambda: harness.subjects() == ["later"])


async def test_connections_that_are_cut_lose_nothing_and_double_nothing(harness):
    for number in range(60):
        harness.deliver(str(number))
    await harness.runtime()
    for target in (5, 20, 40, 60):
        await harness.until(lambda target=target: len(harness.subjects()) >= target)
        harness.server.drop()
    harness.deliver("last")
    await harness.until(lambda: "last" in harness.subjects())
    assert sorted(harness.subjects()) == sorted([*(str(number) for number in range(60)), "last"])


async def test_conditions_on_subject_and_sender_leave_other_mails_alone(harness):
    harness.server.deliver(message("Re: ORDER 12"))
    harness.server.deliver(message("Re: order twelve"))
    harness.server.deliver(message("order 13", sender="Eve <eve@evil.test>"))
    await harness.runtime(
        data__subjectContains="order", data__subjectPattern=r"\d+", data__senderContains="@EXAMPLE.test"
    )
    await harness.until(lambda: harness.subjects() == ["Re: ORDER 12"])
    await harness.server.idle.wait()
    await settle(harness)
    assert [sorted(m.flags) for m in harness.server.folders["INBOX"].messages] == [["\\Seen"], [], []]
    assert len(harness.server.seen("UID FETCH")) == 2  # the headers of all, the body of one


async def test_mails_from_before_the_start_date_are_left_alone(harness):
    harness.server.deliver(message("old"), date="31-Dec-2025 23:59:59 +0000")
    harness.server.deliver(message("new"), date="01-Jan-2026 00:00:00 +0000")
    await harness.runtime(data__receivedSince="2026-01-01")
    await harness.until(lambda: harness.subjects() == ["new"])


async def test_an_unwanted_mail_is_fetched_once_and_left_unread(harness):
    harness.deliver("spam", "order")
    await harness.runtime(activationCondition='=subject = "order"')
    await harness.until(lambda: harness.subjects() == ["order"])
    await harness.server.idle.wait()
    await settle(harness)
    assert harness.server.folders["INBOX"].messages[0].flags == set()
    assert len([f for f in harness.server.seen("UID FETCH") if "BODY.PEEK[]" in f]) == 2


async def test_a_mail_that_cannot_be_handed_over_goes_to_quarantine_and_the_others_go_on(harness):
    harness.deliver("bad", "good")
    sources = await harness.runtime(
        resultExpression='=if subject = "bad" then 5 else {subject: subject}', data__quarantineFolder="Trouble"
    )
    await harness.until(lambda: harness.subjects() == ["good"])
    ledger = sources._shared.ledger
    (entry,) = await ledger.entries(state="quarantined")
    assert entry.title == "bad"
    assert (await ledger.original(entry.source, entry.id)).startswith(b"From: ann")
    assert len(harness.server.folders["Trouble"].messages) == 1


async def test_a_quarantined_mail_that_stayed_is_tried_again_when_an_operator_says_so(harness, monkeypatch):
    monkeypatch.setattr(watcher_module, "LOOK_AGAIN", 0.0)
    harness.deliver("one")
    harness.gateway.refuse("publish", "INVALID_ARGUMENT", "not today")
    sources = await harness.runtime()
    await harness.server.idle.wait()
    ledger = sources._shared.ledger
    (entry,) = await ledger.entries(state="quarantined")
    assert await ledger.retry(entry.source, entry.id)
    await settle(harness)
    await harness.until(lambda: harness.subjects() == ["one"])


async def test_a_mail_that_is_too_large_is_not_read(harness):
    harness.server.deliver(message("big", body="x" * 5000))
    harness.deliver("small")
    sources = await harness.runtime(data__maxMailSize="1000")
    await harness.until(lambda: harness.subjects() == ["small"])
    (entry,) = await sources._shared.ledger.entries(state="quarantined")
    assert "maxMailSize" in entry.reason
    assert entry.title == "big"


async def test_attachments_become_documents(harness):
    raw = (Path(__file__).parents[2] / "mails" / "mixed-with-footer.eml").read_bytes()
    harness.server.deliver(raw)
    sources = await harness.runtime()
    await harness.until(lambda: len(harness.gateway.messages) == 1)
    (file,) = next(iter(harness.gateway.messages.values())).data["variables"]["files"]
    assert file["metadata"]["fileName"] == "list.csv"
    assert file["metadata"]["contentType"] == "text/csv"
    assert (await sources._shared.services.documents.read(Document(file), seconds=5)).data == b"a,b"


async def test_health_tells_a_refused_login_and_recovers_by_itself(harness):
    harness.server.users = {"alice@example.test": "changed"}
    sources = await harness.runtime()
    await harness.until(lambda: sources.health()["status"] == "DOWN")
    assert "refused the login" in sources.health()["sources"]["p#mail"]["reason"]
    harness.server.users = {"alice@example.test": "secret"}
    harness.deliver("one")
    await harness.until(lambda: harness.subjects() == ["one"])
    assert sources.health()["status"] == "UP"


async def test_a_server_that_is_down_and_comes_back_is_found_again(harness):
    port = harness.server.port
    await harness.server.stop()
    sources = await harness.runtime()
    await harness.until(lambda: sources.health()["status"] == "DOWN")
    await harness.server.start(port)
    harness.deliver("one")
    await harness.until(lambda: harness.subjects() == ["one"])


@pytest.fixture
def impatient(monkeypatch):
    """Minutes become tenths of a second."""
    monkeypatch.setattr(client_module, "TIMEOUT", 0.3)
    monkeypatch.setattr(watcher_module, "SAFETY_POLL", 0.3)
    monkeypatch.setattr(sources_module, "_MAX_PAUSE", 0.3)


def reason(sources: Sources) -> str:
    """What health says is wrong; empty while nothing is."""
    source = next(iter(sources.health()["sources"].values()), {"status": "", "reason": ""})
    return str(source["reason"]) if source["status"] == "DOWN" else ""


async def test_a_half_open_connection_is_replaced(harness, impatient):
    async def half_open(session, tag, arguments):
        session.send("+ idling")
        await session.writer.drain()
        await asyncio.sleep(3600)

    harness.server.answers["IDLE"] = half_open
    await harness.runtime()
    await harness.until(lambda: harness.server.connections >= 2)
    harness.deliver("one")
    await harness.until(lambda: harness.subjects() == ["one"])


async def test_a_server_that_falls_silent_is_reported_and_recovers(harness, impatient):
    """As behind a firewall that forgot the connection, or a frozen machine: nothing ends, nothing comes."""
    sources = await harness.runtime()
    await harness.server.idle.wait()
    harness.server.frozen = True
    began = asyncio.get_running_loop().time()
    await harness.until(lambda: "does not answer" in reason(sources))
    assert asyncio.get_running_loop().time() - began < 5
    harness.deliver("one")
    await asyncio.sleep(0.5)
    assert "does not answer" in reason(sources)
    harness.server.frozen = False
    await harness.until(lambda: harness.subjects() == ["one"])
    await harness.until(lambda: not reason(sources))


@pytest.mark.parametrize("idle", [True, False])
async def test_a_goodbye_is_no_fault_unless_the_server_stays_away(harness, idle):
    if not idle:
        harness.server.capabilities = "IMAP4rev1"
    sources = await harness.runtime()
    await harness.until(lambda: harness.server.seen("UID SEARCH"))
    harness.server.greeting = "* BYE too many connections"
    for session in harness.server.sessions:
        session.send("* BYE going down for maintenance")
        session.writer.close()
    await harness.until(lambda: "too many connections" in reason(sources))
    harness.server.greeting = "* OK ready"
    harness.deliver("one")
    await harness.until(lambda: harness.subjects() == ["one"])
    assert not reason(sources)


async def test_a_folder_that_does_not_exist_is_reported_with_its_name(harness):
    sources = await harness.runtime(data__folderToListen="Orders")
    await harness.until(lambda: "'Orders'" in reason(sources))
    harness.server.folders["Orders"] = Folder()
    harness.server.deliver(message("one"), "Orders")
    await harness.until(lambda: harness.subjects() == ["one"])


async def test_a_folder_that_is_deleted_is_reported_although_the_server_shows_an_empty_one(harness, impatient):
    """Many servers let those who have it open go on with a folder that exists no more: no mail would ever come."""
    harness.server.folders["Orders"] = Folder()
    sources = await harness.runtime(data__folderToListen="Orders")
    await harness.server.idle.wait()
    del harness.server.folders["Orders"]
    await harness.until(lambda: "'Orders'" in reason(sources))
    harness.server.folders["Orders"] = Folder(validity=2)
    harness.server.deliver(message("one"), "Orders")
    await harness.until(lambda: harness.subjects() == ["one"])
    assert not reason(sources)


async def test_an_outage_is_reported_all_the_while_and_the_pauses_end(harness, impatient):
    """The real one of ten minutes is `python -m tests.integration.inbound_chaos --outage 600`."""
    harness.deliver("before")
    sources = await harness.runtime()
    await harness.until(lambda: harness.subjects() == ["before"])
    port = harness.server.port
    await harness.server.stop()
    await harness.until(lambda: "cannot be reached" in reason(sources))
    for _ in range(40):
        await asyncio.sleep(0.05)
        assert "cannot be reached" in reason(sources)
    await harness.server.start(port)
    harness.deliver("after")
    began = asyncio.get_running_loop().time()
    await harness.until(lambda: harness.subjects() == ["before", "after"])
    assert asyncio.get_running_loop().time() - began < 3  # the longest pause is 0.3 s here
    await harness.until(lambda: not reason(sources))


async def test_a_mail_that_cannot_be_marked_is_reported_until_it_can_and_handed_over_once(
    harness, impatient, monkeypatch
):
    monkeypatch.setattr(watcher_module, "LOOK_AGAIN", 0.3)

    async def refuse(session, tag, arguments):
        session.send(f"{tag} NO [NOPERM] read-only mailbox")

    harness.server.answers["UID STORE"] = refuse
    harness.deliver("one")
    sources = await harness.runtime()
    await harness.until(lambda: "read-only mailbox" in reason(sources))
    await harness.until(lambda: len(harness.server.seen("UID SEARCH")) > 3)
    assert "read-only mailbox" in reason(sources)
    harness.deliver("two")
    await harness.until(lambda: harness.subjects() == ["one", "two"])
    del harness.server.answers["UID STORE"]
    await harness.until(lambda: [m.flags for m in harness.server.folders["INBOX"].messages] == [{"\\Seen"}, {"\\Seen"}])
    await harness.until(lambda: not reason(sources))
    assert harness.subjects() == ["one", "two"]


async def test_a_mail_that_cannot_be_moved_is_found_again_and_moved_when_it_can(harness, impatient, monkeypatch):
    monkeypatch.setattr(watcher_module, "LOOK_AGAIN", 0.3)

    async def refuse(session, tag, arguments):
        session.send(f"{tag} NO [OVERQUOTA] full")

    harness.server.answers["UID MOVE"] = refuse
    harness.deliver("one")
    sources = await harness.runtime(
        data__pollingConfig__handlingStrategy="MOVE", data__pollingConfig__targetFolder="Done"
    )
    await harness.until(lambda: "OVERQUOTA" in reason(sources))
    await harness.until(lambda: len(harness.server.seen("UID SEARCH")) > 3)
    assert "OVERQUOTA" in reason(sources)
    del harness.server.folders["Done"]
    del harness.server.answers["UID MOVE"]
    await harness.until(lambda: "Done" in harness.server.folders and harness.server.folders["Done"].messages)
    assert [m.flags for m in harness.server.folders["Done"].messages] == [{"\\Seen"}]
    await harness.until(lambda: not reason(sources))
    assert harness.subjects() == ["one"]


@pytest.mark.parametrize("part", ["BODY.PEEK[HEADER", "BODY.PEEK[]"])
async def test_a_mail_that_the_server_cannot_read_is_reported_and_stops_no_other(harness, impatient, monkeypatch, part):
    monkeypatch.setattr(watcher_module, "LOOK_AGAIN", 0.3)

    async def fetch(session, tag, arguments):
        if part in arguments and "2" in arguments.partition(" ")[0].split(","):
            session.send(f"{tag} NO [SERVERBUG] cannot read it")
        else:
            await session.do_uid_fetch(tag, arguments)

    harness.server.answers["UID FETCH"] = fetch
    harness.deliver("one", "broken", "three")
    sources = await harness.runtime()
    await harness.until(lambda: harness.subjects() == ["one", "three"])
    await harness.until(lambda: "UID 2 cannot be read" in reason(sources))
    assert "SERVERBUG" in reason(sources)
    del harness.server.answers["UID FETCH"]
    await harness.until(lambda: harness.subjects() == ["one", "three", "broken"])
    await harness.until(lambda: not reason(sources))


async def test_a_pattern_that_takes_long_holds_up_nothing_else(harness):
    harness.deliver("a" * 60 + "!", "good")
    await harness.runtime(data__subjectPattern="^(a|aa)+$|^good")
    longest, last = 0.0, asyncio.get_running_loop().time()
    while harness.subjects() != ["good"]:
        await asyncio.sleep(0.01)
        now = asyncio.get_running_loop().time()
        longest, last = max(longest, now - last), now
        assert longest < 0.5  # a second is what such a search may take


async def test_ten_thousand_settled_mails_are_not_read_again(harness):
    for number in range(10_000):
        harness.server.folders["INBOX"].add(message(str(number)))
    settings = {"data__pollingConfigDiscriminator": "allPollingConfig", "data__pollingConfig__handlingStrategy": "NONE"}
    sources = await harness.runtime(**settings)
    ledger = sources._shared.ledger
    await harness.end(sources)

    ledger = SqliteLedger(harness.directory / "ledger.db")
    place = "imap:alice@example.test@127.0.0.1/INBOX/1"
    await ledger.store.write(
        lambda do: do.change_each(
            "INSERT OR REPLACE INTO events (source, id, state, updated, seen) "
            "VALUES ('p#mail', :id, 'done', :now, :now)",
            [{"id": f"{place}/{uid}", "now": do.now()} for uid in range(1, 10_001)],
        )
    )
    await ledger.aclose()
    harness.server.commands.clear()
    harness.gateway.messages.clear()
    harness.deliver("new")
    await harness.runtime(**settings)
    await harness.until(lambda: harness.subjects() == ["new"])
    assert [c for c in harness.server.seen("UID FETCH") if "10001" not in c] == []


async def test_xoauth2_signs_in_with_a_token_and_renews_a_refused_one(harness):
    tokens = iter(["expired-token", "good-token"])

    async def issue(request: web.Request) -> web.Response:
        form = await request.post()
        assert (form["grant_type"], form["client_secret"]) == ("client_credentials", "cs")
        return web.json_response({"access_token": next(tokens), "expires_in": 3600})

    app = web.Application()
    app.router.add_post("/token", issue)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        harness.deliver("one")
        await harness.runtime(
            authentication__type="clientCredentials",
            authentication__oauthTokenEndpoint=f"http://127.0.0.1:{port}/token",
            authentication__clientId="c",
            authentication__clientSecret="cs",
        )
        await harness.until(lambda: harness.subjects() == ["one"])
    finally:
        await runner.cleanup()


async def test_a_look_lists_what_fits_and_changes_nothing(harness):
    harness.deliver("done before")
    sources = await harness.runtime()
    await harness.server.idle.wait()
    watching: Watch = sources.watches["p#mail"]
    harness.server.deliver(message("old"), date="01-Jan-2020 00:00:00 +0000")
    context = watching.context()
    await harness.end(sources)
    now = datetime.now(UTC).strftime("%d-%b-%Y %H:%M:%S +0000")
    harness.server.folders["INBOX"].messages[0].date = now
    harness.server.deliver(message("fresh"), date=now)
    given = read_input(
        Mailbox,
        watching.source.input()
        | {"data": {**watching.source.input()["data"], "pollingConfigDiscriminator": "allPollingConfig"}},
    )
    before = [set(m.flags) for m in harness.server.folders["INBOX"].messages]
    found = [event async for event in preview(given, context, 24)]
    ledger = SqliteLedger(harness.directory / "ledger.db")
    known = await ledger.settled("p#mail", {e.id: e.alias for e in found})
    await ledger.aclose()
    assert [(event.title, event.id in known) for event in found] == [("fresh", False), ("done before", True)]
    assert [m.flags for m in harness.server.folders["INBOX"].messages] == before
    assert not harness.server.seen("STORE")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"data__pollingWaitTime": "soon"}, "pollingWaitTime"),
        ({"data__subjectPattern": "("}, "subjectPattern"),
        ({"data__receivedSince": "yesterday"}, "receivedSince"),
        ({"data__imapConfig__imapPort": "many"}, "imapPort"),
    ],
)
async def test_a_wrong_setting_is_reported_by_its_name(harness, changes, field):
    sources = await harness.runtime(**changes)
    await harness.until(lambda: sources.health()["status"] == "DOWN")
    reason = sources.health()["sources"]["p#mail"]["reason"]
    assert field in reason
    assert "secret" not in reason


async def test_no_mail_and_no_password_is_logged(harness, caplog):
    caplog.set_level(logging.DEBUG)
    harness.server.deliver(message("private subject", body="private body"))
    await harness.runtime()
    await harness.until(lambda: len(harness.subjects()) == 1)
    assert "private" not in caplog.text
    assert "secret" not in caplog.text
