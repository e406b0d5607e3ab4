"""Draw an element template as a modeler shows it: groups, the fields that its conditions let through, values.

It reads the template's JSON alone, so the template of an import or of another project is drawn the same way.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zeebe_connectors.templates.conditions import conditions_of


@dataclass(frozen=True, slots=True)
class PreviewField:
    """One field as it is shown.

    Args:
        id: The property's.
        label: What stands above it.
        value: What it holds: what was chosen, else what the form starts with; a choice by its value.
        control: The modeler's word: `String`, `Text`, `Dropdown`, `Boolean` or `Number`.
        hint: The line below it.
        more: What stands behind its label.
        placeholder: What it shows while it is empty.
        required: It must be filled in.
        expression: None, `optional`, or `required` where only an expression is taken.
        choices: Value and label of each choice.
        decides: Other fields are shown or not by its value.
    """

    id: str
    label: str
    value: Any
    control: str
    hint: str
    more: str
    placeholder: str
    required: bool
    expression: str | None
    choices: tuple[tuple[str, str], ...]
    decides: bool

    @property
    def shown(self) -> str:
        """The value as text, a choice by its label."""
        if isinstance(self.value, bool):
            return "on" if self.value else "off"
        text = "" if self.value is None else str(self.value)
        return dict(self.choices).get(text, text)


@dataclass(frozen=True, slots=True)
class PreviewGroup:
    """A section of the form with the fields that are shown."""

    id: str
    label: str
    tooltip: str
    open: bool
    fields: tuple[PreviewField, ...]


def preview(template: Mapping[str, Any], chosen: Mapping[str, str] | None = None) -> list[PreviewGroup]:
    """Returns the form as it is shown with other values in some fields.

    Args:
        template: The element template.
        chosen: Property id -> value of a choice (`true` or `false` for a box); a value that is no choice is ignored.

    Returns:
        The groups that show anything, in order; properties without a group come last, below no title.
    """
    held = _held(template, chosen or {})
    deciding = {one["property"] for item in template["properties"] for one in conditions_of(item)}
    fields: dict[str, list[PreviewField]] = {}
    for item in template["properties"]:
        if item.get("type") != "Hidden" and all(_holds(one, held) for one in conditions_of(item)):
            fields.setdefault(item.get("group", ""), []).append(_field(item, held, deciding))
    groups = [*template.get("groups", ()), {"id": "", "label": ""}]
    return [
        PreviewGroup(
            group["id"],
            group["label"],
            group.get("tooltip", ""),
            group.get("openByDefault", True),
            tuple(fields[group["id"]]),
        )
        for group in groups
        if group["id"] in fields
    ]


def shown_properties(template: Mapping[str, Any], chosen: Mapping[str, str] | None = None) -> list[Mapping[str, Any]]:
    """Returns the template's properties whose conditions hold, hidden ones too.

    Args:
        template: The element template.
        chosen: As for `preview`.
    """
    held = _held(template, chosen or {})
    return [item for item in template["properties"] if all(_holds(one, held) for one in conditions_of(item))]


def _held(template: Mapping[str, Any], chosen: Mapping[str, str]) -> dict[str, Any]:
    """Returns the values that conditions ask for, by property id."""
    held: dict[str, Any] = {}
    for item in template["properties"]:
        name, kind = item.get("id"), item.get("type")
        if name is None:
            continue
        held[name] = item.get("value", False if kind == "Boolean" else None)
        wanted = chosen.get(name)
        if kind == "Boolean" and wanted in {"true", "false"}:
            held[name] = wanted == "true"
        elif kind == "Dropdown" and wanted in {choice["value"] for choice in item["choices"]}:
            held[name] = wanted
    return held


def _holds(condition: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    value = held.get(condition["property"])
    if "oneOf" in condition:
        return value in condition["oneOf"]
    return bool(value == condition.get("equals"))


def _field(item: Mapping[str, Any], held: Mapping[str, Any], deciding: set[str]) -> PreviewField:
    name = item.get("id", "")
    return PreviewField(
        id=name,
        label=item.get("label", name),
        value=held.get(name, item.get("value")),
        control=item["type"],
        hint=html.unescape(item.get("description", "")),
        more=html.unescape(item.get("tooltip", "")),
        placeholder=item.get("placeholder", ""),
        required=bool(item.get("constraints", {}).get("notEmpty")),
        expression=item.get("feel"),
        choices=tuple((choice["value"], choice["name"]) for choice in item.get("choices", ())),
        decides=name in deciding and item["type"] in {"Dropdown", "Boolean"},
    )
