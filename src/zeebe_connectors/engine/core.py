"""Execute commands: the engine in process, without a network and without asyncio."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from zeebe_connectors.engine.agenda import Agenda
from zeebe_connectors.engine.clock import Clock
from zeebe_connectors.engine.definitions import Definition, Definitions, Deployment
from zeebe_connectors.engine.finished import Finished
from zeebe_connectors.engine.flow import subscriptions
from zeebe_connectors.engine.flow.calls import called_ended
from zeebe_connectors.engine.flow.flow import Flow
from zeebe_connectors.engine.flow.instances import ElementInstance, ProcessInstance, State
from zeebe_connectors.engine.flow.subscriptions import Subscription
from zeebe_connectors.engine.flow.variables import propagate, set_variables
from zeebe_connectors.engine.happenings import Happening, HappeningKind, Observer
from zeebe_connectors.engine.incidents import Incidents
from zeebe_connectors.engine.jobs import ActivatedJob, Jobs
from zeebe_connectors.engine.keys import Keys
from zeebe_connectors.engine.messages import Correlation, Messages
from zeebe_connectors.engine.model import Element
from zeebe_connectors.engine.queries import Queries
from zeebe_connectors.engine.rejections import RejectionCode, rejected
from zeebe_connectors.engine.signals import Signals
from zeebe_connectors.engine.start_instructions import check_start_instructions
from zeebe_connectors.engine.store import Changes, MemoryStore, Store

_TIMERS_AT_ONCE = 100
_MAX_RUN_SECONDS = 30.0  # a limit without a host, as a process may loop forever
LATEST = -1


class Engine:
    """A BPMN engine: deploy processes, start them, answer their jobs.

    Every command changes the state at once, or raises `Rejection` and changes nothing. Without a host, a command also
    runs the flow until everything waits, and writes what changed. With one (`Host`), the host does both.

    Args:
        store: Where the state is kept; existing state is loaded. None: in memory.
        clock: The engine's time; None: the machine's, which `advance` can move.
        scheduler: Called after each command, to have the flow run and saved; None: the engine does both itself.
    """

    def __init__(
        self,
        store: Store | None = None,
        clock: Clock | None = None,
        scheduler: Callable[[], None] | None = None,
    ) -> None:
        self.store: Store = store or MemoryStore()
        self.identity = f"local-{uuid4()}"
        """Identifies this engine's state, because a fresh engine issues the same keys again."""
        self.clock = clock or Clock()
        self.changes = Changes()
        self.keys = Keys()
        self.agenda = Agenda()
        self.observers: list[Observer] = []
        self.elements: dict[int, ElementInstance] = {}
        self.instances: dict[int, ProcessInstance] = {}
        self.finished = Finished()
        self.timers: dict[int, Subscription] = {}
        self.definitions = Definitions(self)
        self.incidents = Incidents(self)
        self.jobs = Jobs(self)
        self.messages = Messages(self)
        self.signals = Signals(self)
        self.flow = Flow(self)
        self.queries = Queries(self)
        self.scheduler = scheduler
        self._awaited: dict[int, Callable[[ProcessInstance], None]] = {}
        self.store.load(self)
        if scheduler is not None:
            scheduler()
        else:  # what became due meanwhile waits for the first command, or for the host
            self.flow.run(_MAX_RUN_SECONDS)
            self.save()

    # --- running

    def _after(self) -> None:
        """Continue after a command."""
        if self.scheduler is not None:
            self.scheduler()
        else:
            self._run_all()

    def _run_all(self) -> None:
        """Run the flow until everything waits, together with what is due already, such as a timer of no duration."""
        end = time.thread_time() + _MAX_RUN_SECONDS
        idle, due = self.flow.run(_MAX_RUN_SECONDS), self.is_due()
        while idle and due and time.thread_time() < end:
            self.process_due()
            idle, due = self.flow.run(max(0.0, end - time.thread_time())), self.is_due()
        self.save()
        if not idle or due:
            raise _endless()

    def save(self) -> None:
        """Write what changed since the last time, in one transaction."""
        self.store.save(self)

    def close(self) -> None:
        """Write what changed, and close the store."""
        self.save()
        self.store.close()

    def is_due(self) -> bool:
        """Return whether something is due now."""
        due = self.agenda.next_due()
        return due is not None and due <= self.clock.now_ms()

    def process_due(self) -> None:
        """Run up to a hundred due actions."""
        for _ in range(_TIMERS_AT_ONCE):
            found = self.agenda.pop(self.clock.now_ms())
            if found is None:
                return
            kind, key = found
            match kind:
                case "job":
                    self.jobs.due(key)
                case "message":
                    self.messages.expire(key)
                case "start":
                    self.definitions.timer_due(key)
                case _:
                    self._timer_due(key)

    def _timer_due(self, key: int) -> None:
        subscription = self.timers.get(key)
        if subscription is None:
            return
        if self.observers:
            self.tell(HappeningKind.TIMER_FIRED, key, subscription.holder, {"element": subscription.event.id})
        subscriptions.fire_timer(self, subscription)

    def advance(self, seconds: float) -> None:
        """Move the clock forward; everything that becomes due on the way happens at its own time, in order."""
        self.advance_to(self.clock.now_ms() + round(seconds * 1000))

    def advance_to(self, time_ms: int) -> None:
        """Move the clock forward to a time, in milliseconds since 1970."""
        moment, end = None, 0.0
        while (due := self.agenda.next_due()) is not None and due <= time_ms:
            if due != moment:
                moment, end = due, time.thread_time() + _MAX_RUN_SECONDS
            self.clock.move_to(due)
            self.process_due()
            if not self.flow.run(_MAX_RUN_SECONDS) or time.thread_time() > end:
                raise _endless()
        self.clock.move_to(time_ms)
        self.changes.clock = True
        self._after()

    # --- bookkeeping for the other modules

    def touch(self, instance: ElementInstance) -> None:
        """Remember that an element instance has to be written."""
        self.changes.elements[instance.key] = instance

    def forget(self, instance: ElementInstance) -> None:
        """Remember that an element instance has to be deleted."""
        if instance.stored:
            self.changes.elements[instance.key] = None
            if instance.rounds is not None:
                self.changes.ended_bodies.append(instance.key)
        else:
            self.changes.elements.pop(instance.key, None)

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Call an observer with everything that happens; return the function that ends it."""
        self.observers.append(observer)
        return lambda: self.observers.remove(observer) if observer in self.observers else None

    def tell(
        self, kind: HappeningKind, key: int, instance: ElementInstance | None, data: dict[str, Any] | None = None
    ) -> None:
        """Notify the observers of what happened at an element."""
        if instance is None:
            self.tell_of(kind, key, data=data)
            return
        process = instance.process
        self.tell_of(
            kind,
            key,
            instance_key=process.key,
            bpmn_process_id=process.definition.bpmn_process_id,
            element=instance.element,
            data=data,
        )

    def tell_of(
        self,
        kind: HappeningKind,
        key: int,
        *,
        instance_key: int = 0,
        bpmn_process_id: str = "",
        element: Element | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        """Notify the observers of what happened."""
        happening = Happening(
            kind,
            self.clock.now_ms(),
            key,
            instance_key,
            bpmn_process_id,
            element.id if element is not None else "",
            (element.name or element.id) if element is not None else "",
            element.type if element is not None else "",
            data or {},
        )
        for observer in list(self.observers):
            observer(happening)

    # --- process instances

    def start_process(
        self,
        definition: Definition,
        variables: dict[str, Any],
        *,
        caller: ElementInstance | None = None,
        begin: dict[str, Any] | None = None,
        correlation_key: str = "",
    ) -> ProcessInstance:
        """Create an instance of a process, and queue its first step."""
        process = ProcessInstance(self.keys.take(), definition, caller, self.clock.now_ms())
        process.correlation_key = correlation_key
        if correlation_key:
            self.messages.lock(definition.bpmn_process_id, correlation_key, process.key)
        root = process.root
        root.payload = begin
        self.instances[process.key] = process
        self.elements[root.key] = root
        self.touch(root)
        set_variables(self, root, variables)
        self.flow.do("activate", root)
        return process

    def process_ended(self, process: ProcessInstance, state: State) -> None:
        """Handle the end of a process instance: notify its waiters, and start what waited for its end."""
        self.instances.pop(process.key, None)
        process.state = state
        process.ended_ms = self.clock.now_ms()
        caller = process.caller
        if process.correlation_key:
            self.messages.unlock(process.definition.bpmn_process_id, process.correlation_key)
        waiting = self._awaited.pop(process.key, None)
        if waiting is not None:
            waiting(process)
        if caller is not None and state is State.COMPLETED and caller.called is process:
            called_ended(self.flow, caller, process.root.variables)
        self.finished.add(process)

    def on_end(self, key: int, callback: Callable[[ProcessInstance], None]) -> None:
        """Register a callback that is called once when an instance has ended."""
        self._awaited[key] = callback

    def no_longer_await(self, key: int) -> None:
        """Remove that callback."""
        self._awaited.pop(key, None)

    # --- commands

    def deploy(self, resources: Sequence[tuple[str, bytes]]) -> Deployment:
        """Deploy resources, as (name, content): BPMN is run, forms and DMN are kept.

        Raises:
            Rejection: One is invalid, or contains elements that this engine cannot run; then none is deployed.
        """
        deployment = self.definitions.deploy(resources)
        self._after()
        return deployment

    def create_instance(
        self,
        bpmn_process_id: str = "",
        *,
        version: int = LATEST,
        definition_key: int = 0,
        variables: Mapping[str, Any] | None = None,
        start_at: Sequence[str] = (),
        on_end: Callable[[ProcessInstance], None] | None = None,
    ) -> ProcessInstance:
        """Start a process.

        Args:
            bpmn_process_id: The process, with its `version`; or give the `definition_key`.
            version: Its version; -1 for the latest.
            definition_key: Key of that exact version.
            variables: The first variables.
            start_at: Ids of elements to start before, instead of the none start event.
            on_end: Called once when the instance has ended.

        Raises:
            Rejection: There is no such process, it has no none start event, or cannot begin at one of `start_at`.
        """
        definition = self._definition(bpmn_process_id, version, definition_key)
        if start_at:
            check_start_instructions(definition, start_at)
        elif definition.model.none_start is None:
            raise rejected(
                "CREATE",
                RejectionCode.INVALID_STATE,
                f"Expected to create instance of process with none start event, but there is no such event in "
                f"'{definition.bpmn_process_id}'",
            )
        begin = {"at": list(start_at)} if start_at else None
        process = self.start_process(definition, dict(variables or {}), begin=begin)
        if on_end is not None:
            self.on_end(process.key, on_end)
        self._after()
        return process

    def _definition(self, process_id: str, version: int, key: int) -> Definition:
        if key > 0:
            definition, what = self.definitions.by_key.get(key), f"definition key '{key}'"
        elif not process_id:
            raise rejected(
                "CREATE",
                RejectionCode.INVALID_ARGUMENT,
                "Expected to create a process instance of a process ID or a process definition key, but none given",
            )
        elif version == LATEST:
            definition, what = self.definitions.latest(process_id), f"process ID '{process_id}'"
        else:
            definition = self.definitions.version(process_id, version)
            what = f"process ID '{process_id}' and version '{version}'"
        if definition is None:
            raise rejected(
                "CREATE",
                RejectionCode.NOT_FOUND,
                f"Expected to find process definition with {what}, but none found",
            )
        return definition

    def cancel_instance(self, key: int) -> None:
        """End a process instance with everything that it called.

        Raises:
            Rejection: There is none, or another process called it.
        """
        process = self.instances.get(key)
        if process is None:
            raise rejected(
                "CANCEL",
                RejectionCode.NOT_FOUND,
                f"Expected to cancel a process instance with key '{key}', but no such process was found",
            )
        if process.caller is not None:
            top = process
            while top.caller is not None:
                top = top.caller.process
            raise rejected(
                "CANCEL",
                RejectionCode.INVALID_STATE,
                f"Expected to cancel a process instance with key '{key}', but it is created by a parent process "
                f"instance. Cancel the root process instance '{top.key}' instead.",
            )
        self.flow.terminate(process.root)
        self._after()

    def set_variables(self, scope_key: int, variables: Mapping[str, Any], *, local: bool = False) -> int:
        """Set variables of a process instance or element instance; return the command's key.

        Args:
            scope_key: The process instance or element instance.
            variables: Names and values.
            local: True: in exactly this scope; False: each in the nearest scope that has it, else in the process.

        Raises:
            Rejection: There is no such instance.
        """
        instance = self.elements.get(scope_key)
        if instance is None:
            raise rejected(
                "UPDATE",
                RejectionCode.NOT_FOUND,
                f"Expected to update variables for element with key '{scope_key}', but no such element was found",
            )
        (set_variables if local else propagate)(self, instance, variables)
        key = self.keys.take()
        self._after()
        return key

    def activate_jobs(
        self, kind: str, *, worker: str = "engine", timeout_ms: int = 60_000, max_jobs: int = 1,
        fetch: Sequence[str] = (),
    ) -> list[ActivatedJob]:  # fmt: skip
        """Activate jobs of a type for a worker, if there are any now.

        Raises:
            Rejection: An argument is blank or less than 1.
        """
        found = self.jobs.activate(kind, worker, timeout_ms, max_jobs, fetch)
        self._after()
        return found

    def complete_job(self, key: int, variables: Mapping[str, Any] | None = None) -> None:
        """Complete a job with its result.

        Raises:
            Rejection: There is no such job, or it has failed.
        """
        self.jobs.complete(key, dict(variables or {}))
        self._after()

    def fail_job(
        self, key: int, retries: int, message: str = "", *, backoff_ms: int = 0,
        variables: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Fail a job: with retries left it is offered again after the back-off, without it raises an incident.

        Raises:
            Rejection: There is no such job, or it has failed already.
        """
        self.jobs.fail(key, retries, message, backoff_ms, dict(variables or {}))
        self._after()

    def throw_error(self, key: int, code: str, message: str = "", variables: Mapping[str, Any] | None = None) -> None:
        """Throw an error from a job.

        Raises:
            Rejection: There is no such job, or it has failed.
        """
        self.jobs.throw(key, code, message, dict(variables or {}))
        self._after()

    def update_job_retries(self, key: int, retries: int) -> None:
        """Set how often a job may still be tried.

        Raises:
            Rejection: There is no such job, or the number is not positive.
        """
        self.jobs.update_retries(key, retries)
        self._after()

    def update_job_timeout(self, key: int, timeout_ms: int) -> None:
        """Set a job's timeout to this many milliseconds from now.

        Raises:
            Rejection: There is no such job, or no worker has it.
        """
        self.jobs.update_timeout(key, timeout_ms)
        self._after()

    def publish_message(
        self, name: str, correlation_key: str = "", *, variables: Mapping[str, Any] | None = None, ttl_ms: int = 0,
        message_id: str = "",
    ) -> int:  # fmt: skip
        """Publish a message; return its key.

        Raises:
            Rejection: It has no name, or one with its id is in the buffer.
        """
        message = self.messages.publish(name, correlation_key, dict(variables or {}), ttl_ms, message_id)
        self._after()
        return message.key

    def correlate_message(
        self, name: str, correlation_key: str = "", *, variables: Mapping[str, Any] | None = None
    ) -> Correlation:
        """Publish a message that must be received now; return what comes of it.

        Raises:
            Rejection: It has no name.
        """
        message = self.messages.publish(name, correlation_key, dict(variables or {}), 0, "")
        self._after()
        return Correlation(message)

    def broadcast_signal(self, name: str, variables: Mapping[str, Any] | None = None) -> int:
        """Broadcast a signal; return the broadcast's key.

        Raises:
            Rejection: The name is blank.
        """
        key = self.signals.broadcast(name, dict(variables or {}))
        self._after()
        return key

    def resolve_incident(self, key: int) -> None:
        """Retry the step of an incident, or offer its job again.

        Raises:
            Rejection: There is no such incident, or its job has no retries.
        """
        self.incidents.resolve(key)
        self._after()


def _endless() -> RuntimeError:
    return RuntimeError(f"After {_MAX_RUN_SECONDS:.0f} s a process still goes on: does it loop without waiting?")
