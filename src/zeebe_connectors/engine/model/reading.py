"""Turn the XML of a resource into processes, or into a list of all its problems."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from xml.etree.ElementTree import Element as Node

from zeebe_connectors.engine.model import checks, extensions
from zeebe_connectors.engine.model.elements import Element, EventKind, Process, SequenceFlow
from zeebe_connectors.engine.model.events import EventReader
from zeebe_connectors.engine.model.problems import Problem
from zeebe_connectors.engine.model.structure import check_structure
from zeebe_connectors.engine.model.xml import BPMN, XmlError, bpmn_children, bpmn_name, extension, parse, text_of

# The behaviour of each element in the flow; an event's definition may change it.
BEHAVIOURS = {
    "serviceTask": "job",
    "sendTask": "job",
    "businessRuleTask": "job",
    "userTask": "job",
    "scriptTask": "script",
    "task": "pass",
    "manualTask": "pass",
    "receiveTask": "catch",
    "callActivity": "call",
    "subProcess": "subprocess",
    "startEvent": "pass",
    "endEvent": "pass",
    "intermediateThrowEvent": "pass",
    "intermediateCatchEvent": "catch",
    "boundaryEvent": "pass",
    "exclusiveGateway": "exclusive",
    "parallelGateway": "parallel",
    "inclusiveGateway": "inclusive",
    "eventBasedGateway": "event_based",
}
THROWN = {
    EventKind.MESSAGE: "job",
    EventKind.SIGNAL: "signal_throw",
    EventKind.ERROR: "error_end",
    EventKind.TERMINATE: "terminate",
    EventKind.LINK: "link_throw",
}
# These ends return nothing, whatever their output mappings say.
WITHOUT_OUTPUT = frozenset({EventKind.ERROR, EventKind.TERMINATE})
# Parts of a diagram that are not executed.
IGNORED = frozenset({
    "association", "auditing", "category", "completionCondition", "conditionExpression", "correlationSubscription",
    "dataInputAssociation", "dataObject", "dataObjectReference", "dataOutputAssociation", "dataStoreReference",
    "documentation", "extensionElements", "group", "incoming", "ioBinding", "ioSpecification", "laneSet", "monitoring",
    "multiInstanceLoopCharacteristics", "outgoing", "property", "relationship", "standardLoopCharacteristics",
    "supportedInterfaceRef", "supports", "textAnnotation", "script", "potentialOwner", "performer", "humanPerformer",
    "rendering", "resourceRole",
})  # fmt: skip
# Only a cluster runs these.
ONLY_IN_A_CLUSTER = frozenset({"adHocSubProcess"})
# No Zeebe engine runs these.
UNKNOWN = frozenset({"callChoreography", "choreographyTask", "complexGateway", "implicitThrowEvent", "subChoreography",
                     "transaction"})  # fmt: skip
ACTIVITIES = frozenset({
    "serviceTask", "sendTask", "businessRuleTask", "userTask", "scriptTask", "task", "manualTask", "receiveTask",
    "callActivity", "subProcess",
})  # fmt: skip
MAX_DEPTH = 100
"""How deep sub-processes may be nested: each level is read inside the one around it."""
LISTENERS = ("executionListeners", "taskListeners", "userTaskListeners")


class InvalidResourceError(Exception):
    """A resource is refused; `problems` says why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def read_processes(content: bytes, *, deployed: bool = False) -> list[Process]:
    """Read the executable processes of a BPMN document.

    Args:
        content: The document.
        deployed: Whether it was accepted before: then it is not refused, even if the checks have become stricter.

    Raises:
        InvalidResourceError: It is not BPMN, is invalid, or holds elements that this engine cannot run.
    """
    try:
        root = parse(content)
    except XmlError as error:
        raise InvalidResourceError([Problem("definitions", f"the XML cannot be read: {error}")]) from None
    if bpmn_name(root) != "definitions":
        raise InvalidResourceError([Problem(str(root.tag), "the root of a BPMN document is 'bpmn:definitions'")])
    reader = _Reader(root)
    processes = reader.processes()
    if reader.problems and not deployed:
        raise InvalidResourceError(reader.problems)
    return processes


class _Reader:
    """Reads one document."""

    def __init__(self, root: Node) -> None:
        self.problems: list[Problem] = []
        self._root = root
        self._events = EventReader(root, self._report)
        self._ids: set[str] = set()
        self._depth = 0

    def processes(self) -> list[Process]:
        found = []
        for name, node in bpmn_children(self._root):
            if name == "process" and node.get("isExecutable") == "true":
                found.append(self._process(node))
        if not found:
            self._report("definitions", "Must contain at least one executable process")
        check_structure(self._root, self._report)
        return found

    def _report(self, element: str, reason: str, *, unsupported: bool = False) -> None:
        self.problems.append(Problem(element, reason, unsupported))

    def _reporter(self, element: str) -> Callable[..., None]:
        return partial(self._report, element)

    def _id(self, node: Node, tag: str) -> str:
        found = node.get("id")
        if not found:
            self._report(tag, "Attribute 'id' must be present and not empty")
            found = f"{tag}-{len(self._ids)}"
        if found in self._ids:
            self._report(found, "The id is used more than once")
        self._ids.add(found)
        return found

    def _process(self, node: Node) -> Process:
        process = Process(self._id(node, "process"), "process", "process", name=node.get("name"))
        tag = extension(node, "versionTag")
        if tag is not None:
            process.version_tag = tag.get("value") or None
        self._listeners(node, process.id)
        self._contents(node, process)
        process.index = {element.id: element for element in process.walk()}
        checks.check_process(process, self._report)
        return process

    def _contents(self, node: Node, container: Element) -> None:
        flows = []
        nodes: list[tuple[Element, Node]] = []
        for tag, child in bpmn_children(node):
            if tag == "sequenceFlow":
                flows.append(child)
            elif tag in BEHAVIOURS:
                element = self._element(tag, child, container)
                container.elements[element.id] = element
                nodes.append((element, child))
            elif tag in ONLY_IN_A_CLUSTER or tag in UNKNOWN:
                element = Element(self._id(child, tag), tag, "pass", container)
                container.elements[element.id] = element  # so that its flows are not reported as well
                self._report(
                    element.id, f"Elements of type '{tag}' are not supported", unsupported=tag in ONLY_IN_A_CLUSTER
                )
            elif tag not in IGNORED and not tag.endswith("EventDefinition"):
                self._report(child.get("id") or tag, f"Elements of type '{tag}' are not supported")
        self._connect(flows, container)
        for element, child in nodes:
            self._attach(element, child, container)

    def _element(self, tag: str, node: Node, container: Element) -> Element:
        element = Element(self._id(node, tag), tag, BEHAVIOURS[tag], container, node.get("name"))
        report = self._reporter(element.id)
        self._listeners(node, element.id)
        element.properties = extensions.properties(node)
        element.inputs, element.outputs = extensions.mappings(node, report)
        element.event = self._events.read(node, element)
        if tag in ACTIVITIES:
            element.loop = extensions.loop(node, report)
            if node.get("isForCompensation") == "true":
                report("Compensation handlers are not supported", unsupported=True)
        self._details(element, node, report)
        return element

    def _details(self, element: Element, node: Node, report: Callable[..., None]) -> None:
        """Read the properties that are specific to one kind of element."""
        readers: dict[str, Callable[[Element, Node, Callable[..., None]], None]] = {
            "serviceTask": self._job,
            "sendTask": self._job,
            "businessRuleTask": self._business_rule,
            "userTask": self._user_task,
            "scriptTask": self._script,
            "callActivity": self._call_activity,
            "subProcess": self._subprocess,
            "endEvent": self._thrown,
            "intermediateThrowEvent": self._thrown,
        }
        if element.tag in readers:
            readers[element.tag](element, node, report)
        elif element.tag == "startEvent":
            element.interrupting = node.get("isInterrupting") != "false"
        elif element.tag == "boundaryEvent":
            element.interrupting = node.get("cancelActivity") != "false"
        elif element.event is not None and element.event.kind is EventKind.LINK:
            element.behaviour = "pass"

    def _user_task(self, element: Element, node: Node, report: Callable[..., None]) -> None:
        if extension(node, "userTask") is not None:
            report("User tasks of the implementation 'zeebe:userTask' are not supported", unsupported=True)
        element.job = extensions.user_task_job(node, report)

    def _call_activity(self, element: Element, node: Node, report: Callable[..., None]) -> None:
        element.called = extensions.called_element(node, report)

    def _subprocess(self, element: Element, node: Node, report: Callable[..., None]) -> None:
        element.event_triggered = node.get("triggeredByEvent") == "true"
        if self._depth >= MAX_DEPTH:
            report(f"Sub-processes must not be nested more than {MAX_DEPTH} levels deep")
            return
        self._depth += 1
        self._contents(node, element)
        self._depth -= 1

    def _job(self, element: Element, node: Node, report: Callable[..., None]) -> None:
        element.job = extensions.job(node, report)
        if extension(node, "publishMessage") is not None:
            report("'zeebe:publishMessage' is not supported", unsupported=True)
        elif element.job is None:
            report("Must have exactly one 'zeebe:taskDefinition' extension element")

    def _business_rule(self, element: Element, node: Node, report: Callable[..., None]) -> None:
        element.job = extensions.job(node, report)
        decision = extension(node, "calledDecision")
        if decision is not None:
            report("Called decisions are not supported", unsupported=True)
        if (element.job is None) == (decision is None):
            report("Must have either one 'zeebe:calledDecision' or one 'zeebe:taskDefinition' extension element")

    def _script(self, element: Element, node: Node, report: Callable[..., None]) -> None:
        script = extensions.script(node, report)
        element.job = extensions.job(node, report)
        if (script is None) == (element.job is None):
            report("Must have either one 'zeebe:script' or one 'zeebe:taskDefinition' extension element")
        if script is not None:
            element.script, element.result_variable = script
        if element.job is not None:
            element.behaviour = "job"

    def _thrown(self, element: Element, node: Node, report: Callable[..., None]) -> None:
        if element.event is None:
            return
        element.behaviour = THROWN.get(element.event.kind, element.behaviour)
        if element.event.kind is EventKind.MESSAGE:
            self._job(element, node, report)
        elif element.event.kind in WITHOUT_OUTPUT:
            element.outputs = []

    def _listeners(self, node: Node, element: str) -> None:
        for name in LISTENERS:
            holder = extension(node, name)
            if holder is not None and len(holder):
                self._report(element, f"'zeebe:{name}' are not supported", unsupported=True)

    def _connect(self, flows: list[Node], container: Element) -> None:
        for node in flows:
            flow_id = self._id(node, "sequenceFlow")
            source = container.elements.get(node.get("sourceRef", ""))
            target = container.elements.get(node.get("targetRef", ""))
            if source is None or target is None:
                self._report(flow_id, "'sourceRef' and 'targetRef' must name elements of the same container")
                continue
            text = text_of(node.find(f"{BPMN}conditionExpression"))
            condition = None
            if text:
                condition = extensions.dynamic(text, "the condition", self._reporter(flow_id))
            flow = SequenceFlow(flow_id, source, target, condition)
            source.outgoing.append(flow)
            target.incoming.append(flow)

    def _attach(self, element: Element, node: Node, container: Element) -> None:
        """Connect an element with others in its container, all of which have been read by now."""
        if element.tag == "startEvent":
            container.starts.append(element)
        if element.event_triggered:
            container.event_subprocesses.append(element)
        if element.tag == "boundaryEvent":
            host = container.elements.get(node.get("attachedToRef", ""))
            if host is None or host.tag not in ACTIVITIES:
                self._report(element.id, "Must be attached to an activity")
            else:
                element.attached_to = host
                host.boundaries.append(element)
        default = node.get("default")
        if default:
            element.default_flow = next((flow for flow in element.outgoing if flow.id == default), None)
            if element.default_flow is None:
                self._report(element.id, "The default flow must be one of its outgoing sequence flows")
