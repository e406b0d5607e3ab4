"""Run tasks: those done by a job worker, and FEEL scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from zeebe_connectors.engine.flow.variables import Visible, evaluate, kind_of, text_value
from zeebe_connectors.engine.incidents import EXTRACT_VALUE, StepFailedError

if TYPE_CHECKING:
    from zeebe_connectors.engine.flow.flow import Flow
    from zeebe_connectors.engine.flow.instances import ElementInstance

_MAX_RETRIES = 2**31 - 1


class JobTask:
    """Creates a job and waits for its end."""

    def activate(self, flow: Flow, instance: ElementInstance) -> None:
        """Create the job."""
        definition, engine = instance.element.job, flow.engine
        assert definition is not None  # noqa: S101 - the checks see to it
        variables = Visible(instance)
        kind = definition.type.text
        if not definition.type.is_static:
            kind = text_value(engine, definition.type, variables, "the job type")
        retries = _retries(flow, instance)
        headers = definition.headers
        if definition.header_expressions:
            headers = dict(headers)
            for name, expression in definition.header_expressions.items():
                value = evaluate(engine, expression, variables)
                if value is not None:
                    headers[name] = value if isinstance(value, str) else json.dumps(value)
        flow.activated(instance)
        engine.jobs.create(instance, kind, retries, headers)


def _retries(flow: Flow, instance: ElementInstance) -> int:
    definition = instance.element.job
    assert definition is not None  # noqa: S101 - the caller has looked
    expression = definition.retries
    value = evaluate(flow.engine, expression, Visible(instance))
    if expression.is_static:
        try:
            value = int(expression.text)
        except ValueError:
            value = expression.text
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _MAX_RETRIES:
        raise StepFailedError(
            EXTRACT_VALUE,
            f"Expected result of the expression '{expression.source}' for the job retries to be 'NUMBER', but was "
            f"'{kind_of(value)}'.",
        )
    return int(value)


class ScriptTask:
    """Evaluates a FEEL expression into a variable."""

    def activate(self, flow: Flow, instance: ElementInstance) -> None:
        """Evaluate, and continue."""
        element = instance.element
        assert element.script is not None  # noqa: S101 - what makes it a script
        assert element.result_variable is not None  # noqa: S101 - read together
        value = evaluate(flow.engine, element.script, Visible(instance))
        flow.activated(instance)
        flow.do("complete", instance, {element.result_variable: value})
