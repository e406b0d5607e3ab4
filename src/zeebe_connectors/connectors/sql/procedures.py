"""Call stored procedures: by name and arguments, with all that they return."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from zeebe_connectors import ConnectorError, InputError
from zeebe_connectors.connectors.sql.database import Session
from zeebe_connectors.connectors.sql.results import Collected
from zeebe_connectors.connectors.sql.running import FIRST, PARAMSTYLES, Rows, next_size, run, unread
from zeebe_connectors.connectors.sql.statements import Bound, parameter

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$#]*(?:\.[A-Za-z_][A-Za-z0-9_$#]*){0,2}")


def call_of(name: str, arguments: Sequence[Any], session: Session) -> tuple[Bound, list[str]]:
    """Returns the call of a stored procedure, and the names of its output arguments, which MySQL puts into variables.

    Args:
        name: The procedure's name, with its schema if needed.
        arguments: The arguments in order; `{out: "name"}` stands for one that the procedure returns.
        session: The connection on which it is called.

    Raises:
        InputError: The name is none, or the database has no procedures.
    """
    if not _NAME.fullmatch(name):
        raise InputError("procedure: must be a name such as close_order or sales.close_order")
    if session.dialect == "sqlite":
        raise InputError("operation: SQLite has no procedures; use execute or transaction", code="SQL_UNSUPPORTED")
    quote = session.database.engine.dialect.identifier_preparer.quote
    # A name in lower case is left as it is: quoting would make it another one where the database folds names.
    called = ".".join(part if part == part.lower() and part.isidentifier() else quote(part) for part in name.split("."))
    outs: list[str] = []
    places: list[str] = []
    values: list[Any] = []
    style = PARAMSTYLES.get(session.dialect, "qmark")
    for number, argument in enumerate(arguments):
        out = argument.get("out") if isinstance(argument, Mapping) and set(argument) == {"out"} else None
        if out is not None and session.dialect == "mysql":
            outs.append(str(out))
            places.append(f"@zeebe_out_{len(outs)}")
            continue
        mark = {"format": "%s", "named": f":p{len(values)}"}.get(style, "?")
        places.append(mark)
        values.append(None if out is not None else parameter(argument, session.dialect, f"parameters[{number + 1}]"))
    if session.dialect == "mssql":
        text = f"EXEC {called} {', '.join(places)}".rstrip()
    elif session.dialect == "oracle":
        text = f"BEGIN {called}({', '.join(places)}); END;"
    else:
        text = f"CALL {called}({', '.join(places)})"
    bound: Sequence[Any] | Mapping[str, Any] = tuple(values)
    if style == "named":
        bound = {f"p{number}": value for number, value in enumerate(values)}
    return Bound(text, bound), outs


def cleared(outs: Sequence[str]) -> Bound:
    """Returns the statement that empties MySQL's output arguments, in which an earlier job's values may be."""
    return Bound("SET " + ", ".join(f"@zeebe_out_{number} = NULL" for number in range(1, len(outs) + 1)), ())


def outputs_query(outs: Sequence[str]) -> Bound:
    """Returns the query for the output arguments of the procedure that was just called."""
    return Bound("SELECT " + ", ".join(f"@zeebe_out_{number}" for number in range(1, len(outs) + 1)), ())


async def call(
    bound: Bound, session: Session, collect: Callable[[Rows], Awaitable[Collected]]
) -> list[tuple[Rows, Collected]]:
    """Calls a procedure; returns each of its results, which are rows or a count, and what was collected of it.

    On MySQL and SQL Server a procedure has many; SQLAlchemy would discard all but the first, so the driver is used.
    What nobody wants of them is read to its end: stopping it would stop the procedure.

    Args:
        bound: The call.
        session: The connection.
        collect: Collects a result's rows, or as many as it wants.
    """
    if session.dialect not in {"mysql", "mssql"}:
        rows = run(bound, session)
        return [(rows, await collect(rows))]
    cursor = await session.driver.cursor(*_unbuffered(session.dialect))
    found: list[tuple[Rows, Collected]] = []
    try:
        await cursor.execute(bound.text, *([bound.values] if bound.values else []))
        while True:
            rows = Rows()
            rows.described(cursor.description, session.dialect)
            rows.batches = _batches(cursor, session)
            if not rows.columns:
                rows.affected = max(0, cursor.rowcount)
            found.append((rows, await collect(rows)))
            if not await cursor.nextset():
                break
    except ConnectorError:
        with contextlib.suppress(Exception):
            await cursor.close()  # which reads the rest
        raise
    except BaseException:
        session.has_traces = True  # nobody knows what is still to come
        raise
    await cursor.close()
    return found


def _unbuffered(dialect: str) -> list[Any]:
    if dialect != "mysql":
        return []
    from asyncmy.cursors import SSCursor  # noqa: PLC0415 - only who uses MySQL

    return [SSCursor]


async def _batches(cursor: Any, session: Session) -> AsyncGenerator[list[Sequence[Any]], None]:
    size = FIRST
    while cursor.description and (batch := await cursor.fetchmany(size)):
        with unread(session):
            yield list(batch)
        size = next_size(batch)
