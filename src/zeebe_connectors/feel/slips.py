"""Where a text stopped being FEEL goes in; the FEEL way to write what was probably meant comes out."""

from __future__ import annotations

import re
from collections.abc import Sequence

# What stands at the place (or ends just before it) -> the advice. Longer ones first.
_AT: tuple[tuple[str, str], ...] = (
    ("===", "FEEL compares with a single '=': a = b"),
    ("==", "FEEL compares with a single '=': a = b"),
    ("!==", "FEEL compares with '!=': a != b"),
    ("<>", "FEEL writes 'not equal' as '!=': a != b"),
    ("=>", "'greater or equal' is written '>='"),
    ("=<", "'less or equal' is written '<='"),
    ("&&", "FEEL writes 'and': a and b"),
    ("&", "FEEL writes 'and': a and b. Texts are joined with '+'"),
    ("||", "FEEL writes 'or': a or b. Texts are joined with '+'"),
    ("|", "FEEL writes 'or': a or b"),
    ("'", 'FEEL writes texts in double quotes: "text"'),
    ("\u201c", 'FEEL wants straight double quotes: "text"'),
    ("\u201d", 'FEEL wants straight double quotes: "text"'),
    ("\u2018", 'FEEL wants straight double quotes: "text"'),
    ("\u2019", 'FEEL wants straight double quotes: "text"'),
    ('"', 'a text ends with the double quote that it starts with; write a quote in it as \\"'),
    (";", "FEEL has no ';': an expression is one value; leave it out"),
    ("!", "FEEL negates with a function: not(a)"),
    ("%", "FEEL has no '%': write modulo(a, b)"),
    ("^", "a power is written '**': a ** 2"),
    ("${", "FEEL has no '${...}': join texts with '+', as \"Dear \" + name"),
    ("$", "FEEL has no '$...': write the variable's name"),
    ("#", "comments are written // to the end of the line, or /* ... */"),
    ("\\", 'a backslash has a meaning only inside a text: "a\\nb"'),
    ("++", "FEEL has no '++': write a + 1"),
    ("?", "a condition is written: if a then b else c"),
)
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
    "like": "write matches(text, pattern) or contains(text, part)",
    "var": "FEEL has no assignments; a context {a: 1, b: a + 1}.b names parts",
    "let": "FEEL has no assignments; a context {a: 1, b: a + 1}.b names parts",
    "const": "FEEL has no assignments; a context {a: 1, b: a + 1}.b names parts",
}


_FUNCTION_BODY = re.compile(r"function\s*\([^()]*\)\s*\{[^{}:]*$")


def hint(text: str, position: int, expected: Sequence[str]) -> str | None:
    """Advice for a text that stopped being FEEL at a position, or None."""
    if position == 0 and text.startswith("=") and not text.startswith("=="):
        return "leave out the '=' in front: it tells the Modeler that FEEL follows, it is no part of the expression"
    back = (
        position - 1 if text[position - 1 : position] in ("=", "!", "<", "&", "|", "+", "$") and position else position
    )
    for start in (back, position):
        for slip, advice in _AT:
            if text.startswith(slip, start) and not (start < position and len(slip) == 1):
                return advice
    word = _word(text, position)
    if word in _WORDS:
        return _WORDS[word]
    before = text[:position].rstrip()
    if _word_before(before) == "not":
        return _WORDS["not"]
    return _by_expectation(text, position, before, expected)


def _by_expectation(text: str, position: int, before: str, expected: Sequence[str]) -> str | None:  # noqa: C901 - one line a slip
    if "'else'" in expected:
        return "an 'if' always has an 'else': if a then b else null"
    if "'then'" in expected:
        return "a condition is written: if a then b else c"
    if "':'" in expected and _FUNCTION_BODY.search(before):
        return "a function's body is one expression without braces: function(a) a + 1"
    if text.startswith("[", position) and before.endswith(" in"):
        return "a loop counts without brackets: for i in 1..3 return i"
    if "':'" in expected and text.startswith("=", position):
        return "a context's entry is written with a colon: {key: value}"
    if "?" in before and text.startswith(":", position):
        return "a condition is written: if a then b else c"
    if text.startswith("=", position) and "=" not in before[-1:]:
        return "FEEL has no assignments, and compares two values at a time: a = b and b = c"
    if text.startswith((">", "<"), position):
        return "FEEL compares two values at a time: a < b and b < c"
    if before.endswith(","):
        return "leave out the comma after the last one"
    if position < len(text) and (text[position].isalpha() or text[position] in "\"'_([{0123456789"):
        return (
            "two values need an operator or a comma between them; a name with spaces is written in backticks: `my name`"
        )
    return None


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
