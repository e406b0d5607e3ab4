"""List slips that show only by the text on both sides of the place where a parser stopped; `slips` looks here first."""

from __future__ import annotations

import re

from zeebe_connectors.feel import other_syntax as other

NO_TEMPLATE = "FEEL is not a template language: write the variable's name alone, as name, and join texts with '+'"
NO_BRACES = "what follows 'then' and 'else' is a value without braces: if a then b else c"
FILTERED_LOOP = "a loop takes what a filter leaves: for x in items[item > 1] return x"
SPREAD = "lists are joined with concatenate(a, b), contexts with context merge(a, b)"
IN_BRACES = 'an entry is taken with a dot: a.b. One is changed with context put(a, "b", value)'
SORTED = "a list is sorted with sort(list, function(a, b) a.price < b.price)"
NO_NEGATED = "write not(a > b), or the comparison that is meant: a <= b"
NO_QUOTES = "an entry is taken by its name without quotes, one with blanks in it in backticks: a.`my key`"
COMPREHENSION = "a list is made by a loop: for x in items return x.price"
GROUPED = "items are grouped with: for k in distinct values(items.key) return items[key = k]"
COMPUTED_KEY = "an entry whose name is a value is written context put({}, name, value)"
ITEM = "an item is taken in brackets and counted from 1: items[1]"

# What ends before the place, what stands at it -> the advice. The first that fits counts.
PATTERNS: tuple[tuple[re.Pattern[str], re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"(?:{before})$", re.IGNORECASE | re.DOTALL), re.compile(after, re.IGNORECASE), advice)
    for before, after, advice in (
        # Templates
        (r"\{|<|^", r"%", NO_TEMPLATE),
        (r"@", r"\{", NO_TEMPLATE),
        (r"^\{\s*\w+\s*", r"\}\s*$", NO_TEMPLATE),
        (r"^", r":\w|#\w", NO_TEMPLATE),
        # Texts of other languages
        (r"(?:^|[^\w])[fru]", r'"', other.JOINED),
        (r'"\s*', r"%\s*[\w(\"]", other.JOINED),
        (r"[\w\])]\.", r"[\"']", NO_QUOTES),
        (r'^[^\[({]*"\s+', r'"', other.JOINED),
        (r"[(,=]\s*", r"/(?![/*])", other.TEXT),
        (r"\b(?:date|interval|timestamp)\s+", r"'", 'a date is written @"2024-12-31", a duration @"P1D"'),
        # Casts, numbers and comments
        (r"\((?:int|integer|long|float|double|string|boolean|number)\)\s*", r"[\w(\"]", other.NO_CAST),
        (r"\b(?:try_)?cast\s*\(\s*[^\s()]+\s+", r"as\b", other.NO_CAST),
        (r"\d", r"[lf]\b", other.DIGITS),
        (r"\w\s+", r"as\s+(?:int|integer|number|string|text|date|boolean|decimal|double)\b", other.NO_CAST),
        (r"\b(?:true|false|null)", r"\(", "true, false and null are values, no functions: leave out the parentheses"),
        (r"\bextract\s*\(\s*\w+\s+", r"from\b", "a part of a date is its entry: date.year"),
        (r"/", r"\*", "a comment that begins with /* ends with */"),
        # Conditions
        (r"\b(?:if|iif|wenn)\s*\([^()]*", r";", other.CONDITION),
        (r"\b(?:switch|match)\s*\(.*\)\s*", r"\{", other.CONDITION),
        (r"\b(?:then|else)\s*\{[^{}:]*", r".", NO_BRACES),
        (r".", r"exists\s*(?:$|[)\],]|(?:and|or|then)\b)", other.NOT_NULL),
        (r".", r"then\b", other.CONDITION),
        (r"<=|=<", r">", "two values are compared with <, <=, =, !=, >= or >"),
        (r".", r"![<>]", NO_NEGATED),
        (r"\w", r"!(?:\.|!?\s*$)", "FEEL needs no '!' behind a name: a.b is null where a is null"),
        (r"\.(?:nil|null|blank|empty|present)", r"\?", "write a = null, for a list is empty(a)"),
        # Loops
        (r"\bfor\s+\w+\s+in\s+[^\s]+\s+", r"(?:if|when|where)\b", FILTERED_LOOP),
        (r"\bin\s+-?[\w.]+\s+", r"to\s+-?[\w.]+\s*(?!\s*return\b)(?:$|[)\],]|(?:and|or|then)\b)", other.RANGE),
        (r".", r"order\s+by\b", SORTED),
        (r"^\s*(?:order|sort)\s+", r"by\b", SORTED),
        (r"^\s*group\s+", r"by\b", GROUPED),
        (r"\[\s*\w[\w.]*\s+(?:for\s+\w+\s+)?in\s+[\w.]+\s*", r"\|", COMPREHENSION),
        (r"^\s*select\s+", r"\w+", other.FILTER),
        (r"\bbetween\s+[^\s,]+\s*", r",", other.BETWEEN),
        (r"^\s*between\s+", r".", other.BETWEEN),
        (r"\bin\s*\{[^{}:]*", r"[,}]", other.SEVERAL),
        (r"\blambda\s*\([^()]*\)\s*", r".", other.FUNCTION),
        (r"\{[^{}]*\w\"?\s*:\s*", r"\}", "a value is missing after the ':'"),
        # Lists and contexts
        (r"[\[{,]\s*\.?\.?", r"\.+(?![\d.])", SPREAD),
        (r"\w\s*\[\s*-?\w+\s*", r",|\.\.", other.SUBLIST),
        (r"[^\W\d]|[\])]", r"\.\d", ITEM),
        (r"\.\s*", r"\?\[", other.FILTER),
        (r"\.\s*", r"\*", other.ALL_ITEMS),
        (r"\{\s*(?:[^{}]*,\s*)?", r"\[", COMPUTED_KEY),
        (r"\.\s*", r"!\[", other.ALL_ITEMS),
        (r"\.\s*", r"$|[)\]},]", "a name is missing after the '.'"),
        (r"^\s*\{\s*(?:if|for|some|every)\s+", r".", "leave out the outer braces: { } make a context, {key: value}"),
        (r"\b(?:bpmnError|jobError|ignoreError)\s*", r"\{", 'a function is called with parentheses: bpmnError("code")'),
        (r"[^\W\d]\w*", r"\{", IN_BRACES),
        # Calls
        (r"\w\(\s*", r"\*\s*\)", "what is counted stands in the parentheses: count(list)"),
        (r"\(.*,\s*\w+\s*", r":", "a call names all its arguments or none: f(a: 1, b: 2)"),
        (r".", r"~>", "a function is called with parentheses: upper case(name)"),
        (r".", r"~=", "FEEL compares with '!=': a != b"),
    )
)
