"""Inputs as the official REST templates of several versions make them, with what they expect back."""

import pytest

from servers.http import Reply

VERSIONS = {
    "8: timeouts as text": {
        "authentication": {"type": "noAuth"},
        "method": "post",
        "connectionTimeoutInSeconds": "20",
        "readTimeoutInSeconds": "20",
        "body": '{"a": 1}',
    },
    "11: store response, skip encoding": {
        "authentication": {"type": "basic", "username": "u", "password": "SPEC_PASSWORD_EMPTY_PATTERN"},
        "method": "POST",
        "headers": None,
        "queryParameters": "",
        "skipEncoding": "",
        "storeResponse": False,
        "connectionTimeoutInSeconds": 20,
        "readTimeoutInSeconds": 20,
        "body": {"a": 1},
    },
    "13: redirects, null values": {
        "authentication": {"type": "apiKey", "apiKeyLocation": "headers", "name": "k", "value": "v"},
        "method": "POST",
        "followRedirects": "false",
        "ignoreNullValues": "${true}",
        "groupSetCookieHeaders": False,
        "body": {"a": 1, "n": None},
    },
    "15: client certificates, empty": {
        "authentication": {"type": "bearer", "token": "t"},
        "clientTls": {
            "clientCertificate": None,
            "clientPrivateKey": "",
            "privateKeyPassword": None,
            "trustedCertificate": "",
        },
        "method": "POST",
        "body": {"a": 1},
    },
    "16: stored configuration, empty": {
        "authenticationConfiguration": None,
        "authentication": {"type": "noAuth"},
        "clientTls": None,
        "method": "POST",
        "body": {"a": 1},
    },
    "17: response format": {
        "authenticationConfiguration": "",
        "authentication": {"type": "noAuth"},
        "documentReturnFormat": {"choice": "JSON", "encoding": None},
        "method": "POST",
        "readTimeoutInSeconds": None,
        "body": {"a": 1},
    },
}


@pytest.mark.parametrize("version", VERSIONS)
async def test_version(rest, server, version):
    """The request arrives and the result has the shape that the template's expressions expect."""
    server.answer("/orders", Reply.json({"id": 7}))
    result = await rest(server.url("/orders"), **VERSIONS[version])
    assert (server.last.method, server.last.json) == ("POST", {"a": 1})
    assert (result["status"], result["body"], result["reason"]) == (200, {"id": 7}, "OK")
    assert set(result) == {"status", "headers", "body", "reason", "document"}
