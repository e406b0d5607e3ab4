"""The official REST templates and Infosys' SMTP template, filled in the real modeler and run on the engine.

The templates are others' work and are not part of this project: `OFFICIAL_TEMPLATES` names a folder that holds them.
What their forms make of a job is held without them in `tests/connectors/rest/test_official_templates.py` and
`tests/connectors/smtp/test_infosys.py`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.modeler import tool

from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing.servers import HttpServer, Reply, SmtpServer

pytestmark = [pytest.mark.engine, pytest.mark.modeler, pytest.mark.timeout(900)]

REST = "io.camunda.connectors.HttpJson"
INFOSYS = "com.infosys.camundaconnectors.email.smtp.v1"
CATCH = (
    '=if error.code = "404" then ignoreError({code: error.code, reason: error.variables.response.body.why}) else null'
)


def templates() -> dict[str, dict]:
    """The known templates of the folder, by a name for each version; none when no folder is named."""
    named = os.environ.get("OFFICIAL_TEMPLATES")
    found: dict[str, dict] = {}
    for file in sorted(Path(named).rglob("*.json")) if named else ():
        content = json.loads(file.read_text(encoding="utf-8"))
        for template in content if isinstance(content, list) else [content]:
            if template.get("id", "").startswith((REST, INFOSYS)):
                name = template["id"].removeprefix("io.camunda.connectors.").removeprefix("com.infosys.").lower()
                found[f"{name.replace('.', '-')}-{template.get('version', 0)}"] = template
    return found


TEMPLATES = templates()


def case(name: str, template: dict, values: dict[str, Any], **more: Any) -> dict:
    """What the modeler is to do with one template."""
    return {
        "name": name,
        "template": template["id"],
        "version": template.get("version"),
        "platformVersion": template.get("engines", {}).get("camunda", "8.6").lstrip("^>=~"),
        "allowNotOffered": True,  # the chooser offers the newest one only
        "values": values,
        **more,
    }


def bound(template: dict, key: str) -> dict | None:
    """The first property with this binding."""
    for entry in template["properties"]:
        binding = entry["binding"]
        kind = {"zeebe:input": "input", "zeebe:taskHeader": "header"}.get(binding["type"])
        if f"{kind}:{binding.get('name', binding.get('key'))}" == key:
            return entry
    return None


def rest_cases(name: str, template: dict) -> list[dict]:
    """A form filled for an answer and, where it can catch errors, one filled for an error."""
    posting = next(one["value"] for one in bound(template, "input:method")["choices"] if one["value"].lower() == "post")
    login = {}
    if bound(template, "input:authentication.username"):
        login = {"input:authentication.username": "ann", "input:authentication.password": "{{secrets.PASSWORD}}"}
        if bound(template, "input:authentication.type")["type"] == "Dropdown":
            login = {"input:authentication.type": "basic", **login}
    elif bound(template, "input:authentication.token"):
        login = {"input:authentication.token": "{{secrets.PASSWORD}}"}
    filled = {"input:method": posting, **login, "input:body": "={a: 1}", "header:resultVariable": "answer"}
    result = {}
    if not bound(template, "header:resultExpression").get("value"):  # later versions prefill it, which is to be seen
        result = {"header:resultExpression": "={myResponseBody: response.body}"}
    cases = [case(f"{name}-answer", template, {"input:url": '=baseUrl + "/orders"', **filled, **result})]
    if bound(template, "header:errorExpression"):
        values = {"input:url": '=baseUrl + "/missing"', **filled, "header:errorExpression": CATCH}
        cases.append(case(f"{name}-error", template, values))
    return cases


def infosys_cases(name: str, template: dict) -> list[dict]:
    """A form filled for text, and one for HTML; what is left empty is null, as engines before 8.8 want it."""
    common = {
        "input:authentication.hostname": "127.0.0.1",
        "input:authentication.port": "=string(smtpPort)",
        "input:authentication.username": "mailer",
        "input:authentication.password": "{{secrets.PASSWORD}}",
        "input:smtpEmailMailBoxName": '="mailer@example.com"',
        "input:smtpEmailToRecipients": '=["a@example.com", "b@example.com"]',
        "input:smtpEmailCcRecipients": "=null",
        "input:smtpEmailBccRecipients": "=null",
        "input:smtpEmailSubject": '="Order " + string(orderId)',
        "input:smtpEmailAttachments": "=null",
        "header:resultVariable": "mail",
        "header:resultExpression": "={mailSent: response.response}",
    }
    text = {
        "input:smtpEmailContent": '="1 < 2"',
        "input:smtpEmailFollowUp": "=null",
        "input:smtpEmailDirectReplyTo": "=null",
    }
    html = {
        "input:smtpEmailContentType": "HTML",
        "input:smtpEmailContent": '="<p>Hello</p>"',
        "input:smtpEmailImportance": "${true}",
        "input:smtpEmailReadReceipt": "${true}",
        "input:smtpEmailFollowUp": "tomorrow",
        "input:smtpEmailDirectReplyTo": "desk@example.com",
        "input:smtpEmailSensitivity": "Confidential",
    }
    # The template does not say that it makes a service task, so its users begin with one.
    return [
        case(f"{name}-{kind}", template, {**common, **more}, elementType="bpmn:ServiceTask")
        for kind, more in (("text", text), ("html", html))
    ]


CASES = [
    one
    for name, template in TEMPLATES.items()
    for one in (rest_cases if template["id"].startswith(REST) else infosys_cases)(name, template)
]
NO_FOLDER = pytest.param(None, id="none", marks=pytest.mark.skip(reason="OFFICIAL_TEMPLATES names no folder with them"))


@pytest.fixture(scope="module")
def filled(request, tmp_path_factory):
    """The chosen cases filled in the modeler: the results, and where the diagrams are."""
    where = tmp_path_factory.mktemp("official")
    chosen = [one.callspec.params["wanted"] for one in request.session.items if one.path == request.path]
    (where / "templates").mkdir()
    for name, template in TEMPLATES.items():
        (where / "templates" / f"{name}.json").write_text(json.dumps(template))
    (where / "cases.json").write_text(json.dumps(chosen))
    return tool.apply(where / "templates", where / "cases.json", where / "out"), where / "out"


@pytest.fixture
async def servers(zeebe, tmp_path):
    """The runtime, with the servers that the cases talk to."""
    environment = Environment((
        "environment",
        {
            "ZEEBE_ADDRESS": zeebe.grpc_address,
            "ZEEBE_INSECURE_CONNECTION": "true",
            "ZEEBE_CONNECTORS_DATA": str(tmp_path),
            "CONNECTOR_OUTBOUND_ENABLED": "rest,smtp-infosys",
            "SECRET_PASSWORD": "s3cret",
        },
    ))  # fmt: skip
    settings = Settings.read(environment)
    runtime = Runtime(settings, Registry.installed(), ZeebeGateway(settings.cluster), environment=environment)
    async with HttpServer() as http, SmtpServer(users={"mailer": "s3cret"}) as smtp:
        http.answer("/orders", lambda seen: Reply.json({"sent": seen.json, "by": seen.header("Authorization")}, 201))
        http.answer("/missing", Reply.json({"why": "no such order"}, 404))
        runtime.start()
        try:
            yield runtime.gateway, http, smtp
        finally:
            await runtime.drain()


@pytest.mark.parametrize("wanted", CASES or [NO_FOLDER], ids=lambda one: one and one["name"])
async def test_a_filled_template_runs(wanted, filled, servers):
    """The modeler takes it and exports it without a complaint of ours to make; the result is what its users expect."""
    results, where = filled
    assert results[wanted["name"]]["failures"] == []
    gateway, http, smtp = servers
    diagram = (where / f"{wanted['name']}.bpmn").read_bytes()
    deployed = await gateway.deploy({"diagram.bpmn": diagram})
    variables = {"baseUrl": http.url("").rstrip("/"), "smtpPort": smtp.port, "orderId": 42}
    _, text = await gateway.run_process(deployed[0].bpmn_process_id, payload=json.dumps(variables), seconds=45)
    ended = json.loads(text)
    kind = wanted["name"].rpartition("-")[2]
    if kind == "answer":
        assert set(ended["answer"]) == {"status", "headers", "body", "reason", "document"}
        assert (ended["answer"]["status"], ended["answer"]["document"]) == (201, None)
        assert ended["myResponseBody"] == ended["answer"]["body"]
        assert ended["myResponseBody"]["sent"] == {"a": 1}
        proof = ended["myResponseBody"]["by"]
        offered = any("authentication." in name for name in wanted["values"])
        assert proof in ({"Basic YW5uOnMzY3JldA==", "Bearer s3cret"} if offered else {None})
    elif kind == "error":
        assert (ended["code"], ended["reason"]) == ("404", "no such order")
        assert "answer" not in ended
    else:
        assert ended["mailSent"] == ended["mail"]["response"] == "Mail sent successfully"
        (mail,) = smtp.mails
        assert (mail.user, mail.to) == ("mailer", ["a@example.com", "b@example.com"])
        got = mail.parsed
        body = got.get_content().strip()
        assert (got.get_content_subtype(), body) == (("plain", "1 < 2") if kind == "text" else ("html", "<p>Hello</p>"))
        marks = ("high", "mailer@example.com", "Company-Confidential", "Follow up", "desk@example.com")
        names = ("Importance", "Disposition-Notification-To", "Sensitivity", "X-Message-Flag", "Reply-To")
        assert tuple(got[name] for name in names) == (marks if kind == "html" else (None,) * 5)
