"""Stored procedures of MariaDB with all that they return."""

from __future__ import annotations

import json

import pytest
from tests.connectors.sql.conftest import _place

pytestmark = pytest.mark.servers


@pytest.fixture
async def maria_db(maria, request, tmp_path):
    place = _place("mariadb", request, tmp_path)
    await place.do("execute", "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, name TEXT)")
    yield place
    await place.clients.aclose()


SEVERAL = """CREATE PROCEDURE several(IN n INT, OUT total INT) BEGIN
  INSERT INTO t (name) VALUES ('a'), ('b'), ('c');
  SELECT id, name FROM t ORDER BY id;
  SELECT 1.50 AS price, TIME '10:20:00' AS at WHERE 1 = 0;
  SELECT n AS n, 'x' AS x;
  SELECT count(*) INTO total FROM t;
  UPDATE t SET name = upper(name) WHERE id <= 2;
END"""


async def test_all_result_sets(maria_db):
    await maria_db.do("execute", SEVERAL)
    done = await maria_db.do("procedure", procedure="several", parameters=[7, {"out": "total"}])
    rows = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "c"}]
    assert (done["rows"], done["rowCount"], done["out"]) == (rows, 3, {"total": 3})
    assert [one["rows"] for one in done["results"]] == [rows, [], [{"n": 7, "x": "x"}]]
    assert (await maria_db.do("query", "SELECT name FROM t WHERE id = 1"))["rows"] == [{"name": "A"}]


@pytest.mark.parametrize("beyond", ["fail", "cut", "csv"])
async def test_more_rows_than_wanted(maria_db, beyond):
    """Those of all results count together, and the procedure runs to its end all the same."""
    await maria_db.do("execute", SEVERAL)
    outcome = await maria_db.job(
        "procedure", procedure="several", parameters=[7, {"out": "total"}], maxRows=2, beyond=beyond, poolSize=1
    )
    assert [row["name"] for row in (await maria_db.do("query", "SELECT name FROM t", poolSize=1))["rows"]] == [
        "A", "B", "c",
    ]  # fmt: skip
    if beyond == "fail":
        assert (outcome.code, outcome.retries) == ("SQL_TOO_MANY_ROWS", 0)
        return
    done = outcome.variables["done"]
    assert done["out"] == {"total": 3}
    if beyond == "cut":
        found = [(len(one["rows"]), one["more"]) for one in done["results"]]
        assert (found, done["more"]) == ([(2, True), (0, False), (0, True)], True)
    else:
        first, empty, third = done["results"]
        assert await maria_db.text(first["document"]) == "id,name\r\n1,a\r\n2,b\r\n3,c\r\n"
        assert (first["rowCount"], done["rowCount"], done["document"]) == (3, 3, first["document"])
        assert (empty["rows"], third["rows"]) == ([], [{"n": 7, "x": "x"}])


async def test_a_procedure_fails_between_its_results(maria_db):
    await maria_db.do(
        "execute",
        "CREATE PROCEDURE bad() BEGIN "
        "SELECT 1 AS one; INSERT INTO t (id) VALUES (1); INSERT INTO t (id) VALUES (1); END",
    )
    fail = await maria_db.fails("procedure", procedure="bad", poolSize=1)
    assert fail.code == "SQL_UNIQUE_VIOLATION"
    assert "(PRIMARY)" in fail.message
    assert (await maria_db.do("query", "SELECT count(*) AS n FROM t", poolSize=1))["rows"] == [{"n": 1}]
    fail = await maria_db.fails("procedure", procedure="bad", poolSize=1, isolation="readCommitted")
    assert (await maria_db.do("query", "SELECT count(*) AS n FROM t", poolSize=1))["rows"] == [{"n": 1}]


async def test_results_without_an_end(maria_db):
    await maria_db.do(
        "execute",
        "CREATE PROCEDURE endless() BEGIN DECLARE i INT DEFAULT 0; REPEAT SELECT i; UNTIL FALSE END REPEAT; END",
    )
    fail = await maria_db.fails("procedure", procedure="endless", timeout=1, maxRows=100_000, poolSize=1)
    assert fail.code in {"SQL_TOO_MANY_ROWS", "SQL_TIMEOUT"}
    assert (await maria_db.do("query", "SELECT 1 AS one", poolSize=1))["rows"] == [{"one": 1}]
    running = "SELECT count(*) AS n FROM information_schema.processlist WHERE info LIKE 'CALL%'"
    assert (await maria_db.do("query", running))["rows"] == [{"n": 0}]


async def test_an_output_argument_holds_nothing_of_an_earlier_job(maria_db):
    await maria_db.do("execute", "CREATE PROCEDURE twice(INOUT n INT) BEGIN SET n = ifnull(n, -1); END")
    await maria_db.do("execute", "CREATE PROCEDURE secret(OUT n INT) BEGIN SET n = 42; END")
    for name, found in (("secret", 42), ("twice", -1)):
        done = await maria_db.do("procedure", procedure=name, parameters=[{"out": "n"}], poolSize=1)
        assert json.dumps(done["out"]) == json.dumps({"n": found})
