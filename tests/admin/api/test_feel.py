"""The playground of expressions, on the page and by the API."""

from __future__ import annotations

import asyncio
import html
import re
import time

import pytest

from zeebe_connectors.feel.limits import QUICK_LIMITS

SLOW = "count(for i in 1..900 return count(for j in 1..900 return i*j))"


async def test_a_value_with_its_type_and_warnings_with_their_place(start):
    runtime = await start()
    given = {"expression": "={a: 1 + 1,\n b: order.customer.name}", "variables": {"order": {"id": 1}}}
    found = await runtime.viewer.call("POST", "/feel", given, status=403)
    found = await runtime.modeler.call("POST", "/feel", given)
    assert (found["value"], found["type"], found["error"], found["outcome"]) == (
        {"a": 2, "b": None},
        "context",
        None,
        None,
    )
    first = found["warnings"][0]
    assert (first["kind"], first["line"], first["column"]) == ("NO_CONTEXT_ENTRY_FOUND", 2, 11)
    assert 0 < found["seconds"] < 1
    text = await runtime.modeler.get("/feel")
    assert "What surprises most" in text
    form = {"kind": "expression", "expression": given["expression"], "variables": '{"order": {"id": 0.10}}'}
    text = await runtime.modeler.post("/feel", form, status=200)
    assert "A context" in text
    assert "Line 2, column 11" in text
    assert "/feel?as=expression&amp;e=%3D%7Ba" in text


@pytest.mark.parametrize(
    ("expression", "kind", "line", "column"),
    [
        ("{a: 1,\n b: 2 +* 3}", "syntax", 2, 8),
        ("if a then", "syntax", 1, 10),
        ("x" * 300 + " +* 1", "syntax", 1, 303),
        ("for i in 1..100000000 return i", "limit", None, None),
        ("assert(1, false)", "evaluation", None, None),
    ],
)
async def test_the_place_of_an_error_is_marked(start, expression, kind, line, column):
    runtime = await start()
    error = (await runtime.modeler.call("POST", "/feel", {"expression": expression}))["error"]
    assert (error["kind"], error["line"], error["column"]) == (kind, line, column)
    await runtime.modeler.get("/feel")
    text = await runtime.modeler.post("/feel", {"kind": "expression", "expression": expression}, status=200)
    assert ("The place of the error" in text) == (kind == "syntax")
    if kind == "syntax":
        source, caret = error["excerpt"].split("\n")
        assert source[caret.index("^") :].startswith(expression.split("\n")[line - 1][column - 1 :][:1])


@pytest.mark.parametrize(
    ("given", "command", "more"),
    [
        ({"kind": "result", "expression": "{id: body.id}", "response": {"body": {"id": 7}}}, "complete", {"id": 7}),
        ({"kind": "result", "expression": "response", "response": 7}, "fail", None),
        (
            {"kind": "error", "expression": 'bpmnError("E", error.message)', "error": {"message": "m"}},
            "throw",
            {},
        ),
        (
            {"kind": "error", "expression": 'jobError("m", {}, job.retries - 1, duration("PT5S"))', "retries": 2},
            "fail",
            {},
        ),
        ({"kind": "error", "expression": "null", "response": {"a": 1}}, "unchanged", None),
        ({"kind": "error", "expression": '"no verdict"'}, "fail", None),
        ({"kind": "unary", "expression": "> 100, [10..20]", "input": 15}, None, None),
    ],
)
async def test_what_a_job_would_become(start, given, command, more):
    runtime = await start()
    found = await runtime.modeler.call("POST", "/feel", given)
    assert found["error"] is None
    if command is None:
        assert (found["value"], found["outcome"]) == (True, None)
        return
    assert found["outcome"]["command"] == command
    if more is not None:
        assert found["outcome"]["variables"] == more
    if command == "fail" and more is not None:
        assert (found["outcome"]["retries"], found["outcome"]["backoff"]) == (1, 5)


async def test_each_tab_evaluates_its_sample_and_keeps_what_was_typed(start):
    runtime = await start()
    for kind, words in [
        ("expression", "&#34;check&#34;"),
        ("result", "The job completes"),
        ("error", "The job throws a BPMN error"),
        ("unary", "true"),
    ]:
        text = await runtime.modeler.get(f"/feel?as={kind}")
        form = {"kind": kind, **_fields(text)}
        assert words in await runtime.modeler.post("/feel", form, status=200)
    text = await runtime.modeler.get("/feel?as=result&e=%3Cscript%3E")
    assert "&lt;script&gt;</textarea>" in text
    text = await runtime.modeler.post(
        "/feel", {"kind": "result", "expression": "MINE", "response": "{nonsense"}, status=400
    )
    assert "This is not JSON" in text
    assert "MINE</textarea>" in text
    assert "{nonsense</textarea>" in text
    assert "evaluating is for modelers" in await runtime.viewer.get("/feel")
    await runtime.viewer.post("/feel", {"kind": "expression", "expression": "1"}, status=403)


async def test_a_long_evaluation_blocks_nobody_and_is_the_only_one(start):
    runtime = await start()
    longest = 0.0
    evaluating = asyncio.create_task(runtime.modeler.call("POST", "/feel", {"expression": SLOW}))
    while not runtime.server._api.playground.bound.running:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.001)
    busy = await runtime.operator.call("POST", "/feel", {"expression": "1"}, status=429)
    assert busy["code"] == "BUSY"
    last = time.perf_counter()
    while not evaluating.done():
        await asyncio.sleep(0.001)
        longest, last = max(longest, time.perf_counter() - last), time.perf_counter()
    found = await evaluating
    assert found["error"] is None or found["error"]["kind"] == "limit"
    assert found["seconds"] > QUICK_LIMITS.seconds
    assert longest < 0.5
    assert (await runtime.operator.call("POST", "/feel", {"expression": "1"}))["value"] == 1


async def test_a_cluster_that_does_not_know_a_function_is_warned_of(start):
    runtime = await start()
    given = {"expression": "=trim(partition([1], 1))", "cluster": "8.6"}
    kinds = [one["kind"] for one in (await runtime.modeler.call("POST", "/feel", given))["warnings"]]
    assert "CLUSTER_8.6" in kinds
    given = {"expression": "1", "cluster": "0.1"}
    assert "cluster" in (await runtime.modeler.call("POST", "/feel", given, status=400))["message"]


def _fields(text: str) -> dict[str, str]:
    found = re.findall(r'<textarea id="(\w+)"[^>]*>\n(.*?)</textarea>', text, re.DOTALL)
    return {name: html.unescape(value) for name, value in found}
