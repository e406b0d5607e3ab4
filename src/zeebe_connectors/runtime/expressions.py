"""Evaluate result and error expressions into variables and verdicts."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

from zeebe_connectors import feel
from zeebe_connectors.feel import tree as feel_tree
from zeebe_connectors.feel.advice import on_calls
from zeebe_connectors.runtime.payload import encode, plain
from zeebe_connectors.sdk.budget import SmallJson, for_size_of, is_small
from zeebe_connectors.sdk.document import Content, Document, Documents
from zeebe_connectors.sdk.durations import MAX_WAIT
from zeebe_connectors.sdk.errors import ConnectorError, InputError, TransientError
from zeebe_connectors.sdk.media_types import media_type_of

RESULT_VARIABLE = "resultVariable"
RESULT_EXPRESSION = "resultExpression"
ERROR_EXPRESSION = "errorExpression"
MAX_MESSAGE_LENGTH = 6000
"""Maximum characters of an error message that is sent; the official runtime's limit."""
MAX_RETRIES = 2**31 - 1
"""The largest number of retries that the protocol can express."""
_FORBIDDEN = "camunda.function.type"
_JAVA_ERRORS = "io.camunda.connector.api.error."
_PENDING = "zeebe.connectors.pending.document"


def source(headers: Mapping[str, str], name: str) -> str:
    """Returns a header's expression without the leading `=`; empty when there is none."""
    text = headers.get(name)
    return without_marker(text) if text else ""


@lru_cache(maxsize=2048)
def without_marker(text: str) -> str:
    """Returns an expression without the leading `=` and blanks around it."""
    return text.strip().removeprefix("=").strip()


def waiting(seconds: float) -> float:
    """Clamps seconds to what can be sent, from zero to `MAX_WAIT`, whatever a remote server asked for."""
    return seconds if 0 <= seconds <= MAX_WAIT else MAX_WAIT if seconds > 0 else 0.0


class ResultMapping:
    """What a task does with its result, read from its headers once for all its jobs.

    Args:
        headers: The task's custom headers.
    """

    __slots__ = ("error", "result", "variable")

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.variable = headers.get(RESULT_VARIABLE, "").strip()
        """The result variable's name; empty where there is none."""
        self.result = source(headers, RESULT_EXPRESSION)
        """The result expression without its `=`; empty where there is none."""
        self.error = source(headers, ERROR_EXPRESSION)
        """The error expression, likewise."""

    def check(self) -> list[str]:
        """Parses both expressions, so that one that is not FEEL is found before anything happens.

        Returns:
            Calls that have no value, whatever the job: one sentence each, which begins with the header.

        Raises:
            InputError: `EXPRESSION_INVALID`; the message names the header and the place.
        """
        found: list[str] = []
        for name, expression in ((RESULT_EXPRESSION, self.result), (ERROR_EXPRESSION, self.error)):
            if expression:
                try:
                    tree = feel.compile(expression).tree
                except feel.FeelError as error:
                    raise InputError(f"{name}: {error}", code="EXPRESSION_INVALID") from None
                found += [f"{name}: {sentence}" for sentence in (*on_calls(tree, _NAMES), *_on_codes(tree))]
        return found


_CODE = feel_tree.Ref(("error", "code"))
_IS_TEXT = 'error.code is a text: compare it with "404" in quotes, or number(error.code) with 404'


def _on_codes(node: feel_tree.Node) -> list[str]:
    """Lists what compares the error's code with a number, which gives null."""
    compared = (other for each in feel_tree.walk(node) for other in _compared_with_code(each))
    return [_IS_TEXT] if any(map(_is_number, compared)) else []


def _is_number(node: feel_tree.Node) -> bool:
    """Returns whether a node is a number as it is written; Python counts true among the numbers, too."""
    value = node.value if isinstance(node, feel_tree.Literal) else None
    return isinstance(value, Decimal | int) and not isinstance(value, bool)


def _compared_with_code(node: feel_tree.Node) -> Sequence[feel_tree.Node]:
    """Returns what a comparison or a test compares the error's code with."""
    match node:
        case feel_tree.Compare(left=left, right=right):
            return (right,) if left == _CODE else (left,) if right == _CODE else ()
        case feel_tree.Between(of=of, low=low, high=high) if of == _CODE:
            return low, high
        case feel_tree.In(of=of, tests=tests) if of == _CODE:
            return _alternatives(tests)
        case _:
            return ()


def _alternatives(tests: Sequence[feel_tree.Node]) -> list[feel_tree.Node]:
    """Returns the values that tests compare with: those of lists and ranges, but not what others are made of."""
    found: list[feel_tree.Node] = []
    left = list(tests)
    while left:
        match left.pop():
            case feel_tree.ListOf(items=inside) | feel_tree.Tests(tests=inside):
                left += inside
            case feel_tree.RangeOf(start=start, end=end):
                left += (start, end)
            case feel_tree.InputIn(range=inside):
                left.append(inside)
            case feel_tree.InputCompare(to=inside) | feel_tree.InputTest(of=inside):
                left.append(inside)
            case other:
                found.append(other)
    return found


async def result_variables(mapping: ResultMapping, response: Any, documents: Documents) -> tuple[dict[str, Any], str]:
    """Returns the variables that `resultVariable` and `resultExpression` make of a result, and their JSON text.

    Raises:
        InputError: The expression did not return an object, or the variables cannot be sent.
        ConnectorError: The expression could not be evaluated.
    """
    if type(response) is SmallJson:
        response = dict(response)  # of which FEEL reads entries faster
    variables: dict[str, Any] = {}
    if mapping.variable:
        variables[mapping.variable] = response
    expression = mapping.result
    if expression:
        context = {**response, "response": response} if isinstance(response, dict) else {"response": response}
        variables.update(mapped_variables(await _evaluate(expression, context, RESULT_EXPRESSION, documents)))
    if is_small(variables):
        text = encode(variables, "The output")
    else:
        text = await asyncio.to_thread(encode, variables, "The output")
    if expression:
        _refuse_functions(text, RESULT_EXPRESSION)
    return variables, text


def mapped_variables(value: Any) -> dict[str, Any]:
    """Returns the variables that a result expression's value stands for.

    Raises:
        InputError: It is not a context.
    """
    if value is not None and not isinstance(value, dict):
        raise InputError(
            f"{RESULT_EXPRESSION}: must return a JSON object, but returned {_kind(value)}; write it as a context, for "
            "example ={answer: response}"
        )
    return value or {}


@dataclass(frozen=True, slots=True)
class BpmnError:
    """The error expression asks for a BPMN error."""

    code: str
    message: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobError:
    """The error expression asks for a failed job; retries are taken as given."""

    message: str
    variables: dict[str, Any] = field(default_factory=dict)
    retries: int = 0
    backoff: float = 0.0


@dataclass(frozen=True, slots=True)
class IgnoreError:
    """The error expression asks for completion despite the error."""

    variables: dict[str, Any] = field(default_factory=dict)


Verdict = BpmnError | JobError | IgnoreError


def error_context(error: ConnectorError) -> dict[str, Any]:
    """Returns what an error expression sees as `error`, neither masked nor cut.

    It matches the official runtime's: a wrong input has no code there, and a refusal over HTTP has the bare reason
    phrase as its message. Whatever else is known is in `error.variables`.

    Variables that JSON cannot express are left out, because the failure itself must be reported in any case.
    """
    kind = "ConnectorInputException" if isinstance(error, InputError) else "ConnectorException"
    if isinstance(error, TransientError) and error.delay is not None:
        kind = "ConnectorRetryException"
    context: dict[str, Any] = {"type": _JAVA_ERRORS + kind, "message": str(error)}
    more: dict[str, Any] = {}
    if error.code == InputError.CODE:
        more["code"] = error.code
    elif error.code is not None:
        context["code"] = error.code
    if error.phrase is not None:
        context["message"] = error.phrase
        more["message"] = str(error)
    if error.variables is not None or more:
        with contextlib.suppress(InputError, RecursionError):
            context["variables"] = plain({**(error.variables or {}), **more})
    return context


async def error_verdict(expression: str, seen: Any, retries: int, documents: Documents) -> Verdict | None:
    """Returns what the error expression decides, on success and on failure; None leaves things as they are.

    Args:
        expression: The task's error expression, without its `=`.
        seen: The output variables or result of a success, or `{"error": …}`.
        retries: The job's remaining retries, for `job.retries`.
        documents: For `createDocument`.

    Raises:
        InputError: The expression did not return a verdict.
        ConnectorError: It could not be evaluated.
    """
    base = seen if isinstance(seen, dict) else {}
    context = {**base, "response": seen, "job": {"retries": retries}}
    verdict = verdict_of(await _evaluate(expression, context, ERROR_EXPRESSION, documents))
    if verdict is not None:
        given = verdict.variables
        text = await for_size_of(given, lambda: encode(given, f"What {ERROR_EXPRESSION} returned"))
        _refuse_functions(text, ERROR_EXPRESSION)
    return verdict


def verdict_of(value: Any) -> Verdict | None:
    """Returns what an error expression's value decides; None leaves things as they are.

    Raises:
        InputError: It is not a verdict.
    """
    if value is None or value == {}:
        return None
    if not isinstance(value, dict):
        raise InputError(
            f"{ERROR_EXPRESSION}: must return bpmnError(…), jobError(…), ignoreError(…) or null, but got {_kind(value)}"
        )
    kind = value.get("errorType")
    variables = value.get("variables") or {}
    if not isinstance(variables, dict):
        raise InputError(f"{ERROR_EXPRESSION}: its variables must be a context, but are {_kind(variables)}")
    if kind == "bpmnError":
        code = value.get("errorCode")
        if code is None:
            return None
        message = value.get("errorMessage")
        return BpmnError(_text(code), None if message is None else _text(message), variables)
    if kind == "jobError":
        return JobError(
            message=_text(value.get("errorMessage") or ""),
            variables=variables,
            retries=_retries(value.get("retries", 0)),
            backoff=_seconds(value.get("retryBackoff")),
        )
    if kind == "ignoreError":
        return IgnoreError(variables)
    raise InputError(
        f"{ERROR_EXPRESSION}: returned a context without a known errorType; use bpmnError(…), jobError(…) or "
        "ignoreError(…), or null where there is no error"
    )


def _text(value: Any) -> str:
    """Returns a value as text: a context in an error's message, for example, as JSON."""
    return value if isinstance(value, str) else encode(value, f"What {ERROR_EXPRESSION} returned")


def _retries(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,9}\s*", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{ERROR_EXPRESSION}: the retries of jobError must be a number, but are {_kind(value)}")
    return min(max(int(value), 0), MAX_RETRIES)


def _seconds(value: Any) -> float:
    if value is None:
        return 0.0
    duration = feel.evaluate("duration(d)", {"d": value}) if isinstance(value, str) else None
    if isinstance(duration, feel.DaysTime):
        return waiting(duration.total_seconds())
    raise InputError(f'{ERROR_EXPRESSION}: retryBackoff must be a duration, for example duration("PT10S")')


def _refuse_functions(text: str, name: str) -> None:
    if _FORBIDDEN in text:
        raise InputError(f"{name}: the result holds the reserved key {_FORBIDDEN}; leave it out")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float | Decimal):
        return "a number"
    names: dict[type, str] = {
        str: "a string",
        list: "a list",
        dict: "a context",
        type(None): "null",
        feel.YearsMonths: "a duration of years and months",
        feel.DaysTime: "a duration of days and time",
    }
    return names.get(type(value), type(value).__name__)


async def _evaluate(expression: str, context: dict[str, Any], name: str, documents: Documents) -> Any:
    pending: list[Content] = []
    marker = ""
    functions = FUNCTIONS
    if "createDocument" in expression:
        marker = f"{_PENDING}.{uuid.uuid4()}"  # nothing that a service answers can hold it
        functions = feel.HostFunctions([*FUNCTIONS, _create_document(pending, marker)])

    def work(limits: feel.Limits) -> Any:
        pending.clear()
        return feel.to_json(feel.value_of(expression, context, functions, limits), limits, exact=True)

    try:
        value = await feel.offload(expression, work)
    except feel.FeelSyntaxError as error:
        raise ConnectorError("EXPRESSION_INVALID", f"{name}: {error}") from None
    except feel.FeelError as error:
        raise ConnectorError("EXPRESSION_FAILED", f"{name}: {error}") from None
    if pending:
        stored = [
            await documents.create(content.data, name=content.name, content_type=content.content_type)
            for content in pending
        ]
        value = _with_documents(value, marker, stored)
        if Document.looks_like(value):
            raise InputError(f"{name}: wrap createDocument(…) in a field, for example ={{file: createDocument(…)}}")
    return value


def _with_documents(value: Any, marker: str, stored: list[Document]) -> Any:
    if isinstance(value, dict):
        if marker in value:
            return dict(stored[int(value[marker])].reference)
        return {name: _with_documents(item, marker, stored) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_documents(item, marker, stored) for item in value]
    return value


def _create_document(pending: list[Content], marker: str) -> feel.HostFunction:
    def create(value: Any) -> dict[str, Any]:
        given = value if isinstance(value, dict) else {"content": value}
        encoded = given.get("content", given.get("data"))
        if not isinstance(encoded, str):
            raise ValueError("it needs base64 text, or a context with content and name")  # noqa: TRY004 - the engine turns ValueErrors into failures
        try:
            data = base64.b64decode("".join(encoded.split()), validate=True)
        except ValueError:  # also where a letter is not ASCII
            raise ValueError("the content is not base64") from None
        name = given.get("name") or given.get("fileName") or str(uuid.uuid4())
        kind = given.get("contentType") or media_type_of(name)
        if not isinstance(name, str) or not isinstance(kind, str):
            raise ValueError("name and contentType must be text")  # noqa: TRY004 - as above
        pending.append(Content(data, name, kind))
        return {marker: len(pending) - 1}

    return feel.HostFunction("createDocument", ["value"], create)


def _bpmn_error(code: Any, message: Any = None, variables: Any = None) -> dict[str, Any]:
    context: dict[str, Any] = {"errorType": "bpmnError", "errorCode": _need(code, str, "errorCode")}
    if message is not None:
        context["errorMessage"] = _need(message, str, "errorMessage")
    if variables is not None:
        context["variables"] = _need(variables, dict, "variables")
    return context


def _job_error(message: Any, variables: Any = None, retries: Any = None, backoff: Any = None) -> dict[str, Any]:
    return {
        "errorType": "jobError",
        "errorMessage": _need(message, str, "errorMessage"),
        "variables": {} if variables is None else _need(variables, dict, "variables"),
        "retries": 0 if retries is None else _number(retries, "retries"),
        "retryBackoff": feel.DaysTime(0) if backoff is None else _need(backoff, feel.DaysTime, "retryBackoff"),
    }


def _ignore_error(variables: Any = None) -> dict[str, Any]:
    context: dict[str, Any] = {"errorType": "ignoreError"}
    if variables is not None:
        context["variables"] = _need(variables, dict, "variables")
    return context


_MIN_DELAY = feel.DaysTime(50_000_000)
_MAX_DELAY = feel.DaysTime(5_000_000_000)


def _backoff(
    attempt: Any,
    min_delay: Any = _MIN_DELAY,
    factor: Any = 1.6,
    max_delay: Any = _MAX_DELAY,
    jitter: Any = 0.1,
) -> feel.DaysTime:
    count = float(_number(attempt, "attempt"))
    growth = float(_number(factor, "factor"))
    spread = float(_number(jitter, "jitterFactor"))
    low = _need(min_delay, feel.DaysTime, "minDelay").total_seconds()
    high = _need(max_delay, feel.DaysTime, "maxDelay").total_seconds()
    if count < 1 or growth <= 0 or low > high or spread < 0:
        raise ValueError("it needs attempt >= 1, factor > 0, minDelay <= maxDelay and jitterFactor >= 0")
    try:
        delay = min(max(low * growth ** (count - 1), low), high)
    except OverflowError:
        delay = high
    delay += random.uniform(-spread, spread) * delay  # noqa: S311 - jitter, not secrecy
    return feel.DaysTime(round(max(delay, 0.0) * 1000) * 1_000_000)


def _need(value: Any, kind: type, parameter: str) -> Any:
    if not isinstance(value, kind):
        wanted = {str: "a string", dict: "a context", feel.DaysTime: 'a days-time duration, as duration("PT10S")'}[kind]
        raise ValueError(f"the parameter {parameter} must be {wanted}, but is {_kind(value)}")  # noqa: TRY004
    return value


def _number(value: Any, parameter: str) -> Any:
    if isinstance(value, bool) or not hasattr(value, "__int__"):
        raise ValueError(f"the parameter {parameter} must be a number, but is {_kind(value)}")
    return value


def _overloads(name: str, call: Any, parameters: list[str], required: int) -> list[feel.HostFunction]:
    """Returns one function for each permitted number of arguments."""
    return [feel.HostFunction(name, parameters[:count], call) for count in range(required, len(parameters) + 1)]


FUNCTIONS = feel.HostFunctions(
    [
        *_overloads("bpmnError", _bpmn_error, ["errorCode", "errorMessage", "variables"], 1),
        *_overloads("jobError", _job_error, ["errorMessage", "variables", "retries", "retryBackoff"], 1),
        *_overloads("ignoreError", _ignore_error, ["variables"], 0),
        *_overloads("backoff", _backoff, ["attempt", "minDelay", "factor", "maxDelay", "jitterFactor"], 1),
    ]
)
_NAMES = frozenset((*FUNCTIONS.by_name, "createDocument"))
"""Names of all functions that these expressions may call beside FEEL's own."""
