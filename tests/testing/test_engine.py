"""The engine inside a test: what users need to test their processes, and what a failed assertion tells them."""

from datetime import timedelta
from pathlib import Path

import pytest

from zeebe_connectors import Context, Model, PermanentError, TransientError, outbound
from zeebe_connectors.engine import Rejection
from zeebe_connectors.testing import Engine
from zeebe_connectors.testing.servers import HttpServer, MailServer, Reply, SmtpServer, in_thread

EXAMPLES = Path(__file__).parents[2] / "bpmn-examples"
HEAD = """<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="t">"""
ORDER = f"""{HEAD}
  <process id="order" isExecutable="true">
    <startEvent id="ordered"/>
    <sequenceFlow id="a" sourceRef="ordered" targetRef="pay"/>
    <serviceTask id="pay"><extensionElements>
      <zeebe:taskDefinition type="payment" retries="2"/>
      <zeebe:ioMapping><zeebe:input source="=total * 100" target="cents"/></zeebe:ioMapping>
      <zeebe:taskHeaders><zeebe:header key="currency" value="EUR"/></zeebe:taskHeaders>
    </extensionElements></serviceTask>
    <boundaryEvent id="refused" attachedToRef="pay"><outgoing>d</outgoing>
      <errorEventDefinition id="e1" errorRef="REFUSED"/></boundaryEvent>
    <boundaryEvent id="late" attachedToRef="pay" cancelActivity="false"><outgoing>f</outgoing>
      <timerEventDefinition id="t1"><timeDuration>P2D</timeDuration></timerEventDefinition></boundaryEvent>
    <sequenceFlow id="f" sourceRef="late" targetRef="reminded"/><endEvent id="reminded"/>
    <sequenceFlow id="d" sourceRef="refused" targetRef="cancelled"/><endEvent id="cancelled"/>
    <sequenceFlow id="b" sourceRef="pay" targetRef="shipped"/>
    <intermediateCatchEvent id="shipped"><messageEventDefinition id="m1" messageRef="M"/></intermediateCatchEvent>
    <sequenceFlow id="c" sourceRef="shipped" targetRef="done"/><endEvent id="done"/>
  </process>
  <error id="REFUSED" errorCode="CARD_REFUSED"/>
  <message id="M" name="shipped"><extensionElements><zeebe:subscription correlationKey="=orderId"/></extensionElements>
  </message>
</definitions>"""


@pytest.fixture
def engine(zeebe_engine):
    zeebe_engine.deploy(order=ORDER)
    return zeebe_engine


def test_a_job_is_answered_by_hand_and_a_message_ends_the_process(engine):
    order = engine.start("order", {"orderId": "A-7", "total": 3})
    order.assert_waits_at("pay")
    job = engine.job("pay")
    assert (job.type, job.headers, job.retries) == ("payment", {"currency": "EUR"}, 2)
    assert job.variables["cents"] == 300
    job.complete({"receipt": 17})
    order.assert_waits_at("shipped")
    engine.publish("shipped", "B-1")
    order.assert_active()
    engine.publish("shipped", "A-7", {"parcel": "X"})
    order.assert_completed()
    order.assert_path("ordered", "pay", "shipped", "done")
    order.assert_passed("pay", "done")
    order.assert_not_passed("cancelled", "reminded")
    order.assert_variables(receipt=17, parcel="X", total=3)
    order.assert_no_incident()
    assert "cents" not in order.variables
    assert engine.jobs == []


def test_the_only_process_needs_no_name(engine):
    assert engine.start(variables={"orderId": 1, "total": 1}).process_id == "order"
    engine.deploy(again=ORDER.replace('id="order"', 'id="other"'))
    with pytest.raises(LookupError, match="2 processes"):
        engine.start()


def test_an_error_takes_the_way_of_its_boundary_event(engine):
    order = engine.start("order", {"orderId": "A-7", "total": 3})
    engine.job("payment").throw("CARD_REFUSED", variables={"why": "empty"})
    order.assert_completed()
    assert order.path[-1] == "cancelled"
    assert order.variables["why"] == "empty"


def test_time_stands_still_until_it_is_moved(engine):
    """And then timers of days fire at once."""
    began = engine.now
    order = engine.start("order", {"orderId": "A-7", "total": 3})
    assert engine.now == began
    engine.advance("P1D")
    order.assert_not_passed("reminded")
    engine.advance(timedelta(hours=23, minutes=59))
    order.assert_not_passed("reminded")
    engine.advance(60)
    order.assert_passed("reminded")
    order.assert_waits_at("pay")
    assert engine.now - began == timedelta(days=2)


def test_a_failed_job_is_tried_again_and_then_an_incident_which_is_resolved(engine):
    order = engine.start("order", {"orderId": "A-7", "total": 3})
    engine.job("pay").fail("no answer", backoff=30)
    assert engine.jobs == [], "it backs off"
    engine.advance(30)
    engine.job("pay").fail("no answer at all")
    incident = order.assert_incident("JOB_NO_RETRIES", at="pay", message="at all")
    assert str(incident) == "JOB_NO_RETRIES at pay: no answer at all"
    incident.resolve()
    order.assert_no_incident()
    engine.job("pay").complete()
    order.assert_waits_at("shipped")


def test_variables_mend_what_an_expression_missed(engine):
    order = engine.start("order", {"total": 1})
    engine.job("pay").complete()
    order.assert_incident("EXTRACT_VALUE_ERROR", at="shipped")
    order.set_variables({"orderId": "A-9"})
    order.incidents[0].resolve()
    order.assert_waits_at("shipped")
    order.set_variables({"here": True}, at="shipped")
    assert order.variables_at("shipped") == {"here": True}
    order.cancel()
    order.assert_terminated()


def test_of_several_jobs_one_is_answered_and_the_others_still_wait(engine):
    orders = [engine.start("order", {"orderId": number, "total": number}) for number in range(3)]
    second = engine.jobs[1]
    assert second.instance.key == orders[1].key
    second.complete()
    assert [order.waits_at for order in orders] == [["pay"], ["shipped"], ["pay"]]
    assert len(engine.jobs) == 2
    assert [one.key for one in engine.instances] == [order.key for order in orders]


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (lambda order: order.assert_completed(), "has not completed"),
        (lambda order: order.assert_path("ordered", "done"), "not ['ordered', 'done']"),
        (lambda order: order.assert_passed("done"), "did not complete 'done'"),
        (lambda order: order.assert_waits_at("shipped"), "it waits at ['pay'], not at ['shipped']"),
        (lambda order: order.assert_variables(total=4), "its variables are {'total': 3}, not {'total': 4}"),
        (lambda order: order.assert_not_passed("pay"), "it went through ['pay']"),
        (lambda order: order.assert_incident(), "it has no such incident"),
        (lambda order: order.assert_terminated(), "was not terminated"),
        (lambda order: order.variables_at("done"), "it is not at 'done'"),
    ],
)
def test_a_failed_assertion_tells_the_story(engine, check, words):
    """The path, what is waited for, the variables."""
    order = engine.start("order", {"orderId": "A-7", "total": 3})
    with pytest.raises(AssertionError) as caught:
        check(order)
    text = str(caught.value)
    assert words in text
    assert f"order {order.key}, version 1, active:" in text
    assert "  ordered  completed\n" in text
    assert "waits for a worker of type 'payment', 2 tries left" in text
    assert '  orderId = "A-7"' in text


def test_the_story_tells_messages_and_incidents(engine):
    order = engine.start("order", {"orderId": "A-7", "total": 3})
    engine.job("pay").complete()
    assert "waits for the message 'shipped' with the key 'A-7'" in order.story
    other = engine.start("order", {"total": 3})
    engine.job("pay").complete()
    assert "incident at shipped: EXTRACT_VALUE_ERROR" in repr(other)


def test_a_job_that_is_not_there_is_reported_with_those_that_are(engine):
    engine.start("order", {"orderId": "A-7", "total": 3})
    with pytest.raises(AssertionError, match=r"No job 'ship' is waiting, only: pay \(type payment\)"):
        engine.job("ship")
    with pytest.raises(AssertionError, match="No instance of 'other'"):
        engine.instance("other")


def test_a_diagram_that_cannot_run_is_refused(zeebe_engine):
    with pytest.raises(Rejection, match=r"(?i)task ?definition"):
        zeebe_engine.deploy(bad=f'{HEAD}<process id="p" isExecutable="true"><startEvent id="s"/><sequenceFlow id="f" '
                            'sourceRef="s" targetRef="t"/><serviceTask id="t"/></process></definitions>')  # fmt: skip


# Connectors for real


class Question(Model):
    number: int


@outbound("test-twice", title="Twice", type="test:twice:1", errors={"ODD": "Odd.", "AWAY": "Away."})
async def twice(question: Question, context: Context) -> int:
    """Doubles a number."""
    if question.number < 0:
        raise TransientError("AWAY", "try again", delay=5)
    if question.number % 2:
        raise PermanentError("ODD", "number: it is odd")
    return question.number * 2


TWICE = f"""{HEAD}<process id="twice" isExecutable="true"><startEvent id="s"/>
  <sequenceFlow id="a" sourceRef="s" targetRef="t"/>
  <serviceTask id="t"><extensionElements><zeebe:taskDefinition type="test:twice:1"/>
    <zeebe:taskHeaders><zeebe:header key="resultVariable" value="result"/></zeebe:taskHeaders></extensionElements>
  </serviceTask><sequenceFlow id="b" sourceRef="t" targetRef="e"/><endEvent id="e"/></process></definitions>"""


def test_a_connector_of_ones_own_does_its_jobs():
    with Engine([twice]) as engine:
        engine.deploy(twice=TWICE)
        good = engine.start("twice", {"number": 21 * 2})
        good.assert_completed()
        assert good.variables["result"] == 84
        engine.start("twice", {"number": 3}).assert_incident("JOB_NO_RETRIES", at="t", message="it is odd")
        later = engine.start("twice", {"number": -2})
        later.assert_waits_at("t")
        later.set_variables({"number": 2})
        later.assert_waits_at("t")
        engine.advance(5)
        later.assert_completed()


async def test_in_a_coroutine_connectors_work_when_they_are_awaited():
    async with Engine([twice]) as engine:
        engine.deploy(twice=TWICE)
        order = engine.start("twice", {"number": 2})
        order.assert_waits_at("t")
        await engine.settled()
        order.assert_completed()


class Errand(Model):
    numbers: list[int]
    key: str = ""


@outbound("test-errand", title="Errand", type="test:errand:1")
async def errand(errand: Errand, context: Context) -> dict:
    """Has other processes work, and sends messages."""
    cluster = context.cluster
    doubled = [
        (await cluster.run_process("twice", variables={"number": number}, fetch=["result"], seconds=5)).variables
        for number in errand.numbers
    ]
    await cluster.start_process("twice", variables={"number": 50})
    reached = await cluster.correlate_message("shipped", correlation_key=errand.key, variables={}, seconds=5)
    await cluster.publish_message("shipped", correlation_key="later", time_to_live=60, variables={}, message_id="1")
    return {"doubled": doubled, "reached": reached.process_instance_key}


def job_of(kind: str, name: str, headers: str = "") -> str:
    """A process of one task, whose result becomes a variable."""
    return (
        TWICE.replace('"twice"', f'"{name}"')
        .replace("test:twice:1", kind)
        .replace("<zeebe:taskHeaders>", f"<zeebe:taskHeaders>{headers}")
    )


ERRAND = job_of("test:errand:1", "errand")


@pytest.mark.parametrize("in_a_coroutine", [False, True])
async def test_connectors_start_processes_and_send_messages_in_the_same_engine(in_a_coroutine):
    """A process that is run has its own jobs done meanwhile."""

    def begin(engine):
        engine.deploy(errand=ERRAND, twice=TWICE, order=ORDER)
        first = engine.start("order", {"orderId": "A", "total": 1})
        engine.job("pay").complete()
        return first, engine.start("errand", {"numbers": [4, 6], "key": "A"})

    def check(engine, first, ran):
        assert ran.variables["result"] == {"doubled": [{"result": 8}, {"result": 12}], "reached": first.key}
        first.assert_completed()
        assert engine.instance("twice").variables["result"] == 100
        engine.start("order", {"orderId": "later", "total": 1})
        engine.job("pay").complete()
        engine.instance("order").assert_completed()

    if in_a_coroutine:
        async with Engine([errand, twice]) as engine:
            begun = begin(engine)
            await engine.settled()
            check(engine, *begun)
    else:
        with Engine([errand, twice]) as engine:
            check(engine, *begin(engine))


@pytest.mark.parametrize(
    ("deployed", "given", "words"),
    [
        ({}, {"numbers": [2]}, "process ID 'twice', but none found"),
        ({"twice": job_of("by-hand", "twice")}, {"numbers": [2]}, "with every connector idle"),
        ({"twice": TWICE}, {"numbers": [2], "key": "nobody"}, "key 'nobody', but none was found"),
    ],
)
def test_what_a_connector_asks_of_the_engine_in_vain(deployed, given, words):
    with Engine([errand, twice]) as engine:
        engine.deploy(errand=ERRAND, **deployed)
        engine.start("errand", given).assert_incident(at="t", message=words)


def test_a_task_uses_a_provider(zeebe_engine, zeebe_web):
    login = {"type": "basic", "username": "caller", "password": "{{secrets.ERP}}"}
    erp = {"protocol": "http", "environments": {"test": {"url": zeebe_web.url("/api/"), "authentication": login}}}
    names = '<zeebe:header key="provider" value="erp"/><zeebe:header key="connection" value="provider"/>'
    zeebe_engine.use("rest", secrets={"ERP": "s"}, providers={"erp": erp}, environment="test")
    zeebe_engine.deploy(call=job_of("io.camunda:http-json:1", "call", names))
    zeebe_web.answer("/api/orders", Reply.json({"ok": True}))
    zeebe_engine.start("call", {"method": "GET", "url": "/orders"}).assert_completed()
    assert zeebe_web.last.header("authorization") == "Basic Y2FsbGVyOnM="


def test_a_connector_that_is_not_there_is_named():
    with pytest.raises(LookupError, match="no outbound connector 'nothing-like-it'"):
        Engine(["nothing-like-it"])


def test_the_rest_example(zeebe_engine, zeebe_web):
    """With the secret that only the diagram may name."""
    zeebe_web.answer("/orders/1", lambda seen: Reply.json({"id": "1", "by": seen.header("Authorization")}))
    zeebe_engine.use("rest", secrets={"ORDERS_TOKEN": "token-1"}).deploy(EXAMPLES / "rest.bpmn")
    order = zeebe_engine.start(variables={"ordersUrl": zeebe_web.url("").rstrip("/"), "orderId": "1"})
    order.assert_completed()
    assert order.variables["status"] == 200
    assert zeebe_web.last.path == "/orders/1"


def test_the_email_example(zeebe_engine, zeebe_mail):
    """A mail is sent, found, read, filed and listed."""
    zeebe_engine.use("email", secrets={"MAILBOX_PASSWORD": "any"}).deploy(EXAMPLES / "email.bpmn")
    ports = {"smtpPort": zeebe_mail.smtp_port, "imapPort": zeebe_mail.imap_port}
    order = zeebe_engine.start(variables={"orderId": "A-7", **ports})
    order.assert_completed()
    order.assert_variables(sender="orders@example.test", filed="Done", done=["Order A-7"])
    (filed,) = zeebe_mail.messages("orders@example.test", folder="Done")
    assert filed["X-Order-Id"] == "A-7"


def test_the_demo_example_catches_what_is_not_found(zeebe_engine, zeebe_web, zeebe_mail):
    """A REST call, a mail and an error that the diagram catches, in one process."""
    found = {"id": "4711", "customer": "demo@example.test", "total": 42.5, "items": ["Bread", "Roses"]}
    zeebe_web.answer("/shop/4711", Reply.json(found))
    zeebe_web.answer("/shop/4712", Reply.json({"error": "unknown order"}, 404))
    zeebe_engine.use("rest", "smtp", secrets={"ORDERS_TOKEN": "t"}).deploy(EXAMPLES / "demo.bpmn")
    order = zeebe_engine.start(variables={
        "ordersUrl": zeebe_web.url("/shop"), "orderId": "4711", "otherOrderId": "4712",
        "smtpHost": "127.0.0.1", "smtpPort": zeebe_mail.smtp_port, "sender": "shop@example.test",
    })  # fmt: skip
    order.assert_completed()
    order.assert_variables(caught=True, outcome="not found handled: unknown order")
    (mail,) = zeebe_mail.messages("demo@example.test")
    assert "Bread and Roses, 42.5 EUR" in mail.get_body(("plain",)).get_content()


async def test_servers_of_the_tests_own_loop_are_reached():
    """Where `settled` is awaited, so the loop goes on."""
    async with HttpServer() as web, SmtpServer() as smtp, Engine(["smtp"]) as engine:
        engine.deploy(EXAMPLES / "smtp.bpmn")
        order = engine.start(
            variables={"smtpHost": "127.0.0.1", "smtpPort": smtp.port, "customer": "ann@example.com", "orderId": "A-7"}
        )
        await engine.settled()
        order.assert_completed()
        assert smtp.mails[0].parsed["X-Order-Id"] == "A-7"
        assert web.seen == []


def test_servers_run_in_threads_for_tests_that_are_no_coroutines():
    with in_thread(MailServer()) as mail, Engine(["smtp"]) as engine:
        engine.deploy(EXAMPLES / "smtp.bpmn")
        where = {"smtpHost": "127.0.0.1", "smtpPort": mail.smtp_port}
        engine.start(variables={"customer": "ann@example.com", "orderId": "A-7", **where}).assert_completed()
        assert len(mail.messages("ann@example.com")) == 1
