"""What a statement does, by its own words."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from zeebe_connectors import InputError
from zeebe_connectors.connectors.sql.kinds import check_single, only_asks
from zeebe_connectors.connectors.sql.running import prepared

TREE = (
    "WITH RECURSIVE tree AS (SELECT id FROM t WHERE id = 1 UNION ALL "
    "SELECT t.id FROM t JOIN tree ON t.parent = tree.id)"
)


@pytest.mark.parametrize(
    "order", ["SEARCH DEPTH FIRST BY id SET o", 'SEARCH BREADTH FIRST BY id SET "o"', "CYCLE id SET c USING p"]
)
async def test_a_change_behind_search_and_cycle(pg, order):
    """It is counted, and its rows are the keys that it returns."""
    await pg.do("execute", "CREATE TABLE t (id INT, parent INT)")
    await pg.do("execute", "INSERT INTO t VALUES (1, NULL), (2, 1), (3, 2), (4, NULL)")
    done = await pg.do("execute", f"{TREE} {order} DELETE FROM t USING tree WHERE t.id = tree.id RETURNING t.id")
    assert (done["affected"], sorted(done["generatedKeys"])) == (3, [1, 2, 3])
    done = await pg.do("execute", f"{TREE} {order} UPDATE t SET parent = 0 WHERE NOT EXISTS (SELECT FROM tree)")
    assert (done["affected"], done["rows"]) == (1, [])
    done = await pg.do("query", f"{TREE} {order} SELECT count(*) AS n FROM tree")
    assert (done["affected"], done["rows"]) == (None, [{"n": 0}])


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 DELETE FROM t",
        "SELECT 1\nSELECT 2",
        "WITH x AS (SELECT 1 AS a) SELECT a FROM x EXEC close_orders",
        "UPDATE t SET a = 1 DELETE FROM u",
        "INSERT INTO t VALUES (1) INSERT INTO t VALUES (2)",
        "INSERT INTO t SELECT 1 SELECT 2",
        "DELETE FROM t SELECT @@ROWCOUNT",
        "/* delete */ SELECT 1 -- all\n TRUNCATE TABLE t",
        "SELECT 1 COMMIT",
    ],
)
def test_several_statements_of_sql_server(statement):
    with pytest.raises(InputError, match="several statements") as raised:
        prepared(statement, None, SimpleNamespace(dialect="mssql", has_traces=False), {}, field="parameters")
    assert raised.value.code == "SQL_STATEMENT_INVALID"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 UNION ALL SELECT 2 EXCEPT SELECT 3",
        "(SELECT 1) UNION (SELECT 2)",
        "SELECT a, (SELECT 1), 'delete', [delete] FROM t INNER MERGE JOIN u ON t.a = u.a OPTION (MERGE UNION)",
        "WITH x AS (SELECT 1 AS a) DELETE FROM t WHERE a IN (SELECT a FROM x)",
        "WITH x AS (SELECT 1 AS a) INSERT INTO t SELECT a FROM x UNION SELECT 2",
        "INSERT INTO t EXEC close_orders",
        "MERGE t USING u ON t.a = u.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1);",
        "DECLARE @n INT SELECT @n = 1 SELECT @n",
        "BEGIN UPDATE t SET a = 1 DELETE FROM u END",
        "IF EXISTS (SELECT 1) SELECT 1 ELSE DELETE FROM t",
        "EXEC close_orders 1",
        "SELECT deleted, updated FROM t -- delete",
    ],
)
def test_one_statement_of_sql_server(statement):
    check_single(statement)


def test_what_search_looks_like_elsewhere():
    assert only_asks("WITH a AS (SELECT 1) SELECT x FROM a JOIN b USING (x) FOR UPDATE", "postgresql")
