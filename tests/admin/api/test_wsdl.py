"""The import of a WSDL on the page: its steps, what is wrong in them, and templates that equal those of the API."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from tests.admin.api.conftest import CANARY
from tests.servers.soap import SoapServer

from zeebe_connectors.testing.servers import Reply

WSDLS = Path(__file__).parents[2] / "connectors" / "soap" / "wsdl"


@pytest.fixture
async def service():
    async with SoapServer() as server:
        for file in WSDLS.glob("*.wsdl"):
            server.answer(f"/{file.name}", Reply(200, file.read_bytes(), [("content-type", "text/xml")]))
        yield server


def keys(text: str) -> list[str]:
    return [part.partition('"')[0] for part in text.split('name="operation" value="')[1:]]


async def bytes_of(browser, form: dict[str, object]) -> tuple[bytes, str]:
    given = [
        (name, str(one)) for name, value in form.items() for one in (value if isinstance(value, list) else [value])
    ]
    given.append(("form_token", browser.form_token))
    async with browser.session.post("/import/soap", data=given) as answer:
        assert answer.status == 200
        return await answer.read(), answer.headers["Content-Disposition"]


async def test_the_steps_lead_to_the_templates_of_the_api(start, service):
    page = await start(("soap",))
    address = service.url("/dotnet-asmx.wsdl")
    begin = await page.modeler.get(f"/import/soap?wsdl={address}")
    assert address in begin
    assert service.seen == []
    carried = {"wsdl": address, "step": "operations"}
    listed = await page.modeler.post("/import/soap", carried, status=200)
    found = keys(listed)
    assert found
    assert "Choose at least one" in await page.modeler.post("/import/soap", {**carried, "step": "inputs"}, status=400)
    inputs = await page.modeler.post("/import/soap", {**carried, "step": "inputs", "operation": found[0]}, status=200)
    assert "Designer fills it in" in inputs
    operation = found[0].partition("/")[2]
    given = {"wsdl": address, "operations": [operation]}
    wanted = (await page.modeler.call("POST", "/soap/import", given))["templates"][0]
    make = {**carried, "step": "make", "operation": found[0], "do": "get"}
    body, disposition = await bytes_of(page.modeler, make)
    assert json.loads(body) == wanted["template"]
    assert wanted["file"] in disposition
    drawn = await page.modeler.post("/import/soap", {**make, "do": "show"}, status=200)
    assert "Input" in drawn
    assert wanted["template"]["name"] in drawn
    if len(found) > 1:
        body, _ = await bytes_of(page.modeler, {**make, "operation": found})
        assert len(zipfile.ZipFile(io.BytesIO(body)).namelist()) == len(found)


async def test_inputs_are_settled_and_what_does_not_fit_is_named(start, service):
    page = await start(("soap",))
    await page.modeler.get("/import/soap")
    carried = {"wsdl": service.url("/dotnet-asmx.wsdl"), "step": "operations"}
    found = keys(await page.modeler.post("/import/soap", carried, status=200))[0]
    shown = await page.modeler.post("/import/soap", {**carried, "step": "inputs", "operation": found}, status=200)
    name = shown.split('name="mode:')[1].partition(":")[0]
    make = {**carried, "step": "make", "operation": found, "do": "get", f"name:{found}": "My own name"}
    fixed = {**make, f"mode:{name}:{found}": "variable", f"value:{name}:{found}": "order.thing"}
    template = json.loads((await bytes_of(page.modeler, fixed))[0])
    assert template["name"] == "My own name"
    assert "=order.thing" in {item.get("value") for item in template["properties"]}
    empty = await page.modeler.post("/import/soap", {**make, f"mode:{name}:{found}": "fixed"}, status=400)
    assert "a value is missing" in empty
    assert 'aria-invalid="true"' in empty
    assert 'value="My own name"' in empty


async def test_what_cannot_be_read_is_named_and_the_form_keeps_its_inputs(start, service):
    page = await start(("soap",))
    await page.modeler.get("/import/soap")
    service.answer("/gone.wsdl", Reply(404, b"nothing"))
    form = {"wsdl": service.url("/gone.wsdl"), "step": "operations", "username": "u", "password": CANARY}
    text = await page.modeler.post("/import/soap", form, status=400)
    assert "gone.wsdl" in text
    assert 'value="u"' in text
    await page.modeler.post("/import/soap", {"step": "operations"}, status=400)
    pasted = {"text": "<a/>", "step": "operations"}
    assert 'role="alert"' in await page.modeler.post("/import/soap", pasted, status=400)
    no_operation = {"wsdl": "", "text": (WSDLS / "circular").name, "step": "operations"}
    await page.modeler.post("/import/soap", no_operation, status=400)


async def test_only_modelers_and_operators_import(start, service):
    page = await start(("soap",))
    assert "Read it" not in await page.viewer.get("/import/soap")
    await page.viewer.post("/import/soap", {"wsdl": service.url("/dotnet-asmx.wsdl")}, status=403)
    assert service.seen == []


async def test_without_the_connector_there_is_nothing_to_import(start):
    page = await start(("rest",))
    await page.modeler.get("/import/soap")
    text = await page.modeler.post("/import/soap", {"wsdl": "http://x/"}, status=404)
    assert "no connector" in text
