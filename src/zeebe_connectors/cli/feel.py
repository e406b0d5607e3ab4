"""`zeebe-connectors feel`: an expression and variables go in, its value and what made parts of it null come out."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer


def feel(
    expression: Annotated[str, typer.Argument(help="A FEEL expression; an '=' in front is left out.")],
    context: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A JSON file with the variables.")
    ] = None,
    input: Annotated[  # noqa: A002 - the option's name
        str | None, typer.Option(help="JSON of an input value: the expression is then unary tests, as '< 5, [10..20]'.")
    ] = None,
) -> None:
    """Evaluate a FEEL expression as the cluster does; print its value as JSON and its warnings."""
    from zeebe_connectors.feel import FeelError, compile, parse_unary, strip_marker, to_json  # noqa: A004

    text = strip_marker(expression)
    text = expression if text is None else text
    try:
        variables = _json(context.read_text(encoding="utf-8")) if context else {}
        value_of_input = None if input is None else _json(input)
    except ValueError as error:
        typer.echo(f"not JSON: {error}", err=True)
        raise typer.Exit(2) from None
    if not isinstance(variables, dict):
        typer.echo(f'{context}: the variables must be a JSON object, as {{"a": 1}}', err=True)
        raise typer.Exit(2)
    try:
        if input is None:
            value, warnings = compile(text).run(variables)
        else:
            tests = parse_unary(text)
            value, warnings = tests.test(value_of_input, variables), tests.warnings
        shown = json.dumps(to_json(value), indent=2, ensure_ascii=False)
    except FeelError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(shown)
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)


def _json(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)
