"""Keep incidents: steps that could not be done, and jobs that ran out of retries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zeebe_connectors.engine.happenings import HappeningKind
from zeebe_connectors.engine.rejections import RejectionCode, rejected

if TYPE_CHECKING:
    from zeebe_connectors.engine.core import Engine
    from zeebe_connectors.engine.flow.instances import ElementInstance
    from zeebe_connectors.engine.jobs import Job

IO_MAPPING = "IO_MAPPING_ERROR"
EXTRACT_VALUE = "EXTRACT_VALUE_ERROR"
CONDITION = "CONDITION_ERROR"
JOB_NO_RETRIES = "JOB_NO_RETRIES"
CALLED_ELEMENT = "CALLED_ELEMENT_ERROR"
UNHANDLED_ERROR = "UNHANDLED_ERROR_EVENT"
FORM_NOT_FOUND = "FORM_NOT_FOUND"
MESSAGE_SIZE = "MESSAGE_SIZE_EXCEEDED"
UNKNOWN = "UNKNOWN"


class StepFailedError(Exception):
    """A step of the flow is currently impossible; an incident is raised, and resolving it retries the step.

    Attributes:
        kind: The incident's type.
        done: Whether the step has consumed its argument, so that it is retried without it.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.done = False


@dataclass(slots=True)
class Incident:
    """A problem that stops one element.

    Attributes:
        key: Its key.
        kind: Its type as the API names it, such as `CONDITION_ERROR`.
        message: What is wrong.
        instance: The stopped element.
        job_key: The job that the incident is about; 0 if there is none.
        created_ms: When it was raised.
    """

    key: int
    kind: str
    message: str
    instance: ElementInstance
    job_key: int
    created_ms: int


class Incidents:
    """The open incidents of an engine, by key."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.by_key: dict[int, Incident] = {}

    def raise_for(self, instance: ElementInstance, kind: str, message: str, job: Job | None = None) -> Incident:
        """Raise an incident on an element, or on its job."""
        engine = self._engine
        incident = Incident(engine.keys.take(), kind, message, instance, job.key if job else 0, engine.clock.now_ms())
        self.by_key[incident.key] = incident
        instance.incident = incident.key
        engine.changes.incidents[incident.key] = incident
        engine.touch(instance)
        if engine.observers:
            engine.tell(HappeningKind.INCIDENT_CREATED, incident.key, instance, {"type": kind, "message": message})
        return incident

    def restore(self, incident: Incident) -> None:
        """Restore a stored incident."""
        self.by_key[incident.key] = incident
        incident.instance.incident = incident.key

    def resolve(self, key: int) -> None:
        """Retry the step, or offer the job again.

        Raises:
            Rejection: There is no such incident, or its job has no retries.
        """
        engine = self._engine
        incident = self.by_key.get(key)
        if incident is None:
            raise rejected(
                "RESOLVE",
                RejectionCode.NOT_FOUND,
                f"Expected to resolve incident with key '{key}', but no such incident was found",
            )
        job = engine.jobs.by_key.get(incident.job_key) if incident.job_key else None
        if job is not None and incident.kind == JOB_NO_RETRIES and job.retries <= 0:
            raise rejected(
                "RESOLVE",
                RejectionCode.INVALID_STATE,
                f"Expected to resolve incident with key '{key}', but its job with key '{job.key}' has no retries left; "
                "update the job's retries first",
            )
        instance = incident.instance
        self.remove(instance)
        if job is not None:
            engine.jobs.make_activatable(job)
        elif instance.pending is not None:
            step, argument = instance.pending
            instance.pending = None
            engine.flow.do(step, instance, argument)

    def remove(self, instance: ElementInstance) -> None:
        """Close an element's incident, whatever the element's state."""
        incident = self.by_key.pop(instance.incident, None)
        instance.incident = 0
        if incident is None:
            return
        self._engine.changes.incidents[incident.key] = None
        self._engine.touch(instance)
        if self._engine.observers:
            self._engine.tell(HappeningKind.INCIDENT_RESOLVED, incident.key, instance, {"type": incident.kind})
