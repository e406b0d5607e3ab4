"""What the language does, by feature: the tables in `cases/`. `make feel-fuzz` asks Camunda's engine the same."""

import pytest
from tests.feel.generator import CONTEXT
from tests.feel.oracle.camunda import agree, ours
from tests.feel.tables import ERROR, Case, cases


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.place)
def test_an_expression_equals_what_the_table_says(case: Case) -> None:
    answer = ours({"expr": case.expression, "context": CONTEXT})
    if case.equal == ERROR:
        assert "error" in answer
    else:
        wanted = ours({"expr": case.equal, "context": {}})
        assert "value" in wanted
        assert agree(wanted, answer), answer
