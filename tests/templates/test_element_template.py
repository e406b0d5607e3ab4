import json
import re
from pathlib import Path

import pytest

from zeebe_connectors import feel
from zeebe_connectors.sdk.connector import DefinitionError
from zeebe_connectors.templates.element_template import icon_url, template_text, templates_of
from zeebe_connectors.templates.rules import broken_rules
from zeebe_connectors.templates.wording import adds_to, laid_out


def properties(template):
    return {item["id"]: item for item in template["properties"] if "id" in item}


@pytest.fixture
def template(order):
    return templates_of(order)["sample-order"]


def test_every_sample_keeps_the_rules(order, files, watch):
    for connector in (order, files, watch):
        for template in templates_of(connector).values():
            assert broken_rules(template) == []


def test_keys_stand_in_the_official_order(template):
    assert list(template) == [
        "$schema",
        "name",
        "id",
        "description",
        "keywords",
        "version",
        "category",
        "appliesTo",
        "elementType",
        "engines",
        "groups",
        "properties",
    ]


def test_the_first_property_is_the_job_type(template):
    assert template["properties"][0] == {
        "value": "test:order:1",
        "binding": {"type": "zeebe:taskDefinition", "property": "type"},
        "type": "Hidden",
    }


def test_the_standard_groups_come_last(template):
    assert [group["id"] for group in template["groups"]] == [
        "server",
        "authentication",
        "payload",
        "connector",
        "output",
        "error",
        "retries",
    ]


def test_an_optional_input_may_stay_empty_on_every_broker(template):
    for item in template["properties"]:
        if item["binding"]["type"] == "zeebe:input" and not item.get("constraints", {}).get("notEmpty"):
            never_empty = item["type"] == "Dropdown" and item.get("value")
            assert item.get("optional") is True or never_empty, item["id"]


def test_numbers_and_truth_values_take_expressions(template):
    known = properties(template)
    assert [(known[name]["type"], known[name]["feel"], known[name]["value"]) for name in ("port", "strict")] == [
        ("Number", "optional", 443),
        ("Boolean", "static", True),
    ]


def test_lists_contexts_and_documents_must_be_expressions(template):
    known = properties(template)
    assert {"required"} == {known[name]["feel"] for name in ("items", "labels", "attachment")}


def test_a_secret_shows_how_to_name_it(template):
    value = properties(template)["authentication.value"]
    assert value["placeholder"] == "{{secrets.NAME}}"
    assert "{{secrets.NAME}}" in value["tooltip"]


def test_nested_conditions_must_all_match(template):
    assert properties(template)["authentication.place.headerName"]["condition"] == {
        "allMatch": [
            {"property": "authentication.type", "equals": "key", "type": "simple"},
            {"property": "authentication.place.where", "equals": "header", "type": "simple"},
        ]
    }


def test_headers_name_the_template_and_its_version(template):
    known = properties(template)
    assert ("1", template["id"]) == (known["version"]["value"], known["id"]["value"])


def test_retries_stand_in_the_task_definition(template):
    assert (
        properties(template)["retryCount"]["binding"],
        properties(template)["retryCount"]["value"],
    ) == ({"type": "zeebe:taskDefinition", "property": "retries"}, "3")


def test_an_inbound_connector_has_a_template_per_place(watch):
    made = templates_of(watch)
    assert [f"sample-watch-{place}" for place in ("start", "message-start", "intermediate", "boundary", "receive")] == [
        *made
    ]
    assert len({template["id"] for template in made.values()}) == 5
    assert made["sample-watch-message-start"]["elementType"] == {
        "value": "bpmn:StartEvent",
        "eventDefinition": "bpmn:MessageEventDefinition",
    }
    assert "correlation" not in [group["id"] for group in made["sample-watch-start"]["groups"]]


def test_the_text_is_json_with_a_final_newline(template):
    text = template_text(template)
    assert template == json.loads(text)
    assert text.endswith("}\n")


def test_an_icon_that_is_too_large_is_refused(tmp_path):
    icon = tmp_path / "icon.svg"
    icon.write_text("<svg>" + "x" * 8000 + "</svg>")
    with pytest.raises(DefinitionError, match="the limit is 8192"):
        icon_url(icon)


@pytest.mark.parametrize(
    ("label", "text", "adds"),
    [
        ("Username", "The user's name.", False),
        ("IMAP host", "Host of the IMAP server.", False),
        ("Headers", "Headers to send.", False),
        ("Port", "993 for TLS, 143 for STARTTLS or none.", True),
        ("From", "The sender's address.", True),
    ],
)
def test_help_that_repeats_the_label_is_left_out(label, text, adds):
    assert adds_to(label, text) is adds


def test_what_a_field_means_is_behind_its_name_and_not_below_it(template):
    shown = [item for item in template["properties"] if item["type"] != "Hidden"]
    assert [item["id"] for item in shown if "description" in item] == []
    assert any(item.get("tooltip") for item in shown)


@pytest.mark.parametrize(
    ("expression", "names", "text"),
    [
        (
            '={status: response.status, items: [1, 2], note: "a, b"}',
            ["status", "body"],
            (
                '={\n  status: response.status,\n  items: [1, 2],\n  note: "a, b"\n'
                "  /* Each entry becomes a process variable.\n     There is also: response.body */\n}"
            ),
        ),
        (
            "",
            [],
            "={\n  /* Each entry becomes a process variable.\n     There is: the whole result as response */\n}",
        ),
        ("=response.body", ["body"], "=response.body"),
    ],
)
def test_a_result_expression_stands_on_several_lines_with_a_comment(expression, names, text):
    assert laid_out(expression, names) == text
    feel.compile(text.removeprefix("="))


@pytest.mark.parametrize("file", sorted(Path("element-templates").glob("*.json")), ids=lambda file: file.stem)
def test_a_template_says_where_it_is_documented_and_what_becomes_of_the_result(file):
    template = json.loads(file.read_text(encoding="utf-8"))
    *_, page = template["documentationRef"].partition("/docs/")
    assert (Path("docs") / page).is_file()
    expression = properties(template)["resultExpression"]["value"]
    assert "/*" in expression
    assert expression.count("\n") >= 3
    feel.compile(expression.removeprefix("="))


def test_truth_values_are_ticked_and_not_written(template):
    assert {"static"} == {item.get("feel") for item in template["properties"] if item["type"] == "Boolean"}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("url", ["https://a.example/x", "HTTP://a.example", "=base + path", "{{secrets.URL}}", "secrets.URL"],
            ["a.example", "ftp://a.example", "https://"]),
        ("retryBackoff", ["PT30S", "P1D", "PT1H30M", "pt0.5s"], ["30", "30s", "P", "PT", "P1W", ""]),
    ],
)  # fmt: skip
def test_a_form_marks_what_is_certainly_no_url_and_no_duration(name, good, bad):
    item = properties(json.loads(Path("element-templates/rest.json").read_text(encoding="utf-8")))[name]
    pattern = re.compile(item["constraints"]["pattern"]["value"])
    assert "optional" not in item
    assert [text for text in good if not pattern.search(text)] == []
    assert [text for text in bad if pattern.search(text)] == []


def test_a_connector_with_several_operations_has_a_menu_of_them():
    template = json.loads(Path("element-templates/email.json").read_text(encoding="utf-8"))
    leaves = [leaf for step in template["steps"] for leaf in step.get("steps", [step])]
    presets = {preset["id"]: preset["properties"] for preset in template["presets"]}
    assert [leaf["presetId"] for leaf in leaves] == [*presets]
    known = properties(template)
    for values in presets.values():
        for name, value in values.items():
            assert value in {choice["value"] for choice in known[name]["choices"]}
            assert known[name]["group"] == "operation"
    assert presets["imap_moveEmailImap"] == {
        "protocol": "imap",
        "data.imapActionDiscriminator": "moveEmailImap",
    }


@pytest.mark.parametrize("name", ["rest", "graphql", "soap", "email", "smtp", "imap-start", "pop3-start"])
def test_certificates_come_after_what_everybody_fills_in(name):
    template = json.loads(Path(f"element-templates/{name}.json").read_text(encoding="utf-8"))
    places = [item["id"] for item in template["properties"] if "id" in item]
    first = min(place for place, one in enumerate(places) if "ertificate" in one and not one.startswith("auth"))
    for wanted in ("url", "graphql.url", "serviceUrl", "method", "body.json", "data.smtpAction.body", "text", "host"):
        assert wanted not in places or places.index(wanted) < first


def broken(template, change):
    copy = json.loads(json.dumps(template))
    change(copy, properties(copy))
    return broken_rules(copy)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t, p: t.update({"$schema": "other"}), "$schema must be the unversioned address"),
        (lambda t, p: t.update(version="1"), "version must be a whole number"),
        (lambda t, p: t.pop("elementType"), "elementType is missing"),
        (lambda t, p: t["groups"].append({"id": "spare", "label": "Spare"}), "the group spare has no property"),
        (lambda t, p: p["host"].update(group="nowhere"), "the group nowhere is not declared"),
        (lambda t, p: p["host"].pop("group"), "host is shown but in no group"),
        (lambda t, p: p["host"].update(id="port"), "the id port stands 2 times"),
        (lambda t, p: p["importance"].update(value="no"), "the default of importance is no choice"),
        (lambda t, p: p["importance"].update(choices=[]), "importance needs choices, each once"),
        (lambda t, p: p["port"].update(constraints={"notEmpty": True}), "port is optional and has a constraint that"),
        (lambda t, p: p["labels"].pop("optional"), "labels may stay empty without being optional"),
        (lambda t, p: t["properties"].reverse(), "reason depends on strict, which does not come before it"),
        (lambda t, p: p["reason"]["condition"].update(equals="true"), "reason compares the Boolean strict"),
        (
            lambda t, p: p["authentication.value"]["condition"].update(equals="no"),
            "authentication.value depends on a choice that authentication.type does not have",
        ),
        (lambda t, p: p["version"].update(value="2"), "the header elementTemplateVersion differs"),
        (lambda t, p: t.update(id="other"), "the header elementTemplateId differs"),
        (lambda t, p: p["port"].update(binding=p["host"]["binding"]), "port is bound to the same host as another"),
        (lambda t, p: t["groups"].append(t["groups"][0]), "the group server is declared 2 times"),
    ],
)
def test_a_broken_rule_is_named(template, change, problem):
    assert any(line.startswith(problem) for line in broken(template, change))


@pytest.mark.parametrize("file", sorted(Path("element-templates").glob("*.json")), ids=lambda file: file.stem)
def test_a_dropdown_with_a_default_offers_no_blank_choice(file):
    """The modeler puts an empty choice before those of an optional dropdown."""
    blank = [
        item["id"]
        for item in json.loads(file.read_text(encoding="utf-8"))["properties"]
        if item["type"] == "Dropdown" and item.get("optional") and item.get("value")
    ]
    assert blank == []
