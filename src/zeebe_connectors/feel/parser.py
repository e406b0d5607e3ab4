"""Parse expressions into syntax trees, with errors that explain the remedy.

The grammar follows the cluster's engine, and resolves ambiguities in the same way: see the comments. A word is a
keyword only where one is expected, so that `if`, `for`, `of` and the like can be names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

from zeebe_connectors.feel import tokens, tree
from zeebe_connectors.feel.errors import FeelLimitError, FeelSyntaxError
from zeebe_connectors.feel.limits import DEFAULT_LIMITS, Limits
from zeebe_connectors.feel.precision import like, written
from zeebe_connectors.feel.tokens import END, NAME, NUMBER, QUOTED, STRING, Token
from zeebe_connectors.feel.tree import RESERVED, TEMPORAL_FUNCTIONS, WORDED_TYPES, Node
from zeebe_connectors.feel.values import plain_int

_NAMES_WITH_RESERVED_WORDS = ("date and time", "years and months duration", "get or else", "and", "or")
_COMPARISONS = frozenset(("=", "!=", "<", "<=", ">", ">="))
_ORDERINGS = frozenset(("<", "<=", ">", ">="))
_BRACKETS = frozenset(("(", "[", "]"))
_ESCAPE = re.compile(r"(?<!\\)\\([nrtbf'\"])")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_MAX_RETRIES = 20
_MAX_DIGITS = 1_000


def parse(text: str, limits: Limits = DEFAULT_LIMITS) -> Node:
    """Parses an expression into its tree.

    Raises:
        FeelSyntaxError: the text is not an expression.
        FeelLimitError: it is too long or nested too deep.
    """
    return _parse(text, limits, lambda parser: parser.expression())


def parse_unary(text: str, limits: Limits = DEFAULT_LIMITS) -> Node:
    """Parses unary tests, the cell of a decision table, into their tree.

    Raises:
        FeelSyntaxError: the text is not unary tests.
        FeelLimitError: it is too long or nested too deep.
    """
    return _parse(text, limits, lambda parser: parser.tests())


def _parse(text: str, limits: Limits, start: Callable[[_Parser], Node]) -> Node:
    if len(text) > limits.text:
        raise FeelLimitError("text", f"the expression has {len(text)} characters, {limits.text} are allowed")
    parser = _Parser(text, limits)
    try:
        node = start(parser)
        parser.end()
    except _Unexpected:
        raise parser.error() from None
    except RecursionError:
        raise FeelLimitError("depth", "the expression is nested too deep") from None
    return node


def unescape(text: str) -> str:
    """Returns the text of a literal's content; unknown escapes stay unchanged."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), text).replace("\\\\", "\\")


class _Unexpected(Exception):  # noqa: N818 - a jump inside the parser; the furthest one becomes the FeelSyntaxError
    pass


class _Parser:
    def __init__(self, text: str, limits: Limits) -> None:
        self.text = text
        self.limits = limits
        self.depth = 0
        self.retries = 0
        self.open_end = False  # in the end of a range, where "[" may close it
        self.plain = False  # the last expression was no more than values and arithmetic, as an end of a range is
        self.furthest = -1
        self.expected: list[str] = []
        self.now: Token = tokens.token(text, 0)

    # ------------------------------------------------------------------------------------------ moving in the text

    def seek(self, position: int) -> None:
        self.now = tokens.token(self.text, position)

    def next(self) -> Token:
        taken = self.now
        self.now = tokens.token(self.text, taken.end)
        return taken

    def unexpected(self, expected: str) -> _Unexpected:
        if self.now.start > self.furthest:
            self.furthest, self.expected = self.now.start, []
        if self.now.start == self.furthest and expected not in self.expected:
            self.expected.append(expected)
        return _Unexpected()

    def error(self) -> FeelSyntaxError:
        from zeebe_connectors.feel import slips  # noqa: PLC0415 - only for a text that is not FEEL

        position = self.furthest
        at = tokens.token(self.text, position)
        found = "the end" if at.kind == END else f"'{at.text if len(at.text) <= 20 else at.text[:20] + '…'}'"
        *first, last = self.expected
        expected = f"{', '.join(first)} or {last}" if first else last
        return FeelSyntaxError(self.text, position, found, expected, slips.hint(self.text, position, self.expected))

    def symbol(self, symbol: str) -> bool:
        if self.now.text == symbol:
            self.next()
            return True
        return False

    def expect(self, symbol: str) -> None:
        if not self.symbol(symbol):
            raise self.unexpected(f"'{symbol}'")

    def keyword(self, word: str) -> bool:
        # As in the cluster's engine a keyword needs no space after it: `1 and(x)`, and even `1 andx`.
        if self.now.kind == NAME and self.now.text.startswith(word):
            self.seek(self.now.start + len(word))
            return True
        return False

    def expect_keyword(self, word: str) -> None:
        if not self.keyword(word):
            raise self.unexpected(f"'{word}'")

    def end(self) -> None:
        if self.now.kind != END:
            raise self.unexpected("an operator or the end")

    # ------------------------------------------------------------------------------------------------- expressions

    def expression(self, left: Node | None = None) -> Node:
        """Parses an expression; `left` is its first value if the caller had to read that first."""
        self.depth += 1
        if self.depth > self.limits.depth:
            raise FeelLimitError("depth", f"expressions are nested deeper than {self.limits.depth}")
        open_end, self.open_end = self.open_end, False
        node = self.statement() if left is None and self.now.kind == NAME else None
        if node is None:
            node = self.disjunction(left)
        else:
            self.plain = False
        self.open_end = open_end
        self.depth -= 1
        return node

    def statement(self) -> Node | None:
        word = self.now.text
        if word == "if":
            return self.conditional()
        if word == "for" and self.iterator_follows():
            self.next()
            iterators = self.iterators("return")
            return tree.For(iterators, self.expression())
        if word in ("some", "every") and self.iterator_follows():
            self.next()
            iterators = self.iterators("satisfies")
            return tree.Quantified(word, iterators, self.expression())
        return None

    def conditional(self) -> Node | None:
        branches: list[tuple[Node, Node]] = []
        while True:  # one branch per round, so that `else if` adds no depth
            start, depth = self.now.start, self.depth
            self.next()
            try:
                condition = self.expression()
                self.expect_keyword("then")
                then = self.expression()
                self.expect_keyword("else")
            except _Unexpected:
                # `if` may be a name. The number of attempts is bounded, or nested ones would take forever.
                self.retries += 1
                if self.retries > _MAX_RETRIES:
                    raise
                self.depth, self.open_end = depth, False
                self.seek(start)
                if not branches:
                    return None
                node = self.disjunction()
                break
            branches.append((condition, then))
            if self.now.kind != NAME or self.now.text != "if":
                node = self.expression()
                break
        for condition, then in reversed(branches):
            node = tree.If(condition, then, node)
        return node

    def iterator_follows(self) -> bool:
        name = tokens.token(self.text, self.now.end)
        if not (name.kind == QUOTED or (name.kind == NAME and name.text not in RESERVED)):
            return False
        following = tokens.token(self.text, name.end)
        return following.kind == NAME and following.text.startswith("in")

    def iterators(self, end: str) -> tuple[tuple[str, Node], ...]:
        found = []
        while True:
            name = self.name()
            self.expect_keyword("in")
            found.append((name, self.iterated()))
            if not self.symbol(","):
                break
        self.expect_keyword(end)
        return tuple(found)

    def iterated(self) -> Node:
        # A value, or `a..b`; other operators need parentheses.
        value = None if self.now.text == "-" and not self.negative_number() else self.value()
        if value is not None and (self.now.kind == NAME or self.now.text in (",", "")):
            return value
        start = self.math(value)
        self.expect("..")
        return tree.Counting(start, self.math())

    def disjunction(self, left: Node | None = None) -> Node:
        alternatives: list[Node] = []
        while True:
            conditions: list[Node] = [self.comparison(left)]
            left = None
            while self.keyword("and"):
                conditions.append(self.comparison())
            if len(conditions) > 1:
                self.plain = False
                conditions = [tree.Logic("and", tuple(conditions))]
            alternatives += conditions
            if not self.keyword("or"):
                break
        if len(alternatives) == 1:
            return alternatives[0]
        self.plain = False
        return tree.Logic("or", tuple(alternatives))

    def comparison(self, left: Node | None = None) -> Node:
        if left is None:
            if self.now.text in _ORDERINGS:
                sign = self.next().text
                test = tree.InputCompare(sign, self.math())
                self.plain = False
                return test
            if self.now.text in _BRACKETS:
                first = self.bracket()
                if isinstance(first, tree.RangeOf):
                    self.plain = False
                    return tree.InputIn(first)
                left = self.chain(first)
        left = self.math(left)
        node = self.compared(left)
        self.plain = node is None
        return node or left

    def compared(self, left: Node) -> Node | None:
        """Parses the rest of a comparison with this left side; returns None if there is none."""
        text = self.now.text
        if text in _COMPARISONS:
            self.next()
            return tree.Compare(text, left, self.math())
        if self.now.kind != NAME:
            return None
        if self.keyword("between"):
            low = self.math()
            self.expect_keyword("and")
            return tree.Between(left, low, self.math())
        if text.startswith("instance"):
            self.keyword("instance")
            self.expect_keyword("of")
            return tree.InstanceOf(left, self.type())
        if self.keyword("in"):
            return tree.In(left, self.in_tests())
        return None

    def type(self) -> str:
        for name in WORDED_TYPES:
            if self.text.startswith(name, self.now.start):
                self.seek(self.now.start + len(name))
                return name
        return ".".join(self.qualified_name("the name of a type"))

    def in_tests(self) -> tuple[Node, ...]:
        if self.now.text != "(":
            return (self.test(),)
        self.next()
        first = self.test()
        if self.now.text == ".." and isinstance(first, tree.InputTest) and self.plain:
            return (tree.InputIn(self.range_from(first.of, closed=False)),)
        return (first, *self.more_tests())

    def more_tests(self) -> list[Node]:
        found = []
        while self.symbol(","):
            found.append(self.test())
        self.expect(")")
        return found

    # -------------------------------------------------------------------------------------------------- arithmetic

    def math(self, left: Node | None = None) -> Node:
        # One loop for each level of precedence; operators of one level apply from the left, even `**`.
        terms: list[tuple[str, Node]] = []
        term_sign = "+"
        while True:
            factors: list[tuple[str, Node]] = []
            factor_sign = "*"
            while True:
                base = self.signed() if left is None else left
                left = None
                powers = []
                while self.symbol("**"):
                    powers.append(("**", self.signed()))
                factors.append((factor_sign, tree.Arithmetic(base, tuple(powers)) if powers else base))
                factor_sign = self.now.text
                if factor_sign not in ("*", "/"):
                    break
                self.next()
            terms.append((term_sign, _chained(factors)))
            term_sign = self.now.text
            if term_sign not in ("+", "-"):
                return _chained(terms)
            self.next()

    def signed(self) -> Node:
        if self.symbol("-"):
            return tree.Negation(self.value())
        return self.value()

    # ------------------------------------------------------------------------------------------------------ values

    def value(self) -> Node:  # noqa: C901 - one branch a kind of token
        kind, text = self.now.kind, self.now.text
        if kind == NAME:
            first = self.named()
        elif kind == NUMBER:
            self.next()
            first = tree.Literal(_number(text))
        elif kind == STRING:
            self.next()
            first = tree.Literal(unescape(text[1:-1]))
        elif kind == QUOTED:
            first = self.reference()
        elif text in ("(", "["):
            position = self.now.start
            first = self.bracket()
            if isinstance(first, tree.RangeOf):
                self.seek(position)
                raise self.unexpected("a value")
        elif text == "{":
            first = self.context()
        elif text == "?":
            self.next()
            first = tree.Input()
        elif text == "@":
            self.next()
            if self.now.kind != STRING:
                raise self.unexpected('a text, as in @"2026-11-22"')
            first = tree.Temporal("@", self.next().text[1:-1])
        elif text == "-" and self.negative_number():
            self.next()
            number = _number(self.next().text)
            first = tree.Literal(like(number, number.copy_negate()) if isinstance(number, Decimal) else -number)
        else:
            raise self.unexpected("a value")
        return self.chain(first)

    def negative_number(self) -> bool:
        after = tokens.token(self.text, self.now.end)
        return after.kind == NUMBER and after.start == self.now.end

    def chain(self, node: Node) -> Node:
        links = 0
        while True:
            if self.now.text == "[":
                filtered = self.filter(node)
                if filtered is None:
                    return node
                node = filtered
            elif self.now.text == ".":
                self.next()
                node = tree.Path(node, self.property())
            else:
                return node
            links += 1
            if links > self.limits.depth:
                raise FeelLimitError("depth", f"more than {self.limits.depth} paths and filters follow one another")

    def filter(self, node: Node) -> Node | None:
        start, depth, open_end = self.now.start, self.depth, self.open_end
        try:
            self.next()
            by = self.expression()
            self.expect("]")
        except _Unexpected:
            if not open_end:
                raise
            self.depth, self.open_end = depth, True
            self.seek(start)
            return None
        return tree.Filter(node, by)

    def bracket(self) -> Node:
        """Parses what starts with a bracket: an expression in parentheses, a list or a range."""
        bracket = self.next().text
        if bracket == "]":
            return self.outward_range()
        if bracket == "[" and self.symbol("]"):
            return tree.ListOf(())
        first = self.expression()
        if self.now.text == ".." and self.plain:
            return self.range_from(first, closed=bracket == "[")
        if bracket == "(":
            self.expect(")")
            return first
        items = [first]
        while self.symbol(","):
            items.append(self.expression())
        self.expect("]")
        return tree.ListOf(tuple(items))

    def outward_range(self) -> tree.RangeOf:
        """Parses a range that starts with `]`, which is already consumed; otherwise that bracket was the mistake."""
        position, furthest, expected = self.now.start - 1, self.furthest, self.expected
        try:
            start = self.math()
            return self.range_from(start, closed=False)
        except _Unexpected:
            self.furthest, self.expected = furthest, expected
            self.seek(position)
            raise self.unexpected("a value") from None

    def range_from(self, start: Node, *, closed: bool) -> tree.RangeOf:
        self.expect("..")
        open_end, self.open_end = self.open_end, True
        end = self.math()
        self.open_end = open_end
        if self.now.text not in (")", "[", "]"):
            raise self.unexpected("']'")
        return tree.RangeOf(start, end, closed, self.next().text == "]")

    def context(self) -> Node:
        self.next()
        if self.symbol("}"):
            return tree.ContextOf(())
        entries = []
        while True:
            entries.append((self.key(), self.expression()))
            if not self.symbol(","):
                break
        self.expect("}")
        return tree.ContextOf(tuple(entries))

    def key(self) -> str:
        now = self.now
        end, colon = self.key_ends(now.start)
        if end > now.start and self.text.startswith(":", colon):
            self.seek(colon + 1)
            return self.text[now.start : end]
        if now.kind in (STRING, QUOTED):
            self.next()
            self.expect(":")
            return now.text[1:-1]
        if end > now.start and now.kind != END:
            self.next()
            raise self.unexpected("':'")
        raise self.unexpected("a key")

    def key_ends(self, position: int) -> tuple[int, int]:
        """Returns where an unquoted key ends, without and with the space and comments after it."""
        end = position
        while position < len(self.text) and self.text[position] not in tokens.NOT_IN_KEY:
            end = position + 1
            position = tokens.skip(self.text, end)
        return end, position

    # ------------------------------------------------------------------------------------------------------- names

    def named(self) -> Node:
        """Parses what starts with a name: a literal word, a literal date, a call, a function or a variable."""
        word = self.now.text
        if word in ("date", "time", "duration"):
            literal = self.temporal()
            if literal:
                return literal
        name = self.function_name()
        if name is not None:
            return self.call((), name)
        if word in RESERVED:
            return self.reserved(word)
        return self.reference()

    def reserved(self, word: str) -> Node:
        if word == "function":
            return self.function()
        if word not in ("null", "true", "false"):
            raise self.unexpected("a value")
        self.next()
        return tree.Literal(None if word == "null" else word == "true")

    def temporal(self) -> Node | None:
        for function in TEMPORAL_FUNCTIONS:
            if self.text.startswith(function, self.now.start):
                opening = tokens.token(self.text, self.now.start + len(function))
                if opening.text != "(":
                    continue
                text = tokens.token(self.text, opening.end)
                closing = tokens.token(self.text, text.end)
                if text.kind == STRING and closing.text == ")":
                    self.seek(closing.end)
                    return tree.Temporal(function, text.text[1:-1])
        return None

    def function_name(self) -> str | None:
        """Reads a function's name of one or more words, if a call starts here; the parenthesis comes next."""
        start = self.now.start
        end, words = self.words()
        if words < 2:
            for name in _NAMES_WITH_RESERVED_WORDS:
                if self.text.startswith(name, start) and end <= start + len(name):
                    end, words = start + len(name), 2
                    break
        if not words or tokens.token(self.text, end).text != "(":
            return None
        self.seek(end)
        return self.text[start:end]

    def words(self) -> tuple[int, int]:
        """Returns where the names that follow here with only spaces between them end, and how many there are."""
        name, end, count = self.now, self.now.start, 0
        while name.kind == NAME and name.text not in RESERVED:
            end, count = name.end, count + 1
            if self.text[end : end + 1] != " ":
                break
            name = tokens.token(self.text, end)
            if self.text[end : name.start].strip(" "):
                break
        return end, count

    def reference(self) -> Node:
        names = self.qualified_name("a value")
        if self.now.text == "(":
            return self.call(names[:-1], names[-1])
        return tree.Ref(names)

    def qualified_name(self, expected: str) -> tuple[str, ...]:
        names = [self.property(expected)]
        while self.symbol("."):
            names.append(self.property())
        return tuple(names)

    def property(self, expected: str = "a name") -> str:
        if self.text.startswith("time offset", self.now.start):
            self.seek(self.now.start + len("time offset"))
            return "time offset"
        return self.name(expected)

    def name(self, expected: str = "a name") -> str:
        if self.now.kind == QUOTED:
            return self.next().text[1:-1]
        if self.now.kind != NAME or self.now.text in RESERVED:
            raise self.unexpected(expected)
        return self.next().text

    # --------------------------------------------------------------------------------------------------- functions

    def call(self, path: tuple[str, ...], name: str) -> Node:
        self.expect("(")
        if self.symbol(")"):
            return tree.Call(path, name, (), None)
        named = self.parameter_follows()
        names, arguments = [], []
        while True:
            if named:
                names.append(self.parameter())
                self.expect(":")
            arguments.append(self.argument())
            if not self.symbol(","):
                break
        self.expect(")")
        if not named:
            return tree.Call(path, name, tuple(arguments), None)
        by_name = dict(zip(names, arguments, strict=True))
        return tree.Call(path, name, tuple(by_name.values()), tuple(by_name))

    def argument(self) -> Node:
        if self.now.text not in _BRACKETS:
            return self.expression()
        first = self.bracket()
        return first if isinstance(first, tree.RangeOf) else self.expression(self.chain(first))

    def parameter_follows(self) -> bool:
        end = self.now.end if self.now.kind == QUOTED else self.words()[0]
        return end > self.now.start and tokens.token(self.text, end).text == ":"

    def parameter(self) -> str:
        end, words = self.words()
        if words < 2:
            return self.name()
        start = self.now.start
        self.seek(end)
        return self.text[start:end]

    def function(self) -> Node:
        self.next()
        self.expect("(")
        parameters: list[str] = []
        if not self.symbol(")"):
            while True:
                parameters.append(self.parameter())
                if not self.symbol(","):
                    break
            self.expect(")")
        if self.now.text == "external" and tokens.token(self.text, self.now.end).text == "{":
            raise self.unexpected("an expression (functions in Java are not allowed)")
        return tree.FunctionOf(tuple(parameters), self.expression())

    # ------------------------------------------------------------------------------------------------- unary tests

    def tests(self) -> Node:
        if self.now.text == "-" and tokens.token(self.text, self.now.end).kind == END:
            self.next()
            return tree.Tests((), negated=False)
        if self.now.text == "not" and tokens.token(self.text, self.now.end).text == "(":
            self.next()
            self.next()
            return tree.Tests((self.test(), *self.more_tests()), negated=True)
        found = [self.test()]
        while self.symbol(","):
            found.append(self.test())
        return tree.Tests(tuple(found), negated=False)

    def test(self) -> Node:
        now = self.now
        if now.text in ("true", "false") and tokens.token(self.text, now.end).kind == END:
            self.next()
            return tree.InputCompare("=", tree.Literal(now.text == "true"))
        if now.text in _ORDERINGS:
            self.next()
            return tree.InputCompare(now.text, self.math())
        if now.text in _BRACKETS:
            first = self.bracket()
            if isinstance(first, tree.RangeOf):
                return tree.InputIn(first)
            return tree.InputTest(self.expression(self.chain(first)))
        return tree.InputTest(self.expression())


def _number(text: str) -> int | Decimal:
    if len(text) > _MAX_DIGITS:
        raise FeelLimitError("characters", f"a number has {len(text)} digits, {_MAX_DIGITS} are allowed")
    return plain_int(written(text))


def _chained(parts: list[tuple[str, Node]]) -> Node:
    """Chains operands with the signs before them; the first one's sign is ignored."""
    return parts[0][1] if len(parts) == 1 else tree.Arithmetic(parts[0][1], tuple(parts[1:]))
