"""A WSDL of Apache CXF becomes a template, the modeler applies it, the engine runs it, and CXF answers."""

import asyncio
import json

import pytest
from tests.modeler import tool
from tests.servers.cxf import CxfServer, CxfUnavailable
from tests.servers.pairs import Pair
from typer.testing import CliRunner

from zeebe_connectors.cli.soap import app
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.registry import Registry

pytestmark = [pytest.mark.engine, pytest.mark.modeler, pytest.mark.slow, pytest.mark.timeout(900)]
CASE = {
    "name": "soap-imported",
    "template": "io.github.zeebe-connectors.soap.orders-place",
    "platformVersion": "8.6",
    "values": {
        "body.input.order": (
            '={id: orderId, qty: quantity, price: 1.5, status: "PAID", tags: ["a"], '
            'items: [{"@type": "gift", "@count": 1, name: "book", card: "hi"}], note: null}'
        ),
        "resultExpression": (
            '={placed: get value(output, "return").tags, card: get value(output, "return").items[1].card, '
            'price: get value(output, "return").price}'
        ),
        "errorExpression": (
            '=if error.code = "SOAP_FAULT_RECEIVED" then jobError(error.variables.fault.reason, {}, 0) else null'
        ),
    },
}

HEADERS = {
    "name": "soap-headers",
    "template": "io.github.zeebe-connectors.soap.sessions-who",
    "platformVersion": "8.6",
    "values": {
        "body.input.text": "=word",
        "body.headers.session": '={user: "ann", "@tenant": 7}',
        "resultExpression": '={who: get value(output, "return"), length: header.length}',
    },
}


@pytest.fixture(scope="module")
def cxf(tmp_path_factory):
    key = Pair("server")
    server = CxfServer(tmp_path_factory.mktemp("cxf"), [key.certificate], (key.key, key.certificate))
    try:
        server.start()
    except CxfUnavailable as error:
        pytest.skip(str(error))
    yield server
    server.stop()


async def test_from_wsdl_to_result(cxf, zeebe, tmp_path):
    """The imported template passes the validator and the modeler, and a process with it gets CXF's typed reply."""
    templates, cases, out = tmp_path / "templates", tmp_path / "cases", tmp_path / "out"
    cases.mkdir()
    (cases / "soap.json").write_text(json.dumps([CASE, HEADERS]))
    for service in ("orders", "sessions"):
        arguments = ["import", cxf.url(f"/{service}?wsdl"), "--out", str(templates)]
        made = await asyncio.to_thread(CliRunner().invoke, app, arguments)
        assert made.exit_code == 0, made.output
    valid = await asyncio.to_thread(tool.run, "validate-templates.mjs", templates)
    assert valid.returncode == 0, valid.stdout
    arguments = ("--templates", templates, "--cases", cases, "--out", out, "--browser", tool.browser())
    done = await asyncio.to_thread(tool.run, "apply-templates.mjs", *arguments)
    results = json.loads((out / "summary.json").read_text())["results"]
    assert [result["failures"] for result in results] == [[], []], done.stdout
    settings = {
        "ZEEBE_ADDRESS": zeebe.grpc_address,
        "ZEEBE_INSECURE_CONNECTION": "true",
        "ZEEBE_CONNECTORS_DATA": str(tmp_path / "data"),
        "CONNECTOR_ENABLED": "soap",
    }
    environment = Environment(("environment", settings))
    read = Settings.read(environment)
    runtime = Runtime(read, Registry.installed(["soap"]), ZeebeGateway(read.cluster), environment=environment)
    runtime.start()
    try:
        found = {}
        given = json.dumps({"orderId": "7", "quantity": 2, "word": "four"})
        for name in ("soap-imported", "soap-headers"):
            deployed = await runtime.gateway.deploy({f"{name}.bpmn": (out / f"{name}.bpmn").read_bytes()})
            _, text = await runtime.gateway.run_process(deployed[0].bpmn_process_id, payload=given, seconds=60)
            found[name] = json.loads(text)
    finally:
        await runtime.drain()
    variables = found["soap-imported"]
    assert (variables["placed"], variables["card"], variables["price"]) == (["a", "placed"], "hi", 1.5)
    assert (found["soap-headers"]["who"], found["soap-headers"]["length"]) == ("ann of 7", 4)
