"""Secrets resolve where the modeler wrote them: by the diagram where it is known, by place where it is not."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field
from tests.servers.cluster import ClusterServer, bpmn

from zeebe_connectors import Hint, Model, Secret, outbound
from zeebe_connectors.config.secrets import EnvironmentSecrets, SecretResolver
from zeebe_connectors.runtime.diagrams import ClusterApi, DeployedHere, Diagrams
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.gateway import Deployed
from zeebe_connectors.runtime.outbound.jobs import JobHandler
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Outcome
from zeebe_connectors.runtime.secret_scope import SecretScope
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.context import Context, Job
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.testing.servers import Reply

KEY = 42
VALUE = "Val-1/ue"
SECRETS = {"SECRET_DB": VALUE, "SECRET_KEY": "k-2", "SECRET_HOST": "db.example.com"}


class Login(Model):
    """How to sign in."""

    endpoint: Annotated[str, Hint(secrets="whole")] = ""
    """Where tokens come from."""
    user: str = ""
    """Who."""
    token: Secret = Secret("")
    """Proof."""


class Order(Model):
    """Every kind of field."""

    url: Annotated[str, Field(min_length=1), Hint(secrets="whole")] = "x"
    """An address."""
    headers: Annotated[dict[str, Any], Hint(secrets=True)] = Field(default={})
    """Headers."""
    login: Annotated[Login, Hint(secrets=True)] = Login()
    """Credentials."""
    body: Any = None
    """Content."""
    subject: str = ""
    """Content too."""


@outbound("order", title="Order", type="order", template=False)
async def order(given: Order, context: Context) -> Any:
    """Gives back what it got."""
    token = given.login.token.reveal()
    return {**given.model_dump(by_alias=True), "token": token}


async def handled(
    variables: dict[str, Any],
    *,
    inputs: dict[str, str] | None = None,
    diagrams: Diagrams | None = None,
    scope: SecretScope | None = None,
    headers: dict[str, str] | None = None,
    element: str = "task",
) -> Outcome:
    """One job through the pipeline; with `inputs`, its diagram is known and has these mappings."""
    here = DeployedHere()
    if inputs is not None:
        here.remember({"o.bpmn": bpmn(inputs)}, [Deployed("order", 1, KEY, "o.bpmn")])
    clients = ClientCache()
    services = Services(
        secrets=SecretResolver([EnvironmentSecrets(SECRETS)]),
        clients=clients,
        documents=LocalDocuments(Path("nowhere"), clients=clients),
        files=AllowedFiles(()),
        diagrams=diagrams or Diagrams(here=here),
        scope=scope or SecretScope(),
    )
    job = Job(
        1,
        "order",
        variables=json.dumps(variables),
        headers={"resultVariable": "r", **(headers or {})},
        process_definition_key=KEY,
        process_definition_version=1,
        bpmn_process_id="order",
        element_id=element,
    )
    return await JobHandler(order, services)(job)


async def result(variables: dict[str, Any], **more: Any) -> dict[str, Any]:
    outcome = await handled(variables, **more)
    assert isinstance(outcome, Complete), outcome
    return outcome.variables["r"]


HOSTILE = "https://evil.example.com/?x={{secrets.DB}}"


@pytest.mark.parametrize(
    ("source", "value", "became"),
    [
        ("=order.callbackUrl", HOSTILE, HOSTILE),
        ("=order.callbackUrl", "{{secrets.DB}}", "{{secrets.DB}}"),
        ("=order.callbackUrl", "secrets.DB", "secrets.DB"),
        ("https://x/{{secrets.KEY}}", HOSTILE, HOSTILE),
        ("https://x/{{secrets.DB}}", "https://x/{{secrets.DB}}", f"https://x/{VALUE}"),
        ('="https://" + "{{ secrets.DB }}"', "https://{{ secrets.DB }}", f"https://{VALUE}"),
        ("secrets.DB", "secrets.DB", VALUE),
    ],
)
@pytest.mark.parametrize("field", ["url", "subject", "body", "headers.X-Key", "login.user", "login.endpoint"])
async def test_the_pair_of_placeholder_and_input_decides(field, source, value, became):
    """In every kind of field, bodies too; what came from outside asks for nothing, whichever field it lands in."""
    inputs = {"login.token": "{{secrets.DB}}", "headers.Other": "{{secrets.DB}}", field: source}
    name, _, part = field.partition(".")
    given = {"login": {"token": "{{secrets.DB}}"}, "headers": {"Other": "{{secrets.DB}}"}}
    if part:
        given[name] = {**given[name], part: value}
    else:
        given[name] = value
    found = await result(given, inputs=inputs)
    assert (found[name][part] if part else found[name]) == became
    assert found["token"] == found["headers"]["Other"] == VALUE, "its own pair still resolves"


async def test_a_context_resolves_at_every_depth_and_in_keys():
    """As the modeler wrote it into one expression."""
    body = {"a": [{"{{secrets.KEY}}": "x {{secrets.DB}}"}], "b": "{{secrets.HOST}}"}
    found = await result({"body": body}, inputs={"body": '={a: [{"{{secrets.KEY}}": "x {{secrets.DB}}"}], b: mail}'})
    assert found["body"] == {"a": [{"k-2": f"x {VALUE}"}], "b": "{{secrets.HOST}}"}


async def test_an_input_without_a_mapping_resolves_nothing():
    """A process variable of the input's name is no text of the modeler's; nor does the header help it."""
    given = {"body": "{{secrets.DB}}", "headers": {"a": "{{secrets.DB}}"}, "login": {"token": "{{secrets.DB}}"}}
    found = await result(given, inputs={"url": "x"}, headers={"secretFields": "body"})
    assert found["body"] == found["headers"]["a"] == found["token"] == "{{secrets.DB}}"


async def test_an_element_that_the_diagram_lacks_resolves_nothing():
    """It cannot be what it says."""
    found = await result({"login": {"token": "{{secrets.DB}}"}}, inputs={"login.token": "{{secrets.DB}}"}, element="no")
    assert found["token"] == "{{secrets.DB}}"


@pytest.mark.parametrize(
    ("given", "path", "became"),
    [
        ({"url": HOSTILE}, ["url"], HOSTILE),
        ({"url": "{{secrets.HOST}}"}, ["url"], "db.example.com"),
        ({"url": " secrets.HOST "}, ["url"], "db.example.com"),
        ({"url": "{{secrets.HOST}}{{secrets.DB}}"}, ["url"], "{{secrets.HOST}}{{secrets.DB}}"),
        ({"login": {"endpoint": HOSTILE}}, ["login", "endpoint"], HOSTILE),
        ({"login": {"endpoint": "{{secrets.HOST}}"}}, ["login", "endpoint"], "db.example.com"),
        ({"login": {"user": "u-{{secrets.KEY}}"}}, ["login", "user"], "u-k-2"),
        ({"login": {"token": "Bearer {{secrets.KEY}}"}}, ["token"], "Bearer k-2"),
        ({"headers": {"A": "Bearer {{secrets.DB}}"}}, ["headers", "A"], f"Bearer {VALUE}"),
        ({"body": "{{secrets.DB}}"}, ["body"], "{{secrets.DB}}"),
    ],
)
async def test_by_place_an_address_takes_a_placeholder_as_a_whole_only(given, path, became):
    """Where the diagram is not known: text from outside cannot choose both the host and the secret."""
    found: Any = await result(given)
    for name in path:
        found = found[name]
    assert found == became


@pytest.mark.parametrize(
    ("mode", "resolved"),
    [
        ("diagram", {"subject"}),
        ("fields", {"headers", "token"}),
        ("secrets-only", {"token"}),
        ("everywhere", {"headers", "token", "body", "subject"}),
    ],
)
async def test_the_operator_chooses_what_decides(mode, resolved):
    """With a diagram that names the subject only."""
    given = {
        "headers": {"a": "x{{secrets.DB}}"},
        "login": {"token": "x{{secrets.DB}}"},
        "body": "x{{secrets.DB}}",
        "subject": "x{{secrets.DB}}",
    }
    found = await result(given, inputs={"subject": "x{{secrets.DB}}"}, scope=SecretScope(mode))
    found["headers"] = found["headers"]["a"]
    assert {name for name in ("headers", "token", "body", "subject") if found[name] == f"x{VALUE}"} == resolved


@pytest.mark.parametrize("status", [403, 500, 404])
async def test_a_cluster_that_does_not_answer_gets_the_job_back_untouched(status):
    """No wider mode; and jobs without placeholders do not notice."""
    clients = ClientCache()
    async with ClusterServer() as server:
        server.refusal = Reply.json({"detail": "not for you"}, status)
        diagrams = Diagrams(ClusterApi(server.url("").rstrip("/"), clients))
        outcome = await handled({"login": {"token": "{{secrets.DB}}"}}, diagrams=diagrams)
        assert isinstance(outcome, Fail)
        assert outcome.retries == 3
        assert outcome.backoff
        assert "not for you" in outcome.message
        assert ("READ_PROCESS_DEFINITION" in outcome.message) == (status == 403)
        assert isinstance(await handled({"body": "x"}, diagrams=diagrams), Complete)
        assert len(server.seen) <= 2
    await clients.aclose()


async def test_a_job_without_placeholders_asks_for_no_diagram():
    """The fast path: no question, no walk."""
    clients = ClientCache()
    async with ClusterServer() as server:
        diagrams = Diagrams(ClusterApi(server.url("").rstrip("/"), clients))
        assert isinstance(await handled({"body": {"a": ["b"] * 10}}, diagrams=diagrams), Complete)
        assert server.seen == []
    await clients.aclose()


async def test_a_placeholder_that_stays_is_logged_once_for_each_element(caplog):
    """With the remedy that fits, and no line break from outside."""
    scope = SecretScope()
    given = {"body": "{{secrets.DB}}", "subject": "secrets.X"}
    for _ in range(3):
        await result(given, inputs={"body": "=mail"}, scope=scope)
    await result(given, scope=scope, element="other")
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert "order/task" in warnings[0]
    assert "DB in body, X in subject" in warnings[0]
    assert "write {{secrets.NAME}} into that mapping itself" in warnings[0]
    assert "CAMUNDA_CLIENT_REST_ADDRESS" in warnings[1]


@pytest.mark.parametrize(
    "written",
    [
        "{{SECRETS.DB}}",
        "{{secrets. DB}}",
        "{{secrets .DB}}",
        "{{Secrets.DB}}",
        "{{secret.DB}}",
        "{{ secrets DB }}",
        "{{secrets.MY DB}}",
        "{{secrets.DB}",
        "{secrets.DB}",
        "${secrets.DB}",
        "{{camunda.secrets.DB}}",
    ],
)
async def test_a_slip_in_a_placeholder_is_reported(caplog, written):
    """It stays as text, as everywhere; but whoever wrote it meant a secret."""
    found = await result({"body": f"a {written}"}, inputs={"body": f"a {written}"})
    assert found["body"] == f"a {written}"
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert f"{written.removeprefix('$')} in body" in warning
    assert "write {{secrets.NAME}}" in warning
    outcome = await handled({"body": written}, scope=SecretScope("diagram", "incident"))
    assert isinstance(outcome, Fail)
    assert outcome.code == "SECRET_NOT_RESOLVED"


@pytest.mark.parametrize(
    "text", ["Dear {{name}}", "{{secretary.name}}", "{secret 5}", "{{#secrets}}", "{{secrets}}", "keep secrets. {a}"]
)
async def test_other_braces_are_no_slips(caplog, text):
    assert (await result({"body": text}, inputs={"body": "=text"}))["body"] == text
    assert caplog.records == []


@pytest.mark.parametrize("inputs", [None, {"body": "=mail"}])
async def test_it_can_be_an_incident(inputs):
    """Nothing was sent then."""
    outcome = await handled(
        {"body": {"a": ["{{secrets.DB}}"]}}, inputs=inputs, scope=SecretScope("diagram", "incident")
    )
    assert isinstance(outcome, Fail)
    assert (outcome.retries, outcome.code) == (0, "SECRET_NOT_RESOLVED")
    assert "DB in body.a[1]" in outcome.message


async def test_what_a_secret_brings_asks_for_nothing():
    """One pass, on values."""
    SECRETS["SECRET_LOOP"] = "{{secrets.DB}}"
    try:
        found = await result({"body": "{{secrets.LOOP}}"}, inputs={"body": "{{secrets.LOOP}} {{secrets.DB}}"})
    finally:
        del SECRETS["SECRET_LOOP"]
    assert found["body"] == "{{secrets.DB}}"
