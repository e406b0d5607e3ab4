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
        self.requests: list[str] = []
        self.status = 200
        self.statistics_status = 200
        self.versions: dict[str, tuple[str, int]] = {}
        self.xml_status: dict[str, int] = {}
        self.user: str | None = None

    def deploy(self, key: str, process: str, version: int, inside: str, *, latest: bool = True) -> None:
        self.diagrams[key] = diagram(inside, process)
        self.versions[key] = (process, version)
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
        if self.statistics_status != 200:
            return web.json_response({"detail": "statistics say no"}, status=self.statistics_status)
        body = await request.json()
        items = [
            {"processDefinitionKey": key, "tenantId": "<default>", "activeSubscriptions": 1} for key in self.waiting
        ]
        return self._page(items, body["page"])

    async def definition(self, request: web.Request) -> web.Response:
        self._note(request)
        key = request.match_info["key"]
        if key not in self.versions:
            raise web.HTTPNotFound
        process, version = self.versions[key]
        item = {"processDefinitionKey": key, "processDefinitionId": process, "version": version}
        return web.json_response({**item, "tenantId": "<default>"})

    async def xml(self, request: web.Request) -> web.Response:
        self._note(request)
        status = self.xml_status.get(request.match_info["key"])
        if status:
            return (
                web.json_response({"detail": "not this one"}, status=status)
                if status != 204
                else web.Response(status=204)
            )
        found = self.diagrams.get(request.match_info["key"])
        if found is None:
            raise web.HTTPNotFound
        return web.Response(body=found, content_type="text/xml")

    def _note(self, request: web.Request) -> None:
        self.requests.append(request.path)
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
    app.router.add_get("/v2/process-definitions/{key}", cluster.definition)
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
    """Also in a cluster with more than a thousand."""
    for number in range(1100):
        cluster.deploy(str(number), f"p{number}", 1, "")
    processes = DeployedProcesses(cluster.url + "/v2/", clients)
    await processes.read()
    await processes.read()
    assert sum(path.endswith("/xml") for path in cluster.requests) == 1100
    assert cluster.requests.count("/v2/process-definitions/11/xml") == 1


async def test_no_more_diagrams_are_kept_than_the_bound(cluster, clients, monkeypatch):
    monkeypatch.setattr(deployed_module, "MAX_CACHED", 3)
    for number in range(10):
        cluster.deploy(str(number), f"p{number}", 1, START)
    processes = DeployedProcesses(cluster.url, clients)
    assert len((await processes.read()).elements) == 10
    assert len(processes._diagrams) == 3


async def test_pages_are_followed_up_to_a_bound_that_is_reported(cluster, clients, monkeypatch):
    monkeypatch.setattr(deployed_module, "PAGE", 3)
    monkeypatch.setattr(deployed_module, "MAX_DEFINITIONS", 6)
    for number in range(8):
        cluster.deploy(str(number), f"p{number}", 1, START)
    found = await DeployedProcesses(cluster.url, clients).read()
    assert len(found.elements) == 6
    assert "only the first 6" in found.problems[0]


async def test_a_cluster_that_does_not_list_waiting_instances_is_asked_once(cluster, clients):
    cluster.deploy("11", "p", 1, START)
    cluster.waiting = None
    processes = DeployedProcesses(cluster.url, clients)
    for _ in range(2):
        assert len((await processes.read()).elements) == 1
    assert sum("statistics" in path for path in cluster.requests) == 1


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


def two(first: str, second: str) -> bytes:
    """A file with the processes p and q."""
    more = diagram(second, "q").decode()
    start, end = more.index("<bpmn:process"), more.index("</bpmn:process>") + len("</bpmn:process>")
    return diagram(first, "p").replace(b"</bpmn:process>", b"</bpmn:process>" + more[start:end].encode(), 1)


async def test_each_process_of_a_file_has_its_own_version(cluster, clients):
    """Both have a definition, and each is given with the other's diagram."""
    cluster.deploy("11", "p", 7, START)
    cluster.deploy("12", "q", 2, START)
    cluster.diagrams["11"] = cluster.diagrams["12"] = two(START, START + CATCH)
    found = await DeployedProcesses(cluster.url, clients).read()
    assert [(e.process, e.id, e.version) for e in found.elements] == [
        ("p", "start", 7),
        ("q", "start", 2),
        ("q", "catch", 2),
    ]


async def test_what_the_newest_version_no_longer_has_is_not_watched(cluster, clients):
    """Although an older file, which another process still comes from, has it."""
    cluster.deploy("12", "q", 1, START)
    cluster.diagrams["12"] = two(START + CATCH, START)
    cluster.deploy("13", "p", 2, CATCH)
    found = await DeployedProcesses(cluster.url, clients).read()
    assert [(e.process, e.id, e.version) for e in found.elements] == [("q", "start", 1), ("p", "catch", 2)]


async def test_an_older_version_that_is_the_latest_again_has_its_own_number(cluster, clients):
    """After the newer one was deleted; nothing was kept under a number that was not known."""
    cluster.deploy("11", "p", 4, START + CATCH)
    cluster.deploy("12", "p", 5, START + CATCH)
    cluster.waiting = ["11"]
    processes = DeployedProcesses(cluster.url, clients)
    found = await processes.read()
    assert [(e.id, e.version) for e in found.elements] == [("start", 5), ("catch", 5), ("catch", 4)]
    cluster.latest = [{"processDefinitionKey": "11", "processDefinitionId": "p", "version": 4, "tenantId": "t"}]
    found = await processes.read()
    assert [(e.id, e.version, e.tenant) for e in found.elements] == [("start", 4, "t"), ("catch", 4, "t")]


async def test_a_deleted_definition_ends(cluster, clients):
    """Whether the cluster leaves it out or says so."""
    cluster.deploy("11", "p", 1, START)
    cluster.deploy("12", "q", 1, START)
    processes = DeployedProcesses(cluster.url, clients)
    assert len((await processes.read()).elements) == 2
    cluster.latest[0]["state"] = "DELETED"
    assert [e.process for e in (await processes.read()).elements] == ["q"]
    del cluster.latest[1]
    assert (await processes.read()).elements == []


@pytest.mark.parametrize("status", [403, 500, 503])
async def test_statistics_that_fail_cost_older_versions_only_and_for_now(cluster, clients, status):
    """What was known of them stays; the right that is missing and the cluster's own words are said."""
    cluster.deploy("11", "p", 1, START + CATCH)
    cluster.deploy("12", "p", 2, START + CATCH)
    cluster.waiting = ["11"]
    processes = DeployedProcesses(cluster.url, clients)
    assert len((await processes.read()).elements) == 3
    cluster.statistics_status = status
    found = await processes.read()
    assert len(found.elements) == 3
    assert "statistics say no" in found.hints[0]
    assert ("READ_PROCESS_INSTANCE" in found.hints[0]) == (status == 403)
    cluster.statistics_status = 200
    cluster.waiting = []
    assert len((await processes.read()).elements) == 2


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_cluster_that_learns_statistics_is_asked_again(cluster, clients, monkeypatch, status):
    """It may have been updated."""
    cluster.deploy("11", "p", 1, START + CATCH)
    cluster.deploy("12", "p", 2, START + CATCH)
    cluster.statistics_status, cluster.waiting = status, ["11"]
    monkeypatch.setattr(deployed_module, "ASK_AGAIN", 0.0)
    processes = DeployedProcesses(cluster.url, clients)
    assert len((await processes.read()).elements) == 2
    cluster.statistics_status = 200
    assert len((await processes.read()).elements) == 3


@pytest.mark.parametrize(("status", "message"), [(403, "READ_PROCESS_DEFINITION"), (500, "not this one"), (204, "204")])
async def test_one_definitions_failure_costs_that_one(cluster, clients, status, message):
    """And it is read as soon as it can be."""
    cluster.deploy("11", "p", 1, START)
    cluster.deploy("12", "q", 1, START)
    cluster.xml_status["11"] = status
    processes = DeployedProcesses(cluster.url, clients)
    found = await processes.read()
    assert [e.process for e in found.elements] == ["q"]
    assert len(found.problems) == 1
    assert message in found.problems[0]
    assert "XML" not in found.problems[0]
    cluster.xml_status.clear()
    assert len((await processes.read()).elements) == 2


async def test_an_empty_list_names_the_right_that_may_be_missing(cluster, clients):
    """A cluster shows those who lack it nothing."""
    found = await DeployedProcesses(cluster.url, clients).read()
    assert "READ_PROCESS_DEFINITION" in found.hints[0]
    assert found.problems == []
    cluster.deploy("11", "p", 1, "")
    assert (await DeployedProcesses(cluster.url, clients).read()).hints == []
