"""Run one connector by hand, without an engine, and print its outcome: `zeebe-connectors try`."""

from __future__ import annotations

import json
import time
from typing import Any

import typer

from zeebe_connectors.cli import log_setup
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.expressions import ERROR_EXPRESSION, RESULT_EXPRESSION, RESULT_VARIABLE
from zeebe_connectors.runtime.outbound.jobs import JobHandler
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Throw
from zeebe_connectors.runtime.services import services_of
from zeebe_connectors.sdk.connector import Outbound
from zeebe_connectors.sdk.context import Job

_EXPRESSIONS = (RESULT_VARIABLE, RESULT_EXPRESSION, ERROR_EXPRESSION)


async def run_trial(
    connector: Outbound, given: dict[str, Any], environment: Environment, settings: Settings, *, test: bool = False
) -> int:
    """Carries out one job with the configured secrets and prints what would be sent to the engine, secrets masked.

    Args:
        connector: Whose job.
        given: The inputs, or variables and headers.
        environment: Where secrets are.
        settings: The operator's.
        test: Whether only connection and login are tried, which changes nothing.
    """
    mask = Mask()
    log_setup.configure(mask)
    whole = isinstance(given.get("variables"), dict)
    variables = given["variables"] if whole else given
    headers = dict(given.get("headers") or {}) if whole else {}
    if test:
        connector, variables = connector.as_test(), {**connector.test_inputs, **variables}
        headers = {name: text for name, text in headers.items() if name not in _EXPRESSIONS}
    if not any(headers.get(name) for name in _EXPRESSIONS):
        headers[RESULT_VARIABLE] = "result"
    needed = services_of(settings, environment, log_mask=mask)
    timeout = settings.worker.timeout
    now = time.monotonic()
    job = Job(1, connector.type, json.dumps(variables), headers, retries=1, deadline=now + timeout)
    try:
        outcome = await JobHandler(connector, needed)(job)
    finally:
        await needed.aclose()
    taken = (time.monotonic() - now) * 1000
    match outcome:
        case Complete(variables=result):
            shown: dict[str, Any] = {"outcome": "complete", "variables": result}
        case Throw(code=code, message=message, variables=result):
            shown = {"outcome": "BPMN error", "code": code, "message": message, "variables": result}
        case Fail(message=message, variables=result):
            shown = {"outcome": "fail", "code": outcome.code, "message": message, "variables": result}
    typer.echo(json.dumps({**mask.value(shown), "milliseconds": round(taken)}, indent=2, ensure_ascii=False))
    return 1 if isinstance(outcome, Fail) else 0
