"""What PostgreSQL prepares for one job serves the next, and never fails one: tables change, poolers forget."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from zeebe_connectors.connectors.sql.running import BATCH
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.testing import Complete, Fail

ONE = {"poolSize": 1, "timeout": 5}
OFTEN = 7
"""Times after which a statement is prepared."""


@pytest.fixture
async def table(pg):
    await pg.do("execute", "CREATE TABLE t (id INT PRIMARY KEY, name TEXT)", **ONE)
    await pg.do("execute", "INSERT INTO t SELECT n, 'n' || n FROM generate_series(1, 3) n", **ONE)
    return pg


def outside(place, statement):
    """Another session, as a colleague's."""
    login = place.inputs["authentication"]
    with psycopg.connect(
        host="127.0.0.1", port=place.inputs["port"], dbname=place.inputs["name"], user=login["username"],
        password=login["password"], autocommit=True,
    ) as connection:  # fmt: skip
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


async def test_what_comes_again_is_prepared(table):
    for number in range(1, OFTEN + 1):
        await table.do("query", "SELECT name FROM t WHERE id = :id", {"id": number % 3 + 1}, **ONE)
    prepared = "SELECT statement, generic_plans + custom_plans AS runs FROM pg_prepared_statements"
    rows = (await table.do("query", prepared, **ONE))["rows"]
    assert [(row["statement"], row["runs"] > 0) for row in rows] == [("SELECT name FROM t WHERE id = $1", True)]


@pytest.mark.parametrize("count", [0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH])
async def test_rows_come_whole_in_any_number(table, count):
    ask = "SELECT n FROM generate_series(1, :count) n"
    for _ in range(OFTEN):
        done = await table.do("query", ask, {"count": count}, maxRows=10_000, **ONE)
        assert [row["n"] for row in done["rows"]] == list(range(1, count + 1))


@pytest.mark.parametrize(
    ("operation", "statement"),
    [
        ("query", "SELECT * FROM t WHERE id = :id"),
        ("execute", "UPDATE t SET name = name WHERE id = :id RETURNING *"),
    ],
)
async def test_a_table_that_changes_fails_no_job(table, operation, statement):
    for _ in range(OFTEN):
        await table.do(operation, statement, {"id": 1}, **ONE)
    outside(table, "ALTER TABLE t ADD COLUMN age INT")
    for _ in range(OFTEN):
        assert (await table.do(operation, statement, {"id": 1}, **ONE))["rows"] == [
            {"id": 1, "name": "n1", "age": None}
        ]


async def test_a_table_that_changes_has_a_transaction_tried_again(table):
    statements = [
        {"statement": "UPDATE t SET name = 'x' WHERE id = :id", "parameters": {"id": 2}},
        {"statement": "SELECT * FROM t WHERE id = :id", "parameters": {"id": 1}},
    ]
    for _ in range(OFTEN):
        await table.do("transaction", statements=statements, **ONE)
    outside(table, "ALTER TABLE t ADD COLUMN age INT")
    outcome = await table.job("transaction", statements=statements, **ONE)
    assert isinstance(outcome, Fail)
    assert (outcome.code, outcome.retries) == ("SQL_SERIALIZATION_FAILURE", 2)
    assert isinstance(await table.job("transaction", statements=statements, **ONE), Complete)


async def test_a_server_that_forgets_what_is_prepared_fails_no_job(table):
    """As behind a pooler, which hands the session to others; here a function throws it all away."""
    outside(table, "CREATE FUNCTION forget() RETURNS INT LANGUAGE plpgsql AS $$BEGIN DEALLOCATE ALL; RETURN 1; END$$")
    ask = "SELECT name FROM t WHERE id = :id"
    for _ in range(OFTEN):
        await table.do("query", ask, {"id": 1}, **ONE)
    await table.do("query", "SELECT forget() AS f", **ONE)
    for number in range(2 * OFTEN):
        assert (await table.do("query", ask, {"id": number % 3 + 1}, **ONE))["rows"] == [{"name": f"n{number % 3 + 1}"}]
    assert (await table.do("query", "SELECT count(*) AS n FROM pg_prepared_statements", **ONE))["rows"] == [{"n": 0}]


async def test_rows_that_a_transaction_leaves_out_undo_nothing(table):
    done = await table.do(
        "transaction", maxRows=2, beyond="cut", **ONE,
        statements=[{"statement": "INSERT INTO t VALUES (9, 'new')"},
                    {"statement": "SELECT n FROM generate_series(1, 20000) n"},
                    {"statement": "INSERT INTO t VALUES (10, 'newer')"}],
    )  # fmt: skip
    assert done["results"][1]["rows"] == [{"n": 1}, {"n": 2}]
    assert outside(table, "SELECT count(*) FROM t") == [(5,)]


@pytest.mark.parametrize("beyond", ["cut", "fail"])
async def test_what_nobody_wants_ends_on_the_server(table, beyond):
    ask = "SELECT generate_series(1, 100000000) AS n /* endless */"
    outcome = await table.job("query", ask, maxRows=2, beyond=beyond, **ONE)
    assert outcome.code == "SQL_TOO_MANY_ROWS" if beyond == "fail" else outcome.variables["done"]["more"]
    assert (await table.do("query", "SELECT 1 AS one", **ONE))["rows"] == [{"one": 1}]
    running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%/* endless */'"
    assert outside(table, running) == [(0,)]


async def test_a_document_that_cannot_be_written_ends_the_statement(table):
    table.documents = LocalDocuments(table.directory / "small", max_streamed=100_000)
    ask = "SELECT generate_series(1, 100000000) AS n /* for a file */"
    outcome = await table.job("query", ask, result="csv", **ONE)
    assert isinstance(outcome, Fail)
    assert outcome.code != "SQL_TIMEOUT"
    running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%/* for a file */'"
    assert outside(table, running) == [(0,)]
    assert (await table.do("query", "SELECT 1 AS one", **ONE))["rows"] == [{"one": 1}]


async def test_a_connection_is_registered_with_the_event_loop_once(table, monkeypatch):
    await table.do("query", "SELECT 1", **ONE)
    registered = []
    loop = asyncio.get_running_loop()
    if not isinstance(loop, asyncio.BaseEventLoop):
        pytest.skip("on uvloop, psycopg waits itself")
    known = type(loop).add_reader
    monkeypatch.setattr(type(loop), "add_reader", lambda self, *more: registered.append(more) or known(self, *more))
    for number in range(10):
        await table.do("query", "SELECT name FROM t WHERE id = :id", {"id": number}, **ONE)
        await asyncio.sleep(0.002)  # as between the jobs of a runtime that is not busy
    assert len(registered) <= 1


async def test_a_socket_that_the_server_closes_between_jobs_harms_nobody(table):
    """Neither the next job, nor another connection that gets the number of the closed socket."""
    for _ in range(3):
        await table.do("query", "SELECT 1", **ONE)
        outside(
            table, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'zeebe-connectors'"
        )
        await asyncio.sleep(0.15)  # longer than a connection may rest untested
        await table.do("query", "SELECT 1", **ONE)
    jobs = [table.job("query", "SELECT pg_sleep(0.01)", timeout=5) for _ in range(8)]
    assert all(isinstance(outcome, Complete) for outcome in await asyncio.gather(*jobs))


async def test_a_statement_longer_than_the_sockets_buffers_is_sent_whole(table):
    text = "x" * 20_000_000
    done = await table.do("query", "SELECT length(:text) AS size", {"text": text}, **ONE)
    assert done["rows"] == [{"size": len(text)}]
