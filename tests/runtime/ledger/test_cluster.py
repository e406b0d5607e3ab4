"""A ledger belongs to one cluster: a fresh engine's keys are the same numbers for other jobs."""

import asyncio
import logging

import pytest

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.engine.core import Engine
from zeebe_connectors.engine.local import LocalEngine
from zeebe_connectors.engine.store import SqliteStore as EngineStore
from zeebe_connectors.runtime.gateway.fake import FakeGateway
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.runtime.ledger import SqliteStore, StoredMemory
from zeebe_connectors.runtime.ledger import cluster as module
from zeebe_connectors.runtime.ledger.cluster import ClusterMemory, disown
from zeebe_connectors.sdk.errors import TransientError


@pytest.fixture
async def memory(tmp_path):
    store = SqliteStore(tmp_path / "ledger.db")
    memory = StoredMemory(store)
    yield memory
    await memory.aclose()
    await store.aclose()


@pytest.fixture
def gateway():
    gateway = FakeGateway()
    gateway.cluster = "one"
    return gateway


def of(memory, gateway):
    return ClusterMemory(memory, gateway, ledger="ledger.db")


async def test_another_cluster_neither_reads_nor_writes_what_is_remembered(memory, gateway, caplog):
    assert await of(memory, gateway).remember("smtp", "4711", "sent") == "sent"
    gateway.cluster = "two"
    second = of(memory, gateway)
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            with pytest.raises(
                TransientError, match=r"belongs to the cluster one.*ZEEBE_CONNECTORS_DATA.*ledger adopt"
            ):
                await second.recall("smtp", ["4711"])
    assert len(caplog.records) == 1
    with pytest.raises(TransientError) as refused:
        await second.remember("smtp", "4712", "sent")
    assert refused.value.code == "LEDGER_OF_ANOTHER_CLUSTER"
    second.discard_later("smtp", "4711")
    assert await memory.recall("smtp", ["4711", "4712"]) == {"4711": "sent"}


async def test_an_engine_that_is_replaced_while_the_runtime_runs_is_noticed(memory, gateway, monkeypatch):
    monkeypatch.setattr(module, "CHECK_EVERY", 0.0)
    one = of(memory, gateway)
    await one.remember("smtp", "4711", "sent")
    gateway.cluster = "two"
    with pytest.raises(TransientError):
        await one.recall("smtp", ["4711"])
    assert "two" in one.problem
    gateway.cluster = "one"
    assert await one.recall("smtp", ["4711"]) == {"4711": "sent"}
    assert one.problem == ""


async def test_an_adopted_ledger_belongs_to_the_cluster_that_is_met_next(memory, gateway):
    await of(memory, gateway).remember("smtp", "4711", "sent")
    await disown(memory)
    gateway.cluster = "two"
    assert await of(memory, gateway).recall("smtp", ["4711"]) == {"4711": "sent"}
    gateway.cluster = "one"
    with pytest.raises(TransientError):
        await of(memory, gateway).recall("smtp", ["4711"])


async def test_a_cluster_that_tells_no_id_or_does_not_answer_is_not_refused(memory, gateway):
    await of(memory, gateway).remember("smtp", "4711", "sent")
    gateway.cluster = ""
    assert await of(memory, gateway).recall("smtp", ["4711"]) == {"4711": "sent"}
    gateway.refuse("topology", "UNAVAILABLE")
    assert await of(memory, gateway).recall("smtp", ["4711"]) == {"4711": "sent"}


async def test_many_tasks_ask_the_cluster_once(memory, gateway):
    one = of(memory, gateway)
    await asyncio.gather(*(one.recall("smtp", [str(number)]) for number in range(50)))
    assert [command.name for command in gateway.commands].count("topology") == 1


async def test_the_local_engine_tells_an_id_of_its_own_over_grpc():
    async def queried() -> str:
        async with LocalEngine() as engine:
            gateway = ZeebeGateway(ClusterSettings(address=engine.grpc_address))
            try:
                return (await gateway.topology()).cluster
            finally:
                await gateway.aclose()

    one, two = await queried(), await queried()
    assert one.startswith("local-")
    assert one != two


def test_the_local_engine_keeps_its_id_with_its_state(tmp_path):
    first = Engine(EngineStore(tmp_path / "engine.db"))
    identity = first.identity
    first.close()
    again = Engine(EngineStore(tmp_path / "engine.db"))
    assert again.identity == identity
    again.close()
    assert Engine().identity != identity
