"""Two runtimes share a mailbox through PostgreSQL; one is killed, and each mail starts one process."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections import Counter

import psycopg
import pytest
from tests.engine.inbound_chaos import InstanceCounter, RuntimeProcess, deliver, diagram

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway

pytestmark = pytest.mark.engine

MAILS = 30


@pytest.mark.timeout(240)
async def test_the_second_runtime_goes_on_where_the_first_was_killed(zeebe, own_mail, postgresql, tmp_path):
    """All mails, neither moved nor marked: only the ledger knows which were handed over."""
    process, url = f"replicas-{uuid.uuid4().hex[:8]}", postgresql.database()
    (tmp_path / "diagrams").mkdir()
    xml = diagram(process, own_mail.imap_port, which="allPollingConfig", strategy="NONE")
    (tmp_path / "diagrams" / "mail.bpmn").write_bytes(xml)
    gateway = ZeebeGateway(ClusterSettings(address=zeebe.grpc_address))
    await gateway.deploy({"mail.bpmn": xml})
    await gateway.aclose()
    counter = InstanceCounter(zeebe.grpc_address, process)
    counting = asyncio.create_task(counter.run())
    runtimes = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        runtime = RuntimeProcess(zeebe.grpc_address, tmp_path / name, tmp_path / "diagrams")
        runtime._environment["ZEEBE_CONNECTORS_LEDGER"] = url
        runtimes.append(runtime)
        await runtime.start()
    try:
        for number in range(MAILS // 2):
            await deliver(own_mail, f"mail {number}")
        await started(counter, MAILS // 3, runtimes)
        pid = holder(url)
        (held,) = [runtime for runtime in runtimes if runtime._process.pid == pid]
        await held.kill()
        for number in range(MAILS // 2, MAILS):
            await deliver(own_mail, f"mail {number}")
        await started(counter, MAILS, runtimes)
        assert holder(url) in {runtime._process.pid for runtime in runtimes if runtime is not held}
        await held.start()
        await asyncio.sleep(5)  # for what would come twice
    finally:
        for runtime in runtimes:
            await runtime.kill(signal.SIGTERM)
        counting.cancel()
        await asyncio.wait([counting])
    assert Counter(counter.seen.values()) == Counter({f"mail {number}": 1 for number in range(MAILS)})
    assert not list(tmp_path.rglob("ledger.sqlite")), "nothing was kept beside the database"
    logs = "".join(runtime.log.read_text() for runtime in runtimes)
    assert postgresql.url("x").split("@")[0].split("//")[1] not in logs
    with psycopg.connect(url) as connection:
        states = dict(
            connection.execute("SELECT state, count(*) FROM zeebe_connectors.events GROUP BY state").fetchall()
        )
    assert states == {"done": MAILS}


def holder(url: str) -> int:
    """Process id of the runtime that has the lease."""
    with psycopg.connect(url) as connection:
        ((owner,),) = connection.execute("SELECT owner FROM zeebe_connectors.leases").fetchall()
    return int(owner.split("|")[2])


async def started(counter: InstanceCounter, least: int, runtimes: list[RuntimeProcess]) -> None:
    """Waits for so many instances."""
    try:
        async with asyncio.timeout(90):
            while len(counter.seen) < least:  # noqa: ASYNC110 - the count has no event
                await asyncio.sleep(0.1)
    except TimeoutError:
        logs = "\n".join(runtime.log.read_text()[-3000:] for runtime in runtimes)
        raise AssertionError(f"only {len(counter.seen)} instances\n{logs}") from None
