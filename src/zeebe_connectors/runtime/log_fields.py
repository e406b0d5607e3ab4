"""Add the job or source to each log record, for collectors that search JSON logs by these fields."""

from __future__ import annotations

from contextvars import ContextVar

from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.provided import CONNECTION, PROVIDER

_of: ContextVar[Job | str | None] = ContextVar("log_fields", default=None)


def belongs_to(what: Job | str) -> None:
    """Marks everything that the running task logs from now on.

    Args:
        what: The job that it works on, or the name of the source that it watches.
    """
    _of.set(what)


def log_fields() -> dict[str, str]:
    """Returns `job`, `type`, `process`, `instance`, `element` and `provider`, or `source`; empty outside of both.

    Keys are texts, because they exceed JavaScript's exact integers.
    """
    what = _of.get()
    if what is None:
        return {}
    if isinstance(what, str):
        return {"source": what}
    found = {
        "job": str(what.key),
        "type": what.type,
        "process": what.bpmn_process_id,
        "instance": str(what.process_instance_key),
        "element": what.element_id,
    }
    if what.headers.get(CONNECTION) == PROVIDER and (provider := what.headers.get(PROVIDER)):
        found["provider"] = provider[:200]
    return found
