"""Run a prepared statement on PostgreSQL, and take its rows in batches, for jobs that cannot know how many there are.

psycopg has two ways: `execute` prepares what comes again but takes all rows into memory, `stream` takes them piece by
piece but never prepares. This one does both, and waits once for a result that fits one batch. It calls what psycopg's
own cursors are made of, whose names are not public: `constraints.txt` has the version that it is tested with.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from psycopg import AsyncConnection, AsyncCursor, capabilities, errors
from psycopg._preparing import Prepare
from psycopg.generators import execute, fetch, send
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.types.array import ArrayLoader
from psycopg.types.string import TextLoader

from zeebe_connectors.connectors.sql.values import WIDE, interval, text_where_none, width

_CHUNK = 50
"""Rows that the library collects before it hands them over."""
_PIECES = {ExecStatus.TUPLES_CHUNK, ExecStatus.SINGLE_TUPLE}
_ENDS = {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY}
_JSON = frozenset((114, 3802))
"""Type numbers of `json` and `jsonb`."""
_TEXT = frozenset((25, 1042, 1043))
"""Type numbers of `text`, `char` and `varchar`."""
_FIRST_OWN = 16_384
"""Type numbers from here on belong to users and extensions."""
Waiting = Generator[Any, Any, Any]
"""psycopg's waiting: a generator that yields whether it wants to read or to write, and returns the result."""


class BatchCursor(AsyncCursor[tuple[Any, ...]]):
    """A cursor that returns rows in batches; use it for one statement after the other.

    Attributes:
        is_through: Whether the statement has ended and its connection is free.
    """

    is_through = True
    _ahead: Any = None

    async def begin(self, query: str, values: Any, size: int) -> list[tuple[Any, ...]]:
        """Runs a statement; returns its first rows.

        Args:
            query: Text in the driver's style; passing the same object each time avoids parsing it again.
            values: Values for its placeholders, or None.
            size: Rows of a batch.

        Raises:
            psycopg.Error: The server refuses it; the connection is free then.
        """
        async with self._conn.lock:
            found: list[tuple[Any, ...]] = await self._conn.wait(self._begin(query, values, size))
            return found

    async def more(self, size: int) -> list[tuple[Any, ...]]:
        """Returns the next rows; none if `is_through`."""
        async with self._conn.lock:
            found: list[tuple[Any, ...]] = await self._conn.wait(self._batch(size))
            return found

    async def json_places(self, query: str, values: Sequence[Any]) -> tuple[frozenset[int], frozenset[int]]:
        """Returns the positions of lists for which the server wants JSON or text, and no array; none if it is silent.

        Args:
            query: See `begin`.
            values: Values for its placeholders.
        """
        if self._conn.autocommit and self._pgconn.transaction_status == TransactionStatus.IDLE:
            numbers = await self._types(query, values)
        else:
            async with self._conn.transaction(force_rollback=True):  # a refusal would end the job's own
                numbers = await self._types(query, values)
        json, text = (
            frozenset(position for position, number in enumerate(numbers) if number in kinds)
            for kinds in (_JSON, _TEXT)
        )
        return json, text

    async def _types(self, query: str, values: Sequence[Any]) -> list[int]:
        async with self._conn.lock:
            found: list[int] = await self._conn.wait(self._described(query, values))
            return found

    def _described(self, query: str, values: Sequence[Any]) -> Waiting:
        yield from self._start_query(query)
        text = self._convert_query(query, values)
        known = [0 if isinstance(value, list) else number for value, number in zip(values, text.types, strict=True)]
        self._pgconn.send_prepare(b"", text.query, known)
        (result,) = yield from execute(self._pgconn)
        if result.status == ExecStatus.COMMAND_OK:
            self._pgconn.send_describe_prepared(b"")
            (result,) = yield from execute(self._pgconn)
        return [result.param_type(position) for position in range(result.nparams)]

    async def abandon(self) -> None:
        """Stops a statement whose rows nobody wants any more, on the server too."""
        if self.is_through:
            return
        await self._conn.cancel_safe(timeout=5)
        try:
            while not self.is_through:
                await self.more(1)
        except errors.QueryCanceled:
            pass

    def names(self, encoding: str) -> list[str] | None:
        """Returns the columns' names, cheaper than from the description; None if the statement returns no rows."""
        result = self.pgresult
        if result is None:
            return None
        return [(result.fname(position) or b"").decode(encoding) for position in range(result.nfields)]

    def _begin(self, query: str, values: Any, size: int) -> Waiting:
        yield from self._start_query(query)
        text = self._convert_query(query, values)
        prepare, name = self._get_prepared(text)
        if prepare is Prepare.SHOULD:
            self._send_prepare(name, text)
            self._check_results((yield from execute(self._pgconn)))
        if prepare is Prepare.NO:
            self._execute_send(text, force_extended=True)
        else:
            self._send_query_prepared(name, text)
        self._counted = (self._conn._prepared.maybe_add_to_cache(text, prepare, name), prepare, name)  # noqa: SLF001 - see above
        if capabilities.has_stream_chunked():
            self._pgconn.set_chunked_rows_mode(min(size, _CHUNK))
        else:
            self._pgconn.set_single_row_mode()
        self._last_query = query
        self._ahead, self.is_through = None, False
        yield from send(self._pgconn)
        return (yield from self._batch(size))

    def _batch(self, size: int) -> Waiting:
        """Collects rows until there are enough, or to the end; it looks one piece ahead to know whether more come."""
        rows: list[Sequence[Any]] = []
        held = 0
        end: Any = None
        result, self._ahead = self._ahead, None
        while (result := result or (yield from fetch(self._pgconn))) is not None:
            if result.status not in _PIECES:
                end = result
            elif len(rows) >= size or held >= WIDE:
                self._ahead = result
                return rows
            else:
                is_first = self.pgresult is None
                self.pgresult = result
                self._tx.set_pgresult(result, set_loaders=is_first)
                if is_first:
                    self._make_row = self._make_row_maker()
                rows += self._tx.load_rows(0, result.ntuples, self._make_row)
                held += width(rows[-1]) * result.ntuples
            result = None
        self.is_through = True
        if end is None:
            return rows
        key, prepare, name = self._counted
        if key is not None:
            self._conn._prepared.validate(key, prepare, name, [end])  # noqa: SLF001 - see above
        if end.status not in _ENDS:
            self._raise_for_result(end)
        if self.pgresult is None and end.status == ExecStatus.TUPLES_OK:
            self.pgresult = end
        yield from self._conn._prepared.maintain_gen(self._conn)  # noqa: SLF001 - see above
        return rows


class _Interval(TextLoader):
    """Loads durations in ISO 8601; psycopg counts a month as 30 days and has nothing for `infinity`."""

    def load(self, data: Any) -> str:
        return interval(bytes(data).decode())


class _Texts(ArrayLoader):
    base_oid = 25


class _OfUnknown(TextLoader):
    """Loads values of user-defined types: text as the database writes it, and lists of it for their arrays."""

    def __init__(self, oid: int, context: Any = None) -> None:
        super().__init__(oid, context)
        self._array = _Texts(oid, context) if oid >= _FIRST_OWN else None

    def load(self, data: Any) -> Any:
        written = bytes(data[:2])
        if self._array is not None and written[:1] == b"{" and written not in {b"{[", b"{("}:  # which are multiranges
            return self._array.load(data)
        return super().load(data)


def take_all_values(connection: AsyncConnection[Any]) -> None:
    """Makes a connection return every value of PostgreSQL, even those that Python cannot represent, such as `infinity`.

    Args:
        connection: A new one.
    """
    adapters = connection.adapters
    for name in ("date", "timestamp", "timestamptz", "time", "timetz"):
        number = adapters.types[name].oid
        adapters.register_loader(number, text_where_none(adapters.get_loader(number, Format.TEXT)))
    for name in ("int4", "int8", "num", "date", "ts", "tstz"):
        for kind in ("range", "multirange"):
            adapters.register_loader(f"{name}{kind}", TextLoader)
    adapters.register_loader("interval", _Interval)
    adapters.register_loader(0, _OfUnknown)


def is_unprepared(error: BaseException) -> bool:
    """Returns whether the server has lost the prepared statement, so that preparing is useless there."""
    return isinstance(error, errors.InvalidSqlStatementName | errors.DuplicatePreparedStatement)
