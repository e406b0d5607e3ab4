"""Make a deployable process from an element template and values: a start, the task, an end.

The task looks as the Modeler writes it when a person applies the template and fills in the values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from zeebe_connectors.sdk.connector import Description
from zeebe_connectors.templates.conditions import conditions_of
from zeebe_connectors.templates.element_template import Template
from zeebe_connectors.templates.form import form_of
from zeebe_connectors.templates.page import placeholder

PLATFORM = "8.6.0"
Values = Mapping[str, Any]


def task_of(template: Template, values: Values, *, id_: str, name: str, flows: tuple[str, str]) -> str:
    """Returns the XML of a service task with the template applied.

    Args:
        template: An outbound template.
        values: Property id -> value; text that begins with `=` is an expression. Others keep the template's default.
        id_: The element's id.
        name: What stands on the task.
        flows: Ids of the incoming and the outgoing sequence flow.

    Raises:
        ValueError: A value is for a property that the template does not have or does not show, or a required one
            has none.
    """
    held = _held(template, values)
    shown = [item for item in template["properties"] if _shown(item, held)]
    unknown = set(values) - {item.get("id") for item in shown}
    if unknown:
        raise ValueError(f"{template['name']}: no such property with these values: {', '.join(sorted(unknown))}")
    lines: dict[str, list[str]] = {"zeebe:input": [], "zeebe:taskHeader": [], "zeebe:taskDefinition": []}
    for item in shown:
        source = _source(item, values.get(item.get("id"), item.get("value")))
        binding = item["binding"]
        if source is None:
            if item.get("constraints", {}).get("notEmpty"):
                raise ValueError(f"{template['name']}: {item['id']} is required")
            continue
        value = _attribute(source)
        if binding["type"] == "zeebe:input":
            lines["zeebe:input"].append(f"<zeebe:input source={value} target={_attribute(binding['name'])} />")
        elif binding["type"] == "zeebe:taskHeader":
            lines["zeebe:taskHeader"].append(f"<zeebe:header key={_attribute(binding['key'])} value={value} />")
        else:
            lines["zeebe:taskDefinition"].append(f"{binding['property']}={value}")
    icon = template.get("icon", {}).get("contents")
    attributes = [
        f"id={_attribute(id_)}",
        f"name={_attribute(name)}",
        f"zeebe:modelerTemplate={_attribute(template['id'])}",
        f'zeebe:modelerTemplateVersion="{template["version"]}"',
        *([f"zeebe:modelerTemplateIcon={_attribute(icon)}"] if icon else []),
    ]
    inputs = "\n".join(f"          {line}" for line in lines["zeebe:input"])
    headers = "\n".join(f"          {line}" for line in lines["zeebe:taskHeader"])
    return f"""    <bpmn:serviceTask {" ".join(attributes)}>
      <bpmn:extensionElements>
        <zeebe:taskDefinition {" ".join(lines["zeebe:taskDefinition"])} />
        <zeebe:ioMapping>
{inputs}
        </zeebe:ioMapping>
        <zeebe:taskHeaders>
{headers}
        </zeebe:taskHeaders>
      </bpmn:extensionElements>
      <bpmn:incoming>{flows[0]}</bpmn:incoming>
      <bpmn:outgoing>{flows[1]}</bpmn:outgoing>
    </bpmn:serviceTask>
"""


def diagram_of(template: Template, values: Values, *, process: str, name: str, documentation: str = "") -> str:
    """Returns a whole diagram: a start, one task made with the template, an end.

    Args:
        template: An outbound template.
        values: As for `task_of`.
        process: Id of the process.
        name: Its name, which stands on the task too.
        documentation: Text for people in the process's documentation.
    """
    task = task_of(template, values, id_="task", name=name, flows=("to-task", "to-end"))
    documented = f"    <bpmn:documentation>{escape(documentation)}</bpmn:documentation>\n" if documentation else ""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
{opening(process)}
  <bpmn:process id={_attribute(process)} name={_attribute(name)} isExecutable="true">
{documented}    <bpmn:startEvent id="start">
      <bpmn:outgoing>to-task</bpmn:outgoing>
    </bpmn:startEvent>
    <bpmn:sequenceFlow id="to-task" sourceRef="start" targetRef="task" />
{task}    <bpmn:sequenceFlow id="to-end" sourceRef="task" targetRef="end" />
    <bpmn:endEvent id="end">
      <bpmn:incoming>to-end</bpmn:incoming>
    </bpmn:endEvent>
  </bpmn:process>
  <bpmndi:BPMNDiagram id="diagram">
    <bpmndi:BPMNPlane id="plane" bpmnElement={_attribute(process)}>
      <bpmndi:BPMNShape id="start-shape" bpmnElement="start">
        <dc:Bounds x="152" y="102" width="36" height="36" />
      </bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="task-shape" bpmnElement="task">
        <dc:Bounds x="240" y="80" width="100" height="80" />
      </bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="end-shape" bpmnElement="end">
        <dc:Bounds x="392" y="102" width="36" height="36" />
      </bpmndi:BPMNShape>
      <bpmndi:BPMNEdge id="to-task-edge" bpmnElement="to-task">
        <di:waypoint x="188" y="120" />
        <di:waypoint x="240" y="120" />
      </bpmndi:BPMNEdge>
      <bpmndi:BPMNEdge id="to-end-edge" bpmnElement="to-end">
        <di:waypoint x="340" y="120" />
        <di:waypoint x="392" y="120" />
      </bpmndi:BPMNEdge>
    </bpmndi:BPMNPlane>
  </bpmndi:BPMNDiagram>
</bpmn:definitions>
"""


def example_values(template: Template, connector: Description) -> dict[str, Any]:
    """Returns values to begin with: the examples of the connector's hints, and something for other required fields."""
    form = form_of(connector)
    held: dict[str, Any] = _held(template, {})
    values: dict[str, Any] = {}
    fields = {item.id: item for item in form.fields}
    for item in template["properties"]:
        field = fields.get(item.get("id", ""))
        if field is None or not _shown(item, held):
            continue
        value = field.example
        if value is None and item.get("constraints", {}).get("notEmpty") and "value" not in item:
            value = item["choices"][0]["value"] if "choices" in item else placeholder(field)
        if value is None or (isinstance(value, str) and value == item.get("value")):
            continue
        held[field.id] = values[field.id] = value
    return values


def opening(name: str) -> str:
    """Returns the opening tag of a diagram, which names the platform so that modelers lint it."""
    return f"""<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI"
  xmlns:dc="http://www.omg.org/spec/DD/20100524/DC"
  xmlns:di="http://www.omg.org/spec/DD/20100524/DI"
  xmlns:modeler="http://camunda.org/schema/modeler/1.0"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  id={_attribute(f"definitions-{name}")} targetNamespace="http://bpmn.io/schema/bpmn"
  modeler:executionPlatform="Camunda Cloud" modeler:executionPlatformVersion="{PLATFORM}">"""


def _held(template: Template, values: Values) -> dict[str, Any]:
    """Returns the value of every property that has an id."""
    return {item["id"]: values.get(item["id"], item.get("value")) for item in template["properties"] if "id" in item}


def _shown(item: dict[str, Any], held: Mapping[str, Any]) -> bool:
    return all(held.get(one["property"]) in one.get("oneOf", [one.get("equals")]) for one in conditions_of(item))


def _source(item: dict[str, Any], value: Any) -> str | None:
    """Returns a value's text in the diagram; numbers and truth values of inputs are expressions."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return f"={value}" if item.get("feel") == "required" and not value.startswith("=") else value
    return f"={json.dumps(value, ensure_ascii=False)}"


def _attribute(text: str) -> str:
    return quoteattr(text, {"\n": "&#10;", '"': "&#34;"})
