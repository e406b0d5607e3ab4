"""One event becomes one message or one instance, whatever dies or answers late between."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from zeebe_connectors import Alias, Document, Event, InputError, PermanentError, TransientError
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.gateway.fake import FakeGateway
from zeebe_connectors.runtime.inbound import events as events_module
from zeebe_connectors.runtime.inbound.elements import Element, element
from zeebe_connectors.runtime.inbound.events import EventHandler
from zeebe_connectors.runtime.ledger import NotHolder


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class World:
    """A handler with all it needs, and an event whose acknowledgements are counted."""

    def __init__(self, stores, tmp_path) -> None:
        self.clock = Clock()
        self.ahead = 0.0
        """Seconds by which the ledger's clock is before ours."""
        self.gateway = FakeGateway()
        self.ledger = stores.ledger(clock=lambda: self.clock() + self.ahead)
        self.documents = LocalDocuments(tmp_path / "documents")
        self.reports: list[str | None] = []
        self.reported = asyncio.Event()
        self.acknowledged: list[str] = []
        self.put_aside: list[str] = []

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

        async def aside() -> None:
            self.put_aside.append(id_)

        async def original() -> bytes:
            return b"raw"

        async def nothing() -> dict[str, Any]:
            return {}

        return Event(id_, data, done, original=original, on_quarantine=aside, more=more or nothing, title="a title")

    async def entry(self, id_: str = "box/1/1"):
        return await self.ledger.find("s", id_)


@pytest.fixture
async def world(stores, tmp_path, monkeypatch):
    monkeypatch.setattr(events_module, "_MAX_PAUSE", 0.01)
    world = World(stores, tmp_path)
    assert await world.ledger.hold("s", "me", 10**9)
    return world


def waits(kind: str = "message-start", **properties: str) -> Element:
    properties = {"inbound.type": "t", **properties}
    return element(
        properties, process="p", id=properties.pop("id", "e"), kind=kind, message="m" if kind != "start" else ""
    )


async def test_a_message_start_event_gets_one_message_with_the_events_id(world):
    handler = world.handler(waits(resultExpression="={subject: subject}", resultVariable="mail"))
    assert await handler.handle(world.event(subject="Hello")) == "handed over"
    (message,) = world.gateway.messages.values()
    assert message.data["message_id"] == "box/1/1"
    assert message.data["correlation_key"] == ""
    assert message.data["time_to_live"] == 3600
    assert message.data["variables"] == {"mail": {"subject": "Hello"}, "subject": "Hello"}
    assert world.acknowledged == ["box/1/1"]
    entry = await world.entry()
    assert (entry.state, entry.title, entry.element) == ("done", "a title", "p/e")
    assert entry.key in world.gateway.messages


async def test_without_a_mapping_no_variable_is_sent(world):
    await world.handler(waits()).handle(world.event(subject="secret"))
    assert next(iter(world.gateway.messages.values())).data["variables"] == {}


async def test_the_same_event_again_is_acknowledged_and_not_sent(world):
    handler = world.handler(waits())
    for expected in ("handed over", "known", "known"):
        assert await handler.handle(world.event()) == expected
    assert len(world.gateway.messages) == 1
    assert len(world.acknowledged) == 3


async def test_a_plain_start_event_creates_one_instance_of_its_version(world):
    start = Element("p", "e", "start", "t", {}, version=4, tenant="acme", result={"resultVariable": "mail"})
    await world.handler(start).handle(world.event(a=1))
    await world.handler(start).handle(world.event(a=1))
    (instance,) = world.gateway.instances.values()
    assert instance.data == {"process": "p", "version": 4, "variables": {"mail": {"a": 1}}, "tenant": "acme"}


async def test_key_message_id_and_time_to_live_are_the_modelers(world):
    catch = waits(
        "catch", correlationKeyExpression="=order", messageIdExpression='="id-" + string(order)', messageTtl="PT5M"
    )
    await world.handler(catch).handle(world.event(order=42))
    (message,) = world.gateway.messages.values()
    sent = message.data
    assert (sent["correlation_key"], sent["message_id"], sent["time_to_live"]) == ("42", "id-42", 300)


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"correlationKeyExpression": "=missing"}, "correlationKeyExpression gave null"),
        ({"correlationKeyExpression": "={a: 1}"}, "must give a string or a number"),
        (
            {"correlationKeyExpression": "=order", "resultExpression": "=5"},
            "resultExpression: must return a JSON object",
        ),
    ],
)
async def test_what_cannot_be_evaluated_goes_to_quarantine_and_nothing_is_sent(world, properties, reason):
    handler = world.handler(waits("catch", **properties))
    assert await handler.handle(world.event(order=1)) == "quarantined"
    entry = await world.entry()
    assert entry.state == "quarantined"
    assert reason in entry.reason
    assert await world.ledger.original("s", "box/1/1") == b"raw"
    assert world.put_aside == ["box/1/1"]
    assert not world.acknowledged
    assert not world.gateway.messages


async def test_variables_that_are_too_large_go_to_quarantine(world):
    handler = world.handler(waits(resultVariable="mail"))
    assert await handler.handle(world.event(text="x" * 2_000_000)) == "quarantined"


async def test_a_retried_event_is_sent_once_more_from_the_start(world):
    world.gateway.refuse("publish", "INVALID_ARGUMENT", "too odd")
    handler = world.handler(waits())
    assert await handler.handle(world.event()) == "quarantined"
    assert await handler.handle(world.event()) == "quarantined"
    assert world.gateway.count("publish") == 1
    await world.ledger.retry("s", "box/1/1")
    assert await handler.handle(world.event()) == "handed over"


async def test_a_wrong_expression_is_told_at_the_start_and_concerns_no_event(world):
    with pytest.raises(InputError, match="activationCondition of e is not FEEL"):
        world.handler(waits(activationCondition="=subject = "))


@pytest.mark.parametrize(("consume", "result", "acknowledged"), [("true", "ignored", 1), ("false", "untouched", 0)])
async def test_an_event_that_nobody_wants_is_consumed_or_left(world, consume, result, acknowledged):
    handler = world.handler(waits(activationCondition='=subject = "Order"', consumeUnmatchedEvents=consume))
    assert await handler.handle(world.event(subject="Spam")) == result
    assert len(world.acknowledged) == acknowledged
    assert not world.gateway.messages
    assert await handler.handle(world.event("box/1/2", subject="Order")) == "handed over"


async def test_only_true_activates(world):
    handler = world.handler(waits(activationCondition='="yes"'))
    assert await handler.handle(world.event()) == "untouched"


async def test_the_element_whose_condition_holds_gets_the_event(world):
    first = Element("p", "a", "message-start", "t", {}, message="A", condition='=kind = "a"')
    second = Element("p", "b", "message-start", "t", {}, message="B", condition='=kind = "b"')
    await world.handler(first, second).handle(world.event(kind="b"))
    assert [m.data["name"] for m in world.gateway.messages.values()] == ["B"]


async def test_two_different_elements_that_both_want_an_event_are_a_conflict(world):
    first = Element("p", "a", "message-start", "t", {}, message="A")
    second = Element("p", "b", "message-start", "t", {}, message="B")
    assert await world.handler(first, second).handle(world.event()) == "quarantined"
    assert "a, b" in (await world.entry()).reason


async def test_two_elements_that_wait_for_the_same_message_get_one(world):
    both = [Element("p", id_, "catch", "t", {}, message="M", correlation_key="=k") for id_ in "ab"]
    await world.handler(*both).handle(world.event(k="1"))
    assert len(world.gateway.messages) == 1


# What may go wrong between


async def test_a_message_whose_answer_was_lost_is_sent_again_and_the_engine_takes_it_once(world):
    world.gateway.refuse("publish", "DEADLINE_EXCEEDED", applied=True)
    assert await world.handler(waits()).handle(world.event()) == "handed over"
    assert len(world.gateway.messages) == 1
    assert world.gateway.count("publish") == 2
    assert world.reports[-1] is None
    assert "does not take events" in world.reports[0]


async def test_an_engine_that_is_away_is_waited_for(world):
    world.gateway.stop()
    handling = asyncio.create_task(world.handler(waits("start")).handle(world.event()))
    await world.reported.wait()
    world.gateway.start()
    assert await handling == "handed over"
    assert len(world.gateway.instances) == 1


async def test_a_busy_engine_leaves_no_doubt_about_a_plain_start(world):
    world.gateway.refuse("create_instance", "RESOURCE_EXHAUSTED", times=3)
    assert await world.handler(waits("start")).handle(world.event()) == "handed over"
    assert len(world.gateway.instances) == 1


async def test_a_plain_start_whose_answer_was_lost_is_in_doubt_and_never_sent_twice(world):
    world.gateway.refuse("create_instance", "DEADLINE_EXCEEDED", applied=True)
    assert await world.handler(waits("start")).handle(world.event()) == "quarantined"
    assert "answer was lost" in (await world.entry()).reason
    assert len(world.gateway.instances) == 1


@pytest.mark.parametrize("published", [True, False])
async def test_a_restart_after_the_intention_sends_again_within_the_time_to_live(world, published):
    await world.ledger.intend("s", "box/1/1", owner="me", alias=None, element="e", title="")
    if published:
        await world.gateway.publish(
            "m", correlation_key="", message_id="box/1/1", time_to_live=99, payload="{}", tenant=""
        )
    world.clock.now += 1800
    assert await world.handler(waits()).handle(world.event()) == "handed over"
    assert len(world.gateway.messages) == 1


@pytest.mark.parametrize("ahead", [3600, -3600])
@pytest.mark.parametrize(("passed", "handled"), [(1800, "handed over"), (3590, "quarantined")])
async def test_the_time_to_live_goes_by_one_clock_though_those_of_replicas_differ(world, ahead, passed, handled):
    world.ahead = ahead
    await world.ledger.intend("s", "box/1/1", owner="me", alias=None, element="e", title="")
    world.clock.now += passed
    assert await world.handler(waits()).handle(world.event()) == handled


async def test_a_restart_after_the_time_to_live_is_in_doubt(world):
    await world.ledger.intend("s", "box/1/1", owner="me", alias=None, element="e", title="")
    world.clock.now += 3600
    assert await world.handler(waits()).handle(world.event()) == "quarantined"
    assert not world.gateway.messages


async def test_a_restart_after_publishing_only_acknowledges(world):
    await world.ledger.intend("s", "box/1/1", owner="me", alias=None, element="e", title="")
    await world.ledger.record("s", "box/1/1", "published", key=7)
    assert await world.handler(waits("start")).handle(world.event()) == "known"
    assert world.acknowledged == ["box/1/1"]
    assert (await world.entry()).state == "done"
    assert not world.gateway.instances


async def test_an_acknowledgement_that_fails_is_made_when_the_event_is_seen_again(world):
    async def broken() -> None:
        raise OSError("connection lost")

    handler = world.handler(waits())
    with pytest.raises(OSError, match="connection lost"):
        await handler.handle(Event("box/1/1", {}, broken))
    assert (await world.entry()).state == "published"
    assert await handler.handle(world.event()) == "known"
    assert len(world.gateway.messages) == 1


async def test_an_acknowledgement_that_is_refused_stops_nothing_and_is_told(world):
    async def refused() -> None:
        raise PermanentError("IMAP_REFUSED", "over quota")

    handler = world.handler(waits())
    assert await handler.handle(Event("box/1/1", {}, refused)) == "handed over"
    assert "over quota" in world.reports[-1]
    assert set(await world.ledger.settled("s", {"box/1/1": None})) == set()
    assert await handler.handle(world.event()) == "known"
    assert len(world.gateway.messages) == 1


async def test_whoever_lost_the_source_sends_nothing(world):
    await world.ledger.release("s", "me")
    assert await world.ledger.hold("s", "other", 60)
    with pytest.raises(NotHolder):
        await world.handler(waits()).handle(world.event())
    assert not world.gateway.messages


async def test_further_data_is_made_only_for_whoever_wants_the_event(world):
    made = []

    async def more() -> dict[str, Any]:
        made.append(1)
        return {"attachments": ["ref"]}

    handler = world.handler(waits(activationCondition="=wanted", resultExpression="={a: attachments}"))
    await handler.handle(world.event(more=more, wanted=False))
    assert not made
    await handler.handle(world.event("box/1/2", more=more, wanted=True))
    assert next(iter(world.gateway.messages.values())).data["variables"] == {"a": ["ref"]}


async def test_further_data_that_cannot_be_made_is_a_reason_for_quarantine(world):
    async def more() -> dict[str, Any]:
        raise PermanentError("TOO_LARGE", "the mail is too large")

    assert await world.handler(waits()).handle(world.event(more=more)) == "quarantined"
    assert "the mail is too large" in (await world.entry()).reason


async def test_a_store_of_documents_that_is_away_for_a_while_is_waited_for(world):
    calls = []

    async def more() -> dict[str, Any]:
        calls.append(1)
        if len(calls) < 5:
            raise TransientError("DOCUMENT_UNREACHABLE", "the store is away")
        return {"attachments": ["ref"]}

    handler = world.handler(waits(resultExpression="={a: attachments}"))
    assert await handler.handle(world.event(more=more)) == "handed over"
    assert next(iter(world.gateway.messages.values())).data["variables"] == {"a": ["ref"]}
    assert any("the store is away" in str(report) for report in world.reports)
    assert world.reports[-1] is None


async def test_a_store_of_documents_that_stays_away_is_a_reason_for_quarantine(world):
    async def more() -> dict[str, Any]:
        raise TransientError("DOCUMENT_UNREACHABLE", "the store is away")

    assert await world.handler(waits()).handle(world.event(more=more)) == "quarantined"
    assert "the store is away" in (await world.entry()).reason


async def test_a_result_expression_may_store_a_document(world):
    handler = world.handler(waits(resultExpression='={file: createDocument(content), name: "a.csv"}'))
    assert await handler.handle(world.event(content="YSxi")) == "handed over"
    (message,) = world.gateway.messages.values()
    file = message.data["variables"]["file"]
    assert (await world.documents.read(Document(file), seconds=5)).data == b"a,b"


async def test_an_intention_from_an_old_numbering_is_sent_again_under_the_id_that_the_engine_may_know(world):
    await world.ledger.intend("s", "h/box/1/5", owner="me", alias=Alias("date id", "h/box", "1"), element="e", title="")
    sent = {"correlation_key": "", "message_id": "h/box/1/5", "time_to_live": 3600, "payload": "{}", "tenant": ""}
    await world.gateway.publish("m", **sent)
    event = world.event("h/box/2/1")
    renumbered = Event(event.id, {}, event.done, alias=Alias("date id", "h/box", "2"))
    assert await world.handler(waits()).handle(renumbered) == "handed over"
    assert len(world.gateway.messages) == 1
    assert await world.handler(waits()).handle(renumbered) == "known"
    world.clock.now += 3601  # when the engine has forgotten it, and the folder is numbered anew once more
    again = Event("h/box/3/1", {}, event.done, alias=Alias("date id", "h/box", "3"))
    assert await world.handler(waits()).handle(again) == "known"


@pytest.mark.parametrize("expression", ["=missing", '=""'])
async def test_a_message_id_that_is_nothing_leaves_the_events_own(world, expression):
    await world.handler(waits(messageIdExpression=expression)).handle(world.event())
    (message,) = world.gateway.messages.values()
    assert message.data["message_id"] == "box/1/1"


async def test_a_mail_under_a_new_numbering_is_known_by_its_alias(world):
    handler = world.handler(waits())
    for id_, numbering, expected in (("h/box/1/5", "1", "handed over"), ("h/box/2/1", "2", "known")):
        event = world.event(id_)
        alias = Alias("date id", "h/box", numbering)
        assert await handler.handle(Event(event.id, {}, event.done, alias=alias)) == expected
    assert len(world.gateway.messages) == 1
    assert set(await world.ledger.settled("s", {"h/box/2/1": None})) == {"h/box/2/1"}
