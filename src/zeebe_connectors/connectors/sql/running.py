"""Run statements on a connection: rows in batches, changes with their counts, many values at once, procedures."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from zeebe_connectors import InputError
from zeebe_connectors.connectors.sql.database import Session
from zeebe_connectors.connectors.sql.kinds import (
    asks,
    begins_with_with,
    check_single,
    is_copy,
    leaves_traces,
    only_asks,
)
from zeebe_connectors.connectors.sql.statements import Bound, bind, outline
from zeebe_connectors.connectors.sql.values import WIDE, special_columns, unique, width

AnswerT = TypeVar("AnswerT")
BATCH = 500
"""Rows fetched from the server at once, at most."""
FIRST = 20
"""Rows fetched first, while nobody knows how wide they are."""
_MAX_KNOWN = 512
"""Statements of which a pool knows where they want JSON."""
_FEW = 50
"""Rows that a cursor may still hold while its connection waits for the next job."""
_RETURNING = re.compile(r"\bRETURNING\b", re.IGNORECASE)
_INTO = re.compile(
    r"\bINTO\s+(?:[\w\"`\[\]]+\s*\.\s*)?(?:\"((?:[^\"]|\"\")+)\"|`([^`]+)`|\[([^\]]+)\]|(\w+))", re.IGNORECASE
)
PARAMSTYLES = {"postgresql": "format", "mysql": "format", "oracle": "named"}


@dataclass(slots=True)
class Rows:
    """A statement's result: columns known with the first batch, rows as they arrive, the counts after the last."""

    batches: AsyncGenerator[list[Sequence[Any]], None] = field(init=False)
    columns: list[str] = field(default_factory=list)
    special: Mapping[int, Any] = field(default_factory=dict)
    affected: int | None = None
    key: int | None = None
    """The new row's generated key, if the database reports it separately from rows."""

    def described(self, description: Sequence[Any] | None, dialect: str) -> None:
        """Notes the columns."""
        if description and not self.columns:
            self.columns = unique([str(column[0]) for column in description])
            self.special = special_columns(description, dialect)

    def named(self, names: Sequence[str] | None) -> None:
        """Notes the columns when only their names are known."""
        if names is not None:
            self.columns = unique(names)


def prepared(statement: str, parameters: Any, session: Session, own: Mapping[str, Any], *, field: str) -> Bound:
    """Returns the statement with its values, in the driver's style."""
    dialect = session.dialect
    style = PARAMSTYLES.get(dialect, "qmark")
    if dialect == "mssql":
        check_single(statement)
    if leaves_traces(statement):
        session.has_traces = True
        if dialect == "postgresql" and is_copy(statement):
            raise InputError(
                "statement: COPY needs a channel of its own, which this connector does not have; "
                "use a query whose result is a document, or a batch",
                code="SQL_UNSUPPORTED",
            )
    return bind(statement, parameters, dialect=dialect, paramstyle=style, own=own, field=field)


def run(bound: Bound, session: Session) -> Rows:
    """Prepares a statement; it runs when its rows are requested."""
    rows = Rows()
    if session.dialect != "postgresql":
        rows.batches = _through_sqlalchemy(bound, session, rows)
    elif only_asks(bound.text, "postgresql"):
        rows.batches = _streamed(bound, session, rows)
    else:
        rows.batches = _executed(bound, session, rows)
    return rows


async def _streamed(bound: Bound, session: Session, rows: Rows) -> AsyncGenerator[list[Sequence[Any]], None]:
    """Streams a query's rows: never all in memory, however many there are."""
    cursor = session.cursor()
    (values,) = await _with_json(bound.text, [bound.values], session)
    text, values = bound.text, values or None
    batch = await _prepared_or_not(session, lambda: cursor.begin(text, values, BATCH))
    rows.named(cursor.names(session.encoding))
    if len(batch) > _FEW:
        session.forget_cursor()
    try:
        while batch:
            yield batch
            batch = [] if cursor.is_through else await cursor.more(BATCH)
    finally:
        await cursor.abandon()


async def _executed(bound: Bound, session: Session, rows: Rows) -> AsyncGenerator[list[Sequence[Any]], None]:
    cursor = session.cursor()
    (values,) = await _with_json(bound.text, [bound.values], session)
    await _prepared_or_not(session, lambda: cursor.execute(bound.text, values or None))
    count = rows.affected = max(0, cursor.rowcount)
    result = cursor.pgresult
    if result is not None and (result.nfields or cursor.description is not None):
        rows.named(cursor.names(session.encoding))
        if count > _FEW:
            session.forget_cursor()
        while batch := await cursor.fetchmany(BATCH):
            yield batch


async def _with_json(text: str, sets: list[Any], session: Session) -> list[Any]:
    """Writes lists as JSON where PostgreSQL wants that: in its arrays' form, an empty one would become `{}`.

    Where PostgreSQL wants text, an empty list is JSON too: it has no type of its own, and `{}` says nothing to anybody.
    """
    example = next((values for values in sets if any(isinstance(value, list) for value in values)), None)
    if example is None:
        return sets
    known = session.database.json_places
    if text not in known:
        if len(known) >= _MAX_KNOWN:
            known.clear()
        known[text] = await session.cursor().json_places(text, example)
    places, texts = known[text]
    if not places and not texts:
        return sets
    return [
        tuple(
            json.dumps(value, ensure_ascii=False)
            if isinstance(value, list) and (position in places or (not value and position in texts))
            else value
            for position, value in enumerate(values)
        )
        for values in sets
    ]


async def _prepared_or_not(session: Session, call: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
    """Runs a statement again if the server refuses the one that it prepared, before anything was carried out.

    In a transaction the refusal ends it; then the job is tried again, on another connection.
    """
    try:
        return await call()
    except Exception as error:
        if not session.is_refused(error):
            raise
    return await call()


async def _through_sqlalchemy(bound: Bound, session: Session, rows: Rows) -> AsyncGenerator[list[Sequence[Any]], None]:
    connection = session.connection
    changes = not only_asks(bound.text, session.dialect)
    streams = session.dialect == "mysql" and asks(bound.text, session.dialect)
    values = bound.values or None

    def start(sync: Any) -> Any:
        # For this statement only: what is in the connection's options stays there.
        options = {"stream_results": True} if streams else {}
        return sync.exec_driver_sql(bound.text, values, execution_options=options)

    def fetch(_: Any, size: int) -> Any:
        return result.fetchmany(size)

    result = await connection.run_sync(start)
    finished = False
    try:
        if result.returns_rows:
            rows.described(result.cursor.description, session.dialect)
            size = FIRST if streams else BATCH
            while batch := await connection.run_sync(fetch, size):
                with unread(session):
                    yield batch
                size = next_size(batch)
        rows.affected = max(0, result.rowcount) if changes and not (result.returns_rows and streams) else None
        if session.dialect == "sqlite" and result.rowcount < 0 and changes and begins_with_with(bound.text, "sqlite"):
            # Python's driver counts no change whose statement begins with WITH.
            rows.affected = (await connection.exec_driver_sql("SELECT changes()")).scalar()
        if rows.affected:
            rows.key = _key(result, outline(bound.text, session.dialect))
        if rows.key and session.dialect == "sqlite" and await _has_no_number(connection, bound.text):
            rows.key = None
        finished = True
    finally:
        if finished or not streams:
            await connection.run_sync(lambda _: result.close())
        else:
            # Reading on to the end of what nobody wants could take for ever.
            await session.database.stop(session)


def next_size(batch: Sequence[Sequence[Any]]) -> int:
    """Returns how many rows to fetch next: fewer of wide ones."""
    return max(1, min(BATCH, WIDE // (1 + max(width(batch[0]), width(batch[-1])))))


@contextlib.contextmanager
def unread(session: Session) -> Iterator[None]:
    """Has MySQL's server wait while a batch is taken: its driver would read all that comes into memory."""
    transport = getattr(session.driver, "_transport", None) if session.dialect == "mysql" else None
    if transport is None or not transport.is_reading():
        yield
        return
    transport.pause_reading()
    try:
        yield
    finally:
        if not transport.is_closing():
            transport.resume_reading()


async def _has_no_number(connection: Any, text: str) -> bool:
    """Returns whether an INSERT's table on SQLite has no row numbers: then SQLite still reports an earlier one's."""
    match = _INTO.search(text)
    if match is None:
        return True
    name = next(filter(None, match.groups())).replace('""', '"')
    ask = "SELECT max(wr) FROM pragma_table_list WHERE name = ? COLLATE NOCASE"
    return bool((await connection.exec_driver_sql(ask, (name,))).scalar())


def _key(result: Any, text: str) -> int | None:
    if not re.match(r"\s*(?:INSERT|REPLACE)\b", text, re.IGNORECASE):
        return None
    key = getattr(result, "lastrowid", None)
    return key if isinstance(key, int) and key > 0 else None


async def run_many(bounds: Sequence[Bound], session: Session) -> int:
    """Runs one statement for many sets of values; returns how many rows it changed in all.

    Sets whose lists have other lengths make other texts; each text is run for its own sets, in their order.
    """
    affected = 0
    start = 0
    while start < len(bounds):
        text = bounds[start].text
        end = start
        while end < len(bounds) and bounds[end].text == text:
            end += 1
        sets = [bound.values for bound in bounds[start:end]]
        if not sets[0] and session.dialect != "sqlite":
            affected += await _repeated(text, len(sets), session)
        elif session.dialect == "sqlite":
            if _RETURNING.search(text) or begins_with_with(text, "sqlite"):
                # Python's driver does not count these.
                before = await _changes_so_far(session)
                # Python 3.12 and 3.13 stop at the second of many sets whose statement gives rows.
                for values in sets:
                    (await session.connection.exec_driver_sql(text, values)).close()
                affected += await _changes_so_far(session) - before
            else:
                affected += max(0, (await session.connection.exec_driver_sql(text, sets)).rowcount)
        elif session.dialect == "postgresql":
            sets = await _with_json(text, sets, session)
            async with session.driver.cursor() as cursor:
                await cursor.executemany(text, sets)
                affected += max(0, cursor.rowcount)
        else:
            result = await session.connection.exec_driver_sql(text, sets)
            affected += max(0, result.rowcount)
        start = end
    return affected


async def _repeated(text: str, count: int, session: Session) -> int:
    """Runs a statement without values several times: `executemany` would look for places in it, as in LIKE '10%'."""
    affected = 0
    for _ in range(count):
        if session.dialect == "postgresql":
            async with session.driver.cursor() as cursor:
                await cursor.execute(text)
                affected += max(0, cursor.rowcount)
        else:
            result = await session.connection.exec_driver_sql(text)
            affected += max(0, result.rowcount)
            result.close()
    return affected


async def _changes_so_far(session: Session) -> int:
    return int((await session.connection.exec_driver_sql("SELECT total_changes()")).scalar_one())
