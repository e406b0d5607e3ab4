"""Hold running process instances and their element instances."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from zeebe_connectors.engine.model import Element

if TYPE_CHECKING:
    from zeebe_connectors.engine.definitions import Definition
    from zeebe_connectors.engine.flow.subscriptions import Subscription
    from zeebe_connectors.engine.jobs import Job

_MAX_PATH = 10_000


class State(IntEnum):
    """The state of an element instance in its life cycle."""

    ACTIVATING = 0
    ACTIVATED = 1
    COMPLETING = 2
    COMPLETED = 3
    TERMINATING = 4
    TERMINATED = 5


class Visit:
    """One element instance in the path of its process instance; it remains when the instance has ended."""

    __slots__ = ("element", "ended_ms", "index", "key", "scope_key", "started_ms", "state")

    def __init__(self, instance: ElementInstance, started_ms: int) -> None:
        self.key = instance.key
        self.element = instance.element
        self.scope_key = instance.parent.key if instance.parent is not None else 0
        self.index = instance.index
        self.state = State.ACTIVATED
        self.started_ms = started_ms
        self.ended_ms = 0


class Rounds:
    """The progress of a multi-instance body.

    Attributes:
        items: The collection; empty once all instances were made.
        total: How many instances there will be.
        started: How many were started.
        completed: How many were completed.
        outputs: The list of outputs as the body last wrote it to its variable; None if there is none, or if another
            element has written to the variable.
        unsaved: The places in that list that the store does not have yet.
        stored: Whether the store has the items.
    """

    __slots__ = ("completed", "items", "outputs", "started", "stored", "total", "unsaved")

    def __init__(self, items: list[Any], total: int, started: int = 0, completed: int = 0) -> None:
        self.items = items
        self.total = total
        self.started = started
        self.completed = completed
        self.outputs: list[Any] | None = None
        self.unsaved: list[int] = []
        self.stored = False


class ElementInstance:
    """One activation of an element, and the scope of its local variables.

    Attributes:
        key: Its key; that of the process instance for the process itself.
        index: Its position in a multi-instance body, from 0; -1 for all others.
        variables: Its local variables; None while it has none.
        children: What is active inside, by key.
        arrivals: How many tokens came over each flow to a gateway that waits for others, by gateway and flow.
        subscriptions: The messages, signals and timers that it waits for.
        pending: The step that an incident stopped.
        payload: Variables of a triggering event, or a list of the ids of the elements that a sub-process starts at;
            None once it is activated.
        interrupted: Whether an interrupting event sub-process or a terminate end event has ended all else inside.
        stored: Whether the store has a row for it.
    """

    __slots__ = (
        "arrivals", "called", "children", "element", "incident", "index", "interrupted", "job", "key", "parent",
        "payload", "pending", "process", "rounds", "state", "stored", "subscriptions", "variables", "visit",
    )  # fmt: skip

    def __init__(
        self, key: int, element: Element, parent: ElementInstance | None, process: ProcessInstance, index: int = -1
    ) -> None:
        self.key = key
        self.element = element
        self.parent = parent
        self.process = process
        self.index = index
        self.state = State.ACTIVATING
        self.variables: dict[str, Any] | None = None
        self.children: dict[int, ElementInstance] | None = None
        self.arrivals: dict[str, dict[str, int]] | None = None
        self.subscriptions: list[Subscription] | None = None
        self.job: Job | None = None
        self.rounds: Rounds | None = None
        self.called: ProcessInstance | None = None
        self.pending: tuple[str, Any] | None = None
        self.payload: Any = None
        self.incident = 0
        self.interrupted = False
        self.stored = False
        self.visit: Visit | None = None

    def set_local(self, name: str, value: Any) -> None:
        """Set a variable in this scope."""
        if self.variables is None:
            self.variables = {}
        self.variables[name] = value

    @property
    def begins_inside(self) -> bool:
        """Whether it is a sub-process that starts at the elements that a start instruction named."""
        return isinstance(self.payload, list)

    @property
    def is_body(self) -> bool:
        """Whether it is the body of a multi-instance activity."""
        return self.element.loop is not None and self.index < 0


class ProcessInstance:
    """One run of a process.

    Attributes:
        root: The element instance of the process itself.
        caller: The call activity that waits for it; None if nothing called it.
        correlation_key: The key of the message that started it, which starts no other while it runs; empty for none.
        depth: The number of calls above it.
        path: The last 10,000 element instances, in the order of activation.
    """

    __slots__ = (
        "caller", "correlation_key", "definition", "depth", "ended_ms", "key", "path", "root", "started_ms", "state",
    )  # fmt: skip

    def __init__(self, key: int, definition: Definition, caller: ElementInstance | None, started_ms: int) -> None:
        self.key = key
        self.definition = definition
        self.caller = caller
        self.correlation_key = ""
        self.depth: int = caller.process.depth + 1 if caller is not None else 0
        self.started_ms = started_ms
        self.ended_ms = 0
        self.state = State.ACTIVATED
        self.path: list[Visit] = []
        self.root = ElementInstance(key, definition.model, None, self)

    def visited(self, visit: Visit) -> None:
        """Add to the path; the first half of a very long one is dropped."""
        if len(self.path) >= _MAX_PATH:
            del self.path[: _MAX_PATH // 2]
        self.path.append(visit)

    def dissolve(self) -> None:
        """Break the reference cycle between instance and root, so that their memory is freed at once."""
        del self.root.process
