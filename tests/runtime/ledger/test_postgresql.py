"""A PostgreSQL that is away, slow or refuses is told in helpful words with no password; then the ledger goes on."""

from __future__ import annotations

import asyncio
import os
import sys
import time

import psycopg
import pytest
from tests.servers.postgres import PASSWORD, QUOTED

from zeebe_connectors.runtime.ledger import LedgerError, StoredLedger
from zeebe_connectors.runtime.ledger import postgresql as room
from zeebe_connectors.runtime.ledger.postgresql import PostgresqlStore


@pytest.mark.parametrize(
    "place",
    [
        "me:secret@db.example.com/ledger",
        "me:secret@192.0.2.7:5432/ledger",
        "me:secret@localhost/ledger?host=db.example.com",
        "me:secret@localhost/ledger?hostaddr=192.0.2.7",
    ],
)
def test_a_password_goes_unencrypted_only_where_somebody_chose_that(monkeypatch, place):
    """The library by itself would send it in clear to a server that offers no TLS."""
    monkeypatch.delenv("PGSSLMODE", raising=False)
    with pytest.raises(LedgerError, match="sslmode=verify-full") as message:
        PostgresqlStore(f"postgresql://{place}")
    assert "secret" not in str(message.value)
    more = "&" if "?" in place else "?"
    for mode in ("require", "verify-ca", "verify-full"):
        assert not PostgresqlStore(f"postgresql://{place}{more}sslmode={mode}").in_clear
    for mode in ("disable", "allow", "prefer"):
        assert PostgresqlStore(f"postgresql://{place}{more}sslmode={mode}").in_clear
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert not PostgresqlStore(f"postgresql://{place}").in_clear


@pytest.mark.parametrize("place", ["me:secret@localhost/ledger", "me:secret@127.0.0.1/ledger", "/ledger?host=/run/pg"])
def test_this_machine_needs_no_encryption(monkeypatch, place):
    monkeypatch.delenv("PGSSLMODE", raising=False)
    assert not PostgresqlStore(f"postgresql://{place}").in_clear


async def test_after_a_restart_of_the_server_the_ledger_goes_on(postgresql):
    ledger = StoredLedger(PostgresqlStore(postgresql.database()))
    await ledger.record("s", "a", "done")
    await asyncio.to_thread(postgresql.stop)
    began = time.monotonic()
    try:
        with pytest.raises(LedgerError) as message:
            await ledger.record("s", "b", "done")
    finally:
        await asyncio.to_thread(postgresql.start)
    assert time.monotonic() - began < 10
    assert "cannot be used" in str(message.value)
    assert "ZEEBE_CONNECTORS_LEDGER" in str(message.value)
    await ledger.record("s", "c", "done")
    assert {entry.id for entry in await ledger.entries()} == {"a", "c"}, "what was committed outlives a crash"
    await ledger.aclose()


async def test_a_server_that_says_nothing_is_not_waited_for_and_blocks_nobody(postgresql, monkeypatch):
    monkeypatch.setattr(room, "DEADLINE", 1.0)
    ledger = StoredLedger(PostgresqlStore(postgresql.database()))
    await asyncio.gather(*(ledger.record("s", str(number), "done") for number in range(20)))
    postgresql.freeze(True)
    try:
        gap, beating = 0.0, asyncio.get_running_loop().time()
        waiting = [asyncio.ensure_future(ledger.record("s", f"late {number}", "done")) for number in range(20)]
        while not all(each.done() for each in waiting):
            await asyncio.sleep(0.005)
            now = asyncio.get_running_loop().time()
            gap, beating = max(gap, now - beating), now
        assert all(isinstance(each.exception(), LedgerError) for each in waiting)
        assert "does not answer within 1 s" in str(waiting[0].exception())
        assert gap < 0.5, "the loop goes on"
    finally:
        postgresql.freeze(False)
    await ledger.record("s", "again", "done")
    late = [entry.id for entry in await ledger.entries() if entry.id.startswith("late")]
    assert len(late) <= room.CONNECTIONS, "what nobody counts on any more is not done later"
    await ledger.aclose()


async def test_a_server_that_says_nothing_does_not_keep_the_runtime_from_ending(postgresql):
    ledger = StoredLedger(PostgresqlStore(postgresql.database()))
    await ledger.record("s", "a", "done")
    postgresql.freeze(True)
    try:
        waiting = asyncio.ensure_future(ledger.record("s", "b", "done"))
        await asyncio.sleep(0.2)
        began = time.monotonic()
        await ledger.aclose()
        assert time.monotonic() - began < 9, "the time for the work in hand, and that of one connection"
        with pytest.raises(LedgerError):
            await waiting
    finally:
        postgresql.freeze(False)


async def test_connections_that_end_while_they_are_cut_do_not_keep_it_from_ending():
    """Cutting one lets its thread close it, which takes it out of those that are open."""
    store = PostgresqlStore("postgresql://user:word@127.0.0.1:1/none")

    class Ending:
        def fileno(self):
            store._opened.discard(self)
            raise psycopg.OperationalError("the connection is closed")

    store._opened.update(Ending() for _ in range(3))
    await store.aclose()
    assert not store._opened


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"password": "wrong%2Fword"}, "password authentication failed"),
        ({"user": "nobody-known"}, "authentication failed"),
        ({"database": "missing"}, "does not exist"),
    ],
)
async def test_what_the_server_refuses_is_reported_without_the_password(postgresql, change, message):
    url = postgresql.url(**{"database": "postgres", **change})
    ledger = StoredLedger(PostgresqlStore(url))
    with pytest.raises(LedgerError, match=message) as error:
        await ledger.find("s", "a")
    output = f"{error.value!r} {error.value} {error.value.__cause__}"
    assert f"127.0.0.1:{postgresql.port}" in output
    for secret in (PASSWORD, QUOTED, "wrong/word", "wrong%2Fword"):
        assert secret not in output
    await ledger.aclose()


async def test_nobody_listens(postgresql):
    ledger = StoredLedger(PostgresqlStore("postgresql://me:s3cret@127.0.0.1:1/ledger"))
    with pytest.raises(
        LedgerError, match=r"postgresql://me:\*\*\*@127.0.0.1:1/ledger cannot be used: .*refused"
    ) as error:
        await ledger.find("s", "a")
    assert "s3cret" not in str(error.value)
    await ledger.aclose()


async def test_what_was_to_be_written_is_not_in_the_message(postgresql):
    url = postgresql.database()
    ledger = StoredLedger(PostgresqlStore(url))
    with pytest.raises(LedgerError) as error:
        await ledger.record("s", "x" * 100_000 + os.urandom(9000).hex(), "done", reason="CANARY")
    assert "CANARY" not in str(error.value)
    assert len(str(error.value)) < 1000
    await ledger.aclose()


async def test_leases_go_by_the_clock_of_the_database(postgresql, monkeypatch):
    """Replicas' clocks differ; one that is an hour ahead must not take what another holds."""
    url = postgresql.database()
    first, second = StoredLedger(PostgresqlStore(url)), StoredLedger(PostgresqlStore(url))
    assert await first.hold("s", "first", 60)
    ahead = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: ahead)
    assert not await second.hold("s", "second", 60)
    await first.intend("s", "a", owner="first", alias=None, element="", title="")
    assert abs((await first.find("s", "a")).started - (ahead - 3600)) < 60
    await first.aclose()
    await second.aclose()


STOPS = """
import asyncio, sys
from zeebe_connectors.runtime.ledger import StoredLedger
from zeebe_connectors.runtime.ledger.postgresql import PostgresqlStore
store = PostgresqlStore(URL)
async def main():
    await StoredLedger(store).hold("s", "first", 1.0)
    def work(do):
        do.rows("SELECT owner FROM leases WHERE source = 's' FOR UPDATE", {})
        print("locked", flush=True)
        sys.stdin.readline()
    await store.write(work)
asyncio.run(main())
"""


async def test_a_replica_that_is_stopped_in_mid_transaction_keeps_its_locks_for_a_stated_time(postgresql):
    url = postgresql.database() + "?options=-c%20idle_in_transaction_session_timeout%3D2s"
    victim = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        f"URL = {url!r}\n{STOPS}",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    ledger = StoredLedger(PostgresqlStore(url), gone=lambda _: False)
    try:
        await victim.stdout.readline()
        began = time.monotonic()
        while not await ledger.hold("s", "second", 60):  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.1)
        assert 1.0 < time.monotonic() - began < 10.0
        _, output = await victim.communicate(b"go on\n")
        assert b"LedgerError" in output
    finally:
        if victim.returncode is None:
            victim.kill()
            await victim.communicate()
        await ledger.aclose()


async def test_a_user_without_rights_uses_tables_that_another_made(postgresql):
    url = postgresql.database()
    maker = StoredLedger(PostgresqlStore(url))
    await maker.record("s", "a", "done")
    await maker.aclose()
    database = url.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE USER weak PASSWORD 'weak'")
        connection.execute("GRANT USAGE ON SCHEMA zeebe_connectors TO weak")
        connection.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA zeebe_connectors TO weak")
    weak = StoredLedger(PostgresqlStore(postgresql.url(database, user="weak", password="weak")))
    assert await weak.hold("s", "me", 60)
    assert (await weak.find("s", "a")).state == "done"
    await weak.aclose()
