"""What the connector does in each database: values, rows, counts, documents, transactions, errors, limits."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import logging
import time
import tracemalloc

import pytest
from tests.connectors.sql.conftest import Place
from tests.servers import mariadb

from zeebe_connectors import InputError
from zeebe_connectors.connectors.sql.connector import test as check
from zeebe_connectors.connectors.sql.connector import work
from zeebe_connectors.sdk.context import Context, Job
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.sdk.names import file_name
from zeebe_connectors.testing import Complete, Fail, run

TABLE = {
    "postgresql": "CREATE TABLE t (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT UNIQUE, "
    "amount NUMERIC(20, 4), at TIMESTAMPTZ, day DATE, ref UUID, info JSONB, numbers INT[], data BYTEA)",
    "mariadb": "CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(200) UNIQUE, "
    "amount DECIMAL(20, 4), at DATETIME(6), day DATE, ref UUID, info JSON, numbers JSON, data BLOB)",
    "sqlite": "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL CHECK (name <> ''), amount TEXT, "
    "at TEXT, day TEXT, ref TEXT, info TEXT, numbers TEXT, data BLOB)",
}
INSERT = (
    "INSERT INTO t (name, amount, at, day, ref, info, numbers) "
    "VALUES (:name, :amount, :at, :day, :ref, :info, :numbers)"
)
ROW = {
    "name": "Ann",
    "amount": "1234567890123456.7890",
    "at": "2026-01-02T03:04:05",
    "day": "2026-02-03",
    "ref": "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
    "info": {"tags": ["a", "b"], "n": 1},
    "numbers": [1, 2, 3],
}
NASTY = [
    "O'Brien",
    "'; DROP TABLE t; --",
    '"; DROP TABLE t; --',
    "' OR '1'='1",
    "\\'; DROP TABLE t; -- ",
    "\\",
    "%s %(a)s %%",
    ":name :p0 ? $1 {0} ${x}",
    "{{secrets.X}}",
    "/* */ -- #",
    "é ß 漢 \U0001f600 \u2028",
    "1); DELETE FROM t; SELECT (1",
    "\u00bf' OR 1=1 -- ",
    "line\r\nbreak\ttab",
    "x' UNION SELECT 1 --",
    "$$; DROP TABLE t; $$",
    "E'\\''",
    "`; DROP TABLE t; `",
]


@pytest.fixture
async def filled(db):
    await db.do("execute", TABLE[db.kind])
    await db.do("execute", INSERT, ROW)
    return db


async def test_values_keep_their_types(filled):
    """Exact decimals, ISO dates, UUIDs, JSON and arrays, as each database has them."""
    row = (await filled.do("query", "SELECT * FROM t WHERE name = :name", {"name": "Ann"}))["rows"][0]
    assert row["id"] == 1
    assert row["amount"] == "1234567890123456.7890"
    assert row["at"].startswith("2026-01-02T03:04:05")
    assert (row["day"], row["ref"]) == ("2026-02-03", ROW["ref"])
    as_text = filled.kind != "postgresql"
    assert (json.loads(row["info"]) if as_text else row["info"]) == ROW["info"]
    assert (json.loads(row["numbers"]) if as_text else row["numbers"]) == [1, 2, 3]
    assert row["data"] is None


@pytest.mark.parametrize("where", ["named", "positional", "list", "batch", "json"])
async def test_no_value_becomes_sql(filled, where):
    """Whatever a value holds arrives as that value, in every input that takes one; the statement stays what it was."""
    for text in NASTY:
        await filled.do("execute", "DELETE FROM t")
        match where:
            case "named":
                await filled.do("execute", "INSERT INTO t (name) VALUES (:n)", {"n": text})
                found = await filled.do("query", "SELECT name FROM t WHERE name = :n", {"n": text})
            case "positional":
                await filled.do("execute", "INSERT INTO t (name) VALUES (?)", [text])
                found = await filled.do("query", "SELECT name FROM t WHERE name = ?", [text])
            case "list":
                await filled.do("execute", "INSERT INTO t (name) VALUES (:n)", {"n": text})
                found = await filled.do("query", "SELECT name FROM t WHERE name IN (:n)", {"n": ["x", text]})
            case "batch":
                done = await filled.do("batch", "INSERT INTO t (name) VALUES (:n)", parameterSets=[{"n": text}])
                assert done["affected"] == 1
                found = await filled.do("query", "SELECT name FROM t")
            case "json":
                await filled.do("execute", "INSERT INTO t (name, info) VALUES ('j', :i)", {"i": {text: [text]}})
                info = (await filled.do("query", "SELECT info FROM t"))["rows"][0]["info"]
                assert (json.loads(info) if isinstance(info, str) else info) == {text: [text]}
                continue
        assert found["rows"] == [{"name": text}], text


@pytest.mark.parametrize("place", ["name", "host", "url", "procedure", "fileName", "username"])
async def test_other_inputs_change_no_statement(filled, place):
    """Names of databases, hosts, procedures and files reach the driver as such or are refused."""
    for text in NASTY:
        if place == "procedure":
            fail = await filled.fails("procedure", procedure=text, parameters=[])
            assert fail.retries == 0
        elif place == "fileName":
            done = await filled.do("query", "SELECT name FROM t", result="csv", fileName=text)
            assert done["document"]["metadata"].get("fileName", "") == file_name(text)
        elif filled.kind != "sqlite" or place in {"url", "name"}:
            before = filled.inputs
            wrong = {"url": f"jdbc:postgresql://127.0.0.1:1/{text}"} if place == "url" else {place: text}
            if place == "username":
                wrong = {"authentication": {"type": "password", "username": text, "password": "x"}}
            if place == "host" and "url" in before:
                wrong["url"] = None
            filled.inputs = {**before, **wrong}
            outcome = await filled.job("query", "SELECT 1 AS one", timeout=2)
            filled.inputs = before
            # A new SQLite file may well have such a name; there the statement is what it was.
            assert isinstance(outcome, Fail) or outcome.variables["done"]["rows"] == [{"one": 1}]
    assert (await filled.do("query", "SELECT count(*) AS n FROM t"))["rows"] == [{"n": 1}]


async def test_lists_for_in(filled):
    for number in range(3):
        await filled.do("execute", "INSERT INTO t (name) VALUES (:n)", {"n": f"n{number}"})
    ask = "SELECT name FROM t WHERE {} ORDER BY name"

    async def names(condition, **values):
        return [row["name"] for row in (await filled.do("query", ask.format(condition), values))["rows"]]

    assert await names("name IN :l", l=["n0", "n2"]) == ["n0", "n2"]
    assert await names("name IN (:l) AND id > :i", l=["n0", "n1"], i=0) == ["n0", "n1"]
    assert await names("name IN :l", l=[]) == []
    assert await names("id in (:l)", l=[]) == []
    assert len(await names("name NOT IN (:l) AND id NOT IN :k", l=[], k=[])) == 4
    fail = await filled.fails("query", "SELECT 1 FROM t WHERE id IN :l", {"l": list(range(10_001))})
    assert (fail.code, fail.retries) == ("SQL_PARAMETERS_INVALID", 0)


async def test_counts_and_generated_keys(filled):
    done = await filled.do("execute", "INSERT INTO t (name) VALUES ('b') RETURNING id")
    assert (done["affected"], done["generatedKeys"], done["rows"]) == (1, [2], [{"id": 2}])
    if filled.kind != "postgresql":
        done = await filled.do("execute", "INSERT INTO t (name) VALUES ('c')")
        assert (done["affected"], done["generatedKeys"]) == (1, [3])
    done = await filled.do("execute", "UPDATE t SET amount = :a WHERE id > 0", {"a": "1.5"})
    assert done["affected"] == (2 if filled.kind == "postgresql" else 3)
    sets = [{"n": f"n{number}"} for number in range(500)]
    assert (await filled.do("batch", "INSERT INTO t (name) VALUES (:n)", parameterSets=sets))["affected"] == 500


async def test_a_batch_is_all_or_nothing(filled):
    fail = await filled.fails(
        "batch", "INSERT INTO t (name) VALUES (:n)", parameterSets=[{"n": "x"}, {"n": "y"}, {"n": "Ann"}]
    )
    assert fail.code == "SQL_UNIQUE_VIOLATION"
    assert (await filled.do("query", "SELECT count(*) AS n FROM t"))["rows"] == [{"n": 1}]


async def test_a_transaction_is_all_or_nothing(filled):
    statements = [
        {"statement": "INSERT INTO t (name) VALUES (:n)", "parameters": {"n": "tx"}},
        {"statement": "UPDATE t SET amount = '1' WHERE name = ?", "parameters": ["nobody"], "expect": 1},
    ]
    fail = await filled.fails("transaction", statements=statements)
    assert (fail.code, fail.retries) == ("SQL_UNEXPECTED_ROWS", 0)
    assert (await filled.do("query", "SELECT count(*) AS n FROM t WHERE name = 'tx'"))["rows"] == [{"n": 0}]
    statements[1]["parameters"] = ["tx"]
    done = await filled.do("transaction", statements=statements)
    assert [one["affected"] for one in done["results"]] == [1, 1]
    assert done["affected"] == 2


@pytest.mark.parametrize("control", ["COMMIT", "rollback;", "/* x */ BEGIN", "START TRANSACTION", "end work"])
async def test_a_transaction_does_not_end_within(filled, control):
    """What stands before it would stay, whatever comes after."""
    statements = [
        {"statement": "INSERT INTO t (name) VALUES ('tx')"},
        {"statement": control},
        {"statement": "SELECT 1"},
    ]
    fail = await filled.fails("transaction", statements=statements)
    assert (fail.code, fail.retries) == ("SQL_STATEMENT_INVALID", 0)
    assert (await filled.do("query", "SELECT count(*) AS n FROM t WHERE name = 'tx'"))["rows"] == [{"n": 0}]


async def test_a_part_of_a_transaction_may_be_undone(filled):
    """A question within it has no generated keys."""
    texts = ["SAVEPOINT s", "INSERT INTO t (name) VALUES ('no')", "ROLLBACK TO SAVEPOINT s", "SELECT 7 AS x"]
    done = await filled.do("transaction", statements=[{"statement": text} for text in texts])
    assert (done["rows"], done["results"][-1]["generatedKeys"]) == ([{"x": 7}], [])
    assert (await filled.do("query", "SELECT count(*) AS n FROM t WHERE name = 'no'"))["rows"] == [{"n": 0}]


async def test_a_batch_of_nothing_and_one_that_returns(filled):
    assert (await filled.do("batch", "INSERT INTO t (name) VALUES (:n)", parameterSets=[]))["affected"] == 0
    given = [{"n": "one"}, {"n": "two"}]
    done = await filled.do("batch", "INSERT INTO t (name) VALUES (:n) RETURNING id", parameterSets=given)
    assert done["affected"] == 2
    assert (await filled.do("query", "SELECT count(*) AS n FROM t WHERE name IN ('one', 'two')"))["rows"] == [{"n": 2}]


async def test_a_time_with_a_zone_says_what_to_do(filled):
    """FEEL's times have a zone; MariaDB's columns take none."""
    await filled.do("execute", "CREATE TABLE moments (at TIMESTAMP NULL)")
    if filled.kind != "mariadb":
        await filled.do("execute", "INSERT INTO moments VALUES (:at)", {"at": "2026-01-02T03:04:05Z"})
        return
    for text in ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.1+02:00", "2026-01-02T03:04:05+02:00[Europe/Berlin]"):
        fail = await filled.fails("execute", "INSERT INTO moments VALUES (:at)", {"at": text})
        assert fail.code == "SQL_DATA_INVALID"
        assert "STR_TO_DATE" in fail.message
        assert "2026" not in fail.message
    statement = "INSERT INTO moments VALUES (STR_TO_DATE(:at, '%Y-%m-%dT%H:%i:%sZ'))"
    await filled.do("execute", statement, {"at": "2026-01-02T03:04:05Z"})
    assert (await filled.do("query", "SELECT at FROM moments"))["rows"] == [{"at": "2026-01-02T03:04:05"}]


async def test_the_schema_of_a_url(pg):
    await pg.do("execute", "CREATE SCHEMA sales")
    await pg.do("execute", "CREATE TABLE sales.orders (id INT)")
    url = f"jdbc:postgresql://127.0.0.1:{pg.inputs['port']}/{pg.inputs['name']}?currentSchema=sales,public"
    given = {"url": url, "host": "", "port": None, "name": ""}
    assert (await pg.do("query", "SELECT * FROM orders", **given))["rows"] == []


async def test_the_guard_table_keeps_a_redelivered_job_from_doing_it_twice(filled):
    """The pattern of the page: job and statement are a key in the same transaction."""
    await filled.do(
        "execute",
        "CREATE TABLE done_by_process (cluster VARCHAR(50), job BIGINT, statement VARCHAR(50), "
        "PRIMARY KEY (cluster, job, statement))",
    )
    await filled.do("execute", "CREATE TABLE account (id INT, balance INT)")
    await filled.do("execute", "INSERT INTO account VALUES (1, 100)")
    statements = [
        {"statement": "INSERT INTO done_by_process VALUES ('live', :_jobKey, 'book')"},
        {"statement": "UPDATE account SET balance = balance - :n WHERE id = 1", "parameters": {"n": 30}, "expect": 1},
    ]
    await filled.do("transaction", statements=statements)
    assert (await filled.fails("transaction", statements=statements)).code == "SQL_UNIQUE_VIOLATION"
    assert (await filled.do("query", "SELECT balance FROM account"))["rows"] == [{"balance": 70}]


async def test_more_rows_than_fit(filled):
    sets = [{"n": f"n{number:04}"} for number in range(2999)]
    await filled.do("batch", "INSERT INTO t (name) VALUES (:n)", parameterSets=sets)
    ask = "SELECT id, name, amount FROM t ORDER BY id"
    fail = await filled.fails("query", ask)
    assert (fail.code, fail.retries) == ("SQL_TOO_MANY_ROWS", 0)
    assert "maxRows" in fail.message
    cut = await filled.do("query", ask, maxRows=2, beyond="cut")
    assert ([row["id"] for row in cut["rows"]], cut["more"], cut["rowCount"]) == ([1, 2], True, 2)
    by_size = await filled.do("query", ask, maxRows=3000, maxBytes=500, beyond="cut")
    assert by_size["more"]
    assert len(json.dumps(by_size["rows"])) < 700
    done = await filled.do("query", ask, beyond="csv", fileName="t.csv")
    assert (done["rows"], done["rowCount"]) == ([], 3000)
    lines = list(csv.reader(io.StringIO(await filled.text(done["document"]))))
    assert lines[:2] == [["id", "name", "amount"], ["1", "Ann", "1234567890123456.7890"]]
    assert len(lines) == 3001
    done = await filled.do("query", ask, result="json")
    rows = json.loads(await filled.text(done["document"]))
    assert (len(rows), rows[0]["amount"]) == (3000, "1234567890123456.7890")
    assert await filled.do("query", "SELECT 1 AS one"), "and the connection is still good"


async def test_an_empty_result_as_a_document(filled):
    done = await filled.do("query", "SELECT id FROM t WHERE id < 0", result="json")
    assert json.loads(await filled.text(done["document"])) == []


async def test_two_columns_of_one_name(filled):
    assert (await filled.do("query", "SELECT 1 AS a, 2 AS a"))["rows"] == [{"a": 1, "a_2": 2}]


async def test_bytes(filled):
    put = {"postgresql": "decode('00ff10', 'hex')", "mariadb": "x'00ff10'", "sqlite": "x'00ff10'"}[filled.kind]
    await filled.do("execute", f"UPDATE t SET data = {put}")
    assert (await filled.do("query", "SELECT data FROM t"))["rows"] == [{"data": "AP8Q"}]
    row = (await filled.do("query", "SELECT data FROM t", binary="document"))["rows"][0]
    assert row["data"]["metadata"]["size"] == 3


async def test_decimals_as_numbers(filled):
    row = (await filled.do("query", "SELECT CAST('12.50' AS DECIMAL(8, 2)) AS a FROM t", decimals="number"))["rows"][0]
    assert row["a"] == 12.5


async def test_strings_casts_and_comments_are_left_alone(filled):
    text = "'it''s :not ? 100%'"
    ask = f'SELECT {text} AS a /* :nor ? this */, name AS ":x" FROM t -- :nor ? this\nWHERE name = :n'
    if filled.kind == "mariadb":
        ask = ask.replace('":x"', "`:x`")
    found = await filled.do("query", ask, {"n": "Ann"})
    assert found["rows"] == [{"a": "it's :not ? 100%", ":x": "Ann"}]


@pytest.mark.parametrize(
    ("statement", "code", "retries"),
    [
        ("INSERT INTO t (name) VALUES ('Ann')", "SQL_UNIQUE_VIOLATION", 0),
        ("SELECT missing_column FROM t", "SQL_UNKNOWN_OBJECT", 0),
        ("SELECT * FROM nowhere", "SQL_UNKNOWN_OBJECT", 0),
        ("SELEC 1", "SQL_SYNTAX", 0),
        ("SELECT 1; DROP TABLE t", "SQL_STATEMENT_INVALID", 0),
        ("SELECT 'open", "SQL_STATEMENT_INVALID", 0),
        ("SELECT :a", "SQL_PARAMETERS_INVALID", 0),
    ],
)
async def test_errors_have_codes(filled, statement, code, retries):
    fail = await filled.fails("execute" if "INSERT" in statement else "query", statement)
    assert (fail.code, fail.retries) == (code, retries)


async def test_an_error_repeats_no_value(filled):
    fail = await filled.fails("execute", "INSERT INTO t (name) VALUES (:n)", {"n": "Ann"})
    assert "Ann" not in fail.message
    fail = await filled.fails("query", "SELECT :extra AS a", {"extra": 1, "password": "s3cret"})
    assert "password" in fail.message
    assert "s3cret" not in fail.message


@pytest.mark.parametrize("beyond", ["cut", "csv"])
async def test_large_results_in_a_transaction(filled, beyond):
    """Each statement has its document, or says that rows were left out."""
    statements = [{"statement": f"SELECT {n} AS n UNION ALL SELECT {n} ORDER BY 1"} for n in (1, 2)]
    done = await filled.do("transaction", statements=statements, maxRows=1, beyond=beyond)
    if beyond == "cut":
        found = [(one["rows"], one["rowCount"], one["more"]) for one in done["results"]]
        assert found == [([{"n": 1}], 1, True), ([{"n": 2}], 1, True)]
        assert (done["rowCount"], done["more"]) == (1, True)
    else:
        texts = [await filled.text(one["document"]) for one in done["results"]]
        assert texts == ["n\r\n1\r\n1\r\n", "n\r\n2\r\n2\r\n"]
        assert (done["rowCount"], done["document"]) == (2, done["results"][1]["document"])


async def test_constraints(filled):
    await filled.do("execute", "CREATE TABLE p (id INT PRIMARY KEY)")
    await filled.do(
        "execute",
        "CREATE TABLE c (id INT NOT NULL, p INT, n INT CHECK (n > 0), CONSTRAINT fk FOREIGN KEY (p) REFERENCES p (id))",
    )
    assert (await filled.fails("execute", "INSERT INTO c (p) VALUES (NULL)")).code == "SQL_NOT_NULL_VIOLATION"
    assert (await filled.fails("execute", "INSERT INTO c VALUES (1, NULL, 0)")).code == "SQL_CHECK_VIOLATION"
    if filled.kind != "sqlite":  # which checks references only when a connection asks for it
        assert (await filled.fails("execute", "INSERT INTO c VALUES (1, 7, 1)")).code == "SQL_FOREIGN_KEY_VIOLATION"
        assert (await filled.fails("execute", "INSERT INTO p VALUES ('x')")).code == "SQL_DATA_INVALID"


async def test_read_only(filled):
    fail = await filled.fails("execute", "DELETE FROM t", readOnly=True)
    assert (fail.code, fail.retries) == ("SQL_FORBIDDEN", 0)
    assert (await filled.do("query", "SELECT name FROM t", readOnly=True))["rows"] == [{"name": "Ann"}]
    assert (await filled.do("execute", "DELETE FROM t"))["affected"] == 1, "the connection may write again"


SLOW = {
    "postgresql": "SELECT pg_sleep(30)",
    "mariadb": "SELECT sleep(30)",
    "sqlite": "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c",
}


async def test_a_statement_that_takes_too_long_is_stopped_on_the_server(filled):
    started = time.monotonic()
    fail = await filled.fails("query", SLOW[filled.kind], timeout=0.5)
    assert fail.code == "SQL_TIMEOUT"
    assert time.monotonic() - started < 3
    await asyncio.sleep(0.3)
    running = {
        "postgresql": "SELECT count(*) AS n FROM pg_stat_activity WHERE state='active' AND query LIKE 'SELECT pg_s%'",
        "mariadb": "SELECT count(*) AS n FROM information_schema.processlist WHERE info LIKE 'SELECT sleep%'",
        "sqlite": "SELECT 0 AS n",
    }
    assert (await filled.do("query", running[filled.kind]))["rows"] == [{"n": 0}]


async def test_a_cancelled_job_stops_its_statement(filled):
    if filled.kind == "sqlite":
        pytest.skip("a statement of SQLite ends by its timeout")
    task = asyncio.create_task(filled.job("query", SLOW[filled.kind]))
    await asyncio.sleep(0.5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0.3)
    running = {
        "postgresql": "SELECT count(*) AS n FROM pg_stat_activity WHERE state='active' AND query LIKE 'SELECT pg_s%'",
        "mariadb": "SELECT count(*) AS n FROM information_schema.processlist WHERE info LIKE 'SELECT sleep%'",
    }
    assert (await filled.do("query", running[filled.kind]))["rows"] == [{"n": 0}]


async def test_more_jobs_than_connections_wait(filled):
    jobs = [filled.job("query", "SELECT name FROM t", poolSize=2) for _ in range(20)]
    assert all(isinstance(outcome, Complete) for outcome in await asyncio.gather(*jobs))


async def test_a_job_whose_time_ends_before_a_connection_is_free(db):
    """It says so, is tried again, and the pool is in order afterwards."""
    count = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 100000000) SELECT count(*) FROM c"
    slow = {"postgresql": "SELECT pg_sleep(4)", "mariadb": "SELECT sleep(4)", "sqlite": count}[db.kind]
    await db.do("query", "SELECT 1 AS one", poolSize=1)
    first = asyncio.create_task(db.job("query", slow, poolSize=1, timeout=4, seconds=30))
    await asyncio.sleep(0.2)
    for outcome in await asyncio.gather(*(db.job("query", "SELECT 1 AS one", poolSize=1, seconds=3) for _ in range(3))):
        assert (outcome.code, outcome.retries) == ("SQL_BUSY", 2)
        assert "poolSize" in outcome.message
    await first
    assert (await db.do("query", "SELECT 1 AS one", poolSize=1))["rows"] == [{"one": 1}]


WIDE = {
    "postgresql": "SELECT g AS id, repeat('y', 100000) AS a FROM generate_series(1, 400) g",
    "mariadb": "SELECT seq AS id, repeat('y', 100000) AS a FROM seq_1_to_400",
}


@pytest.mark.parametrize("kind", ["csv", "json"])
async def test_wide_rows(db, kind):
    """Forty megabytes in 400 rows become a document in small pieces, and are never in memory together."""
    if db.kind == "sqlite":
        pytest.skip("its driver is in this process, and reads all")
    sizes = []
    store = db.documents.store

    async def noting(pieces, **more):
        async def noted():
            async for piece in pieces:
                sizes.append(len(piece))
                yield piece

        return await store(noted(), **more)

    db.documents.store = noting
    await db.do("query", "SELECT 1 AS one")
    tracemalloc.start()
    try:
        done = await db.do("query", WIDE[db.kind], result=kind)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (done["rowCount"], done["document"]["metadata"]["size"] > 40_000_000) == (400, True)
    assert max(sizes) < 1_400_000
    assert peak < 30_000_000
    if kind == "json":
        assert [row["id"] for row in json.loads(await db.text(done["document"]))] == list(range(1, 401))


async def test_a_dead_connection_is_replaced_before_it_is_used(filled):
    if filled.kind == "sqlite":
        pytest.skip("has no connections that die")
    await filled.do("query", "SELECT 1 AS one")
    await asyncio.sleep(0.15)
    kill = {
        "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "
        "application_name = 'zeebe-connectors' AND datname = current_database()",
        "mariadb": None,
    }[filled.kind]
    if kill:
        await filled.do("query", kill, poolSize=4)  # another pool
    else:
        rows = await filled.do("query", "SELECT id FROM information_schema.processlist WHERE user = 'test'", poolSize=4)
        own = (await filled.do("query", "SELECT connection_id() AS id", poolSize=4))["rows"][0]["id"]
        for row in rows["rows"]:
            if row["id"] != own:
                await filled.do("execute", f"KILL {row['id']}", poolSize=4)
    assert (await filled.do("query", "SELECT 2 AS two"))["rows"] == [{"two": 2}]


async def test_wrong_password_and_dead_port(filled):
    if filled.kind == "sqlite":
        pytest.skip("has neither")
    before = filled.inputs
    filled.inputs = {**before, "authentication": {"type": "password", "username": "test", "password": "canary-1"}}
    fail = await filled.fails("query", "SELECT 1 AS one")
    assert (fail.code, fail.retries) == ("SQL_AUTH_FAILED", 0)
    assert "canary" not in fail.message
    filled.inputs = {**before, "url": None, "host": "127.0.0.1", "port": 1}
    fail = await filled.fails("query", "SELECT 1 AS one")
    assert (fail.code, fail.retries) == ("SQL_UNREACHABLE", 2)
    filled.inputs = {**before, "url": None, "host": "127.0.0.1", "port": 1, "name": "x", "security": "tls"}
    assert (await filled.fails("query", "SELECT 1 AS one")).code == "SQL_UNREACHABLE"


async def test_a_server_without_tls_gets_no_password(filled):
    if filled.kind == "sqlite":
        pytest.skip("has no network")
    filled.inputs = {**filled.inputs, "security": "tls"}
    if "url" in filled.inputs:
        filled.inputs["url"] = filled.inputs["url"].replace("useSSL=false", "useSSL=true")
    fail = await filled.fails("query", "SELECT 1 AS one")
    assert (fail.code, fail.retries) == ("SQL_TLS_FAILED", 0)


async def test_a_provider_fills_what_belongs_to_it(pg):
    provider = {
        "protocol": "database",
        "environments": {
            "test": {
                "url": f"postgres://127.0.0.1:{pg.inputs['port']}/{pg.inputs['name']}",
                "security": "none",
                "authentication": {**pg.inputs["authentication"], "type": "basic"},
            }
        },
    }

    async def queried(**inputs):
        given = {"operation": "query", "statement": "SELECT current_database() AS name", **inputs}
        return await run(work, given, headers={"provider": "erp"}, providers={"erp": provider}, environment="test",
                         result_variable="done")  # fmt: skip

    outcome = await queried()
    assert isinstance(outcome, Complete), outcome
    assert outcome.variables["done"]["rows"] == [{"name": pg.inputs["name"]}]
    for elsewhere in ({"host": "127.0.0.2"}, {"url": "postgresql://127.0.0.2/x"}):
        outcome = await queried(**elsewhere)
        assert isinstance(outcome, Fail)
        assert outcome.retries == 0


async def test_forbidden_host(pg, monkeypatch):
    monkeypatch.setenv("CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ENABLED", "true")
    fail = await pg.fails("query", "SELECT 1 AS one")
    assert (fail.code, fail.retries) == ("HOST_FORBIDDEN", 0)


async def test_allowed_address(pg, monkeypatch):
    """The connection goes to the address that was checked."""
    monkeypatch.setenv("CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ENABLED", "true")
    monkeypatch.setenv("CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ALLOWRANGES", "127.0.0.0/8,::1")
    pg.inputs = {**pg.inputs, "host": "localhost"}
    assert (await pg.do("query", "SELECT 1 AS one"))["rows"] == [{"one": 1}]


async def test_connection_can_be_tried(db):
    """What `test` does changes nothing and says what answers."""
    given = read_input(work.input, {**db.inputs, "operation": "query", "statement": "DROP TABLE t"})
    log = logging.LoggerAdapter(logging.getLogger())
    files = AllowedFiles([db.directory])
    context = Context(Job(1, "sql"), db.clients, db.documents, files, log, time.monotonic() + 20)
    await db.do("execute", TABLE[db.kind])
    assert "answers" in await check(given, context)
    await db.do("query", "SELECT * FROM t")


@pytest.mark.servers
async def test_tls_of_mariadb(authority, trusted, tmp_path):
    """The certificate is checked, for the host's name, and only the given authority is trusted."""
    leaf = authority.issue_cert("localhost")
    (tmp_path / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    (tmp_path / "key.pem").write_bytes(leaf.private_key_pem.bytes())
    if reason := mariadb.why_not():
        pytest.skip(reason)
    with mariadb.MariaDb(tls=(tmp_path / "cert.pem", tmp_path / "key.pem")) as server:
        place = Place(
            "mariadb",
            {
                "database": "mariadb", "host": "localhost", "port": server.port, "name": "test",
                "authentication": {"type": "password", "username": "test", "password": mariadb.PASSWORD},
                "trustedCertificate": trusted,
            },
            tmp_path,
        )  # fmt: skip
        assert (await place.do("query", "SELECT 1 AS one"))["rows"] == [{"one": 1}]
        place.inputs = {**place.inputs, "trustedCertificate": f"# Főtanúsítvány\n{trusted}"}
        assert (await place.do("query", "SELECT 1 AS one"))["rows"] == [{"one": 1}]
        place.inputs = {**place.inputs, "host": "127.0.0.1"}
        fail = await place.fails("query", "SELECT 1 AS one")
        assert (fail.code, fail.retries) == ("SQL_TLS_FAILED", 0)
        place.inputs = {**place.inputs, "host": "localhost", "trustedCertificate": ""}
        assert (await place.fails("query", "SELECT 1 AS one")).code == "SQL_TLS_FAILED"
        await place.clients.aclose()


async def test_deadlock_is_tried_again(pg):
    await pg.do("execute", "CREATE TABLE d (id INT PRIMARY KEY, n INT)")
    await pg.do("execute", "INSERT INTO d VALUES (1, 0), (2, 0)")

    def crossing(first, second):
        change = "UPDATE d SET n = n + 1 WHERE id = :i"
        return pg.job(
            "transaction",
            statements=[
                {"statement": change, "parameters": {"i": first}},
                {"statement": "SELECT pg_sleep(0.5)"},
                {"statement": change, "parameters": {"i": second}},
            ],
        )

    outcomes = await asyncio.gather(crossing(1, 2), crossing(2, 1))
    failed = [outcome for outcome in outcomes if isinstance(outcome, Fail)]
    assert [(fail.code, fail.retries) for fail in failed] == [("SQL_DEADLOCK", 2)]


async def test_procedures(pg):
    await pg.do(
        "execute",
        "CREATE PROCEDURE double_it(IN n INT, INOUT twice INT) LANGUAGE plpgsql AS $$ BEGIN twice := n * 2; END; $$",
    )
    done = await pg.do("procedure", procedure="double_it", parameters=[21, {"out": "twice"}])
    assert done["out"] == {"twice": 42}


@pytest.mark.servers
async def test_procedures_of_mariadb(maria, request, tmp_path):
    from tests.connectors.sql.conftest import _place  # noqa: PLC0415 - the fixture is parametrised

    place = _place("mariadb", request, tmp_path)
    await place.do("execute", "CREATE PROCEDURE double_it(IN n INT, OUT twice INT) BEGIN SET twice = n * 2; END")
    done = await place.do("procedure", procedure="double_it", parameters=[21, {"out": "twice"}])
    assert done["out"] == {"twice": 42}
    await place.clients.aclose()


async def test_sqlite_opens_no_other_file(lite, tmp_path):
    for statement in (f"ATTACH DATABASE '{tmp_path}/x' AS x", f"VACUUM INTO '{tmp_path}/x'"):
        assert (await lite.fails("execute", statement)).code == "SQL_FORBIDDEN"
    lite.inputs = {"database": "sqlite", "name": "/etc/passwd"}
    assert (await lite.fails("query", "SELECT 1")).code == "FILE_FORBIDDEN"


async def test_postgresql_values_of_every_kind(pg):
    ask = """SELECT 'NaN'::float8 AS a, 'Infinity'::numeric AS b, interval '1 day 2:03:04.5' AS c, time '03:04' AS d,
      ARRAY[[1,2],[3,4]] AS e, ARRAY['a',NULL] AS f, int4range(1,5) AS g, '10.0.0.0/8'::cidr AS h, true AS i,
      timestamp '2026-01-02 03:04:05.000006' AS j, 9007199254740993::bigint AS k, '{"a": 1.10}'::json AS l, NULL AS m,
      ARRAY[1.10, 2.20]::numeric[] AS n, 'x'::"char" AS o"""
    row = (await pg.do("query", ask))["rows"][0]
    assert row["a"] == "NaN"
    assert (row["b"], row["c"], row["d"]) == ("Infinity", "P1DT2H3M4.5S", "03:04:00")
    assert (row["e"], row["f"], row["g"], row["h"]) == ([[1, 2], [3, 4]], ["a", None], "[1,5)", "10.0.0.0/8")
    assert (row["i"], row["j"], row["k"]) == (True, "2026-01-02T03:04:05.000006", 9007199254740993)
    assert (row["l"], row["m"], row["n"]) == ({"a": 1.1}, None, ["1.10", "2.20"])


async def test_dates_that_python_has_none_for_come_as_text(pg):
    ask = """SELECT 'infinity'::date AS a, '-infinity'::timestamptz AS b, '0044-03-15 BC'::date AS c,
      '24:00'::time AS d, '10000-01-01 00:00'::timestamp AS e, ARRAY['infinity', '2026-01-02']::date[] AS f,
      date '2026-01-02' AS g"""
    assert (await pg.do("query", ask))["rows"] == [
        {
            "a": "infinity", "b": "-infinity", "c": "0044-03-15 BC", "d": "24:00:00", "e": "10000-01-01 00:00:00",
            "f": ["infinity", "2026-01-02"], "g": "2026-01-02",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    "statement",
    [
        "SET search_path = nowhere",
        "/* a */ -- b\nset statement_timeout = 7",
        "SELECT set_config('search_path', 'nowhere', false)",
        "BEGIN",
        "CREATE TEMP TABLE orders (id INT)",
        "SELECT 1 AS id INTO TEMP orders",
        "PREPARE mine AS SELECT 1",
        "SELECT pg_advisory_lock(7)",
    ],
)
async def test_what_one_job_does_to_its_session_reaches_no_other(pg, statement):
    """A connection goes from job to job, but not with another search path, an open transaction or a lock."""
    same = {"poolSize": 1, "timeout": 5}
    await pg.do("execute", "CREATE TABLE orders (id INT)")
    seen = """SELECT current_setting('search_path') AS path, current_setting('statement_timeout') AS time,
      pg_current_xact_id_if_assigned() IS NULL AS none, 'orders'::regclass::oid AS at,
      (SELECT count(*) FROM pg_prepared_statements WHERE from_sql) AS prepared,
      (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') AS locks"""
    before = await pg.do("query", seen, **same)
    assert isinstance(await pg.job("execute", statement, **same), Complete)
    await pg.do("execute", "INSERT INTO orders VALUES (1)", **same)
    assert await pg.do("query", seen, **same) == before
    assert (await pg.do("query", "SELECT count(*) AS n FROM orders", poolSize=2))["rows"] == [{"n": 1}]


async def test_another_database_is_not_left_to_the_next_job(filled):
    """What is chosen or set for a session holds for the job that did it."""
    if filled.kind == "postgresql":
        pytest.skip("above, with more of them")
    change, seen = {
        "mariadb": ("USE information_schema", "SELECT database() AS it"),
        "sqlite": ("PRAGMA query_only = 1", "SELECT query_only AS it FROM pragma_query_only"),
    }[filled.kind]
    before = await filled.do("query", seen, poolSize=1)
    await filled.do("execute", change, poolSize=1)
    assert await filled.do("query", seen, poolSize=1) == before


async def test_a_connection_that_broke_is_not_used_again(pg):
    """However soon the next job comes: one that the server has ended is no connection."""
    kill = "SELECT pg_terminate_backend(pg_backend_pid())"
    assert (await pg.fails("query", kill, poolSize=1)).code == "SQL_CONNECTION_LOST"
    for _ in range(3):
        assert (await pg.do("query", "SELECT 1 AS one", poolSize=1))["rows"] == [{"one": 1}]
    assert (await pg.fails("execute", "COPY t FROM STDIN")).code == "SQL_UNSUPPORTED"


async def test_postgresql_takes_what_json_has_for_its_types(pg):
    await pg.do("execute", "CREATE TABLE v (a INT, b NUMERIC, c BOOL, d TIMESTAMPTZ, e TEXT[], f JSONB, g FLOAT8)")
    values = {"a": 5, "b": 1.25, "c": True, "d": "2026-01-02T03:04:05Z", "e": ["x", "y'"], "f": {"k": [1]}, "g": 0.1}
    await pg.do("execute", "INSERT INTO v VALUES (:a, :b, :c, :d, :e, :f, :g)", values)
    row = (await pg.do("query", "SELECT * FROM v WHERE a = ANY(:list) AND f ? 'k'", {"list": [5, 6]}))["rows"][0]
    assert row == {**values, "b": "1.25", "d": "2026-01-02T03:04:05+00:00"}


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize("rows", [1, 3])
async def test_bytes_in_a_document_of_rows_are_base64(lite, kind, rows):
    query = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT x'00ff' AS data FROM n"
    whole = await lite.do("query", query, result=kind, binary="document")
    beyond = await lite.do("query", query, beyond=kind, maxRows=rows, binary="document") if rows < 3 else whole
    for done in (whole, beyond):
        text = await lite.text(done["document"])
        assert text.count("AP8=") == 3


@pytest.mark.parametrize(
    "statement", ["INSERT INTO p VALUES ('100%')", "INSERT INTO p SELECT 'a' WHERE 'a%s' LIKE 'a%'"]
)
async def test_a_batch_without_values_leaves_percent_signs_alone(db, statement):
    await db.do("execute", "CREATE TABLE p (v VARCHAR(20))")
    done = await db.do("batch", statement, parameterSets=[{}, {}])
    assert done["affected"] == 2
    want = "100%" if "100" in statement else "a"
    assert (await db.do("query", "SELECT v FROM p"))["rows"] == [{"v": want}] * 2


async def test_the_operator_of_a_question_mark_beside_places(pg):
    statement = "SELECT '{\"k\": 1}'::jsonb ?? ? AS a, '{\"k\": 1}'::jsonb ??| ? AS b, '1%' AS c"
    row = (await pg.do("query", statement, ["k", ["x"]]))["rows"][0]
    assert row == {"a": True, "b": False, "c": "1%"}
    assert (await pg.do("query", "SELECT '[1]'::jsonb ?? '1%' AS a"))["rows"] == [{"a": False}]


@pytest.mark.parametrize(
    ("statement", "code", "constraint"),
    [
        ("INSERT INTO s VALUES (1, 5)", "SQL_UNIQUE_VIOLATION", "s.id"),
        ("INSERT INTO s VALUES (2, NULL)", "SQL_NOT_NULL_VIOLATION", "s.n"),
        ("INSERT INTO s VALUES (2, -5)", "SQL_CHECK_VIOLATION", "positive"),
        ("INSERT INTO s VALUES (2, 'canary')", "SQL_DATA_INVALID", None),
    ],
)
async def test_sqlite_names_what_is_violated(lite, statement, code, constraint):
    await lite.do(
        "execute", "CREATE TABLE s (id INTEGER PRIMARY KEY, n INT NOT NULL, CONSTRAINT positive CHECK (n > 0)) STRICT"
    )
    await lite.do("execute", "INSERT INTO s VALUES (1, 5)")
    fail = await lite.fails("execute", statement)
    assert fail.code == code
    assert constraint is None or f"({constraint})" in fail.message
    assert "canary" not in fail.message


@pytest.mark.parametrize(("field", "form"), [("url", "sqlite:{}"), ("name", "{}")])
async def test_a_missing_file_is_reported_under_its_input(lite, field, form):
    path = form.format(lite.directory / "missing.sqlite")
    given = {"operation": "query", "statement": "SELECT 1", "database": "sqlite", field: path}
    files = AllowedFiles([lite.directory])
    log = logging.LoggerAdapter(logging.getLogger())
    context = Context(Job(1, "sql"), lite.clients, lite.documents, files, log, time.monotonic() + 20)
    with pytest.raises(InputError, match=f"^{field}: there is no such file"):
        await check(read_input(work.input, given), context)


@pytest.mark.parametrize("value", [[], [1, 2], ["a", "b's"], [[1], [2]], [True], [1.5, None], [{"a": []}], {"a": []}])
@pytest.mark.parametrize("kind", ["JSON", "JSONB"])
async def test_a_list_for_json_is_json(pg, kind, value):
    await pg.do("execute", f"CREATE TABLE j (doc {kind}, n INT[])")
    insert = "INSERT INTO j VALUES (:doc, :n)"
    for parameters in ({"doc": value, "n": []}, {"doc": value, "n": [1, 2]}):
        await pg.do("execute", insert, parameters)
    one = {"statement": insert, "parameters": {"doc": value, "n": []}, "expect": 1}
    await pg.do("transaction", statements=[one, {"statement": "UPDATE j SET n = :n", "parameters": {"n": []}}, one])
    await pg.do("batch", insert, parameterSets=[{"doc": 1 and {"a": 1}, "n": []}, {"doc": value, "n": [7]}])
    await pg.do("query", "INSERT INTO j VALUES (?, ?) RETURNING n", [value, [3]])
    rows = (await pg.do("query", "SELECT * FROM j"))["rows"]
    assert [row["doc"] for row in rows] == [value] * 4 + [{"a": 1}] + [value] * 2
    assert [row["n"] for row in rows] == [[]] * 5 + [[7], [3]]


async def test_a_list_of_a_type_that_nobody_says_stays_an_array(pg):
    """The server cannot say what it wants here, and the transaction goes on."""
    count = {"statement": "SELECT cardinality(:l) AS n", "parameters": {"l": [5, 6]}}
    done = await pg.do("transaction", statements=[{"statement": "SELECT 1 AS a"}, count])
    assert done["rows"] == [{"n": 2}]
    assert (await pg.do("query", "SELECT cardinality(:l) AS n", {"l": [5, 6]}))["rows"] == [{"n": 2}]


async def test_half_a_character_fails_no_query(pg):
    """PostgreSQL's type `json` keeps the text that it got."""
    query = """SELECT '{"a": ["x\\ud800"], "\\udc00": 1}'::json AS j"""
    assert (await pg.do("query", query))["rows"] == [{"j": {"a": ["x\ufffd"], "\ufffd": 1}}]
    for kind in ("csv", "json"):
        text = await pg.text((await pg.do("query", query, result=kind))["document"])
        assert "x\ufffd" in text


@pytest.mark.parametrize("lock", ["UPDATE", "NO KEY UPDATE", "SHARE"])
async def test_rows_that_are_locked_are_no_keys(pg, lock):
    await pg.do("execute", "CREATE TABLE k (id INT)")
    assert (await pg.do("execute", "INSERT INTO k VALUES (5) RETURNING id"))["generatedKeys"] == [5]
    statement = f"SELECT id FROM k FOR {lock}"
    done = await pg.do("transaction", statements=[{"statement": statement}, {"statement": "UPDATE k SET id = 6"}])
    assert (done["generatedKeys"], done["results"][0]["rows"]) == ([], [{"id": 5}])
    assert (await pg.do("execute", statement))["generatedKeys"] == []


ASKS = {
    "a word in a text": "SELECT id FROM t WHERE name <> 'delete'",
    "a word in a comment": "SELECT id FROM t -- no update here",
    "a word in a name": 'SELECT id AS "insert" FROM t',
    "a function": "SELECT replace(name, 'a', 'b') AS id FROM t",
    "a comment before it": "/* update */ SELECT id FROM t",
    "parentheses": "SELECT id FROM (SELECT id FROM t) AS x",
    "with": "WITH x AS (SELECT id FROM t) SELECT id FROM x",
}


@pytest.mark.parametrize("form", ASKS)
async def test_what_only_asks_changes_nothing(db, form):
    """Words of a change in texts, names, comments and functions are none."""
    statement = ASKS[form].replace('"', "`") if db.kind == "mariadb" else ASKS[form]
    await db.do("execute", "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(10))")
    await db.do("execute", "INSERT INTO t VALUES (7, 'a')")
    statements = [{"statement": "UPDATE t SET name = 'a' WHERE id IN (7)"}, {"statement": statement}]
    done = await db.do("transaction", statements=[*statements, {"statement": "UPDATE t SET name = 'b'"}])
    assert [one["affected"] for one in done["results"]][1] is None
    assert done["results"][1]["generatedKeys"] == []
    assert len(done["results"][1]["rows"]) == 1
    done = await db.do("execute", statement)
    assert (done["affected"], done["generatedKeys"], done["rowCount"]) == (None, [], 1)


async def test_changes_behind_with_are_counted(pg, lite):
    for place in (pg, lite):
        await place.do("execute", "CREATE TABLE t (id INT PRIMARY KEY)")
        done = await place.do("execute", "WITH x AS (SELECT 1 AS id UNION SELECT 2) INSERT INTO t SELECT id FROM x")
        assert done["affected"] == 2
    done = await pg.do("execute", "WITH gone AS (DELETE FROM t RETURNING id) SELECT count(*) AS n FROM gone")
    assert (done["affected"], done["rows"]) == (1, [{"n": 2}])


async def test_an_empty_list_for_text_is_json(pg):
    await pg.do("execute", "CREATE TABLE t (name TEXT, tags TEXT[])")
    done = await pg.do("execute", "INSERT INTO t VALUES (:a, :b) RETURNING *", {"a": [], "b": []})
    assert done["rows"] == [{"name": "[]", "tags": []}]
    assert (await pg.do("query", "SELECT :a AS a", {"a": []}))["rows"] == [{"a": "[]"}]


@pytest.mark.parametrize("statement", ["SELECT @id", "SELECT $id", "SELECT ?2"])
async def test_places_of_sqlite_without_a_value(lite, statement):
    fail = await lite.fails("query", statement)
    assert (fail.code, fail.retries) == ("SQL_PARAMETERS_INVALID", 0)
    assert " :" in fail.message


async def test_an_address_in_brackets(pg):
    """As URLs write it; a relay stands for a server that has such an address."""

    async def relay(reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", pg.inputs["port"])

        async def pipe(source, target):
            while data := await source.read(65536):
                target.write(data)
            target.close()

        await asyncio.gather(pipe(reader, back), pipe(there, writer), return_exceptions=True)

    async with await asyncio.start_server(relay, "::1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for host in ("[::1]", "::1", " [::1] "):
            assert (await pg.do("query", "SELECT 1 AS n", host=host, port=port))["rows"] == [{"n": 1}]
        await pg.clients.aclose()


WRONG = [
    ("CREATE TABLE t (id INT)", "SQL_SYNTAX"),
    ("SELECT a.id FROM t AS a, t AS b WHERE id = 1", "SQL_SYNTAX"),
    ("SELECT 1 UNION SELECT 1, 2", "SQL_SYNTAX"),
    (f"INSERT INTO t VALUES ({', '.join(['NULL'] * 40)})", "SQL_SYNTAX"),
    ("SELECT max(id) FROM t WHERE max(id) = 1", "SQL_SYNTAX"),
    ("DROP TABLE nowhere", "SQL_UNKNOWN_OBJECT"),
]


@pytest.mark.parametrize(("statement", "code"), WRONG)
async def test_what_is_wrong_with_a_statement_has_one_code(filled, statement, code):
    fail = await filled.fails("execute", statement)
    assert (fail.code, fail.retries) == (code, 0)


async def test_places_of_postgresql_without_a_value(pg):
    """The server reports a broken protocol; the connection is not."""
    fail = await pg.fails("query", "SELECT $1::int")
    assert (fail.code, fail.retries) == ("SQL_PARAMETERS_INVALID", 0)


@pytest.mark.servers
async def test_a_procedure_of_mariadb_with_other_arguments(maria, request, tmp_path):
    from tests.connectors.sql.conftest import _place  # noqa: PLC0415 - the fixture is parametrised

    place = _place("mariadb", request, tmp_path)
    await place.do("execute", "CREATE PROCEDURE nothing(IN n INT) BEGIN END")
    fail = await place.fails("procedure", procedure="nothing", parameters=[])
    assert (fail.code, fail.retries) == ("SQL_PARAMETERS_INVALID", 0)
    await place.clients.aclose()


async def test_what_returns_rows_without_a_change_has_no_keys(lite, pg):
    await lite.do("execute", "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
    for place, statement in ((lite, "PRAGMA table_info(t)"), (pg, "EXPLAIN SELECT 1"), (lite, "EXPLAIN SELECT 1")):
        assert (await place.do("execute", statement))["generatedKeys"] == []
    done = await lite.do("execute", "/* new */ INSERT INTO t (name) VALUES ('a') RETURNING id")
    assert done["generatedKeys"] == [1]
    assert (await lite.do("execute", "/* new */ INSERT INTO t (name) VALUES ('b')"))["generatedKeys"] == [2]


async def test_what_triggers_change_is_not_counted(lite):
    await lite.do("execute", "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
    await lite.do(
        "execute", "CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET name = 'x;y' WHERE id = new.id; END"
    )
    insert = "INSERT INTO t (name) VALUES (:name)"
    assert (await lite.do("batch", insert, parameterSets=[{"name": "a"}, {"name": "b"}]))["affected"] == 2
    assert (await lite.do("execute", insert, {"name": "c"}))["affected"] == 1
    await lite.do("execute", "DROP TRIGGER r")
    insert = "WITH x AS (SELECT :name AS name) INSERT INTO t (name) SELECT name FROM x"
    assert (await lite.do("batch", insert, parameterSets=[{"name": "a"}, {"name": "b"}]))["affected"] == 2


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SELECT abs(-9223372036854775808)", "SQL_DATA_INVALID"),
        ("SELECT json('{')", "SQL_DATA_INVALID"),
        ("SELECT load_extension('x')", "SQL_FORBIDDEN"),
    ],
)
async def test_what_sqlite_says_in_words(lite, statement, code):
    fail = await lite.fails("query", statement)
    assert (fail.code, fail.retries) == (code, 0)
