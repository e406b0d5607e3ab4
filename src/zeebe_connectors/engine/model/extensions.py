"""Read the zeebe extension elements of one BPMN element."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from xml.etree.ElementTree import Element as Node

from zeebe_connectors.engine.model.elements import CalledElement, JobDefinition, LinkedForm, Loop, Mapping
from zeebe_connectors.engine.model.expressions import Expression, ExpressionError
from zeebe_connectors.engine.model.xml import BPMN, ZEEBE, extension, extensions, text_of

Report = Callable[..., None]
USER_TASK_JOB = "io.camunda.zeebe:userTask"
DEFAULT_RETRIES = "3"
_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_MAX_PATH = 100  # names: a value may be nested only so deep
_BINDINGS = ("latest", "deployment", "versionTag")


def expression(text: str, report: Report) -> Expression:
    """Compile a text; report one that cannot be parsed, and use null instead."""
    try:
        return Expression(text)
    except ExpressionError as error:
        report(str(error))
        return Expression("=null")


def dynamic(text: str, what: str, report: Report) -> Expression:
    """Compile a property that must be an expression, because a static text can never have the needed type."""
    compiled = expression(text, report)
    if compiled.is_static:
        report(f"Expected {what} to be an expression, but found the static value '{text}': begin it with '='")
    return compiled


def _required(node: Node, name: str, report: Report) -> str:
    """Return an attribute that must be present and not empty."""
    value = node.get(name)
    if value is None or not value.strip():
        report(f"Attribute '{name}' must be present and not empty")
        return ""
    return value


def mappings(node: Node, report: Report) -> tuple[list[Mapping], list[Mapping]]:
    """Read the input and the output mappings."""
    found: tuple[list[Mapping], list[Mapping]] = ([], [])
    holders = extensions(node, "ioMapping")
    if len(holders) > 1:
        report("Must have at most one 'zeebe:ioMapping' extension element")
    for holder in holders[:1]:
        for which, name in enumerate(("input", "output")):
            for mapping in holder.findall(ZEEBE + name):
                source = mapping.get("source")
                target = _required(mapping, "target", report)
                if not target:
                    continue
                path = target.strip().removeprefix("=").strip()
                if not _PATH.fullmatch(path):
                    report(f"Expected the target '{target}' of an {name} mapping to be a name or a path of names")
                    continue
                names = tuple(path.split("."))
                if len(names) > _MAX_PATH:
                    report(f"Expected the target of an {name} mapping to have at most {_MAX_PATH} names")
                    continue
                found[which].append(Mapping(expression(source, report) if source else None, names))
    return found


def headers(node: Node, report: Report) -> dict[str, str]:
    """Read the task headers."""
    found = {}
    for holder in extensions(node, "taskHeaders"):
        for header in holder.findall(ZEEBE + "header"):
            key = header.get("key")
            if not key:
                report("Attribute 'key' of 'zeebe:header' must be present and not empty")
                continue
            found[key] = header.get("value") or ""
    return found


def job(node: Node, report: Report) -> JobDefinition | None:
    """Read the task definition; None when there is none."""
    found = extensions(node, "taskDefinition")
    if not found:
        return None
    if len(found) > 1:
        report("Must have exactly one 'zeebe:taskDefinition' extension element")
    definition = found[0]
    kind = _required(definition, "type", report)
    retries = definition.get("retries") or DEFAULT_RETRIES
    return JobDefinition(expression(kind or "invalid", report), expression(retries, report), headers(node, report))


def user_task_job(node: Node, report: Report) -> JobDefinition:
    """Define the job of a user task, with assignment, form and schedule as headers."""
    found = headers(node, report)
    computed: dict[str, Expression] = {}
    prefix = "io.camunda.zeebe:"
    linked = None
    form = extension(node, "formDefinition")
    if form is not None:
        key, form_id = form.get("formKey") or form.get("externalReference"), form.get("formId")
        if key:
            found[prefix + "formKey"] = key
        elif form_id:
            linked = LinkedForm(expression(form_id, report), *_binding(form, report))
    for holder, names in (
        ("assignmentDefinition", ("assignee", "candidateGroups", "candidateUsers")),
        ("taskSchedule", ("dueDate", "followUpDate")),
    ):
        definition = extension(node, holder)
        if definition is None:
            continue
        for name in names:
            text = definition.get(name)
            if not text:
                continue
            value = expression(text, report)
            if not value.is_static:
                computed[prefix + name] = value
            elif name.startswith("candidate"):
                found[prefix + name] = json.dumps([part.strip() for part in text.split(",") if part.strip()])
            else:
                found[prefix + name] = text
    return JobDefinition(Expression(USER_TASK_JOB), Expression(DEFAULT_RETRIES), found, computed, linked)


def script(node: Node, report: Report) -> tuple[Expression, str] | None:
    """Read a FEEL script and the name of its result; None when there is none."""
    definition = extension(node, "script")
    if definition is None:
        return None
    text = _required(definition, "expression", report)
    name = _required(definition, "resultVariable", report)
    if text and not text.lstrip().startswith("="):
        report("Attribute 'expression' of 'zeebe:script' must be an expression that begins with '='")
    return expression(text or "=null", report), name or "result"


def called_element(node: Node, report: Report) -> CalledElement | None:
    """Read what a call activity calls; report it, and return None, if it is missing."""
    found = extensions(node, "calledElement")
    if len(found) != 1:
        report("Must have exactly one 'zeebe:calledElement' extension element")
        return None
    definition = found[0]
    return CalledElement(
        expression(_required(definition, "processId", report) or "invalid", report),
        definition.get("propagateAllParentVariables") != "false",
        definition.get("propagateAllChildVariables") != "false",
        *_binding(definition, report),
    )


def _binding(definition: Node, report: Report) -> tuple[str, str | None]:
    """Read which version of a process or form is used, with the version tag if it is bound to one."""
    binding = definition.get("bindingType") or "latest"
    if binding not in _BINDINGS:
        report(f"Attribute 'bindingType' must be one of: {', '.join(_BINDINGS)}")
    tag = definition.get("versionTag")
    if binding == "versionTag" and not (tag and tag.strip()):
        report("Attribute 'versionTag' must be present and not empty if 'bindingType=versionTag'")
    if binding != "versionTag" and tag and tag.strip():
        report("Attribute 'versionTag' must only be used if 'bindingType=versionTag'")
    return binding, tag


def loop(node: Node, report: Report) -> Loop | None:
    """Read the multi-instance marker; None when there is none."""
    marker = node.find(f"{BPMN}multiInstanceLoopCharacteristics")
    if marker is None:
        return None
    found = extensions(marker, "loopCharacteristics")
    if len(found) != 1:
        report("Must have exactly one 'zeebe:loopCharacteristics' extension element")
        return None
    definition = found[0]
    collection = _required(definition, "inputCollection", report)
    output_collection = definition.get("outputCollection") or None
    output_element = definition.get("outputElement") or None
    if (output_collection is None) != (output_element is None):
        report("Must have either both or none of 'outputCollection' and 'outputElement'")
        output_collection = output_element = None
    condition = text_of(marker.find(f"{BPMN}completionCondition"))
    return Loop(
        dynamic(collection or "=[]", "the input collection", report),
        marker.get("isSequential") == "true",
        definition.get("inputElement") or None,
        output_collection,
        dynamic(output_element, "the output element", report) if output_element else None,
        dynamic(condition, "the completion condition", report) if condition else None,
    )


def correlation_key(message: Node, report: Report) -> Expression | None:
    """Read a message's correlation key; None when it does not have exactly one."""
    found = extensions(message, "subscription")
    if len(found) != 1:
        return None
    text = _required(found[0], "correlationKey", report)
    return dynamic(text, "the correlation key", report) if text else None


def properties(node: Node) -> dict[str, str]:
    """Read the zeebe properties, which hold the settings of inbound connectors."""
    return {
        name: item.get("value") or ""
        for holder in extensions(node, "properties")
        for item in holder.findall(ZEEBE + "property")
        if (name := item.get("name"))
    }
