"""Send a message to processes of the cluster as a task; accept the inputs of the official template for messages."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from pydantic import BeforeValidator, Field

from zeebe_connectors import ConnectorError, Context, Group, Hint, Model, TransientError, outbound
from zeebe_connectors.sdk.durations import MAX_WAIT, parse_duration

_SENT = "process.sent"
_IN_DOUBT = "process.message-in-doubt"
"""Where a task remembers the id of its message when the engine's answer was lost."""
_TIME_TO_LIVE = 3600.0


def _seconds(value: Any) -> Any:
    """Returns the seconds of an ISO 8601 duration; a number stays one."""
    if isinstance(value, str) and value.strip():
        try:
            return parse_duration(value)
        except ValueError as error:
            raise ValueError(f"{error}; write it like PT1H") from None
    return value


def _key(value: Any) -> Any:
    """Writes a number as FEEL does, so that 12.0 reaches the processes that wait for 12."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Publish(Model):
    """Publish: the message waits for a process."""

    type: Annotated[Literal["publish"], Hint(label="Mode")] = "publish"
    """Whether the message may wait for a process, or must reach one now."""
    time_to_live: Annotated[
        float | None,
        BeforeValidator(_seconds),
        Field(ge=0, le=MAX_WAIT),
        Hint(label="Time to live", placeholder="PT1H"),
    ] = None
    """How long the message waits for a process, as an ISO 8601 duration; an hour if empty."""
    message_id: Annotated[
        str, Hint(label="Message ID", tooltip="A second message with this ID is refused while the first one lives.")
    ] = ""
    """Id of the message; when left out, the task's own, so that a task that is tried again sends no second message."""


class Correlate(Model):
    """Correlate: the message reaches a process that waits now, or the task fails."""

    type: Annotated[Literal["correlate"], Hint(label="Mode")]
    """Whether the message may wait for a process, or must reach one now."""


class Send(Model):
    """A message."""

    message_name: Annotated[
        str,
        Field(min_length=1),
        Hint(group="operation", label="Message name", feel="optional", example="order-paid"),
    ]
    """Name of the message."""
    correlation_key: Annotated[str, BeforeValidator(_key), Hint(group="operation", label="Correlation key")] = ""
    """Correlation key of the process that the message is for; leave it out for a message that starts a process."""
    variables: Annotated[
        dict[str, Any], Hint(group="operation", label="Payload", feel="required", placeholder="={amount: amount}")
    ] = Field(default={})
    """What the message carries."""
    correlation_type: Annotated[
        Publish | Correlate,
        Field(discriminator="type"),
        Hint(
            group="operation", choices={"publish": "Publish: it may wait", "correlate": "Correlate: now or not at all"}
        ),
    ] = Publish()
    """Whether the message may wait for a process, or must reach one now."""
    tenant_id: Annotated[str, Hint(group="operation", label="Tenant ID")] = ""
    """Tenant of the message; the tenant of this task when left out."""
    request_timeout: Annotated[
        float | None,
        BeforeValidator(_seconds),
        Field(gt=0),
        Hint(group="operation", label="Request timeout", placeholder="PT10S"),
    ] = None
    """How long to wait for the cluster when correlating, in ISO 8601; if empty, as long as the job may take."""


class Sent(TypedDict):
    """A message that was sent."""

    messageKey: Annotated[
        int | None, Field(description="Key of the message; null when an earlier try of this task had already sent it.")
    ]
    tenantId: Annotated[str, Field(description="Whose message it is.")]
    processInstanceKey: NotRequired[
        Annotated[int, Field(description="Key of the process instance that it came to, when correlated.")]
    ]


ERRORS = {
    "MESSAGE_EXISTS": (
        "A message with the given id was already published and is still alive. Give a new message another id."
    ),
    "MESSAGE_NOT_CORRELATED": "No process waits for the message now. It is tried again, since one may come later.",
    "CLUSTER_REFUSED": "The cluster refuses the message; the message of the error says why. An incident.",
    "CLUSTER_UNREACHABLE": "The cluster did not answer, or is overloaded. It is tried again.",
    "INVALID_INPUT": "An input is missing or wrong; the message names it. An incident.",
}


@outbound(
    "process-message",
    title="Process: send a message",
    type="io.camunda:sendMessage:1",
    groups=[Group("operation", "Message")],
    errors=ERRORS,
    keywords=["message", "publish", "correlate", "event", "process"],
    result_expression="={messageKey: response.messageKey}",
)
async def send(task: Send, context: Context) -> Sent:
    """Send a message to processes of the cluster that wait for it, or start one with it.

    This runtime calls the cluster with its own credentials. The official templates for messages (throw
    event, end event, send task) run on this connector unchanged. Publishing works with every version of the cluster;
    correlating asks the cluster's REST API (8.6 and later), whose address the operator sets with `ZEEBE_REST_ADDRESS`.

    A task that is tried again publishes no second message: without a message ID of its own, the message has the task's.
    A message that is correlated has no ID, so one whose answer was lost may be sent again.
    """
    default = context.job.tenant_id
    tenant = task.tenant_id.strip() or ("" if default == "<default>" else default)
    known = (await context.memory.recall(_SENT, [context.key])).get(context.key)
    if known is None:
        sent = await _sent(task, context, tenant)
        known = await context.memory.remember(_SENT, context.key, json.dumps(sent))
    context.discard_on_success(_SENT, context.key)
    context.discard_on_success(_IN_DOUBT, context.key)
    result: Sent = json.loads(known)
    return result


async def _sent(task: Send, context: Context, tenant: str) -> Sent:
    name, key, how = task.message_name, task.correlation_key, task.correlation_type
    owner = tenant or context.job.tenant_id
    if isinstance(how, Correlate):
        seconds = min(task.request_timeout or context.seconds_left(), context.seconds_left())
        came = await context.cluster.correlate_message(
            name, correlation_key=key, variables=task.variables, seconds=seconds, tenant=tenant
        )
        return {
            "messageKey": came.message_key,
            "tenantId": owner,
            "processInstanceKey": came.process_instance_key,
        }
    own = how.message_id.strip()
    try:
        number = await context.cluster.publish_message(
            name,
            correlation_key=key,
            message_id=own or f"task-{context.key}",
            time_to_live=_TIME_TO_LIVE if how.time_to_live is None else how.time_to_live,
            variables=task.variables,
            tenant=tenant,
        )
    except TransientError:
        if own:
            await context.memory.remember(_IN_DOUBT, context.key, own)
        raise
    except ConnectorError as error:
        if error.code != "MESSAGE_EXISTS":
            raise
        if own and (await context.memory.recall(_IN_DOUBT, [context.key])).get(context.key) != own:
            raise
        return {"messageKey": None, "tenantId": owner}  # an earlier try sent it, and its answer was lost
    return {"messageKey": number, "tenantId": owner}
