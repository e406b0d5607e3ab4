"""Templates of an operator's providers: a dropdown of names, a form for each operation, and no address in them."""

import json

import pytest

from zeebe_connectors.config.providers import provider_of
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.templates.element_template import templates_of
from zeebe_connectors.templates.provider_templates import operation_templates, provider_files, with_providers
from zeebe_connectors.templates.rules import broken_rules

CONNECTORS = dict(Registry.installed().outbound)
ERP = provider_of(
    {
        "protocol": "https",
        "tags": ["orders"],
        "description": "The ERP",
        "variables": {"region": {"choices": ["eu", "us"], "default": "eu"}},
        "environmentBy": ["task"],
        "environments": {
            "test": {
                "url": "https://${region}.secret-host.example.com/",
                "authentication": {"type": "bearer", "token": "canary-4711"},
            }
        },
        "operations": {
            "createOrder": {
                "name": "Create order",
                "description": "Makes an order.",
                "method": "POST",
                "path": "/orders/${customer}",
                "inputs": {"customer": {"description": "The customer's number."}},
                "defaults": {"headers": {"X-A": "1"}, "body": "=order"},
            },
            "query": {"connector": "graphql", "method": "post", "path": "/graphql"},
        },
    },
    name="erp",
)


def bound(template):
    return {item["binding"].get("name") or item["binding"].get("key") or "": item for item in template["properties"]}


def test_an_operation_has_a_form_of_its_own():
    """Host, credentials, path and method are settled; what is left is what the operation needs."""
    made = operation_templates("erp", ERP, CONNECTORS)
    assert set(made) == {"erp-create-order", "erp-query"}
    template = made["erp-create-order"]
    assert broken_rules(template) == []
    assert template["name"] == "Create order (erp)"
    assert template["keywords"][0] == "orders"
    found = bound(template)
    assert (found["provider"]["type"], found["provider"]["value"]) == ("Hidden", "erp")
    assert (found["url"]["type"], found["url"]["value"]) == ("Hidden", "/orders/${customer}")
    assert (found["method"]["type"], found["method"]["value"]) == ("Hidden", "POST")
    assert found["providerValues.customer"]["constraints"] == {"notEmpty": True}
    assert [choice["value"] for choice in found["providerValues.region"]["choices"]] == ["eu", "us"]
    assert [choice["value"] for choice in found["environment"]["choices"]] == ["", "test"]
    assert found["headers"]["value"] == '={"X-A": "1"}'
    assert found["body"]["value"] == "=order"
    assert not any(name.startswith(("authentication", "clientTls")) for name in found)
    assert template["id"] == found["elementTemplateId"]["value"] != templates_of(CONNECTORS["rest"])["rest"]["id"]
    assert broken_rules(made["erp-query"]) == []


@pytest.mark.parametrize("name", sorted(name for name, one in CONNECTORS.items() if one.protocols and one.template))
def test_a_dropdown_lists_the_providers_that_the_connector_takes(name):
    template = templates_of(CONNECTORS[name])[name]
    protocol = next(iter(CONNECTORS[name].protocols))
    fits = provider_of(
        {"protocol": protocol, "environments": {"t": {"url" if "http" in protocol else "host": (
            f"{protocol}://h.example.com/" if "http" in protocol else "h.example.com")}}}, name="fits")  # fmt: skip
    made = with_providers(template, CONNECTORS[name].protocols, {"fits": fits})
    assert broken_rules(made) == []
    assert [choice["value"] for choice in bound(made)["provider"]["choices"]] == ["fits"]
    assert bound(with_providers(template, CONNECTORS[name].protocols, {}))["provider"]["type"] == "String"


def test_nothing_of_an_environment_is_in_any_file():
    text = json.dumps(provider_files({"erp": ERP}, CONNECTORS))
    assert "canary" not in text
    assert "secret-host" not in text


def test_the_forms_of_sources_list_the_providers_too():
    box = provider_of({"protocol": "imaps", "environments": {"live": {"host": "imap.example.com"}}}, name="box")
    registry = Registry.installed()
    files = provider_files({"box": box}, {**registry.outbound, **registry.inbound})
    for file in ("imap-start", "imap-boundary", "email"):
        template = json.loads(files[file])
        assert broken_rules(template) == []
        assert [choice["value"] for choice in bound(template)["provider"]["choices"]] == ["box"]
    assert "choices" not in bound(json.loads(files["pop3-start"]))["provider"], "of another protocol"


def test_no_two_operations_share_a_form():
    """However alike their names are as names of files."""
    there = {"t": {"url": "https://h.example.com/"}}
    alike = {"createOrder": {"path": "/1"}, "create-order": {"path": "/2"}}
    x, y = (provider_of({"protocol": "https", "environments": there, "operations": alike}) for _ in range(2))
    made = {name: json.loads(text) for name, text in provider_files({"erp.x": x, "erp-x": y}, CONNECTORS).items()}
    found = {name: template for name, template in made.items() if name.startswith("erp-x-create-order")}
    assert len(found) == 4
    assert len({template["id"] for template in found.values()}) == 4
    assert all(broken_rules(template) == [] for template in found.values())


@pytest.mark.parametrize(
    ("protocol", "address", "connector", "named"),
    [
        ("smtps", {"host": "h"}, "smtp", {}),
        ("imaps", {"host": "h"}, "email", {"protocol": "imap"}),
        ("pop", {"host": "h"}, "pop3-fetch", {}),
        ("ftpes", {"host": "h"}, "files", {"protocol": "ftpes"}),
        ("coaps", {"host": "h"}, "coap", {"protocol": "coaps"}),
        ("database", {"url": "mariadb://h/orders"}, "sql", {"database": "postgresql"}),
    ],
)
def test_an_operation_s_form_asks_nothing_that_the_provider_knows(protocol, address, connector, named):
    document = {"protocol": protocol, "environments": {"t": address}, "operations": {"do": {}}}
    template = operation_templates("it", provider_of(document), CONNECTORS)["it-do"]
    assert broken_rules(template) == []
    assert template["id"] == f"{templates_of(CONNECTORS[connector])[connector]['id']}.it.do"
    found = bound(template)
    for name, value in named.items():
        assert (found[name]["type"], found[name]["value"]) == ("Hidden", value)
