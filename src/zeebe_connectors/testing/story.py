"""Tell the story of a process instance to people who read a failed test: its path, variables, jobs, incidents."""

from __future__ import annotations

import json
from typing import Any

from zeebe_connectors.engine import Engine
from zeebe_connectors.engine.queries import VisitView

MAX_VALUE = 120
"""Maximum characters of a variable's value in the story."""


def story(engine: Engine, key: int) -> str:
    """Return what an instance did, what it waits for, what is wrong, and its variables."""
    queries = engine.queries
    found = queries.instance(key)
    if found is None:
        return f"There is no process instance {key} any more."
    jobs = {job.element_instance_key: job for job in queries.jobs() if job.process_instance_key == key}
    lines = [f"{found.bpmn_process_id} {key}, version {found.version}, {found.state.lower()}:"]
    visits = [visit for visit in queries.element_instances(key) if visit.element_type != "PROCESS"]
    width = max((len(visit.element_id) for visit in visits), default=0)
    for visit in visits:
        words = visit.state.lower()
        if (job := jobs.get(visit.key)) is not None:
            tries = "1 try" if job.retries == 1 else f"{job.retries} tries"
            words = f"waits for a worker of type {job.type!r}, {tries} left"
        elif visit.state == "ACTIVE":
            words = _waits(engine, visit)
        lines.append(f"  {visit.element_id:<{width}}  {words}")
    lines += [
        f"  incident at {incident.element_id}: {incident.type}: {incident.message}"
        for incident in queries.incidents()
        if incident.process_instance_key == key
    ]
    variables = {one.name: one.value for one in queries.variables(key, key)}
    lines += [f"  {name} = {_value(value)}" for name, value in sorted(variables.items())]
    return "\n".join(lines)


def _waits(engine: Engine, visit: VisitView) -> str:
    for subscription in engine.queries.message_subscriptions():
        if subscription.element_instance_key == visit.key:
            return f"waits for the message {subscription.message_name!r} with the key {subscription.correlation_key!r}"
    return "active"


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"
