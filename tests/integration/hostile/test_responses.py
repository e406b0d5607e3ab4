"""Hostile answers of HTTP and SOAP services: each ends with an error that names the limit, or as text, and quickly."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.integration.hostile.bystanders import Bystanders

from zeebe_connectors.connectors.graphql.connector import run as graphql
from zeebe_connectors.connectors.rest.connector import request as rest
from zeebe_connectors.connectors.soap.connector import call as soap
from zeebe_connectors.sdk.budget import JSON_NODES
from zeebe_connectors.testing import Complete, Fail, run
from zeebe_connectors.testing.servers import HttpServer, Reply, in_thread

REST = {"method": "GET"}
DIGEST = {"authentication": {"type": "digest", "username": "u", "password": "p"}}
SOAP = {
    "soapVersion": {"version": "1.1"},
    "header": {"type": "none"},
    "body": {"type": "json", "json": {"a": 1}},
    "authentication": {"authentication": "none"},
}


def many_lists() -> bytes:
    return b"[" + b"[]," * 16_000_000 + b"[]]"


def envelope(inside: bytes, attributes: bytes = b"") -> Reply:
    head = b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' + attributes + b"><s:Body>"
    return Reply(200, head + inside + b"</s:Body></s:Envelope>", [("Content-Type", "text/xml")])


def packed(data: bytes, status: int = 200) -> Reply:
    return Reply(status, gzip.compress(data, 9), [("Content-Encoding", "gzip"), ("Content-Type", "application/json")])


def challenge(value: str) -> Reply:
    return Reply(401, b"", [("WWW-Authenticate", value)])


def declared(count: int) -> bytes:
    return b" ".join(b'xmlns:n%d="urn:%d"' % (number, number) for number in range(count))


# Name, connector, inputs, what makes the answer, and what the outcome says; None where it is a result like any other.
ANSWERS: list[tuple[str, Any, dict[str, Any], Callable[[], Reply], str | None]] = [
    ("48 MB of JSON in 250 KB", rest, REST, lambda: packed(many_lists()), "too large"),
    ("48 MB of JSON as an error", rest, REST, lambda: packed(many_lists(), 500), "answered 500"),
    ("many values in little text", rest, REST, lambda: packed(many_lists()[: 3 * JSON_NODES] + b"[]]"), "values"),
    ("many values as an error", rest, REST, lambda: packed(b"[" + b"[]," * 120_000 + b"[]]", 422), "answered 422"),
    ("as many values as may be", rest, REST, lambda: packed(b"[" + b"1," * (JSON_NODES - 10) + b"1]"), None),
    ("JSON 900 levels deep", rest, REST, lambda: Reply(200, b"[" * 900 + b"]" * 900), None),
    ("a million brackets", rest, REST, lambda: packed(b"[" * 1_000_000), "values"),
    ("50 MB of text", rest, REST, lambda: packed("ä".encode() * 25_000_000), "too large"),
    (
        "many values for GraphQL",
        graphql,
        {"graphql": {"query": "{a}", "method": "post"}},
        lambda: packed(many_lists()),
        "too large",
    ),
    ("a challenge of letters", rest, REST | DIGEST, lambda: challenge("Digest " + "a" * 30_000), "answered 401"),
    (
        "a challenge of quotes",
        rest,
        REST | DIGEST,
        lambda: challenge('Digest nonce="' + '\\"' * 15_000),
        "answered 401",
    ),
    ("a challenge of commas", rest, REST | DIGEST, lambda: challenge("Digest " + "a=b," * 7_000), "answered 401"),
    ("a challenge of spaces", rest, REST | DIGEST, lambda: challenge("Digest a" + " " * 30_000), "answered 401"),
    ("many headers", rest, REST, lambda: Reply(200, b"{}", [(f"X-{n}", "v" * 1000) for n in range(500)]), "headers"),
    (
        "many namespaces over many elements",
        soap,
        SOAP,
        lambda: envelope(b"<b/>" * 20_000, declared(3_000)),
        "limit|more than",
    ),
    ("many namespaces", soap, SOAP, lambda: envelope(b"<b/>", declared(60_000)), "namespaces"),
    (
        "many attributes",
        soap,
        SOAP,
        lambda: envelope(b"<b " + b" ".join(b'a%d="1"' % n for n in range(20_000)) + b"/>"),
        "attributes",
    ),
    ("many elements", soap, SOAP, lambda: envelope(b"<b/>" * 600_000), "tags"),
    ("as many elements as may be", soap, SOAP, lambda: envelope(b"<b/>" * 240_000), None),
    ("elements 900 levels deep", soap, SOAP, lambda: envelope(b"<b>" * 900 + b"</b>" * 900), "nested too deeply"),
    ("a document type", soap, SOAP, lambda: Reply(200, b'<!DOCTYPE a [<!ENTITY b "b">]><a/>'), "DOCTYPE"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "connector", "given", "make", "expected"), ANSWERS, ids=[each[0] for each in ANSWERS])
async def test_an_answer_stops_nobody(
    name: str, connector: Any, given: dict, make: Callable[[], Reply], expected: str | None
) -> None:
    """It ends with a typed error that names the limit, or a result; the jobs beside it go on."""
    server = HttpServer()
    server.answer("/", make())
    with in_thread(server):
        url = server.url("/")
        given = {**given, "url": url, "serviceUrl": url}
        if "graphql" in given:
            given["graphql"] = {**given["graphql"], "url": url}
        async with Bystanders() as watch:
            began = time.monotonic()
            outcome = await run(connector, given, result_expression="={type: if response = null then 0 else 1}")
            print(f"{name}: {time.monotonic() - began:.2f} s")  # noqa: T201 - with -s
    if expected is None:
        assert isinstance(outcome, Complete), outcome
    else:
        assert isinstance(outcome, Fail), outcome
        assert any(each in outcome.message for each in expected.split("|")), outcome.message[:500]
    watch.check()


@pytest.mark.slow
async def test_a_body_in_pieces_of_one_byte_stops_nobody() -> None:
    """A chunk for each byte is work for the parser, but never much at a time."""
    server = HttpServer()
    body = b"".join(b"1\r\na\r\n" for _ in range(300_000)) + b"0\r\n\r\n"
    server.answer("/", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    with in_thread(server):
        async with Bystanders() as watch:
            outcome = await run(
                rest, {**REST, "url": server.url("/")}, result_expression="={n: string length(response.body)}"
            )
    assert outcome == Complete({"n": 300_000}, '{"n":300000}')
    watch.check()
