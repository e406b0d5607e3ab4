"""Advise authors whose expression is valid FEEL but null, because it follows another language's habits.

`items[0]`, `date("31.12.2024")` and `name.toUpperCase()` parse, and are null on every cluster. The advice comes from
the syntax tree, and only after an evaluation without a value, with a warning or with an error, so a good expression
pays nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection

from zeebe_connectors.feel import builtins, temporal, tree

_TEMPORAL_FORMS = {
    "date": 'a date is written year, month, day: date("2024-12-31")',
    "time": 'a time is written in 24 hours with seconds: time("17:00:00")',
    "date and time": 'a date with a time is written: date and time("2024-12-31T17:00:00")',
    "duration": 'a duration is written in ISO 8601, in months or in days, not both: duration("P1DT2H"), '
    'an hour is "PT1H", five minutes are "PT5M"',
    "@": 'after @ stands a date, a time or a duration: @"2024-12-31", @"17:00:00", @"PT1H"',
}
# Properties and functions of other languages -> what FEEL has. `{}` is the value that they were asked of.
_COUNT = "the number of items is count({}), the length of a text string length({})"
_PROPERTIES = {
    "length": _COUNT,
    "size": _COUNT,
    "count": _COUNT,
    "first": "the first item is {}[1]",
    "last": "the last item is {}[-1]",
}
_METHODS = {
    "length": _COUNT,
    "size": _COUNT,
    "len": _COUNT,
    "count": _COUNT,
    "touppercase": "write upper case({})",
    "uppercase": "write upper case({})",
    "upper": "write upper case({})",
    "tolowercase": "write lower case({})",
    "lowercase": "write lower case({})",
    "lower": "write lower case({})",
    "isdefined": "write is defined({})",
    "isempty": 'write is empty({}), for a text {} = ""',
    "isnull": "write {} = null",
    "tostring": "write string({})",
    "str": "write string({})",
    "parseint": "write number({})",
    "parsefloat": "write number({})",
    "tonumber": "write number({})",
    "int": "write number({})",
    "substr": "write substring({}, start)",
    "substring": "write substring({}, start)",
    "indexof": "write index of({}, item)",
    "includes": "write contains({}, part) for a text, list contains({}, item) for a list",
    "contains": "write contains({}, part) for a text, list contains({}, item) for a list",
    "startswith": "write starts with({}, part)",
    "endswith": "write ends with({}, part)",
    "strip": "write trim({})",
    "filter": "a list is filtered with brackets: {}[item > 1]",
    "map": "write for x in {} return x",
    "concat": "texts are joined with '+', lists with concatenate({}, other)",
    "push": "write append({}, item)",
    "add": "write append({}, item)",
    "get": 'an item is {}[1], an entry {}.key or get value({}, "key")',
    "coalesce": "write get or else({}, other)",
    "nvl": "write get or else({}, other)",
    "ifnull": "write get or else({}, other)",
    "average": "write mean({})",
    "avg": "write mean({})",
}
# Functions that other languages keep in a place of their own, as `Math.round(x)`.
_LIBRARIES = {
    "math.round": "write round half up({}, 0)",
    "math.floor": "write floor({})",
    "math.ceil": "write ceiling({})",
    "math.abs": "write abs({})",
    "math.max": "write max({})",
    "math.min": "write min({})",
    "math.random": "write random number()",
    "json.parse": "write from json({})",
    "json.stringify": "write to json({})",
    "object.keys": "write get entries({}).key",
    "date.now": "write now()",
}
_FUNCTIONS = {
    "newdate": 'write now(), or date and time("2024-12-31T17:00:00Z")',
    "round": "write round half up({}, 0)",
    "lenght": _COUNT,
    "lengh": _COUNT,
    "legth": _COUNT,
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
    "now": "write now()",
    "today": "write today()",
}
_QUOTES = "'\u2018\u2019\u201a\u201c\u201d\u201e"
_OF_ERROR_EXPRESSIONS = {
    "bpmnError": "bpmnError(code, message)",
    "jobError": "jobError(message)",
    "ignoreError": "ignoreError(variables)",
}
_SIMILAR = 0.75


def advice(node: tree.Node, functions: Collection[str] = ()) -> list[str]:
    """Lists the probable mistakes in an expression, one sentence each.

    Args:
        node: the expression.
        functions: names of the host's functions, to suggest for a misspelled name.
    """
    found: dict[str, None] = {}
    local: set[str] = set()
    for each in tree.walk(node):
        if isinstance(each, tree.ContextOf):
            local.update(key for key, value in each.entries if isinstance(value, tree.FunctionOf))
        elif isinstance(each, tree.FunctionOf):
            local.update(each.parameters)
    for each in tree.walk(node):
        sentence = _of(each, functions, local)
        if sentence:
            found[sentence] = None
    return list(found)


def _of(node: tree.Node, functions: Collection[str], local: Collection[str]) -> str | None:
    match node:
        case tree.Call(name=name, arguments=(given, *_)) if name in _TEMPORAL_FORMS and isinstance(
            given, tree.Arithmetic
        ):
            return _TEMPORAL_FORMS[name]
        case tree.Filter(by=tree.Literal(value=value)) if value == 0 and type(value) is not bool:
            return "items are counted from 1: the first one is [1], the last one [-1]"
        case tree.Temporal(function, text) if _unreadable(function, text):
            return _TEMPORAL_FORMS[function]
        case tree.Path(of, key) if key in _PROPERTIES:
            return _on_property(key, _short(of))
        case tree.Ref(names) if len(names) > 1 and names[-1] in _PROPERTIES:
            return _on_property(names[-1], ".".join(names[:-1]))
        case tree.Ref((name,)) if name in _VARIABLES:
            return f"'{name}' is the name of a variable here; {_VARIABLES[name]}"
        case tree.Call():
            return _of_call(node, functions, local)
    return None


def is_quoted(key: str) -> bool:
    """Whether a context's key, written without straight double quotes, has others around it, which belong to it."""
    return len(key) > 1 and key[0] in _QUOTES and key[-1] in _QUOTES


def on_key(key: str) -> str:
    """The advice about a key that `is_quoted`."""
    return f'the quotes are a part of the key {key}; FEEL wants straight double quotes or none: {{"{key[1:-1]}": 1}}'


def _of_call(node: tree.Call, functions: Collection[str], local: Collection[str]) -> str | None:
    name = node.name
    of = _short(node.arguments[0]) if node.arguments else "x"
    if node.path:
        if library := _LIBRARIES.get(".".join((*node.path, name)).lower()):
            return f"FEEL has no {'.'.join((*node.path, name))}(); " + _filled(library, of)
        known = _METHODS.get(name.replace(" ", "").lower())
        if known:
            return f"values have no functions of their own; {_filled(known, '.'.join(node.path))}"
        return None
    if builtins.overloads(name) or name in functions or name in local:
        return None
    if name in _OF_ERROR_EXPRESSIONS:
        return f"{name}() belongs in an error expression, written {_OF_ERROR_EXPRESSIONS[name]}"
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
    for meant in (name.lower(), words, words.replace("_", " ")):
        if builtins.overloads(meant):
            return f"did you mean {meant}()? FEEL has no {name}()"
    plain = name.replace("_", "").replace(" ", "").lower()
    known = _FUNCTIONS.get(plain) or _METHODS.get(plain)
    if known:
        return f"FEEL has no {name}(); {_filled(known, of)}"
    names = {*functions, *_OF_ERROR_EXPRESSIONS, *(each.name for each in builtins.all_builtins())}
    near = difflib.get_close_matches(name, names, n=1, cutoff=_SIMILAR) or difflib.get_close_matches(
        name.lower(), names, n=1, cutoff=_SIMILAR
    )
    return f"did you mean {near[0]}()? FEEL has no {name}()" if near else None


def _on_property(name: str, value: str) -> str:
    return f"'.{name}' is an entry of a context; {_filled(_PROPERTIES[name], value)}"


def _filled(sentence: str, value: str) -> str:
    return sentence.replace("{}", value)


def _unreadable(function: str, text: str) -> bool:
    try:
        temporal.LITERALS[function](text)
    except ValueError:
        return True
    return False


def _short(node: tree.Node) -> str:
    text = tree.write(node)
    return text if len(text) <= 30 else "x"
