"""Parse each expression's text once and evaluate it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import DecimalException
from functools import lru_cache
from typing import Any, NamedTuple

from zeebe_connectors.feel import advice, operations, parser, remedies, tree
from zeebe_connectors.feel.compiler import Code, compile_tree
from zeebe_connectors.feel.errors import (
    ADVICE,
    EvaluationWarning,
    Failure,
    FeelEvaluationError,
    FeelLimitError,
    NoInput,
)
from zeebe_connectors.feel.limits import DEFAULT_LIMITS, Limits, Run
from zeebe_connectors.feel.values import HostFunction, HostFunctions, Scope

Clock = Callable[[], datetime]
Functions = HostFunctions | Iterable[HostFunction]
_CACHED_PROGRAMS = 2_048
_CACHED_LONG_PROGRAMS = 32
_LONG = 4_096
"""Characters of a text that is kept among the few long ones: its compiled form takes a hundred times that."""


class Result(NamedTuple):
    """The result of one evaluation: the value, and why parts of it are null."""

    value: Any
    warnings: list[EvaluationWarning]


class Program:
    """A parsed and compiled text. It stores nothing about its evaluations, so any number of threads may run it."""

    __slots__ = ("code", "text", "tree")

    def __init__(self, text: str, node: tree.Node) -> None:
        self.text = text
        self.tree = node
        self.code: Code = compile_tree(node)


def _compiled(text: str, node: tree.Node) -> Program:
    try:
        return Program(text, node)
    except RecursionError:
        raise FeelLimitError("depth", "the expression is nested too deep") from None


def new_program(text: str, limits: Limits) -> Program:
    """The compiled form of an expression, without the cache."""
    return _compiled(text, parser.parse(text, limits))


_short_program = lru_cache(maxsize=_CACHED_PROGRAMS)(new_program)
_long_program = lru_cache(maxsize=_CACHED_LONG_PROGRAMS)(new_program)


def program(text: str, limits: Limits) -> Program:
    """The compiled form of an expression."""
    return _short_program(text, limits) if len(text) < _LONG else _long_program(text, limits)


@lru_cache(maxsize=_CACHED_LONG_PROGRAMS)
def unary_program(text: str, limits: Limits) -> Program:
    """The compiled form of unary tests."""
    return _compiled(text, parser.parse_unary(text, limits))


class Expression:
    """A FEEL expression that is ready to be evaluated many times.

    Attributes:
        text: what it was made of.
        tree: its syntax tree.
        warnings: those of the last `evaluate` of this object. `run` returns them instead, which is the way where
            several tasks share one object.
    """

    __slots__ = ("_limits", "_program", "warnings")

    def __init__(self, program: Program, limits: Limits = DEFAULT_LIMITS) -> None:
        self._program = program
        self._limits = limits
        self.warnings: list[EvaluationWarning] = []

    @property
    def text(self) -> str:
        """The text of the expression."""
        return self._program.text

    @property
    def tree(self) -> tree.Node:
        """The syntax tree of the expression."""
        return self._program.tree

    def evaluate(
        self, context: Mapping[str, Any] | None = None, functions: Functions = (), *, clock: Clock | None = None
    ) -> Any:
        """The value of the expression; `warnings` then says why parts of it are null.

        Raises:
            FeelEvaluationError: it has none.
            FeelLimitError: it exceeds its limits.
        """
        value, self.warnings = self.run(context, functions, clock=clock)
        return value

    def run(
        self,
        context: Mapping[str, Any] | None = None,
        functions: Functions = (),
        *,
        clock: Clock | None = None,
        limits: Limits | None = None,
    ) -> Result:
        """The value and the warnings of the expression, for variables by name and functions of the host.

        Args:
            context: The variables.
            functions: What the host lends.
            clock: What `now()` and `today()` ask.
            limits: Those of this evaluation, where they are not the expression's own.

        Raises:
            FeelEvaluationError: it has no value.
            FeelLimitError: it exceeds its limits.
        """
        return Result(
            *_run(self._program, {} if context is None else context, functions, clock, limits or self._limits)
        )


class UnaryTests(Expression):
    """Unary tests, as `< 5, [10..20]`: the cell of a decision table."""

    __slots__ = ()

    def test(self, value: Any, context: Mapping[str, Any] | None = None, functions: Functions = ()) -> bool | None:
        """Whether the tests hold for an input value; null where they can't be compared.

        Raises:
            FeelEvaluationError, FeelLimitError: as `Expression.evaluate`.
        """
        result = self.evaluate({**(context or {}), "cellInput": value}, functions)
        return result if isinstance(result, bool) else None


def _run(
    code: Program, context: Mapping[str, Any], functions: Functions, clock: Clock | None, limits: Limits
) -> tuple[Any, list[EvaluationWarning]]:
    if functions and not isinstance(functions, HostFunctions):
        functions = HostFunctions(functions)
    run = Run(limits, functions.by_name if isinstance(functions, HostFunctions) else None, clock)
    try:
        value = code.code(Scope(context, None, run))
        if value is None or run.warnings:
            for sentence in _sentences(code, run, context):
                run.warn(ADVICE, sentence)
    except Failure as failure:
        sentences = "".join(f"; {sentence}" for sentence in _sentences(code, run, context))
        raise FeelEvaluationError(f"failed to evaluate '{_short(code.text)}': {failure}{sentences}") from None
    except NoInput as failure:
        raise FeelEvaluationError(f"failed to evaluate '{_short(code.text)}': {failure}") from None
    except DecimalException as error:
        raise operations.calculation_failed(error) from None
    except RecursionError:
        raise FeelLimitError("depth", "a value is nested too deep") from None
    else:
        return value, run.warnings


def _sentences(code: Program, run: Run, context: Mapping[str, Any]) -> list[str]:
    """What may mend the expression: by how it is written, then by what its values were."""
    return [*advice.advice(code.tree, run.functions or ()), *remedies.remedies(run.warnings, context)]


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:80] + "…"


def compile(text: str, limits: Limits = DEFAULT_LIMITS) -> Expression:  # noqa: A001 - feel.compile, like re.compile
    """An expression, parsed once for each text (the last 2048 texts are kept).

    Raises:
        FeelSyntaxError: the text is no expression.
        FeelLimitError: it is too long or nested too deep.
    """
    return Expression(program(text, limits), limits)


def parse_unary(text: str, limits: Limits = DEFAULT_LIMITS) -> UnaryTests:
    """Unary tests, parsed once for each text.

    Raises:
        FeelSyntaxError, FeelLimitError: as `compile`.
    """
    return UnaryTests(unary_program(text, limits), limits)


def evaluate(
    text: str, context: Mapping[str, Any] | None = None, functions: Functions = (), *, clock: Clock | None = None
) -> Any:
    """The value of an expression, the short way.

    Raises:
        FeelSyntaxError, FeelEvaluationError, FeelLimitError: as `compile` and `Expression.evaluate`.
    """
    context = {} if context is None else context
    return _run(program(text, DEFAULT_LIMITS), context, functions, clock, DEFAULT_LIMITS)[0]


def value_of(text: str, context: Mapping[str, Any], functions: Functions, limits: Limits) -> Any:
    """The value of an expression under the limits of one evaluation, the way that makes nothing else.

    Raises:
        FeelSyntaxError, FeelEvaluationError, FeelLimitError: as `compile` and `Expression.evaluate`.
    """
    return _run(program(text, DEFAULT_LIMITS), context, functions, None, limits)[0]


def evaluate_unary(text: str, value: Any, context: Mapping[str, Any] | None = None) -> bool | None:
    """Whether unary tests hold for an input value, the short way.

    Raises:
        FeelSyntaxError, FeelEvaluationError, FeelLimitError: as `compile` and `Expression.evaluate`.
    """
    return parse_unary(text).test(value, context)


def strip_marker(text: str) -> str | None:
    """The expression in a property of a diagram, which starts with `=`; None for a plain text."""
    stripped = text.strip()
    return stripped[1:] if stripped.startswith("=") else None
