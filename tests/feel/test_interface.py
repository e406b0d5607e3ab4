"""How a host uses the engine: values in and out, warnings, functions of its own, many evaluations at once."""

import datetime as dt
import json
import math
import zoneinfo
from collections import UserDict
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest

from zeebe_connectors import feel

PARIS = zoneinfo.ZoneInfo("Europe/Paris")


def test_an_expression_is_compiled_once_and_evaluated_often() -> None:
    """The object keeps nothing of an evaluation but its warnings."""
    expression = feel.compile("a + 1")
    assert expression.text == "a + 1"
    assert [expression.evaluate({"a": number}) for number in range(3)] == [1, 2, 3]
    assert expression.warnings == []
    assert expression.evaluate({}) is None
    assert [warning.kind for warning in expression.warnings] == ["NO_VARIABLE_FOUND", "INVALID_TYPE"]


def test_compiling_a_text_again_does_not_parse_it_again() -> None:
    """Each call gives an object of its own, with warnings of its own, on the same tree."""
    one, other = feel.compile("missing + 1"), feel.compile("missing + 1")
    assert one is not other
    assert one.tree is other.tree
    one.evaluate()
    assert one.warnings
    assert other.warnings == []


def test_run_gives_the_warnings_with_the_value() -> None:
    """Each kind of warning says what is missing and, for an entry, what there is."""
    value, warnings = feel.compile('[missing, a.c, "x".y, 1 < "a", 1 + "a", unknown(1), abs("a"), null.b]').run(
        {"a": {"b": 1}}
    )
    assert value == [None] * 8
    assert [str(warning) for warning in warnings if warning.kind != "ADVICE"] == [
        "NO_VARIABLE_FOUND: No variable found with name 'missing'",
        "NO_CONTEXT_ENTRY_FOUND: No context entry found with key 'c'. Available keys: 'b'",
        "NO_PROPERTY_FOUND: No property found with name 'y' of value \"x\". Available properties: none",
        'NOT_COMPARABLE: Can\'t compare 1 with "a"',
        'INVALID_TYPE: Can\'t add "a" to 1',
        "NO_FUNCTION_FOUND: No function found with name 'unknown' and 1 parameters",
        "FUNCTION_INVOCATION_FAILURE: Failed to invoke function 'abs': Illegal arguments: \"a\"",
        "NO_CONTEXT_ENTRY_FOUND: No context entry found with key 'b'. The context is null",
    ]


def test_warnings_are_bounded() -> None:
    """A loop over a missing variable warns a hundred times, and shows no large value."""
    _, warnings = feel.compile("for i in 1..5000 return missing").run()
    assert len(warnings) == 100
    _, warnings = feel.compile("1 + big").run({"big": "x" * 10_000})
    assert len(warnings[0].message) < 200


def test_many_threads_share_one_expression() -> None:
    """`run` mixes neither values nor warnings."""
    expression = feel.compile("{n: n, squares: for i in 1..20 return i * n, missing: missing.a}")

    def once(number: int) -> bool:
        value, warnings = expression.run({"n": number})
        return value["squares"][-1] == 20 * number and len(warnings) == 1

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(once, range(500)))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("7.50", Decimal("7.50")),
        ('"a"', "a"),
        ("true", True),
        ("null", None),
        ("[1, {a: [2]}]", [1, {"a": [2]}]),
        ('@"2026-11-22"', dt.date(2026, 11, 22)),
        ('@"10:15:30"', dt.time(10, 15, 30)),
        ('@"10:15:30+02:00"', dt.time(10, 15, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))),
        ('@"2026-11-22T10:15:30.5"', dt.datetime(2026, 11, 22, 10, 15, 30, 500_000)),  # noqa: DTZ001 - it has no zone
        ('@"2026-11-22T10:15:30Z"', dt.datetime(2026, 11, 22, 10, 15, 30, tzinfo=dt.UTC)),
        ('@"2026-11-22T10:15:30@Europe/Paris"', dt.datetime(2026, 11, 22, 10, 15, 30, tzinfo=PARIS)),
    ],
)
def test_values_are_plain_python(text: str, value: Any) -> None:
    """What Python has a type for comes out in it, and goes in again as the same value."""
    result = feel.evaluate(text)
    assert result == value
    assert type(result) is type(value)
    assert feel.evaluate(f"a = {text}", {"a": value}) is True


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ('@"P1Y2M"', "P1Y2M"),
        ('@"P14M"', "P1Y2M"),
        ('@"-P1DT0.5S"', "-P1DT0.5S"),
        ('@"PT36H"', "P1DT12H"),
        ('@"10:15:30@Europe/Paris"', "10:15:30@Europe/Paris"),
        ('@"10:15:30.123456789"', "10:15:30.123456789"),
        ('@"12345-01-01"', "+12345-01-01"),
        ('@"-0044-03-15T00:00:00"', "-0044-03-15T00:00:00"),
    ],
)
def test_other_values_write_themselves_as_iso_text(text: str, iso: str) -> None:
    """Durations, zoned times, nanoseconds and far years have types of their own."""
    assert str(feel.evaluate(text)) == iso
    assert feel.evaluate(f"a = {text}", {"a": feel.evaluate(text)}) is True


def test_values_of_the_host_are_taken_as_they_are() -> None:
    """Tuples are lists, mappings are contexts, text enumerations are texts, a timedelta is a duration."""

    class Colour(StrEnum):
        RED = "red"

    context = {
        "pair": (1, 2),
        "mapping": UserDict({"a": {"b": 1}}),
        "colour": Colour.RED,
        "day": dt.timedelta(days=1, microseconds=1),
        "price": 12.5,
        "whole": 2.0,
        "nan": math.nan,
    }
    for text, value in {
        "pair[2]": 2,
        "count(pair)": 2,
        "for i in pair return i + 1": [2, 3],
        "mapping.a.b": 1,
        'colour = "red"': True,
        'colour + "dish"': "reddish",
        'day > duration("P1D")': True,
        "price * 2": 25,
        "price": 12.5,
        "string(price)": "12.5",
        "string(whole)": "2.0",
        "whole = 2": True,
        "pair[whole]": 2,
        "nan + 1": None,
    }.items():
        assert feel.evaluate(text, context) == value, text
    assert type(feel.evaluate("price", context)) is float


def test_large_binary_numbers_are_written_as_the_cluster_writes_them() -> None:
    """A float's digits are Java's."""
    for number, text in {
        1e7: "1.0E+7",
        1.5e22: "1.5E+22",
        0.001: "0.001",
        0.0001: "0.00010",
        123456.7: "123456.7",
    }.items():
        assert feel.evaluate("string(n)", {"n": number}) == text


def test_to_json_loses_nothing_that_json_has() -> None:
    """Integers stay integers, whole decimals become them, temporals become ISO text."""
    value = feel.evaluate(
        '{a: 10/2, b: 10/4, c: [@"2026-11-22", @"10:00:00"], d: @"P1DT2H", e: @"2026-11-22T10:00:00@Europe/Paris",'
        ' f: 12345678901234567, g: null, h: x, i: 3.00, j: @"10:00:00@Europe/Paris", k: 2 ** 70}',
        {"x": 12.0},
    )
    assert json.loads(json.dumps(feel.to_json(value))) == {
        "a": 5,
        "b": 2.5,
        "c": ["2026-11-22", "10:00:00"],
        "d": "P1DT2H",
        "e": "2026-11-22T10:00:00+01:00[Europe/Paris]",
        "f": 12345678901234567,
        "g": None,
        "h": 12.0,
        "i": 3,
        "j": "10:00:00+01:00",
        "k": float(2**70),
    }
    assert type(feel.to_json(value)["i"]) is int


def test_a_context_of_the_host_is_not_changed() -> None:
    """Functions that make another context leave the given one as it is."""
    given = {"a": {"b": {"c": 1}}, "xs": [1]}
    feel.evaluate('{x: context put(a, ["b", "c"], 2), y: append(xs, 2), z: context merge(a, {b: 1})}', given)
    assert given == {"a": {"b": {"c": 1}}, "xs": [1]}


# ------------------------------------------------------------------------------------------------------ host functions


def greet(name: Any, greeting: Any = "Hello") -> Any:
    return f"{greeting or 'Hello'} {name}"


def fail(reason: Any) -> Any:
    raise ValueError(reason)


FUNCTIONS = feel.HostFunctions(
    [
        feel.HostFunction("greet", ["name"], greet),
        feel.HostFunction("greet", ["name", "greeting"], greet),
        feel.HostFunction("fail", ["reason"], fail),
        feel.HostFunction("upper case", ["string"], lambda _text: "the host's"),
    ]
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('greet("Ann")', "Hello Ann"),
        ('greet("Ann", "Hi")', "Hi Ann"),
        ('greet(greeting: "Hi", name: "Ann")', "Hi Ann"),
        ('greet(greeting: "Hi")', "Hi None"),
        ("greet()", None),
        ('greet("a", "b", "c")', None),
        ("greet(other: 1)", None),
        ('[greet("a")][contains(item, "Hello")]', ["Hello a"]),
        ('{greet: function(name) "mine", r: greet("a")}.r', "mine"),
        ('{f: function(n) greet(n), r: f("a")}.r', "Hello a"),
        ('upper case("a")', "A"),
    ],
)
def test_a_function_of_the_host_is_called(text: str, value: Any) -> None:
    """By position or by name, by the number of its arguments; one in the text and a built-in one come before it."""
    assert feel.evaluate(text, functions=FUNCTIONS) == value
    assert feel.evaluate(text, functions=list(FUNCTIONS)) == value


def test_a_function_of_the_host_that_fails_ends_the_evaluation() -> None:
    """Its exception is the reason, and the message names it."""
    with pytest.raises(feel.FeelEvaluationError, match="fail: out of order") as raised:
        feel.evaluate('get or else(fail("out of order"), 1)', functions=FUNCTIONS)
    assert isinstance(raised.value.__cause__, ValueError)
    assert feel.evaluate('if false then fail("never") else 2', functions=FUNCTIONS) == 2


def test_the_clusters_own_functions() -> None:
    """`fromAi` gives the value back, whatever else it is told; without it the engine does not know the name."""
    for arguments in (
        "a",
        'a, "what"',
        'a, "what", "string"',
        "a, null, null, {}",
        "a, null, null, null, {}",
        "value: a",
    ):
        assert feel.evaluate(f"fromAi({arguments})", {"a": 7}, feel.CLUSTER_FUNCTIONS) == 7
    assert feel.evaluate("fromAi(1)") is None


# ---------------------------------------------------------------------------------------------------- clock and tests


def test_the_clock_is_the_hosts() -> None:
    """`now` and `today` ask it."""
    now = dt.datetime(2026, 11, 22, 23, 30, tzinfo=PARIS)
    expression = feel.compile("[now(), today(), now().timezone]")
    assert expression.evaluate(clock=lambda: now) == [now, dt.date(2026, 11, 22), "Europe/Paris"]


@pytest.mark.parametrize(
    ("tests", "value", "holds"),
    [
        ("< 5", 3, True),
        ("< 5", 7, False),
        ("[1..5], 9", 9, True),
        ("not(1, 2)", 3, True),
        ("-", None, True),
        ('"a", "b"', "b", True),
        ("? > 3 and even(?)", 4, True),
        ("true", False, False),
        ("false", False, True),
        ("x", 3, True),
        ("xs", 3, True),
        ("null", None, True),
        ("< 5", "a", None),
    ],
)
def test_unary_tests(tests: str, value: Any, holds: bool | None) -> None:
    """The cell of a decision table holds for an input value or not, or can't be compared."""
    assert feel.parse_unary(tests).test(value, {"x": 3, "xs": [3, 4]}) is holds
    assert feel.evaluate_unary(tests, value, {"x": 3, "xs": [3, 4]}) is holds


def test_the_marker_of_an_expression_is_stripped() -> None:
    """In a diagram an `=` in front tells an expression from a text."""
    assert feel.strip_marker("= a + 1") == " a + 1"
    assert feel.strip_marker("  =a") == "a"
    assert feel.strip_marker("a = 1") is None
