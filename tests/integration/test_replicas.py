"""Two runtimes share a mailbox through PostgreSQL; one is killed, and each mail starts one process."""

from __future__ import annotations

import asyncio
from collections import Counter

import psycopg
import pytest
from tests.integration.inbound_chaos import Deployment, OwnMailbox, order
from tests.waiting import until

pytestmark = pytest.mark.engine

MAILS = 30


@pytest.mark.timeout(240)
async def test_the_second_runtime_goes_on_where_the_first_was_killed(zeebe, own_mail, postgresql, tmp_path):
    """All mails, neither moved nor marked: only the ledger knows which were handed over."""
    url, mail = postgresql.database(), OwnMailbox(own_mail)
    deployment = Deployment(zeebe, mail, tmp_path)
    async with deployment.open(mail.imap_port, which="allPollingConfig", strategy="NONE"):
        for name in ("one", "two"):
            await deployment.run(data=tmp_path / name, ledger=url)
        for number in range(MAILS // 2):
            await mail.deliver(order(f"mail {number}"))
        await started(deployment, MAILS // 3)
        (held,) = [runtime for runtime in deployment.runtimes if runtime.pid == holder(url)]
        await held.kill()
        for number in range(MAILS // 2, MAILS):
            await mail.deliver(order(f"mail {number}"))
        await started(deployment, MAILS)
        assert holder(url) in {runtime.pid for runtime in deployment.runtimes if runtime is not held}
        await held.start()
        await asyncio.sleep(5)  # for what would come twice
    assert Counter(deployment.counter.seen.values()) == Counter({f"mail {number}": 1 for number in range(MAILS)})
    assert not list(tmp_path.rglob("ledger.sqlite")), "nothing was kept beside the database"
    logs = "".join(runtime.log.read_text() for runtime in deployment.runtimes)
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


async def started(deployment: Deployment, least: int) -> None:
    """Waits for so many instances."""
    try:
        await until(lambda: len(deployment.counter.seen) >= least, within=90)
    except TimeoutError:
        logs = "\n".join(runtime.log.read_text()[-3000:] for runtime in deployment.runtimes)
        raise AssertionError(f"only {len(deployment.counter.seen)} instances\n{logs}") from None
