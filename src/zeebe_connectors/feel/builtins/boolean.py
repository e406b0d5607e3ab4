"""Declare functions of conditions: negation, presence and assertion."""

from typing import Any

from zeebe_connectors.feel.builtins.declare import builtin
from zeebe_connectors.feel.errors import Failure
from zeebe_connectors.feel.values import STRING, kind

TITLE = "Boolean functions"


@builtin(
    "not(negand: any): boolean",
    "The opposite of a boolean; null for anything else.",
    ("not(true)", "false"),
    ("not(null)", "null"),
)
def _not(negand: Any) -> Any:
    return not negand if isinstance(negand, bool) else None


@builtin(
    "is defined(value: any): boolean",
    "Whether a value is not null. A variable that does not exist is null.",
    ("is defined(1)", "true"),
    ("is defined(missing.entry)", "false"),
)
def _is_defined(value: Any) -> Any:
    return value is not None


@builtin(
    "get or else(value: any, default: any): any",
    "The value, or the default where it is null.",
    ('get or else("this", "default")', '"this"'),
    ('get or else(null, "default")', '"default"'),
)
def _get_or_else(value: Any, default: Any) -> Any:
    return default if value is None else value


@builtin(
    "assert(value: any, condition: any): any",
    "The value if the condition is true; otherwise the whole expression fails.",
    ("assert(5, 5 > 3)", "5"),
)
def _assert(value: Any, condition: Any) -> Any:
    if condition is not True:
        raise Failure("The condition is not fulfilled")
    return value


@builtin(
    "assert(value: any, condition: any, cause: any): any",
    "The value if the condition is true; otherwise the whole expression fails with the cause.",
    ('assert(5, 5 > 3, "too small")', "5"),
)
def _assert_with_cause(value: Any, condition: Any, cause: Any) -> Any:
    if condition is not True:
        raise Failure(cause if kind(cause) == STRING else "The condition is not fulfilled")
    return value
