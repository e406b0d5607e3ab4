"""Convert the engine's records to the API's items: camelCase names, keys as text, UTC dates, no empty fields."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from zeebe_connectors.engine.definitions import Deployment
from zeebe_connectors.engine.jobs import ActivatedJob
from zeebe_connectors.engine.queries import (
    DefinitionView,
    IncidentView,
    InstanceView,
    JobView,
    SubscriptionView,
    VariableView,
    VisitView,
)

TENANT = "<default>"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MS = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
MAX_SHOWN = 8191
"""Maximum characters of a variable's value in a search, unless `truncateValues=false`."""

DEFINITION_FIELDS = (
    "name", "resourceName", "version", "versionTag", "processDefinitionId", "tenantId", "processDefinitionKey",
    "hasStartForm",
)  # fmt: skip
INSTANCE_FIELDS = (
    "processInstanceKey", "processDefinitionId", "processDefinitionName", "processDefinitionVersion",
    "processDefinitionVersionTag", "processDefinitionKey", "parentProcessInstanceKey", "parentElementInstanceKey",
    "startDate", "endDate", "state", "hasIncident", "tenantId",
)  # fmt: skip
ELEMENT_FIELDS = (
    "elementInstanceKey", "processInstanceKey", "processDefinitionKey", "processDefinitionId", "elementId",
    "elementName", "type", "state", "startDate", "endDate", "hasIncident", "incidentKey", "tenantId",
    "elementInstanceScopeKey",
)  # fmt: skip
VARIABLE_FIELDS = ("name", "value", "variableKey", "scopeKey", "processInstanceKey", "tenantId", "isTruncated")
JOB_FIELDS = (
    "jobKey", "type", "worker", "state", "kind", "listenerEventType", "retries", "deadline", "errorMessage",
    "errorCode", "hasFailedWithRetriesLeft", "processDefinitionId", "processDefinitionKey", "processInstanceKey",
    "elementId", "elementInstanceKey", "tenantId", "isDenied", "deniedReason", "endTime",
)  # fmt: skip
INCIDENT_FIELDS = (
    "incidentKey", "errorType", "errorMessage", "state", "creationTime", "processDefinitionId", "processDefinitionKey",
    "processInstanceKey", "elementId", "elementInstanceKey", "jobKey", "tenantId",
)  # fmt: skip
SUBSCRIPTION_FIELDS = (
    "messageSubscriptionKey", "messageSubscriptionState", "messageName", "correlationKey", "processDefinitionId",
    "processDefinitionKey", "processInstanceKey", "elementId", "elementInstanceKey", "tenantId",
)  # fmt: skip


def date(ms: int) -> str | None:
    """Write a time; 0 is none, and what lies beyond the year 9999 is its last moment."""
    if not ms:
        return None
    moment = _EPOCH + timedelta(milliseconds=min(ms, _MAX_MS))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def key(value: int) -> str | None:
    """Write a key; None for 0."""
    return str(value) if value else None


def item(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Drop fields that are None, and add the tenant, which is the same everywhere."""
    return {name: value for name, value in fields.items() if value is not None} | {"tenantId": TENANT}


def definition(view: DefinitionView) -> dict[str, Any]:
    """Show one version of a process."""
    return item({
        "processDefinitionKey": key(view.key),
        "processDefinitionId": view.bpmn_process_id,
        "name": view.name or None,
        "version": view.version,
        "versionTag": view.version_tag or None,
        "resourceName": view.resource_name,
        "hasStartForm": False,
    })  # fmt: skip


def instance(view: InstanceView) -> dict[str, Any]:
    """Show a process instance."""
    return item({
        "processInstanceKey": key(view.key),
        "processDefinitionId": view.bpmn_process_id,
        "processDefinitionName": view.process_name,
        "processDefinitionVersion": view.version,
        "processDefinitionVersionTag": view.version_tag or None,
        "processDefinitionKey": key(view.process_definition_key),
        "parentProcessInstanceKey": key(view.parent_instance_key),
        "parentElementInstanceKey": key(view.parent_element_instance_key),
        "startDate": date(view.started_ms),
        "endDate": date(view.ended_ms),
        "state": view.state,
        "hasIncident": view.has_incident,
        "tags": [],
    })  # fmt: skip


def element(view: VisitView) -> dict[str, Any]:
    """Show an element instance."""
    return item({
        "elementInstanceKey": key(view.key),
        "processInstanceKey": key(view.process_instance_key),
        "processDefinitionKey": key(view.process_definition_key),
        "processDefinitionId": view.bpmn_process_id,
        "elementId": view.element_id,
        "elementName": view.element_name,
        "type": view.element_type,
        "state": view.state,
        "startDate": date(view.started_ms),
        "endDate": date(view.ended_ms),
        "hasIncident": bool(view.incident_key),
        "incidentKey": key(view.incident_key),
        "elementInstanceScopeKey": key(view.scope_key),
    })  # fmt: skip


def variable_key(view: VariableView) -> int:
    """Make a stable key for a variable, which has none in this engine, from its scope and name."""
    return (view.scope_key & 0x3FFFFFFF) << 32 | zlib.crc32(view.name.encode())


def value_text(view: VariableView) -> str:
    """Show the value of a variable as JSON text."""
    return json.dumps(view.value, ensure_ascii=False, separators=(",", ":"))


def variable(view: VariableView, *, whole: bool) -> dict[str, Any]:
    """Show a variable; its value is JSON text, cut unless `whole`."""
    value = value_text(view)
    cut = not whole and len(value) > MAX_SHOWN
    return item({
        "variableKey": str(variable_key(view)),
        "name": view.name,
        "value": value[:MAX_SHOWN] if cut else value,
        "isTruncated": cut,
        "scopeKey": key(view.scope_key),
        "processInstanceKey": key(view.process_instance_key),
    })  # fmt: skip


def job(view: JobView) -> dict[str, Any]:
    """Show a job that is not done."""
    state = {"ACTIVATABLE": "CREATED", "ACTIVATED": "CREATED"}.get(view.state, view.state)
    return item({
        "jobKey": key(view.key),
        "type": view.type,
        "worker": view.worker,
        "state": state,
        "kind": "BPMN_ELEMENT",
        "listenerEventType": "UNSPECIFIED",
        "retries": view.retries,
        "deadline": date(view.deadline_ms) if view.state == "ACTIVATED" else None,
        "errorMessage": view.error_message or None,
        "hasFailedWithRetriesLeft": bool(view.error_message) and view.retries > 0,
        "customHeaders": view.headers,
        "processDefinitionId": view.bpmn_process_id,
        "processDefinitionKey": key(view.process_definition_key),
        "processInstanceKey": key(view.process_instance_key),
        "elementId": view.element_id,
        "elementInstanceKey": key(view.element_instance_key),
    })  # fmt: skip


def activated(found: ActivatedJob) -> dict[str, Any]:
    """Show a job to the worker that activated it."""
    return item({
        "jobKey": key(found.key),
        "type": found.type,
        "worker": found.worker,
        "retries": found.retries,
        "deadline": found.deadline_ms,
        "kind": "BPMN_ELEMENT",
        "listenerEventType": "UNSPECIFIED",
        "variables": json.loads(found.variables or "{}"),
        "customHeaders": json.loads(found.headers or "{}"),
        "processDefinitionId": found.bpmn_process_id,
        "processDefinitionVersion": found.process_definition_version,
        "processDefinitionKey": key(found.process_definition_key),
        "processInstanceKey": key(found.process_instance_key),
        "elementId": found.element_id,
        "elementInstanceKey": key(found.element_instance_key),
        "tags": [],
    })  # fmt: skip


def incident(view: IncidentView) -> dict[str, Any]:
    """Show an open incident."""
    return item({
        "incidentKey": key(view.key),
        "errorType": view.type,
        "errorMessage": view.message,
        "state": "ACTIVE",
        "creationTime": date(view.created_ms),
        "processDefinitionId": view.bpmn_process_id,
        "processDefinitionKey": key(view.process_definition_key),
        "processInstanceKey": key(view.process_instance_key),
        "elementId": view.element_id,
        "elementInstanceKey": key(view.element_instance_key),
        "jobKey": key(view.job_key),
    })  # fmt: skip


def subscription(view: SubscriptionView) -> dict[str, Any]:
    """Show an open message subscription."""
    own = zlib.crc32(f"{view.element_id}/{view.message_name}/{view.correlation_key}".encode())
    holder = view.element_instance_key or view.process_definition_key
    return item({
        "messageSubscriptionKey": str((holder & 0x3FFFFFFF) << 32 | own),
        "messageSubscriptionState": "CREATED",
        "messageName": view.message_name,
        "correlationKey": view.correlation_key or None,
        "processDefinitionId": view.bpmn_process_id,
        "processDefinitionKey": key(view.process_definition_key),
        "processInstanceKey": key(view.process_instance_key),
        "elementId": view.element_id,
        "elementInstanceKey": key(view.element_instance_key),
    })  # fmt: skip


def deployment(found: Deployment) -> dict[str, Any]:
    """Show the result of a deployment."""
    shown: list[dict[str, Any]] = [
        {
            "processDefinition": item({
                "processDefinitionId": one.bpmn_process_id,
                "processDefinitionVersion": one.version,
                "processDefinitionKey": key(one.key),
                "resourceName": one.resource.name,
            })
        }
        for one in found.processes
    ]  # fmt: skip
    for stored in found.stored:
        if stored.kind == "form":
            form = {"formId": stored.id, "version": stored.version, "formKey": key(stored.key)}
            shown.append({"form": item({**form, "resourceName": stored.resource.name})})
        elif stored.kind == "decision":
            shown.append({
                "decisionDefinition": item({
                    "decisionDefinitionId": stored.id,
                    "version": stored.version,
                    "decisionDefinitionKey": key(stored.key),
                    "name": stored.name,
                    "decisionRequirementsId": stored.parent_id,
                    "decisionRequirementsKey": key(stored.parent_key),
                })
            })  # fmt: skip
        else:
            shown.append({
                "decisionRequirements": item({
                    "decisionRequirementsId": stored.id,
                    "decisionRequirementsName": stored.name,
                    "version": stored.version,
                    "decisionRequirementsKey": key(stored.key),
                    "resourceName": stored.resource.name,
                })
            })  # fmt: skip
    return item({"deploymentKey": str(found.key), "deployments": shown})
