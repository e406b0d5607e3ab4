"""`zeebe-connectors feel`: an expression and a file of variables go in, a value as JSON and warnings come out."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from zeebe_connectors.cli.feel import feel

APP = typer.Typer()
APP.command()(feel)


def invoked(*arguments: str) -> Result:
    return CliRunner().invoke(APP, list(arguments))


def test_the_value_is_printed_as_json(tmp_path: Path) -> None:
    """The '=' of a diagram is left out, and numbers of the file keep their digits."""
    variables = tmp_path / "variables.json"
    variables.write_text(json.dumps({"items": [{"price": 1.1}, {"price": 2.2}]}), encoding="utf-8")
    result = invoked('= {total: sum(items.price), day: @"2026-11-22"}', "--context", str(variables))
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"total": 3.3, "day": "2026-11-22"}


def test_warnings_go_to_the_error_output() -> None:
    """So that the value can be piped on."""
    result = invoked("a.b")
    assert result.exit_code == 0
    assert result.stdout == "null\n"
    assert "NO_VARIABLE_FOUND" in result.stderr


def test_a_slip_is_explained() -> None:
    """With the place and the FEEL way."""
    result = invoked("a == 1")
    assert result.exit_code == 1
    assert "line 1, column 4" in result.stderr
    assert "single '='" in result.stderr


def test_unary_tests_take_an_input() -> None:
    """The input value is JSON."""
    assert invoked("< 5, [10..20]", "--input", "12").stdout == "true\n"
    assert invoked('"a"', "--input", '"b"').stdout == "false\n"


def test_variables_that_are_no_object_are_refused(tmp_path: Path) -> None:
    """The message says what they must be."""
    variables = tmp_path / "variables.json"
    for text in ("[1]", "{"):
        variables.write_text(text, encoding="utf-8")
        result = invoked("1", "--context", str(variables))
        assert result.exit_code == 2
        assert "JSON" in result.stderr


def test_an_error_expression_can_be_tried() -> None:
    """With the runtime's functions, and an error as the runtime shows it."""
    expression = '=if error.code = "404" then bpmnError("GONE", "no such order") else null'
    result = invoked(expression, "--error", '{"code": "404"}')
    assert json.loads(result.stdout) == {
        "errorType": "bpmnError",
        "errorCode": "GONE",
        "errorMessage": "no such order",
    }
    assert invoked(expression, "--error", '{"code": "500"}').stdout == "null\n"


def test_a_result_expression_can_be_tried(tmp_path: Path) -> None:
    """The result's own fields are names, too; it may come from a file."""
    file = tmp_path / "response.json"
    file.write_text('{"status": 200, "body": {"id": 7}}', encoding="utf-8")
    result = invoked("={id: response.body.id, status: status, retries: job.retries}", "--response", f"@{file}")
    assert json.loads(result.stdout) == {"id": 7, "status": 200, "retries": 3}


def test_a_misspelled_function_is_named() -> None:
    result = invoked('bpmError("x")', "--error", "{}")
    assert "did you mean bpmnError()" in result.stderr


def test_an_older_cluster_is_warned_of() -> None:
    result = invoked("to json({a: 1})", "--cluster", "8.7")
    assert result.exit_code == 0
    assert "cluster 8.7: to json() is null there" in result.stderr
    assert "cluster" not in invoked("to json({a: 1})", "--cluster", "8.9").stderr
    assert invoked("1", "--cluster", "9").exit_code == 2


def test_an_option_that_is_no_json_is_refused_by_name() -> None:
    result = invoked("1", "--response", "{")
    assert result.exit_code == 2
    assert "--response: not JSON" in result.stderr


@pytest.mark.parametrize("version", ["8.7", "v8.7", "8.7.3", " 8.7 ", "8.7.0-alpha1"])
def test_a_cluster_is_named_by_any_of_its_versions(version: str) -> None:
    """A patch changes no function."""
    result = invoked("is blank(text)", "--cluster", version)
    assert "cluster 8.7: is blank() is null there" in result.stderr


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_of_variables_in_another_encoding(tmp_path: Path, encoding: str) -> None:
    """As editors and shells of other systems write it."""
    variables = tmp_path / "variables.json"
    variables.write_text('{"name": "Größe"}', encoding=encoding)
    assert json.loads(invoked("name", "--context", str(variables)).stdout) == "Größe"
    assert json.loads(invoked("response.name", "--response", f"@{variables}").stdout) == "Größe"


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    variables = tmp_path / "variables.json"
    variables.write_bytes(b"{\xff}")
    result = invoked("name", "--context", str(variables))
    assert result.exit_code == 2
    assert "--context: not JSON" in result.stderr
