"""A provider is tested by its connector: it signs in, lists, asks; nothing is changed; what is wrong is told."""

from __future__ import annotations

import base64
import os
import ssl
from typing import Any

import pytest
import trustme
import yaml
from tests.servers.coapd import CoapServer
from tests.servers.ftpd import FtpServer
from tests.servers.pairs import Pair
from tests.servers.ports import free_port
from tests.servers.postgres import PASSWORD
from tests.servers.sftpd import PASSWORD as SFTP_PASSWORD
from tests.servers.sftpd import SftpServer

from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.providers import provider_of
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.providers.checking import Finding, _written, check, signs_in_unencrypted
from zeebe_connectors.runtime.services import services_of
from zeebe_connectors.testing.servers import HttpServer, Reply, SmtpServer

LOGIN = {"type": "basic", "username": "ann", "password": "{{secrets.FILES}}"}


@pytest.fixture(autouse=True)
def _plain_network(monkeypatch):
    for name in os.environ:
        if name.startswith(("CONNECTOR_HTTP", "CAMUNDA_CONNECTOR_")):
            monkeypatch.delenv(name)


async def finding_of(
    tmp_path, protocol: str, environment: dict[str, Any], password: str, *, at: int = -1, **more: Any
) -> Finding:
    """One finding of a provider's check, the last unless another is wanted."""
    document = {"protocol": protocol, "environments": {"live": environment}, **more}
    (tmp_path / "providers.yaml").write_text(yaml.safe_dump({"providers": {"it": document}}))
    given = {
        "ZEEBE_CONNECTORS_PROVIDERS": str(tmp_path / "providers.yaml"),
        "ZEEBE_CONNECTORS_DATA": str(tmp_path),
        "ZEEBE_CONNECTORS_FILES": str(tmp_path),
        "SECRET_FILES": password,
    }
    operators = Environment(("environment", given))
    services = services_of(Settings.read(operators), operators)
    try:
        known = services.providers.directory.get("it")
        findings = await check(services.providers, known, "live", services=services)
    finally:
        await services.providers.aclose()
        await services.aclose()
    assert "canary" not in repr(findings)
    return findings[at]


async def test_a_folder_is_listed_over_ftp(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "one.txt").write_text("1")
    with FtpServer(home, password="canary-ftp") as server:
        where = {"host": "${host}", "port": server.port, "authentication": LOGIN}
        variables = {"host": {"kind": "host", "choices": ["127.0.0.1"]}}
        found = await finding_of(tmp_path, "ftp", where, "canary-ftp", variables=variables)
        assert (found.what, found.verdict) == ("login", "ok")
        assert "1 entries" in found.text
        found = await finding_of(tmp_path, "ftp", where, "canary-wrong", variables=variables)
        assert (found.what, found.verdict) == ("login", "failed")
    assert [path.name for path in home.iterdir()] == ["one.txt"]


async def test_a_folder_is_listed_over_sftp_when_the_host_key_is_known(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    async with SftpServer(home) as server:
        where = {"host": "127.0.0.1", "port": server.port, "authentication": LOGIN}
        found = await finding_of(tmp_path, "sftp", where, SFTP_PASSWORD)
        assert (found.what, found.verdict) == ("connection", "warning"), "the tasks may know the key"
        assert "knownHosts" in found.text
        where["options"] = {"knownHosts": server.known_hosts}
        assert (await finding_of(tmp_path, "sftp", where, SFTP_PASSWORD)).verdict == "ok"


async def test_a_database_answers(tmp_path, postgresql):
    name = postgresql.database().rpartition("/")[2]
    url = f"postgresql://127.0.0.1:{postgresql.port}/{name}"
    where = {"url": url, "security": "none", "authentication": {**LOGIN, "username": "test"}}
    found = await finding_of(tmp_path, "database", where, PASSWORD)
    assert (found.what, found.verdict) == ("login", "ok")
    assert found.text.startswith("postgresql ")
    found = await finding_of(tmp_path, "database", where, "canary-wrong")
    assert (found.what, found.verdict) == ("login", "failed")
    where["url"] = url.replace(str(postgresql.port), str(free_port()))
    found = await finding_of(tmp_path, "database", where, PASSWORD)
    assert (found.what, found.verdict) == ("connection", "failed")


async def test_a_device_lists_its_resources(tmp_path):
    async with CoapServer() as server:
        found = await finding_of(tmp_path, "coap", {"host": "127.0.0.1", "port": server.port}, "")
        assert (found.what, found.verdict) == ("connection", "ok")
        assert "resources" in found.text
        assert not server.thing.requests


@pytest.mark.parametrize("login", [{**LOGIN, "type": None}, {**LOGIN, "type": "login"}, {**LOGIN, "type": "token"}])
async def test_a_mail_server_is_signed_in_to_and_gets_no_mail(tmp_path, login):
    """However the provider signs in; without a type, a user name says that there is a password."""
    login = {name: value for name, value in login.items() if value is not None}
    if login.get("type") == "token":
        login["token"] = login.pop("password")
    users = {"ann": "canary-smtp"}
    token_ok = lambda user, token: users.get(user) == token  # noqa: E731
    async with SmtpServer(users=users, token_ok=token_ok, mechanisms=("PLAIN", "LOGIN", "XOAUTH2")) as server:
        where = {"host": "127.0.0.1", "port": server.port, "security": "none", "authentication": login}
        found = await finding_of(tmp_path, "smtp", where, "canary-smtp")
        assert (found.what, found.verdict) == ("login", "ok")
        found = await finding_of(tmp_path, "smtp", where, "canary-wrong")
        assert (found.what, found.verdict) == ("login", "failed")
        assert not server.mails
        found = await finding_of(tmp_path, "smtp", {**where, "authentication": {}}, "")
        assert (found.what, found.verdict) == ("connection", "ok")
        assert "connections" in found.text


async def test_a_name_that_no_connector_reads_is_reported(tmp_path):
    """Whoever wrote it expects something that does not happen."""
    where = {"host": "127.0.0.1", "port": free_port(), "tls": {"sni": "a.example"}, "options": {"colour": "red"}}
    first = [await finding_of(tmp_path, "smtp", where, "", at=at) for at in (0, 1)]
    assert [(one.what, one.verdict) for one in first] == [("address", "warning")] * 2
    assert {one.text.partition(":")[0] for one in first} == {"tls.sni", "options.colour"}


async def test_replicas_that_cannot_share_a_maximum_are_reported(tmp_path):
    where = {"host": "127.0.0.1", "port": free_port()}
    found = await finding_of(tmp_path, "smtp", where, "", at=0, rules={"maxConcurrent": 2, "shareOf": 3})
    assert (found.what, found.verdict) == ("rules", "warning")
    assert "each of 3 replicas" in found.text


async def test_a_client_certificate_from_a_keystore_is_shown(tmp_path):
    """As tasks show it: a service that wants one would refuse the check otherwise."""
    pair, authority = Pair("client"), trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=pair.pem)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert("127.0.0.1").configure_cert(context)
    store = {
        "keystoreLocation": base64.b64encode(pair.p12("canary-store")).decode(),
        "keystorePassword": "{{secrets.FILES}}",
    }
    async with HttpServer(tls=context) as server:
        server.answer("*", Reply.json({}))
        where = {
            "url": server.url("/"),
            "tls": {"trustedCertificate": authority.cert_pem.bytes().decode(), "keystore": store},
        }
        assert (await finding_of(tmp_path, "https", where, "canary-store")).verdict == "ok"
        assert server.last.peer_certificate["subject"] == ((("commonName", "client"),),)
        found = await finding_of(tmp_path, "https", where, "canary-wrong")
        assert (found.verdict, "clientKeystore" in found.text) == ("failed", True)


async def test_an_operation_that_makes_no_template_is_reported(tmp_path):
    operations = {
        "send": {"connector": "resst", "path": "/x"},
        "mail": {"connector": "smtp"},
        "make": {"method": "PSOT", "path": "/x", "defaults": {"bodyy": "=x", "headers": {}}},
        "query": {"connector": "graphql", "method": "PSOT", "defaults": {"graphql.query": "{a}"}},
        "fine": {"method": "POST", "path": "/x", "defaults": {"body": "=x"}},
        "ask": {"connector": "graphql", "method": "post", "defaults": {"graphql.query": "{a}"}},
    }
    where = {"url": f"http://127.0.0.1:{free_port()}/"}
    found = [await finding_of(tmp_path, "http", where, "", at=at, operations=operations) for at in range(5)]
    assert [(one.what, one.verdict) for one in found] == [("operations", "warning")] * 5
    smtp, default, method, query, unknown = sorted(one.text for one in found)
    assert unknown.startswith("operations.send.connector: 'resst' takes no providers of http")
    assert "graphql, rest, soap" in unknown
    assert smtp.startswith("operations.mail.connector: 'smtp' takes no providers of http")
    assert default.startswith("operations.make.defaults.bodyy: ")
    assert "did you mean body?" in default
    assert method.startswith("operations.make.method: 'PSOT' is none")
    assert query.endswith("'PSOT' is none of the connector graphql; write one of get, post")


async def test_a_password_in_a_soap_header_counts_as_a_login(tmp_path):
    """It goes unencrypted, unless it is digested."""
    token = {"authentication": "usernameToken", "username": "u", "password": "canary-soap"}
    where = {"url": "http://192.0.2.1/", "wsSecurity": token}
    document = {"protocol": "http", "environments": {"live": where}}
    assert signs_in_unencrypted(provider_of(document), "live")
    where["url"] = "https://192.0.2.1/"
    assert not signs_in_unencrypted(provider_of(document), "live")
    where["url"] = "http://192.0.2.1/"
    token["encoded"] = "Yes"
    assert not signs_in_unencrypted(provider_of(document), "live")


@pytest.mark.parametrize(
    ("protocol", "login", "verdict", "says"),
    [
        (
            "http",
            {"type": "bassic", "username": "u"},
            "failed",
            "authentication.type: no connector for http signs in by",
        ),
        (
            "http",
            {"type": "basic", "username": "u", "token": "canary"},
            "warning",
            "authentication.token: is not used by",
        ),
        ("http", {"username": "u", "privateKey": "canary"}, "warning", "authentication.privateKey: is not used by"),
        ("coaps", {"type": "basic", "username": "u", "password": "canary"}, "failed", "write one of none, psk"),
        ("sftp", {"type": "password", "username": "u", "key": "canary"}, "warning", "not used by the type password"),
    ],
)
def test_a_login_that_sends_less_than_was_written_is_reported(protocol, login, verdict, says):
    """Without a connection, too."""
    where = {"url": "http://h.example.com/"} if protocol == "http" else {"host": "h.example.com"}
    provider = provider_of({"protocol": protocol, "environments": {"live": {**where, "authentication": login}}})
    found = [one for one in _written(provider, "live", None) if one.what == "login"]
    assert [(one.verdict, says in one.text) for one in found] == [(verdict, True)], found
    assert "canary" not in repr(found)


def test_logins_that_are_complete_are_not_reported():
    for protocol, login in (
        ("http", {"type": "token", "token": "x"}), ("http", {"username": "u", "password": "p"}),
        ("http", {"type": "none"}),
        ("http", {"type": "clientCredentials", "oauthTokenEndpoint": "https://x", "clientId": "c"}),
        ("smtp", {"type": "login", "username": "u", "password": "p"}), ("imap", {"type": "basic", "username": "u"}),
        ("pop", {"type": "oauth-refresh-token", "username": "u", "refreshToken": "r", "clientId": "c"}),
        ("coaps", {"type": "psk", "identity": "i", "key": "k"}), ("database", {"username": "u", "password": "p"}),
    ):  # fmt: skip
        where = {"url": "http://127.0.0.1/"} if protocol == "http" else {"host": "127.0.0.1"}
        provider = provider_of({"protocol": protocol, "environments": {"live": {**where, "authentication": login}}})
        assert [one for one in _written(provider, "live", None) if one.what == "login"] == [], login


async def test_what_a_service_answers_is_told_apart(tmp_path):
    """A missing login, a refused one, one that the token endpoint refuses, and too many requests."""
    async with HttpServer() as server:
        server.answer("*", Reply(401))
        server.answer("/busy", Reply(429))
        bearer = {"type": "bearer", "token": "{{secrets.FILES}}"}
        oauth = {"type": "clientCredentials", "oauthTokenEndpoint": server.url("/token"), "clientId": "c"}
        oauth["clientSecret"] = bearer["token"]
        for path, login, verdict, what, says in (
            ("/", {}, "failed", "login", "asks for a login, and the provider has none"),
            ("/", bearer, "failed", "login", "the credentials are refused"),
            ("/", oauth, "failed", "login", "The token endpoint"),
            ("/busy", {}, "warning", "connection", "too many requests"),
        ):
            where = {"url": server.url(path), "authentication": login}
            found = await finding_of(tmp_path, "http", where, "canary-token")
            assert (found.verdict, found.what, says in found.text) == (verdict, what, True), found


async def test_a_file_of_sqlite_is_looked_for_and_not_made(tmp_path):
    """A check changes nothing."""
    where = {"url": "sqlite:///shop.db"}
    found = await finding_of(tmp_path, "database", where, "")
    assert (found.verdict, "there is no such file yet" in found.text) == ("failed", True)
    assert not (tmp_path / "shop.db").exists()
    (tmp_path / "shop.db").touch()
    assert (await finding_of(tmp_path, "database", where, "")).verdict == "ok"
