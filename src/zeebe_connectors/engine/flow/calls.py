"""Run call activities: another process, as part of this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeebe_connectors.engine.flow.variables import Visible, text_value
from zeebe_connectors.engine.incidents import CALLED_ELEMENT, StepFailedError
from zeebe_connectors.engine.model import CalledElement

if TYPE_CHECKING:
    from zeebe_connectors.engine.definitions import Definition
    from zeebe_connectors.engine.flow.flow import Flow
    from zeebe_connectors.engine.flow.instances import ElementInstance

MAX_DEPTH = 1_000


class CallActivity:
    """Creates an instance of the called process and waits for its end."""

    def activate(self, flow: Flow, instance: ElementInstance) -> None:
        """Call."""
        called = instance.element.called
        assert called is not None  # noqa: S101 - the checks see to it
        engine = flow.engine
        process_id = text_value(engine, called.process_id, Visible(instance), "the called process")
        definition = self._find(flow, instance, called, process_id)
        if definition.model.none_start is None:
            raise StepFailedError(
                CALLED_ELEMENT, f"Expected process with BPMN process id '{process_id}' to have a none start event."
            )
        if instance.process.depth + 1 >= MAX_DEPTH:
            raise StepFailedError(
                CALLED_ELEMENT, f"Expected at most {MAX_DEPTH} calls inside one another; does the process call itself?"
            )
        flow.activated(instance)
        variables = Visible(instance).all() if called.propagate_parent else instance.variables
        instance.called = engine.start_process(definition, dict(variables or {}), caller=instance)

    def _find(self, flow: Flow, instance: ElementInstance, called: CalledElement, process_id: str) -> Definition:
        definitions = flow.engine.definitions
        how = ""
        match called.binding:
            case "deployment":
                found = definitions.in_deployment(process_id, instance.process.definition.deployment_key)
                how = " in the same deployment as the calling process"
            case "versionTag":
                found = definitions.with_tag(process_id, called.version_tag or "")
                how = f" with the version tag '{called.version_tag}'"
            case _:
                found = definitions.latest(process_id)
        if found is None:
            raise StepFailedError(
                CALLED_ELEMENT,
                f"Expected process with BPMN process id '{process_id}' to be deployed{how}, but not found.",
            )
        return found


def called_ended(flow: Flow, caller: ElementInstance, child_variables: dict[str, object] | None) -> None:
    """Continue after a called process with the variables that it returns."""
    called = caller.element.called
    caller.called = None
    assert called is not None  # noqa: S101 - what makes it a call activity
    given = dict((child_variables if called.propagate_child or caller.element.outputs else None) or {})
    around: ElementInstance | None = caller
    while around is not None and given:
        loop = around.element.loop
        if around.is_body and loop is not None and loop.output_collection is not None:
            # Outputs collected since the call began are newer than the copy that the called process got.
            given.pop(loop.output_collection, None)
        around = around.parent
    flow.do("complete", caller, given)
