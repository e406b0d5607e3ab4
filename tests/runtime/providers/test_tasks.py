"""A task that names a provider gets address and credentials from it; nothing that it brings itself overrides them."""

import contextlib
import json
import os
import sqlite3
from typing import Annotated

import pytest

from zeebe_connectors import Context, Hint, Model, outbound
from zeebe_connectors.config.providers.model import ProviderError, provider_of
from zeebe_connectors.connectors.email.connector import run as email
from zeebe_connectors.connectors.files.connector import carry as files
from zeebe_connectors.connectors.graphql.connector import run as graphql
from zeebe_connectors.connectors.pop3.fetch import fetch
from zeebe_connectors.connectors.rest.connector import request as rest
from zeebe_connectors.connectors.smtp.connector import send as smtp
from zeebe_connectors.connectors.smtp.infosys import send as infosys
from zeebe_connectors.connectors.soap.connector import call as soap
from zeebe_connectors.connectors.sql.connector import work as sql
from zeebe_connectors.runtime.providers.filling import plan_of
from zeebe_connectors.runtime.providers.using import environment_document
from zeebe_connectors.sdk.errors import InputError, PermanentError
from zeebe_connectors.testing import Complete, Fail, run
from zeebe_connectors.testing.servers import HttpServer, Pop3Server, Reply, SmtpServer

CANARY = "canary-4711"


@pytest.fixture(autouse=True)
def _plain_network(monkeypatch):
    for name in os.environ:
        if name.startswith(("CONNECTOR_HTTP", "CAMUNDA_CONNECTOR_")):
            monkeypatch.delenv(name)


def erp(url, **more):
    login = {"type": "basic", "username": "caller", "password": "{{secrets.ERP}}"}
    return {"protocol": "http", "environments": {"test": {"url": url, "authentication": login}}, **more}


async def call(connector, variables, providers, *, headers=None, **more):
    named = {"provider": "erp", "connection": "provider"} if headers is None else headers
    more.setdefault("secrets", {"ERP": CANARY})
    return await run(connector, variables, headers=named, providers=providers, result_variable="r", **more)


async def test_base_path_and_credentials_come_from_the_provider(server):
    outcome = await call(rest, {"url": "/orders?x=1"}, {"erp": erp(server.url("/api/"))})
    assert isinstance(outcome, Complete), outcome
    assert server.last.target == "/api/orders?x=1"
    assert server.last.header("authorization") == "Basic Y2FsbGVyOmNhbmFyeS00NzEx"


async def test_without_a_path_the_base_itself_is_called(server):
    """As with an operation that is the address itself."""
    variables = {"graphql": {"query": "{ a }", "method": "post"}}
    assert isinstance(await call(graphql, variables, {"erp": erp(server.url("/g"))}), Complete)
    assert server.last.target == "/g"


@pytest.mark.parametrize("given", [{}, {"authentication": {"type": "basic", "username": "", "password": None}}])
async def test_a_provider_without_a_login_needs_none_from_the_form(server, given):
    """What a form leaves behind of another choice counts for nothing."""
    there = {"protocol": "http", "environments": {"test": {"url": server.url("/api/")}}}
    outcome = await call(rest, {"url": "a", **given}, {"erp": there})
    assert isinstance(outcome, Complete), outcome
    assert server.last.header("authorization") is None


def test_what_an_input_means_by_itself_is_not_filled_in():
    """It would be validated anew for each job."""
    live = {"url": "http://erp.example.com/", "authentication": {"type": "none"}}
    provider = provider_of({"protocol": "http", "environments": {"live": live}})
    data = {"url": "a"}
    plan_of(rest.provider_places, provider, environment_document(provider, "live")).fill(data)
    assert data == {"url": "http://erp.example.com/a"}


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({"authentication": {"type": "basic", "username": "u", "password": "p"}}, "authentication"),
        ({"authentication": {"type": "bearer", "token": "t"}}, "authentication"),
        ({"authenticationConfiguration": {"authentication": {"type": "bearer", "token": "t"}}}, "authenticationConf"),
        ({"clientTls": {"trustedCertificate": "x"}}, "clientTls"),
        ({"headers": {"Authorization": "Bearer x"}}, "headers"),
        ({"headers": {" HOST": "evil"}}, "headers"),
    ],
)
async def test_what_is_the_providers_may_not_be_filled_in(server, variables, field):
    """An incident, not a silent choice of one of both."""
    outcome = await call(rest, {"url": "/x", **variables}, {"erp": erp(server.url("/"))})
    assert isinstance(outcome, Fail), outcome
    assert (outcome.code, outcome.retries) == ("PROVIDER_CONFLICT", 0)
    assert outcome.message.startswith(field)
    assert server.seen == []


async def test_defaults_of_official_templates_are_no_conflict(server):
    """Their forms always send a type, a method and empty fields."""
    variables = {
        "url": "/x",
        "method": "GET",
        "authentication": {"type": "noAuth"},
        "connectionTimeoutInSeconds": "20",
        "headers": {"X-A": "1"},
    }
    assert isinstance(await call(rest, variables, {"erp": erp(server.url("/"))}), Complete)


async def test_with_connection_here_a_provider_that_was_left_over_does_not_count(server):
    outcome = await call(rest, {"url": server.url("/y")}, {}, headers={"provider": "gone", "connection": "here"})
    assert isinstance(outcome, Complete), outcome


@pytest.mark.parametrize("path", ["../x", "%2e%2e/x", "https://evil.example.org/", "//evil.example.org"])
async def test_a_path_cannot_leave_the_base(server, path):
    outcome = await call(rest, {"url": path}, {"erp": erp(server.url("/api/"))})
    assert isinstance(outcome, Fail)
    assert (outcome.code, outcome.retries) == ("INVALID_INPUT", 0)
    assert server.seen == []


async def test_process_data_fills_declared_placeholders_only(server):
    provider = erp(server.url("/${area}/"), variables={"area": {"choices": ["eu", "us"]}})
    values = {"area": "eu", "id": "a/b c", "password": "x", "host": "evil"}
    variables = {"url": "orders/${id}", "providerValues": values}
    assert isinstance(await call(rest, variables, {"erp": provider}), Complete)
    assert server.last.target == "/eu/orders/a%2Fb%20c"
    outcome = await call(rest, {**variables, "providerValues": {**values, "id": "a/../b"}}, {"erp": provider})
    assert isinstance(outcome, Fail)
    outcome = await call(rest, {**variables, "providerValues": {"area": "../x", "id": 1}}, {"erp": provider})
    assert isinstance(outcome, Fail)
    assert "providerValues.area: must be one of eu, us" in outcome.message


async def test_a_process_variable_named_provider_chooses_nothing(server):
    outcome = await call(rest, {"url": server.url("/z"), "provider": "erp", "environment": "live"}, {"erp": erp("http://x.example.com/")},
                         headers={})  # fmt: skip
    assert isinstance(outcome, Complete)
    assert server.last.header("authorization") is None


async def test_credentials_do_not_follow_a_redirect_elsewhere(server):
    async with HttpServer() as other:
        other.answer("*", Reply.json({}))
        server.answer("/go", Reply(302, b"", [("Location", other.url("/there"))]))
        provider = {"erp": erp(server.url("/"))}
        assert isinstance(await call(rest, {"url": "/go", "followRedirects": True}, provider), Complete)
        assert other.last.path == "/there"
        assert other.last.header("authorization") is None


@pytest.mark.parametrize(
    ("egress", "fine"),
    [
        ({"hosts": ["127.0.0.1"]}, True),
        ({"networks": ["127.0.0.0/8"]}, True),
        ({"hosts": ["*.example.com"]}, False),
        ({"ports": [443]}, False),
        ({"networks": ["10.0.0.0/8", "fd00::/8"]}, False),
    ],
)
async def test_a_provider_connects_only_where_its_egress_rules_allow(server, egress, fine):
    outcome = await call(rest, {"url": "/x"}, {"erp": erp(server.url("/"), egress=egress)})
    if fine:
        assert isinstance(outcome, Complete), outcome
        return
    assert isinstance(outcome, Fail), outcome
    assert (outcome.code, outcome.retries) == ("HOST_FORBIDDEN", 0)
    assert "egress" in outcome.message
    assert server.seen == []


async def test_egress_rules_hold_for_names_and_for_redirects(server):
    """A name counts by what it resolves to, and the second host as the first."""
    async with HttpServer() as other:
        other.answer("*", Reply.json({}))
        port = int(server.url("").rpartition(":")[2].strip("/"))
        server.answer("/go", Reply(302, b"", [("Location", other.url("/there"))]))
        server.answer("/by-name", Reply(302, b"", [("Location", f"http://localhost:{port}/x")]))
        provider = erp(server.url("/"), egress={"ports": [port]})
        outcome = await call(rest, {"url": "/go", "followRedirects": True}, {"erp": provider})
        assert isinstance(outcome, Fail), outcome
        assert outcome.code == "HOST_FORBIDDEN"
        assert other.seen == []
        provider = erp(server.url("/"), egress={"hosts": ["127.0.0.1"]})
        outcome = await call(rest, {"url": "/by-name", "followRedirects": True}, {"erp": provider})
        assert isinstance(outcome, Fail), outcome
        provider = erp(f"http://localhost:{port}/", egress={"networks": ["10.0.0.0/8"]})
        outcome = await call(rest, {"url": "/x"}, {"erp": provider})
        assert isinstance(outcome, Fail), outcome
        assert outcome.code == "HOST_FORBIDDEN"
        assert [seen.path for seen in server.seen] == ["/go", "/by-name"]


async def test_egress_rules_never_widen_what_the_runtime_allows(server, monkeypatch):
    monkeypatch.setenv("CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ENABLED", "true")
    provider = erp(server.url("/"), egress={"networks": ["127.0.0.0/8"], "hosts": ["127.0.0.1"]})
    outcome = await call(rest, {"url": "/x"}, {"erp": provider})
    assert isinstance(outcome, Fail), outcome
    assert outcome.code == "HOST_FORBIDDEN"


@pytest.mark.parametrize("egress", [{"hosts": ["mail.example.com"]}, {"ports": [25]}, {"networks": ["10.0.0.0/8"]}])
async def test_egress_rules_hold_for_mails_too(egress):
    async with SmtpServer() as mails:
        there = {"host": "localhost", "port": mails.port, "security": "none"}
        provider = {"protocol": "smtp", "environments": {"test": there}}
        assert isinstance(await call(smtp, MAIL, {"erp": provider}), Complete)
        outcome = await call(smtp, MAIL, {"erp": {**provider, "egress": egress}})
        assert isinstance(outcome, Fail), outcome
        assert outcome.code == "HOST_FORBIDDEN"
        assert len(mails.mails) == 1


@pytest.mark.parametrize(
    "egress", [{"host": ["a.example.com"]}, {"hosts": ["https://x/"]}, {"ports": [0]}, {"networks": ["10.0.0.1/8"]}]
)
def test_egress_rules_that_mean_nothing_are_refused(egress):
    with pytest.raises(ProviderError, match="egress"):
        provider_of(erp("http://x.example.com/", egress=egress), name="erp")


ENVIRONMENTS = {"test": {"url": "http://test.example.com/"}, "live": {"url": "http://live.example.com/"}}


@pytest.mark.parametrize(
    ("more", "headers", "environment", "expected"),
    [
        ({}, {}, "test", "test"),
        ({}, {"environment": "live"}, "test", "PROVIDER_ENVIRONMENT_FORBIDDEN"),
        ({"environmentBy": ["task"]}, {"environment": "live"}, "test", "live"),
        ({"environmentBy": ["task"]}, {"environment": "acceptance"}, "test", "PROVIDER_ENVIRONMENT_UNKNOWN"),
        ({}, {}, "", "PROVIDER_ENVIRONMENT_UNKNOWN"),
        ({}, {}, "acceptance", "PROVIDER_ENVIRONMENT_UNKNOWN"),
    ],
)
async def test_which_environment_counts(server, more, headers, environment, expected):
    described = {name: {"url": server.url(f"/{name}/")} for name in ENVIRONMENTS}
    provider = {"protocol": "http", "environments": described, **more}
    outcome = await call(rest, {"url": "x"}, {"erp": provider}, headers={"provider": "erp", **headers},
                         environment=environment)  # fmt: skip
    if expected.startswith("PROVIDER"):
        assert isinstance(outcome, Fail)
        assert (outcome.code, outcome.retries) == (expected, 0)
    else:
        assert isinstance(outcome, Complete), outcome
        assert server.last.target == f"/{expected}/x"


@pytest.mark.parametrize(
    ("more", "who", "code"),
    [
        ({"active": False}, {}, "PROVIDER_INACTIVE"),
        ({"processes": ["order-*"]}, {"process": "invoice"}, "PROVIDER_FORBIDDEN"),
        ({"processes": ["order-*"]}, {"process": "order-intake"}, None),
        ({"tenants": ["a"]}, {"tenant": "b"}, "PROVIDER_FORBIDDEN"),
        ({"tenants": ["a"]}, {"tenant": "a"}, None),
    ],
)
async def test_who_may_use_a_provider(server, more, who, code):
    outcome = await call(rest, {"url": "x"}, {"erp": erp(server.url("/"), **more)}, **who)
    if code is None:
        assert isinstance(outcome, Complete), outcome
    else:
        assert isinstance(outcome, Fail)
        assert (outcome.code, outcome.retries) == (code, 0)
        assert server.seen == []


async def test_an_unknown_provider_is_an_incident_that_names_the_nearest(server):
    outcome = await call(rest, {"url": "x"}, {"erp": erp(server.url("/"))}, headers={"provider": "erpp"})
    assert isinstance(outcome, Fail)
    assert (outcome.code, outcome.retries) == ("PROVIDER_UNKNOWN", 0)
    assert "did you mean erp?" in outcome.message


async def test_a_provider_of_another_protocol_is_refused(server):
    outcome = await call(smtp, {"from": "a@b.example", "to": "c@d.example", "text": "x"}, {"erp": erp(server.url("/"))})
    assert isinstance(outcome, Fail)
    assert (outcome.code, outcome.retries) == ("PROVIDER_MISMATCH", 0)


@pytest.mark.parametrize("token", ["literal-" + CANARY, CANARY + "-{{secrets.ERP}}", "{{secrets.ERP}}"])
async def test_a_secured_value_is_in_no_failure(server, token):
    """Neither one that the provider holds itself, nor one that it names, nor one around such a name."""
    provider = erp(server.url("/"))
    provider["environments"]["test"]["authentication"] = {"type": "bearer", "token": token}
    server.answer("/x", lambda seen: Reply(400, (seen.header("authorization") or "").encode() * 2, reason="Bad"))
    secret = "other-4712" if token.startswith(CANARY) else CANARY
    outcome = await call(rest, {"url": "/x"}, {"erp": provider}, secrets={"ERP": secret})
    assert isinstance(outcome, Fail)
    assert CANARY not in json.dumps([outcome.message, outcome.variables])
    assert "***" in json.dumps(outcome.variables)


async def test_soap_takes_address_and_both_kinds_of_credentials(server):
    envelope = b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><ok/></e:Body></e:Envelope>'
    server.answer("*", Reply(200, envelope, [("Content-Type", "text/xml")]))
    provider = erp(server.url("/ws"))
    provider["environments"]["test"]["wsSecurity"] = {
        "authentication": "usernameToken",
        "username": "w",
        "password": "{{secrets.ERP}}",
    }
    outcome = await call(soap, {"body": {"type": "json", "json": {"a": 1}}}, {"erp": provider})
    assert isinstance(outcome, Complete), outcome
    assert server.last.path == "/ws"
    assert server.last.header("authorization").startswith("Basic ")
    assert b"UsernameToken" in server.last.body
    elsewhere = {"body": {"type": "json", "json": {"a": 1}}, "serviceUrl": "http://evil.example.org/"}
    refused = await call(soap, elsewhere, {"erp": provider})
    assert isinstance(refused, Fail)


MAIL = {"from": "a@example.com", "to": "b@example.com", "subject": "s", "text": "hello"}


async def test_the_same_mail_server_serves_every_connector_that_sends():
    """SMTP, the official email task and the Infosys one, each with words of its own for the same."""
    async with SmtpServer(users={"mailer": "pass-word-1"}) as mails:
        login = {"type": "basic", "username": "mailer", "password": "{{secrets.ERP}}"}
        provider = {
            "protocol": "smtp",
            "environments": {
                "test": {"host": "127.0.0.1", "port": mails.port, "security": "none", "authentication": login}
            },
        }
        official = {
            "protocol": "smtp",
            "authentication": {"type": "noAuth"},
            "data": {
                "smtpActionDiscriminator": "sendEmailSmtp",
                "smtpConfig": {"smtpPort": "587", "smtpCryptographicProtocol": "TLS"},
                "smtpAction": {"from": "a@example.com", "to": "b@example.com", "subject": "s", "body": "x"},
            },
        }
        older = {
            "smtpEmailMailBoxName": "a@example.com",
            "smtpEmailToRecipients": "b@example.com",
            "smtpEmailSubject": "s",
            "smtpEmailContentType": "text",
            "smtpEmailContent": "x",
        }
        secrets = {"ERP": "pass-word-1"}
        for connector, variables in ((smtp, MAIL), (email, official), (infosys, older)):
            outcome = await call(connector, variables, {"erp": provider}, secrets=secrets)
            assert isinstance(outcome, Complete), outcome
        assert [mail.user for mail in mails.mails] == ["mailer"] * 3
        wrong = {**official, "data": {**official["data"], "smtpConfig": {"smtpHost": "evil.example.org"}}}
        outcome = await call(email, wrong, {"erp": provider}, secrets=secrets)
        assert isinstance(outcome, Fail)
        assert outcome.code == "PROVIDER_CONFLICT"


async def test_a_mailbox_over_pop3():
    async with Pop3Server() as mails:
        mails.mails = {"1": b"Subject: hello\r\n\r\ntext\r\n"}
        login = {"type": "basic", "username": "alice@example.test", "password": "secret"}
        provider = {
            "protocol": "pop",
            "environments": {
                "test": {"host": "localhost", "port": mails.port, "security": "none", "authentication": login}
            },
        }
        outcome = await call(fetch, {"operation": "MAIL_RECEIVE"}, {"erp": provider})
        assert isinstance(outcome, Complete), outcome
        assert outcome.variables["r"]["mail"]["subject"] == "hello"
        mismatch = {"protocol": "imap", "authentication": {"type": "simple"}, "data": {}}
        outcome = await call(email, mismatch, {"erp": provider})
        assert isinstance(outcome, Fail)
        assert outcome.code == "PROVIDER_MISMATCH"


def filled(connector, document, **data):
    """The inputs of a task beside a provider."""
    provider = provider_of({"environments": {"live": document.pop("live")}, **document})
    plan_of(connector.provider_places, provider, environment_document(provider, "live")).fill(data)
    return data


@pytest.mark.parametrize(
    ("options", "given", "field"),
    [
        ({"knownHosts": "x"}, {"knownHosts": "files ssh-ed25519 BBBB"}, "knownHosts"),
        ({"knownHosts": "x"}, {"hostKey": "firstUse"}, "hostKey"),
        ({"fingerprint": "SHA256:x", "hostKey": "fingerprint"}, {"hostKey": "firstUse"}, "hostKey"),
        ({"knownHosts": "x"}, {"legacyAlgorithms": True}, "legacyAlgorithms"),
        ({"legacyAlgorithms": False}, {"legacyAlgorithms": True}, "legacyAlgorithms"),
        ({"base": "/in"}, {"base": "/"}, "base"),
        ({"base": "/in"}, {"linksLeaveBase": True}, "linksLeaveBase"),
    ],
)
def test_a_task_chooses_neither_whom_to_trust_nor_the_base_folder(options, given, field):
    """Where the provider says it; the form's defaults are no choice."""
    document = {"protocol": "sftp", "live": {"host": "files.example.com", "options": options}}
    with pytest.raises(PermanentError) as caught:
        filled(files, json.loads(json.dumps(document)), operation="list", **given)
    assert caught.value.code == "PROVIDER_CONFLICT"
    assert caught.value.message.startswith(f"{field}: is filled in")
    defaults = {"hostKey": "knownHosts", "knownHosts": "", "legacyAlgorithms": False, "linksLeaveBase": False}
    data = filled(files, document, operation="list", protocol="sftp", base="", **defaults)
    assert all(data[name] == value for name, value in options.items())


def test_where_the_provider_does_not_say_it_the_task_may():
    document = {"protocol": "sftp", "live": {"host": "files.example.com"}}
    data = filled(files, document, operation="list", knownHosts="files ssh-ed25519 BBBB", base="/out")
    assert (data["knownHosts"], data["base"]) == ("files ssh-ed25519 BBBB", "/out")


def test_a_form_s_default_of_the_protocol_is_no_choice():
    """It always sends one; a modeler cannot know what the provider speaks."""
    data = filled(
        files, {"protocol": "ftpes", "live": {"host": "files.example.com"}}, operation="list", protocol="sftp"
    )
    assert data["protocol"] == "ftpes"
    with pytest.raises(PermanentError) as caught:
        filled(files, {"protocol": "ftpes", "live": {"host": "files.example.com"}}, operation="list", protocol="ftp")
    assert caught.value.code == "PROVIDER_MISMATCH"


def test_the_path_of_an_address_is_the_base_folder_the_database_or_the_folder():
    data = filled(
        files, {"protocol": "sftp", "live": {"url": "sftp://files.example.com:2222/export/orders/"}}, operation="list"
    )
    assert (data["host"], data["port"], data["base"]) == ("files.example.com", 2222, "/export/orders/")
    document = {"protocol": "database", "live": {"url": "postgresql://${Tenant}.db.example.com/${Tenant}_orders"}}
    data = filled(sql, document, providerValues={"Tenant": "acme"})
    assert (data["host"], data["name"]) == ("acme.db.example.com", "acme_orders")
    with pytest.raises(InputError, match=r"providerValues.a: must be one name"):
        filled(
            files, {"protocol": "ftp", "live": {"url": "ftp://h.example.com/in/${a}/"}}, providerValues={"a": "../x"}
        )
    with pytest.raises(PermanentError, match="base: is filled in"):
        filled(
            files,
            {"protocol": "ftp", "live": {"url": "ftp://h.example.com/${a}/"}},
            base="/",
            providerValues={"a": "x"},
        )


def test_the_provider_knows_its_database_system():
    """The form always sends one."""
    data = filled(
        sql, {"protocol": "database", "live": {"url": "jdbc:mariadb://db.example.com/orders"}}, database="postgresql"
    )
    assert data["database"] == "mariadb"
    data = filled(sql, {"protocol": "database", "live": {"host": "db.example.com"}}, database="mysql")
    assert data["database"] == "mysql"


@pytest.mark.parametrize("url", ["sqlite:///shop.db", "jdbc:sqlite:shop.db", "sqlite:shop.db"])
async def test_a_file_of_sqlite_is_a_provider_too(tmp_path, url):
    """It has no host, and the task gives no other file by a URL of its own."""
    provider = {"protocol": "database", "environments": {"test": {"url": url}}}
    given = {"operation": "query", "statement": "SELECT 1 AS one", "database": "postgresql"}
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")):
        pass
    outcome = await call(sql, given, {"erp": provider}, files=[tmp_path])
    assert isinstance(outcome, Complete), outcome
    assert outcome.variables["r"]["rows"] == [{"one": 1}]
    outcome = await call(sql, {**given, "url": "sqlite:other.db"}, {"erp": provider}, files=[tmp_path])
    assert isinstance(outcome, Fail)
    assert (outcome.code, outcome.message.partition(":")[0]) == ("PROVIDER_CONFLICT", "url")


async def test_operations_of_one_path_have_inputs_of_their_own(server):
    """GET and DELETE of the same path."""
    operations = {
        "read": {"method": "GET", "path": "/orders/${id}", "inputs": {"id": {"default": "newest"}}},
        "remove": {"method": "DELETE", "path": "/orders/${id}", "inputs": {"id": {"choices": ["test"]}}},
    }
    erp_ = {"erp": erp(server.url("/"), operations=operations)}
    assert isinstance(await call(rest, {"url": "/orders/${id}", "method": "GET"}, erp_), Complete)
    assert server.last.target == "/orders/newest"
    outcome = await call(rest, {"url": "/orders/${id}", "method": "delete", "providerValues": {"id": "7"}}, erp_)
    assert isinstance(outcome, Fail)
    assert "providerValues.id: must be one of test" in outcome.message
    outcome = await call(rest, {"url": "/orders/${id}", "method": "DELETE", "providerValues": {"id": "test"}}, erp_)
    assert isinstance(outcome, Complete), outcome


async def test_a_whole_address_without_encryption_is_refused_beside_credentials(server):
    login = {"type": "bearer", "token": "{{secrets.ERP}}"}
    there = {
        "protocol": "https",
        "dynamicHosts": ["localhost"],
        "environments": {"t": {"url": "${url}", "authentication": login}},
    }
    url = server.url("/", host="localhost")
    outcome = await call(rest, {"url": "", "providerValues": {"url": url}}, {"erp": there})
    assert isinstance(outcome, Fail)
    assert outcome.message == "providerValues.url: must begin with https://, as the provider's protocol does"
    assert server.seen == []


@pytest.mark.parametrize("headers", [{"connection": "provider"}, {"connection": "provider", "provider": " "}])
async def test_a_connection_by_a_provider_needs_its_name(server, headers):
    outcome = await call(rest, {"url": server.url("/x")}, {"erp": erp(server.url("/"))}, headers=headers)
    assert isinstance(outcome, Fail)
    assert (outcome.code, outcome.retries) == ("PROVIDER_UNKNOWN", 0)
    assert outcome.message.startswith("provider: is required")
    assert server.seen == []


async def test_what_is_wrong_in_the_provider_is_said_to_be_there(server):
    """No field of the form shows it, so the incident says who can correct it."""
    login = {"type": "oauth-client-credentials-flow", "clientId": "c", "clientSecret": "{{secrets.ERP}}"}
    there = {"protocol": "http", "environments": {"test": {"url": server.url("/"), "authentication": login}}}
    outcome = await call(rest, {"url": "/x"}, {"erp": there})
    assert isinstance(outcome, Fail)
    assert "authentication.oauthTokenEndpoint: is required" in outcome.message
    assert "The provider erp/test fills this in, so the operator must correct it there" in outcome.message
    there["environments"]["test"] = {"url": "https://127.0.0.1:9/", "tls": {"trustedCertificate": "x"}}
    outcome = await call(rest, {"url": "/x"}, {"erp": {**there, "protocol": "https"}})
    assert isinstance(outcome, Fail)
    assert outcome.code == "TLS_MATERIAL_INVALID"
    assert outcome.message.endswith("The provider erp/test fills this in, so the operator must correct it there")
    outcome = await call(rest, {"url": "/x", "method": "PSOT"}, {"erp": erp(server.url("/"))})
    assert isinstance(outcome, Fail)
    assert "operator" not in outcome.message, "that is the task's"


class Sensor(Model):
    """What a task of a connector for devices fills in."""

    host: Annotated[str, Hint("server", provider="host")]
    port: Annotated[int | None, Hint("server", provider="port")] = None
    says: str


@outbound("sensor", title="Sensor", type="test:sensor:1", protocols=("coap",))
async def sensor(given: Sensor, context: Context) -> None:
    """Refuses its inputs."""
    raise InputError(given.says)


@pytest.mark.parametrize(
    ("says", "is_the_providers"),
    [
        ("port: is closed; open it", True),
        ("a: is wrong; port.low: is wrong", True),
        ("transport: is unknown; correct it", False),
        ("says: does not fit the port. Correct it", False),
        ("says.port: is closed; open it", False),
    ],
)
async def test_an_error_is_the_providers_if_it_names_an_input_of_its_own(says, is_the_providers):
    there = {"protocol": "coap", "environments": {"test": {"host": "sensor.example.com"}}}
    outcome = await call(sensor, {"says": says}, {"erp": there})
    assert isinstance(outcome, Fail)
    assert outcome.message.startswith(says)
    assert ("The provider erp/test fills this in" in outcome.message) is is_the_providers


@pytest.mark.parametrize(
    ("standard", "form"), [("client_secret_basic", "basicAuthHeader"), ("client_secret_post", "credentialsBody")]
)
async def test_client_authentication_by_the_name_of_the_standard(server, standard, form):
    """As servers' descriptions have it."""
    server.answer("/token", Reply.json({"access_token": "t", "expires_in": 60}))
    login = {"type": "clientCredentials", "clientId": "c", "clientSecret": "{{secrets.ERP}}",
             "oauthTokenEndpoint": server.url("/token")}  # fmt: skip
    forms = []
    for how in (standard, form):
        given = {**login, "clientAuthentication": how}
        there = {"protocol": "http", "environments": {"test": {"url": server.url("/"), "authentication": given}}}
        assert isinstance(await call(rest, {"url": "/x"}, {"erp": there}), Complete)
        forms.append([seen.form for seen in server.seen if seen.path == "/token"][-1])
    assert forms[0] == forms[1]
