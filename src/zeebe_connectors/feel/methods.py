"""Say what FEEL has for the functions, methods and properties of other languages; `advice` and `slips` look here."""

from __future__ import annotations

from zeebe_connectors.feel import builtins
from zeebe_connectors.feel.other_syntax import CONDITION, NO_CAST

# Properties and functions of other languages -> what FEEL has. `{}` is the value that they were asked of.
_COUNT = "the number of items is count({}), the length of a text string length({})"
_NO_FORMAT = "FEEL formats no dates: string({}) is 2024-12-31, the parts are {}.year, {}.month and {}.day"
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
    "strftime": _NO_FORMAT,
    "format": "write string({}), and join texts with '+'",
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
    "merge": "contexts are joined with context merge({}, other), lists with concatenate({}, other)",
    "first": "the first item is {}[1]",
    "last": "the last item is {}[-1]",
    "push": "write append({}, item)",
    "add": "write append({}, item)",
    "get": 'an item is {}[1], an entry {}.key or get value({}, "key")',
    "coalesce": "write get or else({}, other)",
    "nvl": "write get or else({}, other)",
    "ifnull": "write get or else({}, other)",
    "average": "write mean({})",
    "avg": "write mean({})",
    "at": "an item is {}[1], the last one {}[-1]",
    "nil": "write {} = null",
    "isnumber": "write {} instance of number",
    "isstring": "write {} instance of string",
    "islist": "write {} instance of list",
    "isarray": "write {} instance of list",
    "plusdays": 'write {} + duration("P1D")',
    "plushours": 'write {} + duration("PT1H")',
    "plusminutes": 'write {} + duration("PT1M")',
    "plusmonths": 'write {} + duration("P1M")',
    "plusyears": 'write {} + duration("P1Y")',
    "minusdays": 'write {} - duration("P1D")',
    "minushours": 'write {} - duration("PT1H")',
    "adddays": 'write {} + duration("P1D")',
    "addhours": 'write {} + duration("PT1H")',
    "addmonths": 'write {} + duration("P1M")',
    "getfullyear": "write {}.year",
    "getyear": "write {}.year",
    "getmonth": "write {}.month",
    "getday": "write {}.day",
    "isbefore": "write {} < other",
    "isafter": "write {} > other",
    "compareto": "compare with <, = or >: {} < other",
    "localecompare": "compare with <, = or >: {} < other",
    "toisostring": "write string({})",
    "stream": "write for x in {} return x",
    "collect": "write for x in {} return x",
    "flatmap": "write flatten(for x in {} return x)",
    "anymatch": "write some x in {} satisfies x > 1",
    "allmatch": "write every x in {} satisfies x > 1",
    "groupby": "write for k in distinct values({}.key) return {}[key = k]",
    "sortby": "write sort({}, function(a, b) a.price < b.price)",
    "orderby": "write sort({}, function(a, b) a.price < b.price)",
    "pop": "write remove({}, -1)",
    "shift": "write remove({}, 1)",
    "getorelse": "write get or else({}, other)",
    "orelse": "write get or else({}, other)",
    "ofnullable": "FEEL needs no Optional: {} may be null",
    "getvariable": "write the variable's name alone, as name",
    "hasvariable": "write is defined(name)",
}
# Functions that other languages keep in a place of their own, as `Math.round(x)`.
_LIBRARIES = {
    "console.log": "an expression is its own result: leave out console.log()",
    "system.out.println": "an expression is its own result: leave it out",
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
    "string.format": "texts are joined with '+', a value made a text with string(value)",
    "string.join": 'write string join(list, ", ")',
    "integer.parseint": "write number({})",
    "array.from": "a list is written [a, b]",
    "arrays.aslist": "a list is written [{}]",
    "list.of": "a list is written [{}]",
    "set.of": "a list is written [{}]",
    "map.of": "a context is written {key: value}",
    "object.assign": "write context merge({})",
    "uuid.randomuuid": "write uuid()",
    "crypto.randomuuid": "write uuid()",
    "system.currenttimemillis": "write now()",
    "localdatetime.now": "write now()",
    "zoneddatetime.now": "write now()",
    "instant.now": "write now()",
    "bigdecimal.valueof": "numbers are decimal in FEEL: write {}",
    "integer.valueof": "write number({})",
    "double.parsedouble": "write number({})",
    "duration.ofdays": 'write duration("P1D")',
    "duration.ofhours": 'write duration("PT1H")',
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
    "and": "FEEL writes 'and': a and b",
    "und": "FEEL writes 'and': a and b",
    "or": "FEEL writes 'or': a or b",
    "oder": "FEEL writes 'or': a or b",
    "xor": "write a != b, of two booleans",
    "ifs": CONDITION,
    "wenn": CONDITION,
    "choose": CONDITION,
    "switch": CONDITION,
    "decode": CONDITION,
    "iferror": "write get or else(value, other)",
    "nullif": "write if a = b then null else a",
    "nullcoalesce": "write get or else({}, other)",
    "sumif": "write sum({}[item > 1])",
    "countif": "write count({}[item > 1])",
    "averageif": "write mean({}[item > 1])",
    "vlookup": "a list is filtered, and its first item taken: items[key = value][1]",
    "xlookup": "a list is filtered, and its first item taken: items[key = value][1]",
    "lookup": "a list is filtered, and its first item taken: items[key = value][1]",
    "concatenate": "texts are joined with '+'",
    "textjoin": 'write string join(list, ", ")',
    "substitute": "write replace(text, pattern, replacement)",
    "proper": "write upper case(substring({}, 1, 1)) + substring({}, 2)",
    "find": "write contains(text, part); a list is filtered with brackets: items[item > 1]",
    "search": "write contains(text, part); a list is filtered with brackets: items[item > 1]",
    "value": "write number({})",
    "text": "write string({})",
    "cast": NO_CAST,
    "convert": NO_CAST,
    "boolean": 'write {} = true, of a text {} = "true"',
    "bool": 'write {} = true, of a text {} = "true"',
    "regex": "write matches(text, pattern)",
    "regexp": "write matches(text, pattern)",
    "isinstance": "write: {} instance of number",
    "dict": "a context is written {key: value}",
    "days": "write (end - start).days",
    "datediff": "write (end - start).days, of dates and times .hours and .minutes",
    "datedif": "write (end - start).days",
    "dateadd": 'write date + duration("P1D")',
    "edate": 'write {} + duration("P1M")',
    "year": "write {}.year",
    "hour": "write {}.hour",
    "minute": "write {}.minute",
    "month": "write {}.month",
    "day": "write {}.day",
    "weekday": "write day of week({})",
    "dayofweek": "write day of week({})",
    "formatdate": _NO_FORMAT,
    "dateformat": _NO_FORMAT,
    "todatestring": _NO_FORMAT,
    "formatnumber": "write string(decimal({}, 2))",
    "print": "an expression is its own result: leave out print()",
    "guid": "write uuid()",
}
OTHERWISE = frozenset(("and", "or", "concatenate"))
"""Names in other capitals that FEEL has as well, for something else or by another way."""


def method(name: str, value: str) -> str | None:
    """Returns what FEEL has for a method of a value, as `value.upper()`; None where it is not known."""
    known = _METHODS.get(_plain(name))
    if known:
        return f"values have no functions of their own; {_filled(known, value)}"
    for meant in (name.lower(), words_of(name)):
        for overload in builtins.overloads(meant)[:1]:
            arguments = ", ".join((value, *overload.parameters[1:]))
            return f"values have no functions of their own; write {meant}({arguments})"
    return None


def property_(name: str, value: str) -> str | None:
    """Returns what FEEL has for a property of a value, as `list.length`; None where it is not known."""
    if name in _PROPERTIES:
        return f"'.{name}' is an entry of a context; {_filled(_PROPERTIES[name], value)}"
    # A name in mixed capitals can hardly be an entry's: the methods of other languages are.
    mixed = not name.islower() and name.lower() in _METHODS and name[0].islower()
    return method(name, value) if mixed else None


def member(path: tuple[str, ...], name: str, arguments: tuple[str, ...]) -> str | None:
    """Returns what FEEL has for `path.name(arguments)`: a method of a variable, or a function that a class has."""
    owner = path[-1]
    known = _LIBRARIES.get(f"{owner}.{name}".lower())
    if known:
        return f"FEEL has no {owner}.{name}(); {_filled(known, ', '.join(arguments) or 'value')}"
    if owner[0].isupper() and not owner.isupper():
        return method(name, arguments[0] if arguments else "value")
    return method(name, ".".join(path))


def function(name: str, arguments: tuple[str, ...]) -> str | None:
    """Returns what FEEL has for a function of another language; None where it is not known."""
    known = _FUNCTIONS.get(_plain(name)) or _METHODS.get(_plain(name))
    return f"FEEL has no {name}(); {_filled(known, arguments[0] if arguments else 'x')}" if known else None


def words_of(name: str) -> str:
    """Splits `upperCase` and `upper_case` into words."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return spaced.replace("_", " ").strip()


def _plain(name: str) -> str:
    return name.replace(" ", "").replace("_", "").lower()


def _filled(sentence: str, value: str) -> str:
    return sentence.replace("{}", value)
