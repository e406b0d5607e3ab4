"""Deploy resources, all or none, with a version for each, and look up versions."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element as Node

from zeebe_connectors.engine.flow.subscriptions import schedule_of
from zeebe_connectors.engine.flow.variables import Visible
from zeebe_connectors.engine.happenings import HappeningKind
from zeebe_connectors.engine.incidents import StepFailedError
from zeebe_connectors.engine.model import EventKind, InvalidResourceError, Problem, Process, read_processes
from zeebe_connectors.engine.model.xml import XmlError, parse
from zeebe_connectors.engine.rejections import Rejection, invalid
from zeebe_connectors.engine.schedules import Schedule

if TYPE_CHECKING:
    from zeebe_connectors.engine.core import Engine

BPMN_SUFFIXES = (".bpmn", ".bpmn20.xml")
_DMN = "}definitions"


@dataclass(slots=True)
class Resource:
    """A deployed file."""

    key: int
    deployment_key: int
    name: str
    content: bytes


class Definition:
    """One version of a process."""

    def __init__(
        self, key: int, bpmn_process_id: str, version: int, resource: Resource, model: Process | None = None
    ) -> None:
        self.key = key
        self.bpmn_process_id = bpmn_process_id
        self.version = version
        self.resource = resource
        if model is not None:
            self.model = model

    @cached_property
    def model(self) -> Process:
        """Its elements, read on first use."""
        models = read_processes(self.resource.content, deployed=True)
        return next(found for found in models if found.id == self.bpmn_process_id)

    @property
    def deployment_key(self) -> int:
        """The deployment that created it."""
        return self.resource.deployment_key

    def _started_by(self, kind: EventKind) -> list[tuple[str, str]]:
        return [
            (start.event.name.value({}), start.id)
            for start in self.model.starts
            if start.event is not None and start.event.kind is kind and start.event.name is not None
        ]

    @cached_property
    def start_messages(self) -> list[tuple[str, str]]:
        """Names of the messages that start it, with the ids of their start events."""
        return self._started_by(EventKind.MESSAGE)

    @cached_property
    def start_signals(self) -> list[tuple[str, str]]:
        """Names of the signals that start it, with the ids of their start events."""
        return self._started_by(EventKind.SIGNAL)


@dataclass(slots=True)
class Stored:
    """One version of a decision, of decision requirements or of a form: stored but not evaluated."""

    key: int
    kind: str
    id: str
    name: str
    version: int
    resource: Resource
    parent_id: str = ""
    parent_key: int = 0


@dataclass(slots=True)
class StartTimer:
    """A timer that starts a process."""

    key: int
    definition: Definition
    event_id: str
    schedule: Schedule


@dataclass(slots=True)
class Deployment:
    """What a deployment created, or found unchanged."""

    key: int
    processes: list[Definition] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)


@dataclass(slots=True)
class _Candidate:
    """A resource that was read, before it gets keys."""

    name: str
    content: bytes
    models: list[Process] = field(default_factory=list)
    others: list[tuple[str, str, str]] = field(default_factory=list)  # kind, id, name


class Definitions:
    """Everything deployed to an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.by_key: dict[int, Definition] = {}
        self._versions: defaultdict[str, list[Definition]] = defaultdict(list)
        self.stored: dict[int, Stored] = {}
        self._stored_versions: defaultdict[tuple[str, str], list[Stored]] = defaultdict(list)
        self._by_message: dict[str, dict[str, tuple[Definition, str]]] = {}
        self._by_signal: dict[str, dict[str, tuple[Definition, str]]] = {}
        self.start_timers: dict[int, StartTimer] = {}

    # --- finding

    def latest(self, process_id: str) -> Definition | None:
        """Return the newest version of a process."""
        versions = self._versions.get(process_id)
        return versions[-1] if versions else None

    def version(self, process_id: str, version: int) -> Definition | None:
        """Return one version of a process."""
        return next((found for found in self._versions.get(process_id, ()) if found.version == version), None)

    def form(self, form_id: str, binding: str, deployment_key: int, tag: str | None) -> Stored | None:
        """Return the newest version of a form, if bound: of those with a tag, or from the deployment; None if none."""
        return next(
            (
                found
                for found in reversed(self._stored_versions.get(("form", form_id), ()))
                if binding != "deployment" or found.resource.deployment_key == deployment_key
                if binding != "versionTag" or json.loads(found.resource.content).get("versionTag") == tag
            ),
            None,
        )

    def first_key(self, process_id: str) -> int:
        """Return the key of the oldest version of a process."""
        return self._versions[process_id][0].key

    def in_deployment(self, process_id: str, deployment_key: int) -> Definition | None:
        """Return the version that a deployment created."""
        found = (other for other in self._versions.get(process_id, ()) if other.deployment_key == deployment_key)
        return next(found, None)

    def with_tag(self, process_id: str, tag: str) -> Definition | None:
        """Return the newest version that has a version tag."""
        found = (other for other in reversed(self._versions.get(process_id, ())) if other.model.version_tag == tag)
        return next(found, None)

    def all_versions(self) -> Iterator[Definition]:
        """Yield every version of every process, in the order of their keys."""
        yield from sorted(self.by_key.values(), key=lambda found: found.key)

    def started_by_message(self, name: str) -> list[tuple[Definition, str]]:
        """Return the newest versions that a message starts, with their start events."""
        return list(self._by_message.get(name, {}).values())

    def started_by_signal(self, name: str) -> list[tuple[Definition, str]]:
        """Return the newest versions that a signal starts, with their start events."""
        return list(self._by_signal.get(name, {}).values())

    # --- deploying

    def deploy(self, resources: Sequence[tuple[str, bytes]]) -> Deployment:
        """Deploy resources; unchanged ones keep their version if everything in the deployment is unchanged.

        Raises:
            Rejection: One of them is invalid; then none is deployed.
        """
        if not resources:
            raise invalid("Expected to deploy at least one resource, but none given")
        candidates = [_Candidate(name, bytes(content)) for name, content in resources]
        _read_all(candidates)
        timers = self._start_schedules(candidates)
        engine = self._engine
        deployment = Deployment(engine.keys.take())
        if all(self._is_unchanged(candidate) for candidate in candidates):
            for candidate in candidates:
                self._found(candidate, deployment)
            return deployment
        for candidate in candidates:
            resource = Resource(engine.keys.take(), deployment.key, candidate.name, candidate.content)
            engine.changes.resources.append(resource)
            for model in candidate.models:
                versions = self._versions[model.id]
                version = versions[-1].version + 1 if versions else 1
                definition = Definition(engine.keys.take(), model.id, version, resource, model)
                engine.changes.definitions.append(definition)
                self.add(definition)
                self._schedule(definition, timers)
                deployment.processes.append(definition)
                if engine.observers:
                    engine.tell_of(
                        HappeningKind.PROCESS_DEPLOYED, definition.key, bpmn_process_id=model.id,
                        data={"version": version, "resource": candidate.name},
                    )  # fmt: skip
            self._store(candidate, resource, deployment)
        return deployment

    def _is_unchanged(self, candidate: _Candidate) -> bool:
        for model in candidate.models:
            latest = self.latest(model.id)
            if latest is None or not _same(latest.resource, candidate):
                return False
        for kind, identifier, _ in candidate.others:
            versions = self._stored_versions.get((kind, identifier))
            if not versions or not _same(versions[-1].resource, candidate):
                return False
        return True

    def _found(self, candidate: _Candidate, deployment: Deployment) -> None:
        for model in candidate.models:
            latest = self.latest(model.id)
            if latest is not None:
                deployment.processes.append(latest)
        for kind, identifier, _ in candidate.others:
            deployment.stored.append(self._stored_versions[kind, identifier][-1])

    def _store(self, candidate: _Candidate, resource: Resource, deployment: Deployment) -> None:
        parent: Stored | None = None
        for kind, identifier, name in candidate.others:
            versions = self._stored_versions[kind, identifier]
            stored = Stored(
                self._engine.keys.take(), kind, identifier, name, versions[-1].version + 1 if versions else 1, resource
            )
            if kind == "decision-requirements":
                parent = stored
            elif parent is not None:
                stored.parent_id, stored.parent_key = parent.id, parent.key
            self.add_stored(stored)
            self._engine.changes.stored.append(stored)
            deployment.stored.append(stored)

    def add_stored(self, stored: Stored) -> None:
        """Add a decision, decision requirements or a form."""
        self.stored[stored.key] = stored
        self._stored_versions[stored.kind, stored.id].append(stored)

    def add(self, definition: Definition, *, open_starts: bool = True) -> None:
        """Add a version; its start events replace those of the previous version, unless that is done later."""
        self.by_key[definition.key] = definition
        self._versions[definition.bpmn_process_id].append(definition)
        if open_starts:
            self.open_starts(definition)

    def open_starts(self, definition: Definition) -> None:
        """Let messages and signals start this version, and no other of its process."""
        process_id = definition.bpmn_process_id
        for index in (self._by_message, self._by_signal):
            for name in [name for name, found in index.items() if process_id in found]:
                del index[name][process_id]
                if not index[name]:
                    del index[name]
        for index, starts in (
            (self._by_message, definition.start_messages),
            (self._by_signal, definition.start_signals),
        ):
            for name, event_id in starts:
                index.setdefault(name, {})[process_id] = (definition, event_id)

    # --- timers that start processes

    def _start_schedules(self, candidates: list[_Candidate]) -> dict[str, list[tuple[str, Schedule]]]:
        found: dict[str, list[tuple[str, Schedule]]] = {}
        for candidate in candidates:
            problems = []
            for model in candidate.models:
                for element in model.walk():
                    event = element.event
                    starts = element.tag == "startEvent" and element.parent is model
                    # The time of any other event is evaluated later; a static text that cannot be read now never can
                    # be.
                    if event is None or event.text is None or not (starts or event.text.is_static):
                        continue
                    try:
                        schedule = schedule_of(self._engine, event, Visible(None))
                    except StepFailedError as error:
                        problems.append(Problem(element.id, str(error)))
                        continue
                    if starts:
                        found.setdefault(model.id, []).append((element.id, schedule))
            if problems:
                raise _refused(candidate.name, problems)
        return found

    def _schedule(self, definition: Definition, timers: dict[str, list[tuple[str, Schedule]]]) -> None:
        engine = self._engine
        for timer in list(self.start_timers.values()):
            if timer.definition.bpmn_process_id == definition.bpmn_process_id:
                self._drop_timer(timer)
        for event_id, schedule in timers.get(definition.bpmn_process_id, ()):
            timer = StartTimer(engine.keys.take(), definition, event_id, schedule)
            self.restore_timer(timer)
            engine.changes.start_timers[timer.key] = timer

    def restore_timer(self, timer: StartTimer) -> None:
        """Let a timer start its process when it is due."""
        self.start_timers[timer.key] = timer
        self._engine.agenda.add("start", timer.key, timer.schedule.first_due)

    def _drop_timer(self, timer: StartTimer) -> None:
        del self.start_timers[timer.key]
        self._engine.agenda.remove("start", timer.key)
        self._engine.changes.start_timers[timer.key] = None

    def timer_due(self, key: int) -> None:
        """Start the process of a timer that is due, and schedule its next time."""
        timer = self.start_timers.get(key)
        if timer is None:
            return
        engine = self._engine
        following = timer.schedule.following(timer.schedule.first_due, engine.clock.now_ms())
        if following is None:
            self._drop_timer(timer)
        else:
            timer.schedule = following
            engine.agenda.add("start", key, following.first_due)
            engine.changes.start_timers[key] = timer
        if engine.observers:
            engine.tell_of(
                HappeningKind.TIMER_FIRED, key, bpmn_process_id=timer.definition.bpmn_process_id,
                data={"element": timer.event_id},
            )  # fmt: skip
        engine.start_process(timer.definition, {}, begin={"event": timer.event_id, "variables": {}})


def _same(resource: Resource, candidate: _Candidate) -> bool:
    return (
        resource.name == candidate.name
        and hashlib.sha256(resource.content).digest() == hashlib.sha256(candidate.content).digest()
    )


def _refused(name: str, problems: list[Problem]) -> Rejection:
    text = "\n".join(str(problem) for problem in problems)
    return invalid(
        "Command 'CREATE' rejected with code 'INVALID_ARGUMENT': Expected to deploy new resources, but encountered the "
        f"following errors:\n'{name}': {text}"
    )


def _read_all(candidates: list[_Candidate]) -> None:
    """Read every resource, and refuse the deployment when one is wrong or two hold the same id."""
    seen: dict[tuple[str, str], str] = {}
    for candidate in candidates:
        _read(candidate)
        for kind, identifier in [
            *(("process", model.id) for model in candidate.models),
            *((kind, identifier) for kind, identifier, _ in candidate.others),
        ]:
            if (kind, identifier) in seen:
                raise _refused(
                    candidate.name,
                    [Problem(identifier, f"Duplicated {kind} id, which '{seen[kind, identifier]}' has, too")],
                )
            seen[kind, identifier] = candidate.name
    for candidate in candidates:
        missing = [
            Problem(element.id, f"Expected to find process with id '{name}' in current deployment, but not found.")
            for model in candidate.models
            for element in model.walk()
            if element.called is not None and element.called.binding == "deployment"
            if element.called.process_id.is_static and ("process", name := element.called.process_id.text) not in seen
        ]
        if missing:
            raise _refused(candidate.name, missing)


def _is_text(value: str) -> bool:
    """Return whether a text can be stored and sent: half of a surrogate pair, or an undecodable byte, cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read(candidate: _Candidate) -> None:
    if not _is_text(candidate.name):
        shown = candidate.name.encode(errors="replace").decode()
        raise _refused(shown, [Problem("resource", "Expected the name to be UTF-8 text")])
    name = candidate.name.lower()
    if name.endswith(BPMN_SUFFIXES):
        try:
            candidate.models = read_processes(candidate.content)
        except InvalidResourceError as error:
            raise _refused(candidate.name, error.problems) from None
    elif name.endswith(".dmn"):
        candidate.others = list(_decisions(candidate))
    elif name.endswith(".form"):
        candidate.others = [_form(candidate)]
    else:
        raise _refused(
            candidate.name,
            [Problem("resource", "unknown resource type: expected a name that ends with .bpmn, .dmn or .form")],
        )


def _decisions(candidate: _Candidate) -> Iterator[tuple[str, str, str]]:
    try:
        root = parse(candidate.content)
    except XmlError as error:
        raise _refused(candidate.name, [Problem("definitions", f"the XML cannot be read: {error}")]) from None
    if not root.tag.endswith(_DMN) or "DMN" not in root.tag:
        raise _refused(candidate.name, [Problem(root.tag, "the root of a DMN document is 'definitions'")])
    yield "decision-requirements", _named(candidate, root), root.get("name") or ""
    for node in root:
        if isinstance(node.tag, str) and node.tag.endswith("}decision"):
            yield "decision", _named(candidate, node), node.get("name") or ""


def _named(candidate: _Candidate, node: Node) -> str:
    found = node.get("id")
    if not found:
        raise _refused(candidate.name, [Problem("definitions", "Attribute 'id' must be present and not empty")])
    return found


def _form(candidate: _Candidate) -> tuple[str, str, str]:
    try:
        form: Any = json.loads(candidate.content)
    except (ValueError, RecursionError) as error:
        raise _refused(candidate.name, [Problem("form", f"the JSON cannot be read: {error}")]) from None
    identifier = form.get("id") if isinstance(form, dict) else None
    if not isinstance(identifier, str) or not identifier.strip() or not _is_text(identifier):
        raise _refused(candidate.name, [Problem("form", "Expected the form id to be present, but none given")])
    return "form", identifier, ""
