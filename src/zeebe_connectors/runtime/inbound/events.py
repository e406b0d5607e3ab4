"""Hand each event of a source over to the engine exactly once, as a message or a process instance.

Conditions, correlation keys and variables are evaluated first. The order of the steps makes the hand-over exact
(docs/adr/0008-exactly-once.md): the intention is on disk before the engine is called; a message carries an id made from
the event's, which the engine refuses a second time within the message's time to live; if the engine cannot tell whether
it has the event (a plain start event after a lost answer, a message whose time to live is over), the event goes to
quarantine for a person to decide, and is neither lost nor started twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from zeebe_connectors import feel
from zeebe_connectors.runtime.backoff import Backoff
from zeebe_connectors.runtime.expressions import ResultMapping, result_variables, without_marker
from zeebe_connectors.runtime.gateway import Gateway, GatewayError
from zeebe_connectors.runtime.inbound.elements import DEFAULT_TTL, Element
from zeebe_connectors.runtime.ledger import Entry, Ledger, State
from zeebe_connectors.runtime.payload import plain
from zeebe_connectors.sdk.document import Documents
from zeebe_connectors.sdk.errors import ConnectorError, InputError, TransientError
from zeebe_connectors.sdk.event import Event

ResultT = TypeVar("ResultT")
Handled = Literal["handed over", "known", "ignored", "untouched", "quarantined"]
"""What became of an event; an `untouched` one is left in its place, for whoever else may want it."""

_NOT_CARRIED_OUT = {"RESOURCE_EXHAUSTED", "UNAUTHENTICATED", "PERMISSION_DENIED"}
"""Statuses after which the engine has certainly not executed a command; after others it may have."""
_MARGIN = 30.0  # seconds by which a message's time to live is discounted: clocks differ and requests take time
_CONTACT = 5.0  # seconds for which an answer of the engine counts as a sign that it is there
_MIN_PAUSE, _MAX_PAUSE = 0.5, 30.0
_TRIES = 12  # of storing what an event brings, over about three minutes

_log = logging.getLogger("zeebe_connectors.events")


class _Quarantine(Exception):  # noqa: N818 - a verdict on one event, caught in this module
    """The event cannot be handed over."""


@dataclass(frozen=True, slots=True)
class _Delivery:
    """What to send for an event."""

    element: Element
    key: str
    message_id: str
    payload: str


class EventHandler:
    """Hands the events of one source over to the engine.

    Args:
        source: Name of the source in the ledger.
        elements: The elements that want the events.
        gateway: The engine.
        ledger: Records what was handed over.
        documents: For `createDocument` in result expressions.
        owner: The holder of the source's lease.
        time_to_live: Seconds for which the engine keeps a message if its element does not say.
        report: Called with the reason while the engine does not answer, and with None once it does again.
        clock: Seconds since 1970.

    Raises:
        InputError: An expression of an element is not FEEL; raised at the start, since it affects every event.
    """

    def __init__(
        self,
        source: str,
        elements: Sequence[Element],
        *,
        gateway: Gateway,
        ledger: Ledger,
        documents: Documents,
        owner: str,
        time_to_live: float = DEFAULT_TTL,
        report: Callable[[str | None], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._elements = elements
        self._gateway = gateway
        self._ledger = ledger
        self._documents = documents
        self._owner = owner
        self._ttl = time_to_live
        self._report = report
        self._clock = clock
        self._last_contact = float("-inf")
        for element in elements:
            _check_expressions(element)

    async def handle(self, event: Event) -> Handled:
        """Hands one event over, unless that was done before, and acknowledges it.

        Raises:
            NotHolder: The source's lease has ended; nothing was sent.
            Exception: Raised by the event's own `done`; the event is then acknowledged when it is seen again.
        """
        known = await self._ledger.find(self._source, event.id, event.alias)
        if known is not None and (result := await self._known(event, known)):
            return result
        if event.unreadable:
            return await self._quarantine(event, event.unreadable)
        try:
            element = await _chosen(self._elements, event.data)
            if element is None:
                return await self._unwanted(event)
            delivery = await self._prepared(element, event)
        except _Quarantine as reason:
            return await self._quarantine(event, str(reason))
        before = await self._ledger.intend(
            self._source,
            event.id,
            owner=self._owner,
            alias=event.alias,
            element=f"{element.process}/{element.id}",
            title=event.title,
        )
        if before is not None and before.state != "publishing":
            return await self._known(event, before) or "known"
        if before is not None and delivery.message_id == event.id:
            delivery = replace(delivery, message_id=before.id)  # from an old numbering: the id that the engine may know
        try:
            key = await self._deliver(delivery, before)
        except _Quarantine as reason:
            return await self._quarantine(event, str(reason))
        await self._ledger.record(self._source, event.id, "published", key=key)
        if before is not None and before.id != event.id:  # leave no doubtful entry under the old numbering
            await self._ledger.record(self._source, before.id, "done", key=key)
        if known is not None and known.id != event.id:  # nor an operator's request to retry it
            await self._ledger.record(self._source, known.id, "done", key=key)
        await self._acknowledge(event, "done")
        return "handed over"

    async def _known(self, event: Event, known: Entry) -> Handled | None:
        if known.state in {"published", "done", "ignored"}:
            await self._acknowledge(event, "ignored" if known.state == "ignored" else "done")
            return "known"
        if known.state == "quarantined":
            await event.on_quarantine()
            return "quarantined"
        return None

    async def _acknowledge(self, event: Event, state: State, reason: str = "") -> None:
        """Acknowledges outside, then in the ledger; after a failure, again when the event is seen again."""
        try:
            await event.done()
        except TransientError:
            raise
        except ConnectorError as error:
            _log.warning("%s: %s is handed over but cannot be acknowledged: %s", self._source, event.id, error)
            self._report(f"an event cannot be acknowledged: {error}")
            return
        await self._ledger.record(self._source, event.id, state, reason=reason, title=event.title)

    async def _unwanted(self, event: Event) -> Handled:
        if not any(element.consume_unmatched for element in self._elements):
            return "untouched"
        await self._acknowledge(event, "ignored", "no activation condition holds")
        return "ignored"

    async def _quarantine(self, event: Event, reason: str) -> Handled:
        try:
            original = await event.original()
        except Exception as error:  # noqa: BLE001 - the reason matters more than the copy
            original, reason = None, f"{reason} (the original could not be kept: {error})"
        await self._ledger.quarantine(
            self._source, event.id, alias=event.alias, reason=reason, title=event.title, original=original
        )
        _log.warning("%s: an event went to quarantine (%s): %s", self._source, event.id, reason)
        await event.on_quarantine()
        return "quarantined"

    # What is sent

    async def _prepared(self, element: Element, event: Event) -> _Delivery:
        data = {**event.data, **await self._patiently(event.more)}
        key = ""
        if element.correlation_key:
            value = await _evaluate(element.correlation_key, data, "correlationKeyExpression")
            if value is None and element.kind == "catch":
                raise _Quarantine("correlationKeyExpression gave null; it must refer to something that the event has")
            key = _text(value, "correlationKeyExpression")
        message_id = ""
        if element.message_id:
            message_id = _text(await _evaluate(element.message_id, data, "messageIdExpression"), "messageIdExpression")
        message_id = message_id or event.id  # without an id, the engine would accept a message twice
        mapping = ResultMapping(element.result)
        _, payload = await self._patiently(lambda: result_variables(mapping, plain(data), self._documents))
        return _Delivery(element, key, message_id, payload)

    async def _patiently(self, make: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Retries what needs the document store, which may be away for a while; finally quarantines the event."""
        backoff = Backoff(_MIN_PAUSE, _MAX_PAUSE)
        for attempt in range(1, _TRIES + 1):
            try:
                made = await make()
            except (ConnectorError, OSError) as error:
                if attempt == _TRIES or not isinstance(error, TransientError | OSError):
                    raise _Quarantine(str(error)) from None
                self._report(f"an event's content cannot be stored; tried again: {error}")
                await asyncio.sleep(backoff.next())
            else:
                if attempt > 1:
                    self._report(None)
                return made
        raise AssertionError

    # How it is sent

    async def _deliver(self, delivery: _Delivery, before: Entry | None) -> int:
        """Sends until the engine has it; returns the key."""
        element = delivery.element
        ttl = self._ttl if element.time_to_live is None else element.time_to_live
        started = self._clock() - (before.age if before else 0.0)
        in_doubt = before is not None
        reported = False
        backoff = Backoff(_MIN_PAUSE, _MAX_PAUSE)
        while True:
            if in_doubt and element.kind == "start":
                raise _Quarantine(
                    "the engine's answer was lost, and a plain start event cannot be sent twice: check whether an "
                    "instance was started, then retry or forget the event (with a message start event there is no "
                    "such doubt)"
                )
            if in_doubt and self._clock() > started + ttl - _MARGIN:
                raise _Quarantine(
                    "the engine's answer was lost, and it no longer knows the message's id: check whether the message "
                    "arrived, then retry or forget the event (a longer messageTtl avoids this)"
                )
            try:
                await self._wait_for_engine()
                try:
                    key = await self._send(delivery, ttl)
                except GatewayError as error:
                    if error.status == "ALREADY_EXISTS":
                        key = 0
                    elif error.is_refusal:
                        raise _Quarantine(f"the engine refuses it: {error}") from None
                    else:
                        in_doubt = in_doubt or error.status not in _NOT_CARRIED_OUT
                        raise
            except GatewayError as error:
                self._last_contact = float("-inf")
                self._report(f"the engine does not take events: {error}")
                reported = True
                await asyncio.sleep(backoff.next())
            else:
                self._last_contact = time.monotonic()
                if reported:
                    self._report(None)
                return key

    async def _wait_for_engine(self) -> None:
        """Checks that the engine answers before sending something that must not be sent twice."""
        if time.monotonic() - self._last_contact > _CONTACT:
            await self._gateway.topology()
            self._last_contact = time.monotonic()

    async def _send(self, delivery: _Delivery, ttl: float) -> int:
        element = delivery.element
        if element.kind == "start":
            return await self._gateway.create_instance(
                element.process, version=element.version, payload=delivery.payload, tenant=element.tenant
            )
        return await self._gateway.publish(
            element.message,
            correlation_key=delivery.key,
            message_id=delivery.message_id,
            time_to_live=ttl,
            payload=delivery.payload,
            tenant=element.tenant,
        )


async def _chosen(elements: Sequence[Element], data: Mapping[str, Any]) -> Element | None:
    """The element that gets an event with this data; None if no condition holds."""
    matching = [
        item
        for item in elements
        if not item.condition or await _evaluate(item.condition, data, "activationCondition") is True
    ]
    if len(matching) > 1:
        kinds = {
            (e.kind, e.message, e.correlation_key, e.message_id, e.time_to_live, tuple(sorted(e.result.items())))
            for e in matching
        }
        if len(kinds) > 1 or matching[0].kind != "catch":
            ids = ", ".join(element.id for element in matching)
            raise _Quarantine(
                f"the activation conditions of several elements hold ({ids}), and they would do different things; "
                "make the conditions exclude each other"
            )
    return matching[0] if matching else None


async def dry_run(
    elements: Sequence[Element], data: Mapping[str, Any], documents: Documents
) -> tuple[str, dict[str, Any]]:
    """Returns what would become of an event with this data: a verdict in words, and variables. Sends nothing."""
    try:
        for element in elements:
            _check_expressions(element)
        chosen = await _chosen(elements, data)
        if chosen is None:
            return "no activation condition holds", {}
        key = None
        if chosen.correlation_key:
            key = await _evaluate(chosen.correlation_key, data, "correlationKeyExpression")
        result = {name: text for name, text in chosen.result.items() if "createDocument" not in text}
        variables, _ = await result_variables(ResultMapping(result), plain(dict(data)), documents)
    except (_Quarantine, ConnectorError) as error:
        return f"would go to quarantine: {error}", {}
    starts = chosen.process and chosen.kind != "catch"  # the name of a message start event's message says little
    target = f"starts {chosen.process}" if starts else f"publishes {chosen.message!r}"
    return target + (f" with key {key!r}" if key is not None else ""), variables


def _check_expressions(element: Element) -> None:
    expressions = {
        "activationCondition": element.condition,
        "correlationKeyExpression": element.correlation_key,
        "messageIdExpression": element.message_id,
        "resultExpression": element.result.get("resultExpression", ""),
    }
    for name, text in expressions.items():
        if text:
            try:
                feel.compile(without_marker(text))
            except feel.FeelError as error:
                raise InputError(f"{name} of {element.id} is not FEEL: {error}") from None


async def _evaluate(expression: str, data: Mapping[str, Any], name: str) -> Any:
    text = without_marker(expression)
    try:
        return await feel.offload(
            text, lambda limits: feel.to_json(feel.compile(text).run(dict(data), limits=limits).value, limits)
        )
    except feel.FeelError as error:
        raise _Quarantine(f"{name}: {error}") from None


def _text(value: Any, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _Quarantine(f"{name} must evaluate to a string or a number")
    return str(value)
