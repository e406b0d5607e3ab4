"""Handle jobs: the single place that decides how a job is answered, and that always answers."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import json
import logging
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from zeebe_connectors.config.environment import SettingsError
from zeebe_connectors.config.secrets import JobSecrets, Mask, may_hold
from zeebe_connectors.config.settings import DEFAULT_SLOTS
from zeebe_connectors.net.custody import holding
from zeebe_connectors.runtime.diagrams import DiagramUnavailable, Element
from zeebe_connectors.runtime.documents.ids import for_tenant
from zeebe_connectors.runtime.documents.trust import FUNCTION_KEY, Trust, asks_the_diagram
from zeebe_connectors.runtime.expressions import (
    MAX_MESSAGE_LENGTH,
    RESULT_VARIABLE,
    BpmnError,
    IgnoreError,
    JobError,
    Verdict,
    error_context,
    error_verdict,
    result_variables,
    waiting,
)
from zeebe_connectors.runtime.outbound.expression_warnings import ExpressionWarnings
from zeebe_connectors.runtime.outbound.headers import JOB_TIMEOUT, TaskHeaders, task_headers, with_timeout
from zeebe_connectors.runtime.outbound.intrinsics import resolve_intrinsics
from zeebe_connectors.runtime.outbound.job_provider import JobProvider
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, HandBack, Outcome, Throw
from zeebe_connectors.runtime.outbound.retry import retry_for
from zeebe_connectors.runtime.outbound.stages import Stages, recorded_data
from zeebe_connectors.runtime.outbound.taken_job import Extend
from zeebe_connectors.runtime.outbound.text_inputs import documents_as_text
from zeebe_connectors.runtime.outbound.trial import Trial
from zeebe_connectors.runtime.payload import encode, plain
from zeebe_connectors.runtime.providers import Use
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.budget import for_size_of, is_small_json, json_is_quick, one_pass
from zeebe_connectors.sdk.connector import Outbound
from zeebe_connectors.sdk.context import Context, Job
from zeebe_connectors.sdk.deadlines import Within
from zeebe_connectors.sdk.document import TYPE_KEY
from zeebe_connectors.sdk.errors import ConnectorError, InputError, TransientError
from zeebe_connectors.sdk.fields import explain, read_input, settings_of
from zeebe_connectors.sdk.text import sendable, sendable_value

_ANSWER_SHARE = 0.15  # share of the job's time reserved for sending the answer before the worker stops the job
_MAX_ANSWER_SECONDS = 5.0
_LAST_WORD = 0.25
"""Seconds by which a connector's own limits end before its time is over, so that its own error is reported."""
_MAX_CAUSES = 5
_MAX_FRAMES = 20

_decode = one_pass(json.JSONDecoder())
_log = logging.getLogger("zeebe_connectors.jobs")


def operator_defaults(connector: Outbound, settings: Mapping[str, str]) -> dict[str, Any]:
    """Returns the inputs that the operator sets for tasks that leave them empty.

    Args:
        connector: The connector whose inputs these are.
        settings: The operator's settings by name.

    Raises:
        SettingsError: A setting has a value that its input does not accept.
    """
    found: dict[str, Any] = {}
    for name, (setting, kind) in settings_of(connector.input).items():
        if text := (settings.get(setting) or "").strip():
            try:
                found[name] = TypeAdapter(kind).validate_python(text.casefold())
            except ValidationError as error:
                raise SettingsError(f"{setting}: {explain(error).partition(': ')[2].partition(': ')[2]}") from None
    return found


@dataclass(slots=True)
class _Progress(Stages):
    """How far a job has come."""

    started: bool = False
    """Whether the connector was called: from then on, a cancelled job may have had its effect."""
    data: Any = None
    """The inputs, with secrets."""
    response: Any = None
    """The connector's result."""
    discards: list[tuple[str, str]] = field(default_factory=list)
    """Places and ids of texts that the memory may discard once the engine has the result."""

    def discard_on_success(self, place: str, each: str) -> None:
        """See `Context.discard_on_success`."""
        self.discards.append((place, each))


class JobHandler:
    """Handles the jobs of one connector.

    Args:
        connector: The connector.
        services: What handling a job needs.
        slots: Maximum jobs of the connector at once; a share of them may wait for providers.
        trial: Records a run by hand; such a handler runs only one job.
    """

    def __init__(
        self, connector: Outbound, services: Services, *, slots: int = DEFAULT_SLOTS, trial: Trial | None = None
    ) -> None:
        self._trial = trial
        self._connector = connector
        self._log = logging.getLogger(connector.module)
        self._provider = JobProvider(connector, services, slots, by_hand=trial is not None)
        self._services = services
        self._operator_defaults = operator_defaults(connector, services.settings)
        self._warnings = ExpressionWarnings()

    async def __call__(self, job: Job, extend: Extend | None = None) -> Outcome:
        """Handles one job and returns its outcome. Raises nothing but cancellation.

        Args:
            job: As activated.
            extend: Extends the job's timeout in the engine; called for the header `jobTimeout`.
        """
        mask = Mask()
        custody = self._services.secrets.custody(mask, process=job.bpmn_process_id, element=job.element_id)
        if self._trial is not None:
            self._trial.mask = mask
        progress = _Progress(began=time.perf_counter())
        with holding(custody), for_tenant(job.tenant_id):
            outcome = await self._handled(job, extend, custody, progress)
        progress.ended = time.perf_counter()
        if self._services.keeps_data and not isinstance(outcome, Complete):
            progress.recorded = await asyncio.to_thread(recorded_data, progress.data, progress.response, mask)
        progress.data = progress.response = None
        outcome.stages = progress
        return outcome

    async def _handled(self, job: Job, extend: Extend | None, custody: JobSecrets, progress: _Progress) -> Outcome:
        mask = custody.mask
        task = task_headers(job)
        backoff: float | None = None
        if task.wrong is not None:
            return _incident(task.wrong, mask)
        try:
            backoff = task.backoff
            if task.sets_timeout:
                job = await with_timeout(job, extend)
            response = await self._call(job, task, custody, progress)
            if not is_small_json(response):
                response = await for_size_of(response, functools.partial(plain, response))
            if self._trial is not None:
                self._trial.answers(response)
            progress.response = response
            variables, payload = await result_variables(task.mapping, response, self._services.documents)
        except asyncio.CancelledError as error:
            if not _is_cancelled():
                return self._with_discards(await self._failed(job, _known(error, mask), backoff, mask), progress)
            if progress.started:
                raise
            return Fail("Handed back untouched: it was stopped before the connector started", retries=job.retries)
        except HandBack as reason:
            text = sendable(mask.text(reason.message)[:MAX_MESSAGE_LENGTH])
            return Fail(text, job.retries, waiting(reason.delay))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the job gets an answer
            return self._with_discards(await self._failed(job, _known(error, mask), backoff, mask), progress)
        done = Complete(variables, payload)
        error_expression = task.mapping.error
        outcome = await self._judged(job, error_expression, done, response, mask) if error_expression else done
        return self._with_discards(outcome, progress) if progress.discards else outcome

    async def _judged(self, job: Job, expression: str, done: Complete, response: Any, mask: Mask) -> Outcome:
        """Returns what the error expression makes of a success."""
        try:
            seen = done.variables or response
            verdict = await error_verdict(expression, seen, job.retries, self._services.documents)
            if verdict is None:
                self._warnings.of_response(job, expression, done.variables)
                return done
            return await _outcome_of(verdict, mask)
        except Exception as error:  # noqa: BLE001 - as above
            return _incident(_known(error, mask), mask)

    async def _call(self, job: Job, task: TaskHeaders, custody: JobSecrets, progress: _Progress) -> Any:
        """Reads the input and calls the connector within the job's time."""
        services = self._services
        self._warnings.of_calls(job, task.doubts)
        now = time.monotonic()
        left = job.deadline - now
        if left <= 0:
            raise TransientError("JOB_TIMEOUT", "The job's time ran out before the connector started; it did not run")
        deadline = job.deadline - min(_MAX_ANSWER_SECONDS, left * _ANSWER_SHARE)
        log = logging.LoggerAdapter(self._log, {"job": job.key})
        own = deadline - min(_LAST_WORD, (deadline - now) / 10)
        context = Context(
            job,
            services.clients,
            services.documents,
            services.files,
            log,
            own,
            services.memory,
            progress.discard_on_success,
            services.cluster,
        )
        try:
            with Within(deadline) as limit:
                quick = json_is_quick(job.variables)
                data = _variables(job) if quick else await asyncio.to_thread(_variables, job)
                if self._operator_defaults:
                    self._fill(data)
                if may_hold(job.variables):  # a look at the text spares most jobs walks over their inputs
                    data = await self._with_secrets(job, data, custody)
                if TYPE_KEY in job.variables or FUNCTION_KEY in job.variables:
                    data = await self._with_documents(job, data, own)
                use: Use | None = None
                if task.names_provider:
                    again = self._provider.use_again(job, task, data, custody)
                    use = again or await self._provider.use(job, task, data, custody)
                progress.data = data
                given = self._read(data, custody, use)
                if self._trial is not None:
                    self._trial.calls(data, custody.mask)
                progress.read = time.perf_counter()
                if use is not None:
                    return await self._call_provider(use, job, given, context, progress)
                progress.started, progress.called = True, progress.read
                return await self._connector.call(given, context)
        except TimeoutError:
            if not limit.expired:
                raise
            raise TransientError(
                "JOB_TIMEOUT",
                f"No result within {deadline - now:.0f} s, which the job's timeout allows; raise the task's "
                f"{JOB_TIMEOUT} or lower the connector's own timeouts",
            ) from None
        finally:
            progress.answered = time.perf_counter()

    def _read(self, data: dict[str, Any], custody: JobSecrets, use: Use | None) -> Any:
        """Validates the inputs; an error that is the provider's says so."""
        try:
            return read_input(self._connector.input, data, seen=custody.mask.typed)
        except InputError as error:
            raise (error if use is None else use.named(error, self._connector)) from None

    async def _call_provider(self, use: Use, job: Job, given: Any, context: Context, progress: _Progress) -> Any:
        """Calls the connector once the provider's usage rules allow it."""
        context.clients = use.clients
        if not use.enters_at_once():
            await self._provider.enter(use, job, context.deadline)
        try:
            progress.started, progress.called = True, time.perf_counter()
            response = await self._connector.call(given, context)
        except BaseException as error:
            use.leave(error)
            if isinstance(error, InputError):
                raise use.named(error, self._connector) from error.__cause__
            raise
        use.leave()
        return response

    def _fill(self, data: dict[str, Any]) -> None:
        """Fills inputs that are empty with what the operator decided."""
        for name, value in self._operator_defaults.items():
            if data.get(name) in (None, ""):
                data[name] = value

    async def _with_documents(self, job: Job, data: dict[str, Any], deadline: float) -> dict[str, Any]:
        """Puts documents and the results of functions into the inputs."""
        data = await self._trusted(job, data)
        if FUNCTION_KEY in job.variables:
            data = await resolve_intrinsics(data, self._services.documents, deadline=deadline)
        if TYPE_KEY in job.variables:
            data = await documents_as_text(data, self._connector.input, self._services.documents, deadline=deadline)
        return data

    def _with_discards(self, outcome: Outcome, progress: _Progress) -> Outcome:
        """Makes the outcome discard, once the engine has it, what the memory no longer needs."""
        if isinstance(outcome, Fail) or not progress.discards:
            return outcome

        def discard() -> None:
            for place, each in progress.discards:
                self._services.memory.discard_later(place, each)

        return dataclasses.replace(outcome, on_acknowledged=discard)

    async def _with_secrets(self, job: Job, data: dict[str, Any], custody: JobSecrets) -> Any:
        """Replaces the modeler's placeholders in the inputs by secrets."""
        services = self._services
        element = await self._element(job) if services.scope.by_diagram else None
        found = await services.secrets.resolve(
            data,
            services.scope.places(self._connector, job, element),
            mask=custody.mask,
            tenant=job.tenant_id,
            process=job.bpmn_process_id,
            custody=custody,
        )
        if found.unresolved:
            services.scope.report(job, found.unresolved, element)
        return found.value

    async def _trusted(self, job: Job, data: dict[str, Any]) -> Any:
        """Marks trusted document references and function objects in the inputs."""
        services = self._services
        if services.trust is not None:
            return services.trust.marked(data)
        by_diagram = services.scope.by_diagram and asks_the_diagram(job.variables)
        element = await self._element(job) if by_diagram else None
        return Trust(services.documents, job.tenant_id, element, self._connector.secret_places).marked(data)

    async def _element(self, job: Job) -> Element | None:
        """Returns the job's element in its diagram; None when the diagram is unknown."""
        if self._trial is not None:
            return None
        try:
            return await self._services.diagrams.element(job)
        except DiagramUnavailable as error:
            raise HandBack(
                "The diagram of this task's process cannot be read, and without it nothing is resolved: "
                f"{error.message}. The task is tried again, its retries are untouched",
                error.delay,
            ) from None

    async def _failed(self, job: Job, error: ConnectorError, backoff: float | None, mask: Mask) -> Outcome:
        """Turns a failure into an outcome: by the error expression, else by the error's type."""
        known = None if error.variables is None else dict(error.variables)
        seen = {"error": await for_size_of(known, lambda: _masked(error_context(error), mask))}
        try:
            expression = task_headers(job).mapping.error
            documents = self._services.documents
            verdict = await error_verdict(expression, seen, job.retries, documents) if expression else None
            result = self._failure(job, seen["error"])
            if verdict is not None:
                verdict = dataclasses.replace(verdict, variables={**result, **verdict.variables})
                return await _outcome_of(verdict, mask)
        except Exception as second:  # noqa: BLE001 - as above
            return _incident(_known(second, mask), mask)
        seen = {**result, **seen}
        retry = retry_for(error, job, backoff)
        seen, payload = await for_size_of(seen, functools.partial(_sized, seen))
        return Fail(
            message=sendable(mask.text(str(error))[:MAX_MESSAGE_LENGTH]),
            retries=retry.retries,
            backoff=retry.backoff,
            variables=seen,
            payload=payload,
            code=error.code,
        )

    def _failure(self, job: Job, error: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the result variable of a failed task, for connectors whose diagrams look for failures there."""
        name = job.headers.get(RESULT_VARIABLE, "").strip()
        if self._connector.failure is None or not name:
            return {}
        message = (error.get("variables") or {}).get("message") or error["message"]
        return {name: dict(self._connector.failure(message))}


def _is_cancelled() -> bool:
    """Returns whether this job was cancelled, and not just something that the connector awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _masked(error: dict[str, Any], mask: Mask) -> dict[str, Any]:
    """Returns what an error expression sees as `error`, masked and then cut; the code never holds a secret."""
    masked = {**error, "message": sendable(mask.text(error["message"])[:MAX_MESSAGE_LENGTH])}
    if "variables" in error:
        masked["variables"] = mask.value(error["variables"])
    return masked


def _sized(seen: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Returns a failure's variables and their JSON text, without the error's own variables if those cannot be sent."""
    try:
        return seen, encode(seen, "The error's variables")
    except InputError:
        less = {**seen, "error": {name: value for name, value in seen["error"].items() if name != "variables"}}
        return less, encode(less, "The error")


def _variables(job: Job) -> dict[str, Any]:
    text = job.variables or "{}"
    data = _decode(text)
    if not isinstance(data, dict):
        raise InputError("The job's variables are not a JSON object")
    if "\\ud" in text or "\\uD" in text:  # half a character, which a service once sent, and none can receive
        return dict(sendable_value(data))
    return data


def _known(error: BaseException, mask: Mask) -> ConnectorError:
    """Turns any exception into a `ConnectorError`; logs where an unexpected one was raised, without its text."""
    if isinstance(error, ConnectorError):
        return error
    kind = type(error).__name__
    _log.error("A connector raised an unexpected %s:\n%s", kind, mask.text("".join(_places(error))))
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - somebody else's exception may be broken itself
        text = ""
    return ConnectorError(None, f"{kind}: {text}" if text else kind)


def _places(error: BaseException) -> list[str]:
    """Returns where an exception and its causes were raised, without their texts, which may hold process data."""
    lines: list[str] = []
    seen: list[BaseException] = []
    while error not in seen and len(seen) < _MAX_CAUSES:
        seen.append(error)
        frames = traceback.format_tb(error.__traceback__)
        if len(frames) > _MAX_FRAMES:
            frames[_MAX_FRAMES // 2 : -_MAX_FRAMES // 2] = [f"  … {len(frames) - _MAX_FRAMES} more\n"]
        lines += [*frames, f"{type(error).__name__}\n"]
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None:
            break
        lines.append("caused by\n")
        error = cause
    return lines


async def _outcome_of(verdict: Verdict, mask: Mask) -> Outcome:
    """Turns a verdict of the error expression into an outcome; off the event loop where its variables are large."""
    return await for_size_of(verdict.variables, lambda: _encoded(verdict, mask))


def _encoded(verdict: Verdict, mask: Mask) -> Outcome:
    """Returns the outcome of a verdict, its text masked and cut."""
    match verdict:
        case BpmnError(code, message, variables):
            text = sendable(mask.text(message or "")[:MAX_MESSAGE_LENGTH])
            return Throw(sendable(code), text, variables, encode(variables, "The BPMN error's variables"))
        case JobError(message, variables, retries, backoff):
            text = sendable(mask.text(message)[:MAX_MESSAGE_LENGTH])
            variables = {**variables, "error": text}
            return Fail(text, retries, backoff, variables, encode(variables, "The job error's variables"))
        case IgnoreError(variables):
            return Complete(variables, encode(variables, "The variables of ignoreError"))


def _incident(error: ConnectorError, mask: Mask) -> Fail:
    """Returns a failure that no retry can fix, because an expression in the diagram itself is wrong."""
    text = sendable(mask.text(error.message)[:MAX_MESSAGE_LENGTH])
    variables = {"error": {"message": text, **({"code": error.code} if error.code else {})}}
    return Fail(text, 0, None, variables, encode(variables, "The error"), error.code)
