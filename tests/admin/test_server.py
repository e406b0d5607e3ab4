"""Health and metrics say what the runtime does, under the official runtime's names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from tests.admin.serving import served
from tests.waiting import until

from zeebe_connectors import ConnectorError, Context, Event, InboundContext, Model, Secret, inbound, outbound
from zeebe_connectors.admin.exposition import Exposition
from zeebe_connectors.admin.metrics import PrometheusMetrics
from zeebe_connectors.admin.server import AdminServer
from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.gateway import Activation
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing import FakeGateway

CANARY = "CANARY-5eCr3t"


class Order(Model):
    token: Secret = Secret("")
    fail: bool = False


@outbound("order", title="Order", type="test:order:1")
async def order(given: Order, context: Context) -> str:
    """Orders."""
    if given.fail:
        raise ConnectorError("E", f"refused {given.token.reveal()}")
    return "done"


@pytest.fixture
async def running(tmp_path):
    async with (
        served(tmp_path, Registry([order]), SECRET_T=CANARY) as found,
        aiohttp.ClientSession(found.url) as session,
    ):
        yield found.gateway, found.runtime, session


async def answered(gateway: Any, count: int) -> list[Any]:
    async with asyncio.timeout(10):
        while True:
            answers = [c for c in gateway.commands if c.name in {"complete", "fail", "throw"}]
            if len(answers) >= count:
                return answers
            await asyncio.sleep(0.01)


async def test_health_and_metrics_follow_the_jobs(running: Any) -> None:
    """Activated, completed, failed; the time that it took; no secret anywhere."""
    gateway, _, session = running
    headers = {"elementTemplateId": "tpl", "elementTemplateVersion": "3", "resultVariable": "r"}
    gateway.put("test:order:1", {}, headers)
    gateway.put("test:order:1", {"fail": True, "token": "{{secrets.T}}"}, headers, retries=1)
    answers = await answered(gateway, 2)
    assert {command.name for command in answers} == {"complete", "fail"}
    assert "refused ***" in repr(answers)
    assert CANARY not in repr(answers)
    async with session.get("/health") as response:
        health = await response.json()
        assert (response.status, health["status"]) == (200, "UP")
    async with session.get("/actuator/prometheus") as response:
        text = await response.text()
    labels = 'elementTemplateId="tpl",elementTemplateVersion="3",type="test:order:1"'
    for action, count in (("activated", 2), ("completed", 1), ("failed", 1)):
        assert f'camunda_connector_outbound_invocations_total{{action="{action}",{labels}}} {count}.0' in text
    assert f"camunda_connector_outbound_execution_time_seconds_count{{{labels}}} 2.0" in text
    assert CANARY not in text + json.dumps(health)


async def test_health_is_down_when_the_engine_is_silent(running: Any) -> None:
    """A worker that hears nothing is not alive, however long the process runs."""
    _, runtime, _ = running
    await asyncio.sleep(0.1)
    assert runtime.health()["status"] == "UP"
    assert runtime.health(silent_after=-1)["status"] == "DOWN"


async def test_a_runtime_whose_cluster_is_away_is_not_killed(running: Any) -> None:
    """It is not ready, but alive: a restart would lose the outcomes that wait to be told, and bring nothing."""
    gateway, runtime, session = running
    await asyncio.sleep(0.1)
    assert not runtime.is_alive(silent_after=-1)  # neither an answer nor an error: stuck
    gateway.stop()
    await until(lambda: next(iter(runtime.liveness().values())).last_error, within=30)
    assert runtime.is_alive(silent_after=-1)
    async with session.get("/actuator/health/liveness") as response:
        assert (response.status, await response.json()) == (200, {"status": "UP"})


async def test_health_is_down_after_the_drain(running: Any) -> None:
    """So that a load balancer looks elsewhere."""
    _, runtime, session = running
    await runtime.drain()
    async with session.get("/actuator/health/readiness") as response:
        assert response.status == 503


@inbound("box", title="Box", type="test:box:1")
async def box(given: Order, context: InboundContext) -> AsyncIterator[Event]:
    """Yields three events, then waits."""
    if given.fail:
        raise ConnectorError("E", "the box is shut")
    context.report(None)
    for number, word in enumerate(("wanted", "bad", "other")):
        yield Event(f"box/1/{number}", {"word": word})
    context.report(None)
    await asyncio.sleep(3600)


async def test_events_of_sources_are_counted_by_what_became_of_them(tmp_path: Any) -> None:
    """Under the official names; sources by how they are."""
    condition = "activationCondition = '=word != \"other\"'\n"
    expression = "resultExpression = '=if word = \"bad\" then 5 else {word: word}'\n"
    (tmp_path / "sources.toml").write_text(
        f'[good]\ntype = "test:box:1"\nmessage = "m"\n{condition}{expression}'
        '[shut]\ntype = "test:box:1"\nmessage = "m"\nfail = true\n'
    )
    settings = {"ZEEBE_CONNECTORS_DATA": str(tmp_path), "ZEEBE_CONNECTORS_SOURCES": str(tmp_path / "sources.toml")}
    environment = Environment(("test", settings))
    metrics = PrometheusMetrics()
    runtime = Runtime(
        Settings.read(environment),
        Registry([order, box]),
        FakeGateway(),
        environment=environment,
        source_metrics=metrics,
    )
    runtime.start()

    def value(line: str) -> float:
        return next(
            (
                float(text[len(line) :])
                for text in Exposition(metrics).text().decode().splitlines()
                if text.startswith(line)
            ),
            0,
        )

    watches = runtime.sources.watches
    await until(lambda: watches and watches["good"].counts.total() >= 3 and watches["shut"].status == "DOWN")
    counts = {"triggered": 3, "correlated": 1, "correlation-failed": 1, "activation-condition-failed": 1}
    for action, count in counts.items():
        labels = f'{{action="{action}",source="good",type="test:box:1"}} '
        assert value("camunda_connector_inbound_triggers_total" + labels) == count
    activations = "camunda_connector_inbound_activations_total"
    assert value(f'{activations}{{action="activated",source="good",type="test:box:1"}} ') == 1
    assert value(f'{activations}{{action="activation-failed",source="shut",type="test:box:1"}} ') >= 1
    assert value('zeebe_connectors_sources{status="UP"} ') == 1
    assert value('zeebe_connectors_sources{status="DOWN"} ') == 1
    await runtime.drain()
    assert value(f'{activations}{{action="deactivated",source="good",type="test:box:1"}} ') == 1
    assert value('zeebe_connectors_sources{status="UP"} ') == 0


@inbound("telltale", title="Telltale", type="test:telltale:1")
async def telltale(given: Order, context: InboundContext) -> AsyncIterator[Event]:
    """Says its secret when it ends."""
    context.report(f"the server quoted {given.token.reveal()}")
    if given.fail:
        raise RuntimeError(given.token.reveal())
    await asyncio.sleep(3600)
    yield Event("never")


@pytest.mark.parametrize("fail", ["true", "false"])
async def test_how_a_source_is_holds_no_secret(tmp_path: Any, caplog: Any, fail: str) -> None:
    """Neither one of the operator's nor a password that stands in the diagram; health asks for no token."""
    (tmp_path / "sources.toml").write_text(
        f'[one]\ntype = "test:telltale:1"\nmessage = "m"\nfail = {fail}\ntoken = "{{{{secrets.T}}}}"\n'
        f'[two]\ntype = "test:telltale:1"\nmessage = "m"\nfail = {fail}\ntoken = "{CANARY}-2"\n'
    )
    settings = {"ZEEBE_CONNECTORS_DATA": str(tmp_path), "ZEEBE_CONNECTORS_SOURCES": str(tmp_path / "sources.toml")}
    environment = Environment(("test", settings | {"SECRET_T": CANARY}))
    runtime = Runtime(Settings.read(environment), Registry([telltale]), FakeGateway(), environment=environment)
    runtime.start()
    watches = runtime.sources.watches
    await until(lambda: len(watches) == 2 and all(one.reason is not None for one in watches.values()))
    text = json.dumps(runtime.health())
    assert "***" in text
    assert CANARY not in text + caplog.text
    await runtime.drain()


async def test_a_runtime_may_have_sources_only(tmp_path: Any) -> None:
    """Its health is that of its sources."""
    (tmp_path / "sources.toml").write_text('[good]\ntype = "test:box:1"\nmessage = "m"\n')
    settings = {"ZEEBE_CONNECTORS_DATA": str(tmp_path), "ZEEBE_CONNECTORS_SOURCES": str(tmp_path / "sources.toml")}
    environment = Environment(("test", settings))
    runtime = Runtime(Settings.read(environment), Registry([box]), FakeGateway(), environment=environment)
    assert not runtime.workers
    runtime.start()
    await until(lambda: "good" in runtime.sources.watches and runtime.sources.watches["good"].status == "UP")
    assert runtime.health()["status"] == "UP"
    assert runtime.is_alive()
    await runtime.drain()


def test_labels_of_sources_are_bounded() -> None:
    """A cluster with thousands of processes does not fill the memory."""
    metrics = PrometheusMetrics()
    for number in range(2000):
        metrics.trigger("triggered", type="t", source=str(number))
    text = Exposition(metrics).text().decode()
    assert text.count("camunda_connector_inbound_triggers_total{") == 501
    assert 'camunda_connector_inbound_triggers_total{action="triggered",source="other",type="t"} 1500.0' in text


def test_labels_are_bounded() -> None:
    """A cluster with thousands of templates does not fill the memory."""
    metrics = PrometheusMetrics()
    for number in range(2000):
        metrics.activated(Job(number, "t", headers={"elementTemplateId": str(number)}))
    assert Exposition(metrics).text().count(b"camunda_connector_outbound_invocations_total{") <= 501


async def test_the_worker_asks_for_the_models_variables_only() -> None:
    """Large variables that nobody reads stay in the engine."""
    polls: list[Activation] = []

    class Listening(FakeGateway):
        async def activate(self, activation: Activation, *, max_jobs: int, wait: float) -> Any:
            polls.append(activation)
            return await super().activate(activation, max_jobs=max_jobs, wait=wait)

    environment = Environment(("test", {}))
    runtime = Runtime(Settings.read(environment), Registry([order]), Listening(), environment=environment)
    runtime.start()
    await asyncio.sleep(0.05)
    await runtime.drain()
    assert list(polls[0].variables) == ["token", "fail"]


async def test_two_connectors_must_not_take_the_same_jobs() -> None:
    """A job would be done by either, by chance."""

    @outbound("again", title="Again", type="test:again:1")
    async def again(given: Order, context: Context) -> str:
        """Orders again."""
        return "done"

    environment = Environment(("test", {"CONNECTOR_AGAIN_TYPE": "test:order:1"}))
    with pytest.raises(SettingsError, match=r"CONNECTOR_AGAIN_TYPE.*order and again"):
        Runtime(Settings.read(environment), Registry([order, again]), FakeGateway(), environment=environment)


async def probes(session: aiohttp.ClientSession) -> dict[str, int]:
    found = {}
    for name in ("live", "ready", "startup"):
        async with session.get(f"/health/{name}") as response:
            assert (response.status == 200) == ((await response.json())["status"] == "UP")
            found[name] = response.status
    return found


async def test_probes_follow_start_work_and_drain(running: Any) -> None:
    """Each probe is for another question."""
    _, runtime, session = running
    async with asyncio.timeout(10):
        while (await probes(session))["startup"] != 200:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.02)
    assert await probes(session) == {"live": 200, "ready": 200, "startup": 200}
    await runtime.drain()
    assert await probes(session) == {"live": 200, "ready": 503, "startup": 200}


async def test_a_source_that_is_down_does_not_make_the_runtime_unready(tmp_path: Any) -> None:
    """Its jobs are done all the same."""
    (tmp_path / "sources.toml").write_text('[shut]\ntype = "test:box:1"\nmessage = "m"\nfail = true\n')
    settings = {"ZEEBE_CONNECTORS_DATA": str(tmp_path), "ZEEBE_CONNECTORS_SOURCES": str(tmp_path / "sources.toml")}
    environment = Environment(("test", settings))
    runtime = Runtime(Settings.read(environment), Registry([order, box]), FakeGateway(), environment=environment)
    server = AdminServer(runtime, PrometheusMetrics(), host="127.0.0.1", port=0)
    runtime.start()
    await server.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session, asyncio.timeout(10):
            await until(lambda: runtime.health()["inbound"]["status"] == "DOWN")
            while (await probes(session))["startup"] != 200:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.02)
            assert await probes(session) == {"live": 200, "ready": 200, "startup": 200}
            async with session.get("/health") as response:
                assert response.status == 503
    finally:
        await server.aclose()
        await runtime.drain()
