"""Cases that are not ours to ship: the standard's test suite with Camunda's answers, and connector users' expressions.

They lie beside the checkout, or where FEEL_CASES says.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zeebe_connectors import feel

HERE = Path(__file__).resolve()
CASES = Path(os.environ.get("FEEL_CASES") or HERE.parents[3] / "shared" / "feel")

# What we answer otherwise than Camunda's engine -> why.
MEANT = {
    "0072-feel-in/context_001/context_001": "a context is in a list if an equal one is, not only the same one",
}


@pytest.fixture(scope="module")
def runner() -> Iterator[Any]:
    """The cases' own comparison."""
    script = CASES / "run_cases.py"
    if not script.exists():
        pytest.skip(f"there are no cases in {CASES}; FEEL_CASES may name another directory")
    spec = importlib.util.spec_from_file_location("run_cases", script)
    assert spec is not None
    assert spec.loader is not None
    digits = sys.get_int_max_str_digits()
    sys.path.insert(0, str(CASES))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(CASES))
    sys.set_int_max_str_digits(digits)


def wrong(runner: Any, name: str) -> tuple[int, list[str]]:
    """How many cases a file has, and which ones we answer otherwise."""
    count, failed = 0, []
    for case in runner.load(CASES / name):
        count += 1
        context = runner.decode(case.get("context") or {}, feel.make_temporal)
        try:
            value, error = feel.evaluate(case["expr"], context), None
        except feel.FeelError as raised:
            value, error = None, raised
        if "error" in case:
            right = error is not None
        elif case["expected"] is None:
            right = (error is None and value is None) or (error is not None and bool(case.get("error_ok")))
        else:
            right = error is None and runner.same(case["expected"], value)
        if not right:
            failed.append(case["id"])
    return count, failed


def test_the_answers_of_camundas_engine_to_the_standards_cases(runner: Any) -> None:
    """All agree but those that are listed with their reason."""
    count, failed = wrong(runner, "tck_camunda.jsonl")
    assert count > 2_900
    assert set(failed) == set(MEANT)


def test_the_expressions_of_connector_users(runner: Any) -> None:
    """All agree."""
    count, failed = wrong(runner, "real.jsonl")
    assert count > 1_000
    assert failed == []


def test_the_standards_own_answers(runner: Any, record_property: Any) -> None:
    """Reported: Camunda's engine itself answers a tenth otherwise, and so must we."""
    count, failed = wrong(runner, "tck.jsonl")
    record_property("agreed", f"{count - len(failed)} of {count}")
    assert 0.88 < 1 - len(failed) / count < 0.92


def test_values_are_json_after_to_json(runner: Any) -> None:
    """Whatever an expression gives can be a job's variable."""
    for name in ("tck_camunda.jsonl", "real.jsonl"):
        for case in runner.load(CASES / name):
            context = runner.decode(case.get("context") or {}, feel.make_temporal)
            try:
                value = feel.evaluate(case["expr"], context)
            except feel.FeelError:
                continue
            json.dumps(feel.to_json(value))
