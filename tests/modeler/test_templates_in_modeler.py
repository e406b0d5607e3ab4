"""Our element templates in the tools that people meet them in: the official validator and the modeler itself."""

import json

import pytest
from tests.modeler.tool import ROOT, TEMPLATES, applied, cases, opened, run

pytestmark = [pytest.mark.modeler, pytest.mark.timeout(900)]

EXAMPLES = sorted(file.name for file in (ROOT / "bpmn-examples").glob("*.bpmn"))


def test_the_official_validator_finds_no_error():
    done = run("validate-templates.mjs", TEMPLATES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_validator_would_find_one(tmp_path):
    template = json.loads((TEMPLATES / "rest.json").read_text())
    template["properties"][1]["type"] = "Nonsense"
    (tmp_path / "broken.json").write_text(json.dumps(template))
    assert run("validate-templates.mjs", tmp_path).returncode == 1


def test_every_template_has_a_case():
    ids = {json.loads(file.read_text())["id"] for file in TEMPLATES.glob("*.json")}
    assert ids - {case["template"] for case in cases()} == set()


@pytest.mark.parametrize("name", [case["name"] for case in cases()])
def test_a_template_is_offered_applied_filled_exported_and_linted(name):
    result = applied()[name]
    assert result["failures"] == []
    assert result["appliedBy"] == "chooser"


@pytest.mark.parametrize("file", EXAMPLES)
def test_an_example_opens_with_the_newest_templates_and_no_complaint(file):
    result = opened()[file]
    assert result["failures"] == []
    assert result["elements"]
