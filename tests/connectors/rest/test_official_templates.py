"""Every version of the official REST template, filled, through the whole pipeline: results and errors as it expects."""

from __future__ import annotations

import asyncio
import base64
import time

import pytest
from tests.connectors.rest.official import EMPTY, SCHEMES, VERSIONS

from zeebe_connectors.connectors.rest.connector import request
from zeebe_connectors.testing import Complete, Fail, Throw, run
from zeebe_connectors.testing.servers import Reply

# As the versions from 13 on prefill it: several lines and a comment.
RESULT = """{
  order: response.body,
  status: response.status
  // what else is wanted stands here
}"""
CATCH = (
    '=if error.code = "404" then bpmnError("GONE", error.message, {reason: error.variables.response.body}) else null'
)
CASES = [
    (number, scheme, empty)
    for number, version in VERSIONS.items()
    for scheme in version.schemes or (version.fixed or "noAuth",)
    for empty in ((False, True) if scheme in {"noAuth", version.fixed} else (False,))
]


@pytest.fixture
def service(server):
    """Answers `/orders` with what it was asked, `/missing` with a 404, and a token endpoint."""
    server.answer("/orders", lambda seen: Reply.json({"id": 7, "sent": seen.body.decode()}, 201, X_One="1"))
    server.answer("/empty", Reply(204, b"", [], "No Content"))
    server.answer("/text", Reply(200, b"plain text", [("Content-Type", "text/plain")]))
    server.answer("/moved", Reply(302, b"", [("Location", "/orders")], "Found"))
    server.answer("/missing", Reply.json({"why": "no such order"}, 404))
    server.answer("/token", Reply.json({"access_token": "fetched", "expires_in": 60}))
    return server


def authorization(scheme):
    """The header that each scheme must have sent."""
    fields = SCHEMES[scheme]
    pair = f"{fields.get('username')}:{fields.get('password')}".encode()
    return {
        "noAuth": ("Authorization", None),
        "basic": ("Authorization", "Basic " + base64.b64encode(pair).decode()),
        "bearer": ("Authorization", "Bearer t-1"),
        "apiKey": ("X-Key", "k-1"),
        "oauth-client-credentials-flow": ("Authorization", "Bearer fetched"),
        "oauth-refresh-token": ("Authorization", "Bearer fetched"),
    }[scheme]


@pytest.mark.parametrize(("number", "scheme", "empty"), CASES)
async def test_a_filled_form(service, number, scheme, empty):
    """The request arrives with its credentials, and the result has the five keys that expressions read."""
    version = VERSIONS[number]
    inputs = version.inputs(service.url("/orders"), "POST", scheme, body={"a": 1})
    outcome = await run(
        request,
        {**EMPTY, **inputs} if empty else inputs,
        headers=version.headers(number),
        result_variable="answer",
        result_expression=RESULT,
    )
    assert isinstance(outcome, Complete), outcome
    name, value = authorization(scheme)
    assert (service.last.method, service.last.json, service.last.header(name)) == ("POST", {"a": 1}, value)
    answer = outcome.variables["answer"]
    assert outcome.variables["order"] == answer["body"] == {"id": 7, "sent": '{"a":1}'}
    assert set(answer) == {"status", "headers", "body", "reason", "document"}
    assert (outcome.variables["status"], answer["reason"], answer["document"]) == (201, "OK", None)
    assert (answer["headers"]["X-One"], answer["headers"]["Content-Type"]) == ("1", "application/json")


@pytest.mark.parametrize("number", VERSIONS)
async def test_what_has_no_json(service, number):
    """An empty answer is null, text is text; a form that asks for JSON (17) takes the one and refuses the other."""
    version = VERSIONS[number]
    scheme = version.fixed or "noAuth"
    for path, body in (("/empty", None), ("/text", "plain text")):
        inputs = version.inputs(service.url(path), "GET", scheme)
        outcome = await run(request, inputs, result_variable="answer", headers=version.headers(number))
        if number == "17" and body is not None:
            assert isinstance(outcome, Fail)
            assert (outcome.code, outcome.retries) == ("RESPONSE_NOT_JSON", 2)
        else:
            assert isinstance(outcome, Complete), outcome
            assert outcome.variables["answer"]["body"] == body


@pytest.mark.parametrize("number", VERSIONS)
async def test_an_error(service, number):
    """A status from 400 on fails the job with code, message and answer; it costs a try and waits as the form says."""
    version = VERSIONS[number]
    inputs = version.inputs(service.url("/missing"), "DELETE", version.fixed or "noAuth")
    outcome = await run(request, inputs, headers=version.headers(number))
    assert isinstance(outcome, Fail)
    assert (outcome.code, outcome.retries, outcome.message.partition(":")[0]) == ("404", 2, "Refused")
    assert outcome.backoff == (30.0 if version.backoff == "PT30S" else 0.0 if version.backoff else None)
    error = outcome.variables["error"]
    assert (error["code"], error["message"]) == ("404", "Refused")  # the reason phrase, which templates compare
    assert error["variables"].pop("message") == outcome.message
    assert error["type"]
    assert set(error["variables"]) == {"response"}
    assert set(error["variables"]["response"]) == {"headers", "body"}
    assert error["variables"]["response"]["body"] == {"why": "no such order"}
    assert error["variables"]["response"]["headers"]["Content-Type"] == "application/json"
    if version.catches:
        caught = await run(request, inputs, headers=version.headers(number), error_expression=CATCH)
        assert isinstance(caught, Throw)
        assert (caught.code, caught.message) == ("GONE", "Refused")
        assert caught.variables == {"reason": {"why": "no such order"}}


@pytest.mark.parametrize("number", VERSIONS)
async def test_a_redirect(service, number):
    """It is the result, unless the form (from 13 on) says that it is followed."""
    version = VERSIONS[number]
    inputs = version.inputs(service.url("/moved"), "GET", version.fixed or "noAuth")
    outcome = await run(request, inputs, result_variable="answer")
    assert isinstance(outcome, Complete)
    assert outcome.variables["answer"]["status"] == 302
    assert outcome.variables["answer"]["headers"]["Location"] == "/orders"
    if "followRedirects" in version.always:
        outcome = await run(request, {**inputs, "followRedirects": True}, result_variable="answer")
        assert isinstance(outcome, Complete)
        assert outcome.variables["answer"]["body"]["id"] == 7


@pytest.mark.parametrize(
    "number", [n for n, v in VERSIONS.items() if {"storeResponse", "documentReturnFormat"} & {*v.always}]
)
async def test_a_stored_answer(service, number):
    """The choice of a document (`storeResponse`, from 17 on a format) gives a reference and no body."""
    version = VERSIONS[number]
    wanted = {"documentReturnFormat": {"choice": "DOCUMENT"}} if number == "17" else {"storeResponse": True}
    inputs = {**version.inputs(service.url("/text"), "GET", "noAuth"), **wanted}
    outcome = await run(request, inputs, result_variable="answer")
    assert isinstance(outcome, Complete)
    answer = outcome.variables["answer"]
    assert answer["body"] is None
    assert answer["document"]["camunda.document.type"] == "camunda"
    assert answer["document"]["metadata"]["contentType"] == "text/plain"


@pytest.mark.parametrize("number", [number for number, v in VERSIONS.items() if "ignoreNullValues" in v.always])
@pytest.mark.parametrize("expected", [True, "true", "${true}"])
async def test_null_values(service, number, expected):
    """Entries that are null are sent, or left out when the form says so."""
    inputs = VERSIONS[number].inputs(service.url("/orders"), "PUT", "noAuth", body={"a": 1, "n": None, "l": [None]})
    await run(request, inputs)
    assert service.last.json == {"a": 1, "n": None, "l": [None]}
    await run(request, {**inputs, "ignoreNullValues": expected})
    assert service.last.json == {"a": 1, "l": [None]}


async def test_timeouts_are_real(service):
    """Whatever they come as: before 7 the one timeout is also the read timeout, later each has its own."""

    async def hang(seen, reader, writer):
        await reader.read()

    service.script("/hang", hang)
    numbers = [number for number, version in VERSIONS.items() if version.always]

    async def hung(number):
        always = VERSIONS[number].always
        name = "readTimeoutInSeconds" if "readTimeoutInSeconds" in always else "connectionTimeoutInSeconds"
        one = type(always[name])(1)
        return await run(request, VERSIONS[number].inputs(service.url("/hang"), "GET", "noAuth", **{name: one}))

    begun = time.monotonic()
    outcomes = await asyncio.gather(*map(hung, numbers))
    assert time.monotonic() - begun < 15
    for number, outcome in zip(numbers, outcomes, strict=True):
        assert isinstance(outcome, Fail), number
        assert (outcome.code, outcome.retries) == ("408", 2), number
        assert outcome.variables["error"]["variables"] == {"reason": "read-timeout"}, number
