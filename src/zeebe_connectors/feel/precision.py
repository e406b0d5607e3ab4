"""Calculate with the digits that the cluster's engine keeps: 34, or as many as the left operand was written with.

There, a number written with more than 34 digits keeps all of them, and every calculation with it as the left operand is
rounded to as many digits. `WideDecimal` is such a number; all others calculate in `DECIMAL128`.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from functools import lru_cache
from typing import Self

_DIGITS = 34
_MAX_EXPONENT = 99_999
_CACHED_CONTEXTS = 64


def _context(precision: int) -> Context:
    return Context(
        prec=precision,
        rounding=ROUND_HALF_EVEN,
        Emin=-_MAX_EXPONENT,
        Emax=_MAX_EXPONENT,
        traps=[InvalidOperation, DivisionByZero, Overflow],
    )


DECIMAL128 = _context(_DIGITS)
"""The arithmetic of numbers, whatever the thread's own decimal context is."""
EXACT = 10**_DIGITS
"""Integers below it are kept as Python's, at and above they round as decimals do."""
_wide_context = lru_cache(maxsize=_CACHED_CONTEXTS)(_context)


class WideDecimal(Decimal):
    """A number of more than 34 digits, or what was calculated from one.

    Attributes:
        precision: the digits that calculations starting from this number are rounded to.
    """

    __slots__ = ("precision",)
    precision: int

    @classmethod
    def of(cls, number: Decimal, precision: int) -> Self:
        """The number, with the digits that its calculations keep."""
        wide = cls(number)
        wide.precision = precision
        return wide


def written(text: str) -> Decimal:
    """The number that a text of digits means, with all digits.

    Raises:
        decimal.InvalidOperation: the text is no number.
    """
    number = Decimal(text)
    digits = len(number.as_tuple().digits)
    if digits > _DIGITS:
        return WideDecimal.of(number, digits)
    return number


def context_of(left: object) -> Context:
    """The context in which a calculation takes place, by its left operand."""
    return _wide_context(left.precision) if type(left) is WideDecimal else DECIMAL128


def like(left: object, result: Decimal) -> Decimal:
    """The result of a calculation, which keeps as many digits as its left operand did."""
    return WideDecimal.of(result, left.precision) if type(left) is WideDecimal else result
