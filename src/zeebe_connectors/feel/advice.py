"""Advise authors whose expression is valid FEEL but null, because it follows the habits of another language.

`items[0]`, `date("31.12.2024")` and `name.toUpperCase()` parse, and are null on every cluster. The advice comes from
the syntax tree, and is made only after an evaluation without a value, with a warning or with an error, so that it costs
a good expression nothing.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence
from decimal import Decimal

from zeebe_connectors.feel import builtins, methods, temporal, tree

_TEMPORAL_FORMS = {
    "date": 'a date is written year, month, day: date("2024-12-31")',
    "time": 'a time is written in 24 hours with seconds: time("17:00:00")',
    "date and time": 'a date with a time is written: date and time("2024-12-31T17:00:00")',
    "duration": 'a duration is written in ISO 8601, in months or in days, not both: duration("P1DT2H"), '
    'an hour is "PT1H", five minutes are "PT5M"',
    "@": 'after @ stands a date, a time or a duration: @"2024-12-31", @"17:00:00", @"PT1H"',
}
_VARIABLES = {
    "TRUE": "write true",
    "True": "write true",
    "FALSE": "write false",
    "False": "write false",
    "NULL": "nothing is written null",
    "Null": "nothing is written null",
    "None": "nothing is written null",
    "nil": "nothing is written null",
    "undefined": "nothing is written null",
    "NaN": "nothing is written null",
    "now": "write now()",
    "uuid": "write uuid()",
    "today": "write today()",
    "empty": 'write is empty(list), for a text text = ""',
    "yes": "write true",
    "Yes": "write true",
    "No": "write false",
    "on": "write true",
    "off": "write false",
    "no": "write false",
    "last": "the last item is [-1]",
    "CURRENT_TIMESTAMP": "write now()",
    "CURRENT_DATE": "write today()",
    "SYSDATE": "write now()",
}
_TEMPORAL = re.compile(r"P(?:\d+[YMWD])*(?:T(?:\d+[HMS])+)?")
_KINDS = {"date": "day", "time": "time"}
_WELL_FORMED = {
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "date and time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-](?:0\d|1[0-8]):\d\d)?"),
    "time": re.compile(r"\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-](?:0\d|1[0-8]):\d\d)?"),
}
FROM_ONE = "items are counted from 1: the first one is [1], the last one [-1]"
_CURRENCIES = "$\u20ac\u00a3"
_QUOTES = "'\u2018\u2019\u201a\u201c\u201d\u201e"
_OF_ERROR_EXPRESSIONS = {
    "bpmnError": ("errorCode", "errorMessage", "variables"),
    "jobError": ("errorMessage", "variables", "retries", "retryBackoff"),
    "ignoreError": ("variables",),
}
"""The functions of error expressions, with the names of their arguments."""
_SIMILAR = 0.75


def advice(node: tree.Node, functions: Collection[str] = ()) -> list[str]:
    """Lists the probable mistakes in an expression, one sentence each.

    Args:
        node: the expression.
        functions: names of the host's functions, to suggest for a misspelled name.
    """
    found: dict[str, None] = {}
    local = _local_functions(node)
    for each in tree.walk(node):
        sentence = _of(each, functions, local)
        if sentence:
            found[sentence] = None
    return list(found)


def _local_functions(node: tree.Node) -> set[str]:
    """Returns the names under which an expression may define functions itself."""
    local: set[str] = set()
    for each in tree.walk(node):
        if isinstance(each, tree.ContextOf):
            local.update(key for key, value in each.entries if isinstance(value, tree.FunctionOf))
        elif isinstance(each, tree.FunctionOf):
            local.update(each.parameters)
    return local


def _of(node: tree.Node, functions: Collection[str], local: Collection[str]) -> str | None:
    match node:
        case tree.Call(name=name, arguments=(tree.Arithmetic(), *_)) if name in _TEMPORAL_FORMS:
            return _TEMPORAL_FORMS[name]
        case tree.Call():
            return _of_call(node, functions, local)
        case tree.Temporal(function, text) if _unreadable(function, text):
            if any(form.fullmatch(text) for kind, form in _WELL_FORMED.items() if function in {"@", kind}):
                return f"there is no such {_KINDS.get(function, 'day or time')}: {text}"
            return _TEMPORAL_FORMS[function]
        case tree.Filter():
            return _of_filter(node)
        case tree.Path(of, key):
            return methods.property_(key, _short(of))
        case tree.Ref(names):
            return _of_variable(names[0], alone=len(names) == 1) or (
                methods.property_(names[-1], ".".join(names[:-1])) if len(names) > 1 else None
            )
    return None


def _of_filter(node: tree.Filter) -> str | None:
    match node.by:
        case tree.Literal(value=str(key)):
            of = _short(node.of)
            return f'an entry is taken with a dot or its name: {of}.{key}, get value({of}, "{key}")'
        case tree.Literal(value=value) | tree.Negation(tree.Literal(value=value)) if value == 0 and value is not False:
            return FROM_ONE
    return None


def _of_variable(name: str, *, alone: bool) -> str | None:
    if "${" in name:
        return "FEEL has no templates: join texts in double quotes with '+', as \"Dear \" + name"
    if alone and _TEMPORAL.fullmatch(name):
        return f'a duration is written in quotes: duration("{name}"), or @"{name}"'
    if name[0] in _CURRENCIES:
        return f"a variable is written without '{name[0]}', a number without a currency: {name[1:] or 'name'}"
    if alone and name in _VARIABLES:
        return f"'{name}' is the name of a variable here; {_VARIABLES[name]}"
    return None


def on_calls(node: tree.Node, functions: Collection[str]) -> list[str]:
    """Lists the calls of an expression that have no value whatever the variables are, one sentence each.

    Args:
        node: the expression.
        functions: names of the host's functions.
    """
    local = _local_functions(node)
    found: dict[str, None] = {}
    for each in tree.walk(node):
        if not isinstance(each, tree.Call) or each.path or each.name in local:
            continue
        sentence = _of_call(each, functions, local)
        if sentence is None and each.name not in functions and not builtins.overloads(each.name):
            sentence = f"FEEL has no {each.name}()"
        if sentence:
            found[sentence] = None
    return list(found)


def is_quoted(key: str) -> bool:
    """Returns whether a context's key is in quotes other than straight double ones, which are then part of the key."""
    return len(key) > 1 and key[0] in _QUOTES and key[-1] in _QUOTES


def on_key(key: str) -> str:
    """Returns the advice about a key that `is_quoted`."""
    return f'the quotes are a part of the key {key}; FEEL wants straight double quotes or none: {{"{key[1:-1]}": 1}}'


def _of_call(node: tree.Call, functions: Collection[str], local: Collection[str]) -> str | None:
    name = node.name
    arguments = tuple(_short(each) for each in node.arguments)
    if node.path:
        return methods.member(node.path, name, arguments)
    if name in functions and name in _OF_ERROR_EXPRESSIONS:
        return _of_verdict(name, _OF_ERROR_EXPRESSIONS[name], node)
    if builtins.overloads(name) or name in functions or name in local:
        return None
    if name in _OF_ERROR_EXPRESSIONS:
        return f"{name}() belongs in an error expression, written {name}({', '.join(_OF_ERROR_EXPRESSIONS[name])})"
    return _of_unknown(name, arguments, node) or _near(name, functions)


def _of_verdict(name: str, parameters: Sequence[str], node: tree.Call) -> str | None:
    """Returns what is wrong with the arguments of a function of error expressions."""
    written = f"write {name}({', '.join(parameters)})"
    if node.names:
        wrong = [each for each in node.names if each not in parameters]
        return f"{name}() has no argument '{wrong[0]}': {written}" if wrong else None
    if len(node.arguments) > len(parameters) or (not node.arguments and name != "ignoreError"):
        return f"{name}() is called with {len(node.arguments)} arguments: {written}; all but the first may be left out"
    return None


def _of_unknown(name: str, arguments: tuple[str, ...], node: tree.Call) -> str | None:
    """Returns what a function that FEEL does not have may stand for."""
    *_, last = name.split()
    if last.lower() in {"in", "between"}:
        return (
            f"keywords are lower case: {last.lower()}" if last == "IN" else "write: a between 1 and 3, or a in [1..3]"
        )
    known = methods.function(name, arguments)
    if known and name.lower() in methods.OTHERWISE:
        return known
    for meant in (name.lower(), methods.words_of(name)):
        if builtins.overloads(meant):
            return f"did you mean {meant}()? FEEL has no {name}()"
    match node.arguments:
        case (tree.Literal(value=Decimal() | int() as value),) if (
            not known and name.islower() and not isinstance(value, bool)
        ):
            return f"FEEL has no {name}(); of a list {name}, the first item is {name}[1]"
    return known


def _near(name: str, functions: Collection[str]) -> str | None:
    """Returns the function that a misspelled name is nearest to."""
    names = {*functions, *_OF_ERROR_EXPRESSIONS, *(each.name for each in builtins.all_builtins())}
    near = difflib.get_close_matches(name, names, n=1, cutoff=_SIMILAR) or difflib.get_close_matches(
        name.lower(), names, n=1, cutoff=_SIMILAR
    )
    return f"did you mean {near[0]}()? FEEL has no {name}()" if near else None


def _unreadable(function: str, text: str) -> bool:
    try:
        temporal.LITERALS[function](text)
    except ValueError:
        return True
    return False


def _short(node: tree.Node) -> str:
    text = tree.write(node)
    return text if len(text) <= 30 else "x"
