"""Hand each event of a source over to the engine exactly once, as a message or a process instance.

Conditions, correlation keys and variables are evaluated first. The order of the steps makes the hand-over exact
(docs/adr/0008-exactly-once.md): the intention is on disk before the engine is called; a message carries an id made from
the event's, which the engine refuses a second time within the message's time to live; if the engine cannot tell whether
it has the event (a plain start event after a lost answer, a message whose time to live is over), the event goes to
quarantine for a person to decide, and is neither lost nor started twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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

    @property
    def name(self) -> str:
        """Identifies it among all that is sent for its event, however often that is tried."""
        what = [self.element.kind == "start", self.element.tenant, self.element.message, self.key]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


@dataclass(slots=True)
class _Progress:
    """How far the hand-over of one event has come."""

    before: Entry | None
    """Its intention, if the engine may have been called already."""
    delivered: list[str] = field(default_factory=list)
    """The names of the deliveries that the engine has, if there are several."""


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
        InputError: An expression of an element is not FEEL; raised at the start, since it affects every event. An older
            version's element is left out instead: a newer one may have corrected it.
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
        self._elements = _readable(source, elements)
        self._gateway = gateway
        self._ledger = ledger
        self._documents = documents
        self._owner = owner
        self._ttl = time_to_live
        self._report = report
        self._clock = clock
        self._last_contact = float("-inf")

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
            chosen = await _chosen(self._elements, event.data, self._source)
            if not chosen:
                return await self._unwanted(event)
            deliveries = await self._prepared(chosen, event)
        except _Quarantine as reason:
            return await self._quarantine(event, str(reason))
        before = await self._ledger.intend(
            self._source,
            event.id,
            owner=self._owner,
            alias=event.alias,
            element=f"{chosen[0].process}/{chosen[0].id}",
            title=event.title,
        )
        if before is not None and before.state != "publishing":
            return await self._known(event, before) or "known"
        return await self._hand_over(event, deliveries, before, known)

    async def _hand_over(
        self, event: Event, deliveries: list[_Delivery], before: Entry | None, known: Entry | None
    ) -> Handled:
        """Sends what the engine does not have of an intended event, and acknowledges it.

        Args:
            event: The event.
            deliveries: All that is to be sent for it.
            before: Its intention, if the engine may have been called already.
            known: What the ledger knew of it before, if anything.
        """
        if before is not None:  # from an old numbering: the id that the engine may know
            deliveries = [
                replace(one, message_id=before.id) if one.message_id == event.id else one for one in deliveries
            ]
        progress = _Progress(before, list(known.delivered) if known is not None else [])
        if known is not None and known.id != event.id and known.delivered:
            await self._ledger.deliver(self._source, event.id, known.delivered)
        try:
            key = await self._deliver_all(event.id, deliveries, progress)
        except _Quarantine as reason:
            rest = "; what the engine has taken of it is not sent again by a retry" if progress.delivered else ""
            return await self._quarantine(event, f"{reason}{rest}")
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
        newest = max(element.version for element in self._elements)
        if not any(element.consume_unmatched for element in self._elements if element.version == newest):
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

    async def _prepared(self, elements: Sequence[Element], event: Event) -> list[_Delivery]:
        """Returns what to send: once for each message and key, for the first of the elements that want them."""
        data = {**event.data, **await self._patiently(event.more)}
        deliveries: list[_Delivery] = []
        for element in elements:
            try:
                key = await _key(element, data)
                if (element.message, key) not in [(one.element.message, one.key) for one in deliveries]:
                    deliveries.append(await self._delivery(element, key, data, event.id))
            except _Quarantine as reason:
                if not deliveries:
                    raise
                _log.warning("%s: %s is not for version %d: %s", self._source, event.id, element.version, reason)
        return deliveries

    async def _delivery(self, element: Element, key: str, data: dict[str, Any], event_id: str) -> _Delivery:
        message_id = ""
        if element.message_id:
            message_id = _text(await _evaluate(element.message_id, data, "messageIdExpression"), "messageIdExpression")
        message_id = message_id or event_id  # without an id, the engine would accept a message twice
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

    async def _deliver_all(self, event_id: str, deliveries: Sequence[_Delivery], progress: _Progress) -> int:
        """Sends those that the engine does not have; returns the key of the first, 0 if an earlier try sent it.

        A plain start comes last, since only it cannot be repeated.
        """
        key = 0
        for one in sorted(deliveries, key=lambda one: one.element.kind == "start"):
            if one.name in progress.delivered:
                continue
            sent = await self._deliver(one, progress.before)
            key = sent if one is deliveries[0] else key
            if len(deliveries) > 1:
                progress.delivered.append(one.name)
                await self._ledger.deliver(self._source, event_id, progress.delivered, key=key)
        return key

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


async def _chosen(elements: Sequence[Element], data: Mapping[str, Any], source: str = "") -> list[Element]:
    """Returns the elements that get an event with this data, one of each version, the newest first.

    Instances of older versions may wait for another message than those of the newest.
    """
    matching: dict[int, list[Element]] = {}
    newest = max(item.version for item in elements)
    for item in elements:
        try:
            holds = not item.condition or await _evaluate(item.condition, data, "activationCondition") is True
        except _Quarantine as failed:
            if item.version == newest:
                raise
            _log.warning("%s: version %d gets no event here: %s", source or item.process, item.version, failed)
            continue  # somebody has corrected it since
        if holds:
            matching.setdefault(item.version, []).append(item)
    chosen = []
    for version, found in sorted(matching.items(), reverse=True):
        if _agree(found):
            chosen.append(found[0])
            continue
        ids = ", ".join(element.id for element in found)
        reason = f"the activation conditions of several elements hold ({ids}), and they would do different things"
        if version == newest or not chosen:
            raise _Quarantine(f"{reason}; make the conditions exclude each other")
        _log.warning("%s: version %d gets no event here: %s", source or found[0].process, version, reason)
    return chosen


async def _key(element: Element, data: Mapping[str, Any]) -> str:
    """Returns the correlation key of an event; empty for an element that needs none."""
    if not element.correlation_key:
        return ""
    value = await _evaluate(element.correlation_key, data, "correlationKeyExpression")
    if value is None and element.kind == "catch":
        raise _Quarantine("correlationKeyExpression gave null; it must refer to something that the event has")
    return _text(value, "correlationKeyExpression")


def _agree(elements: Sequence[Element]) -> bool:
    """Returns whether all of them would do the same with an event."""
    first, *others = (
        (e.kind, e.message, e.correlation_key, e.message_id, e.time_to_live, tuple(sorted(e.result.items())))
        for e in elements
    )
    return not others or (elements[0].kind == "catch" and all(other == first for other in others))


async def dry_run(
    elements: Sequence[Element], data: Mapping[str, Any], documents: Documents
) -> tuple[str, dict[str, Any]]:
    """Returns what would become of an event with this data: a verdict in words, and variables. Sends nothing."""
    try:
        found = await _chosen(_readable("", elements), data)
        if not found:
            return "no activation condition holds", {}
        chosen = found[0]
        key = await _key(chosen, data)
        result = {name: text for name, text in chosen.result.items() if "createDocument" not in text}
        variables, _ = await result_variables(ResultMapping(result), plain(dict(data)), documents)
    except (_Quarantine, ConnectorError) as error:
        return f"would go to quarantine: {error}", {}
    starts = chosen.process and chosen.kind != "catch"  # the name of a message start event's message says little
    target = f"starts {chosen.process}" if starts else f"publishes {chosen.message!r}"
    return target + (f" with key {key!r}" if key else ""), variables


def _readable(source: str, elements: Sequence[Element]) -> list[Element]:
    """Returns the elements whose expressions are FEEL; only older versions may have others.

    Raises:
        InputError: An expression of the newest version is not FEEL.
    """
    newest = max(element.version for element in elements)
    readable = []
    for element in elements:
        try:
            _check_expressions(element)
        except InputError as error:
            if element.version == newest:
                raise
            _log.warning("%s: version %d gets no events: %s", source or element.process, element.version, error.message)
        else:
            readable.append(element)
    return readable


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
            text,
            lambda limits: feel.to_json(feel.compile(text).run(dict(data), limits=limits).value, limits, exact=True),
        )
    except feel.FeelError as error:
        raise _Quarantine(f"{name}: {error}") from None


def _text(value: Any, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _Quarantine(f"{name} must evaluate to a string or a number")
    return value if isinstance(value, str) else feel.evaluate("string(n)", {"n": value})
