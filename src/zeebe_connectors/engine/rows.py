"""Write element instances as rows of the store, and read them back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from zeebe_connectors.engine.flow.instances import ElementInstance, ProcessInstance, Rounds, State, Visit
from zeebe_connectors.engine.flow.subscriptions import Subscription, attach
from zeebe_connectors.engine.jobs import Job, JobState
from zeebe_connectors.engine.model import EventKind
from zeebe_connectors.engine.schedules import Schedule

if TYPE_CHECKING:
    from zeebe_connectors.engine.core import Engine

_ITEMS = -1  # the position of all items, before those of the outputs
RoundRows = dict[int, dict[int, Any]]
"""What multi-instance bodies have stored of their items and outputs, by the body's key and the position."""


def dump_element(instance: ElementInstance) -> dict[str, Any]:
    """Return the stored form of an element instance."""
    data: dict[str, Any] = {"e": instance.element.id, "s": int(instance.state)}
    process = instance.process
    if instance.parent is None:
        data["d"] = process.definition.key
        data["t"] = process.started_ms
        if process.caller is not None:
            data["c"] = process.caller.key
        if process.correlation_key:
            data["k"] = process.correlation_key
    else:
        data["p"] = instance.parent.key
    _add_own(data, instance)
    if instance.subscriptions:
        data["w"] = [_dump_subscription(subscription) for subscription in instance.subscriptions]
    if instance.job is not None:
        data["j"] = _dump_job(instance.job)
    if instance.rounds is not None:
        _add_rounds(data, instance, instance.rounds)
    return data


def _add_rounds(data: dict[str, Any], body: ElementInstance, rounds: Rounds) -> None:
    """Add the progress of a multi-instance body, without what has rows of its own: see `dump_rounds`."""
    data["r"] = [rounds.total, rounds.started, rounds.completed]
    name = _collects(body, rounds)
    if name is not None:
        data["v"] = {other: value for other, value in data["v"].items() if other != name}
        data["o"] = 1


def _collects(body: ElementInstance, rounds: Rounds) -> str | None:
    """Return the name of the variable that holds the outputs exactly as they were collected; None if none does."""
    loop = body.element.loop
    name = loop.output_collection if loop is not None else None
    if name is None or rounds.outputs is None or (body.variables or {}).get(name) is not rounds.outputs:
        return None
    return name


def dump_rounds(body: ElementInstance, rounds: Rounds) -> list[tuple[int, Any]]:
    """Return what is new in a multi-instance body's items and outputs, as (position, value), and note it as stored.

    Each output has a row of its own, at its place in the list, so that a body is not written anew with each of them.
    """
    rows: list[tuple[int, Any]] = []
    if rounds.items and not rounds.stored:
        rows.append((_ITEMS, rounds.items))
        rounds.stored = True
    if _collects(body, rounds) is not None and rounds.outputs is not None:
        rows += [(place, rounds.outputs[place]) for place in rounds.unsaved]
    rounds.unsaved.clear()
    return rows


def _add_own(data: dict[str, Any], instance: ElementInstance) -> None:
    """Add the attributes that only some instances have; most have one of them or none."""
    if instance.index >= 0:
        data["i"] = instance.index
    if instance.variables:
        data["v"] = instance.variables
    if instance.arrivals:
        data["a"] = instance.arrivals
    if instance.pending is not None:
        data["n"] = instance.pending
    if instance.payload is not None:
        data["x"] = instance.payload
    if instance.interrupted:
        data["b"] = 1


def _dump_subscription(subscription: Subscription) -> list[Any]:
    schedule = subscription.schedule.dump() if subscription.schedule is not None else None
    return [
        subscription.event.id, str(subscription.kind), subscription.name, subscription.correlation_key,
        subscription.timer_key, schedule, subscription.due_ms,
    ]  # fmt: skip


def _dump_job(job: Job) -> list[Any]:
    definition = job.instance.element.job
    headers = None if definition is not None and job.headers is definition.headers else job.headers
    return [
        job.key, job.type, job.retries, headers, int(job.state), job.deadline_ms, job.backing_off, job.worker,
        job.error_message,
    ]  # fmt: skip


def load_elements(engine: Engine, rows: Iterable[tuple[int, dict[str, Any]]], rounds: RoundRows) -> None:
    """Restore element instances, each with its job and what it waits for.

    A container's or caller's key is lower than those inside or called, so the order of the keys suffices.
    """
    for key, data in rows:
        instance = _load_root(engine, key, data) if "d" in data else _load_inner(engine, key, data)
        if instance is None:
            continue
        engine.elements[key] = instance
        _load_state(instance, data)
        if "r" in data:
            _load_rounds(instance, data, rounds.get(key, {}))
        if "w" in data:
            _load_subscriptions(engine, instance, data["w"])
        if "j" in data:
            _load_job(engine, instance, data["j"])


def _load_root(engine: Engine, key: int, data: dict[str, Any]) -> ElementInstance:
    caller = engine.elements.get(data.get("c", 0))
    process = ProcessInstance(key, engine.definitions.by_key[data["d"]], caller, data["t"])
    process.correlation_key = data.get("k", "")
    engine.instances[key] = process
    if caller is not None:
        caller.called = process
    if process.correlation_key:
        engine.messages.lock(process.definition.bpmn_process_id, process.correlation_key, key)
    return process.root


def _load_inner(engine: Engine, key: int, data: dict[str, Any]) -> ElementInstance | None:
    parent = engine.elements.get(data["p"])
    if parent is None:
        return None
    element = parent.process.definition.model.index[data["e"]]
    instance = ElementInstance(key, element, parent, parent.process, data.get("i", -1))
    if parent.children is None:
        parent.children = {}
    parent.children[key] = instance
    return instance


def _load_state(instance: ElementInstance, data: dict[str, Any]) -> None:
    instance.stored = True
    instance.state = State(data["s"])
    instance.variables = data.get("v")
    instance.arrivals = data.get("a")
    instance.payload = data.get("x")
    instance.interrupted = "b" in data
    if "n" in data:
        name, argument = data["n"]
        instance.pending = (name, argument)
    if instance.state is not State.ACTIVATING:
        instance.visit = Visit(instance, instance.process.started_ms)
        instance.process.visited(instance.visit)


def _load_rounds(body: ElementInstance, data: dict[str, Any], stored: dict[int, Any]) -> None:
    total, started, completed = data["r"]
    body.rounds = rounds = Rounds(stored[_ITEMS] if started < total else [], total, started, completed)
    rounds.stored = True
    loop = body.element.loop
    if "o" in data and loop is not None and loop.output_collection is not None:
        rounds.outputs = [stored.get(place) for place in range(total)]
        body.set_local(loop.output_collection, rounds.outputs)


def _load_subscriptions(engine: Engine, instance: ElementInstance, rows: list[list[Any]]) -> None:

    index = instance.process.definition.model.index
    for event_id, kind, name, correlation_key, timer_key, schedule, due in rows:
        subscription = Subscription(instance, index[event_id], EventKind(kind))
        subscription.name = name
        subscription.correlation_key = correlation_key
        subscription.timer_key = timer_key
        subscription.due_ms = due
        if schedule is not None:
            subscription.schedule = Schedule.load(schedule)
        attach(engine, subscription)


def _load_job(engine: Engine, instance: ElementInstance, data: list[Any]) -> None:

    key, kind, retries, headers, state, deadline, backing_off, worker, message = data
    if headers is None:
        headers = instance.element.job.headers if instance.element.job is not None else {}
    job = Job(key, instance, kind, retries, headers)
    job.state = JobState(state)
    job.deadline_ms = deadline
    job.backing_off = backing_off
    job.worker = worker
    job.error_message = message
    instance.job = job
    engine.jobs.restore(job)
