"""Advise authors whose text is not FEEL on how to write what they probably meant."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from zeebe_connectors.feel import builtins, tokens
from zeebe_connectors.feel import other_syntax as other
from zeebe_connectors.feel.methods import method
from zeebe_connectors.feel.slip_patterns import PATTERNS
from zeebe_connectors.feel.tokens import END, NAME, NUMBER, QUOTED, STRING

_FAR = 500
"""Characters before the place of an error in which a slip begins."""
_METHOD = re.compile(r"([\w\"\])}])\s*\.\s*([^\W\d]\w*)\s*$")
_KEYWORDS = frozenset(("if", "then", "else", "for", "in", "return", "some", "every", "satisfies", "and", "or")) | {
    *("between", "function", "instance", "of", "null", "true", "false"),
}
_FUNCTION_BODY = re.compile(r"function\s*\([^()]*\)\s*\{[^{}:]*$")
_PARAMETERS_AND_ARROW = re.compile(r"[\w\s,]*\)\s*[-=]>")
_AMOUNT = re.compile(r"(?:EUR|USD|GBP|CHF|km|kg|cm|mm|GB|MB|KB|kB|[kK]|pcs|percent|Prozent)\b")
_SEVERAL_UNITS = re.compile(r"(?:[dhms]\d*+)++\b", re.IGNORECASE)
_SCIENTIFIC = re.compile(r"(?:[eE]\d*|x[0-9A-Fa-f]+)\b")
_IN = re.compile(r"\bin\b")
_QUANTIFIER_WITHOUT_IN = re.compile(r"\b(?:some|every)(?: \w+)?$")
_IN_PARENTHESES = re.compile(r"\b(?:for|some|every)\s*\(")
_RANGE_WITHOUT_BRACKETS = re.compile(r"\bin\s+-?[\w.]+$")
_IN_BRACKETS = re.compile(r"\bin\s*[\[(\]][^\[\](),]*$")
_SLICE = re.compile(r"\w\s*\[\s*-?\w*$")
_LOOP_HEAD = re.compile(r"\b(?:for|foreach|while)$|\bfor\s*(?:each|every|\w+\s+of)$|\bfor\s*\([^()]*\)$")
_LOOP_LIST = re.compile(r"\b(for|some|every)\s+\w+\s+in\s+[^\s]+$")
_HOUR = re.compile(r":\d\d")
_DAY = re.compile(r"\d{4}-\d\d?-\d\d?$")
_HOUR_AFTER_DAY = re.compile(r"T?\d\d?:|T\d")
_UNIT = re.compile(r"(?:[dhms]|(?:day|hour|minute|min|second|sec|week|month|year)s?)\b")
_OPENERS = {")": "(", "]": "[", "}": "{"}
_BRACKETS = {")": "a parenthesis", "]": "a bracket", "}": "a brace"}
_BETWEEN = re.compile(r"\bbetween\s+[^\s]+$")
_FUNCTION_HEAD = re.compile(r"\bfunction\s*\([^()]*\)$")
_IN_CONTEXT = re.compile(r"[{,]\s*(?:\"[^\"]*\"|\w+)$")
_HOST_CALL = re.compile(r"\b(?:bpmnError|jobError|ignoreError)$")
_IS = re.compile(r"is\s+(?P<what>\w*)\s*(?P<next>\w*)", re.IGNORECASE)
_NOTHING = frozenset(("null", "nil", "none", "nothing", "undefined", "defined", "set", "missing"))
_TYPES = frozenset(("a", "an", "number", "string", "boolean", "list", "context", "date", "time"))
_PERCENT = re.compile(r"%\s*(?:$|[)\],}*])")
_DIGIT_GROUP = re.compile(r"[_']\d{3}\b")
_DOUBLE_CONTEXT = re.compile(r"\{\{\s*[\w\"]+\s*:")
_SECRET = re.compile(r"\{\{\s*(secrets\.[\w-]+)")


def hint(text: str, position: int, expected: Sequence[str]) -> str | None:
    """Returns advice on how to write the part at which a text stopped being FEEL.

    Args:
        text: the whole text.
        position: where the parser stopped.
        expected: what would be valid there, as in the error's message.

    Returns:
        One sentence for the author, or None if nothing fits.
    """
    if position == 0 and text.startswith("="):
        return "leave out the '=' in front: it marks FEEL for the Modeler and is not part of the expression"
    before = text[:position].rstrip()
    word, word_before = _word(text, position), _word_before(before)
    return (
        _keyword_in_capitals(word, word_before)
        or _not_closed(word, expected)
        or _method(text, position)
        or _on_both_sides(text, position)
        or _is(text, position)
        or _loop(text, position, before, word)
        or _by_pattern(text, position, before)
        or _temporal(text, position, before)
        or _arrow(text, position, before)
        or _unclosed_text(text, position)
        or _braces(text, position)
        or _symbol(text, position)
        or _call(text, position, before, word)
        or _words(word, word_before, expected)
        or _number(text, position, before)
        or _missing_keyword(text, position, expected)
        or _unfinished(text, position, before, expected)
        or _by_what_stands_there(text, position, before, expected)
        or _character(text, position)
    )


def _near(pattern: re.Pattern[str] | str, before: str) -> re.Match[str] | None:
    """Finds a pattern near the end of a text: some patterns try each beginning, of which there are few there."""
    return re.compile(pattern).search(before, max(0, len(before) - _FAR))


def _keyword_in_capitals(word: str, word_before: str) -> str | None:
    for each in (word, word_before):
        lower = each.lower()
        if each != lower and lower in _KEYWORDS:
            if lower in {"if", "then", "else"}:
                return "keywords are lower case: if, then, else"
            return f"keywords are lower case: {lower}"
        if each != lower and lower == "not":
            return other.NOT
    return None


def _not_closed(word: str, expected: Sequence[str]) -> str | None:
    """Recognises `if a then {b: 1 else c`: what follows shows that a bracket was meant to end before."""
    if word not in {"then", "else", "return", "satisfies"} or f"'{word}'" in expected:
        return None
    missing = [closer for closer in _OPENERS if f"'{closer}'" in expected]
    return f"{_BRACKETS[missing[0]]} is not closed: add '{missing[0]}'" if len(missing) == 1 else None


def _method(text: str, position: int) -> str | None:
    """Recognises `"a".toUpperCase()` and `name.trim().toUpperCase()`: a method of what is no variable."""
    here = text[position : position + 1]
    called = _near(_METHOD, text[:position]) if here in {"{", "("} else None
    if called is None or (here == "(" and called[1].isalnum()):
        return None
    return method(called[2], "value") or other.NO_METHODS


def _on_both_sides(text: str, position: int) -> str | None:
    before = text[:position]
    return next(
        (advice for ends, begins, advice in PATTERNS if begins.match(text, position) and _near(ends, before)), None
    )


def _by_pattern(text: str, position: int, before: str) -> str | None:
    """Recognises a slip by the text around it, because its first character alone means something else."""
    after = text[position:]
    slips: tuple[tuple[object, str], ...] = (
        (after.startswith("=") and before.endswith("="), "FEEL compares with a single '=': a = b"),
        (after.startswith("/*"), "a comment that begins with /* ends with */"),
        (_near(_RANGE_WITHOUT_BRACKETS, before) and after.startswith(".."), "a range has brackets: x in [1..3]"),
        (before[-1:].isdigit() and after.startswith("..") and "[" not in before, "a range has brackets: [1..3]"),
        (_near(_IN_BRACKETS, before) and re.match(r"to\b", after), other.RANGE),
        (before.endswith("between") and after[:1] in {"[", "("}, "write: a between 1 and 3, or a in [1..3]"),
        (before.endswith("instance") and after[:2] != "of", "write: a instance of string"),
        (_near(r"\[\s*[?@]?$", before) and after[:1] in {"?", "@"}, other.FILTER),
        (_near(r"\[\s*[?@]\s*\(?@?\.?$", before), other.FILTER),
        (_near(r"\[\s*\*?$", before) and re.match(r"\*?\s*\]", after), other.ALL_ITEMS),
        (
            _near(_SLICE, before) and after.startswith(":"),
            other.SUBLIST,
        ),
        (before.endswith("@") and after[:1].isalpha(), "leave out the '@': it stands before dates and durations only"),
        (before.endswith('"') and after.startswith('"') and len(before) == position, 'write a quote in a text as \\"'),
        (before.endswith(".") and after.startswith('"'), "texts are joined with '+': a + b"),
        (re.match(r"\\\w+\s*->", after), other.FUNCTION),
        (_near(r"\bfunction$|\b(?:def|func|fn|fun)\b[^()]*(?:\([^()]*\))?$", before), other.FUNCTION),
        (not before.rstrip("-<") and after[:2] in {"- ", "!-"}, other.COMMENT),
        (_near(r"\w$", before) and re.match(r"://|:\\|@\w", after), other.TEXT),
        (not before and after[:1] == "/", other.TEXT),
        (re.match(r"!\s*in\b", after), "'not in' is written not(a in b)"),
        (_near(r"\b\d\d?\.\d\d?$", before) and re.match(r"\.\d{2,4}\b", after), 'a date is written @"2024-12-31"'),
        (before[-1:].isdigit() and _AMOUNT.match(after), other.NO_UNIT),
        (_near(r"[$\u20ac\u00a3]\d+$", before) or re.match(r"[$\u20ac\u00a3]", after), other.NO_UNIT),
        (
            re.search(r"\w->$|\w-$", text[: position + 1]) and re.match(r"-?>\w", after),
            "a path is written with dots: a.b",
        ),
        (_near(r"\w$", before) and after.startswith("::"), "a path is written with dots: a.b"),
        (_near(_BETWEEN, before) and after[:2] in {"or", "to"}, other.BETWEEN),
        (_near(_FUNCTION_HEAD, before) and after[:1] in {"=", ":"}, other.FUNCTION),
        (
            _near(_IN_CONTEXT, before) and after.startswith("=>"),
            other.ENTRY,
        ),
        (_word_before(before).lower() == "is" and after[:3].lower() == "not", other.NOT_NULL),
        (before.lower().endswith("is") and re.match(r"null\b", after, re.IGNORECASE), "compare with '=': a = null"),
        (before.endswith("@") and after[:1].isdigit(), 'the date after @ is a text: @"2024-12-31"'),
        (_PERCENT.match(after) and before[-1:].isdigit(), "FEEL has no '%' of a number: write 0.1 for 10%"),
        (before[-1:].isdigit() and _DIGIT_GROUP.match(after), "a number has no separators: 1000"),
        (after.startswith("[") and before.endswith("."), "an item is taken without a dot: items[1]"),
        (re.match(r"(?:and|or)\b", after), "'and' and 'or' stand between two conditions: a and b"),
        (not before and re.match(r"in\b", after), "'in' stands between a value and a list: a in list"),
    )
    return next((advice for found, advice in slips if found), None)


def _arrow(text: str, position: int, before: str) -> str | None:
    """Recognises `x => x + 1`, a function, and `a => 5`, which is either that or a comparison."""
    if text.startswith(",", position) and _PARAMETERS_AND_ARROW.match(text, position):
        return other.FUNCTION
    start = position - 1 if text[position - 1 : position + 1] == "=>" and position else position
    if not text.startswith("=>", start):
        return None
    parameter = _word_before(text[:start].rstrip())
    is_parameter = not parameter or re.search(rf"\b{re.escape(parameter)}\b", text[start:]) or ")" in before[-3:]
    return other.FUNCTION if is_parameter else f"'greater or equal' is written '>='; {other.FUNCTION}"


def _unclosed_text(text: str, position: int) -> str | None:
    if text.startswith('"', position) and tokens.token(text, position).kind != STRING:
        return 'a text ends with the double quote that it starts with; write a quote in it as \\"'
    return None


def _braces(text: str, position: int) -> str | None:
    start = position - 1 if text.startswith("{", position) and text[position - 1 : position] == "{" else position
    if not text.startswith("{{", start):
        return None
    if _DOUBLE_CONTEXT.match(text, start):
        return "a context has one pair of braces: {key: value}"
    secret = _SECRET.match(text, start)
    if secret:
        return f'a secret is written inside quotes: "{{{{{secret[1]}}}}}"'
    return "FEEL has no '{{...}}': write the variable's name alone, as name"


def _symbol(text: str, position: int) -> str | None:
    if text.startswith(";", position) and _is_inside(text[:position]):
        return other.COMMAS
    back = position - 1 if position and text[position - 1] in other.BEGINNINGS else position
    for start in (back, position):
        for slip, advice in other.AT:
            if text.startswith(slip, start) and not (start < position and len(slip) == 1):
                return None if slip == "`" and tokens.token(text, start).kind == QUOTED else advice
    return None


def _is(text: str, position: int) -> str | None:
    """Recognises `a is null`, `a is empty`, `a is greater than b`, `a is a number`: FEEL writes each differently."""
    found = _IS.match(text, position)
    if not found:
        return None
    what, following = found["what"].lower(), found["next"].lower()
    if what == "not":
        return other.NOT_NULL if following in _NOTHING else "compare with '!=': a != b"
    if builtins.overloads(f"is {what}"):
        return f"'is {what}' is a function: is {what}(a)"
    if what in {"greater", "less"}:
        return other.WORDS[what]
    if what in _TYPES or what in other.OTHER_TYPES:
        kind = following if what in {"a", "an"} else what
        return f"write: a instance of {other.OTHER_TYPES.get(kind, kind) or 'string'}"
    return "compare with '=': a = null" if what in _NOTHING else "compare with '=': a = b"


def _loop(text: str, position: int, before: str, word: str) -> str | None:
    """Loops and quantifiers of other languages: `for (i in items) i`, `[i for i in items]`, `some x in items: x`."""
    if word == "for" and before and before[-1] not in "([{,+-*/=":
        return other.LOOP
    if _near(_LOOP_HEAD, before):
        return other.LOOP
    quantified = _near(_LOOP_LIST, before)
    if quantified and text[position : position + 1] in {":", "{"}:
        return {"for": other.LOOP, "some": other.QUANTIFIER, "every": other.EVERY}[quantified[1]]
    word_before = _word_before(before)
    if word_before in {"any", "all"} and re.match(r"\w+\s+in\b", text[position:]):
        return other.QUANTIFIER if word_before == "any" else other.EVERY
    return None


def _temporal(text: str, position: int, before: str) -> str | None:
    """Recognises `10:30`, `2024-12-31T10:30:00`, `5 days`: dates, times and durations without quotes."""
    if not before[-1:].isdigit():
        return None
    after = text[position:]
    if _near(_DAY, before) and _HOUR_AFTER_DAY.match(after):
        return 'a date with a time is written @"2024-12-31T17:00:00"'
    if _HOUR.match(after) and not before.rstrip("0123456789").rstrip().endswith(("{", ",", "?")):
        return 'a time is written @"17:00:00"'
    if _UNIT.match(after) or (len(before) == position and _SEVERAL_UNITS.match(after)):
        return 'a duration is written @"P5D" for days, @"PT5H" for hours, @"PT5M" for minutes'
    return None


def _is_inside(before: str) -> bool:
    return any(before.count(opener) > before.count(closer) for closer, opener in _OPENERS.items())


def _words(word: str, word_before: str, expected: Sequence[str]) -> str | None:
    if word in {"then", "else"} and "a value" in " ".join(expected):
        return other.CONDITION
    if "'else'" in expected and word == "elif":
        return other.WORDS[word]
    if word == "do" and "'return'" not in expected:
        return None
    if word in {"to", "end"} and "an operator" not in " ".join(expected) and "'return'" not in expected:
        return None
    if list(expected) == ["'then'"]:
        return other.NO_THEN
    for each in (word, word_before):
        known = other.WORDS.get(each) or (other.WORDS.get(each.lower()) if each.isupper() else None)
        if known:
            return known
    return other.CONDITION if word == "if" and "an operator" in " ".join(expected) else None


def _number(text: str, position: int, before: str) -> str | None:
    if not before[-1:].isdigit():
        return None
    beside = len(before) == position
    if beside and re.match(r"\.\d", text[position:]):
        return 'a number has one decimal point; write a version or an address as a text: "1.5.2"'
    if beside and _SCIENTIFIC.match(text, position):
        return other.DIGITS
    if beside and re.match(r"(?:,\d{3})+\.\d", text[position:]):
        return "a number has no separators: 1000.5"
    if beside and re.match(r"[^\W\d]\w*", text[position:]) and not re.search(r"[.\d]\d*\.\d+$", before):
        return f"a name that begins with a digit is written in backticks: `{_whole_name(text, position)}`"
    if beside and re.match(r",\d", text[position:]) and not re.search(r"[(\[{]", before):
        return "a number is written with a decimal point: 1.5"
    if not beside and text[position : position + 1].isdigit() and not re.search(r"[(\[{]", before):
        return "a number has no spaces: 1000. Two values need an operator or a comma between them"
    return None


def _whole_name(text: str, position: int) -> str:
    """Returns the name around the place where its letters begin."""
    start = position
    while start and text[start - 1].isdigit():
        start -= 1
    return text[start:position] + _word(text, position)


def _call(text: str, position: int, before: str, word: str) -> str | None:
    """Recognises `sum items` and `a contains b`: a function is called with parentheses."""
    if _IN_PARENTHESES.search(before) and word in {"return", "satisfies"}:
        return other.LOOP
    name = _function_around(before, text, position)
    if name:
        return f"a function is called with parentheses: {name}(...)"
    function = _function_at_the_end(before)
    if function and text[position : position + 1] not in {"", ")", ",", "]", "}"}:
        return f"a function is called with parentheses: {function}({_argument(text, position)})"
    if word_before_text := _near(_HOST_CALL, before):
        return f"a function is called with parentheses: {word_before_text[0]}({_argument(text, position)})"
    if longer := _function_here(text, position):
        return f"'{longer}' is a function: {longer}({', '.join(builtins.overloads(longer)[0].parameters)})"
    if word not in other.WORDS and builtins.overloads(word):
        parameters = ", ".join(builtins.overloads(word)[0].parameters)
        return f"'{word}' is a function: {word}({parameters})"
    return None


def _function_at_the_end(before: str) -> str | None:
    """Returns the longest name of a built-in function, of one or more words, at the end of the text."""
    words = re.findall(r"[A-Za-z]+", before.rpartition("\n")[2])
    for count in range(min(len(words), 5), 0, -1):
        name = " ".join(words[-count:])
        if before.endswith(name) and name not in other.WORDS and name not in _KEYWORDS and builtins.overloads(name):
            return name
    return None


def _function_here(text: str, position: int) -> str | None:
    """Returns the name of a built-in function of several words at the position, also in the form `startsWith`."""
    words = re.findall(r"[A-Za-z]+", text[position : position + 60].partition("(")[0])
    names = [" ".join(words[:count]) for count in range(min(len(words), 5), 1, -1)]
    if words:
        names += [each.name for each in builtins.all_builtins() if each.name.replace(" ", "") == words[0].lower()]
    return next((name for name in names if " " in name and builtins.overloads(name)), None)


def _function_around(before: str, text: str, position: int) -> str | None:
    """Returns the built-in function of several words within whose name the parser stopped, as in `is defined x`."""
    words = [_word_before(before), *re.findall(r"[A-Za-z]+", text[position : position + 60])[:4]]
    names = (" ".join(words[:count]) for count in range(len(words), 1, -1))
    return next((name for name in names if builtins.overloads(name)), None)


def _argument(text: str, position: int) -> str:
    token = tokens.token(text, position)
    if token.text in {"of", "for"}:
        token = tokens.token(text, token.end)
    return token.text if token.kind in {NAME, NUMBER, STRING, QUOTED} and len(token.text) <= 30 else "..."


def _missing_keyword(text: str, position: int, expected: Sequence[str]) -> str | None:
    if "'then'" in expected:
        return other.NO_THEN
    if "'else'" in expected:
        return "an 'if' always has an 'else': if a then b else null"
    if "'satisfies'" in expected:
        return other.QUANTIFIER
    if "'in'" in expected and (quantified := re.search(r"\b(some|every)\b", text[:position])):
        return other.QUANTIFIER if quantified[1] == "some" else other.EVERY
    if "'return'" in expected and not text.startswith("[", position):
        return other.LOOP
    return None


def _unfinished(text: str, position: int, before: str, expected: Sequence[str]) -> str | None:
    """Recognises a text that ends too early, or a bracket that closes nothing."""
    here = text[position : position + 1]
    missing = next((closer for closer in _OPENERS if f"'{closer}'" in expected), None)
    if missing and (not here or here in _OPENERS):
        return f"{_BRACKETS[missing]} is not closed: add '{missing}'"
    if here in _OPENERS and before.count(here) >= before.count(_OPENERS[here]):
        return f"there is one '{here}' too many: leave it out"
    if here or "a value" not in " ".join(expected) + " a name" * before.endswith("."):
        return None
    if tokens.token(text, 0).kind == END:
        return "the expression is empty; null stands for nothing"
    last = _word_before(before) or before[-1]
    if last == "else":
        return None
    return f"a value is missing after '{last}'" if last not in _OPENERS.values() else None


def _character(text: str, position: int) -> str | None:
    """Recognises a character that looks like one of FEEL's, or is invisible."""
    here = text[position : position + 1]
    plain = unicodedata.normalize("NFKC", here) if here else ""
    if len(plain) == 1 and plain != here and plain.isascii():
        return f"this is not the '{plain}' of FEEL but a wider character (U+{ord(here):04X}); write '{plain}'"
    if here and unicodedata.category(here) in {"Cf", "Cc", "Co", "Cn", "Cs"}:
        return f"an invisible character (U+{ord(here):04X}) stands here; delete it"
    return None


def _by_what_stands_there(text: str, position: int, before: str, expected: Sequence[str]) -> str | None:
    here = text[position : position + 1]
    wants_colon = "':'" in expected
    slips = (
        (
            wants_colon and _near(_FUNCTION_BODY, before),
            other.BODY,
        ),
        (here == "[" and before.endswith(" in"), "a loop counts without brackets: for i in 1..3 return i"),
        (wants_colon and here != ":", other.ENTRY),
        (here == ":" and "?" in before, other.CONDITION),
        (here == ":", "a context is written in braces: {key: value}"),
        (here == "{" and _near(r"\w$", before), other.JOINED),
        (
            here == "=" and before[-1:] != "=",
            other.CHAINED,
        ),
        (here in {">", "<"}, "FEEL compares two values at a time: a < b and b < c"),
        (text.startswith("..", position), "a path is written with single dots: a.b"),
        (here == "," and _IN.search(before), other.SEVERAL),
        (here == "," and "a value" in " ".join(expected), "a value is missing before the comma"),
        (here == ",", "several values are written as a list: [a, b]"),
        (here and _near(_QUANTIFIER_WITHOUT_IN, before), other.EVERY if "every" in before else other.QUANTIFIER),
        (before.endswith(","), "leave out the comma after the last one"),
        (here == "+" and not before, "a number has no '+' in front of it: leave it out"),
        (here and before[-1:] in {"+", "-", "*", "/"}, "an operator stands between two values: a + b"),
        (here == "." and not before, "a path begins with a name: a.b"),
        (_word_before(before) in {"and", "or"}, "'and' and 'or' stand between two conditions: a and b"),
        (not here and _word_before(before) == "else", "an 'else' needs a value: if a then b else null"),
        (here.isalpha() or (here and here in "\"'_([{0123456789"), other.OPERATOR),
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
