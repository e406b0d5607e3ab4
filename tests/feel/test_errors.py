"""A syntax error says where, what was found, what was expected, and how FEEL writes what was probably meant."""

import pytest

from zeebe_connectors import feel

# expression -> line, column, a part of the advice
SLIPS = [
    ("a == b", 1, 4, "single '='"),
    ("a === b", 1, 4, "single '='"),
    ("a <> b", 1, 4, "'!='"),
    ("a && b", 1, 3, "a and b"),
    ("a || b", 1, 3, "a or b"),
    ("name = 'Bob'", 1, 8, "double quotes"),
    ("name = \u201cBob\u201d", 1, 8, "straight double quotes"),
    ("a + 1;", 1, 6, "leave it out"),
    ("!active", 1, 1, "not(a)"),
    ("not active", 1, 5, "not(a)"),
    ("a % 2", 1, 3, "modulo"),
    ("a ^ 2", 1, 3, "**"),
    ('"Dear ${name}" + ${name}', 1, 19, "join texts"),
    ("if a then b", 1, 12, "always has an 'else'"),
    ("a ? b : c", 1, 3, "if a then b else c"),
    ("= a + 1", 1, 1, "in front"),
    ("{a = 1}", 1, 4, "colon"),
    ("[1, 2,]", 1, 7, "comma"),
    ("a is null", 1, 3, "a = null"),
    ("first name", 1, 7, "backticks"),
    ('"text', 1, 1, "ends with the double quote"),
    ("function(a) { a + 1 }", 1, 17, "braces"),
    ("1 < 2 < 3", 1, 7, "two values at a time"),
    ("for i in [1..3] return i", 1, 10, "for i in 1..3"),
    ("a\n  + b\n  + ;", 3, 5, "leave it out"),
    ("x = 1 \\ 2", 1, 7, "backslash"),
    ("x in 1..3", 1, 7, "x in [1..3]"),
    ("a between 1 or 3", 1, 13, "between 1 and 3"),
    ("and a", 1, 1, "between two conditions"),
    ("function(x) = x", 1, 13, "function(x) x + 1"),
    ('{"a" => 1}', 1, 6, "colon"),
    ("a = = b", 1, 5, "single '='"),
    ("@2024-12-31", 1, 2, '@"2024-12-31"'),
    ("a is not null", 1, 3, "a != null"),
    ("/* a", 1, 1, "ends with */"),
    ("a.[1]", 1, 3, "without a dot"),
    ("\u00aba\u00bb", 1, 1, "straight double quotes"),
    ("1_000", 1, 2, "no separators"),
    ("10%", 1, 3, "0.1 for 10%"),
    ("10 EUR", 1, 4, "without a unit"),
    ("1,000.50", 1, 2, "no separators"),
    ("2nd + 1", 1, 2, "backticks: `2nd`"),
    ("n between 1, 5", 1, 12, "a between 1 and 3"),
    ("between 1 and 5", 1, 9, "a between 1 and 3"),
    ("n in {1, 2}", 1, 8, "in parentheses"),
    ("lambda(x) x", 1, 11, "function(x) x + 1"),
    ("{a: 1, b: }", 1, 11, "missing after the ':'"),
    ("10k", 1, 3, "without a unit"),
    ("1h30m", 1, 2, '@"PT5H" for hours'),
    ("n as string", 1, 3, "string(value)"),
    ("true()", 1, 5, "are values"),
    ("if n = 1 2 else 3", 1, 10, "'then' is missing"),
    ('If error.code = "404" then bpmnError("x") else null', 1, 4, "keywords are lower case: if, then, else"),
    ("IF a THEN b ELSE c", 1, 4, "keywords are lower case: if, then, else"),
    ("if a Then b else c", 1, 6, "keywords are lower case: if, then, else"),
    ("if a then b Else c", 1, 13, "keywords are lower case: if, then, else"),
    ("a AND b", 1, 3, "keywords are lower case: and"),
    ("For i in a return i", 1, 5, "keywords are lower case: for"),
    ('if (a > 1) "x" else "y"', 1, 12, "'then' is missing"),
    ("if a = 1 b else c", 1, 10, "'then' is missing"),
    ('["a" "b"]', 1, 6, "a comma between them"),
    ("[1 2]", 1, 4, "a comma between them"),
    ('bpmnError(code: "a" message: "b")', 1, 21, "a comma between them"),
    ("i => i + 1", 1, 4, "function(x)"),
    ("x -> x + 1", 1, 4, "function(x)"),
    ("(a, b) -> a", 1, 3, "function(x)"),
    ("function(x) => x", 1, 13, "function(x)"),
    ("a => 5", 1, 4, "'>='"),
    ("#{name}", 1, 1, "the variable's name alone"),
    ("{{name}}", 1, 2, "the variable's name alone"),
    ('"x" + {{name}}', 1, 8, "the variable's name alone"),
    ("{{secrets.TOKEN}}", 1, 2, '"{{secrets.TOKEN}}"'),
    ("let x = 1", 1, 5, "no assignments"),
    ("a := 1", 1, 3, "no assignments"),
    ("return 1", 1, 1, "leave out 'return'"),
    ("sum items", 1, 5, "sum(items)"),
    ("is defined x", 1, 4, "is defined("),
    ("string length name", 1, 8, "string length("),
    ('a contains "x"', 1, 3, "contains(string, match)"),
    ('name: "x"', 1, 5, "in braces"),
    ("a \u2013 b", 1, 3, "'-'"),
    ("a \u2212 1", 1, 3, "'-'"),
    ("1.5.2", 1, 4, "one decimal point"),
    ("1,5", 1, 2, "decimal point: 1.5"),
    ("1 000", 1, 3, "no spaces"),
    ("a =! 1", 1, 4, "a != b"),
    ("a ?? b", 1, 3, "get or else(a, b)"),
    ("for i in 1 to 3 return i", 1, 12, "1..3"),
    ("a in b, c", 1, 7, "a in (b, c)"),
    ("some x in a where x > 1", 1, 13, "satisfies"),
    ("\"a'", 1, 1, "ends with the double quote"),
    ("if a then b else", 1, 17, "needs a value"),
    # Loops and quantifiers of other languages
    ("for (i in items) i", 1, 18, "for i in list return i"),
    ("for i of items return i", 1, 5, "for i in list return i"),
    ("for each i in items return i", 1, 5, "for i in list return i"),
    ("[i for i in items]", 1, 4, "for i in list return i"),
    ("for i in items { i }", 1, 16, "for i in list return i"),
    ("some x in items: x > 1", 1, 16, "satisfies"),
    ("every x in items, x > 1", 1, 21, "every x in list satisfies"),
    ("any x in items satisfies x > 1", 1, 5, "some x in list satisfies"),
    ("exists x in items satisfies x > 1", 1, 8, "some x in list satisfies"),
    # Words for operators
    ("NOT a", 1, 5, "not(a)"),
    ("a IS NULL", 1, 3, "a = null"),
    ("a is empty", 1, 3, "is empty(a)"),
    ("a is greater than 5", 1, 3, "a > b"),
    ("a is a text", 1, 3, "a instance of string"),
    ("a is an int", 1, 3, "a instance of number"),
    ("a is duration", 1, 3, "a instance of days and time duration"),
    ("a instance string", 1, 12, "a instance of string"),
    ("a gt b", 1, 3, "a > b"),
    ("a LIKE b", 1, 3, "matches(text, pattern)"),
    ("a xor b", 1, 3, "a != b"),
    ("a !in b", 1, 3, "not(a in b)"),
    ("x between [1..3]", 1, 11, "a in [1..3]"),
    ("x in [1 to 3]", 1, 9, "x in [1..3]"),
    ("1..3", 1, 2, "[1..3]"),
    ('name starts with "x"', 1, 6, "starts with(string, match)"),
    ('name endsWith "x"', 1, 6, "ends with(string, match)"),
    ("sum of items", 1, 5, "sum(items)"),
    ('bpmnError "X"', 1, 11, 'bpmnError("X")'),
    # Functions and conditions of other languages
    ("def f(x): x", 1, 9, "function(x) x + 1"),
    ("function add(x) x + 1", 1, 10, "function(x) x + 1"),
    ("\\x -> x", 1, 1, "function(x) x + 1"),
    ("b if a else c", 1, 3, "if a then b else c"),
    ("if a then else c", 1, 11, "if a then b else c"),
    # What lacks its end, or has two
    ("[1, 2", 1, 6, "add ']'"),
    ("{a: 1", 1, 6, "add '}'"),
    ('{a: f("x"}', 1, 10, "add ')'"),
    ("a)", 1, 2, "one ')' too many"),
    ("a +", 1, 4, "missing after '+'"),
    ("a and", 1, 6, "missing after 'and'"),
    ("// nothing", 1, 11, "empty"),
    ("[1; 2]", 1, 3, "separated by commas"),
    ("{a 1}", 1, 4, "with a colon"),
    ("(1, 2)", 1, 3, "[a, b]"),
    # Texts, dates and numbers without quotes or with others
    ("https://example.com", 1, 6, "double quotes"),
    ("me@example.com", 1, 3, "double quotes"),
    ("Dear {name}", 1, 6, "joined with '+'"),
    ('"say ""hi"""', 1, 7, '\\"'),
    ("\u00b4text\u00b4", 1, 1, "straight double quotes"),
    ("10:30", 1, 3, '@"17:00:00"'),
    ("2024-12-31T10:30:00", 1, 11, '@"2024-12-31T17:00:00"'),
    ("31.12.2024", 1, 6, '@"2024-12-31"'),
    ("5 days", 1, 3, '@"P5D"'),
    ("12.5\u20ac", 1, 5, "without a unit or a currency"),
    # Paths of other languages
    ("items[*].name", 1, 7, "items.price"),
    ("items[?(@.price > 1)]", 1, 8, "items[price > 10]"),
    ("items[1:3]", 1, 8, "sublist("),
    ("a->b", 1, 3, "dots"),
    ("@name", 1, 2, "leave out the '@'"),
    ("items.0", 1, 6, "items[1]"),
    ("items[1,2]", 1, 8, "sublist("),
    ("items.![price]", 1, 7, "items.price"),
    # Methods of values, templates, casts
    ('"a".toUpperCase()', 1, 16, "write upper case(value)"),
    ("name.trim().toUpperCase()", 1, 24, "write upper case(value)"),
    ("[1, 2].includes(1)", 1, 16, "list contains(value, item)"),
    ("today().plusDays(1)", 1, 17, 'value + duration("P1D")'),
    ("items.collect { it }", 1, 15, "for x in value return x"),
    ('" ".unheardOf(1)', 1, 14, "no functions of their own"),
    ('f"Dear {name}"', 1, 2, "joined with '+'"),
    ('"Dear %s" % name', 1, 11, "joined with '+'"),
    ('"a" "b"', 1, 5, "joined with '+'"),
    ("%name%", 1, 1, "not a template language"),
    ("<%= name %>", 1, 2, "not a template language"),
    ("{name}", 1, 6, "not a template language"),
    (":name", 1, 1, "not a template language"),
    ("matches(name, /a/)", 1, 15, "double quotes"),
    ("(int) n", 1, 7, "number(text)"),
    ("CAST(n AS string)", 1, 8, "number(text)"),
    ("5L", 1, 2, "digits and a decimal point"),
    ("DATE '2024-12-31'", 1, 6, '@"2024-12-31"'),
    ("n /* c", 1, 4, "ends with */"),
    ("name.", 1, 6, "missing after the '.'"),
    # Conditions, loops and calls
    ("IF(n > 1; 2; 3)", 1, 9, "if a then b else c"),
    ("switch (n) { case 1: 2 }", 1, 12, "if a then b else c"),
    ('a = 1 then "x"', 1, 7, "if a then b else c"),
    ('if a then { f("x") } else null', 1, 14, "without braces"),
    ("name exists", 1, 6, "a != null"),
    ("name isnt null", 1, 6, "a != null"),
    ("a is 5", 1, 3, "compare with '=': a = b"),
    ("a is not 5", 1, 3, "a != b"),
    ("a !> 5", 1, 3, "not(a > b)"),
    ("a ~= 5", 1, 3, "a != b"),
    ("a <=> 5", 1, 5, "are compared with"),
    ("a!!", 1, 2, "needs no '!'"),
    ("a.nil?", 1, 6, "a = null"),
    ("n in 1 to 5", 1, 8, "x in [1..3]"),
    ("for x in items if x > 1 return x", 1, 16, "for x in items[item > 1] return x"),
    ("items ORDER BY price", 1, 7, "sort(list"),
    ("SELECT a FROM b", 1, 8, "filtered"),
    ("COUNT(*)", 1, 7, "count(list)"),
    ("[...items, 3]", 1, 2, "concatenate(a, b)"),
    ("{...order, a: 1}", 1, 4, "context merge(a, b)"),
    ("order{a: 5}", 1, 6, "context put(a"),
    ('f("m", retries: 2)', 1, 15, "all its arguments or none"),
    ('name startswith "x"', 1, 6, "starts with(string, match)"),
    ("await x", 1, 7, "never waits"),
    ('if a then bpmnError{"x"} else null', 1, 20, "called with parentheses"),
    ("{{a: 1}}", 1, 2, "one pair of braces"),
    ("=={a: 1}", 1, 1, "leave out the '='"),
    ('{"a": b.}', 1, 9, "a name is missing after the '.'"),
    ("{ if a then b else c }", 1, 6, "leave out the outer braces"),
    ("[x in items | x.price]", 1, 13, "for x in items return x.price"),
    ("items.*.price", 1, 7, "items.price"),
    ('order."total"', 1, 7, "without quotes"),
    ("order.'my key'", 1, 7, "backticks"),
    ("order by price", 1, 7, "sort(list"),
    ("group by price", 1, 7, "distinct values(items.key)"),
    ("{[name]: 1}", 1, 2, "context put({}, name, value)"),
    ('if n > 1 then {"a": 1 else null', 1, 23, "a brace is not closed: add '}'"),
    ("if (n > 1 then 2 else 3", 1, 11, "a parenthesis is not closed: add ')'"),
    ("for x in [1, 2 return x", 1, 16, "a bracket is not closed: add ']'"),
    # Characters of other keyboards
    ("\uff08a\uff09", 1, 1, "write '('"),
    ("\u202aa", 1, 1, "invisible"),
    ("a \u2227 b", 1, 3, "a and b"),
]


@pytest.mark.parametrize(("text", "line", "column", "advice"), SLIPS, ids=[text for text, *_ in SLIPS])
def test_a_common_slip_is_answered_with_the_feel_way(text: str, line: int, column: int, advice: str) -> None:
    with pytest.raises(feel.FeelSyntaxError) as raised:
        feel.compile(text)
    error = raised.value
    assert (error.line, error.column) == (line, column), str(error)
    assert error.hint is not None, str(error)
    assert advice in error.hint, str(error)


def test_the_place_is_shown() -> None:
    """The line with a caret under the place, what was found and what was expected."""
    with pytest.raises(feel.FeelSyntaxError) as raised:
        feel.compile("{\n  a: 1\n  b: 2\n}")
    error = raised.value
    message, source, caret, *_ = str(error).splitlines()
    assert message == f"line 3, column 3: found {error.found}, expected {error.expected}"
    assert error.found == "'b'"
    assert "'}'" in error.expected
    assert source == "    b: 2"
    assert caret == "    ^"


def test_the_end_is_named() -> None:
    """What is missing at the end is told with what could stand there."""
    with pytest.raises(feel.FeelSyntaxError) as raised:
        feel.compile("sum(1, 2")
    assert raised.value.found == "the end"
    assert "')'" in raised.value.expected


def test_a_long_line_is_cut_around_the_place() -> None:
    """The caret stays in sight however long the line is."""
    with pytest.raises(feel.FeelSyntaxError) as raised:
        feel.compile("1 + " * 500 + "== 2" + " + 3" * 500)
    lines = str(raised.value).splitlines()
    assert max(map(len, lines)) < 200
    assert lines[1][lines[2].index("^")] == "="


def test_all_errors_are_feel_errors() -> None:
    """One except clause is enough."""
    for kind in (feel.FeelSyntaxError, feel.FeelEvaluationError, feel.FeelLimitError):
        assert issubclass(kind, feel.FeelError)


def test_an_evaluation_error_says_why() -> None:
    """An assertion's cause is in the message."""
    with pytest.raises(feel.FeelEvaluationError, match="no such customer"):
        feel.evaluate('assert(customer, customer != null, "no such customer")')
    with pytest.raises(feel.FeelEvaluationError, match="unary-test"):
        feel.evaluate("? > 3")
