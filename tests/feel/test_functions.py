"""The built-in functions: each declaration's examples hold, and the page of functions is fresh."""

from pathlib import Path

import pytest
from tests.feel.oracle.camunda import agree, ours

from zeebe_connectors import feel
from zeebe_connectors.feel import document
from zeebe_connectors.feel.builtins import TOPICS, all_builtins, overloads
from zeebe_connectors.feel.builtins.declare import Builtin

EXAMPLES = [(builtin.name, *example) for builtin in all_builtins() for example in builtin.examples]


@pytest.mark.parametrize(("name", "expression", "equal"), EXAMPLES, ids=[example[1] for example in EXAMPLES])
def test_the_examples_of_a_function_hold(name: str, expression: str, equal: str) -> None:
    assert name in expression
    wanted, got = ours({"expr": equal}), ours({"expr": expression})
    assert "value" in wanted
    assert agree(wanted, got), got


@pytest.mark.parametrize("builtin", all_builtins(), ids=lambda builtin: f"{builtin.name} {builtin.parameters}")
def test_a_function_is_documented_and_takes_whatever_it_is_given(builtin: Builtin) -> None:
    """It has a sentence and an example, and no kind of argument makes it break."""
    assert builtin.doc.endswith(".")
    assert builtin.examples
    values = [None, True, 1, -2.5, "a", [], [1], {}, {"a": 1}, feel.DaysTime(1), feel.YearsMonths(1), feel.Range(1, 2)]
    names = "abcd"[: len(builtin.parameters)]
    text = f"{builtin.name}({', '.join(names)})"
    for first in values:
        for second in values:
            context = dict(zip(names, (first, second, first, second), strict=False))
            try:
                feel.evaluate(text, context)
            except feel.FeelEvaluationError as error:
                assert "Traceback" not in str(error)  # noqa: PT017 - an evaluation may fail, but only in this way


def test_no_two_overloads_are_the_same() -> None:
    """Each is reached by the number of its arguments or by their names."""
    for name in {builtin.name for builtin in all_builtins()}:
        known = [builtin.parameters for builtin in overloads(name)]
        assert len(known) == len(set(known)), name


def test_every_topic_has_functions() -> None:
    """Nothing is declared outside of the topics."""
    assert {builtin.module for builtin in all_builtins()} == {topic.__name__ for topic in TOPICS}


def test_the_page_of_functions_is_fresh() -> None:
    """`python -m zeebe_connectors.feel.document` writes it anew."""
    page = (Path(__file__).parents[2] / document.PAGE).read_text(encoding="utf-8")
    assert page == document.page(page), "run: python -m zeebe_connectors.feel.document"
