"""Advise authors whose text is not FEEL on how to write what they probably meant."""

from __future__ import annotations

import re
from collections.abc import Sequence

from zeebe_connectors.feel import builtins, tokens
from zeebe_connectors.feel.tokens import NAME, NUMBER, QUOTED, STRING

_QUOTES = 'FEEL wants straight double quotes: "text"'
_FUNCTION = "a function is written: function(x) x + 1"
_NO_ASSIGNMENT = "FEEL has no assignments; a context {a: 1, b: a + 1}.b names parts"
_CONDITION = "a condition is written: if a then b else c"
_BODY = "a function's body is one expression without braces: function(a) a + 1"
_CHAINED = "FEEL has no assignments, and compares two values at a time: a = b and b = c"
_LOOP = "a loop is written: for i in list return i"
_MINUS = "write the minus as '-', the key beside the zero: a - b"
_OPERATOR = "two values need an operator or a comma between them; a name with spaces is written in backticks: `my name`"

# The text at the position (or one character before it) -> the advice. Longer ones first.
_AT: tuple[tuple[str, str], ...] = (
    ("===", "FEEL compares with a single '=': a = b"),
    ("==", "FEEL compares with a single '=': a = b"),
    ("=!", "FEEL compares with '!=': a != b"),
    ("!==", "FEEL compares with '!=': a != b"),
    ("<>", "FEEL writes 'not equal' as '!=': a != b"),
    ("->", _FUNCTION),
    ("=<", "'less or equal' is written '<='"),
    (":=", _NO_ASSIGNMENT),
    ("&&", "FEEL writes 'and': a and b"),
    ("&", "FEEL writes 'and': a and b. Texts are joined with '+'"),
    ("||", "FEEL writes 'or': a or b. Texts are joined with '+'"),
    ("|", "FEEL writes 'or': a or b"),
    ("'", 'FEEL writes texts in double quotes: "text"'),
    ("\u201c", _QUOTES),
    ("\u201d", _QUOTES),
    ("\u201e", _QUOTES),
    ("\u00ab", _QUOTES),
    ("\u00bb", _QUOTES),
    ("\u2018", _QUOTES),
    ("\u2019", _QUOTES),
    ("\u2010", _MINUS),
    ("\u2011", _MINUS),
    ("\u2012", _MINUS),
    ("\u2013", _MINUS),
    ("\u2014", _MINUS),
    ("\u2212", _MINUS),
    ("\u2026", "write all of it: '\u2026' stands for nothing in FEEL"),
    ("\u2264", "'less or equal' is written '<='"),
    ("\u2265", "'greater or equal' is written '>='"),
    ("\u2260", "FEEL compares with '!=': a != b"),
    ("\u00d7", "FEEL multiplies with '*': a * b"),
    ("\u00f7", "FEEL divides with '/': a / b"),
    (";", "FEEL has no ';': an expression is one value; leave it out"),
    ("!", "FEEL negates with a function: not(a)"),
    ("%", "FEEL has no '%': write modulo(a, b)"),
    ("^", "a power is written '**': a ** 2"),
    ("${", "FEEL has no '${...}': join texts with '+', as \"Dear \" + name"),
    ("$", "FEEL has no '$...': write the variable's name"),
    ("#{", "FEEL has no '#{...}': write the variable's name alone, as name, and join texts with '+'"),
    ("#", "comments are written // to the end of the line, or /* ... */"),
    ("\\", 'a backslash has a meaning only inside a text: "a\\nb"'),
    ("++", "FEEL has no '++': write a + 1"),
    ("??", "FEEL has no '??': write get or else(a, b)"),
    ("?:", "FEEL has no '?:': write get or else(a, b)"),
    ("?.", "FEEL needs no '?.': a.b is null where a is null"),
    ("?", _CONDITION),
    ("~", "write matches(text, pattern)"),
    ("`", "a name in backticks ends with the backtick that it starts with: `my name`"),
)
# A character that begins a longer slip one place before where the parser stopped.
_BEGINNINGS = frozenset("=!<&|+$-:?")
# The text at the position, or the word before it.
_WORDS: dict[str, str] = {
    "is": "compare with '=': a = null",
    "not": "not is a function: not(a). 'not in' is written not(a in b)",
    "None": "nothing is written null",
    "undefined": "nothing is written null",
    "elif": "write: else if",
    "elseif": "write: else if",
    "new": "FEEL makes no objects; a context is written {key: value}",
    "mod": "write modulo(a, b)",
    "div": "write floor(a / b)",
    "equals": "compare with '=': a = b",
    "eq": "compare with '=': a = b",
    "like": "write matches(text, pattern) or contains(text, part)",
    "var": _NO_ASSIGNMENT,
    "let": _NO_ASSIGNMENT,
    "const": _NO_ASSIGNMENT,
    "lambda": _FUNCTION,
    "case": _CONDITION,
    "switch": _CONDITION,
    "when": _CONDITION,
    "return": "an expression is its own result: leave out 'return'",
    "where": "write: some x in list satisfies condition, or filter the list: list[condition]",
    "do": _LOOP,
    "to": "a loop counts with two dots: for i in 1..3 return i",
}
_KEYWORDS = frozenset(("if", "then", "else", "for", "in", "return", "some", "every", "satisfies", "and", "or")) | {
    *("between", "function", "instance", "of", "null", "true", "false"),
}
_FUNCTION_BODY = re.compile(r"function\s*\([^()]*\)\s*\{[^{}:]*$")
_PARAMETERS_AND_ARROW = re.compile(r"[\w\s,]*\)\s*[-=]>")
_SCIENTIFIC = re.compile(r"(?:[eE]\d*|x[0-9A-Fa-f]+)\b")
_IN = re.compile(r"\bin\b")
_QUANTIFIER_WITHOUT_IN = re.compile(r"\b(?:some|every)(?: \w+)?$")
_IN_PARENTHESES = re.compile(r"\b(?:for|some|every)\s*\(")
_RANGE_WITHOUT_BRACKETS = re.compile(r"\bin\s+-?[\w.]+$")
_BETWEEN = re.compile(r"\bbetween\s+[^\s]+$")
_FUNCTION_HEAD = re.compile(r"\bfunction\s*\([^()]*\)$")
_IN_CONTEXT = re.compile(r"[{,]\s*(?:\"[^\"]*\"|\w+)$")
_IS = re.compile(r"is\b")
_IS_NOT = re.compile(r"is\s+not\b")
_PERCENT = re.compile(r"%\s*(?:$|[)\],}*])")
_DIGIT_GROUP = re.compile(r"[_']\d{3}\b")
_SECRET = re.compile(r"\{\{\s*(secrets\.[\w-]+)")


def hint(text: str, position: int, expected: Sequence[str]) -> str | None:
    """Advises how to write the part at which a text stopped being FEEL.

    Args:
        text: the whole text.
        position: where the parser stopped.
        expected: what would be valid there, as in the error's message.

    Returns:
        One sentence for the author, or None where nothing fits.
    """
    if position == 0 and text.startswith("=") and not text.startswith("=="):
        return "leave out the '=' in front: it marks FEEL for the Modeler and is not part of the expression"
    before = text[:position].rstrip()
    word, word_before = _word(text, position), _word_before(before)
    return (
        _keyword_in_capitals(word, word_before)
        or _by_pattern(text, position, before)
        or _arrow(text, position, before)
        or _unclosed_text(text, position)
        or _braces(text, position)
        or _symbol(text, position)
        or _call(text, position, before, word)
        or _words(word, word_before, expected)
        or _number(text, position, before)
        or _missing_keyword(text, position, expected)
        or _by_what_stands_there(text, position, before, expected)
    )


def _keyword_in_capitals(word: str, word_before: str) -> str | None:
    for each in (word, word_before):
        lower = each.lower()
        if each != lower and lower in _KEYWORDS:
            if lower in {"if", "then", "else"}:
                return "keywords are lower case: if, then, else"
            return f"keywords are lower case: {lower}"
    return None


def _by_pattern(text: str, position: int, before: str) -> str | None:
    """What the text around says: a slip whose first character alone means something else."""
    after = text[position:]
    slips: tuple[tuple[object, str], ...] = (
        (after.startswith("=") and before.endswith("="), "FEEL compares with a single '=': a = b"),
        (after.startswith("/*"), "a comment that begins with /* ends with */"),
        (_RANGE_WITHOUT_BRACKETS.search(before) and after.startswith(".."), "a range has brackets: x in [1..3]"),
        (_BETWEEN.search(before) and after[:2] in {"or", "to"}, "write: a between 1 and 3"),
        (_FUNCTION_HEAD.search(before) and after[:1] in {"=", ":"}, _FUNCTION),
        (
            _IN_CONTEXT.search(before) and after.startswith("=>"),
            "a context's entry is written with a colon: {key: value}",
        ),
        (before.endswith(" is") and after.startswith("not"), "compare with '!=': a != null"),
        (_IS.match(after) and _IS_NOT.match(after), "compare with '!=': a != null"),
        (before.endswith("@") and after[:1].isdigit(), 'the date after @ is a text: @"2024-12-31"'),
        (_PERCENT.match(after) and before[-1:].isdigit(), "FEEL has no '%' of a number: write 0.1 for 10%"),
        (before[-1:].isdigit() and _DIGIT_GROUP.match(after), "a number has no separators: 1000"),
        (after.startswith("[") and before.endswith("."), "an item is taken without a dot: items[1]"),
        (not before and after[:3] in {"and", "or "}, "'and' and 'or' stand between two conditions: a and b"),
    )
    return next((advice for found, advice in slips if found), None)


def _arrow(text: str, position: int, before: str) -> str | None:
    """`x => x + 1` is a function; `a => 5` is either that or a comparison."""
    if text.startswith(",", position) and _PARAMETERS_AND_ARROW.match(text, position):
        return _FUNCTION
    start = position - 1 if text[position - 1 : position + 1] == "=>" and position else position
    if not text.startswith("=>", start):
        return None
    parameter = _word_before(text[:start].rstrip())
    is_parameter = not parameter or re.search(rf"\b{re.escape(parameter)}\b", text[start:]) or ")" in before[-3:]
    return _FUNCTION if is_parameter else f"'greater or equal' is written '>='; {_FUNCTION}"


def _unclosed_text(text: str, position: int) -> str | None:
    if text.startswith('"', position) and tokens.token(text, position).kind != STRING:
        return 'a text ends with the double quote that it starts with; write a quote in it as \\"'
    return None


def _braces(text: str, position: int) -> str | None:
    start = position - 1 if text.startswith("{", position) and text[position - 1 : position] == "{" else position
    if not text.startswith("{{", start):
        return None
    secret = _SECRET.match(text, start)
    if secret:
        return f'a secret is written inside quotes: "{{{{{secret[1]}}}}}"'
    return "FEEL has no '{{...}}': write the variable's name alone, as name"


def _symbol(text: str, position: int) -> str | None:
    back = position - 1 if position and text[position - 1] in _BEGINNINGS else position
    for start in (back, position):
        for slip, advice in _AT:
            if text.startswith(slip, start) and not (start < position and len(slip) == 1):
                return None if slip == "`" and tokens.token(text, start).kind == QUOTED else advice
    return None


def _words(word: str, word_before: str, expected: Sequence[str]) -> str | None:
    if "'else'" in expected and word == "elif":
        return _WORDS[word]
    if word == "do" and "'return'" not in expected:
        return None
    return _WORDS.get(word) or _WORDS.get(word_before)


def _number(text: str, position: int, before: str) -> str | None:
    if not before[-1:].isdigit():
        return None
    beside = len(before) == position
    if beside and re.match(r"\.\d", text[position:]):
        return 'a number has one decimal point; write a version or an address as a text: "1.5.2"'
    if beside and _SCIENTIFIC.match(text, position):
        return "a number is written with digits and a decimal point only, as 1000"
    if beside and re.match(r",\d", text[position:]) and not re.search(r"[(\[{]", before):
        return "a number is written with a decimal point: 1.5"
    if not beside and text[position : position + 1].isdigit() and not re.search(r"[(\[{]", before):
        return "a number has no spaces: 1000. Two values need an operator or a comma between them"
    return None


def _call(text: str, position: int, before: str, word: str) -> str | None:
    """`sum items` and `a contains b`: a function is called with parentheses."""
    if _IN_PARENTHESES.search(before) and word in {"return", "satisfies"}:
        return _LOOP
    name = _function_around(before, text, position)
    if name:
        return f"a function is called with parentheses: {name}(...)"
    function = _function_at_the_end(before)
    if function and text[position : position + 1] not in {"", ")", ",", "]", "}"}:
        return f"a function is called with parentheses: {function}({_argument(text, position)})"
    if word not in _WORDS and builtins.overloads(word):
        parameters = ", ".join(builtins.overloads(word)[0].parameters)
        return f"'{word}' is a function: {word}({parameters})"
    return None


def _function_at_the_end(before: str) -> str | None:
    """The name of a built-in function that the text ends with, of one word or several; the longest one."""
    words = re.findall(r"[A-Za-z]+", before.rpartition("\n")[2])
    for count in range(min(len(words), 5), 0, -1):
        name = " ".join(words[-count:])
        if before.endswith(name) and name not in _WORDS and builtins.overloads(name):
            return name
    return None


def _function_around(before: str, text: str, position: int) -> str | None:
    """The name of a built-in function of several words in whose midst the parser stopped, as in `is defined x`."""
    words = [_word_before(before), *re.findall(r"[A-Za-z]+", text[position : position + 60])[:4]]
    names = (" ".join(words[:count]) for count in range(len(words), 1, -1))
    return next((name for name in names if builtins.overloads(name)), None)


def _argument(text: str, position: int) -> str:
    token = tokens.token(text, position)
    return token.text if token.kind in {NAME, NUMBER, STRING, QUOTED} and len(token.text) <= 30 else "..."


def _missing_keyword(text: str, position: int, expected: Sequence[str]) -> str | None:
    if "'then'" in expected:
        return "'then' is missing. A condition is written: if a then b else c"
    if "'else'" in expected:
        return "an 'if' always has an 'else': if a then b else null"
    if "'satisfies'" in expected:
        return "write: some x in list satisfies condition"
    if "'return'" in expected and not text.startswith("[", position):
        return _LOOP
    return None


def _by_what_stands_there(text: str, position: int, before: str, expected: Sequence[str]) -> str | None:
    here = text[position : position + 1]
    wants_colon = "':'" in expected
    slips = (
        (
            wants_colon and _FUNCTION_BODY.search(before),
            "a function's body is one expression without braces: function(a) a + 1",
        ),
        (here == "[" and before.endswith(" in"), "a loop counts without brackets: for i in 1..3 return i"),
        (wants_colon and here == "=", "a context's entry is written with a colon: {key: value}"),
        (here == ":" and "?" in before, _CONDITION),
        (here == ":", "a context is written in braces: {key: value}"),
        (
            here == "=" and before[-1:] != "=",
            "FEEL has no assignments, and compares two values at a time: a = b and b = c",
        ),
        (here in {">", "<"}, "FEEL compares two values at a time: a < b and b < c"),
        (text.startswith("..", position), "a path is written with single dots: a.b"),
        (here == "," and _IN.search(before), "several values to compare with stand in parentheses: a in (b, c)"),
        (here and _QUANTIFIER_WITHOUT_IN.search(before), "write: some x in list satisfies condition"),
        (before.endswith(","), "leave out the comma after the last one"),
        (here and before[-1:] in {"+", "-", "*", "/"}, "an operator stands between two values: a + b"),
        (not here and _word_before(before) == "else", "an 'else' needs a value: if a then b else null"),
        (not here and expected == ["')'"], "a parenthesis is not closed: add ')'"),
        (here.isalpha() or (here and here in "\"'_([{0123456789"), _OPERATOR),
    )
    return next((advice for found, advice in slips if found), None)


def _word(text: str, position: int) -> str:
    end = position
    while end < len(text) and (text[end].isalnum() or text[end] == "_"):
        end += 1
    return text[position:end]


def _word_before(text: str) -> str:
    start = len(text)
    while start and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
    return text[start:]
