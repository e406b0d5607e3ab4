"""A source's day, and letting it poll now, on the page and by the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.admin.api.conftest import CANARY, Started
from tests.waiting import until

from zeebe_connectors import ConnectorError, Event, InboundContext, Model, Secret, inbound
from zeebe_connectors.admin.api import sources as shown_sources
from zeebe_connectors.admin.page.views.sources import answer_of
from zeebe_connectors.runtime.ledger import LedgerError

SOURCE = "/sources/box%231"


class Place(Model):
    name: str = ""


@inbound("box", title="Box", type="test:box")
async def box(given: Place, context: InboundContext) -> AsyncIterator[Event]:
    """Is shut."""
    LOOKS.append(given.name)
    raise ConnectorError("SHUT", "the box is shut")
    yield Event("x", {})


LOOKS: list[str] = []


async def watched(start, tmp_path, **settings) -> Started:
    LOOKS.clear()
    file = tmp_path / "sources.toml"
    file.write_text('["box#1"]\ntype = "test:box"\nmessage = "m"\nname = "b"\n')
    running = await start((box,), ZEEBE_CONNECTORS_SOURCES=str(file), **settings)
    running.runtime.sources.start()
    await until(lambda: any(watch.next_try for watch in running.runtime.sources.watches.values()))
    return running


async def test_a_source_that_is_down_says_why_when_it_looks_next_and_how_its_day_was(start, tmp_path):
    running = await watched(start, tmp_path)
    one = await running.viewer.call("GET", SOURCE)
    assert one["nextTry"] > one["since"]
    assert (len(one["day"]["states"]), one["day"]["states"][-1]) == (96, "d")
    text = await running.viewer.get(SOURCE)
    for words in ("the box is shut", "next at", "The last 24 hours: 0 events; down for 0.25 hours"):
        assert words in text
    assert "Try again now" not in text
    assert "Try again now" in await running.operator.get(SOURCE)


async def test_its_last_events_are_listed_by_title_and_the_ledger_is_asked_seldom(start, tmp_path, monkeypatch):
    running = await watched(start, tmp_path)
    ledger = running.runtime.ledger
    for number in range(12):
        title = f"Order <{number:02}>"
        await ledger.quarantine("box#1", f"id/{number}", alias=None, reason="unreadable", title=title, original=b"x")
    await ledger.record("box#1", "id/3", "done", key=7)
    await ledger.record("box#1", "id/20", "ignored", reason="no activation condition holds", title="News")
    one = await running.viewer.call("GET", SOURCE)
    assert [event["title"] for event in one["last"]][:2] == ["News", "Order <03>"]
    assert len(one["last"]) == 10
    queries = []
    before = ledger.entries

    async def entries(**given):
        queries.append(given)
        return await before(**given)

    monkeypatch.setattr(ledger, "entries", entries)
    for _ in range(3):
        text = await running.viewer.get(SOURCE)
    for words in ("Order &lt;11&gt;", "Handed over", "Passed over", 'href="/events/box%231/id%2F3"'):
        assert words in text
    assert "Order &lt;00&gt;" not in text
    assert [given for given in queries if given.get("source") == "box#1"] == []


async def test_titles_are_left_out_where_no_data_is_shown_and_a_source_is_shown_without_the_ledger(
    start, tmp_path, monkeypatch
):
    running = await watched(start, tmp_path, ZEEBE_CONNECTORS_PAGE_DATA="none")
    await running.runtime.ledger.quarantine("box#1", "id/1", alias=None, reason="bad", title="Salary", original=b"x")
    one = await running.viewer.call("GET", SOURCE)
    assert [(event["id"], event["title"]) for event in one["last"]] == [("id/1", "")]

    async def away(**_):
        raise LedgerError("the disk is full")

    monkeypatch.setattr(running.runtime.ledger, "entries", away)
    monkeypatch.setattr("zeebe_connectors.admin.api.runtime.CACHE_SECONDS", 0.0)
    assert (await running.viewer.call("GET", SOURCE))["last"] is None
    assert "The ledger does not say" in await running.viewer.get(SOURCE)


async def test_it_looks_now_for_operators_and_not_each_second(start, tmp_path, monkeypatch, caplog):
    running = await watched(start, tmp_path)
    await running.viewer.call("POST", f"{SOURCE}/wake", {}, status=403)
    before = len(LOOKS)
    assert (await running.operator.call("POST", f"{SOURCE}/wake", {}, status=202))["status"] == "DOWN"
    await until(lambda: len(LOOKS) != before)
    assert (await running.operator.call("POST", f"{SOURCE}/wake", {}, status=429))["code"] == "ASKED_JUST_NOW"
    await running.operator.get(SOURCE)
    assert "It was asked" in await running.operator.post(f"{SOURCE}/wake", {}, status=429)
    monkeypatch.setattr(shown_sources, "WAKE_SECONDS", 0.0)
    assert (await running.operator.post(f"{SOURCE}/wake", {})) == f"{SOURCE}?asked=yes"
    assert "Requested. The outcome appears" in await running.operator.get(f"{SOURCE}?asked=yes")
    assert "operator let the source box#1 poll now" in caplog.text
    await running.operator.call("POST", "/sources/none/wake", {}, status=404)


@pytest.mark.parametrize("holder", ["far-away|space|7|x", ""])
async def test_who_holds_a_source_that_stands_by_is_shown(start, tmp_path, monkeypatch, holder):
    running = await watched(start, tmp_path)
    watch = next(iter(running.runtime.sources.watches.values()))
    monkeypatch.setattr(watch, "status", "STANDBY")
    if holder:
        await running.runtime.ledger.hold("box#1", holder, 30)
    refused = await running.operator.call("POST", f"{SOURCE}/wake", {}, status=409)
    assert refused["message"].startswith("far-away" if holder else "another runtime")


class Vault(Model):
    name: str = ""
    login: Secret = Secret("")
    user_password: str = ""
    place: str = ""


@inbound("vault", title="Vault", type="test:vault")
async def vault(given: Vault, context: InboundContext) -> AsyncIterator[Event]:
    """Waits."""
    context.report(None)
    await asyncio.sleep(3600)
    yield Event("x", {})


async def test_settings_are_shown_and_secrets_by_their_names_only(start, tmp_path):
    file = tmp_path / "sources.toml"
    file.write_text(
        '["vault"]\ntype = "test:vault"\nmessage = "m"\nname = "Fort <Knox> {{secrets.CANARY}}x"\n'
        f'login = "{CANARY}"\nuser_password = "{{{{secrets.CANARY}}}}"\nplace = "ftp://ann:{CANARY}@example.test/in"\n'
    )
    running = await start((vault,), ZEEBE_CONNECTORS_SOURCES=str(file))
    running.runtime.sources.start()
    await until(lambda: running.runtime.sources.watches)
    one = await running.viewer.call("GET", "/sources/vault")
    shown = {setting["name"]: (setting["value"], setting["secret"]) for setting in one["settings"]}
    assert shown["login"] == ("", True)
    assert shown["user_password"] == ("{{secrets.CANARY}}", False)
    assert shown["place"] == ("ftp://…@example.test/in", False)
    assert one["comesFrom"] == f"the file {file}"
    text = await running.viewer.get("/sources/vault")
    for words in ("Fort &lt;Knox&gt;", "set, never shown", "{{secrets.CANARY}}", "sources.toml"):
        assert words in text


def test_what_is_in_quarantine_is_not_called_handed_over():
    rows = [
        {"verdict": "starts a", "processed": True, "quarantined": True},
        {"verdict": "starts a", "processed": True, "quarantined": False},
    ]
    sentence = (
        "None of 2 events of the last 24 hours would start anything now: 1 was handed over before, 1 is in quarantine"
    )
    assert answer_of(rows, "24", more=False) == sentence


@pytest.mark.parametrize(
    ("verdicts", "sentence"),
    [
        ([], "Nothing of the last 24 hours waits to be handed over"),
        ([("starts order", False)], "1 of 1 event of the last 24 hours would start order"),
        (
            [("starts order", False), ("starts order with key 'x'", False), ("no activation condition holds", False)],
            "2 of 3 events of the last 24 hours would start order",
        ),
        (
            [("publishes 'm' with key 7", False), ("starts order", False), ("starts order", True)],
            "2 of 3 events of the last 24 hours would publish 'm' or start order",
        ),
        (
            [("starts order", True), ("no activation condition holds", False)],
            "None of 2 events of the last 24 hours would start anything now: 1 was handed over before",
        ),
        ([("would go to quarantine: x", False)], "None of 1 event of the last 24 hours would start anything"),
    ],
)
def test_the_answer_of_a_test_is_a_sentence(verdicts, sentence):
    rows = [{"verdict": verdict, "processed": processed} for verdict, processed in verdicts]
    assert answer_of(rows, "24", more=False) == sentence
    if rows:
        assert f"{len(rows)} or more" in answer_of(rows, "24", more=True)
        mails = [{**row, "sender": "a@example.com"} for row in rows]
        assert answer_of(mails, "24", more=False) == sentence.replace("event", "mail")
