"""Hostile result expressions: each ends, and nobody on the same loop notices."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.hostile.bystanders import Bystanders

from zeebe_connectors import Context, Model, outbound
from zeebe_connectors.testing import Complete, Fail, run

LETTERS = "[a-zA-ZäöüßÄÖÜ]"
NESTED = "a{4}"
for _ in range(9):
    NESTED = f"({NESTED}){{4}}"

# Name, expression, and which limit it reaches; None where it is honest work that has a result.
EXPRESSIONS: list[tuple[str, str, str | None]] = [
    ("a large field in many rows", "{r: for i in 1..3000 return {a: body}}", "characters"),
    ("a hundred thousand parts of a text", "{r: count(for i in 1..100000 return substring(body, 2))}", "memory"),
    (
        "what follows in a text, again and again",
        '{r: count(for i in 1..100000 return substring after(body, "x"))}',
        "memory",
    ),
    ("a text trimmed again and again", "{r: count(for i in 1..100000 return trim(wide))}", "memory"),
    ("texts joined to others", "{r: count(for i in 1..3000 return body + string(i))}", "memory"),
    ("long texts compared", "{r: count(for i in 1..1000000 return body = same)}", "seconds|steps"),
    ("the length of long texts", "{r: count(for i in 1..1999 return string length(emoji))}", "seconds|steps|memory"),
    ("a search in long texts", '{r: count(for i in 1..100000 return contains(body, "y"))}', "seconds|steps"),
    (
        "a pattern of many letters",
        f'{{r: matches("a", "(?i)" + string join(for i in 1..200 return "{LETTERS}{{1000}}"))}}',
        "pattern|null",
    ),
    (
        "a pattern of many repeats",
        f'{{r: matches("a", "{LETTERS}{{1000}}" + "{LETTERS}{{1000}}{LETTERS}{{9000}}")}}',
        "pattern",
    ),
    ("a pattern of repeats of repeats", f'{{r: matches("a", "{NESTED}")}}', "pattern"),
    (
        "a pattern that takes for ever",
        "{r: matches(" + '"' + "a" * 200 + '", "(a|a)*b(a|aa)+$|(a*)*c")}',
        "pattern_seconds",
    ),
    ("a long body in a loop", "{r: for i in 1..100000 return " + " + ".join(["i"] * 2000) + "}", "seconds|steps"),
    ("loops in loops", "{r: count(for a in 1..3000, b in 1..3000 return a + b)}", "seconds|steps|memory"),
    ("JSON read again and again", "{r: count(for i in 1..1000 return from json(json))}", "memory"),
    ("many patterns", '{r: count(for i in 1..2000 return matches("a", "(?i)[a-z]{100}" + string(i)))}', None),
    ("many items sorted", "{r: sort(rows, function(a, b) a.n < b.n)[1].n}", None),
    ("many items sorted by what is calculated", "{r: sort(numbers, function(a, b) a * 1 < b)[1]}", None),
    ("a long text in base64", "{r: string length(to base64(substring(body, 1, 800000)))}", None),
    ("the whole of a long text", "{r: body + substring(body, 1, 400000)}", None),
    ("many branches", "{r: " + "".join(f"if n = {i} then {i} else " for i in range(150)) + "0}", None),
]


@outbound("hand-back", title="Hand back", type="test:hand-back:1")
async def hand_back(given: Model, context: Context) -> Any:
    """Give back what the test holds."""
    return VARIABLES


VARIABLES: dict[str, Any] = {
    "body": "x" * 1_000_000,
    "same": "".join(["x"] * 1_000_000),
    "wide": " " + "y" * 1_000_000 + " ",
    "emoji": "😀" * 500_000,
    "json": "[" + ",".join(["[]"] * 100_000) + "]",
    "rows": [{"n": i * 7919 % 120_011} for i in range(120_000)],
    "numbers": [i * 7919 % 20_011 for i in range(20_000)],
    "n": 149,
}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "expression", "limit"), EXPRESSIONS, ids=[each[0] for each in EXPRESSIONS])
async def test_an_expression_stops_nobody(name: str, expression: str, limit: str | None) -> None:
    """It ends with its limit's name, or with its result; the jobs beside it go on."""
    async with Bystanders() as watch:
        outcome = await run(hand_back, {}, result_expression=f"={expression}", seconds=120)
    if limit is None:
        assert isinstance(outcome, Complete), outcome
    else:
        assert isinstance(outcome, Fail), outcome
        assert any(f"limit '{each}'" in outcome.message for each in limit.split("|")), outcome.message[-300:]
    watch.check()
