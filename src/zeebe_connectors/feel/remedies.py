"""Advise authors on the warnings of an evaluation: how to make values comparable, what a function takes.

`advice` reads the expression; this module reads the warnings, for mistakes that only the values show: `"order-" + 5`, a
text compared with a number, a function called with a list instead of a text, a variable with other capitals.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable

from zeebe_connectors.feel import builtins
from zeebe_connectors.feel.errors import (
    INVALID_TYPE,
    INVOCATION,
    NO_ENTRY,
    NO_FUNCTION,
    NO_PROPERTY,
    NO_VARIABLE,
    NOT_COMPARABLE,
    EvaluationWarning,
)
from zeebe_connectors.feel.operations import DATE_PARTS, TIME_PARTS

_MAX = 5
_SIMILAR = 0.75
_TWO_VALUES = re.compile(r"Can't (\w+) (.+) (?:to|from|by|with) (.+)", re.DOTALL)
_CALLED = re.compile(r"(?:Failed to invoke function|No function found with name) '([^']*)'(.*)", re.DOTALL)
_NAMED = re.compile(r"No (?:variable|context entry|property) found with (?:name|key) '([^']*)'")
_OF_VALUE = re.compile(r" of value (.+?)\. Available", re.DOTALL)
_KEYS = re.compile(r"'([^']*)'")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?$")
_DATE = re.compile(r"-?\d{4,9}-\d\d-\d\d")
_OF_NULL = 'a text is joined only with texts; what may be null gets one by get or else(value, "")'
_PARTS = frozenset(DATE_PARTS + TIME_PARTS)

_NAME_ALONE = "write the variable's name alone, as name"
_OF_OTHER_LANGUAGES = {
    "this": _NAME_ALONE,
    "self": _NAME_ALONE,
    "execution": _NAME_ALONE,
    "variables": _NAME_ALONE,
    "vars": _NAME_ALONE,
    "process": _NAME_ALONE,
    "secrets": 'a secret is written inside quotes: "{{secrets.NAME}}"',
    "$": "a path begins with the name of a variable, as order.id",
}
"""Names that other places have for what holds the variables."""

# A function and the kind of its first argument -> the function for such a value.
_FOR_OTHER_VALUES = {
    ("contains", "a list"): "for a list, write list contains(list, item)",
    ("list contains", '"'): "for a text, write contains(text, part)",
    ("count", '"'): "the length of a text is string length(text)",
    ("count", "a context"): "the number of entries is count(get entries(context))",
    ("string length", "a list"): "the number of items is count(list)",
    ("is empty", '"'): 'for a text, write text = "" or is blank(text)',
    ("is blank", "a list"): "for a list, write is empty(list)",
    ("index of", '"'): "the text before another one is substring before(text, part)",
    ("sum", "a context"): "name the entry to sum: sum(items.price)",
}


def remedies(warnings: Iterable[EvaluationWarning], names: Collection[str]) -> list[str]:
    """Returns the first few remedies for the parts that are null, one sentence each.

    Args:
        warnings: the warnings of one evaluation.
        names: the names of the variables.
    """
    found: dict[str, None] = {}
    for warning in warnings:
        sentence = _remedy(warning, names)
        if sentence and not (sentence == _OF_NULL and found):  # the null is there because of what came before
            found[sentence] = None
        if len(found) == _MAX:
            break
    return list(found)


def _remedy(warning: EvaluationWarning, names: Collection[str]) -> str | None:
    kind, message = warning
    if kind in {INVALID_TYPE, NOT_COMPARABLE}:
        return _of_types(kind, message)
    if kind in {INVOCATION, NO_FUNCTION}:
        return _of_call(kind, message)
    if kind == NO_VARIABLE:
        return _OF_OTHER_LANGUAGES.get(_named(message)) or _in_other_capitals(message, names)
    if kind == NO_ENTRY:
        return _of_entry(message)
    return _of_property(message) if kind == NO_PROPERTY else None


_OF_OTHER_KINDS = {
    'list but found "': "a character is taken with substring(text, 1, 1), a part with substring(text, start, length)",
    "list but found a context": 'an entry is taken with a dot or get value(context, "key"); only lists have items',
    "boolean but found ": "a condition is a comparison, as name != null or number > 0",
}
"""What was expected, and what was found."""


def _of_types(kind: str, message: str) -> str | None:
    if message.startswith("Expected ") and not message.endswith(" null"):
        known = (advice for what, advice in _OF_OTHER_KINDS.items() if message.startswith(f"Expected {what}"))
        return next(known, None)
    both = _TWO_VALUES.match(message)
    if both and both[1] == "add" and "null" in both.groups() and message.count('"') > 1:
        return _OF_NULL
    if not both or "null" in both.groups():
        return None
    verb, values = both[1], both.groups()[1:]
    texts = [value for value in values if value.startswith('"')]
    others = [value for value in values if not value.startswith('"')]
    if len(texts) == 1:
        return _text_and(others[0], verb, texts[0][1:-1])
    if verb in {"add", "subtract"} and any(map(_DATE.match, values)) and any(map(_NUMBER.match, values)):
        return 'dates move by durations: date + duration("P1D")'
    return _of_lists(verb, values, compared=kind == NOT_COMPARABLE) or _of_durations(verb, values)


def _of_lists(verb: str, values: tuple[str, ...], *, compared: bool) -> str | None:
    """Says what to do with two values of which one is a list or a context."""
    lists = sum(value.startswith("a list of") for value in values)
    if lists and compared:
        return "a list is compared item by item: some x in list satisfies x > 1, or list[item > 1]"
    if lists and verb == "add":
        return (
            "lists are joined with concatenate(list, other)"
            if lists > 1
            else "an item is added with append(list, item)"
        )
    if all(value.startswith("a context of") for value in values) and verb == "add":
        return "contexts are joined with context merge(context, other)"
    return None


def _text_and(other: str, verb: str, text: str) -> str | None:
    """Says how to make a text and another value fit."""
    if _DATE.match(other):
        if verb in {"add", "subtract"} and _DATE.match(text):
            return 'a date in a text is read with date("2024-12-31")'
        if verb in {"add", "subtract"}:
            return 'a duration in a text is read with duration("P1D")'
        return 'a date in a text is read with date("2024-12-31"), one with a time with date and time(text)'
    if other.startswith(("P", "-P")):
        return 'a date in a text is read with date("2024-12-31"), one with a time with date and time(text)'
    if other.startswith(("a list", "a context")):
        return 'a list of texts is joined with string join(list, ", ")' if other.startswith("a list") else None
    if verb == "add" and not _NUMBER.match(text):
        return "a text is joined only with texts: make a text of the other value with string(value)"
    return "a number in a text is read with number(text); string(value) makes a text of a number"


_MONTHS_AND_DAYS = 'months and days cannot be compared, since months differ: count in days, as duration("P365D")'
_LENGTHS = re.compile(r"-?P(?P<months>[\dYM]+)?(?P<days>[\dDTHMS.]+)?$")


def _of_durations(verb: str, values: tuple[str, ...]) -> str | None:
    """Says what to do with a duration of months and one of days."""
    found = [_LENGTHS.match(value) for value in values]
    if verb not in {"compare", "add", "subtract"} or not all(found):
        return None
    kinds = {"Y" in value or ("M" in value and "T" not in value) for value in values}
    return _MONTHS_AND_DAYS if len(kinds) == 2 else None


def _of_call(kind: str, message: str) -> str | None:
    called = _CALLED.match(message)
    overloads = builtins.overloads(called[1]) if called else ()
    if not called or not overloads:
        return None
    given = called[2].partition("Illegal arguments: ")[2]
    if kind == INVOCATION and not given:
        found = called[2].partition("but found '")[2]
        return _FOR_OTHER_VALUES.get((called[1], found.partition(" of ")[0])) or _of_reason(called[1], called[2])
    for (name, value), sentence in _FOR_OTHER_VALUES.items():
        if name == called[1] and given.startswith(value):
            return sentence
    signatures = dict.fromkeys(overload.signature.rpartition("): ")[0] + ")" for overload in overloads)
    return f"the arguments are: {', or '.join(signatures)}"


def _of_reason(name: str, reason: str) -> str | None:
    """Says what to do about a value that a function could not take."""
    if name in {"date", "time", "date and time"} and "Failed to parse" in reason:
        return (
            'FEEL reads "2024-12-31", "17:00:00" and "2024-12-31T17:00:00"; another form is taken apart first, as '
            'date(substring(text, 7, 4) + "-" + substring(text, 4, 2) + "-" + substring(text, 1, 2))'
        )
    if "Invalid pattern" in reason:
        return "a sign that means something in patterns is written in brackets: [(] [)] [+] [*] [?] [.]"
    if name in {"min", "max"} and "a list of" in reason and "not comparable" in reason:
        return f"the values of a list and others are joined first: {name}(append(list, other))"
    return _separators(name, reason)


def _separators(name: str, reason: str) -> str | None:
    text = reason.partition("Can't parse '")[2].rpartition("' as")[0]
    if name != "number" or not re.fullmatch(r"\s*[-+]?[\d., ']+\s*", text) or not re.search(r"\d", text):
        return None
    if text != text.strip():
        return "spaces around a number are removed with number(trim(text))"
    return 'the separators of a number in a text are named: number("1.234,56", ".", ",")'


def _named(message: str) -> str:
    """Returns the name that a warning is about."""
    match = _NAMED.search(message)
    return match[1] if match else ""


def _in_other_capitals(message: str, names: Collection[str]) -> str | None:
    wanted = _named(message)
    dashed = next((name for name in names if wanted and name.startswith((f"{wanted}-", f"{wanted} "))), None)
    if dashed:
        return f"a name with '-' or a blank in it is written in backticks: `{dashed}`"
    near = next((name for name in names if _plain(name) == _plain(wanted) and name != wanted), None)
    return f"did you mean '{near}'? There is no '{wanted}'" if wanted and near else None


def _of_entry(message: str) -> str | None:
    """Returns the entry that is meant: in other capitals, misspelled, or one level deeper."""
    wanted, there = _named(message), _available(message)
    if wanted == "response" and {"message", "variables"} <= set(there):
        return "what the service answered with an error is in error.variables.response"
    near = [name for name in there if len(name) > 3 and wanted.lower().startswith(name.lower())]
    near += difflib.get_close_matches(wanted, there, n=1, cutoff=_SIMILAR)
    return _in_other_capitals(message, there) or (
        f"did you mean '{near[0]}'? There is no '{wanted}'" if wanted and near else None
    )


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")


def _available(message: str) -> list[str]:
    return _KEYS.findall(message.partition("Available")[2])


def _of_property(message: str) -> str | None:
    match, value = _NAMED.search(message), _OF_VALUE.search(message)
    if not match or not value:
        return None
    if value[1].startswith('"') and match[1].lower() in _PARTS:
        return "a date in a text is read first: date(text).year, date and time(text).hour"
    if value[1].startswith('"'):
        return "a text has no entries; texts are joined with '+'"
    return _in_other_capitals(message, _available(message))
