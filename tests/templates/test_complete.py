"""Every connector of the project is whole: template, page, example, icon, and what it does when nothing answers.

What is missing with reason stands in a table here; a reason that no longer holds fails too.
"""

from __future__ import annotations

import json
import socket
import tomllib
from pathlib import Path

import pytest

from zeebe_connectors.sdk.connector import Inbound
from zeebe_connectors.sdk.registry import DOCUMENTATION, Registry
from zeebe_connectors.templates.element_template import ICON_LIMIT, icon_url, templates_of
from zeebe_connectors.templates.generate import generated_files, own_connectors, stale_files
from zeebe_connectors.templates.rules import broken_rules
from zeebe_connectors.testing import Fail, run

ROOT = Path(__file__).parent.parent.parent
CANARY = "canary-7f1c"

DEAD_PORT = {
    "coap": lambda port: {
        "operation": "get",
        "host": "127.0.0.1",
        "port": port,
        "path": "time",
        "query": {"token": "{{secrets.CANARY}}"},
        "timeout": 3,
    },
    "email": lambda port: {
        "protocol": "imap",
        "authentication": {"type": "simple", "username": "ann", "password": "{{secrets.CANARY}}"},
        "data": {
            "imapActionDiscriminator": "listEmailsImap",
            "imapConfig": {"imapHost": "127.0.0.1", "imapPort": port, "imapCryptographicProtocol": "NONE"},
        },
    },
    "files": lambda port: {
        "operation": "list",
        "protocol": "ftp",
        "host": "127.0.0.1",
        "port": port,
        "authentication": {"type": "password", "username": "ann", "password": "{{secrets.CANARY}}"},
    },
    "graphql": lambda port: {
        "authentication": {"type": "bearer", "token": "{{secrets.CANARY}}"},
        "graphql": {"url": f"http://127.0.0.1:{port}/", "method": "post", "query": "{ a }"},
    },
    "pop3-fetch": lambda port: {
        "operation": "MAIL_RECEIVE",
        "authentication": {"type": "simple", "username": "ann@example.com", "password": "{{secrets.CANARY}}"},
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
    },
    "rest": lambda port: {
        "authentication": {"type": "bearer", "token": "{{secrets.CANARY}}"},
        "url": f"http://127.0.0.1:{port}/",
    },
    "smtp": lambda port: {
        "host": "127.0.0.1",
        "port": port,
        "authentication": {"type": "plain", "username": "ann", "password": "{{secrets.CANARY}}"},
        "from": "ann@example.com",
        "to": "bob@example.com",
        "text": "Hello",
    },
    "smtp-infosys": lambda port: {
        "authentication": {
            "hostname": "127.0.0.1",
            "port": str(port),
            "username": "ann",
            "password": "{{secrets.CANARY}}",
        },
        "smtpEmailMailBoxName": "ann@example.com",
        "smtpEmailToRecipients": ["bob@example.com"],
        "smtpEmailSubject": "Hello",
        "smtpEmailContentType": "Text",
        "smtpEmailContent": "Hello",
    },
    "soap": lambda port: {
        "serviceUrl": f"http://127.0.0.1:{port}/",
        "authentication": {"authentication": "usernameToken", "username": "ann", "password": "{{secrets.CANARY}}"},
        "body": {"type": "json", "json": {"a": 1}},
    },
    "sql": lambda port: {
        "operation": "query",
        "database": "postgresql",
        "host": "127.0.0.1",
        "port": port,
        "name": "orders",
        "authentication": {"type": "password", "username": "ann", "password": "{{secrets.CANARY}}"},
        "statement": "SELECT 1",
    },
}
"""Inputs for a server that is not there, with a secret in them. The test shows that the job is tried again."""
NOTHING_TO_REACH: dict[str, str] = {
    "process": "it asks the engine that its job came from, which is away in tests/connectors/process",
    "process-message": "as process",
}
"""Connectors that reach no server, with how they work instead."""

REGISTRY = Registry.installed()
CONNECTORS = own_connectors(REGISTRY)
OUTBOUND = [item.name for item in CONNECTORS if not isinstance(item, Inbound)]
every = pytest.mark.parametrize("connector", CONNECTORS, ids=[item.name for item in CONNECTORS])


def test_what_is_installed_is_what_the_project_declares():
    """Entry points are read from the installed package; a stale installation would hide a connector."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["zeebe_connectors"]
    assert {item.name for item in CONNECTORS} == set(declared), "run `make install` again"


def test_the_documentation_has_one_address():
    """Templates link to the address that the package's metadata names, and to no other."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    assert urls["Documentation"] == DOCUMENTATION
    for name in sorted((ROOT / "element-templates").glob("*.json")):
        assert json.loads(name.read_text())["documentationRef"].startswith(f"{DOCUMENTATION}/"), name


def test_no_generated_file_is_stale():
    assert stale_files(generated_files(CONNECTORS, ROOT), ROOT) == [], "run `make generate` and commit what it writes"


@every
def test_the_folder_is_named_after_the_connector(connector):
    folder = connector.module.split(".")[2]
    assert folder == connector.name.replace("-", "_") or connector.name.startswith(f"{folder}-")


@every
def test_every_template_keeps_the_rules(connector):
    made = templates_of(connector)
    assert made
    for template in made.values():
        assert broken_rules(template) == []


def test_no_two_templates_have_the_same_id():
    ids = [json.loads(file.read_text())["id"] for file in (ROOT / "element-templates").glob("*.json")]
    assert len(ids) == len(set(ids))


@every
def test_there_is_an_example_that_uses_the_template(connector):
    example = ROOT / "bpmn-examples" / f"{connector.name}.bpmn"
    text = example.read_text(encoding="utf-8")
    assert any(f'zeebe:modelerTemplate="{made["id"]}"' in text for made in templates_of(connector).values())


@every
def test_there_is_an_icon_that_the_web_modeler_takes(connector):
    assert connector.icon is not None
    assert len(icon_url(connector.icon)) <= ICON_LIMIT


@every
def test_every_error_code_has_a_meaning(connector):
    assert connector.errors
    assert all(len(text) > 10 for text in connector.errors.values())


def test_every_outbound_connector_has_a_case_for_a_dead_port():
    assert {*DEAD_PORT, *NOTHING_TO_REACH} == set(OUTBOUND)


@pytest.mark.parametrize("name", DEAD_PORT)
async def test_nothing_answers_and_the_job_is_tried_again_without_its_secret(name, caplog):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: refuses, and no one else can take the port
        inputs = DEAD_PORT[name](unused.getsockname()[1])
        outcome = await run(REGISTRY.outbound[name], inputs, secrets={"CANARY": CANARY}, seconds=10)
    assert isinstance(outcome, Fail)
    assert outcome.retries == 2
    assert outcome.code
    assert CANARY not in repr(outcome)
    assert CANARY not in caplog.text


@pytest.mark.parametrize("name", DEAD_PORT)
async def test_a_secret_that_is_not_there_is_an_incident_that_names_it(name):
    outcome = await run(REGISTRY.outbound[name], DEAD_PORT[name](1), secrets={}, seconds=10)
    assert isinstance(outcome, Fail)
    assert (outcome.retries, outcome.code) == (0, "SECRET_NOT_FOUND")
    assert "CANARY" in outcome.message
