"""Make a connector's element templates, deployable on Camunda 8.5 and later.

Shape and key order are those of the official templates. Three rules come from what modelers and brokers do: an
optional input carries `"optional": true`, because brokers before 8.8 refuse an empty one; no property that may be empty
has a pattern, because the properties panel marks it then; and `elementType` always stands, because without it the
element stays a plain task.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zeebe_connectors.sdk.connector import DefinitionError, Description, Group, Inbound, Outbound
from zeebe_connectors.sdk.fields import DURATION, Format
from zeebe_connectors.sdk.registry import documentation_of
from zeebe_connectors.templates.form import Condition, Field, Form, form_of
from zeebe_connectors.templates.steps import menu_of
from zeebe_connectors.templates.wording import help_of, laid_out, plain, result_names

Template = dict[str, Any]

SCHEMA = "https://unpkg.com/@camunda/zeebe-element-templates-json-schema/resources/schema.json"
ENGINES = "^8.5"
ICON_LIMIT = 8192
"""Maximum bytes of an icon's data URL in the Web Modeler."""


@dataclass(frozen=True, slots=True)
class _Place:
    """One kind of element that an inbound template applies to."""

    suffix: str
    title: str
    applies_to: tuple[str, ...]
    element: str
    message: bool = True


_INBOUND_PLACES = (
    _Place("start", "Start Event", ("bpmn:StartEvent",), "bpmn:StartEvent", message=False),
    _Place("message-start", "Message Start Event", ("bpmn:StartEvent",), "bpmn:StartEvent"),
    _Place(
        "intermediate",
        "Intermediate Catch Event",
        ("bpmn:IntermediateCatchEvent", "bpmn:IntermediateThrowEvent"),
        "bpmn:IntermediateCatchEvent",
    ),
    _Place("boundary", "Boundary Event", ("bpmn:BoundaryEvent",), "bpmn:BoundaryEvent"),
    _Place("receive", "Receive Task", ("bpmn:ReceiveTask",), "bpmn:ReceiveTask"),
)


def templates_of(connector: Description) -> dict[str, Template]:
    """Returns the element templates of a connector, by file name without suffix; none if it has none.

    Raises:
        DefinitionError: The form cannot be laid out, or the icon is missing or too large.
    """
    if not connector.template:
        return {}
    form = form_of(connector)
    if isinstance(connector, Outbound):
        return {connector.name: _outbound(connector, form)}
    if isinstance(connector, Inbound):
        return {f"{connector.name}-{place.suffix}": _inbound(connector, form, place) for place in _INBOUND_PLACES}
    raise DefinitionError(f"{connector.name!r} is neither outbound nor inbound")


def template_text(template: Template) -> str:
    """Returns a template as the text of its file."""
    return json.dumps(template, indent=2, ensure_ascii=False) + "\n"


def _outbound(connector: Outbound, form: Form) -> Template:
    groups = [*form.groups, *_groups(("connector", "Connector"), ("output", "Output mapping"))]
    groups += _groups(("error", "Error handling"), ("retries", "Retries"))
    hidden_type = {
        "value": connector.type,
        "binding": {"type": "zeebe:taskDefinition", "property": "type"},
        "type": "Hidden",
    }
    return _template(
        connector,
        id_=connector.template_id,
        name=connector.title,
        applies_to=("bpmn:Task",),
        element={"value": "bpmn:ServiceTask"},
        groups=groups,
        properties=[
            hidden_type,
            *(_property(item, binding="zeebe:input") for item in form.fields),
            *_connector_headers(connector),
            *_output(
                connector.result_expression or "",
                binding="zeebe:taskHeader",
                names=result_names(connector.output),
            ),
            *_error_and_retries(),
        ],
        menu=menu_of(form),
    )


def _inbound(connector: Inbound, form: Form, place: _Place) -> Template:
    groups = [*form.groups, *_groups(("activation", "Activation"))]
    if place.message:
        groups += _groups(("correlation", "Correlation"))
    groups += _groups(("deduplication", "Deduplication"), ("output", "Output mapping"))
    element: dict[str, Any] = {"value": place.element}
    if place.message and place.element != "bpmn:ReceiveTask":
        element["eventDefinition"] = "bpmn:MessageEventDefinition"
    hidden_type = {
        "value": connector.type,
        "binding": {"type": "zeebe:property", "name": "inbound.type"},
        "type": "Hidden",
    }
    return _template(
        connector,
        id_=f"{connector.template_id}:{place.suffix}",
        name=f"{connector.title} ({place.title})",
        applies_to=place.applies_to,
        element=element,
        groups=groups,
        properties=[
            hidden_type,
            *(_property(item, binding="zeebe:property") for item in form.fields),
            *_activation(),
            *(_correlation(start=place.element == "bpmn:StartEvent") if place.message else ()),
            *_deduplication(),
            *_output(
                connector.result_expression,
                binding="zeebe:property",
                names=connector.event_fields,
                variable=connector.result_variable,
                fields=connector.event_fields,
            ),
        ],
        menu={},
    )


def _template(
    connector: Outbound | Inbound,
    *,
    id_: str,
    name: str,
    applies_to: tuple[str, ...],
    element: dict[str, Any],
    groups: Iterable[Group],
    properties: list[dict[str, Any]],
    menu: Mapping[str, Any],
) -> Template:
    template: Template = {
        "$schema": SCHEMA,
        "name": name,
        "id": id_,
        "description": plain(connector.summary),
        "documentationRef": documentation_of(connector),
        "keywords": list(connector.keywords),
        "version": connector.template_version,
        "category": {"id": "connectors", "name": "Connectors"},
        "appliesTo": list(applies_to),
        "elementType": element,
        "engines": {"camunda": ENGINES},
        "groups": [_group(group) for group in groups],
        "properties": properties,
    }
    for key in ("documentationRef", "keywords"):
        if not template[key]:
            del template[key]
    if connector.icon is not None:
        template["icon"] = {"contents": icon_url(connector.icon)}
    return template | dict(menu)


def icon_url(file: Path) -> str:
    """Returns an SVG file as a data URL.

    Raises:
        DefinitionError: It is larger than the Web Modeler takes.
    """
    url = "data:image/svg+xml;base64," + base64.b64encode(file.read_bytes().strip()).decode()
    if len(url) > ICON_LIMIT:
        raise DefinitionError(f"the icon {file.name} is {len(url)} bytes as a data URL; the limit is {ICON_LIMIT}")
    return url


def _groups(*pairs: tuple[str, str]) -> list[Group]:
    return [Group(name, label) for name, label in pairs]


def _group(group: Group) -> dict[str, Any]:
    shape: dict[str, Any] = {"id": group.id, "label": group.label}
    if group.tooltip:
        shape["tooltip"] = plain(group.tooltip)
    if group.open is not None:
        shape["openByDefault"] = group.open
    return shape


_KEYS = (
    "id", "label", "description", "optional", "value", "generatedValue", "constraints", "feel", "group", "binding",
    "condition", "tooltip", "placeholder", "language", "type", "choices",
)  # fmt: skip


def _ordered(**values: Any) -> dict[str, Any]:
    """Returns a property with its keys in the official order, without those that have no value."""
    return {key: values[key] for key in _KEYS if values.get(key) is not None}


def _property(item: Field, *, binding: str) -> dict[str, Any]:
    """Returns the property of one input of the connector."""
    inbound = binding == "zeebe:property"
    tooltip = help_of(item)
    control = _control(item)
    hidden = control == "Hidden"
    placeholder = item.placeholder if control == "String" else None
    feel = item.feel
    if item.header:
        feel = None
    if inbound:  # read by this runtime and not evaluated by the engine: plain text, unless it must be an expression
        feel = "required" if item.feel == "required" else None
    lines = item.several_lines and control == "String"
    return _ordered(
        id=item.id,
        label=item.label,
        optional=True if _may_be_blank(item, control, inbound=inbound) else None,
        value=_start(item, inbound=inbound),
        constraints=None if hidden else _constraints(item, control) or None,
        feel=None if hidden else feel,
        group=item.group,
        binding=_bound("zeebe:taskHeader" if item.header and not inbound else binding, item.path),
        condition=_condition(item.conditions),
        tooltip=None if hidden else tooltip or None,
        placeholder=placeholder.removeprefix("=") if placeholder and feel == "required" else placeholder,
        language=item.language if lines else None,
        type="Text" if lines else control,
        choices=[{"name": choice.label, "value": choice.value} for choice in item.choices]
        if control == "Dropdown"
        else None,
    )


def _may_be_blank(item: Field, control: str, *, inbound: bool) -> bool:
    """Returns whether the form may write nothing; a dropdown with a default would offer an empty choice beside it."""
    if item.required or control == "Hidden" or (item.header and not inbound):
        return False
    return control != "Dropdown" or item.start in {None, ""}


def _control(item: Field) -> str:
    if item.kind == "number" and item.secrets and item.path.lower().endswith("port"):
        return "String"  # a form's number field takes no {{secrets.PORT}}
    return {"flag": "Boolean", "number": "Number", "choice": "Dropdown", "fixed": "Hidden"}.get(item.kind, "String")


def _start(item: Field, *, inbound: bool) -> Any:
    """Returns the value that the form starts with."""
    value = item.start
    if value is None or value == "":
        return None
    if item.kind in {"flag", "number"}:
        return str(value) if _control(item) == "String" else value
    if isinstance(value, str):
        needs_sign = item.feel == "required" and not inbound and not value.startswith("=")
        return f"={value}" if needs_sign else value
    return "=" + json.dumps(value, ensure_ascii=False)


def _constraints(item: Field, control: str) -> dict[str, Any]:
    constraints: dict[str, Any] = {}
    if item.required and control != "Boolean":
        constraints["notEmpty"] = True
    if item.required and control == "String" and item.format:
        constraints["pattern"] = _pattern(item.format, expressions=item.feel is not None, secrets=item.secrets)
    if control == "String" and item.required and item.feel is None:
        if item.min_length and item.min_length > 1:
            constraints["minLength"] = item.min_length
        if item.max_length:
            constraints["maxLength"] = item.max_length
    return constraints


def _pattern(format_: Format, *, expressions: bool = False, secrets: bool = False) -> dict[str, str]:
    """Returns a format as a constraint, which lets expressions pass."""
    others = ["=[\\s\\S]*"] * expressions + ["\\{\\{[\\s\\S]*", "secrets\\.\\S+"] * secrets
    return {"value": f"^({'|'.join([*others, format_.pattern])})$", "message": format_.message}


def _condition(conditions: tuple[Condition, ...]) -> dict[str, Any] | None:
    simple: list[dict[str, Any]] = []
    for condition in conditions:
        if len(condition.values) == 1:
            simple.append({"property": condition.field, "equals": condition.values[0], "type": "simple"})
        else:
            simple.append({"property": condition.field, "oneOf": list(condition.values), "type": "simple"})
    if len(simple) > 1:
        return {"allMatch": simple}
    return simple[0] if simple else None


def _connector_headers(connector: Outbound) -> list[dict[str, Any]]:
    return [
        _ordered(
            id="version",
            label="Version",
            description="Version of the element template",
            value=str(connector.template_version),
            group="connector",
            binding={"type": "zeebe:taskHeader", "key": "elementTemplateVersion"},
            type="Hidden",
        ),
        _ordered(
            id="id",
            label="ID",
            description="ID of the element template",
            value=connector.template_id,
            group="connector",
            binding={"type": "zeebe:taskHeader", "key": "elementTemplateId"},
            type="Hidden",
        ),
    ]


def _bound(binding: str, name: str) -> dict[str, str]:
    return {"type": binding, "key" if binding == "zeebe:taskHeader" else "name": name}


def _output(
    expression: str, *, binding: str, names: Sequence[str], variable: str = "", fields: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Returns the properties that decide what becomes of the result.

    Args:
        expression: What the connector's result expression starts with; empty for none.
        binding: Where the two settings stand.
        names: The result's fields that the comment in the expression names.
        variable: What the result variable starts with.
        fields: All fields of the event, for the help.
    """
    all_names = f" Fields: {', '.join(fields)}." if fields else ""
    optional = True if binding == "zeebe:property" else None
    return [
        _ordered(
            id="resultVariable",
            label="Result variable",
            optional=optional,
            value=variable or None,
            group="output",
            binding=_bound(binding, "resultVariable"),
            tooltip="Name of the process variable that takes the whole result.",
            type="String",
        ),
        _ordered(
            id="resultExpression",
            label="Result expression",
            optional=optional,
            value=laid_out(expression, names),
            feel="required",
            group="output",
            binding=_bound(binding, "resultExpression"),
            tooltip="A context: each entry becomes a process variable. The result's fields are available by name, and"
            f" the whole result as response.{all_names}",
            type="Text",
        ),
    ]


def _error_and_retries() -> list[dict[str, Any]]:
    header = "zeebe:taskHeader"
    return [
        _ordered(
            id="errorExpression",
            label="Error expression",
            feel="required",
            group="error",
            binding=_bound(header, "errorExpression"),
            tooltip="error.code and error.message say what happened. Answer with bpmnError(code, message, variables), "
            "jobError(message, variables, retries, backoff), ignoreError(variables), or null to leave it as it is.",
            type="Text",
        ),
        _ordered(
            id="retryCount",
            label="Retries",
            value="3",
            feel="optional",
            group="retries",
            binding={"type": "zeebe:taskDefinition", "property": "retries"},
            tooltip="How many times the task is tried before it becomes an incident.",
            type="String",
        ),
        _ordered(
            id="retryBackoff",
            label="Retry back-off",
            value="PT30S",
            constraints={"pattern": _pattern(DURATION)},
            group="retries",
            binding=_bound(header, "retryBackoff"),
            tooltip="How long to wait between two tries: an ISO 8601 duration such as PT30S or PT5M.",
            type="String",
        ),
        _ordered(
            id="jobTimeout",
            label="Job timeout",
            group="retries",
            binding=_bound(header, "jobTimeout"),
            tooltip="How long one try may take: an ISO 8601 duration such as PT5M. If empty, the runtime decides.",
            type="String",
        ),
    ]


def _activation() -> list[dict[str, Any]]:
    return [
        _ordered(
            id="activationCondition",
            label="Activation condition",
            tooltip='Only events for which this is true count, such as =contains(subject, "order"). If empty, all do.',
            optional=True,
            feel="required",
            group="activation",
            binding={"type": "zeebe:property", "name": "activationCondition"},
            type="String",
        ),
        _ordered(
            id="consumeUnmatchedEvents",
            label="Consume unmatched events",
            tooltip="Count an event that does not match the condition as handled.",
            value=True,
            group="activation",
            binding={"type": "zeebe:property", "name": "consumeUnmatchedEvents"},
            type="Boolean",
        ),
    ]


def _correlation(*, start: bool) -> list[dict[str, Any]]:
    """Returns the properties that correlate an event; only message start events may do without a key."""
    needed = {"property": "correlationRequired", "equals": "required", "type": "simple"} if start else None
    required = {"notEmpty": True}
    selector = _ordered(
        id="correlationRequired",
        label="Subprocess correlation required",
        description="Whether the start event belongs to an event sub-process, which needs a correlation key",
        value="notRequired",
        group="correlation",
        binding={"type": "zeebe:property", "name": "correlationRequired"},
        type="Dropdown",
        choices=[
            {"name": "Correlation not required", "value": "notRequired"},
            {"name": "Correlation required", "value": "required"},
        ],
    )
    return [
        *([selector] if start else []),
        _ordered(
            id="correlationKeyProcess",
            label="Correlation key (process)",
            tooltip="An expression over the process's variables, such as =orderId.",
            constraints=required,
            feel="required",
            group="correlation",
            binding={"type": "bpmn:Message#zeebe:subscription#property", "name": "correlationKey"},
            condition=needed,
            type="String",
        ),
        _ordered(
            id="correlationKeyPayload",
            label="Correlation key (payload)",
            tooltip="An expression over the event; must give the same value as the one above.",
            constraints=required,
            feel="required",
            group="correlation",
            binding={"type": "zeebe:property", "name": "correlationKeyExpression"},
            condition=needed,
            type="String",
        ),
        _ordered(
            id="messageIdExpression",
            label="Message ID expression",
            tooltip="An expression over the event that gives the message a unique id. If empty, the event's own id "
            "is used.",
            optional=True,
            feel="required",
            group="correlation",
            binding={"type": "zeebe:property", "name": "messageIdExpression"},
            type="String",
        ),
        _ordered(
            id="messageTtl",
            label="Message TTL",
            tooltip="How long the engine keeps the message until a process takes it: an ISO 8601 duration such as "
            "PT1H.",
            optional=True,
            group="correlation",
            binding={"type": "zeebe:property", "name": "messageTtl"},
            type="String",
        ),
        _ordered(
            id="messageNameUuid",
            generatedValue={"type": "uuid"},
            group="correlation",
            binding={"type": "bpmn:Message#property", "name": "name"},
            type="Hidden",
        ),
    ]


def _deduplication() -> list[dict[str, Any]]:
    active = {"property": "deduplicationModeManualFlag", "equals": True, "type": "simple"}
    mode = {"type": "zeebe:property", "name": "deduplicationMode"}
    return [
        _ordered(
            id="deduplicationModeManualFlag",
            label="Manual mode",
            value=False,
            group="deduplication",
            binding={"type": "zeebe:property", "name": "deduplicationModeManualFlag"},
            tooltip="Name the connection to share it among several elements. Without a name, elements of one process "
            "with equal settings share one.",
            type="Boolean",
        ),
        _ordered(
            id="deduplicationId",
            label="Deduplication ID",
            tooltip="Elements with the same name share a connection.",
            constraints={
                "notEmpty": True,
                "pattern": {"value": "^[a-zA-Z0-9_-]+$", "message": "only letters, digits, underscores and dashes"},
            },
            group="deduplication",
            binding={"type": "zeebe:property", "name": "deduplicationId"},
            condition=active,
            type="String",
        ),
        _ordered(
            id="deduplicationModeManual",
            value="MANUAL",
            group="deduplication",
            binding=mode,
            condition={"property": "deduplicationId", "isActive": True, "type": "simple"},
            type="Hidden",
        ),
        _ordered(
            id="deduplicationModeAuto",
            value="AUTO",
            group="deduplication",
            binding=mode,
            condition={"property": "deduplicationId", "isActive": False, "type": "simple"},
            type="Hidden",
        ),
    ]
