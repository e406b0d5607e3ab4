"""Query an engine's state, for REST answers, `engine status` and tests: frozen records, never the state itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zeebe_connectors.engine.flow.instances import ElementInstance, ProcessInstance, State, Visit
from zeebe_connectors.engine.model import EventKind

if TYPE_CHECKING:
    from zeebe_connectors.engine.core import Engine
    from zeebe_connectors.engine.definitions import Definition

ACTIVE, COMPLETED, TERMINATED = "ACTIVE", "COMPLETED", "TERMINATED"
_STATES = {State.COMPLETED: COMPLETED, State.TERMINATED: TERMINATED}


@dataclass(frozen=True, slots=True)
class DefinitionView:
    """One version of a deployed process; `xml` is its diagram."""

    key: int
    bpmn_process_id: str
    name: str
    version: int
    version_tag: str
    resource_name: str
    deployment_key: int
    xml: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class VisitView:
    """One element instance, active or ended; times are milliseconds since 1970, 0 if there is none yet."""

    key: int
    process_instance_key: int
    process_definition_key: int
    bpmn_process_id: str
    element_id: str
    element_name: str
    element_type: str
    scope_key: int
    state: str
    started_ms: int
    ended_ms: int
    incident_key: int


@dataclass(frozen=True, slots=True)
class InstanceView:
    """A process instance, running or recently ended."""

    key: int
    bpmn_process_id: str
    process_name: str
    process_definition_key: int
    version: int
    version_tag: str
    state: str
    started_ms: int
    ended_ms: int
    parent_instance_key: int
    parent_element_instance_key: int
    has_incident: bool
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VariableView:
    """A variable in its scope; the value is plain JSON data."""

    name: str
    value: Any
    scope_key: int
    process_instance_key: int


@dataclass(frozen=True, slots=True)
class JobView:
    """A job that is not done yet; `state` is ACTIVATABLE, ACTIVATED, FAILED or ERROR_THROWN."""

    key: int
    type: str
    state: str
    retries: int
    worker: str
    deadline_ms: int
    error_message: str
    headers: dict[str, str]
    process_instance_key: int
    process_definition_key: int
    bpmn_process_id: str
    element_id: str
    element_instance_key: int


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An open incident."""

    key: int
    type: str
    message: str
    created_ms: int
    job_key: int
    process_instance_key: int
    process_definition_key: int
    bpmn_process_id: str
    element_id: str
    element_instance_key: int


@dataclass(frozen=True, slots=True)
class SubscriptionView:
    """An open message subscription; `element_instance_key` is 0 for that of a start event."""

    message_name: str
    correlation_key: str
    element_id: str
    element_instance_key: int
    process_instance_key: int
    process_definition_key: int
    bpmn_process_id: str


class Queries:
    """Answers questions about an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # --- definitions

    def definitions(self, *, latest: bool = False) -> list[DefinitionView]:
        """Return the deployed versions, oldest first; with `latest`, the newest of each process only."""
        engine = self._engine
        return [
            _definition(found)
            for found in engine.definitions.all_versions()
            if not latest or engine.definitions.latest(found.bpmn_process_id) is found
        ]

    def definition(self, key: int) -> DefinitionView | None:
        """Return one version."""
        found = self._engine.definitions.by_key.get(key)
        return _definition(found) if found is not None else None

    # --- instances

    def _processes(self) -> Iterator[ProcessInstance]:
        yield from self._engine.finished
        yield from self._engine.instances.values()

    def _process(self, key: int) -> ProcessInstance | None:
        return self._engine.instances.get(key) or self._engine.finished.get(key)

    def instances(self, *, running: bool | None = None, paths: bool = True) -> list[InstanceView]:
        """Return process instances by key: the running ones, and the last thousand that ended.

        Args:
            running: True: only those that run; False: only those that ended.
            paths: Whether to tell their paths, which may be long.
        """
        found = [process for process in self._processes() if running is None or (process.ended_ms == 0) == running]
        stopped = self._stopped()
        found.sort(key=lambda process: process.key)
        return [self._instance(process, stopped, paths=paths) for process in found]

    def _stopped(self) -> set[int]:
        """Return the keys of the process instances that have an incident, or called one that has."""
        return {
            around.process.key
            for incident in self._engine.incidents.by_key.values()
            for around in _around(incident.instance)
        }

    def instance(self, key: int) -> InstanceView | None:
        """Return one process instance."""
        process = self._process(key)
        return self._instance(process, self._stopped()) if process is not None else None

    def _instance(self, process: ProcessInstance, stopped: set[int], *, paths: bool = True) -> InstanceView:
        definition, caller = process.definition, process.caller
        return InstanceView(
            key=process.key,
            bpmn_process_id=definition.bpmn_process_id,
            process_name=definition.model.name or definition.bpmn_process_id,
            process_definition_key=definition.key,
            version=definition.version,
            version_tag=definition.model.version_tag or "",
            state=_STATES.get(process.state, ACTIVE),
            started_ms=process.started_ms,
            ended_ms=process.ended_ms,
            parent_instance_key=caller.process.key if caller is not None else 0,
            parent_element_instance_key=caller.key if caller is not None else 0,
            has_incident=process.key in stopped,
            path=tuple(visit.element.id for visit in process.path if visit.element.parent is not None) if paths else (),
        )

    def element_instances(self, instance_key: int | None = None) -> list[VisitView]:
        """Return the element instances of one process instance, or of all, in the order of their activation."""
        found: list[VisitView] = []
        for process in self._chosen(instance_key):
            stopped = [  # stopped by an incident before they were activated, so they are in no path yet
                Visit(instance, process.started_ms)
                for instance in _inside(process.root)
                if instance.visit is None and instance.incident
            ]
            found.extend(self._visit(process, visit) for visit in [*process.path, *stopped])
        return found

    def _chosen(self, instance_key: int | None) -> list[ProcessInstance]:
        if instance_key is None:
            return sorted(self._processes(), key=lambda process: process.key)
        process = self._process(instance_key)
        return [process] if process is not None else []

    def _visit(self, process: ProcessInstance, visit: Visit) -> VisitView:
        element = visit.element
        instance = self._engine.elements.get(visit.key)
        is_body = element.loop is not None and visit.index < 0
        return VisitView(
            key=visit.key,
            process_instance_key=process.key,
            process_definition_key=process.definition.key,
            bpmn_process_id=process.definition.bpmn_process_id,
            element_id=element.id,
            element_name=element.name or element.id,
            element_type="MULTI_INSTANCE_BODY" if is_body else element.type,
            scope_key=visit.scope_key,
            state=_STATES.get(visit.state, ACTIVE),
            started_ms=visit.started_ms,
            ended_ms=visit.ended_ms,
            incident_key=instance.incident if instance is not None else 0,
        )

    def variables(self, instance_key: int | None = None, scope_key: int | None = None) -> list[VariableView]:
        """Return the variables of a process instance, of one scope, or of all; for ended instances, only the root's."""
        found = []
        for process in self._chosen(instance_key):
            for instance in _inside(process.root):
                if scope_key is None or instance.key == scope_key:
                    found += [
                        VariableView(name, value, instance.key, process.key)
                        for name, value in (instance.variables or {}).items()
                    ]
        return found

    # --- the rest

    def jobs(self) -> list[JobView]:
        """Return the jobs that are not done, by key."""
        return [
            JobView(
                key=job.key,
                type=job.type,
                state=job.state.name,
                retries=job.retries,
                worker=job.worker,
                deadline_ms=job.deadline_ms,
                error_message=job.error_message,
                headers=dict(job.headers),
                process_instance_key=job.instance.process.key,
                process_definition_key=job.instance.process.definition.key,
                bpmn_process_id=job.instance.process.definition.bpmn_process_id,
                element_id=job.instance.element.id,
                element_instance_key=job.instance.key,
            )
            for _, job in sorted(self._engine.jobs.by_key.items())
        ]

    def incidents(self, instance_key: int | None = None) -> list[IncidentView]:
        """Return the open incidents, by key; of one process instance if its key is given."""
        return [
            IncidentView(
                key=incident.key,
                type=incident.kind,
                message=incident.message,
                created_ms=incident.created_ms,
                job_key=incident.job_key,
                process_instance_key=incident.instance.process.key,
                process_definition_key=incident.instance.process.definition.key,
                bpmn_process_id=incident.instance.process.definition.bpmn_process_id,
                element_id=incident.instance.element.id,
                element_instance_key=incident.instance.key,
            )
            for _, incident in sorted(self._engine.incidents.by_key.items())
            if instance_key is None or incident.instance.process.key == instance_key
        ]

    def incidents_below(self, key: int) -> list[IncidentView]:
        """Return the open incidents of a process or element instance, and of all that is inside it or called by it."""
        below = {
            incident.key
            for incident in self._engine.incidents.by_key.values()
            if any(around.key == key for around in _around(incident.instance))
        }
        return [view for view in self.incidents() if view.key in below]

    def message_subscriptions(self) -> list[SubscriptionView]:
        """Return the open message subscriptions: of running instances, and of start events."""
        engine = self._engine
        found = [
            SubscriptionView(
                message_name=subscription.name,
                correlation_key=subscription.correlation_key,
                element_id=subscription.event.id,
                element_instance_key=subscription.holder.key,
                process_instance_key=subscription.holder.process.key,
                process_definition_key=subscription.holder.process.definition.key,
                bpmn_process_id=subscription.holder.process.definition.bpmn_process_id,
            )
            for subscription in engine.messages.open_subscriptions()
            if subscription.kind is EventKind.MESSAGE
        ]
        for definition in engine.definitions.all_versions():
            if engine.definitions.latest(definition.bpmn_process_id) is definition:
                found += [
                    SubscriptionView(name, "", event_id, 0, 0, definition.key, definition.bpmn_process_id)
                    for name, event_id in definition.start_messages
                ]
        return found


def _definition(definition: Definition) -> DefinitionView:
    return DefinitionView(
        key=definition.key,
        bpmn_process_id=definition.bpmn_process_id,
        name=definition.model.name or "",
        version=definition.version,
        version_tag=definition.model.version_tag or "",
        resource_name=definition.resource.name,
        deployment_key=definition.deployment_key,
        xml=definition.resource.content.decode("utf-8", "replace"),
    )


def _around(instance: ElementInstance) -> Iterator[ElementInstance]:
    """Yield an element instance and all that it is in: its scopes, the call activity, the scopes of that."""
    current: ElementInstance | None = instance
    while current is not None:
        yield current
        current = current.parent or current.process.caller


def _inside(root: ElementInstance) -> Iterator[ElementInstance]:
    waiting = [root]
    while waiting:
        instance = waiting.pop()
        yield instance
        waiting.extend(reversed(list((instance.children or {}).values())))
