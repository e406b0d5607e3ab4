"""Hostile expressions end with an error that names the limit which stopped them."""

import time

import pytest

from zeebe_connectors import feel

DOUBLING = ", ".join(f"x{number + 1}: concatenate(x{number}, x{number})" for number in range(60))
TEXTS = ", ".join(f"x{number + 1}: x{number} + x{number}" for number in range(60))
SHARED = ", ".join(f"x{number + 1}: [x{number}, x{number}]" for number in range(60))
CALLS = ", ".join(f"f{number + 1}: function() f{number}() + f{number}()" for number in range(60))

# A slow machine must not reach the seconds first.
SMALL = feel.Limits(seconds=600, steps=200_000, items=100_000, characters=100_000, memory=16_000_000)

HOSTILE = [
    ("text", "1" * 70_000),
    ("depth", "(" * 500 + "1" + ")" * 500),
    ("depth", "[" * 5_000),
    ("depth", "a" + "[1]" * 5_000),
    ("depth", "f(1)" + ".a" * 5_000),
    ("depth", "if a then " * 500 + "1" + " else 2" * 500),
    ("depth", "1 in (" * 500 + "1" + ")" * 500),
    ("depth", "function() " * 500 + "1"),
    ("depth", "not(" * 500 + "true" + ")" * 500),
    ("items", "for x in 1..1000000000 return x"),
    ("items", "for x in 1..10 ** 30 return x"),
    ("items", f"{{x0: [1, 2], {DOUBLING}}}.x60"),
    ("steps", "for a in 1..1000, b in 1..1000, c in 1..1000 return 1"),
    ("steps", "count(for a in 1..5000 return count(for b in 1..5000 return b))"),
    ("steps", "every a in 1..50000 satisfies every b in 1..50000 satisfies b > 0"),
    ("steps", "(for a in 1..50000 return a)[item > 0 and count((for b in 1..5000 return b)[item > 1]) = 0]"),
    ("steps", f"{{x0: 1, {SHARED}, y0: 1, {SHARED.replace('x', 'y')}, same: x60 = y60}}"),
    ("characters", f"string({{x0: 1, {SHARED}}}.x60)"),
    ("steps", f"to json({{x0: 1, {SHARED}}}.x60)"),
    ("steps", f"flatten({{x0: 1, {SHARED}}}.x60)"),
    ("memory", f"distinct values({{x0: 1, {SHARED}}}.x60)"),
    ("steps", f"{{f0: function() 1, {CALLS}, r: f60()}}"),
    ("steps", "sort(for a in 1..100000 return modulo(a * 7919, 100003), function(a, b) a * 1 > b)"),
    ("memory", "for a in 1..100000 return partial"),
    ("characters", f'{{x0: "ab", {TEXTS}}}.x60'),
    ("characters", 'replace(string join(for x in 1..5000 return "a"), "a", string join(for x in 1..5000 return "b"))'),
    ("characters", "round up(5.5, 1000000)"),
    ("pattern_seconds", 'matches("' + "a" * 200 + '", "(a|a)*b(a|aa)+$|(a*)*c")'),
    ("pattern_seconds", f'count(extract("{"x" * 450}Z{"a" * 24}", "(?=[^Z]*Z(?:a|aa)+b)|"))'),
    ("pattern_seconds", 'split("' + "x" * 5_000 + '", "(x+x+)+y")'),
]


@pytest.mark.parametrize(("limit", "text"), HOSTILE, ids=[f"{limit} {text[:40]}" for limit, text in HOSTILE])
def test_a_hostile_expression_is_stopped(limit: str, text: str) -> None:
    """It ends, with the limit's name; a worker goes on."""
    with pytest.raises(feel.FeelLimitError) as raised:
        feel.compile(text, SMALL).evaluate()
    assert raised.value.limit == limit
    assert limit in str(raised.value)


def test_the_seconds_of_an_evaluation_are_bounded() -> None:
    """Where steps are cheap to take and dear to do, the clock stops them."""
    limits = feel.Limits(steps=10**12, items=10**9, seconds=0.2)
    began = time.monotonic()
    with pytest.raises(feel.FeelLimitError) as raised:
        feel.compile("for a in 1..100000, b in 1..100000 return a + b", limits).evaluate()
    assert raised.value.limit == "seconds"
    assert time.monotonic() - began < 60


def test_many_slow_patterns_share_the_seconds_of_the_evaluation() -> None:
    """Each search may be short enough and all of them too long."""
    limits = feel.Limits(seconds=0.3, pattern_seconds=10)
    with pytest.raises(feel.FeelLimitError) as raised:
        feel.compile(f'for i in 1..1000 return split("{"x" * 5_000}", "(x+x+)+y")', limits).evaluate()
    assert raised.value.limit in ("seconds", "pattern_seconds")


def test_a_shared_result_is_not_written_out_without_end() -> None:
    """A small value can have a huge JSON text: writing it ends with a limit."""
    value = feel.evaluate(f"{{x0: 1, {SHARED}}}.x60")
    with pytest.raises(feel.FeelLimitError):
        feel.to_json(value)


def test_a_deep_value_is_not_written_without_end() -> None:
    """A value nested deeper than Python's stack is refused."""
    value = feel.evaluate("(for i in 1..3000 return if i = 1 then [] else [partial[-1]])[-1]")
    with pytest.raises(feel.FeelLimitError) as raised:
        feel.to_json(value)
    assert raised.value.limit == "depth"


def test_nested_tests_are_parsed_in_linear_time() -> None:
    """`in (` and `if (` tempt a parser to try twice on each level."""
    for opening in ("1 in (", "if (", "[1..(", "(1 in [", "f(a: (", "]1..2["):
        began = time.monotonic()
        with pytest.raises(feel.FeelError):
            feel.compile(opening * 85)
        assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "text",
    [
        f'"{"x" * 60_000}" + b{{',
        f"{'x' * 60_000}{{",
        f'"{"(a, " * 12_000}" + (a, b :',
        f'"{"match(" * 10_000}" + 1 {{',
        f"{'def ' * 15_000}(a",
    ],
    ids=["text", "name", "call", "choice", "function"],
)
def test_the_hint_for_a_slip_costs_no_more_in_a_long_text(text: str) -> None:
    """The cause of an error stands near it, and a search of all that is before it takes the square of its length."""
    began = time.process_time()
    with pytest.raises(feel.FeelSyntaxError):
        feel.compile(text)
    assert time.process_time() - began < 3


def test_long_chains_of_operators_are_no_nesting() -> None:
    """A sum or a condition of thousands of parts is flat."""
    assert feel.evaluate(" + ".join(["1"] * 10_000)) == 10_000
    assert feel.evaluate(" and ".join(["true"] * 5_000)) is True
    assert feel.evaluate(" * ".join(["1"] * 10_000)) == 1


def test_a_long_text_may_have_many_matches() -> None:
    """What takes a time for each match is one search for all of them; a megabyte of short lines is replaced."""
    variables = {"lines": "a\n" * 300_000}
    assert feel.evaluate('string length(replace(lines, "\\n", "<br>"))', variables) == 300_000 * 5
    assert feel.evaluate('[replace("aab", "a*", "-"), replace("abc", "", "-")]') == ["--b-", "-a-b-c-"]


def test_limits_can_be_chosen() -> None:
    """A host that trusts its expressions gives them more."""
    many = feel.Limits(items=300_000, steps=2_000_000, seconds=60)
    assert feel.compile("count(for i in 1..200000 return i)", many).evaluate() == 200_000


def test_nothing_of_the_host_is_reached() -> None:
    """Objects of the host have no properties, their methods can't be called, Java neither."""

    class Host:
        secret = "s3cret"

        def read(self) -> str:
            return self.secret

    for text in ("host.secret", "host.__class__", "host.read", "xs.__len__", "s.upper", "xs.append"):
        assert feel.evaluate(text, {"host": Host(), "xs": [], "s": "a"}) in (None, []), text
    with pytest.raises(feel.FeelEvaluationError):
        feel.evaluate("host.read()", {"host": Host()})
    with pytest.raises(feel.FeelSyntaxError):
        feel.evaluate('function(s) external {java: {class: "java.lang.System", method signature: "exit(int)"}}')
