"""One job in, one outcome out: the single place that decides how a job is answered, and that always answers."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from zeebe_connectors.config.secrets import Mask, SecretResolver
from zeebe_connectors.config.settings import parse_duration
from zeebe_connectors.runtime.expressions import (
    LONGEST_MESSAGE,
    BpmnError,
    IgnoreError,
    JobError,
    Verdict,
    encode,
    error_context,
    error_verdict,
    plain,
    result_variables,
)
from zeebe_connectors.runtime.gateway import GatewayError
from zeebe_connectors.runtime.intrinsics import resolve_intrinsics
from zeebe_connectors.runtime.outcome import Complete, Fail, Outcome, Throw
from zeebe_connectors.sdk.connector import Outbound
from zeebe_connectors.sdk.context import Context, Job
from zeebe_connectors.sdk.document import Documents
from zeebe_connectors.sdk.errors import ConnectorError, InputError, PermanentError, TransientError
from zeebe_connectors.sdk.fields import SecretPlaces, read_input
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.sdk.kept import Kept

RETRY_BACKOFF = "retryBackoff"
JOB_TIMEOUT = "jobTimeout"
SECRET_FIELDS = "secretFields"  # noqa: S105 - a header's name
"""Header that names further inputs, comma-separated, in which placeholders resolve; its text comes from the diagram."""
_ANSWER_SHARE = 0.1  # of the job's time, kept back so that the answer still reaches the engine in time
_ANSWER_MOST = 5.0

_log = logging.getLogger("zeebe_connectors.jobs")
Extend = Callable[[float], Awaitable[Job]]


@dataclass(frozen=True, slots=True)
class Services:
    """What handling a job needs besides the job: shared by all connectors of one runtime."""

    secrets: SecretResolver
    kept: Kept
    documents: Documents
    files: AllowedFiles
    secrets_everywhere: bool = False
    """Placeholders resolve anywhere in the inputs, as in the official runtime."""


@dataclass(slots=True)
class _Begun:
    """Whether the connector was called: from then on, a cancelled job may have had its effect."""

    yes: bool = False


class JobHandler:
    """Handles the jobs of one connector.

    Args:
        connector: What carries them out.
        services: What it needs.
    """

    def __init__(self, connector: Outbound, services: Services) -> None:
        self._connector = connector
        self._services = services
        self._places = SecretPlaces(everywhere=True) if services.secrets_everywhere else connector.secret_places

    async def __call__(self, job: Job, extend: Extend | None = None) -> Outcome:
        """The outcome of one job. Nothing is raised but cancellation.

        Args:
            job: As activated.
            extend: Gives the job more time at the engine; called for the header `jobTimeout`.
        """
        mask = Mask()
        backoff: float | None = None
        begun = _Begun()
        try:
            backoff = _duration_header(job, RETRY_BACKOFF)
            job = await _with_timeout(job, extend)
            response = plain(await self._call(job, mask, begun))
            variables, payload = await result_variables(job.headers, response, self._services.documents)
        except asyncio.CancelledError:
            if begun.yes:
                raise
            return Fail("Handed back untouched: the runtime is stopping", retries=job.retries)
        except Exception as error:  # noqa: BLE001 - whatever it is, the job gets an answer
            return await self._failed(job, _known(error, mask), backoff, mask)
        try:
            seen = variables or response
            verdict = await error_verdict(job.headers, seen, job.retries, self._services.documents)
            return Complete(variables, payload) if verdict is None else _decided(verdict, mask)
        except ConnectorError as error:
            return _incident(error, mask)

    async def _call(self, job: Job, mask: Mask, begun: _Begun) -> Any:
        """Reads the input and calls the connector within the job's time."""
        services = self._services
        data = _variables(job)
        data = await services.secrets.resolve(
            data, self._places_for(job), mask=mask, tenant=job.tenant_id, process=job.bpmn_process_id
        )
        now = time.monotonic()
        left = job.deadline - now
        deadline = job.deadline - min(_ANSWER_MOST, left * _ANSWER_SHARE)
        log = logging.LoggerAdapter(logging.getLogger(self._connector.module), {"job": job.key})
        context = Context(job, services.kept, services.documents, services.files, log, deadline)
        try:
            async with asyncio.timeout(max(deadline - now, 0)) as limit:
                data = await resolve_intrinsics(data, services.documents, deadline=deadline)
                given = read_input(self._connector.input, data, seen=mask.add)
                begun.yes = True
                return await self._connector.call(given, context)
        except TimeoutError:
            if not limit.expired():
                raise
            raise TransientError(
                "JOB_TIMEOUT",
                f"No result within {deadline - now:.0f} s, which the job's timeout allows; raise the task's "
                f"{JOB_TIMEOUT} or lower the connector's own timeouts",
            ) from None

    def _places_for(self, job: Job) -> SecretPlaces:
        names = job.headers.get(SECRET_FIELDS, "")
        if not names.strip() or self._places.everywhere:
            return self._places
        more = {name.strip(): SecretPlaces(everywhere=True) for name in names.split(",") if name.strip()}
        return self._places.merged(SecretPlaces(below=more))

    async def _failed(self, job: Job, error: ConnectorError, backoff: float | None, mask: Mask) -> Outcome:
        """What a failure comes to: the error expression's verdict, else by the error's type."""
        try:
            seen = {"error": mask.value(error_context(error))}
            verdict = await error_verdict(job.headers, seen, job.retries, self._services.documents)
            if verdict is not None:
                return _decided(verdict, mask)
            retries = 0 if isinstance(error, PermanentError) else max(job.retries - 1, 0)
            delay = error.delay if isinstance(error, TransientError) and error.delay is not None else backoff
            return Fail(
                message=seen["error"]["message"],
                retries=retries,
                backoff=delay,
                variables=seen,
                payload=encode(seen, "The error's variables"),
                code=error.code,
            )
        except ConnectorError as second:
            return _incident(second, mask)


def _variables(job: Job) -> dict[str, Any]:
    data = json.loads(job.variables or "{}")
    if not isinstance(data, dict):
        raise InputError("The job's variables are not a JSON object")
    return data


def _duration_header(job: Job, name: str) -> float | None:
    text = job.headers.get(name)
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(f"The task's header {name} {error}") from None


async def _with_timeout(job: Job, extend: Extend | None) -> Job:
    """Applies the header `jobTimeout`: the job is ours for that long, counted from now."""
    if not job.headers.get(JOB_TIMEOUT, "").strip():
        return job
    limit = _duration_header(job, JOB_TIMEOUT) or 0.0
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


def _known(error: Exception, mask: Mask) -> ConnectorError:
    """Any exception as one that says what to do. An unexpected one is logged in full, masked, and told in one line."""
    if isinstance(error, ConnectorError):
        return error
    _log.error(
        "A connector raised an unexpected %s:\n%s",
        type(error).__name__,
        mask.text("".join(traceback.format_exception(error))),
    )
    text = str(error)
    return ConnectorError(None, f"{type(error).__name__}: {text}" if text else type(error).__name__)


def _decided(verdict: Verdict, mask: Mask) -> Outcome:
    """A verdict of the error expression as an outcome, its text masked and cut."""
    match verdict:
        case BpmnError(code, message, variables):
            text = mask.text(message or "")[:LONGEST_MESSAGE]
            return Throw(code, text, variables, encode(variables, "The BPMN error's variables"))
        case JobError(message, variables, retries, backoff):
            text = mask.text(message)[:LONGEST_MESSAGE]
            variables = {**variables, "error": text}
            return Fail(text, retries, backoff, variables, encode(variables, "The job error's variables"))
        case IgnoreError(variables):
            return Complete(variables, encode(variables, "The variables of ignoreError"))


def _incident(error: ConnectorError, mask: Mask) -> Fail:
    """A failure that no retry mends, because an expression of the diagram itself is wrong."""
    text = mask.text(error.message)[:LONGEST_MESSAGE]
    variables = {"error": {"message": text, **({"code": error.code} if error.code else {})}}
    return Fail(text, 0, None, variables, encode(variables, "The error"), error.code)
