"""Read the docstrings below the fields of models, for templates and pages; a worker never reads a source file."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache
from itertools import zip_longest

from pydantic import BaseModel
from pydantic.fields import FieldInfo


def described_fields(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """Returns the fields of a model by Python name, each with the docstring below it as its description.

    A description that a field was given by `Field(description=...)` stays. What cannot be found, such as the source of
    a class that was made by hand, leaves fields without one.
    """
    _describe(model)
    return model.model_fields


@cache
def _describe(model: type[BaseModel]) -> None:
    texts: dict[str, str | None] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            texts |= _written(base)
    for name, info in model.model_fields.items():
        if info.description is None:
            info.description = texts.get(name)


def _written(kind: type) -> dict[str, str | None]:
    """Returns the docstring below each field in the body of one class, or None if it has none."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    except (OSError, TypeError, SyntaxError):
        return {}
    body = tree.body[0].body if tree.body and isinstance(tree.body[0], ast.ClassDef) else []
    return {
        statement.target.id: _docstring(below)
        for statement, below in zip_longest(body, body[1:])
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }


def _docstring(statement: ast.stmt | None) -> str | None:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        value = statement.value.value
        return inspect.cleandoc(value) if isinstance(value, str) else None
    return None
