"""Decide when the engine offers a failed job again: how many retries are left, and after which back-off.

A failure by an error expression decides this itself (`runtime/expressions.py`, `JobError`). How long the runtime itself
waits before its next poll, stream or command is in `runtime/backoff.py`.
"""

from __future__ import annotations

from typing import NamedTuple

from zeebe_connectors.runtime.expressions import waiting
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.errors import ConnectorError, PermanentError, TransientError


class Retry(NamedTuple):
    """When the engine offers a failed job again; with no retries left, it raises an incident."""

    retries: int
    backoff: float | None
    """Seconds; None for at once."""


def one_less(job: Job) -> int:
    """Returns the retries left after a failed try."""
    return max(job.retries - 1, 0)


def retry_for(error: ConnectorError, job: Job, backoff: float | None) -> Retry:
    """Returns when a job is offered again after an error, by the error's type.

    A permanent error leaves no retries. The back-off is the error's own delay if it has one, else the header's.

    Args:
        error: Why the job failed.
        job: The job.
        backoff: Seconds of the task's header `retryBackoff`; None without it.
    """
    retries = 0 if isinstance(error, PermanentError) else one_less(job)
    delay = error.delay if isinstance(error, TransientError) and error.delay is not None else backoff
    return Retry(retries, None if delay is None else waiting(delay))
