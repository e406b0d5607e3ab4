"""Open, close and restore what element instances wait for: messages, signals and timers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zeebe_connectors.engine.flow.variables import Visible, evaluate, kind_of, text_value
from zeebe_connectors.engine.incidents import EXTRACT_VALUE, StepFailedError
from zeebe_connectors.engine.model import Element, Event, EventKind, ExpressionError
from zeebe_connectors.engine.schedules import Schedule, ScheduleError, read_schedule

if TYPE_CHECKING:
    from zeebe_connectors.engine.core import Engine
    from zeebe_connectors.engine.flow.instances import ElementInstance


class Subscription:
    """One event that an element instance waits for.

    Attributes:
        holder: The instance that waits: the catch event itself, the activity of a boundary event, the scope of an event
            sub-process, the event-based gateway.
        event: The element that is triggered.
        kind: Message, signal or timer.
        name: Name of the message or signal.
        correlation_key: Key of the message.
        timer_key: Key of the timer, which the agenda knows.
        schedule: When a timer fires.
        due_ms: When it fires next.
    """

    __slots__ = ("correlation_key", "due_ms", "event", "holder", "kind", "name", "schedule", "timer_key")

    def __init__(self, holder: ElementInstance, event: Element, kind: EventKind) -> None:
        self.holder = holder
        self.event = event
        self.kind = kind
        self.name = ""
        self.correlation_key = ""
        self.timer_key = 0
        self.schedule: Schedule | None = None
        self.due_ms = 0

    @property
    def repeats(self) -> bool:
        """Whether it stays open when it is triggered, because its event is non-interrupting."""
        return self.event.tag in {"boundaryEvent", "startEvent"} and not self.event.interrupting


def correlation_key_of(engine: Engine, instance: ElementInstance, event: Event) -> str:
    """Evaluate the correlation key; a number counts as its text.

    Raises:
        StepFailedError: It is neither a text nor a number.
    """
    assert event.correlation_key is not None  # noqa: S101 - the checks see to it
    value = evaluate(engine, event.correlation_key, Visible(instance))
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise StepFailedError(
            EXTRACT_VALUE,
            f"Failed to extract the correlation key for '{event.correlation_key.source}': The value must be either a "
            f"string or a number, but was '{kind_of(value)}'.",
        )
    whole = isinstance(value, float) and value.is_integer()  # 12.0 is the number 12, however it was written
    return str(int(value) if whole else value)


def open_all(engine: Engine, holder: ElementInstance, events: list[Element]) -> None:
    """Wait for events; error events need no waiting.

    Raises:
        StepFailedError: A name, key or time cannot be evaluated. What was opened before stays open.
    """
    ready = [made for event in events if (made := _make(engine, holder, event)) is not None]
    for subscription in ready:
        attach(engine, subscription)
        if subscription.kind is EventKind.MESSAGE:
            engine.messages.correlate_buffered(subscription)


def attach(engine: Engine, subscription: Subscription) -> None:
    """Register a subscription with its holder and where it can be triggered."""
    holder = subscription.holder
    if holder.subscriptions is None:
        holder.subscriptions = []
    holder.subscriptions.append(subscription)
    engine.touch(holder)
    match subscription.kind:
        case EventKind.MESSAGE:
            engine.messages.add(subscription)
        case EventKind.SIGNAL:
            engine.signals.add(subscription)
        case _:
            engine.timers[subscription.timer_key] = subscription
            engine.agenda.add("timer", subscription.timer_key, subscription.due_ms)


def close(engine: Engine, subscription: Subscription) -> None:
    """Stop waiting for one event."""
    holder = subscription.holder
    if holder.subscriptions is None or subscription not in holder.subscriptions:
        return
    holder.subscriptions.remove(subscription)
    engine.touch(holder)
    match subscription.kind:
        case EventKind.MESSAGE:
            engine.messages.remove(subscription)
        case EventKind.SIGNAL:
            engine.signals.remove(subscription)
        case _:
            engine.timers.pop(subscription.timer_key, None)
            engine.agenda.remove("timer", subscription.timer_key)


def close_all(engine: Engine, holder: ElementInstance) -> None:
    """Stop waiting for anything."""
    for subscription in list(holder.subscriptions or ()):
        close(engine, subscription)
    holder.subscriptions = None


def trigger(engine: Engine, subscription: Subscription, payload: dict[str, Any], message_key: int = 0) -> None:
    """Trigger a subscription's event: queue the step, and close a subscription that triggers only once.

    Args:
        engine: The engine.
        subscription: What waits for the event.
        payload: The event's variables.
        message_key: The message that triggers it; 0 for other events.
    """
    holder = subscription.holder
    if holder.element.behaviour == "event_based":
        close_all(engine, holder)
    elif not subscription.repeats:
        close(engine, subscription)
    engine.flow.do("trigger", holder, [subscription.event.id, payload, message_key])


def fire_timer(engine: Engine, subscription: Subscription) -> None:
    """Handle a due timer: schedule its next time, if it has one, and trigger its event."""
    schedule = subscription.schedule
    if subscription.repeats and schedule is not None:
        following = schedule.following(subscription.due_ms, engine.clock.now_ms())
        if following is None:
            close(engine, subscription)
            engine.flow.do("trigger", subscription.holder, [subscription.event.id, {}])
            return
        subscription.schedule = following
        subscription.due_ms = following.first_due
        engine.agenda.add("timer", subscription.timer_key, subscription.due_ms)
        engine.touch(subscription.holder)
    trigger(engine, subscription, {})


def _make(engine: Engine, holder: ElementInstance, element: Element) -> Subscription | None:
    event = element.event
    if event is None or event.kind is EventKind.ERROR:
        return None
    subscription = Subscription(holder, element, event.kind)
    match event.kind:
        case EventKind.MESSAGE:
            assert event.name is not None  # noqa: S101 - the checks see to it
            # A boundary event's message name is evaluated in the scope around the activity.
            scope = holder.parent if element.tag == "boundaryEvent" and holder.parent is not None else holder
            subscription.name = text_value(engine, event.name, Visible(scope), "the message name")
            subscription.correlation_key = correlation_key_of(engine, scope, event)
        case EventKind.SIGNAL:
            assert event.name is not None  # noqa: S101 - the checks see to it
            subscription.name = text_value(engine, event.name, Visible(holder), "the signal name")
        case _:
            subscription.schedule = schedule_of(engine, event, Visible(holder))
            subscription.due_ms = subscription.schedule.first_due
            subscription.timer_key = engine.keys.take()
    return subscription


def schedule_of(engine: Engine, event: Event, variables: Visible) -> Schedule:
    """Evaluate a timer's text.

    Raises:
        StepFailedError: It is not a date, duration or cycle.
    """
    assert event.text is not None  # noqa: S101 - the checks see to it
    assert event.timer is not None  # noqa: S101 - the checks see to it
    try:
        value = event.text.raw(variables, engine.clock.now)
        return read_schedule(event.timer, value, engine.clock.now_ms())
    except (ExpressionError, ScheduleError) as error:
        raise StepFailedError(EXTRACT_VALUE, str(error)) from None
