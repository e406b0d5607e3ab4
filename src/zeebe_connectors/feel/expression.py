"""Parse each expression's text once and evaluate it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import DecimalException
from functools import lru_cache
from typing import Any, NamedTuple

from zeebe_connectors.feel import advice, doubts, operations, parser, remedies, tree
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
"""Characters from which a text is cached among the few long ones: its compiled form is a hundred times as large."""


class Result(NamedTuple):
    """The result of one evaluation: the value, and why parts of it are null."""

    value: Any
    warnings: list[EvaluationWarning]


class Program:
    """A parsed and compiled text. It keeps no state of evaluations, so any number of threads may run it."""

    __slots__ = ("code", "doubts", "text", "tree")

    def __init__(self, text: str, node: tree.Node) -> None:
        self.text = text
        self.tree = node
        self.doubts = doubts.doubts(text, node)
        self.code: Code = compile_tree(node)


def _compiled(text: str, node: tree.Node) -> Program:
    try:
        return Program(text, node)
    except RecursionError:
        raise FeelLimitError("depth", "the expression is nested too deep") from None


def new_program(text: str, limits: Limits) -> Program:
    """Compiles an expression, without the cache."""
    return _compiled(text, parser.parse(text, limits))


_short_program = lru_cache(maxsize=_CACHED_PROGRAMS)(new_program)
_long_program = lru_cache(maxsize=_CACHED_LONG_PROGRAMS)(new_program)


def program(text: str, limits: Limits) -> Program:
    """Compiles an expression, or takes it from the cache."""
    return _short_program(text, limits) if len(text) < _LONG else _long_program(text, limits)


@lru_cache(maxsize=_CACHED_LONG_PROGRAMS)
def unary_program(text: str, limits: Limits) -> Program:
    """Compiles unary tests, or takes them from the cache."""
    return _compiled(text, parser.parse_unary(text, limits))


class Expression:
    """A FEEL expression that is ready to be evaluated many times.

    Attributes:
        text: the text of the expression.
        tree: its syntax tree.
        warnings: the warnings of this object's last `evaluate`. `run` returns them instead; use it if several tasks
            share one object.
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
        """Returns the value of the expression; afterwards `warnings` says why parts of it are null.

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
        """Returns the value and the warnings of the expression.

        Args:
            context: The variables by name.
            functions: The host's functions.
            clock: Returns the current time, for `now()` and `today()`.
            limits: Limits of this evaluation; by default the expression's own.

        Raises:
            FeelEvaluationError: it has no value.
            FeelLimitError: it exceeds its limits.
        """
        return Result(
            *_run(self._program, {} if context is None else context, functions, clock, limits or self._limits)
        )


class UnaryTests(Expression):
    """Unary tests, such as `< 5, [10..20]`: the cell of a decision table."""

    __slots__ = ()

    def test(self, value: Any, context: Mapping[str, Any] | None = None, functions: Functions = ()) -> bool | None:
        """Returns whether the tests hold for an input value; None if they cannot be compared with it.

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
        for sentence in code.doubts:
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
    """Returns advice on how to fix the expression: first by its text, then by its values."""
    return [*advice.advice(code.tree, run.functions or ()), *remedies.remedies(run.warnings, context)]


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:80] + "…"


def compile(text: str, limits: Limits = DEFAULT_LIMITS) -> Expression:  # noqa: A001 - feel.compile, like re.compile
    """Returns an expression; each text is parsed once (the last 2048 texts are cached).

    Raises:
        FeelSyntaxError: the text is not an expression.
        FeelLimitError: it is too long or nested too deep.
    """
    return Expression(program(text, limits), limits)


def parse_unary(text: str, limits: Limits = DEFAULT_LIMITS) -> UnaryTests:
    """Returns unary tests; each text is parsed once.

    Raises:
        FeelSyntaxError, FeelLimitError: as `compile`.
    """
    return UnaryTests(unary_program(text, limits), limits)


def evaluate(
    text: str, context: Mapping[str, Any] | None = None, functions: Functions = (), *, clock: Clock | None = None
) -> Any:
    """Returns the value of an expression, in one call.

    Raises:
        FeelSyntaxError, FeelEvaluationError, FeelLimitError: as `compile` and `Expression.evaluate`.
    """
    context = {} if context is None else context
    return _run(program(text, DEFAULT_LIMITS), context, functions, clock, DEFAULT_LIMITS)[0]


def value_of(text: str, context: Mapping[str, Any], functions: Functions, limits: Limits) -> Any:
    """Evaluates an expression under the limits of one evaluation and returns only its value.

    Raises:
        FeelSyntaxError, FeelEvaluationError, FeelLimitError: as `compile` and `Expression.evaluate`.
    """
    return _run(program(text, DEFAULT_LIMITS), context, functions, None, limits)[0]


def evaluate_unary(text: str, value: Any, context: Mapping[str, Any] | None = None) -> bool | None:
    """Returns whether unary tests hold for an input value, in one call.

    Raises:
        FeelSyntaxError, FeelEvaluationError, FeelLimitError: as `compile` and `Expression.evaluate`.
    """
    return parse_unary(text).test(value, context)


def strip_marker(text: str) -> str | None:
    """Returns the expression in a diagram's property that starts with `=`; None for a plain text."""
    stripped = text.strip()
    return stripped[1:] if stripped.startswith("=") else None
