"""Read a task's headers `retryBackoff` and `jobTimeout`, and extend the job by the latter."""

from __future__ import annotations

import dataclasses
import logging
import time

from zeebe_connectors.runtime.expressions import MAX_WAIT
from zeebe_connectors.runtime.gateway import GatewayError
from zeebe_connectors.runtime.outbound.taken_job import Extend
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.durations import parse_duration
from zeebe_connectors.sdk.errors import InputError, TransientError

RETRY_BACKOFF = "retryBackoff"
JOB_TIMEOUT = "jobTimeout"
_log = logging.getLogger(__name__)


def duration_header(job: Job, name: str) -> float | None:
    """Returns the seconds in a header with a duration; None without the header.

    Raises:
        InputError: It is not a duration, or longer than a hundred years.
    """
    text = job.headers.get(name)
    if text is None:
        return None
    try:
        duration = parse_duration(text)
    except ValueError as error:
        raise InputError(f"The task's header {name} {error}") from None
    if duration > MAX_WAIT:
        raise InputError(f"The task's header {name} must be at most a hundred years")
    return duration


async def with_timeout(job: Job, extend: Extend | None) -> Job:
    """Applies the header `jobTimeout`: extends the job to that long from now, and returns it.

    Raises:
        InputError: The header is not a duration above zero.
        TransientError: `JOB_GONE`: the job belongs to another worker, or no longer exists.
    """
    if not job.headers.get(JOB_TIMEOUT, "").strip():
        return job
    limit = duration_header(job, JOB_TIMEOUT) or 0.0
    if limit <= 0:
        raise InputError(f"The task's header {JOB_TIMEOUT} must be longer than zero")
    if extend is None:
        return dataclasses.replace(job, deadline=time.monotonic() + limit)
    try:
        return await extend(limit)
    except GatewayError as error:
        if error.is_refusal:
            raise TransientError("JOB_GONE", "The job is no longer ours; it was not carried out") from None
        _log.warning("The timeout of job %s could not be changed (%s); it keeps the worker's", job.key, error.status)
        return job
