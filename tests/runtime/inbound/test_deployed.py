"""Elements of deployed processes are found through the cluster's REST API.

No engine of 8.8 with search can be had where these tests run: the cluster is a stand-in made from the API's public
description.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest
from aiohttp import web
from tests.runtime.inbound.test_elements import KEY, TYPE, diagram, node, prop

from zeebe_connectors import ConnectorError, Secret
from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.runtime.inbound import deployed as deployed_module
from zeebe_connectors.runtime.inbound.deployed import DeployedProcesses, deployed_processes
from zeebe_connectors.runtime.inbound.elements import group
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.web.auth import Basic


class Cluster:
    """Process definitions by key, and which of them have waiting instances."""

    def __init__(self) -> None:
        self.diagrams: dict[str, bytes] = {}
        self.latest: list[dict[str, Any]] = []
        self.waiting: list[str] | None = []
        self.asked: list[str] = []
        self.status = 200
        self.user: str | None = None

    def deploy(self, key: str, process: str, version: int, inside: str, *, latest: bool = True) -> None:
        self.diagrams[key] = diagram(inside, process)
        self.latest = [item for item in self.latest if item["processDefinitionId"] != process]
        if latest:
            self.latest.append(
                {
                    "processDefinitionKey": key,
                    "processDefinitionId": process,
                    "version": version,
                    "tenantId": "<default>",
                }
            )

    async def search(self, request: web.Request) -> web.Response:
        self._note(request)
        body = await request.json()
        assert body["filter"] == {"isLatestVersion": True}
        return self._page(self.latest, body["page"])

    async def statistics(self, request: web.Request) -> web.Response:
        self._note(request)
        if self.waiting is None:
            raise web.HTTPNotFound
        body = await request.json()
        items = [
            {"processDefinitionKey": key, "tenantId": "<default>", "activeSubscriptions": 1} for key in self.waiting
        ]
        return self._page(items, body["page"])

    async def xml(self, request: web.Request) -> web.Response:
        self._note(request)
        found = self.diagrams.get(request.match_info["key"])
        if found is None:
            raise web.HTTPNotFound
        return web.Response(body=found, content_type="text/xml")

    def _note(self, request: web.Request) -> None:
        self.asked.append(request.path)
        if self.user is not None:
            expected = "Basic " + base64.b64encode(self.user.encode()).decode()
            if request.headers.get("Authorization") != expected:
                raise web.HTTPUnauthorized
        if self.status != 200:
            raise web.HTTPInternalServerError

    @staticmethod
    def _page(items: list[dict[str, Any]], page: dict[str, Any]) -> web.Response:
        start = int(page.get("after", 0))
        end = start + page["limit"]
        cursor = str(end) if end < len(items) else None
        return web.json_response({"items": items[start:end], "page": {"totalItems": len(items), "endCursor": cursor}})


@pytest.fixture
async def cluster():
    cluster = Cluster()
    app = web.Application()
    app.router.add_post("/v2/process-definitions/search", cluster.search)
    app.router.add_post("/v2/process-definitions/statistics/message-subscriptions", cluster.statistics)
    app.router.add_get("/v2/process-definitions/{key}/xml", cluster.xml)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    cluster.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield cluster
    await runner.cleanup()


@pytest.fixture
async def clients():
    clients = ClientCache()
    yield clients
    await clients.aclose()


CATCH = node("intermediateCatchEvent", "catch", TYPE, KEY, prop("deduplicationMode", "AUTO"), prop("host", "a"))
START = node("startEvent", "start", TYPE, prop("deduplicationMode", "AUTO"), prop("host", "a"))


async def test_latest_versions_give_all_elements_with_their_version(cluster, clients):
    cluster.deploy("11", "p", 3, START + CATCH)
    cluster.deploy("12", "q", 1, START)
    found = await DeployedProcesses(cluster.url, clients).read()
    assert [(e.process, e.id, e.version) for e in found.elements] == [
        ("p", "start", 3),
        ("p", "catch", 3),
        ("q", "start", 1),
    ]
    assert found.problems == []


async def test_older_versions_give_only_what_instances_wait_at(cluster, clients):
    cluster.deploy("11", "p", 1, START + CATCH)
    cluster.deploy("12", "p", 2, START + CATCH.replace('value="a"', 'value="b"'))
    cluster.waiting = ["11", "12"]
    found = await DeployedProcesses(cluster.url, clients).read()
    assert [(e.id, e.properties["host"]) for e in found.elements] == [("start", "a"), ("catch", "b"), ("catch", "a")]
    sources, problems = group(found.elements)
    assert problems == []
    assert [[e.id for e in source.elements] for source in sources] == [["start", "catch"], ["catch"]]
    assert len({source.name for source in sources}) == 2


async def test_an_older_version_with_other_settings_under_the_same_name_has_a_source_of_its_own(cluster, clients):
    named = CATCH.replace('value="AUTO"', 'value="MANUAL"').replace(KEY, KEY + prop("deduplicationId", "box"))
    cluster.deploy("11", "p", 1, named)
    cluster.deploy("12", "p", 2, named.replace('value="a"', 'value="b"'))
    cluster.waiting = ["11"]
    sources, problems = group((await DeployedProcesses(cluster.url, clients).read()).elements)
    assert problems == []
    assert [source.elements[0].properties["host"] for source in sources] == ["b", "a"]
    assert sources[0].name == "p#box"
    assert sources[1].name.startswith("p#box~")


async def test_a_diagram_is_fetched_once(cluster, clients):
    cluster.deploy("11", "p", 1, START)
    processes = DeployedProcesses(cluster.url + "/v2/", clients)
    await processes.read()
    await processes.read()
    assert [path for path in cluster.asked if path.endswith("/xml")] == ["/v2/process-definitions/11/xml"]


async def test_no_more_diagrams_are_kept_than_the_bound(cluster, clients, monkeypatch):
    monkeypatch.setattr(deployed_module, "MAX_KEPT", 3)
    for number in range(10):
        cluster.deploy(str(number), f"p{number}", 1, START)
    processes = DeployedProcesses(cluster.url, clients)
    assert len((await processes.read()).elements) == 10
    assert len(processes._diagrams) == 3


async def test_pages_are_followed_up_to_a_bound_that_is_told(cluster, clients, monkeypatch):
    monkeypatch.setattr(deployed_module, "PAGE", 3)
    monkeypatch.setattr(deployed_module, "MAX_DEFINITIONS", 6)
    for number in range(8):
        cluster.deploy(str(number), f"p{number}", 1, START)
    found = await DeployedProcesses(cluster.url, clients).read()
    assert len(found.elements) == 6
    assert "only the first 6" in found.problems[0]


async def test_a_cluster_that_cannot_tell_of_waiting_instances_is_asked_once(cluster, clients):
    cluster.deploy("11", "p", 1, START)
    cluster.waiting = None
    processes = DeployedProcesses(cluster.url, clients)
    for _ in range(2):
        assert len((await processes.read()).elements) == 1
    assert sum("statistics" in path for path in cluster.asked) == 1


async def test_a_definition_that_is_deleted_or_broken_stops_no_other(cluster, clients):
    cluster.deploy("11", "gone", 1, START)
    cluster.deploy("12", "broken", 1, START)
    cluster.deploy("13", "good", 1, START)
    del cluster.diagrams["11"]
    cluster.diagrams["12"] = b"nonsense"
    found = await DeployedProcesses(cluster.url, clients).read()
    assert [element.process for element in found.elements] == ["good"]
    assert found.problems[0].startswith("process definition 12: ")


async def test_a_cluster_that_fails_or_refuses_is_an_error(cluster, clients):
    cluster.status = 500
    with pytest.raises(ConnectorError, match="500"):
        await DeployedProcesses(cluster.url, clients).read()
    with pytest.raises(ConnectorError):
        await DeployedProcesses("http://127.0.0.1:1", clients).read()


async def test_credentials_are_those_of_the_cluster(cluster, clients):
    cluster.deploy("11", "p", 1, START)
    cluster.user = "demo:secret"
    with pytest.raises(ConnectorError):
        await DeployedProcesses(cluster.url, clients).read()
    scheme = Basic(type="basic", username="demo", password=Secret("secret"))
    assert len((await DeployedProcesses(cluster.url, clients, scheme=scheme).read()).elements) == 1


def test_without_a_rest_address_nothing_is_asked():
    assert deployed_processes(ClusterSettings(), ClientCache()) is None
