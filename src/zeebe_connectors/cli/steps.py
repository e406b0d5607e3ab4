"""Report what an engine does, one line for each step: the element, what it changed, incidents with their remedies."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from zeebe_connectors.engine import Happening, HappeningKind

MAX_VALUE = 60
"""Characters of a variable's value in a line."""
_MAX_STARTS = 10_000
_SCOPES = {"PROCESS", "SUB_PROCESS", "EVENT_SUB_PROCESS"}

REMEDIES = {
    "JOB_NO_RETRIES": "correct what the message names, then: zeebe-connectors engine resolve {key}",
    "UNHANDLED_ERROR_EVENT": "catch this error code with a boundary event or an event sub-process, deploy, start again",
    "IO_MAPPING_ERROR": "correct the mapping and deploy, or set the variables that it reads; then: "
    "zeebe-connectors engine resolve {key}",
    "CONDITION_ERROR": "give the gateway a default flow, or set the variables that the conditions read; then: "
    "zeebe-connectors engine resolve {key}",
    "EXTRACT_VALUE_ERROR": "set the variables that the expression reads, then: zeebe-connectors engine resolve {key}",
    "CALLED_ELEMENT_ERROR": "deploy the called process, then: zeebe-connectors engine resolve {key}",
    "FORM_NOT_FOUND": "deploy the form, then: zeebe-connectors engine resolve {key}",
    "MESSAGE_SIZE_EXCEEDED": "let the task fetch less, with input mappings to fewer variables; deploy, and start again",
}
"""What to do about an incident, by its type."""

ANY_REMEDY = "correct what the message names, then: zeebe-connectors engine resolve {key}"


def remedy(kind: str, key: int | str) -> str:
    """Says what to do about an incident."""
    return REMEDIES.get(kind, ANY_REMEDY).format(key=key)


class Steps:
    """An engine's observer that says what happens.

    A step is reported when its element has ended, with the variables that were set meanwhile; an element that waits
    for a job, a message or a timer is reported once that has come.

    Args:
        say: Gets each line.
        show: What of a value may be seen; by default all of it, cut.
    """

    def __init__(self, say: Callable[[str], None], show: Callable[[str], str] = lambda text: text) -> None:
        self._say = say
        self._show = show
        self._began: OrderedDict[int, int] = OrderedDict()
        self._set: dict[int, dict[str, Any]] = {}

    def __call__(self, happening: Happening) -> None:
        """Takes what happened."""
        match happening.kind:
            case HappeningKind.ELEMENT_ACTIVATED:
                self._began[happening.key] = happening.time_ms
                while len(self._began) > _MAX_STARTS:
                    self._began.popitem(last=False)
            case HappeningKind.VARIABLES_SET:
                if happening.element_type in _SCOPES:  # what a task keeps to itself is not reported
                    changed = self._set.setdefault(happening.instance_key, {})
                    changed.update(happening.data.get("variables", {}))
            case HappeningKind.ELEMENT_COMPLETED | HappeningKind.ELEMENT_TERMINATED:
                self._ended(happening)
            case _ if words := _words(happening):
                self._line(happening, words)

    def _ended(self, happening: Happening) -> None:
        began = self._began.pop(happening.key, happening.time_ms)
        word = "completed" if happening.kind is HappeningKind.ELEMENT_COMPLETED else "terminated"
        took = happening.time_ms - began
        changed = self._set.pop(happening.instance_key, {})
        variables = ", ".join(f"{name} = {self._value(value)}" for name, value in changed.items())
        self._line(happening, f"{word}{f' after {took} ms' if took > 1 else ''}{f'; {variables}' if variables else ''}")

    def _line(self, happening: Happening, what: str) -> None:
        name = happening.element_name
        place = f"{happening.bpmn_process_id} {happening.instance_key}"
        one_line = " ".join(self._show(what).split())
        self._say(f"{place}  {name} ({happening.element_type.lower().replace('_', ' ')}): {one_line}")

    def _value(self, value: Any) -> str:
        text = json.dumps(value, ensure_ascii=False)
        return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"


def _words(happening: Happening) -> str:
    """Says what went wrong at an element, or was resolved; nothing for anything else."""
    data = happening.data
    match happening.kind:
        case HappeningKind.JOB_FAILED if left := data.get("retries", 0):
            return f"failed, {left} {'try' if left == 1 else 'tries'} left: {data.get('message', '')}"
        case HappeningKind.JOB_ERROR:
            return f"threw the error {data.get('error_code', '')}"
        case HappeningKind.INCIDENT_CREATED:
            kind = str(data.get("type", ""))
            return f"INCIDENT {kind}: {data.get('message', '')} -> {remedy(kind, happening.key)}"
        case HappeningKind.INCIDENT_RESOLVED:
            return f"incident {happening.key} resolved"
    return ""
