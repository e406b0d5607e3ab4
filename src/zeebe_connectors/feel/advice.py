"""Advise authors whose expression is valid FEEL but null, because it follows the habits of another language.

`items[0]`, `date("31.12.2024")` and `name.toUpperCase()` parse, and are null on every cluster. The advice comes from
the syntax tree, and is made only after an evaluation without a value, with a warning or with an error, so that it costs
a good expression nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection

from zeebe_connectors.feel import builtins, temporal, tree
from zeebe_connectors.feel.other_syntax import CONDITION

_TEMPORAL_FORMS = {
    "date": 'a date is written year, month, day: date("2024-12-31")',
    "time": 'a time is written in 24 hours with seconds: time("17:00:00")',
    "date and time": 'a date with a time is written: date and time("2024-12-31T17:00:00")',
    "duration": 'a duration is written in ISO 8601, in months or in days, not both: duration("P1DT2H"), '
    'an hour is "PT1H", five minutes are "PT5M"',
    "@": 'after @ stands a date, a time or a duration: @"2024-12-31", @"17:00:00", @"PT1H"',
}
# Properties and functions of other languages -> what FEEL has. `{}` is the value that they are applied to.
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
    "toupper": "write upper case({})",
    "ucase": "write upper case({})",
    "tolower": "write lower case({})",
    "lcase": "write lower case({})",
    "capitalize": "write upper case(substring({}, 1, 1)) + substring({}, 2)",
    "left": "write substring({}, 1, 2)",
    "right": "write substring({}, -2)",
    "mid": "write substring({}, 2, 3)",
    "charat": "write substring({}, 1, 1)",
    "slice": "write sublist({}, 1, 2) for a list, substring({}, 1, 2) for a text",
    "instr": "write contains({}, part)",
    "replaceall": "write replace({}, pattern, replacement)",
    "match": "write matches({}, pattern)",
    "test": "write matches({}, pattern)",
    "join": 'write string join({}, ", ")',
    "implode": 'write string join({}, ", ")',
    "explode": 'write split({}, ",")',
    "find": "a list is filtered with brackets, its first item is [1]: {}[item > 1][1]",
    "where": "a list is filtered with brackets: {}[item > 1]",
    "select": "a list is filtered with brackets: {}[item > 1]",
    "foreach": "write for x in {} return x",
    "reduce": "write sum({}), or for x in {} return sum(partial) + x",
    "some": "write some x in {} satisfies x > 1",
    "every": "write every x in {} satisfies x > 1",
    "unique": "write distinct values({})",
    "distinct": "write distinct values({})",
    "keys": "write get entries({}).key",
    "values": "write get entries({}).value",
    "entries": "write get entries({})",
    "has": "write list contains({}, item), or {}.key != null",
    "haskey": "write {}.key != null",
    "containskey": "write {}.key != null",
    "equals": "write {} = other",
    "equalsignorecase": "write lower case({}) = lower case(other)",
    "tofixed": "write decimal({}, 2)",
    "format": "write string({})",
    "todate": "write date({})",
    "isnan": "write {} = null",
    "isblank": "write is blank({})",
    "exists": "write {} != null",
    "trunc": "write round down({}, 0)",
    "ceil": "write ceiling({})",
    "pow": "a power is written {} ** 2",
    "mod": "write modulo({}, divisor)",
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
# Functions that other languages keep in a library, such as `Math.round(x)`.
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
    "math.pow": "a power is written {} ** 2",
    "math.sqrt": "write sqrt({})",
    "math.trunc": "write round down({}, 0)",
    "object.keys": "write get entries({}).key",
    "object.values": "write get entries({}).value",
    "object.entries": "write get entries({})",
    "number.parsefloat": "write number({})",
    "array.isarray": "write {} instance of list",
    "string.valueof": "write string({})",
    "localdate.now": "write today()",
    "date.parse": "write date({})",
    "date.now": "write now()",
}
_FUNCTIONS = {
    "newdate": 'write now(), or date and time("2024-12-31T17:00:00Z")',
    "round": "write round half up({}, 0)",
    "if": CONDITION,
    "iif": CONDITION,
    "random": "write random number()",
    "rand": "write random number()",
    "getdate": "write today()",
    "currentdate": "write today()",
    "range": "a loop counts with two dots: for i in 1..3 return i",
    "typeof": "write: {} instance of string",
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
    "NaN": "nothing is written null",
    "now": "write now()",
    "uuid": "write uuid()",
    "today": "write today()",
}
_FROM_ONE = "items are counted from 1: the first one is [1], the last one [-1]"
_CURRENCIES = "$\u20ac\u00a3"
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
        case tree.Call(name=name, arguments=(tree.Arithmetic(), *_)) if name in _TEMPORAL_FORMS:
            return _TEMPORAL_FORMS[name]
        case tree.Call():
            return _of_call(node, functions, local)
        case tree.Temporal(function, text) if _unreadable(function, text):
            return _TEMPORAL_FORMS[function]
        case tree.Filter():
            return _of_filter(node)
        case tree.Path(of, key):
            return _of_entry(key, _short(of))
        case tree.Ref(names):
            return _of_variable(names[0], alone=len(names) == 1) or (
                _of_entry(names[-1], ".".join(names[:-1])) if len(names) > 1 else None
            )
    return None


def _of_filter(node: tree.Filter) -> str | None:
    match node.by:
        case tree.Literal(value=str(key)):
            of = _short(node.of)
            return f'an entry is taken with a dot or its name: {of}.{key}, get value({of}, "{key}")'
        case tree.Literal(value=value) | tree.Negation(tree.Literal(value=value)) if value == 0 and value is not False:
            return _FROM_ONE
    return None


def _of_entry(key: str, value: str) -> str | None:
    if key in _PROPERTIES:
        return f"'.{key}' is an entry of a context; {_filled(_PROPERTIES[key], value)}"
    return _of_method(key, value) if _is_method(key) else None


def _of_variable(name: str, *, alone: bool) -> str | None:
    if name[0] in _CURRENCIES:
        return f"a variable is written without '{name[0]}', a number without a currency: {name[1:] or 'name'}"
    if alone and name in _VARIABLES:
        return f"'{name}' is the name of a variable here; {_VARIABLES[name]}"
    return None


def is_quoted(key: str) -> bool:
    """Whether a context's key is enclosed in other quotes than straight double ones, which are then part of the key."""
    return len(key) > 1 and key[0] in _QUOTES and key[-1] in _QUOTES


def on_key(key: str) -> str:
    """Returns the advice about a key that `is_quoted`."""
    return f'the quotes are a part of the key {key}; FEEL wants straight double quotes or none: {{"{key[1:-1]}": 1}}'


def _of_call(node: tree.Call, functions: Collection[str], local: Collection[str]) -> str | None:
    name = node.name
    of = _short(node.arguments[0]) if node.arguments else "x"
    if node.path:
        if library := _LIBRARIES.get(".".join((*node.path, name)).lower()):
            return f"FEEL has no {'.'.join((*node.path, name))}(); " + _filled(library, of)
        return _of_method(name, ".".join(node.path))
    if builtins.overloads(name) or name in functions or name in local:
        return None
    if name in _OF_ERROR_EXPRESSIONS:
        return f"{name}() belongs in an error expression, written {_OF_ERROR_EXPRESSIONS[name]}"
    for meant in (name.lower(), _words_of(name)):
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


def _is_method(name: str) -> bool:
    """Whether a name is hardly an entry: it is in camel case and known as a method of other languages."""
    return not name.islower() and name.lower() in _METHODS and name[0].islower()


def _of_method(name: str, value: str) -> str | None:
    known = _METHODS.get(name.replace(" ", "").replace("_", "").lower())
    if known:
        return f"values have no functions of their own; {_filled(known, value)}"
    for meant in (name.lower(), _words_of(name)):
        for overload in builtins.overloads(meant)[:1]:
            arguments = ", ".join((value, *overload.parameters[1:]))
            return f"values have no functions of their own; write {meant}({arguments})"
    return None


def _words_of(name: str) -> str:
    """`upperCase` and `upper_case` as words."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return spaced.replace("_", " ").strip()


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
