"""Evaluate a FEEL expression, and show why parts of its value are null: `zeebe-connectors feel`."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer


def feel(
    expression: Annotated[str, typer.Argument(help="A FEEL expression; a leading '=' is ignored.")],
    context: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A JSON file with the variables.")
    ] = None,
    input: Annotated[  # noqa: A002 - the option's name
        str | None,
        typer.Option(help="JSON of an input value: the expression is then unary tests, such as '< 5, [10..20]'."),
    ] = None,
    response: Annotated[
        str | None,
        typer.Option(help="JSON of a connector's result, as result and error expressions see it; @FILE reads a file."),
    ] = None,
    error: Annotated[
        str | None,
        typer.Option(help='JSON of an error, as error expressions see it: {"code": "404", ...}; @FILE reads a file.'),
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Warn about what a cluster of this version does not know, such as 8.7.")
    ] = None,
) -> None:
    """Evaluate a FEEL expression as the cluster does; print its value as JSON and its warnings.

    Result and error expressions can be tried as well: bpmnError, jobError and ignoreError are known.
    """
    from zeebe_connectors.feel import FeelError, compile, parse_unary, strip_marker, to_json  # noqa: A004
    from zeebe_connectors.feel.versions import CLUSTERS, unknown_to
    from zeebe_connectors.runtime.expressions import FUNCTIONS

    if cluster is not None:
        numbers = re.fullmatch(r"v?(\d+\.\d+)(?:\.\S*)?", cluster.strip())  # a patch changes no function
        cluster = numbers[1] if numbers else cluster
    if cluster is not None and cluster not in CLUSTERS:
        _refuse(f"--cluster {cluster}: choose one of the versions {', '.join(CLUSTERS)}")
    text = strip_marker(expression)
    text = expression if text is None else text
    variables = _variables(context, response, error)
    value_of_input = None if input is None else _json("--input", input)
    try:
        parsed = compile(text) if input is None else parse_unary(text)
        value, warnings = parsed.run({**variables, "cellInput": value_of_input}, FUNCTIONS)
        shown = json.dumps(to_json(value), indent=2, ensure_ascii=False)
    except FeelError as failure:
        typer.echo(str(failure), err=True)
        raise typer.Exit(1) from None
    typer.echo(shown)
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)
    for sentence in unknown_to(parsed.tree, cluster) if cluster else ():
        typer.echo(f"warning: cluster {cluster}: {sentence}", err=True)


def _variables(context: Path | None, response: str | None, error: str | None) -> dict[str, Any]:
    """Returns the variables of the file, and what the runtime adds for result and error expressions."""
    variables = {} if context is None else _json("--context", f"@{context}")
    if not isinstance(variables, dict):
        _refuse(f'--context {context}: the variables must be a JSON object, as {{"a": 1}}')
    if response is not None:
        result = _json("--response", response)
        variables = {**variables, **(result if isinstance(result, dict) else {}), "response": result}
    if error is not None:
        variables = {**variables, "error": _json("--error", error)}
    if response is not None or error is not None:
        variables = {"job": {"retries": 3}, **variables}
    return variables


def _json(name: str, text: str) -> Any:
    given: str | bytes = text
    if text.startswith("@"):
        try:
            given = Path(text[1:]).read_bytes()  # the reader knows UTF-8, UTF-16 and their marks
        except OSError as failure:
            _refuse(f"{name} {text}: the file cannot be read ({failure.strerror})")
    try:
        return json.loads(given, parse_float=Decimal)
    except ValueError as failure:
        _refuse(f"{name}: not JSON: {failure}")


def _refuse(message: str) -> Any:
    typer.echo(message, err=True)
    raise typer.Exit(2)
