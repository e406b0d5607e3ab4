"""Random expressions: FEEL_RANDOM says how many, five thousand without it, a million in `make nightly`."""

import contextlib
import decimal
import os
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.feel.generator import CONTEXT, Generator

from zeebe_connectors import feel
from zeebe_connectors.feel import parser, tree
from zeebe_connectors.feel.expression import new_program, unary_program

COUNT = int(os.environ.get("FEEL_RANDOM") or 5_000)
SEED = int(os.environ.get("FEEL_SEED") or random.randrange(2**32))
# Small enough that each is reached now and then.
LIMITS = feel.Limits(steps=20_000, items=2_000, characters=20_000, seconds=5.0)


def test_random_expressions_have_a_value_or_an_error_that_says_why() -> None:
    """Nothing but a FeelError comes out, within the limits."""
    generator = Generator(random.Random(SEED))
    values = errors = 0
    for number in range(COUNT):
        unary = number % 10 == 0
        text = generator.unary_tests() if unary else generator.expression(generator.pick(2, 3, 4, 5))
        try:
            if unary:
                feel.UnaryTests(unary_program.__wrapped__(text, LIMITS), LIMITS).test(3, CONTEXT)
            else:
                value = feel.Expression(new_program(text, LIMITS), LIMITS).evaluate(CONTEXT)
                values += value is not None
        except feel.FeelError:
            errors += 1
        except Exception as error:
            raise AssertionError(f"seed {SEED}, number {number}: {text!r} gives {error!r}") from error
    assert values > COUNT // 5, "the generator makes hardly anything but null"
    assert errors > COUNT // 50, "the generator makes hardly anything that fails"


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_random_expressions_are_the_same_when_written_and_parsed_again(seed: int) -> None:
    """Writing a tree and parsing the text gives the tree."""
    generator = Generator(random.Random(seed))
    for text, parse in ((generator.expression(), parser.parse), (generator.unary_tests(), parser.parse_unary)):
        try:
            parsed = parse(text)
        except feel.FeelSyntaxError:
            continue
        written = tree.write(parsed)
        assert parse(written) == parsed, written
        assert tree.write(parse(written)) == written


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_random_text_is_parsed_or_refused(text: str) -> None:
    """Any text at all gives a value or a FeelError."""
    with contextlib.suppress(feel.FeelError):
        feel.to_json(feel.evaluate(text, CONTEXT))


NUMBERS = st.decimals(min_value=-(10**12), max_value=10**12, places=6, allow_nan=False)


@settings(max_examples=200, deadline=None)
@given(NUMBERS, NUMBERS, NUMBERS)
def test_random_numbers_keep_the_laws_of_arithmetic(a: decimal.Decimal, b: decimal.Decimal, c: decimal.Decimal) -> None:
    """Sums and products commute, sums associate, products distribute: 34 digits hold them without rounding."""
    context = {"a": a, "b": b, "c": c}
    for law in ("a + b = b + a", "a * b = b * a", "(a + b) + c = a + (b + c)", "a - b = -(b - a)"):
        assert feel.evaluate(law, context) is True, law
    assert feel.evaluate("abs(a * (b + c) - (a * b + a * c)) <= abs(a) * 0.0000000001", context) is True
    assert feel.evaluate("number(string(a)) = a", context) is True
    assert feel.evaluate("if b = 0 then true else abs(a / b * b - a) <= abs(a) * 0.0000000001", context) is True


@settings(max_examples=100, deadline=None)
@given(st.integers(-(10**33), 10**33), st.integers(-(10**33), 10**33))
def test_random_integers_agree_with_decimals(a: int, b: int) -> None:
    """Whether a number came as an int or as a Decimal makes no difference."""
    as_decimals = {"a": decimal.Decimal(a), "b": decimal.Decimal(b)}
    for text in ("a + b", "a - b", "a * b", "a / b", "a < b", "a = b", "-a", "odd(a)", "abs(a)", "floor(a)"):
        one, other = feel.evaluate(text, {"a": a, "b": b}), feel.evaluate(text, as_decimals)
        assert one == other, text


def test_the_threads_decimal_context_is_not_used() -> None:
    """A host that calculates with three digits does not change a result."""
    with decimal.localcontext(prec=3):
        assert feel.evaluate("1.23456789 * 10000 + modulo(12345.678, 100)") == decimal.Decimal("12391.3569")
        assert feel.evaluate("decimal(1.23456789, 5)") == decimal.Decimal("1.23457")
        assert feel.evaluate("even(123456.0)") is True
