"""Run the queue of steps, and take every element instance through its life cycle."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from zeebe_connectors.engine.flow import errors, gateways, interruptions, multi_instance, scopes, subscriptions
from zeebe_connectors.engine.flow.behaviours import BEHAVIOURS
from zeebe_connectors.engine.flow.instances import ElementInstance, State, Visit
from zeebe_connectors.engine.flow.variables import apply_inputs, apply_outputs
from zeebe_connectors.engine.happenings import HappeningKind
from zeebe_connectors.engine.incidents import UNKNOWN, StepFailedError
from zeebe_connectors.engine.model import Element, SequenceFlow

if TYPE_CHECKING:
    from zeebe_connectors.engine.core import Engine

log = logging.getLogger(__name__)
_STEPS_BETWEEN_LOOKS_AT_THE_CLOCK = 32
_ENDED = {State.COMPLETED: HappeningKind.ELEMENT_COMPLETED, State.TERMINATED: HappeningKind.ELEMENT_TERMINATED}
Step = Callable[[ElementInstance, Any], None]


class Flow:
    """The token flow of an engine.

    A step is a name, an element instance and an argument that JSON can hold, so that a non-empty queue can be stored,
    and a step that an incident stopped can be repeated. Steps never call one another; they queue the next.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.queue: deque[tuple[str, ElementInstance, Any]] = deque()
        self.taken = 0
        """How many steps have left the queue, which tells the store what is new in it."""
        self._running = False
        self._steps: dict[str, Step] = {
            "activate": self._activate,
            "complete": self._complete,
            "trigger": self._trigger,
            "settle": self._settle,
            "join": lambda container, _: gateways.join_inclusive(self, container),
            "start-some": lambda body, _: multi_instance.start_some(self, body),
            "inner-completed": lambda inner, _: multi_instance.inner_completed(self, inner),
        }

    # --- the queue

    def do(self, step: str, instance: ElementInstance, argument: Any = None) -> None:
        """Queue a step."""
        self.queue.append((step, instance, argument))

    def run(self, seconds: float | None = None) -> bool:
        """Do steps until none is left, or until the processor time is used up; return whether none is left.

        Slices are measured in processor time, because on a busy machine the clock continues while others work, and each
        slice costs a transaction.
        """
        if self._running:
            return True
        self._running = True
        queue, steps = self.queue, self._steps
        deadline = time.thread_time() + seconds if seconds is not None else None
        count = 0
        try:
            while queue:
                name, instance, argument = queue.popleft()
                self.taken += 1
                try:
                    steps[name](instance, argument)
                except StepFailedError as error:
                    instance.pending = (name, None if error.done else argument)
                    self.engine.incidents.raise_for(instance, error.kind, str(error))
                except Exception:  # a defect of the engine must not bring down the other processes
                    log.exception("The step %s of element %s failed", name, instance.element.id)
                    instance.pending = (name, argument)
                    self.engine.incidents.raise_for(instance, UNKNOWN, "The engine failed at this step; see its log.")
                count += 1
                if (
                    deadline is not None
                    and count % _STEPS_BETWEEN_LOOKS_AT_THE_CLOCK == 0
                    and time.thread_time() > deadline
                ):
                    break
        finally:
            self._running = False
        return not queue

    # --- life of an element instance

    def enter(self, element: Element, container: ElementInstance, payload: Any = None) -> ElementInstance:
        """Create an instance of an element, to be activated."""
        instance = self.create(element, container)
        instance.payload = payload
        self.do("activate", instance)
        return instance

    def enter_triggered(self, element: Element, container: ElementInstance, payload: dict[str, Any]) -> None:
        """Create an instance of an event that has just happened; it completes with the event's variables."""
        instance = self.create(element, container)
        self.activated(instance)
        self.do("complete", instance, payload)

    def create(self, element: Element, container: ElementInstance, index: int = -1) -> ElementInstance:
        """Create an instance of an element inside a container."""
        engine = self.engine
        instance = ElementInstance(engine.keys.take(), element, container, container.process, index)
        if container.children is None:
            container.children = {}
        container.children[instance.key] = instance
        engine.elements[instance.key] = instance
        engine.touch(instance)
        return instance

    def activated(self, instance: ElementInstance, waits_for: Sequence[Element] = ()) -> None:
        """Make an instance active: from now on it waits for its own events and its boundary events.

        Raises:
            StepFailedError: An event's name, key or time cannot be evaluated; then the instance waits for nothing.
        """
        engine = self.engine
        # The boundary events of a multi-instance activity belong to its body.
        boundaries = instance.element.boundaries if instance.index < 0 else ()
        if waits_for or boundaries:
            subscriptions.open_all(engine, instance, [*waits_for, *boundaries])
        instance.state = State.ACTIVATED
        engine.touch(instance)
        if instance.visit is None:
            instance.visit = Visit(instance, engine.clock.now_ms())
            instance.process.visited(instance.visit)
        if engine.observers:
            engine.tell(HappeningKind.ELEMENT_ACTIVATED, instance.key, instance)

    def leave(self, instance: ElementInstance, flows: list[SequenceFlow]) -> None:
        """End a completed instance, take its outgoing flows, and update its container."""
        container = instance.parent
        assert container is not None  # noqa: S101 - a process is not left, it ends
        self.finish(instance, State.COMPLETED)
        for flow in flows:
            gateways.take(self, flow, container)
        self.look_at(container)

    def look_at(self, container: ElementInstance) -> None:
        """Queue what may follow from the end of an element inside a container."""
        if container.arrivals:
            self.do("join", container)
        if not container.children:
            self.do("settle", container)

    def finish(self, instance: ElementInstance, state: State) -> None:
        """End an instance for good: nothing waits for it, and it has no job and no incident."""
        engine = self.engine
        instance.state = state
        if instance.subscriptions:
            subscriptions.close_all(engine, instance)
        if instance.job is not None:
            engine.jobs.drop(instance.job)
        if instance.incident:
            engine.incidents.remove(instance)
        if instance.parent is not None and instance.parent.children is not None:
            instance.parent.children.pop(instance.key, None)
        engine.elements.pop(instance.key, None)
        engine.forget(instance)
        if instance.visit is not None:
            instance.visit.state = state
            instance.visit.ended_ms = engine.clock.now_ms()
        if engine.observers:
            engine.tell(_ENDED[state], instance.key, instance)

    def terminate(self, instance: ElementInstance) -> None:
        """End an instance and everything active inside it or called by it, the innermost first."""
        found: list[ElementInstance] = []
        waiting = [instance]
        while waiting:
            current = waiting.pop()
            current.state = State.TERMINATING
            found.append(current)
            if current.children:
                waiting.extend(current.children.values())
            if current.called is not None:
                waiting.append(current.called.root)
        for current in reversed(found):
            self.finish(current, State.TERMINATED)
            if current.parent is None:
                self.engine.process_ended(current.process, State.TERMINATED)

    # --- the steps

    def _activate(self, instance: ElementInstance, _: Any) -> None:
        if instance.state is not State.ACTIVATING:
            return
        element = instance.element
        before = dict(instance.variables) if instance.variables and element.inputs else None
        try:
            if instance.is_body:
                multi_instance.activate_body(self, instance)
                return
            if element.event_triggered:
                scopes.receive_event(self, instance)
            if element.inputs and not instance.begins_inside:
                apply_inputs(self.engine, instance)
            BEHAVIOURS[element.behaviour].activate(self, instance)
        except StepFailedError:
            subscriptions.close_all(self.engine, instance)
            instance.state = State.ACTIVATING
            if element.inputs and not instance.is_body:
                instance.variables = before  # the mappings are repeated, too, and must not see their own results
            raise

    def _complete(self, instance: ElementInstance, payload: dict[str, Any] | None) -> None:
        if instance.state is not State.ACTIVATED and instance.state is not State.COMPLETING:
            return
        instance.state = State.COMPLETING
        if payload or instance.element.outputs:
            apply_outputs(self.engine, instance, payload)
        if instance.index >= 0:
            self.engine.touch(instance)
            self.do("inner-completed", instance)
        elif instance.parent is None:
            self.finish(instance, State.COMPLETED)
            self.engine.process_ended(instance.process, State.COMPLETED)
        else:
            target = instance.element.link_target
            if target is not None:
                self.enter(target, instance.parent)
            self.leave(instance, [] if target is not None else instance.element.outgoing)

    def _settle(self, container: ElementInstance, _: Any) -> None:
        """Complete a container in which nothing is active any more."""
        if container.state is State.ACTIVATED and not container.children and not container.arrivals:
            if container.is_body:
                return  # it completes when its instances are counted
            container.state = State.COMPLETING
            self.do("complete", container)

    def _trigger(self, holder: ElementInstance, argument: list[Any]) -> None:
        """Handle an event that an instance waits for; a message that comes too late may find another receiver."""
        event_id, payload, *messages = argument
        reacts = True  # if the step fails, too: then its incident has the message, and nobody else gets it
        try:
            reacts = self._react(holder, holder.process.definition.model.index[event_id], payload)
        finally:
            if messages:
                self.engine.messages.given(messages[0], holder, reacts=reacts)

    def _react(self, holder: ElementInstance, event: Element, payload: dict[str, Any]) -> bool:
        """Let an event happen at what waits for it; return False if that has ended."""
        if holder.state not in {State.ACTIVATED, State.COMPLETING}:
            return False
        if event.tag == "boundaryEvent":
            interruptions.trigger_boundary(self, holder, event, payload)
        elif event.tag == "startEvent" and event.parent is not None:
            return interruptions.trigger_event_subprocess(self, holder, event.parent, payload)
        elif holder.element.behaviour == "event_based":
            container = holder.parent
            assert container is not None  # noqa: S101 - a gateway is inside a container
            self.finish(holder, State.COMPLETED)
            self.enter_triggered(event, container, payload)
        else:
            self.do("complete", holder, payload)
        return True

    def throw_error(self, instance: ElementInstance, code: str, payload: dict[str, Any]) -> bool:
        """Throw an error from an element; return whether something catches it. If nothing does, nothing changes."""
        catcher = errors.find_catcher(instance, code)
        if catcher is not None:
            errors.trigger(self, catcher, payload)
        return catcher is not None
