"""Random FEEL expressions: a `random.Random` goes in, text comes out that is mostly, but not always, meaningful.

Most expressions are typed, so that they say more than null; some take any type, and some are broken on purpose.
"""

from __future__ import annotations

import random
from typing import Any

from zeebe_connectors.feel.builtins import all_builtins

# Not comparable between two engines or two runs, or newer than the engine that is compared with.
LEFT_OUT = ("now", "today", "uuid", "random number", "from base64")

CONTEXT: dict[str, Any] = {
    "x": 3,
    "y": -7,
    "z": 2.5,
    "zero": 0,
    "big": 12345678901,
    "s": "foobar",
    "t": "",
    "u": "Ünï 😀 x",
    "b": True,
    "f": False,
    "nothing": None,
    "xs": [3, 1, 2, 2],
    "words": ["b", "a", "c"],
    "mixed": [1, "a", None, True, [1]],
    "empty": [],
    "item": {"a": 1, "b": "x", "list": [1, 2]},
    "rows": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": None, "c": [1]}],
    "deep": {"a": {"b": {"c": 5, "d": [{"e": 1}, {"e": 2}]}}},
}
_NAMES = {
    "number": ("x", "y", "z", "zero", "big", "item.a", "deep.a.b.c", "missing"),
    "string": ("s", "t", "u", "item.b", "nothing"),
    "boolean": ("b", "f", "missing.b"),
    "list": ("xs", "words", "mixed", "empty", "item.list", "rows.a", "deep.a.b.d.e"),
    "context": ("item", "deep", "deep.a", "rows[1]"),
}
_DATES = (
    "2024-02-29",
    "2023-12-31",
    "1969-07-20",
    "2021-03-28",
    "0999-01-01",
    "12345-06-07",
    "-0044-03-15",
    "2024-13-01",
)
_CLOCKS = ("10:15:30", "00:00:00", "23:59:59.999999999", "02:30:00", "24:00:00", "7:00", "12:30")
_PLACES = ("", "Z", "+01:00", "-11:30", "@Europe/Berlin", "@America/New_York", "@UTC", "@Nowhere/Land", "+18:00")
_DURATIONS = (
    "P1D",
    "PT1H30M",
    "-PT0.5S",
    "P2DT3H4M5.678S",
    "PT0S",
    "P1Y2M",
    "-P3M",
    "P0Y",
    "P14M",
    "P",
    "PT36H",
    "P-1D",
    "P1Y2D",
    "PT1S",
)
_PATTERNS = (
    "a",
    "o+",
    "^f",
    "[a-c]",
    "(b)(a)?",
    "\\\\s",
    "\\\\w+",
    ".",
    "x*",
    "",
    "(",
    "[^o]",
    "\\\\d{2}",
    "b$",
    "(?i)FOO",
    "o|b",
    "\\\\p{L}+",
    "[a-z&&[^o]]+",
    "\\\\bfoo",
    "(o)\\\\1",
)
_TYPES = (
    "number",
    "string",
    "boolean",
    "list",
    "context",
    "date",
    "time",
    "date and time",
    "days and time duration",
    "years and months duration",
    "function",
    "null",
)
_BUILTINS = [builtin for builtin in all_builtins() if builtin.name not in LEFT_OUT]
_BY_RESULT: dict[str, list[Any]] = {}
for _builtin in _BUILTINS:
    for _type in _builtin.signature.rpartition("): ")[2].split("|"):
        _BY_RESULT.setdefault(_type, []).append(_builtin)


class Generator:
    """Expressions of one stream of random numbers."""

    def __init__(self, source: random.Random) -> None:
        self.random = source
        self.variables: list[str] = []
        self.in_test = False

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def pick(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def expression(self, depth: int = 4) -> str:
        """One expression."""
        self.variables = []
        self.in_test = False
        text = self.of(self.pick(*_TYPES), depth)
        return self.broken(text) if self.chance(6) else text

    def unary_tests(self, depth: int = 2) -> str:
        """Unary tests."""
        self.variables = []
        self.in_test = True
        tests = ", ".join(self.test(self.pick("number", "string", "date"), depth) for _ in range(self.pick(1, 1, 2)))
        text = self.pick(tests, tests, tests, f"not({tests})", "-")
        return self.broken(text) if self.chance(4) else text

    def broken(self, text: str) -> str:
        at = self.random.randrange(len(text) + 1)
        what = self.pick("cut", "insert", "swap")
        if what == "cut":
            return text[:at] + text[at + self.pick(1, 2, 5) :]
        insert = self.pick(
            " ", "(", ")", "]", ",", "and", " x ", "1", '"', ".", "=", "-", "//", "if ", "[", "..", "{", "in"
        )
        return text[:at] + insert + text[at:] if what == "insert" else text[:at] + insert + text[at + 1 :]

    def of(self, type_: str, depth: int) -> str:
        """An expression that probably has a type."""
        if self.chance(7):
            type_ = self.pick(*_TYPES)
        if depth <= 0 or self.chance(18):
            return self.leaf(type_)
        return self.pick(self.typed, self.typed, self.any_form, self.call)(type_, depth - 1)

    def leaf(self, type_: str) -> str:
        if self.variables and self.chance(35):
            return str(self.pick(*self.variables))
        if self.in_test and self.chance(12):
            return "?"
        if type_ in _NAMES and self.chance(55):
            return str(self.pick(*_NAMES[type_]))
        return self.literal(type_)

    def literal(self, type_: str) -> str:
        if type_ == "number":
            return str(
                self.pick("0", "1", "2", "3", "-1", "-4", "10", "0.5", "1.10", "100", "-2.75", "1000000", ".25", "7")
            )
        if type_ == "string":
            return str(
                self.pick('"foo"', '"bar"', '""', '"a b"', '"10"', '"1,5"', '"o"', '"a\\nb"', '"é"', '"2024-02-29"')
            )
        if type_ == "boolean":
            return str(self.pick("true", "false"))
        if type_ == "list":
            return str(self.pick("[1, 2, 3]", "[]", '["a", "b"]', "[1]", "[null]", "[[1, 2], [3]]", "[true, false]"))
        if type_ == "context":
            return str(self.pick("{a: 1}", "{}", '{a: "x", b: [1, 2]}', "{a: {b: 2}}", '{"k 1": 1, c: null}'))
        if type_ == "function":
            return str(self.pick("function(x, y) x < y", "function(x) x + 1", "function(x, y) true", "function() 1"))
        return self.temporal(type_)

    def temporal(self, type_: str) -> str:
        if type_ == "date":
            text, function = self.pick(*_DATES), "date"
        elif type_ == "time":
            text, function = self.pick(*_CLOCKS) + self.pick(*_PLACES), "time"
        elif type_ == "date and time":
            text = f"{self.pick(*_DATES)}T{self.pick(*_CLOCKS)}{self.pick(*_PLACES)}"
            function = "date and time"
        elif type_.endswith("duration"):
            text, function = self.pick(*_DURATIONS), "duration"
        else:
            return "null"
        return f'@"{text}"' if self.chance(40) else f'{function}("{text}")'

    def typed(self, type_: str, depth: int) -> str:
        """A form of the language that gives the type."""
        if type_ == "number":
            sign = self.pick("+", "-", "*", "/", "**", "+", "-", "*")
            right = self.pick("2", "3", "0", "-1", "0.5") if sign == "**" else self.of("number", depth)
            return self.joined(self.of("number", depth), sign, right)
        if type_ == "string":
            return self.joined(self.of("string", depth), "+", self.of("string", depth))
        if type_ == "boolean":
            return self.condition(depth)
        if type_ == "list":
            return self.list_form(depth)
        if type_ == "context":
            return self.context_form(depth)
        if type_ == "function":
            names = self.pick(["p"], ["p", "q"], [])
            kept = list(self.variables)
            self.variables += names
            body = self.of(self.pick("number", "boolean", "string"), depth)
            self.variables = kept
            return f"function({', '.join(names)}) {body}"
        if type_ in ("date", "time", "date and time"):
            duration = self.of(self.pick("days and time duration", "years and months duration"), depth)
            return self.joined(self.of(type_, depth), self.pick("+", "-"), duration)
        if type_.endswith("duration"):
            if self.chance(50):
                points = self.pick("date", "time", "date and time")
                return self.joined(self.of(points, depth), "-", self.of(points, depth))
            return self.joined(
                self.of(type_, depth), self.pick("+", "-", "*", "/"), self.of(self.pick(type_, "number"), depth)
            )
        return "null"

    def joined(self, left: str, sign: str, right: str) -> str:
        left, right = (f"({part})" if self.chance(60) else part for part in (left, right))
        space = self.pick(" ", " ", "", "\n")
        return f"{left}{space}{sign}{space}{right}"

    def condition(self, depth: int) -> str:
        type_ = self.pick(
            "number", "string", "number", "date", "date and time", "time", "list", "days and time duration"
        )
        form = self.random.randrange(9)
        if form < 3:
            sign = self.pick("=", "!=", "<", "<=", ">", ">=")
            return f"{self.math(type_, depth)} {sign} {self.math(type_, depth)}"
        if form == 3:
            return f"{self.math(type_, depth)} between {self.math(type_, depth)} and {self.math(type_, depth)}"
        if form == 4:
            return f"{self.math(type_, depth)} in {self.tests(type_, depth)}"
        if form == 5:
            return f"{self.math(self.pick(*_TYPES), depth)} instance of {self.pick(*_TYPES[:-1], 'Any')}"
        if form == 6:
            return f"{self.of('boolean', depth)} {self.pick('and', 'or')} {self.of('boolean', depth)}"
        if form == 7:
            return f"not({self.of('boolean', depth)})"
        with self.variable() as name:
            source = self.value("list", depth)
            word = self.pick("some", "every")
            self.variables.append(name)
            return f"{word} {name} in {source} satisfies {self.of('boolean', depth)}"

    def variable(self) -> _Variable:
        return _Variable(self)

    def math(self, type_: str, depth: int) -> str:
        text = self.of(type_, depth)
        return f"({text})" if self.chance(70) else text

    def value(self, type_: str, depth: int) -> str:
        return self.leaf(type_) if self.chance(60) else f"({self.of(type_, depth)})"

    def tests(self, type_: str, depth: int) -> str:
        if self.chance(40):
            return self.test(type_, depth)
        return f"({', '.join(self.test(type_, depth) for _ in range(self.pick(1, 2, 3)))})"

    def test(self, type_: str, depth: int) -> str:
        form = self.random.randrange(4)
        if form == 0:
            return f"{self.pick('<', '<=', '>', '>=')} {self.value(type_, depth)}"
        if form == 1:
            return self.range(type_, depth)
        return self.of(type_, depth) if form == 2 else self.leaf(type_)

    def range(self, type_: str, depth: int) -> str:
        start, end = self.value(type_, depth - 1), self.value(type_, depth - 1)
        return f"{self.pick('[', '(', ']')}{start}..{end}{self.pick(']', ')', '[')}"

    def list_form(self, depth: int) -> str:
        form = self.random.randrange(7)
        if form == 0:
            return f"[{', '.join(self.of(self.pick(*_TYPES), depth) for _ in range(self.pick(0, 1, 2, 3)))}]"
        if form in (1, 2):
            kept = list(self.variables)
            self.variables.append("item")
            by = self.of(self.pick("boolean", "number", "boolean"), depth)
            self.variables = kept
            return f"{self.value('list', depth)}[{by}]"
        if form == 3:
            by = self.pick("a > 1", "a = 1", 'b = "x"', "a != null", "item.a = 2", "-1", "c[1] = 1", "a")
            return f"rows[{by}]"
        if form == 4:
            return f"{self.value('list', depth)}.{self.pick('a', 'b', 'missing')}"
        with self.variable() as name:
            bounds = f"{self.pick('1', '0', '-2', 'x')}..{self.pick('3', '1', 'zero', 'y', '2.5')}"
            iterators = f"{name} in {bounds if self.chance(40) else self.value('list', depth)}"
            self.variables.append(name)
            if self.chance(20):
                iterators += f", {name}{name} in {self.value('list', depth)}"
                self.variables.append(name + name)
            elif self.chance(15):  # it doubles each round, so not with two variables
                self.variables.append("partial")
            return f"for {iterators} return {self.of(self.pick(*_TYPES), depth)}"

    def context_form(self, depth: int) -> str:
        kept = list(self.variables)
        entries = []
        for key in self.random.sample(("a", "b", "c", "fun"), self.pick(1, 2, 3)):
            entries.append(f"{key}: {self.of(self.pick(*_TYPES), depth)}")
            self.variables.append(key)
            if key == "fun":
                self.variables.append("fun(1)")
        self.variables = kept
        return f"{{{', '.join(entries)}}}"

    def any_form(self, type_: str, depth: int) -> str:
        form = self.random.randrange(6)
        if form == 0:
            parts = self.of("boolean", depth), self.of(type_, depth), self.of(type_, depth)
            return "if {} then {} else {}".format(*parts)
        if form == 1:
            return f"{self.value('list', depth)}[{self.pick('1', '-1', '2', '0', '9', 'x', '1.5')}]"
        if form == 2:
            return f"{self.value('context', depth)}.{self.pick('a', 'b', 'c', 'missing')}"
        if form == 3:
            part = self.pick(
                "year", "month", "day", "weekday", "hour", "minute", "second", "days", "years", "time offset"
            )
            of = self.value(self.pick("date", "time", "date and time", "days and time duration"), depth)
            return f"{of}.{part}"
        if form == 4:
            return f"-{self.value(type_, depth)}"
        return f"string({self.of(type_, depth)})" if self.chance(50) else f"({self.of(type_, depth)})"

    def call(self, type_: str, depth: int) -> str:
        known = _BY_RESULT.get(type_, []) + _BY_RESULT["any"]
        builtin = self.pick(*known) if self.chance(85) else self.pick(*_BUILTINS)
        inside = builtin.signature.partition("(")[2].rpartition("): ")[0]
        types = [parameter.split(": ")[1] for parameter in inside.split(", ") if parameter]
        arguments = []
        for name, wanted in zip(builtin.parameters, types, strict=True):
            wanted = wanted.removesuffix("...")  # noqa: PLW2901
            arguments.append(self.argument(builtin.name, name, self.pick(*wanted.split("|")), depth))
        if arguments and self.chance(15):
            named = [f"{name}: {text}" for name, text in zip(builtin.parameters, arguments, strict=True)]
            return f"{builtin.name}({', '.join(named)})"
        if builtin.variadic and self.chance(40):
            arguments += [self.of(self.pick("number", "string", "list"), depth) for _ in range(self.pick(1, 2))]
        return f"{builtin.name}({', '.join(arguments)})"

    def argument(self, function: str, name: str, type_: str, depth: int) -> str:
        if name in ("pattern", "delimiter") and function in ("matches", "replace", "split", "extract"):
            return f'"{self.pick(*_PATTERNS)}"'
        if name == "replacement":
            return str(self.pick('"x"', '""', '"[$0]"', '"$1"', '"\\\\$"'))
        if name == "flags":
            return str(self.pick('"i"', '"s"', '"x"', '""', '"mi"'))
        if name == "mode":
            return str(self.pick('"up"', '"half_even"', '"FLOOR"', '"unnecessary"', '"x"'))
        if name in ("scale", "scala", "start position", "position", "length", "size", "start"):
            return str(self.pick("1", "2", "0", "-1", "3", "x", "-3", "1.7"))
        if name in ("json", "from") and function in ("from json", "number", "date", "time", "date and time"):
            return self.text_to_parse(function)
        if type_ == "range":
            return self.range(self.pick("number", "number", "date"), depth)
        if type_ == "point":
            return self.of(self.pick("number", "number", "date"), depth)
        return self.of(self.pick(*_TYPES) if type_ == "any" else type_, depth)

    def text_to_parse(self, function: str) -> str:
        if function == "from json":
            return str(
                self.pick('"{}"', '"[1, 2.50]"', '"null"', '"x"', '"{\\"a\\": [true]}"', '"1e3"', '"\\"s\\""', "s")
            )
        if function == "number":
            return str(
                self.pick('"1"', '"1.50"', '"-.5"', '"1e3"', '"+7"', '"1 000"', '"1,5"', '"x"', '""', "s", '"1."')
            )
        type_ = {"date": "date", "time": "time"}.get(function, "date and time")
        return f'"{self.temporal(type_).split(chr(34))[1]}" + ""'


class _Variable:
    """A name for a loop's variable, which is known inside the loop only."""

    def __init__(self, generator: Generator) -> None:
        self.generator = generator

    def __enter__(self) -> str:
        self.kept = list(self.generator.variables)
        return str(self.generator.pick("i", "j", "k"))

    def __exit__(self, *_: object) -> None:
        self.generator.variables = self.kept
