"""Define the syntax tree that the parser makes, the compiler reads and `write` turns back into text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Literal:
    """`null`, `true`, `12.5`, `"text"`: the value itself."""

    value: bool | int | Decimal | str | None


@dataclass(frozen=True, slots=True)
class Temporal:
    """`@"2026-11-22"`, or `date("2026-11-22")` with a literal text."""

    function: str
    text: str


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[a, b]`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class ContextOf:
    """`{a: 1}`."""

    entries: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class RangeOf:
    """`[1..5)` as an argument of a function."""

    start: Node
    end: Node
    start_closed: bool
    end_closed: bool


@dataclass(frozen=True, slots=True)
class Ref:
    """`a.b.c`: a variable and entries in it."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """`(...).b`."""

    of: Node
    key: str


@dataclass(frozen=True, slots=True)
class Filter:
    """`list[condition]` or `list[index]`."""

    of: Node
    by: Node


@dataclass(frozen=True, slots=True)
class Call:
    """`name(a, b)` or `name(p: a)`, with `path` as in `path.name(a)`."""

    path: tuple[str, ...]
    name: str
    arguments: tuple[Node, ...]
    names: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class FunctionOf:
    """`function(a, b) body`."""

    parameters: tuple[str, ...]
    body: Node


@dataclass(frozen=True, slots=True)
class If:
    """`if condition then a else b`."""

    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Counting:
    """`1..n` after `in` of a loop."""

    start: Node
    end: Node


@dataclass(frozen=True, slots=True)
class For:
    """`for a in list, b in 1..3 return body`."""

    iterators: tuple[tuple[str, Node], ...]
    body: Node


@dataclass(frozen=True, slots=True)
class Quantified:
    """`some a in list satisfies condition`, or `every`."""

    word: str
    iterators: tuple[tuple[str, Node], ...]
    condition: Node


@dataclass(frozen=True, slots=True)
class Logic:
    """`a and b and c`, or `or`."""

    word: str
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """`a < b`."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Between:
    """`a between b and c`."""

    of: Node
    low: Node
    high: Node


@dataclass(frozen=True, slots=True)
class InstanceOf:
    """`a instance of number`."""

    of: Node
    type: str


@dataclass(frozen=True, slots=True)
class In:
    """`a in (tests)`."""

    of: Node
    tests: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`a + b - c`: operands of one precedence, in order."""

    first: Node
    rest: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """`-a`."""

    of: Node


@dataclass(frozen=True, slots=True)
class Input:
    """`?`."""


@dataclass(frozen=True, slots=True)
class InputCompare:
    """`< 5` as a test of the input value; `=` only for a lone `true` or `false`."""

    sign: str
    to: Node


@dataclass(frozen=True, slots=True)
class InputIn:
    """`[1..5]` as a test of the input value."""

    range: RangeOf


@dataclass(frozen=True, slots=True)
class InputTest:
    """Any expression as a test of the input value."""

    of: Node


@dataclass(frozen=True, slots=True)
class Tests:
    """Unary tests: the cell of a decision table. `not(...)` negates them, and `-` has none."""

    tests: tuple[Node, ...]
    negated: bool


Node = (
    Literal
    | Temporal
    | ListOf
    | ContextOf
    | RangeOf
    | Ref
    | Path
    | Filter
    | Call
    | FunctionOf
    | If
    | Counting
    | For
    | Quantified
    | Logic
    | Compare
    | Between
    | InstanceOf
    | In
    | Arithmetic
    | Negation
    | Input
    | InputCompare
    | InputIn
    | InputTest
    | Tests
)

RESERVED = frozenset(
    ("null", "true", "false", "function", "in", "return", "then", "else", "satisfies", "and", "or"),
)
_PLAIN_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_PLAIN_FUNCTION = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*(?: +[A-Za-z_$][A-Za-z0-9_$]*)*")
_KEYWORDS = RESERVED | {"if", "for", "some", "every", "between", "instance", "of", "not", "time", "external"}
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}

TEMPORAL_FUNCTIONS = ("duration", "date and time", "date", "time")
"""Functions whose call with one text is a value, for the parser in the order in which it tries them."""
WORDED_TYPES = ("years and months duration", "days and time duration", "date and time", "function")
"""Types whose names are no names of the grammar: they have blanks, or are a keyword."""

# How tightly each form binds: a form of a lower level is put in parentheses where a higher one is expected.
_ANY, _OR, _AND, _COMPARISON, _SUM, _PRODUCT, _POWER, _SIGN, _VALUE = range(9)


def walk(node: Node) -> Iterator[Node]:
    """Yields a node and all nodes below it, the node itself first."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(children(current))


def write(node: Node) -> str:
    """Returns the text of an expression that parses to this tree."""
    return _Writer().at(node, _ANY)


class _Writer:
    def at(self, node: Node, level: int) -> str:
        own, text = getattr(self, "_" + type(node).__name__.lower())(node)
        return text if own >= level else f"({text})"

    def _literal(self, node: Literal) -> tuple[int, str]:
        value = node.value
        if value is None:
            return _VALUE, "null"
        if isinstance(value, bool):
            return _VALUE, "true" if value else "false"
        if isinstance(value, str):
            return _VALUE, string(value)
        return _VALUE, format(value, "f") if isinstance(value, Decimal) else str(value)

    def _temporal(self, node: Temporal) -> tuple[int, str]:
        return _VALUE, f'@"{node.text}"' if node.function == "@" else f'{node.function}("{node.text}")'

    def _listof(self, node: ListOf) -> tuple[int, str]:
        return _VALUE, f"[{', '.join(self.at(item, _ANY) for item in node.items)}]"

    def _contextof(self, node: ContextOf) -> tuple[int, str]:
        entries = (f"{_key(key)}: {self.at(value, _ANY)}" for key, value in node.entries)
        return _VALUE, f"{{{', '.join(entries)}}}"

    def _rangeof(self, node: RangeOf) -> tuple[int, str]:
        # After a bare value, "[" would be read as a filter, so open ends are written "(" and ")".
        start, end = "[" if node.start_closed else "(", "]" if node.end_closed else ")"
        return _COMPARISON, f"{start}{self.at(node.start, _SUM)}..{self.at(node.end, _SUM)}{end}"

    def _ref(self, node: Ref) -> tuple[int, str]:
        return _VALUE, ".".join(map(_name, node.names))

    def _path(self, node: Path) -> tuple[int, str]:
        # To the parser, a path that starts with a name is a single reference, so anything else is put in parentheses.
        of = self.at(node.of, _VALUE)
        return _VALUE, f"({of}).{_name(node.key)}" if isinstance(node.of, Ref) else f"{of}.{_name(node.key)}"

    def _filter(self, node: Filter) -> tuple[int, str]:
        return _VALUE, f"{self.at(node.of, _VALUE)}[{self.at(node.by, _ANY)}]"

    def _call(self, node: Call) -> tuple[int, str]:
        arguments = [self.argument(argument) for argument in node.arguments]
        if node.name in TEMPORAL_FUNCTIONS and len(arguments) == 1 and arguments[0].startswith('"'):
            arguments = [f"({arguments[0]})"]  # otherwise it would be read as a literal date
        if node.names is not None:
            arguments = [f"{_function(name)}: {value}" for name, value in zip(node.names, arguments, strict=True)]
        name = ".".join([*map(_name, node.path), _name(node.name)]) if node.path else _function(node.name)
        return _VALUE, f"{name}({', '.join(arguments)})"

    def argument(self, node: Node) -> str:
        return self._rangeof(node)[1] if isinstance(node, RangeOf) else self._inside(node)

    def _inside(self, node: Node) -> str:
        """Writes an argument, in parentheses if it is a range test, which would be read as a range."""
        return f"({self.at(node, _ANY)})" if isinstance(node, InputIn) else self.at(node, _ANY)

    def _functionof(self, node: FunctionOf) -> tuple[int, str]:
        return _ANY, f"function({', '.join(map(_function, node.parameters))}) {self.at(node.body, _ANY)}"

    def _if(self, node: If) -> tuple[int, str]:
        parts: list[str] = []
        last: Node = node
        while isinstance(last, If):
            parts.append(f"if {self.at(last.condition, _ANY)} then {self.at(last.then, _ANY)} else ")
            last = last.otherwise
        return _ANY, "".join(parts) + self.at(last, _ANY)

    def _counting(self, node: Counting) -> tuple[int, str]:
        return _COMPARISON, f"{self.at(node.start, _SUM)}..{self.at(node.end, _SUM)}"

    def _iterators(self, iterators: tuple[tuple[str, Node], ...]) -> str:
        parts = []
        for name, source in iterators:
            level = _COMPARISON if isinstance(source, Counting) else _VALUE
            parts.append(f"{_name(name)} in {self.at(source, level)}")
        return ", ".join(parts)

    def _for(self, node: For) -> tuple[int, str]:
        return _ANY, f"for {self._iterators(node.iterators)} return {self.at(node.body, _ANY)}"

    def _quantified(self, node: Quantified) -> tuple[int, str]:
        return _ANY, f"{node.word} {self._iterators(node.iterators)} satisfies {self.at(node.condition, _ANY)}"

    def _logic(self, node: Logic) -> tuple[int, str]:
        level = _OR if node.word == "or" else _AND
        return level, f" {node.word} ".join(self.at(part, level + 1) for part in node.parts)

    def _compare(self, node: Compare) -> tuple[int, str]:
        return _COMPARISON, f"{self.at(node.left, _SUM)} {node.sign} {self.at(node.right, _SUM)}"

    def _between(self, node: Between) -> tuple[int, str]:
        of, low, high = (self.at(part, _SUM) for part in (node.of, node.low, node.high))
        if of[-1].isalnum() or of[-1] in "_$":  # `a between f(b)` would be read as the call of a function `a between f`
            of = f"({of})"
        return _COMPARISON, f"{of} between {low} and {high}"

    def _instanceof(self, node: InstanceOf) -> tuple[int, str]:
        return _COMPARISON, f"{self.at(node.of, _SUM)} instance of {_type(node.type)}"

    def _in(self, node: In) -> tuple[int, str]:
        tests = ", ".join(self.at(test, _ANY) for test in node.tests)
        return _COMPARISON, f"{self.at(node.of, _SUM)} in ({tests})"

    def _arithmetic(self, node: Arithmetic) -> tuple[int, str]:
        level = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "**": _POWER}[node.rest[0][0]]
        text = self.at(node.first, level + 1)
        return level, text + "".join(f" {sign} {self.at(operand, level + 1)}" for sign, operand in node.rest)

    def _negation(self, node: Negation) -> tuple[int, str]:
        return _SIGN, "-" + self.at(node.of, _VALUE)

    def _input(self, _node: Input) -> tuple[int, str]:
        return _VALUE, "?"

    def _inputcompare(self, node: InputCompare) -> tuple[int, str]:
        if node.sign == "=":
            return _COMPARISON, self.at(node.to, _VALUE)
        return _COMPARISON, f"{node.sign} {self.at(node.to, _SUM)}"

    def _inputin(self, node: InputIn) -> tuple[int, str]:
        return self._rangeof(node.range)

    def _inputtest(self, node: InputTest) -> tuple[int, str]:
        return _ANY, f"({self.at(node.of, _ANY)})" if isinstance(node.of, InputIn | InputCompare) else self.at(
            node.of, _ANY
        )

    def _tests(self, node: Tests) -> tuple[int, str]:
        tests = [self.at(test, _ANY) for test in node.tests] or ["-"]
        if not node.negated and tests[0].startswith(
            "not("
        ):  # the call of a function here, which negates all tests else
            tests[0] = f"({tests[0]})"
        text = ", ".join(tests)
        return _ANY, f"not({text})" if node.negated else text


def string(value: str) -> str:
    """Returns a text as a FEEL literal. A backslash before a quote cannot be written, even for the cluster's engine."""
    written, after_backslash = [], False
    for character in value:
        if character in '"\\':
            written.append("\\" + character)
        else:  # an escape after a backslash would not be read as one
            written.append(character if after_backslash else _ESCAPES.get(character, character))
        after_backslash = character == "\\"
    return f'"{"".join(written)}"'


def _name(name: str) -> str:
    if _PLAIN_NAME.fullmatch(name) and name not in _KEYWORDS:
        return name
    return name if name == "time offset" else f"`{name}`"


def _function(name: str) -> str:
    return name if _PLAIN_FUNCTION.fullmatch(name) else f"`{name}`"


def _type(name: str) -> str:
    return name if name in WORDED_TYPES else ".".join(map(_name, name.split(".")))


def _key(key: str) -> str:
    return key if _PLAIN_NAME.fullmatch(key) else f'"{key}"'


def children(node: Any) -> list[Any]:
    """Returns the direct child nodes of a node."""
    found: list[Any] = []
    stack: list[Any] = [getattr(node, name) for name in reversed(node.__slots__)]
    while stack:
        part = stack.pop()
        if isinstance(part, tuple):
            stack.extend(reversed(part))
        elif isinstance(part, Node):
            found.append(part)
    return found
