"""Run a connector once by hand, through a job's pipeline and under the operator's rules, but without a process."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import Field

from zeebe_connectors import feel
from zeebe_connectors.admin.access import Refused, Role
from zeebe_connectors.admin.api.description import Call, NotRequired, Service, TypedDict, described
from zeebe_connectors.admin.busy import AtOnce
from zeebe_connectors.config.providers.secured import at
from zeebe_connectors.config.secrets import MARK
from zeebe_connectors.runtime.expressions import ERROR_EXPRESSION, FUNCTIONS, RESULT_EXPRESSION, RESULT_VARIABLE, source
from zeebe_connectors.runtime.outbound.jobs import JobHandler
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Outcome, Throw
from zeebe_connectors.runtime.outbound.trial import Trial
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.connector import Outbound
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.errors import InputError
from zeebe_connectors.sdk.fields import Model, read_input
from zeebe_connectors.sdk.provided import CONNECTION, ENVIRONMENT, PROVIDER
from zeebe_connectors.templates.form import form_of
from zeebe_connectors.templates.wording import plain

SECONDS = 50.0
"""Seconds for the connector, within the time of a call."""
MAX_AT_ONCE = 2
RETRIES = 3
LIVE = frozenset({"live", "prod", "production"})
"""Names of environments in which trying is closed, unless the operator opens them."""
SETTING = "ZEEBE_CONNECTORS_TRY"
HEADERS = frozenset({RESULT_VARIABLE, RESULT_EXPRESSION, ERROR_EXPRESSION, CONNECTION})
"""The task headers that a trial accepts; the provider has fields of its own."""
_MODES = frozenset({"method", "operation", "imapActionDiscriminator", "pop3ActionDiscriminator"})
"""Last parts of the names of inputs that choose the operation."""
_READING = frozenset({"get", "head", "options", "exists"})
_READING_BEGINS = ("list", "search", "read")


class Try(Model):
    """What to try."""

    inputs: dict[str, Any] = Field(default={})
    """Inputs by wire name, nested; text that begins with `=` is an expression over the variables."""
    variables: dict[str, Any] = Field(default={})
    """Process variables, as the expressions see them."""
    headers: dict[str, str] = Field(default={})
    """`resultVariable`, `resultExpression`, `errorExpression`."""
    provider: str = ""
    """The provider; by default, the inputs say where to connect."""
    environment: str = ""
    """The provider's environment; by default the one in force."""
    confirmed: bool = False
    """Confirms that it may change something outside."""


@described
class TryError(TypedDict):
    """Why a try did not complete."""

    code: str
    message: str
    remedy: str
    """The remedy from the connector's own table of errors."""


@described
class Step(TypedDict):
    """Where the time went."""

    name: str
    seconds: float


@described
class Tried(TypedDict):
    """The answer that the engine would have got, with secrets masked."""

    outcome: Literal["complete", "bpmnError", "retry", "incident"]
    variables: NotRequired[Any]
    error: NotRequired[TryError]
    retries: NotRequired[int]
    backoff: NotRequired[float | None]
    """Seconds before the engine would offer the job again."""
    warnings: list[str]
    """Warnings of FEEL."""
    steps: list[Step]
    seconds: float
    sent: Any
    """The inputs as the connector got them; None if it was not called."""


class Trials:
    """Runs one runtime's connectors by hand, a few at a time.

    Args:
        runtime: The runtime.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._at_once = AtOnce(MAX_AT_ONCE, f"{MAX_AT_ONCE} trials are running already")

    async def run(self, name: str, wanted: Try, role: Role) -> dict[str, Any]:
        """Runs a connector once.

        Args:
            name: The connector's name.
            wanted: What to try.
            role: The caller's role: only operators use secrets by name, or providers restricted to some processes.

        Returns:
            `outcome` (`complete`, `bpmnError`, `retry` or `incident`), `variables`, `error` (code, message, remedy),
            `retries`, `backoff`, `warnings` of FEEL, `sent` (the inputs as the connector got them, masked; None if
            it was not called), `steps`, `seconds`.

        Raises:
            Refused: 404, 403 (`SECRETS_FORBIDDEN`, `TRY_CLOSED`, `PROVIDER_FORBIDDEN`), 409 `CONFIRM`, 429 `BUSY`.
            InputError: An expression of the inputs or a header cannot be used.
        """
        runtime = self._runtime
        connector = runtime.registry.outbound.get(name)
        if connector is None or not runtime.settings.outbound.runs(name, connector.type):
            raise Refused(404, "NOT_FOUND", "No connector of this name runs here; GET /api/connectors lists them")
        headers = _headers(wanted)
        warnings: list[str] = []
        data = await _evaluated(wanted.inputs, wanted.variables, warnings, "")
        text = json.dumps(data, ensure_ascii=False)
        _check_secrets(runtime, wanted, text, role)
        _check_provider(runtime, wanted, role)
        if not wanted.confirmed and changes_outside(connector, data):
            raise Refused(
                409,
                "CONFIRM",
                f"This changes something outside, at {receiver(connector, wanted, data)}. Confirm that it may",
            )
        with self._at_once.one():
            return await _run(runtime, connector, text, headers, warnings)


def calls(trials: Trials, service: Service) -> list[Call]:
    """Returns the call `POST /connectors/NAME/try`."""

    async def run(request: web.Request) -> web.Response:
        wanted = read_input(Try, await service.given(request))
        role = service.access.role_of(request) or Role.VIEWER
        return web.json_response(await trials.run(request.match_info["name"], wanted, role))

    forbidden = ("SECRETS_FORBIDDEN", "TRY_CLOSED", "PROVIDER_FORBIDDEN")
    errors = {403: forbidden, 404: ("NOT_FOUND",), 409: ("CONFIRM",), 429: ("BUSY",)}
    what = "Runs a connector once, with the operator's rules but without a process"
    return [Call("POST", "/connectors/{name}/try", Role.MODELER, what, run, Tried, body=Try, errors=errors)]


async def _run(
    runtime: Runtime, connector: Outbound, text: str, headers: dict[str, str], warnings: list[str]
) -> dict[str, Any]:
    trial = Trial()
    job = Job(secrets.randbits(62), connector.type, text, headers, retries=RETRIES, deadline=time.monotonic() + SECONDS)
    outcome = await JobHandler(connector, runtime.services, trial=trial)(job)
    ended = time.monotonic()
    acknowledged = getattr(outcome, "on_acknowledged", None)
    if acknowledged is not None:
        acknowledged()
    warnings += await _warnings_of(headers, trial)
    called, answered = trial.called or ended, trial.answered or ended
    steps = [("Inputs, secrets and provider", called - trial.began)]
    if trial.called is not None:
        steps.append(("The connector", answered - called))
    if trial.answered is not None:
        steps.append(("Expressions", ended - answered))
    shown = {
        **_shown(connector, outcome),
        "warnings": warnings,
        "steps": [{"name": step, "seconds": round(seconds, 6)} for step, seconds in steps],
        "seconds": round(ended - trial.began, 6),
    }
    masked: dict[str, Any] = trial.mask.value(shown)
    return {**masked, "sent": trial.inputs}


def _shown(connector: Outbound, outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Complete(variables=variables):
            return {"outcome": "complete", "variables": variables}
        case Throw(code=code, message=message, variables=variables):
            error = {"code": code, "message": message, "remedy": ""}
            return {"outcome": "bpmnError", "error": error, "variables": variables}
        case Fail(message=message, retries=retries):
            remedy = plain(connector.errors.get(outcome.code or "", ""))
            return {
                "outcome": "retry" if retries > 0 else "incident",
                "error": {"code": outcome.code or "", "message": message, "remedy": remedy},
                "retries": retries,
                "backoff": outcome.backoff,
            }


def changes_outside(connector: Outbound, data: Mapping[str, Any]) -> bool:
    """Returns whether a run may change something: any may, unless its operation lists, searches or reads.

    Args:
        connector: The connector.
        data: Its inputs.
    """
    modes = [
        str(at(data, item.path) or item.default)
        for item in form_of(connector).fields
        if item.kind == "choice"
        and item.path.rpartition(".")[2] in _MODES
        and (at(data, item.path) is not None or (item.default is not None and not item.conditions))
    ]
    return not modes or not all(
        mode.casefold() in _READING or mode.casefold().startswith(_READING_BEGINS) for mode in modes
    )


def receiver(connector: Outbound, wanted: Try, data: Mapping[str, Any]) -> str:
    """Returns the target of a run in words, without user, path and query of an address."""
    if wanted.provider:
        return f"{wanted.provider[:64]}{f', {wanted.environment[:64]}' if wanted.environment else ''}"
    for place in connector.provider_places:
        value = at(data, ".".join(place.path)) if place.source in {"url", "host"} else None
        if isinstance(value, str) and value:
            try:
                host = urlsplit(value).hostname if "://" in value else value
            except ValueError:
                host = None
            if host:
                return host[:200]
    return connector.title


def is_live(environment: str) -> bool:
    """Returns whether trying is closed in an environment unless the operator opens it."""
    return environment.strip().casefold() in LIVE


def environment_in_force(runtime: Runtime) -> str:
    """Returns the environment in force; empty if there is none."""
    return runtime.services.providers.environment if runtime.services.providers is not None else ""


def _check_secrets(runtime: Runtime, wanted: Try, text: str, role: Role) -> None:
    if MARK not in text:
        return
    if role < Role.OPERATOR:
        raise Refused(
            403,
            "SECRETS_FORBIDDEN",
            "Only operators try with secrets, which could be sent anywhere; use a provider, whose login is bound to it",
        )
    if not wanted.provider and is_live(environment_in_force(runtime)) and not runtime.settings.try_live:
        raise Refused(
            403, "TRY_CLOSED", f"Secrets are closed for trying here, which is live; {SETTING}=live opens them"
        )


def _check_provider(runtime: Runtime, wanted: Try, role: Role) -> None:
    providers = runtime.services.providers
    known = providers.directory.all().get(wanted.provider) if providers is not None and wanted.provider else None
    if known is None:
        return
    if (known.provider.processes or known.provider.tenants) and role < Role.OPERATOR:
        message = f"{known.name} is for some processes only; an operator can try it"
        raise Refused(403, "PROVIDER_FORBIDDEN", message)
    environments = list(known.provider.environments)
    environment = wanted.environment or environment_in_force(runtime)
    if not environment and len(environments) == 1:
        environment = environments[0]
    if is_live(environment) and not (runtime.settings.try_live and role >= Role.OPERATOR):
        who = "operators may try it" if runtime.settings.try_live else f"{SETTING}=live opens it for operators"
        raise Refused(403, "TRY_CLOSED", f"The environment {environment} is closed for trying; {who}")


def _headers(wanted: Try) -> dict[str, str]:
    for name in wanted.headers:
        if name not in HEADERS:
            raise InputError(f"headers: a trial takes {', '.join(sorted(HEADERS))}; {name[:64]!r} is none of them")
    headers = {name: value for name, value in wanted.headers.items() if value.strip()}
    if not any(headers.get(name) for name in (RESULT_VARIABLE, RESULT_EXPRESSION, ERROR_EXPRESSION)):
        headers[RESULT_VARIABLE] = "result"
    headers.pop(CONNECTION, None)
    if wanted.provider:
        headers |= {CONNECTION: PROVIDER, PROVIDER: wanted.provider}
        if wanted.environment:
            headers[ENVIRONMENT] = wanted.environment
    return headers


async def _evaluated(value: Any, variables: Mapping[str, Any], warnings: list[str], path: str) -> Any:
    """Evaluates every expression of the inputs, as the engine would before it sends them."""
    if isinstance(value, dict):
        return {
            name: await _evaluated(item, variables, warnings, f"{path}.{name}" if path else name)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [await _evaluated(item, variables, warnings, f"{path}.{i}") for i, item in enumerate(value, 1)]
    if not isinstance(value, str) or not value.startswith("="):
        return value
    expression = value[1:]
    try:
        found, found_warnings = await feel.offload(
            expression, lambda limits: feel.compile(expression, limits).run(variables, FUNCTIONS)
        )
    except feel.FeelError as error:
        raise InputError(f"{path}: {error}") from None
    warnings += [f"{path}: {warning}" for warning in found_warnings]
    return feel.to_json(found)


async def _warnings_of(headers: Mapping[str, str], trial: Trial) -> list[str]:
    """Says why parts of the result expression's value are null."""
    text = source(headers, RESULT_EXPRESSION)
    if not text or trial.answered is None:
        return []
    response = trial.response
    context = {**(response if isinstance(response, dict) else {}), "response": response}
    try:
        _, found_warnings = await feel.offload(text, lambda limits: feel.compile(text, limits).run(context, FUNCTIONS))
    except feel.FeelError:  # the outcome reports it
        return []
    return [f"{RESULT_EXPRESSION}: {warning}" for warning in found_warnings]
