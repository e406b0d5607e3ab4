"""Metrics by connector, code, provider and source; a dashboard that asks only for what there is; probes; log lines."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.admin.world import CANARY, World
from tests.waiting import until

from zeebe_connectors import Context, Model, outbound
from zeebe_connectors.admin.metrics import PrometheusMetrics
from zeebe_connectors.admin.server import AdminServer
from zeebe_connectors.cli.log_setup import _Masked
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.record import MAX_CODES
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing import FakeGateway

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana-dashboard.json"
_ADDED = {"job", "instance", "le"}  # by Prometheus, and of histograms


async def read(world: World) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Labels and value of each sample, by name; a family without samples is there too."""
    async with aiohttp.ClientSession(world.url) as session, session.get("/metrics") as answer:
        text = await answer.text()
    assert CANARY not in text
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found.setdefault(name, [])
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


async def test_what_is_counted_and_the_dashboard_that_shows_it(tmp_path):
    async with World(tmp_path) as world:
        headers = {"connection": "provider", "provider": "erp", "resultVariable": "r"}
        world.gateway.put("io.camunda:http-json:1", {"url": "stock", "method": "GET"}, headers)
        await until(lambda: "rest" in world.runtime.record.by_connector)
        world.runtime.record.metrics("rest", None).answered(Job(1, "t"), _failed("RESPONSE_TOO_LARGE"), 0.1)
        found = await read(world)

    def value(name: str, **labels: str) -> float:
        return next(number for has, number in found[name] if labels.items() <= has.items())

    assert value("zeebe_connectors_jobs_total", connector="order", outcome="incident") == 31
    assert value("zeebe_connectors_jobs_total", connector="rest", outcome="completed") == 1
    assert value("zeebe_connectors_failures_total", connector="order", code="503") == 30
    assert value("zeebe_connectors_budget_refusals_total", connector="rest", code="RESPONSE_TOO_LARGE") == 1
    assert value("zeebe_connectors_provider_granted_total", provider="erp", environment="test") == 1
    assert value("zeebe_connectors_slots", type="test:order:1") > 0
    assert value("zeebe_connectors_source_up", source="box 0000#/x") == 1
    assert value("zeebe_connectors_source_up", source="box 0001#/x") == 0
    assert value("zeebe_connectors_oldest_job_seconds", type="test:order:1") == 0
    assert (
        abs(value("camunda_connector_outbound_last_completed", type="io.camunda:http-json:1") / 1000 - time.time()) < 60
    )
    assert value("camunda_connector_outbound_max_execution_time", type="io.camunda:http-json:1") > 0
    assert value("camunda_connector_inbound_last_activated", type="test:box:1") > 1e12

    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    seen: set[str] = set()
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            expression = target["expr"]
            names = set(re.findall(r"\b(?:camunda_connector|zeebe_connectors)_\w+", expression))
            assert names
            seen |= names
            labels = set(re.findall(r"[{,]\s*(\w+)\s*=", expression)) | {
                name.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for name in group.split(",")
            }
            labels |= set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            for name in names:
                assert name in found, f"{panel['title']}: there is no metric {name}"
                known = set().union(*(has for has, _ in found[name])) | _ADDED
                assert not found[name] or labels <= known, f"{panel['title']}: {name} has no label {labels - known}"
    ours = {name for name in found if name.startswith("zeebe_connectors") and not name.endswith(("_created", "_info"))}
    assert len(seen & ours) > 15


def _failed(code: str) -> Any:
    from zeebe_connectors.runtime.outbound.outcome import Fail  # noqa: PLC0415 - a word of another room

    return Fail("too much", 0, code=code)


def test_codes_are_bounded():
    """A task's error expression may make any number of them."""
    from zeebe_connectors.runtime.record import JobRecord  # noqa: PLC0415 - as above

    record = JobRecord()
    counted = record.metrics("rest", None)
    for number in range(MAX_CODES + 50):
        counted.answered(Job(number, "t"), _failed(f"E{number}"), 0.1)
    assert len(record.failures) == MAX_CODES + 1
    assert record.failures["rest", "other"] == 50


class Nothing(Model):
    pass


@outbound("deaf", title="Deaf", type="test:deaf:1", template=False)
async def deaf(given: Nothing, context: Context) -> None:
    """Never ends, whatever it is told."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            if _release:
                raise


_release: list[bool] = []


async def test_life_fails_when_jobs_are_taken_and_none_ends(tmp_path):
    _release.clear()
    settings = {
        "ZEEBE_CONNECTORS_DATA": str(tmp_path),
        "CONNECTOR_DEAF_TIMEOUT": "300",
        "ZEEBE_CONNECTORS_GRACE": "0.1",
    }
    environment = Environment(("environment", settings))
    gateway = FakeGateway()
    runtime = Runtime(Settings.read(environment), Registry([deaf]), gateway, environment=environment)
    runtime.start()
    gateway.put("test:deaf:1", {})
    try:
        await until(lambda: runtime.workers[0].liveness().in_flight)
        assert runtime.is_alive()
        await until(lambda: runtime.workers[0].liveness().overdue >= 0.2)
        assert runtime.workers[0].liveness().oldest > 0.2
        assert runtime.is_alive()
        assert not runtime.is_alive(silent_after=0.1)
    finally:
        _release.append(True)
        await runtime.drain()


async def test_life_fails_when_nobody_watches_the_sources_any_more(tmp_path):
    async with World(tmp_path, sources=3, jobs=0, quarantined=0, providers=0) as world:
        sources = world.runtime.sources
        async with aiohttp.ClientSession(world.url) as session:
            watches = list(sources.watches.values())
            assert not sources.is_dead()  # one is down, which a restart would not mend
            for watch in watches[:2]:
                watch._contact_deadline = time.monotonic() - 3600
                watch.status = "UP"
            async with session.get("/health/live") as answer:
                assert answer.status == 200
            watches[2]._task.cancel()
            await asyncio.wait([watches[2]._task])
            async with session.get("/health/live") as answer:
                assert (answer.status, await answer.json()) == (503, {"status": "DOWN"})


@pytest.mark.parametrize("with_provider", [True, False])
async def test_lines_as_json_say_which_job_they_are_of(tmp_path, with_provider):
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Kept()
    handler.setFormatter(_Masked(Mask(), as_json=True))
    log = logging.getLogger("zeebe_connectors")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        async with World(tmp_path, jobs=0, quarantined=0) as world:
            headers = {"connection": "provider", "provider": "erp"} if with_provider else {}
            url = "stock" if with_provider else world.service.url("/stock")
            kind = "io.camunda:http-json:1"
            key = world.gateway.put(kind, {"url": url, "method": "GET"}, headers, element="ask")
            await until(lambda: world.runtime.record.totals["completed"])
            await asyncio.sleep(0.05)
    finally:
        log.removeHandler(handler)
    found = [json.loads(line) for line in lines]
    one = next(line for line in found if line["message"].startswith("job ") and "completed" in line["message"])
    assert {name: one.get(name) for name in ("process", "instance", "element", "type", "provider")} == {
        "process": "process",
        "instance": str(key + 1_000_000),
        "element": "ask",
        "type": kind,
        "provider": "erp" if with_provider else None,
    }
    assert one["job"] == str(key)
    assert any(line.get("source") == "box 0001#/x" and "DOWN" in line["message"] for line in found)
    assert not any("job" in line for line in found if line["logger"].startswith("zeebe_connectors.admin"))


async def test_startup_ends_when_every_worker_was_answered(tmp_path):
    environment = Environment(("environment", {"ZEEBE_CONNECTORS_DATA": str(tmp_path)}))
    gateway = FakeGateway()
    gateway.stop()
    metrics = PrometheusMetrics()
    runtime = Runtime(Settings.read(environment), Registry([deaf]), gateway, environment=environment, metrics=metrics)
    server = AdminServer(runtime, metrics, host="127.0.0.1", port=0)
    await server.start()
    runtime.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
            statuses = {}
            for probe in ("startup", "ready", "live"):
                async with session.get(f"/health/{probe}") as answer:
                    statuses[probe] = answer.status
            assert statuses == {"startup": 503, "ready": 503, "live": 200}
    finally:
        await server.aclose()
        await runtime.drain()
