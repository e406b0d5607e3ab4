"""Processes of the cluster: started, waited for, told by messages; once for each task, if the operator allows it."""

import json
import socket

import pytest
from tests.servers.gateway import GatewayServer

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.connectors.process.connector import start
from zeebe_connectors.connectors.process.message import send
from zeebe_connectors.runtime.cluster import GatewayCluster
from zeebe_connectors.runtime.diagrams.cluster import ClusterApi
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.sdk.errors import ConnectorError
from zeebe_connectors.sdk.memory import ShortMemory
from zeebe_connectors.testing import Complete, Fail, FakeGateway, run
from zeebe_connectors.testing.servers import HttpServer, Reply


@pytest.fixture
def gateway():
    return FakeGateway()


async def test_start(gateway):
    """The process starts in its version, with its variables; the task goes on at once."""
    given = {"processId": "check", "processVersion": "3", "variables": {"a": 1}, "tenantId": "blue"}
    outcome = await run(start, given, gateway=gateway, result_variable="r")
    (key,) = gateway.instances
    assert outcome == Complete(
        {"r": {"processInstanceKey": key, "variables": None, "correlationKey": None}}, outcome.payload
    )
    command = gateway.instances[key]
    assert command.name == "create_instance"
    assert command.data == {"process": "check", "version": 3, "variables": {"a": 1}, "tenant": "blue"}


@pytest.mark.parametrize("empty", [{}, {"processVersion": "", "variables": None, "tenantId": "", "wait": ""}])
async def test_start_with_little(gateway, empty):
    """Only the id is needed: the latest version, no variables, no tenant."""
    assert isinstance(await run(start, {"processId": "check", **empty}, gateway=gateway), Complete)
    (command,) = gateway.instances.values()
    assert command.data == {"process": "check", "version": -1, "variables": {}, "tenant": ""}


@pytest.mark.parametrize(
    ("given", "version"), [(3, 3), ("3", 3), (" 3 ", 3), (3.0, 3), (None, -1), (" ", -1), ([3], 3)]
)
async def test_the_version_as_forms_and_expressions_give_it(gateway, given, version):
    """In either way of starting; -1 is the latest."""
    gateway.results["check"] = {}
    for wait in ("none", "result"):
        inputs = {"processId": "check", "processVersion": given, "wait": wait}
        assert isinstance(await run(start, inputs, gateway=gateway), Complete)
    assert [command.data["version"] for command in gateway.instances.values()] == [version, version]


@pytest.mark.parametrize("given", [0, -1, "v3", "latest", 1.5, 2**31, {"a": 1}])
async def test_what_is_no_version_starts_nothing(gateway, given):
    outcome = await run(start, {"processId": "check", "processVersion": given}, gateway=gateway)
    assert isinstance(outcome, Fail)
    assert (outcome.retries, outcome.code) == (0, "INVALID_INPUT")
    assert "processVersion: " in outcome.message
    assert gateway.instances == {}


async def test_result(gateway):
    """The result is waited for: all of it, or what is asked for."""
    gateway.results["check"] = {"approved": True, "limit": 5, "internal": "x"}
    given = {"processId": "check", "wait": "result"}
    outcome = await run(start, given, gateway=gateway, result_expression="=response.variables")
    assert outcome.variables == {"approved": True, "limit": 5, "internal": "x"}
    outcome = await run(start, given | {"fetch": ["limit"]}, gateway=gateway, result_expression="=response.variables")
    assert outcome.variables == {"limit": 5}


async def test_result_that_does_not_come(gateway):
    """A process that goes on is not started again: an incident that says so, within the task's own timeout."""
    gateway.results["check"] = None
    outcome = await run(start, {"processId": "check", "wait": "result", "timeout": 0.2}, gateway=gateway)
    assert isinstance(outcome, Fail)
    assert (outcome.code, outcome.retries) == ("PROCESS_NO_RESULT", 0)
    assert "it continues" in outcome.message


async def test_answer_by_a_message(gateway):
    """A long process learns how to answer, and the task's result has the key to wait with."""
    given = {"processId": "check", "wait": "message", "messageName": "checked", "variables": {"a": 1}}
    outcome = await run(start, given, gateway=gateway, key=7, result_variable="r")
    key = outcome.variables["r"]["correlationKey"]
    (command,) = gateway.instances.values()
    assert command.data["variables"] == {"a": 1, "answer": {"messageName": "checked", "correlationKey": key}}
    assert key == "7-7"
    outcome = await run(start, given | {"messageName": " "}, gateway=gateway)
    assert (outcome.code, "messageName" in outcome.message) == ("INVALID_INPUT", True)


@pytest.mark.parametrize(
    ("allowed", "process", "may"),
    [
        ((), "check", False),
        (("check",), "check", True),
        (("check",), "check-2", False),
        (("check-*", "other"), "check-2", True),
        (("*",), "anything", True),
        (("check",), "CHECK", False),
    ],
)
@pytest.mark.parametrize("wait", ["none", "result"])
async def test_the_operators_list(gateway, allowed, process, may, wait):
    """Only what the operator names is started; with no list, nothing is."""
    outcome = await run(start, {"processId": process, "wait": wait}, gateway=gateway, processes=allowed)
    assert isinstance(outcome, Complete) is may
    assert bool(gateway.instances) is may
    if not may:
        assert (outcome.code, outcome.retries) == ("PROCESS_FORBIDDEN", 0)
        assert "ZEEBE_CONNECTORS_PROCESSES" in outcome.message


@pytest.mark.parametrize("wait", ["none", "result"])
async def test_a_task_tried_again_starts_no_second_process(gateway, wait):
    """What failed after the start, such as an unreadable result, is told with the first start's result."""
    memory = ShortMemory()
    given = {"processId": "check", "wait": wait, "variables": {"a": 1}}
    outcome = await run(start, given, gateway=gateway, memory=memory, result_expression="=nonsense(")
    assert isinstance(outcome, Fail)
    await run(start, given, gateway=gateway, memory=memory)
    again = await run(start, given, gateway=gateway, memory=memory, result_variable="r")
    assert len(gateway.instances) == 1
    assert again.variables["r"]["processInstanceKey"] == next(iter(gateway.instances))
    await run(start, given, gateway=gateway, memory=memory, key=2)
    assert len(gateway.instances) == 2


@pytest.mark.parametrize(
    ("status", "code", "retries"),
    [
        ("NOT_FOUND", "PROCESS_NOT_FOUND", 0),
        ("INVALID_ARGUMENT", "CLUSTER_REFUSED", 0),
        ("FAILED_PRECONDITION", "CLUSTER_REFUSED", 0),
        ("PERMISSION_DENIED", "CLUSTER_REFUSED", 0),
        ("UNAVAILABLE", "CLUSTER_UNREACHABLE", 2),
        ("RESOURCE_EXHAUSTED", "CLUSTER_UNREACHABLE", 2),
    ],
)
@pytest.mark.parametrize("wait", ["none", "result"])
async def test_refusals(gateway, status, code, retries, wait):
    """What the engine says decides whether it is tried again, and is in the message."""
    gateway.refuse("*", status, "because of this")
    outcome = await run(start, {"processId": "check", "wait": wait}, gateway=gateway)
    assert (outcome.code, outcome.retries) == (code, retries)
    assert "because of this" in outcome.message
    assert code in start.errors


async def test_without_a_cluster():
    """Where a connector is only tried, it says that there is no cluster."""
    for connector, given in ((start, {"processId": "check"}), (send, {"messageName": "m"})):
        outcome = await run(connector, given)
        assert (outcome.code, outcome.retries) == ("CLUSTER_REFUSED", 0)


async def test_publish(gateway):
    """What the official templates send: name, key, payload, time to live and id."""
    given = {
        "messageName": "paid",
        "correlationKey": "4711",
        "variables": {"amount": 5},
        "correlationType": {"type": "publish", "timeToLive": "PT10M", "messageId": "m-1"},
        "tenantId": "",
        "requestTimeout": "PT5S",
    }
    outcome = await run(send, given, gateway=gateway, result_variable="r")
    (key,) = gateway.messages
    assert outcome.variables == {"r": {"messageKey": key, "tenantId": "<default>"}}
    assert gateway.messages[key].data == {
        "name": "paid",
        "correlation_key": "4711",
        "message_id": "m-1",
        "time_to_live": 600.0,
        "variables": {"amount": 5},
        "tenant": "",
    }


@pytest.mark.parametrize("given", [{}, {"correlationKey": None, "variables": None, "correlationType": {"type": ""}}])
async def test_publish_with_little(gateway, given):
    """Only the name is needed; the message lives for an hour and has the task's own id."""
    assert isinstance(await run(send, {"messageName": "paid", **given}, gateway=gateway), Complete)
    (command,) = gateway.messages.values()
    assert (command.data["time_to_live"], command.data["correlation_key"]) == (3600.0, "")
    assert command.data["message_id"] == "task-1-1"


@pytest.mark.parametrize("life", ["ten", "10", "P", "-PT1H"])
async def test_a_time_to_live_that_is_none(gateway, life):
    """A duration that cannot be read is an input error."""
    given = {"messageName": "m", "correlationType": {"type": "publish", "timeToLive": life}}
    outcome = await run(send, given, gateway=gateway)
    assert (outcome.code, "timeToLive" in outcome.message) == ("INVALID_INPUT", True)


async def test_a_message_is_sent_once(gateway):
    """A task tried again sends no second message, though its answer was lost; a given id taken by another is told."""
    gateway.refuse("publish", "UNAVAILABLE", applied=True)
    given = {"messageName": "paid"}
    memory = ShortMemory()
    outcome = await run(send, given, gateway=gateway, memory=memory)
    assert (outcome.code, outcome.retries) == ("CLUSTER_UNREACHABLE", 2)
    outcome = await run(send, given, gateway=gateway, memory=memory, result_variable="r")
    assert outcome.variables == {"r": {"messageKey": None, "tenantId": "<default>"}}
    assert len(gateway.messages) == 1
    taken = {"messageName": "x", "correlationType": {"type": "publish", "messageId": "m"}}
    await run(send, taken, gateway=gateway)
    outcome = await run(send, taken, gateway=gateway, key=2)
    assert (outcome.code, outcome.retries) == ("MESSAGE_EXISTS", 2)


async def test_correlate_without_an_address(gateway):
    """Correlating needs the cluster's REST API; without its address the message names the setting."""
    outcome = await run(send, {"messageName": "m", "correlationType": {"type": "correlate"}}, gateway=gateway)
    assert (outcome.code, outcome.retries) == ("CLUSTER_REFUSED", 0)
    assert "ZEEBE_REST_ADDRESS" in outcome.message


@pytest.fixture
async def cluster(gateway):
    """A cluster's REST API, and what uses it."""
    from zeebe_connectors.sdk.client_cache import ClientCache  # noqa: PLC0415

    clients = ClientCache()
    async with HttpServer() as server:
        yield server, GatewayCluster(gateway, ClusterApi(server.url(""), clients), ["*"])
    await clients.aclose()


async def test_correlate(cluster):
    """The message is given to who waits; keys are numbers, though the API sends them as text."""
    server, own = cluster
    server.answer(
        "/v2/messages/correlation", Reply.json({"messageKey": "11", "processInstanceKey": "22", "tenantId": "t"})
    )
    came = await own.correlate_message("paid", correlation_key="k", variables={"a": 1}, seconds=5, tenant="t")
    assert (came.message_key, came.process_instance_key) == (11, 22)
    assert server.last.json == {"name": "paid", "correlationKey": "k", "variables": {"a": 1}, "tenantId": "t"}


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply.json({"status": 404, "detail": "no subscription"}, 404), "MESSAGE_NOT_CORRELATED"),
        (Reply.json({"detail": "bad"}, 400), "CLUSTER_REFUSED"),
        (Reply.json({"detail": "no"}, 403), "CLUSTER_REFUSED"),
        (Reply.json({"detail": "busy"}, 503), "CLUSTER_UNREACHABLE"),
        (Reply.json({}), "CLUSTER_UNREACHABLE"),
        (Reply(200, b"<html>"), "CLUSTER_REFUSED"),
    ],
)
async def test_correlate_refused(cluster, reply, code):
    """What the cluster answers decides the code, which the page lists."""
    server, own = cluster
    server.answer("*", reply)
    with pytest.raises(ConnectorError) as caught:
        await own.correlate_message("paid", variables={}, seconds=5)
    assert caught.value.code == code
    assert code in send.errors


async def test_over_the_wire(gateway):
    """The gateway's own messages carry all of it: version, variables wanted, the result, its absence."""
    gateway.results["check"] = {"a": 1, "b": 2}
    gateway.results["slow"] = None
    async with GatewayServer(gateway) as server:
        real = ZeebeGateway(ClusterSettings(address=server.address))
        own = GatewayCluster(real, None, ["*"])
        finished = await own.run_process("check", version=2, variables={"x": "ü"}, fetch=["a"], seconds=5)
        assert finished.variables == {"a": 1}
        assert gateway.instances[finished.process_instance_key].data["version"] == 2
        with pytest.raises(ConnectorError) as caught:
            await own.run_process("slow", variables={}, seconds=0.3)
        assert caught.value.code == "PROCESS_NO_RESULT"
        key = await own.publish_message("m", message_id="1", time_to_live=5, variables={"x": 1})
        assert gateway.messages[key].data["variables"] == {"x": 1}
        await real.aclose()


async def test_variables_that_cannot_be_sent(gateway):
    """What does not fit into a message to the engine is said before it is sent."""
    outcome = await run(start, {"processId": "check", "variables": {"a": "x" * 4_000_000}}, gateway=gateway)
    assert (outcome.code, outcome.retries) == ("RESULT_TOO_LARGE", 0)
    assert outcome.message.startswith("The variables: 4,000,008 bytes of JSON are more than the 1,572,864")
    assert not gateway.instances
    assert json.dumps(outcome.variables)
    outcome = await run(start, {"processId": "check", "variables": {"a": [2**63]}}, gateway=gateway)
    assert outcome.message.startswith("The variables: a[1] is a whole number beyond 64 bits")
    assert "result expression" not in outcome.message


async def test_a_large_result_is_not_asked_for_twice(gateway):
    """However large it is, a task that fails after it starts no second process."""
    gateway.results["check"] = {"text": "x" * 100_000}
    memory = ShortMemory()
    given = {"processId": "check", "wait": "result"}
    outcome = await run(start, given, gateway=gateway, memory=memory, result_expression="=5")
    assert isinstance(outcome, Fail)
    outcome = await run(start, given, gateway=gateway, memory=memory, result_expression="=response.variables")
    assert outcome.variables == gateway.results["check"]
    assert len(gateway.instances) == 1


async def test_a_message_with_an_id_of_its_own_is_sent_once(gateway):
    """After a lost answer the id is this task's own; another task's message is still an error."""
    gateway.refuse("publish", "UNAVAILABLE", applied=True)
    given = {"messageName": "paid", "correlationType": {"type": "publish", "messageId": "m"}}
    memory = ShortMemory()
    outcome = await run(send, given, gateway=gateway, memory=memory)
    assert outcome.code == "CLUSTER_UNREACHABLE"
    outcome = await run(send, given, gateway=gateway, memory=memory, result_variable="r")
    assert outcome.variables == {"r": {"messageKey": None, "tenantId": "<default>"}}
    assert len(gateway.messages) == 1
    outcome = await run(send, given, gateway=gateway, memory=memory, key=2)
    assert outcome.code == "MESSAGE_EXISTS"


async def test_half_characters_are_sent(gateway):
    """An expression can cut a character in two; with an error of Python's, a source would end at each such event."""
    gateway.results["a\ufffd"] = {}
    half = "a\ud83d"
    async with GatewayServer(gateway) as server:
        real = ZeebeGateway(ClusterSettings(address=server.address))
        own = GatewayCluster(real, None, ["*"])
        key = await own.publish_message(
            half, correlation_key=half, message_id=half, time_to_live=5, variables={half: half}, tenant=half
        )
        await own.start_process(half, variables={}, tenant=half)
        await own.run_process(half, variables={}, fetch=[half], seconds=5, tenant=half)
        await real.aclose()
    assert gateway.messages[key].data["correlation_key"] == "a\ufffd"
    assert {one.data["process"] for one in gateway.instances.values()} == {"a\ufffd"}


@pytest.mark.parametrize(("key", "sent"), [(12.0, "12"), (1.5, "1.5"), (12345678901234567890, "12345678901234567890")])
async def test_a_number_as_a_key_is_written_as_feel_does(gateway, key, sent):
    """Processes wait for the key as the cluster writes it."""
    assert isinstance(await run(send, {"messageName": "m", "correlationKey": key}, gateway=gateway), Complete)
    assert [one.data["correlation_key"] for one in gateway.messages.values()] == [sent]


async def test_a_process_that_a_silent_gateway_never_heard_of():
    """Nothing was started, so the task is tried again; only a process that runs is an incident."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        gateway = ZeebeGateway(ClusterSettings(address=f"127.0.0.1:{silent.getsockname()[1]}"))
        with pytest.raises(ConnectorError) as error:
            await GatewayCluster(gateway, None, ["check"]).run_process("check", variables={}, seconds=0.1)
        assert error.value.code == "CLUSTER_UNREACHABLE"
        await gateway.aclose()
