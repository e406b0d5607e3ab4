"""`zeebe-connectors soap`: lists, writes templates that run, calls, and says what is wrong."""

import asyncio
import json
import threading
from pathlib import Path

import pytest
from tests.servers.soap import SoapServer, reply
from typer.testing import CliRunner

from zeebe_connectors.cli.soap import app
from zeebe_connectors.connectors.soap.connector import call as connector
from zeebe_connectors.runtime.outbound.outcome import Complete
from zeebe_connectors.templates.rules import broken_rules
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
    ("arguments", "message"),
    [
        (["gone.wsdl"], "neither an address nor an existing file"),
        ([WSDL, "--operation", "Cancel"], "there is no operation Cancel, only PlaceOrder"),
        ([FOLDER / "refused" / "cut-off.wsdl"], "cut-off.wsdl: cannot be read as XML"),
    ],
)
def test_says_what_is_wrong(arguments, message):
    result = cli("import", *arguments)
    assert result.exit_code == 2
    assert message in result.output


async def test_a_written_template_runs(tmp_path):
    """The inputs as the Modeler makes them from the template reach the service, and the suggested result works."""
    result = await asyncio.to_thread(
        cli, "import", WSDL, "--out", tmp_path, "--name", "Place it", "-o", "PlaceOrder",
        "--keep-path",
    )  # fmt: skip
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


def properties(folder, *arguments):
    """The properties of the template of the asmx WSDL that an import writes, by id."""
    result = cli("import", WSDL, "--out", folder, *arguments)
    assert result.exit_code == 0, result.output
    (file,) = folder.glob("*.json")
    template = json.loads(file.read_text())
    assert broken_rules(template) == []
    return {item.get("id"): item for item in template["properties"]}


def test_inputs_are_fixed_preset_or_come_from_the_process(tmp_path):
    """Each input may be settled at the import, begin with a value, or be a process variable."""
    order = '{"Quantity": 1, "Price": 1.5, "Due": null, "Status": "New"}'
    fixed = properties(tmp_path, "--fixed", "express=true", "--start", f"order={order}")
    assert (fixed["body.input.express"]["type"], fixed["body.input.express"]["value"]) == ("Hidden", "=true")
    assert json.loads(fixed["body.input.order"]["value"][1:]) == json.loads(order)
    assert fixed["body.input.order"]["type"] == "Text"
    other = properties(tmp_path, "--variable", "express=isExpress", "--fixed", f"order={order}")
    assert (other["body.input.express"]["value"], other["body.input.express"]["feel"]) == ("=isExpress", "required")
    assert json.loads(other["body.input.order"]["value"][1:]) == json.loads(order)
    started = properties(tmp_path, "--start", "express=true")
    assert (started["body.input.express"]["type"], started["body.input.express"]["value"]) == ("Boolean", True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fixed", "express=maybe"], "presets.express: must be true or false"),
        (["--fixed", 'order={"Quantity": "x"}'], "presets.order.Quantity: must be a whole number"),
        (["--fixed", "colour=red"], "presets.colour: PlaceOrder has no such input, only order, express"),
        (["--fixed", "express"], "write it as NAME=VALUE"),
        (["--start", "order={"], "is not JSON"),
        (["--variable", "express="], "name the process variable"),
    ],
)
def test_presets_that_do_not_fit_are_reported(tmp_path, arguments, message):
    result = cli("import", WSDL, "--out", tmp_path, *arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_headers_of_an_operation(tmp_path):
    """They have fields of their own, which may be preset too; the list shows them with their types."""
    wsdl = FOLDER / "java-headers.wsdl"
    assert "SOAP header Session: a context with User, Until, @tenant" in cli("import", wsdl).output
    arguments = ("--fixed", "headers.Priority=high", "--variable", "headers.Session=session")
    assert cli("import", wsdl, "--out", tmp_path, *arguments).exit_code == 0
    template = json.loads((tmp_path / "soap-reports-run.json").read_text())
    assert broken_rules(template) == []
    found = {item.get("id"): item for item in template["properties"]}
    assert (found["body.headers.Priority"]["type"], found["body.headers.Priority"]["value"]) == ("Hidden", "high")
    assert (found["body.headers.Session"]["value"], found["body.headers.Session"]["group"]) == ("=session", "headers")
    assert {"id": "headers", "label": "SOAP headers", "openByDefault": False} in template["groups"]


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


async def test_two_variants_of_an_operation_live_side_by_side(tmp_path):
    """By names of their files; one does not overwrite the other unasked."""
    common = ("import", WSDL, "--out", tmp_path, "-o", "PlaceOrder", "--wsdl-address", "https://example.com/?wsdl")
    assert (await asyncio.to_thread(cli, *common)).exit_code == 0
    refused = await asyncio.to_thread(cli, *common, "--name", "Place express order")
    assert refused.exit_code == 2
    assert "choose a --file" in refused.output
    made = await asyncio.to_thread(cli, *common, "--name", "Place express order", "--file", "express-order")
    assert made.exit_code == 0, made.output
    ids = {path.name: json.loads(path.read_text())["id"] for path in tmp_path.iterdir()}
    assert ids == {
        "soap-orders-place-order.json": "io.github.zeebe-connectors.soap.orders-place-order",
        "express-order.json": "io.github.zeebe-connectors.soap.express-order",
    }
    chosen = await asyncio.to_thread(cli, *common, "--file", "x.json", "--template-id", "com.example.x")
    assert chosen.exit_code == 0
    assert json.loads((tmp_path / "x.json").read_text())["id"] == "com.example.x"
    assert (await asyncio.to_thread(cli, *common, "--file", "../x")).exit_code == 2


async def test_a_path_of_this_machine_stays_out_of_templates(tmp_path):
    """Unless it is wanted; either way its author is told."""
    result = await asyncio.to_thread(cli, "import", WSDL, "--out", tmp_path, "-o", "PlaceOrder")
    assert "leave their field WSDL empty" in result.output
    template = (tmp_path / "soap-orders-place-order.json").read_text()
    assert str(FOLDER) not in template
    result = await asyncio.to_thread(cli, "import", WSDL, "--out", tmp_path, "-o", "PlaceOrder", "--keep-path")
    assert "a path on this machine" in result.output
    assert str(FOLDER) in (tmp_path / "soap-orders-place-order.json").read_text()
