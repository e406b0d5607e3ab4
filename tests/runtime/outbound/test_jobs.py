"""One job in, one outcome out: every row of the official runtime's contract that a diagram can tell."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import logging
import time
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import pytest
from pydantic import Field

from zeebe_connectors import (
    ConnectorError,
    Context,
    Document,
    Hint,
    InputError,
    Model,
    PermanentError,
    Secret,
    TransientError,
    outbound,
)
from zeebe_connectors.config.secrets import SecretResolver
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.outbound.expression_warnings import ExpressionWarnings
from zeebe_connectors.runtime.outbound.headers import task_headers
from zeebe_connectors.runtime.outbound.jobs import JobHandler
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.testing import Complete, Fail, Throw, run

RESPONSE = {"status": 200, "body": {"id": 7, "name": "Ann", "tags": ["a", "b"]}, "list": [1, 2]}


class Order(Model):
    url: Annotated[str, Field(min_length=1), Hint(secrets=True)] = "x"
    token: Secret = Secret("")
    body: Any = None
    flag: bool = False


def connector(behave: Any) -> Any:
    async def call(given: Order, context: Context) -> Any:
        """Does what the test says."""
        result = behave(given, context)
        return await result if asyncio.iscoroutine(result) else result

    return outbound("behave", title="Behave", type="test:behave:1")(call)


def answering(value: Any) -> Any:
    return connector(lambda given, context: value)


def raising(error: BaseException) -> Any:
    def behave(given: Order, context: Context) -> Any:
        raise error

    return connector(behave)


# Results


async def test_without_result_headers_the_job_completes_with_nothing() -> None:
    """The response does not leak into the process."""
    assert await run(answering(RESPONSE), {}) == Complete({}, "{}")


async def test_the_result_variable_holds_the_whole_response() -> None:
    """Blank means not set."""
    assert (await run(answering(RESPONSE), {}, result_variable="res")).variables == {"res": RESPONSE}
    assert (await run(answering(RESPONSE), {}, result_variable=" ")).variables == {}
    assert (await run(answering(None), {}, result_variable="res")).variables == {"res": None}


@pytest.mark.parametrize(
    ("expression", "variables"),
    [
        ("={x: body.id}", {"x": 7}),
        ("= {x: response.body.id}", {"x": 7}),
        ("{x: nowhere.at.all, y: null}", {"x": None, "y": None}),
        ("=null", {}),
        ("={res: status}", {"res": 200}),
        ('={d: date("2026-01-02"), p: duration("PT90S"), n: 1.50, m: 2.0}', None),
    ],
)
async def test_the_result_expression_maps(expression: str, variables: dict[str, Any] | None) -> None:
    """It sees the response's own keys and `response`."""
    outcome = await run(answering(RESPONSE), {}, result_expression=expression)
    assert isinstance(outcome, Complete)
    if variables is None:
        variables = {"d": "2026-01-02", "p": "PT1M30S", "n": 1.5, "m": 2}
    assert outcome.variables == variables


async def test_the_expression_is_stronger_than_the_variable() -> None:
    """Both headers may be set."""
    outcome = await run(answering(RESPONSE), {}, result_variable="res", result_expression="={res: 1, other: 2}")
    assert outcome.variables == {"res": 1, "other": 2}


async def test_a_list_is_seen_as_response_only() -> None:
    """It has no keys of its own."""
    outcome = await run(answering([1, 2]), {}, result_expression="={n: count(response)}")
    assert outcome.variables == {"n": 2}


@pytest.mark.parametrize("expression", ['="text"', "=[1]", "=5"])
async def test_a_result_that_is_no_object_is_an_incident(expression: str) -> None:
    """The expression itself is wrong, so no retry helps."""
    outcome = await run(answering(RESPONSE), {}, result_expression=expression)
    assert isinstance(outcome, Fail)
    assert outcome.retries == 0
    assert "must return a JSON object" in outcome.message


@pytest.mark.parametrize(
    ("headers", "code", "name"),
    [
        ({"resultExpression": "={x: }"}, "EXPRESSION_INVALID", "resultExpression"),
        ({"resultExpression": "=If response.status = 200 then 1 else 2"}, "EXPRESSION_INVALID", "resultExpression"),
        ({"errorExpression": '=if error.code == "404" then null'}, "EXPRESSION_INVALID", "errorExpression"),
        ({"errorExpression": "=" + "(" * 200 + "1" + ")" * 200}, "EXPRESSION_INVALID", "errorExpression"),
        ({"secretFields": "body; headers"}, "INVALID_INPUT", "secretFields"),
        ({"secretFields": '=["body"]'}, "INVALID_INPUT", "secretFields"),
        ({"retryBackoff": "a while"}, "INVALID_INPUT", "retryBackoff"),
        ({"jobTimeout": "soon"}, "INVALID_INPUT", "jobTimeout"),
        ({"jobTimeout": "PT0S"}, "INVALID_INPUT", "jobTimeout"),
    ],
)
async def test_a_header_that_cannot_be_read_is_an_incident_and_nothing_happens(
    headers: dict[str, str], code: str, name: str
) -> None:
    """Else a request is sent, or a mail, that nobody takes the result of: once for each retry."""
    called: list[Any] = []
    outcome = await run(connector(lambda given, context: called.append(given)), {}, headers=headers)
    assert isinstance(outcome, Fail)
    assert (outcome.retries, outcome.code) == (0, code)
    assert name in outcome.message
    assert called == []


async def test_a_result_expression_that_cannot_be_evaluated_uses_up_one_retry() -> None:
    """As in the official runtime: another answer may suit it."""
    outcome = await run(answering(RESPONSE), {}, result_expression="={x: assert(response.y, response.y != null)}")
    assert isinstance(outcome, Fail)
    assert (outcome.retries, outcome.code) == (2, "EXPRESSION_FAILED")
    assert "resultExpression" in outcome.message


@pytest.mark.parametrize(
    ("result", "path"),
    [
        ({"a": {"b": [1, 2**63]}}, "r.a.b[2]"),
        ({"id": -(2**63) - 1}, "r.id"),
        ([float("nan")], "r[1]"),
        ({"x": float("inf"), "y": 1}, "r.x"),
    ],
)
async def test_a_number_that_no_variable_holds_is_named_before_it_is_sent(result: Any, path: str) -> None:
    """The engine would refuse the command without saying which number it was, for as long as the job lasts."""
    outcome = await run(answering(result), {}, result_variable="r")
    assert isinstance(outcome, Fail)
    assert outcome.retries == 0
    assert f"The output: {path} is " in outcome.message


async def test_an_infinity_that_an_expression_maps_is_named_too() -> None:
    """It does not become null on the way."""
    outcome = await run(answering({"d": [{"e": float("-inf")}]}), {}, result_expression="={x: response.d}")
    assert isinstance(outcome, Fail)
    assert outcome.retries == 0
    assert "The output: x[1].e is an infinity" in outcome.message


@pytest.mark.parametrize(
    "expression",
    [
        "={x: [response.id]}",
        "={x: [99999999999999999999]}",
        "={x: [response.id * -1]}",
        "={x: [9223372036854775807 + 1]}",
    ],
)
async def test_a_whole_number_that_an_expression_maps_loses_no_digits(expression: str) -> None:
    """Beyond 64 bits it is refused by name, and not rounded."""
    outcome = await run(answering({"id": 99999999999999999999}), {}, result_expression=expression)
    assert isinstance(outcome, Fail)
    assert outcome.retries == 0
    assert "x[1] is a whole number beyond 64 bits" in outcome.message


async def test_a_large_number_in_steps_of_ten_is_a_float() -> None:
    outcome = await run(answering({"n": 1.5e300}), {}, result_expression="={x: response.n * 2}")
    assert isinstance(outcome, Complete)
    assert outcome.variables == {"x": 3e300}


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ('=bpmnError(404.5, "m")', "bpmnError: the parameter errorCode must be a string, but is a number"),
        ('=jobError("m", {}, 1, duration("P1M"))', "but is a duration of years and months"),
    ],
)
async def test_a_wrong_argument_is_named_once(expression: str, reason: str) -> None:
    outcome = await run(answering(RESPONSE), {}, error_expression=expression)
    assert isinstance(outcome, Fail)
    assert f"errorExpression: {reason}" in outcome.message or outcome.message.endswith(reason)


async def test_the_largest_numbers_of_64_bits_are_sent() -> None:
    numbers = [2**63 - 1, -(2**63), 1.5e300, "99999999999999999999"]
    outcome = await run(answering(numbers), {}, result_variable="r")
    assert isinstance(outcome, Complete)
    assert outcome.variables == {"r": numbers}


async def test_an_error_expression_that_cannot_see_the_response_is_warned_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It sees what the result was mapped to, as in the official runtime; `response.body` is then null."""
    expression = '=if response.body.status = "FAILED" then bpmnError("FAILED") else null'
    with caplog.at_level(logging.WARNING, logger="zeebe_connectors.jobs"):
        outcome = await run(
            answering({"body": {"status": "FAILED"}}), {}, result_variable="r", error_expression=expression
        )
        assert isinstance(outcome, Complete)
    assert len(caplog.records) == 1
    assert "response.body" in caplog.text
    caplog.clear()
    assert isinstance(await run(answering({"body": {"status": "FAILED"}}), {}, error_expression=expression), Throw)
    mapped = "={body: response.body}"
    outcome = await run(
        answering({"body": {"status": "FAILED"}}), {}, result_expression=mapped, error_expression=expression
    )
    assert isinstance(outcome, Throw)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("expression", "part"),
    [
        ('bpmnError(code: "x")', "has no argument 'code': write bpmnError(errorCode, errorMessage, variables)"),
        ('jobError(message: "x")', "write jobError(errorMessage, variables, retries, retryBackoff)"),
        ("ignoreError({}, 1)", "called with 2 arguments"),
        ("bpmnError()", "called with 0 arguments"),
        ('bpmError("x")', "did you mean bpmnError()?"),
        ('frobnicate("x")', "FEEL has no frobnicate()"),
    ],
)
async def test_a_call_that_gives_null_is_warned_of_once(
    caplog: pytest.LogCaptureFixture, expression: str, part: str
) -> None:
    """The job completes, as with the official runtime, but not silently."""
    text = f'=if status = 200 then {expression} else bpmnError(errorCode: "y")'
    outcome = await run(answering({"status": 200}), {}, error_expression=text)
    assert isinstance(outcome, Complete)
    (record,) = caplog.records
    assert "errorExpression: " in record.getMessage()
    assert part in record.getMessage()
    caplog.clear()
    await run(answering({"status": 200}), {}, result_expression=f"={{a: {expression}}}")
    assert "resultExpression: " in caplog.text


@pytest.mark.parametrize(
    ("condition", "warned"),
    [
        ("error.code = 404", True),
        ("404 = error.code", True),
        ("error.code >= 500", True),
        ("error.code in (404, 410)", True),
        ("error.code in [404, 410]", True),
        ("error.code in [400..499]", True),
        ("error.code between 400 and 499", True),
        ('error.code = "404"', False),
        ("number(error.code) >= 400", False),
        ("error.code = string(404)", False),
        ("error.code in (> 400, null)", True),
        ('error.code in ("404", "410")', False),
        ("error.code in (string(404), string(410))", False),
        ('error.code in (["404", "410"][1])', False),
        ("error.code in (number(?) >= 400)", False),
        ('error.code in (if job.retries > 1 then "404" else "410")', False),
        ("error.code = null or job.retries = 1", False),
    ],
)
async def test_a_code_that_is_compared_with_a_number_is_warned_of(
    caplog: pytest.LogCaptureFixture, condition: str, warned: bool
) -> None:
    """A code is a text, so that the comparison is null and the error expression does nothing."""
    await run(
        raising(ConnectorError("500", "x")), {}, error_expression=f'=if {condition} then bpmnError("E") else null'
    )
    assert ("error.code is a text" in caplog.text) == warned


async def test_a_call_by_names_may_leave_some_out(caplog: pytest.LogCaptureFixture) -> None:
    expression = '=jobError(errorMessage: "later", retryBackoff: duration("PT5S"))'
    outcome = await run(answering({}), {}, error_expression=expression)
    assert isinstance(outcome, Fail)
    assert (outcome.message.partition(" ")[0], outcome.retries, outcome.backoff) == ("later", 0, 5.0)
    assert caplog.records == []


async def test_headers_are_read_once_for_all_jobs_of_a_task() -> None:
    """By their identity, as the gateway gives them; what somebody may change is read each time."""
    headers = MappingProxyType({"resultExpression": "={a: 1}", "retryBackoff": "PT5S"})
    first = task_headers(Job(1, "t", headers=headers))
    assert task_headers(Job(2, "t", headers=headers)) is first
    assert (first.mapping.result, first.backoff, first.wrong) == ("{a: 1}", 5.0, None)
    same = MappingProxyType(dict(headers))
    assert task_headers(Job(3, "t", headers=same)) is not first
    changing = {"retryBackoff": "PT5S"}
    job = Job(4, "t", headers=changing)
    assert task_headers(job).backoff == 5.0
    changing["retryBackoff"] = "soon"
    for _ in range(2):
        with pytest.raises(InputError, match="retryBackoff"):
            task_headers(job).backoff  # noqa: B018 - it raises
    wrong = MappingProxyType({"resultExpression": "={"})
    for key in (5, 6):
        assert "EXPRESSION_INVALID" in str(task_headers(Job(key, "t", headers=wrong)).wrong.code)  # type: ignore[union-attr]


async def test_one_element_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    warnings = ExpressionWarnings()
    job = Job(1, "t", bpmn_process_id="p", element_id="a")
    for _ in range(3):
        warnings.of_response(job, "response.body", {"r": 1})
    warnings.of_response(dataclasses.replace(job, element_id="b"), "response.body", {"r": 1})
    assert len(caplog.records) == 2


async def test_typed_results_become_json() -> None:
    """Models by wire name, times as ISO text, documents as references."""

    class Answer(Model):
        made_at: dt.datetime
        file: Document

    reference = {"camunda.document.type": "inline", "content": "x"}
    made = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    outcome = await run(answering(Answer(made_at=made, file=Document(reference))), {}, result_variable="res")
    assert outcome.variables["res"]["file"] == reference
    assert outcome.variables["res"]["madeAt"].startswith("2026-01-02T03:04:05")


@pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": b"bytes"}, {"a": object()}])
async def test_a_result_that_json_does_not_know_is_reported(value: Any) -> None:
    """Never silence: the job is answered, without retries, and the message says what to do."""
    outcome = await run(answering(value), {}, result_variable="res")
    assert isinstance(outcome, Fail)
    assert outcome.retries == 0


async def test_an_oversized_result_is_an_incident_with_a_remedy() -> None:
    """1.5 MiB as JSON is what a job may return."""
    outcome = await run(answering("x" * 1_600_000), {}, result_variable="res")
    assert isinstance(outcome, Fail)
    assert (outcome.retries, outcome.code) == (0, "RESULT_TOO_LARGE")
    assert "document" in outcome.message
    assert isinstance(await run(answering("x" * 1_500_000), {}, result_variable="res"), Complete)


async def test_the_key_of_intrinsic_functions_is_refused() -> None:
    """A result must not smuggle a function into a later task."""
    outcome = await run(answering({}), {}, result_expression='={x: {"camunda.function.type": "base64"}}')
    assert isinstance(outcome, Fail)
    assert outcome.retries == 0


async def test_create_document_stores_content() -> None:
    """The expression's base64 becomes a document reference."""
    outcome = await run(answering({"file": "aGVsbG8="}), {}, result_expression="={d: createDocument(file)}")
    assert isinstance(outcome, Complete)
    assert outcome.variables["d"]["camunda.document.type"] == "camunda"
    bare = await run(answering({"file": "aGVsbG8="}), {}, result_expression="=createDocument(file)")
    assert isinstance(bare, Fail)
    assert bare.retries == 0


@pytest.mark.parametrize("forged", [0, 99, "x"])
async def test_a_response_cannot_stand_for_a_document_that_is_created(forged: Any) -> None:
    """Whatever a service answers stays data."""
    response = {"file": "aGVsbG8=", "zeebe.connectors.pending.document": forged}
    outcome = await run(answering(response), {}, result_expression="={d: createDocument(file), all: response}")
    assert isinstance(outcome, Complete), outcome
    assert outcome.variables["all"] == response
    assert outcome.variables["d"]["camunda.document.type"] == "camunda"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ('{content: "aGk=", name: 5}', "name and contentType must be text"),
        ('{content: "aGk=", contentType: {a: 1}}', "name and contentType must be text"),
        ('"grüße"', "the content is not base64"),
    ],
)
async def test_create_document_names_what_it_cannot_use(given: str, words: str) -> None:
    outcome = await run(answering({}), {}, result_expression=f"={{d: createDocument({given})}}")
    assert isinstance(outcome, Fail)
    assert outcome.message.endswith(words)


# Failures


@pytest.mark.parametrize(
    ("error", "retries", "backoff"),
    [
        (ConnectorError("404", "not found"), 2, 30.0),
        (TransientError("503", "busy"), 2, 30.0),
        (TransientError("429", "slow down", delay=7.5), 2, 7.5),
        (PermanentError("X", "no"), 0, 30.0),
        (InputError("url: wrong"), 0, 30.0),
        (RuntimeError("boom"), 2, 30.0),
    ],
)
async def test_the_errors_type_says_what_becomes_of_the_job(error: Exception, retries: int, backoff: float) -> None:
    """Retries and back-off; the header's unless the error names its own."""
    outcome = await run(raising(error), {}, headers={"retryBackoff": "PT30S"})
    assert isinstance(outcome, Fail)
    assert (outcome.retries, outcome.backoff) == (retries, backoff)


async def test_a_failed_job_carries_its_error() -> None:
    """The message begins with the error's text; the variables have the official shape."""
    outcome = await run(raising(ConnectorError("404", "not found", variables={"response": {"body": 1}})), {})
    assert isinstance(outcome, Fail)
    assert outcome.message.startswith("not found")
    assert outcome.variables == {
        "error": {
            "type": "io.camunda.connector.api.error.ConnectorException",
            "message": "not found",
            "code": "404",
            "variables": {"response": {"body": 1}},
        }
    }


async def test_long_messages_are_cut() -> None:
    """6,000 characters, as the official runtime."""
    outcome = await run(raising(ConnectorError("X", "y" * 10_000)), {})
    assert isinstance(outcome, Fail)
    assert len(outcome.message) == 6000


async def test_a_secret_at_the_cut_is_not_shown_in_part() -> None:
    """Masked first, cut then."""

    def behave(given: Order, context: Context) -> Any:
        raise ConnectorError("X", "y" * 5_990 + given.token.reveal())

    outcome = await run(connector(behave), {"token": "secrets.T"}, secrets={"T": CANARY})
    assert isinstance(outcome, Fail)
    assert outcome.message == "y" * 5_990 + "***"


async def test_the_code_is_never_masked() -> None:
    """It is the connector's API: a password that happens to be a digit of it must not keep a boundary from catching."""
    expression = '=if error.code = "404" then bpmnError("E") else null'
    outcome = await run(raising(ConnectorError("404", "no")), {"token": "4"}, error_expression=expression)
    assert isinstance(outcome, Throw)


async def test_the_log_tells_where_an_unexpected_error_was_raised_and_no_data(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its text goes to the incident, where the process's data belongs."""

    def behave(given: Order, context: Context) -> Any:
        try:
            return {}[given.body]
        except KeyError as error:
            raise RuntimeError(f"order of {given.body}") from error

    outcome = await run(connector(behave), {"body": "Ann-4711"})
    assert isinstance(outcome, Fail)
    assert outcome.message == "RuntimeError: order of Ann-4711"
    assert "in behave" in caplog.text
    assert "caused by\n" in caplog.text
    assert "KeyError" in caplog.text
    assert "Ann-4711" not in caplog.text


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retryBackoff": "soon"}, "retryBackoff"),
        ({"retryBackoff": ""}, "retryBackoff"),
        ({"retryBackoff": "P1D1S"}, "retryBackoff"),
        ({"jobTimeout": "soon"}, "jobTimeout"),
        ({"jobTimeout": "PT0S"}, "jobTimeout"),
        ({"jobTimeout": "P9999999999D"}, "jobTimeout"),
        ({"retryBackoff": "P9999999999D"}, "retryBackoff"),
    ],
)
async def test_a_wrong_header_is_an_incident_and_the_connector_never_runs(
    headers: dict[str, str], expected: str
) -> None:
    """It is read before anything happens outside."""
    called = []
    outcome = await run(connector(lambda given, context: called.append(1)), {}, headers=headers)
    assert isinstance(outcome, Fail)
    assert outcome.retries == 0
    assert expected in outcome.message
    assert not called


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"flag": "perhaps"}, "flag: must be true or false"),
        ({"url": {}}, "url: must be text"),
        ({"token": []}, "token: must be text"),
    ],
)
async def test_wrong_input_is_an_incident_that_names_the_field(variables: dict[str, Any], expected: str) -> None:
    """And what it must be."""
    outcome = await run(answering(1), variables)
    assert isinstance(outcome, Fail)
    assert (outcome.retries, outcome.code) == (0, "INVALID_INPUT")
    assert expected in outcome.message


async def test_the_text_false_of_older_templates_is_false() -> None:
    """`${false}` arrives as those eight characters."""
    seen: list[bool] = []
    await run(connector(lambda given, context: seen.append(given.flag)), {"flag": "${false}"})
    await run(connector(lambda given, context: seen.append(given.flag)), {"flag": "${true}"})
    assert seen == [False, True]


async def test_a_connector_that_takes_too_long_is_stopped() -> None:
    """Before the job's deadline, so that the engine hears of it."""
    outcome = await run(connector(lambda given, context: asyncio.sleep(60)), {}, seconds=0.2)
    assert isinstance(outcome, Fail)
    assert (outcome.retries, outcome.code) == (2, "JOB_TIMEOUT")
    assert "jobTimeout" in outcome.message


async def test_a_timeout_of_the_connectors_own_is_not_taken_for_the_jobs() -> None:
    """It is an error like any other."""
    outcome = await run(raising(TimeoutError("the other side sleeps")), {})
    assert isinstance(outcome, Fail)
    assert outcome.code is None
    assert "the other side sleeps" in outcome.message


async def test_job_timeout_gives_the_connector_that_long() -> None:
    """The header is stronger than the worker's timeout."""
    left = []
    await run(
        connector(lambda given, context: left.append(context.seconds_left())), {}, headers={"jobTimeout": "PT10M"}
    )
    assert 500 < left[0] <= 600


class SleepyProvider:
    """Does not answer in time."""

    async def get(self, name: str, *, tenant: str, process: str) -> str | None:
        await asyncio.sleep(60)
        return None


class BrokenProvider:
    """Fails with words that hold what nobody may see."""

    async def get(self, name: str, *, tenant: str, process: str) -> str | None:
        raise OSError(f"vault refused {CANARY}")


def handler(connector: Any, provider: Any, directory: Path) -> JobHandler:
    clients = ClientCache()
    documents = LocalDocuments(directory, clients=clients)
    return JobHandler(connector, Services(SecretResolver([provider]), clients, documents, AllowedFiles()))


def job(seconds: float = 30.0, **more: Any) -> Job:
    given = {"variables": '{"token": "secrets.T"}', "deadline": time.monotonic() + seconds, **more}
    return Job(1, "test:behave:1", **given)


async def test_cancelled_before_the_connector_began_the_job_is_handed_back(tmp_path: Path) -> None:
    """Its retries untouched, for nothing happened."""
    task = asyncio.ensure_future(handler(answering(1), SleepyProvider(), tmp_path)(job()))
    await asyncio.sleep(0.05)
    task.cancel()
    outcome = await task
    assert isinstance(outcome, Fail)
    assert outcome.retries == 3


async def test_cancelled_after_the_connector_began_the_job_is_left_to_its_deadline() -> None:
    """Nobody knows whether the effect happened."""
    began = asyncio.Event()

    async def call(given: Order, context: Context) -> None:
        began.set()
        await asyncio.sleep(60)

    task = asyncio.ensure_future(run(connector(call), {}))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_secrets_that_do_not_come_use_up_the_jobs_time_and_a_retry(tmp_path: Path) -> None:
    """A vault that hangs must not hold a job for ever."""
    outcome = await handler(answering(1), SleepyProvider(), tmp_path)(job(0.2))
    assert isinstance(outcome, Fail)
    assert (outcome.code, outcome.retries) == ("JOB_TIMEOUT", 2)


async def test_a_provider_that_fails_is_named_without_its_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It may come back, so a retry is left; what it said may be secret, and no mask knows it yet."""
    caplog.set_level(logging.DEBUG)
    outcome = await handler(answering(1), BrokenProvider(), tmp_path)(job())
    assert isinstance(outcome, Fail)
    assert (outcome.code, outcome.retries) == ("SECRET_PROVIDER_FAILED", 2)
    assert "BrokenProvider" in outcome.message
    assert CANARY not in repr(outcome) + caplog.text


async def test_a_job_whose_time_is_over_does_not_begin(tmp_path: Path) -> None:
    """Somebody else has it by now."""
    called: list[int] = []
    late = handler(connector(lambda given, context: called.append(1)), SleepyProvider(), tmp_path)
    outcome = await late(job(-1, variables="{}"))
    assert isinstance(outcome, Fail)
    assert not called


@pytest.mark.parametrize("raised", [asyncio.CancelledError(), SystemExit(1)])
async def test_what_a_connector_should_not_raise_is_a_failure_like_any_other(raised: BaseException) -> None:
    """A client cancelled elsewhere, or a library that wants to leave, takes neither the answer nor the runtime away."""
    outcome = await run(raising(raised), {})
    assert isinstance(outcome, Fail)
    assert outcome.retries == 2
    assert type(raised).__name__ in outcome.message


async def test_half_a_surrogate_from_outside_is_answered() -> None:
    """JSON can bring one and the protocol cannot carry it; the job would run again at each timeout."""
    done = await run(answering({"a": "x\ud800"}), {}, result_variable="r")
    failed = await run(raising(ConnectorError("X", "x\ud800", variables={"v": "\ud800"})), {})
    thrown = await run(raising(ConnectorError("X", "\ud800")), {}, error_expression='=bpmnError("E", error.message)')
    for outcome in (done, failed, thrown):
        outcome.payload.encode()
        assert not isinstance(outcome, Fail | Throw) or outcome.message.encode()
    assert '"x\ufffd"' in done.payload


class Anything(Model):
    """Whatever comes."""

    a: str
    b: list[Any]
    d: str


async def test_half_a_character_in_an_input_is_replaced_for_every_connector() -> None:
    """A service once sent it, and none can receive it: databases, devices and XML used to differ."""
    seen: list[Any] = []

    @outbound("half", title="Half", type="half", template=False)
    async def half(given: Anything, context: Context) -> None:
        """See what comes."""
        seen.append(given.model_dump())

    inputs = {"a": "x\ud83d", "b": [{"c\udc00": "\ud83d\ude00"}], "d": "\\ud83d"}
    assert isinstance(await run(half, inputs), Complete)
    assert seen == [{"a": "x\ufffd", "b": [{"c\ufffd": "\U0001f600"}], "d": "\\ud83d"}]


@pytest.mark.parametrize("value", [b"bytes", "x" * 1_600_000, float("nan")])
async def test_error_variables_that_cannot_be_sent_do_not_hide_the_error(value: Any) -> None:
    """The failure is told as what it is, with its retries."""
    outcome = await run(raising(ConnectorError("503", "busy", variables={"body": value})), {})
    assert isinstance(outcome, Fail)
    assert (outcome.code, outcome.retries, outcome.message) == ("503", 2, "busy")
    assert "variables" not in outcome.variables["error"]


@pytest.mark.parametrize("delay", [1e30, float("inf")])
async def test_numbers_that_the_protocol_does_not_know_are_bounded(delay: float) -> None:
    """A remote server's wish, a header or an expression cannot make an answer that cannot be sent."""
    longest = 36_500 * 86_400.0
    verdict = await run(raising(TransientError("429", "slow", delay=delay)), {})
    assert isinstance(verdict, Fail)
    assert verdict.backoff == longest
    expression = '=jobError("x", {}, 99999999999, duration("P999999999D"))'
    wished = await run(raising(ConnectorError("X", "x")), {}, error_expression=expression)
    assert isinstance(wished, Fail)
    assert (wished.retries, wished.backoff) == (2**31 - 1, longest)


# Error expressions


async def test_on_success_the_error_expression_sees_the_output_variables() -> None:
    """And the raw response only when there are none: a quirk that diagrams rely on."""
    thrown = 'if {0} = 200 then bpmnError("E") else null'
    mapped = await run(
        answering(RESPONSE), {}, result_variable="res", error_expression=thrown.format("response.res.status")
    )
    assert isinstance(mapped, Throw)
    for path in ("response.status", "status"):
        hidden = await run(answering(RESPONSE), {}, result_variable="res", error_expression=thrown.format(path))
        assert isinstance(hidden, Complete)
        raw = await run(answering(RESPONSE), {}, error_expression=thrown.format(path))
        assert isinstance(raw, Throw)


@pytest.mark.parametrize("path", ["error.code", "response.error.code"])
async def test_an_error_becomes_a_bpmn_error(path: str) -> None:
    """With code, message and variables."""
    expression = f'=if {path} = "404" then bpmnError("404", "not found: " + error.message, {{a: 1}}) else null'
    outcome = await run(raising(ConnectorError("404", "gone")), {}, error_expression=expression)
    assert isinstance(outcome, Throw)
    assert (outcome.code, outcome.message, outcome.variables) == ("404", "not found: gone", {"a": 1})
    other = await run(raising(ConnectorError("500", "gone")), {}, error_expression=expression)
    assert isinstance(other, Fail)
    assert other.retries == 2


async def test_a_plain_context_is_as_good_as_the_function() -> None:
    """The key `errorType` tells the kind."""
    expression = '={errorType: "bpmnError", errorCode: error.code, errorMessage: "x", variables: error.variables}'
    outcome = await run(raising(ConnectorError("C", "m", variables={"v": 1})), {}, error_expression=expression)
    assert isinstance(outcome, Throw)
    assert (outcome.code, outcome.variables) == ("C", {"v": 1})


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ('errorType: "bpmnError", errorCode: 404, errorMessage: {a: [true]}', ("404", '{"a":[true]}', None)),
        ('errorType: "bpmnError", errorCode: true', ("true", "", None)),
        ('errorType: "bpmnError", errorCode: 0, errorMessage: false', ("0", "false", None)),
        ('errorType: "jobError", errorMessage: ["a", null]', (None, '["a",null]', 0)),
        ('errorType: "jobError", errorMessage: "m", retries: "2"', (None, "m", 2)),
        ('errorType: "jobError", errorMessage: "m", retries: null', (None, "m", 0)),
    ],
)
async def test_a_plain_context_may_hold_other_types(context: str, expected: tuple[Any, ...]) -> None:
    """They become what they are in JSON; the functions refuse them by name."""
    outcome = await run(raising(ConnectorError("C", "m")), {}, error_expression=f"={{{context}}}")
    assert isinstance(outcome, Fail | Throw)
    retries = outcome.retries if isinstance(outcome, Fail) else None
    assert (outcome.code, outcome.message, retries) == expected


async def test_job_error_takes_retries_as_given() -> None:
    """Not decremented; `job.retries - 1` is the way to count down."""
    expression = '=jobError("later", {a: 1}, job.retries - 1, duration("PT10S"))'
    outcome = await run(raising(ConnectorError("500", "x")), {}, error_expression=expression, retries=3)
    assert isinstance(outcome, Fail)
    assert (outcome.message, outcome.retries, outcome.backoff) == ("later", 2, 10.0)
    assert outcome.variables == {"a": 1, "error": "later"}
    plain = await run(raising(ConnectorError("500", "x")), {}, error_expression='=jobError("now")')
    assert isinstance(plain, Fail)
    assert (plain.retries, plain.backoff) == (0, 0.0)


async def test_ignore_error_completes_with_its_own_variables() -> None:
    """The result mapping's output is dropped."""
    outcome = await run(answering(RESPONSE), {}, result_variable="res", error_expression="=ignoreError({a: 1})")
    assert isinstance(outcome, Complete)
    assert outcome.variables == {"a": 1}


async def test_backoff_grows() -> None:
    """`backoff` gives a duration for `jobError`."""
    expression = '=jobError("x", {}, 1, backoff(3, duration("PT1S"), 2, duration("PT1M"), 0))'
    outcome = await run(raising(ConnectorError("500", "x")), {}, error_expression=expression)
    assert isinstance(outcome, Fail)
    assert outcome.backoff == 4.0


@pytest.mark.parametrize(
    "expression", ["", " ", "=null", "={}", '={errorType: "bpmnError", errorCode: null}', "=nosuch(1)"]
)
async def test_no_verdict_leaves_things_as_they_are(expression: str) -> None:
    """A blank header, null, an empty context, an error without a code, an unknown function."""
    assert isinstance(await run(answering(1), {}, error_expression=expression), Complete)


@pytest.mark.parametrize("expression", ['="text"', "={a: 1}", '={errorType: "no"}', "=if then", "=bpmnError(5)"])
async def test_a_wrong_error_expression_is_an_incident(expression: str) -> None:
    """Silence would hide the error that it was to catch."""
    for behave in (answering(1), raising(ConnectorError("X", "x"))):
        outcome = await run(behave, {}, error_expression=expression)
        assert isinstance(outcome, Fail)
        assert outcome.retries == 0
        assert "errorExpression" in outcome.message


async def test_the_expression_of_the_issue() -> None:
    """A whole one, with both functions."""
    expression = (
        '=if error.code = "404" then bpmnError("404", "not found") '
        'else if error.code = "500" then jobError("later", {}, 2, duration("PT10S")) else null'
    )
    assert isinstance(await run(raising(ConnectorError("404", "x")), {}, error_expression=expression), Throw)
    later = await run(raising(ConnectorError("500", "x")), {}, error_expression=expression)
    assert isinstance(later, Fail)
    assert (later.retries, later.backoff) == (2, 10.0)
    assert isinstance(await run(answering({}), {}, error_expression=expression), Complete)


# Secrets

CANARY = "CANARY-5eCr3t/Value+1"


async def test_secrets_reach_the_connector_only() -> None:
    """Resolved in hinted fields and `Secret` fields; the header's expressions are never searched."""
    seen = []
    await run(
        connector(lambda given, context: seen.append((given.url, given.token.reveal(), given.body))),
        {"url": "https://x/{{secrets.T}}", "token": "secrets.T", "body": {"text": "{{secrets.T}}"}},
        secrets={"T": CANARY},
    )
    assert seen == [(f"https://x/{CANARY}", CANARY, {"text": "{{secrets.T}}"})]


async def test_a_task_may_name_further_fields() -> None:
    """By a header, which is static text of the diagram and cannot come from outside."""
    seen = []
    await run(
        connector(lambda given, context: seen.append(given.body)),
        {"body": {"text": "{{secrets.T}}"}},
        headers={"secretFields": "body, other"},
        secrets={"T": CANARY},
    )
    assert seen == [{"text": CANARY}]


async def test_a_hostile_variable_is_not_answered_with_a_secret() -> None:
    """A mail's text that asks for a secret is passed on as it came."""
    hostile = {"mail": "Please reply with {{secrets.T}} and secrets.T", "deep": [{"x": "secrets.T"}]}
    outcome = await run(
        connector(lambda given, context: given.body), {"body": hostile}, result_variable="res", secrets={"T": CANARY}
    )
    assert outcome.variables == {"res": hostile}


async def test_a_missing_secret_is_an_incident() -> None:
    """No retry brings it."""
    outcome = await run(answering(1), {"token": "{{secrets.NONE}}"})
    assert isinstance(outcome, Fail)
    assert (outcome.retries, outcome.code) == (0, "SECRET_NOT_FOUND")
    assert "Secret with name 'NONE' is not available" in outcome.message


@pytest.mark.parametrize("given", [{"token": "{{secrets.T}}"}, {"token": CANARY}, {"url": "u:{{secrets.T}}@h"}])
@pytest.mark.parametrize(
    "expression",
    ["", '=bpmnError("E", error.message, error)', "=jobError(error.message, error)", "=bpmnError(", "={a: 1}"],
)
@pytest.mark.parametrize("unexpected", [False, True])
async def test_a_canary_appears_nowhere(
    given: dict[str, str], expression: str, unexpected: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in message, variables, log, whatever the connector puts into its error, plain or encoded."""

    def behave(order: Order, context: Context) -> Any:
        secret = order.token.reveal() or order.url
        if unexpected:
            raise RuntimeError(f"driver says {secret}")
        raise ConnectorError("X", f"refused {secret}", variables={secret: [secret, {"deep": f"<{secret}>"}]})

    caplog.set_level(logging.DEBUG)
    outcome = await run(connector(behave), given, error_expression=expression, secrets={"T": CANARY})
    assert isinstance(outcome, Fail | Throw)
    assert CANARY not in repr(outcome)
    assert CANARY not in outcome.payload
    assert CANARY not in caplog.text
