"""Look up, write and map variables along the scopes of element instances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from zeebe_connectors.engine.happenings import HappeningKind
from zeebe_connectors.engine.incidents import EXTRACT_VALUE, IO_MAPPING, StepFailedError
from zeebe_connectors.engine.model import Expression, ExpressionError

if TYPE_CHECKING:
    from zeebe_connectors.engine.core import Engine
    from zeebe_connectors.engine.flow.instances import ElementInstance

_MISSING = object()


class Visible(Mapping[str, Any]):
    """The variables that an element instance sees: its own, then those of the scopes around it.

    Args:
        instance: The innermost scope.
        above: Variables that take precedence over all of these.
    """

    __slots__ = ("_above", "_instance")

    def __init__(self, instance: ElementInstance | None, above: Mapping[str, Any] | None = None) -> None:
        self._instance = instance
        self._above = above

    def get(self, name: str, default: Any = None) -> Any:
        """Return the nearest value of this name."""
        if self._above is not None and name in self._above:
            return self._above[name]
        scope = self._instance
        while scope is not None:
            variables = scope.variables
            if variables is not None and name in variables:
                return variables[name]
            scope = scope.parent
        return default

    def __getitem__(self, name: str) -> Any:
        value = self.get(name, _MISSING)
        if value is _MISSING:
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name, _MISSING) is not _MISSING

    def __iter__(self) -> Iterator[str]:
        return iter(self.all())

    def __len__(self) -> int:
        return len(self.all())

    def all(self) -> dict[str, Any]:
        """Return every visible variable, the nearest of each name."""
        scopes = []
        scope = self._instance
        while scope is not None:
            if scope.variables:
                scopes.append(scope.variables)
            scope = scope.parent
        if len(scopes) == 1 and not self._above:
            return scopes[0]
        found: dict[str, Any] = {}
        for variables in reversed(scopes):
            found.update(variables)
        if self._above:
            found.update(self._above)
        return found


def evaluate(engine: Engine, expression: Expression, variables: Mapping[str, Any], kind: str = EXTRACT_VALUE) -> Any:
    """Evaluate an expression to a JSON value.

    Raises:
        StepFailedError: The expression fails.
    """
    try:
        return expression.value(variables, engine.clock.now)
    except ExpressionError as error:
        raise StepFailedError(kind, str(error)) from None


def text_value(engine: Engine, expression: Expression, variables: Mapping[str, Any], what: str) -> str:
    """Evaluate an expression to a text.

    Raises:
        StepFailedError: The expression fails, or its value is not a text.
    """
    value = evaluate(engine, expression, variables)
    if not isinstance(value, str):
        raise StepFailedError(
            EXTRACT_VALUE,
            f"Expected result of the expression '{expression.source}' for {what} to be 'STRING', but was "
            f"'{kind_of(value)}'.",
        )
    return value


def kind_of(value: Any) -> str:
    """Name the kind of a JSON value for messages."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int | float):
        return "NUMBER"
    if isinstance(value, str):
        return "STRING"
    return "ARRAY" if isinstance(value, list) else "OBJECT"


def assign(into: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Write a value below a path of names; contexts along the path are copied, so that others do not change."""
    for name in path[:-1]:
        inner = into.get(name)
        into[name] = inner = dict(inner) if isinstance(inner, dict) else {}
        into = inner
    into[path[-1]] = value


def set_variables(engine: Engine, instance: ElementInstance, variables: Mapping[str, Any]) -> None:
    """Set variables in the scope of one instance."""
    if not variables:
        return
    if instance.variables is None:
        instance.variables = dict(variables)
    else:
        instance.variables.update(variables)
    engine.touch(instance)
    if engine.observers:
        engine.tell(HappeningKind.VARIABLES_SET, instance.key, instance, {"variables": dict(variables)})


def propagate(engine: Engine, instance: ElementInstance, variables: Mapping[str, Any]) -> None:
    """Set each variable in the nearest scope that has it, from this one upward; else in the root."""
    by_scope: dict[int, tuple[ElementInstance, dict[str, Any]]] = {}
    for name, value in variables.items():
        scope = instance
        while scope.parent is not None and (scope.variables is None or name not in scope.variables):
            scope = scope.parent
        by_scope.setdefault(scope.key, (scope, {}))[1][name] = value
    for scope, found in by_scope.values():
        set_variables(engine, scope, found)


def apply_inputs(engine: Engine, instance: ElementInstance) -> None:
    """Evaluate the input mappings into local variables, all or none.

    Raises:
        StepFailedError: A mapping fails.
    """
    made: dict[str, Any] = {}
    visible = Visible(instance, made)
    for mapping in instance.element.inputs:
        value = evaluate(engine, mapping.source, visible, IO_MAPPING) if mapping.source is not None else None
        assign(made, mapping.target, value)
    set_variables(engine, instance, made)


def apply_outputs(engine: Engine, instance: ElementInstance, payload: Mapping[str, Any] | None) -> None:
    """Merge an element's result, unchanged or through the output mappings.

    Raises:
        StepFailedError: A mapping fails.
    """
    outputs = instance.element.outputs
    if not outputs:
        if payload:
            propagate(engine, instance, payload)
        return
    # An instance of a multi-instance body writes to its own scope first, where its output element lives.
    target = instance if instance.index >= 0 else instance.parent
    if target is None:
        return
    if payload:
        set_variables(engine, instance, payload)
    made: dict[str, Any] = {}
    visible = Visible(instance, made)
    outer = Visible(target)
    try:
        for mapping in outputs:
            value = evaluate(engine, mapping.source, visible, IO_MAPPING) if mapping.source is not None else None
            first = mapping.target[0]
            if len(mapping.target) > 1 and first not in made:
                made[first] = outer.get(first)
            assign(made, mapping.target, value)
    except StepFailedError as error:
        error.done = True  # the result is local by now, where it can be corrected
        raise
    propagate(engine, target, made)
