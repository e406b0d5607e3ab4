"""A canary in every field where a secret may stand shows up nowhere: not in log, incident, metric, exception or print.

Which fields those are is read off the models, so that a new one without a case here fails the test.
"""

from __future__ import annotations

import base64
import copy
import json
import logging
import traceback
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import BaseModel
from tests.waiting import until

from zeebe_connectors.admin.metrics import PrometheusMetrics
from zeebe_connectors.admin.server import AdminServer
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.connectors.graphql import connector as graphql
from zeebe_connectors.connectors.rest import connector as rest
from zeebe_connectors.connectors.smtp import connector as smtp
from zeebe_connectors.connectors.smtp import infosys
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.annotations import leaf_types, literals
from zeebe_connectors.sdk.errors import ConnectorError
from zeebe_connectors.sdk.fields import Secret, hint_of, read_input
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing import FakeGateway
from zeebe_connectors.testing.servers import HANG_UP, HttpServer, Reply, SmtpServer

CANARY = "canary-Q7/+~&=ü9"
PLACEHOLDER = "{{secrets.CANARY}}"
FORMS = {
    CANARY,
    json.dumps(CANARY)[1:-1],
    quote(CANARY, safe=""),
    "canary-Q7",
    base64.b64encode(CANARY.encode()).decode()[:12],
}

KEY = (
    rsa.generate_private_key(65537, 2048)
    .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    .decode()
)
GOOGLE_KEY = json.dumps({"client_email": "e", "private_key": KEY, "token_uri": "{http}/token"})
CLIENT = {"oauthTokenEndpoint": "{http}/token", "clientId": "c", "scopes": "b"}
SCHEMES: list[dict[str, Any]] = [
    {"type": "noAuth"},
    {"type": "basic", "username": "u", "password": "p"},
    {"type": "bearer", "token": "t"},
    {"type": "apiKey", "apiKeyLocation": "query", "name": "X-Key", "value": "v"},
    {
        "type": "oauth-client-credentials-flow",
        "oauthTokenEndpoint": "{http}/token",
        "clientId": "c",
        "clientSecret": "s",
        "audience": "a",
        "scopes": "b",
        "clientAuthentication": "credentialsBody",
    },
    {
        "type": "oauth-refresh-token",
        "oauthTokenEndpoint": "{http}/token",
        "clientId": "c",
        "clientSecret": "s",
        "refreshToken": "r",
        "scopes": "b",
    },
    {"type": "digest", "username": "u", "password": "p"},
    {
        "type": "oauth1",
        "consumerKey": "c",
        "consumerSecret": "s",
        "token": "t",
        "tokenSecret": "u",
        "signatureMethod": "PLAINTEXT",
        "privateKey": "k",
        "realm": "r",
    },
    {"type": "custom", "schemeName": "Token", "credentials": "c"},
    {"type": "ntlm", "username": "u", "password": "p"},
    {
        "type": "oauth-private-key-jwt",
        **CLIENT,
        "audience": "a",
        "privateKey": KEY,
        "keyId": "k",
        "certificate": "",
        "assertionAudience": "x",
    },
    {
        "type": "oauth-private-key-jwt",
        **CLIENT,
        "privateKey": KEY,
        "certificate": "c",
        "algorithm": "RS256",
    },
    {"type": "oauth-client-certificate", **CLIENT, "audience": "a"},
    {
        "type": "oauth-jwt-bearer",
        **CLIENT,
        "issuer": "i",
        "subject": "s",
        "audience": "a",
        "privateKey": KEY,
        "keyId": "k",
        "claims": {"c": "d"},
        "clientSecret": "s",
    },
    {"type": "oauth-password", **CLIENT, "username": "u", "password": "p", "clientSecret": "s"},
    {
        "type": "aws",
        "signature": "v4-query",
        "expires": "900",
        "accessKeyId": "a",
        "secretAccessKey": "s",
        "sessionToken": "t",
        "region": "r",
        "service": "s3",
    },
    {"type": "aws", "signature": "v2-header", "accessKeyId": "a", "secretAccessKey": "s", "sessionToken": "t"},
    {"type": "azure-shared-key", "account": "a", "accountKey": "a2V5"},
    {
        "type": "entra-id",
        "tenant": "t",
        "clientId": "c",
        "clientSecret": "s",
        "scopes": "b",
        "authority": "{http}",
    },
    {
        "type": "entra-id",
        "tenant": "t",
        "clientId": "c",
        "certificate": "c",
        "privateKey": KEY,
        "authority": "{http}",
    },
    {"type": "google-service-account", "serviceAccountKey": GOOGLE_KEY, "scopes": "b", "user": "u"},
]
KEYSTORE = {"keystoreLocation": "/store", "keystorePassword": "p", "alias": "a", "password": "p"}
DOCUMENT = {"camunda.document.type": "camunda", "storeId": "local", "documentId": "d"}
TLS = {"clientCertificate": "c", "clientPrivateKey": "k", "privateKeyPassword": "p", "trustedCertificate": "t"}
HTTP = {"url": "{http}/x", "headers": {"X-Key": "v"}}
GRAPHQL = {**HTTP, "query": "{ a }"}
MAIL = {"host": "127.0.0.1", "port": "{smtp}", "security": "none", "from": "a@example.com", "to": "b@example.com"}
MAIL |= {"text": "x", "timeout": 5}
LOGINS: list[dict[str, Any]] = [
    {"type": "none"},
    {"type": "plain", "username": "u", "password": "p"},
    {"type": "token", "username": "u", "token": "t"},
    {
        "type": "clientCredentials",
        "username": "u",
        "oauthTokenEndpoint": "{http}/token",
        "clientId": "c",
        "clientSecret": "s",
        "scopes": "b",
    },
    {
        "type": "refreshToken",
        "username": "u",
        "oauthTokenEndpoint": "{http}/token",
        "clientId": "c",
        "clientSecret": "s",
        "refreshToken": "r",
        "scopes": "b",
    },
]
INFOSYS = {
    "authentication": {"hostname": "127.0.0.1", "port": "{smtp}", "username": "u", "password": "p"},
    "smtpEmailMailBoxName": "a@example.com",
    "smtpEmailToRecipients": "b@example.com",
    "smtpEmailSubject": "x",
    "smtpEmailContentType": "Text",
    "smtpEmailContent": "x",
}
# For each connector: forms that between them have every field where a secret may stand.
FILLED: dict[str, list[dict[str, Any]]] = {
    "rest": [
        *({**HTTP, "queryParameters": {"k": "v"}, "authentication": scheme} for scheme in SCHEMES),
        *({**HTTP, "authenticationConfiguration": {"authentication": scheme}} for scheme in SCHEMES),
        {**HTTP, "clientTls": TLS},
        {**HTTP, "clientKeystore": KEYSTORE},
        {**HTTP, "clientKeystore": {**KEYSTORE, "keystoreLocation": DOCUMENT}},
    ],
    "graphql": [
        *({"graphql": GRAPHQL, "authentication": scheme} for scheme in SCHEMES),
        *({"graphql": GRAPHQL, "authenticationConfiguration": {"authentication": scheme}} for scheme in SCHEMES),
        {"graphql": GRAPHQL, "clientTls": TLS},
        {"graphql": GRAPHQL, "clientKeystore": KEYSTORE},
        {"graphql": GRAPHQL, "clientKeystore": {**KEYSTORE, "keystoreLocation": DOCUMENT}},
    ],
    "smtp": [*({**MAIL, "authentication": login} for login in LOGINS), {**MAIL, "trustedCertificate": "c"}],
    "smtp-infosys": [INFOSYS, {**INFOSYS, "authentication": {"host": "127.0.0.1", "port": "{smtp}"}}],
}
CONNECTORS = {"rest": rest.request, "graphql": graphql.run, "smtp": smtp.send, "smtp-infosys": infosys.send}
Path = tuple[str, ...]


def secret_fields(kind: Any, *, inside: bool = False) -> Iterator[Path]:
    """Wire paths of all texts where a secret may stand; a context of any names is `*`."""
    for leaf in leaf_types(kind):
        if isinstance(leaf, type) and issubclass(leaf, BaseModel):
            for name, info in leaf.model_fields.items():
                below = inside or hint_of(info).secrets
                for path in secret_fields(info.annotation, inside=below):
                    yield (info.alias or name, *path)
        elif leaf is Secret or (inside and leaf in {str, int}):
            yield ()
        elif inside and not literals(leaf) and leaf not in {type(None), float, bool}:
            yield ("*",)


def texts(value: Any, path: Path = ()) -> Iterator[Path]:
    """Paths of all texts of a filled form."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from texts(item, (*path, name))
    else:
        yield path


def is_meant(path: Path, wanted: set[Path]) -> bool:
    return path in wanted or (*path[:-1], "*") in wanted


def with_canary(form: dict[str, Any], path: Path) -> dict[str, Any]:
    """The form with the placeholder in one place; in an address, behind it, so that something is called."""
    form = copy.deepcopy(form)
    where = form
    for name in path[:-1]:
        where = where[name]
    here = str(where[path[-1]])
    where[path[-1]] = f"{here}/{PLACEHOLDER}?k={PLACEHOLDER}" if here.startswith("{http}") else PLACEHOLDER
    return form


def cases(name: str) -> dict[str, dict[str, Any]]:
    """Each form of a connector with the canary in each of its secret fields, by form and path."""
    wanted = set(secret_fields(CONNECTORS[name].input))
    return {
        f"{number}: {'.'.join(path)}": with_canary(form, path)
        for number, form in enumerate(FILLED[name])
        for path in texts(form)
        if is_meant(path, wanted)
    }


@pytest.mark.parametrize("name", CONNECTORS)
def test_every_secret_field_has_a_case(name):
    """As the model has them."""
    filled = {path for form in FILLED[name] for path in texts(form)}
    missing = [
        path
        for path in set(secret_fields(CONNECTORS[name].input))
        if not any(one == path or (path[-1] == "*" and one[:-1] == path[:-1]) for one in filled)
    ]
    assert missing == []
    assert len(cases(name)) >= 4


def is_clean(text: str) -> bool:
    return not any(form in text for form in FORMS)


def echo(seen: Any) -> Reply:
    """A service that repeats in its refusal all that it was sent."""
    shown = "\n".join(f"{name}: {value}" for name, value in seen.headers)
    body = {"you sent": f"{seen.target}\n{shown}\n{seen.body.decode('utf-8', 'replace')}"}
    return Reply(418, json.dumps(body).encode(), [("X-Echo", seen.target)], "Teapot")


@pytest.mark.parametrize("fate", ["refused", "lost"])
@pytest.mark.parametrize("name", CONNECTORS)
async def test_the_canary_shows_up_nowhere(tmp_path, caplog, name, fate):
    """Every case fails at servers that repeat what they get; the whole runtime carries it out and is then looked at."""
    caplog.set_level(logging.DEBUG)
    settings = {"ZEEBE_CONNECTORS_DATA": str(tmp_path), "SECRET_CANARY": CANARY}
    environment = Environment(("environment", settings))
    gateway, metrics = FakeGateway(), PrometheusMetrics()
    connector = CONNECTORS[name]
    registry = Registry([connector])
    runtime = Runtime(Settings.read(environment), registry, gateway, environment=environment, metrics=metrics)
    admin = AdminServer(runtime, metrics, host="127.0.0.1", port=0)
    async with HttpServer() as http, SmtpServer(users={"u": "other"}, token_ok=lambda *_: False) as mail:
        http.answer("*", echo)
        mail.say("AUTH", HANG_UP if fate == "lost" else f"535 5.7.8 not {CANARY}, you")
        mail.say("MAIL", HANG_UP if fate == "lost" else f"550 5.7.1 not {CANARY}, you")
        if fate == "lost":

            async def leave(seen: Any, reader: Any, writer: Any) -> None:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + b"x")

            http.script("/x", leave)
            http.script("/token", leave)
        runtime.start()
        await admin.start()
        wanted = cases(name)
        for form in wanted.values():
            text = json.dumps(form).replace('"{smtp}"', str(mail.port)).replace("{http}", http.url("").rstrip("/"))
            gateway.put(connector.type, json.loads(text), retries=1)
        await until(lambda: gateway.count("fail") >= len(wanted), within=60)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{admin.port}") as session:
            pages = [await (await session.get(page)).text() for page in ("/metrics", "/health")]
        await admin.aclose()
        await runtime.drain()
    shown = [repr(command) for command in gateway.commands if command.name != "activate"]
    assert len(shown) >= len(wanted)
    assert not any("SECRET_NOT_FOUND" in line for line in shown), "it was used, so that it could have shown up"
    assert [line for line in shown if not is_clean(line)] == []
    assert [page for page in pages if not is_clean(page)] == []
    assert is_clean(caplog.text)
    for record in caplog.records:
        if record.exc_info:
            assert is_clean("".join(traceback.format_exception(*record.exc_info)))


@pytest.mark.parametrize("name", CONNECTORS)
def test_the_inputs_print_without_it(name):
    """Neither the whole nor an error about it shows a value that may be a secret."""
    for case, form in cases(name).items():
        text = json.dumps(form).replace('"{smtp}"', "25").replace("{http}", "http://localhost")
        given = json.loads(text.replace(PLACEHOLDER, json.dumps(CANARY)[1:-1]))
        try:
            printed = repr(read_input(CONNECTORS[name].input, given))
        except ConnectorError as error:
            printed = f"{error!r} {error}" + "".join(traceback.format_exception(error))
        assert is_clean(printed), case
