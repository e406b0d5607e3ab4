"""Builds small BPMN documents: a flow as text, with the nodes that are more than their name.

    process("p", "start > a > choice; choice > end {=x > 1}; choice > a {default}", task("a"))

Ids that begin with start, end, par, xor or ior are events and gateways of that kind unless a node is given for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape, quoteattr

KINDS = {
    "start": "startEvent",
    "end": "endEvent",
    "par": "parallelGateway",
    "xor": "exclusiveGateway",
    "ior": "inclusiveGateway",
}
HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><bpmn:definitions '
    'xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" id="d" targetNamespace="t">'
)
TERMINATE = "<bpmn:terminateEventDefinition/>"
Pairs = Sequence[tuple[str | None, str]]


def variables(job) -> dict[str, object]:
    """Returns the variables that came with a job."""
    return json.loads(job.variables)


def attributes(values: dict[str, object]) -> str:
    return "".join(f" {name}={quoteattr(str(value))}" for name, value in values.items() if value is not None)


class Node:
    """One element: extension elements, what follows them, and a flow of its own."""

    def __init__(self, tag, name, *, ext=(), inner="", flow=None, nodes=(), **attrs):
        self.tag, self.id, self.ext, self.inner, self.attrs = tag, name, [part for part in ext if part], inner, attrs
        self.box = Box(flow, nodes) if flow is not None else None
        self.turns: list[str] = []

    def xml(self) -> str:
        extensions = f"<bpmn:extensionElements>{''.join(self.ext)}</bpmn:extensionElements>" if self.ext else ""
        inside = self.box.xml() if self.box else ""
        head = f"<bpmn:{self.tag} id={quoteattr(self.id)}{attributes(self.attrs)}>"
        turns = "".join(sorted(self.turns))  # incoming before outgoing, as the schema has it
        return f"{head}{extensions}{turns}{self.inner}{inside}</bpmn:{self.tag}>"


class Box:
    """What a process or sub-process contains."""

    def __init__(self, flow: str, nodes: Iterable[Node]) -> None:
        self.nodes = {node.id: node for node in nodes}
        self.flows: list[tuple[str, str, str, str]] = []
        for chain in re.findall(r"(?:[^;{]|\{[^}]*\})+", flow):
            last = None
            for name, condition in re.findall(
                r"([A-Za-z_]\w*)\s*(?:\{([^}]*)\})?", re.sub(r"\s*>\s*(?![^{]*\})", " ", chain)
            ):
                if name not in self.nodes:
                    self.nodes[name] = Node(next(tag for prefix, tag in KINDS.items() if name.startswith(prefix)), name)
                if last:
                    flow_id = f"f{len(self.flows)}_{last}_{name}"
                    self.nodes[last].turns.append(f"<bpmn:outgoing>{flow_id}</bpmn:outgoing>")
                    self.nodes[name].turns.append(f"<bpmn:incoming>{flow_id}</bpmn:incoming>")
                    if condition == "default":
                        self.nodes[last].attrs["default"] = flow_id
                    self.flows.append((flow_id, last, name, "" if condition == "default" else condition))
                last = name

    def xml(self) -> str:
        flows = []
        for flow_id, source, target, condition in self.flows:
            inner = f"<bpmn:conditionExpression>{escape(condition)}</bpmn:conditionExpression>" if condition else ""
            flows.append(
                f'<bpmn:sequenceFlow id="{flow_id}" sourceRef="{source}" targetRef="{target}">{inner}'
                "</bpmn:sequenceFlow>"
            )
        return "".join(node.xml() for node in self.nodes.values()) + "".join(flows)


def document(*parts: str) -> bytes:
    return (HEAD + "".join(parts) + "</bpmn:definitions>").encode()


def process(
    name: str, flow: str = "start > end", *nodes: Node, roots: str = "", executable: bool = True, ext=()
) -> bytes:
    body = Node("process", name, ext=ext, flow=flow, nodes=nodes, isExecutable=str(executable).lower())
    return document(body.xml(), roots)


def io(inputs: Pairs = (), outputs: Pairs = ()) -> str:
    def one(tag, source, target):
        return f"<zeebe:{tag}{attributes({'source': source, 'target': target})}/>"

    if not inputs and not outputs:
        return ""
    inside = "".join(one("input", *pair) for pair in inputs) + "".join(one("output", *pair) for pair in outputs)
    return f"<zeebe:ioMapping>{inside}</zeebe:ioMapping>"


def job(kind: str, retries: str | None = None) -> str:
    return f"<zeebe:taskDefinition{attributes({'type': kind, 'retries': retries})}/>"


def headers(values: dict[str, str]) -> str:
    inside = "".join(f"<zeebe:header{attributes({'key': key, 'value': value})}/>" for key, value in values.items())
    return f"<zeebe:taskHeaders>{inside}</zeebe:taskHeaders>"


def task(name, kind=None, *, inputs=(), outputs=(), loop="", retries=None, ext=(), tag="serviceTask", **attrs) -> Node:
    return Node(tag, name, ext=[job(kind or name, retries), io(inputs, outputs), *ext], inner=loop, **attrs)


def script(name, expression, variable, *, inputs=(), outputs=(), loop="") -> Node:
    made = f"<zeebe:script{attributes({'expression': expression, 'resultVariable': variable})}/>"
    return Node("scriptTask", name, ext=[made, io(inputs, outputs)], inner=loop)


def sub(name, flow, *nodes, inputs=(), outputs=(), loop="", **attrs) -> Node:
    return Node("subProcess", name, ext=[io(inputs, outputs)], inner=loop, flow=flow, nodes=nodes, **attrs)


def event_sub(name, flow, *nodes, inputs=(), outputs=()) -> Node:
    return sub(name, flow, *nodes, inputs=inputs, outputs=outputs, triggeredByEvent="true")


def start(name, inner="", *, interrupting=None, outputs=()) -> Node:
    value = None if interrupting is None else str(interrupting).lower()
    return Node("startEvent", name, ext=[io((), outputs)], inner=inner, isInterrupting=value)


def end(name, inner="", *, inputs=(), outputs=(), ext=()) -> Node:
    return Node("endEvent", name, ext=[*ext, io(inputs, outputs)], inner=inner)


def catch(name, inner, *, outputs=()) -> Node:
    return Node("intermediateCatchEvent", name, ext=[io((), outputs)], inner=inner)


def throw(name, inner="", *, inputs=(), outputs=(), ext=()) -> Node:
    return Node("intermediateThrowEvent", name, ext=[*ext, io(inputs, outputs)], inner=inner)


def boundary(name, on, inner, *, interrupting=True, outputs=()) -> Node:
    value = None if interrupting else "false"
    return Node("boundaryEvent", name, ext=[io((), outputs)], inner=inner, attachedToRef=on, cancelActivity=value)


def receive(name, message_id, *, outputs=(), loop="") -> Node:
    return Node("receiveTask", name, ext=[io((), outputs)], inner=loop, messageRef="M_" + message_id)


def call(name, called, *, inputs=(), outputs=(), loop="", **more) -> Node:
    made = f"<zeebe:calledElement{attributes({'processId': called, **more})}/>"
    return Node("callActivity", name, ext=[made, io(inputs, outputs)], inner=loop)


def multi(collection, item=None, results=None, output=None, *, sequential=False, until=None) -> str:
    values = {"inputCollection": collection, "inputElement": item, "outputCollection": results, "outputElement": output}
    condition = f"<bpmn:completionCondition>{escape(until)}</bpmn:completionCondition>" if until else ""
    return (
        f'<bpmn:multiInstanceLoopCharacteristics isSequential="{str(sequential).lower()}"><bpmn:extensionElements>'
        f"<zeebe:loopCharacteristics{attributes(values)}/></bpmn:extensionElements>{condition}"
        "</bpmn:multiInstanceLoopCharacteristics>"
    )


def timer(text, kind="timeDuration") -> str:
    return f"<bpmn:timerEventDefinition><bpmn:{kind}>{escape(text)}</bpmn:{kind}></bpmn:timerEventDefinition>"


def date(text) -> str:
    return timer(text, "timeDate")


def cycle(text) -> str:
    return timer(text, "timeCycle")


def on_message(name) -> str:
    return f'<bpmn:messageEventDefinition messageRef="M_{name}"/>'


def on_signal(name) -> str:
    return f'<bpmn:signalEventDefinition signalRef="S_{name}"/>'


def on_error(name=None) -> str:
    return f"<bpmn:errorEventDefinition{attributes({'errorRef': f'E_{name}' if name else None})}/>"


def on_link(name) -> str:
    return f"<bpmn:linkEventDefinition name={quoteattr(name)}/>"


def message(name, key=None, called=None) -> str:
    inner = (
        f"<bpmn:extensionElements><zeebe:subscription{attributes({'correlationKey': key})}/></bpmn:extensionElements>"
        if key
        else ""
    )
    return f"<bpmn:message{attributes({'id': f'M_{name}', 'name': called or name})}>{inner}</bpmn:message>"


def signal(name, called=None) -> str:
    return f"<bpmn:signal{attributes({'id': f'S_{name}', 'name': called or name})}/>"


def error(name, code=None) -> str:
    return f"<bpmn:error{attributes({'id': f'E_{name}', 'name': name, 'errorCode': code or name})}/>"
