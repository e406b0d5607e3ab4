"""Make templates of an operator's providers: the forms' dropdowns list them, and each operation has a form of its own.

No template holds an address, a credential or anything else of an environment: only names, paths and what to fill in.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Container, Iterable, Mapping
from typing import Any

from zeebe_connectors.config.providers import Operation, Provider, Variable
from zeebe_connectors.config.providers.addresses import placeholders
from zeebe_connectors.config.providers.model import METHOD_INPUTS, without_tls
from zeebe_connectors.config.providers.operations import connector_of
from zeebe_connectors.sdk.connector import Inbound, Outbound
from zeebe_connectors.sdk.provided import CONNECTION, ENVIRONMENT, PROVIDER, VALUES, word_for
from zeebe_connectors.templates.conditions import conditions_of
from zeebe_connectors.templates.element_template import Template, template_text, templates_of
from zeebe_connectors.templates.kinds import humanised


def with_providers(template: Template, protocols: Iterable[str], providers: Mapping[str, Provider]) -> Template:
    """Returns a connector's template with a choice of providers in its field `provider`; unchanged if there are none.

    Args:
        template: As the connector has it.
        protocols: That the connector takes.
        providers: By name.
    """
    taken = set(protocols)
    fitting = {name: one for name, one in providers.items() if one.active and one.protocol in taken}
    made = copy.deepcopy(template)
    if not fitting:
        return made
    for item in made["properties"]:
        if item.get("id") == PROVIDER:
            item.pop("placeholder", None)
            item["type"] = "Dropdown"
            item["choices"] = [{"name": _listed(name, one), "value": name} for name, one in fitting.items()]
    return made


def operation_templates(
    name: str, provider: Provider, connectors: Mapping[str, Outbound], *, taken: Container[str] = ()
) -> dict[str, Template]:
    """Returns a template for each operation of a provider, by file name without suffix.

    Args:
        name: The provider's.
        provider: The provider.
        connectors: Those that are installed, by name; an operation whose connector is missing is left out.
        taken: File names that others have: `erp.x` and `erp-x` would have the same.
    """
    made: dict[str, Template] = {}
    for key, operation in provider.operations.items():
        connector = connector_of(provider, operation, connectors)
        if connector is not None and (base := templates_of(connector).get(connector.name)) is not None:
            slug = _slug(key)
            file = f"{_slug(name)}-{slug}"
            if file in made or file in taken:
                slug += f"-{hashlib.sha256(f'{name}/{key}'.encode()).hexdigest()[:6]}"
            made[f"{_slug(name)}-{slug}"] = _Made(base, name, provider, (key, slug), operation).template
    return made


def provider_files(providers: Mapping[str, Provider], connectors: Mapping[str, Outbound | Inbound]) -> dict[str, str]:
    """Returns all files of `template write --providers`: file name without suffix -> text."""
    outbound = {name: one for name, one in connectors.items() if isinstance(one, Outbound)}
    files: dict[str, str] = {}
    for connector in connectors.values():
        for file, template in templates_of(connector).items():
            files[file] = template_text(with_providers(template, connector.protocols, providers))
    for name, provider in providers.items():
        if provider.active:
            for file, template in operation_templates(name, provider, outbound, taken=files).items():
                files[file] = template_text(template)
    return files


class _Made:
    """Makes one operation's template from its connector's."""

    def __init__(
        self, base: Template, name: str, provider: Provider, named: tuple[str, str], operation: Operation
    ) -> None:
        key, slug = named
        self._name = name
        self._provider = provider
        self._operation = operation
        template = copy.deepcopy(base)
        template["id"] = f"{base['id']}.{_slug(name)}.{slug}"
        template["name"] = f"{operation.name or humanised(key)} ({name})"
        template["description"] = operation.description or provider.description or template["description"]
        template["keywords"] = list(dict.fromkeys([*provider.tags, name, key, *template.get("keywords", ())]))
        if provider.documentation:
            template["documentationRef"] = provider.documentation
        properties = [item for item in template["properties"] if not _is_here(item)]
        template["properties"] = [made for item in properties for made in self._property(item, template["id"])]
        used = {item["group"] for item in template["properties"] if "group" in item and item["type"] != "Hidden"}
        template["groups"] = [group for group in template["groups"] if group["id"] in used]
        for item in template["properties"]:
            if item.get("group") not in used:
                item.pop("group", None)
        self.template: Template = template

    def _property(self, item: dict[str, Any], template_id: str) -> Iterable[dict[str, Any]]:
        item = _without_connection(item)
        name = _bound_name(item)
        if (value := self._settled(item, name)) is not None:
            return [_fixed(item, value)]
        if name == ENVIRONMENT:
            return self._environment(item)
        if name == VALUES:
            return self._values(item)
        if item.get("id", "").endswith(":path"):
            return [_fixed(item, self._operation.path)] if self._operation.path else []
        if name == "elementTemplateId":
            return [{**item, "value": template_id}]
        if name in self._operation.defaults:
            return [_with_start(item, self._operation.defaults[name])]
        return [item]

    def _settled(self, item: dict[str, Any], name: str) -> str | None:
        """Returns the value that provider or operation determine; None where the modeler fills it in."""
        match name:
            case "connection":
                return PROVIDER
            case "provider":
                return self._name
            case "protocol":
                return self._protocol(item)
            case "database" if any(there.url for there in self._provider.environments.values()):
                return str(item["value"])  # the address of each environment names it
            case _ if name in METHOD_INPUTS:
                return self._operation.method
        return None

    def _protocol(self, item: dict[str, Any]) -> str | None:
        """Returns what the form calls the provider's protocol; None when it does not ask for one."""
        return word_for(
            without_tls(self._provider.protocol), tuple(str(choice["value"]) for choice in item.get("choices", ()))
        )

    def _environment(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        if "task" not in self._provider.environment_by:
            return []
        choices = [{"name": "The one in force", "value": ""}]
        choices += [{"name": name, "value": name} for name in self._provider.environments]
        return [{**item, "type": "Dropdown", "choices": choices, "value": ""}]

    def _values(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns one field for each placeholder of the addresses and of the operation's path."""
        provider, operation = self._provider, self._operation
        known: dict[str, Variable] = {}
        for environment in provider.environments.values():
            for name in placeholders(environment.url or environment.host or ""):
                known[name] = provider.variables.get(name) or Variable()
        for name in placeholders(operation.path):
            known[name] = operation.inputs.get(name) or Variable()
        return [_field(name, variable, item["group"]) for name, variable in known.items()]


def _field(name: str, variable: Variable, group: str) -> dict[str, Any]:
    field: dict[str, Any] = {"id": f"{VALUES}.{name}", "label": humanised(name)}
    if variable.description:
        field["tooltip"] = variable.description
    needed = variable.default is None
    if not needed:
        field |= {"optional": True, "value": variable.default}
    else:
        field["constraints"] = {"notEmpty": True}
    if not variable.choices:
        field["feel"] = "optional"
    field |= {"group": group, "binding": {"type": "zeebe:input", "name": f"{VALUES}.{name}"}}
    field["type"] = "Dropdown" if variable.choices else "String"
    if variable.choices:
        field["choices"] = [{"name": choice, "value": choice} for choice in variable.choices]
    return field


def _is_here(item: dict[str, Any]) -> bool:
    return any(one.get("property") == CONNECTION and one.get("equals") == "here" for one in conditions_of(item))


def _without_connection(item: dict[str, Any]) -> dict[str, Any]:
    left = [one for one in conditions_of(item) if one.get("property") != CONNECTION]
    made = {key: value for key, value in item.items() if key != "condition"}
    if left:
        made["condition"] = left[0] if len(left) == 1 else {"allMatch": left}
    return made


def _bound_name(item: dict[str, Any]) -> str:
    binding = item["binding"]
    return str(binding.get("name") or binding.get("key") or "")


def _fixed(item: dict[str, Any], value: str) -> dict[str, Any]:
    """Returns the property hidden, with a fixed value; its id stays, as others depend on it."""
    return {"id": item.get("id"), "value": value, "binding": item["binding"], "type": "Hidden"}


def _with_start(item: dict[str, Any], value: Any) -> dict[str, Any]:
    """Returns the property with another start value."""
    if item["type"] in {"Boolean", "Number"} and isinstance(value, bool | int | float):
        return {**item, "value": value}
    if isinstance(value, str):
        return {**item, "value": value}
    return {**item, "value": "=" + json.dumps(value, ensure_ascii=False)}


def _listed(name: str, provider: Provider) -> str:
    return f"{name}: {provider.description}" if provider.description else name


def _slug(text: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", text)
    return re.sub(r"[^a-z0-9]+", "-", spaced.lower()).strip("-") or "operation"
