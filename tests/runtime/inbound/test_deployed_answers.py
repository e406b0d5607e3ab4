"""What a cluster, or something that stands before it, may answer: each answer costs what it concerns and no more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Self

import pytest
from tests.runtime.inbound.test_deployed import CATCH, START
from tests.runtime.inbound.test_elements import diagram

from zeebe_connectors import ConnectorError
from zeebe_connectors.runtime.inbound import deployed as deployed_module
from zeebe_connectors.runtime.inbound.deployed import DeployedProcesses
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.testing.servers import HttpServer, Reply
from zeebe_connectors.testing.servers.http import Handler

P, Q = diagram(START + CATCH, "p"), diagram(START, "q")
HTML = Reply(200, b"<html><title>Sign in</title><body>Who are you?</body></html>", [("Content-Type", "text/html")])
DEEP = Reply(200, b"[" * 100_000)
ALL = ["p/start/1", "p/catch/1", "q/start/2"]


def item(key: Any, process: str, version: Any, **more: Any) -> dict[str, Any]:
    return {
        "processDefinitionKey": key,
        "processDefinitionId": process,
        "version": version,
        "tenantId": "<default>",
        **more,
    }


BOTH = {"items": [item("11", "p", 1), item("12", "q", 2)]}


class Cluster(HttpServer):
    """Answers the three requests of discovery as it is made to."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.search(BOTH)
        self.statistics({"items": []})
        self.diagrams({"11": P, "12": Q})
        self.clients = ClientCache()
        self.processes = DeployedProcesses(self.url("").rstrip("/"), self.clients)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.clients.aclose()
        await super().__aexit__(*error)

    def search(self, answer: Any) -> None:
        self.answer("/v2/process-definitions/search", _handler(answer))

    def statistics(self, answer: Any) -> None:
        self.answer("/v2/process-definitions/statistics/message-subscriptions", _handler(answer))

    def diagrams(self, answers: Mapping[str, Any]) -> None:
        for key, answer in answers.items():
            self.answer(f"/v2/process-definitions/{key}/xml", _handler(answer))

    async def read(self) -> tuple[list[str], list[str], list[str]]:
        found = await self.processes.read()
        return [f"{e.process}/{e.id}/{e.version}" for e in found.elements], found.problems, found.hints


def _handler(answer: Any) -> Handler:
    if isinstance(answer, bytes):
        return lambda _: Reply(200, answer, [("Content-Type", "text/xml")])
    if isinstance(answer, Reply):
        return lambda _: answer
    if asyncio.iscoroutinefunction(answer):
        return answer
    if callable(answer):
        return lambda seen: Reply.json(answer(json.loads(seen.body)["page"]))
    return lambda _: Reply.json(answer)


@pytest.fixture
async def cluster():
    async with Cluster() as server:
        yield server


async def never(_: Any) -> Reply:
    await asyncio.sleep(60)
    return Reply()


@pytest.mark.parametrize(
    "data", [b"\xef\xbb\xbf" + json.dumps(BOTH).encode(), json.dumps(BOTH).encode("utf-16")], ids=["mark", "utf-16"]
)
async def test_a_list_may_be_in_any_encoding_of_unicode(cluster, data):
    cluster.search(Reply(200, data, [("Content-Type", "application/json")]))
    assert await cluster.read() == (ALL, [], [])


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (Reply(500, b"<html><title>Oops</title></html>", [("Content-Type", "text/html")]), "(Oops)"),
        (Reply(503, b"being restarted", [("Content-Type", "text/plain")]), "(being restarted)"),
        (Reply.json({"detail": {"reason": "no right", "code": 5}}, 403), "(no right)"),
        (Reply(200, b"\xff\xfe{{"), "not a JSON object"),
        (DEEP, "not a JSON object"),
        (Reply(204), "not a JSON object"),
        (Reply(302, b"", [("Location", "/login")]), "redirect"),
        (never, "within 0 seconds"),
        ([1], "not a JSON object"),
        ({"items": None}, ""),
        ({"items": 5}, ""),
        ({"items": "text", "page": []}, ""),
        ({"items": [{"processDefinitionKey": None}, {"x": 1}, 7]}, ""),
    ],
)
async def test_statistics_that_cannot_be_read_cost_older_versions_only(cluster, monkeypatch, answer, hint):
    monkeypatch.setattr(deployed_module, "_FOR_DIAGRAM", 0.3)
    cluster.statistics(answer)
    elements, problems, hints = await cluster.read()
    assert (elements, problems, len(hints)) == (ALL, [], bool(hint))
    assert not hint or hint in hints[0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (never, "within 0 seconds"),
        (HTML, "holds no process p"),
        (Q, "holds no process p"),
        (Reply(200, b"<a>" + b" " * 17_000_000 + b"</a>"), "larger than 16,777,216"),
        (Reply(200, b"zzz", [("Content-Encoding", "gzip")]), "decompressed"),
        (P.replace(b"UTF-8", b"bogus-9"), "unknown encoding: bogus-9"),
        (P[:200], "not XML"),
        (b"<!DOCTYPE a>" + P, "document type definition"),
        (("<!DOCTYPE a>" + P.decode().partition("?>")[2]).encode("utf-16"), "document type definition"),
        (b" \n", "no diagram"),
        (Reply(302, b"", [("Location", "/login")]), "redirect"),
        (Reply(429, b"slow down", [("Content-Type", "text/plain")]), "(slow down)"),
    ],
)
async def test_one_diagram_that_cannot_be_read_costs_that_one_and_for_now(cluster, monkeypatch, answer, message):
    """Whatever came in its place; it is read as soon as it is there."""
    monkeypatch.setattr(deployed_module, "_FOR_DIAGRAM", 0.3 if answer is never else 10.0)
    cluster.diagrams({"11": answer})
    elements, problems, _ = await cluster.read()
    assert elements == ["q/start/2"]
    assert len(problems) == 1
    assert message in problems[0]
    assert "jobTimeout" not in problems[0]
    cluster.diagrams({"11": P})
    assert sorted((await cluster.read())[0]) == sorted(ALL)


@pytest.mark.parametrize("text", [b"\xef\xbb\xbf" + P, P.decode().replace("UTF-8", "UTF-16").encode("utf-16")])
async def test_a_diagram_may_be_in_any_encoding(cluster, text):
    cluster.diagrams({"11": text})
    assert (await cluster.read())[0] == ALL


def _after(page: Mapping[str, Any]) -> int:
    return int(page.get("after", 0))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda page: {"items": [item("11", "p", 1)] * page["limit"], "page": {"endCursor": "x"}}, ALL[:2]),
        (lambda page: {"items": [item("11", "p", 1)], "page": {"endCursor": str(_after(page) + 1)}}, ALL[:2]),
        (lambda page: {"items": BOTH["items"][_after(page) :][:1], "page": {"endCursor": str(_after(page) + 1)}}, ALL),
        (lambda _: {"items": [item("11", "p", 1)], "page": {"endCursor": 5}}, ALL[:2]),
        ({"items": [item("9", "p", 8), item("11", "p", 10), item("10", "p", 9)]}, ["p/start/10", "p/catch/10"]),
        ({"items": [item("11", "p", 1)] * 2}, ALL[:2]),
        ({"items": [item(11, "p", "1", state="active")]}, ALL[:2]),
        ({"items": [item("11", "p", 0)]}, ["p/start/-1", "p/catch/-1"]),
        ({"items": [item("11", "p", True)]}, ["p/start/-1", "p/catch/-1"]),
        ({"items": [item("11", "p", 1), item("12", "q", 2, state="DELETED")]}, ALL[:2]),
        ({"items": [{"processDefinitionId": "q"}, item("11", "p", 1)]}, ALL[:2]),
    ],
)
async def test_lists_are_read_as_they_come(cluster, answer, expected):
    """Small pages, pages that repeat, and versions that the filter should have left out."""
    cluster.search(answer)
    assert (await cluster.read())[:2] == (expected, [])
    assert len(cluster.seen) < 10


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Reply(401, HTML.body, HTML.headers), r"\(Sign in\).*CAMUNDA_CLIENT_AUTH_METHOD"),
        (Reply.json({"errors": ["no such right"]}, 403), r"\(no such right\).*READ_PROCESS_DEFINITION"),
        (Reply(302, b"", [("Location", "https://login.example.com")]), "login page"),
        (HTML, "not a JSON object"),
        (DEEP, "not a JSON object"),
        (Reply(200, b"null"), "not a JSON object"),
    ],
)
async def test_a_refused_search_is_reported_in_the_servers_words(cluster, answer, message):
    cluster.search(answer)
    with pytest.raises(ConnectorError, match=message):
        await cluster.read()


async def test_a_fresh_cluster_gives_the_same_keys_to_other_processes(cluster):
    """At once where the process is another, after an outage where only the diagram is."""
    assert (await cluster.read())[0] == ALL
    cluster.search({"items": [item("11", "q", 2), item("12", "r", 1)]})
    cluster.diagrams({"11": Q, "12": diagram(START, "r")})
    assert (await cluster.read())[0] == ["q/start/2", "r/start/1"]
    cluster.script("/v2/process-definitions/search", _hang_up)
    with pytest.raises(ConnectorError):
        await cluster.read()
    cluster._scripts.clear()
    cluster.diagrams({"11": diagram(START + CATCH, "q"), "12": Reply(500)})
    elements, problems, _ = await cluster.read()
    assert (elements, problems) == (["q/start/2", "q/catch/2", "r/start/1"], [])


async def _hang_up(*_: Any) -> None:
    """Closes the connection without an answer."""
