"""Publish messages, buffer them, and deliver them to waiting instances or start processes with them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from zeebe_connectors.engine.flow import subscriptions
from zeebe_connectors.engine.flow.instances import State
from zeebe_connectors.engine.happenings import HappeningKind
from zeebe_connectors.engine.key_queue import KeyQueue
from zeebe_connectors.engine.rejections import RejectionCode, invalid, rejected

if TYPE_CHECKING:
    from zeebe_connectors.engine.core import Engine
    from zeebe_connectors.engine.definitions import Definition
    from zeebe_connectors.engine.flow.instances import ElementInstance
    from zeebe_connectors.engine.flow.subscriptions import Subscription


class Message:
    """A published message.

    Attributes:
        until_ms: When it leaves the buffer.
        seen: Ids of the processes that received it; each receives it once.
        given: How many waiting instances it was given to that have not reacted yet.
        reached: The first process instance that received it; 0 while there is none.
    """

    __slots__ = (
        "correlation_key", "given", "key", "message_id", "name", "reached", "seen", "until_ms", "variables",
    )  # fmt: skip

    def __init__(
        self, key: int, name: str, correlation_key: str, message_id: str, until_ms: int, variables: dict[str, Any]
    ) -> None:
        self.key = key
        self.name = name
        self.correlation_key = correlation_key
        self.message_id = message_id
        self.until_ms = until_ms
        self.variables = variables
        self.seen: set[str] = set()
        self.given = 0
        self.reached = 0


class Correlation:
    """What comes of a message that must be received now: an instance may end before it can react."""

    def __init__(self, message: Message) -> None:
        self._message = message

    @property
    def decided(self) -> bool:
        """Whether an instance has received the message, or none can any more; without a host, this is so at once."""
        return bool(self._message.reached) or self._message.given <= 0

    def keys(self) -> tuple[int, int]:
        """Return the message's key, and that of the first process instance that received it.

        Raises:
            Rejection: No instance has received it.
        """
        message = self._message
        if not message.reached:
            raise rejected(
                "CORRELATE",
                RejectionCode.NOT_FOUND,
                f"Expected to find subscription for message with name '{message.name}' and correlation key "
                f"'{message.correlation_key}', but none was found.",
            )
        return message.key, message.reached


class Messages:
    """The buffered messages and the open message subscriptions of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.buffer: dict[int, Message] = {}
        self._given: dict[int, Message] = {}  # on their way to an instance, which may end before it can react
        self._by_address: defaultdict[tuple[str, str], dict[int, Message]] = defaultdict(dict)
        # By address, then by process, then by the key after which messages count: what the process has not received.
        self._unseen: dict[tuple[str, str], dict[str, dict[int, KeyQueue[Message]]]] = {}
        self._ids: set[tuple[str, str, str]] = set()
        # By address, then by process, as each process receives a message once; then in the order of opening.
        self._waiting: defaultdict[tuple[str, str], dict[str, dict[Subscription, None]]] = defaultdict(dict)
        self._locks: dict[tuple[str, str], int] = {}

    # --- subscriptions

    def add(self, subscription: Subscription) -> None:
        """Open a subscription."""
        by_process = self._waiting[subscription.name, subscription.correlation_key]
        waiting = by_process.setdefault(subscription.holder.process.definition.bpmn_process_id, {})
        late = waiting and next(reversed(waiting)).holder.key > subscription.holder.key
        waiting[subscription] = None
        if late:  # an incident has held it up; after a restart it would be in its place, too
            in_order = sorted(waiting, key=lambda other: other.holder.key)
            waiting.clear()
            waiting.update(dict.fromkeys(in_order))

    def remove(self, subscription: Subscription) -> None:
        """Close a subscription."""
        address = subscription.name, subscription.correlation_key
        process_id = subscription.holder.process.definition.bpmn_process_id
        by_process = self._waiting.get(address)
        if by_process is None or process_id not in by_process:
            return
        by_process[process_id].pop(subscription, None)
        if not by_process[process_id]:
            del by_process[process_id]
        if not by_process:
            del self._waiting[address]

    def open_subscriptions(self) -> list[Subscription]:
        """Return all open subscriptions."""
        return [
            subscription
            for by_process in self._waiting.values()
            for waiting in by_process.values()
            for subscription in waiting
        ]

    def correlate_buffered(self, subscription: Subscription) -> None:
        """Deliver the oldest buffered message for a new subscription, or all if it stays open."""
        address = subscription.name, subscription.correlation_key
        process_id = subscription.holder.process.definition.bpmn_process_id
        while (message := self._oldest_unseen(address, process_id)) is not None:
            self._give(message, subscription)
            if not subscription.repeats:
                return

    def _oldest_unseen(self, address: tuple[str, str], process_id: str, after: int = 0) -> Message | None:
        """Return the oldest buffered message that a process has not received; only keys above `after` count."""
        buffered = self._by_address.get(address)
        if not buffered:
            return None
        queues = self._unseen.setdefault(address, {}).setdefault(process_id, {})
        queue = queues.get(after)
        if queue is None:  # from now on it follows the buffer, so that the next answer needs no search
            queue = queues[after] = KeyQueue()
            for message in buffered.values():
                if message.key > after and process_id not in message.seen:
                    queue.add(message)
        now = self._engine.clock.now_ms()
        while queue:
            message = queue.first()
            if message.until_ms > now:
                return message
            self.expire(message.key)
        return None

    def _give(self, message: Message, subscription: Subscription) -> None:
        self._saw(message, subscription.holder.process.definition.bpmn_process_id)
        message.given += 1
        self._given[message.key] = message
        if self._engine.observers:
            self._engine.tell(
                HappeningKind.MESSAGE_CORRELATED, message.key, subscription.holder, {"name": message.name}
            )
        subscriptions.trigger(self._engine, subscription, dict(message.variables), message.key)

    def given(self, key: int, holder: ElementInstance, *, reacts: bool) -> None:
        """Note whether an instance reacts to a message; if it had ended before, another of its process gets it."""
        message = self._given.get(key) or self.buffer.get(key)  # after a restart, only the buffer knows it
        if message is None:
            return
        message.given -= 1
        if reacts:
            message.reached = message.reached or holder.process.key
        else:
            self._offer_again(message, holder.process.definition.bpmn_process_id)
        if message.given <= 0:
            self._given.pop(key, None)

    def _offer_again(self, message: Message, process_id: str) -> None:
        message.seen.discard(process_id)
        if message.key in self.buffer:
            self._engine.changes.messages[message.key] = message
            self._queue(message, process_id)
        waiting = self._waiting.get((message.name, message.correlation_key), {}).get(process_id, ())
        other = next((found for found in waiting if found.holder.state is State.ACTIVATED), None)
        if other is not None:
            self._give(message, other)

    def _saw(self, message: Message, process_id: str) -> None:
        message.seen.add(process_id)
        if message.key in self.buffer:
            self._engine.changes.messages[message.key] = message
            for queue in self._unseen.get((message.name, message.correlation_key), {}).get(process_id, {}).values():
                queue.discard(message)

    def _queue(self, message: Message, process_id: str) -> None:
        """Queue a buffered message for a process that has not received it."""
        for after, queue in self._unseen.get((message.name, message.correlation_key), {}).get(process_id, {}).items():
            if message.key > after:
                queue.add(message)

    # --- publishing

    def publish(
        self, name: str, correlation_key: str, variables: dict[str, Any], ttl_ms: int, message_id: str
    ) -> Message:
        """Deliver a message to all waiting instances, and buffer it; return it.

        Raises:
            Rejection: It has no name, or its id is that of a message in the buffer.
        """
        engine = self._engine
        if not name:
            raise invalid("Expected to publish a message with a name, but the name was blank")
        identity = (name, correlation_key, message_id)
        if message_id and identity in self._ids:
            raise rejected(
                "PUBLISH",
                RejectionCode.ALREADY_EXISTS,
                f"Expected to publish a new message with id '{message_id}', but a message with that id was already "
                "published",
            )
        now = engine.clock.now_ms()
        message = Message(engine.keys.take(), name, correlation_key, message_id, now + max(ttl_ms, 0), variables)
        if ttl_ms > 0:
            self._buffer(message)
        if engine.observers:
            engine.tell(HappeningKind.MESSAGE_PUBLISHED, message.key, None, {"name": name, "key": correlation_key})
        first = [next(iter(waiting)) for waiting in self._waiting.get((name, correlation_key), {}).values()]
        for subscription in first:
            self._give(message, subscription)
        for definition, event_id in engine.definitions.started_by_message(name):
            self._start(message, definition, event_id)
        return message

    def _buffer(self, message: Message) -> None:
        self.restore(message)
        self._engine.changes.messages[message.key] = message

    def restore(self, message: Message) -> None:
        """Put a message into the buffer."""
        self.buffer[message.key] = message
        address = message.name, message.correlation_key
        self._by_address[address][message.key] = message
        for process_id in self._unseen.get(address, ()):
            self._queue(message, process_id)
        if message.message_id:
            self._ids.add((message.name, message.correlation_key, message.message_id))
        self._engine.agenda.add("message", message.key, message.until_ms)

    def expire(self, key: int) -> None:
        """Drop a message whose time is over from the buffer."""
        message = self.buffer.pop(key, None)
        if message is None:
            return
        address = message.name, message.correlation_key
        for queues in self._unseen.get(address, {}).values():
            for queue in queues.values():
                queue.discard(message)
        self._by_address[address].pop(key, None)
        if not self._by_address[address]:
            del self._by_address[address]
            self._unseen.pop(address, None)
        self._ids.discard((*address, message.message_id))
        self._engine.changes.messages[key] = None

    # --- processes that messages start

    def _start(self, message: Message, definition: Definition, event_id: str) -> bool:
        """Start a process with a message; return whether it starts."""
        process_id, key = definition.bpmn_process_id, message.correlation_key
        if process_id in message.seen or (key and (process_id, key) in self._locks):
            return False
        self._saw(message, process_id)
        begin = {"event": event_id, "variables": dict(message.variables)}
        instance = self._engine.start_process(definition, {}, begin=begin, correlation_key=key)
        message.reached = message.reached or instance.key
        return True

    def lock(self, process_id: str, correlation_key: str, instance_key: int) -> None:
        """Keep messages of a key from starting further instances while one is active."""
        self._locks[process_id, correlation_key] = instance_key

    def unlock(self, process_id: str, correlation_key: str) -> None:
        """Handle the end of an instance that a message started: its key's next buffered message starts another."""
        self._locks.pop((process_id, correlation_key), None)
        definition = self._engine.definitions.latest(process_id)
        if definition is None or not definition.start_messages or not self.buffer:
            return
        names, first = dict(definition.start_messages), self._engine.definitions.first_key(process_id)
        found = [self._oldest_unseen((name, correlation_key), process_id, first) for name in names]
        oldest = min(
            (message for message in found if message is not None), key=lambda message: message.key, default=None
        )
        if oldest is not None:
            self._start(oldest, definition, names[oldest.name])
