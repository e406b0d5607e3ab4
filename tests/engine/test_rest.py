"""The REST API, asked as clients ask it, and by the runtime's own rooms: discovery, diagrams, documents."""

import asyncio
import json
import time
from datetime import datetime, timedelta, timezone

import aiohttp
import pytest
from tests.waiting import until

from zeebe_connectors import ConnectorError
from zeebe_connectors.engine.flow.flow import Flow
from zeebe_connectors.engine.local import LocalEngine
from zeebe_connectors.engine.messages import Correlation
from zeebe_connectors.engine.rest import commands
from zeebe_connectors.engine.rest.documents import DocumentStore
from zeebe_connectors.engine.rest.search import meets
from zeebe_connectors.runtime.documents import ClusterDocuments
from zeebe_connectors.runtime.inbound.deployed import DeployedProcesses
from zeebe_connectors.sdk.client_cache import ClientCache

HEAD = """<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="t">"""
ORDER = f"""{HEAD}<process id="order" name="An order" isExecutable="true"><startEvent id="begin"/>
  <sequenceFlow id="a" sourceRef="begin" targetRef="pay"/>
  <serviceTask id="pay" name="Pay"><extensionElements><zeebe:taskDefinition type="pay" retries="2"/></extensionElements>
  </serviceTask><sequenceFlow id="b" sourceRef="pay" targetRef="ship"/>
  <intermediateCatchEvent id="ship"><extensionElements><zeebe:properties>
    <zeebe:property name="inbound.type" value="io.camunda:connector-email-inbound:1"/>
    <zeebe:property name="correlationKeyExpression" value="=subject"/></zeebe:properties>
    </extensionElements><messageEventDefinition id="m" messageRef="M"/></intermediateCatchEvent>
  <sequenceFlow id="c" sourceRef="ship" targetRef="end"/><endEvent id="end"/></process>
  <message id="M" name="shipped"><extensionElements><zeebe:subscription correlationKey="=id"/></extensionElements>
  </message></definitions>"""


class Client:
    """Speaks JSON to the engine."""

    def __init__(self, address, session):
        self.address, self.session = address, session

    async def __call__(self, method, path, body=None, *, status=None):
        async with self.session.request(method, f"{self.address}/v2/{path}", json=body) as answer:
            text = await answer.text()
            assert answer.status in ({status} if status else {200, 201, 204}), text
            if answer.status >= 400:
                assert answer.content_type == "application/problem+json"
            return json.loads(text) if text else None

    async def deploy(self, **texts):
        form = aiohttp.FormData()
        for name, text in texts.items():
            form.add_field("resources", text.encode(), filename=f"{name}.bpmn")
        async with self.session.post(f"{self.address}/v2/deployments", data=form) as answer:
            return answer.status, await answer.json()

    async def find(self, what, **filters):
        return (await self("POST", f"{what}/search", {"filter": filters}))["items"]


@pytest.fixture
async def engine():
    async with LocalEngine() as local:
        yield local


@pytest.fixture
async def rest(engine):
    async with aiohttp.ClientSession() as session:
        yield Client(engine.rest_address, session)


@pytest.fixture
async def order(rest):
    """An instance whose job waits."""
    await rest.deploy(order=ORDER)
    return (await rest("POST", "process-instances", {"processDefinitionId": "order", "variables": {"id": "A"}}))[
        "processInstanceKey"
    ]


async def job_of(rest):
    command = {"type": "pay", "worker": "w", "timeout": 60_000, "maxJobsToActivate": 5, "requestTimeout": 5_000}
    (job,) = (await rest("POST", "jobs/activation", command))["jobs"]
    return job


async def test_the_topology_is_that_of_one_healthy_partition(rest, engine):
    found = await rest("GET", "topology")
    (broker,) = found["brokers"]
    assert (found["partitionsCount"], broker["port"]) == (1, engine.grpc_port)
    assert broker["partitions"] == [{"partitionId": 1, "role": "leader", "health": "healthy"}]
    await rest("GET", "status", status=204)


async def test_a_process_runs_to_its_end_over_rest(rest):
    status, deployed = await rest.deploy(order=ORDER)
    assert status == 200
    process = deployed["deployments"][0]["processDefinition"]
    assert (process["processDefinitionId"], process["processDefinitionVersion"]) == ("order", 1)
    created = await rest(
        "POST", "process-instances", {"processDefinitionKey": process["processDefinitionKey"], "variables": {"id": "A"}}
    )
    key = created["processInstanceKey"]
    job = await job_of(rest)
    assert (job["variables"], job["elementId"], job["processInstanceKey"]) == ({"id": "A"}, "pay", key)
    await rest("POST", f"jobs/{job['jobKey']}/completion", {"variables": {"paid": True}})
    sent = await rest("POST", "messages/correlation", {"name": "shipped", "correlationKey": "A"})
    assert sent["processInstanceKey"] == key
    found = await rest("GET", f"process-instances/{key}")
    assert (found["state"], found["processDefinitionName"], found["hasIncident"]) == ("COMPLETED", "An order", False)
    assert found["endDate"] >= found["startDate"]
    path = [
        (one["elementId"], one["type"], one["state"])
        for one in await rest.find("element-instances", processInstanceKey=key)
    ]
    assert ("pay", "SERVICE_TASK", "COMPLETED") in path
    variables = {one["name"]: one["value"] for one in await rest.find("variables", processInstanceKey=key)}
    assert variables == {"id": '"A"', "paid": "true"}


async def test_with_a_result(rest):
    await rest.deploy(short=f'{HEAD}<process id="p" isExecutable="true"><startEvent id="s"/></process></definitions>')
    command = {
        "processDefinitionId": "p",
        "awaitCompletion": True,
        "variables": {"a": 1, "b": 2},
        "fetchVariables": ["b"],
    }
    assert (await rest("POST", "process-instances", command))["variables"] == {"b": 2}


async def test_a_result_that_does_not_come_in_time(rest):
    await rest.deploy(order=ORDER)
    command = {"processDefinitionId": "order", "awaitCompletion": True, "requestTimeout": 50}
    assert (await rest("POST", "process-instances", command, status=504))["title"] == "GATEWAY_TIMEOUT"


async def test_a_failed_job_makes_an_incident_that_is_resolved(rest, order):
    job = await job_of(rest)
    await rest("POST", f"jobs/{job['jobKey']}/failure", {"retries": 0, "errorMessage": "no money"})
    (incident,) = await rest.find("incidents", processInstanceKey=order)
    assert (incident["errorType"], incident["errorMessage"], incident["elementId"]) == (
        "JOB_NO_RETRIES", "no money", "pay",
    )  # fmt: skip
    (instance,) = await rest.find("process-instances", hasIncident=True)
    assert instance["processInstanceKey"] == order
    (found,) = await rest.find("jobs", state="FAILED")
    assert (found["jobKey"], found["retries"]) == (job["jobKey"], 0)
    await rest("POST", f"incidents/{incident['incidentKey']}/resolution", status=409)
    await rest("PATCH", f"jobs/{job['jobKey']}", {"changeset": {"retries": 1}})
    await rest("POST", f"incidents/{incident['incidentKey']}/resolution", status=204)
    assert await rest.find("incidents") == []
    again = await job_of(rest)
    await rest("POST", f"jobs/{again['jobKey']}/error", {"errorCode": "X"})
    assert (await rest.find("incidents"))[0]["errorType"] == "UNHANDLED_ERROR_EVENT"


async def test_variables_are_set_and_an_instance_is_cancelled(rest, order):
    await rest("PUT", f"element-instances/{order}/variables", {"variables": {"n": 1}})
    (found,) = await rest.find("variables", name="n")
    assert (found["value"], found["scopeKey"]) == ("1", order)
    assert (await rest("GET", f"variables/{found['variableKey']}"))["name"] == "n"
    await rest("POST", f"process-instances/{order}/cancellation")
    assert (await rest("GET", f"process-instances/{order}"))["state"] == "TERMINATED"
    await rest("POST", f"process-instances/{order}/cancellation", status=404)


async def test_a_long_value_is_cut_unless_it_is_wanted_whole(rest, order):
    await rest("PUT", f"element-instances/{order}/variables", {"variables": {"long": "x" * 10_000}})
    (cut,) = await rest.find("variables", name="long")
    assert (len(cut["value"]), cut["isTruncated"]) == (8191, True)
    whole = await rest("POST", "variables/search?truncateValues=false", {"filter": {"name": "long"}})
    assert (len(whole["items"][0]["value"]), whole["items"][0]["isTruncated"]) == (10_002, False)


async def test_signals_and_messages(rest, order):
    assert (await rest("POST", "signals/broadcast", {"signalName": "all", "variables": {}}))["signalKey"]
    command = {"name": "shipped", "correlationKey": "A", "messageId": "1", "timeToLive": 60_000}
    assert (await rest("POST", "messages/publication", command))["messageKey"]
    await rest("POST", "messages/publication", command, status=409)
    nobody = await rest("POST", "messages/correlation", {"name": "unknown", "correlationKey": "A"}, status=404)
    assert "unknown" in nobody["detail"]


async def test_a_correlation_is_answered_even_if_the_engine_fails_at_the_step(rest, order, monkeypatch):
    await rest("POST", f"jobs/{(await job_of(rest))['jobKey']}/completion")

    def defect(*_):
        raise RuntimeError("a defect")

    monkeypatch.setattr(Flow, "_react", defect)
    command = {"name": "shipped", "correlationKey": "A"}
    assert (await rest("POST", "messages/correlation", command))["processInstanceKey"] == order
    (incident,) = await rest.find("incidents")
    monkeypatch.undo()
    await rest("POST", f"incidents/{incident['incidentKey']}/resolution")
    (found,) = await rest.find("process-instances")
    assert found["state"] == "COMPLETED"


async def test_a_correlation_that_nothing_decides_ends(rest, order, monkeypatch):
    monkeypatch.setattr(commands, "_CORRELATION", 0.05)
    monkeypatch.setattr(Correlation, "decided", False)
    late = await rest("POST", "messages/correlation", {"name": "shipped", "correlationKey": "A"}, status=504)
    assert "in time" in late["detail"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"processDefinitionId": "order"}, 3),
        ({"processDefinitionId": {"$like": "or*"}}, 3),
        ({"processDefinitionId": {"$neq": "order"}}, 0),
        ({"processDefinitionId": {"$in": ["order", "x"]}}, 3),
        ({"processDefinitionVersion": {"$gte": 1}, "state": "ACTIVE"}, 3),
        ({"processDefinitionId": {"$eq": "order", "$in": [], "$notIn": []}}, 3),
        ({"parentProcessInstanceKey": {"$exists": False}}, 3),
        ({"$or": [{"state": "COMPLETED"}, {"state": "ACTIVE"}]}, 3),
        ({"state": "COMPLETED"}, 0),
    ],
)
async def test_filters(rest, order, filters, found):
    for _ in range(2):
        await rest("POST", "process-instances", {"processDefinitionId": "order"})
    assert len(await rest.find("process-instances", **filters)) == found


async def test_pages_and_sorting(rest, order):
    for _ in range(4):
        await rest("POST", "process-instances", {"processDefinitionId": "order"})
    seen, after = [], None
    while True:
        page = {"limit": 2} | ({"after": after} if after else {})
        answer = await rest("POST", "process-instances/search", {"page": page})
        assert answer["page"]["totalItems"] == 5
        seen += [one["processInstanceKey"] for one in answer["items"]]
        after = answer["page"].get("endCursor")
        if len(answer["items"]) < 2:
            break
    assert len(set(seen)) == 5
    newest = {"sort": [{"field": "processInstanceKey", "order": "DESC"}], "page": {"limit": 1}}
    (last,) = (await rest("POST", "process-instances/search", newest))["items"]
    assert last["processInstanceKey"] == seen[-1]
    (second,) = (await rest("POST", "process-instances/search", {"page": {"from": 1, "limit": 1}}))["items"]
    assert second["processInstanceKey"] == seen[1]


@pytest.mark.parametrize("order", ["ASC", "DESC"])
async def test_no_page_skips_anything_because_items_of_the_last_are_gone(rest, order):
    await rest.deploy(order=ORDER)
    keys = [
        (await rest("POST", "process-instances", {"processDefinitionId": "order"}))["processInstanceKey"]
        for _ in range(5)
    ]
    sort = [{"field": "type"}, {"field": "processInstanceKey", "order": order}]
    seen, after, first = [], {}, None
    while found := await rest("POST", "jobs/search", {"sort": sort, "page": {"limit": 2, **after}}):
        if not found["items"]:
            break
        seen += [one["processInstanceKey"] for one in found["items"]]
        after, first = {"after": found["page"]["endCursor"]}, first or found["page"]["endCursor"]
        for one in found["items"][-1:]:  # the cursor's own item goes
            await rest("POST", f"jobs/{one['jobKey']}/completion", {})
    assert seen == sorted(keys, reverse=order == "DESC")
    before = await rest("POST", "jobs/search", {"sort": sort, "page": {"limit": 2, "before": first}})
    assert [one["processInstanceKey"] for one in before["items"]] == seen[:1]
    problem = await rest("POST", "jobs/search", {"page": {"after": first}}, status=400)
    assert "in this order" in problem["detail"]


@pytest.mark.parametrize(
    ("had", "pattern", "meant"),
    [
        ("a*b", r"a\*b", True),
        ("axb", r"a\*b", False),
        ("a?", r"?\?", True),
        ("ab", r"?\?", False),
        ("a\\b", r"a\b", True),
        ("a\\x", r"a\\*", True),
        ("a.b", "a?b", True),
        ("a\nb", "a*b", True),
        ("abcabc", "a*c", True),
        ("abcab", "a*c", False),
        ("aba", "ab*ba", False),
        ("abab", "*b?b*", True),
        ("ab", "**", True),
        ("", "*", True),
        ("", "?", False),
    ],
)
def test_wildcards_that_stand_for_themselves(had, pattern, meant):
    assert meets(had, {"$like": pattern}) is meant


def test_no_pattern_takes_long():
    began = time.process_time()
    assert not meets("a" * 8_000, {"$like": "*a" * 400 + "*b"})
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "process-instances/search", {"filter": {"nonsense": 1}}, 400, "nonsense"),
        ("POST", "process-instances/search", {"filter": {"state": {"$like": "*" * 1001}}}, 400, "1000 characters"),
        ("POST", "process-instances/search", {"filter": {"state": {"$near": 1}}}, 400, "$near"),
        ("POST", "process-instances/search", {"sort": [{"field": "nonsense"}]}, 400, "nonsense"),
        ("POST", "process-instances/search", {"page": {"limit": -1}}, 400, "page.limit"),
        ("POST", "process-instances/search", {"page": {"after": "???"}}, 400, "cursor"),
        ("POST", "process-instances/search", [1], 400, "JSON object"),
        ("POST", "process-instances", {}, 400, "processDefinitionId"),
        ("POST", "process-instances", {"processDefinitionId": "none"}, 404, "none"),
        ("POST", "process-instances", {"processDefinitionId": "order", "variables": [1]}, 400, "variables"),
        ("POST", "process-instances", {"processDefinitionId": "order", "tenantId": "t1"}, 400, "multi-tenancy"),
        ("GET", "process-instances/1", None, 404, "Process Instance with key '1' not found"),
        ("GET", "process-instances/abc", None, 400, "'abc' is not a valid number"),
        ("POST", "jobs/1/completion", {}, 404, "1"),
        ("PATCH", "jobs/1", {}, 400, "retries, timeout"),
        ("POST", "jobs/activation", {"type": "", "timeout": 1, "maxJobsToActivate": 1}, 400, "type"),
        ("POST", "incidents/1/resolution", None, 404, "1"),
        ("GET", "user-tasks/1", None, 404, "does not serve GET /v2/user-tasks/1"),
        ("DELETE", "topology", None, 405, "takes GET"),
        ("POST", "deployments", {}, 400, "multipart"),
    ],
)
async def test_problems_name_what_is_wrong(rest, order, method, path, body, status, words):
    problem = await rest(method, path, body, status=status)
    assert words in problem["detail"]
    assert problem["status"] == status


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"filters": {}}, "[filters]"),
        ({"filter": []}, "filter must be a JSON object"),
        ({"filter": {"processInstanceKey": [1]}}, "use $in"),
        ({"filter": {"processInstanceKey": {"$in": "1"}}}, "filter.processInstanceKey.$in must be a JSON list"),
        ({"filter": {"processInstanceKey": {"$gt": [1]}}}, "filter.processInstanceKey.$gt must be a single value"),
        ({"filter": {"$or": {}}}, "filter.$or must be a JSON list"),
        ({"filter": {"$or": [5]}}, "filter.$or[0] must be a JSON object"),
        ({"filter": {"$or": [{}, {"nonsense": 1}]}}, "[filter.$or[1].nonsense]"),
        ({"sort": "processInstanceKey"}, "sort must be a JSON list"),
        ({"sort": ["processInstanceKey"]}, "sort[0] must be a JSON object"),
        ({"sort": [{"field": ["processInstanceKey"]}]}, "[sort[0].field]"),
        ({"sort": [{"field": "processInstanceKey", "order": "down"}]}, "[sort[0].order]"),
        ({"page": 5}, "page must be a JSON object"),
        ({"page": {"size": 5}}, "[page.size]"),
        ({"page": {"limit": "5"}}, "page.limit"),
    ],
)
async def test_a_search_says_what_is_wrong_before_it_finds_anything(rest, wrong, words):
    """Also where there is nothing that could be found."""
    for what in ("process-instances", "element-instances", "jobs", "incidents", "variables", "message-subscriptions"):
        assert words in (await rest("POST", f"{what}/search", wrong, status=400))["detail"]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("process-instances", {"processDefinitionId": "order", "startInstructions": 5}, "startInstructions must be"),
        ("process-instances", {"processDefinitionId": "order", "startInstructions": ["pay"]}, "startInstructions[0]"),
        ("process-instances", {"processDefinitionId": "order", "fetchVariables": "id"}, "fetchVariables must be"),
        ("process-instances", {"processDefinitionId": "order", "requestTimeout": "soon"}, "requestTimeout"),
        ("process-instances", {"processDefinitionId": "order", "tenantId": ["a"]}, "multi-tenancy"),
        ("jobs/activation", {"type": "pay", "fetchVariable": [5]}, "fetchVariable[0] must be a text"),
        ("jobs/activation", {"type": "pay", "tenantIds": "<default>"}, "tenantIds must be a JSON list"),
    ],
)
async def test_a_command_says_what_is_wrong_and_does_nothing(rest, order, path, body, words):
    assert words in (await rest("POST", path, body, status=400))["detail"]
    assert len(await rest.find("process-instances")) == 1


@pytest.mark.parametrize(
    ("path", "kind", "content"),
    [
        ("deployments", "multipart/form-data; boundary=x", b"no parts"),
        ("deployments", "multipart/form-data", b"--x--"),
        ("deployments", "multipart/form-data; boundary=x", b"--x\r\nno head"),
        ("documents", "multipart/form-data; boundary=x", b"no parts"),
        ("messages/publication", "application/json", b'{"name": "\xff"}'),
        ("messages/publication", "application/json", b'{"name": "m", "variables": {"a": 1e999}}'),
        ("messages/publication", "application/json; charset=none", b'{"name": "m", "variables": {"a": NaN}}'),
        (
            "messages/publication",
            "application/json",
            b'{"name":"m","variables":{"a":' + b"[" * 400 + b"]" * 400 + b"}}",
        ),
    ],
)
async def test_a_body_that_cannot_be_read(engine, path, kind, content):
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{engine.rest_address}/v2/{path}", data=content, headers={"Content-Type": kind}) as answer,
    ):
        assert (answer.status, (await answer.json(content_type=None))["title"]) == (400, "INVALID_ARGUMENT")


async def test_a_name_of_undecodable_bytes_is_refused_and_nothing_else_suffers(engine, rest):
    head = b'Content-Disposition: form-data; name="resources"; filename="a\xff.bpmn"'
    part = b"--x\r\n" + head + b"\r\n\r\n" + ORDER.encode() + b"\r\n--x--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    async with rest.session.post(f"{engine.rest_address}/v2/deployments", data=part, headers=kind) as answer:
        assert (answer.status, "UTF-8" in (await answer.json(content_type=None))["detail"]) == (400, True)
    assert (await rest.deploy(order=ORDER))[0] == 200


async def test_a_deployment_is_refused_whole(rest):
    status, problem = await rest.deploy(good=ORDER, bad="<no/>")
    assert status == 400
    assert "bad.bpmn" in problem["detail"]
    assert await rest.find("process-definitions") == []


async def test_definitions_and_their_diagrams(rest):
    await rest.deploy(order=ORDER)
    await rest.deploy(order=ORDER.replace("An order", "A new order"))
    assert [one["version"] for one in await rest.find("process-definitions")] == [1, 2]
    (latest,) = await rest.find("process-definitions", isLatestVersion=True)
    assert (latest["name"], latest["resourceName"]) == ("A new order", "order.bpmn")
    async with aiohttp.ClientSession() as session:
        address = f"{rest.address}/v2/process-definitions/{latest['processDefinitionKey']}/xml"
        async with session.get(address) as answer:
            assert answer.content_type == "text/xml"
            assert await answer.text() == ORDER.replace("An order", "A new order")


async def test_the_runtime_finds_what_waits_in_deployed_processes(rest, engine, order):
    """The latest version's elements, and those of an old one for which an instance waits."""
    job = await job_of(rest)
    await rest("POST", f"jobs/{job['jobKey']}/completion")
    await rest.deploy(order=ORDER.replace('id="ship"', 'id="sent"').replace('"ship"', '"sent"'))
    clients = ClientCache()
    try:
        found = await DeployedProcesses(engine.rest_address, clients).read()
    finally:
        await clients.aclose()
    assert found.problems == []
    assert {element.id for element in found.elements} == {"ship", "sent"}


def cluster_documents(engine, directory, clients):
    """The runtime's store of documents in the cluster."""
    return ClusterDocuments(engine.rest_address, directory / "documents", clients=clients)


async def test_the_runtime_keeps_its_documents_there(engine, tmp_path):
    clients = ClientCache()
    documents = cluster_documents(engine, tmp_path, clients)
    try:
        made = await documents.create(b"\0\1\2", name="a.bin", content_type="application/x-thing")
        read = await documents.read(made, seconds=5)
        assert (read.data, read.name, read.content_type) == (b"\0\1\2", "a.bin", "application/x-thing")
        link = await documents.link(made, life=60, seconds=5)
        async with aiohttp.ClientSession() as session, session.get(link) as answer:
            assert await answer.read() == b"\0\1\2"
        async with aiohttp.ClientSession() as session:
            where = f"{engine.rest_address}/v2/documents/{made.reference['documentId']}"
            assert (await session.delete(where)).status == 204
        with pytest.raises(ConnectorError, match="no such document") as caught:
            await documents.read(made, seconds=5)
        assert caught.value.code == "DOCUMENT_NOT_FOUND"
    finally:
        await clients.aclose()


async def test_documents_outlive_the_engine_that_has_a_state(tmp_path):
    async with LocalEngine(tmp_path / "state.sqlite") as engine:
        clients = ClientCache()
        made = await cluster_documents(engine, tmp_path, clients).create(b"kept", name="k.txt")
        await clients.aclose()
    async with LocalEngine(tmp_path / "state.sqlite") as engine:
        clients = ClientCache()
        assert (await cluster_documents(engine, tmp_path, clients).read(made, seconds=5)).data == b"kept"
        await clients.aclose()


async def test_any_id_names_one_document(tmp_path):
    documents = DocumentStore(tmp_path)
    ids = ["a", "a.json", "\N{GRINNING FACE}" * 200, "nul\0"]
    for number, identity in enumerate(ids):
        documents.create(bytes([number]), {}, identity)
    assert [documents.read(identity, None, None).content for identity in ids] == [b"\0", b"\1", b"\2", b"\3"]


async def test_a_poll_waits_for_a_job_and_ends_when_there_is_none(rest):
    await rest.deploy(order=ORDER)
    command = {"type": "pay", "worker": "w", "timeout": 60_000, "maxJobsToActivate": 1}
    began = time.monotonic()
    assert (await rest("POST", "jobs/activation", {**command, "requestTimeout": 200}))["jobs"] == []
    assert time.monotonic() - began > 0.15
    assert (await rest("POST", "jobs/activation", {**command, "requestTimeout": -1}))["jobs"] == []
    waiting = asyncio.create_task(rest("POST", "jobs/activation", {**command, "requestTimeout": 20_000}))
    await asyncio.sleep(0.1)
    await rest("POST", "process-instances", {"processDefinitionId": "order"})
    assert len((await waiting)["jobs"]) == 1


async def test_a_worker_that_hangs_up_takes_no_job(engine, rest):
    await rest.deploy(order=ORDER)
    command = {"type": "pay", "worker": "gone", "timeout": 60_000, "maxJobsToActivate": 1, "requestTimeout": 20_000}
    waiting = asyncio.create_task(rest("POST", "jobs/activation", command))
    await until(lambda: engine.host._waiting)
    waiting.cancel()
    await until(lambda: not engine.host._waiting, within=3)
    await rest("POST", "process-instances", {"processDefinitionId": "order"})
    assert (await job_of(rest))["worker"] == "w"


@pytest.mark.parametrize(
    ("ahead", "zone", "form"),
    [(0, 0, "milliseconds"), (0, 2, "milliseconds"), (0, -7, "microseconds"), (1, 0, "seconds"), (1, 5, "seconds")],
)
async def test_dates_are_compared_as_moments(rest, order, ahead, zone, form):
    started = datetime.fromisoformat((await rest("GET", f"process-instances/{order}"))["startDate"])
    end = (started.replace(microsecond=0) if ahead else started) + timedelta(seconds=ahead)
    text = end.astimezone(timezone(timedelta(hours=zone))).isoformat(timespec=form)
    assert len(await rest.find("process-instances", startDate={"$lt": text})) == ahead
    assert len(await rest.find("process-instances", startDate={"$gte": text})) == 1 - ahead
    assert len(await rest.find("process-instances", startDate=text)) == 1 - ahead
    assert len(await rest.find("process-instances", startDate={"$in": [text]}, endDate={"$exists": False})) == 1 - ahead


@pytest.mark.parametrize("wrong", ["yesterday", 5, {"$gt": "2030-13-01T00:00:00Z"}, {"$in": ["x"]}, {"$like": "2030*"}])
async def test_a_date_that_is_none_is_refused(rest, wrong):
    problem = await rest("POST", "process-instances/search", {"filter": {"startDate": wrong}}, status=400)
    assert "filter.startDate" in problem["detail"]


async def test_instances_are_found_by_what_is_inside_them(rest, order):
    job = await job_of(rest)
    other = (
        await rest("POST", "process-instances", {"processDefinitionId": "order", "variables": {"id": "B", "n": 1}})
    )["processInstanceKey"]
    await rest("POST", f"jobs/{job['jobKey']}/failure", {"retries": 0, "errorMessage": "no money"})

    async def found(**filters):
        return [one["processInstanceKey"] for one in await rest.find("process-instances", **filters)]

    assert await found(variables=[{"name": "id", "value": '"A"'}]) == [order]
    assert await found(variables=[{"name": "id", "value": {"$like": '"?"'}}]) == [order, other]
    assert await found(variables=[{"name": "id", "value": '"B"'}, {"name": "n", "value": "2"}]) == []
    assert await found(elementId="pay") == [order, other]
    assert await found(elementId="begin", elementInstanceState="ACTIVE") == []
    assert await found(elementId="pay", hasElementInstanceIncident=True) == [order]
    assert await found(errorMessage={"$like": "*money"}) == [order]
    for wrong in (
        {"variables": {}},
        {"variables": [{"name": "n"}]},
        {"variables": [{"value": "1"}]},
        {"elementId": []},
    ):
        await rest("POST", "process-instances/search", {"filter": wrong}, status=400)


async def test_what_happened_in_one_instance(rest):
    caller = (
        f'{HEAD}<process id="caller" isExecutable="true"><startEvent id="s"/><sequenceFlow id="f" sourceRef="s" '
        'targetRef="c"/><callActivity id="c"><extensionElements><zeebe:calledElement processId="order"/>'
        "</extensionElements></callActivity></process></definitions>"
    )
    await rest.deploy(order=ORDER, caller=caller)
    key = (await rest("POST", "process-instances", {"processDefinitionId": "caller"}))["processInstanceKey"]
    job = await job_of(rest)
    called = job["processInstanceKey"]
    await rest("POST", f"jobs/{job['jobKey']}/failure", {"retries": 0})
    (call,) = await rest.find("element-instances", elementId="c")
    for path in (
        f"process-instances/{key}", f"process-instances/{called}", f"element-instances/{call['elementInstanceKey']}",
        f"element-instances/{job['elementInstanceKey']}",
    ):  # fmt: skip
        (incident,) = (await rest("POST", f"{path}/incidents/search", {}))["items"]
        assert (incident["processInstanceKey"], incident["elementId"]) == (called, "pay")
    passed = (await rest("GET", f"process-instances/{called}/statistics/element-instances"))["items"]
    assert passed == [
        {"elementId": "begin", "active": 0, "canceled": 0, "incidents": 0, "completed": 1},
        {"elementId": "pay", "active": 0, "canceled": 0, "incidents": 1, "completed": 0},
    ]
    callers = await rest("GET", f"process-instances/{called}/call-hierarchy")
    assert [one["processInstanceKey"] for one in callers] == [key, called]
    for path in ("process-instances/1/incidents/search", "element-instances/1/incidents/search"):
        await rest("POST", path, {}, status=404)
    await rest("GET", "process-instances/1/call-hierarchy", status=404)


@pytest.mark.parametrize("nothing", [{}, [], False])
async def test_what_is_empty_is_still_of_the_wrong_type(rest, order, nothing):
    job = (await job_of(rest))["jobKey"]
    for path, field in (
        ("messages/publication", "messageId"), ("messages/publication", "timeToLive"),
        ("process-instances", "processDefinitionVersion"), (f"jobs/{job}/failure", "errorMessage"),
        (f"jobs/{job}/failure", "retries"),
    ):  # fmt: skip
        body = {"name": "m", "processDefinitionId": "order", "retries": 1, field: nothing}
        assert field in (await rest("POST", path, body, status=400))["detail"]
    wrong = {"variables": {}, "local": "no"}
    assert "local" in (await rest("PUT", f"element-instances/{order}/variables", wrong, status=400))["detail"]


async def test_numbers_that_are_too_large(rest, order):
    (job,) = await rest.find("jobs")
    for method, path, body in (
        ("POST", f"jobs/{job['jobKey']}/failure", {"retries": 2**31}),
        ("PATCH", f"jobs/{job['jobKey']}", {"changeset": {"retries": 2**31}}),
        ("POST", "messages/publication", {"name": "m", "timeToLive": 2**63}),
        ("POST", f"process-instances/{2**63}/cancellation", None),
    ):
        assert "bits" in (await rest(method, path, body, status=400))["detail"]
    command = {"type": "pay", "worker": "w", "timeout": 2**62, "maxJobsToActivate": 1}
    assert len((await rest("POST", "jobs/activation", command))["jobs"]) == 1
    assert [one["deadline"] for one in await rest.find("jobs")] == ["9999-12-31T23:59:59.999Z"]


async def test_an_update_that_is_refused_changes_nothing(rest, order):
    (job,) = await rest.find("jobs")
    both = {"changeset": {"retries": 9, "timeout": 1_000}}
    await rest("PATCH", f"jobs/{job['jobKey']}", both, status=409)  # no worker has it, so it has no timeout
    assert [one["retries"] for one in await rest.find("jobs")] == [2]
    await job_of(rest)
    await rest("PATCH", f"jobs/{job['jobKey']}", {"changeset": {"retries": 0, "timeout": 1}}, status=400)
    await rest("PATCH", f"jobs/{job['jobKey']}", both)
    assert [one["retries"] for one in await rest.find("jobs")] == [9]


async def test_several_documents_at_once(engine, rest):
    async def create(*names, metadata):
        form = aiohttp.FormData()
        for name in names:
            form.add_field("files", name.encode(), filename=name, content_type="text/plain")
        form.add_field("metadataList", json.dumps(metadata), content_type="application/json")
        async with rest.session.post(f"{engine.rest_address}/v2/documents/batch", data=form) as answer:
            return answer.status, await answer.json(content_type=None)

    status, found = await create("a", "b", metadata=[{}, {"fileName": "c"}])
    assert (status, found["failedDocuments"]) == (201, [])
    assert [one["metadata"]["fileName"] for one in found["createdDocuments"]] == ["a", "c"]
    status, found = await create("a", "b", metadata=[{}, {"expiresAt": "soon"}])
    assert (status, len(found["createdDocuments"]), found["failedDocuments"][0]["fileName"]) == (207, 1, "b")
    assert (await create("a", metadata=[{}, {}]))[0] == 400
    assert (await create(metadata=[]))[0] == 400
