"""Declare functions of numbers: rounding, remainders, roots and logarithms."""

import math
import random
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
    DecimalException,
)
from typing import Any

from zeebe_connectors.feel import temporal
from zeebe_connectors.feel.builtins.declare import builtin
from zeebe_connectors.feel.errors import Failure, FeelEvaluationError, FeelLimitError
from zeebe_connectors.feel.precision import context_of, like
from zeebe_connectors.feel.temporal import DaysTime, YearsMonths
from zeebe_connectors.feel.values import decimal, int32, plain_int, result_of_float

TITLE = "Numeric functions"

_MAX_SCALE = 6_200
_WIDE = Context(prec=4 * _MAX_SCALE, Emin=-999_999, Emax=999_999)
_EXACT_OR_NONE = "UNNECESSARY"
_MODES = {
    "UP": ROUND_UP,
    "DOWN": ROUND_DOWN,
    "CEILING": ROUND_CEILING,
    "FLOOR": ROUND_FLOOR,
    "HALF_UP": ROUND_HALF_UP,
    "HALF_DOWN": ROUND_HALF_DOWN,
    "HALF_EVEN": ROUND_HALF_EVEN,
    _EXACT_OR_NONE: ROUND_DOWN,
}


def _round(number: Any, scale: Any, mode: str) -> Any:
    digits = int32(scale)
    if type(number) is int and not digits:
        return number
    if abs(digits) > _MAX_SCALE:
        raise FeelLimitError("characters", f"a number would have {digits} digits, {_MAX_SCALE} are allowed")
    value = decimal(number)
    if value.adjusted() > _MAX_SCALE:
        raise FeelLimitError("characters", f"a number would have more than {_MAX_SCALE} digits")
    return plain_int(like(number, value.quantize(Decimal((0, (1,), -digits)), rounding=mode, context=_WIDE)))


@builtin(
    "decimal(n: number, scale: number): number",
    "The number rounded to this many decimal places; a half is rounded to the even neighbour.",
    ("decimal(1/3, 2)", "0.33"),
    ("decimal(1.5, 0)", "2"),
    ("decimal(2.5, 0)", "2"),
)
def _decimal(number: Any, scale: Any) -> Any:
    return _round(number, scale, ROUND_HALF_EVEN)


@builtin(
    "decimal(n: number, scale: number, mode: string): number",
    "The number rounded in a mode: up, down, ceiling, floor, half_up, half_down, half_even or unnecessary.",
    ('decimal(2.5, 0, "half_up")', "3"),
    ('decimal(2.5, 0, "sideways")', "null"),
)
def _decimal_in_mode(number: Any, scale: Any, mode: str) -> Any:
    name = mode.upper()
    if name not in _MODES:
        raise Failure(f"Illegal argument '{mode}' for rounding mode. Must be one of: {', '.join(_MODES)}")
    result = _round(number, scale, _MODES[name])
    if name == _EXACT_OR_NONE and result != decimal(number):
        raise Failure("Rounding necessary")
    return result


@builtin(
    "floor(n: number): number",
    "The largest whole number that is not greater.",
    ("floor(1.5)", "1"),
    ("floor(-1.5)", "-2"),
)
def _floor(number: Any) -> Any:
    return _round(number, 0, ROUND_FLOOR)


@builtin(
    "floor(n: number, scala: number): number",
    "The largest number with this many decimal places that is not greater.",
    ("floor(-1.56, 1)", "-1.6"),
)
def _floor_to(number: Any, scale: Any) -> Any:
    return _round(number, scale, ROUND_FLOOR)


@builtin(
    "ceiling(n: number): number",
    "The smallest whole number that is not less.",
    ("ceiling(1.5)", "2"),
    ("ceiling(-1.5)", "-1"),
)
def _ceiling(number: Any) -> Any:
    return _round(number, 0, ROUND_CEILING)


@builtin(
    "ceiling(n: number, scale: number): number",
    "The smallest number with this many decimal places that is not less.",
    ("ceiling(-1.56, 1)", "-1.5"),
)
def _ceiling_to(number: Any, scale: Any) -> Any:
    return _round(number, scale, ROUND_CEILING)


@builtin(
    "round up(n: number, scale: number): number",
    "The number rounded away from zero.",
    ("round up(5.5, 0)", "6"),
    ("round up(-1.126, 2)", "-1.13"),
)
def _round_up(number: Any, scale: Any) -> Any:
    return _round(number, scale, ROUND_UP)


@builtin(
    "round down(n: number, scale: number): number",
    "The number rounded towards zero.",
    ("round down(5.5, 0)", "5"),
    ("round down(-1.126, 2)", "-1.12"),
)
def _round_down(number: Any, scale: Any) -> Any:
    return _round(number, scale, ROUND_DOWN)


@builtin(
    "round half up(n: number, scale: number): number",
    "The number rounded to the nearest neighbour; a half is rounded away from zero.",
    ("round half up(5.5, 0)", "6"),
    ("round half up(-1.125, 2)", "-1.13"),
)
def _round_half_up(number: Any, scale: Any) -> Any:
    return _round(number, scale, ROUND_HALF_UP)


@builtin(
    "round half down(n: number, scala: number): number",
    "The number rounded to the nearest neighbour; a half is rounded towards zero.",
    ("round half down(5.5, 0)", "5"),
    ("round half down(-1.125, 2)", "-1.12"),
)
def _round_half_down(number: Any, scale: Any) -> Any:
    return _round(number, scale, ROUND_HALF_DOWN)


@builtin(
    "abs(number: number|years and months duration|days and time duration): any",
    "The number or the duration without its sign.",
    ("abs(-10)", "10"),
    ('abs(duration("-PT5H"))', 'duration("PT5H")'),
    aliases=["n"],
)
def _abs(value: Any) -> Any:
    wide = temporal.widen(value)
    if isinstance(wide, YearsMonths):
        return YearsMonths(abs(wide.months))
    if isinstance(wide, DaysTime):
        return DaysTime(abs(wide.nanos))
    return abs(value) if type(value) is int else like(value, decimal(value).copy_abs())


@builtin(
    "modulo(dividend: number, divisor: number): number",
    "The remainder of the division, with the divisor's sign.",
    ("modulo(12, 5)", "2"),
    ("modulo(-12, 5)", "3"),
)
def _modulo(dividend: Any, divisor: Any) -> Any:
    if type(dividend) is int and type(divisor) is int and divisor:
        return dividend % divisor
    try:
        number, by = decimal(dividend), decimal(divisor)
        context = context_of(dividend)
        remainder = context.remainder(number, by)
        return like(dividend, context.remainder(context.add(remainder, by), by))
    except DecimalException:
        raise FeelEvaluationError(f"modulo({dividend}, {divisor}) has no result") from None


@builtin(
    "sqrt(number: number): number",
    "The square root; null for a negative number.",
    ("sqrt(16)", "4"),
    ("sqrt(-1)", "null"),
)
def _sqrt(number: Any) -> Any:
    value = float(decimal(number))
    return None if value < 0 else result_of_float(math.sqrt(value))


@builtin("log(number: number): number", "The natural logarithm.", ("log(1)", "0"), ("decimal(log(10), 5)", "2.30259"))
def _log(number: Any) -> Any:
    value = float(decimal(number))
    if value <= 0:
        raise FeelEvaluationError(f"log({number}) has no finite result")
    return result_of_float(math.log(value))


@builtin(
    "exp(number: number): number", "Euler's number to this power.", ("exp(0)", "1"), ("decimal(exp(5), 4)", "148.4132")
)
def _exp(number: Any) -> Any:
    try:
        return result_of_float(math.exp(float(decimal(number))))
    except OverflowError:
        raise FeelEvaluationError(f"exp({number}) has no finite result") from None


@builtin("odd(number: number): boolean", "Whether the number is odd.", ("odd(5)", "true"), ("odd(2)", "false"))
def _odd(number: Any) -> Any:
    return _rest_of_two(number) == 1


@builtin("even(number: number): boolean", "Whether the number is even.", ("even(5)", "false"), ("even(2)", "true"))
def _even(number: Any) -> Any:
    return _rest_of_two(number) == 0


def _rest_of_two(number: Any) -> Any:
    if type(number) is int:
        return number % 2
    return context_of(number).remainder(decimal(number).copy_abs(), Decimal(2))


@builtin(
    "random number(): number",
    "A random number of at least 0 and less than 1.",
    ("random number() >= 0 and random number() < 1", "true"),
)
def _random_number() -> Any:
    return result_of_float(random.random())  # noqa: S311 - not used for secrets
