"""Give a test access to a process instance, its jobs and its incidents; a failed check tells the whole story."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from zeebe_connectors.engine import ActivatedJob
from zeebe_connectors.engine import Engine as Core
from zeebe_connectors.engine.queries import IncidentView, InstanceView, JobView
from zeebe_connectors.testing.connectors import JOB_MS, WORKER
from zeebe_connectors.testing.story import story


class Owner(Protocol):
    """The engine of a test, as far as its instances need it."""

    core: Core

    def changed(self) -> None:
        """Continues after a command."""


class Instance:
    """A process instance: its state, actions and assertions.

    Args:
        engine: The engine of the test.
        key: Its key.
    """

    def __init__(self, engine: Owner, key: int) -> None:
        self._engine = engine
        self.key = key

    def __repr__(self) -> str:
        return self.story

    @property
    def _view(self) -> InstanceView:
        view = self._engine.core.queries.instance(self.key)
        if view is None:
            raise AssertionError(f"The process instance {self.key} ended too long ago to still be known")
        return view

    @property
    def process_id(self) -> str:
        """Id of its process."""
        return self._view.bpmn_process_id

    @property
    def state(self) -> str:
        """`ACTIVE`, `COMPLETED` or `TERMINATED`."""
        return self._view.state

    @property
    def path(self) -> list[str]:
        """The ids of its elements, in the order of their activation."""
        return list(self._view.path)

    @property
    def waits_at(self) -> list[str]:
        """The ids of the elements where it waits now, without those that only contain others."""
        visits = [one for one in self._engine.core.queries.element_instances(self.key) if one.state == "ACTIVE"]
        scopes = {visit.scope_key for visit in visits}
        return [visit.element_id for visit in visits if visit.key not in scopes]

    @property
    def variables(self) -> dict[str, Any]:
        """Its own variables, even after its end."""
        return {one.name: one.value for one in self._engine.core.queries.variables(self.key, self.key)}

    def variables_at(self, element_id: str) -> dict[str, Any]:
        """Return the local variables of an active element.

        Raises:
            AssertionError: It is not active.
        """
        queries = self._engine.core.queries
        for visit in queries.element_instances(self.key):
            if visit.element_id == element_id and visit.state == "ACTIVE":
                return {one.name: one.value for one in queries.variables(self.key, visit.key)}
        raise self._wrong(f"it is not at {element_id!r}")

    @property
    def incidents(self) -> list[Incident]:
        """Its open incidents."""
        views = self._engine.core.queries.incidents()
        return [Incident(self._engine, view) for view in views if view.process_instance_key == self.key]

    @property
    def children(self) -> list[Instance]:
        """The instances that its call activities started."""
        views = self._engine.core.queries.instances()
        return [Instance(self._engine, view.key) for view in views if view.parent_instance_key == self.key]

    @property
    def story(self) -> str:
        """What it did, what it waits for, what is wrong and its variables, for people."""
        return story(self._engine.core, self.key)

    def set_variables(self, variables: Mapping[str, Any], *, at: str | None = None) -> None:
        """Set variables of the instance, or local ones of an active element.

        Raises:
            AssertionError: The element is not active.
        """
        scope = self.key
        if at is not None:
            visits = self._engine.core.queries.element_instances(self.key)
            active = [one.key for one in visits if one.element_id == at and one.state == "ACTIVE"]
            if not active:
                raise self._wrong(f"it is not at {at!r}")
            scope = active[0]
        self._engine.core.set_variables(scope, variables, local=at is not None)
        self._engine.changed()

    def cancel(self) -> None:
        """End it, as an operator does."""
        self._engine.core.cancel_instance(self.key)
        self._engine.changed()

    # --- assertions

    def assert_completed(self) -> None:
        """Check that it ran to its end."""
        if self.state != "COMPLETED":
            raise self._wrong("it has not completed")

    def assert_active(self) -> None:
        """Check that it still runs."""
        if self.state != "ACTIVE":
            raise self._wrong("it has ended")

    def assert_terminated(self) -> None:
        """Check that it was cancelled, or terminated by its caller."""
        if self.state != "TERMINATED":
            raise self._wrong("it was not terminated")

    def assert_waits_at(self, *element_ids: str) -> None:
        """Check that it waits at these elements and at no others."""
        if sorted(self.waits_at) != sorted(element_ids):
            raise self._wrong(f"it waits at {self.waits_at or 'nothing'}, not at {list(element_ids)}")

    def assert_path(self, *element_ids: str) -> None:
        """Check that it went through these elements in this order, and through no other."""
        if self.path != list(element_ids):
            raise self._wrong(f"its path is {self.path}, not {list(element_ids)}")

    def assert_passed(self, *element_ids: str) -> None:
        """Check that it completed these elements, in this order; others may lie between them."""
        visits = self._engine.core.queries.element_instances(self.key)
        rest = iter([visit.element_id for visit in visits if visit.state == "COMPLETED"])
        for wanted in element_ids:
            if wanted not in rest:
                raise self._wrong(f"it did not complete {wanted!r} where it was expected in {list(element_ids)}")

    def assert_not_passed(self, *element_ids: str) -> None:
        """Check that it went through none of these elements."""
        met = [one for one in element_ids if one in self.path]
        if met:
            raise self._wrong(f"it went through {met}")

    def assert_variables(self, **expected: Any) -> None:
        """Check that it has these variables with these values; it may have others."""
        had = self.variables
        wrong = {name: had.get(name, "nothing") for name, value in expected.items() if had.get(name, ...) != value}
        if wrong:
            raise self._wrong(f"its variables are {wrong}, not { {name: expected[name] for name in wrong} }")

    def assert_incident(self, kind: str | None = None, *, at: str | None = None, message: str = "") -> Incident:
        """Check that it has an incident; return it.

        Args:
            kind: Its type, such as `JOB_NO_RETRIES`.
            at: The element.
            message: A part of its message.
        """
        for incident in self.incidents:
            if kind in {None, incident.type} and at in {None, incident.element_id} and message in incident.message:
                return incident
        raise self._wrong(f"it has no such incident, only: {[str(one) for one in self.incidents]}")

    def assert_no_incident(self) -> None:
        """Check that it has no open incident."""
        if self.incidents:
            raise self._wrong("it has an incident")

    def _wrong(self, what: str) -> AssertionError:
        return AssertionError(f"{what}.\n{self.story}")


class WaitingJob:
    """A job that the test can answer.

    Args:
        engine: The engine of the test.
        view: The engine's data about the job.

    Attributes:
        key: Its key.
        type: Its type.
        element_id: Its task.
        headers: The task's headers.
        retries: Tries left.
    """

    def __init__(self, engine: Owner, view: JobView) -> None:
        self._engine = engine
        self.key = view.key
        self.type = view.type
        self.element_id = view.element_id
        self.headers = view.headers
        self.retries = view.retries
        self.instance = Instance(engine, view.process_instance_key)
        self._activated: ActivatedJob | None = None

    def __repr__(self) -> str:
        return f"<job {self.element_id} of type {self.type}>"

    @property
    def variables(self) -> dict[str, Any]:
        """The variables that a worker would get; reading them activates the job."""
        found: dict[str, Any] = json.loads(self._take().variables)
        return found

    def complete(self, variables: Mapping[str, Any] | None = None) -> None:
        """Complete it with its result."""
        self._take()
        self._engine.core.complete_job(self.key, variables)
        self._engine.changed()

    def fail(self, message: str = "", *, retries: int | None = None, backoff: float = 0.0) -> None:
        """Fail it; `retries` left, by default one less; `backoff` in seconds."""
        self._take()
        left = self.retries - 1 if retries is None else retries
        self._engine.core.fail_job(self.key, left, message, backoff_ms=round(backoff * 1000))
        self._engine.changed()

    def throw(self, code: str, message: str = "", variables: Mapping[str, Any] | None = None) -> None:
        """End it with a BPMN error."""
        self._take()
        self._engine.core.throw_error(self.key, code, message, variables)
        self._engine.changed()

    def _take(self) -> ActivatedJob:
        """Activates exactly this job; others of its type are handed back."""
        if self._activated is None:
            core = self._engine.core
            found = core.activate_jobs(self.type, worker=WORKER, timeout_ms=JOB_MS, max_jobs=1_000_000)
            core.jobs.give_back([job for job in found if job.key != self.key])
            self._activated = next((job for job in found if job.key == self.key), None)
            if self._activated is None:
                raise AssertionError(f"{self!r} is no longer waiting.\n{self.instance.story}")
        return self._activated


class Incident:
    """An incident, which stops an instance.

    Args:
        engine: The engine of the test.
        view: The engine's data about it.
    """

    def __init__(self, engine: Owner, view: IncidentView) -> None:
        self._engine = engine
        self._view = view
        self.type = view.type
        self.message = view.message
        self.element_id = view.element_id

    def __str__(self) -> str:
        return f"{self.type} at {self.element_id}: {self.message}"

    def resolve(self, *, retries: int = 1) -> None:
        """Retry the step; a job gets this many retries."""
        if self._view.job_key:
            self._engine.core.update_job_retries(self._view.job_key, retries)
        self._engine.core.resolve_incident(self._view.key)
        self._engine.changed()
