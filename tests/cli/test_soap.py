"""`zeebe-connectors soap`: lists, writes templates that run, calls, and says what is wrong."""

import asyncio
import json
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from servers.soap import SoapServer, reply
from zeebe_connectors.cli.soap import app
from zeebe_connectors.connectors.soap.connector import call as connector
from zeebe_connectors.runtime.outcome import Complete
from zeebe_connectors.testing import run

FOLDER = Path(__file__).parent.parent / "connectors" / "soap" / "wsdl"
WSDL = str(FOLDER / "dotnet-asmx.wsdl")
PLACED = reply(
    '<PlaceOrderResponse xmlns="http://orders.example/"><PlaceOrderResult><Quantity>3</Quantity>'
    "</PlaceOrderResult></PlaceOrderResponse>"
)


def cli(*arguments, text=None):
    return CliRunner().invoke(app, [str(item) for item in arguments], input=text)


@pytest.fixture
def service():
    """A SOAP service in a thread of its own, for commands that bring their own loop."""
    ready, done, found = threading.Event(), threading.Event(), {}

    async def serve():
        async with SoapServer() as server:
            server.answer("/", PLACED)
            found["server"] = server
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    yield found["server"]
    done.set()
    thread.join(10)


def test_lists_operations():
    result = cli("import", WSDL)
    assert result.exit_code == 0
    assert "Orders (SOAP 1.1) at http://localhost/Orders.asmx" in result.output
    assert "express: true or false" in result.output
    assert "left out: port OrdersHttpGet: does not speak SOAP" in result.output


def test_lists_for_programs():
    shown = json.loads(cli("import", WSDL, "--json").output)
    assert shown["operations"][0]["operation"] == "PlaceOrder"
    assert shown["operations"][0]["sample"]["order"]["Status"] == "New"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["gone.wsdl"], "neither an address nor a file"),
        ([WSDL, "--operation", "Cancel"], "there is no operation Cancel; there is PlaceOrder"),
        ([FOLDER / "refused" / "cut-off.wsdl"], "cut-off.wsdl: cannot be read as XML"),
    ],
)
def test_says_what_is_wrong(arguments, told):
    result = cli("import", *arguments)
    assert result.exit_code == 2
    assert told in result.output


async def test_a_written_template_runs(tmp_path):
    """The inputs as the Modeler makes them from the template reach the service, and the suggested result works."""
    result = await asyncio.to_thread(cli, "import", WSDL, "--out", tmp_path, "--name", "Place it", "-o", "PlaceOrder")
    assert result.exit_code == 0, result.output
    template = json.loads((tmp_path / "soap-orders-place-order.json").read_text())
    assert template["name"] == "Place it"
    assert template["description"] == "Places an order and returns it with its status."
    variables, expression = {}, ""
    for item in template["properties"]:
        binding = item["binding"]
        if binding["type"] == "zeebe:input" and "condition" not in item:
            value = item.get("value", "")
            if isinstance(value, str) and value.startswith("="):
                value = json.loads(value[1:])
            target = variables
            *path, last = binding["name"].split(".")
            for name in path:
                target = target.setdefault(name, {})
            target[last] = value
        elif binding.get("key") == "resultExpression":
            expression = item["value"]
    async with SoapServer() as server:
        server.answer("/", PLACED)
        variables["serviceUrl"] = server.url("/")
        variables["body"]["input"]["express"] = True
        outcome = await run(connector, variables, result_expression=expression, files=[FOLDER])
        assert isinstance(outcome, Complete), outcome
        assert outcome.variables == {"placeOrderResult": {"Quantity": 3}}
        assert server.found("//n:express/text()", n="http://orders.example/") == ["true"]


def test_calls(service, tmp_path):
    given = tmp_path / "input.json"
    given.write_text(json.dumps({"express": True}))
    result = cli("call", WSDL, "PlaceOrder", given, "--url", service.url("/"))
    assert result.exit_code == 0, result.output
    assert '"Quantity": 3' in result.output


def test_shows_a_fault_or_wrong_input(service):
    result = cli("call", WSDL, "PlaceOrder", "-", "--url", service.url("/"), text='{"colour": "red"}')
    assert result.exit_code == 1
    assert json.loads(result.output)["code"] == "SOAP_INPUT_INVALID"


def test_shows_a_sample():
    assert json.loads(cli("call", WSDL, "PlaceOrder", "--sample").output)["express"] is True
