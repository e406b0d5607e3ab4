"""Calculate with the precision of the cluster's engine: 34 digits, or as many as the left operand was written with.

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
"""The context of all calculations, whatever the thread's own decimal context is."""
EXACT = 10**_DIGITS
"""Integers below it stay Python integers; from it on, they round like decimals."""
_wide_context = lru_cache(maxsize=_CACHED_CONTEXTS)(_context)


class WideDecimal(Decimal):
    """A number of more than 34 digits, or the result of a calculation with one.

    Attributes:
        precision: the digits to which calculations with this left operand are rounded.
    """

    __slots__ = ("precision",)
    precision: int

    @classmethod
    def of(cls, number: Decimal, precision: int) -> Self:
        """Makes a number with the precision of its calculations."""
        wide = cls(number)
        wide.precision = precision
        return wide


def written(text: str) -> Decimal:
    """Returns the number in a text of digits, with all digits.

    Raises:
        decimal.InvalidOperation: the text is not a number.
    """
    number = Decimal(text)
    digits = len(number.as_tuple().digits)
    if digits > _DIGITS:
        return WideDecimal.of(number, digits)
    return number


def context_of(left: object) -> Context:
    """Returns the context of a calculation, by its left operand."""
    return _wide_context(left.precision) if type(left) is WideDecimal else DECIMAL128


def like(left: object, result: Decimal) -> Decimal:
    """Returns the result of a calculation with the precision of its left operand."""
    return WideDecimal.of(result, left.precision) if type(left) is WideDecimal else result
