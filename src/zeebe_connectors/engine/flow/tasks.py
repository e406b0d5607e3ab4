"""Run tasks: those done by a job worker, and FEEL scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from zeebe_connectors.engine.flow.variables import Visible, evaluate, kind_of, text_value
from zeebe_connectors.engine.incidents import EXTRACT_VALUE, FORM_NOT_FOUND, StepFailedError
from zeebe_connectors.engine.model import MAX_RETRIES, Expression, LinkedForm

if TYPE_CHECKING:
    from zeebe_connectors.engine.flow.flow import Flow
    from zeebe_connectors.engine.flow.instances import ElementInstance

_FORM_KEY = "io.camunda.zeebe:formKey"
_LISTS = frozenset({"io.camunda.zeebe:candidateGroups", "io.camunda.zeebe:candidateUsers"})


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
        if definition.header_expressions or definition.form is not None:
            headers = dict(headers)
            for name, expression in definition.header_expressions.items():
                value = evaluate(engine, expression, variables)
                if value is not None:
                    headers[name] = _header(name, expression, value)
            if definition.form is not None:
                headers[_FORM_KEY] = str(_form_key(flow, instance, definition.form))
        flow.activated(instance)
        engine.jobs.create(instance, kind, retries, headers)


def _header(name: str, expression: Expression, value: object) -> str:
    """Write what a user task's expression gave: a list of texts as JSON, or a text.

    Raises:
        StepFailedError: It is something else.
    """
    if name not in _LISTS and isinstance(value, str):
        return value
    if name in _LISTS and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return json.dumps(value)
    expected = "an 'ARRAY' of 'STRING' items" if name in _LISTS else "'STRING'"
    raise StepFailedError(
        EXTRACT_VALUE,
        f"Expected result of the expression '{expression.source}' for the header '{name}' to be {expected}, but was "
        f"'{kind_of(value)}'.",
    )


def _form_key(flow: Flow, instance: ElementInstance, form: LinkedForm) -> int:
    """Return the key of a user task's form.

    Raises:
        StepFailedError: Its id cannot be evaluated, or no such form is deployed.
    """
    engine = flow.engine
    form_id = text_value(engine, form.form_id, Visible(instance), "the form id")
    deployment = instance.process.definition.deployment_key
    found = engine.definitions.form(form_id, form.binding, deployment, form.version_tag)
    if found is None:
        where = {
            "deployment": " in the deployment of the process",
            "versionTag": f" with the version tag '{form.version_tag}'",
        }.get(form.binding, "")
        raise StepFailedError(
            FORM_NOT_FOUND,
            f"Expected to find a form with id '{form_id}'{where}, but no form with this id is found. To resolve the "
            "incident, deploy the form.",
        )
    return found.key


def _retries(flow: Flow, instance: ElementInstance) -> int:
    definition = instance.element.job
    assert definition is not None  # noqa: S101 - the caller has looked
    if definition.static_retries is not None:
        return definition.static_retries
    expression = definition.retries
    value = evaluate(flow.engine, expression, Visible(instance))
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_RETRIES:
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
