"""Evaluate properties of a diagram that may be expressions: `=…` is FEEL, any other text is literal."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from zeebe_connectors import feel


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
        if not _is_finite(value):
            raise ExpressionError(
                f"the result of the expression '{self.source}' has a number that is too large for a variable: a number "
                "must be less than 1.8E308"
            )
        return value


def _is_finite(value: Any) -> bool:
    """Return whether every number in a value is one that JSON can write."""
    kind = type(value)
    if kind is float:
        return math.isfinite(value)
    if kind is not list and kind is not dict:
        return True
    waiting = list(value.values() if kind is dict else value)
    for item in waiting:  # it grows while it is walked
        kind = type(item)
        if kind is dict or kind is list:
            waiting += item.values() if kind is dict else item
        elif kind is float and not math.isfinite(item):
            return False
    return True
