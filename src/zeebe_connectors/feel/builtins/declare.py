"""Declare built-in functions: a Python function, its FEEL signature and checked arguments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from zeebe_connectors.feel import values
from zeebe_connectors.feel.errors import Failure
from zeebe_connectors.feel.limits import Run
from zeebe_connectors.feel.operations import show
from zeebe_connectors.feel.values import kind

_DATE_TIMES = {values.DATE_TIME, values.LOCAL_DATE_TIME}
_TYPES: dict[str, frozenset[str]] = {
    "null": frozenset({values.NULL}),
    "boolean": frozenset({values.BOOLEAN}),
    "number": frozenset({values.NUMBER}),
    "string": frozenset({values.STRING}),
    "list": frozenset({values.LIST}),
    "context": frozenset({values.CONTEXT}),
    "function": frozenset({values.FUNCTION}),
    "range": frozenset({values.RANGE}),
    "date": frozenset({values.DATE}),
    "time": frozenset({values.TIME, values.LOCAL_TIME}),
    "date and time": frozenset(_DATE_TIMES),
    "years and months duration": frozenset({values.YEARS_MONTHS}),
    "days and time duration": frozenset({values.DAYS_TIME}),
    "point": values.POINTS,
}
_FAST: dict[str, type] = {"number": int, "string": str, "list": list, "context": dict, "boolean": bool}
_LONG = 256
_CHARACTERS_PER_STEP = 16
_SIGNATURE = re.compile(r"(?P<name>[^(]+)\((?P<parameters>[^)]*)\): (?P<result>.+)")


@dataclass(frozen=True, slots=True)
class Builtin:
    """One overload of a built-in function.

    Attributes:
        name, signature, doc: as the documentation shows them.
        module: where it is declared, which is its topic.
        examples: expressions and what each of them equals, as an expression.
        parameters: the parameters' names; the last one of a variadic function takes a list, or the rest of the values.
        since: the first cluster that has it; empty if all supported ones do.
        invoke: takes the run and a value for each parameter; raises `Failure` to make the call null.
    """

    name: str
    signature: str
    doc: str
    examples: tuple[tuple[str, str], ...]
    parameters: tuple[str, ...]
    variadic: bool
    invoke: Callable[..., Any]
    module: str
    since: str = ""


_by_name: dict[str, list[Builtin]] = {}


def overloads(name: str) -> Sequence[Builtin]:
    """Returns the overloads of a name, in the order in which they are tried."""
    return _by_name.get(name, ())


def all_builtins() -> list[Builtin]:
    """Returns all overloads of all names, in the order of their declaration."""
    return [builtin for known in _by_name.values() for builtin in known]


def builtin(
    signature: str, doc: str, *examples: tuple[str, str], aliases: Sequence[str] = (), since: str = ""
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declares a built-in function.

    Args:
        signature: `name(parameter: type, other: type|type): type`. A value of another type makes the call null. Three
            dots after the last type make the function variadic: that parameter takes one list, or any number of values.
        doc: one sentence for the documentation.
        examples: pairs of an expression and what it equals.
        aliases: other names of all parameters, separated by commas, for calls with names.
        since: the first cluster that has the function, such as `8.8`; empty if all supported ones do.

    The Python function takes the values in order; if its first parameter is called `run`, it gets the run before them.
    It raises `Failure` to make the call null.
    """
    match = _SIGNATURE.fullmatch(signature)
    if not match:
        raise ValueError(f"not a signature: {signature}")
    name, parameters = match["name"], [part.split(": ") for part in match["parameters"].split(", ") if part]
    variadic = bool(parameters) and parameters[-1][1].endswith("...")
    types = [type_.removesuffix("...") for _, type_ in parameters]

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        invoke = _checked(function, types)
        for names in ([parameter for parameter, _ in parameters], *(alias.split(", ") for alias in aliases)):
            made = Builtin(name, signature, doc, examples, tuple(names), variadic, invoke, function.__module__, since)
            _by_name.setdefault(name, []).append(made)
        return function

    return declare


def _checked(function: Callable[..., Any], types: Sequence[str]) -> Callable[..., Any]:
    """Wraps a function: it takes the run first, and checks the kind of each argument."""
    wants_run = next(iter(inspect.signature(function).parameters), "") == "run"
    checks = [(_FAST.get(type_, _Never), _kinds(type_)) for type_ in types]

    def call(run: Any, *arguments: Any) -> Any:
        return function(run, *arguments) if wants_run else function(*arguments)

    if len(checks) == 1:
        fast, kinds = checks[0]

        def invoke_one(run: Any, argument: Any) -> Any:
            if kinds is not None and type(argument) is not fast:
                _check((argument,), checks)
            if type(argument) is str and len(argument) >= _LONG:
                return _accounted(run, call, argument)
            return function(run, argument) if wants_run else function(argument)

        return invoke_one

    def invoke(run: Any, *arguments: Any) -> Any:
        _check(arguments, checks)
        for argument in arguments:
            if type(argument) is str and len(argument) >= _LONG:
                return _accounted(run, call, *arguments)
        return function(run, *arguments) if wants_run else function(*arguments)

    return invoke


def _check(arguments: tuple[Any, ...], checks: Sequence[tuple[type, frozenset[str] | None]]) -> None:
    for argument, (_, kinds) in zip(arguments, checks, strict=True):
        if kinds is not None and kind(argument) not in kinds:
            raise Failure(f"Illegal arguments: {', '.join(map(show, arguments))}")


def _accounted(run: Run, call: Callable[..., Any], *arguments: Any) -> Any:
    """Accounts for the long texts that a function reads, and for the text that it returns."""
    run.tick(sum(len(argument) for argument in arguments if type(argument) is str) // _CHARACTERS_PER_STEP)
    result = call(run, *arguments)
    return run.text(result) if type(result) is str else result


class _Never:
    """No value has this type."""


def _kinds(type_: str) -> frozenset[str] | None:
    if type_ == "any":
        return None
    return frozenset().union(*(_TYPES[part] for part in type_.split("|")))
