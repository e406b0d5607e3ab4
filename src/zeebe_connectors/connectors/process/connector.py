"""Start a process of the cluster as a task, for diagrams that use another process like a service."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypedDict

from pydantic import Field, model_validator

from zeebe_connectors import Context, Group, Hint, Model, When, outbound

_STARTED = "process.started"


class Start(Model):
    """A process, and what it starts with."""

    process_id: Annotated[
        str,
        Field(min_length=1),
        Hint(group="process", label="Process ID", feel="optional", placeholder="check-credit", example="check-credit"),
    ]
    """BPMN id of the process."""
    process_version: Annotated[int | None, Field(ge=1, le=2**31 - 1), Hint(group="process", label="Version")] = None
    """Version of the process; the latest when left out."""
    variables: Annotated[
        dict[str, Any], Hint(group="process", label="Variables", feel="required", placeholder="={customer: customer}")
    ] = Field(default={})
    """What the process starts with."""
    tenant_id: Annotated[str, Hint(group="process", label="Tenant ID")] = ""
    """Tenant of the process; the tenant of this task when left out."""
    wait: Annotated[
        Literal["none", "result", "message"],
        Hint(
            group="answer",
            label="Wait for",
            choices={
                "none": "Nothing: go on at once",
                "result": "The result: for processes that take seconds",
                "message": "A message: for long processes",
            },
        ),
    ] = "none"
    """Whether the task ends when the process starts or when it ends, or lets it answer by a message."""
    fetch: Annotated[
        list[str],
        Hint(
            group="answer",
            label="Variables of the result",
            feel="required",
            placeholder='=["approved", "limit"]',
            when=When("wait", ("result",)),
        ),
    ] = Field(default=[])
    """Names of the variables to get from the result; all when left out."""
    timeout: Annotated[
        float | None,
        Field(gt=0),
        Hint(group="answer", label="Timeout in seconds", when=When("wait", ("result",))),
    ] = None
    """How long to wait for the result; as long as the job may take when left out."""
    message_name: Annotated[str, Hint(group="answer", label="Name of the message", when=When("wait", ("message",)))] = (
        ""
    )
    """Name of the message by which the process answers."""

    @model_validator(mode="after")
    def _message(self) -> Start:
        if self.wait == "message" and not self.message_name.strip():
            raise ValueError("messageName: is required when the process answers by a message; fill it in")
        return self


class Started(TypedDict):
    """A process that was started."""

    processInstanceKey: Annotated[int, Field(description="Key of the process instance.")]
    variables: Annotated[
        dict[str, Any] | None, Field(description="What it ended with; null unless the result was waited for.")
    ]
    correlationKey: Annotated[
        str | None, Field(description="For the event that waits for the answer; null unless the answer is a message.")
    ]


ERRORS = {
    "PROCESS_FORBIDDEN": (
        "The operator does not let tasks start this process: it is not named in "
        "`ZEEBE_CONNECTORS_PROCESSES`. An incident."
    ),
    "PROCESS_NOT_FOUND": "The process is not deployed, or not in this version. An incident.",
    "PROCESS_NO_RESULT": (
        "The process was started and did not end in time. It continues, so the task is not tried again. An incident."
    ),
    "CLUSTER_REFUSED": "The cluster refuses the command; the message says why. An incident.",
    "CLUSTER_UNREACHABLE": "The cluster did not answer, or is overloaded. It is tried again.",
    "INVALID_INPUT": "An input is missing or wrong; the message names it. An incident.",
}


@outbound(
    "process",
    title="Process: start",
    type="io.github.zeebe-connectors:process:1",
    groups=[Group("process", "Process"), Group("answer", "Answer")],
    errors=ERRORS,
    keywords=["process", "start", "call", "sub-process", "cluster"],
    result_expression="={result: response.variables, processInstanceKey: response.processInstanceKey}",
)
async def start(task: Start, context: Context) -> Started:
    """Start a process of the cluster, and use its result if you like.

    This runtime calls the cluster with its own credentials; the diagram holds none. The operator decides which
    processes may be started: `ZEEBE_CONNECTORS_PROCESSES` lists their ids, separated by commas; `*` stands for any
    text.

    The task can wait for a process that takes seconds, within the job's time. One that takes longer answers by a
    message: it starts with the variable `answer`, which holds `messageName` and `correlationKey`, and sends that
    message at its end (the connector [Process: send a message](process-message.md) does). The diagram that started it
    waits for the message in a catch event after this task, whose correlation key is `correlationKey` of this task's
    result.

    A task that is tried again does not start the process a second time, unless the first try was lost between the
    cluster's answer and the runtime's ledger.
    """
    known = (await context.memory.recall(_STARTED, [context.key])).get(context.key)
    result: Started = json.loads(known) if known is not None else await _started(task, context)
    if known is None:
        await context.memory.remember(_STARTED, context.key, json.dumps(result))
    context.discard_on_success(_STARTED, context.key)
    return result


async def _started(task: Start, context: Context) -> Started:
    tenant = task.tenant_id.strip() or _tenant(context)
    version = task.process_version or -1
    if task.wait == "result":
        seconds = min(task.timeout or context.seconds_left(), context.seconds_left())
        finished = await context.cluster.run_process(
            task.process_id,
            version=version,
            variables=task.variables,
            fetch=task.fetch,
            seconds=seconds,
            tenant=tenant,
        )
        return {
            "processInstanceKey": finished.process_instance_key,
            "variables": dict(finished.variables),
            "correlationKey": None,
        }
    variables = dict(task.variables)
    answer = None
    if task.wait == "message":
        answer = context.key
        variables["answer"] = {"messageName": task.message_name.strip(), "correlationKey": answer}
    key = await context.cluster.start_process(task.process_id, version=version, variables=variables, tenant=tenant)
    return {"processInstanceKey": key, "variables": None, "correlationKey": answer}


def _tenant(context: Context) -> str:
    """Returns the task's own tenant; none in a cluster without tenants."""
    return "" if context.job.tenant_id == "<default>" else context.job.tenant_id
