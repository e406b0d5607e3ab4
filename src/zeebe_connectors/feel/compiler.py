"""Compile syntax trees to Python functions that take a scope and return the expression's value.

Each node becomes one closure over those of its parts, with shorter ones for the most frequent forms. Two exceptions
stand for missing values: `Failure`, which lenient operations turn into null, and `NoInput`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import product
from typing import Any

from zeebe_connectors.feel import advice, builtins, operations, temporal, tree
from zeebe_connectors.feel.builtins import Builtin
from zeebe_connectors.feel.errors import (
    ADVICE,
    INVALID_TYPE,
    INVOCATION,
    NO_FUNCTION,
    NO_VARIABLE,
    NOT_COMPARABLE,
    AssertionFailedError,
    Failure,
    FeelError,
    FeelEvaluationError,
    FeelLimitError,
    NoInput,
)
from zeebe_connectors.feel.limits import Run
from zeebe_connectors.feel.operations import show
from zeebe_connectors.feel.precision import DECIMAL128
from zeebe_connectors.feel.tree import Node
from zeebe_connectors.feel.values import (
    CONTEXT,
    LIST,
    NUMBER,
    POINTS,
    TYPE_SYNONYMS,
    Function,
    FunctionContext,
    HostFunction,
    Range,
    Scope,
    decimal,
    kind,
    type_name,
)

Code = Callable[[Scope], Any]
_MISSING: Any = object()
_BYTES_PER_RESULT = 40
_BYTES_PER_DECIMAL = 104
_NODES_PER_STEP = 8
_CHARACTERS_PER_STEP = 16
_INPUT = "cellInput"
"""The variable that holds a test's input value, as in the cluster's engine."""
_SYMBOL = "?"


def compile_tree(node: Node) -> Code:
    """Returns the function that evaluates a tree."""
    return _Compiler(node).code(node)


class _Compiler:
    def __init__(self, root: Node) -> None:
        nodes = list(tree.walk(root))
        # Only if the text defines functions can a name in scope be one, or a function keep a loop's scope.
        self.defines_functions = any(isinstance(node, tree.FunctionOf) for node in nodes)

    def code(self, node: Node) -> Code:
        compiled: Code = getattr(self, "_" + type(node).__name__.lower())(node)
        return compiled

    # ------------------------------------------------------------------------------------------------------ values

    def _literal(self, node: tree.Literal) -> Code:
        return _constant(node.value)

    def _temporal(self, node: tree.Temporal) -> Code:
        try:
            return _constant(temporal.narrow(temporal.LITERALS[node.function](node.text)))
        except ValueError:
            return _constant(None)

    def _listof(self, node: tree.ListOf) -> Code:
        items = [self.code(item) for item in node.items]
        size = 56 + 8 * len(items)

        def make_list(scope: Scope) -> Any:
            scope.run.memory -= size
            try:
                return [item(scope) for item in items]
            except NoInput as error:
                raise Failure(str(error)) from None

        return make_list

    def _contextof(self, node: tree.ContextOf) -> Code:
        entries = [(key, self.code(value)) for key, value in node.entries]
        quoted = next((key for key, _ in entries if advice.is_quoted(key)), None)
        if quoted is not None:
            return _advising(advice.on_key(quoted), self._context_of(node, entries))
        return self._context_of(node, entries)

    def _context_of(self, node: tree.ContextOf, entries: list[tuple[str, Code]]) -> Code:
        if self.defines_functions:
            return _context_with_functions(entries)
        if not any(_names_in(value) for _, value in node.entries):
            return _plain_context(entries)
        size = 64 + 64 * len(entries)

        def make_context(scope: Scope) -> Any:
            scope.run.memory -= size
            made: dict[str, Any] = {}
            inner = Scope(made, scope, scope.run)
            try:
                for key, value in entries:
                    made[key] = value(inner)
            except NoInput as error:
                raise Failure(str(error)) from None
            return made

        return make_context

    def _rangeof(self, node: tree.RangeOf) -> Code:
        start, end = self.code(node.start), self.code(node.end)

        def make_range(scope: Scope) -> Range:
            first, last = _evaluated(scope, (start, end))
            if kind(first) != kind(last) or kind(first) not in POINTS:
                scope.run.warn(INVALID_TYPE, f"Invalid range definition '{show(first)}..{show(last)}'")
                raise Failure("Invalid range definition")
            return Range(first, last, node.start_closed, node.end_closed)

        return make_range

    # ------------------------------------------------------------------------------------------- names and filters

    def _ref(self, node: tree.Ref) -> Code:
        name, *keys = node.names
        if not keys:

            def variable(scope: Scope) -> Any:
                value = lookup(scope, name)
                return value if value is not _MISSING else _no_variable(scope, name)

            return variable
        path = operations.path

        def entry(scope: Scope) -> Any:
            value = lookup(scope, name)
            if value is _MISSING:
                return _no_variable(scope, name)
            for key in keys:
                value = value[key] if type(value) is dict and key in value else path(scope.run, value, key)
            return value

        return entry

    def _path(self, node: tree.Path) -> Code:
        of, key, path = self.code(node.of), node.key, operations.path
        return lambda scope: path(scope.run, of(scope), key)

    def _filter(self, node: tree.Filter) -> Code:
        of, by = self.code(node.of), node.by
        index = _constant_index(by)
        if index is not None:
            return _forgiving(lambda scope: operations.at(_list(scope, of(scope)), index))
        condition, steps = self.code(by), _steps_of(by)
        scopes = _filter_scopes if self.defines_functions else _reused_filter_scopes
        # If it may be a number, evaluate it without an item first: it may be an index, the same for all items.
        index_first = not isinstance(by, _NEVER_AN_INDEX)

        def filtered(scope: Scope) -> Any:
            items = _list(scope, of(scope))
            if index_first:
                position = _index(scope, condition)
                if position is not None:
                    if position == 0:
                        scope.run.warn(ADVICE, advice.FROM_ONE)
                    return operations.at(items, position)
            return _select(scope, items, condition, scopes, steps)

        return _forgiving(filtered)

    # ------------------------------------------------------------------------------------------------------- calls

    def _call(self, node: tree.Call) -> Code:
        arguments = [self.code(argument) for argument in node.arguments]
        if node.path:
            return self._qualified_call(node, arguments)
        overloads = builtins.overloads(node.name)
        builtin = _matching(overloads, len(arguments), node.names)
        if builtin is not None:
            ordered = _in_order(builtin, node.names, arguments)
            direct = _builtin_call(builtin, ordered)
        else:
            direct = _host_call(node.name, arguments, node.names)
        if not self.defines_functions:
            return direct
        name, names = node.name, node.names

        def call(scope: Scope) -> Any:
            function = _find_function(scope, name, len(arguments), names)
            if function is None:
                return direct(scope)
            try:
                return _invoke(scope, function, arguments, names)
            except Failure as error:
                scope.run.warn(INVOCATION, f"Failed to invoke function '{name}': {error}")
                return None

        return call

    def _qualified_call(self, node: tree.Call, arguments: list[Code]) -> Code:
        context, name, names = self._ref(tree.Ref(node.path)), node.name, node.names

        def call(scope: Scope) -> Any:
            value = context(scope)
            if kind(value) != CONTEXT:
                message = f"Expected context but found {show(value)}"
                scope.run.warn(INVALID_TYPE, message)
                raise Failure(message)
            functions = value.functions if isinstance(value, FunctionContext) else {}
            for function in functions.get(name, ()):
                if _takes(function.parameters, len(arguments), names):
                    return _invoke(scope, function, arguments, names)
            message = f"No function found with name '{name}' and {len(arguments)} parameters"
            scope.run.warn(NO_FUNCTION, message)
            raise Failure(message)

        return call

    def _functionof(self, node: tree.FunctionOf) -> Code:
        body, parameters, steps = self.code(node.body), node.parameters, _steps_of(node.body)
        order = _order_of(node)

        def make_function(scope: Scope) -> Function:
            def invoke(run: Run, arguments: list[Any]) -> Any:
                run.tick(steps)
                return body(Scope(dict(zip(parameters, arguments, strict=False)), scope, run))

            return Function(parameters, invoke, order)

        return make_function

    # ------------------------------------------------------------------------------------------------------ control

    def _if(self, node: tree.If) -> Code:
        branches: list[tuple[Code, Code]] = []
        last: Node = node
        while isinstance(last, tree.If):  # in a loop, so that `else if` adds no depth
            branches.append((self.code(last.condition), self.code(last.then)))
            last = last.otherwise
        otherwise = self.code(last)

        def choose(scope: Scope) -> Any:
            for condition, then in branches:
                try:
                    met = condition(scope)
                except Failure:
                    met = False
                if met is True:
                    return then(scope)
                if met is not False:
                    scope.run.warn(INVALID_TYPE, f"Expected boolean but found {show(met)}")
            return otherwise(scope)

        return choose

    def _counting(self, node: tree.Counting) -> Code:
        start, end = self.code(node.start), self.code(node.end)

        def count(scope: Scope) -> Any:
            first, last = start(scope), end(scope)
            for limit in (first, last):
                if kind(limit) != NUMBER:
                    message = f"Expected number but found {show(limit)}"
                    scope.run.warn(INVALID_TYPE, message)
                    raise Failure(message)
            return _count(scope.run, first, last)

        return count

    def _for(self, node: tree.For) -> Code:
        body = self.code(node.body)
        uses_partial = "partial" in _names_in(node.body)
        rounds, steps = self._rounds(node.iterators), _steps_of(node.body)

        def loop(scope: Scope) -> Any:
            run = scope.run
            results: list[Any] = []
            for names, inner in rounds(scope):
                run.memory -= _BYTES_PER_RESULT
                run.tick(steps)
                if uses_partial:
                    run.hold(8 * len(results))
                    run.tick(len(results) // 64)
                    names["partial"] = list(results)
                try:
                    results.append(body(inner))
                except (Failure, NoInput):
                    results.append(None)
            return results

        return _forgiving(loop)

    def _quantified(self, node: tree.Quantified) -> Code:
        condition, rounds, steps = self.code(node.condition), self._rounds(node.iterators), _steps_of(node.condition)
        decisive = node.word == "some"

        def quantify(scope: Scope) -> Any:
            run = scope.run
            state: bool | None = not decisive
            for _names, inner in rounds(scope):
                run.tick(steps)
                state = _fold(run, state, decisive, condition, inner)
                if state is decisive:
                    return decisive
            return state

        return _forgiving(quantify)

    def _rounds(
        self, iterators: tuple[tuple[str, Node], ...]
    ) -> Callable[[Scope], Iterator[tuple[dict[str, Any], Scope]]]:
        """Returns a loop's variables, round by round; all rounds share one scope if no function can keep it."""
        names = [name for name, _ in iterators]
        sources = [self.code(source) for _, source in iterators]
        keep = self.defines_functions

        def rounds(scope: Scope) -> Iterator[tuple[dict[str, Any], Scope]]:
            run = scope.run
            lists = [_list(scope, source(scope)) for source in sources]
            variables: dict[str, Any] = {}
            inner = Scope(variables, scope, run)
            if len(lists) == 1:
                only = names[0]
                for item in lists[0]:
                    if keep:
                        variables = {}
                        inner = Scope(variables, scope, run)
                    variables[only] = item
                    yield variables, inner
                return
            run.space(sum(map(len, lists)))
            for items in product(*lists):
                if keep:
                    variables = {}
                    inner = Scope(variables, scope, run)
                # The first of two variables with the same name counts.
                for name, item in zip(reversed(names), reversed(items), strict=True):
                    variables[name] = item
                yield variables, inner

        return rounds

    def _logic(self, node: tree.Logic) -> Code:
        parts = [self.code(part) for part in node.parts]
        decisive = node.word == "or"
        first, rest = parts[0], parts[1:]

        def combine(scope: Scope) -> Any:
            try:
                state = first(scope)
            except Failure:
                state = None
            if state is decisive:
                return decisive
            if state is not (not decisive):
                _no_boolean(scope.run, state)
                state = None
            for part in rest:
                state = _fold(scope.run, state, decisive, part, scope)
                if state is decisive:
                    return decisive
            return state

        return combine

    # ------------------------------------------------------------------------------------------------- comparisons

    def _compare(self, node: tree.Compare) -> Code:
        left, right, sign = self.code(node.left), self.code(node.right), node.sign
        if sign == "=":
            return _equality(left, right)
        if sign == "!=":
            return _inequality(left, right)
        compare, holds = operations.compare, _INT_ORDER[sign]

        def ordered(scope: Scope) -> Any:
            first, second = left(scope), right(scope)
            if type(first) is int and type(second) is int:
                return holds(first, second)
            return compare(scope.run, sign, first, second)

        return ordered

    def _between(self, node: tree.Between) -> Code:
        low, high = tree.Compare(">=", node.of, node.low), tree.Compare("<=", node.of, node.high)
        return self._logic(tree.Logic("and", (low, high)))

    def _instanceof(self, node: tree.InstanceOf) -> Code:
        of, wanted = self.code(node.of), TYPE_SYNONYMS.get(node.type, node.type)
        if wanted == "Any":
            return lambda scope: of(scope) is not None
        return lambda scope: type_name(of(scope)) == wanted

    def _in(self, node: tree.In) -> Code:
        of, test = self.code(node.of), self._any_test(node.tests)

        def tested(scope: Scope) -> Any:
            value = of(scope)
            # A function is no variable, not even this one.
            names = {} if isinstance(value, Function) else {_INPUT: value}
            return test(Scope(names, scope, scope.run))

        return tested

    # -------------------------------------------------------------------------------------------------- arithmetic

    def _arithmetic(self, node: tree.Arithmetic) -> Code:
        first = self.code(node.first)
        rest = [(operations.OPERATORS[sign], self.code(operand)) for sign, operand in node.rest]
        if len(rest) == 1:
            (operator, second) = rest[0]

            def calculate(scope: Scope) -> Any:
                try:
                    value = first(scope)
                except Failure:
                    with contextlib.suppress(NoInput):
                        _only_errors(scope, second)
                    return None
                try:
                    return operator(scope.run, value, second(scope))
                except Failure:
                    return None

            return calculate

        def calculate_chain(scope: Scope) -> Any:
            run = scope.run
            try:
                value = first(scope)
            except Failure:
                value = None
            for operator, operand in rest:
                try:
                    value = operator(run, value, operand(scope))
                except Failure:
                    value = None
            return value

        return calculate_chain

    def _negation(self, node: tree.Negation) -> Code:
        if isinstance(node.of, tree.Literal) and type(node.of.value) is int:
            return _constant(-node.of.value)
        of, negate = self.code(node.of), operations.negate
        return _forgiving(lambda scope: negate(scope.run, of(scope)))

    # ------------------------------------------------------------------------------------------------- unary tests

    def _input(self, _node: tree.Input) -> Code:
        def symbol(scope: Scope) -> Any:
            value = lookup(scope, _SYMBOL)
            if value is _MISSING:
                raise NoInput("No input value available. '?' can only be used inside an unary-test expression.")
            return value

        return symbol

    def _inputcompare(self, node: tree.InputCompare) -> Code:
        to, sign = self.code(node.to), node.sign
        if sign == "=":
            return lambda scope: operations.equal(scope.run, _input_value(scope), to(scope))
        return lambda scope: operations.compare(scope.run, sign, _input_value(scope), to(scope))

    def _inputin(self, node: tree.InputIn) -> Code:
        start, end = self.code(node.range.start), self.code(node.range.end)
        closed = node.range.start_closed, node.range.end_closed

        def within(scope: Scope) -> Any:
            value = _input_value(scope)
            try:
                first, last = _evaluated(scope, (start, end))
                return operations.in_range(scope.run, value, Range(first, last, *closed))
            except (Failure, NoInput) as error:
                scope.run.warn(NOT_COMPARABLE, f"Can't compare {show(value)} with a range: {error}")
                return None

        return within

    def _inputtest(self, node: tree.InputTest) -> Code:
        of = self.code(node.of)

        def test(scope: Scope) -> Any:
            value = _input_value(scope)
            try:
                result = of(scope)
            except Failure:
                return False
            except NoInput:
                return _test_with_symbol(scope, of, value)
            return _accepts(scope.run, result, value)

        return test

    def _tests(self, node: tree.Tests) -> Code:
        if not node.tests:
            return _constant(True)
        test = self._any_test(node.tests)
        return _negated(test) if node.negated else test

    def _any_test(self, tests: tuple[Node, ...]) -> Code:
        return self.code(tests[0]) if len(tests) == 1 else self._logic(tree.Logic("or", tests))


_NEVER_AN_INDEX = (tree.Compare, tree.Call, tree.Logic, tree.Between, tree.InstanceOf, tree.In, tree.Quantified)
_INT_ORDER: dict[str, Callable[[int, int], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


# -------------------------------------------------------------------------------------------------------- the tree


def _advising(sentence: str, code: Code) -> Code:
    def advise(scope: Scope) -> Any:
        scope.run.warn(ADVICE, sentence)
        return code(scope)

    return advise


def _steps_of(node: Node) -> int:
    """Counts the steps of one round of a loop with this body; everything inside counts, whether it runs or not."""
    return 1 + sum(1 for _ in tree.walk(node)) // _NODES_PER_STEP


def _order_of(node: tree.FunctionOf) -> tuple[tuple[str, ...], bool] | None:
    """Returns the path by which `function(x, y) x.a < y.a` sorts, and whether the largest comes first; else None."""
    body = node.body
    if len(node.parameters) != 2 or not isinstance(body, tree.Compare) or body.sign not in ("<", ">"):
        return None
    if not isinstance(body.left, tree.Ref) or not isinstance(body.right, tree.Ref):
        return None
    (first, *names), (second, *others) = body.left.names, body.right.names
    if names != others or first == second or {first, second} != set(node.parameters):
        return None
    return tuple(names), (body.sign == ">") == (first == node.parameters[0])


def _names_in(node: Node) -> set[str]:
    """Returns the variables that an expression may read."""
    found = {part.names[0] for part in tree.walk(node) if isinstance(part, tree.Ref)}
    return found | {part.path[0] for part in tree.walk(node) if isinstance(part, tree.Call) and part.path}


def _constant_index(node: Node) -> Any:
    if isinstance(node, tree.Negation) and isinstance(node.of, tree.Literal):
        value = node.of.value
        if isinstance(value, Decimal):
            return value.copy_negate()
        return -value if type(value) is int else None
    if isinstance(node, tree.Literal) and kind(node.value) == NUMBER:
        return node.value
    return None


# ----------------------------------------------------------------------------------------------------------- pieces


def _constant(value: Any) -> Code:
    return lambda _scope: value


def _forgiving(code: Code) -> Code:
    """Wraps code so that a failure inside makes its value null."""

    def forgive(scope: Scope) -> Any:
        try:
            return code(scope)
        except Failure:
            return None

    return forgive


def lookup(scope: Scope, name: str) -> Any:
    """Returns the value of a variable in the nearest scope that has it, or `_MISSING`."""
    current: Scope | None = scope
    while current is not None:
        value = current.names.get(name, _MISSING)
        if value is not _MISSING:
            return value
        current = current.parent
    return _MISSING


def _no_variable(scope: Scope, name: str) -> None:
    scope.run.warn(NO_VARIABLE, f"No variable found with name '{name}'")


def _no_boolean(run: Run, value: Any) -> None:
    run.warn(INVALID_TYPE, f"Expected boolean but found {show(value)}")


def _list(scope: Scope, value: Any) -> Any:
    if type(value) is list or kind(value) == LIST:
        return value
    message = f"Expected list but found {show(value)}"
    scope.run.warn(INVALID_TYPE, message)
    raise Failure(message)


def _count(run: Run, first: Any, last: Any) -> Sequence[Any]:
    """Returns the numbers of a loop: 1..3 counts up, 3..1 down, by one each."""
    step = 1 if first < last else -1
    start, span = decimal(first), DECIMAL128.subtract(decimal(last), decimal(first)).copy_abs()
    size = int(span) + 1 if span.adjusted() < 18 else run.limits.items + 1
    if size > run.limits.items:
        raise FeelLimitError(
            "items", f"a loop over {show(first)}..{show(last)} has more than {run.limits.items} rounds"
        )
    if type(first) is int:
        return range(first, first + step * size, step)
    run.space(size)
    run.hold(_BYTES_PER_DECIMAL * size)
    return [DECIMAL128.add(start, Decimal(step * offset)) for offset in range(size)]


def _fold(run: Run, state: bool | None, decisive: bool, part: Code, scope: Scope) -> bool | None:  # noqa: FBT001 - inner
    """Adds an operand of `and` (decided by false) or `or` (by true); a non-boolean makes the result null."""
    try:
        value = part(scope)
    except Failure:
        return None
    if value is decisive:
        return bool(value)
    if state is not None and value is not state:
        _no_boolean(run, value)
        return None
    return state


def _context_with_functions(entries: list[tuple[str, Code]]) -> Code:
    def make_context(scope: Scope) -> Any:
        made: dict[str, Any] = {}
        functions: dict[str, list[Function]] = {}
        try:
            for key, value in entries:
                scope.run.entries(len(made) + len(functions))
                # Each function sees only what is defined before it, so it cannot call itself.
                entry = value(
                    Scope(dict(made), scope, scope.run, {name: list(known) for name, known in functions.items()})
                )
                if isinstance(entry, Function):
                    functions.setdefault(key, []).append(entry)
                else:
                    made[key] = entry
        except NoInput as error:
            raise Failure(str(error)) from None
        return FunctionContext(made, functions) if functions else made

    return make_context


def _plain_context(entries: list[tuple[str, Code]]) -> Code:
    """Makes a context whose entries read no variables, which needs no scope of its own."""
    size = 64 + 64 * len(entries)

    def make_context(scope: Scope) -> Any:
        scope.run.memory -= size
        try:
            return {key: value(scope) for key, value in entries}
        except NoInput as error:
            raise Failure(str(error)) from None

    return make_context


def _equality(left: Code, right: Code) -> Code:
    equal = operations.equal
    return lambda scope: equal(scope.run, left(scope), right(scope))


def _inequality(left: Code, right: Code) -> Code:
    def differs(scope: Scope) -> Any:
        try:
            result = operations.equal(scope.run, left(scope), right(scope))
        except Failure:
            return None
        return None if result is None else not result

    return differs


def _negated(test: Code) -> Code:
    def negate(scope: Scope) -> Any:
        try:
            result = test(scope)
        except Failure:
            return None
        if isinstance(result, bool):
            return not result
        _no_boolean(scope.run, result)
        return None

    return negate


# ----------------------------------------------------------------------------------------------------------- filters

Scopes = Callable[[Scope, Iterable[Any]], Iterator[tuple[Any, Scope]]]


def _filter_scopes(scope: Scope, items: Iterable[Any]) -> Iterator[tuple[Any, Scope]]:
    """Yields each item with the scope of its condition: the item's entries, then `item`, then the surroundings."""
    for item in items:
        if isinstance(item, Function):
            yield item, Scope({}, scope, scope.run, {"item": [item]})
            continue
        inner = Scope({"item": item}, scope, scope.run)
        if kind(item) == CONTEXT:
            inner = Scope(item, inner, scope.run, item.functions if isinstance(item, FunctionContext) else None)
        yield item, inner


def _reused_filter_scopes(scope: Scope, items: Iterable[Any]) -> Iterator[tuple[Any, Scope]]:
    """Does the same with two scopes for all items, if nothing can keep them."""
    names: dict[str, Any] = {}
    with_item = Scope(names, scope, scope.run)
    with_entries = Scope(names, with_item, scope.run)
    for item in items:
        names["item"] = item
        if type(item) is dict or kind(item) == CONTEXT:
            with_entries.names = item
            yield item, with_entries
        else:
            yield item, with_item


def _index(scope: Scope, condition: Code) -> Any:
    try:
        value = condition(scope)
    except (Failure, NoInput):
        return None
    return value if kind(value) == NUMBER else None


def _select(scope: Scope, items: Any, condition: Code, scopes: Scopes, steps: int) -> Any:
    found = []
    first = True
    run = scope.run
    for item, inner in scopes(scope, items):
        run.tick(steps)
        try:
            met = condition(inner)
        except (Failure, NoInput):
            if first:
                raise
            met = None
        if met is True:
            found.append(item)
        elif first and kind(met) == NUMBER:
            return operations.at(items, met)
        first = False
    return found


# ------------------------------------------------------------------------------------------------------------- calls


def _takes(parameters: Sequence[str], count: int, names: Sequence[str] | None) -> bool:
    return len(parameters) == count if names is None else set(names) <= set(parameters)


def _matching(overloads: Sequence[Builtin], count: int, names: Sequence[str] | None) -> Builtin | None:
    for builtin in overloads:
        if _takes(builtin.parameters, count, names):
            return builtin
        if names is None and builtin.variadic and len(builtin.parameters) < count:
            return builtin
    return None


def _in_order(builtin: Builtin, names: Sequence[str] | None, arguments: list[Code]) -> list[Code]:
    """Returns one argument for each parameter: null for one that a named call omits, one list for a variadic rest."""
    if names is not None:
        by_name = dict(zip(names, arguments, strict=True))
        return [by_name.get(parameter, _constant(None)) for parameter in builtin.parameters]
    if not builtin.variadic:
        return arguments
    fixed = len(builtin.parameters) - 1
    rest = arguments[fixed:]
    if not fixed and len(rest) == 1:
        only = rest[0]

        def as_list(scope: Scope) -> Any:
            try:
                value = only(scope)
            except NoInput as error:
                raise Failure(str(error)) from None
            return value if type(value) is list or kind(value) == LIST else [value]

        return [as_list]

    def rest_as_list(scope: Scope) -> Any:
        try:
            return _evaluated(scope, rest)
        except NoInput as error:
            raise Failure(str(error)) from None

    return [*arguments[:fixed], rest_as_list]


def _builtin_call(builtin: Builtin, arguments: list[Code]) -> Code:
    name, invoke = builtin.name, builtin.invoke
    if len(arguments) == 1:
        only = arguments[0]

        def call_one(scope: Scope) -> Any:
            try:
                return invoke(scope.run, only(scope))
            except Failure as error:
                return _failed(scope.run, name, error)

        return call_one
    if len(arguments) == 2:
        first, second = arguments

        def call_two(scope: Scope) -> Any:
            try:
                value = first(scope)
            except Failure as error:
                _only_errors(scope, second)
                return _failed(scope.run, name, error)
            try:
                return invoke(scope.run, value, second(scope))
            except Failure as error:
                return _failed(scope.run, name, error)

        return call_two

    def call(scope: Scope) -> Any:
        try:
            return invoke(scope.run, *_evaluated(scope, arguments))
        except Failure as error:
            return _failed(scope.run, name, error)

    return call


def _evaluated(scope: Scope, arguments: Sequence[Code]) -> list[Any]:
    """Evaluates the arguments, all of them even if one fails, because a later one may end the evaluation."""
    found: list[Any] = []
    for index, argument in enumerate(arguments):
        try:
            found.append(argument(scope))
        except Failure:
            for later in arguments[index + 1 :]:
                _only_errors(scope, later)
            raise
    return found


def _only_errors(scope: Scope, code: Code) -> None:
    """Evaluates a part whose value is unused after a failure beside it, but which may still end the evaluation."""
    with contextlib.suppress(Failure):
        code(scope)


def _failed(run: Run, name: str, error: Failure) -> None:
    if name == "assert":
        raise AssertionFailedError(f"assertion failed: {error}") from None
    run.warn(INVOCATION, f"Failed to invoke function '{name}': {error}")


def _host_call(name: str, arguments: list[Code], names: Sequence[str] | None) -> Code:
    def call(scope: Scope) -> Any:
        for function in (scope.run.functions or {}).get(name, ()):
            if _takes(function.parameters, len(arguments), names):
                try:
                    return _call_host(scope.run, function, _evaluated(scope, arguments), names)
                except Failure as error:
                    return _failed(scope.run, name, error)
        with_what = f"{len(arguments)} parameters" if names is None else f"parameters: {', '.join(names)}"
        scope.run.warn(NO_FUNCTION, f"No function found with name '{name}' and {with_what}")
        return None

    return call


def _call_host(run: Run, function: HostFunction, arguments: list[Any], names: Sequence[str] | None) -> Any:
    run.tick(1 + sum(len(argument) for argument in arguments if type(argument) is str) // _CHARACTERS_PER_STEP)
    if names is not None:
        by_name = dict(zip(names, arguments, strict=True))
        arguments = [by_name.get(parameter) for parameter in function.parameters]
    try:
        return function.call(*arguments)
    except (FeelError, Failure):
        raise
    except Exception as error:
        raise FeelEvaluationError(f"{function.name}: {error}") from error


def _find_function(scope: Scope, name: str, count: int, names: Sequence[str] | None) -> Function | None:
    current: Scope | None = scope
    while current is not None:
        for function in (current.functions or {}).get(name, ()):
            if _takes(function.parameters, count, names):
                return function
        current = current.parent
    return None


def _invoke(scope: Scope, function: Function, arguments: list[Code], names: Sequence[str] | None) -> Any:
    given = _evaluated(scope, arguments)
    if names is not None:
        by_name = dict(zip(names, given, strict=True))
        given = [by_name.get(parameter) for parameter in function.parameters]
    return function.invoke(scope.run, given)


# ------------------------------------------------------------------------------------------------------- unary tests


def _input_value(scope: Scope) -> Any:
    value = lookup(scope, _INPUT)
    if value is _MISSING:
        scope.run.warn(NO_VARIABLE, "No input value found.")
        return None
    return value


def _test_with_symbol(scope: Scope, of: Code, value: Any) -> bool | None:
    """Evaluates an expression that reads `?`: it is a condition, whose result is the test's."""
    try:
        result = of(Scope({_SYMBOL: value}, scope, scope.run))
    except (Failure, NoInput):
        return None
    return result if isinstance(result, bool) else None


def _accepts(run: Run, result: Any, value: Any) -> bool | None:
    """Returns whether a test's result accepts an input value: true, the value itself, or a list that contains it."""
    if result is True:
        return True
    if kind(result) == LIST:
        run.tick(len(result))
        return any(operations.same(run, item, value) for item in result) or operations.same(run, result, value)
    equal = operations.equal(run, value, result)
    return False if result is False and equal is not True else equal


__all__ = ["Code", "compile_tree", "lookup"]
