"""Make the menu of operations that the Modeler opens behind a template's name, for connectors that have several.

Each way through the menu ends at a preset, which chooses the operation in the form. Modelers without such menus ignore
both, and the form begins with its defaults.
"""

from __future__ import annotations

from typing import Any

from zeebe_connectors.templates.form import OPERATION_GROUP, Condition, Field, Form


def menu_of(form: Form) -> dict[str, Any]:
    """Returns the template's `steps` and `presets`; empty if the form's first section chooses no operation."""
    selectors = [item for item in form.of(OPERATION_GROUP.id) if item.kind == "choice"]
    if not selectors or selectors[0] is not form.of(OPERATION_GROUP.id)[0]:
        return {}
    presets: list[dict[str, Any]] = []
    steps = _steps(selectors[0], selectors[1:], {}, presets)
    return {"steps": steps, "presets": presets}


def _steps(
    selector: Field, others: list[Field], chosen: dict[str, str], presets: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    for choice in selector.choices:
        values = {**chosen, selector.id: choice.value}
        below = next((item for item in others if Condition(selector.id, (choice.value,)) in item.conditions), None)
        step: dict[str, Any] = {"name": choice.label}
        if below is not None:
            step["steps"] = _steps(below, [item for item in others if item is not below], values, presets)
        else:
            step["presetId"] = "_".join(values.values())
            presets.append({"id": step["presetId"], "properties": values})
        steps.append(step)
    return steps
