"""Warn authors whose expression has a value that hardly anybody means, such as the number 1981 for `2024-12-31`.

`advice` helps where a value is missing; here it is there, so that nothing else shows the mistake. The doubts come from
the syntax tree, once for each text.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from zeebe_connectors.feel import tree
from zeebe_connectors.feel.other_syntax import OTHER_TYPES
from zeebe_connectors.feel.values import TYPES

_WORTH_A_LOOK = re.compile(
    r'\$\{|//|substring\(|\d\s*[-/]\s*\d+\s*[-/]\s*\d|\b(?:or|and)\s*[("\d]|[")\d]\s*(?:or|and)\b|\binstance\s|(?:split|replace)\s*\('
)
"""Texts without any of these hold nothing to doubt."""
_MAX = 3
_HALVED = re.compile(r'[^"/]*[\w)\]]\s*//\s*[\d.]+\s*$')
_NO_WHOLE_DIVISION = "'//' begins a comment: a whole number is divided with floor(a / b)"
_TEMPLATE = re.compile(r"\$\{\s*([^\W\d][\w.]*)\s*\}")
_YEARS = range(1900, 2200)
_MONTHS = range(1, 13)
_DAYS = range(1, 32)
_DATE_ORDERS = (
    (_YEARS, _MONTHS, _DAYS),
    (_DAYS, _MONTHS, _YEARS),
    (_MONTHS, _DAYS, _YEARS),
)
_SIGNS = {
    ".": ("any character", "[.]"),
    "|": ("nothing or nothing", "[|]"),
    "$": ("the end", "[$]"),
    "^": ("the beginning", "\\^"),
}
"""Patterns that people mean as a character: their meaning, and how the character is written."""


def doubts(text: str, node: tree.Node) -> list[str]:
    """Lists what an expression says though hardly anybody means it, one sentence each.

    Args:
        text: the text of the expression.
        node: its tree.
    """
    if not _WORTH_A_LOOK.search(text):
        return []
    found: dict[str, None] = {}
    if _HALVED.match(text):
        found[_NO_WHOLE_DIVISION] = None
    for each in tree.walk(node):
        if sentence := _of(each):
            found[sentence] = None
            if len(found) == _MAX:
                break
    return list(found)


def _of(node: tree.Node) -> str | None:
    match node:
        case tree.Arithmetic(first=first, rest=((sign, second), (other_sign, third), *_)) if (
            sign == other_sign and sign in {"-", "/"} and (date := _date((first, second, third)))
        ):
            return (
                f"{sign.join(date)} is a calculation here, no date: a date is written in quotes, year, month, day: "
                '@"2024-12-31"'
            )
        case tree.Logic(word, parts) if any(
            isinstance(part, tree.Literal) and not isinstance(part.value, bool | None) for part in parts
        ):
            return (
                f"'{word}' joins conditions, a value alone is none: write a = 1 or a = 2, or a in (1, 2)"
                if word == "or"
                else "'and' joins conditions, a value alone is none: write a > 1 and a < 2"
            )
        case tree.Literal(value=str(written)) if part := _TEMPLATE.search(written):
            return f"{part[0]} stays as it is in a text: texts are joined with '+', \"Dear \" + {part[1]}"
        case tree.Call(
            name="substring", path=(), arguments=(_, tree.Literal(value=int() | Decimal() as start), *_)
        ) if start == 0 and not isinstance(start, bool):
            return "positions are counted from 1: substring(text, 1, length)"
        case tree.InstanceOf(type=name) if name not in TYPES:
            meant = name.lower() if name.lower() in TYPES else OTHER_TYPES.get(name.lower())
            return f"there is no type '{name}', so nothing is an instance of it" + (
                f": write instance of {meant}" if meant else "; types are string, number, boolean, list, context, date"
            )
        case tree.Call(name="split" | "replace", path=(), arguments=(_, tree.Literal(value=str(pattern)), *_)) if (
            pattern in _SIGNS
        ):
            meaning, literal = _SIGNS[pattern]
            return f'in {node.name}(), "{pattern}" is a pattern, {meaning}; the character itself is "{literal}"'
    return None


def _date(parts: tuple[tree.Node, ...]) -> tuple[str, ...] | None:
    """Returns the numbers, if they look like a date."""
    numbers: list[Any] = []
    for part in parts:
        if not isinstance(part, tree.Literal) or isinstance(part.value, bool | str | None):
            return None
        if isinstance(part.value, Decimal) and part.value != part.value.to_integral_value():
            return None
        numbers.append(int(part.value))
    if any(all(number in allowed for number, allowed in zip(numbers, order, strict=True)) for order in _DATE_ORDERS):
        return tuple(map(str, numbers))
    return None
