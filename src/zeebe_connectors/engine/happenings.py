"""Describe what happens in the engine, one step at a time, for observers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class HappeningKind(StrEnum):
    """What happened."""

    PROCESS_DEPLOYED = "process-deployed"
    ELEMENT_ACTIVATED = "element-activated"
    ELEMENT_COMPLETED = "element-completed"
    ELEMENT_TERMINATED = "element-terminated"
    VARIABLES_SET = "variables-set"
    JOB_CREATED = "job-created"
    JOB_ACTIVATED = "job-activated"
    JOB_COMPLETED = "job-completed"
    JOB_FAILED = "job-failed"
    JOB_ERROR = "job-error"
    INCIDENT_CREATED = "incident-created"
    INCIDENT_RESOLVED = "incident-resolved"
    MESSAGE_PUBLISHED = "message-published"
    MESSAGE_CORRELATED = "message-correlated"
    SIGNAL_BROADCAST = "signal-broadcast"
    TIMER_FIRED = "timer-fired"


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened.

    Attributes:
        kind: What happened.
        time_ms: When, on the engine's clock, in milliseconds since 1970.
        key: Key of the element instance, job, incident, message or definition that it is about.
        instance_key: The process instance; 0 if there is none.
        bpmn_process_id: Its process; empty if there is none.
        element_id: The element; empty if there is none.
        element_name: Its name in the diagram, or its id.
        element_type: Its type as the API names it, such as `SERVICE_TASK`.
        data: Details by kind: `variables`, `type`, `message`, `retries`, `error_code` and the like.
    """

    kind: HappeningKind
    time_ms: int
    key: int = 0
    instance_key: int = 0
    bpmn_process_id: str = ""
    element_id: str = ""
    element_name: str = ""
    element_type: str = ""
    data: dict[str, Any] = field(default_factory=dict)


Observer = Callable[[Happening], None]
