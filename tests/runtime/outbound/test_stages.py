"""Where a job's time went, from the handler to the record."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.waiting import until

from zeebe_connectors import ConnectorError, Context, Model, outbound
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.outbound.stages import STEPS, Stages
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing import FakeGateway


class Given(Model):
    fail: bool = False
    number: int = 0


@outbound("slow", title="Slow", type="test:slow:1")
async def slow(given: Given, context: Context) -> dict[str, int]:
    """Takes a while."""
    await asyncio.sleep(0.05)
    if given.fail:
        raise ConnectorError("NO", "no")
    return {"a": 1}


def test_what_did_not_happen_took_no_time() -> None:
    assert Stages(1.0, 2.0, 4.0, 7.0, 8.0).seconds(10.0) == (1.0, 2.0, 3.0, 1.0, 2.0)
    assert Stages(began=1.0, ended=4.0).seconds(5.0) == (3.0, 0.0, 0.0, 0.0, 1.0)
    assert Stages(began=1.0, answered=3.0, ended=4.0).seconds(5.0) == (2.0, 0.0, 0.0, 1.0, 1.0)
    assert len(STEPS) == 5


@pytest.mark.parametrize(
    ("variables", "outcome", "slowest"),
    [({}, "completed", "call"), ({"fail": True}, "incident", "call"), ({"number": "x"}, "incident", "")],
)
async def test_a_job_s_stages_are_remembered(tmp_path, variables, outcome, slowest):
    environment = Environment(("environment", {"ZEEBE_CONNECTORS_DATA": str(tmp_path)}))
    gateway = FakeGateway()
    runtime = Runtime(Settings.read(environment), Registry([slow]), gateway, environment=environment)
    runtime.start()
    try:
        key = gateway.put("test:slow:1", variables, retries=1, headers={"resultExpression": "={a: a}"})
        await until(lambda: runtime.record.totals[outcome])
        found = runtime.record.tries(key if isinstance(key, int) else next(iter(runtime.record.jobs())).key)[0]
        steps = dict(zip(STEPS, found.steps, strict=True))
        assert all(0 <= seconds < 5 for seconds in steps.values())
        assert steps["turn"] == 0
        assert (steps["call"] >= 0.045) == (slowest == "call")
        assert sum(found.steps[:4]) == pytest.approx(found.seconds, abs=0.02)
    finally:
        await runtime.drain()


async def test_waiting_for_the_connector_belongs_to_the_first_stage(tmp_path):
    """The first job's way shows what it waited for, as the first call of a connector imports its libraries."""

    class Later(dict):
        def __getitem__(self, name):
            time.sleep(0.05)
            return super().__getitem__(name)

    environment = Environment(("environment", {"ZEEBE_CONNECTORS_DATA": str(tmp_path)}))
    gateway, registry = FakeGateway(), Registry([slow])
    registry.outbound = Later(registry.outbound)
    runtime = Runtime(Settings.read(environment), registry, gateway, environment=environment)
    runtime.start()
    try:
        gateway.put("test:slow:1", {"fail": True}, retries=1)
        await until(lambda: runtime.record.totals["incident"])
        [found] = [runtime.record.tries(job.key)[0] for job in runtime.record.jobs()]
        assert found.steps[0] >= 0.05
    finally:
        await runtime.drain()
