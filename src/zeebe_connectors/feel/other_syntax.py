"""List what other languages write differently from FEEL, with advice for each, for `slips`."""

from __future__ import annotations

QUOTES = 'FEEL wants straight double quotes: "text"'
FUNCTION = "a function is written: function(x) x + 1"
NO_ASSIGNMENT = "FEEL has no assignments; a context {a: 1, b: a + 1}.b names parts"
CONDITION = "a condition is written: if a then b else c"
BODY = "a function's body is one expression without braces: function(a) a + 1"
CHAINED = "FEEL has no assignments, and compares two values at a time: a = b and b = c"
LOOP = "a loop is written: for i in list return i"
MINUS = "write the minus as '-', the key beside the zero: a - b"
OPERATOR = (
    "two values need an operator or a comma between them; a text is written in double quotes, a name with spaces in "
    "backticks: `my name`"
)
QUANTIFIER = "write: some x in list satisfies condition"
EVERY = "write: every x in list satisfies condition"
ENTRY = "a context's entry is written with a colon: {key: value}"
JOINED = "texts are joined with '+': \"Dear \" + name"
SUBLIST = "a part of a list is taken with sublist(list, start, length)"
DIGITS = "a number is written with digits and a decimal point only, as 1000"
NOT_NULL = "compare with '!=': a != null"
NO_CAST = "a number is read with number(text), a text is made with string(value)"
COMMENT = "comments are written // to the end of the line, or /* ... */"
TEXT = 'a text is written in double quotes: "text"'
FILTER = "a list is filtered by a condition on its items' entries: items[price > 10]"
NO_METHODS = "values have no functions of their own; a function is called with the value: upper case(name)"
NO_UNIT = "a number is written without a unit or a currency: 12.5"
ALL_ITEMS = "the entries of all items are taken without brackets: items.price"
COMMAS = "entries, items and arguments are separated by commas"
NOT = "not is a function: not(a). 'not in' is written not(a in b), 'not between' not(a between b and c)"
BETWEEN = "write: a between 1 and 3"
SEVERAL = "several values to compare with stand in parentheses: a in (b, c)"
NO_THEN = "'then' is missing. A condition is written: if a then b else c"
RANGE = "a range has brackets and two dots: x in [1..3]"

# Names that other languages have for types.
OTHER_TYPES = {
    "text": "string",
    "str": "string",
    "varchar": "string",
    "int": "number",
    "integer": "number",
    "long": "number",
    "double": "number",
    "float": "number",
    "decimal": "number",
    "bool": "boolean",
    "array": "list",
    "object": "context",
    "map": "context",
    "dict": "context",
    "datetime": "date and time",
    "duration": "days and time duration",
}

# The text at the position (or one character before it) -> the advice. Longer ones first.
AT: tuple[tuple[str, str], ...] = (
    ("===", "FEEL compares with a single '=': a = b"),
    ("==", "FEEL compares with a single '=': a = b"),
    ("=!", "FEEL compares with '!=': a != b"),
    ("!==", "FEEL compares with '!=': a != b"),
    ("<>", "FEEL writes 'not equal' as '!=': a != b"),
    ("->", FUNCTION),
    ("=<", "'less or equal' is written '<='"),
    (":=", NO_ASSIGNMENT),
    ("&&", "FEEL writes 'and': a and b"),
    ("&", "FEEL writes 'and': a and b. Texts are joined with '+'"),
    ("|>", "a function is called with parentheses: count(list)"),
    ("||", "FEEL writes 'or': a or b. Texts are joined with '+'"),
    ("|", "FEEL writes 'or': a or b"),
    ("'", 'FEEL writes texts in double quotes: "text"'),
    ("\u201c", QUOTES),
    ("\u201d", QUOTES),
    ("\u201e", QUOTES),
    ("\u00ab", QUOTES),
    ("\u00bb", QUOTES),
    ("\u2039", QUOTES),
    ("\u203a", QUOTES),
    ("\u00b4", QUOTES),
    ("\u2032", QUOTES),
    ("\u2033", QUOTES),
    ("\u201a", QUOTES),
    ("\u201f", QUOTES),
    ("\u2018", QUOTES),
    ("\u2019", QUOTES),
    ("\u2010", MINUS),
    ("\u2011", MINUS),
    ("\u2012", MINUS),
    ("\u2013", MINUS),
    ("\u2014", MINUS),
    ("\u2212", MINUS),
    ("\u2026", "write all of it: '\u2026' stands for nothing in FEEL"),
    ("\u2264", "'less or equal' is written '<='"),
    ("\u2265", "'greater or equal' is written '>='"),
    ("\u2260", "FEEL compares with '!=': a != b"),
    ("\u2a7d", "'less or equal' is written '<='"),
    ("\u2a7e", "'greater or equal' is written '>='"),
    ("\u2227", "FEEL writes 'and': a and b"),
    ("\u2228", "FEEL writes 'or': a or b"),
    ("\u00ac", "FEEL negates with a function: not(a)"),
    ("\u2208", "write: a in list"),
    ("\u221a", "write sqrt(a)"),
    ("\u00b2", "a power is written '**': a ** 2"),
    ("\u00b3", "a power is written '**': a ** 3"),
    ("\u00d7", "FEEL multiplies with '*': a * b"),
    ("\u00f7", "FEEL divides with '/': a / b"),
    (";", "FEEL has no ';': an expression is one value; leave it out"),
    ("!", "FEEL negates with a function: not(a)"),
    ("%", "FEEL has no '%': write modulo(a, b)"),
    ("^", "a power is written '**': a ** 2"),
    ("${", "FEEL has no '${...}': join texts with '+', as \"Dear \" + name"),
    ("$", "FEEL has no '$...': write the variable's name"),
    ("#{", "FEEL has no '#{...}': write the variable's name alone, as name, and join texts with '+'"),
    ("#", COMMENT),
    ("\\", 'a backslash has a meaning only inside a text: "a\\nb"'),
    ("++", "FEEL has no '++': write a + 1"),
    ("??", "FEEL has no '??': write get or else(a, b)"),
    ("?:", "FEEL has no '?:': write get or else(a, b)"),
    ("?.", "FEEL needs no '?.': a.b is null where a is null"),
    ("?", CONDITION),
    ("~", "write matches(text, pattern)"),
    ("`", "a name in backticks ends with the backtick that it starts with: `my name`"),
)
# A character that begins a longer slip one place before the place where the parser stopped.
BEGINNINGS = frozenset("=!<&|+$-:?")
# The text at the position, or the word before it.
WORDS: dict[str, str] = {
    "not": NOT,
    "None": "nothing is written null",
    "undefined": "nothing is written null",
    "elif": "write: else if",
    "elseif": "write: else if",
    "new": "FEEL makes no objects; a context is written {key: value}",
    "mod": "write modulo(a, b)",
    "div": "write floor(a / b)",
    "equals": "compare with '=': a = b",
    "eq": "compare with '=': a = b",
    "ne": "FEEL compares with '!=': a != b",
    "neq": "FEEL compares with '!=': a != b",
    "xor": "write a != b, of two booleans",
    "gt": "compare with '>': a > b",
    "greater": "compare with '>': a > b",
    "lt": "compare with '<': a < b",
    "less": "compare with '<': a < b",
    "ge": "compare with '>=': a >= b",
    "gte": "compare with '>=': a >= b",
    "le": "compare with '<=': a <= b",
    "lte": "compare with '<=': a <= b",
    "plus": "write a + b",
    "minus": "write a - b",
    "times": "write a * b",
    "try": "FEEL has no 'try': what fails is null, and get or else(a, b) replaces null",
    "typeof": "write: a instance of string",
    "end": "leave out 'end': a condition is written: if a then b else c",
    "endif": "leave out 'endif': a condition is written: if a then b else c",
    "unless": CONDITION,
    "elsif": "write: else if",
    "equal": "compare with '=': a = b",
    "isnt": "compare with '!=': a != null",
    "await": "leave out 'await': an expression never waits",
    "distinct": "write distinct values(list)",
    "empty": 'write is empty(list), for a text text = ""',
    "exists": QUANTIFIER,
    "forall": EVERY,
    "foreach": LOOP,
    "while": LOOP,
    "like": "write matches(text, pattern) or contains(text, part)",
    "var": NO_ASSIGNMENT,
    "let": NO_ASSIGNMENT,
    "const": NO_ASSIGNMENT,
    "lambda": FUNCTION,
    "case": CONDITION,
    "switch": CONDITION,
    "when": CONDITION,
    "return": "an expression is its own result: leave out 'return'",
    "where": "write: some x in list satisfies condition, or filter the list: list[condition]",
    "do": LOOP,
    "to": "a loop counts with two dots: for i in 1..3 return i",
}
