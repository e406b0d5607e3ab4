"""Every scheme stands in a provider and signs in for REST, GraphQL, SOAP and downloads alike; right and wrong."""

import json
from dataclasses import dataclass

import pytest
from tests.servers.auth import DigestGuard, NtlmGuard, OAuth1Guard, TokenIssuer
from tests.servers.pairs import Pair
from tests.servers.signatures import AssertionIssuer, AwsGuard, AzureGuard

from zeebe_connectors.connectors.email.connector import run as email
from zeebe_connectors.connectors.graphql.connector import run as graphql
from zeebe_connectors.connectors.pop3.fetch import fetch
from zeebe_connectors.connectors.rest.connector import request as rest
from zeebe_connectors.connectors.smtp.connector import send
from zeebe_connectors.connectors.soap.connector import call as soap
from zeebe_connectors.testing import Complete, Fail, run
from zeebe_connectors.testing.servers import ImapServer, Pop3Server, Reply, SmtpServer, message
from zeebe_connectors.web.auth import SCHEMES

ENVELOPE = b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><ok/></e:Body></e:Envelope>'
CALLS = {
    "rest": (rest, {"url": "/x y?b=2&a=%C3%A9"}),
    "download": (rest, {"url": "/x", "storeResponse": True}),
    "graphql": (graphql, {"graphql": {"query": "{ a }", "method": "post"}}),
    "soap": (soap, {"body": {"type": "json", "json": {"a": 1}}}),
}
WRONG = "canary-4711"


@pytest.fixture(scope="module")
def pair():
    return Pair("client")


@pytest.fixture(scope="module")
def other():
    return Pair("other")


@dataclass
class Case:
    """A scheme's fields, who verifies it, and what makes it wrong."""

    login: dict
    guard: object
    wrong: dict
    code: str = "401"
    token: object = None
    path: str = "/token"


def plain(name, value):
    def guard(seen):
        found = seen.header(name) if name.istitle() else dict(seen.query).get(name)
        return Reply.json({"ok": 1}) if found == value else Reply(401, b"no", [], "Unauthorized")

    return guard


def cases(server, pair, other):
    """By scheme; a new one has none, and fails until it gets one."""
    issuer, own = TokenIssuer(), TokenIssuer(client=("cid", "s"), how="body")
    signed = AssertionIssuer(pair.key.public_key(), endpoint=server.url("/token"), users=["ann"])
    client = {"oauthTokenEndpoint": server.url("/token"), "clientId": "cid"}
    wrong_key = {"privateKey": other.key_pem()}
    google = {"client_email": "cid", "private_key": pair.key_pem(), "token_uri": server.url("/token")}
    return {
        "apiKey": Case({"name": "X-Key", "value": "k-1"}, plain("X-Key", "k-1"), {"value": WRONG}),
        "basic": Case(
            {"username": "u", "password": "pä:ss"}, plain("Authorization", "Basic dTpww6Q6c3M="), {"password": WRONG}
        ),
        "bearer": Case({"token": "t-1"}, plain("Authorization", "Bearer t-1"), {"token": WRONG}),
        "custom": Case(
            {"schemeName": "Token", "credentials": "a=b c"},
            plain("Authorization", "Token a=b c"),
            {"credentials": WRONG},
        ),
        "digest": Case({"username": "alice", "password": "s3cret"}, DigestGuard(qop="auth-int"), {"password": WRONG}),
        "ntlm": Case(
            {"username": "DOM\\alice", "password": "sécret"}, NtlmGuard(Reply.json({"ok": 1})), {"password": WRONG}
        ),
        "oauth1": Case(
            {"consumerKey": "ck", "consumerSecret": "c&s", "token": "tk", "tokenSecret": "t=s"},
            OAuth1Guard(),
            {"tokenSecret": WRONG},
        ),
        "aws": Case(
            {"accessKeyId": "AKID", "secretAccessKey": "s3cr/et+", "region": "eu-central-1", "service": "s3"},
            AwsGuard(),
            {"secretAccessKey": WRONG},
            "403",
        ),
        "azure-shared-key": Case(
            {"account": "acct", "accountKey": "MDEyMzQ1Njc4OWFiY2RlZg=="},
            AzureGuard(),
            {"accountKey": "Y2FuYXJ5"},
            "403",
        ),
        "oauth-client-credentials-flow": Case(
            {**client, "clientSecret": "s/cret+1"}, issuer.resource, {"clientSecret": WRONG}, token=issuer
        ),
        "oauth-refresh-token": Case(
            {**client, "refreshToken": "refresh-0"}, issuer.resource, {"refreshToken": WRONG}, "400", issuer
        ),
        "oauth-password": Case(
            {**client, "username": "ann", "password": "pä ss", "clientSecret": "s"},
            issuer.resource,
            {"password": WRONG},
            "400",
            issuer,
        ),
        "oauth-private-key-jwt": Case(
            {**client, "privateKey": pair.key_pem()}, signed.resource, wrong_key, token=signed
        ),
        "oauth-jwt-bearer": Case(
            {
                "oauthTokenEndpoint": server.url("/token"),
                "issuer": "cid",
                "subject": "ann",
                "privateKey": pair.key_pem(),
            },
            signed.resource,
            wrong_key,
            "400",
            signed,
        ),
        "google-service-account": Case(
            {"serviceAccountKey": json.dumps(google), "scopes": "a", "user": "ann"},
            signed.resource,
            {"serviceAccountKey": json.dumps(google | {"private_key": other.key_pem()})},
            "400",
            signed,
        ),
        "entra-id": Case(
            {"tenant": "contoso.example", "clientId": "cid", "authority": server.url("/"), "clientSecret": "s"},
            own.resource,
            {"clientSecret": WRONG},
            token=own,
            path="/contoso.example/oauth2/v2.0/token",
        ),
    }


OTHERS = {"noAuth", "oauth-client-certificate"}  # the first has nothing to verify, the other needs TLS: see REST's


@pytest.mark.parametrize("kind", [kind for kind in SCHEMES if kind not in OTHERS])
async def test_a_provider_signs_in_for_all_connectors(server, pair, other, kind, tmp_path, monkeypatch):
    users = tmp_path / "users"
    users.write_text("DOM:alice:sécret\n", encoding="utf-8")
    monkeypatch.setenv("NTLM_USER_FILE", str(users))
    found = cases(server, pair, other)[kind]
    answer = None

    def verified(seen):
        reply = found.guard(seen)
        if reply.status == 200 and answer == "soap":
            return Reply(200, ENVELOPE, [("Content-Type", "text/xml")])
        return reply

    server.answer("*", verified)
    if found.token is not None:
        server.answer(found.path, found.token.token)
    for answer, (connector, variables) in CALLS.items():
        for wrong in ({}, found.wrong):
            login = {"type": kind, **found.login, **wrong}
            there = {"protocol": "http", "environments": {"t": {"url": server.url("/in"), "authentication": login}}}
            outcome = await run(
                connector, variables, headers={"provider": "p"}, providers={"p": there}, result_variable="r"
            )
            if not wrong:
                assert isinstance(outcome, Complete), (answer, outcome)
                continue
            assert isinstance(outcome, Fail), (answer, outcome)
            assert outcome.code == found.code, (answer, outcome)
            assert WRONG not in json.dumps([outcome.message, outcome.variables])


MAIL = {"from": "a@example.com", "to": "b@example.com", "subject": "s", "text": "x"}
LIST = {"protocol": "imap", "data": {"imapActionDiscriminator": "listEmailsImap", "imapAction": {}}}


@pytest.mark.parametrize("kind", ["oauth-client-credentials-flow", "oauth-refresh-token"])
async def test_a_provider_signs_in_to_mail_servers_by_token(server, kind):
    """XOAUTH2 over SMTP, IMAP and POP3: one description, whatever each connector calls it; right and wrong."""
    issuer = TokenIssuer(how="body")
    server.answer("/token", issuer.token)
    async with (
        SmtpServer(mechanisms=["XOAUTH2"], token_ok=lambda _, token: token in issuer.valid) as smtp,
        ImapServer() as imap,
        Pop3Server() as pop,
    ):
        imap.tokens = pop.tokens = issuer.valid
        pop.mails = {"1": b"Subject: hello\r\n\r\ntext\r\n"}
        imap.deliver(message("hello"))
        login = {
            "type": kind,
            "oauthTokenEndpoint": server.url("/token"),
            "clientId": "cid",
            "username": "alice@example.test",
        }
        good = {"clientSecret": "s/cret+1", "refreshToken": "refresh-0"}
        secret = "refreshToken" if "refresh" in kind else "clientSecret"
        if secret == "clientSecret":
            del good["refreshToken"]
        for protocol, port, connector, variables in (
            ("smtp", smtp.port, send, MAIL),
            ("imap", imap.port, email, LIST),
            ("pop", pop.port, fetch, {"operation": "MAIL_RECEIVE"}),
        ):
            for wrong in ({}, {secret: WRONG}):
                there = {"host": "localhost", "port": port, "security": "none"}
                there["authentication"] = {**login, **good, **wrong}
                provider = {"protocol": protocol, "environments": {"t": there}}
                outcome = await run(
                    connector, variables, headers={"provider": "p"}, providers={"p": provider}, result_variable="r"
                )
                if not wrong:
                    assert isinstance(outcome, Complete), (protocol, outcome)
                    continue
                assert isinstance(outcome, Fail), (protocol, outcome)
                assert outcome.code == "MAIL_TOKEN_FAILED"
                assert WRONG not in json.dumps([outcome.message, outcome.variables])
