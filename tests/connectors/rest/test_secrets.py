"""A canary in every place where a secret may stand shows up nowhere but at the service that it is meant for."""

import base64
import json
import logging
import traceback

import pytest

from zeebe_connectors.connectors.rest.connector import request
from zeebe_connectors.testing import Complete, Fail, run
from zeebe_connectors.testing.servers import Reply
from zeebe_connectors.web import Exchange, HttpRequest
from zeebe_connectors.web.auth import Basic

CANARY = "canary-Z9/+ü~&=7"
PLACEHOLDER = "{{secrets.CANARY}}"

PLACES = {
    "url path": {"url": "{base}/x/" + PLACEHOLDER},
    "url query": {"url": "{base}/x?key=" + PLACEHOLDER},
    "url user": {"url": "http://u:p@{host}/x?k=" + PLACEHOLDER},
    "header": {"headers": {"X-Key": PLACEHOLDER}},
    "query parameter": {"queryParameters": {"k": PLACEHOLDER}},
    "basic": {"authentication": {"type": "basic", "username": PLACEHOLDER, "password": PLACEHOLDER}},
    "bearer": {"authentication": {"type": "bearer", "token": PLACEHOLDER}},
    "api key": {"authentication": {"type": "apiKey", "name": "X-Key", "value": PLACEHOLDER}},
    "api key in the query": {
        "authentication": {"type": "apiKey", "name": "k", "value": PLACEHOLDER, "apiKeyLocation": "query"}
    },
    "digest": {"authentication": {"type": "digest", "username": "u", "password": PLACEHOLDER}},
    "oauth1": {
        "authentication": {
            "type": "oauth1",
            "consumerKey": "c",
            "consumerSecret": PLACEHOLDER,
            "token": "t",
            "tokenSecret": PLACEHOLDER,
            "signatureMethod": "PLAINTEXT",
        }
    },
    "client credentials": {
        "authentication": {
            "type": "oauth-client-credentials-flow",
            "oauthTokenEndpoint": "{base}/token",
            "clientId": "c",
            "clientSecret": PLACEHOLDER,
        }
    },
    "client credentials in the body": {
        "authentication": {
            "type": "oauth-client-credentials-flow",
            "oauthTokenEndpoint": "{base}/token",
            "clientId": "c",
            "clientSecret": PLACEHOLDER,
            "clientAuthentication": "credentialsBody",
        }
    },
    "refresh token": {
        "authentication": {
            "type": "oauth-refresh-token",
            "oauthTokenEndpoint": "{base}/token",
            "clientId": "c",
            "refreshToken": PLACEHOLDER,
            "clientSecret": PLACEHOLDER,
        }
    },
    "stored configuration": {
        "authenticationConfiguration": {"authentication": {"type": "bearer", "token": PLACEHOLDER}}
    },
    "client key": {"clientTls": {"clientCertificate": PLACEHOLDER, "clientPrivateKey": PLACEHOLDER}},
    "client key password": {
        "clientTls": {"clientCertificate": "x", "clientPrivateKey": "y", "privateKeyPassword": PLACEHOLDER}
    },
    "trusted certificate": {"clientTls": {"trustedCertificate": PLACEHOLDER}},
}


def filled(value, base):
    return json.loads(json.dumps(value).replace("{base}", base).replace("{host}", base.removeprefix("http://")))


def echo(seen):
    sent = "\n".join(f"{name}: {value}" for name, value in seen.headers)
    body = f"{seen.target}\n{sent}\n{seen.body.decode('utf-8', 'replace')}"
    return Reply(418, json.dumps({"you sent": body}).encode(), [("X-Echo", seen.target)], "Teapot")


def is_clean(text):
    forms = [CANARY, json.dumps(CANARY)[1:-1], "canary-Z9", base64.b64encode(CANARY.encode()).decode()[:12]]
    return not any(form in text for form in forms)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fate", ["echoed", "refused", "hung up"])
async def test_canary(server, caplog, place, fate):
    """Whatever goes wrong, neither the outcome nor the log nor a traceback shows the canary."""
    caplog.set_level(logging.DEBUG)
    inputs = {"url": "{base}/x"} | PLACES[place]
    base = server.url("").rstrip("/")
    if fate == "refused":
        base = "http://127.0.0.1:1"
    if fate == "echoed":
        server.answer("*", echo)

    if fate == "hung up":

        async def leave(seen, reader, writer):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + b"x")

        server.script("/x", leave)
        server.script("/token", leave)
    outcome = await run(request, filled(inputs, base), secrets={"CANARY": CANARY}, seconds=5, error_expression="=null")
    assert isinstance(outcome, Fail)
    assert is_clean(f"{outcome!r} {outcome.message} {outcome.payload}")
    assert is_clean(caplog.text)
    for record in caplog.records:
        if record.exc_info:
            assert is_clean("".join(traceback.format_exception(*record.exc_info)))


async def test_the_canary_arrives(server):
    """The service itself gets the secret, so the tests above test something."""
    server.answer("*", Reply.json({}))
    base = server.url("").rstrip("/")
    for place in ("header", "query parameter", "bearer", "api key"):
        outcome = await run(request, filled({"url": "{base}/x"} | PLACES[place], base), secrets={"CANARY": CANARY})
        assert isinstance(outcome, Complete)
        text = f"{server.last.query} {server.last.headers}"
        assert CANARY in text


async def test_fetched_token_is_not_shown(server):
    """A token that was fetched is no secret that the runtime knows; a refusal that repeats it is cleaned."""
    server.answer("/token", Reply.json({"access_token": "fetched-token-1", "expires_in": 100}))
    server.answer("*", echo)
    outcome = await run(
        request, filled({"url": "{base}/x"} | PLACES["client credentials"], server.url("")), secrets={"CANARY": CANARY}
    )
    assert outcome.code == "418"
    assert "fetched-token-1" in str(server.last.headers)
    assert "fetched-token-1" not in outcome.payload
    assert "Authorization: ***" in outcome.payload


async def test_placeholder_in_the_body_stays(server):
    """A body may come from outside, so a placeholder in it is data and is not answered with the secret."""
    server.answer("*", Reply.json({}))
    inputs = {"url": server.url("/x"), "method": "POST", "body": {"text": PLACEHOLDER}}
    await run(request, inputs, secrets={"CANARY": CANARY})
    assert server.last.json == {"text": PLACEHOLDER}


async def test_answers_are_not_changed(server, rest):
    """What the service answers below 400 is the process's own, even if it repeats the credentials."""
    server.answer("/x", lambda seen: Reply(200, seen.header("Authorization").encode()))
    exchange = Exchange(rest.context())
    response = await exchange.call(HttpRequest("GET", server.url("/x")), Basic(type="basic", username="user"))
    assert response.body == b"Basic dXNlcjo="


def test_repr_of_a_request():
    """Nothing that may hold a secret is printed with a request."""
    shown = repr(HttpRequest("GET", f"http://host/{CANARY}", body=CANARY.encode()))
    assert shown == "HttpRequest(method='GET')"
