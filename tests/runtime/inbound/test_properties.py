"""A source's properties become the connector's input: FEEL, then secrets of the cluster or ours, then the model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated

import pytest
from tests.servers.cluster import ClusterServer

from zeebe_connectors import ConnectorError, Event, Hint, InboundContext, InputError, Model, Secret, inbound
from zeebe_connectors.config.secrets import EnvironmentSecrets, Mask, SecretResolver
from zeebe_connectors.connectors.pop3.connector import watch as mailbox
from zeebe_connectors.runtime.diagrams import ClusterApi
from zeebe_connectors.runtime.inbound.elements import Element, Source
from zeebe_connectors.runtime.inbound.properties import Properties
from zeebe_connectors.runtime.providers import Directory, Providers
from zeebe_connectors.runtime.secret_scope import SecretScope
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.testing.servers import Reply


class Login(Model):
    """How to sign in."""

    user: str = ""
    """Who."""
    password: Secret = Secret("")
    """Proof."""


class Place(Model):
    """What to watch."""

    imap_port: Annotated[int, Hint(secrets="whole")] = 993
    """Port."""
    host: Annotated[str, Hint(secrets=True)] = ""
    """Host."""
    folder: str = ""
    """Folder."""
    login: Annotated[Login, Hint(secrets=True)] = Login()
    """Credentials."""


@inbound("place", title="Place", type="place", template=False)
async def watch(given: Place, context: InboundContext) -> AsyncIterator[Event]:
    """Watches nothing."""
    return
    yield Event("", {})


OURS = {"SECRET_DB": "Val-1/ue", "SECRET_TOKEN": "ours", "SECRET_PORT": "143"}


async def read(properties: dict[str, object], *, mode="diagram", cluster=None) -> tuple[Place, Mask]:
    secrets = SecretResolver([EnvironmentSecrets(OURS)])
    source = Source("s", [Element("p", "e", "start", "place", properties)])
    mask = Mask()
    reader = Properties(secrets, SecretScope(mode), cluster)
    given, _ = await reader.read(source, watch, secrets.custody(mask, process="p", element="s"))
    return given, mask


@pytest.mark.parametrize(
    ("properties", "seen"),
    [
        ({"imapPort": "=38000 + 599"}, {"imapPort": 38599}),
        ({"imapPort": "={{secrets.PORT}}"}, None),
        ({"imapPort": "{{secrets.PORT}}"}, {"imapPort": 143}),
        ({"imapPort": '="{{secrets.PORT}}"'}, {"imapPort": 143}),
        ({"host": '="imap." + "example.com"'}, {"host": "imap.example.com"}),
        ({"host": "x{{secrets.DB}}"}, {"host": "xVal-1/ue"}),
        ({"folder": "a {{secrets.DB}}"}, {"folder": "a Val-1/ue"}),
        ({"login.password": "=1+1"}, {"password": "=1+1"}),
        ({"login.password": "=s3cret"}, {"password": "=s3cret"}),
        ({"login.password": '=a"b'}, {"password": '=a"b'}),
        ({"login.password": '="{{secrets.DB}}"'}, {"password": "Val-1/ue"}),
        ({"login.password": "={{secrets.DB}}"}, {"password": "Val-1/ue"}),
        ({"login.password": "= secrets.DB "}, {"password": "Val-1/ue"}),
        ({"login.password": "={{secrets.DB}}!"}, {"password": "=Val-1/ue!"}),
        ({"login.password": "=a.camunda.x"}, {"password": "=a.camunda.x"}),
        ({"login.user": '=upper case("u")'}, {"user": "U"}),
        ({"login.password": "=camunda.secrets.TOKEN"}, {"password": "ours"}),
        ({"login.password": "=camunda.secrets.`TOKEN`"}, {"password": "ours"}),
        ({"login.password": "camunda.secrets.TOKEN"}, {"password": "ours"}),
        ({"login.password": '="Bearer " + camunda.secrets.TOKEN'}, {"password": "Bearer ours"}),
        ({"folder": "=camunda.secrets.TOKEN"}, {"folder": "ours"}),
    ],
)
async def test_feel_comes_before_secrets(properties, seen):
    """In every property: all of it is the modeler's text."""
    if seen is None:
        with pytest.raises(ConnectorError, match="FEEL"):
            await read(properties)
        return
    found, _ = await read(properties)
    shown = {**found.model_dump(by_alias=True), "user": found.login.user, "password": found.login.password.reveal()}
    assert {name: shown[name] for name in seen} == seen


@pytest.mark.parametrize("expression", ["=mailFolder", "=camunda.vars.env.FOLDER", "=1 + null"])
async def test_an_expression_that_gives_nothing_is_no_empty_field(expression):
    """Another folder than the one meant would be watched."""
    with pytest.raises(ConnectorError, match=r"^folder: its expression gave null"):
        await read({"folder": expression})
    with pytest.raises(ConnectorError, match=r"^login\.user: its expression gave null"):
        await read({"login.user": expression})


@pytest.mark.parametrize("field", ["folder", "login.password"])
@pytest.mark.parametrize(
    "expression",
    [
        "=camunda.secrets.db-password",
        '=camunda.secrets["TOKEN"]',
        '=get value(camunda.secrets, "TOKEN")',
        "=camunda.secrets",
        "=camunda.secrets.TOKEN + 1",
        "=substring(camunda.secrets.TOKEN, 1, 3)",
        "=lower case(camunda.secrets.TOKEN)",
    ],
)
async def test_an_expression_that_does_not_give_the_clusters_secret_is_no_password(field, expression):
    """Its text would go to the server as the password; the message names the way to write it."""
    with pytest.raises(ConnectorError, match=rf"^{field}: its expression does not give the cluster's secret") as caught:
        await read({field: expression})
    assert "backticks" in caught.value.message


@pytest.mark.parametrize("expression", ["=camunda.vars.env.TOKEN", "=if camunda.vars.x then 1"])
async def test_a_clusters_variable_is_no_password(expression):
    with pytest.raises(ConnectorError, match=r"^login\.password"):
        await read({"login.password": expression})


@pytest.mark.parametrize(
    ("properties", "answer", "seen"),
    [
        ({"folder": "=camunda.vars.env.FOLDER"}, "Orders", {"folder": "Orders"}),
        ({"imapPort": "=camunda.vars.env.PORT + 1"}, 144, {"imapPort": 144}),
        ({"login.user": '="x-" + camunda.vars.tenant.USER'}, "x-ann", {"user": "x-ann"}),
        ({"login.password": "=camunda.vars.env.TOKEN"}, "t0k3n", {"password": "t0k3n"}),
        ({"folder": "=camunda.vars.env.FOLDER"}, "=1+1 {{secrets.DB}}", {"folder": "=1+1 {{secrets.DB}}"}),
    ],
)
async def test_the_cluster_evaluates_what_reads_its_variables(cluster, properties, answer, seen):
    """As for the official runtime; what it gives is a value, neither FEEL nor a place for secrets."""
    server, api = cluster
    server.answer("/v2/expression/evaluation", Reply.json({"result": answer, "warnings": []}))
    found, _ = await read(properties, cluster=api)
    shown = {**found.model_dump(by_alias=True), "user": found.login.user, "password": found.login.password.reveal()}
    assert {name: shown[name] for name in seen} == seen
    assert json.loads(server.seen[-1].body) == {"expression": next(iter(properties.values()))}


async def test_the_cluster_evaluates_an_expression_of_several_properties_once(cluster):
    server, api = cluster
    server.answer("/v2/expression/evaluation", Reply.json({"result": "ann", "warnings": []}))
    found, _ = await read({"login.user": "=camunda.vars.env.USER", "folder": "=camunda.vars.env.USER"}, cluster=api)
    assert (found.login.user, found.model_dump(by_alias=True)["folder"]) == ("ann", "ann")
    assert len(server.seen) == 1


async def test_an_expression_on_the_clusters_variables_holds_no_secret(cluster):
    """It would be sent to the cluster, come back as the text of a placeholder, and be used as a password."""
    server, api = cluster
    server.answer("/v2/expression/evaluation", Reply.json({"result": "x-{{secrets.DB}}", "warnings": []}))
    with pytest.raises(ConnectorError, match=r"^login\.password: .* cannot hold a secret's placeholder"):
        await read({"login.password": '=camunda.vars.env.PREFIX + "{{secrets.DB}}"'}, cluster=api)
    assert server.seen == []


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply.json({"result": None, "warnings": ["x"]}), "folder: the cluster's variables give null"),
        (Reply.json({"detail": "no such"}, 400), "folder: the cluster cannot evaluate it: .*no such"),
        (Reply(403), "folder: .*EVALUATE"),
        (Reply(404), "folder: its expression gave null"),
    ],
)
async def test_a_cluster_that_does_not_evaluate_is_an_error_with_the_property(cluster, reply, message):
    server, api = cluster
    server.answer("/v2/expression/evaluation", reply)
    with pytest.raises(ConnectorError, match=message):
        await read({"folder": "=camunda.vars.env.FOLDER"}, cluster=api)


async def test_what_only_looks_like_a_placeholder_is_reported(caplog):
    await read({"folder": "{{SECRETS.DB}}"})
    assert "{{SECRETS.DB}} in folder" in caplog.text
    assert "write {{secrets.NAME}}" in caplog.text


async def test_an_empty_field_and_helpers_of_a_template_are_left_alone():
    expected, _ = await read({})
    assert (await read({"folder": "=null", "helper": "=orderId", "more.helpers": "=If"}))[0] == expected


async def test_a_wrong_expression_is_named_by_its_property():
    with pytest.raises(ConnectorError, match=r"^login\.user is not FEEL"):
        await read({"login.user": "=1 +"})


@pytest.mark.parametrize(
    ("mode", "folder", "host"),
    [("fields", "{{secrets.DB}}", "Val-1/ue"), ("secrets-only", "{{secrets.DB}}", "{{secrets.DB}}")],
)
async def test_the_operator_may_narrow_it(mode, folder, host):
    """As for tasks."""
    found, _ = await read({"folder": "{{secrets.DB}}", "host": "{{secrets.DB}}"}, mode=mode)
    assert (found.folder, found.host) == (folder, host)


def resolving(seen):
    """The cluster's answer: what it has, and per reference why not."""
    values = {"TOKEN": "cluster's", "db-password": "x1"}
    resolved, errors = [], []
    for reference in seen.json["references"]:
        name = reference.removeprefix("camunda.secrets.")
        if name in values:
            resolved.append({"reference": reference, "value": values[name]})
        else:
            errors.append({"reference": reference, "code": name, "message": "no"})
    return Reply.json({"resolved": resolved, "errors": errors})


@pytest.fixture
async def cluster():
    clients = ClientCache()
    async with ClusterServer("8.10.0") as server:
        server.answer("/v2/secrets/resolve", resolving)
        yield server, ClusterApi(server.url("").rstrip("/"), clients)
    await clients.aclose()


async def test_the_clusters_references_resolve_there(cluster):
    """In one question, and are masked like ours."""
    server, api = cluster
    given = {"login.password": "=camunda.secrets.TOKEN", "login.user": "=camunda.secrets.`db-password`"}
    found, mask = await read(given, cluster=api)
    assert (found.login.password.reveal(), found.login.user) == ("cluster's", "x1")
    assert len(server.seen) == 1
    assert mask.text(json.dumps("the cluster's")) == '"the ***"'


@pytest.mark.parametrize(
    ("name", "message"),
    [("ACCESS_DENIED", "REVEAL on the resource SECRET"), ("NOT_FOUND", "create it there"), ("UNREADABLE", "store")],
)
async def test_a_reference_that_the_cluster_does_not_give_is_an_error(cluster, name, message):
    """With the reason; ours does not step in."""
    with pytest.raises(ConnectorError, match=message) as raised:
        await read({"login.password": f"=camunda.secrets.{name}"}, cluster=cluster[1])
    assert raised.value.code == "SECRET_NOT_FOUND"


async def test_a_cluster_without_that_api_leaves_it_to_ours(cluster):
    """It came with 8.10."""
    server, api = cluster
    server.answer("/v2/secrets/resolve", Reply(404))
    found, _ = await read({"login.password": "=camunda.secrets.TOKEN"}, cluster=api)
    assert found.login.password.reveal() == "ours"


@pytest.mark.parametrize("status", [403, 500, 503])
async def test_a_cluster_that_refuses_is_asked_again(cluster, status):
    """Never in silence with another secret of the same name."""
    server, api = cluster
    server.answer("/v2/secrets/resolve", Reply.json({"detail": "busy"}, status))
    with pytest.raises(ConnectorError, match="busy") as raised:
        await read({"login.password": "=camunda.secrets.TOKEN"}, cluster=api)
    assert raised.value.code == "SECRET_PROVIDER_FAILED"


async def test_what_is_wrong_in_a_provider_is_said_to_be_there():
    """As for tasks: no property of the element shows it."""
    login = {"type": "basic", "username": "u"}
    box = {"protocol": "pop", "environments": {"test": {"host": "h.example.com", "authentication": login}}}
    secrets = SecretResolver([EnvironmentSecrets(OURS)])
    providers = Providers(Directory(described={"box": box}), secrets, ClientCache())
    source = Source("s", [Element("p", "e", "start", mailbox.type, {"provider": "box"})])
    reader = Properties(secrets, SecretScope("diagram"), None, providers)
    with pytest.raises(InputError, match=r"authentication.password: is required") as caught:
        await reader.read(source, mailbox, secrets.custody(Mask(), process="p", element="s"))
    assert "The provider box/test fills this in" in caught.value.message
