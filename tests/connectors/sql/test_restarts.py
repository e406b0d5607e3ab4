"""Databases that go away and come back, under pooled connections."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest
from tests.connectors.sql.conftest import Place
from tests.servers import mariadb, postgres
from tests.servers.muting import Muting

from zeebe_connectors.connectors.sql import database
from zeebe_connectors.testing import Complete, Fail


@pytest.fixture(params=["postgresql", pytest.param("mariadb", marks=pytest.mark.servers)], scope="module")
def server(request):
    """A server of its own, which tests may stop and start."""
    if request.param == "mariadb" and (reason := mariadb.why_not()):
        pytest.skip(reason)
    kinds = {"postgresql": postgres.Postgres, "mariadb": partial(mariadb.MariaDb, durable=True)}
    with kinds[request.param]() as started:
        yield started


@pytest.fixture
async def own(server, tmp_path):
    kind, name, password = ("mariadb", "test", mariadb.PASSWORD)
    if isinstance(server, postgres.Postgres):
        kind, name, password = ("postgresql", "postgres", postgres.PASSWORD)
    login = {"type": "password", "username": "test", "password": password}
    where = {"database": kind, "host": "127.0.0.1", "port": server.port, "name": name, "security": "none"}
    place = Place(kind, {**where, "authentication": login, "poolSize": 3}, tmp_path)
    place.server = server
    await place.do("execute", "DROP TABLE IF EXISTS t")
    yield place
    await place.clients.aclose()


SLEEP = {"postgresql": "SELECT pg_sleep(30)", "mariadb": "SELECT sleep(30)"}
ONE = "SELECT 1 AS one"


async def _restart(place):
    await asyncio.to_thread(place.server.stop)
    await asyncio.to_thread(place.server.start)


async def test_a_restart_between_jobs_fails_none(own):
    await own.do("execute", "CREATE TABLE t (id INT PRIMARY KEY)")
    for number in range(3):
        await asyncio.gather(*(own.do("query", ONE) for _ in range(3)))
        await _restart(own)
        results = await asyncio.gather(
            own.do("query", ONE),
            own.do("execute", "INSERT INTO t VALUES (:n)", {"n": number}),
            own.do("transaction", statements=[{"statement": ONE}]),
        )
        assert results[0]["rows"] == [{"one": 1}]
    assert (await own.do("query", "SELECT count(*) AS n FROM t"))["rows"] == [{"n": 3}]


async def test_a_restart_during_jobs(own):
    """Statements that run are lost, and tried again; those that come meanwhile find nobody; the next ones work."""
    await asyncio.gather(*(own.do("query", ONE) for _ in range(3)))
    going = [asyncio.create_task(own.job("query", SLEEP[own.kind])) for _ in range(3)]
    await asyncio.sleep(1)
    waiting = asyncio.create_task(own.job("query", ONE))
    await asyncio.to_thread(own.server.stop)
    for outcome in await asyncio.gather(*going):
        assert isinstance(outcome, Fail), outcome
        assert (outcome.code, outcome.retries) == ("SQL_CONNECTION_LOST", 2)
    for job in (waiting, own.job("query", ONE), own.job("transaction", statements=[{"statement": ONE}])):
        outcome = await job
        assert (outcome.code, outcome.retries) == ("SQL_UNREACHABLE", 2)
    await asyncio.to_thread(own.server.start)
    assert all(isinstance(one, Complete) for one in await asyncio.gather(*(own.job("query", ONE) for _ in range(6))))


async def test_a_restart_within_a_transaction_undoes_it(own):
    await own.do("execute", "CREATE TABLE t (id INT PRIMARY KEY)")
    statements = [{"statement": "INSERT INTO t VALUES (1)"}, {"statement": SLEEP[own.kind]}]
    going = asyncio.create_task(own.job("transaction", statements=statements))
    await asyncio.sleep(0.5)
    await _restart(own)
    outcome = await going
    assert (outcome.code, outcome.retries) == ("SQL_CONNECTION_LOST", 2)
    assert (await own.do("query", "SELECT count(*) AS n FROM t"))["rows"] == [{"n": 0}]


async def test_many_jobs_through_restarts(own):
    """None hangs and none fails for a reason that is not tried again."""
    await own.do("execute", "CREATE TABLE t (id INT PRIMARY KEY)")
    outcomes, done = [], asyncio.Event()

    async def jobs(number):
        count = 0
        while not done.is_set():
            count += 1
            outcomes.append(await own.job("execute", "INSERT INTO t VALUES (:n)", {"n": number + 10 * count}))
            await asyncio.sleep(0.005)

    tasks = [asyncio.create_task(jobs(number)) for number in range(6)]
    for _ in range(2):
        await asyncio.sleep(0.5)
        await _restart(own)
    await asyncio.sleep(0.5)
    done.set()
    began = time.monotonic()
    await asyncio.gather(*tasks)
    assert time.monotonic() - began < 5
    failed = {(one.code, one.retries) for one in outcomes if isinstance(one, Fail)}
    assert failed <= {("SQL_CONNECTION_LOST", 2), ("SQL_UNREACHABLE", 2)}
    completed = sum(isinstance(one, Complete) for one in outcomes)
    assert (await own.do("query", "SELECT count(*) AS n FROM t"))["rows"][0]["n"] >= completed


@pytest.mark.parametrize("operation", ["query", "transaction"])
async def test_connections_that_a_firewall_has_forgotten(own, operation, monkeypatch):
    """They are replaced after a few seconds, not when the job's time is over."""
    monkeypatch.setattr(database, "TEST_PATIENCE", 2.0)
    inputs = {"statements": [{"statement": ONE}]} if operation == "transaction" else {"statement": ONE}
    async with Muting(own.server.port) as proxy:
        own.inputs["port"] = proxy.port
        await asyncio.gather(*(own.do("query", ONE) for _ in range(3)))
        proxy.mute()
        await asyncio.sleep(0.2)
        began = time.monotonic()
        outcomes = await asyncio.gather(*(own.job(operation, **inputs) for _ in range(3)))
        assert all(isinstance(one, Complete) for one in outcomes), outcomes
        assert time.monotonic() - began < 5


async def test_a_server_that_says_nothing(own, monkeypatch):
    """The job ends with a typed error; the pool serves again once the server goes on."""
    monkeypatch.setattr(database, "TEST_PATIENCE", 1.0)
    monkeypatch.setattr(database, "OPENING", 3.0)
    async with Muting(own.server.port) as proxy:
        own.inputs["port"] = proxy.port
        await own.do("query", ONE)
        proxy.mute()
        proxy.is_silent = True
        await asyncio.sleep(0.2)
        began = time.monotonic()
        outcomes = await asyncio.gather(*(own.job("query", ONE, seconds=60) for _ in range(4)))
        assert time.monotonic() - began < 20
        assert {(one.code, one.retries) for one in outcomes} == {("SQL_UNREACHABLE", 2)}
        proxy.is_silent = False
        assert (await own.do("query", ONE))["rows"] == [{"one": 1}]


async def test_a_server_that_falls_silent_under_a_statement(own):
    """The statement ends with its time, though nobody can be asked to stop it."""
    async with Muting(own.server.port) as proxy:
        own.inputs["port"] = proxy.port
        statements = [{"statement": SLEEP[own.kind]}]
        going = asyncio.create_task(own.job("transaction", statements=statements, timeout=1, seconds=60))
        await asyncio.sleep(0.5)
        proxy.mute()
        proxy.is_silent = True
        began = time.monotonic()
        outcome = await going
        assert (outcome.code, outcome.retries) == ("SQL_TIMEOUT", 2)
        assert time.monotonic() - began < 20
        proxy.is_silent = False
        assert (await own.do("query", ONE))["rows"] == [{"one": 1}]
