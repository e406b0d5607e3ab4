"""Diagrams to be accepted or refused: one for each rule, and some that look wrong and are not."""

from __future__ import annotations

from tests.engine.diagrams import (
    TERMINATE,
    Node,
    boundary,
    call,
    catch,
    cycle,
    date,
    document,
    end,
    error,
    event_sub,
    headers,
    io,
    job,
    message,
    multi,
    on_error,
    on_link,
    on_message,
    on_signal,
    process,
    receive,
    script,
    signal,
    start,
    sub,
    task,
    throw,
    timer,
)

ESCALATION = '<bpmn:escalation id="X_x" name="x" escalationCode="x"/>'
ON_ESCALATION = '<bpmn:escalationEventDefinition escalationRef="X_x"/>'
COMPENSATE = "<bpmn:compensateEventDefinition/>"
CONDITIONAL = (
    "<bpmn:conditionalEventDefinition><bpmn:condition>=x &gt; 1</bpmn:condition></bpmn:conditionalEventDefinition>"
)
DOCUMENTED = "<bpmn:documentation>text</bpmn:documentation>"
TYPED = f"<bpmn:extensionElements>{job('t')}</bpmn:extensionElements>"
COMES, GOES = "<bpmn:incoming>f</bpmn:incoming>", "<bpmn:outgoing>g</bpmn:outgoing>"
NOTE = '<bpmn:textAnnotation id="n"/>'
NO_REFERENCE = "<bpmn:messageEventDefinition/>"


def line(*nodes: Node, roots: str = "", **more) -> bytes:
    return process("p", f"start > {' > '.join(node.id for node in nodes)} > end", *nodes, roots=roots, **more)


def by_hand(parts: str, *, start: str = "", rest: str = "", roots: str = "") -> bytes:
    """A process whose start event and task have exactly these parts."""
    return document(
        f'<bpmn:process id="p" isExecutable="true"><bpmn:startEvent id="s">{start}</bpmn:startEvent>'
        f'<bpmn:serviceTask id="t">{parts}</bpmn:serviceTask><bpmn:endEvent id="e"/>'
        '<bpmn:sequenceFlow id="f" sourceRef="s" targetRef="t"/>'
        f'<bpmn:sequenceFlow id="g" sourceRef="t" targetRef="e"/>{rest}</bpmn:process>{roots}'
    )


def plain(tag: str, *, ext=(), inner="", **attrs) -> bytes:
    return line(Node(tag, "t", ext=ext, inner=inner, **attrs))


def attached(inner: str, *, interrupting=True, roots="") -> bytes:
    return process(
        "p",
        "start > t > end; b > end2",
        task("t"),
        boundary("b", "t", inner, interrupting=interrupting),
        roots=roots,
    )


def race(*targets: Node, roots="") -> bytes:
    flow = "start > g; " + "; ".join(f"g > {node.id} > end" for node in targets)
    return process("p", flow, Node("eventBasedGateway", "g"), *targets, roots=roots)


def inside(*nodes: Node, flow="start2 > end2", roots="", **more) -> bytes:
    return process("p", "start > box > end", sub("box", flow, *nodes, **more), roots=roots)


def with_event_sub(begin: Node, roots="", flow="start2 > end2", *nodes: Node) -> bytes:
    return process("p", "start > t > end", task("t"), event_sub("es", flow, begin, *nodes), roots=roots)


def decision(result="r") -> str:
    return f'<zeebe:calledDecision decisionId="d" resultVariable="{result}"/>'


def listener() -> str:
    return '<zeebe:executionListeners><zeebe:executionListener eventType="start" type="l"/></zeebe:executionListeners>'


DIAGRAMS: dict[str, bytes] = {
    # what is there, and what must be
    "least": process("p"),
    "no-executable-process": process("p", executable=False),
    "no-start-event": process("p", "end"),
    "two-none-start-events": process("p", "start1 > end; start2 > end"),
    "start-event-with-incoming-flow": process("p", "start > t > start; t > end", task("t")),
    "end-event-with-outgoing-flow": process("p", "start > end > t", task("t")),
    "element-without-way-out": process("p", "start > t", task("t")),
    "element-that-is-not-reached": process("p", "start > end; t > end", task("t")),
    "undefined-task": plain("task"),
    "manual-task": plain("manualTask"),
    "complex-gateway": process("p", "start > g > end", Node("complexGateway", "g")),
    "transaction": process("p", "start > t > end", Node("transaction", "t", flow="start2 > end2")),
    "ad-hoc-sub-process": process("p", "start > t > end", Node("adHocSubProcess", "t", flow="a", nodes=[task("a")])),
    "standard-loop": plain("serviceTask", ext=[job("t")], inner="<bpmn:standardLoopCharacteristics/>"),
    # tasks
    "service-task": line(task("t")),
    "service-task-without-definition": plain("serviceTask"),
    "service-task-with-blank-type": plain("serviceTask", ext=[job("")]),
    "service-task-with-two-definitions": plain("serviceTask", ext=[job("a"), job("b")]),
    "service-task-with-headers": line(task("t", ext=[headers({"a": "b"})])),
    "send-task": line(task("t", tag="sendTask")),
    "send-task-without-definition": plain("sendTask"),
    "user-task": plain("userTask"),
    "user-task-of-the-engine": plain("userTask", ext=["<zeebe:userTask/>"]),
    "business-rule-task-with-job": line(task("t", tag="businessRuleTask")),
    "business-rule-task-with-decision": plain("businessRuleTask", ext=[decision()]),
    "business-rule-task-without-both": plain("businessRuleTask"),
    "business-rule-task-with-both": plain("businessRuleTask", ext=[decision(), job("j")]),
    "business-rule-task-with-blank-result": plain("businessRuleTask", ext=[decision("")]),
    "script-task-with-expression": line(script("t", "=1", "r")),
    "script-task-with-job": line(task("t", tag="scriptTask")),
    "script-task-without-both": plain("scriptTask"),
    "script-task-with-both": plain("scriptTask", ext=[job("j"), '<zeebe:script expression="=1" resultVariable="r"/>']),
    "script-task-without-result-variable": plain("scriptTask", ext=['<zeebe:script expression="=1"/>']),
    "receive-task": line(receive("t", "m"), roots=message("m", "=k")),
    "receive-task-without-message": plain("receiveTask"),
    "receive-task-without-correlation-key": line(receive("t", "m"), roots=message("m")),
    # mappings
    "mappings": line(task("t", inputs=[("=a", "b.c")], outputs=[("=d", "e")])),
    "input-without-source": line(task("t", inputs=[(None, "b")])),
    "input-with-blank-target": line(task("t", inputs=[("=a", "")])),
    "output-without-target": plain(
        "serviceTask", ext=[job("t"), '<zeebe:ioMapping><zeebe:output source="=a"/></zeebe:ioMapping>']
    ),
    "broken-expression-in-a-mapping": line(task("t", inputs=[("=a +", "b")])),
    "broken-expression-as-type": line(task("t", "=a +")),
    # calls
    "call-activity": line(call("t", "q")),
    "call-activity-without-called-element": plain("callActivity"),
    "call-activity-with-blank-process": line(call("t", "")),
    "call-activity-of-a-version-tag": line(call("t", "q", bindingType="versionTag", versionTag="1")),
    "call-activity-of-no-version-tag": line(call("t", "q", bindingType="versionTag")),
    "call-activity-of-a-deployment": line(call("t", "q", bindingType="deployment")),
    "call-activity-with-a-tag-but-latest": line(call("t", "q", bindingType="latest", versionTag="1")),
    "call-activity-with-unknown-binding": line(call("t", "q", bindingType="newest")),
    "process-with-version-tag": process("p", ext=['<zeebe:versionTag value="1"/>']),
    "process-with-blank-version-tag": process("p", ext=['<zeebe:versionTag value=""/>']),
    # multi-instance
    "multi-instance": line(task("t", loop=multi("=a", "i", "r", "=o"))),
    "multi-instance-without-characteristics": line(task("t", loop="<bpmn:multiInstanceLoopCharacteristics/>")),
    "multi-instance-without-collection": line(
        task(
            "t",
            loop="<bpmn:multiInstanceLoopCharacteristics><bpmn:extensionElements><zeebe:loopCharacteristics/>"
            "</bpmn:extensionElements></bpmn:multiInstanceLoopCharacteristics>",
        )
    ),
    "multi-instance-with-output-collection-only": line(task("t", loop=multi("=a", "i", "r"))),
    "multi-instance-with-output-element-only": line(task("t", loop=multi("=a", "i", None, "=o"))),
    "multi-instance-with-condition": line(task("t", loop=multi("=a", until="=true"))),
    # flows and gateways
    "condition-at-a-task": process("p", "start > t; t > end {=x}", task("t")),
    "exclusive-gateway": process("p", "start > xor; xor > end1 {=x}; xor > end2 {default}"),
    "exclusive-gateway-without-conditions": process("p", "start > xor; xor > end1; xor > end2"),
    "exclusive-gateway-with-one-flow": process("p", "start > xor > end"),
    "inclusive-gateway": process("p", "start > ior1; ior1 > end1 {=x}; ior1 > end2 {=y}"),
    "inclusive-join": process("p", "start > par; par > ior; par > b > ior; ior > end", task("b")),
    "default-flow-of-another": process(
        "p", "start > xor; xor > end1 {=x}; xor > end2 {=y}", Node("exclusiveGateway", "xor", default="f0_start_xor")
    ),
    "event-based-gateway": race(catch("a", timer("PT1S")), catch("b", on_signal("s")), roots=signal("s")),
    "event-based-gateway-with-one-flow": race(catch("a", timer("PT1S"))),
    "event-based-gateway-to-a-task": race(catch("a", timer("PT1S")), task("t")),
    "event-based-gateway-with-one-message-twice": race(
        catch("a", on_message("m")), catch("b", on_message("m")), roots=message("m", "=k")
    ),
    "event-based-gateway-whose-target-has-another-way-in": process(
        "p",
        "start > par; par > g; par > a; g > a > end; g > b > end",
        Node("eventBasedGateway", "g"),
        catch("a", timer("PT1S")),
        catch("b", timer("PT2S")),
    ),
    # messages, signals, errors, links
    "message-catch-event": line(catch("c", on_message("m")), roots=message("m", "=k")),
    "message-catch-event-without-message": line(catch("c", NO_REFERENCE)),
    "message-catch-event-without-key": line(catch("c", on_message("m")), roots=message("m")),
    "message-without-name": line(
        catch("c", on_message("m")),
        roots='<bpmn:message id="M_m"><bpmn:extensionElements><zeebe:subscription correlationKey="=k"/>'
        "</bpmn:extensionElements></bpmn:message>",
    ),
    "message-start-event": process("p", "start > end", start("start", on_message("m")), roots=message("m")),
    "two-start-events-of-one-message": process(
        "p",
        "a > end; b > end",
        start("a", on_message("m")),
        start("b", on_message("m")),
        roots=message("m"),
    ),
    "message-throw-event-with-job": line(throw("t", on_message("m"), ext=[job("t")]), roots=message("m")),
    "message-throw-event-without-job": line(throw("t", on_message("m")), roots=message("m")),
    "message-end-event-without-job": process("p", "start > end", end("end", on_message("m")), roots=message("m")),
    "signal-catch-event": line(catch("c", on_signal("s")), roots=signal("s")),
    "signal-catch-event-without-signal": line(catch("c", "<bpmn:signalEventDefinition/>")),
    "signal-without-name": line(catch("c", on_signal("s")), roots='<bpmn:signal id="S_s"/>'),
    "signal-throw-event": line(throw("t", on_signal("s")), roots=signal("s")),
    "signal-end-event": process("p", "start > end", end("end", on_signal("s")), roots=signal("s")),
    "two-signal-start-events-of-one-signal": process(
        "p", "a > end; b > end", start("a", on_signal("s")), start("b", on_signal("s")), roots=signal("s")
    ),
    "error-end-event": process("p", "start > end", end("end", on_error("e")), roots=error("e")),
    "error-end-event-without-error": process("p", "start > end", end("end", on_error())),
    "error-end-event-without-code": process(
        "p", "start > end", end("end", on_error("e")), roots='<bpmn:error id="E_e" name="e"/>'
    ),
    "terminate-end-event": process("p", "start > end", end("end", TERMINATE)),
    "links": process("p", "start > a; b > end", throw("a", on_link("l")), catch("b", on_link("l"))),
    "link-without-target": process("p", "start > a", throw("a", on_link("l"))),
    "link-without-name": process("p", "start > a; b > end", throw("a", on_link("")), catch("b", on_link(""))),
    "two-link-targets-of-one-name": process(
        "p", "start > a; b > end; c > end", throw("a", on_link("l")), catch("b", on_link("l")), catch("c", on_link("l"))
    ),
    "none-catch-event": line(catch("c", "")),
    "escalation-throw-event": line(throw("t", ON_ESCALATION), roots=ESCALATION),
    "escalation-throw-event-without-escalation": line(throw("t", "<bpmn:escalationEventDefinition/>")),
    "compensation-throw-event": line(throw("t", COMPENSATE)),
    "conditional-catch-event": line(catch("c", CONDITIONAL)),
    "timer-throw-event": line(throw("t", timer("PT1S"))),
    "cancel-end-event": process("p", "start > end", end("end", "<bpmn:cancelEventDefinition/>")),
    "two-event-definitions": line(catch("c", timer("PT1S") + on_signal("s")), roots=signal("s")),
    # timers
    "timer-catch-event": line(catch("c", timer("PT1S"))),
    "timer-catch-event-with-cycle": line(catch("c", cycle("R3/PT1S"))),
    "timer-catch-event-without-time": line(catch("c", "<bpmn:timerEventDefinition/>")),
    "timer-start-event-with-cycle": process("p", "start > end", start("start", cycle("R3/PT1H"))),
    "timer-start-event-with-date": process("p", "start > end", start("start", date("2099-01-01T00:00:00Z"))),
    "timer-start-event-with-duration": process("p", "start > end", start("start", timer("PT1S"))),
    # boundary events
    "boundary-timer": attached(timer("PT1S")),
    "boundary-timer-with-cycle": attached(cycle("R/PT1S")),
    "boundary-timer-with-cycle-that-does-not-interrupt": attached(cycle("R/PT1S"), interrupting=False),
    "boundary-message": attached(on_message("m"), roots=message("m", "=k")),
    "boundary-signal": attached(on_signal("s"), roots=signal("s")),
    "boundary-error": attached(on_error("e"), roots=error("e")),
    "boundary-error-that-does-not-interrupt": attached(on_error("e"), interrupting=False, roots=error("e")),
    "boundary-without-definition": attached(""),
    "boundary-escalation": attached(ON_ESCALATION, roots=ESCALATION),
    "boundary-conditional": attached(CONDITIONAL),
    "boundary-compensation": attached(COMPENSATE),
    "boundary-without-way-out": process("p", "start > t > end", task("t"), boundary("b", "t", timer("PT1S"))),
    "boundary-with-incoming-flow": process(
        "p", "start > t > end; t > b > end2", task("t"), boundary("b", "t", timer("PT1S"))
    ),
    "boundary-at-a-gateway": process("p", "start > xor > end; b > end2", boundary("b", "xor", timer("PT1S"))),
    "two-boundary-errors-of-one-code": process(
        "p",
        "start > t > end; a > end2; b > end3",
        task("t"),
        boundary("a", "t", on_error("e")),
        boundary("b", "t", on_error("f")),
        roots=error("e", "1") + error("f", "1"),
    ),
    "two-boundary-errors-that-catch-all": process(
        "p",
        "start > t > end; a > end2; b > end3",
        task("t"),
        boundary("a", "t", on_error()),
        boundary("b", "t", on_error()),
    ),
    "boundary-error-and-one-that-catches-all": process(
        "p",
        "start > t > end; a > end2; b > end3",
        task("t"),
        boundary("a", "t", on_error("e")),
        boundary("b", "t", on_error()),
        roots=error("e"),
    ),
    "boundary-error-with-an-expression": process(
        "p", "start > t > end; a > end2", task("t"), boundary("a", "t", on_error("e")), roots=error("e", "=code")
    ),
    "two-boundary-messages-of-one-name": process(
        "p",
        "start > t > end; a > end2; b > end3",
        task("t"),
        boundary("a", "t", on_message("m")),
        boundary("b", "t", on_message("n")),
        roots=message("m", "=k", "x") + message("n", "=k", "x"),
    ),
    "two-boundary-signals-of-one-name": process(
        "p",
        "start > t > end; a > end2; b > end3",
        task("t"),
        boundary("a", "t", on_signal("s")),
        boundary("b", "t", on_signal("u")),
        roots=signal("s", "x") + signal("u", "x"),
    ),
    "two-boundary-timers": process(
        "p",
        "start > t > end; a > end2; b > end3",
        task("t"),
        boundary("a", "t", timer("PT1S")),
        boundary("b", "t", timer("PT2S")),
    ),
    # sub-processes
    "sub-process": inside(),
    "sub-process-without-start-event": inside(flow="end2"),
    "sub-process-with-two-start-events": inside(flow="start2 > end2; start3 > end2"),
    "sub-process-with-a-timer-start-event": inside(start("start2", timer("PT1S"))),
    "event-sub-process-of-a-message": with_event_sub(start("start2", on_message("m")), message("m", "=k")),
    "event-sub-process-of-a-message-without-key": with_event_sub(start("start2", on_message("m")), message("m")),
    "event-sub-process-of-a-timer": with_event_sub(start("start2", timer("PT1S"))),
    "event-sub-process-of-a-cycle": with_event_sub(start("start2", cycle("R2/PT1S"))),
    "event-sub-process-of-a-cycle-that-does-not-interrupt": with_event_sub(
        start("start2", cycle("R2/PT1S"), interrupting=False)
    ),
    "event-sub-process-of-a-signal": with_event_sub(start("start2", on_signal("s")), signal("s")),
    "event-sub-process-of-an-error": with_event_sub(start("start2", on_error("e")), error("e")),
    "event-sub-process-of-an-error-that-does-not-interrupt": with_event_sub(
        start("start2", on_error("e"), interrupting=False), error("e")
    ),
    "event-sub-process-with-a-none-start-event": with_event_sub(start("start2")),
    "event-sub-process-of-an-escalation": with_event_sub(start("start2", ON_ESCALATION), ESCALATION),
    "event-sub-process-without-start-event": with_event_sub(end("end2"), flow="end2"),
    "event-sub-process-with-flows": process(
        "p",
        "start > es > end",
        event_sub("es", "start2 > end2", start("start2", timer("PT1S"))),
    ),
    "two-event-sub-processes-of-one-message": process(
        "p",
        "start > end",
        event_sub("a", "start2 > end2", start("start2", on_message("m"))),
        event_sub("b", "start3 > end3", start("start3", on_message("m"))),
        roots=message("m", "=k"),
    ),
    "two-event-sub-processes-of-one-error": process(
        "p",
        "start > end",
        event_sub("a", "start2 > end2", start("start2", on_error("e"))),
        event_sub("b", "start3 > end3", start("start3", on_error("e"))),
        roots=error("e"),
    ),
    # the rest
    "execution-listener": line(task("t", ext=[listener()])),
    "compensation-handler": process(
        "p",
        "start > t > end",
        task("t"),
        boundary("b", "t", COMPENSATE),
        task("undo", isForCompensation="true"),
    ),
    "data-objects-and-annotations": process(
        "p",
        "start > end",
        Node("dataObject", "o"),
        Node("dataObjectReference", "r", dataObjectRef="o"),
    ).replace(b"</bpmn:process>", b'<bpmn:textAnnotation id="n"/></bpmn:process>'),
    "send-task-that-publishes": plain(
        "sendTask", ext=['<zeebe:publishMessage messageId="=1" timeToLive="=1"/>'], messageRef="M_m"
    ).replace(b"</bpmn:definitions>", message("m", "=k").encode() + b"</bpmn:definitions>"),
    "io-at-a-gateway": process("p", "start > xor > end", Node("exclusiveGateway", "xor", ext=[io([("=1", "a")])])),
    "io-at-an-end-event": process("p", "start > end", end("end", inputs=[("=1", "a")])),
    # what the schema says of the parts of an element
    "parts-in-their-order": by_hand(DOCUMENTED + TYPED + COMES + GOES + '<bpmn:property id="x"/>' + multi("=a")),
    "parts-without-flows": by_hand(TYPED),
    "extensions-after-flows": by_hand(COMES + GOES + TYPED),
    "extensions-twice": by_hand(TYPED + TYPED + COMES + GOES),
    "documentation-after-extensions": by_hand(TYPED + DOCUMENTED + COMES + GOES),
    "outgoing-before-incoming": by_hand(TYPED + GOES + COMES),
    "loop-before-extensions": by_hand(multi("=a") + TYPED + COMES + GOES),
    "loop-before-flows": by_hand(TYPED + multi("=a") + COMES + GOES),
    "two-loops": by_hand(TYPED + COMES + GOES + multi("=a") + multi("=a")),
    "outgoing-that-is-no-flow": by_hand(TYPED + COMES + "<bpmn:outgoing>none</bpmn:outgoing>"),
    "outgoing-that-is-no-name": by_hand(TYPED + COMES + "<bpmn:outgoing>=g</bpmn:outgoing>"),
    "incoming-that-is-no-flow": by_hand(TYPED + "<bpmn:incoming>none</bpmn:incoming>" + GOES),
    "incoming-that-is-empty": by_hand(TYPED + "<bpmn:incoming/>" + GOES),
    "event-definition-in-a-task": by_hand(TYPED + COMES + GOES + timer("PT1S")),
    "event-definition-before-outgoing": by_hand(
        TYPED, start=date("2030-01-01T00:00:00Z") + "<bpmn:outgoing>f</bpmn:outgoing>"
    ),
    "data-of-an-event": by_hand(
        TYPED,
        start='<bpmn:outgoing>f</bpmn:outgoing><bpmn:property id="x"/><bpmn:dataOutput id="o"/>'
        "<bpmn:dataOutputAssociation><bpmn:targetRef>x</bpmn:targetRef></bpmn:dataOutputAssociation>",
    ),
    "annotation-before-an-element": by_hand(TYPED, rest=NOTE + '<bpmn:dataObject id="o"/>'),
    "role-after-an-annotation": by_hand(TYPED, rest=NOTE + '<bpmn:resourceRole id="o"/>'),
    "data-of-a-process": by_hand(TYPED, rest="").replace(
        b'isExecutable="true">', b'isExecutable="true"><bpmn:auditing/><bpmn:property id="x"/><bpmn:laneSet/>'
    ),
    "two-conditions": process("p", "start > xor; xor > end {=x}; xor > end2 {default}").replace(
        b"<bpmn:conditionExpression>",
        b"<bpmn:conditionExpression>=y</bpmn:conditionExpression><bpmn:conditionExpression>",
    ),
    "two-subscriptions": line(
        receive("t", "m"),
        roots=message("m", "=k").replace(
            "</bpmn:extensionElements>", '<zeebe:subscription correlationKey="=l"/></bpmn:extensionElements>'
        ),
    ),
}
