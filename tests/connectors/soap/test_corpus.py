"""WSDLs of many makes import and run, or are refused with a reason that a person can act on."""

import importlib.util
import json
from pathlib import Path

import pytest

from zeebe_connectors import ConnectorError
from zeebe_connectors.connectors.soap.connector import call
from zeebe_connectors.connectors.soap.operation_template import choose, described, template_of
from zeebe_connectors.connectors.soap.wsdl import load
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.templates.element_template import templates_of
from zeebe_connectors.templates.rules import broken_rules

_spec = importlib.util.spec_from_file_location("soap_corpus", Path(__file__).with_name("corpus.py"))
corpus = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(corpus)


@pytest.fixture
def context_of(soap):
    def made():
        context = soap.context(60)
        context.files = AllowedFiles([corpus.FOLDER])
        return context

    return made


def named(path):
    return str(path.relative_to(corpus.FOLDER))


def test_there_are_enough():
    """The set is as large as it says."""
    assert len(corpus.usable()) + len(corpus.refused()) >= 25


@pytest.mark.parametrize("all_fields", [True, False], ids=["full", "least"])
@pytest.mark.parametrize("path", corpus.usable(), ids=named)
async def test_runs(path, all_fields, context_of):
    """Every operation is called; the request fits the schema, and the reply comes back as it was meant."""
    ran, wrong = await corpus.Trial(context_of).run(path, all_fields=all_fields)
    assert ran > 0
    assert wrong == []


@pytest.mark.parametrize("path", corpus.usable(), ids=named)
async def test_imports(path, context_of):
    """Every operation becomes a template whose fields and groups hang together."""
    found = load(await corpus.documents_of(path, context_of()))
    base = templates_of(call)["soap"]
    files = set()
    for operation in choose(found.operations):
        made = template_of(operation, "https://example.com/?wsdl", base)
        files.add(made.file)
        template = made.template
        assert broken_rules(template) == []
        groups = {group["id"] for group in template["groups"]}
        properties = [item for item in template["properties"] if "id" in item]
        ids = [item["id"] for item in properties]
        assert len(ids) == len(set(ids))
        assert {item["group"] for item in properties} == groups
        seen = set()
        for item in properties:
            condition = item.get("condition", {})
            for one in condition.get("allMatch", [condition] if condition else []):
                assert one["property"] in seen
            if item["type"] == "Dropdown" and "value" in item:
                assert item["value"] in {choice["value"] for choice in item["choices"]}
            seen.add(item["id"])
        inputs = {item.name for item in operation.input.inputs()}
        bound = {item["binding"].get("name", "") for item in properties}
        assert len([name for name in bound if name.startswith("body.input.")]) >= len(inputs)
        assert described(operation)["operation"] == operation.name
        json.dumps(template)
    assert len(files) == len(choose(found.operations))


REASONS = {
    "cut-off.wsdl": ("SOAP_WSDL_INVALID", "line 4"),
    "entities.wsdl": ("SOAP_WSDL_INVALID", "DOCTYPE"),
    "external-entity.wsdl": ("SOAP_WSDL_INVALID", "DOCTYPE"),
    "html.wsdl": ("SOAP_WSDL_INVALID", "html"),
    "http-only.wsdl": ("SOAP_WSDL_INVALID", "does not speak SOAP"),
    "missing-import.wsdl": ("SOAP_WSDL_UNREACHABLE", "gone.xsd"),
    "missing-type.wsdl": ("SOAP_WSDL_INVALID", "tns:Nowhere"),
    "missing-part-type.wsdl": ("SOAP_WSDL_INVALID", "{urn:x}Address"),
    "other-file.wsdl": ("FILE_FORBIDDEN", "ZEEBE_CONNECTORS_FILES"),
    "other-host.wsdl": ("SOAP_WSDL_INVALID", "169.254.169.254"),
    "schema-only.wsdl": ("SOAP_WSDL_INVALID", "not a WSDL"),
    "wsdl20.wsdl": ("SOAP_WSDL_INVALID", "WSDL 1.1"),
}


@pytest.mark.parametrize("path", corpus.refused(), ids=named)
async def test_refused(path, context_of):
    """What cannot be used is refused, and the message names document, reason and remedy, and no directory."""
    with pytest.raises(ConnectorError) as caught:
        load(await corpus.documents_of(path, context_of()))
    code, message = REASONS[path.name]
    assert caught.value.code == code
    assert message in str(caught.value)
    assert str(corpus.FOLDER) not in str(caught.value)
