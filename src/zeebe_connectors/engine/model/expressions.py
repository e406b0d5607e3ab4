"""Evaluate properties of a diagram that may be expressions: `=…` is FEEL, any other text is literal."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from zeebe_connectors import feel

MAX_DEPTH = 300
"""How deep a variable's value may be nested, wherever it comes from, so that it can be stored and read again."""


class ExpressionError(Exception):
    """An expression has no value; the message says which expression and why."""


class Expression:
    """A text of a diagram that is evaluated with variables.

    Attributes:
        text: The text in the diagram, without spaces around it.
        is_static: Whether it is not a FEEL expression, so that its value is the text.
    """

    __slots__ = ("_compiled", "is_static", "text")

    def __init__(self, text: str) -> None:
        """Compile the text when it is FEEL.

        Raises:
            ExpressionError: The FEEL text cannot be parsed.
        """
        self.text = text
        source = feel.strip_marker(text)
        self.is_static = source is None
        self._compiled: feel.Expression | None = None
        if source is not None:
            try:
                self._compiled = feel.compile(source)
            except feel.FeelError as error:
                raise ExpressionError(f"failed to parse expression '{source.strip()}': {error}") from None

    @property
    def source(self) -> str:
        """The text without the marker, for messages."""
        return self.text if self._compiled is None else self.text.strip()[1:].strip()

    @property
    def tree(self) -> feel.Expression | None:
        """The compiled expression; None for a static text."""
        return self._compiled

    def raw(self, variables: Mapping[str, Any], clock: Callable[[], datetime] | None = None) -> Any:
        """Evaluate to a FEEL value: temporals stay temporals.

        Raises:
            ExpressionError: The evaluation fails.
        """
        if self._compiled is None:
            return self.text
        try:
            return self._compiled.run(variables, feel.CLUSTER_FUNCTIONS, clock=clock).value
        except feel.FeelError as error:
            raise ExpressionError(str(error)) from None

    def value(self, variables: Mapping[str, Any], clock: Callable[[], datetime] | None = None) -> Any:
        """Evaluate to a value that a variable can hold, in JSON types.

        Raises:
            ExpressionError: The evaluation fails.
        """
        if self._compiled is None:
            return self.text
        try:
            value = feel.to_json(self._compiled.run(variables, feel.CLUSTER_FUNCTIONS, clock=clock).value)
        except feel.FeelError as error:
            raise ExpressionError(str(error)) from None
        kind = type(value)
        if kind is list or kind is dict or kind is float:
            _check_value(value, self.source)
        return value


def _check_value(value: Any, source: str) -> None:
    """Refuse a value that a variable cannot hold: it could not be written, or not be read again.

    Raises:
        ExpressionError: A number in it is not finite, or it is nested too deeply.
    """
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        deeper: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is dict:
                deeper += item.values()
            elif kind is list:
                deeper += item
            elif kind is float and not math.isfinite(item):
                raise ExpressionError(
                    f"the result of the expression '{source}' has a number that is too large for a variable: a number "
                    "must be less than 1.8E308"
                )
        if not deeper:
            return
        level = deeper
    raise ExpressionError(
        f"the result of the expression '{source}' is nested too deeply for a variable: at most {MAX_DEPTH} levels"
    )
