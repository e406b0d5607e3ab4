"""One event becomes one message or one instance, whatever dies or answers late between."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.harness import Harness

from zeebe_connectors import Alias, Document, Event, InputError, PermanentError, TransientError
from zeebe_connectors.runtime.inbound import events as events_module
from zeebe_connectors.runtime.inbound.elements import Element, element
from zeebe_connectors.runtime.inbound.events import EventHandler, dry_run
from zeebe_connectors.runtime.ledger import NotHolder


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class EventHarness(Harness):
    """With a handler, and an event whose acknowledgements are counted."""

    def __init__(self, stores, directory) -> None:
        super().__init__(directory)
        self.clock = Clock()
        self.ahead = 0.0
        """Seconds by which the ledger's clock is before ours."""
        self.ledger = stores.ledger(clock=lambda: self.clock() + self.ahead)
        self.reports: list[str | None] = []
        self.reported = asyncio.Event()
        self.acknowledged: list[str] = []
        self.quarantined: list[str] = []

    def handler(self, *elements: Element) -> EventHandler:
        return EventHandler(
            "s",
            elements,
            gateway=self.gateway,
            ledger=self.ledger,
            documents=self.documents,
            owner="me",
            report=self.report,
            clock=self.clock,
        )

    def report(self, reason: str | None) -> None:
        self.reports.append(reason)
        self.reported.set()

    def event(self, id_: str = "box/1/1", *, more=None, **data: Any) -> Event:
        async def done() -> None:
            self.acknowledged.append(id_)

        async def on_quarantine() -> None:
            self.quarantined.append(id_)

        async def original() -> bytes:
            return b"raw"

        async def nothing() -> dict[str, Any]:
            return {}

        return Event(
            id_, data, done, original=original, on_quarantine=on_quarantine, more=more or nothing, title="a title"
        )

    async def entry(self, id_: str = "box/1/1"):
        return await self.ledger.find("s", id_)


@pytest.fixture
async def harness(stores, tmp_path, monkeypatch):
    monkeypatch.setattr(events_module, "_MAX_PAUSE", 0.01)
    harness = EventHarness(stores, tmp_path)
    assert await harness.ledger.hold("s", "me", 10**9)
    return harness


def waits(kind: str = "message-start", **properties: str) -> Element:
    properties = {"inbound.type": "t", **properties}
    return element(
        properties, process="p", id=properties.pop("id", "e"), kind=kind, message="m" if kind != "start" else ""
    )


async def test_a_message_start_event_gets_one_message_with_the_events_id(harness):
    handler = harness.handler(waits(resultExpression="={subject: subject}", resultVariable="mail"))
    assert await handler.handle(harness.event(subject="Hello")) == "handed over"
    (message,) = harness.gateway.messages.values()
    assert message.data["message_id"] == "box/1/1"
    assert message.data["correlation_key"] == ""
    assert message.data["time_to_live"] == 3600
    assert message.data["variables"] == {"mail": {"subject": "Hello"}, "subject": "Hello"}
    assert harness.acknowledged == ["box/1/1"]
    entry = await harness.entry()
    assert (entry.state, entry.title, entry.element) == ("done", "a title", "p/e")
    assert entry.key in harness.gateway.messages


async def test_without_a_mapping_no_variable_is_sent(harness):
    await harness.handler(waits()).handle(harness.event(subject="secret"))
    assert next(iter(harness.gateway.messages.values())).data["variables"] == {}


async def test_the_same_event_again_is_acknowledged_and_not_sent(harness):
    handler = harness.handler(waits())
    for expected in ("handed over", "known", "known"):
        assert await handler.handle(harness.event()) == expected
    assert len(harness.gateway.messages) == 1
    assert len(harness.acknowledged) == 3


async def test_a_plain_start_event_creates_one_instance_of_its_version(harness):
    start = Element("p", "e", "start", "t", {}, version=4, tenant="acme", result={"resultVariable": "mail"})
    await harness.handler(start).handle(harness.event(a=1))
    await harness.handler(start).handle(harness.event(a=1))
    (instance,) = harness.gateway.instances.values()
    assert instance.data == {"process": "p", "version": 4, "variables": {"mail": {"a": 1}}, "tenant": "acme"}


async def test_key_message_id_and_time_to_live_are_the_modelers(harness):
    catch = waits(
        "catch", correlationKeyExpression="=order", messageIdExpression='="id-" + string(order)', messageTtl="PT5M"
    )
    await harness.handler(catch).handle(harness.event(order=42))
    (message,) = harness.gateway.messages.values()
    sent = message.data
    assert (sent["correlation_key"], sent["message_id"], sent["time_to_live"]) == ("42", "id-42", 300)


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"correlationKeyExpression": "=missing"}, "correlationKeyExpression gave null"),
        ({"correlationKeyExpression": "={a: 1}"}, "must evaluate to a string or a number"),
        (
            {"correlationKeyExpression": "=order", "resultExpression": "=5"},
            "resultExpression: must return a JSON object",
        ),
    ],
)
async def test_what_cannot_be_evaluated_goes_to_quarantine_and_nothing_is_sent(harness, properties, reason):
    handler = harness.handler(waits("catch", **properties))
    assert await handler.handle(harness.event(order=1)) == "quarantined"
    entry = await harness.entry()
    assert entry.state == "quarantined"
    assert reason in entry.reason
    assert await harness.ledger.original("s", "box/1/1") == b"raw"
    assert harness.quarantined == ["box/1/1"]
    assert not harness.acknowledged
    assert not harness.gateway.messages


async def test_variables_that_are_too_large_go_to_quarantine(harness):
    handler = harness.handler(waits(resultVariable="mail"))
    assert await handler.handle(harness.event(text="x" * 2_000_000)) == "quarantined"


async def test_a_retried_event_is_sent_once_more_from_the_start(harness):
    harness.gateway.refuse("publish", "INVALID_ARGUMENT", "too odd")
    handler = harness.handler(waits())
    assert await handler.handle(harness.event()) == "quarantined"
    assert await handler.handle(harness.event()) == "quarantined"
    assert harness.gateway.count("publish") == 1
    await harness.ledger.retry("s", "box/1/1")
    assert await handler.handle(harness.event()) == "handed over"


async def test_a_wrong_expression_is_reported_at_the_start_and_concerns_no_event(harness):
    with pytest.raises(InputError, match="activationCondition of e is not FEEL"):
        harness.handler(waits(activationCondition="=subject = "))


@pytest.mark.parametrize(("consume", "result", "acknowledged"), [("true", "ignored", 1), ("false", "untouched", 0)])
async def test_an_event_that_nobody_wants_is_consumed_or_left(harness, consume, result, acknowledged):
    handler = harness.handler(waits(activationCondition='=subject = "Order"', consumeUnmatchedEvents=consume))
    assert await handler.handle(harness.event(subject="Spam")) == result
    assert len(harness.acknowledged) == acknowledged
    assert not harness.gateway.messages
    assert await handler.handle(harness.event("box/1/2", subject="Order")) == "handed over"


async def test_only_true_activates(harness):
    handler = harness.handler(waits(activationCondition='="yes"'))
    assert await handler.handle(harness.event()) == "untouched"


async def test_the_element_whose_condition_holds_gets_the_event(harness):
    first = Element("p", "a", "message-start", "t", {}, message="A", condition='=kind = "a"')
    second = Element("p", "b", "message-start", "t", {}, message="B", condition='=kind = "b"')
    await harness.handler(first, second).handle(harness.event(kind="b"))
    assert [m.data["name"] for m in harness.gateway.messages.values()] == ["B"]


async def test_two_different_elements_that_both_want_an_event_are_a_conflict(harness):
    first = Element("p", "a", "message-start", "t", {}, message="A")
    second = Element("p", "b", "message-start", "t", {}, message="B")
    assert await harness.handler(first, second).handle(harness.event()) == "quarantined"
    assert "a, b" in (await harness.entry()).reason


async def test_two_elements_that_wait_for_the_same_message_get_one(harness):
    both = [Element("p", id_, "catch", "t", {}, message="M", correlation_key="=k") for id_ in "ab"]
    await harness.handler(*both).handle(harness.event(k="1"))
    assert len(harness.gateway.messages) == 1


def caught(version: int, **properties: str) -> Element:
    """A catching event in one version of a process."""
    given = {"inbound.type": "t", "correlationKeyExpression": "=k", **properties}
    return element(given, process="p", id="c", kind="catch", message=given.pop("message", "m"), version=version)


def published(harness) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (one.data["name"], one.data["correlation_key"], one.data["variables"])
        for one in harness.gateway.messages.values()
    ]


@pytest.mark.parametrize(
    ("older", "messages"),
    [
        ({"resultExpression": "={old: k}"}, [("m", "1", {"new": "1"})]),
        ({"messageTtl": "PT5M"}, [("m", "1", {"new": "1"})]),
        ({"messageIdExpression": "=k"}, [("m", "1", {"new": "1"})]),
        ({"message": "before"}, [("m", "1", {"new": "1"}), ("before", "1", {})]),
        ({"correlationKeyExpression": '="x" + k'}, [("m", "1", {"new": "1"}), ("m", "x1", {})]),
        ({"correlationKeyExpression": '="" + k'}, [("m", "1", {"new": "1"})]),
        ({"correlationKeyExpression": "=nothing"}, [("m", "1", {"new": "1"})]),
        ({"activationCondition": '=k = "2"', "message": "before"}, [("m", "1", {"new": "1"})]),
        ({"correlationKeyExpression": "=If k"}, [("m", "1", {"new": "1"})]),
    ],
)
async def test_the_newest_version_decides_and_older_ones_get_what_they_wait_for(harness, older, messages):
    """Instances of an older version wait while a newer one is deployed; its changes are no conflict."""
    new = caught(2, resultExpression="={new: k}")
    assert await harness.handler(new, caught(1, **older)).handle(harness.event(k="1")) == "handed over"
    assert published(harness) == messages
    assert (await harness.entry()).state == "done"


@pytest.mark.parametrize(
    ("older", "reason"),
    [
        ([{"resultExpression": "={a: k}"}, {"resultExpression": "={b: k}"}], "several elements hold (c, c)"),
        ([{"activationCondition": '=assert(k, false, "no")'}], "activationCondition"),
    ],
)
async def test_an_older_version_that_gets_nothing_is_in_the_log(harness, caplog, older, reason):
    olds = [caught(1, **properties) for properties in older]
    assert await harness.handler(caught(2), *olds).handle(harness.event(k="1")) == "handed over"
    assert published(harness) == [("m", "1", {})]
    (record,) = caplog.records
    assert "version 1 gets no event here" in record.getMessage()
    assert reason in record.getMessage()


async def test_an_event_for_instances_of_an_older_version_only(harness):
    old = caught(1, activationCondition='=k = "1"', resultExpression="={old: k}")
    new = caught(2, activationCondition='=k = "2"')
    assert await harness.handler(new, old).handle(harness.event(k="1")) == "handed over"
    assert published(harness) == [("m", "1", {"old": "1"})]


async def test_a_plain_start_comes_after_what_older_versions_wait_for(harness):
    """Whatever fails before it, nothing was started that cannot be started again."""
    start = element({"inbound.type": "t"}, process="p", id="s", kind="start", version=2)
    harness.gateway.refuse("publish", "INVALID_ARGUMENT")
    assert await harness.handler(start, caught(1)).handle(harness.event(k="1")) == "quarantined"
    assert len(harness.gateway.instances) == 0
    assert await harness.handler(start, caught(1)).handle(harness.event("box/1/2", k="1")) == "handed over"
    assert (len(harness.gateway.instances), len(harness.gateway.messages)) == (1, 1)


async def test_a_conflict_within_the_newest_version_is_one(harness):
    both = [
        element({"inbound.type": "t"}, process="p", id=id_, kind="message-start", message=id_, version=2)
        for id_ in "ab"
    ]
    assert await harness.handler(*both, caught(1)).handle(harness.event(k="1")) == "quarantined"
    assert published(harness) == []


@pytest.mark.parametrize(("key", "text"), [(5, "5"), (12345678901234567890, "12345678901234567890"), (1.5, "1.5")])
async def test_a_number_as_a_key_keeps_its_digits(harness, key, text):
    assert await harness.handler(caught(1)).handle(harness.event(k=key)) == "handed over"
    assert published(harness) == [("m", text, {})]


@pytest.mark.parametrize("key", [None, True, ["a"]])
async def test_a_dry_run_says_what_a_key_would_come_to(harness, key):
    verdict, _ = await dry_run([caught(1)], {"k": key}, harness.documents)
    assert await harness.handler(caught(1)).handle(harness.event(k=key)) == "quarantined"
    assert verdict == f"would go to quarantine: {(await harness.entry()).reason}"


# Several messages for one event


async def test_a_retry_sends_only_what_the_engine_has_not_taken(harness):
    """Else, after the time to live, a refusal of one would bring the others a second time."""
    handler = harness.handler(caught(2), caught(1, message="before"))
    harness.gateway.refuse("publish", "INVALID_ARGUMENT", "too odd", skip=1)
    assert await handler.handle(harness.event(k="1")) == "quarantined"
    entry = await harness.entry()
    assert "too odd; what the engine has taken of it is not sent again by a retry" in entry.reason
    assert entry.key in harness.gateway.messages
    await harness.ledger.retry("s", "box/1/1")
    harness.clock.now += 90_000
    assert await handler.handle(harness.event(k="1")) == "handed over"
    assert harness.gateway.count("publish") == 3
    assert published(harness) == [("m", "1", {}), ("before", "1", {})]
    assert ((await harness.entry()).state, (await harness.entry()).key) == ("done", entry.key)


async def test_a_retried_start_brings_no_message_again(harness):
    start = element({"inbound.type": "t"}, process="p", id="s", kind="start", version=2)
    handler = harness.handler(start, caught(1))
    harness.gateway.refuse("create_instance", "INVALID_ARGUMENT")
    assert await handler.handle(harness.event(k="1")) == "quarantined"
    await harness.ledger.retry("s", "box/1/1")
    assert await handler.handle(harness.event(k="1")) == "handed over"
    assert (len(harness.gateway.instances), harness.gateway.count("publish")) == (1, 1)


async def test_a_retry_under_a_new_numbering_knows_what_was_taken(harness):
    def numbered(id_: str) -> Event:
        place, numbering, _ = id_.rsplit("/", 2)
        return replace(harness.event(id_, k="1"), alias=Alias("<mail@x>", place, numbering))

    handler = harness.handler(caught(2), caught(1, message="before"))
    harness.gateway.refuse("publish", "INVALID_ARGUMENT", skip=1, times=2)
    assert await handler.handle(numbered("box/1/1")) == "quarantined"
    await harness.ledger.retry("s", "box/1/1")
    assert await handler.handle(numbered("box/2/5")) == "quarantined"
    await harness.ledger.retry("s", "box/2/5")
    assert await handler.handle(numbered("box/2/5")) == "handed over"
    assert [name for name, _, _ in published(harness)] == ["m", "before"]


@pytest.mark.parametrize(("newest", "result"), [("true", "ignored"), ("false", "untouched")])
async def test_the_newest_version_decides_about_an_event_that_nobody_wants(harness, newest, result):
    older = "false" if newest == "true" else "true"
    wants = {"activationCondition": "=k = 2"}
    new, old = (caught(n, consumeUnmatchedEvents=c, **wants) for n, c in ((2, newest), (1, older)))
    assert await harness.handler(new, old).handle(harness.event(k=1)) == result


# What may go wrong between


async def test_a_message_whose_answer_was_lost_is_sent_again_and_the_engine_takes_it_once(harness):
    harness.gateway.refuse("publish", "DEADLINE_EXCEEDED", applied=True)
    assert await harness.handler(waits()).handle(harness.event()) == "handed over"
    assert len(harness.gateway.messages) == 1
    assert harness.gateway.count("publish") == 2
    assert harness.reports[-1] is None
    assert "does not take events" in harness.reports[0]


async def test_an_engine_that_is_away_is_waited_for(harness):
    harness.gateway.stop()
    handling = asyncio.create_task(harness.handler(waits("start")).handle(harness.event()))
    await harness.reported.wait()
    harness.gateway.start()
    assert await handling == "handed over"
    assert len(harness.gateway.instances) == 1


async def test_a_busy_engine_leaves_no_doubt_about_a_plain_start(harness):
    harness.gateway.refuse("create_instance", "RESOURCE_EXHAUSTED", times=3)
    assert await harness.handler(waits("start")).handle(harness.event()) == "handed over"
    assert len(harness.gateway.instances) == 1


async def test_a_plain_start_whose_answer_was_lost_is_in_doubt_and_never_sent_twice(harness):
    harness.gateway.refuse("create_instance", "DEADLINE_EXCEEDED", applied=True)
    assert await harness.handler(waits("start")).handle(harness.event()) == "quarantined"
    assert "answer was lost" in (await harness.entry()).reason
    assert len(harness.gateway.instances) == 1


@pytest.mark.parametrize("published", [True, False])
async def test_a_restart_after_the_intention_sends_again_within_the_time_to_live(harness, published):
    await harness.ledger.intend("s", "box/1/1", owner="me", alias=None, element="e", title="")
    if published:
        await harness.gateway.publish(
            "m", correlation_key="", message_id="box/1/1", time_to_live=99, payload="{}", tenant=""
        )
    harness.clock.now += 1800
    assert await harness.handler(waits()).handle(harness.event()) == "handed over"
    assert len(harness.gateway.messages) == 1


@pytest.mark.parametrize("ahead", [3600, -3600])
@pytest.mark.parametrize(("passed", "handled"), [(1800, "handed over"), (3590, "quarantined")])
async def test_the_time_to_live_goes_by_one_clock_though_those_of_replicas_differ(harness, ahead, passed, handled):
    harness.ahead = ahead
    await harness.ledger.intend("s", "box/1/1", owner="me", alias=None, element="e", title="")
    harness.clock.now += passed
    assert await harness.handler(waits()).handle(harness.event()) == handled


async def test_a_restart_after_the_time_to_live_is_in_doubt(harness):
    await harness.ledger.intend("s", "box/1/1", owner="me", alias=None, element="e", title="")
    harness.clock.now += 3600
    assert await harness.handler(waits()).handle(harness.event()) == "quarantined"
    assert not harness.gateway.messages


async def test_a_restart_after_publishing_only_acknowledges(harness):
    await harness.ledger.intend("s", "box/1/1", owner="me", alias=None, element="e", title="")
    await harness.ledger.record("s", "box/1/1", "published", key=7)
    assert await harness.handler(waits("start")).handle(harness.event()) == "known"
    assert harness.acknowledged == ["box/1/1"]
    assert (await harness.entry()).state == "done"
    assert not harness.gateway.instances


async def test_an_acknowledgement_that_fails_is_made_when_the_event_is_seen_again(harness):
    async def broken() -> None:
        raise OSError("connection lost")

    handler = harness.handler(waits())
    with pytest.raises(OSError, match="connection lost"):
        await handler.handle(Event("box/1/1", {}, broken))
    assert (await harness.entry()).state == "published"
    assert await handler.handle(harness.event()) == "known"
    assert len(harness.gateway.messages) == 1


async def test_an_acknowledgement_that_is_refused_stops_nothing_and_is_reported(harness):
    async def refused() -> None:
        raise PermanentError("IMAP_REFUSED", "over quota")

    handler = harness.handler(waits())
    assert await handler.handle(Event("box/1/1", {}, refused)) == "handed over"
    assert "over quota" in harness.reports[-1]
    assert set(await harness.ledger.settled("s", {"box/1/1": None})) == set()
    assert await handler.handle(harness.event()) == "known"
    assert len(harness.gateway.messages) == 1


async def test_whoever_lost_the_source_sends_nothing(harness):
    await harness.ledger.release("s", "me")
    assert await harness.ledger.hold("s", "other", 60)
    with pytest.raises(NotHolder):
        await harness.handler(waits()).handle(harness.event())
    assert not harness.gateway.messages


async def test_further_data_is_made_only_for_whoever_wants_the_event(harness):
    made = []

    async def more() -> dict[str, Any]:
        made.append(1)
        return {"attachments": ["ref"]}

    handler = harness.handler(waits(activationCondition="=wanted", resultExpression="={a: attachments}"))
    await handler.handle(harness.event(more=more, wanted=False))
    assert not made
    await handler.handle(harness.event("box/1/2", more=more, wanted=True))
    assert next(iter(harness.gateway.messages.values())).data["variables"] == {"a": ["ref"]}


async def test_further_data_that_cannot_be_made_is_a_reason_for_quarantine(harness):
    async def more() -> dict[str, Any]:
        raise PermanentError("TOO_LARGE", "the mail is too large")

    assert await harness.handler(waits()).handle(harness.event(more=more)) == "quarantined"
    assert "the mail is too large" in (await harness.entry()).reason


async def test_a_store_of_documents_that_is_away_for_a_while_is_waited_for(harness):
    calls = []

    async def more() -> dict[str, Any]:
        calls.append(1)
        if len(calls) < 5:
            raise TransientError("DOCUMENT_UNREACHABLE", "the store is away")
        return {"attachments": ["ref"]}

    handler = harness.handler(waits(resultExpression="={a: attachments}"))
    assert await handler.handle(harness.event(more=more)) == "handed over"
    assert next(iter(harness.gateway.messages.values())).data["variables"] == {"a": ["ref"]}
    assert any("the store is away" in str(report) for report in harness.reports)
    assert harness.reports[-1] is None


async def test_a_store_of_documents_that_stays_away_is_a_reason_for_quarantine(harness):
    async def more() -> dict[str, Any]:
        raise TransientError("DOCUMENT_UNREACHABLE", "the store is away")

    assert await harness.handler(waits()).handle(harness.event(more=more)) == "quarantined"
    assert "the store is away" in (await harness.entry()).reason


async def test_a_result_expression_may_store_a_document(harness):
    handler = harness.handler(waits(resultExpression='={file: createDocument(content), name: "a.csv"}'))
    assert await handler.handle(harness.event(content="YSxi")) == "handed over"
    (message,) = harness.gateway.messages.values()
    file = message.data["variables"]["file"]
    assert (await harness.documents.read(Document(file), seconds=5)).data == b"a,b"


async def test_an_intention_from_an_old_numbering_is_sent_again_under_the_id_that_the_engine_may_know(harness):
    await harness.ledger.intend(
        "s", "h/box/1/5", owner="me", alias=Alias("date id", "h/box", "1"), element="e", title=""
    )
    sent = {"correlation_key": "", "message_id": "h/box/1/5", "time_to_live": 3600, "payload": "{}", "tenant": ""}
    await harness.gateway.publish("m", **sent)
    event = harness.event("h/box/2/1")
    renumbered = Event(event.id, {}, event.done, alias=Alias("date id", "h/box", "2"))
    assert await harness.handler(waits()).handle(renumbered) == "handed over"
    assert len(harness.gateway.messages) == 1
    assert await harness.handler(waits()).handle(renumbered) == "known"
    harness.clock.now += 3601  # when the engine has forgotten it, and the folder is numbered anew once more
    again = Event("h/box/3/1", {}, event.done, alias=Alias("date id", "h/box", "3"))
    assert await harness.handler(waits()).handle(again) == "known"


@pytest.mark.parametrize("expression", ["=missing", '=""'])
async def test_a_message_id_that_is_nothing_leaves_the_events_own(harness, expression):
    await harness.handler(waits(messageIdExpression=expression)).handle(harness.event())
    (message,) = harness.gateway.messages.values()
    assert message.data["message_id"] == "box/1/1"


async def test_a_mail_under_a_new_numbering_is_known_by_its_alias(harness):
    handler = harness.handler(waits())
    for id_, numbering, expected in (("h/box/1/5", "1", "handed over"), ("h/box/2/1", "2", "known")):
        event = harness.event(id_)
        alias = Alias("date id", "h/box", numbering)
        assert await handler.handle(Event(event.id, {}, event.done, alias=alias)) == expected
    assert len(harness.gateway.messages) == 1
    assert set(await harness.ledger.settled("s", {"h/box/2/1": None})) == {"h/box/2/1"}
