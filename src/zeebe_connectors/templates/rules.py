"""Check templates for what modelers need beyond the schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from zeebe_connectors.templates.conditions import conditions_of
from zeebe_connectors.templates.element_template import SCHEMA, Template
from zeebe_connectors.templates.form import CONNECTION_GROUP

_TARGETS = ("name", "key", "property")


def broken_rules(template: Template) -> list[str]:
    """Checks references, defaults and deployability; returns what is wrong, nothing if all is well."""
    return [
        *_head(template),
        *_references(template),
        *_conditions(template),
        *_values(template),
        *_bindings(template),
        *_versions(template),
    ]


def _head(template: Template) -> Iterator[str]:
    if template.get("$schema") != SCHEMA:
        yield "$schema must be the unversioned address"
    if not isinstance(template.get("version"), int):
        yield "version must be a whole number"
    for key in ("elementType", "engines", "appliesTo"):
        if not template.get(key):
            yield f"{key} is missing"


def _references(template: Template) -> Iterator[str]:
    groups = [group["id"] for group in template["groups"]]
    for name, count in Counter(groups).items():
        if count > 1:
            yield f"the group {name} is declared {count} times"
    used = {item["group"] for item in template["properties"] if "group" in item}
    yield from (f"the group {name} is not declared" for name in sorted(used - set(groups)))
    yield from (f"the group {name} has no property" for name in groups if name not in used)
    if "operation" in groups[1:] and groups[:2] != [CONNECTION_GROUP.id, "operation"]:
        yield "the group operation must come first"
    for item in template["properties"]:
        if "group" not in item and item["type"] != "Hidden":
            yield f"{_name(item)} is shown but in no group"
    for name, count in Counter(item["id"] for item in template["properties"] if "id" in item).items():
        if count > 1:
            yield f"the id {name} stands {count} times"


def _conditions(template: Template) -> Iterator[str]:
    earlier: dict[str, dict[str, Any]] = {}
    for item in template["properties"]:
        for condition in conditions_of(item):
            other = earlier.get(condition["property"])
            if other is None:
                yield f"{_name(item)} depends on {condition['property']}, which does not come before it"
                continue
            values = condition.get("oneOf", [condition["equals"]] if "equals" in condition else [])
            choices = {choice["value"] for choice in other.get("choices", ())}
            if other["type"] == "Dropdown" and not set(values) <= choices:
                yield f"{_name(item)} depends on a choice that {other['id']} does not have"
            if other["type"] == "Boolean" and not all(isinstance(value, bool) for value in values):
                yield f"{_name(item)} compares the Boolean {other['id']} with something else"
        if "id" in item:
            earlier[item["id"]] = item


def _values(template: Template) -> Iterator[str]:
    for item in template["properties"]:
        values = [choice["value"] for choice in item.get("choices", ())]
        if item["type"] == "Dropdown":
            if not values or len(values) != len(set(values)):
                yield f"{_name(item)} needs choices, each once"
            if "value" in item and item["value"] not in values:
                yield f"the default of {_name(item)} is no choice"
        if item["type"] == "Boolean" and not isinstance(item.get("value", False), bool):
            yield f"the default of {_name(item)} is no Boolean"
        constraints = item.get("constraints", {})
        if item.get("optional") and (constraints.get("notEmpty") or "pattern" in constraints):
            yield f"{_name(item)} is optional and has a constraint that marks it when empty"
        empty_breaks = item["binding"]["type"] == "zeebe:input" and not item.get("optional")
        if empty_breaks and not constraints.get("notEmpty") and "value" not in item:
            yield f"{_name(item)} may stay empty without being optional, so brokers before 8.8 refuse the diagram"


def _bindings(template: Template) -> Iterator[str]:
    seen: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for item in template["properties"]:
        binding = item["binding"]
        target = (binding["type"], *(binding[key] for key in _TARGETS if key in binding))
        others = seen.setdefault((target[0], ".".join(target[1:])), [])
        if others and not all(conditions_of(other) for other in (*others, item)):
            yield f"{_name(item)} is bound to the same {'.'.join(target[1:])} as another, without a condition"
        others.append(item)


def _versions(template: Template) -> Iterator[str]:
    bound = {item["binding"].get("key"): item.get("value") for item in template["properties"]}
    if "elementTemplateVersion" in bound and bound["elementTemplateVersion"] != str(template["version"]):
        yield "the header elementTemplateVersion differs from the version"
    if "elementTemplateId" in bound and bound["elementTemplateId"] != template["id"]:
        yield "the header elementTemplateId differs from the id"


def _name(item: dict[str, Any]) -> str:
    return str(item.get("id") or item["binding"])
