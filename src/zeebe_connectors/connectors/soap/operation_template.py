"""Make an element template for one operation from the connector's own."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from html import escape
from typing import Any

from lxml import etree

from zeebe_connectors import InputError
from zeebe_connectors.connectors.soap.inputs import Preset
from zeebe_connectors.connectors.soap.operation import attribute_name, input_names, safe_name, safe_names
from zeebe_connectors.connectors.soap.samples import sample, sample_field
from zeebe_connectors.connectors.soap.schema import NUMBERS, Attribute, Complex, Field, Group, Simple, can_be_empty
from zeebe_connectors.connectors.soap.writer import Writer, expected
from zeebe_connectors.connectors.soap.wsdl import Message, Operation

Template = dict[str, Any]

_COPIED = (
    "serviceUrl",
    "authentication.",
    "httpAuthentication.",
    "httpHeaders",
    "clientTls.",
    "clientKeystore.",
    "header.",
    "addressing",
)
_ALSO_COPIED = ("namespaces", "nulls", "connectionTimeoutInSeconds", "body.wsdlAge", "body.external")
_MAX_RESULTS = 20
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_FEEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\-.]+")


@dataclass(frozen=True, slots=True)
class Imported:
    """The template of one operation, with the name of its file."""

    operation: Operation
    file: str
    template: Template


def choose(
    operations: Sequence[Operation], names: Sequence[str] = (), *, service: str | None = None, port: str | None = None
) -> list[Operation]:
    """Returns the wanted operations, each of the first port that has it.

    Args:
        operations: All of a WSDL.
        names: Names of the wanted ones; all when empty.
        service: Only of this service.
        port: Only of this port.
    """
    chosen: dict[tuple[str, str], Operation] = {}
    for item in operations:
        if (not names or item.name in names) and service in {None, item.service} and port in {None, item.port}:
            chosen.setdefault((item.service, item.name), item)
    return list(chosen.values())


def template_of(
    operation: Operation, wsdl: str, base: Template, *, name: str | None = None, description: str | None = None,
    hosts: Sequence[str] = (), presets: Mapping[str, Preset] | None = None, file: str | None = None,
    template_id: str | None = None, slug: str | None = None,
) -> Imported:  # fmt: skip
    """Makes the template of an operation.

    Args:
        operation: The operation.
        wsdl: The WSDL address to put into the task.
        base: The connector's own template; groups that do not concern the operation come from there.
        name: What the Modeler lists it as; made from the operation's name when left out.
        description: The line below; the WSDL's documentation when left out.
        hosts: Further hosts that the WSDL imports from.
        presets: How to preset inputs, by their names, and headers, as `headers.NAME`.
        file: Name of its file, for a variant beside others; made of service and operation when left out.
        template_id: Its id; made of the file's name, if that is given, or of service and operation.
        slug: What is made of service and operation: see `slugs`.

    Raises:
        InputError: A preset names no input, or its value does not fit; or the file's name or the id is none.
    """
    slug = slug or _slug_of(operation)
    chosen_file = _checked_file(file)
    own = chosen_file.removesuffix(".json") if chosen_file else slug
    template = deepcopy(base)
    template["id"] = _checked_id(template_id) or f"io.github.zeebe-connectors.soap.{own}"
    # Beside one whose name is the same in other capitals, or letters that no file has, it is called by its own.
    label = _label(operation.name) if slug == _slug_of(operation) else operation.name
    template["name"] = name or f"{label} ({operation.service})"
    documented = description or operation.documentation or f"Calls {operation.name} of the service {operation.service}."
    template["description"] = documented
    template["keywords"] = list(dict.fromkeys(["soap", operation.service.lower(), operation.name.lower()]))
    template["version"] = 1
    inputs = [*_inputs(operation.input)]
    safe = safe_names([item.name for item in operation.input.headers])
    headers = [_input(item, safe[item.name], required=False, group="headers") for item in operation.input.headers]
    _apply(presets or {}, operation, [*inputs, *headers])
    template["groups"] = _groups(base, with_input=bool(inputs), with_headers=bool(headers))
    copied = [_adapted(item, operation, template["id"], hosts) for item in base["properties"] if _is_copied(item)]
    type_property, copied = copied[0], copied[1:]
    wanted = [*_fixed(operation, wsdl), *inputs, *headers]
    order = {group["id"]: position for position, group in enumerate(template["groups"])}
    rest = sorted([*wanted, *copied], key=lambda item: order.get(item.get("group", ""), -1))
    template["properties"] = [type_property, *rest]
    return Imported(operation, chosen_file or f"soap-{slug}.json", template)


def slugs(operations: Sequence[Operation]) -> dict[tuple[str, str], str]:
    """Returns what names files and templates of a WSDL's operations, by service and operation, each another."""
    found: dict[tuple[str, str], str] = {}
    used: set[str] = set()
    for operation in operations:
        named = operation.service, operation.name
        if named in found:  # at another port
            continue
        made = unique = _slug_of(operation)
        number = 1
        while unique in used:
            number += 1
            unique = f"{made}-{number}"
        used.add(unique)
        found[named] = unique
    return found


def _slug_of(operation: Operation) -> str:
    return "-".join(part for part in (_slug(operation.service), _slug(operation.name)) if part)


def _checked_id(given: str | None) -> str | None:
    if given and not _ID.fullmatch(given):
        raise InputError("templateId: must be letters, digits, dots, dashes and underscores, such as com.example.order")
    return given or None


def _checked_file(given: str | None) -> str | None:
    if given and not _ID.fullmatch(given):
        raise InputError("file: must be a name without folders, such as place-order.json")
    return f"{given.removesuffix('.json')}.json" if given else None


def _is_copied(item: Mapping[str, Any]) -> bool:
    binding = item["binding"]
    if binding["type"] != "zeebe:input":
        return True
    name: str = binding["name"]
    return name.startswith(_COPIED) or name in _ALSO_COPIED or name == "soapVersion.soapAction"


def _adapted(item: Mapping[str, Any], operation: Operation, template_id: str, hosts: Sequence[str]) -> dict[str, Any]:
    """Fills what the WSDL says into a property of the connector's own template."""
    made = {key: deepcopy(value) for key, value in item.items() if not (key == "condition" and _is_about_body(value))}
    binding = made["binding"]
    name = binding.get("name") or binding.get("key") or binding.get("property", "")
    values: dict[str, Any] = {
        "serviceUrl": operation.address,
        "soapVersion.soapAction": operation.action,
        "resultExpression": result_expression(operation.output),
        "elementTemplateId": template_id,
        "elementTemplateVersion": "1",
    }
    if hosts:
        values["body.external"] = "=" + json.dumps(list(hosts))
    if values.get(name):
        made["value"] = values[name]
    if name.startswith("body.") or name in {"namespaces", "nulls", "addressing"}:
        made["group"] = "soap-message"
    return made


def _is_about_body(condition: Mapping[str, Any]) -> bool:
    conditions = condition.get("allMatch", [condition])
    return any(item.get("property") == "body.type" for item in conditions)


def _apply(presets: Mapping[str, Preset], operation: Operation, properties: Sequence[dict[str, Any]]) -> None:
    """Changes the properties of those inputs that have a preset."""
    fields = {item.name: item for item in _input_fields(operation.input)}
    fields |= {f"headers.{item.name}": item for item in operation.input.headers}
    known = {item["id"]: item for item in properties}
    names = {
        "input": safe_names(input_names(operation.input)),
        "headers": safe_names([item.name for item in operation.input.headers]),
    }
    for name, preset in presets.items():
        if name not in fields:
            raise InputError(f"presets.{name}: {operation.name} has no such input, only {', '.join(fields)}")
        group, _, local = name.rpartition(".") if name.startswith("headers.") else ("input", "", name)
        made = known[f"body.{group}.{names[group][local]}"]
        _preset(made, fields[name], preset, f"presets.{name}")
        ordered = _in_order(made)
        made.clear()
        made.update(ordered)


def _preset(made: dict[str, Any], item: Field, preset: Preset, path: str) -> None:
    """Changes one property in its place."""
    value = preset.value
    if preset.mode == "variable":
        expression = str(value or "").strip().removeprefix("=").strip()
        if not expression:
            raise InputError(f"{path}.value: is required; name the process variable")
        made.pop("choices", None)
        made.update(type="Text" if made["type"] == "Text" else "String", feel="required", value=f"={expression}")
        return
    if preset.mode == "fixed" or isinstance(item.type, Simple):
        Writer().field(item, value, etree.Element("checked"), path)
    plain = isinstance(item.type, Simple) and item.type.items is None and not item.repeated
    base = item.type.base if isinstance(item.type, Simple) else ""
    if plain:
        value = _typed(base, str(value)) if base in NUMBERS or base == "boolean" else str(value)
    if preset.mode == "fixed":
        as_text = plain and isinstance(value, str) and not value.startswith("=")
        text = value if as_text else "=" + json.dumps(value, ensure_ascii=False)
        for key in ("optional", "feel", "constraints", "placeholder", "tooltip", "choices"):
            made.pop(key, None)
        made.update(type="Hidden", value=text)
    else:
        made["value"] = value if plain else "=" + json.dumps(value, ensure_ascii=False)


def _input_fields(message: Message) -> list[Field]:
    """Returns everything in the input, including the attributes of its element, as elements."""
    element = message.element
    attributes = element.type.attributes if element is not None and isinstance(element.type, Complex) else []
    names = [item.name for item in message.inputs()]
    return [*message.inputs(), *(_as_field(item, attribute_name(item.name, names)) for item in attributes)]


def _groups(base: Template, *, with_input: bool, with_headers: bool) -> list[dict[str, Any]]:
    groups = []
    for group in base["groups"]:
        made = dict(group)
        if made["id"] == "soap-message":
            made.update(label="Further SOAP headers and details", openByDefault=False)
        if made["id"] == "authentication":
            made["openByDefault"] = False
        groups.append(made)
        if made["id"] == "connection" and with_input:
            groups.append({"id": "input", "label": "Input"})
        if made["id"] == "connection" and with_headers:
            groups.append({"id": "headers", "label": "SOAP headers", "openByDefault": False})
    return groups


def _fixed(operation: Operation, wsdl: str) -> Iterator[dict[str, Any]]:
    yield {
        "id": "body.wsdl",
        "label": "WSDL",
        "value": wsdl,
        "constraints": {"notEmpty": True},
        "group": "connection",
        "binding": {"type": "zeebe:input", "name": "body.wsdl"},
        "tooltip": "Its address, or its path below a directory that the operator allows.",
        "type": "String",
    }
    values = {"type": "operation", "operation": operation.name, "service": operation.service, "port": operation.port}
    for name, value in values.items():
        yield {
            "id": f"body.{name}",
            "value": value,
            "group": "connection",
            "binding": {"type": "zeebe:input", "name": f"body.{name}"},
            "type": "Hidden",
        }


def _inputs(message: Message) -> Iterator[dict[str, Any]]:
    """Yields a property for each part of the input."""
    element = message.element
    safe = safe_names(input_names(message))
    if (
        element is not None
        and isinstance(element.type, Complex)
        and element.type.text is None
        and element.type.items is None
    ):
        kind = element.type
        for attribute, item in zip(kind.attributes, _input_fields(message)[len(kind.fields) :], strict=True):
            yield _input(item, safe[item.name], required=attribute.required)
        needed = _needed(kind.content)
        for item in kind.fields.values():
            yield _input(item, safe[item.name], required=item.name in needed)
        return
    for item in message.inputs():
        yield _input(item, safe[item.name], required=True)


def _needed(group: Group | None) -> set[str]:
    """Returns the names of the required elements that are not merely one choice of several."""
    found: set[str] = set()
    if group is None or group.min_occurs == 0 or group.kind == "choice":
        return found
    for item in group.items:
        if isinstance(item, Field) and item.min_occurs > 0:
            found.add(item.name)
        elif isinstance(item, Group):
            found |= _needed(item)
    return found


def _input(item: Field, name: str, *, required: bool, group: str = "input") -> dict[str, Any]:
    """Makes the property of one input."""
    kind = item.type
    required = (
        required and item.min_occurs > 0 and item.default is None and not item.nillable and not can_be_empty(kind)
    )
    about = item.documentation or expected(kind).capitalize()
    made: dict[str, Any] = {
        "id": f"body.{group}.{name}",
        "label": _label(item.name),
        "tooltip": escape(about[:200], quote=False),
    }
    if not required:
        made["optional"] = True
    if not isinstance(kind, Simple) or kind.items is not None or item.repeated:
        made |= _expression(item, about, required=required)
    elif kind.choices:
        made |= _dropdown(kind, item.default, required=required)
    else:
        made |= _plain(kind, item.default)
    if required and made["type"] != "Boolean":
        made["constraints"] = {"notEmpty": True}
    elif required:
        made.setdefault("value", False)  # an input without a source cannot be deployed before 8.8
    made |= {"group": group, "binding": {"type": "zeebe:input", "name": made["id"]}}
    return _in_order(made)


def _expression(item: Field, about: str, *, required: bool) -> dict[str, Any]:
    """Returns what a property has whose value is a context or a list; a required one starts with a sample."""
    example = json.dumps(sample_field(item), ensure_ascii=False)
    words = [about[:200].rstrip(".") + ".", "A list." if item.repeated else "", f"For example: {example[:800]}"]
    made = {"type": "Text", "feel": "required", "tooltip": escape(" ".join(filter(None, words)), quote=False)}
    if required:
        made["value"] = f"={json.dumps(sample_field(item, all_fields=False), ensure_ascii=False)}"
    return made


def _dropdown(kind: Simple, default: str | None, *, required: bool) -> dict[str, Any]:
    """Returns what a property has whose values are enumerated."""
    choices = [{"name": text, "value": text} for text in kind.choices if text or required]
    if not required:
        choices.insert(0, {"name": "(none)", "value": ""})
    start = default if default in kind.choices else kind.choices[0] if required else ""
    return {"type": "Dropdown", "choices": choices, "value": start}


def _plain(kind: Simple, default: str | None) -> dict[str, Any]:
    """Returns what a property has for a single value of a built-in type."""
    made = _control(kind)
    value = _typed(kind.base, default)
    if value is not None and not (made["type"] == "Number" and isinstance(value, str)):  # INF: no number field holds it
        made["value"] = value
    if made["type"] == "String":
        made["placeholder"] = str(sample(kind))
    return made


def _as_field(item: Attribute, name: str) -> Field:
    return Field(name, item.tag, item.type, min_occurs=int(item.required), default=item.default)


def _control(kind: Simple) -> dict[str, Any]:
    if kind.base == "boolean":
        return {"type": "Boolean", "feel": "static"}
    if kind.base in NUMBERS:
        return {"type": "Number", "feel": "optional"}
    return {"type": "String", "feel": "optional"}


def _typed(base: str, text: str | None) -> Any:
    if text is None or text == "":
        return None
    if base == "boolean":
        return text.casefold() in {"true", "1"}
    if base in NUMBERS:
        try:
            number = float(text)
            return text if not math.isfinite(number) else number if "." in text or "e" in text.lower() else int(text)
        except ValueError:
            return text
    return text


_KEYS = ("id", "label", "description", "optional", "value", "constraints", "feel", "group", "binding", "tooltip",
         "placeholder", "type", "choices")  # fmt: skip


def _in_order(made: dict[str, Any]) -> dict[str, Any]:
    return {key: made[key] for key in _KEYS if key in made}


def result_expression(message: Message) -> str:
    """Writes a result expression with a variable for each part of the output."""
    names = [item.name for item in message.inputs()]
    if message.element is None and not message.fields:
        return ""
    if not names:
        return "={result: output}"
    parts = []
    for name in names[:_MAX_RESULTS]:
        variable = safe_name(name)
        variable = variable if variable.isupper() else variable[:1].lower() + variable[1:]
        variable = "result" if variable == "return" else variable
        value = (
            f"output.{name}" if _FEEL_NAME.fullmatch(name) and name not in _KEYWORDS else f'get value(output, "{name}")'
        )
        parts.append(f"{variable}: {value}")
    return "={" + ", ".join(parts) + "}"


_KEYWORDS = {"and", "between", "else", "every", "external", "false", "for", "function", "if", "in", "instance", "not",
             "null", "of", "or", "return", "satisfies", "some", "then", "true"}  # fmt: skip
"""FEEL's keywords, which modelers do not accept as a name after a dot."""


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", "-".join(part for part in _WORDS.split(name) if part).lower()).strip("-")


def _label(name: str) -> str:
    words = [part for part in _WORDS.split(name) if part]
    text = " ".join(word if word.isupper() else word.lower() for word in words)
    return (text[:1].upper() + text[1:]) or name


def described(operation: Operation) -> dict[str, Any]:
    """Describes an operation as JSON, for a list."""

    def named(message: Message) -> dict[str, str]:
        needed = {item.name for item in message.inputs() if item.min_occurs > 0}
        return {
            item.name: expected(item.type) + ("" if item.name in needed else " (optional)") for item in message.inputs()
        }

    return {
        "operation": operation.name,
        "service": operation.service,
        "port": operation.port,
        "version": operation.version,
        "address": operation.address,
        "soapAction": operation.action,
        "documentation": operation.documentation,
        "input": named(operation.input),
        "output": named(operation.output),
        "headers": {item.name: expected(item.type) for item in operation.input.headers},
        "sample": sample_input(operation.input),
    }


def sample_input(message: Message) -> dict[str, Any]:
    """Makes a sample of an operation's input."""
    element = message.element
    if (
        element is not None
        and isinstance(element.type, Complex)
        and element.type.text is None
        and element.type.items is None
    ):
        value: dict[str, Any] = sample(element.type)
        return value
    return {item.name: sample_field(item) for item in message.inputs()}
