from xml.etree import ElementTree as ET

import pytest

from zeebe_connectors.templates.diagram import diagram_of, example_values, task_of
from zeebe_connectors.templates.element_template import templates_of

ZEEBE = "{http://camunda.org/schema/zeebe/1.0}"
BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"


@pytest.fixture
def template(order):
    return templates_of(order)["sample-order"]


VALUES = {
    "host": "=server",
    "port": 8443,
    "authentication.type": "key",
    "authentication.value": "{{secrets.KEY}}",
    "items": '["a", "<b>"]',
    "dryRun": True,
    "retryCount": "1",
}


def inputs(text):
    root = ET.fromstring(text)
    return {item.get("target"): item.get("source") for item in root.iter(f"{ZEEBE}input")}


def test_a_diagram_holds_what_the_modeler_would_write(template):
    text = diagram_of(template, VALUES, process="one", name="One & two", documentation="a < b")
    root = ET.fromstring(text)
    assert inputs(text) == {
        "host": "=server",
        "port": "=8443",
        "authentication.type": "key",
        "authentication.value": "{{secrets.KEY}}",
        "authentication.place.where": "header",
        "authentication.place.headerName": "X-Key",
        "importance": "normal",
        "dryRun": "=true",
        "strict": "=true",
        "items": '=["a", "<b>"]',
        "seconds": "=2.5",
    }
    task = root.find(f".//{ZEEBE}taskDefinition")
    assert (task.get("type"), task.get("retries")) == ("test:order:1", "1")
    assert root.find(f"{BPMN}process").get("name") == "One & two"
    assert root.find(f".//{BPMN}documentation").text == "a < b"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nothing": 1}, "no such property with these values: nothing"),
        ({"authentication.username": "ann"}, "no such property with these values: authentication.username"),
        ({"host": ""}, "host is required"),
    ],
)
def test_values_that_do_not_fit_are_refused(template, change, message):
    with pytest.raises(ValueError, match=message):
        task_of(template, {**VALUES, **change}, id_="task", name="Task", flows=("a", "b"))


def test_every_condition_decides_what_is_written(files):
    template = templates_of(files)["sample-files"]
    assert inputs(diagram_of(template, {"path": "a", "folder": "b"}, process="p", name="P")) == {
        "operation": "get",
        "path": "a",
        "folder": "b",
    }


def test_examples_fill_what_is_required(order, template):
    values = example_values(template, order)
    assert values == {"host": "127.0.0.1", "items": ["a"]}
    assert inputs(diagram_of(template, values, process="p", name="P"))["items"] == '=["a"]'
