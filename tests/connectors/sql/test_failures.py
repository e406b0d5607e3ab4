"""What drivers of databases that no test can start say, in the form that they document, and what it means."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from zeebe_connectors.connectors.sql.connector import work
from zeebe_connectors.connectors.sql.failures import ERRORS, failure
from zeebe_connectors.testing import run

SQL_SERVER = "[{state}] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]{text} ({number}) (SQLExecDirectW)"


def raised(module: str, *arguments: object) -> Exception:
    kind = type("DatabaseError", (Exception,), {"__module__": module})
    return kind(*arguments)


@pytest.mark.parametrize(
    ("state", "number", "text", "code", "again"),
    [
        ("23000", 2627, "Violation of UNIQUE KEY constraint 'canary'.", "SQL_UNIQUE_VIOLATION", False),
        ("23000", 547, "conflicted with the FOREIGN KEY constraint", "SQL_FOREIGN_KEY_VIOLATION", False),
        ("23000", 547, "conflicted with the CHECK constraint", "SQL_CHECK_VIOLATION", False),
        ("23000", 515, "Cannot insert the value NULL", "SQL_NOT_NULL_VIOLATION", False),
        ("40001", 1205, "was deadlocked", "SQL_DEADLOCK", True),
        ("42000", 1222, "Lock request time out period exceeded.", "SQL_LOCK_TIMEOUT", True),
        ("42S02", 208, "Invalid object name 'x'.", "SQL_UNKNOWN_OBJECT", False),
        ("42000", 102, "Incorrect syntax near 'x'.", "SQL_SYNTAX", False),
        ("42000", 229, "The SELECT permission was denied", "SQL_FORBIDDEN", False),
        ("22001", 2628, "String or binary data would be truncated", "SQL_DATA_INVALID", False),
        ("28000", 18456, "Login failed for user 'canary'.", "SQL_AUTH_FAILED", False),
        ("HYT00", 0, "Query timeout expired", "SQL_TIMEOUT", True),
        ("08001", -1, "Unable to complete login process", "SQL_UNREACHABLE", True),
        ("08001", -1, "SSL Provider: certificate verify failed", "SQL_TLS_FAILED", False),
        ("08S01", 10054, "Communication link failure", "SQL_CONNECTION_LOST", True),
        ("01000", 0, "Can't open lib 'ODBC Driver 18 for SQL Server' : file not found", "SQL_UNSUPPORTED", False),
        ("IM002", 0, "Data source name not found", "SQL_UNSUPPORTED", False),
        ("HY000", 99999, "something new", "SQL_ERROR", True),
    ],
)
def test_sql_server(state, number, text, code, again):
    error = raised("pyodbc", state, SQL_SERVER.format(state=state, text=text, number=number))
    found = failure(error, where="db:1433")
    assert (found.code, type(found).__name__ != "PermanentError") == (code, again)
    assert found.code in ERRORS
    assert "canary" not in str(found)


@pytest.mark.parametrize(
    ("number", "name", "code"),
    [
        (1, "ORA-00001", "SQL_UNIQUE_VIOLATION"),
        (60, "ORA-00060", "SQL_DEADLOCK"),
        (942, "ORA-00942", "SQL_UNKNOWN_OBJECT"),
        (1017, "ORA-01017", "SQL_AUTH_FAILED"),
        (0, "DPY-6005", "SQL_UNREACHABLE"),
        (0, "DPY-6001", "SQL_UNKNOWN_OBJECT"),
        (0, "DPY-4011", "SQL_CONNECTION_LOST"),
        (0, "DPY-4024", "SQL_TIMEOUT"),
        (0, "DPY-9999", "SQL_ERROR"),
    ],
)
def test_oracle(number, name, code):
    detail = SimpleNamespace(code=number, full_code=name, message=f"{name}: canary")
    found = failure(raised("oracledb.exceptions", detail), where="db:1521")
    assert found.code == code
    if code != "SQL_UNKNOWN_OBJECT":  # which repeats the statement's own words
        assert "canary" not in str(found)


@pytest.mark.servers
async def test_oracles_driver_finds_nobody():
    """The driver itself, as far as it comes without a server: a dead port, and a server that speaks something else."""
    if find_spec("oracledb") is None:
        (pytest.fail if os.environ.get("SERVERS") else pytest.skip)("the extra sql-oracle is not installed")

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    other = await asyncio.start_server(speak, "127.0.0.1", 0)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        for port in (unused.getsockname()[1], other.sockets[0].getsockname()[1]):
            login = {"type": "password", "username": "u", "password": "canary"}
            where = {"database": "oracle", "host": "127.0.0.1", "port": port, "name": "x", "security": "none"}
            job = {**where, "authentication": login, "operation": "query", "statement": "SELECT 1 FROM dual"}
            outcome = await run(work, {**job, "timeout": 5}, seconds=20)
            assert outcome.code in {"SQL_UNREACHABLE", "SQL_CONNECTION_LOST"}, outcome
            assert "canary" not in repr(outcome)
    other.close()
    await other.wait_closed()


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("57P05", "SQL_CONNECTION_LOST"),
        ("25P03", "SQL_CONNECTION_LOST"),
        ("25P04", "SQL_TIMEOUT"),
        ("57P04", "SQL_UNKNOWN_OBJECT"),
        ("44000", "SQL_CHECK_VIOLATION"),
    ],
)
def test_states_of_postgresql(state, code):
    error = raised("psycopg.errors", "refused")
    error.sqlstate = state
    assert failure(error, where="db:5432").code == code


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (4031, "SQL_CONNECTION_LOST"),
        (1159, "SQL_CONNECTION_LOST"),
        (1525, "SQL_DATA_INVALID"),
        (3140, "SQL_DATA_INVALID"),
        (1169, "SQL_UNIQUE_VIOLATION"),
        (1263, "SQL_NOT_NULL_VIOLATION"),
        (1114, "SQL_UNREACHABLE"),
        (3118, "SQL_AUTH_FAILED"),
    ],
)
def test_numbers_of_mysql(number, code):
    assert failure(raised("asyncmy.errors", number, "refused"), where="db:3306").code == code


@pytest.mark.parametrize(
    ("statement", "values", "code"),
    [
        ("INSERT INTO binding VALUES (1)", (), "SQL_UNIQUE_VIOLATION"),
        ("SELECT * FROM bindings", (), "SQL_UNKNOWN_OBJECT"),
        ("SELECT ?", (), "SQL_PARAMETERS_INVALID"),
        ("SELECT ?", (object(),), "SQL_PARAMETERS_INVALID"),
    ],
)
def test_sqlites_own_names_are_not_mistaken_for_the_drivers_words(statement, values, code):
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE binding (binding INTEGER UNIQUE)")
    connection.execute("INSERT INTO binding VALUES (1)")
    with pytest.raises(sqlite3.Error) as raised_by_it:
        connection.execute(statement, values)
    connection.close()
    assert failure(raised_by_it.value, where="orders.db").code == code
