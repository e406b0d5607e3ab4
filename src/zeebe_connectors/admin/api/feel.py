"""Evaluate a FEEL expression by hand: its value, its warnings, the place of an error; nothing is kept.

Result and error expressions are evaluated with a sample of what they see in a job, and the answer says what would
become of the job. An evaluation has the same limits as in a job, and a slow one runs in a thread, one at a time.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any, Literal

from aiohttp import web
from pydantic import Field

from zeebe_connectors import feel
from zeebe_connectors.admin.access import Role
from zeebe_connectors.admin.api.description import Call, Service, TypedDict, described
from zeebe_connectors.admin.busy import AtOnce
from zeebe_connectors.feel.values import type_name
from zeebe_connectors.feel.versions import CLUSTERS, unknown_to
from zeebe_connectors.runtime.expressions import (
    FUNCTIONS,
    BpmnError,
    IgnoreError,
    JobError,
    Verdict,
    mapped_variables,
    verdict_of,
)
from zeebe_connectors.sdk.errors import InputError
from zeebe_connectors.sdk.fields import Model, read_input

MAX_ANSWER = 1_000_000
"""Maximum characters of a value as JSON in the answer."""
_NAMED = re.compile(r"with (?:name|key) '([^']+)'")


class Evaluation(Model):
    """What is evaluated."""

    expression: str
    """With or without the leading `=`."""
    kind: Literal["expression", "result", "error", "unary"] = "expression"
    """`result` and `error`: as a task's result or error expression; `unary`: the cell of a decision table."""
    variables: dict[str, Any] = Field(default={})
    """What an expression or unary tests see; result and error expressions see no process variables."""
    response: Any = None
    """A sample of the connector's result, for `result`, and for `error` if the job succeeds."""
    error: dict[str, Any] | None = None
    """A sample of the error, for `error` if the job fails: `code`, `message`, `type`, `variables`."""
    retries: int = 3
    """The job's retries, which an error expression sees as `job.retries`."""
    input: Any = None
    """The input value of unary tests."""
    cluster: str = ""
    """A version of the cluster, such as 8.7: functions that it lacks cause warnings."""


@described
class Warned(TypedDict):
    """Something that was probably not intended."""

    kind: str
    message: str
    line: int | None
    """Set if the place is certain."""
    column: int | None


@described
class Failed(TypedDict):
    """Why there is no value."""

    kind: str
    """`syntax`, `limit` or `evaluation`."""
    message: str
    line: int | None
    column: int | None
    excerpt: str | None
    """The line, with a mark under the place."""
    hint: str | None
    limit: str | None
    """The limit that was exceeded."""


@described
class Command(TypedDict):
    """What would become of a job with a result or error expression."""

    command: str
    """`complete`, `fail`, `throw` or `unchanged`."""
    code: str | None
    message: str | None
    variables: Any
    retries: int
    backoff: float


@described
class Evaluated(TypedDict):
    """The result of an expression."""

    value: Any
    type: str
    """The FEEL type; empty without a value."""
    warnings: list[Warned]
    error: Failed | None
    outcome: Command | None
    seconds: float


def calls(playground: Playground, service: Service) -> list[Call]:
    """Returns the call `/feel`."""

    async def evaluate(request: web.Request) -> web.Response:
        wanted = read_input(Evaluation, await service.given(request))
        return web.json_response(await playground.evaluate(wanted))

    what = "Evaluates an expression; nothing is kept"
    errors = {429: ("BUSY",)}
    return [Call("POST", "/feel", Role.MODELER, what, evaluate, Evaluated, body=Evaluation, errors=errors)]


class Playground:
    """Evaluates for the page and the API, one expression at a time, so that jobs always have threads."""

    def __init__(self) -> None:
        self.bound = AtOnce(1, "Another expression is being evaluated")

    async def evaluate(self, wanted: Evaluation) -> dict[str, Any]:
        """Evaluates an expression.

        Returns:
            `value` as JSON; `type`, its FEEL type; `warnings`, each with `kind`, `message`, and `line` and `column`
            if the place is certain; `error` (`kind`, `message`, `line`, `column`, `excerpt`, `hint`, `limit`) or
            None; `outcome`: what would become of a job with a result or error expression; `seconds`.

        Raises:
            Refused: Another evaluation is running.
            InputError: The cluster's version is unknown.
        """
        if wanted.cluster and wanted.cluster not in CLUSTERS:
            raise InputError(f"cluster: must be one of {', '.join(CLUSTERS)}")
        text = feel.strip_marker(wanted.expression)
        text = wanted.expression if text is None else text
        seen = _seen(wanted)
        began = time.perf_counter()
        with self.bound.one():
            try:
                found = await feel.offload(text, lambda limits: _evaluated(text, wanted, seen, limits))
            except feel.FeelError as error:
                found = _NOTHING | {"error": _shown(error)}
        return found | {"seconds": time.perf_counter() - began}


_NOTHING: dict[str, Any] = {"value": None, "type": "", "warnings": [], "error": None, "outcome": None}


def _seen(wanted: Evaluation) -> dict[str, Any]:
    """Returns the variables that the expression sees, as in a job."""
    if wanted.kind in {"expression", "unary"}:
        return {**wanted.variables, "cellInput": wanted.input} if wanted.kind == "unary" else wanted.variables
    seen = {"error": wanted.error} if wanted.kind == "error" and wanted.error is not None else wanted.response
    base = {**seen, "response": seen} if isinstance(seen, dict) else {"response": seen}
    return {**base, "job": {"retries": wanted.retries}} if wanted.kind == "error" else base


def _evaluated(text: str, wanted: Evaluation, seen: dict[str, Any], limits: feel.Limits) -> dict[str, Any]:
    parsed = feel.parse_unary(text) if wanted.kind == "unary" else feel.compile(text)
    value, warnings = parsed.run(seen, _FUNCTIONS, limits=limits)
    as_json = feel.to_json(value, limits)
    if len(json.dumps(as_json, ensure_ascii=False)) > MAX_ANSWER:
        raise feel.FeelLimitError("characters", f"the value has more than {MAX_ANSWER:,} characters as JSON; map less")
    found = [{"kind": one.kind, "message": one.message, **_place(text, one.message)} for one in warnings]
    unknown = unknown_to(parsed.tree, wanted.cluster) if wanted.cluster else []
    found += [{"kind": f"CLUSTER_{wanted.cluster}", "message": each, "line": None, "column": None} for each in unknown]
    return _NOTHING | {
        "value": as_json,
        "type": "null" if value is None else type_name(value),
        "warnings": found,
        "outcome": _outcome(wanted.kind, as_json, failed=wanted.error is not None),
    }


def _outcome(kind: str, value: Any, *, failed: bool) -> dict[str, Any] | None:
    """Returns what would become of a job with this value."""
    try:
        if kind == "result":
            return _command("complete", variables=mapped_variables(value))
        if kind == "error":
            return _decided(verdict_of(value), failed=failed)
    except InputError as error:
        return _command("fail", code=error.code, message=error.message)
    return None


def _decided(verdict: Verdict | None, *, failed: bool) -> dict[str, Any]:
    match verdict:
        case BpmnError(code, message, variables):
            return _command("throw", code=code, message=message, variables=variables)
        case JobError(message, variables, retries, backoff):
            return _command("fail", message=message, retries=retries, backoff=backoff, variables=variables)
        case IgnoreError(variables):
            return _command("complete", variables=variables)
    return _command("unchanged", message="the job fails as it would" if failed else "the job completes")


def _command(command: str, **given: Any) -> dict[str, Any]:
    unset = {"code": None, "message": None, "variables": None, "retries": 0, "backoff": 0.0}
    return {"command": command, **unset, **given}


def _shown(error: feel.FeelError) -> dict[str, Any]:
    shown: dict[str, Any] = {"kind": "evaluation", "message": str(error), "line": None, "column": None}
    shown |= {"excerpt": None, "hint": None, "limit": None}
    if isinstance(error, feel.FeelSyntaxError):
        _, source, caret, *_ = str(error).split("\n")
        shown |= {
            "kind": "syntax",
            "message": f"found {error.found}, expected {error.expected}",
            "line": error.line,
            "column": error.column,
            "excerpt": f"{source[2:]}\n{caret[2:]}",
            "hint": error.hint,
        }
    elif isinstance(error, feel.FeelLimitError):
        shown |= {"kind": "limit", "limit": error.limit}
    return shown


def _place(text: str, message: str) -> dict[str, int | None]:
    """Returns the place of the name that a warning is about, if the name occurs only once."""
    named = _NAMED.search(message)
    places = list(re.finditer(rf"(?<!\w){re.escape(named[1])}(?!\w)", text)) if named else []
    if len(places) != 1:
        return {"line": None, "column": None}
    before = text[: places[0].start()]
    return {"line": before.count("\n") + 1, "column": len(before) - before.rfind("\n")}


def _stand_in(value: Any) -> dict[str, Any]:
    """Stands in for `createDocument`: returns a reference to a document that does not exist."""
    given = value if isinstance(value, dict) else {}
    name = given.get("name") or given.get("fileName")
    return {"storeId": "none", "documentId": "not stored by the playground", "metadata": {"fileName": name}}


_FUNCTIONS = feel.HostFunctions([*FUNCTIONS, feel.HostFunction("createDocument", ["value"], _stand_in)])
