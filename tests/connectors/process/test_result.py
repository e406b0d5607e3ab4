"""A process whose result is waited for, on the local engine with the whole runtime."""

import json
from pathlib import Path

import pytest

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.connectors.process.connector import start
from zeebe_connectors.connectors.process.message import send
from zeebe_connectors.engine import Engine, Host
from zeebe_connectors.engine.gateway import serve
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.registry import Registry

EXAMPLES = Path(__file__).parent.parent.parent.parent / "bpmn-examples"


@pytest.fixture
async def engine(tmp_path):
    """An engine whose jobs the runtime carries out; gives its gateway."""
    async with Host(Engine()) as host, serve(host, "127.0.0.1:0") as server:
        variables = {
            "ZEEBE_ADDRESS": server.address,
            "ZEEBE_CONNECTORS_DATA": str(tmp_path),
            "ZEEBE_CONNECTORS_PROCESSES": "called-*",
        }
        environment = Environment(("environment", variables))
        gateway = ZeebeGateway(ClusterSettings(address=server.address))
        runtime = Runtime(Settings.read(environment), Registry([start, send]), gateway, environment=environment)
        runtime.start()
        yield gateway
        await runtime.drain()


async def test_a_result_is_waited_for(engine):
    """The example's task, set to wait for the result, has what the process ended with."""
    diagram = (EXAMPLES / "process.bpmn").read_text(encoding="utf-8")
    called = """<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="x">
      <bpmn:process id="called-1" isExecutable="true"><bpmn:startEvent id="s"/>
      <bpmn:sequenceFlow id="f" sourceRef="s" targetRef="e"/><bpmn:endEvent id="e"/></bpmn:process>
      </bpmn:definitions>"""
    waiting = diagram.replace('source="example-process-check"', 'source="called-1"')
    waiting = waiting.replace('source="message" target="wait"', 'source="result" target="wait"')
    waiting = waiting.replace(
        "={correlationKey: response.correlationKey}", "={result: response.variables, correlationKey: 1}"
    )
    await engine.deploy({"called.bpmn": called.encode()})
    await engine.deploy({"process.bpmn": waiting.encode()})
    await engine.publish(
        "order-checked", correlation_key="1", message_id="", time_to_live=20, payload='{"x": 1}', tenant=""
    )
    _, text = await engine.run_process("example-process", payload='{"orderId": "4711"}', seconds=20)
    assert json.loads(text)["result"] == {"orderId": "4711"}
