"""Rules and providers on PostgreSQL, which replicas on several machines share."""

import asyncio
import os
import threading
import time

from zeebe_connectors.config.providers import Rules
from zeebe_connectors.runtime.ledger.postgresql import PostgresqlStore
from zeebe_connectors.runtime.limits import Limit
from zeebe_connectors.runtime.providers import Editor, ProviderStore, Sealer


async def test_rates_and_permits_hold_over_two_replicas(postgresql):
    url = postgresql.database()
    stores = [PostgresqlStore(url) for _ in range(2)]
    rules = Rules(max_per_second=40, max_concurrent=4)
    limits = [Limit("x/test", rules, store=store, owner=str(number)) for number, store in enumerate(stores)]
    times = []
    running = peak = 0

    async def one(limit):
        nonlocal running, peak
        await limit.enter("p", deadline=time.monotonic() + 30)
        times.append(time.monotonic())
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0.02)
        running -= 1
        limit.leave()

    await asyncio.gather(*(one(limits[number % 2]) for number in range(60)))
    limits[0].hold(1.5)
    held = time.monotonic()
    await asyncio.sleep(0.9)  # a runtime that has work learns of it when it next agrees with the others
    await one(limits[1])
    assert times[-1] - held >= 1.45
    assert peak <= 4
    assert max(sum(1 for other in times if one <= other < one + 1.0) for one in times) <= 40
    for limit, store in zip(limits, stores, strict=True):
        await limit.aclose()
        await store.aclose()


async def test_providers_are_kept_and_seen_by_another_replica(postgresql):
    url = postgresql.database()
    stores = [PostgresqlStore(url) for _ in range(2)]
    sealer = Sealer([os.urandom(32)])
    one, other = (ProviderStore(store, sealer) for store in stores)
    login = {"type": "basic", "username": "u", "password": {"value": "canary-4711"}}
    document = {
        "protocol": "http",
        "environments": {"test": {"url": "http://erp.example.com/", "authentication": login}},
    }
    before = await other.version()
    entry = await one.create("erp", document, Editor("ann"))
    assert await other.version() != before
    found = (await other.providers())["erp"].environments["test"].authentication["password"]
    assert found.reveal() == "canary-4711"
    copied = await other.copy("erp", Editor("bob"), from_="test", to="live", version=entry.version, secured=True)
    assert [change.who for change in await one.history("erp")] == ["bob", "ann"]
    await one.delete("erp", Editor("ann"), version=copied.version)
    assert await other.providers() == {}
    for store in stores:
        await store.aclose()


async def test_a_value_that_is_set_while_keys_are_rotated_is_not_lost(postgresql):
    """Rotation writes what it read, so nobody else may write in between."""
    url = postgresql.database()
    old, new = os.urandom(32), os.urandom(32)
    opened, go_on = threading.Event(), threading.Event()

    class Slow(Sealer):
        def open(self, sealed, *where):
            value = super().open(sealed, *where)
            opened.set()
            go_on.wait(0.5)
            return value

    stores = [PostgresqlStore(url) for _ in range(2)]
    login = {"type": "basic", "username": "u", "password": {"value": "before"}}
    document = {
        "protocol": "http",
        "environments": {"test": {"url": "http://erp.example.com/", "authentication": login}},
    }
    entry = await ProviderStore(stores[0], Sealer([old])).create("erp", document, Editor("ann"))
    rotating = asyncio.create_task(ProviderStore(stores[0], Slow([new, old])).rotate(Editor("ann")))
    await asyncio.to_thread(opened.wait, 5)
    login["password"]["value"] = "after"
    other = ProviderStore(stores[1], Sealer([new, old]))
    changing = asyncio.create_task(other.change("erp", document, Editor("bob"), version=entry.version))
    assert await rotating == 1
    await changing
    go_on.set()
    found = (await other.providers())["erp"].environments["test"].authentication["password"]
    assert found.reveal() == "after"
    for store in stores:
        await store.aclose()
