"""Read what the headers of a task ask for, once for all its jobs, and extend a job as `jobTimeout` says."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping
from types import MappingProxyType

from zeebe_connectors.runtime.expressions import ResultMapping
from zeebe_connectors.runtime.gateway import GatewayError
from zeebe_connectors.runtime.outbound.taken_job import Extend
from zeebe_connectors.runtime.secret_scope import check_secret_fields
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.durations import parse_duration
from zeebe_connectors.sdk.errors import InputError, TransientError
from zeebe_connectors.sdk.provided import CONNECTION, ENVIRONMENT, PROVIDER

RETRY_BACKOFF = "retryBackoff"
JOB_TIMEOUT = "jobTimeout"
_MAX_TASKS = 1024
_log = logging.getLogger(__name__)


class TaskHeaders:
    """What the headers of one task ask for.

    Args:
        headers: The task's custom headers.
    """

    __slots__ = ("_backoff", "_headers", "doubts", "mapping", "names_provider", "provider", "sets_timeout", "wrong")

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers
        self.mapping = ResultMapping(headers)
        """What becomes of the result."""
        self.sets_timeout = bool(headers.get(JOB_TIMEOUT, "").strip())
        self.names_provider = PROVIDER in headers or headers.get(CONNECTION) == PROVIDER
        self.provider = headers.get(PROVIDER), headers.get(ENVIRONMENT), headers.get(CONNECTION)
        """The provider, its environment, and whether the task has its own connection instead."""
        self.wrong: InputError | None = None
        """Why no job of the task can be carried out; None where nothing is wrong."""
        self.doubts: list[str] = []
        """What the expressions call though it has no value, one sentence each."""
        try:
            self.doubts = self.mapping.check()
            check_secret_fields(headers)
        except InputError as error:
            self.wrong = error.with_traceback(None)
        self._backoff: float | str | None
        try:
            self._backoff = duration_header(headers, RETRY_BACKOFF)
        except InputError as error:
            self._backoff = error.message

    def is_of(self, headers: Mapping[str, str]) -> bool:
        """Returns whether these headers are the very ones that it was read from."""
        return self._headers is headers

    @property
    def backoff(self) -> float | None:
        """Seconds before the engine offers a failed job again; None where the header is not set.

        Raises:
            InputError: The header is no duration.
        """
        if isinstance(self._backoff, str):
            raise InputError(self._backoff)
        return self._backoff


_tasks: dict[int, TaskHeaders] = {}
"""Of the headers that the gateway gives to all jobs of a task, by their identity: an entry holds them, so that no
others get it."""


def task_headers(job: Job) -> TaskHeaders:
    """Returns what the headers of a job's task ask for."""
    headers = job.headers
    known = _tasks.get(id(headers))
    if known is not None and known.is_of(headers):
        return known
    task = TaskHeaders(headers)
    if isinstance(headers, MappingProxyType):  # nobody changes those
        if len(_tasks) >= _MAX_TASKS:
            _tasks.clear()
        _tasks[id(headers)] = task
    return task


def duration_header(headers: Mapping[str, str], name: str) -> float | None:
    """Returns the seconds in a header with a duration; None without the header.

    Raises:
        InputError: It is not a duration, or longer than a hundred years.
    """
    text = headers.get(name)
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(f"The task's header {name} {error}") from None


async def with_timeout(job: Job, extend: Extend | None) -> Job:
    """Applies the header `jobTimeout`: extends the job to that long from now, and returns it.

    Raises:
        InputError: The header is not a duration above zero.
        TransientError: `JOB_GONE`: the job belongs to another worker, or no longer exists.
    """
    limit = duration_header(job.headers, JOB_TIMEOUT) or 0.0
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
