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
from tests.connectors.watching import running

from zeebe_connectors import Document
from zeebe_connectors.config.secrets import SecretResolver
from zeebe_connectors.connectors.imap import watcher as watcher_module
from zeebe_connectors.connectors.imap.connector import preview, watch
from zeebe_connectors.connectors.imap.model import Mailbox
from zeebe_connectors.mail import imap as client_module
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.gateway.fake import FakeGateway
from zeebe_connectors.runtime.inbound import sources as sources_module
from zeebe_connectors.runtime.inbound.elements import element
from zeebe_connectors.runtime.inbound.sources import InboundServices, Sources, Watch
from zeebe_connectors.runtime.ledger import SqliteLedger
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.sdk.memory import Memory, ShortMemory
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing.servers import Folder, ImapServer, message

RESULT = "={subject: subject, files: attachments, text: text}"


class World:
    """A mail server, an engine in memory and a ledger; `runtime` starts what watches between them."""

    def __init__(self, server: ImapServer, directory: Path) -> None:
        self.server = server
        self.directory = directory
        self.gateway = FakeGateway()
        self.running: list[Sources] = []

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
            **{name.replace("__", "."): value for name, value in changes.items()},
        }

    async def runtime(
        self, *, gateway: FakeGateway | None = None, memory: Memory | None = None, **changes: Any
    ) -> Sources:
        waiting = element(self.properties(**changes), process="p", id="mail", kind="message-start", message="m")
        shared = InboundServices(
            services=Services(
                secrets=SecretResolver([]),
                clients=ClientCache(),
                documents=LocalDocuments(self.directory / "documents"),
                files=AllowedFiles(),
                memory=memory or ShortMemory(),
            ),
            registry=Registry([watch]),
            gateway=gateway or self.gateway,
            ledger=SqliteLedger(self.directory / "ledger.db"),
        )
        sources = Sources(shared, elements=[waiting])
        sources.start()
        self.running.append(sources)
        return sources

    async def end(self, sources: Sources) -> None:
        await sources.drain(grace=5)
        await sources._shared.ledger.aclose()
        await sources._shared.services.clients.aclose()
        self.running.remove(sources)

    def subjects(self) -> list[str]:
        return [m.data["variables"]["subject"] for m in self.gateway.messages.values()]

    async def until(self, reached) -> None:
        """Waits for a condition that the sources bring about."""
        async with asyncio.timeout(20):
            while not reached():  # noqa: ASYNC110 - what is waited for has no event of its own
                await asyncio.sleep(0.02)

    def deliver(self, *subjects: str) -> None:
        for subject in subjects:
            self.server.deliver(message(subject))


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with ImapServer() as server, running(World(server, tmp_path), monkeypatch) as world:
        yield world


async def settle(world: World) -> None:
    """Lets a running source look at the folder once more, so that something wrong would have happened."""
    searches = len(world.server.seen("UID SEARCH"))
    for session in world.server.sessions:
        if session.idling:
            session.send("* 0 RECENT")
    await world.until(lambda: len(world.server.seen("UID SEARCH")) > searches)


async def test_mails_that_are_there_and_that_come_are_handed_over_and_marked_as_read(world):
    world.deliver("one", "two")
    await world.runtime()
    await world.until(lambda: len(world.subjects()) == 2)
    await world.server.idle.wait()
    world.deliver("three")
    await world.until(lambda: len(world.server.folders["INBOX"].messages[2].flags) == 1)
    assert world.subjects() == ["one", "two", "three"]
    assert all(m.flags == {"\\Seen"} for m in world.server.folders["INBOX"].messages)


async def test_a_server_without_idle_is_asked_now_and_again(world):
    world.server.capabilities = "IMAP4rev1"
    await world.runtime()
    world.deliver("one")
    await world.until(lambda: world.subjects() == ["one"])


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
async def test_whatever_the_settings_a_restart_hands_nothing_over_again(world, discriminator, strategy):
    settings = {
        "data__pollingConfigDiscriminator": discriminator,
        "data__pollingConfig__handlingStrategy": strategy,
        "data__pollingConfig__targetFolder": "Done",
    }
    world.deliver("one", "two", "three")
    for _ in range(3):
        sources = await world.runtime(**settings)
        await world.until(lambda: len(world.subjects()) == 3)
        await world.server.idle.wait()
        await world.end(sources)
    for mail in world.server.folders["INBOX"].messages:
        mail.flags.clear()  # somebody marks all as unread
    await world.runtime(**settings)
    await world.server.idle.wait()
    await settle(world)
    assert world.subjects() == ["one", "two", "three"]
    left = {"READ": 3, "NONE": 3, "DELETE": 0, "MOVE": 0}[strategy]
    assert len(world.server.folders["INBOX"].messages) == left
    if strategy == "MOVE":
        assert len(world.server.folders["Done"].messages) == 3


@pytest.mark.parametrize("target", ["", "INBOX", "Orders/New"])
async def test_a_blank_destination_or_the_same_folder_moves_nothing(world, target):
    world.server.folders["Orders/New"] = Folder()
    folder = target or "INBOX"
    world.server.deliver(message("one"), folder)
    await world.runtime(
        data__folderToListen=target.replace("/", "."),
        data__pollingConfig__handlingStrategy="MOVE",
        data__pollingConfig__targetFolder=target,
    )
    await world.until(lambda: world.subjects() == ["one"])
    await world.until(lambda: world.server.folders[folder].messages[0].flags == {"\\Seen"})
    await world.server.idle.wait()
    assert len(world.server.folders[folder].messages) == 1
    assert not world.server.seen("UID MOVE")


async def test_without_push_the_folder_is_looked_at_as_often_as_wanted(world, monkeypatch):
    """Rarely enough, and nobody keeps a connection open in between."""
    monkeypatch.setattr(watcher_module, "KEEP_OPEN", 1.5)
    waited = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        waited.append(seconds)
        await sleep(0.05 if seconds >= 1 else seconds)

    monkeypatch.setattr(watcher_module, "sleep", noted)
    world.deliver("one")
    sources = await world.runtime(data__push="false", data__pollingWaitTime="PT5M")
    await world.until(lambda: world.subjects() == ["one"] and 300.0 in waited)
    world.deliver("two")
    await world.until(lambda: world.subjects() == ["one", "two"])
    assert world.server.connections >= 2
    assert not world.server.seen("IDLE")
    await world.end(sources)
    waited.clear()
    before = world.server.connections
    await world.runtime(data__push="false", data__pollingWaitTime="PT1S")
    world.deliver("three")
    await world.until(lambda: "three" in world.subjects() and waited.count(1.0) > 1)
    assert world.server.connections == before + 1
    assert not world.server.seen("IDLE")


async def test_no_more_mails_than_wanted_are_processed_before_the_folder_is_looked_at_again(world):
    world.deliver(*"abcde")
    await world.runtime(data__maxPerPoll="2")
    await world.until(lambda: world.subjects() == list("abcde"))
    await world.server.idle.wait()
    assert len(world.server.seen("UID SEARCH UNDELETED")) == 4  # the last finds nothing any more


async def test_a_folder_that_is_numbered_anew_hands_nothing_over_again(world):
    world.deliver("one", "two")
    settings = {"data__pollingConfigDiscriminator": "allPollingConfig", "data__pollingConfig__handlingStrategy": "NONE"}
    sources = await world.runtime(**settings)
    await world.until(lambda: len(world.subjects()) == 2)
    await world.end(sources)
    old, world.server.folders["INBOX"] = world.server.folders["INBOX"], Folder(validity=2, next_uid=70)
    for mail in reversed(old.messages):
        world.server.folders["INBOX"].add(mail.raw, date=mail.date)
    world.deliver("three")
    await world.runtime(**settings)
    await world.until(lambda: "three" in world.subjects())
    await settle(world)
    assert world.subjects() == ["one", "two", "three"]


async def test_a_mail_that_was_read_is_remembered_as_long_as_it_is_there(world):
    """It is not searched for any more, and yet somebody may mark it as unread again after years."""
    world.deliver("one")
    sources = await world.runtime()
    await world.until(lambda: world.subjects() == ["one"])
    await world.server.idle.wait()
    await world.end(sources)
    with contextlib.closing(sqlite3.connect(world.directory / "ledger.db")) as connection, connection:
        connection.execute("UPDATE events SET seen = seen - 200 * 86400")
    sources = await world.runtime()
    await world.server.idle.wait()
    assert await sources._shared.ledger.sweep() == 0
    world.server.folders["INBOX"].messages[0].flags.clear()
    await world.end(sources)
    await world.runtime()
    world.deliver("two")
    await world.until(lambda: "two" in world.subjects())
    assert world.subjects() == ["one", "two"]


async def test_two_mails_that_are_alike_are_two_events(world):
    """The same Message-ID twice in one folder is two mails: only a new numbering makes it one."""
    world.server.deliver(message("same"))
    world.server.deliver(message("same"))
    await world.runtime()
    await world.until(lambda: len(world.subjects()) == 2)


async def test_two_runtimes_on_one_mailbox_hand_each_mail_over_once(world):
    for number in range(40):
        world.deliver(str(number))
    first, second = await world.runtime(), await world.runtime()
    await world.until(lambda: len(world.subjects()) == 40)

    def states() -> list[str]:
        return sorted(sources.health()["sources"]["p#mail"]["status"] for sources in (first, second))

    await world.until(lambda: states() == ["STANDBY", "UP"])
    assert sorted(world.subjects(), key=int) == [str(number) for number in range(40)]


async def test_the_second_runtime_takes_over_when_the_first_ends(world):
    first = await world.runtime()
    await world.server.idle.wait()
    await world.runtime()
    await world.end(first)
    world.deliver("later")
    async with asyncio.timeout(30):
        await world.until(lambda: world.subjects() == ["later"])


async def test_connections_that_are_cut_lose_nothing_and_double_nothing(world):
    for number in range(60):
        world.deliver(str(number))
    await world.runtime()
    for target in (5, 20, 40, 60):
        await world.until(lambda target=target: len(world.subjects()) >= target)
        world.server.drop()
    world.deliver("last")
    await world.until(lambda: "last" in world.subjects())
    assert sorted(world.subjects()) == sorted([*(str(number) for number in range(60)), "last"])


async def test_conditions_on_subject_and_sender_leave_other_mails_alone(world):
    world.server.deliver(message("Re: ORDER 12"))
    world.server.deliver(message("Re: order twelve"))
    world.server.deliver(message("order 13", sender="Eve <eve@evil.test>"))
    await world.runtime(
        data__subjectContains="order", data__subjectPattern=r"\d+", data__senderContains="@EXAMPLE.test"
    )
    await world.until(lambda: world.subjects() == ["Re: ORDER 12"])
    await world.server.idle.wait()
    await settle(world)
    assert [sorted(m.flags) for m in world.server.folders["INBOX"].messages] == [["\\Seen"], [], []]
    assert len(world.server.seen("UID FETCH")) == 2  # the headers of all, the body of one


async def test_mails_from_before_the_start_date_are_left_alone(world):
    world.server.deliver(message("old"), date="31-Dec-2025 23:59:59 +0000")
    world.server.deliver(message("new"), date="01-Jan-2026 00:00:00 +0000")
    await world.runtime(data__receivedSince="2026-01-01")
    await world.until(lambda: world.subjects() == ["new"])


async def test_an_unwanted_mail_is_fetched_once_and_left_unread(world):
    world.deliver("spam", "order")
    await world.runtime(activationCondition='=subject = "order"')
    await world.until(lambda: world.subjects() == ["order"])
    await world.server.idle.wait()
    await settle(world)
    assert world.server.folders["INBOX"].messages[0].flags == set()
    assert len([f for f in world.server.seen("UID FETCH") if "BODY.PEEK[]" in f]) == 2


async def test_a_mail_that_cannot_be_handed_over_goes_to_quarantine_and_the_others_go_on(world):
    world.deliver("bad", "good")
    sources = await world.runtime(
        resultExpression='=if subject = "bad" then 5 else {subject: subject}', data__quarantineFolder="Trouble"
    )
    await world.until(lambda: world.subjects() == ["good"])
    ledger = sources._shared.ledger
    (entry,) = await ledger.entries(state="quarantined")
    assert entry.title == "bad"
    assert (await ledger.original(entry.source, entry.id)).startswith(b"From: ann")
    assert len(world.server.folders["Trouble"].messages) == 1


async def test_a_quarantined_mail_that_stayed_is_tried_again_when_an_operator_says_so(world, monkeypatch):
    monkeypatch.setattr(watcher_module, "LOOK_AGAIN", 0.0)
    world.deliver("one")
    world.gateway.refuse("publish", "INVALID_ARGUMENT", "not today")
    sources = await world.runtime()
    await world.server.idle.wait()
    ledger = sources._shared.ledger
    (entry,) = await ledger.entries(state="quarantined")
    assert await ledger.retry(entry.source, entry.id)
    await settle(world)
    await world.until(lambda: world.subjects() == ["one"])


async def test_a_mail_that_is_too_large_is_not_read(world):
    world.server.deliver(message("big", body="x" * 5000))
    world.deliver("small")
    sources = await world.runtime(data__maxMailSize="1000")
    await world.until(lambda: world.subjects() == ["small"])
    (entry,) = await sources._shared.ledger.entries(state="quarantined")
    assert "maxMailSize" in entry.reason
    assert entry.title == "big"


async def test_attachments_become_documents(world):
    raw = (Path(__file__).parents[2] / "mails" / "mixed-with-footer.eml").read_bytes()
    world.server.deliver(raw)
    sources = await world.runtime()
    await world.until(lambda: len(world.gateway.messages) == 1)
    (file,) = next(iter(world.gateway.messages.values())).data["variables"]["files"]
    assert file["metadata"]["fileName"] == "list.csv"
    assert file["metadata"]["contentType"] == "text/csv"
    assert (await sources._shared.services.documents.read(Document(file), seconds=5)).data == b"a,b"


async def test_health_tells_a_refused_login_and_recovers_by_itself(world):
    world.server.users = {"alice@example.test": "changed"}
    sources = await world.runtime()
    await world.until(lambda: sources.health()["status"] == "DOWN")
    assert "refused the login" in sources.health()["sources"]["p#mail"]["reason"]
    world.server.users = {"alice@example.test": "secret"}
    world.deliver("one")
    await world.until(lambda: world.subjects() == ["one"])
    assert sources.health()["status"] == "UP"


async def test_a_server_that_is_down_and_comes_back_is_found_again(world):
    port = world.server.port
    await world.server.stop()
    sources = await world.runtime()
    await world.until(lambda: sources.health()["status"] == "DOWN")
    await world.server.start(port)
    world.deliver("one")
    await world.until(lambda: world.subjects() == ["one"])


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


async def test_a_half_open_connection_is_replaced(world, impatient):
    async def half_open(session, tag, arguments):
        session.send("+ idling")
        await session.writer.drain()
        await asyncio.sleep(3600)

    world.server.answers["IDLE"] = half_open
    await world.runtime()
    await world.until(lambda: world.server.connections >= 2)
    world.deliver("one")
    await world.until(lambda: world.subjects() == ["one"])


async def test_a_server_that_says_nothing_any_more_is_told_and_recovers(world, impatient):
    """As behind a firewall that forgot the connection, or a frozen machine: nothing ends, nothing comes."""
    sources = await world.runtime()
    await world.server.idle.wait()
    world.server.frozen = True
    began = asyncio.get_running_loop().time()
    await world.until(lambda: "does not answer" in reason(sources))
    assert asyncio.get_running_loop().time() - began < 5
    world.deliver("one")
    await asyncio.sleep(0.5)
    assert "does not answer" in reason(sources)
    world.server.frozen = False
    await world.until(lambda: world.subjects() == ["one"])
    await world.until(lambda: not reason(sources))


@pytest.mark.parametrize("idle", [True, False])
async def test_a_goodbye_is_no_fault_unless_the_server_stays_away(world, idle):
    if not idle:
        world.server.capabilities = "IMAP4rev1"
    sources = await world.runtime()
    await world.until(lambda: world.server.seen("UID SEARCH"))
    world.server.greeting = "* BYE too many connections"
    for session in world.server.sessions:
        session.send("* BYE going down for maintenance")
        session.writer.close()
    await world.until(lambda: "too many connections" in reason(sources))
    world.server.greeting = "* OK ready"
    world.deliver("one")
    await world.until(lambda: world.subjects() == ["one"])
    assert not reason(sources)


async def test_a_folder_that_does_not_exist_is_told_with_its_name(world):
    sources = await world.runtime(data__folderToListen="Orders")
    await world.until(lambda: "'Orders'" in reason(sources))
    world.server.folders["Orders"] = Folder()
    world.server.deliver(message("one"), "Orders")
    await world.until(lambda: world.subjects() == ["one"])


async def test_a_folder_that_is_deleted_is_told_although_the_server_shows_an_empty_one(world, impatient):
    """Many servers let those who have it open go on with a folder that exists no more: no mail would ever come."""
    world.server.folders["Orders"] = Folder()
    sources = await world.runtime(data__folderToListen="Orders")
    await world.server.idle.wait()
    del world.server.folders["Orders"]
    await world.until(lambda: "'Orders'" in reason(sources))
    world.server.folders["Orders"] = Folder(validity=2)
    world.server.deliver(message("one"), "Orders")
    await world.until(lambda: world.subjects() == ["one"])
    assert not reason(sources)


async def test_an_outage_is_told_all_the_while_and_the_pauses_end(world, impatient):
    """The real one of ten minutes is `python -m tests.integration.inbound_chaos --outage 600`."""
    world.deliver("before")
    sources = await world.runtime()
    await world.until(lambda: world.subjects() == ["before"])
    port = world.server.port
    await world.server.stop()
    await world.until(lambda: "cannot be reached" in reason(sources))
    for _ in range(40):
        await asyncio.sleep(0.05)
        assert "cannot be reached" in reason(sources)
    await world.server.start(port)
    world.deliver("after")
    began = asyncio.get_running_loop().time()
    await world.until(lambda: world.subjects() == ["before", "after"])
    assert asyncio.get_running_loop().time() - began < 3  # the longest pause is 0.3 s here
    await world.until(lambda: not reason(sources))


async def test_a_mail_that_cannot_be_marked_is_told_until_it_can_and_handed_over_once(world, impatient, monkeypatch):
    monkeypatch.setattr(watcher_module, "LOOK_AGAIN", 0.3)

    async def refuse(session, tag, arguments):
        session.send(f"{tag} NO [NOPERM] read-only mailbox")

    world.server.answers["UID STORE"] = refuse
    world.deliver("one")
    sources = await world.runtime()
    await world.until(lambda: "read-only mailbox" in reason(sources))
    await world.until(lambda: len(world.server.seen("UID SEARCH")) > 3)
    assert "read-only mailbox" in reason(sources)
    world.deliver("two")
    await world.until(lambda: world.subjects() == ["one", "two"])
    del world.server.answers["UID STORE"]
    await world.until(lambda: [m.flags for m in world.server.folders["INBOX"].messages] == [{"\\Seen"}, {"\\Seen"}])
    await world.until(lambda: not reason(sources))
    assert world.subjects() == ["one", "two"]


async def test_a_mail_that_cannot_be_moved_is_found_again_and_moved_when_it_can(world, impatient, monkeypatch):
    monkeypatch.setattr(watcher_module, "LOOK_AGAIN", 0.3)

    async def refuse(session, tag, arguments):
        session.send(f"{tag} NO [OVERQUOTA] full")

    world.server.answers["UID MOVE"] = refuse
    world.deliver("one")
    sources = await world.runtime(
        data__pollingConfig__handlingStrategy="MOVE", data__pollingConfig__targetFolder="Done"
    )
    await world.until(lambda: "OVERQUOTA" in reason(sources))
    await world.until(lambda: len(world.server.seen("UID SEARCH")) > 3)
    assert "OVERQUOTA" in reason(sources)
    del world.server.folders["Done"]
    del world.server.answers["UID MOVE"]
    await world.until(lambda: "Done" in world.server.folders and world.server.folders["Done"].messages)
    assert [m.flags for m in world.server.folders["Done"].messages] == [{"\\Seen"}]
    await world.until(lambda: not reason(sources))
    assert world.subjects() == ["one"]


@pytest.mark.parametrize("part", ["BODY.PEEK[HEADER", "BODY.PEEK[]"])
async def test_a_mail_that_the_server_cannot_read_is_told_and_stops_no_other(world, impatient, monkeypatch, part):
    monkeypatch.setattr(watcher_module, "LOOK_AGAIN", 0.3)

    async def fetch(session, tag, arguments):
        if part in arguments and "2" in arguments.partition(" ")[0].split(","):
            session.send(f"{tag} NO [SERVERBUG] cannot read it")
        else:
            await session.do_uid_fetch(tag, arguments)

    world.server.answers["UID FETCH"] = fetch
    world.deliver("one", "broken", "three")
    sources = await world.runtime()
    await world.until(lambda: world.subjects() == ["one", "three"])
    await world.until(lambda: "UID 2 cannot be read" in reason(sources))
    assert "SERVERBUG" in reason(sources)
    del world.server.answers["UID FETCH"]
    await world.until(lambda: world.subjects() == ["one", "three", "broken"])
    await world.until(lambda: not reason(sources))


async def test_a_pattern_that_takes_long_holds_up_nothing_else(world):
    world.deliver("a" * 60 + "!", "good")
    await world.runtime(data__subjectPattern="^(a|aa)+$|^good")
    longest, last = 0.0, asyncio.get_running_loop().time()
    while world.subjects() != ["good"]:
        await asyncio.sleep(0.01)
        now = asyncio.get_running_loop().time()
        longest, last = max(longest, now - last), now
        assert longest < 0.5  # a second is what such a search may take


async def test_ten_thousand_settled_mails_are_not_read_again(world):
    for number in range(10_000):
        world.server.folders["INBOX"].add(message(str(number)))
    settings = {"data__pollingConfigDiscriminator": "allPollingConfig", "data__pollingConfig__handlingStrategy": "NONE"}
    sources = await world.runtime(**settings)
    ledger = sources._shared.ledger
    await world.end(sources)

    ledger = SqliteLedger(world.directory / "ledger.db")
    place = "imap:alice@example.test@127.0.0.1/INBOX/1"
    await ledger.store.write(
        lambda do: do.change_each(
            "INSERT OR REPLACE INTO events (source, id, state, updated, seen) "
            "VALUES ('p#mail', :id, 'done', :now, :now)",
            [{"id": f"{place}/{uid}", "now": do.now()} for uid in range(1, 10_001)],
        )
    )
    await ledger.aclose()
    world.server.commands.clear()
    world.gateway.messages.clear()
    world.deliver("new")
    await world.runtime(**settings)
    await world.until(lambda: world.subjects() == ["new"])
    assert [c for c in world.server.seen("UID FETCH") if "10001" not in c] == []


async def test_xoauth2_signs_in_with_a_token_and_renews_a_refused_one(world):
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
        world.deliver("one")
        await world.runtime(
            authentication__type="clientCredentials",
            authentication__oauthTokenEndpoint=f"http://127.0.0.1:{port}/token",
            authentication__clientId="c",
            authentication__clientSecret="cs",
        )
        await world.until(lambda: world.subjects() == ["one"])
    finally:
        await runner.cleanup()


async def test_a_look_lists_what_fits_and_changes_nothing(world):
    world.deliver("done before")
    sources = await world.runtime()
    await world.server.idle.wait()
    watching: Watch = sources.watches["p#mail"]
    world.server.deliver(message("old"), date="01-Jan-2020 00:00:00 +0000")
    context = watching.context()
    await world.end(sources)
    now = datetime.now(UTC).strftime("%d-%b-%Y %H:%M:%S +0000")
    world.server.folders["INBOX"].messages[0].date = now
    world.server.deliver(message("fresh"), date=now)
    given = read_input(
        Mailbox,
        watching.source.input()
        | {"data": {**watching.source.input()["data"], "pollingConfigDiscriminator": "allPollingConfig"}},
    )
    before = [set(m.flags) for m in world.server.folders["INBOX"].messages]
    found = [event async for event in preview(given, context, 24)]
    ledger = SqliteLedger(world.directory / "ledger.db")
    known = await ledger.settled("p#mail", {e.id: e.alias for e in found})
    await ledger.aclose()
    assert [(event.title, event.id in known) for event in found] == [("fresh", False), ("done before", True)]
    assert [m.flags for m in world.server.folders["INBOX"].messages] == before
    assert not world.server.seen("STORE")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"data__pollingWaitTime": "soon"}, "pollingWaitTime"),
        ({"data__subjectPattern": "("}, "subjectPattern"),
        ({"data__receivedSince": "yesterday"}, "receivedSince"),
        ({"data__imapConfig__imapPort": "many"}, "imapPort"),
    ],
)
async def test_a_wrong_setting_is_told_by_its_name(world, changes, field):
    sources = await world.runtime(**changes)
    await world.until(lambda: sources.health()["status"] == "DOWN")
    reason = sources.health()["sources"]["p#mail"]["reason"]
    assert field in reason
    assert "secret" not in reason


async def test_no_mail_and_no_password_is_logged(world, caplog):
    caplog.set_level(logging.DEBUG)
    world.server.deliver(message("private subject", body="private body"))
    await world.runtime()
    await world.until(lambda: len(world.subjects()) == 1)
    assert "private" not in caplog.text
    assert "secret" not in caplog.text
