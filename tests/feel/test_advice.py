"""An expression that parses but is null says what its author probably meant; one with a value says nothing."""

import pytest

from zeebe_connectors import feel
from zeebe_connectors.feel.versions import unknown_to

VARIABLES = {
    "items": [1, 2],
    "orders": [{"id": 1}],
    "name": "x",
    "order": {"length": 3},
    "n": 5,
    "dashed": {"my-key": 1},
    "zero": 0,
    "german": "31.12.2024",
    "error": {"code": "404", "message": "Not Found", "variables": {"response": {"body": 1}}},
}
# expression -> a part of the advice
NULLS = [
    ("items[0]", "counted from 1"),
    ("orders[0].id", "counted from 1"),
    ("items[0.0]", "counted from 1"),
    ('date("31.12.2024")', 'date("2024-12-31")'),
    ('date("2024-1-5")', 'date("2024-12-31")'),
    ('time("5pm")', 'time("17:00:00")'),
    ('date and time("2024-12-31 10:00")', "T17:00:00"),
    ('duration("1h")', '"PT1H"'),
    ('duration("5m")', '"PT5M"'),
    ('@"tomorrow"', '@"2024-12-31"'),
    ("items.length", "count(items)"),
    ("name.length", "string length(name)"),
    ("orders.size", "count(orders)"),
    ("items.first", "items[1]"),
    ("length(name)", "string length(name)"),
    ("len(items)", "count(items)"),
    ("isDefined(a)", "is defined()"),
    ("stringLength(name)", "string length()"),
    ("upper_case(name)", "upper case()"),
    ("toUpperCase(name)", "upper case(name)"),
    ("Sum(items)", "sum()"),
    ("bpmError(name)", "bpmnError()"),
    ("jobErorr(name)", "jobError()"),
    ("substrin(name, 1)", "substring()"),
    ("TRUE", "write true"),
    ("date(2024-12-31)", 'date("2024-12-31")'),
    ('bpmnError("x")', "belongs in an error expression"),
    ("lenght(name)", "string length(name)"),
    ("new Date()", "write now()"),
    ("round(n)", "round half up(n, 0)"),
    ("NOT(n = 5)", "not()"),
    ("today", "today()"),
    ("{'a': 1}.a", "straight double quotes"),
    ("items[-0]", "counted from 1"),
    ('order["length"]', "order.length"),
    ("name.toLowerCase", "lower case(name)"),
    ("unique(items)", "distinct values(items)"),
    ("left(name, 2)", "substring(name, 1, 2)"),
    ("keys(order)", "get entries(order).key"),
    ("if(n = 5, 1, 2)", "if a then b else c"),
    ("$name", "without '$'"),
    ("`Dear ${name}`", "join texts in double quotes"),
    ("P1D", 'duration("P1D")'),
    ("items[zero]", "counted from 1"),
    ("Yes", "write true"),
    ("secrets.TOKEN", '"{{secrets.NAME}}"'),
    ("execution.name", "name alone"),
    ("$.order.id", "a path begins with the name"),
    ('formatDate(n, "dd.MM.yyyy")', "FEEL formats no dates"),
    ('date("2024-02-30")', "no such day"),
    ('time("12:00:00+19:00")', "a time is written"),
    ('time("12:00:00.1234567891")', "a time is written"),
    ('time("23:59:60")', "no such time"),
    ('date("2024-12-31T10:00:00")', 'date("2024-12-31")'),
    ('@"2024-12-31T25:00:00"', "no such day or time"),
    ("AND(n > 1, n < 9)", "a and b"),
    ("IFS(n > 1, 2)", "if a then b else c"),
    ('SUMIF(items, ">1")', "sum(items[item > 1])"),
    ("VLOOKUP(n, items, 2)", "items[key = value][1]"),
    ('CONCATENATE(name, "x")', "joined with '+'"),
    ('FIND("a", name)', "contains(text, part)"),
    ("YEAR(today())", "today().year"),
    ("DATEDIFF(n, n)", "(end - start).days"),
    ('cast(n, "string")', "string(value)"),
    ("n IN (1, 2)", "lower case: in"),
    ("n between (1, 5)", "a between 1 and 3"),
    ("items(0)", "items[1]"),
    ("if n = 5 then yes else no", "write true"),
    ("empty", "is empty(list)"),
    ("CURRENT_TIMESTAMP", "now()"),
    # What the values tell
    ('"Dear " + missing', 'get or else(value, "")'),
    ('today() - "2024-01-01"', "a date in a text is read with date("),
    ("dashed.my-key", "`my-key`"),
    ('"order-" + n', "string(value)"),
    ('n + "a"', "string(value)"),
    ('"5" * 2', "number(text)"),
    ('n = "5"', "number(text)"),
    ('"5" > 3', "number(text)"),
    ('date("2024-01-01") + 1', 'duration("P1D")'),
    ('date("2024-01-01") > "2023-01-01"', "date("),
    ('"2024-01-01" + duration("P1D")', "date("),
    ("items > 1", "item by item"),
    ("items + items", "concatenate("),
    ("name and true", "a condition is a comparison"),
    ("contains(items, 1)", "list contains(list, item)"),
    ('list contains(name, "x")', "contains(text, part)"),
    ("count(name)", "string length(text)"),
    ("string length(items)", "count(list)"),
    ("sum(orders)", "sum(items.price)"),
    ("decimal(1.5)", "decimal(n: number, scale: number)"),
    ("sort(items)", "precedes"),
    ('number("1.234,56")', 'number("1.234,56", ".", ",")'),
    ("Name", "did you mean 'name'?"),
    ("order.Length", "did you mean 'length'?"),
    ('"2024-01-01".year', "date(text).year"),
    ('"Hello " . name', "joined with '+'"),
    ("merge(order, {x: 1})", "context merge(order, other)"),
    ("first(items)", "items[1]"),
    ("items + 1", "append(list, item)"),
    ("name[1]", "substring(text, 1, 1)"),
    ("max(items, 9)", "max(append(list, other))"),
    ('replace(name, "(", "")', "[(]"),
    ("date(german)", "taken apart"),
    ('duration("P1Y") > duration("P364D")', "count in days"),
    ("error.response.body", "error.variables.response"),
    ("error.messages", "did you mean 'message'?"),
    ("order.lenght", "did you mean 'length'?"),
]


@pytest.mark.parametrize(("text", "part"), NULLS, ids=[text for text, _ in NULLS])
def test_a_null_says_what_was_probably_meant(text: str, part: str) -> None:
    """The advice comes after the cluster's own warnings, with a kind of its own."""
    value, warnings = feel.compile(text).run(VARIABLES)
    assert value is None or all(item is None for item in value)
    given = [warning.message for warning in warnings if warning.kind == "ADVICE"]
    assert any(part in sentence for sentence in given), given


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("name.toUpperCase()", "upper case(name)"),
        ("name.length()", "string length(name)"),
        ("Math.round(n)", "round half up(n, 0)"),
        ("console.log(n)", "its own result"),
        ("JSON.parse(name)", "from json(name)"),
        ("items.size()", "count(items)"),
        ('name.contains("x")', "contains(name, part)"),
        ("name.trim()", "trim(name)"),
        ('name.split(",")', "split(name, delimiter)"),
        ("orders.keys()", "get entries(orders).key"),
        ("Object.values(order)", "get entries(order).value"),
        ('Integer.parseInt("5")', 'write number("5")'),
        ("Math.max(1, 2)", "write max(1, 2)"),
        ("java.time.LocalDate.now()", "write today()"),
        ("Object.assign(order, {a: 1})", "context merge(order, {a: 1})"),
        ("items.at(0)", "items[1]"),
        ('execution.getVariable("x")', "the variable's name alone"),
    ],
)
def test_a_method_of_another_language_ends_with_its_function(text: str, part: str) -> None:
    with pytest.raises(feel.FeelEvaluationError) as raised:
        feel.evaluate(text, VARIABLES)
    assert part in str(raised.value)


@pytest.mark.parametrize(
    "text",
    ["order.length", "items[1]", 'date("2024-12-31")', "count(items)", "{length: 1}.length", "if n = 5 then 1 else 0"],
)
def test_what_has_a_value_gets_no_advice(text: str) -> None:
    value, warnings = feel.compile(text).run(VARIABLES)
    assert value is not None
    assert warnings == []


@pytest.mark.parametrize(
    ("text", "value", "part"),
    [
        ("2024-12-31", 1981, '@"2024-12-31"'),
        ("n < 2024-1-5", True, '@"2024-12-31"'),
        ("{due: 31-12-2024}", {"due": -2005}, '@"2024-12-31"'),
        ("2024/12/31 > 5", True, '@"2024-12-31"'),
        ("[items[0], 2024-12-31]", [None, 1981], '@"2024-12-31"'),
        ("round down(01/02/2024, 0)", 0, '@"2024-12-31"'),
        ("[12/31/2024 < 1]", [True], '@"2024-12-31"'),
        ('name = "x" or "y"', True, "a in (1, 2)"),
        ('name = "y" and "z"', False, "a > 1 and a < 2"),
        ("name instance of String", False, "instance of string"),
        ("n instance of integer", False, "instance of number"),
        ("n instance of duration", False, "instance of days and time duration"),
        ("n instance of Money", False, "types are"),
        ('split("a.b", ".")', ["", "", "", ""], "[.]"),
        ('split("a|b", "|")', ["a", "|", "b", ""], "[|]"),
        ('replace("1.5", ".", ",")', ",,,", "[.]"),
        ('replace("$5", "$", "")', "$5", "[$]"),
        ('"Dear ${name}"', "Dear ${name}", '"Dear " + name'),
        ('substring("abc", 0, 2)', "", "counted from 1"),
        ("n // 2", 5, "floor(a / b)"),
    ],
)
def test_a_value_that_hardly_anybody_means_is_doubted(text: str, value: object, part: str) -> None:
    """The value is the cluster's all the same."""
    found, warnings = feel.compile(text).run(VARIABLES)
    assert found == value
    assert [warning.kind for warning in warnings] == ["ADVICE"]
    assert part in warnings[0].message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024 - 12 - 40", 1972),
        ("100 / 20 / 5", 1),
        ("1000 - 10 - 5", 985),
        ("n - 12 - 31", -38),
        ('"on 2024-12-31 or so"', "on 2024-12-31 or so"),
        ("n instance of number or false", True),
        ("(n > 1) and (true)", True),
        ('split("a.b", "[.]")', ["a", "b"]),
        ('replace("a-b", "-", "")', "ab"),
        ('"http://x/" + "2"', "http://x/2"),
        ("n // of them", 5),
        ('"costs $5 {now}"', "costs $5 {now}"),
        ('substring("abc", -2, 1)', "b"),
    ],
)
def test_what_only_resembles_a_slip_is_not_doubted(text: str, value: object) -> None:
    assert feel.compile(text).run(VARIABLES) == (value, [])


@pytest.mark.parametrize("key", ["\u2018a\u2019", "\u201ca\u201d", "'a'"])
def test_quotes_that_became_part_of_a_key_are_named(key: str) -> None:
    """Also where nothing is null: nobody wants such a key."""
    value, warnings = feel.compile("{" + key + ": 1}").run()
    assert value == {key: 1}
    assert [warning.kind for warning in warnings] == ["ADVICE"]


@pytest.mark.parametrize(
    ("text", "cluster", "known"),
    [
        ("to json(a)", "8.8", False),
        ("to json(a)", "8.9", True),
        ("from json(a)", "8.6", False),
        ("partition(a, 2)", "8.7", False),
        ("partition(a, 2)", "8.8", True),
        ("[1][is blank(a)]", "8.7", False),
        ("from base64(a)", "8.9", False),
        ("from base64(a)", "8.10", True),
        ('date and time("2024-01-01T10:00:00+01:00[Europe/Berlin]")', "8.8", False),
        ('date and time("2024-01-01T10:00:00+01:00[Europe/Berlin]")', "8.9", True),
        ('date and time("2024-01-01T10:00:00@Europe/Berlin")', "8.6", True),
        ("sum(a) + string length(b)", "8.5", True),
    ],
)
def test_what_an_older_cluster_does_not_know_is_listed(text: str, cluster: str, *, known: bool) -> None:
    """By the FEEL engines that clusters bundle: 1.18.5 in 8.6 and 8.7, 1.19.5 in 8.8, 1.21.0 in 8.9, 1.22.0 in 8.10."""
    assert (unknown_to(feel.compile(text).tree, cluster) == []) is known
