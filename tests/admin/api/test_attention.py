"""What needs attention stays until its cause is gone or somebody acts, and one event has a page of its own."""

from __future__ import annotations

import asyncio
import json
import re
import time
from urllib.parse import quote

import pytest
from tests.admin.api.conftest import Started
from tests.waiting import until

from zeebe_connectors.config.secrets import JobSecrets, Mask
from zeebe_connectors.runtime.limits import Busy
from zeebe_connectors.runtime.outage import PastOutage
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail
from zeebe_connectors.runtime.providers import Asking, Use
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.errors import PermanentError, TransientError


def answered(running: Started, outcome: Complete | Fail, key: int = 1) -> None:
    job = Job(key, "t", bpmn_process_id="order", element_id="Reserve", process_instance_key=7)
    running.runtime.record.metrics("rest", None).answered(job, outcome, 0.01)


async def begin(start, tmp_path, **settings: str) -> Started:
    (tmp_path / "diagrams").mkdir()
    running = await start(ZEEBE_CONNECTORS_DIAGRAMS=str(tmp_path / "diagrams"), **settings)
    running.runtime.start()
    await until(lambda: all(state.last_contact for state in running.runtime.liveness().values()))
    return running


async def test_an_incident_stays_until_it_is_solved_and_is_then_among_what_is_over(start, tmp_path):
    running = await begin(start, tmp_path)
    answered(running, Fail("the shop is shut", 0, code="SHUT"))
    assert "1 thing needs attention" in await running.viewer.get("/")
    answered(running, Complete())
    text = await running.viewer.get("/")
    assert "Nothing needs attention" in text
    assert "All is well" in text
    assert "1 incident at rest, in Reserve of order is solved" in text
    shown = await running.viewer.call("GET", "/overview")
    assert (shown["open"], [item["level"] for item in shown["attention"]]) == (0, ["over"])


async def test_operators_say_that_incidents_are_dealt_with_and_only_those_that_they_saw_leave(start, tmp_path):
    running = await begin(start, tmp_path)
    answered(running, Fail("the shop is shut", 0, code="SHUT"))
    text = await running.operator.get("/")
    value = re.search(r'name="seen" value="([^"]+)"', text)[1].replace("&#34;", '"')
    assert 'name="seen"' not in await running.viewer.get("/")
    await running.viewer.post("/attention/seen", {"seen": value}, status=403)
    await asyncio.sleep(0.01)
    answered(running, Fail("the shop is shut", 0, code="SHUT"), 2)
    assert await running.operator.post("/attention/seen", {"seen": value}) == "/"
    assert set(running.runtime.record.incidents.open) == {2}
    for wrong in ("", "x", "[]", "{}", '{"until": NaN}', "[" * 5000, json.dumps({**json.loads(value), "until": "x"})):
        await running.operator.post("/attention/seen", {"seen": wrong}, status=400)
    seen = {**json.loads(value), "until": time.time()}
    await running.viewer.call("POST", "/attention/seen", seen, status=403)
    assert await running.operator.call("POST", "/attention/seen", seen) == {"closed": 1}
    await running.operator.call("POST", "/attention/seen", {**seen, "until": "x"}, status=400)
    assert "Nothing needs attention" in await running.viewer.get("/")


async def test_an_outage_that_ended_is_shown_for_an_hour(start, tmp_path):
    running = await begin(start, tmp_path)
    now = time.time()
    running.runtime.cluster_outage.last = PastOutage(now - 90, now - 30, "no route to host")
    text = await running.viewer.get("/")
    assert "The engine did not answer" in text
    assert "no route to host." in text
    assert "Nothing needs attention" in text
    for since, ended in ((now - 31, now - 30), (now - 9000, now - 3700)):
        running.runtime.cluster_outage.last = PastOutage(since, ended, "no route to host")
        assert "The engine did not answer" not in await running.viewer.get("/")


async def test_one_event_says_why_it_is_where_it_is_and_what_can_be_done(start, tmp_path):
    running = await begin(start, tmp_path)
    ledger = running.runtime.ledger
    event = "imap/a@example.test/In Box/7/1#?%2F"
    reason = "cannot be decrypted <i>" + "w" * 2000
    await ledger.quarantine("orders #1", event, alias=None, reason=reason, title="Two <chairs>", original=b"x" * 34_000)
    address = f"/events/{quote('orders #1', safe='')}/{quote(event, safe='')}"
    listed = await running.viewer.get("/events")
    assert f'href="{address}"' in listed
    text = await running.viewer.get(address)
    for words in (
        "In quarantine",
        "cannot be decrypted &lt;i&gt;",
        "Two &lt;chairs&gt;",
        "34 kB",
        "Operators can download",
    ):
        assert words in text
    assert "Try again</button>" not in text
    text = await running.operator.get(address)
    assert "Download" in text
    value = json.dumps(["orders #1", event])
    text = await running.operator.post("/events/forget", {"event": value}, status=200)
    assert "Two &lt;chairs&gt;" in text
    assert "Forget 1 event" in text
    retried = await running.operator.post("/events/retry", {"event": value, "from": "event"})
    assert retried == f"{address}?asked=yes"
    assert "To be tried again" in await running.operator.get(retried)
    detail = await running.viewer.call("GET", address)
    assert (detail["state"], detail["originalSize"], detail["keptUntil"]) == ("retry", 34_000, None)
    await ledger.record("orders #1", event, "done", key=4711)
    text = await running.viewer.get(address)
    assert "Handed over" in text
    assert "4711" in text
    await running.viewer.get("/events/orders/none", status=404)
    await running.viewer.call("GET", "/events/orders/none", status=404)


@pytest.mark.parametrize(("data", "found"), [("titles", True), ("none", False)])
async def test_events_are_searched_and_a_title_that_is_hidden_is_not(start, tmp_path, data, found):
    running = await begin(start, tmp_path, ZEEBE_CONNECTORS_PAGE_DATA=data)
    for number, title in enumerate(("Two chairs", "A table")):
        await running.runtime.ledger.quarantine(
            "orders", f"id/{number}", alias=None, reason="cannot be read", title=title, original=None
        )
    shown = await running.viewer.call("GET", "/events?q=CHAIR")
    assert [event["id"] for event in shown["events"]] == (["id/0"] if found else [])
    assert shown["counts"] == {"quarantined": 2, "retry": 0}
    text = await running.viewer.get("/events?q=chair")
    assert ("id%2F0" in text, "No event fits" in text) == (found, not found)
    assert 'value="chair"' in text
    assert "A table" not in text
    assert "id%2F1" in await running.viewer.get("/events?q=id/1")


async def test_a_provider_that_fails_is_off_or_overloaded_is_shown(start, tmp_path):
    file = tmp_path / "providers.yaml"
    one = "protocol: http, environments: {test: {url: 'http://127.0.0.1:9/'}}"
    file.write_text(f"providers:\n  erp: {{{one}, rules: {{maxPerSecond: 1}}}}\n  old: {{{one}, active: false}}\n")
    running = await begin(start, tmp_path, ZEEBE_CONNECTORS_PROVIDERS=str(file))
    providers = running.runtime.services.providers
    rest = running.runtime.registry.outbound["rest"]

    async def codes() -> list[tuple[str, str]]:
        shown = await running.viewer.call("GET", "/overview")
        return [(item["code"], item["href"]) for item in shown["attention"]]

    async def use(name: str) -> Use:
        return await providers.use(Asking(name, process="order"), rest, {}, JobSecrets(Mask()))

    assert await codes() == []
    with pytest.raises(PermanentError):
        await use("old")
    erp = await use("erp")
    for error in (
        TransientError("REST_UNREACHABLE", "no route to host"),
        PermanentError("404", "not found"),
        *[TransientError("REST_UNREACHABLE", "no route to host")] * 3,
    ):
        erp.leave(error)
    assert await codes() == [("PROVIDER_DOWN", "/providers/erp#test"), ("PROVIDER_INACTIVE", "/providers/old")]
    text = await running.viewer.get("/")
    assert "The last 3 in a row did, the last one with REST_UNREACHABLE." in text
    shown = await running.viewer.call("GET", "/runtime")
    assert shown["health"]["providers"] == {"state": "warn", "text": "1 of 2 providers failing", "more": "erp/test"}
    erp.leave()
    with pytest.raises(Busy):
        await erp.enter("order", deadline=time.monotonic())
    assert await codes() == [("PROVIDER_INACTIVE", "/providers/old"), ("PROVIDER_BUSY", "/providers/erp#test")]
    file.write_text(file.read_text().replace(", active: false", ""))
    await providers.directory.refresh()
    providers.limits()["erp/test"].counts.handed_back_at -= 61
    assert await codes() == []
    file.write_text("providers: [")
    await providers.directory.refresh()
    assert await codes() == [("PROVIDERS_FILE", "")]
    assert "The providers stay as they were." in await running.viewer.get("/")
